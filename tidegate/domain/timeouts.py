"""
The in-progress time-out that the devices' own delays suggest.

A time-out that is too long lets silent devices hide for as long; one that is too short harms those
that are only slow. So it is taken from when nearly all devices have an outcome, with time to spare.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.domain.delays import REST_SHARE, Delays
from tidegate.domain.jobs import REPORTED, ExecutionStatus
from tidegate.domain.outcomes import LATE, UNPLACED, CounterKey, span_of
from tidegate.domain.policy import AdaptiveTimeout

#: Times the age by which nearly all devices have an outcome.
_TO_SPARE = 1.5
#: Whole steps of a time-out, in minutes.
_STEP_MINUTES = 5
#: It changes by this share at least: each change is an UpdateJob.
CHANGE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Suggested:
    """
    A time-out, and what it rests on; both in minutes.

    Attributes:
        finished_minutes: By when all but one in a thousand devices have an outcome.
        minutes: The time-out.
    """

    finished_minutes: int
    minutes: int


def suggested(
    delays: Delays,
    within: AdaptiveTimeout,
    *,
    standing_minutes: int | None,
    in_progress_minutes: float,
) -> Suggested | None:
    """
    Return the time-out that should stand in place of another, None if that one may stay.

    Args:
        delays: As learned from the rollout so far.
        within: The policy's limits.
        standing_minutes: The time-out in force; None if there is none.
        in_progress_minutes: How long devices in progress have been at it: see ``at_work_minutes``.
    """
    age = delays.finished_minutes()
    if age is None or (standing_minutes is not None and age >= standing_minutes):
        # By the age of the time-out itself all have an outcome: that says nothing of devices.
        return None
    needed = max(_TO_SPARE * age, in_progress_minutes)
    minutes = _STEP_MINUTES * math.ceil(needed / _STEP_MINUTES)
    minutes = min(within.at_most, max(within.at_least, minutes))
    if standing_minutes is not None:
        change = abs(minutes - standing_minutes)
        if change < CHANGE_SHARE * standing_minutes:
            return None
    return Suggested(age, minutes)


def at_work_minutes(by_bucket: Mapping[CounterKey, int], now_minute: float) -> float:
    """
    Return for how long devices have been in progress, but for one in a thousand of all that began.

    Args:
        by_bucket: Things per start bucket and status.
        now_minute: Minutes since the job's creation.
    """
    at_work: dict[int, int] = {}
    begun = 0
    for (bucket, status), number in by_bucket.items():
        if bucket == UNPLACED or status not in {*REPORTED, ExecutionStatus.IN_PROGRESS}:
            continue
        begun += number
        if status is ExecutionStatus.IN_PROGRESS:
            at_work[bucket % LATE] = at_work.get(bucket % LATE, 0) + number
    older = 0
    for bucket in sorted(at_work):
        older += at_work[bucket]
        if older > REST_SHARE * begun:
            return max(0.0, now_minute - span_of(bucket)[0])
    return 0.0
