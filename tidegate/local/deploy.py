"""Deploy a CDK application into the embedded cloud with the real CDK command line."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tidegate.local.cloud import REPOSITORY, EmbeddedCloud, stop_group, tail
from tidegate.local.errors import LocalCloudError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CDK = REPOSITORY / "node_modules" / ".bin" / "cdk"
OLDEST_NODE = 20
NODE_LIMIT_SECONDS = 60.0
BOOTSTRAP_LIMIT_SECONDS = 180.0
DEPLOY_LIMIT_SECONDS = 600.0

QUIET = {
    "CDK_DISABLE_CLI_TELEMETRY": "true",
    "CDK_VALIDATION": "false",  # a second opinion on the template, which its own tests ask for
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": str(OLDEST_NODE),
    "NODE_NO_WARNINGS": "1",
}
"""Environment variables that keep the tools from calling home and from warning about Node."""

FLAGS = ("--no-notices", "--no-version-reporting", "--no-color", "--ci")


def deploy(
    cloud: EmbeddedCloud,
    *,
    context: Mapping[str, str],
    directory: Path = REPOSITORY,
    cdk: Path = CDK,
) -> dict[str, dict[str, str]]:
    """
    Bootstrap the cloud and deploy every stack of an application into it.

    Doing so again updates what changed. Several clouds can be deployed into at once.

    Args:
        cloud: A running cloud.
        context: CDK context, by key.
        directory: The folder that holds the application's `app.py`.
        cdk: The CDK's command.

    Returns:
        The outputs of each stack: values by output name, by stack name.

    Raises:
        LocalCloudError: If a tool is missing or too old, or a command fails or takes too long.
    """
    require_tools(cdk)
    cloud.check()
    output = cloud.temporary_directory / "cdk.out"
    outputs = cloud.temporary_directory / "outputs.json"
    run(
        cloud,
        [str(cdk), "bootstrap", *FLAGS, f"aws://{cloud.account_id}/{cloud.region}"],
        directory=cloud.temporary_directory,  # away from cdk.json: nothing to synthesize
        limit_seconds=BOOTSTRAP_LIMIT_SECONDS,
    )
    run(
        cloud,
        [
            *(str(cdk), "deploy", "--all", *FLAGS, "--progress=events"),
            *("--app", shlex.join([sys.executable, "app.py"])),
            *("--output", str(output)),
            *("--outputs-file", str(outputs)),
            "--require-approval=never",
            *(f"--context={key}={value}" for key, value in context.items()),
        ],
        directory=directory,
        limit_seconds=DEPLOY_LIMIT_SECONDS,
    )
    found: dict[str, dict[str, str]] = json.loads(outputs.read_text(encoding="utf-8"))
    return found


def require_tools(cdk: Path = CDK) -> None:
    """
    Make sure that Node and the CDK's command are there.

    Args:
        cdk: The CDK's command.

    Raises:
        LocalCloudError: If one is missing or Node is too old.
    """
    node = shutil.which("node")
    if node is None:
        message = f"Node.js is missing: install version {OLDEST_NODE} or newer"
        raise LocalCloudError(message)
    version = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=False, timeout=NODE_LIMIT_SECONDS
    ).stdout.strip()
    major = re.match(r"v(\d+)\.", version)
    if major is None or int(major[1]) < OLDEST_NODE:
        message = f"{node} is {version or 'not Node.js'}: install Node.js {OLDEST_NODE} or newer"
        raise LocalCloudError(message)
    if not cdk.is_file():
        message = f"{cdk} is missing: run `make setup`"
        raise LocalCloudError(message)


def run(
    cloud: EmbeddedCloud, command: Sequence[str], *, directory: Path, limit_seconds: float
) -> None:
    """
    Run a command against the cloud, with its output in a log.

    Args:
        cloud: The running cloud.
        command: Program and arguments.
        directory: Where to run it.
        limit_seconds: How long it may take.

    Raises:
        LocalCloudError: If it fails or takes longer; the message ends with its last lines.
    """
    log_path = cloud.directory / "cdk.log"
    environment = (
        cloud.environment()
        | QUIET
        | {
            "TMPDIR": str(cloud.temporary_directory),
            "CDK_HOME": str(cloud.temporary_directory / "cdk-home"),
        }
    )
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the CDK's command starts others, which are to end with it
        )
        try:
            code: int | None = process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            stop_group(process)
    if code != 0:
        cloud.check()
        how = f"took longer than {limit_seconds:.0f} s" if code is None else f"failed with {code}"
        last = "\n".join(tail(log_path))
        message = f"`cdk {command[1]}` {how}; its log is at {log_path} and ends:\n{last}"
        raise LocalCloudError(message)
