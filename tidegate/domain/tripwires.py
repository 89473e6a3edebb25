"""
At which counts a new review could decide otherwise.

A tripwire must never lie beyond the count that changes the decision; lying before it only costs a
review. So each is computed for outcomes arriving in the most favourable places at once: where the
``k``-th further outcome cannot change the decision even then, no ``k`` outcomes can.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from tidegate.domain.evidence import (
    BOUND_SHIFTS,
    SHIFTS,
    Bucket,
    Restarting,
    log_e_below,
    log_moment,
    log_restart_weight,
    log_sum_exp,
)

#: Start buckets that may pass before the next review.
_BUCKETS_AHEAD = 10
_LOG_WEIGHT = -math.log(len(SHIFTS))


def harm_to_stop(
    evidence: Restarting, tolerated_rate: float, limit: float, at_most: int
) -> int | None:
    """
    Return the fewest further harmed devices with which the evidence could reach its limit.

    Each further harmed device multiplies a component by no more than its shift says, and a
    component was never larger than its peak; so no order and no start buckets do better. Restarts
    to come see devices only that have not started yet, each of which costs them what it costs.

    Args:
        evidence: As it stands.
        tolerated_rate: That it is held against.
        limit: The log evidence that stops the release.
        at_most: Devices that could still be harmed before the next review.
    """
    # Restarts of the buckets to come, all of them with the first one's weight.
    ahead = log_restart_weight(evidence.buckets) + _LOG_WEIGHT + math.log(_BUCKETS_AHEAD + 1)
    gains = [shift - log_moment(tolerated_rate, shift) for shift in SHIFTS]

    def reaches(more: int) -> bool:
        begun = (peak + more * shift for peak, shift in zip(evidence.peaks, SHIFTS, strict=True))
        to_come = (ahead + more * gain for gain in gains)
        # The weight not spent on restarts adds to any sum of components: at most all of it.
        return log_sum_exp((*begun, *to_come, 0.0)) >= limit

    return fewest(reaches, at_most)


def harm_to_reach(highest: Sequence[float], limit: float, at_most: int) -> int | None:
    """
    Return the fewest further harmed devices with which components could reach a limit together.

    Args:
        highest: Per shift, the largest that a component can be without them.
        limit: The log evidence to be reached.
        at_most: Devices that could still be harmed.
    """

    def reaches(more: int) -> bool:
        grown = (peak + more * shift for peak, shift in zip(highest, SHIFTS, strict=True))
        return log_sum_exp(grown) >= limit

    return fewest(reaches, at_most)


def successes_to_bound(
    buckets: Iterable[Bucket], bound: float, alpha: float, at_most: int
) -> int | None:
    """
    Return the fewest further successes with which the failure rate could be bounded so low.

    Args:
        buckets: In order of start.
        bound: What the upper confidence bound must come down to.
        alpha: One less its confidence.
        at_most: Devices that could still succeed before the next review.
    """
    limit = -math.log(alpha)
    found: int | None = None
    started = cleared = 0
    for bucket in buckets:
        started, cleared = started + bucket.started, cleared + bucket.cleared
        open_or_harmed = started - cleared
        most = open_or_harmed if found is None else min(open_or_harmed, found - 1)

        def bounds(more: int, left: int = open_or_harmed, among: int = started) -> bool:
            return log_e_below(left - more, among, bound, BOUND_SHIFTS) >= limit

        better = fewest(bounds, min(most, at_most))
        found = better if better is not None else found
    # Devices that start and succeed from now on lengthen the longest prefix.
    left, among = started - cleared, started

    def bounds_later(more: int) -> bool:
        earlier = min(more, left)
        return log_e_below(left - earlier, among + more - earlier, bound, BOUND_SHIFTS) >= limit

    later = fewest(bounds_later, at_most if found is None else min(at_most, found - 1))
    return later if later is not None else found


def fewest(changes: Callable[[int], bool], at_most: int) -> int | None:
    """Return the smallest number of further outcomes that changes it, None if none does."""
    if at_most < 1 or not changes(at_most):
        return None
    low, high = 1, at_most
    while low < high:
        middle = (low + high) // 2
        if changes(middle):
            high = middle
        else:
            low = middle + 1
    return low
