"""Who is connected, in memory."""

from collections.abc import Mapping, Sequence

from tidegate.adapters.memory.faults import Faults
from tidegate.domain.things import Presence
from tidegate.errors import Refused


class MemoryPresences:
    """
    Presences by name of thing; all of it can be changed at any time.

    Attributes:
        known: Things that have ever connected.
        elsewhere: How many things are connected besides.
        is_indexed: Whether the account indexes connectivity.
        faults: Which calls fail next.
    """

    def __init__(self, known: Mapping[str, Presence] | None = None, *, elsewhere: int = 0) -> None:
        """Start with these."""
        self.known = dict(known or {})
        self.elsewhere = elsewhere
        self.is_indexed = True
        self.faults = Faults()

    def read(self, names: Sequence[str]) -> dict[str, Presence]:
        """Return the presence of those that have ever connected."""
        with self.faults.around("read"):
            self._check_indexed()
            return {name: self.known[name] for name in names if name in self.known}

    def connected(self) -> int:
        """Return how many things of the account are connected."""
        with self.faults.around("connected"):
            self._check_indexed()
            return self.elsewhere + sum(each.is_connected for each in self.known.values())

    def _check_indexed(self) -> None:
        if not self.is_indexed:
            message = "fleet indexing does not index connectivity in this account: switch it on"
            raise Refused(message)
