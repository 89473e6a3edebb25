"""
AWS IoT Jobs and a fleet in virtual time, as counts: one job, minute by minute.

What a device will do is decided when it is notified: whether and when it starts, and how each of
its attempts ends. When an attempt ends is drawn at its start. Devices are counted by cohort,
stratum and minute of start, which is all that rules and AWS ever see of them.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from tidegate.lab.behaviours import Behaviours
from tidegate.lab.controls import JobCounters
from tidegate.lab.draws import Calendar, draw_minutes
from tidegate.lab.fates import (
    REJECTED,
    START_HORIZON_MINUTES,
    SUCCEEDED,
    Distribution,
    Stage,
    fates_of,
)
from tidegate.lab.fleet import Fleet
from tidegate.lab.rule import LATE, PROMPT, Counts, Sight

#: A start this long after its notification, or longer, is late.
LATE_AFTER_MINUTES = 30

_STRATA = 2
_PARTS = 2
_OUTCOMES = 4


class _Shown(NamedTuple):
    """What rules may look at."""

    notified: Counts
    started: Counts
    succeeded: Counts
    failed: Counts
    timed_out: Counts
    rejected: Counts
    arrived: Counts
    canceled: Counts


class CountedJob:
    """
    One job and its devices.

    Each minute: ``arrive`` brings what the minute before has seen, ``notify`` creates executions,
    ``pass_minute`` ends it. ``stop`` ends the rollout, ``quarantine`` that of some cohorts; neither
    touches what has started.

    Attributes:
        minute: Minutes since the job was created.
        is_stopped: Whether the rollout was ended before its time.
    """

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
        self.minute = 0
        self.is_stopped = False
        self._fleet = fleet
        self._rng = rng
        self._chances = fates_of(fleet, behaviours)
        attempt_minutes = fleet.timeout_minutes + behaviours.timeout_lag_minutes + 1
        self._capacity = minutes_max + attempt_minutes * (fleet.retries + 1) + 1
        self._stages_end = [each.from_device for each in self._chances.stages[1:]] + [fleet.size]
        self._sizes = np.array(fleet.cohort_sizes, dtype=np.int64)
        cohorts, fates = len(self._sizes), len(self._chances.fates)
        # Devices that may be notified yet, and whether their cohort is.
        self._left = self._sizes.copy()
        self._open = np.ones(cohorts, dtype=np.bool_)
        # Executions that have not started: those that will, or will reject, and those that never.
        self._queued = _zeros(cohorts)
        self._never = _zeros(cohorts)
        # Devices notified that will start or reject, and will fail.
        self._doomed = _zeros(cohorts)
        self._starting = _zeros(START_HORIZON_MINUTES, _STRATA, cohorts, _PARTS, fates)
        self._ends = Calendar()
        self._retries = Calendar()
        self._rejections = Calendar()
        # What stands for devices of a part, cohort and stratum that start in minute 0.
        self._codes = (np.arange(_PARTS * cohorts * _STRATA) * self._capacity).reshape(
            _PARTS, cohorts, _STRATA
        )
        # What is known.
        self._notified = _zeros(cohorts, self._capacity)
        self._started = _zeros(cohorts, _STRATA, self._capacity)
        self._ended = _zeros(_OUTCOMES - 1, cohorts, _STRATA, self._capacity)
        self._rejected = _zeros(cohorts, self._capacity)
        self._arrived = _zeros(_OUTCOMES, self._capacity)
        self._canceled = _zeros(cohorts)
        self._shown = _Shown(
            *(
                _read_only(each)
                for each in (
                    self._notified,
                    self._started,
                    *self._ended,
                    self._rejected,
                    self._arrived,
                    self._canceled,
                )
            )
        )
        # Devices by outcome and cohort, and AWS's own count, in which retries count again.
        self._outcomes = _zeros(_OUTCOMES, cohorts)
        self._attempts = _zeros(_OUTCOMES)
        self._notified_in_all = 0
        self._started_in_all = 0
        # Who ends in failure, and whose attempt fails, though a retry would succeed.
        self._harmed = _zeros(_PARTS)
        self._failing = _zeros(_PARTS)

    # What is to be seen.

    def sight(self) -> Sight:
        """Return what a rule may know; the arrays change with the job."""
        now, shown = self.minute, self._shown
        return Sight(
            minute=now,
            notified=shown.notified[:, :now],
            started=shown.started[..., :now],
            succeeded=shown.succeeded[..., :now],
            failed=shown.failed[..., :now],
            timed_out=shown.timed_out[..., :now],
            rejected=shown.rejected[:, :now],
            arrived=shown.arrived[:, :now],
            canceled=shown.canceled,
        )

    def counters(self, *, attempts: bool = True) -> JobCounters:
        """Return what AWS counts: every attempt, or only the last one of each device."""
        counted = self._attempts if attempts else self.outcomes
        succeeded, failed, timed_out, rejected = counted.tolist()
        return JobCounters(
            notified=self._notified_in_all,
            succeeded=succeeded,
            failed=failed,
            timed_out=timed_out,
            rejected=rejected,
            canceled=int(self._canceled.sum()),
        )

    @property
    def left(self) -> int:
        """Devices that may still be notified."""
        return int(self._left.sum())

    @property
    def is_quarantined_whole(self) -> bool:
        """Whether no cohort is notified any more."""
        return not self._open.any()

    @property
    def notified(self) -> int:
        """Devices that have an execution."""
        return self._notified_in_all

    @property
    def started(self) -> int:
        """Devices that have started."""
        return self._started_in_all

    @property
    def outcomes(self) -> Counts:
        """Devices by outcome: SUCCEEDED, FAILED, TIMED_OUT, REJECTED."""
        by_outcome: Counts = self._outcomes.sum(axis=1)
        return by_outcome

    @property
    def in_flight(self) -> int:
        """Devices that have started and have no outcome."""
        return self._started_in_all - int(self._outcomes[:REJECTED].sum())

    @property
    def awaited(self) -> int:
        """Devices that are notified and will start, or reject, but have not."""
        return int(self._queued.sum())

    @property
    def unreachable(self) -> int:
        """Devices that are notified and never start."""
        return int(self._never.sum())

    @property
    def canceled(self) -> int:
        """Executions that were canceled."""
        return int(self._canceled.sum())

    @property
    def startable(self) -> int:
        """Devices of cohorts that are not quarantined, without those that never start."""
        return int((self._sizes - self._never)[self._open].sum())

    @property
    def promised(self) -> int:
        """Of these, devices that have succeeded or will, those to be notified included."""
        return self.startable - int(self._doomed[self._open].sum())

    @property
    def settled(self) -> tuple[int, int]:
        """Devices of these cohorts that have succeeded, and that have any outcome."""
        ended = self._outcomes @ self._open
        return int(ended[SUCCEEDED]), int(ended.sum())

    @property
    def harmed(self) -> Counts:
        """
        Devices that have started, or rejected, and end in failure: of BASE and of BAD.

        A stopped rollout retries nothing: an attempt that fails then is the last.
        """
        return self._harmed + (self._failing if self.is_stopped else 0)

    @property
    def failure_rate(self) -> float:
        """Share of failures among the devices notified next, nan if there are none."""
        if not self.left:
            return math.nan
        stages = self._chances.stages
        current = [each for each in stages if each.from_device <= self._notified_in_all][-1]
        return float(current.rates @ self._left / self.left)

    # What is done to the job.

    def notify(self, rate_per_minute: int) -> int:
        """Create the executions of this minute, at most so many; return how many they are."""
        devices = min(rate_per_minute, self.left)
        until = self._notified_in_all + devices
        for stage, ends in zip(self._chances.stages, self._stages_end, strict=True):
            count = min(until, ends) - self._notified_in_all
            if count > 0:
                self._create(count, stage)
        return devices

    def stop(self) -> None:
        """End the rollout: what has not started is canceled, what has runs on."""
        self.is_stopped = True
        self._cancel(np.ones_like(self._open))

    def quarantine(self, cohorts: frozenset[int]) -> None:
        """End the rollout of some cohorts, for good."""
        chosen = np.zeros_like(self._open)
        chosen[list(cohorts)] = True
        chosen &= self._open
        if chosen.any():
            self._open &= ~chosen
            self._cancel(chosen)

    def pass_minute(self) -> None:
        """Go on to the next minute."""
        self.minute += 1

    def _cancel(self, cohorts: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        self._left[cohorts] = 0
        self._canceled[cohorts] += (self._queued + self._never)[cohorts]
        self._queued[cohorts] = 0
        self._never[cohorts] = 0
        self._starting[:, :, cohorts] = 0

    # Notification.

    def _create(self, devices: int, stage: Stage) -> None:
        """Notify devices chosen at random, and decide their fates."""
        chosen = self._rng.multivariate_hypergeometric(self._left, devices, method="marginals")
        self._left -= chosen
        self._notified[:, self.minute] += chosen
        self._notified_in_all += devices
        drawn = self._rng.multinomial(chosen, stage.weights).reshape(len(chosen), 2, -1)
        fates = len(self._chances.fates)
        for offline in (0, 1):
            self._enqueue(drawn[:, offline, :fates], offline, stage)
            for kind, minutes in enumerate(self._chances.rejects_after[offline]):
                self._enqueue_rejections(drawn[:, offline, fates + kind], minutes, stage)

    def _enqueue(self, drawn: Counts, offline: int, stage: Stage) -> None:
        """Draw when devices of each [cohort, fate] start."""
        devices = drawn.sum(axis=1)
        if not devices.any():
            return
        cohorts, fates = drawn.shape
        cells = (np.arange(cohorts) * _PARTS + stage.parts)[:, None] * fates + np.arange(fates)
        who = np.repeat(cells.ravel(), drawn.ravel())
        after = draw_minutes(self._rng, self._chances.starts_after[offline], len(who))
        starts = after < START_HORIZON_MINUTES
        who, after = who[starts], after[starts]
        stratum = np.where(after >= LATE_AFTER_MINUTES, LATE, PROMPT)
        slot = (self.minute + after) % START_HORIZON_MINUTES
        places = (slot * _STRATA + stratum) * (cohorts * _PARTS * fates) + who
        np.add.at(self._starting.reshape(-1), places, 1)
        coming = np.bincount(who // (_PARTS * fates), minlength=cohorts)
        self._queued += coming
        self._never += devices - coming
        lost = who[self._chances.loses[who % fates]]
        self._doomed += np.bincount(lost // (_PARTS * fates), minlength=cohorts)

    def _enqueue_rejections(self, drawn: Counts, minutes: Distribution, stage: Stage) -> None:
        """Draw when devices of each cohort reject."""
        cohorts = len(drawn)
        who = np.repeat(stage.parts * cohorts + np.arange(cohorts), drawn)
        after = draw_minutes(self._rng, minutes, len(who))
        comes = after < START_HORIZON_MINUTES
        who, after = who[comes], after[comes]
        self._rejections.put(self.minute + after, who * self._capacity + self.minute)
        coming = np.bincount(who % cohorts, minlength=cohorts)
        self._queued += coming
        self._never += drawn - coming
        self._doomed += coming

    # What comes of it.

    def arrive(self) -> None:
        """Let the minute before this one happen: starts, and outcomes that fall due."""
        if not self.minute:
            return
        minute = self.minute - 1
        before = self._attempts.copy()
        self._start(minute)
        # An attempt may end in the minute in which it begins.
        for _ in range(self._fleet.retries):
            self._retry(minute)
        self._end(minute)
        self._reject(minute)
        self._arrived[:, minute] = self._attempts - before

    def _start(self, minute: int) -> None:
        slot = minute % START_HORIZON_MINUTES
        starting = self._starting[slot]
        if not starting.any():
            return
        # In the order of the codes: part, cohort, stratum; then the fate.
        starting = starting.transpose(2, 1, 0, 3)
        devices = starting.sum(axis=(0, 3))
        self._started[:, :, minute] = devices
        self._started_in_all += int(devices.sum())
        self._queued -= devices.sum(axis=1)
        codes = (self._codes + minute).ravel()
        for index, fate in enumerate(self._chances.fates):
            counts = starting[..., index]
            if fate.failures:
                bearing = self._failing if fate.ends_well else self._harmed
                bearing += counts.sum(axis=(1, 2))
            self._attempt(index, 0, np.repeat(codes, counts.ravel()), minute)
        starting[:] = 0

    def _attempt(self, index: int, number: int, codes: Counts, minute: int) -> None:
        """Draw when the attempts of devices with a fate end that begin in a minute."""
        if not len(codes):
            return
        fate = self._chances.fates[index]
        ending = fate.failing if number < fate.failures else self._chances.success
        due = minute + draw_minutes(self._rng, ending.minutes, len(codes))
        size = self._ended[0].size
        if number == fate.last_attempt:
            self._ends.put(due, ending.outcome * size + codes % size)
        else:
            marks = number * len(self._chances.fates) + index
            self._retries.put(due, marks * (_PARTS * size) + codes)

    def _retry(self, minute: int) -> None:
        """End failed attempts that are not the last, and begin the next."""
        due = self._retries.take(minute)
        size = self._ended[0].size
        marks, codes = np.divmod(due, _PARTS * size)
        for mark in np.unique(marks):
            number, index = divmod(int(mark), len(self._chances.fates))
            self._retry_alike(index, number, codes[marks == mark], minute)

    def _retry_alike(self, index: int, number: int, codes: Counts, minute: int) -> None:
        fate = self._chances.fates[index]
        outcome = fate.failing.outcome
        size = self._ended[0].size
        if self.is_stopped:
            self._ends.put(np.full(len(codes), minute), outcome * size + codes % size)
            return
        self._attempts[outcome] += len(codes)
        if fate.ends_well and number + 1 == fate.failures:
            self._failing -= np.bincount(codes // size, minlength=_PARTS)
        self._attempt(index, number + 1, codes, minute)

    def _end(self, minute: int) -> None:
        codes = self._ends.take(minute)
        if not len(codes):
            return
        np.add.at(self._ended.reshape(-1), codes, 1)
        cells = np.bincount(codes // (_STRATA * self._capacity), minlength=self._outcomes.size)
        ended = cells.reshape(self._outcomes.shape)
        self._outcomes += ended
        self._attempts += ended.sum(axis=1)

    def _reject(self, minute: int) -> None:
        codes = self._rejections.take(minute)
        if self.is_stopped or not len(codes):
            return
        cohorts = len(self._sizes)
        codes = codes[self._open[codes // self._capacity % cohorts]]
        np.add.at(self._rejected.reshape(-1), codes % (cohorts * self._capacity), 1)
        who = codes // self._capacity
        self._queued -= np.bincount(who % cohorts, minlength=cohorts)
        self._harmed += np.bincount(who // cohorts, minlength=_PARTS)
        self._outcomes[REJECTED] += np.bincount(who % cohorts, minlength=cohorts)
        self._attempts[REJECTED] += len(codes)


def _zeros(*shape: int) -> Counts:
    return np.zeros(shape, dtype=np.int64)


def _read_only(counts: Counts) -> Counts:
    """Return a view that cannot be written to, and neither can what is cut from it."""
    view = counts.view()
    view.flags.writeable = False
    return view
