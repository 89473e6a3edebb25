"""
Two models of one thing: rollouts counted by the minute, and rollouts device by device.

They share what a fleet is and the arithmetic of rates and criteria, and nothing else: neither how
devices are drawn, nor how time passes, nor how a rollout is carried out. So where they agree on
how rollouts end, neither is wrong in a way of its own.

Each figure is compared by Student's t test with pooled variance, which is the test if both models
are right, as then both draw from one law. The level is shared out over all comparisons. Seeds are
fixed: a test that passes goes on passing until a model changes.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tidegate.documents.policy import parse_policy_yaml
from tidegate.domain.settings import ExponentialRate
from tidegate.lab.aws import FIRST_BATCH_SECONDS, MINUTE_SECONDS
from tidegate.lab.behaviours import (
    Behaviours,
    Comparison,
    Effective,
    Minimum,
    RetryNumbering,
    Rounding,
    Spacing,
)
from tidegate.lab.devices import run_native_per_device, run_per_device
from tidegate.lab.rule import Decide, Plan, Rule, Sight
from tidegate.lab.rules.native import CONSTANT, CONSTANT_ABORTING, EXPONENTIAL, NativeRule
from tidegate.lab.rules.tidegate import TidegateRule
from tidegate.lab.scenarios import SCENARIOS
from tidegate.lab.trial import Trace, Trial, run

DEVICES = 1_000

#: Probability that models which agree are told apart by any of these comparisons.
LEVEL = 0.001

#: A minute of the counts stands for all moments in it, and judges at its end what AWS may judge at
#: each outcome: on average that is half a minute late. The first batch comes at once there, and
#: here a little after the job was created.
LATE_MINUTES = 0.5 + FIRST_BATCH_SECONDS / MINUTE_SECONDS

#: A ratio that is above its threshold for seconds is not seen once a minute, so that the counts
#: stop somewhat fewer of those releases that are on the brink.
FEWER_STOPPED = 0.1


@dataclass(frozen=True, slots=True)
class Figure:
    """
    Something that a trial comes to.

    Attributes:
        of: Returns it; None where the trial has none.
        tolerance: Returns what conventions may make of it, from trials that were counted.
    """

    name: str
    of: Callable[[Trial], float | None]
    tolerance: Callable[[Sequence[Trial]], float]


def in_last_minute(trial: Trial, counts: Callable[[Trace], NDArray[np.int64]]) -> float:
    """Return by how much a count grew in the minute in which the rollout was stopped."""
    if trial.minutes_to_stop is None or trial.trace is None:
        return 0.0
    ends = trial.minutes_to_stop - 1
    before = counts(trial.trace)[ends - 1] if ends else 0
    return float(counts(trial.trace)[ends] - before)


def late_exposure(trials: Sequence[Trial]) -> float:
    """Return the devices that are notified in the time that the counts are late."""
    last = [in_last_minute(trial, lambda trace: trace.notified) for trial in trials]
    return LATE_MINUTES * statistics.fmean(last)


def late_harm(trials: Sequence[Trial]) -> float:
    """Return the devices that are harmed as they start while the counts are late."""
    harmed = [
        in_last_minute(trial, lambda trace: trace.started) * trial.harmed / max(trial.started, 1)
        for trial in trials
    ]
    return LATE_MINUTES * statistics.fmean(harmed)


FIGURES = (
    Figure("harmed", lambda trial: trial.harmed, late_harm),
    Figure("exposed", lambda trial: trial.exposed, late_exposure),
    Figure("stopped", lambda trial: trial.stopped, lambda _: FEWER_STOPPED),
    Figure("minutes to stop", lambda trial: trial.minutes_to_stop, lambda _: LATE_MINUTES),
    Figure("minutes to finish", lambda trial: trial.minutes_to_finish, lambda _: LATE_MINUTES),
    Figure("minutes to 95 %", lambda trial: trial.minutes_to_95, lambda _: LATE_MINUTES),
    Figure("acceptance", lambda trial: trial.minutes_to_acceptance, lambda _: LATE_MINUTES),
)


def chance_of(t: float, degrees: int) -> float:
    """Return the probability that Student's t is at least so far from 0, either way."""
    angles = np.linspace(math.atan(t / math.sqrt(degrees)), math.pi / 2, 2001)
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2))
    return (
        2
        * scale
        / math.sqrt(math.pi)
        * float(np.trapezoid(np.cos(angles) ** (degrees - 1), angles))
    )


def chance_of_difference(ones: Sequence[float], others: Sequence[float], tolerance: float) -> float:
    """Return the probability of means that are so far apart, beyond a tolerance, by chance."""
    beyond = max(0.0, abs(statistics.fmean(ones) - statistics.fmean(others)) - tolerance)
    degrees = len(ones) + len(others) - 2
    squares = len(ones) * statistics.pvariance(ones) + len(others) * statistics.pvariance(others)
    error = math.sqrt(squares / degrees * (1 / len(ones) + 1 / len(others)))
    if not beyond:
        return 1.0
    return chance_of(beyond / error, degrees) if error else 0.0


def assert_alike(devices: Sequence[Trial], counted: Sequence[Trial], comparisons: int) -> None:
    """Hold trials of the two models against each other, figure by figure."""
    level = LEVEL / comparisons
    for figure in FIGURES:
        ones, others = (
            [float(value) for trial in trials if (value := figure.of(trial)) is not None]
            for trials in (devices, counted)
        )
        if min(len(ones), len(others)) < 2:
            continue  # how many there are, "stopped" compares
        chance = chance_of_difference(ones, others, figure.tolerance(counted))
        means = f"{statistics.fmean(ones):g} device by device, {statistics.fmean(others):g} counted"
        assert chance >= level, f"{figure.name}: {means}"


@pytest.mark.parametrize(
    ("t", "degrees", "chance"),
    [(12.706, 1, 0.05), (2.228, 10, 0.05), (4.587, 10, 0.001), (0, 5, 1)],
)
def test_students_t_is_the_tables(t: float, degrees: int, chance: float) -> None:
    """The test's own arithmetic gives the values that tables give."""
    assert chance_of(t, degrees) == pytest.approx(chance, rel=2e-3)


def test_a_difference_shows() -> None:
    """Figures that differ more than chance and convention explain are told apart."""
    ones, others = [10.0, 11.0, 12.0, 11.0], [15.0, 16.0, 14.0, 15.0]

    assert chance_of_difference(ones, others, 0.0) < 0.001
    assert chance_of_difference(ones, others, 3.0) > 0.05
    assert chance_of_difference(ones, others, 4.0) == 1.0
    assert chance_of_difference([2.0, 2.0], [3.0, 3.0], 0.5) == 0.0


# --- AWS alone ----------------------------------------------------------------------------------


RULES = (EXPONENTIAL, CONSTANT, CONSTANT_ABORTING)


def compare_native(name: str, rule: NativeRule, runs: int) -> None:
    """Compare rollouts that AWS carries out alone."""
    fleet = SCENARIOS[name].with_size(DEVICES)
    devices = [run_native_per_device(fleet, rule, seed) for seed in range(runs)]
    counted = [run(fleet, rule, seed, with_trace=True) for seed in range(4 * runs)]
    assert_alike(devices, counted, len(SCENARIOS) * len(FIGURES) * len(RULES))


@pytest.mark.parametrize("name", SCENARIOS)
def test_aws_alone_does_the_same_in_both_models(name: str) -> None:
    """A rate that grows, and a criterion, come to the same however the fleet is modelled."""
    compare_native(name, EXPONENTIAL, 2)


@pytest.mark.prove
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("name", SCENARIOS)
def test_aws_alone_does_the_same_in_many_rollouts(name: str, rule: NativeRule) -> None:
    """The same with enough rollouts to show a difference of a tenth."""
    compare_native(name, rule, 20)


#: Switches, and a fleet and settings for which they matter.
RETRIED = replace(
    SCENARIOS["bad-60"].with_size(DEVICES),
    failures=replace(SCENARIOS["bad-60"].failures, mended=0.5),
    retries=2,
)
FRACTIONS = replace(EXPONENTIAL, exponential=ExponentialRate(20, 1.3, succeeded_things=10))
SWITCHED = {
    "as it is": Behaviours(),
    "even": Behaviours(rollout_spacing=Spacing.EVEN),
    "ceiling": Behaviours(rate_rounding=Rounding.CEILING),
    "beyond the threshold": Behaviours(abort_compare=Comparison.MORE_THAN),
    "things, not attempts": Behaviours(abort_counts_attempts=False),
    "minimum of notified": Behaviours(abort_minimum_counts=Minimum.NOTIFIED),
    "late abort": Behaviours(abort_lag_minutes=4),
    "late timeouts": Behaviours(timeout_lag_minutes=5),
    "numbered on": Behaviours(retry_numbering=RetryNumbering.NEXT),
}


@pytest.mark.prove
@pytest.mark.parametrize("name", SWITCHED)
def test_switches_and_retries_do_the_same_in_both_models(name: str) -> None:
    """What AWS's documents leave open is the same in both models, whichever way it stands."""
    behaviours = SWITCHED[name]
    devices = [
        run_native_per_device(RETRIED, FRACTIONS, seed, behaviours=behaviours) for seed in range(20)
    ]
    counted = [
        run(RETRIED, FRACTIONS, seed, behaviours=behaviours, with_trace=True) for seed in range(80)
    ]
    assert_alike(devices, counted, len(SWITCHED) * len(FIGURES))


# --- Tidegate -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Blind:
    """A rule that sees the fleet as one, as the services do that tell no cohorts apart."""

    rule: Rule

    @property
    def name(self) -> str:
        """The rule's own."""
        return self.rule.name

    @property
    def title(self) -> str:
        """The rule's own."""
        return self.rule.title

    @property
    def is_native(self) -> bool:
        """Whether AWS alone carries the rule out."""
        return self.rule.is_native

    def begin(self, plan: Plan) -> Decide:
        """Begin with a fleet of one cohort."""
        decide = self.rule.begin(replace(plan, cohorts=("all",), cohort_sizes=(plan.fleet_size,)))
        return lambda sight: decide(as_one(sight))


def as_one(sight: Sight) -> Sight:
    """Return what is seen of all cohorts together."""
    summed = {
        each.name: getattr(sight, each.name).sum(axis=0, keepdims=True)
        for each in fields(sight)
        if each.name not in ("minute", "arrived")
    }
    return replace(sight, **summed)


#: Tidegate reviews between two batches, and so knows of every batch before the one that it decides
#: on. A rule on counts is asked at the beginning of a minute, right before that minute's batch: to
#: know as much, its order has to be in force at once.
ASKED_BETWEEN_BATCHES = Behaviours(update_effective=Effective.AT_ONCE)

POLICY = parse_policy_yaml(
    (Path(__file__).parents[3] / "policies" / "firmware.yaml").read_text(), source="firmware.yaml"
).compile()


def compare_tidegate(name: str, size: int, runs: int, stops_at: int | None) -> None:
    """Compare rollouts that Tidegate steers: its services, and its review on counts."""
    fleet = SCENARIOS[name].with_size(size)
    rule = Blind(TidegateRule(POLICY, can_quarantine=False))
    devices = [
        run_per_device(fleet, POLICY, seed, orchestrator_stops_at=stops_at) for seed in range(runs)
    ]
    counted = [
        run(
            fleet,
            rule,
            seed,
            behaviours=ASKED_BETWEEN_BATCHES,
            orchestrator_stops_at=stops_at,
            with_trace=True,
        )
        for seed in range(3 * runs)
    ]
    assert_alike(devices, counted, len(SCENARIOS) * len(FIGURES) * len(STOPS_AT))


#: Minute in which everything but AWS stops for good; None if it goes on.
STOPS_AT = (None, 20)


@pytest.mark.parametrize(
    ("name", "size", "stops_at"),
    [("bad-60", DEVICES, None), ("bad-20", DEVICES, 20), ("drift", 150, None)],
)
def test_the_services_do_as_the_review_on_counts(
    name: str, size: int, stops_at: int | None
) -> None:
    """Events, lists, ledger, workflow and tripwires change nothing about how a rollout ends."""
    compare_tidegate(name, size, 2, stops_at)


@pytest.mark.prove
@pytest.mark.parametrize("stops_at", STOPS_AT)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_services_do_as_the_review_in_many_rollouts(name: str, stops_at: int | None) -> None:
    """The same for every scenario, whether Tidegate lives or dies."""
    compare_tidegate(name, DEVICES, 15, stops_at)
