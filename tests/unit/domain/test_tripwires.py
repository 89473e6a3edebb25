"""A tripwire wakes a review before, never after, the decision could change."""

from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    FAILED,
    IN_PROGRESS,
    NOW,
    POLICY,
    REJECTED,
    SUCCEEDED,
    Starts,
    situation_of,
)
from tidegate.domain.decision import Verdict
from tidegate.domain.review import review
from tidegate.domain.situation import Readiness


def wire_of(*buckets: Starts, queued: int = 0) -> int:
    """Return how many more harmed devices would wake a review."""
    decision = review(POLICY, situation_of(*buckets, queued=queued), NOW)
    assert decision.tripwires.harmed is not None
    return decision.tripwires.harmed - decision.evidence.harmed


def test_more_failures_bring_the_wire_nearer() -> None:
    """The worse a release looks, the fewer further failures wake a review; at last each one."""
    wires = []
    for failed in range(100):
        situation = situation_of({SUCCEEDED: 300 - failed, FAILED: failed, IN_PROGRESS: 30})
        decision = review(POLICY, situation, NOW)
        if decision.verdict is Verdict.ABORT:
            break
        assert decision.tripwires.harmed is not None
        wires.append(decision.tripwires.harmed - failed)

    assert wires == sorted(wires, reverse=True)
    assert wires[0] > wires[-1] == 1


@pytest.mark.parametrize("queued", [0, 20])
def test_devices_that_have_not_started_can_cross_it(queued: int) -> None:
    """Devices notified, or to be notified until the next review, may start and fail meanwhile."""
    assert wire_of(queued=queued) < 5
    assert wire_of({SUCCEEDED: 60}, queued=queued) < 10


def test_a_stalled_pace_wakes_with_the_success_that_makes_room() -> None:
    """At the cap, one more success makes room for four more devices."""
    at_cap = review(POLICY, situation_of({IN_PROGRESS: 8}, queued=2), NOW)
    over_cap = review(POLICY, situation_of({SUCCEEDED: 1, IN_PROGRESS: 18}), NOW)

    assert at_cap.tripwires.succeeded == 1
    assert over_cap.tripwires.succeeded == 1 + 2


def test_a_stalled_pace_waits_for_devices_that_have_not_started_too() -> None:
    """All that started have succeeded; the next success comes from one that is queued."""
    decision = review(POLICY, situation_of({SUCCEEDED: 5}, queued=30), NOW)

    assert decision.verdict is Verdict.HOLD
    assert decision.tripwires.succeeded == 7


def test_a_pace_that_may_go_on_waits_for_no_success() -> None:
    """Where there is room already, successes wake nobody: the next review is due anyway."""
    assert review(POLICY, situation_of({SUCCEEDED: 60}), NOW).tripwires.succeeded is None


def test_totals_have_their_own_wire() -> None:
    """Without the order of starts the wire lies where the totals would stop the release."""
    started: Starts = {SUCCEEDED: 50, IN_PROGRESS: 30}
    situation = replace(situation_of(started), readiness=Readiness.UNPLACED)
    wire = review(POLICY, situation, NOW).tripwires.harmed
    assert wire is not None

    verdicts = []
    for harmed in (wire - 1, wire):
        worse = situation_of({SUCCEEDED: 50, IN_PROGRESS: 30 - harmed, FAILED: harmed})
        verdicts.append(review(POLICY, replace(worse, readiness=Readiness.UNPLACED), NOW).verdict)
    assert verdicts[0] is not Verdict.ABORT
    assert verdicts[1] is Verdict.ABORT


def test_what_is_over_or_stopped_has_no_tripwire() -> None:
    """Nothing that devices report changes an abort."""
    decision = review(POLICY, situation_of({FAILED: 20, REJECTED: 2}), NOW)

    assert decision.verdict is Verdict.ABORT
    assert (decision.tripwires.harmed, decision.tripwires.succeeded) == (None, None)
