"""The handlers behind the workflow's states: their results are what the definition goes by."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import attend, enroll, park, review, roll_back, steer
from tests.scenario.machine import DEFINITION
from tests.unit.lambdas.test_batches import metrics
from tests.unit.service.stage import JOB, POLICY, START, Stage
from tidegate.adapters.aws import environment
from tidegate.domain.decision import Awaits, Verdict
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.policy import OnAbort, Rollback, Soak, Stuck
from tidegate.domain.rollout import AbortRequest, Ending, Hold, HoldKind
from tidegate.domain.turn import Turn
from tidegate.errors import RetryLater
from tidegate.service.steer import Outcome


def rollout(generation: int = 1) -> dict[str, Any]:
    """Return how the workflow names the rollout."""
    return {"jobId": JOB, "createdAt": int(START), "generation": generation}


# enroll


def test_enroll_answers_with_what_the_workflow_carries_along(
    stage: Stage, context: LambdaContext
) -> None:
    """Key, generation, the successor's name, and how many reviews there are to be."""
    stage.jobs.add("new")
    given = {"jobId": "new", "policy": "firmware", "reviews": 7}
    arn = stage.workflow.start("mine", given)
    answer = enroll.handler({"input": given, "executionArn": arn}, context)

    assert answer == {
        "enrolled": True,
        "waits": False,
        "waitSeconds": 0,
        "superseded": False,
        "givenUp": False,
        "rollout": {
            "jobId": "new",
            "createdAt": int(START),
            "generation": 1,
            "successor": f"new-{int(START)}-2",
            "reviews": 7,
        },
        "reviews": 7,
        "problem": "",
    }


def test_enroll_answers_a_refusal_as_a_value(stage: Stage, context: LambdaContext) -> None:
    """A refusal is no failure of the function: nothing is tried again, the workflow ends."""
    arn = stage.workflow.start("second", {})
    answer = enroll.handler(
        {"input": {"jobId": JOB, "policy": "firmware"}, "executionArn": arn}, context
    )

    assert (answer["enrolled"], answer["rollout"], answer["reviews"]) == (False, {}, 0)
    assert stage.owner in answer["problem"]
    assert stage.problems


def test_enroll_answers_that_it_waits_for_its_turn(stage: Stage, context: LambdaContext) -> None:
    """And how long until the next look; since when it waits, the execution's start tells."""
    target = "arn:aws:iot:eu-central-1:111122223333:thing/thing-1"
    stage.jobs.change(JOB, targets=(target,))
    policy = {"name": "patient", "overlap": "wait"}
    launch = {"targets": [target], "document": {}}
    event = {
        "input": {"jobId": "new", "policy": policy, "launch": launch},
        "executionArn": stage.workflow.start("mine", {}),
        "startedAt": datetime.fromtimestamp(START, UTC).isoformat(),
    }
    answer = enroll.handler(event, context)

    assert (answer["enrolled"], answer["waits"], answer["superseded"]) == (False, True, False)
    assert answer["waitSeconds"] == 300
    assert JOB in answer["problem"]
    stage.clock.advance(7 * 86_400)
    assert enroll.handler(event, context)["waits"] is False


def test_enroll_answers_that_it_was_given_up(stage: Stage, context: LambdaContext) -> None:
    """The execution ends by a name of its own, and says who did not want it any more."""
    arn = stage.workflow.start("mine", {})
    request = AbortRequest("release-desk", "wrong image", START)
    turn = Turn("new", arn, "firmware", (JOB,), START, given_up=request)
    stage.ledger.write_turn(turn, previous=None)
    launch = {"targets": ["arn:aws:iot:eu-central-1:111122223333:thing/thing-1"], "document": {}}
    given = {"jobId": "new", "policy": "firmware", "launch": launch}
    answer = enroll.handler({"input": given, "executionArn": arn}, context)

    assert (answer["enrolled"], answer["waits"], answer["givenUp"]) == (False, False, True)
    assert "release-desk" in answer["problem"]
    assert stage.problems == []


def test_enroll_answers_that_nothing_is_left_to_take_over(
    stage: Stage, context: LambdaContext
) -> None:
    """An execution that comes late to go on with a rollout ends quietly."""
    resume = {"createdAt": int(START), "generation": 1, "fromExecution": stage.owner}
    stage.ledger.conclude(stage.key, generation=1, ending=Ending.COMPLETED, at=START)
    arn = stage.workflow.start("late", {})
    event = {"input": {"jobId": JOB, "resume": resume}, "executionArn": arn}
    answer = enroll.handler(event, context)

    assert (answer["enrolled"], answer["waits"], answer["superseded"]) == (False, False, True)
    assert stage.problems == []


@pytest.mark.parametrize("given", [[], "text", 7, None])
def test_enroll_refuses_what_is_no_input(
    stage: Stage, context: LambdaContext, given: object
) -> None:
    """The console lets people start a workflow with any JSON; they are told what is expected."""
    answer = enroll.handler({"input": given, "executionArn": stage.owner}, context)

    assert answer["enrolled"] is False
    assert "an object is expected" in answer["problem"]


def test_enroll_fails_where_trying_again_helps(stage: Stage, context: LambdaContext) -> None:
    """Step Functions invokes it again."""
    stage.jobs.add("new")
    stage.jobs.faults.before("describe", RetryLater("throttled"))
    arn = stage.workflow.start("mine", {})
    with pytest.raises(RetryLater):
        enroll.handler(
            {"input": {"jobId": "new", "policy": "firmware"}, "executionArn": arn}, context
        )


# review


def test_review_answers_with_the_decision_s_summary(stage: Stage, context: LambdaContext) -> None:
    """Verdict, revision, and how long to wait; the whole decision is in the ledger."""
    answer = review.handler({"rollout": rollout()}, context)

    assert answer == {
        "verdict": "proceed",
        "revision": 1,
        "waitSeconds": 48,
        "summary": "nothing is known yet: starting at 10 per minute",
        "ending": "",
        "awaits": "evidence",
        "attends": False,
    }
    assert stage.rollout.revision == 1


def test_review_names_the_ending(stage: Stage, context: LambdaContext) -> None:
    """By which the workflow chooses its end state."""
    stage.jobs.change(JOB, status=JobStatus.COMPLETED)
    answer = review.handler({"rollout": rollout()}, context)

    assert (answer["verdict"], answer["ending"]) == ("complete", "completed")


def test_review_cuts_a_summary_that_is_too_long(stage: Stage, context: LambdaContext) -> None:
    """A state's data is bounded, whatever people write as their reason."""
    stage.ledger.place_hold(stage.key, Hold(HoldKind.OPERATOR, "night-shift", "x" * 5000, START))

    assert len(review.handler({"rollout": rollout()}, context)["summary"]) == 1000


def test_review_answers_a_newer_owner_as_a_verdict(stage: Stage, context: LambdaContext) -> None:
    """The old execution ends quietly: nothing failed."""
    stage.succeed()
    answer = review.handler({"rollout": rollout()}, context)

    assert answer["verdict"] == "superseded"
    assert stage.rollout.revision == 0


# steer and park


def test_steer_answers_with_the_outcome(
    stage: Stage, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """And counts it."""
    stage.review()
    answer = steer.handler({"rollout": rollout(), "revision": 1}, context)

    assert answer == {"outcome": "applied"}
    assert stage.job.settings.rate_per_minute == 10
    assert "DecisionsApplied" in capsys.readouterr().out


def test_steer_by_an_old_owner_is_superseded(stage: Stage, context: LambdaContext) -> None:
    """It touches nothing, and the workflow reviews, to end there."""
    stage.review()
    stage.succeed()

    assert steer.handler({"rollout": rollout(), "revision": 1}, context) == {
        "outcome": "superseded"
    }
    assert stage.jobs.calls == []


def test_roll_back_answers_with_the_outcome(
    stage: Stage, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """And counts it; here the job that undoes the release is on its way."""
    on_abort = OnAbort(rollback=Rollback(("document", "{}")))
    stage.ledger.adjust(stage.key, replace(POLICY, on_abort=on_abort), keeps_bound=True, at=START)
    stage.report(ExecutionStatus.SUCCEEDED, 1, 2)
    decision = stage.review()
    answer = roll_back.handler({"rollout": rollout(), "revision": decision.revision}, context)

    assert answer == {"outcome": "applied"}
    assert stage.bus.details("Rollback Launched")
    assert "RollbacksApplied" in capsys.readouterr().out


def test_park_keeps_the_token(stage: Stage, context: LambdaContext) -> None:
    """With nothing to wake for, the workflow sleeps."""
    stage.review()
    stage.workflow.wait_on("token")
    event = {"rollout": rollout(), "revision": 1, "taskToken": "token"}

    assert park.handler(event, context) is None
    assert stage.workflow.woken == []
    parked = stage.rollout.park
    assert parked is not None
    assert parked.token == "token"


def test_park_sends_an_old_owner_on(stage: Stage, context: LambdaContext) -> None:
    """An execution that was taken over is woken at once, and finds out at its next review."""
    stage.review()
    stage.succeed()
    stage.workflow.wait_on("token")
    park.handler({"rollout": rollout(), "revision": 1, "taskToken": "token"}, context)

    ((token, answer),) = stage.workflow.woken
    assert token == "token"
    assert "generation" in answer["cause"]
    assert stage.rollout.park is None


def test_attend_looks_after_devices(
    stage: Stage, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was done is counted; the outcome is for those who read the history."""
    policy = replace(POLICY, stuck=Stuck(after_minutes=5))
    stage.ledger.claim(replace(stage.rollout, policy=policy), previous=stage.rollout)
    stage.report(ExecutionStatus.IN_PROGRESS, 1)
    stage.clock.advance(600)

    assert attend.handler({"rollout": rollout(), "revision": 0}, context) == {"outcome": "attended"}
    assert stage.job.counts.failed == 1
    assert "DevicesReaped" in capsys.readouterr().out


def test_attend_answers_what_it_left_undone(
    stage: Stage, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """A chore that fails is no failure of the function: the rollout goes on without it."""
    policy = replace(POLICY, soak=Soak(30))
    stage.ledger.claim(replace(stage.rollout, policy=policy), previous=stage.rollout)
    stage.presences.faults.before("connected", RetryLater("throttled"))

    assert attend.handler({"rollout": rollout(), "revision": 0}, context) == {
        "outcome": "incomplete"
    }
    assert "ChoresUndone" in capsys.readouterr().out


# what the definition knows


def choices(state: str) -> str:
    """Return the conditions of a choice as one text."""
    return " ".join(each["Condition"] for each in DEFINITION["States"][state]["Choices"])


def test_the_definition_has_a_way_for_every_verdict() -> None:
    """Each verdict leads somewhere by name; the default is a newer owner."""
    known = choices("Verdict?")

    assert {each.value for each in Verdict if f"'{each.value}'" not in known} == set()
    assert DEFINITION["States"]["Verdict?"]["Default"] == "TakenOver"


def test_the_definition_has_an_end_for_every_ending() -> None:
    """Each ending has its own end state; the default is a job canceled by others."""
    known = choices("Ending?")
    by_default = {each for each in Ending if f"'{each.value}'" not in known}

    assert by_default == {Ending.CANCELED_OUTSIDE}
    assert DEFINITION["States"]["Ending?"]["Default"] == "JobCanceledByOthers"


def named(state: str, variable: str) -> set[str]:
    """Return the values that a choice looks for in a variable."""
    conditions = [each["Condition"] for each in DEFINITION["States"][state]["Choices"]]
    found = [each.partition(variable)[2] for each in conditions if variable in each]
    return {word for each in found for word in each.split("'")[1::2] if word != ", "}


def test_the_definition_knows_only_outcomes_that_there_are() -> None:
    """What it looks for in the answer of a step is what the step can answer."""
    assert named("Steered?", "outcome") == {Outcome.SUPERSEDED.value, Outcome.JOB_OVER.value}
    assert named("RolledBack?", "outcome") == {Outcome.MORE.value}


def test_the_definition_has_a_wait_for_everything_that_is_awaited() -> None:
    """Each has a state of its own; what stands nowhere else is waiting for evidence."""
    elsewhere = {Awaits.STOP, Awaits.STRAGGLERS}  # after an abort, and after a rollback

    assert named("Steered?", "awaits") == set(Awaits) - elsewhere - {Awaits.EVIDENCE}
    assert DEFINITION["States"]["Steered?"]["Default"] == "AwaitEvidence"


@pytest.mark.parametrize(
    "state", [name for name, each in DEFINITION["States"].items() if each["Type"] == "Task"]
)
def test_every_task_is_tried_again_and_caught(state: str) -> None:
    """Whatever a Lambda raises, nothing leaves the workflow without people being told."""
    task = DEFINITION["States"][state]
    caught = {error for catcher in task["Catch"] for error in catcher["ErrorEquals"]}

    assert task["Retry"]
    assert "States.ALL" in caught


# what is published


def test_a_review_tells_what_it_decided_and_how_soon(
    stage: Stage, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """How long the workflow waited for the decision counts from when it went to the review."""
    stage.clock.advance(4)
    entered_at = datetime.fromtimestamp(START, UTC).isoformat().replace("+00:00", "Z")
    review.handler({"rollout": rollout(), "enteredAt": entered_at}, context)

    assert metrics(published(capsys)) == {
        "ReviewsProceed": 1,
        "DecisionDelay": 4,
        "CallsThrottled": 0,
    }


def test_a_review_tells_how_a_rollout_ended(
    stage: Stage, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once per rollout: by the decision that ends it."""
    stage.jobs.change(JOB, status=JobStatus.COMPLETED)
    review.handler({"rollout": rollout()}, context)

    told = metrics(published(capsys))
    assert (told["ReviewsComplete"], told["RolloutsCompleted"]) == (1, 1)
    assert "DecisionDelay" not in told


def test_throttled_calls_are_published_by_whoever_fails_of_them(
    stage: Stage,
    context: LambdaContext,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An invocation that AWS throttled to death says so, as one does that got through."""
    monkeypatch.setattr(environment, "throttled_calls", lambda: 5)
    stage.ledger.faults.before("rollout", RetryLater("throttled"))
    with pytest.raises(RetryLater):
        review.handler({"rollout": rollout()}, context)

    assert metrics(published(capsys)) == {"CallsThrottled": 5}


def published(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was published, without what was logged."""
    lines = capsys.readouterr().out.splitlines()
    return "\n".join(line for line in lines if line.startswith("{"))
