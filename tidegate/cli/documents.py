"""Rollouts as the JSON that ``--json`` prints; members are added over time, and none is renamed."""

from typing import Any

from tidegate.cli.wording import waits_for
from tidegate.console.plain import number
from tidegate.console.view import Glance
from tidegate.console.worded import WAITING, stamped, standing
from tidegate.domain.course import Answer, Question
from tidegate.domain.decision import Evidence
from tidegate.domain.rollout import Hold, Step
from tidegate.domain.turn import Turn


def turn_document(turn: Turn) -> dict[str, Any]:
    """Return a launch that waits for its turn, in the same form."""
    return {
        "job_id": turn.job_id,
        "state": "waiting",
        "state_text": WAITING.words,
        "policy": turn.policy_name,
        "since": stamped(turn.since),
        "behind": list(turn.behind),
    }


def glance_document(glance: Glance) -> dict[str, Any]:
    """Return a rollout in a few members; times are ISO 8601, what is not known is null."""
    rollout, last = glance.rollout, glance.last
    evidence = last.evidence if last else Evidence()
    return {
        "job_id": rollout.key.job_id,
        "created_at": stamped(rollout.key.created_at),
        "state": glance.state,
        "state_text": standing(glance).words,
        "why": glance.why,
        "waits_for": waits_for(glance) or None,
        "policy": rollout.policy.name,
        "policy_version": rollout.policy_version,
        "enrolled_at": stamped(rollout.enrolled_at),
        "ended_at": _time(rollout.ended_at),
        "fleet_size": rollout.fleet_size,
        "exposed": evidence.exposed,
        "started": evidence.started,
        "in_flight": evidence.in_flight,
        "succeeded": evidence.succeeded,
        "harmed": evidence.harmed,
        "harmed_beyond": glance.harmed_beyond,
        "budget": number(glance.budget),
        "evidence": evidence.log_e,
        "abort_at": number(evidence.abort_at),
        "upper_bound": evidence.upper_bound,
        "rate_per_minute": None if rollout.ending is not None else glance.rate,
        "revision": rollout.revision,
        "review_by": None if last is None or rollout.ending else stamped(last.review_by),
        "holds": [hold_document(each) for each in last.holds] if last else [],
        "questions": [question_document(each) for each in rollout.course.pending],
        "overlaps": [each.job_id for each in rollout.overlaps],
        "rolls_back": rollout.rolls_back,
        "rolled_back_by": rollout.rolled_back_by,
    }


def hold_document(hold: Hold) -> dict[str, Any]:
    """Return a hold."""
    return {
        "kind": hold.kind.value,
        "by": hold.by,
        "reason": hold.reason,
        "since": stamped(hold.since),
    }


def question_document(question: Question) -> dict[str, Any]:
    """Return a question that waits for an answer."""
    return {
        "question_id": question.question_id,
        "about": question.about.value,
        "subject": question.subject,
        "asked_at": stamped(question.asked_at),
        "due_at": _time(question.due_at),
    }


def answer_document(answer: Answer) -> dict[str, Any]:
    """Return an answer that was given."""
    return {
        "question_id": answer.question_id,
        "yes": answer.yes,
        "by": answer.by,
        "comment": answer.comment,
        "at": stamped(answer.at),
    }


def step_document(step: Step) -> dict[str, Any]:
    """Return a line of the timeline."""
    return {
        "at": stamped(step.at),
        "what": step.what,
        "text": step.text,
        "revision": step.revision,
        "sent": dict(step.sent),
    }


def _time(at: float | None) -> str | None:
    return None if at is None else stamped(at)
