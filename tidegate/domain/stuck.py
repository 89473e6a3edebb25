"""
Stuck executions: IN_PROGRESS without a sign of life, in the way of their device's later jobs.

Whatever is done about one rests on the version of it that was seen: a device that reports at the
same moment is the faster one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidegate.domain.durations import Durations
from tidegate.domain.executions import (
    STATUS_DETAILS_MAX,
    STEP_TIMEOUT_MINUTES_MAX,
    Execution,
    ExecutionUpdate,
)
from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary
from tidegate.domain.policy import Rescue, Stuck

#: Times the age by which all but one in a thousand are done.
_PATIENCE = 2
#: What the fleet's own durations are taken for, at least.
AFTER_MINUTES_MIN = 30.0
#: Tidegate's own pairs of ``statusDetails``: why it ended an execution, how often it extended one.
REASON_DETAIL = "tidegate:reason"
SILENT = "no sign of life"
EXTENDED_DETAIL = "tidegate:extended"
#: Executions looked at in one pass: some turn out to have moved, or cannot be extended.
LOOKS_PER_PASS_MAX = 200
#: Extensions of one execution between two signs of life.
EXTENSIONS_MAX = 10
#: AWS's time left is about right, and a timer ends up to a minute late.
_ABOUT_MINUTES = 2.0


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Why nothing is done about an execution that seemed to be stuck."""

    why: str


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How long executions may be silent.

    Attributes:
        stuck: What the policy says.
        after_minutes: Without a sign of life.
        timeout_minutes: The job's in-progress time-out; None if it has none.
        minute_seconds: How long a minute of AWS IoT Jobs takes.
    """

    stuck: Stuck
    after_minutes: float
    timeout_minutes: int | None = None
    minute_seconds: float = 60.0

    def silent_since(self, now: float) -> float:
        """Return the epoch seconds from which on an execution must have given a sign of life."""
        return now - self.after_minutes * self.minute_seconds


def after_minutes(stuck: Stuck, durations: Durations) -> float | None:
    """Return after how long without a sign of life one is stuck; None while that is not known."""
    if stuck.after_minutes is not None:
        return stuck.after_minutes
    age = durations.finished_minutes()
    return None if age is None else max(AFTER_MINUTES_MIN, _PATIENCE * age)


def candidates(
    rows: Iterable[ExecutionSummary], patience: Patience, now: float
) -> list[ExecutionSummary]:
    """
    Return those to be looked at, the longest silent first.

    Where they are more than one pass looks at, each begins with others of them: those that nothing
    can be done for stay in the list.
    """
    since = patience.silent_since(now)
    found = [
        each
        for each in rows
        if each.status is ExecutionStatus.IN_PROGRESS and each.updated_at <= since
    ]
    found.sort(key=lambda each: each.updated_at)
    if len(found) <= LOOKS_PER_PASS_MAX:
        return found
    # Scattered, no place needs to be remembered, and none comes back with the passes' rhythm.
    first = hash((int(now),)) % len(found)
    return [*found[first:], *found[:first]][:LOOKS_PER_PASS_MAX]


def rescue(execution: Execution, patience: Patience, now: float) -> ExecutionUpdate | LeftAlone:
    """
    Return what to send for an execution, or why it is left alone.

    Args:
        execution: As it was just described.
        patience: How long it may be silent.
        now: Epoch seconds.
    """
    if execution.status is not ExecutionStatus.IN_PROGRESS:
        return LeftAlone(f"it is {execution.status.value} by now")
    if execution.updated_at > patience.silent_since(now):
        return LeftAlone("it gave a sign of life meanwhile")
    if patience.stuck.then is Rescue.FAIL:
        minutes = (now - execution.updated_at) / patience.minute_seconds
        why = f"{SILENT} for {minutes:.0f} minutes"
        return _update(execution, ExecutionStatus.FAILED, {REASON_DETAIL: why})
    return _extended(execution, patience, now)


def _extended(execution: Execution, patience: Patience, now: float) -> ExecutionUpdate | LeftAlone:
    """Return the extension of a step timer, within the time-out of the job."""
    if execution.seconds_left is None:
        return LeftAlone("no timer runs that could be extended")
    minutes_left = execution.seconds_left / patience.minute_seconds
    job_minutes_left = _job_minutes_left(execution, patience, now)
    if minutes_left > job_minutes_left - _ABOUT_MINUTES:
        return LeftAlone("the time-out of the job ends first, and cannot be put off")
    minutes = int(min(patience.stuck.extend_minutes, job_minutes_left, STEP_TIMEOUT_MINUTES_MAX))
    if minutes <= minutes_left:
        return LeftAlone("its step time-out is longer than what it would get")
    times = _times_extended(execution.status_details)
    if times >= EXTENSIONS_MAX:
        return LeftAlone(f"it was extended {times} times without a sign of life")
    if len({*execution.status_details, EXTENDED_DETAIL}) > STATUS_DETAILS_MAX:
        return LeftAlone("it has as many statusDetails as AWS takes, and may need each of them")
    return _update(
        execution,
        ExecutionStatus.IN_PROGRESS,
        {EXTENDED_DETAIL: str(times + 1)},
        step_timeout_minutes=minutes,
    )


def _job_minutes_left(execution: Execution, patience: Patience, now: float) -> float:
    if patience.timeout_minutes is None or execution.started_at is None:
        return float("inf")
    return patience.timeout_minutes - (now - execution.started_at) / patience.minute_seconds


def _times_extended(details: Mapping[str, str]) -> int:
    times = details.get(EXTENDED_DETAIL, "0")
    # Whatever else stands there is not Tidegate's, and is no licence to go on for ever.
    return int(times) if times.isascii() and times.isdecimal() else EXTENSIONS_MAX


def _update(
    execution: Execution,
    status: ExecutionStatus,
    told: Mapping[str, str],
    *,
    step_timeout_minutes: int | None = None,
) -> ExecutionUpdate:
    """Return an update that keeps what the device said, as far as AWS has room for it."""
    own = [(key, value) for key, value in execution.status_details.items() if key not in told]
    return ExecutionUpdate(
        job_id=execution.job_id,
        thing_name=execution.thing_name,
        status=status,
        status_details={**dict(own[: STATUS_DETAILS_MAX - len(told)]), **told},
        expected_version=execution.version_number,
        execution_number=execution.execution_number,
        step_timeout_minutes=step_timeout_minutes,
    )
