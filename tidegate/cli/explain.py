"""``tidegate explain``: why a rollout is where it is, or was, at any of its decisions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from tidegate.cli.account import (
    Access,
    Account,
    AsJson,
    CreatedAt,
    JobId,
    opened,
)
from tidegate.cli.documents import glance_document
from tidegate.cli.exits import ExitStatus, Failed
from tidegate.cli.options import spread
from tidegate.cli.output import Screen
from tidegate.cli.status import glance_of, title_of
from tidegate.cli.wording import choices, settings_lines, waits_for
from tidegate.console.plain import plain
from tidegate.console.view import POINTS_MAX, Glance
from tidegate.console.worded import figure, share, when
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.settings import JobSettings
from tidegate.errors import NotFound


@dataclass(frozen=True, slots=True)
class Explained:
    """
    A decision and what came of it.

    Attributes:
        decision: The one that is asked about.
        applied: What applying it came to; None if it was not applied.
        cause: The decision that stopped the rollout, where that is another one.
    """

    decision: Decision
    applied: Mapping[str, Any] | None
    cause: Decision | None


@spread
def command(
    context: typer.Context,
    job_id: JobId,
    *,
    revision: Annotated[
        int | None,
        typer.Option(
            "--revision",
            min=1,
            metavar="NUMBER",
            help="Number of a decision; `tidegate history` lists them.",
            show_default="the last",
        ),
    ] = None,
    created_at: CreatedAt = None,
    as_json: AsJson = False,
    access: Access,
) -> None:
    """
    Explain why a rollout is where it is, or was.

    Tells of the last decision, or that of --revision: its reasons, what it changed, and what you
    can do now.
    """
    screen = Screen(as_json=as_json)
    with opened(context, access) as account:
        glance = glance_of(account, job_id, created_at)
        explained = _explained(account, glance, revision)
    if as_json:
        screen.document(_document(glance, explained))
    elif explained is None:
        screen.line(f"{job_id} is not reviewed yet: there is nothing to explain")
    else:
        _show(screen, glance, explained)


def _explained(account: Account, glance: Glance, revision: int | None) -> Explained | None:
    rollout = glance.rollout
    if revision is None and glance.last is None:
        return None
    number = revision or rollout.revision
    try:
        entry = account.ledger.entry(rollout.key, number)
    except NotFound as error:
        message = f"{rollout.key.job_id} has no decision {number}: its last is {rollout.revision}"
        raise Failed(message, ExitStatus.NOT_FOUND) from error
    return Explained(entry.decision, entry.applied, _cause(account, glance, entry.decision))


def _cause(account: Account, glance: Glance, decision: Decision) -> Decision | None:
    """Return the decision that stopped the rollout before this one; None if none did."""
    if not glance.rollout.aborting:
        return None
    key = glance.rollout.key
    # A rollback goes on for long: of what came before it, figures are read, and one decision.
    points = account.ledger.points(key, limit=POINTS_MAX)
    first = next((each.revision for each in points if each.verdict is Verdict.ABORT), None)
    if first is None or first >= decision.revision:
        return None
    return account.ledger.decision(key, first)


def _document(glance: Glance, explained: Explained | None) -> dict[str, Any]:
    decision, applied, cause = None, None, None
    if explained is not None:
        decision, applied, cause = explained.decision, explained.applied, explained.cause
    return {
        "rollout": glance_document(glance),
        "decision": None if decision is None else plain(_decision_document(decision)),
        "applied": None if applied is None else plain(applied),
        "stopped_by": None if cause is None else plain(_decision_document(cause)),
        "choices": [{"what": what, "command": typed} for what, typed in choices(glance)],
    }


def _decision_document(decision: Decision) -> dict[str, Any]:
    return {**decision.to_document(), "summary": decision.summary}


# for people


def _show(screen: Screen, glance: Glance, explained: Explained) -> None:
    decision = explained.decision
    is_last = decision.revision == glance.rollout.revision
    screen.line(title_of(glance))
    which = "its last" if is_last else f"of {glance.rollout.revision}"
    screen.line(
        f"decision {decision.revision} ({which}), {when(decision.at)}: {decision.verdict.value}"
    )
    if explained.cause is not None:
        _cause_shown(screen, explained.cause)
    screen.heading("Why")
    screen.items([each.text for each in decision.reasons])
    _evidence_shown(screen, glance, decision)
    _settings_shown(screen, explained)
    if is_last and glance.rollout.ending is None:
        screen.heading("What wakes it")
        screen.items(list(_wakes(glance, decision)))
        _choices_shown(screen, glance)


def _cause_shown(screen: Screen, cause: Decision) -> None:
    screen.heading(f"What stopped it: decision {cause.revision}, {when(cause.at)}")
    screen.items([each.text for each in cause.reasons])


def _evidence_shown(screen: Screen, glance: Glance, decision: Decision) -> None:
    evidence, harm = decision.evidence, glance.rollout.policy.harm
    screen.heading("Evidence against limits")
    screen.facts(
        {
            "devices": f"{evidence.exposed:,} exposed, {evidence.started:,} started, "
            f"{evidence.succeeded:,} succeeded, {evidence.harmed:,} harmed, "
            f"{evidence.in_flight:,} in flight",
            "evidence": f"{figure(evidence.log_e)}, stops the release at "
            f"{figure(evidence.abort_at)} (tolerated {share(harm.tolerated_rate)})",
            "failure rate": f"at most {share(evidence.upper_bound)}, acceptable "
            f"{share(harm.acceptable_rate)}",
            "doubt": share(evidence.doubt) if evidence.doubt else "",
            "late starters": f"{evidence.late_harmed:,} of {evidence.late_started:,} harmed"
            if evidence.late_started
            else "",
        }
    )
    if decision.suspects:
        screen.heading("Suspect cohorts")
        screen.items(
            [
                f"{each.cohort}: {each.harmed} of {each.started} harmed; {each.remedy.value}"
                for each in decision.suspects
            ]
        )


def _settings_shown(screen: Screen, explained: Explained) -> None:
    decision, applied = explained.decision, explained.applied
    screen.heading("Settings of the job")
    rows = list(_changes(decision.replaces, decision.settings))
    if rows:
        screen.table(("setting", "before", "after"), rows)
    else:
        screen.items(["nothing changes"])
    if decision.withheld is not None:
        withheld = decision.withheld
        screen.items(
            [f"not done: {withheld.action.value}, as its authority is {withheld.authority.value}"]
        )
    screen.items([_sent(applied)])


def _sent(applied: Mapping[str, Any] | None) -> str:
    if applied is None:
        return "not applied yet, or overtaken by the next decision"
    sent = ", ".join(applied.get("sent") or {}) or "nothing"
    problem = applied.get("problem")
    return f"sent to AWS: {sent}" + (f"; {problem}: {applied.get('remedy')}" if problem else "")


def _changes(before: JobSettings, after: JobSettings) -> Iterator[tuple[str, str, str]]:
    """Yield settings that differ, as they were and as they are to be."""
    wanted = settings_lines(before.changes_to(after))
    present = settings_lines(before)
    for name, value in wanted.items():
        if present.get(name) != value:
            yield name, present.get(name, "not set"), value


def _wakes(glance: Glance, decision: Decision) -> Iterator[str]:
    """Yield what brings the next review."""
    yield f"time: a review is due by {when(decision.review_by)}"
    trips = decision.tripwires
    if trips.harmed is not None:
        yield f"harm: {trips.harmed:,} harmed devices, {decision.evidence.harmed:,} by now"
    if trips.succeeded is not None:
        by_now = decision.evidence.succeeded
        yield f"success: {trips.succeeded:,} succeeded devices, {by_now:,} by now"
    if waiting := waits_for(glance):
        yield f"what it waits for: {waiting}"
    if choices(glance):
        yield "people: any command below"


def _choices_shown(screen: Screen, glance: Glance) -> None:
    found = choices(glance)
    if not found:
        return
    screen.heading("What you can do")
    screen.facts(dict(found))
