"""Who may report for devices, in memory as by Parameter Store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tidegate.adapters.aws.reporters import ParameterReporters
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.reporters import MemoryReporters

if TYPE_CHECKING:
    from tidegate.ports import Reporters

ALLOWED = {"plant.bridge": ["gateways", "plc_north"], "acme.com/relay": ["meters"], "mute": []}


@pytest.fixture(params=["memory", "moto"])
def reporters(request: pytest.FixtureRequest) -> Reporters:
    """Provide reporters of each kind."""
    if request.param == "memory":
        return MemoryReporters(ALLOWED)
    client = request.getfixturevalue("moto").client("ssm")
    for source, groups in ALLOWED.items():
        client.put_parameter(
            Name=f"/tidegate/reporters/{source}",
            Value=json.dumps({"thingGroups": groups}),
            Type="String",
        )
    return ParameterReporters("/tidegate/reporters/", client, ManualClock())


@pytest.mark.parametrize("source", ALLOWED)
def test_a_source_may_report_for_its_groups(reporters: Reporters, source: str) -> None:
    """The groups are those that were set, each time that they are asked for; maybe none."""
    for _ in range(2):
        assert reporters.groups(source) == frozenset(ALLOWED[source])


@pytest.mark.parametrize("source", ["stranger", "", "plant", "../policies/x", "a b", "acme.com/"])
def test_a_stranger_may_report_for_nobody(reporters: Reporters, source: str) -> None:
    """Neither an unknown source nor one that only looks like another has groups."""
    assert reporters.groups(source) == frozenset()
