"""
Weighing: from counts to what they say about the release.

The false-abort risk is shared out among all that can stop a release, so that together they stop a
tolerable one no more often than the policy says.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tidegate.domain.cohorts import (
    Remedy,
    Suspect,
    Tally,
    choices_of,
    limit_of_each,
    suspects_by_key,
)
from tidegate.domain.decision import Evidence
from tidegate.domain.evidence import (
    BOUND_SHIFTS,
    Bucket,
    Restarting,
    log_e_above,
    log_e_in_both_orders,
    log_e_totals,
    pessimistic_upper_bound,
)
from tidegate.domain.jobs import REPORTED, ExecutionStatus
from tidegate.domain.memory import OPEN_BUCKETS, Memory, weigh_buckets
from tidegate.domain.outcomes import LATE, UNPLACED, CounterKey
from tidegate.domain.pace import doubt
from tidegate.domain.policy import Harm, Policy
from tidegate.domain.situation import Readiness, Situation

#: How the false-abort risk is shared out: devices in order of start, devices that start late,
#: each cohort, what is left without a cohort, and AWS's own criteria.
EVIDENCE_SHARE = 0.5
LATE_SHARE = 0.05
COHORTS_SHARE = 0.2
OTHERS_SHARE = 0.1
FENCE_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Weighed:
    """
    What the counts say.

    Attributes:
        evidence: The figures that a decision states.
        restarting: The evidence in order of start; None where that order is not known.
        buckets: What the upper bound rests on, in order of start.
        bound_alpha: One less the confidence of that bound.
        log_e_late: Evidence that devices which start late fail more often than tolerated of them.
        late_limit: The log evidence at which they stop the release.
        suspects: Cohorts that fail.
        tallies: Of each cohort, by the key that it is told by.
        memory: To hand on to the next review.
    """

    evidence: Evidence
    restarting: Restarting | None
    buckets: list[Bucket]
    bound_alpha: float
    log_e_late: float
    late_limit: float
    suspects: tuple[Suspect, ...]
    tallies: Mapping[str, Mapping[str, Tally]]
    memory: Memory


@dataclass(frozen=True, slots=True)
class _Strata:
    """Placed devices: the prompt ones in order of start, the late ones all together."""

    prompt: list[Bucket]
    late: Bucket

    @property
    def started(self) -> int:
        return sum(each.started for each in self.prompt) + self.late.started


def weigh(policy: Policy, situation: Situation, now: float) -> Weighed:
    """
    Return what is known and what it says under the policy.

    Args:
        policy: The rollout's snapshot.
        situation: What is known.
        now: Epoch seconds.
    """
    harm, job = policy.harm, situation.job
    # AWS counts a success at once, also where it takes a soak to be one.
    aside = situation if policy.soak is None else replace(situation, job=None)
    harmed, cleared = _known(situation, harm.statuses), _known(aside, REPORTED - harm.statuses)
    counts = situation.counts
    counted = job.counts.started if job else 0
    started = max(counted, harmed + cleared + counts.of(ExecutionStatus.IN_PROGRESS))
    exposed = max(job.counts.exposed if job else 0, started)
    totals = Evidence(
        exposed=exposed,
        started=started,
        in_flight=max(0, started - harmed - cleared),
        succeeded=_known(aside, (ExecutionStatus.SUCCEEDED,)),
        harmed=harmed,
        cleared=cleared,
        unplaced=counts.unplaced(*REPORTED),
        abort_at=-math.log(harm.false_abort_risk * EVIDENCE_SHARE),
    )
    if situation.readiness is Readiness.COMPLETE:
        return _by_start(harm, situation, totals, now)
    return _by_counters(harm, situation, totals)


def _by_counters(harm: Harm, situation: Situation, totals: Evidence) -> Weighed:
    """
    Weigh totals alone: valid, but slow, as stragglers never leave the ratio.

    Where nobody knows who has started, all who were notified count, offline ones too: in order of
    notification they are a prefix.
    """
    unstarted = situation.readiness is Readiness.UNSTARTED
    among = totals.exposed if unstarted else totals.started
    started_harm = _known(situation, harm.once_started) - _beside(situation, harm.once_started)
    log_e = log_e_totals(started_harm, among, harm.tolerated_rate)
    log_e = _in_both_orders(log_e, harm, situation, totals)
    buckets, alpha = [Bucket(among, totals.harmed, totals.cleared)], 1 - harm.confidence
    evidence = replace(
        totals,
        log_e=log_e,
        doubt=doubt(log_e, totals.abort_at),
        upper_bound=_bound(buckets, alpha, situation),
        counters_only=True,
    )
    apart = [each for each in situation.memory.quarantined if each not in situation.released]
    memory = replace(situation.memory, quarantined=tuple(apart))
    return Weighed(evidence, None, buckets, alpha, 0.0, math.inf, (), {}, memory)


def _by_start(harm: Harm, situation: Situation, totals: Evidence, now: float) -> Weighed:
    memory, tallies = situation.memory, situation.tallies
    known = frozenset(memory.quarantined) - situation.released
    found = suspects_by_key(
        tallies,
        tolerated_rate=harm.tolerated_rate,
        risk=harm.false_abort_risk * COHORTS_SHARE,
        risk_of_others=harm.false_abort_risk * OTHERS_SHARE,
        remedy=Remedy.QUARANTINE if situation.can_quarantine else Remedy.HOLD,
        apart=known,
        released=situation.released,
    )
    apart = known | {each.cohort for each in found if each.remedy is Remedy.QUARANTINE}
    everyone = _strata(situation.counts.by_bucket, harm)
    strata = everyone
    alpha, abort_at = 1 - harm.confidence, totals.abort_at
    if apart:
        # Those left are chosen by what was seen: each choice there was takes part of the risk.
        strata = _strata(_without(situation), harm)
        choices = max(choices_of(tallies, apart), float(len(apart)))
        alpha /= 2 * choices
        abort_at = limit_of_each(harm.false_abort_risk * OTHERS_SHARE, choices)
    minute, late = _minute(situation, now), everyone.late
    restarting, folded = weigh_buckets(memory.folded, strata.prompt, harm.tolerated_rate)
    buckets = _bounded_by(strata, unseen=totals.started - everyone.started)
    bound, log_e, log_e_now = situation.upper_bound, restarting.best, restarting.current
    if apart == known:
        bound = _bound(buckets, alpha, situation)
    else:
        # How those left fared is known in total only, until the next review.
        log_e = log_e_now = max(
            each.log_e_of_others for each in found if each.cohort in apart - known
        )
    overdue = 0.0
    if bound <= harm.acceptable_rate:
        overdue = memory.delays.log_e_overdue(strata.prompt, minute, harm.tolerated_rate)
    evidence = replace(
        totals,
        log_e=_in_both_orders(log_e, harm, situation, totals),
        abort_at=abort_at,
        upper_bound=bound,
        late_started=late.started,
        late_harmed=late.harmed,
        doubt=doubt(log_e_now, abort_at),
        log_e_overdue=overdue,
    )
    return Weighed(
        evidence=evidence,
        restarting=restarting,
        buckets=buckets,
        bound_alpha=alpha,
        log_e_late=log_e_above(late.harmed, late.started, harm.tolerated_late),
        late_limit=-math.log(harm.false_abort_risk * LATE_SHARE),
        suspects=found,
        tallies=tallies,
        memory=Memory(
            folded,
            memory.delays.learn(strata.prompt, minute),
            tuple(sorted(apart)),
            situation.durations,
        ),
    )


def _minute(situation: Situation, now: float) -> float:
    """Return the minutes since the job's creation."""
    if situation.job is None:
        return 0.0
    return max(0.0, (now - situation.job.created_at) / situation.minute_seconds)


def _known(situation: Situation, statuses: Iterable[ExecutionStatus]) -> int:
    """
    Return the number of things with such an outcome.

    Where the ledger is not complete, AWS's counters may know more, if they count things.
    """
    recorded, job = situation.counts.of(*statuses), situation.job
    if situation.readiness is Readiness.COMPLETE or job is None or not job.counts_things:
        return recorded
    return max(recorded, job.counts.of(statuses))


def _beside(situation: Situation, statuses: frozenset[ExecutionStatus]) -> int:
    """
    Return the number of things with such an outcome that are weighed by themselves.

    Those that started late have a tolerated rate of their own; those of cohorts set apart have been
    judged. Neither may speak against the others.
    """
    late = (
        n for (i, each), n in situation.counts.by_bucket.items() if i >= LATE if each in statuses
    )
    apart = (
        n for (i, each), n in situation.apart.by_bucket.items() if i < LATE if each in statuses
    )
    return sum(late) + sum(apart)


def _in_both_orders(log_e: float, harm: Harm, situation: Situation, totals: Evidence) -> float:
    if harm.statuses == harm.once_started:
        return log_e
    harmed = totals.harmed - _beside(situation, harm.statuses)
    return log_e_in_both_orders(log_e, harmed, totals.exposed, harm.tolerated_rate)


def _bound(buckets: list[Bucket], alpha: float, situation: Situation) -> float:
    return pessimistic_upper_bound(buckets, alpha, situation.upper_bound, BOUND_SHIFTS)


def _strata(by_bucket: Mapping[CounterKey, int], harm: Harm) -> _Strata:
    """
    Sort placed devices into buckets in order of start, empty ones included.

    Devices whose harm is not that of a start are in flight, as far as this order goes.
    """
    harms, clears = harm.once_started, REPORTED - harm.statuses
    newest = max((index for index, _ in by_bucket if index < LATE), default=-1)
    started, harmed, cleared = ([0] * (newest + 1) for _ in range(3))
    late = [0, 0, 0]
    for (index, status), number in by_bucket.items():
        if index == UNPLACED:
            continue
        is_harm, is_clear = status in harms, status in clears
        if index >= LATE:
            late[0] += number
            late[1] += number if is_harm else 0
            late[2] += number if is_clear else 0
            continue
        started[index] += number
        if is_harm:
            harmed[index] += number
        elif is_clear:
            cleared[index] += number
    prompt = [Bucket(*each) for each in zip(started, harmed, cleared, strict=True)]
    return _Strata(prompt, Bucket(*late))


def _without(situation: Situation) -> dict[CounterKey, int]:
    """Return the counts without those of cohorts set apart."""
    left = dict(situation.counts.by_bucket)
    for key, number in situation.apart.by_bucket.items():
        left[key] = max(0, left.get(key, 0) - number)
    return left


def _bounded_by(strata: _Strata, *, unseen: int) -> list[Bucket]:
    """
    Return the buckets that the bound looks at, the oldest as one: earlier looks saw them singly.

    Devices that AWS counts as started and no list has shown yet are the newest.
    """
    closed = max(0, len(strata.prompt) - OPEN_BUCKETS)
    oldest = strata.prompt[:closed]
    together = Bucket(
        sum(each.started for each in oldest),
        sum(each.harmed for each in oldest),
        sum(each.cleared for each in oldest),
    )
    buckets = [together, *strata.prompt[closed:]] if closed else strata.prompt
    return [*buckets, Bucket(unseen, 0, 0)] if unseen > 0 else buckets
