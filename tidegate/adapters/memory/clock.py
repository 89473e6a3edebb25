"""A clock that moves only when told to."""


class ManualClock:
    """Time as a value that whoever holds the clock sets."""

    def __init__(self, now: float = 0.0) -> None:
        """Start at these epoch seconds."""
        self._now = now

    def now(self) -> float:
        """Return epoch seconds."""
        return self._now

    def set(self, now: float) -> None:
        """Jump to these epoch seconds, backwards too: real clocks do."""
        self._now = now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._now += seconds
