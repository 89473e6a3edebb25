"""Intake: put AWS IoT's job events on the bus, in one form and without any of them lost."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.documents.events import EventError, parse_iot_event
from tidegate.ports import Bus, BusEvent


@dataclass(frozen=True, slots=True)
class TakenIn:
    """
    What became of a batch.

    Attributes:
        published: Events now on the bus.
        failed: Indices of messages to deliver again; after some tries they are set aside.
        faults: One message per body that is no job event.
    """

    published: int
    failed: tuple[int, ...]
    faults: tuple[str, ...]


def take_in(bodies: Sequence[str], *, bus: Bus) -> TakenIn:
    """
    Publish the job events among the bodies; the others fail alone.

    Raises:
        RetryLater: The bus throttles; nothing, or only a part, was published, and publishing it
            again is harmless.
    """
    events: dict[int, BusEvent] = {}
    faults: dict[int, str] = {}
    for index, body in enumerate(bodies):
        try:
            events[index] = parse_iot_event(body)
        except EventError as error:
            faults[index] = str(error)
    indices = list(events)
    untaken = [indices[position] for position in bus.publish(list(events.values()))]
    return TakenIn(
        published=len(events) - len(untaken),
        failed=tuple(sorted([*faults, *untaken])),
        faults=tuple(faults.values()),
    )
