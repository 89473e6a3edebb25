"""Argo Rollouts, Flagger, Kayenta, AppConfig, CodeDeploy and alarms: measurements by the clock."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.unit.lab.bench import Bench, outcomes_at, plan_of
from tidegate.domain.settings import AbortCriterion, FailureType
from tidegate.lab.rule import Order, Rule
from tidegate.lab.rules.alarm import Alarm, AlarmCancel
from tidegate.lab.rules.argo import ARGO_0, ARGO_3, Phase
from tidegate.lab.rules.flagger import FLAGGER_1, FLAGGER_5
from tidegate.lab.rules.kayenta import Kayenta, shift_between
from tidegate.lab.rules.outcomes import Tally
from tidegate.lab.rules.shifting import APPCONFIG_LINEAR, CODEDEPLOY_CANARY

Measured = dict[int, tuple[int, int]]


def orders_for(rule: Rule, measured: Measured, minutes: int) -> list[Order]:
    """Return a rule's orders for successes and failures by minute; nobody is notified for them."""
    log, decide = outcomes_at(measured), rule.begin(plan_of(100_000))
    log.notified[:] = 0
    return [decide(log.sight(minute)) for minute in range(minutes + 1)]


def minute_of_cancel(orders: list[Order]) -> int | None:
    """Return when a rule first cancels."""
    return next((minute for minute, order in enumerate(orders) if order.cancel), None)


# Argo Rollouts.


@pytest.mark.parametrize(
    ("tally", "phase"),
    [
        (Tally(0, 0), Phase.SUCCESSFUL),
        (Tally(100, 5), Phase.SUCCESSFUL),
        (Tally(100, 6), Phase.FAILED),
        (Tally(1, 1), Phase.FAILED),
    ],
)
def test_argo_measures_without_heed_to_the_sample(tally: Tally, phase: Phase) -> None:
    """95 % is enough, one outcome is as good as a thousand, none passes."""
    assert ARGO_0.measure(tally) is phase


@pytest.mark.parametrize(
    ("failed", "inconclusive", "limit", "phase"),
    [
        (0, 0, 0, Phase.SUCCESSFUL),
        (1, 0, 0, Phase.FAILED),
        (3, 0, 3, Phase.SUCCESSFUL),
        (4, 0, 3, Phase.FAILED),
        (4, 1, 3, Phase.INCONCLUSIVE),
    ],
)
def test_argo_fails_on_more_than_its_limit(
    failed: int, inconclusive: int, limit: int, phase: Phase
) -> None:
    """The limit itself is let pass, and an inconclusive measurement hides the failed ones."""
    rule = replace(ARGO_0, failure_limit=limit)

    assert rule.assess(failed=failed, inconclusive=inconclusive) is phase


def test_argo_aborts_at_one_bad_reading_by_default() -> None:
    """With failure limit 0 a single device that fails first ends the rollout of thousands."""
    orders = orders_for(ARGO_0, {3: (0, 1), 7: (1000, 0)}, 10)

    assert minute_of_cancel(orders) == 5


def test_argo_counts_bad_readings_that_are_far_apart() -> None:
    """Four failed measurements abort at limit 3, however good those in between are."""
    bad = dict.fromkeys((1, 31, 61, 91), (0, 1))
    good = {minute: (1000, 0) for minute in range(6, 100, 5) if minute not in bad}

    assert minute_of_cancel(orders_for(ARGO_3, bad | good, 110)) == 95
    del bad[91]
    assert minute_of_cancel(orders_for(ARGO_3, bad | good, 110)) is None


def test_argo_looks_every_five_minutes_only() -> None:
    """A failure waits for the measurement that covers its minute."""
    orders = orders_for(ARGO_0, {11: (0, 50)}, 20)

    assert minute_of_cancel(orders) == 15


def test_argo_pauses_where_it_cannot_tell() -> None:
    """Between success and failure condition a person decides: nothing is canceled."""
    rule = replace(ARGO_0, failure_percent=80.0)
    orders = orders_for(rule, {2: (90, 10)}, 10)

    assert minute_of_cancel(orders) is None
    assert orders[5].rate_per_minute == 0
    assert orders[5].reasons == ("The analysis is inconclusive.",)
    assert minute_of_cancel(orders_for(rule, {2: (79, 21)}, 10)) == 5


def test_argo_goes_through_a_good_release_step_by_step() -> None:
    """Steps of a fifth, ten minutes apart."""
    bench = Bench(ARGO_0, 1000).play(80)

    steps = [minute for minute, batch in enumerate(bench.notified_by_minute) if batch]
    assert [bench.notified_by_minute[minute] for minute in steps] == [200] * 5
    assert all(10 <= later - earlier <= 11 for earlier, later in pairwise(steps))


def test_argo_does_not_look_once_all_are_notified() -> None:
    """The analysis ends with full promotion; the last fifth may fail entirely."""
    bench = Bench(ARGO_0, 1000, fails=lambda device: device >= 800).play(80)

    assert bench.cancelled_at is None
    assert bench.notified == 1000


# Flagger.


@pytest.mark.parametrize(
    ("tally", "passes"),
    [(Tally(0, 0), False), (Tally(100, 1), True), (Tally(100, 2), False), (Tally(99, 1), False)],
)
def test_flagger_fails_a_check_below_its_success_rate(tally: Tally, *, passes: bool) -> None:
    """99 % is enough; where there is no value, the check fails."""
    assert FLAGGER_1.passes(tally) is passes


@pytest.mark.parametrize(
    ("rule", "failed_checks", "cancels_at"),
    [
        (FLAGGER_1, 0, None),
        (FLAGGER_1, 1, 7),
        (FLAGGER_5, 4, None),
        (FLAGGER_5, 5, 15),
    ],
    ids=["1-none", "1-one", "5-four", "5-five"],
)
def test_flagger_rolls_back_on_the_tick_after_its_threshold(
    rule: Rule, failed_checks: int, cancels_at: int | None
) -> None:
    """Failed checks add up, with good ones in between, and are never forgiven."""
    measured = dict.fromkeys(range(3, 40), (100, 0))
    measured |= {5 + 2 * check: (0, 1) for check in range(failed_checks)}

    assert minute_of_cancel(orders_for(rule, measured, 40)) == cancels_at


def test_flagger_counts_a_minute_without_outcomes_as_failed() -> None:
    """Once outcomes come, a gap in them is a failed check."""
    measured = {minute: (100, 0) for minute in range(3, 20) if minute != 9}

    assert minute_of_cancel(orders_for(FLAGGER_1, measured, 19)) == 11


@pytest.mark.parametrize(("first", "cancels_at"), [(9, None), (10, 10)])
def test_flagger_waits_for_the_first_outcome_until_its_deadline(
    first: int, cancels_at: int | None
) -> None:
    """Before the canary is ready nothing is checked, for ten minutes at most."""
    measured = dict.fromkeys(range(first, 20), (100, 0))

    assert minute_of_cancel(orders_for(FLAGGER_1, measured, 19)) == cancels_at


def test_flagger_promotes_a_good_release_from_half_of_the_fleet_on() -> None:
    """Tenths up to a half, then all the rest at once."""
    rule = replace(FLAGGER_1, interval_minutes=6)
    bench = Bench(rule, 1000).play(60)

    assert [batch for batch in bench.notified_by_minute if batch] == [100] * 5 + [500]


def test_flagger_does_not_look_after_promotion() -> None:
    """The second half may fail entirely."""
    rule = replace(FLAGGER_1, interval_minutes=6)
    bench = Bench(rule, 1000, fails=lambda device: device >= 500).play(60)

    assert bench.cancelled_at is None
    assert bench.notified == 1000


# Kayenta.


def points(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return a metric's points."""
    return np.array(values, dtype=np.float64)


def test_the_rank_test_agrees_with_known_figures() -> None:
    """
    The interval and the estimate are those of the textbook for shifted samples.

    Fifteen of the 25 differences are above 5 and ten below it; with samples this small the lower
    end at 98 % is the second smallest difference.
    """
    sample, reference = points(11, 13, 15, 17, 19), points(2, 4, 6, 8, 10)
    shift = shift_between(sample, reference, 0.98)

    differences = np.sort(np.subtract.outer(sample, reference).ravel())
    assert shift.estimate == np.median(differences) == 9.0
    assert shift.low in differences
    assert 1.0 <= shift.low <= 3.0


def test_the_interval_narrows_with_more_points_and_with_less_confidence() -> None:
    """Its lower end approaches the estimate."""
    few, many = np.arange(10.0), np.arange(100.0) / 10
    low_of_few = shift_between(few + 5, few, 0.98).low
    low_of_many = shift_between(many + 5, many, 0.98).low
    less_sure = shift_between(few + 5, few, 0.5)

    assert low_of_few < low_of_many < 5.0
    assert low_of_few < less_sure.low <= less_sure.estimate == 5.0


def test_kayenta_fails_a_canary_that_is_clearly_worse() -> None:
    """Forty points around 10 % against forty around 1 %."""
    noise = np.linspace(0, 0.005, 40)

    assert Kayenta().score(0.1 + noise, 0.01 + noise[::-1]) == 0.0


def test_kayenta_passes_a_canary_that_is_alike_or_better() -> None:
    """Neither the same noise in another order nor fewer failures are high."""
    noise = np.linspace(0, 0.005, 40)

    assert Kayenta().score(0.01 + noise[::-1], 0.01 + noise) == 100.0
    assert Kayenta().score(noise, 0.1 + noise) == 100.0
    assert Kayenta().score(points(0.5, 0.5), points(0.5, 0.5)) == 100.0


@pytest.mark.parametrize("share", [0.02, 1.0])
def test_kayenta_passes_sparse_failures_against_a_control_of_zeros(share: float) -> None:
    """However bad the few points are, the interval touches zero while most points are zero."""
    canary, control = np.zeros(36), np.zeros(36)
    canary[:14] = share

    assert Kayenta().score(canary, control) == 100.0


def test_kayenta_sees_failures_that_are_not_sparse() -> None:
    """Against the same zeros, failures in nearly every point are high."""
    canary, control = np.full(36, 0.02), np.zeros(36)
    canary[:4] = 0.0

    assert Kayenta().score(canary, control) == 0.0


def test_kayenta_gives_no_data_no_score() -> None:
    """A canary from which nothing is heard fails at its first look."""
    bench = Bench(Kayenta(), 1000, minutes_to_end=lambda _: None).play(80)

    assert Kayenta().score(points(), points(0.1)) == 0.0
    assert bench.cancelled_at == 62
    assert "on 0 points" in bench.orders[-1].reasons[0]


@pytest.mark.parametrize(
    ("score", "cancels_at_look"), [(74.0, 1), (75.0, 3), (94.0, 3), (95.0, None)]
)
def test_kayenta_needs_the_marginal_score_at_first_and_the_pass_score_at_last(
    monkeypatch: pytest.MonkeyPatch, score: float, cancels_at_look: int | None
) -> None:
    """Both limits are met by a score that equals them."""
    monkeypatch.setattr(Kayenta, "score", lambda *_: score)
    bench = Bench(Kayenta(percentages=(10, 100)), 1000).play(200)

    expected = None if cancels_at_look is None else 2 + 60 * cancels_at_look
    assert bench.cancelled_at == expected


def test_kayenta_lets_a_good_release_through_in_three_canaries() -> None:
    """Three hours each, and the rest is not judged."""
    bench = Bench(Kayenta(), 1000, fails=lambda device: device >= 500).play(620)

    assert bench.plateaus == [10, 100, 500, 1000]
    assert bench.cancelled_at is None
    assert len([batch for batch in bench.notified_by_minute[:540] if batch]) == 3


# Alarms, and what heeds them.


@pytest.mark.parametrize(
    ("measured", "goes_off"),
    [
        ({}, False),
        ({6: (95, 5)}, False),
        ({6: (94, 6)}, True),
        ({4: (0, 9), 6: (95, 5)}, False),
        ({9: (0, 1)}, True),
    ],
)
def test_an_alarm_looks_at_its_newest_whole_period(measured: Measured, *, goes_off: bool) -> None:
    """More than the threshold within minutes 5 to 9; without outcomes it is silent."""
    alarm = Alarm(5.0, 5)

    assert alarm.goes_off(outcomes_at(measured).sight(10)) is goes_off
    assert alarm.goes_off(outcomes_at(measured).sight(14)) is goes_off


@pytest.mark.parametrize(("breaching", "goes_off"), [(2, False), (3, True)])
def test_an_alarm_takes_as_many_breaches_as_it_is_told(breaching: int, *, goes_off: bool) -> None:
    """Three of the last five periods, with gaps between them."""
    alarm = Alarm(11.0, 1, periods=5, datapoints_to_alarm=3)
    measured = {5 + 2 * each: (0, 1) for each in range(breaching)} | {2: (0, 1), 3: (0, 1)}

    assert alarm.goes_off(outcomes_at(measured).sight(10)) is goes_off


def test_the_sample_cancels_on_its_alarm_and_keeps_its_criterion() -> None:
    """Its rate and criterion stand from the beginning; three bad minutes cancel."""
    orders = orders_for(AlarmCancel(), {4: (9, 1), 5: (8, 2), 6: (8, 2), 7: (8, 2)}, 9)

    assert orders[0].rate_per_minute == 100
    assert orders[0].criteria == (AbortCriterion(FailureType.ALL, 11.0, 1),)
    assert minute_of_cancel(orders) == 8
    assert orders[9].cancel


@pytest.mark.parametrize(
    ("rule", "plateaus", "minutes"),
    [
        (APPCONFIG_LINEAR, [200, 400, 600, 800, 1000], 40),
        (CODEDEPLOY_CANARY, [100, 1000], 20),
    ],
    ids=["appconfig", "codedeploy"],
)
def test_shifting_goes_by_the_clock(rule: Rule, plateaus: list[int], minutes: int) -> None:
    """Steps come at their times, though no device has answered yet."""
    bench = Bench(rule, 1000, minutes_to_end=lambda _: None).play(minutes)

    assert bench.plateaus == plateaus


def fails_from(device: int) -> Callable[[int], bool]:
    """Return what lets every device from one on fail."""
    return lambda each: each >= device


@pytest.mark.parametrize(
    ("rule", "minutes_to_end", "is_rolled_back"),
    [
        (APPCONFIG_LINEAR, 3, True),
        (APPCONFIG_LINEAR, 24, True),
        (APPCONFIG_LINEAR, 34, False),
        (CODEDEPLOY_CANARY, 3, False),
    ],
    ids=["appconfig", "appconfig-bake", "appconfig-after", "codedeploy"],
)
def test_an_alarm_counts_until_the_bake_time_is_over(
    rule: Rule, minutes_to_end: int, *, is_rolled_back: bool
) -> None:
    """AppConfig heeds it for half an hour after the last step, CodeDeploy is done with that."""
    bench = Bench(rule, 1000, fails=fails_from(800), minutes_to_end=lambda _: minutes_to_end).play(
        90
    )

    assert (bench.cancelled_at is not None) is is_rolled_back
    assert bench.notified == 1000


def test_shifting_is_rolled_back_by_a_bad_first_step() -> None:
    """Failures that are faster than the next step stop it."""
    bench = Bench(CODEDEPLOY_CANARY, 1000, fails=lambda _: True, minutes_to_end=lambda _: 1)

    assert bench.play(60).cancelled_at == 5
    assert bench.notified == 100
