"""A decision: what a review concluded, on what evidence, and what is to be done about it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tidegate.domain.cohorts import Remedy, Suspect
from tidegate.domain.memory import Memory
from tidegate.domain.reasons import Reason, ReasonCode
from tidegate.domain.rollout import Ending, Tripwires
from tidegate.domain.settings import JobSettings


class Verdict(StrEnum):
    """
    What a review concludes.

    ``complete`` is a job that ran to its end, ``ended`` one that is over in any other way.
    """

    PROCEED = "proceed"
    HOLD = "hold"
    ABORT = "abort"
    COMPLETE = "complete"
    ENDED = "ended"


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
    attention: str | None = None
    suspects: tuple[Suspect, ...] = ()
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
            "attention": self.attention,
            "suspects": [asdict(each) for each in self.suspects],
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
            attention=document["attention"],
            suspects=tuple(
                Suspect(**{**each, "remedy": Remedy(each["remedy"])})
                for each in document.get("suspects", ())
            ),
        )
