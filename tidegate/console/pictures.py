"""
Pictures of rollouts as SVG: for the page, the widget and the report.

Each is a pure function of a view, and draws whatever is missing, endless or hostile in it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Final

from tidegate.console.drawing import (
    FAINT,
    FIRST,
    FOURTH,
    LIMIT,
    OTHER_LIMIT,
    SECOND,
    THIRD,
    WIDTH,
    WIDTH_MIN,
    Band,
    Chart,
    Line,
    Mark,
    Panel,
    Points,
    Scale,
    Stroke,
    draw,
    thinned,
)
from tidegate.console.figures import MOMENT_MAX, MOMENT_MIN, counted, dated, shared, shortened, told
from tidegate.console.svg import element, hint, number, path, sheet, words
from tidegate.console.view import Detail, Glance
from tidegate.domain.cohorts import Remedy, Suspect
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.points import Point
from tidegate.domain.rollout import Rollout

#: Cohorts of one picture; those with most evidence against them come first.
COHORTS_MAX = 12

#: Verdicts after which no rate is in force.
_OVER: Final = frozenset({Verdict.ABORT, Verdict.ROLL_BACK, Verdict.COMPLETE, Verdict.ENDED})

#: How a verdict is marked, around 0, 0.
_SHAPES: Final[Mapping[Verdict, str]] = {
    Verdict.PROCEED: "M0 -4V4",
    Verdict.HOLD: "M-3.5 -3.5H3.5V3.5H-3.5Z",
    Verdict.GATE: "M0 -4.5L4.5 0L0 4.5L-4.5 0Z",
    Verdict.ABORT: "M-4 -4L4 4M4 -4L-4 4",
    Verdict.ROLL_BACK: "M4 -4L-4 0L4 4Z",
    Verdict.COMPLETE: "M-4 0L-1 3.5L4 -4",
    Verdict.ENDED: "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0",
}

_REMEDIES: Final[Mapping[Remedy, str]] = {
    Remedy.QUARANTINE: "to be set apart",
    Remedy.HOLD: "holds the rollout",
    Remedy.ABORT: "others fail as well",
}

#: Stretches of time that are shown across, by verdict: what they are called and how they look.
_STRETCHES: Final[Mapping[Verdict, tuple[str, Stroke]]] = {
    Verdict.HOLD: ("held", Stroke(THIRD.colour, width=1)),
    Verdict.GATE: ("gate", Stroke(FOURTH.colour, "3 2", 1)),
    Verdict.ROLL_BACK: ("rolling back", Stroke("currentColor", "1 2", 1)),
}
_MOMENT: Final = Stroke("currentColor", width=1)

#: How many times what is there a limit may be, and still be in the picture: a line far above all
#: others would flatten them.
_LIMIT_TIMES_MAX = 4

#: The least that an axis of shares begins at.
_SHARE_MIN = 1e-6

#: Devices that an axis reaches at least.
_DEVICES_MIN = 5.0

#: How far above the highest value an axis goes.
_HEADROOM = 1.08

_BAR_HEIGHT = 18.0
_ROW_HEIGHT = 36.0
_SPARK_WIDTH, _SPARK_HEIGHT = 120.0, 28.0


def drawn(detail: Detail, *, width: float = WIDTH) -> Iterator[tuple[str, str]]:
    """Yield the pictures of a rollout in which there is something to see, each after its name."""
    if not detail.points:
        return
    last = detail.glance.last
    more = (cohorts,) if last and last.suspects else ()
    for make in (exposure, evidence, rate, *more):
        yield make.__name__, make(detail, width=width)


def exposure(detail: Detail, *, width: float = WIDTH) -> str:
    """Return how many devices have the release over time, and what became of them."""
    points, rollout = _sound(detail.points), detail.glance.rollout
    panels = (_devices(points, rollout), _harm(points, detail.glance))
    return _chart("Devices", detail, panels, _standing(detail.glance), width=width)


def evidence(detail: Detail, *, width: float = WIDTH) -> str:
    """Return the evidence against the release, and what its failure rate may be at most."""
    points, rollout = _sound(detail.points), detail.glance.rollout
    panels = (_weight(points), _bound(points, rollout))
    return _chart("Evidence", detail, panels, _evidence_told(detail.glance), width=width)


def rate(detail: Detail, *, width: float = WIDTH) -> str:
    """Return the rate, and the criterion by which AWS itself would stop the job."""
    points = _sound(detail.points)
    panels = (_speed(points), _fence(points))
    text = _rate_told(detail.glance, points)
    return _chart("Rate and fence", detail, panels, text, width=width)


def budget(glance: Glance, *, width: float = WIDTH) -> str:
    """Return how much of the harm budget is used."""
    width = max(WIDTH_MIN, width)
    used, limit = glance.harmed_beyond, glance.budget
    reach = max(used, limit) if math.isfinite(limit) else 2 * used
    reach = reach if math.isfinite(reach) and reach > 0 else 1.0
    filled, end = (min(each / reach, 1.0) * (width - 2) for each in (used, limit))
    place = {"x": 1.0, "y": 22.0, "height": _BAR_HEIGHT, "rx": 2.0}
    look = THIRD if used > limit else FIRST
    border = "" if math.isfinite(limit) else "4 3"
    content = [
        words(0, 13, "Harm budget", font_weight="600", font_size="13"),
        words(width, 13, _used(used, limit), text_anchor="end"),
        element("rect", **place, width=filled, fill=look.colour),
        element(
            "rect",
            **place,
            width=end,
            fill="none",
            stroke="currentColor",
            stroke_dasharray=border or "none",
        ),
    ]
    text = f"Harmed beyond the acceptable rate: {_used(used, limit)}."
    return _sheet("budget", glance, (width, 46), text, content)


def cohorts(detail: Detail, *, width: float = WIDTH) -> str:
    """Return the cohorts for which the release is bad, and what is done about them."""
    glance, width = detail.glance, max(WIDTH_MIN, width)
    suspects = sorted(glance.last.suspects if glance.last else (), key=lambda each: -each.log_e)
    apart = glance.rollout.memory.quarantined
    others = [each for each in apart if each not in {suspect.cohort for suspect in suspects}]
    shown = suspects[:COHORTS_MAX]
    tolerated = glance.rollout.policy.harm.tolerated_rate
    reach = max([tolerated, _SHARE_MIN, *map(_rate_of, shown)]) * _HEADROOM
    bottom = 26 + len(shown) * _ROW_HEIGHT
    content = [words(0, 13, "Cohorts", font_weight="600", font_size="13")]
    for index, each in enumerate(shown):
        top = 26 + index * _ROW_HEIGHT
        content.append(_cohort(each, top, reach, width, is_apart=each.cohort in apart))
    if shown:
        content += _tolerated(tolerated, width * tolerated / reach, len(shown), width)
        bottom += 18
    closing = _closing(len(suspects) - len(shown), others)
    if not shown and not closing:
        closing = "No cohort stands out."
    if closing:
        content.append(words(0, bottom + 10, told(closing, int(width / 6.6))))
        bottom += 16
    text = "; ".join([*map(_cohort_told, shown), *filter(None, [closing])])
    return _sheet("cohorts", glance, (width, bottom + 4), text, content)


def sparkline(glance: Glance, points: Sequence[Point] = ()) -> str:
    """
    Return a rollout's exposure for the row of a table: a curve, or a bar where it has one point.

    Args:
        glance: The rollout.
        points: Its decisions in figures, oldest first; by default its last one alone.
    """
    known = _sound(points) or _sound([glance.point] if glance.point else [])
    reach = max([glance.rollout.fleet_size or 0, 1, *(each.exposed for each in known)])
    ground = path([(0, _SPARK_HEIGHT - 2), (_SPARK_WIDTH, _SPARK_HEIGHT - 2)])
    content = [element("path", d=ground, stroke="currentColor", stroke_opacity="0.4")]
    if len(known) > 1:
        content += _curve(known, reach)
    elif known:
        length = known[0].exposed / reach * _SPARK_WIDTH
        bar = {"x": 0.0, "y": 8.0, "width": length, "height": _SPARK_HEIGHT - 10}
        content.append(element("rect", **bar, fill=FIRST.colour))
    size = (_SPARK_WIDTH, _SPARK_HEIGHT)
    return _sheet("row", glance, size, _standing(glance), content)


# panels


def _devices(points: Sequence[Point], rollout: Rollout) -> Panel:
    lines = [
        _line("notified", points, lambda each: each.exposed, FIRST),
        _line("succeeded", points, lambda each: each.succeeded, SECOND),
        _line("at work", points, lambda each: each.in_flight, FOURTH),
    ]
    highest = _highest(lines)
    title = "devices"
    if rollout.fleet_size is not None:
        title = f"devices, of {counted(rollout.fleet_size)}"
        lines += _limit("fleet", points, rollout.fleet_size, highest)
    return Panel(title, lines, _from_zero(lines, shortened))


def _harm(points: Sequence[Point], glance: Glance) -> Panel:
    acceptable, spare = glance.rollout.policy.harm.acceptable_rate, glance.budget
    harmed = _line("harmed", points, lambda each: each.harmed, THIRD)
    lines = [harmed]
    title = "devices harmed"
    if math.isfinite(spare):
        allowed = _line("budget", points, lambda each: spare + acceptable * each.started, LIMIT)
        title = f"{title}, and the budget for them"
        if _highest([allowed]) <= _LIMIT_TIMES_MAX * max(_DEVICES_MIN, _highest([harmed])):
            lines.append(allowed)
        else:
            title = f"{title}: {counted(_highest([allowed]))}, far above"
    return Panel(title, lines, _from_zero(lines, shortened), height=90)


def _weight(points: Sequence[Point]) -> Panel:
    lines = [
        _line("evidence", points, lambda each: each.log_e, THIRD),
        _line("stops at", points, lambda each: each.abort_at, LIMIT),
    ]
    top = max(1.0, *_finite(lines)) * _HEADROOM if _finite(lines) else 1.0
    # Evidence for a release is endless; what speaks against it is what matters.
    low = max(min([0.0, *_finite(lines)]), -top / 2)
    title = "evidence that more devices fail than is tolerated (natural logarithm)"
    return Panel(title, lines, Scale(low, top, shortened))


def _bound(points: Sequence[Point], rollout: Rollout) -> Panel:
    harm = rollout.policy.harm
    lines = [
        _line("at most", points, lambda each: each.upper_bound, FIRST, shared),
        _line("so far", points, _harmed_share, SECOND, shared),
        *_limit("acceptable", points, harm.acceptable_rate, 1.0, shared),
    ]
    if harm.tolerated_rate != harm.acceptable_rate:
        tolerated = _limit("tolerated", points, harm.tolerated_rate, 1.0, shared)
        lines += [replace(each, stroke=OTHER_LIMIT) for each in tolerated]
    seen = [each for each in _finite(lines) if each > 0]
    low = max(_SHARE_MIN, min([0.01, *seen]) / 2)
    return Panel("failure rate", lines, Scale(low, 1.0, shared, is_log=True))


def _speed(points: Sequence[Point]) -> Panel:
    steps = tuple(zip((each.at for each in points), _rates(points), strict=True))
    line = Line("per minute", steps, FIRST, counted, has_steps=True)
    top = max([10.0, *_finite([line])]) * 1.2
    title = "devices notified in a minute, at most"
    return Panel(title, [line], Scale(0.8, top, shortened, is_log=True))


def _fence(points: Sequence[Point]) -> Panel:
    thresholds = tuple((each.at, each.threshold) for each in points)
    minimum = next((each.minimum for each in reversed(points) if each.threshold is not None), None)
    lines = [
        Line("AWS stops at", thresholds, LIMIT, _percent, has_steps=True),
        _line("so far", points, _failed_percent, THIRD, _percent),
    ]
    top = min(100.0, max([1.0, *_finite(lines)]) * 1.25)
    title = "share of failures at which AWS itself stops the job"
    if minimum is not None:
        title = f"{title}, once {counted(minimum)} have an outcome"
    return Panel(title, lines, Scale(0.0, top, _percent), height=90)


def _line(
    name: str,
    points: Sequence[Point],
    value_of: Callable[[Point], float | None],
    stroke: Stroke,
    worded: Callable[[float], str] = counted,
) -> Line:
    return Line(name, tuple((each.at, value_of(each)) for each in points), stroke, worded)


def _limit(
    name: str,
    points: Sequence[Point],
    value: float,
    highest: float,
    worded: Callable[[float], str] = counted,
) -> list[Line]:
    """Return a line of one height, unless that is far above all others."""
    if not points or value > _LIMIT_TIMES_MAX * max(1.0, highest):
        return []
    ends: Points = ((points[0].at, value), (points[-1].at, value))
    return [Line(name, ends, LIMIT, worded)]


def _rates(points: Iterable[Point]) -> Iterator[int | None]:
    """Yield the rate in force after each decision; one may leave it as it is."""
    standing: int | None = None
    for each in points:
        standing = None if each.verdict in _OVER else each.rate or standing
        yield standing


def _harmed_share(point: Point) -> float | None:
    return point.harmed / point.started if point.started > 0 else None


def _failed_percent(point: Point) -> float | None:
    ended = point.harmed + point.succeeded
    return 100 * point.harmed / ended if ended > 0 else None


def _percent(value: float) -> str:
    return shared(value / 100)


def _from_zero(lines: Sequence[Line], worded: Callable[[float], str]) -> Scale:
    return Scale(0.0, max(_DEVICES_MIN, _highest(lines) * _HEADROOM), worded)


def _highest(lines: Sequence[Line]) -> float:
    return max([0.0, *_finite(lines)])


def _finite(lines: Iterable[Line]) -> list[float]:
    values = (value for line in lines for _, value in line.points if value is not None)
    return [value for value in values if math.isfinite(value)]


# what all charts over time share


def _chart(title: str, detail: Detail, panels: Sequence[Panel], text: str, *, width: float) -> str:
    glance, points = detail.glance, _sound(detail.points)
    rollout = glance.rollout
    since = min([rollout.enrolled_at, *(each.at for each in points)])
    until = max([since, rollout.ended_at or since, *(each.at for each in points)])
    return draw(
        Chart(
            subject=f"{title} {_subject(rollout)}",
            title=title,
            description=f"{_title(glance)}: {text}",
            panels=panels if points else (),
            since=since,
            until=until,
            bands=tuple(_bands(points, detail, until)),
            marks=tuple(_marks(points, detail.decisions)),
            width=width,
        )
    )


def _sound(points: Iterable[Point]) -> list[Point]:
    """Return the points that have a place in time, in order."""
    return sorted(
        (each for each in points if MOMENT_MIN <= each.at <= MOMENT_MAX),
        key=lambda each: (each.at, each.revision),
    )


def _bands(points: Sequence[Point], detail: Detail, until: float) -> Iterator[Band]:
    """Yield the stretches in which the rollout was held, at a gate or rolled back, and its end."""
    told_of = {each.revision: each for each in detail.decisions}
    named = [(each, _stretch(each, told_of.get(each.revision))) for each in points]
    ends = [*(each.at for each in points[1:]), until][: len(points)]
    for name, run in groupby(zip(named, ends, strict=True), key=lambda each: each[0][1]):
        stretch = list(run)
        first, last = stretch[0][0][0], stretch[-1][1]
        if name:
            stroke = _STRETCHES[first.verdict][1]
            span = f"{name}, {dated(first.at)} to {dated(last)}"
            yield Band(first.at, last, name, stroke, span)
    ending, ended_at = detail.glance.rollout.ending, detail.glance.rollout.ended_at
    stopped = next((each for each in points if each.verdict is Verdict.ABORT), None)
    if stopped is not None:
        yield Band(stopped.at, stopped.at, "stopped", _MOMENT, f"stopped, {dated(stopped.at)}")
    if ending is not None and ended_at is not None:
        name = ending.value.replace("_", " ")
        yield Band(ended_at, ended_at, name, _MOMENT, f"{name}, {dated(ended_at)}")


def _stretch(point: Point, decision: Decision | None) -> str:
    """Return what a band over this point is called; nothing where there is none."""
    if point.verdict not in _STRETCHES:
        return ""
    name, _ = _STRETCHES[point.verdict]
    if decision is None:
        return name
    if point.verdict is Verdict.GATE and decision.gate is not None:
        return f"{name}: {decision.gate.name}"
    holders = ", ".join(f"{each.kind.value} {each.by}" for each in decision.holds)
    return f"{name}: {holders}" if point.verdict is Verdict.HOLD and holders else name


def _marks(points: Sequence[Point], decisions: Sequence[Decision]) -> Iterator[Mark]:
    """Yield a mark for each decision; those that say what the one before said are plain."""
    told_of = {each.revision: each for each in decisions}
    before: Verdict | None = None
    for each in points:
        kind = each.verdict.value.replace("_", " ")
        shape = _SHAPES[each.verdict if each.verdict is not before else Verdict.PROCEED]
        decision = told_of.get(each.revision)
        is_plain = decision is None and each.verdict is before
        text = "" if is_plain else _decision_told(each, decision)
        yield Mark(each.at, shape, kind if each.verdict is not before else "", text)
        before = each.verdict


def _sheet(
    name: str, glance: Glance, size: tuple[float, float], text: str, content: Sequence[str]
) -> str:
    return sheet(f"{name} {_subject(glance.rollout)}", _title(glance), text, size, content)


def _subject(rollout: Rollout) -> str:
    return f"{rollout.key.job_id} {rollout.key.created_at}"


def _title(glance: Glance) -> str:
    return f"{glance.rollout.key.job_id}, {glance.state.replace('_', ' ')}"


# words


def _standing(glance: Glance) -> str:
    point, fleet = glance.point, glance.rollout.fleet_size
    if point is None:
        return "no decision yet"
    share = "" if fleet is None else f" of {counted(fleet)}"
    return (
        f"{counted(point.exposed)}{share} devices notified, {counted(point.succeeded)} succeeded, "
        f"{counted(point.harmed)} harmed"
    )


def _evidence_told(glance: Glance) -> str:
    point = glance.point
    if point is None:
        return "no decision yet"
    acceptable = shared(glance.rollout.policy.harm.acceptable_rate)
    return (
        f"evidence {counted(point.log_e)}, stopped at {counted(point.abort_at)}; the "
        f"failure rate is at most {shared(point.upper_bound)}, acceptable is {acceptable}"
    )


def _rate_told(glance: Glance, points: Sequence[Point]) -> str:
    in_force = glance.rate
    text = "no rate is known" if in_force is None else f"{counted(in_force)} devices a minute"
    fenced = [each for each in points if each.threshold is not None]
    return f"{text}; {_criterion(fenced[-1])}" if fenced else text


def _criterion(point: Point) -> str:
    threshold, minimum = point.threshold or 0.0, point.minimum or 0
    return (
        f"AWS stops the job by itself at {_percent(threshold)} failures of {counted(minimum)} "
        "outcomes or more"
    )


def _decision_told(point: Point, decision: Decision | None) -> str:
    summary = f": {decision.summary}" if decision is not None else ""
    verdict = point.verdict.value.replace("_", " ")
    return f"Decision {point.revision}, {dated(point.at)}, {verdict}{summary}"


def _used(used: float, limit: float) -> str:
    if not math.isfinite(limit):
        return f"{counted(used)} devices; the budget is not known"
    share = f" ({shared(used / limit)})" if limit > 0 else ""
    return f"{counted(used)} of {counted(limit)} devices{share}"


# cohorts


def _cohort(suspect: Suspect, top: float, reach: float, width: float, *, is_apart: bool) -> str:
    length = _rate_of(suspect) / reach * width
    state = "set apart" if is_apart else _REMEDIES[suspect.remedy]
    figures = (
        f"{counted(suspect.harmed)} of {counted(suspect.started)}, {shared(_rate_of(suspect))}, "
        f"{state}"
    )
    room = int(width / 6.6) - len(figures) - 2
    return element(
        "g",
        hint(_cohort_told(suspect)),
        words(0, top + 11, told(suspect.cohort, max(8, room))),
        words(width, top + 11, figures, text_anchor="end", fill_opacity=FAINT),
        element("rect", x=0.0, y=top + 16, width=length, height=10.0, fill=THIRD.colour),
    )


def _tolerated(rate: float, x: float, rows: int, width: float) -> Iterator[str]:
    for index in range(rows):
        top = 26 + index * _ROW_HEIGHT
        across = path([(x, top + 13), (x, top + 29)])
        yield element("path", d=across, stroke="currentColor", stroke_width="1.5")
    bottom = 26 + rows * _ROW_HEIGHT
    anchor = "end" if x > width / 2 else "start"
    yield words(x, bottom + 11, f"tolerated {shared(rate)}", text_anchor=anchor, font_size="11")


def _closing(left: int, apart: Sequence[str]) -> str:
    parts = [f"and {left} more"] if left > 0 else []
    if apart:
        parts.append(f"set apart: {', '.join(apart[:COHORTS_MAX])}")
    return "; ".join(parts)


def _cohort_told(suspect: Suspect) -> str:
    return (
        f"{told(suspect.cohort, 80)}: {counted(suspect.harmed)} of {counted(suspect.started)} "
        f"devices harmed, evidence {counted(suspect.log_e)} of {counted(suspect.limit)}"
    )


def _rate_of(suspect: Suspect) -> float:
    return suspect.harmed / suspect.started if suspect.started > 0 else 0.0


# a row's picture


def _curve(points: Sequence[Point], reach: float) -> Iterator[str]:
    since, until = points[0].at, max(points[-1].at, points[0].at + 1)
    ground = _SPARK_HEIGHT - 2

    def x(at: float) -> float:
        return 2 + (at - since) / (until - since) * (_SPARK_WIDTH - 5)

    drawn = thinned([(each.at, float(each.exposed)) for each in points])
    spots = [(x(at), ground - (value or 0.0) / reach * (ground - 4)) for at, value in drawn]
    for before, after in pairwise(points):
        if before.verdict in _STRETCHES:
            held = path([(x(before.at), ground), (x(after.at), ground)])
            yield element("path", d=held, stroke=THIRD.colour, stroke_width="3")
    yield element("path", d=path(spots), stroke_linejoin="round", **FIRST.attributes())
    end_x, end_y = spots[-1]
    if points[-1].verdict in _OVER - {Verdict.COMPLETE}:
        place = f"translate({number(end_x)} {number(end_y)})"
        cross = _SHAPES[Verdict.ABORT]
        yield element("path", d=cross, transform=place, stroke="currentColor", fill="none")
    else:
        yield element("circle", cx=end_x, cy=end_y, r=2.5, fill=FIRST.colour)
