"""The comparison as Markdown: every scenario and every rule, also those that Tidegate loses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.plan import (
    CONSTANT_RATE,
    DRIFT,
    GOOD,
    PARTLY_BAD,
    TIDEGATE,
    TOLERATED,
    Group,
    contestants,
    titles,
)
from benchmarks.results import Outcome, Results
from benchmarks.speed import Speed

#: Harmed devices at most, mean and 95th percentile.
HARM_BARS = {
    "bad-5": (45, 65),
    "bad-20": (36, 50),
    "bad-60": (40, 55),
    "late-20": (38, 50),
    "cohort": (40, 90),
}
DRIFT_BAR = 1000
FINISH_RATIO_BAR = 1.6
FALSE_STOP_BAR = 0.01
#: Share of the better of AWS's two constant-rate rules that may be harmed without the orchestrator.
UNATTENDED_BAR = 0.1
#: Figures from here on are told without decimals.
_PRECISE_BELOW = 100
#: AWS notifies no more devices in a minute.
RATE_PER_MINUTE_MAX = 1000


@dataclass(frozen=True, slots=True)
class Bar:
    """One claim: what it is about, the figure, the limit, and whether it holds."""

    claim: str
    figure: str
    limit: str
    holds: bool


def bars(results: Results) -> Iterator[Bar]:
    """Yield what Tidegate is held against."""
    for scenario, (mean_limit, p95_limit) in HARM_BARS.items():
        found = results.of(TIDEGATE, scenario)
        holds = found.harmed <= mean_limit and found.harmed_p95 <= p95_limit
        if scenario == "cohort":
            holds = holds and found.finished == found.runs
        yield Bar(
            f"{titles()[scenario]}: harmed, mean / 95th percentile",
            f"{found.harmed:.1f} ± {found.error:.1f} / {found.harmed_p95:.0f}",
            f"{mean_limit} / {p95_limit}",
            holds,
        )
    yield from _drift_bars(results)
    yield from _good_bars(results)
    for scenario in CONSTANT_RATE:
        yield _unattended_bar(results, scenario)


def _drift_bars(results: Results) -> Iterator[Bar]:
    guarded, good = results.of(DRIFT, "drift"), results.of(DRIFT, "good")
    yield Bar(
        f"{titles()['drift']}, with a drift budget: harmed, mean "
        f"(a good release then takes {good.minutes_to_finish:.0f} minutes)",
        f"{guarded.harmed:.0f} ± {guarded.error:.0f}",
        f"{DRIFT_BAR}",
        guarded.harmed <= DRIFT_BAR,
    )


def _good_bars(results: Results) -> Iterator[Bar]:
    for scenario in TOLERATED:
        found = results.of(TIDEGATE, scenario)
        yield Bar(
            f"{titles()[scenario]}: stopped falsely",
            f"{found.stopped} of {found.runs}",
            f"{FALSE_STOP_BAR:.0%}",
            found.stopped_share <= FALSE_STOP_BAR,
        )
    found_good = [results.of(TIDEGATE, scenario) for scenario in GOOD]
    stopped = sum(each.stopped for each in found_good)
    runs = sum(each.runs for each in found_good)
    yield Bar(
        "0.5 % fail, three kinds: stopped falsely", f"{stopped} of {runs}", "none", not stopped
    )
    fastest = results.fleet_size / RATE_PER_MINUTE_MAX
    minutes = results.of(TIDEGATE, "good").minutes_to_finish
    ratio = minutes / fastest if minutes else float("inf")
    yield Bar(
        "a good release: minutes to finish, of the fastest possible",
        f"{ratio:.2f}",
        f"{FINISH_RATIO_BAR:g}",
        ratio <= FINISH_RATIO_BAR,
    )


def _unattended_bar(results: Results, scenario: str) -> Bar:
    found = results.unattended(TIDEGATE, scenario)
    assert found is not None, scenario
    better = min(
        results.of(name, scenario).harmed for name in ("aws-constant", "aws-constant-abort")
    )
    return Bar(
        f"{titles()[scenario]}, the orchestrator gone for good: harmed, mean",
        f"{found.harmed:.0f} ± {found.error:.0f}",
        f"{UNATTENDED_BAR * better:.0f}",
        found.harmed <= UNATTENDED_BAR * better,
    )


def document(results: Results) -> str:
    """Return the whole page."""
    parts = [
        _INTRODUCTION.format(size=results.fleet_size, seed=results.seed),
        _bars_table(results),
        *_tables(results),
        _speed_table(results.speed),
        _MODEL,
    ]
    return "\n".join(parts)


def _bars_table(results: Results) -> str:
    rows = [
        [each.claim, each.figure, each.limit, "yes" if each.holds else "**no**"]
        for each in bars(results)
    ]
    head = ["claim", "measured", "at most", "holds"]
    return "## What Tidegate is held against\n\n" + _table(head, rows) + "\n"


def _tables(results: Results) -> Iterator[str]:
    yield (
        "## Bad releases\n\n"
        + _BAD_NOTE
        + _table(
            ["rule", *(titles()[each] for each in _BAD)],
            [
                [
                    _title(name),
                    *(_bad(results.find(name, each)) for each in (*CONSTANT_RATE, *PARTLY_BAD)),
                ]
                for name in contestants()
            ],
        )
        + "\n"
    )
    yield (
        "## Good releases, and those on the border\n\n"
        + _GOOD_NOTE
        + _table(
            [
                "rule",
                "minutes to finish (accepted; 95 % updated)",
                *(_short(each) for each in _JUDGED),
            ],
            [
                [
                    _title(name),
                    _pace(results.find(name, "good")),
                    *(_stops(results.find(name, each)) for each in _JUDGED),
                ]
                for name in contestants()
            ],
        )
        + "\n"
    )
    yield (
        "## The orchestrator gone\n\n"
        + _UNATTENDED_NOTE
        + _table(
            ["rule", *(titles()[each] for each in CONSTANT_RATE)],
            [
                [
                    _title(name),
                    *(
                        _harm(results.unattended(name, each) or results.find(name, each))
                        for each in CONSTANT_RATE
                    ),
                ]
                for name, each_rule in contestants().items()
                if each_rule.rule.is_native or results.unattended(name, CONSTANT_RATE[0])
            ],
        )
        + "\n"
    )


_BAD = (*CONSTANT_RATE, *PARTLY_BAD)
_JUDGED = ("good", "good-offline", "good-fast", *TOLERATED)


def _short(scenario: str) -> str:
    return f"stopped: {titles()[scenario]}"


def _title(name: str) -> str:
    contestant = contestants()[name]
    title = contestant.rule.title
    if contestant.group is Group.FLOOR:
        return f"*{title}* (`{name}`; not attainable)"
    return (
        f"**{title}**" if contestant.group in {Group.OWN, Group.VARIANT} else f"{title} (`{name}`)"
    )


def _harm(found: Outcome | None) -> str:
    return "" if found is None else f"{found.harmed:,.0f} ({found.harmed_p95:,.0f})"


def _bad(found: Outcome | None) -> str:
    if found is None:
        return ""
    if found.apart > found.runs / 2 and not found.stopped:
        return f"{_harm(found)}, set apart"
    if not found.stopped:
        return f"{_harm(found)}, not stopped"
    share = "" if found.stopped == found.runs else f" in {found.stopped_share:.0%}"
    return f"{_harm(found)}, {found.minutes_to_stop:.0f} min{share}"


def _pace(found: Outcome | None) -> str:
    if found is None or found.minutes_to_finish is None:
        return "never"
    share = "" if found.finished == found.runs else f" in {found.finished_share:.0%}"
    more = [
        "-" if minutes is None else f"{minutes:.0f}"
        for minutes in (found.minutes_to_acceptance, found.minutes_to_95)
    ]
    return f"{found.minutes_to_finish:.0f}{share} ({'; '.join(more)})"


def _stops(found: Outcome | None) -> str:
    if found is None:
        return ""
    return f"{found.stopped_share:.1%} of {found.runs}" if found.stopped else f"0 of {found.runs}"


def _speed_table(speed: Sequence[Speed]) -> str:
    if not speed:
        return ""
    rows = [
        [
            each.what,
            _amount(each.value, each.unit),
            f"at {'least' if each.is_rate else 'most'} {_amount(each.limit, each.unit)}",
            "yes" if each.is_met else "**no**",
        ]
        for each in speed
    ]
    return "## Speed\n\n" + _SPEED_NOTE + _table(["what", "measured", "bar", "holds"], rows) + "\n"


def _amount(value: float, unit: str) -> str:
    """Return a figure with the digits that tell something."""
    return f"{value:,.0f} {unit}" if value >= _PRECISE_BELOW else f"{value:.3g} {unit}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(each.replace("|", "\\|") for each in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


_INTRODUCTION = """# How Tidegate compares

Generated by `make bench`; the figures are in [benchmarks.json](benchmarks.json). Fleet
{size:,}, all trials from seed {seed}: trial *n* meets the same devices under every rule.

![Devices harmed by bad releases against minutes that a good one takes](harm-and-time.svg)

Each rule is a point: across, the minutes in which a good release (0.5 % failures) is
notified to the whole fleet; up, the devices harmed, the mean over the four releases that
are bad for everybody. Hollow points stop a release at the tolerated 2 %, or a good one, in
more than 1 % of trials. Rules that never finish a good release have no point.
"""

_BAD_NOTE = """\
Devices harmed, mean (95th percentile), and when the release was stopped, the median. All
failures count, those in flight at the stop too; where only a part of the fleet or of the
time is bad, only failures there.

"""
_GOOD_NOTE = """\
Minutes until the whole fleet is notified, the median, with the minutes to acceptance and
until 95 % of the devices are updated; then how often the rule stops a release that it
should not. A release at 2 % fails exactly as often as Tidegate is told to tolerate: it
may be held, but not stopped.

"""
_UNATTENDED_NOTE = """\
The orchestrator stops for good at a random moment of the rollout's life: what stands in
AWS IoT Jobs then stands for ever. Devices harmed, mean (95th percentile). Rules that AWS
carries out by itself need no orchestrator.

"""
_SPEED_NOTE = """\
CPU time of one core, medians; bars are what the project asks of itself.

"""
_MODEL = """## How this is modelled

* Time goes in minutes; devices are counts per start minute. A smaller fleet, device by
  device through Tidegate's own services, agrees within sampling error
  (tests/unit/lab/test_fidelities.py); AWS's batches and abort criteria agree with an
  emulator of AWS (tests/e2e/test_jobs_model.py).
* Success takes a log-normal time of median 8 minutes, sigma 0.6. Of failures 30 % report
  FAILED after a log-normal time of median 12 minutes, sigma 0.5; the others say nothing
  and are TIMED_OUT after 60. Nine of ten devices start within some 1.5 minutes, one in
  ten is offline and starts after 4 hours on average.
* CancelJob and AWS's own abort leave devices in progress running; if those fail, they
  count as harmed.
* Tidegate's policy is [benchmarks/policy.yaml](../benchmarks/policy.yaml). The others
  follow the rules that their makers publish, with defaults or the documentation's
  example; each rule's source and reading is in its docstring under tidegate/lab/rules/.
  Where a rule needs a person to go on, nobody comes.
* Left out: reverting devices, networks that fail for reasons of their own, devices whose
  delays depend on the time of day, and people.
"""
