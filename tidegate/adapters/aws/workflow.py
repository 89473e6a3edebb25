"""Rollout workflows on Step Functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tidegate.adapters.aws.errors import AlreadyExists, translated
from tidegate.adapters.aws.variables import Variables
from tidegate.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_stepfunctions import SFNClient

#: ``arn:aws:states:REGION:ACCOUNT:stateMachine:NAME``; a version or an alias may follow.
_ARN_PARTS = 7


class StepFunctionsWorkflow:
    """Executions of one state machine."""

    def __init__(self, client: SFNClient, names: Variables) -> None:
        """Bind the client to the state machine's name."""
        self._client = client
        self._names = names

    def start(self, name: str, workflow_input: Mapping[str, Any]) -> str:
        """
        Start an execution and return its ARN; one of that name counts as started.

        Step Functions knows names for 90 days after an execution's end.
        """
        try:
            with translated(f"StartExecution {name}"):
                answer = self._client.start_execution(
                    stateMachineArn=self._names.state_machine_arn,
                    name=name,
                    input=json.dumps(workflow_input),
                )
        except AlreadyExists:
            return self._execution_arn(name)
        return answer["executionArn"]

    def wake(self, token: str, output: Mapping[str, Any]) -> bool:
        """Answer a task token; False if nobody waits on it any more."""
        try:
            with translated("SendTaskSuccess"):
                self._client.send_task_success(taskToken=token, output=json.dumps(output))
        except NotFound:
            return False
        return True

    def is_running(self, execution_arn: str) -> bool:
        """Return whether the execution runs; False if it is over or unknown."""
        try:
            with translated(f"DescribeExecution {execution_arn}"):
                answer = self._client.describe_execution(executionArn=execution_arn)
        except NotFound:
            return False
        return answer["status"] == "RUNNING"

    def _execution_arn(self, name: str) -> str:
        machine = ":".join(self._names.state_machine_arn.split(":")[:_ARN_PARTS])
        return f"{machine.replace(':stateMachine:', ':execution:', 1)}:{name}"
