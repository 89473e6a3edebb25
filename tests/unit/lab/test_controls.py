"""Rates and abort criteria as AWS IoT Jobs works them out, on cases small enough to do by hand."""

from dataclasses import replace

import pytest

from tidegate.domain.settings import AbortCriterion, ExponentialRate, FailureType
from tidegate.lab.behaviours import (
    AWS_LIKE,
    Behaviours,
    Comparison,
    Denominator,
    Minimum,
    Rounding,
)
from tidegate.lab.controls import Controls, JobCounters, grown, is_met
from tidegate.lab.rule import Order

DOUBLING = ExponentialRate(50, 2.0, notified_things=1000)


def climbed(
    rate: ExponentialRate, maximum: int, count: int, rounding: Rounding = Rounding.FLOOR
) -> int:
    """Return the rate once a count is reached, of whichever thing it counts."""
    return grown(rate, maximum, notified=count, succeeded=count, rounding=rounding)


@pytest.mark.parametrize(
    ("notified", "rate_per_minute"),
    [(0, 50), (999, 50), (1000, 100), (1999, 100), (2000, 200), (3000, 400), (4000, 800)],
)
def test_a_rate_grows_at_each_multiple(notified: int, rate_per_minute: int) -> None:
    """Thresholds are linear in the count while rates are geometric, as in AWS's own table."""
    assert climbed(DOUBLING, 1000, notified) == rate_per_minute


@pytest.mark.parametrize("notified", [5000, 6000, 10**9])
def test_a_rate_ends_at_its_maximum(notified: int) -> None:
    """Growth never exceeds the maximum, however many steps there were."""
    assert climbed(DOUBLING, 1000, notified) == 1000
    assert climbed(replace(DOUBLING, increment_factor=5.0), 777, notified) == 777


def test_a_rate_may_grow_with_successes() -> None:
    """What was notified makes no difference to a ladder of successes."""
    rate = ExponentialRate(10, 1.5, succeeded_things=100)

    assert grown(rate, 1000, notified=5000, succeeded=99, rounding=Rounding.FLOOR) == 10
    assert grown(rate, 1000, notified=5000, succeeded=200, rounding=Rounding.FLOOR) == 22


def test_rounding_is_of_fractions_only() -> None:
    """22.5 a minute are 22 or 23, while 15 stay 15 whatever powers of decimals come to."""
    rate = ExponentialRate(10, 1.5, notified_things=100)

    assert climbed(rate, 1000, 200, Rounding.FLOOR) == 22
    assert climbed(rate, 1000, 200, Rounding.CEILING) == 23
    for steps in range(4):
        exact = replace(rate, base_rate_per_minute=1000, increment_factor=1.1)
        for rounding in Rounding:
            expected = [1000, 1100, 1210, 1331][steps]
            assert climbed(exact, 10_000, 100 * steps, rounding) == expected


FIFTH = AbortCriterion(FailureType.ALL, 20.0, 100)


def counted(succeeded: int, failed: int, **others: int) -> JobCounters:
    """Return counters of a job that has notified 1000."""
    return JobCounters(notified=1000, succeeded=succeeded, failed=failed, **others)


@pytest.mark.parametrize(
    ("counters", "met"),
    [
        (counted(79, 20), False),  # 99 executed
        (counted(80, 20), True),
        (counted(81, 20), False),  # 19.8 %
        (counted(0, 100), True),
        (counted(80, 5, timed_out=10, rejected=5), True),
        (counted(0, 0), False),
    ],
)
def test_a_criterion_is_a_percentage_of_what_is_executed(
    counters: JobCounters, *, met: bool
) -> None:
    """It looks at nothing before the minimum, then compares failures with all outcomes."""
    assert is_met(FIFTH, counters, AWS_LIKE) is met


@pytest.mark.parametrize("failure_type", list(FailureType))
def test_a_criterion_counts_its_own_type_of_failure(failure_type: FailureType) -> None:
    """FAILED counts what failed, and so on; ALL counts all three."""
    criterion = AbortCriterion(failure_type, 10.0, 100)
    by_type = {"failed": FailureType.FAILED, "timed_out": FailureType.TIMED_OUT}
    for name in ("failed", "timed_out", "rejected"):
        counters = replace(JobCounters(notified=100, succeeded=90), **{name: 10})
        counts = failure_type in {FailureType.ALL, by_type.get(name, FailureType.REJECTED)}
        assert is_met(criterion, counters, AWS_LIKE) is counts


def test_whether_canceled_executions_dilute_failures() -> None:
    """Of 100 reported and 100 canceled, 20 failures are a fifth or a tenth."""
    counters = counted(80, 20, canceled=100)
    diluted = Behaviours(abort_denominator=Denominator.REPORTED_AND_CANCELED)

    assert is_met(FIFTH, counters, AWS_LIKE)
    assert not is_met(FIFTH, counters, diluted)
    assert is_met(FIFTH, replace(counters, canceled=0), diluted)


def test_whether_the_threshold_itself_is_enough() -> None:
    """Exactly 20 % meet ">=" but not ">"; a failure more meets both."""
    beyond = Behaviours(abort_compare=Comparison.MORE_THAN)

    assert is_met(FIFTH, counted(80, 20), AWS_LIKE)
    assert not is_met(FIFTH, counted(80, 20), beyond)
    assert is_met(FIFTH, counted(80, 21), beyond)


def test_whether_the_minimum_counts_notified_devices() -> None:
    """With 1000 notified and 10 executed, the minimum of 100 is reached or is not."""
    by_notified = Behaviours(abort_minimum_counts=Minimum.NOTIFIED)

    assert not is_met(FIFTH, counted(8, 2), AWS_LIKE)
    assert is_met(FIFTH, counted(8, 2), by_notified)
    assert not is_met(FIFTH, counted(0, 0), by_notified), "nothing executed is no failure"
    assert not is_met(FIFTH, replace(counted(8, 2), notified=99), by_notified)


def rates(behaviours: Behaviours, *orders: Order, notified: int = 0) -> list[int]:
    """Return the rate of each minute, with an order before each batch."""
    controls, taken = Controls(behaviours), []
    counters = JobCounters(notified=notified)
    for order in orders:
        controls.update(order, counters)
        taken.append(controls.rate_per_minute(counters))
        counters = replace(counters, notified=counters.notified + taken[-1])
        controls.tick(counters)
    return taken


def test_an_update_takes_effect_with_its_batch_or_so_many_later() -> None:
    """What a minute's batch goes by is what it was told right then, unless updates lag."""
    orders = (Order(10), Order(20), Order(20), Order(5), Order(5))

    assert rates(AWS_LIKE, *orders) == [10, 20, 20, 5, 5]
    assert rates(Behaviours(update_lag_minutes=1), *orders) == [10, 10, 20, 20, 5]


def test_criteria_take_effect_with_the_rate() -> None:
    """New criteria stand once the lag of their update has passed."""
    controls = Controls(Behaviours(update_lag_minutes=1))
    controls.update(Order(10), JobCounters())
    controls.update(Order(10, criteria=(FIFTH,)), JobCounters())
    assert FIFTH not in controls.standing.criteria
    controls.tick(JobCounters())
    assert FIFTH in controls.standing.criteria


def test_an_update_may_reset_the_ladder() -> None:
    """A ladder begun at 3000 notified devices is three steps up, or starts anew."""
    climbing = Order(1000, exponential=DOUBLING)
    raised = Order(900, exponential=DOUBLING)

    assert rates(AWS_LIKE, climbing, raised, raised, notified=3000) == [400, 400, 400]
    resets = Behaviours(update_resets_ladder=True)
    assert rates(resets, climbing, raised, raised, notified=3000) == [400, 50, 50]
    other_criteria = replace(climbing, criteria=(FIFTH,))
    assert rates(resets, climbing, other_criteria, other_criteria, notified=3000) == [400] * 3


def test_a_constant_rate_replaces_a_growing_one_or_only_bounds_it() -> None:
    """Over an exponential rate, a maximum alone makes a constant rate, or a lower ceiling."""
    orders = (Order(1000, exponential=DOUBLING), Order(500), Order(500))

    assert rates(AWS_LIKE, *orders) == [50, 500, 500]
    merges = Behaviours(update_replaces_rollout_object=False)
    assert rates(merges, *orders) == [50, 50, 50]


def test_a_pause_is_a_rate_of_nothing() -> None:
    """Products that can pause order 0, also where the rate would grow."""
    assert rates(AWS_LIKE, Order(0, exponential=DOUBLING), Order(0)) == [0, 0]
