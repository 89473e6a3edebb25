"""AWS IoT Jobs' control plane."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tidegate.adapters.aws.errors import AlreadyExists, translated
from tidegate.adapters.aws.variables import Variables
from tidegate.adapters.job_requests import (
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
from tidegate.adapters.timestamps import epoch_seconds_of
from tidegate.domain.jobs import (
    ExecutionStatus,
    ExecutionSummary,
    Job,
    JobCounts,
    JobListing,
    JobStatus,
    LaunchRequest,
)
from tidegate.domain.settings import JobSettings
from tidegate.errors import Denied, Refused, RetryLater, TidegateError
from tidegate.ports import ExecutionPage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.type_defs import (
        JobExecutionSummaryTypeDef,
        JobProcessDetailsTypeDef,
        JobSummaryTypeDef,
        JobTypeDef,
    )

#: The largest page that the lists of jobs, of their executions and of groups' things give.
PAGE_SIZE = 250

#: Pages of one job's executions: five million, far beyond what a list is good for.
EXECUTION_PAGES_MAX = 20_000

#: Pages of jobs that are SCHEDULED, and of those IN_PROGRESS: far more than AWS runs at once.
ACTIVE_PAGES_MAX = 40

#: Pages of things over all groups of one job: 50,000 things in some ten seconds.
THING_PAGES_MAX = 200

#: AWS allows 50 tags on a job; a page holds at least a few.
TAG_PAGES_MAX = 50

#: The kinds of events that Tidegate reads; the account's other kinds are nobody's business here.
EVENT_TYPES = ("JOB", "JOB_EXECUTION")


class IotJobs:
    """The jobs of one account and region."""

    def __init__(self, client: IoTClient, names: Variables) -> None:
        """Bind the client to the names that ARNs are made of."""
        self._client = client
        self._names = names

    @property
    def policy_tag(self) -> str:
        """The key of the tag that enrolls a job with this Tidegate."""
        return self._names.policy_tag

    def describe(self, job_id: str) -> Job:
        """Return the job; raises NotFound."""
        with self._granted("DescribeJob", job_id, denied=RetryLater):
            answer = self._client.describe_job(jobId=job_id)
        return _job(answer["job"])

    def update(self, job_id: str, changes: JobSettings, *, namespace_id: str | None = None) -> None:
        """Send UpdateJob with just these settings."""
        request = changes.to_request()
        if namespace_id is not None:
            request["namespaceId"] = namespace_id
        with self._granted("UpdateJob", job_id):
            self._client.update_job(jobId=job_id, **request)

    def cancel(self, job_id: str, *, reason_code: str, comment: str, force: bool = False) -> None:
        """Cancel the job; code and comment are made to fit."""
        request = {"reasonCode": reason_code_of(reason_code), "comment": comment_of(comment)}
        with self._granted("CancelJob", job_id):
            self._client.cancel_job(
                jobId=job_id,
                force=force,
                **{member: text for member, text in request.items() if text},
            )

    @contextmanager
    def _granted(
        self, operation: str, job_id: str, *, denied: type[TidegateError] = Refused
    ) -> Iterator[None]:
        """
        Translate errors of a call that IAM grants by the job's tag.

        Of a job that is gone there is no tag to see, so IAM denies the call before AWS IoT could
        say that it does not exist. Its executions and its tags may be listed by name alone: the
        one tells whether it exists, the other whether it is Tidegate's.

        Args:
            operation: What was to be done.
            job_id: To which job.
            denied: What it means that a job which is Tidegate's is denied all the same.
        """
        try:
            with translated(f"{operation} {job_id}"):
                yield
        except Denied as error:
            next(self.executions(job_id), None)  # raises NotFound
            if self.policy_tag in self.tags(self.arn(job_id)):
                hint = (
                    f"{error} (the job is tagged: either IAM does not see a new tag yet, or the "
                    "function lacks a permission; the role of a presigned URL must be among the "
                    "stack's presignRoleArns)"
                )
                raise denied(hint) from error
            message = (
                f"job {job_id} does not carry the tag {self.policy_tag} any more, without which "
                "IAM lets Tidegate neither read nor change it: put the tag back, or look after the "
                "job yourself; its rate and abort criteria stand as they are"
            )
            raise Refused(message) from error

    def create(self, request: LaunchRequest) -> str:
        """Create a job and return its ARN; one that exists with these very settings is done."""
        members: dict[str, Any] = {
            **request.passed_through,
            **request.settings.to_request(),
            "targets": list(request.targets),
            "tags": [{"Key": key, "Value": value} for key, value in request.tags.items()],
        }
        try:
            with translated(f"CreateJob {request.job_id}"):
                answer = self._client.create_job(jobId=request.job_id, **members)
        except AlreadyExists:
            arn = self.arn(request.job_id)
            # Tags come first: of a job that is not Tidegate's, nothing else may be read.
            check_same_tags(request, self.tags(arn))
            check_same_job(request, self.describe(request.job_id))
            return arn
        return answer["jobArn"]

    def arn(self, job_id: str) -> str:
        """Return the ARN that a job of this id has in this account and region."""
        return self._arn("job", job_id)

    def tags(self, job_arn: str) -> dict[str, str]:
        """Return the job's tags; raises NotFound."""
        found: dict[str, str] = {}
        token: dict[str, Any] = {}
        for _ in range(TAG_PAGES_MAX):
            with translated(f"ListTagsForResource {job_arn}"):
                answer = self._client.list_tags_for_resource(resourceArn=job_arn, **token)
            found |= {each["Key"]: each.get("Value", "") for each in answer.get("tags", [])}
            if not answer.get("nextToken"):
                return found
            token = {"nextToken": answer["nextToken"]}
        message = f"{job_arn} has more than {TAG_PAGES_MAX} pages of tags: remove some"
        raise Refused(message)

    def tag(self, job_arn: str, tags: Mapping[str, str]) -> None:
        """Set tags, all of them under ``tidegate:``; raises NotFound."""
        check_tag_keys(tags)
        with translated(f"TagResource {job_arn}"):
            self._client.tag_resource(
                resourceArn=job_arn,
                tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )

    def untag(self, job_arn: str, keys: Sequence[str]) -> None:
        """Remove tags, all of them under ``tidegate:``; raises NotFound."""
        check_tag_keys(keys)
        with translated(f"UntagResource {job_arn}"):
            self._client.untag_resource(resourceArn=job_arn, tagKeys=list(keys))

    def executions(
        self, job_id: str, status: ExecutionStatus | None = None
    ) -> Iterator[Sequence[ExecutionSummary]]:
        """Yield pages of the job's executions, newest-updated first; raises NotFound."""
        token: str | None = None
        for _ in range(EXECUTION_PAGES_MAX):
            page = self.executions_page(job_id, status, token)
            yield page.rows
            if page.token is None:
                return
            token = page.token
        message = (
            f"job {job_id} has more than {EXECUTION_PAGES_MAX * PAGE_SIZE} executions: split it"
        )
        raise Refused(message)

    def executions_page(
        self, job_id: str, status: ExecutionStatus | None = None, token: str | None = None
    ) -> ExecutionPage:
        """Return one page of the job's executions, the first by default; raises NotFound."""
        members: dict[str, Any] = {} if status is None else {"status": status.value}
        if token is not None:
            members["nextToken"] = token
        with translated(f"ListJobExecutionsForJob {job_id}"):
            answer = self._client.list_job_executions_for_job(
                jobId=job_id, maxResults=PAGE_SIZE, **members
            )
        rows = [
            _execution(each["thingArn"], each["jobExecutionSummary"])
            for each in answer.get("executionSummaries", [])
        ]
        return ExecutionPage(rows, answer.get("nextToken") or None)

    def active(self) -> Iterator[Sequence[JobListing]]:
        """Yield pages of all jobs that are SCHEDULED or IN_PROGRESS, each page one request."""
        # A job that starts between the two lists is in both this way round, and not in neither.
        for status in (JobStatus.SCHEDULED, JobStatus.IN_PROGRESS):
            yield from self._listed(status)

    def things_in(self, targets: Sequence[str]) -> frozenset[str] | None:
        """
        Return the names of the things that the targets hold.

        None if a target is neither thing nor thing group, or lists are longer than
        ``THING_PAGES_MAX``.
        """
        things = {target: name for target in targets if (name := thing_of(target)) is not None}
        groups = {target: name for target in targets if (name := group_of(target)) is not None}
        if len(things) + len(groups) < len(set(targets)):
            return None
        names, pages = set(things.values()), 0
        for group in groups.values():
            for page in self._things_of(group):
                names.update(page)
                pages += 1
                if pages > THING_PAGES_MAX:
                    return None
        return frozenset(names)

    def create_group(self, name: str, description: str) -> str:
        """Create a thing group and return its ARN; one that stands as asked is done."""
        description = group_description_of(description)
        try:
            with translated(f"CreateThingGroup {name}"):
                answer = self._client.create_thing_group(
                    thingGroupName=name,
                    thingGroupProperties={"thingGroupDescription": description},
                    tags=[{"Key": key, "Value": value} for key, value in GROUP_TAGS.items()],
                )
        except AlreadyExists:
            arn = self._arn("thinggroup", name)
            # As with jobs: of a group that is not Tidegate's, nothing but its tags is read.
            check_own_group(name, self.tags(arn))
            with translated(f"DescribeThingGroup {name}"):
                found = self._client.describe_thing_group(thingGroupName=name)
            standing = found.get("thingGroupProperties", {}).get("thingGroupDescription", "")
            check_same_group(name, standing=standing, asked=description)
            return arn
        return answer["thingGroupArn"]

    def add_to_group(self, name: str, thing_names: Sequence[str]) -> None:
        """Add things to a group, one by one as AWS has it; doing it again adds the rest."""
        for thing_name in thing_names:
            with translated(f"AddThingToThingGroup {thing_name} to {name}"):
                self._client.add_thing_to_thing_group(thingGroupName=name, thingName=thing_name)

    def execution_events_enabled(self) -> bool:
        """Return whether the account publishes JOB_EXECUTION events."""
        with translated("DescribeEventConfigurations"):
            answer = self._client.describe_event_configurations()
        configuration = answer.get("eventConfigurations", {}).get("JOB_EXECUTION", {})
        return configuration.get("Enabled", False)

    def enable_events(self) -> None:
        """Switch JOB and JOB_EXECUTION events on; kinds that are left out stay as they are."""
        with translated("UpdateEventConfigurations"):
            self._client.update_event_configurations(
                eventConfigurations={kind: {"Enabled": True} for kind in EVENT_TYPES}  # type: ignore[misc]
            )

    def _arn(self, kind: str, name: str) -> str:
        names = self._names
        return f"arn:{names.partition}:iot:{names.region}:{names.account_id}:{kind}/{name}"

    def _listed(self, status: JobStatus) -> Iterator[Sequence[JobListing]]:
        """Yield pages of the jobs in a status."""
        token: dict[str, Any] = {}
        for _ in range(ACTIVE_PAGES_MAX):
            with translated(f"ListJobs {status}"):
                answer = self._client.list_jobs(status=status.value, maxResults=PAGE_SIZE, **token)
            yield [_listing(each) for each in answer.get("jobs", [])]
            if not answer.get("nextToken"):
                return
            token = {"nextToken": answer["nextToken"]}
        message = (
            f"the account has more than {ACTIVE_PAGES_MAX * PAGE_SIZE} jobs that are {status}: "
            "cancel those that nobody needs"
        )
        raise Refused(message)

    def _things_of(self, group: str) -> Iterator[Sequence[str]]:
        """Yield pages of the group's things, those of groups within it included."""
        token: dict[str, Any] = {}
        for _ in range(THING_PAGES_MAX + 1):
            with translated(f"ListThingsInThingGroup {group}"):
                answer = self._client.list_things_in_thing_group(
                    thingGroupName=group, recursive=True, maxResults=PAGE_SIZE, **token
                )
            yield answer.get("things", [])
            if not answer.get("nextToken"):
                return
            token = {"nextToken": answer["nextToken"]}


def _job(job: JobTypeDef) -> Job:
    return Job(
        job_id=job["jobId"],
        arn=job["jobArn"],
        status=JobStatus(job["status"]),
        created_at=math.floor(job["createdAt"].timestamp()),
        counts=_counts(job.get("jobProcessDetails", {})),
        settings=JobSettings.from_description(job),
        is_concurrent=job.get("isConcurrent", False),
        is_continuous=job.get("targetSelection") == "CONTINUOUS",
        reason_code=job.get("reasonCode"),
        comment=job.get("comment"),
        targets=tuple(job.get("targets", ())),
        starts_at=epoch_seconds_of(job.get("schedulingConfig", {}).get("startTime")),
    )


def _listing(summary: JobSummaryTypeDef) -> JobListing:
    return JobListing(
        job_id=summary["jobId"],
        arn=summary["jobArn"],
        status=JobStatus(summary["status"]),
        created_at=math.floor(summary["createdAt"].timestamp()),
    )


def _counts(details: JobProcessDetailsTypeDef) -> JobCounts:
    return JobCounts(
        queued=details.get("numberOfQueuedThings", 0),
        in_progress=details.get("numberOfInProgressThings", 0),
        succeeded=details.get("numberOfSucceededThings", 0),
        failed=details.get("numberOfFailedThings", 0),
        rejected=details.get("numberOfRejectedThings", 0),
        timed_out=details.get("numberOfTimedOutThings", 0),
        canceled=details.get("numberOfCanceledThings", 0),
        removed=details.get("numberOfRemovedThings", 0),
    )


def _execution(thing_arn: str, summary: JobExecutionSummaryTypeDef) -> ExecutionSummary:
    started = summary.get("startedAt")
    return ExecutionSummary(
        thing_name=thing_of(thing_arn) or thing_arn,
        status=ExecutionStatus(summary["status"]),
        queued_at=summary["queuedAt"].timestamp(),
        updated_at=summary["lastUpdatedAt"].timestamp(),
        started_at=None if started is None else started.timestamp(),
        execution_number=summary.get("executionNumber", 1),
        retry_attempt=summary.get("retryAttempt", 0),
    )
