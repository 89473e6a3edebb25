"""Policies, settings and situations as they may come, for Hypothesis to draw from."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, replace
from string import ascii_letters

from hypothesis import strategies as st

from tests.unit.domain.examples import job_counts_of, job_of, learned
from tidegate.domain.cohorts import Tally
from tidegate.domain.course import Answer, Course
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.delays import Delays
from tidegate.domain.evidence import Bucket
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import LATE, UNPLACED, CounterKey, Sighting
from tidegate.domain.policy import (
    Action,
    Asking,
    Authorities,
    Authority,
    Completion,
    Fallback,
    Freeze,
    Gate,
    Harm,
    JobDefaults,
    OnAbort,
    Overlap,
    Pace,
    PaceMode,
    Policy,
    Rollback,
    Stragglers,
)
from tidegate.domain.review import ABORT_REASON_CODE, FENCE_REASON_CODE
from tidegate.domain.rollout import AbortRequest, Counts, Hold, HoldKind, Lift
from tidegate.domain.settings import (
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    PresignedUrl,
    RetryCriterion,
    RolloutRate,
)
from tidegate.domain.situation import Readiness, Situation
from tidegate.domain.standing import AlarmReading, AlarmState, CalendarReading, Standing

FAILURES = (ExecutionStatus.FAILED, ExecutionStatus.REJECTED, ExecutionStatus.TIMED_OUT)
#: Statuses of a device that took the job up.
STARTED = (ExecutionStatus.IN_PROGRESS, ExecutionStatus.SUCCEEDED, *FAILURES)
#: A device that rejects a job does so in place of starting it.
NEVER_START = frozenset({ExecutionStatus.REJECTED})

rates = st.sampled_from([0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 0.7, 0.95])
risks = st.sampled_from([0.0005, 0.005, 0.01, 0.05, 0.1])
things = st.integers(1, 10_000)


@st.composite
def buckets(draw: st.DrawFn, largest: int = 60) -> Bucket:
    """Draw devices that started together."""
    started = draw(st.integers(0, largest))
    harmed = draw(st.integers(0, started))
    return Bucket(started, harmed, draw(st.integers(0, started - harmed)))


@st.composite
def exponential_rates(draw: st.DrawFn, base_max: int = 1000) -> ExponentialRate:
    """Draw a growth that AWS takes, up to a base."""
    by_notified = draw(st.booleans())
    number = draw(things)
    return ExponentialRate(
        base_rate_per_minute=draw(st.integers(1, base_max)),
        increment_factor=draw(st.integers(11, 50)) / 10,
        notified_things=number if by_notified else None,
        succeeded_things=None if by_notified else number,
    )


@st.composite
def rollout_rates(draw: st.DrawFn) -> RolloutRate:
    """Draw a rate that AWS takes."""
    maximum = draw(st.integers(1, 1000))
    return RolloutRate(maximum, draw(st.none() | exponential_rates(base_max=maximum)))


abort_criteria = st.lists(
    st.builds(
        AbortCriterion,
        st.sampled_from(FailureType),
        st.integers(1, 10_000).map(lambda hundredths: hundredths / 100),
        things,
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda criterion: criterion.failure_type,
).map(tuple)

presigned_urls = st.builds(
    PresignedUrl,
    st.just("arn:aws:iam::111122223333:role/signer"),
    st.none() | st.integers(60, 3600),
) | st.builds(PresignedUrl, st.none(), st.integers(60, 3600))

descriptions = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40)


def retry_criteria(
    numbers: st.SearchStrategy[int],
) -> st.SearchStrategy[tuple[RetryCriterion, ...]]:
    """Draw retries for one or both of the failure types that AWS retries, or for all."""
    types = st.sampled_from(
        [
            (FailureType.ALL,),
            (FailureType.FAILED,),
            (FailureType.TIMED_OUT,),
            (FailureType.FAILED, FailureType.TIMED_OUT),
        ]
    )
    return st.builds(
        lambda names, number: tuple(RetryCriterion(name, number) for name in names), types, numbers
    )


#: Settings as a job may have them, or as they may be wanted for a job with the same retries.
job_settings = st.builds(
    JobSettings,
    rollout=st.none() | rollout_rates(),
    abort=st.none() | abort_criteria,
    timeout_minutes=st.none() | st.integers(1, 10_080),
    presigned_url=st.none() | presigned_urls,
    retries=st.none() | retry_criteria(st.just(0)),
    description=st.none() | descriptions,
)

#: Settings of a job that was created with retries.
standing_settings = st.builds(
    lambda settings, retries: replace(settings, retries=retries),
    job_settings,
    st.none() | retry_criteria(st.integers(0, 3)),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Draw a policy as its owner may have written it."""
    start = draw(st.integers(1, 200))
    tolerated = draw(rates)
    in_devices = draw(st.booleans())
    return Policy(
        name=draw(st.text(ascii_letters, min_size=1, max_size=8)),
        harm=Harm(
            statuses=draw(st.frozensets(st.sampled_from(FAILURES), min_size=1)),
            tolerated_rate=tolerated,
            acceptable_rate=draw(st.just(tolerated) | rates),
            confidence=draw(st.sampled_from([0.8, 0.95, 0.99])),
            false_abort_risk=draw(risks),
            budget_devices=draw(st.integers(1, 200)) if in_devices else None,
            budget_share=None if in_devices else draw(rates),
            late_tolerated_rate=draw(st.none() | rates),
            drift_rate=draw(st.none() | st.just((1 + tolerated) / 2)),
            drift_budget=draw(st.none() | st.integers(1, 3000)),
        ),
        pace=Pace(
            mode=PaceMode.THROTTLE,
            start_per_minute=start,
            max_per_minute=draw(st.integers(start, 1000)),
            exponential=draw(st.none() | exponential_rates(base_max=start)),
        ),
        job=JobDefaults(
            timeout_minutes=draw(st.none() | st.integers(1, 10_080)),
            description=draw(st.none() | descriptions),
            presigned_url=draw(st.none() | presigned_urls),
            drop_retries=draw(st.booleans()),
            namespace_id=draw(st.none() | st.just("fleet")),
        ),
    )


askings = st.builds(
    Asking,
    within_minutes=st.sampled_from([0.5, 60.0, 1440.0]),
    unanswered=st.sampled_from(Fallback),
    refused=st.sampled_from([Fallback.HOLD, Fallback.ABORT]),
)

ALARMS = ("errors", "latency")
CALENDARS = ("quarter-end",)


@st.composite
def gates(draw: st.DrawFn) -> tuple[Gate, ...]:
    """Draw up to three gates, at numbers of devices and at shares of the fleet, in any order."""
    drawn = draw(st.lists(st.integers(1, 400) | st.sampled_from([0.01, 0.3, 1.0]), max_size=3))
    return tuple(
        Gate(
            name=f"gate-{number}",
            after_devices=after if isinstance(after, int) else None,
            after_share=None if isinstance(after, int) else after,
            bake_minutes=draw(st.sampled_from([0.0, 30.0])),
            alarms=draw(st.sampled_from([(), ALARMS[:1]])),
            answer=draw(st.none() | askings),
            approval=draw(st.none() | askings),
        )
        for number, after in enumerate(drawn, 1)
    )


@st.composite
def operated_policies(draw: st.DrawFn) -> Policy:
    """Draw a policy that lets people and other systems have their say."""
    authority = st.sampled_from([Authority.AUTO, Authority.AUTO, *Authority])
    rollback = Rollback(("document", "{}"), statuses=frozenset({ExecutionStatus.SUCCEEDED}))
    return replace(
        draw(policies()),
        authority=draw(st.builds(Authorities, *[authority] * len(Action))),
        approval=draw(askings),
        gates=draw(gates()),
        freeze=Freeze(
            draw(st.sampled_from([(), ALARMS])),
            missing_data_holds=draw(st.booleans()),
            calendars=draw(st.sampled_from([(), CALENDARS])),
        ),
        complete=draw(
            st.builds(
                Completion,
                st.sampled_from([0.01, 0.5, 0.95, 1.0]),
                st.sampled_from(Stragglers),
                st.sampled_from([0.0, 30.0]),
            )
        ),
        overlap=draw(st.sampled_from(Overlap)),
        on_abort=draw(st.builds(OnAbort, st.booleans(), st.none() | st.just(rollback))),
    )


#: Start buckets: not known, of devices that started at once, of those that started late.
start_buckets = st.integers(UNPLACED, 6) | st.integers(LATE + 31, LATE + 34)

#: Only what has started has a start bucket; what was canceled may have started or not.
counter_keys = st.tuples(
    start_buckets, st.sampled_from([*STARTED, ExecutionStatus.CANCELED])
) | st.just((UNPLACED, ExecutionStatus.QUEUED))

counts = st.dictionaries(counter_keys, st.integers(1, 40), max_size=12).map(Counts)


HOLD = Hold(HoldKind.OPERATOR, "on-call", "support is short of people", 0)


@st.composite
def delays(draw: st.DrawFn) -> Delays:
    """Draw what was learned of delays: nothing, or that devices are cleared at some age."""
    if draw(st.booleans()):
        return Delays()
    return learned(
        cleared_after=draw(st.integers(0, 90)),
        never_cleared=draw(st.sampled_from([0.0, 0.01, 0.3, 1.0])),
        devices=draw(st.sampled_from([10, 100, 10_000])),
    )


@st.composite
def with_cohorts(draw: st.DrawFn, situation: Situation) -> Situation:
    """Draw two cohorts that partition a situation's prompt devices; one may be apart by now."""
    old: dict[CounterKey, int] = {}
    for key, number in situation.counts.by_bucket.items():
        if 0 <= key[0] < LATE:
            old[key] = draw(st.integers(0, number))
    new = {key: situation.counts.by_bucket[key] - number for key, number in old.items()}
    return replace(
        situation,
        tallies={"revision": {"old": tally_of(old), "new": tally_of(new)}},
        apart=Counts(old) if (is_apart := draw(st.booleans())) else Counts(),
        memory=replace(situation.memory, quarantined=("old",) if is_apart else ()),
        can_quarantine=draw(st.booleans()),
    )


def tally_of(by_bucket: Mapping[CounterKey, int]) -> Tally:
    """Return the tally of a cohort, FAILED and TIMED_OUT being harm."""
    harmed: Counter[int] = Counter()
    started: Counter[int] = Counter()
    for (index, status), number in by_bucket.items():
        started[index] += number
        harmed[index] += number if status in FAILURES and status not in NEVER_START else 0
    prefixes = tuple(
        (
            sum(n for index, n in started.items() if index <= end),
            sum(n for index, n in harmed.items() if index <= end),
        )
        for end in sorted(index for index, n in harmed.items() if n)
    )
    return Tally(started.total(), harmed.total(), prefixes)


@st.composite
def running(draw: st.DrawFn) -> Situation:
    """Draw the situation of a job that runs, without holds; counts and AWS's may disagree."""
    known = draw(counts)
    from_aws = job_counts_of(
        known, queued=draw(st.integers(0, 50)), unlisted=draw(st.integers(0, 30))
    )
    return Situation(
        job=job_of(from_aws, draw(standing_settings), is_concurrent=draw(st.booleans())),
        counts=known,
        revision=draw(st.integers(1, 9)),
        signals=draw(st.integers(0, 9)),
        budget=draw(st.floats(0.5, 500)),
        readiness=draw(
            st.sampled_from([Readiness.COMPLETE, Readiness.UNPLACED, Readiness.UNSTARTED])
        ),
        events_enabled=draw(st.booleans()),
        fleet_size=draw(st.none() | st.integers(1, 1_000_000)),
        upper_bound=draw(st.just(1.0) | st.floats(0.0001, 1)),
        memory=Memory(delays=draw(delays())),
    )


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Draw any situation: over, stopped, waiting or going on."""
    situation = draw(running())
    assert situation.job
    status = draw(st.sampled_from(JobStatus) | st.just(JobStatus.IN_PROGRESS))
    return replace(
        draw(st.just(situation) | with_cohorts(situation)),
        job=draw(st.just(replace(situation.job, status=status)) | st.none()),
        readiness=draw(st.sampled_from(Readiness)),
        holds=draw(st.sampled_from([(), (HOLD,), (HOLD, HOLD)])),
        abort_request=draw(st.none() | st.just(AbortRequest("on-call", "wrong image", 0))),
        aborting=draw(st.booleans()),
    )


#: Nothing stands against going on.
ALL_WELL = Standing(
    alarms={name: AlarmReading(AlarmState.OK, 5.0) for name in ALARMS},
    calendars={name: CalendarReading(is_open=True) for name in CALENDARS},
)

standings = st.just(ALL_WELL) | st.builds(
    Standing,
    alarms=st.dictionaries(
        st.sampled_from(ALARMS),
        st.builds(AlarmReading, st.sampled_from(AlarmState), st.sampled_from([0.0, 5.0])),
    ),
    calendars=st.dictionaries(
        st.sampled_from(CALENDARS), st.builds(CalendarReading, st.booleans())
    ),
    unreadable=st.sampled_from([{}, {}, {"alarms": "throttled"}, {"rollouts": "throttled"}]),
    overlapping=st.sampled_from([(), ("firmware-6",)]),
    harmed_by_all=st.sampled_from([0.0, 99.0]),
    account_budget=st.none() | st.just(50.0),
)


#: Counts of a release of which nothing bad is known.
good_counts = st.dictionaries(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from([ExecutionStatus.SUCCEEDED] * 3 + [ExecutionStatus.IN_PROGRESS]),
    ),
    st.integers(1, 300),
    min_size=1,
    max_size=6,
).map(Counts)

#: How jobs stand: most run; those that are over were stopped, as a rule.
_standing_jobs = st.sampled_from(
    [
        *[(JobStatus.IN_PROGRESS, None)] * 5,
        (JobStatus.SCHEDULED, None),
        (JobStatus.COMPLETED, None),
        *[(JobStatus.CANCELED, ABORT_REASON_CODE)] * 2,
        (JobStatus.CANCELED, FENCE_REASON_CODE),
        (JobStatus.CANCELED, None),
    ]
)


def _standing(is_well: bool) -> st.SearchStrategy[Standing]:  # noqa: FBT001 - it is drawn
    return st.just(ALL_WELL) if is_well else standings


@st.composite
def operated_situations(draw: st.DrawFn) -> Situation:
    """Draw a situation, most often of a good release, with what lies outside the evidence."""
    situation = draw(running())
    assert situation.job
    if draw(st.integers(0, 3)):
        known = draw(good_counts)
        queued = draw(st.integers(0, 50))
        situation = replace(
            situation,
            counts=known,
            job=replace(
                situation.job,
                counts=job_counts_of(known, queued=queued),
                settings=situation.job.settings.with_rate(draw(st.integers(1, 60))),
                is_concurrent=draw(st.sampled_from([True, True, False])),
            ),
        )
    assert situation.job
    status, reason_code = draw(_standing_jobs)
    return replace(
        situation,
        job=replace(
            situation.job,
            status=status,
            reason_code=reason_code,
            is_continuous=draw(st.booleans()),
            starts_at=draw(st.none() | st.sampled_from([0.0, 60.0, 1e6])),
        ),
        readiness=draw(st.sampled_from([*[situation.readiness] * 5, *Readiness])),
        holds=draw(st.sampled_from([(), (), (), (HOLD,)])),
        aborting=not draw(st.integers(0, 9)),
        fleet_size=draw(st.integers(1, 2000)),
        standing=draw(st.sampled_from([True, True, False]).flatmap(_standing)),
        installed=draw(st.none() | job_settings),
        rolls_back=not draw(st.integers(0, 4)),
        is_rolled_back=draw(st.booleans()),
        is_rolling_back=draw(st.booleans()),
        review_minutes=draw(st.sampled_from([0.8, 0.8, 1.0, 3.0, 20.0])),
        course=Course(is_guarding=not draw(st.integers(0, 9))),
    )


@st.composite
def what_follows(draw: st.DrawFn, decision: Decision, situation: Situation) -> Situation:
    """Draw what the next review sees: people have answered, resumed, or said nothing."""
    at = decision.at
    answers = [
        Answer(each.question_id, draw(st.booleans()), "release-desk", "looks so", at + 1)
        for each in decision.course.pending
        if draw(st.booleans())
    ]
    later = replace(
        situation,
        revision=decision.revision + 1,
        upper_bound=decision.evidence.upper_bound,
        memory=decision.memory,
        course=Course.from_document(json.loads(json.dumps(decision.course.to_document()))),
        aborting=situation.aborting or decision.verdict is Verdict.ABORT,
        answers=(*situation.answers, *answers),
        lift=draw(st.sampled_from([situation.lift, Lift("on-call", "go on", at + 2)])),
        standing=draw(st.sampled_from([situation.standing, ALL_WELL]) | standings),
    )
    if later.job is None or not draw(st.booleans()):
        return later
    members = {
        each.name: value
        for each in fields(JobSettings)
        if (value := getattr(decision.settings, each.name)) is not None
    }
    return replace(later, job=replace(later.job, settings=replace(later.job.settings, **members)))


#: Reports of one thing, from events and lists, that may contradict each other.
sightings_of_a_thing = st.lists(
    st.builds(
        Sighting,
        thing_name=st.just("pump-1"),
        status=st.sampled_from(ExecutionStatus),
        at=st.integers(0, 5),
        execution_number=st.integers(1, 3),
        bucket=st.integers(UNPLACED, 3),
        reason=st.sampled_from(["", "battery", "checksum"]),
    ),
    min_size=1,
    max_size=8,
)

#: Reports of a few things.
sightings = st.lists(
    st.builds(
        Sighting,
        thing_name=st.sampled_from(["pump-1", "pump-2", "pump-3"]),
        status=st.sampled_from(ExecutionStatus),
        at=st.integers(0, 5),
        execution_number=st.integers(1, 2),
        bucket=st.integers(UNPLACED, 3),
        reason=st.sampled_from(["", "battery", "checksum"]),
    ),
    max_size=15,
)
