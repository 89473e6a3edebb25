"""What people ask of a rollout, and what comes of it."""

from collections.abc import Callable

from tests.scenario.devices import fleet
from tests.scenario.people import JOB
from tests.scenario.world import World
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import JobStatus
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.rollout import Ending

MakeWorld = Callable[..., World]


def test_a_hold_binds_until_somebody_resumes(make_world: MakeWorld) -> None:
    """Held, the job crawls at AWS's lowest rate, and decisions say who holds it and why."""
    world = make_world(things=400)
    world.launch()
    world.run_until(lambda: bool(world.jobs.updates()) and world.rate > 20)
    world.hold("customers complain", by="night-shift")
    world.run(0.1)

    assert world.rate == 1
    held = world.decisions[-1]
    assert held.verdict is Verdict.HOLD
    assert held.summary.startswith("operator hold by night-shift since 2026-")
    assert held.summary.endswith(": customers complain")
    assert held.reasons[1].code is ReasonCode.HOLD_LEAKS

    exposed = world.outcomes().total()
    world.run(30)
    assert world.rate == 1
    assert world.outcomes().total() <= exposed + 31
    assert world.announced("Rollout Held")[-1]["reasons"][0]["values"]["by"] == "night-shift"

    world.resume("was a fault of the dashboard", by="plant-7")
    world.run(0.1)
    assert world.rate > 1
    (resumed,) = world.announced("Rollout Resumed")
    assert (resumed["by"], resumed["reason"]) == ("plant-7", "was a fault of the dashboard")
    world.run_to_the_end()
    assert world.end_states == ["RolloutCompleted"]


def test_a_hold_before_the_first_settings_binds(make_world: MakeWorld) -> None:
    """Held in the second of its launch, a rollout starts at the lowest rate."""
    world = make_world()
    world.launch()
    world.run_until(lambda: bool(world.executions))
    world.hold()
    world.run(5)

    assert world.rate == 1
    assert world.outcomes().total() <= 10 + 5


def test_one_resume_lifts_the_holds_of_all_operators(make_world: MakeWorld) -> None:
    """Each hold is told with its owner; whoever resumes lifts all of them."""
    world = make_world(things=400)
    world.launch()
    world.run(4)
    world.hold(by="night-shift")
    world.hold(by="site-3")
    world.run(2)
    reasons = [each.text for each in world.decisions[-1].reasons]
    assert [each for each in reasons if each.startswith("operator hold by")] == [
        f"operator hold by {by} since {since}: looks odd"
        for by, since in (
            ("night-shift", "2026-09-21T14:17:20Z"),
            ("site-3", "2026-09-21T14:17:20Z"),
        )
    ]

    world.resume()
    world.run(2)
    assert world.rate > 1


def test_a_hold_that_arrives_twice_and_late_is_not_in_force(make_world: MakeWorld) -> None:
    """EventBridge may deliver a hold again after it was lifted: it stays lifted."""
    world = make_world(things=400)
    world.launch()
    world.run(4)
    world.hold()
    world.run(2)
    late = world.commands[-1]
    world.resume()
    world.run(2)
    world.send("signal", late)
    world.run(2)

    assert world.ledger.holds(world.rollout.key) == []
    assert world.rate > 1


def test_a_request_to_abort_stops_the_rollout_at_once(make_world: MakeWorld) -> None:
    """Whatever the evidence, the job is canceled, and everything says at whose request."""
    world = make_world(things=400)
    world.launch()
    world.run(5)
    world.abort("wrong image", by="release-desk")
    world.run_to_the_end(1)

    assert world.end_states == ["RolloutAborted"]
    assert world.rollout.ending is Ending.ABORTED
    job = world.jobs.describe(JOB)
    assert job.status is JobStatus.CANCELED
    (aborted,) = world.announced("Rollout Aborted")
    for told in (job.comment or "", aborted["summary"], world.last_execution.cause or ""):
        assert "release-desk asked to abort: wrong image" in told


def test_an_abort_overrules_a_hold(make_world: MakeWorld) -> None:
    """A held rollout can be aborted without being resumed."""
    world = make_world()
    world.launch()
    world.run(3)
    world.hold()
    world.run(3)
    world.abort()
    world.run_to_the_end(1)

    assert world.end_states == ["RolloutAborted"]


def test_a_held_release_that_turns_bad_is_aborted(make_world: MakeWorld) -> None:
    """A hold never blinds the rollout to its own evidence."""
    world = make_world(devices=fleet(1.0, minutes=6.0))
    world.launch()
    world.run(2)
    world.hold()
    world.run_to_the_end(30)

    assert world.end_states == ["RolloutAborted"]


def test_an_abort_is_final(make_world: MakeWorld) -> None:
    """Resuming after an abort changes nothing, also while AWS still shows the job as running."""
    world = make_world(things=400)
    world.jobs.cancel_seconds = 300.0
    world.launch()
    world.run(4)
    world.abort()
    world.run(1)
    updates = len(world.jobs.updates())
    world.resume()
    world.run_to_the_end(10)

    assert world.end_states == ["RolloutAborted"]
    assert len(world.jobs.updates()) == updates
    assert world.problems() == []
    assert ReasonCode.ABORT_IN_PROGRESS in {
        reason.code for each in world.decisions for reason in each.reasons
    }


def test_asking_for_something_of_an_unknown_job_is_answered(make_world: MakeWorld) -> None:
    """Whoever holds a job that is not enrolled learns that nothing is held, and the remedy."""
    world = make_world()
    world.existing_job()
    world.hold(by="night-shift")
    world.run(1)

    (refusal,) = world.refusals()
    assert "night-shift asked to hold job release-7" in refusal["problem"]
    assert "never enrolled" in refusal["problem"]
    assert "Enroll Job" in refusal["remedy"]
    assert world.jobs.calls == []


def test_asking_for_something_of_an_ended_rollout_is_answered(make_world: MakeWorld) -> None:
    """After the end there is nothing to abort, and whoever asks is told so."""
    world = make_world(things=20)
    world.launch()
    world.run_to_the_end()
    world.abort()
    world.run(1)

    (refusal,) = world.refusals()
    assert "no rollout of it is running (ended: completed)" in refusal["problem"]
    assert world.problems() == []


def test_launching_twice_launches_once(make_world: MakeWorld) -> None:
    """Two commands, be it within a second, make one rollout; the second is told why not another."""
    world = make_world(things=40)
    world.launch()
    world.launch()
    world.run_to_the_end()

    assert set(world.end_states) == {"EnrollmentRefused", "RolloutCompleted"}
    assert len(world.announced("Rollout Started")) == 1
    assert any("is enrolled already" in problem for problem in world.problems())


def test_an_abort_meant_for_an_earlier_job_does_not_stop_the_next(make_world: MakeWorld) -> None:
    """A request from before the job's creation, delivered late or replayed, is not about it."""
    world = make_world(things=300)
    world.launch()
    world.run(3)
    replayed = world.command("Abort Rollout", by="release-desk", reason="wrong image")
    world.jobs.delete_by_hand(JOB)
    world.run_to_the_end(2)
    world.launch()
    world.run(3)
    world.send("signal", replayed)
    world.run(2)

    assert world.end_states == ["JobDeletedByOthers", None]
    assert world.rollout.abort_request is None
    (refusal,) = world.refusals()
    assert "release-desk asked to abort" in refusal["problem"]
