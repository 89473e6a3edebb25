"""The custom resource that switches events on: it always answers, and never switches off."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import account_events
from tests.unit.service.stage import Stage
from tidegate.errors import Refused, RetryLater, TidegateError


class CloudFormation:
    """Where CloudFormation waits for answers, on loopback."""

    def __init__(self) -> None:
        """Start listening."""
        self.answers: list[tuple[str, str | None, dict[str, Any]]] = []
        answers = self.answers

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answers.append((self.path, self.headers["Content-Type"], json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def request(self, kind: str, **members: object) -> dict[str, Any]:
        """Return a request as CloudFormation sends it to the function."""
        return {
            "RequestType": kind,
            "ServiceToken": "arn:aws:lambda:eu-central-1:111122223333:function:account-events",
            "ResponseURL": f"http://127.0.0.1:{self._server.server_port}/answer?signed=yes",
            "StackId": "arn:aws:cloudformation:eu-central-1:111122223333:stack/tidegate/guid",
            "RequestId": "b2f5d4ee-0000-4000-8000-000000000000",
            "LogicalResourceId": "AccountEvents",
            "ResourceType": "AWS::CloudFormation::CustomResource",
            "ResourceProperties": {},
            **members,
        }

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    """Return a place for answers."""
    running = CloudFormation()
    yield running
    running.stop()


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_events_are_switched_on(
    stage: Stage, context: LambdaContext, cloudformation: CloudFormation, kind: str
) -> None:
    """Jobs' and executions', whatever else the account publishes stays as it is."""
    stage.jobs.events = {"JOB": False, "JOB_EXECUTION": False, "THING": True}
    account_events.handler(cloudformation.request(kind), context)

    ((path, content_type, answer),) = cloudformation.answers
    assert stage.jobs.events == {"JOB": True, "JOB_EXECUTION": True, "THING": True}
    assert path == "/answer?signed=yes"
    assert not content_type
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] == "tidegate-account-events"
    assert answer["LogicalResourceId"] == "AccountEvents"
    assert answer["RequestId"] == "b2f5d4ee-0000-4000-8000-000000000000"
    assert answer["StackId"].endswith("stack/tidegate/guid")
    assert context.log_stream_name in answer["Reason"]


def test_deletion_is_answered_and_switches_nothing_off(
    stage: Stage, context: LambdaContext, cloudformation: CloudFormation
) -> None:
    """Others may rely on the events by then; and a stack that is not answered hangs for an hour."""

    def touched(*_: object) -> None:
        raise AssertionError

    stage.jobs.enable_events = touched  # type: ignore[method-assign]
    before = dict(stage.jobs.events)
    request = cloudformation.request("Delete", PhysicalResourceId="the-resource")
    account_events.handler(request, context)

    ((_, _, answer),) = cloudformation.answers
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] == "the-resource"
    assert stage.jobs.events == before


@pytest.mark.parametrize("error", [Refused("not authorized"), RetryLater("Rate exceeded")])
def test_a_failure_is_answered_with_its_reason(
    stage: Stage, context: LambdaContext, cloudformation: CloudFormation, error: TidegateError
) -> None:
    """CloudFormation shows it to whoever deploys."""
    stage.jobs.faults.before("enable_events", error)
    account_events.handler(cloudformation.request("Create"), context)

    ((_, _, answer),) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert f"could not be switched on: {error}" in answer["Reason"]


def test_a_long_reason_is_cut(
    stage: Stage, context: LambdaContext, cloudformation: CloudFormation
) -> None:
    """CloudFormation takes 4,096 bytes."""
    stage.jobs.faults.before("enable_events", Refused("no " * 3000))
    account_events.handler(cloudformation.request("Create"), context)

    ((_, _, answer),) = cloudformation.answers
    assert len(json.dumps(answer)) < 4096
