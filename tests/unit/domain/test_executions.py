"""What an update may make of an execution, and what is wrong with it in itself."""

import pytest

from tidegate.domain.executions import (
    NO_STEP_TIMEOUT,
    REPORTABLE,
    STATUS_DETAILS_MAX,
    STEP_TIMEOUT_MINUTES_MAX,
    Execution,
    ExecutionUpdate,
    may_become,
    refusals,
    stands,
)
from tidegate.domain.jobs import TERMINAL, ExecutionStatus

QUEUED, IN_PROGRESS = ExecutionStatus.QUEUED, ExecutionStatus.IN_PROGRESS
SUCCEEDED, FAILED = ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED


def execution(status: ExecutionStatus, version: int = 5, **details: str) -> Execution:
    """Return an execution."""
    return Execution("j", "a", status, 1, version, 0.0, 0.0, status_details=details)


def update(status: ExecutionStatus = FAILED, **members: object) -> ExecutionUpdate:
    """Return an update."""
    return ExecutionUpdate("j", "a", status, **members)  # type: ignore[arg-type]


@pytest.mark.parametrize("before", ExecutionStatus)
@pytest.mark.parametrize("after", ExecutionStatus)
def test_a_device_goes_on_until_it_ends(before: ExecutionStatus, after: ExecutionStatus) -> None:
    """From QUEUED and IN_PROGRESS to whatever a device may report; from an end, nowhere."""
    possible = before in {QUEUED, IN_PROGRESS} and after in REPORTABLE

    assert may_become(before, after) is possible
    assert execution(before).is_terminal is (before in TERMINAL)


@pytest.mark.parametrize(
    ("sent", "found", "is_done"),
    [
        (update(), execution(FAILED), True),
        (update(), execution(FAILED, reason="x"), True),
        (update(status_details={}), execution(FAILED, reason="x"), False),
        (update(status_details={"reason": "x"}), execution(FAILED, reason="x"), True),
        (update(status_details={"reason": "x"}), execution(FAILED, reason="y"), False),
        (update(), execution(SUCCEEDED), False),
        (update(IN_PROGRESS), execution(IN_PROGRESS), False),
        (update(IN_PROGRESS, expected_version=4), execution(IN_PROGRESS), True),
        (update(IN_PROGRESS, expected_version=3), execution(IN_PROGRESS), False),
        (update(expected_version=4), execution(FAILED), True),
        (update(expected_version=3), execution(FAILED), False),
        (update(expected_version=4), execution(SUCCEEDED), False),
        (update(expected_version=5), execution(FAILED), False),
    ],
)
def test_an_update_stands_if_nothing_else_came_of_it(
    sent: ExecutionUpdate, found: Execution, *, is_done: bool
) -> None:
    """Status and details are as sent, and the version is the next, or the execution is over."""
    assert stands(sent, found) is is_done


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        *(
            (update(status), "for AWS to set")
            for status in sorted(set(ExecutionStatus) - REPORTABLE)
        ),
        (update(status_details={f"k{n}": "v" for n in range(11)}), "11 pairs: give at most 10"),
        (update(status_details={"a b": "v"}), "key 'a b'"),
        (update(status_details={"": "v"}), "key ''"),
        (update(status_details={"k" * 129: "v"}), "1 to 128 letters"),
        (update(status_details={"k": ""}), "k has 0 characters"),
        (update(status_details={"k": "v" * 1025}), "k has 1025 characters: give 1 to 1024"),
        (update(status_details={"k": "a\nb"}), "k holds control characters"),
        (update(step_timeout_minutes=0), "stepTimeoutInMinutes is 0"),
        (update(step_timeout_minutes=-2), "stepTimeoutInMinutes is -2"),
        (update(step_timeout_minutes=10_081), "give 1 to 10080, or -1"),
        (update(expected_version=0), "versions begin at 1"),
        (update(execution_number=0), "numbers begin at 1"),
    ],
)
def test_what_is_wrong_is_said(sent: ExecutionUpdate, said: str) -> None:
    """Each fault gets one message with what would be right."""
    (message,) = refusals(sent)

    assert said in message


@pytest.mark.parametrize("minutes", [None, NO_STEP_TIMEOUT, 1, STEP_TIMEOUT_MINUTES_MAX])
def test_what_is_at_the_limit_is_right(minutes: int | None) -> None:
    """AWS takes as much as it says, in any script."""
    details = {f"tidegate:k_-{n}": "ä" * 1024 for n in range(STATUS_DETAILS_MAX)}
    sent = update(
        status_details=details, expected_version=1, execution_number=1, step_timeout_minutes=minutes
    )

    assert refusals(sent) == ()
