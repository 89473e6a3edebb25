"""
A rollout's course: what gates, questions and proposals have come to so far.

Each review hands the course on to the next, like its memory; but where memory could be computed
anew from the counts, the course could not: it is what was reached, asked and promised, and when.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from tidegate.domain.policy import Action
from tidegate.domain.settings import JobSettings


class About(StrEnum):
    """What a question is about, and so who is asked."""

    #: Some system is to say whether the gate may be passed.
    GATE_ANSWER = "gate_answer"
    #: A person is.
    GATE_APPROVAL = "gate_approval"
    #: A person is to say whether Tidegate may do what it proposes.
    DECISION = "decision"


@dataclass(frozen=True, slots=True)
class Question:
    """
    Something that waits for a yes or a no.

    Attributes:
        question_id: The correlation id that an answer names; unique within its rollout.
        about: What it is about.
        subject: The gate's name, or the action that is proposed.
        asked_at: Epoch seconds.
        due_at: Epoch seconds after which no answer counts; None: there is no such time.
        is_open: Whether an answer would still change something, as of the last review.
    """

    question_id: str
    about: About
    subject: str
    asked_at: float
    due_at: float | None = None
    is_open: bool = True

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Question":
        """Read what ``asdict`` made of a question."""
        return cls(**{**document, "about": About(document["about"])})


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody said to a question; the first answer counts, at ``at`` epoch seconds."""

    question_id: str
    yes: bool
    by: str
    comment: str
    at: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """
    What Tidegate would do if it were allowed to.

    Attributes:
        question: What people are asked; answered with yes, it is done.
        action: What it is.
        settings: What would be in force; nothing where it is no change of settings.
        revision: Of the decision that proposed it.
        is_refused: Whether the answer was no; it stays, so that the same is not proposed again.
    """

    question: Question
    action: Action
    settings: JobSettings
    revision: int
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often people agreed with what was proposed; ``withdrawn``: overtaken by events."""

    proposed: int = 0
    approved: int = 0
    refused: int = 0
    unanswered: int = 0
    withdrawn: int = 0


@dataclass(frozen=True, slots=True)
class Course:
    """
    What a review hands on of gates, questions and proposals; times are epoch seconds.

    Attributes:
        gates_passed: Names of the gates behind it.
        gate: Name of the gate that it stands at; None if at none.
        gate_reached_at: When it came there.
        questions: Asked at that gate, be they answered or not.
        proposal: What waits for a yes; None if nothing does.
        agreement: What came of all proposals.
        held_since: When each hold that has no time of its own was first found.
        rolled_back: Devices that the last pass of rolling back was for.
        soaked_until: How long devices that soak are waited for once AWS is done with the job.
        rollback_until: How long devices at work are waited for, to be rolled back too.
        share_reached_at: When as many devices had an outcome as the policy asks for.
        is_guarding: The initial rollout of a CONTINUOUS job is done; late joiners are guarded.
        attended_at: When devices were last looked at one by one.
        compared_at: When it was last looked whether other rollouts have some of the same things.
        timeout_minutes: The in-progress time-out that Tidegate took from the devices' delays.
        incomplete_since: When the ledger was first found to lack outcomes that AWS counts; None if
            it lacks none now.
        told: Subjects of what people are told but once, as long as they stand.
    """

    gates_passed: tuple[str, ...] = ()
    gate: str | None = None
    gate_reached_at: float | None = None
    questions: tuple[Question, ...] = ()
    proposal: Proposal | None = None
    agreement: Agreement = field(default_factory=Agreement)
    held_since: Mapping[str, float] = field(default_factory=dict)
    rolled_back: int | None = None
    soaked_until: float | None = None
    rollback_until: float | None = None
    share_reached_at: float | None = None
    is_guarding: bool = False
    attended_at: float | None = None
    compared_at: float | None = None
    timeout_minutes: int | None = None
    incomplete_since: float | None = None
    told: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[Question, ...]:
        """All questions that can be answered."""
        return tuple(each for each in self._asked if each.is_open)

    def question(self, question_id: str) -> Question | None:
        """Return the question of that id, be it answered or not; None if it is not asked."""
        return next((each for each in self._asked if each.question_id == question_id), None)

    @property
    def _asked(self) -> tuple[Question, ...]:
        if self.proposal is None or self.proposal.is_refused:
            return self.questions
        return (*self.questions, self.proposal.question)

    def to_document(self) -> dict[str, Any]:
        """Return the course as plain JSON; ``from_document`` reads it back unchanged."""
        document = asdict(replace(self, proposal=None))
        document["gates_passed"] = list(self.gates_passed)
        document["questions"] = [asdict(each) for each in self.questions]
        document["told"] = list(self.told)
        if self.proposal is not None:
            document["proposal"] = {
                "question": asdict(self.proposal.question),
                "action": self.proposal.action.value,
                "settings": self.proposal.settings.to_request(),
                "revision": self.proposal.revision,
                "is_refused": self.proposal.is_refused,
            }
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Course":
        """Read what ``to_document`` wrote, be it another version's: what lacks has its default."""
        document = {**cls().to_document(), **document}
        proposal = document["proposal"]
        return cls(
            gates_passed=tuple(document["gates_passed"]),
            gate=document["gate"],
            gate_reached_at=document["gate_reached_at"],
            questions=tuple(Question.from_document(each) for each in document["questions"]),
            proposal=None
            if proposal is None
            else Proposal(
                question=Question.from_document(proposal["question"]),
                action=Action(proposal["action"]),
                settings=JobSettings.from_description(proposal["settings"]),
                revision=proposal["revision"],
                is_refused=proposal["is_refused"],
            ),
            agreement=Agreement(**document["agreement"]),
            held_since=document["held_since"],
            rolled_back=document["rolled_back"],
            soaked_until=document["soaked_until"],
            rollback_until=document["rollback_until"],
            share_reached_at=document["share_reached_at"],
            is_guarding=document["is_guarding"],
            attended_at=document["attended_at"],
            compared_at=document["compared_at"],
            timeout_minutes=document["timeout_minutes"],
            incomplete_since=document["incomplete_since"],
            told=tuple(document["told"]),
        )
