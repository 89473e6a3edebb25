"""
How long devices take from their start to their outcome, whatever it is.

Of an execution that has ended AWS's list tells both, to the second; of one at work, only that it
takes longer than it has so far. So that those who are quick to end do not speak for all, a device
counts at each age that it could have reached by now, whether or not it had ended by then: the share
that had not is unbiased at every age, however few reviews there were.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from tidegate.domain.delays import AGES
from tidegate.domain.jobs import REPORTED, ExecutionStatus, ExecutionSummary
from tidegate.domain.outcomes import LATE, UNPLACED, CounterKey, span_of

#: Devices that must have reached an age before it is said of all what becomes of nearly all.
NEARLY_ALL_MIN = 500
#: Share of devices that nearly all leaves out; a single one is always left out.
REST_SHARE = 0.001
#: Share of the outcomes in the ledger whose durations are known, at least: an event may be ahead of
#: the list.
_TOLD_SHARE = 0.9
#: A device rejects without starting, as a rule: how long it takes is how long it was offline.
_BEGUN = frozenset({*REPORTED, ExecutionStatus.IN_PROGRESS}) - {ExecutionStatus.REJECTED}


@dataclass(frozen=True, slots=True)
class Durations:
    """
    How long devices take, those at work included.

    Attributes:
        reached: Devices that started as many minutes ago or earlier, by minutes.
        unfinished: Of those, devices that had no outcome so many minutes after their start.
        at_work_minutes: For how long devices have been in progress, but for one in a thousand of
            all that began.
    """

    reached: tuple[int, ...] = (0,) * AGES
    unfinished: tuple[int, ...] = (0,) * AGES
    at_work_minutes: float = 0.0

    def finished_minutes(self) -> int | None:
        """
        Return the minutes after which all but one in a thousand devices have an outcome.

        None while too few devices have been watched for so long, and where more than that take
        longer than all ages told apart: it is never guessed lower than what was seen.
        """
        for age, reached in enumerate(self.reached):
            if reached < NEARLY_ALL_MIN:
                return None
            if self.unfinished[age] <= max(1.0, REST_SHARE * reached):
                # Less than a minute is not told apart.
                return max(1, age)
        return None

    def to_document(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "reached": [*self.reached],
            "unfinished": [*self.unfinished],
            "at_work_minutes": self.at_work_minutes,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Durations":
        """Read what ``to_document`` wrote."""
        return cls(
            tuple(int(each) for each in document["reached"]),
            tuple(int(each) for each in document["unfinished"]),
            float(document["at_work_minutes"]),
        )


def minutes_taken(rows: Iterable[ExecutionSummary], minute_seconds: float) -> tuple[int, ...]:
    """
    Return how many executions of a list ended after how many whole minutes.

    Args:
        rows: Of ListJobExecutionsForJob; those that have not ended, or never began, do not count.
        minute_seconds: How long a minute of AWS IoT Jobs takes.

    Returns:
        One number for each minute; the last one is of all that took ``AGES`` minutes or longer.
    """
    numbers = [0] * (AGES + 1)
    for row in rows:
        if row.started_at is not None and row.status in _BEGUN & REPORTED:
            minutes = max(0.0, row.updated_at - row.started_at) / minute_seconds
            numbers[min(AGES, int(minutes))] += 1
    return tuple(numbers)


def durations_of(
    taken: Sequence[int], by_bucket: Mapping[CounterKey, int], now_minute: float
) -> Durations:
    """
    Return what is known of durations; nothing where too many of them were never read.

    Args:
        taken: What ``minutes_taken`` returns for all that ended; empty where nothing was read.
        by_bucket: Things per start bucket and status, as AWS has them.
        now_minute: Minutes since the job's creation.
    """
    begun, working, outcomes = [0] * AGES, [0] * AGES, 0
    for bucket, status, number in _placed(by_bucket):
        is_working = status is ExecutionStatus.IN_PROGRESS
        outcomes += 0 if is_working else number
        age = min(AGES - 1, _age(bucket, now_minute))
        if age >= 0:
            begun[age] += number
            working[age] += number if is_working else 0
    if not taken or sum(taken) < _TOLD_SHARE * outcomes:
        return Durations()
    longer = zip(_from_each_on(working), _from_each_on(taken), strict=False)
    return Durations(
        reached=_from_each_on(begun),
        unfinished=tuple(map(sum, longer)),
        at_work_minutes=_at_work_minutes(by_bucket, now_minute),
    )


def _at_work_minutes(by_bucket: Mapping[CounterKey, int], now_minute: float) -> float:
    at_work: dict[int, int] = {}
    begun = 0
    for bucket, status, number in _placed(by_bucket):
        begun += number
        if status is ExecutionStatus.IN_PROGRESS:
            at_work[bucket] = at_work.get(bucket, 0) + number
    older = 0
    for bucket in sorted(at_work):
        older += at_work[bucket]
        if older > REST_SHARE * begun:
            return max(0.0, now_minute - span_of(bucket)[0])
    return 0.0


def _placed(by_bucket: Mapping[CounterKey, int]) -> Iterator[tuple[int, ExecutionStatus, int]]:
    """Yield start bucket, status and number of devices that began, late ones like all others."""
    for (bucket, status), number in by_bucket.items():
        if bucket != UNPLACED and status in _BEGUN:
            yield bucket % LATE, status, number


def _age(bucket: int, now_minute: float) -> int:
    """Return how many whole minutes ago a bucket ended; negative while it lasts."""
    begin, width = span_of(bucket)
    return math.floor(now_minute - begin - width)


def _from_each_on(numbers: Sequence[int]) -> tuple[int, ...]:
    """Return the sum of each number and all after it."""
    return tuple(accumulate(reversed(numbers)))[::-1]
