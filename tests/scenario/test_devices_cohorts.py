"""A release that is bad for some kind of device: that kind is left out, or people are asked."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pytest

from tests.scenario.device_world import DeviceWorld, Doing, Doings, good
from tests.scenario.people import JOB
from tests.scenario.world import POLICY
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.things import Traits
from tidegate.errors import RetryLater

MakeWorld = Callable[..., DeviceWorld]

KEY = "thing.attributes.hardwareRevision"
BAD = f"{KEY}=B"
#: Every so manieth device is of the bad revision.
EVERY = 40

APART: Mapping[str, Any] = {**POLICY, "cohorts": [KEY], "on_suspect": "quarantine"}
TIGHT: Mapping[str, Any] = {
    **APART,
    "harm": {"tolerated_rate": 0.01, "acceptable_rate": 0.01, "budget": 20},
}


def by_revision(place: int) -> Traits:
    """Return things of which one in forty is of revision B."""
    return Traits(attributes={"hardwareRevision": "B" if place % EVERY == 3 else "A"})


def is_bad(name: str) -> bool:
    """Whether a thing is of revision B."""
    return int(name.removeprefix("thing-")) % EVERY == 3


def failing(harm_rate: float, *, seldom: float = 0.0) -> Doings:
    """Return devices of which revision B fails at a rate; a share of it is seldom online."""

    def doing(name: str, chance: Random) -> Doing:
        if not is_bad(name):
            return good(name, chance)
        starts = 20.0 if chance.random() < seldom else 0.2
        fails = chance.random() < harm_rate
        outcome = ExecutionStatus.FAILED if fails else ExecutionStatus.SUCCEEDED
        details = {"reason": "boot-loop"} if fails else {}
        return Doing(outcome, starts, starts + chance.uniform(1.0, 3.0), details)

    return doing


def of_bad(world: DeviceWorld) -> dict[ExecutionStatus, int]:
    """Return the executions of revision B by status."""
    found: dict[ExecutionStatus, int] = {}
    for page in world.jobs.executions(JOB):
        for row in page:
            if is_bad(row.thing_name):
                found[row.status] = found.get(row.status, 0) + 1
    return found


def test_a_bad_revision_is_set_apart_and_the_others_get_the_release(
    make_device_world: MakeWorld,
) -> None:
    """Its failures name it, those of it that wait are canceled, and all others are done."""
    world = make_device_world(
        things=2000, traits=by_revision, doings=failing(1.0, seldom=0.6), policy=APART
    )
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    (told,) = world.announced("Cohort Suspect")
    assert (told["cohort"], told["remedy"]) == (BAD, "quarantine")
    bad, outcomes = of_bad(world), world.outcomes()
    assert outcomes[ExecutionStatus.SUCCEEDED] == 1950
    assert bad[ExecutionStatus.CANCELED] >= 20
    assert bad[ExecutionStatus.FAILED] + bad[ExecutionStatus.CANCELED] == 50
    assert all(is_bad(each.thing_name) for each in world.single.cancelations)
    apart = [
        d for d in world.decisions if any(r.code is ReasonCode.COHORT_APART for r in d.reasons)
    ]
    assert apart
    (completed,) = world.announced("Rollout Completed")
    assert [
        each["values"] for each in completed["reasons"] if each["code"] == "COHORT_FAILURE_REASONS"
    ] == [{"cohort": BAD, "reasons": f"boot-loop ({bad[ExecutionStatus.FAILED]})"}]
    failed = bad[ExecutionStatus.FAILED]
    assert completed["record"]["failureReasons"] == [
        {
            "reason": "boot-loop",
            "devices": failed,
            "cohorts": [{"cohort": BAD, "devices": failed}],
        }
    ]
    assert world.recorded() == outcomes
    assert world.rollout.memory.quarantined == (BAD,)
    assert set(world.last_execution.states) >= {"Attend"}


def test_a_bad_revision_that_cannot_be_kept_from_it_stays_within_the_budget(
    make_device_world: MakeWorld,
) -> None:
    """Its devices begin as soon as they are told: the others go on only as far as it allows."""
    world = make_device_world(things=4000, traits=by_revision, doings=failing(1.0), policy=TIGHT)
    world.launch()
    world.run_until(lambda: bool(world.end_states) and None not in world.end_states, 120)

    assert world.rollout.memory.quarantined == (BAD,)
    harmed = of_bad(world).get(ExecutionStatus.FAILED, 0)
    assert 0 < harmed <= 20 + 0.01 * world.exposed() + 15
    assert world.exposed() < 4000


def test_a_registry_that_is_busy_delays_no_outcome(make_device_world: MakeWorld) -> None:
    """While traits cannot be read outcomes count all the same; joined later, they name the kind."""
    world = make_device_world(things=2000, traits=by_revision, doings=failing(0.9), policy=APART)
    world.registry.faults.before("traits", *[RetryLater("Rate exceeded")] * 25)
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert [each["cohort"] for each in world.announced("Cohort Suspect")] == [BAD]
    assert world.recorded() == world.outcomes()
    assert world.outcomes()[ExecutionStatus.SUCCEEDED] >= 1950


def test_a_cohort_released_by_people_gets_the_release_again(make_device_world: MakeWorld) -> None:
    """Mended meanwhile, it is told as released, is suspected no more, and goes on with the rest."""
    mended: list[bool] = []

    def doing(name: str, chance: Random) -> Doing:
        return failing(0.0 if mended else 1.0)(name, chance)

    world = make_device_world(things=2000, traits=by_revision, doings=doing, policy=APART)
    world.launch()
    world.run_until(lambda: bool(world.announced("Cohort Suspect")))
    world.run(2)
    mended.append(True)
    told_by_then = sum(of_bad(world).values())
    world.tell("Release Cohort", JOB, cohort=BAD, by="release-desk", reason="licences renewed")
    world.run(0.5)

    (told,) = world.announced("Cohort Released")
    assert (told["cohort"], told["by"], told["reason"]) == (BAD, "release-desk", "licences renewed")
    assert world.rollout.memory.quarantined == ()
    canceled = of_bad(world).get(ExecutionStatus.CANCELED, 0)
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]
    bad = of_bad(world)
    assert bad[ExecutionStatus.FAILED] <= told_by_then
    assert bad.get(ExecutionStatus.CANCELED, 0) == canceled
    assert bad[ExecutionStatus.SUCCEEDED] == 50 - bad[ExecutionStatus.FAILED] - canceled
    assert len(world.announced("Cohort Suspect")) == 1
    assert world.refusals() == []


def test_releasing_what_is_not_suspected_is_answered(make_device_world: MakeWorld) -> None:
    """A mistyped cohort is refused once, with those that could be released."""
    world = make_device_world(things=2000, traits=by_revision, doings=failing(1.0), policy=APART)
    world.launch()
    world.run_until(lambda: bool(world.announced("Cohort Suspect")))
    world.tell("Release Cohort", JOB, cohort=f"{KEY}=X", by="release-desk", reason="typo")
    world.run(0.5)

    (refused,) = world.refusals()
    assert refused["command"] == "Release Cohort"
    assert BAD in refused["problem"] + refused["remedy"]
    assert world.announced("Cohort Released") == []


@pytest.mark.parametrize("key", [KEY, "statusDetails.board"])
def test_a_cohort_that_cannot_be_left_out_holds(make_device_world: MakeWorld, key: str) -> None:
    """People are told and asked; nobody is canceled; once they release it, the rollout goes on."""
    mended: list[bool] = []

    def doing(name: str, chance: Random) -> Doing:
        done = failing(0.0 if mended else 1.0)(name, chance)
        details = {**done.details, "board": "B" if is_bad(name) else "A"}
        return Doing(done.outcome, done.starts_after, done.ends_after, details)

    policy = {**POLICY, "cohorts": [key], "on_suspect": "hold"}
    world = make_device_world(things=2000, traits=by_revision, doings=doing, policy=policy)
    world.launch()
    world.run_until(lambda: bool(world.announced("Cohort Suspect")))
    (told,) = world.announced("Cohort Suspect")
    assert (told["cohort"], told["remedy"]) == (f"{key}=B", "hold")
    world.run(10)
    assert world.rate == 1
    assert any(told["cohort"] in problem for problem in world.problems())
    assert world.single.cancelations == []

    mended.append(True)
    world.tell("Release Cohort", JOB, cohort=told["cohort"], by="release-desk", reason="mended")
    world.run_to_the_end(2000)
    assert world.end_states == ["RolloutCompleted"]
    assert world.recorded() == world.outcomes()


def test_a_release_that_is_bad_for_all_is_stopped_for_all(make_device_world: MakeWorld) -> None:
    """Where no kind of device fares well, none is set apart: the release is aborted."""

    def doing(_: str, chance: Random) -> Doing:
        fails = chance.random() < 0.4
        return Doing(ExecutionStatus.FAILED if fails else ExecutionStatus.SUCCEEDED)

    world = make_device_world(things=800, traits=by_revision, doings=doing, policy=APART)
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutAborted"]
    assert world.single.cancelations == []
    assert world.outcomes()[ExecutionStatus.FAILED] <= 25
