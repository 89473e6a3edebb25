"""How long devices take, of those that have ended and those at work."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.domain.examples import (
    FAILED,
    IN_PROGRESS,
    NOW,
    QUEUED,
    REJECTED,
    SUCCEEDED,
    TIMED_OUT,
    lasting,
)
from tidegate.domain.delays import AGES
from tidegate.domain.durations import (
    NEARLY_ALL_MIN,
    Durations,
    durations_of,
    minutes_taken,
)
from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary
from tidegate.domain.outcomes import LATE, UNPLACED, CounterKey

MINUTE = 60.0


def row(status: ExecutionStatus, minutes: float) -> ExecutionSummary:
    """Return a row of the list that has been in a status for so long after its start."""
    return ExecutionSummary("pump-1", status, NOW - 9e4, NOW + minutes * MINUTE, started_at=NOW)


def taken(*minutes: float) -> tuple[int, ...]:
    """Return what is read of executions that took so long."""
    return minutes_taken([row(SUCCEEDED, each) for each in minutes], MINUTE)


# What the list tells


def test_whole_minutes_from_start_to_outcome_are_counted() -> None:
    """Whatever the outcome; what takes longer than all ages counts as the oldest."""
    rows = [row(SUCCEEDED, 0.0), row(FAILED, 2.99), row(TIMED_OUT, 2.0), row(SUCCEEDED, 5000)]
    numbers = minutes_taken(rows, MINUTE)

    assert (numbers[0], numbers[2], numbers[AGES]) == (1, 2, 1)
    assert sum(numbers) == 4
    assert len(numbers) == AGES + 1
    assert minutes_taken([row(SUCCEEDED, 2.0)], 6.0)[20] == 1


def test_what_has_not_ended_or_never_began_took_no_time() -> None:
    """A device that rejects was offline for a while, or was not; a start may be unknown."""
    bare = replace(row(SUCCEEDED, 3.0), started_at=None)
    rows = [row(IN_PROGRESS, 3.0), row(REJECTED, 3.0), row(ExecutionStatus.CANCELED, 3.0), bare]

    assert sum(minutes_taken(rows, MINUTE)) == 0


def test_an_end_before_its_start_took_no_time() -> None:
    """AWS's times are rounded, each by itself."""
    assert taken(-0.01)[0] == 1


# What is known of all


def test_a_device_counts_at_each_age_that_it_could_have_reached() -> None:
    """Ended or at work; a bucket that lasts still is of no age, and late starters begin anew."""
    counts: dict[CounterKey, int] = {
        (0, SUCCEEDED): 3,
        (0, IN_PROGRESS): 1,
        (5, FAILED): 2,
        (LATE + 7, IN_PROGRESS): 1,
        (9, IN_PROGRESS): 4,
        (9, SUCCEEDED): 1,
        (UNPLACED, SUCCEEDED): 1,
        (2, REJECTED): 50,
        (2, QUEUED): 50,
    }
    known = durations_of(taken(0.5, 1.5, 1.5, 3.0, 3.0, 0.1), counts, 9.5)

    assert known.reached[:10] == (7, 7, 6, 6, 4, 4, 4, 4, 4, 0)
    # At work for one minute and for eight; ended after none, one or three.
    assert known.unfinished[:10] == (8, 6, 3, 3, 1, 1, 1, 1, 1, 0)


def test_what_is_older_than_all_ages_told_apart_has_reached_each_of_them() -> None:
    """A rollout of weeks forgets nobody, and its wide buckets do not count as older than sure."""
    counts: dict[CounterKey, int] = {(0, SUCCEEDED): 7, (600, IN_PROGRESS): 2}
    known = durations_of(taken(*[4] * 7), counts, 600.0 + 30)

    assert known.reached[20] == 9
    assert known.reached[21] == known.reached[AGES - 1] == 7
    assert (known.unfinished[3], known.unfinished[20], known.unfinished[21]) == (9, 2, 0)


@pytest.mark.parametrize(("read", "is_known"), [(8, False), (9, True), (10, True), (12, True)])
def test_outcomes_whose_durations_nobody_read_make_nothing_known(
    read: int, *, is_known: bool
) -> None:
    """A few may not be listed yet; more, and the quick ones would speak for all."""
    known = durations_of(taken(*[2.0] * read), {(0, SUCCEEDED): 6, (1, FAILED): 4}, 60.0)

    assert (known != Durations()) is is_known
    assert durations_of((), {(0, SUCCEEDED): 6}, 60.0) == Durations()
    assert durations_of((), {(0, IN_PROGRESS): 6}, 60.0) == Durations()


def test_devices_at_work_are_as_old_as_their_start() -> None:
    """But for one in a thousand of all; late starters begin anew, and the unplaced tell nothing."""
    counts: dict[CounterKey, int] = {
        (0, IN_PROGRESS): 2,
        (10, SUCCEEDED): 1990,
        (20, IN_PROGRESS): 1,
        (LATE + 30, IN_PROGRESS): 7,
        (UNPLACED, IN_PROGRESS): 50,
        (UNPLACED, QUEUED): 50,
    }
    told = taken(*[1] * 1991)

    def at_work(by_bucket: dict[CounterKey, int]) -> float:
        return durations_of(told, by_bucket, 100.0).at_work_minutes

    assert at_work(counts) == 80.0
    assert at_work({**counts, (20, IN_PROGRESS): 0, (9, SUCCEEDED): 1}) == 70.0
    assert at_work({(3, SUCCEEDED): 5}) == 0.0
    assert at_work({}) == 0.0


# By when nearly all are done


def test_nearly_all_are_all_but_one_in_a_thousand() -> None:
    """The first minute after which no more are left counts; less than one is not told apart."""
    assert lasting(12).finished_minutes() == 12
    assert lasting(12, never=0.001).finished_minutes() == 12
    assert lasting(12, never=0.0011).finished_minutes() is None
    assert lasting(0).finished_minutes() == 1


def test_one_silent_device_does_not_speak_for_the_fleet() -> None:
    """Among a few hundred it is more than one in a thousand, and says nothing of the others."""
    assert lasting(12, never=1 / 500, devices=500).finished_minutes() == 12
    assert lasting(12, never=2 / 500, devices=500).finished_minutes() is None


def test_enough_devices_must_have_been_watched_for_so_long() -> None:
    """Those that started a moment ago say nothing of what takes an hour."""
    assert lasting(12, devices=NEARLY_ALL_MIN - 1).finished_minutes() is None
    young = (*(10_000,) * 11, *(NEARLY_ALL_MIN - 1,) * (AGES - 11))
    assert replace(lasting(12), reached=young).finished_minutes() is None
    assert lasting(AGES).finished_minutes() is None


def rolled_out(
    minutes: Sequence[float], *, now: float, per_minute: int
) -> tuple[dict[CounterKey, int], tuple[int, ...]]:
    """Return counts, and what was read of ends, where devices start evenly and take so long."""
    counts: dict[CounterKey, int] = {}
    ended = []
    for number, each in enumerate(minutes):
        start = number / per_minute
        if start > now:
            break
        is_done = start + each <= now
        key = (int(start), SUCCEEDED if is_done else IN_PROGRESS)
        counts[key] = counts.get(key, 0) + 1
        ended += [each] if is_done else []
    return counts, taken(*ended)


@pytest.mark.parametrize("now", [30, 45, 60, 100])
def test_those_who_are_quick_to_end_do_not_speak_for_the_slow(now: int) -> None:
    """One in a hundred takes 40 minutes, and more start all the time: no less is ever said."""
    minutes = [40.5 if number % 100 == 7 else 2.5 for number in range(10_000)]
    counts, ended = rolled_out(minutes, now=now, per_minute=100)
    said = durations_of(ended, counts, now).finished_minutes()

    assert said == (None if now < 46 else 41)


def test_a_few_hundred_devices_tell_what_nearly_all_need() -> None:
    """Once so many of them are done, it is between what 99 % need and the longest of all."""
    chance = np.random.default_rng(7)
    for _ in range(20):
        minutes = np.minimum(chance.lognormal(np.log(8), 0.5, 800), 60.0)
        counts, ended = rolled_out(minutes.tolist(), now=70.0, per_minute=100)
        said = durations_of(ended, counts, 70.0).finished_minutes()
        assert said is not None
        assert np.quantile(minutes, 0.99) <= said <= np.ceil(minutes.max())


# Storing


def test_durations_are_read_back_as_they_were_stored() -> None:
    """Plain JSON, down to the last digit."""
    known = lasting(7, never=0.01, at_work=30 + 1 / 3)

    assert Durations.from_document(json.loads(json.dumps(known.to_document()))) == known
