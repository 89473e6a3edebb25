"""A tripwire never lies beyond the count that changes the decision."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import buckets, rates, risks, tally_of
from tests.unit.domain.examples import (
    FAILED,
    IN_PROGRESS,
    NOW,
    POLICY,
    REJECTED,
    SUCCEEDED,
    job_counts_of,
    situation_of,
)
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.evidence import BOUND_SHIFTS, Bucket, log_e_below
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import LATE, CounterKey
from tidegate.domain.policy import Policy
from tidegate.domain.review import review
from tidegate.domain.rollout import Counts
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.tripwires import successes_to_bound

#: Further outcomes that are tried out.
MORE_MAX = 3
#: Cohorts of the devices; where there is one only, none is told apart.
NORTH, SOUTH = "north", "south"
#: Where devices of a kind are: start bucket and cohort.
Place = tuple[int, str]


@dataclass(frozen=True)
class Devices:
    """
    Devices by place and status, few enough in flight to try everything.

    Attributes:
        by_place: How many are where.
        queued: Notified, and not started.
        cohorts: Names of the cohorts that are told apart.
    """

    by_place: Mapping[tuple[Place, ExecutionStatus], int]
    queued: int
    cohorts: tuple[str, ...]

    @property
    def counts(self) -> Counts:
        """As the ledger has them."""
        by_bucket: Counter[CounterKey] = Counter()
        for ((bucket, _), status), number in self.by_place.items():
            by_bucket[bucket, status] += number
        return Counts(dict(by_bucket))

    def seen_in(self, situation: Situation) -> Situation:
        """Return the situation with these devices, which AWS knows of as well."""
        assert situation.job
        from_aws = job_counts_of(self.counts, queued=self.queued)
        return replace(
            situation,
            job=replace(situation.job, counts=from_aws),
            counts=self.counts,
            tallies={
                "region": {
                    cohort: tally_of(
                        {
                            (bucket, status): number
                            for ((bucket, of), status), number in self.by_place.items()
                            if of == cohort and bucket < LATE
                        }
                    )
                    for cohort in self.cohorts
                    if len(self.cohorts) > 1
                }
            },
        )

    def with_further(self, outcome: ExecutionStatus, more: int) -> Iterator["Devices"]:
        """Yield every way in which so many further devices can have had the outcome."""
        flying = [(place, n) for (place, status), n in self.by_place.items() if status is FLYING]
        for further in product(*(range(min(n, more) + 1) for _, n in flying)):
            newly_started = more - sum(further)
            if newly_started < 0:
                continue
            for place in self._new_places() if newly_started else [(0, self.cohorts[0])]:
                moved = Counter(self.by_place)
                moved[place, outcome] += newly_started
                for (where, _), number in zip(flying, further, strict=True):
                    moved[where, FLYING] -= number
                    moved[where, outcome] += number
                yield replace(self, by_place=moved, queued=max(0, self.queued - newly_started))

    def _new_places(self) -> list[Place]:
        """Return where devices may start that have not: in the newest bucket, next, or later."""
        newest = max((bucket for (bucket, _), _ in self.by_place if bucket < LATE), default=-1)
        places = (max(newest, 0), newest + 1, newest + 4, LATE + newest + 1)
        return [*product(places, self.cohorts)]


FLYING = IN_PROGRESS

groups = st.fixed_dictionaries(
    {
        SUCCEEDED: st.integers(0, 30),
        FAILED: st.integers(0, 2),
        REJECTED: st.integers(0, 1),
        FLYING: st.integers(0, 2),
    }
)


@st.composite
def few_devices(draw: st.DrawFn, *, cohorts: tuple[str, ...]) -> Devices:
    """Draw up to three groups of devices, prompt or late, with up to two in flight in each."""
    started_in = draw(st.lists(st.sampled_from([0, 1, 2, LATE, LATE + 2]), max_size=3, unique=True))
    by_place = {
        ((bucket, draw(st.sampled_from(cohorts))), status): number
        for bucket in sorted(started_in)
        for status, number in draw(groups).items()
        if number
    }
    return Devices(by_place, draw(st.integers(0, 30)), cohorts)


@st.composite
def around_devices(draw: st.DrawFn) -> Situation:
    """Draw what is known besides the devices."""
    return replace(
        situation_of(budget=draw(st.integers(2, 60))),
        readiness=draw(st.sampled_from([Readiness.COMPLETE, Readiness.UNPLACED])),
        upper_bound=draw(st.just(1.0) | st.sampled_from([0.02, 0.3])),
        can_quarantine=draw(st.booleans()),
    )


@st.composite
def small_policies(draw: st.DrawFn) -> Policy:
    """Draw what is tolerated, and at which risk."""
    rate = draw(rates)
    return replace(
        POLICY,
        harm=replace(
            POLICY.harm,
            tolerated_rate=rate,
            acceptable_rate=rate,
            statuses=draw(st.sampled_from([{FAILED}, {FAILED, REJECTED}]).map(frozenset)),
            false_abort_risk=draw(risks),
            late_tolerated_rate=draw(st.none() | rates),
        ),
    )


alike = few_devices(cohorts=(NORTH,))
told_apart = few_devices(cohorts=(NORTH, SOUTH))


def stops_anybody(decision: Decision) -> bool:
    """Return whether the decision stops the release, or a cohort of it."""
    return decision.verdict is Verdict.ABORT or bool(decision.suspects)


@given(small_policies(), around_devices(), alike | told_apart, st.sampled_from([FAILED, REJECTED]))
def test_fewer_failures_than_the_tripwire_stop_nobody(
    policy: Policy, around: Situation, devices: Devices, outcome: ExecutionStatus
) -> None:
    """Wherever the failures come from, below the wire the next review stops nobody either."""
    decision = review(policy, devices.seen_in(around), NOW)
    if stops_anybody(decision) or outcome not in policy.harm.statuses:
        return
    wire = decision.tripwires.harmed
    harmless = MORE_MAX if wire is None else min(MORE_MAX, wire - decision.evidence.harmed - 1)

    for more in range(1, harmless + 1):
        for further in devices.with_further(outcome, more):
            assert not stops_anybody(review(policy, further.seen_in(around), NOW))


@given(small_policies(), around_devices(), alike)
def test_fewer_successes_than_the_tripwire_do_not_make_room(
    policy: Policy, around: Situation, devices: Devices
) -> None:
    """Wherever the successes come from, below the wire a stalled pace would stay stalled."""
    decision = review(policy, devices.seen_in(around), NOW)
    if decision.verdict is not Verdict.HOLD:
        return
    wire = decision.tripwires.succeeded
    futile = MORE_MAX if wire is None else min(MORE_MAX, wire - decision.evidence.succeeded - 1)

    for more in range(1, futile + 1):
        for further in devices.with_further(SUCCEEDED, more):
            assert review(policy, further.seen_in(around), NOW).verdict is Verdict.HOLD


@given(st.lists(buckets(largest=25), max_size=4), st.sampled_from([0.02, 0.1, 0.3, 0.6]))
def test_the_successes_that_bound_the_rate_are_the_fewest(row: list[Bucket], bound: float) -> None:
    """No other number of them does, in whichever prefix they come."""
    alpha, at_most = 0.05, 60

    def bounds(more: int) -> bool:
        started = cleared = 0
        for bucket in row:
            started, cleared = started + bucket.started, cleared + bucket.cleared
            left = started - cleared - more
            if left >= 0 and log_e_below(left, started, bound, BOUND_SHIFTS) >= -math.log(alpha):
                return True
        left = started - cleared
        among = started + max(0, more - left)
        return log_e_below(max(0, left - more), among, bound, BOUND_SHIFTS) >= -math.log(alpha)

    fewest = next((more for more in range(1, at_most + 1) if bounds(more)), None)
    assert successes_to_bound(row, bound, alpha, at_most) == fewest


@given(small_policies(), around_devices(), alike | told_apart)
def test_a_wire_lies_beyond_what_is_known(
    policy: Policy, around: Situation, devices: Devices
) -> None:
    """A wire that were crossed already would wake reviews without end."""
    decision = review(policy, devices.seen_in(around), NOW)
    wires, evidence = decision.tripwires, decision.evidence

    assert wires.harmed is None or wires.harmed > evidence.harmed
    assert wires.succeeded is None or wires.succeeded > evidence.succeeded


@given(small_policies(), alike, st.integers(1, 3))
def test_a_wire_never_recedes_as_failures_come_in(
    policy: Policy, devices: Devices, more: int
) -> None:
    """Each failure on the way brings the wire nearer, or leaves it where it is."""
    before = review(policy, devices.seen_in(situation_of()), NOW)
    if before.tripwires.harmed is None:
        return
    ahead = before.tripwires.harmed - before.evidence.harmed

    for further in devices.with_further(FAILED, more):
        after = review(policy, further.seen_in(situation_of()), NOW)
        if after.verdict is not Verdict.ABORT and after.tripwires.harmed is not None:
            assert after.tripwires.harmed - after.evidence.harmed <= ahead
