"""Dead-letter queues in memory."""

from collections.abc import Mapping

from tidegate.adapters.memory.faults import Faults


class MemoryDeadLetters:
    """How many messages wait, by queue; ``waiting`` can be changed at any time."""

    def __init__(self, waiting: Mapping[str, int] | None = None) -> None:
        """Start with these."""
        self.faults = Faults()
        self.waiting = dict(waiting or {})

    def depths(self) -> dict[str, int]:
        """Return how many messages wait in each, by the queue's name."""
        with self.faults.around("depths"):
            return dict(self.waiting)
