"""What a Lambda imports is paid for at every cold start, so each handler's imports are bounded."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
HANDLERS = sorted(path.stem for path in REPOSITORY.glob("lambdas/[!_]*.py"))

#: Slow, large, or not in the Lambdas' zip at all.
FORBIDDEN = frozenset(
    {
        "aws_cdk",
        "aws_xray_sdk",
        "awscrt",
        "jsonschema",
        "moto",
        "numpy",
        "pydantic",
        "pytest",
        "rich",
        "ruamel",
        "scipy",
        "typer",
        "yaml",
    }
)

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SECRET_ACCESS_KEY": "none",
}

IMPORT = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@cache
def imported_by(module: str) -> frozenset[str]:
    """Import a module in a fresh process and return the top-level packages it led to."""
    finished = subprocess.run(
        [sys.executable, "-c", IMPORT, module],
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return frozenset(json.loads(finished.stdout))


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_imports_nothing_that_makes_its_start_slow(handler: str) -> None:
    """No handler leads to a package that costs more to import than the handler's own work."""
    imported = imported_by(f"lambdas.{handler}")

    assert not imported & FORBIDDEN
