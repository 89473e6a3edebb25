"""Which executions are stuck, and what is sent in their device's stead."""

from dataclasses import replace

import pytest

from tests.unit.domain.examples import FAILED, IN_PROGRESS, NOW, SUCCEEDED, lasting
from tidegate.domain.durations import Durations
from tidegate.domain.executions import (
    STATUS_DETAILS_MAX,
    Execution,
    ExecutionUpdate,
    refusals,
)
from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary
from tidegate.domain.policy import Rescue, Stuck
from tidegate.domain.stuck import (
    AFTER_MINUTES_MIN,
    EXTENDED_DETAIL,
    EXTENSIONS_MAX,
    LOOKS_PER_PASS_MAX,
    REASON_DETAIL,
    LeftAlone,
    Patience,
    after_minutes,
    candidates,
    rescue,
)

MINUTE = 60.0
ENDING = Patience(Stuck(at_most=3), after_minutes=45.0)
EXTENDING = replace(ENDING, stuck=Stuck(then=Rescue.EXTEND, extend_minutes=30))
SILENT = Execution(
    job_id="firmware-7",
    thing_name="pump-1",
    status=IN_PROGRESS,
    execution_number=2,
    version_number=5,
    queued_at=NOW - 70 * MINUTE,
    started_at=NOW - 60 * MINUTE,
    updated_at=NOW - 50 * MINUTE,
    status_details={"step": "flashing"},
)


def row(minutes: float, status: ExecutionStatus = IN_PROGRESS) -> ExecutionSummary:
    """Return a row of the list that last changed so many minutes ago."""
    return ExecutionSummary(f"pump-{minutes:g}", status, NOW - 9e4, NOW - minutes * MINUTE)


def sent(execution: Execution, patience: Patience) -> ExecutionUpdate:
    """Return the update for an execution, of which AWS finds nothing amiss."""
    update = rescue(execution, patience, NOW)
    assert isinstance(update, ExecutionUpdate)
    assert refusals(update) == ()
    return update


# After how long


def test_what_the_policy_says_goes_for_any_fleet() -> None:
    """Its owner knows best."""
    assert after_minutes(Stuck(after_minutes=7), Durations()) == 7


def test_a_fleet_says_by_its_own_durations_what_is_implausible() -> None:
    """Twice what all but one in a thousand need, at least half an hour."""
    assert after_minutes(Stuck(), lasting(40)) == 2 * 40
    assert after_minutes(Stuck(), lasting(3)) == AFTER_MINUTES_MIN


@pytest.mark.parametrize(
    "durations",
    [Durations(), lasting(5, devices=499), lasting(5, never=0.01), lasting(90)],
)
def test_while_too_little_is_known_nothing_is_stuck(durations: Durations) -> None:
    """Few devices, or more than one in a thousand that are older than all ages told apart."""
    assert after_minutes(Stuck(), durations) is None


# Which


def test_only_silent_executions_are_looked_at_the_longest_silent_first() -> None:
    """Others have moved, or have an outcome."""
    rows = [row(44), row(45), row(99, SUCCEEDED), row(300), row(60), row(50)]

    assert [each.thing_name for each in candidates(rows, ENDING, NOW)] == [
        "pump-300",
        "pump-60",
        "pump-50",
        "pump-45",
    ]
    fast = replace(ENDING, minute_seconds=6.0)
    assert row(5) in candidates([row(5)], fast, NOW)


@pytest.mark.parametrize("seconds", [120, 121, 144])
@pytest.mark.parametrize("others", [40, 150, 200])
def test_however_many_stay_stuck_each_is_looked_at(others: int, seconds: int) -> None:
    """Those nothing can be done for keep no pass from the others, at whatever times it comes."""
    rows = [row(100 + number) for number in range(LOOKS_PER_PASS_MAX + others)]
    looked = [candidates(rows, ENDING, NOW + seconds * number) for number in range(20)]

    assert {len(each) for each in looked} == {LOOKS_PER_PASS_MAX}
    assert {each.thing_name for some in looked for each in some} == {
        each.thing_name for each in rows
    }


@pytest.mark.parametrize(
    "execution",
    [replace(SILENT, status=SUCCEEDED), replace(SILENT, updated_at=NOW - 44 * MINUTE)],
)
def test_a_device_that_was_faster_is_left_alone(execution: Execution) -> None:
    """The list is older than the description."""
    assert isinstance(rescue(execution, ENDING, NOW), LeftAlone)


# Ending


def test_a_stuck_execution_fails_and_says_why() -> None:
    """Only that version of that execution; what the device said last is kept."""
    assert sent(SILENT, ENDING) == ExecutionUpdate(
        job_id="firmware-7",
        thing_name="pump-1",
        status=FAILED,
        status_details={"step": "flashing", REASON_DETAIL: "no sign of life for 50 minutes"},
        expected_version=5,
        execution_number=2,
    )


def test_the_reason_has_room_among_the_details() -> None:
    """AWS takes so many pairs and no more; an older reason of Tidegate's gives way."""
    full = {f"k{number}": "v" for number in range(STATUS_DETAILS_MAX)}
    details = sent(replace(SILENT, status_details=full), ENDING).status_details
    again = sent(replace(SILENT, status_details={REASON_DETAIL: "old"}), ENDING).status_details

    assert details is not None
    assert len(details) == STATUS_DETAILS_MAX
    assert details[REASON_DETAIL].startswith("no sign of life")
    assert again == {REASON_DETAIL: "no sign of life for 50 minutes"}


# Extending


def test_a_step_timer_that_runs_is_extended() -> None:
    """The device goes on as it was, with more time for its step."""
    update = sent(replace(SILENT, seconds_left=4 * MINUTE), EXTENDING)

    assert update.status is IN_PROGRESS
    assert update.step_timeout_minutes == 30
    assert (update.expected_version, update.execution_number) == (5, 2)
    assert update.status_details == {"step": "flashing", EXTENDED_DETAIL: "1"}


def test_an_extension_never_goes_beyond_the_time_out_of_the_job() -> None:
    """It starts with the execution, and nothing puts it off."""
    patience = replace(EXTENDING, timeout_minutes=80)
    timed = replace(SILENT, seconds_left=4 * MINUTE)

    assert sent(timed, patience).step_timeout_minutes == 20
    assert isinstance(rescue(replace(timed, seconds_left=20 * MINUTE), patience, NOW), LeftAlone)
    assert isinstance(rescue(timed, replace(patience, timeout_minutes=65), NOW), LeftAlone)
    assert isinstance(rescue(timed, replace(patience, timeout_minutes=59), NOW), LeftAlone)


@pytest.mark.parametrize(
    ("execution", "why"),
    [
        (SILENT, "no timer runs"),
        (replace(SILENT, seconds_left=30 * MINUTE), "longer than what it would get"),
        (
            replace(
                SILENT,
                seconds_left=MINUTE,
                status_details={EXTENDED_DETAIL: str(EXTENSIONS_MAX)},
            ),
            f"extended {EXTENSIONS_MAX} times",
        ),
        (replace(SILENT, seconds_left=MINUTE, status_details={EXTENDED_DETAIL: "-1"}), "extended"),
        (
            replace(
                SILENT,
                seconds_left=MINUTE,
                status_details={f"k{number}": "v" for number in range(STATUS_DETAILS_MAX)},
            ),
            "as many statusDetails",
        ),
    ],
)
def test_what_cannot_be_extended_is_left_to_its_timers(execution: Execution, why: str) -> None:
    """No timer is begun, cut short, or put off for ever; a living device loses no detail."""
    left = rescue(execution, EXTENDING, NOW)

    assert isinstance(left, LeftAlone)
    assert why in left.why


def test_extensions_are_counted_until_the_device_reports() -> None:
    """What it reports replaces the count, as it replaces all of its details."""
    twice = replace(SILENT, seconds_left=MINUTE, status_details={EXTENDED_DETAIL: "2"})

    assert sent(twice, EXTENDING).status_details == {EXTENDED_DETAIL: "3"}
