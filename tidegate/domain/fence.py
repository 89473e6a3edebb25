"""
The fence: native abort criteria with which AWS IoT Jobs stops a bad release by itself.

A native criterion is a ratio of executed things in order of *arrival*: with fast failures and
slow successes, the first executed things of a perfectly good release are all failures. A careless
criterion therefore cuts good releases. This one does not: a criterion of share ``t`` after ``m``
executed things needs at least ``t * m`` harmed, and ``m`` is chosen so that a tolerable release
has that many harmed, in any order, with a probability of at most the stated risk.
Both readings of "executed" are safe: counting CANCELED and REMOVED executions too only lowers
the ratio. One case is not covered: AWS counts attempts, so devices that fail first and succeed on
a retry add failures that no device outcome shows.
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


@dataclass(frozen=True, slots=True)
class Fence:
    """
    Native abort criteria and what they rest on.

    Attributes:
        criteria: One per failure type, as AWS demands.
        harmed_at: Harmed executions below which the criteria cannot fire.
        exposed_up_to: Exposure for which the stated risk holds.
        risk: Probability of ever cutting a tolerable release within that exposure.
    """

    criteria: tuple[AbortCriterion, ...]
    harmed_at: int
    exposed_up_to: int
    risk: float


def fence(
    *,
    exposed: int,
    rate_per_minute: int,
    standing_per_minute: int,
    harm_statuses: frozenset[ExecutionStatus],
    tolerated_rate: float,
    attempts_per_thing: int,
    risk: float,
) -> Fence:
    """
    Return the criteria to stand behind a rate.

    Args:
        exposed: Devices notified so far.
        rate_per_minute: The native rate that will be in force.
        standing_per_minute: The one in force until then: the first batch may still be of it.
        harm_statuses: Outcomes that count as harm.
        tolerated_rate: Failure rate at which the release must not be cut.
        attempts_per_thing: Executions one thing may need; AWS counts each failed attempt.
        risk: Probability of a false cut that may be spent on the fence.
    """
    # AWS batches once a minute: one batch may come before the settings take effect, and one more
    # before those of the next review do.
    exposed_up_to = exposed + max(standing_per_minute, rate_per_minute) + rate_per_minute
    harmed_at = attempts_per_thing * harm_to_reject(exposed_up_to, tolerated_rate, risk)
    minimum = max(harmed_at, math.ceil(exposed_up_to / 2))
    # Rounded up to AWS's two decimals: a threshold rounded down could fire one harmed too early.
    threshold = min(100.0, math.ceil(harmed_at / minimum * 10_000) / 100)
    return Fence(
        criteria=tuple(
            AbortCriterion(failure_type, threshold, minimum)
            for failure_type in _failure_types(harm_statuses)
        ),
        harmed_at=harmed_at,
        exposed_up_to=exposed_up_to,
        risk=risk,
    )


def _failure_types(harm_statuses: frozenset[ExecutionStatus]) -> tuple[FailureType, ...]:
    if harm_statuses == frozenset(_FAILURE_TYPES):
        return (FailureType.ALL,)
    return tuple(sorted(_FAILURE_TYPES[each] for each in harm_statuses))
