"""What executions in memory offer to tests beyond their port, and their timers."""

from __future__ import annotations

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.executions import Cancelation, MemoryExecutions
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.adapters.memory.presences import MemoryPresences
from tidegate.adapters.memory.reporters import MemoryReporters
from tidegate.adapters.memory.things import MemoryThings
from tidegate.domain.executions import NO_STEP_TIMEOUT, ExecutionUpdate
from tidegate.domain.jobs import ExecutionStatus, JobCounts
from tidegate.domain.settings import JobSettings
from tidegate.domain.things import Presence, Traits
from tidegate.errors import Conflict, NotFound, RetryLater

QUEUED, IN_PROGRESS = ExecutionStatus.QUEUED, ExecutionStatus.IN_PROGRESS
SUCCEEDED, FAILED = ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED
MINUTE = 60


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still."""
    return ManualClock(1_000)


@pytest.fixture
def jobs(clock: ManualClock) -> MemoryJobs:
    """Return jobs with one among them that a thing was just told of."""
    jobs = MemoryJobs(clock)
    jobs.add("j", settings=JobSettings(timeout_minutes=20))
    jobs.report("j", "a", QUEUED)
    return jobs


@pytest.fixture
def executions(jobs: MemoryJobs, clock: ManualClock) -> MemoryExecutions:
    """Return their executions."""
    return MemoryExecutions(jobs, clock)


def step(executions: MemoryExecutions, minutes: int | None) -> float | None:
    """Report progress with a step timer, and return how many seconds are left."""
    update = ExecutionUpdate("j", "a", IN_PROGRESS, step_timeout_minutes=minutes)
    executions.update(update)
    return executions.describe("a", "j").seconds_left


def test_versions_count_what_devices_report_by_themselves(
    executions: MemoryExecutions, jobs: MemoryJobs
) -> None:
    """An update that relies on the version before a device's own report conflicts."""
    jobs.report("j", "a", IN_PROGRESS, status_details={"step": "1"})
    jobs.report("j", "a", IN_PROGRESS)

    with pytest.raises(Conflict, match="a is IN_PROGRESS at version 3"):
        executions.update(ExecutionUpdate("j", "a", FAILED, expected_version=2))

    found = executions.describe("a", "j")
    assert (found.version_number, found.status_details) == (3, {"step": "1"})


def test_what_is_seen_first_past_queued_was_queued(
    executions: MemoryExecutions, jobs: MemoryJobs
) -> None:
    """A test need not queue what it wants to be running."""
    jobs.report("j", "b", IN_PROGRESS)

    assert executions.describe("b", "j").version_number == 2


def test_the_latest_execution_counts(
    executions: MemoryExecutions, jobs: MemoryJobs, clock: ManualClock
) -> None:
    """A thing that rejoined has another execution; the one before can be asked for by number."""
    jobs.report("j", "a", FAILED, status_details={"reason": "power"})
    clock.advance(9)
    jobs.report("j", "a", QUEUED, execution_number=2)

    executions.update(ExecutionUpdate("j", "a", SUCCEEDED))

    first, second = executions.describe("a", "j", 1), executions.describe("a", "j")
    assert (first.status, first.status_details) == (FAILED, {"reason": "power"})
    assert (second.status, second.execution_number, second.version_number) == (SUCCEEDED, 2, 2)
    assert second.queued_at == 1_009


def test_another_attempt_begins_afresh(executions: MemoryExecutions, jobs: MemoryJobs) -> None:
    """A retry has neither the version nor the details of the attempt before."""
    jobs.report("j", "a", FAILED, status_details={"reason": "power"})
    jobs.report("j", "a", QUEUED, retry_attempt=1)

    found = executions.describe("a", "j")
    assert (found.status, found.version_number, found.status_details) == (QUEUED, 1, {})


def test_the_first_timer_to_end_counts(executions: MemoryExecutions, clock: ManualClock) -> None:
    """A step timer may end before the job's own, and never after it; ended, the job's is left."""
    assert step(executions, 7) == 7 * MINUTE
    clock.advance(5 * MINUTE)
    assert step(executions, None) == 2 * MINUTE
    assert step(executions, 5) == 5 * MINUTE
    assert step(executions, 60) == 15 * MINUTE
    assert step(executions, NO_STEP_TIMEOUT) == 15 * MINUTE


def test_a_timer_ends_an_execution(
    executions: MemoryExecutions, jobs: MemoryJobs, clock: ManualClock
) -> None:
    """Whoever looks after its time finds it TIMED_OUT, a version on; and nobody extends it."""
    step(executions, 7)
    clock.advance(7 * MINUTE + 1)

    with pytest.raises(Conflict):
        step(executions, 7)

    found = executions.describe("a", "j")
    assert (found.status, found.version_number) == (ExecutionStatus.TIMED_OUT, 3)
    assert found.seconds_left is None
    assert jobs.describe("j").counts == JobCounts(timed_out=1)


def test_a_running_timer_is_not_the_job_s_to_change(
    executions: MemoryExecutions, jobs: MemoryJobs
) -> None:
    """Minutes that UpdateJob sets reach who starts afterwards."""
    jobs.report("j", "a", IN_PROGRESS)
    jobs.update("j", JobSettings(timeout_minutes=5))
    jobs.report("j", "b", IN_PROGRESS)

    assert executions.describe("a", "j").seconds_left == 20 * MINUTE
    assert executions.describe("b", "j").seconds_left == 5 * MINUTE


def test_what_is_taken_away_is_gone(executions: MemoryExecutions, jobs: MemoryJobs) -> None:
    """A thing that is deleted, and a job that is, have no executions; an id of old begins anew."""
    jobs.unregistered.add("a")
    with pytest.raises(NotFound):
        executions.describe("a", "j")
    jobs.unregistered.clear()
    jobs.add("j")
    with pytest.raises(NotFound):
        executions.describe("a", "j")
    jobs.report("j", "a", QUEUED)

    assert executions.describe("a", "j").version_number == 1


def test_what_was_asked_is_noted_done_or_not(executions: MemoryExecutions) -> None:
    """Calls count whether they fail before, after, or for what they ask."""
    update = ExecutionUpdate("j", "a", FAILED, expected_version=1)
    executions.faults.before("update", RetryLater("busy"))
    executions.faults.after("update", RetryLater("no answer"))
    executions.faults.before("describe", RetryLater("busy"))
    executions.faults.after("cancel", RetryLater("no answer"))

    for _ in range(2):
        with pytest.raises(RetryLater):
            executions.update(update)
    with pytest.raises(RetryLater):
        executions.describe("a", "j")
    executions.update(update)
    with pytest.raises(Conflict):
        executions.cancel("a", "j", expected_version=2)

    assert executions.describe("a", "j").version_number == 2
    assert executions.updates == [update] * 3
    assert executions.cancelations == [Cancelation("a", "j", 2)]


def test_what_is_known_of_devices_can_fail_and_change() -> None:
    """Registry, index and permissions answer or fail as a test orders."""
    things, presences = MemoryThings(), MemoryPresences()
    reporters = MemoryReporters()
    things.registered["a"] = Traits({"site": "x"})
    presences.known["a"] = Presence(is_connected=True, changed_at=5)
    reporters.allowed["plant"] = frozenset({"x"})
    things.faults.before("traits", RetryLater("busy"))
    presences.faults.before("read", RetryLater("busy"))
    presences.faults.before("connected", RetryLater("busy"))
    reporters.faults.before("groups", RetryLater("busy"))

    for ask in (
        lambda: things.traits(["a"], with_groups=True),
        lambda: presences.read(["a"]),
        presences.connected,
        lambda: reporters.groups("plant"),
    ):
        with pytest.raises(RetryLater):
            ask()

    assert things.traits(["a", "a"], with_groups=True) == {"a": Traits({"site": "x"})}
    assert things.asked == ["a"]
    assert presences.read(["a"]) == {"a": Presence(is_connected=True, changed_at=5)}
    assert presences.connected() == 1
    assert reporters.groups("plant") == frozenset({"x"})
