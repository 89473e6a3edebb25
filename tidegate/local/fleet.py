"""A fleet of things, and how each of them will fare with a release: all drawn from a seed."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_iot import IoTClient

HARDWARE_REVISIONS = ("A", "B", "C")
REGIONS = ("eu", "us", "ap")
FIRMWARES = ("1.3.0", "1.4.0", "1.4.2")
FAILURE_REASONS = ("checksum-mismatch", "out-of-space", "boot-loop")
REJECTION_REASON = "battery-low"
REGISTRATION_THREADS = 4


class Outcome(StrEnum):
    """How a device answers to an execution it took."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    SILENT = "SILENT"
    """It never answers, and leaves the execution IN_PROGRESS until that times out."""


@dataclass(frozen=True, slots=True)
class Thing:
    """
    A registered device.

    Attributes:
        name: Its thing name.
        hardware_revision: The attribute `hardwareRevision`.
        region: The attribute `region`.
        firmware: The attribute `firmware`: the version it runs at first.
    """

    name: str
    hardware_revision: str
    region: str
    firmware: str

    @property
    def attributes(self) -> dict[str, str]:
        """The thing's attributes as they are registered."""
        return {
            "hardwareRevision": self.hardware_revision,
            "region": self.region,
            "firmware": self.firmware,
        }


@dataclass(frozen=True, slots=True)
class Fleet:
    """
    Registered things and the group that holds them.

    Attributes:
        things: The things, in the order of their names.
        group_arn: ARN of the thing group; a job's target.
    """

    things: tuple[Thing, ...]
    group_arn: str

    @property
    def names(self) -> tuple[str, ...]:
        """The things' names."""
        return tuple(thing.name for thing in self.things)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """
    How one device deals with one job.

    Attributes:
        start_delay_minutes: From its notification to asking for the execution.
        duration_minutes: From then to its answer.
        outcome: The answer.
        reason: What it gives as the reason of a failure or rejection.
        reports_progress: Whether it reports once on the way.
    """

    start_delay_minutes: float
    duration_minutes: float
    outcome: Outcome
    reason: str
    reports_progress: bool


@dataclass(frozen=True, slots=True)
class FleetMix:
    """
    How a fleet fares with one release. Shares are of all devices, from 0 to 1.

    Attributes:
        failing: Share that fails.
        rejecting: Share that rejects the job.
        silent: Share that takes the job and never answers.
        slow: Share that takes `slow_factor` times as long; independent of the outcome.
        failing_by_hardware: Share that fails, by hardware revision, instead of `failing`.
        start_delay_minutes: Shortest and longest delay before a device asks for the execution.
        duration_minutes: Shortest and longest time a device works on it.
        progress: Share that reports progress on the way.
        slow_factor: How many times as long a slow device works.
    """

    failing: float = 0.0
    rejecting: float = 0.0
    silent: float = 0.0
    slow: float = 0.0
    failing_by_hardware: Mapping[str, float] = field(default_factory=dict)
    start_delay_minutes: tuple[float, float] = (0.0, 1.0)
    duration_minutes: tuple[float, float] = (0.5, 1.5)
    progress: float = 0.5
    slow_factor: float = 5.0

    def __post_init__(self) -> None:
        """
        Check the shares.

        Raises:
            ValueError: If a share is outside 0 to 1, or the outcomes exceed the whole fleet.
        """
        for failing in (self.failing, *self.failing_by_hardware.values()):
            shares = (failing, self.rejecting, self.silent, self.slow, self.progress)
            if not all(0 <= share <= 1 for share in shares):
                message = f"shares must be from 0 to 1: {self}"
                raise ValueError(message)
            if failing + self.rejecting + self.silent > 1:
                message = f"failing, rejecting and silent devices exceed the fleet: {self}"
                raise ValueError(message)

    def draw(self, seed: int, thing: Thing, job_id: str) -> Behaviour:
        """
        Draw how a device deals with a job.

        The same arguments always give the same behaviour. A device's luck is the same under
        every mix, so raising a share only adds devices to it.

        Args:
            seed: Seed of the fleet.
            thing: The device.
            job_id: The job.

        Returns:
            Its behaviour.
        """
        chance = random.Random(f"{seed}/{thing.name}/{job_id}")
        luck, pace, chattiness = (chance.random() for _ in range(3))
        delay = chance.uniform(*self.start_delay_minutes)
        duration = chance.uniform(*self.duration_minutes)
        reason = chance.choice(FAILURE_REASONS)
        failing = self.failing_by_hardware.get(thing.hardware_revision, self.failing)
        if luck < failing:
            outcome = Outcome.FAILED
        elif luck < failing + self.rejecting:
            outcome, reason = Outcome.REJECTED, REJECTION_REASON
        elif luck < failing + self.rejecting + self.silent:
            outcome = Outcome.SILENT
        else:
            outcome = Outcome.SUCCEEDED
        return Behaviour(
            start_delay_minutes=delay,
            duration_minutes=duration * (self.slow_factor if pace < self.slow else 1.0),
            outcome=outcome,
            reason=reason,
            reports_progress=chattiness < self.progress,
        )


def draw_things(size: int, *, seed: int = 0, prefix: str = "device") -> tuple[Thing, ...]:
    """
    Draw the things of a fleet.

    Args:
        size: How many.
        seed: Seed of their attributes.
        prefix: What their names start with; a number follows.

    Returns:
        The things, in the order of their names.
    """
    chance = random.Random(f"{seed}/{prefix}")
    return tuple(
        Thing(
            name=f"{prefix}-{number:05d}",
            hardware_revision=chance.choice(HARDWARE_REVISIONS),
            region=chance.choice(REGIONS),
            firmware=chance.choice(FIRMWARES),
        )
        for number in range(size)
    )


def register(iot: IoTClient, things: tuple[Thing, ...], *, group: str) -> Fleet:
    """
    Register things with their attributes and put them into a new thing group.

    Args:
        iot: Client of the embedded cloud.
        things: The things.
        group: Name of the group.

    Returns:
        The fleet.

    Raises:
        botocore.exceptions.ClientError: If a thing or the group exists with other contents.
    """
    group_arn = iot.create_thing_group(thingGroupName=group)["thingGroupArn"]

    def register_one(thing: Thing) -> None:
        iot.create_thing(thingName=thing.name, attributePayload={"attributes": thing.attributes})
        iot.add_thing_to_thing_group(thingGroupName=group, thingName=thing.name)

    with ThreadPoolExecutor(REGISTRATION_THREADS) as threads:
        for _ in threads.map(register_one, things):
            pass  # only to raise what failed
    return Fleet(things=things, group_arn=group_arn)
