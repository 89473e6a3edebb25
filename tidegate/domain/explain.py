"""Explaining: the reasons that a case gives, each with its numbers against their limits."""

import math
from collections.abc import Mapping
from dataclasses import replace

from tidegate.domain.case import (
    Case,
    all_notified,
    fastest,
    harm_by_evidence,
    harm_of_a_turn,
    harm_unattended,
    timeout_suggested,
)
from tidegate.domain.cohorts import Remedy, Suspect
from tidegate.domain.delays import brake_at
from tidegate.domain.failures import top
from tidegate.domain.fence import Fence
from tidegate.domain.gates import instant
from tidegate.domain.jobs import REPORTED
from tidegate.domain.outcomes import ReasonKey
from tidegate.domain.pace import native_rate
from tidegate.domain.reasons import Reason, ReasonCode, reason
from tidegate.domain.rollout import Hold
from tidegate.domain.situation import Readiness

#: Reasons of devices that one decision repeats.
REASONS_TOLD = 5
#: Cohorts of which it repeats them.
COHORTS_TOLD = 4


def why_stop(case: Case) -> tuple[Reason, ...]:
    """Return every reason to stop the release for good."""
    situation, weighed, evidence = case.situation, case.weighed, case.evidence
    reasons: list[Reason] = []
    request = situation.abort_request
    if request:
        reasons.append(reason(ReasonCode.ABORT_REQUESTED, by=request.by, why=request.reason))
    if evidence.log_e >= evidence.abort_at:
        reasons.append(on_evidence(case, ReasonCode.EVIDENCE_ABOVE_TOLERATED))
    if weighed.log_e_late >= weighed.late_limit:
        reasons.append(_late_reason(case))
    reasons.extend(on_suspect(each) for each in weighed.suspects)
    if case.passage.stop is not None:
        reasons.append(case.passage.stop)
    if situation.aborting and situation.job:
        status = situation.job.status.value
        reasons.append(reason(ReasonCode.ABORT_IN_PROGRESS, status=status))
    return tuple(reasons)


def why_wait(case: Case) -> tuple[Reason, ...]:
    """Return every reason not to go on now."""
    situation = case.situation
    waits = [on_hold(each) for each in case.holds]
    if situation.readiness is Readiness.INCOMPLETE:
        waits.append(on_incomplete(case))
    waits.extend(on_suspect(each) for each in case.weighed.suspects if each.remedy is Remedy.HOLD)
    evidence = case.evidence
    if evidence.log_e_overdue >= brake_at():
        log_e = evidence.log_e_overdue
        waits.append(reason(ReasonCode.DEVICES_OVERDUE, log_e=log_e, limit=brake_at()))
    return tuple(waits)


def on_incomplete(case: Case) -> Reason:
    """Return how many outcomes the ledger knows of those that AWS counts."""
    job, recorded = case.situation.job, case.situation.counts.of(*REPORTED)
    described = job.counts.reported if job else 0
    return reason(ReasonCode.EVIDENCE_INCOMPLETE, recorded=recorded, described=described)


def on_hold(hold: Hold) -> Reason:
    """Return who or what holds it, since when and why."""
    return reason(
        ReasonCode.HELD,
        kind=hold.kind.value,
        by=hold.by,
        since=instant(hold.since),
        why=hold.reason,
    )


def on_leak(rate: int) -> Reason:
    """Return what still gets the job while nobody shall."""
    return reason(ReasonCode.HOLD_LEAKS, rate=rate)


def why_go(case: Case, rate: int, cap: float) -> Reason:
    """Return what lets it go on at this rate."""
    evidence, acceptable = case.evidence, case.policy.harm.acceptable_rate
    if evidence.started == 0:
        return reason(ReasonCode.FIRST_SETTINGS, rate=rate)
    ahead = case.passage.ahead
    if ahead is not None and ahead[1] <= cap:
        name, after = ahead
        return reason(ReasonCode.GATE_AHEAD, gate=name, after=after, exposed=evidence.exposed)
    if evidence.upper_bound <= acceptable:
        return reason(
            ReasonCode.RATE_ACCEPTABLE,
            upper_bound=evidence.upper_bound,
            acceptable=acceptable,
            rate=rate,
        )
    return _exposure_reason(case, ReasonCode.EXPOSURE_BELOW_CAP, cap)


def why_stall(case: Case, rate: int, cap: float) -> Reason:
    """Return what lets nobody more be exposed."""
    if cap < math.inf and case.evidence.doubt < 1:
        return _exposure_reason(case, ReasonCode.EXPOSURE_AT_CAP, cap)
    # Full doubt leaves nothing to spend. An acceptable release has no cap: it is doubted, or a turn
    # would harm more than its budget.
    return (*on_doubt(case), *on_turn(case, rate))[0]


def _exposure_reason(case: Case, code: ReasonCode, cap: float) -> Reason:
    return reason(
        code,
        exposed=case.evidence.exposed,
        cap=int(cap),
        upper_bound=case.evidence.upper_bound,
        budget=case.situation.budget,
        acceptable=case.policy.harm.acceptable_rate,
    )


def on_evidence(case: Case, code: ReasonCode) -> Reason:
    """Return how the evidence stands against its limit."""
    return reason(
        code,
        harmed=case.evidence.harmed,
        started=case.evidence.started,
        log_e=case.evidence.log_e,
        limit=case.evidence.abort_at,
        tolerated=case.policy.harm.tolerated_rate,
    )


def _late_reason(case: Case) -> Reason:
    return reason(
        ReasonCode.LATE_ABOVE_TOLERATED,
        harmed=case.evidence.late_harmed,
        started=case.evidence.late_started,
        log_e=case.weighed.log_e_late,
        limit=case.weighed.late_limit,
        tolerated=case.policy.harm.tolerated_late,
    )


def on_suspect(suspect: Suspect) -> Reason:
    """Return how a cohort fails, and what to do about it."""
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


def on_doubt(case: Case) -> list[Reason]:
    """Return what doubt leaves, where there is any."""
    evidence = case.evidence
    if evidence.doubt == 0:
        return []
    return [
        reason(
            ReasonCode.DOUBTED,
            log_e=evidence.doubt * evidence.abort_at / 2,
            doubt=evidence.doubt,
            budget=case.budget,
            rate=native_rate(fastest(case)),
        )
    ]


def on_cohorts_apart(case: Case) -> list[Reason]:
    """Return which cohorts are left out, if any."""
    apart = case.weighed.memory.quarantined
    return [reason(ReasonCode.COHORT_APART, cohorts=", ".join(apart))] if apart else []


def on_new_apart(case: Case) -> list[Reason]:
    """Return how the cohorts fail that are set apart by this decision."""
    before = case.situation.memory.quarantined
    return [
        on_suspect(each)
        for each in case.weighed.suspects
        if each.remedy is Remedy.QUARANTINE and each.cohort not in before
    ]


def on_failures(case: Case) -> list[Reason]:
    """Return why devices say that they failed, all and those of bad cohorts, most of them first."""
    situation = case.situation
    all_told = _failures(situation.reasons) if case.evidence.harmed else ""
    found = [reason(ReasonCode.FAILURE_REASONS, reasons=all_told)] if all_told else []
    bad = [*(each.cohort for each in case.weighed.suspects), *case.weighed.memory.quarantined]
    for cohort in [*dict.fromkeys(bad)][:COHORTS_TOLD]:
        cells = situation.cells.covering([cohort])
        own = {key: number for key, number in situation.reasons.items() if key[1] in cells}
        if told := _failures(own):
            found.append(reason(ReasonCode.COHORT_FAILURE_REASONS, cohort=cohort, reasons=told))
    return found


def _failures(reasons: Mapping[ReasonKey, int]) -> str:
    return ", ".join(f"{text} ({number})" for text, number in top(reasons, REASONS_TOLD))


def on_timeout(case: Case) -> list[Reason]:
    """Return the time-out that devices' delays suggest, where it is another than the one there."""
    found, within = timeout_suggested(case), case.policy.timeout
    if found is None or within is None:
        return []
    standing = case.standing.timeout_minutes or case.policy.job.timeout_minutes
    return [
        reason(
            ReasonCode.TIMEOUT_SET if within.sets else ReasonCode.TIMEOUT_PROPOSED,
            finished=found.finished_minutes,
            minutes=found.minutes,
            standing="none" if standing is None else standing,
        )
    ]


def on_turn(case: Case, rate: int) -> list[Reason]:
    """Return what a release that turned bad now would harm, once it goes freely."""
    if not case.is_acceptable or all_notified(case):
        return []
    harmed, minutes = harm_of_a_turn(case, rate)
    return [
        reason(
            ReasonCode.TURN_WOULD_HARM,
            turned=case.policy.harm.turned,
            harmed=round(harmed),
            rate=rate,
            minutes=round(minutes),
        )
    ]


def on_drift(case: Case) -> list[Reason]:
    """Return which settings somebody else changed since they were installed, if any."""
    installed = case.situation.installed
    if installed is None:
        return []
    changed = case.standing.changes_to(replace(installed, description=None)).to_request()
    return [reason(ReasonCode.SETTINGS_DRIFTED, members=", ".join(changed))] if changed else []


def on_fence(case: Case, behind: Fence, rate: int) -> Reason:
    """Return the criteria behind a rate and what they let through without Tidegate."""
    harm = case.policy.harm
    unattended = harm_unattended(case, behind, rate, harm.turned)
    later = max(0.0, unattended - harm_by_evidence(case, rate))
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


def _devices(number: float) -> int | str:
    return "all" if number == math.inf else round(number)
