"""The agenda does steps when they are due, and says when one fails."""

from __future__ import annotations

import threading
import time

from tidegate.local.agenda import Agenda, Later

PATIENCE_SECONDS = 5.0


def test_steps_are_done_when_they_are_due() -> None:
    """Steps run in the order of their times, not in that in which they were added."""
    done: list[str] = []
    finished = threading.Event()

    def note(name: str) -> list[Later]:
        done.append(name)
        if name == "last":
            finished.set()
        return []

    def first() -> list[Later]:
        return [
            Later(0.2, lambda: note("last")),
            Later(0.1, lambda: note("middle")),
            Later(0.0, lambda: note("first")),
        ]

    agenda = Agenda(1)
    agenda.start(Later(0.0, first))
    assert finished.wait(PATIENCE_SECONDS)
    agenda.stop()

    assert done == ["first", "middle", "last"]
    assert agenda.failure is None


def test_thousands_of_waiting_steps_cost_no_thread() -> None:
    """A fleet waits in a heap, not in threads."""
    before = threading.active_count()
    agenda = Agenda(2)
    agenda.start(Later(0.0, lambda: [Later(60.0, list) for _ in range(5000)]))
    time.sleep(0.2)

    assert threading.active_count() - before <= 1 + 2
    agenda.stop()
    assert threading.active_count() == before


def test_a_failed_step_stops_the_agenda_and_is_told() -> None:
    """An error is never swallowed, and nothing goes on as if it had not happened."""
    reached = threading.Event()

    def reach() -> list[Later]:
        reached.set()
        return []

    def fail() -> list[Later]:
        message = "the device caught fire"
        raise LookupError(message)

    agenda = Agenda(1)
    agenda.start(Later(0.0, lambda: [Later(0.0, fail), Later(0.3, reach)]))

    assert not reached.wait(0.8)
    agenda.stop()
    assert str(agenda.failure) == "the device caught fire"


def test_stopping_drops_what_is_not_due_and_waits_for_what_runs() -> None:
    """After a stop nothing happens any more."""
    started, ended, dropped = threading.Event(), threading.Event(), threading.Event()

    def drop() -> list[Later]:
        dropped.set()
        return []

    def long() -> list[Later]:
        started.set()
        time.sleep(0.3)
        ended.set()
        return [Later(0.0, drop)]

    agenda = Agenda(1)
    agenda.start(Later(0.0, long))
    assert started.wait(PATIENCE_SECONDS)
    agenda.stop()

    assert ended.is_set()
    assert not dropped.is_set()
