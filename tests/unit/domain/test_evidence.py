"""Evidence has the values that its formulas have, at the edges too, and costs little."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tidegate.domain import evidence
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

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_text())

#: Buckets of one minute in a week of rollout, by tiers.
WEEK_OF_BUCKETS = 1548


def restarting(started_and_harmed: Sequence[tuple[int, int]], tolerated_rate: float) -> float:
    """Return the restarting evidence of buckets without cleared devices."""
    buckets = [Bucket(started, harmed, 0) for started, harmed in started_and_harmed]
    return log_e_restarting(buckets, tolerated_rate)


def pessimistic(started_and_cleared: Sequence[tuple[int, int]], alpha: float) -> float:
    """Return the pessimistic bound of buckets without harmed devices."""
    buckets = [Bucket(started, 0, cleared) for started, cleared in started_and_cleared]
    return pessimistic_upper_bound(buckets, alpha)


FUNCTIONS: dict[str, Callable[..., float]] = {
    "log_e_above": log_e_above,
    "log_e_below": log_e_below,
    "log_e_restarting": restarting,
    "lower_bound": lower_bound,
    "pessimistic_upper_bound": pessimistic,
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


def test_no_devices_are_no_evidence() -> None:
    """Nothing is concluded from nothing, in either direction."""
    assert log_e_above(0, 0, 0.02) == pytest.approx(0, abs=1e-12)
    assert log_e_below(0, 0, 0.02) == pytest.approx(0, abs=1e-12)
    assert log_e_restarting([], 0.02) == 0
    assert log_e_restarting([Bucket(0, 0, 0)] * 3, 0.02) == pytest.approx(0, abs=1e-12)
    assert log_e_totals(0, 0, 0.02) == 0
    assert (lower_bound(0, 0, 0.05), upper_bound(0, 0, 0.05)) == (0, 1)
    assert pessimistic_upper_bound([], 0.05) == 1


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

    def searched(harmed: int, started: int, alpha: float) -> float:
        searches.append(started)
        return upper_bound(harmed, started, alpha)

    monkeypatch.setattr(evidence, "upper_bound", searched)
    buckets = [Bucket(100, 1, 95)] * WEEK_OF_BUCKETS
    bound = pessimistic_upper_bound(buckets, 0.05)

    assert bound == pytest.approx(upper_bound(5 * WEEK_OF_BUCKETS, 100 * WEEK_OF_BUCKETS, 0.05))
    assert len(searches) < 5
