"""
How long things take in the lab: laws of delays, and how they land in whole minutes.

The lab's time goes by in minutes, delays do not. Two readings keep both unbiased:

* From the beginning of a minute, a delay of [k, k+1) minutes ends in the k-th minute after it:
  ``pmf``. AWS notifies at the beginning of a minute.
* From a moment somewhere in a minute, each moment as likely as another, a delay of d minutes
  passes d boundaries between minutes on average: ``pmf_from_within``. Devices start like this.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Minutes = NDArray[np.float64]
Masses = NDArray[np.float64]


class DelayLaw(Protocol):
    """A distribution of delays, in minutes; what is missing from 1 never comes."""

    def below(self, minutes: Minutes) -> Masses:
        """Return the probability of a delay shorter than each of some minutes, 0 or more."""

    def shortfall(self, minutes: Minutes) -> Minutes:
        """Return by how much a delay falls short of each of some minutes, on average."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same delay."""

    minutes: float

    def below(self, minutes: Minutes) -> Masses:
        """Return 1 beyond the delay, else 0."""
        return (minutes > self.minutes).astype(np.float64)

    def shortfall(self, minutes: Minutes) -> Minutes:
        """Return what is left of the minutes after the delay."""
        return np.maximum(minutes - self.minutes, 0.0)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Delays without memory."""

    mean_minutes: float

    def below(self, minutes: Minutes) -> Masses:
        """Return the exponential distribution function."""
        return -np.expm1(-minutes / self.mean_minutes)

    def shortfall(self, minutes: Minutes) -> Minutes:
        """Return the integral of the distribution function."""
        return minutes - self.mean_minutes * self.below(minutes)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """
    Delays whose logarithm is normal: few are much shorter than the median, some much longer.

    Attributes:
        median_minutes: Of all delays, those beyond the longest included.
        sigma: Standard deviation of the logarithm.
        longest_minutes: No delay is longer; the shorter ones are as likely as before to each other.
    """

    median_minutes: float
    sigma: float
    longest_minutes: float = math.inf

    def below(self, minutes: Minutes) -> Masses:
        """Return the distribution function."""
        inside = np.minimum(minutes, self.longest_minutes)
        return _normal_below(self._deviations(inside)) / self._kept()

    def shortfall(self, minutes: Minutes) -> Minutes:
        """Return the integral of the distribution function, as for a put option."""
        inside = np.minimum(minutes, self.longest_minutes)
        mean_minutes = self.median_minutes * math.exp(self.sigma**2 / 2)
        deviations = self._deviations(inside)
        spent = mean_minutes * _normal_below(deviations - self.sigma)
        integral = np.maximum(inside * _normal_below(deviations) - spent, 0.0)
        return integral / self._kept() + (minutes - inside)

    def _kept(self) -> float:
        """Return the share of delays that are not too long."""
        return float(_normal_below(self._deviations(np.array([self.longest_minutes])))[0])

    def _deviations(self, minutes: Minutes) -> NDArray[np.float64]:
        with np.errstate(divide="ignore"):
            return np.log(minutes / self.median_minutes) / self.sigma


@dataclass(frozen=True, slots=True)
class Uniform:
    """Delays of which none between two limits is likelier than another."""

    low_minutes: float
    high_minutes: float

    def below(self, minutes: Minutes) -> Masses:
        """Return the share of the span that lies below."""
        span = self.high_minutes - self.low_minutes
        return np.clip((minutes - self.low_minutes) / span, 0.0, 1.0)

    def shortfall(self, minutes: Minutes) -> Minutes:
        """Return the integral of the distribution function."""
        span = self.high_minutes - self.low_minutes
        inside = np.clip(minutes - self.low_minutes, 0.0, span)
        return inside**2 / (2 * span) + np.maximum(minutes - self.high_minutes, 0.0)


@dataclass(frozen=True, slots=True)
class QuantileTable:
    """
    Delays as they were measured, linear between the points of a table.

    Attributes:
        shares: Increasing, from 0 to 1 or below; what is missing from 1 never comes.
        minutes: Within which these shares are through; none below the one before.
    """

    shares: tuple[float, ...]
    minutes: tuple[float, ...]

    def below(self, minutes: Minutes) -> Masses:
        """Return the interpolated share."""
        mass = np.zeros_like(minutes, dtype=np.float64)
        for weight, law in self._segments():
            mass += weight * law.below(minutes)
        return mass

    def shortfall(self, minutes: Minutes) -> Minutes:
        """Return the mean over the segments of the table."""
        short = np.zeros_like(minutes, dtype=np.float64)
        for weight, law in self._segments():
            short += weight * law.shortfall(minutes)
        return short

    def _segments(self) -> list[tuple[float, DelayLaw]]:
        points = list(zip(self.shares, self.minutes, strict=True))
        return [
            (share - share_before, Uniform(low, high) if high > low else Fixed(low))
            for (share_before, low), (share, high) in pairwise(points)
        ]


def pmf(law: DelayLaw, minutes_max: int) -> Masses:
    """
    Return the probability of each whole minute, for a delay from the beginning of a minute.

    Args:
        law: The delays.
        minutes_max: Minutes looked at.

    Returns:
        Entry k is the probability of a delay of [k, k+1) minutes; what the entries lack of 1
        comes later or never.
    """
    return np.maximum(np.diff(law.below(np.arange(minutes_max + 1.0))), 0.0)


def pmf_from_within(law: DelayLaw, minutes_max: int, *, before_minutes: float = math.inf) -> Masses:
    """
    Return the probability of each whole minute, for a delay from anywhere within a minute.

    Args:
        law: The delays.
        minutes_max: Minutes looked at, the one of the beginning included.
        before_minutes: Only delays below this count, as if the others never ended.

    Returns:
        Entry k is the probability that k boundaries between minutes are passed.
    """
    edges = np.arange(-1.0, minutes_max + 1.0)
    inside = np.clip(edges, 0.0, before_minutes)
    beyond = edges - inside
    # The integral of the distribution function, which stays level from the limit on.
    limit = law.below(np.array([before_minutes])) if math.isfinite(before_minutes) else 0.0
    integral = law.shortfall(inside) + np.where(edges > 0, beyond, 0.0) * limit
    return np.maximum(np.diff(integral, n=2), 0.0)


def _normal_below(deviations: NDArray[np.float64]) -> Masses:
    return np.array([math.erfc(-each / math.sqrt(2)) / 2 for each in deviations], dtype=np.float64)
