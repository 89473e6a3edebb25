"""When devices are looked at one by one: where something is due, and not at each review."""

from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    IN_PROGRESS,
    NOW,
    POLICY,
    SUCCEEDED,
    lasting,
    next_situation,
    situation_of,
    with_job,
)
from tidegate.domain.course import Course
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import JobStatus
from tidegate.domain.memory import Memory
from tidegate.domain.policy import Gate, Policy, Stuck
from tidegate.domain.review import review
from tidegate.domain.rollout import AbortRequest, Hold, HoldKind
from tidegate.domain.situation import Situation

GOING = situation_of({SUCCEEDED: 900, IN_PROGRESS: 3})
HOLD = Hold(HoldKind.OPERATOR, by="on-call", reason="support is short", since=NOW - 60)


def attends(situation: Situation, policy: Policy = POLICY, now: float = NOW) -> bool:
    """Return whether devices are looked at after the next decision."""
    return review(policy, situation, now).attends


def test_without_anything_due_nobody_is_looked_at() -> None:
    """It costs requests, which AWS counts."""
    assert not attends(GOING)


def test_a_look_is_taken_at_most_every_two_minutes() -> None:
    """And kept with the rollout, so that no hand-over forgets it."""
    due = replace(GOING, unsettled=True)
    first = review(POLICY, due, NOW)
    later = next_situation(first, due)

    assert first.attends
    assert first.course.attended_at == NOW
    assert not attends(later, now=NOW + 119)
    assert attends(later, now=NOW + 120)
    assert attends(replace(later, minute_seconds=6.0), now=NOW + 12)


def test_executions_are_looked_at_once_it_is_known_when_they_are_stuck() -> None:
    """By the policy or by how long devices take, while any is in progress."""
    stuck, by_policy = Stuck(), Stuck(after_minutes=90)
    seasoned = replace(GOING, durations=lasting(9))
    done = situation_of({SUCCEEDED: 900})

    assert attends(GOING, replace(POLICY, stuck=by_policy))
    assert not attends(GOING, replace(POLICY, stuck=stuck))
    assert attends(seasoned, replace(POLICY, stuck=stuck))
    assert not attends(done, replace(POLICY, stuck=by_policy))


def test_cohorts_set_apart_are_kept_out_while_executions_are_queued() -> None:
    """Those that AWS notifies meanwhile as well."""
    apart = replace(
        situation_of({SUCCEEDED: 900}, queued=5), memory=Memory(quarantined=("line=B",))
    )

    assert attends(apart)
    assert not attends(replace(apart, released=frozenset({"line=B"})))
    none_queued = situation_of({SUCCEEDED: 900})
    assert not attends(replace(none_queued, memory=apart.memory))


def test_a_job_that_things_may_join_is_compared_with_others_now_and_then() -> None:
    """Every quarter of an hour, and with none of the looks between; a SNAPSHOT job never is."""
    joined = with_job(GOING, is_continuous=True)
    due = replace(joined, unsettled=True)
    first = review(POLICY, joined, NOW)
    between = review(POLICY, next_situation(first, due), NOW + 200)
    later = review(POLICY, next_situation(between, joined), NOW + 900)

    assert not attends(next_situation(first, joined), now=NOW + 899)
    assert [each.attends for each in (first, between, later)] == [True] * 3
    assert [each.course.compared_at for each in (first, between, later)] == [NOW, NOW, NOW + 900]


def test_devices_are_looked_at_under_holds_and_at_gates() -> None:
    """Others wait for them all the same."""
    due = replace(GOING, unsettled=True)
    at_gate = replace(POLICY, gates=(Gate("canary", 50, bake_minutes=30),))

    assert attends(replace(due, holds=(HOLD,)))
    assert review(at_gate, due, NOW).verdict is Verdict.GATE
    assert attends(due, at_gate)


@pytest.mark.parametrize(
    "over",
    [
        replace(GOING, abort_request=AbortRequest("on-call", "wrong image", NOW)),
        with_job(GOING, status=JobStatus.COMPLETED),
        replace(GOING, job=None),
    ],
)
def test_what_is_over_is_not_looked_after(over: Situation) -> None:
    """Nothing but CancelJob follows an abort, and nothing at all an end."""
    decision = review(POLICY, replace(over, unsettled=True), NOW)

    assert not decision.attends
    assert decision.course.attended_at == Course().attended_at
