"""
Compares Tidegate with the rules that people use today, and measures its speed.

Writes docs/benchmarks.md, docs/benchmarks.json and docs/harm-and-time.svg; `--from-json` draws the
page and the picture again without trying anything. A bar that is missed is said, not hidden.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.bars import bars
from benchmarks.document import document
from benchmarks.picture import draw
from benchmarks.plan import SEED, Plan, cells
from benchmarks.results import Results, read, sum_up, write
from benchmarks.speed import measure
from benchmarks.trials import try_cells

DOCS = Path(__file__).parents[1] / "docs"
_JSON, _PAGE, _PICTURE = "benchmarks.json", "benchmarks.md", "harm-and-time.svg"
_ROUNDS = 9


def compare(plan: Plan, *, jobs: int, console: Console) -> Results:
    """Return what all trials of a plan, and the measurements of speed, come to."""
    speed = measure(1 if plan.is_quick else _ROUNDS)
    columns = (TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None)
        trials = try_cells(
            plan,
            cells(),
            jobs=jobs,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    outcomes = {cell: sum_up(of_cell) for cell, of_cell in trials.items()}
    return Results(plan.fleet_size, SEED, plan.is_quick, outcomes, speed)


def publish(results: Results, folder: Path) -> None:
    """Write the page and the picture."""
    (folder / _PAGE).write_text(document(results), encoding="utf-8")
    draw(results, folder / _PICTURE)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description="Compare Tidegate with others, and measure it.")
    parser.add_argument("--from-json", action="store_true", help="draw again, try nothing")
    parser.add_argument("--quick", action="store_true", help="few trials of a small fleet")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--into", type=Path, default=DOCS, help="folder to write to")
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    if asked.from_json:
        results = read(asked.into / _JSON)
    else:
        plan = Plan(fleet_size=2_000, is_quick=True) if asked.quick else Plan()
        results = compare(plan, jobs=asked.jobs, console=Console(stderr=True))
        write(results, asked.into / _JSON)
    publish(results, asked.into)
    for bar in bars(results):
        print(
            f"{'holds ' if bar.holds else 'MISSED'}  {bar.claim}: {bar.figure}, at most {bar.limit}"
        )


if __name__ == "__main__":
    main()
