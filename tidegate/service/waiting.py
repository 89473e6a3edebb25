"""
Waiting: a workflow parks on a task token; a tripwire, a signal or the clock brings it back.

A token is first answered and then forgotten. The other order could lose it: dying in between, the
workflow would sleep until its review is due. Answering twice is harmless.
"""

from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.rollout import Park, Rollout, RolloutKey
from tidegate.errors import Superseded
from tidegate.ports import Ledger, Workflow
from tidegate.service.seen import totals_seen


def park(
    key: RolloutKey,
    *,
    generation: int,
    revision: int,
    token: str,
    ledger: Ledger,
    workflow: Workflow,
) -> str | None:
    """
    Remember a waiting workflow, and wake it at once if what it waits for has happened meanwhile.

    Writes before it looks, as ``record`` and ``signal`` do: whoever comes second sees the other.

    Returns:
        Why it was woken at once, or None if it waits.

    Raises:
        Superseded: Another generation owns the rollout.
    """
    decision = ledger.decision(key, revision)
    ledger.park(
        key,
        Park(
            token=token,
            generation=generation,
            revision=revision,
            signals=decision.signals,
            tripwires=decision.tripwires,
        ),
    )
    return wake_if_due(key, ledger=ledger, workflow=workflow)


def wake_if_due(key: RolloutKey, *, ledger: Ledger, workflow: Workflow) -> str | None:
    """Wake the rollout's workflow if it waits and has reason to; return the reason."""
    rollout = ledger.rollout(key)
    if rollout.park is None:
        return None
    cause = _cause(rollout, rollout.park, ledger)
    if cause:
        _answer(rollout.park, key, cause, ledger=ledger, workflow=workflow)
    return cause


def wake(key: RolloutKey, *, cause: str, ledger: Ledger, workflow: Workflow) -> None:
    """Wake the rollout's workflow if it waits, whatever the counts."""
    rollout = ledger.rollout(key)
    if rollout.park is not None:
        _answer(rollout.park, key, cause, ledger=ledger, workflow=workflow)


def owned(ledger: Ledger, key: RolloutKey, generation: int) -> Rollout:
    """
    Return the rollout, if this generation of its workflow owns it.

    Raises:
        Superseded: A newer generation does.
    """
    rollout = ledger.rollout(key)
    if rollout.generation != generation:
        message = (
            f"rollout {key.job_id} belongs to generation {rollout.generation} of its workflow, "
            f"not to {generation}; this one must stop"
        )
        raise Superseded(message)
    return rollout


def _cause(rollout: Rollout, waiting: Park, ledger: Ledger) -> str | None:
    if rollout.signals > waiting.signals:
        return "a signal arrived"
    wires = waiting.tripwires
    if wires.harmed is None and wires.succeeded is None:
        return None
    totals = totals_seen(rollout, ledger=ledger)
    harmed = totals.of(*rollout.policy.harm.statuses)
    if wires.harmed is not None and harmed >= wires.harmed:
        return f"{harmed} harmed crossed the tripwire at {wires.harmed}"
    succeeded = totals.of(ExecutionStatus.SUCCEEDED)
    if wires.succeeded is not None and succeeded >= wires.succeeded:
        return f"{succeeded} succeeded crossed the tripwire at {wires.succeeded}"
    return None


def _answer(
    waiting: Park, key: RolloutKey, cause: str, *, ledger: Ledger, workflow: Workflow
) -> None:
    workflow.wake(waiting.token, {"cause": cause})
    ledger.unpark(key, waiting.token)
