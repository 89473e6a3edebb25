"""The registry of things in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tidegate.adapters.memory.faults import Faults
from tidegate.domain.things import Traits


class MemoryThings:
    """
    Traits by name of thing; ``registered`` can be changed at any time.

    Attributes:
        registered: The things that exist.
        asked: Names that were looked up, in order.
        faults: Which calls fail next.
    """

    def __init__(self, registered: Mapping[str, Traits] | None = None) -> None:
        """Start with these."""
        self.registered = dict(registered or {})
        self.asked: list[str] = []
        self.faults = Faults()

    def traits(self, names: Sequence[str], *, with_groups: bool) -> dict[str, Traits]:
        """Return the traits of those that exist."""
        with self.faults.around("traits"):
            wanted = list(dict.fromkeys(names))
            self.asked += wanted
            found = {name: self.registered[name] for name in wanted if name in self.registered}
            if with_groups:
                return found
            return {name: replace(each, groups=frozenset()) for name, each in found.items()}
