"""Commands: done once however often they come, or refused once and without a trace."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.scenario.devices import fleet
from tests.scenario.people import JOB
from tests.scenario.world import POLICY, World
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import JobStatus
from tidegate.domain.rollout import RolloutKey

MakeWorld = Callable[..., World]

GATED: Mapping[str, Any] = {
    **POLICY,
    "gates": [{"name": "canary", "after": 20, "approval": "required"}],
}
BY = {"by": "night-shift", "reason": "looks odd"}
ANSWER = {"by": "release-desk", "comment": "looks good"}


def state(world: World) -> Mapping[str, object]:
    """Return all that is remembered and all that AWS was asked for, but for what was told."""
    ledger = {
        name: copy.deepcopy(value)
        for name, value in vars(world.ledger).items()
        if name not in {"faults", "_lock", "_alerts", "_commands"}
    }
    jobs = {name: copy.deepcopy(getattr(world.jobs, name)) for name in ("calls", "_jobs", "_tags")}
    return {**ledger, **jobs, "started": [*world.workflow.started]}


def at_gate(make_world: MakeWorld) -> World:
    """Return a world whose rollout waits for an approval."""
    world = make_world(things=400, policy=GATED)
    world.launch()
    assert world.run_until(
        lambda: world.is_enrolled() and world.decisions[-1:] != [] and _waits(world), 60
    )
    world.run(1)
    return world


def _waits(world: World) -> bool:
    return world.decisions[-1].verdict is Verdict.GATE


BAD_COMMANDS = [
    pytest.param("Hold Rollout", "no-such-job", BY, id="unknown job"),
    pytest.param("Hold Rollout", JOB, {}, id="nobody holds"),
    pytest.param("Hold Rollout", "a b", BY, id="no job id"),
    pytest.param("Hold Rollout", JOB, {**BY, "until": "noon"}, id="unknown member"),
    pytest.param("Pause Rollout", JOB, BY, id="unknown command"),
    pytest.param("Abort Rollout", JOB, {"by": "night-shift"}, id="no reason"),
    pytest.param("Approve Gate", JOB, {"correlationId": "canary-approval", "by": "x"}, id="silent"),
    pytest.param("Approve Gate", JOB, {"correlationId": "region-approval", **ANSWER}, id="no gate"),
    pytest.param("Approve Gate", JOB, {"correlationId": "decision-3", **ANSWER}, id="not a gate's"),
    pytest.param(
        "Approve Decision", JOB, {"correlationId": "canary-approval", **ANSWER}, id="gate"
    ),
    pytest.param("Reject Decision", JOB, {"correlationId": "decision-1", **ANSWER}, id="not asked"),
    pytest.param("Adjust Policy", JOB, {"policy": "no-such", **BY}, id="unknown policy"),
    pytest.param(
        "Adjust Policy", JOB, {"policy": {"name": "x", "speed": 1}, **BY}, id="bad policy"
    ),
    pytest.param("Adjust Policy", JOB, {"policy": {"name": "x" * 300_000}, **BY}, id="too large"),
    pytest.param("Launch Rollout", "next", {"policy": "firmware"}, id="launch of nothing"),
    pytest.param("Enroll Job", JOB, {}, id="no policy"),
    pytest.param("Hold Rollout", JOB, {**BY, "by": "x" * 250_000}, id="oversize"),
]


@pytest.mark.parametrize(("command", "job_id", "members"), BAD_COMMANDS)
def test_what_cannot_be_done_is_refused_once_and_changes_nothing(
    make_world: MakeWorld, command: str, job_id: str, members: Mapping[str, object]
) -> None:
    """One answer on the bus, with problem and remedy; ledger and jobs are as they were."""
    world = at_gate(make_world)
    revision = world.rollout.revision
    before = state(world)
    body = world.command(command, job_id, **members)
    for _ in range(3):
        world.send("signal", body)
        world.run(0.05)
    assert world.rollout.revision == revision

    assert state(world) == before
    (refusal,) = world.refusals()
    assert refusal["command"] == command
    assert refusal["commandId"] == json.loads(body)["id"]
    assert refusal.get("jobId", job_id) == job_id
    assert refusal["problem"]
    assert refusal["remedy"]
    world.run(30)
    assert world.dead_letters == {}
    assert world.problems() == []


def test_an_ended_rollout_takes_no_command(make_world: MakeWorld) -> None:
    """After its end, each command is answered with how it ended, and nothing comes of it."""
    world = make_world(things=30)
    world.launch()
    world.run_to_the_end()
    world.run(2)
    before = state(world)
    world.hold()
    world.resume()
    world.abort()
    world.answer("canary-approval")
    world.adjust({"name": "other"})
    world.run(1)

    assert state(world) == before
    assert len(world.refusals()) == 5
    assert all("completed" in each["problem"] for each in world.refusals())
    assert all("launch another job" in each["remedy"] for each in world.refusals())


@pytest.mark.parametrize("command", ["Hold Rollout", "Abort Rollout", "Adjust Policy"])
def test_what_is_asked_right_before_the_end_is_looked_at_first(
    make_world: MakeWorld, command: str
) -> None:
    """After the last review, yet before the end is written: another review comes in between."""
    world = make_world(things=30)
    members = {"policy": {**POLICY, "name": "other"}} if command == "Adjust Policy" else {}
    world.between_ledger_calls.during(
        "conclude", lambda: world.deliver_now(world.command(command, **BY, **members))
    )
    world.launch()
    world.run_to_the_end()
    world.run(2)

    assert world.rollout.signals > 0
    assert world.decisions[-1].signals == world.rollout.signals
    assert world.end_states == ["RolloutCompleted"]
    assert world.refusals() == []
    # The job was over: who wants it stopped is told so.
    told = ["night-shift asked to abort: looks odd"] if command == "Abort Rollout" else []
    assert world.problems() == told


@pytest.mark.parametrize("command", ["Hold Rollout", "Abort Rollout", "Adjust Policy"])
def test_what_is_asked_in_the_very_moment_of_the_end_is_answered(
    make_world: MakeWorld, command: str
) -> None:
    """Read before the end and written after it, it is refused, and that once."""
    world = make_world(things=30)
    members = {"policy": {**POLICY, "name": "other"}} if command == "Adjust Policy" else {}
    world.launch()
    world.run_until(lambda: world.is_enrolled() and world.job().status is JobStatus.COMPLETED)
    body = world.command(command, **BY, **members)
    world.between_ledger_calls.following("current", world.run_to_the_end)
    world.deliver_now(body)
    world.deliver_now(body)
    world.run(2)

    (refusal,) = world.refusals()
    assert "ended before: completed" in refusal["problem"]
    assert refusal["commandId"] == json.loads(body)["id"]
    assert world.end_states == ["RolloutCompleted"]
    assert world.announced("Policy Adjusted") == []


def test_the_same_command_twice_is_done_once(make_world: MakeWorld) -> None:
    """SQS and EventBridge may deliver anything again: not even a refusal comes of it."""
    world = at_gate(make_world)
    bodies = [
        world.command("Approve Gate", correlationId="canary-approval", **ANSWER),
        world.command("Hold Rollout", **BY),
        world.command("Adjust Policy", policy={**POLICY, "name": "other"}, **BY),
        world.command("Resume Rollout", **BY),
        world.command("Abort Rollout", **BY),
    ]
    for body in bodies:
        for _ in range(3):
            world.send("signal", body)
            world.run(0.2)
    world.run_to_the_end(5)
    for body in bodies:
        world.send("signal", body)
    world.run(1)

    assert world.refusals() == []
    assert world.rollout.policy_version == 2
    assert len(world.announced("Policy Adjusted")) == 1
    assert len(world.announced("Gate Passed")) == 1
    assert world.end_states == ["RolloutAborted"]
    assert world.dead_letters == {}


def test_a_question_is_answered_once(make_world: MakeWorld) -> None:
    """The first answer stands: whoever comes second with another learns who was first."""
    world = at_gate(make_world)
    yes = world.command("Approve Gate", correlationId="canary-approval", **ANSWER)
    no = world.command(
        "Reject Gate", correlationId="canary-approval", by="site-3", comment="fans run loud"
    )
    world.deliver_now(yes, no)
    world.run(1)

    (refusal,) = world.refusals()
    assert "release-desk answered yes" in refusal["problem"]
    assert len(world.announced("Gate Passed")) == 1
    assert not world.rollout.aborting


def test_an_approval_while_the_rollout_is_aborting_is_refused(make_world: MakeWorld) -> None:
    """An abort is not taken back by an answer that comes a moment later."""
    world = at_gate(make_world)
    world.jobs.cancel_seconds = 300.0
    world.abort()
    world.run(0.1)
    world.answer("canary-approval")
    world.run_to_the_end(10)

    (refusal,) = world.refusals()
    assert "being stopped" in refusal["problem"]
    assert world.end_states == ["RolloutAborted"]
    assert world.announced("Gate Passed") == []


def test_an_abort_in_the_moment_of_an_approval_wins(make_world: MakeWorld) -> None:
    """Asked for while the raise behind the gate is on its way, the raise is taken back."""
    world = at_gate(make_world)
    abort = world.command("Abort Rollout", **BY)
    world.between_jobs_calls.during("update", lambda: world.deliver_now(abort))
    world.answer("canary-approval")
    world.run_to_the_end(5)

    assert world.end_states == ["RolloutAborted"]
    assert world.jobs.updates()[-1].rate_per_minute == 1
    assert world.job().status is JobStatus.CANCELED


@pytest.mark.parametrize("operation", ["store_decision", "entry", "mark_applied", "park"])
@pytest.mark.parametrize("command", ["Hold Rollout", "Abort Rollout", "Approve Gate"])
def test_a_command_between_review_and_parking_is_not_slept_through(
    make_world: MakeWorld, operation: str, command: str
) -> None:
    """Arriving after the review has looked and before the token is kept, it is seen at once."""
    world = at_gate(make_world)
    members = {"correlationId": "canary-approval", **ANSWER} if command == "Approve Gate" else BY
    body = world.command(command, **members)
    world.between_ledger_calls.following(operation, lambda: world.deliver_now(body))
    signals = world.rollout.signals
    assert world.run_until(lambda: world.rollout.signals > signals, 6)
    world.run(0.05)

    assert world.decisions[-1].signals == world.rollout.signals
    last = world.decisions[-1]
    if command == "Hold Rollout":
        assert last.holds
    elif command == "Abort Rollout":
        assert world.job().status is JobStatus.CANCELED
    else:
        assert "canary" in world.rollout.course.gates_passed


def test_two_workflows_never_steer_one_job(make_world: MakeWorld) -> None:
    """Another execution for a steered job is refused, also if it was started at once."""
    world = make_world(things=300)
    world.existing_job()
    for name in ("first", "second", "third"):
        world.workflow.start(name, {"jobId": JOB, "policy": "firmware"})
    world.run(5)
    world.start_workflow("late", {"jobId": JOB, "policy": "firmware"})
    world.run_until(lambda: world.rollout.ending is not None)

    ends = [*filter(None, world.end_states)]
    assert sorted(ends) == ["EnrollmentRefused"] * 3 + ["RolloutCompleted"]
    assert world.rollout.generation == 1


def test_a_late_event_after_the_end_changes_nothing(make_world: MakeWorld) -> None:
    """A report, an alarm and an approval that come after the end move nothing but counts."""
    world = make_world(policy=GATED, devices=fleet(minutes=8.0), things=60)
    world.launch()
    world.run(15)
    world.abort()
    world.run_to_the_end(5)
    ended, told = world.rollout, len(world.bus.published)
    world.run(60)
    world.answer("canary-approval")
    world.set_alarm("checkout-errors")
    world.run(5)

    assert world.rollout == ended
    assert world.rollout.key == RolloutKey(JOB, ended.key.created_at)
    news = {each.detail_type for each in world.bus.published[told:] if each.source == "tidegate"}
    assert news == {"Command Refused"}
    assert world.dead_letters == {}


def test_an_adjusted_policy_is_steered_by_at_once(make_world: MakeWorld) -> None:
    """Slowed down midway, the very next settings keep to it; the old snapshot is replaced."""
    world = make_world(things=1500)
    world.launch()
    world.run_until(lambda: bool(world.jobs.updates()) and world.rate > 100)
    sent = len(world.jobs.updates())
    world.adjust({**POLICY, "name": "gentle", "pace": {"max_per_minute": 7}}, "site asks for less")
    world.run(0.1)

    assert world.rate <= 7
    (adjusted,) = world.announced("Policy Adjusted")
    assert (adjusted["policy"], adjusted["policyVersion"]) == ("gentle", 2)
    assert (adjusted["by"], adjusted["reason"]) == ("release-desk", "site asks for less")
    world.run(30)
    assert world.rate <= 7
    later = [each for each in world.jobs.updates()[sent:] if each.rollout]
    assert later
    assert all(each.rate_per_minute <= 7 for each in later)


def test_a_gate_can_be_added_and_taken_away_midway(make_world: MakeWorld) -> None:
    """A gate ahead of those exposed holds from its devices on; without it, the pace is free."""
    world = make_world(things=700)
    world.launch()
    world.run_until(lambda: world.exposed() > 50 if world.is_enrolled() else False)
    after = world.exposed() + 150
    world.adjust({**POLICY, "gates": [{"name": "extra", "after": after, "approval": "required"}]})
    assert world.run_until(lambda: _waits(world), 60)
    assert after <= world.exposed() <= after + 1
    world.adjust(POLICY, "gate was a mistake")
    world.run(0.1)

    assert not _waits(world)
    assert world.rate > 1
    world.run_to_the_end()
    assert world.end_states[-1] == "RolloutCompleted"
