"""Rollouts device by device: what Tidegate does with them, and how they are summed up."""

from dataclasses import replace

import pytest

from tidegate.documents.policy import parse_policy_json
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import Policy
from tidegate.domain.settings import AbortCriterion, FailureType
from tidegate.lab.behaviours import Behaviours, ListOrder, RetryNumbering
from tidegate.lab.delays import Fixed, QuantileTable, Uniform
from tidegate.lab.devices import run_native_per_device, run_per_device
from tidegate.lab.fleet import FailureKind, Failures, Fleet
from tidegate.lab.rules.native import NativeRule

POLICY: Policy = parse_policy_json(
    {
        "name": "test",
        "harm": {"tolerated_rate": 0.02, "budget": 20},
        "pace": {"start_per_minute": 10, "max_per_minute": 100},
    },
    source="the test's policy",
).compile()

FAILING = (FailureKind(ExecutionStatus.FAILED, 1.0, Uniform(1.0, 3.0)),)
FLEET = Fleet(
    name="small",
    size=120,
    timeout_minutes=15,
    start=Uniform(0.0, 1.0),
    success=Uniform(2.0, 6.0),
    failures=Failures(0.01, FAILING),
)


def fleet_without_chance(
    rate: float = 0.0,
    status: ExecutionStatus = ExecutionStatus.FAILED,
    *,
    size: int = 40,
    start_minutes: float = 0.1,
) -> Fleet:
    """Return devices that take 1.5 minutes to fail, as they do at once or never, or 5 not to."""
    return Fleet(
        name="clockwork",
        size=size,
        timeout_minutes=15,
        start=Fixed(start_minutes),
        success=Fixed(5.0),
        failures=Failures(rate, (FailureKind(status, 1.0, Fixed(1.5)),)),
    )


def native(rate_per_minute: int, percentage: float = 100.0, minimum: int = 10_000) -> NativeRule:
    """Return settings that stop at so many failures of a minimum of outcomes."""
    criterion = AbortCriterion(FailureType.ALL, percentage, minimum)
    return NativeRule("native", "native", rate_per_minute, criteria=(criterion,))


# --- Tidegate -----------------------------------------------------------------------------------


def test_a_trial_can_be_repeated() -> None:
    """All chance comes from the seed."""
    assert run_per_device(FLEET, POLICY, 5) == run_per_device(FLEET, POLICY, 5)
    assert run_per_device(FLEET, POLICY, 5) != replace(run_per_device(FLEET, POLICY, 6), seed=5)


def test_a_good_release_reaches_everybody() -> None:
    """All are notified, and nearly all succeed, in the time that it takes them."""
    fleet = FLEET.with_size(240)
    trial = run_per_device(fleet, POLICY, 1)

    assert (trial.rule, trial.fleet, trial.seed) == ("tidegate", "small", 1)
    assert (trial.finished, trial.stopped) == (True, False)
    assert trial.exposed == trial.started == fleet.size
    assert trial.minutes_to_finish is not None
    assert trial.minutes_to_95 is not None
    assert trial.minutes_to_finish <= trial.minutes_to_95 <= trial.minutes_to_finish + 7


def test_a_bad_release_is_stopped_by_tidegate() -> None:
    """Evidence stops it before the fleet is through, and long before AWS would."""
    trial = run_per_device(FLEET.with_failures(0.6), POLICY, 1)

    assert trial.stopped_by == "rule"
    assert trial.minutes == trial.minutes_to_stop
    assert trial.minutes_to_finish is trial.minutes_to_95 is None
    assert 0 < trial.harmed <= trial.started <= trial.exposed < FLEET.size / 2
    assert trial.harmed_beyond_base == trial.harmed


def test_a_release_is_found_acceptable_once_enough_succeeded() -> None:
    """The minute is that of the first review whose bound is low enough."""
    tolerant = replace(POLICY, harm=replace(POLICY.harm, acceptable_rate=0.2))
    accepted = run_per_device(FLEET.with_failures(0.0), tolerant, 1)
    never = run_per_device(FLEET.with_failures(0.0), POLICY, 1)

    assert accepted.minutes_to_acceptance is not None
    assert 2 < accepted.minutes_to_acceptance <= accepted.minutes
    assert never.minutes_to_acceptance is None


@pytest.mark.parametrize("stops_at", [0, 1])
def test_without_tidegate_its_last_settings_stand(stops_at: int) -> None:
    """The first review always gets through; then the rate stays, and the fence guards it."""
    fleet = FLEET.with_size(240)
    alone = run_per_device(fleet, POLICY, 1, orchestrator_stops_at=stops_at)
    steered = run_per_device(fleet, POLICY, 1)
    bad = run_per_device(fleet.with_failures(1.0), POLICY, 1, orchestrator_stops_at=stops_at)

    assert alone.minutes_to_finish is not None
    assert steered.minutes_to_finish is not None
    assert alone.minutes_to_finish > steered.minutes_to_finish
    assert bad.stopped_by == "native"


@pytest.mark.parametrize(
    "behaviours",
    [
        Behaviours(list_order=ListOrder.UNORDERED),
        Behaviours(retry_numbering=RetryNumbering.NEXT),
    ],
)
@pytest.mark.parametrize("failure_rate", [0.01, 0.3])
def test_how_aws_lists_and_numbers_makes_no_difference(
    behaviours: Behaviours, failure_rate: float
) -> None:
    """Counts are the same whatever the order of lists, and where nothing is retried."""
    fleet = FLEET.with_failures(failure_rate)

    assert run_per_device(fleet, POLICY, 2, behaviours=behaviours) == run_per_device(
        fleet, POLICY, 2
    )


@pytest.mark.parametrize("delay_seconds", [0.0, 90.0])
def test_events_that_come_twice_or_late_cost_no_device(delay_seconds: float) -> None:
    """However they arrive, the list makes up for them: a good release still goes through."""
    behaviours = Behaviours(events_doubled=1.0, event_delay_seconds=delay_seconds)
    trial = run_per_device(FLEET, POLICY, 1, behaviours=behaviours)

    assert (trial.finished, trial.stopped, trial.harmed) == (
        True,
        False,
        run_per_device(FLEET, POLICY, 1).harmed,
    )


def test_a_job_is_launched_with_the_retries_of_its_fleet() -> None:
    """Devices that a retry mends are no harm, and without retries they are."""
    failures = Failures(0.05, FAILING, mended=1.0)
    fleet = replace(FLEET, failures=failures, retries=1)

    assert run_per_device(fleet, POLICY, 1).harmed == 0
    assert run_per_device(replace(fleet, retries=0), POLICY, 1).harmed > 0


# --- sums -----------------------------------------------------------------------------------------


def test_what_has_started_counts_though_it_fails_after_the_end() -> None:
    """Ten failures of the first batch end the rollout; the second is at work by then, and fails."""
    trial = run_native_per_device(fleet_without_chance(1.0), native(10, minimum=10), 1)

    assert (trial.stopped_by, trial.minutes_to_stop) == ("native", 2)
    assert (trial.exposed, trial.started, trial.harmed) == (20, 20, 20)


def test_what_has_not_started_is_spared_by_the_end() -> None:
    """Devices that were told, but take their time, are canceled."""
    fleet = replace(
        fleet_without_chance(1.0), start=QuantileTable((0.0, 0.5, 0.5, 1.0), (0.1, 0.1, 30.0, 30.0))
    )
    trial = run_native_per_device(fleet, native(20, minimum=5), 1)

    assert trial.stopped_by == "native"
    assert trial.harmed == trial.started < trial.exposed


def test_a_failing_attempt_is_the_last_if_the_rollout_ends() -> None:
    """A retry would mend it, but AWS retries nothing any more; those mended before are no harm."""
    failures = Failures(1.0, (FailureKind(ExecutionStatus.FAILED, 1.0, Fixed(1.5)),), mended=1.0)
    fleet = replace(fleet_without_chance(1.0), failures=failures, retries=1)
    goes_on = run_native_per_device(fleet, native(10), 1)
    stopped = run_native_per_device(fleet, native(10, percentage=80.0, minimum=20), 1)

    assert (goes_on.harmed, goes_on.stopped) == (0, False)
    # Batches of 0:10, 1:10 and 2:10 fail 1:36 later. With the second that is twenty failures; by
    # then the first batch is at its second attempt, and the third at its first.
    assert (stopped.minutes_to_stop, stopped.started, stopped.harmed) == (3, 30, 20)


def test_who_rejects_is_harmed_without_having_started() -> None:
    """A rejection counts, and no start does."""
    fleet = fleet_without_chance(1.0, ExecutionStatus.REJECTED)
    trial = run_native_per_device(fleet, native(40), 1)

    assert (trial.exposed, trial.started, trial.harmed) == (40, 0, 40)
    assert (trial.stopped, trial.minutes_to_95) == (False, None)


def test_a_good_rollout_by_the_clock() -> None:
    """Two batches, at 0:10 and 1:10; each succeeds after 5:06 minutes; then it is over."""
    trial = run_native_per_device(fleet_without_chance(), native(20), 1)

    assert (trial.exposed, trial.started, trial.harmed) == (40, 40, 0)
    assert (trial.minutes_to_finish, trial.minutes_to_95, trial.minutes) == (2, 7, 7)
    assert trial.minutes_to_acceptance is None


def test_devices_that_never_come_are_not_waited_for() -> None:
    """The shares are of those that can start."""
    fleet = replace(fleet_without_chance(size=400), start=QuantileTable((0.0, 0.5), (0.0, 0.5)))
    trial = run_native_per_device(fleet, native(400), 1)

    assert 150 < trial.started < 250
    assert (trial.exposed, trial.minutes_to_finish) == (400, 1)
    assert (trial.minutes_to_95, trial.minutes) == (6, 6)


def test_the_slowest_are_waited_for_no_longer_than_the_timeout() -> None:
    """Once nearly all are through, a straggler counts for nothing but the time it takes itself."""
    stragglers = QuantileTable((0.0, 0.97, 0.97, 1.0), (0.1, 0.1, 600.0, 600.0))
    fleet = replace(fleet_without_chance(size=400), start=stragglers)
    trial = run_native_per_device(fleet, native(400), 1)

    assert trial.minutes == 1 + fleet.timeout_minutes
    assert 0.95 * 400 <= trial.started < 400
    assert trial.minutes_to_95 == 6


def test_success_may_come_after_the_end() -> None:
    """When nearly all will have succeeded is known from what they do, with nobody looking."""
    late = QuantileTable((0.0, 0.9, 0.9, 1.0), (0.1, 0.1, 60.0, 60.0))
    failures = Failures(0.02, (FailureKind(ExecutionStatus.FAILED, 1.0, Fixed(1.0)),))
    fleet = replace(fleet_without_chance(size=400), start=late, failures=failures)
    trial = run_native_per_device(fleet, native(400), 3)

    assert trial.minutes_to_95 == 66


def test_a_rollout_that_takes_too_long_is_given_up() -> None:
    """Whoever looks on ends; what was notified by then was."""
    trial = run_native_per_device(fleet_without_chance(), native(1), 1, minutes_max=10)

    assert (trial.minutes, trial.exposed) == (10, 10)
    assert trial.minutes_to_finish is trial.minutes_to_stop is None
