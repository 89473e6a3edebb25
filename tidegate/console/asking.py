"""What the page's forms ask for: one command each, checked as the bus will check it."""

from collections.abc import Mapping
from typing import Any

from tidegate.documents.commands import CommandError, parse_command
from tidegate.documents.detail_types import (
    ABORT_ROLLOUT,
    APPROVE_DECISION,
    APPROVE_GATE,
    HOLD_ROLLOUT,
    OPERATOR_SOURCE,
    REJECT_DECISION,
    REJECT_GATE,
    RELEASE_COHORT,
    RESUME_ROLLOUT,
)
from tidegate.documents.shapes import VERSION
from tidegate.domain.course import About
from tidegate.ports import BusEvent

#: What a form's button is called, and the command that it stands for.
_WITH_REASON = {
    "hold": HOLD_ROLLOUT,
    "resume": RESUME_ROLLOUT,
    "abort": ABORT_ROLLOUT,
    "release": RELEASE_COHORT,
}
_ANSWERS = {
    ("approve", True): APPROVE_GATE,
    ("reject", True): REJECT_GATE,
    ("approve", False): APPROVE_DECISION,
    ("reject", False): REJECT_DECISION,
}

#: All commands that forms ask for.
KINDS = frozenset({*_WITH_REASON.values(), *_ANSWERS.values()})

#: The member that says that somebody really means it, where nothing brings it back.
SURE = "sure"

#: What a form is sent with: enough for the longest reason in any script.
FORM_BYTES_MAX = 16_384


def asked_for(job_id: str, form: Mapping[str, str]) -> BusEvent:
    """
    Return the command that a form asks for.

    Args:
        job_id: Of the rollout that the form stands beside.
        form: Its fields: ``command``, ``by``, ``text``, and what the command needs besides.

    Raises:
        CommandError: It is faulty; every fault is in the message.
    """
    kind, detail = _kind_and_detail(form)
    detail = {"version": VERSION, "jobId": job_id, **detail}
    parse_command({"source": OPERATOR_SOURCE, "detail-type": kind, "detail": detail})
    return BusEvent(kind, detail, source=OPERATOR_SOURCE)


def _kind_and_detail(form: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    command, by, text = (form.get(name, "").strip() for name in ("command", "by", "text"))
    if command in ("approve", "reject"):
        about_gate = form.get("about", "") != About.DECISION.value
        answer = {"correlationId": form.get("question", ""), "by": by, "comment": text}
        return _ANSWERS[command, about_gate], answer
    if command not in _WITH_REASON:
        message = f"the form asks for {command[:40]!r}, which is no command"
        raise CommandError(message, "Load the page again.")
    if command == "abort" and form.get(SURE) != "yes":
        message = "Abort Rollout: nobody confirmed that it is to be stopped for good"
        raise CommandError(message, "Tick the box beside the button and send it again.")
    detail = {"by": by, "reason": text}
    if command == "release":
        detail["cohort"] = form.get("cohort", "")
    return _WITH_REASON[command], detail
