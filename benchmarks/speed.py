"""
Measures what Tidegate's own work costs: a review, its memory, folding, and a whole rollout.

All times are CPU time of this process, medians of several rounds. The yardstick is a fixed piece
of arithmetic: what something costs in yardsticks is about the same on every machine. A limit that
is missed ends it with status 1.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from statistics import median

from benchmarks.plan import TIDEGATE, contestants, policy
from tidegate.domain.cohorts import Tally
from tidegate.domain.jobs import ExecutionStatus, Job, JobCounts, JobStatus
from tidegate.domain.outcomes import (
    LATE,
    CounterKey,
    Sighting,
    ThingRecord,
    bucket_of,
    transitions,
)
from tidegate.domain.review import review
from tidegate.domain.rollout import Counts
from tidegate.domain.settings import JobSettings, RolloutRate
from tidegate.domain.situation import Situation
from tidegate.lab.delays import pmf_from_within
from tidegate.lab.scenarios import SCENARIOS
from tidegate.lab.trial import run

_RATE_PER_MINUTE = 1000
_MINUTE_SECONDS = 60.0
_TIMEOUT_MINUTES = 60
#: Of the devices that start in a minute, those that were offline when they were notified.
_LATE_SHARE = 0.1
#: The good release of the lab: these devices in a thousand fail, and these of them report it.
_HARMED_PER_1000 = 5
_REPORTING_SHARE = 0.3
_COHORTS = 20

#: Minutes between the reviews that lead up to the one that is measured.
_REVIEWED_EACH = 45

#: Things whose sightings are folded, and sightings in a batch: what one SQS message can bring.
_THINGS = 20_000
_BATCH = 100

_MILLION = 1_000_000

#: Figures from here on are told without decimals.
_PRECISE_BELOW = 1000


@dataclass(frozen=True, slots=True)
class Speed:
    """
    What something costs.

    Attributes:
        what: Was measured.
        value: The figure.
        unit: Of the figure.
        limit: What it is held to.
        is_rate: Whether more is better.
        yardsticks: The same for one piece of it, as a ratio to the yardstick; None if no time.
    """

    what: str
    value: float
    unit: str
    limit: float
    is_rate: bool = False
    yardsticks: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether it is within its limit."""
        return self.value >= self.limit if self.is_rate else self.value <= self.limit


def measure(rounds: int) -> tuple[Speed, ...]:
    """Return all figures, each time the median of so many rounds."""
    unit_seconds = _cpu_seconds(_yardstick, rounds)
    return tuple(_measured(rounds, unit_seconds))


def _measured(rounds: int, unit_seconds: float) -> Iterator[Speed]:
    for fleet_size, cohorts, limit_ms in (
        (100_000, 1, 5.0),
        (_MILLION, 1, 5.0),
        (100_000, _COHORTS, 50.0),
        (_MILLION, _COHORTS, 50.0),
    ):
        seconds = _review_seconds(fleet_size, cohorts, rounds)
        what = f"a review of {fleet_size:,} devices"
        what += f" in {cohorts} cohorts" if cohorts > 1 else ""
        yield Speed(what, 1000 * seconds, "ms", limit_ms, yardsticks=seconds / unit_seconds)
    yield Speed("what a review hands on, as JSON", _memory_bytes() / 1024, "KB", 16.0)
    seconds = _fold_seconds(rounds) / (2 * 3 * _THINGS)
    per_second = 1 / seconds
    yield Speed("sightings folded", per_second, "per s", 200_000, is_rate=True)
    seconds = _cpu_seconds(_roll_out, max(1, rounds // 3))
    what = f"a rollout to {_MILLION:,} devices in the lab"
    yield Speed(what, seconds, "s", 10.0, yardsticks=seconds / unit_seconds)


def _cpu_seconds(work: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return median(seconds)


def _yardstick() -> float:
    return math.fsum(math.exp(-number / 1000) for number in range(10_000))


def _review_seconds(fleet_size: int, cohorts: int, rounds: int) -> float:
    """Return what a review costs in the middle of a rollout's life, with the last one's memory."""
    situation, now = _reviewed(fleet_size, cohorts)
    return _cpu_seconds(lambda: review(policy(), situation, now), 3 * rounds)


def _memory_bytes() -> int:
    situation, now = _reviewed(_MILLION, _COHORTS)
    memory = review(policy(), situation, now).memory
    return len(json.dumps(memory.to_document()).encode())


def _reviewed(fleet_size: int, cohorts: int) -> tuple[Situation, float]:
    """Return a rollout of which nearly all are notified, reviewed all along, and the time."""
    last = fleet_size // _RATE_PER_MINUTE - 1
    minutes = [*range(_REVIEWED_EACH, last, _REVIEWED_EACH), last - 1, last]
    situation = _situation(minutes[0], cohorts)
    for minute, following in pairwise(minutes):
        before = review(policy(), situation, minute * _MINUTE_SECONDS)
        situation = replace(
            _situation(following, cohorts),
            memory=before.memory,
            upper_bound=before.evidence.upper_bound,
            revision=following,
        )
    return situation, last * _MINUTE_SECONDS


def _situation(minutes: int, cohorts: int) -> Situation:
    """Return a good release that has gone at the greatest rate for so many minutes."""
    by_bucket: dict[CounterKey, int] = {}
    late = int(_LATE_SHARE * _RATE_PER_MINUTE)
    for minute in range(minutes):
        bucket = bucket_of(minute * _MINUTE_SECONDS, 0, _MINUTE_SECONDS)
        for offset, started in ((0, _RATE_PER_MINUTE - late), (LATE, late)):
            for status, number in _outcomes(started, minutes - minute).items():
                key = (bucket + offset, status)
                by_bucket[key] = by_bucket.get(key, 0) + number
    counts = Counts(by_bucket)
    return Situation(
        job=_job(counts),
        counts=counts,
        revision=minutes - 1,
        signals=0,
        budget=float(policy().harm.budget_devices or 0),
        fleet_size=(minutes + 1) * _RATE_PER_MINUTE,
        tallies={"cohort": dict(_tallies(by_bucket, cohorts))} if cohorts > 1 else {},
        can_quarantine=True,
    )


@cache
def _outcomes(started: int, age_minutes: int) -> dict[ExecutionStatus, int]:
    """Return what has become of devices that started so long ago."""
    within = pmf_from_within(SCENARIOS["good"].success, age_minutes)
    harmed = started * _HARMED_PER_1000 // 1000
    reported = int(harmed * _REPORTING_SHARE) if age_minutes >= _TIMEOUT_MINUTES // 2 else 0
    silent = harmed - int(harmed * _REPORTING_SHARE) if age_minutes > _TIMEOUT_MINUTES else 0
    succeeded = int((started - harmed) * float(within.sum()))
    return {
        ExecutionStatus.SUCCEEDED: succeeded,
        ExecutionStatus.FAILED: reported,
        ExecutionStatus.TIMED_OUT: silent,
        ExecutionStatus.IN_PROGRESS: started - succeeded - reported - silent,
    }


def _job(counts: Counts) -> Job:
    return Job(
        job_id="speed",
        arn="",
        status=JobStatus.IN_PROGRESS,
        created_at=0,
        counts=JobCounts(
            in_progress=counts.of(ExecutionStatus.IN_PROGRESS),
            succeeded=counts.of(ExecutionStatus.SUCCEEDED),
            failed=counts.of(ExecutionStatus.FAILED),
            timed_out=counts.of(ExecutionStatus.TIMED_OUT),
        ),
        settings=JobSettings(
            rollout=RolloutRate(_RATE_PER_MINUTE), timeout_minutes=_TIMEOUT_MINUTES
        ),
        is_concurrent=True,
    )


def _tallies(by_bucket: dict[CounterKey, int], cohorts: int) -> Iterator[tuple[str, Tally]]:
    """Yield cohorts of one size, with as many prefixes as a ledger hands over at the most."""
    started = sum(by_bucket.values()) // cohorts
    harmed = started * _HARMED_PER_1000 // 1000
    for number in range(cohorts):
        prefixes = tuple(
            (started - started * back // 240, max(1, harmed - harmed * back // 240))
            for back in range(120, 0, -1)
        )
        yield f"cohort-{number}", Tally(started, harmed, prefixes)


def _fold_seconds(rounds: int) -> float:
    """Return what it costs to fold each thing's three sightings, every one of them twice."""
    sightings = [
        Sighting(f"thing-{number}", status, number + after_seconds, bucket=bucket)
        for number in range(_THINGS)
        for status, after_seconds, bucket in (
            (ExecutionStatus.QUEUED, 0, -1),
            (ExecutionStatus.IN_PROGRESS, 60, number // _RATE_PER_MINUTE),
            (ExecutionStatus.SUCCEEDED, 600, -1),
        )
        for _ in range(2)
    ]
    # Neighbours come in different batches, so that a thing's record is looked up each time.
    shuffled = [each for step in range(7) for each in sightings[step::7]]

    def fold_all() -> None:
        records: dict[str, ThingRecord] = {}
        for first in range(0, len(shuffled), _BATCH):
            for change in transitions(records, shuffled[first : first + _BATCH]):
                records[change.thing_name] = change.after

    return _cpu_seconds(fold_all, rounds)


def _roll_out() -> None:
    run(SCENARIOS["good"].with_size(_MILLION), contestants()[TIDEGATE].rule, 1)


def main() -> int:
    """Print the table; return 1 if any limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each")
    found = measure(parser.parse_args().rounds)

    print(f"{'':48}{'CPU':>16}{'limit':>16}  yardsticks")
    for each in found:
        ratio = "" if each.yardsticks is None else f"{each.yardsticks:12.2f}"
        verdict = "" if each.is_met else "  missed"
        print(
            f"{each.what:48}{_figure(each, each.value)}{_figure(each, each.limit)}{ratio}{verdict}"
        )
    return 0 if all(each.is_met for each in found) else 1


def _figure(speed: Speed, value: float) -> str:
    decimals = 0 if value >= _PRECISE_BELOW else 2
    return f"{value:10,.{decimals}f} {speed.unit:>5}"


if __name__ == "__main__":
    sys.exit(main())
