"""
The services under whatever order of things: reports, commands, crashes, refusals, other people.

Hypothesis plays the devices, the operators, AWS's moods and Step Functions; it may stop any service
at any call to the outside, deliver anything again, and let somebody interfere while a request is on
its way. What must always hold is audited at every UpdateJob and CancelJob, and after every step.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.scenario.aws import Aws
from tests.scenario.interference import Interference, undisturbed
from tests.scenario.schemas import CheckedBus
from tidegate.adapters.memory.alarms import MemoryAlarms
from tidegate.adapters.memory.calendars import MemoryCalendars
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.dead_letters import MemoryDeadLetters
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.adapters.memory.policies import MemoryPolicies
from tidegate.adapters.memory.workflow import MemoryWorkflow
from tidegate.documents.commands import OPERATOR_SOURCE
from tidegate.documents.events import sighting_from_detail
from tidegate.domain.course import About, Answer, Question
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.jobs import TERMINAL, ExecutionStatus, ExecutionSummary, Job, JobStatus
from tidegate.domain.outcomes import CounterKey, ThingRecord
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.domain.settings import JobSettings, RolloutRate
from tidegate.domain.standing import AlarmReading, AlarmState
from tidegate.errors import Refused, RetryLater, Superseded
from tidegate.service.enroll import Enrolling
from tidegate.service.intake import take_in
from tidegate.service.record import record
from tidegate.service.review import Reviewing
from tidegate.service.roll_back import RollingBack
from tidegate.service.signal import Signaling
from tidegate.service.standing import Watching
from tidegate.service.steer import Outcome, Steering
from tidegate.service.sweep import Sweeping
from tidegate.service.waiting import park

JOB = "release-7"
BYSTANDER = "somebody-else-s"
START = 1_790_000_000.0
MINUTE_SECONDS = 60.0
THINGS = [f"thing-{number:02}" for number in range(12)]
TARGETS = ["arn:aws:iot:eu-central-1:111122223333:thinggroup/fleet"]
ALARM = "checkout-errors"
POLICY: Mapping[str, Any] = {
    "name": "firmware",
    "harm": {"budget": 20},
    "pace": {"start_per_minute": 3, "max_per_minute": 50},
}
#: What rollouts begin under, or are adjusted to.
POLICIES: Mapping[str, Mapping[str, Any]] = {
    "firmware": POLICY,
    "gated": {
        **POLICY,
        "name": "gated",
        "freeze": {"alarms": [ALARM]},
        "gates": [
            {
                "after": 4,
                "answer": {"within": "5m", "unanswered": "pass"},
                "approval": {"within": "5m", "refused": "hold"},
            },
            {"after": 8, "bake": "3m", "alarms": [ALARM], "approval": {"unanswered": "abort"}},
        ],
    },
    "asking": {
        **POLICY,
        "name": "asking",
        "authority": {"speed_up": "approve", "abort": "recommend", "slow_down": "recommend"},
        "approval": {"within": "5m"},
    },
    "watching": {**POLICY, "name": "watching", "authority": "observe"},
    "undone": {
        **POLICY,
        "name": "undone",
        "on_abort": {"in_flight": "force", "rollback": {"document": {"operation": "downgrade"}}},
        "complete": {"at": "50%", "stragglers": "cancel", "grace": "2m"},
    },
}
#: A rollout under ``watching`` is not touched before one of these.
TOUCHING = ("Hold Rollout", "Abort Rollout", "Adjust Policy", "Enroll Job")

#: Where a service can be stopped.
CALLS = [
    ("jobs", "describe"),
    ("jobs", "executions"),
    ("jobs", "update"),
    ("jobs", "cancel"),
    ("ledger", "current"),
    ("ledger", "rollout"),
    ("ledger", "claim"),
    ("ledger", "things"),
    ("ledger", "commit"),
    ("ledger", "counted"),
    ("ledger", "totals"),
    ("ledger", "holds"),
    ("ledger", "note_listing"),
    ("ledger", "store_decision"),
    ("ledger", "decision"),
    ("ledger", "entry"),
    ("ledger", "mark_applied"),
    ("ledger", "place_hold"),
    ("ledger", "lift_holds"),
    ("ledger", "request_abort"),
    ("ledger", "signal"),
    ("ledger", "park"),
    ("ledger", "unpark"),
    ("ledger", "conclude"),
    ("ledger", "active"),
    ("ledger", "answers"),
    ("ledger", "give_answer"),
    ("ledger", "adjust"),
    ("ledger", "note_heal"),
    ("ledger", "link_rollback"),
    ("ledger", "note_steps"),
    ("ledger", "raise_alert"),
    ("jobs", "create"),
    ("jobs", "add_to_group"),
    ("workflow", "wake"),
    ("workflow", "start"),
    ("alarms", "read"),
    ("bus", "publish"),
]

#: Where others may interfere; UpdateJob, where it matters most, more often than not.
RACES = [
    ("jobs", "update"),
    ("jobs", "update"),
    ("jobs", "update"),
    ("jobs", "describe"),
    ("jobs", "cancel"),
    ("ledger", "store_decision"),
    ("ledger", "store_decision"),
    ("ledger", "commit"),
    ("ledger", "totals"),
    ("alarms", "read"),
]

calls = st.sampled_from(CALLS)
races = st.sampled_from(RACES)
moments = st.sampled_from(["before", "after"])
places = st.integers(0, 1_000)
reports = st.sampled_from(
    [
        ExecutionStatus.IN_PROGRESS,
        ExecutionStatus.SUCCEEDED,
        ExecutionStatus.SUCCEEDED,
        ExecutionStatus.FAILED,
        ExecutionStatus.TIMED_OUT,
        ExecutionStatus.REJECTED,
    ]
)


class Crash(Exception):
    """A Lambda died here."""


@dataclass
class Execution:
    """
    One execution of the workflow.

    Attributes:
        phase: What it does next: enroll, review, steer, roll_back, park, wait; or over.
    """

    arn: str
    given: Mapping[str, Any]
    phase: str = "enroll"
    rollout: Rollout | None = None
    decision: Decision | None = None
    token: str = ""


class WatchedAws(Aws):
    """
    AWS, and all that was ever true of an execution.

    Attributes:
        true: Statuses with the second of their report, by job and thing.
        listed: Rows that were listed lately, by job.
    """

    true: defaultdict[tuple[RolloutKey, str], set[tuple[ExecutionStatus, int]]]
    listed: list[tuple[RolloutKey, ExecutionSummary]]

    def executions(
        self, job_id: str, status: ExecutionStatus | None = None
    ) -> Iterator[Sequence[ExecutionSummary]]:
        """Yield pages of the job's executions, and note them."""
        for page in super().executions(job_id, status):
            key = RolloutKey(job_id, self._jobs[job_id].created_at)
            self.listed += [(key, row) for row in page]
            yield page

    def report(
        self,
        job_id: str,
        thing_name: str,
        status: ExecutionStatus,
        **members: Any,  # noqa: ANN401 - as the adapter's
    ) -> ExecutionSummary:
        """Put an execution into a status, and note it."""
        summary = super().report(job_id, thing_name, status, **members)
        key = RolloutKey(job_id, self._jobs[job_id].created_at)
        self.true[key, thing_name].add((status, int(summary.updated_at)))
        return summary


class ServiceMachine(RuleBasedStateMachine):
    """Everything that can happen to a rollout, in any order."""

    def __init__(self) -> None:
        """Start an account with a job and another one that is nobody's business."""
        super().__init__()
        self.clock = ManualClock(START)
        self.violations: list[str] = []
        self.ledger = MemoryLedger()
        self.ledger.faults = Interference()
        self.jobs = WatchedAws(self.clock, self.ledger, self.violations, after=lambda *_: None)
        self.jobs.true = defaultdict(set)
        self.jobs.listed = []
        self.jobs.faults = Interference()
        self.jobs.groups["fleet"] = set(THINGS)
        self.jobs.publishes(self._published)
        self.workflow = MemoryWorkflow()
        self.bus = CheckedBus(self.violations)
        self.policies = MemoryPolicies(
            {name: json.dumps(policy) for name, policy in POLICIES.items()}
        )
        self.alarms, self.calendars = MemoryAlarms(), MemoryCalendars()
        self.alarms.faults = Interference()
        self.alarms.readings[ALARM] = AlarmReading(AlarmState.OK, START)
        self.policy = "firmware"
        self.executions: list[Execution] = []
        self.answered: dict[tuple[RolloutKey, str], Answer] = {}
        self.is_touched = False
        self.events: list[Mapping[str, Any]] = []
        self.commands: list[Mapping[str, Any]] = []
        self.unfinished: set[str] = set()
        self.told: defaultdict[tuple[RolloutKey, str], list[tuple[int, int, int]]] = defaultdict(
            list
        )
        self.aborted: set[RolloutKey] = set()
        self.has_lost = False
        self.jobs.add(BYSTANDER, targets=TARGETS)

    @initialize(
        rate=st.sampled_from([1, 3, 1000]),
        scheduled=st.sampled_from([False, False, False, False, True]),
        continuous=st.booleans(),
        cancel_seconds=st.sampled_from([0.0, 200.0]),
        policy=st.sampled_from(["firmware", "gated", *POLICIES]),
    )
    def begin(
        self,
        rate: int,
        scheduled: bool,  # noqa: FBT001 - drawn
        continuous: bool,  # noqa: FBT001 - drawn
        cancel_seconds: float,
        policy: str,
    ) -> None:
        """Somebody creates a job and has it enrolled."""
        self.jobs.cancel_seconds = cancel_seconds
        self.policy = policy
        self.jobs.add(
            JOB,
            targets=TARGETS,
            settings=JobSettings(rollout=RolloutRate(rate)),
            status=JobStatus.SCHEDULED if scheduled else JobStatus.IN_PROGRESS,
            is_continuous=continuous,
        )
        self._start({"jobId": JOB, "policy": self.policy})
        self.step(0)

    # AWS and its devices

    @rule(seconds=st.integers(1, 150))
    def time_passes(self, seconds: int) -> None:
        """Let some time pass."""
        self.clock.advance(seconds)

    @rule()
    def batch(self) -> None:
        """AWS creates a minute's executions."""
        job = self._job()
        if job is None or job.status is not JobStatus.IN_PROGRESS:
            return
        notified = {row.thing_name for row in self._rows()}
        waiting = [name for name in THINGS if name not in notified]
        for name in waiting[: job.settings.rate_per_minute]:
            self.jobs.report(JOB, name, ExecutionStatus.QUEUED)
        if len(waiting) <= job.settings.rate_per_minute:
            self.jobs.change(JOB, is_concurrent=False)

    @rule(told=st.lists(st.tuples(places, reports), min_size=1, max_size=6))
    def devices_report(self, told: list[tuple[int, ExecutionStatus]]) -> None:
        """Devices that have the job take it up, or end it."""
        for place, status in told:
            rows = [row for row in self._rows() if row.status not in TERMINAL]
            if rows:
                row = rows[place % len(rows)]
                number = row.execution_number
                self.jobs.report(JOB, row.thing_name, status, execution_number=number)
                self.jobs.look(JOB)

    @rule(place=places)
    def thing_joins_again(self, place: int) -> None:
        """A thing whose execution is over leaves a CONTINUOUS job's group and joins it again."""
        job = self._job()
        newest = {row.thing_name: row for row in self._rows()}
        over = [row for row in newest.values() if row.status in TERMINAL]
        if over and job is not None and job.is_continuous and job.status is JobStatus.IN_PROGRESS:
            row = over[place % len(over)]
            again = row.execution_number + 1
            self.jobs.report(JOB, row.thing_name, ExecutionStatus.QUEUED, execution_number=again)

    @rule(
        told=st.lists(st.tuples(places, reports), max_size=6),
        chosen=st.lists(places, max_size=6),
        steps=st.integers(2, 4),
    )
    def ordinary_minute(
        self, told: list[tuple[int, ExecutionStatus]], chosen: list[int], steps: int
    ) -> None:
        """A batch, some reports, some events, and the newest execution goes on for a while."""
        self.batch()
        self.clock.advance(MINUTE_SECONDS)
        self.devices_report(told)
        if self.events:
            self.deliver(chosen, again=False)
        for _ in range(steps):
            self.step(-1)

    @rule()
    def job_starts(self) -> None:
        """A SCHEDULED job's time comes."""
        job = self._job()
        if job is not None and job.status is JobStatus.SCHEDULED:
            self.jobs.start(JOB)

    @rule(how=st.sampled_from(["canceled", "criteria", "deleted", "deleting", "exchanged"]))
    @precondition(lambda self: self.clock.now() > START + 240)
    def others_end_the_job(self, how: str) -> None:
        """Somebody else, or AWS itself, ends the job; perhaps another one gets its id."""
        job = self._job()
        runs = job is not None and job.status in (JobStatus.IN_PROGRESS, JobStatus.SCHEDULED)
        match how:
            case "canceled" if runs:
                self.jobs.end_by_hand(JOB)
            case "criteria" if runs:
                self.jobs.end_by_criteria(JOB)
            case "deleted" if job is not None:
                self.jobs.delete_by_hand(JOB)
            case "deleting" if job is not None:
                self.jobs.change(JOB, status=JobStatus.DELETION_IN_PROGRESS)
            case "exchanged":
                self.jobs.delete_by_hand(JOB)
                self.clock.advance(1)
                self.jobs.add(JOB, targets=TARGETS)

    @rule(rate=st.sampled_from([1, 1, 2, 100]))
    def somebody_sets_the_rate(self, rate: int) -> None:
        """Somebody changes the rate in the console."""
        if self._job() is not None:
            self.jobs.change(JOB, settings=JobSettings(rollout=RolloutRate(rate)))

    # delivery

    @rule(chosen=st.lists(places, min_size=1, max_size=6), again=st.booleans())
    @precondition(lambda self: self.events)
    def deliver(self, chosen: list[int], again: bool) -> None:  # noqa: FBT001 - drawn
        """Some events arrive, in any order; perhaps they arrive again later."""
        batch = [self.events[place % len(self.events)] for place in chosen]
        self._record(batch, again=again)

    @rule(place=places)
    @precondition(lambda self: self.events)
    def lose(self, place: int) -> None:
        """An event never arrives."""
        event = self.events[place % len(self.events)]
        if json.dumps(event) not in self.unfinished:
            self.events.remove(event)
            self.has_lost = True

    # operators

    @rule(
        kind=st.sampled_from(["Hold Rollout", "Hold Rollout", "Resume Rollout"]),
        by=st.sampled_from(["on-call", "night-shift"]),
    )
    def operator(self, kind: str, by: str) -> None:
        """Somebody holds or resumes."""
        self._tell(self._command(kind, by))

    @rule()
    @precondition(lambda self: self.clock.now() > START + 240)
    def operator_aborts(self) -> None:
        """Somebody asks to abort."""
        self._tell(self._command("Abort Rollout", "release-manager"))

    @rule(place=places, yes=st.sampled_from([True, True, False]))
    @precondition(lambda self: self._pending())
    def somebody_answers(self, place: int, yes: bool) -> None:  # noqa: FBT001 - drawn
        """A person or a system answers a question; perhaps it is answered already."""
        question = self._pending()[place % len(self._pending())]
        about = "Decision" if question.about is About.DECISION else "Gate"
        command = self._command(f"{'Approve' if yes else 'Reject'} {about}", "release-desk")
        detail = {"jobId": JOB, "by": "release-desk", "comment": "as seen on site"}
        detail["correlationId"] = question.question_id
        self._tell({**command, "detail": detail})

    @rule(steps=st.integers(3, 6))
    @precondition(lambda self: self._pending())
    def everybody_agrees(self, steps: int) -> None:
        """Whatever is asked now, and next, is answered with yes."""
        for _ in range(steps):
            if self._pending():
                self.somebody_answers(-1, yes=True)
            self.step(-1)

    @rule(policy=st.sampled_from([*POLICIES]))
    def somebody_adjusts(self, policy: str) -> None:
        """Somebody gives the rollout another policy."""
        command = self._command("Adjust Policy", "release-desk")
        self._tell({**command, "detail": {**command["detail"], "policy": policy}})

    @rule(state=st.sampled_from([*AlarmState, AlarmState.OK]), told=st.booleans())
    def alarm_changes(self, state: AlarmState, told: bool) -> None:  # noqa: FBT001 - drawn
        """An alarm changes its state; the event that tells may be lost."""
        self.alarms.readings[ALARM] = AlarmReading(state, self.clock.now())
        if told:
            event = self._command("CloudWatch Alarm State Change", "")
            self._tell({**event, "source": "aws.cloudwatch", "detail": {"alarmName": ALARM}})

    @rule(place=places)
    @precondition(lambda self: self.commands)
    def command_comes_again(self, place: int) -> None:
        """EventBridge delivers a command once more."""
        self._tell(self.commands[place % len(self.commands)])

    # mishaps

    @rule(call=calls, when=moments, error=st.sampled_from(["crash", "busy"]))
    def fault(self, call: tuple[str, str], when: str, error: str) -> None:
        """The next such call is a service's last, or AWS is busy."""
        port, operation = call
        raised = Crash("died") if error == "crash" else RetryLater("throttled")
        getattr(getattr(self, port).faults, when)(operation, raised)

    @rule(operation=st.sampled_from(["update", "cancel"]))
    def refusal(self, operation: str) -> None:
        """AWS calls the next such request invalid."""
        self.jobs.faults.before(operation, Refused("invalid"))

    @rule(
        race=races,
        when=st.sampled_from(["during", "following"]),
        act=st.sampled_from(["hold", "hold", "abort", "resume", "take over", "exchange", "events"]),
    )
    def somebody_interferes(self, race: tuple[str, str], when: str, act: str) -> None:
        """While a request is on its way, or right after it, somebody does something."""
        port, operation = race
        if act == "exchange":
            # In the middle of a request to AWS, IAM alone sees to it, by the tag.
            port, operation = "ledger", "store_decision"
        acts: Mapping[str, Callable[[], None]] = {
            "hold": lambda: self._tell(self._command("Hold Rollout", "support")),
            "resume": lambda: self._tell(self._command("Resume Rollout", "support")),
            "abort": lambda: self._tell(self._command("Abort Rollout", "support")),
            "take over": self.successor_enrolls,
            "exchange": lambda: self.others_end_the_job("exchanged"),
            "events": lambda: self._record(list(self.events), again=True),
        }
        getattr(getattr(self, port).faults, when)(operation, acts[act])

    @rule(
        when=st.sampled_from(["during", "following"]),
        act=st.sampled_from(["hold", "abort", "take over"]),
        steps=st.integers(2, 5),
    )
    def a_raise_meets_something_newer(self, when: str, act: str, steps: int) -> None:
        """Right when the rate goes up, somebody asks for the opposite, or takes over."""
        self.somebody_sets_the_rate(1)
        self.somebody_interferes(("jobs", "update"), when, act)
        for _ in range(steps):
            self.step(-1)

    @rule(place=places)
    def workflow_dies(self, place: int) -> None:
        """An execution ends by a mishap that nobody tells of."""
        living = [each for each in self.executions if each.phase != "over"]
        if living:
            execution = living[place % len(living)]
            self.workflow.give_up(execution.token)
            self._end(execution)

    # the workflow

    @rule()
    def sweep(self) -> None:
        """A minute's sweep finds what stands still."""
        sweeping = Sweeping(
            jobs=self.jobs,
            ledger=self.ledger,
            workflow=self.workflow,
            dead_letters=MemoryDeadLetters(),
            bus=self.bus,
            clock=self.clock,
        )
        with suppress(Crash):
            sweeping.sweep()
        self._adopt()

    @rule(place=places)
    def step(self, place: int) -> None:
        """One of the executions does its next step, or its wait times out."""
        living = [each for each in self.executions if each.phase != "over"]
        if not living:
            return
        execution = living[place % len(living)]
        steps: Mapping[str, Callable[[Execution], str]] = {
            "enroll": self._enroll,
            "review": self._review,
            "steer": self._steer,
            "roll_back": self._roll_back,
            "park": self._park,
            "wait": self._time_out,
        }
        try:
            execution.phase = steps[execution.phase](execution)
        except (Crash, RetryLater):
            return  # Step Functions tries the state again.
        except Refused:
            assert execution.phase == "review"  # The job went away in the middle of it.
        if execution.phase == "over":
            self._end(execution)
        self._adopt()

    @rule()
    def take_over(self) -> None:
        """An execution hands over to its successor, and does not know yet that it is over."""
        owners = [each for each in self.executions if each.rollout and each.phase != "over"]
        if owners and owners[-1].rollout is not None:
            known = owners[-1].rollout
            self._start(
                {
                    "jobId": known.key.job_id,
                    "resume": {
                        "createdAt": known.key.created_at,
                        "generation": known.generation,
                        "fromExecution": known.execution_arn,
                    },
                }
            )

    def successor_enrolls(self) -> None:
        """Hand over, and let the successor claim the rollout at once."""
        before = len(self.executions)
        self.take_over()
        for execution in self.executions[before:]:
            execution.phase = self._enroll(execution)

    @rule()
    def enroll_again(self) -> None:
        """Somebody enrolls the job, be it enrolled or not, the same or another."""
        if len(self.executions) < 8:
            self._start({"jobId": JOB, "policy": self.policy})

    # what must always hold

    @invariant()
    def nothing_was_violated(self) -> None:
        """
        Every UpdateJob and CancelJob passed the audit.

        It was for an enrolled and tagged job, said what a stored decision says (or slowed down),
        raised no rate against a hold, came before any abort, and broke no limit of AWS's.
        """
        assert not self.violations, self.violations

    @invariant()
    def others_are_left_alone(self) -> None:
        """The job that was never enrolled was never touched."""
        assert BYSTANDER not in {call.job_id for call in self.jobs.calls}

    @invariant()
    def what_is_observed_only_is_left_alone(self) -> None:
        """Nothing was changed at AWS before people asked for something."""
        if self.policy == "watching" and not self.is_touched:
            assert {call.operation for call in self.jobs.calls} <= {"tag"}

    @invariant()
    def a_question_is_answered_once(self) -> None:
        """The first answer to a question stands for good, and settles it."""
        for key, answers in self.ledger._answers.items():
            for question_id, answer in answers.items():
                assert self.answered.setdefault((key, question_id), answer) == answer

    @invariant()
    def things_count_once(self) -> None:
        """Each counter is the number of things whose latest record says so."""
        for key in self.ledger._rollouts:
            counted: Counter[CounterKey] = Counter(
                (each.bucket, each.status) for each in self._records(key).values()
            )
            with undisturbed(self.ledger):
                assert self.ledger.counted(key).counts.by_bucket == dict(counted)

    @invariant()
    def records_are_true_and_new(self) -> None:
        """A record says what once was, and nothing older than what was delivered or listed."""
        for key in self.ledger._rollouts:
            for name, known in self._records(key).items():
                # Of a job that somebody put in this one's place, events cannot be told apart.
                true = (
                    each
                    for (other, thing_name), statuses in self.jobs.true.items()
                    if thing_name == name and other >= key
                    for each in statuses
                )
                assert (known.status, known.at) in true
                assert known.order >= max(self.told[key, name], default=known.order)
        for (key, name), told in self.told.items():
            assert not told or name in self._records(key)

    @invariant()
    def an_abort_is_final(self) -> None:
        """A rollout that is aborting never stops aborting."""
        now = {key for key, each in self.ledger._rollouts.items() if each.aborting}
        assert self.aborted <= now
        self.aborted = now

    @invariant()
    def nobody_sleeps_through_a_signal(self) -> None:
        """An owner that waits has seen every signal that was delivered whole."""
        for execution in self.executions:
            if execution.phase != "wait" or self.unfinished or execution.rollout is None:
                continue
            rollout = self.ledger._rollouts[execution.rollout.key]
            if execution.rollout.generation == rollout.generation and self._waits(execution):
                assert execution.decision is not None
                assert rollout.signals == execution.decision.signals

    def teardown(self) -> None:
        """Let all mishaps end: what the ledger counts becomes what AWS has."""
        if not self.executions:
            return
        for port in (self.ledger, self.jobs, self.workflow, self.bus, self.alarms):
            port.faults = Interference()
        for _ in range(12):
            # Within an hour, even a workflow that died again and again is started once more.
            self.clock.advance(400.0)
            self.sweep()
            for place in range(len(self.executions)):
                self.step(place)
        self._record(list(self.events), again=False)
        key = self._current_key()
        job = self._job()
        if key is None or job is None or job.created_at != key.created_at:
            return
        rollout = self.ledger.rollout(key)
        # What is lost after its end, no review makes up for.
        healed = rollout.ending is None or not self.has_lost
        if healed and job.status is not JobStatus.DELETION_IN_PROGRESS:
            counts = self.ledger.counted(key).counts
            newest = {
                row.thing_name: row.status
                for row in self._rows()
                if row.status is not ExecutionStatus.QUEUED
            }
            known = {status: counts.of(status) for status in ExecutionStatus}
            assert +Counter(known) == Counter(newest.values())
        self.nothing_was_violated()

    # steps

    def _start(self, given: Mapping[str, Any]) -> None:
        name = f"execution-{len(self.executions)}"
        with undisturbed(self.workflow):
            self.executions.append(Execution(self.workflow.start(name, given), given))

    def _adopt(self) -> None:
        """Take up executions that a service has started."""
        known = {each.arn for each in self.executions}
        for name, given in self.workflow.started.items():
            if self.workflow.arn(name) not in known:
                self.executions.append(Execution(self.workflow.arn(name), given))

    def _end(self, execution: Execution) -> None:
        execution.phase = "over"
        self.workflow.end(execution.arn)

    def _enroll(self, execution: Execution) -> str:
        enrolling = Enrolling(
            jobs=self.jobs,
            ledger=self.ledger,
            policies=self.policies,
            workflow=self.workflow,
            bus=self.bus,
            clock=self.clock,
        )
        try:
            execution.rollout = enrolling.enroll(execution.given, execution.arn)
        except Refused:
            return "over"
        return "review"

    def _review(self, execution: Execution) -> str:
        assert execution.rollout is not None
        self.jobs.listed.clear()
        ordered = self._ordered()
        reviewing = Reviewing(
            jobs=self.jobs,
            ledger=self.ledger,
            watching=Watching(self.alarms, self.calendars, self.ledger),
            bus=self.bus,
            clock=self.clock,
            minute_seconds=MINUTE_SECONDS,
        )
        try:
            execution.decision = reviewing.review(
                execution.rollout.key, generation=execution.rollout.generation
            )
        except Superseded:
            return "over"
        # What AWS or the ledger was too busy for is made up for by a later review.
        noted = self.jobs.listed if self._ordered() == ordered else []
        for key, row in noted:
            if row.status is not ExecutionStatus.QUEUED:
                listed = ThingRecord(row.status, int(row.updated_at), row.execution_number, 0)
                self.told[key, row.thing_name].append(listed.order)
        return "roll_back" if execution.decision.verdict is Verdict.ROLL_BACK else "steer"

    def _steer(self, execution: Execution) -> str:
        assert execution.rollout is not None
        assert execution.decision is not None
        key, ordered = execution.rollout.key, self._ordered()
        before = self._rate(key.job_id)
        steering = Steering(jobs=self.jobs, ledger=self.ledger, bus=self.bus, clock=self.clock)
        outcome = steering.steer(
            key,
            generation=execution.rollout.generation,
            revision=execution.decision.revision,
        )
        if self._ordered() == ordered:
            with undisturbed(self.ledger):
                assert not self.ledger.holds(key) or self._rate(key.job_id) <= before
        if execution.decision.verdict is Verdict.ABORT:
            return "park"
        if outcome is Outcome.CONCLUDED:
            return "over"
        return "review" if outcome in {Outcome.SUPERSEDED, Outcome.JOB_OVER} else "park"

    def _roll_back(self, execution: Execution) -> str:
        assert execution.rollout is not None
        assert execution.decision is not None
        rolling_back = RollingBack(
            jobs=self.jobs,
            ledger=self.ledger,
            workflow=self.workflow,
            bus=self.bus,
            clock=self.clock,
        )
        outcome = rolling_back.roll_back(
            execution.rollout.key,
            generation=execution.rollout.generation,
            revision=execution.decision.revision,
        )
        return "review" if outcome is Outcome.MORE else "park"

    def _park(self, execution: Execution) -> str:
        assert execution.rollout is not None
        assert execution.decision is not None
        execution.token = f"{execution.arn}#{len(self.workflow.woken)}#{self.clock.now()}"
        self.workflow.wait_on(execution.token)
        try:
            park(
                execution.rollout.key,
                generation=execution.rollout.generation,
                revision=execution.decision.revision,
                token=execution.token,
                ledger=self.ledger,
                workflow=self.workflow,
            )
        except Superseded:
            return "review"
        return "wait" if self._waits(execution) else "review"

    def _time_out(self, execution: Execution) -> str:
        self.workflow.give_up(execution.token)
        return "review"

    def _waits(self, execution: Execution) -> bool:
        return execution.token in self.workflow.waiting

    # events and commands

    def _published(self, event: Mapping[str, Any]) -> None:
        """Take an event in as intake does, for the machine to deliver it."""
        intake = CheckedBus(self.violations)
        assert take_in([json.dumps(event)], bus=intake).published == 1
        self.events += [
            {"source": each.source, "detail-type": each.detail_type, "detail": each.detail}
            for each in intake.published
        ]

    def _record(self, batch: list[Mapping[str, Any]], *, again: bool) -> None:
        current = self._current_key()
        failed: set[int] = set()
        try:
            failed |= set(record(batch, ledger=self.ledger, workflow=self.workflow).failed)
        except (Crash, RetryLater):
            failed |= set(range(len(batch)))
        for place, event in enumerate(batch):
            if place in failed:
                self.unfinished.add(json.dumps(event))
                continue
            self.unfinished.discard(json.dumps(event))
            if not again and event in self.events:
                self.events.remove(event)
            self._note_told(current, event)

    def _note_told(self, key: RolloutKey | None, event: Mapping[str, Any]) -> None:
        detail = event["detail"]
        if "thingName" not in detail or key is None or detail["timestamp"] < key.created_at:
            return
        sighting = sighting_from_detail(detail)
        assert sighting is not None
        told = ThingRecord(sighting.status, sighting.at, sighting.execution_number, 0)
        self.told[key, sighting.thing_name].append(told.order)

    def _command(self, kind: str, by: str) -> Mapping[str, Any]:
        time = datetime.fromtimestamp(int(self.clock.now()), UTC).isoformat()
        return {
            "id": f"{len(self.commands):08}-0000-4000-8000-000000000000",
            "source": OPERATOR_SOURCE,
            "detail-type": kind,
            "time": time,
            "detail": {"jobId": JOB, "by": by, "reason": "because"},
        }

    def _tell(self, command: Mapping[str, Any]) -> None:
        self.commands.append(command)
        self.is_touched = self.is_touched or command["detail-type"] in TOUCHING
        try:
            Signaling(
                ledger=self.ledger,
                workflow=self.workflow,
                bus=self.bus,
                policies=self.policies,
                jobs=self.jobs,
                clock=self.clock,
            ).signal(command)
        except (Crash, RetryLater):
            self.unfinished.add(json.dumps(command))
        else:
            self.unfinished.discard(json.dumps(command))
        self._adopt()

    # looking inside, past all faults

    def _job(self) -> Job | None:
        return self.jobs._described(JOB) if JOB in self.jobs._jobs else None

    def _rate(self, job_id: str) -> int:
        job = self.jobs._jobs.get(job_id)
        return 0 if job is None else job.settings.rate_per_minute

    def _pending(self) -> tuple[Question, ...]:
        key = self._current_key()
        return () if key is None else self.ledger._rollouts[key].course.pending

    def _rows(self) -> list[ExecutionSummary]:
        rows = self.jobs._executions.get(JOB, {}).values()
        return sorted(rows, key=lambda row: (row.thing_name, row.execution_number))

    def _records(self, key: RolloutKey) -> Mapping[str, ThingRecord]:
        return self.ledger._things.get(key, {})

    def _current_key(self) -> RolloutKey | None:
        return self.ledger._current.get(JOB)

    def _ordered(self) -> int:
        """Return how many faults are still ordered."""
        return sum(
            len(queue)
            for port in (self.ledger, self.jobs, self.workflow, self.bus, self.alarms)
            for queues in (port.faults._before, port.faults._after)
            for queue in queues.values()
        )


class ServiceMachineForLong(ServiceMachine):
    """The same, with many more stories, each of them longer."""


TestServices = ServiceMachine.TestCase
TestServices.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)

TestServicesForLong = pytest.mark.prove(ServiceMachineForLong.TestCase)
TestServicesForLong.settings = settings(max_examples=3000, stateful_step_count=80, deadline=None)
