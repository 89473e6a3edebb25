"""
Start MiniStack as Tidegate's embedded cloud, with what must differ wrapped from outside.

This file is run by path, by the interpreter of the environment that holds MiniStack, and so it
imports nothing but the standard library and, by name, MiniStack itself. Every dependence on
MiniStack's internals lives here: each wrap names what it replaces with the parameters it
expects, and a release that changed them is refused at start instead of misbehaving later.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import contextvars
import importlib
import importlib.metadata
import inspect
import ipaddress
import json
import os
import shutil
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from types import ModuleType

MINISTACK_VERSION = "1.5.33"
LOOPBACK = "127.0.0.1"
SECONDS_PER_MINUTE = 60
MILLISECONDS_PER_SECOND = 1000
LONGEST_TASK_TIMEOUT_SECONDS = 99_999_999
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
PARENT_POLL_SECONDS = 0.25
CALLBACK_PARAMETERS = ("resource", "input_data", "token", "state_def")
RESOURCE_PARAMETERS = (
    "service",
    "method",
    "path",
    "headers",
    "body",
    "query_params",
    "region",
    "account_id",
)
EXIT_REFUSED = 2
EXIT_SWEEP_FAILED = 3
SCRATCH_PREFIX = "tidegate-cloud-"
"""Only folders whose name starts like this are ever deleted by the launcher."""


class UnsupportedMiniStackError(Exception):
    """The MiniStack found here is not the one that the wraps below were written for."""


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Check the version, set MiniStack up, wrap it and serve until stopped.

    Args:
        arguments: The command line, without the program's name.
    """
    options = parse(arguments)
    try:
        require_version(importlib.metadata.version("ministack"))
        if options.parent is not None:
            end_with_parent(options.parent, options.scratch)
        os.environ.update(settings(options))
        app = importlib.import_module("ministack.app")
        wrap(app, options)
    except (UnsupportedMiniStackError, importlib.metadata.PackageNotFoundError) as refusal:
        sys.stderr.write(f"embedded cloud: {refusal}\n")
        sys.exit(EXIT_REFUSED)
    if options.check:
        return
    sys.argv = ["ministack"]  # MiniStack's own main() reads the command line too.
    app.main()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the command line.

    Args:
        arguments: The command line, without the program's name; None reads the process's own.

    Returns:
        The options by name.
    """
    parser = argparse.ArgumentParser(description="Start the embedded cloud.")
    parser.add_argument("--port", type=int, required=True, help="port to serve on, on loopback")
    parser.add_argument("--account", required=True, help="account id of 12 digits")
    parser.add_argument("--region", required=True, help="default region")
    parser.add_argument(
        "--minute-seconds",
        type=float,
        default=float(SECONDS_PER_MINUTE),
        help="real seconds that a minute of AWS IoT Jobs takes",
    )
    parser.add_argument("--enforce-iam", action="store_true", help="enforce IAM policies")
    parser.add_argument("--mqtt-port", type=int, help="port for MQTT over TLS, on loopback")
    parser.add_argument("--parent", type=int, help="stop when this process is gone")
    parser.add_argument("--scratch", help="folder to delete when the parent is gone")
    parser.add_argument("--check", action="store_true", help="wrap everything, then exit")
    return parser.parse_args(arguments)


def settings(options: argparse.Namespace) -> dict[str, str]:
    """
    Give the environment variables MiniStack reads while it is imported.

    Args:
        options: The parsed command line.

    Returns:
        The variables by name. They keep every listener on loopback and Docker untouched.
    """
    return {
        "GATEWAY_PORT": str(options.port),
        "BIND_HOST": LOOPBACK,
        "IOT_MTLS_ENABLED": "0" if options.mqtt_port is None else "1",
        "IOT_MTLS_PORT": str(options.mqtt_port or ""),
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",  # it would reap containers not ours
        "MINISTACK_ACCOUNT_ID": options.account,
        "MINISTACK_REGION": options.region,
        # Reported by the health check: it tells this cloud from another one on the port.
        "MINISTACK_EDITION": os.path.basename(options.scratch or ""),  # noqa: PTH119
        "AUTH": "true" if options.enforce_iam else "false",
        "LOG_LEVEL": "WARNING",
    }


def wrap(app: ModuleType, options: argparse.Namespace) -> None:
    """
    Apply every wrap.

    Args:
        app: MiniStack's application module.
        options: The parsed command line.

    Raises:
        UnsupportedMiniStackError: If a name to wrap is missing or takes other parameters.
    """
    iot = importlib.import_module("ministack.services.iot")
    stepfunctions = importlib.import_module("ministack.services.stepfunctions")
    lambda_service = importlib.import_module("ministack.services.lambda_svc")
    cloudwatch = importlib.import_module("ministack.services.cloudwatch")
    eventbridge = importlib.import_module("ministack.services.eventbridge")
    ssm = importlib.import_module("ministack.services.ssm")
    responses = importlib.import_module("ministack.core.responses")
    iam_actions = importlib.import_module("ministack.core.iam_actions")
    compress_minutes(iot, options.minute_seconds)
    queue_each_thing_once(iot)
    expire_executions(app, iot, responses, options)
    keep_mqtt_on_loopback(iot, options.mqtt_port)
    compress_waits(stepfunctions, options.minute_seconds)
    evaluate_task_timeouts(stepfunctions)
    fail_parked_tasks_with_their_function(stepfunctions)
    name_raised_classes(lambda_service)
    tell_of_alarms(cloudwatch, eventbridge)
    answer_for_calendars(ssm, responses)
    trust_loopback(app)
    authorize_answers_by_state_machine(iam_actions, stepfunctions)


# --- guards ---------------------------------------------------------------------------------


def require_version(found: str) -> None:
    """
    Refuse any MiniStack but the one the wraps were written for.

    Args:
        found: The installed version.

    Raises:
        UnsupportedMiniStackError: If it is another one.
    """
    if found != MINISTACK_VERSION:
        message = (
            f"MiniStack {found} is installed, but only {MINISTACK_VERSION} is supported: "
            "run `make setup`"
        )
        raise UnsupportedMiniStackError(message)


def require(module: ModuleType, name: str, *parameters: str) -> Any:  # noqa: ANN401 - untyped code
    """
    Look up a name that a wrap depends on, as it was when the wrap was written.

    Args:
        module: The module that holds it.
        name: What to look up.
        parameters: The names of the parameters it must take, if it is a function.

    Returns:
        The function, class or value.

    Raises:
        UnsupportedMiniStackError: If it is missing or takes other parameters.
    """
    found = getattr(module, name, None)
    if found is None:
        message = f"{module.__name__}.{name} is gone, revise the launcher"
        raise UnsupportedMiniStackError(message)
    taken = tuple(inspect.signature(found).parameters) if inspect.isfunction(found) else ()
    if taken != parameters:
        message = (
            f"{module.__name__}.{name} takes ({', '.join(taken)}) where "
            f"({', '.join(parameters)}) was expected, revise the launcher"
        )
        raise UnsupportedMiniStackError(message)
    return found


# --- AWS IoT Jobs ---------------------------------------------------------------------------


def compress_minutes(iot: ModuleType, minute_seconds: float) -> None:
    """
    Let a minute of a rollout or of a job's timeout take less time.

    Rollout batches are released once per interval, which is read at each wait. Timeouts are
    configured in minutes and compared in minutes, so scaling the one function that reads them
    scales all of them.

    Args:
        iot: MiniStack's IoT service.
        minute_seconds: Real seconds per minute.
    """
    require(iot, "_JOB_ROLLOUT_INTERVAL_MS")
    configured_minutes = require(iot, "_jobs_timeout_minutes", "execution", "job")
    scale = minute_seconds / SECONDS_PER_MINUTE

    def timeout_minutes(
        execution: Mapping[str, Any], job: Mapping[str, Any] | None
    ) -> float | None:
        minutes = configured_minutes(execution, job)
        return None if minutes is None else minutes * scale

    vars(iot).update(
        _JOB_ROLLOUT_INTERVAL_MS=round(minute_seconds * MILLISECONDS_PER_SECOND),
        _jobs_timeout_minutes=timeout_minutes,
    )


def queue_each_thing_once(iot: ModuleType) -> None:
    """
    Keep a thing from getting two executions of one job at once.

    A CONTINUOUS job with a rollout rate queues a waiting thing twice: looking for the head of
    its queue materialises the execution that the batch is about to create. A thing whose
    newest execution is still open needs no other.

    Args:
        iot: MiniStack's IoT service.
    """
    executions = require(iot, "_job_executions")
    terminal = require(iot, "_JOB_EXECUTION_TERMINAL")
    queue = require(iot, "_jobs_queue_execution", "thing", "job_id", "now")

    def queue_unless_open(thing: str, job_id: str, now: int) -> None:
        newest = executions.get((thing, job_id))
        if newest is None or newest["status"] in terminal:
            queue(thing, job_id, now)

    vars(iot).update(_jobs_queue_execution=queue_unless_open)


def expire_executions(
    app: ModuleType, iot: ModuleType, responses: ModuleType, options: argparse.Namespace
) -> None:
    """
    Let executions time out, and say so in an event, without anyone reading them.

    Timeouts are evaluated only when an execution is read. Describing the open jobs once a
    minute, on the server's own event loop and within the scope of a request, is such a read;
    AWS too may be up to a minute late.

    Args:
        app: MiniStack's application module.
        iot: Its IoT service.
        responses: Its request scopes.
        options: Account, region and minute of the embedded cloud.
    """
    jobs = require(iot, "_jobs")
    describe = require(iot, "_describe_job", "job_id")
    publishing_events = require(iot, "publishing_events")
    request_scope = require(responses, "request_scope", "account_id", "region")
    serve_lifespan = require(app, "_handle_lifespan", "scope", "receive", "send")

    async def expire_every_minute() -> None:
        while True:  # until the server stops: the task is cancelled then
            await asyncio.sleep(options.minute_seconds)
            async with publishing_events():
                with request_scope(options.account, options.region):
                    for job in jobs.values():
                        if job["status"] in {"IN_PROGRESS", "CANCELED"}:
                            describe(job["jobId"])

    def end_if_failed(expiring: asyncio.Task[None]) -> None:
        if not expiring.cancelled() and (failure := expiring.exception()):
            sys.stderr.write(f"embedded cloud: executions no longer time out: {failure!r}\n")
            sys.stderr.flush()
            os._exit(EXIT_SWEEP_FAILED)

    async def serve_lifespan_and_expire(
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        expiring = asyncio.create_task(expire_every_minute())
        expiring.add_done_callback(end_if_failed)
        try:
            await serve_lifespan(scope, receive, send)
        finally:
            expiring.cancel()

    vars(app).update(_handle_lifespan=serve_lifespan_and_expire)


# --- MQTT -----------------------------------------------------------------------------------


def keep_mqtt_on_loopback(iot: ModuleType, port: int | None) -> None:
    """
    Let MQTT over TLS listen on loopback, where it would listen on all interfaces.

    Args:
        iot: MiniStack's IoT service.
        port: The port; None if nothing is to listen.
    """
    acceptor = require(iot, "_MtlsAcceptor")
    is_listening = require(iot, "mtls_is_listening")
    require(iot, "_mtls_start_locked")

    async def start_on_loopback() -> None:
        if port is None or is_listening():
            return
        loop = asyncio.get_running_loop()
        server = await loop.create_server(acceptor, host=LOOPBACK, port=port)
        vars(iot).update(_mtls_server=server, _mtls_loop=loop)

    vars(iot).update(_mtls_start_locked=start_on_loopback)


# --- Step Functions -------------------------------------------------------------------------


def compress_waits(stepfunctions: ModuleType, minute_seconds: float) -> None:
    """
    Let a Wait state take as much less time as a minute of a rollout does.

    What it waits for goes by those minutes too. MiniStack's own setting would shorten the pauses
    between the tries of a Retry as well, and those are for Lambdas that are no faster here.

    Args:
        stepfunctions: MiniStack's Step Functions service.
        minute_seconds: Real seconds per minute.
    """
    wait_seconds = require(stepfunctions, "_jsonata_wait_seconds", "state_def", "raw_input", "ctx")
    scale = minute_seconds / SECONDS_PER_MINUTE

    def scaled_seconds(
        state_def: Mapping[str, Any], raw_input: object, ctx: Mapping[str, Any]
    ) -> float:
        return float(wait_seconds(state_def, raw_input, ctx) * scale)

    vars(stepfunctions).update(_jsonata_wait_seconds=scaled_seconds)


def evaluate_task_timeouts(stepfunctions: ModuleType) -> None:
    """
    Evaluate a task's `TimeoutSeconds` when it is a JSONata expression.

    It is handed on as it is written, and waiting for a string fails. The state's input and
    variables are known one call further out than where the timeout is used, where Retry and
    Catch see the error of an expression that fails; so they are carried there. AWS accepts
    whole seconds from 1 on; nothing is scaled, since whoever computes seconds knows the scale.

    Args:
        stepfunctions: MiniStack's Step Functions service.
    """
    failed: type[Exception] = require(stepfunctions, "_ExecutionError")
    field_value = require(
        stepfunctions, "_jsonata_state_field", "state_def", "field", "expected", "raw_input", "ctx"
    )
    execute_task = require(
        stepfunctions, "_execute_task", "state_def", "raw_input", "execution", "ctx"
    )
    invoke_with_callback = require(stepfunctions, "_invoke_with_callback", *CALLBACK_PARAMETERS)
    invoke_with_timeout = require(
        stepfunctions, "_invoke_resource_with_timeout", "resource", "input_data", "timeout"
    )
    state: contextvars.ContextVar[tuple[Any, Any]] = contextvars.ContextVar("state")
    field = "TimeoutSeconds"

    def seconds(written: object) -> object:
        if not isinstance(written, str):
            return written
        raw_input, ctx = state.get()
        value = field_value({field: written}, field, "number", raw_input, ctx)
        if value != int(value) or not 1 <= value <= LONGEST_TASK_TIMEOUT_SECONDS:
            cause = f"The value of '{field}' must be a positive whole number, but was: {value}"
            raise failed(QUERY_EVALUATION_ERROR, cause)
        return int(value)

    def execute_task_in_state(
        state_def: Mapping[str, Any],
        raw_input: object,
        execution: Mapping[str, Any],
        ctx: Mapping[str, Any],
    ) -> object:
        entered = state.set((raw_input, ctx))
        try:
            return execute_task(state_def, raw_input, execution, ctx)
        finally:
            state.reset(entered)

    def invoke_with_callback_for_seconds(
        resource: str, input_data: object, token: str, state_def: Mapping[str, Any]
    ) -> object:
        if field in state_def:
            state_def = {**state_def, field: seconds(state_def[field])}
        return invoke_with_callback(resource, input_data, token, state_def)

    def invoke_with_timeout_seconds(resource: str, input_data: object, timeout: object) -> object:
        return invoke_with_timeout(resource, input_data, seconds(timeout))

    vars(stepfunctions).update(
        _execute_task=execute_task_in_state,
        _invoke_with_callback=invoke_with_callback_for_seconds,
        _invoke_resource_with_timeout=invoke_with_timeout_seconds,
    )


def fail_parked_tasks_with_their_function(stepfunctions: ModuleType) -> None:
    """
    Fail a task that waits for its token when the function given the token fails.

    The failure is swallowed and the task waits on for a token that nobody holds. AWS fails the
    task with the function's error, as if the function had sent a task failure; an answer that
    was sent before the function failed stands.

    Args:
        stepfunctions: MiniStack's Step Functions service.
    """
    failed: type[Exception] = require(stepfunctions, "_ExecutionError")
    waiting = require(stepfunctions, "_task_tokens")
    call_function = require(stepfunctions, "_call_lambda", "func_ref", "event")
    invoke_with_callback = require(stepfunctions, "_invoke_with_callback", *CALLBACK_PARAMETERS)
    parked: contextvars.ContextVar[str | None] = contextvars.ContextVar("parked", default=None)

    def invoke_and_remember_token(
        resource: str, input_data: object, token: str, state_def: Mapping[str, Any]
    ) -> object:
        entered = parked.set(token)
        try:
            return invoke_with_callback(resource, input_data, token, state_def)
        finally:
            parked.reset(entered)

    def call_function_for_token(func_ref: str, event: object) -> object:
        try:
            return call_function(func_ref, event)
        except failed as failure:
            task = waiting.get(parked.get())
            if task and not task["event"].is_set():
                task["error"] = {"Error": vars(failure)["error"], "Cause": vars(failure)["cause"]}
                task["event"].set()
            raise

    vars(stepfunctions).update(
        _invoke_with_callback=invoke_and_remember_token, _call_lambda=call_function_for_token
    )


# --- CloudWatch and Systems Manager ---------------------------------------------------------


def tell_of_alarms(cloudwatch: ModuleType, eventbridge: ModuleType) -> None:
    """
    Put an event on the default bus when an alarm changes its state, as AWS does.

    Args:
        cloudwatch: MiniStack's CloudWatch.
        eventbridge: MiniStack's EventBridge.
    """
    note = require(
        cloudwatch,
        "_record_history",
        *("alarm_name", "old_state", "new_state", "reason", "alarm_type", "reason_data"),
    )
    put_events = require(eventbridge, "_put_events", "data", "allow_aws_source")

    def note_and_tell(
        alarm_name: str,
        old_state: str,
        new_state: str,
        *why: object,
        **more: object,
    ) -> None:
        note(alarm_name, old_state, new_state, *why, **more)
        if new_state == old_state:
            return
        detail = {
            "alarmName": alarm_name,
            "state": {"value": new_state},
            "previousState": {"value": old_state},
        }
        entry = {
            "Source": "aws.cloudwatch",
            "DetailType": "CloudWatch Alarm State Change",
            "Detail": json.dumps(detail),
        }
        put_events({"Entries": [entry]}, allow_aws_source=True)

    vars(cloudwatch).update(_record_history=note_and_tell)


def answer_for_calendars(ssm: ModuleType, responses: ModuleType) -> None:
    """
    Answer GetCalendarState, which is missing as change calendars are.

    A parameter stands for the calendar of its name, and its value, OPEN or CLOSED, for the
    calendar's state. As in AWS, calendars that are asked for together are open if all are.

    Args:
        ssm: MiniStack's Systems Manager.
        responses: What its answers are made with.
    """
    handle = require(ssm, "handle_request", "method", "path", "headers", "body", "query_params")
    value_of = require(ssm, "resolve_parameter_value", "name_or_arn", "version", "decrypt")
    json_response = require(responses, "json_response", "data", "status", "content_type")
    error_response = require(
        responses,
        "error_response_json",
        *("code", "message", "status", "extra", "message_key", "content_type"),
    )

    def calendar_state(asked: Mapping[str, Any]) -> object:
        names = asked["CalendarNames"]
        states = {name: value_of(name.rpartition("/")[2]) for name in names}
        unknown = [name for name in names if states[name] is None]
        if unknown:
            return error_response("InvalidDocument", f"Document {unknown[0]} does not exist.")
        is_open = all(state == "OPEN" for state in states.values())
        return json_response({"State": "OPEN" if is_open else "CLOSED"})

    async def handle_calendars_too(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: object
    ) -> object:
        if headers.get("x-amz-target") == "AmazonSSM.GetCalendarState":
            return calendar_state(json.loads(body))
        return await handle(method, path, headers, body, query_params)

    vars(ssm).update(handle_request=handle_calendars_too)


# --- Lambda and IAM -------------------------------------------------------------------------


def name_raised_classes(lambda_service: ModuleType) -> None:
    """
    Report the class a Python function raised as its error type, as AWS does.

    Every failure is reported under one generic name, which a Catch or Retry by class never
    matches. The class stands in the last line of the traceback that comes with the failure.

    Args:
        lambda_service: MiniStack's Lambda service.
    """
    execute = require(lambda_service, "_execute_function_warm", "func", "event", "request_id")

    def execute_and_name(func: Mapping[str, Any], event: object, request_id: str) -> dict[str, Any]:
        result: dict[str, Any] = execute(func, event, request_id)
        body = result.get("body")
        if (
            result.get("error")
            and isinstance(body, dict)
            and body.get("errorType") == "Runtime.HandlerError"
        ):
            name = raised_class(str(body.get("errorMessage", "")), str(result.get("log", "")))
            if name:
                body["errorType"] = name
        return result

    vars(lambda_service).update(_execute_function_warm=execute_and_name)


def raised_class(message: str, log: str) -> str | None:
    """
    Find the class of an exception in the traceback at the end of a log.

    Args:
        message: The exception's message.
        log: Text that ends with the traceback.

    Returns:
        The bare class name; None if the log ends otherwise.
    """
    text = log.rstrip()
    if message:
        ending = f": {message.rstrip()}"
        if not text.endswith(ending):
            return None
        text = text.removesuffix(ending)
    name = text.rpartition("\n")[2].rpartition(".")[2]
    return name if name.isidentifier() else None


def trust_loopback(app: ModuleType) -> None:
    """
    Let a request over loopback count as sent over TLS when policies are enforced.

    The CDK's bootstrap bucket, like any well-kept bucket, denies plain HTTP. Loopback never
    leaves the machine, and a self-signed certificate would prove nothing more.

    Args:
        app: MiniStack's application module.
    """
    pin = require(app, "pin_request_origin", "source_ip", "secure_transport")

    def pin_loopback_as_secure(source_ip: str, secure_transport: bool) -> None:  # noqa: FBT001
        pin(source_ip, secure_transport or ipaddress.ip_address(source_ip).is_loopback)

    vars(app).update(pin_request_origin=pin_loopback_as_secure)


def authorize_answers_by_state_machine(iam_actions: ModuleType, stepfunctions: ModuleType) -> None:
    """
    Hold the answer to a task token against the state machine whose task waits for it.

    A token names no resource, so a policy that allows SendTaskSuccess on one state machine, as
    AWS has it, would never match. Which machine a token belongs to is remembered, also when
    nobody waits on it any more: a late answer is refused as late, not as forbidden.

    Args:
        iam_actions: MiniStack's mapping of requests to what policies speak of.
        stepfunctions: MiniStack's Step Functions service.
    """
    resource_arn = require(iam_actions, "extract_resource_arn", *RESOURCE_PARAMETERS)
    execute_task = require(
        stepfunctions, "_execute_task", "state_def", "raw_input", "execution", "ctx"
    )
    invoke_with_callback = require(stepfunctions, "_invoke_with_callback", *CALLBACK_PARAMETERS)
    machine: contextvars.ContextVar[str] = contextvars.ContextVar("machine")
    machines: dict[str, str] = {}

    def execute_task_of_machine(
        state_def: Mapping[str, Any],
        raw_input: object,
        execution: Mapping[str, Any],
        ctx: Mapping[str, Any],
    ) -> object:
        entered = machine.set(ctx["StateMachine"]["Id"])
        try:
            return execute_task(state_def, raw_input, execution, ctx)
        finally:
            machine.reset(entered)

    def invoke_with_known_machine(
        resource: str, input_data: object, token: str, state_def: Mapping[str, Any]
    ) -> object:
        machines[token] = machine.get()
        return invoke_with_callback(resource, input_data, token, state_def)

    def resource_arn_of_answer(*request: Any, **further: Any) -> str:  # noqa: ANN401 - handed on
        bound = signature.bind(*request, **further).arguments
        if bound["service"] == "states":
            with contextlib.suppress(ValueError, AttributeError, KeyError):
                return machines[json.loads(bound["body"])["taskToken"]]
        return str(resource_arn(*request, **further))

    signature = inspect.signature(resource_arn)
    vars(iam_actions).update(extract_resource_arn=resource_arn_of_answer)
    vars(stepfunctions).update(
        _execute_task=execute_task_of_machine, _invoke_with_callback=invoke_with_known_machine
    )


# --- life and death -------------------------------------------------------------------------


def end_with_parent(parent: int, scratch: str | None) -> None:
    """
    End this process and its workers once the process that started it is gone.

    A parent that is killed cannot clean up, so its orphan does.

    Args:
        parent: Process id of the parent.
        scratch: The cloud's folder to delete then.
    """

    def watch() -> NoReturn:
        while os.getppid() == parent:  # ends with this process, or with the parent
            time.sleep(PARENT_POLL_SECONDS)
        if scratch and os.path.basename(scratch).startswith(SCRATCH_PREFIX):  # noqa: PTH119
            shutil.rmtree(scratch, ignore_errors=True)
        if os.getpgrp() == os.getpid():  # a group of our own: take the workers along
            with contextlib.suppress(ProcessLookupError):
                os.killpg(os.getpgrp(), signal.SIGKILL)
        os._exit(0)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


if __name__ == "__main__":
    main()
