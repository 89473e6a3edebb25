"""What Tidegate is held against: each claim with its figure, its limit, and whether it holds."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.plan import CONSTANT_RATE, DRIFT, GOOD, TIDEGATE, TOLERATED, titles
from benchmarks.results import Outcome, Results

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
#: Of the upper limit that is told with what was seen rarely or never.
CONFIDENCE = 0.95
_BISECTIONS = 50
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
        finishes = ""
        if scenario == "cohort":
            holds = holds and found.finished == found.runs
            finishes = f" (the others finish in {found.finished} of {found.runs})"
        yield Bar(
            f"{titles()[scenario]}: harmed, mean / 95th percentile{finishes}",
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
    without = results.of(TIDEGATE, "drift")
    yield Bar(
        f"{titles()['drift']}, with a drift budget: harmed, mean ({without.harmed:,.0f} without; "
        f"a good release takes {good.minutes_to_finish:.0f} minutes with it)",
        f"{guarded.harmed:.0f} ± {guarded.error:.0f}",
        f"{DRIFT_BAR}",
        guarded.harmed <= DRIFT_BAR,
    )


def _good_bars(results: Results) -> Iterator[Bar]:
    for scenario in TOLERATED:
        found = results.of(TIDEGATE, scenario)
        yield Bar(
            f"{titles()[scenario]}: stopped falsely, or a cohort set apart",
            _rarely(_false_alarms(found), found.runs),
            f"{100 * FALSE_STOP_BAR:g} %",
            _false_alarms(found) <= FALSE_STOP_BAR * found.runs,
        )
    found_good = [results.of(TIDEGATE, scenario) for scenario in GOOD]
    alarms = sum(_false_alarms(each) for each in found_good)
    runs = sum(each.runs for each in found_good)
    figure = _rarely(alarms, runs)
    claim = "0.5 % fail, three kinds: stopped falsely, or a cohort set apart"
    yield Bar(claim, figure, "none", not alarms)
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


def _false_alarms(found: Outcome) -> int:
    """Return the trials of a tolerable release that were stopped, or left a cohort behind."""
    return min(found.runs, found.stopped + found.apart)


def _rarely(times: int, runs: int) -> str:
    """Return how often something happened, and what its probability is below."""
    limit = upper_limit(times, runs)
    return f"{times} of {runs}, below {100 * limit:.2g} % with {100 * CONFIDENCE:.0f} % confidence"


def upper_limit(times: int, runs: int) -> float:
    """Return the upper confidence limit of a probability (Clopper and Pearson's)."""
    if times >= runs:
        return 1.0
    low, high = times / runs, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        at_most = sum(
            math.comb(runs, k) * middle**k * (1 - middle) ** (runs - k) for k in range(times + 1)
        )
        low, high = (middle, high) if at_most > 1 - CONFIDENCE else (low, middle)
    return high
