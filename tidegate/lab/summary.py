"""
What many trials of one rule come to: pure functions from trials to figures.

What was met in every trial, or in none, is still not known exactly. So the standard error of a
share is that of four more trials, two of each kind (Agresti and Coull's), and is never nothing.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.lab.trial import Trial

#: Of the devices harmed in a trial: what most trials stay below.
PERCENTILE = 95

#: Trials of each kind that are added to a share before its error is worked out.
_ADDED = 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """
    A mean or a share over trials.

    Attributes:
        value: Over the trials.
        standard_error: By how much it is likely to miss the truth.
    """

    value: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What came of a rule's trials.

    Medians are over the trials in which it happened, None if it happened in none; times are
    minutes since the job was created.

    Attributes:
        trials: How many there were.
        harmed: Devices harmed, mean.
        harmed_p95: Devices harmed, 95th percentile.
        harmed_beyond_base: Devices harmed in the part of the fleet that fails more, mean.
        exposed: Devices notified, mean.
        quarantined: Share of trials in which a cohort was quarantined.
        stopped: Share of trials that were stopped, by the rule or by AWS.
        minutes_to_stop: Median.
        finished: Share of trials in which all of the fleet was notified.
        minutes_to_finish: Median.
        minutes_to_95: Until 95 % of the devices that can start had succeeded, median.
        minutes_to_acceptance: Until the rule held the release to be acceptable, median.
    """

    trials: int
    harmed: Estimate
    harmed_p95: float
    harmed_beyond_base: Estimate
    exposed: Estimate
    quarantined: Estimate
    stopped: Estimate
    minutes_to_stop: float | None
    finished: Estimate
    minutes_to_finish: float | None
    minutes_to_95: float | None
    minutes_to_acceptance: float | None


def summarise(trials: Sequence[Trial]) -> Summary:
    """
    Sum trials up.

    Raises:
        ValueError: There is no trial.
    """
    harmed = [trial.harmed for trial in trials]
    return Summary(
        trials=len(trials),
        harmed=mean(harmed),
        harmed_p95=float(np.percentile(harmed, PERCENTILE)),
        harmed_beyond_base=mean([trial.harmed_beyond_base for trial in trials]),
        exposed=mean([trial.exposed for trial in trials]),
        quarantined=share([bool(trial.quarantined) for trial in trials]),
        stopped=share([trial.stopped for trial in trials]),
        minutes_to_stop=median(trial.minutes_to_stop for trial in trials),
        finished=share([trial.finished for trial in trials]),
        minutes_to_finish=median(trial.minutes_to_finish for trial in trials),
        minutes_to_95=median(trial.minutes_to_95 for trial in trials),
        minutes_to_acceptance=median(trial.minutes_to_acceptance for trial in trials),
    )


def mean(values: Sequence[float]) -> Estimate:
    """
    Return the mean; of one value alone the error is unknown and infinite.

    Raises:
        ValueError: There is no value.
    """
    if not values:
        message = "nothing has no mean"
        raise ValueError(message)
    trials = len(values)
    if trials == 1:
        return Estimate(float(values[0]), math.inf)
    deviation = float(np.std(values, ddof=1))
    return Estimate(float(np.mean(values)), deviation / math.sqrt(trials))


def share(happened: Sequence[bool]) -> Estimate:
    """
    Return the share of trials in which something happened.

    Raises:
        ValueError: There is no trial.
    """
    if not happened:
        message = "nothing has no share"
        raise ValueError(message)
    trials, times = len(happened), sum(happened)
    padded = trials + 2 * _ADDED
    middle = (times + _ADDED) / padded
    return Estimate(times / trials, math.sqrt(middle * (1 - middle) / padded))


def median(values: Iterable[float | None]) -> float | None:
    """Return the median of what is there, None if nothing is."""
    there = [value for value in values if value is not None]
    return float(np.median(there)) if there else None


def to_json(summary: Summary) -> dict[str, float | None]:
    """Return plain figures; an error that is unknown is None."""
    estimates = {
        "harmed_mean": summary.harmed,
        "harmed_beyond_base_mean": summary.harmed_beyond_base,
        "exposed_mean": summary.exposed,
        "quarantined_share": summary.quarantined,
        "stopped_share": summary.stopped,
        "finished_share": summary.finished,
    }
    figures: dict[str, float | None] = {"runs": summary.trials}
    for key, estimate in estimates.items():
        error = estimate.standard_error
        figures[key] = estimate.value
        figures[f"{key}_standard_error"] = error if math.isfinite(error) else None
    return figures | {
        "harmed_p95": summary.harmed_p95,
        "minutes_to_stop_median": summary.minutes_to_stop,
        "minutes_to_finish_median": summary.minutes_to_finish,
        "minutes_to_95_median": summary.minutes_to_95,
        "minutes_to_acceptance_median": summary.minutes_to_acceptance,
    }
