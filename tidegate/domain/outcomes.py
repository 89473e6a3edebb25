"""
Folding sightings of job executions into counts, so that nothing is counted twice or lost.

A *sighting* is one report of an execution's status: a job-execution event, or a row of
ListJobExecutionsForJob. AWS publishes events at least once and in no order, and a list overlaps
with the events; so what the ledger keeps of a thing is the *latest* sighting under a total order,
and each thing adds exactly one to exactly one counter. Any order, batching or repetition of the
same sightings then gives the same counts.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from tidegate.domain.jobs import REPORTED, ExecutionStatus, ExecutionSummary

#: The start bucket of things whose start nobody has told us yet.
UNPLACED = -1
#: Added to the start bucket of a thing that started late: it is of a kind of its own.
LATE = 100_000
#: A device that takes the job up so long after its notification was offline: what is offline for
#: long fails more often whatever the release, and says little about those that are not.
LATE_MINUTES = 30.0

#: At equal execution number and second: a retry stops at the first success, so SUCCEEDED is the
#: last word of a device, and any outcome is later than the start it followed.
_RANK = {
    ExecutionStatus.QUEUED: 0,
    ExecutionStatus.IN_PROGRESS: 1,
    ExecutionStatus.REMOVED: 2,
    ExecutionStatus.CANCELED: 3,
    ExecutionStatus.REJECTED: 4,
    ExecutionStatus.TIMED_OUT: 5,
    ExecutionStatus.FAILED: 6,
    ExecutionStatus.SUCCEEDED: 7,
}

#: Widths of start buckets by age: (until this minute, minutes wide). Fixed in advance, so the
#: partition never depends on outcomes; widening keeps a year of rollout at some 10,000 buckets.
_BUCKET_TIERS = ((600, 1), (10_080, 10), (math.inf, 60))


@dataclass(frozen=True, slots=True)
class Sighting:
    """
    One report of one execution's status.

    Attributes:
        at: Epoch seconds of the status change, whole: events carry no fraction, so a list's
            times are cut to match.
        bucket: Start bucket, or UNPLACED where the report does not tell the start.
        details: The device's ``statusDetails``; a list carries none.
        reason: Why it failed, in few words; empty if it did not, or does not say.
    """

    thing_name: str
    status: ExecutionStatus
    at: int
    execution_number: int = 1
    bucket: int = UNPLACED
    details: Mapping[str, str] = field(default_factory=dict, compare=False)
    reason: str = ""


class Vouched(StrEnum):
    """What became of a device after its success, where the policy asks for a soak."""

    PRESENT = "PRESENT"
    DARK = "DARK"


#: The cell of a thing of which nobody knows yet what it is; and that of those beyond the limit.
UNJOINED = 0
REST_CELL = 1


@dataclass(frozen=True, slots=True)
class ThingRecord:
    """
    What the ledger keeps of a thing in a rollout: its latest sighting, and what it is.

    Attributes:
        cell: Which of the rollout's cells it belongs to: things alike in all that cohorts are
            told by. Once known, it stays.
        reason: Why it failed, in few words; empty if it did not, or does not say.
        vouched: What became of it after its success; None as long as that is not known.
    """

    status: ExecutionStatus
    at: int
    execution_number: int
    bucket: int
    cell: int = UNJOINED
    reason: str = ""
    vouched: Vouched | None = None

    @property
    def order(self) -> tuple[int, int, int]:
        """The total order in which the latest sighting wins."""
        return (self.execution_number, self.at, _RANK[self.status])


#: A counter: start bucket and status.
CounterKey = tuple[int, ExecutionStatus]
#: The same of one cell.
CellKey = tuple[int, ExecutionStatus, int]
#: Start bucket, what became of devices after their success, and their cell.
VouchedKey = tuple[int, Vouched, int]
#: A reason for failing, and the cell of those who gave it.
ReasonKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Transition:
    """A thing's record before (None: never seen) and after a fold."""

    thing_name: str
    before: ThingRecord | None
    after: ThingRecord


def bucket_of(started_at: float, created_at: int, minute_seconds: float) -> int:
    """
    Return the start bucket of a device: its index in order of time since the job's creation.

    Buckets are one minute wide for ten hours, ten minutes for a week, then an hour.
    """
    minute = max(0.0, (started_at - created_at) / minute_seconds)
    index, since = 0, 0.0
    for until, width in _BUCKET_TIERS:
        if minute < until:
            return index + int((minute - since) // width)
        index, since = index + int((until - since) // width), until
    raise AssertionError  # the last tier has no end


def span_of(bucket: int) -> tuple[float, float]:
    """Return when a prompt bucket begins, in minutes since the job's creation, and its width."""
    since = 0.0
    for until, width in _BUCKET_TIERS:
        buckets = (until - since) / width
        if bucket < buckets:
            return since + bucket * width, float(width)
        bucket, since = bucket - int(buckets), until
    raise AssertionError  # the last tier has no end


def sighting_of(summary: ExecutionSummary, created_at: int, minute_seconds: float) -> Sighting:
    """
    Return what a list's row tells.

    A device that rejects has no ``startedAt``: it counts from when it was notified. One that
    reports nothing but its end has, of that moment: it is not known to have started before.
    """
    started = summary.started_at
    if started is None and summary.status in REPORTED:
        started = summary.queued_at
    bucket = UNPLACED
    if started is not None:
        bucket = bucket_of(started, created_at, minute_seconds)
        bucket += LATE if _is_late(started - summary.queued_at, minute_seconds) else 0
    return Sighting(
        thing_name=summary.thing_name,
        status=summary.status,
        at=int(summary.updated_at),
        execution_number=summary.execution_number,
        bucket=bucket,
    )


def _is_late(seconds: float, minute_seconds: float) -> bool:
    return seconds > LATE_MINUTES * minute_seconds


def fold(record: ThingRecord | None, sighting: Sighting) -> ThingRecord:
    """
    Return the record after a sighting: the later of the two, with the bucket either knows.

    Commutative, associative and idempotent over sightings.
    """
    seen = ThingRecord(
        status=sighting.status,
        at=sighting.at,
        execution_number=sighting.execution_number,
        bucket=sighting.bucket,
        reason=sighting.reason,
    )
    if record is None:
        return seen
    order, known = seen.order, record.order
    later = seen if order > known else record
    # What it is outlasts every status; why it failed and what came after belong to one of them.
    # A list tells of an outcome without its reason, an event of the same outcome with it.
    reason = max(seen.reason, record.reason) if order == known else later.reason
    bucket = _bucket_of_both(record, seen)
    if (bucket, record.cell, reason) == (later.bucket, later.cell, later.reason):
        return later
    # Each event passes here, and `replace` would take as long again.
    return ThingRecord(
        status=later.status,
        at=later.at,
        execution_number=later.execution_number,
        bucket=bucket,
        cell=record.cell,
        reason=reason,
        vouched=later.vouched,
    )


def _bucket_of_both(one: ThingRecord, other: ThingRecord) -> int:
    """Return the first bucket known of the later execution; both may know it."""
    if one.execution_number != other.execution_number:
        return one.bucket if one.execution_number > other.execution_number else other.bucket
    if UNPLACED in (one.bucket, other.bucket):
        return max(one.bucket, other.bucket)
    return min(one.bucket, other.bucket)


def transitions(
    records: Mapping[str, ThingRecord], sightings: Iterable[Sighting]
) -> tuple[Transition, ...]:
    """Fold sightings into the records of their things; return those that changed."""
    after: dict[str, ThingRecord] = {}
    for sighting in sightings:
        name = sighting.thing_name
        after[name] = fold(after.get(name, records.get(name)), sighting)
    return tuple(
        Transition(name, records.get(name), record)
        for name, record in after.items()
        if record != records.get(name)
    )


@dataclass(frozen=True, slots=True)
class Moved:
    """By how much counters move, each kind by its key; those that do not move are left out."""

    counts: Mapping[CounterKey, int] = field(default_factory=dict)
    cells: Mapping[CellKey, int] = field(default_factory=dict)
    vouched: Mapping[VouchedKey, int] = field(default_factory=dict)
    reasons: Mapping[ReasonKey, int] = field(default_factory=dict)


def deltas(changes: Iterable[Transition]) -> Moved:
    """Return by how much each counter moves; things without a cell move none of cells."""
    counts: Counter[CounterKey] = Counter()
    cells: Counter[CellKey] = Counter()
    vouched: Counter[VouchedKey] = Counter()
    reasons: Counter[ReasonKey] = Counter()
    for change in changes:
        for record, by in ((change.after, 1), (change.before, -1)):
            if record is None:
                continue
            counts[record.bucket, record.status] += by
            if record.cell != UNJOINED:
                cells[record.bucket, record.status, record.cell] += by
            if record.vouched is not None:
                vouched[record.bucket, record.vouched, record.cell] += by
            if record.reason:
                reasons[record.reason, record.cell] += by
    return Moved(_moving(counts), _moving(cells), _moving(vouched), _moving(reasons))


_Key = TypeVar("_Key")


def _moving(moved: Mapping[_Key, int]) -> dict[_Key, int]:
    return {key: by for key, by in moved.items() if by}
