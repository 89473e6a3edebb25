"""
Evidence about a release's failure rate that stays valid under continuous looking and late outcomes.

One statistic serves both directions: a finite mixture of Bernoulli likelihood ratios over
log-odds shifts. It depends on data only through counts, so the order and batching of outcomes
never matter. By Ville's inequality the chance that it *ever* reaches ``1 / alpha`` is at most
``alpha`` while its hypothesis holds, however often it is looked at.

Outcomes come late, failures latest of all. So devices are ordered by when they *started*, and
those in flight count for the benefit of the doubt: as successes when the question is "stop?", as
failures when the question is "is it safe?". Each answer is then valid for any law of delays.

All evidence is a natural logarithm. Sources: Ville 1939; Robbins 1970; Howard, Ramdas, McAuliffe
and Sekhon 2021 (Annals of Statistics 49); decision record 0004.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

#: Log-odds shifts from an odds ratio of 1.4 to one of 2750, in steps of a factor sqrt(2).
SHIFTS = tuple(0.35 * math.sqrt(2.0) ** k for k in range(10))
_LOG_WEIGHT = -math.log(len(SHIFTS))
_BISECTIONS_MAX = 60
_TOLERANCE = 1e-12
#: Stands for 1: outcomes that do not contradict this rate leave no upper bound below 1.
_ALMOST_ONE = 1.0 - 1e-15


@dataclass(frozen=True, slots=True)
class Bucket:
    """
    Devices that started in the same span of time.

    Attributes:
        started: All of them.
        harmed: Those whose outcome is known and counts as harm.
        cleared: Those whose outcome is known and does not.
    """

    started: int
    harmed: int
    cleared: int

    @property
    def in_flight(self) -> int:
        """Those whose outcome is not known."""
        return self.started - self.harmed - self.cleared


def log_sum_exp(terms: Iterable[float]) -> float:
    """Return log(sum(exp(term))) without overflow; -inf for no terms or only -inf."""
    values = list(terms)
    largest = max(values, default=-math.inf)
    if largest == -math.inf:
        return -math.inf
    return largest + math.log(math.fsum(math.exp(value - largest) for value in values))


def _log_add(one: float, other: float) -> float:
    """Return log(exp(one) + exp(other)); at least one of them is finite."""
    larger, smaller = (one, other) if one >= other else (other, one)
    return larger + math.log1p(math.exp(smaller - larger))


def _log_moment(rate: float, shift: float) -> float:
    """Return log E[exp(shift * X)] for a Bernoulli X: what one device costs a component."""
    return math.log1p(rate * math.expm1(shift))


def log_e_above(harmed: float, started: float, rate: float) -> float:
    """Return the log evidence against "every device fails with at most this probability"."""
    return log_sum_exp(
        _LOG_WEIGHT + harmed * shift - started * _log_moment(rate, shift) for shift in SHIFTS
    )


def log_e_below(harmed: float, started: float, rate: float) -> float:
    """Return the log evidence against "every device fails with at least this probability"."""
    return log_sum_exp(
        _LOG_WEIGHT - harmed * shift - started * _log_moment(rate, -shift) for shift in SHIFTS
    )


def lower_bound(harmed: int, started: int, alpha: float) -> float:
    """Return the lower confidence bound on the rate, valid at all times with 1 - alpha."""
    if harmed <= 0:
        return 0.0
    low, high, limit = 0.0, harmed / started, -math.log(alpha)
    for _ in range(_BISECTIONS_MAX):
        if high - low <= _TOLERANCE:
            break
        middle = (low + high) / 2
        if log_e_above(harmed, started, middle) >= limit:
            low = middle
        else:
            high = middle
    return low


def upper_bound(harmed: int, started: int, alpha: float) -> float:
    """Return the upper confidence bound on the rate, valid at all times with 1 - alpha."""
    limit = -math.log(alpha)
    if started <= 0 or harmed >= started or log_e_below(harmed, started, _ALMOST_ONE) < limit:
        return 1.0
    low, high = harmed / started, 1.0
    for _ in range(_BISECTIONS_MAX):
        if high - low <= _TOLERANCE:
            break
        middle = (low + high) / 2
        if log_e_below(harmed, started, middle) >= limit:
            high = middle
        else:
            low = middle
    return high


def log_restart_weight(index: int) -> float:
    """Return the log prior weight of a release turning bad at the bucket of this index."""
    return -math.log(2.0) if index == 0 else -math.log(2.0 * index * (index + 1.0))


def log_e_restarting(buckets: Sequence[Bucket], tolerated_rate: float) -> float:
    """
    Return the log evidence that the failure rate is, or became, more than tolerated.

    Buckets come in order of start. A component starts afresh at each bucket, with a weight fixed
    in advance, so a release that turns bad late is found too; the weight not yet spent counts as
    cash. The largest value over all prefixes is taken, in-flight devices counting as successes:
    reported harm never exceeds true harm in any prefix, so the bound holds for any delays.
    """
    costs = [_log_moment(tolerated_rate, shift) for shift in SHIFTS]
    components = [-math.inf] * len(SHIFTS)
    spent, best = 0.0, 0.0
    for index, bucket in enumerate(buckets):
        weight = log_restart_weight(index)
        spent += math.exp(weight)
        for k, shift in enumerate(SHIFTS):
            grown = _log_add(components[k], weight + _LOG_WEIGHT)
            components[k] = grown + bucket.harmed * shift - bucket.started * costs[k]
        cash = math.log1p(-spent) if spent < 1 else -math.inf
        best = max(best, log_sum_exp((*components, cash)))
    return best


def log_e_totals(harmed: int, started: int, tolerated_rate: float) -> float:
    """
    Return the log evidence from totals alone, where the order of starts is not known.

    The devices started by now are a prefix of all; half the restarting mixture's weight lies on
    its first component, so this never exceeds it, and both may be used in turn without spending
    more of the false-abort risk.
    """
    return max(0.0, log_e_above(harmed, started, tolerated_rate) - math.log(2.0))


def log_e_in_both_orders(
    log_e_by_start: float, harmed: int, exposed: int, tolerated_rate: float
) -> float:
    """
    Return the log evidence where some harm comes from devices that never start: that reject.

    A device rejects as soon as it hears of the job, and starts it when it gets round to it; so
    among those that have done either, rejections seem to be many. The harm of those that started
    is therefore weighed in order of start, and all harm in order of notification, in which the
    devices exposed by now are a prefix of all. Each spends half of the false-abort risk.
    """
    return max(log_e_by_start - math.log(2.0), log_e_totals(harmed, exposed, tolerated_rate))


def pessimistic_upper_bound(
    buckets: Sequence[Bucket], alpha: float, previous: float = 1.0
) -> float:
    """
    Return the upper confidence bound on the rate, in-flight devices counting as failures.

    The smallest over all prefixes in order of start, and over time: ``previous`` is the bound
    established so far. Valid for a rate that is constant.
    """
    prefixes = list(
        zip(
            accumulate(bucket.started for bucket in buckets),
            accumulate(bucket.cleared for bucket in buckets),
            strict=True,
        )
    )
    bound, limit = previous, -math.log(alpha)
    # The longest mostly bound best; after them a shorter one costs one look, not a bisection.
    for started, cleared in reversed(prefixes):
        open_or_harmed = started - cleared
        if cleared and log_e_below(open_or_harmed, started, bound - _TOLERANCE) >= limit:
            bound = min(bound, upper_bound(open_or_harmed, started, alpha))
    return bound


def harm_to_reject(started: int, tolerated_rate: float, alpha: float) -> int:
    """
    Return the fewest harmed among ``started`` that contradict the tolerated rate at ``alpha``.

    Over the whole life of a tolerable release, the chance that it *ever* has this many harmed among
    its starts so far is at most ``alpha``, however often one looks. More than ``started`` if no
    number would do.
    """
    limit = -math.log(alpha)
    low, high = 0, started + 1
    while low < high:
        middle = (low + high) // 2
        if log_e_above(middle, started, tolerated_rate) >= limit:
            high = middle
        else:
            low = middle + 1
    return low
