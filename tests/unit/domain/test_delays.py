"""What is learned of delays, and what it tells of devices that take longer than those before."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.domain.examples import learned
from tidegate.domain.delays import (
    AGES,
    BRAKE_RISK,
    COMPARED_MIN,
    LOOK_BUCKETS,
    REACHED_MIN,
    Delays,
    brake_at,
)
from tidegate.domain.evidence import SHIFTS, Bucket, log_moment, log_sum_exp

TOLERATED = 0.02
#: The first bucket that is ten minutes wide begins here.
WIDE_FROM = 600


def buckets_at(minute: int, *, cleared_after: int, started: int = 100) -> list[Bucket]:
    """Return what is known at a minute of devices that are cleared at an age."""
    return [
        Bucket(started, 0, started if minute - start - 1 >= cleared_after else 0)
        for start in range(minute)
    ]


# Learning


def test_each_bucket_counts_once_at_each_age() -> None:
    """However often it is looked at within a minute, a device is as old once only."""
    once = Delays().learn([Bucket(10, 1, 4), Bucket(20, 0, 0)], 2.0)
    again = once.learn([Bucket(10, 1, 4), Bucket(20, 0, 0)], 2.0).learn([Bucket(10, 1, 9)] * 2, 2.9)

    assert once.reached[:3] == (20, 10, 0)
    assert once.uncleared[:3] == (20, 6, 0)
    assert again.reached == once.reached
    assert again.uncleared == once.uncleared


def test_a_minute_later_every_bucket_is_a_minute_older() -> None:
    """Ages are told apart by minute, and devices with a harmful outcome are never cleared."""
    delays = Delays()
    for minute in range(1, 5):
        delays = delays.learn([Bucket(10, 1, 9 if minute > 2 else 0)], float(minute))

    assert delays.reached[:5] == (10, 10, 10, 10, 0)
    assert delays.uncleared[:5] == (10, 10, 1, 1, 0)
    assert delays.until == 4


def test_a_bucket_that_lasts_still_is_not_looked_at() -> None:
    """Its devices are of no age yet; nor does an empty one tell anything."""
    delays = Delays().learn([Bucket(0, 0, 0), Bucket(10, 0, 10)], 1.5)

    assert delays.reached == (0,) * AGES
    assert delays.until == 1.5


def test_an_earlier_look_takes_nothing_back() -> None:
    """A clock that goes backwards between two Lambdas makes nothing count twice."""
    later = Delays().learn([Bucket(10, 0, 10)] * 5, 9.0)

    assert later.learn([Bucket(10, 0, 10)] * 5, 3.0) == later


def test_what_is_older_than_all_ages_told_apart_is_left_out() -> None:
    """The table has an end; so has what a look costs."""
    delays = Delays().learn([Bucket(10, 0, 10)], float(AGES + 1))

    assert delays.reached == (0,) * AGES
    assert Delays().learn([Bucket(10, 0, 10)], float(AGES)).reached[AGES - 1] == 10


def test_wide_buckets_do_not_tell_ages() -> None:
    """Past ten hours buckets hold ten minutes each: too coarse to learn from."""
    row = [Bucket(10, 0, 10)] * (WIDE_FROM + 2)

    assert Delays().learn(row, WIDE_FROM + 20.0).reached[10] == 0
    assert Delays().learn(row, WIDE_FROM + 20.0).reached[20] == 10


# Shares


def test_nothing_is_known_of_ages_that_too_few_have_reached() -> None:
    """A handful of devices says nothing: they are taken to be as one minute earlier."""
    few = Delays(
        (REACHED_MIN, REACHED_MIN - 1, REACHED_MIN, *(0,) * (AGES - 3)),
        (REACHED_MIN // 2, 0, 1, *(0,) * (AGES - 3)),
    )

    assert few.shares()[:4] == [0.5, 0.5, 1 / REACHED_MIN, 1 / REACHED_MIN]
    assert Delays().shares() == [1.0] * AGES


def test_shares_never_rise() -> None:
    """A device that was cleared stays so: ups and downs by chance are flattened downwards."""
    noisy = Delays((100,) * AGES, tuple(50 + (age % 7) for age in range(AGES)))

    assert noisy.shares() == [0.5] * AGES


# How long devices are in flight


@pytest.mark.parametrize("timeout", [1.0, 60.0, 10_080.0])
def test_nothing_known_means_in_flight_until_the_timeout(timeout: float) -> None:
    """Where nobody was cleared yet, every device may take as long as AWS lets it."""
    assert Delays().mean_minutes(timeout) == timeout


def test_the_mean_is_the_sum_of_the_shares() -> None:
    """Cleared after 5 minutes: in flight for 5 whole ages and the minute that a bucket lasts."""
    assert learned(cleared_after=5).mean_minutes(60) == 6
    assert learned(cleared_after=5).mean_minutes(4) == 4


def test_what_is_never_cleared_is_in_flight_until_the_timeout() -> None:
    """One device in ten fails by its time-out: it counts for all that time."""
    tenth = learned(cleared_after=5, never_cleared=0.1)

    assert tenth.mean_minutes(60) == pytest.approx(1 + 5 + 0.1 * 55)
    assert tenth.mean_minutes(190) == pytest.approx(1 + 5 + 0.1 * (AGES - 5) + 0.1 * (190 - AGES))


def test_past_the_ages_told_apart_the_oldest_share_goes_on() -> None:
    """What was never cleared by then is taken to stay so until the timeout."""
    at_last = Delays((100,) * AGES, (*(50,) * (AGES - 1), 10))

    assert at_last.mean_minutes(AGES + 50) == pytest.approx(1 + 0.5 * (AGES - 1) + 0.1 + 0.1 * 50)


# Overdue


def test_devices_as_those_before_them_are_not_overdue() -> None:
    """At each age as many are cleared as ever: the evidence stays far from the brake."""
    delays = learned(cleared_after=5)

    assert delays.log_e_overdue(buckets_at(60, cleared_after=5), 60, TOLERATED) < 0


def test_devices_that_are_not_cleared_are_overdue() -> None:
    """The newest ten minutes' devices should have been cleared by now, and none was."""
    delays = learned(cleared_after=5)

    assert delays.log_e_overdue(buckets_at(60, cleared_after=15), 60, TOLERATED) > brake_at()


def test_the_release_may_have_turned_at_any_bucket() -> None:
    """A turn half an hour ago is found among buckets that were fine before it."""
    delays = learned(cleared_after=3)
    fine, turned = Bucket(100, 0, 100), Bucket(100, 0, 60)
    row = [*[fine] * 30, *[turned] * 26, *[Bucket(100, 0, 0)] * 4]

    assert delays.log_e_overdue(row, 60, TOLERATED) > brake_at()
    assert delays.log_e_overdue([*[turned] * 2, *[fine] * 54], 60, TOLERATED) < brake_at()


def test_the_evidence_is_the_mean_over_all_turns() -> None:
    """With two buckets and one age to compare, it is what the formula says."""
    delays = learned(cleared_after=0, never_cleared=0.1)
    share = 0.1 + 3 * math.sqrt(0.1 * 0.9 / 10_000)
    limit = share + (1 - share) * TOLERATED
    older, newer = Bucket(50, 0, 40), Bucket(80, 0, 20)

    def log_ratio(bucket: Bucket, shift: float) -> float:
        return bucket.in_flight * shift - bucket.started * log_moment(limit, shift)

    turns = [
        log_sum_exp(log_ratio(newer, shift) for shift in SHIFTS),
        log_sum_exp(log_ratio(newer, shift) + log_ratio(older, shift) for shift in SHIFTS),
    ]
    expected = log_sum_exp(turns) - math.log(2 * len(SHIFTS))
    assert delays.log_e_overdue([older, newer], 2, TOLERATED) == pytest.approx(expected, rel=1e-12)


def test_nobody_is_overdue_where_too_little_was_learned() -> None:
    """A share of a few devices is no standard to hold others against."""
    few = learned(cleared_after=5, devices=COMPARED_MIN - 1)
    enough = learned(cleared_after=5, devices=COMPARED_MIN)
    late = buckets_at(60, cleared_after=15)

    assert few.log_e_overdue(late, 60, TOLERATED) == 0
    assert enough.log_e_overdue(late, 60, TOLERATED) > brake_at()
    assert Delays().log_e_overdue(late, 60, TOLERATED) == 0
    assert enough.log_e_overdue([Bucket(0, 0, 0)] * 60, 60, TOLERATED) == 0


def test_one_look_takes_in_the_newest_buckets_only() -> None:
    """What is older than a look's buckets can no longer brake."""
    delays = learned(cleared_after=1)
    fine = [Bucket(100, 0, 100)] * LOOK_BUCKETS
    row = [Bucket(100_000, 0, 0), *fine]

    assert delays.log_e_overdue(row, LOOK_BUCKETS + 1, TOLERATED) < 0
    assert delays.log_e_overdue(row[:-1], LOOK_BUCKETS, TOLERATED) > brake_at()


def started_and_cleared(
    chance: np.random.Generator, *, failing: NDArray[np.float64], devices: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw when the devices of each start minute are cleared; never, if they fail."""
    minutes = np.arange(len(failing))[:, None]
    ages = np.ceil(chance.lognormal(math.log(8), 0.6, (len(failing), devices))).astype(np.int64)
    fails = chance.random((len(failing), devices)) < failing[:, None]
    return np.full(len(failing), devices), np.where(fails, 10**6, minutes + ages)


def braked_at(seed: int, failing: NDArray[np.float64], *, devices: int) -> list[int]:
    """Return the minutes at which a fleet's newest devices are taken to be overdue."""
    chance = np.random.default_rng(seed)
    started, cleared_at = started_and_cleared(chance, failing=failing, devices=devices)
    delays, braked = Delays(), []
    for minute in range(1, len(failing)):
        cleared = (cleared_at[:minute] <= minute).sum(axis=1)
        row = [Bucket(devices, 0, int(each)) for each in cleared]
        if delays.log_e_overdue(row, minute, TOLERATED) >= brake_at():
            braked.append(minute)
        delays = delays.learn(row, minute)
    assert int(started.sum()) == devices * len(failing)
    return braked


def test_a_steady_fleet_is_hardly_ever_braked() -> None:
    """Newer devices that behave as the older ones brake no more often than the risk says."""
    runs, minutes = 20, 45
    braked = [braked_at(seed, np.full(minutes, 0.01), devices=150) for seed in range(runs)]
    looks = runs * minutes

    assert sum(map(len, braked)) <= looks * BRAKE_RISK + 3 * math.sqrt(looks * BRAKE_RISK)


def test_a_fleet_that_stops_succeeding_is_braked_before_failures_arrive() -> None:
    """From minute 40 on one device in five fails: it shows well before a time-out of an hour."""
    failing = np.where(np.arange(60) < 40, 0.01, 0.2)

    for seed in range(5):
        braked = braked_at(seed, failing, devices=200)
        assert braked
        assert 40 < braked[0] <= 55


# Noticing a turn


def test_a_turn_is_noticed_sooner_the_more_devices_start() -> None:
    """More devices, or more failures among them, say the same in fewer minutes."""
    delays = learned(cleared_after=5, never_cleared=0.01)

    by_rate = [delays.minutes_to_notice(rate, 0.2, TOLERATED) for rate in (1, 10, 100, 1000)]
    by_share = [delays.minutes_to_notice(50, share, TOLERATED) for share in (0.05, 0.2, 0.9)]
    assert by_rate == sorted(by_rate, reverse=True)
    assert by_share == sorted(by_share, reverse=True)
    assert by_rate[-1] == 5 + 1 + 2
    assert by_share[0] > by_share[-1]


@pytest.mark.parametrize("rate", range(1, 40, 3))
def test_a_turn_is_noticed_once_it_has_told_enough(rate: int) -> None:
    """Each minute's devices tell so much; the brake's risk says how much is needed."""
    delays = learned(cleared_after=0, never_cleared=0.1)
    share = 0.1 + 3 * math.sqrt(0.1 * 0.9 / 10_000)
    limit, turned = share + (1 - share) * TOLERATED, 0.1 + 0.9 * 0.6
    told = turned * math.log(turned / limit) + (1 - turned) * math.log((1 - turned) / (1 - limit))
    needed = math.log(LOOK_BUCKETS * len(SHIFTS) / BRAKE_RISK)

    minutes = delays.minutes_to_notice(rate, 0.6, TOLERATED)
    assert minutes == math.ceil(needed / (rate * told)) + 2


def test_a_turn_that_is_tolerable_is_never_noticed() -> None:
    """Where nothing was learned, or nothing changes beyond what is tolerated, nothing shows."""
    delays = learned(cleared_after=5)

    assert Delays().minutes_to_notice(1000, 0.9, TOLERATED) == math.inf
    assert delays.minutes_to_notice(1000, TOLERATED, TOLERATED) == math.inf
    assert delays.minutes_to_notice(0, 0.9, TOLERATED) == math.inf
    assert replace(delays, uncleared=delays.reached).minutes_to_notice(9, 0.9, 0.02) == math.inf


def test_even_a_release_that_only_fails_takes_its_time_to_show() -> None:
    """Devices are not missing among the cleared before others of their age were."""
    delays = learned(cleared_after=7)

    assert delays.minutes_to_notice(10**6, 1.0, TOLERATED) == 7 + 1 + 2


# Storing


def test_delays_are_read_back_as_they_were_stored() -> None:
    """Plain JSON, down to the last digit."""
    delays = Delays().learn([Bucket(10, 1, 4)] * 3, 7 + 1 / 3)

    assert Delays.from_document(delays.to_document()) == delays
