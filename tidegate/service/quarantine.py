"""Quarantine: what waits for devices of cohorts set apart is canceled, pass by pass."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidegate.domain.cells import STATUS_DETAILS, values_of
from tidegate.domain.cohorts import cohort_name
from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary, Job
from tidegate.domain.outcomes import UNJOINED, sighting_of
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import Bookmark, Rollout
from tidegate.domain.things import Traits
from tidegate.errors import Conflict, NotFound, RetryLater
from tidegate.ports import ExecutionPage, Executions, Jobs, Ledger
from tidegate.service.folding import fold_sightings
from tidegate.service.join import Joining
from tidegate.service.names import digest
from tidegate.service.pages import pages_from
from tidegate.service.seen import cells_of

#: Pages of 250 in one pass: of those notified since the last one, and where that one ended.
QUEUED_PAGES_MAX = 20
#: Of them, pages of those notified since: more than AWS notifies between two passes.
NEWEST_PAGES_MAX = 10
#: Things whose traits are read in one pass, at least so many of them notified since the last one:
#: that leaves a whole page.
QUEUED_JOINS_MAX = 300
NEWEST_JOINS_MIN = 50
#: Executions canceled in one pass; AWS allows ten such calls a second.
CANCELS_PER_PASS_MAX = 200

_WAITING = ExecutionStatus.QUEUED


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The ports that keeping cohorts apart needs."""

    jobs: Jobs
    executions: Executions
    ledger: Ledger
    joining: Joining
    minute_seconds: float

    def enforce(self, rollout: Rollout, job: Job) -> Mapping[str, int]:
        """
        Cancel what waits for devices of cohorts set apart; return how many.

        Those notified since the last pass come first, as the likeliest to begin; then the list is
        read on where that pass ended, from its end back to its beginning. What a device has begun,
        it may finish: AWS cancels nothing but what is QUEUED.

        Raises:
            RetryLater: AWS or the ledger throttles; what was canceled before stays so.
        """
        apart = frozenset(rollout.memory.quarantined)
        apart -= self.ledger.released(rollout.key) if apart else frozenset()
        if not apart:
            return {}
        before = _bookmark_for(apart, rollout)
        waiting = self._waiting(before, job)
        found, unsettled, fault = self._of(apart, rollout, waiting)
        canceled = sum(self._cancel(name, job.job_id) for name in found[:CANCELS_PER_PASS_MAX])
        after = waiting.read_until(before, unsettled)
        if len(found) <= CANCELS_PER_PASS_MAX and after.token != before.token:
            self.ledger.note_bookmark(rollout.key, _WAITING, after)
        if fault is not None:
            raise RetryLater(fault)
        return {"canceled": canceled}

    def _waiting(self, before: Bookmark, job: Job) -> "_Waiting":
        """Return what waits, as far as one pass looks at it."""
        newest: list[Sequence[ExecutionSummary]] = []
        if before.token is not None:
            pages = pages_from(self.jobs, job.job_id, _WAITING, None, limit=NEWEST_PAGES_MAX)
            newest = [*_newer(pages, before.since)]
        limit = QUEUED_PAGES_MAX - len(newest)
        pages = pages_from(self.jobs, job.job_id, _WAITING, before.token, limit=limit)
        return _Waiting([row for rows in newest for row in rows], [*pages])

    def _of(
        self, apart: frozenset[str], rollout: Rollout, waiting: "_Waiting"
    ) -> tuple[list[str], frozenset[str], str | None]:
        """Return the things of these cohorts, those not looked up, and why not, if AWS is busy."""
        policy, rows = rollout.policy, waiting.rows
        records = self.ledger.things(rollout.key, rows)
        cells = cells_of(rollout, self.ledger).covering(apart)
        known = {name: each.cell for name, each in records.items() if each.cell != UNJOINED}
        found = [name for name in rows if known.get(name) in cells]
        reading = self.joining.read(policy, waiting.in_turn(known), budget=QUEUED_JOINS_MAX)
        found += [
            name
            for name, traits in reading.traits.items()
            if not apart.isdisjoint(_cohorts_of(policy, traits))
        ]
        self._remember(rollout, [rows[name] for name in reading.traits], reading.traits)
        return found, frozenset(reading.left), reading.fault

    def _remember(
        self,
        rollout: Rollout,
        rows: Sequence[ExecutionSummary],
        traits: Mapping[str, Traits | None],
    ) -> None:
        """Give things their cell before they begin, so that nobody asks about them again."""
        if any(key.startswith(STATUS_DETAILS) for key in rollout.policy.cohorts.keys):
            # Only the device itself can tell the rest of what it is.
            return
        sightings = [
            sighting_of(each, rollout.key.created_at, self.minute_seconds) for each in rows
        ]
        folded = fold_sightings(rollout.key, sightings, ledger=self.ledger)
        self.joining.place(rollout, folded.records, traits, {})

    def _cancel(self, thing_name: str, job_id: str) -> bool:
        try:
            self.executions.cancel(thing_name, job_id)
        except (Conflict, NotFound):
            return False  # The device has begun, or the execution is gone.
        return True


@dataclass(frozen=True, slots=True)
class _Waiting:
    """
    Executions that wait.

    Attributes:
        newest: Of things notified since the last pass.
        pages: Those that the last pass has not come to, as they are listed.
    """

    newest: Sequence[ExecutionSummary]
    pages: Sequence[ExecutionPage]

    @property
    def rows(self) -> dict[str, ExecutionSummary]:
        """All of them, by name of thing."""
        listed = (row for page in self.pages for row in page.rows)
        return {row.thing_name: row for row in (*self.newest, *listed)}

    def in_turn(self, known: Container[str]) -> list[str]:
        """Return the things that are not known, in the order in which they are looked up."""
        newest = [row.thing_name for row in self.newest]
        listed = [row.thing_name for page in self.pages for row in page.rows]
        names = (*newest[:NEWEST_JOINS_MIN], *listed, *newest[NEWEST_JOINS_MIN:])
        return [name for name in dict.fromkeys(names) if name not in known]

    def read_until(self, before: Bookmark, unsettled: Container[str]) -> Bookmark:
        """Return where the next pass goes on: with the first thing that was not looked up."""
        token = before.token
        for page in self.pages:
            if any(row.thing_name in unsettled for row in page.rows):
                break
            token = page.token
        newest = max((row.updated_at for row in self.rows.values()), default=0.0)
        return Bookmark(token, before.purpose, max(before.since, newest))


def _bookmark_for(apart: frozenset[str], rollout: Rollout) -> Bookmark:
    """Return where these cohorts are looked for: others were, if any, up to some other place."""
    purpose = digest("\n".join(sorted(apart)))
    known = rollout.bookmarks.get(_WAITING)
    return known if known and known.purpose == purpose else Bookmark(purpose=purpose)


def _newer(pages: Iterator[ExecutionPage], since: float) -> Iterator[Sequence[ExecutionSummary]]:
    """Yield the rows of each page that were updated later than that, as long as there are some."""
    for page in pages:
        rows = [row for row in page.rows if row.updated_at > since]
        yield rows
        if len(rows) < len(page.rows):
            return


def _cohorts_of(policy: Policy, traits: Traits | None) -> frozenset[str]:
    """Return the cohorts that a thing is of by what the registry says of it."""
    keys = [key for key in policy.cohorts.keys if not key.startswith(STATUS_DETAILS)]
    values = values_of(keys, traits, {})
    return frozenset(
        cohort_name(key, value) for key, value in zip(keys, values or (), strict=False)
    )
