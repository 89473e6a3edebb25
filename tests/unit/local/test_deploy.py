"""What deploying needs, and what it says when that is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.local.deploy import require_tools
from tidegate.local.errors import LocalCloudError


def fake_node(directory: Path, says: str) -> None:
    """Put a `node` into a folder that says it has some version."""
    node = directory / "node"
    node.write_text(f"#!/bin/sh\necho {says}\n")
    node.chmod(0o755)


def test_a_missing_node_is_said_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CDK's command runs on Node, which `make setup` cannot bring."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(LocalCloudError, match=r"Node\.js is missing: install version 20 or newer"):
        require_tools()


@pytest.mark.parametrize("says", ["v18.20.4", "nonsense"])
def test_an_old_node_is_refused(says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under an old Node the CDK fails late and obscurely."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    fake_node(tmp_path, says)

    with pytest.raises(LocalCloudError, match=rf"{says}: install Node\.js 20 or newer"):
        require_tools()


def test_a_missing_cdk_is_said_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CDK's command comes with the repository's own set-up."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    fake_node(tmp_path, "v22.11.0")

    with pytest.raises(LocalCloudError, match="cdk is missing: run `make setup`"):
        require_tools(tmp_path / "cdk")
