"""What a job that is played minute by minute is, whatever its devices do."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from tidegate.lab.controls import JobCounters
from tidegate.lab.fates import REJECTED
from tidegate.lab.known import Known, zeros
from tidegate.lab.rule import Sight


class PlayedJob(ABC):
    """
    One job and its devices.

    Each minute: ``arrive`` brings what the minute before has seen, ``notify`` creates executions,
    ``pass_minute`` ends it. ``stop`` ends the rollout; ``quarantine`` cancels what waits of some
    cohorts, which AWS goes on to notify like all others. Neither touches what has started.

    Attributes:
        minute: Minutes since the job was created.
        is_stopped: Whether the rollout was ended before its time.
    """

    def __init__(self, cohorts: int, capacity_minutes: int) -> None:
        """Create a job of which nothing is known in so many minutes."""
        self.minute = 0
        self.is_stopped = False
        self._known = Known(cohorts, capacity_minutes)
        # Whether a cohort is not left out, and before which minute all that waited was canceled.
        self._open = np.ones(cohorts, dtype=np.bool_)
        self._canceled_until = zeros(cohorts)

    def sight(self) -> Sight:
        """Return what a rule may know; the arrays change with the job."""
        return self._known.sight(self.minute)

    def counters(self, *, attempts: bool = True) -> JobCounters:
        """Return what AWS counts: every attempt, or only the last one of each device."""
        return self._known.counters(attempts=attempts)

    @property
    def is_quarantined_whole(self) -> bool:
        """Whether all cohorts are left out."""
        return not self._open.any()

    @property
    def notified(self) -> int:
        """Devices that have an execution."""
        return self._known.notified_in_all

    @property
    def started(self) -> int:
        """Devices that have started."""
        return self._known.started_in_all

    @property
    def in_flight(self) -> int:
        """Devices that have started and have no outcome."""
        return self.started - int(self._known.outcomes[:REJECTED].sum())

    @property
    def settled(self) -> tuple[int, int]:
        """Devices of cohorts not quarantined that have succeeded, and that have any outcome."""
        return self._known.settled(self._open)

    def stop(self) -> None:
        """End the rollout: what has not started is canceled, what has runs on."""
        self.is_stopped = True
        self._close()
        self._cancel(np.ones_like(self._open))

    def quarantine(self, cohorts: frozenset[int]) -> None:
        """Leave some cohorts out for good, and cancel what waits of them by now."""
        chosen = np.zeros_like(self._open)
        chosen[list(cohorts)] = True
        self._open &= ~chosen
        self._cancel(chosen)
        self._canceled_until[chosen] = self.minute

    def pass_minute(self) -> None:
        """Go on to the next minute."""
        self.minute += 1

    @abstractmethod
    def _close(self) -> None:
        """Notify nobody any more."""

    @abstractmethod
    def _cancel(self, cohorts: NDArray[np.bool_]) -> None:
        """Cancel what has not started of these cohorts."""
