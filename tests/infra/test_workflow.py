"""The workflow as it is deployed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.stack import DEFINITION
from tests.infra.synthesized import REPOSITORY, Synthesized

PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
ASL_VALIDATOR = REPOSITORY / "node_modules" / ".bin" / "asl-validator"


@pytest.fixture
def machine(aws: Synthesized) -> dict[str, Any]:
    """Return the state machine's properties."""
    return aws.one("AWS::StepFunctions::StateMachine")["Properties"]


@pytest.fixture
def definition(machine: dict[str, Any], tmp_path: Path) -> Path:
    """Return the definition with all names filled in, as a file."""

    def arn(placeholder: re.Match[str]) -> str:
        name = machine["DefinitionSubstitutions"][placeholder[1]]
        if not name.startswith("<"):
            return name
        return "arn:aws:lambda:eu-west-1:111122223333:function:tidegate-step"

    path = tmp_path / "rollout.asl.json"
    path.write_text(PLACEHOLDER.sub(arn, machine["DefinitionString"]))
    return path


def test_every_name_in_the_definition_is_filled_in(machine: dict[str, Any]) -> None:
    """The definition asks for just the names that the stack gives it."""
    text = DEFINITION.read_text()

    assert machine["DefinitionString"] == text
    assert set(PLACEHOLDER.findall(text)) == set(machine["DefinitionSubstitutions"])


def test_the_definition_satisfies_statelint(definition: Path) -> None:
    """
    The workflow is valid Amazon States Language.

    This linter wants a factor of 2 written as 2.0, and a time in figures even where the language
    takes an expression: it gets both.
    """
    text = re.sub(r'("BackoffRate": \d+)(?=[,\s])', r"\1.0", definition.read_text())
    definition.write_text(re.sub(r'("(?:Timeout)?Seconds": )"\{%[^"]*%\}"', r"\g<1>60", text))
    statelint = Path(sys.executable).with_name("statelint")
    done = subprocess.run([statelint, definition], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.skipif(not ASL_VALIDATOR.exists(), reason="asl-validator is not installed")
def test_the_definition_satisfies_asl_validator(definition: Path) -> None:
    """A second opinion on the workflow, by another schema."""
    node = shutil.which("node")
    assert node is not None
    command = [node, ASL_VALIDATOR, "--json-path", definition]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_executions_are_logged_whole_and_traced(machine: dict[str, Any], aws: Synthesized) -> None:
    """Every event of a workflow is in its log group, with input and output, and traced."""
    logging = machine["LoggingConfiguration"]
    group = aws.of_type("AWS::Logs::LogGroup")["Workflow/Logs"]

    assert machine["StateMachineType"] == "STANDARD"
    assert logging["Level"] == "ALL"
    assert logging["IncludeExecutionData"] is True
    assert [each["CloudWatchLogsLogGroup"]["LogGroupArn"] for each in logging["Destinations"]] == [
        "<Workflow/Logs.Arn>"
    ]
    assert group["LogGroupName"] == "/aws/vendedlogs/states/tidegate-rollout"
    assert machine["TracingConfiguration"] == {"Enabled": True}


def test_the_workflow_is_found_under_its_foretold_name(
    machine: dict[str, Any], aws: Synthesized
) -> None:
    """The ARN that Lambdas and the workflow itself are told is the one that it will have."""
    foretold = machine["DefinitionSubstitutions"]["StateMachineArn"]

    assert machine["StateMachineName"] == "tidegate-rollout"
    assert foretold == "arn:aws:states:eu-west-1:111122223333:stateMachine:tidegate-rollout"
    assert aws.outputs["StateMachineArn"] == "<Workflow/StateMachine>"
