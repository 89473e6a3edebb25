"""``tidegate status``: all rollouts, a line each, or one of them in detail."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from tidegate.cli.account import (
    Access,
    Account,
    AsJson,
    epoch_seconds,
    opened,
)
from tidegate.cli.documents import glance_document, turn_document
from tidegate.cli.exits import STANDS, ExitStatus, Failed
from tidegate.cli.options import spread
from tidegate.cli.output import Screen, stated
from tidegate.cli.wording import budget_of, evidence_of, exposed_of, rate_of, waits_for
from tidegate.console.view import Glance, found, glances, waiting
from tidegate.console.worded import WAITING, devices, share, standing, when
from tidegate.domain.decision import Evidence
from tidegate.domain.turn import Turn
from tidegate.errors import NotFound

_COLUMNS = ("job", "state", "exposed", "harmed", "beyond acceptable", "rate", "waits for")


@spread
def command(
    context: typer.Context,
    job_id: Annotated[
        str | None,
        typer.Argument(metavar="JOB", help="A job's id.", show_default="all rollouts"),
    ] = None,
    *,
    active: Annotated[
        bool, typer.Option("--active", help="Leave out rollouts that have ended.")
    ] = False,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="End with how the rollout stands: 0 if it is completed."),
    ] = False,
    as_json: AsJson = False,
    access: Access,
) -> None:
    """
    Show how rollouts stand, and what each waits for.

    With --exit-code, of one rollout: 0 completed, 10 stopped by Tidegate, 11 stopped by AWS's
    criteria, 12 canceled by others, 13 deleted by others, 20 it goes on.
    """
    screen = Screen(as_json=as_json)
    if exit_code and job_id is None:
        message = "--exit-code is about one rollout: name its job"
        raise typer.BadParameter(message)
    with opened(context, access) as account:
        if job_id is None:
            listed = [
                each for each in glances(account.ledger) if not (active and each.rollout.ending)
            ]
            _show_all(screen, listed, waiting(account.ledger))
            return
        if (turn := _turn_of(account, job_id)) is not None:
            _show_turn(screen, turn, exit_code=exit_code)
            return
        glance = glance_of(account, job_id)
    if as_json:
        screen.document(glance_document(glance))
    else:
        show(screen, glance)
    if exit_code:
        raise typer.Exit(STANDS[glance.rollout.ending])


def glance_of(account: Account, job_id: str, created_at: datetime | None = None) -> Glance:
    """Return a rollout of a job, the newest if no other is named; raises Failed if it has none."""
    try:
        rollout = found(job_id, account.ledger, created_at=epoch_seconds(created_at))
    except NotFound as error:
        message = str(error)
        if created_at is not None:
            message = (
                f"job {job_id} has no rollout of {created_at.isoformat()}Z in this account and "
                "region: without --created-at, it is the newest that is meant"
            )
        raise Failed(message, ExitStatus.NOT_FOUND) from error
    return Glance(rollout, account.ledger.last_decisions([rollout]).get(rollout.key))


def _turn_of(account: Account, job_id: str) -> Turn | None:
    """Return the launch of the job that waits, unless a rollout of it goes on."""
    known = account.ledger.current([job_id]).get(job_id)
    if known is not None and known.ending is None:
        return None
    turns = waiting(account.ledger)
    return next((each for each in turns if each.job_id == job_id), None)


def _show_turn(screen: Screen, turn: Turn, *, exit_code: bool) -> None:
    if screen.as_json:
        screen.document(turn_document(turn))
    else:
        screen.line(Text(f"{turn.job_id}  ", style="bold").append(stated(WAITING)))
        screen.facts(
            {
                "waits for": _end_of(turn),
                "since": when(turn.since),
                "policy": turn.policy_name,
                "to give it up": f"tidegate abort {turn.job_id} --reason …",
            }
        )
    if exit_code:
        raise typer.Exit(STANDS[None])


def _end_of(turn: Turn) -> str:
    return f"the end of {', '.join(turn.behind)}"


def _show_all(screen: Screen, listed: Sequence[Glance], turns: Sequence[Turn]) -> None:
    if screen.as_json:
        rollouts = [glance_document(each) for each in listed]
        screen.document({"rollouts": rollouts, "waiting": [turn_document(each) for each in turns]})
    elif listed or turns or not screen.is_terminal:
        screen.table(_COLUMNS, [*map(_turn_row, turns), *map(_row, listed)])
    else:
        screen.line("no rollouts yet: `tidegate launch` or `tidegate enroll` begins one")


def _turn_row(turn: Turn) -> list[str | Text]:
    return [turn.job_id, stated(WAITING), "", "", "", "", _end_of(turn)]


def _row(glance: Glance) -> list[str | Text]:
    harmed = glance.point.harmed if glance.point else 0
    return [
        glance.rollout.key.job_id,
        stated(standing(glance)),
        exposed_of(glance),
        f"{harmed:,}",
        budget_of(glance),
        rate_of(glance),
        waits_for(glance),
    ]


def show(screen: Screen, glance: Glance) -> None:
    """Print one rollout in detail."""
    rollout, last = glance.rollout, glance.last
    screen.line(title_of(glance))
    evidence = last.evidence if last else Evidence()
    acceptable = share(rollout.policy.harm.acceptable_rate)
    is_going = rollout.ending is None
    screen.facts(
        {
            "why": glance.why,
            "waits for": waits_for(glance),
            "policy": f"{rollout.policy.name}, version {rollout.policy_version}",
            "devices": f"{exposed_of(glance)} exposed: {evidence.succeeded:,} succeeded, "
            f"{evidence.harmed:,} harmed, {evidence.in_flight:,} in flight",
            "budget": f"{budget_of(glance)} devices harmed beyond the acceptable {acceptable}",
            "evidence": evidence_of(evidence) if last else "",
            "failure rate": f"at most {share(evidence.upper_bound)}" if last else "",
            "rate": rate_of(glance),
            "enrolled": when(rollout.enrolled_at),
            "ended": when(rollout.ended_at) if rollout.ended_at is not None else "",
            "next review": f"by {when(last.review_by)}" if last and is_going else "",
            "same devices": ", ".join(each.job_id for each in rollout.overlaps),
            "undoes": rollout.rolls_back or "",
            "undone by": rollout.rolled_back_by or "",
        }
    )
    if last and last.attention and is_going:
        screen.line(f"look at this: {last.attention.problem}: {last.attention.remedy}")


def title_of(glance: Glance) -> Text:
    """Return a rollout's job, and how it stands."""
    job_id = glance.rollout.key.job_id
    return Text(f"{job_id}  ", style="bold").append(stated(standing(glance)))


def summary_of(glance: Glance) -> str:
    """Return a rollout's figures in one line."""
    harmed = glance.point.harmed if glance.point else 0
    return (
        f"{exposed_of(glance)} exposed, {devices(harmed)} harmed, {budget_of(glance)} beyond the "
        "acceptable"
    )
