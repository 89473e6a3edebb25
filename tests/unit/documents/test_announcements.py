"""Announcements: what Tidegate tells the world, in the form that it promises."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tidegate.documents.announcements import (
    COHORT_LENGTH_MAX,
    REASONS_MAX,
    SUSPECTS_MAX,
    TEXT_LENGTH_MAX,
    VALUE_LENGTH_MAX,
    needs_attention,
    rollout_aborted,
    rollout_completed,
    rollout_held,
    rollout_resumed,
    rollout_started,
    rollout_steered,
)
from tidegate.documents.schemas import EVENT_SCHEMAS
from tidegate.domain.cohorts import Remedy, Suspect
from tidegate.domain.decision import Decision, Evidence, Verdict
from tidegate.domain.policy import Harm, Pace, PaceMode, Policy
from tidegate.domain.reasons import Reason, ReasonCode, reason
from tidegate.domain.rollout import Ending, Rollout, RolloutKey, Tripwires
from tidegate.domain.settings import (
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    PresignedUrl,
    RetryCriterion,
    RolloutRate,
)
from tidegate.ports import BusEvent

#: What EventBridge takes in one entry.
ENTRY_BYTES_MAX = 256 * 1024

KEY = RolloutKey("fw-2", 1764000000)
AT = 1764000511.25

EVERY_SETTING = JobSettings(
    rollout=RolloutRate(90, ExponentialRate(10, 1.5, succeeded_things=100)),
    abort=tuple(AbortCriterion(each, 11.69, 154) for each in FailureType),
    timeout_minutes=60,
    presigned_url=PresignedUrl("arn:aws:iam::123456789012:role/" + "r" * 2000, 600),
    retries=(RetryCriterion(FailureType.FAILED, 0),),
    description="é" * 2028,
)


def decided(
    reasons: tuple[Reason, ...],
    verdict: Verdict = Verdict.PROCEED,
    ending: Ending | None = None,
    suspects: tuple[Suspect, ...] = (),
) -> Decision:
    """Return a decision that rests on these reasons."""
    return Decision(
        revision=7,
        at=AT,
        verdict=verdict,
        reasons=reasons,
        evidence=Evidence(exposed=128, started=110, harmed=1, log_e=-0.25, upper_bound=0.248),
        settings=EVERY_SETTING,
        replaces=JobSettings(rollout=RolloutRate(10), presigned_url=PresignedUrl(None, 60)),
        tripwires=Tripwires(harmed=4),
        signals=0,
        wait_seconds=48,
        ending=ending,
        suspects=suspects,
    )


def suspect(cohort: str, remedy: Remedy = Remedy.QUARANTINE) -> Suspect:
    """Return a cohort for which the release is bad."""
    return Suspect(
        cohort=cohort,
        started=31,
        harmed=9,
        log_e=9.5,
        limit=8.5,
        log_e_of_others=0.0,
        log_e_concentrated=12.5,
        remedy=remedy,
    )


HELD = reason(ReasonCode.HELD, kind="operator", by="on-call", why="storm")
SENT = JobSettings(rollout=RolloutRate(90))


def closed(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema that refuses every member it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if "properties" in result:
        result.setdefault("additionalProperties", False)
    return result


def assert_valid(event: BusEvent) -> None:
    """Hold an event against its schema, closed: what is not described is not told either."""
    schema = closed(EVENT_SCHEMAS[event.detail_type])
    Draft202012Validator(schema).validate(
        {"source": event.source, "detail-type": event.detail_type, "detail": event.detail}
    )


def test_a_rollout_that_starts_says_under_what_and_where() -> None:
    """Policy, generation and workflow execution lead to everything else."""
    rollout = Rollout(
        key=KEY,
        job_arn="arn:aws:iot:eu-west-1:123456789012:job/fw-2",
        policy=Policy(
            "firmware",
            Harm(frozenset(), 0.02, 0.02, 0.95, 0.01, 50),
            Pace(PaceMode.THROTTLE, 10, 90),
        ),
        generation=2,
        execution_arn="arn:aws:states:eu-west-1:123456789012:execution:tidegate:fw-2-1764000000-2",
        enrolled_at=AT,
    )

    event = rollout_started(rollout, AT)

    assert event == BusEvent(
        "Rollout Started",
        {
            "version": "1",
            "jobId": "fw-2",
            "rolloutId": "fw-2#1764000000",
            "at": "2025-11-24T16:08:31.250Z",
            "policy": "firmware",
            "generation": 2,
            "executionArn": rollout.execution_arn,
        },
        source="tidegate",
    )
    assert_valid(event)


@pytest.mark.parametrize(
    ("build", "detail_type", "verdict"),
    [
        (rollout_steered, "Rollout Steered", Verdict.PROCEED),
        (rollout_held, "Rollout Held", Verdict.HOLD),
    ],
)
def test_a_decision_that_was_applied_is_told_in_full(
    build: Any,  # noqa: ANN401 - either builder
    detail_type: str,
    verdict: Verdict,
) -> None:
    """Reasons, evidence, and what is, was and was sent, in the form in which they are stored."""
    decision = decided((HELD,), verdict)

    event = build(KEY, decision, SENT, AT)

    document = decision.to_document()
    assert event.detail_type == detail_type
    assert event.detail == {
        "version": "1",
        "jobId": "fw-2",
        "rolloutId": "fw-2#1764000000",
        "at": "2025-11-24T16:08:31.250Z",
        "sent": {"jobExecutionsRolloutConfig": {"maximumPerMinute": 90}},
        **{
            name: document[name]
            for name in ("revision", "verdict", "reasons", "evidence", "settings", "replaces")
        },
    }
    assert_valid(event)


def test_nothing_sent_is_told_as_nothing() -> None:
    """A decision that changed no setting was applied by sending nothing."""
    event = rollout_steered(KEY, decided((HELD,)), JobSettings(), AT)

    assert event.detail["sent"] == {}
    assert_valid(event)


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize("build", [rollout_aborted, rollout_completed])
def test_an_end_is_told_with_how_it_came(build: Any, ending: Ending) -> None:  # noqa: ANN401
    """Whether Tidegate, AWS or somebody else ended it, the event says so and why."""
    decision = decided((HELD,), Verdict.ENDED, ending)

    event = build(KEY, decision, AT)

    assert event.detail["ending"] == ending.value
    assert event.detail["reasons"][0]["text"] == "operator hold by on-call: storm"
    assert_valid(event)


def test_the_verdict_to_abort_is_an_ending_by_itself() -> None:
    """The decision that cancels the job does not know its ending yet; the event does."""
    event = rollout_aborted(KEY, decided((HELD,), Verdict.ABORT), AT)

    assert (event.detail_type, event.detail["ending"]) == ("Rollout Aborted", "aborted")


def test_a_resumption_says_who_and_why() -> None:
    """Whoever reads the bus learns who lifted the holds."""
    event = rollout_resumed(KEY, "on-call", "back to normal", AT)

    assert (event.detail["by"], event.detail["reason"]) == ("on-call", "back to normal")
    assert_valid(event)


@pytest.mark.parametrize(
    ("key", "revision", "members"),
    [
        (None, None, set()),
        (KEY, None, {"rolloutId"}),
        (KEY, 7, {"rolloutId", "revision"}),
    ],
)
def test_a_call_for_attention_says_what_is_known(
    key: RolloutKey | None, revision: int | None, members: set[str]
) -> None:
    """Without a rollout there is no rollout's id, and no revision without a decision."""
    event = needs_attention("fw-2", "no such policy", "Add it.", AT, key=key, revision=revision)

    assert event.detail.keys() == {"version", "jobId", "at", "problem", "remedy"} | members
    assert_valid(event)


def test_a_call_for_attention_bears_any_job_id() -> None:
    """What is wrong may be the job's id itself."""
    event = needs_attention("no job / has this id" * 20, "x" * 10_000, "", AT)

    assert len(event.detail["jobId"]) == 64
    assert len(event.detail["problem"]) == 4000
    assert event.detail["problem"].endswith("…")
    assert_valid(event)


@pytest.mark.parametrize("remedy", list(Remedy))
def test_cohorts_that_fail_are_told_with_their_remedy(remedy: Remedy) -> None:
    """Whoever acts on one cohort finds it by name, with its evidence, without reading sentences."""
    event = rollout_steered(KEY, decided((HELD,), suspects=(suspect("rev-1", remedy),)), SENT, AT)

    assert event.detail["suspects"] == [
        {
            "cohort": "rev-1",
            "started": 31,
            "harmed": 9,
            "log_e": 9.5,
            "limit": 8.5,
            "log_e_of_others": 0.0,
            "log_e_concentrated": 12.5,
            "remedy": remedy.value,
        }
    ]
    assert_valid(event)


@pytest.mark.parametrize("build", [rollout_aborted, rollout_completed])
def test_an_end_tells_of_suspects_too(build: Any) -> None:  # noqa: ANN401 - either builder
    """A rollout that ended on account of a cohort says of which."""
    event = build(KEY, decided((HELD,), suspects=(suspect("rev-1"),)), AT)

    assert [each["cohort"] for each in event.detail["suspects"]] == ["rev-1"]
    assert_valid(event)


def test_the_worst_decision_fits_into_one_entry() -> None:
    """However much a decision rests on, EventBridge takes it, and what is left out is counted."""
    long = "\N{PILE OF POO}" * 3000
    worst = tuple(
        reason(ReasonCode.HELD, kind="operator", by=long, why=long) for _ in range(REASONS_MAX + 5)
    )
    suspects = (suspect(long),) * (SUSPECTS_MAX + 3)

    event = rollout_steered(KEY, decided(worst, suspects=suspects), EVERY_SETTING, AT)

    assert len(event.detail["reasons"]) == REASONS_MAX
    assert event.detail["reasonsOmitted"] == 5
    assert event.detail["suspectsOmitted"] == 3
    assert {len(each["cohort"]) for each in event.detail["suspects"]} == {COHORT_LENGTH_MAX}
    (first, *_) = event.detail["reasons"]
    assert (len(first["text"]), len(first["values"]["why"])) == (TEXT_LENGTH_MAX, VALUE_LENGTH_MAX)
    assert len(json.dumps(event.detail)) < ENTRY_BYTES_MAX
    assert_valid(event)


def test_what_fits_is_not_marked_as_cut() -> None:
    """No member speaks of omissions where there are none."""
    suspects = (suspect("rev-1"),) * SUSPECTS_MAX

    event = rollout_steered(KEY, decided((HELD,) * REASONS_MAX, suspects=suspects), SENT, AT)

    assert "reasonsOmitted" not in event.detail
    assert "suspectsOmitted" not in event.detail


def test_the_longest_fence_is_told_uncut() -> None:
    """All that AWS would stop the job at can be read: the sentence fits into a text."""
    kinds = ("ALL", "TIMED_OUT", "FAILED", "REJECTED")
    criteria = " or ".join(f"99.99 % {kind} of at least 9999999 executed" for kind in kinds)
    fence = reason(
        ReasonCode.FENCE_INSTALLED,
        criteria=criteria,
        exposed_up_to=9999999,
        risk=0.2,
        rate=1000,
        turned=0.9,
        unattended=9999999,
        later=9999999,
        minutes=10080,
    )

    event = rollout_steered(KEY, decided((fence,)), SENT, AT)

    (told,) = event.detail["reasons"]
    assert told["text"] == fence.text
    assert told["values"]["criteria"] == criteria


@given(st.floats(0, 4_000_000_000))
def test_every_moment_is_told_as_the_schema_says(at: float) -> None:
    """Time is UTC to the millisecond, in one form, whole seconds included."""
    assert_valid(rollout_resumed(KEY, "on-call", "why not", at))
