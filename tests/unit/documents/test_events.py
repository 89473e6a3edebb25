"""Events of AWS IoT Jobs: what AWS publishes, what goes on the bus, what the ledger is told."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tidegate.documents.events import (
    EVENT_BYTES_MAX,
    EventError,
    parse_iot_event,
    sighting_from_detail,
)
from tidegate.documents.schemas import EVENT_SCHEMAS
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import UNPLACED, Sighting
from tidegate.ports import BusEvent

THING_ARN = "arn:aws:iot:us-west-2:123456789012:thing/ECU-AWS-2017-Q4MWJUSLAH"

EXECUTION: dict[str, Any] = {
    "eventType": "JOB_EXECUTION",
    "eventId": "6a9191a9-3bd8-4f1b-8a0a-5b5b9d1f1f5c",
    "timestamp": 1587497526,
    "operation": "succeeded",
    "jobId": "cdf-c37f2f9c",
    "thingArn": THING_ARN,
    "status": "SUCCEEDED",
}

JOB: dict[str, Any] = {
    "eventType": "JOB",
    "eventId": "7364ffd1-8b65-4824-85d5-6c14686c97c6",
    "timestamp": 1234567890,
    "operation": "completed",
    "jobId": "27450507-bf6f-4012-92af-bb8a1c8c4484",
    "status": "COMPLETED",
    "targetSelection": "SNAPSHOT",
    "targets": [THING_ARN],
    "description": "My Job",
    "completedAt": 1234567890123,
    "createdAt": 1234567890123,
    "lastUpdatedAt": 1234567890123,
    "jobProcessDetails": {"numberOfSucceededThings": 3, "numberOfTimedOutThings": 0},
}


def on_the_bus(event: BusEvent) -> dict[str, Any]:
    """Return an event as EventBridge delivers it."""
    return {"source": event.source, "detail-type": event.detail_type, "detail": event.detail}


def assert_valid(event: BusEvent) -> None:
    """Hold an event against its schema."""
    Draft202012Validator(EVENT_SCHEMAS[event.detail_type]).validate(on_the_bus(event))


def told_of(event: object) -> str:
    """Return what is told of an event that is refused."""
    with pytest.raises(EventError) as caught:
        parse_iot_event(event if isinstance(event, str) else json.dumps(event))
    return str(caught.value)


def test_an_execution_event_goes_on_the_bus_in_full() -> None:
    """What consumers need of an execution event is there, in one form, with its thing's name."""
    event = parse_iot_event(
        json.dumps(EXECUTION | {"executionNumber": 2, "statusDetails": {"a": "b"}})
    )

    assert event == BusEvent(
        detail_type="Job Execution Status Change",
        source="tidegate.iot",
        resources=(THING_ARN,),
        detail={
            "version": "1",
            "jobId": "cdf-c37f2f9c",
            "thingName": "ECU-AWS-2017-Q4MWJUSLAH",
            "thingArn": THING_ARN,
            "status": "SUCCEEDED",
            "operation": "succeeded",
            "executionNumber": 2,
            "timestamp": 1587497526,
            "eventId": "6a9191a9-3bd8-4f1b-8a0a-5b5b9d1f1f5c",
            "statusDetails": {"a": "b"},
        },
    )
    assert_valid(event)


def test_what_aws_leaves_out_has_a_default() -> None:
    """AWS documents neither executionNumber nor empty statusDetails: consumers need not care."""
    detail = parse_iot_event(json.dumps(EXECUTION)).detail

    assert (detail["executionNumber"], detail["statusDetails"]) == (1, {})


@pytest.mark.parametrize(
    "job_id",
    [
        "AFR_OTA-cdbe5b42-1d2c-4f2b-9b36-6c4d4f1b3a35",
        "b1a7e6e2-7a55-4a0f-9d5e-9a2b1c3d4e5f",
        "x" * 64,
    ],
)
def test_jobs_of_other_services_are_jobs_like_any_other(job_id: str) -> None:
    """Over-the-air updates and Greengrass deployments are events like any other."""
    event = parse_iot_event(json.dumps(EXECUTION | {"jobId": job_id}))

    assert event.detail["jobId"] == job_id
    assert_valid(event)


@pytest.mark.parametrize("name", ["site:7:pump:3", ":", "thing", "a" * 128])
def test_a_thing_is_what_stands_after_its_arns_slash(name: str) -> None:
    """Names may hold colons, and be called what a resource type is called."""
    arn = f"arn:aws-cn:iot:cn-north-1:123456789012:thing/{name}"

    assert parse_iot_event(json.dumps(EXECUTION | {"thingArn": arn})).detail["thingName"] == name


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (1587497526, 1587497526),
        (1587497526123, 1587497526),
        (1587497526.9, 1587497526),
        (0, 0),
        (100_000_000_000, 100_000_000_000),
        (100_000_000_001, 100_000_000),
    ],
)
def test_timestamps_become_seconds(sent: float, seconds: int) -> None:
    """Whether AWS sends seconds or milliseconds, consumers get whole seconds."""
    event = parse_iot_event(json.dumps(EXECUTION | {"timestamp": sent}))

    assert event.detail["timestamp"] == seconds


@pytest.mark.parametrize(
    ("operation", "status", "more"),
    [
        ("completed", "COMPLETED", {}),
        (
            "canceled",
            "CANCELED",
            {"reasonCode": "ABORT_CANCEL", "comment": "20 % failed", "forceCanceled": False},
        ),
        ("cancellation_in_progress", "CANCELLATION_IN_PROGRESS", {"comment": "by hand"}),
        ("deletion_in_progress", "DELETION_IN_PROGRESS", {"comment": ""}),
        ("deleted", "DELETED", {"comment": None}),
    ],
)
def test_job_events_keep_why_a_job_came_to_its_end(
    operation: str, status: str, more: dict[str, Any]
) -> None:
    """Reason and comment are there if AWS says them, in every status that job events know."""
    event = parse_iot_event(json.dumps(JOB | {"operation": operation, "status": status} | more))

    kept = {name: more[name] for name in ("reasonCode", "comment") if more.get(name)}
    assert event == BusEvent(
        detail_type="Job Status Change",
        source="tidegate.iot",
        detail={
            "version": "1",
            "jobId": JOB["jobId"],
            "status": status,
            "operation": operation,
            "timestamp": 1234567890,
            "eventId": JOB["eventId"],
            **kept,
        },
    )
    assert_valid(event)


@pytest.mark.parametrize("status", ["SUCCEEDED", "REMOVED", "SOMETHING_NEW"])
def test_a_deleted_execution_stays_an_event_that_tells_the_ledger_nothing(status: str) -> None:
    """Its status is the one before, whatever that was: no device has changed."""
    event = parse_iot_event(json.dumps(EXECUTION | {"operation": "deleted", "status": status}))

    assert (event.detail["operation"], event.detail["status"]) == ("deleted", status)
    assert sighting_from_detail(event.detail) is None
    assert_valid(event)


@pytest.mark.parametrize("status", list(ExecutionStatus))
def test_an_event_is_a_sighting(status: ExecutionStatus) -> None:
    """The bus carries all that the ledger needs, but the start, which events do not tell."""
    sent = EXECUTION | {"status": status, "operation": status.lower(), "executionNumber": 3}

    assert sighting_from_detail(parse_iot_event(json.dumps(sent)).detail) == Sighting(
        thing_name="ECU-AWS-2017-Q4MWJUSLAH",
        status=status,
        at=1587497526,
        execution_number=3,
        bucket=UNPLACED,
    )


def test_what_a_device_says_of_itself_goes_along() -> None:
    """Pairs of AWS's form are handed on; others cost the outcome nothing, nor do too many."""
    sent = {"reason": "battery low", "": "no key", "a b": "no key", "long": "x" * 1025, "n": 5}
    event = parse_iot_event(json.dumps(EXECUTION | {"statusDetails": {}})).detail
    told = sighting_from_detail({**event, "statusDetails": sent})
    many = sighting_from_detail({**event, "statusDetails": {f"k{each}": "v" for each in range(20)}})

    assert told is not None
    assert told.details == {"reason": "battery low"}
    assert many is not None
    assert len(many.details) == 10


@pytest.mark.parametrize("details", [None, "text", 5, ["reason"]])
def test_details_that_are_none_tell_nothing(details: object) -> None:
    """The outcome counts whatever comes along with it."""
    event = parse_iot_event(json.dumps(EXECUTION)).detail
    told = sighting_from_detail({**event, "statusDetails": details})

    assert told is not None
    assert told.details == {}


STATUSES = "QUEUED, IN_PROGRESS, SUCCEEDED, FAILED, REJECTED, TIMED_OUT, CANCELED, REMOVED"
OF_JOB = 'JOB_EXECUTION event of job "cdf-c37f2f9c": '
TIMES = "but seconds or milliseconds since 1970 are expected"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"eventType": "THING"},
            'IoT event: eventType is "THING", but JOB_EXECUTION or JOB is expected',
        ),
        ({"eventType": None}, "IoT event: eventType is null, but JOB_EXECUTION or JOB is expected"),
        ({"jobId": None}, "JOB_EXECUTION event: jobId is missing, but a job id is expected"),
        ({"jobId": "a b"}, 'JOB_EXECUTION event: jobId is "a b", but a job id is expected'),
        (
            {"jobId": "x" * 65},
            f'JOB_EXECUTION event: jobId is "{"x" * 59}…", but a job id is expected',
        ),
        ({"jobId": "a\n"}, 'JOB_EXECUTION event: jobId is "a\\n", but a job id is expected'),
        ({"jobId": 7}, "JOB_EXECUTION event: jobId is 7, but a job id is expected"),
        (
            {"thingArn": None},
            f"{OF_JOB}thingArn is missing, but a text of 1 to 2048 characters is expected",
        ),
        (
            {"thingArn": "arn:aws:iot:eu-west-1:1:myThing/x"},
            (
                f'{OF_JOB}thingArn is "arn:aws:iot:eu-west-1:1:myThing/x", '
                "but an ARN that ends in :thing/NAME is expected"
            ),
        ),
        (
            {"thingArn": "arn:aws:iot:eu-west-1:1:thing/a/b"},
            (
                f'{OF_JOB}thingArn is "arn:aws:iot:eu-west-1:1:thing/a/b", '
                "but an ARN that ends in :thing/NAME is expected"
            ),
        ),
        ({"status": "DONE"}, f'{OF_JOB}status is "DONE", but one of {STATUSES} is expected'),
        ({"status": ["FAILED"]}, f"{OF_JOB}status is a list, but one of {STATUSES} is expected"),
        (
            {"operation": "Failed"},
            f'{OF_JOB}operation is "Failed", but a word in lower case is expected',
        ),
        (
            {"operation": ""},
            f'{OF_JOB}operation is "", but a text of 1 to 64 characters is expected',
        ),
        ({"timestamp": None}, f"{OF_JOB}timestamp is missing, {TIMES}"),
        ({"timestamp": "1587497526"}, f'{OF_JOB}timestamp is "1587497526", {TIMES}'),
        ({"timestamp": True}, f"{OF_JOB}timestamp is true, {TIMES}"),
        ({"timestamp": -1}, f"{OF_JOB}timestamp is -1, {TIMES}"),
        ({"timestamp": 10**30}, f"{OF_JOB}timestamp is a huge number, {TIMES}"),
        (
            {"executionNumber": 0},
            (
                f"{OF_JOB}executionNumber is 0, "
                "but a whole number from 1 to 9223372036854775807 is expected"
            ),
        ),
        (
            {"executionNumber": 1.5},
            (
                f"{OF_JOB}executionNumber is 1.5, "
                "but a whole number from 1 to 9223372036854775807 is expected"
            ),
        ),
        (
            {"eventId": None},
            f"{OF_JOB}eventId is missing, but a text of 1 to 128 characters is expected",
        ),
        (
            {"statusDetails": {"a": 1}},
            f"{OF_JOB}statusDetails is an object, but an object that holds texts only is expected",
        ),
        (
            {"statusDetails": "x"},
            f'{OF_JOB}statusDetails is "x", but an object that holds texts only is expected',
        ),
    ],
)
def test_what_aws_does_not_publish_is_refused(change: dict[str, Any], told: str) -> None:
    """One line says which event, which member, what it is and what it should be."""
    assert told_of(EXECUTION | change) == told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", 'IoT event: "" is not JSON: Expecting value: line 1 column 1 (char 0)'),
        ("hello", 'IoT event: "hello" is not JSON: Expecting value: line 1 column 1 (char 0)'),
        (
            "\x00\x01",
            'IoT event: "\\u0000\\u0001" is not JSON: Expecting value: line 1 column 1 (char 0)',
        ),
        (
            '{"comment": "\\ud800"}',
            "IoT event: it holds half a character, a lone surrogate",
        ),
        ("null", "IoT event: it is null, but an object is expected"),
        ("[1]", "IoT event: it is a list, but an object is expected"),
        (
            '{"a": Infinity}',
            'IoT event: "{\\"a\\": Infinity}" is not JSON: Infinity is no JSON number',
        ),
        ("[" * 100_000, "IoT event: it is nested too deep to be read"),
        (
            " " * (EVENT_BYTES_MAX + 1),
            "IoT event: it has 131073 bytes, but AWS IoT carries at most 131072",
        ),
        ("é" * 70_000, "IoT event: it has 140000 bytes, but AWS IoT carries at most 131072"),
    ],
)
def test_garbage_is_refused_in_one_line(body: str, told: str) -> None:
    """Whatever stands in the queue ends in one error that can be set aside and read."""
    assert told_of(body) == told


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_no_body_is_answered_by_another_error(body: str) -> None:
    """Whatever is in a message, only EventError comes of it: the batch goes on."""
    with pytest.raises(EventError):
        parse_iot_event(body)


values: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([])
)


@given(
    st.sampled_from([EXECUTION, JOB]),
    st.dictionaries(
        st.sampled_from([*EXECUTION, "statusDetails", "executionNumber", "comment", "reasonCode"]),
        values | st.dictionaries(st.text(), values),
        max_size=3,
    ),
)
def test_what_goes_on_the_bus_fits_its_schema(
    event: dict[str, Any], change: dict[str, Any]
) -> None:
    """Either an event is refused, or what comes of it keeps the schema's promises."""
    try:
        made = parse_iot_event(json.dumps(event | change))
    except EventError:
        return
    assert_valid(made)
    if made.detail_type == "Job Execution Status Change":
        sighting_from_detail(made.detail)


DETAIL = dict(parse_iot_event(json.dumps(EXECUTION)).detail)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": "2"}, 'version is "2", but "1" is the only one there is'),
        ({"version": None}, 'version is missing, but "1" is the only one there is'),
        ({"thingName": "a/b"}, 'thingName is "a/b", but a thing\'s name is expected'),
        ({"status": "DONE"}, f'status is "DONE", but one of {STATUSES} is expected'),
        (
            {"timestamp": 1.5},
            "timestamp is 1.5, but a whole number from 0 to 100000000000 is expected",
        ),
        (
            {"executionNumber": None},
            (
                "executionNumber is missing, "
                "but a whole number from 1 to 9223372036854775807 is expected"
            ),
        ),
        ({"operation": "DELETED"}, 'operation is "DELETED", but a word in lower case is expected'),
    ],
)
def test_a_detail_that_somebody_else_put_on_the_bus_is_checked(
    change: dict[str, Any], told: str
) -> None:
    """The ledger counts nothing that does not have the event's form."""
    with pytest.raises(EventError) as caught:
        sighting_from_detail(DETAIL | change)

    assert str(caught.value) == f'Job Execution Status Change of job "cdf-c37f2f9c": {told}'


def test_a_detail_without_a_job_is_refused() -> None:
    """Whoever got a sighting can rely on the detail's jobId."""
    with pytest.raises(EventError, match="jobId is missing, but a job id is expected"):
        sighting_from_detail({name: DETAIL[name] for name in DETAIL if name != "jobId"})
