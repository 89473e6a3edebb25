"""What dies is started anew, what no event tells of is found: the sweep, and its events."""

import json
from collections import Counter
from collections.abc import Callable

import pytest

from tests.scenario.devices import fleet
from tests.scenario.machine import Execution
from tests.scenario.people import JOB
from tests.scenario.world import POLICY, World
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import JobStatus
from tidegate.domain.rollout import Ending
from tidegate.ports import POLICY_TAG
from tidegate.service.sweep import GRACE_SECONDS, SWEEP_SECONDS

MakeWorld = Callable[..., World]

#: Every state that the story below comes through, but those that end an execution.
STATES = (
    "Enroll",
    "Enrolled?",
    "Review",
    "Verdict?",
    "Steer",
    "Steered?",
    "AwaitEvidence",
    "ReviewDue",
    "Woken",
    "Hold",
    "AwaitRelease",
    "Gate",
    "Bake",
    "AwaitApproval",
    "HandOver",
    "Abort",
    "Aborted?",
    "AwaitStopped",
    "RollBack",
    "RolledBack?",
    "AwaitStragglers",
    "Conclude",
    "Concluded?",
    "Ending?",
)
LONG_POLICY = {
    **POLICY,
    "pace": {"start_per_minute": 10, "max_per_minute": 20},
    "gates": [{"name": "canary", "after": 20, "bake": "5m", "approval": "required"}],
    "on_abort": {"rollback": {"document": {"operation": "downgrade"}}},
}


def long_story(world: World) -> None:
    """Launch; a hold, a gate with an approval, hand-overs, an abort and its rollback."""
    world.start_workflow("launched", _launch_input(world))
    world.run(2)
    world.hold()
    world.run(4)
    world.resume()
    world.run(30)
    for asked in world.announced("Approval Requested"):
        world.answer(asked["correlationId"])
    world.run(8)
    world.abort()
    world.run(60)


def _launch_input(world: World) -> dict[str, object]:
    return {
        "jobId": JOB,
        "policy": world.policy["name"],
        "launch": {"targets": world.targets, "document": '{"operation": "update"}'},
        "reviews": 12,
    }


def came_to(world: World) -> tuple[object, ...]:
    """Return how the story ended, whatever happened to workflows on the way."""
    rollout = world.rollout
    undone = world.rollout_of(rollout.rolled_back_by or "")
    return (rollout.ending, rollout.course.gates_passed, undone.rolls_back, world.problems())


def told(world: World) -> Counter[str]:
    """Count what may be told but once."""
    kinds = ("Gate Reached", "Gate Passed", "Approval Requested", "Rollback Launched")
    once = [*kinds, "Rollout Aborted", "Rollout Resumed"]
    return Counter({kind: len(world.announced(kind, JOB)) for kind in once})


def test_the_story_comes_through_every_state(make_world: MakeWorld) -> None:
    """What is killed below is really there; only a completion and a late joiner are not."""
    world = make_world(things=2000, policy=LONG_POLICY, sweeps=True)
    long_story(world)

    assert set(STATES) <= {state for each in world.executions.values() for state in each.states}
    assert came_to(world) == (Ending.ABORTED, ("canary",), JOB, [])
    assert set(told(world).values()) == {1}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("tells", [False, True], ids=["unseen", "told"])
def test_killed_anywhere_the_story_ends_the_same(
    make_world: MakeWorld,
    state: str,
    tells: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Dead before any state, a workflow is healed, and nothing is done or told twice."""
    world = make_world(things=2000, policy=LONG_POLICY, sweeps=True)
    killed: list[Execution] = []

    def kills(execution: Execution, entered: str) -> bool:
        # Before its claim there is nothing to heal: whoever started that sees it fail.
        is_own = execution.given["jobId"] == JOB and world.is_enrolled()
        if killed or entered != state or not is_own:
            return False
        killed.append(execution)
        if tells:
            world.after(0.0, lambda: world.stop(execution))
        return True

    world.kills = kills
    long_story(world)

    assert len(killed) == 1
    assert came_to(world) == (Ending.ABORTED, ("canary",), JOB, [])
    assert set(told(world).values()) == {1}
    revisions = [each.revision for each in world.decisions]
    assert revisions == [*range(1, len(revisions) + 1)]
    canceled = [each for each in world.jobs.calls if each.operation == "cancel"]
    assert len([each for each in canceled if each.job_id == JOB]) <= 2
    created = [each.job_id for each in world.jobs.calls if each.operation == "create"]
    assert set(created) == {JOB, world.rollout.rolled_back_by}


def test_killed_once_before_every_state_the_story_ends_the_same(make_world: MakeWorld) -> None:
    """However often somebody stops its workflow, the rollout goes on from where it was."""
    world = make_world(things=2000, policy=LONG_POLICY, sweeps=True)
    spared = set(STATES)

    def kills(execution: Execution, entered: str) -> bool:
        if entered not in spared or execution.given["jobId"] != JOB or not world.is_enrolled():
            return False
        spared.remove(entered)
        world.after(0.0, lambda: world.stop(execution))
        return True

    world.kills = kills
    long_story(world)
    world.run(60)

    # Healed after its abort or its end, it has no more to wait for; and none lives to hand over.
    assert spared <= {"AwaitStopped", "Ending?", "HandOver"}
    assert came_to(world) == (Ending.ABORTED, ("canary",), JOB, [])
    assert set(told(world).values()) == {1}


def test_a_workflow_that_died_unseen_is_healed_by_the_sweep(make_world: MakeWorld) -> None:
    """Minutes after its review was due, another execution goes on from the ledger."""
    world = make_world(things=400, sweeps=True)
    world.launch()
    world.run(5)
    world.kill(world.last_execution)
    before, died_at = world.rollout, world.clock.now()
    assert world.run_until(lambda: world.rollout.generation > before.generation, 30)

    due = world.ledger.active()[0].review_by
    assert world.clock.now() - died_at <= 60 + GRACE_SECONDS + SWEEP_SECONDS + 5
    assert due > died_at
    world.run_until(lambda: world.rollout.ending is not None)
    assert world.rollout.ending is Ending.COMPLETED
    assert world.problems() == []


def test_a_workflow_stopped_by_hand_is_healed_at_once(make_world: MakeWorld) -> None:
    """Step Functions tells of the end, and another execution takes over within seconds."""
    world = make_world(things=400)
    world.launch()
    world.run(5)
    world.stop(world.last_execution)
    world.run(0.1)

    assert world.rollout.generation == 2
    world.run_to_the_end()
    assert world.end_states[-1] == "RolloutCompleted"


def test_a_workflow_that_keeps_dying_is_told_and_tried_on(make_world: MakeWorld) -> None:
    """After some tries in a row people hear of it once, and it is tried each hour from then on."""
    world = make_world(things=2000, sweeps=True, devices=fleet(silent_rate=0.9))
    world.launch()
    world.run(5)
    world.kills = lambda _, state: state == "Review"
    world.kill(world.last_execution)
    world.run(180)
    heals = len(world.executions) - 1
    assert 4 <= heals <= 7
    (problem,) = world.problems()
    assert "starting it anew 3 times has led to no decision" in problem

    world.kills = lambda *_: False
    world.run(70)
    assert world.end_states[-1] is None
    assert len(world.problems()) == 1


def test_a_command_for_a_dead_workflow_revives_it(make_world: MakeWorld) -> None:
    """Whoever aborts a rollout whose workflow died does not wait for the sweep."""
    world = make_world(things=400)
    world.launch()
    world.run(5)
    world.kill(world.last_execution)
    world.abort()
    world.run(0.2)

    assert world.rollout.ending is Ending.ABORTED
    assert world.job().status is JobStatus.CANCELED


@pytest.mark.parametrize("others", [0, 200])
def test_a_tagged_job_is_found_within_two_minutes(make_world: MakeWorld, others: int) -> None:
    """Created with the tag by somebody's pipeline, a job is steered with no command at all."""
    world = make_world(things=300, sweeps=True)
    for number in range(others):
        world.existing_job(f"other-{number}", status=JobStatus.SCHEDULED)
    world.run(1.5)
    world.existing_job(rate=5, tags={POLICY_TAG: "firmware"})
    world.run(2)

    assert world.is_enrolled()
    assert world.decisions
    assert world.job().settings.abort is not None
    world.run_until(lambda: world.rollout.ending is not None)
    assert world.rollout.ending is Ending.COMPLETED
    assert len(world.executions) == 1
    assert {each.job_id for each in world.jobs.calls} == {JOB}


def test_a_tag_put_on_later_is_found_among_many(make_world: MakeWorld) -> None:
    """A job that was looked at without a tag is looked at again, in its turn."""
    world = make_world(things=300, sweeps=True)
    for number in range(200):
        world.existing_job(f"other-{number}", status=JobStatus.SCHEDULED)
    world.existing_job(rate=1)
    world.run(3)
    world.jobs.tag(world.jobs.arn(JOB), {POLICY_TAG: "firmware"})
    world.run(12)

    assert world.is_enrolled()


def test_a_tagged_job_whose_creation_is_told_is_found_at_once(make_world: MakeWorld) -> None:
    """Where CloudTrail tells of CreateJob, nothing waits for the sweep, and nothing is doubled."""
    world = make_world(things=300)
    world.existing_job(rate=5, tags={POLICY_TAG: "firmware"})
    world.run(1)
    for _ in range(2):
        world.outside(
            "aws.iot",
            "AWS API Call via CloudTrail",
            {"eventName": "CreateJob", "requestParameters": {"jobId": JOB}},
        )
    world.run(0.2)
    assert world.is_enrolled()
    world.run(5)

    assert len(world.executions) == 1


def test_a_tagged_job_whose_policy_is_unknown_is_told_once(make_world: MakeWorld) -> None:
    """A typo in a tag is one message, not one a minute; corrected, the job is steered."""
    world = make_world(things=300, sweeps=True)
    world.existing_job(rate=1, tags={POLICY_TAG: "firmwear"})
    world.run(20)
    (problem,) = world.problems()
    assert "firmwear" in problem
    world.jobs.tag(world.jobs.arn(JOB), {POLICY_TAG: "firmware"})
    world.run(3)

    assert world.is_enrolled()


def test_job_events_that_are_switched_off_are_repaired_and_told(make_world: MakeWorld) -> None:
    """Within a minute they are on again; people hear that somebody switches them off."""
    world = make_world(things=400, devices=fleet(minutes=5.0), sweeps=True)
    world.launch()
    world.run(3)
    world.jobs.events.update({"JOB": False, "JOB_EXECUTION": False})
    world.run(1.1)
    assert world.jobs.events == {"JOB": True, "JOB_EXECUTION": True}

    def repaired() -> int:
        return len([each for each in world.problems() if "job events were off" in each])

    assert repaired() == 1
    world.run(10)
    assert repaired() == 1
    world.jobs.events["JOB_EXECUTION"] = False
    world.run(1.1)
    assert repaired() == 2
    world.run_to_the_end()
    assert world.recorded() == world.outcomes()


def test_dead_letters_are_told_once_until_they_are_gone(make_world: MakeWorld) -> None:
    """What nothing could process is told of with its queue; a second message is no news."""
    world = make_world(sweeps=True)
    world.send("record", "no event at all")
    world.run(30)
    world.send("record", "neither")
    world.run(30)
    (problem,) = world.problems()
    assert "dead-letter queue record" in problem
    assert len(world.dead_letters["record"]) == 2

    del world.queues.dead_letters["record"]
    world.run(2)
    world.send("record", "again")
    world.run(30)
    assert len(world.problems()) == 2


def test_sweeping_a_healthy_account_changes_nothing(make_world: MakeWorld) -> None:
    """With everything alive, a sweep a minute neither calls nor tells anything."""
    swept, still = (
        make_world(things=300, devices=fleet(0.005), sweeps=sweeps) for sweeps in (True, False)
    )
    for world in (swept, still):
        world.launch()
        world.run(90)

    assert swept.jobs.calls == still.jobs.calls
    assert json.dumps([each.detail for each in swept.bus.published]) == json.dumps(
        [each.detail for each in still.bus.published]
    )
    assert Verdict.COMPLETE in {each.verdict for each in swept.decisions}
