"""Rolling back: whoever took up a release that was stopped gets the job that undoes it, once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.scenario.interference import Interference
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.adapters.memory.workflow import MemoryWorkflow
from tidegate.documents.commands import Enrolment, parse_enrolment
from tidegate.domain.decision import Decision, Evidence, Verdict
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.policy import (
    Harm,
    JobDefaults,
    OnAbort,
    Pace,
    PaceMode,
    Policy,
    Rollback,
)
from tidegate.domain.rollout import AbortRequest, Rollout, RolloutKey, Tripwires
from tidegate.domain.settings import JobSettings
from tidegate.errors import NotFound, Refused, RetryLater
from tidegate.ports import POLICY_TAG
from tidegate.service import affected
from tidegate.service.roll_back import LAUNCHES_MAX, RollingBack
from tidegate.service.steer import Outcome
from tidegate.service.stopped import rollback_job_id

#: Two pages of 250, the first of which is not enough.
THINGS_IN_A_PASS = 500
JOB = "release-7"
START = 1_790_000_000.0
UNDO = f"release-7-rollback-{int(START):x}"
GROUP = f"tidegate-{UNDO}"
ARN_PREFIX = "arn:aws:iot:eu-central-1:111122223333"

POLICY = Policy(
    name="firmware",
    harm=Harm(
        statuses=frozenset({ExecutionStatus.FAILED}),
        tolerated_rate=0.02,
        acceptable_rate=0.02,
        confidence=0.95,
        false_abort_risk=0.01,
        budget_devices=50,
    ),
    pace=Pace(PaceMode.THROTTLE, start_per_minute=10, max_per_minute=1000),
    on_abort=OnAbort(rollback=Rollback(("document", '{"operation": "restore"}'))),
)


#: Passes after which a test gives up.
PASSES_MAX = 100


class Counting(Interference):
    """Counts calls by their operation."""

    def __init__(self) -> None:
        """Start at nothing."""
        super().__init__()
        self.calls: Counter[str] = Counter()

    @contextmanager
    def around(self, operation: str) -> Iterator[None]:
        """Run one operation, and count it."""
        self.calls[operation] += 1
        with super().around(operation):
            yield


class Stage:
    """A rollout whose job was canceled, and whoever took it up."""

    def __init__(self, policy: Policy = POLICY) -> None:
        """Start with no device that took it up."""
        self.clock = ManualClock(START)
        self.jobs = MemoryJobs(self.clock)
        self.jobs.faults = self.between_jobs_calls = Interference()
        self.ledger = MemoryLedger()
        self.ledger.faults = self.between_ledger_calls = Interference()
        self.workflow = MemoryWorkflow()
        self.bus = MemoryBus()
        self.jobs.add(JOB, status=JobStatus.CANCELED, tags={POLICY_TAG: policy.name})
        self.key = RolloutKey(JOB, int(START))
        rollout = Rollout(
            key=self.key,
            job_arn=self.jobs.arn(JOB),
            policy=policy,
            generation=1,
            execution_arn=self.workflow.start("owner", {}),
            enrolled_at=START,
        )
        self.ledger.claim(rollout, previous=None)

    def report(self, status: ExecutionStatus, *numbers: int) -> None:
        """Let things of these numbers report."""
        for number in numbers:
            self.jobs.report(JOB, f"thing-{number:04}", status)

    def decide(self) -> int:
        """Store a decision to roll back; return its revision."""
        revision = self.rollout.revision + 1
        decision = Decision(
            revision=revision,
            at=self.clock.now(),
            verdict=Verdict.ROLL_BACK,
            reasons=(),
            evidence=Evidence(),
            settings=JobSettings(),
            replaces=JobSettings(),
            tripwires=Tripwires(),
            signals=self.rollout.signals,
            wait_seconds=48,
        )
        self.ledger.store_decision(self.key, decision, generation=1)
        return revision

    def apply(self, revision: int) -> Outcome:
        """Do the pass of a decision."""
        rolling_back = RollingBack(
            jobs=self.jobs,
            ledger=self.ledger,
            workflow=self.workflow,
            bus=self.bus,
            clock=self.clock,
        )
        return rolling_back.roll_back(self.key, generation=1, revision=revision)

    def roll_back(self) -> Outcome:
        """Decide, and do the pass."""
        return self.apply(self.decide())

    def roll_back_until(self, outcome: Outcome) -> list[Outcome]:
        """Decide and do passes until one comes to this; return what all came to."""
        self.clock.advance(600)
        outcomes = [self.roll_back()]
        for _ in range(PASSES_MAX):
            if outcomes[-1] is outcome:
                break
            self.clock.advance(40)
            outcomes.append(self.roll_back())
        assert outcomes[-1] is outcome
        return outcomes

    def enrolled(self) -> None:
        """Let the workflow that was started create its job and claim it."""
        enrolment = self.launches[-1]
        assert enrolment.launch is not None
        self.jobs.add(UNDO, targets=enrolment.launch.targets, tags={POLICY_TAG: "firmware"})
        self.ledger.claim(
            replace(
                self.rollout,
                key=RolloutKey(UNDO, int(START)),
                rolls_back=JOB,
                revision=0,
                rolled_back_by=None,
            ),
            previous=None,
        )

    def refused(self) -> None:
        """Let the workflow that was started last end without a job."""
        *_, name = self.workflow.started
        self.workflow.end(self.workflow.arn(name))

    @property
    def rollout(self) -> Rollout:
        """The rollout as the ledger has it."""
        return self.ledger.rollout(self.key)

    @property
    def launches(self) -> list[Enrolment]:
        """What workflows were started with, oldest first."""
        _, *started = self.workflow.started.values()
        return [parse_enrolment(each) for each in started]

    @property
    def problems(self) -> list[Any]:
        """What people were told to look at, oldest first."""
        return self.bus.details("Rollout Needs Attention")

    @property
    def added(self) -> list[str]:
        """Names of the things that were to be put into the group, in that order."""
        return [
            name
            for call in self.jobs.calls
            if call.operation == "add_to_group"
            for name in call.arguments["thing_names"]
        ]


@pytest.fixture
def stage() -> Stage:
    """Return a stopped rollout that three devices took up, and two did not."""
    stage = Stage()
    stage.report(ExecutionStatus.SUCCEEDED, 1, 2, 3)
    stage.report(ExecutionStatus.FAILED, 4)
    stage.report(ExecutionStatus.CANCELED, 5)
    return stage


def names(numbers: Iterable[int]) -> set[str]:
    """Return the names of things."""
    return {f"thing-{number:04}" for number in numbers}


# few devices, all known


def test_few_devices_get_a_job_of_their_own(stage: Stage) -> None:
    """By name, with the document that the policy has for it, under the rollout's own policy."""
    assert stage.roll_back() is Outcome.APPLIED

    (enrolment,) = stage.launches
    assert (enrolment.job_id, enrolment.policy, enrolment.rolls_back) == (UNDO, "firmware", JOB)
    assert enrolment.launch is not None
    assert enrolment.launch.targets == tuple(
        f"{ARN_PREFIX}:thing/{name}" for name in sorted(names([1, 2, 3]))
    )
    assert enrolment.launch.members == {
        "document": '{"operation": "restore"}',
        "description": "Rolls back release-7",
        "targetSelection": "SNAPSHOT",
    }
    assert stage.jobs.groups == {}


def test_a_launch_is_told_and_kept(stage: Stage) -> None:
    """One event, one line of the timeline, and the rollout knows the job from then on."""
    stage.roll_back()

    (told,) = stage.bus.details("Rollback Launched")
    assert (told["rollbackJobId"], told["devices"]) == (UNDO, 3)  # type: ignore[index]
    assert stage.rollout.rolled_back_by == UNDO
    (step,) = stage.ledger.steps(stage.key, limit=10)
    assert step.what == "Rollback Launched"
    assert UNDO in step.text


def test_a_launch_is_over_once_its_job_is_on_its_way(stage: Stage) -> None:
    """The pass after it looks, and launches nothing again."""
    stage.roll_back()
    stage.enrolled()

    assert stage.roll_back() is Outcome.ROLLED_BACK
    assert len(stage.launches) == 1
    assert len(stage.bus.details("Rollback Launched")) == 1
    assert stage.problems == []


def test_a_launch_that_waits_for_its_turn_is_on_its_way(stage: Stage) -> None:
    """Its workflow runs: it creates the job when others are over."""
    stage.roll_back()

    assert stage.roll_back() is Outcome.ROLLED_BACK
    assert len(stage.launches) == 1


def test_applying_it_twice_launches_once(stage: Stage) -> None:
    """The workflow may invoke a step again: the first answer stands."""
    revision = stage.decide()

    assert [stage.apply(revision), stage.apply(revision)] == [Outcome.APPLIED] * 2
    assert len(stage.launches) == 1
    assert len(stage.bus.details("Rollback Launched")) == 1


class Killing(Interference):
    """Kills whoever makes the call of a number, over all ports that share it."""

    def __init__(self, number: int, when: str) -> None:
        """Kill at that call, ``before`` or ``after`` it has done its work; at none for 0."""
        super().__init__()
        self._left = number
        self._when = when
        self.calls = 0

    @contextmanager
    def around(self, operation: str) -> Iterator[None]:
        """Run one operation, or half of it."""
        self.calls += 1
        self._left -= 1
        dies = self._left == 0
        if dies and self._when == "before":
            raise RuntimeError(operation)
        with super().around(operation):
            yield
        if dies:
            raise RuntimeError(operation)


def rolled_back(stage: Stage, killing: Killing, *, heals: bool) -> None:
    """Roll back to the end, though whoever does it may die once; its launch fails once."""
    ports = (stage.jobs, stage.ledger, stage.workflow, stage.bus)
    revision, seen = stage.decide(), 0
    for _ in range(PASSES_MAX):
        for port in ports:
            port.faults = killing
        try:
            outcome = stage.apply(revision)
        except RuntimeError:
            outcome = None
        for port in ports:
            port.faults = Interference()
        stage.clock.advance(40)
        if outcome is Outcome.ROLLED_BACK:
            return
        if outcome is not None or heals:
            revision = stage.decide()  # Otherwise the workflow invokes the step again.
        if len(stage.launches) > seen:
            seen = len(stage.launches)
            (stage.refused if seen == 1 else stage.enrolled)()
    pytest.fail("never rolled back")


def few(stage: Stage) -> None:
    """Let few devices have taken the release."""
    stage.report(ExecutionStatus.SUCCEEDED, 1, 2, 3)


def at_work(stage: Stage) -> None:
    """Let some devices be at work still."""
    few(stage)
    stage.report(ExecutionStatus.IN_PROGRESS, 6)


def many(stage: Stage) -> None:
    """Let more devices have taken it than one pass adds, some of which are gone."""
    stage.jobs.page_size = 25
    stage.report(ExecutionStatus.SUCCEEDED, *range(60))
    stage.jobs.unregistered = names([7, 40])


@pytest.mark.parametrize("story", [few, at_work, many])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("heals", [False, True], ids=["invoked again", "decided anew"])
def test_killed_at_any_call_it_launches_the_same_job_for_the_same_devices(
    monkeypatch: pytest.MonkeyPatch, story: Callable[[Stage], None], when: str, *, heals: bool
) -> None:
    """
    Group made, things added, job launched, link written: each is there once in the end.

    So too if the workflow dies with it, and another one begins with a decision of its own. The
    first launch fails, and whoever died must see that all the same.
    """
    monkeypatch.setattr(affected, "THINGS_ENOUGH", 30)

    def told(number: int) -> tuple[Any, ...]:
        stage = Stage()
        story(stage)
        stage.clock.advance(600)
        killing = Killing(number, when)
        rolled_back(stage, killing, heals=heals)
        assert stage.bus.details("Rollback Launched")
        assert stage.ledger.steps(stage.key, limit=10)
        assert stage.rollout.rolled_back_by == UNDO
        assert len({each["problem"] for each in stage.problems}) == (story is many)
        calls.append(killing.calls)
        return stage.launches, stage.jobs.groups, stage.jobs.describe(UNDO).targets

    calls: list[int] = []
    undisturbed = told(0)
    assert len(undisturbed[0]) == 2
    for number in range(1, calls[0] + 1):
        assert told(number) == undisturbed, f"killed at call {number}"


def test_the_rollback_may_have_a_policy_and_statuses_of_its_own() -> None:
    """Devices that failed may need it as well; those that never began do not."""
    rollback = Rollback(
        ("jobTemplateArn", "arn:aws:iot:eu-central-1:111122223333:jobtemplate/restore"),
        policy="careful",
        statuses=frozenset({ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED}),
    )
    stage = Stage(
        replace(
            POLICY,
            on_abort=OnAbort(rollback=rollback),
            job=JobDefaults(namespace_id="fleet-7"),
        )
    )
    stage.report(ExecutionStatus.SUCCEEDED, 1)
    stage.report(ExecutionStatus.FAILED, 2)
    stage.report(ExecutionStatus.REJECTED, 3)
    stage.roll_back()

    (enrolment,) = stage.launches
    assert enrolment.policy == "careful"
    assert enrolment.launch is not None
    assert len(enrolment.launch.targets) == 2
    assert enrolment.launch.members["jobTemplateArn"] == rollback.source[1]
    assert enrolment.launch.members["namespaceId"] == "fleet-7"


def test_with_nobody_to_roll_back_nothing_is_launched() -> None:
    """And the outcome says that nothing was done."""
    stage = Stage()
    stage.report(ExecutionStatus.CANCELED, 1, 2)

    assert stage.roll_back() is Outcome.UNCHANGED
    assert stage.launches == []
    assert stage.rollout.rolled_back_by is None
    assert stage.bus.published == []


def test_a_device_that_came_late_to_a_job_by_name_is_named(stage: Stage) -> None:
    """AWS's counters may lag: its job is launched already, and takes nobody in any more."""
    stage.roll_back()
    stage.enrolled()
    stage.report(ExecutionStatus.SUCCEEDED, 9)

    assert stage.roll_back() is Outcome.ROLLED_BACK
    assert stage.roll_back() is Outcome.ROLLED_BACK
    (told,) = stage.problems
    assert told["problem"].startswith("1 of the devices")
    assert "thing-0009" in told["problem"]


# many devices, or some at work


def test_devices_at_work_join_when_they_are_done(stage: Stage) -> None:
    """The job is CONTINUOUS, on a group of Tidegate's own; each pass adds who has finished."""
    stage.report(ExecutionStatus.IN_PROGRESS, 6, 7)
    assert stage.roll_back() is Outcome.APPLIED

    (enrolment,) = stage.launches
    assert enrolment.launch is not None
    assert enrolment.launch.targets == (f"{ARN_PREFIX}:thinggroup/{GROUP}",)
    assert enrolment.launch.members["targetSelection"] == "CONTINUOUS"
    assert stage.jobs.groups[GROUP] == names([1, 2, 3])
    stage.enrolled()
    stage.report(ExecutionStatus.SUCCEEDED, 6)
    stage.report(ExecutionStatus.FAILED, 7)
    assert stage.roll_back() is Outcome.ROLLED_BACK
    assert stage.jobs.groups[GROUP] == names([1, 2, 3, 6])
    assert len(stage.launches) == 1


def test_a_cancelation_that_is_under_way_counts_as_work(stage: Stage) -> None:
    """A device whose execution is still queued may begin it yet."""
    stage.report(ExecutionStatus.QUEUED, 6)
    stage.roll_back()

    assert stage.jobs.groups[GROUP] == names([1, 2, 3])


def test_nothing_is_launched_before_somebody_has_finished() -> None:
    """A job on an empty group is none: the next pass looks again."""
    stage = Stage()
    stage.report(ExecutionStatus.IN_PROGRESS, 1)
    assert stage.roll_back() is Outcome.UNCHANGED
    stage.report(ExecutionStatus.SUCCEEDED, 1)

    assert stage.roll_back() is Outcome.APPLIED


@pytest.mark.parametrize(("devices", "by_name"), [(100, True), (101, False)])
def test_a_job_takes_only_so_many_things_by_name(devices: int, *, by_name: bool) -> None:
    """AWS takes 100 targets; more devices are put into a group."""
    stage = Stage()
    stage.report(ExecutionStatus.SUCCEEDED, *range(devices))
    stage.roll_back()

    assert (GROUP not in stage.jobs.groups) is by_name


def test_a_large_group_is_filled_before_the_job_is_launched() -> None:
    """Whoever is in it by then is rolled back at the job's rate, and no pass takes for ever."""
    devices = 2 * THINGS_IN_A_PASS + 1
    stage = Stage()
    stage.report(ExecutionStatus.SUCCEEDED, *range(devices))
    outcomes = stage.roll_back_until(Outcome.APPLIED)

    assert outcomes[:3] == [Outcome.MORE] * 3
    assert stage.jobs.groups[GROUP] == names(range(devices))
    assert sorted(stage.added) == sorted(names(range(devices)))
    (told,) = stage.bus.details("Rollback Launched")
    assert told["devices"] == devices  # type: ignore[index]


def test_devices_that_finish_while_a_group_is_filled_are_in_it_too() -> None:
    """The job begins with them, at its rate."""
    stage = Stage()
    stage.report(ExecutionStatus.SUCCEEDED, *range(THINGS_IN_A_PASS + 1))
    stage.report(ExecutionStatus.IN_PROGRESS, 9998, 9999)
    stage.clock.advance(600)
    assert stage.roll_back() is Outcome.MORE
    for late in (9998, 9999):
        stage.clock.advance(20)
        stage.report(ExecutionStatus.SUCCEEDED, late)
        stage.clock.advance(20)
        outcome = stage.roll_back()

    assert outcome is Outcome.APPLIED
    assert stage.jobs.groups[GROUP] == names([*range(THINGS_IN_A_PASS + 1), 9998, 9999])


@pytest.mark.parametrize("statuses", [["SUCCEEDED"], ["FAILED", "SUCCEEDED"]])
def test_a_rollback_takes_calls_in_proportion_to_its_devices(
    monkeypatch: pytest.MonkeyPatch, statuses: list[str]
) -> None:
    """One addition for each, and the pages of the list once: not once more in each pass."""
    monkeypatch.setattr(affected, "THINGS_ENOUGH", 30)
    wanted = frozenset(ExecutionStatus(each) for each in statuses)
    rollback = Rollback(("document", "{}"), statuses=wanted)
    policy = replace(POLICY, on_abort=OnAbort(rollback=rollback))

    def listed(devices: int) -> tuple[int, int]:
        stage = Stage(policy)
        stage.jobs.page_size = 25
        stage.jobs.faults = counting = Counting()
        for status in wanted:
            share = devices // len(wanted)
            first = share * sorted(wanted).index(status)
            stage.report(status, *range(first, first + share))
        passes = len(stage.roll_back_until(Outcome.APPLIED))
        assert len(stage.added) == devices
        return passes, counting.calls["executions"] + counting.calls["things_in"]

    for devices in (500, 1000, 2000):
        passes, lists = listed(devices)
        assert passes <= devices / 50 + 3
        assert lists <= devices / 25 + 2 * len(wanted) + 1


def test_a_place_that_aws_has_forgotten_costs_no_more_than_reading_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is in the group already is not added again, and the passes go on behind it."""
    monkeypatch.setattr(affected, "THINGS_ENOUGH", 30)
    stage = Stage()
    stage.jobs.page_size = 25
    stage.report(ExecutionStatus.SUCCEEDED, *range(400))
    assert [stage.roll_back() for _ in range(3)] == [Outcome.MORE] * 3
    stage.between_jobs_calls.before("executions", Refused("the token is not valid"))
    stage.roll_back_until(Outcome.APPLIED)

    assert stage.jobs.groups[GROUP] == names(range(400))
    assert len(stage.added) == 400
    (told,) = stage.bus.details("Rollback Launched")
    assert told["devices"] == 400  # type: ignore[index]
    assert stage.problems == []


def test_a_group_that_is_too_large_to_be_listed_is_filled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Adding a thing again changes nothing: where AWS forgets the place, all are added again."""
    monkeypatch.setattr(affected, "THINGS_ENOUGH", 30)
    stage = Stage()
    stage.jobs.page_size = 25
    stage.report(ExecutionStatus.SUCCEEDED, *range(200))
    stage.roll_back()
    monkeypatch.setattr(stage.jobs, "things_in", lambda _: None)
    stage.between_jobs_calls.before("executions", Refused("the token is not valid"))
    stage.roll_back_until(Outcome.APPLIED)

    assert stage.jobs.groups[GROUP] == names(range(200))


def test_a_policy_that_rolls_back_more_devices_is_read_for_anew() -> None:
    """Adjusted midway: devices of an outcome that nobody looked for before are in the group too."""
    stage = Stage()
    stage.report(ExecutionStatus.SUCCEEDED, *range(120))
    stage.report(ExecutionStatus.FAILED, *range(200, 220))
    assert stage.roll_back() is Outcome.APPLIED
    stage.enrolled()
    both = frozenset({ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED})
    adjusted = replace(POLICY, on_abort=OnAbort(rollback=Rollback(("document", "{}"), None, both)))
    stage.ledger.adjust(stage.key, adjusted, keeps_bound=True, at=START)
    stage.clock.advance(600)

    assert stage.roll_back() is Outcome.ROLLED_BACK
    assert stage.jobs.groups[GROUP] == names([*range(120), *range(200, 220)])
    assert len(stage.added) == 140


def test_a_thing_that_is_gone_stops_nobody_else() -> None:
    """The others are rolled back; people hear once that some are not, and why."""
    stage = Stage()
    stage.report(ExecutionStatus.SUCCEEDED, *range(120))
    stage.jobs.unregistered = names([7, 60])

    assert stage.roll_back() is Outcome.APPLIED
    stage.enrolled()
    assert stage.roll_back() is Outcome.ROLLED_BACK
    assert stage.jobs.groups[GROUP] == names(range(120)) - names([7, 60])
    (told,) = stage.problems
    assert told["problem"].startswith("2 of the devices")
    assert "cannot be found" in told["problem"]


def test_things_that_are_gone_are_in_nobody_s_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than one pass tries: those behind them have their turn all the same."""
    monkeypatch.setattr(affected, "THINGS_ENOUGH", 50)
    stage = Stage()
    stage.jobs.page_size = 50
    stage.report(ExecutionStatus.SUCCEEDED, *range(150))
    stage.jobs.unregistered = names(range(90, 150))
    stage.roll_back_until(Outcome.APPLIED)
    stage.enrolled()

    assert stage.roll_back() is Outcome.ROLLED_BACK
    assert stage.jobs.groups[GROUP] == names(range(90))
    assert len(stage.launches) == 1
    (told,) = stage.problems
    assert told["problem"].startswith("60 of the devices")


def test_what_is_in_the_way_of_all_things_lets_none_out(stage: Stage) -> None:
    """A permission that is missing says nothing of a thing: once it is there, all are added."""
    stage.report(ExecutionStatus.IN_PROGRESS, 6)
    # The three at once, and then one by one.
    stage.between_jobs_calls.before("add_to_group", *[Refused("not authorized")] * 4)

    assert stage.roll_back() is Outcome.UNAPPLIED
    assert "not authorized" in stage.problems[0]["problem"]
    assert stage.roll_back() is Outcome.APPLIED
    assert stage.jobs.groups[GROUP] == names([1, 2, 3])


def test_only_things_that_are_gone_launch_nothing() -> None:
    """There is no job to launch, and people know."""
    stage = Stage()
    stage.report(ExecutionStatus.SUCCEEDED, *range(120))
    stage.jobs.unregistered = names(range(120))

    assert stage.roll_back() is Outcome.UNAPPLIED
    assert stage.launches == []
    assert "120 of the devices" in stage.problems[0]["problem"]


# launches that fail


def test_a_launch_that_was_refused_is_tried_again_on_a_group(stage: Stage) -> None:
    """One thing of those by name may be gone: a group does without it."""
    stage.roll_back()
    stage.refused()

    assert stage.roll_back() is Outcome.APPLIED
    first, second = stage.launches
    assert first.job_id == second.job_id
    assert second.launch is not None
    assert second.launch.targets == (f"{ARN_PREFIX}:thinggroup/{GROUP}",)
    stage.enrolled()
    assert stage.roll_back() is Outcome.ROLLED_BACK
    assert len(stage.bus.details("Rollback Launched")) == 1


def test_a_launch_is_not_tried_for_ever(stage: Stage) -> None:
    """A policy or a template that does not exist: after some tries people are asked, once."""
    for _ in range(LAUNCHES_MAX):
        assert stage.roll_back() is Outcome.APPLIED
        stage.refused()

    assert [stage.roll_back() for _ in range(2)] == [Outcome.UNAPPLIED] * 2
    assert len(stage.launches) == LAUNCHES_MAX
    (told,) = stage.problems
    assert UNDO in told["problem"]
    assert "Launch Rollout" in told["remedy"]


def test_a_rollback_that_has_ended_is_not_launched_again(stage: Stage) -> None:
    """Its execution is over, but its rollout is in the ledger."""
    stage.roll_back()
    stage.enrolled()
    stage.refused()

    assert stage.roll_back() is Outcome.ROLLED_BACK
    assert len(stage.launches) == 1


@pytest.mark.parametrize(
    ("port", "operation", "error"),
    [
        ("jobs", "executions", RetryLater("throttled")),
        ("jobs", "things_in", RetryLater("throttled")),
        ("jobs", "create_group", Refused("there is a group of that name")),
        ("jobs", "add_to_group", RetryLater("throttled")),
        ("workflow", "start", Refused("no such state machine")),
    ],
)
def test_what_aws_does_not_take_is_tried_again(
    stage: Stage, port: str, operation: str, error: Exception
) -> None:
    """People are told once, however long it lasts; then it is done."""
    stage.report(ExecutionStatus.IN_PROGRESS, 6)
    getattr(stage, port).faults.before(operation, error, error)

    assert [stage.roll_back() for _ in range(2)] == [Outcome.UNAPPLIED] * 2
    (told,) = stage.problems
    assert str(error) in told["problem"]
    assert stage.rollout.rolled_back_by is None
    assert stage.roll_back() is Outcome.APPLIED
    assert stage.jobs.groups[GROUP] == names([1, 2, 3])


def test_a_source_that_no_workflow_takes_is_refused_at_once() -> None:
    """A document that is no JSON would end the workflow before it began."""
    policy = replace(POLICY, on_abort=OnAbort(rollback=Rollback(("document", "{"))))
    stage = Stage(policy)
    stage.report(ExecutionStatus.SUCCEEDED, 1)

    assert stage.roll_back() is Outcome.UNAPPLIED
    assert "document" in stage.problems[0]["problem"]
    assert stage.launches == []


def test_a_job_that_is_gone_tells_nothing(stage: Stage) -> None:
    """Which devices took it up AWS does not know any more: people have to look."""
    stage.jobs.delete(JOB)

    assert stage.roll_back() is Outcome.JOB_OVER
    assert "deleted" in stage.problems[0]["problem"]


def test_a_job_that_goes_while_it_is_read_is_tried_again(stage: Stage) -> None:
    """The next pass finds out."""
    stage.between_jobs_calls.before("executions", NotFound("gone"))

    assert stage.roll_back() is Outcome.UNAPPLIED


def test_a_bus_that_does_not_take_the_news_is_tried_again(stage: Stage) -> None:
    """That a rollback is launched is told, if not at once."""
    revision = stage.decide()
    stage.bus.refuses = lambda _: True
    with pytest.raises(RetryLater):
        stage.apply(revision)
    stage.bus.refuses = lambda _: False
    stage.apply(revision)

    assert len(stage.bus.details("Rollback Launched")) == 1
    assert len(stage.launches) == 1


# what is newer


def test_a_newer_owner_rolls_back_alone(stage: Stage) -> None:
    """An execution that was taken over touches nothing any more."""
    revision = stage.decide()
    known = stage.rollout
    stage.ledger.claim(replace(known, generation=2), previous=known)

    assert stage.apply(revision) is Outcome.SUPERSEDED
    assert stage.launches == []


def test_what_people_asked_meanwhile_is_looked_at_first(stage: Stage) -> None:
    """A hold, a no or another policy may change the decision: it is made anew."""
    revision = stage.decide()
    stage.ledger.request_abort(stage.key, AbortRequest("night-shift", "enough", START))

    assert stage.apply(revision) is Outcome.SUPERSEDED
    assert stage.launches == []


def test_a_pass_that_came_to_nothing_forgets_no_launch(stage: Stage) -> None:
    """What was launched in vain is launched again, also after a decision that nobody applied."""
    stage.roll_back()
    stage.refused()
    overtaken = stage.decide()
    stage.ledger.signal(stage.key)
    assert stage.apply(overtaken) is Outcome.SUPERSEDED

    assert stage.roll_back() is Outcome.APPLIED
    assert len(stage.launches) == LAUNCHES_MAX - 1


def test_an_old_decision_is_not_applied(stage: Stage) -> None:
    """A newer one says what is to be done."""
    revision = stage.decide()
    stage.decide()

    assert stage.apply(revision) is Outcome.SUPERSEDED


def test_the_id_of_a_rollback_fits(stage: Stage) -> None:
    """Two releases of a job's id have two rollbacks, however long it is."""
    long = "x" * 64
    ids = {rollback_job_id(RolloutKey(long, int(START) + second)) for second in range(2)}

    assert len(ids) == 2
    assert {len(each) for each in ids} == {64}


def test_long_ids_that_differ_at_the_end_have_rollbacks_of_their_own() -> None:
    """Created in the same second, by a script: neither job undoes the other's devices."""
    ids = {rollback_job_id(RolloutKey("x" * 50 + end, int(START))) for end in "ab"}

    assert len(ids) == 2
    assert {len(each) for each in ids} == {64}
