"""
Authority: what becomes of a decision that Tidegate may not carry out by itself.

It restricts what Tidegate does by its own judgement. What a person asks for, a hold or an abort,
is done under any authority; going up again after it is a judgement.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tidegate.domain.case import Case
from tidegate.domain.course import About, Answer, Proposal, Question
from tidegate.domain.decision import Attention, Awaits, Decision, Verdict, Withheld
from tidegate.domain.policy import Action, Authority, Fallback
from tidegate.domain.reasons import Reason, ReasonCode, reason
from tidegate.domain.rollout import HoldKind, Tripwires
from tidegate.domain.settings import JobSettings

#: Where a rate that was refused may be this many times higher, or must be lower, it is proposed
#: again.
_WORTH_ASKING_AGAIN = 2

#: Returns the settings at a rate, with the fence that belongs behind it.
SettingsAt = Callable[[int], JobSettings]


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a review would do, and what it takes."""

    case: Case
    decision: Decision
    action: Action
    authority: Authority
    settings_at: SettingsAt
    instead: Decision


def authorized(
    case: Case, wished: Decision, *, instead: Decision, settings_at: SettingsAt
) -> Decision:
    """
    Return the decision as far as authority goes, and what is proposed where it does not.

    Args:
        case: What it was concluded from.
        wished: What would be done under full authority.
        instead: What is done while stopping, completing or rolling back waits for a yes.
        settings_at: Returns the settings at a rate.
    """
    action = _action(case, wished)
    no = _no_that_stops(case, wished)
    if no is not None and (action is not None or wished.verdict is not Verdict.ABORT):
        return _stop(case, wished, no)
    authority = Authority.AUTO if action is None else case.policy.authority.over(action)
    if action is None or authority is Authority.AUTO:
        return _within(case, _settled(case, wished))
    wish = _Wish(case, wished, action, authority, settings_at, instead)
    if authority is Authority.OBSERVE:
        return _withheld(wish, _settled(case, wished), ())
    return _proposed(wish)


def _no_that_stops(case: Case, wished: Decision) -> Reason | None:
    """Return the no by which the policy stops a release that goes on, whatever came up since."""
    job, proposal = case.situation.job, wished.course.proposal
    stops = case.policy.approval.refused is Fallback.ABORT
    if job is None or not job.goes_on or not stops or proposal is None or proposal.is_refused:
        return None
    answer = case.situation.answer_to(proposal.question)
    return None if answer is None or answer.yes else _no(case, proposal, answer)


def _action(case: Case, wished: Decision) -> Action | None:
    """Return what the decision does by Tidegate's own judgement; None if that is nothing."""
    situation = case.situation
    match wished.verdict:
        case Verdict.ABORT:
            asked = situation.abort_request or situation.aborting or case.passage.is_refused
            return None if asked else Action.ABORT
        case Verdict.ROLL_BACK:
            # What was begun goes on.
            return Action.ROLL_BACK if situation.course.rolled_back is None else None
        case Verdict.COMPLETE:
            return Action.COMPLETE if wished.cancels_stragglers else None
        case Verdict.ENDED:
            return None
        case Verdict.PROCEED | Verdict.HOLD | Verdict.GATE:
            return _turn(case, wished)


def _turn(case: Case, wished: Decision) -> Action | None:
    """Return which way the rate goes; None where it does not, or people asked for it."""
    if wished.settings.rollout is None:
        return None
    rate, standing = wished.settings.rate_per_minute, case.standing.rate_per_minute
    if rate > standing:
        return Action.SPEED_UP
    is_asked = any(each.kind is HoldKind.OPERATOR for each in case.holds)
    unfenced = bool(wished.settings.abort) and not case.standing.abort
    return Action.SLOW_DOWN if (rate < standing or unfenced) and not is_asked else None


def _within(case: Case, decision: Decision) -> Decision:
    """Return the decision without changes that are none of rate, where even those need a yes."""
    authority = case.policy.authority.slow_down
    turns = decision.settings.rate_per_minute != case.standing.rate_per_minute
    if decision.settings.rollout is None or turns or authority is Authority.AUTO:
        return decision
    return replace(decision, settings=JobSettings())


def _proposed(wish: _Wish) -> Decision:
    """
    Return the decision by what has come of the proposal, which is made if there is none.

    It stands although figures move: a yes puts no more in force than the evidence then allows.
    """
    proposal = wish.decision.course.proposal
    if proposal is None or proposal.action is not wish.action:
        return _ask(wish)
    answer = wish.case.situation.answer_to(proposal.question)
    if answer is not None and answer.yes:
        why = reason(
            ReasonCode.PROPOSAL_APPROVED,
            by=answer.by,
            action=wish.action.value,
            why=answer.comment,
        )
        return _granted(wish, proposal, why)
    if answer is not None:
        return _refused(wish, proposal, answer)
    due_at = proposal.question.due_at
    if due_at is None or wish.case.now < due_at:
        return _withheld(wish, wish.decision, (_asked(proposal),))
    return _unanswered(wish, proposal)


def _rate(settings: JobSettings) -> int:
    return settings.rollout.maximum_per_minute if settings.rollout else 0


def _ask(wish: _Wish) -> Decision:
    """Propose it, in place of what was proposed before."""
    case, decision = wish.case, _settled(wish.case, wish.decision)
    within = case.policy.approval.within_minutes * case.situation.minute_seconds
    waits = wish.authority is Authority.APPROVE or wish.action is Action.ROLL_BACK
    question = Question(
        question_id=f"decision-{decision.revision}",
        about=About.DECISION,
        subject=wish.action.value,
        asked_at=case.now,
        due_at=case.now + within if waits else None,
    )
    proposal = Proposal(question, wish.action, decision.settings, decision.revision)
    agreement = decision.course.agreement
    course = replace(
        decision.course,
        proposal=proposal,
        agreement=replace(agreement, proposed=agreement.proposed + 1),
    )
    asking = replace(decision, course=course, asked=(*decision.asked, question))
    return _withheld(wish, asking, (_asked(proposal),))


def _asked(proposal: Proposal) -> Reason:
    rate = proposal.settings.rollout
    what = proposal.action.value
    if rate is not None:
        what = f"{what} to {rate.maximum_per_minute} per minute"
    return reason(ReasonCode.PROPOSED, question=proposal.question.question_id, what=what)


def _granted(wish: _Wish, proposal: Proposal, why: Reason) -> Decision:
    """Return what was proposed, or as much of it as the evidence still allows."""
    decision = _settled(wish.case, wish.decision)
    settings = decision.settings
    if proposal.settings.rollout is not None:
        settings = wish.settings_at(min(_rate(settings), _rate(proposal.settings)))
    return replace(decision, settings=settings, reasons=(why, *decision.reasons))


def _refused(wish: _Wish, proposal: Proposal, answer: Answer) -> Decision:
    """Return what follows a no: nothing until somebody resumes or much more could be done."""
    case, decision = wish.case, _settled(wish.case, wish.decision)
    lift = case.situation.lift
    if _is_much_more(wish, proposal) or (lift is not None and lift.at > answer.at):
        return _ask(replace(wish, decision=decision))
    known = replace(proposal, is_refused=True)
    decision = replace(decision, course=replace(decision.course, proposal=known))
    why = _no(case, proposal, answer)
    if case.policy.approval.refused is Fallback.ABORT:
        return _stop(case, wish.decision, why)
    return _withheld(wish, decision, (why,))


def _no(case: Case, proposal: Proposal, answer: Answer) -> Reason:
    return reason(
        ReasonCode.PROPOSAL_REFUSED,
        by=answer.by,
        action=proposal.action.value,
        why=answer.comment,
        then=case.policy.approval.refused.value,
    )


def _is_much_more(wish: _Wish, proposal: Proposal) -> bool:
    """Whether so much more could be done than was refused that it is worth asking again."""
    wanted, refused = _rate(wish.decision.settings), _rate(proposal.settings)
    if wish.action is Action.SPEED_UP:
        return wanted >= _WORTH_ASKING_AGAIN * refused
    return wish.action is Action.SLOW_DOWN and _WORTH_ASKING_AGAIN * wanted <= refused


def _unanswered(wish: _Wish, proposal: Proposal) -> Decision:
    """Return what follows if nobody answers in time: as if by a yes, or asking again."""
    then = wish.case.policy.approval.unanswered
    why = reason(
        ReasonCode.PROPOSAL_UNANSWERED, question=proposal.question.question_id, then=then.value
    )
    if then is Fallback.PASS:
        return _granted(wish, proposal, why)
    return _ask(wish)


def _stop(case: Case, wished: Decision, why: Reason) -> Decision:
    """Return the abort in place of what was refused; nothing else of that is left."""
    decision = _settled(case, wished)
    return replace(
        decision,
        verdict=Verdict.ABORT,
        reasons=(why, *decision.reasons),
        settings=JobSettings(),
        tripwires=Tripwires(),
        awaits=Awaits.STOP,
        ending=None,
        gate=None,
        asked=(),
        forces=case.policy.on_abort.force,
        cancels_stragglers=False,
        starts_guarding=False,
    )


def _withheld(wish: _Wish, decision: Decision, why: tuple[Reason, ...]) -> Decision:
    """Return what may be done without the yes."""
    case, action = wish.case, wish.action
    withheld = Withheld(action, wish.authority, decision.settings)
    note = reason(ReasonCode.WITHHELD, action=action.value, authority=wish.authority.value)
    settings = JobSettings()
    if action is Action.SPEED_UP and case.policy.authority.slow_down is Authority.AUTO:
        # The fence behind the rate that stands has to fit all the same; growth by AWS itself that
        # somebody gave the job would be gone with a rate.
        settings = replace(
            wish.settings_at(case.standing.rate_per_minute), rollout=case.standing.rollout
        )
    if action in (Action.ABORT, Action.ROLL_BACK, Action.COMPLETE):
        return _meanwhile(wish, decision, withheld, (*why, note))
    return replace(
        decision,
        reasons=(*why, note, *decision.reasons),
        settings=settings,
        withheld=withheld,
        awaits=_awaits(wish, decision),
    )


def _meanwhile(
    wish: _Wish, decision: Decision, withheld: Withheld, why: tuple[Reason, ...]
) -> Decision:
    """Return what is done while stopping, completing or rolling back waits for a yes."""
    case, slow_down = wish.case, wish.case.policy.authority.slow_down
    known = decision.course
    # Nothing of what is withheld has begun.
    course = replace(case.passage.course, proposal=known.proposal, agreement=known.agreement)
    instead = replace(wish.instead, course=course)
    may_slow = slow_down is Authority.AUTO or any(
        each.kind is HoldKind.OPERATOR for each in case.holds
    )
    if instead.settings.rate_per_minute > case.standing.rate_per_minute or not may_slow:
        instead = replace(instead, settings=JobSettings())
    return replace(
        instead,
        reasons=(*why, *decision.reasons, *instead.reasons),
        withheld=withheld,
        asked=(*instead.asked, *decision.asked),
        awaits=_awaits(wish, instead),
        attention=instead.attention or _attention(wish, decision),
    )


def _attention(wish: _Wish, decision: Decision) -> Attention | None:
    if wish.action is not Action.ABORT:
        return None
    return Attention(
        subject=f"withheld {wish.action.value}",
        problem=f"the release should be stopped, but that is withheld: {decision.summary}",
        remedy="Approve the proposal, or abort the rollout.",
    )


def _awaits(wish: _Wish, decision: Decision) -> Awaits:
    proposal = decision.course.proposal
    is_open = proposal is not None and not proposal.is_refused
    waits = is_open and wish.authority is Authority.APPROVE
    return Awaits.APPROVAL if waits else decision.awaits


def _settled(case: Case, decision: Decision) -> Decision:
    """Return the decision without the proposal, if there is one, which counts as what it became."""
    course, proposal = decision.course, decision.course.proposal
    if proposal is None:
        return decision
    agreement = course.agreement
    if not proposal.is_refused:
        became = _became(case, proposal)
        agreement = replace(agreement, **{became: getattr(agreement, became) + 1})
    return replace(decision, course=replace(course, proposal=None, agreement=agreement))


def _became(case: Case, proposal: Proposal) -> str:
    """Return what became of a proposal: an answer counts even if it is overtaken by events."""
    answer = case.situation.answer_to(proposal.question)
    if answer is not None:
        return "approved" if answer.yes else "refused"
    due_at = proposal.question.due_at
    return "withdrawn" if due_at is None or case.now < due_at else "unanswered"
