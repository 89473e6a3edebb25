"""
The settings that UpdateJob can change: as values, as AWS's request shape, and AWS's limits on them.

AWS validates most of these only on the server, and answers InvalidRequestException without saying
what would be right. ``refusals`` finds the same faults before the call and says so.
Limits: https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateJob.html and the constraints
of the botocore service model; decision record 0003 lists where AWS's documents disagree.
"""

import math
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

RATE_PER_MINUTE_MIN = 1
RATE_PER_MINUTE_MAX = 1000
INCREMENT_FACTOR_MIN = 1.1
INCREMENT_FACTOR_MAX = 5.0
TIMEOUT_MINUTES_MIN = 1
TIMEOUT_MINUTES_MAX = 10_080
PRESIGNED_URL_SECONDS_MIN = 60
PRESIGNED_URL_SECONDS_MAX = 3600
TEXT_LENGTH_MAX = 2028
ROLE_ARN_LENGTH_MIN = 20
ROLE_ARN_LENGTH_MAX = 2048

_NEVER_EMPTY = "AWS needs at least one criterion and cannot clear the list"


class FailureType(StrEnum):
    """Which executions an abort or retry criterion counts; ALL is any of the three."""

    FAILED = "FAILED"
    REJECTED = "REJECTED"
    TIMED_OUT = "TIMED_OUT"
    ALL = "ALL"


@dataclass(frozen=True, slots=True)
class ExponentialRate:
    """
    AWS's own growth of the rate: times ``increment_factor`` at each multiple of a count.

    Exactly one of ``notified_things`` and ``succeeded_things`` is set.
    """

    base_rate_per_minute: int
    increment_factor: float
    notified_things: int | None = None
    succeeded_things: int | None = None


@dataclass(frozen=True, slots=True)
class RolloutRate:
    """How many executions AWS creates per minute: constant, or growing up to the maximum."""

    maximum_per_minute: int
    exponential: ExponentialRate | None = None


@dataclass(frozen=True, slots=True)
class AbortCriterion:
    """
    AWS cancels the job once ``failure_type`` makes up the percentage of executed things.

    ``threshold_percentage`` takes at most two decimals; ``min_executed_things`` is the number of
    executed things before which the criterion is not looked at.
    """

    failure_type: FailureType
    threshold_percentage: float
    min_executed_things: int


@dataclass(frozen=True, slots=True)
class PresignedUrl:
    """Which role signs S3 URLs in the job document, and for how long they are valid."""

    role_arn: str | None = None
    expires_in_seconds: int | None = None

    def over(self, standing: "PresignedUrl") -> "PresignedUrl":
        """Return this with what it leaves open as it stands: AWS fills its own defaults in."""
        return PresignedUrl(
            self.role_arn or standing.role_arn,
            self.expires_in_seconds or standing.expires_in_seconds,
        )


@dataclass(frozen=True, slots=True)
class RetryCriterion:
    """How often AWS runs a failed execution again; UpdateJob can only set it to 0."""

    failure_type: FailureType
    number_of_retries: int


@dataclass(frozen=True, slots=True)
class JobSettings:
    """
    The settings of a job; None in a field means "not set" or "leave it as it stands".

    ``timeout_minutes`` is the in-progress timeout; a change reaches later starts only.
    """

    rollout: RolloutRate | None = None
    abort: tuple[AbortCriterion, ...] | None = None
    timeout_minutes: int | None = None
    presigned_url: PresignedUrl | None = None
    retries: tuple[RetryCriterion, ...] | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        """Put criteria in one order: AWS promises none, and a different one is no difference."""
        if self.abort is not None:
            object.__setattr__(self, "abort", tuple(sorted(self.abort, key=_failure_type_of)))
        if self.retries is not None:
            object.__setattr__(self, "retries", tuple(sorted(self.retries, key=_failure_type_of)))

    def __bool__(self) -> bool:
        """Whether any field is set."""
        return any(getattr(self, each.name) is not None for each in fields(self))

    def changes_to(self, desired: "JobSettings") -> "JobSettings":
        """Return the fields of ``desired`` that are set and differ from these."""
        wanted = desired
        if self.presigned_url and desired.presigned_url:
            wanted = replace(desired, presigned_url=desired.presigned_url.over(self.presigned_url))
        return JobSettings(
            **{
                each.name: getattr(wanted, each.name)
                for each in fields(self)
                if getattr(wanted, each.name) is not None
                and getattr(wanted, each.name) != getattr(self, each.name)
            }
        )

    def with_rate(self, rate_per_minute: int) -> "JobSettings":
        """Return these settings with a constant rate in place of theirs."""
        return replace(self, rollout=RolloutRate(rate_per_minute))

    @property
    def rate_per_minute(self) -> int:
        """The rate in force; AWS's default is its maximum."""
        return self.rollout.maximum_per_minute if self.rollout else RATE_PER_MINUTE_MAX

    @property
    def attempts_per_thing(self) -> int:
        """How many executions one thing may need at most: the first and all retries."""
        return 1 + sum(each.number_of_retries for each in self.retries or ())

    def to_request(self) -> dict[str, Any]:
        """Return the members of UpdateJob (and CreateJob), those that are set."""
        request: dict[str, Any] = {}
        if self.description is not None:
            request["description"] = self.description
        if self.rollout is not None:
            request["jobExecutionsRolloutConfig"] = _rollout_to_request(self.rollout)
        if self.abort is not None:
            request["abortConfig"] = {"criteriaList": [_abort_to_request(c) for c in self.abort]}
        if self.timeout_minutes is not None:
            request["timeoutConfig"] = {"inProgressTimeoutInMinutes": self.timeout_minutes}
        if self.presigned_url is not None:
            request["presignedUrlConfig"] = _presigned_to_request(self.presigned_url)
        if self.retries is not None:
            request["jobExecutionsRetryConfig"] = {
                "criteriaList": [
                    {
                        "failureType": each.failure_type.value,
                        "numberOfRetries": each.number_of_retries,
                    }
                    for each in self.retries
                ]
            }
        return request

    @classmethod
    def from_description(cls, job: Mapping[str, Any]) -> "JobSettings":
        """
        Read the settings out of DescribeJob's ``job`` (or of ``to_request``'s result).

        AWS gives unset configurations back as ``{}`` or not at all; both read as None.
        """
        abort = (job.get("abortConfig") or {}).get("criteriaList")
        retries = (job.get("jobExecutionsRetryConfig") or {}).get("criteriaList")
        return cls(
            rollout=_rollout_from_description(job.get("jobExecutionsRolloutConfig") or {}),
            abort=tuple(_abort_from_description(each) for each in abort) if abort else None,
            timeout_minutes=(job.get("timeoutConfig") or {}).get("inProgressTimeoutInMinutes"),
            presigned_url=_presigned_from_description(job.get("presignedUrlConfig") or {}),
            retries=tuple(_retry_from_description(each) for each in retries) if retries else None,
            description=job.get("description"),
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why AWS would reject a setting: where, what the limit is, what to do."""

    field: str
    value: object
    limit: str
    remedy: str

    @property
    def message(self) -> str:
        """The refusal as one sentence."""
        return f"{self.field} is {self.value!r}, but {self.limit}: {self.remedy}."


def refusals(desired: JobSettings, standing: JobSettings) -> tuple[Refusal, ...]:
    """Return every reason for which UpdateJob would reject ``desired`` on such a job."""
    return (
        *_rollout_refusals(desired.rollout),
        *_abort_refusals(desired.abort),
        *_timeout_refusals(desired.timeout_minutes),
        *_presigned_refusals(desired.presigned_url),
        *_retry_refusals(desired.retries, standing.retries),
        *_text_refusals("description", desired.description),
    )


def _between(field: str, value: float, low: float, high: float) -> Iterator[Refusal]:
    if not low <= value <= high:
        yield Refusal(field, value, f"AWS allows {low:g} to {high:g}", "choose a value in between")


def _at_most_decimals(field: str, value: float, decimals: int) -> Iterator[Refusal]:
    if not math.isclose(round(value, decimals), value, rel_tol=0, abs_tol=1e-12):
        word = "one decimal" if decimals == 1 else "two decimals"
        remedy = f"round it to {round(value, decimals)}"
        yield Refusal(field, value, f"AWS allows at most {word}", remedy)


def _rollout_refusals(rollout: RolloutRate | None) -> Iterator[Refusal]:
    if rollout is None:
        return
    at = "jobExecutionsRolloutConfig"
    yield from _between(
        f"{at}.maximumPerMinute",
        rollout.maximum_per_minute,
        RATE_PER_MINUTE_MIN,
        RATE_PER_MINUTE_MAX,
    )
    if rollout.exponential is not None:
        yield from _exponential_refusals(rollout, rollout.exponential, f"{at}.exponentialRate")


def _exponential_refusals(
    rollout: RolloutRate, rate: ExponentialRate, at: str
) -> Iterator[Refusal]:
    base = rate.base_rate_per_minute
    yield from _between(f"{at}.baseRatePerMinute", base, RATE_PER_MINUTE_MIN, RATE_PER_MINUTE_MAX)
    if base > rollout.maximum_per_minute:
        yield Refusal(
            f"{at}.baseRatePerMinute",
            base,
            f"maximumPerMinute is {rollout.maximum_per_minute}",
            "start at or below the maximum",
        )
    factor = rate.increment_factor
    yield from _between(f"{at}.incrementFactor", factor, INCREMENT_FACTOR_MIN, INCREMENT_FACTOR_MAX)
    yield from _at_most_decimals(f"{at}.incrementFactor", factor, 1)
    given = [n for n in (rate.notified_things, rate.succeeded_things) if n is not None]
    if len(given) != 1:
        yield Refusal(
            f"{at}.rateIncreaseCriteria",
            given,
            "AWS takes exactly one criterion",
            "give numberOfNotifiedThings or numberOfSucceededThings",
        )
    for number in given:
        if number < 1:
            limit = "a count of things starts at 1"
            yield Refusal(f"{at}.rateIncreaseCriteria", number, limit, "give 1 or more")


def _abort_refusals(criteria: tuple[AbortCriterion, ...] | None) -> Iterator[Refusal]:
    if criteria is None:
        return
    at = "abortConfig.criteriaList"
    if not criteria:
        yield Refusal(at, [], _NEVER_EMPTY, "leave abortConfig out, or give a criterion")
    seen: set[FailureType] = set()
    for criterion in criteria:
        where = f"{at}[{criterion.failure_type}]"
        if criterion.failure_type in seen:
            limit = "AWS takes one criterion per failure type"
            yield Refusal(where, criterion.failure_type.value, limit, "merge the two")
        seen.add(criterion.failure_type)
        threshold = criterion.threshold_percentage
        if not 0 < threshold <= 100:  # noqa: PLR2004 - a percentage
            limit = "AWS allows more than 0 and at most 100"
            yield Refusal(f"{where}.thresholdPercentage", threshold, limit, "choose one of those")
        yield from _at_most_decimals(f"{where}.thresholdPercentage", threshold, 2)
        if criterion.min_executed_things < 1:
            yield Refusal(
                f"{where}.minNumberOfExecutedThings",
                criterion.min_executed_things,
                "a count of things starts at 1",
                "give 1 or more",
            )


def _timeout_refusals(minutes: int | None) -> Iterator[Refusal]:
    if minutes is not None:
        at = "timeoutConfig.inProgressTimeoutInMinutes"
        yield from _between(at, minutes, TIMEOUT_MINUTES_MIN, TIMEOUT_MINUTES_MAX)


def _presigned_refusals(presigned: PresignedUrl | None) -> Iterator[Refusal]:
    if presigned is None:
        return
    if presigned.expires_in_seconds is not None:
        yield from _between(
            "presignedUrlConfig.expiresInSec",
            presigned.expires_in_seconds,
            PRESIGNED_URL_SECONDS_MIN,
            PRESIGNED_URL_SECONDS_MAX,
        )
    role = presigned.role_arn
    if role is not None and not (
        ROLE_ARN_LENGTH_MIN <= len(role) <= ROLE_ARN_LENGTH_MAX
        and role.startswith("arn:")
        and ":role/" in role
    ):
        limit = "AWS wants the ARN of an IAM role"
        remedy = "give arn:aws:iam::ACCOUNT:role/NAME"
        yield Refusal("presignedUrlConfig.roleArn", role, limit, remedy)


def _retry_refusals(
    desired: tuple[RetryCriterion, ...] | None, standing: tuple[RetryCriterion, ...] | None
) -> Iterator[Refusal]:
    if desired is None:
        return
    at = "jobExecutionsRetryConfig.criteriaList"
    if not desired:
        yield Refusal(at, [], _NEVER_EMPTY, "leave retries out, or set them to 0")
        return
    for criterion in desired:
        if criterion.number_of_retries != 0:
            yield Refusal(
                f"{at}[{criterion.failure_type}].numberOfRetries",
                criterion.number_of_retries,
                "a job's retries can only be lowered to 0 once it exists",
                "set 0, or set the number when the job is created",
            )
    types = sorted(each.failure_type.value for each in desired)
    existing = sorted(each.failure_type.value for each in standing or ())
    if types != existing:
        limit = f"the job was created with the failure types {existing}"
        yield Refusal(at, types, limit, "name exactly those, or leave retries out")


def _text_refusals(field: str, text: str | None) -> Iterator[Refusal]:
    if text is None:
        return
    limit = f"AWS allows 1 to {TEXT_LENGTH_MAX} characters"
    if not text:
        yield Refusal(field, text, limit, "leave it out, or write one")
    if len(text) > TEXT_LENGTH_MAX:
        yield Refusal(field, f"{len(text)} characters", limit, "shorten it")
    if any(unicodedata.category(character).startswith("C") for character in text):
        limit = "AWS refuses control characters, line breaks among them"
        yield Refusal(field, text[:40], limit, "write it on one line")


def _rollout_to_request(rollout: RolloutRate) -> dict[str, Any]:
    request: dict[str, Any] = {"maximumPerMinute": rollout.maximum_per_minute}
    rate = rollout.exponential
    if rate is not None:
        criteria = {
            "numberOfNotifiedThings": rate.notified_things,
            "numberOfSucceededThings": rate.succeeded_things,
        }
        request["exponentialRate"] = {
            "baseRatePerMinute": rate.base_rate_per_minute,
            "incrementFactor": rate.increment_factor,
            "rateIncreaseCriteria": {k: v for k, v in criteria.items() if v is not None},
        }
    return request


def _rollout_from_description(config: Mapping[str, Any]) -> RolloutRate | None:
    if not config:
        return None
    rate = config.get("exponentialRate")
    criteria = (rate or {}).get("rateIncreaseCriteria") or {}
    return RolloutRate(
        maximum_per_minute=config.get("maximumPerMinute", RATE_PER_MINUTE_MAX),
        exponential=ExponentialRate(
            base_rate_per_minute=rate["baseRatePerMinute"],
            increment_factor=rate["incrementFactor"],
            notified_things=criteria.get("numberOfNotifiedThings"),
            succeeded_things=criteria.get("numberOfSucceededThings"),
        )
        if rate
        else None,
    )


def _abort_to_request(criterion: AbortCriterion) -> dict[str, Any]:
    return {
        "failureType": criterion.failure_type.value,
        "action": "CANCEL",
        "thresholdPercentage": criterion.threshold_percentage,
        "minNumberOfExecutedThings": criterion.min_executed_things,
    }


def _abort_from_description(criterion: Mapping[str, Any]) -> AbortCriterion:
    return AbortCriterion(
        failure_type=FailureType(criterion["failureType"]),
        threshold_percentage=float(criterion["thresholdPercentage"]),
        min_executed_things=criterion["minNumberOfExecutedThings"],
    )


def _retry_from_description(criterion: Mapping[str, Any]) -> RetryCriterion:
    return RetryCriterion(
        failure_type=FailureType(criterion["failureType"]),
        number_of_retries=criterion["numberOfRetries"],
    )


def _failure_type_of(criterion: AbortCriterion | RetryCriterion) -> str:
    """Order criteria, of which AWS takes at most one per failure type."""
    return criterion.failure_type.value


def _presigned_to_request(presigned: PresignedUrl) -> dict[str, Any]:
    members = {"roleArn": presigned.role_arn, "expiresInSec": presigned.expires_in_seconds}
    return {name: value for name, value in members.items() if value is not None}


def _presigned_from_description(config: Mapping[str, Any]) -> PresignedUrl | None:
    if not config:
        return None
    return PresignedUrl(config.get("roleArn"), config.get("expiresInSec"))
