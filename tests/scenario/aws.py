"""AWS IoT Jobs as a rollout meets it: minutely batches, its own abort criteria, events, audits."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.scenario.interference import undisturbed
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.domain.jobs import (
    TERMINAL,
    ExecutionStatus,
    ExecutionSummary,
    Job,
    JobCounts,
    JobStatus,
)
from tidegate.domain.review import FENCE_REASON_CODE
from tidegate.domain.settings import (
    RATE_PER_MINUTE_MIN,
    AbortCriterion,
    FailureType,
    JobSettings,
    RolloutRate,
    refusals,
)
from tidegate.ports import POLICY_TAG

#: From a job's creation, or from its start, to its first batch.
FIRST_BATCH_SECONDS = 10.0
BATCH_SECONDS = 60.0

After = Callable[[float, Callable[[], None]], None]
Publish = Callable[[Mapping[str, Any]], None]
Notify = Callable[[str, int, str, int], None]


class Aws(MemoryJobs):
    """
    The memory adapter, and what AWS does by itself.

    Every UpdateJob and CancelJob is audited: what breaks an invariant is noted as a violation.

    Attributes:
        cancel_seconds: How long DescribeJob shows a canceled job as running still.
        countable: Whether targets are few enough to be counted.
    """

    def __init__(
        self, clock: ManualClock, ledger: MemoryLedger, violations: list[str], *, after: After
    ) -> None:
        """Start without jobs."""
        super().__init__(clock)
        self.cancel_seconds = 0.0
        self.countable = True
        self._ledger = ledger
        self._violations = violations
        self._after = after
        self._publish: Publish = lambda _: None
        self._notify: Notify = lambda *_: None
        self._shown: dict[str, tuple[float, Job]] = {}
        self._number = 0

    def publishes(self, publish: Publish) -> None:
        """Hand events, where the account publishes them, to this."""
        self._publish = publish

    def notifies(self, notify: Notify) -> None:
        """Tell this of each thing that gets the job: job id, its creation, thing, place."""
        self._notify = notify

    def updates(self) -> list[JobSettings]:
        """Return what was sent by UpdateJob, oldest first."""
        return [each.arguments["changes"] for each in self.calls if each.operation == "update"]

    # by itself

    def add(self, job_id: str, **members: Any) -> Job:  # noqa: ANN401 - as the adapter's
        """Put a job there; unless SCHEDULED, its batches begin."""
        job = super().add(job_id, **members)
        if job.status is JobStatus.IN_PROGRESS:
            self._begin(job)
        return job

    def start(self, job_id: str) -> None:
        """Let a SCHEDULED job begin."""
        self.change(job_id, status=JobStatus.IN_PROGRESS)
        self._begin(self._jobs[job_id])

    def end_by_hand(self, job_id: str, *, comment: str | None = None) -> None:
        """Let somebody cancel the job in the console."""
        self._end(job_id, JobStatus.CANCELED, reason_code="USER_INITIATED", comment=comment)

    def end_by_criteria(self, job_id: str) -> None:
        """Do as AWS does when an abort criterion is met."""
        self._end(job_id, JobStatus.CANCELED, reason_code=FENCE_REASON_CODE, comment="by criteria")

    def delete_by_hand(self, job_id: str) -> None:
        """Let somebody delete the job by force."""
        self.delete(job_id)
        self._tell_of_job(job_id, "DELETED", "deleted")

    def device_reports(
        self, job_id: str, created_at: int, thing_name: str, status: ExecutionStatus
    ) -> None:
        """Take a device's report, unless its job or execution is over."""
        if not self._is(job_id, created_at):
            return
        execution = self._executions[job_id].get((thing_name, 1))
        if execution is not None and execution.status not in TERMINAL:
            self.report(job_id, thing_name, status)
            self.look(job_id)

    def _begin(self, job: Job) -> None:
        targets = sorted(
            name for arn in job.targets for name in self.groups[arn.rpartition("/")[2]]
        )
        self._after(
            FIRST_BATCH_SECONDS, lambda: self._batch(job.job_id, job.created_at, deque(targets))
        )

    def _batch(self, job_id: str, created_at: int, targets: deque[str]) -> None:
        if not self._is(job_id, created_at) or not self._runs(job_id):
            return
        notified = len(self._executions[job_id])
        for place in range(notified, notified + min(self._rate(job_id), len(targets))):
            thing_name = targets.popleft()
            self.report(job_id, thing_name, ExecutionStatus.QUEUED)
            self._notify(job_id, created_at, thing_name, place)
        if targets:
            self._after(BATCH_SECONDS, lambda: self._batch(job_id, created_at, targets))
        else:
            self.change(job_id, is_concurrent=False)

    def _rate(self, job_id: str) -> int:
        """Return the rate in force: constant, or as far as AWS's own growth has come."""
        settings, counts = self._jobs[job_id].settings, self._counted(job_id)
        growth = settings.rollout.exponential if settings.rollout else None
        if growth is None:
            return settings.rate_per_minute
        steps = (
            counts.exposed // growth.notified_things
            if growth.notified_things
            else counts.succeeded // (growth.succeeded_things or 1)
        )
        grown = growth.base_rate_per_minute * growth.increment_factor**steps
        return min(int(grown), settings.rate_per_minute)

    def look(self, job_id: str) -> None:
        """Do what AWS does after an outcome: stop by the criteria, or complete."""
        if not self._runs(job_id):
            return
        job, counts = self._jobs[job_id], self._counted(job_id)
        if any(_fires(each, counts) for each in job.settings.abort or ()):
            self.end_by_criteria(job_id)
        elif (
            not job.is_concurrent
            and not job.is_continuous
            and not counts.queued + (counts.in_progress)
        ):
            self._end(job_id, JobStatus.COMPLETED)

    def _end(self, job_id: str, status: JobStatus, **members: Any) -> None:  # noqa: ANN401
        if status is JobStatus.CANCELED:
            for (thing_name, _), row in list(self._executions[job_id].items()):
                if row.status is ExecutionStatus.QUEUED:
                    self.report(job_id, thing_name, ExecutionStatus.CANCELED)
        self.change(job_id, status=status, is_concurrent=False, **members)
        self._tell_of_job(job_id, status.value, status.value.lower())

    def _is(self, job_id: str, created_at: int) -> bool:
        return job_id in self._jobs and self._jobs[job_id].created_at == created_at

    def _runs(self, job_id: str) -> bool:
        return self._jobs[job_id].status is JobStatus.IN_PROGRESS

    # events

    def report(
        self,
        job_id: str,
        thing_name: str,
        status: ExecutionStatus,
        **members: Any,  # noqa: ANN401
    ) -> ExecutionSummary:
        """Put an execution into a status now; AWS publishes that only if it is an outcome."""
        summary = super().report(job_id, thing_name, status, **members)
        if status in TERMINAL and self.events["JOB_EXECUTION"]:
            self._publish(
                {
                    "eventType": "JOB_EXECUTION",
                    "eventId": self._event_id(),
                    "timestamp": int(self._clock.now()),
                    "operation": status.value.lower(),
                    "jobId": job_id,
                    "thingArn": f"{self._arn_prefix}:thing/{thing_name}",
                    "status": status.value,
                    "statusDetails": {},
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
        self._number += 1
        return f"00000000-0000-4000-8000-{self._number:012}"

    # the port

    def count_targets(self, targets: Sequence[str]) -> int | None:
        """Return how many things the targets hold, None if they are too many."""
        return super().count_targets(targets) if self.countable else None

    def describe(self, job_id: str) -> Job:
        """Return the job; a cancelation shows late."""
        job = super().describe(job_id)
        until, shown = self._shown.get(job_id, (0.0, job))
        if self._clock.now() >= until or shown.created_at != job.created_at:
            return job
        return replace(job, status=shown.status, reason_code=None, comment=None)

    def update(self, job_id: str, changes: JobSettings, *, namespace_id: str | None = None) -> None:
        """Change settings, audited."""
        self._audit("UpdateJob", job_id, changes)
        super().update(job_id, changes, namespace_id=namespace_id)

    def cancel(self, job_id: str, *, reason_code: str, comment: str, force: bool = False) -> None:
        """Cancel the job, audited."""
        self._audit("CancelJob", job_id, None)
        before = self._jobs.get(job_id)
        super().cancel(job_id, reason_code=reason_code, comment=comment, force=force)
        if before is not None and self.cancel_seconds:
            self._shown[job_id] = (self._clock.now() + self.cancel_seconds, before)
        self._after(self.cancel_seconds, lambda: self._tell_of_job(job_id, "CANCELED", "canceled"))

    def _audit(self, operation: str, job_id: str, changes: JobSettings | None) -> None:
        """Note what must never happen: called before whatever others do meanwhile."""
        with undisturbed(self._ledger):
            self._audit_undisturbed(operation, job_id, changes)

    def _audit_undisturbed(self, operation: str, job_id: str, changes: JobSettings | None) -> None:
        job = self._jobs.get(job_id)
        rollout = self._ledger.current([job_id]).get(job_id)
        if job is None:
            return
        if POLICY_TAG not in self._tags[job.arn]:
            self._note(f"{operation} on job {job_id}, which carries no tag")
        if rollout is None or rollout.key.created_at != job.created_at:
            self._note(f"{operation} on job {job_id}, which is not enrolled")
        elif changes is not None:
            for problem in self._problems_of_update(job, rollout.key.created_at, changes):
                self._note(f"UpdateJob on job {job_id}: {problem}")

    def _problems_of_update(self, job: Job, created_at: int, changes: JobSettings) -> list[str]:
        rollout = self._ledger.current([job.job_id])[job.job_id]
        assert rollout.key.created_at == created_at
        if not rollout.revision:
            return ["nothing was decided yet"]
        problems = []
        if rollout.aborting:
            problems.append("an abort was decided before")
        if refused := refusals(changes, job.settings):
            problems.append(refused[0].message)
        standing = job.settings.rate_per_minute
        raises = changes.rollout is not None and changes.rate_per_minute > standing
        if raises and self._ledger.holds(rollout.key):
            problems.append(f"it raises the rate to {changes.rate_per_minute} against a hold")
        said = self._ledger.decision(rollout.key, rollout.revision).settings
        slowest = JobSettings(RolloutRate(RATE_PER_MINUTE_MIN))
        if said.changes_to(changes) and changes not in (
            slowest,
            replace(slowest, abort=said.abort),
        ):
            problems.append(f"no stored decision says {changes.to_request()}")
        return problems

    def _note(self, problem: str) -> None:
        self._violations.append(problem)


def _fires(criterion: AbortCriterion, counts: JobCounts) -> bool:
    """Return whether AWS cancels by a criterion, every terminal execution counting as executed."""
    bad = {
        FailureType.FAILED: counts.failed,
        FailureType.REJECTED: counts.rejected,
        FailureType.TIMED_OUT: counts.timed_out,
        FailureType.ALL: counts.failed + counts.rejected + counts.timed_out,
    }[criterion.failure_type]
    return (
        counts.terminal >= criterion.min_executed_things
        and 100 * bad >= criterion.threshold_percentage * counts.terminal
    )
