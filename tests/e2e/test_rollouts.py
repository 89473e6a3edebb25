"""Rollouts on the deployed stack: what operators see, and what befalls a rollout from outside."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.conftest import Overheard
from tests.e2e.stack import POLICY, DeployedStack, eventually
from tidegate.domain.decision import Verdict
from tidegate.domain.rollout import Ending
from tidegate.local.devices import DeviceFleet
from tidegate.local.fleet import FleetMix, draw_things

pytestmark = pytest.mark.e2e

HARMED_STATUSES = ("numberOfFailedThings", "numberOfTimedOutThings")


def harmed(job: Mapping[str, Any]) -> int:
    """Return how many of a job's executions came to harm."""
    return sum(job["jobProcessDetails"][name] for name in HARMED_STATUSES)


# --- the main job ---------------------------------------------------------------------------


def test_a_good_release_is_sped_up_until_it_completes(stack: DeployedStack, bus: Overheard) -> None:
    """Launched by event, a good release gets faster as evidence comes in, and ends COMPLETED."""
    names, arn = stack.group("good", 40)
    document = json.dumps({"version": "1.5.0"})
    mix = {"1.5.0": FleetMix(slow=0.1, slow_factor=2.0)}
    with DeviceFleet(stack.cloud, draw_things(40, prefix="good"), mix):
        stack.command(
            "Launch Rollout", jobId="good", policy=POLICY, targets=[arn], document=document
        )
        rollout = stack.ended("good")

    job = stack.describe("good")
    rates = [each.settings.rate_per_minute for each in stack.decisions("good") if each.settings]
    assert rollout.ending is Ending.COMPLETED
    assert job["status"] == "COMPLETED"
    assert job["jobProcessDetails"]["numberOfSucceededThings"] == len(names)
    assert max(rates) > POLICY["pace"]["start_per_minute"]
    assert stack.outcome(rollout.execution_arn)[0] == "SUCCEEDED"
    assert stack.states(rollout.execution_arn)[-1] == "RolloutCompleted"
    assert stack.ledger.totals(rollout.key).counts.of("SUCCEEDED") == len(names)  # type: ignore[arg-type]
    heard = bus.of("good")
    kinds = [event["detail-type"] for event in heard]
    assert kinds[0] == "Rollout Started"
    assert "Rollout Completed" in kinds
    assert kinds.count("Rollout Started") == kinds.count("Rollout Completed") == 1
    told = [each["detail"]["revision"] for each in heard if "revision" in each["detail"]]
    made = [each.revision for each in stack.decisions("good")]
    assert told == sorted(set(told))  # each decision once at most, in order
    assert (told[0], told[-1]) == (made[0], made[-1])
    sent = [event["detail"]["sent"] for event in heard if "sent" in event["detail"]]
    told_rates = {
        each["jobExecutionsRolloutConfig"]["maximumPerMinute"]
        for each in sent
        if "jobExecutionsRolloutConfig" in each
    }
    assert max(rates) in told_rates


def test_a_bad_release_is_canceled_by_tidegate_within_its_budget(
    stack: DeployedStack, bus: Overheard
) -> None:
    """An enrolled job whose devices fail is canceled with Tidegate's reason, within the budget."""
    _, arn = stack.group("bad", 60)
    stack.job("bad", [arn], rate=5)
    things = draw_things(60, prefix="bad")
    with DeviceFleet(stack.cloud, things, {"2.0.0": FleetMix(failing=0.6, silent=0.1)}):
        stack.command("Enroll Job", jobId="bad", policy=POLICY)
        rollout = stack.ended("bad")
        eventually(
            lambda: stack.describe("bad")["jobProcessDetails"]["numberOfInProgressThings"] < 5,
            "devices at work to finish",
        )

    job = stack.describe("bad")
    assert rollout.ending is Ending.ABORTED
    assert job["status"] == "CANCELED"
    assert job["reasonCode"] == "TIDEGATE_ABORT"
    assert "above the tolerated" in job["comment"]
    assert not job.get("forceCanceled")
    assert harmed(job) <= POLICY["harm"]["budget"]
    status, error, cause = stack.outcome(rollout.execution_arn)
    assert (status, error) == ("FAILED", "RolloutAborted")
    assert "CANCELED by Tidegate" in cause
    assert [event["detail"]["ending"] for event in bus.of("bad", "Rollout Aborted")] == ["aborted"]


def test_the_console_starts_a_rollout_with_a_named_policy(stack: DeployedStack) -> None:
    """Two keys typed into the Step Functions console are enough to have a job steered."""
    _, arn = stack.group("console", 3)
    stack.job("console", [arn], rate=1000)
    stack.start(jobId="console", policy="firmware")

    rollout = stack.enrolled("console")
    job = eventually(
        lambda: (
            found
            if (found := stack.describe("console"))["jobExecutionsRolloutConfig"][
                "maximumPerMinute"
            ]
            < 1000
            else None
        ),
        "the first settings",
    )
    tags = stack.iot.list_tags_for_resource(resourceArn=job["jobArn"])["tags"]
    assert rollout.policy.name == "firmware"
    assert {"Key": "tidegate:policy", "Value": "firmware"} in tags
    assert job["abortConfig"]["criteriaList"]
    stack.command("Abort Rollout", jobId="console", by="test", reason="no longer needed")
    assert stack.ended("console").ending is Ending.ABORTED


# --- what people ask ------------------------------------------------------------------------


def test_hold_resume_and_abort_work_from_the_bus(stack: DeployedStack, bus: Overheard) -> None:
    """A hold takes the rate down to AWS's lowest, resuming lets it go on, aborting ends it."""
    _, arn = stack.group("asked", 30)
    stack.job("asked", [arn], rate=2)
    stack.command("Enroll Job", jobId="asked", policy=POLICY)
    stack.enrolled("asked")

    stack.command("Hold Rollout", jobId="asked", by="the night shift", reason="cloud maintenance")
    held = eventually(
        lambda: [
            each
            for each in bus.of("asked", "Rollout Held")
            if "the night shift" in each["detail"]["reasons"][0]["text"]
        ],
        "the hold to be announced",
    )[-1]
    assert stack.describe("asked")["jobExecutionsRolloutConfig"] == {"maximumPerMinute": 1}

    time.sleep(1.1)  # events have whole seconds; a resume lifts holds of earlier ones
    stack.command("Resume Rollout", jobId="asked", by="the day shift", reason="over")
    before = held["detail"]["revision"]
    eventually(
        lambda: [
            each
            for each in stack.decisions("asked")
            if each.revision > before and each.reasons[0].code != "HELD"
        ],
        "a decision without the hold",
    )
    (resumed,) = eventually(lambda: bus.of("asked", "Rollout Resumed"), "people to be told")
    assert resumed["detail"]["by"] == "the day shift"

    stack.command("Abort Rollout", jobId="asked", by="the day shift", reason="wrong binary")
    rollout = stack.ended("asked")
    assert rollout.ending is Ending.ABORTED
    assert "wrong binary" in stack.describe("asked")["comment"]


def test_a_command_for_an_unknown_job_is_answered(stack: DeployedStack, bus: Overheard) -> None:
    """Whoever holds a job that nobody steers is told so once, with what to do."""
    command_id = stack.command("Hold Rollout", jobId="nobody", by="me", reason="typo")

    (told,) = eventually(lambda: bus.of("nobody"), "the answer to the command")
    assert told["detail-type"] == "Command Refused"
    assert told["detail"]["command"] == "Hold Rollout"
    assert told["detail"]["commandId"] == command_id
    assert "no rollout of it is running" in told["detail"]["problem"]
    assert "Enroll Job" in told["detail"]["remedy"]


# --- enrolment that cannot be ---------------------------------------------------------------


def refused(stack: DeployedStack, **workflow_input: object) -> str:
    """Start the workflow and return why it was refused."""
    status, error, cause = stack.outcome(stack.start(**workflow_input))
    assert (status, error) == ("FAILED", "EnrollmentRefused")
    return cause


def test_a_job_that_does_not_exist_is_refused(stack: DeployedStack, bus: Overheard) -> None:
    """A mistyped job id is named, and nothing is left in the ledger."""
    cause = refused(stack, jobId="no-such-job", policy="firmware")

    assert "no-such-job does not exist" in cause
    assert stack.rollout("no-such-job") is None
    assert bus.of("no-such-job", "Rollout Needs Attention")


def test_a_job_that_has_ended_is_refused_and_not_left_tagged(stack: DeployedStack) -> None:
    """A job that is over cannot be steered, and keeps no trace of the attempt."""
    names, arn = stack.group("over", 1)
    stack.job("over", [arn])
    eventually(lambda: stack.queued("over"), "the execution")
    stack.report(names[0], "over", "SUCCEEDED")

    cause = refused(stack, jobId="over", policy="firmware")

    job = stack.describe("over")
    assert "COMPLETED" in cause
    assert stack.iot.list_tags_for_resource(resourceArn=job["jobArn"])["tags"] == []


def test_a_job_is_enrolled_once(stack: DeployedStack) -> None:
    """A second enrolment is refused, naming the execution that steers the job."""
    _, arn = stack.group("twice", 2)
    stack.job("twice", [arn])
    first = stack.start(jobId="twice", policy="firmware")
    stack.enrolled("twice")

    cause = refused(stack, jobId="twice", policy="cautious")

    job = stack.describe("twice")
    tags = stack.iot.list_tags_for_resource(resourceArn=job["jobArn"])["tags"]
    assert first in cause
    assert {"Key": "tidegate:policy", "Value": "firmware"} in tags
    stack.command("Abort Rollout", jobId="twice", by="test", reason="done")
    stack.ended("twice")


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        ({**POLICY, "haste": True}, "haste"),
        ({**POLICY, "harm": {**POLICY["harm"], "budget": "lots"}}, "budget"),
        ({**POLICY, "harm": {**POLICY["harm"], "tolerated_rate": 750}}, "tolerated_rate"),
        ("no-such-policy", "no-such-policy"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(
    stack: DeployedStack, policy: object, complaint: str
) -> None:
    """Unknown keys, wrong types, impossible numbers and unknown names are refused by name."""
    _, arn = stack.group(f"policy-{complaint}", 1)
    job_id = f"policy-{complaint}"
    stack.job(job_id, [arn])

    cause = refused(stack, jobId=job_id, policy=policy)

    assert complaint in cause
    assert stack.rollout(job_id) is None
    arn = stack.describe(job_id)["jobArn"]
    assert stack.iot.list_tags_for_resource(resourceArn=arn)["tags"] == []


# --- what befalls a rollout from outside ----------------------------------------------------


def test_a_job_canceled_by_hand_ends_its_rollout_honestly(
    stack: DeployedStack, bus: Overheard
) -> None:
    """Who cancels the job without Tidegate finds that said, with the comment left there."""
    _, arn = stack.group("canceled", 3)
    stack.job("canceled", [arn])
    stack.command("Enroll Job", jobId="canceled", policy=POLICY)
    stack.enrolled("canceled")

    stack.iot.cancel_job(jobId="canceled", comment="superseded", reasonCode="OPERATOR")

    rollout = stack.ended("canceled")
    assert rollout.ending is Ending.CANCELED_OUTSIDE
    status, error, cause = stack.outcome(rollout.execution_arn)
    assert (status, error) == ("FAILED", "JobCanceledByOthers")
    assert "superseded" in cause
    assert bus.of("canceled", "Rollout Aborted")


def test_a_job_deleted_by_hand_ends_its_rollout_honestly(stack: DeployedStack) -> None:
    """A job that vanished is reported as deleted, not as finished."""
    _, arn = stack.group("deleted", 3)
    stack.job("deleted", [arn])
    stack.command("Enroll Job", jobId="deleted", policy=POLICY)
    stack.enrolled("deleted")

    stack.iot.delete_job(jobId="deleted", force=True)

    rollout = stack.ended("deleted")
    assert rollout.ending is Ending.DELETED_OUTSIDE
    assert stack.outcome(rollout.execution_arn)[1] == "JobDeletedByOthers"


def test_the_native_fence_is_recognised(stack: DeployedStack) -> None:
    """A job that AWS stops by its abort criteria ends as stopped by the fence."""
    names, arn = stack.group("fenced", 4)
    stack.job("fenced", [arn])
    lenient = {**POLICY, "harm": {**POLICY["harm"], "tolerated_rate": "80%"}}
    stack.command("Enroll Job", jobId="fenced", policy=lenient)
    stack.enrolled("fenced")
    eventually(lambda: len(stack.queued("fenced")) == len(names), "all to be notified")
    stack.report(names[0], "fenced", "IN_PROGRESS")

    def idle() -> bool:
        last = stack.decisions("fenced")[-1]
        applied = stack.ledger.applied(stack.enrolled("fenced").key, last.revision)
        return last.reasons[0].code == "ALL_NOTIFIED" and applied is not None

    eventually(idle, "nothing to be left to pace, so that Tidegate reviews less often")
    # Somebody else tightens the criteria under Tidegate's feet: AWS acts by what stands there.
    stack.iot.update_job(
        jobId="fenced",
        abortConfig={
            "criteriaList": [
                {
                    "failureType": "FAILED",
                    "action": "CANCEL",
                    "thresholdPercentage": 50,
                    "minNumberOfExecutedThings": 1,
                }
            ]
        },
    )
    stack.report(names[0], "fenced", "FAILED")

    rollout = stack.ended("fenced")
    assert rollout.ending is Ending.FENCED
    assert stack.outcome(rollout.execution_arn)[1] == "StoppedByFence"


def test_outcomes_count_while_events_are_switched_off(stack: DeployedStack, bus: Overheard) -> None:
    """Without events the list of executions tells the outcomes, and people are told what to do."""
    names, arn = stack.group("silent", 4)
    stack.job("silent", [arn])
    stack.command("Enroll Job", jobId="silent", policy=POLICY)
    stack.enrolled("silent")
    eventually(lambda: len(stack.queued("silent")) == len(names), "all to be notified")
    time.sleep(1.1)  # outcomes of the second of enrolment may be from before it
    stack.iot.update_event_configurations(
        eventConfigurations={"JOB": {"Enabled": False}, "JOB_EXECUTION": {"Enabled": False}}
    )
    try:
        for name in names[:2]:
            stack.report(name, "silent", "SUCCEEDED")
        rollout = stack.enrolled("silent")
        eventually(
            lambda: stack.ledger.totals(rollout.key).counts.of("SUCCEEDED") == 2,  # type: ignore[arg-type]
            "the outcomes to be counted",
        )
        (told,) = eventually(
            lambda: bus.of("silent", "Rollout Needs Attention"), "people to be told"
        )
        assert "switched off" in told["detail"]["problem"]
        assert "update-event-configurations" in told["detail"]["remedy"]
    finally:
        stack.iot.update_event_configurations(
            eventConfigurations={"JOB": {"Enabled": True}, "JOB_EXECUTION": {"Enabled": True}}
        )
    for name in names[2:]:
        stack.report(name, "silent", "SUCCEEDED")
    assert stack.ended("silent").ending is Ending.COMPLETED


# --- the event path -------------------------------------------------------------------------


def test_what_is_no_job_event_is_set_aside_and_the_rest_processed(stack: DeployedStack) -> None:
    """Bodies that are no job event end in the dead-letter queue; real events go on to count."""
    names, arn = stack.group("garbage", 2)
    stack.job("garbage", [arn])
    stack.command("Enroll Job", jobId="garbage", policy=POLICY)
    rollout = stack.enrolled("garbage")
    eventually(lambda: len(stack.queued("garbage")) == len(names), "all to be notified")
    garbage = ["no JSON at all", "[]", '{"eventType": "JOB_EXECUTION", "jobId": "../etc"}']

    url = stack.outputs["EventsQueueUrl"]
    # Redelivery takes minutes by design; a test need not wait for it.
    stack.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    for body in garbage:
        stack.sqs.send_message(QueueUrl=url, MessageBody=body)
    stack.report(names[0], "garbage", "SUCCEEDED")

    eventually(
        lambda: stack.ledger.totals(rollout.key).counts.of("SUCCEEDED") == 1,  # type: ignore[arg-type]
        "the real outcome to be counted",
    )
    aside: list[str] = []

    def look() -> bool:
        aside.extend(stack.waiting("EventsDeadLettersUrl"))
        return len(aside) >= len(garbage)

    eventually(look, "the garbage to be set aside")
    assert sorted(aside) == sorted(garbage)
    stack.report(names[1], "garbage", "SUCCEEDED")
    assert stack.ended("garbage").ending is Ending.COMPLETED


def test_other_jobs_are_left_alone(stack: DeployedStack) -> None:
    """A job that nobody enrolled runs as if Tidegate were not there, its events ignored."""
    names, arn = stack.group("foreign", 2)
    stack.job("AFR_OTA-foreign", [arn], rate=7)
    eventually(lambda: len(stack.queued("AFR_OTA-foreign")) == len(names), "all to be notified")
    for name in names:
        stack.report(name, "AFR_OTA-foreign", "FAILED")

    eventually(
        lambda: stack.describe("AFR_OTA-foreign")["status"] == "COMPLETED", "the job to complete"
    )
    time.sleep(1)
    job = stack.describe("AFR_OTA-foreign")
    assert stack.rollout("AFR_OTA-foreign") is None
    assert job["jobExecutionsRolloutConfig"] == {"maximumPerMinute": 7}
    assert stack.waiting("RecordDeadLettersUrl") == []


def test_names_with_colons_count_like_any_other(stack: DeployedStack) -> None:
    """A thing's name may hold colons, in the event's ARN too."""
    name = "site:7:pump:1"
    arn = stack.iot.create_thing(thingName=name)["thingArn"]
    stack.job("colons", [arn])
    stack.command("Enroll Job", jobId="colons", policy=POLICY)
    rollout = stack.enrolled("colons")
    eventually(lambda: stack.queued("colons"), "the execution")
    stack.report(name, "colons", "SUCCEEDED")

    assert stack.ended("colons").ending is Ending.COMPLETED
    assert set(stack.ledger.things(rollout.key, [name])) == {name}


def test_a_history_is_handed_over_to_a_fresh_execution(stack: DeployedStack) -> None:
    """After the set number of reviews a successor goes on from the ledger."""
    names, arn = stack.group("long", 1)
    stack.job("long", [arn])
    first = stack.start(jobId="long", policy=POLICY, reviews=2)
    stack.enrolled("long")
    successor = eventually(
        lambda: (
            found
            if (found := stack.rollout("long")) and found.generation > 1 and found.revision > 2
            else None
        ),
        "a successor to review",
    )

    assert stack.outcome(first)[0] == "SUCCEEDED"
    assert stack.states(first)[-1] == "HandedOver"
    assert successor.execution_arn != first
    stack.report(names[0], "long", "SUCCEEDED")
    rollout = stack.ended("long")
    assert rollout.ending is Ending.COMPLETED
    revisions = [each.revision for each in stack.decisions("long")]
    assert revisions == list(range(1, len(revisions) + 1))


def test_job_events_were_switched_on_by_the_deployment(stack: DeployedStack) -> None:
    """Whoever deploys need not know that AWS publishes no job events by default."""
    standing = stack.iot.describe_event_configurations()["eventConfigurations"]

    assert standing["JOB"]["Enabled"]
    assert standing["JOB_EXECUTION"]["Enabled"]
    assert not standing.get("THING", {}).get("Enabled")


def test_a_decision_is_stored_before_it_is_applied(stack: DeployedStack) -> None:
    """Whatever UpdateJob installed, the ledger has the decision behind it, whole."""
    _, arn = stack.group("explained", 2)
    stack.job("explained", [arn])
    stack.command("Enroll Job", jobId="explained", policy=POLICY)
    rollout = stack.enrolled("explained")

    applied = eventually(lambda: stack.ledger.applied(rollout.key, 1), "the first decision")
    decision = stack.ledger.decision(rollout.key, 1)
    assert decision.verdict in {Verdict.PROCEED, Verdict.HOLD}
    assert decision.reasons[0].text
    assert decision.replaces.rate_per_minute == 10
    assert applied["sent"].items() <= decision.settings.to_request().items()
    stack.command("Abort Rollout", jobId="explained", by="test", reason="done")
    stack.ended("explained")
