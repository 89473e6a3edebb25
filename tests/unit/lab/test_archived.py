"""A rollout that only its events tell of is replayed too, with estimates that are marked."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.unit.lab.test_replaying import MINUTES_MAX, policy
from tidegate.documents.archive import Archive, Count, read_archive
from tidegate.domain.jobs import HARMFUL, ExecutionStatus
from tidegate.domain.outcomes import UNPLACED, ThingRecord
from tidegate.domain.rollout import Ending, RolloutKey
from tidegate.lab.archived import recording_of
from tidegate.lab.behaviours import AWS_LIKE
from tidegate.lab.devices import JOB, _Tidegate, _World
from tidegate.lab.recording import Recording, read_recording, to_lines
from tidegate.lab.replaying import lines, notes, replay
from tidegate.lab.scenarios import SCENARIOS
from tidegate.lab.trial import Trial

SIZE = 1000
#: After the end, until all timers have run out and all events have come.
AFTERWARDS_SECONDS = 3 * 3600

#: A replay from events may harm so many devices more or fewer than the rollout did.
HARMED_WITHIN = 8


@cache
def archived(scenario: str, seed: int) -> tuple[Trial, Archive]:
    """Return a rollout through the real services, and what the events on its bus tell of it."""
    fleet = replace(SCENARIOS[scenario].with_size(SIZE), cohorts=())
    world = _World(fleet, seed, AWS_LIKE)
    steered = _Tidegate(world, policy(), stops_at=None)
    steered.launch(fleet.retries)
    trial = world.play("firmware", MINUTES_MAX)
    until = world.clock.now() + AFTERWARDS_SECONDS
    while world.agenda.do_next(until):
        pass
    written = [
        json.dumps({"source": each.source, "detail-type": each.detail_type, "detail": each.detail})
        for each in steered._bus.published
    ]
    return trial, read_archive("\n".join(written), JOB, source="events.jsonl")


def steady(*, started: bool = True) -> Archive:
    """Return what is told of 200 devices, ten a minute, that take 2 minutes and then 8 more."""
    known = [(float(minute), min(200, 10 * minute)) for minute in range(1, 40)]
    return Archive(
        key=RolloutKey("job", 0),
        outcomes={
            f"thing-{number}": ThingRecord(
                ExecutionStatus.SUCCEEDED, int(6 * (number + 0.5)) + 600, 1, UNPLACED
            )
            for number in range(200)
        },
        counts=tuple(
            Count(
                60 * minute,
                exposed,
                max(0, min(200, int(10 * (minute - 2)))) if started else None,
                0,
                0,
                "proceed",
                10,
            )
            for minute, exposed in known
        ),
        until=3600.0,
        policy_name="firmware",
        timeout_minutes=60,
        ending=Ending.COMPLETED,
        ended_at=3600.0,
    )


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("scenario", ["bad-20", "bad-60", "good"])
def test_a_rollout_told_by_events_goes_as_it_went(scenario: str, seed: int) -> None:
    """Under its own policy it comes to the same end, with about as many devices harmed."""
    trial, archive = archived(scenario, seed)
    again = replay(recording_of(archive), policy(), fleet_size=SIZE, runs=1).first

    assert again.stopped_by == trial.stopped_by
    assert again.harmed == pytest.approx(trial.harmed, abs=HARMED_WITHIN)


@pytest.mark.parametrize("scenario", ["bad-20", "good"])
def test_outcomes_are_kept_and_all_the_rest_is_marked(scenario: str) -> None:
    """How things ended is as AWS told it; when they began is said to be estimated, of each."""
    trial, archive = archived(scenario, 3)
    recording = recording_of(archive)
    ended = {each.name: each.status for each in recording.devices if each.name}

    assert ended == {name: each.status for name, each in archive.outcomes.items()}
    assert recording.exposed == trial.exposed
    assert recording.harmed == sum(each.status in HARMFUL for each in archive.outcomes.values())
    assert recording.estimated == recording.exposed
    assert [each.rate_per_minute for each in recording.told if each.rate_per_minute]


def test_delays_are_found_in_what_was_counted() -> None:
    """Where all devices take equally long, so they do in the estimate, to a few minutes."""
    devices = recording_of(steady()).devices
    starts = [each.started - each.notified for each in devices if each.started is not None]
    ends = [each.ended - each.notified for each in devices if each.ended is not None]

    assert len(starts) == len(ends) == 200
    assert np.median(starts) == pytest.approx(2, abs=1)
    assert np.median(ends) == pytest.approx(10, abs=1)
    assert np.percentile(ends, 75) - np.percentile(ends, 25) < 4


def test_nothing_happens_before_its_time() -> None:
    """Estimates keep the order of notification, start and end, and start within the time-out."""
    for archive in (steady(), steady(started=False), *(archived(name, 4)[1] for name in ("good",))):
        for each in recording_of(archive).devices:
            assert each.notified >= 0
            if each.started is not None:
                assert each.started >= each.notified
            if each.ended is not None:
                assert each.ended >= (each.notified if each.started is None else each.started)
            if each.status is ExecutionStatus.SUCCEEDED:
                assert each.ended is not None
                assert each.started is not None
                assert each.ended - each.started < 61


def test_what_timed_out_began_its_timer_with_its_start() -> None:
    """AWS ends what is silent for the time-out: then its start is known, and not drawn."""
    _, archive = archived("bad-20", 3)
    lasted = [
        each.ended - each.started
        for each in recording_of(archive).devices
        if each.status is ExecutionStatus.TIMED_OUT
        if each.ended is not None
        if each.started is not None
    ]

    assert lasted
    assert np.median(lasted) == pytest.approx(60, abs=1)


def test_whoever_has_ended_was_notified() -> None:
    """Outcomes after the last count are of devices that nobody counted any more."""
    told = replace(steady(), counts=steady().counts[:5])

    assert recording_of(told).exposed == 200


def test_a_replay_says_what_is_estimated() -> None:
    """People and scripts see which times nobody saw, which rates were told, and what is missing."""
    _, archive = archived("bad-20", 3)
    recording = recording_of(archive)
    found = replay(recording, policy(), runs=1)
    said = " ".join(notes(found))

    assert f"When {recording.exposed} devices were notified and started is estimated" in said
    assert "Rates per minute that were in force:" in said
    assert "--fleet says otherwise" in said
    assert found.to_json()["happened"]["estimated"] == recording.exposed
    assert found.to_json()["happened"]["told"][0]["rate_per_minute"] > 0


def test_the_time_until_all_were_notified_is_marked() -> None:
    """Among figures that are as they were, one that is estimated says so."""
    was = {name: was for name, was, _ in lines(replay(recording_of(steady()), policy(), runs=1))}

    assert was["all notified after"] == "20 min (estimated)"
    assert was["policy"] == "firmware"


def test_an_estimate_stays_one_when_it_is_written() -> None:
    """A recording that is kept does not take estimates for sightings."""
    recording: Recording = replace(recording_of(steady()), told=())

    assert read_recording("\n".join(to_lines(recording, with_names=True)), source="x") == recording
