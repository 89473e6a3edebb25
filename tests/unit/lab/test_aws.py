"""AWS IoT Jobs device by device: rates, abort criteria, timers and retries, either way."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.executions import MemoryExecutions
from tidegate.domain.executions import ExecutionUpdate
from tidegate.domain.jobs import TERMINAL, ExecutionStatus, JobCounts, JobStatus
from tidegate.domain.review import FENCE_REASON_CODE
from tidegate.domain.settings import (
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    RetryCriterion,
    RolloutRate,
)
from tidegate.errors import NotFound
from tidegate.lab.agenda import Agenda
from tidegate.lab.aws import FIRST_BATCH_SECONDS, MINUTE_SECONDS, IotJobs, Notice
from tidegate.lab.behaviours import (
    Behaviours,
    Comparison,
    Denominator,
    Effective,
    ListOrder,
    Minimum,
    RetryNumbering,
    Rounding,
    Spacing,
)

JOB = "release"
GROUP_ARN = "arn:aws:iot:eu-central-1:111122223333:thinggroup/all"

IN_PROGRESS = ExecutionStatus.IN_PROGRESS
SUCCEEDED = ExecutionStatus.SUCCEEDED
FAILED = ExecutionStatus.FAILED
REJECTED = ExecutionStatus.REJECTED
TIMED_OUT = ExecutionStatus.TIMED_OUT


class Account:
    """
    AWS IoT Jobs with one job for some things, and whoever plays the devices.

    Attributes:
        notices: What the things were told, oldest first.
        events: What was published, oldest first.
    """

    def __init__(
        self,
        behaviours: Behaviours | None = None,
        *,
        things: int = 20,
        **settings: Any,  # noqa: ANN401 - JobSettings' own
    ) -> None:
        """Create the job; no batch has come yet."""
        self.clock = ManualClock(1_000.0)
        self.agenda = Agenda(self.clock)
        self.jobs = IotJobs(self.clock, after=self.agenda.after, behaviours=behaviours)
        self.jobs.groups["all"] = {f"thing-{number:03}" for number in range(things)}
        self.notices: list[Notice] = []
        self.events: list[Any] = []
        self.jobs.notifies(self.notices.append)
        self.jobs.publishes(self.events.append)
        self.jobs.add(JOB, targets=[GROUP_ARN], settings=JobSettings(**settings))

    def run(self, minutes: float) -> None:
        """Let so many minutes pass."""
        until = self.clock.now() + minutes * MINUTE_SECONDS
        while self.agenda.do_next(until):
            pass

    def run_to_batch(self, number: int) -> None:
        """Let the first so many batches come."""
        batch_at = 1_000.0 + FIRST_BATCH_SECONDS + (number - 1) * MINUTE_SECONDS
        self.run((batch_at - self.clock.now()) / MINUTE_SECONDS)

    def batches(self, number: int) -> list[int]:
        """Return how many things each of the first batches reaches."""
        reached = [0]
        for batch in range(1, number + 1):
            self.run_to_batch(batch)
            reached.append(len(self.notices))
        return [after - before for before, after in pairwise(reached)]

    def report(self, places: Iterable[int], status: ExecutionStatus) -> None:
        """Let devices report, by the order in which they were told."""
        for place in places:
            self.jobs.device_reports(self.notices[place], status)

    def update(self, rollout: RolloutRate) -> None:
        """Change the rate."""
        self.jobs.update(JOB, JobSettings(rollout=rollout))

    @property
    def status(self) -> JobStatus:
        """The job's status."""
        return self.jobs.describe(JOB).status

    @property
    def counts(self) -> JobCounts:
        """What DescribeJob counts."""
        return self.jobs.describe(JOB).counts

    def told(self, kind: str) -> list[str]:
        """Return the operations that events of a kind told of, oldest first."""
        return [each["operation"] for each in self.events if each["eventType"] == kind]


# --- rates ----------------------------------------------------------------------------------


def test_a_constant_rate_notifies_so_many_a_minute() -> None:
    """Batches come a minute apart; with the last one AWS stops creating executions."""
    account = Account(things=10, rollout=RolloutRate(4))

    reached = account.batches(2)
    goes_on = account.jobs.describe(JOB).is_concurrent
    reached += [account.batches(3)[-1]]

    assert reached == [4, 4, 2]
    assert goes_on
    assert not account.jobs.describe(JOB).is_concurrent
    assert [notice.place for notice in account.notices] == list(range(10))
    assert len({notice.thing_name for notice in account.notices}) == 10


def test_an_exponential_rate_grows_with_each_so_many_notified() -> None:
    """Steps come at multiples of a count; the maximum ends the growth."""
    growth = ExponentialRate(2, 2.0, notified_things=4)
    account = Account(things=100, rollout=RolloutRate(10, growth))

    assert account.batches(6) == [2, 2, 4, 8, 10, 10]


@pytest.mark.parametrize(
    ("rounding", "batches"), [(Rounding.FLOOR, [1, 1, 1, 2]), (Rounding.CEILING, [1, 2, 2, 3])]
)
def test_an_exponential_rate_grows_with_each_success(
    rounding: Rounding, batches: list[int]
) -> None:
    """Successes count, not reports; what is no whole number is rounded as AWS may do it."""
    growth = ExponentialRate(1, 1.4, succeeded_things=1)
    account = Account(Behaviours(rate_rounding=rounding), rollout=RolloutRate(10, growth))
    reached: list[int] = []
    for batch in range(1, 5):
        account.run_to_batch(batch)
        reached.append(len(account.notices) - sum(reached))
        account.report([batch - 1], SUCCEEDED)

    assert reached == batches


@pytest.mark.parametrize(
    ("effective", "reached"),
    [(Effective.NEXT_TICK, [2, 2, 7, 12]), (Effective.AT_ONCE, [2, 5, 10, 15])],
)
def test_an_update_takes_effect_at_the_next_batch_or_at_once(
    effective: Effective, reached: list[int]
) -> None:
    """At once means what the running minute may hold beyond what it has held so far."""
    account = Account(Behaviours(update_effective=effective), things=100, rollout=RolloutRate(2))
    account.run_to_batch(1)
    seen = [len(account.notices)]
    account.update(RolloutRate(5))
    seen.append(len(account.notices))
    for batch in (2, 3):
        account.run_to_batch(batch)
        seen.append(len(account.notices))

    assert seen == reached


@pytest.mark.parametrize(
    ("behaviours", "reached"),
    [
        (Behaviours(), [8, 16, 26]),
        (Behaviours(update_effective=Effective.AT_ONCE), [12, 22, 32]),
        (Behaviours(update_resets_ladder=True), [8, 10, 12, 16]),
        (
            Behaviours(update_resets_ladder=True, update_effective=Effective.AT_ONCE),
            [8, 10, 12, 16],
        ),
    ],
)
def test_the_ladder_starts_anew_at_an_update_or_not(
    behaviours: Behaviours, reached: list[int]
) -> None:
    """Steps count from the job's beginning, or from the last change of the rollout settings."""
    account = Account(behaviours, things=100, rollout=RolloutRate(4))
    account.run_to_batch(2)
    account.update(RolloutRate(10, ExponentialRate(2, 2.0, notified_things=4)))
    seen = [len(account.notices)]
    for batch in range(3, 2 + len(reached)):
        account.run_to_batch(batch)
        seen.append(len(account.notices))

    assert seen == reached


def test_other_settings_leave_the_ladder_alone() -> None:
    """An update of criteria, or of the same rate, is no change of the rate."""
    growth = RolloutRate(50, ExponentialRate(2, 2.0, notified_things=2))
    account = Account(Behaviours(update_resets_ladder=True), things=100, rollout=growth)
    account.run_to_batch(2)
    account.update(growth)
    account.jobs.update(JOB, JobSettings(abort=(AbortCriterion(FailureType.ALL, 50.0, 10),)))

    assert account.batches(4)[2:] == [16, 50]


@pytest.mark.parametrize(("replaces", "batch"), [(True, 20), (False, 8)])
def test_a_constant_rate_replaces_the_growth_or_only_its_end(
    replaces: bool,  # noqa: FBT001 - drawn up in a table
    batch: int,
) -> None:
    """A rate that is sent without growth ends the growth, if AWS replaces objects whole."""
    growth = ExponentialRate(2, 2.0, notified_things=4)
    account = Account(
        Behaviours(update_replaces_rollout_object=replaces),
        things=100,
        rollout=RolloutRate(10, growth),
    )
    account.run_to_batch(3)
    account.update(RolloutRate(20))

    assert account.batches(4)[-1] == batch


def test_an_even_rollout_spreads_a_batch_over_its_minute() -> None:
    """Things are told one after the other; those of a job that ends meanwhile never are."""
    account = Account(Behaviours(rollout_spacing=Spacing.EVEN), rollout=RolloutRate(6))
    account.run_to_batch(1)
    told = []
    for _ in range(3):
        told.append(len(account.notices))
        account.run(10 / 60)
    account.jobs.end_by_hand(JOB)
    account.run(5)

    assert told == [1, 2, 3]
    assert len(account.notices) == 4


def test_an_even_rollout_ends_when_its_last_minute_does() -> None:
    """The rate holds, and AWS goes on creating executions until the last thing is told."""
    account = Account(Behaviours(rollout_spacing=Spacing.EVEN), things=10, rollout=RolloutRate(6))
    account.run_to_batch(2)
    account.run(0.9)
    goes_on = account.jobs.describe(JOB).is_concurrent
    account.run(0.2)

    assert len(account.notices) == 10
    assert goes_on
    assert not account.jobs.describe(JOB).is_concurrent


# --- abort criteria ---------------------------------------------------------------------------


def aborting(
    failure_type: FailureType = FailureType.ALL, percentage: float = 20.0, minimum: int = 10
) -> tuple[AbortCriterion, ...]:
    """Return a criterion."""
    return (AbortCriterion(failure_type, percentage, minimum),)


def ended_by_criteria(account: Account) -> bool:
    """Return whether AWS has stopped the job by itself."""
    return account.jobs.describe(JOB).reason_code == FENCE_REASON_CODE


@pytest.mark.parametrize(
    ("behaviours", "failures", "successes", "is_ended"),
    [
        (Behaviours(), 2, 7, False),
        (Behaviours(), 2, 8, True),
        (Behaviours(), 2, 9, False),
        (Behaviours(abort_compare=Comparison.MORE_THAN), 2, 8, False),
        (Behaviours(abort_compare=Comparison.MORE_THAN), 3, 8, True),
        (Behaviours(abort_minimum_counts=Minimum.NOTIFIED), 1, 0, True),
        (Behaviours(abort_minimum_counts=Minimum.NOTIFIED), 0, 9, False),
    ],
)
def test_the_threshold_and_the_minimum(
    behaviours: Behaviours,
    failures: int,
    successes: int,
    is_ended: bool,  # noqa: FBT001 - drawn up in a table
) -> None:
    """A criterion of 20 % of 10 is met at 2 of 10 and not before, however the words are read."""
    account = Account(behaviours, rollout=RolloutRate(20), abort=aborting())
    account.run_to_batch(1)
    account.report(range(successes), SUCCEEDED)
    account.report(range(successes, successes + failures), FAILED)

    assert ended_by_criteria(account) is is_ended


@pytest.mark.parametrize(
    ("denominator", "is_ended"),
    [(Denominator.REPORTED, True), (Denominator.REPORTED_AND_CANCELED, False)],
)
def test_the_denominator(
    denominator: Denominator,
    is_ended: bool,  # noqa: FBT001 - drawn up in a table
) -> None:
    """Executions that people canceled thin failures out, if they count as executed."""
    account = Account(
        Behaviours(abort_denominator=denominator), rollout=RolloutRate(20), abort=aborting()
    )
    account.run_to_batch(1)
    for notice in account.notices[15:]:
        account.jobs.report(JOB, notice.thing_name, ExecutionStatus.CANCELED)
    account.report(range(8), SUCCEEDED)
    account.report(range(8, 10), FAILED)

    assert ended_by_criteria(account) is is_ended


@pytest.mark.parametrize("failure_type", FailureType)
@pytest.mark.parametrize("status", [FAILED, REJECTED, TIMED_OUT])
def test_the_failure_type(failure_type: FailureType, status: ExecutionStatus) -> None:
    """A criterion counts its own kind of failure; ALL counts any."""
    account = Account(rollout=RolloutRate(20), abort=aborting(failure_type))
    account.run_to_batch(1)
    account.report(range(5), SUCCEEDED)
    account.report(range(5, 10), status)

    assert ended_by_criteria(account) is (failure_type in (FailureType.ALL, status.value))


def test_an_abort_takes_its_time() -> None:
    """Until it does, the rollout goes on; it ends once, and tells so once."""
    account = Account(Behaviours(abort_lag_minutes=2), rollout=RolloutRate(5), abort=aborting())
    account.run_to_batch(2)
    account.report(range(10), FAILED)
    account.run(1.9)
    reached, status = len(account.notices), account.status
    account.run(3)

    assert (reached, status) == (15, JobStatus.IN_PROGRESS)
    assert len(account.notices) == 15
    assert ended_by_criteria(account)
    assert account.told("JOB") == ["canceled"]


def test_a_completed_job_is_not_aborted_late() -> None:
    """Whatever ends first, ends it."""
    account = Account(
        Behaviours(abort_lag_minutes=2), things=10, rollout=RolloutRate(10), abort=aborting()
    )
    account.run_to_batch(1)
    account.report(range(10), FAILED)
    account.jobs.end_by_hand(JOB)
    account.run(5)

    assert account.jobs.describe(JOB).reason_code == "USER_INITIATED"
    assert account.told("JOB") == ["canceled"]


# --- ends -------------------------------------------------------------------------------------


def test_a_job_completes_with_its_last_outcome() -> None:
    """However its executions end; a device that never answers keeps it going."""
    account = Account(things=3, rollout=RolloutRate(10))
    account.run_to_batch(1)
    account.report([0], SUCCEEDED)
    account.report([1], REJECTED)
    account.run(600)
    waits = account.status
    account.report([2], FAILED)

    assert (waits, account.status) == (JobStatus.IN_PROGRESS, JobStatus.COMPLETED)
    assert account.told("JOB") == ["completed"]
    assert account.told("JOB_EXECUTION") == ["succeeded", "rejected", "failed"]


def test_a_job_without_things_completes() -> None:
    """An empty group leaves nothing to wait for."""
    account = Account(things=0, rollout=RolloutRate(10))
    account.run_to_batch(1)

    assert account.status is JobStatus.COMPLETED


@pytest.mark.parametrize("lag_minutes", [0, 3])
def test_a_cancelation_spares_what_has_started(lag_minutes: int) -> None:
    """
    QUEUED executions end; those IN_PROGRESS go on to their own end, or time out.

    While a cancelation is on its way, another one changes nothing.
    """
    account = Account(
        Behaviours(cancel_lag_minutes=lag_minutes),
        things=4,
        rollout=RolloutRate(3),
        timeout_minutes=30,
    )
    account.run_to_batch(1)
    account.report([0, 1], IN_PROGRESS)
    for _ in range(1 + bool(lag_minutes)):
        account.jobs.cancel(JOB, reason_code="ENOUGH", comment="enough")
    status = account.status
    account.run(lag_minutes + 0.1)
    counts, reached = account.counts, len(account.notices)
    account.report([0], FAILED)
    account.report([2], IN_PROGRESS)
    account.run(40)

    assert status is (JobStatus.IN_PROGRESS if lag_minutes else JobStatus.CANCELED)
    assert reached == (4 if lag_minutes else 3)
    assert counts == JobCounts(in_progress=2, canceled=reached - 2)
    assert account.counts == JobCounts(failed=1, timed_out=1, canceled=reached - 2)
    assert account.status is JobStatus.CANCELED
    assert account.told("JOB") == ["canceled"]


def test_a_thing_of_a_job_that_was_replaced_is_not_heard() -> None:
    """Ids can be used again; a report is of the job that the thing was told of."""
    account = Account(rollout=RolloutRate(5))
    account.run_to_batch(1)
    account.jobs.delete_by_hand(JOB)
    gone = account.jobs.device_reports(account.notices[0], SUCCEEDED)
    account.jobs.add(JOB, targets=[GROUP_ARN], settings=JobSettings(rollout=RolloutRate(5)))
    account.run(1)
    replaced = account.jobs.device_reports(account.notices[0], SUCCEEDED)

    assert not gone
    assert not replaced
    assert account.counts == JobCounts(queued=5)


# --- starts and joiners -------------------------------------------------------------------------


def test_a_scheduled_job_starts_at_its_time() -> None:
    """Its first batch comes after the start, of who is in its group by then."""
    account = Account(things=1)
    account.jobs.add(
        JOB, targets=[GROUP_ARN], status=JobStatus.SCHEDULED, starts_at=account.clock.now() + 1800
    )

    account.run(29.9)
    account.jobs.groups["all"].add("late")
    waits = account.status
    account.run(1)

    assert waits is JobStatus.SCHEDULED
    assert account.status is JobStatus.IN_PROGRESS
    assert [notice.thing_name for notice in account.notices] == ["late", "thing-000"]


@pytest.mark.parametrize("end", [IotJobs.delete_by_hand, IotJobs.end_by_hand])
def test_a_scheduled_job_that_is_over_does_not_start(end: Callable[[IotJobs, str], None]) -> None:
    """Its time comes for nothing, for another job of that id too."""
    account = Account()
    account.jobs.add(
        JOB, targets=[GROUP_ARN], status=JobStatus.SCHEDULED, starts_at=account.clock.now() + 60
    )
    end(account.jobs, JOB)
    if end is IotJobs.delete_by_hand:
        account.jobs.add(JOB, targets=[GROUP_ARN], status=JobStatus.SCHEDULED)

    account.run(2)

    assert account.status is not JobStatus.IN_PROGRESS
    assert account.notices == []


def test_targets_are_things_and_groups() -> None:
    """A thing that two targets hold is told once."""
    account = Account()
    arn = "arn:aws:iot:eu-central-1:111122223333:thing/"
    targets = [GROUP_ARN, arn + "thing-003", arn + "other:one"]
    account.jobs.add(JOB, targets=targets)

    account.run_to_batch(1)

    told = [notice.thing_name for notice in account.notices]
    assert len(told) == len(set(told)) == 21
    assert "other:one" in told


def continuous(**settings: Any) -> Account:  # noqa: ANN401 - JobSettings' own
    """Return an account whose job goes on with whoever joins its group."""
    account = Account(things=4)
    account.jobs.add(JOB, targets=[GROUP_ARN], settings=JobSettings(**settings), is_continuous=True)
    return account


def test_who_joins_a_continuous_job_is_told_at_once() -> None:
    """AWS's rate does not hold back those that come later; those that wait, wait on."""
    account = continuous(rollout=RolloutRate(1))
    account.run_to_batch(2)

    account.jobs.add_to_group("all", ["thing-003", "x", "y", "thing-000"])
    told = [(notice.thing_name, notice.place) for notice in account.notices]
    account.run_to_batch(4)

    assert told == [("thing-000", 0), ("thing-001", 1), ("x", 2), ("y", 3)]
    assert [notice.thing_name for notice in account.notices[4:]] == ["thing-002", "thing-003"]
    assert account.counts == JobCounts(queued=6)
    assert account.status is JobStatus.IN_PROGRESS


def test_who_joins_again_is_told_again() -> None:
    """A thing that was done with the job gets it anew, under the next number; not one at it."""
    account = continuous()
    account.run_to_batch(1)
    account.report([0], SUCCEEDED)
    account.jobs.groups["all"] -= {"thing-000", "thing-001"}

    account.jobs.add_to_group("all", ["thing-000", "thing-001"])

    (again,) = account.notices[4:]
    assert (again.thing_name, again.execution_number, again.retry_attempt) == ("thing-000", 2, 0)
    assert account.jobs.device_reports(again, FAILED)
    assert account.counts == JobCounts(queued=3, succeeded=1, failed=1)


def test_who_joined_before_an_error_is_told() -> None:
    """Adding stops at a thing that does not exist; those before it are in the group, and told."""
    account = continuous()
    account.run_to_batch(1)
    account.jobs.unregistered.add("gone")

    with pytest.raises(NotFound):
        account.jobs.add_to_group("all", ["x", "gone", "y"])

    assert [notice.thing_name for notice in account.notices[4:]] == ["x"]


@pytest.mark.parametrize(
    ("name", "is_continuous"), [("all", False), ("other", True)], ids=["snapshot", "other group"]
)
def test_nobody_else_joins(name: str, *, is_continuous: bool) -> None:
    """A job that is not CONTINUOUS has the things of its start; other groups have none of it."""
    account = Account(things=1)
    account.jobs.add(JOB, targets=[GROUP_ARN], is_continuous=is_continuous)
    account.jobs.groups["other"] = set()
    account.run_to_batch(1)

    account.jobs.add_to_group(name, ["x"])

    assert [notice.thing_name for notice in account.notices] == ["thing-000"]


def test_nobody_joins_a_job_that_is_over() -> None:
    """What was canceled reaches no more things."""
    account = continuous()
    account.run_to_batch(1)
    account.jobs.end_by_hand(JOB)

    account.jobs.add_to_group("all", ["x"])

    assert len(account.notices) == 4


# --- timers and retries -------------------------------------------------------------------------


@pytest.mark.parametrize("lag_minutes", [0, 1])
def test_an_execution_times_out_by_the_timer_it_started_with(lag_minutes: int) -> None:
    """A changed timeout reaches later starts only; what is QUEUED has no timer."""
    account = Account(
        Behaviours(timeout_lag_minutes=lag_minutes), rollout=RolloutRate(20), timeout_minutes=10
    )
    account.run_to_batch(1)
    account.report([0], IN_PROGRESS)
    account.jobs.update(JOB, JobSettings(timeout_minutes=5))
    account.report([1], IN_PROGRESS)
    seen = []
    for minutes in (4.9, 0.2, 1.0, 3.8, 0.2, 1.0):
        account.run(minutes)
        seen.append(account.counts.timed_out)

    assert seen == ([0, 1, 1, 1, 2, 2] if not lag_minutes else [0, 0, 1, 1, 1, 2])
    assert account.counts.queued == 18


def test_a_device_that_goes_on_reporting_has_one_timer() -> None:
    """Progress does not put the timeout off, and an outcome ends it."""
    account = Account(rollout=RolloutRate(20), timeout_minutes=10)
    account.run_to_batch(1)
    for _ in range(4):
        account.report([0, 1], IN_PROGRESS)
        account.run(2)
    account.report([1], SUCCEEDED)
    account.run(2.1)

    assert account.counts == JobCounts(queued=18, succeeded=1, timed_out=1)


RETRIES = (RetryCriterion(FailureType.ALL, 2),)


@pytest.mark.parametrize("numbering", RetryNumbering)
def test_a_failed_execution_is_run_again(numbering: RetryNumbering) -> None:
    """As often as the job allows; AWS counts each attempt, a rollout each thing."""
    account = Account(
        Behaviours(retry_numbering=numbering), things=1, rollout=RolloutRate(1), retries=RETRIES
    )
    account.run_to_batch(1)
    for attempt in range(3):
        account.report([attempt], IN_PROGRESS)
        account.report([attempt], FAILED)
    late = account.jobs.device_reports(account.notices[0], SUCCEEDED)

    renumbered = numbering is RetryNumbering.NEXT
    assert [each.retry_attempt for each in account.notices] == [0, 1, 2]
    assert [each.execution_number for each in account.notices] == (
        [1, 2, 3] if renumbered else [1, 1, 1]
    )
    assert [each.place for each in account.notices] == [0, 0, 0]
    assert account.told("JOB_EXECUTION") == ["failed"] * 3
    assert account.counts == JobCounts(failed=3)
    assert account.jobs.counted_once(JOB) == JobCounts(failed=1)
    assert account.status is JobStatus.COMPLETED
    assert not late


@pytest.mark.parametrize("numbering", RetryNumbering)
def test_a_retry_begins_afresh(numbering: RetryNumbering) -> None:
    """It has a start and a timer of its own; the timer of the attempt before is void."""
    account = Account(
        Behaviours(retry_numbering=numbering),
        things=1,
        rollout=RolloutRate(1),
        retries=RETRIES,
        timeout_minutes=10,
    )
    account.run_to_batch(1)
    account.report([0], IN_PROGRESS)
    account.run(9)
    account.report([0], FAILED)
    started_at = account.clock.now()
    account.report([1], IN_PROGRESS)
    account.run(5)
    newest = max(next(account.jobs.executions(JOB)), key=lambda row: row.retry_attempt)
    account.run(5.1)

    assert (newest.status, newest.started_at) == (IN_PROGRESS, started_at)
    assert account.counts == JobCounts(failed=1, timed_out=1, queued=1)


@pytest.mark.parametrize("status", [SUCCEEDED, REJECTED])
def test_what_is_no_failure_is_not_run_again(status: ExecutionStatus) -> None:
    """AWS retries FAILED and TIMED_OUT."""
    account = Account(things=1, rollout=RolloutRate(1), retries=RETRIES)
    account.run_to_batch(1)
    account.report([0], status)

    assert len(account.notices) == 1


def test_a_job_that_is_over_retries_nothing() -> None:
    """An attempt that fails after the end is the last one."""
    account = Account(things=1, rollout=RolloutRate(1), retries=RETRIES)
    account.run_to_batch(1)
    account.report([0], IN_PROGRESS)
    account.jobs.end_by_hand(JOB)
    account.report([0], FAILED)

    assert len(account.notices) == 1
    assert account.counts == JobCounts(failed=1)


@pytest.mark.parametrize("numbering", RetryNumbering)
@pytest.mark.parametrize("attempts", [True, False])
def test_an_abort_counts_attempts_or_things(
    numbering: RetryNumbering,
    attempts: bool,  # noqa: FBT001 - drawn up in a table
) -> None:
    """Two things that fail five times are ten failures, or two, however AWS numbers them."""
    account = Account(
        Behaviours(retry_numbering=numbering, abort_counts_attempts=attempts),
        rollout=RolloutRate(20),
        retries=(RetryCriterion(FailureType.FAILED, 4),),
        abort=aborting(percentage=100.0),
    )
    account.run_to_batch(1)
    for notice in [*account.notices[:2]] * 5:
        latest = [each for each in account.notices if each.thing_name == notice.thing_name][-1]
        account.jobs.device_reports(latest, FAILED)

    assert ended_by_criteria(account) is attempts


# --- lists and events ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", ListOrder)
def test_a_list_comes_in_its_order(order: ListOrder) -> None:
    """Newest-updated first, or in one that says nothing of time; the rows are the same."""
    account = Account(Behaviours(list_order=order), things=3, rollout=RolloutRate(1))
    account.run_to_batch(3)
    account.report([1], SUCCEEDED)
    account.run_to_batch(4)

    (rows,) = account.jobs.executions(JOB)

    newest_first = ["thing-002", "thing-001", "thing-000"]
    expected = newest_first if order is ListOrder.NEWEST_FIRST else sorted(newest_first)
    assert [row.thing_name for row in rows] == expected


def test_events_can_be_switched_off() -> None:
    """An account publishes what it is told to; each event has an id of its own."""
    account = Account(things=2, rollout=RolloutRate(2))
    account.run_to_batch(1)
    account.jobs.events["JOB_EXECUTION"] = False
    account.report([0], SUCCEEDED)
    account.jobs.events["JOB_EXECUTION"] = True
    account.report([1], SUCCEEDED)

    assert account.told("JOB_EXECUTION") == ["succeeded"]
    assert len({each["eventId"] for each in account.events}) == len(account.events) == 2
    assert {ExecutionStatus(each["status"]) for each in account.events[:1]} <= TERMINAL


def test_whoever_speaks_for_a_device_is_heard_like_it() -> None:
    """An update by another ends, retries and completes as a report of the device's own does."""
    account = Account(things=2, retries=(RetryCriterion(FailureType.FAILED, 1),))
    executions = MemoryExecutions(account.jobs, account.clock)
    account.run_to_batch(1)
    first, second = account.notices
    executions.update(ExecutionUpdate(JOB, second.thing_name, FAILED, {"reason": "stuck"}))
    again = account.notices[-1]
    told = executions.describe(second.thing_name, JOB)

    for name in (first.thing_name, second.thing_name):
        executions.update(ExecutionUpdate(JOB, name, SUCCEEDED))

    assert again == replace(second, retry_attempt=1)
    assert (told.status, told.version_number) == (ExecutionStatus.QUEUED, 1)
    assert account.jobs.describe(JOB).status is JobStatus.COMPLETED
    details = [event["statusDetails"] for event in account.events if "thingArn" in event]
    assert details == [{"reason": "stuck"}, {}, {}]


def test_whoever_begins_for_a_device_starts_its_timer() -> None:
    """A device that somebody reports IN_PROGRESS times out like one that says so itself."""
    account = Account(things=1, timeout_minutes=5)
    executions = MemoryExecutions(account.jobs, account.clock)
    account.run_to_batch(1)
    executions.update(ExecutionUpdate(JOB, account.notices[0].thing_name, IN_PROGRESS))

    account.run(5.5)

    assert account.jobs.describe(JOB).counts == JobCounts(timed_out=1)


def test_a_device_may_say_why() -> None:
    """What it reports beside its status is in the event of its outcome."""
    account = Account(things=1)
    account.run_to_batch(1)

    account.jobs.device_reports(account.notices[0], FAILED, {"reason": "power"})

    assert account.events[0]["statusDetails"] == {"reason": "power"}
