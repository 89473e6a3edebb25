"""Rollouts that have devices in common: one waits, is warned of, or goes ahead."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.scenario.devices import fleet
from tests.scenario.people import FLEET, JOB
from tests.scenario.world import POLICY, World
from tidegate.domain.decision import Verdict
from tidegate.domain.rollout import Ending, HoldKind

MakeWorld = Callable[..., World]

NEXT = "release-8"


def overlapping(overlap: str) -> Mapping[str, Any]:
    """Return a policy that says what to do about others."""
    return {**POLICY, "overlap": overlap}


def under_way(make_world: MakeWorld, overlap: str, **choices: Any) -> World:  # noqa: ANN401
    """Return a world whose first rollout is on its way."""
    world = make_world(**{"things": 300, "policy": overlapping(overlap), **choices})
    world.launch()
    world.run(4)
    return world


def test_a_launch_waits_until_the_other_is_over(make_world: MakeWorld) -> None:
    """No job is created meanwhile, and nobody has to do anything for it to begin."""
    world = under_way(make_world, "wait", things=600)
    world.launch(NEXT)
    world.run(2)
    assert not world.is_enrolled(NEXT)
    assert world.last_execution.states[-1] == "AwaitTurn"
    assert NEXT not in {each.job_id for each in world.jobs.calls}
    world.run_until(lambda: world.rollout.ending is not None)
    assert not world.is_enrolled(NEXT)
    world.run(6)

    assert world.is_enrolled(NEXT)
    assert world.rollout_of(NEXT).overlaps == ()
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted", "RolloutCompleted"]
    assert world.outcomes(NEXT).total() == 600


def test_a_running_job_that_is_enrolled_is_held_until_the_other_is_over(
    make_world: MakeWorld,
) -> None:
    """What runs already cannot wait for its creation: it crawls until it is alone."""
    world = under_way(make_world, "wait", things=600)
    world.existing_job(NEXT, rate=200)
    world.enroll(NEXT)
    world.run(0.2)
    assert world.rate_of(NEXT) == 1
    (hold,) = world.decisions_of(NEXT)[-1].holds
    assert (hold.kind, hold.by) == (HoldKind.OVERLAP, JOB)
    assert world.rate > 1
    world.run_until(lambda: world.rollout.ending is not None)
    assert world.decisions_of(NEXT)[-1].verdict is Verdict.HOLD
    world.run(2)
    assert world.rate_of(NEXT) > 1
    world.run_to_the_end()
    assert [world.rollout_of(each).ending for each in (JOB, NEXT)] == [Ending.COMPLETED] * 2


def test_two_launches_at_once_do_not_wait_for_each_other(make_world: MakeWorld) -> None:
    """Started in the same second, one goes first and the other waits: neither hangs."""
    world = make_world(things=200, policy=overlapping("wait"))
    world.launch()
    world.launch(NEXT)
    world.run(3)
    going = [each for each in (JOB, NEXT) if world.is_enrolled(each) and world.rate_of(each) > 1]
    assert len(going) <= 1
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted", "RolloutCompleted"]


@pytest.mark.parametrize("overlap", ["warn", "go"])
def test_going_all_the_same_is_told_or_not(make_world: MakeWorld, overlap: str) -> None:
    """Warned of, people know which other rollouts meet on a device; under go nobody is told."""
    world = under_way(make_world, overlap)
    world.launch(NEXT)
    world.run(3)
    assert world.rate_of(NEXT) > 1 or world.exposed(NEXT) > 1
    problems = world.problems(NEXT)
    assert len(problems) == (overlap == "warn")
    assert all(JOB in each for each in problems)
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted", "RolloutCompleted"]


def test_other_devices_are_no_overlap(make_world: MakeWorld) -> None:
    """A rollout for other things does not wait; one that shares a single thing does."""
    world = under_way(make_world, "wait", things=600)
    world.jobs.groups["gateways"] = {f"gateway-{number}" for number in range(50)}
    world.jobs.groups["mixed"] = {"gateway-1", "thing-00007"}
    apart, mixed = (FLEET.replace("fleet", name) for name in ("gateways", "mixed"))
    world.launch("apart", targets=[apart])
    world.launch("mixed", targets=[mixed])
    world.run(3)

    assert world.is_enrolled("apart")
    assert not world.is_enrolled("mixed")
    world.run_to_the_end()
    assert world.rollout_of("mixed").ending is Ending.COMPLETED


@pytest.mark.parametrize("overlap", ["wait", "warn"])
def test_things_that_join_later_are_told_of_once(make_world: MakeWorld, overlap: str) -> None:
    """Found within a quarter of an hour; both are under way, and neither is held for it."""
    world = make_world(things=100, policy=overlapping(overlap))
    world.launch(targetSelection="CONTINUOUS")
    world.jobs.groups["gateways"] = {f"gateway-{number}" for number in range(600)}
    world.launch(NEXT, targets=[FLEET.replace("fleet", "gateways")], targetSelection="CONTINUOUS")
    world.run(5)
    assert world.problems(NEXT) == []
    world.jobs.groups["fleet"].add("gateway-1")
    world.run(40)

    (problem,) = world.problems(NEXT)
    assert f"same things as job {JOB}" in problem
    assert world.problems(JOB) == []
    assert all(not each.holds for each in world.decisions_of(NEXT))


def test_an_abort_lets_the_next_in(make_world: MakeWorld) -> None:
    """Stopped for good, a rollout is in nobody's way any more."""
    world = under_way(make_world, "wait", things=600)
    world.launch(NEXT)
    world.run(2)
    world.abort()
    world.run(8)

    assert world.rollout.ending is Ending.ABORTED
    assert world.is_enrolled(NEXT)


def test_the_next_begins_once_a_growing_group_has_the_release(make_world: MakeWorld) -> None:
    """A CONTINUOUS job goes on for ever, to give the release to who joins: that holds nobody."""
    world = make_world(things=300, policy=overlapping("wait"))
    world.launch(targetSelection="CONTINUOUS")
    world.run_until(lambda: world.is_enrolled() and world.exposed() > 0)
    world.launch(NEXT)
    world.run(6)
    assert not world.is_enrolled(NEXT)

    world.run_until(lambda: world.is_enrolled(NEXT))

    assert world.rollout.course.is_guarding
    assert world.rollout.ending is None
    world.run_until(lambda: world.rollout_of(NEXT).ending is not None)
    assert world.rollout_of(NEXT).ending is Ending.COMPLETED
    assert world.problems() == []


def test_the_next_waits_until_a_release_is_undone(make_world: MakeWorld) -> None:
    """Else the rollback would wait for it in its turn, and undo it on devices that have it."""
    undone = {**overlapping("wait"), "on_abort": {"rollback": {"document": {"operation": "undo"}}}}
    world = make_world(things=600, policy=undone)
    world.launch()
    world.run_until(lambda: world.is_enrolled() and world.exposed() > 150)
    world.existing_job(NEXT, rate=1)
    world.enroll(NEXT)
    world.run(0.2)
    world.abort()
    world.run_until(lambda: world.rollout.ending is not None)
    undoing = world.rollout.rolled_back_by
    assert undoing is not None
    assert world.run_until(lambda: world.is_enrolled(undoing), 1)
    assert world.run_until(lambda: world.rollout_of(undoing).ending is not None, 60)
    assert world.exposed(NEXT) <= 60
    (hold,) = world.decisions_of(NEXT)[-1].holds
    assert (hold.kind, hold.by) == (HoldKind.OVERLAP, undoing)

    world.run_to_the_end()
    assert world.end_states == ["RolloutAborted", "RolloutCompleted", "RolloutCompleted"]
    assert world.problems() == []


def test_a_launch_that_waits_is_told_and_given_up(make_world: MakeWorld) -> None:
    """Its job is never created, its execution ends by that name, and the other one goes on."""
    world = under_way(make_world, "wait", things=600)
    world.launch(NEXT)
    world.run(12)
    (told,) = world.announced("Launch Waiting")
    assert (told["jobId"], told["behind"]) == (NEXT, [JOB])
    ready = told["giveUp"]
    world.tell(ready["detailType"], NEXT, by="release-desk", reason="2.6 comes instead")
    world.run(0.1)

    (given_up,) = world.announced("Launch Given Up")
    assert (given_up["jobId"], given_up["by"]) == (NEXT, "release-desk")
    assert world.rollout.abort_request is None
    world.run_to_the_end()
    assert sorted(filter(None, world.end_states)) == ["LaunchGivenUp", "RolloutCompleted"]
    world.run(1)
    assert world.last_execution.cause is not None
    assert "2.6 comes instead" in world.last_execution.cause
    assert NEXT not in {each.job_id for each in world.jobs.calls}
    assert len(world.announced("Launch Given Up")) == 1
    assert world.refusals() == []
    assert world.problems() == []
    assert list(world.ledger.turns()) == []


def test_what_else_is_asked_of_a_launch_that_waits_is_refused(make_world: MakeWorld) -> None:
    """There is nothing yet to hold or to adjust, and whoever asks hears what there is to do."""
    world = under_way(make_world, "wait", things=600)
    world.launch(NEXT)
    world.run(1)
    world.hold(job_id=NEXT)
    world.resume(job_id=NEXT)
    world.adjust(POLICY, job_id=NEXT)
    world.answer("canary-approval", job_id=NEXT)
    world.run(0.1)

    assert len(world.refusals()) == 4
    assert all(f"waits for its turn behind {JOB}" in each["problem"] for each in world.refusals())
    (turn,) = world.ledger.turns()
    assert turn.is_waiting


def test_a_launch_that_waits_and_is_stopped_by_hand_is_forgotten(make_world: MakeWorld) -> None:
    """Stopped in the console, it is shown as waiting no more, and asking for its end is refused."""
    world = under_way(make_world, "wait", things=600)
    world.launch(NEXT)
    world.run(1)
    world.stop(world.last_execution)
    world.run(0.1)
    assert list(world.ledger.turns()) == []
    world.abort(job_id=NEXT)
    world.run(0.1)

    (refusal,) = world.refusals()
    assert "never enrolled" in refusal["problem"]


def test_a_launch_that_is_given_up_while_its_job_is_created_is_aborted(
    make_world: MakeWorld,
) -> None:
    """Its turn has come in this very moment: what was asked for is done by its first review."""
    world = under_way(make_world, "wait", things=200)
    world.launch(NEXT)
    world.run(1)
    body = world.command("Abort Rollout", NEXT, by="release-desk", reason="wrong image")
    world.between_jobs_calls.following("create", lambda: world.deliver_now(body))
    world.run_to_the_end()

    assert world.rollout_of(NEXT).ending is Ending.ABORTED
    assert world.outcomes(NEXT).total() <= 1
    assert world.refusals() == []
    assert world.announced("Launch Given Up") == []


def test_an_enrolled_job_that_waits_is_aborted_like_any_other(make_world: MakeWorld) -> None:
    """It is there, so it is a rollout that holds: people are told for whom, and may stop it."""
    world = under_way(make_world, "wait", things=600)
    world.existing_job(NEXT, rate=200)
    world.enroll(NEXT)
    world.run(1)
    held = world.announced("Rollout Held", NEXT)[0]
    assert JOB in held["reasons"][0]["text"]
    world.abort(job_id=NEXT)
    world.run(2)

    assert world.rollout_of(NEXT).ending is Ending.ABORTED
    assert world.rollout.ending is None


def test_a_launch_that_waits_for_days_is_given_up_and_told(make_world: MakeWorld) -> None:
    """After a week of waiting it is refused, within what Step Functions keeps of a history."""
    world = make_world(things=50, policy=overlapping("wait"), devices=fleet(silent_rate=1.0))
    world.launch()
    world.run(5)
    world.kill(world.last_execution)  # Nobody sweeps: the rollout goes on, and nothing ends it.
    world.launch(NEXT)
    world.run(1)
    waiting = world.last_execution
    world.run(7 * 1440 + 10)

    assert waiting.states[-1] == "EnrollmentRefused"
    assert waiting.history < 25_000
    (problem,) = world.problems(NEXT)
    assert "waited 7 days" in problem
    assert JOB in problem
