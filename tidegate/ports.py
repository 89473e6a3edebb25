"""
What the services need from the world, as Protocols; adapters provide it.

Every port has two lives: ``adapters/aws`` and ``adapters/memory``. The contract tests run the same
assertions against both. Methods raise only errors of ``tidegate.errors``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    # Signatures only: whoever imports a port need not load the whole domain.
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tidegate.domain.course import Answer
    from tidegate.domain.decision import Decision
    from tidegate.domain.executions import Execution, ExecutionUpdate, Updated
    from tidegate.domain.jobs import (
        ExecutionStatus,
        ExecutionSummary,
        Job,
        JobListing,
        LaunchRequest,
    )
    from tidegate.domain.outcomes import Moved, ReasonKey, ThingRecord, Transition
    from tidegate.domain.points import Point
    from tidegate.domain.policy import Policy
    from tidegate.domain.rollout import (
        AbortRequest,
        Active,
        Bookmark,
        Counted,
        Ending,
        Hold,
        HoldKind,
        Lift,
        Listing,
        Park,
        Rollout,
        RolloutKey,
        Step,
    )
    from tidegate.domain.settings import JobSettings
    from tidegate.domain.standing import AlarmReading, CalendarReading
    from tidegate.domain.things import Connected, Presence, Traits
    from tidegate.domain.turn import Turn

#: The tag that enrolls a job; its value is the policy's name. IAM lets Tidegate touch only jobs
#: that carry it. One of several Tidegates in an account has a tag of its own: ``Jobs.policy_tag``.
POLICY_TAG = "tidegate:policy"

#: The tag of a job that undoes an aborted release; its value is the id of the aborted job.
ROLLS_BACK_TAG = "tidegate:rolls-back"


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Return epoch seconds."""


@dataclass(frozen=True, slots=True)
class ExecutionPage:
    """
    One page of a job's executions.

    Attributes:
        rows: Newest-updated first.
        token: What the page after it is asked for by; None if this is the last one. How long AWS
            knows a token is not documented.
    """

    rows: Sequence[ExecutionSummary]
    token: str | None


class Jobs(Protocol):
    """
    AWS IoT Jobs' control plane.

    Every method raises RetryLater when AWS still throttles or is away after bounded retries.
    """

    @property
    def policy_tag(self) -> str:
        """The key of the tag that enrolls a job here; its value is the policy's name."""

    def describe(self, job_id: str) -> Job:
        """Return the job; raises NotFound."""

    def update(self, job_id: str, changes: JobSettings, *, namespace_id: str | None = None) -> None:
        """
        Send UpdateJob with just these settings.

        Raises:
            NotFound: The job is gone.
            Refused: AWS answered InvalidRequest; the message is AWS's.
        """

    def cancel(self, job_id: str, *, reason_code: str, comment: str, force: bool = False) -> None:
        """
        Cancel the job.

        Raises:
            NotFound: The job is gone.
            Refused: AWS answered InvalidRequest, as it does for a job that is over.
        """

    def create(self, request: LaunchRequest) -> str:
        """
        Create a job and return its ARN; one that exists with these very settings counts as done.

        Raises:
            Refused: AWS refused it, or another job has that id.
            NotFound: A target or template does not exist.
        """

    def arn(self, job_id: str) -> str:
        """Return the ARN that a job of this id has in this account and region."""

    def tags(self, job_arn: str) -> dict[str, str]:
        """Return the job's tags; raises NotFound."""

    def tag(self, job_arn: str, tags: Mapping[str, str]) -> None:
        """Set tags, all of them under ``tidegate:``; raises NotFound."""

    def untag(self, job_arn: str, keys: Sequence[str]) -> None:
        """Remove tags, all of them under ``tidegate:``; raises NotFound."""

    def executions(
        self, job_id: str, status: ExecutionStatus | None = None
    ) -> Iterator[Sequence[ExecutionSummary]]:
        """
        Yield pages of the job's executions, newest-updated first; raises NotFound.

        Each page is one request, made when the page is asked for.

        Args:
            job_id: The job.
            status: Only executions in this status; all by default.
        """

    def executions_page(
        self, job_id: str, status: ExecutionStatus | None = None, token: str | None = None
    ) -> ExecutionPage:
        """
        Return one of the pages that ``executions`` yields, the first by default.

        Raises:
            NotFound: The job is gone.
            Refused: AWS does not know the token any more.
        """

    def active(self) -> Iterator[Sequence[JobListing]]:
        """
        Yield pages of all jobs that are SCHEDULED or IN_PROGRESS, each page one request.

        A job that begins meanwhile may be there twice.
        """

    def things_in(self, targets: Sequence[str]) -> frozenset[str] | None:
        """
        Return the names of the things that the targets hold, None if they are too many to list.

        Raises:
            NotFound: A thing group among them does not exist.
        """

    def create_group(self, name: str, description: str) -> str:
        """
        Create a thing group of Tidegate's own and return its ARN; one that stands so is done.

        The description is made to fit what AWS takes.

        Raises:
            Refused: A group of that name is not Tidegate's, or has another description.
        """

    def add_to_group(self, name: str, thing_names: Sequence[str]) -> None:
        """
        Add things to a group of Tidegate's own, one by one; those that are in it already stay.

        Raises:
            NotFound: The group or a thing does not exist; things before that one are in the group.
        """

    def execution_events_enabled(self) -> bool:
        """Return whether the account publishes JOB_EXECUTION events."""

    def enable_events(self) -> None:
        """Switch the account's JOB and JOB_EXECUTION events on; leave all others as they are."""


class Executions(Protocol):
    """
    One device's executions, acted upon in its stead.

    Every method raises RetryLater when AWS still throttles or is away after bounded retries.
    """

    def describe(
        self, thing_name: str, job_id: str, execution_number: int | None = None
    ) -> Execution:
        """Return the execution, the thing's latest of the job by default; raises NotFound."""

    def update(self, update: ExecutionUpdate) -> Updated:
        """
        Send UpdateJobExecution; one that stands already, its answer lost, is done.

        The answer to what is done already tells the state as asked, and no document.

        Raises:
            NotFound: There is no such thing, job or execution.
            Conflict: The execution has another version than expected, or is over; nothing changed.
            Refused: The update itself is at fault; the message says in what.
        """

    def cancel(self, thing_name: str, job_id: str, *, expected_version: int | None = None) -> None:
        """
        Cancel an execution that is QUEUED; one that is CANCELED is done.

        Raises:
            NotFound: There is no such thing, job or execution.
            Conflict: It is no longer QUEUED, or has another version than expected.
        """


class Things(Protocol):
    """The registry of things."""

    def traits(self, names: Sequence[str], *, with_groups: bool) -> dict[str, Traits]:
        """
        Return the traits of those that exist, each a request or two.

        Raises:
            RetryLater: AWS throttles; whoever asks for few at a time loses little.
        """


class Presences(Protocol):
    """Who is connected, from fleet indexing."""

    def read(self, names: Sequence[str]) -> dict[str, Presence]:
        """
        Return the presence of those that have ever connected.

        Raises:
            Refused: Fleet indexing does not index connectivity in this account.
        """

    def connected(self) -> int:
        """Return how many things of the account are connected; raises Refused likewise."""


class Reporters(Protocol):
    """Who may report for devices that do not speak Jobs themselves."""

    def groups(self, source: str) -> frozenset[str]:
        """Return the thing groups that an event's source may report for; empty if none."""


class Alarms(Protocol):
    """CloudWatch alarms, metric and composite ones."""

    def read(self, names: Iterable[str]) -> dict[str, AlarmReading]:
        """Return the state of those that exist."""


class Calendars(Protocol):
    """SSM Change Calendars."""

    def read(self, names: Iterable[str]) -> dict[str, CalendarReading]:
        """Return the state of those that exist; names may be ARNs."""


class DeadLetters(Protocol):
    """The queues into which falls what nothing could process."""

    def depths(self) -> dict[str, int]:
        """Return how many messages wait in each, by the queue's name."""


class Policies(Protocol):
    """Where named policies live."""

    def document(self, name: str) -> str:
        """Return the policy's JSON text; raises NotFound."""


@dataclass(frozen=True, slots=True)
class BusEvent:
    """An event that Tidegate puts on its bus; ``detail`` is plain JSON."""

    detail_type: str
    detail: Mapping[str, Any]
    source: str = "tidegate"
    resources: tuple[str, ...] = field(default=())


class Bus(Protocol):
    """The EventBridge bus ``tidegate``."""

    def publish(self, events: Sequence[BusEvent]) -> tuple[int, ...]:
        """
        Put events on the bus, in as few requests as AWS allows.

        Returns:
            Indices of the events that the bus did not take; the others are on it.
        """


class Workflow(Protocol):
    """Step Functions executions of the rollout workflow."""

    def start(self, name: str, workflow_input: Mapping[str, Any]) -> str:
        """Start an execution and return its ARN; one of that name counts as started."""

    def wake(self, token: str, output: Mapping[str, Any]) -> bool:
        """Answer a task token; False if nobody waits on it any more."""

    def is_running(self, execution_arn: str) -> bool:
        """Return whether the execution runs; False if it is over or unknown."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """The policy that a job's tag names, None if it has no such tag; looked at ``at``."""

    policy: str | None
    at: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision, and what applying it came to; None if it was not applied."""

    decision: Decision
    applied: Mapping[str, Any] | None = None


class Ledger(Protocol):
    """
    What Tidegate remembers: rollouts, decisions, holds, outcomes.

    All reads are strongly consistent. Methods raise RetryLater when the table throttles.
    """

    # rollouts

    def current(self, job_ids: Iterable[str]) -> dict[str, Rollout]:
        """Return the newest rollout of each job that has one."""

    def rollout(self, key: RolloutKey) -> Rollout:
        """Return a rollout; raises NotFound."""

    def active(self) -> Sequence[Active]:
        """Return all rollouts that have not ended, in no order."""

    def note_heal(self, key: RolloutKey, *, at: float) -> None:
        """Note that the rollout's workflow is started anew; its next decision clears the count."""

    def claim(self, rollout: Rollout, *, previous: Rollout | None) -> None:
        """
        Make this rollout its job's current one, all or nothing.

        Args:
            rollout: As it shall be stored: new, or taken over with a higher generation.
            previous: The state it was derived from; None for a rollout that is new.

        Raises:
            Contention: Someone claimed it meanwhile; nothing is changed.
        """

    def conclude(
        self,
        key: RolloutKey,
        *,
        generation: int,
        ending: Ending,
        at: float,
        signals: int | None = None,
    ) -> None:
        """
        Mark the rollout as ended, at first at ``at`` epoch seconds, and list it among those.

        Args:
            key: The rollout.
            generation: The one that ends it.
            ending: How it ended.
            at: Epoch seconds.
            signals: How many the decision to end it has seen; None: it ends whatever was asked.

        Raises:
            Superseded: Another generation owns it; or, where it goes on, more was asked by now.
        """

    def adjust(
        self,
        key: RolloutKey,
        policy: Policy,
        *,
        keeps_bound: bool,
        at: float,
        fleet_size: int | None = None,
    ) -> None:
        """
        Give the rollout another policy from its next review on; counts as one signal.

        The snapshots before stay in the ledger. The very policy that it has is done already. One
        of a time before the last adjustment comes too late, and changes nothing.

        Args:
            key: The rollout.
            policy: The new snapshot.
            keeps_bound: Whether the bound on the failure rate established so far holds under it.
            at: Epoch seconds.
            fleet_size: Devices of the rollout, where the policy needs to know; None leaves what is
                known.

        Raises:
            NotFound: There is no such rollout.
            Contention: Others wrote to it meanwhile, again and again; nothing is changed.
        """

    def link_rollback(self, key: RolloutKey, job_id: str) -> None:
        """Note which job undoes the rollout; the first one stays."""

    # decisions

    def store_decision(self, key: RolloutKey, decision: Decision, *, generation: int) -> None:
        """
        Store a decision and make it the rollout's last, with its bound and its abort.

        Raises:
            Superseded: Another generation owns the rollout, or that revision exists with another
                content; the same decision again is done already.
        """

    def decision(self, key: RolloutKey, revision: int) -> Decision:
        """Return a decision; raises NotFound."""

    def decisions(self, key: RolloutKey, *, limit: int) -> Sequence[Decision]:
        """Return the newest decisions, newest first."""

    def entry(self, key: RolloutKey, revision: int) -> Entry:
        """Return a decision with what applying it came to; raises NotFound."""

    def entries(self, key: RolloutKey, *, limit: int) -> Sequence[Entry]:
        """Return the newest decisions likewise, newest first."""

    def mark_applied(
        self, key: RolloutKey, revision: int, *, at: float, result: Mapping[str, Any]
    ) -> None:
        """Note what applying a decision came to; the last note stays."""

    def applied(self, key: RolloutKey, revision: int) -> Mapping[str, Any] | None:
        """Return what applying a decision came to, None if it was not applied."""

    # launches that wait for their turn

    def turns(self) -> Sequence[Turn]:
        """Return all launches that had to wait and are not over, in no order."""

    def write_turn(self, turn: Turn, *, previous: Turn | None) -> None:
        """
        Keep, for some days, how a launch stands.

        Args:
            turn: As it shall be stored.
            previous: As it was read; None if it was not there, or over.

        Raises:
            Contention: Somebody else wrote first; nothing is changed.
        """

    # people's requests; each counts as one signal

    def holds(self, key: RolloutKey) -> Sequence[Hold]:
        """Return the holds in force, oldest first."""

    def place_hold(self, key: RolloutKey, hold: Hold) -> None:
        """Put a hold in force; it replaces an older one of the same kind and owner."""

    def lift_holds(self, key: RolloutKey, kind: HoldKind, lift: Lift) -> int:
        """
        Lift the holds of a kind placed before ``lift.at``; return how many.

        Events arrive late and twice: a hold of a time before ``lift.at`` that comes in afterwards
        is not in force, and one placed later stays.
        """

    def lift(self, key: RolloutKey, kind: HoldKind) -> Lift | None:
        """Return the latest lift of that kind of hold, None if there was none."""

    def answers(self, key: RolloutKey) -> Sequence[Answer]:
        """Return all answers to the rollout's questions."""

    def give_answer(self, key: RolloutKey, answer: Answer) -> Answer:
        """Note an answer, and count one signal; return the answer that stands: the first one."""

    def signal(self, key: RolloutKey) -> None:
        """Count something else that a review must look at, such as the job's end."""

    def request_abort(self, key: RolloutKey, request: AbortRequest) -> None:
        """Note that somebody wants the rollout stopped; the first request stays."""

    # what became of commands

    def note_command(self, event_id: str, result: CommandResult, *, at: float) -> bool:
        """
        Note, for some months, what became of a command; the first note stays.

        Returns:
            Whether it was the first one.
        """

    def command(self, event_id: str) -> CommandResult | None:
        """Return what became of a command; None if nothing has yet."""

    # outcomes

    def things(self, key: RolloutKey, names: Iterable[str]) -> dict[str, ThingRecord]:
        """Return the records of those things that have one."""

    def commit(self, key: RolloutKey, changes: Sequence[Transition], moved: Moved) -> None:
        """
        Write changed records and move the counters with them, all or nothing.

        Args:
            key: The rollout.
            changes: At most ``CHANGES_MAX`` transitions; each applies only if the stored record
                is still its ``before``.
            moved: By how much each counter moves.

        Raises:
            Contention: A record changed meanwhile; nothing is written.
        """

    def counted(self, key: RolloutKey) -> Counted:
        """Return all counters of a rollout but those of reasons."""

    def reasons(self, key: RolloutKey) -> Mapping[ReasonKey, int]:
        """Return how many failed devices gave each reason, per cell."""

    def cells(self, key: RolloutKey) -> Mapping[int, tuple[str, ...]]:
        """Return the values that each cell stands for, in the order of the policy's keys."""

    def cell_of(self, key: RolloutKey, values: tuple[str, ...]) -> int:
        """
        Return the cell of these values, for ever the same.

        Where there is none yet it is made, as long as there are fewer than ``CELLS_MAX``; after
        that it is REST_CELL. Each call is a request or two: remember what it says.
        """

    def unjoined(self, key: RolloutKey, *, limit: int) -> Sequence[str]:
        """Return things whose traits could not be read yet, in no order."""

    def note_unjoined(self, key: RolloutKey, names: Sequence[str], *, joined: bool) -> None:
        """
        Remember things whose traits could not be read, or that by now they were.

        About ``UNJOINED_MAX`` are remembered. Beyond that they are dropped: such a thing stays
        without a cell until its next outcome.
        """

    def soaking(self, key: RolloutKey, *, until: float, limit: int) -> Sequence[Soaking]:
        """
        Return devices whose soak ends before ``until`` and is not settled, the oldest first.

        It is settled once the device's record says what became of it, or is of something else
        than a success. Those returned come again until they are settled or noted for later. Ask
        for no later than now: a device noted afterwards whose soak ended before then is late.
        """

    def note_soaking(self, key: RolloutKey, soaking: Sequence[Soaking]) -> None:
        """
        Remember when the soak of devices ends, whose success is committed.

        The latest end of a device counts, in whatever order they are noted.

        Raises:
            NotFound: One of them has no record; nothing is noted.
        """

    def note_connected(self, key: RolloutKey, connected: Connected) -> None:
        """
        Remember how many things of the account are connected; raises NotFound.

        Where an outage begins or ends by it, it counts as one signal.
        """

    def released(self, key: RolloutKey) -> frozenset[str]:
        """Return the cohorts that people have released."""

    def release(self, key: RolloutKey, cohort: str, *, by: str, reason: str, at: float) -> None:
        """
        Note that people want a cohort treated like all others; again it changes nothing.

        The first time counts as one signal.

        Raises:
            NotFound: There is no such rollout.
        """

    def totals(self, key: RolloutKey) -> Counted:
        """
        Return the counters summed over start buckets and cells; cheaper.

        The sums are under ``TOTALS_BUCKET`` and UNJOINED.
        """

    def note_listing(self, key: RolloutKey, listing: Listing) -> None:
        """Remember how far the job's executions were read."""

    def note_bookmark(self, key: RolloutKey, status: ExecutionStatus, bookmark: Bookmark) -> None:
        """Remember where the executions in a status are read on; raises NotFound."""

    # reports for devices

    def settle_report(self, report_id: str, *, at: float) -> bool:
        """Note, for some months, that a device's report is done with; False if it was before."""

    def is_settled(self, report_id: str) -> bool:
        """Return whether a device's report is done with."""

    def advance_reports(self, thing_name: str, job_id: str, *, at: float) -> bool:
        """
        Note, for some months, the time of a thing's latest report on a job.

        Returns:
            False if a later one is known; the same time again is no later one.
        """

    # the timeline

    def note_steps(self, key: RolloutKey, steps: Sequence[Step]) -> None:
        """Add to the rollout's timeline; the same step again changes nothing."""

    def steps(self, key: RolloutKey, *, limit: int) -> Sequence[Step]:
        """Return the timeline, oldest first; if it is longer than the limit, its newest part."""

    # what sweeping remembers

    def tagged(self, jobs: Iterable[RolloutKey]) -> dict[RolloutKey, Tagged]:
        """Return what is remembered of these jobs' tags; a job that was never seen is missing."""

    def note_tagged(self, job: RolloutKey, tagged: Tagged) -> None:
        """Remember a job's tag for some days."""

    def is_alerted(self, name: str) -> bool:
        """Return whether something is known to be wrong."""

    def raise_alert(self, name: str, *, at: float) -> bool:
        """Note that something is wrong; return whether that is news."""

    def clear_alert(self, name: str) -> None:
        """Note that it is no longer wrong."""

    # waiting

    def park(self, key: RolloutKey, park: Park) -> None:
        """Remember a waiting task token; raises Superseded if another generation owns it."""

    def unpark(self, key: RolloutKey, token: str) -> None:
        """Forget a task token, if it is still the remembered one."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command, by the id that the bus gave it; without a problem it was done."""

    problem: str | None = None
    remedy: str | None = None


class Records(Protocol):
    """What people look at: the ledger read across rollouts, never written."""

    def active(self) -> Sequence[Active]:
        """Return all rollouts that have not ended, in no order."""

    def turns(self) -> Sequence[Turn]:
        """Return all launches that had to wait and are not over, in no order."""

    def ended(self, *, limit: int) -> Sequence[RolloutKey]:
        """Return the rollouts that ended last, newest first."""

    def rollouts(self, keys: Sequence[RolloutKey]) -> dict[RolloutKey, Rollout]:
        """Return those of these rollouts that exist."""

    def last_decisions(self, rollouts: Iterable[Rollout]) -> dict[RolloutKey, Decision]:
        """Return the last decision of each rollout that has one."""

    def points(self, key: RolloutKey, *, limit: int) -> Sequence[Point]:
        """Return the rollout's decisions in figures, oldest first; of too many, the newest."""

    def command(self, event_id: str) -> CommandResult | None:
        """Return what became of a command; None if nothing has yet."""


@dataclass(frozen=True, slots=True)
class Queue:
    """
    A queue of the stack.

    Attributes:
        name: Of the queue.
        waiting: Messages in it, about.
        reader_enabled: Whether its Lambda takes from it; None if nothing is to: a dead end.
    """

    name: str
    waiting: int
    reader_enabled: bool | None


@dataclass(frozen=True, slots=True)
class Quota:
    """One of AWS's quotas: its code, what it is on, and calls per second by default."""

    code: str
    operation: str
    default_per_second: float


class Surroundings(Protocol):
    """What an installation stands on; whatever the caller may not see raises TidegateError."""

    def events_enabled(self) -> Mapping[str, bool]:
        """Return which of JOB and JOB_EXECUTION events the account publishes."""

    def rules_enabled(self) -> Mapping[str, bool | None]:
        """Return which IoT and bus rules of the stack are enabled; None for one that is gone."""

    def queues(self) -> Sequence[Queue]:
        """Return the stack's queues."""

    def quota(self, quota: Quota) -> float | None:
        """Return the quota that applies; None if AWS knows none of that code."""

    def denied(self, function: str, actions: Sequence[str]) -> Mapping[str, bool] | None:
        """
        Return which actions for enrolled jobs a function's role is denied, and which explicitly.

        None if there is no such function. What is denied only for want of a grant may be granted
        all the same, where the simulation heeds no tags.
        """

    def policies(self) -> Mapping[str, str]:
        """Return the text of each named policy."""


@dataclass(frozen=True, slots=True)
class Soaking:
    """A device that succeeded at ``since`` and is to be there at ``until`` (epoch seconds)."""

    thing_name: str
    since: float
    until: float


#: Thing records in one ``Ledger.commit``: DynamoDB takes 100 actions in a transaction. A record may
#: move counters in two start buckets and of two reasons, and the totals move with all of them:
#: 19 + 38 + 38 + 1.
CHANGES_MAX = 19

#: Cells of a rollout besides the one of all the rest: they multiply what is counted.
CELLS_MAX = 100

#: Things remembered, of a rollout, whose traits could not be read yet.
UNJOINED_MAX = 4_000

#: The bucket under which ``Ledger.totals`` returns its sums, for want of a real one.
TOTALS_BUCKET = 0
