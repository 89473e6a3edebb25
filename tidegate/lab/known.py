"""What has come to be known of a job: the counts that rules see, and those that AWS keeps."""

import numpy as np
from numpy.typing import NDArray

from tidegate.lab.controls import JobCounters
from tidegate.lab.fates import OUTCOMES, REJECTED, SUCCEEDED
from tidegate.lab.rule import LATE, Counts, Sight

#: PROMPT and LATE.
STRATA = LATE + 1


class Known:
    """
    Counts of one job, by minute; what is known is only ever added to.

    Axes: ``c`` cohort, ``s`` stratum, ``t`` minute.

    Attributes:
        notified: Devices notified, [c, t].
        started: Devices that started, by when they did, [c, s, t].
        ended: SUCCEEDED, FAILED and TIMED_OUT by when the device *started*, [3, c, s, t].
        dark: Of the SUCCEEDED, those that are gone, by when the device *started*, [c, s, t].
        rejected: Rejections by when the device was notified, [c, t].
        arrived: Executions by when their outcome arrived, failed attempts included, [4, t].
        canceled: Executions canceled, [c].
        outcomes: Devices by outcome, [4, c].
        attempts: Executions by outcome, failed attempts included, [4].
    """

    def __init__(self, cohorts: int, minutes: int) -> None:
        self.notified = zeros(cohorts, minutes)
        self.started = zeros(cohorts, STRATA, minutes)
        self.ended = zeros(REJECTED, cohorts, STRATA, minutes)
        self.dark = zeros(cohorts, STRATA, minutes)
        self.rejected = zeros(cohorts, minutes)
        self.arrived = zeros(OUTCOMES, minutes)
        self.canceled = zeros(cohorts)
        self.outcomes = zeros(OUTCOMES, cohorts)
        self.attempts = zeros(OUTCOMES)
        succeeded, failed, timed_out = (_read_only(each) for each in self.ended)
        self._whole = Sight(
            minute=minutes,
            notified=_read_only(self.notified),
            started=_read_only(self.started),
            succeeded=succeeded,
            failed=failed,
            timed_out=timed_out,
            dark=_read_only(self.dark),
            rejected=_read_only(self.rejected),
            arrived=_read_only(self.arrived),
            canceled=_read_only(self.canceled),
        )
        self._notified_in_all = 0
        self._started_in_all = 0

    @property
    def notified_in_all(self) -> int:
        """Devices notified."""
        return self._notified_in_all

    @property
    def started_in_all(self) -> int:
        """Devices that started."""
        return self._started_in_all

    def sight(self, minute: int) -> Sight:
        """Return what is known when a minute begins: views, which change with what they show."""
        whole = self._whole
        return Sight(
            minute=minute,
            notified=whole.notified[:, :minute],
            started=whole.started[..., :minute],
            succeeded=whole.succeeded[..., :minute],
            failed=whole.failed[..., :minute],
            timed_out=whole.timed_out[..., :minute],
            dark=whole.dark[..., :minute],
            rejected=whole.rejected[:, :minute],
            arrived=whole.arrived[:, :minute],
            canceled=whole.canceled,
        )

    def counters(self, *, attempts: bool) -> JobCounters:
        """Return what AWS counts: every attempt, or only the last one of each device."""
        counted = self.attempts if attempts else self.outcomes.sum(axis=1)
        succeeded, failed, timed_out, rejected = counted.tolist()
        return JobCounters(
            notified=self._notified_in_all,
            succeeded=succeeded,
            failed=failed,
            timed_out=timed_out,
            rejected=rejected,
            canceled=int(self.canceled.sum()),
        )

    def notify(self, devices: Counts, minute: int) -> None:
        """Take in devices of each cohort that were notified in a minute."""
        self.notified[:, minute] += devices
        self._notified_in_all += int(devices.sum())

    def start(self, devices: Counts, minute: int) -> None:
        """Take in devices, [c, s], that started in a minute."""
        self.started[:, :, minute] += devices
        self._started_in_all += int(devices.sum())

    def end(self, places: Counts) -> None:
        """Take in outcomes of devices that started, as indices of ``ended``, flattened."""
        np.add.at(self.ended.reshape(-1), places, 1)
        by_cohort = places // (STRATA * self.notified.shape[1])
        devices = np.bincount(by_cohort, minlength=self.outcomes.size).reshape(self.outcomes.shape)
        self.outcomes += devices
        self.attempts += devices.sum(axis=1)

    def go_dark(self, places: Counts) -> None:
        """Take in devices that succeeded and are gone, as indices of ``dark``, flattened."""
        np.add.at(self.dark.reshape(-1), places, 1)

    def reject(self, places: Counts) -> None:
        """Take in rejections, as indices of ``rejected``, flattened."""
        np.add.at(self.rejected.reshape(-1), places, 1)
        by_cohort = places // self.rejected.shape[1]
        self.outcomes[REJECTED] += np.bincount(by_cohort, minlength=len(self.rejected))
        self.attempts[REJECTED] += len(places)

    def settled(self, cohorts: NDArray[np.bool_]) -> tuple[int, int]:
        """Return the devices of chosen cohorts that succeeded, and those with any outcome."""
        devices = self.outcomes @ cohorts
        return int(devices[SUCCEEDED]), int(devices.sum())


def zeros(*shape: int) -> Counts:
    """Return counts of nothing."""
    return np.zeros(shape, dtype=np.int64)


def _read_only(counts: Counts) -> Counts:
    """Return a view that cannot be written to, and neither can what is cut from it."""
    view = counts.view()
    view.flags.writeable = False
    return view
