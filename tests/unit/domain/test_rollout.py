"""A rollout's names and counts."""

import re

import pytest

from tests.unit.domain.examples import (
    CANCELED,
    FAILED,
    IN_PROGRESS,
    QUEUED,
    REMOVED,
    SUCCEEDED,
    TIMED_OUT,
)
from tidegate.domain.jobs import REPORTED, TERMINAL, JobCounts
from tidegate.domain.outcomes import UNPLACED
from tidegate.domain.rollout import EXECUTION_NAME_LENGTH_MAX, Counts, RolloutKey

#: The longest that AWS allows.
LONGEST_JOB_ID = "j" * 64


def test_execution_names_tell_job_creation_and_generation() -> None:
    """People find a rollout's executions by their names."""
    assert RolloutKey("firmware-7", 1_700_000_000).execution_name(3) == "firmware-7-1700000000-3"


def test_execution_names_differ_within_what_step_functions_takes() -> None:
    """The longest job id leaves room for a thousand generations."""
    names = {RolloutKey(LONGEST_JOB_ID, 1_700_000_000).execution_name(n) for n in range(1, 1000)}

    assert len(names) == 999
    assert max(map(len, names)) <= EXECUTION_NAME_LENGTH_MAX
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)


def test_a_job_id_used_again_is_another_rollout() -> None:
    """Ids are reusable after deletion: the second of creation belongs to the identity."""
    first, second = RolloutKey("firmware-7", 1_700_000_000), RolloutKey("firmware-7", 1_700_000_001)

    assert first != second
    assert first.execution_name(1) != second.execution_name(1)


def test_counts_are_read_over_all_buckets() -> None:
    """Totals include the things whose start is not known; they can be told apart."""
    counts = Counts(
        {(0, SUCCEEDED): 3, (7, SUCCEEDED): 2, (UNPLACED, SUCCEEDED): 1, (7, FAILED): 4}
    )

    assert counts.of(SUCCEEDED) == 6
    assert counts.of(SUCCEEDED, FAILED) == 10
    assert counts.of(TIMED_OUT) == 0
    assert (counts.unplaced(SUCCEEDED), counts.unplaced(FAILED)) == (1, 0)


def test_canceled_and_removed_say_nothing_about_the_release() -> None:
    """They are ends, but an operator's or a group's doing, not the device's."""
    assert REPORTED | {CANCELED, REMOVED} == TERMINAL
    assert not REPORTED & {CANCELED, REMOVED}
    assert not REPORTED & {QUEUED, IN_PROGRESS}


@pytest.mark.parametrize(
    ("name", "number"), [("reported", 15), ("terminal", 24), ("started", 17), ("exposed", 27)]
)
def test_aws_counters_are_summed_by_what_they_mean(name: str, number: int) -> None:
    """Each sum of DescribeJob's counters holds just the statuses that it is about."""
    counts = JobCounts(
        queued=1,
        in_progress=2,
        succeeded=6,
        failed=5,
        rejected=3,
        timed_out=1,
        canceled=4,
        removed=5,
    )

    assert getattr(counts, name) == number
