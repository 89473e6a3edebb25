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
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

from tests.scenario.aws import Aws
from tests.scenario.devices import Fleet, fleet
from tests.scenario.interference import Interference, undisturbed
from tests.scenario.machine import (
    ALREADY_EXISTS,
    DEFINITION,
    NOT_TAKEN,
    SDK_CLIENT_EXCEPTION,
    Execution,
    Pause,
    StateError,
    Steps,
    Surroundings,
)
from tests.scenario.people import ACCOUNT, FLEET, JOB, REGION, People
from tests.scenario.queues import Queues
from tests.scenario.schemas import CheckedBus
from tidegate.adapters.memory.alarms import MemoryAlarms
from tidegate.adapters.memory.calendars import MemoryCalendars
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.adapters.memory.policies import MemoryPolicies
from tidegate.adapters.memory.workflow import MemoryWorkflow
from tidegate.documents.commands import OPERATOR_SOURCE
from tidegate.documents.events import IOT_SOURCE
from tidegate.domain.decision import Decision
from tidegate.domain.jobs import ExecutionStatus, Job
from tidegate.domain.rollout import Rollout
from tidegate.errors import TidegateError
from tidegate.lab.agenda import Agenda
from tidegate.lab.aws import Notice
from tidegate.ports import BusEvent

# Handlers make their loggers and metrics when they are imported, which happens further down.
os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Tidegate")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tidegate")

START = 1_790_000_000.0
MINUTE_SECONDS = 60.0

POLICY: Mapping[str, Any] = {
    "name": "firmware",
    "harm": {"tolerated_rate": 0.02, "acceptable_rate": 0.02, "budget": 50},
    "pace": {"start_per_minute": 10, "max_per_minute": 1000},
}

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
class Delivery:
    """How well AWS IoT's events arrive: shares lost and doubled, and the longest delay."""

    lost: float = 0.0
    doubled: float = 0.0
    delay_seconds: float = 2.0


class Killed(BaseException):
    """An execution ended by a mishap between two states."""


class World(People, Surroundings):
    """
    One account, one fleet, one Tidegate.

    Attributes:
        jobs: AWS IoT Jobs.
        alarms: Of CloudWatch.
        calendars: Of SSM.
        account_budget: What all rollouts together may harm; None if nothing limits them.
        devices: What devices do with the job of an id; with any other job all succeed.
        executions: Of the workflow, by name, in order of their start.
        kills: Called with an execution and the state that it enters; True is a mishap.
        between_jobs_calls: What others do between two lines that call AWS IoT Jobs.
        between_ledger_calls: The same for the ledger.
        commands: Messages that the Lambda ``signal`` was sent, oldest first.
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
        sweeps: bool = False,
    ) -> None:
        """Start an account without jobs, with events on; if asked, it is swept each minute."""
        self.clock = ManualClock(START)
        self._agenda = Agenda(self.clock)
        self.chance = Random(f"{seed} delivery")
        self.violations: list[str] = []
        self.ledger = MemoryLedger()
        self.ledger.faults = self.between_ledger_calls = Interference()
        self.workflow = MemoryWorkflow()
        self.bus = CheckedBus(self.violations)
        self.alarms, self.calendars = MemoryAlarms(), MemoryCalendars()
        self.account_budget: float | None = None
        self.policies = MemoryPolicies({str(policy["name"]): json.dumps(policy)})
        self.policy = policy
        self.delivery = delivery or Delivery()
        self.executions: dict[str, Execution] = {}
        self.kills: Callable[[Execution, str], bool] = lambda *_: False
        self.commands: list[str] = []
        self.queues = Queues(self.invoke, after=self.after, chance=self.chance)
        self.jobs = Aws(self.clock, self.ledger, self.violations, after=self.after)
        self.jobs.faults = self.between_jobs_calls = Interference()
        self.jobs.publishes(self._iot_event)
        self.jobs.groups["fleet"] = {f"thing-{number:05}" for number in range(things)}
        self.targets = [FLEET]
        self.devices = {JOB: devices or fleet()}
        self._device_chance = Random(f"{seed} devices")
        self._routed = self._woken = self._happened = 0
        self._waiting: dict[str, tuple[Execution, Steps]] = {}
        self.jobs.notifies(self._notify)
        if sweeps:
            self.after(MINUTE_SECONDS, self._sweep)

    # what a story tells

    def tell(self, command: str, job_id: str, **members: object) -> None:
        """Put a command on the bus."""
        detail = {"jobId": job_id, **members}
        self.bus.publish([BusEvent(command, detail, source=OPERATOR_SOURCE)])
        self._settle()

    def outside(
        self, source: str, kind: str, detail: Mapping[str, Any], resources: Sequence[str] = ()
    ) -> None:
        """Let an event of an AWS service reach Tidegate by the account's default bus."""
        self._happened += 1
        event = BusEvent(kind, detail, source, tuple(resources))
        self.send("signal", json.dumps(self._delivered(event, f"outside-{self._happened}")))

    def command(self, command: str, job_id: str = JOB, /, **members: object) -> str:
        """Return a command as it would be delivered, for the story to deliver when it likes."""
        self._happened += 1
        event = BusEvent(command, {"jobId": job_id, **members}, source=OPERATOR_SOURCE)
        return json.dumps(self._delivered(event, f"command-{self._happened}"))

    def deliver_now(self, *bodies: str) -> None:
        """Let the Lambda ``signal`` have messages this very moment, in the middle of a call."""
        records = [{"messageId": str(n), "body": body} for n, body in enumerate(bodies)]
        assert self.invoke("signal", {"Records": records}) == {"batchItemFailures": []}

    def start_workflow(self, name: str, workflow_input: Mapping[str, Any]) -> None:
        """Start the workflow as somebody in the console would."""
        self.workflow.start(name, workflow_input)
        self._settle()

    def kill(self, execution: Execution) -> None:
        """Let an execution end as by a mishap that nobody tells of; its token is void."""
        for token, (waiting, _) in list(self._waiting.items()):
            if waiting is execution:
                self.workflow.give_up(token)
                del self._waiting[token]
        execution.is_over = True
        self.workflow.end(execution.arn)

    def stop(self, execution: Execution) -> None:
        """Let somebody stop an execution in the console, which Step Functions tells of."""
        self.kill(execution)
        self._tell_of_end(execution, "ABORTED")

    @property
    def last_execution(self) -> Execution:
        """The execution that was started last."""
        return list(self.executions.values())[-1]

    # what a story asks

    @property
    def rollout(self) -> Rollout:
        """The job's newest rollout."""
        return self.rollout_of(JOB)

    @property
    def decisions(self) -> list[Decision]:
        """All decisions about the newest rollout, oldest first."""
        return self.decisions_of(JOB)

    @property
    def rate(self) -> int:
        """The rate in force."""
        return self.rate_of(JOB)

    @property
    def end_states(self) -> list[str | None]:
        """The end state of each execution, oldest first; None where it goes on."""
        return [each.states[-1] if each.is_over else None for each in self.executions.values()]

    @property
    def dead_letters(self) -> Mapping[str, list[str]]:
        """Bodies of messages that a queue has given up on, by queue."""
        return self.queues.dead_letters

    def is_enrolled(self, job_id: str = JOB) -> bool:
        """Whether the job has a rollout, ended or not."""
        with undisturbed(self.ledger):
            return job_id in self.ledger.current([job_id])

    def rollout_of(self, job_id: str) -> Rollout:
        """Return a job's newest rollout."""
        with undisturbed(self.ledger):
            return self.ledger.current([job_id])[job_id]

    def decisions_of(self, job_id: str) -> list[Decision]:
        """Return all decisions about a job's newest rollout, oldest first."""
        key = self.rollout_of(job_id).key
        with undisturbed(self.ledger):
            return [*reversed(self.ledger.decisions(key, limit=1_000_000))]

    def rate_of(self, job_id: str) -> int:
        """Return the rate in force for a job."""
        return self.job(job_id).settings.rate_per_minute

    def job(self, job_id: str = JOB) -> Job:
        """Return a job as AWS shows it."""
        with undisturbed(self.jobs):
            return self.jobs.describe(job_id)

    def announced(self, detail_type: str, job_id: str | None = None) -> list[Any]:
        """Return the details of announcements of a type, be it about one job, oldest first."""
        details: list[Any] = [*self.bus.details(detail_type)]
        return [each for each in details if job_id is None or each.get("jobId") == job_id]

    def problems(self, job_id: str | None = None) -> list[str]:
        """Return what people were told to look at, oldest first."""
        return [each["problem"] for each in self.announced("Rollout Needs Attention", job_id)]

    def refusals(self) -> list[Any]:
        """Return the details of refused commands, oldest first."""
        return self.announced("Command Refused")

    def outcomes(self, job_id: str = JOB) -> Counter[ExecutionStatus]:
        """Return a job's executions by status, as AWS has them."""
        with undisturbed(self.jobs):
            pages = [*self.jobs.executions(job_id)]
        return Counter(row.status for page in pages for row in page)

    def exposed(self, job_id: str = JOB) -> int:
        """Return how many things were told of a job."""
        return self.job(job_id).counts.exposed

    def recorded(self, job_id: str = JOB) -> Counter[ExecutionStatus]:
        """Return the things by status, as the ledger has them."""
        counts: Counter[ExecutionStatus] = Counter()
        if not self.is_enrolled(job_id):
            return counts
        key = self.rollout_of(job_id).key
        with undisturbed(self.ledger):
            by_bucket = self.ledger.counted(key).counts.by_bucket
        for (_, status), number in by_bucket.items():
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
        devices = self.devices.get(notice.job_id, fleet())
        device = devices(notice.place, self._device_chance)
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
        if queue == "signal":
            self.commands.append(body)
        self.queues.send(queue, body, seconds)

    def _sweep(self) -> None:
        self.after(MINUTE_SECONDS, self._sweep)
        with contextlib.suppress(TidegateError):  # As a schedule does: the next one comes.
            self.invoke("sweep", {})

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
                self.send(queue, json.dumps(self._delivered(event, f"event-{number}")))
        self._routed += len(fresh)
        return bool(fresh)

    def _delivered(self, event: BusEvent, event_id: str) -> dict[str, Any]:
        return {
            "version": "0",
            "id": event_id,
            "detail-type": event.detail_type,
            "source": event.source,
            "account": ACCOUNT,
            "time": self.moment(),
            "region": REGION,
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
        if len(self.workflow.started) == len(self.executions):
            return False
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
            if DEFINITION["States"][execution.states[-1]]["Type"] == "Fail":
                self._tell_of_end(execution, "FAILED")
            return
        except StateError as error:
            execution.is_over, execution.cause = True, str(error)
            self.workflow.end(execution.arn)
            self.violations.append(f"{execution.states[-1]} has no catcher for {error}")
            return
        except Killed:
            self.kill(execution)
            return
        if isinstance(stop, Pause):
            self.after(stop.seconds, lambda: self._go_on(execution, steps, None))
            return
        self._waiting[stop.token] = (execution, steps)
        self.after(stop.seconds, lambda: self._time_out(stop.token))

    def _tell_of_end(self, execution: Execution, status: str) -> None:
        self.outside(
            "aws.states",
            "Step Functions Execution Status Change",
            {"executionArn": execution.arn, "status": status},
        )

    def enters(self, execution: Execution, state: str) -> None:
        """Let an execution enter a state, unless the story has it die right before."""
        if self.kills(execution, state):
            raise Killed

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
                alarms=lambda: self.alarms,
                calendars=lambda: self.calendars,
                dead_letters=lambda: self.queues,
                account_budget=lambda: self.account_budget,
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
