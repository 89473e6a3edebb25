"""The fence never cuts a tolerable release but by the stated chance, in whatever order it fares."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.property.strategies import FAILURES, rates, risks
from tests.unit.domain.examples import FAILED, TIMED_OUT
from tidegate.domain.evidence import harm_to_reject
from tidegate.domain.fence import _EXECUTED_MAX, Behind, Fence, fence
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.settings import AbortCriterion, JobSettings, refusals

#: Risk and rate are large, so that a few hundred runs could show that a promise is broken.
RISK = 0.05
TOLERATED = 0.05

Counts = NDArray[np.int64]


def fires(criterion: AbortCriterion, *, harmed: int, executed: int) -> bool:
    """Return whether AWS cancels the job on such counts."""
    return (
        executed >= criterion.min_executed_things
        and 100 * harmed / executed >= criterion.threshold_percentage
    )


def fires_in_some_order(criterion: AbortCriterion, *, harmed: int) -> bool:
    """Return whether it fires where all failures are executed first: the worst order there is."""
    executed = max(harmed, criterion.min_executed_things)
    return fires(criterion, harmed=harmed, executed=executed)


@st.composite
def what_is_fenced(draw: st.DrawFn) -> Behind:
    """Draw what a fence may have to stand behind."""
    exposed = draw(st.integers(0, 1_000_000))
    executed = draw(st.integers(0, exposed))
    return Behind(
        exposed=exposed,
        rate_per_minute=draw(st.integers(1, 1000)),
        standing_per_minute=draw(st.integers(1, 1000)),
        executed=executed,
        others=draw(st.just(0) | st.integers(0, executed)),
        in_flight=draw(st.integers(0, exposed - executed)),
        minutes_in_flight=draw(st.sampled_from([1.0, 7.5, 60.0, 10_080.0, math.inf])),
        fleet_size=draw(st.none() | st.integers(1, 2_000_000)),
        attempts_per_thing=draw(st.integers(1, 10)),
        apart=draw(st.just(0) | st.integers(0, exposed)),
    )


statuses = st.frozensets(st.sampled_from(FAILURES), min_size=1)


@given(what_is_fenced(), statuses, rates, risks)
def test_aws_takes_every_fence(
    behind: Behind, harmful: frozenset[ExecutionStatus], rate: float, risk: float
) -> None:
    """Whatever the exposure, rate and policy, the criteria are within AWS's limits."""
    stands = fence(behind, harm_statuses=harmful, tolerated_rate=rate, risk=risk)

    assert refusals(JobSettings(abort=stands.criteria), JobSettings()) == ()
    assert stands.exposed_up_to == behind.exposed_up_to


@given(what_is_fenced(), statuses, rates, risks, st.data())
def test_it_cannot_fire_while_reviews_come_below_the_harm_that_it_is_made_for(
    behind: Behind,
    harmful: frozenset[ExecutionStatus],
    rate: float,
    risk: float,
    data: st.DataObject,
) -> None:
    """In whatever order things are executed, fewer harmed never reach the ratio."""
    stands = fence(behind, harm_statuses=harmful, tolerated_rate=rate, risk=risk)
    others = harm_to_reject(behind.exposed_up_to, rate, risk)
    line = behind.attempts_per_thing * (others + behind.apart)
    harmed = data.draw(st.integers(0, line - 1) | st.just(line - 1))
    executed = data.draw(st.integers(max(1, harmed), max(harmed, behind.exposed_up_to)))

    for criterion in stands.criteria:
        assert not fires(criterion, harmed=harmed, executed=executed)


@given(what_is_fenced(), statuses, rates, risks)
def test_left_alone_it_cannot_fire_below_the_line_of_its_minimum(
    behind: Behind, harmful: frozenset[ExecutionStatus], rate: float, risk: float
) -> None:
    """Of those executed and in flight then, more must be harmed than a tolerable release harms."""
    stands = fence(behind, harm_statuses=harmful, tolerated_rate=rate, risk=risk)
    most = max(behind.fleet_size or _EXECUTED_MAX, behind.exposed_up_to)

    for criterion in stands.criteria:
        executed = criterion.min_executed_things
        started = math.ceil(min(executed + behind.in_flight_unattended, most))
        line = behind.attempts_per_thing * (harm_to_reject(started, rate, risk) + behind.apart)
        assert not fires(criterion, harmed=min(line - 1, executed), executed=executed)


@given(what_is_fenced(), statuses, rates, risks)
def test_it_fires_when_everything_fails(
    behind: Behind, harmful: frozenset[ExecutionStatus], rate: float, risk: float
) -> None:
    """Without Tidegate a release that only fails is stopped, once enough have executed."""
    stands = fence(behind, harm_statuses=harmful, tolerated_rate=rate, risk=risk)

    for criterion in stands.criteria:
        minimum = criterion.min_executed_things
        assert fires(criterion, harmed=minimum, executed=minimum)


def false_cuts_at_most(runs: int) -> float:
    """Return how many of the runs may be cut, sampling error included."""
    return runs * RISK + 3 * math.sqrt(runs * RISK * (1 - RISK))


few_or_many = pytest.mark.parametrize(
    "runs", [200, pytest.param(10_000, marks=pytest.mark.prove)], ids=["few", "many"]
)


# While reviews come


@dataclass(frozen=True)
class Steered:
    """A release whose devices fail at exactly the tolerated rate, steered at random."""

    seed: int
    devices: int

    def is_cut(self) -> bool:
        """
        Return whether any fence along the way cuts it.

        Before each fence takes effect a batch of the standing rate is notified, and another of its
        own before the next; all failures among the notified come first.
        """
        chance = np.random.default_rng(self.seed)
        harmed_by = np.concatenate([[0], (chance.random(self.devices) < TOLERATED).cumsum()])
        exposed, standing = 0, 1
        while exposed < self.devices:
            rate = int(chance.choice([1, 3, 200]))
            stands = fence(
                Behind(
                    exposed=exposed,
                    rate_per_minute=rate,
                    standing_per_minute=standing,
                    executed=int(chance.integers(exposed + 1)),
                    minutes_in_flight=5.0,
                    fleet_size=self.devices,
                ),
                harm_statuses=frozenset({FAILED}),
                tolerated_rate=TOLERATED,
                risk=RISK,
            )
            exposed += int(chance.choice([standing, rate, standing + rate]))
            harmed = int(harmed_by[min(exposed, self.devices)])
            if any(self._fires(each, harmed, exposed) for each in stands.criteria):
                return True
            standing = rate
        return False

    @staticmethod
    def _fires(criterion: AbortCriterion, harmed: int, exposed: int) -> bool:
        """Return whether it does in some order, of so many notified at the most."""
        return criterion.min_executed_things <= exposed and fires_in_some_order(
            criterion, harmed=harmed
        )


@few_or_many
def test_a_steered_release_at_the_tolerated_rate_is_cut_no_more_often_than_stated(
    runs: int,
) -> None:
    """Over its whole life, with the worst order of outcomes and whatever the pace."""
    cut = sum(Steered(seed, devices=400).is_cut() for seed in range(runs))

    assert cut <= false_cuts_at_most(runs)


# Left alone


@dataclass(frozen=True)
class Delays:
    """
    How long devices take, in minutes from their notification.

    Attributes:
        success: Of devices that succeed, on average; they scatter by a third.
        failure: Of devices that fail.
    """

    success: float
    failure: float

    @property
    def mean(self) -> float:
        """Of all devices, at the tolerated rate."""
        return (1 - TOLERATED) * self.success + TOLERATED * self.failure


@dataclass(frozen=True)
class Alone:
    """A release that goes on at a constant rate for ever, with the fence of its beginning."""

    rate_per_minute: int
    delays: Delays
    minutes: int = 200

    def stands(self, minutes_in_flight: float | None = None) -> Fence:
        """Return the fence that was left behind, for the devices' delays or for others."""
        minutes = self.delays.mean if minutes_in_flight is None else minutes_in_flight
        behind = Behind(
            exposed=0,
            rate_per_minute=self.rate_per_minute,
            standing_per_minute=self.rate_per_minute,
            minutes_in_flight=minutes,
            fleet_size=self.rate_per_minute * self.minutes,
        )
        return fence(
            behind,
            harm_statuses=frozenset({FAILED, TIMED_OUT}),
            tolerated_rate=TOLERATED,
            risk=RISK,
        )

    def executions(self, chance: np.random.Generator, failure_rate: float) -> tuple[Counts, Counts]:
        """Return how many have been executed and harmed after each execution, in its order."""
        notified = np.repeat(np.arange(self.minutes), self.rate_per_minute)
        fails = chance.random(len(notified)) < failure_rate
        scatter = chance.uniform(2 / 3, 4 / 3, len(notified))
        takes = np.where(fails, self.delays.failure, self.delays.success * scatter)
        # Within the same instant failures come first.
        order = np.lexsort((~fails, notified + takes))
        executed = np.arange(1, len(notified) + 1)
        return executed, fails[order].cumsum()

    def is_cut(
        self, criteria: Sequence[AbortCriterion], chance: np.random.Generator, failure_rate: float
    ) -> bool:
        """Return whether AWS ever cancels it; every failure counts for each criterion."""
        executed, harmed = self.executions(chance, failure_rate)
        return any(
            bool(
                (
                    (executed >= each.min_executed_things)
                    & (100 * harmed >= each.threshold_percentage * executed)
                ).any()
            )
            for each in criteria
        )


#: Failures at once and successes late are what arrivals tell least about.
DELAYS = {
    "alike": Delays(success=6, failure=6),
    "failures first": Delays(success=20, failure=0.1),
    "failures last": Delays(success=3, failure=60),
}
any_delays = pytest.mark.parametrize("delays", DELAYS.values(), ids=DELAYS)


@few_or_many
@any_delays
@pytest.mark.parametrize("rate_per_minute", [3, 40])
def test_a_release_left_alone_at_the_tolerated_rate_is_cut_no_more_often_than_stated(
    runs: int, delays: Delays, rate_per_minute: int
) -> None:
    """If no review ever comes again, the rate in force keeps in flight what was reckoned with."""
    release = Alone(rate_per_minute, delays)
    criteria, chance = release.stands().criteria, np.random.default_rng(11)

    cut = sum(release.is_cut(criteria, chance, TOLERATED) for _ in range(runs))
    assert cut <= false_cuts_at_most(runs)


def test_a_fence_that_took_no_heed_of_delays_would_cut_good_releases() -> None:
    """Where failures come first, the first executions are all failures: in flight are the good."""
    release = Alone(40, DELAYS["failures first"])
    chance = np.random.default_rng(14)
    careless = release.stands(minutes_in_flight=0.1).criteria

    cut = sum(release.is_cut(careless, chance, TOLERATED) for _ in range(50))
    assert cut > 10 * RISK * 50


@any_delays
@pytest.mark.parametrize("rate_per_minute", [3, 40])
def test_a_release_left_alone_that_mostly_fails_is_cut(
    delays: Delays, rate_per_minute: int
) -> None:
    """The fence is for that: without any review, most of the fleet is spared."""
    release = Alone(rate_per_minute, delays)
    criteria, chance = release.stands().criteria, np.random.default_rng(12)

    assert all(release.is_cut(criteria, chance, 0.8) for _ in range(20))


@few_or_many
@any_delays
def test_no_more_are_in_flight_than_was_reckoned_with(runs: int, delays: Delays) -> None:
    """At a constant rate the devices in flight vary by chance, within what is allowed for."""
    chance, over, rate = np.random.default_rng(13), 0, 40
    behind = Behind(
        exposed=0, rate_per_minute=rate, standing_per_minute=rate, minutes_in_flight=delays.mean
    )
    for _ in range(runs // 10):
        notified = np.repeat(np.arange(200), rate)
        fails = chance.random(len(notified)) < TOLERATED
        ends = notified + np.where(fails, delays.failure, delays.success)
        # Right before a batch: those of the batch itself are executed at once, or later.
        over += int(((notified < 150) & (ends >= 150)).sum() > behind.in_flight_unattended)

    assert over <= 0.01 * runs // 10 + 3
