"""
Observe: bring the ledger up to date with what AWS shows, before anything is decided on it.

Events tell of outcomes quickly, but not when a device started, and some may be missing. The list
of executions tells both; read newest-updated first, only what changed since the last reading has
to be read. Whatever events missed is folded in by the same rules, so counts heal by themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

from tidegate.domain.durations import minutes_taken
from tidegate.domain.jobs import REPORTED, ExecutionStatus, ExecutionSummary, Job
from tidegate.domain.outcomes import Transition, sighting_of
from tidegate.domain.rollout import Counted, Counts, Listing, Rollout, RolloutKey
from tidegate.domain.situation import Readiness
from tidegate.errors import NotFound
from tidegate.ports import Jobs, Ledger
from tidegate.service.folding import fold_sightings
from tidegate.service.join import unjoined_of
from tidegate.service.soak import note_soaking

#: Pages of 250 in one review: a job at 1,000 a minute changes about 3,000 executions a minute.
PAGES_MAX = 15
#: Pages of the first reading: a job enrolled midway may have a past. What does not fit is known by
#: AWS's counters alone.
FIRST_PAGES_MAX = 20
#: A device rejects without starting, as a rule.
_NEVER_STARTS = ExecutionStatus.REJECTED
#: Updates within the same second may straddle two readings.
OVERLAP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Observation:
    """
    How far the ledger can be relied upon, and whether events seem to be missing.

    An outcome that the list tells of first may be one whose event is on its way; whoever wants to
    know whether events are published at all has reason to look.

    Attributes:
        unreadable: Why what devices reported could not be read; empty if it could.
        minutes_taken: How many executions took how many whole minutes, of all that were read.
        counted: Devices as the ledger has them now, with what was read folded in.
    """

    readiness: Readiness
    events_missing: bool = False
    unreadable: str = ""
    minutes_taken: Sequence[int] = field(default=(), compare=False)
    counted: Counted = field(default_factory=Counted, compare=False)


def described(jobs: Jobs, key: RolloutKey) -> Job | None:
    """Return the rollout's job; None if it is gone, also where another has its id now."""
    try:
        job = jobs.describe(key.job_id)
    except NotFound:
        return None
    return job if job.created_at == key.created_at else None


def observe(
    rollout: Rollout,
    job: Job,
    *,
    jobs: Jobs,
    ledger: Ledger,
    minute_seconds: float,
) -> Observation:
    """
    Fold what changed since the last reading into the ledger.

    Args:
        rollout: As the ledger has it.
        job: DescribeJob's answer, taken before.
        jobs: The job's executions.
        ledger: Where they go.
        minute_seconds: How long a minute of AWS IoT Jobs takes.

    Raises:
        NotFound: The job is gone.
        RetryLater: AWS or the ledger throttles.
    """
    since = rollout.listing.seen_until
    reading = _Reading(since, minute_seconds)
    read: list[Transition] = []
    for rows in reading.fresh(jobs.executions(job.job_id)):
        sightings = [
            sighting_of(row, rollout.key.created_at, minute_seconds)
            for row in rows
            if row.status is not ExecutionStatus.QUEUED
        ]
        folded = fold_sightings(rollout.key, sightings, ledger=ledger)
        note_soaking(rollout, folded.records, ledger=ledger, minute_seconds=minute_seconds)
        if unjoined := unjoined_of(rollout.policy, folded.records):
            ledger.note_unjoined(rollout.key, unjoined, joined=False)
        read.extend(folded.changes)
    counted = ledger.counted(rollout.key)
    return Observation(
        readiness=_readiness(rollout, job, reading, counted.counts, ledger),
        events_missing=any(_is_untold(each, rollout.enrolled_at) for each in read),
        minutes_taken=reading.taken_in_all(rollout.listing),
        counted=counted,
    )


class _Reading:
    """One reading of the list, newest first down to what was seen before."""

    def __init__(self, since: float, minute_seconds: float) -> None:
        self._since = since
        self._minute_seconds = minute_seconds
        self._known_until = since + OVERLAP_SECONDS
        self.complete = False
        self.newest = since
        self.ended = self.ended_at_start = 0
        self._taken = minutes_taken((), minute_seconds)

    def taken_in_all(self, listing: Listing) -> tuple[int, ...]:
        """Return how many took how long in all: a reading from nothing has them all again."""
        if not self._since or not listing.minutes_taken:
            return self._taken
        return _sums(listing.minutes_taken, self._taken)

    def fresh(
        self, pages: Iterator[Sequence[ExecutionSummary]]
    ) -> Iterator[Sequence[ExecutionSummary]]:
        """
        Yield the rows of each page that changed since.

        Stops early only while rows do come newest first; otherwise it reads all pages it may.
        """
        limit = PAGES_MAX if self._since else FIRST_PAGES_MAX
        ordered = True
        for rows in islice(pages, limit):
            ordered = ordered and all(a.updated_at >= b.updated_at for a, b in pairwise(rows))
            fresh = [row for row in rows if row.updated_at >= self._since]
            self.newest = max([self.newest, *(row.updated_at for row in fresh)])
            # Those of the overlap were counted by the reading before.
            self._count_ends([row for row in fresh if row.updated_at > self._known_until])
            yield fresh
            if ordered and len(fresh) < len(rows):
                self.complete = True
                return
        self.complete = next(pages, None) is None

    def _count_ends(self, rows: Sequence[ExecutionSummary]) -> None:
        """Count who has ended, without those in the overlap: the reading before had them."""
        seen_until = self._since + OVERLAP_SECONDS if self._since else 0.0
        rows = [row for row in rows if row.updated_at > seen_until]
        ended = [row for row in rows if row.status in REPORTED and row.status is not _NEVER_STARTS]
        self.ended += len(ended)
        self.ended_at_start += sum(row.started_at == row.updated_at for row in ended)
        self._taken = _sums(self._taken, minutes_taken(rows, self._minute_seconds))


def _readiness(
    rollout: Rollout, job: Job, reading: _Reading, counts: Counts, ledger: Ledger
) -> Readiness:
    deficit = max(0, job.counts.reported - counts.of(*REPORTED))
    partial = rollout.listing.partial or not reading.complete
    missing = deficit > 0 and rollout.listing.surplus > 0 and job.counts_things and not partial
    # What is still missing came into the list late: the next reading starts from nothing.
    known_until = max(rollout.listing.seen_until, reading.newest - OVERLAP_SECONDS)
    seen_until = 0.0 if missing else known_until
    listing = Listing(
        seen_until,
        surplus=deficit,
        partial=partial,
        ended=rollout.listing.ended + reading.ended,
        ended_at_start=rollout.listing.ended_at_start + reading.ended_at_start,
        minutes_taken=reading.taken_in_all(rollout.listing),
    )
    if listing != rollout.listing:
        ledger.note_listing(rollout.key, listing)
    if missing:
        return Readiness.INCOMPLETE
    if not listing.starts_are_reported and job.counts.in_progress == 0:
        return Readiness.UNSTARTED
    if partial or counts.unplaced(*REPORTED):
        return Readiness.UNPLACED
    return Readiness.COMPLETE


def _sums(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _is_untold(change: Transition, enrolled_at: float) -> bool:
    """Whether the list told of an outcome that no event has told of yet."""
    known = change.before is not None and change.before.status in REPORTED
    return change.after.status in REPORTED and not known and change.after.at > enrolled_at
