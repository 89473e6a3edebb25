"""Trials are summed up to figures that say how sure they are."""

import json
import math
from dataclasses import replace

import pytest

from tidegate.lab.summary import mean, median, share, summarise, to_json
from tidegate.lab.trial import Trial

FINISHED = Trial(
    rule="rule",
    fleet="fleet",
    seed=1,
    minutes=200,
    exposed=1000,
    started=990,
    harmed=4,
    harmed_beyond_base=4,
    stopped_by=None,
    minutes_to_stop=None,
    minutes_to_finish=100,
    minutes_to_95=130,
    minutes_to_acceptance=60,
    quarantined=(),
)
STOPPED = replace(
    FINISHED,
    exposed=50,
    harmed=10,
    harmed_beyond_base=6,
    stopped_by="rule",
    minutes_to_stop=30,
    minutes_to_finish=None,
    minutes_to_95=None,
    minutes_to_acceptance=None,
)


def test_medians_are_over_the_trials_in_which_it_happened() -> None:
    """A time to stop says when it was stopped where it was, and nothing of the other trials."""
    later = replace(STOPPED, minutes_to_stop=40)

    summary = summarise([FINISHED, STOPPED, later])

    assert summary.minutes_to_stop == 35
    assert summary.minutes_to_finish == 100
    assert (summary.minutes_to_95, summary.minutes_to_acceptance) == (130, 60)
    assert summary.stopped.value == pytest.approx(2 / 3)
    assert summary.finished.value == pytest.approx(1 / 3)


def test_what_never_happened_has_no_time() -> None:
    """Where no trial was stopped there is no time to stop, not a time of zero."""
    summary = summarise([FINISHED, FINISHED])

    assert summary.minutes_to_stop is None
    assert summary.stopped.value == 0.0


def test_devices_are_means_with_a_percentile() -> None:
    """Harm is told on average, beyond what is the fleet's own, and for the worst of twenty."""
    trials = [replace(STOPPED, harmed=harmed) for harmed in range(101)]

    summary = summarise([*trials])

    assert summary.harmed.value == 50
    assert summary.harmed_p95 == 95
    assert summary.harmed_beyond_base.value == 6
    assert summary.exposed.value == 50
    assert summary.trials == 101


def test_a_mean_has_the_error_of_its_spread() -> None:
    """The standard error is the sample's deviation over the root of its size."""
    estimate = mean([1.0, 3.0])

    assert estimate.value == 2
    assert estimate.standard_error == pytest.approx(1.0)


def test_one_trial_says_nothing_of_its_error() -> None:
    """Of a single trial the error is unknown, which JSON has no number for."""
    assert mean([7]).standard_error == math.inf
    assert to_json(summarise([STOPPED]))["harmed_mean_standard_error"] is None


@pytest.mark.parametrize("happened", [[True] * 50, [False] * 50])
def test_a_share_of_all_or_none_is_not_certain(happened: list[bool]) -> None:
    """What was met in every trial may yet fail in the next: the error is small but there."""
    estimate = share(happened)

    assert estimate.value in (0.0, 1.0)
    assert 0.02 < estimate.standard_error < 0.04


@pytest.mark.parametrize("trials", [40, 400])
def test_the_error_of_a_share_is_nearly_binomial(trials: int) -> None:
    """With many trials of both kinds, the padding makes little difference."""
    estimate = share([True, False] * (trials // 2))

    assert estimate.standard_error == pytest.approx(math.sqrt(0.25 / trials), rel=0.06)


def test_nothing_comes_of_no_trials() -> None:
    """Figures of no trial would be made up, so there are none."""
    with pytest.raises(ValueError, match="mean"):
        mean([])
    with pytest.raises(ValueError, match="share"):
        share([])
    assert median([None, None]) is None


def test_json_has_every_figure() -> None:
    """What scripts read is there under stable names, as plain JSON."""
    figures = to_json(summarise([FINISHED, STOPPED]))

    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures.keys() >= {
        "runs",
        "harmed_mean",
        "harmed_p95",
        "harmed_beyond_base_mean",
        "exposed_mean",
        "stopped_share",
        "stopped_share_standard_error",
        "minutes_to_stop_median",
        "finished_share",
        "minutes_to_finish_median",
        "minutes_to_95_median",
        "minutes_to_acceptance_median",
    }
