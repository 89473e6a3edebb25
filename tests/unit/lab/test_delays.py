"""Delays land in whole minutes without getting longer or shorter on average."""

import math

import numpy as np
import pytest

from tidegate.lab.delays import (
    DelayLaw,
    Exponential,
    Fixed,
    LogNormal,
    QuantileTable,
    Uniform,
    pmf,
    pmf_from_within,
)

HORIZON = 4000

LAWS: list[tuple[DelayLaw, float]] = [
    (Fixed(60), 60),
    (Fixed(2.5), 2.5),
    (Exponential(1.5), 1.5),
    (Exponential(240), 240),
    (LogNormal(8, 0.6), 8 * math.exp(0.18)),
    (LogNormal(8, 0.6, longest_minutes=8), 8 * math.exp(0.18) * 2 * 0.5 * math.erfc(0.6 / 2**0.5)),
    (Uniform(1, 5), 3),
    (QuantileTable((0, 0.5, 1), (2, 10, 30)), 0.5 * 6 + 0.5 * 20),
    (QuantileTable((0, 0.5, 1), (7, 7, 9)), 0.5 * 7 + 0.5 * 8),
]


@pytest.mark.parametrize(("law", "mean"), LAWS, ids=str)
def test_a_delay_from_within_a_minute_keeps_its_mean(law: DelayLaw, mean: float) -> None:
    """Durations in minute ticks are neither longer nor shorter than they are."""
    masses = pmf_from_within(law, HORIZON)

    assert masses.sum() == pytest.approx(1, abs=1e-6)
    assert masses @ np.arange(HORIZON) == pytest.approx(mean, rel=1e-3)


@pytest.mark.parametrize(("law", "mean"), LAWS, ids=str)
def test_a_delay_from_the_beginning_of_a_minute_ends_in_its_minute(
    law: DelayLaw, mean: float
) -> None:
    """Entry k is a delay of k to k+1 minutes, so that it is half a minute off at most."""
    masses = pmf(law, HORIZON)
    middles = np.arange(HORIZON) + 0.5

    assert masses.sum() == pytest.approx(1, abs=1e-6)
    assert abs(masses @ middles - mean) <= 0.5 + 1e-3


def test_delays_are_those_of_a_sample() -> None:
    """Drawn in continuous time, starts and durations land in the minutes that the masses say."""
    rng = np.random.default_rng(1)
    begin = rng.random(200_000)
    end = begin + rng.lognormal(math.log(8), 0.6, 200_000)
    counted = np.bincount(end.astype(int), minlength=100)[:100] / 200_000

    assert counted == pytest.approx(pmf_from_within(LogNormal(8, 0.6), 100), abs=0.004)


def test_delays_beyond_a_limit_are_left_out() -> None:
    """Of delays up to a timeout, exactly the share below it is left."""
    law = LogNormal(40, 0.6)
    masses = pmf_from_within(law, 61, before_minutes=60)

    assert masses.sum() == pytest.approx(float(law.below(np.array([60.0]))[0]))
    assert masses[60] > 0, "who began late in a minute reports in the one of the timeout"


def test_what_a_table_leaves_out_never_comes() -> None:
    """A table that ends at 90 % describes devices of which a tenth never starts."""
    table = QuantileTable((0, 0.5, 0.9), (0, 10, 20))

    assert pmf(table, HORIZON).sum() == pytest.approx(0.9)
    assert pmf_from_within(table, HORIZON).sum() == pytest.approx(0.9)


def test_a_table_is_linear_between_its_points() -> None:
    """Half of what lies between two points comes in half of the time."""
    table = QuantileTable((0, 0.5, 1), (0, 10, 30))

    assert table.below(np.array([0.0, 5.0, 10.0, 20.0, 30.0, 99.0])) == pytest.approx(
        [0, 0.25, 0.5, 0.75, 1, 1]
    )
