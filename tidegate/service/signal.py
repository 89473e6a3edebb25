"""Signal: what people ask of a rollout, and what wakes it besides outcomes."""

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
from tidegate.domain.rollout import AbortRequest, Hold, HoldKind, Rollout, RolloutKey
from tidegate.errors import RetryLater
from tidegate.ports import Bus, BusEvent, Ledger, Workflow
from tidegate.service.waiting import wake

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
            # One event has one time: delivered twice, it names the same execution.
            name = RolloutKey(command.job_id, int(at)).execution_name(1)
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
