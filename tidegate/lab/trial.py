"""
One rollout in the lab: a rule, a fleet and AWS IoT Jobs, from the job's creation to its end.

A rollout is over when it is stopped, or when all of the fleet is notified, the last batch has had
the time of the timeout, and nearly all devices have an outcome. Offline devices that come later
than that count for no rule.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from tidegate.domain.case import ATTEND_MINUTES
from tidegate.domain.settings import AbortCriterion
from tidegate.lab.behaviours import AWS_LIKE, Behaviours
from tidegate.lab.controls import Controls, is_met
from tidegate.lab.fates import BAD
from tidegate.lab.fleet import Fleet
from tidegate.lab.model import CountedJob
from tidegate.lab.recorded import RecordedJob
from tidegate.lab.rule import Decide, Order, Rule

#: Minutes of a rollout that are looked at: two weeks.
MINUTES_MAX = 14 * 1440

#: A rollout that is paused, with nothing in flight, is given up after a day and an hour.
STALLED_MINUTES_MAX = 25 * 60

#: Share of the devices that can start: once as many have an outcome, no more are waited for.
SETTLED_SHARE = 0.95

#: Minutes between two looks at who waits of cohorts set apart: whoever begins before cannot be kept
#: from it.
_LOOK_MINUTES = math.ceil(ATTEND_MINUTES)

#: What tells the chance of a trial from that of the moment at which an orchestrator dies.
_DEATH = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """
    A rollout minute by minute.

    It goes on beyond the end of a rollout that was stopped until who was at work has an outcome,
    and of one that was not, until 95 % of devices have succeeded.

    Attributes:
        notified: Devices notified up to each minute, that one included.
        started: The same for starts.
        succeeded: The same for executions that were reported to have succeeded.
        failed: The same for FAILED, each failed attempt counted.
        timed_out: The same for TIMED_OUT.
        rejected: The same for REJECTED.
        in_flight: Devices that have started and have no outcome, at the minute's end.
        rate_per_minute: Devices that AWS would notify in the minute.
        failure_rate: Of the devices that would be notified in the minute; nan if there are none.
        criteria: The abort criteria in force, with the minute from which on they are.
        marks: Figures of the rule, one for each minute, None where it gave none.
        reasons: What the rule said, with the minute from which on it said so.
    """

    notified: NDArray[np.int64]
    started: NDArray[np.int64]
    succeeded: NDArray[np.int64]
    failed: NDArray[np.int64]
    timed_out: NDArray[np.int64]
    rejected: NDArray[np.int64]
    in_flight: NDArray[np.int64]
    rate_per_minute: NDArray[np.int64]
    failure_rate: NDArray[np.float64]
    criteria: tuple[tuple[int, tuple[AbortCriterion, ...]], ...]
    marks: dict[str, list[Any]]
    reasons: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """
    How a rollout went.

    Attributes:
        rule: Name of the rule.
        fleet: Name of the fleet.
        seed: From which it can be repeated.
        minutes: How long it was looked at.
        exposed: Devices notified.
        started: Devices that started.
        harmed: Devices that started, or rejected, and end in failure, be it after the end.
        harmed_beyond_base: Those of the part of the fleet that fails at a higher rate, be it a
            cohort's or after a drift; ``harmed`` where there is no such part.
        stopped_by: ``rule`` or ``native``, None if it was not stopped.
        minutes_to_stop: When it was.
        minutes_to_finish: When all of the fleet was notified, unless all of it was quarantined.
        minutes_to_95: When 95 % of the devices that can start had succeeded, quarantined cohorts
            aside; None if they did not.
        minutes_to_acceptance: When the rule first marked the release as ``accepted``.
        quarantined: Names of the cohorts that were.
        harmed_until_apart: Of ``harmed_beyond_base``, those started when a cohort was quarantined
            for the first time; None if none was.
        trace: Minute by minute, if that was asked for.
    """

    rule: str
    fleet: str
    seed: int
    minutes: int
    exposed: int
    started: int
    harmed: int
    harmed_beyond_base: int
    stopped_by: str | None
    minutes_to_stop: int | None
    minutes_to_finish: int | None
    minutes_to_95: int | None
    minutes_to_acceptance: int | None
    quarantined: tuple[str, ...]
    harmed_until_apart: int | None = None
    trace: Trace | None = field(default=None, repr=False, compare=False)

    @property
    def stopped(self) -> bool:
        """Whether the rollout was stopped, by the rule or by AWS."""
        return self.stopped_by is not None

    @property
    def finished(self) -> bool:
        """Whether all of the fleet was notified."""
        return self.minutes_to_finish is not None


def run(
    fleet: Fleet,
    rule: Rule,
    seed: int,
    *,
    behaviours: Behaviours = AWS_LIKE,
    orchestrator_stops_at: int | None = None,
    with_trace: bool = False,
    minutes_max: int = MINUTES_MAX,
) -> Trial:
    """
    Return how a rollout goes; the same arguments give the same trial.

    Args:
        fleet: The devices, and the truth about the release.
        rule: What decides.
        seed: Of all chance.
        behaviours: How AWS behaves where its documents do not say.
        orchestrator_stops_at: Minute from which on the rule is not asked any more: what it ordered
            last stands. Its first order, and a rule that AWS alone carries out, always get through.
        with_trace: Whether to keep every minute.
        minutes_max: Minutes after which it is given up.
    """
    rng = default_rng(SeedSequence(seed))
    job = CountedJob(fleet, behaviours, rng, minutes_max=minutes_max)
    death = None if rule.is_native else orchestrator_stops_at
    recorder = _Recorder() if with_trace else None
    rollout = _Rollout(
        fleet, rule, behaviours, job, death=death, minutes_max=minutes_max, recorder=recorder
    )
    return rollout.play(seed)


def run_again(
    fleet: Fleet,
    rule: Rule,
    job: RecordedJob,
    seed: int,
    *,
    behaviours: Behaviours = AWS_LIKE,
    with_trace: bool = False,
    minutes_max: int = MINUTES_MAX,
) -> Trial:
    """
    Return how a rollout goes whose devices have been through one before.

    Args:
        fleet: What is known of them all: size, cohorts and timeout; how they fare is the job's.
        rule: What decides.
        job: Its devices; made for as many minutes.
        seed: That the job was made with, for the trial to say.
        behaviours: How AWS behaves where its documents do not say.
        with_trace: Whether to keep every minute.
        minutes_max: Minutes after which it is given up.
    """
    recorder = _Recorder() if with_trace else None
    rollout = _Rollout(
        fleet, rule, behaviours, job, death=None, minutes_max=minutes_max, recorder=recorder
    )
    return rollout.play(seed)


def dead_man(
    fleet: Fleet,
    rule: Rule,
    seed: int,
    *,
    behaviours: Behaviours = AWS_LIKE,
    with_trace: bool = False,
    minutes_max: int = MINUTES_MAX,
) -> Trial:
    """Return how a rollout goes whose orchestrator stops for good somewhere in its life."""
    live = run(
        fleet,
        rule,
        seed,
        behaviours=behaviours,
        with_trace=with_trace and rule.is_native,
        minutes_max=minutes_max,
    )
    if rule.is_native:
        return live
    chance = default_rng(SeedSequence(seed, spawn_key=(_DEATH,)))
    return run(
        fleet,
        rule,
        seed,
        behaviours=behaviours,
        orchestrator_stops_at=int(chance.integers(live.minutes + 1)),
        with_trace=with_trace,
        minutes_max=minutes_max,
    )


class _Rollout:
    """A rollout under way."""

    def __init__(
        self,
        fleet: Fleet,
        rule: Rule,
        behaviours: Behaviours,
        job: CountedJob | RecordedJob,
        *,
        death: int | None,
        minutes_max: int,
        recorder: "_Recorder | None",
    ) -> None:
        self._fleet = fleet
        self._rule = rule
        self._behaviours = behaviours
        self._decide: Decide = rule.begin(fleet.plan)
        self._death = death
        self._minutes_max = minutes_max
        self._job = job
        self._controls = Controls(behaviours)
        self._recorder = recorder
        self._quarantined: frozenset[int] = frozenset()
        self._harmed_until_apart: int | None = None
        # Who has asked for a stop, and when it takes effect.
        self._stop: tuple[str, int] | None = None
        self._finished_at: int | None = None
        self._at_95: int | None = None
        self._accepted_at: int | None = None
        self._idle_minutes = 0
        self._ended_at: int | None = None

    def play(self, seed: int) -> Trial:
        """Go through the rollout to its end."""
        job = self._job
        for _ in range(self._minutes_max + 1):
            self._begin_minute()
            if job.is_stopped or self._is_over():
                break
            self._notify()
            job.pass_minute()
        minutes, harmed, started = job.minute, job.harmed, job.started
        self._ended_at = minutes
        self._play_out()
        return Trial(
            rule=self._rule.name,
            fleet=self._fleet.name,
            seed=seed,
            minutes=minutes,
            exposed=job.notified,
            started=started,
            harmed=int(harmed.sum()),
            harmed_beyond_base=self._beyond_base(harmed),
            stopped_by=self._stop[0] if self._stop and job.is_stopped else None,
            minutes_to_stop=minutes if job.is_stopped else None,
            minutes_to_finish=self._finished_at,
            minutes_to_95=self._at_95,
            minutes_to_acceptance=self._accepted_at,
            quarantined=tuple(self._fleet.parts[each].name for each in sorted(self._quarantined)),
            harmed_until_apart=self._harmed_until_apart,
            trace=self._recorder.trace() if self._recorder else None,
        )

    def _begin_minute(self) -> None:
        """Take in what the minute before has brought, and let AWS and the rule judge it."""
        job = self._job
        job.arrive()
        if self._recorder and job.minute:
            self._recorder.arrived(job)
        self._note_95()
        self._abort_natively()
        self._ask()
        if self._stop and job.minute >= self._stop[1]:
            job.stop()

    def _beyond_base(self, harmed: NDArray[np.int64]) -> int:
        return int(harmed[BAD] if _has_bad_part(self._fleet) else harmed.sum())

    def _abort_natively(self) -> None:
        if self._stop or not self._job.minute or not self._controls.standing.criteria:
            return
        behaviours = self._behaviours
        counters = self._job.counters(attempts=behaviours.abort_counts_attempts)
        criteria = self._controls.standing.criteria
        if any(is_met(criterion, counters, behaviours) for criterion in criteria):
            self._stop = ("native", self._job.minute + behaviours.abort_lag_minutes)

    def _ask(self) -> None:
        """Ask the rule, unless nobody runs it any more, and bring its order to AWS."""
        minute = self._job.minute
        if self._stop or (minute and self._death is not None and minute >= self._death):
            return
        order = self._decide(self._job.sight())
        if self._recorder:
            self._recorder.ordered(minute, order)
        if self._accepted_at is None and order.marks.get("accepted"):
            self._accepted_at = minute
        self._controls.update(order, self._job.counters())
        is_new = not order.quarantine <= self._quarantined
        self._quarantined |= order.quarantine
        if self._quarantined and self._harmed_until_apart is None:
            self._harmed_until_apart = self._beyond_base(self._job.harmed)
        if is_new or (self._quarantined and minute % _LOOK_MINUTES == 0):
            self._job.quarantine(self._quarantined)
        if order.cancel:
            self._stop = ("rule", minute + self._behaviours.cancel_lag_minutes)

    def _notify(self) -> None:
        job, controls = self._job, self._controls
        rate_per_minute = self._rate_per_minute()
        if self._recorder:
            self._recorder.going(job, rate_per_minute, controls.standing.criteria)
        left = job.left
        notified = job.notify(rate_per_minute)
        if notified == left and self._finished_at is None and not job.is_quarantined_whole:
            self._finished_at = job.minute + 1
        idle = left and not rate_per_minute and not job.in_flight
        self._idle_minutes = self._idle_minutes + 1 if idle else 0
        if controls.is_changing:
            controls.tick(job.counters())

    def _rate_per_minute(self) -> int:
        return 0 if self._job.is_stopped else self._controls.rate_per_minute(self._job.counters())

    def _note_95(self) -> None:
        if self._at_95 is not None:
            return
        succeeded, _ = self._job.settled
        if succeeded >= SETTLED_SHARE * self._job.startable > 0:
            self._at_95 = self._job.minute

    def _is_over(self) -> bool:
        """Return whether nothing is to be expected any more that would count."""
        job = self._job
        if self._idle_minutes > STALLED_MINUTES_MAX or job.minute == self._minutes_max:
            return True
        if job.left:
            return False
        if not job.in_flight and not job.awaited:
            return True
        if (
            self._finished_at is None
            or job.minute < self._finished_at + self._fleet.timeout_minutes
        ):
            return False
        _, ended = job.settled
        return ended >= SETTLED_SHARE * job.startable

    def _play_out(self) -> None:
        """Let come what somebody still wants to see; nothing of it changes the trial's harm."""
        job, recorder = self._job, self._recorder
        for minute in range(job.minute, self._minutes_max + 1):
            is_end = minute == self._ended_at
            wants_rest = recorder and (is_end or (job.is_stopped and job.in_flight))
            if not wants_rest and not self._expects_95():
                break
            if recorder:
                recorder.going(job, self._rate_per_minute(), self._controls.standing.criteria)
            job.pass_minute()
            job.arrive()
            self._note_95()
            if recorder:
                recorder.arrived(job)

    def _expects_95(self) -> bool:
        job = self._job
        if self._at_95 is not None or job.is_stopped or job.left:
            return False
        return job.promised >= SETTLED_SHARE * job.startable > 0


class _Recorder:
    """Keeps every minute of a rollout."""

    def __init__(self) -> None:
        self._rates: list[tuple[int, float]] = []
        self._counts: list[tuple[int, ...]] = []
        self._criteria: list[tuple[int, tuple[AbortCriterion, ...]]] = []
        self._marks: dict[str, list[Any]] = {}
        self._reasons: list[tuple[int, tuple[str, ...]]] = []

    def ordered(self, minute: int, order: Order) -> None:
        """Keep what a rule says in a minute."""
        for name, value in order.marks.items():
            marks = self._marks.setdefault(name, [])
            marks += [None] * (minute - len(marks))
            marks.append(value)
        if not self._reasons or self._reasons[-1][1] != order.reasons:
            self._reasons.append((minute, order.reasons))

    def going(
        self,
        job: CountedJob | RecordedJob,
        rate_per_minute: int,
        criteria: tuple[AbortCriterion, ...],
    ) -> None:
        """Keep what is in force when a minute begins."""
        self._rates.append((rate_per_minute, job.failure_rate))
        if not self._criteria or self._criteria[-1][1] != criteria:
            self._criteria.append((job.minute, criteria))

    def arrived(self, job: CountedJob | RecordedJob) -> None:
        """Keep what a minute has brought, once it is over."""
        counters = job.counters()
        self._counts.append(
            (
                counters.notified,
                job.started,
                counters.succeeded,
                counters.failed,
                counters.timed_out,
                counters.rejected,
                job.in_flight,
            )
        )

    def trace(self) -> Trace:
        """Return all that was kept."""
        minutes = len(self._counts)
        counts = np.array(self._counts, dtype=np.int64).reshape(minutes, -1).T
        notified, started, succeeded, failed, timed_out, rejected, in_flight = counts
        for marks in self._marks.values():
            marks.extend([None] * (minutes - len(marks)))
        return Trace(
            notified=notified,
            started=started,
            succeeded=succeeded,
            failed=failed,
            timed_out=timed_out,
            rejected=rejected,
            in_flight=in_flight,
            rate_per_minute=np.array([rate for rate, _ in self._rates], dtype=np.int64),
            failure_rate=np.array([rate for _, rate in self._rates]),
            criteria=tuple(self._criteria),
            marks=self._marks,
            reasons=tuple(self._reasons),
        )


def _has_bad_part(fleet: Fleet) -> bool:
    base = fleet.failures.rate
    of_cohorts = [each.failure_rate for each in fleet.cohorts if each.failure_rate is not None]
    return any(rate > base for rate in (*of_cohorts, *(each.failure_rate for each in fleet.drift)))
