"""
What the page draws of one rollout: series over minutes, and decisions to mark in them.

All of it is plain data, thinned out where nothing changes, so that a long rollout stays small.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from tidegate.domain.settings import AbortCriterion
from tidegate.lab.trial import Trace, Trial
from tidegate.lab.wording import devices_worded

#: Minutes that are drawn at most; a screen has fewer pixels.
POINTS_MAX = 1800

#: Decisions that are told at most: the first ones and, after a gap, the last ones.
DECISIONS_MAX = 40
_DECISIONS_LAST = 15

#: Digits of a figure that is no count.
_DIGITS = 4

#: A figure of a minute; None where there is none.
Value: TypeAlias = float | None
Form: TypeAlias = Literal["line", "dash", "dot", "mixed"]

#: Lines of one chart differ in these, and there are no more of them.
_FORMS: tuple[Form, ...] = ("line", "dash", "dot", "mixed")

#: Marks that stand in a chart of their own, or are no figures.
_KNOWN_MARKS = frozenset(
    {
        "abort_at",
        "acceptable",
        "accepted",
        "cap",
        "fence_minimum",
        "fence_threshold",
        "log_e",
        "upper_bound",
    }
)

_NUMBER = re.compile(r"[0-9][0-9,.]*")


@dataclass(frozen=True, slots=True)
class Series:
    """
    One line of a chart.

    Attributes:
        label: What it is.
        values: By minute.
        form: How the line is broken, so that lines differ in more than colour.
        colour: Name of the colour in the style sheet.
        unit: What a value is followed by.
        has_steps: Whether a value holds until the next one.
    """

    label: str
    values: tuple[Value, ...]
    form: Form = "line"
    colour: str = "series-1"
    unit: str = ""
    has_steps: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Some series over the minutes, on one scale."""

    name: str
    title: str
    note: str
    series: tuple[Series, ...]
    is_log: bool = True
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What a rule said from some minute on.

    Attributes:
        number: Counted from 1.
        minute: Since the job was created.
        figures: How things stood then.
        reasons: What the rule said, line by line.
    """

    number: int
    minute: int
    figures: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """
    One rollout as it is drawn.

    Attributes:
        minutes: That are drawn, increasing.
        charts: Whose series have a value for each of them.
        decisions: To be marked.
        left_out: Decisions that are not told, for there are too many.
    """

    minutes: tuple[int, ...]
    charts: tuple[Chart, ...]
    decisions: tuple[Decision, ...]
    left_out: int = field(default=0)


def picture(trial: Trial, *, first: Sequence[Chart] = ()) -> Picture:
    """
    Return a rollout as it is drawn.

    Args:
        trial: With its trace.
        first: Charts to stand before its own, with a value for each minute of the trace.

    Raises:
        ValueError: The trial has no trace.
    """
    trace = trial.trace
    if trace is None:
        message = "a trial without its trace cannot be drawn"
        raise ValueError(message)
    charts = [*first, *(chart for chart in _charts(trace) if chart.series)]
    told = _decisions(trial, trace)
    decisions = _few(told)
    kept = _kept(charts, {decision.minute for decision in decisions}, len(trace.notified))
    return Picture(
        minutes=tuple(kept),
        charts=tuple(_thinned(chart, kept) for chart in charts),
        decisions=tuple(decisions),
        left_out=len(told) - len(decisions),
    )


def _charts(trace: Trace) -> Iterator[Chart]:
    yield Chart(
        "exposure",
        "Exposure",
        "Devices: notified and started so far, and those that are at work.",
        (
            Series("notified", _counts(trace.notified)),
            Series("started", _counts(trace.started), "dash", "series-2"),
            Series("at work", _counts(trace.in_flight), "dot", "series-3"),
            *_marked(trace, "cap", Series("allowed", (), "mixed", "faint")),
        ),
    )
    outcomes = (
        Series("succeeded", _counts(trace.succeeded), "line", "series-2"),
        Series("failed", _counts(trace.failed), "dash", "series-3"),
        Series("timed out", _counts(trace.timed_out), "dot", "series-4"),
        Series("rejected", _counts(trace.rejected), "mixed", "series-1"),
    )
    yield Chart(
        "outcomes",
        "Outcomes",
        "Devices so far, by what they came to.",
        tuple(each for each in outcomes if any(each.values)),
    )
    yield Chart(
        "evidence",
        "Evidence of harm",
        "A natural logarithm; the release is stopped where it reaches the limit.",
        (
            *_marked(trace, "log_e", Series("evidence", ())),
            *_marked(trace, "abort_at", Series("limit", (), "mixed", "faint")),
        ),
        is_log=False,
    )
    yield _bound(trace)
    yield Chart(
        "rate",
        "Rate",
        "Devices that may be notified in a minute.",
        (Series("rate per minute", _counts(trace.rate_per_minute), has_steps=True),),
    )
    yield Chart(
        "fence",
        "Abort criteria in AWS: share",
        "AWS by itself stops the job at this share of failures, be the rule alive or not.",
        tuple(_fence(trace, lambda criterion: criterion.threshold_percentage, "%")),
        is_log=False,
        unit="%",
    )
    yield Chart(
        "fence-minimum",
        "Abort criteria in AWS: outcomes",
        "It does so once this many devices have an outcome.",
        tuple(_fence(trace, lambda criterion: criterion.min_executed_things, "")),
    )
    yield Chart(
        "others", "Figures of the rule", "As the rule keeps them.", _others(trace), is_log=False
    )


def _bound(trace: Trace) -> Chart:
    bound = (
        *_marked(trace, "upper_bound", Series("upper bound", (), unit="%"), 100),
        *_marked(trace, "acceptable", Series("acceptable", (), "mixed", "faint", "%"), 100),
    )
    truth = tuple(_figure(rate, 100) for rate in trace.failure_rate)
    return Chart(
        "bound",
        "Failure rate",
        "What it may be at most as far as the rule knows, what is acceptable, and the truth about "
        "the devices to be notified next, which no rule sees.",
        (*bound, Series("truth", truth, "dot", "series-3", "%")) if bound else (),
        unit="%",
    )


def _fence(
    trace: Trace, figure_of: Callable[[AbortCriterion], float], unit: str
) -> Iterator[Series]:
    """Yield a figure of the criteria in force, a series for each type of failure."""
    minutes = len(trace.notified)
    types = sorted({each.failure_type for _, criteria in trace.criteria for each in criteria})
    for index, (failure_type, form) in enumerate(zip(types, _FORMS, strict=False), start=1):
        values: list[Value] = [None] * minutes
        for since, criteria in trace.criteria:
            found = [figure_of(each) for each in criteria if each.failure_type == failure_type]
            values[since:] = [found[0] if found else None] * (minutes - since)
        yield Series(
            failure_type.value, tuple(values), form, f"series-{index}", unit, has_steps=True
        )


def _others(trace: Trace) -> tuple[Series, ...]:
    names = [
        name
        for name in trace.marks
        if name not in _KNOWN_MARKS and any(_figure(each) is not None for each in trace.marks[name])
    ]
    return tuple(
        Series(
            name.replace("_", " "),
            tuple(_figure(each) for each in trace.marks[name]),
            form,
            f"series-{index}",
            has_steps=True,
        )
        for index, (name, form) in enumerate(zip(names, _FORMS, strict=False), start=1)
    )


def _marked(trace: Trace, name: str, series: Series, factor: float = 1.0) -> tuple[Series, ...]:
    """Return a series of a rule's marks, none if the rule gave none."""
    values = tuple(_figure(each, factor) for each in trace.marks.get(name, ()))
    return (replace(series, values=values),) if any(each is not None for each in values) else ()


def _figure(value: Any, factor: float = 1.0) -> Value:  # noqa: ANN401 - a mark may be anything
    """Return a figure with the digits that count; None for what is none, or endless."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    figure = float(value) * factor
    return float(f"{figure:.{_DIGITS}g}") if math.isfinite(figure) else None


def _counts(counts: Iterable[int]) -> tuple[Value, ...]:
    return tuple(int(count) for count in counts)


def _decisions(trial: Trial, trace: Trace) -> list[Decision]:
    """Return what a rule said when its first line changed or a line was new, and the end."""
    told: dict[int, tuple[str, ...]] = {}
    first, ever = "", set[str]()
    for minute, reasons in trace.reasons:
        # The same sentence with other numbers says nothing new.
        lines = [_NUMBER.sub("#", reason) for reason in reasons]
        if lines and (lines[0] != first or not ever.issuperset(lines)):
            told[minute] = reasons
            first = lines[0]
            ever.update(lines)
    for minute, end in _ends(trial):
        told[minute] = (*told.get(minute, ()), end)
    return [
        Decision(number, minute, _standing(trace, minute), told[minute])
        for number, minute in enumerate(sorted(told), start=1)
    ]


def _ends(trial: Trial) -> Iterator[tuple[int, str]]:
    if trial.minutes_to_finish is not None:
        yield trial.minutes_to_finish, "All of the fleet is notified."
    if trial.minutes_to_stop is not None:
        who = "The rule" if trial.stopped_by == "rule" else "AWS, by its abort criteria,"
        yield (
            trial.minutes_to_stop,
            f"{who} stops the rollout; devices at work finish what they began.",
        )


def _standing(trace: Trace, minute: int) -> str:
    """Return in short how things stand when a minute begins."""
    passed = min(minute, len(trace.notified))
    notified = int(trace.notified[passed - 1]) if passed else 0
    harmed = int(trace.failed[passed - 1] + trace.timed_out[passed - 1]) if passed else 0
    going_on = minute < len(trace.rate_per_minute) and int(trace.rate_per_minute[minute])
    return (
        f"{devices_worded(notified)} notified, {devices_worded(harmed)} failed or timed out; "
        f"from here {devices_worded(going_on)} per minute"
    )


def _few(decisions: Sequence[Decision]) -> list[Decision]:
    if len(decisions) <= DECISIONS_MAX:
        return list(decisions)
    return [*decisions[: DECISIONS_MAX - _DECISIONS_LAST], *decisions[-_DECISIONS_LAST:]]


def _kept(charts: Sequence[Chart], wanted: set[int], minutes: int) -> list[int]:
    """Return the minutes that are drawn: those wanted, and where something changes."""
    rows = list(zip(*(series.values for chart in charts for series in chart.series), strict=True))
    changing = {
        minute + side
        for minute in range(minutes - 1)
        if rows[minute] != rows[minute + 1]
        for side in (0, 1)
    }
    if len(changing) > POINTS_MAX:
        every = np.linspace(0, len(changing) - 1, POINTS_MAX).round().astype(int)
        changing = set(np.array(sorted(changing))[every].tolist())
    ends = {0, minutes - 1} if minutes else set()
    return sorted(changing | ends | {minute for minute in wanted if minute < minutes})


def _thinned(chart: Chart, kept: Sequence[int]) -> Chart:
    return replace(
        chart,
        series=tuple(
            replace(series, values=tuple(series.values[minute] for minute in kept))
            for series in chart.series
        ),
    )
