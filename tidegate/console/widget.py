"""
The widget: rollouts on a CloudWatch dashboard, as HTML that CloudWatch calls a Lambda for.

CloudWatch takes scripts out of it and lets nothing be loaded, so it is one piece of HTML with its
own style. What a click does, an element ``cwdb-action`` says; see
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_about.html
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from tidegate.console import pictures
from tidegate.console.figures import told
from tidegate.console.view import Detail, Glance, created_of, detail, glances, waiting
from tidegate.console.widget_style import STYLE
from tidegate.console.worded import (
    NOTHING,
    State,
    awaited,
    devices,
    failure,
    share,
    standing,
    state_of,
    when,
)
from tidegate.documents.links import Consoles
from tidegate.documents.shapes import JOB_ID, shown
from tidegate.domain.decision import Awaits, Decision, Verdict
from tidegate.domain.turn import Turn
from tidegate.errors import Refused, TidegateError
from tidegate.ports import Ledger, Records

#: Rollouts in the list unless the parameter ``limit`` says otherwise, and at most.
ROWS = 50
ROWS_MAX = 500

#: Launches that wait for their turn, above the list.
WAITING_SHOWN = 10

#: On the page of one rollout.
REASONS_MAX = 8
DECISIONS_SHOWN = 12
FAILURES_SHOWN = 5
TEXT_LENGTH_MAX = 400

#: Pixels below which the list leaves out what is nice to know.
NARROW_PIXELS = 640
WIDTH_PIXELS = 900
WIDTH_PIXELS_RANGE = (200, 4000)
#: Around what is shown, and between two pictures.
MARGIN_PIXELS = 20

#: Share of the harm budget above which it is said that little is left.
BUDGET_SHORT = 0.75

DOCUMENTATION = """\
## Rollouts of Tidegate

Shows how rollouts stand: all of them, or one with its evidence, decisions and open questions.
It only reads the ledger; nothing is steered from here.

### Parameters

| name | |
| --- | --- |
| **job** | id of an AWS IoT job: shows its newest rollout; all rollouts without it |
| **created** | with **job**: when it was created, in epoch seconds; for an older rollout |
| **limit** | lines of the list, 1 to 500; 50 without it |

### Example

```yaml
job: firmware-2-4
```
"""

#: Waits that end with somebody's yes or no.
_ASKS = (Awaits.ANSWER, Awaits.APPROVAL)


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where the widget is shown.

    Attributes:
        function_arn: The Lambda's own, which a click calls again.
        decision_logs: The log group that decisions are in; empty if that is not known.
        theme: ``light`` or ``dark``.
        width: Of the widget, in pixels.
    """

    function_arn: str
    decision_logs: str = ""
    theme: str = "light"
    width: int = WIDTH_PIXELS
    consoles: Consoles = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "consoles", Consoles.of_arn(self.function_arn))

    @property
    def is_narrow(self) -> bool:
        """Whether there is room for the most important only."""
        return self.width < NARROW_PIXELS


def answer(
    event: Mapping[str, Any],
    *,
    ledger: Ledger,
    records: Records,
    function_arn: str,
    decision_logs: str = "",
) -> str:
    """
    Return what the dashboard shows for a call: HTML, or Markdown where it asks what there is.

    What goes wrong is shown too: a widget that fails tells its viewer nothing.

    Args:
        event: The widget's parameters, with CloudWatch's ``widgetContext`` among them.
        ledger: Where one rollout is read.
        records: Where all of them are.
        function_arn: The Lambda's own.
        decision_logs: The log group that decisions are in.
    """
    if event.get("describe"):
        return DOCUMENTATION
    place = _place(event.get("widgetContext"), function_arn, decision_logs)
    try:
        body = _body(event, place, ledger=ledger, records=records)
    except TidegateError as error:
        body = _trouble(str(error), place)
    return _framed(body, place)


def _body(event: Mapping[str, Any], place: Place, *, ledger: Ledger, records: Records) -> str:
    job_id = event.get("job")
    if job_id in (None, ""):
        limit = _limit(event.get("limit"))
        return _waiting(waiting(records)) + _list(glances(records), place, limit)
    if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
        message = f"the parameter job is {shown(job_id)}, which is no id of a job: correct it"
        raise Refused(message)
    seen = detail(job_id, ledger=ledger, records=records, created_at=_created(event))
    return _page(seen, place)


def _created(event: Mapping[str, Any]) -> int | None:
    """Return when the job was created whose rollout is asked for; None: the newest."""
    given = event.get("created")
    return None if given in (None, "") else created_of(str(given))


def _limit(given: object) -> int:
    """Return how many lines the list has; raises Refused."""
    if given in (None, ""):
        return ROWS
    text = str(given)
    if not text.isdecimal() or len(text) > len(str(ROWS_MAX)) or not 1 <= int(text) <= ROWS_MAX:
        message = f"the parameter limit is {shown(given)}: give a number from 1 to {ROWS_MAX}"
        raise Refused(message)
    return int(text)


# what CloudWatch tells of the place


def _place(context: object, function_arn: str, decision_logs: str) -> Place:
    """Read the widget's context, of which any part may be missing or another than expected."""
    given = context if isinstance(context, Mapping) else {}
    return Place(
        function_arn=function_arn,
        decision_logs=decision_logs,
        theme="dark" if given.get("theme") == "dark" else "light",
        width=_width(given.get("width")),
    )


def _width(told: object) -> int:
    if isinstance(told, bool) or not isinstance(told, int | float) or not math.isfinite(told):
        return WIDTH_PIXELS
    least, most = WIDTH_PIXELS_RANGE
    return int(min(max(told, least), most))


# all rollouts


def _list(found: Sequence[Glance], place: Place, limit: int) -> str:
    if not found:
        return _box(
            "Nothing is being rolled out",
            "Start one with the command Launch Rollout on the bus, or have Enroll Job steer a job "
            "that exists.",
        )
    ranked = sorted(found, key=_urgency)
    rows = "".join(_row(each, place) for each in ranked[:limit])
    heads = ["Job", "State", "Exposed", "Harm budget used", "Rate", "Why"]
    columns = "".join(f'<th scope="col">{head}</th>' for head in _kept(heads, place))
    left = len(ranked) - limit
    more = f"<p>{left:,} more: raise the parameter limit.</p>" if left > 0 else ""
    return (
        f"<p>{_summary(ranked)}</p>"
        f"<table><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table>{more}"
    )


def _waiting(turns: Sequence[Turn]) -> str:
    """Return which launches wait for their turn, and for whom."""
    if not turns:
        return ""
    lines = "".join(
        f"<li><strong>{_cut(each.job_id)}</strong> lets {_cut(', '.join(each.behind))} finish "
        f"first, since {_time(each.since)}</li>"
        for each in turns[:WAITING_SHOWN]
    )
    left = len(turns) - WAITING_SHOWN
    more = f"{left:,} more wait. " if left > 0 else ""
    return (
        f"<h3>{len(turns):,} waiting to be launched</h3><ul>{lines}</ul>"
        f"<p>{more}Each begins by itself; the command Abort Rollout gives it up.</p>"
    )


def _urgency(glance: Glance) -> tuple[int, float]:
    """Order rollouts: first those that wait for somebody, last those that ended."""
    if glance.rollout.ending is not None:
        return 3, -(glance.rollout.ended_at or 0.0)
    if _needs_people(glance):
        return 0, glance.rollout.enrolled_at
    return (1 if glance.state == Verdict.HOLD else 2), glance.rollout.enrolled_at


def _needs_people(glance: Glance) -> bool:
    last = glance.last
    if last is None or glance.rollout.ending is not None:
        return False
    return last.attention is not None or last.awaits in _ASKS


def _summary(ranked: Sequence[Glance]) -> str:
    going = [each for each in ranked if each.rollout.ending is None]
    held = sum(each.state == Verdict.HOLD for each in going)
    asking = sum(map(_needs_people, going))
    parts = [f"{len(going):,} under way"]
    parts += [f"{held:,} held"] if held else []
    parts += [f"<strong>{asking:,} waiting for somebody</strong>"] if asking else []
    parts += [f"{len(ranked) - len(going):,} ended lately"]
    return ", ".join(parts)


def _row(glance: Glance, place: Place) -> str:
    cells = [
        _job_button(glance, place),
        _state(glance),
        _exposed(glance),
        _budget(glance),
        _rate(glance),
        _cut(glance.why),
    ]
    kept = _kept(cells, place)
    kind = ' class="ended"' if glance.rollout.ending is not None else ""
    first, *others = kept
    return (
        f'<tr{kind}><th scope="row">{first}</th>'
        + "".join(f"<td>{each}</td>" for each in others)
        + "</tr>"
    )


def _kept(cells: Sequence[str], place: Place) -> list[str]:
    """Return the cells of a line that there is room for: rate and reasons go first."""
    return list(cells[:4] if place.is_narrow else cells)


def _job_button(glance: Glance, place: Place) -> str:
    key = glance.rollout.key
    # A job's id can be used again: of those that ended, each leads to itself.
    created = "" if glance.rollout.ending is None else str(key.created_at)
    return _button(_cut(key.job_id), {"job": key.job_id, "created": created}, place)


def _button(label: str, parameters: Mapping[str, str], place: Place) -> str:
    """Return what calls the Lambda again on a click, in place of what is shown now."""
    # CloudWatch may read it as HTML or as text: without these characters both are the same.
    text = json.dumps(parameters).replace("<", r"\u003c").replace("&", r"\u0026")
    endpoint = escape(place.function_arn)
    return (
        f'<a class="link">{label}</a>'
        f'<cwdb-action action="call" display="widget" endpoint="{endpoint}">{text}</cwdb-action>'
    )


# one rollout


def _page(seen: Detail, place: Place) -> str:
    glance = seen.glance
    parts = [
        _head(glance, place),
        _figures(glance),
        _questions(glance),
        _reasons(glance),
        _pictures(seen, place),
        _decisions(seen),
        _failures(seen),
    ]
    return "".join(parts)


def _head(glance: Glance, place: Place) -> str:
    key, consoles = glance.rollout.key, place.consoles
    links = [
        _link(consoles.execution(glance.rollout.execution_arn), "workflow execution"),
        _link(consoles.job(key.job_id), "AWS IoT job"),
    ]
    if place.decision_logs:
        query = (
            "fields @timestamp, decision.revision, decision.verdict, decision.reasons.0.text\n"
            f'| filter message = "decided" and job_id = "{key.job_id}"\n'
            "| sort @timestamp desc"
        )
        links.append(_link(consoles.logs(place.decision_logs, query), "log of its decisions"))
    return (
        f"<p>{_button('← all rollouts', {'job': ''}, place)}</p>"
        f"<h2>{_cut(key.job_id)}</h2><p>{_state(glance)}: {_cut(glance.why)}</p>"
        f"<p>{' · '.join(links)}</p>"
    )


def _link(address: str, label: str) -> str:
    return f'<a href="{escape(address)}" target="_blank">{label}</a>'


def _figures(glance: Glance) -> str:
    rollout, last = glance.rollout, glance.last
    figures = {
        "Policy": _cut(rollout.policy.name),
        "Exposed": _exposed(glance),
        "Succeeded": devices(last.evidence.succeeded) if last else NOTHING,
        "Harmed": devices(last.evidence.harmed) if last else NOTHING,
        "Harm budget used": _budget(glance),
        "Rate": _rate(glance),
    }
    if last and rollout.ending is None:
        figures["Waits for"] = awaited(glance)
        figures["Next review by"] = _time(last.review_by)
    if rollout.ended_at is not None:
        figures["Ended"] = _time(rollout.ended_at)
    pairs = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in figures.items())
    return f"<dl>{pairs}</dl>"


def _questions(glance: Glance) -> str:
    if not glance.pending:
        return ""
    lines = "".join(
        f"<li><code>{_cut(each.question_id)}</code>: {_cut(each.subject)}</li>"
        for each in glance.pending
    )
    return (
        '<div class="box"><h3>? Waiting for somebody</h3>'
        f"<ul>{lines}</ul><p>Answer with the command Approve Gate, Reject Gate, Approve Decision "
        "or Reject Decision, under that correlation id.</p></div>"
    )


def _reasons(glance: Glance) -> str:
    last = glance.last
    if last is None:
        return ""
    others = last.reasons[1:REASONS_MAX]
    lines = "".join(f"<li>{_cut(each.text)}</li>" for each in others)
    attention = last.attention
    box = _box(attention.problem, attention.remedy) if attention else ""
    return box + (f"<h3>More reasons</h3><ul>{lines}</ul>" if lines else "")


def _pictures(seen: Detail, place: Place) -> str:
    """Return what is drawn of the rollout: side by side where there is room for two."""
    if not seen.points:
        return ""
    room = place.width - MARGIN_PIXELS
    width = room if place.is_narrow else (room - MARGIN_PIXELS) / 2
    drawn = "".join(svg for _, svg in pictures.drawn(seen, width=width))
    return f'<div class="pictures">{drawn}</div>'


def _decisions(seen: Detail) -> str:
    if not seen.decisions:
        return ""
    rows = "".join(
        _decision(each, seen.applied.get(each.revision, {}))
        for each in seen.decisions[:DECISIONS_SHOWN]
    )
    heads = "".join(
        f'<th scope="col">{head}</th>' for head in ("No.", "When", "Decision", "Applied", "Why")
    )
    return (
        "<h3>Last decisions</h3>"
        f'<table class="decisions"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _decision(decision: Decision, applied: Mapping[str, object]) -> str:
    outcome = str(applied.get("outcome", "not yet")).replace("_", " ")
    cells = (
        _time(decision.at),
        _sign(state_of(decision.verdict.value)),
        _cut(outcome),
        _cut(decision.summary),
    )
    others = "".join(f"<td>{each}</td>" for each in cells)
    return f'<tr><th scope="row">{decision.revision}</th>{others}</tr>'


def _failures(seen: Detail) -> str:
    if not seen.reasons:
        return ""
    lines = "".join(
        f"<li>{devices(each.devices)}: {_cut(failure(each))}</li>"
        for each in seen.reasons[:FAILURES_SHOWN]
    )
    return f"<h3>Why devices failed</h3><ul>{lines}</ul>"


# what both show


def _sign(state: State) -> str:
    return f'<span aria-hidden="true">{state.sign}</span> {escape(state.words)}'


def _state(glance: Glance) -> str:
    return f'<span class="state">{_sign(standing(glance))}</span>'


def _exposed(glance: Glance) -> str:
    exposed = glance.last.evidence.exposed if glance.last else 0
    fleet = glance.rollout.fleet_size
    if not fleet:
        return devices(exposed)
    return f"{devices(exposed)} of {devices(fleet)} ({share(min(1.0, exposed / fleet))})"


def _budget(glance: Glance) -> str:
    text = f"{devices(glance.harmed_beyond)} of {devices(glance.budget)}"
    if not math.isfinite(glance.budget) or glance.budget <= 0:
        return text
    part = glance.budget_used
    warning = ", spent" if part >= 1 else ", little left" if part >= BUDGET_SHORT else ""
    bar = f'<span class="bar" aria-hidden="true"><span style="width:{part:.0%}"></span></span>'
    return f"{bar} {text}{warning}"


def _rate(glance: Glance) -> str:
    if glance.rate is None or glance.rollout.ending is not None:
        return NOTHING
    return f"{devices(glance.rate)} per minute"


def _time(at: float | None) -> str:
    return f'<span class="time">{when(at)}</span>'


def _cut(text: str) -> str:
    """Return a text from outside, safe and of bounded length."""
    return escape(told(text, TEXT_LENGTH_MAX))


def _trouble(problem: str, place: Place) -> str:
    back = _button("← all rollouts", {"job": ""}, place)
    return _box("This cannot be shown", problem) + f"<p>{back}</p>"


def _box(title: str, text: str) -> str:
    return f'<div class="box"><h3>! {_cut(title)}</h3><p>{_cut(text)}</p></div>'


def _framed(body: str, place: Place) -> str:
    kind = " narrow" if place.is_narrow else ""
    return (
        f'<div class="tidegate cwdb-no-default-styles {place.theme}{kind}">'
        f"<style>{STYLE}</style>{body}</div>"
    )
