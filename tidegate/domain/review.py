"""
The review: what Tidegate concludes about a rollout from what is known now.

A pure function of its arguments. It says what should be in force and why; it applies nothing.
The branches are at the top, in order of precedence: what is over, what must stop, what must wait,
what may go on.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tidegate.domain.cohorts import Remedy, Suspect, Tally, limit_of_each
from tidegate.domain.decision import Decision, Evidence, Verdict
from tidegate.domain.delays import brake_at
from tidegate.domain.evidence import log_components, log_e_above, log_e_totals
from tidegate.domain.fence import Behind, Fence, fence, harmed_unattended
from tidegate.domain.jobs import HARMFUL, REPORTED, JobCounts, JobStatus
from tidegate.domain.pace import (
    GROWTH_PER_SUCCESS,
    exposure_cap,
    native_rate,
    rate_to_reach,
    rate_within_drift_budget,
    spendable,
)
from tidegate.domain.policy import Policy
from tidegate.domain.reasons import Reason, ReasonCode, reason
from tidegate.domain.rollout import Ending, Hold, Tripwires
from tidegate.domain.settings import (
    RATE_PER_MINUTE_MIN,
    JobSettings,
    RetryCriterion,
    RolloutRate,
)
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.tripwires import fewest, harm_to_reach, harm_to_stop, successes_to_bound
from tidegate.domain.weigh import COHORTS_SHARE, FENCE_SHARE, Weighed, weigh

#: Tidegate's own reason code in CancelJob; AWS keeps it with the job, so a later review knows
#: who canceled it. AWS allows upper case, digits and underscores.
ABORT_REASON_CODE = "TIDEGATE_ABORT"
#: What AWS writes when its own abort criteria cancel a job (observed, not documented).
FENCE_REASON_CODE = "ABORT_CANCEL"

#: Minutes between reviews while exposure can grow. Below one, so that at most one of AWS's
#: batches, one a minute, falls between two reviews.
REVIEW_MINUTES = 0.8
#: Batches of devices that AWS may notify before the next review, at the most.
BATCHES_AHEAD = 2
#: Minutes between reviews when only outcomes are awaited; tripwires and the job's end wake sooner.
IDLE_REVIEW_MINUTES = 5.0

#: A device that has said nothing for so long is taken not to come back, where a job has no timeout.
_TIMEOUT_MINUTES = 1440.0
#: While a release is not known to be acceptable, no rate is chosen at which it could harm more
#: budgets than this if it failed as often as it still may and Tidegate never came back.
UNATTENDED_BUDGETS = 100


@dataclass(frozen=True, slots=True)
class _Case:
    """What every conclusion is drawn from."""

    policy: Policy
    situation: Situation
    weighed: Weighed
    now: float

    @property
    def evidence(self) -> Evidence:
        """The figures that the decision states."""
        return self.weighed.evidence

    @property
    def is_acceptable(self) -> bool:
        """Whether the failure rate is established to be no more than acceptable."""
        return self.evidence.upper_bound <= self.policy.harm.acceptable_rate

    @property
    def budget(self) -> float:
        """What may be spent of the budget on going on."""
        evidence = self.evidence
        return spendable(
            self.situation.budget, upper_bound=evidence.upper_bound, doubt=evidence.doubt
        )

    @property
    def timeout_minutes(self) -> float:
        """The longest that an execution can be in progress."""
        return float(self.standing.timeout_minutes or _TIMEOUT_MINUTES)

    @property
    def minutes_in_flight(self) -> float:
        """How long a device is in flight on average, as far as is known."""
        return self.weighed.memory.delays.mean_minutes(self.timeout_minutes)

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
    case = _Case(policy, situation, weigh(policy, situation, now), now)
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
        minutes_in_flight=float(policy.job.timeout_minutes or _TIMEOUT_MINUTES),
    )
    return _settings(policy, rate, _fence(policy, behind), None)


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
        or case.weighed.log_e_late >= case.weighed.late_limit
        or any(each.remedy is Remedy.ABORT for each in case.weighed.suspects)
    )


def _abort_reasons(case: _Case) -> tuple[Reason, ...]:
    situation, weighed, evidence = case.situation, case.weighed, case.evidence
    reasons: list[Reason] = []
    request = situation.abort_request
    if request:
        reasons.append(reason(ReasonCode.ABORT_REQUESTED, by=request.by, why=request.reason))
    if evidence.log_e >= evidence.abort_at:
        reasons.append(_evidence_reason(case, ReasonCode.EVIDENCE_ABOVE_TOLERATED))
    if weighed.log_e_late >= weighed.late_limit:
        reasons.append(_late_reason(case))
    reasons.extend(_suspect_reason(each) for each in weighed.suspects)
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
        suspects=case.weighed.suspects,
        memory=case.weighed.memory,
    )


def _waits(case: _Case) -> tuple[Reason, ...]:
    """Return every reason not to go on now."""
    situation = case.situation
    waits = [_held(each) for each in situation.holds]
    if situation.readiness is Readiness.INCOMPLETE:
        described = situation.job.counts.reported if situation.job else 0
        recorded = situation.counts.of(*REPORTED)
        waits.append(reason(ReasonCode.EVIDENCE_INCOMPLETE, recorded=recorded, described=described))
    waits.extend(
        _suspect_reason(each) for each in case.weighed.suspects if each.remedy is Remedy.HOLD
    )
    evidence = case.evidence
    if evidence.log_e_overdue >= brake_at():
        log_e = evidence.log_e_overdue
        waits.append(reason(ReasonCode.DEVICES_OVERDUE, log_e=log_e, limit=brake_at()))
    return tuple(waits)


def _pace(case: _Case) -> Decision:
    pace, evidence = case.policy.pace, case.evidence
    cap = _cap(case)
    reachable = rate_to_reach(cap, exposed=evidence.exposed, max_per_minute=_fastest(case))
    if evidence.started == 0:
        reachable = min(reachable, pace.start_per_minute)
    rate = _guarded(case, native_rate(reachable))
    if _all_notified(case):
        return _all_out(case, rate)
    if reachable == 0:
        return _steering(case, Verdict.HOLD, rate, (_stall_reason(case, rate, cap), _leak(rate)))
    return _steering(case, Verdict.PROCEED, rate, (_go_reason(case, rate, cap),))


def _fastest(case: _Case) -> int:
    """Return the rate that doubt and the harm of a turn for the worse leave."""
    fastest = int(case.policy.pace.max_per_minute * (1 - case.evidence.doubt))
    budget = case.policy.harm.drift_budget
    if budget is None or not case.is_acceptable:
        return fastest
    return rate_within_drift_budget(
        lambda rate: _turn(case, rate)[0], budget=budget, max_per_minute=fastest
    )


def _turn(case: _Case, rate: int) -> tuple[float, float]:
    """Return the devices harmed if the release turns bad now, and the minutes until that shows."""
    harm = case.policy.harm
    minutes = case.weighed.memory.delays.minutes_to_notice(rate, harm.turned, harm.tolerated_rate)
    # Failures themselves are there by then, at the latest.
    minutes = min(minutes, case.timeout_minutes)
    return harm.turned * rate * minutes, minutes


def _guarded(case: _Case, rate: int) -> int:
    """Return the rate, lowered where no fence behind it is tight enough."""
    evidence = case.evidence
    if case.is_acceptable or evidence.harmed + evidence.cleared == 0:
        # Before the first outcome no delay is known; the policy's first rate stands.
        return rate
    most = UNATTENDED_BUDGETS * case.situation.budget
    while rate > RATE_PER_MINUTE_MIN:
        if _excess_unattended(case, _fence(case.policy, _behind(case, rate)), rate) <= most:
            break
        rate = max(RATE_PER_MINUTE_MIN, rate // 2)
    return rate


def _all_out(case: _Case, rate: int) -> Decision:
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
    behind = _fence(case.policy, _behind(case, rate))
    notes = [
        _evidence_reason(case, ReasonCode.EVIDENCE_BELOW_ABORT),
        *_doubts(case),
        _fence_reason(case, behind, rate),
        *_apart(case),
        *_turn_reason(case, rate),
    ]
    if case.situation.readiness is Readiness.UNSTARTED:
        notes.append(reason(ReasonCode.STARTS_UNREPORTED))
    elif case.evidence.counters_only:
        notes.append(reason(ReasonCode.COUNTERS_ONLY, unplaced=case.evidence.unplaced))
    attention = None
    undecided = [each for each in case.weighed.suspects if each.remedy is Remedy.HOLD]
    if undecided:
        attention = _suspect_reason(undecided[0]).text
    if not case.situation.events_enabled:
        notes.append(reason(ReasonCode.EVENTS_OFF))
        attention = notes[-1].text
    notes = [each for each in notes if each not in reasons]
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


def _behind(case: _Case, rate: int) -> Behind:
    """Return what a fence would stand behind at that rate."""
    job, harm = case.situation.job, case.policy.harm
    counts = job.counts if job else JobCounts()
    return Behind(
        exposed=case.evidence.exposed,
        rate_per_minute=rate,
        standing_per_minute=case.standing.rate_per_minute,
        executed=counts.reported,
        others=counts.of(HARMFUL - harm.statuses),
        in_flight=case.evidence.in_flight,
        minutes_in_flight=case.minutes_in_flight,
        fleet_size=case.situation.fleet_size,
        attempts_per_thing=case.standing.attempts_per_thing,
    )


def _fence(policy: Policy, behind: Behind) -> Fence:
    harm = policy.harm
    return fence(
        behind,
        harm_statuses=harm.statuses,
        tolerated_rate=harm.tolerated_rate,
        risk=harm.false_abort_risk * FENCE_SHARE,
    )


def _unattended(case: _Case, behind: Fence, rate: int, failure_rate: float) -> float:
    """Return the devices harmed if a release were left to the fence alone."""
    # Failures come late, as a rule: they are taken to come when the timeout says so.
    failing = case.timeout_minutes if case.standing.timeout_minutes else case.minutes_in_flight
    return harmed_unattended(behind, rate, failure_rate, (case.minutes_in_flight, failing))


def _excess_unattended(case: _Case, behind: Fence, rate: int) -> float:
    """Return the devices beyond the acceptable rate that it may harm, left to the fence alone."""
    harm, fleet_size = case.policy.harm, case.situation.fleet_size
    worst = min(harm.turned, case.evidence.upper_bound)
    harmed = _unattended(case, behind, rate, worst)
    if harmed == math.inf:
        # The fence lets it pass: it is not that bad, and harms no more than the fleet holds.
        return (worst - harm.acceptable_rate) * (fleet_size or 0)
    return harmed * (1 - harm.acceptable_rate / worst)


def _cap(case: _Case) -> float:
    return exposure_cap(
        upper_bound=case.evidence.upper_bound,
        acceptable_rate=case.policy.harm.acceptable_rate,
        succeeded=case.evidence.succeeded,
        budget=case.budget,
        first=case.policy.pace.start_per_minute,
    )


def _tripwires(case: _Case) -> Tripwires:
    evidence = case.evidence
    without_outcome = evidence.exposed - evidence.harmed - evidence.cleared
    undecided = without_outcome + BATCHES_AHEAD * case.policy.pace.max_per_minute
    harmed = min(
        (each for each in _harm_to_stop(case, undecided) if each is not None), default=None
    )
    succeeded = _successes_to_go_on(case, undecided)
    return Tripwires(
        harmed=None if harmed is None else evidence.harmed + harmed,
        succeeded=None if succeeded is None else evidence.succeeded + succeeded,
    )


def _harm_to_stop(case: _Case, undecided: int) -> Iterator[int | None]:
    """Yield, for each way of stopping a release, the fewest further harmed that could do it."""
    evidence, weighed, harm = case.evidence, case.weighed, case.policy.harm
    limit, rate = evidence.abort_at, harm.tolerated_rate

    def by_totals(more: int) -> bool:
        return log_e_totals(evidence.harmed + more, evidence.started, rate) >= limit

    def by_exposed(more: int) -> bool:
        return log_e_totals(evidence.harmed + more, evidence.exposed, rate) >= limit

    def by_late(more: int) -> bool:
        harmed = evidence.late_harmed + more
        started = max(harmed, evidence.late_started)
        return log_e_above(harmed, started, harm.tolerated_late) >= weighed.late_limit

    rejects = harm.statuses != harm.once_started
    if weighed.restarting is None:
        yield fewest(by_totals, undecided)
    else:
        higher = limit + math.log(2.0) if rejects else limit
        yield harm_to_stop(weighed.restarting, rate, higher, undecided)
        yield fewest(by_late, undecided)
    if rejects:
        yield fewest(by_exposed, undecided)
    if weighed.tallies:
        each_at = limit_of_each(harm.false_abort_risk * COHORTS_SHARE, len(weighed.tallies))
        highest = [max(each) for each in zip(*_cohorts_peaks(weighed.tallies, rate), strict=True)]
        yield harm_to_reach(highest, each_at, undecided)


def _cohorts_peaks(tallies: Mapping[str, Tally], rate: float) -> Iterator[list[float]]:
    """Yield the components of each cohort's evidence, for each prefix."""
    yield log_components(0, 0, rate)
    for tally in tallies.values():
        for started, harmed in ((tally.started, tally.harmed), *tally.prefixes):
            yield log_components(harmed, started, rate)


def _successes_to_go_on(case: _Case, undecided: int) -> int | None:
    """Return the fewest further successes that could make room for one more device."""
    evidence, acceptable = case.evidence, case.policy.harm.acceptable_rate
    if rate_to_reach(_cap(case), exposed=evidence.exposed, max_per_minute=_fastest(case)) > 0:
        return None
    # Doubt may be gone by then, and what a hold leaks may harm nobody: all of the budget counts.
    needed = acceptable + case.situation.budget / (evidence.exposed + 1)
    by_bound = _successes_to_bound(case, needed, undecided)
    first = case.policy.pace.start_per_minute
    lacking = evidence.exposed + 1 - first - GROWTH_PER_SUCCESS * evidence.succeeded
    by_growth = math.ceil(lacking / GROWTH_PER_SUCCESS)
    if by_bound is None or by_growth <= by_bound:
        return by_bound
    # Once the rate is established, growth limits nothing.
    established = _successes_to_bound(case, acceptable, undecided)
    return by_growth if established is None else min(by_growth, established)


def _successes_to_bound(case: _Case, bound: float, undecided: int) -> int | None:
    """Return the fewest further successes, at least one, with which the rate is bounded so low."""
    if case.evidence.upper_bound <= bound:
        return 1
    return successes_to_bound(case.weighed.buckets, bound, case.weighed.bound_alpha, undecided)


def _all_notified(case: _Case) -> bool:
    """Whether AWS creates no more executions: its flag alone is also false before it begins."""
    job = case.situation.job
    return job is not None and not job.is_concurrent and case.evidence.started > 0


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


def _stall_reason(case: _Case, rate: int, cap: float) -> Reason:
    """Return what lets nobody more be exposed."""
    if cap < math.inf:
        return _exposure_reason(case, ReasonCode.EXPOSURE_AT_CAP, cap)
    # An acceptable release has no cap: it is doubted, or a turn would harm more than its budget.
    return (*_doubts(case), *_turn_reason(case, rate))[0]


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


def _late_reason(case: _Case) -> Reason:
    return reason(
        ReasonCode.LATE_ABOVE_TOLERATED,
        harmed=case.evidence.late_harmed,
        started=case.evidence.late_started,
        log_e=case.weighed.log_e_late,
        limit=case.weighed.late_limit,
        tolerated=case.policy.harm.tolerated_late,
    )


def _suspect_reason(suspect: Suspect) -> Reason:
    return reason(
        ReasonCode.COHORT_SUSPECT,
        cohort=suspect.cohort,
        harmed=suspect.harmed,
        started=suspect.started,
        log_e=suspect.log_e,
        limit=suspect.limit,
        others=suspect.log_e_of_others,
        remedy=suspect.remedy.value,
    )


def _doubts(case: _Case) -> list[Reason]:
    evidence = case.evidence
    if evidence.doubt == 0:
        return []
    return [
        reason(
            ReasonCode.DOUBTED,
            log_e=evidence.doubt * evidence.abort_at / 2,
            doubt=evidence.doubt,
            budget=case.budget,
            rate=native_rate(_fastest(case)),
        )
    ]


def _apart(case: _Case) -> list[Reason]:
    apart = case.weighed.memory.quarantined
    return [reason(ReasonCode.COHORT_APART, cohorts=", ".join(apart))] if apart else []


def _turn_reason(case: _Case, rate: int) -> list[Reason]:
    if not case.is_acceptable or _all_notified(case):
        return []
    harmed, minutes = _turn(case, rate)
    return [
        reason(
            ReasonCode.TURN_WOULD_HARM,
            turned=case.policy.harm.turned,
            harmed=round(harmed),
            rate=rate,
            minutes=round(minutes),
        )
    ]


def _fence_reason(case: _Case, behind: Fence, rate: int) -> Reason:
    harm = case.policy.harm
    unattended = _unattended(case, behind, rate, harm.turned)
    later = max(0.0, unattended - _harmed_by_evidence(case, rate))
    criteria = " or ".join(
        f"{each.threshold_percentage:g} % {each.failure_type.value} of at least "
        f"{each.min_executed_things} executed"
        for each in behind.criteria
    )
    return reason(
        ReasonCode.FENCE_INSTALLED,
        criteria=criteria,
        exposed_up_to=behind.exposed_up_to,
        risk=behind.risk,
        rate=rate,
        turned=harm.turned,
        unattended=_devices(unattended),
        later=_devices(later),
        minutes=_devices(later / (harm.turned * rate)),
    )


def _harmed_by_evidence(case: _Case, rate: int) -> float:
    """Return the devices harmed before evidence would stop the release that the fence is for."""
    harm = case.policy.harm
    needed = case.evidence.abort_at + math.log(2.0)
    per_device = harm.turned * math.log(harm.turned / harm.tolerated_rate) + (
        1 - harm.turned
    ) * math.log((1 - harm.turned) / (1 - harm.tolerated_rate))
    failing = case.timeout_minutes if case.standing.timeout_minutes else case.minutes_in_flight
    return harm.turned * (needed / per_device + rate * failing)


def _devices(number: float) -> int | str:
    return "all" if number == math.inf else round(number)
