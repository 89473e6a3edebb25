"""
The job that a launch asks for: CreateJob's members, checked by what AWS takes.

Limits: https://docs.aws.amazon.com/iot/latest/apireference/API_CreateJob.html and the constraints
of the botocore service model.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.documents.members import Members
from tidegate.documents.shapes import NAMESPACE_ID, shown
from tidegate.domain.settings import (
    PRESIGNED_URL_SECONDS_MAX,
    PRESIGNED_URL_SECONDS_MIN,
    ROLE_ARN_LENGTH_MAX,
    TIMEOUT_MINUTES_MAX,
    TIMEOUT_MINUTES_MIN,
    FailureType,
    JobSettings,
    PresignedUrl,
    refusals,
)

TARGETS_MAX = 100
TARGET_ARN_LENGTH_MAX = 2048
DOCUMENT_LENGTH_MAX = 32_768
DOCUMENT_SOURCE_LENGTH_MAX = 1350
RESOURCE_ARN_LENGTH_MAX = 1600
PACKAGE_VERSIONS_MAX = 25
PARAMETER_LENGTH_MAX = 30_720
RETRIES_MAX = 10
RETRY_CRITERIA_MAX = 2
RETRYABLE = (FailureType.FAILED, FailureType.TIMED_OUT, FailureType.ALL)
TARGET_SELECTIONS = ("SNAPSHOT", "CONTINUOUS")

#: A job takes 50 tags; these leave room for Tidegate's own.
TAGS_MAX = 45
TAG_KEY_LENGTH_MAX = 128
TAG_VALUE_LENGTH_MAX = 256
RESERVED_TAG_PREFIXES = ("tidegate:", "aws:")

TARGET_ARN = re.compile(
    r"arn:[a-z0-9-]+:iot:[a-z0-9-]+:\d{12}:(?:thing|thinggroup)/[a-zA-Z0-9:_-]{1,128}"
)
RESOURCE_ARN = re.compile(r"arn:[!-~]+")

#: What the device is to do comes in exactly one of these.
DOCUMENT_MEMBERS = ("document", "documentSource", "jobTemplateArn")

#: CreateJob members that Tidegate reads as settings; the policy may overrule them.
SETTINGS = ("description", "presignedUrlConfig", "timeoutConfig", "jobExecutionsRetryConfig")

#: CreateJob members that the policy decides; a launch must not contradict it.
DECIDED_BY_POLICY = ("jobExecutionsRolloutConfig", "abortConfig")


@dataclass(frozen=True, slots=True)
class Launch:
    """
    The job that Tidegate is to create.

    Attributes:
        targets: ARNs of things and thing groups.
        members: Further CreateJob members by AWS's names, ``document`` always as text.
        tags: Tags for the job, besides Tidegate's own.
    """

    targets: tuple[str, ...]
    members: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> JobSettings:
        """Those members that are settings, as values."""
        return JobSettings.from_description(
            {name: value for name, value in self.members.items() if name in SETTINGS}
        )

    @property
    def passed_through(self) -> dict[str, Any]:
        """Those members that are not settings, to hand on unread."""
        return {name: value for name, value in self.members.items() if name not in SETTINGS}

    def to_document(self) -> dict[str, Any]:
        """Return the launch as plain JSON; ``read_launch`` reads it back unchanged."""
        document: dict[str, Any] = {"targets": list(self.targets), **self.members}
        if self.tags:
            document["tags"] = [{"Key": key, "Value": text} for key, text in self.tags.items()]
        return document


def read_launch(members: Members) -> Launch:
    """Take the members of a launch out of an object; faults are noted there."""
    targets = members.items("targets", TARGETS_MAX, _is_target, "ARNs of things or thing groups")
    passed = dict(_document(members))
    for name, read in _READERS.items():
        if name in members:
            passed[name] = read(members, name)
    tags = _tags(members) if "tags" in members else {}
    for name in DECIDED_BY_POLICY:
        members.refuse(name, "is for the policy to decide: leave it out")
    return Launch(tuple(targets), passed, tags)


def _is_target(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= TARGET_ARN_LENGTH_MAX
        and TARGET_ARN.fullmatch(value) is not None
    )


def _is_resource_arn(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= RESOURCE_ARN_LENGTH_MAX
        and RESOURCE_ARN.fullmatch(value) is not None
    )


def _document(members: Members) -> dict[str, Any]:
    given = [name for name in DOCUMENT_MEMBERS if name in members]
    if len(given) != 1:
        one_of = ", ".join(DOCUMENT_MEMBERS)
        members.faults.append(f"one of {one_of} is needed, but {len(given)} are given")
    read: dict[str, Any] = {}
    if "document" in given:
        read["document"] = _document_text(members)
    if "documentSource" in given:
        read["documentSource"] = members.line("documentSource", DOCUMENT_SOURCE_LENGTH_MAX)
    if "jobTemplateArn" in given:
        read["jobTemplateArn"] = members.matching(
            "jobTemplateArn", _is_resource_arn, "give a job template's ARN"
        )
    return read


def _document_text(members: Members) -> str:
    given = members.take("document")
    text = json.dumps(given) if isinstance(given, Mapping) else given
    if not isinstance(text, str) or not _is_json(text):
        members.wrong("document", given, "give JSON, as an object or as a text")
        return ""
    if len(text) > DOCUMENT_LENGTH_MAX:
        members.fault(
            "document",
            f"has {len(text)} characters, but AWS takes at most {DOCUMENT_LENGTH_MAX}: "
            "put it into S3 and give documentSource",
        )
    return text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _description(members: Members, name: str) -> object:
    value = members.take(name)
    if not isinstance(value, str):
        members.wrong(name, value, "give a text")
    else:
        _refuse_what_aws_refuses(members, JobSettings(description=value))
    return value


def _presigned_url(members: Members, name: str) -> object:
    inside = members.inside(name)
    if inside is None:
        return {}
    role_arn = inside.line("roleArn", ROLE_ARN_LENGTH_MAX)
    config: dict[str, Any] = {"roleArn": role_arn}
    if "expiresInSec" in inside:
        config["expiresInSec"] = inside.whole(
            "expiresInSec", PRESIGNED_URL_SECONDS_MIN, PRESIGNED_URL_SECONDS_MAX
        )
    inside.close()
    if role_arn:
        _refuse_what_aws_refuses(members, JobSettings(presigned_url=PresignedUrl(role_arn)))
    return config


def _refuse_what_aws_refuses(members: Members, settings: JobSettings) -> None:
    members.faults.extend(
        refusal.message.rstrip(".") for refusal in refusals(settings, JobSettings())
    )


def _timeout(members: Members, name: str) -> object:
    inside = members.inside(name)
    if inside is None:
        return {}
    minutes = inside.whole("inProgressTimeoutInMinutes", TIMEOUT_MINUTES_MIN, TIMEOUT_MINUTES_MAX)
    inside.close()
    return {"inProgressTimeoutInMinutes": minutes}


def _retries(members: Members, name: str) -> object:
    inside = members.inside(name)
    if inside is None:
        return {}
    criteria = inside.items(
        "criteriaList",
        RETRY_CRITERIA_MAX,
        _is_retry_criterion,
        f"objects of failureType ({', '.join(RETRYABLE)}) and numberOfRetries (0 to {RETRIES_MAX})",
    )
    inside.close()
    return {"criteriaList": criteria}


def _is_retry_criterion(criterion: object) -> bool:
    return (
        isinstance(criterion, Mapping)
        and criterion.keys() == {"failureType", "numberOfRetries"}
        and criterion["failureType"] in RETRYABLE
        and type(criterion["numberOfRetries"]) is int
        and 0 <= criterion["numberOfRetries"] <= RETRIES_MAX
    )


def _target_selection(members: Members, name: str) -> object:
    return members.matching(
        name, TARGET_SELECTIONS.__contains__, f"give {' or '.join(TARGET_SELECTIONS)}"
    )


def _schedule(members: Members, name: str) -> object:
    value = members.take(name)
    if not isinstance(value, Mapping):
        members.wrong(name, value, "give an object, as CreateJob takes it")
    return value


def _parameters(members: Members, name: str) -> object:
    value = members.take(name)
    if not isinstance(value, Mapping) or not all(
        isinstance(text, str) and 1 <= len(text) <= PARAMETER_LENGTH_MAX for text in value.values()
    ):
        members.wrong(name, value, "give an object that holds texts only")
    return value


def _package_versions(members: Members, name: str) -> object:
    return members.items(name, PACKAGE_VERSIONS_MAX, _is_resource_arn, "ARNs of package versions")


def _namespace(members: Members, name: str) -> object:
    return members.matching(name, NAMESPACE_ID.fullmatch, "give letters, digits, - and _")


_READERS: dict[str, Callable[[Members, str], object]] = {
    "description": _description,
    "presignedUrlConfig": _presigned_url,
    "timeoutConfig": _timeout,
    "jobExecutionsRetryConfig": _retries,
    "targetSelection": _target_selection,
    "schedulingConfig": _schedule,
    "documentParameters": _parameters,
    "destinationPackageVersions": _package_versions,
    "namespaceId": _namespace,
}


def _tags(members: Members) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in members.items("tags", TAGS_MAX, _is_tag, "objects of Key and Value"):
        key = tag["Key"]
        if key.lower().startswith(RESERVED_TAG_PREFIXES):
            members.fault("tags", f"has {shown(key)}: keys that begin like this are reserved")
        if key in tags:
            members.fault("tags", f"has {shown(key)} twice: leave one out")
        tags[key] = tag.get("Value", "")
    return tags


def _is_tag(tag: object) -> bool:
    if not isinstance(tag, Mapping) or not {"Key"} <= tag.keys() <= {"Key", "Value"}:
        return False
    key, value = tag["Key"], tag.get("Value", "")
    return (
        isinstance(key, str)
        and 1 <= len(key) <= TAG_KEY_LENGTH_MAX
        and isinstance(value, str)
        and len(value) <= TAG_VALUE_LENGTH_MAX
    )
