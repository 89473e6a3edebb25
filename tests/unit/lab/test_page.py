"""The page is one file that needs nothing else, and shows what is put in as it was meant."""

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest

from tidegate.lab.fleet import Drift, Fleet
from tidegate.lab.page import Report, fleet_facts, headline, render
from tidegate.lab.rule import Decide, Order, Plan, Rule, Sight
from tidegate.lab.rules import RULES
from tidegate.lab.scenarios import SCENARIOS
from tidegate.lab.summary import share, summarise
from tidegate.lab.table import Row
from tidegate.lab.trial import run

BAD = SCENARIOS["bad-20"].with_size(2000)
GOOD = SCENARIOS["good"].with_size(2000)
MISCHIEF = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>"

#: Bytes of the page of a day-long rollout, at most.
PAGE_BYTES_MAX = 300_000


@dataclass(frozen=True)
class Slow:
    """One device a minute, with figures that change each minute and reasons full of markup."""

    name: str = MISCHIEF
    title: str = f"<b>{MISCHIEF}</b>"
    is_native: bool = False

    def begin(self, plan: Plan) -> Decide:
        """Start on a rollout."""
        del plan
        return self.decide

    def decide(self, sight: Sight) -> Order:
        """Let one device in, and say why."""
        minute = sight.minute
        marks = {"log_e": minute / 997, "abort_at": 5.3, "upper_bound": 1 / (1 + minute / 991)}
        return Order(1, marks=marks, reasons=("ab"[minute % 2], f"{MISCHIEF} & <i>{minute}</i>"))


def report_of(fleet: Fleet, *rules: Rule, runs: int = 3) -> Report:
    """Return what some rules do to a fleet."""
    trials = {rule.name: [run(fleet, rule, seed) for seed in range(runs)] for rule in rules}
    return Report(
        fleet=fleet,
        tolerated_rate=0.02,
        rows=tuple(Row(rule.name, rule.title, summarise(trials[rule.name])) for rule in rules),
        first=run(fleet, rules[0], 0, with_trace=True),
        command="tidegate simulate it",
    )


@cache
def page_of_a_day() -> str:
    """Return the page of a rollout that takes a day and says something mischievous."""
    return render(report_of(GOOD.with_size(1440), Slow(), RULES["rings"], runs=1))


class Elements(HTMLParser):
    """The elements of a page: tags with their attributes, and the text within them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.texts.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]


def data_in(page: str) -> dict[str, Any]:
    """Return what the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_page_loads_nothing() -> None:
    """No element refers to anywhere but the page itself, and the browser is told to keep to it."""
    elements = Elements(page_of_a_day())

    referred = [
        value
        for _, attributes in elements.tags
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action", "data", "poster"} and value
    ]

    assert referred
    assert [each for each in referred if not each.startswith(("#", "data:"))] == []
    assert "url(" not in page_of_a_day()
    assert "@import" not in page_of_a_day()
    (policy,) = [
        each["content"]
        for each in elements.of("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy
    assert policy.startswith("default-src 'none'")


def test_names_and_reasons_are_shown_and_not_run() -> None:
    """Markup in what comes from outside is text to the reader, wherever it stands."""
    elements = Elements(page_of_a_day())
    text = "".join(elements.texts)

    assert len(elements.of("script")) == 3
    assert elements.of("img") == []
    assert elements.of("b") == []
    assert f"{MISCHIEF} & <i>0</i>" in text


def test_a_day_is_small_enough_to_send() -> None:
    """A rollout of a day that changes each minute fits into an attachment."""
    page = page_of_a_day()

    assert len(data_in(page)["minutes"]) >= 1440
    assert len(page.encode()) < PAGE_BYTES_MAX


def test_each_chart_has_its_data_and_each_mark_its_reason() -> None:
    """The script finds a figure for each chart, and each mark leads to a decision that is there."""
    page = page_of_a_day()
    data, elements = data_in(page), Elements(page)
    ids = {attributes.get("id") for _, attributes in elements.tags}
    charts = [each for each in elements.of("div") if each.get("class") == "chart"]

    assert len(charts) == len(data["charts"])
    for chart in data["charts"]:
        assert all(len(series["values"]) == len(data["minutes"]) for series in chart["series"])
    assert data["marks"]
    assert {f"decision-{mark['number']}" for mark in data["marks"]} <= ids
    links = [each["href"] for each in elements.of("a")]
    assert links
    assert {str(link).removeprefix("#") for link in links} <= ids


def test_the_page_serves_the_keyboard_and_readers_without_script() -> None:
    """Charts and the wide table take the focus and have names; without script the tables remain."""
    elements = Elements(page_of_a_day())
    focusable = [each for each in elements.of("div") if each.get("tabindex") == "0"]

    assert len(focusable) >= 4
    assert all(each.get("aria-label") or each.get("aria-labelledby") for each in focusable)
    assert len(elements.of("noscript")) == 1
    assert elements.of("html") == [{"lang": "en"}]
    assert any(each.get("name") == "viewport" for each in elements.of("meta"))


def test_every_policy_has_its_row() -> None:
    """The table has each policy with its name, the one asked about first."""
    report = report_of(BAD, RULES["rings"], RULES["aws-constant"], RULES["aws-slow"])
    page = render(report)

    rows = re.findall(r'<th scope="row">(.*?)<small>(.*?)</small>', page)

    assert [name for _, name in rows] == ["rings", "aws-constant", "aws-slow"]
    assert "tidegate simulate it" in page


@pytest.mark.parametrize(
    ("fleet", "tolerated_rate", "rules", "said"),
    [
        (BAD, 0.02, ("aws-slow",), "The release is bad: aws-slow stops it in 100% of 3 runs"),
        (BAD, 0.02, ("aws-constant",), "The release is bad: aws-constant never stops it; it harms"),
        (GOOD, 0.02, ("aws-constant",), "aws-constant never stops it, and has notified all of"),
        (BAD, 0.5, ("aws-slow",), "The release is tolerable: aws-slow stops it in 100% of 3 runs"),
        (BAD, 0.02, ("aws-constant", "aws-slow", "aws-exponential"), "aws-slow harms fewest"),
        (BAD, 0.02, ("hawkbit-canary",), "never stops it, and is never through either; it harms"),
        (GOOD, 0.02, ("rings", "aws-slow", "aws-constant"), "aws-constant is through first"),
        (BAD, 0.5, ("aws-constant", "aws-slow"), "None of the others lets it through."),
    ],
)
def test_the_headline_says_what_came_out(
    fleet: Fleet, tolerated_rate: float, rules: tuple[str, ...], said: str
) -> None:
    """In a sentence or two: was the release bad, what did the policy do, who did best."""
    report = report_of(fleet, *(RULES[name] for name in rules))

    assert said in headline(replace(report, tolerated_rate=tolerated_rate))


def test_a_quarantine_is_no_failure_to_stop() -> None:
    """A policy that sets the failing part apart is not told to have done nothing."""
    report = report_of(SCENARIOS["cohort"].with_size(2000), RULES["aws-constant"])
    row = report.rows[0]
    apart = replace(row, summary=replace(row.summary, quarantined=share([True])))

    said = headline(replace(report, rows=(apart,)))

    assert said.startswith("A part of the release is bad: aws-constant sets such a part apart")
    assert "part apart" in [each.title for each in replace(report, rows=(apart,)).columns]


def test_the_fleet_is_told_in_words() -> None:
    """Whoever reads the page sees what was tried without the command line."""
    fleet = replace(SCENARIOS["cohort"], drift=(Drift(0.2, 0.5),))

    facts = " ".join(fleet_facts(fleet))

    assert "100,000 devices of the fleet cohort: 0.5% fail (30% FAILED, 70% TIMED_OUT)" in facts
    assert "10% are offline at first." in facts
    assert "2% are revision-1, of which 90% fail." in facts
    assert "Once 20% are notified, 50% fail." in facts
    offline = " ".join(fleet_facts(SCENARIOS["good-offline"]))
    assert "10% are offline at first, and 5% of them fail." in offline
