"""hawkBit, Mender, Flight Control and nodewright: groups that follow one another."""

from dataclasses import replace

import pytest

from tests.unit.lab.bench import FAILED, SUCCEEDED, Bench, Log, plan_of
from tidegate.lab.rules.flightctl import DAY_MINUTES, FlightctlBatches
from tidegate.lab.rules.hawkbit import HAWKBIT_CANARY, HAWKBIT_GROUPS
from tidegate.lab.rules.mender import MenderPhases
from tidegate.lab.rules.nodewright import NODEWRIGHT_EXPONENTIAL, NODEWRIGHT_LINEAR, Nodewright
from tidegate.lab.rules.outcomes import Tally

# hawkBit.


@pytest.mark.parametrize(
    ("tally", "pauses", "goes_on"),
    [
        (Tally(0, 0), False, False),
        (Tally(49, 0), False, False),
        (Tally(50, 0), False, True),
        (Tally(50, 50), False, False),
        (Tally(51, 51), True, False),
        (Tally(100, 50), False, True),
        (Tally(100, 51), True, True),
    ],
)
def test_hawkbit_takes_percentages_of_the_whole_group(
    tally: Tally, *, pauses: bool, goes_on: bool
) -> None:
    """More than the error percentage pauses, the success percentage itself goes on."""
    assert HAWKBIT_GROUPS.has_too_many_errors(100, tally) is pauses
    assert HAWKBIT_GROUPS.has_succeeded(100, tally) is goes_on


def test_hawkbit_cascades_through_a_good_release() -> None:
    """Each of five groups starts once half of the one before has succeeded."""
    bench = Bench(HAWKBIT_GROUPS, 1000).play(60)

    assert bench.plateaus == [200, 400, 600, 800, 1000]
    assert bench.cancelled_at is None


@pytest.mark.parametrize(("errors", "notified"), [(10, 1000), (11, 100)])
def test_hawkbit_pauses_on_the_first_error_too_many(errors: int, notified: int) -> None:
    """With 10 % allowed in a group of 100, the tenth error does not matter, the eleventh does."""
    rule = replace(HAWKBIT_CANARY, percentages=(10, 100))
    bench = Bench(rule, 1000, fails=lambda device: device < errors).play(60)

    assert bench.notified == notified


def test_hawkbit_stays_paused_but_does_not_cancel() -> None:
    """A person could resume it: nothing is canceled, nothing further is notified."""
    bench = Bench(HAWKBIT_GROUPS, 1000, fails=lambda _: True).play(60)

    assert bench.notified == 200
    assert bench.orders[-1].rate_per_minute == 0
    assert not bench.orders[-1].cancel
    assert "more than 50 %" in bench.orders[-1].reasons[0]


def test_hawkbit_never_gets_past_a_group_with_too_many_offline() -> None:
    """Devices that never answer count as not succeeded: 80 % of 100 cannot come from 79."""
    rule = replace(HAWKBIT_CANARY, percentages=(10, 100))

    def silent(devices: int) -> Bench:
        bench = Bench(rule, 1000, minutes_to_end=lambda device: None if device < devices else 3)
        return bench.play(60)

    assert silent(20).notified == 1000
    assert silent(21).notified == 100


def test_hawkbit_lets_offline_devices_dilute_errors() -> None:
    """Fifty errors among the seventy devices that answer are not more than half of a hundred."""
    rule = replace(HAWKBIT_GROUPS, percentages=(10, 100))
    bench = Bench(
        rule,
        1000,
        fails=lambda device: device < 50,
        minutes_to_end=lambda device: None if 70 <= device < 100 else 3,
    ).play(60)

    assert bench.orders[-1].reasons == ()
    assert bench.notified == 100


def test_hawkbit_looks_at_a_group_after_it_has_started_the_next() -> None:
    """Errors that come late, while some devices of the group are still open, pause everything."""
    rule = replace(HAWKBIT_GROUPS, percentages=(10, 20, 100), error_percent=10)
    bench = Bench(
        rule,
        1000,
        fails=lambda device: 50 <= device <= 60,
        minutes_to_end=lambda device: 3 if device < 50 else 20 if device <= 60 else 40,
    ).play(60)

    assert bench.notified == 200
    assert "Group 1" in bench.orders[-1].reasons[0]


@pytest.mark.parametrize(("ended", "pauses"), [(200, False), (199, True)])
def test_hawkbit_does_not_look_at_a_finished_group_again(ended: int, *, pauses: bool) -> None:
    """Errors that turn up once all devices of a group have ended go unseen."""
    decide = HAWKBIT_GROUPS.begin(plan_of(1000))
    log = Log()
    log.notify(200)
    log.end(SUCCEEDED, ended, started=0, at=4)
    decide(log.sight(5))
    log.end(FAILED, 150, started=1, at=6)

    assert bool(decide(log.sight(7)).reasons) is pauses


# Mender.


def test_mender_goes_by_the_clock_alone() -> None:
    """The second phase comes after two hours, were every device of the first one dead."""
    bench = Bench(MenderPhases(), 1000, fails=lambda _: True).play(200)

    by_minute = bench.notified_by_minute
    assert sum(by_minute[:120]) == 100
    assert sum(by_minute) == 1000
    assert not any(order.cancel for order in bench.orders)


# Flight Control.


@pytest.mark.parametrize(
    ("tally", "approves"),
    [
        (Tally(1000, 100), True),
        (Tally(1000, 101), False),
        (Tally(900, 0), True),
        (Tally(899, 0), False),
    ],
)
def test_flightctl_wants_nine_of_ten_of_the_whole_batch(tally: Tally, *, approves: bool) -> None:
    """Devices that have not ended in time count as not succeeded."""
    assert FlightctlBatches().approves(1000, tally) is approves


def test_flightctl_goes_batch_by_batch_through_a_good_release() -> None:
    """1 % of the fleet, then 10 %, then the rest, each once the one before is complete."""
    bench = Bench(FlightctlBatches(), 1000).play(60)

    assert bench.plateaus == [10, 110, 1000]


def test_flightctl_suspends_when_a_batch_falls_short() -> None:
    """Eleven failures among a hundred wait for a person; they do not cancel."""
    failing = Bench(FlightctlBatches(), 1000, fails=lambda device: 10 <= device < 21).play(60)
    passing = Bench(FlightctlBatches(), 1000, fails=lambda device: 10 <= device < 20).play(60)

    assert failing.notified == 110
    assert not failing.orders[-1].cancel
    assert passing.notified == 1000


def test_flightctl_waits_a_day_for_a_silent_device_and_no_longer() -> None:
    """One device that never ends holds its batch up until the timeout."""
    bench = Bench(
        FlightctlBatches(), 1000, minutes_to_end=lambda device: None if device == 12 else 3
    ).play(DAY_MINUTES + 60)

    second_at = next(m for m, batch in enumerate(bench.notified_by_minute) if batch == 100)
    third_at = next(m for m, batch in enumerate(bench.notified_by_minute) if batch == 890)
    assert third_at - second_at == DAY_MINUTES + 1


def test_flightctl_does_not_look_at_its_last_batch() -> None:
    """Nothing follows the implicit batch, so nothing of it stops anything."""
    bench = Bench(FlightctlBatches(), 5000, fails=lambda device: device >= 550).play(60)

    assert bench.notified == 5000
    assert bench.orders[-1].reasons == ()


# nodewright.


@pytest.mark.parametrize(
    ("rule", "sizes"),
    [
        (NODEWRIGHT_LINEAR, [1, 2, 3, 4, 5, 6, 7, 2]),
        (NODEWRIGHT_EXPONENTIAL, [1, 2, 4, 8, 15]),
    ],
    ids=["linear", "exponential"],
)
def test_nodewright_grows_with_each_batch_that_succeeds(rule: Nodewright, sizes: list[int]) -> None:
    """By one device or by the factor, cut to what is left."""
    bench = Bench(rule, 30).play(120)

    assert [batch for batch in bench.notified_by_minute if batch] == sizes


@pytest.mark.parametrize(
    ("has_failed", "progress_percent", "linear", "exponential"),
    [
        (False, 0, 9, 16),
        (True, 0, 7, 4),
        (True, 49, 7, 4),
        (True, 50, 9, 16),
        (True, 99, 9, 16),
        (False, 99, 9, 16),
    ],
)
def test_nodewright_slows_down_only_below_its_safety_limit(
    has_failed: bool,  # noqa: FBT001 - pytest passes it by name
    progress_percent: int,
    linear: int,
    exponential: int,
) -> None:
    """From half of the fleet on, a failed batch is followed by a larger one all the same."""
    for rule, expected in ((NODEWRIGHT_LINEAR, linear), (NODEWRIGHT_EXPONENTIAL, exponential)):
        size = rule.next_size(8, has_failed=has_failed, progress_percent=progress_percent)
        assert size == expected


def test_nodewright_stays_at_one_device_while_all_fail() -> None:
    """By default nothing ever stops it: it crawls, and past half of the fleet it runs."""
    bench = Bench(NODEWRIGHT_EXPONENTIAL, 40, fails=lambda _: True).play(400)

    batches = [batch for batch in bench.notified_by_minute if batch]
    assert batches[:20] == [1] * 20
    assert batches[20:] == [2, 4, 8, 6]
    assert bench.notified == 40


@pytest.mark.parametrize(("failing", "notified"), [(2, 40), (3, 3)])
def test_nodewright_stops_at_its_failure_threshold(failing: int, notified: int) -> None:
    """Three failed batches in a row stop it where that is asked for, two do not."""
    rule = replace(NODEWRIGHT_EXPONENTIAL, failure_threshold=3)
    bench = Bench(rule, 40, fails=lambda device: device < failing).play(400)

    assert bench.notified == notified
    assert not bench.orders[-1].cancel


def test_nodewright_ignores_its_failure_threshold_past_the_safety_limit() -> None:
    """Every device of the second half may fail."""
    rule = replace(NODEWRIGHT_LINEAR, failure_threshold=1)
    bench = Bench(rule, 100, fails=lambda device: device >= 55).play(400)

    assert bench.notified == 100


def test_nodewright_waits_for_every_device_of_a_batch() -> None:
    """One device that never ends holds everything up for good."""
    bench = Bench(
        NODEWRIGHT_LINEAR, 100, minutes_to_end=lambda device: None if device == 4 else 3
    ).play(400)

    assert bench.notified == 6


@pytest.mark.parametrize(("threshold", "second"), [(90, 20), (91, 5)])
def test_nodewright_judges_a_batch_in_whole_percent(threshold: int, second: int) -> None:
    """A batch with nine successes of ten is a success at 90 %, a failure at 91 %."""
    rule = replace(NODEWRIGHT_EXPONENTIAL, initial_batch=10, batch_threshold_percent=threshold)
    bench = Bench(rule, 1000, fails=lambda device: device == 0).play(12)

    assert [batch for batch in bench.notified_by_minute if batch][:2] == [10, second]
