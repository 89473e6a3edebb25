"""Weeks of rollout: executions hand over again and again, and nothing is lost on the way."""

from collections.abc import Callable
from random import Random

import pytest

from tests.scenario.devices import Device
from tests.scenario.machine import Execution
from tests.scenario.people import JOB
from tests.scenario.world import POLICY, Delivery, World
from tidegate.documents.commands import REVIEWS_DEFAULT, REVIEWS_MAX
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.rollout import Ending

MakeWorld = Callable[..., World]

DAY_MINUTES = 1440.0

GATED = {**POLICY, "gates": [{"name": "canary", "after": 20, "approval": "required"}]}


def days(place: int, chance: Random) -> Device:
    """Return a device that is seldom online: it takes days, and a few fail."""
    starts = chance.uniform(0.0, 6.0) * DAY_MINUTES
    fails = place % 97 == 5
    status = ExecutionStatus.FAILED if fails else ExecutionStatus.SUCCEEDED
    return Device(status, starts_after=starts, ends_after=starts + chance.uniform(1.0, 300.0))


def launched(world: World, reviews: int) -> None:
    """Launch with so many reviews per execution."""
    launch = {"targets": world.targets, "document": '{"operation": "update"}'}
    given = {"jobId": JOB, "policy": "firmware", "launch": launch, "reviews": reviews}
    world.start_workflow("launched", given)


def test_weeks_of_rollout_lose_nothing(make_world: MakeWorld) -> None:
    """Reviews by the thousand in many executions: each outcome counts, each history is short."""
    policy = {**POLICY, "harm": {"tolerated_rate": 0.05, "budget": 20}}
    world = make_world(
        things=100, policy=policy, devices=days, delivery=Delivery(lost=0.05, doubled=0.1)
    )
    launched(world, 25)
    world.run_to_the_end(40 * DAY_MINUTES)

    *handed_over, last = world.end_states
    assert last == "RolloutCompleted"
    assert set(handed_over) == {"HandedOver"}
    assert world.clock.now() - world.rollout.enrolled_at > 5.5 * 86_400
    assert len(world.decisions) > 1000
    assert world.recorded() == world.outcomes()
    assert world.problems() == []
    longest = max(each.history for each in world.executions.values())
    assert longest / 25 * REVIEWS_DEFAULT < 12_500
    assert longest / 25 * REVIEWS_MAX < 25_000
    assert world.workflow.waiting == set()
    assert len(world.announced("Rollout Completed")) == 1


@pytest.mark.parametrize("reviews", [1, 2, 3])
def test_a_question_outlives_many_executions(make_world: MakeWorld, reviews: int) -> None:
    """Asked once by one execution, it is answered to another, days later."""
    world = make_world(things=5000, policy=GATED)
    launched(world, reviews)
    assert world.run_until(lambda: bool(world.announced("Approval Requested")), 120)
    asked_by = len(world.executions)
    world.run(1000)
    assert len(world.executions) > asked_by + 30
    assert len(world.announced("Approval Requested")) == 1
    world.answer("canary-approval")
    world.run(0.1)

    assert len(world.announced("Gate Passed")) == 1
    assert world.rollout.course.pending == ()
    assert world.refusals() == []


@pytest.mark.parametrize(
    ("port", "operation", "when"),
    [
        ("ledger", "claim", "during"),
        ("ledger", "claim", "following"),
        ("ledger", "park", "during"),
        ("ledger", "park", "following"),
        ("ledger", "store_decision", "during"),
        ("ledger", "store_decision", "following"),
        ("ledger", "totals", "following"),
    ],
)
@pytest.mark.parametrize("command", ["Approve Gate", "Hold Rollout"])
def test_an_answer_in_the_very_moment_of_a_hand_over_counts(
    make_world: MakeWorld, port: str, operation: str, when: str, command: str
) -> None:
    """Whoever owns the rollout right then, the answer is seen within seconds, and once."""
    world = make_world(things=5000, policy=GATED)
    launched(world, 1)
    assert world.run_until(lambda: bool(world.announced("Approval Requested")), 120)
    executions = len(world.executions)
    members = {"by": "night-shift", "reason": "looks odd"}
    if command == "Approve Gate":
        members = {"correlationId": "canary-approval", "by": "release-desk", "comment": "go"}
    body = world.command(command, **members)
    getattr(getattr(world, port).faults, when)(operation, lambda: world.deliver_now(body))
    signals = world.rollout.signals
    assert world.run_until(lambda: world.rollout.signals > signals, 15)
    assert len(world.executions) > executions or operation != "claim"
    world.run(0.2)

    last = world.decisions[-1]
    assert last.signals == world.rollout.signals
    if command == "Approve Gate":
        assert len(world.announced("Gate Passed")) == 1
        assert last.verdict is not Verdict.GATE
    else:
        assert [each.by for each in last.holds] == ["night-shift"]
    assert world.refusals() == []
    assert world.end_states[-1] is None


@pytest.mark.parametrize("state", ["HandOver", "HandedOver", "Enroll"])
@pytest.mark.parametrize(
    "command", ["Hold Rollout", "Abort Rollout", "Adjust Policy", "Approve Gate"]
)
def test_what_is_asked_between_two_executions_is_done(
    make_world: MakeWorld, state: str, command: str
) -> None:
    """Nobody waits right then whom it could wake: the successor's first review sees it."""
    world = make_world(things=5000, policy=GATED)
    launched(world, 1)
    assert world.run_until(lambda: bool(world.announced("Approval Requested")), 120)
    members: dict[str, object] = {"by": "night-shift", "reason": "looks odd"}
    if command == "Adjust Policy":
        members["policy"] = {**POLICY, "name": "gentle", "pace": {"max_per_minute": 7}}
    if command == "Approve Gate":
        members = {"correlationId": "canary-approval", "by": "release-desk", "comment": "go"}
    asked: list[str] = []

    def says(_: Execution, entered: str) -> bool:
        if entered == state and not asked:
            asked.append(world.command(command, **members))
            world.deliver_now(*asked)
        return False

    world.kills = says
    assert world.run_until(lambda: bool(asked), 15)
    world.run(0.2)

    last = world.decisions[-1]
    assert last.signals == world.rollout.signals
    match command:
        case "Hold Rollout":
            assert [each.by for each in last.holds] == ["night-shift"]
        case "Abort Rollout":
            assert world.rollout.ending is Ending.ABORTED
        case "Adjust Policy":
            assert world.rollout.policy.name == "gentle"
            assert last.verdict is not Verdict.GATE
        case _:
            assert len(world.announced("Gate Passed")) == 1
    assert world.refusals() == []
    assert world.problems() == []


def test_a_hand_over_in_the_middle_of_a_flood_of_events_loses_none(make_world: MakeWorld) -> None:
    """Reports that wake an execution right as it hands over are counted, and acted upon."""
    world = make_world(things=500, delivery=Delivery(delay_seconds=30.0, doubled=0.5))
    launched(world, 1)
    world.run_to_the_end()

    assert world.end_states[-1] == "RolloutCompleted"
    assert world.recorded() == world.outcomes()
