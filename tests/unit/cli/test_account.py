"""Finding a Tidegate in an account: its stack's outputs, who asks, and what keeps from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from tidegate.adapters.aws.installation import StepFunctionsLaunches, caller_name
from tidegate.adapters.aws.session import Clients
from tidegate.cli.account import Access, connect
from tidegate.errors import Denied, NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "eu-central-1"
MACHINE = f"arn:aws:states:{REGION}:123456789012:stateMachine:tidegate"
OUTPUTS = {
    "BusName": "tidegate",
    "PolicyPrefix": "/tidegate/policies/",
    "StateMachineArn": MACHINE,
    "TableName": "tidegate-ledger",
}


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let moto answer in place of AWS, whatever this machine is configured for."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere/config")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", REGION)
    with mock_aws():
        yield


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """Provide what CloudFormation is to answer, for all clients."""
    client = Clients().get("cloudformation")
    others = Clients.get

    def get(self: Clients, service_name: str) -> Any:  # noqa: ANN401 - each service's is another
        return client if service_name == "cloudformation" else others(self, service_name)

    monkeypatch.setattr(Clients, "get", get)
    with Stubber(client) as stubber:
        yield stubber


def deployed(stacks: Stubber, outputs: dict[str, str], name: str = "Tidegate") -> None:
    """Let there be a stack with outputs."""
    stack = {
        "StackName": name,
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
        "StackStatus": "CREATE_COMPLETE",
        "Outputs": [{"OutputKey": key, "OutputValue": text} for key, text in outputs.items()],
    }
    stacks.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": name})


def test_the_stack_tells_where_everything_is(stacks: Stubber) -> None:
    """One call finds bus, table, policies and workflow of the environment that is meant."""
    deployed(stacks, OUTPUTS, "Tidegate-blue")
    found = connect(Access(environment="blue"))

    assert found.stack_name == "Tidegate-blue"
    assert found.outputs == OUTPUTS
    assert found.arn("iot", "thing/pump") == f"arn:aws:iot:{REGION}:123456789012:thing/pump"
    assert found.caller() == "moto"


def test_a_stack_that_is_not_there_is_not_found(stacks: Stubber) -> None:
    """The message names the options that would look elsewhere."""
    stacks.add_client_error("describe_stacks", "ValidationError", "Stack does not exist", 400)

    with pytest.raises(NotFound, match="there is no stack Tidegate in this account and region"):
        connect(Access())


def test_what_aws_denies_is_not_missing(stacks: Stubber) -> None:
    """Whoever may not look is told so, not that there is nothing to see."""
    stacks.add_client_error("describe_stacks", "AccessDenied", "not you", 403)

    with pytest.raises(Denied, match="DescribeStacks Tidegate: AccessDenied: not you"):
        connect(Access())


def test_a_stack_without_outputs_is_told(stacks: Stubber) -> None:
    """A deployment that failed halfway is no Tidegate."""
    deployed(stacks, {name: OUTPUTS[name] for name in ("BusName", "PolicyPrefix")})

    with pytest.raises(NotFound, match="has no output StateMachineArn nor TableName"):
        connect(Access())


@pytest.mark.parametrize(
    ("access", "told"),
    [
        (Access(profile="nobody"), "profile"),
        (Access(region="not a region"), "region"),
        (Access(endpoint_url="nowhere"), "nowhere: an address is needed"),
        (Access(region="eu_central"), "AWS configuration: Provided region_name 'eu_central'"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(access: Access, told: str) -> None:
    """A slip in an option is an answer, not a traceback."""
    with pytest.raises(Refused, match=told):
        connect(access)


def test_a_region_that_is_given_comes_before_the_environment() -> None:
    """As with AWS's own tools."""
    assert Clients().get("sts").meta.region_name == REGION
    assert Clients(region="us-east-1").get("sts").meta.region_name == "us-east-1"


def test_an_address_that_is_given_is_called_for_every_service() -> None:
    """An embedded cloud stands in for all of AWS."""
    clients = Clients(endpoint_url="http://localhost:4566")

    for service in ("cloudformation", "dynamodb", "events", "sts"):
        assert clients.get(service).meta.endpoint_url == "http://localhost:4566"


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:iam::123456789012:user/ops/zoe", "zoe"),
        ("arn:aws:sts::123456789012:assumed-role/Operators/zoe@example.org", "zoe@example.org"),
        ("arn:aws:iam::123456789012:root", "root"),
    ],
)
def test_the_caller_is_the_last_part_of_the_arn(arn: str, name: str) -> None:
    """A person, not a role, where AWS tells."""

    class Tokens:
        def get_caller_identity(self) -> Any:  # noqa: ANN401 - what the client's stub says
            return {"Arn": arn}

    assert caller_name(Tokens()) == name


class Answers:
    """A client of Step Functions that answers with one execution."""

    def __init__(self, **execution: str) -> None:
        """Remember it."""
        self.execution = execution

    def describe_execution(self, **request: str) -> dict[str, str]:
        """Return it, for the ARN that it must have."""
        assert request["executionArn"] == (
            f"arn:aws:states:{REGION}:123456789012:execution:tidegate:job-event"
        )
        return self.execution


@pytest.mark.parametrize(
    ("execution", "why"),
    [
        ({"status": "RUNNING"}, None),
        ({"status": "SUCCEEDED"}, None),
        (
            {"status": "FAILED", "error": "EnrollmentRefused", "cause": "no such policy"},
            "no such policy",
        ),
        ({"status": "FAILED", "error": "Unattended"}, "Unattended"),
        ({"status": "ABORTED"}, "its workflow is ABORTED"),
    ],
)
def test_why_a_launch_failed_is_what_its_execution_says(
    execution: dict[str, str], why: str | None
) -> None:
    """The cause if there is one, else the error, else how it stands."""
    client: Any = Answers(**execution)

    assert StepFunctionsLaunches(MACHINE, client).failure("job-event") == why


def test_an_execution_that_has_not_begun_has_not_failed() -> None:
    """The command may still be in its queue."""
    client = Clients().get("stepfunctions")

    assert StepFunctionsLaunches(MACHINE, client).failure("job-event") is None
