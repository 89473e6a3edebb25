"""``tidegate policy`` at the terminal: what is wrong, what may stand there, what it promises."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tidegate.cli.app import app

REPOSITORY = Path(__file__).parents[3]
FIRMWARE = str(REPOSITORY / "policies/firmware.yaml")
STAGED = str(REPOSITORY / "policies/staged.yaml")


def type_in(*arguments: str, stdin: str | None = None) -> Result:
    """Return what comes of a command line."""
    return CliRunner().invoke(app, ["policy", *arguments], input=stdin)


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    """Write a policy with two faults."""
    path = tmp_path / "wrong.yaml"
    path.write_text("name: wrong\nharm: {tolerated_rate: 2}\nrings: 3\n")
    return str(path)


def test_right_policies_are_said_to_be_right() -> None:
    """Several files are looked at in one go, and each is named."""
    result = type_in("validate", FIRMWARE, STAGED)

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"{FIRMWARE}: policy firmware is right",
        f"{STAGED}: policy staged is right",
    ]


def test_faults_have_line_column_and_what_is_right(wrong: str) -> None:
    """Every fault stands on a line of its own, as compilers have it."""
    result = type_in("validate", wrong, FIRMWARE)
    first, second = result.stderr.splitlines()

    assert result.exit_code == 2
    assert first == (
        f"{wrong}:2:24: harm.tolerated_rate: 2, but a share is needed: write 2% or 0.02"
    )
    assert second.startswith(f"{wrong}:3:1: rings: unknown key")
    assert "policy firmware is right" in result.stdout


def test_faults_in_json_have_their_places_too(tmp_path: Path) -> None:
    """Parameter Store has policies as JSON; what is no JSON is not read as if it were YAML."""
    path, other = tmp_path / "wrong.json", tmp_path / "other.json"
    path.write_text('{\n\t"name": "wrong",\n\t"harm": {"budget": -5},\n\t"name": "again"\n}\n')
    other.write_text('{"name": "other",}')
    first, second = type_in("validate", str(path)).stderr.splitlines()

    assert first.startswith(f"{path}:3:21: harm.budget: -5, but ")
    assert second.startswith(f"{path}:4:2: name: ")
    assert type_in("validate", str(other)).stderr.startswith(f"{other}:1:18: not readable as JSON")


def test_scripts_get_faults_as_json(wrong: str, tmp_path: Path) -> None:
    """--json has each file with its faults, files that cannot be read among them."""
    missing = str(tmp_path / "missing.yaml")
    result = type_in("validate", wrong, FIRMWARE, missing, "--json")
    printed = json.loads(result.stdout)

    assert result.exit_code == 2
    assert not printed["valid"]
    assert [len(each["faults"]) for each in printed["files"]] == [2, 0, 1]
    assert printed["files"][0]["faults"][0]["line"] == 2
    assert printed["files"][1]["name"] == "firmware"


def test_a_policy_comes_by_stdin_too() -> None:
    """- reads the policy that something else writes."""
    result = type_in("validate", "-", stdin="name: piped\n")

    assert result.exit_code == 0
    assert result.stdout == "stdin: policy piped is right\n"


def test_a_file_that_has_another_name_is_pointed_out(tmp_path: Path) -> None:
    """Policies are deployed by their files' names, so that another name in it misleads."""
    path = tmp_path / "theirs.yaml"
    path.write_text("name: mine\n")

    assert "name its file mine.yaml" in type_in("validate", str(path)).stdout


def test_the_schema_is_the_committed_one() -> None:
    """What editors get from the command is what the repository holds."""
    printed = json.loads(type_in("schema").stdout)

    assert printed == json.loads((REPOSITORY / "schemas/policy.schema.json").read_text())


def test_it_is_explained_for_a_number_of_devices() -> None:
    """People read what is promised for that many devices, and where the figures come from."""
    result = type_in("explain", FIRMWARE, "--fleet", "1,000", "--runs", "1")

    assert result.exit_code == 0, result.output
    assert "What the policy firmware promises for 1,000 devices" in result.stdout
    assert "At most 50 devices are harmed" in result.stdout
    assert "Warnings\nNone." in result.stdout
    assert "at most 1 trials" in result.stdout


def test_it_is_explained_for_a_fleet_of_ones_own(tmp_path: Path) -> None:
    """--fleet takes a fleet's file, and JSON has the warnings that its size calls for."""
    reference = (REPOSITORY / "fleets/reference.yaml").read_text()
    mine = tmp_path / "mine.yaml"
    mine.write_text(reference.replace("size: 100000", "size: 700"))
    text = "name: gated\njob: {timeout: 1h}\ngates: [{after: 800, bake: 2h}]\n"
    result = type_in("explain", "-", "--fleet", str(mine), "--runs", "1", "--json", stdin=text)
    printed = json.loads(result.stdout)

    assert printed["devices"] == 700
    assert [each["code"] for each in printed["warnings"]] == ["gate-beyond-fleet"]


@pytest.mark.parametrize("fleet", ["many", "0"])
def test_a_fleet_that_is_none_is_refused(fleet: str) -> None:
    """What is neither a number nor a file ends with 2 and a message."""
    result = type_in("explain", FIRMWARE, "--fleet", fleet)

    assert result.exit_code == 2
    assert "--fleet is" in result.stderr
