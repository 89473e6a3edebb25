"""Intake: whatever is a job event gets onto the bus; what is none fails alone."""

import json

import pytest

from tests.unit.service.stage import START
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.errors import RetryLater
from tidegate.service.intake import take_in


@pytest.fixture
def bus() -> MemoryBus:
    """Return an empty bus."""
    return MemoryBus()


def body(thing: str = "thing-1") -> str:
    """Return an event as AWS IoT publishes it."""
    return json.dumps(
        {
            "eventType": "JOB_EXECUTION",
            "eventId": "7364ffd1-8b65-4824-85d5-6c14686c97c6",
            "timestamp": int(START),
            "operation": "succeeded",
            "jobId": "release-7",
            "thingArn": f"arn:aws:iot:eu-central-1:111122223333:thing/{thing}",
            "status": "SUCCEEDED",
        }
    )


def test_events_are_published_in_one_form(bus: MemoryBus) -> None:
    """The whole batch goes out at once."""
    taken = take_in([body("a"), body("b:c")], bus=bus)

    assert (taken.published, taken.failed, taken.faults) == (2, (), ())
    assert [each["thingName"] for each in bus.details("Job Execution Status Change")] == [  # type: ignore[index]
        "a",
        "b:c",
    ]


def test_an_empty_batch_is_no_fault(bus: MemoryBus) -> None:
    """Nothing in, nothing out."""
    assert take_in([], bus=bus).published == 0


def test_what_is_no_event_fails_alone(bus: MemoryBus) -> None:
    """Named by its place; the others are published."""
    taken = take_in(["{", body(), "[]", body(), "{}"], bus=bus)

    assert taken.published == 2
    assert taken.failed == (0, 2, 4)
    assert len(taken.faults) == 3


def test_what_the_bus_does_not_take_fails_alone(bus: MemoryBus) -> None:
    """Counted among the messages, not among the events: the right ones come again."""
    bus.refuses = lambda event: event.detail["thingName"] in {"b", "d"}
    taken = take_in([body("a"), "no event", body("b"), body("c"), body("d")], bus=bus)

    assert taken.published == 2
    assert taken.failed == (1, 2, 4)
    assert len(taken.faults) == 1


def test_a_bus_that_throttles_fails_the_batch(bus: MemoryBus) -> None:
    """All of it comes again; that some of it is published twice does not matter."""
    bus.faults.after("publish", RetryLater("throttled"))

    with pytest.raises(RetryLater):
        take_in([body()], bus=bus)
    assert len(bus.published) == 1
