"""``tidegate demo``: two releases steered on this machine."""

from typing import Annotated

import typer


def command(
    *,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=1,
            max=65_535,
            metavar="NUMBER",
            help="Of the embedded cloud.",
            show_default="a free one",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the embedded cloud running afterwards.")
    ] = False,
) -> None:
    """
    Watch Tidegate steer a good and a bad release on this machine.

    Needs no AWS account, but a copy of the repository and what `make setup` installs.
    """
    # boto3 takes long to import, and no other command needs the embedded cloud.
    from tidegate.local.demo import main  # noqa: PLC0415

    arguments = [*(() if port is None else ("--port", f"{port}")), *(("--keep",) if keep else ())]
    raise typer.Exit(main(arguments))
