"""
A rollout that has been, device by device: what ``tidegate export`` writes and ``replay`` reads.

One JSON object a line: first the rollout, then its devices in the order of their notification.
Times are minutes since the job was created.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.documents.shapes import shown
from tidegate.domain.decision import Decision
from tidegate.domain.jobs import HARMFUL, TERMINAL, ExecutionStatus, ExecutionSummary
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import Ending, Rollout
from tidegate.errors import Refused
from tidegate.lab.executions import latest_of_things

#: Of the file; one that can be read otherwise counts it up.
VERSION = 1

#: Devices that are read at most.
DEVICES_MAX = 10_000_000

#: A minute has so many decimals that tell something.
_DECIMALS = 3

_HOW = "write it with `tidegate export JOB`"

_MINUTE_SECONDS = 60.0

#: Endings that stop a rollout before its time.
_STOPS = frozenset(Ending) - {Ending.COMPLETED}


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    What is known of one device.

    Attributes:
        notified: When it was.
        started: When it took the job up; None if it did not.
        ended: When it came to its status, where that is one to end with; None otherwise.
        status: Its last one.
        cohort: What it is, as far as the policy tells devices apart; empty if it does not.
        name: The thing's; empty if names are left out.
        estimated: Whether nobody saw when it was notified and started.
    """

    notified: float
    started: float | None
    ended: float | None
    status: ExecutionStatus
    cohort: str = ""
    name: str = ""
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """
    How a rollout stood when Tidegate told of it.

    Attributes:
        minutes: Since the job's creation.
        exposed: Devices notified.
        started: Of them, taken up; None where AWS did not tell.
        harmed: Outcomes that its policy counts as harm.
        verdict: Of the decision; empty where none was told.
        rate_per_minute: In force from then on.
    """

    minutes: float
    exposed: int
    started: int | None
    harmed: int
    verdict: str
    rate_per_minute: int | None


@dataclass(frozen=True, slots=True)
class Recording:
    """
    A rollout that has been.

    Attributes:
        job_id: The job's.
        policy: That it was steered by, when it ended; its name where no more is known.
        devices: In the order of their notification.
        minutes: Since the job's creation, when it was recorded or had ended.
        fleet_size: Devices in all; None if that was not known.
        timeout_minutes: The in-progress time-out; None if there was none.
        ending: How it ended; None if it goes on.
        why: The reasons of its last decision.
        told: What Tidegate told of it by time, where that is known.
    """

    job_id: str
    policy: Policy | str
    devices: tuple[Recorded, ...]
    minutes: float
    fleet_size: int | None = None
    timeout_minutes: int | None = None
    ending: Ending | None = None
    why: tuple[str, ...] = ()
    told: tuple[Told, ...] = ()

    @property
    def policy_name(self) -> str:
        """Of the policy that it was steered by."""
        return self.policy if isinstance(self.policy, str) else self.policy.name

    @property
    def estimated(self) -> int:
        """Devices of which nobody saw when they were notified and started."""
        return sum(each.estimated for each in self.devices)

    @property
    def exposed(self) -> int:
        """Devices that were notified."""
        return len(self.devices)

    @property
    def harmed(self) -> int:
        """Devices that failed, timed out or rejected."""
        return sum(each.status in HARMFUL for each in self.devices)

    @property
    def stopped(self) -> bool:
        """Whether it was stopped before its time."""
        return self.ending in _STOPS

    @property
    def all_notified_minutes(self) -> float | None:
        """When the last of the fleet was notified; None if not all were."""
        if not self.devices or len(self.devices) < (self.fleet_size or math.inf):
            return None
        return self.devices[-1].notified

    def notified_until(self, minute: float) -> int:
        """Return the devices that were notified before a minute."""
        return sum(each.notified < minute for each in self.devices)


def record_of(
    rollout: Rollout,
    executions: Iterable[ExecutionSummary],
    *,
    last: Decision | None,
    cohorts: Mapping[str, str],
    now: float,
) -> Recording:
    """
    Return the recording of a rollout.

    Args:
        rollout: As the ledger has it.
        executions: All that AWS lists of its job; of each thing the latest counts.
        last: Its last decision.
        cohorts: What each thing is, where that is known.
        now: Epoch seconds.
    """
    created_at = rollout.key.created_at

    def minutes(at: float) -> float:
        return max(0.0, round((at - created_at) / _MINUTE_SECONDS, _DECIMALS))

    devices = [
        _recorded(each, minutes, cohorts.get(each.thing_name, ""))
        for each in latest_of_things(executions)
    ]
    timeout = last.replaces.timeout_minutes if last else None
    return Recording(
        job_id=rollout.key.job_id,
        policy=rollout.policy,
        devices=tuple(sorted(devices, key=lambda each: (each.notified, each.name))),
        minutes=minutes(rollout.ended_at or now),
        fleet_size=rollout.fleet_size,
        timeout_minutes=timeout or rollout.policy.job.timeout_minutes,
        ending=rollout.ending,
        why=tuple(each.text for each in last.reasons) if last else (),
    )


def _recorded(each: ExecutionSummary, minutes: Callable[[float], float], cohort: str) -> Recorded:
    return Recorded(
        notified=minutes(each.queued_at),
        started=None if each.started_at is None else minutes(each.started_at),
        ended=minutes(each.updated_at) if each.status in TERMINAL else None,
        status=each.status,
        cohort=cohort,
        name=each.thing_name,
    )


def to_lines(recording: Recording, *, with_names: bool) -> Iterator[str]:
    """Yield the lines of a recording; names of things only where they are wanted."""
    yield _line(
        {
            "tidegate": "rollout",
            "version": VERSION,
            "job": recording.job_id,
            "minutes": recording.minutes,
            "fleet_size": recording.fleet_size,
            "timeout_minutes": recording.timeout_minutes,
            "ending": recording.ending.value if recording.ending else None,
            "why": list(recording.why),
            "policy": recording.policy
            if isinstance(recording.policy, str)
            else recording.policy.to_compiled(),
        }
    )
    for each in recording.devices:
        told: dict[str, Any] = {
            "notified": each.notified,
            "started": each.started,
            "ended": each.ended,
            "status": each.status.value,
        }
        if each.cohort:
            told["cohort"] = each.cohort
        if each.estimated:
            told["estimated"] = True
        if with_names:
            told["name"] = each.name
        yield _line(told)


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def read_recording(text: str, *, source: str) -> Recording:
    """
    Return the recording in a text.

    Args:
        text: As ``to_lines`` wrote it.
        source: What to call it in messages.

    Raises:
        Refused: It is no recording; the message says in which line.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        message = f"{source}: there is nothing in it: {_HOW}"
        raise Refused(message)
    if len(lines) - 1 > DEVICES_MAX:
        message = f"{source}: more than {DEVICES_MAX} devices: give those of one job"
        raise Refused(message)
    read = [_object(line, number, source) for number, line in enumerate(lines, start=1)]
    head = read[0]
    if head.get("tidegate") != "rollout" or head.get("version") != VERSION:
        message = f"{source}:1: no rollout of version {VERSION}: {_HOW}"
        raise Refused(message)
    try:
        devices = tuple(
            _device(each, number, source) for number, each in enumerate(read[1:], start=2)
        )
        return Recording(
            job_id=str(head["job"]),
            policy=head["policy"]
            if isinstance(head["policy"], str)
            else Policy.from_compiled(head["policy"]),
            devices=tuple(sorted(devices, key=lambda each: each.notified)),
            minutes=_minutes(head["minutes"]),
            fleet_size=head["fleet_size"],
            timeout_minutes=head["timeout_minutes"],
            ending=None if head["ending"] is None else Ending(head["ending"]),
            why=tuple(str(each) for each in head["why"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"{source}:1: not as it was written, at {shown(str(error))}: {_HOW}"
        raise Refused(message) from None


def _object(line: str, number: int, source: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    message = f"{source}:{number}: no JSON object: {_HOW}"
    raise Refused(message)


def _device(document: Mapping[str, Any], number: int, source: str) -> Recorded:
    try:
        return Recorded(
            notified=_minutes(document["notified"]),
            started=_if_any(document["started"]),
            ended=_if_any(document["ended"]),
            status=ExecutionStatus(document["status"]),
            cohort=str(document.get("cohort", "")),
            name=str(document.get("name", "")),
            estimated=document.get("estimated") is True,
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"{source}:{number}: no device, at {shown(str(error))}: {_HOW}"
        raise Refused(message) from None


def _if_any(value: object) -> float | None:
    return None if value is None else _minutes(value)


def _minutes(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        message = f"{shown(value)}, but minutes are needed"
        raise ValueError(message)
    return float(value)
