"""What a decision and an adjustment make of a rollout."""

from dataclasses import replace

import pytest

from tests.contract.samples import COURSE, FRESH, MEMORY, POLICY, decision
from tidegate.domain.decision import Evidence, Verdict
from tidegate.domain.progress import adjusted, decided, enlisted, harmed_beyond, reviewed

OTHER = replace(POLICY, name="other")


@pytest.mark.parametrize(
    ("before", "seen", "reached", "after"),
    [(0.5, 0, 0.25, 0.25), (0.25, 0, 0.5, 0.25), (1.0, 3, 0.25, 0.25), (1.0, 2, 0.25, 1.0)],
    ids=["narrower", "wider", "under the policy", "under the one before"],
)
def test_only_a_decision_under_the_policy_lowers_the_bound(
    before: float, seen: int, reached: float, after: float
) -> None:
    """The bound only falls, and only by reviews that know the policy under which it holds."""
    rollout = replace(FRESH, upper_bound=before, bound_from_signal=3 if before == 1 else 0)

    made = decided(rollout, decision(1, upper_bound=reached, signals=seen))

    assert made.upper_bound == after


def test_a_decision_hands_on_what_the_next_review_needs() -> None:
    """Revision, memory and course are the decision's, and an abort stays for good."""
    abort = replace(decision(1, verdict=Verdict.ABORT), memory=MEMORY, course=COURSE)

    first = decided(FRESH, abort)
    second = decided(first, decision(2))

    assert (first.revision, first.memory, first.course) == (1, MEMORY, COURSE)
    assert (second.revision, second.course) == (2, FRESH.course)
    assert first.aborting
    assert second.aborting


def test_an_adjustment_is_a_version_and_a_signal() -> None:
    """The bound and the fleet's size stay, unless another bound or size is called for."""
    before = replace(FRESH, upper_bound=0.25, signals=4, fleet_size=100)

    kept = adjusted(before, OTHER, keeps_bound=True)
    anew = adjusted(kept, POLICY, keeps_bound=False, fleet_size=200)

    assert kept == replace(before, policy=OTHER, policy_version=2, signals=5)
    assert anew == replace(
        before,
        policy_version=3,
        signals=6,
        upper_bound=1.0,
        bound_from_signal=6,
        fleet_size=200,
    )


def test_a_decision_ends_healing() -> None:
    """What the list has of a rollout is the decision's; when it was healed last stays known."""
    healed = replace(enlisted(FRESH), heals=2, healed_at=9.5)

    assert reviewed(healed, decision(1), POLICY) == replace(
        healed, review_by=decision(1).review_by, heals=0
    )


@pytest.mark.parametrize(("harmed", "beyond"), [(0, 0.0), (3, 0.0), (10, 7.0)])
def test_harm_is_what_goes_beyond_the_acceptable(harmed: int, beyond: float) -> None:
    """Of the devices that started, as many may fail as the policy accepts; no harm is negative."""
    assert harmed_beyond(Evidence(started=200, harmed=harmed), POLICY.harm) == beyond
