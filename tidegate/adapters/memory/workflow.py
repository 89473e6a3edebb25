"""Workflow executions in memory: names, inputs, and the task tokens somebody waits on."""

import json
from collections.abc import Mapping
from typing import Any

from tidegate.adapters.memory.faults import Faults

_ARN_PREFIX = "arn:aws:states:eu-central-1:111122223333:execution:tidegate"


class MemoryWorkflow:
    """
    Executions that do nothing by themselves; a test plays the state machine.

    Attributes:
        started: Input of each execution by its name, oldest first.
        waiting: Tokens that somebody waits on.
        woken: Answered tokens with what they were answered.
    """

    def __init__(self) -> None:
        """Start without executions."""
        self.faults = Faults()
        self.started: dict[str, dict[str, Any]] = {}
        self.waiting: set[str] = set()
        self.woken: list[tuple[str, dict[str, Any]]] = []
        self._over: set[str] = set()

    def arn(self, name: str) -> str:
        """Return the ARN that an execution of this name has."""
        return f"{_ARN_PREFIX}:{name}"

    def start(self, name: str, workflow_input: Mapping[str, Any]) -> str:
        """Start an execution and return its ARN; one of that name counts as started."""
        with self.faults.around("start"):
            self.started.setdefault(name, json.loads(json.dumps(workflow_input)))
            return self.arn(name)

    def wake(self, token: str, output: Mapping[str, Any]) -> bool:
        """Answer a task token; False if nobody waits on it any more."""
        with self.faults.around("wake"):
            if token not in self.waiting:
                return False
            self.waiting.remove(token)
            self.woken.append((token, json.loads(json.dumps(output))))
            return True

    def is_running(self, execution_arn: str) -> bool:
        """Return whether the execution runs; False if it is over or unknown."""
        with self.faults.around("is_running"):
            known = {self.arn(name) for name in self.started}
            return execution_arn in known - self._over

    def wait_on(self, token: str) -> None:
        """Let somebody wait on a token."""
        self.waiting.add(token)

    def give_up(self, token: str) -> None:
        """Let the wait time out: waking the token comes too late from now on."""
        self.waiting.discard(token)

    def end(self, execution_arn: str) -> None:
        """Let an execution be over, whatever it came to."""
        self._over.add(execution_arn)
