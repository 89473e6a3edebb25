"""
The standing state of what a rollout must heed: alarms, calendars, other rollouts.

Events only wake; what counts is what these say at the review. What cannot be read, or does not
exist, holds: no data, no progress.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class AlarmState(StrEnum):
    """A CloudWatch alarm's state."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True)
class AlarmReading:
    """What DescribeAlarms says of an alarm; ``since``: epoch seconds."""

    state: AlarmState
    since: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CalendarReading:
    """What GetCalendarState says of a calendar; ``changes_at``: epoch seconds, None if never."""

    is_open: bool
    changes_at: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """
    What was read for one review.

    Attributes:
        alarms: By name; those that do not exist are missing.
        calendars: By name; those that do not exist are missing.
        unreadable: What could not be read at all, by what it is, with why.
        overlapping: Ids of jobs that came first, have some of the same things and go on.
        harmed_by_all: Devices harmed beyond what is acceptable by all active rollouts, this one
            included as its last decision had it, and without the release that it undoes.
        account_budget: How many all may harm together; None if nothing limits them.
        outage: Why so many things are gone that it cannot be the release; None if they are not.
    """

    alarms: Mapping[str, AlarmReading] = field(default_factory=dict)
    calendars: Mapping[str, CalendarReading] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    overlapping: tuple[str, ...] = ()
    harmed_by_all: float = 0.0
    account_budget: float | None = None
    outage: str | None = None
