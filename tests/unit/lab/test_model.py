"""One job in virtual time: no device is lost, and each does what its fleet says."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng

from tests.unit.lab.scripted import (
    FAILED,
    PLAIN,
    REJECTED,
    ROTTEN,
    SOUND,
    TIMED_OUT,
    failing,
)
from tidegate.lab.behaviours import AWS_LIKE, Behaviours, Spacing
from tidegate.lab.delays import Exponential, Fixed, LogNormal, QuantileTable, Uniform
from tidegate.lab.fates import BAD, BASE, START_HORIZON_MINUTES
from tidegate.lab.fleet import Cohort, Drift, FailureKind, Fleet, Offline
from tidegate.lab.model import LATE_AFTER_MINUTES, CountedJob
from tidegate.lab.rule import LATE, PROMPT, Sight

MIXED = Fleet(
    name="mixed",
    size=20_000,
    timeout_minutes=45,
    start=Exponential(1.5),
    success=LogNormal(12, 0.8),
    failures=failing(
        0.3,
        FailureKind(FAILED, 0.4, LogNormal(12, 0.5)),
        FailureKind(TIMED_OUT, 0.4),
        FailureKind(REJECTED, 0.2, Exponential(3)),
    ),
    offline=Offline(0.2, QuantileTable((0, 0.5, 0.9), (0, 60, 400)), 0.4),
    cohorts=(Cohort("a", 0.1, 0.9), Cohort("b", 0.3), Cohort("c", 0.2)),
    drift=(Drift(0.5, 0.6),),
)


def job_of(
    fleet: Fleet, *, seed: int = 1, behaviours: Behaviours = AWS_LIKE, minutes_max: int = 4000
) -> CountedJob:
    """Return a job that nothing has happened to."""
    return CountedJob(fleet, behaviours, default_rng(seed), minutes_max=minutes_max)


def play(job: CountedJob, minutes: int, rate_per_minute: int = 0) -> Sight:
    """Let minutes pass, each with its batch, and return what is known then."""
    for _ in range(minutes):
        job.arrive()
        job.notify(rate_per_minute)
        job.pass_minute()
    job.arrive()
    return job.sight()


def assert_nobody_is_lost(job: CountedJob, fleet: Fleet) -> None:
    """Every device is in exactly one place, and every count of it says the same."""
    sight = job.sight()
    known = sight.succeeded + sight.failed + sight.timed_out
    places = [
        job.awaited,
        job.unreachable,
        job.in_flight,
        int(known.sum()),
        int(sight.rejected.sum()),
        job.canceled,
    ]
    assert min(places) >= 0
    assert sum(places) == job.notified == sight.notified.sum()
    assert job.started == sight.started.sum() == known.sum() + job.in_flight
    assert (known <= sight.started).all()
    assert (sight.notified.sum(axis=1) <= fleet.cohort_sizes).all()
    assert job.outcomes.tolist() == [
        sight.succeeded.sum(),
        sight.failed.sum(),
        sight.timed_out.sum(),
        sight.rejected.sum(),
    ]


@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize("seed", range(3))
def test_every_device_is_in_exactly_one_place(retries: int, seed: int) -> None:
    """Whatever happens, at any minute a device waits, works, has an outcome, or is canceled."""
    fleet = replace(MIXED, retries=retries, failures=replace(MIXED.failures, mended=0.3))
    job = job_of(fleet, seed=seed)
    for minute in range(40):
        play(job, 3, rate_per_minute=100)
        if minute == 20:
            job.quarantine(frozenset({1}))
        if minute == 35:
            job.stop()
        assert_nobody_is_lost(job, fleet)
    play(job, 300)
    assert_nobody_is_lost(job, fleet)
    assert job.in_flight == 0
    assert job.harmed.sum() == job.outcomes[1:].sum()


def test_a_whole_rollout_ends_with_an_outcome_for_everybody() -> None:
    """Left alone, a job notifies the whole fleet, and whoever starts comes to an end."""
    job = job_of(MIXED)
    play(job, START_HORIZON_MINUTES + 200, rate_per_minute=500)

    assert_nobody_is_lost(job, MIXED)
    assert job.left == job.awaited == job.in_flight == 0
    assert job.notified == MIXED.size
    assert job.unreachable / MIXED.size == pytest.approx(0.1 * 0.2, abs=0.005)
    assert job.promised == job.outcomes[0]


def test_plain_devices_do_as_they_are_told_to_the_minute() -> None:
    """Started at once, they have succeeded ten minutes later, and failed five minutes later."""
    job = job_of(PLAIN)
    play(job, 1, rate_per_minute=1000)
    assert (job.started, job.in_flight) == (1000, 1000)
    play(job, 4)
    assert job.outcomes.sum() == 0, "the sixth minute has not passed"
    sight = play(job, 1)
    failed = int(sight.failed.sum())
    assert job.outcomes.tolist() == [0, failed, 0, 0]
    assert sight.arrived[1].tolist() == [0, 0, 0, 0, 0, failed]
    sight = play(job, 5)
    assert job.outcomes.tolist() == [1000 - failed, failed, 0, 0]
    assert sight.succeeded[0, PROMPT, 0] == 1000 - failed, "told by the minute of the start"


@pytest.mark.parametrize("rate", [0.005, 0.2, 0.6, 1.0])
def test_failures_are_as_frequent_as_the_fleet_says(rate: float) -> None:
    """The share of devices that end in failure is the rate, within what chance allows."""
    fleet = replace(PLAIN, size=100_000, failures=failing(rate))
    job = job_of(fleet)
    play(job, 120, rate_per_minute=1000)

    spread = (rate * (1 - rate) / fleet.size) ** 0.5
    assert job.harmed.sum() / fleet.size == pytest.approx(rate, abs=4 * spread + 1e-12)
    assert job.outcomes[1] == job.harmed.sum()


def test_kinds_of_failure_have_their_shares() -> None:
    """Three tenths report, half go silent until the timeout, and a fifth reject."""
    kinds = (
        FailureKind(FAILED, 0.3, Fixed(5)),
        FailureKind(TIMED_OUT, 0.5),
        FailureKind(REJECTED, 0.2, Fixed(2)),
    )
    job = job_of(replace(PLAIN, size=50_000, failures=failing(1.0, *kinds)))
    sight = play(job, 150, rate_per_minute=1000)

    assert job.outcomes / 50_000 == pytest.approx(np.array([0, 0.3, 0.5, 0.2]), abs=0.01)
    assert job.started == 50_000 - job.outcomes[3], "who rejects does not start"
    assert sight.timed_out[0, PROMPT, :50].sum() == job.outcomes[2]
    assert sight.arrived[2, 60:110].sum() == job.outcomes[2]
    assert sight.arrived[2, :60].sum() == 0
    assert sight.rejected[0, :50].sum() == sight.arrived[3, 2:52].sum() == job.outcomes[3]


def test_who_is_slower_than_the_timeout_is_timed_out() -> None:
    """Half of the successes would take more than the timeout, so they are harm."""
    fleet = replace(SOUND, size=20_000, success=Uniform(0, 120))
    job = job_of(fleet)
    play(job, 90, rate_per_minute=1000)

    assert job.outcomes[0] / fleet.size == pytest.approx(0.5, abs=0.02)
    assert job.outcomes[2] == fleet.size - job.outcomes[0] == job.harmed.sum()


def test_a_report_of_failure_after_the_timeout_comes_too_late() -> None:
    """A device that would report FAILED after the timeout is TIMED_OUT by then."""
    job = job_of(replace(ROTTEN, failures=failing(1.0, FailureKind(FAILED, 1.0, Fixed(61)))))
    play(job, 70, rate_per_minute=1000)

    assert job.outcomes.tolist() == [0, 0, 1000, 0]


def test_timeouts_may_come_late() -> None:
    """AWS may take a while to notice that an execution's time is over."""
    rotten = replace(ROTTEN, failures=failing(1.0, FailureKind(TIMED_OUT, 1.0)))
    for lag_minutes in (0, 1, 3):
        job = job_of(rotten, behaviours=Behaviours(timeout_lag_minutes=lag_minutes))
        sight = play(job, 70, rate_per_minute=1000)
        assert np.flatnonzero(sight.arrived[2]).tolist() == [60 + lag_minutes]


def test_starts_after_half_an_hour_are_late() -> None:
    """The stratum tells when a device started, not whether it was offline."""
    fleet = replace(SOUND, size=10_000, offline=Offline(0.5, Uniform(0, 60)))
    sight = play(job_of(fleet), 75, rate_per_minute=10_000)

    late, prompt = sight.started[0, LATE], sight.started[0, PROMPT]
    assert prompt[LATE_AFTER_MINUTES:].sum() == 0
    assert late[:LATE_AFTER_MINUTES].sum() == 0
    assert late.sum() == pytest.approx(2500, abs=200)
    assert sight.succeeded[0, LATE].tolist() == late.tolist()


def test_offline_devices_may_fail_at_a_rate_of_their_own() -> None:
    """They start later, and more of them fail."""
    fleet = replace(PLAIN, size=50_000, offline=Offline(0.5, Fixed(40), 0.6))
    sight = play(job_of(fleet), 120, rate_per_minute=1000)
    failed = sight.failed.sum(axis=(0, 2)) / sight.started.sum(axis=(0, 2))

    assert failed[PROMPT] == pytest.approx(0.2, abs=0.02)
    assert failed[LATE] == pytest.approx(0.6, abs=0.02)


def test_devices_spread_over_a_minute_start_half_a_minute_later() -> None:
    """Notified all along a minute, devices start as much later on average, and end so."""
    fleet = replace(SOUND, size=200_000, start=Exponential(1.5))

    def mean_start(spacing: Spacing) -> float:
        job = job_of(fleet, behaviours=Behaviours(rollout_spacing=spacing))
        by_minute = play(job, 60, rate_per_minute=200_000).started.sum(axis=(0, 1))
        return float(by_minute @ np.arange(60) / by_minute.sum())

    assert mean_start(Spacing.EVEN) == pytest.approx(1.5, abs=0.02)
    assert mean_start(Spacing.BURST) == pytest.approx(1.0551, abs=0.02)


def test_batches_are_drawn_from_all_cohorts() -> None:
    """A batch is a random sample: cohorts are notified in proportion, to the last device."""
    fleet = replace(PLAIN, size=10_000, cohorts=(Cohort("a", 0.1), Cohort("b", 0.6)))
    job = job_of(fleet)
    half = play(job, 10, rate_per_minute=500).notified.sum(axis=1)

    assert half / 5000 == pytest.approx(np.array([0.1, 0.6, 0.3]), abs=0.03)
    whole = play(job, 10, rate_per_minute=500).notified.sum(axis=1)
    assert whole.tolist() == [1000, 6000, 3000]


def test_a_cohort_may_fail_at_a_rate_of_its_own() -> None:
    """Its failures, and only its, count as those of a bad part."""
    fleet = replace(PLAIN, size=50_000, cohorts=(Cohort("bad", 0.1, 0.9), Cohort("good", 0.1, 0.0)))
    job = job_of(fleet)
    sight = play(job, 70, rate_per_minute=1000)
    failed = sight.failed.sum(axis=(1, 2))

    assert failed / fleet.cohort_sizes == pytest.approx(np.array([0.9, 0, 0.2]), abs=0.02)
    assert job.harmed[BAD] == failed[0]
    assert job.harmed[BASE] == failed[2]


def test_a_drift_begins_with_the_device_that_it_names() -> None:
    """Devices notified before it fail at the old rate, those after it at the new one."""
    fleet = replace(SOUND, size=1000, drift=(Drift(0.25, 1.0), Drift(0.75, 0.0)))
    job = job_of(fleet)
    play(job, 20, rate_per_minute=1000)

    assert job.outcomes.tolist() == [500, 500, 0, 0], "in the middle of one batch"
    assert job.harmed.tolist() == [0, 500]


def test_the_truth_of_the_moment_is_told() -> None:
    """The failure rate of whom AWS would notify next follows cohorts, offline shares and drift."""
    fleet = replace(
        PLAIN,
        cohorts=(Cohort("bad", 0.5, 0.6),),
        offline=Offline(0.5, Fixed(1), 0.4),
        drift=(Drift(0.5, 1.0),),
    )
    job = job_of(fleet)
    truth = pytest.approx(0.5 * 0.6 + 0.5 * (0.5 * 0.2 + 0.5 * 0.4))
    assert job.failure_rate == truth
    job.quarantine(frozenset({0}))
    assert job.failure_rate == truth, "AWS notifies who is quarantined as well"
    job.notify(1000)
    assert np.isnan(job.failure_rate), "nobody is left"


def test_a_stop_cancels_who_waits_and_leaves_who_works() -> None:
    """What has started runs on, and its failures are harm; nothing else starts any more."""
    fleet = replace(ROTTEN, offline=Offline(0.5, Fixed(20)))
    job = job_of(fleet)
    play(job, 3, rate_per_minute=200)
    started = job.started
    job.stop()

    assert (job.left, job.awaited) == (0, 0)
    assert job.canceled == 600 - started
    assert (job.in_flight, job.outcomes.sum()) == (started, 0)
    assert job.harmed.sum() == started
    play(job, 60, rate_per_minute=200)
    assert (job.notified, job.started) == (600, started)
    assert job.outcomes.tolist() == [0, started, 0, 0]
    assert job.harmed.sum() == started


def test_a_quarantine_cancels_who_waits_of_one_cohort_only() -> None:
    """Those at work run on; AWS notifies the others of it too, and who is quick begins."""
    fleet = replace(PLAIN, start=Uniform(0, 10), cohorts=(Cohort("a", 0.5), Cohort("b", 0.5)))
    job = job_of(fleet)
    before = play(job, 4, rate_per_minute=100)
    started = int(before.started[0].sum())
    notified = int(before.notified[0].sum())
    job.quarantine(frozenset({0}))

    assert job.sight().canceled.tolist() == [notified - started, 0]
    after = play(job, 60, rate_per_minute=100)
    assert after.notified.sum(axis=1).tolist() == [500, 500]
    begun = 500 - int(after.canceled[0])
    assert begun == started + 500 - notified
    job.quarantine(frozenset({0}))
    assert job.sight().canceled.tolist() == [500 - begun, 0], "nobody of them waits any more"
    assert after.started.sum(axis=(1, 2)).tolist() == [begun, 500]
    ended = after.succeeded + after.failed
    assert ended.sum(axis=(1, 2)).tolist() == [begun, 500]
    assert job.startable == job.settled[1] == 500


def test_a_quarantine_holds_back_rejections_too() -> None:
    """Who has not rejected yet is canceled, and neither rejects nor counts as harm."""
    rejecting = failing(1.0, FailureKind(REJECTED, 1.0, Fixed(10)))
    fleet = replace(ROTTEN, failures=rejecting, cohorts=(Cohort("a", 0.5), Cohort("b", 0.5)))
    job = job_of(fleet)
    play(job, 5, rate_per_minute=1000)
    job.quarantine(frozenset({0}))
    play(job, 30)

    assert job.sight().canceled.tolist() == [500, 0]
    assert job.outcomes.tolist() == [0, 0, 0, 500]
    assert job.harmed.sum() == 500
    assert_nobody_is_lost(job, fleet)


def test_who_is_notified_after_a_quarantine_rejects_unless_it_comes_again() -> None:
    """What was canceled stays so; those notified since are not, before the next look at them."""
    rejecting = failing(1.0, FailureKind(REJECTED, 1.0, Fixed(10)))
    fleet = replace(ROTTEN, failures=rejecting, cohorts=(Cohort("a", 0.5), Cohort("b", 0.5)))
    job = job_of(fleet)
    play(job, 5, rate_per_minute=100)
    waiting = int(job.sight().notified[0].sum())
    job.quarantine(frozenset({0}))
    play(job, 30, rate_per_minute=100)

    assert job.sight().canceled.tolist() == [waiting, 0]
    assert job.outcomes.tolist() == [0, 0, 0, 1000 - waiting]
    assert_nobody_is_lost(job, fleet)


def test_retries_are_executions_of_one_device() -> None:
    """Three attempts of each device are three failures to AWS, and one to whom devices count."""
    job = job_of(replace(ROTTEN, retries=2))
    play(job, 30, rate_per_minute=1000)

    assert job.counters(attempts=True).failed == 3000
    assert job.counters(attempts=False).failed == 1000
    assert job.outcomes.tolist() == [0, 1000, 0, 0]
    assert np.flatnonzero(job.sight().arrived[1]).tolist() == [5, 10, 15]
    assert job.sight().failed[0, PROMPT, 0] == 1000, "told by the first start"
    assert job.harmed.sum() == 1000


def test_a_retry_mends_a_share_of_failures() -> None:
    """With half of the retries successful, two retries leave a quarter of the failures."""
    fleet = replace(ROTTEN, size=40_000, retries=2, failures=replace(failing(1.0), mended=0.5))
    job = job_of(fleet)
    play(job, 80, rate_per_minute=1000)

    assert job.outcomes / fleet.size == pytest.approx(np.array([0.75, 0.25, 0, 0]), abs=0.02)
    assert job.harmed.sum() == job.outcomes[1]
    assert job.counters(attempts=True).failed / fleet.size == pytest.approx(
        1 + 0.5 + 0.25, abs=0.02
    )


def test_nothing_is_retried_after_a_stop() -> None:
    """A device whose attempt fails then is harmed, though a retry would have mended it."""
    fleet = replace(ROTTEN, retries=1, failures=replace(failing(1.0), mended=1.0))
    job = job_of(fleet)
    play(job, 2, rate_per_minute=500)
    assert job.harmed.sum() == 0, "all would be mended"
    job.stop()
    assert job.harmed.sum() == 1000
    play(job, 30)
    assert job.outcomes.tolist() == [0, 1000, 0, 0]
    assert job.harmed.sum() == 1000


def test_rejections_are_not_retried() -> None:
    """A device that rejects says that it does not want to be asked again."""
    rejecting = failing(1.0, FailureKind(REJECTED, 1.0))
    job = job_of(replace(ROTTEN, failures=rejecting, retries=3))
    play(job, 10, rate_per_minute=1000)

    assert job.counters().rejected == 1000
    assert job.started == 0


def test_what_a_rule_sees_cannot_be_written_to() -> None:
    """A rule cannot change what happened by mistake."""
    sight = play(job_of(PLAIN), 3, rate_per_minute=10)

    for counts in (sight.notified, sight.started, sight.failed, sight.arrived, sight.canceled):
        with pytest.raises(ValueError, match="read-only"):
            counts += 1  # noqa: PLW2901 - on the view itself


def test_what_a_rule_sees_ends_with_the_minute_before() -> None:
    """At the beginning of a minute, nothing of that minute is known."""
    job = job_of(PLAIN)
    assert job.sight().notified.shape == (1, 0)
    sight = play(job, 3, rate_per_minute=10)

    assert sight.minute == 3
    assert sight.notified.tolist() == [[10, 10, 10]]
    assert sight.started.shape == sight.timed_out.shape == (1, 2, 3)
    assert sight.arrived.shape == (4, 3)
