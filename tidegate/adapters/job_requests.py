"""What both lives of the Jobs port read and write alike: names, texts, tags, sameness."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.domain.jobs import Job, JobStatus, LaunchRequest
from tidegate.errors import Refused

#: All tags that Tidegate may set or remove begin with this.
TAG_PREFIX = "tidegate:"

#: AWS's limits on CancelJob: https://docs.aws.amazon.com/iot/latest/apireference/API_CancelJob.html
REASON_CODE_LENGTH_MAX = 128
COMMENT_LENGTH_MAX = 2028

_CUT = "…"
_THING = ":thing/"
_GROUP = ":thinggroup/"


def reason_code_of(text: str) -> str:
    """Return the text as a reason code: capitals, digits and underscores."""
    return re.sub(r"[^A-Z0-9_]", "_", text.upper())[:REASON_CODE_LENGTH_MAX]


def comment_of(text: str) -> str:
    """
    Return the text as a comment: on one line, without control characters, cut to AWS's length.

    A cut is marked by an ellipsis.
    """
    spaced = (" " if each.isspace() else each for each in text)
    kept = (each for each in spaced if not unicodedata.category(each).startswith("C"))
    clean = " ".join("".join(kept).split())
    if len(clean) <= COMMENT_LENGTH_MAX:
        return clean
    return clean[: COMMENT_LENGTH_MAX - len(_CUT)] + _CUT


def thing_of(arn: str) -> str | None:
    """Return the thing's name, None if it is no thing's ARN; names may hold colons."""
    _, found, name = arn.partition(_THING)
    return name if found else None


def group_of(arn: str) -> str | None:
    """Return the thing group's name, None if it is no thing group's ARN."""
    _, found, name = arn.partition(_GROUP)
    return name if found else None


def check_tag_keys(keys: Iterable[str]) -> None:
    """Raise Refused if one of the tags is not Tidegate's own."""
    foreign = sorted(key for key in keys if not key.startswith(TAG_PREFIX))
    if foreign:
        message = f"tags {foreign} are not Tidegate's: it changes only those under {TAG_PREFIX!r}"
        raise Refused(message)


def check_same_tags(request: LaunchRequest, tags: Mapping[str, str]) -> None:
    """Raise Refused unless a job with these tags can be the one that was asked for."""
    if not request.tags.items() <= tags.items():
        message = f"job {request.job_id} exists already, with other tags: choose another id"
        raise Refused(message)


def check_same_job(request: LaunchRequest, job: Job) -> None:
    """
    Raise Refused unless the job is the one that was asked for.

    What AWS fills in by itself, such as a default, makes no other job of it; that settings were
    changed since does.
    """
    same = (
        job.status is not JobStatus.DELETION_IN_PROGRESS
        and set(job.targets) == set(request.targets)
        and _holds_all(job.settings.to_request(), request.settings.to_request())
    )
    if not same:
        message = (
            f"job {request.job_id} exists already ({job.status}), with other targets or settings: "
            "choose another id"
        )
        raise Refused(message)


def _holds_all(whole: Any, part: Any) -> bool:  # noqa: ANN401 - plain JSON
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _holds_all(whole[key], each) for key, each in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(whole) == len(part) and all(map(_holds_all, whole, part))
    return bool(whole == part)
