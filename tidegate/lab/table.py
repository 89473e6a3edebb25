"""The table that compares rules: which columns it has, and what stands in them."""

from collections.abc import Callable, Sequence
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


def columns(*, is_bad: bool, summaries: Sequence[Summary]) -> tuple[Column, ...]:
    """
    Return the columns that tell something.

    Args:
        is_bad: Whether the release ought to be stopped; to stop another is called a mistake.
        summaries: What is to stand in the table.
    """
    has_bad_part = any(each.harmed_beyond_base != each.harmed for each in summaries)
    beyond_base = Column("in the bad part", "mean", lambda s: mean_worded(s.harmed_beyond_base))
    has_quarantine = any(each.quarantined.value for each in summaries)
    quarantined = Column("part apart", "of runs", lambda s: share_worded(s.quarantined.value))
    return (
        Column("harmed", "mean", lambda s: mean_worded(s.harmed)),
        Column("harmed", f"p{PERCENTILE}", lambda s: devices_worded(s.harmed_p95)),
        *((beyond_base,) if has_bad_part else ()),
        Column("exposed", "mean", lambda s: devices_worded(s.exposed.value)),
        *((quarantined,) if has_quarantine else ()),
        Column(
            "stopped" if is_bad else "false stops",
            "of runs",
            lambda s: share_worded(s.stopped.value),
        ),
        Column("time to stop", "median", lambda s: time_worded(s.minutes_to_stop)),
        Column("finished", "of runs", lambda s: share_worded(s.finished.value)),
        Column("time to finish", "median", lambda s: time_worded(s.minutes_to_finish)),
    )


def worst_rate(fleet: Fleet) -> float:
    """Return the highest rate at which devices of a part of the fleet fail or go dark."""
    of_cohorts = [each.failure_rate for each in fleet.cohorts if each.failure_rate is not None]
    drifted = [each.failure_rate for each in fleet.drift]
    failing = max(fleet.failures.rate, *of_cohorts, *drifted, 0.0)
    return failing + (1 - failing) * fleet.dark


def is_bad(fleet: Fleet, tolerated_rate: float) -> bool:
    """Return whether a release ought to be stopped: some part of the fleet fails too often."""
    return worst_rate(fleet) > tolerated_rate
