"""Pictures of rollouts: whatever they show, they are well-formed, labelled and harmless."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.contract.samples import NOW
from tests.unit.console.rollouts import BETWEEN, HOSTILE, decided, history, seen, suspect
from tidegate.console import pictures
from tidegate.console.drawing import BANDS_MAX, MARKS_MAX, POINTS_MAX
from tidegate.console.view import Detail
from tidegate.domain.decision import Verdict
from tidegate.domain.points import point_of
from tidegate.domain.rollout import Ending, RolloutKey

SVG = "{http://www.w3.org/2000/svg}"
PROCEED, HOLD, GATE, ABORT = Verdict.PROCEED, Verdict.HOLD, Verdict.GATE, Verdict.ABORT

#: All pictures of a rollout, by name.
PICTURES: dict[str, Callable[[Detail], str]] = {
    "exposure": pictures.exposure,
    "evidence": pictures.evidence,
    "rate": pictures.rate,
    "cohorts": pictures.cohorts,
    "budget": lambda detail: pictures.budget(detail.glance),
    "sparkline": lambda detail: pictures.sparkline(detail.glance, detail.points),
    "bar": lambda detail: pictures.sparkline(detail.glance),
}
CHARTS = ("exposure", "evidence", "rate")

USUAL = history(*[PROCEED] * 9, *[GATE] * 3, *[PROCEED] * 9, *[HOLD] * 4, *[PROCEED] * 5, ABORT)
INFINITE: dict[str, Any] = {
    "log_e": math.inf,
    "abort_at": math.inf,
    "upper_bound": math.inf,
    "doubt": math.nan,
}
STORIES: dict[str, Detail] = {
    "empty": seen([]),
    "one": seen(history(PROCEED)),
    "usual": seen(USUAL, ending=Ending.ABORTED, ended_at=NOW + 99 * BETWEEN),
    "no fleet": seen(USUAL, fleet_size=None),
    "all at once": seen([replace(each, at=NOW) for each in USUAL]),
    "never again": seen([decided(revision, log_e=-math.inf) for revision in (1, 2)]),
    "infinite": seen([decided(1, **INFINITE), decided(2), decided(3, **INFINITE)]),
    "not a number": seen([decided(1, log_e=math.nan, upper_bound=math.nan)]),
    "out of time": seen([replace(decided(1), at=math.inf), replace(decided(2), at=-1e20)]),
    "huge": seen([decided(n, exposed=10**n, started=10**n, harmed=10**n) for n in range(1, 40)]),
    "million": seen([decided(2, exposed=1_000_000, harmed=1000)], fleet_size=1_000_000),
    "negative": seen([decided(1, exposed=-5, started=-5, harmed=-1, log_e=-40.0)]),
    "years": seen([replace(each, at=NOW + each.revision * 1e8) for each in USUAL]),
    "cohorts": seen([replace(decided(1), suspects=tuple(suspect(f"c{n}") for n in range(30)))]),
    "hollow cohort": seen([replace(decided(1), suspects=(suspect("none", 0, 0, math.inf),))]),
}


def parsed(svg: str) -> ET.Element:
    """Return a picture's root; raises ParseError."""
    return ET.fromstring(svg)  # noqa: S314 - our own


def texts(svg: str) -> list[str]:
    """Return the words that are seen."""
    return [each.text or "" for each in parsed(svg).iter(f"{SVG}text")]


def hints(svg: str) -> list[str]:
    """Return what is told of parts that are pointed at."""
    groups = parsed(svg).iter(f"{SVG}g")
    return [each.text or "" for group in groups for each in group.iter(f"{SVG}title")]


def lengths(svg: str) -> Iterator[float]:
    """Yield all numbers of places and sizes."""
    for each in parsed(svg).iter():
        for name in ("x", "y", "cx", "cy", "width", "height", "d", "transform", "viewBox"):
            if "title" not in each.tag:
                yield from map(float, re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", each.get(name, "")))


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("picture", PICTURES)
def test_whatever_there_is_to_see_is_drawn(picture: str, story: str) -> None:
    """Nothing, one point, endless figures: a picture, well-formed, and nothing runs off it."""
    svg = PICTURES[picture](STORIES[story])

    root = parsed(svg)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert root.tag == f"{SVG}svg"
    assert not re.search(r"\bnan\b|\binf\b", svg.replace("∞", ""))
    assert all(-10 <= each <= max(width, height) + 1 for each in lengths(svg))


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_says_what_it_shows(picture: str) -> None:
    """Who cannot see it is told of what rollout it is and how that stands, by its own ids."""
    root = parsed(PICTURES[picture](STORIES["usual"]))

    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert title.text
    assert desc.text


def test_pictures_of_one_page_do_not_share_ids() -> None:
    """Each is told by its own title, of several pictures and of several rollouts."""
    shown = (STORIES["usual"], seen(USUAL, key=RolloutKey("other", 1)))
    drawn = [draw(each) for draw in list(PICTURES.values())[:6] for each in shown]

    ids = [each.get("id") for svg in drawn for each in parsed(svg).iter() if each.get("id")]

    assert len(ids) == 2 * len(drawn)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("picture", PICTURES)
def test_names_from_outside_are_only_words(picture: str) -> None:
    """Markup in a name, a reason or a cohort is shown as it is, and nothing turns direction."""
    hold = replace(
        decided(1, HOLD), holds=(replace(decided(1, HOLD).holds[0], by=HOSTILE),), reasons=()
    )
    gate = decided(2, GATE)
    assert gate.gate is not None
    named = replace(gate, gate=replace(gate.gate, name=HOSTILE))
    last = replace(decided(3), suspects=(suspect(HOSTILE),))
    svg = PICTURES[picture](seen([hold, named, last], key=RolloutKey(HOSTILE, 1)))

    tags = {each.tag for each in parsed(svg).iter()}
    names = {name for each in parsed(svg).iter() for name in each.attrib}
    known = ("svg", "title", "desc", "g", "text", "path", "rect", "circle")
    assert tags <= {f"{SVG}{name}" for name in known}
    assert not any(name.startswith("on") or "href" in name or name == "style" for name in names)
    assert "<script" not in svg
    assert not {"\u202e", "\x00", "\ud800"} & set(svg)
    svg.encode()


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_refers_to_nothing(picture: str) -> None:
    """It is complete in itself: it may be mailed, archived and shown under any policy."""
    svg = PICTURES[picture](STORIES["usual"])

    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in svg


@pytest.mark.parametrize("picture", PICTURES)
def test_the_same_is_drawn_the_same(picture: str) -> None:
    """A picture that has not changed can be compared, and is not sent again."""
    assert PICTURES[picture](STORIES["usual"]) == PICTURES[picture](STORIES["usual"])


@pytest.mark.parametrize("picture", CHARTS)
def test_lines_differ_in_more_than_colour(picture: str) -> None:
    """Within a panel no two lines have the same dashes and weight, and each has its name."""
    root = parsed(PICTURES[picture](STORIES["usual"]))

    looks = [
        (each.get("stroke-dasharray"), each.get("stroke-width"))
        for each in root.iter(f"{SVG}path")
        if each.get("stroke-linejoin")
    ]
    panels = {"exposure": [3, 2], "evidence": [2, 4], "rate": [1, 2]}[picture]
    for count in panels:
        panel, looks = looks[:count], looks[count:]
        assert len(set(panel)) == len(panel) == count
    assert looks == []


def test_each_line_ends_with_its_name_and_value() -> None:
    """Nobody has to look up in a legend what a line is, or measure where it ends."""
    detail = STORIES["usual"]

    drawn = {text for name in CHARTS for text in texts(PICTURES[name](detail))}

    assert {"notified 310", "succeeded 274", "at work 5", "harmed 3"} <= drawn
    assert {"evidence 0", "stops at 9", "acceptable 1.5%", "tolerated 2%"} <= drawn
    assert {"at most 3.23%", "AWS stops at 12.5%", "per minute 12"} <= drawn


def test_names_at_the_ends_do_not_cover_each_other() -> None:
    """Lines that end at one height have their names below each other."""
    svg = pictures.exposure(seen([decided(1, exposed=5, succeeded=5, in_flight=5)], fleet_size=5))

    heights = sorted(
        float(each.attrib["y"])
        for each in parsed(svg).iter(f"{SVG}text")
        if (each.text or "").endswith(" 5") and not (each.text or "").startswith("devices")
    )
    assert len(heights) == 4
    assert all(after - before >= 14 for before, after in pairwise(heights))


@pytest.mark.parametrize("picture", CHARTS)
def test_gates_and_holds_are_named_where_they_were(picture: str) -> None:
    """Why a line is flat is written above it, with who held it and at which gate it stood."""
    svg = PICTURES[picture](STORIES["usual"])

    assert {"gate: canary", "held: operator night-shift", "stopped", "aborted"} <= set(texts(svg))
    assert any("held: operator night-shift, 15 Nov 2023" in each for each in hints(svg))


def test_a_hold_lasts_until_the_next_decision() -> None:
    """A band ends where the rollout went on, not at the last look at it while it stood."""
    svg = pictures.rate(seen(history(PROCEED, HOLD, HOLD, PROCEED, PROCEED)))

    grounds = [each for each in parsed(svg).iter(f"{SVG}path") if each.get("stroke-opacity")]
    left, right = map(float, re.findall(r"[ML]([\d.]+)", grounds[0].attrib["d"]))
    areas = [each for each in parsed(svg).iter(f"{SVG}rect") if float(each.attrib["width"]) > 8]
    between = (right - left) / 5
    assert [float(each.attrib["x"]) for each in areas] == [
        pytest.approx(left + 2 * between, abs=0.2)
    ]
    assert float(areas[0].attrib["width"]) == pytest.approx(2 * between, abs=0.2)


def test_older_holds_are_shown_without_their_names() -> None:
    """Of a long rollout only the newest decisions are known whole; the others still show."""
    verdicts = [HOLD, PROCEED] * 3
    svg = pictures.rate(seen(history(*verdicts), whole=2))

    assert texts(svg).count("held") == 2
    assert texts(svg).count("held: operator night-shift") == 1


def test_a_decision_tells_itself() -> None:
    """Whoever points at a mark reads when it was, what it was and why."""
    svg = pictures.rate(STORIES["usual"])

    told = [each for each in hints(svg) if each.startswith("Decision 10, 14 Nov 2023 23:03, gate")]
    assert told == [f"Decision 10, 14 Nov 2023 23:03, gate: {decided(10).summary}"]
    assert {"proceed", "hold", "gate", "abort"} <= set(texts(svg))


@pytest.mark.parametrize("picture", [*CHARTS, "sparkline"])
def test_a_long_rollout_stays_small(picture: str) -> None:
    """Five thousand decisions are thinned to what a screen can show."""
    verdicts = [PROCEED, HOLD, PROCEED] * 1666
    svg = PICTURES[picture](seen(history(*verdicts)))

    assert len(svg) < 150_000
    root = parsed(svg)
    drawn = [each.attrib["d"] for each in root.iter(f"{SVG}path") if each.get("stroke-linejoin")]
    assert max(each.count("L") + each.count("H") + 1 for each in drawn) <= POINTS_MAX
    assert len(list(root.iter(f"{SVG}g"))) <= BANDS_MAX + MARKS_MAX + 10


def test_thinning_loses_no_peak() -> None:
    """A moment of strong evidence is in the picture, however long the rollout was."""
    calm = [point_of(decided(revision, log_e=0.5)) for revision in range(1, 5000)]
    calm[2717] = replace(calm[2717], log_e=8.5)
    drawn = [
        pictures.evidence(replace(seen(history(PROCEED)), points=points))
        for points in (calm, calm[:2717] + calm[2718:])
    ]

    def highest(svg: str) -> float:
        line = next(each for each in parsed(svg).iter(f"{SVG}path") if each.get("stroke-linejoin"))
        return min(float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", line.attrib["d"]))

    assert highest(drawn[0]) < highest(drawn[1]) - 50


def test_a_rate_that_is_left_alone_stands() -> None:
    """A decision that sends nothing changes nothing; once it is over there is no rate."""
    decisions = history(PROCEED, PROCEED, ABORT)
    rates = zip(decisions, (25, None, 30), strict=True)
    points = [replace(point_of(each), rate=rate) for each, rate in rates]
    svg = pictures.rate(replace(seen(decisions), points=points))

    assert "per minute 25" in texts(svg)


def test_a_budget_that_is_far_is_written_instead() -> None:
    """A limit a hundred times above all that happened would flatten what did."""
    near = pictures.exposure(seen([decided(30)]))
    far = pictures.exposure(seen([decided(30)], fleet_size=1_000_000))

    assert "budget 14" in texts(near)
    assert not any(text.startswith("budget") for text in texts(far))
    assert "devices harmed, and the budget for them: 1,004, far above" in texts(far)


@pytest.mark.parametrize(
    ("harmed", "fleet_size", "words"),
    [
        (0, 10_000, "0 of 10 devices (0%)"),
        (14, 10_000, "9.9 of 10 devices (99.5%)"),
        (50, 10_000, "46 of 10 devices (460%)"),
        (50, None, "46 devices; the budget is not known"),
    ],
)
def test_the_budget_is_told_in_figures(harmed: int, fleet_size: int | None, words: str) -> None:
    """Used and whole, also beyond it and where it is not known; the bar stays within its frame."""
    svg = pictures.budget(seen([decided(30, harmed=harmed)], fleet_size=fleet_size).glance)

    bars = [float(each.attrib["width"]) for each in parsed(svg).iter(f"{SVG}rect")]
    assert words in texts(svg)
    assert all(0 <= each <= 758 for each in bars)


def test_cohorts_are_told_with_what_is_done_about_them() -> None:
    """The one with most evidence against it comes first, and those set apart before are named."""
    weak, strong = suspect("site=a", 9, 300, 2.0), suspect("model=b", 31, 400, 7.0)
    detail = seen([replace(decided(3), suspects=(weak, strong))])
    memory = replace(detail.glance.rollout.memory, quarantined=("model=b", "model=old"))
    rollout = replace(detail.glance.rollout, memory=memory)
    told = texts(pictures.cohorts(replace(detail, glance=replace(detail.glance, rollout=rollout))))

    assert told.index("model=b") < told.index("site=a")
    assert {"31 of 400, 7.75%, set apart", "9 of 300, 3%, to be set apart"} <= set(told)
    assert {"tolerated 2%", "set apart: model=old"} <= set(told)


def test_more_cohorts_than_fit_are_counted() -> None:
    """A list that is cut says so."""
    told = texts(pictures.cohorts(STORIES["cohorts"]))

    assert "and 18 more" in told


@pytest.mark.parametrize("width", [0, 240, 400, 1600])
@pytest.mark.parametrize("picture", [pictures.exposure, pictures.cohorts])
def test_a_picture_is_as_wide_as_asked_for(picture: Callable[..., Any], width: int) -> None:
    """Drawn for the place that it gets, its words stay readable; there is a least width."""
    root = parsed(picture(STORIES["usual"], width=width))

    assert float(root.attrib["width"]) == max(240, width)
