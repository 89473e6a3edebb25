"""Executions that are stuck: ended or given more time, and never against their device."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pytest

from tests.scenario.device_world import DeviceWorld, Doing, Doings, good
from tests.scenario.people import JOB
from tests.scenario.world import POLICY
from tidegate.domain.executions import ExecutionUpdate
from tidegate.domain.jobs import ExecutionStatus
from tidegate.errors import RetryLater

MakeWorld = Callable[..., DeviceWorld]

SILENT = "thing-00007"
OTHER = "thing-00011"
IN_PROGRESS = ExecutionStatus.IN_PROGRESS


def stuck(**members: object) -> Mapping[str, Any]:
    """Return a policy that looks after executions that are stuck."""
    return {**POLICY, "stuck": members}


def silent(*names: str) -> Doings:
    """Return devices of which these take the job up and say no more."""

    def doing(name: str, chance: Random) -> Doing:
        return Doing(outcome=None) if name in names else good(name, chance)

    return doing


def test_a_stuck_device_is_failed_in_time_and_blocks_nobody(make_device_world: MakeWorld) -> None:
    """After the policy's time its execution is FAILED, told, counted, and the job completes."""
    world = make_device_world(things=60, doings=silent(SILENT), policy=stuck(after="20m"))
    world.launch()
    world.run_until(lambda: bool(world.announced("Execution Reaped")))
    (told,) = world.announced("Execution Reaped")
    execution = world.execution(SILENT)
    assert (told["action"], told["things"], told["afterMinutes"]) == ("fail", [SILENT], 20)
    assert execution.status is ExecutionStatus.FAILED
    assert "no sign of life" in execution.status_details["tidegate:reason"]
    silent_minutes = (execution.updated_at - (execution.started_at or 0.0)) / 60
    assert 20 <= silent_minutes <= 20 + 6

    world.run_to_the_end(10)
    assert world.end_states == ["RolloutCompleted"]
    assert world.recorded() == world.outcomes()
    assert world.outcomes() == {ExecutionStatus.SUCCEEDED: 59, ExecutionStatus.FAILED: 1}
    assert len(world.single.updates) == 1
    (completed,) = world.announced("Rollout Completed")
    assert completed["record"]["failureReasons"] == [{"reason": "no sign of life", "devices": 1}]


def test_a_device_that_reports_meanwhile_wins(make_device_world: MakeWorld) -> None:
    """What it reports between the look at it and the update stands; nobody is told otherwise."""
    world = make_device_world(things=60, doings=silent(SILENT), policy=stuck(after="20m"))

    def reports() -> None:
        world.jobs.report(JOB, SILENT, ExecutionStatus.SUCCEEDED)
        world.jobs.look(JOB)

    world.between_single_calls.following("describe", reports)
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    (tried,) = world.single.updates
    assert tried.status is ExecutionStatus.FAILED
    assert world.outcomes() == {ExecutionStatus.SUCCEEDED: 60}
    assert world.recorded() == world.outcomes()
    assert world.announced("Execution Reaped") == []


def test_only_a_step_timer_that_runs_is_extended(make_device_world: MakeWorld) -> None:
    """A device under a step timer gets more time, one without is left to the job's time-out."""
    policy = {
        **stuck(after="5m", then="extend", by="30m", devices_check_versions=False),
        "job": {"timeout": "90m"},
    }
    world = make_device_world(things=60, doings=silent(SILENT, OTHER), policy=policy)
    world.launch()
    world.run_until(lambda: world.is_enrolled() and world.job().counts.started == 60)
    world.single.update(ExecutionUpdate(JOB, SILENT, IN_PROGRESS, step_timeout_minutes=10))
    world.run_until(lambda: bool(world.announced("Execution Reaped")), 30)
    (told,) = world.announced("Execution Reaped")
    assert (told["action"], told["things"]) == ("extend", [SILENT])
    extended = world.execution(SILENT)
    assert extended.status is IN_PROGRESS
    assert extended.status_details["tidegate:extended"] == "1"
    assert extended.seconds_left is not None
    assert extended.seconds_left > 25 * 60
    assert world.execution(OTHER).status_details == {}

    world.run(15)
    world.single.update(ExecutionUpdate(JOB, SILENT, ExecutionStatus.SUCCEEDED))
    world.run_to_the_end(120)
    assert world.execution(SILENT).status is ExecutionStatus.SUCCEEDED
    assert world.execution(OTHER).status is ExecutionStatus.TIMED_OUT
    assert [each.thing_name for each in world.single.updates if each.status_details] != [OTHER]
    assert world.recorded() == world.outcomes()


def test_how_long_is_too_long_is_learned_from_the_fleet(make_device_world: MakeWorld) -> None:
    """
    Without a time in the policy, nobody is ended before the fleet has shown its own.

    Once all are notified reviews are five minutes apart; what is learned does not depend on that.
    """
    world = make_device_world(
        things=4000,
        doings=silent(SILENT),
        policy={**stuck(after="auto"), "pace": {"start_per_minute": 100, "max_per_minute": 400}},
    )
    world.launch()
    world.run_to_the_end()

    execution = world.execution(SILENT)
    assert execution.status is ExecutionStatus.FAILED
    silent_minutes = (execution.updated_at - (execution.started_at or 0.0)) / 60
    assert 30 <= silent_minutes <= 30 + 6
    assert world.outcomes()[ExecutionStatus.SUCCEEDED] == 3999
    assert [each["things"] for each in world.announced("Execution Reaped")] == [[SILENT]]


def test_a_soak_is_no_part_of_how_long_devices_take(make_device_world: MakeWorld) -> None:
    """They are done when they report success: one that is stuck is ended before others soaked."""
    late = "thing-01400"
    world = make_device_world(
        things=1500,
        doings=silent(late),
        policy={
            **stuck(after="auto"),
            "pace": {"start_per_minute": 100, "max_per_minute": 400},
            "soak": "1h",
        },
    )
    world.launch()
    world.run_until(lambda: bool(world.announced("Execution Reaped")))

    execution = world.execution(late)
    assert execution.status is ExecutionStatus.FAILED
    assert 30 <= (execution.updated_at - (execution.started_at or 0.0)) / 60 <= 30 + 6


@pytest.mark.parametrize("when", ["before", "after"])
def test_care_that_fails_stops_no_rollout(make_device_world: MakeWorld, when: str) -> None:
    """Where AWS is too busy, or a Lambda dies, the next pass does what is left, and once."""
    world = make_device_world(things=60, doings=silent(SILENT), policy=stuck(after="10m"))
    getattr(world.single.faults, when)("update", RetryLater("Rate exceeded"))
    getattr(world.single.faults, when)("describe", RuntimeError("died"))
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert world.execution(SILENT).status is ExecutionStatus.FAILED
    assert world.recorded() == world.outcomes()
    assert world.problems() == []
