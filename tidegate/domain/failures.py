"""Why devices failed, in their own few words, made so that like reasons are counted together."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from tidegate.domain.outcomes import ReasonKey
from tidegate.domain.policy import Failures
from tidegate.domain.stuck import REASON_DETAIL, SILENT

#: Characters of a reason.
REASON_LENGTH_MAX = 80
#: Different reasons that a rollout tells apart; all others are the one below.
REASONS_MAX = 50
OTHER = "(other)"

#: Serial numbers, addresses and times make each device's reason its own, and tell of the device.
_LONG_NUMBER = re.compile(r"\d{4,}")


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
    return most_frequent(((reason, number) for (reason, _), number in reasons.items()), limit)


def most_frequent(reasons: Iterable[tuple[str, int]], limit: int) -> tuple[tuple[str, int], ...]:
    """Return the most frequent reasons with their devices; a reason may come more than once."""
    devices: Counter[str] = Counter()
    for reason, number in reasons:
        devices[reason] += number
    told = [(reason, number) for reason, number in devices.items() if reason and number > 0]
    return tuple(sorted(told, key=lambda each: (-each[1], each[0]))[:limit])


def _cleaned(text: str) -> str:
    printable = "".join(
        " " if unicodedata.category(each).startswith("C") else each for each in text
    )
    return _LONG_NUMBER.sub("#", " ".join(printable.split()))[:REASON_LENGTH_MAX].rstrip()
