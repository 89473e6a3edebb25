"""What is asked of both planes of AWS IoT Jobs about one execution, and how answers are read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import botocore.awsrequest
import pytest
from botocore.stub import Stubber

from tidegate.adapters.aws import session
from tidegate.adapters.aws.executions import IotExecutions
from tidegate.domain.executions import Execution, ExecutionUpdate, Updated
from tidegate.domain.jobs import ExecutionStatus
from tidegate.errors import Conflict, Denied, NotFound, Refused, RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot_jobs_data import IoTJobsDataPlaneClient

    from tests.unit.adapters.conftest import Script

IN_PROGRESS, FAILED = ExecutionStatus.IN_PROGRESS, ExecutionStatus.FAILED
NAMES = {"thingName": "pump:1", "jobId": "j"}
DESCRIBED = {**NAMES, "includeJobDocument": False}
UPDATE = ExecutionUpdate("j", "pump:1", FAILED, {"reason": "stuck"}, expected_version=4)
REQUESTED = {
    **NAMES,
    "status": "FAILED",
    "statusDetails": {"reason": "stuck"},
    "expectedVersion": 4,
    "includeJobExecutionState": True,
    "includeJobDocument": False,
}


def pending(version: int = 4, status: str = "IN_PROGRESS", **members: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the data plane's answer about an execution."""
    execution = {
        **NAMES,
        "status": status,
        "queuedAt": 1_700_000_000,
        "lastUpdatedAt": 1_700_000_060,
        "versionNumber": version,
        "executionNumber": 2,
        **members,
    }
    return {"execution": execution}


def ended(version: int = 5, status: str = "SUCCEEDED", **members: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the control plane's answer about an execution."""
    execution = {
        "jobId": "j",
        "thingArn": "arn:aws:iot:eu-central-1:111122223333:thing/pump:1",
        "status": status,
        "statusDetails": {},
        "queuedAt": datetime.fromtimestamp(1_700_000_000.5, UTC),
        "lastUpdatedAt": datetime.fromtimestamp(1_700_000_060.5, UTC),
        "versionNumber": version,
        "executionNumber": 2,
        **members,
    }
    return {"execution": execution}


@pytest.fixture
def executions(data_client: IoTJobsDataPlaneClient, iot_client: IoTClient) -> IotExecutions:
    """Return executions over clients that are scripted."""
    return IotExecutions(lambda: data_client, iot_client)


def test_a_running_execution_is_read_from_the_data_plane(
    executions: IotExecutions, data: Script
) -> None:
    """One request, without the document, tells all of it."""
    told = pending(
        statusDetails={"step": "1"}, startedAt=1_700_000_030, approximateSecondsBeforeTimedOut=90
    )
    data.answer("describe_job_execution", {**DESCRIBED, "executionNumber": 2}, told)

    assert executions.describe("pump:1", "j", 2) == Execution(
        job_id="j",
        thing_name="pump:1",
        status=IN_PROGRESS,
        execution_number=2,
        version_number=4,
        queued_at=1_700_000_000,
        updated_at=1_700_000_060,
        started_at=1_700_000_030,
        status_details={"step": "1"},
        seconds_left=90,
    )


def test_what_is_over_is_read_from_the_control_plane(
    executions: IotExecutions, data: Script, iot: Script
) -> None:
    """The data plane tells nothing of it but that; the other keeps details and times otherwise."""
    started_at = datetime.fromtimestamp(1_700_000_030.25, UTC)
    data.refuse("describe_job_execution", "TerminalStateException")
    iot.answer(
        "describe_job_execution",
        {**NAMES, "executionNumber": 2},
        ended(statusDetails={"detailsMap": {"step": "3"}}, startedAt=started_at),
    )

    assert executions.describe("pump:1", "j", 2) == Execution(
        job_id="j",
        thing_name="pump:1",
        status=ExecutionStatus.SUCCEEDED,
        execution_number=2,
        version_number=5,
        queued_at=1_700_000_000.5,
        updated_at=1_700_000_060.5,
        started_at=1_700_000_030.25,
        status_details={"step": "3"},
    )


def test_an_update_says_all_that_it_means(executions: IotExecutions, data: Script) -> None:
    """Every member reaches AWS, and state and document come back."""
    update = ExecutionUpdate(
        "j",
        "pump:1",
        IN_PROGRESS,
        {"step": "1"},
        expected_version=4,
        execution_number=2,
        step_timeout_minutes=15,
        include_state=True,
        include_document=True,
    )
    data.answer(
        "update_job_execution",
        {
            **REQUESTED,
            "status": "IN_PROGRESS",
            "statusDetails": {"step": "1"},
            "executionNumber": 2,
            "stepTimeoutInMinutes": 15,
            "includeJobDocument": True,
        },
        {
            "executionState": {"status": "IN_PROGRESS", "versionNumber": 5},
            "jobDocument": "{}",
        },
    )

    assert executions.update(update) == Updated(IN_PROGRESS, 5, {}, "{}")


def test_an_update_leaves_unsaid_what_it_leaves(executions: IotExecutions, data: Script) -> None:
    """Details, version, number and timer are sent only if they are given; empty ones are."""
    bare = {name: REQUESTED[name] for name in REQUESTED if name != "expectedVersion"}
    state = {"executionState": {"status": "FAILED", "versionNumber": 5}}
    data.answer("update_job_execution", {**bare, "statusDetails": {}}, state)
    bare.pop("statusDetails")
    data.answer("update_job_execution", bare, state)

    assert executions.update(ExecutionUpdate("j", "pump:1", FAILED, {})) == Updated()
    assert executions.update(ExecutionUpdate("j", "pump:1", FAILED)) == Updated()


@pytest.mark.parametrize(
    "code", ["InvalidRequestException", "InvalidStateTransitionException", "TerminalStateException"]
)
@pytest.mark.parametrize("is_over", [False, True])
def test_a_stale_update_conflicts_by_whatever_name(
    executions: IotExecutions, data: Script, iot: Script, code: str, *, is_over: bool
) -> None:
    """What AWS calls it does not matter: the execution itself tells that it moved on."""
    data.refuse("update_job_execution", code)
    if is_over:
        data.refuse("describe_job_execution", "TerminalStateException")
        iot.answer("describe_job_execution", NAMES, ended())
    else:
        data.answer("describe_job_execution", DESCRIBED, pending(version=5))

    with pytest.raises(Conflict, match="at version 5"):
        executions.update(UPDATE)


def test_an_update_at_fault_is_not_a_conflict(executions: IotExecutions, data: Script) -> None:
    """Where the execution is as expected, the request was refused for itself, in AWS's words."""
    data.refuse("update_job_execution", "InvalidRequestException")
    data.answer("describe_job_execution", DESCRIBED, pending(version=4))

    with pytest.raises(Refused, match="in AWS's words") as caught:
        executions.update(UPDATE)
    assert type(caught.value) is Refused


def test_a_transition_that_aws_does_not_allow_is_a_conflict(
    executions: IotExecutions, data: Script
) -> None:
    """Even where its reason cannot be seen any more."""
    data.refuse("update_job_execution", "InvalidStateTransitionException")
    data.answer("describe_job_execution", DESCRIBED, pending(version=4))

    with pytest.raises(Conflict):
        executions.update(UPDATE)


def test_an_update_whose_answer_was_lost_is_done(
    executions: IotExecutions, data: Script, iot: Script
) -> None:
    """A retry within the client finds its own first try in the way, and says what that came to."""
    data.refuse("update_job_execution", "InvalidRequestException")
    data.refuse("describe_job_execution", "TerminalStateException")
    own = ended(status="FAILED", statusDetails={"detailsMap": {"reason": "stuck"}})
    iot.answer("describe_job_execution", NAMES, own)

    assert executions.update(UPDATE) == Updated()


def test_the_document_of_an_update_whose_answer_was_lost_is_fetched(
    executions: IotExecutions, data: Script
) -> None:
    """Whoever asked for it has not got it yet."""
    update = ExecutionUpdate("j", "pump:1", IN_PROGRESS, expected_version=3, include_document=True)
    data.refuse("update_job_execution", "InvalidRequestException")
    data.answer("describe_job_execution", DESCRIBED, pending())
    asked = {**NAMES, "executionNumber": 2, "includeJobDocument": True}
    data.answer("describe_job_execution", asked, pending(jobDocument='{"image": "7"}'))

    assert executions.update(update) == Updated(document='{"image": "7"}')


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ResourceNotFoundException", NotFound),
        ("ThrottlingException", RetryLater),
        ("ServiceUnavailableException", RetryLater),
        ("CertificateValidationException", Denied),
        ("AccessDeniedException", Denied),
        ("ForbiddenException", Denied),
    ],
)
def test_other_refusals_say_nothing_of_the_execution(
    executions: IotExecutions, data: Script, code: str, kind: type[Exception]
) -> None:
    """They go to whoever asked as they are, with no look at the execution."""
    data.refuse("update_job_execution", code)

    with pytest.raises(kind, match=f"UpdateJobExecution j of pump:1: {code}") as caught:
        executions.update(UPDATE)
    assert not isinstance(caught.value, Conflict)


def test_a_busy_second_look_is_taken_later(executions: IotExecutions, data: Script) -> None:
    """A refusal whose meaning cannot be found out now is not taken for final."""
    data.refuse("update_job_execution", "InvalidRequestException")
    data.refuse("describe_job_execution", "ThrottlingException")

    with pytest.raises(RetryLater):
        executions.update(UPDATE)


def test_what_cannot_be_right_is_not_sent(executions: IotExecutions, data: Script) -> None:
    """An update that AWS refuses whatever the execution costs no request."""
    with pytest.raises(Refused, match="versions begin at 1"):
        executions.update(ExecutionUpdate("j", "pump:1", FAILED, expected_version=0))


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("describe_job_execution", lambda executions: executions.describe("pump:1", "j")),
        ("update_job_execution", lambda executions: executions.update(UPDATE)),
    ],
    ids=["describe", "update"],
)
def test_an_address_that_is_not_of_jobs_is_noticed(
    executions: IotExecutions,
    data: Script,
    operation: str,
    ask: Callable[[IotExecutions], object],
) -> None:
    """It may answer 200 to anything: without what each answer holds, nothing counts as done."""
    data.answer(operation, None, {})

    with pytest.raises(RetryLater, match=r"https://a1-ats\.iot\.example answers, but not as"):
        ask(executions)


@pytest.mark.parametrize(
    "body",
    [
        b"<UnknownOperationException/>\n",
        b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"}}',
        b"",
    ],
)
def test_what_such_an_address_answers_is_read(
    executions: IotExecutions,
    data_client: IoTJobsDataPlaneClient,
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
) -> None:
    """Neither XML, nor an error in a successful answer, nor silence breaks anything or is done."""
    answer = botocore.awsrequest.AWSResponse("https://a1", 200, {}, None)  # type: ignore[arg-type]
    answer._content = body  # type: ignore[attr-defined]
    handlers: Any = data_client.meta.events
    handlers.register("before-send.iot-jobs-data-plane", lambda **_: answer, unique_id="wrong")
    try:
        with pytest.raises(RetryLater, match="answers, but not as AWS IoT Jobs does"):
            executions.update(UPDATE)
    finally:
        handlers.unregister("before-send.iot-jobs-data-plane", unique_id="wrong")


def test_canceling_is_never_forced(executions: IotExecutions, iot: Script) -> None:
    """A version is sent where it is known."""
    iot.answer("cancel_job_execution", {**NAMES, "expectedVersion": 1}, {})
    iot.answer("cancel_job_execution", NAMES, {})

    executions.cancel("pump:1", "j", expected_version=1)
    executions.cancel("pump:1", "j")


@pytest.mark.parametrize("code", ["VersionConflictException", "InvalidStateTransitionException"])
def test_what_moved_on_is_not_canceled(
    executions: IotExecutions, data: Script, iot: Script, code: str
) -> None:
    """Whoever began, or changed otherwise, is left alone."""
    iot.refuse("cancel_job_execution", code)
    data.answer("describe_job_execution", DESCRIBED, pending())

    with pytest.raises(Conflict, match=code):
        executions.cancel("pump:1", "j", expected_version=1)


def test_what_is_canceled_is_done(executions: IotExecutions, data: Script, iot: Script) -> None:
    """A cancelation whose answer was lost is not a conflict the second time."""
    iot.refuse("cancel_job_execution", "InvalidStateTransitionException")
    data.refuse("describe_job_execution", "TerminalStateException")
    iot.answer("describe_job_execution", NAMES, ended(status="CANCELED"))

    executions.cancel("pump:1", "j")


# the data plane's address


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Note the addresses that clients are made with, and give the account's own away."""
    addresses: list[str | None] = []
    make = boto3.session.Session.client

    def note(self: boto3.session.Session, name: str, **settings: Any) -> Any:  # noqa: ANN401
        addresses.append(settings.get("endpoint_url"))
        return make(self, name, **settings)

    for variable in ("AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(boto3.session.Session, "client", note)
    session._made.cache_clear()
    return addresses


def test_each_account_has_its_own_data_plane(iot_client: IoTClient, made: list[str | None]) -> None:
    """Its address is asked for once in a process, and is used under HTTPS."""
    iot: Any = session.client("iot")
    stubber = Stubber(iot)
    stubber.add_response(
        "describe_endpoint",
        {"endpointAddress": "a1-ats.iot.eu-central-1.amazonaws.com"},
        {"endpointType": "iot:Data-ATS"},
    )

    with stubber:
        first, second = session.client("iot-jobs-data"), session.client("iot-jobs-data")

    session._made.cache_clear()
    assert first is second
    assert first.meta.endpoint_url == "https://a1-ats.iot.eu-central-1.amazonaws.com"
    assert made == [None, first.meta.endpoint_url]


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_IOT_JOBS_DATA_PLANE"])
def test_an_environment_may_send_calls_elsewhere(
    made: list[str | None], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """There AWS is not asked for an address at all: the embedded cloud stands for all of it."""
    monkeypatch.setenv(variable, "http://127.0.0.1:4566")

    client = session.client("iot-jobs-data")

    session._made.cache_clear()
    assert client.meta.endpoint_url == "http://127.0.0.1:4566"
    assert made == [None]


def test_an_address_that_aws_does_not_tell_now_is_asked_for_again(
    made: list[str | None], iot_client: IoTClient
) -> None:
    """Being too busy to tell it is not remembered."""
    iot: Any = session.client("iot")
    stubber = Stubber(iot)
    stubber.add_client_error("describe_endpoint", "ThrottlingException")
    stubber.add_response("describe_endpoint", {"endpointAddress": "a1-ats.iot.example"})

    with stubber:
        with pytest.raises(RetryLater, match="DescribeEndpoint iot:Data-ATS"):
            session.client("iot-jobs-data")
        client = session.client("iot-jobs-data")

    session._made.cache_clear()
    assert client.meta.endpoint_url == "https://a1-ats.iot.example"


@pytest.fixture
def at_a_terminal(made: list[str | None], monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Note the addresses of clients for somebody whose files and variables say nothing."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_IOT_JOBS_DATA_PLANE", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return made


def test_at_a_terminal_the_data_plane_is_that_of_the_chosen_account(
    at_a_terminal: list[str | None],
) -> None:
    """Its address is asked for once, of the account and region that were chosen."""
    clients = session.Clients(region="eu-west-1")
    with Stubber(clients.get("iot")) as stubber:
        stubber.add_response(
            "describe_endpoint",
            {"endpointAddress": "a1-ats.iot.eu-west-1.amazonaws.com"},
            {"endpointType": "iot:Data-ATS"},
        )
        first, second = clients.get("iot-jobs-data"), clients.get("iot-jobs-data")
        stubber.assert_no_pending_responses()

    assert first is second
    assert first.meta.region_name == clients.get("iot").meta.region_name == "eu-west-1"
    assert at_a_terminal == [None, "https://a1-ats.iot.eu-west-1.amazonaws.com"]


def test_at_a_terminal_an_address_of_ones_own_is_asked_for_nowhere(
    at_a_terminal: list[str | None],
) -> None:
    """With --endpoint-url all calls go there, those of the data plane too."""
    clients = session.Clients(region="eu-west-1", endpoint_url="http://127.0.0.1:4566")

    assert clients.get("iot-jobs-data").meta.endpoint_url == "http://127.0.0.1:4566"
    assert at_a_terminal == ["http://127.0.0.1:4566"]


def test_at_a_terminal_the_environment_may_send_calls_elsewhere(
    at_a_terminal: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a variable says so, no address is asked for; it may be told to be ignored."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    elsewhere = session.Clients(region="eu-west-1").get("iot-jobs-data")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    clients = session.Clients(region="eu-west-1")
    with Stubber(clients.get("iot")) as stubber:
        stubber.add_response("describe_endpoint", {"endpointAddress": "a1-ats.iot.example"})
        clients.get("iot-jobs-data")

    assert elsewhere.meta.endpoint_url == "http://127.0.0.1:4566"
    assert at_a_terminal == [None, None, "https://a1-ats.iot.example"]


def test_at_a_terminal_an_address_that_aws_denies_is_refused(
    at_a_terminal: list[str | None],
) -> None:
    """Whoever may not ask for it is told so, and nothing is remembered."""
    clients = session.Clients(region="eu-west-1")
    with Stubber(clients.get("iot")) as stubber:
        stubber.add_client_error("describe_endpoint", "AccessDeniedException")
        with pytest.raises(Refused, match="DescribeEndpoint iot:Data-ATS: AccessDenied"):
            clients.get("iot-jobs-data")
        stubber.add_response("describe_endpoint", {"endpointAddress": "a1-ats.iot.example"})
        clients.get("iot-jobs-data")

    assert at_a_terminal[-1] == "https://a1-ats.iot.example"
