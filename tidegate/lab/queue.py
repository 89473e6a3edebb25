"""Executions that AWS has created and no device has started."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tidegate.lab.draws import Calendar, draw_minutes
from tidegate.lab.fates import PARTS, START_HORIZON_MINUTES, Distribution, Fates
from tidegate.lab.known import STRATA, zeros
from tidegate.lab.rule import LATE, PROMPT, Counts

#: A start this long after its notification, or longer, is late.
LATE_AFTER_MINUTES = 30

_ONLINE, _OFFLINE = 0, 1


class Rejections(NamedTuple):
    """Devices that reject: their part, their cohort, and the minute of their notification."""

    parts: Counts
    cohorts: Counts
    minutes: Counts


class Queue:
    """
    Devices that are notified, and when they will start or reject.

    Attributes:
        coming: Devices that will, by cohort.
        never: Devices that never will, by cohort.
        doomed: Devices that ever came in to start or reject, and will end in failure, by cohort.
    """

    def __init__(self, fates: Fates, cohorts: int, capacity_minutes: int, rng: Generator) -> None:
        self._fates = fates
        self._capacity = capacity_minutes
        self._rng = rng
        self.coming = zeros(cohorts)
        self.never = zeros(cohorts)
        self.doomed = zeros(cohorts)
        # Minutes go round, as none is further away than the horizon.
        self._starting = zeros(START_HORIZON_MINUTES, PARTS, cohorts, STRATA, len(fates.fates))
        self._rejecting = Calendar()

    def add(self, drawn: Counts, parts: Counts, minute: int) -> None:
        """
        Take in devices that are notified in a minute.

        Args:
            drawn: Devices, [cohort, online or offline, fate], those that start before those that
                reject.
            parts: Part of each cohort.
            minute: Of the notification.
        """
        fates = len(self._fates.fates)
        for where in (_ONLINE, _OFFLINE):
            self._add_starts(drawn[:, where, :fates], where, parts, minute)
            for kind, distribution in enumerate(self._fates.rejects_after[where]):
                self._add_rejections(drawn[:, where, fates + kind], distribution, parts, minute)

    def start(self, minute: int) -> Counts:
        """Return the devices that start in a minute, [part, cohort, stratum, fate]."""
        slot = self._starting[minute % START_HORIZON_MINUTES]
        devices: Counts = slot.copy()
        slot[:] = 0
        self.coming -= devices.sum(axis=(0, 2, 3))
        return devices

    def reject(self, minute: int) -> Rejections:
        """Return the devices that reject in a minute; canceled ones may be among them."""
        who, notified_at = np.divmod(self._rejecting.take(minute), self._capacity)
        parts, cohorts = np.divmod(who, len(self.coming))
        return Rejections(parts, cohorts, notified_at)

    def cancel(self, cohorts: NDArray[np.bool_]) -> Counts:
        """Take out the devices of chosen cohorts, and return how many of each cohort they were."""
        canceled = np.where(cohorts, self.coming + self.never, 0)
        self.coming[cohorts] = 0
        self.never[cohorts] = 0
        self._starting[:, :, cohorts] = 0
        return canceled

    def _add_starts(self, drawn: Counts, where: int, parts: Counts, minute: int) -> None:
        devices = drawn.sum(axis=1)
        if not devices.any():
            return
        cohorts, fates = drawn.shape
        firsts = (parts * cohorts + np.arange(cohorts)) * STRATA
        cells = firsts[:, None] * fates + np.arange(fates)
        who = np.repeat(cells.ravel(), drawn.ravel())
        after = draw_minutes(self._rng, self._fates.starts_after[where], len(who))
        comes = after < START_HORIZON_MINUTES
        who, after = who[comes], after[comes]
        stratum = np.where(after >= LATE_AFTER_MINUTES, LATE, PROMPT)
        slot = (minute + after) % START_HORIZON_MINUTES
        places = slot * self._starting[0].size + who + stratum * fates
        np.add.at(self._starting.reshape(-1), places, 1)
        cohort = who // (STRATA * fates) % cohorts
        coming = np.bincount(cohort, minlength=cohorts)
        self.coming += coming
        self.never += devices - coming
        lost = self._fates.loses[who % fates]
        self.doomed += np.bincount(cohort[lost], minlength=cohorts)

    def _add_rejections(
        self, devices: Counts, distribution: Distribution, parts: Counts, minute: int
    ) -> None:
        cohorts = len(devices)
        who = np.repeat(parts * cohorts + np.arange(cohorts), devices)
        after = draw_minutes(self._rng, distribution, len(who))
        comes = after < START_HORIZON_MINUTES
        who, after = who[comes], after[comes]
        self._rejecting.put(minute + after, who * self._capacity + minute)
        coming = np.bincount(who % cohorts, minlength=cohorts)
        self.coming += coming
        self.never += devices - coming
        self.doomed += coming
