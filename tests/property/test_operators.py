"""Laws of gates, holds, authority and endings, for any policy and in any situation."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import (
    HOLD,
    operated_policies,
    operated_situations,
    what_follows,
)
from tidegate.domain.course import About, Course
from tidegate.domain.decision import Awaits, Decision, Verdict
from tidegate.domain.jobs import JobStatus
from tidegate.domain.label import own_description
from tidegate.domain.policy import Action, Authorities, Authority, Policy
from tidegate.domain.reasons import ReasonCode
from tidegate.domain.review import review
from tidegate.domain.settings import JobSettings, refusals
from tidegate.domain.situation import Situation

#: Reviews that follow each other.
REVIEWS_MAX = 4

seconds = st.sampled_from([1.0, 60.0, 3600.0, 100_000.0])


def standing(situation: Situation) -> JobSettings:
    """Return the settings in force."""
    return situation.job.settings if situation.job else JobSettings()


def raises(decision: Decision, situation: Situation) -> bool:
    """Return whether a decision raises the rate."""
    rate = decision.settings.rollout
    return rate is not None and (rate.maximum_per_minute > standing(situation).rate_per_minute)


def reviews(
    data: st.DataObject, policy: Policy, situation: Situation
) -> list[tuple[Situation, Decision]]:
    """Return reviews that follow each other, while people answer, resume or say nothing."""
    now, seen = 0.0, []
    for _ in range(data.draw(st.integers(1, REVIEWS_MAX))):
        now += data.draw(seconds)
        decision = review(policy, situation, now)
        seen.append((situation, decision))
        situation = data.draw(what_follows(decision, situation))
    return seen


@given(operated_policies(), operated_situations(), st.data())
def test_who_may_only_observe_touches_nothing_that_nobody_asked_for(
    policy: Policy, situation: Situation, data: st.DataObject
) -> None:
    """No settings, no abort, no rollback and no end of stragglers, review after review."""
    everything = Authorities(**{action.value: Authority.OBSERVE for action in Action})
    watched = replace(policy, authority=everything)
    unasked = replace(situation, holds=(), abort_request=None, aborting=False)

    for _, decision in reviews(data, watched, unasked):
        if decision.verdict is Verdict.ABORT:
            # Somebody said no at a gate; from then on, it is being stopped.
            assert codes(decision) & {ReasonCode.GATE_REFUSED, ReasonCode.ABORT_IN_PROGRESS}
        assert not decision.settings
        assert decision.verdict is not Verdict.ROLL_BACK
        assert not decision.cancels_stragglers
        assert decision.course.proposal is None


def codes(decision: Decision) -> set[ReasonCode]:
    """Return what a decision rests on."""
    return {each.code for each in decision.reasons}


@given(operated_policies(), operated_situations(), st.data())
def test_nothing_raises_the_rate_under_a_hold_or_at_a_gate(
    policy: Policy, situation: Situation, data: st.DataObject
) -> None:
    """Whatever people answer, and however much the evidence allows."""
    for before, decision in reviews(data, policy, situation):
        if decision.holds or decision.verdict in {Verdict.GATE, Verdict.HOLD}:
            assert not raises(decision, before)
        if decision.verdict is Verdict.PROCEED:
            assert not decision.holds
            assert decision.gate is None


@given(operated_policies(), operated_situations())
def test_exposure_never_passes_a_gate_that_did_not_agree(
    policy: Policy, situation: Situation
) -> None:
    """Whatever the evidence allows: all batches before the next review end at the next gate."""
    decision = review(policy, situation, 60.0)
    job = situation.job
    if decision.verdict is not Verdict.PROCEED or job is None or not job.is_concurrent:
        return
    ahead = [
        gate.devices(situation.fleet_size)
        for gate in policy.gates
        if gate.name not in decision.course.gates_passed
    ]
    if decision.settings.rate_per_minute > 1 and raises(decision, situation) and ahead:
        batches = int(situation.review_minutes) + (situation.review_minutes % 1 > 0)
        exposed = decision.evidence.exposed + batches * decision.settings.rate_per_minute
        assert situation.course.is_guarding or exposed <= min(ahead)


@given(operated_policies(), operated_situations(), st.data())
def test_every_question_is_told_once_and_can_be_answered(
    policy: Policy, situation: Situation, data: st.DataObject
) -> None:
    """What is pending was asked by a decision, its ids are unique, and what ended asks nothing."""
    known: set[tuple[str, float]] = set()
    for _, decision in reviews(data, policy, situation):
        asked = [(each.question_id, each.asked_at) for each in decision.asked]
        pending = [(each.question_id, each.asked_at) for each in decision.course.pending]
        assert not known & set(asked)
        if decision.verdict is Verdict.ABORT:
            return
        known |= set(asked)
        assert set(pending) <= known
        assert set(asked) <= set(pending)
        assert len({question_id for question_id, _ in pending}) == len(pending)
        if decision.ending is not None:
            assert not pending


@given(operated_policies(), operated_situations(), st.data())
def test_a_yes_is_never_presumed(policy: Policy, situation: Situation, data: st.DataObject) -> None:
    """What needs an approval is done after a yes, or a silence that the policy takes for one."""
    actions = {
        Verdict.ABORT: Action.ABORT,
        Verdict.ROLL_BACK: Action.ROLL_BACK,
        Verdict.COMPLETE: Action.COMPLETE,
    }
    unasked = replace(situation, holds=(), abort_request=None, aborting=False)
    done: set[Action] = set()
    for before, decision in reviews(data, policy, unasked):
        action = Action.SPEED_UP if raises(decision, before) else actions.get(decision.verdict)
        if action is Action.COMPLETE and not decision.cancels_stragglers:
            continue
        if action is None or policy.authority.over(action) is Authority.AUTO or action in done:
            continue
        if action in {Action.ABORT, Action.ROLL_BACK}:
            done.add(action)
        assert codes(decision) & {
            ReasonCode.PROPOSAL_APPROVED,
            ReasonCode.PROPOSAL_UNANSWERED,
            ReasonCode.PROPOSAL_REFUSED,
            ReasonCode.GATE_REFUSED,
        }


@given(operated_policies(), operated_situations(), st.data())
def test_a_decision_says_what_it_waits_for(
    policy: Policy, situation: Situation, data: st.DataObject
) -> None:
    """The workflow's wait is that of the verdict, and an approval is awaited where one is open."""
    at_gates = {Awaits.BAKE, Awaits.ANSWER, Awaits.APPROVAL}
    for _, decision in reviews(data, policy, situation):
        open_ones = {each.about for each in decision.course.pending}
        if decision.verdict is Verdict.ABORT:
            assert decision.awaits is Awaits.STOP
        elif decision.verdict is Verdict.GATE:
            assert decision.gate is not None
            assert decision.awaits in at_gates
        elif decision.awaits in at_gates:
            assert decision.awaits is Awaits.APPROVAL
            assert About.DECISION in open_ones
        if decision.awaits is Awaits.RELEASE:
            assert decision.holds


@given(operated_policies(), operated_situations())
def test_an_operators_hold_is_heeded_under_any_authority(
    policy: Policy, situation: Situation
) -> None:
    """A job that runs goes at the lowest rate, or not at all."""
    decision = review(policy, replace(situation, holds=(HOLD,)), 60.0)
    job = situation.job
    if job is None or job.status is not JobStatus.IN_PROGRESS or decision.verdict is Verdict.ABORT:
        return

    assert decision.verdict is Verdict.HOLD
    in_force = decision.settings.rollout or job.settings.rollout
    assert in_force is not None
    assert in_force.maximum_per_minute == 1


@given(operated_policies(), operated_situations(), st.data())
def test_every_proposal_comes_to_one_thing_and_is_kept_until_then(
    policy: Policy, situation: Situation, data: st.DataObject
) -> None:
    """
    It is approved, refused, unanswered, withdrawn, or waits still: the figures add up.

    What is handed on, course and decision, is plain JSON and the same after it.
    """
    for _, decision in reviews(data, policy, situation):
        counted, proposal = decision.course.agreement, decision.course.proposal
        settled = counted.approved + counted.refused + counted.unanswered + counted.withdrawn
        waits = proposal is not None and not proposal.is_refused
        course = json.loads(json.dumps(decision.course.to_document(), allow_nan=False))
        stored = json.loads(json.dumps(decision.to_document(), allow_nan=False))

        assert counted.proposed == settled + waits
        assert Course.from_document(course) == decision.course
        assert Decision.from_document(stored) == decision


@given(operated_policies(), operated_situations(), st.data())
def test_aws_takes_whatever_is_decided_and_keeps_what_its_owner_wrote(
    policy: Policy, situation: Situation, data: st.DataObject
) -> None:
    """Settings are within its limits and only of a job that runs; the description stays in them."""
    own = own_description(standing(situation).description or "")
    for before, decision in reviews(data, policy, situation):
        assert refusals(decision.settings, standing(before)) == ()
        assert decision.wait_seconds >= 1
        assert decision.summary
        assert "\n" not in decision.summary
        if before.job is None or before.job.status is not JobStatus.IN_PROGRESS:
            assert not decision.settings
        if decision.settings.description is not None:
            # The policy's comes in its place, but not with a raise that is withheld.
            known = (policy.job.description or own, own)
            assert own_description(decision.settings.description) in known
