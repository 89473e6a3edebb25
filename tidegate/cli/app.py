"""
The command ``tidegate``: which subcommands it has, and how it tells of what it refuses.

A subcommand is a function in a module of its own, added below. It raises ``Refused`` where the
command line or a file is at fault, and ``Failed`` where something else stands in the way: the
message goes to stderr, without a traceback.
"""

import sys
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tidegate.cli import (
    console,
    demo,
    doctor,
    explain,
    fit_fleet,
    history,
    launching,
    policy,
    replay,
    report,
    requests,
    simulate,
    status,
    watch,
)
from tidegate.cli.exits import ExitStatus, Failed
from tidegate.cli.output import complain
from tidegate.errors import Refused


class _Commands(TyperGroup):
    """The subcommands; what one of them refuses ends it with a message."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer keeps its own type of it to itself
        try:
            return super().invoke(ctx)
        except Refused as refusal:
            for line in f"{refusal}".splitlines():
                complain(line)
            raise typer.Exit(ExitStatus.USAGE) from None
        except Failed as failure:
            complain(f"{failure}")
            raise typer.Exit(failure.status) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    # Plain text: it can be piped, searched and copied, paths in messages too.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Exit status: 0 when done, 1 when what was asked for is refused or fails, 2 when the "
    "input is refused, 3 when it is not found, 4 when AWS is not reached or denies it, 5 when "
    "nothing is known in time; stderr says why.",
)


def _tell_version(*, is_asked: bool) -> None:
    if is_asked:
        print(f"tidegate {version('tidegate')}")
        raise typer.Exit


@app.callback()
def _tidegate(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Tell the version and exit.",
            is_eager=True,
            callback=lambda asked: _tell_version(is_asked=asked),
        ),
    ] = False,
) -> None:
    """Steer AWS IoT Jobs rollouts by the evidence that devices report."""


app.command("launch")(launching.launch)
app.command("enroll")(launching.enroll)
app.command("status")(status.command)
app.command("watch")(watch.command)
app.command("explain")(explain.command)
app.command("history")(history.command)
app.command("report")(report.command)
app.command("console")(console.command)
app.command("hold")(requests.hold)
app.command("resume")(requests.resume)
app.command("approve")(requests.approve)
app.command("reject")(requests.reject)
app.command("adjust")(requests.adjust)
app.command("release")(requests.release)
app.command("abort")(requests.abort)
app.add_typer(policy.app, name="policy")
app.command("simulate")(simulate.command)
app.command("export")(replay.export_command)
app.command("replay")(replay.command)
app.command("fit-fleet")(fit_fleet.command)
app.command("doctor")(doctor.command)
app.command("demo")(demo.command)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that lacks a sign gets a question mark, not a traceback.
            stream.reconfigure(errors="replace")
    app(prog_name="tidegate")
