"""
The review: what Tidegate concludes about a rollout from what is known now.

A pure function of its arguments. It says what should be in force and why; it applies nothing.
The branches are at the top, in order of precedence: what is over, what must stop, what must wait,
what may go on.
"""

from dataclasses import replace
from functools import partial

from tidegate.domain.authority import authorized
from tidegate.domain.case import (
    TIMEOUT_MINUTES,
    Case,
    all_notified,
    cap_of,
    fence_behind,
    finished,
    guarded,
    needs_attending,
    needs_comparing,
    reachable,
    timeout_suggested,
    unfinished,
    what_stands_before,
)
from tidegate.domain.cohorts import Remedy, is_told
from tidegate.domain.decision import Attention, Awaits, Decision, Verdict
from tidegate.domain.explain import (
    on_cohorts_apart,
    on_doubt,
    on_drift,
    on_evidence,
    on_failures,
    on_fence,
    on_hold,
    on_incomplete,
    on_leak,
    on_new_apart,
    on_suspect,
    on_timeout,
    on_turn,
    why_go,
    why_stall,
    why_stop,
    why_wait,
)
from tidegate.domain.fence import Behind, Fence
from tidegate.domain.gates import instant, passage, without_gates
from tidegate.domain.holds import holds_in_force
from tidegate.domain.jobs import JobCounts, JobStatus
from tidegate.domain.label import labelled, labelled_at_end, labelled_at_launch
from tidegate.domain.oversights import with_oversights
from tidegate.domain.pace import (
    exposure_cap,
    native_rate,
    rate_to_reach,
    spendable,
)
from tidegate.domain.policy import (
    Action,
    Authority,
    Fallback,
    Policy,
    Stragglers,
    devices_of_share,
)
from tidegate.domain.reasons import Reason, ReasonCode, reason
from tidegate.domain.rollout import Ending, HoldKind, Tripwires
from tidegate.domain.settings import (
    JobSettings,
    RetryCriterion,
    RolloutRate,
)
from tidegate.domain.situation import REVIEW_MINUTES, Readiness, Situation
from tidegate.domain.tripwires import tripwires
from tidegate.domain.weigh import weigh

#: Tidegate's own reason codes in CancelJob; AWS keeps them with the job, so a later review knows
#: who canceled it and why. AWS allows upper case, digits and underscores.
ABORT_REASON_CODE = "TIDEGATE_ABORT"
COMPLETE_REASON_CODE = "TIDEGATE_COMPLETE"
#: What AWS writes when its own abort criteria cancel a job (observed, not documented).
FENCE_REASON_CODE = "ABORT_CANCEL"

#: Minutes between reviews when only outcomes are awaited; tripwires and the job's end wake sooner.
IDLE_REVIEW_MINUTES = 5.0
#: The same when only late joiners are.
GUARD_REVIEW_MINUTES = 15.0
#: A job that is SCHEDULED is looked at this often before its time has come, and this often then:
#: until the first settings are in, AWS goes at the job's own rate.
SCHEDULED_REVIEW_MINUTES = 30.0
START_REVIEW_MINUTES = 0.1
#: What devices report may be unreadable or incomplete for so long before people hear of it.
STALE_MINUTES = 15.0
#: Soaks that devices are waited for once AWS is done with the job.
SOAKS_MAX = 4

EVENTS_REMEDY = (
    "Switch JOB and JOB_EXECUTION events on again: aws iot update-event-configurations "
    '--event-configurations \'{"JOB":{"Enabled":true},"JOB_EXECUTION":{"Enabled":true}}\''
)
SUSPECT_REMEDY = (
    "Look at what these devices have in common. To go on with them, release the cohort; else "
    "adjust the policy or abort the rollout."
)
STALE_REMEDY = (
    "Nothing goes on until it can be read. Where AWS throttles, look at the account's quota for "
    "ListJobExecutionsForJob; where it refuses, at what the Lambda review may do. The rollout can "
    "be aborted meanwhile."
)
INCOMPLETE_REMEDY = (
    "Nothing goes on until they agree; each review reads the whole list again. Look at the alarms "
    "of intake and record, and whether somebody deletes executions or things of this job. The "
    "rollout can be aborted meanwhile."
)
TOO_LATE_REMEDY = (
    "AWS had finished the job before this showed. Look at the devices; to undo the release, launch "
    "a job that does, or ask for a rollback in the policy's on_abort."
)
CANCELED_REMEDY = (
    "To undo the release, launch a job that does. Where a rollback is wanted, send Abort Rollout "
    "instead of canceling the job."
)
DRIFT_REMEDY = (
    "Nothing to do: the settings are put back. To steer the job by hand, adjust the policy's "
    "authority to observe."
)


def review(policy: Policy, situation: Situation, now: float) -> Decision:
    """
    Decide what should be in force.

    Args:
        policy: The rollout's snapshot.
        situation: What is known.
        now: Epoch seconds.
    """
    case = _case(policy, situation, now)
    judged = _judged(case)
    wished = replace(judged, reasons=(*judged.reasons, *on_failures(case)))
    decision = authorized(
        case, wished, instead=_instead(case, wished), settings_at=partial(_settings_at, case)
    )
    return with_oversights(case, _attending(case, decision))


def _case(policy: Policy, situation: Situation, now: float) -> Case:
    case = Case(policy, situation, weigh(policy, situation, now), now)
    holds, course = holds_in_force(policy, situation, now)
    course = replace(course, incomplete_since=_incomplete_since(situation, now))
    job = situation.job
    is_out = all_notified(case) or course.is_guarding
    if job is None or job.status is not JobStatus.IN_PROGRESS or is_out:
        stands = without_gates(policy, situation, course, now)
    else:
        stands = passage(policy, situation, course, case.evidence.exposed, now)
    return _with_timeout(replace(case, holds=holds, passage=stands))


def _incomplete_since(situation: Situation, now: float) -> float | None:
    """Return since when the ledger lacks outcomes that AWS counts, None if it lacks none."""
    if situation.readiness is not Readiness.INCOMPLETE:
        return None
    return situation.course.incomplete_since or now


def _with_timeout(case: Case) -> Case:
    """Return the case with the time-out to set, where the policy has it set."""
    found, within = timeout_suggested(case), case.policy.timeout
    if found is None or within is None or not within.sets:
        return case
    course = replace(case.passage.course, timeout_minutes=found.minutes)
    return replace(case, passage=replace(case.passage, course=course))


def _attending(case: Case, decision: Decision) -> Decision:
    """Return the decision with a look at single devices, where the rollout goes on and needs it."""
    goes_on = decision.verdict in (Verdict.PROCEED, Verdict.HOLD, Verdict.GATE)
    if not goes_on or not needs_attending(case):
        return decision
    compared_at = case.now if needs_comparing(case) else decision.course.compared_at
    course = replace(decision.course, attended_at=case.now, compared_at=compared_at)
    return replace(decision, attends=True, course=course)


def _judged(case: Case) -> Decision:
    """Return what the evidence and everything else known call for."""
    job = case.situation.job
    if job is None or not job.goes_on:
        return _over(case)
    if _must_stop(case):
        # Nobody is asked of what is over.
        stop = replace(_standing(case, Verdict.ABORT, why_stop(case)), gate=None, asked=())
        return replace(stop, awaits=Awaits.STOP, forces=case.policy.on_abort.force)
    if job.status is JobStatus.SCHEDULED:
        return _scheduled(case)
    waits = why_wait(case)
    if waits:
        rate = native_rate(0)
        held = _steering(case, Verdict.HOLD, rate, (*waits, on_leak(rate)))
        return replace(held, awaits=Awaits.RELEASE if case.holds else Awaits.EVIDENCE)
    if case.passage.at is not None:
        return _at_gate(case)
    return _complete(case) if _is_complete(case) else _pace(case)


def _instead(case: Case, wished: Decision) -> Decision:
    """Return what is done while stopping, completing or rolling back waits for a yes."""
    job, authority = case.situation.job, case.policy.authority
    if wished.verdict is Verdict.ROLL_BACK and authority.roll_back is Authority.OBSERVE:
        return _ended(case, _ending(case)[0], ())
    waiting = _standing(case, Verdict.HOLD, ())
    if wished.verdict is Verdict.COMPLETE:
        return _pace(case)
    if wished.verdict is not Verdict.ABORT or job is None or job.status is JobStatus.SCHEDULED:
        return replace(waiting, wait_seconds=case.seconds(IDLE_REVIEW_MINUTES))
    rate = native_rate(0)
    return _steering(case, Verdict.HOLD, rate, (on_leak(rate),))


def first_settings(policy: Policy, fleet_size: int | None = None) -> JobSettings:
    """
    Return the settings for a job that is being created: slow, within the budget, and fenced.

    Args:
        policy: The rollout's.
        fleet_size: Things in all; None if unknown: how many devices a share of the fleet is, the
            first review then says.
    """
    harm, pace = policy.harm, policy.pace
    budget = harm.budget_devices or (harm.budget_share or 0.0) * (fleet_size or 0)
    cap = exposure_cap(
        upper_bound=1.0,
        acceptable_rate=harm.acceptable_rate,
        succeeded=0,
        budget=spendable(budget, upper_bound=1.0, doubt=0.0),
        first=pace.start_per_minute,
    )
    known = [gate for gate in policy.gates if gate.after_share is None or fleet_size is not None]
    cap = min([cap, *(gate.devices(fleet_size) for gate in known)])
    rate = native_rate(rate_to_reach(cap, exposed=0, max_per_minute=pace.max_per_minute))
    behind = Behind(
        exposed=0,
        rate_per_minute=rate,
        standing_per_minute=rate,
        minutes_in_flight=float(policy.job.timeout_minutes or TIMEOUT_MINUTES),
    )
    label = labelled_at_launch(policy)
    return _settings(policy, rate, fence_behind(policy, behind), None, label=label)


def _ending(case: Case) -> tuple[Ending, Reason]:
    """Return how a job that is over came to its end."""
    job, evidence = case.situation.job, case.evidence
    if job is None or job.status is JobStatus.DELETION_IN_PROGRESS:
        return Ending.DELETED_OUTSIDE, reason(ReasonCode.JOB_DELETED_OUTSIDE)
    if job.status is JobStatus.COMPLETED:
        return Ending.COMPLETED, reason(
            ReasonCode.JOB_COMPLETED, succeeded=evidence.succeeded, harmed=evidence.harmed
        )
    if job.reason_code == COMPLETE_REASON_CODE:
        return Ending.COMPLETED, _stragglers_left(case)
    if job.reason_code == ABORT_REASON_CODE:
        return Ending.ABORTED, reason(
            ReasonCode.JOB_ABORTED,
            # As CancelJob was told: which decision it was, and why.
            comment=job.comment or "Tidegate",
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


def _over(case: Case) -> Decision:
    """Return the end, or what is still to be done before it."""
    if _still_soaks(case):
        return _soaking(case)
    ending, ended = _ending(case)
    rollback, situation = case.policy.on_abort.rollback, case.situation
    is_bad_too_late = ending is Ending.COMPLETED and _is_stopped(case)
    is_overtaken = ending is Ending.CANCELED_OUTSIDE and _is_abort_decided(situation)
    is_bad = ending in (Ending.ABORTED, Ending.FENCED) or is_bad_too_late or is_overtaken
    if rollback is None or not is_bad or situation.rolls_back:
        end = _ended(case, ending, (ended,))
        return _with_warning(case, end) if is_bad_too_late else _with_devices_left(case, end)
    counts = situation.job.counts if situation.job else JobCounts()
    devices, at_work = situation.counts.of(*rollback.statuses), counts.in_progress
    course = case.passage.course
    # As long as there are devices to be put into the group, time is not what is missing.
    begun = None if situation.is_rolling_back else course.rollback_until
    until = begun or case.now + case.seconds(case.timeout_minutes)
    is_known = situation.readiness not in (Readiness.STALE, Readiness.INCOMPLETE)
    has_all = situation.is_rolled_back and course.rolled_back == devices
    nobody_took_it = devices == counts.of(rollback.statuses) == 0
    if is_known and not at_work and (has_all or nobody_took_it):
        return _ended(case, ending, (ended, reason(ReasonCode.ROLLED_BACK, devices=devices)))
    declined = _why_declined(case)
    if case.now >= until or declined is not None:
        left = reason(ReasonCode.NOT_ROLLED_BACK, in_flight=at_work)
        if declined is not None:
            left = reason(ReasonCode.ROLLBACK_DECLINED, devices=devices, why=declined)
        attention = Attention(
            "rollback", left.text, "Look at the devices, and update them yourself."
        )
        return replace(_ended(case, ending, (ended, left)), attention=attention)
    why = reason(ReasonCode.ROLLING_BACK, devices=devices, in_flight=at_work)
    late = why_stop(case) if is_bad_too_late else ()
    next_pass = case.evidence.succeeded + max(1, at_work // _PASSES_PER_ROUND)
    return replace(
        _standing(case, Verdict.ROLL_BACK, (why, ended, *late)),
        awaits=Awaits.STRAGGLERS,
        tripwires=Tripwires(succeeded=next_pass) if at_work else Tripwires(),
        course=replace(course, rolled_back=devices, rollback_until=until),
    )


def _still_soaks(case: Case) -> bool:
    """
    Whether AWS is done with the job, but not all of its devices are known to be there still.

    Who wants it stopped does not wait for that.
    """
    policy, job = case.policy, case.situation.job
    if policy.soak is None or job is None or job.status is not JobStatus.COMPLETED:
        return False
    if case.situation.abort_request is not None:
        return False
    until = case.passage.course.soaked_until
    return case.evidence.in_flight > 0 and (until is None or case.now < until)


def _soaking(case: Case) -> Decision:
    """Wait for devices to be there still, for as long as those that are seldom online may need."""
    minutes = case.policy.soak.minutes if case.policy.soak else 0.0
    course = case.passage.course
    until = course.soaked_until or case.now + case.seconds(SOAKS_MAX * minutes)
    why = reason(ReasonCode.SOAKING, in_flight=case.evidence.in_flight, harmed=case.evidence.harmed)
    waiting = _standing(case, Verdict.HOLD, (why,))
    return replace(
        waiting,
        wait_seconds=case.seconds(IDLE_REVIEW_MINUTES),
        course=replace(course, soaked_until=until),
    )


def _with_warning(case: Case, end: Decision) -> Decision:
    """Return the end of a release that was stopped, or turned out bad, when its job was over."""
    why = why_stop(case)
    if not why:
        return end
    attention = Attention("bad after all", why[0].text, TOO_LATE_REMEDY)
    return replace(end, reasons=(*end.reasons, *why), attention=attention)


def _with_devices_left(case: Case, end: Decision) -> Decision:
    """Return the end, with a word to who canceled a job and may expect the rollback of an abort."""
    took, rollback = case.evidence.succeeded, case.policy.on_abort.rollback
    is_expected = rollback is not None and not case.situation.rolls_back
    if end.ending is not Ending.CANCELED_OUTSIDE or not is_expected or not took:
        return end
    problem = f"{end.summary}; that rolls nothing back, and {took} devices have the release"
    return replace(end, attention=Attention("not rolled back", problem, CANCELED_REMEDY))


#: While devices finish what they began, so many passes of rolling back for each halving or so.
_PASSES_PER_ROUND = 4


def _why_declined(case: Case) -> str | None:
    """Return why it is not rolled back: people do not want it, or nobody said so in time."""
    course = case.passage.course
    proposal = course.proposal
    if proposal is None or proposal.action is not Action.ROLL_BACK:
        return None
    answer = case.situation.answer_to(proposal.question)
    if answer is not None:
        return None if answer.yes else f"{answer.by} said no: {answer.comment}"
    policy, due_at = case.policy, proposal.question.due_at
    is_late = due_at is not None and case.now >= due_at
    passes = policy.authority.roll_back is Authority.APPROVE and (
        policy.approval.unanswered is Fallback.PASS
    )
    return "nobody said yes in time" if is_late and not passes else None


def _ended(case: Case, ending: Ending, reasons: tuple[Reason, ...]) -> Decision:
    verdict = Verdict.COMPLETE if ending is Ending.COMPLETED else Verdict.ENDED
    return replace(_standing(case, verdict, reasons), ending=ending)


def _must_stop(case: Case) -> bool:
    return case.passage.stop is not None or _is_stopped(case)


def _is_stopped(case: Case) -> bool:
    """Whether the release was stopped, whatever it does since, or must be by its evidence."""
    return _is_abort_decided(case.situation) or _is_bad(case)


def _is_abort_decided(situation: Situation) -> bool:
    """Whether somebody asked for an abort, or a review called for it."""
    return situation.aborting or situation.abort_request is not None


def _is_bad(case: Case) -> bool:
    """Whether the evidence says so."""
    evidence = case.evidence
    return (
        evidence.log_e >= evidence.abort_at
        or case.weighed.log_e_late >= case.weighed.late_limit
        or any(each.remedy is Remedy.ABORT for each in case.weighed.suspects)
    )


def _scheduled(case: Case) -> Decision:
    """Wait for the job's time: AWS takes no settings before, and its own rate counts until then."""
    job = case.situation.job
    starts_at = job.starts_at if job else None
    holds = (on_hold(each) for each in case.holds)
    waiting = _standing(case, Verdict.HOLD, (reason(ReasonCode.JOB_SCHEDULED), *holds))
    seconds = case.seconds(START_REVIEW_MINUTES)
    if starts_at is None:
        seconds = case.seconds(REVIEW_MINUTES)
    elif starts_at > case.now:
        seconds = max(1, min(case.seconds(SCHEDULED_REVIEW_MINUTES), int(starts_at - case.now)))
    return replace(waiting, wait_seconds=seconds)


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
        holds=case.holds,
        gate=case.passage.at,
        gates_passed=case.passage.passed,
        asked=case.passage.asked,
        course=case.passage.course,
        memory=case.weighed.memory,
    )


# what may go on


def _at_gate(case: Case) -> Decision:
    stands, rate = case.passage, native_rate(0)
    reasons = (*stands.reasons, on_leak(rate))
    held = _steering(case, Verdict.GATE, rate, reasons, minutes=IDLE_REVIEW_MINUTES)
    seconds = held.wait_seconds
    if stands.changes_at is not None:
        seconds = max(1, min(seconds, int(stands.changes_at - case.now) + 1))
    return replace(
        held,
        wait_seconds=seconds,
        awaits=stands.awaits,
        attention=held.attention or stands.attention,
    )


def _is_complete(case: Case) -> bool:
    """Whether as many devices have an outcome as the policy asks for."""
    job, evidence = case.situation.job, case.evidence
    if job is None or not all_notified(case) or case.passage.course.is_guarding:
        return False
    share, situation = case.policy.complete.at, case.situation
    if share >= 1 and not job.is_continuous:
        return False  # AWS itself completes the job then.
    if situation.rolls_back and job.is_continuous and not situation.has_all_to_undo:
        return False  # Devices that finish the stopped release join it still.
    return finished(case) >= devices_of_share(share, evidence.exposed)


def _complete(case: Case) -> Decision:
    """Return the end of the rollout, or of what is granted to stragglers before it."""
    policy, job, course = case.policy.complete, case.situation.job, case.passage.course
    reached_at = course.share_reached_at or case.now
    until = reached_at + policy.grace_minutes * case.situation.minute_seconds
    course = replace(course, share_reached_at=reached_at)
    left = unfinished(case)
    if left and case.now < until:
        wait = replace(_pace(case), course=course)
        note = reason(
            ReasonCode.SHARE_REACHED,
            finished=finished(case),
            exposed=case.evidence.exposed,
            share=policy.at,
            until=instant(until),
        )
        seconds = max(1, min(wait.wait_seconds, int(until - case.now) + 1))
        return replace(wait, reasons=(note, *wait.reasons), wait_seconds=seconds)
    if job is not None and job.is_continuous and not case.situation.rolls_back:
        guard = replace(
            case, passage=replace(case.passage, course=replace(course, is_guarding=True))
        )
        return replace(_pace(guard), starts_guarding=True)
    # A CONTINUOUS job has no end of its own: one that rolls back is done with its devices.
    endless = job is not None and job.is_continuous
    cancels = endless if left == 0 else policy.stragglers is Stragglers.CANCEL
    end = _ended(case, Ending.COMPLETED, (_stragglers_left(case),))
    label = None if cancels else labelled_at_end(case.standing.description)
    settings = JobSettings(description=label)
    return replace(end, course=course, cancels_stragglers=cancels, settings=settings)


def _stragglers_left(case: Case) -> Reason:
    return reason(
        ReasonCode.STRAGGLERS_LEFT,
        finished=finished(case),
        exposed=case.evidence.exposed,
        stragglers=case.policy.complete.stragglers.value,
    )


def _pace(case: Case) -> Decision:
    evidence = case.evidence
    cap, wanted = cap_of(case), reachable(case)
    if evidence.started == 0:
        wanted = min(wanted, case.policy.pace.start_per_minute)
    rate = guarded(case, native_rate(wanted))
    if case.passage.course.is_guarding:
        return _guarding(case, rate)
    if all_notified(case):
        return _all_out(case, rate)
    if wanted == 0:
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


def _guarding(case: Case, rate: int) -> Decision:
    """Nobody but late joiners is left, whom AWS does not pace: the fence is kept behind them."""
    rate = min(rate, case.standing.rate_per_minute)
    why = reason(ReasonCode.GUARDING)
    guard = _steering(case, Verdict.PROCEED, rate, (why,), minutes=GUARD_REVIEW_MINUTES)
    return replace(guard, awaits=Awaits.JOINERS)


def _steering(
    case: Case,
    verdict: Verdict,
    rate: int,
    reasons: tuple[Reason, ...],
    *,
    minutes: float | None = None,
) -> Decision:
    """Return a decision that installs a rate and the fence behind it."""
    behind = fence_behind(case.policy, what_stands_before(case, rate))
    shared = case.situation.review_minutes
    notes = [
        *(reason(ReasonCode.GATE_PASSED, gate=name) for name in case.passage.passed),
        on_evidence(case, ReasonCode.EVIDENCE_BELOW_ABORT),
        *on_doubt(case),
        on_fence(case, behind, rate),
        *on_new_apart(case),
        *on_cohorts_apart(case),
        *on_timeout(case),
        *on_turn(case, rate),
        *on_drift(case),
    ]
    if shared > REVIEW_MINUTES:
        notes.append(reason(ReasonCode.REVIEWS_SHARED, minutes=shared))
    if case.situation.readiness is Readiness.UNSTARTED:
        notes.append(reason(ReasonCode.STARTS_UNREPORTED))
    elif case.evidence.counters_only:
        notes.append(reason(ReasonCode.COUNTERS_ONLY, unplaced=case.evidence.unplaced))
    if not case.situation.events_enabled:
        notes.append(reason(ReasonCode.EVENTS_OFF))
    notes = [each for each in notes if each not in reasons]
    return replace(
        _standing(case, verdict, (*reasons, *notes)),
        settings=_settings_behind(case, rate, behind, label=labelled(case, verdict, reasons[0])),
        tripwires=tripwires(case),
        wait_seconds=case.seconds(shared if minutes is None else max(minutes, shared)),
        attention=_attention(case),
    )


def _attention(case: Case) -> Attention | None:
    """Return what people should look at, the worst first."""
    # Of devices that are yet to be joined, the next looks at them say more than people can.
    undecided = [
        each
        for each in case.weighed.suspects
        if each.remedy is Remedy.HOLD and (is_told(each.cohort) or not case.situation.unsettled)
    ]
    if undecided:
        return Attention("suspect", on_suspect(undecided[0]).text, SUSPECT_REMEDY)
    stale_from = case.now - case.seconds(STALE_MINUTES)
    for hold in case.holds:
        if hold.kind is HoldKind.EVIDENCE and hold.since <= stale_from:
            return Attention("stale evidence", on_hold(hold).text, STALE_REMEDY)
    incomplete_since = case.passage.course.incomplete_since
    if incomplete_since is not None and incomplete_since <= stale_from:
        return Attention("incomplete evidence", on_incomplete(case).text, INCOMPLETE_REMEDY)
    if not case.situation.events_enabled:
        return Attention("events", reason(ReasonCode.EVENTS_OFF).text, EVENTS_REMEDY)
    drift = on_drift(case)
    return Attention("drift", drift[0].text, DRIFT_REMEDY) if drift else None


def _settings_at(case: Case, rate: int) -> JobSettings:
    """Return the settings at a rate, with the fence behind it."""
    behind = fence_behind(case.policy, what_stands_before(case, rate))
    return _settings_behind(case, rate, behind, label=case.standing.description)


def _settings_behind(case: Case, rate: int, behind: Fence, *, label: str | None) -> JobSettings:
    """Return the settings at a rate with that fence, and the time-out taken from delays, if any."""
    settings = _settings(case.policy, rate, behind, case.standing, label=label)
    within, minutes = case.policy.timeout, case.passage.course.timeout_minutes
    if within is None or not within.sets or minutes is None:
        return settings
    return replace(settings, timeout_minutes=minutes)


def _settings(
    policy: Policy,
    rate: int,
    behind: Fence,
    standing: JobSettings | None,
    *,
    label: str | None = None,
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
        description=label or job.description,
    )


def _rollout(policy: Policy, rate: int) -> RolloutRate:
    """Return the native rate; AWS's own growth, where the policy wants it, stays below it."""
    growth = policy.pace.exponential
    if growth is None or rate <= growth.base_rate_per_minute:
        return RolloutRate(rate)
    return RolloutRate(rate, growth)
