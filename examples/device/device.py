"""The device: it takes one execution after the other, and is interrupted at any time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from threading import Event
from typing import Protocol

from .disk import Disk
from .firmware import Firmware
from .moves import STEPS, Execution, Outcome, Progress, next_move

LOG = logging.getLogger("device")

LOOK_SECONDS = 900.0
"""How long to trust that a notice comes for everything new."""

RETRY_SECONDS = 5.0
TAKES_MAX = 20
"""How many executions are looked at after one notice: one that AWS will not let go ends there."""


class UnreachableError(Exception):
    """AWS did not answer, or not now: ask again later."""


class Jobs(Protocol):
    """AWS IoT Jobs, as a device sees it."""

    def next(self) -> Execution | None:
        """
        Ask for the execution to work on: one in progress, else the one queued first.

        Raises:
            UnreachableError: No answer.
        """

    def report(
        self, execution: Execution, status: str, details: Mapping[str, str]
    ) -> Execution | None:
        """
        Report how an execution stands, if it still has the version that the device knows.

        Returns:
            The execution with its new version; None if it changed meanwhile, ended, or is gone.

        Raises:
            UnreachableError: No answer, so the report may have arrived or not.
        """


class Device:
    """
    Works on whatever AWS has next, until it is stopped.

    Args:
        jobs: AWS.
        disk: What it remembers.
        firmware: What it can do.
    """

    def __init__(self, jobs: Jobs, disk: Disk, firmware: Firmware) -> None:
        self._jobs = jobs
        self._disk = disk
        self._firmware = firmware
        self._current: tuple[str, int] | None = None
        self._because: str | None = None
        self._awake, self._interrupted, self._stopping = Event(), Event(), Event()

    def look(self) -> None:
        """Ask AWS what is next, from any thread: after each connection, as notices get lost."""
        self._awake.set()

    def notice(self, identity: tuple[str, int] | None) -> None:
        """
        Take note of what AWS says is next, from any thread.

        Args:
            identity: The execution; None if there is none. If it is not the one under way, that
                one was canceled, timed out or was deleted, and is left.
        """
        if self._current not in {None, identity}:
            self._interrupted.set()
        self._awake.set()

    def stop(self, because: str | None = None) -> None:
        """Leave off as soon as it can be gone on later, from any thread."""
        self._because = because
        self._stopping.set()
        self._interrupted.set()
        self._awake.set()

    def run(self) -> str | None:
        """Work until stopped; return what the stop gives as its cause."""
        while not self._stopping.is_set():  # until somebody stops it
            self._awake.wait(LOOK_SECONDS)
            self._awake.clear()
            try:
                self._take_all()
            except UnreachableError as error:
                LOG.warning("no answer, trying again: %s", error)
                self._stopping.wait(RETRY_SECONDS)
                self._awake.set()
        return self._because

    def _take_all(self) -> None:
        for _ in range(TAKES_MAX):
            if self._stopping.is_set():
                return
            execution = self._jobs.next()
            if execution is None:
                self._disk.forget()
                return
            self._current = execution.identity
            try:
                self._take(execution)
            finally:
                self._current = None

    def _take(self, execution: Execution) -> None:
        self._interrupted.clear()
        if self._stopping.is_set():
            return
        if execution.status == "QUEUED":
            self._disk.forget()
        move = next_move(
            execution,
            self._disk.progress(),
            refusal=self._firmware.refusal(execution.document),
            installed=self._disk.installed(),
        )
        if isinstance(move, Outcome):
            self._end(execution, move)
        else:
            self._work(execution, move)

    def _work(self, execution: Execution, first: str) -> None:
        from_version = self._disk.installed() or "none"
        for index, step in enumerate(STEPS):
            if index < STEPS.index(first):
                continue
            details = {
                "step": step,
                "progress": f"{100 * index // len(STEPS)}%",
                "fromVersion": from_version,
                "toVersion": execution.document["version"],
            }
            LOG.info("%s: %s", execution.job_id, step)
            reported = self._jobs.report(execution, "IN_PROGRESS", details)
            if reported is None:
                LOG.info("%s: it changed, looking again", execution.job_id)
                return
            execution = reported
            self._disk.remember(Progress(*execution.identity, step))
            failure = self._firmware.run(step, execution.document, self._interrupted)
            if failure is not None:
                self._end(execution, Outcome("FAILED", failure))
                return
            if self._interrupted.is_set():
                LOG.info("%s: left at %s", execution.job_id, step)
                return
        self._end(execution, Outcome("SUCCEEDED"))

    def _end(self, execution: Execution, outcome: Outcome) -> None:
        self._disk.remember(Progress(*execution.identity, "", outcome))
        details = {"reason": outcome.reason} if outcome.reason else {}
        installed = self._disk.installed()
        if installed is not None:
            details["installed"] = installed
        if self._jobs.report(execution, outcome.status, details) is not None:
            LOG.info("%s: %s %s", execution.job_id, outcome.status, outcome.reason)
            self._disk.forget()
