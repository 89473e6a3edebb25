"""A thing as a device built on the SDK's first client for jobs would be it, over MQTT 3.1.1."""

from __future__ import annotations

import argparse
import itertools
import json
import queue
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from awscrt.mqtt import QoS
from awsiot import iotjobs, mqtt_connection_builder

PATIENCE_SECONDS = 60
NOTICES_MAX = 5
ANSWERS_MAX = 20


class Thing:
    """One connected thing; whatever AWS says to it comes in one after the other."""

    def __init__(self, connection: Any, name: str) -> None:  # noqa: ANN401 - no types
        """Subscribe to all that is said about jobs."""
        self._name = name
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._noticed: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._tokens = itertools.count()
        self._client = iotjobs.IotJobsClient(connection)
        client, of = self._client, {"thing_name": name}
        start = iotjobs.StartNextPendingJobExecutionSubscriptionRequest(**of)
        self._subscribe(client.subscribe_to_start_next_pending_job_execution_accepted, start)
        self._subscribe(client.subscribe_to_start_next_pending_job_execution_rejected, start)
        update = iotjobs.UpdateJobExecutionSubscriptionRequest(**of, job_id="+")
        self._subscribe(client.subscribe_to_update_job_execution_accepted, update)
        self._subscribe(client.subscribe_to_update_job_execution_rejected, update)
        granted, _ = client.subscribe_to_next_job_execution_changed_events(
            iotjobs.NextJobExecutionChangedSubscriptionRequest(**of),
            QoS.AT_LEAST_ONCE,
            self._noticed.put,
        )
        granted.result(PATIENCE_SECONDS)

    def _subscribe(self, subscribe: Callable[..., Any], request: object) -> None:
        granted, _ = subscribe(request, QoS.AT_LEAST_ONCE, self._heard.put)
        granted.result(PATIENCE_SECONDS)

    def take(self) -> Any:  # noqa: ANN401 - no types
        """Start the next execution, once there is one."""
        publish = self._client.publish_start_next_pending_job_execution
        for _ in range(NOTICES_MAX):
            request = iotjobs.StartNextPendingJobExecutionRequest(thing_name=self._name)
            found = self._ask(publish, request).execution
            if found is not None and found.job_id is not None:
                return found
            self._noticed.get(timeout=PATIENCE_SECONDS)
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
        return self._ask(self._client.publish_update_job_execution, request)

    def _ask(self, publish: Callable[..., Any], request: Any) -> Any:  # noqa: ANN401 - no types
        """Publish a request, and return the answer to it: others may come twice, or late."""
        request.client_token = str(next(self._tokens))
        publish(request, QoS.AT_LEAST_ONCE).result(PATIENCE_SECONDS)
        for _ in range(ANSWERS_MAX):
            answer = self._heard.get(timeout=PATIENCE_SECONDS)
            if answer.client_token == request.client_token:
                return answer
        sys.exit("AWS gives answers to something else")


def run(options: argparse.Namespace, name: str, outcome: str) -> None:
    """Take one execution to its end, and print what was seen on the way."""
    connection = mqtt_connection_builder.mtls_from_path(
        cert_filepath=str(options.identities / f"{name}.cert.pem"),
        pri_key_filepath=str(options.identities / f"{name}.key.pem"),
        ca_filepath=options.ca,
        endpoint=options.endpoint,
        port=options.port,
        client_id=name,
        clean_session=True,
    )
    connection.connect().result(PATIENCE_SECONDS)
    thing = Thing(connection, name)
    taken = thing.take()
    job_id, version = taken.job_id, taken.version_number
    progress = thing.report(job_id, version, "IN_PROGRESS", progress="50%")
    stale = thing.report(job_id, version, outcome, reason="stale")
    version = progress.execution_state.version_number
    thing.report(job_id, version, outcome, reason="as-told")
    seen = {"thing": name, "job": job_id, "document": taken.job_document, "stale": stale.code}
    print(json.dumps(seen))  # noqa: T201 - this is its answer
    connection.disconnect().result(PATIENCE_SECONDS)


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
