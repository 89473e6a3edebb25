"""The policy and the situations that the tests of the domain start from."""

from collections.abc import Mapping
from dataclasses import fields, replace

from tidegate.domain.course import Answer
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.delays import AGES, Delays
from tidegate.domain.durations import Durations
from tidegate.domain.jobs import ExecutionStatus, Job, JobCounts, JobStatus
from tidegate.domain.outcomes import CounterKey
from tidegate.domain.policy import Harm, Pace, PaceMode, Policy
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.rollout import Counts
from tidegate.domain.settings import JobSettings, RolloutRate
from tidegate.domain.situation import Situation

QUEUED = ExecutionStatus.QUEUED
IN_PROGRESS = ExecutionStatus.IN_PROGRESS
SUCCEEDED = ExecutionStatus.SUCCEEDED
FAILED = ExecutionStatus.FAILED
REJECTED = ExecutionStatus.REJECTED
TIMED_OUT = ExecutionStatus.TIMED_OUT
CANCELED = ExecutionStatus.CANCELED
REMOVED = ExecutionStatus.REMOVED

NOW = 1_700_000_000.0
#: After which AWS gives a device up.
TIMEOUT_MINUTES = 60

#: Devices that started in the same bucket, per status.
Starts = Mapping[ExecutionStatus, int]

POLICY = Policy(
    name="firmware",
    harm=Harm(
        statuses=frozenset({FAILED, TIMED_OUT}),
        tolerated_rate=0.02,
        acceptable_rate=0.02,
        confidence=0.95,
        false_abort_risk=0.01,
        budget_devices=50,
    ),
    pace=Pace(PaceMode.THROTTLE, start_per_minute=10, max_per_minute=1000),
)


def counts_of(*buckets: Starts) -> Counts:
    """Return the ledger's counts of devices that started in these buckets, one after the other."""
    return Counts(
        {
            (index, status): number
            for index, bucket in enumerate(buckets)
            for status, number in bucket.items()
        }
    )


def job_counts_of(counts: Counts, *, queued: int = 0, unlisted: int = 0) -> JobCounts:
    """Return what AWS counts, where it knows of some devices that the ledger does not."""
    number = {status.value.lower(): counts.of(status) for status in ExecutionStatus}
    number["queued"] += queued
    number["in_progress"] += unlisted
    return JobCounts(**number)


def job_of(counts: JobCounts, settings: JobSettings, *, is_concurrent: bool = True) -> Job:
    """Return a job that runs."""
    return Job(
        job_id="firmware-7",
        arn="arn:aws:iot:eu-central-1:111122223333:job/firmware-7",
        status=JobStatus.IN_PROGRESS,
        created_at=int(NOW) - 3600,
        counts=counts,
        settings=settings,
        is_concurrent=is_concurrent,
    )


def situation_of(
    *buckets: Starts, queued: int = 0, rate_per_minute: int = 100, budget: float = 50
) -> Situation:
    """Return what a review sees of a job that runs, where nothing is amiss."""
    counts = counts_of(*buckets)
    settings = JobSettings(rollout=RolloutRate(rate_per_minute), timeout_minutes=TIMEOUT_MINUTES)
    return Situation(
        job=job_of(job_counts_of(counts, queued=queued), settings),
        counts=counts,
        revision=1,
        signals=0,
        budget=budget,
    )


def with_counts(situation: Situation, by_bucket: Mapping[CounterKey, int]) -> Situation:
    """Return the situation with other counts, which AWS and the ledger agree on."""
    assert situation.job
    counts = Counts(dict(by_bucket))
    job = replace(situation.job, counts=job_counts_of(counts, queued=situation.job.counts.queued))
    return replace(situation, counts=counts, job=job)


def learned(*, cleared_after: int, never_cleared: float = 0.0, devices: int = 10_000) -> Delays:
    """Return delays of a fleet in which devices are cleared at an age, in minutes, or never."""
    left = round(never_cleared * devices)
    uncleared = tuple(devices if age < cleared_after else left for age in range(AGES))
    return Delays(reached=(devices,) * AGES, uncleared=uncleared)


def lasting(
    minutes: int, *, never: float = 0.0, devices: int = 10_000, at_work: float = 0.0
) -> Durations:
    """Return durations of a fleet whose devices take so many minutes, or longer than all ages."""
    left = round(never * devices)
    unfinished = tuple(devices if age < minutes else left for age in range(AGES))
    return Durations((devices,) * AGES, unfinished, at_work)


def next_situation(decision: Decision, situation: Situation, **members: object) -> Situation:
    """Return what the review after a decision sees, were it applied and nothing else happened."""
    assert situation.job
    settings = replace(
        situation.job.settings,
        **{
            each.name: getattr(decision.settings, each.name)
            for each in fields(JobSettings)
            if getattr(decision.settings, each.name) is not None
        },
    )
    later = replace(
        situation,
        job=replace(situation.job, settings=settings),
        revision=decision.revision + 1,
        upper_bound=decision.evidence.upper_bound,
        memory=decision.memory,
        course=decision.course,
        aborting=situation.aborting or decision.verdict is Verdict.ABORT,
    )
    return replace(later, **members)  # type: ignore[arg-type]


def yes(question_id: str, *, at: float = NOW, by: str = "release-desk") -> Answer:
    """Return somebody's yes to a question."""
    return Answer(question_id, yes=True, by=by, comment="looks good", at=at)


def no(question_id: str, *, at: float = NOW, by: str = "release-desk") -> Answer:
    """Return somebody's no to a question."""
    return Answer(question_id, yes=False, by=by, comment="looks odd", at=at)


def codes(decision: Decision) -> list[ReasonCode]:
    """Return what a decision rests on, in order."""
    return [each.code for each in decision.reasons]


def with_job(situation: Situation, **members: object) -> Situation:
    """Return the situation with other members of its job."""
    assert situation.job
    return replace(situation, job=replace(situation.job, **members))  # type: ignore[arg-type]
