"""The comparison as Markdown: every scenario and every rule, also those that Tidegate loses."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from benchmarks.bars import bars
from benchmarks.plan import (
    AMOUNTS,
    CONSTANT_RATE,
    GOOD,
    MINUTES_MAX,
    OF_GOOD,
    OF_TOLERATED,
    PARTLY_BAD,
    RUNS_MIN,
    TIDEGATE,
    TOLERATED,
    TOLERATED_MINUTES_MAX,
    UNATTENDED,
    Group,
    contestants,
    titles,
)
from benchmarks.results import Outcome, Results
from benchmarks.speed import Speed
from tidegate.lab.summary import PERCENTILE

_PAGE = Path(__file__).with_name("benchmarks.md.j2")

_BAD = (*CONSTANT_RATE, *PARTLY_BAD)
_JUDGED = (*GOOD, *TOLERATED)

#: Another rule is ahead if it is so by so many standard errors of the difference.
_ERRORS_AHEAD = 2.0
#: Errors of so many devices and more are told without decimals.
_COARSE_FROM = 10
#: Other figures from here on are told without decimals.
_PRECISE_BELOW = 100

#: What came of a rule somewhere, None if it was not tried there.
_Find = Callable[[str], Outcome | None]


def document(results: Results) -> str:
    """Return the whole page."""
    tables = {
        "bars": _bars_table(results),
        "ahead": _ahead_table(results),
        "bad": _bad_table(results),
        "notified": _notified_table(results),
        "good": _good_table(results),
        "alone": _alone_table(results),
        "speed": _speed_table(results.speed),
    }
    environment = Environment(
        loader=FileSystemLoader(_PAGE.parent),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(_PAGE.name).render(
        results=results,
        tables=tables,
        percentile=PERCENTILE,
        amounts=AMOUNTS,
        unattended=UNATTENDED,
        of_good=OF_GOOD,
        of_tolerated=OF_TOLERATED,
        runs_min=RUNS_MIN,
        days=MINUTES_MAX // 1440,
        hours=TOLERATED_MINUTES_MAX // 60,
    )


def _bars_table(results: Results) -> str:
    rows = [
        [each.claim, each.figure, each.limit, "yes" if each.holds else "**no**"]
        for each in bars(results)
    ]
    return _table(["claim", "measured", "at most", "holds"], rows)


def _ahead_table(results: Results) -> str:
    """Return where other rules do better than Tidegate."""
    asked: list[tuple[str, _Find]] = [
        (f"harmed: {titles()[scenario]}", partial(results.find, scenario=scenario))
        for scenario in _BAD
    ]
    asked += [
        (
            f"harmed, the orchestrator gone: {titles()[scenario]}",
            partial(_alone, results, scenario=scenario),
        )
        for scenario in CONSTANT_RATE
    ]
    rows = [[what, _mean(find(TIDEGATE)), _ahead(find)] for what, find in asked]
    minutes, faster = _faster(results)
    rows.append(["minutes until a good release is through", minutes, faster])
    return _table(["figure", "Tidegate, budget 50", "ahead of it"], rows)


def _ahead(find: _Find) -> str:
    """Return the rules of others that harm fewer devices by more than chance, the best first."""
    own = find(TIDEGATE)
    assert own is not None, TIDEGATE
    found = [(other.harmed, name, other) for name in _others() if (other := find(name))]
    names = [
        f"`{name}` {_mean(other)}"
        for harmed, name, other in sorted(found, key=lambda each: each[:2])
        if own.harmed - harmed > _ERRORS_AHEAD * math.hypot(own.error, other.error)
    ]
    return ", ".join(names) or "none"


def _faster(results: Results) -> tuple[str, str]:
    """Return Tidegate's minutes to finish a good release, and the rules that take fewer."""
    own = results.of(TIDEGATE, "good").minutes_to_finish
    found = [
        (minutes, name)
        for name in _others()
        if (minutes := results.of(name, "good").minutes_to_finish) is not None
        and (own is None or minutes < own)
    ]
    names = [f"`{name}` {minutes:.0f}" for minutes, name in sorted(found)]
    return "never" if own is None else f"{own:.0f}", ", ".join(names) or "none"


def _others() -> list[str]:
    return [name for name, each in contestants().items() if each.group is Group.OTHER]


def _bad_table(results: Results) -> str:
    rows = [
        [_title(name), *(_bad(results.find(name, scenario)) for scenario in _BAD)]
        for name in contestants()
    ]
    return _table(["rule", *(titles()[each] for each in _BAD)], rows)


def _notified_table(results: Results) -> str:
    rows = [
        [_title(name), *(_notified(results.find(name, scenario)) for scenario in _BAD)]
        for name in contestants()
    ]
    return _table(["rule", *(titles()[each] for each in _BAD)], rows)


def _good_table(results: Results) -> str:
    head = ["rule", "minutes", *(f"stopped: {titles()[each]}" for each in _JUDGED)]
    rows = [
        [
            _title(name),
            _pace(results.of(name, "good")),
            *(_stops(results.find(name, scenario)) for scenario in _JUDGED),
        ]
        for name in contestants()
    ]
    return _table(head, rows)


def _alone_table(results: Results) -> str:
    rows = [
        [_title(name), *(_harm(_alone(results, name, scenario)) for scenario in CONSTANT_RATE)]
        for name in contestants()
        if _alone(results, name, CONSTANT_RATE[0])
    ]
    return _table(["rule", *(titles()[each] for each in CONSTANT_RATE)], rows)


def _alone(results: Results, name: str, scenario: str) -> Outcome | None:
    """Return what came of a rule without its orchestrator; AWS's own rules have none."""
    if contestants()[name].rule.is_native:
        return results.find(name, scenario)
    return results.unattended(name, scenario)


def _title(name: str) -> str:
    contestant = contestants()[name]
    title = contestant.rule.title
    if contestant.group is Group.FLOOR:
        return f"*{title}*"
    return f"{title} (`{name}`)" if contestant.group is Group.OTHER else f"**{title}**"


def _mean(found: Outcome | None) -> str:
    if found is None:
        return ""
    return f"{found.harmed:,.0f} ± {found.error:,.{1 if found.error < _COARSE_FROM else 0}f}"


def _harm(found: Outcome | None) -> str:
    return "" if found is None else f"{_mean(found)} ({found.harmed_p95:,.0f})"


def _bad(found: Outcome | None) -> str:
    if found is None:
        return ""
    if found.apart > found.runs / 2 and not found.stopped:
        return f"{_harm(found)}, set apart"
    if not found.stopped:
        return f"{_harm(found)}, not stopped"
    share = "" if found.stopped == found.runs else f" in {found.stopped} of {found.runs}"
    return f"{_harm(found)}, {found.minutes_to_stop:.0f} min{share}"


def _notified(found: Outcome | None) -> str:
    return "" if found is None else f"{found.exposed:,.0f}"


def _pace(found: Outcome) -> str:
    if found.minutes_to_finish is None:
        return "never"
    share = "" if found.finished == found.runs else f" in {found.finished} of {found.runs}"
    more = [
        "-" if minutes is None else f"{minutes:.0f}"
        for minutes in (found.minutes_to_acceptance, found.minutes_to_95)
    ]
    return f"{found.minutes_to_finish:.0f}{share} ({'; '.join(more)})"


def _stops(found: Outcome | None) -> str:
    if found is None:
        return ""
    under_way = f", {found.neither} under way" if found.neither else ""
    return f"{found.stopped} of {found.runs}{under_way}"


def _speed_table(speed: Sequence[Speed]) -> str:
    rows = [
        [
            each.what,
            _amount(each.value, each.unit),
            "" if each.yardsticks is None else _digits(each.yardsticks),
            f"at {'least' if each.is_rate else 'most'} {_amount(each.limit, each.unit)}",
            "yes" if each.is_met else "**no**",
        ]
        for each in speed
    ]
    head = ["what", "measured", "yardsticks", "limit", "holds"]
    return _table(head, rows) if speed else ""


def _amount(value: float, unit: str) -> str:
    """Return a figure with the digits that tell something."""
    return f"{_digits(value)} {unit}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= _PRECISE_BELOW else f"{value:.3g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(each.replace("|", "\\|") for each in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
