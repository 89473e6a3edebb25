"""
Reads job executions as AWS's command line prints them, to learn from a rollout that has been.

``aws iot list-job-executions-for-job --job-id ID --output json`` prints one object with
``executionSummaries``. Pages that were fetched one by one may follow each other, and so may single
rows, one a line.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any

from tidegate.documents.json_values import json_values
from tidegate.documents.shapes import shown
from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary
from tidegate.errors import Refused

#: Rows that are read at most: the devices of one rollout, each with a few attempts.
ROWS_MAX = 10_000_000

#: What to type, for whoever brought something else.
HOW_TO_LIST = "write it with `aws iot list-job-executions-for-job --job-id ID --output json`"

#: Numbers up to this are seconds since 1970, beyond it milliseconds.
_SECONDS_MAX = 1e11


def read_executions(text: str, *, source: str) -> list[ExecutionSummary]:
    """
    Return the latest execution of each thing.

    Args:
        text: JSON values one after the other: answers of ListJobExecutionsForJob, their lists of
            ``executionSummaries``, or single rows of these.
        source: What to call the text in messages: a file's name, as a rule.

    Raises:
        Refused: It is not JSON, a row is not what AWS lists, or there is none.
    """
    read = latest_of_things(_executions(text, source))
    if not read:
        message = f"{source}: no executions in it: {HOW_TO_LIST}"
        raise Refused(message)
    return read


def latest_of_things(executions: Iterable[ExecutionSummary]) -> list[ExecutionSummary]:
    """Return the latest execution of each thing, in the order in which things come up."""
    latest: dict[str, ExecutionSummary] = {}
    for each in executions:
        known = latest.get(each.thing_name)
        if known is None or _order(each) > _order(known):
            latest[each.thing_name] = each
    return list(latest.values())


def _executions(text: str, source: str) -> Iterator[ExecutionSummary]:
    for number, row in enumerate(_rows(text, source), start=1):
        if number > ROWS_MAX:
            message = f"{source}: more than {ROWS_MAX} executions: give those of one job"
            raise Refused(message)
        try:
            yield _execution(row)
        except _UnfitError as unfit:
            message = f"{source}: execution {number}: {unfit}: {HOW_TO_LIST}"
            raise Refused(message) from None


class _UnfitError(Exception):
    """A row is not what AWS lists."""


def _order(execution: ExecutionSummary) -> tuple[int, int, float]:
    return execution.execution_number, execution.retry_attempt, execution.updated_at


def _rows(text: str, source: str) -> Iterator[object]:
    for value in json_values(text, source=source, how=HOW_TO_LIST):
        yield from _rows_in(value)


def _rows_in(value: object) -> Iterable[object]:
    if isinstance(value, Mapping) and "executionSummaries" in value:
        value = value["executionSummaries"]
    return value if isinstance(value, list) else [value]


def _execution(row: object) -> ExecutionSummary:
    if not isinstance(row, Mapping):
        message = f"{shown(row)}, but an object is needed"
        raise _UnfitError(message)
    thing = row.get("thingArn")
    if not isinstance(thing, str):
        message = f"thingArn is {shown(thing)}, but a text is needed"
        raise _UnfitError(message)
    summary = row.get("jobExecutionSummary")
    if not isinstance(summary, Mapping):
        message = f"jobExecutionSummary is {shown(summary)}, but an object is needed"
        raise _UnfitError(message)
    started = summary.get("startedAt")
    queued_at = _seconds("queuedAt", summary.get("queuedAt"))
    return ExecutionSummary(
        thing_name=thing,
        status=_status(summary.get("status")),
        queued_at=queued_at,
        updated_at=_seconds("lastUpdatedAt", summary.get("lastUpdatedAt", queued_at)),
        started_at=None if started is None else _seconds("startedAt", started),
        execution_number=_count("executionNumber", summary.get("executionNumber", 1)),
        retry_attempt=_count("retryAttempt", summary.get("retryAttempt", 0)),
    )


def _status(value: object) -> ExecutionStatus:
    try:
        return ExecutionStatus(str(value))
    except ValueError:
        known = ", ".join(ExecutionStatus)
        message = f"status is {shown(value)}, but one of {known} is needed"
        raise _UnfitError(message) from None


def _count(name: str, value: Any) -> int:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    message = f"{name} is {shown(value)}, but a whole number is needed"
    raise _UnfitError(message)


def _seconds(name: str, value: object) -> float:
    """Return epoch seconds from what the command line prints: a number, or ISO 8601."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < inf:
        return value if value < _SECONDS_MAX else value / 1000
    message = f"{name} is {shown(value)}, but a time is needed, like 2026-01-31T12:00:00+00:00"
    raise _UnfitError(message)
