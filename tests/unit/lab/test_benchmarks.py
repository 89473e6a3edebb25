"""The comparison's page and picture say what was found, also where a bar is missed."""

from dataclasses import replace
from math import comb
from pathlib import Path

import pytest

from benchmarks.bars import bars, upper_limit
from benchmarks.compare import publish
from benchmarks.document import document
from benchmarks.plan import DRIFT, TIDEGATE, Cell, Plan, cells, contestants
from benchmarks.results import Outcome, Results, read, write
from benchmarks.speed import Speed
from benchmarks.trials import try_cells

#: A cell in which nothing is amiss.
FINE = Outcome(
    runs=100,
    harmed=30.0,
    harmed_error=1.0,
    harmed_p95=40.0,
    harmed_in_all=30.0,
    exposed=900.0,
    stopped=0,
    apart=0,
    harmed_until_apart=30.0,
    harmed_until_apart_p95=40.0,
    finished=100,
    neither=0,
    minutes_to_stop=None,
    minutes_to_finish=150.0,
    minutes_to_acceptance=60.0,
    minutes_to_95=300.0,
)
AWS = replace(FINE, harmed=20_000.0)


def results(changed: dict[Cell, Outcome] | None = None) -> Results:
    """Return results in which every bar holds, but for what is changed."""
    outcomes = {
        cell: AWS if cell.contestant.startswith("aws-constant") else FINE for cell in cells()
    }
    speed = (Speed("a review", 2.5, "ms", 5.0), Speed("folded", 1e5, "per s", 2e5, is_rate=True))
    return Results(100_000, 1, is_quick=True, outcomes=outcomes | (changed or {}), speed=speed)


def missed(changed: dict[Cell, Outcome]) -> list[str]:
    """Return the claims that do not hold."""
    return [bar.claim for bar in bars(results(changed)) if not bar.holds]


def test_every_bar_can_hold() -> None:
    """Figures within all limits miss nothing."""
    assert missed({}) == []


@pytest.mark.parametrize(
    ("cell", "outcome", "word"),
    [
        (Cell(TIDEGATE, "bad-5"), replace(FINE, harmed=46.0), "5 %"),
        (Cell(TIDEGATE, "bad-20"), replace(FINE, harmed_p95=51.0), "20 %"),
        (Cell(TIDEGATE, "cohort"), replace(FINE, finished=99), "revision"),
        (Cell(TIDEGATE, "cohort"), replace(FINE, harmed_until_apart=41.0), "started when"),
        (Cell(TIDEGATE, "cohort"), replace(FINE, harmed_until_apart=None), "started when"),
        (Cell(TIDEGATE, "cohort"), replace(FINE, harmed_in_all=69.0), "whole fleet"),
        (Cell(DRIFT, "drift"), replace(FINE, harmed=1001.0), "drift budget"),
        (Cell(TIDEGATE, "tolerated"), replace(FINE, stopped=3), "tolerated"),
        (Cell(TIDEGATE, "good-fast"), replace(FINE, stopped=1), "0.5 %"),
        (Cell(TIDEGATE, "good"), replace(FINE, apart=1), "0.5 %"),
        (Cell(TIDEGATE, "good"), replace(FINE, minutes_to_finish=161.0), "fastest"),
        (Cell(TIDEGATE, "good"), replace(FINE, minutes_to_finish=None), "fastest"),
        (
            Cell(TIDEGATE, "late-20", is_unattended=True),
            replace(FINE, harmed=2001.0),
            "orchestrator",
        ),
    ],
)
def test_a_bar_that_is_missed_is_said(cell: Cell, outcome: Outcome, word: str) -> None:
    """One figure over its limit is one claim that does not hold, and the page marks it."""
    (claim,) = missed({cell: outcome})

    assert word in claim
    line = next(line for line in document(results({cell: outcome})).splitlines() if claim in line)
    assert line.endswith("| **no** |")


def test_the_page_tells_of_every_rule_in_every_scenario() -> None:
    """No rule is left out, whoever wins."""
    page = document(results())

    for contestant in contestants().values():
        rows = [line for line in page.splitlines() if contestant.rule.title in line]
        assert len(rows) >= 2, contestant.name
    assert "| folded | 100,000 per s |  | at least 200,000 per s | **no** |" in page


def test_the_page_says_where_others_are_ahead() -> None:
    """A rule that harms fewer devices than Tidegate is named, unless chance could explain it."""
    ahead, close = Cell("rings", "bad-20"), Cell("aimd", "bad-20")
    page = document(results({ahead: replace(FINE, harmed=20.0), close: replace(FINE, harmed=29.0)}))
    line = next(each for each in page.splitlines() if each.startswith("| harmed: bad: 20 % fail |"))

    assert "`rings` 20 ± 1.0" in line
    assert "aimd" not in line


def test_rollouts_that_never_end_are_counted() -> None:
    """A rule that neither stops nor finishes a tolerable release in the time given is said to."""
    page = document(results({Cell(TIDEGATE, "tolerated"): replace(FINE, finished=3, neither=97)}))

    assert "0 of 100, 97 under way" in page


@pytest.mark.parametrize(("times", "runs"), [(0, 100), (3, 100), (1, 2)])
def test_what_is_rare_has_an_upper_limit(times: int, runs: int) -> None:
    """At the limit, so few would be seen in one study of twenty; with more it would be higher."""
    limit = upper_limit(times, runs)
    at_most = sum(comb(runs, k) * limit**k * (1 - limit) ** (runs - k) for k in range(times + 1))

    assert at_most == pytest.approx(0.05, rel=1e-6)
    assert limit < upper_limit(times + 1, runs) <= 1


def test_figures_are_kept_and_drawn_again(tmp_path: Path) -> None:
    """The page and the picture come from the kept figures alone."""
    write(results(), tmp_path / "figures.json")
    kept = read(tmp_path / "figures.json")
    publish(kept, tmp_path)

    assert kept == results()
    assert (tmp_path / "benchmarks.md").read_text(encoding="utf-8") == document(results())
    assert (tmp_path / "harm-and-time.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")


def test_trials_do_not_depend_on_the_processes() -> None:
    """The same cells give the same trials, whoever runs them, in order of their seeds."""
    plan, told = Plan(fleet_size=300, is_quick=True), list[tuple[int, int]]()
    some = [Cell("aws-constant-abort", "bad-60"), Cell(TIDEGATE, "bad-60", is_unattended=True)]
    alone = try_cells(plan, some, jobs=1, progress=lambda done, of: told.append((done, of)))
    together = try_cells(plan, some, jobs=2, progress=lambda *_: None)

    assert alone == together
    assert told[-1][0] == told[-1][1] == sum(len(trials) for trials in alone.values())
    assert [trial.seed for trial in alone[some[0]]] == [plan.seed_of(n) for n in range(2)]
