"""What happens when, in a time of the lab's own."""

import heapq
import itertools
from collections.abc import Callable

from tidegate.adapters.memory.clock import ManualClock


class Agenda:
    """Actions in order of their time; of those due at once, the one noted first comes first."""

    def __init__(self, clock: ManualClock) -> None:
        """Start with nothing to do; the clock is set to the time of whatever is done."""
        self._clock = clock
        self._entries: list[tuple[float, int, Callable[[], object]]] = []
        self._turns = itertools.count()

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something so many seconds from now."""
        entry = (self._clock.now() + seconds, next(self._turns), action)
        heapq.heappush(self._entries, entry)

    def do_next(self, until: float) -> bool:
        """
        Do what comes next.

        Args:
            until: Epoch seconds; where nothing comes up to then, the clock is set to this instead.

        Returns:
            Whether something was done.
        """
        if not self._entries or self._entries[0][0] > until:
            self._clock.set(until)
            return False
        at, _, action = heapq.heappop(self._entries)
        self._clock.set(max(at, self._clock.now()))
        action()
        return True
