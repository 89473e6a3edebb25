"""The report: whole, alike in its three forms, and safe whatever is in it."""

import base64
import json
import re
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.contract.samples import COURSE, FRESH, KEY, NOW, decision, fold_in, sighting
from tests.unit.console.rollouts import HOSTILE, suspect
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.console import report as reports
from tidegate.console.report import Report, report_of, to_html, to_json, to_markdown
from tidegate.domain.course import Answer
from tidegate.domain.decision import Evidence, Verdict
from tidegate.domain.rollout import Ending, Hold, HoldKind, Step
from tidegate.errors import NotFound

DEVICE = "pump-000117"


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.said += f" {data}"


def ledger_of(revisions: int = 3, **changes: Any) -> MemoryLedger:  # noqa: ANN401 - Decision's own fields
    """Return a ledger of one rollout that was stopped after some decisions."""
    ledger = MemoryLedger()
    ledger.claim(replace(FRESH, fleet_size=10_000, course=COURSE), previous=None)
    for revision in range(1, revisions + 1):
        made = replace(decision(revision), course=COURSE, **changes)
        ledger.store_decision(KEY, made, generation=1)
    ledger.mark_applied(KEY, revisions, at=NOW, result={"outcome": "applied"})
    sent = decision(1).settings.to_request()
    ledger.note_steps(KEY, [Step(NOW + 1, "Rollout Steered", "starting at 10", 1, sent)])
    ledger.give_answer(KEY, Answer("half-answer", yes=True, by="soak-test", comment="ok", at=NOW))
    fold_in(ledger, [sighting(DEVICE, "FAILED", reason="signature does not match")])
    ledger.conclude(KEY, generation=1, ending=Ending.ABORTED, at=NOW + 7200)
    return ledger


def report(ledger: MemoryLedger | None = None) -> Report:
    """Return a report an hour after the end."""
    ledger = ledger or ledger_of()
    return report_of(KEY.job_id, ledger=ledger, records=ledger, at=NOW + 10_800)


def hostile() -> Report:
    """Return a report in which all that comes from outside wants to be more than text."""
    hold = Hold(HoldKind.OPERATOR, HOSTILE, f"a | b\n# {HOSTILE}", NOW)
    ledger = ledger_of(holds=(hold,), suspects=(suspect(f"thing.type={HOSTILE}"),))
    ledger.note_steps(KEY, [Step(NOW + 2, HOSTILE, f"| {HOSTILE}", 2)])
    ledger.give_answer(KEY, Answer("half-approval", yes=False, by=HOSTILE, comment=HOSTILE, at=NOW))
    fold_in(ledger, [sighting("other", "FAILED", reason=f"{HOSTILE} | [x](http://evil.example)")])
    return report(ledger)


def test_a_page_needs_nothing_but_itself() -> None:
    """No script, nothing to load, and its own policy would not let it."""
    text = to_html(report())
    page = Page(text)

    assert not {"script", "link", "img", "iframe", "form"} & {tag for tag, _ in page.elements}
    assert all("style" not in attributes for _, attributes in page.elements)
    assert all((attributes.get("href") or "#").startswith("#") for _, attributes in page.elements)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    allowed = base64.b64encode(sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{allowed}'" in text


def test_a_page_tells_the_whole_story() -> None:
    """Promise, outcome, timeline, settings, agreement, reasons for failing, each decision."""
    said = " ".join(Page(to_html(report())).said.split())

    for part in (
        "stopped by Tidegate",
        "At most 10 devices are harmed beyond 1.5% of those that start",
        "Took 120 min",
        "Rollout Steered",
        "100 per minute; FAILED 12.34% of 25 or more; 30 min",
        "4 proposed: 2 approved, 1 refused",
        "yes by soak-test",
        "signature does not match",
        "operator hold by Zoë since 06:13: lunch",
        "Applied: applied",
    ):
        assert part in said, part
    ids = [
        attributes.get("id")
        for tag, attributes in Page(to_html(report())).elements
        if tag == "details"
    ]
    assert ids == ["decision-1", "decision-2", "decision-3"]


def test_markdown_tells_the_whole_story() -> None:
    """It has what the page has, but for the pictures."""
    text = to_markdown(report())

    for part in (
        "stopped by Tidegate",
        "At most 10 devices are harmed beyond 1.5% of those that start",
        "Took | 120 min",
        "100 per minute; FAILED 12.34% of 25 or more; 30 min",
        "4 proposed: 2 approved, 1 refused",
        "yes by soak-test",
        "signature does not match",
        "operator hold by Zoë since 06:13: lunch",
    ):
        assert part in text, part


def test_json_has_stable_names_and_is_json() -> None:
    """Scripts read it: names stay as they are, and figures without an end are null."""
    evidence = Evidence(exposed=3, log_e=float("-inf"), abort_at=float("inf"))
    made = to_json(report(ledger_of(evidence=evidence)))

    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert list(made) == [
        "version", "jobId", "rolloutId", "reportedAt", "state", "outcome", "enrolledAt", "endedAt",
        "fleetSize", "rollsBack", "rolledBackBy", "policy", "summary", "agreement", "answers",
        "failureReasons", "timeline", "settingsHistory", "decisionsOmitted", "decisions",
    ]  # fmt: skip
    assert made["outcome"] == "aborted"
    assert [each["revision"] for each in made["decisions"]] == [1, 2, 3]
    assert made["decisions"][0]["evidence"]["log_e"] is None
    assert made["failureReasons"] == [{"reason": "signature does not match", "devices": 1}]


def test_no_form_names_a_device() -> None:
    """A report can be passed on: it tells how many, not which."""
    for text in (to_html(report()), to_markdown(report()), json.dumps(to_json(report()))):
        assert DEVICE not in text


def test_whatever_comes_from_outside_is_text_on_the_page() -> None:
    """Markup in reasons, names and comments adds no element and breaks none."""
    plain, attacked = Page(to_html(report())), Page(to_html(hostile()))

    tags = {tag for tag, _ in attacked.elements}
    assert "script" not in tags
    assert tags - {tag for tag, _ in plain.elements} <= {"rect", "g", "text", "line", "path"}
    assert "<script>alert" in attacked.said


def test_whatever_comes_from_outside_is_text_in_markdown() -> None:
    """No row of a table is split, no heading, link or element is made."""
    text = to_markdown(hostile())

    assert not re.search(r"(?<!\\)<", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    assert [line for line in text.splitlines() if line.startswith("# ")] == ["# Rollout firmware-7"]
    rows = [line for line in text.splitlines() if line.startswith("| 20")]
    assert len(rows) == 3
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {4}


def test_a_rollout_that_goes_on_can_be_reported_on() -> None:
    """Without an end, a decision, a fleet's size or a reason there is a report all the same."""
    ledger = MemoryLedger()
    ledger.claim(FRESH, previous=None)
    made = report(ledger)

    assert "It still goes on." in to_html(made)
    assert "Nothing was told yet." in to_html(made)
    assert "not reviewed yet" in to_markdown(made)
    assert to_json(made)["outcome"] is None
    assert to_json(made)["decisions"] == []


def test_more_decisions_than_it_holds_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are told, and how many there were before."""
    monkeypatch.setattr(reports, "DECISIONS_MAX", 120)
    made = report(ledger_of(150))

    assert to_json(made)["decisionsOmitted"] == 30
    assert "30 before these are left out." in to_html(made)
    assert [each.revision for each in made.oldest_first] == list(range(31, 151))


def test_every_decision_is_told_beyond_what_a_page_of_the_console_shows() -> None:
    """A report has all decisions, not only the newest hundred."""
    made = report(ledger_of(150, verdict=Verdict.PROCEED))

    assert len(made.oldest_first) == 150
    assert made.decisions_before == 0


def test_a_job_that_never_had_a_rollout_is_not_found() -> None:
    """The message names the job."""
    ledger = MemoryLedger()

    with pytest.raises(NotFound, match="job nobody has no rollout"):
        report_of("nobody", ledger=ledger, records=ledger, at=NOW)
