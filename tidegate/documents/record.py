"""
The final record of a rollout: what it came to and how, in one object that outlives the ledger.

It is told with the rollout's end. Lists are cut to their newest part, first by number and then by
what the event has room for, and what is left out is counted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from tidegate.documents.shapes import COHORT_LENGTH_MAX
from tidegate.domain.decision import Evidence
from tidegate.domain.failures import FailureReason
from tidegate.domain.rollout import Ending, Rollout, Step

#: Lines of the timeline, and entries of the settings' history, that are told.
LINES_MAX = 100

#: Reasons for failing that are told: those that most devices gave.
REASONS_TOLD_MAX = 10

#: Of one of them.
FAILURE_LENGTH_MAX = 80

_LISTS = ("timeline", "settingsHistory")


def final_record(
    rollout: Rollout,
    ending: Ending,
    evidence: Evidence,
    steps: Sequence[Step],
    at: float,
    *,
    reasons: Sequence[FailureReason] = (),
) -> dict[str, Any]:
    """
    Return a rollout's final record as plain JSON.

    Args:
        rollout: As it is at its end.
        ending: How it ended.
        evidence: Of its last decision.
        steps: Its timeline, oldest first.
        at: Epoch seconds of its end.
        reasons: Why devices failed, the most frequent first.
    """
    failures = [failure(each) for each in reasons if each.text][:REASONS_TOLD_MAX]
    links = {"rollsBack": rollout.rolls_back, "rolledBackBy": rollout.rolled_back_by}
    return {
        "outcome": ending.value,
        "startedAt": moment(rollout.enrolled_at),
        "endedAt": moment(at),
        "exposed": evidence.exposed,
        "harmed": evidence.harmed,
        "succeeded": evidence.succeeded,
        "agreement": asdict(rollout.course.agreement),
        **({"failureReasons": failures} if failures else {}),
        **{name: job_id for name, job_id in links.items() if job_id is not None},
        "timeline": [
            {"at": moment(each.at), "what": each.what, "text": each.text, "revision": each.revision}
            for each in steps
        ],
        "settingsHistory": [
            {"at": moment(each.at), "revision": each.revision, "sent": dict(each.sent)}
            for each in steps
            if each.sent
        ],
    }


def fitted(record: Mapping[str, Any], bytes_max: int) -> dict[str, Any]:
    """Return a record of at most so many bytes as JSON; ``timelineOmitted`` etc. count the rest."""
    rest = {name: value for name, value in record.items() if name not in _LISTS}
    room = (bytes_max - _size(rest)) // len(_LISTS)
    fitting = dict(rest)
    for name in _LISTS:
        entries = record.get(name, ())
        kept = _newest(entries, room)
        fitting[name] = kept
        if len(kept) < len(entries):
            fitting[f"{name}Omitted"] = len(entries) - len(kept)
    return fitting


def moment(at: float) -> str:
    """Return epoch seconds as events have them: UTC, to the millisecond."""
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")


def failure(given: FailureReason) -> dict[str, Any]:
    """Return a reason for failing as plain JSON."""
    told: dict[str, Any] = {"reason": given.text[:FAILURE_LENGTH_MAX], "devices": given.devices}
    if given.cohorts:
        told["cohorts"] = [
            {"cohort": name[:COHORT_LENGTH_MAX], "devices": number}
            for name, number in given.cohorts
        ]
    return told


def _newest(entries: Sequence[Mapping[str, Any]], room: int) -> list[Mapping[str, Any]]:
    """Return the newest entries that fit, in their order."""
    kept: list[Mapping[str, Any]] = []
    for each in reversed(entries[-LINES_MAX:]):
        room -= _size(each)
        if room < 0:
            break
        kept.append(each)
    return kept[::-1]


def _size(value: object) -> int:
    """Return how many bytes a value takes, with the comma after it."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) + 1
