"""Many small steps, each due at a time, done by a few threads."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

LONGEST_NAP_SECONDS = 1.0
"""How late a stop is noticed at most, apart from the steps under way."""


@dataclass(frozen=True, slots=True)
class Later:
    """
    A step and when it is due.

    Attributes:
        after_seconds: Seconds from now.
        step: What to do then. It returns what is to follow.
    """

    after_seconds: float
    step: Step


Step: TypeAlias = Callable[[], Sequence[Later]]


@dataclass(order=True, slots=True)
class _Entry:
    due: float
    order: int
    step: Step = field(compare=False)


class Agenda:
    """
    Does steps when they are due until it is stopped or one of them fails.

    One thread keeps the entries in a heap and hands what is due to a small pool, so that
    thousands of waiting steps cost no thread. Steps may run at the same time; the steps that
    follow from one another never do.

    Args:
        threads: How many steps run at once.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._order = itertools.count()
        self._new: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._keeper = threading.Thread(target=self._keep, name="agenda", daemon=True)

    @property
    def failure(self) -> BaseException | None:
        """What the first failed step raised; the agenda does nothing more after it."""
        return self._failure

    def start(self, first: Later) -> None:
        """
        Start.

        Args:
            first: The first step.
        """
        self._add(first)
        self._keeper.start()

    def stop(self) -> None:
        """Drop what is not due yet, and wait for the steps under way."""
        self._stopping.set()
        self._new.put(None)
        self._keeper.join()

    def _add(self, later: Later) -> None:
        due = time.monotonic() + later.after_seconds
        self._new.put(_Entry(due, next(self._order), later.step))

    def _keep(self) -> None:
        entries: list[_Entry] = []
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="agenda")
        while not self._stopping.is_set():  # ends with stop() or with the first failure
            nap = entries[0].due - time.monotonic() if entries else LONGEST_NAP_SECONDS
            try:
                entry = self._new.get(timeout=min(max(nap, 0.0), LONGEST_NAP_SECONDS))
            except queue.Empty:
                entry = None
            if entry is not None:
                heapq.heappush(entries, entry)
            if entries and entries[0].due <= time.monotonic():
                pool.submit(heapq.heappop(entries).step).add_done_callback(self._follow)
        pool.shutdown(cancel_futures=True)

    def _follow(self, done: Future[Sequence[Later]]) -> None:
        if done.cancelled():
            return
        failure = done.exception()
        if failure is None:
            for later in done.result():
                self._add(later)
        elif self._failure is None:
            self._failure = failure
            self._stopping.set()
