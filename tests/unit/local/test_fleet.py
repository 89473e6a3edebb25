"""Fleets and behaviours are drawn from a seed."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tidegate.local.fleet import FleetMix, Outcome, Thing, draw_things

THINGS = draw_things(2000, seed=3)


def outcomes(mix: FleetMix, things: tuple[Thing, ...] = THINGS) -> Counter[Outcome]:
    """Count how the things fare."""
    return Counter(mix.draw(5, thing, "job").outcome for thing in things)


def test_a_fleet_is_the_same_for_the_same_seed() -> None:
    """A run can be repeated, and another seed gives another fleet of the same names."""
    assert draw_things(50, seed=1) == draw_things(50, seed=1)
    assert draw_things(50, seed=1) != draw_things(50, seed=2)
    assert [thing.name for thing in draw_things(2)] == ["device-00000", "device-00001"]


def test_attributes_fit_the_thing_registry() -> None:
    """Without a thing type a thing may have three attributes; names and values are restricted."""
    for thing in THINGS[:50]:
        assert set(thing.attributes) == {"hardwareRevision", "region", "firmware"}
        assert all(re.fullmatch(r"[a-zA-Z0-9_.,@/:#-]*", v) for v in thing.attributes.values())


def test_a_behaviour_is_the_same_for_the_same_seed_thing_and_job() -> None:
    """A device that fails a job fails it whenever it is repeated, and may pass another."""
    mix = FleetMix(failing=0.5)
    thing = THINGS[0]

    assert mix.draw(5, thing, "job") == mix.draw(5, thing, "job")
    drawn = {mix.draw(5, thing, f"job-{number}").outcome for number in range(50)}
    assert drawn == {Outcome.SUCCEEDED, Outcome.FAILED}


def test_shares_are_met() -> None:
    """The mix says how many devices fare how, within what chance allows."""
    found = outcomes(FleetMix(failing=0.1, rejecting=0.05, silent=0.05))

    assert found[Outcome.FAILED] == pytest.approx(200, abs=50)
    assert found[Outcome.REJECTED] == pytest.approx(100, abs=40)
    assert found[Outcome.SILENT] == pytest.approx(100, abs=40)
    assert set(outcomes(FleetMix())) == {Outcome.SUCCEEDED}


def test_raising_a_share_only_adds_devices() -> None:
    """Two runs that differ in one share differ in nothing else."""
    for thing in THINGS[:200]:
        if FleetMix(failing=0.1).draw(5, thing, "job").outcome is Outcome.FAILED:
            assert FleetMix(failing=0.2).draw(5, thing, "job").outcome is Outcome.FAILED


def test_one_hardware_revision_may_fare_worse() -> None:
    """A release can be bad for some cohort alone."""
    mix = FleetMix(failing_by_hardware={"C": 1.0})

    for thing in THINGS[:200]:
        failed = mix.draw(5, thing, "job").outcome is Outcome.FAILED
        assert failed == (thing.hardware_revision == "C")


def test_slow_devices_take_longer() -> None:
    """Slowness stretches the work, whatever comes of it."""
    usual, slow = FleetMix(), FleetMix(slow=1.0, slow_factor=5.0)

    for thing in THINGS[:50]:
        expected = 5 * usual.draw(5, thing, "job").duration_minutes
        assert slow.draw(5, thing, "job").duration_minutes == pytest.approx(expected)


@pytest.mark.parametrize(
    "shares",
    [
        {"failing": -0.1},
        {"slow": 1.1},
        {"failing": 0.6, "silent": 0.6},
        {"rejecting": 0.6, "failing_by_hardware": {"A": 0.6}},
    ],
)
def test_impossible_shares_are_refused(shares: dict[str, float]) -> None:
    """A mix that no fleet can have is a mistake of whoever wrote it."""
    with pytest.raises(ValueError, match=r"from 0 to 1|exceed the fleet"):
        FleetMix(**shares)  # type: ignore[arg-type]
