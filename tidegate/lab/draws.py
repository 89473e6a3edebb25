"""Chance and the calendar of the lab: when devices do things, drawn for whole batches at once."""

from itertools import pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tidegate.lab.rule import Counts


def cumulative(masses: NDArray[np.float64], *, certain: bool = False) -> NDArray[np.float64]:
    """
    Return the distribution function of minutes.

    Args:
        masses: Of each minute.
        certain: Whether one of these minutes comes: then the masses are scaled to add up to 1.
    """
    reached = np.cumsum(masses)
    if not certain or reached[-1] <= 0:
        return reached
    reached /= reached[-1]
    # Rounding must not leave a gap in which nothing ever comes.
    reached[np.searchsorted(reached, reached[-1]) :] = 1.0
    return reached


def draw_minutes(rng: Generator, distribution: NDArray[np.float64], devices: int) -> Counts:
    """Return a minute for each of some devices; the number of minutes stands for never."""
    return distribution.searchsorted(rng.random(devices), side="right")


class Calendar:
    """What falls due in which minute, as codes that only their owner understands."""

    def __init__(self) -> None:
        self._due: dict[int, list[Counts]] = {}
        self._entries = 0

    def __len__(self) -> int:
        """Return how many codes are still to come."""
        return self._entries

    def put(self, minutes: Counts, codes: Counts) -> None:
        """Note codes under the minutes in which they fall due."""
        if not len(codes):
            return
        # Small keys are sorted several times as fast.
        order = np.argsort((minutes - minutes.min()).astype(np.uint16), kind="stable")
        minutes, codes = minutes[order], codes[order]
        edges = [0, *(np.flatnonzero(np.diff(minutes)) + 1).tolist(), len(codes)]
        for first, end in pairwise(edges):
            self._due.setdefault(int(minutes[first]), []).append(codes[first:end])
        self._entries += len(codes)

    def take(self, minute: int) -> Counts:
        """Return what falls due in a minute, and forget it."""
        parts = self._due.pop(minute, None)
        if parts is None:
            return np.zeros(0, dtype=np.int64)
        codes = np.concatenate(parts)
        self._entries -= len(codes)
        return codes

    def clear(self) -> None:
        """Forget everything."""
        self._due.clear()
        self._entries = 0
