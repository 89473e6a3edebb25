"""What devices do with a job, one by one, in the order in which they are notified."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tidegate.domain.jobs import ExecutionStatus


@dataclass(frozen=True, slots=True)
class Device:
    """
    What a device does with the job; minutes count from its notification.

    Attributes:
        outcome: How it ends; None if it never does.
        starts_after: Minutes until it takes the job up; None if it never does.
        ends_after: Minutes until its outcome.
    """

    outcome: ExecutionStatus | None
    starts_after: float | None = 0.2
    ends_after: float = 2.0


#: Which device comes at a place in the order of notification.
Fleet = Callable[[int, Random], Device]


def fleet(harm_rate: float = 0.0, *, minutes: float = 2.0, silent_rate: float = 0.0) -> Fleet:
    """Return devices that fail or stay silent at a rate, after about so many minutes."""

    def device(_: int, chance: Random) -> Device:
        drawn, ends_after = chance.random(), minutes * chance.uniform(0.5, 1.5)
        if drawn < silent_rate:
            return Device(None, starts_after=None)
        if drawn < silent_rate + harm_rate:
            return Device(ExecutionStatus.FAILED, ends_after=ends_after)
        return Device(ExecutionStatus.SUCCEEDED, ends_after=ends_after)

    return device


def turning_bad(after: int, *, harm_rate: float = 1.0, minutes: float = 2.0) -> Fleet:
    """Return devices of which the first succeed, and the others fail at a rate."""
    good, bad = fleet(minutes=minutes), fleet(harm_rate, minutes=minutes)

    def device(place: int, chance: Random) -> Device:
        return good(place, chance) if place < after else bad(place, chance)

    return device
