"""
The label: what AWS's own console shows of a rollout, in the description of its job.

It says what the rollout does and for what it waits, and no figures: it changes when that does,
not at each review.
"""

import unicodedata

from tidegate.domain.case import Case, all_notified
from tidegate.domain.decision import Verdict
from tidegate.domain.policy import Policy
from tidegate.domain.reasons import Reason
from tidegate.domain.rollout import Hold
from tidegate.domain.settings import TEXT_LENGTH_MAX

#: What divides the description that the job's owner gave from Tidegate's label.
MARK = "Tidegate: "
_BETWEEN = " | "

#: Characters of one label, and holds that it names.
_LABEL_LENGTH_MAX = 400
#: With less room than this behind the owner's own description, there is no label.
_LABEL_LENGTH_MIN = 40
_HOLDS_NAMED_MAX = 3
_AT_END = "rollout completed, stragglers go on without it"


def labelled(case: Case, verdict: Verdict, why: Reason) -> str:
    """Return the job's description with the label behind it."""
    own = case.policy.job.description or own_description(case.standing.description or "")
    return _joined(own, _label(case, verdict, why))


def labelled_at_end(description: str | None) -> str | None:
    """
    Return the description of a job that goes on without Tidegate; None where no label is in it.

    Where Tidegate only observed, it never wrote one, and writes none in the end.
    """
    own = own_description(description or "")
    return None if own == (description or "") else _joined(own, _AT_END)


def labelled_at_launch(policy: Policy, description: str | None = None) -> str:
    """Return the description, or the policy's, with the label that a new job gets."""
    return _joined(policy.job.description or description or "", _rolling_out(policy))


def _joined(own: str, text: str) -> str:
    room = TEXT_LENGTH_MAX - len(own) - len(_BETWEEN)
    if own and room < _LABEL_LENGTH_MIN:
        return own
    label = (MARK + _undivided(text))[: min(_LABEL_LENGTH_MAX, room)]
    return f"{own}{_BETWEEN}{label}" if own else label


def _rolling_out(policy: Policy) -> str:
    return f"rolling out under policy {policy.name}"


def own_description(description: str) -> str:
    """Return a description without the label."""
    own, is_labelled, _ = description.rpartition(_BETWEEN + MARK)
    if is_labelled:
        return own
    return "" if description.startswith(MARK) else description


def _label(case: Case, verdict: Verdict, why: Reason) -> str:
    if verdict is Verdict.GATE and case.passage.at is not None:
        at = case.passage.at
        return f"at gate {at.name}, waiting for {', '.join(at.waits_for)}"
    if verdict is Verdict.HOLD:
        return _held(case.holds, why)
    if case.passage.course.is_guarding:
        return "initial rollout done, guarding devices that join late"
    if all_notified(case):
        return "all devices notified, waiting for outcomes"
    return _rolling_out(case.policy)


def _held(holds: tuple[Hold, ...], why: Reason) -> str:
    if not holds:
        return f"held by the evidence ({why.code.value})"
    named = [f"{each.kind.value} {each.by}: {each.reason}" for each in holds[:_HOLDS_NAMED_MAX]]
    return f"held by {'; '.join(named)}"


def _undivided(text: str) -> str:
    """Return the text without what AWS refuses in a description, and what divides it."""
    printable = (each for each in text if not unicodedata.category(each).startswith("C"))
    return "".join(printable).replace(_BETWEEN.strip(), "/")
