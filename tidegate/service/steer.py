"""
Steer: apply a stored decision to the job, once, and never against a hold.

UpdateJob has no version check, so a decision that raises the rate is checked twice: what people
asked for and who owns the rollout is read right before the call and again right after it, and a
raise that lost the race is taken back.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tidegate.documents.announcements import needs_attention
from tidegate.documents.record import final_record
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.jobs import Job, JobStatus
from tidegate.domain.review import ABORT_REASON_CODE, COMPLETE_REASON_CODE
from tidegate.domain.rollout import Ending, HoldKind, Lift, Rollout, RolloutKey
from tidegate.domain.settings import RATE_PER_MINUTE_MIN, JobSettings, RolloutRate, refusals
from tidegate.errors import NotFound, Refused, RetryLater, Superseded
from tidegate.ports import Bus, BusEvent, Clock, Entry, Jobs, Ledger
from tidegate.service.news import Told, milestones, news_of, step_of
from tidegate.service.observe import described
from tidegate.service.seen import reasons_of
from tidegate.service.waiting import owned

#: Lines of a timeline that go into the final record.
TIMELINE_LENGTH_MAX = 1000
#: Decisions before one that were stored and never told, as their workflow died.
MISSED_MAX = 5
#: A job was there at its review: for so long its id is taken to be its own, without another look.
SURE_SECONDS = 120

_SLOWEST = JobSettings(rollout=RolloutRate(RATE_PER_MINUTE_MIN))


class Outcome(StrEnum):
    """What applying a decision came to."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    CANCEL_REQUESTED = "cancel_requested"
    CONCLUDED = "concluded"
    #: Something newer exists; review at once.
    SUPERSEDED = "superseded"
    #: The job ended meanwhile; review at once.
    JOB_OVER = "job_over"
    #: The job is not running; review when it is due.
    NOT_RUNNING = "not_running"
    #: AWS did not take it; people were told, and the next review tries again.
    UNAPPLIED = "unapplied"
    #: All devices that took the release are rolled back, as far as they are known.
    ROLLED_BACK = "rolled_back"
    #: More of them are to be rolled back; review at once.
    MORE = "more"


@dataclass(frozen=True, slots=True)
class Applied:
    """An outcome, the settings that were really sent, and what went wrong if anything did."""

    outcome: Outcome
    sent: JobSettings = field(default_factory=JobSettings)
    problem: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Steering:
    """The ports that applying needs."""

    jobs: Jobs
    ledger: Ledger
    bus: Bus
    clock: Clock

    def steer(self, key: RolloutKey, *, generation: int, revision: int) -> Outcome:
        """
        Apply a decision; doing it again changes nothing.

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
        if rollout.revision != revision:
            return Outcome.SUPERSEDED
        decision = entry.decision
        applied = self._apply(rollout, decision)
        self._announce(rollout, decision, applied)
        self.ledger.mark_applied(key, revision, at=self.clock.now(), result=_note(applied))
        return applied.outcome

    def _apply(self, rollout: Rollout, decision: Decision) -> Applied:
        match decision.verdict:
            case Verdict.PROCEED | Verdict.HOLD | Verdict.GATE:
                return self._update(rollout, decision)
            case Verdict.ABORT:
                return self._cancel(rollout, decision, ABORT_REASON_CODE, force=decision.forces)
            case Verdict.COMPLETE:
                return self._complete(rollout, decision)
            case Verdict.ENDED:
                return self._conclude(rollout, decision)
            case Verdict.ROLL_BACK:
                # Another function's; nothing is to be done here.
                return Applied(Outcome.UNCHANGED)

    def _complete(self, rollout: Rollout, decision: Decision) -> Applied:
        """
        End the rollout, unless something came up since the review.

        The job may go on behind a share of outcomes: an abort or a hold of it would be lost.
        """
        if rollout.ending is None and self._overtaken(rollout, decision):
            return Applied(Outcome.SUPERSEDED)
        if decision.cancels_stragglers:
            canceled = self._cancel(rollout, decision, COMPLETE_REASON_CODE)
            if canceled.outcome not in (Outcome.CANCEL_REQUESTED, Outcome.JOB_OVER):
                return canceled
        if decision.settings:
            self._relabel(rollout, decision.settings)
        return self._conclude(rollout, decision)

    def _relabel(self, rollout: Rollout, settings: JobSettings) -> None:
        """Say on a job that goes on that it is steered no more, if AWS has room for that."""
        job_id, namespace_id = rollout.key.job_id, rollout.policy.job.namespace_id
        # No end waits for a label.
        with suppress(Refused, RetryLater):
            if described(self.jobs, rollout.key) is not None:
                self.jobs.update(job_id, settings, namespace_id=namespace_id)

    def _conclude(self, rollout: Rollout, decision: Decision) -> Applied:
        """End the rollout, unless people asked for something that no review has seen."""
        try:
            self.ledger.conclude(
                rollout.key,
                generation=rollout.generation,
                signals=decision.signals,
                ending=decision.ending or Ending.COMPLETED,
                at=self.clock.now(),
            )
        except Superseded:
            return Applied(Outcome.SUPERSEDED)
        return Applied(Outcome.CONCLUDED)

    # UpdateJob

    def _update(self, rollout: Rollout, decision: Decision) -> Applied:
        if not decision.settings:
            # Withheld for want of authority, or nothing that AWS would take now.
            return Applied(Outcome.UNCHANGED)
        job = described(self.jobs, rollout.key)
        if job is None or job.status is not JobStatus.IN_PROGRESS:
            return _not_running(job)
        standing = job.settings
        changes = standing.changes_to(decision.settings)
        if not changes:
            return self._unchanged(rollout, decision)
        if faults := refusals(changes, standing):
            problem = " ".join(fault.message for fault in faults)
            return self._fail_safe(rollout, changes, problem)
        if changes.rollout and changes.rate_per_minute > _slowest(standing):
            return self._raise(rollout, decision, changes)
        return self._send(rollout, changes)

    def _raise(self, rollout: Rollout, decision: Decision, changes: JobSettings) -> Applied:
        """Send a higher rate only if nothing newer exists, neither before nor after the call."""
        if self._overtaken(rollout, decision):
            return Applied(Outcome.SUPERSEDED)
        applied = self._send(rollout, changes)
        return self._take_back(rollout) if self._overtaken(rollout, decision) else applied

    def _unchanged(self, rollout: Rollout, decision: Decision) -> Applied:
        """Nothing is left to send; if it was sent by a call that died, its second look is due."""
        raised = decision.settings.rate_per_minute > _slowest(decision.replaces)
        if raised and self._overtaken(rollout, decision):
            return self._take_back(rollout)
        return Applied(Outcome.UNCHANGED)

    def _take_back(self, rollout: Rollout) -> Applied:
        """
        Take a raise back that lost the race: to the lowest rate, which no hold can be below.

        The rate before may be too high by now: whoever was faster may have lowered it. The review
        that follows at once finds the right one.
        """
        return replace(self._send(rollout, _SLOWEST), outcome=Outcome.SUPERSEDED)

    def _send(self, rollout: Rollout, changes: JobSettings) -> Applied:
        namespace_id = rollout.policy.job.namespace_id
        try:
            self.jobs.update(rollout.key.job_id, changes, namespace_id=namespace_id)
        except NotFound:
            return Applied(Outcome.JOB_OVER)
        except Refused as error:
            return self._refused(rollout, changes, str(error))
        except RetryLater as error:
            return Applied(
                Outcome.UNAPPLIED,
                problem=f"AWS did not take the settings of job {rollout.key.job_id}: {error}",
                remedy="Nothing to do at once: the next review tries again. If it lasts, look at "
                "the account's quota for UpdateJob.",
            )
        return Applied(Outcome.APPLIED, sent=changes)

    def _refused(self, rollout: Rollout, changes: JobSettings, problem: str) -> Applied:
        """AWS called the request invalid: is the job over, not begun, or is the request wrong?"""
        job = described(self.jobs, rollout.key)
        if job is None or job.status is not JobStatus.IN_PROGRESS:
            return _not_running(job)
        return self._fail_safe(rollout, changes, problem)

    def _fail_safe(self, rollout: Rollout, changes: JobSettings, problem: str) -> Applied:
        """The settings cannot be installed as decided: go slow behind the fence, and say so."""
        sent, fenced = JobSettings(), replace(_SLOWEST, abort=changes.abort)
        possible = [_SLOWEST] if refusals(fenced, JobSettings()) else [fenced, _SLOWEST]
        for safest in dict.fromkeys(possible):
            try:
                self.jobs.update(
                    rollout.key.job_id, safest, namespace_id=rollout.policy.job.namespace_id
                )
            except (Refused, RetryLater) as error:
                problem = f"{problem} Slowing down failed too: {error}"
            else:
                sent = safest
                break
        return Applied(
            Outcome.UNAPPLIED,
            sent=sent,
            problem=f"AWS refuses the settings {changes.to_request()} of job "
            f"{rollout.key.job_id}: {problem}",
            remedy="Correct the policy, abort the rollout and enroll its successor with it; if "
            "the policy is not at fault, this is a defect of Tidegate worth reporting.",
        )

    def _overtaken(self, rollout: Rollout, decision: Decision) -> bool:
        """Whether a hold, a request, a newer decision or another owner came up meanwhile."""
        latest = self.ledger.rollout(rollout.key)
        return (
            latest.signals != decision.signals
            or latest.revision != decision.revision
            or latest.generation != rollout.generation
        )

    # CancelJob

    def _cancel(
        self, rollout: Rollout, decision: Decision, reason_code: str, *, force: bool = False
    ) -> Applied:
        try:
            if self._is_gone(rollout, decision):
                return Applied(Outcome.JOB_OVER)
            self.jobs.cancel(
                rollout.key.job_id,
                reason_code=reason_code,
                comment=f"Tidegate, decision {decision.revision}: {decision.summary}",
                force=force,
            )
        except NotFound:
            return Applied(Outcome.JOB_OVER)
        except (Refused, RetryLater) as error:
            if isinstance(error, Refused) and self._is_canceled(rollout, decision):
                return Applied(Outcome.JOB_OVER)
            return Applied(
                Outcome.UNAPPLIED,
                problem=f"AWS did not cancel job {rollout.key.job_id}: {error}",
                remedy="The next review tries again. If it must stop now, cancel the job yourself: "
                f"aws iot cancel-job --job-id {rollout.key.job_id}",
            )
        return Applied(Outcome.CANCEL_REQUESTED)

    def _is_gone(self, rollout: Rollout, decision: Decision) -> bool:
        """
        Whether another job may have the id by now: a cancelation cannot be taken back.

        An abort does not wait for AWS to have room for a look: the review has just had one.
        """
        try:
            return described(self.jobs, rollout.key) is None
        except RetryLater:
            if self.clock.now() - decision.at > SURE_SECONDS:
                raise
            return False

    def _is_canceled(self, rollout: Rollout, decision: Decision) -> bool:
        """Whether the job is over, or was canceled by the decision before and shows it late."""
        before = self.ledger.applied(rollout.key, decision.revision - 1)
        if before is not None and before["outcome"] in (Outcome.CANCEL_REQUESTED, Outcome.JOB_OVER):
            return True
        job = described(self.jobs, rollout.key)
        return job is None or not job.goes_on

    # the bus

    def _announce(self, rollout: Rollout, decision: Decision, applied: Applied) -> None:
        key, earlier = rollout.key, self._earlier(rollout.key, decision.revision)
        told = _told(earlier)
        unheard = (*told.missed, decision)
        passes = any(each.gates_passed for each in unheard)
        answers = self.ledger.answers(key) if passes else ()
        is_end = applied.outcome is Outcome.CONCLUDED
        is_through = is_end or any(each.starts_guarding for each in unheard)
        record = self._record(rollout, decision) if is_through else None
        if applied.outcome is Outcome.SUPERSEDED:
            # A newer decision says what is in force; gates and questions are told by this one only.
            news = list(milestones(rollout, unheard, told, answers, record))
        else:
            news = news_of(
                rollout,
                decision,
                told,
                applied.sent,
                lift=self._lift(key, decision, told.last),
                answers=answers,
                record=record,
            )
        events = [*news, *_problem(rollout, decision, applied, earlier)]
        if events and self.bus.publish(events):
            message = (
                f"the bus did not take decision {decision.revision} of {key.job_id}; "
                "applying it again changes nothing and publishes it again"
            )
            raise RetryLater(message)
        steps = [step_of(each, decision, applied.sent, decision.summary) for each in news]
        if steps:
            self.ledger.note_steps(key, steps)

    def _earlier(self, key: RolloutKey, revision: int) -> list[Entry]:
        """Return the decisions before that one, newest first, back to one that people know."""
        found: list[Entry] = []
        for earlier in range(revision - 1, max(0, revision - 1 - MISSED_MAX), -1):
            found.append(self.ledger.entry(key, earlier))
            if _is_told(found[-1]):
                break
        return found

    def _lift(self, key: RolloutKey, decision: Decision, last: Decision | None) -> Lift | None:
        """Return who lifted operators' holds last, where that may be why none is left."""
        if last is None or not last.holds or decision.holds:
            return None
        return self.ledger.lift(key, HoldKind.OPERATOR)

    def _record(self, rollout: Rollout, decision: Decision) -> Mapping[str, Any]:
        """Return the final record of a rollout that is through by this decision."""
        steps = self.ledger.steps(rollout.key, limit=TIMELINE_LENGTH_MAX)
        reasons = reasons_of(rollout, self.ledger)
        ending = decision.ending or Ending.COMPLETED
        return final_record(rollout, ending, decision.evidence, steps, decision.at, reasons=reasons)


def _told(earlier: Sequence[Entry]) -> Told:
    """Return what people know before they are told of a decision; ``earlier``: newest first."""
    last = next((each.decision for each in earlier if _is_told(each)), None)
    missed = tuple(each.decision for each in reversed(earlier) if each.applied is None)
    return Told(last, missed)


def _is_told(entry: Entry) -> bool:
    """Whether people were told of all of a decision."""
    return entry.applied is not None and entry.applied["outcome"] != Outcome.SUPERSEDED


def _problem(
    rollout: Rollout, decision: Decision, applied: Applied, earlier: Sequence[Entry]
) -> Iterator[BusEvent]:
    """Say what went wrong, unless the decision before came to the same: people know by then."""
    before = earlier[0].applied if earlier else None
    if applied.problem is None or (before is not None and before["remedy"] == applied.remedy):
        return
    yield needs_attention(
        rollout.key.job_id,
        problem=applied.problem,
        remedy=applied.remedy or "",
        at=decision.at,
        key=rollout.key,
        revision=decision.revision,
    )


def _slowest(standing: JobSettings) -> int:
    """Return the rate that is certainly in force: of AWS's own growth, where it begins."""
    growth = standing.rollout.exponential if standing.rollout else None
    return growth.base_rate_per_minute if growth else standing.rate_per_minute


def _not_running(job: Job | None) -> Applied:
    scheduled = job is not None and job.status is JobStatus.SCHEDULED
    return Applied(Outcome.NOT_RUNNING if scheduled else Outcome.JOB_OVER)


def _note(applied: Applied) -> Mapping[str, Any]:
    return {
        "outcome": applied.outcome.value,
        "sent": applied.sent.to_request(),
        "problem": applied.problem,
        "remedy": applied.remedy,
    }
