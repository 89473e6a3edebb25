"""Clients for AWS: made when first asked for, one per service and process, all configured here."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

    from tidegate.adapters.aws.alarms import CloudWatchClient

#: Tries of one call, the first included; in between botocore waits up to 1, 2, 4, … seconds,
#: a random share of it each time.
ATTEMPTS_MAX = 4

#: Jobs' control plane takes about ten calls a second from the whole account, so others may well
#: be in the way: up to 15 seconds of waiting in all, half of it on average.
IOT_ATTEMPTS_MAX = 5

#: Long enough for a slow answer, short enough to try again before a Lambda's time is up.
CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 10.0

USER_AGENT = "tidegate"


@overload
def client(service_name: Literal["cloudwatch"]) -> CloudWatchClient: ...
@overload
def client(service_name: Literal["dynamodb"]) -> DynamoDBClient: ...
@overload
def client(service_name: Literal["events"]) -> EventBridgeClient: ...
@overload
def client(service_name: Literal["iot"]) -> IoTClient: ...
@overload
def client(service_name: Literal["sqs"]) -> SQSClient: ...
@overload
def client(service_name: Literal["ssm"]) -> SSMClient: ...
@overload
def client(service_name: Literal["stepfunctions"]) -> SFNClient: ...
def client(service_name: str) -> Any:
    """Return the process's client for a service."""
    return _made(service_name)


def forget_clients() -> None:
    """Make clients anew from now on, as the environment then says."""
    _made.cache_clear()
    _session.cache_clear()


@cache
def _made(service_name: str) -> Any:  # noqa: ANN401 - each service's client is another class
    attempts = IOT_ATTEMPTS_MAX if service_name == "iot" else ATTEMPTS_MAX
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": attempts},
        user_agent_extra=USER_AGENT,
    )
    return _session().client(service_name, config=config)


@cache
def _session() -> boto3.session.Session:
    """One for all clients: what a session reads of botocore's data, its clients share."""
    return boto3.session.Session(region_name=os.environ.get("AWS_REGION"))
