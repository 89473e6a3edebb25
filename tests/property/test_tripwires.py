"""A tripwire never lies beyond the count that changes the decision."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import rates, risks
from tests.unit.domain.examples import (
    FAILED,
    IN_PROGRESS,
    POLICY,
    REJECTED,
    SUCCEEDED,
    Starts,
    job_counts_of,
    situation_of,
)
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import Policy
from tidegate.domain.review import review
from tidegate.domain.rollout import Counts
from tidegate.domain.situation import Readiness, Situation

#: Up to three buckets with up to two devices in flight each: small enough to try everything.
small_buckets = st.lists(
    st.fixed_dictionaries(
        {
            SUCCEEDED: st.integers(0, 30),
            FAILED: st.integers(0, 2),
            REJECTED: st.integers(0, 2),
            IN_PROGRESS: st.integers(0, 2),
        }
    ),
    max_size=3,
)

#: Further outcomes that are tried out.
MORE_MAX = 3


@st.composite
def small_situations(draw: st.DrawFn) -> Situation:
    """Draw a situation with few devices in flight, known with or without their starts."""
    situation = situation_of(
        *draw(small_buckets), queued=draw(st.integers(0, 30)), budget=draw(st.integers(2, 60))
    )
    readiness = draw(st.sampled_from([Readiness.COMPLETE, Readiness.UNPLACED]))
    return replace(situation, readiness=readiness)


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
        ),
    )


def with_further(situation: Situation, outcome: ExecutionStatus, more: int) -> Iterator[Situation]:
    """Yield every situation in which so many further devices have had the outcome."""
    counts = situation.counts.by_bucket
    open_in = {index: n for (index, status), n in counts.items() if status is IN_PROGRESS}
    newest = max((index for index, _ in counts), default=-1)
    for further in product(*(range(min(n, more) + 1) for n in open_in.values())):
        newly_started = more - sum(further)
        if newly_started < 0:
            continue
        # Those that have not started may do so in the newest bucket, in the next, or later.
        for index in (max(newest, 0), newest + 1, newest + 4) if newly_started else (0,):
            moved = Counter(counts)
            moved[index, outcome] += newly_started
            for bucket, number in zip(open_in, further, strict=True):
                moved[bucket, IN_PROGRESS] -= number
                moved[bucket, outcome] += number
            yield with_counts(situation, Counts(dict(moved)), newly_started)


def with_counts(situation: Situation, counts: Counts, newly_started: int) -> Situation:
    """Return the situation with other counts, known to AWS as well."""
    assert situation.job
    queued = max(0, situation.job.counts.queued - newly_started)
    job = replace(situation.job, counts=job_counts_of(counts, queued=queued))
    return replace(situation, counts=counts, job=job)


@given(small_policies(), small_situations(), st.sampled_from([FAILED, REJECTED]))
def test_fewer_failures_than_the_tripwire_do_not_stop_a_release(
    policy: Policy, situation: Situation, outcome: ExecutionStatus
) -> None:
    """Wherever the failures come from, below the wire the next review would not abort either."""
    decision = review(policy, situation, 0)
    if decision.verdict is Verdict.ABORT:
        return
    wire = decision.tripwires.harmed
    harmless = MORE_MAX if wire is None else min(MORE_MAX, wire - decision.evidence.harmed - 1)

    for more in range(1, harmless + 1):
        for further in with_further(situation, outcome, more):
            assert review(policy, further, 0).verdict is not Verdict.ABORT


@given(small_policies(), small_situations())
def test_fewer_successes_than_the_tripwire_do_not_make_room(
    policy: Policy, situation: Situation
) -> None:
    """Wherever the successes come from, below the wire a stalled pace would stay stalled."""
    decision = review(policy, situation, 0)
    if decision.verdict is not Verdict.HOLD:
        return
    wire = decision.tripwires.succeeded
    futile = MORE_MAX if wire is None else min(MORE_MAX, wire - decision.evidence.succeeded - 1)

    for more in range(1, futile + 1):
        for further in with_further(situation, SUCCEEDED, more):
            assert review(policy, further, 0).verdict is Verdict.HOLD


@given(small_policies(), small_situations())
def test_a_wire_lies_beyond_what_is_known(policy: Policy, situation: Situation) -> None:
    """A wire that were crossed already would wake reviews without end."""
    decision = review(policy, situation, 0)
    wires, evidence = decision.tripwires, decision.evidence

    assert wires.harmed is None or wires.harmed > evidence.harmed
    assert wires.succeeded is None or wires.succeeded > evidence.succeeded


@given(small_policies(), small_buckets, st.integers(1, 3))
def test_a_wire_never_recedes_as_failures_come_in(
    policy: Policy, buckets: list[Starts], more: int
) -> None:
    """Each failure on the way brings the wire nearer, or leaves it where it is."""
    situation = situation_of(*buckets)
    before = review(policy, situation, 0).tripwires.harmed

    for further in with_further(situation, FAILED, more):
        decision = review(policy, further, 0)
        if before is None or decision.verdict is Verdict.ABORT or decision.tripwires.harmed is None:
            continue
        nearer = decision.tripwires.harmed - decision.evidence.harmed
        assert nearer <= before - review(policy, situation, 0).evidence.harmed
