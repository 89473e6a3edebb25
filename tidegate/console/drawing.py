"""
Charts over time as SVG: panels above each other on one axis, bands across, marks below.

A chart is a text of its own: no script, no style sheet, no reference to anything. Its words take
the colour of the text around it, its lines CSS variables (``--series-1`` to ``--series-4``,
``--grid``) or, where those are not set, colours for light and dark ground alike. Lines differ in
their dashes too, and have their names at their ends.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from tidegate.console.figures import (
    dated,
    linear_ticks,
    logarithmic_ticks,
    places,
    time_ticks,
    told,
)
from tidegate.console.svg import Spot, element, hint, number, path, sheet, words

#: Points of one line; a screen shows no more. Each stretch of a longer line keeps its first and
#: last point and both extremes.
POINTS_MAX = 600
_KEPT_OF_STRETCH = 4

#: Bands and marks of one chart; the newest are drawn.
BANDS_MAX = 60
MARKS_MAX = 200

#: Characters of the name of a band.
NAME_MAX = 36

#: Pixels.
WIDTH = 760
WIDTH_MIN = 240
_LEFT = 48
_SAMPLE = 34
_NAMES, _NAMES_SHARE, _NAMES_SHARE_MAX = 164, 0.34, 0.45
_LINE = 15
_GAP = 30
_MARKS = 16
_BAND_MIN = 1.5
_LETTER = 7.0

#: Rows for the names of bands; what finds no room there tells its name when it is pointed at.
_LANES_MAX = 3

#: Seconds: of a shorter rollout there would be nothing to see.
_SPAN_MIN = 300.0

Points: TypeAlias = Sequence[tuple[float, float | None]]

FAINT: Final = "0.75"
_ON_AXIS: Final = {"font_size": "11", "fill_opacity": FAINT}


@dataclass(frozen=True, slots=True)
class Stroke:
    """How a line is drawn: its colour, and the lengths of its dashes, none for a whole line."""

    colour: str
    dashes: str = ""
    width: float = 2

    def attributes(self) -> dict[str, str | float]:
        """Return the attributes that say so."""
        dashes = {"stroke_dasharray": self.dashes} if self.dashes else {}
        return {"fill": "none", "stroke": self.colour, "stroke_width": self.width, **dashes}


FIRST = Stroke("var(--series-1, #2f86d1)")
SECOND = Stroke("var(--series-2, #179a6b)", "7 3")
THIRD = Stroke("var(--series-3, #d0691a)")
FOURTH = Stroke("var(--series-4, #a763c2)", "2 3")
LIMIT = Stroke("currentColor", "9 3 2 3", 1.25)
OTHER_LIMIT = Stroke("currentColor", "2 4", 1.25)
_GRID = Stroke("var(--grid, #8884)", width=1)


@dataclass(frozen=True, slots=True)
class Scale:
    """
    From values to heights.

    Attributes:
        low: Value at the bottom; what lies below is drawn there.
        high: Value at the top, likewise.
        worded: How a value of the axis is told.
    """

    low: float
    high: float
    worded: Callable[[float], str]
    is_log: bool = False

    def height(self, value: float) -> float:
        """Return the height of a value, from 0 at the bottom to 1 at the top."""
        low, high, within = self.low, self.high, min(max(value, self.low), self.high)
        if self.is_log:
            low, high, within = math.log(low), math.log(high), math.log(within)
        return (within - low) / (high - low)

    def ticks(self, most: int) -> Sequence[float]:
        """Return the values that are written at the axis."""
        ticks = logarithmic_ticks if self.is_log else linear_ticks
        return ticks(self.low, self.high, most)


@dataclass(frozen=True, slots=True)
class Line:
    """
    One line of a panel.

    Attributes:
        name: What it is, at its end.
        points: Epoch seconds and value; None where there is none.
        worded: How its last value is told, behind its name.
        has_steps: Whether a value holds until the next one.
    """

    name: str
    points: Points
    stroke: Stroke
    worded: Callable[[float], str]
    has_steps: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines on one scale."""

    title: str
    lines: Sequence[Line]
    scale: Scale
    height: float = 130


@dataclass(frozen=True, slots=True)
class Band:
    """
    A stretch of time, or a moment where it begins and ends at once, in epoch seconds.

    Attributes:
        name: Beside it.
        text: What is told when it is pointed at.
    """

    since: float
    until: float
    name: str
    stroke: Stroke
    text: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """
    Something that happened, at ``at`` epoch seconds.

    Attributes:
        shape: The drawing of a mark around 0, 0.
        kind: What marks of this shape are, in the key.
        text: What is told when it is pointed at; nothing: a stroke among many.
    """

    at: float
    shape: str
    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """
    All that is on one sheet.

    Attributes:
        subject: What tells it from all other pictures of a page.
        description: What there is to see, in words.
        since: Where the axis begins, in epoch seconds.
        until: Where it ends.
    """

    subject: str
    title: str
    description: str
    panels: Sequence[Panel]
    since: float = 0.0
    until: float = 0.0
    bands: Sequence[Band] = field(default=())
    marks: Sequence[Mark] = field(default=())
    width: float = WIDTH


# the chart


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the panels lie, in pixels, and the time that they show."""

    left: float
    right: float
    since: float
    until: float

    def x(self, at: float) -> float:
        share = (at - self.since) / (self.until - self.since)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A band in pixels; the row of its name is None where there was no room."""

    band: Band
    left: float
    right: float
    name_x: float
    lane: int | None


def draw(chart: Chart) -> str:
    """Return the chart as SVG."""
    width = max(WIDTH_MIN, chart.width)
    if not chart.panels:
        return _nothing(chart, width)
    # As a rule the same, so that charts above each other have one axis.
    names = max(_room(chart.panels), min(_NAMES, _NAMES_SHARE * width))
    right = width - min(names, _NAMES_SHARE_MAX * width)
    until = max(chart.until, chart.since + _SPAN_MIN)
    frame = _Frame(_LEFT, right, chart.since, until)
    bands = list(_placed(chart.bands, frame, width))
    lanes = max((each.lane + 1 for each in bands if each.lane is not None), default=0)
    top = 20 + lanes * _LINE
    content = [words(0, 13, chart.title, font_weight="600", font_size="13")]
    below, panels = top + 8.0, list[str]()
    for panel in chart.panels:
        panels += _panel(panel, frame, below, width)
        below += _LINE + panel.height + _GAP
    below -= _GAP
    content += [_band(each, top, below) for each in bands]
    content += panels
    content += _marks(chart.marks, frame, below + _MARKS / 2 + 2)
    content += _time_axis(frame, below + (_MARKS if chart.marks else 0))
    below += _MARKS + 2 * _LINE
    if chart.marks:
        below += _LINE
        content.append(_key(chart.marks, below - 6))
    size = (width, below)
    return sheet(chart.subject, chart.title, chart.description, size, content)


def _nothing(chart: Chart, width: float) -> str:
    content = [
        words(0, 13, chart.title, font_weight="600", font_size="13"),
        words(0, 13 + _LINE + 4, "Nothing to draw yet.", fill_opacity=FAINT),
    ]
    return sheet(chart.subject, chart.title, chart.description, (width, 40), content)


def _room(panels: Sequence[Panel]) -> float:
    """Return the pixels that the names at the ends of lines take."""
    names = (_name(line) for panel in panels for line in panel.lines)
    return max((places(name) for name in names), default=0) * _LETTER + _SAMPLE


def _name(line: Line) -> str:
    values = [value for _, value in line.points if value is not None and not math.isnan(value)]
    return f"{line.name} {line.worded(values[-1])}" if values else ""


# panels


@dataclass(frozen=True, slots=True)
class _End:
    """Where a line ends."""

    line: Line
    spot: Spot


def _panel(panel: Panel, frame: _Frame, top: float, width: float) -> Iterator[str]:
    yield words(0, top + 11, told(panel.title, int(width / _LETTER)), fill_opacity=FAINT)
    ground, roof = top + _LINE + panel.height, top + _LINE + 4
    y_of = _Heights(panel.scale, ground, roof)
    yield from _value_axis(y_of, frame, int(panel.height // 32))
    ends: list[_End] = []
    for line in panel.lines:
        stretches = [
            [(frame.x(at), y_of(value)) for at, value in stretch]
            for stretch in _stretches(line.points)
        ]
        for spots in stretches:
            yield _drawn(line, spots)
        if stretches:
            ends.append(_End(line, stretches[-1][-1]))
    yield from _names(ends, frame.right, (roof, ground), width)


@dataclass(frozen=True, slots=True)
class _Heights:
    """From values to pixels."""

    scale: Scale
    ground: float
    roof: float

    def __call__(self, value: float) -> float:
        return self.ground - self.scale.height(value) * (self.ground - self.roof)


def _value_axis(y_of: _Heights, frame: _Frame, most: int) -> Iterator[str]:
    for tick in y_of.scale.ticks(max(2, most)):
        y = y_of(tick)
        grid = path([(frame.left, y), (frame.right, y)])
        yield element("path", d=grid, **_GRID.attributes())
        yield words(frame.left - 6, y + 4, y_of.scale.worded(tick), **_ON_AXIS, text_anchor="end")
    ground = path([(frame.left, y_of.ground), (frame.right, y_of.ground)])
    yield element("path", d=ground, stroke="currentColor", stroke_opacity="0.5")


def _drawn(line: Line, spots: Sequence[Spot]) -> str:
    drawing = path(spots, has_steps=line.has_steps)
    return element("path", d=drawing, stroke_linejoin="round", **line.stroke.attributes())


def _stretches(points: Points) -> Iterator[list[tuple[float, float]]]:
    """Yield the parts of a line between which there is no value, thinned."""
    stretch: list[tuple[float, float]] = []
    for at, value in thinned(points):
        if value is not None and not math.isnan(value):
            stretch.append((at, value))
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def thinned(points: Points) -> Points:
    """Return few enough points; none of what a line reaches is lost."""
    if len(points) <= POINTS_MAX:
        return points
    length = math.ceil(len(points) * _KEPT_OF_STRETCH / POINTS_MAX)
    kept: list[int] = []
    for start in range(0, len(points), length):
        stretch = range(start, min(start + length, len(points)))
        by_value = sorted(stretch, key=lambda index: _or_least(points[index][1]))
        kept += sorted({stretch[0], by_value[0], by_value[-1], stretch[-1]})
    return [points[index] for index in kept]


def _or_least(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value


def _names(
    ends: Sequence[_End], left: float, within: tuple[float, float], width: float
) -> Iterator[str]:
    """Yield the names of lines at their ends, apart from each other."""
    in_order = sorted(ends, key=lambda each: each.spot[1])
    most = math.ceil((width - left - _SAMPLE) / _LETTER)
    for end, y in zip(in_order, _apart([end.spot[1] for end in in_order], within), strict=True):
        x, colour = left + 8, end.line.stroke.colour
        yield element("circle", cx=end.spot[0], cy=end.spot[1], r=2.5, fill=colour)
        leader = path([end.spot, (x, y)])
        yield element("path", d=leader, fill="none", stroke=colour, stroke_opacity="0.4")
        sample = path([(x, y), (x + 18, y)])
        yield element("path", d=sample, **end.line.stroke.attributes())
        yield words(x + 22, y + 4, told(_name(end.line), most))


def _apart(heights: Sequence[float], within: tuple[float, float]) -> list[float]:
    """Return heights in the same order, a line apart where there is room for that."""
    roof, ground = within
    row = min(_LINE, (ground - roof) / max(1, len(heights) - 1))
    placed: list[float] = []
    for y in heights:
        placed.append(max(y, placed[-1] + row if placed else roof))
    for index in reversed(range(len(placed))):
        left = len(placed) - 1 - index
        placed[index] = min(placed[index], ground - left * row)
    return placed


# bands


def _placed(bands: Sequence[Band], frame: _Frame, width: float) -> Iterator[_Placed]:
    """Yield the newest bands in pixels, their names in rows so that none covers another."""
    free = [0.0] * _LANES_MAX
    for band in sorted(bands, key=lambda each: each.since)[-BANDS_MAX:]:
        left, right = frame.x(band.since), frame.x(band.until)
        is_moment = band.until <= band.since
        right = left if is_moment else max(right, left + _BAND_MIN)
        room = places(told(band.name, NAME_MAX)) * _LETTER
        name_x = max(0.0, min(left + 3, width - room))
        lane = next((row for row in range(_LANES_MAX) if free[row] <= name_x), None)
        if lane is not None:
            free[lane] = name_x + room + _LETTER
        yield _Placed(band, left, right, name_x, lane)


def _band(placed: _Placed, top: float, bottom: float) -> str:
    band, stroke = placed.band, placed.band.stroke
    start = top if placed.lane is None else 20 + placed.lane * _LINE
    edges = [path([(placed.left, start), (placed.left, bottom)])]
    content = [hint(band.text or band.name)]
    if placed.right > placed.left:
        area = {"x": placed.left, "y": top, "width": placed.right - placed.left}
        height = bottom - top
        content.append(
            element("rect", **area, height=height, fill=stroke.colour, fill_opacity="0.13")
        )
        edges.append(path([(placed.right, top), (placed.right, bottom)]))
    content += [element("path", d=edge, **stroke.attributes()) for edge in edges]
    if placed.lane is not None:
        name = told(band.name, NAME_MAX)
        content.append(words(placed.name_x, start + 11, name, font_size="11"))
    return element("g", *content)


# marks and time

#: A mark is thin; around it is what can be pointed at.
_POINTED_AT: Final = element("rect", x=-4, y=-7, width=8, height=14, fill_opacity="0")


def _marks(marks: Sequence[Mark], frame: _Frame, y: float) -> Iterator[str]:
    """Yield the newest marks; of those that nothing is told of, one in two pixels."""
    untold = {round(frame.x(each.at) / 2) * 2.0: each for each in marks if not each.text}
    drawn = "".join(
        f"{path([(x, y - 4), (x, y + 4)])}" for x, _ in sorted(untold.items(), key=lambda e: e[0])
    )
    if drawn:
        yield element("path", d=drawn, stroke="currentColor", stroke_opacity="0.5")
    for mark in [each for each in marks if each.text][-MARKS_MAX:]:
        place = f"translate({number(frame.x(mark.at))} {number(y)})"
        yield element("g", hint(mark.text), _POINTED_AT, _shape(mark.shape), transform=place)


def _shape(shape: str) -> str:
    return element("path", d=shape, fill="none", stroke="currentColor", stroke_width="1.25")


def _time_axis(frame: _Frame, top: float) -> Iterator[str]:
    most = int((frame.right - frame.left) // 70)
    for at, text in time_ticks(frame.since, frame.until, most):
        yield words(frame.x(at), top + _LINE, text, **_ON_AXIS, text_anchor="middle")
    span = f"{dated(frame.since)} to {dated(frame.until)}, UTC"
    yield words(frame.left, top + 2 * _LINE, span, **_ON_AXIS)


def _key(marks: Sequence[Mark], bottom: float) -> str:
    """Return what the marks' shapes mean, for those that there are."""
    shapes = {each.kind: each.shape for each in marks if each.kind}
    content: list[str] = []
    x = float(_LEFT)
    for kind, shape in shapes.items():
        place = f"translate({number(x + 4)} {number(bottom)})"
        content.append(element("g", _shape(shape), transform=place))
        content.append(words(x + 14, bottom + 4, kind, **_ON_AXIS))
        x += 14 + (places(kind) + 3) * _LETTER
    return element("g", *content)
