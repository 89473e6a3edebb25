"""
Healing: a rollout whose workflow died is given another execution, which goes on from the ledger.

Whoever notices may heal, several at once too: an execution is named by the generation that died and
by how often it was healed, so that those who see the same start one; and of two executions only one
takes the rollout over.
"""

from enum import StrEnum

from tidegate.documents.commands import Enrolment, Resume
from tidegate.domain.rollout import Active, Rollout
from tidegate.ports import Ledger, Workflow
from tidegate.service.names import execution_name

#: Heals in a row, without a decision between them, after which only a try an hour is left.
HEALS_MAX = 3

#: A heal that is no older may still be on its way to take the rollout over.
HEAL_PATIENCE_SECONDS = 120.0

#: Between two tries once ``HEALS_MAX`` came to nothing.
LATE_HEAL_SECONDS = 3600.0


class Heal(StrEnum):
    """What became of an attempt to heal."""

    #: The rollout has ended.
    ENDED = "ended"
    #: Its execution runs; nothing is to be healed.
    RUNS = "runs"
    STARTED = "started"
    #: It was healed so lately that this may yet bear fruit.
    UNDER_WAY = "under_way"
    #: It was healed in vain too often; the next try is an hour away.
    SPENT = "spent"


def heal(
    active: Active, *, ledger: Ledger, workflow: Workflow, at: float, is_asked_for: bool = False
) -> Heal:
    """
    Start another execution for a rollout whose own does not run.

    Args:
        active: The rollout, as the list of all active ones has it.
        ledger: Where the heal is noted once it has begun.
        workflow: Asked whether the execution runs, and starts the next.
        at: Epoch seconds.
        is_asked_for: Somebody waits for it, so that it is tried even after ``HEALS_MAX``.

    Raises:
        NotFound: There is no such rollout.
        RetryLater: AWS or the ledger throttles; doing it again starts no second execution.
    """
    rollout = ledger.rollout(active.key)
    if rollout.ending is not None:
        return Heal.ENDED
    if workflow.is_running(rollout.execution_arn):
        return Heal.RUNS
    since = at - active.healed_at
    if active.heals and since < HEAL_PATIENCE_SECONDS:
        return Heal.UNDER_WAY
    if active.heals >= HEALS_MAX and since < LATE_HEAL_SECONDS and not is_asked_for:
        return Heal.SPENT
    # Dying in between starts nothing twice: only what is noted gives the next one another name.
    workflow.start(heal_name(rollout, active.heals + 1), heal_input(rollout).to_workflow_input())
    ledger.note_heal(active.key, at=at)
    return Heal.STARTED


def heal_name(rollout: Rollout, attempt: int) -> str:
    """Return the name of the execution that is the attempt to heal this generation."""
    key = rollout.key
    return execution_name(key.job_id, key.created_at, rollout.generation, "heal", attempt)


def heal_input(rollout: Rollout) -> Enrolment:
    """Return what that execution is started with: it takes over from the one that died."""
    key = rollout.key
    resume = Resume(key.created_at, rollout.generation, rollout.execution_arn)
    return Enrolment(key.job_id, policy=None, resume=resume)
