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
from functools import lru_cache
from itertools import accumulate

#: Log-odds shifts from an odds ratio of 1.4 to one of 2750, in steps of a factor sqrt(2).
SHIFTS = tuple(0.35 * math.sqrt(2.0) ** k for k in range(10))
_LOG_WEIGHT = -math.log(len(SHIFTS))
#: The same for the upper bound, from an odds ratio of 2 to one of 16: a bound lies no nearer to
#: what is seen, and rarely farther. Three components cost log 3 of the confidence, ten cost log 10.
BOUND_SHIFTS = (0.7, 1.4, 2.8)
_BISECTIONS_MAX = 60
_NEWTON_STEPS_MAX = 30
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
    return largest + math.log(math.fsum([math.exp(value - largest) for value in values]))


def _log_add(one: float, other: float) -> float:
    """Return log(exp(one) + exp(other)); at least one of them is finite."""
    larger, smaller = (one, other) if one >= other else (other, one)
    return larger + math.log1p(math.exp(smaller - larger))


def log_moment(rate: float, shift: float) -> float:
    """Return log E[exp(shift * X)] for a Bernoulli X: what one device costs a component."""
    return math.log1p(rate * math.expm1(shift))


def log_e_above(harmed: float, started: float, rate: float) -> float:
    """Return the log evidence against "every device fails with at most this probability"."""
    return log_sum_exp(log_components(harmed, started, rate))


def log_components(harmed: float, started: float, rate: float) -> list[float]:
    """Return the components of ``log_e_above``, one for each shift."""
    return [
        _LOG_WEIGHT + harmed * shift - started * cost
        for shift, cost in zip(SHIFTS, _costs(rate), strict=True)
    ]


@lru_cache(maxsize=256)
def _costs(rate: float) -> tuple[float, ...]:
    """Return what one device costs each component; the same few rates are asked for always."""
    return tuple(log_moment(rate, shift) for shift in SHIFTS)


def log_e_below(
    harmed: float, started: float, rate: float, shifts: Sequence[float] = SHIFTS
) -> float:
    """Return the log evidence against "every device fails with at least this probability"."""
    log_weight = -math.log(len(shifts))
    return log_sum_exp(
        log_weight - harmed * shift - started * log_moment(rate, -shift) for shift in shifts
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


def upper_bound(harmed: int, started: int, alpha: float, shifts: Sequence[float] = SHIFTS) -> float:
    """Return the upper confidence bound on the rate, valid at all times with 1 - alpha."""
    limit = -math.log(alpha)
    if started <= 0 or harmed >= started:
        return 1.0
    if log_e_below(harmed, started, _ALMOST_ONE, shifts) < limit:
        return 1.0
    low, high = harmed / started, 1.0
    for _ in range(_BISECTIONS_MAX):
        if high - low <= _TOLERANCE:
            break
        middle = (low + high) / 2
        if log_e_below(harmed, started, middle, shifts) >= limit:
            high = middle
        else:
            low = middle
    return high


def log_restart_weight(index: int) -> float:
    """Return the log prior weight of a release turning bad at the bucket of this index."""
    return -math.log(2.0) if index == 0 else -math.log(2.0 * index * (index + 1.0))


@dataclass(frozen=True, slots=True)
class Restarting:
    """
    The restarting evidence after some buckets, in order of start; all logs.

    A component starts afresh at each bucket, with a weight fixed in advance, so a release that
    turns bad late is found too; the weight not yet spent counts as cash.

    Attributes:
        buckets: How many were taken in.
        components: Per shift, all restarts together.
        peaks: Per shift, the largest that ``components`` ever was.
        current: The evidence now; it falls while devices fare well.
        best: The largest that it ever was. Only this one may stop a release.
    """

    buckets: int = 0
    components: tuple[float, ...] = (-math.inf,) * len(SHIFTS)
    peaks: tuple[float, ...] = (-math.inf,) * len(SHIFTS)
    current: float = 0.0
    best: float = 0.0

    def then(self, buckets: Iterable[Bucket], tolerated_rate: float) -> "Restarting":
        """
        Return the evidence after these buckets too.

        In-flight devices count as successes: reported harm never exceeds true harm in any prefix,
        so the bound on ``best`` holds for any delays.
        """
        costs = _costs(tolerated_rate)
        components, peaks = list(self.components), list(self.peaks)
        index, current, best = self.buckets, self.current, self.best
        for bucket in buckets:
            fresh = log_restart_weight(index) + _LOG_WEIGHT
            index += 1
            for k, shift in enumerate(SHIFTS):
                grown = _log_add(components[k], fresh)
                value = grown + bucket.harmed * shift - bucket.started * costs[k]
                components[k] = value
                peaks[k] = max(peaks[k], value)
            current = log_sum_exp((*components, _log_cash(index)))
            best = max(best, current)
        return Restarting(index, tuple(components), tuple(peaks), current, best)


def _log_cash(buckets: int) -> float:
    """Return the log of the weight that restarts at the first so many buckets leave over."""
    return 0.0 if buckets == 0 else -math.log(2.0 * buckets)


def log_e_restarting(buckets: Sequence[Bucket], tolerated_rate: float) -> float:
    """Return the log evidence that the failure rate is, or became, more than tolerated."""
    return Restarting().then(buckets, tolerated_rate).best


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
    buckets: Sequence[Bucket],
    alpha: float,
    previous: float = 1.0,
    shifts: Sequence[float] = SHIFTS,
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
        if cleared and log_e_below(open_or_harmed, started, bound - _TOLERANCE, shifts) >= limit:
            bound = min(bound, upper_bound(open_or_harmed, started, alpha, shifts))
    return bound


def tolerated_by_baseline(harmed: int, started: int, alpha: float, margin: float = 0.0) -> float:
    """
    Return the rate to hold against a release that shall harm no more than the one before.

    The baseline's own rate is known up to chance only: its upper bound is taken. Evidence against
    that rate then falsely stops a release that is as good with at most ``alpha`` more.
    """
    return min(_ALMOST_ONE, upper_bound(harmed, started, alpha) + margin)


def log_e_concentration(failures: Iterable[tuple[bool, float]]) -> float:
    """
    Return the log evidence that failures hit a cohort more than its share of devices at risk.

    Args:
        failures: One after the other: whether it is of the cohort, and the cohort's share of the
            devices that had started by then. Shares of 0 and 1 say nothing.

    Source: the anytime-valid logrank test of ter Schure, Perez-Ortiz, Ly and Grunwald, 2024 (NEJSDS
    2).
    """
    components = [_LOG_WEIGHT] * len(SHIFTS)
    for inside, share in failures:
        if 0 < share < 1:
            for k, shift in enumerate(SHIFTS):
                components[k] += (shift if inside else 0.0) - log_moment(share, shift)
    return log_sum_exp(components)


def log_e_case_mix(cases: Iterable[tuple[int, int, float]]) -> float:
    """
    Return the log evidence that devices which differ in their tolerated rates exceed them.

    Args:
        cases: Harmed, started and tolerated rate of each kind of device.
    """
    components = [_LOG_WEIGHT] * len(SHIFTS)
    for harmed, started, rate in cases:
        for k, shift in enumerate(SHIFTS):
            components[k] += harmed * shift - started * log_moment(rate, shift)
    return log_sum_exp(components)


def e_benjamini_hochberg(log_es: Sequence[float], rate: float) -> list[int]:
    """
    Return which hypotheses to report so that at most this share of them is reported falsely.

    Valid for current evidence of one moment, for people to look at; never for running maxima,
    which lose the control. Source: Wang and Ramdas 2022 (JRSSB 84).
    """
    order = sorted(range(len(log_es)), key=lambda index: -log_es[index])
    reported = 0
    for place, index in enumerate(order, start=1):
        if log_es[index] >= math.log(len(order) / (rate * place)):
            reported = place
    return sorted(order[:reported])


def harm_to_reject(started: int, tolerated_rate: float, alpha: float) -> int:
    """
    Return the fewest harmed among ``started`` that contradict the tolerated rate at ``alpha``.

    Over the whole life of a tolerable release, the chance that it *ever* has this many harmed among
    its starts so far is at most ``alpha``, however often one looks. More than ``started`` if no
    number would do.
    """
    limit = -math.log(alpha)
    costs = [started * cost for cost in _costs(tolerated_rate)]
    # One component alone needs no fewer than all together; from there Newton's steps go down,
    # as the evidence is convex in the number of harmed.
    harmed = min(
        (limit - _LOG_WEIGHT + cost) / shift for shift, cost in zip(SHIFTS, costs, strict=True)
    )
    for _ in range(_NEWTON_STEPS_MAX):
        terms = [harmed * shift - cost for shift, cost in zip(SHIFTS, costs, strict=True)]
        largest = max(terms)
        weights = [math.exp(term - largest) for term in terms]
        total = math.fsum(weights)
        excess = _LOG_WEIGHT + largest + math.log(total) - limit
        slope = math.fsum(w * shift for w, shift in zip(weights, SHIFTS, strict=True)) / total
        harmed -= excess / slope
        if excess <= _TOLERANCE * limit:
            break
    # Rounding may have gone either way: the evidence itself has the last word.
    fewest = max(0, math.ceil(harmed) - 1)
    while fewest <= started and log_e_above(fewest, started, tolerated_rate) < limit:
        fewest += 1
    return fewest
