"""
A rollout that has been, as far as its events tell: what they do not tell is estimated.

Events say how each device ended and when, and how many were notified and had started whenever
Tidegate told of a decision. When each device was notified and started they do not say. How many
were notified by each minute follows from the counts and the rates in force between them. How long
devices take, to their start and to each outcome, is what makes those that came in the likeliest (by
expectation and maximization over a histogram of delays). Each device then gets one of the
notifications that its delay allows, the likelier the rather, and a start before its end.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from tidegate.documents.archive import Archive, Count
from tidegate.domain.jobs import REPORTED, ExecutionStatus
from tidegate.domain.outcomes import ThingRecord
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import Ending
from tidegate.lab.recording import Recorded, Recording, Told

#: Steps of time that delays are told apart by, at most: a minute each in rollouts of a day.
_STEPS_MAX = 1440

#: Rounds of expectation and maximization: more of them follow chance rather than devices.
_ROUNDS = 30

#: What is drawn for a rollout is drawn alike each time.
_SEED = 1

#: Of delays that nobody was told of.
_UNHEARD_OF = 1e-6

_MINUTE_SECONDS = 60.0

Minutes = NDArray[np.float64]
Shares = NDArray[np.float64]
Counts = NDArray[np.int64]


def recording_of(archive: Archive, policy: Policy | None = None) -> Recording:
    """
    Return the recording of a rollout; notifications and starts of its devices are estimated.

    Args:
        archive: What events tell of it.
        policy: That it was steered by; None: events tell its name only.
    """
    ends = [
        _Ended(_minutes(archive, each.at), each.status, name)
        for name, each in sorted(archive.outcomes.items(), key=_in_time)
    ]
    notified = _notified(archive, len(ends))
    # A job that ran to its end was for all that were notified.
    known = len(notified) if archive.ending is Ending.COMPLETED else None
    return Recording(
        job_id=archive.key.job_id,
        policy=policy or archive.policy_name,
        devices=tuple(sorted(_estimated(archive, ends, notified), key=lambda each: each.notified)),
        minutes=_minutes(archive, archive.ended_at or archive.until),
        fleet_size=archive.fleet_size or known,
        timeout_minutes=archive.timeout_minutes,
        ending=archive.ending,
        why=archive.why,
        told=tuple(_told(archive)),
    )


def _told(archive: Archive) -> Iterator[Told]:
    rate: int | None = None
    for each in archive.counts:
        rate = each.rate_per_minute or rate
        minutes = _minutes(archive, each.at)
        yield Told(minutes, each.exposed, each.started, each.harmed, each.verdict, rate)


class _Ended(NamedTuple):
    """When a thing's execution came to a status to end with, in minutes."""

    minute: float
    status: ExecutionStatus
    name: str


def _in_time(item: tuple[str, ThingRecord]) -> tuple[int, str]:
    return item[1].at, item[0]


def _minutes(archive: Archive, at: float) -> float:
    return max(0.0, (at - archive.key.created_at) / _MINUTE_SECONDS)


def _notified(archive: Archive, ended: int) -> Minutes:
    """Return when devices were notified, in their order: at the rate in force up to each count."""
    minutes, exposed = [0.0], [0]
    rate: int | None = None
    for at, count in _steps(archive, ended):
        since, more = minutes[-1], max(0, count.exposed - exposed[-1])
        within = more / rate if rate else math.inf
        minutes += [min(at, since + within), max(since, at)]
        exposed += [exposed[-1] + more] * 2
        rate = count.rate_per_minute or rate
    halves = np.arange(exposed[-1]) + 0.5
    notified: Minutes = np.interp(halves, exposed, minutes)
    return notified


def _steps(archive: Archive, ended: int) -> Iterator[tuple[float, Count]]:
    for count in archive.counts:
        yield _minutes(archive, count.at), count
    # Whoever has ended was notified, whatever was told before that.
    yield _minutes(archive, archive.until), Count(archive.until, ended, None, 0, 0)


def _estimated(archive: Archive, ends: list[_Ended], notified: Minutes) -> Iterator[Recorded]:
    """Yield all devices that were notified, each with a notification and a start of its own."""
    rng = default_rng(_SEED)
    grid = _Grid(_minutes(archive, archive.until), notified)
    starts = _starts(archive, grid)
    reported = [each for each in ends if each.status in REPORTED]
    laws = {status: _law(archive, status, reported, starts, grid) for status in REPORTED}
    slots = _Slots(grid)
    # An outcome tells by its delay whose it is; what came to none has what is left.
    for each in reported:
        law = laws[each.status]
        at = slots.take(each.minute, law, rng)
        after = _start_after(archive, each, at, starts, law, rng)
        started = None if after is None else at + after
        yield Recorded(at, started, each.minute, each.status, name=each.name, estimated=True)
    left = rng.permutation(slots.left()).tolist()
    for each in (each for each in ends if each.status not in REPORTED):
        at = min(left.pop(), each.minute)
        yield Recorded(at, None, each.minute, each.status, name=each.name, estimated=True)
    last = archive.counts[-1]
    since = sum(each.minute > _minutes(archive, last.at) for each in reported)
    in_flight = last.in_flight - since
    for number, at in enumerate(left):
        if number < in_flight:
            started = at + starts.drawn(grid.until - at, rng)
            yield Recorded(at, started, None, ExecutionStatus.IN_PROGRESS, estimated=True)
        else:
            yield Recorded(at, None, None, ExecutionStatus.QUEUED, estimated=True)


def _starts(archive: Archive, grid: "_Grid") -> "_Law":
    """Return how long devices take to start, from what was told of how many had."""
    told = [(_minutes(archive, each.at), each.started) for each in archive.counts]
    known = [(minute, started) for minute, started in told if started is not None]
    minutes = np.array([0.0, *(minute for minute, _ in known)], dtype=np.float64)
    begun = np.maximum.accumulate([0, *(started for _, started in known)])
    law = grid.law(minutes, np.diff(begun))
    # Late starts come when nothing is told any more.
    return _Law(law.shares + _UNHEARD_OF, grid.width)


def _law(
    archive: Archive,
    status: ExecutionStatus,
    reported: Sequence[_Ended],
    starts: "_Law",
    grid: "_Grid",
) -> "_Law":
    """Return how long it is from a notification to an outcome of this status."""
    timeout = archive.timeout_minutes
    if status is ExecutionStatus.TIMED_OUT and timeout is not None:
        # The timer begins with the start.
        return starts.later(timeout)
    minutes = [each.minute for each in reported if each.status is status]
    return grid.law(grid.edges, np.histogram(minutes, grid.edges)[0])


def _start_after(  # noqa: PLR0917 - what it rests on
    archive: Archive, ended: _Ended, at: float, starts: "_Law", law: "_Law", rng: Generator
) -> float | None:
    """Return the minutes from a device's notification to its start; None if it never started."""
    timeout = math.inf if archive.timeout_minutes is None else float(archive.timeout_minutes)
    if ended.status is ExecutionStatus.REJECTED:
        return None
    if ended.status is ExecutionStatus.TIMED_OUT and timeout < math.inf:
        return max(0.0, ended.minute - at - timeout)
    return starts.drawn(ended.minute - at, rng, then=law, within=timeout)


class _Law:
    """How likely each delay is, by steps of time; together they may be less than certain."""

    def __init__(self, shares: Shares, width: float) -> None:
        self.shares = shares
        self._width = width

    def later(self, minutes: float) -> "_Law":
        """Return the law of delays that are all longer by so much."""
        steps = min(round(minutes / self._width), len(self.shares))
        shares = np.concatenate([np.zeros(steps), self.shares])[: len(self.shares)]
        return _Law(shares, self._width)

    def drawn(
        self,
        in_all: float,
        rng: Generator,
        *,
        then: "_Law | None" = None,
        within: float = math.inf,
    ) -> float:
        """
        Return a delay.

        Args:
            in_all: Minutes that it takes at most.
            rng: Where chance comes from.
            then: How likely is what is left of ``in_all``; None: alike.
            within: Minutes that are left of it at most.
        """
        last = min(int(in_all / self._width), len(self.shares) - 1)
        weights = self.shares[: last + 1].copy()
        if then is not None:
            weights *= then.shares[last::-1]
        least = max(0.0, in_all - within)
        weights[: math.ceil(least / self._width)] = 0.0
        sums = np.cumsum(weights)
        if not sums[-1]:
            return (least + in_all) / 2
        step = int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
        return float(min(in_all, (step + rng.random()) * self._width))


class _Grid:
    """
    Steps of time, and the devices notified in each.

    Attributes:
        until: Minutes that are looked at.
        width: Of a step, in minutes.
        edges: Of the steps, in minutes.
        notified: When devices were, in their order.
    """

    def __init__(self, until: float, notified: Minutes) -> None:
        self.until = until
        self.notified = notified
        self.width = max(1.0, until / _STEPS_MAX)
        self.edges = np.arange(math.ceil(until / self.width) + 2, dtype=np.float64) * self.width

    def law(self, edges: Minutes, counts: Counts) -> _Law:
        """
        Return the delays from notification that make counts the likeliest.

        Args:
            edges: Of the spans of time that were counted in, in minutes.
            counts: Devices to which it happened, of each span.
        """
        delays = self.edges[:-1] + self.width / 2
        before = np.searchsorted(self.notified, edges[:, np.newaxis] - delays)
        # Devices to which it happens in a span if it does so after a delay, of each delay.
        candidates = np.diff(before, axis=0).astype(np.float64)
        in_all = candidates.sum(axis=0)
        shares = np.where(in_all > 0, 1.0 / len(delays), 0.0)
        for _ in range(_ROUNDS):
            expected = candidates @ shares
            ratios = np.divide(counts, expected, out=np.zeros(len(counts)), where=expected > 0)
            shares *= np.divide(candidates.T @ ratios, in_all, out=shares * 0, where=in_all > 0)
        return _Law(shares, self.width)


class _Slots:
    """Notifications that are not known to be any device's yet."""

    def __init__(self, grid: _Grid) -> None:
        self._width = grid.width
        places = np.searchsorted(grid.edges, grid.notified, side="right") - 1
        self._left: list[list[float]] = [[] for _ in grid.edges]
        for place, at in zip(places.tolist(), grid.notified.tolist(), strict=True):
            self._left[place].append(at)
        self._free = np.array([len(each) for each in self._left], dtype=np.float64)

    def take(self, minute: float, law: _Law, rng: Generator) -> float:
        """Return, and take, the notification of a device to which something happened."""
        place = int(minute / self._width)
        free = self._free[: place + 1]
        weights = np.cumsum(free * law.shares[place::-1])
        if not weights[-1]:
            weights = np.cumsum(free if free.any() else self._free)
        chosen = int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))
        self._free[chosen] -= 1
        return min(minute, self._left[chosen].pop(0))

    def left(self) -> list[float]:
        """Return the notifications that are left."""
        return [at for each in self._left for at in each]
