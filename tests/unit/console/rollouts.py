"""Rollouts to look at."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.contract.samples import FRESH, NOW, decision
from tidegate.console.view import Detail, Glance
from tidegate.domain.cohorts import Remedy, Suspect
from tidegate.domain.decision import AtGate, Decision, Evidence, Verdict
from tidegate.domain.points import point_of
from tidegate.domain.rollout import Hold, HoldKind
from tidegate.domain.settings import AbortCriterion, FailureType, JobSettings, RolloutRate

#: Seconds between two decisions.
BETWEEN = 300.0

#: Markup, quotes, a turn of direction, a control character, half a character.
HOSTILE = "<script>alert('\"&')</script>\u202e\x00\ud800]]>"


def decided(revision: int, verdict: Verdict = Verdict.PROCEED, **figures: Any) -> Decision:  # noqa: ANN401 - Evidence's own fields
    """Return a decision of a rollout that exposes ten devices more each time."""
    at = NOW + revision * BETWEEN
    started = {"exposed": 10 * revision, "started": 9 * revision, "in_flight": 5}
    ended = {"succeeded": 9 * revision - 5, "harmed": revision // 10, "abort_at": 9.0}
    return replace(
        decision(revision),
        at=at,
        verdict=verdict,
        holds=(Hold(HoldKind.OPERATOR, "night-shift", "lunch", at),)
        if verdict is Verdict.HOLD
        else (),
        gate=AtGate("canary", is_new=False, waits_for=("bake",), bake_until=at)
        if verdict is Verdict.GATE
        else None,
        evidence=Evidence(**{**started, **ended, "upper_bound": 1 / revision, **figures}),
        settings=JobSettings(
            rollout=RolloutRate(10 + revision % 7),
            abort=(AbortCriterion(FailureType.FAILED, 12.5, 40),),
        ),
    )


def history(*verdicts: Verdict) -> list[Decision]:
    """Return a decision for each verdict."""
    return [decided(revision, verdict) for revision, verdict in enumerate(verdicts, start=1)]


def suspect(cohort: str, harmed: int = 31, started: int = 400, log_e: float = 6.0) -> Suspect:
    """Return a cohort that fails."""
    return Suspect(cohort, started, harmed, log_e, 5.5, 0.1, 4.0, Remedy.QUARANTINE)


def seen(decisions: Sequence[Decision], *, whole: int = 100, **changes: Any) -> Detail:  # noqa: ANN401 - Rollout's own fields
    """Return what there is to see of a rollout with these decisions, the newest of them whole."""
    rollout = replace(FRESH, **{"fleet_size": 10_000, "enrolled_at": NOW, **changes})
    return Detail(
        glance=Glance(rollout, decisions[-1] if decisions else None),
        points=[point_of(each) for each in decisions],
        decisions=list(reversed(decisions))[:whole],
        applied={},
        steps=(),
        answers=(),
        reasons=(),
    )
