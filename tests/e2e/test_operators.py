"""What people, alarms, calendars and other rollouts have a say in, on the deployed stack."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.e2e.conftest import Overheard
from tests.e2e.stack import POLICY, DeployedStack, eventually
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.rollout import Ending, Rollout
from tidegate.local.devices import DeviceFleet
from tidegate.local.fleet import draw_things

pytestmark = pytest.mark.e2e

#: So short a time between two looks that a workflow's next wait has begun.
SETTLED_SECONDS = 0.3


def last(stack: DeployedStack, job_id: str) -> Decision:
    """Return the last decision about a job."""
    return stack.decisions(job_id)[-1]


def rate(stack: DeployedStack, job_id: str) -> int:
    """Return the rate that AWS rolls a job out at."""
    return int(stack.describe(job_id)["jobExecutionsRolloutConfig"]["maximumPerMinute"])


def one(bus: Overheard, job_id: str, detail_type: str) -> dict[str, Any]:
    """Wait for the first event of a type about a job; return its detail, having seen no other."""
    (event,) = eventually(lambda: bus.of(job_id, detail_type), f"{detail_type} of {job_id}")
    return dict(event["detail"])


def waits_in(stack: DeployedStack, rollout: Rollout, state: str) -> bool:
    """Whether a rollout's workflow is in a state."""
    return stack.states(rollout.execution_arn)[-1:] == [state]


def answer(stack: DeployedStack, way: Mapping[str, Any], by: str, comment: str) -> str:
    """Put a command on the bus as the question has it, filled in by who answers and why."""
    return stack.put(
        way["source"], way["detailType"], {**way["detail"], "by": by, "comment": comment}
    )


def of_generation(stack: DeployedStack, job_id: str, generation: int) -> Rollout | None:
    """Return a job's rollout once an execution of that generation steers it."""
    rollout = stack.rollout(job_id)
    return rollout if rollout and rollout.generation == generation else None


# --- gates ----------------------------------------------------------------------------------


def test_a_gate_opens_when_a_person_says_yes(stack: DeployedStack, bus: Overheard) -> None:
    """It bakes, then asks in words for people and for machines, with the command to answer."""
    readable = stack.subscribe("ApprovalTopicArn")
    gate = {"name": "canary", "after": 5, "bake": "1m", "approval": "required"}
    things = draw_things(24, prefix="gated")
    _, arn = stack.group("gated", 24)
    with DeviceFleet(stack.cloud, things, {}):
        stack.launch("gated", [arn], {**POLICY, "gates": [gate]})
        asked = one(bus, "gated", "Approval Requested")
        assert rate(stack, "gated") == 1
        rollout = stack.enrolled("gated")
        eventually(lambda: waits_in(stack, rollout, "AwaitApproval"), "the workflow to wait")
        assert "Bake" in stack.states(rollout.execution_arn)
        description = stack.describe("gated")["description"]
        assert description == "Tidegate: at gate canary, waiting for approval"
        answer(stack, asked["approve"], "release-desk", "dashboards are fine")
        ended = stack.ended("gated")

    assert ended.ending is Ending.COMPLETED
    reached = one(bus, "gated", "Gate Reached")
    assert set(reached["awaits"]) == {"bake", "approval"}
    passed = one(bus, "gated", "Gate Passed")
    assert [(each["by"], each["comment"]) for each in passed["answers"]] == [
        ("release-desk", "dashboards are fine")
    ]
    assert bus.of("gated", "Command Refused") == []
    (text,) = stack.received(readable)
    assert "gated asks for a yes or a no: canary" in text
    assert "correlationId canary-approval" in text
    assert "$" not in text


def test_a_question_outlives_the_execution_that_asked_it(
    stack: DeployedStack, bus: Overheard
) -> None:
    """After five reviews a successor waits at the gate, and the answer still fits the question."""
    gate = {"name": "canary", "after": 4, "approval": "required"}
    things = draw_things(12, prefix="patient")
    _, arn = stack.group("patient", 12)
    stack.job("patient", [arn], rate=5)
    first = stack.start(jobId="patient", policy={**POLICY, "gates": [gate]}, reviews=5)
    stack.enrolled("patient")
    eventually(lambda: stack.decisions("patient")[-1].verdict is Verdict.GATE, "the gate")
    asked = one(bus, "patient", "Approval Requested")

    def handed_over() -> Rollout | None:
        stack.command("Hold Rollout", jobId="patient", by="night-shift", reason="look")
        stack.command("Resume Rollout", jobId="patient", by="night-shift", reason="looked")
        time.sleep(1.1)  # events have whole seconds; a resume lifts holds of earlier ones
        rollout = stack.enrolled("patient")
        return rollout if rollout.generation > 1 else None

    successor = eventually(handed_over, "a successor")
    assert stack.outcome(first)[0] == "SUCCEEDED"
    assert stack.states(first)[-1] == "HandedOver"
    assert successor.course.question("canary-approval") is not None
    stack.command("Resume Rollout", jobId="patient", by="night-shift", reason="go on")
    answer(stack, asked["approve"], "release-desk", "go")
    one(bus, "patient", "Gate Passed")
    with DeviceFleet(stack.cloud, things, {}):
        ended = stack.ended("patient")

    assert ended.ending is Ending.COMPLETED
    assert len(bus.of("patient", "Approval Requested")) == 1


# --- holds ----------------------------------------------------------------------------------


def test_an_alarm_holds_until_it_is_ok(stack: DeployedStack, bus: Overheard) -> None:
    """An alarm wakes the workflow by its event; while it lasts, AWS goes at its lowest rate."""
    stack.set_alarm("crashes", "OK")
    things = draw_things(6, prefix="alarmed")
    _, arn = stack.group("alarmed", 6)
    stack.job("alarmed", [arn], rate=2)
    stack.command(
        "Enroll Job", jobId="alarmed", policy={**POLICY, "freeze": {"alarms": ["crashes"]}}
    )
    signals = stack.enrolled("alarmed").signals

    stack.set_alarm("crashes", "ALARM")
    eventually(lambda: stack.enrolled("alarmed").signals > signals, "the event to arrive")
    held = eventually(
        lambda: [
            e
            for e in bus.of("alarmed", "Rollout Held")
            if e["detail"]["reasons"][0]["code"] == "HELD"
        ],
        "the hold to be told",
    )[-1]["detail"]
    assert "alarm" in held["reasons"][0]["text"]
    assert "crashes" in held["reasons"][0]["text"]
    assert rate(stack, "alarmed") == 1
    rollout = stack.enrolled("alarmed")
    eventually(lambda: waits_in(stack, rollout, "AwaitRelease"), "the workflow to wait")

    stack.set_alarm("crashes", "OK")
    resumed = one(bus, "alarmed", "Rollout Resumed")
    assert "by" not in resumed
    with DeviceFleet(stack.cloud, things, {}):
        assert stack.ended("alarmed").ending is Ending.COMPLETED


def test_a_closed_calendar_holds_from_the_start(stack: DeployedStack, bus: Overheard) -> None:
    """A release that is launched in a freeze waits for its end, told of or not."""
    stack.set_calendar("holidays", "CLOSED")
    _, arn = stack.group("frozen", 20)
    stack.launch("frozen", [arn], {**POLICY, "freeze": {"calendars": ["holidays"]}})
    held = one(bus, "frozen", "Rollout Held")
    assert "calendar" in held["reasons"][0]["text"]
    assert rate(stack, "frozen") == 1

    stack.set_calendar("holidays", "OPEN")
    one(bus, "frozen", "Rollout Resumed")
    assert last(stack, "frozen").holds == ()
    stack.abort("frozen")


def test_a_job_without_its_calendar_waits(stack: DeployedStack) -> None:
    """What is not there does not pass for being open."""
    _, arn = stack.group("unknown", 3)
    stack.job("unknown", [arn])
    stack.command(
        "Enroll Job", jobId="unknown", policy={**POLICY, "freeze": {"calendars": ["lost"]}}
    )
    stack.enrolled("unknown")

    (hold,) = last(stack, "unknown").holds
    assert (hold.by, hold.reason) == ("lost", "the calendar does not exist")
    stack.abort("unknown")


# --- overlapping rollouts -------------------------------------------------------------------


def test_a_rollout_waits_while_another_has_its_things(stack: DeployedStack, bus: Overheard) -> None:
    """An enrolled job holds, and a launch creates no job, until the one before is over."""
    waiting = {**POLICY, "overlap": "wait"}
    things = draw_things(4, prefix="shared")
    _, arn = stack.group("shared", 4)
    stack.job("shared-1", [arn])
    stack.command("Enroll Job", jobId="shared-1", policy=POLICY)
    stack.enrolled("shared-1")

    stack.job("shared-2", [arn])
    stack.command("Enroll Job", jobId="shared-2", policy=waiting)
    held = one(bus, "shared-2", "Rollout Held")
    assert "shared-1" in held["reasons"][0]["text"]
    started = stack.start(
        jobId="shared-3", policy=waiting, launch={"targets": [arn], "document": "{}"}
    )
    eventually(lambda: stack.states(started)[-1:] == ["AwaitTurn"], "the launch to wait")
    with pytest.raises(stack.iot.exceptions.ResourceNotFoundException):
        stack.describe("shared-3")

    stack.abort("shared-1")
    one(bus, "shared-2", "Rollout Resumed")
    stack.abort("shared-2")
    with DeviceFleet(stack.cloud, things, {}):
        assert stack.ended("shared-3").ending is Ending.COMPLETED


def test_a_launch_that_waits_is_told_and_can_be_given_up(
    stack: DeployedStack, bus: Overheard
) -> None:
    """The command to do so comes with the news; its job is never created."""
    readable = stack.subscribe("NewsTopicArn")
    waiting = {**POLICY, "overlap": "wait"}
    _, arn = stack.group("queued", 4)
    stack.job("queued-1", [arn])
    stack.command("Enroll Job", jobId="queued-1", policy=POLICY)
    stack.enrolled("queued-1")
    started = stack.start(
        jobId="queued-2", policy=waiting, launch={"targets": [arn], "document": "{}"}
    )
    told = one(bus, "queued-2", "Launch Waiting")
    assert told["behind"] == ["queued-1"]
    assert "queued-2" in {each.job_id for each in stack.ledger.turns()}

    way = told["giveUp"]
    ready = {**way["detail"], "by": "release-desk", "reason": "2.6 comes instead"}
    stack.put(way["source"], way["detailType"], ready)
    given_up = one(bus, "queued-2", "Launch Given Up")
    assert (given_up["by"], given_up["reason"]) == ("release-desk", "2.6 comes instead")
    eventually(lambda: stack.outcome(started)[0] == "FAILED", "the execution to end")
    assert stack.states(started)[-1] == "LaunchGivenUp"
    with pytest.raises(stack.iot.exceptions.ResourceNotFoundException):
        stack.describe("queued-2")
    eventually(
        lambda: "queued-2" not in {each.job_id for each in stack.ledger.turns()},
        "the launch to be forgotten",
    )
    assert stack.enrolled("queued-1").abort_request is None
    stack.abort("queued-1")
    texts = stack.received(readable)
    assert any("queued-2 waits for its turn" in text for text in texts)
    assert any("gave up the launch of job queued-2" in text for text in texts)


# --- rolling back ---------------------------------------------------------------------------


WITH_A_WAY_BACK = {
    **POLICY,
    "harm": {**POLICY["harm"], "budget": 20},
    "on_abort": {"rollback": {"document": {"version": "1.0.0"}}},
}


def test_few_devices_are_rolled_back_by_name(stack: DeployedStack, bus: Overheard) -> None:
    """Those that took up a release that was stopped get the job that undoes it, and no others."""
    names, arn = stack.group("undone", 6)
    stack.job("undone", [arn])
    stack.command("Enroll Job", jobId="undone", policy=WITH_A_WAY_BACK)
    rollout = stack.enrolled("undone")
    eventually(lambda: len(stack.queued("undone")) == len(names), "all to be notified")
    for name in names[:3]:
        stack.report(name, "undone", "SUCCEEDED")
    eventually(
        lambda: stack.ledger.totals(rollout.key).counts.of(ExecutionStatus.SUCCEEDED) == 3,
        "the outcomes",
    )

    ended = stack.abort("undone")
    launched = one(bus, "undone", "Rollback Launched")
    job_id = launched["rollbackJobId"]
    assert launched["devices"] == 3
    assert ended.ending is Ending.ABORTED
    assert ended.rolled_back_by == job_id
    assert "RollBack" in stack.states(ended.execution_arn)
    job = stack.describe(job_id)
    assert [target.rpartition("/")[2] for target in job["targets"]] == names[:3]
    tags = stack.iot.list_tags_for_resource(resourceArn=job["jobArn"])["tags"]
    assert {"Key": "tidegate:rolls-back", "Value": "undone"} in tags
    with DeviceFleet(stack.cloud, draw_things(6, prefix="undone"), {}):
        undoing = stack.ended(job_id)
    assert undoing.ending is Ending.COMPLETED
    assert undoing.rolls_back == "undone"
    told = one(bus, "undone", "Rollout Aborted")
    assert "Rollback Launched" in {each["what"] for each in told["record"]["timeline"]}


def test_a_device_at_work_joins_the_rollback_when_it_is_done(
    stack: DeployedStack, bus: Overheard
) -> None:
    """While devices still finish the bad release, a group takes up who has to be brought back."""
    names, arn = stack.group("late", 6)
    stack.job("late", [arn])
    stack.command("Enroll Job", jobId="late", policy=WITH_A_WAY_BACK)
    rollout = stack.enrolled("late")
    eventually(lambda: len(stack.queued("late")) == len(names), "all to be notified")
    for name in names[:2]:
        stack.report(name, "late", "SUCCEEDED")
    stack.report(names[2], "late", "IN_PROGRESS")
    eventually(
        lambda: stack.ledger.totals(rollout.key).counts.of(ExecutionStatus.SUCCEEDED) == 2,
        "the outcomes",
    )

    stack.command("Abort Rollout", jobId="late", by="release-desk", reason="wrong image")
    job_id = one(bus, "late", "Rollback Launched")["rollbackJobId"]
    stack.enrolled(job_id)
    assert stack.describe(job_id)["targetSelection"] == "CONTINUOUS"
    eventually(lambda: sorted(stack.queued(job_id)) == names[:2], "those that are done to have it")
    eventually(lambda: waits_in(stack, rollout, "AwaitStragglers"), "the workflow to wait")
    assert stack.enrolled("late").ending is None

    stack.finish(names[2], "late", "SUCCEEDED")
    assert stack.ended("late").ending is Ending.ABORTED
    eventually(
        lambda: sorted(stack.queued(job_id)) == names[:3], "the one that came late to have it"
    )
    assert bus.of("late", "Rollout Needs Attention") == []
    stack.abort(job_id)


# --- workflows that die ---------------------------------------------------------------------


def test_a_rollout_goes_on_when_its_workflow_is_stopped(stack: DeployedStack) -> None:
    """Step Functions tells of the end, and another execution takes over within moments."""
    names, arn = stack.group("killed", 2)
    stack.job("killed", [arn])
    stack.command("Enroll Job", jobId="killed", policy=POLICY)
    rollout = stack.enrolled("killed")

    stack.kill(rollout)
    healed = eventually(lambda: of_generation(stack, "killed", 2), "another execution")
    assert healed.execution_arn != rollout.execution_arn
    for name in names:
        eventually(lambda name=name: name in stack.queued("killed"), "the execution")  # type: ignore[misc]
        stack.report(name, "killed", "SUCCEEDED")
    assert stack.ended("killed").ending is Ending.COMPLETED
    revisions = [each.revision for each in stack.decisions("killed")]
    assert revisions == list(range(1, len(revisions) + 1))


def test_a_sweep_finds_a_rollout_whose_workflow_died_unseen(stack: DeployedStack) -> None:
    """Where the event is lost, the sweep starts the workflow anew, once."""
    names, arn = stack.group("lost", 1)
    stack.job("lost", [arn])
    stack.command("Enroll Job", jobId="lost", policy=POLICY)
    rollout = stack.enrolled("lost")
    with stack.deaf_to("aws.states"):
        stack.kill(rollout)
        time.sleep(SETTLED_SECONDS)
    assert stack.sweep()["healed"] == []
    assert stack.enrolled("lost").generation == 1

    stack.make_overdue(rollout)
    assert stack.sweep()["healed"] == ["lost"]
    eventually(lambda: of_generation(stack, "lost", 2), "another execution")
    assert stack.sweep()["healed"] == []
    eventually(lambda: stack.queued("lost"), "the execution")
    stack.report(names[0], "lost", "SUCCEEDED")
    assert stack.ended("lost").ending is Ending.COMPLETED


# --- policies that change -------------------------------------------------------------------


def test_whoever_has_only_watched_can_let_it_steer(stack: DeployedStack, bus: Overheard) -> None:
    """Under observe nothing is sent to AWS, and all is told; adjusted to auto, it is done."""
    _, arn = stack.group("watched", 20)
    stack.job("watched", [arn], rate=3)
    stack.command("Enroll Job", jobId="watched", policy={**POLICY, "authority": "observe"})
    proposed = one(bus, "watched", "Decision Proposed")
    assert proposed["authority"] == "observe"
    assert "correlationId" not in proposed
    job = stack.describe("watched")
    assert job["jobExecutionsRolloutConfig"] == {"maximumPerMinute": 3}
    assert "abortConfig" not in job
    assert "description" not in job

    stack.command(
        "Adjust Policy", jobId="watched", policy=POLICY, by="release-desk", reason="convinced"
    )
    adjusted = one(bus, "watched", "Policy Adjusted")
    assert (adjusted["by"], adjusted["reason"]) == ("release-desk", "convinced")
    eventually(lambda: rate(stack, "watched") != 3, "the rate to be set")
    assert stack.describe("watched")["abortConfig"]["criteriaList"]
    assert stack.enrolled("watched").policy_version == 2
    stack.abort("watched")


# --- commands that cannot be done -----------------------------------------------------------


def test_a_command_that_cannot_be_done_is_refused_once(
    stack: DeployedStack, bus: Overheard
) -> None:
    """Each is answered by one event that names it, nothing changes, and nothing is set aside."""
    _, arn = stack.group("commanded", 3)
    stack.job("commanded", [arn])
    stack.command("Enroll Job", jobId="commanded", policy=POLICY)
    before = stack.enrolled("commanded")
    answered = {"jobId": "commanded", "correlationId": "canary-approval", "by": "release-desk"}
    sent = {
        stack.command("Approve Gate", **answered, comment="go"): "canary-approval",
        stack.command("Reject Decision", **answered): "comment",
        stack.command("Adjust Policy", jobId="commanded", policy="nil", by="x", reason="y"): "nil",
        stack.command("Hold Rollout", jobId="commanded", by="night-shift"): "reason",
    }

    refused = eventually(
        lambda: (
            found if len(found := bus.of("commanded", "Command Refused")) >= len(sent) else None
        ),
        "the answers",
    )
    time.sleep(SETTLED_SECONDS)
    assert bus.of("commanded", "Command Refused") == refused
    problems = {each["detail"]["commandId"]: each["detail"]["problem"] for each in refused}
    assert problems.keys() == sent.keys()
    assert all(word in problems[command_id] for command_id, word in sent.items())
    assert all(each["detail"]["remedy"] for each in refused)
    after = stack.enrolled("commanded")
    assert (after.signals, after.policy, after.policy_version) == (before.signals, before.policy, 1)
    assert stack.waiting("SignalDeadLettersUrl") == []
    ended = stack.abort("commanded")
    too_late = stack.command("Abort Rollout", jobId="commanded", by="night-shift", reason="again")
    refusal = eventually(
        lambda: [
            each["detail"]
            for each in bus.of("commanded", "Command Refused")
            if each["detail"]["commandId"] == too_late
        ],
        "the answer",
    )[0]
    assert f"ended: {ended.ending}" in refusal["problem"]


# --- jobs created elsewhere -----------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def tagged_job(stack: DeployedStack) -> Iterator[str]:
    """Create a job that asks for Tidegate by its tag, early: a sweep leaves the newest alone."""
    _, arn = stack.group("tagged", 3)
    stack.iot.create_job(
        jobId="tagged",
        targets=[arn],
        document=json.dumps({"version": "2.0.0"}),
        tags=[{"Key": "tidegate:policy", "Value": "firmware"}],
    )
    yield "tagged"
    if stack.rollout("tagged"):
        stack.abort("tagged")


def test_a_sweep_enrolls_jobs_that_carry_the_tag(
    stack: DeployedStack, bus: Overheard, tagged_job: str
) -> None:
    """Whatever creates jobs need not know Tidegate: the tag names the policy, once."""

    def look() -> Rollout | None:
        stack.sweep()
        return stack.rollout(tagged_job)

    assert eventually(look, "a sweep to find the job").policy.name == "firmware"
    stack.enrolled(tagged_job)
    assert stack.sweep()["found"] == []
    assert len(bus.of(tagged_job, "Rollout Started")) == 1
