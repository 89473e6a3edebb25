"""``tidegate launch`` and ``tidegate enroll``: how a job becomes a rollout."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from tidegate.cli.account import (
    Access,
    Account,
    JobId,
    opened,
)
from tidegate.cli.options import spread
from tidegate.cli.policies import PolicyNamed, policy_of
from tidegate.cli.reading import read_text
from tidegate.cli.sending import Waiting, begun, send, taken, tell
from tidegate.console.worded import stamped
from tidegate.documents.detail_types import ENROLL_JOB, LAUNCH_ROLLOUT
from tidegate.documents.shapes import shown
from tidegate.errors import Refused

#: Members of a launch of which one has the job document, or leads to it.
_DOCUMENTS = ("document", "documentSource", "jobTemplateArn")


@spread
def launch(
    context: typer.Context,
    job_id: JobId,
    *,
    policy: PolicyNamed,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="ARN", help="Of a thing or thing group; repeatable."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="NAME", help="A thing group of the account; repeatable."),
    ] = None,
    thing: Annotated[
        list[str] | None,
        typer.Option("--thing", metavar="NAME", help="A thing of the account; repeatable."),
    ] = None,
    document: Annotated[
        str | None,
        typer.Option("--document", metavar="FILE", help="The job document; - for stdin."),
    ] = None,
    document_source: Annotated[
        str | None,
        typer.Option("--document-source", metavar="URL", help="Where the document is in S3."),
    ] = None,
    job_template: Annotated[
        str | None,
        typer.Option("--job-template", metavar="ARN", help="A template with the document."),
    ] = None,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="Of the job.")
    ] = None,
    continuous: Annotated[
        bool, typer.Option("--continuous", help="Devices that join the targets later get it too.")
    ] = False,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="KEY=VALUE", help="Of the job; repeatable."),
    ] = None,
    members: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="FILE",
            help="JSON with further members of CreateJob; options prevail over it.",
        ),
    ] = None,
    waiting: Waiting,
    access: Access,
) -> None:
    """Create a job and steer it from its first minute."""
    given = policy_of(policy)
    asked = {
        **_members(members, job_id),
        **_present(
            document=None if document is None else read_text(document, what="the job document"),
            documentSource=document_source,
            jobTemplateArn=job_template,
            description=description,
            targetSelection="CONTINUOUS" if continuous else None,
            tags=_tags(tag),
        ),
    }
    _require_whole(asked, has_targets=bool(target or group or thing or asked.get("targets")))
    with opened(context, access) as account:
        if targets := _targets(account, target or (), group or (), thing or ()):
            asked["targets"] = targets
        _begin(account, waiting, LAUNCH_ROLLOUT, job_id, {**asked, "policy": given})


@spread
def enroll(
    context: typer.Context,
    job_id: JobId,
    *,
    policy: PolicyNamed,
    waiting: Waiting,
    access: Access,
) -> None:
    """Steer a job that exists and is SCHEDULED or IN_PROGRESS."""
    given = policy_of(policy)
    with opened(context, access) as account:
        _begin(account, waiting, ENROLL_JOB, job_id, {"policy": given})


def _begin(
    account: Account, waiting: Waiting, detail_type: str, job_id: str, members: Mapping[str, Any]
) -> None:
    """Send a command that begins a rollout, and wait until that is there."""
    command = send(account, detail_type, job_id, **members)
    if not taken(account, waiting, command):
        return
    rollout = begun(account, waiting, command)
    devices = "" if rollout.fleet_size is None else f" for {rollout.fleet_size:,} devices"
    said = f"{job_id} is rolling out{devices} under policy {rollout.policy.name}"
    tell(waiting, command, "done", said, created_at=stamped(rollout.key.created_at))


def _require_whole(asked: Mapping[str, Any], *, has_targets: bool) -> None:
    """Refuse a launch that lacks what it is of or for, in the words of the command line."""
    lacks = [] if has_targets else ["nobody is named to get it: give --group, --thing or --target"]
    documents = sum(asked.get(name) is not None for name in _DOCUMENTS)
    if documents != 1:
        lacks.append(
            "one of --document, --document-source and --job-template is needed, but "
            f"{documents} are given"
        )
    if lacks:
        raise Refused("\n".join(lacks))


def _targets(
    account: Account, arns: Sequence[str], groups: Sequence[str], things: Sequence[str]
) -> list[str]:
    return [
        *arns,
        *(account.arn("iot", f"thinggroup/{name}") for name in groups),
        *(account.arn("iot", f"thing/{name}") for name in things),
    ]


def _present(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def _tags(given: Sequence[str] | None) -> list[dict[str, str]] | None:
    if not given:
        return None
    tags = []
    for each in given:
        key, is_pair, value = each.partition("=")
        if not is_pair or not key:
            message = f"--tag is {shown(each)}: write KEY=VALUE"
            raise Refused(message)
        tags.append({"Key": key, "Value": value})
    return tags


def _members(path: str | None, job_id: str) -> dict[str, Any]:
    """Return what a file holds, but for the id that the command line gives."""
    if path is None:
        return {}
    text = read_text(path, what="the job's members")
    try:
        given = json.loads(text)
    except ValueError as error:
        message = f"{path}: not readable as JSON: {error}"
        raise Refused(message) from error
    except RecursionError:
        message = f"{path}: not readable as JSON: it is nested too deep"
        raise Refused(message) from None
    if not isinstance(given, dict):
        message = f"{path} holds {shown(given)}: write an object with members of CreateJob"
        raise Refused(message)
    if given.pop("jobId", job_id) != job_id:
        message = f"{path} has another jobId than {job_id}: leave it out there"
        raise Refused(message)
    return given
