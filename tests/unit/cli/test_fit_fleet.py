"""``tidegate fit-fleet`` at the terminal: executions in, a fleet's YAML out."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tidegate.cli.app import app
from tidegate.lab.fleet import read_fleet

EXECUTION = {
    "thingArn": "arn:aws:iot:eu-west-1:123456789012:thing/boiler-7",
    "jobExecutionSummary": {
        "status": "SUCCEEDED",
        "queuedAt": 1772359200,
        "startedAt": 1772359260,
        "lastUpdatedAt": 1772359740,
        "executionNumber": 1,
    },
}


def type_in(*arguments: str, stdin: str | None = None) -> Result:
    """Return what comes of a command line."""
    return CliRunner().invoke(app, ["fit-fleet", *arguments], input=stdin)


@pytest.mark.parametrize("is_piped", [True, False])
def test_a_list_becomes_a_fleet(tmp_path: Path, *, is_piped: bool) -> None:
    """From a file or by a pipe, what AWS lists becomes a fleet that can be simulated."""
    file = tmp_path / "executions.json"
    file.write_text(json.dumps({"executionSummaries": [EXECUTION]}))
    options = ("--name", "boilers", "--size", "70000", "--timeout", "45")

    result = (
        type_in("-", *options, stdin=file.read_text()) if is_piped else type_in(str(file), *options)
    )

    assert result.exit_code == 0, result.output
    fleet = read_fleet(result.stdout, "fleet.yaml")
    assert (fleet.name, fleet.size, fleet.timeout_minutes) == ("boilers", 70_000, 45)


def test_a_fitted_fleet_can_be_simulated(tmp_path: Path) -> None:
    """What one command prints the other one reads."""
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(type_in("-", "--size", "300", stdin=json.dumps(EXECUTION)).stdout)

    result = CliRunner().invoke(
        app,
        [
            *("simulate", "aws-constant", "--fleet", str(fleet), "--failures", "20%"),
            *("--runs", "1", "--against", "none", "--no-page", "--json"),
        ],
    )

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["policies"][0]["exposed_mean"] == 300


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (("-",), "", "stdin: no executions in it"),
        (("-",), "<html>", "stdin:1:1: not readable as JSON"),
        (("nothing.json",), None, "nothing.json: the executions cannot be read: No such file"),
        (("-", "--name", "two words"), json.dumps(EXECUTION), '--name is "two words"'),
        (("-", "--size", "0"), json.dumps(EXECUTION), "'--size'"),
        (("-", "--timeout", "10081"), json.dumps(EXECUTION), "'--timeout'"),
        ((), None, "FILE"),
    ],
)
def test_what_is_no_list_is_refused_in_a_word(
    arguments: tuple[str, ...], stdin: str | None, told: str
) -> None:
    """Each mistake is told on stderr and ends with 2; nothing is printed that could be kept."""
    result = type_in(*arguments, stdin=stdin)

    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stdout == ""
