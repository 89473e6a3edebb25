"""
The review: what Tidegate concludes about a rollout from what is known now.

A pure function of its arguments. It says what should be in force and why; it applies nothing.
The branches are at the top, in order of precedence: what is over, what must stop, what must wait,
what may go on.
"""

from dataclasses import replace

from tidegate.domain.case import (
    TIMEOUT_MINUTES,
    Case,
    all_notified,
    cap_of,
    fastest,
    fence_behind,
    guarded,
    what_stands_before,
)
from tidegate.domain.cohorts import Remedy
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.explain import (
    on_cohorts_apart,
    on_doubt,
    on_evidence,
    on_fence,
    on_hold,
    on_leak,
    on_suspect,
    on_turn,
    why_go,
    why_stall,
    why_stop,
    why_wait,
)
from tidegate.domain.fence import Behind, Fence
from tidegate.domain.jobs import JobStatus
from tidegate.domain.pace import (
    exposure_cap,
    native_rate,
    rate_to_reach,
    spendable,
)
from tidegate.domain.policy import Policy
from tidegate.domain.reasons import Reason, ReasonCode, reason
from tidegate.domain.rollout import Ending, Tripwires
from tidegate.domain.settings import (
    JobSettings,
    RetryCriterion,
    RolloutRate,
)
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.tripwires import tripwires
from tidegate.domain.weigh import weigh

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


def review(policy: Policy, situation: Situation, now: float) -> Decision:
    """
    Decide what should be in force.

    Args:
        policy: The rollout's snapshot.
        situation: What is known.
        now: Epoch seconds.
    """
    case = Case(policy, situation, weigh(policy, situation, now), now)
    job = situation.job
    if job is None or job.status not in (JobStatus.IN_PROGRESS, JobStatus.SCHEDULED):
        return _over(case, *_ending(case))
    if _must_stop(case):
        return _standing(case, Verdict.ABORT, why_stop(case))
    if job.status is JobStatus.SCHEDULED:
        holds = (on_hold(each) for each in situation.holds)
        return _standing(case, Verdict.HOLD, (reason(ReasonCode.JOB_SCHEDULED), *holds))
    waits = why_wait(case)
    if waits:
        rate = native_rate(0)
        return _steering(case, Verdict.HOLD, rate, (*waits, on_leak(rate)))
    return _pace(case)


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
        budget=spendable(harm.budget_devices or 0.0, upper_bound=1.0, doubt=0.0),
        first=pace.start_per_minute,
    )
    rate = native_rate(rate_to_reach(cap, exposed=0, max_per_minute=pace.max_per_minute))
    behind = Behind(
        exposed=0,
        rate_per_minute=rate,
        standing_per_minute=rate,
        minutes_in_flight=float(policy.job.timeout_minutes or TIMEOUT_MINUTES),
    )
    return _settings(policy, rate, fence_behind(policy, behind), None)


def _ending(case: Case) -> tuple[Ending, Reason]:
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


def _over(case: Case, ending: Ending, ended: Reason) -> Decision:
    verdict = Verdict.COMPLETE if ending is Ending.COMPLETED else Verdict.ENDED
    return replace(_standing(case, verdict, (ended,)), ending=ending)


def _must_stop(case: Case) -> bool:
    situation, evidence = case.situation, case.evidence
    return (
        situation.aborting
        or situation.abort_request is not None
        or evidence.log_e >= evidence.abort_at
        or case.weighed.log_e_late >= case.weighed.late_limit
        or any(each.remedy is Remedy.ABORT for each in case.weighed.suspects)
    )


def _standing(case: Case, verdict: Verdict, reasons: tuple[Reason, ...]) -> Decision:
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
        suspects=case.weighed.suspects,
        memory=case.weighed.memory,
    )


def _pace(case: Case) -> Decision:
    pace, evidence = case.policy.pace, case.evidence
    cap = cap_of(case)
    reachable = rate_to_reach(cap, exposed=evidence.exposed, max_per_minute=fastest(case))
    if evidence.started == 0:
        reachable = min(reachable, pace.start_per_minute)
    rate = guarded(case, native_rate(reachable))
    if all_notified(case):
        return _all_out(case, rate)
    if reachable == 0:
        return _steering(case, Verdict.HOLD, rate, (why_stall(case, rate, cap), on_leak(rate)))
    return _steering(case, Verdict.PROCEED, rate, (why_go(case, rate, cap),))


def _all_out(case: Case, rate: int) -> Decision:
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
    case: Case,
    verdict: Verdict,
    rate: int,
    reasons: tuple[Reason, ...],
    *,
    minutes: float = REVIEW_MINUTES,
) -> Decision:
    """Return a decision that installs a rate and the fence behind it."""
    behind = fence_behind(case.policy, what_stands_before(case, rate))
    notes = [
        on_evidence(case, ReasonCode.EVIDENCE_BELOW_ABORT),
        *on_doubt(case),
        on_fence(case, behind, rate),
        *on_cohorts_apart(case),
        *on_turn(case, rate),
    ]
    if case.situation.readiness is Readiness.UNSTARTED:
        notes.append(reason(ReasonCode.STARTS_UNREPORTED))
    elif case.evidence.counters_only:
        notes.append(reason(ReasonCode.COUNTERS_ONLY, unplaced=case.evidence.unplaced))
    attention = None
    undecided = [each for each in case.weighed.suspects if each.remedy is Remedy.HOLD]
    if undecided:
        attention = on_suspect(undecided[0]).text
    if not case.situation.events_enabled:
        notes.append(reason(ReasonCode.EVENTS_OFF))
        attention = notes[-1].text
    notes = [each for each in notes if each not in reasons]
    return replace(
        _standing(case, verdict, (*reasons, *notes)),
        settings=_settings(case.policy, rate, behind, case.standing),
        tripwires=tripwires(case),
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
