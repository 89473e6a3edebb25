"""What the terminal says of rollouts beyond their state, and what a person can do about one."""

import shlex

from tidegate.console.view import Glance
from tidegate.console.worded import awaited, devices, figure, hold_worded, when
from tidegate.domain.course import About, Question
from tidegate.domain.decision import Awaits, Decision, Evidence
from tidegate.domain.rollout import Hold, HoldKind
from tidegate.domain.settings import JobSettings

#: Holds and questions that one line names, the others being counted; cohorts with a command.
NAMED_MAX = 3

_MINUTE_SECONDS = 60
_HOUR_SECONDS = 3600
_DAY_SECONDS = 86_400


def waits_for(glance: Glance) -> str:
    """Return what a rollout waits for; nothing where it is over."""
    last = glance.last
    if glance.rollout.ending is not None:
        return ""
    if last is None:
        return awaited(glance)
    if last.awaits is Awaits.RELEASE and last.holds:
        return _named([held_by(each) for each in last.holds])
    if last.awaits in (Awaits.ANSWER, Awaits.APPROVAL) and glance.pending:
        return _named([asked(each) for each in glance.pending])
    if last.awaits is Awaits.BAKE and last.gate is not None:
        return _baking(last.gate.name, last)
    return awaited(glance)


def _baking(gate: str, last: Decision) -> str:
    if last.gate is None or "bake" not in last.gate.waits_for:
        return f"alarms of gate {gate} to be OK"
    return f"gate {gate}, watched until {when(last.gate.bake_until)}"


def held_by(hold: Hold) -> str:
    """Return a hold by where it comes from, in a few words."""
    if hold.kind in (HoldKind.OPERATOR, HoldKind.ALARM, HoldKind.CALENDAR):
        return f"{hold_worded(hold.kind)} hold by {hold.by}"
    return f"hold by {hold_worded(hold.kind)}"


def asked(question: Question) -> str:
    """Return a question by who is asked for what, and by when."""
    what = "answer to" if question.about is About.GATE_ANSWER else "approval of"
    due = "" if question.due_at is None else f" by {when(question.due_at)}"
    return f"{what} {question.question_id}{due}"


def _named(parts: list[str]) -> str:
    named = "; ".join(parts[:NAMED_MAX])
    return f"{named}; and {len(parts) - NAMED_MAX} more" if len(parts) > NAMED_MAX else named


def choices(glance: Glance) -> list[tuple[str, str]]:
    """Return what a person can do now: what it is, and what to type for it."""
    rollout, last = glance.rollout, glance.last
    if rollout.ending is not None:
        return []
    job_id = rollout.key.job_id
    found = []
    for question in rollout.course.pending:
        what = f"{question.subject} ({question.question_id})"
        ask = f"{job_id} {question.question_id} --comment TEXT"
        found.append((f"say yes to {what}", f"tidegate approve {ask}"))
        found.append((f"say no to {what}", f"tidegate reject {ask}"))
    if glance.is_stopping:
        return found
    if glance.is_refused:
        found.append(("have it asked again", f"tidegate resume {job_id} --reason TEXT"))
    if last is not None and any(each.kind is HoldKind.OPERATOR for each in last.holds):
        found.append(("lift operators' holds", f"tidegate resume {job_id} --reason TEXT"))
    else:
        found.append(("hold it", f"tidegate hold {job_id} --reason TEXT"))
    for each in (last.suspects if last else ())[:NAMED_MAX]:
        ask = f"{job_id} --cohort {shlex.quote(each.cohort)} --reason TEXT"
        found.append((f"treat {each.cohort} like all others", f"tidegate release {ask}"))
    found.append(("adjust it", f"tidegate adjust {job_id} --policy NAME --reason TEXT"))
    found.append(("stop it for good", f"tidegate abort {job_id} --reason TEXT"))
    return found


def settings_lines(settings: JobSettings) -> dict[str, str]:
    """Return those settings of a job that are set, by name, each as a few words."""
    lines = {}
    if settings.rollout is not None:
        growth = " growing" if settings.rollout.exponential else ""
        lines["rate"] = f"{settings.rollout.maximum_per_minute:,} per minute{growth}"
    for each in settings.abort or ():
        lines[f"abort at {each.failure_type.value}"] = (
            f"{each.threshold_percentage:g}% of {each.min_executed_things:,} executed things"
        )
    if settings.timeout_minutes is not None:
        lines["time-out"] = f"{settings.timeout_minutes:,} min"
    if settings.retries is not None:
        lines["retries"] = ", ".join(
            f"{each.failure_type.value} {each.number_of_retries}" for each in settings.retries
        )
    if settings.description is not None:
        lines["description"] = settings.description
    return lines


def span(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    whole = max(0, round(seconds))
    days, rest = divmod(whole, _DAY_SECONDS)
    hours, rest = divmod(rest, _HOUR_SECONDS)
    minutes, left = divmod(rest, _MINUTE_SECONDS)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def budget_of(glance: Glance) -> str:
    """Return how much of the budget is used, like ``1.5 of 15``."""
    return f"{devices(round(glance.harmed_beyond, 1))} of {devices(glance.budget)}"


def evidence_of(evidence: Evidence) -> str:
    """Return how strong the evidence against a release is, beside its limit."""
    return f"{figure(evidence.log_e)} of the {figure(evidence.abort_at)} that stops it"


def exposed_of(glance: Glance) -> str:
    """Return how many devices are exposed, of how many if that is known."""
    point, size = glance.point, glance.rollout.fleet_size
    exposed = f"{point.exposed if point else 0:,}"
    return exposed if size is None else f"{exposed} of {size:,}"


def rate_of(glance: Glance) -> str:
    """Return the rate in force, if it is known and the rollout goes on."""
    if glance.rollout.ending is not None or glance.rate is None:
        return ""
    return f"{glance.rate:,}/min"
