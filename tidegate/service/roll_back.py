"""
Roll back: give the devices that took up a release that was stopped the job that undoes it.

A pass is idempotent. Few devices that are all known get a job of their own at once. Otherwise they
are put into a thing group, some hundred in a pass, and once all that are known are in it, a
CONTINUOUS job is launched on it: devices that were at work when the release was stopped join it as
they finish. So the job's rate is in force for all but those few.

For n devices that takes n additions and about n/250 pages of executions, over however many passes
of a handful of calls each; devices that finish in the minute before a look may be added again. Only
where AWS forgets where a pass ended, or a pass left no note, the pages before it are read again,
and those of the group: n/125 at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidegate.documents.announcements import needs_attention, rollback_launched
from tidegate.documents.commands import parse_enrolment
from tidegate.domain.decision import Attention, Decision
from tidegate.domain.jobs import ExecutionStatus, Job
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.domain.settings import JobSettings
from tidegate.errors import NotFound, Refused, RetryLater, Superseded
from tidegate.ports import Bus, BusEvent, Clock, Jobs, Ledger, Workflow
from tidegate.service.affected import Affected, Place, affected
from tidegate.service.names import execution_name
from tidegate.service.news import step_of
from tidegate.service.observe import described
from tidegate.service.steer import Outcome
from tidegate.service.stopped import Stopped
from tidegate.service.telling import tell
from tidegate.service.waiting import owned

#: Targets of one job: https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html
SNAPSHOT_THINGS_MAX = 100
#: Things that are added at once: one that cannot be added makes its lot be tried one by one.
ADDITIONS_AT_ONCE = 50
#: Passes whose workflow died, or that something newer overtook, before one that left a note.
PASSES_LOST_MAX = 10
#: How often a job is launched whose workflow ends without having enrolled it.
LAUNCHES_MAX = 3


@dataclass(frozen=True, slots=True)
class RolledBack:
    """
    What a pass came to.

    Attributes:
        devices: How many there are to be rolled back so far.
        left_out: How many of them cannot be put into the group.
        example: One of these, and why; empty if there is none.
        place: How far the executions were read; None unless the things read are in the group.
        execution: ARN of the workflow execution that launches the job; None before that.
        launches: How many have been started so far.
        attention: What people should look at, if anything.
    """

    outcome: Outcome
    devices: int = 0
    left_out: int = 0
    example: str = ""
    place: Place | None = None
    execution: str | None = None
    launches: int = 0
    attention: Attention | None = None

    def to_note(self) -> dict[str, Any]:
        """Return it as plain JSON, to be noted with the decision."""
        attention = self.attention
        return {
            "outcome": self.outcome.value,
            "sent": {},
            "subject": attention.subject if attention else None,
            "problem": attention.problem if attention else None,
            "remedy": attention.remedy if attention else None,
            "devices": self.devices,
            "left_out": self.left_out,
            "example": self.example,
            "place": self.place.to_document() if self.place else None,
            "execution": self.execution,
            "launches": self.launches,
        }


@dataclass(frozen=True, slots=True)
class RollingBack:
    """The ports that rolling back needs."""

    jobs: Jobs
    ledger: Ledger
    workflow: Workflow
    bus: Bus
    clock: Clock

    def roll_back(self, key: RolloutKey, *, generation: int, revision: int) -> Outcome:
        """
        Do one pass for a stored decision to roll back; doing it again changes nothing.

        Returns:
            ``MORE``: more devices are to be put into the group; review at once. ``APPLIED``: a
            workflow was started; the next pass looks whether its job is on its way.
            ``ROLLED_BACK``: it is, for all devices that are known by now. ``UNCHANGED``: there are
            none so far, and nothing is launched. ``UNAPPLIED``: AWS did not take it; people were
            told, and the next review tries again. ``JOB_OVER``: the stopped job is gone.
            ``SUPERSEDED``: something newer exists.

        Raises:
            RetryLater: The ledger throttles, or the bus does not take an event.
        """
        entry = self.ledger.entry(key, revision)
        if entry.applied is not None:
            return Outcome(entry.applied["outcome"])
        try:
            rollout = owned(self.ledger, key, generation)
        except Superseded:
            return Outcome.SUPERSEDED
        decision = entry.decision
        rollback = rollout.policy.on_abort.rollback
        overtaken = rollout.revision != revision or rollout.signals != decision.signals
        if overtaken or rollback is None:
            return Outcome.SUPERSEDED
        stopped, before = Stopped(rollout, rollback), self._note_before(key, revision)
        result = self._pass(stopped, _left_by(before))
        self._announce(stopped, decision, result, before)
        self.ledger.mark_applied(key, revision, at=self.clock.now(), result=result.to_note())
        return result.outcome

    def _note_before(self, key: RolloutKey, revision: int) -> Mapping[str, Any]:
        """Return what the last decision before came to, of those that were applied."""
        for earlier in range(revision - 1, max(0, revision - 1 - PASSES_LOST_MAX), -1):
            if (note := self.ledger.applied(key, earlier)) is not None:
                return note
        return {}

    def _pass(self, stopped: Stopped, standing: RolledBack) -> RolledBack:
        """Go on from where the pass before left it."""
        try:
            job = described(self.jobs, stopped.rollout.key)
            if job is None:
                return replace(standing, outcome=Outcome.JOB_OVER, attention=stopped.is_gone())
            return self._go_on(stopped, job, standing)
        except (Refused, RetryLater) as error:
            return replace(standing, attention=stopped.not_yet(error))

    def _go_on(self, stopped: Stopped, job: Job, standing: RolledBack) -> RolledBack:
        failed = self._has_failed(stopped, standing)
        if failed and standing.launches >= LAUNCHES_MAX:
            return replace(standing, attention=stopped.launched_in_vain(standing.launches))
        is_launched = standing.launches > 0 and not failed
        found = self._read_on(stopped, standing.place)
        if found is not None:
            standing = replace(standing, devices=standing.devices + len(found.new))
            return self._by_group(stopped, found, standing, is_launched=is_launched)
        members = self._members(stopped)
        found = self._read_anew(stopped, known=members or frozenset())
        standing = _begun_anew(standing, len(members or ()) + len(found.new))
        if not members and found.is_whole and not found.names:
            return replace(standing, outcome=Outcome.UNCHANGED)
        if members is None and is_launched:
            return self._by_name(stopped, found, standing)
        # A launch may have failed for one thing that is gone: a group does without it.
        few = found.is_whole and len(found.names) <= SNAPSHOT_THINGS_MAX
        if members is None and few and not failed and not _is_at_work(job):
            targets = stopped.things(found.names)
            return self._launch(stopped, targets, standing, is_continuous=False)
        if members is None:
            self.jobs.create_group(stopped.group, stopped.description)
        return self._by_group(stopped, found, standing, is_launched=is_launched)

    def _read_on(self, stopped: Stopped, place: Place | None) -> Affected | None:
        """Return what is behind a place; None if there is no place, or AWS does not know it."""
        if place is None or place.statuses != _statuses(stopped):
            return None
        job_id = stopped.rollout.key.job_id
        try:
            return affected(self.jobs, job_id, place, at=self.clock.now())
        except NotFound:
            raise
        except Refused:
            if place.token is None:
                raise
            return None

    def _read_anew(self, stopped: Stopped, *, known: frozenset[str]) -> Affected:
        """Return what is not in the group, from the beginning."""
        job_id, place = stopped.rollout.key.job_id, Place(_statuses(stopped))
        return affected(self.jobs, job_id, place, known=known, at=self.clock.now())

    def _has_failed(self, stopped: Stopped, standing: RolledBack) -> bool:
        """Whether the workflow that was to launch the job has ended, and left no rollout."""
        if standing.execution is None:
            return False
        enrolled = self.ledger.current([stopped.job_id])
        return not enrolled and not self.workflow.is_running(standing.execution)

    def _members(self, stopped: Stopped) -> frozenset[str] | None:
        """Return the names of the things in the group; None if there is no group."""
        try:
            names = self.jobs.things_in([stopped.group_arn])
        except NotFound:
            return None
        # Where there are too many to list, all are added again: that changes nothing.
        return frozenset() if names is None else names

    def _by_name(self, stopped: Stopped, found: Affected, standing: RolledBack) -> RolledBack:
        """Look whether a job that was launched on things by name is for all of them still."""
        standing = replace(standing, outcome=Outcome.ROLLED_BACK)
        try:
            targets = self.jobs.describe(stopped.job_id).targets
        except NotFound:
            return standing
        late = [name for name in sorted(found.names) if stopped.things([name])[0] not in targets]
        return replace(standing, attention=stopped.came_late(late)) if late else standing

    def _by_group(
        self, stopped: Stopped, found: Affected, standing: RolledBack, *, is_launched: bool
    ) -> RolledBack:
        """Put the things into the group, and launch once nobody else is to be put there."""
        refusals = self._add(stopped, sorted(found.names))
        left_out = standing.left_out + len(refusals.keys() & found.new)
        standing = replace(standing, place=found.place, left_out=left_out)
        for name, refusal in refusals.items():
            standing = replace(standing, example=f"{name}: {refusal}")
        if not found.is_whole:
            return replace(standing, outcome=Outcome.MORE)
        if standing.left_out:
            attention = stopped.left_out(standing.left_out, standing.example)
            standing = replace(standing, attention=attention)
        if is_launched:
            return replace(standing, outcome=Outcome.ROLLED_BACK)
        if standing.devices <= standing.left_out:
            return standing
        return self._launch(stopped, [stopped.group_arn], standing, is_continuous=True)

    def _add(self, stopped: Stopped, names: Sequence[str]) -> dict[str, Refused]:
        """
        Add things to the group; return those that cannot be added, and why.

        Raises:
            Refused: None can, and not for want of the thing: what is in the way may go away.
        """
        refusals: dict[str, Refused] = {}
        for start in range(0, len(names), ADDITIONS_AT_ONCE):
            refusals |= self._add_lot(stopped.group, names[start : start + ADDITIONS_AT_ONCE])
        others = [each for each in refusals.values() if not isinstance(each, NotFound)]
        if others and len(refusals) == len(names):
            raise others[0]
        return refusals

    def _add_lot(self, group: str, names: Sequence[str]) -> dict[str, Refused]:
        try:
            self.jobs.add_to_group(group, names)
        except Refused as error:
            if len(names) == 1:
                return {names[0]: error}
            refusals: dict[str, Refused] = {}
            for name in names:
                refusals |= self._add_lot(group, [name])
            return refusals
        return {}

    def _launch(
        self, stopped: Stopped, targets: Sequence[str], standing: RolledBack, *, is_continuous: bool
    ) -> RolledBack:
        given = stopped.enrolment(targets, is_continuous=is_continuous).to_workflow_input()
        parse_enrolment(given)  # What the workflow would refuse is better refused here.
        # Named by its number, one whose note was lost is found again, and not started twice.
        number = standing.launches + 1
        return replace(
            standing,
            outcome=Outcome.APPLIED,
            execution=self.workflow.start(execution_name(stopped.job_id, number), given),
            launches=number,
        )

    def _announce(
        self,
        stopped: Stopped,
        decision: Decision,
        result: RolledBack,
        before: Mapping[str, Any],
    ) -> None:
        rollout, attention = stopped.rollout, result.attention
        news: list[BusEvent] = []
        if result.launches and rollout.rolled_back_by is None:
            news.append(_launched(stopped, decision, result.devices))
        events = list(news)
        # Told of it after the pass before, people know what to do by then.
        if attention is not None and attention.subject != before.get("subject"):
            events.append(_needs_attention(rollout, decision, attention))
        tell(*events, bus=self.bus)
        if news:
            text = f"{stopped.job_id} rolls back {result.devices} devices"
            steps = [step_of(each, decision, JobSettings(), text) for each in news]
            self.ledger.note_steps(rollout.key, steps)
            self.ledger.link_rollback(rollout.key, stopped.job_id)


def _launched(stopped: Stopped, decision: Decision, devices: int) -> BusEvent:
    return rollback_launched(
        stopped.rollout.key,
        stopped.job_id,
        devices,
        decision.at,
        statuses=stopped.rollback.statuses,
    )


def _needs_attention(rollout: Rollout, decision: Decision, attention: Attention) -> BusEvent:
    return needs_attention(
        rollout.key.job_id,
        attention.problem,
        attention.remedy,
        decision.at,
        key=rollout.key,
        revision=decision.revision,
    )


def _left_by(before: Mapping[str, Any]) -> RolledBack:
    """Return what the pass before left; without attention, and not applied until it is."""
    place = before.get("place")
    return RolledBack(
        Outcome.UNAPPLIED,
        devices=before.get("devices", 0),
        left_out=before.get("left_out", 0),
        example=before.get("example", ""),
        place=Place.from_document(place) if place else None,
        execution=before.get("execution"),
        launches=before.get("launches", 0),
    )


def _begun_anew(standing: RolledBack, devices: int) -> RolledBack:
    """Return what stands where the executions are read from the beginning."""
    return replace(standing, devices=devices, left_out=0, example="", place=None)


def _statuses(stopped: Stopped) -> tuple[ExecutionStatus, ...]:
    return tuple(sorted(stopped.rollback.statuses))


def _is_at_work(job: Job) -> bool:
    """Whether devices may still take the release up: begun, or not canceled yet."""
    return job.counts.in_progress > 0 or job.counts.queued > 0
