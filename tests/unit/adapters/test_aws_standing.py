"""What is asked of CloudWatch, SSM and SQS, and how the answers are read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.adapters.aws import alarms as module
from tidegate.adapters.aws.alarms import CloudWatchAlarms, CloudWatchClient
from tidegate.adapters.aws.calendars import ChangeCalendars
from tidegate.adapters.aws.dead_letters import SqsDeadLetters
from tidegate.adapters.timestamps import epoch_seconds_of
from tidegate.domain.standing import AlarmReading, AlarmState
from tidegate.errors import NotFound, Refused, RetryLater

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

    from tests.unit.adapters.conftest import Script

QUEUE = "https://sqs.eu-central-1.amazonaws.com/111122223333/record-dead"


def alarm(name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - plain JSON
    """Return an alarm as DescribeAlarms tells of it."""
    updated_at = datetime.fromtimestamp(1_700_000_060.5, UTC)
    return {
        "AlarmName": name,
        "StateValue": "ALARM",
        "StateUpdatedTimestamp": updated_at,
        **changes,
    }


def asked(*names: str) -> dict[str, Any]:
    """Return the request for these alarms."""
    return {
        "AlarmNames": list(names),
        "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
        "MaxRecords": 100,
    }


@pytest.fixture
def alarms(cloudwatch_client: CloudWatchClient) -> CloudWatchAlarms:
    """Return alarms over a client that is scripted."""
    return CloudWatchAlarms(cloudwatch_client)


def test_alarms_of_both_kinds_are_read(alarms: CloudWatchAlarms, cloudwatch: Script) -> None:
    """Composite alarms come in a list of their own; what is said twice is asked for once."""
    metric = alarm("errors", StateValue="INSUFFICIENT_DATA", StateReason="no data")
    answer = {"MetricAlarms": [metric], "CompositeAlarms": [alarm("all")]}
    cloudwatch.answer("describe_alarms", asked("all", "errors", "gone"), answer)

    assert alarms.read(["errors", "gone", "all", "errors"]) == {
        "errors": AlarmReading(AlarmState.INSUFFICIENT_DATA, 1_700_000_060.5, "no data"),
        "all": AlarmReading(AlarmState.ALARM, 1_700_000_060.5),
    }


def test_an_alarm_has_its_state_since_it_changed(
    alarms: CloudWatchAlarms, cloudwatch: Script
) -> None:
    """A new reason for the same state, which CloudWatch takes for an update, is no change of it."""
    changed_at = datetime.fromtimestamp(1_700_000_000, UTC)
    cloudwatch.answer(
        "describe_alarms",
        None,
        {"MetricAlarms": [alarm("errors", StateTransitionedTimestamp=changed_at)]},
    )

    assert alarms.read(["errors"])["errors"].since == 1_700_000_000


def test_alarms_come_in_pages(alarms: CloudWatchAlarms, cloudwatch: Script) -> None:
    """An alarm on the second page is an alarm."""
    answer = {"MetricAlarms": [alarm("a")], "NextToken": "more"}
    cloudwatch.answer("describe_alarms", asked("a", "b"), answer)
    cloudwatch.answer(
        "describe_alarms",
        {**asked("a", "b"), "NextToken": "more"},
        {"MetricAlarms": [alarm("b")]},
    )

    assert alarms.read(["a", "b"]).keys() == {"a", "b"}


def test_endless_pages_of_alarms_end(
    alarms: CloudWatchAlarms, cloudwatch: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading stops at its limit, in words, even if CloudWatch always has more."""
    monkeypatch.setattr(module, "PAGES_MAX", 2)
    for _ in range(2):
        cloudwatch.answer("describe_alarms", None, {"NextToken": "more"})

    with pytest.raises(Refused, match="2 pages"):
        alarms.read(["a"])


def test_a_busy_cloudwatch_is_asked_later(alarms: CloudWatchAlarms, cloudwatch: Script) -> None:
    """Alarms that cannot be read now are not alarms that do not exist."""
    cloudwatch.refuse("describe_alarms", "Throttling")

    with pytest.raises(RetryLater, match="DescribeAlarms errors"):
        alarms.read(["errors"])


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("UnsupportedCalendarException", Refused),
        ("InvalidDocumentType", Refused),
        ("AccessDeniedException", Refused),
        ("InternalServerError", RetryLater),
    ],
)
def test_a_calendar_that_cannot_be_read_is_named(
    ssm_client: SSMClient, ssm: Script, code: str, error: type[Exception]
) -> None:
    """What is no calendar, and what may not be read, is not the same as what does not exist."""
    ssm.answer("get_calendar_state", {"CalendarNames": ["weekdays"]}, {"State": "OPEN"})
    ssm.refuse("get_calendar_state", code)

    with pytest.raises(error, match=f"GetCalendarState readme: {code}") as caught:
        ChangeCalendars(ssm_client).read(["weekdays", "readme"])
    assert not isinstance(caught.value, NotFound)


def test_a_queue_goes_by_the_last_part_of_its_url(sqs_client: SQSClient, sqs: Script) -> None:
    """Of each queue just the number of its messages is asked for."""
    sqs.answer(
        "get_queue_attributes",
        {"QueueUrl": QUEUE, "AttributeNames": ["ApproximateNumberOfMessages"]},
        {"Attributes": {"ApproximateNumberOfMessages": "7"}},
    )

    assert SqsDeadLetters([QUEUE], sqs_client).depths() == {"record-dead": 7}


@pytest.mark.parametrize("code", ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"])
def test_a_queue_that_is_gone_is_not_empty(sqs_client: SQSClient, sqs: Script, code: str) -> None:
    """By whichever of its names SQS says so, the queue is missing, and named."""
    sqs.refuse("get_queue_attributes", code)

    with pytest.raises(NotFound, match="record-dead"):
        SqsDeadLetters([QUEUE], sqs_client).depths()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2030-01-01T00:00", 1_893_456_000),
        ("2030-01-01 00:00", 1_893_456_000),
        ("2030-01-01T00:00:30Z", 1_893_456_030),
        ("2030-01-01T01:00:00.5+01:00", 1_893_456_000.5),
        ("tomorrow", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_read_as_aws_writes_them(text: str | None, seconds: float | None) -> None:
    """Without an offset a time is UTC; what is no time is none, and breaks nothing."""
    assert epoch_seconds_of(text) == seconds
