"""The limits that follow from a case: what is spent, how fast it goes, what a turn would harm."""

import math
from dataclasses import replace

import pytest

from tests.unit.domain.examples import (
    FAILED,
    IN_PROGRESS,
    NOW,
    POLICY,
    REJECTED,
    SUCCEEDED,
    TIMEOUT_MINUTES,
    learned,
    situation_of,
)
from tidegate.domain.case import (
    TIMEOUT_MINUTES as SILENT_MINUTES,
)
from tidegate.domain.case import (
    UNATTENDED_BUDGETS,
    Case,
    all_notified,
    cap_of,
    fastest,
    fence_behind,
    guarded,
    harm_by_evidence,
    harm_of_a_turn,
    harm_unattended,
    what_stands_before,
)
from tidegate.domain.cohorts import Remedy, Tally
from tidegate.domain.decision import Verdict
from tidegate.domain.delays import Delays
from tidegate.domain.evidence import harm_to_reject
from tidegate.domain.fence import Fence, harmed_unattended
from tidegate.domain.memory import Memory
from tidegate.domain.pace import spendable
from tidegate.domain.policy import Policy
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.review import review
from tidegate.domain.rollout import Counts
from tidegate.domain.settings import AbortCriterion, FailureType, JobSettings, RolloutRate
from tidegate.domain.situation import Situation
from tidegate.domain.weigh import FENCE_SHARE, weigh

#: One that is established to be acceptable, and all of whose devices have reported.
CLEAN = situation_of({SUCCEEDED: 3000})
#: A fleet whose devices are done after five minutes, but for one in a hundred.
KNOWN = learned(cleared_after=5, never_cleared=0.01)


def case_of(situation: Situation, policy: Policy = POLICY) -> Case:
    """Return the case of a review now."""
    return Case(policy, situation, weigh(policy, situation, NOW), NOW)


def knowing(situation: Situation, delays: Delays = KNOWN) -> Situation:
    """Return the situation where delays are known already."""
    return replace(situation, memory=Memory(delays=delays))


def with_drift_budget(budget: int | None, *, drift_rate: float | None = None) -> Policy:
    """Return a policy that limits what a turn for the worse may harm."""
    return replace(POLICY, harm=replace(POLICY.harm, drift_budget=budget, drift_rate=drift_rate))


# Time


def test_a_job_without_a_timeout_has_silent_devices_for_a_day() -> None:
    """What has said nothing for so long is taken not to come back."""
    situation = situation_of({SUCCEEDED: 3})
    assert situation.job
    endless = replace(situation, job=replace(situation.job, settings=JobSettings()))

    assert case_of(situation).timeout_minutes == TIMEOUT_MINUTES
    assert case_of(endless).timeout_minutes == SILENT_MINUTES
    assert case_of(replace(situation, job=None)).timeout_minutes == SILENT_MINUTES


def test_devices_are_in_flight_as_long_as_those_before_them() -> None:
    """Once delays are known, they count; before, the timeout does."""
    situation = situation_of({SUCCEEDED: 3})

    assert case_of(situation).minutes_in_flight == TIMEOUT_MINUTES
    assert case_of(knowing(situation)).minutes_in_flight == pytest.approx(
        KNOWN.mean_minutes(TIMEOUT_MINUTES), rel=0.01
    )


# Doubt


def test_doubt_shrinks_budget_and_pace() -> None:
    """With evidence on its way the cap falls, and so does the highest rate."""
    fine = case_of(situation_of({SUCCEEDED: 97, IN_PROGRESS: 3}))
    doubted = case_of(situation_of({SUCCEEDED: 90, IN_PROGRESS: 3, FAILED: 7}))

    share = doubted.evidence.doubt
    assert 0 < share < 1
    assert doubted.budget == spendable(50, upper_bound=doubted.evidence.upper_bound, doubt=share)
    assert fastest(doubted) == int(POLICY.pace.max_per_minute * (1 - share))
    assert fastest(fine) == POLICY.pace.max_per_minute
    assert cap_of(doubted) < cap_of(fine)


@pytest.mark.parametrize(
    ("old", "cap"),
    [
        # 10 of 100 fail, 2 are acceptable: 50 harmed beyond that are 8 in 100 of 625.
        (Tally(100, 100), 625),
        # Half of the cohort did, so as many of those in flight will.
        (Tally(200, 40, prefixes=((80, 40),)), 625),
        (Tally(20, 20), math.inf),
    ],
)
def test_what_cohorts_apart_may_still_harm_is_of_the_budget_too(old: Tally, cap: float) -> None:
    """AWS notifies their devices like all others, so they spend it with each that begins."""
    good = replace(
        CLEAN,
        tallies={"revision": {"old": old, "new": Tally(1000 - old.started, 0)}},
        memory=Memory(quarantined=("old",)),
        can_quarantine=True,
        upper_bound=0.001,
    )

    assert cap_of(case_of(good)) == pytest.approx(cap)


def test_devices_of_cohorts_apart_that_are_at_work_may_fail_too() -> None:
    """Their failures come last, maybe with the time-out: until then none of them is cleared."""
    good = replace(
        CLEAN,
        tallies={"revision": {"old": Tally(120, 1), "new": Tally(2880, 0)}},
        memory=Memory(quarantined=("old",)),
        can_quarantine=True,
        upper_bound=0.001,
    )
    at_work = Counts({(0, FAILED): 1, (0, IN_PROGRESS): 119})
    cleared = Counts({(0, FAILED): 1, (0, SUCCEEDED): 119})

    assert cap_of(case_of(replace(good, apart=at_work))) == pytest.approx(50 / (0.04 - 0.02))
    assert cap_of(case_of(replace(good, apart=cleared))) == math.inf


def test_devices_nobody_knows_yet_hide_no_cohort() -> None:
    """What a cohort harms is held against the devices of which it is known what they are."""
    tallies = {"old": Tally(100, 100), "new": Tally(900, 0)}
    unknown = {"revision=(unknown)": Tally(2000, 0)}
    good = replace(
        CLEAN,
        tallies={"revision": tallies | unknown},
        memory=Memory(quarantined=("old",)),
        can_quarantine=True,
        upper_bound=0.001,
    )

    assert cap_of(case_of(good)) == pytest.approx(625)


def test_a_release_that_is_nearly_stopped_goes_no_further() -> None:
    """Half of the evidence that stops a release is enough to wait, established or not."""
    situation = replace(situation_of({SUCCEEDED: 20, FAILED: 4}), upper_bound=0.02)
    decision = review(POLICY, situation, NOW)

    assert decision.evidence.doubt == 1
    assert decision.verdict is Verdict.HOLD
    assert decision.reasons[0].code is ReasonCode.DOUBTED
    assert decision.tripwires.succeeded == decision.evidence.succeeded + 1
    assert [each.code for each in decision.reasons].count(ReasonCode.DOUBTED) == 1


# A turn for the worse


def test_the_pace_does_not_heed_a_turn_unless_asked_to() -> None:
    """Without a drift budget an acceptable release goes as fast as its owner allows."""
    assert fastest(case_of(CLEAN)) == POLICY.pace.max_per_minute


def test_a_higher_drift_budget_never_lowers_the_rate() -> None:
    """More harm that is put up with is more speed, or as much."""
    rates = [
        fastest(case_of(knowing(CLEAN), with_drift_budget(budget)))
        for budget in (1, 10, 100, 300, 1000, 3000, 100_000)
    ]

    assert rates == sorted(rates)
    assert rates[0] == 0
    assert rates[-1] == POLICY.pace.max_per_minute


@pytest.mark.parametrize("budget", [100, 400, 1000])
def test_the_harm_that_a_rate_states_is_within_the_drift_budget(budget: int) -> None:
    """What the decision says that a turn would harm is what its owner puts up with."""
    decision = review(with_drift_budget(budget), knowing(CLEAN), NOW)
    (turn,) = (each for each in decision.reasons if each.code is ReasonCode.TURN_WOULD_HARM)

    assert decision.verdict is Verdict.PROCEED
    assert 0 < float(turn.values["harmed"]) <= budget
    assert turn.values["rate"] == decision.settings.rate_per_minute < 1000


def test_a_drift_budget_that_no_rate_keeps_waits() -> None:
    """Where a turn would harm more before it shows, at any rate, people are told so."""
    decision = review(with_drift_budget(1), CLEAN, NOW)

    assert decision.verdict is Verdict.HOLD
    assert decision.reasons[0].code is ReasonCode.TURN_WOULD_HARM
    assert decision.settings.rate_per_minute == 1


def test_a_drift_budget_is_for_releases_that_go_freely() -> None:
    """While the rate is not established, the budget proper limits the harm."""
    going = situation_of({SUCCEEDED: 60, IN_PROGRESS: 5})
    decision = review(with_drift_budget(1), going, NOW)

    assert decision == review(POLICY, going, NOW)


def test_a_turn_shows_by_the_timeout_at_the_latest() -> None:
    """Where nothing was learned, failures themselves are there by then."""
    unknown, known = case_of(CLEAN), case_of(knowing(CLEAN))
    turned = POLICY.harm.turned

    assert harm_of_a_turn(unknown, 10) == (turned * 10 * TIMEOUT_MINUTES, TIMEOUT_MINUTES)
    minutes = KNOWN.minutes_to_notice(500, turned, POLICY.harm.tolerated_rate)
    assert harm_of_a_turn(known, 500) == pytest.approx((turned * 500 * minutes, minutes))


def test_all_are_notified_only_once_some_have_started() -> None:
    """AWS shows the same flag before it begins; a job that is gone notifies nobody, ever."""
    begun, fresh = situation_of({SUCCEEDED: 1}), situation_of()
    for situation, notified in ((begun, True), (fresh, False)):
        assert situation.job
        done = replace(situation, job=replace(situation.job, is_concurrent=False))
        assert all_notified(case_of(done)) is notified
    assert not all_notified(case_of(begun))
    assert not all_notified(case_of(replace(begun, job=None)))


def test_a_bound_at_the_acceptable_rate_is_acceptable() -> None:
    """The brake comes off where the bound reaches the rate, not only below it."""
    established = replace(situation_of({IN_PROGRESS: 50}), upper_bound=0.02)

    assert case_of(established).is_acceptable
    assert not case_of(replace(established, upper_bound=0.0201)).is_acceptable


# The fence


def test_a_fence_stands_behind_what_is_known() -> None:
    """Exposure, rates, delays, outcomes that are no harm, and retries all come from the case."""
    counts = {SUCCEEDED: 50, FAILED: 2, REJECTED: 3, IN_PROGRESS: 7}
    situation = replace(knowing(situation_of(counts, queued=20)), fleet_size=900)
    behind = what_stands_before(case_of(situation), 60)

    assert (behind.exposed, behind.executed, behind.others) == (82, 55, 3)
    assert (behind.rate_per_minute, behind.standing_per_minute) == (60, 100)
    assert (behind.in_flight, behind.fleet_size, behind.attempts_per_thing) == (7, 900, 1)
    assert behind.minutes_in_flight == case_of(situation).minutes_in_flight
    nobody = what_stands_before(case_of(replace(situation, job=None)), 60)
    assert (nobody.executed, nobody.others) == (0, 0)


def test_a_fence_lets_through_what_is_harmed_of_cohorts_set_apart() -> None:
    """Those harmed and at work, and their share of those that come before the next settings."""
    whole = {SUCCEEDED: 150, FAILED: 30, IN_PROGRESS: 20}
    situation = replace(
        situation_of(whole, rate_per_minute=40),
        memory=Memory(quarantined=("old",)),
        tallies={"revision": {"old": Tally(40, 30), "new": Tally(160, 0)}},
        apart=Counts({(0, SUCCEEDED): 5, (0, FAILED): 30, (0, IN_PROGRESS): 5}),
        can_quarantine=True,
    )

    assert what_stands_before(case_of(situation), 10).apart == 35 + (40 + 10) * 40 // 200
    alone = replace(situation, apart=Counts(), memory=Memory())
    (found,) = case_of(alone).weighed.suspects
    assert found.remedy is Remedy.QUARANTINE
    assert what_stands_before(case_of(alone), 10).apart == 40 + (40 + 10) * 40 // 200
    assert what_stands_before(case_of(situation_of(whole)), 10).apart == 0


def test_a_fence_spends_its_share_of_the_risk() -> None:
    """What AWS does by itself is one of the ways in which a release can be stopped."""
    behind = what_stands_before(case_of(CLEAN), 1)
    stands = fence_behind(POLICY, behind)

    risk = POLICY.harm.false_abort_risk * FENCE_SHARE
    assert stands.risk == risk
    for criterion in stands.criteria:
        executed = criterion.min_executed_things
        least = harm_to_reject(executed, POLICY.harm.tolerated_rate, risk)
        assert criterion.threshold_percentage * executed >= 100 * least


def test_no_rate_is_chosen_that_would_harm_too_much_without_tidegate() -> None:
    """While little is known and devices are slow, the fence is weak: so the rate is lowered."""
    situation = replace(situation_of({SUCCEEDED: 100, IN_PROGRESS: 5}), fleet_size=100_000)
    rates = [
        guarded(case_of(replace(situation, budget=budget)), 1000) for budget in (0.1, 1, 10, 1000)
    ]

    assert rates == sorted(rates)
    assert rates[0] < rates[1] < rates[-1] == 1000
    assert guarded(case_of(replace(situation, budget=0.001)), 1000) == 1


def test_the_guard_lowers_no_rate_without_need() -> None:
    """Before the first outcome no delay is known; an acceptable release needs no guard."""
    nothing_back = replace(situation_of({IN_PROGRESS: 5}), budget=0.001)
    established = replace(situation_of({SUCCEEDED: 3000}), budget=0.001)

    assert guarded(case_of(nothing_back), 700) == 700
    assert guarded(case_of(established), 700) == 700


def test_a_guarded_rate_keeps_what_it_is_guarded_for() -> None:
    """At the rate that is left, the harm of a release left alone is so many budgets at most."""
    for budget in (1.0, 5.0, 50.0):
        situation = replace(situation_of({SUCCEEDED: 100}), fleet_size=100_000, budget=budget)
        case = case_of(situation)
        rate = guarded(case, 1000)
        stands = fence_behind(POLICY, what_stands_before(case, rate))
        worst = min(POLICY.harm.turned, case.evidence.upper_bound)
        # What the fence lets pass harms the whole fleet, at the most.
        harmed = min(harm_unattended(case, stands, rate, worst), worst * 100_000)
        excess = harmed * (1 - POLICY.harm.acceptable_rate / worst)

        assert rate == 1 or excess <= UNATTENDED_BUDGETS * budget
        assert rate in {1000 >> halvings for halvings in range(10)}


def test_failures_of_a_job_with_a_timeout_are_taken_to_come_with_it() -> None:
    """They come late, as a rule; without a timeout they come when other outcomes do."""
    stands = Fence((AbortCriterion(FailureType.FAILED, 10, 20),), exposed_up_to=0, risk=0.01)
    timed = case_of(knowing(CLEAN))
    assert CLEAN.job
    settings = JobSettings(RolloutRate(100))
    endless = case_of(knowing(replace(CLEAN, job=replace(CLEAN.job, settings=settings))))

    minutes = timed.minutes_in_flight
    assert harm_unattended(timed, stands, 9, 0.2) == harmed_unattended(
        stands, 9, 0.2, (minutes, TIMEOUT_MINUTES)
    )
    minutes = endless.minutes_in_flight
    assert harm_unattended(endless, stands, 9, 0.2) == harmed_unattended(
        stands, 9, 0.2, (minutes, minutes)
    )


def test_evidence_stops_a_bad_release_after_what_it_must_show() -> None:
    """Wald's expectation for the harm until the limit, and what fails while it is on its way."""
    case = case_of(knowing(CLEAN))
    turned, tolerated = POLICY.harm.turned, POLICY.harm.tolerated_rate
    divergence = turned * math.log(turned / tolerated) + (1 - turned) * math.log(
        (1 - turned) / (1 - tolerated)
    )
    shown = (case.evidence.abort_at + math.log(2)) / divergence

    assert harm_by_evidence(case, 0) == pytest.approx(turned * shown)
    assert harm_by_evidence(case, 10) == pytest.approx(turned * (shown + 10 * TIMEOUT_MINUTES))
    assert CLEAN.job
    without = replace(knowing(CLEAN), job=replace(CLEAN.job, settings=JobSettings()))
    endless = case_of(without)
    assert harm_by_evidence(endless, 10) == pytest.approx(
        turned * (shown + 10 * endless.minutes_in_flight)
    )
