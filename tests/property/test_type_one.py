"""
A tolerable release is stopped no more often than stated, and bounds are missed no more often.

Devices fail at exactly what is tolerated, and everything is looked at again and again. Chances are
large, so that a few hundred seeded runs could show that a promise is broken.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.property.strategies import tally_of
from tests.unit.domain.examples import (
    FAILED,
    IN_PROGRESS,
    POLICY,
    REJECTED,
    SUCCEEDED,
    situation_of,
    with_counts,
)
from tidegate.domain.evidence import (
    Bucket,
    Restarting,
    log_e_restarting,
    tolerated_by_baseline,
)
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import LATE, CounterKey
from tidegate.domain.policy import Policy
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.weigh import (
    COHORTS_SHARE,
    EVIDENCE_SHARE,
    LATE_SHARE,
    OTHERS_SHARE,
    Weighed,
    weigh,
)

Counts = NDArray[np.int64]

RATE, RISK, CONFIDENCE = 0.05, 0.2, 0.8
TOLERANT = replace(
    POLICY,
    harm=replace(
        POLICY.harm,
        tolerated_rate=RATE,
        acceptable_rate=RATE,
        false_abort_risk=RISK,
        confidence=CONFIDENCE,
    ),
)
STRICT = replace(
    TOLERANT, harm=replace(TOLERANT.harm, statuses=TOLERANT.harm.statuses | {REJECTED})
)
#: Minutes in which devices start, how many of each cohort do, and how often it is looked at.
MINUTES, COHORTS, LOOKS = 18, (9, 4, 2), 8
#: Of them, those that start late.
LATE_DEVICES = (2, 1, 0)

few_or_many = pytest.mark.parametrize(
    "runs", [250, pytest.param(10_000, marks=pytest.mark.prove)], ids=["few", "many"]
)


def at_most(risk: float, runs: int) -> float:
    """Return how often something of this risk may happen, sampling error included."""
    return runs * risk + 3 * math.sqrt(runs * risk * (1 - risk))


@dataclass(frozen=True)
class Delays:
    """Minutes from start to outcome: of devices that succeed, and of those that fail."""

    success: int
    failure: int

    @property
    def looks(self) -> list[int]:
        """When it is looked at: while devices start, and until the last has its outcome."""
        last = MINUTES + max(self.success, self.failure)
        return [round(last * look / LOOKS) for look in range(1, LOOKS + 1)]


DELAYS = {
    "none": Delays(0, 0),
    "failures first": Delays(success=10, failure=0),
    "failures after an hour": Delays(success=1, failure=60),
}
any_delays = pytest.mark.parametrize("delays", DELAYS.values(), ids=DELAYS)


class Fleet:
    """
    Devices that start minute by minute in every cohort, prompt and late ones.

    Attributes:
        started: By stratum, minute and cohort.
        harmed: The same of those that fail in the end.
    """

    def __init__(self, chance: np.random.Generator, policy: Policy) -> None:
        """Draw who fails, at exactly the tolerated rates."""
        sizes = np.array([COHORTS, LATE_DEVICES])[:, None, :]
        self.started: Counts = np.broadcast_to(sizes, (2, MINUTES, len(COHORTS)))
        tolerated = np.array([policy.harm.tolerated_rate, policy.harm.tolerated_late])
        self.harmed: Counts = chance.binomial(self.started, tolerated[:, None, None])

    def cohorts_at(
        self, minute: int, delays: Delays, *, rejecting: bool
    ) -> Iterator[dict[CounterKey, int]]:
        """Yield the counts of each cohort at a minute; where devices reject, half do that fail."""
        for cohort in range(len(COHORTS)):
            counts: Counter[CounterKey] = Counter()
            for stratum, start in np.ndindex(2, min(minute, MINUTES)):
                bucket = int(start) + (LATE if stratum else 0)
                number = int(self.started[stratum, start, cohort])
                harmed = int(self.harmed[stratum, start, cohort])
                rejects = harmed // 2 if rejecting else 0
                fails = harmed - rejects if start + delays.failure < minute else 0
                fares_well = number - harmed if start + delays.success < minute else 0
                counts[bucket, REJECTED] += rejects
                counts[bucket, FAILED] += fails
                counts[bucket, SUCCEEDED] += fares_well
                counts[bucket, IN_PROGRESS] += number - rejects - fails - fares_well
            yield {key: number for key, number in counts.items() if number}


def situation_of_cohorts(
    cohorts: Sequence[Mapping[CounterKey, int]], readiness: Readiness
) -> Situation:
    """Return what is known of a release in cohorts."""
    together: Counter[CounterKey] = Counter()
    for each in cohorts:
        together.update(each)
    tallies = {
        str(index): tally_of({key: n for key, n in each.items() if key[0] < LATE})
        for index, each in enumerate(cohorts)
    }
    situation = with_counts(situation_of(), together)
    return replace(situation, readiness=readiness, tallies={"region": tallies})


@dataclass(frozen=True)
class Looked:
    """
    What looking at a release again and again came to.

    Attributes:
        by_evidence: Whether all prompt devices together ever stopped it.
        by_late: Whether late ones did.
        by_cohort: Whether a cohort was ever suspected.
        bound: The lowest upper bound on the failure rate.
    """

    by_evidence: bool
    by_late: bool
    by_cohort: bool
    bound: float


def look_again_and_again(
    policy: Policy, chance: np.random.Generator, delays: Delays, *, in_turn: bool
) -> Looked:
    """Look at a tolerable release; where ``in_turn``, the order of starts is lost at times."""
    fleet, memory, bound = Fleet(chance, policy), Memory(), 1.0
    seen: list[Weighed] = []
    for minute in delays.looks:
        lost = in_turn and chance.random() < 0.5
        readiness = Readiness.UNPLACED if lost else Readiness.COMPLETE
        cohorts = fleet.cohorts_at(minute, delays, rejecting=policy is STRICT)
        situation = situation_of_cohorts([*cohorts], readiness)
        now = (situation.job.created_at if situation.job else 0) + 60 * minute
        weighed = weigh(policy, replace(situation, memory=memory, upper_bound=bound), now)
        # What is suspected is not set apart: it counts as wrong once.
        memory = replace(weighed.memory, quarantined=())
        bound = weighed.evidence.upper_bound
        seen.append(weighed)
    return Looked(
        by_evidence=any(each.evidence.log_e >= each.evidence.abort_at for each in seen),
        by_late=any(each.log_e_late >= each.late_limit for each in seen),
        by_cohort=any(each.suspects for each in seen),
        bound=bound,
    )


@few_or_many
@any_delays
@pytest.mark.parametrize("policy", [TOLERANT, STRICT], ids=["", "rejections are harm"])
def test_each_way_of_stopping_keeps_to_its_share(runs: int, delays: Delays, policy: Policy) -> None:
    """Evidence, late devices and cohorts each, whatever the delays; and all of them together."""
    chance = np.random.default_rng(21)
    found = [
        look_again_and_again(policy, chance, delays, in_turn=policy is STRICT) for _ in range(runs)
    ]

    assert sum(each.by_evidence for each in found) <= at_most(RISK * EVIDENCE_SHARE, runs)
    assert sum(each.by_late for each in found) <= at_most(RISK * LATE_SHARE, runs)
    assert sum(each.by_cohort for each in found) <= at_most(RISK * COHORTS_SHARE, runs)
    stopped = sum(each.by_evidence or each.by_late or each.by_cohort for each in found)
    shares = EVIDENCE_SHARE + LATE_SHARE + COHORTS_SHARE + OTHERS_SHARE
    assert stopped <= at_most(RISK * shares, runs)
    missed = sum(each.bound < RATE for each in found)
    assert missed <= at_most(1 - CONFIDENCE, runs)


@dataclass(frozen=True)
class Starts:
    """Devices of one release by start bucket, and how many of them fail."""

    started: Counts
    harmed: Counts

    @property
    def buckets(self) -> list[Bucket]:
        """With all outcomes known: no earlier look knows more against the release."""
        pairs = zip(self.started.tolist(), self.harmed.tolist(), strict=True)
        return [Bucket(started, harmed, started - harmed) for started, harmed in pairs]


def drawn(chance: np.random.Generator, *, buckets: int, rate: float) -> Starts:
    """Draw a release whose buckets differ in size, failing at a rate."""
    started = chance.integers(0, 40, buckets)
    return Starts(started, chance.binomial(started, rate))


@pytest.mark.parametrize("runs", [1000, pytest.param(10_000, marks=pytest.mark.prove)])
@pytest.mark.parametrize("rate", [0.01, RATE, 0.3])
def test_restarts_at_any_bucket_together_keep_the_risk(runs: int, rate: float) -> None:
    """The best over all prefixes and all restarts reaches 1 / alpha no more often than alpha."""
    chance = np.random.default_rng(22)
    limit = -math.log(RISK)

    stopped = sum(
        log_e_restarting(drawn(chance, buckets=25, rate=rate).buckets, rate) >= limit
        for _ in range(runs)
    )
    assert stopped <= at_most(RISK, runs)


@pytest.mark.parametrize("runs", [1000, pytest.param(10_000, marks=pytest.mark.prove)])
def test_a_release_that_gets_better_gains_no_way_to_be_stopped(runs: int) -> None:
    """Below the tolerated rate, by any pattern over time, it is stopped no more often."""
    chance = np.random.default_rng(23)
    rates = np.where(np.arange(25) % 7 < 3, RATE, RATE / 4)

    stopped = 0
    for _ in range(runs):
        started = chance.integers(0, 40, 25)
        found = Restarting().then(Starts(started, chance.binomial(started, rates)).buckets, RATE)
        stopped += found.best >= -math.log(RISK)
    assert stopped <= at_most(RISK, runs)


@pytest.mark.parametrize("runs", [300, pytest.param(10_000, marks=pytest.mark.prove)])
@pytest.mark.parametrize("devices", [60, 600, 6000])
def test_a_release_as_good_as_its_baseline_is_rarely_stopped(runs: int, devices: int) -> None:
    """Both are known up to chance: the risk is that of the evidence and that of the baseline."""
    chance, alpha = np.random.default_rng(24), RISK / 4

    stopped = 0
    for _ in range(runs):
        tolerated = tolerated_by_baseline(int(chance.binomial(devices, RATE)), devices, alpha)
        release = drawn(chance, buckets=20, rate=RATE)
        stopped += log_e_restarting(release.buckets, tolerated) >= -math.log(RISK)
    assert stopped <= at_most(RISK + alpha, runs)


def test_evidence_in_order_of_arrival_would_stop_tolerable_releases() -> None:
    """Why devices are ordered by start: where failures come first, arrivals look all bad."""
    chance, runs, slow = np.random.default_rng(25), 100, 10

    stopped = 0
    for _ in range(runs):
        release = drawn(chance, buckets=25, rate=RATE)
        successes = np.concatenate([np.zeros(slow, int), release.started - release.harmed])
        failures = np.concatenate([release.harmed, np.zeros(slow, int)])
        arrived = Starts(failures + successes, failures)
        stopped += log_e_restarting(arrived.buckets, RATE) >= -math.log(RISK)
    assert stopped > 0.9 * runs
