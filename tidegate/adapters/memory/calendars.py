"""Change calendars in memory."""

from collections.abc import Iterable, Mapping

from tidegate.adapters.memory.faults import Faults
from tidegate.domain.standing import CalendarReading


class MemoryCalendars:
    """Calendars by name or ARN; ``readings`` can be changed at any time."""

    def __init__(self, readings: Mapping[str, CalendarReading] | None = None) -> None:
        """Start with these."""
        self.faults = Faults()
        self.readings = dict(readings or {})

    def read(self, names: Iterable[str]) -> dict[str, CalendarReading]:
        """Return the state of those that exist."""
        with self.faults.around("read"):
            return {name: self.readings[name] for name in names if name in self.readings}
