"""
What Tidegate tells the world: one pure function per event that it puts on the bus.

EventBridge carries 256 KB in one entry; reasons and suspects are bounded in number and in length,
so that whatever a decision rests on can be told.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from tidegate.documents.detail_types import (
    ABORT_ROLLOUT,
    APPROVE_DECISION,
    APPROVE_GATE,
    OPERATOR_SOURCE,
    REJECT_DECISION,
    REJECT_GATE,
)
from tidegate.documents.links import Consoles
from tidegate.documents.record import fitted, moment
from tidegate.documents.reports import SOURCE_LENGTH_MAX, DeviceReport
from tidegate.documents.shapes import COHORT_LENGTH_MAX, JOB_ID, THING_NAME, VERSION
from tidegate.domain.cohorts import Suspect
from tidegate.domain.course import About, Answer, Proposal, Question
from tidegate.domain.decision import AtGate, Decision
from tidegate.domain.executions import Execution, ExecutionUpdate, Updated
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import Authority, Rescue
from tidegate.domain.reasons import Reason, Value
from tidegate.domain.rollout import Ending, Hold, Lift, Rollout, RolloutKey
from tidegate.domain.settings import JobSettings
from tidegate.domain.turn import Turn
from tidegate.ports import BusEvent

_Item = TypeVar("_Item")

LAUNCH_WAITING = "Launch Waiting"
LAUNCH_GIVEN_UP = "Launch Given Up"
ROLLOUT_STARTED = "Rollout Started"
ROLLOUT_STEERED = "Rollout Steered"
ROLLOUT_HELD = "Rollout Held"
ROLLOUT_RESUMED = "Rollout Resumed"
ROLLOUT_ABORTED = "Rollout Aborted"
ROLLOUT_COMPLETED = "Rollout Completed"
ROLLOUT_NEEDS_ATTENTION = "Rollout Needs Attention"
GATE_REACHED = "Gate Reached"
GATE_PASSED = "Gate Passed"
APPROVAL_REQUESTED = "Approval Requested"
DECISION_PROPOSED = "Decision Proposed"
POLICY_ADJUSTED = "Policy Adjusted"
ROLLBACK_LAUNCHED = "Rollback Launched"
COMMAND_REFUSED = "Command Refused"
EXECUTION_REAPED = "Execution Reaped"
COHORT_SUSPECT = "Cohort Suspect"
COHORT_RELEASED = "Cohort Released"
DEVICE_REPORT_REFUSED = "Device Report Refused"
DEVICE_REPORT_APPLIED = "Device Report Applied"

#: Reasons told of one decision; ``reasonsOmitted`` says how many there were beyond.
REASONS_MAX = 16

#: Failing cohorts told of one decision; ``suspectsOmitted`` says how many there were beyond.
SUSPECTS_MAX = 16

#: Lifted holds told of one resumption; ``liftedOmitted`` says how many there were beyond.
HOLDS_MAX = 16

#: Jobs told that a launch waits for; ``behindOmitted`` says how many there were beyond.
JOBS_MAX = 16

#: Things told of one pass over stuck executions; ``thingsOmitted`` says how many there were beyond.
THINGS_MAX = 50

#: Answers told of one gate, which asks two questions at most.
ANSWERS_MAX = 2

#: Characters of one text in an event; a longer one is cut and ends in an ellipsis.
TEXT_LENGTH_MAX = 500

#: The same of a text among the values of a reason, which is part of the reason's text.
VALUE_LENGTH_MAX = 250

#: Characters of a problem and of its remedy: all the faults of a policy, as a rule.
PROBLEM_LENGTH_MAX = 4000

#: Of the id of a job that there may be no rollout of, and that may be no job's id at all.
JOB_ID_LENGTH_MAX = 64

#: Of an event's detail type and of its id, whoever sent it.
LABEL_LENGTH_MAX = 128

#: Of an event's detail as JSON, so that the entry stays below EventBridge's 256 KB.
DETAIL_BYTES_MAX = 250_000


def launch_waiting(turn: Turn, at: float) -> BusEvent:
    """Say that a launch waits for others to be over, and how to give it up."""
    told, more = ", ".join(turn.behind[:JOBS_MAX]), len(turn.behind) - JOBS_MAX
    others = f"{told} and {more} more" if more > 0 else told
    summary = (
        f"job {turn.job_id} waits for its turn since {moment(turn.since)}: jobs that have some of "
        f"the same things go on: {others}; it begins by itself when they are over, and is given "
        f"up by {ABORT_ROLLOUT}"
    )
    detail = {"version": VERSION, "jobId": turn.job_id, "by": "", "reason": ""}
    return BusEvent(
        LAUNCH_WAITING,
        {
            **_of_turn(turn, at),
            **_first("behind", turn.behind, JOBS_MAX, str),
            "summary": _cut(summary, PROBLEM_LENGTH_MAX),
            "giveUp": {"source": OPERATOR_SOURCE, "detailType": ABORT_ROLLOUT, "detail": detail},
        },
    )


def launch_given_up(turn: Turn, at: float) -> BusEvent:
    """Say that a launch that waited was given up, so that its job is not created."""
    request = turn.given_up
    if request is None:
        message = f"the launch of job {turn.job_id} was not given up"
        raise ValueError(message)
    summary = (
        f"{request.by} gave up the launch of job {turn.job_id}, which waited for its turn: "
        f"{request.reason}; its job is not created"
    )
    return BusEvent(
        LAUNCH_GIVEN_UP,
        {
            **_of_turn(turn, at),
            "by": _cut(request.by),
            "reason": _cut(request.reason),
            "summary": _cut(summary, PROBLEM_LENGTH_MAX),
        },
    )


def rollout_started(rollout: Rollout, at: float) -> BusEvent:
    """Say that a rollout is steered from now on, or by a fresh workflow execution."""
    size = {} if rollout.fleet_size is None else {"fleetSize": rollout.fleet_size}
    return _event(
        ROLLOUT_STARTED,
        rollout.key,
        at,
        policy=rollout.policy.name,
        generation=rollout.generation,
        executionArn=rollout.execution_arn,
        **size,
    )


def rollout_steered(key: RolloutKey, decision: Decision, sent: JobSettings, at: float) -> BusEvent:
    """Say that a decision to go on was applied; ``sent`` is what UpdateJob really got."""
    return _event(ROLLOUT_STEERED, key, at, **_steering(decision, sent))


def rollout_held(key: RolloutKey, decision: Decision, sent: JobSettings, at: float) -> BusEvent:
    """Say that a decision to hold was applied; ``sent`` is what UpdateJob really got."""
    return _event(ROLLOUT_HELD, key, at, **_steering(decision, sent))


def rollout_resumed(
    key: RolloutKey, lifted: Sequence[Hold], lift: Lift | None, at: float
) -> BusEvent:
    """
    Say that no hold stands any more.

    Args:
        key: The rollout.
        lifted: The holds that are gone, oldest first.
        lift: Who lifted those of operators; None if nobody had to.
        at: Epoch seconds.
    """
    by = {} if lift is None else {"by": _cut(lift.by), "reason": _cut(lift.reason)}
    return _event(ROLLOUT_RESUMED, key, at, **_first("lifted", lifted, HOLDS_MAX, _hold), **by)


def rollout_aborted(
    key: RolloutKey, decision: Decision, at: float, *, record: Mapping[str, Any] | None = None
) -> BusEvent:
    """
    Say that a rollout is over before its end, by Tidegate, by AWS or by somebody else.

    Args:
        key: The rollout.
        decision: The one that ended it.
        at: Epoch seconds.
        record: As ``final_record`` makes it; left out where there is none.
    """
    ending = decision.ending or Ending.ABORTED
    return _ended(ROLLOUT_ABORTED, key, decision, ending, at, record=record)


def rollout_completed(
    key: RolloutKey,
    decision: Decision,
    at: float,
    *,
    guarded: bool = False,
    record: Mapping[str, Any] | None = None,
) -> BusEvent:
    """
    Say that a rollout ran to its end.

    Args:
        key: The rollout.
        decision: The one that ended it.
        at: Epoch seconds.
        guarded: Whether devices that join the job late are guarded from now on.
        record: As ``final_record`` makes it; left out where there is none.
    """
    ending = decision.ending or Ending.COMPLETED
    return _ended(ROLLOUT_COMPLETED, key, decision, ending, at, record=record, guarded=guarded)


def gate_reached(key: RolloutKey, gate: AtGate, decision: Decision, at: float) -> BusEvent:
    """Say that a rollout stands at a gate, what that waits for, and how to answer if asked."""
    members: dict[str, Any] = {"gate": gate.name, "awaits": list(gate.waits_for)}
    if "bake" in gate.waits_for:
        members["bakeUntil"] = moment(gate.bake_until)
    for question in decision.asked:
        if question.about is About.GATE_ANSWER and question.subject == gate.name:
            members |= _asking(key, question, "answerBy")
    return _event(
        GATE_REACHED, key, at, revision=decision.revision, **members, **_grounds(decision)
    )


def gate_passed(key: RolloutKey, gate_name: str, answers: Sequence[Answer], at: float) -> BusEvent:
    """Say that a gate is behind the rollout, and what was answered at it."""
    told = [
        {
            "correlationId": each.question_id,
            "yes": each.yes,
            "by": _cut(each.by),
            "comment": _cut(each.comment),
            "at": moment(each.at),
        }
        for each in answers[:ANSWERS_MAX]
    ]
    return _event(GATE_PASSED, key, at, gate=gate_name, answers=told)


def approval_requested(
    rollout: Rollout,
    question: Question,
    decision: Decision,
    at: float,
    *,
    settings: JobSettings | None = None,
) -> BusEvent:
    """
    Ask a person, with all that there is to know and the commands to answer with.

    Args:
        rollout: The rollout.
        question: What is asked.
        decision: The one that asks.
        at: Epoch seconds.
        settings: What a yes puts in force; None: what the decision has in force meanwhile.
    """
    key, consoles = rollout.key, Consoles.of_arn(rollout.execution_arn)
    asked = decision.settings if settings is None else settings
    named = "action" if question.about is About.DECISION else "gate"
    return _event(
        APPROVAL_REQUESTED,
        key,
        at,
        about=question.about.value,
        subject=question.subject,
        **{named: question.subject},
        summary=_cut(decision.summary),
        revision=decision.revision,
        settings=asked.to_request(),
        **_grounds(decision),
        **_asking(key, question, "dueAt"),
        links={
            "execution": consoles.execution(rollout.execution_arn),
            "job": consoles.job(key.job_id),
        },
    )


def decision_proposed(
    key: RolloutKey, proposal: Proposal, authority: Authority, decision: Decision, at: float
) -> BusEvent:
    """Say what Tidegate would do if it were allowed to; nobody is asked under ``observe``."""
    asked: dict[str, Any] = {}
    if authority is not Authority.OBSERVE:
        asked = _asking(key, proposal.question, "dueAt")
    return _event(
        DECISION_PROPOSED,
        key,
        at,
        action=proposal.action.value,
        authority=authority.value,
        revision=decision.revision,
        settings=proposal.settings.to_request(),
        **asked,
        **_grounds(decision),
    )


def policy_adjusted(  # noqa: PLR0917 - in the order in which it is told
    key: RolloutKey, policy_name: str, version: int, by: str, reason: str, at: float
) -> BusEvent:
    """Say that a rollout goes on under another policy, the ``version``-th that it has."""
    return _event(
        POLICY_ADJUSTED,
        key,
        at,
        policy=policy_name,
        policyVersion=version,
        by=_cut(by),
        reason=_cut(reason),
    )


def rollback_launched(
    key: RolloutKey,
    job_id: str,
    devices: int,
    at: float,
    *,
    statuses: Iterable[ExecutionStatus] = (),
) -> BusEvent:
    """
    Say that a job undoes the rollout.

    Args:
        key: The rollout that was aborted.
        job_id: The job that undoes it.
        devices: How many it is for so far: those at work may follow.
        at: Epoch seconds.
        statuses: Outcomes of the bad release that it is for.
    """
    members: dict[str, Any] = {"rollbackJobId": job_id, "devices": devices}
    if outcomes := sorted(each.value for each in statuses):
        members["statuses"] = outcomes
    return _event(ROLLBACK_LAUNCHED, key, at, **members)


def refusal_of(event: Mapping[str, Any], problem: str, remedy: str, at: float) -> BusEvent:
    """
    Say that a command was not done, whatever it was: the answer to it, once and for all.

    Args:
        event: The command as it was delivered; anything may stand in it.
        problem: Why it was not done.
        remedy: What whoever sent it can do.
        at: Epoch seconds.
    """
    given = event.get("detail")
    job_id = given.get("jobId") if isinstance(given, Mapping) else None
    detail: dict[str, Any] = {"version": VERSION, "at": moment(at)}
    if isinstance(job_id, str) and JOB_ID.fullmatch(job_id):
        detail["jobId"] = job_id
    for name, label in (("command", event.get("detail-type")), ("commandId", event.get("id"))):
        if isinstance(label, str) and label:
            detail[name] = _cut(_sendable(label), LABEL_LENGTH_MAX)
    detail["problem"] = _cut(_sendable(problem), PROBLEM_LENGTH_MAX)
    detail["remedy"] = _cut(_sendable(remedy), PROBLEM_LENGTH_MAX)
    return BusEvent(COMMAND_REFUSED, detail)


def execution_reaped(
    key: RolloutKey, action: Rescue, things: Sequence[str], after_minutes: float, at: float
) -> BusEvent:
    """
    Say that executions without a sign of life were ended, or given more time.

    Args:
        key: The rollout.
        action: What was done.
        things: The names of all devices that it was done for.
        after_minutes: How long they had given no sign of life, at least.
        at: Epoch seconds.
    """
    return _event(
        EXECUTION_REAPED,
        key,
        at,
        action=action.value,
        devices=len(things),
        afterMinutes=after_minutes,
        **_first("things", things, THINGS_MAX, str),
    )


def cohort_suspect(key: RolloutKey, suspect: Suspect, revision: int, at: float) -> BusEvent:
    """Say that the release is bad for a cohort of devices, and what is done about it."""
    return _event(COHORT_SUSPECT, key, at, revision=revision, **_suspect(suspect))


def cohort_released(key: RolloutKey, cohort: str, by: str, reason: str, at: float) -> BusEvent:
    """Say that somebody wants a cohort treated like all others again."""
    return _event(
        COHORT_RELEASED,
        key,
        at,
        cohort=_cut(cohort, COHORT_LENGTH_MAX),
        by=_cut(by),
        reason=_cut(reason),
    )


def report_refused(  # noqa: PLR0917 - in the order in which it is told
    report_id: str,
    source: str,
    update: ExecutionUpdate | None,
    problem: str,
    remedy: str,
    execution: Execution | None,
    at: float,
    *,
    job_id: str | None = None,
    thing_name: str | None = None,
) -> BusEvent:
    """
    Say that a report for a device changed nothing, once and for all.

    Args:
        report_id: The id of the report's event.
        source: Who sent it; anything may stand there.
        update: What it asked for; None if it could not be read.
        problem: Why it was not done.
        remedy: What whoever sent it can do.
        execution: What is really so; None if it is not known.
        at: Epoch seconds.
        job_id: As far as it could be read where there is no ``update``.
        thing_name: The same.
    """
    if update is not None:
        job_id, thing_name = update.job_id, update.thing_name
    detail = _of_report(report_id, source, job_id, thing_name, at)
    detail["problem"] = _cut(_sendable(problem), PROBLEM_LENGTH_MAX)
    detail["remedy"] = _cut(_sendable(remedy), PROBLEM_LENGTH_MAX)
    if execution is not None:
        detail["execution"] = {
            "status": execution.status.value,
            "executionNumber": execution.execution_number,
            "versionNumber": execution.version_number,
            "statusDetails": dict(execution.status_details),
        }
    return BusEvent(DEVICE_REPORT_REFUSED, detail)


def report_applied(report: DeviceReport, updated: Updated, at: float) -> BusEvent:
    """
    Say that a report for a device is in force, with the state and the document it asked for.

    A document that is too long for an event is left out; ``jobDocumentOmitted`` counts its
    characters.
    """
    update = report.update
    detail = _of_report(report.report_id, report.source, update.job_id, update.thing_name, at)
    state: dict[str, Any] = {}
    if updated.status is not None:
        state["status"] = updated.status.value
    if updated.version_number is not None:
        state["versionNumber"] = updated.version_number
    if updated.status_details is not None:
        state["statusDetails"] = dict(updated.status_details)
    if state:
        detail["executionState"] = state
    if updated.document is None:
        return BusEvent(DEVICE_REPORT_APPLIED, detail)
    whole = detail | {"jobDocument": _sendable(updated.document)}
    if len(json.dumps(whole, ensure_ascii=False).encode()) > DETAIL_BYTES_MAX:
        whole = detail | {"jobDocumentOmitted": len(updated.document)}
    return BusEvent(DEVICE_REPORT_APPLIED, whole)


def needs_attention(
    job_id: str | None,
    problem: str,
    remedy: str,
    at: float,
    *,
    key: RolloutKey | None = None,
    revision: int | None = None,
    command_id: str | None = None,
) -> BusEvent:
    """
    Say what people should look at, and what they can do.

    Args:
        job_id: The job's; None where it is about none, but about the account.
        problem: What is wrong.
        remedy: What people can do.
        at: Epoch seconds.
        key: The rollout; None where none exists.
        revision: Of the decision that it is about.
        command_id: Of the event of the command that this answers; None if it answers none.
    """
    detail = _detail(None if job_id is None else _cut(job_id, JOB_ID_LENGTH_MAX), key, at)
    detail["problem"] = _cut(problem, PROBLEM_LENGTH_MAX)
    detail["remedy"] = _cut(remedy, PROBLEM_LENGTH_MAX)
    if revision is not None:
        detail["revision"] = revision
    if command_id is not None:
        detail["commandId"] = command_id
    return BusEvent(ROLLOUT_NEEDS_ATTENTION, detail)


def _event(detail_type: str, key: RolloutKey, at: float, **members: object) -> BusEvent:
    return BusEvent(detail_type, _detail(key.job_id, key, at) | members)


def _detail(job_id: str | None, key: RolloutKey | None, at: float) -> dict[str, Any]:
    detail: dict[str, Any] = {"version": VERSION}
    if job_id is not None:
        detail["jobId"] = job_id
    if key is not None:
        detail["rolloutId"] = f"{key.job_id}#{key.created_at}"
    detail["at"] = moment(at)
    return detail


def _of_turn(turn: Turn, at: float) -> dict[str, Any]:
    return {
        **_detail(turn.job_id, None, at),
        "policy": turn.policy_name,
        "executionArn": turn.execution_arn,
        "since": moment(turn.since),
    }


def _of_report(
    report_id: str, source: str, job_id: str | None, thing_name: str | None, at: float
) -> dict[str, Any]:
    detail: dict[str, Any] = {"version": VERSION, "at": moment(at)}
    if job_id is not None and JOB_ID.fullmatch(job_id):
        detail["jobId"] = job_id
    if thing_name is not None and THING_NAME.fullmatch(thing_name):
        detail["thingName"] = thing_name
    detail["reportId"] = _cut(_sendable(report_id), LABEL_LENGTH_MAX)
    detail["reporter"] = _cut(_sendable(source), SOURCE_LENGTH_MAX)
    return detail


def _hold(hold: Hold) -> dict[str, Any]:
    return {
        "kind": hold.kind.value,
        "by": _cut(hold.by),
        "reason": _cut(hold.reason),
        "since": moment(hold.since),
    }


def _asking(key: RolloutKey, question: Question, due: str) -> dict[str, Any]:
    """
    Return how to answer a question: by when, in a member of the name ``due``, and by what commands.

    Who answers and why is empty in these.
    """
    by = {} if question.due_at is None else {due: moment(question.due_at)}
    is_decision = question.about is About.DECISION
    ways = {
        "approve": APPROVE_DECISION if is_decision else APPROVE_GATE,
        "reject": REJECT_DECISION if is_decision else REJECT_GATE,
    }
    detail = {
        "version": VERSION,
        "jobId": key.job_id,
        "correlationId": question.question_id,
        "by": "",
        "comment": "",
    }
    commands = {
        name: {"source": OPERATOR_SOURCE, "detailType": detail_type, "detail": dict(detail)}
        for name, detail_type in ways.items()
    }
    return {"correlationId": question.question_id, **by, **commands}


def _steering(decision: Decision, sent: JobSettings) -> dict[str, Any]:
    return {
        "revision": decision.revision,
        "verdict": decision.verdict.value,
        **_grounds(decision),
        "settings": decision.settings.to_request(),
        "replaces": decision.replaces.to_request(),
        "sent": sent.to_request(),
    }


def _ended(
    detail_type: str,
    key: RolloutKey,
    decision: Decision,
    ending: Ending,
    at: float,
    *,
    record: Mapping[str, Any] | None,
    **members: object,
) -> BusEvent:
    told = {
        "ending": ending.value,
        "summary": _cut(decision.summary),
        "revision": decision.revision,
        **members,
        **_grounds(decision),
    }
    event = _event(detail_type, key, at, **told)
    if record is None:
        return event
    taken = len(json.dumps(event.detail, ensure_ascii=False).encode())
    lines = [each | {"text": _cut(each["text"])} for each in record["timeline"]]
    told["record"] = fitted({**record, "timeline": lines}, DETAIL_BYTES_MAX - taken)
    return _event(detail_type, key, at, **told)


def _grounds(decision: Decision) -> dict[str, Any]:
    suspects = decision.suspects
    return {
        "evidence": asdict(decision.evidence),
        **_first("reasons", decision.reasons, REASONS_MAX, _reason),
        **(_first("suspects", suspects, SUSPECTS_MAX, _suspect) if suspects else {}),
    }


def _first(
    name: str, items: Sequence[_Item], at_most: int, told: Callable[[_Item], object]
) -> dict[str, Any]:
    """Return the first items as a member of that name, and how many there are beyond."""
    members: dict[str, Any] = {name: [told(each) for each in items[:at_most]]}
    if len(items) > at_most:
        members[f"{name}Omitted"] = len(items) - at_most
    return members


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code.value,
        "text": _cut(reason.text),
        "values": _values(reason.values),
    }


def _suspect(suspect: Suspect) -> dict[str, Any]:
    return asdict(suspect) | {
        "cohort": _cut(suspect.cohort, COHORT_LENGTH_MAX),
        "remedy": suspect.remedy.value,
    }


def _values(values: Mapping[str, Value]) -> dict[str, Value]:
    return {
        name: _cut(value, VALUE_LENGTH_MAX) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _sendable(text: str) -> str:
    """Return a text that can be sent: half a character, a lone surrogate, becomes a ``?``."""
    return text.encode(errors="replace").decode()


def _cut(text: str, length_max: int = TEXT_LENGTH_MAX) -> str:
    return text if len(text) <= length_max else text[: length_max - 1] + "…"
