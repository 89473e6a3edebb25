"""The stack, deployed once into an embedded cloud that all tests of the session share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import validate

from tests.e2e.stack import POLICY, DeployedStack, eventually
from tidegate.local.cloud import EmbeddedCloud
from tidegate.local.deploy import deploy

MINUTE_SECONDS = 2.0
SCHEMAS = Path(__file__).parents[2] / "schemas" / "events"


@pytest.fixture(scope="session")
def stack() -> Iterator[DeployedStack]:
    """Deploy the stack that goes to AWS, with IAM enforced, in fast minutes."""
    with EmbeddedCloud(minute_seconds=MINUTE_SECONDS, enforce_iam=True, mqtt=True) as cloud:
        context = {"target": "local", "minuteSeconds": f"{MINUTE_SECONDS:g}"}
        (outputs,) = deploy(cloud, context=context).values()
        deployed = DeployedStack(cloud, outputs)
        deployed.sweep_on_demand()
        warm_up(deployed)
        yield deployed


def warm_up(deployed: DeployedStack) -> None:
    """Run a rollout through: a cold start takes longer than a minute does here."""
    names, arn = deployed.group("warm-up", 1)
    deployed.job("warm-up", [arn])
    deployed.command("Enroll Job", jobId="warm-up", policy=POLICY)
    deployed.enrolled("warm-up")
    eventually(lambda: deployed.queued("warm-up"), "the execution")
    deployed.report(names[0], "warm-up", "SUCCEEDED")
    deployed.ended("warm-up")


@cache
def schema_of(detail_type: str) -> Any:  # noqa: ANN401 - JSON
    """Read the published schema of a type of event."""
    path = SCHEMAS / f"{detail_type.lower().replace(' ', '-')}.schema.json"
    return json.loads(path.read_text())


class Overheard:
    """Everything that Tidegate says on the bus from now on, held against its schemas."""

    def __init__(self, stack: DeployedStack, queue_url: str) -> None:
        """Listen by a queue."""
        self._sqs = stack.sqs
        self._url = queue_url
        self._heard: list[dict[str, Any]] = []

    def of(self, job_id: str, detail_type: str | None = None) -> list[dict[str, Any]]:
        """Return the events about a job heard so far, all of them or those of a type."""
        while messages := self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=0
        ).get("Messages"):
            for message in messages:
                event = json.loads(message["Body"])
                validate(event, schema_of(event["detail-type"]))
                self._heard.append(event)
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return [
            event
            for event in self._heard
            if event["detail"].get("jobId") == job_id
            and detail_type in (None, event["detail-type"])
        ]


@pytest.fixture(scope="session")
def bus(stack: DeployedStack) -> Overheard:
    """Listen to the bus with a rule of the user's own."""
    events = stack.cloud.client("events")
    queue_url = stack.sqs.create_queue(QueueName="overheard")["QueueUrl"]
    queue_arn = stack.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])[
        "Attributes"
    ]["QueueArn"]
    bus_name = stack.outputs["BusName"]
    events.put_rule(
        Name="overhear", EventBusName=bus_name, EventPattern=json.dumps({"source": ["tidegate"]})
    )
    events.put_targets(
        Rule="overhear", EventBusName=bus_name, Targets=[{"Id": "queue", "Arn": queue_arn}]
    )
    return Overheard(stack, queue_url)
