"""
The lab's model of AWS IoT Jobs and the embedded cloud, built by others, do the same.

Each script runs twice: in the model, where time is a value, and in the embedded cloud, where a
minute takes a second or so. What it returns are figures that do not depend on how fast it goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import pytest

from tidegate.adapters.aws.jobs import IotJobs as IotJobsOfAws
from tidegate.adapters.aws.variables import Variables
from tidegate.adapters.memory.clock import ManualClock
from tidegate.domain.jobs import ExecutionStatus, Job, JobCounts
from tidegate.domain.review import FENCE_REASON_CODE
from tidegate.domain.settings import (
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    RolloutRate,
)
from tidegate.lab.agenda import Agenda
from tidegate.lab.aws import IotJobs, Notice
from tidegate.lab.behaviours import Behaviours, Denominator
from tidegate.local.cloud import EmbeddedCloud
from tidegate.local.fleet import draw_things, register

pytestmark = pytest.mark.e2e

THINGS = 40
MINUTE_SECONDS = 60.0
CLOUD_MINUTE_SECONDS = 1.5
PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.03

#: What the embedded cloud says of AWS where its documents do not: the defaults, but for what an
#: abort criterion takes its percentage of.
BEHAVIOURS = Behaviours(abort_denominator=Denominator.REPORTED_AND_CANCELED)

QUEUED = ExecutionStatus.QUEUED
IN_PROGRESS = ExecutionStatus.IN_PROGRESS
SUCCEEDED = ExecutionStatus.SUCCEEDED
FAILED = ExecutionStatus.FAILED
REJECTED = ExecutionStatus.REJECTED


class Life(Protocol):
    """One of the two, with things in a group."""

    def create(self, job_id: str, settings: JobSettings) -> None:
        """Create a job for all things."""

    def describe(self, job_id: str) -> Job:
        """Return the job."""

    def update(self, job_id: str, changes: JobSettings) -> None:
        """Send UpdateJob."""

    def cancel(self, job_id: str) -> None:
        """Send CancelJob."""

    def cancel_execution(self, job_id: str, thing_name: str) -> None:
        """Cancel a QUEUED execution."""

    def queued(self, job_id: str) -> list[str]:
        """Return the names of things whose execution is QUEUED, in the order of their names."""

    def report(self, job_id: str, thing_name: str, status: ExecutionStatus) -> bool:
        """Report as the device; return whether that was taken."""

    def next_batch(self, job_id: str) -> int:
        """Wait until more things have an execution; return how many have."""

    def wait(self, minutes: float) -> None:
        """Let minutes of AWS IoT Jobs pass."""


class Modelled:
    """The lab's model."""

    def __init__(self) -> None:
        """Start an account."""
        clock = ManualClock(1_790_000_000.0)
        self._clock = clock
        self._agenda = Agenda(clock)
        self._notices: dict[tuple[str, str], Notice] = {}
        self._jobs = IotJobs(clock, after=self._agenda.after, behaviours=BEHAVIOURS)
        self._jobs.groups["all"] = {thing.name for thing in draw_things(THINGS)}
        self._jobs.notifies(self._heard)

    def _heard(self, notice: Notice) -> None:
        self._notices[notice.job_id, notice.thing_name] = notice

    def create(self, job_id: str, settings: JobSettings) -> None:
        """Create a job for all things."""
        group = self._jobs.arn(job_id).replace(f"job/{job_id}", "thinggroup/all")
        self._jobs.add(job_id, targets=[group], settings=settings)

    def describe(self, job_id: str) -> Job:
        """Return the job."""
        return self._jobs.describe(job_id)

    def update(self, job_id: str, changes: JobSettings) -> None:
        """Send UpdateJob."""
        self._jobs.update(job_id, changes)

    def cancel(self, job_id: str) -> None:
        """Send CancelJob."""
        self._jobs.cancel(job_id, reason_code="ENOUGH", comment="enough")

    def cancel_execution(self, job_id: str, thing_name: str) -> None:
        """Cancel a QUEUED execution."""
        self._jobs.report(job_id, thing_name, ExecutionStatus.CANCELED)
        self._jobs.look(job_id)

    def queued(self, job_id: str) -> list[str]:
        """Return the names of things whose execution is QUEUED."""
        rows = (row for page in self._jobs.executions(job_id) for row in page)
        return sorted(row.thing_name for row in rows if row.status is QUEUED)

    def report(self, job_id: str, thing_name: str, status: ExecutionStatus) -> bool:
        """Report as the device."""
        return self._jobs.device_reports(self._notices[job_id, thing_name], status)

    def next_batch(self, job_id: str) -> int:
        """Let time pass until more things have an execution."""
        before = self.describe(job_id).counts.exposed
        end = self._clock.now() + 10 * MINUTE_SECONDS
        while self.describe(job_id).counts.exposed == before:
            assert self._agenda.do_next(end), "no batch came"
        return self.describe(job_id).counts.exposed

    def wait(self, minutes: float) -> None:
        """Let minutes pass."""
        end = self._clock.now() + minutes * MINUTE_SECONDS
        while self._agenda.do_next(end):
            pass


class Embedded:
    """The embedded cloud, in seconds for minutes."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        """Register the things."""
        self._iot = cloud.client("iot")
        self._data = cloud.client("iot-jobs-data")
        self._jobs = IotJobsOfAws(self._iot, Variables({}))
        self._group = register(self._iot, draw_things(THINGS), group="all").group_arn

    def create(self, job_id: str, settings: JobSettings) -> None:
        """Create a job for all things."""
        self._iot.create_job(
            jobId=job_id, targets=[self._group], document="{}", **settings.to_request()
        )

    def describe(self, job_id: str) -> Job:
        """Return the job."""
        return self._jobs.describe(job_id)

    def update(self, job_id: str, changes: JobSettings) -> None:
        """Send UpdateJob."""
        self._jobs.update(job_id, changes)

    def cancel(self, job_id: str) -> None:
        """Send CancelJob."""
        self._jobs.cancel(job_id, reason_code="ENOUGH", comment="enough")

    def cancel_execution(self, job_id: str, thing_name: str) -> None:
        """Cancel a QUEUED execution."""
        self._iot.cancel_job_execution(jobId=job_id, thingName=thing_name)

    def queued(self, job_id: str) -> list[str]:
        """Return the names of things whose execution is QUEUED."""
        rows = (row for page in self._jobs.executions(job_id) for row in page)
        return sorted(row.thing_name for row in rows if row.status is QUEUED)

    def report(self, job_id: str, thing_name: str, status: ExecutionStatus) -> bool:
        """Report as the device."""
        try:
            self._data.update_job_execution(jobId=job_id, thingName=thing_name, status=status.value)
        except self._data.exceptions.InvalidStateTransitionException:
            return False
        return True

    def next_batch(self, job_id: str) -> int:
        """Look until more things have an execution."""
        before = self.describe(job_id).counts.exposed
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (reached := self.describe(job_id).counts.exposed) == before:
            assert time.monotonic() < deadline, "no batch came"
            time.sleep(POLL_SECONDS)
        return reached

    def wait(self, minutes: float) -> None:
        """Let minutes pass."""
        time.sleep(minutes * CLOUD_MINUTE_SECONDS)


@pytest.fixture(scope="module")
def embedded() -> Iterator[Embedded]:
    """Start a cloud for all scripts."""
    with EmbeddedCloud(minute_seconds=CLOUD_MINUTE_SECONDS) as cloud:
        yield Embedded(cloud)


Script = Callable[[Life, str], Any]


def assert_same(embedded: Embedded, scripts: dict[str, Script]) -> None:
    """Run scripts in both, those of the cloud side by side, and compare what they return."""
    with ThreadPoolExecutor(len(scripts)) as threads:
        started = {name: threads.submit(script, embedded, name) for name, script in scripts.items()}
        cloud = {name: each.result() for name, each in started.items()}
    model = {name: script(Modelled(), name) for name, script in scripts.items()}

    assert model == cloud


# --- rates ----------------------------------------------------------------------------------------


def reached(life: Life, job_id: str, batches: int) -> list[int]:
    """Return how many things have the job after its first batches."""
    first = life.describe(job_id).counts.exposed or life.next_batch(job_id)
    return [first, *(life.next_batch(job_id) for _ in range(batches - 1))]


def rate(rollout: RolloutRate, batches: int) -> Script:
    """Return a script that creates a job and watches its first batches."""

    def script(life: Life, job_id: str) -> list[int]:
        life.create(job_id, JobSettings(rollout=rollout))
        return reached(life, job_id, batches)

    return script


def update(before: RolloutRate, after: RolloutRate, batches: int) -> Script:
    """Return a script that changes the rate after the second batch."""

    def script(life: Life, job_id: str) -> list[int]:
        life.create(job_id, JobSettings(rollout=before))
        seen = reached(life, job_id, 2)
        life.update(job_id, JobSettings(rollout=after))
        seen.append(life.describe(job_id).counts.exposed)
        return [*seen, *(life.next_batch(job_id) for _ in range(batches))]

    return script


def successes(rollout: RolloutRate) -> Script:
    """Return a script in which every second device of a batch has succeeded by the next."""

    def script(life: Life, job_id: str) -> list[int]:
        life.create(job_id, JobSettings(rollout=rollout))
        seen = reached(life, job_id, 1)
        for _ in range(3):
            for name in life.queued(job_id)[::2]:
                life.report(job_id, name, SUCCEEDED)
            seen.append(life.next_batch(job_id))
        return seen

    return script


def test_rates(embedded: Embedded) -> None:
    """Minute by minute as many things are notified, at constant rates and at growing ones."""
    doubling = ExponentialRate(2, 2.0, notified_things=4)
    assert_same(
        embedded,
        {
            "constant": rate(RolloutRate(9), 5),
            "all-at-once": rate(RolloutRate(1000), 1),
            "doubling": rate(RolloutRate(10, doubling), 6),
            "fractions": rate(RolloutRate(100, ExponentialRate(3, 1.5, notified_things=5)), 6),
            "slowly": rate(RolloutRate(100, ExponentialRate(5, 1.1, notified_things=3)), 5),
            "by-successes": successes(RolloutRate(9, ExponentialRate(4, 1.4, succeeded_things=2))),
        },
    )


def test_rates_after_an_update(embedded: Embedded) -> None:
    """
    A changed rate is that of the next batch, no sooner; growth goes on from what it has reached.

    So does growth that begins midway: its steps count from the job's first thing. A constant rate
    puts an end to growth.
    """
    doubling = ExponentialRate(2, 2.0, notified_things=4)
    assert_same(
        embedded,
        {
            "faster": update(RolloutRate(2), RolloutRate(12), 3),
            "slower": update(RolloutRate(9), RolloutRate(1), 3),
            "growing": update(RolloutRate(4), RolloutRate(100, doubling), 2),
            "capped": update(RolloutRate(100, doubling), RolloutRate(5, doubling), 3),
            "no-longer-growing": update(RolloutRate(100, doubling), RolloutRate(3), 3),
        },
    )


# --- abort ----------------------------------------------------------------------------------------


def abort(
    criterion: AbortCriterion, reports: Sequence[ExecutionStatus], canceled: int = 0
) -> Script:
    """Return a script that tells after which report AWS stops the job, None if after none."""

    def script(life: Life, job_id: str) -> int | None:
        life.create(job_id, JobSettings(rollout=RolloutRate(1000), abort=(criterion,)))
        reached(life, job_id, 1)
        names = life.queued(job_id)
        for name in names[:canceled]:
            life.cancel_execution(job_id, name)
        for number, (name, status) in enumerate(
            zip(names[canceled:], reports, strict=False), start=1
        ):
            assert life.report(job_id, name, status)
            if life.describe(job_id).reason_code == FENCE_REASON_CODE:
                return number
        return None

    return script


S, F, R = SUCCEEDED, FAILED, REJECTED
FAILING, REJECTING, TIMING_OUT, ANY = (
    FailureType.FAILED,
    FailureType.REJECTED,
    FailureType.TIMED_OUT,
    FailureType.ALL,
)

#: A criterion, reports, executions that were canceled before, and the report that meets it.
ABORTS = {
    "at-the-threshold": (AbortCriterion(FAILING, 50.0, 4), (S, F, S, F, F), 0, 4),
    "just-below": (AbortCriterion(FAILING, 50.01, 4), (S, F, S, F, F), 0, 5),
    "a-third": (AbortCriterion(ANY, 33.33, 3), (S, S, F, F), 0, 3),
    "more-than-a-third": (AbortCriterion(ANY, 33.34, 3), (S, S, F, F), 0, 4),
    "all-of-the-minimum": (AbortCriterion(ANY, 100.0, 3), (F, F, F), 0, 3),
    "never-all": (AbortCriterion(ANY, 100.0, 3), (S, F, F, F), 0, None),
    "met-by-a-success": (AbortCriterion(ANY, 50.0, 4), (F, R, S, S), 0, 4),
    "only-rejections": (AbortCriterion(REJECTING, 25.0, 2), (F, F, S, R), 0, 4),
    "only-timeouts": (AbortCriterion(TIMING_OUT, 1.0, 1), (F, R, S), 0, None),
    "any-at-all": (AbortCriterion(FAILING, 0.01, 1), (S, S, R, F), 0, 4),
    "canceled-are-executed": (AbortCriterion(ANY, 50.0, 4), (F, F), 2, 2),
    "canceled-are-no-failures": (AbortCriterion(ANY, 50.01, 2), (F, F, F), 2, 3),
}


@pytest.mark.parametrize("name", ABORTS)
def test_abort_criteria(embedded: Embedded, name: str) -> None:
    """The same outcome is the one that stops the job: what is counted, of what, and from where."""
    criterion, reports, canceled, fires_at = ABORTS[name]
    script = abort(criterion, reports, canceled)

    assert script(embedded, name) == script(Modelled(), name) == fires_at


# --- ends and timers ------------------------------------------------------------------------------


def ended(by: Callable[[Life, str], None]) -> Script:
    """Return a script that ends a job midway and tells what becomes of its executions."""

    def script(life: Life, job_id: str) -> list[object]:
        life.create(job_id, JobSettings(rollout=RolloutRate(10)))
        reached(life, job_id, 1)
        names = life.queued(job_id)
        taken = [
            life.report(job_id, name, status)
            for name, status in zip(names, (S, F, R, IN_PROGRESS, IN_PROGRESS), strict=False)
        ]
        by(life, job_id)
        after = life.describe(job_id)
        taken += [
            life.report(job_id, names[3], SUCCEEDED),
            life.report(job_id, names[5], SUCCEEDED),
            life.report(job_id, names[0], FAILED),
        ]
        life.wait(1.5)
        later = life.describe(job_id)
        return [taken, after.status, after.counts, later.status, later.counts, later.is_concurrent]

    return script


def test_a_cancelation(embedded: Embedded) -> None:
    """QUEUED executions end, those IN_PROGRESS go on, the rollout stops; terminal is terminal."""
    script = ended(lambda life, job_id: life.cancel(job_id))

    assert_same(embedded, {"canceled": script})
    taken, _, counts, _, later, is_concurrent = script(Modelled(), "canceled")
    assert taken == [True] * 6 + [False] * 2
    assert counts == JobCounts(in_progress=2, succeeded=1, failed=1, rejected=1, canceled=5)
    assert later == JobCounts(in_progress=1, succeeded=2, failed=1, rejected=1, canceled=5)
    assert not is_concurrent


def timed(life: Life, job_id: str) -> list[JobCounts]:
    """Tell what times out of a job whose timeout is changed midway."""
    life.create(job_id, JobSettings(rollout=RolloutRate(1000), timeout_minutes=1))
    reached(life, job_id, 1)
    names = life.queued(job_id)
    for name in names[:3]:
        life.report(job_id, name, IN_PROGRESS)
    life.report(job_id, names[0], SUCCEEDED)
    life.update(job_id, JobSettings(timeout_minutes=4))
    life.report(job_id, names[3], IN_PROGRESS)
    seen = [life.describe(job_id).counts]
    for minutes in (2.5, 3.0):
        life.wait(minutes)
        seen.append(life.describe(job_id).counts)
    return seen


def timed_abort(life: Life, job_id: str) -> tuple[str | None, JobCounts]:
    """Tell how a job ends whose devices fall silent."""
    criteria = (AbortCriterion(FailureType.TIMED_OUT, 60.0, 5),)
    life.create(job_id, JobSettings(rollout=RolloutRate(1000), timeout_minutes=1, abort=criteria))
    reached(life, job_id, 1)
    names = life.queued(job_id)
    for name, status in zip(names, (S, F, IN_PROGRESS, IN_PROGRESS, IN_PROGRESS), strict=False):
        life.report(job_id, name, status)
    life.wait(2.5)
    job = life.describe(job_id)
    return job.reason_code, job.counts


def test_timeouts(embedded: Embedded) -> None:
    """A timer runs from the start and stays what it was then; what is QUEUED has none."""
    assert_same(embedded, {"timed": timed, "timed-abort": timed_abort})
    first, second, third = timed(Modelled(), "timed")

    assert (first.timed_out, second.timed_out, third.timed_out) == (0, 2, 3)
    assert third == JobCounts(queued=THINGS - 4, succeeded=1, timed_out=3)
    assert timed_abort(Modelled(), "timed")[0] == FENCE_REASON_CODE
