"""What IotJobs asks of AWS, and how it reads the answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.adapters.conftest import Script
from tidegate.adapters.aws import jobs as module
from tidegate.adapters.aws.jobs import IotJobs
from tidegate.adapters.aws.variables import BadEnvironment, Variables
from tidegate.domain.jobs import (
    ExecutionStatus,
    ExecutionSummary,
    Job,
    JobCounts,
    JobListing,
    JobStatus,
    LaunchRequest,
)
from tidegate.domain.settings import (
    AbortCriterion,
    FailureType,
    JobSettings,
    PresignedUrl,
    RetryCriterion,
    RolloutRate,
)
from tidegate.errors import NotFound, Refused, RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_iot import IoTClient

ARN = "arn:aws-cn:iot:cn-north-1:111122223333:job/j"
THING = "arn:aws-cn:iot:cn-north-1:111122223333:thing/"
GROUP = "arn:aws-cn:iot:cn-north-1:111122223333:thinggroup/"
SETTINGS = JobSettings(
    rollout=RolloutRate(50),
    abort=(AbortCriterion(FailureType.ALL, 3.5, 20),),
    timeout_minutes=9,
    presigned_url=PresignedUrl("arn:aws:iam::111122223333:role/signer", None),
    retries=(RetryCriterion(FailureType.FAILED, 2),),
    description="d",
)
REQUEST = {
    "jobExecutionsRolloutConfig": {"maximumPerMinute": 50},
    "abortConfig": {
        "criteriaList": [
            {
                "failureType": "ALL",
                "action": "CANCEL",
                "thresholdPercentage": 3.5,
                "minNumberOfExecutedThings": 20,
            }
        ]
    },
    "timeoutConfig": {"inProgressTimeoutInMinutes": 9},
    "presignedUrlConfig": {"roleArn": "arn:aws:iam::111122223333:role/signer"},
    "jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 2}]},
    "description": "d",
}
LAUNCH = LaunchRequest(
    "j",
    (THING + "a",),
    SETTINGS,
    {"document": "{}", "targetSelection": "SNAPSHOT", "description": "not this one"},
    {"tidegate:policy": "firmware"},
)
LAUNCH_REQUEST = {
    "jobId": "j",
    "targets": [THING + "a"],
    "document": "{}",
    "targetSelection": "SNAPSHOT",
    "tags": [{"Key": "tidegate:policy", "Value": "firmware"}],
    **REQUEST,
}


@pytest.fixture
def jobs(iot_client: IoTClient) -> IotJobs:
    """Return the adapter over a client that is scripted."""
    names = {
        "AWS_REGION": "cn-north-1",
        "TIDEGATE_ACCOUNT_ID": "111122223333",
        "TIDEGATE_PARTITION": "aws-cn",
    }
    return IotJobs(iot_client, Variables(names))


def at(seconds: float) -> datetime:
    """Return a time as botocore gives it."""
    return datetime.fromtimestamp(seconds, UTC)


def description(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - plain JSON
    """Return an answer of DescribeJob."""
    job = {
        "jobArn": ARN,
        "jobId": "j",
        "targetSelection": "CONTINUOUS",
        "status": "CANCELED",
        "reasonCode": "ABORT_CANCEL",
        "comment": "too many",
        "targets": [THING + "a"],
        "createdAt": at(1_700_000_000.999),
        "isConcurrent": True,
        "jobProcessDetails": {
            "processingTargets": [THING + "a"],
            "numberOfQueuedThings": 1,
            "numberOfInProgressThings": 2,
            "numberOfSucceededThings": 3,
            "numberOfFailedThings": 4,
            "numberOfRejectedThings": 5,
            "numberOfTimedOutThings": 6,
            "numberOfCanceledThings": 7,
            "numberOfRemovedThings": 8,
        },
        **REQUEST,
    }
    return {"job": {**job, **changes}}


def test_a_job_is_read_whole(jobs: IotJobs, iot: Script) -> None:
    """Every member that Tidegate decides by comes from its own place; the second is cut, not up."""
    iot.answer("describe_job", {"jobId": "j"}, description())

    assert jobs.describe("j") == Job(
        job_id="j",
        arn=ARN,
        status=JobStatus.CANCELED,
        created_at=1_700_000_000,
        counts=JobCounts(1, 2, 3, 4, 5, 6, 7, 8),
        settings=SETTINGS,
        is_concurrent=True,
        is_continuous=True,
        reason_code="ABORT_CANCEL",
        comment="too many",
        targets=(THING + "a",),
    )


def test_a_bare_job_is_read_too(jobs: IotJobs, iot: Script) -> None:
    """Configurations that are empty or absent read as not set, missing counters as none."""
    bare = {
        "jobArn": ARN,
        "jobId": "j",
        "status": "IN_PROGRESS",
        "createdAt": at(1_700_000_000),
        "jobExecutionsRolloutConfig": {},
        "timeoutConfig": {},
        "presignedUrlConfig": {},
    }
    iot.answer("describe_job", {"jobId": "j"}, {"job": bare})

    job = jobs.describe("j")

    assert (job.settings, job.counts) == (JobSettings(), JobCounts())
    assert (job.is_concurrent, job.is_continuous, job.reason_code) == (False, False, None)


@pytest.mark.parametrize(
    ("schedule", "starts_at"),
    [
        ({"startTime": "2030-01-01T00:30"}, 1_893_457_800),
        ({"startTime": "2030-01-01T00:30:15Z"}, 1_893_457_815),
        ({"startTime": "2030-01-01T01:30+01:00"}, 1_893_457_800),
        ({"startTime": "soon"}, None),
        ({"endTime": "2030-01-01T00:30"}, None),
        ({}, None),
    ],
)
def test_a_job_says_when_it_starts(
    jobs: IotJobs, iot: Script, schedule: dict[str, Any], starts_at: float | None
) -> None:
    """The start is UTC unless it says otherwise; one that cannot be read is none."""
    iot.answer("describe_job", {"jobId": "j"}, description(schedulingConfig=schedule))

    assert jobs.describe("j").starts_at == starts_at


def test_an_update_sends_just_these_settings(jobs: IotJobs, iot: Script) -> None:
    """Each setting goes under AWS's name, the namespace beside them, and nothing unasked."""
    iot.answer("update_job", {"jobId": "j", **REQUEST, "namespaceId": "fleet"}, {})
    iot.answer(
        "update_job", {"jobId": "j", "jobExecutionsRolloutConfig": {"maximumPerMinute": 1}}, {}
    )

    jobs.update("j", SETTINGS, namespace_id="fleet")
    jobs.update("j", JobSettings().with_rate(1))


def test_a_refusal_has_awss_words(jobs: IotJobs, iot: Script) -> None:
    """InvalidRequest tells what AWS said, and of which job."""
    iot.refuse("update_job", "InvalidRequestException")

    with pytest.raises(Refused, match="UpdateJob j: InvalidRequestException: in AWS's words"):
        jobs.update("j", SETTINGS)


ASKS = {
    "describe_job": lambda jobs: jobs.describe("j"),
    "update_job": lambda jobs: jobs.update("j", SETTINGS),
    "cancel_job": lambda jobs: jobs.cancel("j", reason_code="X", comment="x"),
}


@pytest.fixture(params=ASKS)
def denied(request: pytest.FixtureRequest, iot: Script) -> Callable[[IotJobs], object]:
    """Let IAM deny a call, and return what makes it."""
    iot.refuse(request.param, "AccessDeniedException")
    return ASKS[request.param]


def test_a_job_that_is_gone_is_not_found_although_denied(
    jobs: IotJobs, iot: Script, denied: Callable[[IotJobs], object]
) -> None:
    """IAM denies what has no tag to go by; that the job is gone is told by its executions."""
    iot.refuse("list_job_executions_for_job", "ResourceNotFoundException")

    with pytest.raises(NotFound):
        denied(jobs)


def test_a_fresh_tag_takes_its_time(
    jobs: IotJobs, iot: Script, denied: Callable[[IotJobs], object]
) -> None:
    """
    A job that carries the tag is Tidegate's: if IAM does not know yet, it will.

    Who may look but not change lacks a permission, and that is said.
    """
    tags = [{"Key": "tidegate:policy", "Value": "firmware"}]
    iot.answer("list_job_executions_for_job", None, {"executionSummaries": []})
    iot.answer("list_tags_for_resource", {"resourceArn": ARN}, {"tags": tags})

    with pytest.raises((RetryLater, Refused), match="tagged") as caught:
        denied(jobs)
    assert isinstance(caught.value, RetryLater) is (denied is ASKS["describe_job"])


def test_a_job_whose_tag_was_taken_away_is_refused(
    jobs: IotJobs, iot: Script, denied: Callable[[IotJobs], object]
) -> None:
    """Somebody took the job out of Tidegate's hands; the message says how to give it back."""
    iot.answer("list_job_executions_for_job", None, {"executionSummaries": []})
    iot.answer("list_tags_for_resource", {"resourceArn": ARN}, {"tags": []})

    with pytest.raises(Refused, match="put the tag back") as caught:
        denied(jobs)
    assert type(caught.value) is Refused


def test_a_request_that_breaks_the_model_is_refused(jobs: IotJobs) -> None:
    """What botocore itself will not send is a refusal like AWS's."""
    with pytest.raises(Refused, match="maximumPerMinute"):
        jobs.update("j", JobSettings(rollout=RolloutRate(0)))


def test_canceling_sends_what_fits(jobs: IotJobs, iot: Script) -> None:
    """Code and comment are made to fit, and left out where nothing is left of them."""
    iot.answer(
        "cancel_job",
        {"jobId": "j", "reasonCode": "HARM_BUDGET", "comment": "a b", "force": False},
        {},
    )
    iot.answer("cancel_job", {"jobId": "j", "force": True}, {})

    jobs.cancel("j", reason_code="harm budget", comment=" a\nb ")
    jobs.cancel("j", reason_code="", comment="\x00", force=True)


def test_a_busy_aws_is_asked_later(jobs: IotJobs, iot: Script) -> None:
    """CancelJob against a limit is retried by whoever needs it, never given up."""
    iot.refuse("cancel_job", "LimitExceededException")

    with pytest.raises(RetryLater):
        jobs.cancel("j", reason_code="X", comment="x")


def test_a_launch_is_one_request(jobs: IotJobs, iot: Script) -> None:
    """First settings and tags are part of CreateJob; Tidegate's settings come before others'."""
    iot.answer("create_job", LAUNCH_REQUEST, {"jobArn": ARN, "jobId": "j"})

    assert jobs.create(LAUNCH) == ARN


def test_a_job_that_stands_as_asked_is_done(jobs: IotJobs, iot: Script) -> None:
    """A default that AWS filled in does not make it another job."""
    filled = {"presignedUrlConfig": {**REQUEST["presignedUrlConfig"], "expiresInSec": 3600}}  # type: ignore[dict-item]
    tags = [{"Key": "tidegate:policy", "Value": "firmware"}, {"Key": "team", "Value": "x"}]
    iot.refuse("create_job", "ResourceAlreadyExistsException")
    iot.answer("list_tags_for_resource", {"resourceArn": ARN}, {"tags": tags})
    iot.answer("describe_job", {"jobId": "j"}, description(status="IN_PROGRESS", **filled))

    assert jobs.create(LAUNCH) == ARN


def test_a_job_that_is_being_deleted_is_not_done(jobs: IotJobs, iot: Script) -> None:
    """What is about to vanish is no success."""
    tags = [{"Key": "tidegate:policy", "Value": "firmware"}]
    iot.refuse("create_job", "ResourceAlreadyExistsException")
    iot.answer("list_tags_for_resource", {"resourceArn": ARN}, {"tags": tags})
    iot.answer("describe_job", {"jobId": "j"}, description(status="DELETION_IN_PROGRESS"))

    with pytest.raises(Refused, match="DELETION_IN_PROGRESS"):
        jobs.create(LAUNCH)


def test_somebody_elses_job_is_not_looked_at(jobs: IotJobs, iot: Script) -> None:
    """Of a job that is not enrolled nothing is read but its tags."""
    iot.refuse("create_job", "ResourceAlreadyExistsException")
    iot.answer("list_tags_for_resource", {"resourceArn": ARN}, {"tags": []})

    with pytest.raises(Refused, match="other tags"):
        jobs.create(LAUNCH)


def test_an_unknown_member_is_refused(jobs: IotJobs) -> None:
    """A launch request from outside cannot smuggle in what CreateJob does not know."""
    with pytest.raises(Refused, match="documnet"):
        jobs.create(LaunchRequest("j", (THING + "a",), SETTINGS, {"documnet": "{}"}))


def test_an_arn_needs_the_account(iot_client: IoTClient) -> None:
    """A function that makes no ARNs need not know the account; one that does says what it lacks."""
    jobs = IotJobs(iot_client, Variables({"AWS_REGION": "cn-north-1"}))

    with pytest.raises(BadEnvironment, match="TIDEGATE_ACCOUNT_ID"):
        jobs.arn("j")


def test_an_arn_is_made_of_its_parts(jobs: IotJobs) -> None:
    """Partition, region and account are the installation's."""
    assert jobs.arn("j") == ARN


def test_all_pages_of_tags_are_read(jobs: IotJobs, iot: Script) -> None:
    """A tag on the second page is a tag."""
    first = {"tags": [{"Key": "a", "Value": "1"}], "nextToken": "more"}
    iot.answer("list_tags_for_resource", {"resourceArn": ARN}, first)
    iot.answer(
        "list_tags_for_resource",
        {"resourceArn": ARN, "nextToken": "more"},
        {"tags": [{"Key": "tidegate:policy", "Value": "firmware"}]},
    )

    assert jobs.tags(ARN) == {"a": "1", "tidegate:policy": "firmware"}


def test_an_unknown_job_has_no_tags(jobs: IotJobs, iot: Script) -> None:
    """A job that is gone is not one without tags."""
    iot.refuse("list_tags_for_resource", "ResourceNotFoundException")

    with pytest.raises(NotFound):
        jobs.tags(ARN)


def test_endless_pages_of_tags_end(
    jobs: IotJobs, iot: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading stops at its limit, in words, even if AWS always has more."""
    monkeypatch.setattr(module, "TAG_PAGES_MAX", 2)
    for _ in range(2):
        iot.answer("list_tags_for_resource", None, {"tags": [], "nextToken": "more"})

    with pytest.raises(Refused, match="2 pages"):
        jobs.tags(ARN)


def rows(*names: str) -> list[dict[str, Any]]:
    """Return rows of ListJobExecutionsForJob."""
    summary = {
        "status": "FAILED",
        "queuedAt": at(10.25),
        "startedAt": at(20.5),
        "lastUpdatedAt": at(30.75),
        "executionNumber": 4,
        "retryAttempt": 2,
    }
    return [{"thingArn": THING + name, "jobExecutionSummary": summary} for name in names]


def test_executions_come_in_awss_largest_pages(jobs: IotJobs, iot: Script) -> None:
    """A page is asked for when it is wanted; names keep their colons, times their fractions."""
    iot.answer(
        "list_job_executions_for_job",
        {"jobId": "j", "maxResults": 250},
        {"executionSummaries": rows("a:thing/b:c"), "nextToken": "more"},
    )
    pages = jobs.executions("j")

    assert list(next(pages)) == [
        ExecutionSummary("a:thing/b:c", ExecutionStatus.FAILED, 10.25, 30.75, 20.5, 4, 2)
    ]

    iot.answer(
        "list_job_executions_for_job",
        {"jobId": "j", "maxResults": 250, "nextToken": "more"},
        {"executionSummaries": rows("d", "e")},
    )
    assert [[row.thing_name for row in page] for page in pages] == [["d", "e"]]


def test_endless_pages_of_executions_end(
    jobs: IotJobs, iot: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading stops at its limit, in words, even if AWS always has more."""
    monkeypatch.setattr(module, "EXECUTION_PAGES_MAX", 2)
    for _ in range(2):
        answer = {"executionSummaries": rows("a"), "nextToken": "more"}
        iot.answer("list_job_executions_for_job", None, answer)

    with pytest.raises(Refused, match="500 executions"):
        list(jobs.executions("j"))


def test_executions_in_one_status_are_asked_for(jobs: IotJobs, iot: Script) -> None:
    """AWS does the sorting out, on each page; a page may be empty before the last."""
    asked = {"jobId": "j", "status": "QUEUED", "maxResults": 250}
    iot.answer(
        "list_job_executions_for_job", asked, {"executionSummaries": [], "nextToken": "more"}
    )
    iot.answer(
        "list_job_executions_for_job",
        {**asked, "nextToken": "more"},
        {"executionSummaries": rows("a")},
    )

    pages = jobs.executions("j", ExecutionStatus.QUEUED)

    assert [[row.thing_name for row in page] for page in pages] == [[], ["a"]]


def summary(job_id: str, status: str) -> dict[str, Any]:
    """Return a row of ListJobs."""
    arn = ARN.replace("job/j", f"job/{job_id}")
    return {"jobId": job_id, "jobArn": arn, "status": status, "createdAt": at(1_700_000_000.999)}


def test_running_jobs_come_in_awss_largest_pages(jobs: IotJobs, iot: Script) -> None:
    """Those that are to begin come first, so that none slips through; the second is cut, not up."""
    first = {"status": "SCHEDULED", "maxResults": 250}
    second = {"status": "IN_PROGRESS", "maxResults": 250}
    iot.answer("list_jobs", first, {"jobs": []})
    iot.answer("list_jobs", second, {"jobs": [summary("a", "IN_PROGRESS")], "nextToken": "more"})
    iot.answer(
        "list_jobs", {**second, "nextToken": "more"}, {"jobs": [summary("b", "IN_PROGRESS")]}
    )

    pages = [list(page) for page in jobs.active()]

    listing = JobListing(
        "a", ARN.replace("job/j", "job/a"), JobStatus.IN_PROGRESS, created_at=1_700_000_000
    )
    assert pages[:2] == [[], [listing]]
    assert [row.job_id for row in pages[2]] == ["b"]


def test_endless_pages_of_jobs_end(
    jobs: IotJobs, iot: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading stops at its limit, in words, even if AWS always has more."""
    monkeypatch.setattr(module, "ACTIVE_PAGES_MAX", 2)
    for _ in range(2):
        iot.answer("list_jobs", None, {"jobs": [], "nextToken": "more"})

    with pytest.raises(Refused, match="500 jobs that are SCHEDULED"):
        list(jobs.active())


GROUP_REQUEST: dict[str, Any] = {
    "thingGroupName": "undo",
    "thingGroupProperties": {"thingGroupDescription": 'undoes "a"'},
    "tags": [{"Key": "tidegate:owner", "Value": "tidegate"}],
}


def test_a_group_is_tidegates_own(jobs: IotJobs, iot: Script) -> None:
    """A new group carries the tag by which IAM lets Tidegate change it."""
    answer = {"thingGroupName": "undo", "thingGroupArn": GROUP + "undo"}
    iot.answer("create_thing_group", GROUP_REQUEST, answer)

    assert jobs.create_group("undo", 'undoes\n"a"') == GROUP + "undo"


def test_a_group_that_stands_as_asked_is_done(jobs: IotJobs, iot: Script) -> None:
    """Tags that others put on it do not make it another group."""
    tags = [*GROUP_REQUEST["tags"], {"Key": "team", "Value": "x"}]
    iot.refuse("create_thing_group", "ResourceAlreadyExistsException")
    iot.answer("list_tags_for_resource", {"resourceArn": GROUP + "undo"}, {"tags": tags})
    properties = {"thingGroupProperties": {"thingGroupDescription": "undoes a"}}
    iot.answer("describe_thing_group", {"thingGroupName": "undo"}, properties)

    assert jobs.create_group("undo", "undoes a") == GROUP + "undo"


def test_a_group_for_something_else_is_refused(jobs: IotJobs, iot: Script) -> None:
    """Things of another rollback are not mixed with these."""
    iot.refuse("create_thing_group", "ResourceAlreadyExistsException")
    iot.answer("list_tags_for_resource", None, {"tags": GROUP_REQUEST["tags"]})
    iot.answer("describe_thing_group", None, {"thingGroupProperties": {}})

    with pytest.raises(Refused, match="for something else"):
        jobs.create_group("undo", "undoes a")


def test_somebody_elses_group_is_not_looked_at(jobs: IotJobs, iot: Script) -> None:
    """Of a group that is not Tidegate's nothing is read but its tags."""
    iot.refuse("create_thing_group", "ResourceAlreadyExistsException")
    iot.answer("list_tags_for_resource", None, {"tags": []})

    with pytest.raises(Refused, match="not Tidegate's"):
        jobs.create_group("undo", "undoes a")


def test_things_are_added_one_by_one(jobs: IotJobs, iot: Script) -> None:
    """AWS takes one at a time; the one that does not exist is named."""
    asked = {"thingGroupName": "undo", "thingName": "a:b"}
    iot.answer("add_thing_to_thing_group", asked, {})
    iot.refuse("add_thing_to_thing_group", "ResourceNotFoundException")

    with pytest.raises(NotFound, match="AddThingToThingGroup c to undo"):
        jobs.add_to_group("undo", ["a:b", "c", "d"])


def test_groups_are_listed_with_the_groups_in_them(jobs: IotJobs, iot: Script) -> None:
    """All pages of all groups are read; each thing is there once, with those named directly."""
    iot.answer(
        "list_things_in_thing_group",
        {"thingGroupName": "g", "recursive": True, "maxResults": 250},
        {"things": ["a", "b:c"], "nextToken": "more"},
    )
    iot.answer(
        "list_things_in_thing_group",
        {"thingGroupName": "g", "recursive": True, "maxResults": 250, "nextToken": "more"},
        {"things": ["d"]},
    )

    things = jobs.things_in([GROUP + "g", THING + "b:c", THING + "e", GROUP + "g"])
    assert things == frozenset({"a", "b:c", "d", "e"})


def test_listing_things_has_an_end(
    jobs: IotJobs, iot: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fleet that takes more pages than allowed is not listed, rather than listed in part."""
    monkeypatch.setattr(module, "THING_PAGES_MAX", 2)
    for _ in range(3):
        answer = {"things": ["a"], "nextToken": "more"}
        iot.answer("list_things_in_thing_group", None, answer)

    assert jobs.things_in([GROUP + "g"]) is None


@pytest.mark.parametrize(
    ("configurations", "enabled"),
    [
        ({"JOB_EXECUTION": {"Enabled": True}}, True),
        ({"JOB_EXECUTION": {"Enabled": False}, "JOB": {"Enabled": True}}, False),
        ({"JOB_EXECUTION": {}}, False),
        ({}, False),
    ],
)
def test_only_a_yes_is_a_yes(
    jobs: IotJobs, iot: Script, configurations: dict[str, Any], *, enabled: bool
) -> None:
    """Execution events are on only where AWS says so of that very kind."""
    answer = {"eventConfigurations": configurations}
    iot.answer("describe_event_configurations", {}, answer)

    assert jobs.execution_events_enabled() is enabled


def test_no_other_events_are_touched(jobs: IotJobs, iot: Script) -> None:
    """The request names two kinds; AWS leaves the rest as they are."""
    kinds = {"JOB": {"Enabled": True}, "JOB_EXECUTION": {"Enabled": True}}
    iot.answer("update_event_configurations", {"eventConfigurations": kinds}, {})

    jobs.enable_events()
