"""Laws of the evidence, whatever the devices do."""

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import buckets, rates, risks
from tidegate.domain.evidence import (
    Bucket,
    harm_to_reject,
    log_e_above,
    log_e_below,
    log_e_restarting,
    log_e_totals,
    log_restart_weight,
    log_sum_exp,
    lower_bound,
    pessimistic_upper_bound,
    upper_bound,
)

#: What rounding may add to evidence of a few hundred devices.
ROUNDING = 1e-9

rows_of_buckets = st.lists(buckets(), max_size=12)


def restarting_by_its_definition(row: Sequence[Bucket], rate: float) -> float:
    """Return the largest mixture over all restarts and the cash left, prefix by prefix."""
    best = 0.0
    for end in range(1, len(row) + 1):
        terms = [
            log_restart_weight(start)
            + log_e_above(
                sum(bucket.harmed for bucket in row[start:end]),
                sum(bucket.started for bucket in row[start:end]),
                rate,
            )
            for start in range(end)
        ]
        cash = 1 - math.fsum(math.exp(log_restart_weight(start)) for start in range(end))
        best = max(best, log_sum_exp([*terms, math.log(cash) if cash > 0 else -math.inf]))
    return best


def log_factorial_ratio(harmed: int, started: int) -> float:
    """Return the log of how many ways there are to choose the harmed among the started."""
    return math.lgamma(started + 1) - math.lgamma(harmed + 1) - math.lgamma(started - harmed + 1)


@given(rows_of_buckets, rates)
def test_restarting_evidence_is_what_it_is_defined_as(row: list[Bucket], rate: float) -> None:
    """The running sums are those of every restart, computed one by one."""
    expected = restarting_by_its_definition(row, rate)

    assert math.isclose(log_e_restarting(row, rate), expected, rel_tol=1e-9, abs_tol=1e-9)


@given(rows_of_buckets, rates)
def test_totals_never_exceed_the_evidence_of_any_placement(row: list[Bucket], rate: float) -> None:
    """Whichever buckets the devices started in, the totals alone are weaker or equal evidence."""
    harmed, started = (sum(b.harmed for b in row), sum(b.started for b in row))

    assert log_e_totals(harmed, started, rate) <= log_e_restarting(row, rate) + ROUNDING


@given(rows_of_buckets, rates, st.data())
def test_one_more_harmed_is_never_weaker_evidence(
    row: list[Bucket], rate: float, data: st.DataObject
) -> None:
    """Whatever a device in flight turns out to be, a failure does not speak for the release."""
    open_ones = [index for index, bucket in enumerate(row) if bucket.in_flight]
    if not open_ones:
        return
    index = data.draw(st.sampled_from(open_ones))
    bucket = row[index]
    worse = [*row]
    worse[index] = Bucket(bucket.started, bucket.harmed + 1, bucket.cleared)

    assert log_e_restarting(worse, rate) >= log_e_restarting(row, rate) - ROUNDING
    assert pessimistic_upper_bound(worse, 0.05) == pessimistic_upper_bound(row, 0.05)


@given(rows_of_buckets, rates)
def test_what_is_proven_stays_proven(row: list[Bucket], rate: float) -> None:
    """Evidence and bound are the best over all prefixes: later starts take nothing back."""
    before = row[:-1]

    assert log_e_restarting(row, rate) >= log_e_restarting(before, rate) - ROUNDING
    assert pessimistic_upper_bound(row, 0.05) <= pessimistic_upper_bound(before, 0.05) + ROUNDING


@given(rows_of_buckets, risks, st.just(1.0) | st.floats(0.001, 1))
def test_the_pessimistic_bound_is_the_best_of_all_prefixes(
    row: list[Bucket], alpha: float, previous: float
) -> None:
    """The shortcuts change nothing: it is the smallest bound of any prefix, or the earlier one."""
    prefixes = [row[: end + 1] for end in range(len(row))]
    each = [
        upper_bound(sum(b.started - b.cleared for b in p), sum(b.started for b in p), alpha)
        for p in prefixes
    ]
    found = pessimistic_upper_bound(row, alpha, previous)

    assert math.isclose(found, min([previous, *each]), rel_tol=0, abs_tol=1e-9)
    assert found <= previous


@given(st.integers(1, 3000), st.data(), risks)
def test_bounds_enclose_what_was_observed(started: int, data: st.DataObject, alpha: float) -> None:
    """The observed rate lies between the bounds, and smaller risks lie further out."""
    harmed = data.draw(st.integers(0, started))
    low, high = lower_bound(harmed, started, alpha), upper_bound(harmed, started, alpha)

    assert 0 <= low <= harmed / started <= high <= 1
    assert lower_bound(harmed, started, alpha / 2) <= low + ROUNDING
    assert upper_bound(harmed, started, alpha / 2) >= high - ROUNDING


@given(st.integers(0, 400), st.data(), rates)
def test_evidence_falls_with_the_rate_that_it_is_held_against(
    started: int, data: st.DataObject, rate: float
) -> None:
    """Bounds are found by bisection, which needs this."""
    harmed = data.draw(st.integers(0, started))
    higher = rate + (1 - rate) / 2

    assert log_e_above(harmed, started, higher) <= log_e_above(harmed, started, rate) + ROUNDING
    assert log_e_below(harmed, started, higher) >= log_e_below(harmed, started, rate) - ROUNDING


@given(st.integers(1, 200), rates)
def test_a_tolerable_release_gains_nothing_by_looking(started: int, rate: float) -> None:
    """At the tolerated rate the expected evidence is 1, in both directions, at any time."""
    for log_e in (log_e_above, log_e_below):
        expected = math.fsum(
            math.exp(
                log_factorial_ratio(harmed, started)
                + harmed * math.log(rate)
                + (started - harmed) * math.log1p(-rate)
                + log_e(harmed, started, rate)
            )
            for harmed in range(started + 1)
        )
        assert math.isclose(expected, 1, rel_tol=1e-6)


@given(st.integers(0, 2000), rates, risks)
def test_harm_to_reject_is_the_smallest_number_that_does(
    started: int, rate: float, alpha: float
) -> None:
    """It rejects, one less does not; and where none does, it is one more than there are."""
    limit = -math.log(alpha)
    fewest = harm_to_reject(started, rate, alpha)

    assert 1 <= fewest <= started + 1
    assert log_e_above(fewest - 1, started, rate) < limit
    if fewest <= started:
        assert log_e_above(fewest, started, rate) >= limit


@given(st.integers(0, 2000), st.integers(1, 200), rates, risks)
def test_harm_to_reject_never_falls_with_more_devices(
    started: int, more: int, rate: float, alpha: float
) -> None:
    """What a few may show by chance, more may show by chance as well."""
    assert harm_to_reject(started + more, rate, alpha) >= min(
        harm_to_reject(started, rate, alpha), started + 1
    )
