"""Turns: a launch whose policy lets others finish first, before there is a job of its own."""

from dataclasses import dataclass
from enum import StrEnum

from tidegate.domain.rollout import AbortRequest


class Phase(StrEnum):
    """How far a launch has come that had to wait."""

    WAITING = "waiting"
    #: Its job is being created, or there already.
    BEGINNING = "beginning"
    #: It is a rollout by now, or will never be one.
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Turn:
    """
    A launch that waits until rollouts with some of the same things are over.

    Attributes:
        job_id: Of the job to be created.
        execution_arn: The workflow execution that waits.
        policy_name: What it is to be steered under.
        behind: Ids of the jobs that it waits for, as of its last look.
        since: Epoch seconds.
        phase: How far it has come.
        given_up: Who does not want it any more; None if nobody said so.
    """

    job_id: str
    execution_arn: str
    policy_name: str
    behind: tuple[str, ...]
    since: float
    phase: Phase = Phase.WAITING
    given_up: AbortRequest | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it will begin by itself once those before it are over."""
        return self.phase is Phase.WAITING and self.given_up is None
