"""Announcements: what Tidegate tells the world, in the form that it promises."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tidegate.documents.announcements import (
    DETAIL_BYTES_MAX,
    HOLDS_MAX,
    REASONS_MAX,
    SUSPECTS_MAX,
    TEXT_LENGTH_MAX,
    THINGS_MAX,
    VALUE_LENGTH_MAX,
    approval_requested,
    cohort_released,
    cohort_suspect,
    decision_proposed,
    execution_reaped,
    gate_passed,
    gate_reached,
    launch_given_up,
    launch_waiting,
    needs_attention,
    policy_adjusted,
    refusal_of,
    report_applied,
    report_refused,
    rollback_launched,
    rollout_aborted,
    rollout_completed,
    rollout_held,
    rollout_resumed,
    rollout_started,
    rollout_steered,
)
from tidegate.documents.commands import (
    AbortRollout,
    CommandError,
    GiveAnswer,
    ReleaseCohort,
    parse_command,
)
from tidegate.documents.record import LINES_MAX, REASONS_TOLD_MAX, final_record
from tidegate.documents.reports import DeviceReport
from tidegate.documents.schemas import EVENT_SCHEMAS
from tidegate.documents.shapes import COHORT_LENGTH_MAX
from tidegate.domain.cells import Cells
from tidegate.domain.cohorts import Remedy, Suspect
from tidegate.domain.course import About, Agreement, Answer, Course, Proposal, Question
from tidegate.domain.decision import AtGate, Decision, Evidence, Verdict
from tidegate.domain.executions import Execution, ExecutionUpdate, Updated
from tidegate.domain.failures import COHORTS_NAMED_MAX, FailureReason, failure_reasons
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import Action, Authority, Harm, Pace, PaceMode, Policy, Rescue
from tidegate.domain.reasons import Reason, ReasonCode, reason
from tidegate.domain.rollout import (
    AbortRequest,
    Ending,
    Hold,
    HoldKind,
    Lift,
    Rollout,
    RolloutKey,
    Step,
    Tripwires,
)
from tidegate.domain.settings import (
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    PresignedUrl,
    RetryCriterion,
    RolloutRate,
)
from tidegate.domain.turn import Turn
from tidegate.ports import BusEvent

#: What EventBridge takes in one entry.
ENTRY_BYTES_MAX = 256 * 1024

KEY = RolloutKey("fw-2", 1764000000)
AT = 1764000511.25

EVERY_SETTING = JobSettings(
    rollout=RolloutRate(90, ExponentialRate(10, 1.5, succeeded_things=100)),
    abort=tuple(AbortCriterion(each, 11.69, 154) for each in FailureType),
    timeout_minutes=60,
    presigned_url=PresignedUrl("arn:aws:iam::123456789012:role/" + "r" * 2000, 600),
    retries=(RetryCriterion(FailureType.FAILED, 0),),
    description="é" * 2028,
)


def decided(
    reasons: tuple[Reason, ...],
    verdict: Verdict = Verdict.PROCEED,
    ending: Ending | None = None,
    suspects: tuple[Suspect, ...] = (),
) -> Decision:
    """Return a decision that rests on these reasons."""
    return Decision(
        revision=7,
        at=AT,
        verdict=verdict,
        reasons=reasons,
        evidence=Evidence(exposed=128, started=110, harmed=1, log_e=-0.25, upper_bound=0.248),
        settings=EVERY_SETTING,
        replaces=JobSettings(rollout=RolloutRate(10), presigned_url=PresignedUrl(None, 60)),
        tripwires=Tripwires(harmed=4),
        signals=0,
        wait_seconds=48,
        ending=ending,
        suspects=suspects,
    )


def suspect(cohort: str, remedy: Remedy = Remedy.QUARANTINE) -> Suspect:
    """Return a cohort for which the release is bad."""
    return Suspect(
        cohort=cohort,
        started=31,
        harmed=9,
        log_e=9.5,
        limit=8.5,
        log_e_of_others=0.0,
        log_e_concentrated=12.5,
        remedy=remedy,
    )


ROLLOUT = Rollout(
    key=KEY,
    job_arn="arn:aws:iot:eu-west-1:123456789012:job/fw-2",
    policy=Policy(
        "firmware",
        Harm(frozenset(), 0.02, 0.02, 0.95, 0.01, 50),
        Pace(PaceMode.THROTTLE, 10, 90),
    ),
    generation=2,
    execution_arn="arn:aws:states:eu-west-1:123456789012:execution:tidegate:fw-2-1764000000-2",
    enrolled_at=AT,
)

ASKED = reason(ReasonCode.ABORT_REQUESTED, by="on-call", why="storm")
SENT = JobSettings(rollout=RolloutRate(90))


def closed(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema that refuses every member it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if "properties" in result:
        result.setdefault("additionalProperties", False)
    return result


def assert_valid(event: BusEvent) -> None:
    """Hold an event against its schema, closed: what is not described is not told either."""
    schema = closed(EVENT_SCHEMAS[event.detail_type])
    Draft202012Validator(schema).validate(
        {"source": event.source, "detail-type": event.detail_type, "detail": event.detail}
    )


def test_a_rollout_that_starts_says_under_what_and_where() -> None:
    """Policy, generation and workflow execution lead to everything else."""
    event = rollout_started(ROLLOUT, AT)

    assert event == BusEvent(
        "Rollout Started",
        {
            "version": "1",
            "jobId": "fw-2",
            "rolloutId": "fw-2#1764000000",
            "at": "2025-11-24T16:08:31.250Z",
            "policy": "firmware",
            "generation": 2,
            "executionArn": ROLLOUT.execution_arn,
        },
        source="tidegate",
    )
    assert_valid(event)


def test_a_rollout_that_starts_says_for_how_many_where_that_is_known() -> None:
    """Whoever reads only events can tell shares of the fleet."""
    event = rollout_started(replace(ROLLOUT, fleet_size=20_000), AT)

    assert event.detail["fleetSize"] == 20_000
    assert_valid(event)


@pytest.mark.parametrize(
    ("build", "detail_type", "verdict"),
    [
        (rollout_steered, "Rollout Steered", Verdict.PROCEED),
        (rollout_held, "Rollout Held", Verdict.HOLD),
    ],
)
def test_a_decision_that_was_applied_is_told_in_full(
    build: Any,  # noqa: ANN401 - either builder
    detail_type: str,
    verdict: Verdict,
) -> None:
    """Reasons, evidence, and what is, was and was sent, in the form in which they are stored."""
    decision = decided((ASKED,), verdict)

    event = build(KEY, decision, SENT, AT)

    document = decision.to_document()
    assert event.detail_type == detail_type
    assert event.detail == {
        "version": "1",
        "jobId": "fw-2",
        "rolloutId": "fw-2#1764000000",
        "at": "2025-11-24T16:08:31.250Z",
        "sent": {"jobExecutionsRolloutConfig": {"maximumPerMinute": 90}},
        **{
            name: document[name]
            for name in ("revision", "verdict", "reasons", "evidence", "settings", "replaces")
        },
    }
    assert_valid(event)


def test_nothing_sent_is_told_as_nothing() -> None:
    """A decision that changed no setting was applied by sending nothing."""
    event = rollout_steered(KEY, decided((ASKED,)), JobSettings(), AT)

    assert event.detail["sent"] == {}
    assert_valid(event)


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize("build", [rollout_aborted, rollout_completed])
def test_an_end_is_told_with_how_it_came(build: Any, ending: Ending) -> None:  # noqa: ANN401
    """Whether Tidegate, AWS or somebody else ended it, the event says so and why."""
    decision = decided((ASKED,), Verdict.ENDED, ending)

    event = build(KEY, decision, AT)

    assert event.detail["ending"] == ending.value
    assert event.detail["reasons"][0]["text"] == "on-call asked to abort: storm"
    assert event.detail["summary"] == decision.summary
    assert_valid(event)


def test_the_verdict_to_abort_is_an_ending_by_itself() -> None:
    """The decision that cancels the job does not know its ending yet; the event does."""
    event = rollout_aborted(KEY, decided((ASKED,), Verdict.ABORT), AT)

    assert (event.detail_type, event.detail["ending"]) == ("Rollout Aborted", "aborted")


def held(kind: HoldKind = HoldKind.OPERATOR, by: str = "night-shift") -> Hold:
    """Return a hold that was."""
    return Hold(kind, by, "storm", AT - 60)


def test_a_resumption_says_which_holds_are_gone_and_who_lifted_them() -> None:
    """Whoever reads the bus learns why the rollout stood still, and why it no longer does."""
    lift = Lift("on-call", "back to normal", AT)

    event = rollout_resumed(KEY, [held(), held(HoldKind.ALARM, "crash-rate")], lift, AT)

    assert event.detail["lifted"] == [
        {
            "kind": kind,
            "by": by,
            "reason": "storm",
            "since": "2025-11-24T16:07:31.250Z",
        }
        for kind, by in (("operator", "night-shift"), ("alarm", "crash-rate"))
    ]
    assert (event.detail["by"], event.detail["reason"]) == ("on-call", "back to normal")
    assert_valid(event)


def test_a_resumption_by_nobody_names_nobody() -> None:
    """A hold whose cause is gone was lifted by no person; many of them are counted."""
    event = rollout_resumed(KEY, [held(HoldKind.CALENDAR)] * (HOLDS_MAX + 2), None, AT)

    assert not {"by", "reason"} & event.detail.keys()
    assert (len(event.detail["lifted"]), event.detail["liftedOmitted"]) == (HOLDS_MAX, 2)
    assert_valid(event)


ANSWER_QUESTION = Question("canary-answer", About.GATE_ANSWER, "canary", AT, AT + 1800)
APPROVAL_QUESTION = Question("canary-approval", About.GATE_APPROVAL, "canary", AT, AT + 86_400)
DECISION_QUESTION = Question("decision-7", About.DECISION, "abort", AT)


def test_a_gate_says_what_it_waits_for_and_how_to_answer() -> None:
    """A system that is asked finds the id to answer with, and until when, in the event itself."""
    gate = AtGate(
        "canary", is_new=True, waits_for=("bake", "answer", "approval"), bake_until=AT + 7200
    )
    decision = replace(decided((ASKED,), Verdict.GATE), gate=gate, asked=(ANSWER_QUESTION,))

    event = gate_reached(KEY, gate, decision, AT)

    expected = {
        "gate": "canary",
        "awaits": ["bake", "answer", "approval"],
        "bakeUntil": "2025-11-24T18:08:31.250Z",
        "correlationId": "canary-answer",
        "answerBy": "2025-11-24T16:38:31.250Z",
        "revision": 7,
    }
    assert event.detail_type == "Gate Reached"
    assert {name: event.detail[name] for name in expected} == expected
    assert_valid(event)


def test_a_gate_that_asks_nobody_has_nothing_to_answer() -> None:
    """Where only time or alarms are waited for, or a person later, no id is told."""
    gate = AtGate("canary", is_new=True, waits_for=("alarms",), bake_until=AT)
    decision = replace(decided((ASKED,), Verdict.GATE), gate=gate, asked=(DECISION_QUESTION,))

    event = gate_reached(KEY, gate, decision, AT)

    assert not {"bakeUntil", "correlationId", "answerBy", "approve", "reject"} & event.detail.keys()
    assert_valid(event)


def test_a_gate_that_is_passed_says_what_was_answered() -> None:
    """Who said what when is told once more where it took effect."""
    answer = Answer("canary-approval", yes=True, by="release-desk", comment="quiet", at=AT)

    event = gate_passed(KEY, "canary", [answer], AT)

    assert event.detail["gate"] == "canary"
    assert event.detail["answers"] == [
        {
            "correlationId": "canary-approval",
            "yes": True,
            "by": "release-desk",
            "comment": "quiet",
            "at": "2025-11-24T16:08:31.250Z",
        }
    ]
    assert_valid(event)
    assert_valid(gate_passed(KEY, "canary", [], AT))


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (
            APPROVAL_QUESTION,
            {
                "about": "gate_approval",
                "subject": "canary",
                "gate": "canary",
                "dueAt": "2025-11-25T16:08:31.250Z",
            },
        ),
        (DECISION_QUESTION, {"about": "decision", "subject": "abort", "action": "abort"}),
    ],
)
def test_a_question_carries_its_subject_and_what_to_decide_by(
    question: Question, told: dict[str, Any]
) -> None:
    """A person who is asked sees what about, until when, the evidence, and where to look on."""
    decision = decided((ASKED,), Verdict.GATE)

    event = approval_requested(ROLLOUT, question, decision, AT)

    names = ("about", "subject", "gate", "action", "dueAt")
    assert {name: event.detail[name] for name in names if name in event.detail} == told
    assert event.detail["correlationId"] == question.question_id
    assert event.detail["summary"] == decision.summary
    assert event.detail["settings"] == EVERY_SETTING.to_request()
    assert event.detail["evidence"]["exposed"] == 128
    home = "https://eu-west-1.console.aws.amazon.com"
    assert event.detail["links"] == {
        "execution": f"{home}/states/home?region=eu-west-1#/v2/executions/details/"
        f"{ROLLOUT.execution_arn}",
        "job": f"{home}/iot/home?region=eu-west-1#/job/fw-2",
    }
    assert_valid(event)


def test_a_question_about_settings_shows_those_that_a_yes_puts_in_force() -> None:
    """Who approves a change of settings sees the settings to come, not those of now."""
    event = approval_requested(ROLLOUT, DECISION_QUESTION, decided((ASKED,)), AT, settings=SENT)

    assert event.detail["settings"] == SENT.to_request()
    assert_valid(event)


@pytest.mark.parametrize(
    ("question", "about_gate"),
    [(ANSWER_QUESTION, True), (APPROVAL_QUESTION, True), (DECISION_QUESTION, False)],
)
@pytest.mark.parametrize(("way", "yes"), [("approve", True), ("reject", False)])
def test_the_commands_to_answer_with_are_ready_but_for_a_name_and_a_word(
    question: Question,
    about_gate: bool,  # noqa: FBT001 - drawn up in a table
    way: str,
    yes: bool,  # noqa: FBT001 - drawn up in a table
) -> None:
    """Copied and filled in, each is the command that it says; copied as it is, it is refused."""
    event = approval_requested(ROLLOUT, question, decided((ASKED,)), AT)
    ready = event.detail[way]
    detail = ready["detail"] | {"by": "release-desk", "comment": "tickets are quiet"}

    command = parse_command(
        {"source": ready["source"], "detail-type": ready["detailType"], "detail": detail}
    )

    assert command == GiveAnswer(
        job_id="fw-2",
        question_id=question.question_id,
        yes=yes,
        by="release-desk",
        comment="tickets are quiet",
        about_gate=about_gate,
    )
    with pytest.raises(CommandError, match="by is "):
        parse_command(
            {
                "source": ready["source"],
                "detail-type": ready["detailType"],
                "detail": ready["detail"],
            }
        )


@pytest.mark.parametrize("authority", [Authority.RECOMMEND, Authority.APPROVE])
def test_a_proposal_says_what_would_be_done_and_how_to_answer(authority: Authority) -> None:
    """People who may decide find the action, its settings and both commands in one event."""
    proposal = Proposal(DECISION_QUESTION, Action.SPEED_UP, SENT, 7)

    event = decision_proposed(KEY, proposal, authority, decided((ASKED,)), AT)

    assert event.detail["action"] == "speed_up"
    assert event.detail["authority"] == authority.value
    assert event.detail["correlationId"] == "decision-7"
    assert event.detail["settings"] == SENT.to_request()
    assert event.detail["approve"]["detailType"] == "Approve Decision"
    assert_valid(event)


def test_what_is_only_observed_cannot_be_answered() -> None:
    """Under observe it is told what would have been done, and nobody is asked."""
    proposal = Proposal(DECISION_QUESTION, Action.ABORT, JobSettings(), 7)

    event = decision_proposed(KEY, proposal, Authority.OBSERVE, decided((ASKED,)), AT)

    assert event.detail["settings"] == {}
    assert not {"correlationId", "dueAt", "approve", "reject"} & event.detail.keys()
    assert_valid(event)


def test_another_policy_is_told_with_who_wants_it_and_why() -> None:
    """The version tells it from the rollout's policies before, of the same name perhaps."""
    event = policy_adjusted(KEY, "cautious", 3, "on-call", "a storm is coming", AT)

    assert (event.detail["policy"], event.detail["policyVersion"]) == ("cautious", 3)
    assert (event.detail["by"], event.detail["reason"]) == ("on-call", "a storm is coming")
    assert_valid(event)


def test_a_rollback_says_which_job_does_it_and_for_whom() -> None:
    """The aborted rollout's events lead to the job that undoes it."""
    statuses = {ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED}

    event = rollback_launched(KEY, "fw-2-rollback", 129, AT, statuses=statuses)

    assert (event.detail["rollbackJobId"], event.detail["devices"]) == ("fw-2-rollback", 129)
    assert event.detail["statuses"] == ["FAILED", "SUCCEEDED"]
    assert_valid(event)
    assert "statuses" not in rollback_launched(KEY, "fw-2-rollback", 129, AT).detail


def test_a_refusal_answers_the_command_that_it_is_about() -> None:
    """Whoever sent a command finds the answer by the id that the bus gave it."""
    event = {
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "Approve Gate",
        "detail": {"jobId": "fw-2"},
    }

    assert refusal_of(event, "no question of that id waits", "Look for a newer one.", AT) == (
        BusEvent(
            "Command Refused",
            {
                "version": "1",
                "at": "2025-11-24T16:08:31.250Z",
                "jobId": "fw-2",
                "command": "Approve Gate",
                "commandId": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
                "problem": "no question of that id waits",
                "remedy": "Look for a newer one.",
            },
        )
    )


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["\ud800", "x" * 300]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["jobId", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(["id", "detail-type", "detail", "time"]), anything),
    st.text() | st.sampled_from(["\udfff" * 5000]),
)
def test_whatever_a_command_is_it_can_be_refused(event: dict[str, Any], problem: str) -> None:
    """The answer to garbage is sound: it fits its schema, and the bus takes it."""
    refusal = refusal_of(event, problem, "", AT)

    assert_valid(refusal)
    assert len(json.dumps(refusal.detail, ensure_ascii=False).encode()) < ENTRY_BYTES_MAX


STEPS = (
    Step(AT - 60, "Rollout Started", "steered from now on"),
    Step(AT - 30, "Rollout Steered", "128 exposed", 6, SENT.to_request()),
    Step(AT, "Rollout Aborted", "stopped", 7),
)


def test_an_end_tells_the_whole_story() -> None:
    """The record says what came of it, line by line, and which settings were sent when."""
    rollout = replace(ROLLOUT, course=Course(agreement=Agreement(proposed=2, approved=1)))
    decision = decided((ASKED,), Verdict.ABORT)
    record = final_record(rollout, Ending.ABORTED, decision.evidence, STEPS, AT + 1)

    event = rollout_aborted(KEY, decision, AT, record=record)

    told = event.detail["record"]
    assert told == record
    assert (told["outcome"], told["exposed"], told["harmed"]) == ("aborted", 128, 1)
    assert told["startedAt"] == "2025-11-24T16:08:31.250Z"
    assert told["endedAt"] == "2025-11-24T16:08:32.250Z"
    assert told["agreement"]["approved"] == 1
    assert [each["what"] for each in told["timeline"]] == [each.what for each in STEPS]
    assert told["settingsHistory"] == [
        {
            "at": "2025-11-24T16:08:01.250Z",
            "revision": 6,
            "sent": {"jobExecutionsRolloutConfig": {"maximumPerMinute": 90}},
        }
    ]
    assert_valid(event)


def test_an_end_tells_why_most_devices_failed() -> None:
    """The commonest come first, with the cohorts of who gave them; rare ones are left out."""
    old, new = ("hardware=A", "hardware=B")
    cells = Cells(("hardware",), {2: ("A",), 3: ("B",)})
    counted = {("disk full", 2): 1, ("bad signature", 2): 5, ("disk full", 3): 5, ("", 2): 9}
    rare = {(f"odd {n}", 2): 1 for n in range(REASONS_TOLD_MAX)}
    decision = decided((ASKED,), Verdict.ABORT)
    reasons = failure_reasons({**counted, ("gone", 2): 0, **rare}, cells)
    record = final_record(ROLLOUT, Ending.ABORTED, decision.evidence, STEPS, AT, reasons=reasons)

    event = rollout_aborted(KEY, decision, AT, record=record)

    told = event.detail["record"]["failureReasons"]
    assert told[:3] == [
        {
            "reason": "disk full",
            "devices": 6,
            "cohorts": [{"cohort": new, "devices": 5}, {"cohort": old, "devices": 1}],
        },
        {
            "reason": "bad signature",
            "devices": 5,
            "cohorts": [{"cohort": old, "devices": 5}],
        },
        {"reason": "odd 0", "devices": 1, "cohorts": [{"cohort": old, "devices": 1}]},
    ]
    assert len(told) == REASONS_TOLD_MAX
    assert_valid(event)


def test_an_end_without_reasons_names_none() -> None:
    """Where no device failed, or none says why, nothing is told of reasons."""
    record = final_record(ROLLOUT, Ending.COMPLETED, decided((ASKED,)).evidence, STEPS, AT)

    assert "failureReasons" not in record


def test_a_long_story_is_told_from_its_newest_part() -> None:
    """Of each list the last hundred lines are told, and the others counted."""
    steps = [Step(AT + n, "Rollout Steered", f"step {n}", n, SENT.to_request()) for n in range(130)]
    decision = decided((ASKED,), Verdict.COMPLETE)
    record = final_record(ROLLOUT, Ending.COMPLETED, decision.evidence, steps, AT)

    told = rollout_completed(KEY, decision, AT, guarded=True, record=record).detail["record"]

    assert [each["revision"] for each in told["timeline"]] == list(range(30, 130))
    assert [each["revision"] for each in told["settingsHistory"]] == list(range(30, 130))
    assert (told["timelineOmitted"], told["settingsHistoryOmitted"]) == (30, 30)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_completed_rollout_says_whether_late_joiners_are_guarded(
    guarded: bool,  # noqa: FBT001 - drawn up in a table
) -> None:
    """Completed is not always over: a job for a growing group goes on under guard."""
    event = rollout_completed(KEY, decided((ASKED,), Verdict.COMPLETE), AT, guarded=guarded)

    assert event.detail["guarded"] is guarded
    assert_valid(event)


def test_the_worst_end_fits_into_one_entry() -> None:
    """The record takes the room that reasons leave: the entry is never too large for the bus."""
    long = "\N{PILE OF POO}" * 3000
    worst = (reason(ReasonCode.ABORT_REQUESTED, by=long, why=long),) * REASONS_MAX
    steps = [Step(AT, "Rollout Steered", long, 7, EVERY_SETTING.to_request())] * (LINES_MAX + 1)
    decision = decided(worst, Verdict.ABORT, suspects=(suspect(long),) * SUSPECTS_MAX)
    cohorts = tuple((f"{n}{long}", n) for n in range(1, 1 + COHORTS_NAMED_MAX))
    reasons = [FailureReason(f"{n}{long}", n, cohorts) for n in range(1, 12)]
    record = final_record(ROLLOUT, Ending.ABORTED, decision.evidence, steps, AT, reasons=reasons)

    event = rollout_aborted(KEY, decision, AT, record=record)

    assert len(json.dumps(event.detail, ensure_ascii=False).encode()) <= DETAIL_BYTES_MAX
    told = event.detail["record"]
    assert len(told["timeline"]) + told["timelineOmitted"] == LINES_MAX + 1
    assert 0 < len(told["settingsHistory"]) < LINES_MAX
    assert_valid(event)


@pytest.mark.parametrize(
    ("key", "revision", "members"),
    [
        (None, None, set()),
        (KEY, None, {"rolloutId"}),
        (KEY, 7, {"rolloutId", "revision"}),
    ],
)
def test_a_call_for_attention_says_what_is_known(
    key: RolloutKey | None, revision: int | None, members: set[str]
) -> None:
    """Without a rollout there is no rollout's id, and no revision without a decision."""
    event = needs_attention("fw-2", "no such policy", "Add it.", AT, key=key, revision=revision)

    assert event.detail.keys() == {"version", "jobId", "at", "problem", "remedy"} | members
    assert_valid(event)


def test_a_call_for_attention_may_answer_a_command() -> None:
    """Whoever sent it tells it from others by the id that the bus gave it."""
    event = needs_attention("fw-2", "no such policy", "Add it.", AT, command_id="6a7e8feb-b491")

    assert event.detail["commandId"] == "6a7e8feb-b491"
    assert_valid(event)


def test_a_call_for_attention_bears_any_job_id() -> None:
    """What is wrong may be the job's id itself."""
    event = needs_attention("no job / has this id" * 20, "x" * 10_000, "", AT)

    assert len(event.detail["jobId"]) == 64
    assert len(event.detail["problem"]) == 4000
    assert event.detail["problem"].endswith("…")
    assert_valid(event)


def test_a_call_for_attention_may_be_about_no_job() -> None:
    """What is wrong with the account is no single job's: no id is made up for it."""
    event = needs_attention(None, "messages wait", "Read them.", AT)

    assert event.detail.keys() == {"version", "at", "problem", "remedy"}
    assert_valid(event)


@pytest.mark.parametrize("remedy", list(Remedy))
def test_cohorts_that_fail_are_told_with_their_remedy(remedy: Remedy) -> None:
    """Whoever acts on one cohort finds it by name, with its evidence, without reading sentences."""
    event = rollout_steered(KEY, decided((ASKED,), suspects=(suspect("rev-1", remedy),)), SENT, AT)

    assert event.detail["suspects"] == [
        {
            "cohort": "rev-1",
            "started": 31,
            "harmed": 9,
            "log_e": 9.5,
            "limit": 8.5,
            "log_e_of_others": 0.0,
            "log_e_concentrated": 12.5,
            "remedy": remedy.value,
        }
    ]
    assert_valid(event)


@pytest.mark.parametrize("build", [rollout_aborted, rollout_completed])
def test_an_end_tells_of_suspects_too(build: Any) -> None:  # noqa: ANN401 - either builder
    """A rollout that ended on account of a cohort says of which."""
    event = build(KEY, decided((ASKED,), suspects=(suspect("rev-1"),)), AT)

    assert [each["cohort"] for each in event.detail["suspects"]] == ["rev-1"]
    assert_valid(event)


def test_the_worst_decision_fits_into_one_entry() -> None:
    """However much a decision rests on, EventBridge takes it, and what is left out is counted."""
    long = "\N{PILE OF POO}" * 3000
    worst = tuple(
        reason(ReasonCode.ABORT_REQUESTED, by=long, why=long) for _ in range(REASONS_MAX + 5)
    )
    suspects = (suspect(long),) * (SUSPECTS_MAX + 3)

    event = rollout_steered(KEY, decided(worst, suspects=suspects), EVERY_SETTING, AT)

    assert len(event.detail["reasons"]) == REASONS_MAX
    assert event.detail["reasonsOmitted"] == 5
    assert event.detail["suspectsOmitted"] == 3
    assert {len(each["cohort"]) for each in event.detail["suspects"]} == {COHORT_LENGTH_MAX}
    (first, *_) = event.detail["reasons"]
    assert (len(first["text"]), len(first["values"]["why"])) == (TEXT_LENGTH_MAX, VALUE_LENGTH_MAX)
    assert len(json.dumps(event.detail, ensure_ascii=False).encode()) < ENTRY_BYTES_MAX
    assert_valid(event)


def test_what_fits_is_not_marked_as_cut() -> None:
    """No member speaks of omissions where there are none."""
    suspects = (suspect("rev-1"),) * SUSPECTS_MAX

    event = rollout_steered(KEY, decided((ASKED,) * REASONS_MAX, suspects=suspects), SENT, AT)

    assert "reasonsOmitted" not in event.detail
    assert "suspectsOmitted" not in event.detail


def test_the_longest_fence_is_told_uncut() -> None:
    """All that AWS would stop the job at can be read: the sentence fits into a text."""
    kinds = ("ALL", "TIMED_OUT", "FAILED", "REJECTED")
    criteria = " or ".join(f"99.99 % {kind} of at least 9999999 executed" for kind in kinds)
    fence = reason(
        ReasonCode.FENCE_INSTALLED,
        criteria=criteria,
        exposed_up_to=9999999,
        risk=0.2,
        rate=1000,
        turned=0.9,
        unattended=9999999,
        later=9999999,
        minutes=10080,
    )

    event = rollout_steered(KEY, decided((fence,)), SENT, AT)

    (told,) = event.detail["reasons"]
    assert told["text"] == fence.text
    assert told["values"]["criteria"] == criteria


@given(st.floats(0, 4_000_000_000))
def test_every_moment_is_told_as_the_schema_says(at: float) -> None:
    """Time is UTC to the millisecond, in one form, whole seconds included."""
    assert_valid(policy_adjusted(KEY, "firmware", 2, "on-call", "why not", at))


@pytest.mark.parametrize("action", list(Rescue))
@pytest.mark.parametrize(("number", "omitted"), [(1, None), (THINGS_MAX, None), (53, 3)])
def test_executions_that_were_stuck_are_told_by_name(
    action: Rescue, number: int, omitted: int | None
) -> None:
    """Who looks after the devices learns which they are, and how many if they are too many."""
    things = [f"pump-{n}" for n in range(number)]

    event = execution_reaped(KEY, action, things, 45.5, AT)

    assert event.detail_type == "Execution Reaped"
    assert (event.detail["action"], event.detail["devices"]) == (action.value, number)
    assert event.detail["afterMinutes"] == 45.5
    assert event.detail["things"] == things[:THINGS_MAX]
    assert event.detail.get("thingsOmitted") == omitted
    assert_valid(event)


@pytest.mark.parametrize("remedy", list(Remedy))
def test_a_cohort_that_fails_is_told_by_itself(remedy: Remedy) -> None:
    """A rule on the bus sees the cohort and what is done about it without reading decisions."""
    event = cohort_suspect(KEY, suspect("thing.type=pump", remedy), 7, AT)

    assert event.detail_type == "Cohort Suspect"
    assert (event.detail["cohort"], event.detail["revision"]) == ("thing.type=pump", 7)
    assert (event.detail["harmed"], event.detail["remedy"]) == (9, remedy.value)
    assert_valid(event)


def test_a_cohort_can_be_released_by_the_name_that_it_was_told_by() -> None:
    """The longest name that there is can be sent back in a command, and is told whole."""
    name = f"thing.attributes.{'k' * 128}={'v' * 120}"
    assert len(name) <= COHORT_LENGTH_MAX
    told = cohort_suspect(KEY, suspect(name), 7, AT).detail["cohort"]
    detail = {"jobId": "fw-2", "cohort": told, "by": "on-call", "reason": "a broken charger"}

    command = parse_command(
        {"source": "tidegate.operator", "detail-type": "Release Cohort", "detail": detail}
    )

    assert command == ReleaseCohort("fw-2", name, "on-call", "a broken charger")
    event = cohort_released(KEY, name, "on-call", "a broken charger", AT)
    assert event.detail_type == "Cohort Released"
    expected = {"cohort": name, "by": "on-call", "reason": "a broken charger"}
    assert {member: event.detail[member] for member in expected} == expected
    assert_valid(event)


REPORT_ID = "c54b7cd4-2a3f-4b0c-8d9f-5b3c9c1a2f60"
UPDATE = ExecutionUpdate("fw-2", "pump-1", ExecutionStatus.IN_PROGRESS)
REPORT = DeviceReport(REPORT_ID, "plant-7.gateway", AT, UPDATE)
EXECUTION = Execution(
    job_id="fw-2",
    thing_name="pump-1",
    status=ExecutionStatus.SUCCEEDED,
    execution_number=2,
    version_number=5,
    queued_at=AT,
    updated_at=AT,
    status_details={"step": "done"},
)


def test_a_report_that_is_refused_is_told_with_what_is_really_so() -> None:
    """Whoever reported finds its own report by its id, and sees what to report instead."""
    event = report_refused(
        REPORT_ID, "plant-7.gateway", UPDATE, "it is over", "Report nothing more.", EXECUTION, AT
    )

    assert event == BusEvent(
        "Device Report Refused",
        {
            "version": "1",
            "at": "2025-11-24T16:08:31.250Z",
            "jobId": "fw-2",
            "thingName": "pump-1",
            "reportId": REPORT_ID,
            "reporter": "plant-7.gateway",
            "problem": "it is over",
            "remedy": "Report nothing more.",
            "execution": {
                "status": "SUCCEEDED",
                "executionNumber": 2,
                "versionNumber": 5,
                "statusDetails": {"step": "done"},
            },
        },
    )
    assert_valid(event)


@given(
    st.text(),
    st.text() | st.sampled_from(["\ud800" * 300]),
    st.none() | st.text() | st.just("fw-2"),
    st.none() | st.text() | st.just("site:7:pump-1"),
    st.text() | st.sampled_from(["\udfff" * 5000]),
)
def test_whatever_a_report_is_it_can_be_refused(
    report_id: str, source: str, job_id: str | None, thing_name: str | None, problem: str
) -> None:
    """The answer to garbage is sound: it fits its schema, and the bus takes it."""
    event = report_refused(
        report_id, source, None, problem, "", None, AT, job_id=job_id, thing_name=thing_name
    )

    assert_valid(event)
    assert len(json.dumps(event.detail, ensure_ascii=False).encode()) < ENTRY_BYTES_MAX


@pytest.mark.parametrize(
    ("updated", "told"),
    [
        (Updated(), {}),
        (
            Updated(ExecutionStatus.IN_PROGRESS, 3, {"step": "install"}),
            {
                "executionState": {
                    "status": "IN_PROGRESS",
                    "versionNumber": 3,
                    "statusDetails": {"step": "install"},
                }
            },
        ),
        (Updated(document='{"steps": []}'), {"jobDocument": '{"steps": []}'}),
        (Updated(document='"' * 200_000), {"jobDocumentOmitted": 200_000}),
    ],
)
def test_a_report_that_is_in_force_is_answered_with_what_it_asked_for(
    updated: Updated, told: dict[str, Any]
) -> None:
    """A gateway that asked gets state and document, as far as an event has room for them."""
    event = report_applied(REPORT, updated, AT)

    assert event.detail_type == "Device Report Applied"
    assert event.detail == {
        "version": "1",
        "at": "2025-11-24T16:08:31.250Z",
        "jobId": "fw-2",
        "thingName": "pump-1",
        "reportId": REPORT_ID,
        "reporter": "plant-7.gateway",
        **told,
    }
    assert_valid(event)


def test_the_final_record_names_the_rollouts_that_it_is_linked_with() -> None:
    """Whoever reads of a stopped release finds the job that undoes it, and the other way round."""
    evidence = decided((ASKED,)).evidence
    stopped = replace(ROLLOUT, rolled_back_by="release-7-rollback")
    undoing = replace(ROLLOUT, rolls_back="release-7")

    records = [
        final_record(rollout, Ending.ABORTED, evidence, STEPS, AT)
        for rollout in (stopped, undoing, ROLLOUT)
    ]

    assert [
        {name: each[name] for name in ("rollsBack", "rolledBackBy") if name in each}
        for each in records
    ] == [{"rolledBackBy": "release-7-rollback"}, {"rollsBack": "release-7"}, {}]


TURN = Turn("fw-3", ROLLOUT.execution_arn, "firmware", ("fw-1", "fw-2"), AT - 60)


def test_a_launch_that_waits_says_for_whom_and_how_to_give_it_up() -> None:
    """There is no rollout yet to name; the command needs but a name and a reason."""
    event = launch_waiting(TURN, AT)

    assert "rolloutId" not in event.detail
    assert (event.detail["jobId"], event.detail["behind"]) == ("fw-3", ["fw-1", "fw-2"])
    assert event.detail["since"] == "2025-11-24T16:07:31.250Z"
    assert "fw-1, fw-2" in event.detail["summary"]
    assert_valid(event)
    ready = event.detail["giveUp"]
    filled = {**ready["detail"], "by": "release-desk", "reason": "2.6 comes instead"}
    sent = {"source": ready["source"], "detail-type": ready["detailType"], "detail": filled}
    assert parse_command(sent) == AbortRollout("fw-3", "release-desk", "2.6 comes instead")


def test_a_launch_that_waits_for_many_names_some() -> None:
    """The event stays short, and says how many there are beyond."""
    event = launch_waiting(replace(TURN, behind=tuple(f"job-{n}" for n in range(20))), AT)

    assert len(event.detail["behind"]) == 16
    assert event.detail["behindOmitted"] == 4
    assert "job-15 and 4 more;" in event.detail["summary"]
    assert_valid(event)


def test_a_launch_that_was_given_up_says_by_whom() -> None:
    """It is never created: that is all that there is to know."""
    given_up = replace(TURN, given_up=AbortRequest("release-desk", "wrong image", AT))
    event = launch_given_up(given_up, AT)

    assert (event.detail["by"], event.detail["reason"]) == ("release-desk", "wrong image")
    assert "its job is not created" in event.detail["summary"]
    assert_valid(event)
    with pytest.raises(ValueError, match="not given up"):
        launch_given_up(TURN, AT)
