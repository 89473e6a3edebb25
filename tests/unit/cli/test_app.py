"""The command ``tidegate`` itself: its subcommands, and how it is installed."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from tidegate.cli.app import app
from tidegate.cli.exits import ExitStatus

REPOSITORY = Path(__file__).parents[3]


def test_help_names_the_subcommands_and_the_exit_status() -> None:
    """Whoever types the bare command learns what there is and what its end means."""
    result = CliRunner().invoke(app, ["--help"])

    assert result.exit_code == 0
    assert "simulate" in result.stdout
    assert "fit-fleet" in result.stdout
    assert "...\n" not in result.stdout.partition("Commands:")[2], "a summary is cut off"
    assert "Exit status: 0 when done, 1 when what was asked for is refused" in result.stdout


def test_the_version_is_told() -> None:
    """Whoever reports a fault, or upgrades, learns which one is installed, without an account."""
    result = CliRunner().invoke(app, ["--version"])

    assert (result.exit_code, result.stdout) == (0, f"tidegate {version('tidegate')}\n")


@pytest.mark.parametrize(
    "name",
    [
        *("launch", "enroll", "status", "watch", "explain", "history", "hold", "resume"),
        *("approve", "reject", "adjust", "release", "abort", "demo"),
    ],
)
def test_every_subcommand_explains_itself(name: str) -> None:
    """What operators type is listed, each with a help of its own."""
    listed = CliRunner().invoke(app, ["--help"])
    helped = CliRunner().invoke(app, [name, "--help"], prog_name="tidegate")

    assert f"  {name} " in listed.stdout
    assert helped.exit_code == 0
    assert helped.stdout.startswith(f"Usage: tidegate {name} ")


def test_the_documentation_has_every_subcommand_and_no_other_option() -> None:
    """Who reads of the command line finds all that it does, and may type what is written there."""
    page = (REPOSITORY / "docs" / "cli.md").read_text()
    found = get_command(app)
    assert isinstance(found, TyperGroup)
    commands = dict(subcommands(found))
    options = {option for taken in commands.values() for option in taken}
    written = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page))

    assert [name for name in commands if not re.search(rf"`{name}\b", page)] == []
    assert written - options == {
        *("--help", "--install-completion", "--show-completion", "--version")
    }


def subcommands(group: TyperGroup) -> Iterator[tuple[str, set[str]]]:
    """Yield each subcommand's name, with the options that it and those under it take."""
    for name, command in group.commands.items():
        taken = {option for each in command.params for option in each.opts + each.secondary_opts}
        if isinstance(command, TyperGroup):
            taken = taken.union(*(options for _, options in subcommands(command)))
        yield name, taken


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_common_shells(shell: str) -> None:
    """The script that completes names the command and how it is asked."""
    environment = {"_TIDEGATE_COMPLETE": f"source_{shell}"}
    result = CliRunner().invoke(app, [], prog_name="tidegate", env=environment)

    assert result.exit_code == 0
    assert "_TIDEGATE_COMPLETE" in result.stdout


def test_an_unknown_subcommand_is_refused() -> None:
    """A slip of the finger is told with what was meant."""
    result = CliRunner().invoke(app, ["simulat"])

    assert result.exit_code == 2
    assert "simulate" in result.stderr


def test_the_demo_is_started_as_make_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its options go along, and its end is the command's."""
    given: list[list[str]] = []

    def main(arguments: list[str]) -> int:
        given.append(arguments)
        return 1

    monkeypatch.setattr("tidegate.local.demo.main", main)
    result = CliRunner().invoke(app, ["demo", "--port", "20100", "--keep"])

    assert result.exit_code == 1
    assert given == [["--port", "20100", "--keep"]]


def in_a_process(code: str) -> subprocess.CompletedProcess[str]:
    """Run some Python in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_installed_command_is_this_one() -> None:
    """The console script calls the function that is there, in a process of its own too."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    module, _, function = project["project"]["scripts"]["tidegate"].partition(":")
    code = f"import sys; from {module} import {function}; sys.argv[1:] = ['simulate']; {function}()"

    done = in_a_process(code)

    assert done.returncode == 2
    assert done.stderr.startswith("no policy is named: ")
    assert done.stdout == ""


def test_an_interruption_while_modules_load_ends_it_quietly() -> None:
    """Whoever types Ctrl-C at once gets the status of it, and no traceback."""
    code = """
import sys
from tidegate.cli.entry import main

class Interrupted:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
main()
"""

    done = in_a_process(code)

    assert (done.returncode, done.stdout, done.stderr) == (ExitStatus.INTERRUPTED, "", "")


def test_the_build_backend_is_the_one_within_uv() -> None:
    """The locked uv is a version that has the backend built in, so that nothing is downloaded."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    (backend,) = project["build-system"]["requires"]
    asked = (REPOSITORY / "requirements.in").read_text().splitlines()
    (uv,) = [line.removeprefix("uv==") for line in asked if line.startswith("uv==")]
    lowest, beyond = backend.removeprefix("uv_build>=").split(",<")

    assert parts(lowest) <= parts(uv) < parts(beyond)


def parts(version: str) -> tuple[int, ...]:
    """Return a version as numbers that can be compared."""
    return tuple(int(part) for part in version.split("."))
