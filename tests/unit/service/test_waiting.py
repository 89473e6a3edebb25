"""Waiting: whoever comes second sees the other, so that no wake is lost and no token used twice."""

from collections.abc import Callable

import pytest

from tests.unit.service.stage import Stage, job_change, outcome
from tidegate.domain.decision import Decision
from tidegate.domain.jobs import ExecutionStatus
from tidegate.errors import RetryLater, Superseded
from tidegate.service.waiting import owned, wake, wake_if_due

FAILED = ExecutionStatus.FAILED


@pytest.fixture
def stage() -> Stage:
    """Return an enrolled job with ten devices at work."""
    stage = Stage()
    stage.report(ExecutionStatus.IN_PROGRESS, *range(10))
    return stage


@pytest.fixture
def decision(stage: Stage) -> Decision:
    """Return a decision with a tripwire on harm."""
    decision = stage.review()
    assert decision.tripwires.harmed is not None
    return decision


def failures(stage: Stage) -> None:
    """Let enough devices fail to cross any tripwire."""
    stage.record(*[outcome(each, FAILED) for each in range(10)])


def test_with_nothing_to_wait_for_a_token_is_answered_at_once(
    stage: Stage, decision: Decision
) -> None:
    """Outcomes that were recorded between review and park wake the workflow that parks."""
    failures(stage)
    cause = stage.park("token", decision)

    assert cause is not None
    assert stage.workflow.woken == [("token", {"cause": cause})]
    assert stage.rollout.park is None


def test_with_something_to_wait_for_a_token_is_kept(stage: Stage, decision: Decision) -> None:
    """The ledger has it, with what should wake it."""
    assert stage.park("token", decision) is None
    parked = stage.rollout.park
    assert parked is not None
    assert (parked.token, parked.revision, parked.generation) == ("token", decision.revision, 1)
    assert parked.tripwires == decision.tripwires
    assert stage.workflow.woken == []


def test_a_signal_that_came_before_the_park_wakes_it(stage: Stage, decision: Decision) -> None:
    """A hold between review and park is not slept over."""
    stage.ask("Hold Rollout")

    assert stage.park("token", decision) == "a signal arrived"
    assert stage.workflow.woken == [("token", {"cause": "a signal arrived"})]


@pytest.mark.parametrize("happen", [failures, lambda stage: stage.ask("Hold Rollout")])
@pytest.mark.parametrize("after", ["decision", "park", "rollout", "totals"])
def test_what_happens_while_parking_wakes_the_workflow(
    stage: Stage, decision: Decision, happen: Callable[[Stage], None], after: str
) -> None:
    """Between any two lines of park: one of the two sees the other."""
    stage.between_ledger_calls.following(after, lambda: happen(stage))
    stage.park("token", decision)

    assert [token for token, _ in stage.workflow.woken] == ["token"]
    assert stage.rollout.park is None


@pytest.mark.parametrize("after", ["current", "things", "commit", "rollout"])
def test_parking_while_outcomes_are_recorded_wakes_the_workflow(
    stage: Stage, decision: Decision, after: str
) -> None:
    """Between any two lines of record: the same."""
    stage.between_ledger_calls.following(after, lambda: stage.park("token", decision))
    failures(stage)

    assert [token for token, _ in stage.workflow.woken] == ["token"]
    assert stage.rollout.park is None


@pytest.mark.parametrize("after", ["current", "signal", "rollout"])
def test_parking_while_the_job_changes_wakes_the_workflow(
    stage: Stage, decision: Decision, after: str
) -> None:
    """Between any two lines of the fold of a job's own event: the same."""
    stage.between_ledger_calls.following(after, lambda: stage.park("token", decision))
    stage.record(job_change())

    assert [token for token, _ in stage.workflow.woken] == ["token"]


def test_an_old_token_s_answer_leaves_the_new_one(stage: Stage, decision: Decision) -> None:
    """Timed out and parked anew meanwhile, the workflow is not woken on the token it left."""
    stage.park("old", decision)
    stage.workflow.give_up("old")
    newer = stage.review()

    def park_anew() -> None:
        stage.park("new", newer)

    stage.between_ledger_calls.following("rollout", park_anew)
    wake(stage.key, cause="late", ledger=stage.ledger, workflow=stage.workflow)

    assert stage.workflow.woken == []
    parked = stage.rollout.park
    assert parked is not None
    assert parked.token == "new"


@pytest.mark.parametrize("operation", ["wake", "unpark"])
def test_dying_while_waking_wakes_again(stage: Stage, decision: Decision, operation: str) -> None:
    """A token is answered before it is forgotten, so the next event finds it still."""
    stage.park("token", decision)
    faults = stage.workflow.faults if operation == "wake" else stage.ledger.faults
    faults.before(operation, RetryLater("throttled"))
    events = [outcome(each, FAILED) for each in range(10)]
    assert stage.record(*events).failed == tuple(range(10))
    stage.record(*events)

    assert [token for token, _ in stage.workflow.woken] == ["token"]
    assert stage.rollout.park is None


def test_nobody_waits_nobody_is_woken(stage: Stage, decision: Decision) -> None:
    """Without a token there is nothing to do."""
    failures(stage)
    wake(stage.key, cause="any", ledger=stage.ledger, workflow=stage.workflow)

    assert wake_if_due(stage.key, ledger=stage.ledger, workflow=stage.workflow) is None
    assert stage.workflow.woken == []


def test_a_blocked_pace_is_woken_by_successes() -> None:
    """Held back by its cap, a rollout goes on as soon as outcomes allow it."""
    stage = Stage()
    stage.report(ExecutionStatus.IN_PROGRESS, *range(12))
    decision = stage.review()
    wanted = decision.tripwires.succeeded
    assert wanted is not None
    stage.park("token", decision)
    stage.record(*[outcome(each) for each in range(wanted)])

    assert stage.workflow.woken == [
        ("token", {"cause": f"{wanted} succeeded crossed the tripwire at {wanted}"})
    ]


def test_a_superseded_execution_cannot_park(stage: Stage, decision: Decision) -> None:
    """Its successor's token is not overwritten."""
    stage.succeed()

    with pytest.raises(Superseded):
        stage.park("token", decision)
    assert stage.rollout.park is None


def test_only_the_owner_owns(stage: Stage) -> None:
    """The message says who must stop."""
    assert owned(stage.ledger, stage.key, 1) == stage.rollout
    with pytest.raises(Superseded, match=r"belongs to generation 1 .* not to 2"):
        owned(stage.ledger, stage.key, 2)
