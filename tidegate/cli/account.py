"""
The account that a command is for: where its Tidegate is, and what reaches it.

A command takes ``Access`` among its options and does its work within ``opened``, which turns
whatever AWS raises into an exit status.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

import typer

from tidegate.cli.exits import ExitStatus, Failed
from tidegate.errors import NotFound, Refused, RetryLater
from tidegate.ports import BusEvent, Clock, Ledger, Policies, Records

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.", show_default=False)]
CreatedAt = Annotated[
    datetime | None,
    typer.Option(
        "--created-at",
        formats=["%Y-%m-%dT%H:%M:%SZ"],
        metavar="TIME",
        help="Which rollout, where the job's id was used again: created_at in `tidegate status "
        "--json`.",
        show_default="the newest",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@dataclass(frozen=True, slots=True)
class Access:
    """How to get at a Tidegate; what is None, AWS's usual variables and files say."""

    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="Profile of your AWS configuration."),
    ] = None
    region: Annotated[
        str | None, typer.Option("--region", metavar="NAME", help="The AWS region.")
    ] = None
    endpoint_url: Annotated[
        str | None,
        typer.Option("--endpoint-url", metavar="URL", help="Where to call AWS instead."),
    ] = None
    environment: Annotated[
        str,
        typer.Option(
            "--environment",
            metavar="NAME",
            envvar="TIDEGATE_ENVIRONMENT",
            help="Which Tidegate of the account, if it has a name.",
            show_default=False,
        ),
    ] = ""

    @property
    def stack_name(self) -> str:
        """The CloudFormation stack of that environment."""
        return "-".join(filter(None, ("Tidegate", self.environment)))


class CommandBus(Protocol):
    """The bus, for who wants to know what becomes of an event."""

    def send(self, event: BusEvent) -> str:
        """Put one event on the bus and return its id; raises Refused or RetryLater."""


class Launches(Protocol):
    """Workflow executions that commands started, before they have a rollout."""

    def failure(self, execution_name: str) -> str | None:
        """Return why an execution failed; None if it did not, or has not begun."""


class Looking(Ledger, Records, Protocol):
    """The ledger, with what people look at."""


@dataclass(frozen=True, slots=True)
class Account:
    """
    A Tidegate in an account and region.

    Attributes:
        stack_name: Its CloudFormation stack.
        outputs: That stack's, by name: ``BusName``, ``TableName``, ``StateMachineArn`` and others.
        ledger: What it remembers.
        policies: Its named policies.
        bus: Takes commands.
        launches: Workflows that begin.
        clock: The time.
        sleep: Lets so many seconds pass.
        caller: Tells who is asking; a call to AWS.
        client: The caller's own client for an AWS service, by the service's name in boto3.
    """

    stack_name: str
    outputs: Mapping[str, str]
    ledger: Looking
    policies: Policies
    bus: CommandBus
    launches: Launches
    clock: Clock
    sleep: Callable[[float], None]
    caller: Callable[[], str]
    client: Callable[[str], Any]

    def arn(self, service: str, rest: str) -> str:
        """Return the ARN of something in this account and region."""
        _, partition, _, region, account_id, *_ = self.outputs["StateMachineArn"].split(":")
        return f"arn:{partition}:{service}:{region}:{account_id}:{rest}"


def epoch_seconds(created_at: datetime | None) -> int | None:
    """Return what ``CreatedAt`` took, which is in UTC, as rollouts are keyed."""
    return None if created_at is None else int(created_at.replace(tzinfo=UTC).timestamp())


#: What the CLI cannot do without.
_OUTPUTS = ("BusName", "PolicyPrefix", "StateMachineArn", "TableName")


def connect(access: Access) -> Account:
    """
    Find the Tidegate that is meant; one call to AWS.

    Raises:
        NotFound: There is none.
        Refused: AWS does not let the caller look, or does not know who that is.
        RetryLater: AWS is too busy or away.
    """
    # boto3 takes long to import, and most of what people type at first needs none of it.
    from tidegate.adapters.aws.bus import EventBridgeBus  # noqa: PLC0415
    from tidegate.adapters.aws.clock import SystemClock  # noqa: PLC0415
    from tidegate.adapters.aws.installation import (  # noqa: PLC0415
        StepFunctionsLaunches,
        caller_name,
        stack_outputs,
    )
    from tidegate.adapters.aws.ledger import DynamoLedger  # noqa: PLC0415
    from tidegate.adapters.aws.policies import ParameterPolicies  # noqa: PLC0415
    from tidegate.adapters.aws.session import Clients  # noqa: PLC0415

    clients = Clients(
        profile=access.profile, region=access.region, endpoint_url=access.endpoint_url
    )
    outputs = stack_outputs(access.stack_name, clients.get("cloudformation"))
    if missing := [name for name in _OUTPUTS if not outputs.get(name)]:
        message = (
            f"stack {access.stack_name} has no output {' nor '.join(missing)}: it is not deployed "
            "whole; look at its events in CloudFormation"
        )
        raise NotFound(message)
    clock = SystemClock()
    return Account(
        stack_name=access.stack_name,
        outputs=outputs,
        ledger=DynamoLedger(outputs["TableName"], clients.get("dynamodb"), clock),
        policies=ParameterPolicies(outputs["PolicyPrefix"], clients.get("ssm")),
        bus=EventBridgeBus(outputs["BusName"], clients.get("events")),
        launches=StepFunctionsLaunches(outputs["StateMachineArn"], clients.get("stepfunctions")),
        clock=clock,
        sleep=clock.sleep,
        caller=lambda: caller_name(clients.get("sts")),
        client=clients.get,
    )


@contextmanager
def opened(context: typer.Context, access: Access) -> Iterator[Account]:
    """
    Connect to the Tidegate that is meant, and let a command work with it.

    Args:
        context: Of the command; a function in its ``obj`` stands in for ``connect``.
        access: How to get there.

    Raises:
        Failed: Something is not found, or AWS is not reached or does not let the caller do it.
    """
    open_account: Callable[[Access], Account] = context.obj or connect
    try:
        yield open_account(access)
    except NotFound as error:
        raise Failed(str(error), ExitStatus.NOT_FOUND) from error
    except Refused as error:
        # Whatever is at fault in the command itself is refused before, or is told as Failed.
        message = (
            f"{str(error).rstrip('.')}: check your credentials, --profile, --region and "
            "--endpoint-url"
        )
        raise Failed(message, ExitStatus.NO_AWS) from error
    except RetryLater as error:
        message = f"{str(error).rstrip('.')}: try again, or check --region and --endpoint-url"
        raise Failed(message, ExitStatus.NO_AWS) from error
