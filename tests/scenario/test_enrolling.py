"""How a job becomes a rollout, who owns it, and what is left behind where it cannot be."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest

from tests.scenario.devices import fleet
from tests.scenario.people import JOB
from tests.scenario.world import POLICY, World
from tidegate.documents.commands import REVIEWS_MAX
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import JobStatus
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.rollout import Ending
from tidegate.errors import RetryLater
from tidegate.ports import POLICY_TAG

MakeWorld = Callable[..., World]


def tags(world: World) -> Mapping[str, str]:
    """Return the job's tags."""
    return world.jobs.tags(world.jobs.arn(JOB))


def test_a_job_of_somebody_else_s_is_steered_from_its_enrolment_on(make_world: MakeWorld) -> None:
    """What happened before is imported; what follows is paced by the policy."""
    world = make_world(things=300)
    world.existing_job(rate=20)
    world.run(3.5)
    assert world.jobs.calls == []
    world.enroll()
    world.run(0.1)

    assert tags(world) == {POLICY_TAG: "firmware"}
    assert world.jobs.describe(JOB).settings.abort is not None
    assert world.rate == 1
    world.run(1)
    assert world.recorded().total() >= 80
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]
    assert world.recorded() == world.outcomes()


def test_a_scheduled_job_waits_and_gets_settings_when_it_starts(make_world: MakeWorld) -> None:
    """AWS takes no settings before a job runs; enrolled early, it is paced once it does."""
    world = make_world(things=300)
    world.existing_job(rate=1000, status=JobStatus.SCHEDULED)
    world.enroll()
    world.run(30)

    assert {each.verdict for each in world.decisions} == {Verdict.HOLD}
    assert world.decisions[-1].reasons[0].code is ReasonCode.JOB_SCHEDULED
    assert world.jobs.updates() == []
    assert world.problems() == []

    world.jobs.start(JOB)
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]
    assert world.jobs.updates()[0].rate_per_minute <= 10


def test_a_scheduled_job_can_be_aborted(make_world: MakeWorld) -> None:
    """Asked to abort, Tidegate cancels a job that has not begun."""
    world = make_world()
    world.existing_job(status=JobStatus.SCHEDULED)
    world.enroll()
    world.run(2)
    world.abort()
    world.run_to_the_end(1)

    assert world.end_states == ["RolloutAborted"]


def test_enrolling_twice_is_refused_and_names_who_steers(make_world: MakeWorld) -> None:
    """The second enrolment changes nothing, and says which execution owns the rollout."""
    world = make_world(things=300)
    world.existing_job()
    world.enroll()
    world.run(5)
    world.enroll()
    world.run(1)

    owner = world.rollout.execution_arn
    assert world.end_states == [None, "EnrollmentRefused"]
    assert owner in (list(world.executions.values())[1].cause or "")
    assert owner in world.problems()[0]
    assert world.rollout.generation == 1
    assert tags(world) == {POLICY_TAG: "firmware"}
    world.run_until(lambda: world.rollout.ending is not None)
    assert world.rollout.ending is Ending.COMPLETED


def test_two_enrolments_at_once_leave_one_rollout_and_its_tag(make_world: MakeWorld) -> None:
    """Refused because somebody was faster, an enrolment does not take the winner's tag away."""
    world = make_world(things=300)
    world.existing_job()
    world.between_jobs_calls.during(
        "tag", lambda: world.start_workflow("faster", {"jobId": JOB, "policy": "firmware"})
    )
    world.enroll()
    world.run(3)

    assert sorted(str(each) for each in world.end_states) == ["EnrollmentRefused", "None"]
    assert tags(world) == {POLICY_TAG: "firmware"}


def test_a_dead_execution_s_rollout_is_taken_over(make_world: MakeWorld) -> None:
    """Enrolled again, the rollout goes on from the ledger; nothing decided is applied twice."""
    world = make_world(things=300, devices=fleet(0.005))
    world.existing_job()
    world.enroll()
    world.run(5)
    (first,) = world.executions.values()
    world.kill(first)
    before, updates = world.rollout, len(world.jobs.updates())
    world.run(10)
    assert len(world.jobs.updates()) == updates
    world.enroll()
    world.run(0.1)
    world.run_to_the_end()

    assert world.rollout.key == before.key
    assert world.rollout.generation == 2
    assert first.states[-1] != "TakenOver"
    assert world.end_states[-1] == "RolloutCompleted"
    assert [each.revision for each in world.decisions] == [*range(1, len(world.decisions) + 1)]
    sent = world.jobs.updates()
    assert all(before != after for before, after in pairwise(sent))


def test_an_execution_that_was_taken_over_does_nothing_any_more(make_world: MakeWorld) -> None:
    """Thought dead and come back, the old execution ends without touching anything."""
    world = make_world(things=300)
    world.existing_job()
    world.enroll()
    world.run(5)
    (first,) = world.executions.values()
    world.workflow.end(first.arn)
    world.enroll()
    world.run(3)

    assert world.end_states == ["TakenOver", None]
    world.run_to_the_end()
    assert world.end_states == ["TakenOver", "RolloutCompleted"]


@pytest.mark.parametrize("after", [0, 1])
def test_a_launched_rollout_goes_on_when_its_execution_is_started_again(
    make_world: MakeWorld, after: float
) -> None:
    """What people are told when an execution fails holds: the same input takes the rollout over."""
    world = make_world(things=300)
    world.launch()
    world.run_until(lambda: bool(world.jobs.updates()))
    world.run(after)
    (first,) = world.executions.values()
    world.kill(first)
    world.start_workflow("by-hand", first.given)
    world.run_to_the_end()

    assert world.end_states[-1] == "RolloutCompleted"
    assert world.rollout.generation == 2


def test_launching_another_job_under_a_rollout_s_id_is_refused(make_world: MakeWorld) -> None:
    """The rollout of a dead execution is taken over only by a launch of the same targets."""
    world = make_world(things=300)
    world.launch()
    world.run(5)
    (first,) = world.executions.values()
    world.kill(first)
    other = {**first.given["launch"], "targets": [f"{world.targets[0]}-other"]}
    world.jobs.groups["fleet-other"] = {"thing"}
    world.start_workflow("by-hand", {**first.given, "launch": other})

    assert world.end_states[-1] == "EnrollmentRefused"
    assert world.rollout.generation == 1


def test_a_rollout_whose_job_ended_unattended_is_concluded(make_world: MakeWorld) -> None:
    """Taken over after its job ended, the rollout ends too: nobody is left to wonder."""
    world = make_world(things=60)
    world.existing_job()
    world.enroll()
    world.run(2)
    (first,) = world.executions.values()
    world.kill(first)
    world.run(120)
    assert world.jobs.describe(JOB).status is JobStatus.COMPLETED
    world.enroll()
    world.run(1)

    assert world.end_states[-1] == "RolloutCompleted"
    assert world.rollout.ending is Ending.COMPLETED
    assert world.recorded() == world.outcomes()


def test_a_history_has_an_end_and_a_successor_goes_on(make_world: MakeWorld) -> None:
    """After its number of reviews an execution hands over to a fresh one, seamlessly."""
    world = make_world(things=300, devices=fleet(0.005))
    world.existing_job()
    world.start_workflow("mine", {"jobId": JOB, "policy": "firmware", "reviews": 4})
    world.run_to_the_end()

    *handed_over, last = world.end_states
    assert set(handed_over) == {"HandedOver"}
    assert last == "RolloutCompleted"
    assert len(handed_over) >= 2
    assert world.rollout.generation == len(world.end_states)
    assert all(each.states.count("Review") <= 4 for each in world.executions.values())
    assert [each["generation"] for each in world.announced("Rollout Started")] == [
        *range(1, len(world.end_states) + 1)
    ]


def test_a_successor_that_died_can_be_started_again(make_world: MakeWorld) -> None:
    """Started with the same input as after a hand-over, an execution takes the rollout over."""
    world = make_world(things=300)
    world.existing_job()
    world.start_workflow("mine", {"jobId": JOB, "policy": "firmware", "reviews": 3})
    world.run_until(lambda: len(world.executions) == 2)
    world.run(0.1)
    second = list(world.executions.values())[1]
    world.kill(second)
    world.start_workflow("by-hand", second.given)
    world.run_to_the_end()

    assert world.end_states[-1] == "RolloutCompleted"


def test_a_successor_of_a_living_owner_is_refused(make_world: MakeWorld) -> None:
    """A hand-over that somebody repeats by hand while its successor runs changes nothing."""
    world = make_world(things=300)
    world.existing_job()
    world.start_workflow("mine", {"jobId": JOB, "policy": "firmware", "reviews": 3})
    world.run_until(lambda: len(world.executions) == 2)
    world.run(0.1)
    second = list(world.executions.values())[1]
    world.start_workflow("by-hand", second.given)

    assert world.end_states == ["HandedOver", None, "TakenOver"]
    assert world.rollout.execution_arn == second.arn


def test_a_hand_over_does_not_skip_the_wait(make_world: MakeWorld) -> None:
    """However few reviews an execution does, reviews do not come faster for it."""
    world = make_world(things=300)
    world.existing_job()
    world.start_workflow("mine", {"jobId": JOB, "policy": "firmware", "reviews": 1})
    world.run(10)

    assert len(world.decisions) <= 10 / 0.8 * 2


def test_an_abort_that_lasts_is_handed_on_too(make_world: MakeWorld) -> None:
    """Where AWS does not take the cancelation for long, no history grows without end."""
    world = make_world(things=300)
    world.existing_job()
    world.start_workflow("mine", {"jobId": JOB, "policy": "firmware", "reviews": 3})
    world.run(1)
    world.jobs.faults.before("cancel", *[RetryLater("AWS is busy")] * 10)
    world.abort()
    world.run_to_the_end()

    assert world.end_states[-1] == "RolloutAborted"
    assert all(each.states.count("Review") <= 3 for each in world.executions.values())


@pytest.mark.parametrize("status", [JobStatus.SCHEDULED, JobStatus.IN_PROGRESS])
def test_a_history_stays_within_what_step_functions_keeps(
    make_world: MakeWorld, status: JobStatus
) -> None:
    """The most reviews that may be asked for fit, with some room for retries."""
    world = make_world(things=2000, devices=fleet(silent_rate=0.9))
    world.existing_job(status=status)
    world.start_workflow("mine", {"jobId": JOB, "policy": "firmware", "reviews": 50})
    world.run_until(lambda: len(world.executions) == 2)
    (first, _) = world.executions.values()

    assert first.history / 50 * REVIEWS_MAX < 24_000


def refused(world: World) -> str:
    """Return why the only enrolment was refused, which left nothing behind."""
    (execution,) = world.executions.values()
    assert execution.states[-1] == "EnrollmentRefused"
    assert world.ledger.current([JOB]) == {}
    (attention,) = world.announced("Rollout Needs Attention")
    assert attention["problem"].startswith("not enrolled: ")
    assert attention.get("commandId") == execution.given.get("commandId")
    return execution.cause or ""


@pytest.mark.parametrize(
    ("policy", "cause"),
    [
        ("no-such", "there is no policy 'no-such'"),
        ({"name": "inline", "harm": {"budget": -1}}, "harm.budget"),
        ({"name": "inline", "speed": 3}, "speed"),
    ],
)
def test_a_refused_policy_leaves_the_job_untouched(
    make_world: MakeWorld, policy: object, cause: str
) -> None:
    """Without a valid policy nothing is tagged, and the refusal says what is wrong."""
    world = make_world()
    world.existing_job()
    world.enroll(policy=policy)
    world.run(1)

    assert cause in refused(world)
    assert tags(world) == {}
    assert world.jobs.calls == []


def test_a_launch_with_a_refused_policy_creates_nothing(make_world: MakeWorld) -> None:
    """No job comes into the world that nobody would steer."""
    world = make_world(policy={**POLICY, "pace": {"start_per_minute": 0}})
    world.launch()
    world.run(1)

    assert "start_per_minute" in refused(world)
    assert world.jobs.calls == []


def test_a_launch_whose_fleet_cannot_be_counted_creates_nothing(make_world: MakeWorld) -> None:
    """A budget that is a share needs the fleet's size: known before the job is created."""
    world = make_world(policy={**POLICY, "harm": {"budget": "5%"}})
    world.targets = ["arn:aws:iot:eu-central-1:111122223333:thinggroup/unknown"]
    world.launch()
    world.run(1)
    assert "unknown" in refused(world)

    world = make_world(policy={**POLICY, "harm": {"budget": "5%"}})
    world.jobs.countable = False
    world.launch()
    world.run(1)
    assert "too many to count" in refused(world)
    assert world.jobs.calls == []


def test_a_job_that_cannot_be_counted_is_untagged_again(make_world: MakeWorld) -> None:
    """Refused after it was tagged, a job is left as it was."""
    world = make_world(policy={**POLICY, "harm": {"budget": "5%"}})
    world.existing_job()
    world.jobs.countable = False
    world.enroll()
    world.run(1)

    assert "too many to count" in refused(world)
    assert tags(world) == {}


def test_a_budget_may_be_a_share_of_the_fleet(make_world: MakeWorld) -> None:
    """The fleet is counted once, at enrolment."""
    world = make_world(things=200, policy={**POLICY, "harm": {"budget": "5%"}})
    world.launch()
    world.run_to_the_end()

    assert world.rollout.fleet_size == 200
    assert world.end_states == ["RolloutCompleted"]
    assert "budget 10 harmed" in world.decisions[1].summary


def test_an_unknown_job_is_refused(make_world: MakeWorld) -> None:
    """The refusal names the job and what can be done."""
    world = make_world()
    world.enroll()
    world.run(1)

    assert "job release-7 does not exist in this account and region" in refused(world)


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.CANCELED])
def test_a_job_that_is_over_is_untagged_again(make_world: MakeWorld, status: JobStatus) -> None:
    """A job that cannot be steered any more is left as it was."""
    world = make_world()
    world.existing_job()
    world.jobs.change(JOB, status=status)
    world.enroll()
    world.run(1)

    assert f"job release-7 is {status} and cannot be steered" in refused(world)
    assert tags(world) == {}


def test_a_rollout_that_has_ended_is_not_begun_again(make_world: MakeWorld) -> None:
    """Another try needs another job."""
    world = make_world(things=30)
    world.launch()
    world.run_to_the_end()
    world.enroll()
    world.run(1)

    assert world.end_states == ["RolloutCompleted", "EnrollmentRefused"]
    assert "launch a new job" in (list(world.executions.values())[1].cause or "")


@pytest.mark.parametrize("given", [{}, {"jobId": "a b"}, {"jobId": JOB}, {"policy": "firmware"}])
def test_an_execution_started_with_nonsense_is_refused(
    make_world: MakeWorld, given: Mapping[str, Any]
) -> None:
    """Whoever starts the workflow in the console learns what its input lacks."""
    world = make_world()
    world.start_workflow("by-hand", given)

    assert "workflow input" in refused(world) or "without a policy" in refused(world)


def test_a_snapshot_of_the_policy_is_steered_by(make_world: MakeWorld) -> None:
    """Editing a policy never changes a rollout that runs by it."""
    world = make_world(things=300)
    world.launch()
    world.run(2)
    world.policies.documents["firmware"] = '{"name": "firmware", "pace": {"max_per_minute": 1}}'
    world.run_to_the_end(60)

    assert world.end_states == ["RolloutCompleted"]
