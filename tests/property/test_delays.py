"""Laws of what is learned of delays, whatever the devices do."""

import math

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import buckets, delays, rates
from tidegate.domain.delays import AGES, Delays
from tidegate.domain.evidence import Bucket

minutes = st.floats(0, 200)
timeouts = st.sampled_from([1.0, 7.0, 60.0, 90.0, 91.0, 1440.0])


@given(delays())
def test_shares_are_shares_that_never_rise(known: Delays) -> None:
    """At each age no more devices are in flight than a minute before."""
    shares = known.shares()

    assert len(shares) == AGES
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)


@given(delays(), timeouts)
def test_no_device_is_in_flight_for_longer_than_its_timeout(known: Delays, timeout: float) -> None:
    """On average it is in flight for a minute at least, and longer under a longer timeout."""
    mean = known.mean_minutes(timeout)

    assert 1 <= mean <= timeout or mean == timeout
    assert known.mean_minutes(timeout * 2) >= mean


@given(delays(), st.lists(st.integers(1, 1000), min_size=2, max_size=2), rates, rates)
def test_a_turn_is_noticed_no_later_where_more_devices_start(
    known: Delays, per_minute: list[int], failure_rate: float, tolerated: float
) -> None:
    """More devices say the same sooner."""
    slow, fast = sorted(per_minute)

    assert known.minutes_to_notice(fast, failure_rate, tolerated) <= known.minutes_to_notice(
        slow, failure_rate, tolerated
    )


@given(delays(), st.integers(1, 1000), st.lists(rates, min_size=2, max_size=2), rates)
def test_a_turn_is_noticed_no_later_where_more_fail(
    known: Delays, per_minute: int, failure_rates: list[float], tolerated: float
) -> None:
    """A worse turn shows no later."""
    mild, harsh = sorted(failure_rates)

    assert known.minutes_to_notice(per_minute, harsh, tolerated) <= known.minutes_to_notice(
        per_minute, mild, tolerated
    )


@given(st.lists(buckets(), max_size=12), st.lists(minutes, min_size=1, max_size=6))
def test_looking_more_often_counts_nobody_twice_at_an_age(
    row: list[Bucket], looks: list[float]
) -> None:
    """However often one looks, no age has more devices than there are."""
    known = Delays()
    for minute in sorted(looks):
        known = known.learn(row, minute).learn(row, minute)

    total = sum(bucket.started for bucket in row)
    assert all(0 <= left <= there <= total for left, there in zip(*_table(known), strict=True))
    assert known.until == max(looks)


def _table(known: Delays) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return, by age, how many were not cleared and how many there were."""
    return known.uncleared, known.reached


@given(delays(), st.lists(buckets(), max_size=12), minutes, rates)
def test_a_device_that_is_cleared_speaks_against_a_turn(
    known: Delays, row: list[Bucket], minute: float, tolerated: float
) -> None:
    """Had all devices been cleared that are not, the evidence would be no larger, and finite."""
    done = [Bucket(each.started, 0, each.started) for each in row]
    log_e = known.log_e_overdue(row, minute, tolerated)

    assert math.isfinite(log_e)
    assert known.log_e_overdue(done, minute, tolerated) <= log_e + 1e-9
