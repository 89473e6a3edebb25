"""Clients for AWS: made when first asked for, one per service and process, all configured here."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tidegate.adapters.aws.errors import translated
from tidegate.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot_jobs_data import IoTJobsDataPlaneClient
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

#: Where devices' executions are read and updated. Each account has an address of its own for it,
#: and botocore's does not answer: https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeEndpoint.html
DATA_PLANE = "iot-jobs-data"
DATA_ENDPOINT_TYPE = "iot:Data-ATS"

#: Variables by which an environment sends the data plane's calls elsewhere.
_ELSEWHERE = ("AWS_ENDPOINT_URL_IOT_JOBS_DATA_PLANE", "AWS_ENDPOINT_URL")
_NOT_ELSEWHERE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"

#: Services of which throttled calls are counted: others share their quotas too, and seldom know.
_COUNTED = ("iot", DATA_PLANE)

#: AWS's codes for calls that came too fast.
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException"})


@overload
def client(service_name: Literal["cloudwatch"]) -> CloudWatchClient: ...
@overload
def client(service_name: Literal["dynamodb"]) -> DynamoDBClient: ...
@overload
def client(service_name: Literal["events"]) -> EventBridgeClient: ...
@overload
def client(service_name: Literal["iot"]) -> IoTClient: ...
@overload
def client(service_name: Literal["iot-jobs-data"]) -> IoTJobsDataPlaneClient: ...
@overload
def client(service_name: Literal["sqs"]) -> SQSClient: ...
@overload
def client(service_name: Literal["ssm"]) -> SSMClient: ...
@overload
def client(service_name: Literal["stepfunctions"]) -> SFNClient: ...
def client(service_name: str) -> Any:
    """
    Return the process's client for a service.

    Raises:
        RetryLater: For ``DATA_PLANE`` only: AWS is too busy to tell its address.
        Refused: For ``DATA_PLANE`` only: AWS does not tell it.
    """
    return _made(service_name)


class Clients:
    """
    Clients for somebody at a terminal, who chooses account, region and address.

    What is not chosen, the usual variables and files say, as with AWS's own tools.
    """

    def __init__(
        self,
        *,
        profile: str | None = None,
        region: str | None = None,
        endpoint_url: str | None = None,
    ) -> None:
        """Remember the choice; nothing is read or called yet."""
        self._profile = profile
        self._region = region
        self._endpoint_url = endpoint_url
        self._session: boto3.session.Session | None = None
        self._made: dict[str, Any] = {}

    def get(self, service_name: str) -> Any:  # noqa: ANN401 - each service's client is another class
        """
        Return the client for a service.

        Raises:
            Refused: The profile does not exist, nothing says which region is meant, or the address
                is none.
        """
        if service_name not in self._made:
            with translated("your AWS configuration"):
                self._made[service_name] = self._new(service_name)
        return self._made[service_name]

    def _new(self, service_name: str) -> Any:  # noqa: ANN401 - each service's client is another class
        try:
            return self._chosen().client(
                service_name,
                config=_config(service_name),
                endpoint_url=self._address(service_name),
            )
        except BotoCoreError:
            # Of a region that can be none, which botocore takes for a wrong value too.
            raise
        except ValueError as error:
            # Botocore's of an address. An option's or a variable's, it says which one it was.
            message = f"{error}: an address is needed, like http://127.0.0.1:4566"
            raise Refused(message) from error

    def _address(self, service_name: str) -> str | None:
        if self._endpoint_url or service_name != DATA_PLANE or _is_elsewhere():
            return self._endpoint_url
        return _data_address(self.get("iot"))

    def _chosen(self) -> boto3.session.Session:
        if self._session is None:
            self._session = boto3.session.Session(
                profile_name=self._profile,
                region_name=self._region or os.environ.get("AWS_REGION"),
            )
        return self._session


class _Throttles:
    """Counts the calls of a process that AWS throttled, those that were tried again among them."""

    def __init__(self) -> None:
        self._calls = 0

    def note(self, parsed_response: Mapping[str, Any] | None = None, **_: object) -> None:
        """Look at an answer of AWS's; botocore calls this for each try."""
        error = (parsed_response or {}).get("Error", {})
        if error.get("Code") in _THROTTLED:
            self._calls += 1

    def take(self) -> int:
        """Return how many there were, and count anew."""
        calls, self._calls = self._calls, 0
        return calls


_throttles = _Throttles()


def throttled() -> int:
    """Return how many calls AWS IoT has throttled since this was last asked."""
    return _throttles.take()


def forget_clients() -> None:
    """Make clients anew from now on, as the environment then says."""
    _made.cache_clear()
    _session.cache_clear()


@cache
def _made(service_name: str) -> Any:  # noqa: ANN401 - each service's client is another class
    made = _session().client(
        service_name, config=_config(service_name), endpoint_url=_address(service_name)
    )
    if service_name in _COUNTED:
        made.meta.events.register("response-received", _throttles.note)
    return made


def _config(service_name: str) -> Config:
    attempts = IOT_ATTEMPTS_MAX if service_name == "iot" else ATTEMPTS_MAX
    return Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": attempts},
        user_agent_extra=USER_AGENT,
    )


def _address(service_name: str) -> str | None:
    """Return where to call a service; None where botocore knows, or the environment says so."""
    if service_name != DATA_PLANE or _is_elsewhere():
        return None
    return _data_address(client("iot"))


def _data_address(iot: IoTClient) -> str:
    """Return where the account's data plane is."""
    with translated(f"DescribeEndpoint {DATA_ENDPOINT_TYPE}"):
        answer = iot.describe_endpoint(endpointType=DATA_ENDPOINT_TYPE)
    return f"https://{answer['endpointAddress']}"


def _is_elsewhere() -> bool:
    if os.environ.get(_NOT_ELSEWHERE, "").lower() == "true":
        return False
    return any(os.environ.get(variable) for variable in _ELSEWHERE)


@cache
def _session() -> boto3.session.Session:
    """One for all clients: what a session reads of botocore's data, its clients share."""
    return boto3.session.Session(region_name=os.environ.get("AWS_REGION"))
