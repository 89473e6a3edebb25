"""The console over HTTP: who may ask, what pages show, and what their forms do."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.contract.samples import FRESH, KEY, NOW, decision
from tests.unit.console.browsing import PORT, SECRETS, Browser, browser
from tests.unit.console.rollouts import HOSTILE
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.console.view import ENDED_MAX
from tidegate.domain.course import About, Course, Question
from tidegate.domain.decision import AtGate, Awaits, Decision, Verdict
from tidegate.domain.rollout import AbortRequest, Ending, Hold, HoldKind, Rollout, RolloutKey
from tidegate.domain.turn import Turn
from tidegate.errors import Refused, RetryLater
from tidegate.ports import CommandResult

JOB = KEY.job_id
PAGE = f"/rollouts/{JOB}"
COMMANDS = f"{PAGE}/commands"
HOLD = {"command": "hold", "by": "night-shift", "text": "support is short of people"}
QUESTION = Question("canary-approval", About.GATE_APPROVAL, "canary", NOW, NOW + 3600)


class Stage:
    """A ledger, a bus and a browser at their console."""

    def __init__(self) -> None:
        """Begin with nothing enrolled."""
        self.ledger, self.bus, self.clock = MemoryLedger(), MemoryBus(), ManualClock(NOW)
        self.browser: Browser = browser(self.ledger, self.bus, self.clock)

    def rollout(self, **changes: Any) -> Rollout:  # noqa: ANN401 - Rollout's own fields
        """Enroll a rollout."""
        rollout = replace(FRESH, **{"fleet_size": 1_000_000, **changes})
        self.ledger.claim(rollout, previous=None)
        return rollout

    def decide(self, rollout: Rollout, revision: int = 1, **changes: Any) -> Decision:  # noqa: ANN401 - Decision's own fields
        """Store a decision, and what it hands on."""
        made = replace(decision(revision), **changes)
        self.ledger.store_decision(rollout.key, made, generation=rollout.generation)
        return made


@pytest.fixture
def stage() -> Stage:
    """Return a console with nothing to show yet."""
    return Stage()


# who may ask


def test_whoever_has_the_key_is_let_in_once_and_for_all(stage: Stage) -> None:
    """The printed address leads to the page and leaves a cookie that no script reads."""
    stage.browser.cookies.clear()
    assert stage.browser.get("/").status == 403

    let_in = stage.browser.get(f"/?key={SECRETS.key}")

    assert let_in.status == 303
    assert let_in.headers["location"] == "/"
    assert "httponly" in let_in.headers["set-cookie"].lower()
    assert "samesite=lax" in let_in.headers["set-cookie"].lower()
    assert stage.browser.get("/").status == 200


@pytest.mark.parametrize("key", ["", "x", "k" * 31, "k" * 33, "ü"])
def test_another_key_opens_nothing(stage: Stage, key: str) -> None:
    """A wrong key in the address or in the cookie is refused, whatever is asked for."""
    stage.browser.cookies[f"tidegate-{PORT}"] = key

    assert stage.browser.get(f"/?key={key}").status in (403, 400)
    assert stage.browser.get("/assets/page.js").status == 403
    assert stage.browser.get(PAGE).status == 403
    assert stage.browser.post(COMMANDS, HOLD).status == 403
    assert stage.bus.published == []


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "", "[::1]"])
def test_another_name_for_this_machine_is_not_answered(stage: Stage, host: str) -> None:
    """A page whose name points to loopback reaches nothing, even with the key."""
    answer = stage.browser.get(f"/?key={SECRETS.key}", host=host)

    assert answer.status == 421
    assert "set-cookie" not in answer.headers


def test_localhost_is_a_name_for_it(stage: Stage) -> None:
    """Whoever types localhost sees the page too."""
    assert stage.browser.get("/", host=f"localhost:{PORT}").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": f"http://127.0.0.1:{PORT + 1}"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
    ],
)
def test_a_form_of_another_page_does_nothing(stage: Stage, headers: dict[str, str]) -> None:
    """Only forms of the console's own pages put commands on the bus."""
    stage.rollout()

    assert stage.browser.post(COMMANDS, HOLD, **headers).status == 403
    assert stage.bus.published == []


@pytest.mark.parametrize("token", ["", "x", SECRETS.key, "é"])
def test_a_form_without_the_sessions_token_does_nothing(stage: Stage, token: str) -> None:
    """A form from before the console was started anew is refused, and so is a made-up one."""
    stage.rollout()

    assert stage.browser.post(COMMANDS, {**HOLD, "token": token}).status == 403
    assert stage.bus.published == []


def test_another_site_may_link_here_but_not_read(stage: Stage) -> None:
    """A visit from elsewhere shows the page; a script or an image from elsewhere gets nothing."""
    visit = stage.browser.get("/", sec_fetch_site="cross-site", sec_fetch_mode="navigate")
    script = stage.browser.get("/", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")

    assert (visit.status, script.status) == (200, 403)


def test_a_body_that_is_no_form_or_too_large_does_nothing(stage: Stage) -> None:
    """What no form of ours could send is refused before it is read whole."""
    stage.rollout()
    large = {**HOLD, "text": "x" * 20_000}
    fields = {**HOLD, **{f"field-{number}": "" for number in range(30)}}

    assert stage.browser.post(COMMANDS, HOLD, content_type="text/plain").status == 403
    assert stage.browser.post(COMMANDS, large).status == 403
    assert stage.browser.post(COMMANDS, fields).status == 403
    assert stage.browser.get(COMMANDS).status == 405
    assert stage.bus.published == []


@pytest.mark.parametrize(
    "path", ["/", PAGE, "/nowhere", "/assets/page.css", "/live", f"/?key={'k' * 32}"]
)
def test_every_answer_binds_the_browser(stage: Stage, path: str) -> None:
    """Nothing is loaded from elsewhere, nothing is framed, nothing is kept."""
    stage.rollout()
    headers = stage.browser.get(path).headers

    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_pages_have_nothing_that_their_policy_forbids(stage: Stage) -> None:
    """No inline script, style or handler, and no address of another host."""
    rollout = stage.rollout()
    stage.decide(rollout)

    for path in ("/", PAGE):
        text = stage.browser.get(path).text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
        assert re.findall(r"<script[^>]*>", text) == ['<script src="/assets/page.js" defer>']
        assert set(re.findall(r"https?://[^\s\"'<]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_only_the_pages_own_files_are_served(stage: Stage) -> None:
    """No path leads to a template, or out of the folder."""
    assert stage.browser.get("/assets/page.css").headers["content-type"].startswith("text/css")
    for path in ("/assets/base.html.j2", "/assets/..%2fserver.py", "/assets/../server.py"):
        assert stage.browser.get(path).status == 404


# what is shown


def test_the_list_shows_each_rollout_with_what_it_waits_for(stage: Stage) -> None:
    """Who goes on comes first, with questions named; the ended ones stand below."""
    asking = replace(Course(), questions=(QUESTION,))
    stage.decide(stage.rollout(course=asking), course=asking, verdict=Verdict.HOLD)
    stage.rollout(key=RolloutKey("older", 1), ended_at=None)
    stage.ledger.conclude(RolloutKey("older", 1), generation=1, ending=Ending.FENCED, at=NOW)

    text = stage.browser.get("/").text

    assert "1 going on, 1 asking for an answer" in text
    assert "? canary-approval" in text
    assert "held" in text
    assert text.index(JOB) < text.index("older")
    assert "stopped by AWS&#39;s abort criteria" in text


def test_the_list_shows_launches_that_wait_for_others(stage: Stage) -> None:
    """There is no page of them yet, but whom they wait for, and how to give them up."""
    arn = "arn:aws:states:eu-central-1:111122223333:execution:tidegate:firmware-9-a"
    turn = Turn("firmware-9", arn, "firmware", (JOB, HOSTILE), NOW)
    stage.ledger.write_turn(turn, previous=None)
    text = stage.browser.get("/").text

    assert "1 waiting to be launched" in text
    assert "tidegate abort firmware-9" in text
    assert HOSTILE not in text


def test_a_page_shows_all_there_is_of_a_rollout(stage: Stage) -> None:
    """State, reasons, pictures, questions with buttons, what to do, decisions, policy."""
    asking = replace(Course(), questions=(QUESTION,))
    rollout = stage.rollout(course=asking)
    hold = Hold(HoldKind.OPERATOR, "plant-7", "strike", NOW)
    stage.decide(rollout, course=asking, verdict=Verdict.HOLD, holds=(hold,))

    text = stage.browser.get(PAGE).text

    for part in (
        "held", "plant-7", "strike", "canary-approval", 'value="approve"', 'value="reject"',
        'value="hold"', 'value="resume"', 'value="abort"', "it rings", "<svg", "FIRST_SETTINGS",
        "Policy firmware, version 1", "At most 1,000 devices are harmed",
    ):  # fmt: skip
        assert part in text, part


def test_a_gate_that_was_refused_can_be_resumed(stage: Stage) -> None:
    """Nobody is asked any more; the button that has it asked again is there."""
    refused = replace(Course(), questions=(replace(QUESTION, is_open=False),))
    gate = AtGate("canary", is_new=False, waits_for=("approval",), bake_until=NOW)
    stage.decide(
        stage.rollout(course=refused),
        course=refused,
        verdict=Verdict.GATE,
        gate=gate,
        awaits=Awaits.APPROVAL,
    )

    text = stage.browser.get(PAGE).text

    assert 'value="approve"' not in text
    assert 'value="resume"' in text
    assert "somebody to resume it, after a no" in text


def test_a_rollout_that_is_being_stopped_takes_no_more_commands(stage: Stage) -> None:
    """Once an abort is asked for, no button is there whose command would be refused."""
    rollout = stage.rollout()
    stage.decide(rollout)
    stage.ledger.request_abort(rollout.key, AbortRequest("plant-7", "smoke", NOW))

    text = stage.browser.get(PAGE).text

    assert "stopping" in text
    assert "<button" not in text


def test_a_rollout_that_is_over_has_nothing_to_press(stage: Stage) -> None:
    """Its page tells how it ended, and offers no command that would be refused."""
    stage.decide(stage.rollout())
    stage.ledger.conclude(KEY, generation=1, ending=Ending.COMPLETED, at=NOW + 99)

    text = stage.browser.get(PAGE).text

    assert "completed" in text
    assert "<form" not in text


def test_an_older_rollout_of_a_job_has_a_page_of_its_own(stage: Stage) -> None:
    """A job's id is used again: what ended stays to be seen, where the list leads to."""
    stage.decide(stage.rollout())
    stage.ledger.conclude(KEY, generation=1, ending=Ending.ABORTED, at=NOW + 99)
    stage.rollout(key=RolloutKey(JOB, KEY.created_at + 1))
    older = f"{PAGE}?created={KEY.created_at}"

    assert f'href="{older}"' in stage.browser.get("/").text
    assert "stopped by Tidegate" in stage.browser.get(older).text
    assert "stopped by Tidegate" in stage.browser.get(older.replace("?", "/live?")).text
    assert "stopped by Tidegate" not in stage.browser.get(PAGE).text


def test_a_list_that_ends_somewhere_says_so(stage: Stage) -> None:
    """Whoever misses a rollout that ended long ago learns what tells of it."""
    note = "Those that ended before are not listed"
    assert note not in stage.browser.get("/").text
    for number in range(ENDED_MAX):
        key = RolloutKey(f"job-{number}", 1)
        stage.rollout(key=key)
        stage.ledger.conclude(key, generation=1, ending=Ending.COMPLETED, at=NOW + number)
    stage.clock.advance(5)

    assert note in stage.browser.get("/").text


@pytest.mark.parametrize("created", ["1", "x", "-1", "9" * 5000, "٣"])
def test_a_rollout_of_no_job_is_not_found(stage: Stage, created: str) -> None:
    """Whatever stands in the address, it leads to a page that says so."""
    stage.rollout()

    assert stage.browser.get(f"{PAGE}?{urlencode({'created': created})}").status == 404


def test_a_rollout_without_a_decision_has_a_page(stage: Stage) -> None:
    """Right after it is enrolled, nothing is known, and that is what it says."""
    stage.rollout(fleet_size=None)

    answer = stage.browser.get(PAGE)

    assert answer.status == 200
    assert "not reviewed yet" in answer.text
    assert "its first review" in answer.text


def test_names_with_markup_are_text(stage: Stage) -> None:
    """Whoever can name a gate, give a reason or fail with one puts no element into the page."""
    rollout = stage.rollout(policy=replace(FRESH.policy, name=HOSTILE))
    hold = Hold(HoldKind.OPERATOR, HOSTILE, HOSTILE * 40, NOW)
    course = replace(Course(), questions=(replace(QUESTION, subject=HOSTILE),))
    stage.decide(rollout, verdict=Verdict.HOLD, holds=(hold,), course=course)

    for path in ("/", "/live", PAGE, f"{PAGE}/live"):
        answer = stage.browser.get(path)
        assert answer.status == 200
        assert "<script>" not in answer.text
        assert "alert('" not in answer.text


def test_a_job_that_is_not_there_is_told_as_such(stage: Stage) -> None:
    """An unknown job, a path that is no job's id and any other address lead to a page."""
    unknown = stage.browser.get("/rollouts/unknown")

    assert unknown.status == 404
    assert "job unknown has no rollout" in unknown.text
    assert stage.browser.get("/rollouts/%3Cb%3E").status == 404
    assert stage.browser.get("/rollouts/unknown/live").status == 404
    assert "All rollouts" in stage.browser.get("/elsewhere").text


@pytest.mark.parametrize(
    ("error", "status", "headline"),
    [
        (Refused("Query: AccessDeniedException: not <yours>"), 403, "AWS does not allow this"),
        (RetryLater("Query: AWS could not be reached"), 503, "AWS does not answer now"),
    ],
)
def test_what_aws_denies_is_shown_as_such(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, headline: str
) -> None:
    """The viewer's own rights count: the page says what AWS said, and the script gets it too."""

    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(stage.ledger, "current", fails)
    page, parts = stage.browser.get(PAGE), stage.browser.get(f"{PAGE}/live")

    assert (page.status, parts.status) == (status, status)
    assert headline in page.text
    assert "<yours>" not in page.text
    assert str(error) == parts.text
    assert parts.headers["content-type"].startswith("text/plain")


# live


def test_parts_are_sent_only_when_they_changed(stage: Stage) -> None:
    """A page that knows the newest state gets nothing but that, until something happens."""
    rollout = stage.rollout()
    stage.decide(rollout)
    first = stage.browser.get(f"{PAGE}/live")
    mark = first.headers["etag"]

    assert "<html" not in first.text
    assert stage.browser.get(f"{PAGE}/live", if_none_match=mark).status == 304
    stage.decide(rollout, 2, verdict=Verdict.HOLD)
    second = stage.browser.get(f"{PAGE}/live", if_none_match=mark)

    assert second.status == 200
    assert "held" in second.text


def test_a_page_and_its_parts_are_made_of_the_same(stage: Stage) -> None:
    """The script finds each part by its name, so none may be in one and not in the other."""
    rollout = stage.rollout()
    stage.decide(rollout)

    for page, parts in (("/", "/live"), (PAGE, f"{PAGE}/live")):
        named = [
            re.findall(r'data-part="(\w+)"', stage.browser.get(each).text) for each in (page, parts)
        ]
        assert named[0] == named[1]
        assert len(set(named[0])) == len(named[0]) > 1


# commands


def test_a_form_puts_its_command_on_the_bus(stage: Stage) -> None:
    """A hold is the very event that the command line sends; the browser is led back to see it."""
    stage.rollout()

    answer = stage.browser.post(COMMANDS, HOLD)

    (event,) = stage.bus.published
    assert (event.source, event.detail_type) == ("tidegate.operator", "Hold Rollout")
    assert event.detail == {
        "version": "1",
        "jobId": JOB,
        "by": "night-shift",
        "reason": "support is short of people",
    }
    assert answer.status == 303
    assert answer.headers["location"] == f"{PAGE}?told=event-1&kind=Hold+Rollout"


def test_what_becomes_of_a_command_is_told(stage: Stage) -> None:
    """On its way, then done or refused with the remedy; the page asks for it as it refreshes."""
    stage.decide(stage.rollout())
    told = f"{PAGE}/live?told=event-1&kind=Hold+Rollout"
    assert "has not taken it up yet" in stage.browser.get(told).text

    stage.ledger.note_command("event-1", CommandResult(), at=NOW)
    assert "Hold Rollout is done" in stage.browser.get(told).text

    stage.ledger.note_command("event-2", CommandResult("it is <over>", "Launch anew."), at=NOW)
    refused = stage.browser.get(told.replace("event-1", "event-2")).text
    assert "it is &lt;over&gt;" in refused
    assert "Launch anew." in refused


def test_an_address_has_no_words_of_its_own_in_the_page(stage: Stage) -> None:
    """Whoever is lured to an address reads nothing that its maker wrote."""
    stage.decide(stage.rollout())

    text = stage.browser.get(f"{PAGE}?told=event-1&kind=Call+the+hotline").text

    assert "hotline" not in text
    assert "The command is on the bus" in text


def test_a_faulty_form_is_told_before_anything_is_sent(stage: Stage) -> None:
    """Without a reason, nothing is put on the bus, and the page says what is missing."""
    stage.decide(stage.rollout())

    answer = stage.browser.post(COMMANDS, {**HOLD, "text": "  "})

    assert answer.status == 422
    assert "was not sent" in answer.text
    assert "reason" in answer.text
    assert stage.bus.published == []


def test_an_abort_has_to_be_confirmed(stage: Stage) -> None:
    """What nothing brings back is sent only with its box ticked."""
    stage.rollout()
    abort = {**HOLD, "command": "abort"}

    assert stage.browser.post(COMMANDS, abort).status == 422
    assert stage.bus.published == []
    assert stage.browser.post(COMMANDS, {**abort, "sure": "yes"}).status == 303
    assert [each.detail_type for each in stage.bus.published] == ["Abort Rollout"]


def test_a_bus_that_takes_nothing_is_told(stage: Stage) -> None:
    """Where AWS denies it, or is away, the page says that nothing was sent."""
    stage.rollout()
    stage.bus.refuses = lambda _: True

    answer = stage.browser.post(COMMANDS, HOLD)

    assert answer.status == 422
    assert "Hold Rollout was not sent" in answer.text
    assert "the bus did not take Hold Rollout" in answer.text


# size


def test_two_hundred_rollouts_are_one_page(stage: Stage) -> None:
    """A list of many rollouts is whole and stays small."""
    for number in range(200):
        stage.decide(stage.rollout(key=RolloutKey(f"job-{number:03}", int(NOW) + number)))

    answer = stage.browser.get("/")

    assert answer.text.count('href="/rollouts/job-') == 200
    assert len(answer.body) < 400_000


def test_a_page_stays_small_however_long_its_rollout(stage: Stage) -> None:
    """A month of reviews is a page of its newest decisions, with pictures that are thinned out."""
    rollout = stage.rollout()
    for revision in range(1, 3001):
        stage.decide(rollout, revision)
    stage.browser.get(PAGE)

    answer = stage.browser.get(PAGE)

    assert answer.text.count('class="decision"') == 30
    assert "2,970 more before these" in answer.text
    assert len(answer.body) < 400_000
