"""Devices that must still be there some time after their success."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.scenario.device_world import DeviceWorld, Doing, Doings, good
from tests.scenario.people import JOB
from tests.scenario.world import POLICY
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.outcomes import Vouched
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.rollout import HoldKind
from tidegate.domain.things import Presence

MakeWorld = Callable[..., DeviceWorld]

SOAKED: Mapping[str, Any] = {**POLICY, "soak": "10m"}


def dying(rate: float, minutes: float = 1.0) -> Doings:
    """Return devices that succeed, of which a share is never seen again soon after."""

    def doing(name: str, chance: Random) -> Doing:
        done = good(name, chance)
        gone = minutes if chance.random() < rate else None
        return Doing(done.outcome, done.starts_after, done.ends_after, gone_after=gone)

    return doing


def vouched(world: DeviceWorld) -> dict[Vouched, int]:
    """Return what became of devices after their success, as the ledger has it."""
    found: dict[Vouched, int] = {}
    for (_, outcome, _), number in world.ledger.counted(world.rollout.key).vouched.items():
        found[outcome] = found.get(outcome, 0) + number
    return found


def test_a_release_that_kills_devices_after_their_success_is_stopped(
    make_device_world: MakeWorld,
) -> None:
    """All report SUCCEEDED, many are never seen again: stopped within the budget all the same."""
    world = make_device_world(things=1000, doings=dying(0.3), policy=SOAKED)
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutAborted"]
    assert ExecutionStatus.FAILED not in world.outcomes()
    gone = sum(not each.is_connected for each in world.presences.known.values())
    assert 0 < gone <= 50
    assert vouched(world)[Vouched.DARK] <= gone
    assert world.decisions[-1].evidence.harmed == vouched(world)[Vouched.DARK]


def test_a_release_whose_devices_stay_completes(make_device_world: MakeWorld) -> None:
    """Each success is vouched for by its connection, and counts as good from then on."""
    world = make_device_world(things=200, policy=SOAKED)
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert vouched(world) == {Vouched.PRESENT: 200}
    assert world.decisions[-1].evidence.harmed == 0
    assert world.problems() == []


def test_a_job_that_aws_is_done_with_waits_for_its_devices(make_device_world: MakeWorld) -> None:
    """COMPLETED at AWS, the rollout ends only once the last device has shown that it is there."""
    world = make_device_world(things=100, policy=SOAKED)
    world.launch()
    world.run_until(lambda: world.is_enrolled() and world.job().status is JobStatus.COMPLETED)
    done_at = world.clock.now()
    world.run(5)
    assert world.rollout.ending is None
    waiting = world.decisions[-1]
    assert waiting.verdict is Verdict.HOLD
    assert waiting.reasons[0].code is ReasonCode.SOAKING

    world.run_to_the_end(60)
    assert world.end_states == ["RolloutCompleted"]
    assert (world.clock.now() - done_at) / 60 >= 10 - 0.1
    assert vouched(world) == {Vouched.PRESENT: 100}


def test_devices_that_die_after_the_job_is_done_are_told(make_device_world: MakeWorld) -> None:
    """Too late to stop anything, but the end says so, and people are told what to do."""
    world = make_device_world(
        things=40,
        doings=dying(1.0, minutes=2.0),
        policy={**SOAKED, "pace": {"start_per_minute": 50, "max_per_minute": 100}},
    )
    world.presences.elsewhere = 5000
    world.launch()
    world.run_to_the_end(200)

    assert world.job().status is JobStatus.COMPLETED
    assert vouched(world) == {Vouched.DARK: 40}
    assert world.decisions[-1].evidence.harmed == 40
    assert any("above the tolerated" in problem for problem in world.problems())


def test_an_outage_that_takes_others_along_only_holds(make_device_world: MakeWorld) -> None:
    """Where far more things are gone than the release can have reached, nobody is blamed for it."""
    world = make_device_world(things=400, policy=SOAKED)
    others = [f"meter-{number}" for number in range(4000)]
    world.connect(*others)
    world.launch()
    world.run_until(lambda: world.is_enrolled() and world.job().counts.succeeded >= 60)
    updated = sorted(
        row.thing_name
        for page in world.jobs.executions(JOB)
        for row in page
        if row.status is ExecutionStatus.SUCCEEDED
    )
    world.disconnect(*updated, *others[:3000])
    # For longer than any device may be silent.
    world.run(40)
    held = world.decisions[-1]
    assert world.rollout.ending is None
    assert [each.kind for each in held.holds] == [HoldKind.OUTAGE]
    assert held.verdict is Verdict.HOLD
    assert world.rate == 1
    assert held.evidence.harmed == 0
    assert Vouched.DARK not in vouched(world)

    world.connect(*updated, *others)
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]
    assert vouched(world) == {Vouched.PRESENT: 400}


def test_devices_that_are_seldom_online_are_not_blamed(make_device_world: MakeWorld) -> None:
    """Whoever took hours to pick the job up may be silent for hours; seen again, it is present."""

    def sleepy(name: str, chance: Random) -> Doing:
        if int(name.removeprefix("thing-")) % 5:
            return good(name, chance)
        starts = chance.uniform(25.0, 29.0)
        return Doing(starts_after=starts, ends_after=starts + 2.0, gone_after=0.5)

    world = make_device_world(things=200, doings=sleepy, policy={**SOAKED, "soak": "20m"})

    def wake() -> None:
        world.after(45 * 60.0, wake)
        world.connect(
            *(name for name, each in world.presences.known.items() if not each.is_connected)
        )

    world.after(45 * 60.0, wake)
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert vouched(world) == {Vouched.PRESENT: 200}
    assert world.decisions[-1].evidence.harmed == 0


def test_devices_that_never_speak_mqtt_count_as_good_and_people_know(
    make_device_world: MakeWorld,
) -> None:
    """What cannot be judged holds nobody up, and is told once."""
    world = make_device_world(things=100, policy=SOAKED)
    known: dict[str, Presence] = {}
    world.presences.known = known
    world.presences.elsewhere = 500
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert vouched(world) == {Vouched.PRESENT: 100}
    (problem,) = world.problems()
    assert "not connected by MQTT" in problem


def soaking(make_device_world: MakeWorld, policy: Mapping[str, Any]) -> DeviceWorld:
    """Return a world whose job AWS is done with, and whose devices are watched."""
    world = make_device_world(things=60, policy=policy)
    world.launch()
    assert world.run_until(
        lambda: world.is_enrolled() and world.rollout.course.soaked_until is not None, 60
    )
    world.run(0.1)
    return world


def test_an_abort_while_devices_soak_rolls_the_release_back(make_device_world: MakeWorld) -> None:
    """There is no job to cancel any more, but devices to bring back, and nobody waits for that."""
    undoing = {**SOAKED, "on_abort": {"rollback": {"document": {"operation": "downgrade"}}}}
    world = soaking(make_device_world, undoing)
    world.abort()
    world.run(3)

    (launched,) = world.announced("Rollback Launched")
    assert launched["jobId"] == JOB
    job_id = launched["rollbackJobId"]
    assert world.run_until(lambda: world.rollout_of(job_id).ending is not None, 240)
    assert world.outcomes(job_id) == {ExecutionStatus.SUCCEEDED: 60}
    assert world.refusals() == []


def test_what_is_in_vain_while_devices_soak_is_refused(make_device_world: MakeWorld) -> None:
    """Nothing is left to hold, and without a way back nothing to stop; the soak goes on."""
    world = soaking(make_device_world, SOAKED)
    world.hold()
    world.abort()
    world.run(0.1)

    problems = [each["problem"] for each in world.refusals()]
    assert len(problems) == 2
    assert all("AWS is done with the job" in each for each in problems)
    assert world.rollout.abort_request is None
    world.run_to_the_end()
    assert vouched(world) == {Vouched.PRESENT: 60}
    assert world.end_states == ["RolloutCompleted"]
