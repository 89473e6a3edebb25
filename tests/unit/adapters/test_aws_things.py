"""What is asked of the registry, fleet indexing and Parameter Store about devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.adapters.aws import presences as presences_module
from tidegate.adapters.aws import reporters as reporters_module
from tidegate.adapters.aws import things as things_module
from tidegate.adapters.aws.presences import FleetPresences
from tidegate.adapters.aws.reporters import ParameterReporters
from tidegate.adapters.aws.things import RegistryThings
from tidegate.adapters.memory.clock import ManualClock
from tidegate.domain.things import Presence, Traits
from tidegate.errors import Refused, RetryLater

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_ssm import SSMClient

    from tests.unit.adapters.conftest import Script

MALFORMED = [
    "gateways",
    "",
    "[]",
    "{}",
    '{"thingGroups": "gateways"}',
    '{"thingGroups": [1]}',
    '{"thingGroup": ["gateways"]}',
]


@pytest.fixture
def things(iot_client: IoTClient) -> RegistryThings:
    """Return a registry over a client that is scripted."""
    return RegistryThings(iot_client)


@pytest.fixture
def presences(iot_client: IoTClient) -> FleetPresences:
    """Return presences over a client that is scripted."""
    return FleetPresences(iot_client)


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still."""
    return ManualClock(1_000)


@pytest.fixture
def reporters(ssm_client: SSMClient, clock: ManualClock) -> ParameterReporters:
    """Return reporters over a client that is scripted."""
    return ParameterReporters("/tidegate/reporters", ssm_client, clock)


def group(name: str) -> dict[str, str]:
    """Return a group as it is listed."""
    return {"groupName": name, "groupArn": f"arn:aws:iot:eu-central-1:1:thinggroup/{name}"}


def allow(ssm: Script, source: str, value: str) -> None:
    """Let a parameter be read once."""
    parameter = f"/tidegate/reporters/{source}"
    ssm.answer("get_parameter", {"Name": parameter}, {"Parameter": {"Value": value}})


def seen(name: str) -> dict[str, Any]:
    """Return a connected thing as it is found."""
    return {"thingName": name, "connectivity": {"connected": True, "timestamp": 5_000}}


# the registry


def test_groups_come_in_pages(things: RegistryThings, iot: Script) -> None:
    """A group on the second page is a group."""
    iot.answer("describe_thing", {"thingName": "a"}, {"thingTypeName": "pump"})
    asked = {"thingName": "a", "maxResults": 250}
    answer = {"thingGroups": [group("x")], "nextToken": "more"}
    iot.answer("list_thing_groups_for_thing", asked, answer)
    answer = {"thingGroups": [group("y")]}
    iot.answer("list_thing_groups_for_thing", {**asked, "nextToken": "more"}, answer)

    found = things.traits(["a"], with_groups=True)

    assert found == {"a": Traits({}, "pump", frozenset({"x", "y"}))}


def test_endless_pages_of_groups_end(
    things: RegistryThings, iot: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading stops at its limit, in words."""
    monkeypatch.setattr(things_module, "GROUP_PAGES_MAX", 2)
    iot.answer("describe_thing", None, {})
    for _ in range(2):
        iot.answer("list_thing_groups_for_thing", None, {"nextToken": "more"})

    with pytest.raises(Refused, match="2 pages of groups"):
        things.traits(["a"], with_groups=True)


def test_a_thing_that_goes_meanwhile_is_missing(things: RegistryThings, iot: Script) -> None:
    """Between the two requests for a thing it may be deleted."""
    iot.answer("describe_thing", None, {})
    iot.refuse("list_thing_groups_for_thing", "ResourceNotFoundException")
    iot.answer("describe_thing", {"thingName": "b"}, {"attributes": {"site": "x"}})
    iot.answer("list_thing_groups_for_thing", None, {})

    assert things.traits(["a", "b"], with_groups=True) == {"b": Traits({"site": "x"})}


def test_a_busy_registry_is_asked_later(things: RegistryThings, iot: Script) -> None:
    """A thing that cannot be read now is not one that does not exist."""
    iot.refuse("describe_thing", "ThrottlingException")

    with pytest.raises(RetryLater, match="DescribeThing a"):
        things.traits(["a"], with_groups=False)


# fleet indexing


def queries(presences: FleetPresences, iot: Script, names: list[str], expected: list[str]) -> None:
    """Read names, expecting these queries, each of which finds all that is asked for."""
    for query in expected:
        found = [seen(each) for each in query.split('"')[1::2]]
        iot.answer(
            "search_index",
            {"indexName": "AWS_Things", "queryString": query, "maxResults": 100},
            {"things": found},
        )
    assert presences.read(names).keys() == set(names)


def test_one_name_is_one_phrase(presences: FleetPresences, iot: Script) -> None:
    """Hyphens and colons, which mean something in a query, mean nothing between quotes."""
    queries(presences, iot, ["a-b:c", "a-b:c"], ['thingName:"a-b:c"'])


def test_a_query_has_no_more_names_than_aws_takes(presences: FleetPresences, iot: Script) -> None:
    """Short names fill a query up to its number of terms."""
    names = [f"n{number}" for number in range(13)]
    joined = " OR ".join(f'"{name}"' for name in names[:12])

    queries(presences, iot, names, [f"thingName:({joined})", 'thingName:"n12"'])


def test_a_query_is_no_longer_than_aws_takes(presences: FleetPresences, iot: Script) -> None:
    """Long names fill it up to its length: 7 of 134 characters and the field, below 1,000."""
    names = [f"{number:0128}" for number in range(8)]
    joined = " OR ".join(f'"{name}"' for name in names[:7])
    first = f"thingName:({joined})"

    assert len(first) <= 1000 < len(first) + len(' OR ""') + 128
    queries(presences, iot, names, [first, f'thingName:"{names[7]}"'])


def test_a_name_that_no_thing_can_have_is_in_no_query(
    presences: FleetPresences, iot: Script
) -> None:
    """Nobody can ask for more than names."""
    assert presences.read(['x" OR thingName:"*', "", "a b"]) == {}


def test_names_are_told_apart_by_case(presences: FleetPresences, iot: Script) -> None:
    """The index finds a name in whatever case; only the one that was asked for counts."""
    iot.answer("search_index", None, {"things": [seen("PUMP")], "nextToken": "more"})
    asked = {"indexName": "AWS_Things", "queryString": 'thingName:"pump"', "maxResults": 100}
    iot.answer("search_index", {**asked, "nextToken": "more"}, {"things": [seen("pump")]})

    assert presences.read(["pump"]) == {"pump": Presence(is_connected=True, changed_at=5.0)}


def test_endless_pages_of_things_end(
    presences: FleetPresences, iot: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading stops at its limit, in words."""
    monkeypatch.setattr(presences_module, "PAGES_MAX", 2)
    for _ in range(2):
        iot.answer("search_index", None, {"nextToken": "more"})

    with pytest.raises(Refused, match="2 pages"):
        presences.read(["a"])


def test_without_an_index_nothing_is_told(presences: FleetPresences, iot: Script) -> None:
    """An account without fleet indexing is told how to switch it on."""
    iot.refuse("search_index", "ResourceNotFoundException")

    with pytest.raises(Refused, match="thingConnectivityIndexingMode to STATUS"):
        presences.read(["a"])


@pytest.mark.parametrize("code", ["InvalidQueryException", "ResourceNotFoundException"])
@pytest.mark.parametrize(
    ("mode", "message"), [("OFF", "to STATUS"), ("STATUS", "GetStatistics.*in AWS's words")]
)
def test_a_count_that_is_refused_has_its_reason(
    presences: FleetPresences, iot: Script, code: str, mode: str, message: str
) -> None:
    """Where connectivity is not indexed, that is the reason; else AWS's own words are."""
    iot.refuse("get_statistics", code)
    configuration = {"thingIndexingMode": "REGISTRY", "thingConnectivityIndexingMode": mode}
    iot.answer("get_indexing_configuration", {}, {"thingIndexingConfiguration": configuration})

    with pytest.raises(Refused, match=message):
        presences.connected()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", RetryLater),
        ("IndexNotReadyException", RetryLater),
        ("UnauthorizedException", Refused),
    ],
)
def test_an_index_that_is_not_to_be_read_says_so(
    presences: FleetPresences, iot: Script, code: str, kind: type[Exception]
) -> None:
    """Neither a busy index, nor one that is being built, nor a missing permission is emptiness."""
    iot.refuse("search_index", code)
    iot.refuse("get_statistics", code)

    with pytest.raises(kind, match=f"SearchIndex.*{code}"):
        presences.read(["a"])
    with pytest.raises(kind, match=f"GetStatistics.*{code}"):
        presences.connected()


# reporters


def test_an_answer_is_good_for_a_minute(
    reporters: ParameterReporters, clock: ManualClock, ssm: Script
) -> None:
    """A permission, or its want, is read once a minute, per source."""
    allow(ssm, "plant", '{"thingGroups": ["x"]}')
    ssm.refuse("get_parameter", "ParameterNotFound")
    first = [reporters.groups("plant"), reporters.groups("stranger")]
    clock.advance(59)
    kept = [reporters.groups("plant"), reporters.groups("stranger")]
    clock.advance(1)
    allow(ssm, "plant", '{"thingGroups": ["y"], "why": "moved"}')

    assert first == kept == [frozenset({"x"}), frozenset()]
    assert reporters.groups("plant") == frozenset({"y"})


def test_a_clock_that_is_set_back_keeps_nothing(
    reporters: ParameterReporters, clock: ManualClock, ssm: Script
) -> None:
    """No permission outlives its minute because the clock was ahead."""
    allow(ssm, "plant", '{"thingGroups": ["x"]}')
    reporters.groups("plant")
    clock.advance(-3600)
    allow(ssm, "plant", '{"thingGroups": []}')

    assert reporters.groups("plant") == frozenset()


def test_strangers_take_no_room(
    reporters: ParameterReporters, ssm: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many sources ask, only so many answers are kept."""
    monkeypatch.setattr(reporters_module, "KEPT_MAX", 2)
    for number in range(5):
        ssm.refuse("get_parameter", "ParameterNotFound")
        reporters.groups(f"stranger-{number}")

    assert len(reporters._kept) <= 2


@pytest.mark.parametrize("text", MALFORMED)
def test_a_parameter_must_say_groups(reporters: ParameterReporters, ssm: Script, text: str) -> None:
    """One that does not is named, with an example, each time until it does."""
    for _ in range(2):
        allow(ssm, "plant", text)
        with pytest.raises(Refused, match=r"/tidegate/reporters/plant does not say.*thingGroups"):
            reporters.groups("plant")


def test_a_busy_store_is_asked_later(reporters: ParameterReporters, ssm: Script) -> None:
    """Who cannot be looked up now is not a stranger, and nothing is kept of it."""
    ssm.refuse("get_parameter", "ThrottlingException")
    with pytest.raises(RetryLater):
        reporters.groups("plant")
    allow(ssm, "plant", '{"thingGroups": ["x"]}')

    assert reporters.groups("plant") == frozenset({"x"})
