"""A trial tells how a rollout went, from the job's creation to its end, and can be repeated."""

from collections.abc import Callable
from dataclasses import fields, replace
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest

from tests.unit.lab.scripted import (
    FAILED,
    PLAIN,
    REJECTED,
    ROTTEN,
    SOUND,
    TIMED_OUT,
    Scripted,
    at_rate,
    failing,
)
from tidegate.domain.settings import AbortCriterion, ExponentialRate, FailureType
from tidegate.lab.behaviours import (
    Behaviours,
    Comparison,
    Denominator,
    Minimum,
    Rounding,
    Spacing,
)
from tidegate.lab.delays import Exponential, Fixed, LogNormal, QuantileTable, Uniform
from tidegate.lab.fleet import Cohort, Drift, FailureKind, Fleet, Offline
from tidegate.lab.rule import Order, Rule, Sight
from tidegate.lab.rules.native import CONSTANT, CONSTANT_ABORTING, EXPONENTIAL
from tidegate.lab.scenarios import SCENARIOS
from tidegate.lab.trial import STALLED_MINUTES_MAX, Trial, dead_man, run

BAD = SCENARIOS["bad-20"].with_size(20_000)

TENTH = AbortCriterion(FailureType.ALL, 10.0, 100)


def mean_of(trials: list[Trial], figure: Callable[[Trial], float]) -> tuple[float, float]:
    """Return the mean of a figure and its standard error."""
    values = [figure(trial) for trial in trials]
    return mean(values), stdev(values) / len(values) ** 0.5


def runs(fleet: Fleet, rule: Rule, count: int) -> list[Trial]:
    """Return trials of the first seeds."""
    return [run(fleet, rule, seed) for seed in range(count)]


def canceling_at(minute: int, rate_per_minute: int = 100) -> Scripted:
    """Return a rule that cancels in a minute."""
    return Scripted(lambda sight: Order(rate_per_minute, cancel=sight.minute >= minute))


def test_a_trial_can_be_repeated() -> None:
    """The same seed gives the same trial, minute by minute; another seed another one."""
    one, again = (run(BAD, EXPONENTIAL, 7, with_trace=True) for _ in range(2))

    assert one == again
    assert one.trace is not None
    assert again.trace is not None
    for each in fields(one.trace):
        a, b = getattr(one.trace, each.name), getattr(again.trace, each.name)
        assert np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b
    assert replace(run(BAD, EXPONENTIAL, 8), seed=7) != one


def test_a_trace_changes_nothing() -> None:
    """Keeping every minute draws no chance."""
    for rule in (CONSTANT, CONSTANT_ABORTING, EXPONENTIAL):
        assert run(BAD, rule, 3, with_trace=True) == run(BAD, rule, 3)


# Figures known from elsewhere, at 100,000 devices. Ticks may be a minute apart.


def test_a_constant_rate_harms_a_fifth_of_what_starts() -> None:
    """Without abort criteria, a release that fails on 20 % fails on 20 % of who took it up."""
    trials = runs(SCENARIOS["bad-20"], CONSTANT, 6)
    share, error = mean_of(trials, lambda trial: trial.harmed / trial.started)
    harmed, _ = mean_of(trials, lambda trial: trial.harmed)

    assert share == pytest.approx(0.2, abs=4 * error)
    assert harmed == pytest.approx(19_041, abs=150)
    assert all(trial.minutes_to_finish == 100 and not trial.stopped for trial in trials)


def test_an_abort_at_a_fifth_stops_a_very_bad_release_late() -> None:
    """At 1000 a minute, a release that fails on 60 % is stopped after a quarter of an hour."""
    trials = runs(SCENARIOS["bad-60"], CONSTANT_ABORTING, 30)
    harmed, error = mean_of(trials, lambda trial: trial.harmed)

    assert harmed == pytest.approx(8196, abs=4 * error)
    assert all(trial.stopped_by == "native" for trial in trials)
    assert mean_of(trials, lambda trial: trial.minutes)[0] == pytest.approx(15.5, abs=1.5)


def test_a_growing_rate_is_stopped_when_most_of_the_harm_is_done() -> None:
    """Doubled at each 1000 notified, it is stopped once failures outrun successes."""
    trials = runs(SCENARIOS["bad-20"], EXPONENTIAL, 10)
    harmed, error = mean_of(trials, lambda trial: trial.harmed)

    assert harmed == pytest.approx(13_908, abs=4 * error + 20)
    assert mean_of(trials, lambda trial: trial.minutes)[0] == pytest.approx(110.5, abs=1.5)


def test_a_million_devices_are_played_to_the_end() -> None:
    """The largest rollout takes as long as its rate says, and most devices succeed on the way."""
    trial = run(SCENARIOS["good"].with_size(1_000_000), CONSTANT, 1)

    assert trial.minutes_to_finish == 1000
    assert trial.minutes_to_95 == pytest.approx(985, abs=10)
    assert trial.harmed == pytest.approx(0.005 * trial.started, abs=400)


# What stops a rollout, and what is counted then.


def test_a_rule_stops_a_rollout() -> None:
    """Nothing is notified from the minute of the cancel on; who is at work counts by fate."""
    trial = run(ROTTEN, canceling_at(3), 1)

    assert (trial.stopped_by, trial.minutes_to_stop, trial.exposed) == ("rule", 3, 300)
    assert trial.harmed == 300, "though none has failed yet"
    assert not trial.finished


def test_aws_stops_a_rollout_on_exactly_the_minute() -> None:
    """A hundred devices a minute fail after five: with the first outcomes the criterion is met."""
    trial = run(ROTTEN, Scripted(lambda _: Order(100, criteria=(TENTH,))), 1)

    assert (trial.stopped_by, trial.minutes_to_stop, trial.exposed) == ("native", 6, 600)


def test_a_rule_is_not_asked_once_aws_has_stopped_the_job() -> None:
    """A cancel after the abort is too late to be the one that stopped it."""
    asked: list[int] = []

    def decide(sight: Sight) -> Order:
        asked.append(sight.minute)
        return Order(100, criteria=(TENTH,), cancel=sight.minute >= 6)

    assert run(ROTTEN, Scripted(decide), 1).stopped_by == "native"
    assert asked == list(range(6))


def test_a_quarantine_is_not_a_stop() -> None:
    """All of the fleet is notified; who waits of the cohort is canceled every other minute."""
    fleet = replace(
        PLAIN, start=Uniform(0, 4), cohorts=(Cohort("a", 0.5, 0.9), Cohort("b", 0.5, 0.0))
    )

    def decide(sight: Sight) -> Order:
        return Order(100, quarantine=frozenset({0} if sight.minute == 2 else ()))

    trial = run(fleet, Scripted(decide), 1)

    assert trial.quarantined == ("a",)
    assert not trial.stopped
    assert (trial.exposed, trial.minutes_to_finish) == (1000, 10)
    assert 600 < trial.started < 800, "half of the cohort starts within two minutes at most"
    assert trial.harmed_until_apart is not None
    assert 0 < trial.harmed_until_apart < 0.9 * 100 < trial.harmed
    assert run(fleet, CONSTANT, 1).harmed_until_apart is None
    assert trial.minutes_to_95 is not None, "of those that are not quarantined"
    assert trial.harmed == trial.harmed_beyond_base > 0


def test_a_fleet_that_is_quarantined_whole_is_not_finished() -> None:
    """Whoever is notified, none of it was meant to be."""
    trial = run(PLAIN, Scripted(lambda _: Order(10, quarantine=frozenset({0}))), 1)

    assert (trial.exposed, trial.finished, trial.stopped) == (1000, False, False)


def test_harm_beyond_base_is_that_of_the_bad_part() -> None:
    """With a bad cohort or a drift, the failures of all others are set aside."""
    cohort = replace(PLAIN, size=10_000, cohorts=(Cohort("a", 0.1, 1.0),))
    drift = replace(PLAIN, size=10_000, drift=(Drift(0.9, 1.0),))
    better = replace(PLAIN, size=10_000, cohorts=(Cohort("a", 0.1, 0.0),))

    assert run(cohort, CONSTANT, 1).harmed_beyond_base == 1000
    assert run(drift, CONSTANT, 1).harmed_beyond_base == 1000
    assert run(drift, canceling_at(1), 1).harmed_beyond_base == 0, "it never came to that"
    trial = run(better, CONSTANT, 1)
    assert trial.harmed_beyond_base == trial.harmed > 0


def test_rejections_are_harm() -> None:
    """A device that rejects a release is one that the release failed on."""
    rejecting = failing(1.0, FailureKind(REJECTED, 1.0))

    assert run(replace(ROTTEN, failures=rejecting), CONSTANT, 1).harmed == 1000


# How a rollout ends otherwise.


def test_a_rollout_ends_once_everybody_has_an_outcome() -> None:
    """With the last outcome there is nothing left to wait for."""
    trial = run(SOUND, at_rate(100), 1)

    assert (trial.minutes_to_finish, trial.minutes) == (10, 20)
    assert (trial.harmed, trial.exposed) == (0, 1000)


def test_a_rollout_is_settled_once_nearly_all_have_an_outcome() -> None:
    """Offline devices that take days are not waited for; the timeout of the last batch is."""
    slow = replace(PLAIN, offline=Offline(0.04, Uniform(1000, 2000)))
    slower = replace(slow, offline=Offline(0.2, Uniform(1000, 2000)))

    assert run(slow, at_rate(100), 1).minutes == 10 + 60
    assert run(slower, at_rate(100), 1).minutes > 1500


def test_success_of_95_percent_may_come_after_the_end() -> None:
    """It is told though the rest had settled before, and None where it can never be."""
    fleet = replace(SOUND, failures=failing(0.045), offline=Offline(0.06, Fixed(500)))
    trial = run(fleet, at_rate(100), 1)

    assert 500 < trial.minutes < 520
    assert trial.minutes_to_95 is not None
    assert trial.minutes <= trial.minutes_to_95 <= 520
    early = replace(fleet, offline=Offline(0.045, Fixed(500)), failures=failing(0.02))
    later = run(early, at_rate(100), 1)
    assert later.minutes == 70
    assert later.minutes_to_95 is not None
    assert later.minutes_to_95 > 500
    assert run(PLAIN, at_rate(100), 1).minutes_to_95 is None


def test_devices_that_never_start_are_none_of_the_95_percent() -> None:
    """Of a fleet of which a fifth is dead, the living are all there is."""
    fleet = replace(SOUND, offline=Offline(0.2, QuantileTable((0.0, 0.01), (0.0, 1.0))))
    trial = run(fleet, at_rate(100), 1)

    assert trial.minutes_to_95 == 20
    assert trial.minutes == 20


def test_a_rollout_that_is_paused_for_good_is_given_up() -> None:
    """Nothing happens any more: it has neither finished nor been stopped."""
    pausing = Scripted(lambda sight: Order(100 if sight.minute < 3 else 0))
    trial = run(PLAIN, pausing, 1)

    assert not trial.finished
    assert not trial.stopped
    assert STALLED_MINUTES_MAX < trial.minutes < STALLED_MINUTES_MAX + 30
    assert trial.exposed == 300


def test_a_day_of_waiting_is_no_standstill() -> None:
    """A rule may let a release bake for a day before it goes on."""
    baking = Scripted(lambda sight: Order(0 if 1 <= sight.minute < 1440 else 500))

    assert run(PLAIN, baking, 1).finished


def test_a_trial_has_a_last_minute() -> None:
    """A rate that would take years is looked at no longer than asked for."""
    trial = run(PLAIN.with_size(100_000), at_rate(1), 1, minutes_max=50)

    assert (trial.minutes, trial.exposed, trial.finished) == (50, 50, False)


def test_acceptance_is_the_first_mark_of_it() -> None:
    """The minute at which a rule first marks the release as accepted is told."""
    accepting = Scripted(lambda sight: Order(100, marks={"accepted": sight.minute in {4, 6}}))

    assert run(PLAIN, accepting, 1).minutes_to_acceptance == 4
    assert run(PLAIN, at_rate(100), 1).minutes_to_acceptance is None


# When nobody runs the rule any more.


def test_what_was_ordered_last_stands_once_the_orchestrator_stops() -> None:
    """The rule is asked up to that minute, and its rate and criteria go on without it."""
    asked: list[int] = []

    def decide(sight: Sight) -> Order:
        asked.append(sight.minute)
        return Order(10 + sight.minute, criteria=(TENTH,))

    trial = run(ROTTEN, Scripted(decide), 1, orchestrator_stops_at=4)

    assert asked == [0, 1, 2, 3]
    assert trial.stopped_by == "native"
    exposed = 10 + 11 + 12 + 13 * (trial.minutes - 3)
    assert trial.exposed == exposed, "the last order goes on without anybody"


def test_the_first_order_creates_the_job() -> None:
    """An orchestrator that dies at once has still created the job."""
    assert run(PLAIN, at_rate(100), 1, orchestrator_stops_at=0).finished


def test_a_cancel_under_way_is_carried_out_by_aws() -> None:
    """CancelJob was called: it takes effect though the orchestrator is gone by then."""
    lagging = Behaviours(cancel_lag_minutes=5)
    trial = run(ROTTEN, canceling_at(2), 1, behaviours=lagging, orchestrator_stops_at=3)

    assert (trial.stopped_by, trial.minutes_to_stop, trial.exposed) == ("rule", 7, 700)


def test_a_dead_man_dies_somewhere_in_the_rollout() -> None:
    """The moment is drawn from the seed, over the whole life of the rollout."""
    lives: list[list[int]] = []

    def decide(sight: Sight) -> Order:
        if not sight.minute:
            lives.append([])
        lives[-1].append(sight.minute)
        return Order(10)

    rule, fleet = Scripted(decide), SOUND.with_size(100)
    trials = [dead_man(fleet, rule, seed) for seed in range(50)]
    live, dead = lives[::2], lives[1::2]
    shares = [len(asked) / len(whole) for asked, whole in zip(dead, live, strict=True)]

    assert mean(shares) == pytest.approx(0.5, abs=0.15)
    assert min(shares) < 0.15
    assert max(shares) > 0.85
    assert trials[0] == dead_man(fleet, rule, 0)


def test_a_native_rule_has_nobody_to_die() -> None:
    """AWS carries it out alone, so it goes as it goes."""
    assert dead_man(BAD, EXPONENTIAL, 5) == run(BAD, EXPONENTIAL, 5)
    stopped = run(BAD, EXPONENTIAL, 5, orchestrator_stops_at=1)
    assert stopped == run(BAD, EXPONENTIAL, 5)


# What AWS's documents leave open.

SWITCHED: list[dict[str, Any]] = [
    {"update_lag_minutes": 1},
    {"update_resets_ladder": True},
    {"update_replaces_rollout_object": False},
    {"rate_rounding": Rounding.CEILING},
    {"abort_denominator": Denominator.REPORTED_AND_CANCELED},
    {"abort_compare": Comparison.MORE_THAN},
    {"abort_counts_attempts": False},
    {"abort_minimum_counts": Minimum.NOTIFIED},
    {"abort_lag_minutes": 9},
    {"cancel_lag_minutes": 9},
]


@pytest.mark.parametrize("switch", SWITCHED, ids=str)
def test_a_switch_changes_nothing_where_what_it_is_about_does_not_occur(
    switch: dict[str, Any],
) -> None:
    """A constant rate without criteria, updates or cancels goes the same way for every switch."""
    assert run(BAD, CONSTANT, 4, behaviours=Behaviours(**switch)) == run(BAD, CONSTANT, 4)


def test_lags_let_the_rollout_go_on_for_a_while() -> None:
    """Until the abort or the cancel takes effect, devices are notified as before."""
    aborting = Scripted(lambda _: Order(100, criteria=(TENTH,)))
    abort = run(ROTTEN, aborting, 1, behaviours=Behaviours(abort_lag_minutes=3))
    cancel = run(ROTTEN, canceling_at(3), 1, behaviours=Behaviours(cancel_lag_minutes=3))

    assert (abort.stopped_by, abort.minutes_to_stop, abort.exposed) == ("native", 9, 900)
    assert (cancel.stopped_by, cancel.minutes_to_stop, cancel.exposed) == ("rule", 6, 600)
    assert run(ROTTEN, canceling_at(3), 1, behaviours=Behaviours(abort_lag_minutes=9)).minutes == 3


def test_an_update_that_lags_is_a_minute_behind() -> None:
    """A rate raised in minute 2 is that of minute 2, or of minute 3."""
    raising = Scripted(lambda sight: Order(10 if sight.minute < 2 else 100))
    in_time = run(SOUND, raising, 1, with_trace=True)
    lagging = run(SOUND, raising, 1, behaviours=Behaviours(update_lag_minutes=1), with_trace=True)
    assert in_time.trace is not None
    assert lagging.trace is not None

    assert in_time.trace.rate_per_minute[:5].tolist() == [10, 10, 100, 100, 100]
    assert lagging.trace.rate_per_minute[:5].tolist() == [10, 10, 10, 100, 100]


def test_whether_attempts_count_decides_when_aws_aborts() -> None:
    """A retry that mends is a failure and a success to AWS, or a success only."""
    fleet = replace(PLAIN, retries=1, failures=replace(failing(0.3), mended=1.0))
    aborting = Scripted(
        lambda _: Order(1000, criteria=(replace(TENTH, threshold_percentage=20.0),))
    )

    assert run(fleet, aborting, 1).stopped_by == "native"
    by_device = Behaviours(abort_counts_attempts=False)
    assert run(fleet, aborting, 1, behaviours=by_device).stopped_by is None


def test_an_even_spacing_delays_starts_and_nothing_else() -> None:
    """Notified all along the minute, devices start later; fates and pace are the same."""
    fleet = replace(SOUND, size=20_000, start=Uniform(0, 2))
    burst = run(fleet, CONSTANT, 1, with_trace=True)
    even = run(
        fleet, CONSTANT, 1, behaviours=Behaviours(rollout_spacing=Spacing.EVEN), with_trace=True
    )
    assert burst.trace is not None
    assert even.trace is not None

    assert burst.trace.started[:2].tolist() == pytest.approx([500, 1500], abs=60)
    assert even.trace.started[:2].tolist() == pytest.approx([250, 1000], abs=60)
    assert burst.trace.notified[:20].tolist() == even.trace.notified[:20].tolist()
    assert burst.harmed == even.harmed == 0


# The trace.


def test_a_trace_tells_every_minute_to_the_last_report() -> None:
    """It goes on after a stop until who was at work has an outcome, so that all harm shows."""
    marking = Scripted(
        lambda sight: Order(
            100,
            criteria=(TENTH,) if sight.minute else (),
            cancel=sight.minute == 3,
            marks={"seen": sight.minute} if sight.minute != 1 else {},
            reasons=("start",) if sight.minute < 2 else ("go on",),
        )
    )
    trial = run(ROTTEN, marking, 1, with_trace=True)
    trace = trial.trace
    assert trace is not None

    assert trace.notified.tolist() == [100, 200, 300, 300, 300, 300, 300, 300]
    assert trace.failed.tolist() == [0, 0, 0, 0, 0, 100, 200, 300]
    assert trace.in_flight.tolist() == [100, 200, 300, 300, 300, 200, 100, 0]
    assert trace.rate_per_minute.tolist() == [100, 100, 100, 0, 0, 0, 0, 0], "stopped in minute 3"
    assert trace.failure_rate[:3].tolist() == [1, 1, 1]
    assert np.isnan(trace.failure_rate[3:]).all()
    assert trace.criteria == ((0, ()), (1, (TENTH,)))
    assert trace.marks == {"seen": [0, None, 2, 3, None, None, None, None]}
    assert trace.reasons == ((0, ("start",)), (2, ("go on",)))
    assert (trial.minutes, trial.harmed) == (3, 300)


def test_a_trace_ends_where_the_trial_does() -> None:
    """The last minute of a rollout is in the trace, and its counts are the trial's."""
    kinds = (
        FailureKind(FAILED, 0.5, LogNormal(5, 0.5)),
        FailureKind(TIMED_OUT, 0.3),
        FailureKind(REJECTED, 0.2, Exponential(2)),
    )
    fleet = replace(PLAIN, failures=failing(0.5, *kinds))
    trial = run(fleet, at_rate(100), 1, with_trace=True)
    trace = trial.trace
    assert trace is not None

    assert len(trace.notified) == trial.minutes + 1
    assert trace.notified[-1] == trial.exposed == 1000
    assert trace.started[-1] == trial.started
    harmed = trace.failed[-1] + trace.timed_out[-1] + trace.rejected[-1]
    assert harmed == trial.harmed
    assert trace.succeeded[-1] == 1000 - harmed
    assert trace.in_flight[-1] == 0
    assert all(len(getattr(trace, name)) == len(trace.notified) for name in ("rate_per_minute",))


def test_the_trace_shows_a_growing_rate() -> None:
    """The ladder of AWS is seen minute by minute: 50 a minute up to 1000 notified, then 100."""
    rate = ExponentialRate(50, 2.0, notified_things=1000)
    growing = Scripted(lambda _: Order(1000, exponential=rate), is_native=True)
    trace = run(SOUND.with_size(5000), growing, 1, with_trace=True).trace
    assert trace is not None

    assert trace.rate_per_minute[[0, 19, 20, 29, 30]].tolist() == [50, 50, 100, 100, 200]


def test_the_trace_shows_the_drift() -> None:
    """The truth that no rule is told is there for the picture."""
    fleet = replace(SOUND, drift=(Drift(0.3, 0.4),))
    trace = run(fleet, at_rate(100), 1, with_trace=True).trace
    assert trace is not None

    assert trace.failure_rate[:10].tolist() == [0, 0, 0] + [0.4] * 7
