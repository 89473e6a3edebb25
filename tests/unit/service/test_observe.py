"""Observing: how much of the list is read, and how far what it says can be relied upon."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from tests.unit.service.stage import JOB, MINUTE_SECONDS, Stage, outcome
from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary, JobCounts
from tidegate.domain.outcomes import UNPLACED
from tidegate.domain.settings import FailureType, JobSettings, RetryCriterion, RolloutRate
from tidegate.domain.situation import Readiness
from tidegate.errors import Contention, NotFound, RetryLater
from tidegate.service.observe import FIRST_PAGES_MAX, PAGES_MAX, Observation, observe

IN_PROGRESS = ExecutionStatus.IN_PROGRESS
SUCCEEDED = ExecutionStatus.SUCCEEDED
FAILED = ExecutionStatus.FAILED


class ListingStage(Stage):
    """A job whose pages are counted, and can be shuffled."""

    def __init__(self, settings: JobSettings | None = None) -> None:
        """Enroll a job whose pages hold four rows."""
        super().__init__(settings=settings)
        self.jobs.page_size = 4
        self.pages_read = 0
        self.is_ordered = True

    def pages(self, job_id: str) -> Iterator[Sequence[ExecutionSummary]]:
        """Yield the list's pages; out of order, each page has its newest row last."""
        for page in self.jobs.executions(job_id):
            self.pages_read += 1
            yield page if self.is_ordered else [*page[1:], *page[:1]]

    def observe(self) -> Observation:
        """Observe the job."""
        self.pages_read = 0
        stage = self

        class Listing:
            executions = staticmethod(stage.pages)

        return observe(
            self.rollout,
            self.job,
            jobs=Listing,  # type: ignore[arg-type]  # it reads nothing but the list
            ledger=self.ledger,
            minute_seconds=MINUTE_SECONDS,
        )


@pytest.fixture
def stage() -> ListingStage:
    """Return an enrolled job."""
    return ListingStage()


def test_outcomes_get_their_start_from_the_list(stage: ListingStage) -> None:
    """An event tells that a device failed; the list tells when it had started."""
    stage.clock.advance(150)
    stage.report(IN_PROGRESS, 1)
    stage.clock.advance(200)
    stage.report(FAILED, 1)
    stage.record(outcome(1, FAILED, after=350))
    assert stage.ledger.counted(stage.key).counts.by_bucket == {(UNPLACED, FAILED): 1}
    observed = stage.observe()

    assert stage.ledger.counted(stage.key).counts.by_bucket == {(2, FAILED): 1}
    assert observed == Observation(Readiness.COMPLETE)


def test_how_long_devices_took_is_read_once(stage: ListingStage) -> None:
    """To the second of start and outcome, however long ago the review before was."""
    stage.report(IN_PROGRESS, 1, 2, 3)
    stage.observe()
    stage.clock.advance(150)
    stage.report(SUCCEEDED, 1)
    stage.observe()
    stage.clock.advance(60)
    stage.report(FAILED, 2)
    stage.clock.advance(300)
    observed = stage.observe()

    taken = {minute: n for minute, n in enumerate(observed.minutes_taken) if n}
    assert taken == {2: 1, 3: 1}
    assert stage.rollout.listing.minutes_taken == observed.minutes_taken


def test_a_reading_from_the_start_counts_durations_anew(stage: ListingStage) -> None:
    """It has all of them again; none of them counts twice."""
    stage.report(IN_PROGRESS, *range(8))
    stage.clock.advance(60)
    stage.report(SUCCEEDED, *range(8))
    stage.observe()
    stage.clock.set(stage.clock.now() - 30)
    stage.report(SUCCEEDED, 99)
    for _ in range(3):
        stage.clock.advance(48)
        observed = stage.observe()

    assert sum(observed.minutes_taken) == stage.has(SUCCEEDED) == 9


def test_devices_that_have_not_started_are_left_out(stage: ListingStage) -> None:
    """QUEUED says nothing about the release."""
    stage.report(ExecutionStatus.QUEUED, 1, 2)
    stage.observe()

    assert stage.ledger.counted(stage.key).counts.by_bucket == {}


def test_reading_stops_where_the_last_one_began(stage: ListingStage) -> None:
    """Newest first, only what changed since is read, be the job ever so large."""
    stage.report(SUCCEEDED, *range(39))
    stage.clock.advance(10)
    stage.report(SUCCEEDED, 99)
    stage.observe()
    assert stage.pages_read == 10
    stage.clock.advance(60)
    stage.report(SUCCEEDED, 100, 101)
    stage.observe()

    assert stage.pages_read == 1
    assert stage.has(SUCCEEDED) == 42


def test_changes_of_the_second_of_the_last_reading_are_not_missed(stage: ListingStage) -> None:
    """Times are compared with a second's overlap: what follows in the same second is read."""
    stage.report(SUCCEEDED, 1)
    stage.observe()
    stage.report(SUCCEEDED, 2)
    stage.observe()

    assert stage.has(SUCCEEDED) == 2


def test_where_nothing_changes_nothing_is_noted(stage: ListingStage) -> None:
    """Nor is anything counted again: how far the list was read stays as it is."""
    stage.report(SUCCEEDED, 1, 2)
    stage.observe()
    listing = stage.rollout.listing
    stage.ledger.faults.before("note_listing", AssertionError("written"))
    stage.clock.advance(300)
    stage.observe()

    assert stage.rollout.listing == listing
    assert listing.ended == 2


def test_a_list_out_of_order_is_read_on(stage: ListingStage) -> None:
    """Where rows do not come newest first, nothing may be concluded from an old one."""
    stage.report(SUCCEEDED, *range(40))
    stage.observe()
    stage.clock.advance(60)
    stage.report(SUCCEEDED, 100)
    stage.is_ordered = False
    observed = stage.observe()

    assert stage.pages_read == 11
    assert observed.readiness is Readiness.COMPLETE
    assert stage.has(SUCCEEDED) == 41


def test_the_page_budget_bounds_a_review(stage: ListingStage) -> None:
    """A list that is too long to be read in a review is not read in one."""
    stage.report(IN_PROGRESS, 0)
    stage.observe()
    stage.clock.advance(60)
    stage.report(SUCCEEDED, *range(4 * PAGES_MAX + 10))
    observed = stage.observe()

    assert stage.pages_read <= PAGES_MAX + 1
    assert observed.readiness is Readiness.UNPLACED
    assert stage.has(SUCCEEDED) == 4 * PAGES_MAX


def test_past_the_page_budget_events_may_know_all(stage: ListingStage) -> None:
    """Unread, but told by events: totals are whole, starts are not."""
    stage.report(SUCCEEDED, 0)
    stage.observe()
    stage.clock.advance(60)
    number = 4 * PAGES_MAX + 10
    stage.report(SUCCEEDED, *range(number))
    stage.record(*[outcome(each, after=60) for each in range(number)])

    assert stage.observe().readiness is Readiness.UNPLACED


def test_the_first_reading_may_take_longer(stage: ListingStage) -> None:
    """A job enrolled midway has a past that has to be imported."""
    stage.report(SUCCEEDED, *range(4 * FIRST_PAGES_MAX))
    observed = stage.observe()

    assert observed == Observation(Readiness.COMPLETE)
    assert stage.has(SUCCEEDED) == 4 * FIRST_PAGES_MAX


def test_the_first_reading_with_anything_in_it_may_take_longer(stage: ListingStage) -> None:
    """Having found nothing at first is no reason to read less when there is something."""
    stage.observe()
    stage.clock.advance(3600)
    stage.report(SUCCEEDED, *range(4 * FIRST_PAGES_MAX))

    assert stage.observe().readiness is Readiness.COMPLETE


def test_an_unfinished_reading_is_not_begun_again(stage: ListingStage) -> None:
    """What is past the budget is left to AWS's counters for good; what follows is read."""
    stage.report(SUCCEEDED, 0)
    stage.observe()
    stage.clock.advance(60)
    stage.report(SUCCEEDED, *range(4 * PAGES_MAX + 10))
    stage.clock.advance(10)
    stage.report(SUCCEEDED, 500)
    stage.observe()
    assert stage.rollout.listing.partial
    stage.clock.advance(60)
    stage.report(FAILED, 1000)
    observed = stage.observe()

    assert stage.pages_read <= 2
    assert observed.readiness is Readiness.UNPLACED
    assert stage.has(FAILED) == 1


def test_an_outcome_that_aws_counts_and_does_not_list_may_be_late_once(
    stage: ListingStage,
) -> None:
    """DescribeJob may be ahead of the list for a moment; twice in a row, evidence is missing."""
    stage.report(SUCCEEDED, 1, 2)
    stage.jobs.count_as(JOB, JobCounts(succeeded=3))

    assert stage.observe().readiness is Readiness.COMPLETE
    stage.clock.advance(48)
    assert stage.observe().readiness is Readiness.INCOMPLETE
    stage.clock.advance(48)
    stage.report(SUCCEEDED, 3)
    assert stage.observe().readiness is Readiness.COMPLETE


def test_a_row_that_came_into_the_list_late_is_found(stage: ListingStage) -> None:
    """Listed behind what was read already, it is missing twice, and then read from the start."""
    stage.clock.advance(60)
    stage.report(SUCCEEDED, *range(8))
    stage.observe()
    stage.clock.set(stage.clock.now() - 30)
    stage.report(SUCCEEDED, 99)
    readiness = []
    for _ in range(3):
        stage.clock.advance(48)
        readiness.append(stage.observe().readiness)

    assert readiness == [Readiness.COMPLETE, Readiness.INCOMPLETE, Readiness.COMPLETE]
    assert stage.has(SUCCEEDED) == 9


def test_retries_are_more_executions_than_things(stage: ListingStage) -> None:
    """AWS counts each attempt: a surplus is natural where the job retries."""
    retries = (RetryCriterion(FailureType.FAILED, 2),)
    stage = ListingStage(JobSettings(rollout=RolloutRate(5), retries=retries))
    stage.report(SUCCEEDED, 1, 2)
    stage.jobs.count_as(JOB, JobCounts(succeeded=2, failed=3))

    assert stage.observe().readiness is Readiness.COMPLETE
    stage.clock.advance(48)
    assert stage.observe().readiness is Readiness.COMPLETE
    assert stage.rollout.listing.surplus == 3


def test_a_continuous_job_executes_again(stage: ListingStage) -> None:
    """A thing that leaves a group and joins again executes twice; it counts once."""
    stage.jobs.change(JOB, is_continuous=True)
    stage.report(SUCCEEDED, 1)
    stage.jobs.report(JOB, "thing-1", FAILED, execution_number=2)

    assert stage.observe().readiness is Readiness.COMPLETE
    stage.clock.advance(48)
    assert stage.observe().readiness is Readiness.COMPLETE
    assert (stage.has(SUCCEEDED), stage.has(FAILED)) == (0, 1)


def test_an_outcome_without_a_start_makes_the_counts_unplaced(stage: ListingStage) -> None:
    """Known by an event only, a failure cannot be put in order."""
    stage.record(outcome(1, FAILED))

    assert stage.observe().readiness is Readiness.UNPLACED


def test_a_lost_event_is_noticed(stage: ListingStage) -> None:
    """An outcome that is listed a minute after the fact, and that no event told, was lost."""
    stage.report(IN_PROGRESS, 1)
    assert not stage.observe().events_missing
    stage.clock.advance(60)
    stage.report(SUCCEEDED, 1)
    stage.clock.advance(60)

    assert stage.observe().events_missing


def test_an_outcome_that_an_event_told_is_not_missed(stage: ListingStage) -> None:
    """The list says it once more; what came later by neither of them is what matters."""
    stage.report(IN_PROGRESS, 1)
    stage.observe()
    stage.clock.advance(60)
    stage.report(SUCCEEDED, 1)
    stage.record(outcome(1, SUCCEEDED, after=60))
    stage.clock.advance(20)

    assert not stage.observe().events_missing


def test_what_happened_before_enrolment_was_not_lost(stage: ListingStage) -> None:
    """No event of it was to be expected."""
    stage.report(SUCCEEDED, *range(10))
    stage.clock.advance(3600)

    assert not stage.observe().events_missing


def test_a_job_that_went_away_is_reported_as_such(stage: ListingStage) -> None:
    """Between DescribeJob and the list somebody may have deleted it."""
    job, rollout = stage.job, stage.rollout
    stage.jobs.delete(JOB)

    with pytest.raises(NotFound):
        observe(
            rollout,
            job,
            jobs=stage.jobs,
            ledger=stage.ledger,
            minute_seconds=MINUTE_SECONDS,
        )


@pytest.mark.parametrize("error", [RetryLater("throttled"), Contention("beaten")])
def test_a_reading_that_breaks_off_starts_again(stage: ListingStage, error: RetryLater) -> None:
    """Pages folded so far stay; nothing is skipped the next time."""
    stage.report(SUCCEEDED, *range(12))
    stage.between_jobs_calls.following("executions", lambda: None)
    stage.between_jobs_calls.following(
        "executions", lambda: stage.jobs.faults.before("executions", error)
    )
    with pytest.raises(RetryLater):
        stage.observe()
    assert stage.has(SUCCEEDED) == 8
    assert stage.rollout.listing.seen_until == 0.0
    stage.observe()

    assert stage.has(SUCCEEDED) == 12


def test_a_faster_minute_scales_the_buckets() -> None:
    """In an accelerated cloud a minute of AWS takes a second, and buckets are as short."""
    stage = Stage()
    stage.clock.advance(5)
    stage.report(SUCCEEDED, 1)
    observe(
        replace(stage.rollout),
        stage.job,
        jobs=stage.jobs,
        ledger=stage.ledger,
        minute_seconds=1.0,
    )

    assert stage.ledger.counted(stage.key).counts.by_bucket == {(5, SUCCEEDED): 1}


@pytest.mark.parametrize(
    ("seconds", "in_flight", "readiness"),
    [(0, 0, Readiness.UNSTARTED), (1, 0, Readiness.COMPLETE), (0, 1, Readiness.COMPLETE)],
    ids=["only ends", "starts, then ends", "only ends, but for one at work"],
)
def test_devices_that_report_only_their_end_are_noticed(
    stage: ListingStage, seconds: float, in_flight: int, readiness: Readiness
) -> None:
    """Where start and end of nearly all are one moment, nobody knows who is at work."""
    stage.jobs.page_size = 250
    numbers = range(150)
    if seconds:
        stage.report(IN_PROGRESS, *numbers)
        stage.clock.advance(seconds)
    stage.report(SUCCEEDED, *numbers)
    stage.report(IN_PROGRESS, *range(150, 150 + in_flight))

    assert stage.observe().readiness is readiness
