"""Read the standing state of what a rollout must heed: alarms, calendars, other rollouts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tidegate.domain.policy import Overlap
from tidegate.domain.rollout import Active, Rollout
from tidegate.domain.situation import REVIEW_MINUTES
from tidegate.domain.standing import Standing
from tidegate.errors import Refused, RetryLater
from tidegate.ports import Alarms, Calendars, Ledger
from tidegate.service.overlap import is_ahead

#: DescribeJob calls of one review and of what follows it.
CALLS_PER_REVIEW = 3
#: AWS allows ten calls of each API a second. All reviews together use half of them at most: the
#: rest is left to whatever cannot wait, such as an abort.
CALLS_PER_SECOND = 5

Reading = TypeVar("Reading")


@dataclass(frozen=True, slots=True)
class Watching:
    """
    What the standing state is read from.

    Attributes:
        account_budget: Devices that all rollouts together may harm beyond what is acceptable;
            None if nothing limits them.
    """

    alarms: Alarms
    calendars: Calendars
    ledger: Ledger
    account_budget: float | None = None

    def read(self, rollout: Rollout, active: Sequence[Active]) -> Standing:
        """
        Return what holds and gates of the rollout's policy ask for; nothing else is read.

        What cannot be read is told as such: it holds what depends on it.

        Raises:
            RetryLater: The ledger throttles.
        """
        policy, unreadable = rollout.policy, dict[str, str]()
        return Standing(
            alarms=_read("alarms", self.alarms.read, policy.watched_alarms, unreadable),
            calendars=_read("calendars", self.calendars.read, policy.freeze.calendars, unreadable),
            unreadable=unreadable,
            overlapping=self._overlapping(rollout),
            harmed_by_all=_harmed_by_all(rollout, active),
            account_budget=self.account_budget,
            outage=rollout.connected.outage,
        )

    def _overlapping(self, rollout: Rollout) -> tuple[str, ...]:
        if rollout.policy.overlap is not Overlap.WAIT or not rollout.overlaps:
            return ()
        current = self.ledger.current(key.job_id for key in rollout.overlaps)
        # A job of the same id that was created since is another one.
        first = [each for each in current.values() if each.key in rollout.overlaps]
        # What undoes one of them takes its place.
        undoing = [each.rolled_back_by for each in first if each.rolled_back_by is not None]
        if undoing:
            first += self.ledger.current(undoing).values()
        return tuple(sorted(each.key.job_id for each in first if is_ahead(each)))


def review_minutes(rollouts: int) -> float:
    """Return the minutes between two reviews of each of so many rollouts: the same for all."""
    return max(REVIEW_MINUTES, rollouts * CALLS_PER_REVIEW / CALLS_PER_SECOND / 60)


def _harmed_by_all(rollout: Rollout, active: Sequence[Active]) -> float:
    """Return what all rollouts harmed; the harm that this one undoes must not keep it from that."""
    return sum(each.harmed_beyond for each in active if each.key.job_id != rollout.rolls_back)


def _read(
    what: str,
    read: Callable[[Iterable[str]], dict[str, Reading]],
    names: Iterable[str],
    unreadable: dict[str, str],
) -> Mapping[str, Reading]:
    wanted = sorted(names)
    if not wanted:
        return {}
    try:
        return read(wanted)
    except (Refused, RetryLater) as error:
        unreadable[what] = str(error)
        return {}
