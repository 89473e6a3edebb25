"""What the hot path imports: every Lambda pays for it at each cold start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]

SCRIPT = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("module", ["announcements", "commands", "events", "outside", "reports"])
def test_the_hot_path_needs_the_standard_library_only(module: str) -> None:
    """Events, commands and announcements are read and made without any package installed."""
    finished = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, '.')\n{SCRIPT}",
            f"tidegate.documents.{module}",
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = set(json.loads(finished.stdout))

    assert not imported & {"pydantic", "pydantic_core", "ruamel", "boto3", "jsonschema"}
    assert "tidegate" in imported
