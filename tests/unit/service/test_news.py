"""What people are told of decisions, and the timeline that comes of it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.service.stage import JOB, POLICY, START, Stage
from tidegate.domain.cohorts import Remedy, Suspect
from tidegate.domain.course import Answer
from tidegate.domain.decision import Awaits, Decision, Verdict
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.policy import (
    Asking,
    Authorities,
    Authority,
    Completion,
    Freeze,
    Gate,
    OnAbort,
    Policy,
    Stragglers,
)
from tidegate.domain.rollout import AbortRequest, Ending
from tidegate.domain.settings import JobSettings, RolloutRate
from tidegate.domain.standing import AlarmReading, AlarmState
from tidegate.errors import RetryLater
from tidegate.service.news import Told, news_of
from tidegate.service.steer import Outcome

GATED = replace(
    POLICY, gates=(Gate("canary", after_devices=5, approval=Asking(within_minutes=60)),)
)


def told(stage: Stage) -> list[str]:
    """Return the types of everything told, oldest first."""
    return [each.detail_type for each in stage.bus.published]


def details(stage: Stage, detail_type: str) -> list[Any]:
    """Return what was told of a type, oldest first."""
    return [each.detail for each in stage.bus.published if each.detail_type == detail_type]


def step(stage: Stage, seconds: float = 60.0) -> Decision:
    """Review, apply, and let a minute pass."""
    decision = stage.review()
    stage.steer(decision)
    stage.clock.advance(seconds)
    return decision


def at_gate(policy: Policy = GATED) -> Stage:
    """Return a stage at whose gate a person was just asked."""
    stage = Stage(policy=policy)
    stage.report(ExecutionStatus.IN_PROGRESS, *range(5))
    step(stage)
    return stage


def lines(stage: Stage, what: str) -> list[str]:
    """Return the timeline's lines of one kind."""
    return [each.text for each in stage.ledger.steps(stage.key, limit=50) if each.what == what]


def answered(stage: Stage, question_id: str, *, yes: bool = True) -> None:
    """Let somebody answer."""
    answer = Answer(question_id, yes, "release-desk", "looks well", stage.clock.now())
    stage.ledger.give_answer(stage.key, answer)


def test_a_hold_is_told_once_and_its_end_too() -> None:
    """Reviews come every minute; people hear when it begins and when it is over, and of what."""
    stage = Stage()
    step(stage)
    stage.report(ExecutionStatus.IN_PROGRESS, 1)
    stage.ask("Hold Rollout", by="night-shift", reason="odd")
    for _ in range(3):
        step(stage)
    stage.ask("Resume Rollout", by="plant-7", reason="fine", at="2026-09-21T15:00:00Z")
    step(stage)

    assert told(stage) == [
        "Rollout Steered",
        "Rollout Held",
        "Rollout Resumed",
        "Rollout Steered",
    ]
    (resumed,) = details(stage, "Rollout Resumed")
    assert (resumed["by"], resumed["reason"]) == ("plant-7", "fine")
    assert [each["by"] for each in resumed["lifted"]] == ["night-shift"]
    (line,) = lines(stage, "Rollout Resumed")
    assert line.startswith("operator hold by night-shift lifted by plant-7: fine; ")


def test_another_hold_is_told_while_one_stands() -> None:
    """Holds stack: each one that comes or goes is news, the end of the last one is the end."""
    policy = replace(POLICY, freeze=Freeze(alarms=("crashes",)))
    stage = Stage(policy=policy)
    stage.report(ExecutionStatus.IN_PROGRESS, 1)
    stage.alarms.readings["crashes"] = AlarmReading(AlarmState.ALARM, START)
    step(stage)
    stage.ask("Hold Rollout", by="night-shift", reason="odd")
    step(stage)
    stage.alarms.readings["crashes"] = AlarmReading(AlarmState.OK, START)
    step(stage)
    assert told(stage) == ["Rollout Held"] * 3

    stage.ask("Resume Rollout", by="plant-7", reason="fine", at="2026-09-21T15:00:00Z")
    step(stage)
    assert told(stage)[3:] == ["Rollout Resumed", "Rollout Steered"]


def test_an_alarm_that_is_over_was_lifted_by_nobody() -> None:
    """The resumption names no operator who resumed for another reason before."""
    policy = replace(POLICY, freeze=Freeze(alarms=("crashes",)))
    stage = Stage(policy=policy)
    stage.report(ExecutionStatus.IN_PROGRESS, 1)
    stage.alarms.readings["crashes"] = AlarmReading(AlarmState.OK, START)
    stage.ask("Resume Rollout", by="plant-7", reason="fine")
    step(stage)
    stage.clock.advance(3600)
    now = stage.clock.now()
    stage.alarms.readings["crashes"] = AlarmReading(AlarmState.ALARM, now)
    step(stage)
    stage.alarms.readings["crashes"] = AlarmReading(AlarmState.OK, now)
    step(stage)

    (resumed,) = details(stage, "Rollout Resumed")
    assert "by" not in resumed
    (line,) = lines(stage, "Rollout Resumed")
    assert line.startswith("alarm hold by crashes over; ")


def test_a_gate_is_told_when_it_is_reached_asked_and_passed() -> None:
    """People hear that exposure has stopped, what is asked of them, and that it goes on."""
    stage = at_gate()
    assert told(stage) == ["Gate Reached", "Approval Requested", "Rollout Steered"]
    (asked,) = details(stage, "Approval Requested")
    assert asked["correlationId"] == "canary-approval"
    step(stage)
    assert len(told(stage)) == 3

    answered(stage, "canary-approval")
    decision = step(stage)

    assert decision.verdict is Verdict.PROCEED
    assert told(stage)[3:] == ["Gate Passed", "Rollout Steered"]
    (passed,) = details(stage, "Gate Passed")
    assert [each["by"] for each in passed["answers"]] == ["release-desk"]


def test_a_gate_that_is_passed_tells_its_own_answers_only() -> None:
    """Those to a gate whose name begins alike are told with that one."""
    first, second = (
        Gate(name, after_devices=5 + after, approval=Asking(within_minutes=60))
        for after, name in enumerate(["canary-eu", "canary"])
    )
    stage = at_gate(replace(POLICY, gates=(first, second)))
    answered(stage, "canary-eu-approval")
    stage.report(ExecutionStatus.IN_PROGRESS, 5)
    step(stage)
    answered(stage, "canary-approval")
    step(stage)

    told_of = {each["gate"]: len(each["answers"]) for each in details(stage, "Gate Passed")}
    assert told_of == {"canary-eu": 1, "canary": 1}


def test_a_question_of_a_decision_that_nobody_applied_is_asked_all_the_same() -> None:
    """The workflow dies between review and steer: the next decision asks for the one before."""
    stage = Stage(policy=GATED)
    stage.report(ExecutionStatus.IN_PROGRESS, *range(5))
    stage.review()

    step(stage)

    assert told(stage) == ["Gate Reached", "Approval Requested", "Rollout Steered"]


def test_a_question_that_is_settled_by_then_is_not_asked() -> None:
    """Somebody answers before the one who should have asked is replaced: nobody is asked twice."""
    stage = Stage(policy=GATED)
    stage.report(ExecutionStatus.IN_PROGRESS, *range(5))
    stage.review()
    answered(stage, "canary-approval")

    step(stage)

    assert "Approval Requested" not in told(stage)
    assert "Gate Passed" in told(stage)


def test_a_superseded_decision_tells_its_gates_but_not_its_settings() -> None:
    """What was never in force is not told as steered; what was asked counts all the same."""
    stage = Stage(policy=GATED)
    stage.report(ExecutionStatus.IN_PROGRESS, *range(5))
    step(stage)
    answered(stage, "canary-approval")
    decision = stage.review()

    stage.ledger.signal(stage.key)
    assert stage.steer(decision) is Outcome.SUPERSEDED

    assert told(stage)[3:] == ["Gate Passed"]
    step(stage)
    assert told(stage)[4:] == ["Rollout Steered"]


def test_observe_tells_what_it_would_have_done_once() -> None:
    """Nothing is touched, and the same wish is not told at every review."""
    stage = Stage(policy=replace(POLICY, authority=Authorities(*[Authority.OBSERVE] * 5)))
    step(stage)
    step(stage)

    assert stage.sent == []
    (proposed,) = details(stage, "Decision Proposed")
    assert proposed["authority"] == "observe"
    assert proposed["settings"]["jobExecutionsRolloutConfig"] == {"maximumPerMinute": 10}
    assert "correlationId" not in proposed
    assert details(stage, "Approval Requested") == []


@pytest.mark.parametrize(
    ("authority", "events"),
    [
        (Authority.RECOMMEND, ["Decision Proposed"]),
        (Authority.APPROVE, ["Decision Proposed", "Approval Requested"]),
    ],
)
def test_a_proposal_is_told_and_asked_once(authority: Authority, events: list[str]) -> None:
    """Under recommend people may apply it, under approve they are asked to."""
    stage = Stage(policy=replace(POLICY, authority=Authorities(*[authority] * 5)))
    first = step(stage)
    step(stage)

    assert [each for each in told(stage) if each in events] == events
    assert stage.sent == []
    assert (first.awaits is Awaits.APPROVAL) == (authority is Authority.APPROVE)


def test_an_approved_proposal_is_applied_once() -> None:
    """A yes lets what was proposed through, and the record counts that people agreed."""
    stage = Stage(policy=replace(POLICY, authority=Authorities(*[Authority.APPROVE] * 5)))
    step(stage)
    answered(stage, "decision-1")
    step(stage)
    step(stage)

    assert [each.rate_per_minute for each in stage.sent] == [10]
    agreement = stage.rollout.course.agreement
    assert (agreement.proposed, agreement.approved) == (1, 1)


def test_an_abort_by_force_stops_devices_at_work() -> None:
    """The policy says that those who began shall not finish."""
    stage = Stage(policy=replace(POLICY, on_abort=OnAbort(force=True)))
    stage.report(ExecutionStatus.IN_PROGRESS, 1)
    stage.ledger.request_abort(stage.key, AbortRequest("release-desk", "bricks", START))
    step(stage)

    (call,) = [each for each in stage.jobs.calls if each.operation == "cancel"]
    assert call.arguments["force"] is True
    assert told(stage) == ["Rollout Steered"]


def finishing(stragglers: Stragglers) -> Stage:
    """Return a stage of whose ten devices nine have an outcome, and all are notified."""
    stage = Stage(policy=replace(POLICY, complete=Completion(0.9, stragglers)))
    step(stage)
    stage.report(ExecutionStatus.IN_PROGRESS, *range(9))
    stage.report(ExecutionStatus.SUCCEEDED, *range(9))
    stage.report(ExecutionStatus.QUEUED, 9)
    stage.jobs.change(JOB, is_concurrent=False)
    return stage


def test_a_rollout_completes_at_its_share_and_leaves_stragglers() -> None:
    """The rollout ends; the job stays open for the device that is offline."""
    stage = finishing(Stragglers.LEAVE)
    step(stage)

    assert stage.rollout.ending is Ending.COMPLETED
    assert stage.job.status is JobStatus.IN_PROGRESS
    (completed,) = details(stage, "Rollout Completed")
    record = completed["record"]
    assert (record["outcome"], record["succeeded"], record["exposed"]) == ("completed", 9, 10)
    assert record["timeline"][0]["what"] == "Rollout Steered"
    assert record["settingsHistory"][0]["sent"]["abortConfig"]["criteriaList"]


def test_a_label_that_aws_does_not_take_delays_no_end() -> None:
    """A busy AWS keeps the last words of the description, not the rollout."""
    stage = finishing(Stragglers.LEAVE)
    stage.jobs.faults.before("update", RetryLater("Rate exceeded"))
    step(stage)

    assert stage.rollout.ending is Ending.COMPLETED
    assert stage.job.settings.description == "Tidegate: rolling out under policy firmware"


def test_a_rollout_completes_at_its_share_and_cancels_stragglers() -> None:
    """The job ends with the rollout, under a reason code that says it is complete."""
    stage = finishing(Stragglers.CANCEL)
    step(stage)

    assert stage.rollout.ending is Ending.COMPLETED
    assert stage.job.status is JobStatus.CANCELED
    assert stage.job.reason_code == "TIDEGATE_COMPLETE"


def test_stragglers_that_cannot_be_canceled_keep_the_rollout_alive() -> None:
    """AWS throttles: the rollout does not end before its job, and the next review tries again."""
    stage = finishing(Stragglers.CANCEL)
    stage.jobs.faults.before("cancel", RetryLater("Rate exceeded"))
    decision = stage.review()

    assert stage.steer(decision) is Outcome.UNAPPLIED
    assert stage.rollout.ending is None
    step(stage)
    assert stage.rollout.ending is Ending.COMPLETED


def test_a_completion_that_died_before_its_end_is_still_one() -> None:
    """The job is canceled for its stragglers, the function dies: the rollout has completed."""
    stage = finishing(Stragglers.CANCEL)
    decision = stage.review()
    stage.ledger.faults.before("conclude", RuntimeError("died"))
    with pytest.raises(RuntimeError):
        stage.steer(decision)

    end = stage.review()

    assert (end.verdict, end.ending) == (Verdict.COMPLETE, Ending.COMPLETED)


def test_everything_told_is_a_line_of_the_timeline() -> None:
    """The timeline says what people were told, when, and what AWS got."""
    stage = at_gate()

    steps = stage.ledger.steps(stage.key, limit=10)

    assert [each.what for each in steps] == sorted(told(stage))
    assert {each.revision for each in steps} == {1}
    assert [bool(each.sent) for each in steps if each.what == "Rollout Steered"] == [True]


def test_what_is_unchanged_is_not_sent_again() -> None:
    """Many reviews of a rollout at rest make one UpdateJob."""
    stage = Stage(settings=JobSettings(rollout=RolloutRate(5)))
    for _ in range(4):
        step(stage)

    assert len(stage.sent) == 1


def test_a_suspect_cohort_is_named_once_per_remedy() -> None:
    """People hear which devices the release is bad for, if known; again if more is called for."""
    stage = Stage()
    decision = stage.review()
    suspect = Suspect("thing.type=pump", 20, 9, 12.0, 9.0, 0.1, 3.0, Remedy.HOLD)
    named = replace(decision, suspects=(suspect,))
    worse = replace(decision, suspects=(replace(suspect, remedy=Remedy.ABORT),))

    def news(after: Decision, before: Decision) -> list[str]:
        events = news_of(stage.rollout, after, Told(before), JobSettings())
        return [str(each.detail["remedy"]) for each in events if "cohort" in each.detail]

    assert news(named, decision) == ["hold"]
    assert news(named, named) == []
    assert news(worse, named) == ["abort"]
    unknown = replace(suspect, cohort="thing.type=(unknown)")
    assert news(replace(decision, suspects=(unknown,)), decision) == []
