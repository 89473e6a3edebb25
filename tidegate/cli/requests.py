"""What people ask of a rollout that goes on: ``hold``, ``abort``, ``approve`` and others."""

import re
import sys
from typing import Annotated

import typer

from tidegate.cli.account import (
    Access,
    Account,
    AsJson,
    EndpointUrl,
    Environment,
    JobId,
    Profile,
    Region,
    opened,
)
from tidegate.cli.exits import ExitStatus, Failed
from tidegate.cli.policies import policy_of
from tidegate.cli.sending import WAIT_SECONDS, By, Manner, NoWait, WaitSeconds, ask
from tidegate.documents.detail_types import (
    ABORT_ROLLOUT,
    ADJUST_POLICY,
    APPROVE_DECISION,
    APPROVE_GATE,
    HOLD_ROLLOUT,
    REJECT_DECISION,
    REJECT_GATE,
    RELEASE_COHORT,
    RESUME_ROLLOUT,
)
from tidegate.domain.course import About, Question

Reason = Annotated[str, typer.Option("--reason", "-m", metavar="TEXT", help="Why.")]
Comment = Annotated[
    str, typer.Option("--comment", "-m", metavar="TEXT", help="What your answer rests on.")
]
QuestionId = Annotated[
    str | None,
    typer.Argument(
        metavar="QUESTION",
        help="What is answered, like canary-approval or decision-31.",
        show_default="the only one that waits",
    ),
]

#: The ids of questions about decisions; all others are a gate's.
_DECISION = re.compile(r"decision-\d+")


def hold(
    context: typer.Context,
    job_id: JobId,
    *,
    reason: Reason,
    by: By = None,
    no_wait: NoWait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    as_json: AsJson = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    environment: Environment = "",
) -> None:
    """
    Hold a rollout at AWS's lowest pace until somebody resumes it.

    AWS has no pause: one device a minute still gets the job.
    """
    manner = Manner(by, None if no_wait else timeout, as_json)
    with opened(context, Access(profile, region, endpoint_url, environment)) as account:
        said = f"{job_id} is to be held: its review begins now"
        ask(account, manner, HOLD_ROLLOUT, job_id, said, reason=reason)


def resume(
    context: typer.Context,
    job_id: JobId,
    *,
    reason: Reason,
    by: By = None,
    no_wait: NoWait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    as_json: AsJson = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    environment: Environment = "",
) -> None:
    """
    Lift all holds that operators placed on a rollout.

    Those of alarms, calendars and other rollouts stay until their cause is gone.
    """
    manner = Manner(by, None if no_wait else timeout, as_json)
    with opened(context, Access(profile, region, endpoint_url, environment)) as account:
        said = f"operators' holds of {job_id} are lifted: its review begins now"
        ask(account, manner, RESUME_ROLLOUT, job_id, said, reason=reason)


def abort(
    context: typer.Context,
    job_id: JobId,
    *,
    reason: Reason,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask at a terminal whether it is meant.")
    ] = False,
    by: By = None,
    no_wait: NoWait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    as_json: AsJson = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    environment: Environment = "",
) -> None:
    """Stop a rollout for good: its job is canceled."""
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Stop {job_id} for good?", abort=True, err=True)
    manner = Manner(by, None if no_wait else timeout, as_json)
    with opened(context, Access(profile, region, endpoint_url, environment)) as account:
        said = f"{job_id} is to be stopped for good: its review begins now"
        ask(account, manner, ABORT_ROLLOUT, job_id, said, reason=reason)


def approve(
    context: typer.Context,
    job_id: JobId,
    question_id: QuestionId = None,
    *,
    comment: Comment,
    by: By = None,
    no_wait: NoWait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    as_json: AsJson = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    environment: Environment = "",
) -> None:
    """
    Say yes to what a rollout asks.

    It is a gate that asks, or Tidegate that proposes something; the first answer counts.
    """
    manner = Manner(by, None if no_wait else timeout, as_json)
    with opened(context, Access(profile, region, endpoint_url, environment)) as account:
        _answer(account, manner, job_id, question_id, comment, yes=True)


def reject(
    context: typer.Context,
    job_id: JobId,
    question_id: QuestionId = None,
    *,
    comment: Comment,
    by: By = None,
    no_wait: NoWait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    as_json: AsJson = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    environment: Environment = "",
) -> None:
    """
    Say no to what a rollout asks.

    It is a gate that asks, or Tidegate that proposes something; the policy says what follows.
    """
    manner = Manner(by, None if no_wait else timeout, as_json)
    with opened(context, Access(profile, region, endpoint_url, environment)) as account:
        _answer(account, manner, job_id, question_id, comment, yes=False)


def adjust(
    context: typer.Context,
    job_id: JobId,
    *,
    policy: Annotated[
        str,
        typer.Option("--policy", metavar="NAME|FILE", help="A policy's name, or its YAML file."),
    ],
    reason: Reason,
    by: By = None,
    no_wait: NoWait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    as_json: AsJson = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    environment: Environment = "",
) -> None:
    """Steer a rollout by another policy from its next review on."""
    given = policy_of(policy)
    manner = Manner(by, None if no_wait else timeout, as_json)
    with opened(context, Access(profile, region, endpoint_url, environment)) as account:
        said = f"{job_id} is steered by policy {policy}: its review begins now"
        ask(account, manner, ADJUST_POLICY, job_id, said, policy=given, reason=reason)


def release(
    context: typer.Context,
    job_id: JobId,
    *,
    cohort: Annotated[
        str, typer.Option("--cohort", metavar="KEY=VALUE", help="As `tidegate explain` names it.")
    ],
    reason: Reason,
    by: By = None,
    no_wait: NoWait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    as_json: AsJson = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    environment: Environment = "",
) -> None:
    """
    Treat a cohort of devices like all others.

    It is not suspected again; what its devices harm counts with the rest.
    """
    manner = Manner(by, None if no_wait else timeout, as_json)
    with opened(context, Access(profile, region, endpoint_url, environment)) as account:
        said = f"cohort {cohort} of {job_id} is treated like all others: its review begins now"
        ask(account, manner, RELEASE_COHORT, job_id, said, cohort=cohort, reason=reason)


def _answer(
    account: Account,
    manner: Manner,
    job_id: str,
    question_id: str | None,
    comment: str,
    *,
    yes: bool,
) -> None:
    pending = _pending(account, job_id)
    chosen = question_id or _only(job_id, pending)
    asked = next((each for each in pending if each.question_id == chosen), None)
    # What is pending no longer, or not yet, is for the service to refuse.
    is_decision = asked.about is About.DECISION if asked else _DECISION.fullmatch(chosen)
    kinds = (APPROVE_DECISION, REJECT_DECISION) if is_decision else (APPROVE_GATE, REJECT_GATE)
    said = f"{'yes' if yes else 'no'} to {chosen} of {job_id} is noted: its review begins now"
    kind = kinds[0] if yes else kinds[1]
    ask(account, manner, kind, job_id, said, correlationId=chosen, comment=comment)


def _pending(account: Account, job_id: str) -> tuple[Question, ...]:
    rollout = account.ledger.current([job_id]).get(job_id)
    return () if rollout is None or rollout.ending is not None else rollout.course.pending


def _only(job_id: str, pending: tuple[Question, ...]) -> str:
    """Return the id of the only question; raise Failed if there is none, or more than one."""
    if len(pending) == 1:
        return pending[0].question_id
    if not pending:
        message = f"{job_id} asks nothing: see `tidegate status {job_id}`"
        raise Failed(message, ExitStatus.NOT_FOUND)
    ids = ", ".join(each.question_id for each in pending)
    message = f"{job_id} asks more than one thing: name one of {ids} behind the job"
    raise Failed(message, ExitStatus.USAGE)
