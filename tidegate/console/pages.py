"""
Pages: what the browser shows of rollouts, made whole on this side; a script only swaps parts of it.

Whatever comes from outside, as names and reasons, is escaped by the templates; nothing but the
pictures, which escape for themselves, is put in as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tidegate.console import figures, pictures, worded
from tidegate.console.promised import promised
from tidegate.console.view import ENDED_MAX, Detail, Glance
from tidegate.documents.commands import BY_LENGTH_MAX, REASON_LENGTH_MAX
from tidegate.domain.course import About, Question
from tidegate.domain.decision import Decision
from tidegate.domain.rollout import HoldKind
from tidegate.domain.settings import JobSettings
from tidegate.domain.turn import Turn
from tidegate.ports import CommandResult

ASSETS = Path(__file__).parent / "assets"

#: Colours and letters of every page: the console's, the report's and a simulation's.
BASE_STYLE = ASSETS / "base.css"

#: Decisions, lines of the timeline, and reasons for failing that a page shows.
DECISIONS_SHOWN = 30
STEPS_SHOWN = 60
FAILURES_SHOWN = 10
SUSPECTS_SHOWN = 20
#: Pixels of a picture: two stand beside each other where there is room.
PICTURE_WIDTH = 576
#: Characters of one reason for failing, and of one that stands in a line of a table.
REASON_SHOWN = 300
LINE_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Viewer:
    """
    Who looks at what.

    Attributes:
        place: The Tidegate that is shown: its stack, account and region.
        by: Who commands are from, unless a form says otherwise.
        token: What its forms carry.
    """

    place: str
    by: str
    token: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture by its name."""

    name: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Sent:
    """
    A command that was sent from a page, or could not be.

    Attributes:
        kind: Its detail type.
        result: What became of it; None if nothing has yet.
        problem: Why it was not even sent; empty if it was.
        remedy: What to do about that.
    """

    kind: str
    result: CommandResult | None = None
    problem: str = ""
    remedy: str = ""


def rollouts_page(glances: Sequence[Glance], waiting: Sequence[Turn], viewer: Viewer) -> str:
    """Return the page of all rollouts, and of launches that wait for some of them."""
    return rendered("rollouts.html.j2", viewer=viewer, **_of_all(glances, waiting))


def rollouts_parts(glances: Sequence[Glance], waiting: Sequence[Turn]) -> str:
    """Return the parts of that page that change."""
    return rendered("rollouts_live.html.j2", **_of_all(glances, waiting))


def rollout_page(detail: Detail, viewer: Viewer, sent: Sent | None = None) -> str:
    """Return the page of one rollout."""
    return rendered("rollout.html.j2", viewer=viewer, **_of_one(detail, sent))


def rollout_parts(detail: Detail, viewer: Viewer, sent: Sent | None = None) -> str:
    """Return the parts of that page that change."""
    return rendered("rollout_live.html.j2", viewer=viewer, **_of_one(detail, sent))


def trouble_page(viewer: Viewer, headline: str, problem: str) -> str:
    """Return a page that says what went wrong."""
    return rendered("trouble.html.j2", viewer=viewer, headline=headline, problem=problem)


def _of_all(glances: Sequence[Glance], waiting: Sequence[Turn]) -> dict[str, Any]:
    going = [each for each in glances if each.rollout.ending is None]
    return {
        "going": going,
        "waiting": waiting,
        "ended": [each for each in glances if each.rollout.ending is not None],
        "asking": sum(1 for each in going if each.pending),
    }


def _of_one(detail: Detail, sent: Sent | None) -> dict[str, Any]:
    glance = detail.glance
    rollout, last = glance.rollout, glance.last
    return {
        "detail": detail,
        "glance": glance,
        "rollout": rollout,
        "last": last,
        "sent": sent,
        "is_over": rollout.ending is not None,
        "is_held_by_people": any(each.kind is HoldKind.OPERATOR for each in last.holds)
        if last
        else False,
        "pictures": pictures_of(detail, width=PICTURE_WIDTH),
        "suspects": last.suspects[:SUSPECTS_SHOWN] if last else (),
        "questions": glance.pending,
        "holds": last.holds if last and rollout.ending is None else (),
        "decisions": [(each, settings_lines(each)) for each in detail.decisions[:DECISIONS_SHOWN]],
        "decisions_more": max(0, rollout.revision - DECISIONS_SHOWN),
        "steps": detail.steps[-STEPS_SHOWN:][::-1],
        "steps_more": max(0, len(detail.steps) - STEPS_SHOWN),
        "failures": detail.reasons[:FAILURES_SHOWN],
        "failures_more": max(0, len(detail.reasons) - FAILURES_SHOWN),
        "promises": promised(rollout.policy, rollout.fleet_size),
    }


def pictures_of(detail: Detail, *, width: float) -> list[Picture]:
    """Return what is drawn of a rollout, as a template shows it."""
    return [
        Picture(name, Markup(svg))  # noqa: S704 - made of our own elements, all texts escaped
        for name, svg in pictures.drawn(detail, width=width)
    ]


def asking_for(question: Question) -> str:
    """Return what a question asks, in words."""
    match question.about:
        case About.GATE_ANSWER:
            return f"Gate {question.subject}: may it be passed, as far as a system can tell?"
        case About.GATE_APPROVAL:
            return f"Gate {question.subject}: may it be passed?"
        case About.DECISION:
            return f"May Tidegate {question.subject.replace('_', ' ')}?"


def applied_worded(detail: Detail, decision: Decision) -> str:
    """Return what applying a decision came to, as far as that was read."""
    note = detail.applied.get(decision.revision)
    if note is None:
        return worded.NOTHING
    problem = f": {note['problem']}" if note.get("problem") else ""
    return f"{str(note.get('outcome', '')).replace('_', ' ')}{problem}"


def settings_lines(decision: Decision) -> list[tuple[str, str, str]]:
    """Return what a decision puts in force: what, before and after, each in words."""
    before, after = decision.replaces, decision.settings
    return [
        (name, said_before or worded.NOTHING, said_after)
        for name, said_before, said_after in zip(
            ("rate", "abort criteria", "time-out"),
            settings_worded(before),
            settings_worded(after),
            strict=True,
        )
        if said_after
    ]


def settings_worded(settings: JobSettings) -> tuple[str, str, str]:
    """Return the rate, the abort criteria and the time-out in words; empty what is not set."""
    rate, timeout = settings.rollout, settings.timeout_minutes
    return (
        f"{worded.devices(rate.maximum_per_minute)} per minute" if rate else "",
        ", ".join(
            f"{each.failure_type.value} {each.threshold_percentage:g}% of "
            f"{each.min_executed_things} or more"
            for each in settings.abort or ()
        ),
        worded.lasting(timeout) if timeout else "",
    )


def rendered(name: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template asks for
    """Return what a template makes of these values; all templates know the same words."""
    made = _environment().get_template(name).render(**values)
    # Half a character, which JSON can carry, has no place in UTF-8.
    return made.encode(errors="replace").decode()


def templates(folder: Path) -> Environment:
    """Return the templates of a folder: they escape all texts, and refuse names they lack."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _environment() -> Environment:
    made = templates(ASSETS)
    made.filters |= {
        "devices": worded.devices,
        "failure": worded.failure,
        "share": worded.share,
        "figure": worded.figure,
        "when": worded.when,
        "stamped": worded.stamped,
        "told": figures.told,
    }
    made.globals |= {
        "standing": worded.standing,
        "asking_for": asking_for,
        "applied_worded": applied_worded,
        "state_of": worded.state_of,
        "awaited": worded.awaited,
        "hold_worded": worded.hold_worded,
        "NOTHING": worded.NOTHING,
        "ENDED_MAX": ENDED_MAX,
        "REASON_SHOWN": REASON_SHOWN,
        "LINE_SHOWN": LINE_SHOWN,
        "BY_LENGTH_MAX": BY_LENGTH_MAX,
        "REASON_LENGTH_MAX": REASON_LENGTH_MAX,
    }
    return made
