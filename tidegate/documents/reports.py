"""
Reports for devices that do not speak Jobs: what somebody saw or heard of one device's execution.

Whoever reports does so under a source of its own, on the bus. A report is held to what
UpdateJobExecution takes before anything is done about it, and all that is wrong with it is told.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.documents.detail_types import DEVICE_EXECUTION_REPORT, DEVICE_SOURCE
from tidegate.documents.members import Members, is_json_within
from tidegate.documents.shapes import EVENT_ID, JOB_ID, THING_NAME, shown
from tidegate.domain.executions import REPORTABLE, ExecutionUpdate, refusals
from tidegate.domain.jobs import ExecutionStatus
from tidegate.errors import Refused

__all__ = [
    "DEVICE_EXECUTION_REPORT",
    "DEVICE_SOURCE",
    "MOMENT",
    "REPORTER",
    "REPORT_BYTES_MAX",
    "SOURCE_LENGTH_MAX",
    "DeviceReport",
    "ReportError",
    "parse_report",
]

#: Of a report's detail as JSON: ten details of the longest, each character escaped.
REPORT_BYTES_MAX = 200_000

#: Of an event's source, by EventBridge.
SOURCE_LENGTH_MAX = 256

#: Who may report; also the last part of a parameter's name in SSM. All else that begins with
#: ``tidegate`` is Tidegate's own.
REPORTER = re.compile(
    rf"{re.escape(DEVICE_SOURCE)}|(?!tidegate)[a-zA-Z0-9_.-]{{1,{SOURCE_LENGTH_MAX}}}"
)

#: A moment with its offset from UTC.
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)

#: Clocks differ; a report from further ahead would make all that follow it look old.
AHEAD_SECONDS_MAX = 60

#: Stands for a detail that is no text, for which there is a fault already.
_STAND_IN = "-"
_KEY_SHOWN_MAX = 60
_STATUSES = frozenset(ExecutionStatus)

#: Of versions and execution numbers: AWS's type of them is a long.
NUMBER_MAX = 2**63 - 1

#: What whoever sent a faulty report can do.
REPORT_AGAIN = "Mend what the problem names and report again; nothing was changed."


class ReportError(Refused):
    """
    A report cannot be done as it stands; the message names the thing, the job and everything wrong.

    try:
        report = parse_report(event)
    except ReportError as error:
        if error.report_id is None:
            raise   # It did not come by the bus: nobody waits for an answer.
        tell(error.report_id, error.problem, error.remedy, error.job_id, error.thing_name)

    Attributes:
        problem: The same as the message.
        remedy: What whoever sent it can do.
        report_id: Its event's id; None if that is none, and so did not come by the bus.
        source: Who sent it; empty if that is no text.
        job_id: The job's, as far as it could be read.
        thing_name: The thing's, likewise.
    """

    def __init__(
        self,
        problem: str,
        remedy: str = REPORT_AGAIN,
        *,
        report_id: str | None = None,
        source: str = "",
        job_id: str | None = None,
        thing_name: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.report_id = report_id
        self.source = source
        self.job_id = job_id
        self.thing_name = thing_name


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """
    What is reported of one device's execution.

    Attributes:
        report_id: The id of the event that it came as.
        source: Who reports.
        at: Epoch seconds of what is reported; the event's own time if the report does not say.
        update: What AWS is to be told.
    """

    report_id: str
    source: str
    at: float
    update: ExecutionUpdate


def parse_report(event: Mapping[str, Any]) -> DeviceReport:
    """
    Return the report that an event on the bus carries.

    Args:
        event: As EventBridge delivers it: ``id``, ``source``, ``detail-type``, ``time``,
            ``detail``.

    Raises:
        ReportError: It is no report, or a faulty one; every fault is in the message.
    """
    # Never closed: what else an event has is EventBridge's to add.
    members = Members(event)
    report_id = members.matching("id", EVENT_ID.fullmatch, "the bus gives each event one")
    source = members.matching(
        "source",
        REPORTER.fullmatch,
        f"give 1 to {SOURCE_LENGTH_MAX} letters, digits, dots, - and _; beginning with tidegate, "
        f"{DEVICE_SOURCE} alone",
    )
    members.matching(
        "detail-type", DEVICE_EXECUTION_REPORT.__eq__, f"give {DEVICE_EXECUTION_REPORT}"
    )
    sent_at = _moment(members, "time")
    detail = members.take("detail")
    if not isinstance(detail, Mapping):
        members.wrong("detail", detail, "give an object")
    elif not is_json_within(detail, REPORT_BYTES_MAX):
        members.fault("detail", f"has more than {REPORT_BYTES_MAX} bytes as JSON, or is no JSON")
    else:
        inside = Members(detail, faults=members.faults)
        at, update = _at(inside, sent_at), _update(inside)
        inside.close()
        if not members.faults:
            return DeviceReport(report_id, source, at, update)
    raise _error(event, members)


def _at(members: Members, sent_at: float) -> float:
    if "at" not in members:
        return sent_at
    at = _moment(members, "at")
    if sent_at and at > sent_at + AHEAD_SECONDS_MAX:
        members.fault("at", "lies ahead of the event itself: give the time of what is reported")
    return at


def _moment(members: Members, name: str) -> float:
    value = members.take(name)
    try:
        if isinstance(value, str) and MOMENT.fullmatch(value):
            return max(0.0, datetime.fromisoformat(value).timestamp())
    except (ValueError, OverflowError):
        pass  # There is no such day or hour.
    members.wrong(name, value, "give a time like 2026-01-31T09:30:00Z")
    return 0.0


def _update(members: Members) -> ExecutionUpdate:
    """Take out what AWS is to be told, and hold it to what AWS takes."""
    members.version()
    update = ExecutionUpdate(
        job_id=members.job_id(),
        thing_name=members.matching(
            "thingName", THING_NAME.fullmatch, "give 1 to 128 letters, digits, :, - and _"
        ),
        status=_status(members),
        status_details=_details(members),
        expected_version=_number(members, "expectedVersion"),
        execution_number=_number(members, "executionNumber"),
        step_timeout_minutes=_number(members, "stepTimeoutInMinutes"),
        include_state=members.flag("includeJobExecutionState"),
        include_document=members.flag("includeJobDocument"),
    )
    members.faults.extend(refusals(update))
    return update


def _status(members: Members) -> ExecutionStatus:
    value = members.take("status")
    if isinstance(value, str) and value in _STATUSES:
        return ExecutionStatus(value)
    members.wrong("status", value, f"give one of {', '.join(sorted(REPORTABLE))}")
    return ExecutionStatus.IN_PROGRESS


def _details(members: Members) -> dict[str, str] | None:
    if "statusDetails" not in members:
        return None
    given = members.take("statusDetails")
    if not isinstance(given, Mapping):
        members.wrong("statusDetails", given, "give an object that holds texts only")
        return None
    for key, value in given.items():
        if not isinstance(value, str):
            members.wrong(f"statusDetails.{str(key)[:_KEY_SHOWN_MAX]}", value, "give a text")
    return {
        str(key): value if isinstance(value, str) else _STAND_IN for key, value in given.items()
    }


def _number(members: Members, name: str) -> int | None:
    if name not in members:
        return None
    value = members.take(name)
    if type(value) is not int or abs(value) > NUMBER_MAX:
        members.wrong(name, value, "give a whole number")
        return None
    return value


def _error(event: Mapping[str, Any], members: Members) -> ReportError:
    detail = event.get("detail")
    given = detail if isinstance(detail, Mapping) else {}
    job_id, thing_name = _text(given.get("jobId")), _text(given.get("thingName"))
    report_id, source = _text(event.get("id")), _text(event.get("source"))
    about = f" on thing {shown(thing_name)}" if thing_name else ""
    about += f" in job {shown(job_id)}" if job_id else ""
    return ReportError(
        f"{DEVICE_EXECUTION_REPORT}{about}: {members.told()}",
        report_id=report_id if EVENT_ID.fullmatch(report_id) else None,
        source=source,
        job_id=job_id if JOB_ID.fullmatch(job_id) else None,
        thing_name=thing_name if THING_NAME.fullmatch(thing_name) else None,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
