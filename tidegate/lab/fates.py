"""
What becomes of devices, worked out from a fleet before anything happens: weights and distributions.

A device's fate says how its attempts end; how likely each fate is depends on the cohort, on whether
the device is offline, and on how far the rollout has come.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tidegate.domain.jobs import ExecutionStatus
from tidegate.lab.behaviours import Behaviours, Spacing
from tidegate.lab.delays import DelayLaw, pmf, pmf_from_within
from tidegate.lab.draws import cumulative
from tidegate.lab.fleet import FailureKind, Fleet
from tidegate.lab.rule import Counts

#: Devices that would start or reject later than this after their notification never do.
START_HORIZON_MINUTES = 2880

#: Indices of outcomes, as in ``Sight.arrived``.
SUCCEEDED, FAILED, TIMED_OUT, REJECTED = 0, 1, 2, 3
OUTCOMES = 4

#: Devices that fail at the fleet's rate, and those of a part that fails at a higher one.
BASE, BAD = 0, 1
PARTS = 2

Distribution = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ends: with which outcome, and after how many minutes."""

    outcome: int
    minutes: Distribution


@dataclass(frozen=True, slots=True)
class Fate:
    """
    What becomes of a device that starts.

    Attributes:
        failing: How each of its failed attempts ends.
        failures: How many of them there are.
        ends_well: Whether an attempt succeeds after them.
        goes_dark: Whether it is never heard of again after that.
    """

    failing: Ending
    failures: int
    ends_well: bool
    goes_dark: bool = False

    @property
    def last_attempt(self) -> int:
        """Number of the attempt whose end is the device's outcome, from 0."""
        return self.failures if self.ends_well else self.failures - 1


@dataclass(frozen=True, slots=True)
class Stage:
    """
    A stretch of the rollout in which failure rates do not change.

    Attributes:
        from_device: Devices notified before it begins.
        weights: Probability of each fate, those of devices that start first, then those of
            devices that reject; [cohort, online or offline x fate].
        parts: BASE or BAD, of each cohort.
        rates: Failure rate of each cohort, online and offline devices taken together.
    """

    from_device: int
    weights: NDArray[np.float64]
    parts: Counts
    rates: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fates:
    """
    All that a fleet's devices may do.

    Attributes:
        success: How an attempt ends well.
        fates: Of devices that start.
        loses: Which of these end in failure.
        starts_after: Minutes to the start, of online and of offline devices.
        rejects_after: Minutes to the rejection, likewise, for each kind of rejection.
        stages: In their order; the first begins with the rollout.
    """

    success: Ending
    fates: tuple[Fate, ...]
    loses: NDArray[np.bool_]
    starts_after: tuple[Distribution, Distribution]
    rejects_after: tuple[tuple[Distribution, ...], tuple[Distribution, ...]]
    stages: tuple[Stage, ...]


@lru_cache(maxsize=64)
def fates_of(fleet: Fleet, behaviours: Behaviours) -> Fates:
    """Return what a fleet's devices may do; arrays are to be read only."""
    timeout, kinds = fleet.timeout_minutes, fleet.failures.kinds
    reporting = [kind for kind in kinds if kind.status is ExecutionStatus.FAILED]
    rejecting = [kind for kind in kinds if kind.status is ExecutionStatus.REJECTED]
    success, in_time = _ending(SUCCEEDED, fleet.success, timeout)
    failed = [_ending(FAILED, kind.delay, timeout) for kind in reporting]
    shares = [kind.share * share for kind, (_, share) in zip(reporting, failed, strict=True)]
    rejected = [kind.share for kind in rejecting]
    # Who reports too late has timed out, and so has who never reports.
    silent = max(1.0 - sum(shares) - sum(rejected), 0.0)
    timed_out = _timed_out(timeout + behaviours.timeout_lag_minutes)
    endings = [*(ending for ending, _ in failed), timed_out]
    fates = [Fate(timed_out, 0, ends_well=True)]
    of_failing, of_slow = [0.0], [0.0]
    for ending, share in zip(endings, (*shares, silent), strict=True):
        for fate, weight in _with_retries(ending, fleet.retries, fleet.failures.mended):
            fates.append(fate)
            of_failing.append(share * weight)
            of_slow.append(weight if ending is timed_out else 0.0)
    nothing = [0.0] * len(rejecting)
    well = [index for index, fate in enumerate(fates) if fate.ends_well] if fleet.dark else []
    mix = _Mix(
        in_time,
        np.array([*of_failing, *rejected]),
        np.array([*of_slow, *nothing]),
        _Dark(fleet.dark, tuple(well), len(fates)),
    )
    fates += [replace(fates[index], goes_dark=True) for index in well]
    online, offline = _starts(fleet, even=behaviours.rollout_spacing is Spacing.EVEN)
    return Fates(
        success=success,
        fates=tuple(fates),
        loses=np.array([not fate.ends_well for fate in fates]),
        starts_after=(cumulative(online), cumulative(offline)),
        rejects_after=(_rejections(online, rejecting), _rejections(offline, rejecting)),
        stages=_stages(fleet, mix),
    )


def _ending(outcome: int, law: DelayLaw, timeout_minutes: int) -> tuple[Ending, float]:
    """Return how those end that are faster than the timeout, and their share."""
    masses = pmf_from_within(law, timeout_minutes + 1, before_minutes=timeout_minutes)
    in_time = min(float(masses.sum()), 1.0)
    return Ending(outcome, cumulative(masses, certain=True)), in_time


def _timed_out(minutes: int) -> Ending:
    # The timer runs from the start, so that it ends as far within a minute as it began.
    return Ending(TIMED_OUT, (np.arange(minutes + 1) >= minutes).astype(np.float64))


def _with_retries(ending: Ending, retries: int, mended: float) -> list[tuple[Fate, float]]:
    """Return fates that begin with a failed attempt, and their probabilities."""
    saved = [
        (Fate(ending, failures, ends_well=True), mended * (1 - mended) ** (failures - 1))
        for failures in range(1, retries + 1)
    ]
    lost = (Fate(ending, retries + 1, ends_well=False), (1 - mended) ** retries)
    return [each for each in (*saved, lost) if each[1] > 0]


@dataclass(frozen=True, slots=True)
class _Dark:
    """The share of devices that go dark, the fates of which they have one, and all fates."""

    share: float
    well: tuple[int, ...]
    fates: int

    def split(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return weights with those of devices that go dark behind those of all fates."""
        dark = self.share * weights[list(self.well)]
        staying = weights.copy()
        staying[list(self.well)] -= dark
        return np.concatenate([staying[: self.fates], dark, staying[self.fates :]])


@dataclass(frozen=True, slots=True)
class _Mix:
    """Fates of those that fail, and of those whose success is too slow; ``in_time`` is not."""

    in_time: float
    of_failing: NDArray[np.float64]
    of_slow: NDArray[np.float64]
    dark: _Dark

    def weights(self, rate: float) -> NDArray[np.float64]:
        """Return the probability of each fate at a failure rate."""
        weights = rate * self.of_failing + (1 - rate) * (1 - self.in_time) * self.of_slow
        weights[0] = max(1.0 - weights.sum(), 0.0)
        return self.dark.split(weights)


def _starts(fleet: Fleet, *, even: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    spread = pmf_from_within if even else pmf
    online = spread(fleet.start, START_HORIZON_MINUTES)
    if fleet.offline is None:
        return online, online
    return online, spread(fleet.offline.start, START_HORIZON_MINUTES)


def _rejections(starts: NDArray[np.float64], kinds: list[FailureKind]) -> tuple[Distribution, ...]:
    within = [pmf_from_within(kind.delay, START_HORIZON_MINUTES) for kind in kinds]
    return tuple(cumulative(np.convolve(starts, each)[:START_HORIZON_MINUTES]) for each in within)


def _stages(fleet: Fleet, mix: _Mix) -> tuple[Stage, ...]:
    begins = [(0.0, None), *((drift.after_share, drift.failure_rate) for drift in fleet.drift)]
    return tuple(_stage(fleet, mix, share, drifted) for share, drifted in begins)


def _stage(fleet: Fleet, mix: _Mix, after_share: float, drifted: float | None) -> Stage:
    base = fleet.failures.rate
    now = base if drifted is None else drifted
    share = fleet.offline.share if fleet.offline else 0.0
    own = fleet.offline.failure_rate if fleet.offline and drifted is None else None
    online = [now if part.failure_rate is None else part.failure_rate for part in fleet.parts]
    offline = [
        rate if part.failure_rate is not None or own is None else own
        for part, rate in zip(fleet.parts, online, strict=True)
    ]
    weights = [
        np.concatenate([(1 - share) * mix.weights(prompt), share * mix.weights(late)])
        for prompt, late in zip(online, offline, strict=True)
    ]
    return Stage(
        from_device=math.ceil(after_share * fleet.size),
        weights=np.array([each / each.sum() for each in weights]),
        parts=np.array([BAD if rate > base else BASE for rate in online]),
        rates=(1 - share) * np.array(online) + share * np.array(offline),
    )
