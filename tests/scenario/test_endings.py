"""Jobs that end without Tidegate's doing: each ending is told for what it is."""

from collections.abc import Callable

import pytest

from tests.scenario.devices import fleet
from tests.scenario.people import JOB
from tests.scenario.world import POLICY, START, World
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.rollout import Ending, RolloutKey

MakeWorld = Callable[..., World]


def test_a_job_canceled_by_hand_ends_as_canceled_by_others(make_world: MakeWorld) -> None:
    """Tidegate takes no credit for what somebody did in the console, and repeats their comment."""
    world = make_world()
    world.launch()
    world.run(4)
    world.jobs.end_by_hand(JOB, comment="I changed my mind")
    world.run_to_the_end(1)

    assert world.end_states == ["JobCanceledByOthers"]
    assert world.rollout.ending is Ending.CANCELED_OUTSIDE
    assert world.decisions[-1].summary == "somebody else canceled the job: I changed my mind"
    assert not [each for each in world.jobs.calls if each.operation == "cancel"]


def test_a_job_deleted_by_hand_ends_as_deleted_by_others(make_world: MakeWorld) -> None:
    """A job that is gone ends its rollout; nothing is left that waits for it."""
    world = make_world()
    world.launch()
    world.run(4)
    world.jobs.delete_by_hand(JOB)
    world.run_to_the_end(1)

    assert world.end_states == ["JobDeletedByOthers"]
    assert world.rollout.ending is Ending.DELETED_OUTSIDE
    assert [each["ending"] for each in world.announced("Rollout Aborted")] == ["deleted_outside"]


def test_a_job_whose_deletion_was_not_told_ends_at_the_next_review(make_world: MakeWorld) -> None:
    """Without the event, the review finds out by itself."""
    world = make_world()
    world.launch()
    world.run(4)
    world.jobs.delete(JOB)
    world.run_to_the_end(1)

    assert world.end_states == ["JobDeletedByOthers"]


def test_a_job_that_is_being_deleted_is_over(make_world: MakeWorld) -> None:
    """Deletion takes AWS a while; the rollout does not wait for it."""
    world = make_world()
    world.launch()
    world.run(4)
    world.jobs.change(JOB, status=JobStatus.DELETION_IN_PROGRESS)
    world.run_to_the_end(1)

    assert world.end_states == ["JobDeletedByOthers"]


def test_a_job_stopped_by_its_fence_is_told_from_an_abort(make_world: MakeWorld) -> None:
    """With Tidegate dead, the criteria it left behind stop the job; come back, it says so."""
    policy = {**POLICY, "job": {"timeout": "15m"}}
    world = make_world(things=2000, devices=fleet(1.0, minutes=3.0), policy=policy)
    world.launch()
    world.run(1)
    (execution,) = world.executions.values()
    world.kill(execution)
    left = world.jobs.describe(JOB).settings
    assert left.abort
    soonest = min(each.min_executed_things for each in left.abort)
    world.run(120)
    assert world.jobs.describe(JOB).status is JobStatus.CANCELED
    # What is in flight when the ratio is reached fails as well, and a batch may be on its way.
    assert world.outcomes()[ExecutionStatus.FAILED] <= soonest + 6 * left.rate_per_minute
    assert soonest < 200

    world.start_workflow("again", execution.given)
    world.run(1)
    assert world.rollout.ending is Ending.FENCED
    assert world.end_states[-1] == "StoppedByFence"


def test_a_fence_that_was_faster_than_the_evidence_is_named(make_world: MakeWorld) -> None:
    """Where AWS's criteria stop the job first, the rollout ends as fenced, not as aborted."""
    world = make_world(things=100)
    world.launch()
    world.run(3)
    world.jobs.end_by_criteria(JOB)
    world.run_to_the_end(1)

    assert world.end_states == ["StoppedByFence"]
    assert world.rollout.ending is Ending.FENCED
    assert world.decisions[-1].summary == "AWS stopped the job by its abort criteria: by criteria"


def test_a_job_that_completed_unseen_is_completed(make_world: MakeWorld) -> None:
    """With every event of the job's lost, the next review still finds its end."""
    world = make_world(things=30)
    world.launch()
    world.run(2)
    world.jobs.events["JOB"] = False
    world.run_to_the_end(60)

    assert world.end_states == ["RolloutCompleted"]


@pytest.mark.parametrize("minutes", [0, 1, 5])
def test_a_job_id_used_again_is_a_new_rollout(make_world: MakeWorld, minutes: float) -> None:
    """After deletion the same id is another job: old counts, holds and events stay behind."""
    world = make_world(things=200, devices=fleet(0.01))
    world.launch()
    world.run(4)
    first = world.rollout.key
    world.hold()
    world.run(1)
    world.jobs.delete_by_hand(JOB)
    world.run_to_the_end(2)
    world.run(minutes)
    world.launch()
    world.run_until(lambda: world.rollout.key != first)

    assert world.rollout.key == RolloutKey(JOB, world.jobs.describe(JOB).created_at)
    assert world.rollout.generation == 1
    assert world.recorded().total() == 0
    assert world.ledger.holds(world.rollout.key) == []
    world.run_to_the_end()
    assert world.end_states == ["JobDeletedByOthers", "RolloutCompleted"]
    assert world.recorded() == world.outcomes()
    assert world.ledger.rollout(first).ending is Ending.DELETED_OUTSIDE


def test_late_events_of_an_earlier_job_are_ignored(make_world: MakeWorld) -> None:
    """An outcome of the deleted job that arrives an hour late does not count for the next one."""
    world = make_world(things=50)
    world.launch()
    world.run_to_the_end()
    world.jobs.delete_by_hand(JOB)
    world.run(2)
    world.launch()
    world.run_until(lambda: world.rollout.ending is None)
    world.send(
        "intake",
        '{"eventType": "JOB_EXECUTION", "eventId": "late", "operation": "failed", '
        f'"timestamp": {int(START) + 60}, "jobId": "{JOB}", "status": "FAILED", '
        '"thingArn": "arn:aws:iot:eu-central-1:111122223333:thing/thing-00001"}',
    )
    world.run_to_the_end()

    assert world.recorded()[ExecutionStatus.FAILED] == 0


def test_a_job_deleted_and_created_again_by_others_is_left_alone(make_world: MakeWorld) -> None:
    """Another job under the id of an enrolled one is not touched, tag or no tag."""
    world = make_world()
    world.launch()
    world.run_until(lambda: bool(world.jobs.updates()) and world.rate == 1)
    world.jobs.delete(JOB)
    world.run(0.05)
    world.existing_job(rate=100)
    before = list(world.jobs.calls)
    world.run_to_the_end(5)

    assert world.end_states == ["JobDeletedByOthers"]
    assert world.jobs.calls == before
    assert world.rate == 100
