"""Reviewing: everything that is known goes in, and what is concluded is stored."""

from dataclasses import replace

import pytest

from tests.unit.service.stage import JOB, MINUTE_SECONDS, POLICY, Stage
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import ExecutionStatus, JobCounts, JobStatus
from tidegate.domain.policy import OnAbort, Rollback
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.review import FENCE_REASON_CODE
from tidegate.domain.rollout import Ending
from tidegate.errors import RetryLater, Superseded

SUCCEEDED = ExecutionStatus.SUCCEEDED


@pytest.fixture
def stage() -> Stage:
    """Return an enrolled job."""
    return Stage()


def switch_events_off(stage: Stage) -> None:
    """Let somebody switch events off, and outcomes come of which no event tells therefore."""
    stage.review()  # the first decision does not wait for the list
    stage.report(ExecutionStatus.IN_PROGRESS, *range(20))
    stage.review()
    stage.jobs.events["JOB_EXECUTION"] = False
    lose_events(stage, *range(5))


def lose_events(stage: Stage, *numbers: int) -> None:
    """Let outcomes come of which no event tells in time."""
    stage.clock.advance(MINUTE_SECONDS)
    stage.report(SUCCEEDED, *numbers)
    stage.clock.advance(MINUTE_SECONDS)


def test_decisions_are_numbered_and_stored(stage: Stage) -> None:
    """Each has the revision after the last one, and reads back as it was returned."""
    decisions = [stage.review() for _ in range(3)]

    assert [each.revision for each in decisions] == [1, 2, 3]
    assert stage.ledger.decisions(stage.key, limit=10) == decisions[::-1]
    assert stage.jobs.calls == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_dying_while_storing_and_trying_again_decides_anew(stage: Stage, when: str) -> None:
    """Whether or not it was stored, the next try concludes with a stored decision."""
    getattr(stage.ledger.faults, when)("store_decision", RuntimeError("died"))
    with pytest.raises(RuntimeError):
        stage.review()
    decision = stage.review()

    assert decision.revision == (1 if when == "before" else 2)
    assert stage.rollout.revision == decision.revision


def test_only_the_owner_decides(stage: Stage) -> None:
    """Taken over before or during its review, an execution stores nothing."""
    stage.between_ledger_calls.following("holds", stage.succeed)
    with pytest.raises(Superseded):
        stage.review()
    with pytest.raises(Superseded):
        stage.review()

    assert stage.rollout.revision == 0
    assert stage.review(generation=2).revision == 1


def test_a_hold_that_comes_during_a_review_is_not_taken_for_known(stage: Stage) -> None:
    """Seen or not, it is newer than the signals that the decision has taken into account."""
    for after in ("rollout", "counted", "holds"):
        stage.between_ledger_calls.following(after, lambda: stage.ask("Hold Rollout"))
        assert stage.review().signals < stage.rollout.signals

    assert stage.review().signals == stage.rollout.signals


@pytest.mark.parametrize("status", [SUCCEEDED, ExecutionStatus.FAILED])
def test_a_review_rests_on_the_newest_list(stage: Stage, status: ExecutionStatus) -> None:
    """What no event has told yet counts in the very decision."""
    stage.report(status, 1, 2, 3)
    evidence = stage.review().evidence

    assert evidence.started == 3
    assert evidence.harmed + evidence.cleared == 3


def test_missing_outcomes_hold(stage: Stage) -> None:
    """Where AWS counts more than it lists, the rollout does not go on."""
    stage.report(SUCCEEDED, *range(10))
    stage.jobs.count_as(JOB, JobCounts(succeeded=12))
    verdicts = []
    for _ in range(3):
        verdicts.append(stage.review())
        stage.clock.advance(48)

    assert verdicts[-1].verdict is Verdict.HOLD
    assert verdicts[-1].reasons[0].code is ReasonCode.EVIDENCE_INCOMPLETE
    assert verdicts[-1].settings.rate_per_minute == 1


@pytest.mark.parametrize("gone", ["described", "listed"])
def test_a_job_that_is_gone_ends_the_rollout(stage: Stage, gone: str) -> None:
    """Deleted before the review, or between its two questions."""
    stage.review()
    if gone == "described":
        stage.jobs.delete(JOB)
    else:
        stage.between_jobs_calls.following("describe", lambda: stage.jobs.delete(JOB))
    decision = stage.review()

    assert (decision.verdict, decision.ending) == (Verdict.ENDED, Ending.DELETED_OUTSIDE)


def test_another_job_of_the_same_id_is_not_looked_at(stage: Stage) -> None:
    """Its counts, settings and state are none of this rollout's."""
    stage.clock.advance(100)
    stage.jobs.add(JOB)
    stage.report(SUCCEEDED, *range(10))
    decision = stage.review()

    assert decision.ending is Ending.DELETED_OUTSIDE
    assert decision.evidence.started == 0
    assert stage.has(SUCCEEDED) == 0


@pytest.mark.parametrize(("came_to", "waits_anew"), [("more", True), ("unapplied", False)])
def test_stragglers_are_waited_for_from_the_last_pass_on_that_left_devices(
    came_to: str, *, waits_anew: bool
) -> None:
    """What the last pass of rolling back came to is read from the ledger."""
    on_abort = OnAbort(rollback=Rollback(("document", "{}")))
    stage = Stage(policy=replace(POLICY, on_abort=on_abort))
    stage.report(SUCCEEDED, 1, 2)
    stage.report(ExecutionStatus.IN_PROGRESS, 3)
    stage.jobs.change(JOB, status=JobStatus.CANCELED, reason_code=FENCE_REASON_CODE)
    first = stage.review()
    assert first.verdict is Verdict.ROLL_BACK
    at = stage.clock.now()
    stage.ledger.mark_applied(stage.key, first.revision, at=at, result={"outcome": came_to})
    stage.clock.advance(48)
    second = stage.review()

    until = [each.course.rollback_until for each in (first, second)]
    assert (until[0] != until[1]) is waits_anew


def test_the_last_outcomes_of_an_ended_job_are_read(stage: Stage) -> None:
    """The conclusion counts what came in at the very end."""
    stage.report(SUCCEEDED, *range(10))
    stage.jobs.change(JOB, status=JobStatus.COMPLETED)

    assert stage.review().evidence.succeeded == 10


def test_the_account_is_not_asked_about_events_without_need(stage: Stage) -> None:
    """Where nothing is missing, the switch is not looked at, at every review of every rollout."""
    stage.jobs.faults.before("execution_events_enabled", AssertionError("was asked"))
    for _ in range(3):
        stage.review()
        stage.clock.advance(48)


def test_lost_events_while_events_are_on_alarm_nobody(stage: Stage) -> None:
    """A queue that lags or an event lost in a thousand is healed by the list, silently."""
    switch_events_off(stage)
    stage.jobs.enable_events()

    assert stage.review().attention is None
    assert stage.problems == []


def test_events_that_are_off_are_told_once(stage: Stage) -> None:
    """Told when it is found, with the remedy; not again while it lasts."""
    switch_events_off(stage)
    decisions = []
    for _ in range(3):
        decisions.append(stage.review())
        stage.clock.advance(48)

    assert all(each.attention for each in decisions)
    (attention,) = stage.problems
    assert attention["revision"] == decisions[0].revision
    assert "update-event-configurations" in attention["remedy"]


@pytest.mark.parametrize(("port", "operation"), [("ledger", "store_decision"), ("bus", "publish")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_dying_midway_does_not_swallow_an_attention(
    stage: Stage, port: str, operation: str, when: str
) -> None:
    """Wherever the review died, people are told by the time that more outcomes are lost."""
    switch_events_off(stage)
    getattr(getattr(stage, port).faults, when)(operation, RuntimeError("died"))
    with pytest.raises(RuntimeError):
        stage.review()
    stage.review()
    lose_events(stage, *range(5, 10))
    stage.review()

    assert stage.problems


def test_an_attention_that_the_bus_does_not_take_is_not_taken_for_told(stage: Stage) -> None:
    """It counts as told only once it is."""
    switch_events_off(stage)
    stage.bus.refuses = lambda _: True
    with pytest.raises(RetryLater, match="the bus did not take"):
        stage.review()
    stage.bus.refuses = lambda _: False
    lose_events(stage, *range(5, 10))
    stage.review()

    assert len(stage.problems) == 1
