"""Where a Tidegate is in an account, and who asks: for tools outside of the stack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypedDict

from botocore.exceptions import ClientError

from tidegate.adapters.aws.errors import code_of, translated
from tidegate.errors import NotFound, Refused

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_stepfunctions import SFNClient

#: What CloudFormation answers for a stack that does not exist, as for a name that cannot be one.
_NO_SUCH_STACK = "ValidationError"

#: ``arn:aws:states:REGION:ACCOUNT:stateMachine:NAME``; a version or an alias may follow.
_ARN_PARTS = 7

#: How an execution that goes on, or did what it was to do, stands.
_NOT_FAILED = ("RUNNING", "PENDING_REDRIVE", "SUCCEEDED")


class CallerIdentity(TypedDict):
    """What GetCallerIdentity says that matters here."""

    Arn: str


class TokenClient(Protocol):
    """That part of the client for AWS STS that is used."""

    def get_caller_identity(self) -> CallerIdentity:
        """Call GetCallerIdentity."""


def stack_outputs(stack_name: str, client: CloudFormationClient) -> dict[str, str]:
    """
    Return the outputs of a stack by name.

    Raises:
        NotFound: There is no such stack in the account and region.
        Refused: AWS does not let the caller look, or does not know who that is.
        RetryLater: AWS is too busy or away.
    """
    try:
        with translated(f"DescribeStacks {stack_name}"):
            answer = client.describe_stacks(StackName=stack_name)
    except Refused as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and code_of(cause) == _NO_SUCH_STACK:
            message = (
                f"there is no stack {stack_name} in this account and region: choose others with "
                "--profile and --region, another Tidegate with --environment, or deploy it"
            )
            raise NotFound(message) from error
        raise
    outputs = answer["Stacks"][0].get("Outputs", [])
    return {each.get("OutputKey", ""): each.get("OutputValue", "") for each in outputs}


def caller_name(client: TokenClient) -> str:
    """Return the last part of the caller's ARN: a user's name, or that of a role's session."""
    with translated("GetCallerIdentity"):
        arn = client.get_caller_identity()["Arn"]
    return re.split("[:/]", arn)[-1]


class StepFunctionsLaunches:
    """Workflow executions that commands started, before they have a rollout."""

    def __init__(self, state_machine_arn: str, client: SFNClient) -> None:
        """Bind the state machine to the client that reaches it."""
        self._arn = state_machine_arn
        self._client = client

    def failure(self, execution_name: str) -> str | None:
        """Return why an execution failed; None if it did not, or has not begun."""
        machine = ":".join(self._arn.split(":")[:_ARN_PARTS])
        arn = f"{machine.replace(':stateMachine:', ':execution:', 1)}:{execution_name}"
        try:
            with translated(f"DescribeExecution {arn}"):
                answer = self._client.describe_execution(executionArn=arn)
        except NotFound:
            return None
        if answer["status"] in _NOT_FAILED:
            return None
        return answer.get("cause") or answer.get("error") or f"its workflow is {answer['status']}"
