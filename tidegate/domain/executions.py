"""
One device's execution of a job, and what UpdateJobExecution can make of it.

AWS checks most of an update on the server only, and over HTTPS it calls a stale version now an
invalid request and now an invalid transition; ``refusals`` finds what is wrong with the update
itself before the call, so that all that is left is the execution's own state.
Limits: https://docs.aws.amazon.com/iot/latest/apireference/API_iot-jobs-data_UpdateJobExecution.html
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tidegate.domain.jobs import TERMINAL, ExecutionStatus

STATUS_DETAILS_MAX = 10
DETAIL_KEY = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
DETAIL_VALUE_LENGTH_MAX = 1024
STEP_TIMEOUT_MINUTES_MAX = 10_080
#: Ends a step timer that runs.
NO_STEP_TIMEOUT = -1

#: What a device may report; all else is for AWS to set.
REPORTABLE = frozenset(
    {
        ExecutionStatus.IN_PROGRESS,
        ExecutionStatus.SUCCEEDED,
        ExecutionStatus.FAILED,
        ExecutionStatus.REJECTED,
    }
)


@dataclass(frozen=True, slots=True)
class Execution:
    """
    One execution as DescribeJobExecution has it; times are epoch seconds.

    Attributes:
        seconds_left: Until the first of its timers ends, about; None where none runs.
    """

    job_id: str
    thing_name: str
    status: ExecutionStatus
    execution_number: int
    version_number: int
    queued_at: float
    updated_at: float
    started_at: float | None = None
    status_details: Mapping[str, str] = field(default_factory=dict)
    seconds_left: float | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether nothing changes it any more."""
        return self.status in TERMINAL


@dataclass(frozen=True, slots=True)
class ExecutionUpdate:
    """
    One UpdateJobExecution, with all that AWS lets it say.

    Attributes:
        status_details: Replaces what is there, whole; None leaves it.
        expected_version: Refused unless the execution has this version; None: whatever it has.
        execution_number: None: the thing's latest of that job.
        step_timeout_minutes: From now on, ``NO_STEP_TIMEOUT`` to end it; None leaves it.
    """

    job_id: str
    thing_name: str
    status: ExecutionStatus
    status_details: Mapping[str, str] | None = None
    expected_version: int | None = None
    execution_number: int | None = None
    step_timeout_minutes: int | None = None
    include_state: bool = False
    include_document: bool = False


@dataclass(frozen=True, slots=True)
class Updated:
    """What AWS answers: the state and the document as far as they were asked for."""

    status: ExecutionStatus | None = None
    version_number: int | None = None
    status_details: Mapping[str, str] | None = None
    document: str | None = None


def may_become(before: ExecutionStatus, after: ExecutionStatus) -> bool:
    """Return whether a device's report may take an execution there."""
    return before not in TERMINAL and after in REPORTABLE


def stands(update: ExecutionUpdate, execution: Execution) -> bool:
    """
    Return whether an update that came too late may be taken for done: it is what is there.

    So it is where it took effect and its answer was lost: sent again, AWS calls it a conflict.
    """
    said = update.status_details
    if execution.status is not update.status:
        return False
    if said is not None and dict(said) != dict(execution.status_details):
        return False
    if update.expected_version is None:
        return execution.is_terminal
    return execution.version_number == update.expected_version + 1


def refusals(update: ExecutionUpdate) -> tuple[str, ...]:
    """Return what AWS refuses of an update whatever the execution, and what would be right."""
    return (
        *_status_refusals(update.status),
        *_details_refusals(update.status_details or {}),
        *_number_refusals(update),
    )


def _status_refusals(status: ExecutionStatus) -> Iterator[str]:
    if status not in REPORTABLE:
        allowed = ", ".join(sorted(REPORTABLE))
        yield f"status {status} is for AWS to set: report one of {allowed}"


def _details_refusals(details: Mapping[str, str]) -> Iterator[str]:
    if len(details) > STATUS_DETAILS_MAX:
        yield f"statusDetails has {len(details)} pairs: give at most {STATUS_DETAILS_MAX}"
    for key, value in details.items():
        if not DETAIL_KEY.fullmatch(key):
            yield f"statusDetails key {key[:60]!r}: give 1 to 128 letters, digits, :, _ and -"
        if not 1 <= len(value) <= DETAIL_VALUE_LENGTH_MAX:
            yield (
                f"statusDetails.{key[:60]} has {len(value)} characters: give 1 to "
                f"{DETAIL_VALUE_LENGTH_MAX}"
            )
        if any(unicodedata.category(each).startswith("C") for each in value):
            yield f"statusDetails.{key[:60]} holds control characters: leave them out"


def _number_refusals(update: ExecutionUpdate) -> Iterator[str]:
    minutes = update.step_timeout_minutes
    possible = (NO_STEP_TIMEOUT, *range(1, STEP_TIMEOUT_MINUTES_MAX + 1))
    if minutes is not None and minutes not in possible:
        yield (
            f"stepTimeoutInMinutes is {minutes}: give 1 to {STEP_TIMEOUT_MINUTES_MAX}, or "
            f"{NO_STEP_TIMEOUT} to end the timer"
        )
    if update.expected_version is not None and update.expected_version < 1:
        yield f"expectedVersion is {update.expected_version}: versions begin at 1"
    if update.execution_number is not None and update.execution_number < 1:
        yield f"executionNumber is {update.execution_number}: numbers begin at 1"
