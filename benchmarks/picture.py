"""The picture above all: devices harmed by bad releases against minutes that a good one takes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.labels import Name, Place, places
from benchmarks.plan import CONSTANT_RATE, GOOD, MINUTES_MAX, TOLERATED, Group, contestants
from benchmarks.results import Results

#: Wide enough for the names, and as wide as a README shows it.
_INCHES = (9.6, 6.9)
_OWN, _OTHER, _FLOOR, _TEXT = "#0b6e4f", "#5a6270", "#b5651d", "#24292f"
_COLORS = {Group.OWN: _OWN, Group.VARIANT: _OWN, Group.OTHER: _OTHER, Group.FLOOR: _FLOOR}
_MARKERS = {Group.FLOOR: "D"}
#: Points in type: of names, of Tidegate's budgets, of all else.
_NAME_SIZE, _BUDGET_SIZE, _SIZE = 9.5, 11.0, 10.5
_MARKER_SIZE = 6.5
_PIXELS_PER_INCH = 100

#: A good release is stopped falsely more often than that: the point is hollow.
_FALSE_STOPS_MAX = 0.01

#: Where rules stand that do not finish a good release in the time they are given.
_NEVER_MINUTES = 1.6 * MINUTES_MAX
_MINUTES_MIN = 35.0
_MINUTE_TICKS = (100, 200, 500, 1000, 2000)
#: Points closer than this share one name; in pixels.
_SAME_POINT = 4.0


class _Point:
    """One rule in the picture."""

    def __init__(self, results: Results, name: str) -> None:
        contestant, good = contestants()[name], results.of(name, "good")
        self.name = "oracle\n(not attainable)" if contestant.group is Group.FLOOR else name
        self.group = contestant.group
        self.budget = contestant.budget
        self.minutes = good.minutes_to_finish or _NEVER_MINUTES
        self.harmed = fmean(results.of(name, each).harmed for each in CONSTANT_RATE)
        tolerable = [results.find(name, each) for each in (*GOOD, *TOLERATED)]
        self.is_hollow = any(each.stopped_share > _FALSE_STOPS_MAX for each in tolerable if each)

    @property
    def label(self) -> str:
        """What stands beside it."""
        if self.budget is None:
            return self.name
        return f"Tidegate, budget {self.budget}" if self.group is Group.OWN else f"{self.budget}"


def draw(results: Results, path: Path) -> None:
    """Write the picture as SVG, or in whatever format the path's suffix says."""
    points = [_Point(results, name) for name in contestants() if results.find(name, "good")]
    figure = Figure(figsize=_INCHES, dpi=_PIXELS_PER_INCH, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    _set_up(axes, results.fleet_size, points)
    _plot(axes, points)
    _add_legend(axes)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's
    _name(axes, canvas, points)
    # Fixed ids and no date: the same figures give the same file.
    with mpl.rc_context({"svg.hashsalt": "tidegate"}):
        figure.savefig(
            path, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None
        )


def _set_up(axes: Axes, fleet_size: int, points: Sequence[_Point]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(_MINUTES_MIN, 1.35 * _NEVER_MINUTES)
    harmed = [point.harmed for point in points if point.harmed]
    axes.set_ylim(0.6 * min(harmed), 1.8 * max(harmed))
    days = MINUTES_MAX // 1440
    axes.set_xticks(
        [*_MINUTE_TICKS, _NEVER_MINUTES],
        [*(f"{each:,}" for each in _MINUTE_TICKS), f"not in\n{days} days"],
    )
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel(
        f"minutes until a good release has reached all of {fleet_size:,} devices",
        fontsize=_SIZE,
        color=_TEXT,
    )
    axes.set_ylabel("devices harmed by a bad release, mean over four", fontsize=_SIZE, color=_TEXT)
    axes.tick_params(labelsize=_SIZE, labelcolor=_TEXT)
    axes.grid(visible=True, which="major", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _plot(axes: Axes, points: Sequence[_Point]) -> None:
    frontier = _frontier(points)
    axes.plot(
        [each.minutes for each in frontier],
        [each.harmed for each in frontier],
        "-",
        color=_OWN,
        linewidth=2.2,
        zorder=2,
    )
    for point in points:
        color = _COLORS[point.group]
        marker = "s" if point.budget is not None else _MARKERS.get(point.group, "o")
        axes.plot(
            point.minutes,
            point.harmed,
            marker,
            color=color,
            markerfacecolor="white" if point.is_hollow else color,
            markersize=_MARKER_SIZE,
            zorder=3,
        )


def _frontier(points: Sequence[_Point]) -> list[_Point]:
    """Return Tidegate under its budgets, the smallest first."""
    return sorted(
        (point for point in points if point.budget is not None),
        key=lambda point: point.budget or 0,
    )


def _add_legend(axes: Axes) -> None:
    def key(
        marker: str, color: str, label: str, *, filled: bool = True, is_line: bool = False
    ) -> Line2D:
        face = color if filled else "white"
        return Line2D(
            [],
            [],
            marker=marker,
            color=color,
            markerfacecolor=face,
            markersize=_MARKER_SIZE,
            linestyle="-" if is_line else "",
            linewidth=2.2,
            label=label,
        )

    axes.legend(
        handles=[
            key("s", _OWN, "Tidegate, by its budget of harmed devices", is_line=True),
            key("o", _OWN, "Tidegate with a drift budget, or on AWS's counters alone"),
            key("o", _OTHER, "a rule of others"),
            key("o", _OTHER, "one that stops tolerable releases too: over 1 %", filled=False),
        ],
        loc="upper right",
        fontsize=_NAME_SIZE,
        labelcolor=_TEXT,
        framealpha=1.0,
        edgecolor="#d0d7de",
    )


def _name(axes: Axes, canvas: FigureCanvasAgg, points: Sequence[_Point]) -> None:
    """Write each point's name where it hides nothing, with a line to the point if that is far."""
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]  # matplotlib's
    named, names = [*_named(axes, points)], []
    for point, text in named:
        drawn = axes.text(0.5, 0.5, text, transform=axes.transAxes, **_font(point))
        extent = drawn.get_window_extent(renderer)
        names.append(Name(_pixels(axes, point), extent.width, extent.height))
        drawn.remove()
    inside = axes.get_window_extent(renderer)
    for (point, text), place in zip(
        named, places(names, left=inside.x0, right=inside.x1), strict=True
    ):
        _write(axes, point, text, place)


def _named(axes: Axes, points: Sequence[_Point]) -> Iterator[tuple[_Point, str]]:
    """Yield points and their names; those that lie on one another have one name together."""
    left = [*points]
    while left:
        point = left.pop(0)
        here = _pixels(axes, point)
        same = [
            each
            for each in left
            if max(abs(a - b) for a, b in zip(here, _pixels(axes, each), strict=True)) < _SAME_POINT
        ]
        left = [each for each in left if each not in same]
        text = "\n".join(each.label for each in (point, *same))
        yield point, text


def _write(axes: Axes, point: _Point, text: str, place: Place) -> None:
    to_points = 72 / _PIXELS_PER_INCH
    is_right = place.dx > 0
    line = {
        "arrowstyle": "-",
        "color": _OTHER,
        "linewidth": 0.7,
        "relpos": (0.0 if is_right else 1.0, 0.5),
        "shrinkA": 1.0,
        "shrinkB": 4.0,
    }
    axes.annotate(
        text,
        (point.minutes, point.harmed),
        xytext=(place.dx * to_points, place.dy * to_points),
        textcoords="offset points",
        ha="left" if is_right else "right",
        va="center",
        color=_COLORS[point.group] if point.group is not Group.OTHER else _TEXT,
        arrowprops=line if place.has_line else None,
        **_font(point),
    )


def _font(point: _Point) -> dict[str, Any]:
    if point.budget is not None:
        return {"fontsize": _BUDGET_SIZE, "fontweight": "bold"}
    return {"fontsize": _NAME_SIZE, "fontweight": "normal"}


def _pixels(axes: Axes, point: _Point) -> tuple[float, float]:
    x, y = axes.transData.transform((point.minutes, point.harmed))
    return float(x), float(y)
