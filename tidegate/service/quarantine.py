"""Quarantine: devices of cohorts set apart do not get the job, as long as they have not begun."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from tidegate.domain.cells import STATUS_DETAILS, Cells, values_of
from tidegate.domain.cohorts import cohort_name
from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary, Job
from tidegate.domain.outcomes import UNJOINED, ThingRecord, sighting_of
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import Rollout
from tidegate.domain.things import Traits
from tidegate.errors import Conflict, NotFound, RetryLater
from tidegate.ports import Executions, Jobs, Ledger
from tidegate.service.folding import fold_sightings
from tidegate.service.join import Joining
from tidegate.service.names import digest

#: Pages of 250 in one pass, newest first: those notified since the last one, and more.
QUEUED_PAGES_MAX = 20
#: Things whose traits are read in one pass.
QUEUED_JOINS_MAX = 300
#: Executions canceled in one pass; AWS allows ten such calls a second.
CANCELS_PER_PASS_MAX = 200


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

        What a device has begun, it may finish: AWS cancels nothing but what is QUEUED.

        Raises:
            RetryLater: AWS or the ledger throttles; what was canceled before stays so.
        """
        apart = frozenset(rollout.memory.quarantined)
        apart -= self.ledger.released(rollout.key) if apart else frozenset()
        if not apart:
            return {}
        pages = self.jobs.executions(job.job_id, ExecutionStatus.QUEUED)
        rows = {
            each.thing_name: each for each in chain.from_iterable(islice(pages, QUEUED_PAGES_MAX))
        }
        records = self.ledger.things(rollout.key, rows)
        found, fault = self._of(apart, rollout, rows, records)
        canceled = sum(self._cancel(name, job.job_id) for name in found[:CANCELS_PER_PASS_MAX])
        if fault is not None:
            raise RetryLater(fault)
        return {"canceled": canceled}

    def _of(
        self,
        apart: frozenset[str],
        rollout: Rollout,
        rows: Mapping[str, ExecutionSummary],
        records: Mapping[str, ThingRecord],
    ) -> tuple[list[str], str | None]:
        """Return the things of these cohorts, and why not all could be looked up, if not."""
        policy = rollout.policy
        cells = Cells(policy.cohorts.keys, self.ledger.cells(rollout.key)).covering(apart)
        known = {name: each.cell for name, each in records.items() if each.cell != UNJOINED}
        found = [name for name, cell in known.items() if cell in cells]
        unknown = _in_turn([name for name in rows if name not in known], rollout.revision)
        reading = self.joining.read(policy, unknown, budget=QUEUED_JOINS_MAX)
        found += [
            name
            for name, traits in reading.traits.items()
            if not apart.isdisjoint(_cohorts_of(policy, traits))
        ]
        self._remember(rollout, [rows[name] for name in reading.traits], reading.traits)
        return found, reading.fault

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


def _in_turn(names: Sequence[str], revision: int) -> Sequence[str]:
    """
    Return the names, those first that this pass is to begin with.

    Where nothing can be remembered of those looked up, they come again; with a fixed step between
    passes some would never be reached.
    """
    first = int(digest(f"{revision}"), 16) % len(names) if len(names) > QUEUED_JOINS_MAX else 0
    return [*names[first:], *names[:first]]


def _cohorts_of(policy: Policy, traits: Traits | None) -> frozenset[str]:
    """Return the cohorts that a thing is of by what the registry says of it."""
    keys = [key for key in policy.cohorts.keys if not key.startswith(STATUS_DETAILS)]
    values = values_of(keys, traits, {})
    return frozenset(
        cohort_name(key, value) for key, value in zip(keys, values or (), strict=False)
    )
