"""Enrolling: once, whole or not at all, whoever dies in between."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.scenario.interference import Interference
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.dead_letters import MemoryDeadLetters
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.adapters.memory.policies import MemoryPolicies
from tidegate.adapters.memory.workflow import MemoryWorkflow
from tidegate.documents.announcements import ROLLOUT_NEEDS_ATTENTION
from tidegate.documents.record import moment
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.policy import Harm, OnAbort, Pace, PaceMode, Policy, Rollback
from tidegate.domain.review import first_settings
from tidegate.domain.rollout import AbortRequest, Ending, Rollout, RolloutKey
from tidegate.errors import Contention, NotFound, Refused, RetryLater, Superseded
from tidegate.ports import POLICY_TAG, ROLLS_BACK_TAG
from tidegate.service import overlap
from tidegate.service.enroll import Enrolling
from tidegate.service.sweep import Sweeping
from tidegate.service.turns import WAIT_FOR_TURN_DAYS_MAX, GivenUp, NotYet

JOB = "release-7"
START = 1_790_000_000.0
ARN_PREFIX = "arn:aws:iot:eu-central-1:111122223333"
TARGET = f"{ARN_PREFIX}:thing/thing-1"
ENROLL: Mapping[str, Any] = {"jobId": JOB, "policy": "firmware"}
LAUNCH: Mapping[str, Any] = {
    **ENROLL,
    "launch": {"targets": [TARGET], "document": {"operation": "update"}},
}
OTHERS_POLICY = Policy(
    name="others",
    harm=Harm(
        statuses=frozenset({ExecutionStatus.FAILED}),
        tolerated_rate=0.02,
        acceptable_rate=0.02,
        confidence=0.95,
        false_abort_risk=0.01,
        budget_devices=50,
    ),
    pace=Pace(PaceMode.THROTTLE, start_per_minute=10, max_per_minute=1000),
)


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

    def enroll(
        self,
        name: str = "one",
        given: Mapping[str, Any] = ENROLL,
        started_at: float | None = None,
    ) -> Rollout:
        """Enroll on behalf of the execution of that name."""
        enrolling = Enrolling(
            jobs=self.jobs,
            ledger=self.ledger,
            policies=self.policies,
            workflow=self.workflow,
            bus=self.bus,
            clock=self.clock,
        )
        return enrolling.enroll(given, self.workflow.start(name, {}), started_at=started_at)

    def sweep(self) -> list[Mapping[str, Any]]:
        """Sweep a minute later; return what the workflows that it started were given."""
        self.clock.advance(60)
        before = set(self.workflow.started)
        swept = Sweeping(
            jobs=self.jobs,
            ledger=self.ledger,
            workflow=self.workflow,
            dead_letters=MemoryDeadLetters({}),
            bus=self.bus,
            clock=self.clock,
        ).sweep()
        assert swept.faults == ()
        return [given for name, given in self.workflow.started.items() if name not in before]

    def policy(self, **members: object) -> None:
        """Let the policy have these members besides its name."""
        self.policies.documents["firmware"] = json.dumps({"name": "firmware", **members})

    def other(self, job_id: str, *targets: str, revision: int = 1, **members: object) -> Rollout:
        """Let another rollout go on, of a job of its own."""
        job = self.jobs.add(job_id, targets=targets, tags={POLICY_TAG: OTHERS_POLICY.name})
        rollout = Rollout(
            key=RolloutKey(job_id, job.created_at),
            job_arn=job.arn,
            policy=OTHERS_POLICY,
            generation=1,
            execution_arn=self.workflow.start(job_id, {}),
            enrolled_at=self.clock.now(),
            revision=revision,
        )
        self.ledger.claim(replace(rollout, **members), previous=None)  # type: ignore[arg-type]
        return self.ledger.rollout(rollout.key)

    def group(self, name: str, *thing_names: str) -> str:
        """Let there be a thing group; return its ARN."""
        self.jobs.groups[name] = set(thing_names)
        return f"{ARN_PREFIX}:thinggroup/{name}"

    @property
    def problems(self) -> list[str]:
        """What people were told to look at, oldest first."""
        told = self.bus.published
        return [
            each.detail["problem"] for each in told if each.detail_type == ROLLOUT_NEEDS_ATTENTION
        ]

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


def ids(rollout: Rollout) -> tuple[str, ...]:
    """Return the ids of the jobs that came before it and have some of the same things."""
    return tuple(key.job_id for key in rollout.overlaps)


def test_enrolling_tags_and_changes_nothing_else(stage: Stage) -> None:
    """Settings are for the first decision to install."""
    rollout = stage.enroll()

    assert stage.operations() == ["tag"]
    assert stage.tags == {POLICY_TAG: "firmware"}
    assert rollout == stage.ledger.current([JOB])[JOB]
    assert (rollout.generation, rollout.policy.name) == (1, "firmware")


def test_each_environment_tags_with_a_tag_of_its_own(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another's tag, the job would be another Tidegate's to steer as well."""
    monkeypatch.setattr(stage.jobs, "policy_tag", "tidegate:staging:policy")
    stage.enroll()

    assert stage.tags == {"tidegate:staging:policy": "firmware"}


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


@pytest.mark.parametrize("given", [ENROLL, LAUNCH], ids=["enroll", "launch"])
@pytest.mark.parametrize(
    ("port", "operation"), [("jobs", "describe"), ("ledger", "active"), ("ledger", "claim")]
)
def test_the_sweep_enrolls_what_an_enrolment_that_died_has_tagged(
    given: Mapping[str, Any], port: str, operation: str
) -> None:
    """Dead for good between tag and claim, it leaves a job that is steered all the same."""
    stage = Stage()
    if given is ENROLL:
        stage.jobs.add(JOB, targets=[TARGET])
    getattr(stage, port).faults.before(operation, RuntimeError("died"))
    with pytest.raises(RuntimeError):
        stage.enroll(given=given)
    assert stage.tags == {POLICY_TAG: "firmware"}
    assert stage.ledger.current([JOB]) == {}

    (found,) = stage.sweep()
    assert stage.enroll("by tag", found).key == RolloutKey(JOB, int(START))
    assert stage.sweep() == []


def test_a_rollback_whose_launch_died_is_enrolled_as_one(stage: Stage) -> None:
    """Found by its tag it is no release of its own: it waits for none, and is not undone itself."""
    undo = Rollback(("document", "{}"))
    policy = replace(OTHERS_POLICY, on_abort=OnAbort(rollback=undo))
    stage.other("bad", TARGET, policy=policy)
    stage.ledger.faults.before("claim", RuntimeError("died"))
    with pytest.raises(RuntimeError):
        stage.enroll(given={**LAUNCH, "jobId": "undo", "policy": "others", "rollsBack": "bad"})
    (found,) = stage.sweep()
    rollout = stage.enroll("by tag", found)

    assert rollout.rolls_back == "bad"
    assert rollout.policy.on_abort.rollback is None
    assert rollout.overlaps == ()


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


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"commandId": "6a7e8feb-b491"}, {"commandId": "6a7e8feb-b491"}),
        ({}, {}),
        ({"commandId": "two words"}, {}),
        ({"commandId": 7}, {}),
    ],
)
def test_a_refusal_names_the_command_that_it_answers(
    stage: Stage, members: Mapping[str, Any], told: Mapping[str, str]
) -> None:
    """Where there is one: a workflow can be started by hand, with any JSON."""
    with pytest.raises(Refused):
        stage.enroll(given={"jobId": JOB, "policy": "no-such", **members})

    (event,) = stage.bus.published
    assert {each: event.detail[each] for each in event.detail if each == "commandId"} == told


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


def test_a_hand_over_of_a_rollout_that_has_moved_on_is_quiet(stage: Stage) -> None:
    """Two successors of one execution: the second finds nothing to take over, and alarms nobody."""
    first = stage.enroll("one")
    stage.enroll("two", resume(first))

    with pytest.raises(Superseded, match="moved on to generation 2"):
        stage.enroll("three", resume(first))
    assert stage.problems == []


def test_a_hand_over_of_a_rollout_that_has_ended_is_quiet(stage: Stage) -> None:
    """An execution that was started late to go on with a rollout leaves a finished one alone."""
    first = stage.enroll("one")
    stage.ledger.conclude(first.key, generation=1, ending=Ending.COMPLETED, at=START)

    with pytest.raises(Superseded, match="completed"):
        stage.enroll("two", resume(first))
    assert stage.problems == []


def test_a_hand_over_that_lost_its_race_finds_out_when_it_is_tried_again(stage: Stage) -> None:
    """Beaten in the ledger by another successor, it looks again, and gives way quietly."""
    first = stage.enroll("one")
    interference = stage.ledger.faults = Interference()
    interference.during("claim", lambda: stage.enroll("two", resume(first)))
    with pytest.raises(RetryLater):
        stage.enroll("three", resume(first))

    with pytest.raises(Superseded):
        stage.enroll("three", resume(first))
    assert stage.ledger.rollout(first.key).execution_arn == stage.workflow.arn("two")
    assert stage.problems == []


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
    assert (settings.description or "").startswith("spring release")
    assert settings.timeout_minutes == 45


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


# the size of the fleet


def test_a_share_that_a_gate_lies_at_needs_the_fleet_s_size(stage: Stage) -> None:
    """Counted once, when the rollout begins, though the budget is a number of devices."""
    group = stage.group("fleet", *(f"thing-{number}" for number in range(400)))
    stage.policy(gates=[{"name": "first", "after": "5%", "bake": "1h"}])
    given = {**LAUNCH, "jobId": "new", "launch": {**LAUNCH["launch"], "targets": [group]}}
    rollout = stage.enroll(given=given)

    assert rollout.fleet_size == 400
    assert stage.jobs.describe("new").settings.rate_per_minute <= 20


@pytest.mark.parametrize(
    "share",
    [
        {"harm": {"budget": "1%"}},
        {"gates": [{"name": "first", "after": "5%", "bake": "1h"}]},
    ],
    ids=["budget", "gate"],
)
def test_a_share_of_no_things_is_refused(stage: Stage, share: Mapping[str, Any]) -> None:
    """Of a group that is filled later it would stay nothing: neither launched nor enrolled."""
    group = stage.group("empty")
    stage.policy(**share)
    given = {**LAUNCH, "jobId": "new", "launch": {**LAUNCH["launch"], "targets": [group]}}
    told = "hold no things yet: give it as a number of devices"
    with pytest.raises(Refused, match=told):
        stage.enroll(given=given)
    assert stage.operations() == []

    stage.jobs.change(JOB, targets=(group,))
    with pytest.raises(Refused, match=told):
        stage.enroll()
    assert stage.tags == {}


def test_a_budget_in_devices_needs_no_things_yet(stage: Stage) -> None:
    """A CONTINUOUS job may begin with an empty group."""
    stage.policy(harm={"budget": 10})
    group = stage.group("empty")
    given = {**LAUNCH, "jobId": "new", "launch": {**LAUNCH["launch"], "targets": [group]}}

    assert stage.enroll(given=given).policy.harm.budget(None) == 10


# rolling back


def test_a_launch_that_rolls_back_says_of_what(stage: Stage) -> None:
    """The job's tag and the rollout name the job whose release is undone."""
    stage.policies.documents["plain"] = json.dumps({"name": "plain"})
    stage.other("bad", TARGET)
    rollout = stage.enroll(given={**LAUNCH, "jobId": "undo", "policy": "plain", "rollsBack": "bad"})

    tags = stage.jobs.tags(stage.jobs.arn("undo"))
    assert tags == {POLICY_TAG: "plain", ROLLS_BACK_TAG: "bad"}
    assert (rollout.rolls_back, rollout.policy.name) == ("bad", "plain")


def test_a_rollback_goes_by_the_snapshot_of_what_it_undoes(stage: Stage) -> None:
    """The stopped rollout's own policy may have come within a command: no store has it."""
    rollback = Rollback(("document", "{}"))
    policy = replace(OTHERS_POLICY, on_abort=OnAbort(force=True, rollback=rollback))
    stage.other("bad", TARGET, policy=policy)
    rollout = stage.enroll(
        given={**LAUNCH, "jobId": "undo", "policy": "others", "rollsBack": "bad"}
    )

    assert rollout.policy == replace(OTHERS_POLICY, on_abort=OnAbort(force=True))


@pytest.mark.parametrize("other", [None, {"name": "quick", "speed": 7}])
def test_a_policy_for_the_rollback_that_is_none_is_refused(stage: Stage, other: object) -> None:
    """Found out in an emergency, nobody could launch what undoes the release."""
    stage.policy(on_abort={"rollback": {"document": {"operation": "undo"}, "policy": "quick"}})
    if other:
        stage.policies.documents["quick"] = json.dumps(other)
    with pytest.raises(Refused, match=r"on_abort\.rollback\.policy of policy firmware: .*quick"):
        stage.enroll(given={**LAUNCH, "jobId": "new"})

    assert stage.operations() == []
    stage.policies.documents["quick"] = json.dumps({"name": "quick"})
    assert stage.enroll(given={**LAUNCH, "jobId": "new"}).key.job_id == "new"


def test_a_rollback_needs_no_policy_for_another(stage: Stage) -> None:
    """It is not undone itself, so what its policy says of that must not keep it from beginning."""
    stage.policy(on_abort={"rollback": {"document": {"operation": "undo"}, "policy": "missing"}})
    stage.other("bad", TARGET)

    assert stage.enroll(given={**LAUNCH, "jobId": "undo", "rollsBack": "bad"}).rolls_back == "bad"


def test_a_rollback_does_not_wait_for_what_it_undoes(stage: Stage) -> None:
    """Both have all their things in common, and the stopped rollout ends only after it."""
    stage.policy(overlap="wait")
    stage.other("bad", TARGET)
    rollout = stage.enroll(given={**LAUNCH, "jobId": "undo", "rollsBack": "bad"})

    assert rollout.overlaps == ()


def test_a_rollback_waits_only_for_whom_the_release_waited_for(stage: Stage) -> None:
    """It takes the release's place: who waits for that would else go first, and be undone."""
    stage.policy(overlap="wait")
    first = stage.other("first", TARGET)
    bad = stage.other("bad", TARGET, overlaps=(first.key,))
    stage.other("next", TARGET, overlaps=(first.key, bad.key))
    stage.clock.advance(60)
    stage.other("later", TARGET)
    undo = {**LAUNCH, "jobId": "undo", "rollsBack": "bad"}
    with pytest.raises(NotYet, match=r"go on: first$"):
        stage.enroll(given=undo)
    stage.ledger.conclude(first.key, generation=1, ending=Ending.COMPLETED, at=START)

    assert stage.enroll(given=undo).overlaps == ()


def test_a_rollback_warns_of_all_others(stage: Stage) -> None:
    """Whoever does not wait wants to know whom the rollback meets on a device."""
    stage.policy(overlap="warn")
    bad = stage.other("bad", TARGET)
    stage.other("next", TARGET, overlaps=(bad.key,))

    assert ids(stage.enroll(given={**LAUNCH, "jobId": "undo", "rollsBack": "bad"})) == ("next",)


# others that have some of the same things


WAITING = {**LAUNCH, "jobId": "new"}
REQUEST = AbortRequest("release-desk", "wrong image", START)


def test_a_launch_waits_for_its_turn(stage: Stage) -> None:
    """While another rollout has some of its things it creates nothing; then it goes ahead."""
    stage.policy(overlap="wait")
    first = stage.other("first", TARGET)
    with pytest.raises(NotYet, match="first") as waits:
        stage.enroll(given=WAITING, started_at=START)

    assert waits.value.wait_seconds > 0
    assert stage.operations() == []
    assert stage.problems == []
    stage.ledger.conclude(first.key, generation=1, ending=Ending.COMPLETED, at=START)
    assert stage.enroll(given=WAITING, started_at=START).overlaps == ()


def test_a_launch_does_not_wait_for_ever(stage: Stage) -> None:
    """After some days it is refused, and the refusal names who is in its way."""
    stage.policy(overlap="wait")
    stage.other("first", TARGET)
    stage.clock.advance(WAIT_FOR_TURN_DAYS_MAX * 86_400 - 1)
    with pytest.raises(NotYet):
        stage.enroll(given=WAITING, started_at=START)
    stage.clock.advance(1)
    with pytest.raises(Refused, match=r"waited 7 days for its turn.*: first;"):
        stage.enroll(given=WAITING, started_at=START)

    assert stage.operations() == []
    assert len(stage.problems) == 1


def test_a_launch_that_waits_says_so_once(stage: Stage) -> None:
    """For whom, since when, and what gives it up; a later look finds whom it waits for by then."""
    stage.policy(overlap="wait")
    first = stage.other("first", TARGET)
    stage.clock.advance(1)
    for _ in range(2):
        with pytest.raises(NotYet):
            stage.enroll(given=WAITING, started_at=START)
    stage.other("second", TARGET)
    stage.ledger.conclude(first.key, generation=1, ending=Ending.COMPLETED, at=START)
    with pytest.raises(NotYet):
        stage.enroll(given=WAITING, started_at=START)

    told: Any
    (told,) = stage.bus.details("Launch Waiting")
    assert (told["jobId"], told["behind"], told["policy"]) == ("new", ["first"], "firmware")
    assert told["since"] == moment(START)
    assert told["giveUp"]["detailType"] == "Abort Rollout"
    (turn,) = stage.ledger.turns()
    assert (turn.behind, turn.since, turn.is_waiting) == (("second",), START, True)


def give_up(stage: Stage) -> None:
    """Let somebody not want the launch any more that waits."""
    (turn,) = stage.ledger.turns()
    stage.ledger.write_turn(replace(turn, given_up=REQUEST), previous=turn)


def waiting(stage: Stage) -> Rollout:
    """Let a launch wait for another rollout; return that."""
    stage.policy(overlap="wait")
    first = stage.other("first", TARGET)
    with pytest.raises(NotYet):
        stage.enroll(given=WAITING, started_at=START)
    return first


def test_a_launch_that_was_given_up_creates_nothing(stage: Stage) -> None:
    """Also when its turn has come meanwhile; whoever gave it up has told so."""
    first = waiting(stage)
    give_up(stage)
    stage.ledger.conclude(first.key, generation=1, ending=Ending.COMPLETED, at=START)
    with pytest.raises(GivenUp, match=r"release-desk gave up .* wrong image"):
        stage.enroll(given=WAITING, started_at=START)

    assert stage.operations() == []
    assert stage.bus.details("Launch Given Up") == []
    assert stage.problems == []


def test_a_launch_that_is_given_up_as_it_begins_creates_nothing(stage: Stage) -> None:
    """Of the two, one writes over what the other has not read."""
    first = waiting(stage)
    stage.ledger.conclude(first.key, generation=1, ending=Ending.COMPLETED, at=START)
    stage.ledger.faults = calls = Interference()
    calls.during("write_turn", lambda: give_up(stage))
    with pytest.raises(Contention):
        stage.enroll(given=WAITING, started_at=START)
    with pytest.raises(GivenUp):
        stage.enroll(given=WAITING, started_at=START)

    assert stage.operations() == []


def test_a_launch_that_is_given_up_once_its_job_is_there_is_stopped(stage: Stage) -> None:
    """The job cannot be undone, but its rollout begins with the request to stop it."""
    first = waiting(stage)
    stage.ledger.conclude(first.key, generation=1, ending=Ending.COMPLETED, at=START)
    stage.between_jobs_calls.following("create", lambda: give_up(stage))
    rollout = stage.enroll(given=WAITING, started_at=START)

    assert stage.ledger.rollout(rollout.key).abort_request == REQUEST
    assert list(stage.ledger.turns()) == []


@pytest.mark.parametrize("is_created", [True, False])
def test_a_launch_that_died_as_it_began_is_given_up_or_stopped(
    stage: Stage,
    is_created: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Only now is it known what came of it, and that is told."""
    first = waiting(stage)
    stage.ledger.conclude(first.key, generation=1, ending=Ending.COMPLETED, at=START)
    faults = stage.jobs.faults.after if is_created else stage.jobs.faults.before
    faults("create", RuntimeError("died"))
    with pytest.raises(RuntimeError):
        stage.enroll(given=WAITING, started_at=START)
    give_up(stage)
    if is_created:
        rollout = stage.enroll(given=WAITING, started_at=START)
        assert stage.ledger.rollout(rollout.key).abort_request == REQUEST
    else:
        with pytest.raises(GivenUp):
            stage.enroll(given=WAITING, started_at=START)
    assert len(stage.bus.details("Launch Given Up")) == (not is_created)


def test_a_job_that_was_created_does_not_wait(stage: Stage) -> None:
    """A call that died had created it: left alone it would run with nobody to steer it."""
    stage.policy(overlap="wait")
    stage.ledger.faults.before("claim", RuntimeError("died"))
    with pytest.raises(RuntimeError):
        stage.enroll(given=WAITING)
    stage.other("first", TARGET)

    assert ids(stage.enroll(given=WAITING)) == ("first",)


@pytest.mark.parametrize("mode", ["wait", "warn"])
def test_a_job_that_runs_is_enrolled_and_notes_who_came_first(stage: Stage, mode: str) -> None:
    """Left unsteered it would be worse; under ``warn`` people are told, once."""
    stage.policy(overlap=mode)
    stage.other("first", TARGET)
    stage.other("elsewhere", f"{TARGET}0")

    assert ids(stage.enroll()) == ("first",)
    assert ids(stage.ledger.current([JOB])[JOB]) == ("first",)
    assert ["first" in each for each in stage.problems] == [True] * (mode == "warn")


def test_a_policy_may_not_care(stage: Stage) -> None:
    """Under ``go`` nobody is looked at."""
    stage.policy(overlap="go")
    stage.other("first", TARGET)
    stage.ledger.faults.before("active", RuntimeError("nobody should ask"))

    assert stage.enroll().overlaps == ()
    assert stage.problems == []


def test_things_are_compared_whatever_group_they_are_in(stage: Stage) -> None:
    """Two groups overlap if they hold the same thing; a thing overlaps with its group."""
    stage.other("same-thing", stage.group("fleet", "thing-1", "thing-2"))
    stage.other("others", stage.group("elsewhere", "thing-3"))

    assert ids(stage.enroll()) == ("same-thing",)


@pytest.mark.parametrize(
    ("status", "overlaps"), [("COMPLETED", ()), ("CANCELED", ("first",)), ("SCHEDULED", ("first",))]
)
def test_a_job_counts_as_long_as_it_may_reach_devices(
    stage: Stage, status: str, overlaps: tuple[str, ...]
) -> None:
    """One that was canceled may be rolled back yet; one that is complete leaves devices alone."""
    stage.other("first", TARGET)
    stage.jobs.change("first", status=JobStatus(status))

    assert ids(stage.enroll()) == overlaps


def test_a_job_that_is_gone_overlaps_with_nothing(stage: Stage) -> None:
    """Its rollout ends at its next review; till then it is in nobody's way."""
    stage.other("first", TARGET)
    stage.jobs.delete("first")

    assert stage.enroll().overlaps == ()
    assert stage.problems == []


def test_what_cannot_be_compared_is_said(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many things to list: only targets are compared, and people know of which jobs."""
    stage.other("huge", stage.group("fleet", "thing-1"))
    stage.other("same-target", TARGET)
    monkeypatch.setattr(stage.jobs, "things_in", lambda _: None)

    assert ids(stage.enroll()) == ("same-target",)
    same, unknown = stage.problems
    assert "same-target" in same
    assert "huge" in unknown
    assert "same-target" not in unknown


def test_comparing_has_a_limit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many jobs, and so many things listed, people are told which were left out."""
    monkeypatch.setattr(overlap, "OTHERS_MAX", 3)
    monkeypatch.setattr(overlap, "OTHERS_THINGS_MAX", 2)
    for number in range(5):
        stage.other(f"job-{number}", stage.group(f"group-{number}", f"a-{number}", f"b-{number}"))
        stage.clock.advance(1)
    stage.enroll()

    (problem,) = stage.problems
    assert "job-0, job-1, job-2, job-3;" in problem


def test_a_group_that_is_gone_refuses_nobody(stage: Stage) -> None:
    """What another job's targets were cannot be found out any more; that is said."""
    stage.other("first", f"{ARN_PREFIX}:thinggroup/gone")

    assert stage.enroll().overlaps == ()
    assert "first" in stage.problems[0]


@pytest.mark.parametrize("mode", ["wait", "warn"])
@pytest.mark.parametrize("slower", [0, 1])
def test_of_two_at_the_same_moment_one_notes_the_other(
    stage: Stage, mode: str, slower: int
) -> None:
    """Neither sees the other before both have claimed; after that exactly one gives way."""
    stage.policy(overlap=mode)
    names = ["launch-a", "launch-b"]
    faster, slow = names[1 - slower], names[slower]
    stage.ledger.faults = interference = Interference()

    def other() -> None:
        stage.enroll(faster, {**LAUNCH, "jobId": faster})

    # The slower one has looked, and is about to claim.
    interference.during("claim", other)
    for _ in range(9):
        try:
            stage.enroll(slow, {**LAUNCH, "jobId": slow})
        except RetryLater:
            stage.clock.advance(10)
        else:
            break

    found = stage.ledger.current(names)
    noted = {name: ids(found[name]) for name in names}
    assert sorted(noted.values()) == [(), (faster,)]
    assert noted[slow] == (faster,)


def test_of_two_that_see_each_other_the_greater_gives_way(stage: Stage) -> None:
    """Both have claimed before either looks again: both come to the same answer."""
    stage.policy(overlap="wait")
    stage.ledger.faults = interference = Interference()
    interference.during("claim", lambda: stage.other("launch-b", TARGET, revision=0))
    with pytest.raises(RetryLater, match="same moment"):
        stage.enroll("a", {**LAUNCH, "jobId": "launch-a"})

    greater_one = stage.ledger.current(["launch-b"])["launch-b"]
    stage.ledger.claim(
        replace(greater_one, overlaps=(RolloutKey("launch-a", int(START)),)), previous=greater_one
    )
    assert stage.enroll("a", {**LAUNCH, "jobId": "launch-a"}).overlaps == ()


def test_one_that_never_looks_goes_first_in_the_end(stage: Stage) -> None:
    """The other one's enrolment died for good: the lesser key does not wait for it for ever."""
    stage.policy(overlap="wait")
    stage.ledger.faults = interference = Interference()
    interference.during("claim", lambda: stage.other("launch-b", TARGET, revision=0))
    with pytest.raises(RetryLater, match="same moment"):
        stage.enroll("a", {**LAUNCH, "jobId": "launch-a"})
    stage.clock.advance(overlap.SETTLING_SECONDS + 1)

    assert ids(stage.enroll("a", {**LAUNCH, "jobId": "launch-a"})) == ("launch-b",)


def test_a_take_over_keeps_what_was_noted_and_warns_nobody_again(stage: Stage) -> None:
    """Overlaps are found where a rollout begins."""
    stage.other("first", TARGET)
    first = stage.enroll("one")
    told = len(stage.problems)
    second = stage.enroll("two", resume(first))

    assert ids(second) == ids(first) == ("first",)
    assert len(stage.problems) == told
