"""A release among devices, minute by minute, steered by the review alone."""

from collections import Counter
from dataclasses import dataclass, replace
from random import Random

from tests.unit.domain.examples import (
    FAILED,
    IN_PROGRESS,
    REJECTED,
    SUCCEEDED,
    job_counts_of,
    job_of,
)
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import CounterKey
from tidegate.domain.policy import Policy
from tidegate.domain.review import first_settings, review
from tidegate.domain.rollout import Counts
from tidegate.domain.situation import Situation


@dataclass(frozen=True)
class Delays:
    """
    How long devices take, in minutes.

    Attributes:
        success: From start to success.
        failure: From start to failure.
        start: From notification to start, at the least; where given, devices that fail reject
            the job at once in place of starting it.
    """

    success: int
    failure: int = 0
    start: int | None = None


@dataclass(frozen=True)
class Device:
    """When a device that was notified starts and reports, and what in the end."""

    starts: int
    reports: int
    outcome: ExecutionStatus


@dataclass(frozen=True)
class Run:
    """
    What became of a release.

    Attributes:
        aborted: Whether a review stopped it.
        exposed: Devices notified.
        leaked: Those of them that AWS notified although the review said to wait.
        harmed: Of the notified, those that have failed or will.
        completed: Whether every device has reported.
    """

    aborted: bool
    exposed: int
    leaked: int
    harmed: int
    completed: bool


def release(
    policy: Policy, *, seed: int, failure_rate: float, delays: Delays, devices: int, minutes: int
) -> Run:
    """Release to a fleet: each minute a batch of AWS's, then a review, applied at once."""
    chance = Random(seed)
    settings, bound, holding, leaked = first_settings(policy), 1.0, False, 0
    memory = Memory()
    notified: list[Device] = []
    for minute in range(minutes):
        batch = min(settings.rate_per_minute, devices - len(notified))
        notified += [_device(chance, minute, failure_rate, delays) for _ in range(batch)]
        leaked += batch if holding else 0
        counts = Counts(
            dict(Counter(_counter(each, minute) for each in _started(notified, minute)))
        )
        queued = len(notified) - counts.of(IN_PROGRESS, *_OUTCOMES)
        job = job_of(
            job_counts_of(counts, queued=queued), settings, is_concurrent=len(notified) < devices
        )
        decision = review(
            policy,
            Situation(
                job=job,
                counts=counts,
                revision=minute + 1,
                signals=0,
                budget=policy.harm.budget(devices),
                fleet_size=devices,
                upper_bound=bound,
                memory=memory,
            ),
            job.created_at + 60.0 * (minute + 0.5),
        )
        bound, holding = decision.evidence.upper_bound, decision.verdict is Verdict.HOLD
        memory = decision.memory
        completed = counts.of(*_OUTCOMES) == devices
        if completed or decision.verdict is Verdict.ABORT:
            break
        settings = replace(settings, rollout=decision.settings.rollout)
    return Run(
        aborted=decision.verdict is Verdict.ABORT,
        exposed=len(notified),
        leaked=leaked,
        harmed=sum(each.outcome is not SUCCEEDED for each in notified),
        completed=completed,
    )


_OUTCOMES = (SUCCEEDED, FAILED, REJECTED)


def _device(chance: Random, minute: int, failure_rate: float, delays: Delays) -> Device:
    fails = chance.random() < failure_rate
    if fails and delays.start is not None:
        return Device(minute, minute, REJECTED)
    starts = minute + (delays.start or 0) + chance.choice([0, 0, 1, 2])
    if fails:
        return Device(starts, starts + delays.failure, FAILED)
    return Device(starts, starts + delays.success, SUCCEEDED)


def _started(notified: list[Device], minute: int) -> list[Device]:
    return [each for each in notified if each.starts <= minute]


def _counter(device: Device, minute: int) -> CounterKey:
    return device.starts, device.outcome if device.reports <= minute else IN_PROGRESS
