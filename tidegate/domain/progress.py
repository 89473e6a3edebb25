"""How a rollout's state follows from what happens to it; every ledger keeps it in this way."""

from dataclasses import replace

from tidegate.domain.decision import Decision, Evidence, Verdict
from tidegate.domain.policy import Harm, Policy
from tidegate.domain.rollout import Active, Ending, Rollout


def decided(rollout: Rollout, decision: Decision) -> Rollout:
    """Return the rollout once a decision is its last one."""
    # A review that was under way while the policy changed has a bound that the new one may not
    # have: it would stay for good.
    sees_policy = decision.signals >= rollout.bound_from_signal
    bound = min(rollout.upper_bound, decision.evidence.upper_bound)
    return replace(
        rollout,
        revision=decision.revision,
        upper_bound=bound if sees_policy else rollout.upper_bound,
        memory=decision.memory,
        course=decision.course,
        aborting=rollout.aborting or decision.verdict is Verdict.ABORT,
    )


def adjusted(
    rollout: Rollout, policy: Policy, *, keeps_bound: bool, fleet_size: int | None = None
) -> Rollout:
    """Return the rollout under another policy; it is one signal."""
    signals = rollout.signals + 1
    return replace(
        rollout,
        policy=policy,
        policy_version=rollout.policy_version + 1,
        fleet_size=rollout.fleet_size if fleet_size is None else fleet_size,
        signals=signals,
        upper_bound=rollout.upper_bound if keeps_bound else 1.0,
        bound_from_signal=rollout.bound_from_signal if keeps_bound else signals,
    )


def concluded(rollout: Rollout, ending: Ending, at: float) -> Rollout:
    """Return the rollout once it has ended; said again, it still ended when it did at first."""
    ended_at = at if rollout.ended_at is None else rollout.ended_at
    return replace(rollout, ending=ending, ended_at=ended_at)


def is_unheard(rollout: Rollout, signals: int | None) -> bool:
    """Whether a rollout that goes on was asked for more than a decision has seen, if one counts."""
    return rollout.ending is None and signals is not None and rollout.signals != signals


def enlisted(rollout: Rollout) -> Active:
    """Return what the list of active rollouts has of a new one: its first review is due."""
    return Active(rollout.key, review_by=rollout.enrolled_at)


def reviewed(active: Active, decision: Decision, policy: Policy) -> Active:
    """Return what the list has of a rollout after a decision."""
    return replace(
        active,
        review_by=decision.review_by,
        harmed_beyond=harmed_beyond(decision.evidence, policy.harm),
        heals=0,
    )


def harmed_beyond(evidence: Evidence, harm: Harm) -> float:
    """Return how many devices were harmed beyond the acceptable rate; never less than none."""
    return max(0.0, evidence.harmed - harm.acceptable_rate * evidence.started)
