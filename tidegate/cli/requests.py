"""What people ask of a rollout that goes on: ``hold``, ``abort``, ``approve`` and others."""

import re
import sys
from typing import Annotated

import typer

from tidegate.cli.account import (
    Access,
    Account,
    JobId,
    opened,
)
from tidegate.cli.exits import ExitStatus, Failed
from tidegate.cli.options import spread
from tidegate.cli.output import complain
from tidegate.cli.policies import PolicyNamed, policy_of
from tidegate.cli.sending import By, Waiting, ask
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


@spread
def hold(
    context: typer.Context,
    job_id: JobId,
    *,
    reason: Reason,
    by: By = None,
    waiting: Waiting,
    access: Access,
) -> None:
    """
    Hold a rollout at AWS's lowest pace until somebody resumes it.

    AWS has no pause: one device a minute still gets the job.
    """
    with opened(context, access) as account:
        said = f"{job_id} is to be held: its review begins now"
        ask(account, waiting, HOLD_ROLLOUT, job_id, said, by=by, reason=reason)


@spread
def resume(
    context: typer.Context,
    job_id: JobId,
    *,
    reason: Reason,
    by: By = None,
    waiting: Waiting,
    access: Access,
) -> None:
    """
    Lift all holds that operators placed on a rollout.

    Those of alarms, calendars and other rollouts stay until their cause is gone. What was answered
    with no, where the policy holds for it, is asked again.
    """
    with opened(context, access) as account:
        said = f"operators' holds of {job_id} are lifted: its review begins now"
        ask(account, waiting, RESUME_ROLLOUT, job_id, said, by=by, reason=reason)


@spread
def abort(
    context: typer.Context,
    job_id: JobId,
    *,
    reason: Reason,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask at a terminal whether it is meant.")
    ] = False,
    by: By = None,
    waiting: Waiting,
    access: Access,
) -> None:
    """
    Stop a rollout for good: its job is canceled.

    A launch that waits for its turn is given up, and its job is not created.
    """
    if not yes and sys.stdin.isatty() and not _means_it(job_id):
        message = f"nothing was asked of {job_id}: it goes on as it was"
        raise Failed(message)
    with opened(context, access) as account:
        said = f"{job_id} is to be stopped for good: its review begins now"
        known = account.ledger.current([job_id]).get(job_id)
        if known is None or known.ending is not None:
            said = f"the launch of {job_id} is given up"
        ask(account, waiting, ABORT_ROLLOUT, job_id, said, by=by, reason=reason)


@spread
def approve(
    context: typer.Context,
    job_id: JobId,
    question_id: QuestionId = None,
    *,
    comment: Comment,
    by: By = None,
    waiting: Waiting,
    access: Access,
) -> None:
    """
    Say yes to what a rollout asks.

    It is a gate that asks, or Tidegate that proposes something; the first answer counts.
    """
    with opened(context, access) as account:
        _answer(account, waiting, job_id, question_id, comment, by=by, yes=True)


@spread
def reject(
    context: typer.Context,
    job_id: JobId,
    question_id: QuestionId = None,
    *,
    comment: Comment,
    by: By = None,
    waiting: Waiting,
    access: Access,
) -> None:
    """
    Say no to what a rollout asks.

    It is a gate that asks, or Tidegate that proposes something; the policy says what follows.
    """
    with opened(context, access) as account:
        _answer(account, waiting, job_id, question_id, comment, by=by, yes=False)


@spread
def adjust(
    context: typer.Context,
    job_id: JobId,
    *,
    policy: PolicyNamed,
    reason: Reason,
    by: By = None,
    waiting: Waiting,
    access: Access,
) -> None:
    """Steer a rollout by another policy from its next review on."""
    given = policy_of(policy)
    with opened(context, access) as account:
        said = f"{job_id} is steered by policy {policy}: its review begins now"
        ask(account, waiting, ADJUST_POLICY, job_id, said, by=by, policy=given, reason=reason)


@spread
def release(
    context: typer.Context,
    job_id: JobId,
    *,
    cohort: Annotated[
        str, typer.Option("--cohort", metavar="KEY=VALUE", help="As `tidegate explain` names it.")
    ],
    reason: Reason,
    by: By = None,
    waiting: Waiting,
    access: Access,
) -> None:
    """
    Treat a cohort of devices like all others.

    It is not suspected again; what its devices harm counts with the rest.
    """
    with opened(context, access) as account:
        said = f"cohort {cohort} of {job_id} is treated like all others: its review begins now"
        ask(account, waiting, RELEASE_COHORT, job_id, said, by=by, cohort=cohort, reason=reason)


def _means_it(job_id: str) -> bool:
    """Ask whether a rollout is to be stopped; whoever leaves without an answer says no."""
    try:
        return typer.confirm(f"Stop {job_id} for good?", err=True)
    except typer.Abort:
        # Typer's own "Aborted!" would read as if the rollout was.
        complain("")
        return False


def _answer(
    account: Account,
    waiting: Waiting,
    job_id: str,
    question_id: str | None,
    comment: str,
    *,
    by: str | None,
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
    ask(account, waiting, kind, job_id, said, by=by, correlationId=chosen, comment=comment)


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
