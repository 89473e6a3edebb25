"""AWS IoT Jobs over MQTT, by the AWS IoT Device SDK."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as SilenceError
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from awscrt.mqtt_request_response import ClientOptions, SubscriptionStatusEventType
from awsiot import ServiceStreamOptions, V2ServiceException, iotjobs

from .device import Device, UnreachableError
from .moves import Execution

if TYPE_CHECKING:
    from awscrt.mqtt5 import Client

ANSWER_SECONDS = 10
SUBSCRIPTIONS_MAX = 4

CHANGED = frozenset(
    {"VersionMismatch", "InvalidStateTransition", "TerminalStateReached", "ResourceNotFound"}
)
"""What AWS answers when an execution is not, or no longer, as the device knows it."""


class MqttJobs:
    """
    `Jobs` over MQTT.

    Args:
        mqtt: The SDK's client; it connects again by itself whenever the connection is lost.
        thing: The device's thing name.
    """

    def __init__(self, mqtt: Client, thing: str) -> None:
        self._thing = thing
        limits = ClientOptions(SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_MAX, ANSWER_SECONDS)
        self._client = iotjobs.IotJobsClientV2(mqtt, limits)

    def tell(self, device: Device) -> None:
        """
        Keep a device told of what is next.

        Args:
            device: It looks for itself after each subscription, the first and those after a loss.
        """

        def heard(event: Any) -> None:  # noqa: ANN401 - the SDK has no types
            found = event.execution
            is_there = found is not None and found.job_id is not None
            device.notice((found.job_id, found.execution_number) if is_there else None)

        def subscription_changed(event: Any) -> None:  # noqa: ANN401 - the SDK has no types
            if event.type == SubscriptionStatusEventType.SUBSCRIPTION_ESTABLISHED:
                device.look()
            if event.type == SubscriptionStatusEventType.SUBSCRIPTION_HALTED:
                device.stop("AWS IoT refuses the subscription: see the certificate's policy")

        self._notices = self._client.create_next_job_execution_changed_stream(
            iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name=self._thing),
            ServiceStreamOptions(heard, subscription_changed),
        )
        self._notices.open()

    def next(self) -> Execution | None:
        """Ask for the execution to work on; see `Jobs`."""
        request = iotjobs.DescribeJobExecutionRequest(
            thing_name=self._thing, job_id="$next", include_job_document=True
        )
        answer = _answer(self._client.describe_job_execution(request))
        found = None if answer is None else answer.execution
        if found is None or found.job_id is None:
            return None
        return Execution(
            job_id=found.job_id,
            number=found.execution_number,
            version=found.version_number,
            status=found.status,
            document=found.job_document if isinstance(found.job_document, dict) else {},
            details=found.status_details or {},
        )

    def report(
        self, execution: Execution, status: str, details: Mapping[str, str]
    ) -> Execution | None:
        """Report how an execution stands; see `Jobs`."""
        request = iotjobs.UpdateJobExecutionRequest(
            thing_name=self._thing,
            job_id=execution.job_id,
            execution_number=execution.number,
            expected_version=execution.version,
            status=status,
            status_details=details,
            include_job_execution_state=True,
        )
        answer = _answer(self._client.update_job_execution(request))
        if answer is None:
            return None
        return replace(execution, version=answer.execution_state.version_number)


def _answer(asked: Future[Any]) -> Any:  # noqa: ANN401 - the SDK has no types
    """Wait for an answer; None if AWS refuses because the execution is not as it was."""
    try:
        return asked.result(ANSWER_SECONDS + 1)
    except SilenceError as silence:
        raise UnreachableError from silence
    except V2ServiceException as failure:
        refusal = failure.modeled_error
        if refusal is not None and refusal.code in CHANGED:
            return None
        reason = failure.inner_error if refusal is None else f"{refusal.code}: {refusal.message}"
        raise UnreachableError(reason) from failure
