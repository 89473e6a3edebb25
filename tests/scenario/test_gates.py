"""Gates: exposure stops until time, alarms, another system and a person agree."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.scenario.devices import fleet
from tests.scenario.world import POLICY, World
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.rollout import Ending
from tidegate.domain.standing import AlarmState

MakeWorld = Callable[..., World]

ALARM = "checkout-errors"


def gated(**gate: object) -> Mapping[str, Any]:
    """Return a policy with one gate, at 30 devices unless it says otherwise."""
    return {**POLICY, "gates": [{"name": "canary", "after": 30, **gate}]}


def at_gate(world: World) -> bool:
    """Whether the last decision has the rollout stand at a gate."""
    return world.is_enrolled() and any(
        each.verdict is Verdict.GATE for each in world.decisions[-1:]
    )


def codes(world: World) -> set[ReasonCode]:
    """Return what the last decision rests on."""
    return {each.code for each in world.decisions[-1].reasons}


def test_a_gate_asks_for_all_and_opens_when_all_agree(make_world: MakeWorld) -> None:
    """Bake, alarm, another system and a person: the person is asked last, then it goes on."""
    gate = gated(bake="20m", alarms=[ALARM], answer="required", approval="required")
    world = make_world(things=300, policy=gate)
    world.set_alarm(ALARM, AlarmState.ALARM)
    world.launch()
    world.run_until(lambda: at_gate(world))
    (reached,) = world.announced("Gate Reached")
    assert set(reached["awaits"]) == {"bake", "alarms", "answer", "approval"}
    assert reached["correlationId"] == "canary-answer"
    assert world.rate == 1

    world.run(10)
    world.answer("canary-answer", by="soak-test", comment="no regressions")
    world.run(15)
    assert world.announced("Approval Requested") == []
    assert codes(world) >= {ReasonCode.GATE_ALARM, ReasonCode.HOLD_LEAKS}
    assert ReasonCode.GATE_BAKES not in codes(world)
    world.set_alarm(ALARM)
    world.run(0.1)
    (asked,) = world.announced("Approval Requested")
    assert asked["correlationId"] == "canary-approval"
    assert world.last_execution.states[-1] == "AwaitApproval"

    world.answer("canary-approval", comment="go")
    world.run(0.1)
    (passed,) = world.announced("Gate Passed")
    assert [(each["by"], each["comment"]) for each in passed["answers"]] == [
        ("soak-test", "no regressions"),
        ("release-desk", "go"),
    ]
    assert world.rate > 1
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]
    assert len(world.announced("Gate Reached")) == 1


@pytest.mark.parametrize("after", [1, 10, 30, "25%"])
@pytest.mark.parametrize("minutes", [0.5, 8.0])
def test_exposure_stops_at_a_gate(make_world: MakeWorld, after: object, minutes: float) -> None:
    """Up to the gate and no further, but for AWS's one a minute, which each decision says."""
    policy = gated(after=after, approval="required")
    world = make_world(things=200, policy=policy, devices=fleet(minutes=minutes))
    world.launch()
    world.run_until(lambda: at_gate(world))
    devices, reached_at = 50 if after == "25%" else int(str(after)), world.clock.now()
    assert devices <= world.exposed() <= devices + 1

    for _ in range(30):
        world.run(2)
        waited = (world.clock.now() - reached_at) / 60
        assert world.exposed() <= devices + 1 + waited
    assert world.rate == 1
    assert {each.verdict for each in world.decisions[-5:]} == {Verdict.GATE}
    assert ReasonCode.HOLD_LEAKS in codes(world)


def test_gates_are_passed_one_by_one(make_world: MakeWorld) -> None:
    """Each gate stops exposure in its turn, and asks under its own name."""
    policy = {
        **POLICY,
        "gates": [
            {"name": "canary", "after": 20, "approval": "required"},
            {"name": "region", "after": 100, "approval": "required"},
        ],
    }
    world = make_world(things=300, policy=policy)
    world.launch()
    for name, devices in (("canary", 20), ("region", 100)):
        world.run_until(lambda: at_gate(world))
        assert devices <= world.exposed() <= devices + 1
        world.run(5)
        world.answer(f"{name}-approval")
        world.run(0.1)
        assert not at_gate(world)
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert [each["gate"] for each in world.announced("Gate Passed")] == ["canary", "region"]


def test_a_no_at_a_gate_stops_the_release(make_world: MakeWorld) -> None:
    """Rejected, the job is canceled, and its comment says by whom and why."""
    world = make_world(policy=gated(approval="required"))
    world.launch()
    world.run_until(lambda: at_gate(world))
    world.run(3)
    world.answer("canary-approval", yes=False, by="site-3", comment="fans run loud")
    world.run_to_the_end(1)

    assert world.end_states == ["RolloutAborted"]
    comment = world.job().comment or ""
    assert "site-3 said no: fans run loud" in comment
    assert world.rollout.ending is Ending.ABORTED


def test_a_no_may_hold_until_it_is_asked_again(make_world: MakeWorld) -> None:
    """Where a no only holds, whoever resumes has the question asked anew, under another id."""
    policy = gated(approval={"refused": "hold"})
    world = make_world(policy=policy)
    world.launch()
    world.run_until(lambda: at_gate(world))
    world.run(1)
    world.answer("canary-approval", yes=False, comment="not on a friday")
    world.run(100)
    assert world.rate == 1
    assert len(world.announced("Approval Requested")) == 1
    assert any("said no: not on a friday" in each for each in world.problems())

    world.resume("it is monday")
    world.run(0.1)
    asked = [each["correlationId"] for each in world.announced("Approval Requested")]
    assert len(set(asked)) == 2
    world.answer(asked[1])
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]


@pytest.mark.parametrize(
    ("unanswered", "end"), [("pass", "RolloutCompleted"), ("abort", "RolloutAborted")]
)
def test_a_gate_that_nobody_answers_does_what_the_policy_says(
    make_world: MakeWorld, unanswered: str, end: str
) -> None:
    """When the time for an answer is over, the gate opens or the release is stopped."""
    world = make_world(policy=gated(approval={"within": "30m", "unanswered": unanswered}))
    world.launch()
    world.run_until(lambda: at_gate(world))
    world.run(28)
    assert at_gate(world)
    world.run_to_the_end()

    assert world.end_states == [end]


def test_a_gate_that_nobody_answers_stays_closed_and_asks_again(make_world: MakeWorld) -> None:
    """By default silence is no yes: people are told, the question is asked again, and counts."""
    world = make_world(things=400, policy=gated(approval={"within": "1h"}))
    world.launch()
    world.run_until(lambda: at_gate(world))
    world.run(150)
    assert at_gate(world)
    assert any("was not answered in time" in each for each in world.problems())
    assert len(world.announced("Approval Requested")) == 3

    world.answer("canary-approval", comment="sorry, late")
    world.run(0.1)
    assert not at_gate(world)
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]


def test_another_systems_answer_that_comes_too_late_is_refused(make_world: MakeWorld) -> None:
    """Passed for want of an answer, a gate takes none any more, and whoever gave it is told."""
    policy = gated(answer={"within": "10m", "unanswered": "pass"})
    world = make_world(things=400, policy=policy)
    world.launch()
    world.run_until(lambda: at_gate(world))
    world.run(12)
    assert not at_gate(world)
    rate = world.rate
    world.answer("canary-answer", yes=False, by="soak-test", comment="crashes")
    world.run(0.2)

    (refusal,) = world.refusals()
    assert "soak-test" in refusal["problem"]
    assert world.rollout.aborting is False
    assert world.rate >= rate
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]


def test_a_release_that_turns_bad_at_a_gate_is_aborted(make_world: MakeWorld) -> None:
    """What devices report while the gate bakes counts; nobody has to look."""
    world = make_world(policy=gated(after=10, bake="1d"), devices=fleet(1.0, minutes=15.0))
    world.launch()
    world.run_until(lambda: at_gate(world))
    assert world.outcomes()[ExecutionStatus.FAILED] == 0
    world.run_to_the_end(60)

    assert world.end_states == ["RolloutAborted"]
    assert world.rollout.ending is Ending.ABORTED


def test_an_abort_asked_for_at_a_gate_needs_no_answer(make_world: MakeWorld) -> None:
    """Whoever aborts does not wait for the gate."""
    world = make_world(policy=gated(bake="1h", approval="required"))
    world.launch()
    world.run_until(lambda: at_gate(world))
    world.abort()
    world.run_to_the_end(1)

    assert world.end_states == ["RolloutAborted"]


def test_a_hold_at_a_gate_keeps_it_closed(make_world: MakeWorld) -> None:
    """Approved while somebody holds it, the gate is behind it only once they resume."""
    world = make_world(things=300, policy=gated(approval="required"))
    world.launch()
    world.run_until(lambda: at_gate(world))
    world.hold()
    world.run(5)
    assert world.last_execution.states[-1] == "AwaitRelease"
    world.answer("canary-approval")
    world.run(5)
    assert world.rate == 1
    assert world.refusals() == []
    world.resume()
    world.run(0.1)

    assert world.rate > 1
    assert len(world.announced("Gate Passed")) == 1


def test_a_gate_that_is_overrun_is_told_once(make_world: MakeWorld) -> None:
    """What leaks while a person thinks may be all that was left: then people hear of it."""
    world = make_world(things=40, policy=gated(approval="required"))
    world.launch()
    world.run_to_the_end(60)

    assert world.end_states == ["RolloutCompleted"]
    (problem,) = world.problems()
    assert "gate canary at 30 exposed devices holds nobody: all 40 targets" in problem


def test_a_gate_whose_alarm_does_not_exist_is_told_as_it_begins(make_world: MakeWorld) -> None:
    """Its name is told once, long before the gate; created late, the alarm opens it."""
    world = make_world(things=300, policy=gated(alarms=[ALARM]))
    world.launch()
    world.run(1)
    (problem,) = world.problems()
    assert f"alarm {ALARM} does not exist, so gate canary of policy" in problem
    world.run_until(lambda: at_gate(world))
    world.run(10)
    world.set_alarm(ALARM)
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert len(world.problems()) == 1


def test_a_gate_beyond_the_fleet_is_never_reached(make_world: MakeWorld) -> None:
    """A gate at more devices than there are holds nothing up."""
    world = make_world(things=60, policy=gated(after=500, approval="required"))
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert world.announced("Gate Reached") == []
    assert world.announced("Approval Requested") == []
