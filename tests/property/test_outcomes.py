"""Laws of counting: no order, repetition or batching of reports changes what is counted."""

from collections import Counter
from functools import reduce
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import sightings, sightings_of_a_thing
from tidegate.domain.outcomes import (
    CounterKey,
    Sighting,
    ThingRecord,
    bucket_of,
    deltas,
    fold,
    transitions,
)

CREATED_AT = 1_700_000_000


def folded(reports: list[Sighting]) -> ThingRecord | None:
    """Return what the ledger keeps of a thing after these reports."""
    return reduce(fold, reports, None)


def as_sighting(record: ThingRecord) -> Sighting:
    """Return a report that says what a record says."""
    return Sighting(
        thing_name="pump-1",
        status=record.status,
        at=record.at,
        execution_number=record.execution_number,
        bucket=record.bucket,
        reason=record.reason,
    )


@given(sightings_of_a_thing, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(reports: list[Sighting], chance: Random) -> None:
    """However often and in whatever order reports come, the same one has the last word."""
    again = [*reports, *chance.choices(reports, k=3)]
    chance.shuffle(again)

    assert folded(again) == folded(reports)


@given(sightings_of_a_thing, sightings_of_a_thing)
def test_reports_may_be_folded_in_parts(first: list[Sighting], rest: list[Sighting]) -> None:
    """What one batch came to can be folded with what another came to."""
    one, other = folded(first), folded(rest)
    assert one
    assert other

    assert fold(one, as_sighting(other)) == fold(other, as_sighting(one)) == folded(first + rest)


@given(sightings_of_a_thing)
def test_folding_a_record_into_itself_changes_nothing(reports: list[Sighting]) -> None:
    """A report that is known already is no news."""
    record = folded(reports)
    assert record

    assert fold(record, as_sighting(record)) == record


@given(st.lists(sightings, max_size=5))
def test_counters_hold_each_thing_once_where_it_was_last_seen(
    batches: list[list[Sighting]],
) -> None:
    """Counters moved batch by batch equal counting every thing's latest record afresh."""
    records: dict[str, ThingRecord] = {}
    counters: Counter[CounterKey] = Counter()
    for batch in batches:
        changes = transitions(records, batch)
        counters.update(deltas(changes).counts)
        records.update({change.thing_name: change.after for change in changes})

    reports = [report for batch in batches for report in batch]
    names = {report.thing_name for report in reports}
    latest = {
        name: folded([report for report in reports if report.thing_name == name]) for name in names
    }
    afresh = Counter((each.bucket, each.status) for each in latest.values() if each)
    assert records == latest
    assert {key: number for key, number in counters.items() if number} == afresh
    assert sum(counters.values()) == len(names)


@given(st.floats(0, 3e7), st.floats(0, 3e7), st.sampled_from([0.5, 60.0]))
def test_buckets_keep_the_order_of_starts(one: float, other: float, minute_seconds: float) -> None:
    """A device that started later is never counted before one that started earlier."""
    earlier, later = sorted([one, other])

    assert bucket_of(CREATED_AT + earlier, CREATED_AT, minute_seconds) <= bucket_of(
        CREATED_AT + later, CREATED_AT, minute_seconds
    )


@given(st.integers(0, 20_000))
def test_no_bucket_is_skipped(minute: int) -> None:
    """From one minute to the next the bucket stays or is the next one."""
    here, next_one = (
        bucket_of(CREATED_AT + 60 * each, CREATED_AT, 60) for each in (minute, minute + 1)
    )

    assert next_one - here in (0, 1)
