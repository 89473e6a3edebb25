"""How events are packed into requests, and what is known of those that did not go through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.adapters.conftest import Script
from tidegate.adapters.aws.bus import BYTES_MAX, EventBridgeBus
from tidegate.errors import Refused, RetryLater
from tidegate.ports import BusEvent

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

OVERHEAD = len("tidegate" + "T" + '{"x":""}')


@pytest.fixture
def bus(events_client: EventBridgeClient) -> EventBridgeBus:
    """Return a bus over a client that is scripted."""
    return EventBridgeBus("tidegate", events_client)


def event(size: int = 100, letter: str = "x") -> BusEvent:
    """Return an event of so many bytes."""
    padding = (size - OVERHEAD) // len(letter.encode())
    return BusEvent("T", {"x": letter * padding})


def taken(events: Script, count: int, *, but: tuple[int, ...] = ()) -> None:
    """Expect a request of so many entries, and take all of them but some."""
    entries: list[dict[str, Any]] = [
        {"ErrorCode": "InternalFailure", "ErrorMessage": "busy"} if n in but else {"EventId": "e"}
        for n in range(count)
    ]
    answer = {"FailedEntryCount": len(but), "Entries": entries}
    events.answer("put_events", None, answer)


def test_an_entry_has_all_of_the_event(bus: EventBridgeBus, events: Script) -> None:
    """Source, type, detail and resources go under EventBridge's names, to the bus named."""
    events.answer(
        "put_events",
        {
            "Entries": [
                {
                    "EventBusName": "tidegate",
                    "Source": "tidegate.iot",
                    "DetailType": "Job Status Change",
                    "Detail": '{"by":"Zoë","n":1}',
                    "Resources": ["arn:a"],
                }
            ]
        },
        {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]},
    )

    detail = {"by": "Zoë", "n": 1}
    assert bus.publish([BusEvent("Job Status Change", detail, "tidegate.iot", ("arn:a",))]) == ()


def test_ten_events_fit_in_a_request(bus: EventBridgeBus, events: Script) -> None:
    """Twenty-one small events take three requests."""
    for count in (10, 10, 1):
        taken(events, count)

    assert bus.publish([event() for _ in range(21)]) == ()


def test_a_request_has_a_size(bus: EventBridgeBus, events: Script) -> None:
    """Events share a request up to its last byte, and letters count by their bytes."""
    for count in (2, 1, 2):
        taken(events, count)
    half = BYTES_MAX // 2

    left = bus.publish(
        [event(half), event(half), event(half), event(half, "ü"), event(half - 1, "ü")]
    )

    assert left == ()


def test_what_the_bus_did_not_take_is_told(bus: EventBridgeBus, events: Script) -> None:
    """Indices count over all requests."""
    taken(events, 10, but=(3,))
    taken(events, 2, but=(0, 1))

    assert bus.publish([event() for _ in range(12)]) == (3, 10, 11)


def test_an_event_that_fits_nowhere_is_not_sent(bus: EventBridgeBus, events: Script) -> None:
    """One event that is too large does not keep the others from the bus."""
    taken(events, 2)

    assert bus.publish([event(), event(BYTES_MAX + 1), event()]) == (1,)


def test_a_failure_before_anything_was_taken_is_raised(bus: EventBridgeBus, events: Script) -> None:
    """If nothing is on the bus the caller learns why."""
    events.refuse("put_events", "ThrottlingException")

    with pytest.raises(RetryLater, match="ThrottlingException"):
        bus.publish([event() for _ in range(12)])


def test_a_failure_afterwards_is_told_by_index(bus: EventBridgeBus, events: Script) -> None:
    """What is on the bus is not published again because of what is not."""
    taken(events, 10)
    events.refuse("put_events", "InternalException")
    taken(events, 1)

    assert bus.publish([event() for _ in range(21)]) == tuple(range(10, 20))


def test_a_refusal_is_raised(bus: EventBridgeBus, events: Script) -> None:
    """A bus that may not be written to is a fault that repeating does not mend."""
    events.refuse("put_events", "AccessDeniedException")

    with pytest.raises(Refused, match="bus tidegate"):
        bus.publish([event()])


def test_a_single_event_comes_back_with_its_id(bus: EventBridgeBus, events: Script) -> None:
    """By the id that EventBridge gives it, whoever sent a command finds what became of it."""
    taken(events, 1)

    assert bus.send(event()) == "e"


def test_a_single_event_that_is_not_taken_is_raised(bus: EventBridgeBus, events: Script) -> None:
    """It can be sent again, unlike one that fits nowhere."""
    taken(events, 1, but=(0,))

    with pytest.raises(RetryLater, match="bus tidegate did not take T: InternalFailure: busy"):
        bus.send(event())


def test_a_single_event_that_fits_nowhere_is_refused(bus: EventBridgeBus) -> None:
    """EventBridge is not asked; the message has the limit."""
    with pytest.raises(Refused, match=f"EventBridge takes at most {BYTES_MAX}"):
        bus.send(event(BYTES_MAX + 1))
