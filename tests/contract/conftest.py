"""The clouds that the ports' AWS lives are tried on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from tidegate.adapters.aws import session
from tidegate.local.cloud import EmbeddedCloud

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A minute of AWS IoT Jobs in the embedded cloud.
MINUTE_SECONDS = 0.5


@pytest.fixture(scope="session")
def embedded_cloud() -> Iterator[EmbeddedCloud]:
    """Run an embedded cloud for all contracts."""
    with EmbeddedCloud(minute_seconds=MINUTE_SECONDS) as cloud:
        yield cloud


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process's clients find moto in place of AWS."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    with mock_aws():
        session.forget_clients()
        yield
        session.forget_clients()
