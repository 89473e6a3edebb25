"""Gandalf, mSPRT, SPRT, Bayes, rings, AIMD and the oracle: rules that weigh what they count."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.unit.lab.bench import (
    FAILED,
    REJECTED,
    SUCCEEDED,
    TIMED_OUT,
    Bench,
    Log,
    outcomes_at,
    plan_of,
)
from tidegate.domain.settings import AbortCriterion, ExponentialRate, FailureType
from tidegate.lab.rules.aimd import Aimd
from tidegate.lab.rules.arrival import (
    BAYES_ARRIVAL,
    SPRT_ARRIVAL,
    LogLikelihoodRatio,
    PosteriorProbability,
)
from tidegate.lab.rules.floor import InformationFloor
from tidegate.lab.rules.gandalf import GandalfLite
from tidegate.lab.rules.msprt import Msprt, mature
from tidegate.lab.rules.outcomes import Tally
from tidegate.lab.rules.rings import Rings

# Gandalf.


def test_gandalf_votes_by_the_logarithm_of_faults_over_those_before() -> None:
    """Windows with more faults than expected vote, the others abstain; all weigh the same."""
    vote = math.log((30 - 5 + 1) / (5 + 1))

    assert GandalfLite().votes([30], [5]) == pytest.approx(vote)
    assert GandalfLite().votes([30, 4, 5], [5, 6, 5]) == pytest.approx(vote / 3)


@pytest.mark.parametrize(
    ("faults", "expected", "is_to_blame"),
    [
        (10, 0.0, True),
        (9, 0.0, False),
        (110, 50.0, True),
        (100, 50.0, False),
        (78, 50.0, False),
        (15, 5.0, True),
        (14, 5.0, False),
    ],
)
def test_gandalf_blames_faults_that_are_many_and_new(
    faults: int, expected: float, *, is_to_blame: bool
) -> None:
    """Ten in excess, more than as many again as expected, and beyond four deviations."""
    assert GandalfLite().is_to_blame([faults], [expected]) is is_to_blame


def test_gandalf_lets_the_long_windows_veto_nothing_alone() -> None:
    """A window without a vote weakens the verdict, but does not turn it."""
    assert GandalfLite().is_to_blame([40, 40], [2, 60])


@pytest.mark.parametrize(("in_a", "in_b", "cancels"), [(9, 0, False), (10, 0, True), (5, 5, True)])
def test_gandalf_stops_for_the_fleet_or_one_cohort(in_a: int, in_b: int, *, cancels: bool) -> None:
    """Ten faults stop all, wherever they are; nine do not."""
    log = Log()
    log.end(FAILED, in_a, started=1, at=4)
    log.end(FAILED, in_b, started=1, at=4, cohort=1)

    assert GandalfLite().begin(plan_of(1000))(log.sight(5)).cancel is cancels


def test_gandalf_sees_a_trickle_of_faults_in_its_slow_layer_only() -> None:
    """Six an hour are too few for the fast layer; after three hours the long windows have 18."""
    log, decide = Log(), GandalfLite().begin(plan_of(1000))
    for minute in range(2, 182, 10):
        log.end(FAILED, 1, started=minute, at=minute)
    cancels = [minute for minute in range(190) if decide(log.sight(minute)).cancel]

    assert cancels[0] == 180


def test_gandalf_expects_the_faults_of_the_release_before() -> None:
    """Twenty faults are many among a thousand devices at 0.5 %, and few among five thousand."""
    few, many = Log(), Log()
    few.start(1000, 1)
    many.start(5000, 1)
    for log in (few, many):
        log.end(FAILED, 20, started=1, at=4)

    assert GandalfLite().begin(plan_of(10_000))(few.sight(5)).cancel
    assert not GandalfLite().begin(plan_of(10_000))(many.sight(5)).cancel


def test_gandalf_finds_a_guilty_cohort_that_the_fleet_hides() -> None:
    """Twenty faults are few for five thousand devices, but not for the fifty that have them."""
    log = Log()
    log.start(50, 1)
    log.start(5000, 1, cohort=1)
    log.end(FAILED, 20, started=1, at=4)
    order = GandalfLite().begin(plan_of(10_000))(log.sight(5))

    assert order.cancel
    assert "20 faults in A within 60 minutes" in order.reasons[0]


def test_gandalf_goes_ring_by_ring_through_a_good_release() -> None:
    """1, 10 and 50 % bake for an hour, then comes the rest."""
    bench = Bench(GandalfLite(), 1000).play(240)

    starts = [minute for minute, batch in enumerate(bench.notified_by_minute) if batch]
    assert bench.plateaus == [10, 100, 500, 1000]
    assert all(60 <= later - earlier <= 62 for earlier, later in pairwise(starts))


# mSPRT.


def test_the_interval_of_the_msprt_is_that_of_its_formula() -> None:
    """Worked by hand for 30 of 1000 against 50 of 10,000."""
    p, q = 0.03, 0.005
    v = p * (1 - p) / 1000 + q * (1 - q) / 10_000
    tau = 1.959963984540054**2 * (p * (1 - p) + q * (1 - q)) / 11_000
    z = math.sqrt((v + tau) / tau * (-2 * math.log(0.025) - math.log(v / (v + tau))))

    bound = Msprt().lower_bound(Tally(1000, 30), Tally(10_000, 50))
    assert bound == pytest.approx(p - q - z * math.sqrt(v), rel=1e-9)


@pytest.mark.parametrize(
    ("treated", "control"),
    [
        (Tally(0, 0), Tally(10_000, 50)),
        (Tally(100, 5), Tally(0, 0)),
        (Tally(100, 0), Tally(100, 0)),
    ],
)
def test_the_msprt_says_nothing_without_data_or_spread(treated: Tally, control: Tally) -> None:
    """No devices, or no failure anywhere, are no evidence."""
    assert Msprt().lower_bound(treated, control) == -math.inf


def test_the_msprt_tests_devices_whose_outcomes_are_all_known() -> None:
    """Those that started an hour and more ago; younger ones and arrivals play no part."""
    log = Log()
    log.end(SUCCEEDED, 70, started=4, at=10)
    log.end(TIMED_OUT, 20, started=4, at=64)
    log.end(REJECTED, 10, started=4, at=5)
    log.end(FAILED, 500, started=5, at=6)

    assert mature(log.sight(65), 60) == Tally(0, 0)
    assert mature(log.sight(66), 60) == Tally(100, 30)


def test_the_msprt_is_blind_until_devices_are_mature() -> None:
    """A release on which everything fails within minutes goes on for an hour."""
    bench = Bench(Msprt(), 10_000, fails=lambda _: True).play(120)

    assert bench.cancelled_at is None or bench.cancelled_at > 60
    assert bench.orders[-1].cancel


@pytest.mark.parametrize(("devices", "cancels"), [(99, False), (100, True)])
def test_the_msprt_waits_for_its_least_number_of_devices(devices: int, *, cancels: bool) -> None:
    """Ninety-nine failures of ninety-nine are not tested yet."""
    log, decide = Log(), Msprt().begin(plan_of(10_000))
    log.end(FAILED, devices - 1, started=0, at=3)
    log.end(SUCCEEDED, 1, started=0, at=3)

    assert decide(log.sight(62)).cancel is cancels


def test_the_msprt_ships_what_stays_undecided() -> None:
    """A release as good as the one before climbs by the hour to all devices."""
    bench = Bench(Msprt(), 1000, fails=lambda device: device % 200 == 7).play(400)

    assert bench.plateaus == [10, 50, 100, 250, 500, 1000]


# SPRT and Bayes in order of arrival.


@pytest.mark.parametrize(("failures", "cancels"), [(5, False), (6, True)])
def test_the_sprt_stops_at_its_boundary(failures: int, *, cancels: bool) -> None:
    """Ln 100 is 4.6; each failure in a row weighs ln 2.5, which is 0.92."""
    log = outcomes_at({0: (0, failures)})
    order = SPRT_ARRIVAL.begin(plan_of(1000))(log.sight(1))

    assert LogLikelihoodRatio().weight(Tally(6, 6)) == pytest.approx(6 * math.log(2.5))
    assert order.cancel is cancels


def test_successes_make_up_for_failures_in_the_sprt() -> None:
    """Thirty successes weigh about as much as one failure."""
    ratio = LogLikelihoodRatio()

    assert ratio.weight(Tally(30, 0)) == pytest.approx(30 * math.log(0.95 / 0.98))
    assert ratio.weight(Tally(31, 1)) < 0 < ratio.weight(Tally(30, 1))


@pytest.mark.parametrize(("ended", "harmed"), [(1, 1), (10, 1), (60, 3), (500, 12), (5000, 90)])
def test_the_posterior_is_the_area_of_its_beta_distribution(ended: int, harmed: int) -> None:
    """It agrees with the density, integrated by the trapezoidal rule."""
    rates = np.linspace(0, 1, 400_001)[1:-1]
    logs = harmed * np.log(rates) + (ended - harmed) * np.log1p(-rates)
    density = np.exp(logs - logs.max())
    area = density[rates > 0.02].sum() / density.sum()

    assert PosteriorProbability().weight(Tally(ended, harmed)) == pytest.approx(area, abs=5e-4)


def test_the_posterior_needs_a_failure() -> None:
    """The uniform prior alone is sure of a bad release, so nothing is concluded from it."""
    assert PosteriorProbability().weight(Tally(0, 0)) == 0.0
    assert PosteriorProbability().weight(Tally(10, 0)) == 0.0


@pytest.mark.parametrize(("ended", "cancels"), [(17, True), (18, False)])
def test_bayes_stops_on_a_failure_that_comes_early(ended: int, *, cancels: bool) -> None:
    """One failure within the first seventeen outcomes is enough, and a good release may have it."""
    weight = PosteriorProbability().weight(Tally(ended, 1))
    log = outcomes_at({0: (ended - 1, 1)})

    assert (weight >= 0.95) is cancels
    assert BAYES_ARRIVAL.begin(plan_of(1000))(log.sight(1)).cancel is cancels


def test_rules_on_arrival_leave_the_growth_to_aws() -> None:
    """Ten a minute, half as much again with each hundred that succeeded, up to AWS's maximum."""
    order = SPRT_ARRIVAL.begin(plan_of(1000))(Log().sight(0))

    assert order.exponential == ExponentialRate(10, 1.5, succeeded_things=100)
    assert order.rate_per_minute == 1000


def test_a_stop_on_arrival_is_for_good() -> None:
    """Successes that come after it do not take it back."""
    decide = SPRT_ARRIVAL.begin(plan_of(1000))
    log = outcomes_at({0: (0, 6), 5: (5000, 0)})

    assert decide(log.sight(1)).cancel
    assert decide(log.sight(6)).cancel


# Rings.


@pytest.mark.parametrize(("failures", "plateaus"), [(2, [100, 1000]), (3, [100])])
def test_a_gate_stays_shut_above_its_percentage(failures: int, plateaus: list[int]) -> None:
    """Two failures of a hundred pass a gate of 2 %, three do not."""
    rule = Rings(percentages=(10, 100))
    bench = Bench(rule, 1000, fails=lambda device: device < failures).play(90)

    assert bench.plateaus == plateaus
    assert bench.orders[-1].cancel is (len(plateaus) == 1)


def test_rings_bake_for_an_hour_each_and_keep_a_native_criterion() -> None:
    """1, 10 and 50 % of a good release, then the rest, with the criterion in each order."""
    bench = Bench(Rings(), 1000).play(240)

    starts = [minute for minute, batch in enumerate(bench.notified_by_minute) if batch]
    assert bench.plateaus == [10, 100, 500, 1000]
    assert all(60 <= later - earlier <= 62 for earlier, later in pairwise(starts))
    criterion = AbortCriterion(FailureType.ALL, 10.0, 20)
    assert all(order.criteria == (criterion,) for order in bench.orders)


def test_a_gate_sees_only_what_has_arrived() -> None:
    """Failures that are slower than the bake time pass it unseen."""
    rule = Rings(percentages=(10, 100))
    bench = Bench(rule, 1000, fails=lambda _: True, minutes_to_end=lambda _: 61).play(65)

    assert bench.notified == 1000


# AIMD.


def rates_of(measured: dict[int, tuple[int, int]], minutes: int) -> list[int]:
    """Return the rates of AIMD for successes and failures by minute."""
    log, decide = outcomes_at(measured), Aimd().begin(plan_of(100_000))
    return [decide(log.sight(minute)).rate_per_minute for minute in range(minutes)]


def test_aimd_climbs_by_its_step_to_the_greatest_rate() -> None:
    """Ten more each minute, whatever is not known yet."""
    rates = rates_of({}, 120)

    assert rates[:4] == [10, 20, 30, 40]
    assert rates[99:] == [1000] * 21


@pytest.mark.parametrize(("measured", "is_halved"), [((98, 2), False), ((97, 3), True)])
def test_aimd_halves_above_what_it_tolerates(measured: tuple[int, int], *, is_halved: bool) -> None:
    """2 % harmed among the last outcomes are tolerated, 3 % are not."""
    rates = rates_of({5: measured}, 7)

    assert rates[5:] == ([60, 30] if is_halved else [60, 70])


def test_aimd_falls_to_the_least_rate_and_never_stops() -> None:
    """While the last ten minutes are bad it halves; then it climbs again."""
    rates = rates_of({5: (0, 1)}, 20)

    assert rates[5:16] == [60, 30, 15, 7, 3, 1, 1, 1, 1, 1, 1]
    assert rates[16:] == [11, 21, 31, 41]


# The oracle.


@pytest.mark.parametrize(
    ("failure_rate", "devices"), [(0.05, 282.9), (0.2, 15.4), (0.6, 2.7), (1.0, 1.2)]
)
def test_the_floor_is_walds(failure_rate: float, devices: float) -> None:
    """Ln 100 over the divergence from 2 %."""
    oracle = InformationFloor(failure_rate=failure_rate)

    assert oracle.devices_needed == pytest.approx(devices, abs=0.05)


@pytest.mark.parametrize("failure_rate", [0.0, 0.02])
def test_the_oracle_never_stops_a_tolerable_release(failure_rate: float) -> None:
    """It knows the truth, so it errs neither way."""
    bench = Bench(InformationFloor(failure_rate=failure_rate), 5000, fails=lambda _: True)

    assert bench.play(20).notified == 5000


@pytest.mark.parametrize(("started", "cancels"), [(15, False), (16, True)])
def test_the_oracle_stops_once_enough_have_started(started: int, *, cancels: bool) -> None:
    """It needs no outcome."""
    log = Log()
    log.start(started, 0)
    order = replace(InformationFloor(), failure_rate=0.2).begin(plan_of(1000))(log.sight(1))

    assert order.cancel is cancels
    assert order.rate_per_minute == (0 if cancels else 1000)
