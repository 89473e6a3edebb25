"""
At which counts a new review could decide otherwise.

A tripwire must never lie beyond the count that changes the decision; lying before it only costs a
review. So each is computed for outcomes arriving in the most favourable places at once: where the
``k``-th further outcome cannot change the decision even then, no ``k`` outcomes can.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tidegate.domain.case import Case, all_notified, batches_ahead, finished, reachable
from tidegate.domain.cohorts import Tally, limit_of_each, share_in
from tidegate.domain.evidence import (
    BOUND_SHIFTS,
    SHIFTS,
    Bucket,
    Restarting,
    log_components,
    log_e_above,
    log_e_below,
    log_e_totals,
    log_moment,
    log_restart_weight,
    log_sum_exp,
)
from tidegate.domain.pace import GROWTH_PER_SUCCESS
from tidegate.domain.policy import devices_of_share
from tidegate.domain.rollout import Tripwires
from tidegate.domain.weigh import COHORTS_SHARE

#: Batches of devices that AWS may notify before a review that comes late, beyond those that are
#: reckoned with.
BATCHES_MORE = 1
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


def tripwires(case: Case) -> Tripwires:
    """Return the counts of harmed and succeeded things at which the next review is due."""
    evidence = case.evidence
    without_outcome = evidence.exposed - evidence.harmed - evidence.cleared
    batches = batches_ahead(case) + BATCHES_MORE
    undecided = without_outcome + batches * case.policy.pace.max_per_minute
    harmed = min(
        (each for each in _harm_to_stop(case, undecided) if each is not None), default=None
    )
    succeeded = (
        _successes_to_complete(case) if all_notified(case) else _successes_to_go_on(case, undecided)
    )
    return Tripwires(
        harmed=None if harmed is None else evidence.harmed + harmed,
        succeeded=None if succeeded is None else evidence.succeeded + succeeded,
    )


def _harm_to_stop(case: Case, undecided: int) -> Iterator[int | None]:
    """Yield, for each way of stopping a release, the fewest further harmed that could do it."""
    evidence, weighed, harm = case.evidence, case.weighed, case.policy.harm
    limit, rate = evidence.abort_at, harm.tolerated_rate

    def by_totals(more: int) -> bool:
        return log_e_totals(evidence.harmed + more, evidence.started, rate) >= limit

    def by_exposed(more: int) -> bool:
        return log_e_totals(evidence.harmed + more, evidence.exposed, rate) >= limit

    def by_late(more: int) -> bool:
        harmed = evidence.late_harmed + more
        started = max(harmed, evidence.late_started)
        return log_e_above(harmed, started, harm.tolerated_late) >= weighed.late_limit

    rejects = harm.statuses != harm.once_started
    if weighed.restarting is None:
        yield fewest(by_totals, undecided)
    else:
        higher = limit + math.log(2.0) if rejects else limit
        yield harm_to_stop(weighed.restarting, rate, higher, undecided)
        yield fewest(by_late, undecided)
    if rejects:
        yield fewest(by_exposed, undecided)
    for cohorts in weighed.tallies.values():
        if cohorts:
            at = limit_of_each(harm.false_abort_risk * COHORTS_SHARE, len(weighed.tallies))
            highest = [max(each) for each in zip(*_cohorts_peaks(cohorts, rate), strict=True)]
            yield harm_to_reach(highest, at, undecided)


def _cohorts_peaks(cohorts: Mapping[str, Tally], rate: float) -> Iterator[list[float]]:
    """
    Yield the components of each cohort's evidence, for each prefix, less what its share costs.

    What becomes known of devices meanwhile, with no outcome more, is for the next review to find.
    """
    for name, tally in cohorts.items():
        share = math.log(share_in(cohorts, name))
        for started, harmed in ((0, 0), *tally.looks):
            yield [each + share for each in log_components(harmed, started, rate)]


def _successes_to_complete(case: Case) -> int | None:
    """Return the fewest further successes that reach the share which completes the rollout."""
    evidence, share = case.evidence, case.policy.complete.at
    lacking = devices_of_share(share, evidence.exposed) - finished(case)
    # Once it is reached, further successes change nothing.
    return lacking if share < 1 and lacking > 0 else None


def _successes_to_go_on(case: Case, undecided: int) -> int | None:
    """Return the fewest further successes that could make room for one more device."""
    evidence, acceptable = case.evidence, case.policy.harm.acceptable_rate
    if reachable(case) > 0 or case.passage.at is not None:
        return None
    # Doubt may be gone by then, and what a hold leaks may harm nobody: all of the budget counts.
    needed = acceptable + case.situation.budget / (evidence.exposed + 1)
    by_bound = _successes_to_bound(case, needed, undecided)
    first = case.policy.pace.start_per_minute
    lacking = evidence.exposed + 1 - first - GROWTH_PER_SUCCESS * evidence.succeeded
    by_growth = math.ceil(lacking / GROWTH_PER_SUCCESS)
    if by_bound is None or by_growth <= by_bound:
        return by_bound
    # Once the rate is established, growth limits nothing.
    established = _successes_to_bound(case, acceptable, undecided)
    return by_growth if established is None else min(by_growth, established)


def _successes_to_bound(case: Case, bound: float, undecided: int) -> int | None:
    """Return the fewest further successes, at least one, with which the rate is bounded so low."""
    if case.evidence.upper_bound <= bound:
        return 1
    return successes_to_bound(case.weighed.buckets, bound, case.weighed.bound_alpha, undecided)
