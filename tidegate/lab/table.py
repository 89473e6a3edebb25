"""The table that compares rules: which columns it has, and what stands in them."""

from collections.abc import Callable
from dataclasses import dataclass

from tidegate.lab.fleet import Fleet
from tidegate.lab.summary import PERCENTILE, Summary
from tidegate.lab.wording import devices_worded, mean_worded, share_worded, time_worded


@dataclass(frozen=True, slots=True)
class Row:
    """What a rule did, under the name that people type and the title that they read."""

    name: str
    title: str
    summary: Summary


@dataclass(frozen=True, slots=True)
class Column:
    """
    A figure of each rule.

    Attributes:
        title: What it is.
        note: Which statistic of it, if that is not plain.
        cell: Returns it, worded.
    """

    title: str
    note: str
    cell: Callable[[Summary], str]


def columns(*, is_bad: bool) -> tuple[Column, ...]:
    """Return the columns; to stop a release that is not bad is a mistake, and called so."""
    return (
        Column("harmed", "mean", lambda summary: mean_worded(summary.harmed)),
        Column("harmed", f"p{PERCENTILE}", lambda summary: devices_worded(summary.harmed_p95)),
        Column("exposed", "mean", lambda summary: devices_worded(summary.exposed.value)),
        Column(
            "stopped" if is_bad else "false stops",
            "of runs",
            lambda summary: share_worded(summary.stopped.value),
        ),
        Column("time to stop", "median", lambda summary: time_worded(summary.minutes_to_stop)),
        Column("finished", "of runs", lambda summary: share_worded(summary.finished.value)),
        Column("time to finish", "median", lambda summary: time_worded(summary.minutes_to_finish)),
    )


def worst_rate(fleet: Fleet) -> float:
    """Return the highest failure rate that devices of the fleet are known to come to."""
    of_cohorts = [each.failure_rate for each in fleet.cohorts if each.failure_rate is not None]
    return max(fleet.failures.rate, *of_cohorts, *(each.failure_rate for each in fleet.drift), 0.0)


def is_bad(fleet: Fleet, tolerated_rate: float) -> bool:
    """Return whether a release ought to be stopped: some part of the fleet fails too often."""
    return worst_rate(fleet) > tolerated_rate
