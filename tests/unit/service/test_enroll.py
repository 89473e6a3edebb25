"""Enrolling: once, whole or not at all, whoever dies in between."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.scenario.interference import Interference
from tests.unit.service.stage import START
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.adapters.memory.policies import MemoryPolicies
from tidegate.adapters.memory.workflow import MemoryWorkflow
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.review import first_settings
from tidegate.domain.rollout import Rollout
from tidegate.errors import Contention, NotFound, Refused, RetryLater
from tidegate.ports import POLICY_TAG
from tidegate.service.enroll import Enrolling

JOB = "release-7"
TARGET = "arn:aws:iot:eu-central-1:111122223333:thing/thing-1"
ENROLL: Mapping[str, Any] = {"jobId": JOB, "policy": "firmware"}
LAUNCH: Mapping[str, Any] = {
    **ENROLL,
    "launch": {"targets": [TARGET], "document": {"operation": "update"}},
}


class Stage:
    """An account with a policy, and whatever jobs a test puts there."""

    def __init__(self) -> None:
        """Start without jobs."""
        self.clock = ManualClock(START)
        self.jobs = MemoryJobs(self.clock)
        self.jobs.faults = self.between_jobs_calls = Interference()
        self.ledger = MemoryLedger()
        self.policies = MemoryPolicies({"firmware": json.dumps({"name": "firmware"})})
        self.workflow = MemoryWorkflow()
        self.bus = MemoryBus()

    def enroll(self, name: str = "one", given: Mapping[str, Any] = ENROLL) -> Rollout:
        """Enroll on behalf of the execution of that name."""
        enrolling = Enrolling(
            jobs=self.jobs,
            ledger=self.ledger,
            policies=self.policies,
            workflow=self.workflow,
            bus=self.bus,
            clock=self.clock,
        )
        return enrolling.enroll(given, self.workflow.start(name, {}))

    @property
    def tags(self) -> Mapping[str, str]:
        """The job's tags."""
        return self.jobs.tags(self.jobs.arn(JOB))

    def operations(self) -> list[str]:
        """Return what was called that changes something at AWS."""
        return [call.operation for call in self.jobs.calls]


@pytest.fixture
def stage() -> Stage:
    """Return an account with a running job."""
    stage = Stage()
    stage.jobs.add(JOB, targets=[TARGET])
    return stage


def test_enrolling_tags_and_changes_nothing_else(stage: Stage) -> None:
    """Settings are for the first decision to install."""
    rollout = stage.enroll()

    assert stage.operations() == ["tag"]
    assert stage.tags == {POLICY_TAG: "firmware"}
    assert rollout == stage.ledger.current([JOB])[JOB]
    assert (rollout.generation, rollout.policy.name) == (1, "firmware")


def test_a_launched_job_is_slow_and_fenced_from_its_creation(stage: Stage) -> None:
    """No minute runs at AWS's default rate."""
    stage.jobs.delete(JOB)
    rollout = stage.enroll(given=LAUNCH)

    settings = stage.jobs.describe(JOB).settings
    assert stage.operations() == ["create"]
    assert settings.to_request().items() >= first_settings(rollout.policy).to_request().items()
    assert settings.rate_per_minute <= rollout.policy.harm.budget(None)
    assert settings.abort is not None
    assert stage.tags == {POLICY_TAG: "firmware"}


@pytest.mark.parametrize("given", [ENROLL, LAUNCH], ids=["enroll", "launch"])
@pytest.mark.parametrize(
    ("port", "operation"),
    [
        ("policies", "document"),
        ("jobs", "create"),
        ("jobs", "tags"),
        ("jobs", "tag"),
        ("jobs", "describe"),
        ("ledger", "current"),
        ("ledger", "claim"),
        ("bus", "publish"),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_dying_midway_and_trying_again_enrolls_once(
    given: Mapping[str, Any], port: str, operation: str, when: str
) -> None:
    """Step Functions invokes enroll again: whatever was done already is not done twice."""
    stage = Stage()
    if given is ENROLL:
        stage.jobs.add(JOB, targets=[TARGET])
    getattr(getattr(stage, port).faults, when)(operation, RuntimeError("died"))
    for _ in range(2):
        try:
            rollout = stage.enroll(given=given)
        except RuntimeError:
            continue

    assert stage.enroll(given=given) == rollout
    assert rollout.generation == 1
    assert stage.tags == {POLICY_TAG: "firmware"}
    assert stage.bus.details("Rollout Started")


def test_two_at_once_cannot_both_claim(stage: Stage) -> None:
    """The slower one is sent back by the ledger, and refused when it looks again."""
    stage.between_jobs_calls.during("describe", lambda: stage.enroll("two"))
    owner = stage.workflow.arn("two")
    with pytest.raises(Refused, match=f"{owner} steers it"):
        stage.enroll("one")

    assert stage.ledger.current([JOB])[JOB].execution_arn == owner
    assert stage.tags == {POLICY_TAG: "firmware"}


def test_a_claim_that_lost_its_race_is_tried_again(stage: Stage) -> None:
    """Contention is no refusal: nobody is told, the tag stays for the next try."""
    stage.ledger.faults.before("claim", Contention("beaten"))
    with pytest.raises(RetryLater):
        stage.enroll()

    assert stage.bus.published == []
    assert stage.enroll().generation == 1


@pytest.mark.parametrize("status", [JobStatus.SCHEDULED, JobStatus.IN_PROGRESS])
def test_a_job_that_can_still_be_steered_is_enrolled(stage: Stage, status: JobStatus) -> None:
    """Before its start or in the middle of it."""
    stage.jobs.change(JOB, status=status)

    assert stage.enroll().generation == 1


def test_a_tag_set_by_hand_is_set_right(stage: Stage) -> None:
    """Bound to another policy before anybody enrolled it, the job is bound to the one in force."""
    stage.jobs.tag(stage.jobs.arn(JOB), {POLICY_TAG: "other"})
    stage.enroll()

    assert stage.tags == {POLICY_TAG: "firmware"}


def test_a_refusal_leaves_a_tag_set_by_hand(stage: Stage) -> None:
    """What Tidegate did not set it does not remove."""
    stage.jobs.tag(stage.jobs.arn(JOB), {POLICY_TAG: "other"})
    stage.jobs.change(JOB, status=JobStatus.COMPLETED)
    with pytest.raises(Refused):
        stage.enroll()

    assert stage.tags == {POLICY_TAG: "other"}


def test_a_take_over_goes_by_the_snapshot(stage: Stage) -> None:
    """Enrolled again under another policy after its execution died, it keeps its own."""
    first = stage.enroll("one")
    stage.workflow.end(first.execution_arn)
    stage.policies.documents["strict"] = json.dumps({"name": "strict"})
    second = stage.enroll("two", {"jobId": JOB, "policy": "strict"})

    assert (second.generation, second.policy) == (2, first.policy)
    assert stage.tags == {POLICY_TAG: "firmware"}


def test_a_take_over_that_is_overtaken_is_tried_again(stage: Stage) -> None:
    """A rollout that changes while it is taken over is read again."""
    first = stage.enroll("one")
    stage.workflow.end(first.execution_arn)
    interference = stage.ledger.faults = Interference()
    interference.during("claim", lambda: stage.ledger.signal(first.key))
    with pytest.raises(RetryLater):
        stage.enroll("two")

    assert stage.enroll("two").generation == 2


def resume(rollout: Rollout) -> Mapping[str, Any]:
    """Return the input with which the rollout's execution hands over."""
    return {
        "jobId": JOB,
        "reviews": 5,
        "resume": {
            "createdAt": rollout.key.created_at,
            "generation": rollout.generation,
            "fromExecution": rollout.execution_arn,
        },
    }


def test_a_hand_over_needs_no_policy_and_touches_no_job(stage: Stage) -> None:
    """The successor goes on from the ledger, though its predecessor runs still."""
    first = stage.enroll("one")
    before = stage.operations()
    second = stage.enroll("two", resume(first))

    assert (second.generation, second.policy) == (2, first.policy)
    assert stage.operations() == before
    assert stage.enroll("two", resume(first)) == second


def test_a_hand_over_of_a_rollout_that_has_moved_on_is_refused(stage: Stage) -> None:
    """Two successors of one execution: the second finds nothing to take over."""
    first = stage.enroll("one")
    stage.enroll("two", resume(first))

    with pytest.raises(Refused, match="moved on to generation 2"):
        stage.enroll("three", resume(first))


def test_a_hand_over_of_a_rollout_that_is_unknown_is_refused(stage: Stage) -> None:
    """A successor of nothing does not begin a rollout."""
    first = stage.enroll("one")
    unknown = {**resume(first), "jobId": "unknown"}

    with pytest.raises(NotFound):
        stage.enroll("two", unknown)
    assert "not enrolled" in stage.bus.details("Rollout Needs Attention")[0]["problem"]  # type: ignore[index]


def test_the_launch_s_own_settings_stay_where_the_policy_is_silent(stage: Stage) -> None:
    """The policy decides pace and fence; what it does not speak of is the launch's."""
    stage.jobs.delete(JOB)
    given = {
        **LAUNCH,
        "launch": {
            **LAUNCH["launch"],
            "description": "spring release",
            "timeoutConfig": {"inProgressTimeoutInMinutes": 45},
        },
    }
    stage.enroll(given=given)

    settings = stage.jobs.describe(JOB).settings
    assert (settings.description, settings.timeout_minutes) == ("spring release", 45)


def test_a_job_of_somebody_else_s_is_not_taken_for_a_launch(stage: Stage) -> None:
    """An id that is taken is refused, and the job that has it is left alone."""
    stage.jobs.report(JOB, "thing-1", ExecutionStatus.QUEUED)
    with pytest.raises(Refused, match="exists already"):
        stage.enroll(given=LAUNCH)

    assert stage.operations() == ["create"]
    assert stage.tags == {}
    assert stage.ledger.current([JOB]) == {}


def test_a_launch_s_namespace_goes_with_its_updates_too(stage: Stage) -> None:
    """Named when the job is created, it is in the snapshot that steering goes by."""
    stage.jobs.delete(JOB)
    rollout = stage.enroll(
        given={**LAUNCH, "launch": {**LAUNCH["launch"], "namespaceId": "fleet-7"}}
    )

    assert rollout.policy.job.namespace_id == "fleet-7"


def test_a_bus_that_does_not_take_the_news_is_tried_again(stage: Stage) -> None:
    """That a rollout has begun is told, if not at once."""
    stage.bus.refuses = lambda _: True
    with pytest.raises(RetryLater, match="Rollout Started"):
        stage.enroll()
    stage.bus.refuses = lambda _: False
    stage.enroll()

    assert len(stage.bus.details("Rollout Started")) == 1
