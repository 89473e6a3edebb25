"""Executions are read as AWS's command line prints them, in any of its ways."""

import json
from typing import Any

import pytest

from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary
from tidegate.errors import Refused
from tidegate.lab.executions import HOW_TO_LIST, read_executions

ARN = "arn:aws:iot:eu-west-1:123456789012:thing/boiler-7"


def row(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - members of a summary
    """Return a row of the list."""
    summary = {
        "status": "SUCCEEDED",
        "queuedAt": "2026-03-01T10:00:00+00:00",
        "startedAt": "2026-03-01T10:01:00.500000+00:00",
        "lastUpdatedAt": "2026-03-01T11:09:00+01:00",
        "executionNumber": 1,
        "retryAttempt": 0,
    }
    return {"thingArn": changes.pop("arn", ARN), "jobExecutionSummary": {**summary, **changes}}


EXPECTED = ExecutionSummary(
    thing_name=ARN,
    status=ExecutionStatus.SUCCEEDED,
    queued_at=1772359200.0,
    started_at=1772359260.5,
    updated_at=1772359740.0,
)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"executionSummaries": [row()]}),
        json.dumps([row()]),
        json.dumps(row()),
        f"\n{json.dumps(row())}\n\n{json.dumps(row())}\n",
        json.dumps({"executionSummaries": [row()]}) + json.dumps({"executionSummaries": []}),
        json.dumps(row(queuedAt=1772359200, startedAt=1772359260.5, lastUpdatedAt=1772359740.0)),
        json.dumps(row(queuedAt=1772359200000, startedAt=1772359260500)),
        json.dumps(row(queuedAt="2026-03-01T10:00:00")),
    ],
)
def test_every_form_of_the_list_is_read(text: str) -> None:
    """One answer, several, their lists, or rows one by one; times in each form it has."""
    assert read_executions(text, source="e.json") == [EXPECTED]


def test_the_latest_execution_of_a_thing_counts() -> None:
    """A thing that ran the job again counts once, as it stands now, whatever the order."""
    again = row(executionNumber=2, status="FAILED")
    retried = row(executionNumber=2, retryAttempt=1, status="IN_PROGRESS")

    for rows in ([row(), again, retried], [retried, again, row()]):
        (read,) = read_executions(json.dumps(rows), source="e.json")
        assert read.status is ExecutionStatus.IN_PROGRESS


def test_what_has_not_started_has_no_start() -> None:
    """A queued execution has no startedAt, nor need it have one."""
    queued = row(status="QUEUED")
    del queued["jobExecutionSummary"]["startedAt"]

    (read,) = read_executions(json.dumps(queued), source="e.json")

    assert read.started_at is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "e.json: no executions in it"),
        ('{"executionSummaries": []}', "e.json: no executions in it"),
        ("{", "e.json:1:2: not readable as JSON"),
        ("[" * 100_000, "e.json: not readable as JSON: it is nested too deep"),
        ("3", "e.json: execution 1: 3, but an object is needed"),
        ("{}", "e.json: execution 1: thingArn is null, but a text is needed"),
        (json.dumps({"thingArn": "a"}), "jobExecutionSummary is null, but an object is needed"),
        (
            json.dumps([row(), row(status="DONE")]),
            'e.json: execution 2: status is "DONE", but one of QUEUED',
        ),
        (json.dumps(row(queuedAt="yesterday")), 'queuedAt is "yesterday", but a time is needed'),
        (json.dumps(row(queuedAt=None)), "queuedAt is null, but a time is needed"),
        (json.dumps(row(startedAt=float("nan"))), "startedAt is NaN, but a time is needed"),
        (json.dumps(row(lastUpdatedAt=-1)), "lastUpdatedAt is -1, but a time is needed"),
        (json.dumps(row(executionNumber="2")), 'executionNumber is "2", but a whole number'),
        (json.dumps(row(arn=7)), "thingArn is 7, but a text is needed"),
    ],
)
def test_what_is_no_list_is_refused_with_its_place(text: str, told: str) -> None:
    """One message says where it is wrong, what was read, and how to get what is needed."""
    with pytest.raises(Refused) as caught:
        read_executions(text, source="e.json")

    assert told in str(caught.value)
    assert HOW_TO_LIST in str(caught.value)
    assert "\n" not in str(caught.value)
