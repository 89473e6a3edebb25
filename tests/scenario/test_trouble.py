"""AWS is busy, refuses, or changes its mind midway; Lambdas die between two lines."""

from collections.abc import Callable

import pytest

from tests.scenario.devices import fleet
from tests.scenario.people import JOB
from tests.scenario.world import POLICY, World
from tidegate.domain.decision import Verdict
from tidegate.domain.rollout import Ending, Hold, HoldKind
from tidegate.domain.settings import JobSettings, RolloutRate
from tidegate.errors import Refused, RetryLater

MakeWorld = Callable[..., World]


class Crash(Exception):
    """A Lambda died here."""


def steered(world: World, rate: int) -> bool:
    """Whether the rate in force is at least this by Tidegate's doing."""
    return bool(world.jobs.updates()) and world.rate >= rate


def test_an_update_that_aws_is_too_busy_for_is_tried_at_the_next_review(
    make_world: MakeWorld,
) -> None:
    """People hear that the settings are not in force; nothing else is held up."""
    world = make_world(things=300)
    world.launch()
    world.run_until(lambda: steered(world, 1))
    world.jobs.faults.before("update", RetryLater("Rate exceeded"))
    world.run_until(lambda: bool(world.problems()), 10)
    (attention,) = world.announced("Rollout Needs Attention")
    assert "AWS did not take the settings of job release-7: Rate exceeded" in attention["problem"]
    assert "the next review tries again" in attention["remedy"]

    revision, sent = attention["revision"], len(world.jobs.updates())
    world.run(1)
    assert world.decisions[-1].revision > revision
    assert len(world.jobs.updates()) > sent
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]


def test_a_refused_update_leaves_the_slowest_rate_and_tells_people(make_world: MakeWorld) -> None:
    """Where AWS calls the settings invalid, the job crawls; request and remedy are told."""
    world = make_world(things=300)
    world.launch()
    world.run_until(lambda: steered(world, 20))
    world.jobs.faults.before("update", Refused("Invalid abort criteria"))
    world.run_until(lambda: bool(world.problems()), 10)

    (attention,) = world.announced("Rollout Needs Attention")
    assert world.rate == 1
    assert "'maximumPerMinute'" in attention["problem"] or "abortConfig" in attention["problem"]
    assert "Invalid abort criteria" in attention["problem"]
    assert "Correct the policy" in attention["remedy"]
    assert world.ledger.applied(world.rollout.key, attention["revision"]) is not None


def test_an_update_refused_because_the_job_ended_is_no_alarm(make_world: MakeWorld) -> None:
    """Canceled by somebody while UpdateJob was on its way, the rollout ends as just that."""
    world = make_world(things=300)
    world.launch()
    world.run_until(lambda: steered(world, 10))
    world.between_jobs_calls.during("update", lambda: world.jobs.end_by_hand(JOB))
    world.run_to_the_end()

    assert world.end_states == ["JobCanceledByOthers"]
    assert world.problems() == []


def test_a_job_deleted_while_it_is_being_updated_ends_the_rollout(make_world: MakeWorld) -> None:
    """The same for deletion."""
    world = make_world(things=300)
    world.launch()
    world.run_until(lambda: steered(world, 10))
    world.between_jobs_calls.during("update", lambda: world.jobs.delete_by_hand(JOB))
    world.run_to_the_end()

    assert world.end_states == ["JobDeletedByOthers"]
    assert world.problems() == []


@pytest.mark.parametrize("hold", [True, False], ids=["hold", "abort"])
def test_a_request_that_arrives_during_a_raise_takes_it_back(
    make_world: MakeWorld,
    hold: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Placed between the last look and UpdateJob, a hold binds within one more UpdateJob."""
    world = make_world(things=400)
    world.launch()
    world.run_until(lambda: steered(world, 20))
    before = world.rate

    kind = "Hold Rollout" if hold else "Abort Rollout"
    asked = world.command(kind, by="night-shift", reason="stop it")
    world.between_jobs_calls.during("update", lambda: world.deliver_now(asked))
    sent = len(world.jobs.updates())
    world.run_until(lambda: len(world.jobs.updates()) > sent)
    raised, taken_back, *later = world.jobs.updates()[sent:]

    assert raised.rate_per_minute > before
    assert taken_back == JobSettings(rollout=RolloutRate(1))
    if hold:
        assert all(each.rollout is None for each in later)
        assert world.rate == 1
        assert world.decisions[-1].summary.startswith("operator hold by night-shift since")
    else:
        assert later == []
        world.run_to_the_end(1)
        assert world.rollout.ending is Ending.ABORTED


def test_a_take_back_that_aws_is_too_busy_for_is_made_up_for(make_world: MakeWorld) -> None:
    """The review that follows at once installs the lowest rate."""
    world = make_world(things=400)
    world.launch()
    world.run_until(lambda: steered(world, 20))

    def hold() -> None:
        world.ledger.place_hold(
            world.rollout.key, Hold(HoldKind.OPERATOR, "night-shift", "odd", world.clock.now())
        )

    world.between_jobs_calls.during("update", hold)
    world.between_jobs_calls.during(
        "update", lambda: world.jobs.faults.before("update", RetryLater("Rate exceeded"))
    )
    sent = len(world.jobs.updates())
    world.run_until(lambda: len(world.jobs.updates()) > sent)
    world.run(0.1)

    assert world.rate == 1


def test_a_job_exchanged_during_a_decision_is_left_alone(make_world: MakeWorld) -> None:
    """Deleted and created again between review and steer, the job is another one: not touched."""
    world = make_world(things=400)
    world.launch()
    world.run_until(lambda: steered(world, 10))

    def exchange() -> None:
        world.jobs.delete(JOB)
        world.clock.advance(1)
        world.existing_job(rate=100)

    world.between_ledger_calls.following("store_decision", exchange)
    before = list(world.jobs.calls)
    world.run_to_the_end(10)

    assert world.end_states == ["JobDeletedByOthers"]
    assert world.jobs.calls == before


def test_an_abort_spares_a_job_that_was_exchanged(make_world: MakeWorld) -> None:
    """CancelJob, which nothing takes back, is for the job that was decided about only."""
    world = make_world(things=400)
    world.launch()
    world.run_until(lambda: steered(world, 10))

    def exchange() -> None:
        world.jobs.delete(JOB)
        world.clock.advance(1)
        world.existing_job(rate=100)

    world.between_ledger_calls.following("store_decision", exchange)
    before = list(world.jobs.calls)
    world.abort()
    world.run_to_the_end(10)

    assert world.end_states == ["JobDeletedByOthers"]
    assert world.jobs.calls == before


def test_a_busy_cancelation_is_told_and_tried_again(make_world: MakeWorld) -> None:
    """An abort that AWS does not take at once is repeated until it does, with the way out told."""
    world = make_world(things=300)
    world.launch()
    world.run(3)
    world.jobs.faults.before("cancel", RetryLater("Rate exceeded"), RetryLater("Rate exceeded"))
    world.abort()
    world.run_to_the_end(5)

    assert world.end_states == ["RolloutAborted"]
    assert len([each for each in world.jobs.calls if each.operation == "cancel"]) == 3
    attention = world.announced("Rollout Needs Attention")[0]
    assert "did not cancel job release-7" in attention["problem"]
    assert "aws iot cancel-job --job-id release-7" in attention["remedy"]


def test_a_refused_cancelation_of_a_running_job_is_told(make_world: MakeWorld) -> None:
    """An abort that AWS refuses, for want of a permission say, is not taken for done."""
    world = make_world(things=300)
    world.launch()
    world.run(3)
    world.jobs.faults.before("cancel", Refused("not authorized to perform iot:CancelJob"))
    world.abort()
    world.run_to_the_end(5)

    assert world.end_states == ["RolloutAborted"]
    attention = world.announced("Rollout Needs Attention")[0]
    assert "not authorized to perform iot:CancelJob" in attention["problem"]
    assert "aws iot cancel-job --job-id release-7" in attention["remedy"]


def test_minutes_of_throttling_leave_a_rollout_attended(make_world: MakeWorld) -> None:
    """An AWS that is busy for long is waited for: what it lets through then, goes on."""
    world = make_world(things=300)
    world.launch()
    world.run_until(lambda: steered(world, 10))
    world.ledger.faults.before("counted", *[RetryLater("Rate exceeded")] * 6)
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]


@pytest.mark.parametrize(
    ("port", "operation"),
    [
        ("jobs", "describe"),
        ("jobs", "executions"),
        ("jobs", "update"),
        ("ledger", "rollout"),
        ("ledger", "counted"),
        ("ledger", "commit"),
        ("ledger", "note_listing"),
        ("ledger", "holds"),
        ("ledger", "store_decision"),
        ("ledger", "decision"),
        ("ledger", "entry"),
        ("ledger", "mark_applied"),
        ("ledger", "park"),
        ("ledger", "totals"),
        ("workflow", "wake"),
        ("ledger", "unpark"),
        ("ledger", "conclude"),
        ("bus", "publish"),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [Crash("died"), RetryLater("throttled")], ids=["crash", "busy"])
def test_a_lambda_that_dies_anywhere_goes_on_where_it_was(
    make_world: MakeWorld, port: str, operation: str, when: str, error: Exception
) -> None:
    """Whichever call is the last one before or after the crash, the story ends the same."""
    world = make_world(things=120, devices=fleet(0.005))
    world.launch()
    world.run_until(lambda: steered(world, 1))
    faults = getattr(world, port).faults
    for minutes in (0.3, 2.0, 4.0):
        world.run(minutes)
        getattr(faults, when)(operation, error)
    world.run_to_the_end()
    world.run(20)

    assert world.end_states == ["RolloutCompleted"]
    assert world.recorded() == world.outcomes()
    assert world.dead_letters == {}
    revisions = [each.revision for each in world.decisions]
    assert revisions == [*range(1, len(revisions) + 1)]


def test_a_lambda_that_fails_for_good_is_told(make_world: MakeWorld) -> None:
    """When retries are used up, people hear of it; what stands in AWS stands on."""
    world = make_world(things=300)
    world.launch()
    world.run_until(lambda: steered(world, 10))
    world.ledger.faults.before("counted", *[Crash("a defect")] * 9)
    world.run_to_the_end(10)

    (attention,) = world.announced("Rollout Needs Attention")
    assert world.end_states == ["Unattended"]
    assert "The state Review failed: Crash: a defect" in attention["problem"]
    assert "starts this rollout again by itself" in attention["remedy"]
    assert world.jobs.describe(JOB).settings.abort is not None

    world.run_until(lambda: world.rollout.ending is not None)
    assert world.end_states == ["Unattended", "RolloutCompleted"]


def test_a_wake_that_got_lost_in_a_crash_is_made_up_for(make_world: MakeWorld) -> None:
    """Dying after outcomes were recorded, before the workflow was woken, delays no abort."""
    world = make_world(things=300, devices=fleet(1.0, minutes=2.0))
    world.launch()
    world.run_until(lambda: steered(world, 1))
    world.ledger.faults.after("commit", Crash("died"))
    world.run_to_the_end(60)

    assert world.end_states == ["RolloutAborted"]


def test_a_decision_applied_twice_sends_one_update(make_world: MakeWorld) -> None:
    """Steer invoked again for the same decision does nothing, and says what it came to."""
    world = make_world(things=300)
    world.launch()
    world.run_until(lambda: steered(world, 1))
    world.run(0.1)
    rollout = world.rollout
    payload = {
        "rollout": {
            "jobId": JOB,
            "createdAt": rollout.key.created_at,
            "generation": rollout.generation,
        },
        "revision": rollout.revision,
    }
    sent, told = len(world.jobs.updates()), len(world.bus.published)
    answers = [world.invoke("steer", payload) for _ in range(3)]

    assert len(world.jobs.updates()) == sent
    assert len(world.bus.published) == told
    assert len({answer["outcome"] for answer in answers}) == 1


def test_settings_changed_by_hand_are_set_right_again(make_world: MakeWorld) -> None:
    """Somebody who raises the rate in the console is overruled at the next review."""
    world = make_world(things=400, policy={**POLICY, "pace": {"max_per_minute": 50}})
    world.launch()
    world.run_until(lambda: steered(world, 5))
    world.jobs.change(JOB, settings=JobSettings(rollout=RolloutRate(1000)))
    world.run(0.9)

    assert world.rate <= 50
    assert world.jobs.describe(JOB).settings.abort is not None
    assert world.decisions[-1].verdict in {Verdict.PROCEED, Verdict.HOLD}
