"""What the memory adapters offer to tests beyond their ports."""

from dataclasses import replace

import pytest

from tidegate.adapters.memory.alarms import MemoryAlarms
from tidegate.adapters.memory.calendars import MemoryCalendars
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.dead_letters import MemoryDeadLetters
from tidegate.adapters.memory.faults import Faults
from tidegate.adapters.memory.jobs import Call, MemoryJobs
from tidegate.adapters.memory.workflow import MemoryWorkflow
from tidegate.domain.jobs import ExecutionStatus, JobCounts, JobStatus
from tidegate.domain.settings import JobSettings
from tidegate.domain.standing import AlarmReading, AlarmState, CalendarReading
from tidegate.errors import NotFound, Refused, RetryLater


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still."""
    return ManualClock(1_000.5)


@pytest.fixture
def jobs(clock: ManualClock) -> MemoryJobs:
    """Return jobs with one among them."""
    jobs = MemoryJobs(clock, page_size=2)
    jobs.add("j", tags={"tidegate:policy": "p"})
    return jobs


def test_time_passes_when_told(clock: ManualClock) -> None:
    """The clock goes where it is sent, backwards too."""
    clock.advance(9.5)
    assert clock.now() == 1_010
    clock.set(5)
    assert clock.now() == 5


def test_faults_come_in_order_and_once() -> None:
    """Each call raises the next error ordered for it, before or after its work; others none."""
    faults, done = Faults(), []
    faults.before("update", RetryLater("first"), RetryLater("second"))
    faults.after("update", RetryLater("third"))

    for message in ("first", "second", "third"):
        with pytest.raises(RetryLater, match=message), faults.around("update"):
            done.append(message)
    with faults.around("update"), faults.around("cancel"):
        done.append("quiet")

    assert done == ["third", "quiet"]


def test_a_lost_answer_leaves_its_effect(jobs: MemoryJobs) -> None:
    """A call can take effect at AWS and fail on the way back; both count as calls."""
    change = JobSettings().with_rate(5)
    jobs.faults.before("update", RetryLater("busy"))
    jobs.faults.after("update", RetryLater("no answer"))

    rates = []
    for _ in range(2):
        with pytest.raises(RetryLater):
            jobs.update("j", change)
        rates.append(jobs.describe("j").settings.rate_per_minute)

    assert rates == [1000, 5]
    assert jobs.calls == [Call("update", "j", {"changes": change, "namespace_id": None})] * 2


def test_counts_may_differ_from_executions(jobs: MemoryJobs) -> None:
    """DescribeJob's counters can be made to lag, or to count retries, and be true again."""
    jobs.report("j", "a", ExecutionStatus.FAILED)
    jobs.count_as("j", JobCounts(queued=7))
    lagging = jobs.describe("j").counts
    jobs.count_as("j", None)

    assert lagging == JobCounts(queued=7)
    assert jobs.describe("j").counts == JobCounts(failed=1)


def test_an_execution_keeps_its_start(jobs: MemoryJobs, clock: ManualClock) -> None:
    """The first report of a device sets the start; REJECTED and what others do sets none."""
    jobs.report("j", "a", ExecutionStatus.IN_PROGRESS)
    clock.advance(10)
    failed = jobs.report("j", "a", ExecutionStatus.FAILED)
    rejected = jobs.report("j", "b", ExecutionStatus.REJECTED)
    again = jobs.report("j", "a", ExecutionStatus.QUEUED, execution_number=2)

    assert (failed.started_at, failed.updated_at) == (1_000.5, 1_010.5)
    assert rejected.started_at is None
    assert (again.queued_at, again.started_at, again.execution_number) == (1_010.5, None, 2)
    assert jobs.describe("j").counts == JobCounts(failed=1, rejected=1, queued=1)


def test_others_may_change_and_delete_jobs(jobs: MemoryJobs, clock: ManualClock) -> None:
    """A job can change behind Tidegate's back, go, and come back as another one."""
    jobs.report("j", "a", ExecutionStatus.FAILED)
    jobs.change("j", status=JobStatus.COMPLETED, is_concurrent=False)
    described = jobs.describe("j")
    jobs.delete("j")
    with pytest.raises(NotFound):
        jobs.describe("j")
    with pytest.raises(NotFound):
        jobs.tags(jobs.arn("j"))
    clock.advance(60)
    new = jobs.add("j")

    assert described.status is JobStatus.COMPLETED
    assert jobs.describe("j") == replace(new, counts=JobCounts())
    assert new.created_at == 1_060
    assert jobs.tags(new.arn) == {}


@pytest.mark.parametrize("status", sorted(set(JobStatus) - {JobStatus.IN_PROGRESS}))
def test_only_running_jobs_take_updates(jobs: MemoryJobs, status: JobStatus) -> None:
    """AWS updates jobs IN_PROGRESS only, and says so in these words."""
    jobs.change("j", status=status)

    with pytest.raises(Refused, match=f"^Job j in status {status} cannot be updated.$"):
        jobs.update("j", JobSettings().with_rate(1))


def test_what_is_read_can_fail(clock: ManualClock) -> None:
    """Alarms, calendars and queues answer or fail as a test orders, and as it changes them."""
    alarms, calendars = MemoryAlarms(), MemoryCalendars()
    dead_letters = MemoryDeadLetters({"dead": 0})
    alarm = AlarmReading(AlarmState.ALARM, clock.now(), "too many")
    alarms.readings["errors"] = alarm
    calendars.readings["weekdays"] = CalendarReading(is_open=False)
    dead_letters.waiting["dead"] += 2

    for faults, operation in (
        (alarms.faults, "read"),
        (calendars.faults, "read"),
        (dead_letters.faults, "depths"),
    ):
        faults.before(operation, RetryLater("busy"))
    with pytest.raises(RetryLater):
        alarms.read(["errors"])
    with pytest.raises(RetryLater):
        calendars.read(["weekdays"])
    with pytest.raises(RetryLater):
        dead_letters.depths()

    assert alarms.read(["errors"]) == {"errors": alarm}
    assert calendars.read(["weekdays"]) == {"weekdays": CalendarReading(is_open=False)}
    assert dead_letters.depths() == {"dead": 2}


def test_lists_of_jobs_fail_page_by_page(jobs: MemoryJobs) -> None:
    """Each page is a request of its own: one that fails leaves those before it."""
    jobs.add("later", status=JobStatus.SCHEDULED)
    pages = jobs.active()
    first = next(pages)
    jobs.faults.before("active", RetryLater("busy"))

    with pytest.raises(RetryLater):
        next(pages)

    assert [row.job_id for row in first] == ["later"]


def test_a_group_needs_a_name_that_aws_takes(jobs: MemoryJobs) -> None:
    """What AWS would refuse makes no group."""
    for name in ("", "a b", "a" * 129):
        with pytest.raises(Refused, match="no name for a thing group"):
            jobs.create_group(name, "undoes a release")

    assert jobs.groups == {}


def test_an_execution_ends(clock: ManualClock) -> None:
    """A test ends executions and lets waits time out, as Step Functions would."""
    workflow = MemoryWorkflow()
    arn = workflow.start("j-1-1", {"n": 1})
    workflow.wait_on("token")
    workflow.give_up("token")

    late = workflow.wake("token", {})
    running = workflow.is_running(arn)
    workflow.end(arn)

    assert (late, running, workflow.is_running(arn)) == (False, True, False)
    assert workflow.started == {"j-1-1": {"n": 1}}
