"""What both lives of the Jobs port read and write alike: names, texts, tags, sameness."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.domain.jobs import Job, JobStatus, LaunchRequest
from tidegate.errors import NotFound, Refused

#: All tags that Tidegate may set or remove begin with this.
TAG_PREFIX = "tidegate:"

#: AWS's limits on CancelJob: https://docs.aws.amazon.com/iot/latest/apireference/API_CancelJob.html
REASON_CODE_LENGTH_MAX = 128
COMMENT_LENGTH_MAX = 2028

#: What a thing group's name and description may be:
#: https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThingGroup.html
GROUP_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
GROUP_DESCRIPTION_LENGTH_MAX = 2028

#: What names of things and ids of jobs may be; no other is there to be found.
THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
JOB_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")

#: The tags of a thing group that Tidegate makes.
GROUP_TAGS = {"tidegate:owner": "tidegate"}

_CUT = "…"
_PLAIN_CUT = "..."
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
    clean = _on_one_line(text)
    if len(clean) <= COMMENT_LENGTH_MAX:
        return clean
    return clean[: COMMENT_LENGTH_MAX - len(_CUT)] + _CUT


def group_description_of(text: str) -> str:
    """
    Return the text as a thing group's description: on one line, in ASCII, cut to AWS's length.

    Accents are dropped, other characters beyond ASCII become question marks; a cut is marked.
    """
    parted = unicodedata.normalize("NFKD", text)
    bare = "".join(each for each in parted if not unicodedata.combining(each))
    plain = _on_one_line(bare).encode("ascii", "replace").decode()
    if len(plain) <= GROUP_DESCRIPTION_LENGTH_MAX:
        return plain
    return plain[: GROUP_DESCRIPTION_LENGTH_MAX - len(_PLAIN_CUT)] + _PLAIN_CUT


def thing_of(arn: str) -> str | None:
    """Return the thing's name, None if it is no thing's ARN; names may hold colons."""
    _, found, name = arn.partition(_THING)
    return name if found else None


def group_of(arn: str) -> str | None:
    """Return the thing group's name, None if it is no thing group's ARN."""
    _, found, name = arn.partition(_GROUP)
    return name if found else None


def check_execution_names(thing_name: str, job_id: str) -> None:
    """
    Raise NotFound if no execution can have these names.

    The data plane takes a job id such as ``$next`` for another execution than any of that job.
    """
    if not THING_NAME.fullmatch(thing_name):
        message = f"there is no thing {thing_name[:128]!r}: correct the name"
        raise NotFound(message)
    if not JOB_ID.fullmatch(job_id):
        message = f"there is no job {job_id[:64]!r}: correct the id"
        raise NotFound(message)


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


def check_own_group(name: str, tags: Mapping[str, str]) -> None:
    """Raise Refused unless a thing group with these tags is one that Tidegate made."""
    if not GROUP_TAGS.items() <= tags.items():
        message = (
            f"thing group {name} exists already and is not Tidegate's: choose another name, "
            "or delete the group"
        )
        raise Refused(message)


def check_same_group(name: str, *, standing: str, asked: str) -> None:
    """Raise Refused unless a group of this standing description is the one that was asked for."""
    if standing != asked:
        message = (
            f"thing group {name} exists already and is for something else ({standing!r}): "
            "choose another name, or delete the group"
        )
        raise Refused(message)


def _on_one_line(text: str) -> str:
    """Return the text without control characters, with single blanks between its words."""
    spaced = (" " if each.isspace() else each for each in text)
    kept = (each for each in spaced if not unicodedata.category(each).startswith("C"))
    return " ".join("".join(kept).split())


def _holds_all(whole: Any, part: Any) -> bool:  # noqa: ANN401 - plain JSON
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _holds_all(whole[key], each) for key, each in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(whole) == len(part) and all(map(_holds_all, whole, part))
    return bool(whole == part)
