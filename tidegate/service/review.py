"""Review: look at the job and the ledger, decide, and store the decision before anything else."""

from collections.abc import Callable
from functools import partial

from tidegate.documents.announcements import needs_attention
from tidegate.domain.decision import Decision
from tidegate.domain.jobs import Job, JobStatus
from tidegate.domain.review import review as decide
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.domain.situation import Readiness, Situation
from tidegate.errors import RetryLater
from tidegate.ports import Bus, Clock, Jobs, Ledger
from tidegate.service.observe import Observation, described, observe
from tidegate.service.waiting import owned

EVENTS_REMEDY = (
    "Switch JOB and JOB_EXECUTION events on again: aws iot update-event-configurations "
    '--event-configurations \'{"JOB":{"Enabled":true},"JOB_EXECUTION":{"Enabled":true}}\''
)


def review(
    key: RolloutKey,
    *,
    generation: int,
    jobs: Jobs,
    ledger: Ledger,
    bus: Bus,
    clock: Clock,
    minute_seconds: float,
) -> Decision:
    """
    Review a rollout and store the decision.

    Raises:
        Superseded: Another generation of the workflow owns the rollout.
        RetryLater: AWS or the ledger throttles beyond bounded retries.
    """
    rollout = owned(ledger, key, generation)
    job = described(jobs, key)
    looking = partial(observe, jobs=jobs, ledger=ledger, minute_seconds=minute_seconds)
    observation = _observe(rollout, job, looking)
    # Outcomes came in meanwhile, of devices that have started meanwhile: who started is counted
    # last, or a burst of fast failures would stand against too few starts.
    counts, latest = ledger.counts(key), described(jobs, key)
    if job is not None and latest is not None and latest.status is not job.status:
        observation = _observe(rollout, latest, looking)
        counts = ledger.counts(key)
    # Once people were told that events are off, it is looked at until they are on again.
    told = _was_told(rollout, ledger)
    events_enabled = not (observation.events_missing or told) or jobs.execution_events_enabled()
    situation = Situation(
        job=latest,
        counts=counts,
        revision=rollout.revision + 1,
        signals=rollout.signals,
        budget=rollout.policy.harm.budget(rollout.fleet_size),
        readiness=observation.readiness,
        events_enabled=events_enabled,
        fleet_size=rollout.fleet_size,
        upper_bound=rollout.upper_bound,
        memory=rollout.memory,
        holds=tuple(ledger.holds(key)),
        abort_request=rollout.abort_request,
        aborting=rollout.aborting,
        minute_seconds=minute_seconds,
    )
    decision = decide(rollout.policy, situation, clock.now())
    if not told:
        # Before it is stored: once it is, it counts as told.
        _raise_attention(rollout, decision, bus)
    ledger.store_decision(key, decision, generation=generation)
    return decision


def _observe(
    rollout: Rollout, job: Job | None, looking: Callable[[Rollout, Job], Observation]
) -> Observation:
    """Bring the ledger up to date, where there is a job and time for it."""
    if job is None or job.status is JobStatus.DELETION_IN_PROGRESS:
        return Observation(Readiness.COMPLETE)
    if rollout.revision == 0 and job.status is JobStatus.IN_PROGRESS:
        # A job that runs already goes at its own rate until the first settings are in: they do not
        # wait for its past to be read.
        return Observation(Readiness.UNPLACED if job.counts.started else Readiness.COMPLETE)
    return looking(rollout, job)


def _was_told(rollout: Rollout, ledger: Ledger) -> bool:
    """Whether the last decision told people of something to look at."""
    last = ledger.decision(rollout.key, rollout.revision) if rollout.revision else None
    return last is not None and last.attention is not None


def _raise_attention(rollout: Rollout, decision: Decision, bus: Bus) -> None:
    """Tell people when something to look at appears, not at every review after it."""
    if decision.attention is None:
        return
    attention = needs_attention(
        rollout.key.job_id,
        problem=decision.attention,
        remedy=EVENTS_REMEDY,
        at=decision.at,
        key=rollout.key,
        revision=decision.revision,
    )
    if bus.publish([attention]):
        message = f"the bus did not take what people should know of job {rollout.key.job_id}"
        raise RetryLater(message)
