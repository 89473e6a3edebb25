"""The course is kept with its rollout as plain JSON, and says what can be answered."""

import json
from dataclasses import replace

import pytest

from tests.unit.domain.examples import NOW
from tidegate.domain.course import About, Agreement, Course, Proposal, Question
from tidegate.domain.policy import Action
from tidegate.domain.settings import (
    AbortCriterion,
    FailureType,
    JobSettings,
    RetryCriterion,
    RolloutRate,
)

ASKED = Question("canary-answer", About.GATE_ANSWER, "canary", NOW, NOW + 60)
APPROVAL = Question("canary-approval", About.GATE_APPROVAL, "canary", NOW + 0.5, NOW + 60.5)
PROPOSAL = Proposal(
    question=Question("decision-7", About.DECISION, "speed_up", NOW),
    action=Action.SPEED_UP,
    settings=JobSettings(
        rollout=RolloutRate(200),
        abort=(AbortCriterion(FailureType.FAILED, 12.5, 40),),
        timeout_minutes=45,
        retries=(RetryCriterion(FailureType.ALL, 0),),
        description="firmware 7 | Tidegate: rolling out under policy firmware",
    ),
    revision=7,
)
COURSE = Course(
    gates_passed=("lab", "canary"),
    gate="tenth",
    gate_reached_at=NOW - 60,
    questions=(ASKED, APPROVAL),
    proposal=PROPOSAL,
    agreement=Agreement(5, 1, 1, 1, 1),
    held_since={"calendar:quarter-end": NOW - 0.25},
    rolled_back=20,
    rollback_until=NOW + 3600,
    share_reached_at=NOW - 5,
    is_guarding=True,
    attended_at=NOW - 90.5,
    compared_at=NOW - 600,
    timeout_minutes=35,
    incomplete_since=NOW - 120,
    told=("gate lab overrun",),
)


@pytest.mark.parametrize(
    "course",
    [
        Course(),
        COURSE,
        replace(COURSE, proposal=replace(PROPOSAL, is_refused=True)),
        *(
            replace(COURSE, proposal=replace(PROPOSAL, action=action, settings=JobSettings()))
            for action in Action
        ),
    ],
)
def test_a_course_is_read_back_as_it_was_stored(course: Course) -> None:
    """What was asked and promised must not be forgotten, and cannot be computed anew."""
    stored = json.dumps(course.to_document(), allow_nan=False)

    assert Course.from_document(json.loads(stored)) == course


def test_a_proposal_is_stored_in_awss_own_shape() -> None:
    """Whoever reads the ledger sees what UpdateJob would get."""
    document = json.loads(json.dumps(COURSE.to_document()))

    assert document["proposal"]["settings"]["jobExecutionsRolloutConfig"] == {
        "maximumPerMinute": 200
    }
    assert document["questions"][0] == {
        "question_id": "canary-answer",
        "about": "gate_answer",
        "subject": "canary",
        "asked_at": NOW,
        "due_at": NOW + 60,
        "is_open": True,
    }


def test_what_is_answered_waits_no_more() -> None:
    """It stays on record while its gate waits for something else; nobody is offered to answer."""
    course = Course(questions=(replace(ASKED, is_open=False), APPROVAL))

    assert course.pending == (APPROVAL,)
    assert course.question("canary-answer") == course.questions[0]
    assert Course.from_document(json.loads(json.dumps(course.to_document()))) == course


def test_a_proposal_can_be_answered_like_a_question() -> None:
    """By its correlation id, until it is refused; other ids name nothing."""
    refused = replace(COURSE, proposal=replace(PROPOSAL, is_refused=True))

    assert COURSE.pending == (ASKED, APPROVAL, PROPOSAL.question)
    assert COURSE.question("decision-7") == PROPOSAL.question
    assert COURSE.question("canary-approval") == APPROVAL
    assert COURSE.question("canary") is None
    assert refused.pending == (ASKED, APPROVAL)
    assert refused.question("decision-7") is None
    assert Course().pending == ()
