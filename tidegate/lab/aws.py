"""
AWS IoT Jobs as a rollout meets it, device by device: batches, timers, retries, its own abort.

What AWS's documents leave open stands as ``Behaviours`` has it. Time passes elsewhere: whoever
makes this says how something is done later.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.adapters.job_requests import group_of
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.domain.jobs import (
    TERMINAL,
    ExecutionStatus,
    ExecutionSummary,
    Job,
    JobCounts,
    JobStatus,
)
from tidegate.domain.review import FENCE_REASON_CODE
from tidegate.domain.settings import FailureType, JobSettings, RolloutRate
from tidegate.lab.behaviours import Behaviours, Effective, ListOrder, RetryNumbering, Spacing
from tidegate.lab.controls import JobCounters, grown, is_met
from tidegate.ports import Clock

MINUTE_SECONDS = 60.0
#: From a job's creation, or from its start, to its first batch.
FIRST_BATCH_SECONDS = 10.0

#: Does something so many seconds later.
After = Callable[[float, Callable[[], None]], None]
#: Takes an event as AWS IoT publishes it.
Publish = Callable[[Mapping[str, Any]], None]

#: What AWS runs again, if the job's retries allow.
_RETRIED = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT)


@dataclass(frozen=True, slots=True)
class Notice:
    """
    A thing was told of a job; with this it reports.

    Attributes:
        created_at: Of the job, in epoch seconds: another one may have its id by now.
        place: How many things were told of the job before.
        retry_attempt: 0 at first; AWS counts up when it runs a failed execution again.
    """

    job_id: str
    created_at: int
    thing_name: str
    place: int
    execution_number: int = 1
    retry_attempt: int = 0


#: Tells a thing.
Notify = Callable[[Notice], None]


@dataclass(slots=True)
class _Rollout:
    """
    What AWS keeps of a job that it rolls out.

    Attributes:
        waiting: Things that are not notified yet, first come, first served.
        notified: How many things are.
        minute_ends_at: Epoch seconds of the next batch; None before the first.
        granted: Things of the running minute, those included that are still to be told in it.
        untold: These.
        is_changed: Its settings were changed, which acts from the next minute on.
        ladder_from: Counters from which the steps of an exponential rate are counted.
        repeated: Attempts that another one followed, by how they ended.
        is_ending: Its end is decided, and on its way.
    """

    job_id: str
    created_at: int
    waiting: deque[str] = field(default_factory=deque)
    notified: int = 0
    minute_ends_at: float | None = None
    granted: int = 0
    untold: int = 0
    is_changed: bool = False
    ladder_from: JobCounters = field(default_factory=JobCounters)
    repeated: Counter[ExecutionStatus] = field(default_factory=Counter)
    is_ending: bool = False


class IotJobs(MemoryJobs):
    """
    The memory adapter, and what AWS does by itself.

    Attributes:
        behaviours: How AWS behaves where its documents do not say.
    """

    def __init__(self, clock: Clock, *, after: After, behaviours: Behaviours | None = None) -> None:
        """Start without jobs."""
        super().__init__(clock)
        self.behaviours = behaviours or Behaviours()
        self._after = after
        self._publish: Publish = lambda _: None
        self._notify: Notify = lambda _: None
        self._rollouts: dict[str, _Rollout] = {}
        self._events = 0

    def publishes(self, publish: Publish) -> None:
        """Hand events, where the account publishes them, to this."""
        self._publish = publish

    def notifies(self, notify: Notify) -> None:
        """Tell this of each thing that gets the job, at each attempt."""
        self._notify = notify

    def updates(self) -> list[JobSettings]:
        """Return what was sent by UpdateJob, oldest first."""
        return [each.arguments["changes"] for each in self.calls if each.operation == "update"]

    # what others do

    def add(self, job_id: str, **members: Any) -> Job:  # noqa: ANN401 - as the adapter's
        """Put a job there; unless SCHEDULED, its batches begin."""
        job = super().add(job_id, **members)
        self._rollouts[job_id] = _Rollout(job_id, job.created_at)
        if job.status is JobStatus.IN_PROGRESS:
            self._begin(job)
        elif job.starts_at is not None:
            rollout = self._rollouts[job_id]
            self._after(job.starts_at - self._clock.now(), lambda: self._start_due(rollout))
        return job

    def delete(self, job_id: str) -> None:
        """Take a job away with all that belongs to it."""
        super().delete(job_id)
        self._rollouts.pop(job_id, None)

    def start(self, job_id: str) -> None:
        """Let a SCHEDULED job begin."""
        self.change(job_id, status=JobStatus.IN_PROGRESS)
        self._begin(self._jobs[job_id])

    def end_by_hand(self, job_id: str, *, comment: str = "") -> None:
        """Let somebody cancel the job in the console."""
        self._end_early(job_id, reason_code="USER_INITIATED", comment=comment)

    def end_by_criteria(self, job_id: str) -> None:
        """Do as AWS does when an abort criterion is met."""
        self._end_early(job_id, reason_code=FENCE_REASON_CODE, comment="by criteria")

    def delete_by_hand(self, job_id: str) -> None:
        """Let somebody delete the job by force."""
        self.delete(job_id)
        self._tell_of_job(job_id, "DELETED", "deleted")

    def device_reports(
        self,
        notice: Notice,
        status: ExecutionStatus,
        status_details: Mapping[str, str] | None = None,
    ) -> bool:
        """Take a device's report, unless its job is gone or its execution over; say whether."""
        before = self._unfinished(notice)
        if before is None:
            return False
        self._set(notice, status, status_details)
        self._follow(notice, before, status)
        return True

    def follow(self, job_id: str, before: ExecutionSummary, after: ExecutionSummary) -> None:
        """Do as AWS does after the report of a device that somebody speaks for."""
        names = dict.fromkeys(name for name, _ in self._executions[job_id])
        notice = Notice(
            job_id,
            self._rollouts[job_id].created_at,
            after.thing_name,
            place=list(names).index(after.thing_name),
            execution_number=after.execution_number,
            retry_attempt=after.retry_attempt,
        )
        self._follow(notice, before.status, after.status)

    def _follow(self, notice: Notice, before: ExecutionStatus, after: ExecutionStatus) -> None:
        if after in TERMINAL:
            self._retry(notice, after)
            self.look(notice.job_id)
        elif before is ExecutionStatus.QUEUED:
            self._start_timer(notice)

    # batches

    def _begin(self, job: Job) -> None:
        rollout = self._rollouts[job.job_id]
        rollout.waiting.extend(sorted(self._things_in(job.targets) or ()))
        self._after(FIRST_BATCH_SECONDS, lambda: self._batch(rollout))

    def _start_due(self, rollout: _Rollout) -> None:
        """Start a SCHEDULED job at its time, if it is still there and waits."""
        if self._rollouts.get(rollout.job_id) is not rollout:
            return
        if self._jobs[rollout.job_id].status is JobStatus.SCHEDULED:
            self.start(rollout.job_id)

    def _batch(self, rollout: _Rollout) -> None:
        """Begin a minute: as many things as the rate allows get the job in it."""
        if not self._goes_on(rollout):
            return
        rollout.minute_ends_at = self._clock.now() + MINUTE_SECONDS
        rollout.granted = 0
        if rollout.is_changed:
            self._enforce(rollout)
        self._grant(rollout, self._rate(rollout))
        if rollout.waiting:
            self._after(MINUTE_SECONDS, lambda: self._batch(rollout))
        else:
            self.change(rollout.job_id, is_concurrent=False)
            self.look(rollout.job_id)

    def _grant(self, rollout: _Rollout, number: int) -> None:
        """Let so many more things be told by the end of the minute."""
        number = min(number, len(rollout.waiting) - rollout.untold)
        if number <= 0 or rollout.minute_ends_at is None:
            return
        rollout.granted += number
        rollout.untold += number
        if self.behaviours.rollout_spacing is Spacing.BURST:
            for _ in range(number):
                self._tell(rollout)
            return
        left_seconds = rollout.minute_ends_at - self._clock.now()
        for place in range(number):
            self._after(left_seconds * place / number, lambda: self._tell(rollout))

    def _tell(self, rollout: _Rollout) -> None:
        """Notify the next thing that waits."""
        if not self._goes_on(rollout):
            return
        place, rollout.notified = rollout.notified, rollout.notified + 1
        rollout.untold -= 1
        name = rollout.waiting.popleft()
        self._queue(Notice(rollout.job_id, rollout.created_at, name, place))

    def _rate(self, rollout: _Rollout) -> int:
        """Return the rate in force: constant, or as far as AWS's own growth has come."""
        settings = self._jobs[rollout.job_id].settings
        growth = settings.rollout.exponential if settings.rollout else None
        if growth is None:
            return settings.rate_per_minute
        now, since = self._counters(rollout.job_id), rollout.ladder_from
        return grown(
            growth,
            settings.rate_per_minute,
            notified=now.notified - since.notified,
            succeeded=now.succeeded - since.succeeded,
            rounding=self.behaviours.rate_rounding,
        )

    def _enforce(self, rollout: _Rollout) -> None:
        """Let changed rollout settings be in force."""
        rollout.is_changed = False
        if self.behaviours.update_resets_ladder:
            rollout.ladder_from = self._counters(rollout.job_id)

    # executions

    def _queue(self, notice: Notice) -> None:
        self._set(notice, ExecutionStatus.QUEUED)
        self._notify(notice)

    def _set(
        self,
        notice: Notice,
        status: ExecutionStatus,
        status_details: Mapping[str, str] | None = None,
    ) -> None:
        self.report(
            notice.job_id,
            notice.thing_name,
            status,
            execution_number=notice.execution_number,
            retry_attempt=notice.retry_attempt,
            status_details=status_details,
        )

    def _unfinished(self, notice: Notice) -> ExecutionStatus | None:
        """Return the status of the attempt that a thing was told of, None if it is over."""
        rollout = self._rollouts.get(notice.job_id)
        if rollout is None or rollout.created_at != notice.created_at:
            return None
        key = (notice.thing_name, notice.execution_number)
        row = self._executions[notice.job_id].get(key)
        if row is None or row.retry_attempt != notice.retry_attempt or row.status in TERMINAL:
            return None
        return row.status

    def _start_timer(self, notice: Notice) -> None:
        """Time an execution that has started: settings of later do not reach it."""
        minutes = self._jobs[notice.job_id].settings.timeout_minutes
        if minutes is not None:
            seconds = (minutes + self.behaviours.timeout_lag_minutes) * MINUTE_SECONDS
            self._after(seconds, lambda: self._time_out(notice))

    def _time_out(self, notice: Notice) -> None:
        self.device_reports(notice, ExecutionStatus.TIMED_OUT)

    def _retry(self, notice: Notice, status: ExecutionStatus) -> None:
        """Run a failed execution again, where the job's retries allow; not once it is over."""
        if status not in _RETRIED or not self._runs(notice.job_id):
            return
        criteria = self._jobs[notice.job_id].settings.retries or ()
        types = (FailureType.ALL, FailureType(status.value))
        allowed = [each.number_of_retries for each in criteria if each.failure_type in types]
        if notice.retry_attempt >= max(allowed, default=0):
            return
        self._rollouts[notice.job_id].repeated[status] += 1
        renumbered = self.behaviours.retry_numbering is RetryNumbering.NEXT
        again = replace(
            notice,
            retry_attempt=notice.retry_attempt + 1,
            execution_number=notice.execution_number + renumbered,
        )
        self._queue(again)

    # ends

    def look(self, job_id: str) -> None:
        """Do what AWS does after an outcome: stop by the criteria, or complete."""
        if not self._runs(job_id):
            return
        job, counts = self._jobs[job_id], self._counted(job_id)
        judged = self._counters(job_id, attempts=self.behaviours.abort_counts_attempts)
        if any(is_met(each, judged, self.behaviours) for each in job.settings.abort or ()):
            lag_seconds = self.behaviours.abort_lag_minutes * MINUTE_SECONDS
            self._end_later(job_id, lag_seconds, lambda: self.end_by_criteria(job_id))
        elif (
            not job.is_concurrent
            and not job.is_continuous
            and not counts.queued + counts.in_progress
        ):
            self.change(job_id, status=JobStatus.COMPLETED, is_concurrent=False)
            self._tell_of_job(job_id, "COMPLETED", "completed")

    def _cancel(self, job: Job, *, reason_code: str, comment: str, force: bool = False) -> None:
        """Carry CancelJob out, late if AWS is."""

        def end() -> None:
            self._end_early(job.job_id, reason_code=reason_code, comment=comment, force=force)

        self._end_later(job.job_id, self.behaviours.cancel_lag_minutes * MINUTE_SECONDS, end)

    def _end_later(self, job_id: str, seconds: float, end: Callable[[], None]) -> None:
        """End a job that runs: once, and at once if there is no lag."""
        rollout = self._rollouts[job_id]
        if not seconds:
            end()
        elif not rollout.is_ending:
            rollout.is_ending = True
            self._after(seconds, lambda: end() if self._goes_on(rollout) else None)

    def _end_early(
        self, job_id: str, *, reason_code: str, comment: str, force: bool = False
    ) -> None:
        super()._cancel(self._jobs[job_id], reason_code=reason_code, comment=comment, force=force)
        self._tell_of_job(job_id, "CANCELED", "canceled")

    def _goes_on(self, rollout: _Rollout) -> bool:
        """Whether the rollout's job is still there, and runs."""
        return self._rollouts.get(rollout.job_id) is rollout and self._runs(rollout.job_id)

    def _runs(self, job_id: str) -> bool:
        return self._jobs[job_id].status is JobStatus.IN_PROGRESS

    # counts

    def counted_once(self, job_id: str) -> JobCounts:
        """Return the things of a job by the status of their last attempt."""
        return _moved(self._counted(job_id), self._rollouts[job_id].repeated, by=-1)

    def _counted(self, job_id: str) -> JobCounts:
        """Return the executions by status: AWS counts every attempt, whatever its number."""
        counts, renumbered = super()._counted(job_id), RetryNumbering.NEXT
        if self.behaviours.retry_numbering is renumbered:
            return counts
        return _moved(counts, self._rollouts[job_id].repeated, by=1)

    def _counters(self, job_id: str, *, attempts: bool = True) -> JobCounters:
        """Return what AWS goes by: every attempt, or only the last one of each thing."""
        counts = self._counted(job_id) if attempts else self.counted_once(job_id)
        return JobCounters(
            notified=self._rollouts[job_id].notified,
            succeeded=counts.succeeded,
            failed=counts.failed,
            timed_out=counts.timed_out,
            rejected=counts.rejected,
            canceled=counts.canceled + counts.removed,
        )

    # events

    def report(
        self,
        job_id: str,
        thing_name: str,
        status: ExecutionStatus,
        **members: Any,  # noqa: ANN401 - as the adapter's
    ) -> ExecutionSummary:
        """Put an execution into a status now; AWS publishes that only if it is an outcome."""
        summary = super().report(job_id, thing_name, status, **members)
        if status in TERMINAL and self.events["JOB_EXECUTION"]:
            unlisted = self._unlisted[job_id][thing_name, summary.execution_number]
            self._publish(
                {
                    "eventType": "JOB_EXECUTION",
                    "eventId": self._event_id(),
                    "timestamp": int(self._clock.now()),
                    "operation": status.value.lower(),
                    "jobId": job_id,
                    "thingArn": f"{self._arn_prefix}:thing/{thing_name}",
                    "status": status.value,
                    "statusDetails": dict(unlisted.status_details),
                    "executionNumber": summary.execution_number,
                }
            )
        return summary

    def _tell_of_job(self, job_id: str, status: str, operation: str) -> None:
        if self.events["JOB"]:
            self._publish(
                {
                    "eventType": "JOB",
                    "eventId": self._event_id(),
                    "timestamp": int(self._clock.now()),
                    "operation": operation,
                    "jobId": job_id,
                    "status": status,
                }
            )

    def _event_id(self) -> str:
        self._events += 1
        return f"00000000-0000-4000-8000-{self._events:012}"

    # the port

    def update(self, job_id: str, changes: JobSettings, *, namespace_id: str | None = None) -> None:
        """Change settings of a job IN_PROGRESS; when and how that acts, AWS does not say."""
        before = self._jobs.get(job_id)
        super().update(job_id, changes, namespace_id=namespace_id)
        if before is None or changes.rollout is None:
            return
        growth = before.settings.rollout.exponential if before.settings.rollout else None
        if not (changes.rollout.exponential or self.behaviours.update_replaces_rollout_object):
            merged = RolloutRate(changes.rollout.maximum_per_minute, growth)
            settings = replace(self._jobs[job_id].settings, rollout=merged)
            self.change(job_id, settings=settings)
        if self._jobs[job_id].settings.rollout == before.settings.rollout:
            return
        rollout = self._rollouts[job_id]
        rollout.is_changed = True
        if self.behaviours.update_effective is Effective.AT_ONCE:
            self._enforce(rollout)
            self._grant(rollout, self._rate(rollout) - rollout.granted)

    def add_to_group(self, name: str, thing_names: Sequence[str]) -> None:
        """Add things to a group; CONTINUOUS jobs reach them at once, whatever their rate."""
        before = set(self.groups.get(name, ()))
        try:
            super().add_to_group(name, thing_names)
        finally:
            joined = sorted(self.groups.get(name, set()) - before)
            for job in list(self._jobs.values()):
                if job.is_continuous and name in map(group_of, job.targets):
                    self._join(self._rollouts[job.job_id], joined)

    def _join(self, rollout: _Rollout, names: Sequence[str]) -> None:
        """Tell things of a running job, except those that wait for it or are at it."""
        if not self._goes_on(rollout):
            return
        waiting, known = set(rollout.waiting), self._newest(rollout.job_id)
        for name in names:
            newest = known.get(name)
            if name in waiting or (newest is not None and newest.status not in TERMINAL):
                continue
            number = 1 if newest is None else newest.execution_number + 1
            place, rollout.notified = rollout.notified, rollout.notified + 1
            self._queue(
                Notice(rollout.job_id, rollout.created_at, name, place, execution_number=number)
            )

    def _newest(self, job_id: str) -> dict[str, ExecutionSummary]:
        """Return the newest execution of each thing."""
        rows = self._executions[job_id].values()
        return {row.thing_name: row for row in sorted(rows, key=lambda row: row.execution_number)}

    def _listed(self, job_id: str) -> list[ExecutionSummary]:
        rows = super()._listed(job_id)
        if self.behaviours.list_order is ListOrder.UNORDERED:
            rows.sort(key=lambda each: (each.thing_name, each.execution_number))
        return rows


def _moved(counts: JobCounts, ended: Mapping[ExecutionStatus, int], *, by: int) -> JobCounts:
    """Return counts with so many times these failed and timed-out executions more."""
    return replace(
        counts,
        failed=counts.failed + by * ended.get(ExecutionStatus.FAILED, 0),
        timed_out=counts.timed_out + by * ended.get(ExecutionStatus.TIMED_OUT, 0),
    )
