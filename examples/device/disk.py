"""What survives a reboot: how far the device is, and which version it runs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .moves import Outcome, Progress


class Disk:
    """
    A folder of small files, each replaced as a whole: power may fail at any moment.

    Args:
        folder: Made if it is missing.

    Attributes:
        image: Where a download is kept.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.image = folder / "image"
        self._progress = folder / "progress.json"
        self._installed = folder / "installed.json"

    def progress(self) -> Progress | None:
        """Read how far the device is; None if it has nothing under way."""
        found = _read(self._progress)
        if found is None:
            return None
        outcome = found.pop("outcome")
        return Progress(**found, outcome=outcome and Outcome(**outcome))

    def remember(self, progress: Progress) -> None:
        """Write how far the device is."""
        _write(self._progress, asdict(progress))

    def forget(self) -> None:
        """Have nothing under way any more."""
        self._progress.unlink(missing_ok=True)

    def installed(self) -> str | None:
        """Read which version the device runs; None if it never installed one."""
        found = _read(self._installed)
        return None if found is None else str(found["version"])

    def install(self, version: str) -> None:
        """Write which version the device runs."""
        _write(self._installed, {"version": version})


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None  # missing or spoilt: either way it is not known
    return content


def _write(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_suffix(".new")
    with draft.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
