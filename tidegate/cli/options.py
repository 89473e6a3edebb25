"""
Options that several commands have in common.

Where several go together they are the fields of a dataclass. A command takes the dataclass as one
parameter, and ``spread`` makes of it the options that people type.
"""

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from tidegate.lab.simulate import SEED_MAX

PagePath = Annotated[Path, typer.Option(metavar="FILE", help="Where to write the page.")]
NoPage = Annotated[bool, typer.Option("--no-page", help="Write no page.")]
Seed = Annotated[
    int, typer.Option(min=0, max=SEED_MAX, metavar="NUMBER", help="Seed of all chance.")
]


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """
    Return a command with an option for each field of its parameters that are dataclasses.

    Args:
        command: Takes each dataclass by keyword only; the fields are annotated as typer wants its
            options, and named like no other parameter of the command.
    """
    parameters = signature(command).parameters.values()
    groups = {
        each.name: each.annotation
        for each in parameters
        if isinstance(each.annotation, type) and is_dataclass(each.annotation)
    }

    @wraps(command)
    def gathered(**given: Any) -> None:  # noqa: ANN401 - whatever is typed
        for name, group in groups.items():
            given[name] = group(**{each.name: given.pop(each.name) for each in _options(group)})
        command(**given)

    gathered.__signature__ = signature(command).replace(  # type: ignore[attr-defined]
        parameters=[
            option
            for each in parameters
            for option in (_options(groups[each.name]) if each.name in groups else [each])
        ]
    )
    return gathered


def _options(group: type[object]) -> list[Parameter]:
    return [
        each.replace(kind=Parameter.KEYWORD_ONLY) for each in signature(group).parameters.values()
    ]
