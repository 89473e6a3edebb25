"""Devices that are drawn one by one fare as the fleet's law has it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng

from tidegate.domain.jobs import ExecutionStatus
from tidegate.lab.behaviours import AWS_LIKE
from tidegate.lab.delays import (
    DelayLaw,
    Exponential,
    Fixed,
    LogNormal,
    QuantileTable,
    Uniform,
)
from tidegate.lab.fates import FAILED, SUCCEEDED, TIMED_OUT, fates_of
from tidegate.lab.fleet import Cohort, Drift, FailureKind, Failures, Fleet, Offline
from tidegate.lab.individuals import Device, draw_devices, quantiles

#: Standard errors by which a share may be off: one fixed seed, some hundred shares.
ERRORS_MAX = 4.0

SHARES = np.array([0.01, 0.1, 0.3, 0.5, 0.9, 0.99])

ALL_SORTS = Fleet(
    name="all sorts",
    size=8_000,
    timeout_minutes=20,
    start=Uniform(0.0, 2.0),
    success=LogNormal(10.0, 0.7),
    failures=Failures(
        0.3,
        (
            FailureKind(ExecutionStatus.FAILED, 0.5, Exponential(12.0)),
            FailureKind(ExecutionStatus.TIMED_OUT, 0.3),
            FailureKind(ExecutionStatus.REJECTED, 0.2, Fixed(3.0)),
        ),
        mended=0.4,
    ),
    offline=Offline(0.25, Exponential(3000.0), 0.6),
    cohorts=(Cohort("bad", 0.2, 0.9), Cohort("good", 0.1, 0.1)),
    drift=(Drift(0.5, 0.7),),
    retries=2,
)


@pytest.fixture(scope="module")
def devices() -> list[Device]:
    """Draw all sorts of devices, once."""
    return draw_devices(ALL_SORTS, default_rng(11))


@pytest.mark.parametrize(
    "law",
    [
        Exponential(7.0),
        LogNormal(8.0, 0.6),
        Uniform(1.0, 5.0),
        QuantileTable((0.0, 0.5, 1.0), (1.0, 2.0, 30.0)),
    ],
)
def test_a_quantile_is_where_its_share_lies(law: DelayLaw) -> None:
    """Whatever the law, so many delays are shorter than the quantile."""
    assert law.below(quantiles(law, SHARES)) == pytest.approx(SHARES, abs=1e-9)


def test_a_delay_without_chance_has_one_quantile() -> None:
    """All shares of a fixed delay lie at it."""
    assert quantiles(Fixed(4.5), SHARES) == pytest.approx(np.full(6, 4.5))


def test_what_never_comes_has_no_quantile() -> None:
    """A table that ends below 1 leaves devices out for ever."""
    table = QuantileTable((0.0, 0.5), (0.0, 10.0))

    drawn = quantiles(table, np.array([0.25, 0.499, 0.501, 0.9]))

    assert drawn[:2] == pytest.approx([5.0, 9.98])
    assert np.isinf(drawn[2:]).all()


def test_the_same_seed_draws_the_same_devices() -> None:
    """Chance comes from the seed alone."""
    fleet = ALL_SORTS.with_size(50)

    assert draw_devices(fleet, default_rng(3)) == draw_devices(fleet, default_rng(3))
    assert draw_devices(fleet, default_rng(3)) != draw_devices(fleet, default_rng(4))


def sort_of(device: Device) -> tuple[int, int]:
    """Return how many attempts fail and how the first one ends, by the indices of fates."""
    failures = sum(each.reports is not ExecutionStatus.SUCCEEDED for each in device.attempts)
    first = device.attempts[0].reports
    outcome = {None: TIMED_OUT, ExecutionStatus.FAILED: FAILED}.get(first, SUCCEEDED)
    return failures, outcome


def test_devices_share_out_as_the_counts_do(devices: list[Device]) -> None:
    """Each fate has the share that the other fidelity works out for it, before and after drift."""
    chances = fates_of(ALL_SORTS, AWS_LIKE)
    sizes = np.array(ALL_SORTS.cohort_sizes) / ALL_SORTS.size
    half = ALL_SORTS.size // 2
    for stage, drawn in zip(chances.stages, (devices[:half], devices[half:]), strict=True):
        weights = (sizes @ stage.weights).reshape(2, -1).sum(axis=0)
        # Devices that would come too late for anything are sorted in all the same.
        trying = [sort_of(each) for each in drawn if each.attempts]
        for index, fate in enumerate(chances.fates):
            outcome = fate.failing.outcome if fate.failures else SUCCEEDED
            counted = trying.count((fate.failures, outcome))
            assert_share(counted, half, float(weights[index]))
        rejecting = sum(not each.attempts for each in drawn)
        assert_share(rejecting, half, float(weights[len(chances.fates) :].sum()))


def assert_share(counted: int, of: int, share: float) -> None:
    """Hold a count against the share that it should be, within the error of chance."""
    error = math.sqrt(max(of * share * (1 - share), 1.0))
    assert abs(counted - of * share) <= ERRORS_MAX * error, (counted, of * share, error)


def test_delays_are_the_laws() -> None:
    """Starts, successes and failures last as long as they should, and none the timeout."""
    fleet = replace(ALL_SORTS, offline=None, drift=(), retries=0, cohorts=())
    devices = draw_devices(fleet, default_rng(5))
    attempts = [device.attempts[0] for device in devices if device.attempts]
    succeeding = [each.minutes for each in attempts if each.reports is ExecutionStatus.SUCCEEDED]
    failing = [each.minutes for each in attempts if each.reports is ExecutionStatus.FAILED]
    starts = [each.acts_after_minutes for each in devices if each.attempts]
    rejections = [each.acts_after_minutes for each in devices if not each.attempts]
    in_time: list[DelayLaw] = [LogNormal(10.0, 0.7), Exponential(12.0)]
    shares = [float(law.below(np.array([20.0]))[0]) for law in in_time]

    for minutes in (5.0, 10.0, 15.0):
        at = np.array([minutes])
        for seen, law, share in zip((succeeding, failing), in_time, shares, strict=True):
            faster = sum(each < minutes for each in seen)
            assert_share(faster, len(seen), float(law.below(at)[0]) / share)
    assert max(succeeding + failing) < 20.0
    assert_share(sum(each is not None and each < 0.5 for each in starts), len(starts), 0.25)
    assert all(each is not None and 3.0 <= each <= 5.0 for each in rejections)


def test_who_starts_too_late_never_does(devices: list[Device]) -> None:
    """Beyond two days nobody waits for a device: it counts as one that never comes."""
    never = sum(each.acts_after_minutes is None for each in devices)

    assert_share(never, len(devices), 0.25 * math.exp(-2880 / 3000))


def test_the_bad_part_is_the_one_that_fails_more(devices: list[Device]) -> None:
    """A cohort of its own rate, or all that come after a drift; a better cohort is not bad."""
    half = len(devices) // 2

    assert_share(sum(each.is_bad for each in devices[:half]), half, 0.2)
    assert_share(sum(each.is_bad for each in devices[half:]), half, 0.9)
