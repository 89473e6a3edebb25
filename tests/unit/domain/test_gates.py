"""Gates: where exposure stops, what has to agree, and what follows where it does not."""

from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    FAILED,
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
from tidegate.domain.course import About, Course, Question
from tidegate.domain.decision import Awaits, Decision, Verdict
from tidegate.domain.gates import Passage, passage, passed_by_name
from tidegate.domain.policy import Asking, Fallback, Gate, Policy
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.review import IDLE_REVIEW_MINUTES, first_settings, review
from tidegate.domain.rollout import Hold, HoldKind, Lift
from tidegate.domain.situation import Situation
from tidegate.domain.standing import AlarmReading, AlarmState, Standing

MINUTE = 60.0
HOUR = 60 * MINUTE
BAKE = Gate("canary", after_devices=50, bake_minutes=30)
ASKS = Gate("canary", after_devices=50, answer=Asking(within_minutes=60))
APPROVED = Gate("canary", after_devices=50, approval=Asking(within_minutes=60))
ALARMED = Gate("canary", after_devices=50, alarms=("errors", "latency"))

HOLD = Hold(HoldKind.OPERATOR, by="on-call", reason="support is short of people", since=NOW - 60)

#: A release of which nothing bad is known, with more devices out than the first gate lets pass.
OUT = situation_of({SUCCEEDED: 60})


def gated(*gates: Gate) -> Policy:
    """Return the example's policy with these gates."""
    return replace(POLICY, gates=gates)


def passed_by(
    gates: tuple[Gate, ...],
    exposed: int,
    situation: Situation = OUT,
    *,
    course: Course | None = None,
    now: float = NOW,
) -> Passage:
    """Return how a rollout stands with gates."""
    return passage(gated(*gates), situation, course or Course(), exposed, now)


def decide(gate: Gate, situation: Situation = OUT, now: float = NOW) -> Decision:
    """Review a situation under a policy of one gate."""
    return review(gated(gate), situation, now)


def alarms(**states: AlarmState) -> Standing:
    """Return what was read of alarms."""
    return Standing(alarms={name: AlarmReading(state, NOW - 60) for name, state in states.items()})


# Coming up to a gate


def test_no_more_devices_are_notified_than_a_gate_lets_come_up_to_it() -> None:
    """The evidence allows many more; the rate is what is missing to the gate."""
    gate = replace(BAKE, after_devices=2010)
    decision = decide(gate, situation_of({SUCCEEDED: 2000}, queued=5))

    assert decision.verdict is Verdict.PROCEED
    assert decision.settings.rate_per_minute == 5
    assert decision.summary == "2005 devices exposed of the 2010 before gate canary"


def test_a_gate_far_ahead_is_not_what_the_pace_rests_on() -> None:
    """Where the evidence allows less than the gate, the evidence is the reason."""
    decision = decide(replace(BAKE, after_devices=5000), situation_of({SUCCEEDED: 60}))

    assert codes(decision)[0] is ReasonCode.EXPOSURE_BELOW_CAP


def test_the_first_batch_stays_below_the_first_gate() -> None:
    """A job is created at no higher rate than what leads up to its first gate."""
    near, far = replace(BAKE, after_devices=4), Gate("half", after_share=0.5)

    assert first_settings(POLICY).rate_per_minute == 10
    assert first_settings(gated(near, far)).rate_per_minute == 4
    assert first_settings(gated(far), fleet_size=6).rate_per_minute == 3
    assert first_settings(gated(far)).rate_per_minute == 10


@pytest.mark.parametrize(
    ("share", "fleet_size", "devices"),
    [(0.05, 1000, 50), (0.07, 100, 7), (0.55, 100, 55), (0.101, 10, 2), (0.001, 10, 1), (1, 3, 3)],
)
def test_a_share_is_a_number_of_devices(share: float, fleet_size: int, devices: int) -> None:
    """It is rounded up, but not by what a product of floats is off."""
    gate = Gate("canary", after_share=share)

    assert gate.devices(fleet_size) == devices


def test_a_share_of_an_unknown_fleet_is_refused() -> None:
    """No gate is made up where none can be told."""
    with pytest.raises(ValueError, match="gate canary lies at a share"):
        Gate("canary", after_share=0.1).devices(None)


def test_gates_come_in_the_order_in_which_they_are_reached() -> None:
    """Only the fleet's size tells whether a share or a number comes first."""
    half, canary = Gate("half", after_share=0.5, bake_minutes=10), BAKE
    large = replace(OUT, fleet_size=10_000)

    assert passed_by((half, canary), 40, large).ahead == ("canary", 50)
    assert passed_by((half, canary), 40, replace(OUT, fleet_size=20)).at is not None
    stands = passed_by((half, canary), 60, large)
    assert stands.at is not None
    assert stands.at.name == "canary"


# Standing at a gate


def test_a_gate_that_is_reached_slows_to_the_lowest_rate() -> None:
    """AWS has no pause: the decision says where it stands, why, and what still leaks."""
    decision = decide(BAKE)

    assert decision.verdict is Verdict.GATE
    assert decision.settings.rate_per_minute == 1
    assert decision.settings.abort
    assert codes(decision)[:3] == [
        ReasonCode.GATE_REACHED,
        ReasonCode.GATE_BAKES,
        ReasonCode.HOLD_LEAKS,
    ]
    assert decision.summary == "gate canary at 50 exposed devices is reached: waiting for bake"
    assert decision.gate is not None
    assert (decision.gate.name, decision.gate.is_new) == ("canary", True)
    assert decision.gate.bake_until == NOW + 30 * MINUTE
    assert decision.attention is None


def test_a_gate_bakes_from_when_it_was_reached() -> None:
    """Later reviews neither reach it again nor begin its time anew."""
    first = decide(BAKE)
    second = decide(BAKE, next_situation(first, OUT), NOW + 10 * MINUTE)

    assert second.gate is not None
    assert (second.gate.is_new, second.gate.bake_until) == (False, NOW + 30 * MINUTE)
    assert second.verdict is Verdict.GATE


def test_a_gate_is_passed_once_its_time_is_over() -> None:
    """The decision that passes it says so, and the next ones do not."""
    first = decide(BAKE)
    second = decide(BAKE, next_situation(first, OUT), NOW + 30 * MINUTE)
    third = decide(BAKE, next_situation(second, OUT), NOW + 31 * MINUTE)

    assert second.verdict is Verdict.PROCEED
    assert second.gates_passed == ("canary",)
    assert ReasonCode.GATE_PASSED in codes(second)
    assert second.gate is None
    assert second.course == Course(gates_passed=("canary",))
    assert third.gates_passed == ()
    assert ReasonCode.GATE_PASSED not in codes(third)


def test_the_next_review_comes_as_the_bake_ends() -> None:
    """Nothing else would wake the workflow: no outcome is awaited."""
    first = decide(BAKE)
    late = decide(BAKE, next_situation(first, OUT), NOW + 29 * MINUTE)

    assert first.wait_seconds == IDLE_REVIEW_MINUTES * 60
    assert late.wait_seconds == 61
    assert first.tripwires.succeeded is None
    assert first.tripwires.harmed is not None


def test_reviews_at_a_gate_share_the_quotas_too() -> None:
    """Where many rollouts run, one that stands at a gate is looked at no more often than others."""
    decision = decide(BAKE, replace(OUT, review_minutes=20))

    assert decision.wait_seconds == 20 * 60


def test_several_gates_may_be_passed_at_once() -> None:
    """A job that has run far before it was enrolled passes all gates that agree, in order."""
    first = replace(ALARMED, name="lab", after_devices=10)
    standing = alarms(errors=AlarmState.OK, latency=AlarmState.OK)
    third = replace(BAKE, name="tenth", after_devices=60)
    gates = (first, replace(first, name="canary", after_devices=20), third)
    stands = passed_by(gates, 60, replace(OUT, standing=standing))
    later = passed_by(
        gates, 60, replace(OUT, standing=standing), course=stands.course, now=NOW + HOUR
    )

    assert stands.passed == ("lab", "canary")
    assert stands.course.gates_passed == ("lab", "canary")
    assert stands.at is not None
    assert stands.at.name == "tenth"
    assert (later.at, later.passed) == (None, ("tenth",))
    assert later.course.gates_passed == ("lab", "canary", "tenth")


def test_a_gate_that_was_passed_is_not_reached_again() -> None:
    """What was asked there was answered, whatever the alarms say now."""
    course = Course(gates_passed=("canary",))

    assert passed_by((ALARMED,), 60, course=course) == Passage(course=course)


def test_a_gate_that_the_policy_moves_away_is_reached_anew() -> None:
    """Time and questions of where it was are not those of where it is now."""
    gate = replace(BAKE, answer=Asking())
    stands = passed_by((gate,), 60)
    moved = replace(gate, after_devices=100)
    ahead = passed_by((moved,), 60, course=stands.course, now=NOW + HOUR)
    reached = passed_by((moved,), 100, course=ahead.course, now=NOW + 2 * HOUR)

    assert ahead.ahead == ("canary", 100)
    assert ahead.course == Course()
    assert reached.at is not None
    assert reached.at.is_new
    assert reached.at.bake_until == NOW + 2 * HOUR + 30 * MINUTE


def test_a_gate_that_the_policy_drops_leaves_nothing_behind() -> None:
    """No question of it stays open."""
    stands = passed_by((ASKS,), 60)

    assert stands.course.pending
    assert passed_by((), 60, course=stands.course) == Passage()


# Alarms


@pytest.mark.parametrize(
    ("standing", "state"),
    [
        (alarms(errors=AlarmState.OK, latency=AlarmState.ALARM), "ALARM"),
        (alarms(errors=AlarmState.OK, latency=AlarmState.INSUFFICIENT_DATA), "INSUFFICIENT_DATA"),
        (alarms(errors=AlarmState.OK), "missing"),
    ],
)
def test_an_alarm_that_is_not_ok_keeps_a_gate_closed(standing: Standing, state: str) -> None:
    """What is not known to be well does not agree."""
    decision = decide(ALARMED, replace(OUT, standing=standing))

    assert decision.verdict is Verdict.GATE
    assert decision.gate is not None
    assert decision.gate.waits_for == ("alarms",)
    assert decision.awaits is Awaits.BAKE
    assert decision.reasons[1].text == f"gate canary: alarm latency is not OK but {state}"


def test_alarms_that_cannot_be_read_keep_a_gate_closed() -> None:
    """Even if something was read of them; elsewhere they hold nothing."""
    standing = replace(
        alarms(errors=AlarmState.OK, latency=AlarmState.OK), unreadable={"alarms": "throttled"}
    )
    stands = passed_by((ALARMED,), 60, replace(OUT, standing=standing))

    assert stands.at is not None
    assert stands.at.waits_for == ("alarms",)
    assert [each.values["state"] for each in stands.reasons[1:]] == ["not readable"] * 2
    decision = decide(ALARMED, replace(OUT, standing=standing))
    assert (decision.verdict, decision.holds) == (Verdict.GATE, ())


def test_alarms_that_are_ok_open_a_gate() -> None:
    """All of them must be."""
    standing = alarms(errors=AlarmState.OK, latency=AlarmState.OK)

    assert decide(ALARMED, replace(OUT, standing=standing)).gates_passed == ("canary",)


# Questions


def test_some_system_is_asked_as_a_gate_is_reached() -> None:
    """Once: the question stays open, and only the decision that asks it says that it is asked."""
    first = decide(ASKS)
    second = decide(ASKS, next_situation(first, OUT), NOW + MINUTE)

    question = Question("canary-answer", About.GATE_ANSWER, "canary", NOW, NOW + HOUR)
    assert first.asked == (question,)
    assert first.awaits is Awaits.ANSWER
    assert first.reasons[1].text == (
        "gate canary: canary-answer is to be answered by 2023-11-14T23:13:20Z"
    )
    assert second.asked == ()
    assert second.course.pending == (question,)


def test_a_yes_opens_a_gate() -> None:
    """The next review looks at the answer, and nothing of the question is left."""
    first = decide(ASKS)
    answered = next_situation(first, OUT, answers=(yes("canary-answer", at=NOW + 5),))
    second = decide(ASKS, answered, NOW + 10)

    assert second.verdict is Verdict.PROCEED
    assert second.gates_passed == ("canary",)
    assert second.course.pending == ()


def test_a_yes_does_not_open_what_still_bakes() -> None:
    """All that a gate asks for must agree; who has answered is not asked again."""
    gate = replace(ASKS, bake_minutes=30)
    first = decide(gate)
    answered = next_situation(first, OUT, answers=(yes("canary-answer"),))
    second = decide(gate, answered, NOW + 10)

    assert second.gate is not None
    assert second.gate.waits_for == ("bake",)
    assert second.awaits is Awaits.BAKE
    assert second.asked == ()
    assert second.course.pending == ()
    assert decide(gate, answered, NOW + 30 * MINUTE).gates_passed == ("canary",)


def test_a_yes_in_time_counts_at_a_review_that_comes_late() -> None:
    """Nobody is to blame for a review that was held up."""
    first = decide(ASKS)
    answered = next_situation(first, OUT, answers=(yes("canary-answer", at=NOW + HOUR),))

    assert decide(ASKS, answered, NOW + 3 * HOUR).gates_passed == ("canary",)


def test_a_no_stops_the_release() -> None:
    """Whoever was asked at the gate has decided; it is said who and why."""
    first = decide(ASKS)
    answered = next_situation(first, OUT, answers=(no("canary-answer", by="smoke-test"),))
    second = decide(ASKS, answered, NOW + 10)

    assert second.verdict is Verdict.ABORT
    assert second.summary == ("gate canary: smoke-test said no: looks odd; the policy says abort")
    assert second.asked == ()


def test_a_no_may_keep_a_gate_closed() -> None:
    """People are told that it stands there until somebody resumes it."""
    gate = replace(ASKS, answer=Asking(refused=Fallback.HOLD))
    first = decide(gate)
    answered = next_situation(first, OUT, answers=(no("canary-answer"),))
    second = decide(gate, answered, NOW + 10)

    assert second.verdict is Verdict.GATE
    assert codes(second)[:2] == [ReasonCode.GATE_REACHED, ReasonCode.GATE_REFUSED]
    assert ReasonCode.GATE_ASKS not in codes(second)
    assert second.attention is not None
    assert second.attention.subject == "gate canary GATE_REFUSED"
    assert second.course.pending == ()
    assert decide(gate, answered, NOW + 9 * HOUR).asked == ()


def test_after_a_no_a_resumed_rollout_asks_again() -> None:
    """Under an id of its own, as the first answer to a question counts."""
    gate = replace(ASKS, answer=Asking(refused=Fallback.HOLD))
    refused = next_situation(decide(gate), OUT, answers=(no("canary-answer", at=NOW + 5),))
    resumed = replace(refused, lift=Lift("on-call", "was a glitch", NOW + 10))
    again = decide(gate, resumed, NOW + 20)
    waiting = next_situation(again, resumed)
    twice_no = replace(waiting, answers=(*waiting.answers, no("canary-answer-2", at=NOW + 30)))
    twice_yes = replace(waiting, answers=(*waiting.answers, yes("canary-answer-2", at=NOW + 30)))
    third = decide(gate, replace(twice_no, lift=Lift("on-call", "again", NOW + 40)), NOW + 50)

    assert [each.question_id for each in again.asked] == ["canary-answer-2"]
    assert again.attention is None
    assert decide(gate, waiting, NOW + 25).asked == ()
    assert decide(gate, twice_yes, NOW + 35).gates_passed == ("canary",)
    assert ReasonCode.GATE_REFUSED in codes(decide(gate, twice_no, NOW + 35))
    assert [each.question_id for each in third.asked] == ["canary-answer-3"]


def test_a_lift_from_before_a_no_asks_nothing_again() -> None:
    """It was not meant for what came later."""
    gate = replace(ASKS, answer=Asking(refused=Fallback.HOLD))
    refused = next_situation(
        decide(gate),
        OUT,
        answers=(no("canary-answer", at=NOW + 5),),
        lift=Lift("on-call", "back to normal", NOW - 60),
    )

    assert decide(gate, refused, NOW + 20).asked == ()


def test_a_no_that_stops_is_not_taken_back_by_a_resume_before_it_is_looked_at() -> None:
    """What is resumed then is a hold of some other reason."""
    answered = next_situation(
        decide(ASKS),
        OUT,
        answers=(no("canary-answer", at=NOW + 5),),
        lift=Lift("on-call", "back to normal", NOW + 10),
    )

    assert decide(ASKS, answered, NOW + 20).verdict is Verdict.ABORT


def test_a_resumed_rollout_keeps_a_yes() -> None:
    """What is resumed after a no is asked again, not what was agreed to."""
    gate = replace(ASKS, bake_minutes=30)
    answered = next_situation(
        decide(gate),
        OUT,
        answers=(yes("canary-answer", at=NOW + 5),),
        lift=Lift("on-call", "back to normal", NOW + 10),
    )
    decision = decide(gate, answered, NOW + 20)

    assert decision.asked == ()
    assert decision.gate is not None
    assert decision.gate.waits_for == ("bake",)


@pytest.mark.parametrize("other", ["tenth-answer", "canary-approval", "canary", "canary-answer-x"])
def test_an_answer_to_something_else_opens_no_gate(other: str) -> None:
    """The correlation id tells which question is meant."""
    first = decide(ASKS)
    answered = next_situation(first, OUT, answers=(yes(other),))

    assert decide(ASKS, answered, NOW + 10).verdict is Verdict.GATE


def test_what_is_not_answered_in_time_is_asked_again() -> None:
    """The gate stays closed, under the same id, and people are told once that nobody answers."""
    first = decide(ASKS)
    second = decide(ASKS, next_situation(first, OUT), NOW + HOUR)
    third = decide(ASKS, next_situation(second, OUT), NOW + HOUR + 10)

    asked_again = Question("canary-answer", About.GATE_ANSWER, "canary", NOW + HOUR, NOW + 2 * HOUR)
    assert second.verdict is Verdict.GATE
    assert second.asked == second.course.pending == (asked_again,)
    assert second.reasons[1].text == (
        "gate canary: canary-answer was not answered in time; the policy says hold"
    )
    assert second.attention is not None
    assert second.attention.subject == "gate canary GATE_UNANSWERED"
    assert (third.asked, third.attention) == ((), None)


def test_silence_may_pass_a_gate() -> None:
    """Where the policy says so, for those who only want to have been asked."""
    gate = replace(ASKS, answer=Asking(within_minutes=60, unanswered=Fallback.PASS))
    first = decide(gate)

    assert decide(gate, next_situation(first, OUT), NOW + HOUR - 1).verdict is Verdict.GATE
    assert decide(gate, next_situation(first, OUT), NOW + HOUR).gates_passed == ("canary",)


def test_silence_may_stop_the_release() -> None:
    """Where the policy says so, and only when the time is over."""
    gate = replace(ASKS, answer=Asking(within_minutes=60, unanswered=Fallback.ABORT))
    first = decide(gate)
    waiting = next_situation(first, OUT)

    assert first.wait_seconds == IDLE_REVIEW_MINUTES * 60
    assert decide(gate, waiting, NOW + HOUR - 10).wait_seconds == 11
    assert decide(gate, waiting, NOW + HOUR).verdict is Verdict.ABORT
    assert decide(gate, waiting, NOW + HOUR).summary == (
        "gate canary: canary-answer was not answered in time; the policy says abort"
    )


def test_a_person_is_asked_only_once_all_else_agrees() -> None:
    """There is something to decide on then; the time for the answer runs from then on."""
    gate = replace(APPROVED, bake_minutes=30, answer=Asking(within_minutes=600))
    first = decide(gate)
    baked = next_situation(first, OUT)
    second = decide(gate, baked, NOW + 30 * MINUTE)
    answered = next_situation(second, OUT, answers=(yes("canary-answer", at=NOW + 2000),))
    third = decide(gate, answered, NOW + 2000)
    approved = replace(
        next_situation(third, answered), answers=(*answered.answers, yes("canary-approval"))
    )

    assert first.gate is not None
    assert first.gate.waits_for == ("bake", "answer", "approval")
    assert [each.question_id for each in first.asked] == ["canary-answer"]
    assert second.asked == ()
    assert second.awaits is Awaits.ANSWER
    assert [(each.question_id, each.due_at) for each in third.asked] == [
        ("canary-approval", NOW + 2000 + HOUR)
    ]
    assert third.awaits is Awaits.APPROVAL
    assert [each.question_id for each in third.course.pending] == ["canary-approval"]
    assert decide(gate, approved, NOW + 2010).gates_passed == ("canary",)


def test_a_person_who_was_asked_is_not_asked_again_as_alarms_come_and_go() -> None:
    """The approval stays open, or given, while the gate waits for the alarms."""
    gate = replace(ALARMED, approval=Asking())
    well = alarms(errors=AlarmState.OK, latency=AlarmState.OK)
    ill = alarms(errors=AlarmState.ALARM, latency=AlarmState.OK)
    first = decide(gate, replace(OUT, standing=well))
    open_still = next_situation(first, OUT, standing=ill)
    second = decide(gate, open_still, NOW + 10)
    given = next_situation(second, open_still, answers=(yes("canary-approval"),))
    third = decide(gate, given, NOW + 20)

    assert [each.question_id for each in first.asked] == ["canary-approval"]
    assert second.asked == ()
    assert second.course.pending == first.course.pending
    assert third.gate is not None
    assert third.gate.waits_for == ("alarms",)
    assert decide(gate, replace(given, standing=well), NOW + 30).gates_passed == ("canary",)


# Races


def test_a_release_that_turns_bad_at_a_gate_is_stopped() -> None:
    """Evidence comes before everything that a gate waits for, and nobody is asked any more."""
    decision = decide(ASKS, situation_of({SUCCEEDED: 30, FAILED: 30}))

    assert decision.verdict is Verdict.ABORT
    assert codes(decision) == [ReasonCode.EVIDENCE_ABOVE_TOLERATED]
    assert (decision.asked, decision.gate) == ((), None)


def test_whoever_is_to_answer_is_asked_under_a_hold_too() -> None:
    """A gate may be reached by what a hold leaks: its question is open, so it is told."""
    held = replace(OUT, holds=(HOLD,))
    first = decide(ASKS, held)
    lifted = next_situation(first, held, holds=())

    assert first.verdict is Verdict.HOLD
    assert first.awaits is Awaits.RELEASE
    assert [each.question_id for each in first.asked] == ["canary-answer"]
    assert first.gate is not None
    assert first.gate.is_new
    assert decide(ASKS, lifted, NOW + 10).asked == ()


def test_a_gate_is_passed_under_a_hold_but_nobody_goes_on() -> None:
    """What was agreed to is remembered; the hold alone is left."""
    first = decide(ASKS)
    held = next_situation(first, OUT, holds=(HOLD,), answers=(yes("canary-answer"),))
    second = decide(ASKS, held, NOW + 10)

    assert second.verdict is Verdict.HOLD
    assert second.settings.rate_per_minute == 1
    assert second.gates_passed == ("canary",)


def test_a_gate_stops_nobody_once_all_are_notified() -> None:
    """What leaks at a gate may be all that was left: then only outcomes are awaited."""
    first = decide(ASKS)
    decision = decide(ASKS, with_job(next_situation(first, OUT), is_concurrent=False), NOW + 10)

    assert decision.verdict is Verdict.PROCEED
    assert codes(decision)[0] is ReasonCode.ALL_NOTIFIED
    assert decision.gates_passed == ()
    assert decision.course.pending == ()


def test_a_no_that_comes_as_the_last_device_is_notified_still_stops_the_release() -> None:
    """It was taken while the question was open: those that are offline do not get the release."""
    first = decide(ASKS)
    refused = next_situation(first, OUT, answers=(no("canary-answer"),))
    decision = decide(ASKS, with_job(refused, is_concurrent=False), NOW + 10)

    assert decision.verdict is Verdict.ABORT
    assert codes(decision) == [ReasonCode.GATE_REFUSED]


def test_late_joiners_reach_no_gate() -> None:
    """AWS does not pace them, so a gate would stop nobody."""
    situation = with_job(
        replace(OUT, course=Course(is_guarding=True)), is_continuous=True, is_concurrent=True
    )
    decision = decide(ASKS, situation)

    assert decision.awaits is Awaits.JOINERS
    assert decision.course.pending == ()


# Another policy midway


@pytest.mark.parametrize(
    ("gate", "is_lost"),
    [
        (Gate("canary", after_devices=200), True),
        (Gate("canary", after_share=0.2), True),
        (Gate("next", after_devices=200), False),
        # Behind the devices that are exposed, it is passed by whatever name.
        (Gate("canary", after_devices=60), False),
        # The same gate: of cohorts that were set apart since, exposed devices count no more.
        (BAKE, False),
    ],
)
def test_a_gate_ahead_is_lost_under_the_name_of_one_that_was_passed(
    gate: Gate, *, is_lost: bool
) -> None:
    """Gates are remembered by name, so such a one would be passed over."""
    course, exposed = Course(gates_passed=("canary",)), 40 if gate is BAKE else 60
    names = passed_by_name(gated(gate), gated(BAKE), course, exposed=exposed, fleet_size=1000)

    assert names == (("canary",) if is_lost else ())
