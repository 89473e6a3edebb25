"""Laws of the review, in any situation and under any policy."""

import math
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import HOLD, STARTED, policies, running, situations
from tests.unit.domain.examples import IN_PROGRESS, SUCCEEDED, job_counts_of, job_of
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.jobs import JobCounts, JobStatus
from tidegate.domain.outcomes import UNPLACED, CounterKey
from tidegate.domain.pace import exposure_cap
from tidegate.domain.policy import Policy
from tidegate.domain.review import review
from tidegate.domain.rollout import Counts
from tidegate.domain.settings import JobSettings, RolloutRate, refusals
from tidegate.domain.situation import Readiness, Situation


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


@given(policies(), running(), st.data())
def test_a_failure_never_speaks_for_a_release(
    policy: Policy, situation: Situation, data: st.DataObject
) -> None:
    """Had any device failed that did not, the rate would be no higher, and an abort the same."""
    counts = situation.counts.by_bucket
    spared = [key for key in counts if key[1] in {SUCCEEDED, IN_PROGRESS}]
    if not spared:
        return
    bucket, status = key = data.draw(st.sampled_from(spared))
    if bucket == UNPLACED and status is IN_PROGRESS:
        return
    number = data.draw(st.integers(1, counts[key]))
    failure = (bucket, min(policy.harm.statuses))
    worse = with_counts(
        situation,
        {**counts, key: counts[key] - number, failure: counts.get(failure, 0) + number},
    )

    assert rate_of(review(policy, worse, 0)) <= rate_of(review(policy, situation, 0))


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
    """Where starts are not known, Tidegate is slower in both directions, never bolder."""
    placed = {
        (bucket, status): number
        for (bucket, status), number in situation.counts.by_bucket.items()
        if bucket != UNPLACED and status in STARTED
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
