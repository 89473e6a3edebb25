"""A decision: what a review concluded, on what evidence, and what is to be done about it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tidegate.domain.cohorts import Remedy, Suspect
from tidegate.domain.course import Course, Question
from tidegate.domain.memory import Memory
from tidegate.domain.policy import Action, Authority
from tidegate.domain.reasons import Reason, ReasonCode
from tidegate.domain.rollout import Ending, Hold, HoldKind, Tripwires
from tidegate.domain.settings import JobSettings


class Verdict(StrEnum):
    """
    What a review concludes.

    ``gate`` is a hold at a gate of the policy, ``roll_back`` undoes a release that was stopped;
    ``complete`` is a job that ran to its end, ``ended`` one that is over in any other way.
    """

    PROCEED = "proceed"
    HOLD = "hold"
    GATE = "gate"
    ABORT = "abort"
    ROLL_BACK = "roll_back"
    COMPLETE = "complete"
    ENDED = "ended"


class Awaits(StrEnum):
    """What the workflow waits for until the next review; each has a state of that meaning."""

    EVIDENCE = "evidence"
    #: All holds to be lifted.
    RELEASE = "release"
    #: The time that a gate watches devices for, or its alarms to be OK.
    BAKE = "bake"
    #: Some system's answer at a gate.
    ANSWER = "answer"
    #: A person's, at a gate or to a proposal.
    APPROVAL = "approval"
    #: AWS to stop the job.
    STOP = "stop"
    #: Devices at work when the job was stopped.
    STRAGGLERS = "stragglers"
    #: Devices that join a CONTINUOUS job late.
    JOINERS = "joiners"


@dataclass(frozen=True, slots=True)
class Attention:
    """
    What people should look at, and what they can do.

    Attributes:
        subject: What it is about: people are told again when this changes, not when figures do.
    """

    subject: str
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class AtGate:
    """
    The gate that a rollout stands at.

    Attributes:
        name: The gate's.
        is_new: Whether it has just come there.
        waits_for: What does not agree yet: ``bake``, ``alarms``, ``answer``, ``approval``.
        bake_until: Epoch seconds.
    """

    name: str
    is_new: bool
    waits_for: tuple[str, ...]
    bake_until: float


@dataclass(frozen=True, slots=True)
class Withheld:
    """What is not done for want of authority; ``settings`` would then be in force, if any."""

    action: Action
    authority: Authority
    settings: JobSettings


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    The numbers that a decision rests on; all counts are things, rates are shares.

    Attributes:
        exposed: Notified so far.
        started: Of them, taken up by the device.
        in_flight: Of those, without an outcome.
        succeeded: Outcome SUCCEEDED.
        harmed: Outcomes that the policy counts as harm.
        cleared: Reported outcomes that it does not.
        unplaced: Reported outcomes whose start is unknown.
        log_e: Evidence that the failure rate is above the tolerated one (natural log).
        abort_at: The log evidence at which the release is stopped.
        upper_bound: Upper confidence bound on the failure rate, running minimum.
        counters_only: Whether start order was not available.
        late_started: Devices among ``started`` that started long after they were notified; they
            have a tolerated rate of their own.
        late_harmed: Of those, the harmed.
        doubt: How far the evidence is on its way to stop the release now, 0 to 1; the budget and
            the pace shrink with it.
        log_e_overdue: Evidence that the newest devices are not cleared as often as those before.
    """

    exposed: int = 0
    started: int = 0
    in_flight: int = 0
    succeeded: int = 0
    harmed: int = 0
    cleared: int = 0
    unplaced: int = 0
    log_e: float = 0.0
    abort_at: float = 0.0
    upper_bound: float = 1.0
    counters_only: bool = False
    late_started: int = 0
    late_harmed: int = 0
    doubt: float = 0.0
    log_e_overdue: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """
    One review's conclusion; stored before it is applied, and never changed.

    Attributes:
        revision: Counts a rollout's decisions from 1.
        at: Epoch seconds of the review.
        settings: What should be in force from now on.
        replaces: What was in force when it was made.
        signals: How many of the rollout's signals it has taken into account.
        wait_seconds: Until the next review, unless a tripwire or a signal comes first.
        ending: Set with the verdicts ``complete`` and ``ended``.
        attention: What people should look at, if anything.
        suspects: Cohorts for which the release is bad, and what to do about each.
        awaits: What the workflow waits for once it is applied.
        holds: In force.
        gate: Where it stands, with the verdict ``gate`` or a hold that came on top.
        gates_passed: Names of the gates that it passes by this decision.
        asked: Questions that are asked by this decision, a proposal's among them.
        withheld: What is not done for want of authority.
        forces: Whether devices at work are stopped too, with the verdict ``abort``.
        cancels_stragglers: With the verdict ``complete``: the job is canceled, for the devices
            that have no outcome.
        starts_guarding: The initial rollout of a CONTINUOUS job is done by this decision.
        attends: Whether devices are looked at one by one once it is applied.
        course: What gates and questions have come to; kept with the rollout, as is memory.
        memory: What the next review need not compute again; kept with the rollout, not with the
            decision.
    """

    revision: int
    at: float
    verdict: Verdict
    reasons: tuple[Reason, ...]
    evidence: Evidence
    settings: JobSettings
    replaces: JobSettings
    tripwires: Tripwires
    signals: int
    wait_seconds: int
    ending: Ending | None = None
    attention: Attention | None = None
    suspects: tuple[Suspect, ...] = ()
    awaits: Awaits = Awaits.EVIDENCE
    holds: tuple[Hold, ...] = ()
    gate: AtGate | None = None
    gates_passed: tuple[str, ...] = ()
    asked: tuple[Question, ...] = ()
    withheld: Withheld | None = None
    forces: bool = False
    cancels_stragglers: bool = False
    starts_guarding: bool = False
    attends: bool = False
    course: Course = field(default_factory=Course, compare=False, repr=False)
    memory: Memory = field(default_factory=Memory, compare=False, repr=False)

    @property
    def review_by(self) -> float:
        """Epoch seconds by which the next review is due."""
        return self.at + self.wait_seconds

    @property
    def summary(self) -> str:
        """The first reason: what people read when they read one line."""
        return self.reasons[0].text if self.reasons else self.verdict.value

    def to_document(self) -> dict[str, Any]:
        """Return the decision as plain JSON, settings in AWS's own shape."""
        return {
            "revision": self.revision,
            "at": self.at,
            "verdict": self.verdict.value,
            "reasons": [
                {"code": each.code.value, "text": each.text, "values": dict(each.values)}
                for each in self.reasons
            ],
            "evidence": asdict(self.evidence),
            "settings": self.settings.to_request(),
            "replaces": self.replaces.to_request(),
            "tripwires": asdict(self.tripwires),
            "signals": self.signals,
            "wait_seconds": self.wait_seconds,
            "review_by": self.review_by,
            "ending": self.ending.value if self.ending else None,
            "attention": asdict(self.attention) if self.attention else None,
            "suspects": [asdict(each) for each in self.suspects],
            "awaits": self.awaits.value,
            "holds": [asdict(each) for each in self.holds],
            "gate": asdict(self.gate) if self.gate else None,
            "gates_passed": list(self.gates_passed),
            "asked": [asdict(each) for each in self.asked],
            "withheld": None
            if self.withheld is None
            else {
                "action": self.withheld.action.value,
                "authority": self.withheld.authority.value,
                "settings": self.withheld.settings.to_request(),
            },
            "forces": self.forces,
            "cancels_stragglers": self.cancels_stragglers,
            "starts_guarding": self.starts_guarding,
            "attends": self.attends,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Decision":
        """Read what ``to_document`` wrote."""
        return cls(
            revision=document["revision"],
            at=document["at"],
            verdict=Verdict(document["verdict"]),
            reasons=tuple(
                Reason(ReasonCode(each["code"]), each["values"], each["text"])
                for each in document["reasons"]
            ),
            evidence=Evidence(**document["evidence"]),
            settings=JobSettings.from_description(document["settings"]),
            replaces=JobSettings.from_description(document["replaces"]),
            tripwires=Tripwires(**document["tripwires"]),
            signals=document["signals"],
            wait_seconds=document["wait_seconds"],
            ending=Ending(document["ending"]) if document["ending"] else None,
            attention=Attention(**document["attention"]) if document["attention"] else None,
            suspects=tuple(
                Suspect(**{**each, "remedy": Remedy(each["remedy"])})
                for each in document["suspects"]
            ),
            awaits=Awaits(document["awaits"]),
            holds=tuple(
                Hold(**{**each, "kind": HoldKind(each["kind"])}) for each in document["holds"]
            ),
            gate=_gate_of(document["gate"]),
            gates_passed=tuple(document["gates_passed"]),
            asked=tuple(Question.from_document(each) for each in document["asked"]),
            withheld=_withheld_of(document["withheld"]),
            forces=document["forces"],
            cancels_stragglers=document["cancels_stragglers"],
            starts_guarding=document["starts_guarding"],
            attends=document["attends"],
        )


def _gate_of(document: Mapping[str, Any] | None) -> AtGate | None:
    if document is None:
        return None
    return AtGate(**{**document, "waits_for": tuple(document["waits_for"])})


def _withheld_of(document: Mapping[str, Any] | None) -> Withheld | None:
    if document is None:
        return None
    return Withheld(
        Action(document["action"]),
        Authority(document["authority"]),
        JobSettings.from_description(document["settings"]),
    )
