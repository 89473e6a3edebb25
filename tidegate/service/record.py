"""Record: fold outcomes into the ledger exactly once, and wake the workflow past a tripwire."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tidegate.documents.events import (
    JOB_EXECUTION_STATUS_CHANGE,
    JOB_STATUS_CHANGE,
    EventError,
    sighting_from_detail,
)
from tidegate.domain.outcomes import Sighting, Transition, deltas, transitions
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.errors import Contention, TidegateError
from tidegate.ports import CHANGES_MAX, Ledger, Workflow
from tidegate.service.waiting import wake, wake_if_due

#: Concurrent writers of the same things are few: each retry is one of them having been faster.
COMMIT_TRIES_MAX = 8


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    What became of a batch.

    Attributes:
        changed: Things whose record changed.
        ignored: Events of jobs that are not enrolled.
        failed: Indices of events to deliver again.
        faults: One message per event that is no event at all.
    """

    changed: int
    ignored: int
    failed: tuple[int, ...]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Change:
    """What one bus event says: an execution's status, or (without a sighting) the job's own."""

    index: int
    job_id: str
    at: int
    of_job: bool
    sighting: Sighting | None


def record(events: Sequence[Mapping[str, Any]], *, ledger: Ledger, workflow: Workflow) -> Recorded:
    """
    Record a batch of bus events, whatever jobs they belong to.

    An event that is none fails alone, one that cannot be recorded now fails with the others of
    its rollout; the rest of the batch is processed.

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
    rollouts = ledger.current(by_job)
    changed, ignored, failed = 0, 0, list(faults)
    for job_id, changes in by_job.items():
        rollout = rollouts.get(job_id)
        if rollout is None:
            ignored += len(changes)
            continue
        try:
            changed += _record_rollout(rollout, changes, ledger=ledger, workflow=workflow)
        except TidegateError:
            failed.extend(change.index for change in changes)
    return Recorded(changed, ignored, tuple(sorted(failed)), tuple(faults.values()))


def fold_sightings(
    key: RolloutKey, sightings: Iterable[Sighting], *, ledger: Ledger
) -> tuple[Transition, ...]:
    """
    Fold sightings into the ledger; return what changed.

    Any number of callers may do this at once, with the same or overlapping sightings.

    Raises:
        Contention: Others were faster ``COMMIT_TRIES_MAX`` times in a row.
        RetryLater: The ledger throttles.
    """
    remaining = iter(_latest(sightings).values())
    changed: list[Transition] = []
    while chunk := list(islice(remaining, CHANGES_MAX)):
        changed.extend(_fold_chunk(key, chunk, ledger))
    return tuple(changed)


def _latest(sightings: Iterable[Sighting]) -> dict[str, tuple[Sighting, ...]]:
    """Group sightings by thing, so that one thing never falls into two transactions."""
    grouped: dict[str, tuple[Sighting, ...]] = {}
    for sighting in sightings:
        grouped[sighting.thing_name] = (*grouped.get(sighting.thing_name, ()), sighting)
    return grouped


def _fold_chunk(
    key: RolloutKey, chunk: Sequence[tuple[Sighting, ...]], ledger: Ledger
) -> tuple[Transition, ...]:
    flat = [sighting for group in chunk for sighting in group]
    names = [group[0].thing_name for group in chunk]
    for _ in range(COMMIT_TRIES_MAX):
        changes = transitions(ledger.things(key, names), flat)
        if not changes:
            return ()
        try:
            ledger.commit(key, changes, deltas(changes))
        except Contention:
            continue
        return changes
    message = (
        f"{len(chunk)} things of rollout {key.job_id} were changed by others "
        f"{COMMIT_TRIES_MAX} times in a row; deliver the events again later"
    )
    raise Contention(message)


def _record_rollout(
    rollout: Rollout, changes: Sequence[_Change], *, ledger: Ledger, workflow: Workflow
) -> int:
    key = rollout.key
    # An event from before the job's creation is of an earlier job with the same id.
    own = [change for change in changes if change.at >= key.created_at]
    sightings = [change.sighting for change in own if change.sighting is not None]
    changed = fold_sightings(key, sightings, ledger=ledger)
    if any(change.of_job for change in own):
        ledger.signal(key)
        wake(key, cause="the job's status changed", ledger=ledger, workflow=workflow)
    elif sightings:
        # Also where nothing changed: a delivery before this one may have died before it woke.
        wake_if_due(key, ledger=ledger, workflow=workflow)
    return len(changed)


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
