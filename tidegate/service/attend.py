"""
Attend: look after single devices where a rollout needs it, between one review and the next.

Each chore is tolerant of the others' failure: what cannot be done now is told, and done in the next
pass. Whatever acts on an execution rests on the version of it that was seen.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from tidegate.documents.announcements import needs_attention
from tidegate.domain.cells import STATUS_DETAILS
from tidegate.domain.jobs import Job, JobStatus
from tidegate.domain.outcomes import UNJOINED
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.errors import NotFound, Refused, RetryLater, Superseded
from tidegate.ports import Bus, Clock, Executions, Jobs, Ledger, Presences, Things
from tidegate.service.join import Joining
from tidegate.service.observe import described
from tidegate.service.overlap import tell_late_overlaps
from tidegate.service.quarantine import Quarantine
from tidegate.service.reap import Reaping
from tidegate.service.soak import Vouching
from tidegate.service.telling import tell_once
from tidegate.service.waiting import owned

#: Things that outcomes did not wait for, joined in one pass.
JOINS_PER_PASS_MAX = 300

_REMEDY = "Mend what the problem names; until then the rollout goes on without it."

_Chore = Callable[[], Mapping[str, int]]


class Attendance(StrEnum):
    """What a pass came to."""

    ATTENDED = "attended"
    #: Something could not be done; the next pass tries again.
    INCOMPLETE = "incomplete"
    #: Something newer exists, or the rollout is over.
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Attended:
    """
    What a pass came to.

    Attributes:
        done: How many devices something was done for, by what it was.
        faults: What could not be done, by chore.
    """

    outcome: Attendance
    done: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attending:
    """The ports that attending needs."""

    jobs: Jobs
    ledger: Ledger
    executions: Executions
    things: Things
    presences: Presences
    bus: Bus
    clock: Clock
    minute_seconds: float

    def attend(self, key: RolloutKey, *, generation: int, revision: int) -> Attended:
        """
        Do what is due for single devices; doing it again does what is still due.

        Raises:
            RetryLater: The ledger or AWS throttles before anything is done.
        """
        try:
            rollout = owned(self.ledger, key, generation)
        except Superseded:
            return Attended(Attendance.SUPERSEDED)
        job = described(self.jobs, key)
        if rollout.revision != revision or rollout.ending is not None or job is None:
            return Attended(Attendance.SUPERSEDED)
        done: dict[str, int] = {}
        faults: dict[str, str] = {}
        for name, chore in self._chores(rollout, job):
            try:
                done |= chore()
            except RetryLater as error:
                faults[name] = str(error)
            except Refused as error:
                faults[name] = str(error)
                self._tell(rollout, name, error, faults)
        outcome = Attendance.INCOMPLETE if faults else Attendance.ATTENDED
        return Attended(outcome, done, faults)

    def _chores(self, rollout: Rollout, job: Job) -> Iterator[tuple[str, _Chore]]:
        vouching = Vouching(
            ledger=self.ledger,
            presences=self.presences,
            executions=self.executions,
            bus=self.bus,
            clock=self.clock,
            minute_seconds=self.minute_seconds,
        )
        yield "soak", partial(vouching.vouch, rollout)
        yield "join", partial(self._join, rollout)
        if job.status is not JobStatus.IN_PROGRESS or rollout.aborting:
            # Nothing but CancelJob follows an abort.
            return
        if not rollout.policy.authority.only_observes:
            yield from self._acting(rollout, job)
        course = rollout.course
        if course.compared_at is not None and course.compared_at == course.attended_at:
            yield "overlap", partial(self._compare, rollout, job)

    def _acting(self, rollout: Rollout, job: Job) -> Iterator[tuple[str, _Chore]]:
        """Yield the chores that change executions."""
        reaping = Reaping(
            jobs=self.jobs,
            executions=self.executions,
            ledger=self.ledger,
            bus=self.bus,
            clock=self.clock,
            minute_seconds=self.minute_seconds,
        )
        quarantine = Quarantine(
            jobs=self.jobs,
            executions=self.executions,
            ledger=self.ledger,
            joining=self._joining,
            minute_seconds=self.minute_seconds,
        )
        yield "quarantine", partial(quarantine.enforce, rollout, job)
        if rollout.policy.stuck is None:
            return
        # In an outage devices are silent for want of a network; the first chore may have seen one.
        if self.ledger.rollout(rollout.key).connected.outage is None:
            yield "stuck", partial(reaping.reap, rollout, job)

    def _compare(self, rollout: Rollout, job: Job) -> Mapping[str, int]:
        """Tell people of rollouts that have some of the same things by now; that is no device's."""
        tell_late_overlaps(
            rollout, job, jobs=self.jobs, ledger=self.ledger, bus=self.bus, at=self.clock.now()
        )
        return {}

    @property
    def _joining(self) -> Joining:
        return Joining(self.ledger, lambda: self.things)

    def _join(self, rollout: Rollout) -> Mapping[str, int]:
        """Join things that outcomes did not wait for, or that have not come to one yet."""
        key, policy = rollout.key, rollout.policy
        if not policy.cohorts.keys:
            return {}
        names = self.ledger.unjoined(key, limit=JOINS_PER_PASS_MAX)
        known = self.ledger.things(key, names) if names else {}
        records = {name: each for name, each in known.items() if each.cell == UNJOINED}
        details = {name: self._details(policy, name, key.job_id) for name in records}
        joined = self._joining.join(rollout, records, details, budget=JOINS_PER_PASS_MAX)
        settled = [name for name in names if name not in joined.left]
        if settled:
            # One that cannot be told yet, as it is at work, is told by its outcome.
            self.ledger.note_unjoined(key, settled, joined=True)
        if joined.fault is not None:
            raise RetryLater(joined.fault)
        return {"joined": sum(cell != UNJOINED for cell in joined.cells.values())}

    def _details(self, policy: Policy, thing_name: str, job_id: str) -> Mapping[str, str]:
        """Return what the device reports of itself, where the policy tells devices apart by it."""
        if not any(each.startswith(STATUS_DETAILS) for each in policy.cohorts.keys):
            return {}
        try:
            told = self.executions.describe(thing_name, job_id).status_details
        except NotFound:
            return {}
        hidden = policy.failures.never_stored
        return {name: value for name, value in told.items() if name not in hidden}

    def _tell(self, rollout: Rollout, chore: str, error: Refused, faults: dict[str, str]) -> None:
        """Tell people once per rollout what only they can mend."""
        key, now = rollout.key, self.clock.now()
        problem = f"Devices of job {key.job_id} cannot be looked after ({chore}): {error}"
        told = needs_attention(key.job_id, problem, _REMEDY, now, key=key)
        name = f"attend {chore} {key.job_id} {key.created_at}"
        try:
            tell_once(name, told, ledger=self.ledger, bus=self.bus, at=now)
        except RetryLater as busy:
            faults[f"{chore}, told"] = str(busy)
