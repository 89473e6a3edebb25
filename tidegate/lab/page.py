"""
The page that a simulation leaves: one HTML file that needs nothing but itself.

Whatever comes from outside, such as names and reasons, is escaped; only files of ours, scripts and
styles, are put in as they are. The page's own policy forbids its browser to load anything.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from markupsafe import Markup

from tidegate.console.pages import BASE_STYLE, templates
from tidegate.lab.charts import Picture, picture
from tidegate.lab.fleet import Fleet
from tidegate.lab.summary import PERCENTILE, Summary
from tidegate.lab.table import Column, Row, columns, is_bad
from tidegate.lab.trial import Trial
from tidegate.lab.wording import devices_worded, mean_worded, share_worded, time_worded

_ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True, slots=True)
class Report:
    """
    What the page tells.

    Attributes:
        fleet: The devices, and the truth about the release.
        tolerated_rate: A release that fails more often ought to be stopped.
        rows: What came of each rule; the first is the one that was asked about.
        first: The first trial of that rule, with its trace.
        command: How to get the same again, if that can be said.
    """

    fleet: Fleet
    tolerated_rate: float
    rows: tuple[Row, ...]
    first: Trial
    command: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether the release ought to be stopped."""
        return is_bad(self.fleet, self.tolerated_rate)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The table's columns."""
        return columns(is_bad=self.is_bad, summaries=[row.summary for row in self.rows])


def render(report: Report) -> str:
    """
    Return the page as HTML.

    Raises:
        ValueError: The first trial has no trace.
    """
    page = {
        "title": _title(report),
        "headline": headline(report),
        "facts": list(fleet_facts(report.fleet)),
        "command": report.command,
        "caption": caption(report),
        "columns": report.columns,
        "rows": [
            {
                "name": row.name,
                "title": row.title,
                "cells": [column.cell(row.summary) for column in report.columns],
            }
            for row in report.rows
        ],
        "rollout": rollout_part(
            f"One rollout: {report.rows[0].name}, first of the runs", picture(report.first)
        ),
    }
    return assembled(page)


def assembled(page: Mapping[str, Any]) -> str:
    """Return a page as HTML; ``page.html.j2`` says what it must hold."""
    return _template().render(
        page=page,
        styles=_asset(_ASSETS / "uPlot.min.css", BASE_STYLE, _ASSETS / "page.css"),
        library=_asset(_ASSETS / "uPlot.iife.min.js"),
        script=_asset(_ASSETS / "page.js"),
    )


def headline(report: Report) -> str:
    """Return what came out, in a sentence or two."""
    return f"{_of_subject(report)} {_of_others(report)}".strip()


def _of_subject(report: Report) -> str:
    row = report.rows[0]
    summary = row.summary
    harm = (
        f"it harms {mean_worded(summary.harmed)} devices on average "
        f"({PERCENTILE}th percentile {devices_worded(summary.harmed_p95)})"
    )
    apart = summary.quarantined.value
    if report.is_bad and apart > summary.stopped.value:
        return (
            f"A part of the release is bad: {row.name} sets such a part apart in "
            f"{share_worded(apart)} of {_runs(summary)}, and {_stopping(summary)}; {harm}."
        )
    verdict = "bad" if report.is_bad else "tolerable"
    return f"The release is {verdict}: {row.name} {_stopping(summary)}{_finishing(report)}; {harm}."


def _runs(summary: Summary) -> str:
    return f"{devices_worded(summary.trials)} runs" if summary.trials > 1 else "the one run"


def _stopping(summary: Summary) -> str:
    if not summary.stopped.value:
        return "never stops it"
    return (
        f"stops it in {share_worded(summary.stopped.value)} of {_runs(summary)}, after "
        f"{time_worded(summary.minutes_to_stop)} (median)"
    )


def _finishing(report: Report) -> str:
    """Return what is to be said of the end: that it is through, or that it never comes to one."""
    summary = report.rows[0].summary
    if not summary.finished.value:
        return "" if summary.stopped.value else ", and is never through either"
    after = time_worded(summary.minutes_to_finish)
    return "" if report.is_bad else f", and has notified all of the fleet after {after} (median)"


def _of_others(report: Report) -> str:
    others = report.rows[1:]
    if not others:
        return ""
    if report.is_bad:
        best = min(others, key=lambda row: row.summary.harmed.value)
        return f"Of the others, {best.name} harms fewest: {mean_worded(best.summary.harmed)}."
    # Some stop a rollout again after it was through.
    through = [row for row in others if row.summary.finished.value > row.summary.stopped.value]
    if not through:
        return "None of the others lets it through."
    best = min(through, key=lambda row: row.summary.minutes_to_finish or 0.0)
    return (
        f"Of the others, {best.name} is through first: within "
        f"{time_worded(best.summary.minutes_to_finish)} (median), stopped in "
        f"{share_worded(best.summary.stopped.value)}."
    )


def fleet_facts(fleet: Fleet) -> Iterator[str]:
    """Yield what the fleet is like, a sentence each."""
    failures = fleet.failures
    kinds = ", ".join(f"{share_worded(each.share)} {each.status}" for each in failures.kinds)
    yield (
        f"{devices_worded(fleet.size)} devices of the fleet {fleet.name}: "
        f"{share_worded(failures.rate)} fail ({kinds}); in-progress timeout "
        f"{time_worded(fleet.timeout_minutes)}."
    )
    if fleet.offline:
        rate = fleet.offline.failure_rate
        failing = "" if rate is None else f", and {share_worded(rate)} of them fail"
        yield f"{share_worded(fleet.offline.share)} are offline at first{failing}."
    if fleet.dark:
        yield f"{share_worded(fleet.dark)} of those that succeed go dark, and count as harmed."
    for cohort in fleet.cohorts:
        if cohort.failure_rate is not None:
            yield (
                f"{share_worded(cohort.share)} are {cohort.name}, of which "
                f"{share_worded(cohort.failure_rate)} fail."
            )
    for drift in fleet.drift:
        yield (
            f"Once {share_worded(drift.after_share)} are notified, "
            f"{share_worded(drift.failure_rate)} fail."
        )


def _title(report: Report) -> str:
    fleet = report.fleet
    return (
        f"{report.rows[0].name}: {devices_worded(fleet.size)} devices, fleet {fleet.name}, "
        f"{share_worded(fleet.failures.rate)} failing"
    )


def caption(report: Report) -> str:
    """Return how the table is to be read."""
    runs = report.rows[0].summary.trials
    each = f"{devices_worded(runs)} runs" if runs > 1 else "One run"
    return (
        f"{each} of each policy, all with the same seeds; ± is the standard error. "
        "Times are medians over the runs in which it happened."
    )


def rollout_part(title: str, drawn: Picture) -> dict[str, Any]:
    """Return what a page must hold of a rollout that is drawn."""
    last = drawn.minutes[-1] if drawn.minutes else 0
    left_out = f"{drawn.left_out} more in between are left out." if drawn.left_out else ""
    return {
        "title": title,
        "charts": drawn.charts,
        "decisions": drawn.decisions,
        "note": left_out,
        "data": {
            "minutes": drawn.minutes,
            "charts": [
                {
                    "is_log": chart.is_log,
                    "unit": chart.unit,
                    "series": [asdict(series) for series in chart.series],
                }
                for chart in drawn.charts
            ],
            "marks": [
                {"number": each.number, "minute": min(each.minute, last)}
                for each in drawn.decisions
            ],
        },
    }


@cache
def _template() -> Template:
    return templates(_ASSETS).get_template("page.html.j2")


def _asset(*files: Path) -> Markup:
    """Return files of ours as they are, to stand in a style or a script."""
    return Markup("").join(
        Markup(each.read_text(encoding="utf-8"))  # noqa: S704 - likewise
        for each in files
    )
