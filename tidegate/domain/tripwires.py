"""
At which counts a new review could decide otherwise.

A tripwire must never lie beyond the count that changes the decision; lying before it only costs a
review. So each is computed for outcomes arriving in the most favourable places at once, from
devices that have started and from devices that have not: where the ``k``-th further outcome cannot
change the decision even then, no ``k`` outcomes can.
"""

from collections.abc import Callable, Sequence

from tidegate.domain.decision import Evidence
from tidegate.domain.evidence import (
    Bucket,
    log_e_in_both_orders,
    log_e_restarting,
    log_e_totals,
    pessimistic_upper_bound,
)
from tidegate.domain.pace import exposure_cap
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import Tripwires

#: Batches of devices that AWS may notify before the next review, at the most.
BATCHES_AHEAD = 2
#: Start buckets that may pass before the next review; with each, evidence of a fresh start weighs
#: a little more.
_PASSING = [Bucket(0, 0, 0)] * 10


def tripwires(
    policy: Policy, evidence: Evidence, buckets: Sequence[Bucket], budget: float
) -> Tripwires:
    """Return the counts of harmed and succeeded things at which the next review is due."""
    harm = policy.harm
    without_outcome = evidence.exposed - evidence.harmed - evidence.cleared
    undecided = without_outcome + BATCHES_AHEAD * policy.pace.max_per_minute

    def aborts(more: int) -> bool:
        harmed, newly_started = evidence.harmed + more, max(0, more - evidence.in_flight)
        if evidence.counters_only:
            log_e = log_e_totals(harmed, evidence.started + newly_started, harm.tolerated_rate)
        else:
            worse = (_with_more(bucket, harmed=more) for bucket in buckets)
            newest = Bucket(more, more, 0)
            log_e = log_e_restarting([*worse, *_PASSING, newest], harm.tolerated_rate)
        if harm.statuses != harm.once_started:
            log_e = log_e_in_both_orders(log_e, harmed, evidence.exposed, harm.tolerated_rate)
        return log_e >= evidence.abort_at

    def unblocks(more: int) -> bool:
        better = [*(_with_more(bucket, cleared=more) for bucket in buckets), Bucket(more, 0, more)]
        cap = exposure_cap(
            upper_bound=pessimistic_upper_bound(better, 1 - harm.confidence, evidence.upper_bound),
            acceptable_rate=harm.acceptable_rate,
            succeeded=evidence.succeeded + more,
            budget=budget,
            first=policy.pace.start_per_minute,
        )
        return cap >= evidence.exposed + 1

    harmed = _fewest(aborts, undecided)
    succeeded = None if unblocks(0) else _fewest(unblocks, undecided)
    return Tripwires(
        harmed=None if harmed is None else evidence.harmed + harmed,
        succeeded=None if succeeded is None else evidence.succeeded + succeeded,
    )


def _with_more(bucket: Bucket, *, harmed: int = 0, cleared: int = 0) -> Bucket:
    """Return the bucket with up to so many of its devices in flight decided."""
    return Bucket(
        bucket.started,
        bucket.harmed + min(harmed, bucket.in_flight),
        bucket.cleared + min(cleared, bucket.in_flight),
    )


def _fewest(changes: Callable[[int], bool], at_most: int) -> int | None:
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
