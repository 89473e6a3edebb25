"""When a rollout is complete: at a share, with its stragglers, and where devices join for ever."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from tests.scenario.devices import Device, fleet
from tests.scenario.machine import Execution
from tests.scenario.world import POLICY, START, World
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.rollout import Ending

MakeWorld = Callable[..., World]


def completing(**complete: object) -> Mapping[str, Any]:
    """Return a policy that completes at some share."""
    return {**POLICY, "complete": {"at": "95%", **complete}}


def some_slow(place: int, chance: Random) -> Device:
    """Return a device; one in fifty takes a week."""
    if place % 50 == 7:
        return Device(ExecutionStatus.SUCCEEDED, ends_after=7 * 1440.0)
    return fleet()(place, chance)


def join(world: World, number: int) -> None:
    """Let so many new devices join the fleet."""
    known = len(world.jobs.groups["fleet"])
    world.jobs.add_to_group("fleet", [f"thing-{known + each:05}" for each in range(number)])


def test_complete_at_a_share_leaves_stragglers_to_finish(make_world: MakeWorld) -> None:
    """With as many outcomes as asked for, the rollout ends; devices may go on."""
    world = make_world(things=300, policy=completing(), devices=some_slow)
    world.launch()
    world.run_to_the_end(120)

    assert world.end_states == ["RolloutCompleted"]
    assert world.job().status is JobStatus.IN_PROGRESS
    finished = world.outcomes()[ExecutionStatus.SUCCEEDED]
    assert 285 <= finished < 294
    (completed,) = world.announced("Rollout Completed")
    assert completed["reasons"][0]["code"] == ReasonCode.STRAGGLERS_LEFT
    assert completed["record"]["succeeded"] == finished
    assert world.job().settings.description == (
        "Tidegate: rollout completed, stragglers go on without it"
    )
    world.run(10)
    assert world.outcomes()[ExecutionStatus.SUCCEEDED] == 294


def test_complete_at_a_share_cancels_stragglers(make_world: MakeWorld) -> None:
    """Where the policy says so, the job is canceled for them, and ends as complete all the same."""
    policy = completing(stragglers="cancel")
    world = make_world(things=300, policy=policy, devices=some_slow)
    world.launch()
    world.run_to_the_end(120)

    assert world.end_states == ["RolloutCompleted"]
    assert world.rollout.ending is Ending.COMPLETED
    assert world.job().status is JobStatus.CANCELED
    assert world.job().reason_code == "TIDEGATE_COMPLETE"


def test_stragglers_have_their_time_of_grace(make_world: MakeWorld) -> None:
    """The share reached, the others still have as long as the policy grants."""
    policy = completing(stragglers="cancel", grace="2h")
    world = make_world(things=300, policy=policy, devices=some_slow)
    world.launch()
    assert world.run_until(
        lambda: world.is_enrolled() and world.rollout.course.share_reached_at is not None, 120
    )
    reached_at = world.clock.now()
    world.run_to_the_end(180)

    assert 119 <= (world.clock.now() - reached_at) / 60 <= 121
    assert world.job().status is JobStatus.CANCELED


def test_a_bad_release_is_aborted_in_its_time_of_grace(make_world: MakeWorld) -> None:
    """Complete it is only at the end of it: what stragglers report counts still."""

    def device(place: int, chance: Random) -> Device:
        if place % 6 == 0:
            return Device(ExecutionStatus.FAILED, ends_after=240.0)
        return fleet()(place, chance)

    policy = {**POLICY, "complete": {"at": "80%", "grace": "1d"}}
    world = make_world(things=300, policy=policy, devices=device)
    world.launch()
    world.run_to_the_end(600)

    assert world.end_states == ["RolloutAborted"]


def continuous(world: World) -> None:
    """Launch a job that goes on for whoever joins the fleet, and wait for its first end."""
    world.launch(targetSelection="CONTINUOUS")
    assert world.run_until(lambda: bool(world.announced("Rollout Completed")), 240)


def test_a_continuous_job_goes_on_being_guarded(make_world: MakeWorld) -> None:
    """Its first rollout done, people are told so once, and joiners are let in and watched."""
    world = make_world(things=200)
    continuous(world)
    (completed,) = world.announced("Rollout Completed")
    assert completed["guarded"] is True
    assert completed["record"]["succeeded"] == 200
    assert completed["record"]["settingsHistory"]
    assert world.last_execution.states[-1] == "Guard"
    rate = world.rate
    for _ in range(5):
        join(world, 10)
        world.run(60)

    assert world.outcomes() == {ExecutionStatus.SUCCEEDED: 250}
    assert world.recorded() == world.outcomes()
    assert world.rollout.ending is None
    assert world.rate == rate
    assert len(world.announced("Rollout Completed")) == 1
    world.abort()
    world.run_to_the_end(1)
    assert world.end_states == ["RolloutAborted"]


def test_a_first_rollout_is_told_as_done_though_its_workflow_died(make_world: MakeWorld) -> None:
    """Killed between deciding to guard and saying so, people hear of it all the same, and once."""
    world = make_world(things=60, sweeps=True)
    died: list[str] = []

    def kills(execution: Execution, state: str) -> bool:
        is_due = state == "Steer" and not died and world.decisions[-1].starts_guarding
        if is_due:
            died.append(execution.arn)
        return is_due

    world.kills = kills
    continuous(world)
    world.run(60)

    (completed,) = world.announced("Rollout Completed")
    assert completed["guarded"] is True
    assert len(world.executions) == 2
    assert len(died) == 1


def test_a_bad_wave_of_late_joiners_is_aborted(make_world: MakeWorld) -> None:
    """Devices of a new kind join and fail: the guard stops the job within minutes."""

    def device(place: int, chance: Random) -> Device:
        return fleet(1.0 if place >= 200 else 0.0)(place, chance)

    world = make_world(things=200, devices=device)
    continuous(world)
    world.run(600)
    join(world, 100)
    world.run_to_the_end(30)

    assert world.end_states == ["RolloutAborted"]
    assert world.rollout.ending is Ending.ABORTED


@pytest.mark.parametrize("hours", [3, 72])
def test_a_scheduled_job_gets_its_settings_as_it_starts(
    make_world: MakeWorld, hours: float
) -> None:
    """Enrolled long before, it runs at its own rate for no longer than a first batch."""
    world = make_world(things=2000)
    starts_at = START + hours * 3600
    world.existing_job(rate=1000, status=JobStatus.SCHEDULED, starts_at=starts_at)
    world.enroll()
    world.run(hours * 60 - 1)
    assert world.jobs.updates() == []
    assert {each.verdict for each in world.decisions} == {Verdict.HOLD}
    assert len(world.decisions) <= hours * 2 + 5
    world.run(1.2)

    assert world.rate <= 10
    assert world.job().settings.abort is not None
    assert world.exposed() <= 10
    world.run_to_the_end()
    assert world.end_states[-1] == "RolloutCompleted"


def test_a_launch_may_be_scheduled(make_world: MakeWorld) -> None:
    """Launched for a later time, the job is created with its first settings, and waits."""
    world = make_world(things=300)
    at = datetime.fromtimestamp(START + 7200, UTC)
    world.launch(schedulingConfig={"startTime": at.strftime("%Y-%m-%dT%H:%M")})
    world.run(60)
    assert world.job().status is JobStatus.SCHEDULED
    assert world.rate <= 10
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert world.problems() == []


def test_a_held_scheduled_job_starts_held(make_world: MakeWorld) -> None:
    """Held before its time, it starts at the lowest rate."""
    world = make_world(things=300)
    world.existing_job(rate=1000, status=JobStatus.SCHEDULED, starts_at=START + 3600)
    world.enroll()
    world.run(30)
    world.hold()
    world.run(45)

    assert world.rate == 1
    assert world.exposed() <= 16
    assert [each.by for each in world.decisions[-1].holds] == ["night-shift"]
