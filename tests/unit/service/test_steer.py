"""Steering: a decision is applied once, never against a hold, and what came of it is told."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.service.stage import JOB, POLICY, Stage, job_change
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.policy import Completion, JobDefaults, Stragglers
from tidegate.domain.rollout import AbortRequest, Ending, Hold, HoldKind
from tidegate.domain.settings import (
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    RolloutRate,
)
from tidegate.errors import NotFound, Refused, RetryLater
from tidegate.ports import BusEvent
from tidegate.service.steer import Outcome


@pytest.fixture
def stage() -> Stage:
    """Return an enrolled job with a rate of 5."""
    return Stage()


@pytest.fixture
def higher(stage: Stage) -> Decision:
    """Return a decision that raises the rate."""
    decision = stage.review()
    assert decision.settings.rate_per_minute == 10
    return decision


def decided(stage: Stage, decision: Decision, settings: JobSettings) -> Decision:
    """Return a decision like this one, with other settings, as the rollout's newest."""
    made = replace(decision, revision=stage.rollout.revision + 1, settings=settings)
    stage.ledger.store_decision(stage.key, made, generation=stage.rollout.generation)
    return made


def finish(stage: Stage) -> None:
    """Let somebody cancel the job."""
    stage.jobs.change(JOB, status=JobStatus.CANCELED)


def test_a_decision_is_applied_whole(stage: Stage, higher: Decision) -> None:
    """Pace and fence go in one UpdateJob, and the note says what was sent."""
    assert stage.steer(higher) is Outcome.APPLIED
    assert stage.sent == [higher.settings]
    note = stage.ledger.applied(stage.key, higher.revision)
    assert note is not None
    assert note["sent"] == higher.settings.to_request()
    (told,) = stage.bus.details("Rollout Steered")
    assert told["sent"] == higher.settings.to_request()  # type: ignore[index]


def test_only_what_differs_is_sent(stage: Stage, higher: Decision) -> None:
    """Settings that stand already are left out of UpdateJob."""
    standing = JobSettings(abort=higher.settings.abort, description=higher.settings.description)
    stage.jobs.update(JOB, standing)
    stage.steer(higher)

    assert stage.sent[-1] == JobSettings(rollout=RolloutRate(10))


def test_what_stands_already_is_not_sent(stage: Stage, higher: Decision) -> None:
    """A decision that changes nothing costs no UpdateJob; it is told all the same."""
    stage.jobs.update(JOB, higher.settings)
    before = len(stage.sent)

    assert stage.steer(higher) is Outcome.UNCHANGED
    assert len(stage.sent) == before
    assert len(stage.bus.details("Rollout Steered")) == 1


def test_applying_twice_sends_one_update(stage: Stage, higher: Decision) -> None:
    """The second time nothing is sent and nothing is told; the answer is the same."""
    outcomes = [stage.steer(higher) for _ in range(3)]

    assert outcomes == [Outcome.APPLIED] * 3
    assert len(stage.sent) == 1
    assert len(stage.bus.published) == 1


@pytest.mark.parametrize(
    ("port", "operation"),
    [("jobs", "update"), ("bus", "publish"), ("ledger", "mark_applied")],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_dying_midway_and_trying_again_sends_one_update(
    stage: Stage, higher: Decision, port: str, operation: str, when: str
) -> None:
    """Wherever it died, the next try completes it."""
    getattr(getattr(stage, port).faults, when)(operation, RuntimeError("died"))
    with pytest.raises(RuntimeError):
        stage.steer(higher)
    stage.steer(higher)

    assert stage.job.settings.rate_per_minute == 10
    assert len(stage.sent) == (2 if (operation, when) == ("update", "before") else 1)
    assert stage.bus.details("Rollout Steered")
    assert stage.ledger.applied(stage.key, higher.revision) is not None


def test_a_bus_that_does_not_take_the_news_is_tried_again(stage: Stage, higher: Decision) -> None:
    """A decision counts as applied only when it was told."""
    refused: list[BusEvent] = []
    stage.bus.refuses = lambda event: not refused and not refused.append(event)  # type: ignore[func-returns-value]
    with pytest.raises(RetryLater, match="the bus did not take decision 1 of release-7"):
        stage.steer(higher)
    assert stage.ledger.applied(stage.key, higher.revision) is None

    stage.steer(higher)
    assert len(stage.sent) == 1
    assert len(stage.bus.details("Rollout Steered")) == 1


# what is newer


def test_an_old_generation_touches_nothing(stage: Stage, higher: Decision) -> None:
    """Taken over, an execution that comes back applies no decision of its own."""
    stage.succeed()

    assert stage.steer(higher) is Outcome.SUPERSEDED
    assert stage.jobs.calls == []
    assert stage.bus.published == []


def test_an_old_decision_touches_nothing(stage: Stage, higher: Decision) -> None:
    """Once there is a newer decision, the older one is history."""
    stage.review()

    assert stage.steer(higher) is Outcome.SUPERSEDED
    assert stage.jobs.calls == []


def hold(stage: Stage) -> None:
    """Hold the rollout."""
    stage.ledger.place_hold(stage.key, Hold(HoldKind.OPERATOR, "night-shift", "odd", 5.0))


def abort(stage: Stage) -> None:
    """Ask to abort the rollout."""
    stage.ledger.request_abort(stage.key, AbortRequest("night-shift", "odd", 5.0))


def end(stage: Stage) -> None:
    """Let an event tell of the job's end."""
    stage.record(job_change())


def take_over(stage: Stage) -> None:
    """Let another execution take the rollout over."""
    stage.succeed()


def decide_again(stage: Stage) -> None:
    """Let a newer decision be stored."""
    stage.review()


NEWER = [hold, abort, end, take_over, decide_again]


@pytest.mark.parametrize("happen", NEWER)
def test_no_raise_is_sent_past_something_newer(
    stage: Stage, higher: Decision, happen: Callable[[Stage], None]
) -> None:
    """What came up since the review is seen before the call."""
    stage.between_jobs_calls.following("describe", lambda: happen(stage))

    assert stage.steer(higher) is Outcome.SUPERSEDED
    assert stage.sent == []
    assert stage.job.settings.rate_per_minute == 5


@pytest.mark.parametrize("when", ["during", "following"])
@pytest.mark.parametrize("happen", NEWER)
def test_a_raise_that_lost_the_race_is_taken_back(
    stage: Stage, higher: Decision, happen: Callable[[Stage], None], when: str
) -> None:
    """What comes up during the call, or right after it, finds AWS's lowest rate."""
    getattr(stage.between_jobs_calls, when)("update", lambda: happen(stage))

    assert stage.steer(higher) is Outcome.SUPERSEDED
    assert [each.rate_per_minute for each in stage.sent] == [10, 1]
    assert stage.job.settings.rate_per_minute == 1


def test_a_raise_is_taken_back_from_growth_too() -> None:
    """Whatever stood before, AWS's own growth included, may be too high by now."""
    growth = RolloutRate(8, ExponentialRate(2, 1.5, notified_things=10))
    stage = Stage(settings=JobSettings(rollout=growth))
    decision = stage.review()
    stage.between_jobs_calls.during("update", lambda: hold(stage))
    stage.steer(decision)

    assert stage.job.settings.rollout == RolloutRate(1)


def test_trading_growth_for_its_maximum_is_a_raise() -> None:
    """A constant rate in place of AWS's growth up to that very rate may raise it: it is checked."""
    growth = RolloutRate(10, ExponentialRate(1, 1.5, notified_things=1000))
    stage = Stage(settings=JobSettings(rollout=growth))
    decision = stage.review()
    assert decision.settings.rollout == RolloutRate(10)
    hold(stage)

    assert stage.steer(decision) is Outcome.SUPERSEDED
    assert stage.job.settings.rollout == growth


def test_a_job_without_a_rate_is_slowed_down_by_any(stage: Stage) -> None:
    """It runs at AWS's maximum, so nothing is a raise."""
    stage = Stage(settings=JobSettings())
    decision = stage.review()
    hold(stage)

    assert stage.steer(decision) is Outcome.APPLIED
    assert stage.job.settings.rate_per_minute == 10


def test_a_lower_rate_needs_no_second_look(stage: Stage, higher: Decision) -> None:
    """Slowing down is right whatever else is newer."""
    lower = decided(stage, higher, JobSettings(rollout=RolloutRate(1)))
    hold(stage)

    assert stage.steer(lower) is Outcome.APPLIED
    assert stage.job.settings.rate_per_minute == 1


# AWS's answers


def test_an_update_that_is_throttled_is_told_with_its_remedy(
    stage: Stage, higher: Decision
) -> None:
    """Noted as not applied, so that nobody believes it is."""
    stage.jobs.faults.before("update", RetryLater("Rate exceeded"))

    assert stage.steer(higher) is Outcome.UNAPPLIED
    (attention,) = stage.problems
    assert "did not take the settings of job release-7: Rate exceeded" in attention["problem"]
    assert "UpdateJob" in attention["remedy"]
    assert stage.steer(higher) is Outcome.UNAPPLIED
    assert len(stage.problems) == 1


def test_a_refused_update_slows_the_job_down(stage: Stage, higher: Decision) -> None:
    """The rate falls to the lowest; people get request, reason and remedy."""
    stage.jobs.faults.before("update", Refused("no such role"))

    assert stage.steer(higher) is Outcome.UNAPPLIED
    assert stage.job.settings.rate_per_minute == 1
    (attention,) = stage.problems
    assert "'maximumPerMinute': 10" in attention["problem"]
    assert "no such role" in attention["problem"]
    assert "Correct the policy" in attention["remedy"]


@pytest.mark.parametrize("error", [Refused("still invalid"), RetryLater("Rate exceeded")])
def test_slowing_down_may_fail_too(stage: Stage, higher: Decision, error: Exception) -> None:
    """Both failures are told in one."""
    stage.jobs.faults.before("update", Refused("no such role"), error)

    assert stage.steer(higher) is Outcome.UNAPPLIED
    (attention,) = stage.problems
    assert "no such role" in attention["problem"]
    assert str(error) in attention["problem"]


def test_settings_that_aws_would_refuse_are_not_tried(stage: Stage, higher: Decision) -> None:
    """Held against AWS's limits before the call, they go no further than the lowest rate."""
    criteria = (AbortCriterion(FailureType.FAILED, 12.345, 5),)
    faulty = decided(stage, higher, JobSettings(rollout=RolloutRate(50), abort=criteria))

    assert stage.steer(faulty) is Outcome.UNAPPLIED
    assert stage.sent == [JobSettings(rollout=RolloutRate(1))]
    assert "AWS allows at most two decimals" in stage.problems[0]["problem"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (JobStatus.SCHEDULED, Outcome.NOT_RUNNING),
        (JobStatus.CANCELED, Outcome.JOB_OVER),
        (JobStatus.COMPLETED, Outcome.JOB_OVER),
        (JobStatus.DELETION_IN_PROGRESS, Outcome.JOB_OVER),
    ],
)
@pytest.mark.parametrize("during", [False, True])
def test_a_job_that_does_not_run_takes_no_settings(
    stage: Stage,
    higher: Decision,
    status: JobStatus,
    outcome: Outcome,
    during: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Seen before the call or by AWS's answer to it, that is no alarm."""

    def change() -> None:
        stage.jobs.change(JOB, status=status)

    if during:
        stage.between_jobs_calls.during("update", change)
    else:
        change()

    assert stage.steer(higher) is outcome
    assert stage.problems == []


@pytest.mark.parametrize("operation", ["describe", "update"])
def test_a_job_that_is_gone_takes_no_settings(
    stage: Stage, higher: Decision, operation: str
) -> None:
    """Deleted at any moment, the job ends the rollout at the review that follows at once."""
    stage.jobs.faults.before(operation, NotFound("gone"))

    assert stage.steer(higher) is Outcome.JOB_OVER
    assert stage.problems == []


def test_a_busy_describe_is_tried_again(stage: Stage, higher: Decision) -> None:
    """Without knowing what stands, nothing is sent."""
    stage.jobs.faults.before("describe", RetryLater("Rate exceeded"))
    with pytest.raises(RetryLater):
        stage.steer(higher)

    assert stage.sent == []
    assert stage.steer(higher) is Outcome.APPLIED


def test_a_namespace_goes_with_every_update() -> None:
    """A policy's namespaceId is handed to UpdateJob, the one that slows down included."""
    policy = replace(POLICY, job=JobDefaults(namespace_id="team-a"))
    stage = Stage(policy=policy)
    decision = stage.review()
    stage.jobs.faults.before("update", Refused("no"))
    stage.steer(decision)

    updates = [call for call in stage.jobs.calls if call.operation == "update"]
    assert [call.arguments["namespace_id"] for call in updates] == ["team-a", "team-a"]


# the end


def aborted(stage: Stage) -> Decision:
    """Return a decision to abort."""
    abort(stage)
    decision = stage.review()
    assert decision.verdict is Verdict.ABORT
    return decision


def test_an_abort_cancels_the_job_once(stage: Stage) -> None:
    """With Tidegate's reason code and the decision's words."""
    decision = aborted(stage)
    outcomes = [stage.steer(decision) for _ in range(2)]

    assert outcomes == [Outcome.CANCEL_REQUESTED] * 2
    (call,) = stage.jobs.calls
    assert call.arguments == {
        "reason_code": "TIDEGATE_ABORT",
        "comment": "Tidegate, decision 1: night-shift asked to abort: odd",
        "force": False,
    }


def test_an_abort_does_not_wait_for_another_look_at_the_job(stage: Stage) -> None:
    """The review has just seen it: where AWS throttles looks, the abort goes first."""
    decision = aborted(stage)
    stage.jobs.faults.before("describe", RetryLater("Rate exceeded"))

    assert stage.steer(decision) is Outcome.CANCEL_REQUESTED


@pytest.mark.parametrize(("operation", "seconds"), [("describe", 121.0), ("cancel", 0.0)])
def test_an_abort_that_is_throttled_is_told_with_a_way_out(
    stage: Stage, operation: str, seconds: float
) -> None:
    """Whoever cannot wait gets the command to type; an old look at the job is none."""
    decision = aborted(stage)
    stage.clock.advance(seconds)
    stage.jobs.faults.before(operation, RetryLater("Rate exceeded"))

    assert stage.steer(decision) is Outcome.UNAPPLIED
    assert "aws iot cancel-job --job-id release-7" in stage.problems[0]["remedy"]


def test_an_abort_of_a_job_that_is_over_is_no_alarm(stage: Stage) -> None:
    """Somebody else was faster."""
    decision = aborted(stage)
    finish(stage)

    assert stage.steer(decision) is Outcome.JOB_OVER
    assert stage.problems == []


@pytest.mark.parametrize(
    ("status", "ending", "announced"),
    [
        (JobStatus.COMPLETED, Ending.COMPLETED, "Rollout Completed"),
        (JobStatus.CANCELED, Ending.CANCELED_OUTSIDE, "Rollout Aborted"),
        (JobStatus.DELETION_IN_PROGRESS, Ending.DELETED_OUTSIDE, "Rollout Aborted"),
    ],
)
def test_the_end_is_written_and_told(
    stage: Stage, status: JobStatus, ending: Ending, announced: str
) -> None:
    """Each ending under its own name; nothing is sent to AWS."""
    stage.jobs.change(JOB, status=status)
    decision = stage.review()

    assert stage.steer(decision) is Outcome.CONCLUDED
    assert stage.rollout.ending is ending
    (told,) = stage.bus.details(announced)
    assert told["ending"] == ending.value  # type: ignore[index]
    assert stage.jobs.calls == []


@pytest.mark.parametrize(("port", "operation"), [("ledger", "conclude"), ("bus", "publish")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_dying_at_the_end_and_trying_again_ends(
    stage: Stage, port: str, operation: str, when: str
) -> None:
    """A rollout ends once, and is told at least once."""
    finish(stage)
    decision = stage.review()
    getattr(getattr(stage, port).faults, when)(operation, RuntimeError("died"))
    with pytest.raises(RuntimeError):
        stage.steer(decision)

    assert stage.steer(decision) is Outcome.CONCLUDED
    assert stage.rollout.ending is Ending.CANCELED_OUTSIDE
    assert stage.bus.details("Rollout Aborted")


@pytest.mark.parametrize("stragglers", [Stragglers.LEAVE, Stragglers.CANCEL])
@pytest.mark.parametrize("happen", [hold, abort])
def test_no_rollout_is_over_before_what_people_asked_for_is_looked_at(
    happen: Callable[[Stage], None], stragglers: Stragglers
) -> None:
    """The job goes on behind a share of outcomes: an abort or a hold of it must not be lost."""
    stage = Stage(policy=replace(POLICY, complete=Completion(at=0.5, stragglers=stragglers)))
    stage.report(ExecutionStatus.SUCCEEDED, *range(8))
    stage.report(ExecutionStatus.IN_PROGRESS, 9)
    stage.jobs.change(JOB, is_concurrent=False)
    decision = stage.review()
    assert decision.verdict is Verdict.COMPLETE
    happen(stage)

    assert stage.steer(decision) is Outcome.SUPERSEDED
    assert stage.rollout.ending is None
    assert stage.job.status is JobStatus.IN_PROGRESS
    assert stage.review().verdict is not Verdict.COMPLETE


def test_a_hold_is_told_as_a_hold(stage: Stage) -> None:
    """The bus hears who holds the rollout, and what UpdateJob was sent for it."""
    stage.report(ExecutionStatus.IN_PROGRESS, 1)
    stage.ask("Hold Rollout", by="night-shift", reason="odd")
    decision = stage.review()
    stage.steer(decision)

    (told,) = stage.bus.details("Rollout Held")
    text = told["reasons"][0]["text"]  # type: ignore[index]
    assert text == "operator hold by night-shift since 2026-09-21T14:20:00Z: odd"
    assert told["sent"]["jobExecutionsRolloutConfig"] == {"maximumPerMinute": 1}  # type: ignore[index]


def test_a_job_that_is_slowed_down_is_fenced_all_the_same(stage: Stage, higher: Decision) -> None:
    """Only what AWS refuses is left out: the abort criteria stand behind the lowest rate."""
    stage.jobs.faults.before("update", Refused("no permission to pass the role"))
    stage.steer(higher)

    assert stage.job.settings.abort == higher.settings.abort


def test_people_are_told_once_while_settings_stay_refused(stage: Stage, higher: Decision) -> None:
    """A request that is refused at every review is not told at every one."""
    stage.jobs.faults.before("update", Refused("one"))
    stage.steer(higher)
    stage.jobs.faults.before("update", Refused("two"))
    stage.steer(stage.review())

    assert len(stage.problems) == 1


def test_a_raise_whose_call_died_gets_its_second_look(stage: Stage, higher: Decision) -> None:
    """Dying between UpdateJob and the look after it leaves no raise that a hold forbids."""
    stage.jobs.faults.after("update", RuntimeError("died"))
    with pytest.raises(RuntimeError):
        stage.steer(higher)
    hold(stage)

    assert stage.steer(higher) is Outcome.SUPERSEDED
    assert stage.job.settings.rate_per_minute == 1


def test_another_problem_than_before_is_told(stage: Stage, higher: Decision) -> None:
    """Knowing that settings were not taken, people do not know yet that an abort was not."""
    stage.jobs.faults.before("update", RetryLater("Rate exceeded"))
    stage.steer(higher)
    abort(stage)
    for _ in range(2):
        stage.jobs.faults.before("cancel", RetryLater("Rate exceeded"))
        stage.steer(stage.review())

    assert ["UpdateJob" in each["remedy"] for each in stage.problems] == [True, False]
    assert "aws iot cancel-job" in stage.problems[1]["remedy"]
