"""
Devices of a fleet one by one: what each will do once it is notified, in continuous time.

The same truths as ``fates`` works out for counts, drawn another way: the one checks the other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tidegate.domain.jobs import ExecutionStatus
from tidegate.lab.delays import DelayLaw, Minutes
from tidegate.lab.fates import START_HORIZON_MINUTES
from tidegate.lab.fleet import FailureKind, Fleet

#: A delay beyond 2 to this power of minutes is none that ever comes.
_DOUBLINGS_MAX = 40
_BISECTIONS_MAX = 60

_SUCCEEDED = ExecutionStatus.SUCCEEDED
_FAILED = ExecutionStatus.FAILED
_REJECTED = ExecutionStatus.REJECTED

Shares = NDArray[np.float64]
Choices = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One attempt of a device at a job.

    Attributes:
        reports: What it reports in the end; None if it falls silent, and is timed out.
        minutes: From its start to that report.
    """

    reports: ExecutionStatus | None
    minutes: float = np.inf


@dataclass(frozen=True, slots=True)
class Device:
    """
    What a device does with the job.

    Attributes:
        acts_after_minutes: From its notification until it starts, or rejects; None if never.
        attempts: In their order, as far as AWS lets it try; none if it rejects.
        is_bad: Whether it is of a part of the fleet that fails at a higher rate.
        goes_dark: Whether it is never heard of again once it has reported success.
    """

    acts_after_minutes: float | None
    attempts: tuple[Attempt, ...]
    is_bad: bool
    goes_dark: bool = False

    @property
    def ends_well(self) -> bool:
        """Whether its last attempt succeeds."""
        return bool(self.attempts) and self.attempts[-1].reports is _SUCCEEDED


def draw_devices(fleet: Fleet, rng: Generator) -> list[Device]:
    """Return the devices of a fleet in the order of their notification."""
    size, timeout = fleet.size, fleet.timeout_minutes
    parts = rng.permutation(np.repeat(np.arange(len(fleet.parts)), fleet.cohort_sizes))
    offline = rng.random(size) < (fleet.offline.share if fleet.offline else 0.0)
    fails, is_bad = _failing(fleet, parts, offline, rng)
    kinds = rng.choice(len(fleet.failures.kinds), size, p=_shares(fleet.failures.kinds))
    acts = _starts(fleet, offline, rng)
    lasting = _lasting(fleet.success, timeout, (fleet.retries + 1, size), rng)
    in_time = rng.random(size) < _share_in_time(fleet.success, timeout)
    failures = _failures(fleet, fails | ~in_time, rng)
    failing: list[list[Attempt]] = [[Attempt(None)] * (fleet.retries + 1) for _ in range(size)]
    rejects = np.zeros(size, dtype=np.bool_)
    for index, kind in enumerate(fleet.failures.kinds):
        chosen = np.flatnonzero(fails & (kinds == index))
        if kind.status is _REJECTED:
            rejects[chosen] = True
            acts[chosen] += quantiles(kind.delay, rng.random(len(chosen)))
        elif kind.status is _FAILED:
            _report(failing, chosen, kind, fleet, rng)
    acts[acts >= START_HORIZON_MINUTES] = np.inf
    dark = rng.random(size) < fleet.dark
    return [
        Device(
            acts_after_minutes=float(acts[i]) if np.isfinite(acts[i]) else None,
            attempts=() if rejects[i] else _attempts(failing[i], int(failures[i]), lasting[:, i]),
            is_bad=bool(is_bad[i]),
            goes_dark=bool(dark[i] and not rejects[i] and failures[i] <= fleet.retries),
        )
        for i in range(size)
    ]


def quantiles(law: DelayLaw, shares: Shares) -> Minutes:
    """Return the delays that just so large shares of all stay below, inf where none does."""
    low, high = np.zeros_like(shares), np.ones_like(shares)
    for _ in range(_DOUBLINGS_MAX):
        high = np.where(law.below(high) < shares, 2 * high, high)
    never = law.below(high) < shares
    for _ in range(_BISECTIONS_MAX):
        middle = (low + high) / 2
        beyond = law.below(middle) < shares
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return np.where(never, np.inf, high)


def _shares(kinds: tuple[FailureKind, ...]) -> Shares:
    in_all = sum(kind.share for kind in kinds)
    return np.array([kind.share / in_all for kind in kinds])


def _share_in_time(law: DelayLaw, timeout_minutes: int) -> float:
    return float(law.below(np.array([float(timeout_minutes)]))[0])


def _lasting(
    law: DelayLaw, timeout_minutes: int, shape: tuple[int, ...], rng: Generator
) -> Minutes:
    """Draw how long attempts last that end before the timeout."""
    shares = rng.random(shape) * _share_in_time(law, timeout_minutes)
    return quantiles(law, shares.ravel()).reshape(shape)


def _starts(fleet: Fleet, offline: Choices, rng: Generator) -> Minutes:
    starts = quantiles(fleet.start, rng.random(fleet.size))
    if fleet.offline:
        starts[offline] = quantiles(fleet.offline.start, rng.random(int(offline.sum())))
    return starts


def _failing(
    fleet: Fleet, parts: NDArray[np.int64], offline: Choices, rng: Generator
) -> tuple[Choices, Choices]:
    """Draw whose first attempt fails; return that, and who is of a part that fails more."""
    base = fleet.failures.rate
    rates, drifted = np.full(fleet.size, base), np.zeros(fleet.size, dtype=np.bool_)
    for drift in fleet.drift:
        since = np.arange(fleet.size) >= drift.after_share * fleet.size
        rates[since], drifted = drift.failure_rate, drifted | since
    own = [each.failure_rate for each in fleet.parts]
    has_own = np.array([rate is not None for rate in own])[parts]
    rates = np.where(has_own, np.array([rate or 0.0 for rate in own])[parts], rates)
    is_bad = rates > base
    if fleet.offline and fleet.offline.failure_rate is not None:
        rates[offline & ~has_own & ~drifted] = fleet.offline.failure_rate
    return rng.random(fleet.size) < rates, is_bad


def _failures(fleet: Fleet, fails: Choices, rng: Generator) -> NDArray[np.int64]:
    """Draw how many attempts fail, of devices whose first one does or does not."""
    failures = fails.astype(np.int64)
    for number in range(1, fleet.retries + 1):
        again = (failures == number) & (rng.random(fleet.size) >= fleet.failures.mended)
        failures[again] += 1
    return failures


def _report(
    failing: list[list[Attempt]],
    chosen: NDArray[np.int64],
    kind: FailureKind,
    fleet: Fleet,
    rng: Generator,
) -> None:
    """Let failing devices report that they do, but for those that are too slow for it."""
    in_time = rng.random(len(chosen)) < _share_in_time(kind.delay, fleet.timeout_minutes)
    chosen = chosen[in_time]
    shape = (len(chosen), fleet.retries + 1)
    minutes = _lasting(kind.delay, fleet.timeout_minutes, shape, rng)
    for place, device in enumerate(chosen):
        failing[device] = [Attempt(_FAILED, float(each)) for each in minutes[place]]


def _attempts(failing: list[Attempt], failures: int, lasting: Minutes) -> tuple[Attempt, ...]:
    if failures == len(failing):
        return tuple(failing)
    return (*failing[:failures], Attempt(_SUCCEEDED, float(lasting[failures])))
