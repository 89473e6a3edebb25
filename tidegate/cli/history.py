"""``tidegate history``: what happened to a rollout, and every change of its job's settings."""

from collections.abc import Sequence
from typing import Annotated

import typer

from tidegate.cli.account import (
    Access,
    AsJson,
    CreatedAt,
    JobId,
    opened,
)
from tidegate.cli.documents import answer_document, glance_document, step_document
from tidegate.cli.options import spread
from tidegate.cli.output import Screen
from tidegate.cli.status import glance_of, summary_of
from tidegate.cli.wording import settings_lines
from tidegate.console.view import STEPS_MAX
from tidegate.console.worded import standing, when
from tidegate.domain.course import Answer
from tidegate.domain.rollout import Step
from tidegate.domain.settings import JobSettings


@spread
def command(
    context: typer.Context,
    job_id: JobId,
    *,
    limit: Annotated[
        int,
        typer.Option("--limit", min=1, max=STEPS_MAX, metavar="NUMBER", help="Newest lines only."),
    ] = STEPS_MAX,
    created_at: CreatedAt = None,
    as_json: AsJson = False,
    access: Access,
) -> None:
    """Show a rollout's timeline and its changes of settings."""
    screen = Screen(as_json=as_json)
    with opened(context, access) as account:
        glance = glance_of(account, job_id, created_at)
        steps = account.ledger.steps(glance.rollout.key, limit=limit)
        answers = account.ledger.answers(glance.rollout.key)
    if as_json:
        screen.document(
            {
                "rollout": glance_document(glance),
                "timeline": [step_document(each) for each in steps],
                "settings": [step_document(each) for each in steps if each.sent],
                "answers": [answer_document(each) for each in answers],
            }
        )
        return
    if screen.is_terminal:
        screen.line(f"{job_id}: {standing(glance).words}; {summary_of(glance)}")
    _show(screen, steps, answers)


def _show(screen: Screen, steps: Sequence[Step], answers: Sequence[Answer]) -> None:
    screen.heading("Timeline")
    screen.table(
        ("when", "decision", "what", "text"),
        [(when(each.at), _number(each), each.what, each.text) for each in steps],
    )
    sent = [each for each in steps if each.sent]
    if sent:
        screen.heading("Settings that AWS was sent")
        screen.table(
            ("when", "decision", "settings"),
            [(when(each.at), _number(each), _settings(each)) for each in sent],
        )
    if answers:
        screen.heading("Answers")
        screen.table(
            ("when", "question", "answer", "by", "comment"),
            [
                (
                    when(each.at),
                    each.question_id,
                    "yes" if each.yes else "no",
                    each.by,
                    each.comment,
                )
                for each in answers
            ],
        )


def _number(step: Step) -> str:
    return f"{step.revision}" if step.revision else ""


def _settings(step: Step) -> str:
    lines = settings_lines(JobSettings.from_description(step.sent))
    return "; ".join(f"{name}: {value}" for name, value in lines.items())
