"""
A rollout's whole world in one process: AWS's batches, devices, queues, the workflow, the Lambdas.

What runs is the production code: the workflow's own definition calls the Lambda handlers, and
those call the services over the memory adapters. Only AWS and the devices are modelled. Time is a
value and chance comes from a seed, so a day costs a second and replays exactly.
"""

import contextlib
import importlib
import io
import json
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

from tests.scenario.aws import Aws
from tests.scenario.interference import Interference
from tests.scenario.machine import (
    ALREADY_EXISTS,
    NOT_TAKEN,
    SDK_CLIENT_EXCEPTION,
    Execution,
    Pause,
    StateError,
    Steps,
    Surroundings,
)
from tests.scenario.schemas import CheckedBus
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.adapters.memory.policies import MemoryPolicies
from tidegate.adapters.memory.workflow import MemoryWorkflow
from tidegate.documents.commands import OPERATOR_SOURCE
from tidegate.documents.events import IOT_SOURCE
from tidegate.domain.decision import Decision
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.rollout import Rollout
from tidegate.domain.settings import JobSettings, RolloutRate
from tidegate.errors import TidegateError
from tidegate.lab.agenda import Agenda
from tidegate.lab.aws import Notice
from tidegate.ports import BusEvent

# Handlers make their loggers and metrics when they are imported, which happens further down.
os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Tidegate")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tidegate")

JOB = "release-7"
START = 1_790_000_000.0
MINUTE_SECONDS = 60.0

POLICY: Mapping[str, Any] = {
    "name": "firmware",
    "harm": {"tolerated_rate": 0.02, "acceptable_rate": 0.02, "budget": 50},
    "pace": {"start_per_minute": 10, "max_per_minute": 1000},
}

#: Messages that a Lambda gets at once, and how often a message comes before it is set aside.
BATCH_SIZES = {"intake": 10, "record": 100, "signal": 10}
RECEIVES_MAX = 5
REDELIVERY_SECONDS = 180.0
WINDOW_SECONDS = 1.0

#: So many things may follow from one another at once.
ROUNDS_MAX = 100

#: Who reads what comes onto the bus.
ROUTES = {IOT_SOURCE: "record", OPERATOR_SOURCE: "signal"}

#: Environment of handlers that take time from their clock, not from the machine's.
CONTEXT = SimpleNamespace(
    function_name="function",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:eu-central-1:111122223333:function:function",
    aws_request_id="request",
    log_stream_name="stream",
)


@dataclass(frozen=True, slots=True)
class Device:
    """
    What a device does with the job; minutes count from its notification.

    Attributes:
        outcome: How it ends; None if it never does.
        starts_after: Minutes until it takes the job up; None if it never does.
        ends_after: Minutes until its outcome.
    """

    outcome: ExecutionStatus | None
    starts_after: float | None = 0.2
    ends_after: float = 2.0


#: Which device comes at a place in the order of notification.
Fleet = Callable[[int, Random], Device]


def fleet(harm_rate: float = 0.0, *, minutes: float = 2.0, silent_rate: float = 0.0) -> Fleet:
    """Return devices that fail or stay silent at a rate, after about so many minutes."""

    def device(_: int, chance: Random) -> Device:
        drawn, ends_after = chance.random(), minutes * chance.uniform(0.5, 1.5)
        if drawn < silent_rate:
            return Device(None, starts_after=None)
        if drawn < silent_rate + harm_rate:
            return Device(ExecutionStatus.FAILED, ends_after=ends_after)
        return Device(ExecutionStatus.SUCCEEDED, ends_after=ends_after)

    return device


@dataclass(frozen=True, slots=True)
class Delivery:
    """How well AWS IoT's events arrive: shares lost and doubled, and the longest delay."""

    lost: float = 0.0
    doubled: float = 0.0
    delay_seconds: float = 2.0


@dataclass(slots=True)
class _Message:
    body: str
    receives: int = 0


class World(Surroundings):
    """
    One account, one fleet, one Tidegate.

    Attributes:
        jobs: AWS IoT Jobs.
        executions: Of the workflow, by name, in order of their start.
        between_jobs_calls: What others do between two lines that call AWS IoT Jobs.
        between_ledger_calls: The same for the ledger.
        dead_letters: Bodies of messages that a queue has given up on, by queue.
        violations: What should never have happened.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        things: int = 200,
        devices: Fleet | None = None,
        delivery: Delivery | None = None,
        policy: Mapping[str, Any] = POLICY,
    ) -> None:
        """Start an account without jobs, with events on."""
        self.clock = ManualClock(START)
        self._agenda = Agenda(self.clock)
        self.chance = Random(f"{seed} delivery")
        self.violations: list[str] = []
        self.ledger = MemoryLedger()
        self.ledger.faults = self.between_ledger_calls = Interference()
        self.workflow = MemoryWorkflow()
        self.bus = CheckedBus(self.violations)
        self.policies = MemoryPolicies({str(policy["name"]): json.dumps(policy)})
        self.policy = policy
        self.delivery = delivery or Delivery()
        self.executions: dict[str, Execution] = {}
        self.dead_letters: defaultdict[str, list[str]] = defaultdict(list)
        self.jobs = Aws(self.clock, self.ledger, self.violations, after=self.after)
        self.jobs.faults = self.between_jobs_calls = Interference()
        self.jobs.publishes(self._iot_event)
        self.jobs.groups["fleet"] = {f"thing-{number:05}" for number in range(things)}
        self.targets = ["arn:aws:iot:eu-central-1:111122223333:thinggroup/fleet"]
        self._device_chance = Random(f"{seed} devices")
        self._devices = devices or fleet()
        self._queues: defaultdict[str, list[_Message]] = defaultdict(list)
        self._routed = self._woken = 0
        self._waiting: dict[str, tuple[Execution, Steps]] = {}
        self.jobs.notifies(self._notify)

    # what a story tells

    def launch(self, job_id: str = JOB, **members: object) -> None:
        """Ask Tidegate to create a job for all things and steer it."""
        self.tell(
            "Launch Rollout",
            job_id,
            policy=self.policy["name"],
            targets=self.targets,
            document={"operation": "update"},
            **members,
        )

    def existing_job(
        self,
        job_id: str = JOB,
        *,
        rate: int = 5,
        status: JobStatus = JobStatus.IN_PROGRESS,
        settings: JobSettings | None = None,
    ) -> None:
        """Let somebody create a job without Tidegate; AWS begins at once unless SCHEDULED."""
        self.jobs.add(
            job_id,
            targets=self.targets,
            settings=settings or JobSettings(rollout=RolloutRate(rate)),
            status=status,
        )

    def enroll(self, job_id: str = JOB, policy: object = None) -> None:
        """Ask Tidegate to steer an existing job."""
        self.tell("Enroll Job", job_id, policy=self.policy["name"] if policy is None else policy)

    def hold(
        self, reason: str = "looks odd", *, by: str = "night-shift", job_id: str = JOB
    ) -> None:
        """Ask Tidegate not to go on."""
        self.tell("Hold Rollout", job_id, by=by, reason=reason)

    def resume(self, reason: str = "all fine", *, by: str = "plant-7", job_id: str = JOB) -> None:
        """Lift the operators' holds."""
        self.tell("Resume Rollout", job_id, by=by, reason=reason)

    def abort(
        self, reason: str = "wrong image", *, by: str = "release-desk", job_id: str = JOB
    ) -> None:
        """Ask Tidegate to stop the rollout for good."""
        self.tell("Abort Rollout", job_id, by=by, reason=reason)

    def tell(self, command: str, job_id: str, **members: object) -> None:
        """Put a command on the bus."""
        detail = {"jobId": job_id, **members}
        self.bus.publish([BusEvent(command, detail, source=OPERATOR_SOURCE)])
        self._settle()

    def start_workflow(self, name: str, workflow_input: Mapping[str, Any]) -> None:
        """Start the workflow as somebody in the console would."""
        self.workflow.start(name, workflow_input)
        self._settle()

    def kill(self, execution: Execution) -> None:
        """Let an execution end as by a mishap: it does nothing any more, its token is void."""
        for token, (waiting, _) in list(self._waiting.items()):
            if waiting is execution:
                self.workflow.give_up(token)
                del self._waiting[token]
        execution.is_over = True
        self.workflow.end(execution.arn)

    # what a story asks

    @property
    def rollout(self) -> Rollout:
        """The job's newest rollout."""
        return self.ledger.current([JOB])[JOB]

    @property
    def decisions(self) -> list[Decision]:
        """All decisions about the newest rollout, oldest first."""
        return [*reversed(self.ledger.decisions(self.rollout.key, limit=1_000_000))]

    @property
    def rate(self) -> int:
        """The rate in force."""
        return self.jobs.describe(JOB).settings.rate_per_minute

    @property
    def end_states(self) -> list[str | None]:
        """The end state of each execution, oldest first; None where it goes on."""
        return [each.states[-1] if each.is_over else None for each in self.executions.values()]

    def announced(self, detail_type: str) -> list[Any]:
        """Return the details of announcements of a type, oldest first."""
        return self.bus.details(detail_type)

    def problems(self) -> list[str]:
        """Return what people were told to look at, oldest first."""
        return [each["problem"] for each in self.announced("Rollout Needs Attention")]

    def outcomes(self) -> Counter[ExecutionStatus]:
        """Return the job's executions by status, as AWS has them."""
        pages = self.jobs.executions(JOB)
        return Counter(row.status for page in pages for row in page)

    def recorded(self) -> Counter[ExecutionStatus]:
        """Return the things by status, as the ledger has them."""
        counts: Counter[ExecutionStatus] = Counter()
        if JOB not in self.ledger.current([JOB]):
            return counts
        for (_, status), number in self.ledger.counts(self.rollout.key).by_bucket.items():
            counts[status] += number
        return counts

    # time

    def run(self, minutes: float) -> None:
        """Let so many minutes pass."""
        self.run_until(lambda: False, minutes)

    def run_until(self, condition: Callable[[], bool], minutes: float = 600.0) -> bool:
        """Let time pass until the condition holds; return whether it came to that in time."""
        end = self.clock.now() + minutes * MINUTE_SECONDS
        while not condition():
            if not self._agenda.do_next(end):
                return condition()
            self._settle()
        return True

    def run_to_the_end(self, minutes: float = 600.0) -> None:
        """Let time pass until no execution of the workflow goes on; fails if that lasts longer."""
        ended = self.run_until(
            lambda: bool(self.executions) and None not in self.end_states, minutes
        )
        assert ended, f"still going on after {minutes} minutes: {self.decisions[-1].summary}"

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self._agenda.after(seconds, action)

    # devices

    def _notify(self, notice: Notice) -> None:
        device = self._devices(notice.place, self._device_chance)
        if device.starts_after is None:
            return
        steps = [(device.starts_after, ExecutionStatus.IN_PROGRESS)]
        if device.outcome is not None:
            steps.append((max(device.ends_after, device.starts_after), device.outcome))
        for minutes, status in steps:

            def act(status: ExecutionStatus = status) -> None:
                self.jobs.device_reports(notice, status)

            self.after(minutes * MINUTE_SECONDS, act)

    # queues and the bus

    def _iot_event(self, event: Mapping[str, Any]) -> None:
        if self.chance.random() < self.delivery.lost:
            return
        copies = 2 if self.chance.random() < self.delivery.doubled else 1
        for _ in range(copies):
            delay = self.chance.uniform(0.0, self.delivery.delay_seconds)
            self.send("intake", json.dumps(event), delay)

    def send(self, queue: str, body: str, seconds: float = 0.0) -> None:
        """Put a message into a queue."""
        self.after(seconds, lambda: self._arrive(queue, _Message(body)))

    def _arrive(self, queue: str, message: _Message) -> None:
        self._queues[queue].append(message)
        if len(self._queues[queue]) == 1:
            self.after(WINDOW_SECONDS, lambda: self._take(queue))

    def _take(self, queue: str) -> None:
        """Give a batch, in any order, to the Lambda of the queue's name."""
        waiting = self._queues[queue]
        self.chance.shuffle(waiting)
        batch, waiting[:] = waiting[: BATCH_SIZES[queue]], waiting[BATCH_SIZES[queue] :]
        if waiting:
            self.after(0.0, lambda: self._take(queue))
        records = [
            {"messageId": str(number), "body": message.body} for number, message in enumerate(batch)
        ]
        try:
            answer = self.invoke(queue, {"Records": records})
        except Exception:  # noqa: BLE001 - as SQS does, whatever it was
            answer = {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in records]}
        for failure in answer["batchItemFailures"]:
            self._return(queue, batch[int(failure["itemIdentifier"])])

    def _return(self, queue: str, message: _Message) -> None:
        message.receives += 1
        if message.receives == RECEIVES_MAX:
            self.dead_letters[queue].append(message.body)
        else:
            self.after(REDELIVERY_SECONDS, lambda: self._arrive(queue, message))

    def _settle(self) -> None:
        """Do what follows at once from what has happened, until nothing does."""
        rounds = 0
        while self._route() or self._start() or self._resume():
            rounds += 1
            assert rounds < ROUNDS_MAX, "things go round without any time passing"

    def _route(self) -> bool:
        fresh = self.bus.published[self._routed :]
        for number, event in enumerate(fresh, start=self._routed):
            queue = ROUTES.get(event.source)
            if queue:
                self.send(queue, json.dumps(self._delivered(event, number)))
        self._routed += len(fresh)
        return bool(fresh)

    def _delivered(self, event: BusEvent, number: int) -> dict[str, Any]:
        return {
            "version": "0",
            "id": f"event-{number}",
            "detail-type": event.detail_type,
            "source": event.source,
            "account": "111122223333",
            "time": self.moment(),
            "region": "eu-central-1",
            "resources": list(event.resources),
            "detail": event.detail,
        }

    def moment(self) -> str:
        """Return now as EventBridge writes it, in whole seconds."""
        return datetime.fromtimestamp(int(self.clock.now()), UTC).isoformat()[:-6] + "Z"

    def instant(self) -> str:
        """Return now as Step Functions writes it, in milliseconds."""
        moment = datetime.fromtimestamp(self.clock.now(), UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    # the workflow

    def _start(self) -> bool:
        fresh = [name for name in self.workflow.started if name not in self.executions]
        for name in fresh:
            execution = Execution(
                self.workflow.arn(name), self.workflow.started[name], self, self.instant
            )
            self.executions[name] = execution
            self._go_on(execution, execution.run(), None)
        return bool(fresh)

    def _resume(self) -> bool:
        fresh = self.workflow.woken[self._woken :]
        self._woken += len(fresh)
        for token, answer in fresh:
            if token in self._waiting:
                self._go_on(*self._waiting.pop(token), answer)
        return bool(fresh)

    def _go_on(self, execution: Execution, steps: Steps, answer: Mapping[str, Any] | None) -> None:
        if execution.is_over:
            return
        try:
            stop = steps.send(answer)
        except StopIteration:
            self.workflow.end(execution.arn)
            return
        except StateError as error:
            execution.is_over, execution.cause = True, str(error)
            self.workflow.end(execution.arn)
            self.violations.append(f"{execution.states[-1]} has no catcher for {error}")
            return
        if isinstance(stop, Pause):
            self.after(stop.seconds, lambda: self._go_on(execution, steps, None))
            return
        self._waiting[stop.token] = (execution, steps)
        self.after(stop.seconds, lambda: self._time_out(stop.token))

    def _time_out(self, token: str) -> None:
        if token in self._waiting:
            self.workflow.give_up(token)
            self._go_on(*self._waiting.pop(token), None)

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Invoke a Lambda's handler; what goes in and comes out passes through JSON."""
        handler = importlib.import_module(f"lambdas.{function}").handler
        with self.provided(), contextlib.redirect_stdout(io.StringIO()):
            return json.loads(json.dumps(handler(json.loads(json.dumps(payload)), CONTEXT)))

    @contextlib.contextmanager
    def provided(self) -> Iterator[None]:
        """Let handlers find this world's adapters where they look for AWS's."""
        environment = importlib.import_module("tidegate.adapters.aws.environment")
        with warnings.catch_warnings():
            # A handler that fails has no metrics to publish, which is no news here.
            warnings.filterwarnings("ignore", message="No application metrics to publish")
            with mock.patch.multiple(
                environment,
                jobs=lambda: self.jobs,
                ledger=lambda: self.ledger,
                policies=lambda: self.policies,
                workflow=lambda: self.workflow,
                bus=lambda: self.bus,
                clock=lambda: self.clock,
                minute_seconds=lambda: MINUTE_SECONDS,
            ):
                yield

    def start(self, name: str, execution_input: Mapping[str, Any]) -> str:
        """Start an execution on another one's behalf."""
        if name in self.workflow.started:
            raise StateError(ALREADY_EXISTS, name)
        try:
            return self.workflow.start(name, execution_input)
        except TidegateError as error:
            raise StateError(SDK_CLIENT_EXCEPTION, str(error)) from error

    def put_event(self, entry: Mapping[str, Any]) -> None:
        """Put an event on the bus on an execution's behalf."""
        event = BusEvent(entry["DetailType"], entry["Detail"], source=entry["Source"])
        if self.bus.publish([event]):
            raise StateError(NOT_TAKEN, "an entry was not taken")

    def will_wait(self, token: str) -> None:
        """Let a token be answered from now on."""
        self.workflow.wait_on(token)
