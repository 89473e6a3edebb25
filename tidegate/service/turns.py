"""
Turns: a launch that has to wait is kept, told of once, and given up if somebody wants that.

Its job does not exist, so it is no rollout yet, and what is known of it is a record of its own.
Every step of it is written over what was read: a launch that was given up while it waited never
begins. One that was given up while its job was being created hands the wish on to its rollout.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidegate.documents.announcements import launch_given_up, launch_waiting
from tidegate.domain.rollout import AbortRequest, RolloutKey
from tidegate.domain.turn import Phase, Turn
from tidegate.errors import Refused, RetryLater
from tidegate.ports import Bus, Clock, Ledger
from tidegate.service.telling import tell

#: How long a launch waits for others that have some of the same things; then it is refused.
WAIT_FOR_TURN_DAYS_MAX = 7
#: Between two looks whether they are over.
WAIT_FOR_TURN_SECONDS = 300

_DAY_SECONDS = 86_400


class NotYet(RetryLater):
    """
    Other rollouts have some of the same things and come first; nothing was changed.

    try:
        enrolling.enroll(workflow_input, execution_arn)
    except NotYet as turn:
        sleep(turn.wait_seconds)   # and enroll again
    """

    wait_seconds = WAIT_FOR_TURN_SECONDS


class GivenUp(Refused):
    """Somebody gave the launch up while it waited; its job is not created."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The ports that waiting for a turn needs."""

    ledger: Ledger
    bus: Bus
    clock: Clock

    def of(self, execution_arn: str) -> Turn | None:
        """Return the launch of an execution, if it had to wait and is not over."""
        turns = self.ledger.turns()
        return next((each for each in turns if each.execution_arn == execution_arn), None)

    def wait(self, turn: Turn | None, behind: Turn) -> NotYet:
        """
        Keep whom a launch waits for; tell of it if that is news.

        Args:
            turn: As it was read; None before its first look.
            behind: As it stands now.

        Returns:
            What to raise.

        Raises:
            Refused: It has waited for too long.
        """
        ids = ", ".join(behind.behind)
        if self.clock.now() - behind.since >= WAIT_FOR_TURN_DAYS_MAX * _DAY_SECONDS:
            message = (
                f"job {behind.job_id} waited {WAIT_FOR_TURN_DAYS_MAX} days for its turn, but jobs "
                f"that have some of the same things go on still: {ids}; launch it again when they "
                "are over, or under a policy whose overlap is warn or go"
            )
            raise Refused(message)
        if turn is None:
            # Told before it is noted: dying in between tells it twice, and not never.
            tell(launch_waiting(behind, self.clock.now()), bus=self.bus)
        if turn != behind:
            self.ledger.write_turn(behind, previous=turn)
        return NotYet(
            f"job {behind.job_id} waits for its turn: jobs that have some of the same things go "
            f"on: {ids}"
        )

    def begin(self, turn: Turn | None) -> None:
        """Let a launch begin; raises Contention if it was given up in this very moment."""
        if turn is not None and turn.phase is not Phase.BEGINNING:
            self.ledger.write_turn(replace(turn, phase=Phase.BEGINNING), previous=turn)

    def hand_on(self, execution_arn: str, key: RolloutKey) -> None:
        """Be done with a launch that is a rollout now, to be stopped if it was given up."""
        turn = self.of(execution_arn)
        if turn is None:
            return
        if turn.given_up is not None:
            self.ledger.request_abort(key, turn.given_up)
        self.close(turn)

    def close(self, turn: Turn) -> None:
        """Be done with a launch; raises Contention."""
        self.ledger.write_turn(replace(turn, phase=Phase.OVER), previous=turn)

    def give_up(self, turns: Sequence[Turn], request: AbortRequest) -> list[Turn]:
        """
        Give launches up that nobody gave up before.

        Asked again for the same reason at the same time, it is the same command, and done.

        Returns:
            Those that this command gave up.
        """
        asked = [each for each in turns if each.given_up in (None, request)]
        for turn in asked:
            if turn.given_up is None:
                self.ledger.write_turn(replace(turn, given_up=request), previous=turn)
        return [replace(each, given_up=request) for each in asked]

    def refusal(self, turn: Turn) -> GivenUp:
        """
        Return what keeps a launch from beginning that was given up.

        Whoever gave it up while it waited has told that; while it began, it was not sure yet.
        """
        event = launch_given_up(turn, self.clock.now())
        if turn.phase is Phase.BEGINNING:
            tell(event, bus=self.bus)
        return GivenUp(str(event.detail["summary"]))
