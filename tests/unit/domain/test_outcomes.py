"""Sightings of executions become counts: each thing once, in the place where it started."""

from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    CANCELED,
    FAILED,
    IN_PROGRESS,
    QUEUED,
    REJECTED,
    REMOVED,
    SUCCEEDED,
    TIMED_OUT,
)
from tidegate.domain.jobs import TERMINAL, ExecutionStatus, ExecutionSummary
from tidegate.domain.outcomes import (
    LATE,
    LATE_MINUTES,
    UNPLACED,
    Sighting,
    ThingRecord,
    bucket_of,
    deltas,
    fold,
    sighting_of,
    span_of,
    transitions,
)

CREATED_AT = 1_700_000_000
HOUR, DAY = 60, 24 * 60
YEAR = 365 * DAY


def bucket_after(minutes: float, *, minute_seconds: float = 60) -> int:
    """Return the bucket of a device that started so many minutes after the job was created."""
    return bucket_of(CREATED_AT + minutes * minute_seconds, CREATED_AT, minute_seconds)


def sighting(
    status: ExecutionStatus,
    at: int = 100,
    *,
    thing: str = "pump-1",
    number: int = 1,
    bucket: int = UNPLACED,
) -> Sighting:
    """Return a sighting of a thing's execution."""
    return Sighting(thing, status, at, execution_number=number, bucket=bucket)


def after(*sightings: Sighting) -> ThingRecord:
    """Return the record of a thing after these sightings, in this order."""
    record = None
    for each in sightings:
        record = fold(record, each)
    assert record
    return record


def test_a_reason_stays_with_the_outcome_that_it_is_of() -> None:
    """A list tells of an outcome without its reason: it neither hides nor outlives it."""
    told = replace(sighting(FAILED), reason="battery low")
    listed = sighting(FAILED, bucket=4)

    assert after(told, listed) == after(listed, told)
    assert after(told, listed).reason == "battery low"
    assert after(told, sighting(SUCCEEDED, 200)).reason == ""
    assert after(sighting(SUCCEEDED, 200), told).reason == ""


# Start buckets


@pytest.mark.parametrize(
    ("minutes", "bucket"),
    [
        (0, 0),
        (0.99, 0),
        (1, 1),
        (599.99, 599),
        (600, 600),
        (609.99, 600),
        (610, 601),
        (10_079.99, 1547),
        (10_080, 1548),
        (10_139.99, 1548),
        (10_140, 1549),
    ],
)
def test_buckets_widen_with_age(minutes: float, bucket: int) -> None:
    """A minute for ten hours, ten minutes for a week, then an hour; no step leaves a gap."""
    assert bucket_after(minutes) == bucket


def test_a_year_takes_about_ten_thousand_buckets() -> None:
    """A review looks at every bucket, so their number is bounded by the rollout's age."""
    assert bucket_after(YEAR) == 10_140


def test_clocks_that_disagree_do_not_go_below_the_first_bucket() -> None:
    """A start before the job's creation is a start at its creation."""
    assert bucket_after(-5) == 0


def test_a_shorter_minute_makes_shorter_buckets() -> None:
    """Where AWS's minute is made shorter, buckets shrink with it."""
    assert bucket_after(601.5, minute_seconds=0.5) == bucket_after(601.5) == 600


@pytest.mark.parametrize(
    ("bucket", "span"),
    [
        (0, (0, 1)),
        (599, (599, 1)),
        (600, (600, 10)),
        (1547, (10_070, 10)),
        (1548, (10_080, 60)),
        (1549, (10_140, 60)),
    ],
)
def test_a_bucket_tells_its_span(bucket: int, span: tuple[float, float]) -> None:
    """When it begins and how long it lasts, in minutes: what devices' ages are told from."""
    assert span_of(bucket) == span
    assert bucket_after(span[0]) == bucket_after(sum(span) - 0.01) == bucket
    assert bucket_after(sum(span)) == bucket + 1


# Rows of a list


def test_a_row_is_placed_by_its_start() -> None:
    """What counts is when the device took the job up, not when it was notified or ended."""
    row = ExecutionSummary(
        "pump-1",
        FAILED,
        queued_at=CREATED_AT,
        updated_at=CREATED_AT + 900.7,
        started_at=CREATED_AT + 180,
        execution_number=2,
    )

    assert sighting_of(row, CREATED_AT, 60) == Sighting("pump-1", FAILED, CREATED_AT + 900, 2, 3)


@pytest.mark.parametrize(
    ("status", "bucket"),
    [(REJECTED, 2), (SUCCEEDED, 2), (QUEUED, UNPLACED), (CANCELED, UNPLACED), (REMOVED, UNPLACED)],
)
def test_a_row_without_a_start_is_placed_by_its_notification_if_the_device_reported(
    status: ExecutionStatus, bucket: int
) -> None:
    """A device that rejects never starts; one that nobody heard of has no place at all."""
    row = ExecutionSummary(
        "pump-1", status, queued_at=CREATED_AT + 120, updated_at=CREATED_AT + 600
    )

    assert sighting_of(row, CREATED_AT, 60).bucket == bucket


@pytest.mark.parametrize(
    ("minutes", "offset"), [(0, 0), (LATE_MINUTES, 0), (LATE_MINUTES + 0.1, LATE), (5000, LATE)]
)
@pytest.mark.parametrize("minute_seconds", [60.0, 0.5])
def test_a_device_that_was_offline_for_long_has_a_place_of_its_own(
    minutes: float, offset: int, minute_seconds: float
) -> None:
    """It is told apart by how long after its notification it took the job up, not by when."""
    queued_at = CREATED_AT + 10 * minute_seconds
    started_at = queued_at + minutes * minute_seconds
    row = ExecutionSummary(
        "pump-1", IN_PROGRESS, queued_at=queued_at, updated_at=started_at, started_at=started_at
    )

    place = sighting_of(row, CREATED_AT, minute_seconds).bucket
    assert place == offset + bucket_after(10 + minutes)
    assert place < 2 * LATE


def test_a_device_that_rejects_is_never_late() -> None:
    """It starts nothing, so it has no delay from its notification to its start."""
    row = ExecutionSummary("pump-1", REJECTED, queued_at=CREATED_AT, updated_at=CREATED_AT + 9000)

    assert sighting_of(row, CREATED_AT, 60).bucket == 0


def test_a_report_that_tells_no_more_is_of_a_first_execution_somewhere() -> None:
    """Events of a thing that was never tried again need not say so."""
    assert Sighting("pump-1", FAILED, 100) == Sighting("pump-1", FAILED, 100, 1, UNPLACED)


# Which sighting wins


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_any_outcome_is_later_than_the_start_within_the_same_second(
    status: ExecutionStatus,
) -> None:
    """Events carry whole seconds: a device that is quick ends in the second it started in."""
    ended, begun = sighting(status), sighting(IN_PROGRESS)

    assert after(begun, ended).status is status
    assert after(ended, begun).status is status


def test_success_is_the_last_word_within_the_same_second() -> None:
    """A retry stops at the first success, so the failure came before it."""
    assert after(sighting(SUCCEEDED), sighting(FAILED)).status is SUCCEEDED


def test_a_later_report_wins_whatever_it_says() -> None:
    """A thing that failed and then succeeded has succeeded, and the other way round."""
    assert after(sighting(FAILED, 100), sighting(SUCCEEDED, 160)).status is SUCCEEDED
    assert after(sighting(SUCCEEDED, 100), sighting(FAILED, 160)).status is FAILED
    assert after(sighting(FAILED, 160), sighting(SUCCEEDED, 100)).status is FAILED


def test_a_new_execution_starts_afresh() -> None:
    """What an execution that was run again comes to counts, and where that one started."""
    first = sighting(FAILED, 900, number=1, bucket=3)
    second = sighting(IN_PROGRESS, 800, number=2, bucket=9)

    assert after(first, second) == after(second, first)
    assert after(first, second) == ThingRecord(IN_PROGRESS, 800, 2, 9)
    assert after(first, sighting(QUEUED, 800, number=2)).bucket == UNPLACED


def test_a_start_once_known_is_kept() -> None:
    """Events do not tell the start; the list does, before or after."""
    listed, event = sighting(IN_PROGRESS, 100, bucket=4), sighting(FAILED, 400)

    assert after(listed, event) == after(event, listed) == ThingRecord(FAILED, 400, 1, 4)


def test_the_earlier_of_two_starts_counts() -> None:
    """A device that rejects after it was placed by its start stays where it was."""
    assert after(sighting(IN_PROGRESS, bucket=4), sighting(REJECTED, 200, bucket=2)).bucket == 2


# Counting


def test_a_thing_moves_from_one_counter_to_another() -> None:
    """What is added in one place is taken away in the other: a thing counts once."""
    before = after(sighting(IN_PROGRESS, bucket=4))
    changes = transitions({"pump-1": before}, [sighting(FAILED, 200), sighting(SUCCEEDED, 300)])

    assert [each.after.status for each in changes] == [SUCCEEDED]
    assert deltas(changes).counts == {(4, IN_PROGRESS): -1, (4, SUCCEEDED): 1}


def test_what_changes_nothing_moves_no_counter() -> None:
    """An event that comes twice, or too late, costs no write."""
    record = after(sighting(TIMED_OUT, 500, bucket=4))
    late = [sighting(TIMED_OUT, 500), sighting(IN_PROGRESS, 100)]

    assert transitions({"pump-1": record}, late) == ()


def test_a_record_that_changes_in_place_moves_no_counter() -> None:
    """A later second of the same status is kept, and counts as before."""
    record = after(sighting(IN_PROGRESS, 100, bucket=4))
    changes = transitions({"pump-1": record}, [sighting(IN_PROGRESS, 200)])

    assert len(changes) == 1
    assert deltas(changes).counts == {}


def test_things_add_up() -> None:
    """Several things in one batch share the counters."""
    batch = [
        sighting(FAILED, thing="pump-1", bucket=1),
        sighting(FAILED, thing="pump-2", bucket=1),
        sighting(REJECTED, thing="pump-3", bucket=1),
    ]

    assert deltas(transitions({}, batch)).counts == {(1, FAILED): 2, (1, REJECTED): 1}
