"""
The command ``tidegate``: which subcommands it has, and how it tells of what it refuses.

A subcommand is a function in a module of its own, added below. It raises ``Refused`` where the
command line or a file is at fault, and ``Failed`` where something else stands in the way: the
message goes to stderr, without a traceback.
"""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from tidegate.cli import fit_fleet, simulate
from tidegate.cli.exits import ExitStatus, Failed
from tidegate.errors import Refused


class _Commands(TyperGroup):
    """The subcommands; what one of them refuses ends it with a message."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer keeps its own type of it to itself
        try:
            return super().invoke(ctx)
        except Refused as refusal:
            print(refusal, file=sys.stderr)
            raise typer.Exit(ExitStatus.USAGE) from None
        except Failed as failure:
            print(failure, file=sys.stderr)
            raise typer.Exit(failure.status) from None


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    # Plain text: it can be piped, searched and copied, paths in messages too.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Exit status: 0 when done, 2 when the input is refused; stderr says why.",
)


@app.callback()
def _tidegate() -> None:
    """Steer AWS IoT Jobs rollouts by the evidence that devices report."""


app.command("simulate")(simulate.command)
app.command("fit-fleet")(fit_fleet.command)


def main() -> None:
    """Run the command line; the console script ``tidegate`` begins here."""
    app(prog_name="tidegate")
