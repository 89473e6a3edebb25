"""Alarms in memory."""

from collections.abc import Iterable, Mapping

from tidegate.adapters.memory.faults import Faults
from tidegate.domain.standing import AlarmReading


class MemoryAlarms:
    """Alarms by name; ``readings`` can be changed at any time."""

    def __init__(self, readings: Mapping[str, AlarmReading] | None = None) -> None:
        """Start with these."""
        self.faults = Faults()
        self.readings = dict(readings or {})

    def read(self, names: Iterable[str]) -> dict[str, AlarmReading]:
        """Return the state of those that exist."""
        with self.faults.around("read"):
            return {name: self.readings[name] for name in names if name in self.readings}
