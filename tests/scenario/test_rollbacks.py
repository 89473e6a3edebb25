"""What follows an abort: the devices that took the release up are rolled back, by a rollout."""

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pytest

from tests.scenario.devices import Device, fleet, turning_bad
from tests.scenario.people import JOB
from tests.scenario.world import POLICY, World
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.rollout import Ending
from tidegate.ports import ROLLS_BACK_TAG

MakeWorld = Callable[..., World]

ROLLBACK = {"document": {"operation": "downgrade"}}


def undoing(**choices: object) -> Mapping[str, Any]:
    """Return a policy under which an aborted release is rolled back."""
    return {**POLICY, "on_abort": {"rollback": {**ROLLBACK, **choices}}}


def undone_by(world: World) -> str:
    """Return the id of the job that undoes the release."""
    job_id = world.rollout.rolled_back_by
    assert job_id is not None
    return job_id


def things_of(world: World, job_id: str, *statuses: ExecutionStatus) -> set[str]:
    """Return the names of the things that have a job, in any of the statuses."""
    return {
        row.thing_name
        for page in world.jobs.executions(job_id)
        for row in page
        if not statuses or row.status in statuses
    }


def is_over(world: World, job_id: str) -> bool:
    """Whether a job's rollout has ended."""
    return world.is_enrolled(job_id) and world.rollout_of(job_id).ending is not None


def test_a_few_devices_are_rolled_back_by_name(make_world: MakeWorld) -> None:
    """Those that succeeded, and only those, get the job that undoes it; both know each other."""
    world = make_world(policy=undoing(), devices=fleet(0.1, minutes=0.4))
    world.launch()
    world.run(4.9)
    counts = world.job().counts
    assert counts.failed
    assert not counts.queued + counts.in_progress
    world.abort()
    assert world.run_until(lambda: is_over(world, JOB), 10)
    job_id = undone_by(world)
    assert world.run_until(lambda: is_over(world, job_id), 120)

    took = things_of(world, JOB, ExecutionStatus.SUCCEEDED)
    assert 0 < len(took) <= 100
    assert things_of(world, job_id, ExecutionStatus.SUCCEEDED) == took
    assert not world.job(job_id).is_continuous
    assert world.rollout.ending is Ending.ABORTED
    undoing_rollout = world.rollout_of(job_id)
    assert undoing_rollout.ending is Ending.COMPLETED
    assert undoing_rollout.rolls_back == JOB
    assert undoing_rollout.policy.on_abort.rollback is None
    assert world.jobs.tags(world.jobs.arn(job_id))[ROLLS_BACK_TAG] == JOB
    (launched,) = world.announced("Rollback Launched")
    assert (launched["jobId"], launched["rollbackJobId"]) == (JOB, job_id)
    assert sorted(filter(None, world.end_states)) == ["RolloutAborted", "RolloutCompleted"]


def test_many_devices_are_rolled_back_as_a_group_that_late_ones_join(
    make_world: MakeWorld,
) -> None:
    """More than a hundred get a group and a CONTINUOUS job; who was at work then joins it."""

    def device(place: int, chance: Random) -> Device:
        if place >= 400:
            return fleet(1.0)(place, chance)
        slow = place % 20 == 0
        return Device(ExecutionStatus.SUCCEEDED, ends_after=100.0 if slow else 1.0)

    world = make_world(things=2000, policy=undoing(), devices=device)
    world.launch()
    world.run_until(lambda: world.rollout.aborting if world.is_enrolled() else False)
    before = things_of(world, JOB, ExecutionStatus.SUCCEEDED)
    at_work = things_of(world, JOB, ExecutionStatus.IN_PROGRESS)
    assert len(before) > 100
    assert at_work
    assert world.run_until(lambda: world.rollout.rolled_back_by is not None, 30)
    job_id = undone_by(world)
    assert world.run_until(lambda: world.rollout.ending is not None, 1500)
    assert world.run_until(lambda: not world.job(job_id).counts.queued, 600)
    world.run(10)

    took = things_of(world, JOB, ExecutionStatus.SUCCEEDED)
    assert took - before
    assert world.job(job_id).is_continuous
    assert things_of(world, job_id, ExecutionStatus.SUCCEEDED) == took
    assert world.job().status is JobStatus.CANCELED
    assert len(world.announced("Rollback Launched")) == 1
    assert world.problems() == []


def test_an_abort_and_a_cancelation_by_hand_at_once_are_undone(make_world: MakeWorld) -> None:
    """Somebody asks for an abort, and somebody else is faster to cancel the job."""
    world = make_world(things=1000, policy=undoing(), devices=fleet(minutes=0.4))
    world.launch()
    world.run(4.9)
    world.between_jobs_calls.during("cancel", lambda: world.jobs.end_by_hand(JOB, comment="stop"))
    world.abort()
    assert world.run_until(lambda: is_over(world, JOB), 10)
    job_id = undone_by(world)
    assert world.run_until(lambda: is_over(world, job_id), 120)

    assert world.rollout.ending is Ending.CANCELED_OUTSIDE
    took = things_of(world, JOB, ExecutionStatus.SUCCEEDED)
    assert things_of(world, job_id, ExecutionStatus.SUCCEEDED) == took


def test_a_rollback_has_a_policy_of_its_own(make_world: MakeWorld) -> None:
    """Named by the policy, a quicker one steers the way back."""
    world = make_world(policy=undoing(policy="quick"), devices=turning_bad(20))
    quick = {"name": "quick", "pace": {"start_per_minute": 40}}
    world.policies.documents["quick"] = json.dumps(quick)
    world.launch()
    assert world.run_until(lambda: is_over(world, JOB), 60)

    rollout = world.rollout_of(undone_by(world))
    assert rollout.policy.name == "quick"
    assert rollout.policy.pace.start_per_minute == 40


def test_a_rollback_that_is_aborted_is_not_rolled_back(make_world: MakeWorld) -> None:
    """Even under a policy that asks for rollbacks: there is no way back from the way back."""
    world = make_world(policy=undoing(policy="firmware"), devices=turning_bad(30))
    world.launch()
    world.run_until(lambda: world.is_enrolled() and world.rollout.rolled_back_by is not None)
    job_id = undone_by(world)
    world.run_until(lambda: world.is_enrolled(job_id) and bool(world.outcomes(job_id)))
    world.abort(job_id=job_id)
    assert world.run_until(lambda: is_over(world, job_id), 30)
    world.run(60)

    assert world.rollout_of(job_id).ending is Ending.ABORTED
    assert world.rollout_of(job_id).rolled_back_by is None
    assert {each for each in world.jobs._jobs} == {JOB, job_id}  # noqa: C416


@pytest.mark.parametrize("force", [False, True])
def test_devices_at_work_are_left_or_stopped(
    make_world: MakeWorld,
    force: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """An abort leaves devices at work to finish, or stops them, as the policy says."""
    policy = {**POLICY, "on_abort": {"in_flight": "force" if force else "leave"}}
    world = make_world(policy=policy, devices=fleet(minutes=30.0))
    world.launch()
    world.run(5)
    at_work = things_of(world, JOB, ExecutionStatus.IN_PROGRESS)
    assert at_work
    world.abort()
    world.run_to_the_end(1)
    world.run(60)

    stopped = things_of(world, JOB, ExecutionStatus.CANCELED) & at_work
    finished = things_of(world, JOB, ExecutionStatus.SUCCEEDED) & at_work
    assert (stopped, finished) == ((at_work, set()) if force else (set(), at_work))


def test_a_release_that_nobody_took_needs_no_rollback(make_world: MakeWorld) -> None:
    """With no device to bring back, no job is launched, and the record says so."""
    world = make_world(policy=undoing(), devices=fleet(1.0))
    world.launch()
    world.run_to_the_end(60)

    assert world.end_states == ["RolloutAborted"]
    assert world.announced("Rollback Launched") == []
    codes = {each.code for each in world.decisions[-1].reasons}
    assert ReasonCode.ROLLED_BACK in codes


def test_a_release_stopped_by_its_fence_is_rolled_back_too(make_world: MakeWorld) -> None:
    """Whoever stopped it, devices that took a bad release are brought back."""
    world = make_world(policy=undoing(), devices=fleet())
    world.launch()
    world.run(6)
    world.jobs.end_by_criteria(JOB)
    world.run_until(lambda: is_over(world, JOB), 30)
    job_id = undone_by(world)
    world.run_until(lambda: is_over(world, job_id), 120)

    assert world.rollout.ending is Ending.FENCED
    took = things_of(world, JOB, ExecutionStatus.SUCCEEDED)
    assert things_of(world, job_id, ExecutionStatus.SUCCEEDED) == took


def test_what_somebody_else_canceled_is_not_rolled_back(make_world: MakeWorld) -> None:
    """Canceled in the console, a job is somebody else's to undo."""
    world = make_world(policy=undoing())
    world.launch()
    world.run(6)
    world.jobs.end_by_hand(JOB)
    world.run_to_the_end(5)

    assert world.end_states == ["JobCanceledByOthers"]
    assert world.announced("Rollback Launched") == []


@pytest.mark.parametrize("yes", [True, False])
def test_a_rollback_may_need_a_yes(
    make_world: MakeWorld,
    yes: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Aborted at once, a release is rolled back only once a person approves; or not at all."""
    policy = {**undoing(), "authority": {"roll_back": "approve"}}
    world = make_world(policy=policy, devices=turning_bad(20))
    world.launch()
    assert world.run_until(lambda: bool(world.announced("Approval Requested")), 60)
    assert world.job().status is JobStatus.CANCELED
    world.run(30)
    assert world.announced("Rollback Launched") == []
    (asked,) = world.announced("Approval Requested")
    world.answer(asked["correlationId"], yes=yes, comment="as seen on site")
    world.run_until(lambda: is_over(world, JOB), 60)

    assert world.rollout.ending is Ending.ABORTED
    assert len(world.announced("Rollback Launched")) == int(yes)
    record = world.announced("Rollout Aborted", JOB)[0]["record"]
    assert record["agreement"]["proposed"] == 1
    assert record["agreement"]["approved" if yes else "refused"] == 1


@pytest.mark.parametrize("command", ["Hold Rollout", "Abort Rollout", "Resume Rollout"])
def test_a_rollback_is_held_and_stopped_by_its_own_name(
    make_world: MakeWorld, command: str
) -> None:
    """Asked of the release that it undoes, a command is refused, and told where it belongs."""
    world = make_world(policy=undoing(), devices=fleet(minutes=20.0))
    world.launch()
    world.run(5)
    world.abort()
    assert world.run_until(lambda: world.rollout.rolled_back_by is not None, 60)
    asked = world.rollout.abort_request
    world.tell(command, JOB, by="night-shift", reason="too fast")
    world.run(0.1)

    (refusal,) = world.refusals()
    assert f"job {undone_by(world)} undoes it" in refusal["problem"]
    assert undone_by(world) in refusal["remedy"]
    assert world.rollout.abort_request == asked
    assert world.ledger.holds(world.rollout.key) == []
    world.hold(job_id=undone_by(world))
    world.run(1)
    assert len(world.refusals()) == 1
    assert world.decisions_of(undone_by(world))[-1].holds
