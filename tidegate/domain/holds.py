"""Holds: every reason not to go on now that is not in what devices report."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tidegate.domain.course import Course
from tidegate.domain.policy import Freeze, Overlap, Policy
from tidegate.domain.rollout import Hold, HoldKind
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.standing import AlarmReading, AlarmState, CalendarReading, Standing

#: Characters of an alarm's own reason that are repeated.
_REASON_LENGTH_MAX = 200


def holds_in_force(
    policy: Policy, situation: Situation, now: float
) -> tuple[tuple[Hold, ...], Course]:
    """
    Return all holds, the oldest first, and the course with what is to be remembered of them.

    Holds stack: each is there for its own reason, and lifting one lifts no other.
    """
    standing, since = situation.standing, dict(situation.course.held_since)
    found = [
        *_by_alarms(policy.freeze, standing),
        *_by_calendars(policy.freeze, standing),
        *_by_what_is_unreadable(policy.freeze, standing),
        *_by_others(policy, situation),
        *_by_outage(standing),
        *_by_stale_evidence(situation),
    ]
    timed = [_timed(each, since, now) for each in found]
    kept = {_name(each): each.since for each in timed}
    holds = sorted((*situation.holds, *timed), key=lambda each: (each.since, each.kind, each.by))
    return tuple(holds), replace(situation.course, held_since=kept)


def _timed(hold: Hold, known: Mapping[str, float], now: float) -> Hold:
    """Return the hold with the time of its own, or with that at which it was first found."""
    return hold if hold.since else replace(hold, since=known.get(_name(hold), now))


def _name(hold: Hold) -> str:
    return f"{hold.kind.value}:{hold.by}"


def _by_alarms(freeze: Freeze, standing: Standing) -> Iterator[Hold]:
    for name in freeze.alarms:
        reading = standing.alarms.get(name)
        why = None if "alarms" in standing.unreadable else _against(freeze, reading)
        if why is not None:
            since = reading.since if reading else 0.0
            yield Hold(HoldKind.ALARM, name, why, since)


def _against(freeze: Freeze, reading: AlarmReading | None) -> str | None:
    """Return why an alarm holds, None if it does not."""
    if reading is None:
        return "the alarm does not exist" if freeze.missing_data_holds else None
    match reading.state:
        case AlarmState.OK:
            return None
        case AlarmState.ALARM:
            return (
                f"in ALARM: {reading.reason}"[:_REASON_LENGTH_MAX] if reading.reason else "in ALARM"
            )
        case AlarmState.INSUFFICIENT_DATA:
            return "the alarm has no data" if freeze.missing_data_holds else None


def _by_calendars(freeze: Freeze, standing: Standing) -> Iterator[Hold]:
    for name in freeze.calendars:
        if "calendars" in standing.unreadable:
            return
        why = _closed(standing.calendars.get(name))
        if why is not None:
            yield Hold(HoldKind.CALENDAR, name, why, 0.0)


def _closed(reading: CalendarReading | None) -> str | None:
    if reading is None:
        return "the calendar does not exist"
    return None if reading.is_open else "the calendar is closed"


def _by_what_is_unreadable(freeze: Freeze, standing: Standing) -> Iterator[Hold]:
    """Hold for what cannot be read; a gate's own alarms keep that gate closed, no more."""
    kinds = {"alarms": HoldKind.ALARM, "calendars": HoldKind.CALENDAR}
    for what, why in standing.unreadable.items():
        if what != "alarms" or freeze.alarms:
            reason = f"not readable: {why}"[:_REASON_LENGTH_MAX]
            yield Hold(kinds.get(what, HoldKind.ACCOUNT), what, reason, 0.0)


def _by_others(policy: Policy, situation: Situation) -> Iterator[Hold]:
    standing = situation.standing
    if policy.overlap is Overlap.WAIT:
        for job_id in standing.overlapping:
            yield Hold(HoldKind.OVERLAP, job_id, "its rollout has some of the same things", 0.0)
    budget = standing.account_budget
    if budget is not None and standing.harmed_by_all >= budget:
        yield Hold(
            HoldKind.ACCOUNT,
            "all rollouts",
            f"all rollouts of the account together have spent their budget of {budget:g} devices",
            0.0,
        )


def _by_outage(standing: Standing) -> Iterator[Hold]:
    if standing.outage is not None:
        yield Hold(HoldKind.OUTAGE, "connectivity", standing.outage[:_REASON_LENGTH_MAX], 0.0)


def _by_stale_evidence(situation: Situation) -> Iterator[Hold]:
    if situation.readiness is Readiness.STALE:
        reason = f"not readable: {situation.unreadable}"[:_REASON_LENGTH_MAX]
        yield Hold(HoldKind.EVIDENCE, "outcomes", reason, 0.0)
