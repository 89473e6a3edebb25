"""
Oversights: what a policy asks for in vain, of which people are told once.

Where several are found, those of one remedy are told together. Nothing is told of a release that is
stopped, nor before alarms can be read.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from tidegate.domain.case import Case, all_notified
from tidegate.domain.decision import Attention, Decision, Verdict
from tidegate.domain.gates import overrun
from tidegate.domain.reasons import Reason, ReasonCode, reason

OVERRUN_REMEDY = (
    "Nobody is left to be held: look yourself at what the gate was to watch or to ask, and abort "
    "the rollout if that is bad. AWS has no pause, and notifies one device a minute while a gate "
    "waits: one at fewer devices holds for longer."
)
MISSING_REMEDY = (
    "Create the alarm in CloudWatch, in this account and region and under that very name, or "
    "adjust the policy."
)

_STOPPED = (Verdict.ABORT, Verdict.ENDED, Verdict.ROLL_BACK)


def with_oversights(case: Case, decision: Decision) -> Decision:
    """Return the decision with what is asked for in vain, once nothing else is to be told."""
    if decision.verdict in _STOPPED or "alarms" in case.situation.standing.unreadable:
        return decision
    lost, missing = _overrun(case), _missing(case)
    told = tuple(each for each in decision.course.told if each in lost or each in missing)
    decision = replace(decision, course=replace(decision.course, told=told))
    if decision.attention is not None:
        return decision
    if new := [each for each in lost if each not in told]:
        decision = _telling(decision, new, [lost[each].text for each in new], OVERRUN_REMEDY)
        return replace(decision, reasons=(*decision.reasons, *(lost[each] for each in new)))
    new = [each for each in missing if each not in told]
    return _telling(decision, new, [missing[each] for each in new], MISSING_REMEDY)


def _telling(decision: Decision, new: list[str], problems: list[str], remedy: str) -> Decision:
    if not new:
        return decision
    return replace(
        decision,
        attention=Attention(", ".join(new), "; ".join(problems), remedy),
        course=replace(decision.course, told=(*decision.course.told, *new)),
    )


def _overrun(case: Case) -> Mapping[str, Reason]:
    """Return why gates hold nobody any more, those that late joiners come to not among them."""
    course, exposed = case.passage.course, case.evidence.exposed
    if course.is_guarding or not all_notified(case):
        return {}
    return {
        f"gate {name} overrun": reason(
            ReasonCode.GATE_OVERRUN, gate=name, after=after, exposed=exposed
        )
        for name, after in overrun(case.policy, case.situation, course, exposed).items()
    }


def _missing(case: Case) -> Mapping[str, str]:
    """Return which alarms hold it, or will, because they do not exist."""
    policy, course = case.policy, case.passage.course
    asked_by = defaultdict[str, list[str]](list)
    if policy.freeze.missing_data_holds:
        for name in policy.freeze.alarms:
            asked_by[name].append("freeze")
    if not course.is_guarding and not all_notified(case):
        for gate in policy.gates:
            for name in gate.alarms if gate.name not in course.gates_passed else ():
                asked_by[name].append(f"gate {gate.name}")
    return {
        f"alarm {name} missing": f"alarm {name} does not exist, so {' and '.join(by)} of policy "
        f"{policy.name} will not let the rollout go on"
        for name, by in asked_by.items()
        if name not in case.situation.standing.alarms
    }
