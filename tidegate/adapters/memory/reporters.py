"""Who may report for devices, in memory."""

from collections.abc import Iterable, Mapping

from tidegate.adapters.memory.faults import Faults


class MemoryReporters:
    """Names of thing groups by source; ``allowed`` can be changed at any time."""

    def __init__(self, allowed: Mapping[str, Iterable[str]] | None = None) -> None:
        """Start with these."""
        self.allowed = {source: frozenset(groups) for source, groups in (allowed or {}).items()}
        self.faults = Faults()

    def groups(self, source: str) -> frozenset[str]:
        """Return the thing groups that an event's source may report for; empty if none."""
        with self.faults.around("groups"):
            return self.allowed.get(source, frozenset())
