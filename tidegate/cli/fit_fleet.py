"""``tidegate fit-fleet``: a fleet to simulate, from the executions of a rollout that has been."""

from typing import Annotated

import typer

from tidegate.cli.reading import read_text, source_of
from tidegate.documents.shapes import POLICY_NAME, shown
from tidegate.domain.settings import TIMEOUT_MINUTES_MAX, TIMEOUT_MINUTES_MIN
from tidegate.errors import Refused
from tidegate.lab.executions import read_executions
from tidegate.lab.fit import fit, to_yaml
from tidegate.lab.fleet import SIZE_MAX


def command(
    executions: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="What `aws iot list-job-executions-for-job --output json` printed; - for stdin.",
        ),
    ],
    *,
    name: Annotated[str, typer.Option(help="The fleet's.")] = "fitted",
    size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=SIZE_MAX,
            metavar="NUMBER",
            help="Devices of the fleet.",
            show_default="as many as there are things",
        ),
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            min=TIMEOUT_MINUTES_MIN,
            max=TIMEOUT_MINUTES_MAX,
            metavar="MINUTES",
            help="The job's in-progress timeout.",
            show_default="that of executions that timed out",
        ),
    ] = None,
) -> None:
    """
    Describe a fleet by a rollout that it has been through.

    Prints a fleet's YAML: how long its devices took to start and to succeed, how many failed and
    how, and how many were offline. `tidegate simulate --fleet` reads it.

    Exit status: 0 when done, 2 when the input is refused; stderr says why.
    """
    if not POLICY_NAME.fullmatch(name):
        message = f"--name is {shown(name)}: write 1 to 64 letters, digits or any of _ . -"
        raise Refused(message)
    source = source_of(executions)
    listed = read_executions(read_text(executions, what="the executions"), source=source)
    fitted = fit(listed, source=source, name=name, size=size, timeout_minutes=timeout)
    print(to_yaml(fitted), end="")
