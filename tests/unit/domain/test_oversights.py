"""Oversights: gates and alarms that are asked for in vain, each told once in a rollout."""

from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    NOW,
    POLICY,
    SUCCEEDED,
    codes,
    next_situation,
    situation_of,
    with_job,
)
from tidegate.domain.course import Course
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.jobs import JobStatus
from tidegate.domain.policy import Asking, Freeze, Gate, Policy
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.review import review
from tidegate.domain.rollout import AbortRequest
from tidegate.domain.situation import Situation
from tidegate.domain.standing import AlarmReading, AlarmState, Standing

ASKS = Gate("canary", after_devices=50, approval=Asking(within_minutes=60))
ALARMED = Gate("canary", after_devices=500, alarms=("errors", "latency"))
WELL = AlarmReading(AlarmState.OK, NOW - 900)

GOING = situation_of({SUCCEEDED: 60})
OUT = with_job(GOING, is_concurrent=False)


def gated(*gates: Gate) -> Policy:
    """Return the example's policy with these gates."""
    return replace(POLICY, gates=gates)


def told(decision: Decision) -> str | None:
    """Return what people are told to look at."""
    return decision.attention.problem if decision.attention else None


def reviews(policy: Policy, *situations: Situation) -> list[Decision]:
    """Review one situation after the other, each a minute after the one before."""
    decisions: list[Decision] = []
    for number, situation in enumerate(situations):
        after = next_situation(decisions[-1], situation) if decisions else situation
        decisions.append(review(policy, after, NOW + 60 * number))
    return decisions


def test_a_gate_that_all_devices_overran_is_told_once() -> None:
    """Whoever asked for a gate learns that it held nobody, in the decision and by mail."""
    first, *later = reviews(gated(ASKS), OUT, OUT, OUT)
    sentence = (
        "gate canary at 50 exposed devices holds nobody: all 60 targets were notified before it "
        "was passed"
    )

    assert told(first) == sentence
    assert [each.text for each in first.reasons if each.code is ReasonCode.GATE_OVERRUN] == [
        sentence
    ]
    assert [told(each) for each in later] == [None, None]
    assert all(ReasonCode.GATE_OVERRUN not in codes(each) for each in later)


def test_gates_that_are_overrun_together_are_told_together() -> None:
    """One mail has them all, the nearest first."""
    half = replace(ASKS, name="half", after_devices=55)
    (decision,) = reviews(gated(half, ASKS), OUT)

    problem = told(decision)
    assert problem is not None
    assert [each.split()[1] for each in problem.split("; ")] == ["canary", "half"]


@pytest.mark.parametrize(
    ("gate", "situation"),
    [
        (ASKS, GOING),
        (replace(ASKS, after_devices=60), OUT),
        (replace(ASKS, after_devices=600), OUT),
        (ASKS, replace(OUT, course=Course(gates_passed=("canary",)))),
        (ASKS, replace(OUT, course=Course(is_guarding=True))),
        (ASKS, with_job(OUT, status=JobStatus.CANCELED)),
        (ASKS, replace(OUT, abort_request=AbortRequest("on-call", "bad", NOW))),
    ],
    ids=["holds", "last device", "beyond", "passed", "guards", "canceled", "aborted"],
)
def test_a_gate_that_could_hold_or_need_not_is_no_oversight(
    gate: Gate, situation: Situation
) -> None:
    """Nobody is bothered by what works, what holds nobody anyway, or what is over."""
    (decision,) = reviews(gated(gate), situation)

    assert told(decision) is None
    assert ReasonCode.GATE_OVERRUN not in codes(decision)


def test_a_job_that_was_done_before_its_gate_held_is_told_of_with_its_end() -> None:
    """A small fleet may be through between two reviews."""
    (decision,) = reviews(gated(ASKS), with_job(OUT, status=JobStatus.COMPLETED))

    assert decision.verdict is Verdict.COMPLETE
    assert decision.attention is not None
    assert decision.attention.subject == "gate canary overrun"


def test_what_is_worse_is_told_first() -> None:
    """A review tells one thing; an oversight waits for the next, and is not forgotten."""
    worse = replace(OUT, events_enabled=False)
    first, second = reviews(gated(ASKS), worse, OUT)

    assert first.attention is not None
    assert first.attention.subject == "events"
    assert second.attention is not None
    assert second.attention.subject == "gate canary overrun"


def test_alarms_that_do_not_exist_are_told_from_the_first_review_on() -> None:
    """A name that is misspelt shows as the rollout begins, and not days later at its gate."""
    policy = replace(gated(ALARMED), freeze=Freeze(alarms=("errors", "crashes")))
    some = replace(GOING, standing=Standing(alarms={"latency": WELL}))
    first, *later = reviews(policy, some, some)

    assert told(first) == (
        "alarm errors does not exist, so freeze and gate canary of policy firmware will not let "
        "the rollout go on; alarm crashes does not exist, so freeze of policy firmware will not "
        "let the rollout go on"
    )
    assert [told(each) for each in later] == [None]


def test_a_job_that_waits_for_its_time_is_told_of_missing_alarms() -> None:
    """There is time yet to create them."""
    (decision,) = reviews(gated(ALARMED), with_job(situation_of(), status=JobStatus.SCHEDULED))

    assert decision.attention is not None
    assert decision.attention.subject == "alarm errors missing, alarm latency missing"


@pytest.mark.parametrize(
    ("policy", "situation"),
    [
        (gated(ALARMED), replace(GOING, course=Course(gates_passed=("canary",)))),
        (gated(ALARMED), OUT),
        (replace(POLICY, freeze=Freeze(alarms=("errors",), missing_data_holds=False)), GOING),
        (gated(ALARMED), replace(GOING, standing=Standing(unreadable={"alarms": "throttled"}))),
    ],
    ids=["passed", "all notified", "ignored", "unreadable"],
)
def test_an_alarm_that_holds_nobody_may_be_missing(policy: Policy, situation: Situation) -> None:
    """Told is what keeps a rollout from going on, and only once it is known."""
    (decision,) = reviews(policy, situation)

    assert told(decision) is None


def test_alarms_that_cannot_be_read_meanwhile_are_not_told_twice() -> None:
    """What was told stays so until the alarm is there; one that goes again is told again."""
    missing = replace(GOING, standing=Standing(alarms={"latency": WELL}))
    unreadable = replace(GOING, standing=Standing(unreadable={"alarms": "throttled"}))
    there = replace(GOING, standing=Standing(alarms={"errors": WELL, "latency": WELL}))
    decisions = reviews(gated(ALARMED), missing, unreadable, missing, there, missing)

    assert [told(each) is not None for each in decisions] == [True, False, False, False, True]
