"""Holds: what keeps a rollout from going on besides its evidence, each for its own reason."""

from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    FAILED,
    NOW,
    POLICY,
    SUCCEEDED,
    codes,
    next_situation,
    situation_of,
    with_job,
)
from tidegate.domain.decision import Awaits, Decision, Verdict
from tidegate.domain.holds import holds_in_force
from tidegate.domain.jobs import JobStatus
from tidegate.domain.policy import Freeze, Overlap, Policy
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.review import STALE_MINUTES, review
from tidegate.domain.rollout import Hold, HoldKind
from tidegate.domain.situation import Readiness
from tidegate.domain.standing import AlarmReading, AlarmState, CalendarReading, Standing

POLICY_FREEZING = replace(
    POLICY, freeze=Freeze(alarms=("errors", "latency"), calendars=("quarter-end",))
)
GOING = situation_of({SUCCEEDED: 2000})
OPERATOR = Hold(HoldKind.OPERATOR, by="on-call", reason="support is short", since=NOW - 60)

WELL = AlarmReading(AlarmState.OK, NOW - 900)
OPEN = CalendarReading(is_open=True)
CLOSED = CalendarReading(is_open=False, changes_at=NOW + 900)
ALL_WELL = Standing(alarms={"errors": WELL, "latency": WELL}, calendars={"quarter-end": OPEN})


def held(standing: Standing, policy: Policy = POLICY_FREEZING) -> tuple[Hold, ...]:
    """Return the holds that follow from what was read."""
    return holds_in_force(policy, replace(GOING, standing=standing), NOW)[0]


def decide(standing: Standing, policy: Policy = POLICY_FREEZING) -> Decision:
    """Review a release of which nothing bad is known."""
    return review(policy, replace(GOING, standing=standing), NOW)


def with_alarm(reading: AlarmReading) -> Standing:
    """Return what was read where one alarm is not as the others."""
    return replace(ALL_WELL, alarms={"errors": WELL, "latency": reading})


def test_nothing_holds_where_all_is_well() -> None:
    """Alarms are OK, the calendar is open."""
    assert held(ALL_WELL) == ()
    assert decide(ALL_WELL).verdict is Verdict.PROCEED


def test_an_alarm_holds_from_when_it_went_off() -> None:
    """With what CloudWatch says of it, of which not all is repeated."""
    reading = AlarmReading(AlarmState.ALARM, NOW - 300, "threshold crossed " * 40)
    (hold,) = held(with_alarm(reading))

    assert (hold.kind, hold.by, hold.since) == (HoldKind.ALARM, "latency", NOW - 300)
    assert hold.reason.startswith("in ALARM: threshold crossed threshold")
    assert len(hold.reason) == 200
    assert held(with_alarm(replace(reading, reason="")))[0].reason == "in ALARM"


@pytest.mark.parametrize(
    ("standing", "reason"),
    [
        (
            with_alarm(AlarmReading(AlarmState.INSUFFICIENT_DATA, NOW - 300)),
            "the alarm has no data",
        ),
        (replace(ALL_WELL, alarms={"errors": WELL}), "the alarm does not exist"),
    ],
)
def test_an_alarm_that_says_nothing_holds_unless_the_policy_ignores_it(
    standing: Standing, reason: str
) -> None:
    """No data, no progress; those who know that it has none now and then may say so."""
    lenient = replace(POLICY, freeze=replace(POLICY_FREEZING.freeze, missing_data_holds=False))

    assert [(each.by, each.reason) for each in held(standing)] == [("latency", reason)]
    assert held(standing, lenient) == ()
    ringing = replace(standing, alarms={"errors": AlarmReading(AlarmState.ALARM, NOW)})
    assert len(held(ringing, lenient)) == 1


def test_an_alarm_of_a_gate_holds_nobody_elsewhere() -> None:
    """Only what the policy freezes by is looked at all the time."""
    ringing = with_alarm(AlarmReading(AlarmState.ALARM, NOW - 300))

    assert held(ringing, POLICY) == ()


@pytest.mark.parametrize(
    ("calendars", "reason"),
    [({"quarter-end": CLOSED}, "the calendar is closed"), ({}, "the calendar does not exist")],
)
def test_a_calendar_holds_while_it_is_not_open(
    calendars: dict[str, CalendarReading], reason: str
) -> None:
    """One that does not exist is not known to be open."""
    holds = held(replace(ALL_WELL, calendars=calendars))

    assert holds == (Hold(HoldKind.CALENDAR, "quarter-end", reason, NOW),)


def test_a_calendar_holds_since_it_was_first_found_closed() -> None:
    """SSM does not tell since when; the course remembers, and forgets once it is open."""
    closed = replace(GOING, standing=replace(ALL_WELL, calendars={"quarter-end": CLOSED}))
    first = review(POLICY_FREEZING, closed, NOW)
    second = review(POLICY_FREEZING, next_situation(first, closed), NOW + 60)
    opened = next_situation(second, closed, standing=ALL_WELL)
    third = review(POLICY_FREEZING, opened, NOW + 120)
    again = next_situation(third, opened, standing=closed.standing)
    fourth = review(POLICY_FREEZING, again, NOW + 180)

    assert [each.since for each in first.holds + second.holds] == [NOW, NOW]
    assert second.summary == (
        "calendar hold by quarter-end since 2023-11-14T22:13:20Z: the calendar is closed"
    )
    assert third.holds == ()
    assert third.course.held_since == {}
    assert [each.since for each in fourth.holds] == [NOW + 180]


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("alarms", HoldKind.ALARM),
        ("calendars", HoldKind.CALENDAR),
        ("rollouts", HoldKind.ACCOUNT),
    ],
)
def test_what_cannot_be_read_holds(what: str, kind: HoldKind) -> None:
    """It is said what was wrong; permissions may be missing as well as an answer."""
    standing = Standing(unreadable={what: "denied " * 90})
    (hold,) = (each for each in held(standing) if each.by == what)

    assert (hold.kind, hold.since) == (kind, NOW)
    assert hold.reason.startswith("not readable: denied denied")
    assert len(hold.reason) == 200


def test_what_cannot_be_read_holds_once() -> None:
    """Not once more for each alarm and calendar of which nothing is known therefore."""
    standing = Standing(unreadable={"alarms": "throttled", "calendars": "throttled"})

    assert [each.by for each in held(standing)] == ["alarms", "calendars"]


def test_another_rollout_of_the_same_things_holds_where_the_policy_waits_for_it() -> None:
    """Elsewhere people are told of it, or do not care."""
    standing = replace(ALL_WELL, overlapping=("firmware-5", "firmware-6"))
    waits = replace(POLICY_FREEZING, overlap=Overlap.WAIT)

    assert [(each.kind, each.by) for each in held(standing, waits)] == [
        (HoldKind.OVERLAP, "firmware-5"),
        (HoldKind.OVERLAP, "firmware-6"),
    ]
    assert held(standing, replace(waits, overlap=Overlap.WARN)) == ()
    assert held(standing, replace(waits, overlap=Overlap.GO)) == ()


@pytest.mark.parametrize(("harmed", "count"), [(99.5, 0), (100, 1), (180, 1)])
def test_what_all_rollouts_may_harm_together_holds_once_it_is_spent(
    harmed: float, count: int
) -> None:
    """Each has a budget of its own; several bad releases at once spend more than one."""
    standing = replace(ALL_WELL, harmed_by_all=harmed, account_budget=100)

    assert len(held(standing)) == count
    assert held(replace(standing, account_budget=None)) == ()


def test_an_outage_holds_until_it_is_over() -> None:
    """Nobody can tell what a release does to devices that are gone with many others."""
    (hold,) = held(replace(ALL_WELL, outage="600 things of the account are gone"))

    assert (hold.kind, hold.by, hold.since) == (HoldKind.OUTAGE, "connectivity", NOW)
    assert hold.reason == "600 things of the account are gone"
    assert held(ALL_WELL) == ()


def test_stale_evidence_holds_and_is_told_once_it_lasts() -> None:
    """A throttled minute is nobody's business; what stays unreadable is, with its cause."""
    stale = replace(GOING, readiness=Readiness.STALE, unreadable="AccessDenied")
    first = review(POLICY, stale, NOW)
    soon = review(POLICY, next_situation(first, stale), NOW + STALE_MINUTES * 60 - 1)
    late = review(POLICY, next_situation(first, stale), NOW + STALE_MINUTES * 60)

    for decision in (first, soon, late):
        (hold,) = decision.holds
        assert (hold.kind, hold.by, hold.since) == (HoldKind.EVIDENCE, "outcomes", NOW)
        assert decision.verdict is Verdict.HOLD
        assert decision.settings.rate_per_minute == 1
    assert first.attention is soon.attention is None
    assert late.attention is not None
    assert "AccessDenied" in late.attention.problem


def test_incomplete_evidence_is_told_once_it_lasts() -> None:
    """A few reviews mend it as a rule; where they do not, people hear of it, and of its end."""
    lacking = replace(GOING, readiness=Readiness.INCOMPLETE)
    first = review(POLICY, lacking, NOW)
    soon = review(POLICY, next_situation(first, lacking), NOW + STALE_MINUTES * 60 - 1)
    late = review(POLICY, next_situation(soon, lacking), NOW + STALE_MINUTES * 60)
    mended = review(POLICY, next_situation(late, GOING), NOW + STALE_MINUTES * 60 + 60)
    again = review(POLICY, next_situation(mended, lacking), NOW + STALE_MINUTES * 60 + 120)

    assert first.attention is soon.attention is None
    assert late.attention is not None
    assert late.attention.problem == late.summary
    assert codes(late)[0] is ReasonCode.EVIDENCE_INCOMPLETE
    assert mended.verdict is Verdict.PROCEED
    assert mended.course.incomplete_since is None
    assert mended.attention is again.attention is None


def test_holds_stack_and_are_lifted_one_by_one() -> None:
    """Resuming lifts the operators' holds; an alarm that is OK again lifts no other."""
    ringing = replace(
        with_alarm(AlarmReading(AlarmState.ALARM, NOW - 300)), calendars={"quarter-end": CLOSED}
    )
    all_of_them = replace(GOING, standing=ringing, holds=(OPERATOR,))
    first = review(POLICY_FREEZING, all_of_them, NOW)
    resumed = review(POLICY_FREEZING, next_situation(first, all_of_them, holds=()), NOW + 60)
    calm = replace(ALL_WELL, calendars={"quarter-end": CLOSED})
    last = review(POLICY_FREEZING, next_situation(first, all_of_them, standing=calm), NOW + 60)

    assert [each.kind for each in first.holds] == [
        HoldKind.ALARM,
        HoldKind.OPERATOR,
        HoldKind.CALENDAR,
    ]
    assert codes(first)[:3] == [ReasonCode.HELD] * 3
    assert [each.kind for each in resumed.holds] == [HoldKind.ALARM, HoldKind.CALENDAR]
    assert [each.kind for each in last.holds] == [HoldKind.OPERATOR, HoldKind.CALENDAR]
    for decision in (first, resumed, last):
        assert decision.verdict is Verdict.HOLD
        assert decision.awaits is Awaits.RELEASE
        assert decision.settings.rate_per_minute == 1


def test_evidence_that_is_awaited_is_no_hold() -> None:
    """Nobody has to lift anything then."""
    decision = review(POLICY, situation_of(queued=10), NOW)

    assert decision.verdict is Verdict.HOLD
    assert decision.awaits is Awaits.EVIDENCE


def test_no_hold_keeps_a_bad_release_going() -> None:
    """A closed calendar is about going on, not about stopping."""
    closed = replace(ALL_WELL, calendars={"quarter-end": CLOSED})
    bad = replace(situation_of({FAILED: 20}), standing=closed)

    assert review(POLICY_FREEZING, bad, NOW).verdict is Verdict.ABORT


def test_holds_are_told_before_a_job_has_begun() -> None:
    """They will stand as it does; nothing can be installed yet."""
    closed = replace(ALL_WELL, calendars={"quarter-end": CLOSED})
    scheduled = with_job(replace(GOING, standing=closed), status=JobStatus.SCHEDULED)
    decision = review(POLICY_FREEZING, scheduled, NOW)

    assert codes(decision) == [ReasonCode.JOB_SCHEDULED, ReasonCode.HELD]
    assert len(decision.holds) == 1
    assert not decision.settings
