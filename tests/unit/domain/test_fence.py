"""The native abort criteria stop a bad release, and leave a tolerable one alone."""

import pytest

from tests.unit.domain.examples import FAILED, POLICY, REJECTED, SUCCEEDED, TIMED_OUT, situation_of
from tidegate.domain.evidence import harm_to_reject
from tidegate.domain.fence import Fence, fence
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.review import review
from tidegate.domain.settings import FailureType

RISK = 0.005


def fence_of(
    *,
    exposed: int = 1000,
    rate: int = 100,
    standing: int | None = None,
    statuses: frozenset[ExecutionStatus] = frozenset({FAILED}),
    attempts: int = 1,
) -> Fence:
    """Return the fence of a release that tolerates 2 %."""
    return fence(
        exposed=exposed,
        rate_per_minute=rate,
        standing_per_minute=rate if standing is None else standing,
        harm_statuses=statuses,
        tolerated_rate=0.02,
        attempts_per_thing=attempts,
        risk=RISK,
    )


def test_each_outcome_that_counts_as_harm_has_a_criterion() -> None:
    """AWS takes one criterion per failure type; the order is always the same."""
    both = fence_of(statuses=frozenset({TIMED_OUT, FAILED}))

    assert [each.failure_type for each in both.criteria] == [
        FailureType.FAILED,
        FailureType.TIMED_OUT,
    ]
    assert len({(c.threshold_percentage, c.min_executed_things) for c in both.criteria}) == 1


def test_all_three_outcomes_are_one_criterion() -> None:
    """Where every kind of failure is harm, AWS adds them up by its own ALL."""
    every = fence_of(statuses=frozenset({FAILED, REJECTED, TIMED_OUT}))

    assert [each.failure_type for each in every.criteria] == [FailureType.ALL]


def test_it_covers_two_batches() -> None:
    """One batch may come before the settings take effect, one before the next ones do."""
    behind = fence_of(exposed=1000, rate=100)

    assert behind.exposed_up_to == 1200
    assert behind.harmed_at == harm_to_reject(1200, 0.02, RISK)
    assert behind.criteria[0].min_executed_things == 600


def test_a_slower_rate_is_fenced_for_a_last_batch_of_the_faster_one() -> None:
    """A batch of the standing rate may come before the lower one takes effect."""
    assert fence_of(exposed=1000, rate=1, standing=400).exposed_up_to == 1401
    assert fence_of(exposed=1000, rate=400, standing=1).exposed_up_to == 1800


def test_a_review_that_slows_down_expects_a_last_fast_batch() -> None:
    """At the cap the rate falls from 500 to 1, but 500 more devices may be on their way."""
    situation = situation_of({SUCCEEDED: 96, FAILED: 4}, queued=900, rate_per_minute=500)
    settings = review(POLICY, situation, now=0).settings

    assert settings.rate_per_minute == 1
    assert settings.abort
    assert settings.abort[0].min_executed_things >= (1000 + 500) / 2


def test_a_threshold_is_rounded_up() -> None:
    """AWS takes two decimals; rounded down, one harmed device less would be enough."""
    for exposed in range(0, 3000, 37):
        behind = fence_of(exposed=exposed)
        minimum = behind.criteria[0].min_executed_things
        exact = 100 * behind.harmed_at / minimum

        assert 0 <= behind.criteria[0].threshold_percentage - exact < 0.01 + 1e-9


def test_attempts_count_each() -> None:
    """AWS counts every failed attempt, so a device with two retries may count three times."""
    assert fence_of(attempts=3).harmed_at == 3 * fence_of(attempts=1).harmed_at


@pytest.mark.parametrize("exposed", [0, 1])
def test_a_few_devices_cannot_be_cut_by_chance(exposed: int) -> None:
    """Where even every device failing proves nothing, the criterion cannot fire yet."""
    behind = fence_of(exposed=exposed, rate=1)

    assert behind.harmed_at > 1
    assert behind.criteria[0].threshold_percentage == 100
    assert behind.criteria[0].min_executed_things == behind.harmed_at
