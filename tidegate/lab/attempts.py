"""Devices at work: when their attempts end, and what becomes of those that fail."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from tidegate.lab.draws import Calendar, draw_minutes
from tidegate.lab.fates import OUTCOMES, PARTS, Fates
from tidegate.lab.known import STRATA, zeros
from tidegate.lab.rule import Counts


class Ended(NamedTuple):
    """
    What a minute has ended.

    Attributes:
        places: Devices that have an outcome, as indices of ``Known.ended``, flattened.
        retried: Failed attempts after which another one has begun, by outcome.
        dark: Of the devices, those that succeeded and go dark, as indices of ``Known.dark``,
            flattened.
    """

    places: Counts
    retried: Counts
    dark: Counts


class Attempts:
    """
    Devices that have started and have no outcome.

    A device is told by its part, cohort, stratum and minute of start: its code is the index of
    those in an array with such axes.

    Attributes:
        harmed: Devices that started and end in failure, or go dark, be it later, by part.
        failing: Devices whose attempt fails, though a later one would succeed, by part.
    """

    def __init__(self, fates: Fates, cohorts: int, capacity_minutes: int, rng: Generator) -> None:
        self._fates = fates
        self._rng = rng
        self._shape = (PARTS, cohorts, STRATA, capacity_minutes)
        self._size = cohorts * STRATA * capacity_minutes
        self._firsts = np.arange(PARTS * cohorts * STRATA) * capacity_minutes
        self.harmed = zeros(PARTS)
        self.failing = zeros(PARTS)
        self._last = Calendar()
        self._others = Calendar()
        self._dark = Calendar()

    def begin(self, devices: Counts, minute: int) -> None:
        """Take in devices, [part, cohort, stratum, fate], that start in a minute."""
        codes = self._firsts + minute
        for index, fate in enumerate(self._fates.fates):
            alike = devices[..., index]
            if fate.goes_dark:
                self.harmed += alike.sum(axis=(1, 2))
            elif fate.failures:
                bearing = self.failing if fate.ends_well else self.harmed
                bearing += alike.sum(axis=(1, 2))
            self._attempt(index, 0, np.repeat(codes, alike.ravel()), minute)

    def end(self, minute: int, *, retries: int) -> Ended:
        """
        Return what a minute ends, and begin the attempts that follow in it.

        Args:
            minute: Whose turn it is.
            retries: Attempts after the first, at most; 0 once nothing is retried any more.
        """
        retried = zeros(OUTCOMES)
        # An attempt may end in the minute in which it begins.
        for _ in range(retries):
            retried += self._retry(minute)
        places = self._last.take(minute)
        if not retries and len(self._others):
            places = np.concatenate([places, self._give_up(minute)])
        return Ended(places, retried, self._dark.take(minute))

    def _attempt(self, index: int, number: int, codes: Counts, minute: int) -> None:
        """Draw when the attempts end that devices with a fate begin in a minute."""
        if not len(codes):
            return
        fate = self._fates.fates[index]
        ending = fate.failing if number < fate.failures else self._fates.success
        due = minute + draw_minutes(self._rng, ending.minutes, len(codes))
        if number == fate.last_attempt:
            self._last.put(due, ending.outcome * self._size + codes % self._size)
            if fate.goes_dark:
                self._dark.put(due, codes % self._size)
        else:
            mark = number * len(self._fates.fates) + index
            self._others.put(due, mark * PARTS * self._size + codes)

    def _retry(self, minute: int) -> Counts:
        """Begin the next attempt of whose attempt fails; return how many do, by outcome."""
        retried = zeros(OUTCOMES)
        marks, codes = np.divmod(self._others.take(minute), PARTS * self._size)
        for mark in np.unique(marks).tolist():
            number, index = divmod(mark, len(self._fates.fates))
            alike = codes[marks == mark]
            fate = self._fates.fates[index]
            retried[fate.failing.outcome] += len(alike)
            if fate.ends_well and not fate.goes_dark and number + 1 == fate.failures:
                self.failing -= np.bincount(alike // self._size, minlength=PARTS)
            self._attempt(index, number + 1, alike, minute)
        return retried

    def _give_up(self, minute: int) -> Counts:
        """Return, as places, the devices whose attempt fails and is not followed by another."""
        marks, codes = np.divmod(self._others.take(minute), PARTS * self._size)
        outcomes = np.array([fate.failing.outcome for fate in self._fates.fates])
        places: Counts = outcomes[marks % len(outcomes)] * self._size + codes % self._size
        return places
