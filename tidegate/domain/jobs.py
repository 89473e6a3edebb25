"""What AWS IoT Jobs says about a job and its executions, as values."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from tidegate.domain.settings import JobSettings


class JobStatus(StrEnum):
    """A job's status as DescribeJob reports it."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    DELETION_IN_PROGRESS = "DELETION_IN_PROGRESS"


class ExecutionStatus(StrEnum):
    """A job execution's status; an *outcome* is a terminal one."""

    QUEUED = "QUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    TIMED_OUT = "TIMED_OUT"
    CANCELED = "CANCELED"
    REMOVED = "REMOVED"


TERMINAL = frozenset(ExecutionStatus) - {ExecutionStatus.QUEUED, ExecutionStatus.IN_PROGRESS}

#: Outcomes that a device (or its in-progress timer) produced, as against CANCELED and REMOVED,
#: which an operator or a group change produced and which say nothing about the release.
REPORTED = frozenset(
    {
        ExecutionStatus.SUCCEEDED,
        ExecutionStatus.FAILED,
        ExecutionStatus.REJECTED,
        ExecutionStatus.TIMED_OUT,
    }
)

#: Outcomes that AWS counts as failures; a policy says which of them are harm.
HARMFUL = REPORTED - {ExecutionStatus.SUCCEEDED}


@dataclass(frozen=True, slots=True)
class JobCounts:
    """
    ``jobProcessDetails`` of DescribeJob: executions per status.

    AWS counts executions, retry attempts and re-executions included, so the sum may exceed the
    number of things and the counters are no device ratio
    (https://github.com/boto/boto3/issues/4656).
    """

    queued: int = 0
    in_progress: int = 0
    succeeded: int = 0
    failed: int = 0
    rejected: int = 0
    timed_out: int = 0
    canceled: int = 0
    removed: int = 0

    def of(self, statuses: Iterable[ExecutionStatus]) -> int:
        """Return the number of executions in any of these statuses."""
        return sum(int(getattr(self, status.value.lower())) for status in statuses)

    @property
    def reported(self) -> int:
        """Executions with an outcome of the device's or its timer's."""
        return self.succeeded + self.failed + self.rejected + self.timed_out

    @property
    def terminal(self) -> int:
        """Executions in any terminal status."""
        return self.reported + self.canceled + self.removed

    @property
    def started(self) -> int:
        """Executions that a device took up, whatever became of them."""
        return self.in_progress + self.reported

    @property
    def exposed(self) -> int:
        """Executions ever created: the things notified so far, retries included."""
        return self.queued + self.in_progress + self.terminal


@dataclass(frozen=True, slots=True)
class Job:
    """
    One answer of DescribeJob.

    Attributes:
        created_at: Epoch seconds; with ``job_id`` it identifies the job, since ids are reusable.
        is_concurrent: True while AWS still creates (or cancels) executions.
        settings: The settings in force, everything UpdateJob could change.
        reason_code: Why it was canceled, as given by whoever canceled it.
        targets: ARNs of things and thing groups.
        starts_at: Epoch seconds at which a SCHEDULED job is to start; None if it says none.
    """

    job_id: str
    arn: str
    status: JobStatus
    created_at: int
    counts: JobCounts
    settings: JobSettings
    is_concurrent: bool = False
    is_continuous: bool = False
    reason_code: str | None = None
    comment: str | None = None
    targets: tuple[str, ...] = ()
    starts_at: float | None = None

    @property
    def goes_on(self) -> bool:
        """Whether it runs, or is yet to."""
        return self.status in (JobStatus.SCHEDULED, JobStatus.IN_PROGRESS)

    @property
    def counts_things(self) -> bool:
        """Whether AWS's counters are of things: without retries and without rejoining a group."""
        return not self.is_continuous and self.settings.attempts_per_thing == 1


@dataclass(frozen=True, slots=True)
class JobListing:
    """One row of ListJobs; ``created_at`` in epoch seconds, as in ``Job``."""

    job_id: str
    arn: str
    status: JobStatus
    created_at: int


@dataclass(frozen=True, slots=True)
class ExecutionSummary:
    """
    One row of ListJobExecutionsForJob; times in epoch seconds.

    The list carries neither ``versionNumber`` nor ``statusDetails``.
    """

    thing_name: str
    status: ExecutionStatus
    queued_at: float
    updated_at: float
    started_at: float | None = None
    execution_number: int = 1
    retry_attempt: int = 0


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """
    A job that Tidegate creates itself, so that no minute of AWS's default rate slips in.

    Attributes:
        settings: First settings; they are part of CreateJob.
        passed_through: Further CreateJob members, by AWS's names, handed on unread.
        tags: Tag keys and values for the new job.
    """

    job_id: str
    targets: tuple[str, ...]
    settings: JobSettings
    passed_through: dict[str, object] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
