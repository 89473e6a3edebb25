"""
AWS IoT Jobs and a fleet in virtual time, as counts: one job, minute by minute.

What a device will do is decided when it is notified: whether and when it starts, and how each of
its attempts ends. When an attempt ends is drawn at its start. Devices are counted by cohort,
stratum and minute of start, which is all that rules and AWS ever see of them.
"""

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tidegate.lab.attempts import Attempts
from tidegate.lab.behaviours import Behaviours
from tidegate.lab.fates import PARTS, Stage, fates_of
from tidegate.lab.fleet import Fleet
from tidegate.lab.known import zeros
from tidegate.lab.played import PlayedJob
from tidegate.lab.queue import LATE_AFTER_MINUTES, Queue
from tidegate.lab.rule import Counts

__all__ = ["LATE_AFTER_MINUTES", "CountedJob"]


class CountedJob(PlayedJob):
    """One job, and devices of which chance decides what they do."""

    def __init__(
        self, fleet: Fleet, behaviours: Behaviours, rng: Generator, *, minutes_max: int
    ) -> None:
        """
        Create a job of which nobody is notified yet.

        Args:
            fleet: The devices.
            behaviours: How AWS behaves.
            rng: Where chance comes from.
            minutes_max: Minutes for which devices are notified and start, at most.
        """
        attempt_minutes = fleet.timeout_minutes + behaviours.timeout_lag_minutes + 1
        capacity_minutes = minutes_max + attempt_minutes * (fleet.retries + 1) + 1
        super().__init__(len(fleet.cohort_sizes), capacity_minutes)
        self._rng = rng
        self._retries = fleet.retries
        fates = fates_of(fleet, behaviours)
        self._stages = fates.stages
        self._stages_end = [*(stage.from_device for stage in fates.stages[1:]), fleet.size]
        self._sizes = np.array(fleet.cohort_sizes, dtype=np.int64)
        # Devices that may be notified yet.
        self._left = self._sizes.copy()
        self._queue = Queue(fates, len(self._sizes), capacity_minutes, rng)
        self._attempts = Attempts(fates, len(self._sizes), capacity_minutes, rng)
        self._harmed_by_rejecting = zeros(PARTS)

    # What is to be seen.

    @property
    def left(self) -> int:
        """Devices that may still be notified."""
        return int(self._left.sum())

    @property
    def outcomes(self) -> Counts:
        """Devices by outcome: SUCCEEDED, FAILED, TIMED_OUT, REJECTED."""
        by_outcome: Counts = self._known.outcomes.sum(axis=1)
        return by_outcome

    @property
    def awaited(self) -> int:
        """Devices that are notified and will start, or reject, but have not."""
        return int(self._queue.coming.sum())

    @property
    def unreachable(self) -> int:
        """Devices that are notified and never start."""
        return int(self._queue.never.sum())

    @property
    def canceled(self) -> int:
        """Executions that were canceled."""
        return int(self._known.canceled.sum())

    @property
    def startable(self) -> int:
        """Devices of cohorts that are not quarantined, without those that never start."""
        return int((self._sizes - self._queue.never) @ self._open)

    @property
    def promised(self) -> int:
        """Of these, devices that have succeeded or will, if all are notified."""
        return self.startable - int(self._queue.doomed @ self._open)

    @property
    def harmed(self) -> Counts:
        """
        Devices that have started, or rejected, and end in failure: of BASE and of BAD.

        A stopped rollout retries nothing: an attempt that fails then is the last.
        """
        harmed = self._attempts.harmed + self._harmed_by_rejecting
        return harmed + self._attempts.failing if self.is_stopped else harmed

    @property
    def failure_rate(self) -> float:
        """Share of failures among the devices notified next, nan if there are none."""
        if not self.left:
            return math.nan
        stage = [each for each in self._stages if each.from_device <= self.notified][-1]
        return float(stage.rates @ self._left / self.left)

    # What is done to the job.

    def notify(self, rate_per_minute: int) -> int:
        """Create the executions of this minute, at most so many; return how many they are."""
        devices = min(rate_per_minute, self.left)
        until = self.notified + devices
        for stage, ends in zip(self._stages, self._stages_end, strict=True):
            count = min(until, ends) - self.notified
            if count > 0:
                self._create(count, stage)
        return devices

    def arrive(self) -> None:
        """Let the minute before this one happen: starts, and outcomes that fall due."""
        if not self.minute:
            return
        minute, known = self.minute - 1, self._known
        before = known.attempts.copy()
        starting = self._queue.start(minute)
        if starting.any():
            known.start(starting.sum(axis=(0, 3)), minute)
            self._attempts.begin(starting, minute)
        ended = self._attempts.end(minute, retries=0 if self.is_stopped else self._retries)
        known.attempts += ended.retried
        known.end(ended.places)
        known.go_dark(ended.dark)
        self._reject(minute)
        known.arrived[:, minute] = known.attempts - before

    def _create(self, devices: int, stage: Stage) -> None:
        """Notify devices chosen at random, and decide their fates."""
        chosen = self._rng.multivariate_hypergeometric(self._left, devices, method="marginals")
        self._left -= chosen
        self._known.notify(chosen, self.minute)
        drawn = self._rng.multinomial(chosen, stage.weights).reshape(len(chosen), 2, -1)
        self._queue.add(drawn, stage.parts, self.minute)

    def _close(self) -> None:
        self._left[:] = 0

    def _cancel(self, cohorts: NDArray[np.bool_]) -> None:
        self._known.canceled += self._queue.cancel(cohorts)

    def _reject(self, minute: int) -> None:
        due = self._queue.reject(minute)
        if self.is_stopped or not len(due.cohorts):
            return
        kept = due.minutes >= self._canceled_until[due.cohorts]
        parts, cohorts, minutes = (each[kept] for each in due)
        self._queue.coming -= np.bincount(cohorts, minlength=len(self._sizes))
        self._harmed_by_rejecting += np.bincount(parts, minlength=PARTS)
        self._known.reject(np.ravel_multi_index((cohorts, minutes), self._known.rejected.shape))
