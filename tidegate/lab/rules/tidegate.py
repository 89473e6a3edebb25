"""
Tidegate itself: the very review that runs in AWS, on counts per start bucket.

Whoever is asked says yes at once, alarms are OK and calendars open: of a gate, the time that it
watches for is left. The lab knows devices, and nothing of people. Where devices soak, each is
looked at once its time is over, and nobody is offline then who has not gone dark.
"""

from collections import deque
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidegate.domain.cohorts import Tally
from tidegate.domain.course import Answer, Course
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.jobs import ExecutionStatus, Job, JobCounts, JobStatus
from tidegate.domain.memory import OPEN_BUCKETS, Memory
from tidegate.domain.outcomes import LATE, CounterKey, bucket_of
from tidegate.domain.policy import Authorities, Harm, Policy
from tidegate.domain.review import review
from tidegate.domain.rollout import Counts, Tripwires
from tidegate.domain.settings import JobSettings, RolloutRate
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.soak import dark_status
from tidegate.domain.standing import AlarmReading, AlarmState, CalendarReading, Standing
from tidegate.lab.rule import LATE as LATE_STRATUM
from tidegate.lab.rule import PROMPT as PROMPT_STRATUM
from tidegate.lab.rule import Counts as Devices
from tidegate.lab.rule import Decide, Order, Plan, Sight

_MINUTE_SECONDS = 60.0
#: What cohorts of the lab are told by.
_KEY = "cohort"
_OFFSETS = ((PROMPT_STRATUM, 0), (LATE_STRATUM, LATE))

#: Outcomes in the order of ``Sight.arrived``.
_ARRIVED = (
    ExecutionStatus.SUCCEEDED,
    ExecutionStatus.FAILED,
    ExecutionStatus.TIMED_OUT,
    ExecutionStatus.REJECTED,
)


@dataclass(frozen=True, slots=True)
class TidegateRule:
    """
    Tidegate under a policy.

    Attributes:
        policy: What it is asked to keep.
        name: What people type.
        title: What people read.
        can_quarantine: Whether cohorts can be left out of the rollout.
        counters_only: Whether starts of devices are not known, but for AWS's totals.
    """

    policy: Policy
    name: str = "tidegate"
    title: str = "Tidegate"
    can_quarantine: bool = True
    counters_only: bool = False

    @classmethod
    def unasked(cls, policy: Policy, name: str = "tidegate") -> "TidegateRule":
        """Return the rule of a policy in whose place all is done that it would only propose."""
        return cls(
            replace(policy, authority=Authorities()),
            name=name,
            can_quarantine=policy.cohorts.quarantines,
        )

    @property
    def is_native(self) -> bool:
        """What AWS does by itself is the fence alone."""
        return False

    def begin(self, plan: Plan) -> Decide:
        """Start on a rollout."""
        return _Rollout(self, plan).decide


class _Rollout:
    """One rollout's ledger and last decision."""

    def __init__(self, rule: TidegateRule, plan: Plan) -> None:
        self._rule = rule
        self._plan = plan
        self._settings = JobSettings(
            rollout=RolloutRate(rule.policy.pace.start_per_minute),
            timeout_minutes=plan.timeout_minutes,
        )
        self._bound = 1.0
        self._memory = Memory()
        self._course = Course()
        self._standing = _agreeable(rule.policy)
        self._revision = 0
        # What the last review ordered, when the next one is due, and what wakes it before.
        self._order_standing: Order | None = None
        self._due_seconds = 0.0
        self._tripwires = Tripwires()
        soak = rule.policy.soak
        self._soaking = None if soak is None else _Soaking(soak.minutes, rule.policy.harm)

    def decide(self, sight: Sight) -> Order:
        """Order what the last review said, after a new one if it is time for that."""
        sight = sight if self._soaking is None else self._soaking.seen(sight)
        if self._order_standing is None or self._is_time(sight):
            self._order_standing = self._review(sight)
        return self._order_standing

    def _is_time(self, sight: Sight) -> bool:
        """Whether a review is due, or an outcome has crossed a tripwire: as the workflow waits."""
        if sight.minute * _MINUTE_SECONDS >= self._due_seconds:
            return True
        by_status = dict(zip(_ARRIVED, sight.arrived.sum(axis=1).tolist(), strict=True))
        harmed = sum(by_status[status] for status in self._rule.policy.harm.statuses)
        harmed += self._soaking.dark if self._soaking else 0
        succeeded = int(sight.succeeded.sum())
        return _is_crossed(self._tripwires.harmed, harmed) or _is_crossed(
            self._tripwires.succeeded, succeeded
        )

    def _review(self, sight: Sight) -> Order:
        self._revision += 1
        decision = review(self._rule.policy, self._situation(sight), sight.minute * _MINUTE_SECONDS)
        self._bound = min(self._bound, decision.evidence.upper_bound)
        self._memory = decision.memory
        self._course = decision.course
        self._due_seconds = sight.minute * _MINUTE_SECONDS + decision.wait_seconds
        self._tripwires = decision.tripwires
        if decision.settings.rollout:
            self._settings = JobSettings(
                rollout=decision.settings.rollout,
                abort=decision.settings.abort,
                timeout_minutes=self._plan.timeout_minutes,
            )
        return self._order(decision)

    def _order(self, decision: Decision) -> Order:
        rate = self._settings.rollout or RolloutRate(1)
        apart = frozenset(self._plan.cohorts.index(name) for name in self._memory.quarantined)
        evidence, criteria = decision.evidence, self._settings.abort or ()
        lowest = min(criteria, key=lambda each: each.threshold_percentage, default=None)
        return Order(
            rate.maximum_per_minute,
            exponential=rate.exponential,
            criteria=criteria,
            cancel=decision.verdict is Verdict.ABORT,
            quarantine=apart,
            marks={
                "verdict": decision.verdict.value,
                "log_e": evidence.log_e,
                "abort_at": evidence.abort_at,
                "upper_bound": evidence.upper_bound,
                "acceptable": self._rule.policy.harm.acceptable_rate,
                "accepted": evidence.upper_bound <= self._rule.policy.harm.acceptable_rate,
                "doubt": evidence.doubt,
                "fence_threshold": lowest.threshold_percentage if lowest else None,
                "fence_minimum": lowest.min_executed_things if lowest else None,
            },
            reasons=tuple(each.text for each in decision.reasons),
        )

    def _situation(self, sight: Sight) -> Situation:
        policy, plan = self._rule.policy, self._plan
        apart = [plan.cohorts.index(name) for name in self._memory.quarantined]
        return Situation(
            job=self._job(sight),
            counts=_counts(sight, slice(None)),
            revision=self._revision,
            signals=0,
            budget=policy.harm.budget(plan.fleet_size),
            readiness=Readiness.UNPLACED if self._rule.counters_only else Readiness.COMPLETE,
            fleet_size=plan.fleet_size,
            upper_bound=self._bound,
            memory=self._memory,
            tallies={_KEY: self._tallies(sight)} if len(plan.cohorts) > 1 else {},
            apart=_counts(sight, apart) if apart else Counts(),
            can_quarantine=self._rule.can_quarantine,
            course=self._course,
            answers=[
                Answer(each.question_id, yes=True, by="lab", comment="", at=each.asked_at)
                for each in self._course.pending
            ],
            standing=self._standing,
        )

    def _job(self, sight: Sight) -> Job:
        succeeded, failed, timed_out, rejected = (int(each) for each in sight.arrived.sum(axis=1))
        started = int(sight.started.sum())
        canceled = int(sight.canceled.sum())
        notified = int(sight.notified.sum())
        return Job(
            job_id="lab",
            arn="",
            status=JobStatus.IN_PROGRESS,
            created_at=0,
            counts=JobCounts(
                queued=notified - started - rejected - canceled,
                in_progress=started - succeeded - failed - timed_out,
                succeeded=succeeded,
                failed=failed,
                rejected=rejected,
                timed_out=timed_out,
                canceled=canceled,
            ),
            settings=self._settings,
            is_concurrent=notified < self._plan.fleet_size,
        )

    def _tallies(self, sight: Sight) -> dict[str, Tally]:
        harmful = {
            ExecutionStatus.FAILED: sight.failed,
            ExecutionStatus.TIMED_OUT: sight.timed_out,
        }
        started = sight.started[:, PROMPT_STRATUM]
        harmed = np.zeros_like(started)
        for status in self._rule.policy.harm.once_started:
            harmed += harmful[status][:, PROMPT_STRATUM]
        return {
            name: _tally(started[index], harmed[index])
            for index, name in enumerate(self._plan.cohorts)
        }


class _Soaking:
    """
    Successes that do not count yet, and those that turned out to be none.

    Attributes:
        dark: Devices that were found to be gone.
    """

    def __init__(self, minutes: float, harm: Harm) -> None:
        self.dark = 0
        self._minutes = minutes
        self._counts_as = (
            "timed_out" if dark_status(harm) is ExecutionStatus.TIMED_OUT else "failed"
        )
        # Since when, where, how many, and how many of these are dark.
        self._under_way: deque[_Successes] = deque()
        # All that were ever seen, and those whose soak is over: succeeded and dark, [2, c, s, t].
        self._known: Devices | None = None
        self._over: Devices | None = None

    def seen(self, sight: Sight) -> Sight:
        """Return what is to be seen while devices soak: in progress first, then good or harmed."""
        now = np.stack([sight.succeeded, sight.dark])
        known, over = (_widened(each, now) for each in (self._known, self._over))
        came = now - known
        where = np.nonzero(came)
        if len(where[0]):
            self._under_way.append(_Successes(sight.minute, where, came[where]))
        while self._under_way and self._under_way[0].minute + self._minutes <= sight.minute:
            past = self._under_way.popleft()
            over[past.where] += past.devices
        self._known, self._over = now, over
        succeeded, dark = over
        self.dark = int(dark.sum())
        harmed = {self._counts_as: getattr(sight, self._counts_as) + dark}
        return replace(sight, succeeded=succeeded - dark, **harmed)


class _Successes(NamedTuple):
    """Successes of one minute, as entries of an array [2, c, s, t]."""

    minute: int
    where: tuple[NDArray[np.intp], ...]
    devices: Devices


def _widened(counts: Devices | None, like: Devices) -> Devices:
    """Return counts with as many minutes as others have; what is new holds nothing."""
    wide = np.zeros_like(like)
    if counts is not None:
        wide[..., : counts.shape[-1]] = counts
    return wide


def _agreeable(policy: Policy) -> Standing:
    """Return alarms and calendars that stop nothing."""
    return Standing(
        alarms={name: AlarmReading(AlarmState.OK, 0.0) for name in policy.watched_alarms},
        calendars={name: CalendarReading(is_open=True) for name in policy.freeze.calendars},
    )


def _is_crossed(tripwire: int | None, count: int) -> bool:
    return tripwire is not None and count >= tripwire


def _tally(started: NDArray[np.int64], harmed: NDArray[np.int64]) -> Tally:
    """Sum a cohort up, from its devices per start minute."""
    ends = np.flatnonzero(harmed)
    ends = ends[ends >= len(started) - OPEN_BUCKETS]
    begun, hurt = started.cumsum(), harmed.cumsum()
    prefixes = zip(begun[ends].tolist(), hurt[ends].tolist(), strict=True)
    return Tally(int(started.sum()), int(harmed.sum()), tuple(prefixes))


def _counts(sight: Sight, cohorts: slice | list[int]) -> Counts:
    """Return things per start bucket and status, of some cohorts."""
    by_bucket: dict[CounterKey, int] = {}
    started, succeeded, failed, timed_out = (
        each[cohorts].sum(axis=0)
        for each in (sight.started, sight.succeeded, sight.failed, sight.timed_out)
    )
    by_status = {
        ExecutionStatus.SUCCEEDED: succeeded,
        ExecutionStatus.FAILED: failed,
        ExecutionStatus.TIMED_OUT: timed_out,
        ExecutionStatus.IN_PROGRESS: started - succeeded - failed - timed_out,
    }
    for stratum, offset in _OFFSETS:
        for status, numbers in by_status.items():
            _add(by_bucket, numbers[stratum], status, offset)
    _add(by_bucket, sight.rejected[cohorts].sum(axis=0), ExecutionStatus.REJECTED, 0)
    return Counts(by_bucket)


def _add(
    by_bucket: dict[CounterKey, int],
    numbers: NDArray[np.int64],
    status: ExecutionStatus,
    offset: int,
) -> None:
    """Add things by the minute of their start to the buckets of those minutes."""
    minutes = np.flatnonzero(numbers)
    for minute, number in zip(minutes.tolist(), numbers[minutes].tolist(), strict=True):
        key = (_bucket(minute) + offset, status)
        by_bucket[key] = by_bucket.get(key, 0) + number


@lru_cache(maxsize=1 << 16)
def _bucket(minute: int) -> int:
    return bucket_of(minute * _MINUTE_SECONDS, 0, _MINUTE_SECONDS)
