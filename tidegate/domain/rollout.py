"""A rollout: Tidegate's record of one enrolled job, and what people asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tidegate.domain.course import Course
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import UNPLACED, CellKey, CounterKey, VouchedKey
from tidegate.domain.policy import Policy
from tidegate.domain.things import Connected

EXECUTION_NAME_LENGTH_MAX = 80  # of Step Functions


@dataclass(frozen=True, slots=True, order=True)
class RolloutKey:
    """A job's identity: ids are reusable after deletion, so its creation second belongs to it."""

    job_id: str
    created_at: int

    def execution_name(self, generation: int) -> str:
        """Return the name of the workflow execution of one generation, within AWS's 80."""
        return f"{self.job_id}-{self.created_at}-{generation}"[:EXECUTION_NAME_LENGTH_MAX]


class Ending(StrEnum):
    """How a rollout ended."""

    COMPLETED = "completed"
    ABORTED = "aborted"
    FENCED = "fenced"
    CANCELED_OUTSIDE = "canceled_outside"
    DELETED_OUTSIDE = "deleted_outside"


class HoldKind(StrEnum):
    """
    Where a hold comes from.

    Those of operators are kept in the ledger until somebody lifts them; all others are found anew
    at each review, and are gone when their cause is.
    """

    OPERATOR = "operator"
    ALARM = "alarm"
    CALENDAR = "calendar"
    #: Another rollout has some of the same things and came first.
    OVERLAP = "overlap"
    #: All rollouts of the account together have harmed as many devices as they may.
    ACCOUNT = "account"
    #: What devices reported cannot be read.
    EVIDENCE = "evidence"
    #: Many more things have gone than took the release: nobody can tell what it does.
    OUTAGE = "outage"


@dataclass(frozen=True, slots=True)
class Hold:
    """A reason not to go on now: who, why and since when (epoch seconds)."""

    kind: HoldKind
    by: str
    reason: str
    since: float


@dataclass(frozen=True, slots=True)
class Lift:
    """Who lifted the operators' holds, why and when (epoch seconds)."""

    by: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class AbortRequest:
    """Somebody wants the rollout stopped for good."""

    by: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Tripwires:
    """
    Counts at which a new review could decide otherwise; None where no count could.

    Attributes:
        harmed: Harmed things at which the evidence could demand an abort.
        succeeded: Succeeded things at which a stalled pace could go on.
    """

    harmed: int | None = None
    succeeded: int | None = None


@dataclass(frozen=True, slots=True)
class Park:
    """A workflow waiting on a task token, and what should wake it."""

    token: str
    generation: int
    revision: int
    signals: int
    tripwires: Tripwires


#: Outcomes that tell whether devices report their start, and the share of them without one.
_ENDED_MIN = 100
_ENDS_ONLY_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Listing:
    """
    How far the executions of the job have been read back into the ledger.

    Attributes:
        seen_until: Epoch seconds; every change up to here was read newest-first.
        surplus: Reported executions of DescribeJob in excess of things, at a complete reading:
            retries and re-executions, which AWS counts once each.
        partial: A reading was longer than its page budget: some outcomes are known to AWS's
            counters alone.
        ended: Executions that were read with an outcome.
        ended_at_start: Of those, the ones that started in the very second of their outcome: their
            devices report nothing but the end, or are done within a second.
        minutes_taken: How many of them took how many whole minutes; empty before any was read.
    """

    seen_until: float = 0.0
    surplus: int = 0
    partial: bool = False
    ended: int = 0
    ended_at_start: int = 0
    minutes_taken: tuple[int, ...] = ()

    @property
    def starts_are_reported(self) -> bool:
        """Whether devices tell when they start, as far as can be seen."""
        if self.ended < _ENDED_MIN:
            return True
        return self.ended_at_start < _ENDS_ONLY_SHARE * self.ended


@dataclass(frozen=True, slots=True)
class Bookmark:
    """
    Where a list of executions is read on that is too long for one pass.

    Attributes:
        token: AWS's, of the next page; None at the beginning of the list.
        purpose: What it is read for; for anything else it is read from its beginning.
        since: When the newest of the executions read so far was updated, in epoch seconds.
    """

    token: str | None = None
    purpose: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """
    One line of a rollout's timeline: something that people were told.

    Attributes:
        at: Epoch seconds.
        what: The event's detail type.
        text: What happened, as one line.
        revision: Of the decision that it came of; 0 if of none.
        sent: What UpdateJob got, in AWS's shape; empty if nothing was sent.
    """

    at: float
    what: str
    text: str
    revision: int = 0
    sent: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Active:
    """
    A rollout that has not ended, as the list of all of them has it.

    Attributes:
        review_by: Epoch seconds by which its next review is due.
        harmed_beyond: Devices that it has harmed beyond its acceptable rate.
        heals: How often its workflow was started anew since its last decision.
        healed_at: When it last was; 0 if it never was.
    """

    key: RolloutKey
    review_by: float
    harmed_beyond: float = 0.0
    heals: int = 0
    healed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """
    A rollout's state in the ledger.

    Attributes:
        generation: Which workflow execution owns it; grows by one at each hand-over.
        execution_arn: That execution.
        revision: Of the last decision stored; 0 before the first.
        signals: How many holds, releases and requests have arrived so far.
        upper_bound: The smallest upper confidence bound on the failure rate ever established.
        bound_from_signal: Signals at which it began anew, for another policy; a decision that has
            seen fewer does not lower it.
        memory: What the last review handed on.
        course: What gates, questions and proposals have come to.
        policy_version: Of its policy; grows by one each time that somebody adjusts it.
        aborting: An abort was decided; nothing but CancelJob follows.
        overlaps: Rollouts that came first and had some of the same things as this one began.
        rolls_back: Id of the job whose aborted release this one undoes.
        rolled_back_by: Id of the job that undoes this one.
        connected: How many things of the account are connected, where devices are to soak.
        bookmarks: Where the lists of executions in a status are read on, one by one.
        ending: How it ended; None while it lives.
        ended_at: When, in epoch seconds; None while it lives.
    """

    key: RolloutKey
    job_arn: str
    policy: Policy
    generation: int
    execution_arn: str
    enrolled_at: float
    fleet_size: int | None = None
    revision: int = 0
    signals: int = 0
    upper_bound: float = 1.0
    bound_from_signal: int = 0
    memory: Memory = field(default_factory=Memory)
    course: Course = field(default_factory=Course)
    policy_version: int = 1
    listing: Listing = field(default_factory=Listing)
    park: Park | None = None
    abort_request: AbortRequest | None = None
    aborting: bool = False
    overlaps: tuple[RolloutKey, ...] = ()
    rolls_back: str | None = None
    rolled_back_by: str | None = None
    connected: Connected = field(default_factory=Connected)
    bookmarks: Mapping[ExecutionStatus, Bookmark] = field(default_factory=dict)
    ending: Ending | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Things per start bucket and status, as the ledger has them."""

    by_bucket: dict[CounterKey, int] = field(default_factory=dict)

    def of(self, *statuses: ExecutionStatus) -> int:
        """Return the number of things whose latest status is one of these."""
        return sum(n for (_, status), n in self.by_bucket.items() if status in statuses)

    def unplaced(self, *statuses: ExecutionStatus) -> int:
        """Return the number of such things whose start bucket is not known."""
        return sum(self.by_bucket.get((UNPLACED, status), 0) for status in statuses)


@dataclass(frozen=True, slots=True)
class Counted:
    """
    All that is counted of a rollout's things, as one look at the ledger finds it.

    Attributes:
        counts: Per start bucket and status.
        cells: The same per cell; those of things without one are under UNJOINED.
        vouched: What became of devices after their success, per start bucket and cell.
    """

    counts: Counts = field(default_factory=Counts)
    cells: Mapping[CellKey, int] = field(default_factory=dict)
    vouched: Mapping[VouchedKey, int] = field(default_factory=dict)
