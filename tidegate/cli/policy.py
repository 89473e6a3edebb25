"""``tidegate policy``: what is wrong with a policy, what may stand in one, and what it promises."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tidegate.cli.account import AsJson
from tidegate.cli.exits import ExitStatus
from tidegate.cli.options import Seed
from tidegate.cli.output import Screen, complain
from tidegate.cli.policies import read_policy
from tidegate.cli.reading import is_there, read_count, read_text, source_of
from tidegate.documents.faults import DocumentError
from tidegate.documents.generate import policy_schema
from tidegate.documents.shapes import shown
from tidegate.errors import Refused
from tidegate.lab.fleet import SIZE_MAX, Fleet, read_fleet
from tidegate.lab.promise import Promise, promise, with_delays_within
from tidegate.lab.scenarios import SCENARIOS
from tidegate.lab.simulate import DAYS_MAX

#: Devices that are taken where nobody says how many there are.
DEVICES = 10_000

#: Trials of each failure rate: more are for ``tidegate simulate``.
RUNS_MAX = 100

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check and explain policies.")


@app.command("validate")
def validate(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Policies' YAML files, or JSON; - for stdin.",
            show_default=False,
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """
    Say what is wrong with policies, and what would be right.

    Exit status: 0 when all are right, 2 when one is not.
    """
    found = [_validated(each) for each in files]
    wrong = [each for each in found if each["faults"]]
    screen = Screen(as_json=as_json)
    if as_json:
        screen.document({"valid": not wrong, "files": found})
    else:
        for each in found:
            _tell(screen, each)
    if wrong:
        raise typer.Exit(ExitStatus.USAGE)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of policies, for editors and other tools."""
    Screen(as_json=True).document(policy_schema())


@app.command("explain")
def explain(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A policy's YAML file; - for stdin.", show_default=False
        ),
    ],
    *,
    fleet: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|FILE",
            help="Devices that it is for, or a fleet's YAML file.",
            show_default=str(DEVICES),
        ),
    ] = "",
    runs: Annotated[
        int,
        typer.Option(min=1, max=RUNS_MAX, metavar="NUMBER", help="Trials of each failure rate."),
    ] = 3,
    days: Annotated[
        int,
        typer.Option(
            min=1, max=DAYS_MAX, metavar="NUMBER", help="After which a rollout is given up."
        ),
    ] = 1,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """
    Say what a policy promises, in plain words and figures.

    Figures come from the very code that decides, and from a few simulated rollouts: that takes some
    seconds.

    Exit status: 0 when done, with warnings too; 2 when the input is refused.
    """
    policy = read_policy(file).compile()
    devices = _fleet(fleet, policy.job.timeout_minutes)
    promised = promise(policy, devices, runs=runs, days=days, seed=seed)
    screen = Screen(as_json=as_json)
    if as_json:
        screen.document(promised.to_json())
    else:
        _show(screen, promised)


def _validated(file: str) -> dict[str, Any]:
    source = source_of(file)
    try:
        document = read_policy(file)
    except DocumentError as error:
        faults: list[dict[str, Any]] = [
            {
                "line": each.line,
                "column": each.column,
                "key": each.path,
                "message": each.message,
                "text": each.shown_in(source),
            }
            for each in error.faults
        ]
        return {"file": source, "name": None, "faults": faults}
    except Refused as error:
        unread = {"line": None, "column": None, "key": "", "message": str(error)}
        return {"file": source, "name": None, "faults": [unread | {"text": str(error)}]}
    return {"file": source, "name": document.name, "faults": []}


def _tell(screen: Screen, checked: dict[str, Any]) -> None:
    for fault in checked["faults"]:
        complain(fault["text"])
    if checked["faults"]:
        return
    stem, name = Path(checked["file"]).stem, checked["name"]
    # Files are deployed under the names that they have.
    other = "" if checked["file"] == "stdin" or stem == name else f"; name its file {name}.yaml"
    screen.line(f"{checked['file']}: policy {name} is right{other}")


def _fleet(named: str, timeout_minutes: int | None) -> Fleet:
    """Return the fleet that is named, or one that stands in for it."""
    size = read_count(named, option="--fleet", count_max=SIZE_MAX) if named else DEVICES
    if size is None:
        if not is_there(named):
            message = (
                f"--fleet is {shown(named)}, which is no file: give a number, or a fleet's file"
            )
            raise Refused(message)
        return read_fleet(read_text(named, what="the fleet"), named)
    stand_in = replace(SCENARIOS["good"], name="reference").with_size(size)
    return with_delays_within(stand_in, timeout_minutes) if timeout_minutes else stand_in


def _show(screen: Screen, promised: Promise) -> None:
    title = f"What the policy {promised.policy} promises for {promised.devices:,} devices"
    screen.line(title, style="bold")
    about = ""
    for each in promised.statements:
        if each.about != about:
            about = each.about
            screen.heading(about[0].upper() + about[1:])
        screen.line(each.text)
    screen.heading("Warnings")
    screen.items([f"{each.key}: {each.text} {each.remedy}" for each in promised.cautions])
    if not promised.cautions:
        screen.line("None.")
    screen.line()
    screen.line(promised.note, style="dim")
