"""What is promised about whole releases, in seeded runs: chances hold, budgets hold."""

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.property.fleet import Delays, Run, release
from tests.unit.domain.examples import POLICY, REJECTED
from tidegate.domain import review as reviewing
from tidegate.domain.fence import Fence
from tidegate.domain.rollout import Tripwires
from tidegate.domain.settings import AbortCriterion, FailureType
from tidegate.domain.weigh import EVIDENCE_SHARE

#: The order in which outcomes arrive tells least about that of the starts where delays differ.
DELAYS = {
    "failures first": Delays(success=12, failure=1),
    "failures last": Delays(success=2, failure=15),
    "alike": Delays(success=4, failure=4),
    "rejections first": Delays(success=2, start=15),
}

RATE, RISK, BUDGET, CONFIDENCE = 0.05, 0.2, 20, 0.9
#: Risk and rate are large, so that a few hundred runs could show that a promise is broken.
STEERED = replace(
    POLICY,
    harm=replace(
        POLICY.harm,
        tolerated_rate=RATE,
        acceptable_rate=RATE,
        budget_devices=BUDGET,
        confidence=CONFIDENCE,
        false_abort_risk=RISK,
    ),
    pace=replace(POLICY.pace, start_per_minute=20, max_per_minute=100),
)

STEERED_BY_REJECTIONS = replace(
    STEERED, harm=replace(STEERED.harm, statuses=STEERED.harm.statuses | {REJECTED})
)

few_or_many = pytest.mark.parametrize(
    "runs", [30, pytest.param(3_500, marks=pytest.mark.prove)], ids=["few", "many"]
)
any_delays = pytest.mark.parametrize("delays", DELAYS.values(), ids=DELAYS)


@pytest.fixture(autouse=True)
def nobody_to_wake_and_nobody_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave tripwires and fences out: here each minute has its review, and they cost the most."""
    behind = Fence((AbortCriterion(FailureType.ALL, 100, 10_000),), exposed_up_to=0, risk=0)
    monkeypatch.setattr(reviewing, "tripwires", lambda *_: Tripwires())
    monkeypatch.setattr(reviewing, "fence_behind", lambda *_: behind)
    monkeypatch.setattr(reviewing, "guarded", lambda _, rate: rate)


def runs_of(runs: int, failure_rate: float, delays: Delays) -> Iterator[Run]:
    """Yield what became of so many releases with the same failure rate."""
    policy = STEERED if delays.start is None else STEERED_BY_REJECTIONS
    for seed in range(runs):
        yield release(
            policy,
            seed=seed,
            failure_rate=failure_rate,
            delays=delays,
            devices=250,
            minutes=90,
        )


def at_most(risk: float, runs: int) -> float:
    """Return how often something of this risk may happen, sampling error included."""
    return runs * risk + 3 * math.sqrt(runs * risk * (1 - risk))


@few_or_many
@any_delays
def test_a_release_at_the_tolerated_rate_is_rarely_stopped(runs: int, delays: Delays) -> None:
    """The evidence's share of the false-abort risk holds, whatever the order of outcomes."""
    aborted = sum(run.aborted for run in runs_of(runs, RATE, delays))

    assert aborted <= at_most(RISK * EVIDENCE_SHARE, runs)


@few_or_many
@any_delays
def test_the_budget_holds_whatever_the_order_of_outcomes(runs: int, delays: Delays) -> None:
    """What the review lets out could harm no more beyond acceptable than the budget allows."""
    for failure_rate in (0.12, 0.5):
        over = sum(
            (run.exposed - run.leaked) * (failure_rate - RATE) > BUDGET
            for run in runs_of(runs, failure_rate, delays)
        )

        assert over <= at_most(1 - CONFIDENCE, runs)


@any_delays
def test_a_release_that_is_clearly_bad_is_stopped(delays: Delays) -> None:
    """Half the devices failing are found out before the budget is spent many times over."""
    runs = list(runs_of(20, 0.5, delays))

    assert all(run.aborted for run in runs)
    assert all(run.harmed <= BUDGET + run.exposed * RATE + run.leaked for run in runs)


@any_delays
def test_a_good_release_reaches_everybody(delays: Delays) -> None:
    """A release well below the tolerated rate is neither stopped nor starved."""
    assert all(run.completed for run in runs_of(15, 0.005, delays))
