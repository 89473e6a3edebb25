"""
Events of the account's default bus: what changed around a rollout, or beside it.

They only wake; what counts is what the service says when it is asked. So no more is read than what
tells whom to wake, and what is not for Tidegate is nothing at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from tidegate.documents.events import ARN_LENGTH_MAX, EventError
from tidegate.documents.shapes import JOB_ID, shown

ALARM_NAME_LENGTH_MAX = 255
STATUS_LENGTH_MAX = 64

#: The status of a workflow execution that goes on.
RUNNING = "RUNNING"


@dataclass(frozen=True, slots=True)
class AlarmChanged:
    """A CloudWatch alarm of this name changed its state."""

    name: str


@dataclass(frozen=True, slots=True)
class CalendarChanged:
    """A change calendar opened or closed; ``calendar`` is its ARN."""

    calendar: str

    @property
    def name(self) -> str:
        """The calendar's name, by which policies may call it as well."""
        return self.calendar.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class JobCreated:
    """Somebody created a job, Tidegate itself perhaps."""

    job_id: str


@dataclass(frozen=True, slots=True)
class ExecutionEnded:
    """A workflow execution is over; ``status`` is what Step Functions calls its end."""

    execution_arn: str
    status: str


OutsideEvent = AlarmChanged | CalendarChanged | JobCreated | ExecutionEnded


def parse_outside(event: Mapping[str, Any]) -> OutsideEvent | None:
    """
    Return what an event of the default bus tells; None if it tells nothing that matters here.

    Args:
        event: As EventBridge delivers it: ``source``, ``detail-type``, ``resources``, ``detail``.

    Raises:
        EventError: It is one of these events, but not of its form.
    """
    source, kind = event.get("source"), event.get("detail-type")
    if not isinstance(source, str) or not isinstance(kind, str):
        return None
    read = _READERS.get((source, kind))
    return None if read is None else read(kind, event)


def _alarm_changed(kind: str, event: Mapping[str, Any]) -> AlarmChanged:
    detail = _object(kind, "detail", event.get("detail"))
    name = detail.get("alarmName")
    return AlarmChanged(_text(kind, "detail.alarmName", name, ALARM_NAME_LENGTH_MAX))


def _calendar_changed(kind: str, event: Mapping[str, Any]) -> CalendarChanged:
    resources = event.get("resources")
    first = resources[0] if isinstance(resources, list) and resources else None
    return CalendarChanged(_text(kind, "resources[0]", first, ARN_LENGTH_MAX))


def _job_created(kind: str, event: Mapping[str, Any]) -> JobCreated | None:
    detail = _object(kind, "detail", event.get("detail"))
    if detail.get("eventName") != "CreateJob" or detail.get("errorCode") is not None:
        return None
    parameters = _object(kind, "detail.requestParameters", detail.get("requestParameters"))
    job_id = parameters.get("jobId")
    if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
        _refuse(kind, "detail.requestParameters.jobId", job_id, "a job id")
    return JobCreated(job_id)


def _execution_ended(kind: str, event: Mapping[str, Any]) -> ExecutionEnded | None:
    detail = _object(kind, "detail", event.get("detail"))
    status = _text(kind, "detail.status", detail.get("status"), STATUS_LENGTH_MAX)
    if status == RUNNING:
        return None
    arn = _text(kind, "detail.executionArn", detail.get("executionArn"), ARN_LENGTH_MAX)
    return ExecutionEnded(arn, status)


_READERS: Mapping[tuple[str, str], Callable[[str, Mapping[str, Any]], OutsideEvent | None]] = {
    ("aws.cloudwatch", "CloudWatch Alarm State Change"): _alarm_changed,
    ("aws.ssm", "Calendar State Change"): _calendar_changed,
    ("aws.iot", "AWS API Call via CloudTrail"): _job_created,
    ("aws.states", "Step Functions Execution Status Change"): _execution_ended,
}


def _object(kind: str, name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        _refuse(kind, name, value, "an object")
    return value


def _text(kind: str, name: str, value: object, length_max: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= length_max:
        _refuse(kind, name, value, f"a text of 1 to {length_max} characters")
    return value


def _refuse(kind: str, name: str, value: object, expected: str) -> NoReturn:
    state = "is missing" if value is None else f"is {shown(value)}"
    message = f"{kind}: {name} {state}, but {expected} is expected"
    raise EventError(message)
