"""
The review: what Tidegate concludes about a rollout from what is known now.

A pure function of its arguments. It says what should be in force and why; it applies nothing.
The branches are at the top, in order of precedence: what is over, what must stop, what must wait,
what may go on.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from tidegate.domain.decision import Decision, Evidence, Verdict
from tidegate.domain.evidence import (
    Bucket,
    log_e_in_both_orders,
    log_e_restarting,
    log_e_totals,
    pessimistic_upper_bound,
)
from tidegate.domain.fence import Fence, fence
from tidegate.domain.jobs import REPORTED, ExecutionStatus, Job, JobStatus
from tidegate.domain.outcomes import UNPLACED
from tidegate.domain.pace import exposure_cap, native_rate, rate_to_reach
from tidegate.domain.policy import Harm, Policy
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
    #: Outcomes are known, perhaps to AWS's counters alone, but not the start of each.
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


@dataclass(frozen=True, slots=True)
class _Case:
    """What every conclusion is drawn from."""

    policy: Policy
    situation: Situation
    evidence: Evidence
    now: float

    @property
    def standing(self) -> JobSettings:
        """The settings in force; none for a job that is gone."""
        return self.situation.job.settings if self.situation.job else JobSettings()

    def seconds(self, minutes: float) -> int:
        """Return whole seconds, as Step Functions takes them: at least one, never over."""
        return max(1, int(minutes * self.situation.minute_seconds))


def review(policy: Policy, situation: Situation, now: float) -> Decision:
    """
    Decide what should be in force.

    Args:
        policy: The rollout's snapshot.
        situation: What is known.
        now: Epoch seconds.
    """
    case = _Case(policy, situation, weigh(policy, situation), now)
    job = situation.job
    if job is None or job.status not in (JobStatus.IN_PROGRESS, JobStatus.SCHEDULED):
        return _over(case, *_ending(case))
    if _must_stop(case):
        return _standing(case, Verdict.ABORT, _abort_reasons(case))
    if job.status is JobStatus.SCHEDULED:
        holds = (_held(each) for each in situation.holds)
        return _standing(case, Verdict.HOLD, (reason(ReasonCode.JOB_SCHEDULED), *holds))
    waits = _waits(case)
    if waits:
        rate = native_rate(0)
        return _steering(case, Verdict.HOLD, rate, (*waits, _leak(rate)))
    return _pace(case)


def weigh(policy: Policy, situation: Situation) -> Evidence:
    """Return the evidence: counts, and what they say under the policy."""
    harm, counts, job = policy.harm, situation.counts, situation.job
    harmed, cleared = _known(situation, harm.statuses), _known(situation, REPORTED - harm.statuses)
    counted = job.counts.started if job else 0
    started = max(counted, harmed + cleared + counts.of(ExecutionStatus.IN_PROGRESS))
    exposed = max(job.counts.exposed if job else 0, started)
    counters_only = situation.readiness is not Readiness.COMPLETE
    if counters_only:
        log_e = log_e_totals(_known(situation, harm.once_started), started, harm.tolerated_rate)
        bounded_by = [Bucket(started, harmed, cleared)]
    else:
        buckets = _buckets(counts, harm)
        log_e = log_e_restarting(buckets, harm.tolerated_rate)
        bounded_by = _with_the_unseen(buckets, started)
    if harm.statuses != harm.once_started:
        log_e = log_e_in_both_orders(log_e, harmed, exposed, harm.tolerated_rate)
    return Evidence(
        exposed=exposed,
        started=started,
        in_flight=max(0, started - harmed - cleared),
        succeeded=_known(situation, (ExecutionStatus.SUCCEEDED,)),
        harmed=harmed,
        cleared=cleared,
        unplaced=counts.unplaced(*REPORTED),
        log_e=log_e,
        abort_at=-math.log(harm.false_abort_risk * EVIDENCE_SHARE),
        upper_bound=pessimistic_upper_bound(bounded_by, 1 - harm.confidence, situation.upper_bound),
        counters_only=counters_only,
    )


def first_settings(policy: Policy) -> JobSettings:
    """
    Return the settings for a job that is being created: slow, within the budget, and fenced.

    How many devices a share of the fleet is, nobody knows yet: the first review says.
    """
    harm, pace = policy.harm, policy.pace
    cap = exposure_cap(
        upper_bound=1.0,
        acceptable_rate=harm.acceptable_rate,
        succeeded=0,
        budget=harm.budget_devices or 0.0,
        first=pace.start_per_minute,
    )
    rate = native_rate(rate_to_reach(cap, exposed=0, max_per_minute=pace.max_per_minute))
    behind = _fence(policy, exposed=0, rate=rate, standing_rate=rate, attempts=1)
    return _settings(policy, rate, behind, None)


def _ending(case: _Case) -> tuple[Ending, Reason]:
    """Return how a job that is over came to its end."""
    job, evidence = case.situation.job, case.evidence
    if job is None or job.status is JobStatus.DELETION_IN_PROGRESS:
        return Ending.DELETED_OUTSIDE, reason(ReasonCode.JOB_DELETED_OUTSIDE)
    if job.status is JobStatus.COMPLETED:
        return Ending.COMPLETED, reason(
            ReasonCode.JOB_COMPLETED, succeeded=evidence.succeeded, harmed=evidence.harmed
        )
    if job.reason_code == ABORT_REASON_CODE:
        return Ending.ABORTED, reason(
            ReasonCode.JOB_ABORTED,
            harmed=evidence.harmed,
            budget=case.situation.budget,
            acceptable=case.policy.harm.acceptable_rate,
            started=evidence.started,
            in_flight=evidence.in_flight,
        )
    comment = job.comment or "no comment was left"
    if job.reason_code == FENCE_REASON_CODE:
        return Ending.FENCED, reason(ReasonCode.JOB_FENCED, comment=comment)
    return Ending.CANCELED_OUTSIDE, reason(ReasonCode.JOB_CANCELED_OUTSIDE, comment=comment)


def _over(case: _Case, ending: Ending, ended: Reason) -> Decision:
    verdict = Verdict.COMPLETE if ending is Ending.COMPLETED else Verdict.ENDED
    return replace(_standing(case, verdict, (ended,)), ending=ending)


def _must_stop(case: _Case) -> bool:
    situation, evidence = case.situation, case.evidence
    return (
        situation.aborting
        or situation.abort_request is not None
        or evidence.log_e >= evidence.abort_at
    )


def _abort_reasons(case: _Case) -> tuple[Reason, ...]:
    situation, evidence = case.situation, case.evidence
    reasons: list[Reason] = []
    request = situation.abort_request
    if request:
        reasons.append(reason(ReasonCode.ABORT_REQUESTED, by=request.by, why=request.reason))
    if evidence.log_e >= evidence.abort_at:
        reasons.append(_evidence_reason(case, ReasonCode.EVIDENCE_ABOVE_TOLERATED))
    if situation.aborting and situation.job:
        status = situation.job.status.value
        reasons.append(reason(ReasonCode.ABORT_IN_PROGRESS, status=status))
    return tuple(reasons)


def _standing(case: _Case, verdict: Verdict, reasons: tuple[Reason, ...]) -> Decision:
    """Return a decision that leaves the settings as they stand."""
    return Decision(
        revision=case.situation.revision,
        at=case.now,
        verdict=verdict,
        reasons=reasons,
        evidence=case.evidence,
        settings=JobSettings(),
        replaces=case.standing,
        tripwires=Tripwires(),
        signals=case.situation.signals,
        wait_seconds=case.seconds(REVIEW_MINUTES),
    )


def _waits(case: _Case) -> tuple[Reason, ...]:
    """Return every reason not to go on now."""
    situation = case.situation
    waits = [_held(each) for each in situation.holds]
    if situation.readiness is Readiness.INCOMPLETE:
        described = situation.job.counts.reported if situation.job else 0
        recorded = situation.counts.of(*REPORTED)
        waits.append(reason(ReasonCode.EVIDENCE_INCOMPLETE, recorded=recorded, described=described))
    return tuple(waits)


def _pace(case: _Case) -> Decision:
    pace, evidence = case.policy.pace, case.evidence
    cap = _cap(case)
    reachable = rate_to_reach(cap, exposed=evidence.exposed, max_per_minute=pace.max_per_minute)
    if evidence.started == 0:
        reachable = min(reachable, pace.start_per_minute)
    rate = native_rate(reachable)
    if _all_notified(case):
        return _guarding(case, rate)
    if reachable == 0:
        why = _exposure_reason(case, ReasonCode.EXPOSURE_AT_CAP, cap)
        return _steering(case, Verdict.HOLD, rate, (why, _leak(rate)))
    return _steering(case, Verdict.PROCEED, rate, (_go_reason(case, rate, cap),))


def _guarding(case: _Case, rate: int) -> Decision:
    """All are notified: nothing is left to pace, so the rate is never raised, only guarded."""
    evidence = case.evidence
    why = reason(ReasonCode.ALL_NOTIFIED, exposed=evidence.exposed, in_flight=evidence.in_flight)
    return _steering(
        case,
        Verdict.PROCEED,
        min(rate, case.standing.rate_per_minute),
        (why,),
        minutes=IDLE_REVIEW_MINUTES,
    )


def _steering(
    case: _Case,
    verdict: Verdict,
    rate: int,
    reasons: tuple[Reason, ...],
    *,
    minutes: float = REVIEW_MINUTES,
) -> Decision:
    """Return a decision that installs a rate and the fence behind it."""
    attempts = case.standing.attempts_per_thing
    behind = _fence(
        case.policy,
        exposed=case.evidence.exposed,
        rate=rate,
        standing_rate=case.standing.rate_per_minute,
        attempts=attempts,
    )
    notes = [_evidence_reason(case, ReasonCode.EVIDENCE_BELOW_ABORT), _fence_reason(behind, rate)]
    if case.evidence.counters_only:
        notes.append(reason(ReasonCode.COUNTERS_ONLY, unplaced=case.evidence.unplaced))
    attention = None
    if not case.situation.events_enabled:
        notes.append(reason(ReasonCode.EVENTS_OFF))
        attention = notes[-1].text
    return replace(
        _standing(case, verdict, (*reasons, *notes)),
        settings=_settings(case.policy, rate, behind, case.standing),
        tripwires=_tripwires(case),
        wait_seconds=case.seconds(minutes),
        attention=attention,
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


def _fence(policy: Policy, *, exposed: int, rate: int, standing_rate: int, attempts: int) -> Fence:
    harm = policy.harm
    return fence(
        exposed=exposed,
        rate_per_minute=rate,
        standing_per_minute=standing_rate,
        harm_statuses=harm.statuses,
        tolerated_rate=harm.tolerated_rate,
        attempts_per_thing=attempts,
        risk=harm.false_abort_risk * FENCE_SHARE,
    )


def _cap(case: _Case) -> float:
    return exposure_cap(
        upper_bound=case.evidence.upper_bound,
        acceptable_rate=case.policy.harm.acceptable_rate,
        succeeded=case.evidence.succeeded,
        budget=case.situation.budget,
        first=case.policy.pace.start_per_minute,
    )


def _tripwires(case: _Case) -> Tripwires:
    evidence, harm = case.evidence, case.policy.harm
    if evidence.counters_only:
        buckets = [Bucket(evidence.started, evidence.harmed, evidence.cleared)]
    else:
        buckets = _with_the_unseen(_buckets(case.situation.counts, harm), evidence.started)
    return tripwires(case.policy, evidence, buckets, case.situation.budget)


def _all_notified(case: _Case) -> bool:
    """Whether AWS creates no more executions: its flag alone is also false before it begins."""
    job = case.situation.job
    return job is not None and not job.is_concurrent and case.evidence.started > 0


def _known(situation: Situation, statuses: Iterable[ExecutionStatus]) -> int:
    """
    Return the number of things with such an outcome.

    Where the ledger is not complete, AWS's counters may know more, if they count things.
    """
    recorded, job = situation.counts.of(*statuses), situation.job
    if situation.readiness is Readiness.COMPLETE or job is None or not job.counts_things:
        return recorded
    return max(recorded, job.counts.of(statuses))


def _buckets(counts: Counts, harm: Harm) -> list[Bucket]:
    """
    Return the placed devices as buckets in order of start, empty ones included.

    Devices whose harm is not that of a start are in flight, as far as this order goes.
    """
    placed = [index for index, _ in counts.by_bucket if index != UNPLACED]
    started, harmed, cleared = ([0] * (max(placed, default=-1) + 1) for _ in range(3))
    for (index, status), number in counts.by_bucket.items():
        if index != UNPLACED:
            started[index] += number
            harmed[index] += number if status in harm.once_started else 0
            cleared[index] += number if status in REPORTED - harm.statuses else 0
    return [Bucket(*each) for each in zip(started, harmed, cleared, strict=True)]


def _with_the_unseen(buckets: list[Bucket], started: int) -> list[Bucket]:
    """Add devices that AWS counts as started and no list has shown yet: they are the newest."""
    unseen = started - sum(bucket.started for bucket in buckets)
    return [*buckets, Bucket(unseen, 0, 0)] if unseen > 0 else buckets


def _held(hold: Hold) -> Reason:
    return reason(ReasonCode.HELD, kind=hold.kind.value, by=hold.by, why=hold.reason)


def _leak(rate: int) -> Reason:
    return reason(ReasonCode.HOLD_LEAKS, rate=rate)


def _go_reason(case: _Case, rate: int, cap: float) -> Reason:
    evidence, acceptable = case.evidence, case.policy.harm.acceptable_rate
    if evidence.started == 0:
        return reason(ReasonCode.FIRST_SETTINGS, rate=rate)
    if evidence.upper_bound <= acceptable:
        return reason(
            ReasonCode.RATE_ACCEPTABLE,
            upper_bound=evidence.upper_bound,
            acceptable=acceptable,
            rate=rate,
        )
    return _exposure_reason(case, ReasonCode.EXPOSURE_BELOW_CAP, cap)


def _exposure_reason(case: _Case, code: ReasonCode, cap: float) -> Reason:
    return reason(
        code,
        exposed=case.evidence.exposed,
        cap=int(cap),
        upper_bound=case.evidence.upper_bound,
        budget=case.situation.budget,
        acceptable=case.policy.harm.acceptable_rate,
    )


def _evidence_reason(case: _Case, code: ReasonCode) -> Reason:
    return reason(
        code,
        harmed=case.evidence.harmed,
        started=case.evidence.started,
        log_e=case.evidence.log_e,
        limit=case.evidence.abort_at,
        tolerated=case.policy.harm.tolerated_rate,
    )


def _fence_reason(behind: Fence, rate: int) -> Reason:
    criterion = behind.criteria[0]
    return reason(
        ReasonCode.FENCE_INSTALLED,
        threshold=criterion.threshold_percentage,
        failure_type="/".join(each.failure_type.value for each in behind.criteria),
        minimum=criterion.min_executed_things,
        exposed_up_to=behind.exposed_up_to,
        risk=behind.risk,
        rate=rate,
    )
