"""Options that several commands have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from tidegate.cli.options import spread


@dataclass(frozen=True, slots=True)
class _Size:
    width: Annotated[int, typer.Option("--width", help="Of the box.")]
    height: Annotated[int, typer.Option("--height", envvar="BOX_HEIGHT")] = 2


@dataclass(frozen=True, slots=True)
class _Paint:
    colour: Annotated[str, typer.Option("--colour")] = "red"


@spread
def _box(
    name: str,
    *,
    size: _Size,
    deep: Annotated[bool, typer.Option("--deep")] = False,
    paint: _Paint,
) -> None:
    """Make a box."""
    typer.echo(f"{name} {size!r} {deep} {paint!r}")


def _app(command: Callable[..., None]) -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None)
    app.command()(command)
    return app


@pytest.mark.parametrize(
    ("typed", "made"),
    [
        ("--width 3", "_Size(width=3, height=2) False _Paint(colour='red')"),
        ("--width 3 --height 7", "_Size(width=3, height=7) False _Paint(colour='red')"),
        ("--width 3 --colour blue --deep", "_Size(width=3, height=2) True _Paint(colour='blue')"),
    ],
)
def test_what_is_typed_reaches_the_command_as_its_dataclasses(typed: str, made: str) -> None:
    """Each field takes its own option or its default, beside parameters of the command's own."""
    result = CliRunner().invoke(_app(_box), ["crate", *typed.split()])

    assert result.exit_code == 0
    assert result.stdout == f"crate {made}\n"


def test_a_field_is_read_as_its_option_says() -> None:
    """An option of a field is one like any other: a variable of the environment fills it."""
    result = CliRunner().invoke(_app(_box), ["crate", "--width", "3"], env={"BOX_HEIGHT": "9"})

    assert "height=9" in result.stdout


def test_a_field_without_a_default_must_be_typed() -> None:
    """A missing option is refused before the command runs."""
    result = CliRunner().invoke(_app(_box), ["crate"])

    assert result.exit_code == 2
    assert "--width" in result.stderr
    assert not result.stdout


def test_options_stand_in_the_help_where_their_dataclass_stands() -> None:
    """The order of a command's parameters is that of its help, which keeps its text too."""
    helped = CliRunner().invoke(_app(_box), ["--help"]).stdout

    places = [helped.index(each) for each in ("--width", "--height", "--deep", "--colour")]
    assert places == sorted(places)
    assert "Make a box." in helped
    assert "Of the box." in helped


def test_a_command_without_dataclasses_stays_as_it_is() -> None:
    """Nothing but dataclasses is spread."""

    def command(name: str, *, deep: bool = False) -> None:
        typer.echo(f"{name} {deep}")

    kinds = [each.kind for each in signature(spread(command)).parameters.values()]

    assert kinds == [Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY]
    assert CliRunner().invoke(_app(spread(command)), ["crate", "--deep"]).stdout == "crate True\n"
