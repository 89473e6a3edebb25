"""The bus in memory: keeps what was published, refuses what it is told to."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from tidegate.adapters.memory.faults import Faults
from tidegate.errors import RetryLater
from tidegate.ports import BusEvent


class MemoryBus:
    """
    A bus that anybody can look into.

    Attributes:
        published: What it took, oldest first; details as JSON would give them back.
        refuses: Events for which this is true are not taken.
    """

    def __init__(self) -> None:
        """Start empty, refusing nothing."""
        self.faults = Faults()
        self.published: list[BusEvent] = []
        self.refuses: Callable[[BusEvent], bool] = lambda _: False

    def publish(self, events: Sequence[BusEvent]) -> tuple[int, ...]:
        """Keep the events; return the indices of those that it refuses."""
        with self.faults.around("publish"):
            refused = tuple(index for index, each in enumerate(events) if self.refuses(each))
            self.published += [
                replace(each, detail=json.loads(json.dumps(each.detail)))
                for index, each in enumerate(events)
                if index not in refused
            ]
            return refused

    def send(self, event: BusEvent) -> str:
        """Keep an event and return its id; raises RetryLater if it is one to be refused."""
        if self.publish([event]):
            message = f"the bus did not take {event.detail_type}"
            raise RetryLater(message)
        return f"event-{len(self.published)}"

    def details(self, detail_type: str) -> list[object]:
        """Return the details of all published events of a type, oldest first."""
        return [each.detail for each in self.published if each.detail_type == detail_type]
