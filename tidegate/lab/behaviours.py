"""
What AWS's documents leave open about AWS IoT Jobs, as switches of the lab.

A rule that is any good gives good results whichever way they stand. The defaults are what AWS most
likely does, or the worse of two for whoever steers.
"""

from dataclasses import dataclass
from enum import StrEnum


class Effective(StrEnum):
    """When changed settings are first used."""

    NEXT_TICK = "next tick"
    AT_ONCE = "at once"


class Spacing(StrEnum):
    """When in a minute its devices are notified."""

    BURST = "burst"
    EVEN = "even"


class Rounding(StrEnum):
    """What becomes of a rate that is no whole number."""

    FLOOR = "floor"
    CEILING = "ceiling"


class Denominator(StrEnum):
    """Which executions an abort criterion takes its percentage of."""

    REPORTED = "reported"
    REPORTED_AND_CANCELED = "reported and canceled"


class Comparison(StrEnum):
    """Whether an abort criterion is met on its threshold or beyond it."""

    AT_LEAST = ">="
    MORE_THAN = ">"


class Minimum(StrEnum):
    """What the minimum of an abort criterion counts."""

    COMPLETED = "completed"
    NOTIFIED = "notified"


class ListOrder(StrEnum):
    """In which order executions are listed."""

    NEWEST_FIRST = "newest first"
    UNORDERED = "unordered"


class RetryNumbering(StrEnum):
    """Under which execution number AWS runs a failed execution again."""

    SAME = "same"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class Behaviours:
    """
    How AWS IoT Jobs behaves where its documents do not say.

    Attributes:
        update_effective: Whether UpdateJob acts on what is left of a minute under way; it makes no
            difference to counts, for which every order comes right before a batch.
        update_lag_minutes: By how many batches UpdateJob comes too late; only in counts.
        update_resets_ladder: Whether the steps of an exponential rate count from the last change
            of the rollout settings, not from the job's beginning.
        update_replaces_rollout_object: Whether a constant rate, set over an exponential one,
            replaces it; otherwise it only changes the maximum.
        rollout_spacing: Whether a minute's devices are notified at its beginning or all along it.
        rate_rounding: Of an exponential rate, which is 1 at least.
        abort_denominator: Whether canceled executions count as executed.
        abort_compare: Whether the threshold itself meets a criterion.
        abort_counts_attempts: Whether each failed attempt counts, not only the last of a device.
        abort_minimum_counts: Whether the minimum counts completed executions, or notified ones.
        abort_lag_minutes: From a criterion being met to the end of the rollout.
        cancel_lag_minutes: From CancelJob to the end of the rollout.
        timeout_lag_minutes: By which a timeout comes later than its time.
        list_order: Of ListJobExecutionsForJob; counts do not depend on it.
        retry_numbering: Of retries; the same.
        events_doubled: Share of events that AWS IoT publishes twice; the same.
        event_delay_seconds: Within which an event arrives, and may overtake others; it makes no
            difference to what happens once a minute.
    """

    update_effective: Effective = Effective.NEXT_TICK
    update_lag_minutes: int = 0
    update_resets_ladder: bool = False
    update_replaces_rollout_object: bool = True
    rollout_spacing: Spacing = Spacing.BURST
    rate_rounding: Rounding = Rounding.FLOOR
    abort_denominator: Denominator = Denominator.REPORTED
    abort_compare: Comparison = Comparison.AT_LEAST
    abort_counts_attempts: bool = True
    abort_minimum_counts: Minimum = Minimum.COMPLETED
    abort_lag_minutes: int = 0
    cancel_lag_minutes: int = 0
    timeout_lag_minutes: int = 0
    list_order: ListOrder = ListOrder.NEWEST_FIRST
    retry_numbering: RetryNumbering = RetryNumbering.SAME
    events_doubled: float = 0.01
    event_delay_seconds: float = 5.0


#: What AWS most likely does.
AWS_LIKE = Behaviours()
