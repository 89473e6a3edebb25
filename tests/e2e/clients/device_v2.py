"""A thing as a device built on the SDK's second client for jobs would be it, over MQTT 5."""

from __future__ import annotations

import argparse
import json
import queue
import sys
from pathlib import Path
from threading import Event
from typing import Any

from awscrt.mqtt_request_response import ClientOptions
from awsiot import ServiceStreamOptions, V2ServiceException, iotjobs, mqtt5_client_builder

PATIENCE_SECONDS = 60
NOTICES_MAX = 5
LIMITS = ClientOptions(
    max_request_response_subscriptions=4,
    max_streaming_subscriptions=2,
    operation_timeout_in_seconds=PATIENCE_SECONDS,
)

KEPT: list[object] = []
"""Clients that are done: the SDK may crash when one is dropped right after it stopped."""


class Thing:
    """One connected thing."""

    def __init__(self, mqtt: Any, name: str) -> None:  # noqa: ANN401 - no types
        """Have notices queued."""
        self._name = name
        self._noticed: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._client = iotjobs.IotJobsClientV2(mqtt, LIMITS)
        self._stream = self._client.create_next_job_execution_changed_stream(
            iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name=name),
            ServiceStreamOptions(self._noticed.put, self._noticed.put),
        )
        self._stream.open()

    def take(self) -> Any:  # noqa: ANN401 - no types
        """Start the next execution: ask once subscribed, and again when notified."""
        request = iotjobs.StartNextPendingJobExecutionRequest(thing_name=self._name)
        for _ in range(NOTICES_MAX):
            self._noticed.get(timeout=PATIENCE_SECONDS)
            answer = self._client.start_next_pending_job_execution(request)
            found = answer.result(PATIENCE_SECONDS).execution
            if found is not None and found.job_id is not None:
                return found
        sys.exit("it was notified, and found nothing to start")

    def report(self, job_id: str, version: int, status: str, **details: str) -> Any:  # noqa: ANN401
        """Report a status; return the answer, whether it was taken or refused."""
        request = iotjobs.UpdateJobExecutionRequest(
            thing_name=self._name,
            job_id=job_id,
            expected_version=version,
            status=status,
            status_details=details,
            include_job_execution_state=True,
        )
        try:
            return self._client.update_job_execution(request).result(PATIENCE_SECONDS)
        except V2ServiceException as refusal:
            return refusal.modeled_error


def run(options: argparse.Namespace, name: str, outcome: str) -> None:
    """Take one execution to its end, and print what was seen on the way."""
    stopped = Event()
    mqtt = mqtt5_client_builder.mtls_from_path(
        cert_filepath=str(options.identities / f"{name}.cert.pem"),
        pri_key_filepath=str(options.identities / f"{name}.key.pem"),
        ca_filepath=options.ca,
        endpoint=options.endpoint,
        port=options.port,
        client_id=name,
        on_lifecycle_stopped=lambda _: stopped.set(),
    )
    mqtt.start()
    thing = Thing(mqtt, name)
    taken = thing.take()
    job_id, version = taken.job_id, taken.version_number
    progress = thing.report(job_id, version, "IN_PROGRESS", progress="50%")
    stale = thing.report(job_id, version, outcome, reason="stale")
    version = progress.execution_state.version_number
    thing.report(job_id, version, outcome, reason="as-told")
    seen = {"thing": name, "job": job_id, "document": taken.job_document, "stale": stale.code}
    print(json.dumps(seen))  # noqa: T201 - this is its answer
    mqtt.stop()
    stopped.wait(PATIENCE_SECONDS)
    KEPT.append((mqtt, thing))


def main() -> None:
    """Be each thing in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--identities", type=Path, required=True)
    parser.add_argument("things", nargs="+", metavar="NAME=STATUS")
    options = parser.parse_args()
    for each in options.things:
        name, _, outcome = each.partition("=")
        run(options, name, outcome)


if __name__ == "__main__":
    main()
