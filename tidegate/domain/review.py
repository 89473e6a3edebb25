"""
The review: what Tidegate concludes about a rollout from what is known now.

A pure function of its arguments. It says what should be in force and why; it applies nothing.
The branches are at the top, in order of precedence: what is over, what must stop, what must wait,
what may go on.
"""

from collections.abc import Sequence
import math
from dataclasses import dataclass, field
from enum import Enum

from tidegate.domain.decision import Decision, Evidence, Verdict
from tidegate.domain.evidence import (
    Bucket,
    log_e_restarting,
    log_e_totals,
    pessimistic_upper_bound,
)
from tidegate.domain.fence import Fence, fence
from tidegate.domain.jobs import REPORTED, ExecutionStatus, Job, JobStatus
from tidegate.domain.outcomes import UNPLACED
from tidegate.domain.pace import exposure_cap, native_rate, rate_to_reach
from tidegate.domain.policy import Policy
from tidegate.domain.reasons import Reason, ReasonCode, reason
from tidegate.domain.rollout import AbortRequest, Counts, Ending, Hold, Tripwires
from tidegate.domain.settings import JobSettings, RetryCriterion, RolloutRate
from tidegate.domain.tripwires import tripwires

#: Tidegate's own reason code in CancelJob; AWS keeps it with the job, so a later review knows
#: who canceled it. AWS allows upper case, digits and underscores.
ABORT_REASON_CODE = "TIDEGATE_ABORT"
#: What AWS writes when its own abort criteria cancel a job (observed, not documented).
FENCE_REASON_CODE = "ABORT_CANCEL"

#: Minutes between reviews while exposure can grow. Below one, so that at most one of AWS's
#: batches, one a minute, falls between two reviews.
REVIEW_MINUTES = 0.8
#: Minutes between reviews when only outcomes are awaited; tripwires and the job's end wake sooner.
IDLE_REVIEW_MINUTES = 5.0

#: The false-abort risk is split in halves: one for the evidence, one for the fence.
EVIDENCE_SHARE = 0.5
FENCE_SHARE = 0.5


class Readiness(Enum):
    """How far the ledger's counts can be relied upon."""

    COMPLETE = "complete"
    #: Outcomes are known, but not the start of each.
    UNPLACED = "unplaced"
    #: AWS counts outcomes that the ledger does not know.
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Situation:
    """
    All that a review looks at.

    Attributes:
        job: DescribeJob's answer; None if the job does not exist any more.
        counts: Things per start bucket and status.
        readiness: Of the counts.
        events_enabled: Whether the account publishes job-execution events.
        revision: Of the decision to be made.
        signals: Requests taken into account: the rollout's count when it was read.
        budget: Devices harmed beyond the acceptable rate, at most.
        upper_bound: The smallest bound on the failure rate established so far.
        aborting: An abort was decided before; it is never taken back.
    """

    job: Job | None
    counts: Counts
    revision: int
    signals: int
    budget: float
    readiness: Readiness = Readiness.COMPLETE
    events_enabled: bool = True
    upper_bound: float = 1.0
    holds: Sequence[Hold] = field(default=())
    abort_request: AbortRequest | None = None
    aborting: bool = False
    minute_seconds: float = 60.0


def review(policy: Policy, situation: Situation, now: float) -> Decision:
    """
    Decide what should be in force.

    Args:
        policy: The rollout's snapshot.
        situation: What is known.
        now: Epoch seconds.
    """
    job = situation.job
    evidence = weigh(policy, situation)
    if job is None or job.status is not JobStatus.IN_PROGRESS:
        return _not_running(policy, situation, evidence, now)
    if situation.aborting or situation.abort_request or evidence.log_e >= evidence.abort_at:
        return _abort(policy, situation, evidence, now)
    waits = _waits(situation, evidence)
    if waits:
        return _hold(policy, situation, evidence, waits, now)
    return _pace(policy, situation, evidence, now)


def weigh(policy: Policy, situation: Situation) -> Evidence:
    """Return the evidence: counts, and what they say under the policy."""
    harm, counts, job = policy.harm, situation.counts, situation.job
    clear_statuses = REPORTED - harm.statuses
    buckets = _buckets(counts, harm.statuses, clear_statuses)
    harmed, cleared = counts.of(*harm.statuses), counts.of(*clear_statuses)
    counted = job.counts.started if job else 0
    started = max(counted, harmed + cleared + counts.of(ExecutionStatus.IN_PROGRESS))
    counters_only = situation.readiness is not Readiness.COMPLETE
    if counters_only:
        log_e = log_e_totals(harmed, started, harm.tolerated_rate)
        bounded_by = [Bucket(started, harmed, cleared)]
    else:
        log_e = log_e_restarting(buckets, harm.tolerated_rate)
        bounded_by = _with_the_unseen(buckets, started)
    return Evidence(
        exposed=max(job.counts.exposed if job else 0, started),
        started=started,
        in_flight=max(0, started - harmed - cleared),
        succeeded=counts.of(ExecutionStatus.SUCCEEDED),
        harmed=harmed,
        cleared=cleared,
        unplaced=counts.unplaced(*REPORTED),
        log_e=log_e,
        abort_at=-math.log(harm.false_abort_risk * EVIDENCE_SHARE),
        upper_bound=pessimistic_upper_bound(
            bounded_by, 1 - harm.confidence, situation.upper_bound
        ),
        counters_only=counters_only,
    )


def first_settings(policy: Policy) -> JobSettings:
    """Return the settings for a job that is being created: slow, and fenced."""
    rate = min(policy.pace.start_per_minute, policy.pace.max_per_minute)
    return _settings(policy, rate, _fence(policy, exposed=0, rate=rate, attempts=1), None)


def _not_running(
    policy: Policy, situation: Situation, evidence: Evidence, now: float
) -> Decision:
    job = situation.job
    if job is None or job.status is JobStatus.DELETION_IN_PROGRESS:
        ended = reason(ReasonCode.JOB_DELETED_OUTSIDE)
        return _over(situation, evidence, Ending.DELETED_OUTSIDE, ended, now)
    if job.status is JobStatus.COMPLETED:
        ended = reason(
            ReasonCode.JOB_COMPLETED, succeeded=evidence.succeeded, harmed=evidence.harmed
        )
        return _over(situation, evidence, Ending.COMPLETED, ended, now)
    if job.status is JobStatus.SCHEDULED:
        if situation.aborting or situation.abort_request:
            return _abort(policy, situation, evidence, now)
        return _wait_for_schedule(situation, evidence, now)
    return _canceled(policy, situation, job, evidence, now)


def _canceled(
    policy: Policy, situation: Situation, job: Job, evidence: Evidence, now: float
) -> Decision:
    comment = job.comment or "no comment was left"
    if job.reason_code == ABORT_REASON_CODE:
        ended = reason(
            ReasonCode.JOB_ABORTED,
            harmed=evidence.harmed,
            budget=situation.budget,
            acceptable=policy.harm.acceptable_rate,
            started=evidence.started,
            in_flight=evidence.in_flight,
        )
        return _over(situation, evidence, Ending.ABORTED, ended, now)
    if job.reason_code == FENCE_REASON_CODE:
        ended = reason(ReasonCode.JOB_FENCED, comment=comment)
        return _over(situation, evidence, Ending.FENCED, ended, now)
    ended = reason(ReasonCode.JOB_CANCELED_OUTSIDE, comment=comment)
    return _over(situation, evidence, Ending.CANCELED_OUTSIDE, ended, now)


def _over(
    situation: Situation, evidence: Evidence, ending: Ending, ended: Reason, now: float
) -> Decision:
    standing = situation.job.settings if situation.job else JobSettings()
    return Decision(
        revision=situation.revision,
        at=now,
        verdict=Verdict.COMPLETE if ending is Ending.COMPLETED else Verdict.ENDED,
        reasons=(ended,),
        evidence=evidence,
        settings=JobSettings(),
        replaces=standing,
        tripwires=Tripwires(),
        signals=situation.signals,
        wait_seconds=_seconds(REVIEW_MINUTES, situation),
        ending=ending,
    )


def _wait_for_schedule(situation: Situation, evidence: Evidence, now: float) -> Decision:
    holds = tuple(_held(each) for each in situation.holds)
    return _standing(
        situation, evidence, now, Verdict.HOLD, (reason(ReasonCode.JOB_SCHEDULED), *holds)
    )


def _abort(policy: Policy, situation: Situation, evidence: Evidence, now: float) -> Decision:
    reasons: list[Reason] = []
    request = situation.abort_request
    if request:
        reasons.append(reason(ReasonCode.ABORT_REQUESTED, by=request.by, why=request.reason))
    if evidence.log_e >= evidence.abort_at:
        reasons.append(_evidence_reason(policy, evidence, ReasonCode.EVIDENCE_ABOVE_TOLERATED))
    if situation.aborting:
        status = situation.job.status.value if situation.job else "no job"
        reasons.append(reason(ReasonCode.ABORT_IN_PROGRESS, status=status))
    return _standing(situation, evidence, now, Verdict.ABORT, tuple(reasons))


def _standing(
    situation: Situation,
    evidence: Evidence,
    now: float,
    verdict: Verdict,
    reasons: tuple[Reason, ...],
) -> Decision:
    """Return a decision that leaves the settings as they stand."""
    return Decision(
        revision=situation.revision,
        at=now,
        verdict=verdict,
        reasons=reasons,
        evidence=evidence,
        settings=JobSettings(),
        replaces=situation.job.settings if situation.job else JobSettings(),
        tripwires=Tripwires(),
        signals=situation.signals,
        wait_seconds=_seconds(REVIEW_MINUTES, situation),
    )


def _waits(situation: Situation, evidence: Evidence) -> tuple[Reason, ...]:
    """Return every reason not to go on now."""
    waits = [_held(each) for each in situation.holds]
    if situation.readiness is Readiness.INCOMPLETE:
        described = situation.job.counts.reported if situation.job else 0
        recorded = evidence.harmed + evidence.cleared
        waits.append(
            reason(ReasonCode.EVIDENCE_INCOMPLETE, recorded=recorded, described=described)
        )
    return tuple(waits)


def _hold(
    policy: Policy,
    situation: Situation,
    evidence: Evidence,
    waits: tuple[Reason, ...],
    now: float,
) -> Decision:
    rate = native_rate(0)
    leaks = reason(ReasonCode.HOLD_LEAKS, rate=rate)
    return _steering(policy, situation, evidence, now, Verdict.HOLD, rate, (*waits, leaks))


def _pace(policy: Policy, situation: Situation, evidence: Evidence, now: float) -> Decision:
    pace, harm = policy.pace, policy.harm
    cap = _cap(policy, situation, evidence)
    reachable = rate_to_reach(cap, exposed=evidence.exposed, max_per_minute=pace.max_per_minute)
    if evidence.started == 0:
        reachable = min(reachable, pace.start_per_minute)
    rate = native_rate(reachable)
    limits = {
        "exposed": evidence.exposed,
        "upper_bound": evidence.upper_bound,
        "budget": situation.budget,
        "acceptable": harm.acceptable_rate,
    }
    if _all_notified(situation, evidence):
        why = reason(
            ReasonCode.ALL_NOTIFIED, exposed=evidence.exposed, in_flight=evidence.in_flight
        )
        return _guarding(policy, situation, evidence, now, rate, why)
    if reachable == 0:
        why = reason(ReasonCode.EXPOSURE_AT_CAP, cap=int(cap), **limits)
        leaks = reason(ReasonCode.HOLD_LEAKS, rate=rate)
        return _steering(policy, situation, evidence, now, Verdict.HOLD, rate, (why, leaks))
    if evidence.started == 0:
        why = reason(ReasonCode.FIRST_SETTINGS, rate=rate)
    elif evidence.upper_bound <= harm.acceptable_rate:
        why = reason(
            ReasonCode.RATE_ACCEPTABLE,
            upper_bound=evidence.upper_bound,
            acceptable=harm.acceptable_rate,
            rate=rate,
        )
    else:
        why = reason(ReasonCode.EXPOSURE_BELOW_CAP, cap=int(cap), **limits)
    return _steering(policy, situation, evidence, now, Verdict.PROCEED, rate, (why,))


def _guarding(
    policy: Policy, situation: Situation, evidence: Evidence, now: float, rate: int, why: Reason
) -> Decision:
    """All are notified: nothing is left to pace, so the rate is never raised, only guarded."""
    standing = situation.job.settings.rate_per_minute if situation.job else rate
    return _steering(
        policy,
        situation,
        evidence,
        now,
        Verdict.PROCEED,
        min(rate, standing),
        (why,),
        minutes=IDLE_REVIEW_MINUTES,
    )


def _steering(  # noqa: PLR0913 - the one place where a steering decision is put together
    policy: Policy,
    situation: Situation,
    evidence: Evidence,
    now: float,
    verdict: Verdict,
    rate: int,
    reasons: tuple[Reason, ...],
    *,
    minutes: float = REVIEW_MINUTES,
) -> Decision:
    standing = situation.job.settings if situation.job else JobSettings()
    behind = _fence(
        policy, exposed=evidence.exposed, rate=rate, attempts=standing.attempts_per_thing
    )
    notes = [_evidence_reason(policy, evidence, ReasonCode.EVIDENCE_BELOW_ABORT)]
    notes += [_fence_reason(behind, rate)]
    if evidence.counters_only:
        notes.append(reason(ReasonCode.COUNTERS_ONLY, unplaced=evidence.unplaced))
    if not situation.events_enabled:
        notes.append(reason(ReasonCode.EVENTS_OFF))
    return Decision(
        revision=situation.revision,
        at=now,
        verdict=verdict,
        reasons=(*reasons, *notes),
        evidence=evidence,
        settings=_settings(policy, rate, behind, standing),
        replaces=standing,
        tripwires=_tripwires(policy, situation, evidence),
        signals=situation.signals,
        wait_seconds=_seconds(minutes, situation),
        attention=None if situation.events_enabled else reason(ReasonCode.EVENTS_OFF).text,
    )


def _settings(
    policy: Policy, rate: int, behind: Fence, standing: JobSettings | None
) -> JobSettings:
    job = policy.job
    retries = standing.retries if standing else None
    return JobSettings(
        rollout=_rollout(policy, rate),
        abort=behind.criteria,
        timeout_minutes=job.timeout_minutes,
        presigned_url=job.presigned_url,
        retries=tuple(RetryCriterion(each.failure_type, 0) for each in retries)
        if job.drop_retries and retries
        else None,
        description=job.description,
    )


def _rollout(policy: Policy, rate: int) -> RolloutRate:
    """Return the native rate; AWS's own growth, where the policy wants it, stays below it."""
    growth = policy.pace.exponential
    if growth is None or rate <= growth.base_rate_per_minute:
        return RolloutRate(rate)
    return RolloutRate(rate, growth)


def _fence(policy: Policy, *, exposed: int, rate: int, attempts: int) -> Fence:
    harm = policy.harm
    return fence(
        exposed=exposed,
        rate_per_minute=rate,
        harm_statuses=harm.statuses,
        tolerated_rate=harm.tolerated_rate,
        attempts_per_thing=attempts,
        risk=harm.false_abort_risk * FENCE_SHARE,
    )


def _cap(policy: Policy, situation: Situation, evidence: Evidence) -> float:
    return exposure_cap(
        upper_bound=evidence.upper_bound,
        acceptable_rate=policy.harm.acceptable_rate,
        succeeded=evidence.succeeded,
        budget=situation.budget,
        first=policy.pace.start_per_minute,
    )


def _tripwires(policy: Policy, situation: Situation, evidence: Evidence) -> Tripwires:
    if evidence.counters_only:
        buckets = [Bucket(evidence.started, evidence.harmed, evidence.cleared)]
    else:
        harm = policy.harm
        known = _buckets(situation.counts, harm.statuses, REPORTED - harm.statuses)
        buckets = _with_the_unseen(known, evidence.started)
    return tripwires(policy, evidence, buckets, situation.budget)


def _all_notified(situation: Situation, evidence: Evidence) -> bool:
    """Whether AWS creates no more executions: its flag alone is also false before it begins."""
    job = situation.job
    return job is not None and not job.is_concurrent and evidence.started > 0


def _buckets(
    counts: Counts,
    harm: frozenset[ExecutionStatus],
    clear: frozenset[ExecutionStatus],
) -> list[Bucket]:
    """Return the placed devices as buckets in order of start, empty ones included."""
    placed = [index for index, _ in counts.by_bucket if index != UNPLACED]
    started, harmed, cleared = ([0] * (max(placed, default=-1) + 1) for _ in range(3))
    for (index, status), number in counts.by_bucket.items():
        if index != UNPLACED:
            started[index] += number
            harmed[index] += number if status in harm else 0
            cleared[index] += number if status in clear else 0
    return [Bucket(*each) for each in zip(started, harmed, cleared, strict=True)]


def _with_the_unseen(buckets: list[Bucket], started: int) -> list[Bucket]:
    """Add devices that AWS counts as started and no list has shown yet: they are the newest."""
    unseen = started - sum(bucket.started for bucket in buckets)
    return [*buckets, Bucket(unseen, 0, 0)] if unseen > 0 else buckets


def _held(hold: Hold) -> Reason:
    return reason(ReasonCode.HELD, kind=hold.kind.value, by=hold.by, why=hold.reason)


def _evidence_reason(policy: Policy, evidence: Evidence, code: ReasonCode) -> Reason:
    return reason(
        code,
        harmed=evidence.harmed,
        started=evidence.started,
        log_e=evidence.log_e,
        limit=evidence.abort_at,
        tolerated=policy.harm.tolerated_rate,
    )


def _fence_reason(behind: Fence, rate: int) -> Reason:
    criterion = behind.criteria[0]
    return reason(
        ReasonCode.FENCE_INSTALLED,
        threshold=criterion.threshold_percentage,
        failure_type="/".join(each.failure_type.value for each in behind.criteria),
        minimum=criterion.min_executed_things,
        risk=behind.risk,
        rate=rate,
    )


def _seconds(minutes: float, situation: Situation) -> int:
    """Return whole seconds, as Step Functions takes them: at least one, never more than asked."""
    return max(1, int(minutes * situation.minute_seconds))
