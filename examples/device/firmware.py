"""The work itself, as a stand-in: this is the part to replace in a real device."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from threading import Event
from typing import Any

from .disk import Disk
from .moves import ONCE

LOG = logging.getLogger("device")
VERSION = re.compile(r"[\w.+-]{1,64}")


class Firmware:
    """
    Firmware that comes within the job's document.

    A document reads ``{"operation": "install", "version": "1.5.0", "image": "...",
    "sha256": "...", "hardware": ["A"]}``; the last three may be missing. In a real device
    `image` is a URL.

    Args:
        disk: Where the installed version is kept.
        hardware: What this device is.
        step_seconds: How long each step takes.
    """

    def __init__(self, disk: Disk, *, hardware: str, step_seconds: float) -> None:
        self._disk = disk
        self._hardware = hardware
        self._step_seconds = step_seconds

    def refusal(self, document: Mapping[str, Any]) -> str | None:
        """Say in a word why this device cannot do what a document asks; None if it can."""
        version = document.get("version")
        if document.get("operation") != "install":
            return "unknown-operation"
        if not isinstance(version, str) or not VERSION.fullmatch(version):
            return "bad-version"
        hardware = document.get("hardware", [self._hardware])
        if not isinstance(hardware, list) or self._hardware not in hardware:
            return "other-hardware"
        return None

    def run(self, step: str, document: Mapping[str, Any], interrupted: Event) -> str | None:
        """
        Do one step.

        Args:
            step: Which one.
            document: The job's document.
            interrupted: Set when the device is to leave off. Only what can be done again does.

        Returns:
            Why the step failed, in a word to count by; None if it did not, or was left.
        """
        pause = Event() if step == ONCE else interrupted
        if pause.wait(self._step_seconds):
            return None
        try:
            return self._do(step, document)
        except OSError as error:
            LOG.warning("%s: %s", step, error)
            return f"{step}-failed"

    def _do(self, step: str, document: Mapping[str, Any]) -> str | None:
        if step == "download":
            self._disk.image.write_text(str(document.get("image", "")))
        elif step == "verify":
            digest = hashlib.sha256(self._disk.image.read_bytes()).hexdigest()
            return None if document.get("sha256", digest) == digest else "checksum-mismatch"
        elif step == ONCE:
            self._disk.install(document["version"])  # a real device reboots here
        elif self._disk.installed() != document["version"]:
            return "check-failed"
        return None
