"""
Gates: points where exposure stops until bake time, alarms, some system and a person agree.

What a gate has come to is in the course: when it was reached, what was asked. Whatever is not
known, such as the state of an alarm that cannot be read, does not agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from tidegate.domain.course import About, Answer, Course, Question
from tidegate.domain.decision import AtGate, Attention, Awaits
from tidegate.domain.policy import Asking, Fallback, Gate, Policy
from tidegate.domain.reasons import Reason, ReasonCode, reason
from tidegate.domain.situation import Situation
from tidegate.domain.standing import AlarmState

_SUFFIXES = {About.GATE_ANSWER: "answer", About.GATE_APPROVAL: "approval"}


@dataclass(frozen=True, slots=True)
class Passage:
    """
    How a rollout stands with its gates.

    Attributes:
        course: With what was reached, asked and passed.
        passed: Names of the gates that it passes now.
        at: The gate that it stands at; None if at none.
        reasons: Why it stands there.
        stop: Why the release is to be stopped at it.
        is_refused: Whether that is because somebody said no.
        asked: Questions that are asked now.
        ahead: Name and devices of the next gate; None if there is none.
        changes_at: Epoch seconds at which waiting comes to an end by itself.
        attention: What people should look at.
    """

    course: Course = field(default_factory=Course)
    passed: tuple[str, ...] = ()
    at: AtGate | None = None
    reasons: tuple[Reason, ...] = ()
    stop: Reason | None = None
    is_refused: bool = False
    asked: tuple[Question, ...] = ()
    ahead: tuple[str, int] | None = None
    changes_at: float | None = None
    attention: Attention | None = None

    @property
    def awaits(self) -> Awaits:
        """What the workflow waits for at the gate."""
        waits = self.at.waits_for if self.at else ()
        if "bake" in waits or "alarms" in waits:
            return Awaits.BAKE
        return Awaits.ANSWER if "answer" in waits else Awaits.APPROVAL


@dataclass(frozen=True, slots=True)
class _Visit:
    """One look at a gate."""

    gate: Gate
    situation: Situation
    course: Course
    now: float


@dataclass(frozen=True, slots=True)
class _Inquiry:
    """What has come of a question."""

    question: Question | None = None
    is_new: bool = False
    agrees: bool = False
    failed: Reason | None = None
    then: Fallback = Fallback.HOLD
    is_refused: bool = False

    @property
    def stops(self) -> bool:
        """Whether the release is to be stopped for it."""
        return self.failed is not None and self.then is Fallback.ABORT

    @property
    def is_open(self) -> bool:
        """Whether an answer would still change something."""
        return self.question is not None and not self.agrees and not self.is_refused


def instant(at: float) -> str:
    """Return epoch seconds as people read them."""
    return datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")


def passage(
    policy: Policy, situation: Situation, course: Course, exposed: int, now: float
) -> Passage:
    """Return where the rollout stands, having passed all gates that agree."""
    passed: list[str] = []
    for after, gate in _ahead(policy, situation, course):
        if exposed < after:
            left = _left(course)  # The policy may have moved the gate that it stood at.
            return Passage(course=left, passed=tuple(passed), ahead=(gate.name, after))
        stands = _at(gate, after, situation, course, now)
        if stands.at is not None or stands.stop is not None:
            return replace(stands, passed=tuple(passed))
        passed.append(gate.name)
        course = _behind(gate, course)
    return Passage(course=_left(course), passed=tuple(passed))


def _ahead(policy: Policy, situation: Situation, course: Course) -> list[tuple[int, Gate]]:
    """Return devices and gate of all that are not passed, in the order in which they come."""
    gates = (each for each in policy.gates if each.name not in course.gates_passed)
    return sorted(
        ((each.devices(situation.fleet_size), each) for each in gates), key=lambda each: each[0]
    )


def without_gates(policy: Policy, situation: Situation, course: Course, now: float) -> Passage:
    """
    Return the passage of a rollout that no gate can hold up, as all devices are notified.

    A no to what was asked before still stops it: some of them may not have started yet.
    """
    at = next((each for each in policy.gates if each.name == course.gate), None)
    left = Passage(course=_left(course))
    if at is None:
        return left
    asking = {About.GATE_ANSWER: at.answer, About.GATE_APPROVAL: at.approval}
    visit = _Visit(at, situation, course, now)
    inquiries = [_inquiry(visit, each.about, asking.get(each.about)) for each in course.questions]
    refused = next((each for each in inquiries if each.stops and each.is_refused), None)
    return left if refused is None else replace(left, stop=refused.failed, is_refused=True)


def overrun(policy: Policy, situation: Situation, course: Course, exposed: int) -> dict[str, int]:
    """Return name and devices of each gate that the rollout is beyond without having passed it."""
    ahead = _ahead(policy, situation, course)
    return {gate.name: after for after, gate in ahead if after < exposed}


def passed_by_name(
    policy: Policy, before: Policy, course: Course, *, exposed: int, fleet_size: int | None
) -> tuple[str, ...]:
    """
    Return the names of gates ahead that count as passed, since others of these names were.

    Args:
        policy: The one to come.
        before: The one in force; what it has at the same place is the same gate.
        course: With what was passed.
        exposed: Devices so far.
        fleet_size: Things in all; None if no gate lies at a share.
    """
    known = {gate.name: gate.devices(fleet_size) for gate in before.gates}
    places = {gate.name: gate.devices(fleet_size) for gate in policy.gates}
    moved = {name for name, after in places.items() if after > exposed and after != known.get(name)}
    return tuple(name for name in course.gates_passed if name in moved)


def _left(course: Course) -> Course:
    return replace(course, gate=None, gate_reached_at=None, questions=())


def _behind(gate: Gate, course: Course) -> Course:
    return replace(_left(course), gates_passed=(*course.gates_passed, gate.name))


def _at(gate: Gate, after: int, situation: Situation, course: Course, now: float) -> Passage:
    """Return the passage at a gate that is reached; it stands at none if all agree."""
    is_new = course.gate != gate.name
    if is_new:
        course = replace(course, gate=gate.name, gate_reached_at=now, questions=())
    visit = _Visit(gate, situation, course, now)
    bake_until = (course.gate_reached_at or now) + gate.bake_minutes * situation.minute_seconds
    bakes = now < bake_until
    against = _alarms_against(gate, situation)
    answer = _inquiry(visit, About.GATE_ANSWER, gate.answer)
    approval = _approval(visit, rest_agrees=answer.agrees and not bakes and not against)
    waits = {
        "bake": bakes,
        "alarms": bool(against),
        "answer": not answer.agrees,
        "approval": not approval.agrees,
    }
    waits_for = tuple(name for name, waiting in waits.items() if waiting)
    inquiries = (answer, approval)
    questions = tuple(
        replace(each.question, is_open=each.is_open) for each in inquiries if each.question
    )
    course = replace(course, questions=questions)
    if not waits_for:
        return Passage(course=course)
    stopped = next((each for each in inquiries if each.stops), None)
    failed = [each.failed for each in inquiries if each.failed is not None]
    ends = [at for at in (bake_until, *(each.due_at for each in questions)) if at and at > now]
    return Passage(
        course=course,
        at=AtGate(gate.name, is_new, waits_for, bake_until),
        reasons=(
            reason(
                ReasonCode.GATE_REACHED, gate=gate.name, after=after, waits=", ".join(waits_for)
            ),
            *failed,
            *([reason(ReasonCode.GATE_BAKES, gate=gate.name, until=instant(bake_until))] * bakes),
            *against,
            *(_asks(gate, each.question) for each in inquiries if each.is_open and each.question),
        ),
        stop=stopped.failed if stopped else None,
        is_refused=stopped is not None and stopped.is_refused,
        asked=tuple(each.question for each in inquiries if each.question and each.is_new),
        changes_at=min(ends, default=None),
        attention=_attention(gate, failed),
    )


def _approval(visit: _Visit, *, rest_agrees: bool) -> _Inquiry:
    """Return what a person said: asked once there is something to decide on, and only once."""
    gate = visit.gate
    known = any(each.about is About.GATE_APPROVAL for each in visit.course.questions)
    if rest_agrees or known or gate.approval is None:
        return _inquiry(visit, About.GATE_APPROVAL, gate.approval)
    return _Inquiry()


def _alarms_against(gate: Gate, situation: Situation) -> list[Reason]:
    standing = situation.standing
    states = {
        name: "not readable"
        if "alarms" in standing.unreadable
        else standing.alarms[name].state.value
        if name in standing.alarms
        else "missing"
        for name in gate.alarms
    }
    return [
        reason(ReasonCode.GATE_ALARM, gate=gate.name, alarm=name, state=state)
        for name, state in states.items()
        if state != AlarmState.OK.value
    ]


def _inquiry(visit: _Visit, about: About, asking: Asking | None) -> _Inquiry:
    """Return what has come of a question, which is asked now if it was not before."""
    if asking is None:
        return _Inquiry(agrees=True)
    gate, situation = visit.gate, visit.situation
    base = _question_id(gate, about)
    answers = _answers(base, situation.answers)
    lifted_at = situation.lift.at if situation.lift else 0.0
    # Whoever resumes after a no wants it asked again; one that stops the release is for good.
    stops = asking.refused is Fallback.ABORT
    forgotten = [
        each
        for each in answers
        if not each.yes
        and each.at < lifted_at
        and not (stops and visit.course.question(each.question_id))
    ]
    answer = next((each for each in answers if each not in forgotten), None)
    question_id = base if not forgotten else f"{base}-{len(forgotten) + 1}"
    question = visit.course.question(question_id)
    if answer is not None:
        return _answered(gate, question, answer, asking)
    due_at = visit.now + asking.within_minutes * situation.minute_seconds
    asked = Question(question_id, about, gate.name, visit.now, due_at)
    if question is None:
        return _Inquiry(asked, is_new=True)
    if question.due_at is None or visit.now < question.due_at:
        return _Inquiry(question)
    return _unanswered(gate, question, asked, asking)


def _answered(gate: Gate, question: Question | None, answer: Answer, asking: Asking) -> _Inquiry:
    if answer.yes:
        return _Inquiry(question, agrees=True)
    no = reason(
        ReasonCode.GATE_REFUSED,
        gate=gate.name,
        by=answer.by,
        why=answer.comment,
        then=asking.refused.value,
    )
    return _Inquiry(question, failed=no, then=asking.refused, is_refused=True)


def _unanswered(gate: Gate, question: Question, again: Question, asking: Asking) -> _Inquiry:
    then = asking.unanswered
    failed = reason(
        ReasonCode.GATE_UNANSWERED, gate=gate.name, question=question.question_id, then=then.value
    )
    if then is Fallback.HOLD:
        # The gate stays closed, and people are asked again.
        return _Inquiry(again, is_new=True, failed=failed)
    return _Inquiry(question, agrees=then is Fallback.PASS, failed=failed, then=then)


def _question_id(gate: Gate, about: About) -> str:
    return f"{gate.name}-{_SUFFIXES[about]}"


def answers_to(gate_name: str, answers: Sequence[Answer]) -> list[Answer]:
    """Return the answers to all that was asked at a gate."""
    return [
        each for suffix in _SUFFIXES.values() for each in _answers(f"{gate_name}-{suffix}", answers)
    ]


def _answers(base: str, answers: Sequence[Answer]) -> list[Answer]:
    """Return the answers to a question and to those that repeat it, the oldest first."""

    def repeats(question_id: str) -> bool:
        head, _, number = question_id.rpartition("-")
        return question_id == base or (head == base and number.isdigit())

    found = [each for each in answers if repeats(each.question_id)]
    return sorted(found, key=lambda each: each.at)


def _asks(gate: Gate, question: Question) -> Reason:
    return reason(
        ReasonCode.GATE_ASKS,
        gate=gate.name,
        question=question.question_id,
        due=instant(question.due_at) if question.due_at else "any time",
    )


def _attention(gate: Gate, failed: Sequence[Reason]) -> Attention | None:
    if not failed:
        return None
    return Attention(
        subject=f"gate {gate.name} {failed[0].code.value}",
        problem=failed[0].text,
        remedy="Answer the question that is open, resume the rollout to have it asked again after "
        "a no, or abort the rollout.",
    )
