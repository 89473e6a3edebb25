"""What to do about an execution, given what the device remembers of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STEPS = ("download", "verify", "install", "check")
"""What the work consists of, in order."""

ONCE = "install"
"""The step that must not be done twice: half done, nobody knows what the device is."""

AFTER_ONCE = STEPS[STEPS.index(ONCE) + 1]


@dataclass(frozen=True, slots=True)
class Execution:
    """
    A job execution as AWS has it.

    Attributes:
        job_id: The job.
        number: Which of this device's executions of the job.
        version: Its version number, which every change raises.
        status: QUEUED or IN_PROGRESS.
        document: The job's document.
        details: What was reported about it last.
    """

    job_id: str
    number: int
    version: int
    status: str
    document: Mapping[str, Any]
    details: Mapping[str, str]

    @property
    def identity(self) -> tuple[str, int]:
        """What tells it from any other execution of this device."""
        return self.job_id, self.number


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How an execution ends.

    Attributes:
        status: SUCCEEDED, FAILED or REJECTED.
        reason: Why, in a word that can be counted; empty for a success.
    """

    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How far the device got with an execution, as it is on disk.

    Attributes:
        job_id: The job.
        number: Which of the device's executions of it.
        step: The step that was begun last.
        outcome: How it ended; None while there is work left.
    """

    job_id: str
    number: int
    step: str
    outcome: Outcome | None = None


def next_move(
    execution: Execution, progress: Progress | None, *, refusal: str | None, installed: str | None
) -> str | Outcome:
    """
    Decide what to do about the execution that is this device's next.

    Args:
        execution: As AWS has it right now.
        progress: What is on disk, of whichever execution.
        refusal: Why the device cannot do what the document asks; None if it can.
        installed: The version that the device runs.

    Returns:
        The step to go on with, or the outcome to report.
    """
    if execution.status == "QUEUED":  # new, even under a known number: AWS tries some again
        return _begin(refusal)
    if progress is None or (progress.job_id, progress.number) != execution.identity:
        # What never got far can begin anew; of what did, only the device could have known more.
        far = execution.details.get("step") in {ONCE, AFTER_ONCE}
        return Outcome("FAILED", "progress-lost") if far else _begin(refusal)
    if progress.outcome is not None:
        return progress.outcome  # the report was lost, not the work
    if progress.step == ONCE:
        done = installed == execution.document["version"]
        return AFTER_ONCE if done else Outcome("FAILED", "interrupted-install")
    return progress.step


def _begin(refusal: str | None) -> str | Outcome:
    return STEPS[0] if refusal is None else Outcome("REJECTED", refusal)
