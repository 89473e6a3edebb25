"""Authority: what is done, proposed or only recorded, and what follows an answer."""

from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    FAILED,
    IN_PROGRESS,
    NOW,
    POLICY,
    SUCCEEDED,
    codes,
    next_situation,
    no,
    situation_of,
    with_job,
    yes,
)
from tidegate.domain.course import About, Agreement, Course, Question
from tidegate.domain.decision import Awaits, Decision, Verdict, Withheld
from tidegate.domain.jobs import JobStatus
from tidegate.domain.policy import (
    Action,
    Asking,
    Authorities,
    Authority,
    Completion,
    Fallback,
    Freeze,
    Gate,
    OnAbort,
    Policy,
    Rollback,
    Stragglers,
)
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.review import ABORT_REASON_CODE, review
from tidegate.domain.rollout import AbortRequest, Ending, Hold, HoldKind, Lift, Tripwires
from tidegate.domain.settings import (
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    RolloutRate,
)
from tidegate.domain.situation import Situation
from tidegate.domain.standing import CalendarReading, Standing

OBSERVE, RECOMMEND, APPROVE = Authority.OBSERVE, Authority.RECOMMEND, Authority.APPROVE
HOUR = 3600.0
DAY = 24 * HOUR

HOLD = Hold(HoldKind.OPERATOR, by="on-call", reason="support is short of people", since=NOW - 60)
CLOSED = Standing(calendars={"quarter-end": CalendarReading(is_open=False)})
FENCE = (AbortCriterion(FailureType.ALL, 50.0, 100),)


def fenced(situation: Situation) -> Situation:
    """Return the situation of a job that has some criteria of its own."""
    assert situation.job
    return with_job(situation, settings=replace(situation.job.settings, abort=FENCE))


#: Evidence allows far more than the job's rate.
SLOW = fenced(situation_of({SUCCEEDED: 2000}, rate_per_minute=10))
#: As many devices are out as may be; the job goes on at 100 per minute.
FAST = fenced(situation_of({IN_PROGRESS: 30}))
#: The release must be stopped; the job goes on at 100 per minute.
BAD = fenced(situation_of({FAILED: 30, SUCCEEDED: 10}))

EVERYTHING = Authorities(**{action.value: OBSERVE for action in Action})


def under(approval: Asking | None = None, **authority: Authority) -> Policy:
    """Return the example's policy with some authority given to people."""
    return replace(
        POLICY,
        authority=Authorities(**authority),
        approval=approval or Asking(within_minutes=60, refused=Fallback.HOLD),
        freeze=Freeze(calendars=("quarter-end",)),
    )


def open_days(situation: Situation) -> Situation:
    """Return the situation with a calendar that is open."""
    is_open = Standing(calendars={"quarter-end": CalendarReading(is_open=True)})
    return replace(situation, standing=is_open)


def decide(policy: Policy, situation: Situation, now: float = NOW) -> Decision:
    """Review a situation; the calendar is open unless it says otherwise."""
    known = situation if situation.standing.calendars else open_days(situation)
    return review(policy, known, now)


def agreement(decision: Decision) -> Agreement:
    """Return what came of all proposals so far."""
    return decision.course.agreement


# observe


@pytest.mark.parametrize(
    ("situation", "action", "verdict"),
    [
        (SLOW, Action.SPEED_UP, Verdict.PROCEED),
        (FAST, Action.SLOW_DOWN, Verdict.HOLD),
        (BAD, Action.ABORT, Verdict.HOLD),
        (replace(SLOW, standing=CLOSED), Action.SLOW_DOWN, Verdict.HOLD),
    ],
)
def test_who_may_only_observe_touches_nothing(
    situation: Situation, action: Action, verdict: Verdict
) -> None:
    """The decision says what would have been done and why; nobody is asked."""
    # A rate that differs from the lowest, so that slowing down is something.
    situation = with_job(situation, settings=JobSettings(RolloutRate(100), abort=FENCE))
    decision = decide(replace(under(), authority=EVERYTHING), situation)

    assert decision.verdict is verdict
    assert not decision.settings
    assert decision.withheld is not None
    assert (decision.withheld.action, decision.withheld.authority) == (action, OBSERVE)
    assert codes(decision)[0] is ReasonCode.WITHHELD
    assert (decision.asked, decision.course.proposal) == ((), None)
    assert agreement(decision) == Agreement()


def test_what_would_be_done_is_said_whole() -> None:
    """Whoever compares it with what people did has the settings that would be in force."""
    full = decide(under(), SLOW)
    decision = decide(under(speed_up=OBSERVE), SLOW)

    assert decision.withheld == Withheld(Action.SPEED_UP, OBSERVE, full.settings)
    assert set(codes(full)) <= set(codes(decision))


def test_who_may_only_observe_changes_no_fence_either() -> None:
    """Where the rate fits as it is, the criteria behind it are left alone as well."""
    standing = decide(under(), SLOW).settings.with_rate(POLICY.pace.max_per_minute)
    situation = with_job(SLOW, settings=replace(standing, abort=FENCE, description="own"))
    full = decide(under(), situation)
    decision = decide(replace(under(), authority=EVERYTHING), situation)

    assert full.settings.abort != FENCE
    assert not decision.settings
    assert decision.withheld is None


def test_a_job_without_a_fence_gets_none_without_the_authority_to_slow_down() -> None:
    """Criteria where there were none can stop a job: that is to slow it down."""
    situation = situation_of({SUCCEEDED: 2000}, rate_per_minute=1000)
    decision = decide(replace(under(), authority=EVERYTHING), situation)

    assert not decision.settings
    assert decision.withheld is not None
    assert decision.withheld.action is Action.SLOW_DOWN
    assert decide(under(speed_up=OBSERVE), situation).settings.abort


@pytest.mark.parametrize("authority", [OBSERVE, RECOMMEND, APPROVE])
def test_what_people_ask_for_is_done_under_any_authority(authority: Authority) -> None:
    """A hold slows down and an abort stops; going up again is a judgement."""
    policy = replace(
        under(), authority=Authorities(**{action.value: authority for action in Action})
    )
    fast = with_job(SLOW, settings=JobSettings(RolloutRate(100), abort=FENCE))
    held = decide(policy, replace(fast, holds=(HOLD,)))
    lifted = decide(policy, next_situation(held, open_days(fast), holds=()))
    stopped = decide(policy, replace(fast, abort_request=AbortRequest("on-call", "wrong", NOW)))

    assert (held.verdict, held.settings.rate_per_minute) == (Verdict.HOLD, 1)
    assert held.withheld is None
    assert lifted.settings.rollout is None
    assert lifted.withheld is not None
    assert lifted.withheld.action is Action.SPEED_UP
    assert stopped.verdict is Verdict.ABORT
    assert stopped.withheld is None


def test_a_no_at_a_gate_stops_the_release_under_any_authority() -> None:
    """Somebody has said so; silence is another thing."""
    gate = Gate("canary", 50, answer=Asking(60, Fallback.ABORT, Fallback.ABORT))
    policy = replace(under(), authority=EVERYTHING, gates=(gate,))
    first = decide(policy, SLOW)
    waiting = next_situation(first, open_days(SLOW))
    refused = decide(policy, replace(waiting, answers=(no("canary-answer"),)), NOW + 10)
    silent = decide(policy, waiting, NOW + HOUR)

    assert refused.verdict is Verdict.ABORT
    assert silent.verdict is Verdict.HOLD
    assert silent.withheld is not None
    assert silent.withheld.action is Action.ABORT


def test_an_abort_that_was_decided_is_carried_out_under_any_authority() -> None:
    """It was allowed then, and is never taken back, whatever the policy says by now."""
    decision = decide(replace(under(), authority=EVERYTHING), replace(SLOW, aborting=True))

    assert decision.verdict is Verdict.ABORT


# The fence behind a rate that may not be raised


def test_the_fence_is_kept_fitting_where_the_rate_may_not_be_raised() -> None:
    """It belongs to the rate that stands, not to the one that would be."""
    decision = decide(under(speed_up=APPROVE), SLOW)
    free = decide(under(), SLOW)

    assert decision.settings.rollout == RolloutRate(10)
    assert decision.settings.abort
    assert decision.settings.abort not in (FENCE, free.settings.abort)


def test_growth_that_the_job_has_is_no_business_of_a_raise_that_is_withheld() -> None:
    """A constant rate in place of growth up to it would raise what AWS notifies now."""
    growing = RolloutRate(10, ExponentialRate(2, 1.5, succeeded_things=1000))
    situation = with_job(SLOW, settings=JobSettings(growing, abort=FENCE))
    decision = decide(under(speed_up=OBSERVE), situation)

    assert decision.settings.rollout == growing
    assert decision.settings.abort != FENCE


def test_without_authority_to_slow_down_a_withheld_raise_changes_nothing() -> None:
    """A fence that fits better may stop the job sooner."""
    assert not decide(under(speed_up=OBSERVE, slow_down=OBSERVE), SLOW).settings


def test_a_raise_brings_its_own_fence() -> None:
    """Who may speed up but not slow down installs the criteria of the higher rate."""
    decision = decide(under(slow_down=OBSERVE), SLOW)

    assert decision.settings.rate_per_minute == POLICY.pace.max_per_minute
    assert decision.settings.abort
    assert decision.withheld is None


# Proposals


@pytest.mark.parametrize(("authority", "due_at"), [(RECOMMEND, None), (APPROVE, NOW + HOUR)])
def test_a_raise_is_proposed_once(authority: Authority, due_at: float | None) -> None:
    """The question stays open; only an approval has a time by which it is due."""
    policy = under(speed_up=authority)
    first = decide(policy, SLOW)
    second = decide(policy, next_situation(first, open_days(SLOW)), NOW + 60)

    question = Question("decision-1", About.DECISION, "speed_up", NOW, due_at)
    assert first.asked == first.course.pending == (question,)
    assert first.verdict is Verdict.PROCEED
    assert first.summary == "proposed as decision-1: speed_up to 1000 per minute"
    assert first.course.proposal is not None
    assert first.withheld == Withheld(Action.SPEED_UP, authority, first.course.proposal.settings)
    assert second.asked == ()
    assert second.course == first.course
    assert agreement(second) == Agreement(proposed=1)


def test_only_an_approval_is_awaited() -> None:
    """A recommendation goes on as ever, whether anybody reads it or not."""
    assert decide(under(speed_up=RECOMMEND), SLOW).awaits is Awaits.EVIDENCE
    assert decide(under(speed_up=APPROVE), SLOW).awaits is Awaits.APPROVAL


@pytest.mark.parametrize("authority", [RECOMMEND, APPROVE])
def test_a_yes_does_what_was_proposed(authority: Authority) -> None:
    """It says who approved; nothing is open any more."""
    policy = under(speed_up=authority)
    first = decide(policy, SLOW)
    answered = next_situation(first, open_days(SLOW), answers=(yes("decision-1"),))
    second = decide(policy, answered, NOW + 60)
    third = decide(policy, next_situation(second, answered), NOW + 120)

    assert second.settings.rate_per_minute == 1000
    assert second.settings.abort
    assert second.summary == "release-desk approved to speed_up: looks good"
    assert second.withheld is None
    assert second.course.proposal is None
    assert agreement(second) == agreement(third) == Agreement(proposed=1, approved=1)
    assert third.withheld is None


def test_a_yes_applies_no_more_than_was_proposed() -> None:
    """What evidence allows beyond it by then is proposed next."""
    policy = replace(under(speed_up=APPROVE), pace=replace(POLICY.pace, max_per_minute=200))
    first = decide(policy, SLOW)
    more = replace(policy, pace=replace(POLICY.pace, max_per_minute=300))
    answered = next_situation(first, open_days(SLOW), answers=(yes("decision-1"),))
    second = decide(more, answered, NOW + 60)
    third = decide(more, next_situation(second, answered), NOW + 120)

    assert second.settings.rate_per_minute == 200
    assert third.withheld is not None
    assert third.withheld.settings.rate_per_minute == 300
    assert [each.question_id for each in third.asked] == ["decision-3"]


def test_a_yes_applies_no_more_than_the_evidence_allows_by_then() -> None:
    """It may be less than was approved; the fence is that of the lower rate."""
    policy = replace(under(speed_up=APPROVE), pace=replace(POLICY.pace, max_per_minute=300))
    less = replace(policy, pace=replace(POLICY.pace, max_per_minute=200))
    first = decide(policy, SLOW)
    answered = next_situation(first, open_days(SLOW), answers=(yes("decision-1"),))
    second = decide(less, answered, NOW + 60)

    assert second.settings == replace(
        decide(replace(less, authority=Authorities()), answered).settings,
        description=second.settings.description,
    )
    assert second.settings.rate_per_minute == 200


def test_a_proposal_stands_while_figures_move_and_a_yes_puts_no_more_in_force() -> None:
    """A question that changed with every review could not be answered."""
    policy = replace(under(speed_up=APPROVE), pace=replace(POLICY.pace, max_per_minute=300))
    less = replace(policy, pace=replace(POLICY.pace, max_per_minute=200))
    first = decide(policy, SLOW)
    second = decide(less, next_situation(first, open_days(SLOW)), NOW + 60)

    assert [each.question_id for each in second.course.pending] == ["decision-1"]
    assert agreement(second) == Agreement(proposed=1)

    answered = replace(next_situation(second, open_days(SLOW)), answers=(yes("decision-1"),))
    assert decide(less, answered, NOW + 120).settings.rate_per_minute == 200


def test_a_proposal_to_do_more_is_kept_where_more_still_is_allowed() -> None:
    """People are not asked anew at each review while successes come in."""
    policy = replace(under(speed_up=APPROVE), pace=replace(POLICY.pace, max_per_minute=200))
    more = replace(policy, pace=replace(POLICY.pace, max_per_minute=900))
    first = decide(policy, SLOW)
    second = decide(more, next_situation(first, open_days(SLOW)), NOW + 60)

    assert second.asked == ()
    assert second.course.proposal == first.course.proposal


def test_a_proposal_is_withdrawn_when_the_opposite_is_called_for() -> None:
    """A hold makes it pointless; once it is over, the raise is proposed anew."""
    policy = under(speed_up=APPROVE)
    first = decide(policy, SLOW)
    held = next_situation(first, open_days(SLOW), standing=CLOSED)
    second = decide(policy, held, NOW + 60)
    third = decide(policy, next_situation(second, open_days(SLOW)), NOW + 120)

    assert second.settings.rate_per_minute == 1
    assert second.course.pending == ()
    assert agreement(second) == Agreement(proposed=1, withdrawn=1)
    assert [each.question_id for each in third.asked] == ["decision-3"]


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (yes("decision-1"), Agreement(proposed=1, approved=1)),
        (no("decision-1"), Agreement(proposed=1, refused=1)),
    ],
)
def test_an_answer_counts_even_if_events_overtake_it(answer: object, counted: Agreement) -> None:
    """Whether people agreed is known, though nothing is to be done about it any more."""
    policy = under(speed_up=APPROVE)
    first = decide(policy, SLOW)
    held = next_situation(first, open_days(SLOW), standing=CLOSED, answers=(answer,))

    assert agreement(decide(policy, held, NOW + 60)) == counted


def test_a_no_is_heeded_and_counted_once() -> None:
    """It is said at each review, and nothing is open to be answered, nor awaited."""
    policy = under(speed_up=APPROVE)
    first = decide(policy, SLOW)
    answered = next_situation(first, open_days(SLOW), answers=(no("decision-1"),))
    second = decide(policy, answered, NOW + 60)
    third = decide(policy, next_situation(second, answered), NOW + DAY)

    for decision in (second, third):
        assert decision.summary == (
            "release-desk refused to speed_up: looks odd; the policy says hold"
        )
        assert decision.settings.rollout == RolloutRate(10)
        assert decision.course.pending == ()
        assert decision.asked == ()
        assert decision.awaits is Awaits.EVIDENCE
        assert agreement(decision) == Agreement(proposed=1, refused=1)


def test_after_a_no_a_resumed_rollout_proposes_again() -> None:
    """Somebody wants it to go on; a lift from before the no does not count."""
    policy = under(speed_up=APPROVE)
    first = decide(policy, SLOW)
    answered = next_situation(first, open_days(SLOW), answers=(no("decision-1", at=NOW + 5),))
    second = decide(policy, answered, NOW + 10)
    waiting = next_situation(second, answered)
    before = replace(waiting, lift=Lift("on-call", "back to normal", NOW + 4))
    after = replace(waiting, lift=Lift("on-call", "back to normal", NOW + 20))
    third = decide(policy, after, NOW + 30)

    assert decide(policy, before, NOW + 30).asked == ()
    assert [each.question_id for each in third.asked] == ["decision-3"]
    assert agreement(third) == Agreement(proposed=2, refused=1)


@pytest.mark.parametrize(("rate", "asks"), [(399, False), (400, True)])
def test_after_a_no_much_more_is_proposed_again(rate: int, *, asks: bool) -> None:
    """Twice the rate that was refused is another thing to decide on."""
    policy = replace(under(speed_up=APPROVE), pace=replace(POLICY.pace, max_per_minute=200))
    more = replace(policy, pace=replace(POLICY.pace, max_per_minute=rate))
    first = decide(policy, SLOW)
    answered = next_situation(first, open_days(SLOW), answers=(no("decision-1"),))
    second = decide(more, answered, NOW + 60)

    assert bool(second.asked) is asks
    assert agreement(second) == Agreement(proposed=2 if asks else 1, refused=1)


def test_after_a_no_to_slowing_down_a_much_lower_rate_is_proposed_again() -> None:
    """A release that gets worse is not kept going by what was said when it was better."""
    policy = under(slow_down=APPROVE)
    fast = with_job(situation_of({SUCCEEDED: 60}), settings=JobSettings(RolloutRate(900), FENCE))
    first = decide(policy, fast)
    answered = next_situation(first, open_days(fast), answers=(no("decision-1"),))
    assert first.withheld is not None
    proposed = first.withheld.settings.rate_per_minute
    second = decide(policy, next_situation(decide(policy, answered), answered), NOW + 60)
    third = decide(policy, replace(answered, standing=CLOSED), NOW + 60)

    assert proposed > 2
    assert second.asked == ()
    assert third.withheld is not None
    assert third.withheld.settings.rate_per_minute == 1
    assert len(third.asked) == 1


def test_a_no_may_stop_the_release() -> None:
    """Where the policy says so; devices at work are stopped too if it says that."""
    policy = replace(
        under(Asking(60, Fallback.HOLD, Fallback.ABORT), speed_up=APPROVE),
        on_abort=OnAbort(force=True),
    )
    first = decide(policy, SLOW)
    answered = next_situation(first, open_days(SLOW), answers=(no("decision-1"),))
    second = decide(policy, answered, NOW + 60)
    third = decide(policy, next_situation(second, answered), NOW + 120)

    assert second.verdict is third.verdict is Verdict.ABORT
    assert codes(second)[0] is ReasonCode.PROPOSAL_REFUSED
    assert second.awaits is Awaits.STOP
    assert second.forces
    assert not second.settings
    assert second.tripwires == Tripwires()
    assert agreement(third) == Agreement(proposed=1, refused=1)


def test_a_no_stops_the_release_whatever_came_up_since() -> None:
    """By the next review a calendar may have closed, or somebody resumed: a no is not lost."""
    policy = under(Asking(60, Fallback.HOLD, Fallback.ABORT), speed_up=APPROVE)
    answered = next_situation(
        decide(policy, SLOW), open_days(SLOW), answers=(no("decision-1", at=NOW + 5),)
    )
    resumed = replace(answered, lift=Lift("on-call", "back to normal", NOW + 10))

    for situation in (replace(answered, standing=CLOSED), resumed):
        decision = decide(policy, situation, NOW + 60)
        assert decision.verdict is Verdict.ABORT
        assert codes(decision)[0] is ReasonCode.PROPOSAL_REFUSED
        assert agreement(decision) == Agreement(proposed=1, refused=1)


def test_what_nobody_answers_is_asked_again() -> None:
    """Under an id of its own, as it is another decision that proposes it."""
    policy = under(speed_up=APPROVE)
    first = decide(policy, SLOW)
    waiting = next_situation(first, open_days(SLOW))
    second = decide(policy, waiting, NOW + HOUR)

    assert decide(policy, waiting, NOW + HOUR - 1).asked == ()
    assert [(each.question_id, each.due_at) for each in second.asked] == [
        ("decision-2", NOW + 2 * HOUR)
    ]
    assert second.settings.rollout == RolloutRate(10)
    assert agreement(second) == Agreement(proposed=2, unanswered=1)


def test_silence_may_be_a_yes() -> None:
    """Where the policy says so, and only when the time is over."""
    policy = under(Asking(60, Fallback.PASS, Fallback.HOLD), speed_up=APPROVE)
    first = decide(policy, SLOW)
    waiting = next_situation(first, open_days(SLOW))
    second = decide(policy, waiting, NOW + HOUR)

    assert decide(policy, waiting, NOW + HOUR - 1).settings.rollout == RolloutRate(10)
    assert second.settings.rate_per_minute == 1000
    assert second.summary == "nobody answered decision-1 in time; the policy says pass"
    assert agreement(second) == Agreement(proposed=1, unanswered=1)


def test_nobody_is_asked_twice_of_one_decision_at_a_gate() -> None:
    """Slowing down at a gate is proposed besides the gate's own question."""
    gate = Gate("canary", 20, answer=Asking())
    decision = decide(replace(under(slow_down=APPROVE), gates=(gate,)), FAST)

    assert decision.verdict is Verdict.GATE
    assert not decision.settings
    assert [each.question_id for each in decision.asked] == ["canary-answer", "decision-1"]
    assert {each.question_id for each in decision.course.pending} == {
        "canary-answer",
        "decision-1",
    }


# Aborts


@pytest.mark.parametrize("authority", [RECOMMEND, APPROVE])
def test_an_abort_that_waits_for_a_yes_holds_at_the_lowest_rate(authority: Authority) -> None:
    """No further harm than what leaks is done meanwhile, and people are told."""
    decision = decide(under(abort=authority), BAD)

    assert decision.verdict is Verdict.HOLD
    assert decision.settings.rate_per_minute == 1
    assert decision.settings.abort
    assert decision.summary == "proposed as decision-1: abort"
    assert ReasonCode.EVIDENCE_ABOVE_TOLERATED in codes(decision)
    assert ReasonCode.HOLD_LEAKS in codes(decision)
    assert decision.withheld == Withheld(Action.ABORT, authority, JobSettings())
    assert decision.attention is not None
    assert decision.attention.subject == "withheld abort"
    assert "30 of 40 started devices harmed" in decision.attention.problem


def test_a_yes_to_an_abort_stops_the_release() -> None:
    """As if it had been decided at once, with its reasons."""
    policy = under(abort=APPROVE)
    first = decide(policy, BAD)
    answered = next_situation(first, open_days(BAD), answers=(yes("decision-1"),))
    second = decide(policy, answered, NOW + 60)

    assert second.verdict is Verdict.ABORT
    assert codes(second) == [
        ReasonCode.PROPOSAL_APPROVED,
        ReasonCode.EVIDENCE_ABOVE_TOLERATED,
    ]
    assert second.awaits is Awaits.STOP


def test_a_no_to_an_abort_keeps_it_at_the_lowest_rate() -> None:
    """It is not proposed again, and no rate is raised while the release should be stopped."""
    policy = under(abort=APPROVE)
    first = decide(policy, BAD)
    answered = next_situation(first, open_days(BAD), answers=(no("decision-1"),))
    second = decide(policy, answered, NOW + 60)
    third = decide(policy, next_situation(second, answered), NOW + DAY)

    for decision in (second, third):
        assert decision.verdict is Verdict.HOLD
        assert decision.settings.rate_per_minute == 1
        assert decision.asked == ()


def test_an_abort_that_may_only_be_observed_slows_down_as_far_as_that_goes() -> None:
    """Each action has its own authority."""
    assert decide(under(abort=OBSERVE), BAD).settings.rate_per_minute == 1
    assert not decide(under(abort=OBSERVE, slow_down=OBSERVE), BAD).settings


def test_a_hold_of_people_is_heeded_while_an_abort_is_withheld() -> None:
    """Without any authority to slow down, that they want it slow is enough."""
    held = replace(BAD, holds=(HOLD,))

    assert decide(under(abort=OBSERVE, slow_down=OBSERVE), held).settings.rate_per_minute == 1


def test_a_question_of_a_gate_is_told_while_an_abort_is_withheld() -> None:
    """It is open, so somebody must know."""
    gate = Gate("canary", 20, answer=Asking())
    decision = decide(replace(under(abort=APPROVE), gates=(gate,)), BAD)

    assert [each.question_id for each in decision.asked] == ["canary-answer", "decision-1"]


def test_a_scheduled_job_that_should_be_stopped_waits_untouched() -> None:
    """AWS takes no settings yet; what people ask for is done at once."""
    scheduled = with_job(BAD, status=JobStatus.SCHEDULED)
    decision = decide(under(abort=APPROVE), scheduled)

    assert decision.verdict is Verdict.HOLD
    assert not decision.settings
    assert [each.subject for each in decision.asked] == ["abort"]


# Completion


STRAGGLERS = with_job(
    situation_of({SUCCEEDED: 95}, queued=5, rate_per_minute=10), is_concurrent=False
)
CANCELS = Completion(at=0.9, stragglers=Stragglers.CANCEL)


def test_canceling_stragglers_needs_its_authority() -> None:
    """Meanwhile the rollout stays as it is, and waits for them."""
    policy = replace(under(complete=APPROVE), complete=CANCELS)
    first = decide(policy, STRAGGLERS)
    answered = next_situation(first, open_days(STRAGGLERS), answers=(yes("decision-1"),))
    second = decide(policy, answered, NOW + 60)

    assert first.verdict is Verdict.PROCEED
    assert first.settings.rate_per_minute == 10
    assert first.withheld == Withheld(Action.COMPLETE, APPROVE, JobSettings())
    assert [each.subject for each in first.asked] == ["complete"]
    assert second.verdict is Verdict.COMPLETE
    assert second.cancels_stragglers


def test_leaving_stragglers_needs_none() -> None:
    """Nothing is done to the job then."""
    policy = replace(under(complete=OBSERVE), complete=Completion(at=0.9))

    assert decide(policy, STRAGGLERS).verdict is Verdict.COMPLETE


def test_a_no_to_completing_may_stop_the_release() -> None:
    """Then it is an abort and nothing of a completion."""
    policy = replace(
        under(Asking(60, Fallback.HOLD, Fallback.ABORT), complete=APPROVE), complete=CANCELS
    )
    first = decide(policy, STRAGGLERS)
    answered = next_situation(first, open_days(STRAGGLERS), answers=(no("decision-1"),))
    second = decide(policy, answered, NOW + 60)

    assert second.verdict is Verdict.ABORT
    assert second.ending is None
    assert not second.cancels_stragglers


# Rollback


UNDOES = OnAbort(rollback=Rollback(("document", "{}")))
STOPPED = with_job(
    situation_of({SUCCEEDED: 20, FAILED: 30, IN_PROGRESS: 4}),
    status=JobStatus.CANCELED,
    reason_code=ABORT_REASON_CODE,
)


def test_rolling_back_waits_for_its_yes() -> None:
    """However many reviews pass; nothing counts as begun before."""
    policy = replace(under(roll_back=APPROVE), on_abort=UNDOES)
    first = decide(policy, STOPPED)
    second = decide(policy, next_situation(first, open_days(STOPPED)), NOW + 60)
    answered = next_situation(second, open_days(STOPPED), answers=(yes("decision-1"),))
    third = decide(policy, answered, NOW + 120)
    fourth = decide(policy, next_situation(third, answered), NOW + 180)

    for decision in (first, second):
        assert decision.verdict is Verdict.HOLD
        assert decision.course.rolled_back is None
        assert decision.withheld == Withheld(Action.ROLL_BACK, APPROVE, JobSettings())
        assert decision.awaits is Awaits.APPROVAL
    assert second.asked == ()
    assert third.verdict is fourth.verdict is Verdict.ROLL_BACK
    assert third.course.rolled_back == 20
    assert third.course.rollback_until == NOW + 120 + HOUR
    assert fourth.withheld is None


def test_a_rollback_that_people_do_not_want_ends_the_rollout() -> None:
    """Their no counts as one."""
    policy = replace(under(roll_back=APPROVE), on_abort=UNDOES)
    first = decide(policy, STOPPED)
    answered = next_situation(first, open_days(STOPPED), answers=(no("decision-1"),))
    second = decide(policy, answered, NOW + 60)

    assert (second.verdict, second.ending) == (Verdict.ENDED, Ending.ABORTED)
    assert "20 devices that took the release are not rolled back: release-desk said no" in {
        each.text.rpartition(":")[0] for each in second.reasons
    }
    assert second.attention is not None
    assert agreement(second) == Agreement(proposed=1, refused=1)


@pytest.mark.parametrize("authority", [RECOMMEND, APPROVE])
def test_a_rollback_that_nobody_answers_is_given_up(authority: Authority) -> None:
    """A rollout that is over does not wait for ever, whatever a recommendation is due by."""
    policy = replace(under(roll_back=authority), on_abort=UNDOES)
    first = decide(policy, STOPPED)
    waiting = next_situation(first, open_days(STOPPED))
    second = decide(policy, waiting, NOW + HOUR)

    assert decide(policy, waiting, NOW + HOUR - 1).verdict is Verdict.HOLD
    assert second.verdict is Verdict.ENDED
    assert second.attention is not None
    assert second.attention.problem.endswith("are not rolled back: nobody said yes in time")
    assert agreement(second) == Agreement(proposed=1, unanswered=1)


@pytest.mark.parametrize(
    ("authority", "verdict"), [(RECOMMEND, Verdict.ENDED), (APPROVE, Verdict.ROLL_BACK)]
)
def test_silence_may_be_a_yes_to_an_approval_only(authority: Authority, verdict: Verdict) -> None:
    """What is only recommended is never done without anybody's word."""
    asking = Asking(60, Fallback.PASS, Fallback.HOLD)
    policy = replace(under(asking, roll_back=authority), on_abort=UNDOES)
    first = decide(policy, STOPPED)

    waiting = next_situation(first, open_days(STOPPED))
    assert decide(policy, waiting, NOW + HOUR).verdict is verdict


def test_a_rollback_that_may_only_be_observed_ends_the_rollout_at_once() -> None:
    """The end says what would have been done."""
    decision = decide(replace(under(roll_back=OBSERVE), on_abort=UNDOES), STOPPED)

    assert (decision.verdict, decision.ending) == (Verdict.ENDED, Ending.ABORTED)
    assert decision.withheld == Withheld(Action.ROLL_BACK, OBSERVE, JobSettings())
    assert codes(decision) == [
        ReasonCode.WITHHELD,
        ReasonCode.ROLLING_BACK,
        ReasonCode.JOB_ABORTED,
    ]


def test_the_end_of_a_rollout_leaves_no_proposal() -> None:
    """What is over needs nobody's yes."""
    policy = under(speed_up=APPROVE)
    first = decide(policy, SLOW)
    over = with_job(next_situation(first, open_days(SLOW)), status=JobStatus.COMPLETED)
    second = decide(policy, over, NOW + 60)

    assert second.course.pending == ()
    assert second.course == Course(agreement=Agreement(proposed=1, withdrawn=1))
