"""What is known of a thing besides its executions: its traits, and whether it is there."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Traits:
    """
    What DescribeThing and the thing's groups say of it.

    Attributes:
        groups: Names of the groups that it is in, those above them included.
    """

    attributes: Mapping[str, str] = field(default_factory=dict)
    thing_type: str | None = None
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Presence:
    """
    A device's connection to AWS IoT, as fleet indexing has it.

    Attributes:
        changed_at: Epoch seconds of its last connection or disconnection.
    """

    is_connected: bool
    changed_at: float
