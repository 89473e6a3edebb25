"""Reports for devices that do not speak Jobs: done once, in order, by those who may."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.scenario.device_world import DeviceWorld, Doing
from tests.scenario.people import JOB
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.things import Traits
from tidegate.errors import RetryLater
from tidegate.lab.aws import Notice

MakeWorld = Callable[..., DeviceWorld]

GATEWAY = "plant.gateway"
CHILD = "thing-00003"


def mute(_: str, chance: Random) -> Doing:
    """Say nothing to AWS."""
    return Doing(starts_after=None)


def in_plant(place: int) -> Traits:
    """Put all but the last things into the gateway's group."""
    return Traits(groups=frozenset({"plant"} if place < 60 else {"depot"}))


class Gateway:
    """Speaks for its children: each begins and ends, as it hears of them."""

    def __init__(self, world: DeviceWorld, *, harm_rate: float = 0.0, twice: float = 0.0) -> None:
        """Listen to what the world's things are told."""
        self._world = world
        self._chance = Random("gateway")
        self._harm_rate, self._twice = harm_rate, twice
        world.jobs.notifies(self.hears)

    def hears(self, notice: Notice) -> None:
        """Report for a child that was told of the job."""
        minutes = 2 * self._chance.uniform(0.5, 1.5)
        fails = self._chance.random() < self._harm_rate
        self._world.after(12.0, lambda: self._says(notice, "IN_PROGRESS"))
        outcome = "FAILED" if fails else "SUCCEEDED"
        self._world.after(minutes * 60, lambda: self._says(notice, outcome))

    def _says(self, notice: Notice, status: str) -> None:
        details = {"reason": "boot-loop"} if status == "FAILED" else {}
        members = {"statusDetails": details} if details else {}
        report = self._world.relayed(GATEWAY, notice.thing_name, status, **members)
        again = self._chance.random() < self._twice
        self._world.deliver(*[report] * (2 if again else 1))


def plant(make_world: MakeWorld, things: int = 60) -> DeviceWorld:
    """Return a world of mute things for most of which a gateway may report."""
    world = make_world(things=things, doings=mute, traits=in_plant)
    world.reporters.allowed[GATEWAY] = frozenset({"plant"})
    return world


def refused(world: DeviceWorld) -> list[Any]:
    """Return the details of reports that were refused."""
    return world.announced("Device Report Refused")


def test_a_gateway_takes_its_children_through_a_rollout(make_device_world: MakeWorld) -> None:
    """Devices that never speak themselves start, end and are counted as any others are."""
    world = plant(make_device_world)
    Gateway(world, twice=0.3)
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert world.outcomes() == {ExecutionStatus.SUCCEEDED: 60}
    assert world.recorded() == world.outcomes()
    assert refused(world) == []
    assert world.dead_letters == {}
    assert all(world.record_of(name).status is ExecutionStatus.SUCCEEDED for name in (CHILD,))


def test_a_release_that_a_gateway_calls_bad_is_stopped(make_device_world: MakeWorld) -> None:
    """What is reported for devices is evidence like their own, with its reasons."""
    world = plant(make_device_world)
    Gateway(world, harm_rate=1.0)
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutAborted"]
    (aborted,) = world.announced("Rollout Aborted")
    assert any("boot-loop" in each["text"] for each in aborted["reasons"])


def told_of(world: DeviceWorld) -> None:
    """Let the first child be told of the job."""
    world.launch()
    world.run_until(lambda: world.is_enrolled() and world.exposed() > 5)


def test_a_replay_changes_nothing_and_is_answered_once(make_device_world: MakeWorld) -> None:
    """Delivered five times, a report is one update, and one answer to whoever asked for state."""
    world = plant(make_device_world)
    told_of(world)
    report = world.relayed(
        GATEWAY, CHILD, "IN_PROGRESS", includeJobExecutionState=True, includeJobDocument=True
    )
    for seconds in (0.0, 0.0, 5.0, 200.0, 2000.0):
        world.deliver(report, seconds=seconds)
    world.run(40)

    (answer,) = world.announced("Device Report Applied")
    assert answer["reportId"] == json.loads(report)["id"]
    assert answer["executionState"]["status"] == "IN_PROGRESS"
    assert answer["executionState"]["versionNumber"] == 2
    assert json.loads(answer["jobDocument"]) == {"operation": "update"}
    assert len(world.single.updates) == 1
    assert world.execution(CHILD).version_number == 2
    assert refused(world) == []


def test_what_was_true_before_is_refused_as_stale(make_device_world: MakeWorld) -> None:
    """A report that comes after a later one does not undo it; the answer says what is so."""
    world = plant(make_device_world)
    told_of(world)
    began = world.relayed(GATEWAY, CHILD, "IN_PROGRESS", statusDetails={"step": "flash"})
    world.run(1)
    ended = world.relayed(GATEWAY, CHILD, "SUCCEEDED", statusDetails={"step": "done"})
    world.deliver(ended)
    world.run(1)
    world.deliver(began, began)
    world.run(1)

    (told,) = refused(world)
    assert "a later one is known" in told["problem"]
    assert told["execution"]["status"] == "SUCCEEDED"
    assert told["execution"]["statusDetails"] == {"step": "done"}
    assert world.execution(CHILD).status is ExecutionStatus.SUCCEEDED
    assert len(world.single.updates) == 1


def test_nobody_reports_for_the_devices_of_others(make_device_world: MakeWorld) -> None:
    """Neither a stranger, nor a gateway beyond its groups; what they ask about is not told."""
    world = plant(make_device_world, things=70)
    told_of(world)
    foreign = "thing-00065"
    world.deliver(
        world.relayed("somebody.else", CHILD, "SUCCEEDED"),
        world.relayed(GATEWAY, foreign, "SUCCEEDED"),
        world.relayed(GATEWAY, "no-such-thing", "SUCCEEDED"),
        world.relayed("tidegate.device", CHILD, "SUCCEEDED"),
    )
    world.run(1)

    told = refused(world)
    assert len(told) == 4
    assert all("may not report for that thing" in each["problem"] for each in told)
    assert all("execution" not in each for each in told)
    assert world.single.updates == []
    assert world.execution(CHILD).status is ExecutionStatus.QUEUED


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"expectedVersion": 7}, "at version 1"),
        ({"executionNumber": 3}, "no such execution"),
        ({"jobId": "no-such-job"}, "no rollout of that job is known"),
        ({"statusDetails": {f"k{n}": "v" for n in range(11)}}, "11 pairs"),
        ({"statusDetails": {"k": "v" * 1025}}, "1025 characters"),
        ({"status": "TIMED_OUT"}, "for AWS to set"),
        ({"at": "2020-01-01T00:00:00Z"}, "before the job was created"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_so(
    make_device_world: MakeWorld, members: dict[str, Any], problem: str
) -> None:
    """One answer, with the fault and a way out; nothing is changed and nothing comes again."""
    world = plant(make_device_world)
    told_of(world)
    world.deliver(world.relayed(GATEWAY, CHILD, **{"status": "IN_PROGRESS", **members}))
    world.run(20)

    (told,) = refused(world)
    assert problem in told["problem"]
    assert told["remedy"]
    assert world.execution(CHILD).status is ExecutionStatus.QUEUED
    assert world.dead_letters == {}


def test_a_report_that_aws_is_too_busy_for_comes_again(make_device_world: MakeWorld) -> None:
    """Throttled, it is delivered again and done, and those of the same device keep their order."""
    world = plant(make_device_world)
    told_of(world)
    world.between_single_calls.before("update", RetryLater("Rate exceeded"))
    began = world.relayed(GATEWAY, CHILD, "IN_PROGRESS")
    world.run(1)
    ended = world.relayed(GATEWAY, CHILD, "SUCCEEDED")
    world.deliver(began, ended)
    world.run(8)

    assert world.execution(CHILD).status is ExecutionStatus.SUCCEEDED
    assert [each.status for each in world.single.updates] == [
        ExecutionStatus.IN_PROGRESS,
        ExecutionStatus.IN_PROGRESS,
        ExecutionStatus.SUCCEEDED,
    ]
    assert refused(world) == []
    assert world.dead_letters == {}
    assert world.execution(CHILD).job_id == JOB
