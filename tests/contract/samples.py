"""Values that the contracts are tried with."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidegate.domain.course import About, Agreement, Course, Proposal, Question
from tidegate.domain.decision import Attention, Decision, Evidence, Verdict
from tidegate.domain.delays import AGES, Delays
from tidegate.domain.durations import Durations
from tidegate.domain.evidence import Bucket, Restarting
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.memory import Folded, Memory
from tidegate.domain.outcomes import Sighting, Transition, deltas, transitions
from tidegate.domain.policy import Action, Harm, JobDefaults, Pace, PaceMode, Policy
from tidegate.domain.reasons import ReasonCode, reason
from tidegate.domain.rollout import (
    AbortRequest,
    Bookmark,
    Ending,
    Listing,
    Park,
    Rollout,
    RolloutKey,
    Tripwires,
)
from tidegate.domain.settings import (
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    PresignedUrl,
    RetryCriterion,
    RolloutRate,
)
from tidegate.domain.things import Connected
from tidegate.ports import Ledger

NOW = 1_700_000_000.0
KEY = RolloutKey("firmware-7", 1_700_000_000)

POLICY = Policy(
    name="firmware",
    harm=Harm(
        statuses=frozenset({ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT}),
        tolerated_rate=0.02,
        acceptable_rate=0.015,
        confidence=0.95,
        false_abort_risk=0.01,
        budget_share=0.001,
    ),
    pace=Pace(
        mode=PaceMode.THROTTLE,
        start_per_minute=10,
        max_per_minute=1000,
        exponential=ExponentialRate(10, 1.5, succeeded_things=50),
    ),
    job=JobDefaults(
        timeout_minutes=45,
        description="firmware 7 für alle",
        presigned_url=PresignedUrl(expires_in_seconds=600),
        drop_retries=True,
        namespace_id="fleet",
    ),
)

#: A rollout as it begins.
FRESH = Rollout(
    key=KEY,
    job_arn="arn:aws:iot:eu-central-1:111122223333:job/firmware-7",
    policy=POLICY,
    generation=1,
    execution_arn="arn:aws:states:eu-central-1:111122223333:execution:tidegate:firmware-7-1",
    enrolled_at=NOW + 0.125,
)

#: What reviews of a long rollout hand on, with numbers that take 17 digits.
MEMORY = Memory(
    Folded(
        Restarting().then([Bucket(97, 2, 90)] * 150, 1 / 60), (14_550, 300, 13_500, 2**60), 1 / 60
    ),
    Delays().learn([Bucket(97, 2, 90)] * 50, 50 + 1 / 3),
    ("nord-süd", 'old "A"'),
    Durations((9,) * AGES, (4,) * AGES, 30 + 1 / 3),
)

SETTINGS = JobSettings(
    rollout=RolloutRate(100, ExponentialRate(10, 1.5, notified_things=50)),
    abort=(AbortCriterion(FailureType.FAILED, 12.34, 25),),
    timeout_minutes=30,
    description="steered",
)

#: What they hand on of gates and questions.
COURSE = Course(
    gates_passed=("canary",),
    gate="half",
    gate_reached_at=NOW + 1 / 3,
    questions=(
        Question("half-answer", About.GATE_ANSWER, "half", NOW + 0.5, NOW + 3600),
        Question("half-approval", About.GATE_APPROVAL, "half", NOW + 2 / 3),
    ),
    proposal=Proposal(
        Question("decision-12", About.DECISION, "speed_up", NOW, None),
        Action.SPEED_UP,
        SETTINGS,
        12,
    ),
    agreement=Agreement(proposed=4, approved=2, refused=1),
    held_since={"change-freeze": NOW - 1 / 3},
    rolled_back=40,
    rollback_until=NOW + 1800.5,
    share_reached_at=NOW + 99.75,
    is_guarding=True,
)

#: One that has seen everything.
SEASONED = replace(
    FRESH,
    generation=12,
    fleet_size=10_000,
    revision=345,
    signals=6,
    upper_bound=0.1 + 0.2,  # whose nearest float takes 17 digits
    bound_from_signal=4,
    memory=MEMORY,
    course=COURSE,
    policy_version=3,
    listing=Listing(seen_until=NOW + 1 / 3, surplus=-2, minutes_taken=(3, 0, 7)),
    bookmarks={ExecutionStatus.QUEUED: Bookmark("token", "cohorts", NOW + 0.25)},
    park=Park("token", 12, 345, 6, Tripwires(harmed=7)),
    abort_request=AbortRequest("ops", 'it "smokes"', NOW + 99.5),
    aborting=True,
    overlaps=(RolloutKey("firmware-6", 1_789_000_000), RolloutKey("bootloader-2", 1_789_990_000)),
    rolls_back="firmware-6",
    rolled_back_by="firmware-7-rollback",
    connected=Connected(120_000, "119 000 fewer"),
    ending=Ending.ABORTED,
    ended_at=NOW + 2 / 3,
)


@dataclass(frozen=True)
class Cloud:
    """
    Something that answers like AWS.

    Attributes:
        client: Makes Tidegate's own client for a service.
    """

    client: Callable[[str], Any]
    account_id: str
    region: str


def decision(
    revision: int,
    *,
    verdict: Verdict = Verdict.PROCEED,
    upper_bound: float = 0.5,
    signals: int = 0,
) -> Decision:
    """Return a decision."""
    return Decision(
        revision=revision,
        at=NOW + revision / 3,
        verdict=verdict,
        reasons=(
            reason(ReasonCode.FIRST_SETTINGS, rate=10),
            reason(ReasonCode.HELD, kind="operator", by="Zoë", since="06:13", why="lunch"),
        ),
        evidence=Evidence(exposed=10, started=8, log_e=-1.5e-7, upper_bound=upper_bound),
        settings=SETTINGS,
        replaces=JobSettings(retries=(RetryCriterion(FailureType.ALL, 3),)),
        tripwires=Tripwires(harmed=3),
        signals=signals,
        wait_seconds=60,
        attention=Attention("the alarm", "it rings", "look"),
    )


def enrolled(ledger: Ledger, **changes: Any) -> Rollout:  # noqa: ANN401 - Rollout's own fields
    """Claim a fresh rollout and return it."""
    rollout = replace(FRESH, **changes)
    ledger.claim(rollout, previous=None)
    return rollout


def fold_in(ledger: Ledger, sightings: Iterable[Sighting], key: RolloutKey = KEY) -> None:
    """Fold sightings into the ledger in one commit, as ``record`` does."""
    sightings = list(sightings)
    changes = transitions(ledger.things(key, {each.thing_name for each in sightings}), sightings)
    ledger.commit(key, changes, deltas(changes))


def sighting(
    name: str,
    status: str,
    *,
    at: int = 100,
    number: int = 1,
    bucket: int = 0,
    reason: str = "",
) -> Sighting:
    """Return a sighting."""
    return Sighting(name, ExecutionStatus(status), at, number, bucket, reason=reason)


def fill_in(ledger: Ledger, *names: str, key: RolloutKey = KEY, **changes: Any) -> None:  # noqa: ANN401 - ThingRecord's own fields
    """Write more of what is known of things into their records, and nothing else."""
    records = ledger.things(key, names)
    made = [Transition(name, records[name], replace(records[name], **changes)) for name in names]
    ledger.commit(key, made, deltas(made))


def by_name(counts: Mapping[tuple[int, ExecutionStatus], int]) -> dict[tuple[int, str], int]:
    """Return counts under plain names."""
    return {(bucket, status.value): number for (bucket, status), number in counts.items()}
