"""What every bus does, in memory as on EventBridge."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tidegate.adapters.aws.bus import EventBridgeBus
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.errors import RetryLater
from tidegate.ports import BusEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

    from tests.contract.samples import Cloud

    Tap = tuple[MemoryBus | EventBridgeBus, Callable[[], list[tuple[str, str, object]]]]

_BUSES = count()
RECEIVES_MAX = 20


def tapped(cloud: Cloud) -> Tap:
    """Return a bus, and a function that reads what has come out of it."""
    name = f"bus-{next(_BUSES)}"
    events: EventBridgeClient = cloud.client("events")
    sqs: SQSClient = cloud.client("sqs")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    events.create_event_bus(Name=name)
    pattern = json.dumps({"account": [cloud.account_id]})
    events.put_rule(Name="all", EventBusName=name, EventPattern=pattern)
    events.put_targets(
        Rule="all",
        EventBusName=name,
        Targets=[{"Id": "tap", "Arn": attributes["Attributes"]["QueueArn"]}],
    )

    def read() -> list[tuple[str, str, object]]:
        bodies: list[str] = []
        for _ in range(RECEIVES_MAX):
            answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            messages = answer.get("Messages", [])
            for each in messages:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
            bodies += [each["Body"] for each in messages]
            if not messages:
                break
        arrived = map(json.loads, bodies)
        return [(each["source"], each["detail-type"], each["detail"]) for each in arrived]

    return EventBridgeBus(name, events), read


@pytest.fixture(params=["memory", pytest.param("cloud", marks=pytest.mark.e2e)])
def tap(request: pytest.FixtureRequest) -> Tap:
    """Provide a bus of each kind, and what reads from it."""
    if request.param == "cloud":
        return tapped(request.getfixturevalue("cloud"))
    bus = MemoryBus()
    return bus, lambda: [(e.source, e.detail_type, e.detail) for e in bus.published]


def test_events_arrive_as_they_were_published(tap: Tap) -> None:
    """Source, type and detail come out as they went in, letters beyond ASCII included."""
    bus, read = tap
    detail = {"jobId": "j", "by": "Zoë ☂", "counts": [1, 2.5, None], "ok": True}

    left = bus.publish([BusEvent("Rollout Held", detail, source="tidegate", resources=("arn:x",))])

    assert left == ()
    assert read() == [("tidegate", "Rollout Held", detail)]


def test_any_number_of_events_can_be_published(tap: Tap) -> None:
    """More events than one request takes all arrive, and none is a success too."""
    bus, read = tap

    assert bus.publish([]) == ()
    assert bus.publish([BusEvent("Steered", {"n": n}) for n in range(23)]) == ()

    assert sorted(detail["n"] for _, _, detail in read()) == list(range(23))  # type: ignore[index]


def test_an_event_that_is_sent_has_an_id(tap: Tap) -> None:
    """Who sends a command learns by which id the bus delivers it; no two have the same."""
    bus, read = tap

    ids = {bus.send(BusEvent("Hold Rollout", {"n": n}, "tidegate.operator")) for n in range(2)}

    assert len(ids) == 2
    assert all(ids)
    assert sorted(detail["n"] for _, _, detail in read()) == [0, 1]  # type: ignore[index]


def test_a_memory_bus_refuses_what_it_is_told_to() -> None:
    """A test can let single events fail, and whole calls, before or after they took effect."""
    bus = MemoryBus()
    bus.refuses = lambda event: event.detail["n"] == 1
    events = [BusEvent("Steered", {"n": n}) for n in range(3)]

    assert bus.publish(events) == (1,)
    with pytest.raises(RetryLater):
        bus.send(events[1])
    bus.faults.before("publish", RetryLater("away"))
    bus.faults.after("publish", RetryLater("no answer"))
    for _ in range(2):
        with pytest.raises(RetryLater):
            bus.publish(events)

    assert bus.details("Steered") == [{"n": 0}, {"n": 2}] * 2
