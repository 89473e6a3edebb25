"""Releases, good and bad, steered from their first minute to their end."""

from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest

from tests.scenario.devices import Device, Fleet, fleet
from tests.scenario.people import JOB
from tests.scenario.world import POLICY, World
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.rollout import Ending
from tidegate.lab.aws import Notice

MakeWorld = Callable[..., World]

HARMFUL = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT)


def all_end_as(status: ExecutionStatus, minutes: float = 2.0) -> Fleet:
    """Return devices that all end alike."""

    def device(_: int, chance: Random) -> Device:
        return Device(status, ends_after=minutes)

    return device


def test_a_good_release_completes_and_its_rate_grows(make_world: MakeWorld) -> None:
    """As outcomes come in well, the rate grows, and the rollout ends when the job does."""
    world = make_world(things=500, devices=fleet(0.005))
    world.launch()
    world.run_to_the_end()

    rates = [
        each.settings.rate_per_minute
        for each in world.decisions
        if each.verdict is Verdict.PROCEED and each.reasons[0].code is not ReasonCode.ALL_NOTIFIED
    ]
    assert world.end_states == ["RolloutCompleted"]
    assert world.rollout.ending is Ending.COMPLETED
    assert rates[0] == 10
    assert max(rates) >= 100
    assert world.outcomes().total() == 500
    assert world.recorded() == world.outcomes()
    assert len(world.announced("Rollout Completed")) == 1
    assert world.problems() == []


def test_the_rate_never_exceeds_what_the_policy_allows(make_world: MakeWorld) -> None:
    """However good the release is, max_per_minute is not exceeded."""
    policy = {**POLICY, "pace": {"start_per_minute": 5, "max_per_minute": 40}}
    world = make_world(things=300, policy=policy)
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutCompleted"]
    assert max(each.settings.rate_per_minute for each in world.decisions[:-1]) == 40


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "devices",
    [
        pytest.param(fleet(1.0, minutes=1.0), id="all fail, fast"),
        pytest.param(fleet(1.0, minutes=20.0), id="all fail, slowly"),
        pytest.param(fleet(0.3, minutes=5.0), id="a third fails"),
        pytest.param(fleet(0.15, minutes=3.0), id="some fail"),
    ],
)
def test_a_bad_release_is_aborted_within_its_budget(
    make_world: MakeWorld, devices: Fleet, seed: int
) -> None:
    """
    The job is canceled while the devices harmed beyond the acceptable rate fit the budget.

    Devices that are at work when the job is canceled finish, and count.
    """
    world = make_world(things=2000, devices=devices, seed=seed)
    world.launch()
    world.run_to_the_end()
    world.run(60)

    outcomes = world.outcomes()
    harmed = sum(outcomes[status] for status in HARMFUL)
    exposed = outcomes.total() - outcomes[ExecutionStatus.CANCELED]
    assert world.end_states == ["RolloutAborted"]
    assert world.rollout.ending is Ending.ABORTED
    assert harmed - 0.02 * exposed <= 50
    assert [each["ending"] for each in world.announced("Rollout Aborted")] == ["aborted"]
    assert all(each.settings.rollout is None for each in world.decisions if each.verdict == "abort")


def test_an_abort_says_on_what_it_rests(make_world: MakeWorld) -> None:
    """Execution, decision, job and bus all tell of the numbers against their limits."""
    world = make_world(devices=fleet(0.5))
    world.launch()
    world.run_to_the_end()

    (execution,) = world.executions.values()
    abort = next(each for each in world.decisions if each.verdict is Verdict.ABORT)
    (announced,) = world.announced("Rollout Aborted")
    comment = world.jobs.describe(world.rollout.key.job_id).comment or ""
    assert abort.reasons[0].code is ReasonCode.EVIDENCE_ABOVE_TOLERATED
    assert abort.evidence.log_e >= abort.evidence.abort_at
    assert f"{abort.evidence.harmed} of {abort.evidence.started} started" in comment
    assert "CANCELED by Tidegate" in (execution.cause or "")
    assert announced["evidence"]["harmed"] >= abort.evidence.harmed


def test_time_outs_are_harm_where_the_policy_says_so(make_world: MakeWorld) -> None:
    """A release whose devices hang until their timer fires is stopped like one that fails."""
    world = make_world(devices=all_end_as(ExecutionStatus.TIMED_OUT, minutes=10.0))
    world.launch()
    world.run_to_the_end()

    assert world.end_states == ["RolloutAborted"]


def test_outcomes_that_are_no_harm_do_not_stop_a_release(make_world: MakeWorld) -> None:
    """Devices that reject the job, where that is no harm, are no evidence against the release."""
    world = make_world(things=40, devices=all_end_as(ExecutionStatus.REJECTED))
    world.launch()
    world.run_to_the_end(60 * 24)

    assert world.end_states == ["RolloutCompleted"]


def test_no_data_is_no_progress(make_world: MakeWorld) -> None:
    """Where no device ever reports, exposure creeps on by AWS's lowest rate and no faster."""
    world = make_world(devices=fleet(silent_rate=1.0))
    world.launch()
    world.run(30)

    assert world.rate == 1
    assert world.outcomes()[ExecutionStatus.QUEUED] <= 10 + 30
    assert world.end_states == [None]
    assert world.decisions[-1].verdict is Verdict.HOLD
    assert ReasonCode.HOLD_LEAKS in {each.code for each in world.decisions[-1].reasons}


def test_slow_successes_do_not_make_fast_failures_an_evidence(make_world: MakeWorld) -> None:
    """A good release whose failures come at once and successes late is not stopped."""

    def device(place: int, _: Random) -> Device:
        if place % 100 == 0:
            return Device(ExecutionStatus.FAILED, ends_after=0.3)
        return Device(ExecutionStatus.SUCCEEDED, ends_after=30.0)

    world = make_world(things=400, devices=device)
    world.launch()
    world.run_to_the_end(60 * 24)

    assert world.end_states == ["RolloutCompleted"]


def test_growth_left_to_aws_stays_below_what_the_evidence_allows(make_world: MakeWorld) -> None:
    """With exponential pace, UpdateJob carries AWS's own growth under Tidegate's maximum."""
    policy = {
        **POLICY,
        "pace": {
            "start_per_minute": 10,
            "max_per_minute": 200,
            "exponential": {"increment_factor": 2.0, "succeeded_things": 20},
        },
    }
    world = make_world(things=300, policy=policy)
    world.launch()
    world.run_to_the_end()

    sent = [each.rollout for each in world.jobs.updates() if each.rollout]
    assert world.end_states == ["RolloutCompleted"]
    assert any(each.exponential for each in sent)
    assert max(each.maximum_per_minute for each in sent) <= 200


def test_two_rollouts_at_once_keep_to_themselves(make_world: MakeWorld) -> None:
    """A bad release is stopped while a good one beside it completes, on the same devices."""

    def device(place: int, chance: Random) -> Device:
        return Device(ExecutionStatus.SUCCEEDED, ends_after=chance.uniform(1.0, 3.0))

    world = make_world(things=150, devices=device)
    world.launch()
    world.launch("bad-one")
    world.run(1.5)
    for number in range(5):
        created_at = world.jobs.describe("bad-one").created_at
        notice = Notice("bad-one", created_at, f"thing-{number:05}", place=number)
        world.jobs.device_reports(notice, ExecutionStatus.FAILED)
    world.run_to_the_end()

    endings = {
        job_id: rollout.ending for job_id, rollout in world.ledger.current([JOB, "bad-one"]).items()
    }
    assert endings == {JOB: Ending.COMPLETED, "bad-one": Ending.ABORTED}
    assert world.recorded() == {ExecutionStatus.SUCCEEDED: 150}


def test_the_same_seed_tells_the_same_story(make_world: MakeWorld) -> None:
    """A world is a function of its seed: what went wrong once can be looked at again."""

    def story(seed: int) -> list[str]:
        world = make_world(seed=seed, devices=fleet(0.03))
        world.launch()
        world.run(20)
        return [f"{each.at} {each.summary}" for each in world.decisions]

    assert story(3) == story(3)
    assert story(3) != story(4)


def test_reviews_come_often_enough_while_exposure_grows(make_world: MakeWorld) -> None:
    """Between two reviews falls at most one of AWS's minutely batches."""
    world = make_world(things=300)
    world.launch()
    world.run_to_the_end()

    pacing = [
        each for each in world.decisions if each.reasons[0].code is not ReasonCode.ALL_NOTIFIED
    ]
    assert all(after.at - before.at < 60 for before, after in pairwise(pacing[:-1]))
