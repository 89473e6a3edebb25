"""Clients that never leave the process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from tidegate.adapters.aws import session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot_jobs_data import IoTJobsDataPlaneClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

    from tidegate.adapters.aws.alarms import CloudWatchClient


@pytest.fixture(scope="module", autouse=True)
def _credentials() -> Iterator[None]:
    """Make a module's clients once, with credentials that open nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_REGION", "eu-central-1")
        session.forget_clients()
        yield
    session.forget_clients()


class Script:
    """
    What AWS will be asked and what it will answer, in this order.

    Requests and answers are checked against the service's model; leaving one out fails the test.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - any service's client
        self._stubber = Stubber(client)
        self._stubber.activate()

    def answer(
        self, operation: str, request: dict[str, Any] | None, response: dict[str, Any]
    ) -> None:
        """Expect a request, None for any, and answer it."""
        self._stubber.add_response(operation, response, request)

    def refuse(self, operation: str, code: str, **members: Any) -> None:  # noqa: ANN401 - plain JSON
        """Answer any request with an error."""
        self._stubber.add_client_error(
            operation, code, service_message="in AWS's words", modeled_fields=members or None
        )

    def finish(self) -> None:
        """Leave the client as it was; fail if AWS was not asked all of it."""
        self._stubber.deactivate()
        self._stubber.assert_no_pending_responses()


@pytest.fixture
def scripts() -> Iterator[list[Script]]:
    """Check at the end that every script was played to its end."""
    begun: list[Script] = []
    yield begun
    for script in begun:
        script.finish()


def _script(client: object, scripts: list[Script]) -> Script:
    scripts.append(Script(client))
    return scripts[-1]


@pytest.fixture
def iot_client() -> IoTClient:
    """Return a client for IoT."""
    return session.client("iot")


@pytest.fixture
def iot(iot_client: IoTClient, scripts: list[Script]) -> Script:
    """Script IoT."""
    return _script(iot_client, scripts)


@pytest.fixture
def data_client(iot_client: IoTClient) -> IoTJobsDataPlaneClient:
    """Return a client for the data plane of IoT Jobs, at an address that an account may have."""
    with Stubber(iot_client) as stubber, pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        stubber.add_response("describe_endpoint", {"endpointAddress": "a1-ats.iot.example"})
        return session.client("iot-jobs-data")


@pytest.fixture
def data(data_client: IoTJobsDataPlaneClient, scripts: list[Script]) -> Script:
    """Script the data plane of IoT Jobs."""
    return _script(data_client, scripts)


@pytest.fixture
def dynamodb_client() -> DynamoDBClient:
    """Return a client for DynamoDB."""
    return session.client("dynamodb")


@pytest.fixture
def dynamodb(dynamodb_client: DynamoDBClient, scripts: list[Script]) -> Script:
    """Script DynamoDB."""
    return _script(dynamodb_client, scripts)


@pytest.fixture
def events_client() -> EventBridgeClient:
    """Return a client for EventBridge."""
    return session.client("events")


@pytest.fixture
def events(events_client: EventBridgeClient, scripts: list[Script]) -> Script:
    """Script EventBridge."""
    return _script(events_client, scripts)


@pytest.fixture
def states_client() -> SFNClient:
    """Return a client for Step Functions."""
    return session.client("stepfunctions")


@pytest.fixture
def states(states_client: SFNClient, scripts: list[Script]) -> Script:
    """Script Step Functions."""
    return _script(states_client, scripts)


@pytest.fixture
def cloudwatch_client() -> CloudWatchClient:
    """Return a client for CloudWatch."""
    return session.client("cloudwatch")


@pytest.fixture
def cloudwatch(cloudwatch_client: CloudWatchClient, scripts: list[Script]) -> Script:
    """Script CloudWatch."""
    return _script(cloudwatch_client, scripts)


@pytest.fixture
def ssm_client() -> SSMClient:
    """Return a client for SSM."""
    return session.client("ssm")


@pytest.fixture
def ssm(ssm_client: SSMClient, scripts: list[Script]) -> Script:
    """Script SSM."""
    return _script(ssm_client, scripts)


@pytest.fixture
def sqs_client() -> SQSClient:
    """Return a client for SQS."""
    return session.client("sqs")


@pytest.fixture
def sqs(sqs_client: SQSClient, scripts: list[Script]) -> Script:
    """Script SQS."""
    return _script(sqs_client, scripts)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note pauses instead of making them."""
    made: list[float] = []
    monkeypatch.setattr("tidegate.adapters.aws.ledger_writes.time.sleep", made.append)
    return made
