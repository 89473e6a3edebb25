"""What others do at the worst moment: while a call is on its way, or right after its answer."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from tidegate.adapters.memory.faults import Faults

Action = Callable[[], object]


class Interference(Faults):
    """Errors on order, and actions of others between two lines, first come, first done."""

    def __init__(self) -> None:
        """Start with nobody interfering."""
        super().__init__()
        self._during: defaultdict[str, deque[Action]] = defaultdict(deque)
        self._following: defaultdict[str, deque[Action]] = defaultdict(deque)

    def during(self, operation: str, action: Action) -> None:
        """Let this happen when the operation is called, before it does anything."""
        self._during[operation].append(action)

    def following(self, operation: str, action: Action) -> None:
        """Let this happen when the operation has done its work, before its caller goes on."""
        self._following[operation].append(action)

    @contextmanager
    def around(self, operation: str) -> Iterator[None]:
        """Run one operation with whatever was ordered for it."""
        if self._during[operation]:
            self._during[operation].popleft()()
        with super().around(operation):
            yield
        if self._following[operation]:
            self._following[operation].popleft()()


class Disturbed(Protocol):
    """An adapter in memory."""

    faults: Faults


@contextmanager
def undisturbed(port: Disturbed) -> Iterator[None]:
    """Look inside an adapter past whatever is ordered for its next calls."""
    ordered, port.faults = port.faults, Faults()
    try:
        yield
    finally:
        port.faults = ordered
