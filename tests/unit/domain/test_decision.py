"""A decision is kept whole, as JSON that people and machines read."""

import json
from dataclasses import replace

import pytest

from tests.unit.domain.examples import NOW, learned
from tests.unit.domain.test_reasons import values_for
from tidegate.domain.cohorts import Remedy, Suspect
from tidegate.domain.course import About, Course, Question
from tidegate.domain.decision import (
    AtGate,
    Attention,
    Awaits,
    Decision,
    Evidence,
    Verdict,
    Withheld,
)
from tidegate.domain.memory import Memory
from tidegate.domain.policy import Action, Authority
from tidegate.domain.reasons import ReasonCode, reason
from tidegate.domain.rollout import Ending, Hold, HoldKind, Tripwires
from tidegate.domain.settings import (
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    PresignedUrl,
    RetryCriterion,
    RolloutRate,
)

DECISION = Decision(
    revision=3,
    at=NOW + 0.25,
    verdict=Verdict.PROCEED,
    reasons=tuple(reason(code, **values_for(code)) for code in ReasonCode),
    evidence=Evidence(100, 90, 20, 60, 5, 65, 2, 1.25, 5.3, 0.31, counters_only=True),
    settings=JobSettings(
        rollout=RolloutRate(500, ExponentialRate(50, 1.5, succeeded_things=100)),
        abort=(AbortCriterion(FailureType.ALL, 12.34, 50),),
        timeout_minutes=45,
        presigned_url=PresignedUrl(None, 600),
        retries=(RetryCriterion(FailureType.FAILED, 0),),
        description="firmware 7",
    ),
    replaces=JobSettings(RolloutRate(10)),
    tripwires=Tripwires(harmed=9, succeeded=None),
    signals=2,
    wait_seconds=48,
    ending=Ending.ABORTED,
    attention=Attention("events", "events are off", "switch them on"),
    suspects=(
        Suspect("old", 30, 10, 12.5, 6.9, -0.25, 9.75, Remedy.QUARANTINE),
        Suspect("new", 20, 5, 7.5, 6.9, -0.25, 1.5, Remedy.HOLD),
    ),
    awaits=Awaits.BAKE,
    holds=(Hold(HoldKind.CALENDAR, "quarter-end", "the calendar is closed", NOW - 3600),),
    gate=AtGate("canary", is_new=True, waits_for=("bake", "answer"), bake_until=NOW + 600),
    gates_passed=("lab",),
    asked=(
        Question("canary-answer", About.GATE_ANSWER, "canary", NOW, NOW + 3600),
        Question("decision-3", About.DECISION, "speed_up", NOW),
    ),
    withheld=Withheld(Action.SPEED_UP, Authority.RECOMMEND, JobSettings(RolloutRate(900))),
    forces=True,
    cancels_stragglers=True,
    starts_guarding=True,
    attends=True,
    course=Course(gates_passed=("lab",), gate="canary", gate_reached_at=NOW),
    memory=Memory(delays=learned(cleared_after=5), quarantined=("old",)),
)


@pytest.mark.parametrize(
    "decision",
    [
        DECISION,
        *(replace(DECISION, verdict=verdict) for verdict in Verdict),
        *(replace(DECISION, ending=ending) for ending in (*Ending, None)),
        replace(DECISION, reasons=(), settings=JobSettings(), replaces=JobSettings()),
        replace(DECISION, attention=None, tripwires=Tripwires()),
        *(
            replace(DECISION, suspects=(replace(DECISION.suspects[0], remedy=remedy),))
            for remedy in Remedy
        ),
        *(replace(DECISION, awaits=awaits) for awaits in Awaits),
        *(
            replace(DECISION, holds=(replace(DECISION.holds[0], kind=kind),) * 2)
            for kind in HoldKind
        ),
        *(
            replace(DECISION, withheld=Withheld(action, authority, JobSettings()))
            for action in Action
            for authority in Authority
        ),
        *(replace(DECISION, asked=(Question("a", about, "b", NOW),)) for about in About),
        replace(DECISION, gate=None, gates_passed=(), asked=(), withheld=None, holds=()),
        replace(DECISION, forces=False, cancels_stragglers=False, starts_guarding=False),
    ],
)
def test_a_decision_is_read_back_as_it_was_stored(decision: Decision) -> None:
    """Nothing is lost in between, with any verdict, ending or reason."""
    stored = json.dumps(decision.to_document(), allow_nan=False)

    assert Decision.from_document(json.loads(stored)) == decision


def test_a_stored_decision_reads_without_the_code_that_made_it() -> None:
    """Its document has the sentences, and the settings in AWS's own shape."""
    document = json.loads(json.dumps(DECISION.to_document()))
    held = next(each for each in document["reasons"] if each["code"] == "HELD")

    assert held == {
        "code": "HELD",
        "text": "<kind> hold by <by> since <since>: <why>",
        "values": {"kind": "<kind>", "by": "<by>", "since": "<since>", "why": "<why>"},
    }
    assert document["replaces"] == {"jobExecutionsRolloutConfig": {"maximumPerMinute": 10}}
    assert document["review_by"] == NOW + 48.25
    assert document["evidence"]["counters_only"] is True
    assert document["gate"]["waits_for"] == ["bake", "answer"]
    assert document["withheld"] == {
        "action": "speed_up",
        "authority": "recommend",
        "settings": {"jobExecutionsRolloutConfig": {"maximumPerMinute": 900}},
    }


def test_the_first_reason_sums_it_up() -> None:
    """People who read one line read the first reason; without any, the verdict."""
    assert DECISION.summary == DECISION.reasons[0].text
    assert replace(DECISION, reasons=()).summary == "proceed"


def test_a_stored_sentence_stays_as_it_was() -> None:
    """A later wording, or one that wants other values, leaves what was stored readable."""
    document = DECISION.to_document()
    document["reasons"][0] |= {"text": "as it was put then", "values": {}}

    assert Decision.from_document(document).summary == "as it was put then"


def test_what_the_next_review_need_not_compute_is_no_part_of_the_document() -> None:
    """It is kept with the rollout: decisions stay small, and equal whatever was remembered."""
    read = Decision.from_document(DECISION.to_document())

    assert DECISION.to_document().keys().isdisjoint({"memory", "course"})
    assert (read.memory, read.course) == (Memory(), Course())
    assert read == DECISION
