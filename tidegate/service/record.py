"""Record: fold outcomes into the ledger exactly once, and wake the workflow past a tripwire."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidegate.documents.events import (
    JOB_EXECUTION_STATUS_CHANGE,
    JOB_STATUS_CHANGE,
    EventError,
    sighting_from_detail,
)
from tidegate.domain.failures import bounded, reason_of
from tidegate.domain.jobs import HARMFUL
from tidegate.domain.outcomes import Sighting, ThingRecord
from tidegate.domain.rollout import Rollout
from tidegate.errors import TidegateError
from tidegate.ports import Ledger, Things, Workflow
from tidegate.service.folding import fold_sightings
from tidegate.service.join import Joining, unjoined_of
from tidegate.service.soak import note_soaking
from tidegate.service.waiting import wake, wake_if_due

#: Things that one batch asks the registry about: it must be done before it is delivered again.
JOINS_PER_BATCH_MAX = 50
#: A minute of AWS IoT Jobs takes as long as any other, but in an accelerated cloud.
MINUTE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    What became of a batch.

    Attributes:
        changed: Things whose record changed.
        ignored: Events of jobs that are not enrolled.
        failed: Indices of events to deliver again.
        faults: One message per event that is no event at all.
        oldest_at: When AWS said the oldest of what was recorded, in epoch seconds; None if nothing
            was of an enrolled job.
    """

    changed: int
    ignored: int
    failed: tuple[int, ...]
    faults: tuple[str, ...] = ()
    oldest_at: int | None = None


@dataclass(frozen=True, slots=True)
class _Change:
    """What one bus event says: an execution's status, or (without a sighting) the job's own."""

    index: int
    job_id: str
    at: int
    of_job: bool
    sighting: Sighting | None


def record(
    events: Sequence[Mapping[str, Any]],
    *,
    ledger: Ledger,
    workflow: Workflow,
    things: Callable[[], Things] | None = None,
    minute_seconds: float = MINUTE_SECONDS,
) -> Recorded:
    """
    Record a batch of bus events, whatever jobs they belong to.

    An event that is none fails alone, one that cannot be recorded now fails with the others of
    its rollout; the rest of the batch is processed.

    Args:
        events: As EventBridge delivers them.
        ledger: Where outcomes go.
        workflow: Woken where an outcome calls for it.
        things: Makes the registry, once traits are to be joined; None: others join them later.
        minute_seconds: How long a minute of AWS IoT Jobs takes.

    Raises:
        RetryLater: The ledger throttles before anything is recorded.
    """
    faults: dict[int, str] = {}
    by_job: dict[str, list[_Change]] = defaultdict(list)
    for index, event in enumerate(events):
        try:
            change = _read(index, event)
        except EventError as error:
            faults[index] = str(error)
            continue
        by_job[change.job_id].append(change)
    recording = _Recording(
        ledger=ledger,
        workflow=workflow,
        joining=Joining(ledger, things),
        minute_seconds=minute_seconds,
        joins_left=JOINS_PER_BATCH_MAX,
    )
    rollouts = ledger.current(by_job)
    changed, ignored, failed = 0, 0, list(faults)
    moments: list[int] = []
    for job_id, changes in by_job.items():
        rollout = rollouts.get(job_id)
        if rollout is None:
            ignored += len(changes)
            continue
        try:
            changed += recording.record(rollout, changes)
        except TidegateError:
            failed.extend(change.index for change in changes)
            continue
        moments.extend(change.at for change in changes if change.at >= rollout.key.created_at)
    return Recorded(
        changed=changed,
        ignored=ignored,
        failed=tuple(sorted(failed)),
        faults=tuple(faults.values()),
        oldest_at=min(moments, default=None),
    )


@dataclass(slots=True)
class _Recording:
    """
    The recording of one batch.

    Attributes:
        joins_left: Things that the registry may still be asked about.
    """

    ledger: Ledger
    workflow: Workflow
    joining: Joining
    minute_seconds: float
    joins_left: int

    def record(self, rollout: Rollout, changes: Sequence[_Change]) -> int:
        """Record what a batch says of one rollout; return how many things changed."""
        key = rollout.key
        # An event from before the job's creation is of an earlier job with the same id.
        own = [change for change in changes if change.at >= key.created_at]
        sightings = self._told(rollout, own)
        folded = fold_sightings(key, sightings, ledger=self.ledger)
        note_soaking(
            rollout, folded.records, ledger=self.ledger, minute_seconds=self.minute_seconds
        )
        if any(change.of_job for change in own):
            self.ledger.signal(key)
            cause = "the job's status changed"
            wake(key, cause=cause, ledger=self.ledger, workflow=self.workflow)
        elif sightings:
            # Also where nothing changed: a delivery before this one may have died before it woke.
            wake_if_due(key, ledger=self.ledger, workflow=self.workflow)
        self._join(rollout, folded.records, sightings)
        return len(folded.changes)

    def _told(self, rollout: Rollout, changes: Sequence[_Change]) -> list[Sighting]:
        """Return what the events say, oldest first, without what must not be kept."""
        hidden = frozenset(rollout.policy.failures.never_stored)
        sightings = [_without(each.sighting, hidden) for each in changes if each.sighting]
        sightings.sort(key=lambda each: (each.execution_number, each.at))
        return with_reasons(rollout, sightings, ledger=self.ledger)

    def _join(
        self,
        rollout: Rollout,
        records: Mapping[str, ThingRecord],
        sightings: Sequence[Sighting],
    ) -> None:
        unjoined = unjoined_of(rollout.policy, records)
        if not unjoined:
            return
        details = {each.thing_name: each.details for each in sightings}
        joined = self.joining.join(
            rollout,
            {name: records[name] for name in unjoined},
            details,
            budget=self.joins_left,
        )
        self.joins_left -= joined.asked
        if joined.left:
            self.ledger.note_unjoined(rollout.key, joined.left, joined=False)


def with_reasons(
    rollout: Rollout, sightings: Sequence[Sighting], *, ledger: Ledger
) -> list[Sighting]:
    """
    Return the sightings with why devices failed, as far as they say.

    A rollout tells so many reasons apart; which ones those are, the first to come settle.
    """
    failures = rollout.policy.failures
    said = [
        reason_of(each.details, failures) if each.status in HARMFUL else "" for each in sightings
    ]
    if not any(said):
        return list(sightings)
    known = {reason for reason, _ in ledger.reasons(rollout.key)}
    told: list[Sighting] = []
    for sighting, reason in zip(sightings, said, strict=True):
        kept = bounded(reason, known)
        if kept:
            known.add(kept)
        told.append(replace(sighting, reason=kept))
    return told


def _without(sighting: Sighting, hidden: frozenset[str]) -> Sighting:
    if hidden.isdisjoint(sighting.details):
        return sighting
    kept = {key: value for key, value in sighting.details.items() if key not in hidden}
    return replace(sighting, details=kept)


def _read(index: int, event: Mapping[str, Any]) -> _Change:
    kind, detail = event.get("detail-type"), event.get("detail")
    if kind not in (JOB_EXECUTION_STATUS_CHANGE, JOB_STATUS_CHANGE) or not isinstance(
        detail, Mapping
    ):
        message = (
            f"a message of type {kind!r} is no job event: only the bus rule of the stack "
            "should write to this queue"
        )
        raise EventError(message)
    of_job = kind == JOB_STATUS_CHANGE
    sighting = None if of_job else sighting_from_detail(detail)
    job_id, at = detail.get("jobId"), detail.get("timestamp")
    if not isinstance(job_id, str) or not isinstance(at, int):
        message = f"a {kind} needs jobId and timestamp, but has {job_id!r} and {at!r}"
        raise EventError(message)
    return _Change(index, job_id, at, of_job, sighting)
