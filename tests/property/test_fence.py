"""The fence never cuts a tolerable release but by the stated chance, in whatever order it fares."""

import math
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import FAILURES, rates, risks
from tests.unit.domain.examples import FAILED
from tidegate.domain.fence import Fence, fence
from tidegate.domain.settings import AbortCriterion, JobSettings, refusals

RISK = 0.05
TOLERATED = 0.05


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
def fences(draw: st.DrawFn) -> Fence:
    """Draw what stands behind any decision."""
    return fence(
        exposed=draw(st.integers(0, 1_000_000)),
        rate_per_minute=draw(st.integers(1, 1000)),
        standing_per_minute=draw(st.integers(1, 1000)),
        harm_statuses=draw(st.frozensets(st.sampled_from(FAILURES), min_size=1)),
        tolerated_rate=draw(rates),
        attempts_per_thing=draw(st.integers(1, 10)),
        risk=draw(risks),
    )


@given(fences())
def test_aws_takes_every_fence(behind: Fence) -> None:
    """Whatever the exposure, rate and policy, the criteria are within AWS's limits."""
    assert refusals(JobSettings(abort=behind.criteria), JobSettings()) == ()


@given(fences(), st.data())
def test_it_cannot_fire_below_the_harm_that_it_is_made_for(
    behind: Fence, data: st.DataObject
) -> None:
    """In whatever order things are executed, fewer harmed never reach the ratio."""
    harmed = data.draw(st.integers(0, behind.harmed_at - 1) | st.just(behind.harmed_at - 1))
    executed = data.draw(
        st.sampled_from([max(harmed, each.min_executed_things) for each in behind.criteria])
        | st.integers(max(1, harmed), 20_000_000)
    )

    for criterion in behind.criteria:
        assert not fires(criterion, harmed=harmed, executed=executed)
        assert not fires_in_some_order(criterion, harmed=harmed)


@given(fences())
def test_it_fires_when_everything_fails(behind: Fence) -> None:
    """Without Tidegate a release that only fails is stopped, once enough have executed."""
    for criterion in behind.criteria:
        minimum = criterion.min_executed_things

        assert fires(criterion, harmed=minimum, executed=minimum)


@dataclass(frozen=True)
class Release:
    """A release whose devices fail at exactly the tolerated rate, steered at random."""

    seed: int
    devices: int

    def is_cut(self) -> bool:
        """
        Return whether any fence along the way cuts it.

        Before each fence takes effect a batch of the standing rate is notified, and another of its
        own before the next; all failures among the notified come first.
        """
        chance = Random(self.seed)
        harmed_by = [0]
        for _ in range(self.devices):
            harmed_by.append(harmed_by[-1] + (chance.random() < TOLERATED))
        exposed, standing = 0, 1
        while exposed < self.devices:
            rate = chance.choice([1, 3, 200])
            criterion = fence(
                exposed=exposed,
                rate_per_minute=rate,
                standing_per_minute=standing,
                harm_statuses=frozenset({FAILED}),
                tolerated_rate=TOLERATED,
                attempts_per_thing=1,
                risk=RISK,
            ).criteria[0]
            exposed += chance.choice([standing, rate, standing + rate])
            if fires_in_some_order(criterion, harmed=harmed_by[min(exposed, self.devices)]):
                return True
            standing = rate
        return False


@pytest.mark.parametrize("runs", [400, pytest.param(20_000, marks=pytest.mark.prove)])
def test_a_release_at_the_tolerated_rate_is_cut_no_more_often_than_stated(runs: int) -> None:
    """Over its whole life, with the worst order of outcomes and whatever the pace."""
    cut = sum(Release(seed, devices=600).is_cut() for seed in range(runs))

    assert cut / runs <= RISK + 3 * math.sqrt(RISK * (1 - RISK) / runs)
