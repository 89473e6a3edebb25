"""What StepFunctionsWorkflow asks of AWS, and how it reads the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.adapters.conftest import Script
from tidegate.adapters.aws.variables import BadEnvironment, Variables
from tidegate.adapters.aws.workflow import StepFunctionsWorkflow
from tidegate.errors import Refused, RetryLater

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

MACHINE = "arn:aws:states:eu-central-1:111122223333:stateMachine:tidegate"
EXECUTION = "arn:aws:states:eu-central-1:111122223333:execution:tidegate:j-1-1"


def workflow(client: SFNClient, machine: str = MACHINE) -> StepFunctionsWorkflow:
    """Return the adapter over a client that is scripted."""
    return StepFunctionsWorkflow(client, Variables({"TIDEGATE_STATE_MACHINE_ARN": machine}))


def test_an_execution_is_started_by_name(states_client: SFNClient, states: Script) -> None:
    """The name keeps a second start from becoming a second execution."""
    states.answer(
        "start_execution",
        {"stateMachineArn": MACHINE, "name": "j-1-1", "input": '{"n": 1}'},
        {"executionArn": EXECUTION, "startDate": 0},
    )

    assert workflow(states_client).start("j-1-1", {"n": 1}) == EXECUTION


@pytest.mark.parametrize("suffix", ["", ":7", ":live"])
def test_a_started_execution_is_found(
    states_client: SFNClient, states: Script, suffix: str
) -> None:
    """Its ARN follows from the machine's, whether or not a version or an alias is named."""
    states.refuse("start_execution", "ExecutionAlreadyExists")

    assert workflow(states_client, MACHINE + suffix).start("j-1-1", {}) == EXECUTION


@pytest.mark.parametrize("code", ["TaskDoesNotExist", "TaskTimedOut", "InvalidToken"])
def test_nobody_waits_any_more(states_client: SFNClient, states: Script, code: str) -> None:
    """An execution that went on, timed out or ended needs no waking."""
    states.refuse("send_task_success", code)

    assert workflow(states_client).wake("token", {}) is False


def test_waking_needs_no_state_machine(states_client: SFNClient, states: Script) -> None:
    """Who only answers tokens need not know the machine, which may depend on him."""
    states.answer("send_task_success", {"taskToken": "token", "output": '{"cause": "x"}'}, {})
    bare = StepFunctionsWorkflow(states_client, Variables({}))

    assert bare.wake("token", {"cause": "x"}) is True
    with pytest.raises(BadEnvironment, match="TIDEGATE_STATE_MACHINE_ARN"):
        bare.start("j-1-1", {})


def test_other_failures_to_wake_are_errors(states_client: SFNClient, states: Script) -> None:
    """That nobody waits is never guessed from a throttled or refused call."""
    states.refuse("send_task_success", "ThrottlingException")
    states.refuse("send_task_success", "InvalidOutput")

    with pytest.raises(RetryLater):
        workflow(states_client).wake("token", {})
    with pytest.raises(Refused):
        workflow(states_client).wake("token", {})


@pytest.mark.parametrize(
    ("status", "runs"), [("RUNNING", True), ("SUCCEEDED", False), ("TIMED_OUT", False)]
)
def test_only_running_is_running(
    states_client: SFNClient, states: Script, status: str, *, runs: bool
) -> None:
    """Whatever an execution came to, it is over."""
    answer = {
        "executionArn": EXECUTION,
        "stateMachineArn": MACHINE,
        "status": status,
        "startDate": 0,
    }
    states.answer("describe_execution", {"executionArn": EXECUTION}, answer)

    assert workflow(states_client).is_running(EXECUTION) is runs


def test_a_forgotten_execution_does_not_run(states_client: SFNClient, states: Script) -> None:
    """Step Functions forgets executions after ninety days."""
    states.refuse("describe_execution", "ExecutionDoesNotExist")

    assert workflow(states_client).is_running(EXECUTION) is False
