"""
AWS IoT Jobs and devices that have been through it before, as counts: one job, minute by minute.

Where ``model`` draws what devices do, each device here does again what it did: it starts, and ends,
as long after its notification as it was seen to.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tidegate.domain.jobs import REPORTED, ExecutionStatus
from tidegate.lab.fates import BASE, FAILED, PARTS, REJECTED, SUCCEEDED, TIMED_OUT
from tidegate.lab.known import zeros
from tidegate.lab.played import PlayedJob
from tidegate.lab.queue import LATE_AFTER_MINUTES
from tidegate.lab.recording import Recorded
from tidegate.lab.rule import LATE, PROMPT, Counts

_OUTCOMES = {
    ExecutionStatus.SUCCEEDED: SUCCEEDED,
    ExecutionStatus.FAILED: FAILED,
    ExecutionStatus.TIMED_OUT: TIMED_OUT,
    ExecutionStatus.REJECTED: REJECTED,
}

#: Devices that do nothing: they neither start nor reject.
_NEVER = math.inf

Minutes = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Doings:
    """
    What each device does, in the order of notification.

    Attributes:
        acts_after: Minutes from its notification to its start, or rejection; inf if never.
        lasts: Minutes from its start to its outcome; none for a rejection.
        outcomes: SUCCEEDED, FAILED, TIMED_OUT or REJECTED, as indices.
        cohorts: Index of each device's cohort.
        names: Of the cohorts.
        supposed: Whether something of what it does was drawn, as nobody has seen it.
    """

    acts_after: Minutes
    lasts: Minutes
    outcomes: Counts
    cohorts: Counts
    names: tuple[str, ...]
    supposed: NDArray[np.bool_]


def doings_of(
    recorded: Iterable[Recorded],
    *,
    fleet_size: int,
    until_minutes: float,
    timeout_minutes: int,
    rng: Generator,
) -> Doings:
    """
    Return what devices do, with what nobody saw drawn from devices that took at least as long.

    Args:
        recorded: In the order of notification.
        fleet_size: Devices in all; those beyond the recorded ones are like some of these.
        until_minutes: When they were last looked at.
        timeout_minutes: In progress for longer, and a device is TIMED_OUT.
        rng: Where chance comes from.

    Raises:
        ValueError: No device is known to its end.
    """
    devices = list(recorded)[:fleet_size]
    whole = [each for each in devices if each.status in REPORTED]
    if not whole:
        message = "no device came to an outcome"
        raise ValueError(message)
    names = tuple(dict.fromkeys(each.cohort for each in devices))
    drawn = _Drawn(whole, until_minutes, rng)
    rows = [drawn.row(each) for each in devices]
    picked = rng.integers(len(rows), size=fleet_size - len(rows))
    rows += [(*rows[place][:-1], True) for place in picked]
    cohorts = [names.index(each.cohort) for each in devices]
    cohorts += [cohorts[place] for place in picked]
    acts, lasts, outcomes, supposed = (np.array(each) for each in zip(*rows, strict=True))
    started = outcomes != REJECTED
    too_long = started & ((lasts >= timeout_minutes) | (outcomes == TIMED_OUT))
    return Doings(
        acts_after=acts.astype(np.float64),
        lasts=np.where(too_long, float(timeout_minutes), lasts.astype(np.float64)),
        outcomes=np.where(too_long, TIMED_OUT, outcomes).astype(np.int64),
        cohorts=np.array(cohorts, dtype=np.int64),
        names=names,
        supposed=supposed.astype(np.bool_),
    )


#: When a device acts, how long it takes, its outcome, and whether something of it was drawn.
_Row = tuple[float, float, int, bool]


class _Drawn:
    """What is known of devices, and what is drawn for it where it is not."""

    def __init__(self, whole: list[Recorded], until_minutes: float, rng: Generator) -> None:
        self._rows = [_known(each) for each in whole]
        self._acts = np.array([row[0] for row in self._rows])
        started = np.array([row[2] != REJECTED for row in self._rows])
        self._lasts = np.where(started, [row[1] for row in self._rows], -1.0)
        self._until = until_minutes
        self._rng = rng

    def row(self, device: Recorded) -> _Row:
        """Return what a device does."""
        if device.status in REPORTED:
            return _known(device)
        seen_until = self._until if device.ended is None else device.ended
        if device.started is None:
            return self._waiting(seen_until - device.notified)
        return self._at_work(device, seen_until - device.started)

    def _waiting(self, waited: float) -> _Row:
        """Draw a device that had not started by then; none is known: it never does."""
        donors = np.flatnonzero(self._acts > waited)
        if not len(donors):
            return (_NEVER, 0.0, TIMED_OUT, True)
        acts, lasts, outcome, _ = self._rows[int(self._rng.choice(donors))]
        return (acts, lasts, outcome, True)

    def _at_work(self, device: Recorded, worked: float) -> _Row:
        """Draw a device that was at work for so long; none is known: it times out."""
        acts = (device.started or 0.0) - device.notified
        donors = np.flatnonzero(self._lasts > worked)
        if not len(donors):
            return (acts, _NEVER, TIMED_OUT, True)
        _, lasts, outcome, _ = self._rows[int(self._rng.choice(donors))]
        return (acts, lasts, outcome, True)


def _known(device: Recorded) -> _Row:
    outcome = _OUTCOMES[device.status]
    ended = device.notified if device.ended is None else device.ended
    if outcome == REJECTED or device.started is None:
        # Whoever reports nothing but the end is known from then on.
        return (max(0.0, ended - device.notified), 0.0, outcome, False)
    return (
        max(0.0, device.started - device.notified),
        max(0.0, ended - device.started),
        outcome,
        False,
    )


class RecordedJob(PlayedJob):
    """
    One job, and devices that do again what they did.

    Attributes:
        supposed: Devices notified of which something was drawn.
    """

    def __init__(self, doings: Doings, *, minutes_max: int, timeout_minutes: int) -> None:
        """Create a job of which nobody is notified yet, for so many minutes at most."""
        self._capacity = minutes_max + timeout_minutes + 2
        super().__init__(len(doings.names), self._capacity)
        self.supposed = 0
        self._doings = doings
        # In the order of notification; what is canceled is taken out where it turns up.
        self._next = 0
        self._order = np.arange(len(doings.cohorts))
        self._notified_at = np.full(len(doings.cohorts), -1, dtype=np.int64)
        self._started_at = np.full(len(doings.cohorts), -1, dtype=np.int64)
        self._acting: dict[int, list[Counts]] = {}
        self._ending: dict[int, list[Counts]] = {}
        self._waiting = np.zeros(len(doings.cohorts), dtype=np.bool_)

    @property
    def left(self) -> int:
        """Devices that may still be notified."""
        return len(self._order) - self._next

    @property
    def awaited(self) -> int:
        """Devices that are notified and will start, or reject, but have not."""
        return int((self._waiting & np.isfinite(self._doings.acts_after)).sum())

    @property
    def startable(self) -> int:
        """Devices of cohorts that are not quarantined, without those that never start."""
        return int((self._is_open() & np.isfinite(self._doings.acts_after)).sum())

    @property
    def promised(self) -> int:
        """Of these, devices that have succeeded or will, if all are notified."""
        succeeds = self._doings.outcomes == SUCCEEDED
        return int((self._is_open() & np.isfinite(self._doings.acts_after) & succeeds).sum())

    @property
    def harmed(self) -> Counts:
        """Devices that have started, or rejected, and end in failure."""
        begun = (self._started_at >= 0) & (self._doings.outcomes != SUCCEEDED)
        harmed = zeros(PARTS)
        harmed[BASE] = int(begun.sum()) + int(self._known.outcomes[REJECTED].sum())
        return harmed

    @property
    def failure_rate(self) -> float:
        """Nan: nobody knows the truth about devices that have been."""
        return math.nan

    def notify(self, rate_per_minute: int) -> int:
        """Create the executions of this minute, at most so many; return how many they are."""
        chosen = self._order[self._next : self._next + rate_per_minute]
        if not len(chosen):
            return 0
        self._next += len(chosen)
        doings, cohorts = self._doings, len(self._open)
        self._notified_at[chosen] = self.minute
        self._known.notify(np.bincount(doings.cohorts[chosen], minlength=cohorts), self.minute)
        self.supposed += int(doings.supposed[chosen].sum())
        self._waiting[chosen] = True
        self._put(self._acting, chosen, self.minute + doings.acts_after[chosen])
        return len(chosen)

    def arrive(self) -> None:
        """Let the minute before this one happen: starts, and outcomes that fall due."""
        if not self.minute:
            return
        minute, known = self.minute - 1, self._known
        before = known.attempts.copy()
        self._act(self._due(self._acting, minute), minute)
        self._end(self._due(self._ending, minute))
        known.arrived[:, minute] = known.attempts - before

    def _is_open(self) -> NDArray[np.bool_]:
        is_open: NDArray[np.bool_] = self._open[self._doings.cohorts]
        return is_open

    def _act(self, devices: Counts, minute: int) -> None:
        devices = devices[self._waiting[devices]]
        self._waiting[devices] = False
        doings, known = self._doings, self._known
        rejecting = doings.outcomes[devices] == REJECTED
        rejects, starts = devices[rejecting], devices[~rejecting]
        if len(rejects):
            places = doings.cohorts[rejects] * self._capacity + self._notified_at[rejects]
            known.reject(places)
        if not len(starts):
            return
        self._started_at[starts] = minute
        begun = zeros(len(self._open), 2)
        np.add.at(begun, (doings.cohorts[starts], self._strata(starts)), 1)
        known.start(begun, minute)
        ends = self._notified_at[starts] + doings.acts_after[starts] + doings.lasts[starts]
        # A time-out's timer is AWS's own: nothing ends before it began.
        self._put(self._ending, starts, np.maximum(ends, minute))

    def _end(self, devices: Counts) -> None:
        if not len(devices):
            return
        doings, shape = self._doings, self._known.ended.shape
        where = (
            doings.outcomes[devices],
            doings.cohorts[devices],
            self._strata(devices),
            self._started_at[devices],
        )
        self._known.end(np.ravel_multi_index(where, shape))

    def _strata(self, devices: Counts) -> Counts:
        late = self._doings.acts_after[devices] >= LATE_AFTER_MINUTES
        return np.where(late, LATE, PROMPT)

    def _close(self) -> None:
        self._order = self._order[: self._next]

    def _cancel(self, cohorts: NDArray[np.bool_]) -> None:
        closed = cohorts[self._doings.cohorts]
        gone = np.flatnonzero(self._waiting & closed)
        self._waiting[gone] = False
        self._known.canceled += np.bincount(self._doings.cohorts[gone], minlength=len(self._open))

    def _put(self, calendar: dict[int, list[Counts]], devices: Counts, at: Minutes) -> None:
        """Note devices under the minutes in which something happens to them, if it ever does."""
        within = at < self._capacity
        minutes = at[within].astype(np.int64)
        for minute in np.unique(minutes).tolist():
            calendar.setdefault(minute, []).append(devices[within][minutes == minute])

    def _due(self, calendar: dict[int, list[Counts]], minute: int) -> Counts:
        due = calendar.pop(minute, [])
        return np.concatenate(due) if due else zeros(0)
