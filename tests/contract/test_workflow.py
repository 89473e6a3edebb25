"""What every workflow does, in memory as on Step Functions."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tidegate.adapters.aws.variables import Variables
from tidegate.adapters.aws.workflow import StepFunctionsWorkflow
from tidegate.adapters.memory.workflow import MemoryWorkflow

if TYPE_CHECKING:
    from tests.contract.samples import Cloud
    from tidegate.ports import Workflow

_RUNS = count()
PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.05


class World(Protocol):
    """A workflow whose executions wait on one token and end with its answer."""

    workflow: Workflow

    def token(self, execution_arn: str) -> str:
        """Return the token that a started execution waits on."""

    def output(self, execution_arn: str) -> object:
        """Return the answer with which an execution ended."""


class Remembered:
    """The workflow in memory, with the test as state machine."""

    def __init__(self) -> None:
        self.memory = MemoryWorkflow()
        self.workflow: Workflow = self.memory

    def token(self, execution_arn: str) -> str:
        """Let the execution wait."""
        token = f"token of {execution_arn}"
        self.memory.wait_on(token)
        return token

    def output(self, execution_arn: str) -> object:
        """End the execution with its answer."""
        self.memory.end(execution_arn)
        return dict(self.memory.woken)[f"token of {execution_arn}"]


@dataclass
class InTheCloud:
    """A state machine that sends its token to a queue and waits for the answer."""

    cloud: Cloud

    def __post_init__(self) -> None:
        name = f"waiting-{next(_RUNS)}"
        self._sqs: Any = self.cloud.client("sqs")
        self._states = self.cloud.client("stepfunctions")
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        definition = {
            "StartAt": "Wait",
            "States": {
                "Wait": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                    "Parameters": {"QueueUrl": self._queue, "MessageBody.$": "$$.Task.Token"},
                    "End": True,
                }
            },
        }
        machine = self._states.create_state_machine(
            name=name,
            definition=json.dumps(definition),
            roleArn=f"arn:aws:iam::{self.cloud.account_id}:role/any",
        )
        names = Variables({"TIDEGATE_STATE_MACHINE_ARN": machine["stateMachineArn"]})
        self.workflow: Workflow = StepFunctionsWorkflow(self._states, names)

    def token(self, execution_arn: str) -> str:
        """Read the token from the queue."""
        answer = self._sqs.receive_message(QueueUrl=self._queue, WaitTimeSeconds=10)
        body: str = answer["Messages"][0]["Body"]
        return body

    def output(self, execution_arn: str) -> object:
        """Wait for the execution's end."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            answer = self._states.describe_execution(executionArn=execution_arn)
            if answer["status"] != "RUNNING":
                return json.loads(answer["output"])
            time.sleep(POLL_SECONDS)
        raise AssertionError(execution_arn)


@pytest.fixture(params=["memory", pytest.param("cloud", marks=pytest.mark.e2e)])
def world(request: pytest.FixtureRequest) -> World:
    """Provide a workflow of each kind."""
    if request.param == "memory":
        return Remembered()
    return InTheCloud(request.getfixturevalue("cloud"))


def test_an_execution_runs_until_its_token_is_answered(world: World) -> None:
    """Waking hands the answer to the execution that waits, once."""
    arn = world.workflow.start("firmware-7-1", {"jobId": "firmware-7"})
    token = world.token(arn)

    running = world.workflow.is_running(arn)
    woken = world.workflow.wake(token, {"cause": "tripwire"})

    assert running
    assert woken
    assert world.output(arn) == {"cause": "tripwire"}
    assert not world.workflow.is_running(arn)
    assert not world.workflow.wake(token, {"cause": "late"})


def test_a_name_is_started_once(world: World) -> None:
    """Starting what runs already is no error and gives its ARN, whatever the input."""
    first = world.workflow.start("firmware-7-1", {"n": 1})

    assert world.workflow.start("firmware-7-1", {"n": 1}) == first
    assert world.workflow.start("firmware-7-1", {"n": 2}) == first
    assert world.workflow.start("firmware-7-2", {"n": 1}) != first


def test_nobody_waits_on_an_unknown_token(world: World) -> None:
    """A token that never was, or is long gone, is no error: there is nobody to wake."""
    assert not world.workflow.wake("no such token", {})


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:states:us-east-1:111122223333:execution:waiting:nobody",
        "no ARN at all",
    ],
)
def test_an_unknown_execution_does_not_run(world: World, arn: str) -> None:
    """What Step Functions has forgotten is not running."""
    assert not world.workflow.is_running(arn)
