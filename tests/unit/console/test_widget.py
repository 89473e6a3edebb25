"""The widget of a CloudWatch dashboard: readable whatever is asked, harmless whatever it shows."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.contract.samples import KEY, NOW, decision, enrolled
from tests.unit.console.rollouts import HOSTILE, history, seen, suspect
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.console import widget
from tidegate.console.view import Detail
from tidegate.documents.links import Consoles
from tidegate.domain.course import About, Course, Question
from tidegate.domain.decision import AtGate, Attention, Awaits, Verdict
from tidegate.domain.failures import FailureReason
from tidegate.domain.reasons import Reason, ReasonCode
from tidegate.domain.rollout import AbortRequest, Ending, RolloutKey
from tidegate.domain.turn import Phase, Turn
from tidegate.errors import RetryLater

ARN = "arn:aws:lambda:eu-west-1:111122223333:function:tidegate-widget"
LOGS = "/aws/lambda/tidegate-review"
PROCEED, GATE = Verdict.PROCEED, Verdict.GATE

VOID = {"br", "circle", "line", "path", "rect"}


@pytest.fixture
def ledger() -> MemoryLedger:
    """Return an empty ledger."""
    return MemoryLedger()


def context(**members: object) -> dict[str, Any]:
    """Return what CloudWatch tells of the widget's place."""
    return {"widgetContext": {"theme": "light", "width": 1200, "height": 400, **members}}


def ask(ledger: MemoryLedger, event: Mapping[str, Any]) -> str:
    """Return what the widget answers."""
    return widget.answer(event, ledger=ledger, records=ledger, function_arn=ARN, decision_logs=LOGS)


def shown(monkeypatch: pytest.MonkeyPatch, detail: Detail, **members: object) -> str:
    """Return what the widget shows of a rollout that looks so."""
    monkeypatch.setattr(widget, "detail", lambda *_, **__: detail)
    return ask(MemoryLedger(), {"job": "job", **context(**members)})


class Reader(HTMLParser):
    """Reads HTML, and notes its elements and what is wrong with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that begins."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check that what ends is what began last."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note words."""
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def test_it_says_what_it_can_show(ledger: MemoryLedger) -> None:
    """CloudWatch asks each widget to describe itself, and shows that to whoever adds one."""
    text = ask(ledger, {"describe": True})

    assert text.startswith("## ")
    assert "**job**" in text
    assert "```yaml" in text


def test_without_rollouts_it_says_how_to_begin(ledger: MemoryLedger) -> None:
    """Nothing at all would look like a fault."""
    assert "Launch Rollout" in ask(ledger, context())


def test_launches_that_wait_are_shown_with_whom_they_wait_for(ledger: MemoryLedger) -> None:
    """A launch that is not under way yet is not taken for lost: it is there, with the way out."""
    enrolled(ledger)
    assert "waiting to be launched" not in ask(ledger, context())

    turn = Turn("firmware-8", "arn:waits", "firmware", (KEY.job_id, "other"), NOW)
    ledger.write_turn(turn, previous=None)
    begun = replace(turn, job_id="begun", execution_arn="arn:begun", phase=Phase.BEGINNING)
    ledger.write_turn(begun, previous=None)
    page = ask(ledger, context())

    assert "1 waiting to be launched" in page
    assert f"<strong>firmware-8</strong> lets {KEY.job_id}, other finish first" in page
    assert "Abort Rollout" in page
    assert "begun" not in page


def test_many_launches_that_wait_are_cut_and_say_so(ledger: MemoryLedger) -> None:
    """The longest first; they do not push the list of rollouts out of sight."""
    for number in range(widget.WAITING_SHOWN + 3):
        turn = Turn(f"job-{number:02}", f"arn:{number}", "firmware", (HOSTILE,), NOW + number)
        ledger.write_turn(turn, previous=None)
    page = ask(ledger, context())
    read = Reader(page)

    assert "13 waiting to be launched" in page
    assert "3 more wait." in page
    assert len(read.all("li")) == widget.WAITING_SHOWN
    assert "job-00" in page
    assert "job-10" not in page
    assert read.all("script") == []


def test_two_hundred_rollouts_are_cut_and_say_so(ledger: MemoryLedger) -> None:
    """As many lines as asked for, and how many there are besides."""
    for number in range(200):
        enrolled(ledger, key=RolloutKey(f"job-{number:03}", 1_700_000_000 + number))
    usual = Reader(ask(ledger, context()))
    more = Reader(ask(ledger, {"limit": "200", **context()}))

    assert len(usual.all("tr")) == 1 + widget.ROWS
    assert any("150 more" in each for each in usual.words)
    assert len(more.all("tr")) == 201


def test_those_that_wait_for_somebody_come_first(ledger: MemoryLedger) -> None:
    """What nobody has to look at does not stand above what somebody has."""
    ended, going, asking = (RolloutKey(name, 1_700_000_000) for name in ("ended", "going", "ask"))
    for key in (ended, going, asking):
        enrolled(ledger, key=key)
    plain = replace(decision(1), attention=None, awaits=Awaits.EVIDENCE)
    ledger.store_decision(going, plain, generation=1)
    ledger.store_decision(asking, replace(plain, awaits=Awaits.APPROVAL), generation=1)
    ledger.conclude(ended, generation=1, ending=Ending.COMPLETED, at=NOW)
    page = ask(ledger, context())

    assert re.findall(r'"job": "(\w+)"', page) == ["ask", "going", "ended"]
    assert "2 under way" in page
    assert "1 waiting for somebody" in page


def test_a_rollout_that_ended_has_no_rate(ledger: MemoryLedger) -> None:
    """A rate beside a stopped rollout would say that it goes on."""
    enrolled(ledger)
    ledger.store_decision(KEY, decision(1), generation=1)
    going = ask(ledger, context())
    ledger.conclude(KEY, generation=1, ending=Ending.ABORTED, at=NOW)

    assert re.search(r"<td>\d+ per minute</td>", going)
    assert not re.search(r"<td>\d+ per minute</td>", ask(ledger, context()))


def test_a_state_is_told_as_on_the_pages(ledger: MemoryLedger) -> None:
    """A gate by its name, and an abort that somebody asked for before it is reviewed."""
    gate = AtGate("canary", is_new=False, waits_for=("bake",), bake_until=NOW)
    rollout = enrolled(ledger)
    ledger.store_decision(KEY, replace(decision(1), verdict=GATE, gate=gate), generation=1)
    at_gate = ask(ledger, context())
    ledger.request_abort(rollout.key, AbortRequest("night-shift", "wrong image", NOW))

    assert "at gate canary" in at_gate
    assert "stopping" in ask(ledger, context())


def test_a_click_leads_to_the_rollout_and_back(ledger: MemoryLedger) -> None:
    """The Lambda is called again with the job's id, and from there without one."""
    enrolled(ledger)
    for page, job in ((ask(ledger, context()), KEY.job_id), (ask(ledger, {"job": KEY.job_id}), "")):
        (action,) = Reader(page).all("cwdb-action")
        parameters = re.search(r"<cwdb-action[^>]*>([^<]*)<", page)

        assert (action["action"], action["display"]) == ("call", "widget")
        assert action["endpoint"] == ARN
        assert parameters is not None
        assert json.loads(parameters[1])["job"] == job


def test_a_click_on_an_ended_rollout_leads_to_that_one(ledger: MemoryLedger) -> None:
    """A job's id may have been used again since."""
    enrolled(ledger)
    ledger.conclude(KEY, generation=1, ending=Ending.ABORTED, at=NOW)
    enrolled(ledger, key=RolloutKey(KEY.job_id, KEY.created_at + 1))
    page = ask(ledger, context())
    older = {"job": KEY.job_id, "created": str(KEY.created_at)}

    assert json.dumps(older) in page
    assert json.dumps({"job": KEY.job_id, "created": ""}) in page
    assert "stopped by Tidegate" in ask(ledger, {**older, **context()})
    assert "enrolled" in ask(ledger, {"job": KEY.job_id, **context()})
    assert "This cannot be shown" in ask(ledger, {**older, "created": "x", **context()})


def test_one_rollout_leads_to_where_more_is(ledger: MemoryLedger) -> None:
    """Its workflow execution, its job and the log of its decisions are a click away."""
    enrolled(ledger)
    links = [str(each.get("href")) for each in Reader(ask(ledger, {"job": KEY.job_id})).all("a")]
    states, iot, logs = [link for link in links if link.startswith("https://eu-west-1.console")]

    assert "/states/home" in states
    assert iot.endswith(f"/job/{KEY.job_id}")
    assert "tidegate-review" in logs
    assert KEY.job_id in logs


def test_without_a_log_group_there_is_no_link_to_it(ledger: MemoryLedger) -> None:
    """Whoever shows the widget elsewhere need not know one."""
    enrolled(ledger)
    page = widget.answer(
        {"job": KEY.job_id}, ledger=ledger, records=ledger, function_arn=ARN, decision_logs=""
    )

    assert "logs-insights" not in page


def test_a_rollout_that_does_not_exist_is_told(ledger: MemoryLedger) -> None:
    """In a box with the remedy, and a way back to all the others."""
    page = ask(ledger, {"job": "never-was", **context()})

    assert "This cannot be shown" in page
    assert "never-was" in page
    assert Reader(page).all("cwdb-action")


@pytest.mark.parametrize("job", ["<b>bold</b>", "a" * 65, 7, ["a"], {"a": 1}, "a b"])
def test_what_is_no_job_id_is_told(ledger: MemoryLedger, job: object) -> None:
    """A mistyped parameter is no failure of the function."""
    page = ask(ledger, {"job": job, **context()})

    assert "no id of a job" in page
    assert "<b>bold" not in page


@pytest.mark.parametrize("limit", [0, -1, 501, "many", 1.5, [1], "9" * 5000])
def test_what_is_no_limit_is_told(ledger: MemoryLedger, limit: object) -> None:
    """With the numbers that are."""
    assert "from 1 to 500" in ask(ledger, {"limit": limit, **context()})


def test_a_ledger_that_is_busy_is_told(ledger: MemoryLedger) -> None:
    """The viewer reads why there is nothing to see, and refreshes."""
    ledger.faults.before("active", RetryLater("the ledger throttles"))

    assert "the ledger throttles" in ask(ledger, context())


@pytest.mark.parametrize(
    "told",
    [None, [], "wide", {}, {"width": None}, {"width": float("nan")}, {"width": True}, {"theme": 7}],
)
def test_without_its_place_it_shows_all_the_same(ledger: MemoryLedger, told: object) -> None:
    """CloudWatch may add and leave out what it likes."""
    enrolled(ledger)
    page = ask(ledger, {"widgetContext": told})

    assert KEY.job_id in page
    assert 'class="tidegate cwdb-no-default-styles light"' in page


def test_the_theme_of_the_console_is_the_widget_s(ledger: MemoryLedger) -> None:
    """Light on dark where the viewer has chosen so."""
    assert 'cwdb-no-default-styles dark"' in ask(ledger, context(theme="dark"))


def test_a_narrow_widget_leaves_out_what_is_nice_to_know(ledger: MemoryLedger) -> None:
    """Four columns fit, six do not."""
    enrolled(ledger)
    columns = [len(Reader(ask(ledger, context(width=width))).all("th")) for width in (1200, 400)]

    assert columns == [6 + 1, 4 + 1]


@pytest.mark.parametrize(("width", "drawn"), [(1200, 580), (400, 380), (10**9, 1980)])
def test_pictures_fit_the_widget(monkeypatch: pytest.MonkeyPatch, width: int, drawn: float) -> None:
    """Two stand side by side where there is room, and none is drawn as wide as somebody says."""
    page = shown(monkeypatch, seen(history(*[PROCEED] * 9)), width=width)
    widths = {float(str(each["width"])) for each in Reader(page).all("svg")}

    assert widths == {drawn}


def test_nothing_from_outside_is_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reasons, questions, cohorts and failure reasons may hold anything."""
    last = replace(
        history(PROCEED, GATE)[-1],
        reasons=tuple(Reason(next(iter(ReasonCode)), {}, HOSTILE) for _ in range(2)),
        attention=Attention("subject", HOSTILE, HOSTILE),
        suspects=(suspect(HOSTILE),),
    )
    question = Question(HOSTILE, About.GATE_APPROVAL, HOSTILE, NOW)
    detail = seen([*history(PROCEED), last], course=Course(questions=(question,)))
    detail = replace(
        detail,
        reasons=(FailureReason(HOSTILE, 3, ((HOSTILE, 3),)),),
        applied={2: {"outcome": HOSTILE}},
    )
    page = shown(monkeypatch, detail)
    reader = Reader(page)

    assert reader.all("script") == []
    assert page.encode()
    assert not re.search("[\u202e\x00]", page)
    assert any("alert(" in each for each in reader.words)


def test_cloudwatch_has_nothing_to_take_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """No script, frame, handler or reference to anything that would have to be loaded."""
    page = shown(monkeypatch, seen(history(*[PROCEED] * 9, GATE)))
    for tag, attributes in Reader(page).elements:
        assert tag not in {"script", "iframe", "use", "link", "img", "object", "form"}
        assert not {name for name in attributes if name.startswith("on") or name == "src"}
    assert "url(" not in page
    assert "@import" not in page


def test_a_rollout_without_decisions_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its enrolment and its first review there is little to tell, and no picture."""
    page = shown(monkeypatch, seen([], fleet_size=None))

    assert "not reviewed yet" in page
    assert Reader(page).all("svg") == []


def test_figures_that_have_no_end_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet of unknown size and times beyond any calendar break nothing."""
    endless = replace(history(PROCEED)[0], at=float("inf"), wait_seconds=10**15)

    assert "Next review by" in shown(monkeypatch, seen([endless], fleet_size=None))


def test_questions_say_how_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks sees under which id an answer is expected; of an ended rollout none is."""
    question = Question("canary-approval", About.GATE_APPROVAL, "canary", NOW)
    course = Course(questions=(question,))
    open_ = shown(monkeypatch, seen(history(GATE), course=course))
    ended = seen(history(GATE), course=course, ending=Ending.ABORTED, ended_at=NOW)
    over = shown(monkeypatch, ended)

    assert "canary-approval" in open_
    assert "Approve Gate" in open_
    assert "Approve Gate" not in over


@pytest.mark.parametrize(
    ("arn", "host"),
    [
        (ARN, "https://eu-west-1.console.aws.amazon.com/"),
        ("arn:aws-cn:lambda:cn-north-1:1:function:f", "https://cn-north-1.console.amazonaws.cn/"),
        (
            "arn:aws-us-gov:lambda:us-gov-west-1:1:function:f",
            "https://us-gov-west-1.console.amazonaws-us-gov.com/",
        ),
        ("arn:aws-new:lambda:x-1:1:function:f", "https://x-1.console.aws.amazon.com/"),
        ("nonsense", "https://.console.aws.amazon.com/"),
    ],
)
def test_each_partition_has_a_console_of_its_own(arn: str, host: str) -> None:
    """China and GovCloud are reached at other addresses."""
    assert Consoles.of_arn(arn).job("firmware").startswith(host)


def test_a_query_of_logs_travels_in_its_address() -> None:
    """As CloudWatch writes it: nothing in it ends the address or the text before its time."""
    address = Consoles.of_arn(ARN).logs(LOGS, 'filter a = "b" | sort é \' ~ ) *')
    packed = address.partition("editorString~'")[2].partition("~source~(~'")

    assert packed[0] == ("filter*20a*20*3d*20*22b*22*20*7c*20sort*20*c3*a9*20*27*20*7e*20*29*20*2a")
    assert packed[2] == "*2faws*2flambda*2ftidegate-review))"
