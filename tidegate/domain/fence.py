"""
The fence: native abort criteria with which AWS IoT Jobs stops a bad release by itself.

A native criterion is a ratio of executed things in order of *arrival*: with fast failures and
slow successes, the first executed things of a perfectly good release are all failures. A careless
criterion therefore cuts good releases. These do not. Once ``m`` things are executed, no more than
``m`` and those in flight have started; the number of harmed among so many that a tolerable release
ever reaches with at most the stated risk, divided by ``m``, is the ratio it stays below. What is in
flight is bounded twice:

* until the next review takes effect, by all that AWS may have notified by then, in any order;
* if no review ever comes again, by what the rate in force keeps in flight under the delays seen.

AWS counts the devices of cohorts set apart like all others, and they do not speak against those:
as many more are let through as are harmed of them, or may be until the next review. The ratios aim
where they did, so that it is the fewest executions that grow, and with them what is let through
unattended, which bounds the rate.

Both readings of "executed" are safe: counting CANCELED and REMOVED executions too only lowers the
ratio. One case is not covered: AWS counts attempts, so devices that fail first and succeed on a
retry add failures that no device outcome shows.
"""

import math
from dataclasses import dataclass

from tidegate.domain.evidence import harm_to_reject
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.settings import AbortCriterion, FailureType

_FAILURE_TYPES = {
    ExecutionStatus.FAILED: FailureType.FAILED,
    ExecutionStatus.REJECTED: FailureType.REJECTED,
    ExecutionStatus.TIMED_OUT: FailureType.TIMED_OUT,
}
#: Ratios that the criteria aim at, in tolerated rates: the lowest finds what fails a little too
#: often, after many executions; the others stop what fails outright, after few.
TARGETS = (2.0, 5.0, 7.0)
#: Candidates for the minimum of executed things lie by this factor apart.
_STEP = 1.15
#: Where the fleet's size is not known, no criterion waits for more executed things.
_EXECUTED_MAX = 10_000_000
#: AWS's type of a count is an integer of 32 bits.
_COUNT_MAX = 2**31 - 1
#: What is in flight varies; so much more than its mean is allowed for, in standard deviations.
_DEVIATIONS = 3.0


@dataclass(frozen=True, slots=True)
class Behind:
    """
    What a fence stands behind.

    Attributes:
        exposed: Devices notified so far.
        executed: Of them, those with an outcome.
        others: Of those, outcomes that AWS counts as failures and the policy not as harm.
        in_flight: Devices without an outcome that have started.
        rate_per_minute: The native rate that will be in force.
        standing_per_minute: The one in force until then: the first batch may still be of it.
        minutes_in_flight: How long a device is in flight on average, at the most.
        fleet_size: Devices in all; None if unknown.
        attempts_per_thing: Executions one thing may need; AWS counts each failed attempt.
        apart: Devices of cohorts set apart that are harmed, or may be until the next review.
    """

    exposed: int
    rate_per_minute: int
    standing_per_minute: int
    executed: int = 0
    others: int = 0
    in_flight: int = 0
    minutes_in_flight: float = math.inf
    fleet_size: int | None = None
    attempts_per_thing: int = 1
    apart: int = 0

    @property
    def exposed_up_to(self) -> int:
        """
        Devices that may be notified before the next review's settings take effect.

        AWS batches once a minute: one batch may come before these settings do, and one more
        before the next.
        """
        most = max(self.standing_per_minute, self.rate_per_minute)
        return self.exposed + most + self.rate_per_minute

    @property
    def in_flight_unattended(self) -> float:
        """Devices that are in flight if this rate goes on for ever."""
        mean = self.rate_per_minute * self.minutes_in_flight
        if mean == math.inf:
            return math.inf
        return max(self.in_flight, mean + _DEVIATIONS * math.sqrt(mean))


@dataclass(frozen=True, slots=True)
class Fence:
    """
    Native abort criteria and what they rest on.

    Attributes:
        criteria: At most one per failure type, as AWS demands.
        exposed_up_to: Exposure within which the risk holds in any order of outcomes.
        risk: Probability of ever cutting a tolerable release.
    """

    criteria: tuple[AbortCriterion, ...]
    exposed_up_to: int
    risk: float

    @property
    def lowest(self) -> AbortCriterion:
        """The criterion with the lowest ratio."""
        return min(self.criteria, key=lambda each: each.threshold_percentage)


def fence(
    behind: Behind,
    *,
    harm_statuses: frozenset[ExecutionStatus],
    tolerated_rate: float,
    risk: float,
) -> Fence:
    """
    Return the criteria to stand behind a rate.

    Args:
        behind: What they stand behind.
        harm_statuses: Outcomes that count as harm.
        tolerated_rate: Failure rate at which the release must not be cut.
        risk: Probability of a false cut that may be spent on the fence.
    """
    line = _Line(behind, tolerated_rate, risk)
    criteria = []
    for failure_type, target in _aims(harm_statuses):
        counts_others = _counts_others(failure_type, harm_statuses)
        minimum, ratio = line.earliest(target * tolerated_rate, counts_others=counts_others)
        # Rounded up to AWS's two decimals: a ratio rounded down could fire one harmed too early.
        percentage = min(100.0, math.ceil(ratio * 10_000 - 1e-9) / 100)
        criteria.append(AbortCriterion(failure_type, percentage, minimum))
    return Fence(tuple(criteria), behind.exposed_up_to, risk)


def harmed_unattended(
    behind: Fence, rate_per_minute: int, failure_rate: float, delays: tuple[float, float]
) -> float:
    """
    Return the devices harmed before the fence stops a release left alone from its beginning.

    Args:
        behind: The fence.
        rate_per_minute: The native rate that goes on.
        failure_rate: Of the release.
        delays: Minutes from start to outcome: of devices on average, and of failures.

    Returns:
        ``inf`` where the fence never stops it. Failures are taken to be of the type whose
        criterion is the lowest.
    """
    flying, failing = (rate_per_minute * each for each in delays)
    least = math.inf
    for criterion in behind.criteria:
        ratio = criterion.threshold_percentage / 100
        if failure_rate > ratio:
            started = (failure_rate * failing - ratio * flying) / (failure_rate - ratio)
            started = max(started, criterion.min_executed_things + flying, failing)
            least = min(least, failure_rate * (started + rate_per_minute))
    return least


class _Line:
    """The harmed that a tolerable release stays below, per number of executed things."""

    def __init__(self, behind: Behind, tolerated_rate: float, risk: float) -> None:
        self._behind = behind
        self._tolerated_rate = tolerated_rate
        self._risk = risk
        self._others_rate = behind.others / max(1, behind.executed)

    def earliest(self, target: float, *, counts_others: bool) -> tuple[int, float]:
        """
        Return the fewest executed things with which the ratio is on target, and the ratio.

        A criterion that counts more than harm must not act while reviews come: a burst of what
        the policy does not mind would stop the release.
        """
        behind = self._behind
        first = behind.exposed_up_to + 1 if counts_others else max(1, behind.executed)
        most = min(behind.fleet_size or _EXECUTED_MAX, _EXECUTED_MAX) // 2
        candidates = [first]
        while candidates[-1] < max(most, behind.exposed_up_to + 1):
            candidates.append(math.ceil(candidates[-1] * _STEP))
        low, high = 0, len(candidates) - 1
        while low < high:
            middle = (low + high) // 2
            # No ratio of AWS's is above 1: what aims higher would fire at once.
            if self._ratio(candidates[middle], counts_others=counts_others) <= min(1.0, target):
                high = middle
            else:
                low = middle + 1
        minimum = candidates[low]
        ratio = self._ratio(minimum, counts_others=counts_others)
        if ratio <= 1:
            return minimum, ratio
        # So many may be in flight that even failures alone prove nothing, but more than ever fail.
        return max(minimum, self._most_harmed), 1.0

    def _ratio(self, executed: int, *, counts_others: bool) -> float:
        """Return the ratio that a tolerable release stays below from so many executed on."""
        behind = self._behind
        ratio = self._harmed(executed + behind.in_flight_unattended) / executed
        if counts_others:
            ratio += self._others_rate
        if executed <= behind.exposed_up_to:
            ratio = max(ratio, self._harmed(behind.exposed_up_to) / executed)
        return ratio

    @property
    def _most_harmed(self) -> int:
        """Return the failures that a tolerable release of the whole fleet stays below."""
        most = max(self._behind.fleet_size or _EXECUTED_MAX, self._behind.exposed_up_to)
        return int(min(self._harmed(most), _COUNT_MAX))

    def _harmed(self, started: float) -> float:
        if started == math.inf:
            return math.inf
        harmed = harm_to_reject(math.ceil(started), self._tolerated_rate, self._risk)
        return float(self._behind.attempts_per_thing * (harmed + self._behind.apart))


#: In which order failure types take their targets: devices report FAILED at once, so few
#: executions tell; time-outs come last of all, and may wait for more.
_AIMED = (FailureType.ALL, FailureType.TIMED_OUT, FailureType.FAILED, FailureType.REJECTED)


def _aims(harm_statuses: frozenset[ExecutionStatus]) -> list[tuple[FailureType, float]]:
    """Return the failure types to guard and the ratio each aims at, in tolerated rates."""
    guarded = {FailureType.ALL, *(_FAILURE_TYPES[each] for each in harm_statuses)}
    types = [each for each in _AIMED if each in guarded]
    return [*zip(types, [*TARGETS, TARGETS[-1]], strict=False)]


def _counts_others(failure_type: FailureType, harm_statuses: frozenset[ExecutionStatus]) -> bool:
    """Whether the criterion counts outcomes that are no harm."""
    return failure_type is FailureType.ALL and len(harm_statuses) < len(_FAILURE_TYPES)
