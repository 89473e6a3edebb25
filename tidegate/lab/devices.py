"""
The lab's second fidelity: device by device, in continuous time, through the real services.

What ``trial`` counts by the minute happens here one by one: devices report to a model of AWS IoT
Jobs, events arrive late, twice and out of order, and Tidegate's own services fold them into a
ledger, review, steer and wait, as the workflow has it. Slower by orders of magnitude; it is there
to check the other.
"""

import itertools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from numpy.random import Generator, SeedSequence, default_rng

from tidegate.adapters.memory.alarms import MemoryAlarms
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.adapters.memory.calendars import MemoryCalendars
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.adapters.memory.policies import MemoryPolicies
from tidegate.adapters.memory.workflow import MemoryWorkflow
from tidegate.documents.commands import Enrolment
from tidegate.documents.events import IOT_SOURCE
from tidegate.documents.launch import Launch
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.policy import Policy
from tidegate.domain.review import FENCE_REASON_CODE
from tidegate.domain.rollout import RolloutKey
from tidegate.domain.settings import FailureType, JobSettings, RetryCriterion, RolloutRate
from tidegate.lab.agenda import Agenda
from tidegate.lab.aws import MINUTE_SECONDS, IotJobs, Notice
from tidegate.lab.behaviours import AWS_LIKE, Behaviours
from tidegate.lab.fleet import Fleet
from tidegate.lab.individuals import Device, draw_devices
from tidegate.lab.rules.native import NativeRule
from tidegate.lab.trial import MINUTES_MAX, SETTLED_SHARE, Trial
from tidegate.service.enroll import Enrolling
from tidegate.service.intake import take_in
from tidegate.service.record import record
from tidegate.service.review import Reviewing
from tidegate.service.standing import Watching
from tidegate.service.steer import Outcome, Steering
from tidegate.service.waiting import park

JOB = "release"
GROUP = "fleet"
_GROUP_ARN = f"arn:aws:iot:eu-central-1:111122223333:thinggroup/{GROUP}"
#: Epoch seconds at which every rollout of the lab begins.
START = 1_790_000_000.0

#: What Trial calls a rollout that Tidegate steers.
RULE = "tidegate"

#: Reviews that may follow one another at once: each found something that came up meanwhile.
ROUNDS_MAX = 10

_SUCCEEDED = ExecutionStatus.SUCCEEDED


def run_per_device(
    fleet: Fleet,
    policy: Policy,
    seed: int,
    *,
    behaviours: Behaviours = AWS_LIKE,
    orchestrator_stops_at: int | None = None,
    minutes_max: int = MINUTES_MAX,
) -> Trial:
    """
    Return how a rollout goes that Tidegate steers; the same arguments give the same trial.

    Args:
        fleet: The devices, and the truth about the release. The job's timeout and retries are the
            fleet's, whatever the policy says.
        policy: What Tidegate goes by.
        seed: Of all chance.
        behaviours: How AWS behaves where its documents do not say.
        orchestrator_stops_at: Minute from which on nothing of Tidegate runs any more; the first
            review always gets through.
        minutes_max: Minutes after which it is given up.
    """
    world = _World(fleet, seed, behaviours)
    own = replace(policy.job, timeout_minutes=fleet.timeout_minutes, drop_retries=False)
    tidegate = _Tidegate(world, replace(policy, job=own), stops_at=orchestrator_stops_at)
    tidegate.launch(fleet.retries)
    return world.play(RULE, minutes_max, lambda: tidegate.accepted_at)


def run_native_per_device(
    fleet: Fleet,
    rule: NativeRule,
    seed: int,
    *,
    behaviours: Behaviours = AWS_LIKE,
    minutes_max: int = MINUTES_MAX,
) -> Trial:
    """Return how a rollout goes that AWS carries out alone, by settings that stay as they are."""
    world = _World(fleet, seed, behaviours)
    settings = JobSettings(
        rollout=RolloutRate(rule.rate_per_minute, rule.exponential),
        abort=rule.criteria or None,
        timeout_minutes=fleet.timeout_minutes,
        retries=_retries(fleet) or None,
    )
    world.jobs.add(JOB, targets=[_GROUP_ARN], settings=settings)
    return world.play(rule.name, minutes_max)


def _retries(fleet: Fleet) -> tuple[RetryCriterion, ...]:
    return (RetryCriterion(FailureType.ALL, fleet.retries),) if fleet.retries else ()


class _Crowd:
    """
    The devices of a fleet: they act on what AWS tells them, and what becomes of them is noted.

    Attributes:
        told_at: When each was notified, in epoch seconds and in that order.
        unreachable: How many of these will neither start nor reject.
    """

    def __init__(
        self, fleet: Fleet, rng: Generator, *, clock: ManualClock, agenda: Agenda, jobs: IotJobs
    ) -> None:
        self.told_at: list[float] = []
        self.unreachable = 0
        self._devices = draw_devices(fleet, rng)
        self._silence_minutes = fleet.timeout_minutes + jobs.behaviours.timeout_lag_minutes
        self._clock = clock
        self._agenda = agenda
        self._jobs = jobs
        # By place in the order of notification: when it started, and its latest attempt.
        self._started_at: dict[int, float] = {}
        self._attempt: dict[int, int] = {}
        self._rejected: set[int] = set()
        jobs.notifies(self._hear)

    @property
    def started(self) -> int:
        """Devices that have started."""
        return len(self._started_at)

    def harmed(self, *, is_stopped: bool) -> tuple[int, int]:
        """
        Return the devices that have started, or rejected, and end in failure; and the bad of them.

        Where the rollout is stopped nothing is retried: an attempt that fails then is the last.
        """
        harmed = [place for place in self._started_at if self._fails(place, is_stopped=is_stopped)]
        harmed.extend(self._rejected)
        return len(harmed), sum(self._devices[place].is_bad for place in harmed)

    @property
    def has_bad_part(self) -> bool:
        """Whether a part of the fleet fails at a higher rate than the rest."""
        return any(device.is_bad for device in self._devices)

    def successes_at(self) -> list[float]:
        """Return when those succeed, in epoch seconds, that are told and may go on to their end."""
        return sorted(
            self._begins_at(place) + self._lasts_minutes(device) * MINUTE_SECONDS
            for place, device in enumerate(self._devices[: len(self.told_at)])
            if device.ends_well and device.acts_after_minutes is not None
        )

    def _begins_at(self, place: int) -> float:
        after_minutes = self._devices[place].acts_after_minutes or 0.0
        return self.told_at[place] + after_minutes * MINUTE_SECONDS

    def _lasts_minutes(self, device: Device) -> float:
        return sum(min(each.minutes, self._silence_minutes) for each in device.attempts)

    def _fails(self, place: int, *, is_stopped: bool) -> bool:
        device = self._devices[place]
        if device.goes_dark or not is_stopped:
            return device.goes_dark or not device.ends_well
        return device.attempts[self._attempt[place]].reports is not _SUCCEEDED

    def _hear(self, notice: Notice) -> None:
        """Let a device plan what it does about a job."""
        device = self._devices[notice.place]
        if notice.retry_attempt:
            self._agenda.after(0.0, lambda: self._begin(notice, device))
            return
        self.told_at.append(self._clock.now())
        if device.acts_after_minutes is None:
            self.unreachable += 1
            return
        act = self._begin if device.attempts else self._reject
        seconds = device.acts_after_minutes * MINUTE_SECONDS
        self._agenda.after(seconds, lambda: act(notice, device))

    def _begin(self, notice: Notice, device: Device) -> None:
        if not self._jobs.device_reports(notice, ExecutionStatus.IN_PROGRESS):
            return
        self._started_at.setdefault(notice.place, self._clock.now())
        self._attempt[notice.place] = notice.retry_attempt
        attempt = device.attempts[notice.retry_attempt]
        if attempt.reports is not None:
            report = partial(self._jobs.device_reports, notice, attempt.reports)
            self._agenda.after(attempt.minutes * MINUTE_SECONDS, report)

    def _reject(self, notice: Notice, _: Device) -> None:
        if self._jobs.device_reports(notice, ExecutionStatus.REJECTED):
            self._rejected.add(notice.place)


class _World:
    """AWS IoT Jobs, a fleet of devices, and their time; Tidegate or nobody looks after them."""

    def __init__(self, fleet: Fleet, seed: int, behaviours: Behaviours) -> None:
        of_devices, of_events = SeedSequence(seed).spawn(2)
        self.clock = ManualClock(START)
        self.agenda = Agenda(self.clock)
        self.chance = default_rng(of_events)
        self.jobs = IotJobs(self.clock, after=self.agenda.after, behaviours=behaviours)
        self.jobs.groups[GROUP] = {f"thing-{number:07}" for number in range(fleet.size)}
        self.jobs.publishes(self._published)
        self.hears: Callable[[Mapping[str, Any]], None] = lambda _: None
        self._fleet = fleet
        self._seed = seed
        self._crowd = _Crowd(
            fleet,
            default_rng(of_devices),
            clock=self.clock,
            agenda=self.agenda,
            jobs=self.jobs,
        )
        self._stopped_at: float | None = None

    def minutes(self) -> float:
        """Return how long ago the job was created."""
        return _minutes(self.clock.now())

    def play(
        self, rule: str, minutes_max: int, accepted_at: Callable[[], int | None] = lambda: None
    ) -> Trial:
        """
        Go through the rollout to its end.

        Args:
            rule: What to call whatever decides.
            minutes_max: Minutes after which it is given up.
            accepted_at: Asked at the end when the release was first found acceptable.
        """
        minute = 0
        for minute in range(minutes_max + 1):
            until = START + minute * MINUTE_SECONDS
            while self._stopped_at is None and self.agenda.do_next(until):
                pass
            if self._stopped_at is not None or self._is_over(minute):
                break
        crowd, is_stopped = self._crowd, self._stopped_at is not None
        harmed, harmed_bad = crowd.harmed(is_stopped=is_stopped)
        return Trial(
            rule=rule,
            fleet=self._fleet.name,
            seed=self._seed,
            minutes=minute,
            exposed=len(crowd.told_at),
            started=crowd.started,
            harmed=harmed,
            harmed_beyond_base=harmed_bad if crowd.has_bad_part else harmed,
            stopped_by=self._stopped_by(),
            minutes_to_stop=minute if is_stopped else None,
            minutes_to_finish=self._finished_at(),
            minutes_to_95=self._at_95(),
            minutes_to_acceptance=accepted_at(),
            quarantined=(),
        )

    def _published(self, event: Mapping[str, Any]) -> None:
        if event["eventType"] == "JOB" and event["status"] == JobStatus.CANCELED:
            self._stopped_at = self.clock.now()
        self.hears(event)

    def _is_over(self, minute: int) -> bool:
        """Return whether nothing is to be expected any more that would count."""
        finished_at = self._finished_at()
        if finished_at is None:
            return False
        crowd, counts = self._crowd, self.jobs.counted_once(JOB)
        if not counts.in_progress and counts.queued == crowd.unreachable:
            return True
        startable = self._fleet.size - crowd.unreachable
        return (
            minute >= finished_at + self._fleet.timeout_minutes
            and counts.reported >= SETTLED_SHARE * startable
        )

    def _finished_at(self) -> int | None:
        """Return when all were notified, by AWS's own minutes: they begin with the first batch."""
        told_at = self._crowd.told_at
        if len(told_at) < self._fleet.size:
            return None
        return int((told_at[-1] - told_at[0]) / MINUTE_SECONDS) + 1

    def _stopped_by(self) -> str | None:
        if self._stopped_at is None:
            return None
        is_native = self.jobs.describe(JOB).reason_code == FENCE_REASON_CODE
        return "native" if is_native else "rule"

    def _at_95(self) -> int | None:
        """Return when nearly all had succeeded, or will have if nothing comes between."""
        startable = self._fleet.size - self._crowd.unreachable
        needed = max(1, math.ceil(SETTLED_SHARE * startable))
        successes_at = self._crowd.successes_at()
        if len(successes_at) < needed:
            return None
        at, is_through = successes_at[needed - 1], self._finished_at() is not None
        if at > self.clock.now() and (self._stopped_at is not None or not is_through):
            return None
        return math.ceil(_minutes(at))


def _minutes(at: float) -> float:
    return (at - START) / MINUTE_SECONDS


class _Tidegate:
    """Tidegate's services, and the workflow that calls them, for one rollout."""

    def __init__(self, world: _World, policy: Policy, *, stops_at: int | None) -> None:
        self.accepted_at: int | None = None
        self._world = world
        self._policy = policy
        self._stops_at = math.inf if stops_at is None else START + stops_at * MINUTE_SECONDS
        self._ledger = MemoryLedger()
        self._workflow = MemoryWorkflow()
        self._bus = MemoryBus()
        self._reviewing = Reviewing(
            jobs=world.jobs,
            ledger=self._ledger,
            watching=Watching(MemoryAlarms(), MemoryCalendars(), self._ledger),
            bus=self._bus,
            clock=world.clock,
            minute_seconds=MINUTE_SECONDS,
        )
        self._routed = 0
        self._tokens = itertools.count()
        self._token = ""
        self._key: RolloutKey | None = None
        world.hears = self._hear

    # the workflow

    def launch(self, retries: int) -> None:
        """Create the job, and decide on it for the first time."""
        members: dict[str, Any] = {"document": "{}"}
        if retries:
            criteria = [{"failureType": FailureType.ALL.value, "numberOfRetries": retries}]
            members["jobExecutionsRetryConfig"] = {"criteriaList": criteria}
        launch = Launch((_GROUP_ARN,), members)
        given = Enrolment(JOB, self._policy.name, launch).to_workflow_input()
        enrolling = _Enrolling(
            jobs=self._world.jobs,
            ledger=self._ledger,
            policies=MemoryPolicies({}),
            workflow=self._workflow,
            bus=self._bus,
            clock=self._world.clock,
            compiled=self._policy,
        )
        rollout = enrolling.enroll(given, self._workflow.start(JOB, given))
        self._key = rollout.key
        self._go_on()

    def _go_on(self) -> None:
        """Review and apply, again where something newer came up, then wait."""
        for _ in range(ROUNDS_MAX):
            decision = self._review()
            outcome = self._steer(decision)
            if decision.verdict in (Verdict.COMPLETE, Verdict.ENDED):
                return
            looks_again = outcome in (Outcome.SUPERSEDED, Outcome.JOB_OVER)
            if not looks_again or decision.verdict is Verdict.ABORT:
                self._wait(decision)
                return
        message = f"{ROUNDS_MAX} reviews without any time passing: {decision.summary}"
        raise AssertionError(message)

    def _review(self) -> Decision:
        assert self._key is not None
        decision = self._reviewing.review(self._key, generation=1)
        is_acceptable = decision.evidence.upper_bound <= self._policy.harm.acceptable_rate
        if self.accepted_at is None and is_acceptable:
            self.accepted_at = math.ceil(self._world.minutes())
        return decision

    def _steer(self, decision: Decision) -> Outcome:
        assert self._key is not None
        steering = Steering(self._world.jobs, self._ledger, self._bus, self._world.clock)
        return steering.steer(self._key, generation=1, revision=decision.revision)

    def _wait(self, decision: Decision) -> None:
        """Wait for a tripwire or a signal, at most until the review is due."""
        assert self._key is not None
        token = self._token = f"token-{next(self._tokens)}"
        self._workflow.wait_on(token)
        self._world.agenda.after(decision.wait_seconds, lambda: self._wake(token))
        park(
            self._key,
            generation=1,
            revision=decision.revision,
            token=token,
            ledger=self._ledger,
            workflow=self._workflow,
        )
        self._resume()

    def _resume(self) -> None:
        """Go on if the token that the workflow waits on was answered."""
        if self._token and self._token not in self._workflow.waiting:
            token = self._token
            self._world.agenda.after(0.0, lambda: self._wake(token))

    def _wake(self, token: str) -> None:
        """Go on after a wait: answered, or timed out."""
        if token != self._token or not self._is_running():
            return
        self._token = ""
        self._workflow.give_up(token)
        self._go_on()

    def _is_running(self) -> bool:
        return self._world.clock.now() < self._stops_at

    # the event path

    def _hear(self, event: Mapping[str, Any]) -> None:
        """Let an event be delivered: late, perhaps after others, and perhaps twice."""
        world, behaviours = self._world, self._world.jobs.behaviours
        copies = 1 + (world.chance.random() < behaviours.events_doubled)
        body = json.dumps(event)
        for _ in range(copies):
            seconds = world.chance.uniform(0.0, behaviours.event_delay_seconds)
            world.agenda.after(seconds, lambda: self._deliver(body))

    def _deliver(self, body: str) -> None:
        if not self._is_running():
            return
        taken = take_in([body], bus=self._bus)
        assert taken.published == 1, taken
        events = [
            {"detail-type": each.detail_type, "detail": each.detail}
            for each in self._bus.published[self._routed :]
            if each.source == IOT_SOURCE
        ]
        self._routed = len(self._bus.published)
        recorded = record(events, ledger=self._ledger, workflow=self._workflow)
        assert not recorded.failed, recorded
        self._resume()


@dataclass(frozen=True, slots=True)
class _Enrolling(Enrolling):
    """Enrolling with a policy that was read before: people write theirs, the lab has values."""

    compiled: Policy

    def _policy(self, enrolment: Enrolment) -> Policy:
        del enrolment
        return self.compiled
