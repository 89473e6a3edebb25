"""Signal: what people ask of a rollout, and what wakes it besides outcomes."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidegate.documents.announcements import needs_attention, rollout_resumed
from tidegate.documents.commands import (
    AbortRollout,
    CommandError,
    EnrollJob,
    HoldRollout,
    LaunchRollout,
    ResumeRollout,
    parse_command,
)
from tidegate.domain.rollout import (
    EXECUTION_NAME_LENGTH_MAX,
    AbortRequest,
    Hold,
    HoldKind,
    Rollout,
)
from tidegate.errors import RetryLater
from tidegate.ports import Bus, BusEvent, Ledger, Workflow
from tidegate.service.waiting import wake

#: EventBridge's ids are UUIDs; they become part of an execution's name.
EVENT_ID = re.compile(r"[a-zA-Z0-9-]{1,64}")

Request = HoldRollout | ResumeRollout | AbortRollout


def signal(event: Mapping[str, Any], *, ledger: Ledger, workflow: Workflow, bus: Bus) -> None:
    """
    Do what an operator's event asks for; the same event again changes nothing.

    Args:
        event: As EventBridge delivers it, with its own ``time``.
        ledger: Where holds and requests are kept.
        workflow: Starts and wakes executions.
        bus: Told where the event names no rollout.

    Raises:
        CommandError: It is no command, or a faulty one.
        RetryLater: AWS throttles; deliver the event again.
    """
    command = parse_command(event)
    at = _moment(event)
    match command:
        case LaunchRollout() | EnrollJob():
            name = _execution_name(command.job_id, event)
            workflow.start(name, command.enrolment().to_workflow_input())
        case HoldRollout() | ResumeRollout() | AbortRollout():
            _request(command, at, ledger=ledger, workflow=workflow, bus=bus)


def _moment(event: Mapping[str, Any]) -> float:
    """Return when the event was put on the bus."""
    try:
        return datetime.fromisoformat(event["time"]).timestamp()
    except (KeyError, TypeError, ValueError) as error:
        message = (
            f"a command without a time of its own ({event.get('time')!r}) did not come by the bus: "
            "only the bus rule of the stack should write to this queue"
        )
        raise CommandError(message) from error


def _execution_name(job_id: str, event: Mapping[str, Any]) -> str:
    """Return a name that is the event's own: the same if it is delivered again, and no other's."""
    event_id = event.get("id")
    if not isinstance(event_id, str) or not EVENT_ID.fullmatch(event_id):
        message = (
            f"a command whose id is {event_id!r} did not come by the bus, which gives each event a "
            "UUID: only the bus rule of the stack should write to this queue"
        )
        raise CommandError(message)
    return f"{job_id[: EXECUTION_NAME_LENGTH_MAX - len(event_id) - 1]}-{event_id}"


def _request(command: Request, at: float, *, ledger: Ledger, workflow: Workflow, bus: Bus) -> None:
    rollout = ledger.current([command.job_id]).get(command.job_id)
    state = _unaskable(command, rollout, at)
    if rollout is None or state is not None:
        problem = (
            f"{command.by} asked to {_verb(command)} job {command.job_id}, "
            f"but no rollout of it is running ({state})"
        )
        remedy = "Check the job id; to have a running job steered, send Enroll Job first."
        _publish(bus, needs_attention(command.job_id, problem, remedy, at))
        return
    key = rollout.key
    match command:
        case HoldRollout():
            ledger.place_hold(key, Hold(HoldKind.OPERATOR, command.by, command.reason, at))
        case ResumeRollout():
            ledger.lift_holds(key, HoldKind.OPERATOR, until=at)
            _publish(bus, rollout_resumed(key, command.by, command.reason, at))
        case AbortRollout():
            ledger.request_abort(key, AbortRequest(command.by, command.reason, at))
    wake(key, cause=f"{command.by}: {_verb(command)}", ledger=ledger, workflow=workflow)
    if not workflow.is_running(rollout.execution_arn):
        _publish(bus, _unattended(command, rollout, at))


def _unaskable(command: Request, rollout: Rollout | None, at: float) -> str | None:
    """Return why the request is about no rollout that goes on, None if it is."""
    if rollout is None:
        return "never enrolled"
    if rollout.ending is not None:
        return f"ended: {rollout.ending}"
    # Delivered late, or replayed from an archive; a hold errs on the safe side, an abort does not.
    if isinstance(command, AbortRollout) and at < rollout.key.created_at:
        return "asked before the job that has this id now was created"
    return None


def _unattended(command: Request, rollout: Rollout, at: float) -> BusEvent:
    """Return the answer to a request that is noted, but that nothing will act on by itself."""
    return needs_attention(
        command.job_id,
        f"{command.by} asked to {_verb(command)} job {command.job_id}, which is noted, but the "
        f"workflow that would do it does not run: {rollout.execution_arn}",
        "Start the workflow again with the job's id and policy: it goes on from the ledger. To "
        f"stop the job at once: aws iot cancel-job --job-id {command.job_id}",
        at,
        key=rollout.key,
    )


def _verb(command: Request) -> str:
    match command:
        case HoldRollout():
            return "hold"
        case ResumeRollout():
            return "resume"
        case AbortRollout():
            return "abort"


def _publish(bus: Bus, event: BusEvent) -> None:
    if bus.publish([event]):
        message = f"the bus did not take {event.detail_type!r}; deliver the command again"
        raise RetryLater(message)
