"""Review: look at the job and the ledger, decide, and store the decision before anything else."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.documents.announcements import needs_attention
from tidegate.domain.course import Answer
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.durations import durations_of
from tidegate.domain.jobs import Job, JobStatus
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.review import review as decide
from tidegate.domain.rollout import HoldKind, Lift, Rollout, RolloutKey
from tidegate.domain.settings import JobSettings
from tidegate.domain.situation import Readiness, Situation
from tidegate.errors import Refused, RetryLater
from tidegate.ports import Bus, Clock, Jobs, Ledger
from tidegate.service.observe import Observation, described, observe
from tidegate.service.seen import seen_of
from tidegate.service.standing import Watching, review_minutes
from tidegate.service.steer import Outcome
from tidegate.service.telling import tell
from tidegate.service.waiting import owned

#: Until so many minutes after a decision, DescribeJob may still show what was before it.
SETTLING_MINUTES = 0.2


@dataclass(frozen=True, slots=True)
class _Last:
    """The decision before this review, and what applying it came to."""

    decision: Decision | None
    outcome: str | None

    def told_of(self, subject: str) -> bool:
        """Whether it told people of this."""
        attention = self.decision.attention if self.decision else None
        return attention is not None and attention.subject == subject

    def said(self, code: ReasonCode) -> bool:
        """Whether it rested on this."""
        reasons = self.decision.reasons if self.decision else ()
        return any(each.code is code for each in reasons)

    def installed(self, until: float) -> JobSettings | None:
        """Return the settings that it put in force before that time (epoch seconds)."""
        if self.decision is None or self.decision.at > until:
            return None
        in_force = self.outcome in (Outcome.APPLIED, Outcome.UNCHANGED)
        return self.decision.settings if in_force else None

    def rolled_back(self, outcome: Outcome) -> bool:
        """Whether it was a pass of rolling back that came to this."""
        is_pass = self.decision is not None and self.decision.verdict is Verdict.ROLL_BACK
        return is_pass and self.outcome == outcome


@dataclass(frozen=True, slots=True)
class Reviewing:
    """The ports that a review needs, and how long a minute of AWS IoT Jobs takes."""

    jobs: Jobs
    ledger: Ledger
    watching: Watching
    bus: Bus
    clock: Clock
    minute_seconds: float

    def review(self, key: RolloutKey, *, generation: int) -> Decision:
        """
        Review a rollout and store the decision.

        Raises:
            Superseded: Another generation of the workflow owns the rollout.
            RetryLater: AWS or the ledger throttles beyond bounded retries.
        """
        rollout = owned(self.ledger, key, generation)
        last = self._last(rollout)
        decision = decide(rollout.policy, self._situation(rollout, last), self.clock.now())
        # Before it is stored: once it is, it counts as told.
        self._raise_attention(rollout, decision, last)
        self.ledger.store_decision(key, decision, generation=generation)
        return decision

    def _last(self, rollout: Rollout) -> _Last:
        if not rollout.revision:
            return _Last(None, None)
        last = self.ledger.entry(rollout.key, rollout.revision)
        return _Last(last.decision, last.applied["outcome"] if last.applied else None)

    def _situation(self, rollout: Rollout, last: _Last) -> Situation:
        key = rollout.key
        job = described(self.jobs, key)
        # Outcomes came in meanwhile, of devices that have started meanwhile: who started is
        # counted last, or a burst of fast failures would stand against too few starts.
        observation, latest = self._observe(rollout, job), described(self.jobs, key)
        if job is not None and latest is not None and latest.status is not job.status:
            observation = self._observe(rollout, latest)
        active, now = self.ledger.active(), self.clock.now()
        counted = observation.counted
        seen = seen_of(rollout, counted, ledger=self.ledger, now=now)
        minute = (now - key.created_at) / self.minute_seconds
        answers = self._answers(rollout)
        return Situation(
            job=latest,
            counts=seen.counts,
            revision=rollout.revision + 1,
            signals=rollout.signals,
            budget=rollout.policy.harm.budget(rollout.fleet_size),
            readiness=observation.readiness,
            unreadable=observation.unreadable,
            events_enabled=self._events_enabled(observation, last),
            fleet_size=rollout.fleet_size,
            upper_bound=rollout.upper_bound,
            memory=rollout.memory,
            durations=durations_of(observation.minutes_taken, counted.counts.by_bucket, minute),
            tallies=seen.tallies,
            apart=seen.apart,
            released=seen.released,
            reasons=seen.reasons,
            cells=seen.cells,
            unsettled=seen.unsettled,
            can_quarantine=seen.can_quarantine,
            holds=tuple(self.ledger.holds(key)),
            lift=self._lift(key, answers),
            course=rollout.course,
            answers=answers,
            standing=self.watching.read(rollout, active),
            installed=last.installed(self.clock.now() - SETTLING_MINUTES * self.minute_seconds),
            rolls_back=rollout.rolls_back is not None,
            has_all_to_undo=self._is_over(rollout.rolls_back),
            is_rolled_back=last.rolled_back(Outcome.ROLLED_BACK),
            is_rolling_back=last.rolled_back(Outcome.MORE),
            review_minutes=review_minutes(len(active)),
            abort_request=rollout.abort_request,
            aborting=rollout.aborting,
            minute_seconds=self.minute_seconds,
        )

    def _answers(self, rollout: Rollout) -> tuple[Answer, ...]:
        """Return the answers to its questions, where any may have been asked that matters still."""
        course = rollout.course
        asks = bool(rollout.policy.gates or course.questions) or course.proposal is not None
        return tuple(self.ledger.answers(rollout.key)) if asks else ()

    def _lift(self, key: RolloutKey, answers: Sequence[Answer]) -> Lift | None:
        """Return who lifted operators' holds last, where a no may be forgotten for it."""
        if all(each.yes for each in answers):
            return None
        return self.ledger.lift(key, HoldKind.OPERATOR)

    def _is_over(self, job_id: str | None) -> bool:
        """Whether the rollout of that job has ended, or is not known at all."""
        if job_id is None:
            return False
        known = self.ledger.current([job_id]).get(job_id)
        return known is None or known.ending is not None

    def _events_enabled(self, observation: Observation, last: _Last) -> bool:
        """Look whether events are published, where they seem not to be or were not before."""
        if not observation.events_missing and not last.said(ReasonCode.EVENTS_OFF):
            return True
        return self.jobs.execution_events_enabled()

    def _observe(self, rollout: Rollout, job: Job | None) -> Observation:
        """Bring the ledger up to date, where there is a job and time for it."""
        key = rollout.key
        if job is None or job.status is JobStatus.DELETION_IN_PROGRESS:
            return Observation(Readiness.COMPLETE, counted=self.ledger.counted(key))
        if rollout.revision == 0 and job.status is JobStatus.IN_PROGRESS:
            # A job that runs already goes at its own rate until the first settings are in: they
            # do not wait for its past to be read.
            readiness = Readiness.UNPLACED if job.counts.started else Readiness.COMPLETE
            return Observation(readiness, counted=self.ledger.counted(key))
        try:
            return observe(
                rollout,
                job,
                jobs=self.jobs,
                ledger=self.ledger,
                minute_seconds=self.minute_seconds,
            )
        except (Refused, RetryLater) as error:
            # What devices report is not known now: a decision to hold is better than none.
            counted = self.ledger.counted(key)
            return Observation(Readiness.STALE, unreadable=str(error), counted=counted)

    def _raise_attention(self, rollout: Rollout, decision: Decision, last: _Last) -> None:
        """Tell people when something to look at appears, not at every review after it."""
        attention = decision.attention
        if attention is None or last.told_of(attention.subject):
            return
        event = needs_attention(
            rollout.key.job_id,
            problem=attention.problem,
            remedy=attention.remedy,
            at=decision.at,
            key=rollout.key,
            revision=decision.revision,
        )
        tell(event, bus=self.bus)
