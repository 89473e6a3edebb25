"""The clock on the wall."""

import time


class SystemClock:
    """What the machine believes the time to be."""

    def now(self) -> float:
        """Return epoch seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""
        time.sleep(seconds)
