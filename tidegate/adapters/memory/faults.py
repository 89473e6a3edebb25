"""Failures on order: which operation fails next, and whether it has done its work by then."""

from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager


class Faults:
    """
    Errors waiting for the operations that shall raise them, first come, first raised.

    An operation is named by its method; each error is raised once::

        jobs.faults.before("update", RetryLater("AWS is busy"))  # nothing happens
        jobs.faults.after("update", RetryLater("no answer"))  # it happens, the answer is lost
    """

    def __init__(self) -> None:
        """Start with nothing going wrong."""
        self._before: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self._after: defaultdict[str, deque[Exception]] = defaultdict(deque)

    def before(self, operation: str, *errors: Exception) -> None:
        """Let the operation's next calls raise these without doing anything."""
        self._before[operation].extend(errors)

    def after(self, operation: str, *errors: Exception) -> None:
        """Let the operation's next calls do their work and then raise these."""
        self._after[operation].extend(errors)

    @contextmanager
    def around(self, operation: str) -> Iterator[None]:
        """Run one operation with whatever was ordered for it."""
        if self._before[operation]:
            raise self._before[operation].popleft()
        yield
        if self._after[operation]:
            raise self._after[operation].popleft()
