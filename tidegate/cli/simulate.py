"""``tidegate simulate``: what a policy would do to a fleet, beside what people use today."""

import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Timer
from typing import Annotated, Any, Self

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tidegate.cli.options import NoPage, PagePath
from tidegate.cli.policies import read_policy
from tidegate.cli.reading import (
    is_there,
    read_count,
    read_share,
    read_text,
    unknown,
    unwritten,
    write_text,
)
from tidegate.documents.policy import TOLERATED_RATE
from tidegate.documents.shapes import shown
from tidegate.domain.policy import Policy
from tidegate.errors import Refused
from tidegate.lab.fleet import SIZE_MAX, Fleet, read_fleet
from tidegate.lab.page import Report, caption, fleet_facts, headline, render
from tidegate.lab.rule import Rule
from tidegate.lab.rules import RULES
from tidegate.lab.rules.tidegate import TidegateRule
from tidegate.lab.scenarios import SCENARIOS, TITLES
from tidegate.lab.simulate import DAYS_MAX, JOBS_MAX, RUNS_MAX, SEED_MAX, Study, simulate
from tidegate.lab.summary import summarise, to_json
from tidegate.lab.table import Row

#: What a policy is held against unless something else is asked for: AWS alone as its documents
#: show it, slowly and carefully, and what products for fleets and for services do.
USUAL = (
    "aws-constant-abort",
    "aws-exponential",
    "aws-exponential-succeeded",
    "hawkbit-canary",
    "argo-3",
    "rings",
)

#: The scenario whose fleet is taken if no other is named.
REFERENCE = "good"

#: Work that takes longer than this shows how far it is.
_PATIENCE_SECONDS = 1.0

#: Columns of the table where stdout is no terminal and so has no width.
_WIDTH_UNSEEN = 140

_HOW_TO_LIST = "tidegate simulate --list"


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is asked about: a rule, what its owner tolerates, and what always stands beside it."""

    rule: Rule
    tolerated_rate: float
    timeout_minutes: int | None = None
    beside: tuple[Rule, ...] = ()


def command(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY",
            help="A policy's YAML file, or the name of a baseline.",
            show_default=False,
        ),
    ] = "",
    *,
    fleet: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|FILE",
            help="Devices of the reference fleet, or of the scenario's, or a fleet's YAML file.",
            show_default="100000",
        ),
    ] = "",
    failures: Annotated[
        str,
        typer.Option(
            metavar="SHARE", help="Share of devices that fail, like 20%; else the fleet's."
        ),
    ] = "",
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="A named scenario instead of the reference fleet.")
    ] = "",
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Baselines to compare with: names, divided by commas; all; or none. Repeatable.",
            show_default="a handful",
        ),
    ] = None,
    runs: Annotated[
        int, typer.Option(min=1, max=RUNS_MAX, metavar="NUMBER", help="Trials of each policy.")
    ] = 50,
    days: Annotated[
        int,
        typer.Option(
            min=1,
            max=DAYS_MAX,
            metavar="NUMBER",
            help="After so many, a rollout that neither ends nor is stopped is given up.",
        ),
    ] = 3,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            max=SEED_MAX,
            metavar="NUMBER",
            help="Seed of all chance: the same seed, the same output.",
        ),
    ] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=JOBS_MAX,
            metavar="NUMBER",
            help="Processes to run; the output is the same with any number.",
            show_default="one per CPU",
        ),
    ] = None,
    page: PagePath = Path("simulation.html"),
    no_page: NoPage = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of the table, and nothing else.")
    ] = False,
    list_names: Annotated[
        bool, typer.Option("--list", help="List baselines and scenarios, and do nothing else.")
    ] = False,
) -> None:
    """
    Try a policy on a simulated fleet, beside other rules.

    Prints a table, and writes a page that shows one rollout minute by minute.

    Exit status: 0 when done, 2 when the input is refused; stderr says why. A policy that
    stops no bad release is no error.
    """
    if list_names:
        _list_names()
        return
    subject = _subject(policy)
    devices = _fleet(fleet, scenario, failures, subject)
    rules = (subject.rule, *subject.beside, *_baselines(against, subject.rule))
    study = Study(devices, rules, runs, seed, days)
    if not no_page:
        _check_page(page)
    given = {"--fleet": fleet, "--failures": failures, "--scenario": scenario}
    typed = ["tidegate", "simulate", policy, "--runs", str(runs), "--days", str(days)]
    typed += ["--seed", str(seed)]
    typed += [part for option, value in given.items() if value for part in (option, value)]
    typed += [part for name in against or () for part in ("--against", name)]
    report = _report(study, subject, jobs or _cpus(), shlex.join(typed))
    if as_json:
        print(json.dumps(_figures(report, study), indent=2))
    else:
        _print_table(report)
    if not no_page:
        _write_page(page, report)


def _subject(named: str) -> _Subject:
    """Return what is asked about: a policy's file, or a baseline by its name."""
    if not named:
        message = f"no policy is named: give its YAML file, or a baseline ({_HOW_TO_LIST})"
        raise Refused(message)
    is_file = named == "-" or is_there(named)
    if named in RULES and not is_file:
        return _Subject(RULES[named], TOLERATED_RATE)
    if not is_file:
        known = [*RULES, *(str(path) for path in Path("policies").glob("*.yaml"))]
        raise unknown(named, known, what="neither a file nor a baseline", how_to_list=_HOW_TO_LIST)
    policy = read_policy(named).compile()
    tolerated_rate, timeout_minutes = policy.harm.tolerated_rate, policy.job.timeout_minutes
    return _Subject(_rule(policy), tolerated_rate, timeout_minutes, tuple(_without_soak(policy)))


def _rule(policy: Policy) -> Rule:
    """Return a policy as a rule, under a name that no baseline has."""
    name = f"policy {policy.name}" if policy.name in RULES else policy.name
    return TidegateRule(policy, name=name, title=f"Tidegate with the policy {policy.name}")


def _without_soak(policy: Policy) -> Iterator[Rule]:
    """Yield the policy as it would be without its soak, if it has one."""
    if policy.soak is not None:
        name = f"{policy.name}-without-soak"
        title = f"Tidegate with the policy {policy.name}, without its soak"
        yield TidegateRule(replace(policy, soak=None), name=name, title=title)


def _fleet(named: str, scenario: str, failures: str, subject: _Subject) -> Fleet:
    """Return the fleet that the options describe, with the timeout that the policy sets."""
    size = read_count(named, option="--fleet", count_max=SIZE_MAX) if named else None
    if named and size is None:
        if scenario:
            message = f"--fleet {named} is a fleet, and so is --scenario {scenario}: give one"
            raise Refused(message)
        if not is_there(named):
            message = (
                f"--fleet is {shown(named)}, which is no file: give a number of devices, or a "
                "fleet's YAML file"
            )
            raise Refused(message)
        fleet = read_fleet(read_text(named, what="the fleet"), named)
    else:
        fleet = _scenario(scenario)
        fleet = fleet.with_size(size) if size else fleet
    if failures:
        fleet = fleet.with_failures(read_share(failures, option="--failures"))
    timeout_minutes = subject.timeout_minutes
    return replace(fleet, timeout_minutes=timeout_minutes) if timeout_minutes else fleet


def _scenario(name: str) -> Fleet:
    if not name:
        return replace(SCENARIOS[REFERENCE], name="reference")
    if name not in SCENARIOS:
        raise unknown(name, SCENARIOS, what="no scenario", how_to_list=_HOW_TO_LIST)
    return SCENARIOS[name]


def _baselines(against: Sequence[str] | None, subject: Rule) -> tuple[Rule, ...]:
    """Return what to compare with, without the subject itself."""
    given = USUAL if against is None else against
    names = [name.strip() for each in given for name in each.split(",")]
    if "all" in names:
        names = list(RULES)
    names = [name for name in names if name not in ("", "none")]
    for name in names:
        if name not in RULES:
            raise unknown(name, RULES, what="no baseline", how_to_list=_HOW_TO_LIST)
    return tuple(RULES[name] for name in dict.fromkeys(names) if name != subject.name)


def _cpus() -> int:
    """Return how many processors this process may use."""
    # Only Linux tells how many of the machine's processors are left to this process.
    allowed = getattr(os, "sched_getaffinity", None)
    return min(len(allowed(0)) if allowed else os.cpu_count() or 1, JOBS_MAX)


def _report(study: Study, subject: _Subject, jobs: int, command_line: str) -> Report:
    in_all = study.runs * len(study.rules)
    with _Patience(in_all) as patience:
        trials = simulate(study, jobs=jobs, progress=patience.advance)
    return Report(
        fleet=study.fleet,
        tolerated_rate=subject.tolerated_rate,
        rows=tuple(
            Row(rule.name, rule.title, summarise(trials[rule.name])) for rule in study.rules
        ),
        first=study.trial(subject.rule, 0, with_trace=True),
        command=command_line,
    )


class _Patience:
    """A bar on stderr that appears when the work takes long, and never where nobody looks."""

    def __init__(self, in_all: int) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("simulating"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=in_all)
        self._timer = Timer(_PATIENCE_SECONDS, self._bar.start)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        self._bar.stop()

    def advance(self, trials: int) -> None:
        """Note that more trials are done."""
        self._bar.advance(self._task, trials)


def _figures(report: Report, study: Study) -> dict[str, Any]:
    return {
        "fleet": {
            "name": report.fleet.name,
            "size": report.fleet.size,
            "failure_rate": report.fleet.failures.rate,
            "timeout_minutes": report.fleet.timeout_minutes,
        },
        "tolerated_rate": report.tolerated_rate,
        "is_bad": report.is_bad,
        "seed": study.seed,
        "runs": study.runs,
        "days": study.days,
        "policies": [
            {"name": row.name, "title": row.title, **to_json(row.summary)} for row in report.rows
        ],
    }


def _print_table(report: Report) -> None:
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH_UNSEEN)
    for fact in fleet_facts(report.fleet):
        console.print(Text(fact))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("policy", no_wrap=True)
    for column in report.columns:
        title = Text(column.title)
        if column.note:
            title.append(f"\n{column.note}", style="dim")
        table.add_column(title, justify="right")
    for number, row in enumerate(report.rows):
        cells = [column.cell(row.summary) for column in report.columns]
        table.add_row(Text(row.name), *cells, style="bold" if number == 0 else "")
    console.print(table)
    console.print(Text(caption(report), style="dim"))
    console.print(Text(headline(report)))


def _check_page(page: Path) -> None:
    """
    Refuse what is no place for a page: better before the work than after it.

    Raises:
        Refused: It is a folder, or in none.
    """
    try:
        is_folder, has_folder = page.is_dir(), page.parent.is_dir()
    except OSError as error:
        raise unwritten(page, error, option="--page") from None
    if is_folder:
        message = f"--page {page} is a folder: name a file in it"
        raise Refused(message)
    if not has_folder:
        message = f"--page {page}: there is no folder {page.parent}: make it, or name another"
        raise Refused(message)


def _write_page(page: Path, report: Report) -> None:
    write_text(page, render(report), option="--page")
    print(f"One rollout minute by minute: {page}", file=sys.stderr)


def _list_names() -> None:
    width = max(len(name) for name in (*RULES, *SCENARIOS))
    print("Baselines; those with a * are compared with by default:")
    for name, rule in RULES.items():
        print(f"  {name:{width}} {'*' if name in USUAL else ' '} {rule.title}")
    print()
    print("Scenarios:")
    for name in SCENARIOS:
        print(f"  {name:{width}}   {TITLES[name]}")
