"""
What Tidegate tells the world: one pure function per event that it puts on the bus.

EventBridge carries 256 KB in one entry; reasons and suspects are bounded in number and in length,
so that whatever a decision rests on can be told.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from tidegate.documents.shapes import VERSION
from tidegate.domain.cohorts import Suspect
from tidegate.domain.decision import Decision
from tidegate.domain.reasons import Reason, Value
from tidegate.domain.rollout import Ending, Rollout, RolloutKey
from tidegate.domain.settings import JobSettings
from tidegate.ports import BusEvent

ROLLOUT_STARTED = "Rollout Started"
ROLLOUT_STEERED = "Rollout Steered"
ROLLOUT_HELD = "Rollout Held"
ROLLOUT_RESUMED = "Rollout Resumed"
ROLLOUT_ABORTED = "Rollout Aborted"
ROLLOUT_COMPLETED = "Rollout Completed"
ROLLOUT_NEEDS_ATTENTION = "Rollout Needs Attention"

#: Reasons told of one decision; ``reasonsOmitted`` says how many there were beyond.
REASONS_MAX = 16

#: Failing cohorts told of one decision; ``suspectsOmitted`` says how many there were beyond.
SUSPECTS_MAX = 16

#: Characters of one text in an event; a longer one is cut and ends in an ellipsis.
TEXT_LENGTH_MAX = 500

#: The same of a text among the values of a reason, which is part of the reason's text.
VALUE_LENGTH_MAX = 250

#: The same of a cohort's name.
COHORT_LENGTH_MAX = 64

#: Characters of a problem and of its remedy: all the faults of a policy, as a rule.
PROBLEM_LENGTH_MAX = 4000

#: Of the id of a job that there may be no rollout of, and that may be no job's id at all.
JOB_ID_LENGTH_MAX = 64


def rollout_started(rollout: Rollout, at: float) -> BusEvent:
    """Say that a rollout is steered from now on, or by a fresh workflow execution."""
    return _event(
        ROLLOUT_STARTED,
        rollout.key,
        at,
        policy=rollout.policy.name,
        generation=rollout.generation,
        executionArn=rollout.execution_arn,
    )


def rollout_steered(key: RolloutKey, decision: Decision, sent: JobSettings, at: float) -> BusEvent:
    """Say that a decision to go on was applied; ``sent`` is what UpdateJob really got."""
    return _event(ROLLOUT_STEERED, key, at, **_steering(decision, sent))


def rollout_held(key: RolloutKey, decision: Decision, sent: JobSettings, at: float) -> BusEvent:
    """Say that a decision to hold was applied; ``sent`` is what UpdateJob really got."""
    return _event(ROLLOUT_HELD, key, at, **_steering(decision, sent))


def rollout_resumed(key: RolloutKey, by: str, reason: str, at: float) -> BusEvent:
    """Say that somebody lifted the operators' holds."""
    return _event(ROLLOUT_RESUMED, key, at, by=_cut(by), reason=_cut(reason))


def rollout_aborted(key: RolloutKey, decision: Decision, at: float) -> BusEvent:
    """Say that a rollout is over before its end, by Tidegate, by AWS or by somebody else."""
    return _ended(ROLLOUT_ABORTED, key, decision, decision.ending or Ending.ABORTED, at)


def rollout_completed(key: RolloutKey, decision: Decision, at: float) -> BusEvent:
    """Say that a rollout ran to its end."""
    return _ended(ROLLOUT_COMPLETED, key, decision, decision.ending or Ending.COMPLETED, at)


def needs_attention(
    job_id: str,
    problem: str,
    remedy: str,
    at: float,
    *,
    key: RolloutKey | None = None,
    revision: int | None = None,
) -> BusEvent:
    """Say what people should look at, and what they can do; without a key, no rollout exists."""
    detail = _detail(_cut(job_id, JOB_ID_LENGTH_MAX), key, at)
    detail["problem"] = _cut(problem, PROBLEM_LENGTH_MAX)
    detail["remedy"] = _cut(remedy, PROBLEM_LENGTH_MAX)
    if revision is not None:
        detail["revision"] = revision
    return BusEvent(ROLLOUT_NEEDS_ATTENTION, detail)


def _event(detail_type: str, key: RolloutKey, at: float, **members: object) -> BusEvent:
    return BusEvent(detail_type, _detail(key.job_id, key, at) | members)


def _detail(job_id: str, key: RolloutKey | None, at: float) -> dict[str, Any]:
    detail: dict[str, Any] = {"version": VERSION, "jobId": job_id}
    if key is not None:
        detail["rolloutId"] = f"{key.job_id}#{key.created_at}"
    moment = datetime.fromtimestamp(at, UTC)
    detail["at"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return detail


def _steering(decision: Decision, sent: JobSettings) -> dict[str, Any]:
    return {
        "revision": decision.revision,
        "verdict": decision.verdict.value,
        **_grounds(decision),
        "settings": decision.settings.to_request(),
        "replaces": decision.replaces.to_request(),
        "sent": sent.to_request(),
    }


def _ended(
    detail_type: str, key: RolloutKey, decision: Decision, ending: Ending, at: float
) -> BusEvent:
    return _event(
        detail_type,
        key,
        at,
        ending=ending.value,
        revision=decision.revision,
        **_grounds(decision),
    )


def _grounds(decision: Decision) -> dict[str, Any]:
    grounds: dict[str, Any] = {
        "reasons": [_reason(each) for each in decision.reasons[:REASONS_MAX]],
        "evidence": asdict(decision.evidence),
    }
    if decision.suspects:
        grounds["suspects"] = [_suspect(each) for each in decision.suspects[:SUSPECTS_MAX]]
    omitted = {
        "reasonsOmitted": len(decision.reasons) - REASONS_MAX,
        "suspectsOmitted": len(decision.suspects) - SUSPECTS_MAX,
    }
    return grounds | {name: number for name, number in omitted.items() if number > 0}


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code.value,
        "text": _cut(reason.text),
        "values": _values(reason.values),
    }


def _suspect(suspect: Suspect) -> dict[str, Any]:
    return asdict(suspect) | {
        "cohort": _cut(suspect.cohort, COHORT_LENGTH_MAX),
        "remedy": suspect.remedy.value,
    }


def _values(values: Mapping[str, Value]) -> dict[str, Value]:
    return {
        name: _cut(value, VALUE_LENGTH_MAX) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _cut(text: str, length_max: int = TEXT_LENGTH_MAX) -> str:
    return text if len(text) <= length_max else text[: length_max - 1] + "…"
