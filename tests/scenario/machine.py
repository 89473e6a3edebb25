"""Runs the workflow's own definition, ``workflows/rollout.asl.json``, in a time of its own."""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.scenario.expressions import ExpressionError, evaluated

DEFINITION = json.loads((Path(__file__).parents[2] / "workflows" / "rollout.asl.json").read_text())

QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
RUNTIME = "States.Runtime"
TIMEOUT = "States.Timeout"
ALREADY_EXISTS = "StepFunctions.ExecutionAlreadyExistsException"
SDK_CLIENT_EXCEPTION = "StepFunctions.SdkClientException"
NOT_TAKEN = "EventBridge.FailedEntry"

_LAMBDA = "arn:${Partition}:states:::lambda:invoke"
_START = "arn:${Partition}:states:::states:startExecution"
_PUT_EVENTS = "arn:${Partition}:states:::events:putEvents"
_WAITING = ".waitForTaskToken"

_INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")

#: Of a Wait state and of a task's time-out: https://states-language.net/spec.html
_SECONDS_MAX = 99_999_999


class StateError(Exception):
    """A state failed under a name that Retry and Catch can match."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name}: {cause}")
        self.name = name
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Pause:
    """The execution goes on after so many seconds: a Wait state, or a retry's interval."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """The execution goes on when its token is answered; sent None, the wait has timed out."""

    token: str
    seconds: float


class Surroundings:
    """What an execution calls; the world provides it."""

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Invoke a Lambda function by its module's name and return its result."""
        raise NotImplementedError

    def start(self, name: str, execution_input: Mapping[str, Any]) -> str:
        """Start an execution; raises StateError if one of that name exists."""
        raise NotImplementedError

    def put_event(self, entry: Mapping[str, Any]) -> None:
        """Put an event on the bus."""
        raise NotImplementedError

    def will_wait(self, token: str) -> None:
        """Let a token be answered from now on."""
        raise NotImplementedError

    def enters(self, execution: "Execution", state: str) -> None:
        """Let an execution enter a state."""


Steps = Generator[Pause | Wait, Mapping[str, Any] | None, None]


@dataclass
class Execution:
    """
    One execution; ``run`` goes from state to state and yields where time must pass.

    Attributes:
        arn: Of the execution.
        given: What it was started with.
        states: Names of the states it entered, oldest first.
        history: How many events Step Functions keeps of it so far.
        is_over: Whether it has reached an end state: the last of its states.
        cause: Why it failed, if it did.
    """

    arn: str
    given: Mapping[str, Any]
    around: Surroundings
    moment: Callable[[], str]
    states: list[str] = field(default_factory=list)
    history: int = 1
    is_over: bool = False
    cause: str | None = None
    _started_at: str = ""
    _variables: dict[str, Any] = field(default_factory=dict)
    _tokens: int = 0

    def run(self) -> Steps:
        """Go through the states."""
        self._started_at = self.moment()
        name, data = DEFINITION["StartAt"], dict(self.given)
        while True:
            self.around.enters(self, name)
            self.states.append(name)
            self.history += 2  # entered and exited
            state = DEFINITION["States"][name]
            match state["Type"]:
                case "Succeed":
                    break
                case "Fail":
                    self.cause = str(self._evaluated(state.get("Cause", ""), input=data))
                    break
                case "Pass":
                    data = self._evaluated(state.get("Output", data), input=data)
                    name = state["Next"]
                case "Choice":
                    name = self._chosen(state, data)
                case "Wait":
                    yield Pause(self._seconds(state["Seconds"], data))
                    name = state["Next"]
                case "Task":
                    name, data = yield from self._task(state, data)
                case other:
                    raise NotImplementedError(other)
        self.is_over = True

    def _chosen(self, state: Mapping[str, Any], data: Mapping[str, Any]) -> str:
        for choice in state["Choices"]:
            if self._evaluated(choice["Condition"], input=data) is True:
                return str(choice["Next"])
        return str(state["Default"])

    def _task(
        self,
        state: Mapping[str, Any],
        data: Any,  # noqa: ANN401
    ) -> Generator[Pause | Wait, Mapping[str, Any] | None, tuple[str, Any]]:
        """Do a task with its retries and catchers; return the next state and its input."""
        tries: Counter[int] = Counter()
        while True:
            try:
                result = yield from self._tried(state, data)
                output = self._evaluated(state.get("Output", result), input=data, result=result)
                assigned = self._evaluated(state.get("Assign", {}), input=data, result=result)
            except StateError as error:
                pause = _retried(state, error.name, tries)
                if pause is not None:
                    yield Pause(pause)
                    continue
                return self._caught(state, error, data)
            self._variables |= assigned
            return str(state["Next"]), output

    def _tried(
        self,
        state: Mapping[str, Any],
        data: Any,  # noqa: ANN401
    ) -> Generator[Pause | Wait, Mapping[str, Any] | None, Any]:
        resource, arguments = state["Resource"], state["Arguments"]
        # Scheduled, started, and succeeded, failed or timed out; submitted where it waits.
        self.history += 4 if resource.endswith(_WAITING) else 3
        token = f"{self.arn}#{self._tokens}"
        if resource.endswith(_WAITING):
            self._tokens += 1
            self.around.will_wait(token)
        given = self._evaluated(arguments, input=data, token=token)
        match resource.removesuffix(_WAITING):
            case str() as each if each == _LAMBDA:
                module = _module(given["FunctionName"])
                if given.get("InvocationType") == "Event":
                    # Nobody waits for it, nor hears how it ends.
                    with contextlib.suppress(StateError):
                        self._invoked(module, given["Payload"])
                    return {"StatusCode": 202}
                result = {"Payload": self._invoked(module, given["Payload"])}
            case str() as each if each == _START:
                result = {"ExecutionArn": self.around.start(given["Name"], given["Input"])}
            case str() as each if each == _PUT_EVENTS:
                for entry in given["Entries"]:
                    self.around.put_event(entry)
                result = {}
            case other:
                raise NotImplementedError(other)
        if not resource.endswith(_WAITING):
            return result
        seconds = self._seconds(state["TimeoutSeconds"], data)
        answer = yield Wait(token, seconds)
        if answer is None:
            raise StateError(TIMEOUT, f"nobody answered within {seconds} s")
        return answer

    def _seconds(self, template: object, data: Any) -> int:  # noqa: ANN401
        seconds = self._evaluated(template, input=data)
        if not isinstance(seconds, int) or not 1 <= seconds <= _SECONDS_MAX:
            raise StateError(RUNTIME, f"a time of {seconds!r} seconds")
        return seconds

    def _invoked(self, function: str, payload: Mapping[str, Any]) -> Any:  # noqa: ANN401
        try:
            return self.around.invoke(function, payload)
        except Exception as error:
            raise StateError(type(error).__name__, str(error)) from error

    def _caught(
        self,
        state: Mapping[str, Any],
        error: StateError,
        data: Any,  # noqa: ANN401
    ) -> tuple[str, Any]:
        told = {"Error": error.name, "Cause": error.cause}
        for catcher in state.get("Catch", ()):
            if _matches(catcher["ErrorEquals"], error.name):
                output = self._evaluated(catcher.get("Output", told), input=data, errorOutput=told)
                return str(catcher["Next"]), output
        raise error

    def _evaluated(self, template: object, **states: Any) -> Any:  # noqa: ANN401
        states["context"] = {
            "Execution": {
                "Id": self.arn,
                "Input": self.given,
                "StartTime": self._started_at,
            },
            "State": {"EnteredTime": self.moment()},
            "Task": {"Token": states.pop("token", None)},
        }
        try:
            return evaluated(template, self._variables | {"states": states})
        except ExpressionError as error:
            raise StateError(QUERY_EVALUATION_ERROR, str(error)) from error


def _module(placeholder: str) -> str:
    """Return the Lambda's module: ``${RollBackFunctionArn}`` is that of ``roll_back``."""
    name = placeholder.removeprefix("${").removesuffix("FunctionArn}")
    return _INNER_CAPITAL.sub("_", name).lower()


def _retried(state: Mapping[str, Any], error: str, tries: Counter[int]) -> float | None:
    """Return after how many seconds the state is tried again, None if it is not."""
    for index, retrier in enumerate(state.get("Retry", ())):
        if _matches(retrier["ErrorEquals"], error):
            if tries[index] == retrier["MaxAttempts"]:
                return None
            pause = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** tries[index]
            tries[index] += 1
            return float(min(pause, retrier["MaxDelaySeconds"]))
    return None


def _matches(names: list[str], error: str) -> bool:
    return (
        error in names
        or "States.ALL" in names
        or ("States.TaskFailed" in names and error != TIMEOUT)
    )
