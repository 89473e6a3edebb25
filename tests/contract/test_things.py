"""What every registry tells of things, in memory as in AWS IoT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidegate.adapters.aws.things import RegistryThings
from tidegate.adapters.memory.things import MemoryThings
from tidegate.domain.things import Traits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_iot import IoTClient

    from tidegate.ports import Things

PUMP, METER = (
    Traits({"hardwareRevision": "B", "site": "north-2"}, "pump", frozenset({"north", "pilots"})),
    Traits(),
)
REGISTERED = {"pump:1": PUMP, "meter_2": METER}


def registered(client: IoTClient, things: Mapping[str, Traits]) -> Things:
    """Register things and their groups."""
    for name, traits in things.items():
        members = {} if traits.thing_type is None else {"thingTypeName": traits.thing_type}
        if traits.thing_type is not None:
            client.create_thing_type(thingTypeName=traits.thing_type)
        client.create_thing(
            thingName=name, attributePayload={"attributes": traits.attributes}, **members
        )
        for group in traits.groups:
            client.create_thing_group(thingGroupName=group)
            client.add_thing_to_thing_group(thingGroupName=group, thingName=name)
    return RegistryThings(client)


@pytest.fixture(params=["memory", "moto", pytest.param("cloud", marks=pytest.mark.e2e)])
def things(request: pytest.FixtureRequest) -> Things:
    """Provide a registry of each kind with two things in it."""
    if request.param == "memory":
        return MemoryThings(REGISTERED)
    return registered(request.getfixturevalue(request.param).client("iot"), REGISTERED)


def test_things_have_their_traits(things: Things) -> None:
    """Attributes, type and groups are as registered; a thing may have none of them."""
    found = things.traits(["meter_2", "pump:1", "pump:1"], with_groups=True)

    assert found == REGISTERED


def test_groups_are_told_where_they_are_wanted(things: Things) -> None:
    """They cost a request of their own."""
    found = things.traits(["pump:1"], with_groups=False)

    assert found == {"pump:1": Traits(PUMP.attributes, PUMP.thing_type)}


def test_what_does_not_exist_is_missing(things: Things) -> None:
    """A name that no thing has, or that none can have, takes nothing from the others."""
    found = things.traits(["gone", "a/b", "", "meter_2"], with_groups=True)

    assert found == {"meter_2": METER}
    assert things.traits([], with_groups=True) == {}
