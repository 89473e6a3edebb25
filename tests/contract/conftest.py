"""The clouds that the ports' AWS lives are tried on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from tests.contract.samples import Cloud
from tests.contract.tables import table
from tidegate.adapters.aws import session
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.local.cloud import EmbeddedCloud

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tidegate.ports import Ledger

#: A minute of AWS IoT Jobs in the embedded cloud.
MINUTE_SECONDS = 0.5

MOTO = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "eu-central-1",
}


class Clients:
    """Tidegate's own clients as an environment makes them; each is made once, for it is slow."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Remember the environment."""
        self._environment = environment
        self._made: dict[str, Any] = {}

    def get(self, service_name: str) -> Any:  # noqa: ANN401 - each service's is another class
        """Return the client for a service."""
        if service_name not in self._made:
            with pytest.MonkeyPatch.context() as patch:
                for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
                    patch.delenv(name, raising=False)
                for name, value in self._environment.items():
                    patch.setenv(name, value)
                session.forget_clients()
                self._made[service_name] = session.client(service_name)  # type: ignore[call-overload]
                session.forget_clients()
        return self._made[service_name]


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """Run an embedded cloud for all contracts."""
    with EmbeddedCloud(minute_seconds=MINUTE_SECONDS) as running:
        yield Cloud(Clients(running.environment()).get, running.account_id, running.region)


@pytest.fixture(scope="session")
def _moto_clients() -> Clients:
    return Clients(MOTO)


@pytest.fixture
def moto(_moto_clients: Clients) -> Iterator[Cloud]:
    """Let moto answer in place of AWS, empty for each test."""
    with mock_aws():
        yield Cloud(_moto_clients.get, "123456789012", MOTO["AWS_REGION"])


@pytest.fixture(params=["memory", "moto", pytest.param("cloud", marks=pytest.mark.e2e)])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Provide an empty ledger of each kind."""
    if request.param == "memory":
        return MemoryLedger()
    return table(request.getfixturevalue(request.param).client("dynamodb"))
