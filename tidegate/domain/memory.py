"""
What one review hands on to the next, so that it need not look at everything again.

Nothing here is decided upon by itself: the evidence that is folded in could be computed from the
counts at any time, and is, whenever the counts it was made of turn out to have changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.domain.delays import Delays
from tidegate.domain.durations import Durations
from tidegate.domain.evidence import Bucket, Restarting

#: Start buckets that are taken in anew at each review: outcomes come into them still. Older ones
#: rarely change.
OPEN_BUCKETS = 120

#: What tells whether folded buckets have changed: started, harmed, cleared, and where.
_Check = tuple[int, int, int, int]
#: Where is told by a polynomial: no changes of a few devices cancel each other out.
_BASE, _MODULUS = 1_000_003, 2**61 - 1


@dataclass(frozen=True, slots=True)
class Folded:
    """
    The oldest buckets' evidence.

    Attributes:
        evidence: After them.
        check: Of them.
        tolerated_rate: That it was made for.
    """

    evidence: Restarting = field(default_factory=Restarting)
    check: _Check = (0, 0, 0, 0)
    tolerated_rate: float = 0.0

    def holds_for(self, buckets: Sequence[Bucket], tolerated_rate: float) -> bool:
        """Return whether these buckets begin with the folded ones, unchanged."""
        folded = buckets[: self.evidence.buckets]
        return (
            tolerated_rate == self.tolerated_rate
            and len(folded) == self.evidence.buckets
            and _check(folded) == self.check
        )


@dataclass(frozen=True, slots=True)
class Memory:
    """
    What a review hands on; less than 16 KB as JSON, however long the rollout.

    Attributes:
        folded: Evidence of old start buckets.
        delays: How long devices take to be cleared.
        quarantined: Cohorts set apart.
        durations: How long they take to have any outcome.
    """

    folded: Folded = field(default_factory=Folded)
    delays: Delays = field(default_factory=Delays)
    quarantined: tuple[str, ...] = ()
    durations: Durations = field(default_factory=Durations)

    def to_document(self) -> dict[str, Any]:
        """Return it as plain JSON; infinities, which JSON lacks, as null."""
        evidence = self.folded.evidence
        return {
            "folded": {
                "buckets": evidence.buckets,
                "components": [_finite(each) for each in evidence.components],
                "peaks": [_finite(each) for each in evidence.peaks],
                "current": evidence.current,
                "best": evidence.best,
                "check": [*self.folded.check],
                "tolerated_rate": self.folded.tolerated_rate,
            },
            "delays": self.delays.to_document(),
            "quarantined": [*self.quarantined],
            "durations": self.durations.to_document(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Memory":
        """Read what ``to_document`` wrote."""
        folded = document["folded"]
        started, harmed, cleared, where = folded["check"]
        durations = document.get("durations")
        return cls(
            Folded(
                Restarting(
                    buckets=folded["buckets"],
                    components=tuple(_number(each) for each in folded["components"]),
                    peaks=tuple(_number(each) for each in folded["peaks"]),
                    current=float(folded["current"]),
                    best=float(folded["best"]),
                ),
                (started, harmed, cleared, where),
                float(folded["tolerated_rate"]),
            ),
            Delays.from_document(document["delays"]),
            tuple(document["quarantined"]),
            Durations.from_document(durations) if durations else Durations(),
        )


def weigh_buckets(
    folded: Folded, buckets: Sequence[Bucket], tolerated_rate: float
) -> tuple[Restarting, Folded]:
    """Return the evidence of all buckets, and what of it to hand on."""
    if not folded.holds_for(buckets, tolerated_rate):
        folded = Folded(tolerated_rate=tolerated_rate)
    closed = max(folded.evidence.buckets, len(buckets) - OPEN_BUCKETS)
    if closed > folded.evidence.buckets:
        evidence = folded.evidence.then(buckets[folded.evidence.buckets : closed], tolerated_rate)
        folded = Folded(evidence, _check(buckets[:closed]), tolerated_rate)
    return folded.evidence.then(buckets[closed:], tolerated_rate), folded


def _check(buckets: Sequence[Bucket]) -> _Check:
    started = harmed = cleared = where = 0
    for bucket in buckets:
        started += bucket.started
        harmed += bucket.harmed
        cleared += bucket.cleared
        where = (where * _BASE + bucket.harmed + 31 * bucket.started) % _MODULUS
    return started, harmed, cleared, where


def _finite(value: float) -> float | None:
    return value if value > float("-inf") else None


def _number(value: float | None) -> float:
    return float("-inf") if value is None else float(value)
