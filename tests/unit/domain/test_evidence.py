"""Evidence has the values that its formulas have, at the edges too, and costs little."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tidegate.domain import evidence
from tidegate.domain.evidence import (
    SHIFTS,
    Bucket,
    Restarting,
    e_benjamini_hochberg,
    harm_to_reject,
    log_components,
    log_e_above,
    log_e_below,
    log_e_case_mix,
    log_e_concentration,
    log_e_in_both_orders,
    log_e_restarting,
    log_e_totals,
    log_restart_weight,
    log_sum_exp,
    lower_bound,
    pessimistic_upper_bound,
    tolerated_by_baseline,
    upper_bound,
)

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_text())

#: Buckets of one minute in a week of rollout, by tiers.
WEEK_OF_BUCKETS = 1548


def buckets_of(started_and_harmed: Sequence[tuple[int, int]]) -> list[Bucket]:
    """Return buckets without cleared devices."""
    return [Bucket(started, harmed, 0) for started, harmed in started_and_harmed]


def restarting(started_and_harmed: Sequence[tuple[int, int]], tolerated_rate: float) -> float:
    """Return the restarting evidence of buckets without cleared devices."""
    return log_e_restarting(buckets_of(started_and_harmed), tolerated_rate)


def pessimistic(
    started_and_cleared: Sequence[tuple[int, int]], alpha: float, shifts: Sequence[float] = SHIFTS
) -> float:
    """Return the pessimistic bound of buckets without harmed devices."""
    buckets = [Bucket(started, 0, cleared) for started, cleared in started_and_cleared]
    return pessimistic_upper_bound(buckets, alpha, shifts=shifts)


def two_sample(
    harmed: int, started: int, baseline_harmed: int, baseline_started: int, **limits: float
) -> float:
    """Return the evidence against a release that shall harm no more than the one before."""
    rate = tolerated_by_baseline(baseline_harmed, baseline_started, **limits)
    return log_e_above(harmed, started, rate)


FUNCTIONS: dict[str, Callable[..., float]] = {
    "bounds_with_other_shifts": upper_bound,
    "log_e_above": log_e_above,
    "log_e_below": log_e_below,
    "log_e_below_with_other_shifts": log_e_below,
    "log_e_case_mix": log_e_case_mix,
    "log_e_concentration": log_e_concentration,
    "log_e_restarting": restarting,
    "lower_bound": lower_bound,
    "pessimistic_upper_bound": pessimistic,
    "pessimistic_with_other_shifts": pessimistic,
    "two_sample": two_sample,
    "upper_bound": upper_bound,
}


@pytest.mark.parametrize(
    ("function", "vector"),
    [(name, vector) for name in FUNCTIONS for vector in VECTORS[name]],
)
def test_values_are_those_of_the_formulas(function: str, vector: dict[str, Any]) -> None:
    """Every statistic agrees with what was computed at 60 digits."""
    arguments = {name: value for name, value in vector.items() if name != "value"}

    assert FUNCTIONS[function](**arguments) == pytest.approx(vector["value"], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("vector", VECTORS["restarting"])
def test_restarting_evidence_is_known_now_and_at_its_best(vector: dict[str, Any]) -> None:
    """What stands now may fall, what stops a release may not; both are those of the formulas."""
    evidence = Restarting().then(buckets_of(vector["started_and_harmed"]), vector["tolerated_rate"])

    assert evidence.best == pytest.approx(vector["best"], rel=1e-9)
    assert evidence.current == pytest.approx(vector["current"], rel=1e-9)
    assert evidence.buckets == len(vector["started_and_harmed"])


@pytest.mark.parametrize("vector", VECTORS["e_benjamini_hochberg"])
def test_reported_hypotheses_are_those_of_the_procedure(vector: dict[str, Any]) -> None:
    """The largest number is reported of which the share of false reports is bounded."""
    assert e_benjamini_hochberg(vector["log_es"], vector["rate"]) == vector["value"]


def test_no_devices_are_no_evidence() -> None:
    """Nothing is concluded from nothing, in either direction."""
    assert log_e_above(0, 0, 0.02) == pytest.approx(0, abs=1e-12)
    assert log_e_below(0, 0, 0.02) == pytest.approx(0, abs=1e-12)
    assert log_e_restarting([], 0.02) == 0
    assert log_e_restarting([Bucket(0, 0, 0)] * 3, 0.02) == pytest.approx(0, abs=1e-12)
    assert log_e_totals(0, 0, 0.02) == 0
    assert (lower_bound(0, 0, 0.05), upper_bound(0, 0, 0.05)) == (0, 1)
    assert pessimistic_upper_bound([], 0.05) == 1


def test_what_is_neither_harmed_nor_cleared_is_in_flight() -> None:
    """Every device that started is one of the three."""
    assert Bucket(10, 2, 3).in_flight == 5
    assert Bucket(10, 4, 6).in_flight == 0


def test_a_single_success_tells_a_little() -> None:
    """With little confidence asked for, one device bounds the rate already."""
    assert upper_bound(0, 1, 0.4) < 1
    assert upper_bound(0, 1, 0.001) == 1


def test_all_failing_leaves_no_upper_bound() -> None:
    """Where every device failed, the rate may be 1, however many they are."""
    assert upper_bound(50, 50, 0.05) == 1
    assert lower_bound(50, 50, 0.05) == pytest.approx(0.93, abs=0.02)
    assert pessimistic_upper_bound([Bucket(50, 50, 0)], 0.05) == 1


def test_devices_in_flight_have_the_benefit_of_the_doubt_in_each_question() -> None:
    """A device without an outcome is a success when asked to stop, a failure when asked to go."""
    in_flight, succeeded = Bucket(40, 2, 0), Bucket(40, 2, 38)
    failed = Bucket(40, 40, 0)

    assert log_e_restarting([in_flight], 0.02) == log_e_restarting([succeeded], 0.02)
    assert pessimistic_upper_bound([in_flight], 0.05) == pessimistic_upper_bound([failed], 0.05)


@pytest.mark.parametrize("rate", [1e-12, 1e-6, 0.5, 1 - 1e-6, 1 - 1e-12])
def test_rates_next_to_0_and_1_give_finite_evidence(rate: float) -> None:
    """No rate that a policy may name makes the arithmetic overflow."""
    for harmed, started in ((0, 10), (5, 10), (10, 10), (1_000_000, 1_000_000)):
        assert math.isfinite(log_e_above(harmed, started, rate))
        assert math.isfinite(log_e_below(harmed, started, rate))
        assert math.isfinite(log_e_restarting([Bucket(started, harmed, 0)], rate))


def test_a_million_devices_are_weighed_like_ten() -> None:
    """The bounds enclose the observed rate, the closer the more devices there are."""
    widths = [
        upper_bound(devices // 50, devices, 0.05) - lower_bound(devices // 50, devices, 0.05)
        for devices in (100, 10_000, 1_000_000)
    ]

    assert lower_bound(20_000, 1_000_000, 0.05) < 0.02 < upper_bound(20_000, 1_000_000, 0.05)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.007


def test_a_release_that_turns_bad_late_is_found() -> None:
    """Restarts find within one bucket what the totals dilute among a thousand good devices."""
    buckets = [Bucket(100, 1, 99)] * 10 + [Bucket(20, 10, 10)]

    assert log_e_restarting(buckets, 0.02) > 10
    assert log_e_totals(20, 1020, 0.02) < 1


def test_evidence_found_once_is_kept_whatever_starts_later() -> None:
    """Good devices that start after bad ones do not take back what the bad ones proved."""
    bad = [Bucket(10, 6, 4)]
    found = log_e_restarting(bad, 0.02)

    assert log_e_restarting([*bad, Bucket(10_000, 0, 10_000)], 0.02) == found


def test_restart_weights_are_a_prior() -> None:
    """The weights of all restarts together never exceed the whole."""
    weights = [math.exp(log_restart_weight(index)) for index in range(10_000)]

    assert weights[0] == pytest.approx(0.5)
    assert math.fsum(weights) == pytest.approx(1, abs=1e-4)
    assert math.fsum(weights) < 1


def test_an_earlier_bound_stands_where_new_evidence_is_weaker() -> None:
    """A bound once established is not given up because more devices are in flight now."""
    buckets = [Bucket(200, 0, 190)]
    now = pessimistic_upper_bound(buckets, 0.05)

    assert pessimistic_upper_bound(buckets, 0.05, previous=now / 2) == now / 2
    assert pessimistic_upper_bound(buckets, 0.05, previous=1) == now


def test_a_slow_straggler_does_not_hide_a_clean_start() -> None:
    """The best prefix counts: devices that have only just started do not raise the bound."""
    clean = [Bucket(500, 0, 500)]

    assert pessimistic_upper_bound([*clean, Bucket(1000, 0, 0)], 0.05) == pytest.approx(
        pessimistic_upper_bound(clean, 0.05), abs=1e-9
    )


def test_harm_to_reject_is_more_than_all_where_no_number_would_do() -> None:
    """Too few devices cannot contradict the tolerated rate, whatever happens to them."""
    assert harm_to_reject(0, 0.02, 0.005) == 1
    assert harm_to_reject(2, 0.5, 0.005) == 3


def test_log_sum_exp_of_nothing_is_the_log_of_zero() -> None:
    """No terms, or only impossible ones, sum to zero; large ones do not overflow."""
    assert log_sum_exp([]) == -math.inf
    assert log_sum_exp([-math.inf, -math.inf]) == -math.inf
    assert log_sum_exp([1000.0, 1000.0]) == pytest.approx(1000 + math.log(2))


def test_a_week_of_buckets_costs_few_bisections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further bucket costs a look, not a search: a long rollout is reviewed as fast."""
    searches: list[int] = []

    def searched(harmed: int, started: int, alpha: float, shifts: Sequence[float]) -> float:
        searches.append(started)
        return upper_bound(harmed, started, alpha, shifts)

    monkeypatch.setattr(evidence, "upper_bound", searched)
    buckets = [Bucket(100, 1, 95)] * WEEK_OF_BUCKETS
    bound = pessimistic_upper_bound(buckets, 0.05)

    assert bound == pytest.approx(upper_bound(5 * WEEK_OF_BUCKETS, 100 * WEEK_OF_BUCKETS, 0.05))
    assert len(searches) < 5


def test_evidence_is_the_sum_of_its_components() -> None:
    """Whoever bounds the components bounds the evidence, as tripwires do."""
    components = log_components(7, 90, 0.02)

    assert len(components) == len(SHIFTS)
    assert log_sum_exp(components) == pytest.approx(log_e_above(7, 90, 0.02), rel=1e-12)


def test_evidence_falls_while_devices_fare_well_and_what_was_found_stays() -> None:
    """The evidence of now tells whether to slow down; only the best may stop a release."""
    before = Restarting().then([Bucket(20, 3, 0)], 0.02)
    after = before.then([Bucket(50, 0, 50)] * 4, 0.02)

    assert after.best == before.best > 0
    assert after.current < before.current
    assert all(
        peak >= component for peak, component in zip(after.peaks, after.components, strict=True)
    )
    assert after.peaks == before.peaks


def test_evidence_begins_with_nothing_known() -> None:
    """All weight is cash before the first bucket: a log of 0, not of minus infinity."""
    nothing = Restarting()

    assert (nothing.buckets, nothing.current, nothing.best) == (0, 0, 0)
    assert nothing.then([], 0.02) == nothing
    assert set(nothing.components) == set(nothing.peaks) == {-math.inf}


def test_a_bound_with_fewer_shifts_lies_nearer_where_they_fit() -> None:
    """Each shift costs confidence; three that fit the usual rates bound better than ten."""
    few = (0.7, 1.4, 2.8)

    for harmed, started in ((5, 1000), (20, 1000)):
        assert upper_bound(harmed, started, 0.05, few) < upper_bound(harmed, started, 0.05)


def test_the_baseline_is_known_up_to_chance_only() -> None:
    """A baseline of a few devices tolerates more than its own rate, one of many hardly more."""
    few, many = (tolerated_by_baseline(n // 50, n, 0.005) for n in (200, 200_000))

    assert 0.02 < many < 0.025 < few < 0.1
    assert tolerated_by_baseline(4, 200, 0.005, margin=0.01) == pytest.approx(few + 0.01)
    assert tolerated_by_baseline(5, 5, 0.005, margin=0.5) < 1
    assert math.isfinite(log_e_above(3, 5, tolerated_by_baseline(5, 5, 0.005)))


def test_two_orders_share_the_risk() -> None:
    """Harm of starters in order of start, all harm in order of notification: each by half."""
    nothing_rejected = log_e_in_both_orders(8.0, harmed=0, exposed=1000, tolerated_rate=0.02)
    all_rejected = log_e_in_both_orders(0.0, harmed=90, exposed=1000, tolerated_rate=0.02)

    assert nothing_rejected == pytest.approx(8 - math.log(2))
    assert all_rejected == log_e_totals(90, 1000, 0.02) > 10


def test_totals_weigh_half_of_the_evidence_without_order() -> None:
    """They are used in turn with the order of starts, and must not spend the risk twice."""
    assert log_e_totals(9, 100, 0.02) == pytest.approx(log_e_above(9, 100, 0.02) - math.log(2))


def test_failures_outside_a_cohort_speak_against_its_being_the_cause() -> None:
    """Evidence grows by failures inside and falls by those outside, where there are both kinds."""
    inside = [(True, 0.1)] * 3

    assert log_e_concentration([]) == pytest.approx(0, abs=1e-12)
    assert log_e_concentration([*inside, (False, 0.1)]) < log_e_concentration(inside)
    assert log_e_concentration([*inside, (True, 1.0), (False, 0.0)]) == log_e_concentration(inside)


def test_devices_of_one_kind_are_weighed_as_without_kinds() -> None:
    """Telling devices apart that are tolerated alike changes nothing."""
    split = log_e_case_mix([(3, 40, 0.02), (2, 60, 0.02)])

    assert split == pytest.approx(log_e_above(5, 100, 0.02), rel=1e-12)
    assert log_e_case_mix([]) == pytest.approx(0, abs=1e-12)


def test_nothing_is_reported_of_nothing() -> None:
    """Without hypotheses, or without evidence, no report is made."""
    assert e_benjamini_hochberg([], 0.05) == []
    assert e_benjamini_hochberg([-math.inf, 0.0], 0.05) == []


@pytest.mark.parametrize(("started", "rate"), [(0, 0.02), (7, 0.02), (400, 0.02), (90, 0.9)])
def test_more_harm_is_needed_the_smaller_the_risk(started: int, rate: float) -> None:
    """The number follows the risk; where no number would do, it is more than there are."""
    needed = [harm_to_reject(started, rate, alpha) for alpha in (0.2, 0.05, 0.01, 1e-6)]

    assert needed == sorted(needed)
    assert needed[0] >= 1
