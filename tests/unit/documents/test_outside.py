"""Events of the default bus: whom they wake, and what is none of Tidegate's business."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.documents.events import EventError
from tidegate.documents.outside import (
    AlarmChanged,
    CalendarChanged,
    ExecutionEnded,
    JobCreated,
    OutsideEvent,
    parse_outside,
)

CALENDAR = "arn:aws:ssm:eu-west-1:123456789012:document/ops-freeze"
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:tidegate-rollout:fw-2-1764000000-1"

ALARM = ("aws.cloudwatch", "CloudWatch Alarm State Change")
CHANGE = ("aws.ssm", "Calendar State Change")
CALL = ("aws.iot", "AWS API Call via CloudTrail")
STATUS = ("aws.states", "Step Functions Execution Status Change")


def event_of(kind: tuple[str, str], detail: object, resources: object = ()) -> dict[str, Any]:
    """Return an event as EventBridge delivers it."""
    source, detail_type = kind
    return {
        "version": "0",
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "detail-type": detail_type,
        "source": source,
        "account": "123456789012",
        "time": "2025-11-24T16:00:00Z",
        "region": "eu-west-1",
        "resources": list(resources) if isinstance(resources, tuple) else resources,
        "detail": detail,
    }


def created(**changes: object) -> dict[str, Any]:
    """Return what CloudTrail says of a call that created a job."""
    return {
        "eventSource": "iot.amazonaws.com",
        "eventName": "CreateJob",
        "requestParameters": {"jobId": "fw-2", "targets": ["arn"]},
        "responseElements": {"jobId": "fw-2"},
        **changes,
    }


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            event_of(ALARM, {"alarmName": "fleet crash rate", "state": {"value": "ALARM"}}),
            AlarmChanged("fleet crash rate"),
        ),
        (event_of(CHANGE, {"state": "CLOSED"}, (CALENDAR,)), CalendarChanged(CALENDAR)),
        (event_of(CALL, created()), JobCreated("fw-2")),
        (
            event_of(STATUS, {"executionArn": EXECUTION, "status": "TIMED_OUT"}),
            ExecutionEnded(EXECUTION, "TIMED_OUT"),
        ),
    ],
)
def test_an_event_tells_whom_to_wake(event: dict[str, Any], told: OutsideEvent) -> None:
    """Each kind of event is read into the value of its name."""
    assert parse_outside(event) == told


def test_a_calendar_is_known_by_its_name_too() -> None:
    """Policies call calendars by name or by ARN; the event has the ARN."""
    assert CalendarChanged(CALENDAR).name == "ops-freeze"
    assert CalendarChanged("ops-freeze").name == "ops-freeze"


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"source": [], "detail-type": {}},
        event_of(("aws.ssm", "CloudWatch Alarm State Change"), {"alarmName": "a"}),
        event_of(("aws.iot", "Something New"), None),
        event_of(CALL, created(eventName="CancelJob")),
        event_of(CALL, created(errorCode="LimitExceededException", requestParameters=None)),
        event_of(STATUS, {"executionArn": EXECUTION, "status": "RUNNING"}),
    ],
)
def test_what_matters_to_nobody_here_is_nothing(event: dict[str, Any]) -> None:
    """Other events, calls that failed, and executions that go on, are passed over."""
    assert parse_outside(event) is None


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            event_of(ALARM, None),
            "CloudWatch Alarm State Change: detail is missing, but an object is expected",
        ),
        (
            event_of(ALARM, {"alarmName": "x" * 256}),
            (
                f'CloudWatch Alarm State Change: detail.alarmName is "{"x" * 59}…", '
                "but a text of 1 to 255 characters is expected"
            ),
        ),
        (
            event_of(CHANGE, {"state": "OPEN"}),
            (
                "Calendar State Change: resources[0] is missing, "
                "but a text of 1 to 2048 characters is expected"
            ),
        ),
        (
            event_of(CALL, created(requestParameters={"jobId": "a b"})),
            (
                'AWS API Call via CloudTrail: detail.requestParameters.jobId is "a b", '
                "but a job id is expected"
            ),
        ),
        (
            event_of(STATUS, {"status": "FAILED"}),
            (
                "Step Functions Execution Status Change: detail.executionArn is missing, "
                "but a text of 1 to 2048 characters is expected"
            ),
        ),
    ],
)
def test_a_malformed_event_is_told_what_is_wrong(event: dict[str, Any], told: str) -> None:
    """What claims to be such an event and is not ends with one message, not in silence."""
    with pytest.raises(EventError) as caught:
        parse_outside(event)

    assert str(caught.value) == told


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["alarmName", "eventName", "requestParameters", "jobId", "status", "executionArn"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from([ALARM, CHANGE, CALL, STATUS]), anything, anything)
def test_no_event_is_answered_by_another_error(
    kind: tuple[str, str], detail: object, resources: object
) -> None:
    """Whatever stands in an event, it is read, passed over or refused, and all texts have one."""
    try:
        told = parse_outside(event_of(kind, detail, resources))
    except EventError:
        return
    if isinstance(told, AlarmChanged):
        assert told.name
    if isinstance(told, ExecutionEnded):
        assert told.execution_arn
        assert told.status != "RUNNING"
