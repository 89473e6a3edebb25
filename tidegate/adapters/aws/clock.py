"""The clock on the wall."""

import time


class SystemClock:
    """What the machine believes the time to be."""

    def now(self) -> float:
        """Return epoch seconds."""
        return time.time()
