"""
What a rollout's owner asked for, as values.

People write policies as YAML; ``tidegate.documents.policy`` validates them whole and compiles them
to the plain JSON that ``Policy.from_compiled`` reads. The defaults live there, in one place.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.settings import ExponentialRate, PresignedUrl


class PaceMode(StrEnum):
    """How exposure is paced: ``throttle`` turns the job's native rollout rate."""

    THROTTLE = "throttle"


#: A rate derived from another is no more than this.
_RATE_MAX = 0.9


@dataclass(frozen=True, slots=True)
class Harm:
    """
    What counts as harm, and how much of it is too much.

    Attributes:
        statuses: Outcomes that count as harm.
        tolerated_rate: A release at or below this rate is stopped with a probability of at most
            ``false_abort_risk``.
        acceptable_rate: Once the rate is established to be at most this, the brake comes off.
        budget_devices: Devices harmed beyond the acceptable rate, at most; None if a share.
        budget_share: The same as a share of the fleet; None if a number.
        confidence: Of the bound on the failure rate, and so of the budget.
        false_abort_risk: Probability of ever stopping a tolerable release, over its whole life.
        late_tolerated_rate: The tolerated rate of devices that start long after they were
            notified; None: five times the others'.
        drift_rate: The failure rate of a release that turns bad midway, for which each decision
            states the harm; None: ten times the tolerated one.
        drift_budget: Devices that such a turn may harm, as far as delays allow it to be noticed;
            None: the pace does not heed it.
    """

    statuses: frozenset[ExecutionStatus]
    tolerated_rate: float
    acceptable_rate: float
    confidence: float
    false_abort_risk: float
    budget_devices: int | None = None
    budget_share: float | None = None
    late_tolerated_rate: float | None = None
    drift_rate: float | None = None
    drift_budget: int | None = None

    @property
    def tolerated_late(self) -> float:
        """The tolerated rate of devices that start late."""
        if self.late_tolerated_rate is not None:
            return self.late_tolerated_rate
        return self._multiple(5)

    @property
    def turned(self) -> float:
        """The failure rate of a release that turns bad midway."""
        return self.drift_rate or self._multiple(10)

    def _multiple(self, times: int) -> float:
        """Return a multiple of the tolerated rate, or, where that is none, a rate above it."""
        if self.tolerated_rate < _RATE_MAX:
            return min(_RATE_MAX, times * self.tolerated_rate)
        return (1 + self.tolerated_rate) / 2

    @property
    def once_started(self) -> frozenset[ExecutionStatus]:
        """The harm of devices that started: a device that rejects never does."""
        return self.statuses - {ExecutionStatus.REJECTED}

    def budget(self, fleet_size: int | None) -> float:
        """
        Return the budget in devices.

        Raises:
            ValueError: The budget is a share and the fleet's size is unknown.
        """
        if self.budget_devices is not None:
            return float(self.budget_devices)
        if self.budget_share is None or fleet_size is None:
            message = "a budget that is a share of the fleet needs the fleet's size"
            raise ValueError(message)
        return self.budget_share * fleet_size


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a rollout may go; rates per minute, as AWS counts them."""

    mode: PaceMode
    start_per_minute: int
    max_per_minute: int
    exponential: ExponentialRate | None = None


@dataclass(frozen=True, slots=True)
class JobDefaults:
    """
    Job settings that the policy's owner wants in force besides pace and fence.

    Attributes:
        drop_retries: Lower every retry criterion of the job to 0.
        namespace_id: Handed to UpdateJob as its request parameter of that name.
    """

    timeout_minutes: int | None = None
    description: str | None = None
    presigned_url: PresignedUrl | None = None
    drop_retries: bool = False
    namespace_id: str | None = None


#: Decimals of a number of devices that tell more than how floats are rounded.
_DECIMALS = 6


def devices_of_share(share: float, devices: int) -> int:
    """Return the fewest devices that are a share of so many, or more."""
    return math.ceil(round(share * devices, _DECIMALS))


class Action(StrEnum):
    """What Tidegate does to a job by its own judgement; each may need another authority."""

    SPEED_UP = "speed_up"
    SLOW_DOWN = "slow_down"
    ABORT = "abort"
    ROLL_BACK = "roll_back"
    COMPLETE = "complete"


class Authority(StrEnum):
    """
    How far it may go with an action.

    ``observe`` records what it would have done, ``recommend`` proposes it, ``approve`` proposes it
    and waits for a yes, ``auto`` does it. What a person asks for is done under any of them.
    """

    OBSERVE = "observe"
    RECOMMEND = "recommend"
    APPROVE = "approve"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Authorities:
    """The authority for each action."""

    speed_up: Authority = Authority.AUTO
    slow_down: Authority = Authority.AUTO
    abort: Authority = Authority.AUTO
    roll_back: Authority = Authority.AUTO
    complete: Authority = Authority.AUTO

    def over(self, action: Action) -> Authority:
        """Return the authority for an action."""
        authority: Authority = getattr(self, action.value)
        return authority

    @property
    def only_observes(self) -> bool:
        """Whether nothing at all may be touched."""
        return all(self.over(each) is Authority.OBSERVE for each in Action)


class Fallback(StrEnum):
    """What follows where a question is not answered with yes."""

    HOLD = "hold"
    PASS = "pass"  # noqa: S105 - no secret
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Asking:
    """
    How a question is asked.

    Attributes:
        within_minutes: How long an answer may take.
        unanswered: What follows where none comes in time.
        refused: What follows a no; never ``pass``.
    """

    within_minutes: float = 1440.0
    unanswered: Fallback = Fallback.HOLD
    refused: Fallback = Fallback.ABORT


@dataclass(frozen=True, slots=True)
class Gate:
    """
    A point where exposure stops until all that it asks for agrees.

    Attributes:
        name: Unique within the policy.
        after_devices: Exposed devices at which it is reached; None if a share.
        after_share: The same as a share of the fleet; None if a number.
        bake_minutes: How long the exposed devices are watched from then on.
        alarms: CloudWatch alarms that must be OK.
        answer: Some system must say yes, asked as the gate is reached; None if nobody is asked.
        approval: A person must say yes, asked once all else agrees; None if nobody is asked.
    """

    name: str
    after_devices: int | None = None
    after_share: float | None = None
    bake_minutes: float = 0.0
    alarms: tuple[str, ...] = ()
    answer: Asking | None = None
    approval: Asking | None = None

    def devices(self, fleet_size: int | None) -> int:
        """
        Return how many devices may be exposed before it is passed.

        Raises:
            ValueError: It lies at a share and the fleet's size is unknown.
        """
        if self.after_devices is not None:
            return self.after_devices
        if self.after_share is None or fleet_size is None:
            message = f"gate {self.name} lies at a share of the fleet and needs the fleet's size"
            raise ValueError(message)
        return max(1, devices_of_share(self.after_share, fleet_size))


@dataclass(frozen=True, slots=True)
class Freeze:
    """
    What holds a rollout for as long as it lasts.

    Attributes:
        alarms: CloudWatch alarms, while in ALARM.
        missing_data_holds: Whether an alarm that has no data, or does not exist, holds too.
        calendars: SSM Change Calendars, by name or ARN, while closed.
    """

    alarms: tuple[str, ...] = ()
    missing_data_holds: bool = True
    calendars: tuple[str, ...] = ()


class Stragglers(StrEnum):
    """What becomes of devices that have no outcome when a rollout is complete."""

    LEAVE = "leave"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Completion:
    """
    When a rollout is complete.

    Attributes:
        at: Share of its devices that must have an outcome.
        stragglers: What becomes of the others.
        grace_minutes: How long they still have once the share is reached.
    """

    at: float = 1.0
    stragglers: Stragglers = Stragglers.LEAVE
    grace_minutes: float = 0.0


class Overlap(StrEnum):
    """What a rollout does while another one has some of the same things."""

    WAIT = "wait"
    WARN = "warn"
    GO = "go"


@dataclass(frozen=True, slots=True)
class Rollback:
    """
    The job that undoes an aborted release.

    Attributes:
        source: ``document``, ``documentSource`` or ``jobTemplateArn`` of CreateJob, and its value.
        policy: Name of the policy that it is launched under; None: the aborted rollout's own,
            which then asks for no rollback.
        statuses: Outcomes of the bad release whose devices it is for.
    """

    source: tuple[str, str]
    policy: str | None = None
    statuses: frozenset[ExecutionStatus] = frozenset({ExecutionStatus.SUCCEEDED})


@dataclass(frozen=True, slots=True)
class OnAbort:
    """
    What an abort does besides stopping the job.

    Attributes:
        force: Whether devices at work are stopped too, not left to finish what they began.
        rollback: The job that follows; None if none does.
    """

    force: bool = False
    rollback: Rollback | None = None


class Rescue(StrEnum):
    """What becomes of an execution that is stuck."""

    FAIL = "fail"
    EXTEND = "extend"


@dataclass(frozen=True, slots=True)
class Stuck:
    """
    Executions that stay IN_PROGRESS without a sign of life, and block their device's later jobs.

    Attributes:
        after_minutes: Without a sign of life; None: as long as the fleet's own durations make
            implausible.
        then: What becomes of them.
        extend_minutes: Step time-out that an extension sets.
        at_most: Executions acted upon in one pass.
    """

    after_minutes: float | None = None
    then: Rescue = Rescue.FAIL
    extend_minutes: int = 30
    at_most: int = 50


@dataclass(frozen=True, slots=True)
class Cohorts:
    """
    What devices are told apart by.

    Attributes:
        keys: ``thing.attributes.NAME``, ``thing.type``, ``thing.groups`` or
            ``statusDetails.KEY``; the devices of one value each are a cohort.
        quarantines: Whether a cohort that fails alone is set apart, so that the others go on;
            otherwise it holds the rollout.
    """

    keys: tuple[str, ...] = ()
    quarantines: bool = False


#: Keys of ``statusDetails`` that devices give their reason under, as a rule; the first one counts.
REASON_KEYS = ("reason", "reasonCode", "error", "errorCode", "message")


@dataclass(frozen=True, slots=True)
class Failures:
    """
    Which of ``statusDetails`` says why a device failed.

    Attributes:
        keys: The first of these that a failed device reports is its reason.
        never_stored: Keys whose values are not kept anywhere, as they tell of people or places.
    """

    keys: tuple[str, ...] = REASON_KEYS
    never_stored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AdaptiveTimeout:
    """
    An in-progress time-out taken from how long devices really take; all in minutes.

    Attributes:
        sets: Whether it is put in force, or only proposed.
        at_least: It is never set below.
        at_most: It is never set above.
    """

    sets: bool = False
    at_least: int = 30
    at_most: int = 10_080


@dataclass(frozen=True, slots=True)
class Soak:
    """A device counts as good only if it is still there so many minutes after its success."""

    minutes: float


@dataclass(frozen=True, slots=True)
class Policy:
    """A validated policy; a snapshot of it is stored with each rollout."""

    name: str
    harm: Harm
    pace: Pace
    job: JobDefaults = field(default_factory=JobDefaults)
    authority: Authorities = field(default_factory=Authorities)
    approval: Asking = field(default_factory=lambda: Asking(refused=Fallback.HOLD))
    gates: tuple[Gate, ...] = ()
    freeze: Freeze = field(default_factory=Freeze)
    complete: Completion = field(default_factory=Completion)
    overlap: Overlap = Overlap.WARN
    on_abort: OnAbort = field(default_factory=OnAbort)
    stuck: Stuck | None = None
    cohorts: Cohorts = field(default_factory=Cohorts)
    failures: Failures = field(default_factory=Failures)
    timeout: AdaptiveTimeout | None = None
    soak: Soak | None = None

    @property
    def needs_fleet_size(self) -> bool:
        """Whether something in it is a share of the fleet that must be known from the start."""
        by_share = any(gate.after_share is not None for gate in self.gates)
        return by_share or self.harm.budget_share is not None

    @property
    def watched_alarms(self) -> frozenset[str]:
        """All alarms that can stop it from going on."""
        return frozenset(self.freeze.alarms).union(*(gate.alarms for gate in self.gates))

    def to_compiled(self) -> dict[str, Any]:
        """Return the policy as plain JSON; ``from_compiled`` reads it back unchanged."""
        compiled: dict[str, Any] = _plain(asdict(self))
        return compiled

    @classmethod
    def from_compiled(cls, compiled: Mapping[str, Any]) -> "Policy":
        """Read what ``to_compiled`` wrote; else raise KeyError, TypeError or ValueError."""
        return cls(
            name=compiled["name"],
            harm=_harm_of(compiled["harm"]),
            pace=_pace_of(compiled["pace"]),
            job=_job_of(compiled["job"]),
            # Snapshots from before these could be asked for have none of them.
            authority=Authorities(
                **{name: Authority(each) for name, each in compiled.get("authority", {}).items()}
            ),
            approval=_asking_of(compiled.get("approval")) or Asking(refused=Fallback.HOLD),
            gates=tuple(_gate_of(each) for each in compiled.get("gates", ())),
            freeze=_freeze_of(compiled.get("freeze", {})),
            complete=_completion_of(compiled.get("complete", {})),
            overlap=Overlap(compiled.get("overlap", Overlap.WARN)),
            on_abort=_on_abort_of(compiled.get("on_abort", {})),
            stuck=_stuck_of(compiled.get("stuck")),
            cohorts=_cohorts_of(compiled.get("cohorts", {})),
            failures=_failures_of(compiled.get("failures", {})),
            timeout=_given(AdaptiveTimeout, compiled.get("timeout")),
            soak=_given(Soak, compiled.get("soak")),
        )


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a policy is made of
    """Return a value as JSON has it: sets sorted, tuples as lists, enumerations as texts."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, frozenset):
        return sorted(_plain(each) for each in value)
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, StrEnum) else value


def _harm_of(compiled: Mapping[str, Any]) -> Harm:
    return Harm(**{**compiled, "statuses": _statuses_of(compiled["statuses"])})


def _statuses_of(compiled: Iterable[str]) -> frozenset[ExecutionStatus]:
    return frozenset(ExecutionStatus(each) for each in compiled)


def _pace_of(compiled: Mapping[str, Any]) -> Pace:
    growth = compiled["exponential"]
    return Pace(
        **{
            **compiled,
            "mode": PaceMode(compiled["mode"]),
            "exponential": None if growth is None else ExponentialRate(**growth),
        }
    )


def _job_of(compiled: Mapping[str, Any]) -> JobDefaults:
    signing = compiled["presigned_url"]
    presigned_url = None if signing is None else PresignedUrl(**signing)
    return JobDefaults(**{**compiled, "presigned_url": presigned_url})


def _asking_of(compiled: Mapping[str, Any] | None) -> Asking | None:
    if compiled is None:
        return None
    return Asking(
        within_minutes=compiled["within_minutes"],
        unanswered=Fallback(compiled["unanswered"]),
        refused=Fallback(compiled["refused"]),
    )


def _gate_of(compiled: Mapping[str, Any]) -> Gate:
    return Gate(
        **{
            **compiled,
            "alarms": tuple(compiled["alarms"]),
            "answer": _asking_of(compiled["answer"]),
            "approval": _asking_of(compiled["approval"]),
        }
    )


def _freeze_of(compiled: Mapping[str, Any]) -> Freeze:
    return Freeze(
        alarms=tuple(compiled.get("alarms", ())),
        missing_data_holds=compiled.get("missing_data_holds", True),
        calendars=tuple(compiled.get("calendars", ())),
    )


def _completion_of(compiled: Mapping[str, Any]) -> Completion:
    return Completion(
        **{**compiled, "stragglers": Stragglers(compiled.get("stragglers", Stragglers.LEAVE))}
    )


def _on_abort_of(compiled: Mapping[str, Any]) -> OnAbort:
    rollback = compiled.get("rollback")
    if rollback is not None:
        rollback = Rollback(
            source=tuple(rollback["source"]),
            policy=rollback["policy"],
            statuses=_statuses_of(rollback["statuses"]),
        )
    return OnAbort(force=compiled.get("force", False), rollback=rollback)


_Section = TypeVar("_Section")


def _given(section: type[_Section], compiled: Mapping[str, Any] | None) -> _Section | None:
    return None if compiled is None else section(**compiled)


def _stuck_of(compiled: Mapping[str, Any] | None) -> Stuck | None:
    return None if compiled is None else Stuck(**{**compiled, "then": Rescue(compiled["then"])})


def _cohorts_of(compiled: Mapping[str, Any]) -> Cohorts:
    return Cohorts(tuple(compiled.get("keys", ())), compiled.get("quarantines", False))


def _failures_of(compiled: Mapping[str, Any]) -> Failures:
    return Failures(
        keys=tuple(compiled.get("keys", REASON_KEYS)),
        never_stored=tuple(compiled.get("never_stored", ())),
    )
