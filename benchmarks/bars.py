"""What Tidegate is held against: each claim with its figure, its limit, and whether it holds."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.plan import CONSTANT_RATE, DRIFT, GOOD, TIDEGATE, TOLERATED, policy, titles
from benchmarks.results import Results

#: Harmed devices at most, mean and 95th percentile.
HARM_BARS = {
    "bad-5": (45, 65),
    "bad-20": (36, 50),
    "bad-60": (40, 55),
    "late-20": (38, 50),
}
#: The same of a cohort's devices that had started when it was set apart.
APART_BAR = (40, 90)
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
        yield Bar(
            f"{titles()[scenario]}: harmed, mean / 95th percentile",
            f"{found.harmed:.1f} ± {found.error:.1f} / {found.harmed_p95:.0f}",
            f"{mean_limit} / {p95_limit}",
            found.harmed <= mean_limit and found.harmed_p95 <= p95_limit,
        )
    yield from _cohort_bars(results)
    yield from _drift_bars(results)
    yield from _good_bars(results)
    for scenario in CONSTANT_RATE:
        yield _unattended_bar(results, scenario)


def _cohort_bars(results: Results) -> Iterator[Bar]:
    found, harm = results.of(TIDEGATE, "cohort"), policy().harm
    by_then, by_then_p95 = found.harmed_until_apart, found.harmed_until_apart_p95
    if by_then is None or by_then_p95 is None:
        by_then = by_then_p95 = math.inf
    title, (mean_limit, p95_limit) = titles()["cohort"], APART_BAR
    yield Bar(
        f"{title}: harmed of those started when it was set apart, mean / 95th percentile "
        f"(the others finish in {found.finished} of {found.runs})",
        f"{by_then:.1f} / {by_then_p95:.0f}",
        f"{mean_limit} / {p95_limit}",
        by_then <= mean_limit and by_then_p95 <= p95_limit and found.finished == found.runs,
    )
    limit = harm.acceptable_rate * found.exposed + (harm.budget_devices or 0)
    yield Bar(
        f"{title}: harmed in the whole fleet, the acceptable {100 * harm.acceptable_rate:g} % "
        "and the budget allowed, mean",
        f"{found.harmed_in_all:,.0f}",
        f"{limit:,.0f}",
        found.harmed_in_all <= limit,
    )


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
    alarms, runs = _false_alarms(results, TOLERATED)
    yield Bar(
        "the tolerated 2 % fail, two kinds: stopped falsely, or a cohort set apart",
        _rarely(alarms, runs),
        f"{100 * FALSE_STOP_BAR:g} %",
        alarms <= FALSE_STOP_BAR * runs,
    )
    alarms, runs = _false_alarms(results, GOOD)
    claim = "0.5 % fail, three kinds: stopped falsely, or a cohort set apart"
    yield Bar(claim, _rarely(alarms, runs), "none", not alarms)
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


def _false_alarms(results: Results, scenarios: Sequence[str]) -> tuple[int, int]:
    """Return how many trials of tolerable releases were stopped or left a cohort behind, of all."""
    found = [results.of(TIDEGATE, scenario) for scenario in scenarios]
    alarms = sum(min(each.runs, each.stopped + each.apart) for each in found)
    return alarms, sum(each.runs for each in found)


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
