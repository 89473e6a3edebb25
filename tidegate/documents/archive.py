"""
What events on the bus tell of a rollout, read from a file: from EventBridge's archive, say.

A file holds events one after the other, in any order and more than once, and those of other jobs
too. Each is as EventBridge delivers it, as AWS IoT publishes it, or a text that holds one of these,
as CloudWatch Logs and SQS have them; lists may hold them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.documents.announcements import (
    POLICY_ADJUSTED,
    ROLLOUT_ABORTED,
    ROLLOUT_COMPLETED,
    ROLLOUT_HELD,
    ROLLOUT_STARTED,
    ROLLOUT_STEERED,
)
from tidegate.documents.events import (
    JOB_EXECUTION_STATUS_CHANGE,
    EventError,
    parse_iot_event,
    sighting_from_detail,
)
from tidegate.documents.json_values import json_values
from tidegate.domain.outcomes import Sighting, ThingRecord, fold
from tidegate.domain.rollout import Ending, RolloutKey
from tidegate.errors import Refused

#: Events that are read at most.
EVENTS_MAX = 20_000_000

#: Texts and lists may hold each other, but no deeper than this.
_DEPTH_MAX = 4

HOW_TO_ARCHIVE = 'docs/lab.md says how to get one, under "From an archive of events"'

_TOLD = "tidegate"
_STEERING = (ROLLOUT_STEERED, ROLLOUT_HELD)
_ENDING = (ROLLOUT_ABORTED, ROLLOUT_COMPLETED)


@dataclass(frozen=True, slots=True)
class Count:
    """
    How a rollout stood when Tidegate told of it.

    Attributes:
        at: Epoch seconds.
        exposed: Devices notified.
        started: Of them, taken up; None where AWS did not tell.
        in_flight: Of those, without an outcome.
        harmed: Outcomes that its policy counts as harm.
        verdict: Of the decision; empty where the event has none.
        rate_per_minute: That was put in force; None if the event puts none in force.
    """

    at: float
    exposed: int
    started: int | None
    in_flight: int
    harmed: int
    verdict: str = ""
    rate_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Archive:
    """
    What events tell of one rollout.

    Attributes:
        key: The rollout; the newest of its job.
        outcomes: The latest that was sighted of each thing, by its name; events tell no starts.
        counts: In the order of time.
        until: Epoch seconds of the newest event on it.
        policy_name: Of the policy that it was steered by last; empty if no event names it.
        fleet_size: Devices in all; None if no event tells.
        timeout_minutes: The in-progress time-out in force last; None if there was none.
        ending: How it ended; None if no event tells of its end.
        ended_at: Epoch seconds of its end.
        why: The reasons of its last decision.
        unread: Events in the file that could not be read.
    """

    key: RolloutKey
    outcomes: Mapping[str, ThingRecord]
    counts: tuple[Count, ...]
    until: float
    policy_name: str = ""
    fleet_size: int | None = None
    timeout_minutes: int | None = None
    ending: Ending | None = None
    ended_at: float | None = None
    why: tuple[str, ...] = ()
    unread: int = 0


def read_archive(text: str, job_id: str, *, source: str) -> Archive:
    """
    Return what the events in a text tell of a job's newest rollout.

    Args:
        text: JSON values one after the other.
        job_id: The job's.
        source: What to call the text in messages: a file's name, as a rule.

    Raises:
        Refused: It is not JSON, or tells of no decision on that job.
    """
    values = json_values(text, source=source, how=HOW_TO_ARCHIVE)
    reader = _Reader(job_id)
    for number, event in enumerate(_events(values, _DEPTH_MAX), start=1):
        if number > EVENTS_MAX:
            message = f"{source}: more than {EVENTS_MAX} events: give those of one job"
            raise Refused(message)
        reader.read(event)
    return reader.archive(source)


def _events(values: Iterator[object], depth: int) -> Iterator[Any]:
    """Yield the events among values; what is none as it is."""
    for value in values:
        if depth and isinstance(value, list):
            yield from _events(iter(value), depth - 1)
        elif depth and isinstance(value, str):
            yield from _events(iter(_parsed(value)), depth - 1)
        else:
            yield value


def _parsed(text: str) -> list[object]:
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        return [None]


class _Reader:
    """Sorts events, one after the other."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._sightings: list[Sighting] = []
        # Details of what Tidegate told, by the rollout's creation; the event's type beside each.
        self._told: dict[int, list[tuple[str, Mapping[str, Any]]]] = {}
        self._unread = 0

    def read(self, event: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Take in what an event tells of the job; count it if it cannot be read."""
        try:
            self._read(event)
        except (EventError, KeyError, TypeError, ValueError):
            self._unread += 1

    def _read(self, event: Mapping[str, Any]) -> None:
        if "eventType" in event:
            self._sight(parse_iot_event(json.dumps(event)).detail)
            return
        kind, detail = event["detail-type"], event["detail"]
        if kind == JOB_EXECUTION_STATUS_CHANGE:
            self._sight(detail)
        elif "eventType" in detail:
            self._sight(parse_iot_event(json.dumps(detail)).detail)
        elif event["source"] == _TOLD and detail.get("jobId") == self._job_id:
            self._tell(kind, detail)

    def _sight(self, detail: Mapping[str, Any]) -> None:
        if detail["jobId"] != self._job_id or "thingName" not in detail:
            return
        sighting = sighting_from_detail(detail)
        if sighting is not None:
            self._sightings.append(sighting)

    def _tell(self, kind: str, detail: Mapping[str, Any]) -> None:
        if "rolloutId" not in detail:
            return
        if "evidence" in detail:
            _count(kind, detail)
        _moment(detail)
        created_at = int(str(detail["rolloutId"]).rpartition("#")[2])
        self._told.setdefault(created_at, []).append((kind, detail))

    def archive(self, source: str) -> Archive:
        """Return what was read."""
        created_at = max(self._told, default=0)
        told = sorted(self._told.get(created_at, []), key=lambda each: (_moment(each[1]), each[0]))
        counts = [_count(kind, detail) for kind, detail in told if "evidence" in detail]
        if not counts:
            message = (
                f"{source}: no decision on {self._job_id} in it, only {len(self._sightings)} "
                "outcomes of devices: give all events of Tidegate's bus since the job's creation; "
                f"{HOW_TO_ARCHIVE}"
            )
            raise Refused(message)
        outcomes = self._outcomes(created_at)
        times = [_moment(detail) for _, detail in told]
        times += [float(each.at) for each in outcomes.values()]
        last = _last(told, _ENDING)
        return Archive(
            key=RolloutKey(self._job_id, created_at),
            outcomes=outcomes,
            counts=tuple(dict.fromkeys(counts)),
            until=max(times),
            policy_name=str(_last(told, (ROLLOUT_STARTED, POLICY_ADJUSTED)).get("policy", "")),
            fleet_size=_last(told, (ROLLOUT_STARTED,)).get("fleetSize"),
            timeout_minutes=_timeout(_last(told, _STEERING)),
            ending=Ending(last["ending"]) if last else None,
            ended_at=_moment(last) if last else None,
            why=_why(told),
            unread=self._unread,
        )

    def _outcomes(self, since: int) -> dict[str, ThingRecord]:
        """Return the latest sighting of each thing; a job's id may have been used before."""
        latest: dict[str, ThingRecord] = {}
        for each in self._sightings:
            if each.at >= since:
                latest[each.thing_name] = fold(latest.get(each.thing_name), each)
        return latest


def _count(kind: str, detail: Mapping[str, Any]) -> Count:
    evidence = detail["evidence"]
    return Count(
        at=_moment(detail),
        exposed=int(evidence["exposed"]),
        started=None if evidence["counters_only"] else int(evidence["started"]),
        in_flight=int(evidence["in_flight"]),
        harmed=int(evidence["harmed"]),
        verdict=str(detail.get("verdict", "")),
        rate_per_minute=_rate(detail["settings"]) if kind in _STEERING else None,
    )


def _rate(settings: Mapping[str, Any]) -> int | None:
    rate = settings.get("jobExecutionsRolloutConfig", {}).get("maximumPerMinute")
    return None if rate is None else int(rate)


def _timeout(detail: Mapping[str, Any]) -> int | None:
    minutes = detail.get("settings", {}).get("timeoutConfig", {}).get("inProgressTimeoutInMinutes")
    return None if minutes is None else int(minutes)


def _why(told: list[tuple[str, Mapping[str, Any]]]) -> tuple[str, ...]:
    decided = [detail for _, detail in told if "reasons" in detail]
    return tuple(str(each["text"]) for each in decided[-1]["reasons"]) if decided else ()


def _last(told: list[tuple[str, Mapping[str, Any]]], kinds: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the newest detail of an event of these kinds; an empty one if there is none."""
    of_kind = [detail for kind, detail in told if kind in kinds]
    return of_kind[-1] if of_kind else {}


def _moment(detail: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(detail["at"]).timestamp()
