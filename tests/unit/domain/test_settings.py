"""Settings are what AWS calls them, and what AWS would refuse is refused before, with a remedy."""

from typing import Any

import pytest
from botocore.exceptions import ParamValidationError
from botocore.model import OperationModel
from botocore.session import Session
from botocore.validate import validate_parameters

from tidegate.domain.settings import (
    RATE_PER_MINUTE_MAX,
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    PresignedUrl,
    RetryCriterion,
    RolloutRate,
    refusals,
)

ROLE_ARN = "arn:aws:iam::111122223333:role/signer"

#: Every member set, each as AWS takes it.
WHOLE = JobSettings(
    rollout=RolloutRate(500, ExponentialRate(50, 1.5, notified_things=1000)),
    abort=(
        AbortCriterion(FailureType.FAILED, 12.34, 100),
        AbortCriterion(FailureType.TIMED_OUT, 100.0, 1),
    ),
    timeout_minutes=45,
    presigned_url=PresignedUrl(ROLE_ARN, 600),
    retries=(RetryCriterion(FailureType.FAILED, 0),),
    description="firmware 7 für alle",
)
#: A job that WHOLE fits.
STANDING = JobSettings(rollout=RolloutRate(10), retries=(RetryCriterion(FailureType.FAILED, 3),))


def growing(**members: Any) -> JobSettings:  # noqa: ANN401 - any members
    """Return settings with an exponential rate, sound but for these members."""
    sound: dict[str, Any] = {
        "base_rate_per_minute": 50,
        "increment_factor": 1.5,
        "notified_things": 100,
    }
    return JobSettings(RolloutRate(500, ExponentialRate(**{**sound, **members})))


def stopping(threshold: float = 10.0, minimum: int = 100) -> JobSettings:
    """Return settings with one abort criterion."""
    return JobSettings(abort=(AbortCriterion(FailureType.ALL, threshold, minimum),))


ROLLOUT = "jobExecutionsRolloutConfig"
GROWTH = f"{ROLLOUT}.exponentialRate"
TIMEOUT = "timeoutConfig.inProgressTimeoutInMinutes"
ABORT = "abortConfig.criteriaList"
RETRIES = "jobExecutionsRetryConfig.criteriaList"
IN_BETWEEN = "choose a value in between"
A_COUNT = ("a count of things starts at 1", "give 1 or more")
ONE_CRITERION = (
    "AWS takes exactly one criterion",
    "give numberOfNotifiedThings or numberOfSucceededThings",
)
PERCENTAGE = ("AWS allows more than 0 and at most 100", "choose one of those")
ROLE = ("AWS wants the ARN of an IAM role", "give arn:aws:iam::ACCOUNT:role/NAME")
NEVER_EMPTY = "AWS needs at least one criterion and cannot clear the list"
TEXT = "AWS allows 1 to 2028 characters"

#: Settings that AWS refuses: the field and its value, the limit, and the remedy.
REFUSED: list[tuple[JobSettings, str, str, str]] = [
    (
        JobSettings(RolloutRate(0)),
        f"{ROLLOUT}.maximumPerMinute is 0",
        "AWS allows 1 to 1000",
        IN_BETWEEN,
    ),
    (
        JobSettings(RolloutRate(1001)),
        f"{ROLLOUT}.maximumPerMinute is 1001",
        "AWS allows 1 to 1000",
        IN_BETWEEN,
    ),
    (
        growing(base_rate_per_minute=0),
        f"{GROWTH}.baseRatePerMinute is 0",
        "AWS allows 1 to 1000",
        IN_BETWEEN,
    ),
    (
        growing(base_rate_per_minute=501),
        f"{GROWTH}.baseRatePerMinute is 501",
        "maximumPerMinute is 500",
        "start at or below the maximum",
    ),
    (
        growing(increment_factor=1.0),
        f"{GROWTH}.incrementFactor is 1.0",
        "AWS allows 1.1 to 5",
        IN_BETWEEN,
    ),
    (
        growing(increment_factor=5.1),
        f"{GROWTH}.incrementFactor is 5.1",
        "AWS allows 1.1 to 5",
        IN_BETWEEN,
    ),
    (
        growing(increment_factor=1.25),
        f"{GROWTH}.incrementFactor is 1.25",
        "AWS allows at most one decimal",
        "round it to 1.2",
    ),
    (growing(notified_things=None), f"{GROWTH}.rateIncreaseCriteria is []", *ONE_CRITERION),
    (growing(succeeded_things=50), f"{GROWTH}.rateIncreaseCriteria is [100, 50]", *ONE_CRITERION),
    (growing(notified_things=0), f"{GROWTH}.rateIncreaseCriteria is 0", *A_COUNT),
    (
        JobSettings(abort=()),
        f"{ABORT} is []",
        NEVER_EMPTY,
        "leave abortConfig out, or give a criterion",
    ),
    (
        JobSettings(abort=(AbortCriterion(FailureType.FAILED, 5, 10),) * 2),
        f"{ABORT}[FAILED] is 'FAILED'",
        "AWS takes one criterion per failure type",
        "merge the two",
    ),
    (stopping(threshold=0), f"{ABORT}[ALL].thresholdPercentage is 0", *PERCENTAGE),
    (stopping(threshold=100.01), f"{ABORT}[ALL].thresholdPercentage is 100.01", *PERCENTAGE),
    (
        stopping(threshold=12.346),
        f"{ABORT}[ALL].thresholdPercentage is 12.346",
        "AWS allows at most two decimals",
        "round it to 12.35",
    ),
    (stopping(minimum=0), f"{ABORT}[ALL].minNumberOfExecutedThings is 0", *A_COUNT),
    (
        JobSettings(timeout_minutes=0),
        f"{TIMEOUT} is 0",
        "AWS allows 1 to 10080",
        IN_BETWEEN,
    ),
    (
        JobSettings(timeout_minutes=10_081),
        f"{TIMEOUT} is 10081",
        "AWS allows 1 to 10080",
        IN_BETWEEN,
    ),
    (
        JobSettings(presigned_url=PresignedUrl(expires_in_seconds=59)),
        "presignedUrlConfig.expiresInSec is 59",
        "AWS allows 60 to 3600",
        IN_BETWEEN,
    ),
    (
        JobSettings(presigned_url=PresignedUrl(expires_in_seconds=3601)),
        "presignedUrlConfig.expiresInSec is 3601",
        "AWS allows 60 to 3600",
        IN_BETWEEN,
    ),
    (
        JobSettings(presigned_url=PresignedUrl("signer")),
        "presignedUrlConfig.roleArn is 'signer'",
        *ROLE,
    ),
    (
        JobSettings(presigned_url=PresignedUrl("arn:aws:s3:::a-bucket-of-ours")),
        "presignedUrlConfig.roleArn is 'arn:aws:s3:::a-bucket-of-ours'",
        *ROLE,
    ),
    (
        JobSettings(retries=(RetryCriterion(FailureType.FAILED, 2),)),
        f"{RETRIES}[FAILED].numberOfRetries is 2",
        "a job's retries can only be lowered to 0 once it exists",
        "set 0, or set the number when the job is created",
    ),
    (
        JobSettings(retries=(RetryCriterion(FailureType.ALL, 0),)),
        f"{RETRIES} is ['ALL']",
        "the job was created with the failure types ['FAILED']",
        "name exactly those, or leave retries out",
    ),
    (
        JobSettings(retries=()),
        f"{RETRIES} is []",
        NEVER_EMPTY,
        "leave retries out, or set them to 0",
    ),
    (JobSettings(description=""), "description is ''", TEXT, "leave it out, or write one"),
    (
        JobSettings(description="x" * 2029),
        "description is '2029 characters'",
        TEXT,
        "shorten it",
    ),
    (
        JobSettings(description="two\nlines"),
        "description is 'two\\nlines'",
        "AWS refuses control characters, line breaks among them",
        "write it on one line",
    ),
]

#: Settings right at AWS's limits.
TAKEN = [
    WHOLE,
    JobSettings(),
    JobSettings(RolloutRate(1)),
    JobSettings(RolloutRate(1000)),
    JobSettings(RolloutRate(1, ExponentialRate(1, 1.1, succeeded_things=1))),
    JobSettings(RolloutRate(1000, ExponentialRate(1000, 5.0, notified_things=1))),
    stopping(threshold=0.01, minimum=1),
    stopping(threshold=100),
    JobSettings(timeout_minutes=1),
    JobSettings(timeout_minutes=10_080),
    JobSettings(presigned_url=PresignedUrl(expires_in_seconds=60)),
    JobSettings(presigned_url=PresignedUrl("arn:aws-cn:iam::111122223333:role/a/b", 3600)),
    JobSettings(description="x"),
    JobSettings(description="ü" * 2028),
]


@pytest.fixture(scope="module", params=["CreateJob", "UpdateJob"])
def operation(request: pytest.FixtureRequest) -> OperationModel:
    """Return AWS's own description of each operation that takes settings."""
    return Session().get_service_model("iot").operation_model(request.param)


def validate(operation: OperationModel, settings: JobSettings) -> None:
    """Have botocore check settings as it does before each call."""
    required = {"jobId": "firmware-7", "targets": ["arn:aws:iot:eu-central-1:1:thing/a"]}
    shape = operation.input_shape
    assert shape
    request = {name: value for name, value in required.items() if name in shape.members}
    validate_parameters({**request, **settings.to_request()}, shape)


@pytest.mark.parametrize(("settings", "found", "limit", "remedy"), REFUSED)
def test_what_aws_refuses_is_refused_with_limit_and_remedy(
    settings: JobSettings, found: str, limit: str, remedy: str
) -> None:
    """Each refusal names the field as AWS does, its value, the limit, and what to do."""
    messages = [each.message for each in refusals(settings, STANDING)]

    assert messages == [f"{found}, but {limit}: {remedy}."]


def test_all_faults_are_told_at_once() -> None:
    """Nobody mends one fault only to hear of the next."""
    faulty = JobSettings(RolloutRate(0), timeout_minutes=0, description="a\tb" * 1000)

    assert [each.field for each in refusals(faulty, STANDING)] == [
        f"{ROLLOUT}.maximumPerMinute",
        TIMEOUT,
        "description",
        "description",
    ]


@pytest.mark.parametrize("settings", TAKEN)
def test_what_lies_on_a_limit_is_taken(settings: JobSettings) -> None:
    """Limits are inclusive; nothing that AWS takes is refused."""
    assert refusals(settings, STANDING) == ()


@pytest.mark.parametrize("settings", TAKEN)
def test_requests_are_what_aws_describes(settings: JobSettings, operation: OperationModel) -> None:
    """Every member has the name, place and type that the service model gives it."""
    validate(operation, settings)


@pytest.mark.parametrize(
    "settings", [JobSettings(abort=()), JobSettings(retries=()), JobSettings(RolloutRate(0))]
)
def test_what_botocore_refuses_is_refused_before(
    settings: JobSettings, operation: OperationModel
) -> None:
    """Nothing that the client library would not even send passes as sound."""
    with pytest.raises(ParamValidationError):
        validate(operation, settings)
    assert refusals(settings, JobSettings()) != ()


def test_requests_carry_every_member_by_its_name() -> None:
    """The whole of what UpdateJob can change, in AWS's shape."""
    assert WHOLE.to_request() == {
        "description": "firmware 7 für alle",
        "jobExecutionsRolloutConfig": {
            "maximumPerMinute": 500,
            "exponentialRate": {
                "baseRatePerMinute": 50,
                "incrementFactor": 1.5,
                "rateIncreaseCriteria": {"numberOfNotifiedThings": 1000},
            },
        },
        "abortConfig": {
            "criteriaList": [
                {
                    "failureType": "FAILED",
                    "action": "CANCEL",
                    "thresholdPercentage": 12.34,
                    "minNumberOfExecutedThings": 100,
                },
                {
                    "failureType": "TIMED_OUT",
                    "action": "CANCEL",
                    "thresholdPercentage": 100.0,
                    "minNumberOfExecutedThings": 1,
                },
            ]
        },
        "timeoutConfig": {"inProgressTimeoutInMinutes": 45},
        "presignedUrlConfig": {"roleArn": ROLE_ARN, "expiresInSec": 600},
        "jobExecutionsRetryConfig": {
            "criteriaList": [{"failureType": "FAILED", "numberOfRetries": 0}]
        },
    }


def test_what_is_not_set_is_not_sent() -> None:
    """AWS keeps what a request leaves out; nothing is ever cleared."""
    assert JobSettings().to_request() == {}
    assert not JobSettings()
    assert JobSettings(description="x")


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"timeoutConfig": {}, "presignedUrlConfig": {}, "schedulingConfig": {}},
        {"jobExecutionsRolloutConfig": {}, "abortConfig": {"criteriaList": []}},
        {"jobExecutionsRolloutConfig": None, "jobExecutionsRetryConfig": {"criteriaList": []}},
    ],
)
def test_empty_configurations_read_as_not_set(description: dict[str, Any]) -> None:
    """AWS gives unset configurations back empty, or not at all."""
    assert JobSettings.from_description(description) == JobSettings()


def test_aws_default_rate_is_its_maximum() -> None:
    """A job without a rollout configuration goes as fast as AWS can."""
    assert JobSettings().rate_per_minute == RATE_PER_MINUTE_MAX
    growing_only = {
        "exponentialRate": {
            "baseRatePerMinute": 10,
            "incrementFactor": 2.0,
            "rateIncreaseCriteria": {"numberOfSucceededThings": 5},
        }
    }
    read = JobSettings.from_description({"jobExecutionsRolloutConfig": growing_only})

    assert read.rollout == RolloutRate(1000, ExponentialRate(10, 2.0, succeeded_things=5))


def test_only_differences_are_sent() -> None:
    """What stands already is not sent again; what is sent replaces its member whole."""
    desired = JobSettings(rollout=RolloutRate(20), description="firmware 7 für alle")

    assert WHOLE.changes_to(desired) == JobSettings(rollout=RolloutRate(20))
    assert WHOLE.changes_to(WHOLE) == JobSettings()
    assert JobSettings().changes_to(WHOLE) == WHOLE
    assert WHOLE.changes_to(JobSettings()) == JobSettings()


def test_another_rate_takes_growth_away() -> None:
    """A hold's rate is constant, whatever growth stood before."""
    held = WHOLE.with_rate(1)

    assert held.rollout == RolloutRate(1)
    assert WHOLE.changes_to(held) == JobSettings(rollout=RolloutRate(1))


def test_attempts_are_the_first_and_all_retries() -> None:
    """A device may fail once for each, and AWS counts each."""
    both = (RetryCriterion(FailureType.FAILED, 2), RetryCriterion(FailureType.TIMED_OUT, 1))

    assert JobSettings().attempts_per_thing == 1
    assert JobSettings(retries=both).attempts_per_thing == 4


def test_what_a_presigned_url_leaves_open_is_no_difference() -> None:
    """AWS fills in how long a URL is valid; that is not sent back at every review."""
    role = "arn:aws:iam::111122223333:role/presign"
    standing = JobSettings(presigned_url=PresignedUrl(role, 3600))

    assert not standing.changes_to(JobSettings(presigned_url=PresignedUrl(role)))
    shorter = JobSettings(presigned_url=PresignedUrl(role, 60))
    assert standing.changes_to(shorter) == shorter


def test_the_order_of_criteria_is_no_difference() -> None:
    """AWS promises no order for the criteria that it gives back."""
    criteria = (
        AbortCriterion(FailureType.FAILED, 20.0, 10),
        AbortCriterion(FailureType.TIMED_OUT, 20.0, 10),
    )
    there = JobSettings(abort=criteria[::-1]).to_request()

    assert JobSettings.from_description(there).abort == criteria
