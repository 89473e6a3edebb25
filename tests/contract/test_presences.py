"""What is told of who is connected, in memory as by fleet indexing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from tests.contract.conftest import MOTO, Clients
from tidegate.adapters.aws.presences import FleetPresences
from tidegate.adapters.memory.presences import MemoryPresences
from tidegate.domain.things import Presence
from tidegate.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.ports import Presences

KNOWN = {
    "pump:1": Presence(is_connected=True, changed_at=1_700_000_000.5),
    "meter-2": Presence(is_connected=False, changed_at=1_700_000_100.25),
}
#: What fleet indexing says of them, and of one that never connected.
DOCUMENTS = [
    {"thingName": "pump:1", "connectivity": {"connected": True, "timestamp": 1_700_000_000_500}},
    {"thingName": "meter-2", "connectivity": {"connected": False, "timestamp": 1_700_000_100_250}},
    {"thingName": "shy", "connectivity": {"connected": False}},
]
ASKED = 'thingName:("pump:1" OR "meter-2" OR "shy")'


class InMemory:
    """Presences in memory."""

    def __init__(self, *, is_indexed: bool = True) -> None:
        memory = MemoryPresences(KNOWN, elsewhere=6)
        memory.is_indexed = is_indexed
        self.presences: Presences = memory


class Scripted:
    """Fleet indexing by its model's word: no emulator knows all of its queries."""

    def __init__(self, client: Any, *, is_indexed: bool = True) -> None:  # noqa: ANN401 - the stubber's own
        self.script = Stubber(client)
        self.script.activate()
        self.presences: Presences = FleetPresences(client)
        self._is_indexed = is_indexed

    def expect_search(self) -> None:
        """Let the things be searched for, in one query."""
        request = {"indexName": "AWS_Things", "queryString": ASKED, "maxResults": 100}
        things = [
            each if self._is_indexed else {"thingName": each["thingName"]} for each in DOCUMENTS
        ]
        self.script.add_response("search_index", {"things": things}, request)
        self._expect_look()

    def expect_count(self) -> None:
        """Let all things be counted."""
        request = {"indexName": "AWS_Things", "queryString": "connectivity.connected:true"}
        count = 7 if self._is_indexed else 0
        self.script.add_response("get_statistics", {"statistics": {"count": count}}, request)
        if not self._is_indexed:
            self._expect_look()

    def _expect_look(self) -> None:
        mode = "STATUS" if self._is_indexed else "OFF"
        configuration = {"thingIndexingMode": "REGISTRY", "thingConnectivityIndexingMode": mode}
        self.script.add_response(
            "get_indexing_configuration", {"thingIndexingConfiguration": configuration}, {}
        )


@pytest.fixture(scope="module")
def iot() -> Any:  # noqa: ANN401 - as the class that makes it has it
    """Make the client once."""
    return Clients(MOTO).get("iot")


@pytest.fixture(params=["memory", "scripted"])
def world(request: pytest.FixtureRequest) -> Iterator[InMemory | Scripted]:
    """Provide presences of each kind."""
    yield from _world(request, is_indexed=True)


@pytest.fixture(params=["memory", "scripted"])
def unindexed(request: pytest.FixtureRequest) -> Iterator[InMemory | Scripted]:
    """Provide each kind in an account that does not index connectivity."""
    yield from _world(request, is_indexed=False)


def _world(request: pytest.FixtureRequest, *, is_indexed: bool) -> Iterator[InMemory | Scripted]:
    if request.param == "memory":
        yield InMemory(is_indexed=is_indexed)
        return
    world = Scripted(request.getfixturevalue("iot"), is_indexed=is_indexed)
    yield world
    world.script.deactivate()
    world.script.assert_no_pending_responses()


def test_whoever_ever_connected_is_told_of(world: InMemory | Scripted) -> None:
    """Who is there and who left come with the time of it; who never came is missing."""
    if isinstance(world, Scripted):
        world.expect_search()

    assert world.presences.read(["pump:1", "meter-2", "shy"]) == KNOWN


def test_the_connected_are_counted(world: InMemory | Scripted) -> None:
    """All things of the account count, whatever they are asked to do."""
    if isinstance(world, Scripted):
        world.expect_count()

    assert world.presences.connected() == 7


def test_nobody_is_asked_for(world: InMemory | Scripted) -> None:
    """No names, no request."""
    assert world.presences.read([]) == {}


def test_an_account_must_index_connectivity(unindexed: InMemory | Scripted) -> None:
    """Where it does not, nobody seems to have connected ever: that is refused, in words."""
    if isinstance(unindexed, Scripted):
        unindexed.expect_search()
        unindexed.expect_count()

    with pytest.raises(Refused, match="does not index connectivity"):
        unindexed.presences.read(["pump:1", "meter-2", "shy"])
    with pytest.raises(Refused, match="does not index connectivity"):
        unindexed.presences.connected()
