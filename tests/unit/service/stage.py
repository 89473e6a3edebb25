"""One enrolled job and the services around it, to be called one at a time."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from tests.scenario.interference import Interference
from tidegate.adapters.memory.alarms import MemoryAlarms
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.adapters.memory.calendars import MemoryCalendars
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.executions import MemoryExecutions
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.adapters.memory.policies import MemoryPolicies
from tidegate.adapters.memory.presences import MemoryPresences
from tidegate.adapters.memory.reporters import MemoryReporters
from tidegate.adapters.memory.things import MemoryThings
from tidegate.adapters.memory.workflow import MemoryWorkflow
from tidegate.documents.commands import OPERATOR_SOURCE
from tidegate.documents.events import (
    IOT_SOURCE,
    JOB_EXECUTION_STATUS_CHANGE,
    JOB_STATUS_CHANGE,
)
from tidegate.domain.decision import Decision
from tidegate.domain.jobs import ExecutionStatus, Job
from tidegate.domain.outcomes import ThingRecord
from tidegate.domain.policy import Harm, Pace, PaceMode, Policy
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.domain.settings import JobSettings, RolloutRate
from tidegate.ports import POLICY_TAG
from tidegate.service.attend import Attended, Attending
from tidegate.service.record import Recorded, record
from tidegate.service.review import Reviewing
from tidegate.service.signal import Signaling
from tidegate.service.standing import Watching
from tidegate.service.steer import Outcome, Steering
from tidegate.service.waiting import park

JOB = "release-7"
START = 1_790_000_000.0
MINUTE_SECONDS = 60.0

POLICY = Policy(
    name="firmware",
    harm=Harm(
        statuses=frozenset({ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT}),
        tolerated_rate=0.02,
        acceptable_rate=0.02,
        confidence=0.95,
        false_abort_risk=0.01,
        budget_devices=50,
    ),
    pace=Pace(PaceMode.THROTTLE, start_per_minute=10, max_per_minute=1000),
)


class Stage:
    """Memory adapters, a clock, and a job that generation 1 of a workflow owns."""

    def __init__(self, *, settings: JobSettings | None = None, policy: Policy = POLICY) -> None:
        """Enroll a job of a rate of 5 that has no executions yet."""
        self.clock = ManualClock(START)
        self.jobs = MemoryJobs(self.clock)
        self.jobs.faults = self.between_jobs_calls = Interference()
        self.ledger = MemoryLedger()
        self.ledger.faults = self.between_ledger_calls = Interference()
        self.workflow = MemoryWorkflow()
        self.bus = MemoryBus()
        self.alarms = MemoryAlarms()
        self.calendars = MemoryCalendars()
        self.policies = MemoryPolicies({})
        self.executions = MemoryExecutions(self.jobs, self.clock)
        self.executions.faults = self.between_executions_calls = Interference()
        self.things = MemoryThings()
        self.presences = MemoryPresences()
        self.reporters = MemoryReporters()
        self.account_budget: float | None = None
        self._events = count()
        self.jobs.add(
            JOB,
            settings=JobSettings(rollout=RolloutRate(5)) if settings is None else settings,
            tags={POLICY_TAG: policy.name},
        )
        self.key = RolloutKey(JOB, int(START))
        self.owner = self.workflow.start("owner", {})
        self.claim(self.key, policy=policy)
        self.steering = Steering(jobs=self.jobs, ledger=self.ledger, bus=self.bus, clock=self.clock)

    def claim(self, key: RolloutKey, *, policy: Policy = POLICY) -> None:
        """Make a rollout its job's newest, in generation 1."""
        rollout = Rollout(
            key=key,
            job_arn=self.jobs.arn(key.job_id),
            policy=policy,
            generation=1,
            execution_arn=self.owner,
            enrolled_at=self.clock.now(),
        )
        self.ledger.claim(rollout, previous=None)

    def succeed(self) -> None:
        """Let the next generation of the workflow take the rollout over."""
        known = self.rollout
        successor = replace(known, generation=known.generation + 1, park=None)
        self.ledger.claim(successor, previous=known)

    @property
    def rollout(self) -> Rollout:
        """The rollout as the ledger has it."""
        return self.ledger.rollout(self.key)

    @property
    def job(self) -> Job:
        """The job as AWS has it."""
        return self.jobs.describe(JOB)

    @property
    def sent(self) -> list[JobSettings]:
        """What UpdateJob was called with, oldest first."""
        return [call.arguments["changes"] for call in self.jobs.calls if call.operation == "update"]

    @property
    def problems(self) -> list[Any]:
        """What people were told to look at, oldest first."""
        return self.bus.details("Rollout Needs Attention")

    def report(self, status: ExecutionStatus, *numbers: int) -> None:
        """Let things of these numbers report now, as AWS then lists them."""
        for number in numbers:
            self.jobs.report(JOB, f"thing-{number}", status)

    def record(self, *events: Mapping[str, Any]) -> Recorded:
        """Record a batch of events."""
        return record(
            events,
            ledger=self.ledger,
            workflow=self.workflow,
            things=lambda: self.things,
            minute_seconds=MINUTE_SECONDS,
        )

    def review(self, generation: int = 1) -> Decision:
        """Review the rollout."""
        reviewing = Reviewing(
            jobs=self.jobs,
            ledger=self.ledger,
            watching=Watching(self.alarms, self.calendars, self.ledger, self.account_budget),
            bus=self.bus,
            clock=self.clock,
            minute_seconds=MINUTE_SECONDS,
        )
        return reviewing.review(self.key, generation=generation)

    def steer(self, decision: Decision, generation: int = 1) -> Outcome:
        """Apply a decision."""
        return self.steering.steer(self.key, generation=generation, revision=decision.revision)

    def attend(self, generation: int = 1, revision: int | None = None) -> Attended:
        """Look after devices, after the last decision unless another one is named."""
        attending = Attending(
            jobs=self.jobs,
            ledger=self.ledger,
            executions=self.executions,
            things=self.things,
            presences=self.presences,
            bus=self.bus,
            clock=self.clock,
            minute_seconds=MINUTE_SECONDS,
        )
        revision = self.rollout.revision if revision is None else revision
        return attending.attend(self.key, generation=generation, revision=revision)

    def park(self, token: str, decision: Decision, generation: int = 1) -> str | None:
        """Wait on a token as the workflow does."""
        self.workflow.wait_on(token)
        return park(
            self.key,
            generation=generation,
            revision=decision.revision,
            token=token,
            ledger=self.ledger,
            workflow=self.workflow,
        )

    def ask(self, command: str, at: str = "2026-09-21T14:20:00Z", **members: object) -> None:
        """Send an operator's command of that time."""
        detail = {"jobId": JOB, "by": "night-shift", "reason": "looks odd", **members}
        event = {
            "source": OPERATOR_SOURCE,
            "detail-type": command,
            "id": f"event-{next(self._events)}",
            "time": at,
            "detail": detail,
        }
        signaling = Signaling(
            ledger=self.ledger,
            workflow=self.workflow,
            bus=self.bus,
            policies=self.policies,
            jobs=self.jobs,
            clock=self.clock,
        )
        signaling.signal(event)

    def has(self, status: ExecutionStatus) -> int:
        """Return how many things the ledger has in a status."""
        return self.ledger.counted(self.key).counts.of(status)


def outcome(
    number: int,
    status: ExecutionStatus = ExecutionStatus.SUCCEEDED,
    *,
    after: int = 60,
    job_id: str = JOB,
    **members: object,
) -> dict[str, Any]:
    """Return the bus event of a thing's outcome so many seconds after the start."""
    detail: dict[str, Any] = {
        "version": "1",
        "jobId": job_id,
        "thingName": f"thing-{number}",
        "thingArn": f"arn:aws:iot:eu-central-1:111122223333:thing/thing-{number}",
        "status": status.value,
        "operation": status.value.lower(),
        "executionNumber": 1,
        "timestamp": int(START) + after,
        "eventId": f"event-{number}",
        "statusDetails": {},
    }
    return {
        "source": IOT_SOURCE,
        "detail-type": JOB_EXECUTION_STATUS_CHANGE,
        "detail": detail | members,
    }


def job_change(status: str = "CANCELED", *, after: int = 60) -> dict[str, Any]:
    """Return the bus event of the job's own change so many seconds after the start."""
    detail = {
        "version": "1",
        "jobId": JOB,
        "status": status,
        "operation": status.lower(),
        "timestamp": int(START) + after,
        "eventId": "event",
    }
    return {"source": IOT_SOURCE, "detail-type": JOB_STATUS_CHANGE, "detail": detail}


def record_of(stage: Stage, number: int) -> ThingRecord:
    """Return what the ledger has of a thing."""
    name = f"thing-{number}"
    return stage.ledger.things(stage.key, [name])[name]
