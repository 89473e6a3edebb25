"""The bus on EventBridge."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tidegate.adapters.aws.errors import translated
from tidegate.errors import Refused, RetryLater

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

    from tidegate.ports import BusEvent

#: What PutEvents takes at once: entries, and bytes over all of them.
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
ENTRIES_MAX = 10
BYTES_MAX = 256 * 1024


class EventBridgeBus:
    """Puts events on one bus."""

    def __init__(self, bus_name: str, client: EventBridgeClient) -> None:
        """Bind a bus to the client that reaches it."""
        self._bus_name = bus_name
        self._client = client

    def publish(self, events: Sequence[BusEvent]) -> tuple[int, ...]:
        """
        Put events on the bus, in as few requests as AWS allows.

        An event too large for any request is not sent.

        Returns:
            Indices of the events that the bus did not take; the others are on it.

        Raises:
            RetryLater: EventBridge is too busy or away, and none of the events is on the bus.
        """
        entries = [self._entry(each) for each in events]
        left = {index for index, each in enumerate(entries) if _size(each) > BYTES_MAX}
        taken = False
        for indices in _requests(entries):
            try:
                refused = self._put([entries[index] for index in indices])
            except RetryLater:
                if not taken:
                    raise
                refused = set(range(len(indices)))
            left |= {indices[position] for position in refused}
            taken = taken or len(refused) < len(indices)
        return tuple(sorted(left))

    def send(self, event: BusEvent) -> str:
        """
        Put one event on the bus and return the id that the bus gave it.

        Raises:
            Refused: It is too large for any request.
            RetryLater: EventBridge is too busy or away, and the event is not on the bus.
        """
        entry = self._entry(event)
        if _size(entry) > BYTES_MAX:
            message = (
                f"{event.detail_type} has {_size(entry)} bytes, but EventBridge takes at most "
                f"{BYTES_MAX}: make it smaller"
            )
            raise Refused(message)
        with translated(f"PutEvents on bus {self._bus_name}"):
            (taken,) = self._client.put_events(Entries=[entry])["Entries"]
        if taken.get("ErrorCode"):
            message = (
                f"bus {self._bus_name} did not take {event.detail_type}: {taken['ErrorCode']}: "
                f"{taken.get('ErrorMessage', '')}"
            )
            raise RetryLater(message)
        return taken["EventId"]

    def _put(self, entries: list[PutEventsRequestEntryTypeDef]) -> set[int]:
        with translated(f"PutEvents on bus {self._bus_name}"):
            answer = self._client.put_events(Entries=entries)
        return {
            position for position, each in enumerate(answer["Entries"]) if each.get("ErrorCode")
        }

    def _entry(self, event: BusEvent) -> PutEventsRequestEntryTypeDef:
        return {
            "EventBusName": self._bus_name,
            "Source": event.source,
            "DetailType": event.detail_type,
            "Detail": json.dumps(event.detail, ensure_ascii=False, separators=(",", ":")),
            "Resources": list(event.resources),
        }


def _requests(entries: Sequence[PutEventsRequestEntryTypeDef]) -> Iterator[list[int]]:
    """Yield the indices of the entries of each request."""
    indices: list[int] = []
    size = 0
    for index, entry in enumerate(entries):
        more = _size(entry)
        if more > BYTES_MAX:
            continue
        if indices and (len(indices) == ENTRIES_MAX or size + more > BYTES_MAX):
            yield indices
            indices, size = [], 0
        indices.append(index)
        size += more
    if indices:
        yield indices


def _size(entry: PutEventsRequestEntryTypeDef) -> int:
    """Return an entry's size as EventBridge reckons it."""
    texts = [entry["Source"], entry["DetailType"], entry["Detail"], *entry["Resources"]]
    return sum(len(each.encode()) for each in texts)
