"""Names of executions: within AWS's limit, the same for the same cause, and no other's."""

from tidegate.domain.rollout import EXECUTION_NAME_LENGTH_MAX
from tidegate.service.names import execution_name


def test_a_name_tells_the_job_and_the_cause() -> None:
    """Whoever looks at the list of executions understands it."""
    assert execution_name("release-7", 1_790_000_000, 3, "heal", 2) == (
        "release-7-1790000000-3-heal-2"
    )


def test_long_ids_are_told_apart_where_they_are_shortened() -> None:
    """Two jobs that differ at the end alone do not get one execution between them."""
    names = {execution_name("n" * 63 + end, 1_790_000_000, 7, "heal", 1) for end in "ab"}

    assert len(names) == 2
    assert {len(name) for name in names} == {EXECUTION_NAME_LENGTH_MAX}
    assert all(name.endswith("-1790000000-7-heal-1") for name in names)


def test_the_longest_cause_leaves_room_for_some_of_the_id() -> None:
    """An event's id has up to 64 characters here."""
    name = execution_name("n" * 64, "e" * 64)

    assert len(name) == EXECUTION_NAME_LENGTH_MAX
    assert name.startswith("nnn")
