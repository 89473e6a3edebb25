"""
News: what people are told of a decision, once it is applied.

Decisions come every minute; what is told is what has changed since the one before. Every event is
a line of the rollout's timeline too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.documents.announcements import (
    ROLLOUT_RESUMED,
    approval_requested,
    cohort_suspect,
    decision_proposed,
    gate_passed,
    gate_reached,
    rollout_aborted,
    rollout_completed,
    rollout_held,
    rollout_resumed,
    rollout_steered,
)
from tidegate.domain.cohorts import is_told
from tidegate.domain.course import About, Answer, Proposal, Question
from tidegate.domain.decision import Decision, Verdict, Withheld
from tidegate.domain.gates import answers_to
from tidegate.domain.policy import Authority
from tidegate.domain.rollout import Hold, Lift, Rollout, Step
from tidegate.domain.settings import JobSettings
from tidegate.ports import BusEvent

#: Characters of one line of the timeline.
LINE_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True)
class Told:
    """
    What people know of a rollout.

    Attributes:
        last: The newest decision that was applied and told; None if none was.
        missed: Those after it that nobody was told of, oldest first: whoever should have, died.
    """

    last: Decision | None = None
    missed: tuple[Decision, ...] = ()


def news_of(
    rollout: Rollout,
    decision: Decision,
    told: Told,
    sent: JobSettings,
    *,
    lift: Lift | None = None,
    answers: Sequence[Answer] = (),
    record: Mapping[str, Any] | None = None,
) -> list[BusEvent]:
    """
    Return what is to be told of an applied decision, in the order in which it came about.

    Args:
        rollout: As it was when the decision was applied.
        decision: The decision.
        told: What people know.
        sent: What UpdateJob really got.
        lift: Who lifted operators' holds last.
        answers: To the rollout's questions.
        record: Of the rollout, where it comes to an end, or to that of its initial part.
    """
    return [
        *milestones(rollout, told.missed, told, answers, record),
        *_lifted(rollout, decision, told.last, lift),
        *_suspects(rollout, decision, told.last),
        *milestones(rollout, (decision,), told, answers, record),
        *_course(rollout, decision, told.last, sent),
        *_end(rollout, decision, record),
    ]


def milestones(
    rollout: Rollout,
    decisions: Sequence[Decision],
    told: Told,
    answers: Sequence[Answer],
    record: Mapping[str, Any] | None = None,
) -> Iterator[BusEvent]:
    """
    Yield gates, questions and the begin of guarding, whatever became of decisions' settings.

    A question that is settled by now is not asked.
    """
    for decision in decisions:
        yield from _gates(rollout, decision, answers)
        yield from _questions(rollout, decision, told.last)
        if decision.starts_guarding:
            yield rollout_completed(rollout.key, decision, decision.at, guarded=True, record=record)


def step_of(event: BusEvent, decision: Decision, sent: JobSettings, text: str) -> Step:
    """Return the line of the timeline that an event makes."""
    moved = event.detail.get("sent")
    if event.detail_type == ROLLOUT_RESUMED:
        text = f"{_lifting(event.detail)}; {text}"
    return Step(
        at=decision.at,
        what=event.detail_type,
        text=text[:LINE_LENGTH_MAX],
        revision=decision.revision,
        sent=sent.to_request() if moved else {},
    )


def _lifting(resumed: Mapping[str, Any]) -> str:
    """Return what is over, and who lifted it and why, where somebody had to."""
    holds = ", ".join(f"{each['kind']} hold by {each['by']}" for each in resumed["lifted"])
    by = resumed.get("by")
    return f"{holds} over" if by is None else f"{holds} lifted by {by}: {resumed['reason']}"


def _lifted(
    rollout: Rollout, decision: Decision, before: Decision | None, lift: Lift | None
) -> Iterator[BusEvent]:
    """Say that nothing holds it any more."""
    over = decision.verdict in (Verdict.ABORT, Verdict.COMPLETE, Verdict.ENDED, Verdict.ROLL_BACK)
    if before is None or not before.holds or decision.holds or over:
        return
    # A lift from before is not what lifted these.
    recent = lift if lift is not None and lift.at >= max(_since(before.holds)) else None
    yield rollout_resumed(rollout.key, before.holds, recent, decision.at)


def _since(holds: Sequence[Hold]) -> Iterator[float]:
    return (each.since for each in holds)


def _suspects(rollout: Rollout, decision: Decision, before: Decision | None) -> Iterator[BusEvent]:
    """
    Name cohorts that fail, each once; again if another remedy is called for.

    Devices of which nobody knows what they are, are none to be named.
    """
    known = {(each.cohort, each.remedy) for each in before.suspects} if before else set()
    for suspect in decision.suspects:
        if is_told(suspect.cohort) and (suspect.cohort, suspect.remedy) not in known:
            yield cohort_suspect(rollout.key, suspect, decision.revision, decision.at)


def _gates(rollout: Rollout, decision: Decision, answers: Sequence[Answer]) -> Iterator[BusEvent]:
    for name in decision.gates_passed:
        yield gate_passed(rollout.key, name, answers_to(name, answers), decision.at)
    gate, asks = decision.gate, {each.about for each in decision.asked}
    if gate is not None and (gate.is_new or About.GATE_ANSWER in asks):
        yield gate_reached(rollout.key, gate, decision, decision.at)


def _questions(rollout: Rollout, decision: Decision, before: Decision | None) -> Iterator[BusEvent]:
    withheld = decision.withheld
    pending = {each.question_id for each in rollout.course.pending}
    for question in decision.asked:
        if question.question_id not in pending:
            continue
        if question.about is About.GATE_APPROVAL:
            yield approval_requested(rollout, question, decision, decision.at)
        if question.about is About.DECISION and withheld is not None:
            yield from _proposal(rollout, decision, withheld, question)
    if withheld is not None and withheld.authority is Authority.OBSERVE:
        known = before.withheld if before else None
        if known is None or _wish(known) != _wish(withheld):
            nobody = Question("", About.DECISION, withheld.action.value, decision.at)
            proposal = Proposal(nobody, withheld.action, withheld.settings, decision.revision)
            yield decision_proposed(
                rollout.key, proposal, withheld.authority, decision, decision.at
            )


def _wish(withheld: Withheld) -> tuple[object, ...]:
    return (withheld.action, withheld.settings.rollout)


def _proposal(
    rollout: Rollout, decision: Decision, withheld: Withheld, question: Question
) -> Iterator[BusEvent]:
    proposal = Proposal(question, withheld.action, withheld.settings, decision.revision)
    yield decision_proposed(rollout.key, proposal, withheld.authority, decision, decision.at)
    if question.due_at is not None:
        yield approval_requested(
            rollout, question, decision, decision.at, settings=withheld.settings
        )


def _course(
    rollout: Rollout, decision: Decision, before: Decision | None, sent: JobSettings
) -> Iterator[BusEvent]:
    """
    Say what it does from now on, if that or the rate is another than before.

    The fence behind a rate moves with every device that comes out: no news by itself.
    """
    match decision.verdict:
        case Verdict.HOLD if sent.rollout or _says_more(decision, before):
            yield rollout_held(rollout.key, decision, sent, decision.at)
        case Verdict.PROCEED | Verdict.ABORT if sent.rollout or _says_more(decision, before):
            yield rollout_steered(rollout.key, decision, sent, decision.at)
        case Verdict.GATE if sent.rollout:
            yield rollout_steered(rollout.key, decision, sent, decision.at)
        case _:
            return


def _says_more(decision: Decision, before: Decision | None) -> bool:
    """Whether it is another verdict, for another reason, or under other holds."""
    if before is None or before.verdict is not decision.verdict:
        return True
    return _headline(before) != _headline(decision) or _held(before) != _held(decision)


def _headline(decision: Decision) -> str:
    return decision.reasons[0].code.value if decision.reasons else ""


def _held(decision: Decision) -> set[tuple[str, str, str]]:
    return {(each.kind.value, each.by, each.reason) for each in decision.holds}


def _end(
    rollout: Rollout, decision: Decision, record: Mapping[str, Any] | None
) -> Iterator[BusEvent]:
    if decision.verdict is Verdict.COMPLETE:
        yield rollout_completed(rollout.key, decision, decision.at, record=record)
    if decision.verdict is Verdict.ENDED:
        yield rollout_aborted(rollout.key, decision, decision.at, record=record)
