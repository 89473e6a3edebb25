"""A decision in figures: what pictures are drawn from, small enough for a whole rollout."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tidegate.domain.decision import Decision, Verdict


@dataclass(frozen=True, slots=True)
class Point:
    """
    One decision's figures; see ``Evidence`` for what they mean.

    Attributes:
        rate: Per minute, as the decision has it in force; None if it leaves the settings alone.
        threshold: Percentage of the tightest native abort criterion; None if there is none.
        minimum: Executed things from which that one counts.
    """

    revision: int
    at: float
    verdict: Verdict
    exposed: int
    started: int
    in_flight: int
    succeeded: int
    harmed: int
    log_e: float
    abort_at: float
    upper_bound: float
    doubt: float
    rate: int | None = None
    threshold: float | None = None
    minimum: int | None = None

    def to_document(self) -> dict[str, Any]:
        """Return the point as plain JSON; ``from_document`` reads it back."""
        return asdict(self) | {"verdict": self.verdict.value}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Point":
        """Read what ``to_document`` wrote."""
        return cls(**{**document, "verdict": Verdict(document["verdict"])})


def point_of(decision: Decision) -> Point:
    """Return a decision's figures."""
    evidence, settings = decision.evidence, decision.settings
    criteria = settings.abort or ()
    tightest = min(criteria, key=lambda each: each.threshold_percentage, default=None)
    return Point(
        revision=decision.revision,
        at=decision.at,
        verdict=decision.verdict,
        exposed=evidence.exposed,
        started=evidence.started,
        in_flight=evidence.in_flight,
        succeeded=evidence.succeeded,
        harmed=evidence.harmed,
        log_e=evidence.log_e,
        abort_at=evidence.abort_at,
        upper_bound=evidence.upper_bound,
        doubt=evidence.doubt,
        rate=settings.rollout.maximum_per_minute if settings.rollout else None,
        threshold=tightest.threshold_percentage if tightest else None,
        minimum=tightest.min_executed_things if tightest else None,
    )
