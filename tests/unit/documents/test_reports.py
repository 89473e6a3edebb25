"""Reports for devices: what may be reported, and what is told of a report that is faulty."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tidegate.documents.reports import (
    AHEAD_SECONDS_MAX,
    REPORT_BYTES_MAX,
    DeviceReport,
    ReportError,
    parse_report,
)
from tidegate.documents.schemas import EVENT_SCHEMAS
from tidegate.domain.executions import ExecutionUpdate
from tidegate.domain.jobs import ExecutionStatus

REPORT_ID = "c54b7cd4-2a3f-4b0c-8d9f-5b3c9c1a2f60"
SENT_AT = 1764000480.0

SOUND: dict[str, Any] = {"jobId": "fw-2", "thingName": "site:7:pump-1", "status": "SUCCEEDED"}
UPDATE = ExecutionUpdate("fw-2", "site:7:pump-1", ExecutionStatus.SUCCEEDED)
ABOUT = 'Device Execution Report on thing "site:7:pump-1" in job "fw-2"'

GIVE_TIME = "give a time like 2026-01-31T09:30:00Z"

REPORT = EVENT_SCHEMAS["Device Execution Report"]
SCHEMA = Draft202012Validator(REPORT)


def event_of(detail: object, **envelope: object) -> dict[str, Any]:
    """Return a report as EventBridge delivers it."""
    return {
        "version": "0",
        "id": REPORT_ID,
        "detail-type": "Device Execution Report",
        "source": "plant-7.gateway",
        "account": "123456789012",
        "time": "2025-11-24T16:08:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": detail,
    } | envelope


def refused(event: dict[str, Any]) -> ReportError:
    """Return what a report that is refused comes to."""
    with pytest.raises(ReportError) as caught:
        parse_report(event)
    return caught.value


def test_a_report_says_no_more_than_it_must() -> None:
    """Job, thing and status are enough; it was so when the event was sent."""
    event = event_of(SOUND)

    assert parse_report(event) == DeviceReport(REPORT_ID, "plant-7.gateway", SENT_AT, UPDATE)
    assert SCHEMA.is_valid(event)


def test_a_report_may_say_all_that_an_update_can() -> None:
    """Each member arrives where the code inside reads it."""
    event = event_of(
        SOUND
        | {
            "version": "1",
            "status": "IN_PROGRESS",
            "statusDetails": {"step": "load", "a:b_c-9": "é" * 1024},
            "executionNumber": 2,
            "expectedVersion": 7,
            "stepTimeoutInMinutes": 10_080,
            "includeJobDocument": True,
            "includeJobExecutionState": True,
            "at": "2025-11-24T17:07:00.250+01:00",
        }
    )

    assert parse_report(event) == DeviceReport(
        REPORT_ID,
        "plant-7.gateway",
        SENT_AT - 59.75,
        ExecutionUpdate(
            job_id="fw-2",
            thing_name="site:7:pump-1",
            status=ExecutionStatus.IN_PROGRESS,
            status_details={"step": "load", "a:b_c-9": "é" * 1024},
            expected_version=7,
            execution_number=2,
            step_timeout_minutes=10_080,
            include_state=True,
            include_document=True,
        ),
    )
    assert SCHEMA.is_valid(event)


@pytest.mark.parametrize(
    "change", [{"statusDetails": {}}, {"stepTimeoutInMinutes": -1}, {"includeJobDocument": False}]
)
def test_what_changes_nothing_or_ends_something_can_be_said(change: dict[str, Any]) -> None:
    """No details, no timer and no document are answers like any other."""
    event = event_of(SOUND | change)

    update = parse_report(event).update

    assert update.status_details == change.get("statusDetails")
    assert update.step_timeout_minutes == change.get("stepTimeoutInMinutes")
    assert not update.include_document
    assert SCHEMA.is_valid(event)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"status": "QUEUED"},
            (
                "status QUEUED is for AWS to set: "
                "report one of FAILED, IN_PROGRESS, REJECTED, SUCCEEDED"
            ),
        ),
        (
            {"status": "DONE"},
            'status is "DONE": give one of FAILED, IN_PROGRESS, REJECTED, SUCCEEDED',
        ),
        (
            {"statusDetails": {str(n): "x" for n in range(11)}},
            "statusDetails has 11 pairs: give at most 10",
        ),
        (
            {"statusDetails": {"a": "x\x07"}},
            "statusDetails.a holds control characters: leave them out",
        ),
        (
            {"statusDetails": {"a": "x" * 1025, "b": ""}},
            (
                "statusDetails.a has 1025 characters: give 1 to 1024; "
                "statusDetails.b has 0 characters: give 1 to 1024"
            ),
        ),
        (
            {"statusDetails": {"a": 7, "b": ["x"], "c": None}},
            (
                "statusDetails.a is 7: give a text; statusDetails.b is a list: give a text; "
                "statusDetails.c is missing: give a text"
            ),
        ),
        (
            {"statusDetails": {"a b": "x"}},
            "statusDetails key 'a b': give 1 to 128 letters, digits, :, _ and -",
        ),
        ({"statusDetails": "x"}, 'statusDetails is "x": give an object that holds texts only'),
        ({"expectedVersion": 0}, "expectedVersion is 0: versions begin at 1"),
        ({"expectedVersion": "3"}, 'expectedVersion is "3": give a whole number'),
        ({"executionNumber": True}, "executionNumber is true: give a whole number"),
        ({"executionNumber": -1}, "executionNumber is -1: numbers begin at 1"),
        ({"executionNumber": 2**63}, "executionNumber is a huge number: give a whole number"),
        (
            {"stepTimeoutInMinutes": 10_081},
            "stepTimeoutInMinutes is 10081: give 1 to 10080, or -1 to end the timer",
        ),
        (
            {"stepTimeoutInMinutes": 0},
            "stepTimeoutInMinutes is 0: give 1 to 10080, or -1 to end the timer",
        ),
        ({"includeJobDocument": "yes"}, 'includeJobDocument is "yes": give true or false'),
        (
            {"at": "2025-11-24T16:08:00"},
            f'at is "2025-11-24T16:08:00": {GIVE_TIME}',
        ),
        ({"at": 1764000480}, f"at is 1764000480: {GIVE_TIME}"),
        ({"version": "2"}, 'version is "2": give "1", or leave it out'),
        (
            {"clientToken": "x"},
            (
                '"clientToken" is unknown: at, executionNumber, expectedVersion, '
                "includeJobDocument, includeJobExecutionState, jobId, status, statusDetails, "
                "stepTimeoutInMinutes, thingName, version are known"
            ),
        ),
    ],
)
def test_a_faulty_report_is_told_what_would_be_right(change: dict[str, Any], told: str) -> None:
    """What AWS would refuse, or nobody could read, is told in the words of the report."""
    event = event_of(SOUND | change)

    error = refused(event)

    assert error.problem == str(error) == f"{ABOUT}: {told}"
    assert (error.report_id, error.source) == (REPORT_ID, "plant-7.gateway")
    assert (error.job_id, error.thing_name) == ("fw-2", "site:7:pump-1")
    assert not SCHEMA.is_valid(event)


@pytest.mark.parametrize("at", ["2025-02-30T00:00:00Z", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_never_was_is_refused(at: str) -> None:
    """A day that no calendar has, or that is beyond all reckoning, is a fault like any other."""
    assert "at " in refused(event_of(SOUND | {"at": at})).problem


def test_a_report_from_ahead_is_refused() -> None:
    """It would make all later reports look old: clocks may differ by a minute, and no more."""
    just = event_of(SOUND | {"at": "2025-11-24T16:09:00Z"})
    beyond = event_of(SOUND | {"at": "2025-11-24T16:09:00.001Z"})

    assert parse_report(just).at == SENT_AT + AHEAD_SECONDS_MAX
    assert refused(beyond).problem.endswith(
        "at lies ahead of the event itself: give the time of what is reported"
    )


def test_all_that_is_wrong_with_a_report_is_told_at_once() -> None:
    """Nobody has to send a report again and again to learn of the next fault."""
    event = event_of(
        {"jobId": "fw 2", "status": "TIMED_OUT", "at": "now", "statusDetails": {"a": 1, "b": ""}}
    )

    error = refused(event)

    assert error.problem == (
        'Device Execution Report in job "fw 2": at is "now": give a time like '
        '2026-01-31T09:30:00Z; jobId is "fw 2": give 1 to 64 letters, digits, - and _; '
        "thingName is missing: give 1 to 128 letters, digits, :, - and _; "
        "statusDetails.a is 1: give a text; status TIMED_OUT is for AWS to set: report one of "
        "FAILED, IN_PROGRESS, REJECTED, SUCCEEDED; "
        "statusDetails.b has 0 characters: give 1 to 1024"
    )
    assert error.remedy == "Mend what the problem names and report again; nothing was changed."
    assert (error.job_id, error.thing_name) == (None, None)


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        (None, "detail is missing: give an object"),
        ([SOUND], "detail is a list: give an object"),
        (
            SOUND | {"statusDetails": {"a": "x" * REPORT_BYTES_MAX}},
            f"detail has more than {REPORT_BYTES_MAX} bytes as JSON, or is no JSON",
        ),
        (SOUND | {"at": "\ud800"}, f"detail has more than {REPORT_BYTES_MAX} bytes as JSON"),
    ],
)
def test_what_is_no_report_at_all_is_told_so(detail: object, told: str) -> None:
    """What cannot be read, or not be sent, is refused before its members are looked at."""
    assert told in refused(event_of(detail)).problem


def test_a_flood_of_faults_is_bounded() -> None:
    """However much is wrong, the message stays one that people read."""
    error = refused(event_of(SOUND | {f"x{n}": n for n in range(100)}))

    assert error.problem.endswith("; and 80 more")


@pytest.mark.parametrize("source", ["tidegate.device", "acme-2.gateway_7", "x" * 256])
def test_reporters_have_sources_of_their_own(source: str) -> None:
    """Whoever reports does so under a name that a parameter of SSM can have."""
    event = event_of(SOUND, source=source)

    assert parse_report(event).source == source
    assert SCHEMA.is_valid(event)


@pytest.mark.parametrize(
    "source",
    [
        "tidegate",
        "tidegate.operator",
        "tidegate.iot",
        "tidegate.device.x",
        "tidegatex",
        "../policies/firmware",
        "a b",
        "",
        "x" * 257,
    ],
)
def test_nobody_reports_as_tidegate_itself(source: str) -> None:
    """Tidegate's own events are no reports, and no source leads to another's parameter."""
    event = event_of(SOUND, source=source)

    error = refused(event)

    assert "source is " in error.problem
    assert error.source == source
    assert not SCHEMA.is_valid(event)


@pytest.mark.parametrize(
    ("envelope", "report_id"),
    [
        ({"id": None}, None),
        ({"id": "not a uuid"}, None),
        ({"time": "yesterday"}, REPORT_ID),
        ({"time": None}, REPORT_ID),
        ({"detail-type": "Hold Rollout"}, REPORT_ID),
    ],
)
def test_what_did_not_come_by_the_bus_is_refused(
    envelope: dict[str, Any], report_id: str | None
) -> None:
    """The bus gives every event an id and a time; without an id there is nobody to answer."""
    assert refused(event_of(SOUND, **envelope)).report_id == report_id


anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["1", "\ud800", "FAILED", "0001-01-01T00:00:00+23:00", "x" * 2000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=12),
    max_leaves=15,
)
MEMBERS = sorted(REPORT["properties"]["detail"]["properties"])


@given(
    st.dictionaries(st.sampled_from(MEMBERS), anything, max_size=4),
    st.dictionaries(st.sampled_from(["id", "source", "time", "detail"]), anything, max_size=1),
)
def test_no_report_is_answered_by_another_error(
    change: dict[str, Any], envelope: dict[str, Any]
) -> None:
    """A report is read or refused; what is read is what its schema takes, and plain JSON."""
    event = event_of(SOUND | change) | envelope
    try:
        parse_report(event)
    except ReportError:
        return
    assert SCHEMA.is_valid(json.loads(json.dumps(event)))
