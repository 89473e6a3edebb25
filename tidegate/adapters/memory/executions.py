"""
One device's executions in memory, by AWS's rules as far as they are known.

They are those of ``MemoryJobs``, which counts their versions whoever changes them. Details are
replaced whole; what is over takes no update; timers end when somebody looks.
"""

from dataclasses import dataclass
from typing import Any

from tidegate.adapters.job_requests import check_execution_names
from tidegate.adapters.memory.faults import Faults
from tidegate.adapters.memory.jobs import MemoryJobs, Unlisted
from tidegate.domain.executions import (
    NO_STEP_TIMEOUT,
    Execution,
    ExecutionUpdate,
    Updated,
    may_become,
    refusals,
    stands,
)
from tidegate.domain.jobs import TERMINAL, ExecutionStatus, ExecutionSummary
from tidegate.errors import Conflict, Refused
from tidegate.ports import Clock

MINUTE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Cancelation:
    """One CancelJobExecution."""

    thing_name: str
    job_id: str
    expected_version: int | None


class MemoryExecutions:
    """
    Executions of the jobs that whoever holds this sets.

    Attributes:
        updates: Every update that was sent, in order, done or not.
        cancelations: Every cancelation that was sent, in order, done or not.
        faults: Which calls fail next.
    """

    def __init__(self, jobs: MemoryJobs, clock: Clock) -> None:
        """Act on the executions of these jobs."""
        self.updates: list[ExecutionUpdate] = []
        self.cancelations: list[Cancelation] = []
        self.faults = Faults()
        self._jobs = jobs
        self._clock = clock

    # the port

    def describe(
        self, thing_name: str, job_id: str, execution_number: int | None = None
    ) -> Execution:
        """Return the execution, the thing's latest of the job by default; raises NotFound."""
        with self.faults.around("describe"):
            return self._execution(job_id, *self._found(thing_name, job_id, execution_number))

    def update(self, update: ExecutionUpdate) -> Updated:
        """Change an execution as its device would; what stands already is done."""
        self.updates.append(update)
        with self.faults.around("update"):
            return self._updated(update)

    def cancel(self, thing_name: str, job_id: str, *, expected_version: int | None = None) -> None:
        """Cancel an execution that is QUEUED; one that is CANCELED is done."""
        self.cancelations.append(Cancelation(thing_name, job_id, expected_version))
        with self.faults.around("cancel"):
            row, unlisted = self._found(thing_name, job_id, None)
            if row.status is ExecutionStatus.CANCELED:
                return
            is_stale = expected_version not in {None, unlisted.version_number}
            if is_stale or row.status is not ExecutionStatus.QUEUED:
                raise _conflict(row, unlisted)
            self._set(job_id, row, ExecutionStatus.CANCELED)

    # inside

    def _updated(self, update: ExecutionUpdate) -> Updated:
        check_execution_names(update.thing_name, update.job_id)
        if found := refusals(update):
            message = f"UpdateJobExecution {update.job_id} of {update.thing_name}: {found}"
            raise Refused(message)
        row, unlisted = self._found(update.thing_name, update.job_id, update.execution_number)
        is_stale = update.expected_version not in {None, unlisted.version_number}
        if not is_stale and may_become(row.status, update.status):
            details = update.status_details
            self._set(update.job_id, row, update.status, status_details=details)
            self._time(update, unlisted)
            document = self._document(update)
        elif stands(update, self._execution(update.job_id, row, unlisted)):
            # What is over has no use for it.
            document = None if row.status in TERMINAL else self._document(update)
        else:
            raise _conflict(row, unlisted)
        if not update.include_state:
            return Updated(document=document)
        details = dict(unlisted.status_details)
        return Updated(update.status, unlisted.version_number, details, document)

    def _document(self, update: ExecutionUpdate) -> str | None:
        return self._jobs.documents.get(update.job_id) if update.include_document else None

    def _found(
        self, thing_name: str, job_id: str, number: int | None
    ) -> tuple[ExecutionSummary, Unlisted]:
        """Return an execution, timed out if it is due; raises NotFound."""
        check_execution_names(thing_name, job_id)
        row, unlisted = self._jobs.latest(job_id, thing_name, number)
        due_at = _due_at(unlisted)
        if due_at is not None and due_at < self._clock.now():
            self._set(job_id, row, ExecutionStatus.TIMED_OUT)
            return self._jobs.latest(job_id, thing_name, number)
        return row, unlisted

    def _set(
        self,
        job_id: str,
        row: ExecutionSummary,
        status: ExecutionStatus,
        **members: Any,  # noqa: ANN401 - as of MemoryJobs.report
    ) -> None:
        after = self._jobs.report(
            job_id,
            row.thing_name,
            status,
            execution_number=row.execution_number,
            retry_attempt=row.retry_attempt,
            **members,
        )
        self._jobs.follow(job_id, row, after)

    def _time(self, update: ExecutionUpdate, unlisted: Unlisted) -> None:
        """Begin the step timer anew, or end it."""
        minutes = update.step_timeout_minutes
        if minutes == NO_STEP_TIMEOUT:
            unlisted.step_times_out_at = None
        elif minutes is not None and update.status is ExecutionStatus.IN_PROGRESS:
            unlisted.step_times_out_at = self._clock.now() + minutes * MINUTE_SECONDS

    def _execution(self, job_id: str, row: ExecutionSummary, unlisted: Unlisted) -> Execution:
        due_at = _due_at(unlisted)
        return Execution(
            job_id=job_id,
            thing_name=row.thing_name,
            status=row.status,
            execution_number=row.execution_number,
            version_number=unlisted.version_number,
            queued_at=row.queued_at,
            updated_at=row.updated_at,
            started_at=row.started_at,
            status_details=dict(unlisted.status_details),
            seconds_left=None if due_at is None else due_at - self._clock.now(),
        )


def _due_at(unlisted: Unlisted) -> float | None:
    """Return when the first of the timers ends, None if none runs."""
    timers = (unlisted.times_out_at, unlisted.step_times_out_at)
    return min((each for each in timers if each is not None), default=None)


def _conflict(row: ExecutionSummary, unlisted: Unlisted) -> Conflict:
    return Conflict(
        f"execution {row.execution_number} of {row.thing_name} is {row.status} at version "
        f"{unlisted.version_number}: look at it anew"
    )
