"""A tripwire wakes a review before, never after, the decision could change."""

import math
from collections.abc import Iterator
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
    with_counts,
)
from tidegate.domain.cohorts import Suspect, Tally
from tidegate.domain.decision import Verdict
from tidegate.domain.evidence import (
    BOUND_SHIFTS,
    Bucket,
    Restarting,
    log_components,
    log_e_above,
    log_e_restarting,
    upper_bound,
)
from tidegate.domain.outcomes import LATE, CounterKey
from tidegate.domain.pace import GROWTH_PER_SUCCESS
from tidegate.domain.review import review
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.tripwires import (
    fewest,
    harm_to_reach,
    harm_to_stop,
    successes_to_bound,
)


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


# The counts by themselves


def test_the_fewest_is_found_where_there_is_one() -> None:
    """It is the first of those that change the decision, within what can happen."""

    def found(first: int) -> int | None:
        return fewest(lambda more: more >= first, at_most=9)

    assert [found(first) for first in (0, 1, 2, 5, 9, 10)] == [1, 1, 2, 5, 9, None]
    assert fewest(lambda _: True, 1) == 1
    assert fewest(lambda _: True, 0) is None


@pytest.mark.parametrize(
    "row",
    [
        [],
        [Bucket(30, 0, 30)],
        [Bucket(30, 1, 0), Bucket(50, 1, 49)],
        [Bucket(0, 0, 0)] * 5 + [Bucket(200, 3, 100)] * 3,
        [Bucket(100, 1, 90)] * 40,
    ],
    ids=["nothing", "good", "doubted", "late", "long"],
)
def test_the_wire_of_the_evidence_lies_right_before_what_stops(row: list[Bucket]) -> None:
    """Of the devices that start next, so many failing would stop the release, fewer would not."""
    limit, rate = 5.3, 0.02
    wire = harm_to_stop(Restarting().then(row, rate), rate, limit, at_most=100)
    needed = next(
        more
        for more in range(1, 100)
        if any(log_e_restarting(worse, rate) >= limit for worse in with_further_harmed(row, more))
    )

    assert wire is not None
    assert needed - 2 <= wire <= needed


def with_further_harmed(row: list[Bucket], more: int) -> Iterator[list[Bucket]]:
    """Yield the buckets with so many further harmed, in flight in one of them or newly started."""
    yield [*row, Bucket(more, more, 0)]
    yield [*row, *[Bucket(0, 0, 0)] * 9, Bucket(more, more, 0)]
    for index, bucket in enumerate(row):
        if bucket.in_flight >= more:
            worse = Bucket(bucket.started, bucket.harmed + more, bucket.cleared)
            yield [*row[:index], worse, *row[index + 1 :]]


def test_the_wire_of_the_evidence_is_none_where_too_few_are_left() -> None:
    """Where all that could still fail would not do, nobody waits for failures."""
    evidence = Restarting().then([Bucket(500, 0, 490)], 0.02)

    assert harm_to_stop(evidence, 0.02, 50.0, at_most=3) is None
    assert harm_to_stop(evidence, 0.02, 5.3, at_most=3) is not None


@pytest.mark.parametrize(("harmed", "started"), [(0, 0), (0, 40), (2, 40), (12, 900)])
def test_components_reach_a_limit_with_the_fewest_that_do(harmed: int, started: int) -> None:
    """Where they are known one by one, the number is exact."""
    limit = 6.9
    found = harm_to_reach(log_components(harmed, started, 0.02), limit, at_most=500)
    assert found is not None

    assert log_e_above(harmed + found, started, 0.02) >= limit
    assert found == 1 or log_e_above(harmed + found - 1, started, 0.02) < limit


@pytest.mark.parametrize(
    ("row", "bound"),
    [
        ([], 0.1),
        ([Bucket(10, 0, 10)], 0.1),
        ([Bucket(30, 0, 20)], 0.15),
        ([Bucket(30, 2, 20)], 0.2),
        ([Bucket(30, 0, 30), Bucket(60, 0, 5)], 0.05),
        ([Bucket(30, 4, 20), Bucket(60, 0, 5), Bucket(10, 0, 0)], 0.2),
    ],
)
def test_the_rate_is_bounded_with_the_fewest_successes_that_do(
    row: list[Bucket], bound: float
) -> None:
    """The most favourable of all ways to succeed counts: in the oldest buckets, or newly."""
    alpha = 0.05
    found = successes_to_bound(row, bound, alpha, at_most=1000)
    assert found is not None

    def bounded(more: int) -> float:
        return min(
            upper_bound(open_or_harmed, started, alpha, BOUND_SHIFTS)
            for started, open_or_harmed in with_further_cleared(row, more)
        )

    assert bounded(found) <= bound < bounded(found - 1)


def with_further_cleared(row: list[Bucket], more: int) -> Iterator[tuple[int, int]]:
    """Yield, per prefix, the started and those open or harmed, with so many further successes."""
    started = cleared = 0
    for bucket in row:
        started, cleared = started + bucket.started, cleared + bucket.cleared
        # A device that failed does not succeed, but the count does not tell it from one in flight.
        if more <= started - cleared:
            yield started, started - cleared - more
    yield started + max(0, more - (started - cleared)), max(0, started - cleared - more)


def test_the_rate_cannot_be_bounded_by_too_few_successes() -> None:
    """Where all that could still succeed would not do, nobody waits for successes."""
    row = [Bucket(30, 0, 20)]

    assert successes_to_bound(row, 0.01, 0.05, at_most=20) is None
    assert successes_to_bound(row, 0.15, 0.05, at_most=0) is None


def test_late_devices_have_a_wire_of_their_own() -> None:
    """A few late devices failing may stop the release before the prompt ones could."""
    prompt_only = situation_of(*[{SUCCEEDED: 50}] * 60)
    situation = with_late(prompt_only, 6, 12)
    decision = review(POLICY, situation, NOW)

    first = next(
        more
        for more in range(1, 7)
        if review(POLICY, with_late(situation, 6 + more, 12), NOW).verdict is Verdict.ABORT
    )
    assert decision.tripwires.harmed == 6 + first
    without = review(POLICY, prompt_only, NOW).tripwires.harmed
    assert without is not None
    assert without > first


def with_late(situation: Situation, harmed: int, started: int) -> Situation:
    """Return the situation with so many late devices, some of them harmed."""
    late: dict[CounterKey, int] = {(LATE, FAILED): harmed, (LATE, IN_PROGRESS): started - harmed}
    return with_counts(situation, {**situation.counts.by_bucket, **late})


def test_a_cohort_has_a_wire_of_its_own() -> None:
    """A few devices of one cohort failing may have it set apart before the whole is stopped."""
    tallies = {"old": Tally(20, 4), "new": Tally(5000, 0), "more": Tally(5000, 0)}
    others = {SUCCEEDED: 99}
    row = [{**others, FAILED: 1}] * 4 + [{**others, IN_PROGRESS: 1}] * 16 + [others] * 80
    situation = replace(situation_of(*row), tallies={"revision": tallies})

    first = next(
        more
        for more in range(1, 17)
        if suspects_of(
            replace(situation, tallies={"revision": {**tallies, "old": Tally(20, 4 + more)}})
        )
    )
    assert review(POLICY, situation, NOW).tripwires.harmed == 4 + first
    without = review(POLICY, replace(situation, tallies={}), NOW).tripwires.harmed
    assert without is not None
    assert without > 4 + first


def suspects_of(situation: Situation) -> tuple[Suspect, ...]:
    """Return the cohorts that fail, in order."""
    return review(POLICY, situation, NOW).suspects


def test_where_rejections_are_harm_the_order_of_notification_has_a_wire() -> None:
    """Rejections stop a release by totals: the wire lies no later than where they do."""
    strict = replace(POLICY, harm=replace(POLICY.harm, statuses=POLICY.harm.statuses | {REJECTED}))
    situation = situation_of({SUCCEEDED: 60}, queued=40)
    wire = review(strict, situation, NOW).tripwires.harmed
    assert wire is not None

    stopping = next(
        rejected
        for rejected in range(1, 40)
        if review(
            strict, situation_of({SUCCEEDED: 60, REJECTED: rejected}, queued=40 - rejected), NOW
        ).verdict
        is Verdict.ABORT
    )
    assert wire <= stopping


def test_a_pace_that_doubt_stalls_wakes_with_the_next_success() -> None:
    """Doubt may be gone with it: all of the budget is reckoned with."""
    decision = review(POLICY, situation_of({SUCCEEDED: 40, FAILED: 5, IN_PROGRESS: 20}), NOW)

    assert decision.verdict is Verdict.HOLD
    assert decision.evidence.doubt > 0
    assert decision.tripwires.succeeded is not None
    assert decision.tripwires.succeeded > 40


def test_a_pace_that_the_budget_stalls_waits_for_more_than_one_success() -> None:
    """The wire comes close to the successes that do make room, so that few reviews are in vain."""
    counts = {SUCCEEDED: 150, FAILED: 3}
    wire = review(POLICY, situation_of({**counts, IN_PROGRESS: 300}), NOW).tripwires.succeeded
    assert wire is not None

    def verdict(more: int) -> Verdict:
        outcomes = {**counts, SUCCEEDED: 150 + more, IN_PROGRESS: 300 - more}
        return review(POLICY, situation_of(outcomes), NOW).verdict

    first = next(more for more in range(300) if verdict(more) is not Verdict.HOLD)
    assert first / 2 < wire - 150 <= first


def test_growth_limits_nothing_once_the_rate_is_established() -> None:
    """A few successes may bound the rate before as many as the growth asks for have come."""
    patient = replace(POLICY, harm=replace(POLICY.harm, acceptable_rate=0.3))
    decision = review(patient, situation_of({IN_PROGRESS: 12}, {IN_PROGRESS: 88}), NOW)

    by_growth = math.ceil((100 + 1 - 10) / GROWTH_PER_SUCCESS)
    assert decision.verdict is Verdict.HOLD
    assert decision.tripwires.succeeded is not None
    assert 2 < decision.tripwires.succeeded < by_growth
