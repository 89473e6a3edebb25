"""
Events of AWS IoT Jobs: from what AWS publishes to what stands on the bus, and on to a sighting.

On the way of every event of a whole fleet, so checked by hand rather than by a model. Members that
are not read here may be there, whatever they are: AWS adds some from time to time. What AWS says
of these events: https://docs.aws.amazon.com/iot/latest/developerguide/events-jobs.html
"""

import json
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, NoReturn

from tidegate.documents.shapes import JOB_ID, THING_NAME, VERSION, shown
from tidegate.domain.executions import DETAIL_KEY, DETAIL_VALUE_LENGTH_MAX, STATUS_DETAILS_MAX
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import Sighting
from tidegate.errors import Refused
from tidegate.ports import BusEvent

IOT_SOURCE = "tidegate.iot"
JOB_EXECUTION_STATUS_CHANGE = "Job Execution Status Change"
JOB_STATUS_CHANGE = "Job Status Change"

#: The operation of an execution that somebody deleted; its ``status`` is the one before.
DELETED = "deleted"

#: The largest message that AWS IoT's broker carries.
EVENT_BYTES_MAX = 131_072

#: Above, a timestamp is in milliseconds: as seconds it would be in the year 5138.
SECONDS_MAX = 100_000_000_000

#: Of an execution number: AWS's type of it is a long.
EXECUTION_NUMBER_MAX = 2**63 - 1

TOKEN_LENGTH_MAX = 64
EVENT_ID_LENGTH_MAX = 128
ARN_LENGTH_MAX = 2048
REASON_CODE_LENGTH_MAX = 128
COMMENT_LENGTH_MAX = 2028

_STATUSES = frozenset(status.value for status in ExecutionStatus)
_JSON_SPACE = " \t\r\n"


class EventError(Refused):
    """
    An event is not what AWS publishes; the message says which object and what is wrong with it.

    try:
        event = parse_iot_event(record.body)
    except EventError as error:
        set_aside(record, str(error))   # trying again would end the same
    """


def parse_iot_event(body: str) -> BusEvent:
    """
    Return the bus event for a job or job-execution event as AWS IoT published it.

    Args:
        body: The JSON text of one event.

    Raises:
        EventError: It is no such event.
    """
    event = _object(body)
    kind = event.get("eventType")
    if kind == "JOB_EXECUTION":
        return _execution_event(event)
    if kind == "JOB":
        return _job_event(event)
    message = f"IoT event: eventType is {shown(kind)}, but JOB_EXECUTION or JOB is expected"
    raise EventError(message)


def sighting_from_detail(detail: Mapping[str, Any]) -> Sighting | None:
    """
    Return what a "Job Execution Status Change" tells the ledger; None if it tells nothing.

    A deleted execution tells nothing: its thing's outcome stays what it was.

    Raises:
        EventError: The detail is not of that event's form; its jobId can be relied on otherwise.
    """
    fields = _Fields("Job Execution Status Change", detail)
    if fields.get("version") != VERSION:
        fields.refuse("version", f'but "{VERSION}" is the only one there is')
    fields.matching("jobId", JOB_ID.fullmatch, "a job id")
    thing_name = fields.matching("thingName", THING_NAME.fullmatch, "a thing's name")
    operation = fields.token("operation", str.islower)
    at = fields.whole("timestamp", 0, SECONDS_MAX)
    execution_number = fields.whole("executionNumber", 1, EXECUTION_NUMBER_MAX)
    if operation == DELETED:
        return None
    return Sighting(
        thing_name=thing_name,
        status=fields.execution_status(),
        at=at,
        execution_number=execution_number,
        details=_status_details(detail.get("statusDetails")),
    )


def _status_details(given: object) -> dict[str, str]:
    """Return the pairs that are as AWS takes them: the outcome counts whatever the others are."""
    if not isinstance(given, Mapping):
        return {}
    pairs = (
        (key, value)
        for key, value in given.items()
        if isinstance(key, str) and DETAIL_KEY.fullmatch(key)
        if isinstance(value, str) and len(value) <= DETAIL_VALUE_LENGTH_MAX
    )
    return dict(islice(pairs, STATUS_DETAILS_MAX))


def _execution_event(event: dict[str, Any]) -> BusEvent:
    fields = _Fields("JOB_EXECUTION event", event)
    job_id = fields.matching("jobId", JOB_ID.fullmatch, "a job id")
    thing_arn = fields.text("thingArn", ARN_LENGTH_MAX)
    _, _, thing_name = thing_arn.partition(":thing/")
    if not THING_NAME.fullmatch(thing_name):
        fields.refuse("thingArn", "but an ARN that ends in :thing/NAME is expected")
    operation = fields.token("operation", str.islower)
    status = (
        fields.token("status", str.isupper)
        if operation == DELETED
        else fields.execution_status().value
    )
    detail: dict[str, Any] = {
        "version": VERSION,
        "jobId": job_id,
        "thingName": thing_name,
        "thingArn": thing_arn,
        "status": status,
        "operation": operation,
        "executionNumber": fields.whole("executionNumber", 1, EXECUTION_NUMBER_MAX, default=1),
        "timestamp": fields.seconds("timestamp"),
        "eventId": fields.text("eventId", EVENT_ID_LENGTH_MAX),
        "statusDetails": fields.texts("statusDetails"),
    }
    return BusEvent(JOB_EXECUTION_STATUS_CHANGE, detail, source=IOT_SOURCE, resources=(thing_arn,))


def _job_event(event: dict[str, Any]) -> BusEvent:
    fields = _Fields("JOB event", event)
    detail: dict[str, Any] = {
        "version": VERSION,
        "jobId": fields.matching("jobId", JOB_ID.fullmatch, "a job id"),
        # CANCELLATION_IN_PROGRESS and DELETED occur, which DescribeJob's statuses do not have.
        "status": fields.token("status", str.isupper),
        "operation": fields.token("operation", str.islower),
        "timestamp": fields.seconds("timestamp"),
        "eventId": fields.text("eventId", EVENT_ID_LENGTH_MAX),
    }
    for name, limit in (
        ("reasonCode", REASON_CODE_LENGTH_MAX),
        ("comment", COMMENT_LENGTH_MAX),
    ):
        value = event.get(name)
        if value is not None and value != "":
            detail[name] = fields.text(name, limit)
    return BusEvent(JOB_STATUS_CHANGE, detail, source=IOT_SOURCE)


def _object(body: str) -> dict[str, Any]:
    size = len(body)
    if size <= EVENT_BYTES_MAX:
        size = len(body.encode(errors="surrogatepass"))
    if size > EVENT_BYTES_MAX:
        message = f"IoT event: it has {size} bytes, but AWS IoT carries at most {EVENT_BYTES_MAX}"
        raise EventError(message)
    try:
        event = json.loads(body, parse_constant=_no_number)
    except RecursionError:
        message = "IoT event: it is nested too deep to be read"
        raise EventError(message) from None
    except ValueError as error:
        start = shown(body.lstrip(_JSON_SPACE))
        message = f"IoT event: {start} is not JSON: {error}"
        raise EventError(message) from None
    if "\\u" in body and not _is_encodable(event):
        message = "IoT event: it holds half a character, a lone surrogate"
        raise EventError(message)
    if not isinstance(event, dict):
        message = f"IoT event: it is {shown(event)}, but an object is expected"
        raise EventError(message)
    return event


def _is_encodable(event: object) -> bool:
    try:
        json.dumps(event, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_number(name: str) -> NoReturn:
    message = f"{name} is no JSON number"
    raise ValueError(message)


class _Fields:
    """Reads members of an object, each held to its limit; the first fault raises EventError."""

    def __init__(self, what: str, members: Mapping[str, Any]) -> None:
        self._what = what
        self._members = members

    def get(self, name: str) -> object:
        return self._members.get(name)

    def refuse(self, name: str, expected: str) -> NoReturn:
        value = self._members.get(name)
        state = "is missing" if value is None else f"is {shown(value)}"
        job_id = self._members.get("jobId")
        of = f" of job {shown(job_id)}" if isinstance(job_id, str) and name != "jobId" else ""
        message = f"{self._what}{of}: {name} {state}, {expected}"
        raise EventError(message)

    def text(self, name: str, length_max: int) -> str:
        value = self._members.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= length_max:
            self.refuse(name, f"but a text of 1 to {length_max} characters is expected")
        return value

    def matching(self, name: str, matches: Callable[[str], object], kind: str) -> str:
        value = self._members.get(name)
        if not isinstance(value, str) or not matches(value):
            self.refuse(name, f"but {kind} is expected")
        return value

    def token(self, name: str, in_case: Callable[[str], bool]) -> str:
        value = self.text(name, TOKEN_LENGTH_MAX)
        if not (value.isascii() and value.replace("_", "").isalpha() and in_case(value)):
            case = "lower" if in_case is str.islower else "upper"
            self.refuse(name, f"but a word in {case} case is expected")
        return value

    def execution_status(self) -> ExecutionStatus:
        value = self._members.get("status")
        if not isinstance(value, str) or value not in _STATUSES:
            self.refuse("status", f"but one of {', '.join(ExecutionStatus)} is expected")
        return ExecutionStatus(value)

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        value = self._members.get(name, default)
        if type(value) is not int or not low <= value <= high:
            self.refuse(name, f"but a whole number from {low} to {high} is expected")
        return value

    def seconds(self, name: str) -> int:
        value = self._members.get(name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value <= SECONDS_MAX * 1000
        ):
            self.refuse(name, "but seconds or milliseconds since 1970 are expected")
        return int(value / 1000 if value > SECONDS_MAX else value)

    def texts(self, name: str) -> dict[str, str]:
        value = self._members.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            self.refuse(name, "but an object that holds texts only is expected")
        return dict(value)
