"""What the embedded cloud says and hands on without running."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tidegate.local.cloud import EmbeddedCloud, free_port, require_free
from tidegate.local.errors import LocalCloudError


def test_subprocesses_see_no_real_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command for the embedded cloud must never reach the user's own AWS account."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    monkeypatch.setenv("AWS_ENDPOINT_URL_IOT", "https://iot.example.com")
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.delenv("no_proxy", raising=False)

    environment = EmbeddedCloud(account_id="444455556666", region="eu-west-1").environment()

    assert {name: value for name, value in environment.items() if name.startswith("AWS_")} == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:0",
        "AWS_ACCESS_KEY_ID": "444455556666",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    assert environment["NO_PROXY"] == "example.com,127.0.0.1,localhost"
    assert environment["PATH"] == os.environ["PATH"]


def test_clients_ignore_this_process_s_own_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that does not exist, or points to a real account, changes nothing."""
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://aws.example.com")

    client = EmbeddedCloud(region="eu-west-1").client("iot")

    assert client.meta.endpoint_url == "http://127.0.0.1:0"
    assert client.meta.region_name == "eu-west-1"


def test_a_missing_environment_is_said_with_its_remedy(tmp_path: Path) -> None:
    """Whoever has not set up yet learns how to."""
    with (
        pytest.raises(LocalCloudError, match=r"bin/python is missing: run `make setup`"),
        EmbeddedCloud(python=tmp_path / "bin" / "python"),
    ):
        pytest.fail("it must not start")


def test_a_busy_port_is_said_with_its_number_and_remedy() -> None:
    """Nobody should have to guess from a traceback which port it was."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(LocalCloudError, match=rf"port {port} .*choose another port"):
            require_free(port)


def test_a_free_port_can_be_listened_on() -> None:
    """Clouds started side by side find ports of their own."""
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        assert listener.getsockname()[1] >= 20_000


def test_a_cloud_that_was_never_started_does_not_check() -> None:
    """A check before the start is told, not taken for health."""
    with pytest.raises(LocalCloudError, match="stopped"):
        EmbeddedCloud().check()
