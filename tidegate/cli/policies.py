"""Policies as they are named on the command line: by name, or by their file."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tidegate.cli.reading import read_text, source_of
from tidegate.documents.policy import (
    PolicyDocument,
    PolicyError,
    parse_policy_json,
    parse_policy_yaml,
)
from tidegate.documents.shapes import POLICY_NAME, shown
from tidegate.errors import Refused

#: How the name of a file ends; a policy's own name has no slash, and should not end so.
_FILE_ENDINGS = (".yaml", ".yml", ".json")

PolicyNamed = Annotated[
    str,
    typer.Option("--policy", metavar="NAME|FILE", help="A policy's name, or its YAML file."),
]


def read_policy(path: str) -> PolicyDocument:
    """
    Return the policy in a file, or on stdin for ``-``; what ends in .json is read as JSON.

    Raises:
        Refused: It cannot be read, or is no valid policy.
    """
    text = read_text(path, what="the policy")
    parse = _parse_json if path.endswith(".json") else parse_policy_yaml
    return parse(text, source=source_of(path))


def _parse_json(text: str, *, source: str) -> PolicyDocument:
    try:
        return parse_policy_json(text, source=source)
    except PolicyError as error:
        # Only faulty policies pay for YAML.
        from tidegate.documents.yaml_text import read_yaml  # noqa: PLC0415

        if error.faults[0].line is None and read_yaml(text).is_readable:
            # JSON is YAML too, whose reader tells lines and columns of the same faults.
            parse_policy_yaml(text, source=source)
        raise


def policy_of(named: str) -> str | Mapping[str, Any]:
    """
    Return a policy as commands carry it: its name, or what its file holds.

    Args:
        named: A name, or a path; ``-`` is stdin. A path has a slash, or ends as YAML files do.

    Raises:
        Refused: It is neither; or the file cannot be read, or is no valid policy.
    """
    if named == "-" or "/" in named or named.endswith(_FILE_ENDINGS):
        inline: Mapping[str, Any] = json.loads(read_policy(named).to_json())
        return inline
    if not POLICY_NAME.fullmatch(named):
        message = f"--policy is {shown(named)}: give a policy's name, or its file's path"
        raise Refused(message)
    return named
