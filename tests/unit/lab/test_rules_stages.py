"""Stages of a rollout: their sizes, their devices, and rates that keep to them."""

import pytest

from tests.unit.lab.bench import FAILED, REJECTED, SUCCEEDED, TIMED_OUT, Bench, Log, outcomes_at
from tidegate.lab import model
from tidegate.lab.rules import stages as stages_module
from tidegate.lab.rules.mender import MenderPhases
from tidegate.lab.rules.outcomes import Tally, arrived
from tidegate.lab.rules.stages import Stages, Throttle, limits_of


@pytest.mark.parametrize(
    ("fleet_size", "percentages", "limits"),
    [
        (1000, (1, 10, 40, 100), (10, 100, 400, 1000)),
        (1055, (10, 100), (105, 1055)),
        (10, (1, 10, 50, 100), (1, 2, 5, 10)),
        (2, (1, 10, 100), (1, 2, 2)),
    ],
)
def test_stages_are_cut_by_whole_devices(
    fleet_size: int, percentages: tuple[int, ...], limits: tuple[int, ...]
) -> None:
    """Shares are rounded down, no stage is empty while there are devices, none is lost."""
    assert limits_of(fleet_size, percentages) == limits


@pytest.mark.parametrize("is_used_at_once", [False, True])
@pytest.mark.parametrize("first", [1, 2, 10, 30])
def test_a_stage_has_its_devices_and_no_more(first: int, is_used_at_once: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """Whether AWS uses an order in its own minute or the next, a limit is never passed."""
    rule = MenderPhases(percentages=(first, 100), delays_minutes=(20,))
    bench = Bench(rule, 8000, is_used_at_once=is_used_at_once).play(60)

    assert sum(bench.notified_by_minute[:20]) == 8000 * first // 100
    assert bench.notified == 8000


def test_the_first_batch_is_whole() -> None:
    """A stage that one batch can hold is notified by one, however AWS uses the first order."""
    throttle, log = Throttle(), Log()

    assert throttle.rate_up_to(1000, log.sight(0)) == 0
    assert throttle.rate_up_to(1000, log.sight(1)) == 1000
    log.notify(1000, 2)
    assert throttle.rate_up_to(1000, log.sight(2)) == 0


def test_nothing_is_waited_for_where_two_batches_fit() -> None:
    """A great first stage begins in the first minute."""
    assert Throttle().rate_up_to(2000, Log().sight(0)) == 1000


def test_time_runs_from_the_batch_that_fills_a_stage() -> None:
    """A bake time begins with the last device's notification, not before."""
    stages, log = Stages((100, 1000)), Log()
    log.notify(60, 2)
    log.notify(40, 5)

    assert stages.minutes_since_notified(log.sight(5)) is None
    assert stages.minutes_since_notified(log.sight(6)) == 1
    assert not stages.has_next_after(log.sight(14), 10)
    assert stages.has_next_after(log.sight(15), 10)


def test_the_last_stage_has_no_next() -> None:
    """Once every stage is open, no time opens another."""
    stages, log = Stages((10,)), Log()
    log.notify(10)

    assert stages.minutes_since_notified(log.sight(500)) == 500
    assert not stages.has_next_after(log.sight(500), 0)


def test_outcomes_belong_to_the_stage_of_their_device() -> None:
    """Prompt starts count to the stage under way, late ones to that of half an hour before."""
    stages, log = Stages((100, 1000)), Log()
    log.notify(100, 0)
    log.notify(900, 40)
    stages.open_next(log.sight(40))
    log.end(SUCCEEDED, 50, started=1, at=9)
    log.end(FAILED, 2, started=39, at=50)
    log.end(SUCCEEDED, 7, started=41, at=50)
    log.end(TIMED_OUT, 3, started=69, at=130, late=True)
    log.end(SUCCEEDED, 5, started=70, at=80, late=True)
    log.end(REJECTED, 4, started=0, at=60)
    log.end(REJECTED, 6, started=40, at=60)

    sight = log.sight(200)
    assert stages.tally(sight, 0) == Tally(ended=50 + 2 + 3 + 4, harmed=2 + 3 + 4)
    assert stages.tally(sight, 1) == Tally(ended=7 + 5 + 6, harmed=6)


def test_a_stage_that_nobody_was_notified_of_has_no_outcomes() -> None:
    """Opening a stage moves no device into it."""
    stages, log = Stages((100, 1000)), Log()
    log.notify(100, 0)
    stages.open_next(log.sight(5))
    log.end(SUCCEEDED, 30, started=1, at=4)
    log.end(FAILED, 3, started=6, at=8)

    assert stages.tally(log.sight(10), 0) == Tally(33, 3)
    assert stages.tally(log.sight(10), 1) == Tally(0, 0)


def test_the_halves_of_the_lab_agree_on_what_is_late() -> None:
    """Rules know late devices by the same delay as the fleet that they look at."""
    assert stages_module.LATE_AFTER_MINUTES == model.LATE_AFTER_MINUTES


def test_a_measurement_is_what_arrived_in_its_minutes() -> None:
    """The first minute counts, the last does not; all but successes are harm."""
    log = outcomes_at({3: (10, 1), 4: (20, 2), 5: (40, 4)})
    log.end(TIMED_OUT, 5, started=0, at=4)
    log.end(REJECTED, 6, started=0, at=4)

    assert arrived(log.sight(9), 4, 5) == Tally(33, 13)
    assert arrived(log.sight(9)) == Tally(88, 18)
    assert arrived(log.sight(9), -3, 4) == Tally(11, 1)
    assert arrived(log.sight(9), 6).harmed_share == 0.0


def test_whole_percentages_are_exact() -> None:
    """Limits of whole percents are met exactly, without a rounding error in between."""
    assert all(Tally(100, percent).harmed_percent == percent for percent in range(101))
