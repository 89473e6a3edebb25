"""
Single devices on the deployed stack: stuck, spoken for by others, or of a bad kind.

Who is connected is not asked here: the embedded cloud does not index connectivity.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from tests.e2e.conftest import Overheard
from tests.e2e.stack import POLICY, DeployedStack, eventually
from tidegate.domain.rollout import Ending
from tidegate.local.fleet import Thing, register

pytestmark = pytest.mark.e2e

#: Of PutEvents and of SendMessageBatch.
ENTRIES_MAX = 10
#: On an idle machine a thousand reports take half a minute.
REPORTS_SECONDS = 240.0
PAGE_SIZE = 250


def executions(stack: DeployedStack, job_id: str) -> dict[str, str]:
    """Return the status of each thing's execution of a job."""
    pages = stack.iot.get_paginator("list_job_executions_for_job").paginate(
        jobId=job_id, PaginationConfig={"PageSize": PAGE_SIZE}
    )
    return {
        row["thingArn"].partition(":thing/")[2]: row["jobExecutionSummary"]["status"]
        for page in pages
        for row in page["executionSummaries"]
    }


def enroll_when_queued(stack: DeployedStack, job_id: str, devices: int, policy: object) -> None:
    """Have Tidegate steer a job once all of its devices have been told of it."""
    eventually(lambda: len(executions(stack, job_id)) == devices, f"{devices} executions")
    stack.command("Enroll Job", jobId=job_id, policy=policy)
    stack.enrolled(job_id)


# --- stuck ----------------------------------------------------------------------------------


def test_a_silent_device_is_failed_and_the_job_completes(
    stack: DeployedStack, bus: Overheard
) -> None:
    """Its execution ends as FAILED by the real data plane, says why, and keeps what it said."""
    names, arn = stack.group("stuck", 4)
    stack.job("stuck", [arn])
    enroll_when_queued(stack, "stuck", 4, {**POLICY, "stuck": {"after": "6m"}})
    silent, *others = names
    data = stack.cloud.client("iot-jobs-data")
    data.start_next_pending_job_execution(thingName=silent, statusDetails={"step": "flash"})
    for name in others:
        stack.report(name, "stuck", "SUCCEEDED")
    ended = stack.ended("stuck")

    assert ended.ending is Ending.COMPLETED
    execution = stack.iot.describe_job_execution(jobId="stuck", thingName=silent)["execution"]
    details = execution["statusDetails"]["detailsMap"]
    assert execution["status"] == "FAILED"
    assert details["step"] == "flash"
    assert "no sign of life" in details["tidegate:reason"]
    (reaped,) = bus.of("stuck", "Execution Reaped")
    assert (reaped["detail"]["action"], reaped["detail"]["things"]) == ("fail", [silent])
    assert "Attend" in stack.states(ended.execution_arn)
    assert bus.of("stuck", "Rollout Needs Attention") == []


# --- spoken for by others -------------------------------------------------------------------

GATEWAY = "plant.gateway"
CHILDREN = 100
FAULTY = 20
FOREIGN = "elsewhere"


def child(number: int) -> Thing:
    """Return a thing with the longest name there may be, with all that a name may hold."""
    return Thing(f"plant:line-1_{number:03}:".ljust(128, "x"), "A", "eu", "1.0.0")


def grant(stack: DeployedStack, source: str, *groups: str) -> None:
    """Let a source report for the things of these groups."""
    stack.cloud.client("ssm").put_parameter(
        Name=f"{stack.outputs['ReporterPrefix']}{source}",
        Value=json.dumps({"thingGroups": groups}),
        Type="String",
    )


def chunks(items: list[Any]) -> Iterator[list[Any]]:
    """Yield as many as one request takes at a time."""
    remaining = iter(items)
    while chunk := list(islice(remaining, ENTRIES_MAX)):
        yield chunk


def report_all(stack: DeployedStack, reports: list[Mapping[str, Any]]) -> list[str]:
    """Put reports on the bus as fast as it goes; return the ids that they get there."""
    events = stack.cloud.client("events")
    ids: list[str] = []
    for chunk in chunks(list(reports)):
        answer = events.put_events(
            Entries=[
                {
                    "EventBusName": stack.outputs["BusName"],
                    "Source": GATEWAY,
                    "DetailType": "Device Execution Report",
                    "Detail": json.dumps(each),
                }
                for each in chunk
            ]
        )
        assert answer["FailedEntryCount"] == 0
        ids += [entry["EventId"] for entry in answer["Entries"]]
    return ids


def replay(stack: DeployedStack, ids: list[str], reports: list[Mapping[str, Any]]) -> None:
    """Deliver reports once more, as the bus may: with the ids that they had."""
    url = stack.outputs["RelayDeadLettersUrl"].removesuffix("-dead-letters")
    for chunk in chunks(list(zip(ids, reports, strict=True))):
        stack.sqs.send_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(place), "MessageBody": json.dumps(delivered(report_id, report))}
                for place, (report_id, report) in enumerate(chunk)
            ],
        )


def delivered(report_id: str, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report as the bus delivers it."""
    return {
        "version": "0",
        "id": report_id,
        "source": GATEWAY,
        "detail-type": "Device Execution Report",
        "account": "111122223333",
        "region": "us-east-1",
        "resources": [],
        "time": moment(0.0)[:19] + "Z",
        "detail": report,
    }


def moment(seconds: float) -> str:
    """Return the moment so many seconds from now."""
    told = datetime.fromtimestamp(time.time() + seconds, UTC)
    return told.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def good_reports() -> list[Mapping[str, Any]]:
    """Return all that the children do, each with an answer asked for."""
    begun, done = moment(0.0), moment(1.0)
    asked = {"jobId": "relayed", "includeJobExecutionState": True}
    return [
        {**asked, "thingName": child(number).name, "status": status, "at": at}
        for status, at in (("IN_PROGRESS", begun), ("SUCCEEDED", done))
        for number in range(CHILDREN)
    ]


def faulty_reports() -> list[Mapping[str, Any]]:
    """Return reports that cannot be done, a hundred and more of each kind."""
    pairs = {f"key-{number}": "value" for number in range(11)}
    faults: list[Mapping[str, Any]] = [
        {"thingName": "plant:no-such-thing"},
        {"jobId": "relayed-nowhere"},
        {"statusDetails": pairs},
        {"statusDetails": {"log": "x" * 1025}},
        {"expectedVersion": 99},
        {"status": "TIMED_OUT"},
        {"executionNumber": 7},
        {"thingName": f"{FOREIGN}-00000"},
    ]
    return [
        {
            "jobId": "relayed",
            "thingName": child(CHILDREN + number % FAULTY).name,
            "status": "IN_PROGRESS",
            **fault,
        }
        for fault in faults
        for number in range(100)
    ]


def answers(bus: Overheard) -> Counter[tuple[str, str]]:
    """Return how often each report was answered, and how."""
    return Counter(
        (event["detail"]["reportId"], event["detail-type"])
        for job_id in ("relayed", "relayed-nowhere")
        for kind in ("Device Report Applied", "Device Report Refused")
        for event in bus.of(job_id, kind)
    )


def test_a_thousand_reports_are_answered_once_each(stack: DeployedStack, bus: Overheard) -> None:
    """Good ones are done in the order of their times, others refused; replays change nothing."""
    things = tuple(child(number) for number in range(CHILDREN + FAULTY))
    fleet = register(stack.iot, things, group="plant")
    stack.group(FOREIGN, 1)
    grant(stack, GATEWAY, "plant")
    stack.job("relayed", [fleet.group_arn], rate=1000)
    enroll_when_queued(stack, "relayed", len(things), POLICY)

    good, faulty = good_reports(), faulty_reports()
    good_ids, faulty_ids = report_all(stack, good), report_all(stack, faulty)
    replay(stack, good_ids[:50] + faulty_ids[::16], good[:50] + faulty[::16])
    ids = {*good_ids, *faulty_ids}
    assert len(ids) == 1000
    eventually(
        lambda: ids <= {each for each, _ in answers(bus)},
        "all reports to be answered",
        REPORTS_SECONDS,
    )
    time.sleep(1.0)  # Whatever is answered twice, is so by now.

    told = answers(bus)
    assert set(told.values()) == {1}
    assert {each for each, _ in told} == ids
    assert len(told) == len(ids)
    applied = {each for each, kind in told if kind == "Device Report Applied"}
    assert applied <= set(good_ids)
    assert set(good_ids[CHILDREN:]) <= applied
    found = executions(stack, "relayed")
    assert Counter(found.values()) == {"SUCCEEDED": CHILDREN, "QUEUED": FAULTY}
    for thing in things[CHILDREN:]:
        stack.report(thing.name, "relayed", "SUCCEEDED")
    assert stack.ended("relayed").ending is Ending.COMPLETED
    assert stack.waiting("RelayDeadLettersUrl") == []
    assert bus.of("relayed", "Rollout Needs Attention") == []


# --- of a bad kind --------------------------------------------------------------------------

KEY = "thing.attributes.hardwareRevision"


def test_a_bad_revision_is_set_apart_and_what_waits_for_it_canceled(
    stack: DeployedStack, bus: Overheard
) -> None:
    """By an attribute in the registry: its QUEUED executions are canceled, the others' are not."""
    common = tuple(Thing(f"apart-a-{n:03}", "A", "eu", "1.0.0") for n in range(70))
    rare = tuple(Thing(f"apart-b-{n:03}", "B", "eu", "1.0.0") for n in range(12))
    fleet = register(stack.iot, (*common, *rare), group="apart")
    stack.job("apart", [fleet.group_arn], rate=1000)
    policy = {**POLICY, "cohorts": [KEY], "on_suspect": "quarantine"}
    policy["harm"] = {"tolerated_rate": "5%", "acceptable_rate": "5%", "budget": 20}
    enroll_when_queued(stack, "apart", 82, policy)
    for thing in common[:60]:
        stack.report(thing.name, "apart", "SUCCEEDED")
    for thing in rare[:5]:
        stack.report(thing.name, "apart", "FAILED")
    waiting = {thing.name for thing in rare[5:]}

    (suspect,) = eventually(lambda: bus.of("apart", "Cohort Suspect"), "the cohort to be named")
    assert suspect["detail"]["cohort"] == f"{KEY}=B"
    assert suspect["detail"]["remedy"] == "quarantine"

    def canceled() -> set[str]:
        return {name for name, is_in in executions(stack, "apart").items() if is_in == "CANCELED"}

    eventually(lambda: canceled() == waiting, "what waits for it to be canceled")
    for thing in common[60:]:
        stack.report(thing.name, "apart", "SUCCEEDED")
    ended = stack.ended("apart")
    assert ended.ending is Ending.COMPLETED
    assert ended.memory.quarantined == (f"{KEY}=B",)
    assert canceled() == waiting
    assert Counter(executions(stack, "apart").values())["SUCCEEDED"] == 70
    assert bus.of("apart", "Rollout Needs Attention") == []
