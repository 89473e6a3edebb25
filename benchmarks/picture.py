"""The picture above all: devices harmed by bad releases against minutes that a good one takes."""

from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation

if TYPE_CHECKING:
    from matplotlib.transforms import BboxBase

from benchmarks.plan import CONSTANT_RATE, TOLERATED, Group, contestants
from benchmarks.results import Results

_OWN, _OTHER, _FLOOR = "#0b6e4f", "#5a6270", "#b5651d"
#: A good release is stopped falsely more often than that: the point is hollow.
_FALSE_STOPS_MAX = 0.01


def draw(results: Results, path: Path) -> None:
    """Write the picture as SVG, or in whatever format the path's suffix says."""
    mpl.rcParams["svg.hashsalt"] = "tidegate"
    figure = Figure(figsize=(9.6, 6.4), layout="constrained")
    axes = figure.add_subplot()
    frontier: list[tuple[float, float, int]] = []
    points: list[tuple[float, float, str]] = []
    for name, contestant in contestants().items():
        good = results.find(name, "good")
        if good is None or good.minutes_to_finish is None:
            continue
        harmed = fmean(results.of(name, each).harmed for each in CONSTANT_RATE)
        minutes = good.minutes_to_finish
        if contestant.group in {Group.OWN, Group.VARIANT} and contestant.budget:
            frontier.append((minutes, harmed, contestant.budget))
            continue
        tolerated = [good, *filter(None, (results.find(name, each) for each in TOLERATED))]
        is_hollow = any(each.stopped_share > _FALSE_STOPS_MAX for each in tolerated)
        color = {Group.FLOOR: _FLOOR, Group.OTHER: _OTHER}.get(contestant.group, _OWN)
        marker = "D" if contestant.group is Group.FLOOR else "o"
        axes.plot(minutes, harmed, marker, color=color, mfc="white" if is_hollow else color, ms=7)
        points.append((minutes, harmed, name))
    frontier.sort(key=lambda each: each[2])
    axes.plot(*zip(*((m, h) for m, h, _ in frontier), strict=True), "s-", color=_OWN, ms=8, lw=2)
    named = [
        axes.annotate(
            f"Tidegate, budget {budget}" if budget == frontier[-1][2] else f"budget {budget}",
            (minutes, harmed),
            xytext=(11, 0),
            textcoords="offset points",
            fontsize=11,
            color=_OWN,
            weight="bold",
            va="center",
        )
        for minutes, harmed, budget in frontier
    ]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(x=0.14)
    _label(FigureCanvasAgg(figure), axes, points, named)
    axes.set_xlabel("minutes until a good release has reached the whole fleet of 100,000")
    axes.set_ylabel("devices harmed by a bad release (mean over four)")
    axes.grid(visible=True, which="major", alpha=0.3)
    title = "hollow: stops a release at the tolerated 2 %, or below, in more than 1 % of rollouts"
    axes.set_title(title, fontsize=10)
    figure.savefig(
        path, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None
    )


#: Places of a label beside its point, in points of type: the first that is free is taken.
_OFFSETS = ((8, 0), (8, 9), (8, -9), (-8, 0), (-8, 10), (-8, -10), (8, 18), (8, -18))


def _label(
    canvas: FigureCanvasAgg,
    axes: Axes,
    points: list[tuple[float, float, str]],
    named: list[Annotation],
) -> None:
    """Name each point where its name hides no other, nor those that are named already."""
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]  # matplotlib's
    taken: list[BboxBase] = [each.get_window_extent(renderer) for each in named]
    for minutes, harmed, name in sorted(points, key=lambda each: -each[1]):
        for dx, dy in _OFFSETS:
            side = "left" if dx > 0 else "right"
            text = axes.annotate(
                name,
                (minutes, harmed),
                xytext=(dx, dy),
                textcoords="offset points",
                fontsize=9,
                ha=side,
                va="center",
            )
            box = text.get_window_extent(renderer)
            if not any(box.overlaps(each) for each in taken) or (dx, dy) == _OFFSETS[-1]:
                taken.append(box)
                break
            text.remove()
