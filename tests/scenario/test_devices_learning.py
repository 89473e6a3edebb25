"""What is learned from devices on the way: how long they need, and why they fail."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.scenario.device_world import DeviceWorld, Doing, good
from tests.scenario.world import POLICY
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.reasons import ReasonCode

MakeWorld = Callable[..., DeviceWorld]

FAST = {"start_per_minute": 100, "max_per_minute": 400}


def timed(**section: object) -> Mapping[str, Any]:
    """Return a policy with an adaptive time-out in place of one of a day."""
    return {**POLICY, "pace": FAST, "job": {"timeout": "24h"}, "adaptive_timeout": section}


def codes(world: DeviceWorld) -> set[ReasonCode]:
    """Return what all decisions rest on."""
    return {each.code for decision in world.decisions for each in decision.reasons}


def test_a_time_out_is_proposed_and_left_to_people(make_device_world: MakeWorld) -> None:
    """Once the fleet has shown how long it takes, decisions say which time-out would do."""
    world = make_device_world(things=3000, policy=timed(mode="propose"))
    world.launch()
    world.run_to_the_end()

    proposed = [
        each
        for decision in world.decisions
        for each in decision.reasons
        if each.code is ReasonCode.TIMEOUT_PROPOSED
    ]
    assert proposed
    assert all(each.values["minutes"] == 30 for each in proposed)
    assert all(each.timeout_minutes in {None, 1440} for each in world.jobs.updates())
    assert world.job().settings.timeout_minutes == 1440


def test_a_time_out_is_set_and_holds_for_those_that_start_later(
    make_device_world: MakeWorld,
) -> None:
    """Set where the policy says so: a device that falls silent later ends in minutes, not a day."""
    late = "thing-02999"

    def doing(name: str, chance: Random) -> Doing:
        return Doing(outcome=None) if name == late else good(name, chance)

    world = make_device_world(things=3000, doings=doing, policy=timed(mode="set", at_least="45m"))
    world.launch()
    world.run_to_the_end(300)

    assert world.end_states == ["RolloutCompleted"]
    first, *_ = [each for each in world.jobs.updates() if each.timeout_minutes not in {None, 1440}]
    assert first.timeout_minutes == 45
    assert ReasonCode.TIMEOUT_SET in codes(world)
    execution = world.execution(late)
    assert execution.status is ExecutionStatus.TIMED_OUT
    assert (execution.updated_at - (execution.started_at or 0.0)) / 60 <= 60


def test_reasons_of_failures_are_in_decisions_and_in_the_record(
    make_device_world: MakeWorld,
) -> None:
    """Counted together though each names its own serial number; what must not be kept is not."""
    secret = "owner@example.com"

    def doing(name: str, chance: Random) -> Doing:
        place = int(name.removeprefix("thing-"))
        if place % 60 == 7:
            details = {"reason": f"flash {100_000 + place} unreadable", "owner": secret}
            return Doing(ExecutionStatus.FAILED, details=details)
        if place % 150 == 8:
            return Doing(ExecutionStatus.FAILED, details={"errorCode": "E42", "owner": secret})
        return good(name, chance)

    policy = {
        **POLICY,
        "harm": {"tolerated_rate": 0.05, "budget": 60},
        "failures": {"never_store": ["owner"]},
    }
    world = make_device_world(things=600, doings=doing, policy=policy)
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    told = [
        each.text
        for decision in world.decisions
        for each in decision.reasons
        if each.code is ReasonCode.FAILURE_REASONS
    ]
    assert told[-1] == "why devices say that they failed: flash # unreadable (10), E42 (4)"
    (completed,) = world.announced("Rollout Completed")
    assert completed["record"]["failureReasons"] == [
        {"reason": "flash # unreadable", "devices": 10},
        {"reason": "E42", "devices": 4},
    ]
    assert secret not in str(
        [each.detail for each in world.bus.published if each.source == "tidegate"]
    )
    assert secret not in str(world.ledger.reasons(world.rollout.key))
