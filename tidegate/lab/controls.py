"""
The settings of a job in the lab: what stands in AWS, and what AWS makes of it by itself.

Settings come by orders; how and when they take effect is up to ``Behaviours``.
"""

import math
from dataclasses import dataclass

from tidegate.domain.settings import (
    RATE_PER_MINUTE_MAX,
    RATE_PER_MINUTE_MIN,
    AbortCriterion,
    ExponentialRate,
    FailureType,
)
from tidegate.lab.behaviours import (
    Behaviours,
    Comparison,
    Denominator,
    Minimum,
    Rounding,
)
from tidegate.lab.rule import Order

#: Powers of decimal factors are off by less.
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class JobCounters:
    """
    What AWS counts of a job, once a minute.

    Attributes:
        notified: Devices that have an execution.
        succeeded: Executions, as the three that follow; retries count again, or only the last
            attempt of each device counts, as ``Behaviours.abort_counts_attempts`` has it.
        failed: Executions.
        timed_out: Executions.
        rejected: Executions.
        canceled: Executions.
    """

    notified: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    rejected: int = 0
    canceled: int = 0

    def of(self, failure_type: FailureType) -> int:
        """Return the executions that an abort criterion of a type counts as failures."""
        match failure_type:
            case FailureType.FAILED:
                return self.failed
            case FailureType.TIMED_OUT:
                return self.timed_out
            case FailureType.REJECTED:
                return self.rejected
            case FailureType.ALL:
                return self.failed + self.timed_out + self.rejected


def is_met(criterion: AbortCriterion, counters: JobCounters, behaviours: Behaviours) -> bool:
    """Return whether a job's counters meet an abort criterion."""
    executed = counters.succeeded + counters.of(FailureType.ALL)
    if behaviours.abort_denominator is Denominator.REPORTED_AND_CANCELED:
        executed += counters.canceled
    by_notified = behaviours.abort_minimum_counts is Minimum.NOTIFIED
    counted = counters.notified if by_notified else executed
    if counted < criterion.min_executed_things or not executed:
        return False
    percentage = 100 * counters.of(criterion.failure_type) / executed
    if behaviours.abort_compare is Comparison.MORE_THAN:
        return percentage > criterion.threshold_percentage
    return percentage >= criterion.threshold_percentage


def grown(
    rate: ExponentialRate, maximum: int, *, notified: int, succeeded: int, rounding: Rounding
) -> int:
    """
    Return the rate per minute that AWS has climbed to.

    Args:
        rate: The ladder.
        maximum: Devices per minute that it ends at.
        notified: Devices notified since the ladder's beginning.
        succeeded: Devices that have succeeded since then.
        rounding: Of what is no whole number.
    """
    if rate.notified_things is not None:
        steps = notified // rate.notified_things
    else:
        assert rate.succeeded_things is not None, rate
        steps = succeeded // rate.succeeded_things
    base, factor = rate.base_rate_per_minute, rate.increment_factor
    if steps * math.log(factor) >= math.log(maximum / base) + _TOLERANCE:
        return maximum
    exact = base * factor**steps
    if rounding is Rounding.CEILING:
        return min(math.ceil(exact - _TOLERANCE), maximum)
    return min(max(math.floor(exact + _TOLERANCE), RATE_PER_MINUTE_MIN), maximum)


@dataclass(frozen=True, slots=True)
class Settings:
    """The rollout settings and abort criteria that stand in AWS; a maximum of 0 is a pause."""

    maximum: int
    exponential: ExponentialRate | None
    criteria: tuple[AbortCriterion, ...]


class Controls:
    """One job's settings: ``update`` as UpdateJob, ``tick`` once a batch has used them."""

    def __init__(self, behaviours: Behaviours) -> None:
        self._behaviours = behaviours
        self._standing: Settings | None = None
        self._coming: Settings | None = None
        self._ticks_left = 0
        self._ladder_from = JobCounters()

    @property
    def standing(self) -> Settings:
        """What is in force."""
        assert self._standing is not None, "a job has settings from its creation on"
        return self._standing

    @property
    def is_changing(self) -> bool:
        """Whether what was ordered is not in force yet."""
        return self._coming is not None

    def update(self, order: Order, counters: JobCounters) -> None:
        """Bring an order to AWS: creates the job with the first, updates it with the others."""
        assert 0 <= order.rate_per_minute <= RATE_PER_MINUTE_MAX, order
        exponential = order.exponential
        if not self._behaviours.update_replaces_rollout_object and exponential is None:
            latest = self._coming or self._standing
            exponential = latest.exponential if latest else None
        settings = Settings(order.rate_per_minute, exponential, order.criteria)
        if settings == (self._coming or self._standing):
            return
        if self._standing is None or self._behaviours.update_lag_minutes == 0:
            self._enforce(settings, counters)
        else:
            self._coming, self._ticks_left = settings, self._behaviours.update_lag_minutes

    def tick(self, counters: JobCounters) -> None:
        """Let what was ordered take effect once its lag has passed."""
        self._ticks_left = max(0, self._ticks_left - 1)
        if self._coming is not None and not self._ticks_left:
            self._enforce(self._coming, counters)
            self._coming = None

    def rate_per_minute(self, counters: JobCounters) -> int:
        """Return how many devices the batch of this minute may hold."""
        standing = self.standing
        if standing.exponential is None or not standing.maximum:
            return standing.maximum
        return grown(
            standing.exponential,
            standing.maximum,
            notified=counters.notified - self._ladder_from.notified,
            succeeded=counters.succeeded - self._ladder_from.succeeded,
            rounding=self._behaviours.rate_rounding,
        )

    def _enforce(self, settings: Settings, counters: JobCounters) -> None:
        before, self._standing = self._standing, settings
        if not self._behaviours.update_resets_ladder or before is None:
            return
        if (before.maximum, before.exponential) != (settings.maximum, settings.exponential):
            self._ladder_from = counters
