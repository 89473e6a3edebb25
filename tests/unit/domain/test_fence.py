"""The native abort criteria stop a bad release, and leave a tolerable one alone."""

import math
from dataclasses import replace

import pytest

from tests.unit.domain.examples import FAILED, POLICY, REJECTED, SUCCEEDED, TIMED_OUT, situation_of
from tidegate.domain.evidence import harm_to_reject
from tidegate.domain.fence import TARGETS, Behind, Fence, fence, harmed_unattended
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.review import review
from tidegate.domain.settings import AbortCriterion, FailureType
from tidegate.domain.weigh import FENCE_SHARE

RISK = 0.005
TOLERATED = 0.02
#: A rollout on its way: 1,000 devices notified, 100 a minute, half an hour in flight at the most.
ON_ITS_WAY = Behind(
    exposed=1000, rate_per_minute=100, standing_per_minute=100, minutes_in_flight=30
)


def fence_of(
    behind: Behind = ON_ITS_WAY,
    *,
    statuses: frozenset[ExecutionStatus] = frozenset({FAILED, TIMED_OUT}),
    risk: float = RISK,
) -> Fence:
    """Return the fence of a release that tolerates 2 %."""
    return fence(behind, harm_statuses=statuses, tolerated_rate=TOLERATED, risk=risk)


def of_type(behind: Fence, failure_type: FailureType) -> AbortCriterion:
    """Return the criterion of a failure type."""
    (found,) = (each for each in behind.criteria if each.failure_type is failure_type)
    return found


def exact(behind: Behind, executed: int) -> float:
    """Return the ratio, in percent, that a tolerable release stays below from so many on."""

    def harmed(started: float) -> int:
        return harm_to_reject(math.ceil(started), TOLERATED, RISK)

    ratio = harmed(executed + behind.in_flight_unattended) / executed
    if executed <= behind.exposed_up_to:
        ratio = max(ratio, harmed(behind.exposed_up_to) / executed)
    return 100 * min(1.0, behind.attempts_per_thing * ratio)


@pytest.mark.parametrize(
    ("statuses", "types"),
    [
        ({FAILED}, ["ALL", "FAILED"]),
        ({TIMED_OUT, FAILED}, ["ALL", "TIMED_OUT", "FAILED"]),
        ({REJECTED, TIMED_OUT}, ["ALL", "TIMED_OUT", "REJECTED"]),
        ({REJECTED, TIMED_OUT, FAILED}, ["ALL", "TIMED_OUT", "FAILED", "REJECTED"]),
    ],
)
def test_each_outcome_that_counts_as_harm_has_a_criterion(
    statuses: set[ExecutionStatus], types: list[str]
) -> None:
    """AWS takes one criterion per failure type, always in the same order; ALL guards the sum."""
    criteria = fence_of(statuses=frozenset(statuses)).criteria

    assert [each.failure_type.value for each in criteria] == types


def test_what_fails_outright_is_cut_after_few_executions_what_fails_a_little_after_many() -> None:
    """Each criterion is the earliest of those that aim at its ratio, so they share the work."""
    by_type = fence_of(replace(ON_ITS_WAY, exposed=0, minutes_in_flight=10)).criteria

    ratios = [each.threshold_percentage for each in by_type]
    minimums = [each.min_executed_things for each in by_type]
    assert ratios == sorted(ratios)
    assert minimums == sorted(minimums, reverse=True)
    for ratio, target in zip(ratios, TARGETS, strict=True):
        assert ratio <= 100 * target * TOLERATED + 0.01


def test_rejections_are_cut_as_soon_as_failures() -> None:
    """Devices reject at once, as they fail at once: both aim at what fails outright."""
    every = fence_of(statuses=frozenset({FAILED, REJECTED, TIMED_OUT}))
    failed, rejected = (of_type(every, each) for each in (FailureType.FAILED, FailureType.REJECTED))

    assert rejected.threshold_percentage == failed.threshold_percentage
    assert rejected.min_executed_things == failed.min_executed_things


def test_what_is_harmed_of_cohorts_set_apart_is_let_through_on_top() -> None:
    """AWS counts them too: the ratios stay where they were, the fewest executions grow."""
    alone, beside = fence_of(), fence_of(replace(ON_ITS_WAY, apart=60))

    for before, after in zip(alone.criteria, beside.criteria, strict=True):
        assert after.min_executed_things > before.min_executed_things
        assert after.threshold_percentage <= 1.1 * before.threshold_percentage
        fires_at = after.threshold_percentage * after.min_executed_things / 100
        assert fires_at >= 60 + harm_to_reject(ON_ITS_WAY.exposed_up_to, TOLERATED, RISK)


def test_what_is_let_through_for_cohorts_set_apart_is_part_of_the_harm_unattended() -> None:
    """So that the rate behind which nobody may be left is lowered for it."""
    alone, beside = fence_of(), fence_of(replace(ON_ITS_WAY, apart=60))

    assert harmed_unattended(beside, 100, 0.5, (30, 30)) > harmed_unattended(
        alone, 100, 0.5, (30, 30)
    )


def test_the_lowest_ratio_is_named() -> None:
    """Charts show the criterion that finds the slightest excess."""
    behind = fence_of()

    assert behind.lowest.failure_type is FailureType.ALL
    assert behind.lowest.threshold_percentage == min(
        each.threshold_percentage for each in behind.criteria
    )


def test_it_covers_two_batches() -> None:
    """One batch may come before the settings take effect, one before the next ones do."""
    assert fence_of(ON_ITS_WAY).exposed_up_to == 1200
    assert fence_of().risk == RISK


def test_a_slower_rate_is_fenced_for_a_last_batch_of_the_faster_one() -> None:
    """A batch of the standing rate may come before the lower one takes effect."""
    slower = replace(ON_ITS_WAY, rate_per_minute=1, standing_per_minute=400)
    faster = replace(ON_ITS_WAY, rate_per_minute=400, standing_per_minute=1)

    assert slower.exposed_up_to == 1401
    assert faster.exposed_up_to == 1800


def test_a_review_that_slows_down_expects_a_last_fast_batch() -> None:
    """At the cap the rate falls from 500 to 1, but 500 more devices may be on their way."""
    situation = situation_of({SUCCEEDED: 96, FAILED: 4}, queued=900, rate_per_minute=500)
    decision = review(POLICY, situation, now=0)
    harm = POLICY.harm

    assert decision.settings.rate_per_minute == 1
    assert decision.settings.abort
    for each in decision.settings.abort:
        if each.min_executed_things <= 1000 + 500 + 1:
            least = harm_to_reject(
                1000 + 500 + 1, harm.tolerated_rate, harm.false_abort_risk * FENCE_SHARE
            )
            assert each.threshold_percentage * each.min_executed_things / 100 >= least


def test_in_flight_devices_may_all_be_good() -> None:
    """The slower devices report, the more of them can be in flight, the weaker the criteria."""
    quick = fence_of(replace(ON_ITS_WAY, minutes_in_flight=5))
    slow = fence_of(replace(ON_ITS_WAY, minutes_in_flight=60))

    for early, late in zip(quick.criteria, slow.criteria, strict=True):
        assert early.min_executed_things <= late.min_executed_things


def test_what_is_in_flight_now_counts_though_the_rate_falls() -> None:
    """A slow rate keeps few devices in flight, but those of the fast one are still out."""
    few = replace(ON_ITS_WAY, rate_per_minute=1, minutes_in_flight=9)

    assert few.in_flight_unattended == 9 + 3 * 3
    assert replace(few, in_flight=700).in_flight_unattended == 700
    assert replace(few, minutes_in_flight=math.inf).in_flight_unattended == math.inf


@pytest.mark.parametrize("minutes_in_flight", [1.0, 30.0, 200.0])
@pytest.mark.parametrize("attempts", [1, 3])
def test_a_threshold_is_rounded_up(minutes_in_flight: float, attempts: int) -> None:
    """AWS takes two decimals; rounded down, one harmed device less would be enough."""
    for exposed in range(0, 3000, 137):
        behind = replace(
            ON_ITS_WAY,
            exposed=exposed,
            minutes_in_flight=minutes_in_flight,
            attempts_per_thing=attempts,
        )
        for criterion in fence_of(behind).criteria:
            above = criterion.threshold_percentage - exact(behind, criterion.min_executed_things)
            assert -1e-9 < above < 0.01 + 1e-9


def test_attempts_count_each() -> None:
    """AWS counts every failed attempt, so a device with two retries may count three times."""
    once = fence_of(statuses=frozenset({FAILED}))
    thrice = fence_of(replace(ON_ITS_WAY, attempts_per_thing=3), statuses=frozenset({FAILED}))

    for one, other in zip(once.criteria, thrice.criteria, strict=True):
        assert other.min_executed_things > one.min_executed_things


def test_a_fleet_too_small_for_the_line_is_still_fenced() -> None:
    """No criterion waits for more than half the fleet, unless reviews come before that many."""
    known = replace(ON_ITS_WAY, exposed=0, minutes_in_flight=600, fleet_size=4000)

    for criterion in fence_of(known).criteria:
        assert criterion.min_executed_things <= 1.15 * 2000 + 1
    hopeless = fence_of(replace(known, minutes_in_flight=math.inf))
    for criterion in hopeless.criteria:
        assert criterion.threshold_percentage == 100
        assert 2000 <= criterion.min_executed_things <= 1.15 * 2000 + 1
    unknown = fence_of(replace(known, fleet_size=None))
    assert unknown.criteria[0].min_executed_things > 4000


@pytest.mark.parametrize("tolerated", [0.15, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("minutes_in_flight", [1.0, 60.0, math.inf])
def test_a_ratio_that_none_exceeds_does_not_fire_at_once(
    tolerated: float, minutes_in_flight: float
) -> None:
    """Aiming at seven times a high rate must not let the first device that fails cut the job."""
    behind = replace(ON_ITS_WAY, minutes_in_flight=minutes_in_flight, fleet_size=5000)
    stands = fence(behind, harm_statuses=frozenset({FAILED}), tolerated_rate=tolerated, risk=RISK)

    for criterion in stands.criteria:
        failures = criterion.threshold_percentage / 100 * criterion.min_executed_things
        started = criterion.min_executed_things + math.ceil(min(5000, behind.in_flight_unattended))
        assert failures >= harm_to_reject(min(5000, started), tolerated, RISK) - 1e-9


@pytest.mark.parametrize("exposed", [0, 1])
def test_a_few_devices_cannot_be_cut_by_chance(exposed: int) -> None:
    """Where every device failing proves nothing yet, the criterion cannot fire either."""
    behind = replace(ON_ITS_WAY, exposed=exposed, rate_per_minute=1, standing_per_minute=1)

    for criterion in fence_of(behind).criteria:
        failures = criterion.threshold_percentage / 100 * criterion.min_executed_things
        assert failures >= harm_to_reject(behind.exposed_up_to, TOLERATED, RISK) - 1e-9
        assert failures >= harm_to_reject(criterion.min_executed_things, TOLERATED, RISK) - 1e-9


def test_outcomes_that_the_policy_does_not_mind_cannot_cut_while_reviews_come() -> None:
    """ALL counts rejections too; a burst of them is no reason to stop the release."""
    behind = replace(ON_ITS_WAY, executed=500, others=50)

    lenient = of_type(fence_of(behind), FailureType.ALL)
    assert lenient.min_executed_things > behind.exposed_up_to
    strict = of_type(
        fence_of(behind, statuses=frozenset({FAILED, REJECTED, TIMED_OUT})), FailureType.ALL
    )
    assert strict.min_executed_things < lenient.min_executed_things


def test_outcomes_that_the_policy_does_not_mind_are_allowed_for_later() -> None:
    """One device in ten rejects: the ratio of ALL lies by so much above that of harm alone."""
    none = of_type(fence_of(replace(ON_ITS_WAY, executed=500)), FailureType.ALL)
    some = of_type(fence_of(replace(ON_ITS_WAY, executed=500, others=50)), FailureType.ALL)

    assert some.threshold_percentage >= 10 + 100 * TOLERATED
    assert some.threshold_percentage > none.threshold_percentage


def test_a_criterion_begins_with_what_is_executed_already() -> None:
    """Ratios of fewer executions than there have been would promise what cannot be any more."""
    behind = replace(ON_ITS_WAY, exposed=100_000, executed=90_000)

    for criterion in fence_of(behind).criteria:
        assert criterion.min_executed_things >= 90_000


def test_a_smaller_risk_is_a_higher_line() -> None:
    """What may be cut less often by chance is cut later, if it is bad."""
    daring, careful = fence_of(risk=0.05), fence_of(risk=0.0005)

    for one, other in zip(daring.criteria, careful.criteria, strict=True):
        assert one.min_executed_things < other.min_executed_things


def test_a_release_left_alone_harms_until_a_criterion_fires() -> None:
    """
    The stated harm is that of a rate which goes on, with the delays that are given.

    At 10 a minute, of which half fail at once and half succeed after 8 minutes, 5 failures and,
    from the ninth minute on, 5 successes come in a minute: 100 are executed after 14 minutes, when
    70 have failed.
    """
    behind = Fence((AbortCriterion(FailureType.FAILED, 60, 100),), exposed_up_to=0, risk=RISK)
    delays = (4.0, 0.0)

    assert harmed_unattended(behind, 10, 0.5, delays) == math.inf
    lower = Fence((AbortCriterion(FailureType.FAILED, 40, 100),), exposed_up_to=0, risk=RISK)
    assert harmed_unattended(lower, 10, 0.5, delays) == pytest.approx(0.5 * (100 + 40 + 10))


def test_the_first_criterion_to_fire_limits_the_harm_of_a_release_left_alone() -> None:
    """Criteria above the failure rate never fire; of the others the earliest counts."""
    high, low, late = (
        AbortCriterion(FailureType.FAILED, 90, 10),
        AbortCriterion(FailureType.TIMED_OUT, 20, 50),
        AbortCriterion(FailureType.ALL, 10, 5000),
    )
    both = Fence((high, low, late), exposed_up_to=0, risk=RISK)
    alone = Fence((low,), exposed_up_to=0, risk=RISK)

    assert harmed_unattended(both, 10, 0.5, (10, 10)) == harmed_unattended(alone, 10, 0.5, (10, 10))


def test_the_harm_of_a_release_left_alone_is_what_arrivals_add_up_to() -> None:
    """
    Half of 10 devices a minute fail after an hour, the others succeed at once.

    When 675 have started, 37 have failed and 338 have succeeded: a tenth of all are failures.
    """
    behind = Fence((AbortCriterion(FailureType.TIMED_OUT, 10, 10),), exposed_up_to=0, risk=RISK)
    started = (0.5 * 10 * 60 - 0.1 * 10 * 30) / (0.5 - 0.1)

    assert harmed_unattended(behind, 10, 0.5, (30, 60)) == pytest.approx(0.5 * (started + 10))


def test_what_is_not_known_of_a_rollout_is_nothing() -> None:
    """A job that is being created has executed nothing, and how long devices take is open."""
    fresh = Behind(exposed=0, rate_per_minute=5, standing_per_minute=5)

    assert (fresh.executed, fresh.others, fresh.in_flight, fresh.attempts_per_thing) == (0, 0, 0, 1)
    assert (fresh.minutes_in_flight, fresh.fleet_size) == (math.inf, None)


def test_failures_that_come_last_are_waited_for() -> None:
    """A ratio of arrivals says nothing before failures arrive: an hour's devices are out then."""
    behind = Fence((AbortCriterion(FailureType.TIMED_OUT, 10, 10),), exposed_up_to=0, risk=RISK)

    assert harmed_unattended(behind, 10, 0.2, (10, 60)) >= 0.2 * 10 * 60
    assert harmed_unattended(behind, 10, 0.2, (10, 60)) > harmed_unattended(
        behind, 10, 0.2, (10, 20)
    )
