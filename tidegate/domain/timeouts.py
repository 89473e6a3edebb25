"""
The in-progress time-out that the devices' own durations suggest.

A time-out that is too long lets silent devices hide for as long; one that is too short harms those
that are only slow. So it is taken from when nearly all devices have an outcome, with time to spare.
"""

import math
from dataclasses import dataclass

from tidegate.domain.durations import Durations
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
    durations: Durations, within: AdaptiveTimeout, *, standing_minutes: int | None
) -> Suggested | None:
    """
    Return the time-out that should stand in place of another, None if that one may stay.

    Where the policy does not allow as much as devices need, nothing is shortened to its limit.

    Args:
        durations: As seen in the rollout so far; what devices in progress need is not cut off.
        within: The policy's limits.
        standing_minutes: The time-out in force; None if there is none.
    """
    age = durations.finished_minutes()
    if age is None or (standing_minutes is not None and age >= standing_minutes):
        # By the age of the time-out itself all have an outcome: that says nothing of devices.
        return None
    needed = max(_TO_SPARE * age, durations.at_work_minutes)
    minutes = _STEP_MINUTES * math.ceil(needed / _STEP_MINUTES)
    minutes = min(within.at_most, max(within.at_least, minutes))
    if minutes < needed and (standing_minutes is None or minutes < standing_minutes):
        return None
    if standing_minutes is not None:
        change = abs(minutes - standing_minutes)
        if change < CHANGE_SHARE * standing_minutes:
            return None
    return Suggested(age, minutes)
