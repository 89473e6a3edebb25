"""A small model of AWS IoT Jobs: what it answers, not what its devices do."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.adapters.job_requests import (
    GROUP_NAME,
    GROUP_TAGS,
    check_own_group,
    check_same_group,
    check_same_job,
    check_same_tags,
    check_tag_keys,
    comment_of,
    group_description_of,
    group_of,
    reason_code_of,
    thing_of,
)
from tidegate.adapters.memory.faults import Faults
from tidegate.adapters.timestamps import epoch_seconds_of
from tidegate.domain.jobs import (
    TERMINAL,
    ExecutionStatus,
    ExecutionSummary,
    Job,
    JobCounts,
    JobListing,
    JobStatus,
    LaunchRequest,
)
from tidegate.domain.settings import JobSettings, refusals
from tidegate.errors import NotFound, Refused
from tidegate.ports import POLICY_TAG, Clock, ExecutionPage

#: As many rows as ListJobs and ListJobExecutionsForJob give at once.
PAGE_SIZE = 250


@dataclass(frozen=True, slots=True)
class Call:
    """One call that would have changed something at AWS, made whether or not AWS agreed."""

    operation: str
    job_id: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Unlisted:
    """
    What ListJobExecutionsForJob does not tell of an execution.

    Attributes:
        version_number: Grows by one at each change, whoever makes it.
        times_out_at: Epoch seconds at which its in-progress timer ends; None where none runs.
        step_times_out_at: The same of its step timer.
    """

    version_number: int = 0
    status_details: Mapping[str, str] = field(default_factory=dict)
    times_out_at: float | None = None
    step_times_out_at: float | None = None


class MemoryJobs:
    """
    Jobs and executions that whoever holds this sets directly; only UpdateJob and CancelJob act.

    Rules are AWS's as far as they are known: UpdateJob takes jobs IN_PROGRESS only, replaces each
    member it is given whole, and is checked before the job is looked up.

    Attributes:
        calls: Every call that writes, in order.
        groups: Thing names by name of thing group.
        unregistered: Names of things that do not exist; all others do.
        documents: Job documents by id of job.
        events: Which kinds of events the account publishes.
        faults: Which calls fail next.
        policy_tag: The key of the tag that enrolls a job.
    """

    policy_tag = POLICY_TAG

    def __init__(
        self,
        clock: Clock,
        *,
        region: str = "eu-central-1",
        account_id: str = "111122223333",
        partition: str = "aws",
        page_size: int = PAGE_SIZE,
    ) -> None:
        """Start without jobs, with events switched on."""
        self.calls: list[Call] = []
        self.groups: dict[str, set[str]] = {}
        self.unregistered: set[str] = set()
        self.documents: dict[str, str] = {}
        self.events = {"JOB": True, "JOB_EXECUTION": True}
        self.faults = Faults()
        self.page_size = page_size
        self._clock = clock
        self._arn_prefix = f"arn:{partition}:iot:{region}:{account_id}"
        self._jobs: dict[str, Job] = {}
        self._tags: dict[str, dict[str, str]] = {}
        #: Descriptions of the groups that Tidegate made.
        self._described_groups: dict[str, str] = {}
        self._executions: dict[str, dict[tuple[str, int], ExecutionSummary]] = {}
        self._unlisted: dict[str, dict[tuple[str, int], Unlisted]] = {}
        #: The number of each thing's latest execution, by job.
        self._latest: dict[str, dict[str, int]] = {}
        #: Executions by status, kept up at each report: a fleet is not counted at each look.
        self._tallies: dict[str, Counter[ExecutionStatus]] = {}
        self._counts: dict[str, JobCounts] = {}

    # what a test sets

    def add(
        self,
        job_id: str,
        *,
        targets: Sequence[str] = (),
        settings: JobSettings | None = None,
        status: JobStatus = JobStatus.IN_PROGRESS,
        tags: Mapping[str, str] | None = None,
        is_concurrent: bool = True,
        is_continuous: bool = False,
        starts_at: float | None = None,
    ) -> Job:
        """Put a job there, created this second, in place of one with that id."""
        job = Job(
            job_id=job_id,
            arn=self.arn(job_id),
            status=status,
            created_at=int(self._clock.now()),
            counts=JobCounts(),
            settings=settings or JobSettings(),
            is_concurrent=is_concurrent,
            is_continuous=is_continuous,
            targets=tuple(targets),
            starts_at=starts_at,
        )
        self.delete(job_id)
        self._jobs[job_id] = job
        self._tags[job.arn] = dict(tags or {})
        self._executions[job_id] = {}
        self._unlisted[job_id] = {}
        self._latest[job_id] = {}
        self._tallies[job_id] = Counter()
        return job

    def change(self, job_id: str, **changes: object) -> None:
        """Change members of a job as if by AWS or by somebody else; by ``Job``'s names."""
        self._jobs[job_id] = replace(self._jobs[job_id], **changes)  # type: ignore[arg-type]

    def delete(self, job_id: str) -> None:
        """Take a job away with all that belongs to it."""
        self._jobs.pop(job_id, None)
        self._tags.pop(self.arn(job_id), None)
        self._executions.pop(job_id, None)
        self._unlisted.pop(job_id, None)
        self._latest.pop(job_id, None)
        self.documents.pop(job_id, None)
        self._tallies.pop(job_id, None)
        self._counts.pop(job_id, None)

    def report(
        self,
        job_id: str,
        thing_name: str,
        status: ExecutionStatus,
        *,
        execution_number: int = 1,
        retry_attempt: int = 0,
        status_details: Mapping[str, str] | None = None,
    ) -> ExecutionSummary:
        """
        Put an execution into a status now, whatever it was before.

        The first report that is not QUEUED, REJECTED, CANCELED or REMOVED starts it; another
        attempt begins afresh. Details replace those before, whole; None leaves them.
        """
        now = self._clock.now()
        executions = self._executions[job_id]
        known = executions.get((thing_name, execution_number))
        before = ExecutionSummary(thing_name, ExecutionStatus.QUEUED, now, now)
        if known is not None and known.retry_attempt == retry_attempt:
            before = known
        starts = status not in {
            ExecutionStatus.QUEUED,
            ExecutionStatus.REJECTED,
            ExecutionStatus.CANCELED,
            ExecutionStatus.REMOVED,
        }
        after = replace(
            before,
            status=status,
            updated_at=now,
            started_at=now if starts and before.started_at is None else before.started_at,
            execution_number=execution_number,
            retry_attempt=retry_attempt,
        )
        executions[thing_name, execution_number] = after
        self._keep_unlisted(job_id, known if known is before else None, after, status_details)
        tally = self._tallies[job_id]
        tally[status] += 1
        if known is not None:
            tally[known.status] -= 1
        return after

    def latest(
        self, job_id: str, thing_name: str, execution_number: int | None = None
    ) -> tuple[ExecutionSummary, Unlisted]:
        """Return an execution, the thing's latest of the job by default; raises NotFound."""
        self._check_thing(thing_name)
        self._known(job_id)
        number = execution_number or self._latest[job_id].get(thing_name, 0)
        key = (thing_name, number)
        if key not in self._executions[job_id]:
            message = f"Job {job_id} has no such execution for {thing_name}."
            raise NotFound(message)
        return self._executions[job_id][key], self._unlisted[job_id][key]

    def follow(self, job_id: str, before: ExecutionSummary, after: ExecutionSummary) -> None:
        """Do as AWS does after a device's report: here, nothing."""

    def count_as(self, job_id: str, counts: JobCounts | None) -> None:
        """Let DescribeJob report these counts, as AWS's may lag; None: those of the executions."""
        self._counts.pop(job_id, None)
        if counts is not None:
            self._counts[job_id] = counts

    # the port

    def describe(self, job_id: str) -> Job:
        """Return the job; raises NotFound."""
        with self.faults.around("describe"):
            return self._described(job_id)

    def update(self, job_id: str, changes: JobSettings, *, namespace_id: str | None = None) -> None:
        """Change settings of a job IN_PROGRESS."""
        arguments = {"changes": changes, "namespace_id": namespace_id}
        self.calls.append(Call("update", job_id, arguments))
        with self.faults.around("update"):
            if not changes:
                message = "No job attributes were given to be updated."
                raise Refused(message)
            job = self._known(job_id)
            if job.status is not JobStatus.IN_PROGRESS:
                message = f"Job {job_id} in status {job.status} cannot be updated."
                raise Refused(message)
            _check(changes, job.settings)
            given = {
                name: value
                for name in JobSettings.__dataclass_fields__
                if (value := getattr(changes, name)) is not None
            }
            self._jobs[job_id] = replace(job, settings=replace(job.settings, **given))

    def cancel(self, job_id: str, *, reason_code: str, comment: str, force: bool = False) -> None:
        """Cancel a job that is not over: QUEUED executions, by force those IN_PROGRESS too."""
        reason_code, comment = reason_code_of(reason_code), comment_of(comment)
        arguments = {"reason_code": reason_code, "comment": comment, "force": force}
        self.calls.append(Call("cancel", job_id, arguments))
        with self.faults.around("cancel"):
            job = self._known(job_id)
            if job.status not in {JobStatus.IN_PROGRESS, JobStatus.SCHEDULED}:
                message = f"Job {job_id} in status {job.status} cannot be canceled."
                raise Refused(message)
            self._cancel(job, reason_code=reason_code, comment=comment, force=force)

    def create(self, request: LaunchRequest) -> str:
        """Create a job without executions; one that exists with these settings counts as done."""
        self.calls.append(Call("create", request.job_id, {"request": request}))
        with self.faults.around("create"):
            arn = self.arn(request.job_id)
            if request.job_id in self._jobs:
                check_same_tags(request, self._tags[arn])
                check_same_job(request, self._jobs[request.job_id])
                return arn
            _check(replace(request.settings, retries=None), JobSettings())
            self._check_targets(request.targets)
            schedule = request.passed_through.get("schedulingConfig")
            start_time = schedule.get("startTime") if isinstance(schedule, Mapping) else None
            self.add(
                request.job_id,
                targets=request.targets,
                settings=request.settings,
                status=JobStatus.SCHEDULED if start_time else JobStatus.IN_PROGRESS,
                tags=request.tags,
                is_continuous=request.passed_through.get("targetSelection") == "CONTINUOUS",
                starts_at=epoch_seconds_of(start_time),
            )
            self.documents[request.job_id] = str(request.passed_through.get("document", ""))
            return arn

    def arn(self, job_id: str) -> str:
        """Return the ARN that a job of this id has."""
        return f"{self._arn_prefix}:job/{job_id}"

    def tags(self, job_arn: str) -> dict[str, str]:
        """Return the job's tags; raises NotFound."""
        with self.faults.around("tags"):
            return dict(self._tags_of(job_arn))

    def tag(self, job_arn: str, tags: Mapping[str, str]) -> None:
        """Set tags, all of them under ``tidegate:``; raises NotFound."""
        self.calls.append(Call("tag", job_arn.rpartition("/")[2], {"tags": dict(tags)}))
        with self.faults.around("tag"):
            check_tag_keys(tags)
            self._tags_of(job_arn).update(tags)

    def untag(self, job_arn: str, keys: Sequence[str]) -> None:
        """Remove tags, all of them under ``tidegate:``; raises NotFound."""
        self.calls.append(Call("untag", job_arn.rpartition("/")[2], {"keys": tuple(keys)}))
        with self.faults.around("untag"):
            check_tag_keys(keys)
            standing = self._tags_of(job_arn)
            for key in keys:
                standing.pop(key, None)

    def executions(
        self, job_id: str, status: ExecutionStatus | None = None
    ) -> Iterator[Sequence[ExecutionSummary]]:
        """Yield pages of the job's executions, newest-updated first; raises NotFound."""
        page = self.executions_page(job_id, status)
        yield page.rows
        while page.token is not None:
            page = self.executions_page(job_id, status, page.token)
            yield page.rows

    def executions_page(
        self, job_id: str, status: ExecutionStatus | None = None, token: str | None = None
    ) -> ExecutionPage:
        """Return one page of the job's executions, the first by default; raises NotFound."""
        with self.faults.around("executions"):
            self._known(job_id)
            rows = [each for each in self._listed(job_id) if status in (None, each.status)]
            start = int(token or 0)
            end = start + self.page_size
            return ExecutionPage(rows[start:end], str(end) if end < len(rows) else None)

    def active(self) -> Iterator[Sequence[JobListing]]:
        """Yield pages of all jobs that are SCHEDULED or IN_PROGRESS, each page one request."""
        for status in (JobStatus.SCHEDULED, JobStatus.IN_PROGRESS):
            start, total = 0, 1
            while start < total:
                with self.faults.around("active"):
                    rows = [each for each in self._jobs.values() if each.status is status]
                    page = rows[start : start + self.page_size]
                yield [JobListing(job.job_id, job.arn, status, job.created_at) for job in page]
                start, total = start + self.page_size, len(rows)

    def things_in(self, targets: Sequence[str]) -> frozenset[str] | None:
        """Return the names of the things that the targets hold."""
        with self.faults.around("things_in"):
            return self._things_in(targets)

    def create_group(self, name: str, description: str) -> str:
        """Create an empty thing group and return its ARN; one that stands as asked is done."""
        description = group_description_of(description)
        self.calls.append(Call("create_group", name, {"description": description}))
        with self.faults.around("create_group"):
            if not GROUP_NAME.fullmatch(name):
                message = f"{name!r} is no name for a thing group."
                raise Refused(message)
            if name in self.groups:
                is_own = name in self._described_groups
                check_own_group(name, GROUP_TAGS if is_own else {})
                standing = self._described_groups[name]
                check_same_group(name, standing=standing, asked=description)
            self.groups.setdefault(name, set())
            self._described_groups[name] = description
            return f"{self._arn_prefix}:thinggroup/{name}"

    def add_to_group(self, name: str, thing_names: Sequence[str]) -> None:
        """Add things to a group, up to the first that does not exist."""
        self.calls.append(Call("add_to_group", name, {"thing_names": tuple(thing_names)}))
        with self.faults.around("add_to_group"):
            for thing_name in thing_names:
                self._check_thing(thing_name)
                self._group(name).add(thing_name)

    def execution_events_enabled(self) -> bool:
        """Return whether the account publishes JOB_EXECUTION events."""
        with self.faults.around("execution_events_enabled"):
            return self.events.get("JOB_EXECUTION", False)

    def enable_events(self) -> None:
        """Switch JOB and JOB_EXECUTION events on; leave all others as they are."""
        with self.faults.around("enable_events"):
            self.events |= {"JOB": True, "JOB_EXECUTION": True}

    # inside

    def _keep_unlisted(
        self,
        job_id: str,
        before: ExecutionSummary | None,
        after: ExecutionSummary,
        status_details: Mapping[str, str] | None,
    ) -> None:
        """Keep up what is not listed of an execution; ``before`` is None for another attempt."""
        name, number = after.thing_name, after.execution_number
        latest, unlisted = self._latest[job_id], self._unlisted[job_id]
        latest[name] = max(number, latest.get(name, 0))
        if before is None:
            unlisted.pop((name, number), None)
        # Whoever is seen first past QUEUED was QUEUED before.
        version_number = int(after.status is not ExecutionStatus.QUEUED)
        noted = unlisted.setdefault((name, number), Unlisted(version_number))
        noted.version_number += 1
        if status_details is not None:
            noted.status_details = dict(status_details)
        if after.status is not ExecutionStatus.IN_PROGRESS:
            noted.times_out_at = noted.step_times_out_at = None
        elif before is None or before.started_at is None:
            minutes = self._jobs[job_id].settings.timeout_minutes
            noted.times_out_at = None if minutes is None else after.updated_at + minutes * 60

    def _cancel(self, job: Job, *, reason_code: str, comment: str, force: bool = False) -> None:
        """End a job before its time, and its executions that may be ended."""
        for (thing_name, number), execution in list(self._executions[job.job_id].items()):
            if execution.status is ExecutionStatus.QUEUED or (
                force and execution.status not in TERMINAL
            ):
                self.report(
                    job.job_id,
                    thing_name,
                    ExecutionStatus.CANCELED,
                    execution_number=number,
                    retry_attempt=execution.retry_attempt,
                )
        self.change(
            job.job_id,
            status=JobStatus.CANCELED,
            reason_code=reason_code or None,
            comment=comment or None,
            is_concurrent=False,
        )

    def _listed(self, job_id: str) -> list[ExecutionSummary]:
        """Return the job's executions in the order in which they are listed."""
        return sorted(
            self._executions[job_id].values(),
            key=lambda each: (each.updated_at, each.thing_name),
            reverse=True,
        )

    def _known(self, job_id: str) -> Job:
        if job_id not in self._jobs:
            message = f"Job {job_id} cannot be found."
            raise NotFound(message)
        return self._jobs[job_id]

    def _described(self, job_id: str) -> Job:
        job = self._known(job_id)
        counts = self._counts.get(job_id)
        return replace(job, counts=counts or self._counted(job_id))

    def _counted(self, job_id: str) -> JobCounts:
        tally = self._tallies[job_id]
        return JobCounts(**{status.value.lower(): tally[status] for status in ExecutionStatus})

    def _tags_of(self, job_arn: str) -> dict[str, str]:
        if job_arn not in self._tags:
            message = f"{job_arn} cannot be found."
            raise NotFound(message)
        return self._tags[job_arn]

    def _things_in(self, targets: Sequence[str]) -> frozenset[str] | None:
        names: set[str] = set()
        for target in targets:
            thing, group = thing_of(target), group_of(target)
            if thing is None and group is None:
                return None
            names |= {thing} if thing is not None else self._group(group or "")
        return frozenset(names)

    def _check_targets(self, targets: Sequence[str]) -> None:
        """Raise NotFound if a target does not exist."""
        self._things_in(targets)
        for target in targets:
            self._check_thing(thing_of(target) or "")

    def _check_thing(self, thing_name: str) -> None:
        if thing_name in self.unregistered:
            message = f"Thing {thing_name} cannot be found."
            raise NotFound(message)

    def _group(self, name: str) -> set[str]:
        if name not in self.groups:
            message = f"Thing group {name} cannot be found."
            raise NotFound(message)
        return self.groups[name]


def _check(desired: JobSettings, standing: JobSettings) -> None:
    found = refusals(desired, standing)
    if found:
        raise Refused(" ".join(each.message for each in found))
