"""How rollouts are told in words: states, times and figures, the same on every page."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from tidegate.console import figures
from tidegate.console.view import Glance
from tidegate.domain.decision import Awaits, Verdict
from tidegate.domain.failures import FailureReason
from tidegate.domain.rollout import HoldKind

#: Where there is nothing to tell.
NOTHING = "-"

_MINUTES_MAX = 120
_HOURS_MAX = 72
_MINUTES_OF_HOUR = 60
_MINUTES_OF_DAY = 1440


@dataclass(frozen=True, slots=True)
class State:
    """
    A state as it is shown: by its words and its sign; the tone only adds a colour.

    Attributes:
        tone: ``good``, ``wait``, ``bad`` or ``plain``.
    """

    sign: str
    words: str
    tone: str


_STATES = {
    "enrolled": State("○", "enrolled", "plain"),
    "proceed": State("▶", "going on", "good"),
    "hold": State("‖", "held", "wait"),
    "gate": State("◆", "at a gate", "wait"),
    "abort": State("■", "stopping", "bad"),
    "roll_back": State("↩", "rolling back", "bad"),
    "complete": State("✓", "completing", "good"),
    "ended": State("□", "ending", "plain"),
    "completed": State("✓", "completed", "good"),
    "aborted": State("■", "stopped by Tidegate", "bad"),
    "fenced": State("■", "stopped by AWS's abort criteria", "bad"),
    "canceled_outside": State("□", "canceled by somebody else", "plain"),
    "deleted_outside": State("□", "deleted by somebody else", "plain"),
}

#: How a launch is shown that has no rollout yet.
WAITING = State("…", "waiting to be launched", "wait")

_AWAITS = {
    Awaits.EVIDENCE: "what devices report",
    Awaits.RELEASE: "its holds to be lifted",
    Awaits.BAKE: "the gate's time and alarms",
    Awaits.ANSWER: "a system's answer",
    Awaits.APPROVAL: "a person's answer",
    Awaits.STOP: "AWS to stop the job",
    Awaits.STRAGGLERS: "devices at work to finish",
    Awaits.JOINERS: "devices that join late",
}

_HOLDS = {
    HoldKind.OPERATOR: "operator",
    HoldKind.ALARM: "alarm",
    HoldKind.CALENDAR: "calendar",
    HoldKind.OVERLAP: "another rollout",
    HoldKind.ACCOUNT: "the account's budget",
    HoldKind.EVIDENCE: "stale evidence",
    HoldKind.OUTAGE: "outage",
}


def state_of(state: str) -> State:
    """Return how a state is shown; one that is not known yet by its own name."""
    return _STATES.get(state, State("○", state, "plain"))


def standing(glance: Glance) -> State:
    """Return how a rollout stands, for what people asked and the gate that it is at."""
    rollout, last = glance.rollout, glance.last
    shown = state_of(glance.state)
    if rollout.ending is not None:
        return shown
    if rollout.abort_request is not None and glance.state != Verdict.ROLL_BACK:
        return state_of(Verdict.ABORT)
    if last is not None and last.verdict is Verdict.GATE and last.gate is not None:
        return State(shown.sign, f"at gate {last.gate.name}", shown.tone)
    if last is not None and last.verdict is Verdict.PROCEED and rollout.course.is_guarding:
        return State(shown.sign, "guarding", shown.tone)
    return shown


def awaited(glance: Glance) -> str:
    """Return what a rollout that goes on waits for, in words."""
    if glance.last is None:
        return "its first review"
    if glance.is_refused:
        return "somebody to resume it, after a no"
    return _AWAITS[glance.last.awaits]


def hold_worded(kind: HoldKind) -> str:
    """Return where a hold comes from, in words."""
    return _HOLDS[kind]


def devices(number: float | None) -> str:
    """Return a number of devices: with a decimal where it is small and has one."""
    if number is None or math.isnan(number):
        return NOTHING
    if math.isinf(number):
        return "not known"
    return figures.counted(number)


def failure(given: FailureReason) -> str:
    """Return a reason for failing, and of which cohorts the devices are that gave it."""
    text = given.text or "no reason given"
    cohorts = ", ".join(f"{name} {devices(number)}" for name, number in given.cohorts)
    return f"{text} ({cohorts})" if cohorts else text


def share(rate: float | None) -> str:
    """Return a share in percent, with the two digits that count."""
    if rate is None or not math.isfinite(rate):
        return NOTHING
    return figures.shared(rate, digits=2)


def figure(value: float | None) -> str:
    """Return a figure that is no count, to two decimals."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    # Adding nothing makes zero of what rounds to minus zero.
    return f"{round(value, 2) + 0.0:.2f}"


def lasting(minutes: float) -> str:
    """Return how long something lasts, in the largest unit of which there are some."""
    if minutes <= _MINUTES_MAX:
        return f"{minutes:.0f} min"
    if minutes <= _HOURS_MAX * _MINUTES_OF_HOUR:
        return f"{minutes / _MINUTES_OF_HOUR:.3g} h"
    return f"{minutes / _MINUTES_OF_DAY:.3g} days"


def when(at: float | None) -> str:
    """Return epoch seconds as people read them: UTC, to the second."""
    stamp = _stamp(at)
    return stamp.strftime("%Y-%m-%d %H:%M:%S UTC") if stamp else NOTHING


def stamped(at: float | None) -> str:
    """Return epoch seconds as machines read them; empty where there are none."""
    stamp = _stamp(at)
    return stamp.isoformat(timespec="seconds").replace("+00:00", "Z") if stamp else ""


def _stamp(at: float | None) -> datetime | None:
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        return None
