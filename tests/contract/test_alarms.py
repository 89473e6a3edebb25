"""What every source of alarms tells, in memory as in CloudWatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.adapters.aws.alarms import CloudWatchAlarms
from tidegate.adapters.memory.alarms import MemoryAlarms
from tidegate.domain.standing import AlarmReading, AlarmState

if TYPE_CHECKING:
    from tidegate.ports import Alarms

#: More than one request takes.
MANY = 101


def reading(state: AlarmState) -> AlarmReading:
    """Return what is said of an alarm."""
    return AlarmReading(state, 1_700_000_000.0, "as set")


class InMemory:
    """Alarms in memory."""

    def __init__(self) -> None:
        self.memory = MemoryAlarms()
        self.alarms: Alarms = self.memory

    def put(self, name: str, state: AlarmState) -> None:
        """Set an alarm."""
        self.memory.readings[name] = reading(state)


class InCloudWatch:
    """Alarms in moto's CloudWatch."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - there are no stubs for it
        self._client = client
        self.alarms: Alarms = CloudWatchAlarms(client)

    def put(self, name: str, state: AlarmState) -> None:
        """Set an alarm on a metric."""
        self._client.put_metric_alarm(
            AlarmName=name,
            Namespace="Fleet",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold",
        )
        self._client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="as set")


@pytest.fixture(params=["memory", "moto"])
def world(request: pytest.FixtureRequest) -> InMemory | InCloudWatch:
    """Provide alarms of each kind."""
    if request.param == "memory":
        return InMemory()
    return InCloudWatch(request.getfixturevalue("moto").client("cloudwatch"))


@pytest.mark.parametrize("state", AlarmState)
def test_an_alarm_has_its_state(world: InMemory | InCloudWatch, state: AlarmState) -> None:
    """State, reason and time of an alarm are what was last said of it."""
    world.put("errors", state)

    found = world.alarms.read(["errors"])

    assert found.keys() == {"errors"}
    assert (found["errors"].state, found["errors"].reason) == (state, "as set")
    assert found["errors"].since >= 1_700_000_000.0


def test_an_unknown_alarm_is_missing(world: InMemory | InCloudWatch) -> None:
    """Whoever asked for it sees that it is not there, and the others are."""
    world.put("errors", AlarmState.OK)

    assert world.alarms.read(iter(["gone", "errors"])).keys() == {"errors"}


def test_nothing_is_asked_nothing_is_told(world: InMemory | InCloudWatch) -> None:
    """No names are no alarms, not all of them."""
    world.put("errors", AlarmState.ALARM)

    assert world.alarms.read([]) == {}


def test_many_alarms_are_read_at_once(world: InMemory | InCloudWatch) -> None:
    """There may be more than one request can name."""
    names = [f"errors-{number}" for number in range(MANY)]
    for name in names:
        world.put(name, AlarmState.OK)

    assert world.alarms.read(names).keys() == set(names)
