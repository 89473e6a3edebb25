"""
The report: a rollout on one page that needs nothing but itself, as HTML, Markdown or JSON.

What was promised, what happened, and every decision with its evidence. It names no device; what
devices gave as their reasons for failing is told as they wrote it, unless the policy keeps it out.
"""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from markupsafe import Markup

from tidegate.console import figures, worded
from tidegate.console.drawing import WIDTH
from tidegate.console.pages import (
    ASSETS,
    BASE_STYLE,
    pictures_of,
    rendered,
    settings_lines,
    settings_worded,
)
from tidegate.console.plain import plain
from tidegate.console.promised import Promise, promised
from tidegate.console.view import POINTS_MAX, Detail, detail
from tidegate.documents.record import failure, moment
from tidegate.domain.decision import Decision
from tidegate.domain.rollout import Step
from tidegate.domain.settings import JobSettings
from tidegate.ports import Ledger, Records

#: Decisions and lines of the timeline in one report: the newest are told.
DECISIONS_MAX = POINTS_MAX
STEPS_MAX = 5000

#: Decisions whose reasons are all told, on the page and in Markdown; of the others, the first one.
EXPLAINED_MAX = 500

#: Of the report's form: within one, members are only added.
VERSION = "1"

#: Characters of a text from outside.
_TEXT_MAX = 1200


class Format(StrEnum):
    """What a report is written as."""

    HTML = "html"
    MARKDOWN = "markdown"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Report:
    """
    A rollout to be reported on.

    Attributes:
        detail: All there is to see of it, with all its decisions.
        at: When it was looked at, in epoch seconds.
    """

    detail: Detail
    at: float

    @property
    def promises(self) -> tuple[Promise, ...]:
        """What its policy says."""
        rollout = self.detail.glance.rollout
        return promised(rollout.policy, rollout.fleet_size)

    @property
    def oldest_first(self) -> Sequence[Decision]:
        """Its decisions in their order."""
        return self.detail.decisions[::-1]

    @property
    def settings_history(self) -> Sequence[Step]:
        """Lines of its timeline by which its job's settings changed."""
        return [each for each in self.detail.steps if each.sent]

    @property
    def decisions_before(self) -> int:
        """How many decisions there were before those that are told."""
        return max(0, self.detail.glance.rollout.revision - len(self.detail.decisions))


def report_of(
    job_id: str, *, ledger: Ledger, records: Records, at: float, created_at: int | None = None
) -> Report:
    """
    Return the report on a rollout of a job: the newest, unless its job's creation is given.

    Raises:
        NotFound: There is none.
    """
    seen = detail(
        job_id,
        ledger=ledger,
        records=records,
        created_at=created_at,
        decisions_max=DECISIONS_MAX,
        steps_max=STEPS_MAX,
    )
    return Report(seen, at)


def summary(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what came of it: what it is, and the figure or words."""
    glance = report.detail.glance
    rollout, last = glance.rollout, glance.last
    yield "State", worded.standing(glance).words
    yield "Why", glance.why
    yield "Enrolled", worded.when(rollout.enrolled_at)
    if rollout.ended_at is not None:
        yield "Ended", worded.when(rollout.ended_at)
        yield "Took", worded.lasting((rollout.ended_at - rollout.enrolled_at) / 60)
    if rollout.fleet_size is not None:
        yield "Devices", worded.devices(rollout.fleet_size)
    if last is not None:
        yield "Exposed", worded.devices(last.evidence.exposed)
        yield "Succeeded", worded.devices(last.evidence.succeeded)
        yield "Harmed", worded.devices(last.evidence.harmed)
        yield "In flight", worded.devices(last.evidence.in_flight)
    used, budget = worded.devices(glance.harmed_beyond), worded.devices(glance.budget)
    yield "Harm budget used", f"{used} of {budget}"
    yield "Failure rate at most", worded.share(rollout.upper_bound)
    if rollout.rolls_back is not None:
        yield "Undoes", rollout.rolls_back
    if rollout.rolled_back_by is not None:
        yield "Undone by", rollout.rolled_back_by


def agreement_worded(report: Report) -> str:
    """Return how often people agreed with what was proposed."""
    found = report.detail.glance.rollout.course.agreement
    if not found.proposed:
        return "Nothing had to be proposed."
    return (
        f"{found.proposed} proposed: {found.approved} approved, {found.refused} refused, "
        f"{found.unanswered} not answered, {found.withdrawn} overtaken by events."
    )


# JSON


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as plain JSON; names stay, others may be added."""
    seen = report.detail
    rollout, key = seen.glance.rollout, seen.glance.rollout.key
    return {
        "version": VERSION,
        "jobId": key.job_id,
        "rolloutId": f"{key.job_id}#{key.created_at}",
        "reportedAt": moment(report.at),
        "state": seen.glance.state,
        "outcome": rollout.ending.value if rollout.ending else None,
        "enrolledAt": moment(rollout.enrolled_at),
        "endedAt": None if rollout.ended_at is None else moment(rollout.ended_at),
        "fleetSize": rollout.fleet_size,
        "rollsBack": rollout.rolls_back,
        "rolledBackBy": rollout.rolled_back_by,
        "policy": {
            "version": rollout.policy_version,
            "promises": [asdict(each) for each in report.promises],
            "compiled": rollout.policy.to_compiled(),
        },
        "summary": dict(summary(report)),
        "agreement": asdict(rollout.course.agreement),
        "answers": [
            {
                "correlationId": each.question_id,
                "yes": each.yes,
                "by": each.by,
                "comment": each.comment,
                "at": moment(each.at),
            }
            for each in seen.answers
        ],
        "failureReasons": [failure(each) for each in seen.reasons],
        "timeline": [
            {"at": moment(each.at), "what": each.what, "text": each.text, "revision": each.revision}
            for each in seen.steps
        ],
        "settingsHistory": [
            {"at": moment(each.at), "revision": each.revision, "sent": dict(each.sent)}
            for each in report.settings_history
        ],
        "decisionsOmitted": report.decisions_before,
        "decisions": [plain(each.to_document()) for each in report.oldest_first],
    }


# Markdown

#: What Markdown or the HTML within it would take as more than text.
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~&$])")


def to_markdown(report: Report) -> str:
    """Return the report as Markdown; whatever comes from outside is plain text in it."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: Report) -> Iterator[str]:
    seen = report.detail
    yield f"# Rollout {_plain(seen.glance.rollout.key.job_id)}"
    yield ""
    yield from _rows(("", ""), summary(report))
    yield from _section("What was promised")
    rollout = seen.glance.rollout
    yield f"Policy {_plain(rollout.policy.name)}, version {rollout.policy_version}."
    yield ""
    yield from _rows(("", ""), ((each.about, each.text) for each in report.promises))
    yield from _section("What people said")
    yield _plain(agreement_worded(report))
    yield ""
    for answer in seen.answers:
        said = "yes" if answer.yes else "no"
        yield (
            _plain(
                f"{worded.when(answer.at)}: {answer.question_id}: {said} by {answer.by}: "
                f"{answer.comment}"
            )
            + "  "
        )
    if seen.reasons:
        yield from _section("Why devices say that they failed")
        yield from _rows(
            ("Devices", "Reason"),
            ((worded.devices(each.devices), worded.failure(each)) for each in seen.reasons),
        )
    yield from _section("Timeline")
    yield from _rows(
        ("When", "What", ""), ((worded.when(each.at), each.what, each.text) for each in seen.steps)
    )
    if report.settings_history:
        yield from _section("Settings that were sent")
        yield from _rows(
            ("When", "Decision", "UpdateJob"),
            (
                (worded.when(each.at), str(each.revision), _sent_worded(each))
                for each in report.settings_history
            ),
        )
    yield from _section("Decisions")
    if report.decisions_before:
        yield f"{report.decisions_before} before these are left out."
        yield ""
    heads = ("No.", "When", "Decision", "Exposed", "Harmed", "Evidence", "Rate", "Why")
    unexplained = len(seen.decisions) - EXPLAINED_MAX
    yield from _rows(
        heads,
        (
            _decision_row(each, is_explained=index >= unexplained)
            for index, each in enumerate(report.oldest_first)
        ),
    )


def _section(title: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")


def _rows(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' for _ in heads)} |"
    for row in rows:
        yield f"| {' | '.join(_plain(cell) for cell in row)} |"


def _decision_row(decision: Decision, *, is_explained: bool) -> Sequence[str]:
    found, rate = decision.evidence, decision.settings.rollout
    return (
        str(decision.revision),
        worded.when(decision.at),
        worded.state_of(decision.verdict.value).words,
        worded.devices(found.exposed),
        worded.devices(found.harmed),
        f"{worded.figure(found.log_e)} of {worded.figure(found.abort_at)}",
        worded.devices(rate.maximum_per_minute if rate else None),
        "; ".join(each.text for each in decision.reasons) if is_explained else decision.summary,
    )


def _plain(text: str) -> str:
    """Return a text from outside as one line that Markdown takes as text."""
    return _MARKS.sub(r"\\\1", figures.told(text, _TEXT_MAX))


# HTML


def to_html(report: Report) -> str:
    """Return the report as a page of its own, which loads nothing and runs nothing."""
    seen = report.detail
    style = "".join(
        each.read_text(encoding="utf-8") for each in (BASE_STYLE, ASSETS / "report.css")
    )
    return rendered(
        "report.html.j2",
        report=report,
        seen=seen,
        rollout=seen.glance.rollout,
        style=Markup(style),  # noqa: S704 - files of ours, to stand as it is
        style_hash=base64.b64encode(sha256(style.encode()).digest()).decode(),
        summary=list(summary(report)),
        agreement=agreement_worded(report),
        settings_history=report.settings_history,
        pictures=pictures_of(seen, width=WIDTH),
        explained_max=EXPLAINED_MAX,
        settings_lines=settings_lines,
        sent_worded=_sent_worded,
        TEXT_MAX=_TEXT_MAX,
        VERSION=VERSION,
    )


def _sent_worded(step: Step) -> str:
    """Return what UpdateJob got, without the description, which the timeline tells better."""
    try:
        sent = JobSettings.from_description(step.sent)
    except (KeyError, TypeError, ValueError):
        return json.dumps(step.sent, ensure_ascii=False)
    return "; ".join(filter(None, settings_worded(sent))) or "the job's description"
