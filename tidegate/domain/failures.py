"""Why devices failed, in their own few words, made so that like reasons are counted together."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tidegate.domain.cells import Cells
from tidegate.domain.outcomes import ReasonKey
from tidegate.domain.policy import Failures
from tidegate.domain.stuck import REASON_DETAIL, SILENT

#: Characters of a reason.
REASON_LENGTH_MAX = 80
#: Different reasons that a rollout tells apart; all others are the one below.
REASONS_MAX = 50
OTHER = "(other)"
#: Cohorts that are named with a reason: those that most of its devices are of.
COHORTS_NAMED_MAX = 5

#: Serial numbers, addresses and times make each device's reason its own, and tell of the device.
_LONG_NUMBER = re.compile(r"\d{4,}")


@dataclass(frozen=True, slots=True)
class FailureReason:
    """
    A reason for failing, and who gave it.

    Attributes:
        text: What they said; empty for those that did not say.
        devices: How many gave it.
        cohorts: Of what cohorts these are, and how many of each, most of them first; none where
            devices are not told apart.
    """

    text: str
    devices: int
    cohorts: tuple[tuple[str, int], ...] = ()


def reason_of(details: Mapping[str, str], failures: Failures) -> str:
    """
    Return why a device failed, empty if it does not say.

    Of one that Tidegate ended, that is why; what the device said before is no reason.

    Args:
        details: What it reported as ``statusDetails``.
        failures: Which of them says so, and which are never stored.
    """
    if REASON_DETAIL in details:
        return SILENT
    for key in failures.keys:
        reason = "" if key in failures.never_stored else _cleaned(details.get(key, ""))
        if reason:
            return reason
    return ""


def bounded(reason: str, known: Collection[str]) -> str:
    """Return the reason to count under, where so many are known that not each can have its own."""
    if not reason or reason in known or len(set(known) - {OTHER}) < REASONS_MAX:
        return reason
    return OTHER


def top(reasons: Mapping[ReasonKey, int], limit: int) -> tuple[tuple[str, int], ...]:
    """Return the most frequent reasons with their devices, whatever cells these are of."""
    said = [(each.text, each.devices) for each in failure_reasons(reasons, Cells()) if each.text]
    return tuple(said[:limit])


def failure_reasons(reasons: Mapping[ReasonKey, int], cells: Cells) -> tuple[FailureReason, ...]:
    """
    Return all reasons, the most frequent first.

    Args:
        reasons: How many failed devices gave each reason, per cell.
        cells: What these cells stand for.
    """
    devices: Counter[str] = Counter()
    cohorts: dict[str, Counter[str]] = {}
    for (text, cell), number in reasons.items():
        devices[text] += number
        of_text = cohorts.setdefault(text, Counter())
        for cohort in cells.cohorts_of(cell):
            of_text[cohort] += number
    return tuple(
        FailureReason(text, number, _most(cohorts[text])[:COHORTS_NAMED_MAX])
        for text, number in _most(devices)
    )


def _most(counted: Counter[str]) -> tuple[tuple[str, int], ...]:
    named = [(name, number) for name, number in counted.items() if number > 0]
    return tuple(sorted(named, key=lambda each: (-each[1], each[0])))


def _cleaned(text: str) -> str:
    printable = "".join(
        " " if unicodedata.category(each).startswith("C") else each for each in text
    )
    return _LONG_NUMBER.sub("#", " ".join(printable.split()))[:REASON_LENGTH_MAX].rstrip()
