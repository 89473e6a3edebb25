"""What is known of a thing besides its executions: its traits, and whether it is there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Where more of the account's things than this share are gone, not only the release's own are.
OUTAGE_SHARE = 0.05
#: So many gone for each one that the rollout may have disconnected, and it is not the release.
OUTAGE_TIMES = 2


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


@dataclass(frozen=True, slots=True)
class Connected:
    """
    How many things of the account are connected, as a rollout remembers it.

    Attributes:
        highest: Since the rollout began.
        outage: Why it is an outage and not the release; None if it is none.
    """

    highest: int = 0
    outage: str | None = None

    def after(self, connected: int, *, dark: int, explained: float) -> "Connected":
        """
        Return what is to be remembered after a look.

        Args:
            connected: Things of the account that are connected now.
            dark: Devices of the rollout that seem to have gone dark since their success.
            explained: Things that the rollout may well have disconnected, these included.
        """
        highest = max(self.highest, connected)
        gone = highest - connected
        if not dark or gone <= max(OUTAGE_TIMES * explained, OUTAGE_SHARE * highest):
            return Connected(highest)
        return Connected(
            highest,
            f"{connected} things of the account are connected, {gone} fewer than before, and "
            f"only {explained:.0f} of them may be so because of this rollout",
        )
