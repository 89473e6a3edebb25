"""How many devices may be exposed by now, and the native rate that gets there."""

import math

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
