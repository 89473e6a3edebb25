"""How many devices may be exposed by now, and the native rate that gets there."""

import math
from collections.abc import Callable

from tidegate.domain.settings import RATE_PER_MINUTE_MIN

#: Devices that each success makes room for, while the release is not yet established as
#: acceptable: a fleet can grow fivefold per round of outcomes, no faster.
GROWTH_PER_SUCCESS = 4


def exposure_cap(
    *,
    upper_bound: float,
    acceptable_rate: float,
    succeeded: int,
    budget: float,
    first: int,
) -> float:
    """
    Return the number of devices that may be exposed, ``inf`` where nothing limits it.

    ``exposed * (upper_bound - acceptable_rate)`` stays within the budget: harm beyond the
    acceptable rate is then within it too, with the bound's confidence. Exposed, not in flight:
    devices that are silent for long fail with a probability near one, so counting only those
    in flight would understate the harm.
    """
    grown = first + GROWTH_PER_SUCCESS * succeeded
    if upper_bound <= acceptable_rate:
        return math.inf
    return min(float(grown), budget / (upper_bound - acceptable_rate))


#: A hold leaks: AWS's lowest rate is 1 a minute. What so many minutes leak is set aside from the
#: budget, about as long as one generation of devices takes to show its outcomes; but of a small
#: budget no more than half, or nothing could begin.
LEAK_MINUTES = 15


def spendable(budget: float, *, upper_bound: float, doubt: float) -> float:
    """
    Return the part of the budget that may be spent on going on.

    Args:
        budget: Devices harmed beyond the acceptable rate, at most.
        upper_bound: On the failure rate; as many of the leaked devices may be harmed.
        doubt: From 0 to 1.
    """
    leaked = min(upper_bound * RATE_PER_MINUTE_MIN * LEAK_MINUTES, budget / 2)
    return (budget - leaked) * (1 - doubt)


def doubt(log_e: float, abort_at: float) -> float:
    """
    Return how far evidence against the release is on its way to stop it, from 0 to 1.

    Half of the evidence needed to stop a release is enough not to go on with it. A good release
    is hardly ever doubted: its evidence falls with each success.
    """
    return min(1.0, max(0.0, 2 * log_e / abort_at))


def rate_within_drift_budget(
    harmed_at: Callable[[int], float], *, budget: float, max_per_minute: int
) -> int:
    """
    Return the highest rate at which a release that turns bad midway stays within a budget.

    Args:
        harmed_at: Devices harmed until the turn is noticed, at a rate; grows with it.
        budget: Devices.
        max_per_minute: The rate that is never exceeded.
    """
    low, high = 0, max_per_minute
    while low < high:
        middle = (low + high + 1) // 2
        if harmed_at(middle) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def rate_to_reach(cap: float, *, exposed: int, max_per_minute: int) -> int:
    """
    Return the rate that reaches the cap by the next review; 0 where the cap is reached.

    Reviews come a little more often than AWS's minute, so that at most one of its batches falls
    between two of them: one minute's rate is what one batch may hold.
    """
    if cap == math.inf:
        return max_per_minute
    return max(0, min(max_per_minute, math.floor(cap) - exposed))


def native_rate(rate_per_minute: int) -> int:
    """Return what AWS can be told: it has no pause, its lowest rate is 1."""
    return max(RATE_PER_MINUTE_MIN, rate_per_minute)
