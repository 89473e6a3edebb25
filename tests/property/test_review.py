"""Laws of the review, in any situation and under any policy."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import (
    FAILURES,
    HOLD,
    STARTED,
    policies,
    running,
    situations,
    start_buckets,
)
from tests.unit.domain.examples import IN_PROGRESS, SUCCEEDED, job_counts_of, job_of
from tidegate.domain import memory
from tidegate.domain.case import Case, cap_of, fastest
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.delays import brake_at
from tidegate.domain.jobs import ExecutionStatus, JobCounts, JobStatus
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import (
    LATE,
    UNPLACED,
    CounterKey,
    Sighting,
    ThingRecord,
    deltas,
    transitions,
)
from tidegate.domain.pace import exposure_cap, rate_to_reach
from tidegate.domain.policy import Policy
from tidegate.domain.review import review
from tidegate.domain.rollout import Counts
from tidegate.domain.settings import JobSettings, RolloutRate, refusals
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.weigh import weigh


def standing(situation: Situation) -> JobSettings:
    """Return the settings in force."""
    return situation.job.settings if situation.job else JobSettings()


def with_counts(situation: Situation, by_bucket: Mapping[CounterKey, int]) -> Situation:
    """Return the situation with other counts; AWS's differ from the ledger's as before."""
    assert situation.job
    counts, before = Counts(dict(by_bucket)), job_counts_of(situation.counts)
    from_aws = job_counts_of(
        counts,
        queued=situation.job.counts.queued - before.queued,
        unlisted=situation.job.counts.in_progress - before.in_progress,
    )
    return replace(situation, counts=counts, job=replace(situation.job, counts=from_aws))


def rate_of(decision: Decision) -> int:
    """Return the rate that a decision allows: none if it stops the release."""
    return 0 if decision.verdict is Verdict.ABORT else decision.settings.rate_per_minute


@given(policies(), situations(), st.floats(0, 2e9))
def test_a_review_is_a_function_of_its_arguments(
    policy: Policy, situation: Situation, now: float
) -> None:
    """The same policy, situation and time give the same decision."""
    assert review(policy, situation, now) == review(policy, situation, now)


@given(policies(), situations(), st.data())
def test_the_order_of_counts_does_not_matter(
    policy: Policy, situation: Situation, data: st.DataObject
) -> None:
    """The ledger returns its counters in any order."""
    shuffled = data.draw(st.permutations(list(situation.counts.by_bucket.items())))

    assert review(policy, replace(situation, counts=Counts(dict(shuffled))), 0) == review(
        policy, situation, 0
    )


@given(policies(), situations())
def test_aws_takes_whatever_is_decided(policy: Policy, situation: Situation) -> None:
    """No decision's settings, nor what of them differs from the standing ones, are refused."""
    settings = review(policy, situation, 0).settings

    assert refusals(settings, standing(situation)) == ()
    assert refusals(standing(situation).changes_to(settings), standing(situation)) == ()


@given(policies(), situations())
def test_a_rate_never_comes_without_a_fence(policy: Policy, situation: Situation) -> None:
    """Whatever rate is installed, abort criteria made for it are installed with it."""
    decision = review(policy, situation, 0)

    assert (decision.settings.rollout is None) == (decision.settings.abort is None)
    assert bool(decision.settings) == (
        decision.verdict in {Verdict.PROCEED, Verdict.HOLD}
        and situation.job is not None
        and situation.job.status is JobStatus.IN_PROGRESS
    )


@given(policies(), situations())
def test_holding_is_the_lowest_rate_without_growth(policy: Policy, situation: Situation) -> None:
    """While any reason to wait stands, no rate but AWS's lowest is installed."""
    decision = review(policy, situation, 0)

    if decision.verdict is Verdict.HOLD and decision.settings:
        assert decision.settings.rollout == RolloutRate(1)
    if decision.verdict is Verdict.PROCEED:
        assert not situation.holds
        assert situation.readiness is not Readiness.INCOMPLETE


@given(policies(), running())
def test_a_hold_never_raises_the_rate(policy: Policy, situation: Situation) -> None:
    """Whatever goes on without a hold goes on no faster with one, and an abort stays one."""
    free = review(policy, situation, 0)
    held = review(policy, replace(situation, holds=(HOLD,)), 0)

    assert rate_of(held) <= max(1, rate_of(free))
    assert (held.verdict is Verdict.ABORT) == (free.verdict is Verdict.ABORT)


@given(policies(), situations())
def test_an_abort_once_decided_stands_until_the_job_is_over(
    policy: Policy, situation: Situation
) -> None:
    """Nothing but the job's end follows it, whatever people and devices do."""
    decision = review(policy, replace(situation, aborting=True), 0)

    assert decision.verdict in {Verdict.ABORT, Verdict.COMPLETE, Verdict.ENDED}
    assert not decision.settings


@given(policies(), st.integers(0, 2000), st.floats(0.5, 500), st.integers(1, 1000))
def test_no_data_never_goes_beyond_the_start_rate(
    policy: Policy, queued: int, budget: float, rate: int
) -> None:
    """While no device has taken the job up, the owner's first rate is not exceeded."""
    situation = Situation(
        job=job_of(JobCounts(queued=queued), JobSettings(RolloutRate(rate))),
        counts=Counts(),
        revision=1,
        signals=0,
        budget=budget,
    )
    settings = review(policy, situation, 0).settings

    assert settings.rate_per_minute <= max(1, policy.pace.start_per_minute - queued)
    assert settings.rate_per_minute <= max(1, budget / (1 - policy.harm.acceptable_rate))


@given(policies(), running())
def test_one_batch_never_passes_the_cap(policy: Policy, situation: Situation) -> None:
    """Exposure after one more batch is within what the evidence and the budget allow."""
    assert situation.job
    concurrent = replace(situation, job=replace(situation.job, is_concurrent=True))
    decision = review(policy, concurrent, 0)
    if decision.verdict is not Verdict.PROCEED:
        return
    cap = exposure_cap(
        upper_bound=decision.evidence.upper_bound,
        acceptable_rate=policy.harm.acceptable_rate,
        succeeded=decision.evidence.succeeded,
        budget=situation.budget,
        first=policy.pace.start_per_minute,
    )

    assert decision.evidence.exposed + decision.settings.rate_per_minute <= cap
    assert decision.settings.rate_per_minute <= policy.pace.max_per_minute


def reachable(policy: Policy, situation: Situation) -> int:
    """Return the rate that evidence, budget and doubt leave, whatever the fence is good for."""
    case = Case(policy, situation, weigh(policy, situation, 0), 0)
    exposed = case.evidence.exposed
    return rate_to_reach(cap_of(case), exposed=exposed, max_per_minute=fastest(case))


#: From what stops to what goes on.
BOLDNESS = {verdict: rank for rank, verdict in enumerate([Verdict.ABORT, Verdict.HOLD])}


@st.composite
def failures(draw: st.DrawFn, policy: Policy, situation: Situation) -> Situation:
    """Draw the situation as it were had some devices failed that did not."""
    counts = situation.counts.by_bucket
    spared = [
        (bucket, status)
        for bucket, status in counts
        if status is SUCCEEDED or (status is IN_PROGRESS and bucket != UNPLACED)
    ]
    if not spared:
        return situation
    bucket, _ = key = draw(st.sampled_from(spared))
    number = draw(st.integers(1, counts[key]))
    failure = (bucket, draw(st.sampled_from(sorted(policy.harm.statuses))))
    return with_counts(
        situation,
        {**counts, key: counts[key] - number, failure: counts.get(failure, 0) + number},
    )


@given(policies(), running(), st.data())
def test_a_failure_never_speaks_for_a_release(
    policy: Policy, situation: Situation, data: st.DataObject
) -> None:
    """
    Had any device failed that did not, an abort would be one still, and no more could go on.

    That holds for what evidence, budget and doubt leave. Two things may speed up with a failure:
    a turn for the worse may show sooner, and a fence that counts failures may stand closer.
    """
    calm = replace(policy, harm=replace(policy.harm, drift_budget=None))
    worse = data.draw(failures(calm, situation))

    assert reachable(calm, worse) <= reachable(calm, situation)
    before, after = review(calm, situation, 0), review(calm, worse, 0)
    if before.evidence.log_e_overdue < brake_at():
        assert BOLDNESS.get(after.verdict, 2) <= BOLDNESS.get(before.verdict, 2)
    if before.verdict is Verdict.ABORT:
        assert after.verdict is Verdict.ABORT


@given(policies(), running(), st.data())
def test_the_upper_bound_never_rises(
    policy: Policy, situation: Situation, data: st.DataObject
) -> None:
    """From review to review, whatever comes in, the bound established before still stands."""
    before = review(policy, situation, 0).evidence.upper_bound
    more = data.draw(
        st.dictionaries(
            st.tuples(st.integers(0, 8), st.sampled_from(STARTED)), st.integers(1, 40), max_size=5
        )
    )
    counts = situation.counts.by_bucket
    added = {key: counts.get(key, 0) + more.get(key, 0) for key in counts.keys() | more.keys()}
    later = replace(with_counts(situation, added), upper_bound=before)

    assert before <= situation.upper_bound
    assert review(policy, later, 0).evidence.upper_bound <= before


@given(policies(), running())
def test_totals_never_stop_or_free_what_the_order_of_starts_would_not(
    policy: Policy, situation: Situation
) -> None:
    """Where starts of prompt devices are not known, Tidegate is slower, in both directions."""
    placed = {
        (bucket, status): number
        for (bucket, status), number in situation.counts.by_bucket.items()
        if 0 <= bucket < LATE and status in STARTED
    }
    known = replace(with_counts(situation, placed), readiness=Readiness.COMPLETE)
    totals = replace(known, readiness=Readiness.UNPLACED)
    in_order, in_sum = review(policy, known, 0), review(policy, totals, 0)

    assert in_sum.evidence.log_e <= in_order.evidence.log_e + 1e-9
    assert in_sum.evidence.upper_bound >= in_order.evidence.upper_bound - 1e-9


@given(policies(), situations())
def test_counts_add_up(policy: Policy, situation: Situation) -> None:
    """Harmed, cleared and in flight are the started; nobody started who was not exposed."""
    evidence = review(policy, situation, 0).evidence

    assert evidence.harmed + evidence.cleared + evidence.in_flight == evidence.started
    assert evidence.started <= evidence.exposed
    assert math.isfinite(evidence.log_e)
    assert 0 < evidence.upper_bound <= 1


@given(policies(), situations())
def test_every_decision_says_why_and_when_next(policy: Policy, situation: Situation) -> None:
    """There is always a first reason, in one line, and always a next review."""
    decision = review(policy, situation, 0)

    assert decision.summary
    assert "\n" not in decision.summary
    assert decision.wait_seconds >= 1
    assert (decision.ending is not None) == (decision.verdict in {Verdict.COMPLETE, Verdict.ENDED})


#: Reports of a few things, prompt ones and late ones, that may contradict each other.
reports_of_things = st.lists(
    st.builds(
        Sighting,
        thing_name=st.sampled_from([f"pump-{number}" for number in range(8)]),
        status=st.sampled_from(ExecutionStatus),
        at=st.integers(0, 5),
        execution_number=st.integers(1, 2),
        bucket=start_buckets,
    ),
    max_size=25,
)


def situation_after(batches: Iterable[list[Sighting]]) -> Situation:
    """Return what a review sees after these batches of reports."""
    records: dict[str, ThingRecord] = {}
    counters: Counter[CounterKey] = Counter()
    for batch in batches:
        changes = transitions(records, batch)
        counters.update(deltas(changes).counts)
        records.update({change.thing_name: change.after for change in changes})
    counts = Counts({key: number for key, number in counters.items() if number})
    return Situation(
        job=job_of(job_counts_of(counts), JobSettings(RolloutRate(10))),
        counts=counts,
        revision=1,
        signals=0,
        budget=20,
    )


@given(policies(), reports_of_things, st.data())
def test_the_order_and_batching_of_reports_do_not_matter(
    policy: Policy, reports: list[Sighting], data: st.DataObject
) -> None:
    """Events come in any order, some of them twice: the decision is the same in the end."""
    shuffled = data.draw(st.permutations([*reports, *reports[:3]]))
    size = data.draw(st.integers(1, 5))
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]

    assert review(policy, situation_after(batches), 0) == review(
        policy, situation_after([reports]), 0
    )


@dataclass(frozen=True)
class Seen:
    """When a device started, how it ends, and how many reviews later that is known."""

    started: int
    outcome: ExecutionStatus
    after: int


devices = st.lists(
    st.builds(Seen, st.integers(0, 9), st.sampled_from([SUCCEEDED, *FAILURES]), st.integers(0, 4)),
    max_size=40,
)


def situation_at(minute: int, seen: list[Seen], memory: Memory) -> Situation:
    """Return what a review sees at a minute, with what the last one handed on."""
    counts = Counts(
        dict(
            Counter(
                (each.started, each.outcome if each.started + each.after < minute else IN_PROGRESS)
                for each in seen
                if each.started < minute
            )
        )
    )
    return Situation(
        job=job_of(job_counts_of(counts), JobSettings(RolloutRate(10))),
        counts=counts,
        revision=minute,
        signals=0,
        budget=20,
        memory=memory,
    )


@given(policies(), devices)
def test_reviews_in_between_change_nothing_about_the_evidence(
    policy: Policy, seen: list[Seen]
) -> None:
    """What is handed on saves time: without it the last review would say the same."""
    remembered = Memory()
    with mock.patch.object(memory, "OPEN_BUCKETS", 2):
        for minute in range(1, 15):
            situation = situation_at(minute, seen, remembered)
            decision = review(policy, situation, situation.revision)
            remembered = decision.memory
        afresh = review(policy, replace(situation, memory=Memory()), situation.revision)

    newest = max((each.started for each in seen), default=0)
    assert remembered.folded.evidence.buckets == max(0, newest + 1 - 2)
    for figure in ("log_e", "doubt", "upper_bound", "harmed", "in_flight"):
        mine, theirs = getattr(decision.evidence, figure), getattr(afresh.evidence, figure)
        assert math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-9)
