"""What becomes of one device's execution, in memory as in the embedded cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.executing import DOCUMENT, InMemory, InTheCloud
from tidegate.domain.executions import REPORTABLE, Execution, ExecutionUpdate, Updated
from tidegate.domain.jobs import TERMINAL, ExecutionStatus
from tidegate.errors import Conflict, NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.contract.executing import World

QUEUED, IN_PROGRESS = ExecutionStatus.QUEUED, ExecutionStatus.IN_PROGRESS
SUCCEEDED, FAILED = ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED
REJECTED, CANCELED = ExecutionStatus.REJECTED, ExecutionStatus.CANCELED

#: Data plane times are whole seconds, and the cloud's clock is another process's.
SECONDS = 5


@pytest.fixture(params=["memory", pytest.param("cloud", marks=pytest.mark.e2e)])
def world(request: pytest.FixtureRequest) -> World:
    """Provide a world of each kind."""
    if request.param == "memory":
        return InMemory()
    return InTheCloud(request.getfixturevalue("cloud"))


def updated(
    world: World,
    names: tuple[str, str],
    status: ExecutionStatus,
    details: Mapping[str, str] | None = None,
    *,
    version: int | None = None,
    number: int | None = None,
    step_minutes: int | None = None,
    state: bool = False,
    document: bool = False,
) -> Updated:
    """Update the execution of these names."""
    thing_name, job_id = names
    return world.executions.update(
        ExecutionUpdate(
            job_id,
            thing_name,
            status,
            status_details=details,
            expected_version=version,
            execution_number=number,
            step_timeout_minutes=step_minutes,
            include_state=state,
            include_document=document,
        )
    )


def described(world: World, names: tuple[str, str]) -> Execution:
    """Describe the execution of these names."""
    return world.executions.describe(*names)


def test_an_execution_begins_queued(world: World) -> None:
    """A new execution is the first in number and version, without start, details or timer."""
    names = world.queued(timeout_minutes=30)

    found = described(world, names)

    assert (found.thing_name, found.job_id) == names
    assert (found.status, found.execution_number, found.version_number) == (QUEUED, 1, 1)
    assert (found.started_at, dict(found.status_details), found.seconds_left) == (None, {}, None)
    assert found.queued_at == pytest.approx(world.now(), abs=SECONDS)
    assert found == world.executions.describe(*names, execution_number=1)


@pytest.mark.parametrize("status", sorted(REPORTABLE))
def test_whoever_waits_may_report_anything(world: World, status: ExecutionStatus) -> None:
    """No device need say that it begins before it says how it ended; who rejects never starts."""
    names = world.queued()

    updated(world, names, status, {"step": "1"})

    found = described(world, names)
    assert (found.status, found.version_number) == (status, 2)
    assert found.status_details == {"step": "1"}
    assert (found.started_at is None) is (status is REJECTED)
    assert found.is_terminal is (status in TERMINAL)


def test_details_are_replaced_whole_or_left(world: World) -> None:
    """What an update does not mention stays; what it gives takes the place of all before it."""
    names = world.queued()
    updated(world, names, IN_PROGRESS, {"step": "1", "of": "3"})

    updated(world, names, IN_PROGRESS)
    before = described(world, names)
    updated(world, names, FAILED, {"reason": "no space"})
    after = described(world, names)

    assert (before.version_number, dict(before.status_details)) == (3, {"step": "1", "of": "3"})
    assert (after.version_number, dict(after.status_details)) == (4, {"reason": "no space"})


def test_the_answer_tells_what_was_asked(world: World) -> None:
    """State and document come where they are wanted, and only there."""
    names = world.queued()

    silent = updated(world, names, IN_PROGRESS, {"step": "1"})
    document = updated(world, names, IN_PROGRESS, document=True)
    state = updated(world, names, IN_PROGRESS, {"step": "3"}, state=True)

    assert silent == Updated()
    assert document == Updated(document=DOCUMENT)
    assert state == Updated(IN_PROGRESS, 4, {"step": "3"})


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED, REJECTED])
def test_what_is_over_stays(world: World, end: ExecutionStatus) -> None:
    """Neither a beginning nor another end changes an execution that ended."""
    names = world.queued()
    updated(world, names, end, {"by": "device"})
    other = SUCCEEDED if end is FAILED else FAILED

    for status, details in ((IN_PROGRESS, None), (other, None), (end, {"by": "somebody"})):
        with pytest.raises(Conflict):
            updated(world, names, status, details)

    found = described(world, names)
    assert (found.status, found.version_number) == (end, 2)
    assert found.status_details == {"by": "device"}


@pytest.mark.parametrize("version", [1, 3])
def test_another_version_is_not_changed(world: World, version: int) -> None:
    """Who relies on a version that is history, or not there yet, changes nothing."""
    names = world.queued()
    updated(world, names, IN_PROGRESS, {"step": "1"}, version=1)

    with pytest.raises(Conflict):
        updated(world, names, FAILED, {"reason": "stuck"}, version=version)

    found = described(world, names)
    assert (found.status, found.version_number) == (IN_PROGRESS, 2)
    assert found.status_details == {"step": "1"}


def test_the_same_update_again_is_done(world: World) -> None:
    """Where an answer was lost, sending the update again finds it done and changes nothing."""
    names = world.queued()
    for _ in range(2):
        updated(world, names, IN_PROGRESS, {"step": "1"}, version=1)
    first = described(world, names)
    updated(world, names, FAILED, {"reason": "stuck"}, version=2)

    again = updated(world, names, FAILED, {"reason": "stuck"}, version=2, state=True)
    later = updated(world, names, FAILED, {"reason": "stuck"})

    assert (first.status, first.version_number) == (IN_PROGRESS, 2)
    assert again == Updated(FAILED, 3, {"reason": "stuck"})
    assert later == Updated()
    assert described(world, names).version_number == 3


def test_the_same_update_again_tells_the_document(world: World) -> None:
    """Where the answer with it was lost, and its device is still at work."""
    names = world.queued()

    for _ in range(2):
        told = updated(world, names, IN_PROGRESS, {"step": "1"}, version=1, document=True)
        assert told == Updated(document=DOCUMENT)


def test_an_update_at_fault_is_refused(world: World) -> None:
    """All that is wrong with an update is said at once, and nothing of it is done."""
    names = world.queued()

    with pytest.raises(Refused, match=r"give at most 10.*step") as caught:
        updated(world, names, FAILED, {f"k{n}": "v" for n in range(11)}, step_minutes=0)
    with pytest.raises(Refused, match="for AWS to set"):
        updated(world, names, CANCELED)

    assert not isinstance(caught.value, (Conflict, NotFound))
    assert described(world, names).version_number == 1


@pytest.mark.parametrize(
    ("thing_name", "job_id"),
    [(None, "nobody"), ("nobody", None), (None, "$next"), ("a/b", None), ("", None), (None, "")],
)
def test_what_is_not_there_is_not_found(
    world: World, thing_name: str | None, job_id: str | None
) -> None:
    """An unknown thing or job has no execution, nor has a name that only means another one."""
    names = world.queued()
    wrong = (thing_name if thing_name is not None else names[0], names[1])
    wrong = wrong if job_id is None else (wrong[0], job_id)

    for ask in (
        lambda: described(world, wrong),
        lambda: updated(world, wrong, FAILED),
        lambda: world.executions.cancel(*wrong),
    ):
        with pytest.raises(NotFound):
            ask()

    assert described(world, names).version_number == 1


def test_another_number_is_not_found(world: World) -> None:
    """An execution of the thing that never was is not its latest one."""
    names = world.queued()

    with pytest.raises(NotFound):
        world.executions.describe(*names, execution_number=2)
    with pytest.raises(NotFound):
        updated(world, names, FAILED, number=2)

    updated(world, names, FAILED, number=1)
    assert described(world, names).status is FAILED


def test_whoever_waits_can_be_canceled(world: World) -> None:
    """A QUEUED execution ends, once, however often it is asked for; its version moves on."""
    names = world.queued()

    for _ in range(2):
        world.executions.cancel(*names, expected_version=1)
    world.executions.cancel(*names)

    found = described(world, names)
    assert (found.status, found.version_number, found.started_at) == (CANCELED, 2, None)


@pytest.mark.parametrize("status", sorted(REPORTABLE))
def test_whoever_has_begun_is_not_canceled(world: World, status: ExecutionStatus) -> None:
    """What a device is at, or is done with, is left to it."""
    names = world.queued()
    updated(world, names, status)

    with pytest.raises(Conflict):
        world.executions.cancel(*names)

    assert described(world, names).status is status


def test_a_stale_version_is_not_canceled(world: World) -> None:
    """Canceling relies on a version as updates do."""
    names = world.queued()

    with pytest.raises(Conflict):
        world.executions.cancel(*names, expected_version=2)

    assert described(world, names).status is QUEUED


def test_a_job_s_timer_runs_from_the_start(world: World) -> None:
    """An execution has the job's minutes once it is IN_PROGRESS, and none when it is over."""
    names = world.queued(timeout_minutes=30)
    updated(world, names, IN_PROGRESS)
    running = described(world, names)
    updated(world, names, SUCCEEDED)

    assert running.seconds_left is not None
    assert 0 < running.seconds_left <= 30 * 60
    assert described(world, names).seconds_left is None


def test_a_step_timer_can_be_set_anew(world: World) -> None:
    """A new step timer takes the old one's place; an update without one leaves it."""
    names = world.queued()
    updated(world, names, IN_PROGRESS, step_minutes=10)
    first = described(world, names).seconds_left
    updated(world, names, IN_PROGRESS, step_minutes=100)
    updated(world, names, IN_PROGRESS)
    second = described(world, names).seconds_left

    assert first is not None
    assert second is not None
    assert 0 < first <= 10 * 60
    assert first < second <= 100 * 60
