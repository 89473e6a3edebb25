"""
How long devices take, learned from the rollout itself, and what follows from it.

For each age, in minutes since the start: how many devices were ever that old, and how many of them
had not been cleared by then. That is the delays' survival function, whatever their law, devices
that fail included. It says how many devices are in flight at a rate, how soon a release that turns
bad would be noticed, and whether the newest devices take longer than those before them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.domain.evidence import SHIFTS, Bucket, log_moment, log_sum_exp
from tidegate.domain.outcomes import span_of

#: Ages that are told apart; what is older is as the oldest.
AGES = 90
#: Devices that must have reached an age before their share is trusted there.
REACHED_MIN = 20
#: The same before newer devices are held against it.
COMPARED_MIN = 500
#: Standard errors by which a learned share may be too low, where devices are held against it.
ERRORS = 3.0
#: A needless brake at one look, at most: it costs minutes, not the release.
BRAKE_RISK = 0.001
#: Buckets that one look takes in.
LOOK_BUCKETS = 60
#: From a device's notification to its start, and from a review to the settings it puts in force.
_LAG_MINUTES = 2


@dataclass(frozen=True, slots=True)
class Delays:
    """
    What is known about delays.

    Attributes:
        reached: Devices that were seen at each age, in minutes.
        uncleared: Of those, devices that had no outcome by then, or a harmful one.
        until: Minutes from the job's creation to the last look.
    """

    reached: tuple[int, ...] = (0,) * AGES
    uncleared: tuple[int, ...] = (0,) * AGES
    until: float = 0.0

    def learn(self, buckets: Sequence[Bucket], now_minute: float) -> "Delays":
        """Return what is known after a look at the buckets, each taken in once at an age."""
        reached, uncleared = list(self.reached), list(self.uncleared)
        for index, age in _ages(len(buckets), now_minute):
            bucket = buckets[index]
            if bucket.started and age > _age(index, self.until):
                reached[age] += bucket.started
                uncleared[age] += bucket.started - bucket.cleared
        return Delays(tuple(reached), tuple(uncleared), max(self.until, now_minute))

    def shares(self) -> list[float]:
        """
        Return the share of devices not cleared at each age, never rising.

        Where too few devices were ever that old, they are taken to be as one minute earlier.
        """
        shares, last = [], 1.0
        for reached, uncleared in zip(self.reached, self.uncleared, strict=True):
            if reached >= REACHED_MIN:
                last = min(last, uncleared / reached)
            shares.append(last)
        return shares

    def mean_minutes(self, timeout_minutes: float) -> float:
        """Return how long a device is in flight on average, at most the job's timeout."""
        shares = self.shares()
        known = 1.0 + math.fsum(shares[: int(min(timeout_minutes, AGES))])
        return min(timeout_minutes, known + shares[-1] * max(0.0, timeout_minutes - AGES))

    def log_e_overdue(
        self, buckets: Sequence[Bucket], now_minute: float, tolerated_rate: float
    ) -> float:
        """
        Return the log evidence that newer devices are less often cleared than older ones were.

        If more than the tolerated rate of them fail, they miss among the cleared long before their
        failures arrive. Every device counts at the age of its bucket, against the upper limit of
        the share learned there; the release may have turned at any bucket. Evidence of one look:
        it is not accumulated over looks.
        """
        limits = self._limits(tolerated_rate)
        components = [0.0] * len(SHIFTS)
        restarts: list[float] = []
        looked_at = [*_ages(len(buckets), now_minute)][-LOOK_BUCKETS:]
        for index, age in reversed(looked_at):
            limit, bucket = limits[age], buckets[index]
            if limit is None or not bucket.started:
                continue
            uncleared = bucket.started - bucket.cleared
            for k, shift in enumerate(SHIFTS):
                components[k] += uncleared * shift - bucket.started * log_moment(limit, shift)
            restarts.append(log_sum_exp(components))
        if not restarts:
            return 0.0
        return log_sum_exp(restarts) - math.log(len(restarts) * len(SHIFTS))

    def minutes_to_notice(
        self, rate_per_minute: int, failure_rate: float, tolerated_rate: float
    ) -> float:
        """
        Return the minutes after which a release that turns bad is braked, ``inf`` if not in time.

        Args:
            rate_per_minute: Devices that start in a minute.
            failure_rate: Of devices from the turn on.
            tolerated_rate: As for ``log_e_overdue``.
        """
        shares, limits = self.shares(), self._limits(tolerated_rate)
        needed = math.log(LOOK_BUCKETS * len(SHIFTS) / BRAKE_RISK)
        for age, (share, limit) in enumerate(zip(shares, limits, strict=True)):
            turned = share + (1 - share) * failure_rate
            if limit is not None and turned > limit:
                needed -= rate_per_minute * _divergence(turned, limit)
            if needed <= 0:
                return age + 1.0 + _LAG_MINUTES
        return math.inf

    def _limits(self, tolerated_rate: float) -> list[float | None]:
        """Return the share not cleared at each age that a tolerable release stays below."""
        limits: list[float | None] = []
        for reached, uncleared in zip(self.reached, self.uncleared, strict=True):
            if reached < COMPARED_MIN or uncleared >= reached:
                limits.append(None)
                continue
            share = uncleared / reached
            share += ERRORS * math.sqrt(share * (1 - share) / reached)
            limit = share + (1 - share) * tolerated_rate
            limits.append(limit if limit < 1 else None)
        return limits

    def to_document(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "reached": [*self.reached],
            "uncleared": [*self.uncleared],
            "until": self.until,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Delays":
        """Read what ``to_document`` wrote."""
        return cls(
            tuple(int(each) for each in document["reached"]),
            tuple(int(each) for each in document["uncleared"]),
            float(document["until"]),
        )


def brake_at() -> float:
    """Return the log evidence at which newer devices are taken to be overdue."""
    return -math.log(BRAKE_RISK)


def _age(index: int, now_minute: float) -> int:
    """Return how many whole minutes ago a bucket ended; negative while it lasts."""
    begin, width = span_of(index)
    return math.floor(now_minute - begin - width)


def _ages(buckets: int, now_minute: float) -> list[tuple[int, int]]:
    """Return index and age of those buckets, one minute wide, that are young enough to tell."""
    found: list[tuple[int, int]] = []
    for index in range(buckets - 1, -1, -1):
        age = _age(index, now_minute)
        if age >= AGES:
            break
        if age >= 0 and span_of(index)[1] == 1.0:
            found.append((index, age))
    return found[::-1]


def _divergence(actual: float, stated: float) -> float:
    """Return the Kullback-Leibler divergence of two Bernoulli laws."""
    rest = 0.0 if actual >= 1 else (1 - actual) * math.log((1 - actual) / (1 - stated))
    return actual * math.log(actual / stated) + rest
