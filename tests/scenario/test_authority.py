"""Graduated authority: what is only observed, what is proposed, what waits for a yes."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.scenario.devices import fleet
from tests.scenario.people import JOB
from tests.scenario.world import POLICY, World
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.rollout import Ending

MakeWorld = Callable[..., World]


def under(authority: object, **sections: object) -> Mapping[str, Any]:
    """Return a policy with some authority."""
    return {**POLICY, "authority": authority, **sections}


def touches(world: World) -> list[str]:
    """Return the calls that change the job's course."""
    return [each.operation for each in world.jobs.calls if each.operation in {"update", "cancel"}]


def open_question(world: World) -> str | None:
    """Return the correlation id that waits for an answer about a decision."""
    pending = world.rollout.course.pending if world.is_enrolled() else ()
    decisions = [each for each in pending if each.question_id.startswith("decision-")]
    return decisions[0].question_id if decisions else None


def test_observing_touches_nothing_for_a_whole_rollout(make_world: MakeWorld) -> None:
    """A good release runs at its own rate to its end; what would have been done is told."""
    world = make_world(things=200, policy=under("observe"), devices=fleet(0.005))
    world.existing_job(rate=4)
    world.enroll()
    world.run_to_the_end()

    assert touches(world) == []
    assert world.rate == 4
    assert world.end_states == ["RolloutCompleted"]
    proposed = world.announced("Decision Proposed")
    assert {each["authority"] for each in proposed} == {"observe"}
    assert "speed_up" in {each["action"] for each in proposed}
    assert not any("correlationId" in each for each in proposed)
    assert world.announced("Approval Requested") == []


def test_observing_does_not_stop_a_bad_release_but_says_so(make_world: MakeWorld) -> None:
    """Nothing is canceled; people hear at once that it should be, and an abort of theirs counts."""
    world = make_world(policy=under("observe"), devices=fleet(0.5))
    world.existing_job(rate=4)
    world.enroll()
    world.run(30)
    assert touches(world) == []
    assert "abort" in {each["action"] for each in world.announced("Decision Proposed")}
    assert any("should be stopped, but that is withheld" in each for each in world.problems())

    world.abort()
    world.run_to_the_end(1)
    assert world.end_states == ["RolloutAborted"]


def test_observing_a_hold_of_a_person_binds(make_world: MakeWorld) -> None:
    """What people ask for is done under any authority; going up again is not."""
    world = make_world(policy=under("observe"))
    world.existing_job(rate=50)
    world.enroll()
    world.run(0.5)
    assert touches(world) == []
    world.hold()
    world.run(0.1)
    assert world.rate == 1
    world.resume()
    world.run(10)
    assert world.rate == 1


def test_adjusted_from_observe_to_auto_it_takes_the_wheel(make_world: MakeWorld) -> None:
    """Trusted midway, Tidegate steers from the next moment on, with all it has learned."""
    world = make_world(things=1000, policy=under("observe"))
    world.existing_job(rate=3)
    world.enroll()
    world.run(30)
    assert touches(world) == []
    world.adjust(POLICY, "it was right all week")
    world.run(0.1)

    assert world.rate > 3
    assert world.job().settings.abort is not None
    world.run_to_the_end()
    assert world.end_states[-1] == "RolloutCompleted"


def test_a_raise_waits_for_its_yes(make_world: MakeWorld) -> None:
    """Under approve each step up is asked for; braking is not."""
    world = make_world(things=600, policy=under({"speed_up": "approve"}))
    world.launch()
    asked: set[str] = set()
    for _ in range(400):
        world.run(0.5)
        if world.rollout.ending is not None:
            break
        question = open_question(world)
        if question is None or question in asked:
            continue
        before = world.rate
        proposal = world.rollout.course.proposal
        assert proposal is not None
        wanted = proposal.settings.rate_per_minute
        assert before < wanted
        world.run(3)
        if open_question(world) != question:
            continue  # The evidence called for another one meanwhile.
        assert world.rate <= before
        asked.add(question)
        world.answer(question, comment="go on")
        world.run(0.1)
        assert world.rate <= wanted
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    (completed,) = world.announced("Rollout Completed")
    agreement = completed["record"]["agreement"]
    assert agreement["approved"] == len(asked) > 0
    assert agreement["proposed"] >= agreement["approved"]
    assert sum(agreement.values()) - agreement["proposed"] == agreement["proposed"]


@pytest.mark.parametrize("authority", ["recommend", "approve"])
def test_an_abort_that_needs_a_yes_goes_slow_until_it_comes(
    make_world: MakeWorld, authority: str
) -> None:
    """Proposed, not done: the job crawls meanwhile, and the yes cancels it."""
    world = make_world(things=400, policy=under({"abort": authority}), devices=fleet(0.5))
    world.launch()
    assert world.run_until(lambda: open_question(world) is not None, 60)
    world.run(1)
    assert world.job().status is JobStatus.IN_PROGRESS
    assert world.rate == 1
    world.run(20)
    assert touches(world).count("cancel") == 0
    question = open_question(world)
    assert question is not None
    world.answer(question, comment="stop it")
    world.run_to_the_end(2)

    assert world.end_states == ["RolloutAborted"]
    (ended,) = world.announced("Rollout Aborted")
    assert ended["record"]["agreement"]["approved"] == 1


def test_a_refused_abort_is_not_asked_again_each_minute(make_world: MakeWorld) -> None:
    """A no to stopping stands; the job crawls on, until somebody decides otherwise."""
    world = make_world(things=400, policy=under({"abort": "approve"}), devices=fleet(0.5))
    world.launch()
    world.run_until(lambda: open_question(world) is not None, 60)
    question = open_question(world)
    assert question is not None
    world.answer(question, yes=False, comment="known fault of the lab devices")
    world.run(60)

    assert touches(world).count("cancel") == 0
    assert world.rate == 1
    assert len(world.announced("Approval Requested")) == 1
    assert world.rollout.course.agreement.refused == 1
    world.abort()
    world.run_to_the_end(1)
    assert world.end_states == ["RolloutAborted"]


def test_a_proposal_that_nobody_answers_passes_where_the_policy_says_so(
    make_world: MakeWorld,
) -> None:
    """Silence may count as consent, after the time that the policy gives."""
    policy = under({"speed_up": "approve"}, approval={"within": "2m", "unanswered": "pass"})
    world = make_world(things=100, policy=policy)
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    (completed,) = world.announced("Rollout Completed")
    assert completed["record"]["agreement"]["unanswered"] > 0


def test_withheld_braking_leaves_the_rate(make_world: MakeWorld) -> None:
    """Where even slowing down needs a yes, the job's own rate stands until it comes."""
    world = make_world(things=2000, policy=under({"slow_down": "approve", "speed_up": "observe"}))
    world.existing_job(rate=100)
    world.enroll()
    world.run(1)
    assert world.rate == 100
    question = open_question(world)
    assert question is not None
    world.answer(question)
    world.run(0.1)

    assert world.rate < 100


def test_decisions_say_what_was_withheld(make_world: MakeWorld) -> None:
    """Each decision that was not carried out says which action, and under which authority."""
    world = make_world(things=300, policy=under("observe"))
    world.existing_job(rate=2)
    world.enroll()
    world.run(20)

    withheld = [each.withheld for each in world.decisions if each.withheld is not None]
    assert withheld
    assert {each.authority.value for each in withheld} == {"observe"}
    assert all(
        each.settings.rollout is None
        for each in world.decisions
        if each.withheld is not None and each.verdict is Verdict.PROCEED
    )


def test_the_final_record_tells_the_story(make_world: MakeWorld) -> None:
    """Outcome, figures, timeline and settings are all in the last event."""
    world = make_world(things=200, devices=fleet(0.01))
    world.launch()
    world.run(5)
    world.hold()
    world.run(3)
    world.resume()
    world.run_to_the_end()

    (completed,) = world.announced("Rollout Completed", JOB)
    record = completed["record"]
    assert record["outcome"] == Ending.COMPLETED.value
    assert record["exposed"] == 200
    assert record["succeeded"] == world.outcomes()[ExecutionStatus.SUCCEEDED]
    assert record["harmed"] == world.outcomes()[ExecutionStatus.FAILED]
    told = [each["what"] for each in record["timeline"]]
    assert told[0] == "Rollout Steered"
    assert {"Rollout Held", "Rollout Resumed"} <= {*told}
    assert record["settingsHistory"]
