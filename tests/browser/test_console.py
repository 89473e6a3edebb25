"""The console in a browser: whole in both themes and on a phone, live, and usable by keyboard."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Seen
from tests.browser.serving import Served
from tests.contract.samples import NOW
from tests.unit.cli.desk import EVIDENCE, HOSTILE, JOB, SUSPECT, going, held
from tidegate.domain.course import About, Course, Question
from tidegate.domain.decision import AtGate, Awaits, Verdict
from tidegate.domain.rollout import Hold, HoldKind, Rollout

pytestmark = pytest.mark.e2e

Open = Callable[..., Page]

PAGE = f"/rollouts/{JOB}"
QUESTION = Question("canary-approval", About.GATE_APPROVAL, "canary", NOW, NOW + 3600)

#: A page asks for what is new every five seconds; the rest is for a machine that is busy.
REFRESHED_MILLISECONDS = 20_000

#: Less than those five seconds: what comes by then was asked for at once.
AT_ONCE_MILLISECONDS = 4500

_OVERHANG = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def asking(served: Served) -> Rollout:
    """Enroll a rollout that stands at a gate and asks for an approval."""
    course = replace(Course(), gate="canary", gate_reached_at=NOW, questions=(QUESTION,))
    rollout = served.desk.enroll(course=course)
    at_gate = AtGate("canary", is_new=False, waits_for=("approval",), bake_until=NOW)
    decided = [going(1), held(2), going(3, suspects=(SUSPECT,))]
    gate = going(4, verdict=Verdict.GATE, gate=at_gate, awaits=Awaits.APPROVAL, course=course)
    served.desk.decide(rollout, *decided, replace(gate, suspects=(SUSPECT,)))
    return rollout


def contrasts(page: Page) -> list[float]:
    """Return the contrast of each text on the page with what is behind it, as WCAG reckons it."""
    found: list[float] = page.evaluate("""() => {
      const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
      const read = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
      };
      const bright = ([r, g, b]) => [r, g, b].map((each) => each / 255)
        .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
      const behind = (element) => {
        for (let each = element; each; each = each.parentElement) {
          const colour = read(getComputedStyle(each).backgroundColor);
          if (colour[3] === 255) return colour;
        }
        return [255, 255, 255];
      };
      const texts = [...document.querySelectorAll("body *")].filter((each) =>
        !each.closest("svg, .skip") && each.checkVisibility() &&
        [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
      return texts.map((each) => {
        const [one, other] = [read(getComputedStyle(each).color), behind(each)].map(bright);
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      });
    }""")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_pages_fit_any_window_in_both_themes(
    open_page: Open, served: Served, scheme: str, width: int
) -> None:
    """Nothing hangs over the edge of a phone, and every word can be read on its ground."""
    asking(served)
    long = "x" * 64
    served.desk.decide(served.desk.enroll(long), held(why="no blank" * 60))

    for path in ("/", PAGE, f"/rollouts/{long}"):
        page = open_page(path, width=width, scheme=scheme)

        assert page.evaluate(_OVERHANG) == 0
        assert min(contrasts(page)) >= 4.5
        # Whatever is to be pressed is named.
        for button in page.get_by_role("button").all():
            assert button.inner_text().strip()


def test_a_page_keeps_up_with_its_rollout(open_page: Open, served: Served) -> None:
    """A decision appears by itself; what is open stays open, and the focus stays where it is."""
    rollout = asking(served)
    page = open_page(PAGE)
    page.locator("#decision-3 summary").click()
    page.locator("#policy summary").focus()

    served.desk.decide(rollout, held(5))

    expect(page.locator("#decision-5")).to_be_visible(timeout=REFRESHED_MILLISECONDS)
    expect(page.locator(".headline")).to_contain_text("held")
    expect(page.locator("#decision-3")).to_have_attribute("open", "")
    assert page.evaluate("document.activeElement.closest('details').id") == "policy"


def test_what_somebody_types_is_never_swapped_away(open_page: Open, served: Served) -> None:
    """Half a comment stands, however much happens around it, and its form still does its work."""
    rollout = asking(served)
    page = open_page(PAGE)
    comment = page.get_by_label("Comment")
    comment.fill("tickets are qui")

    served.desk.decide(
        rollout, going(5, course=rollout.course, evidence=replace(EVIDENCE, harmed=3))
    )
    expect(page.locator("#decision-5")).to_be_visible(timeout=REFRESHED_MILLISECONDS)

    expect(comment).to_have_value("tickets are qui")


def test_a_gate_is_approved_by_keyboard_alone(open_page: Open, served: Served) -> None:
    """From the top of the page with the tabulator to the comment, to the button, and it is told."""
    asking(served)
    page = open_page(PAGE)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "text":
            break
    page.keyboard.type("tickets are quiet")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "approve"

    page.keyboard.press("Enter")

    expect(page.locator("[data-part=sent]")).to_contain_text("Approve Gate is done")
    ((kind, detail),) = served.desk.sent
    assert kind == "Approve Gate"
    assert detail == {
        "version": "1",
        "jobId": JOB,
        "correlationId": "canary-approval",
        "by": "night-shift",
        "comment": "tickets are quiet",
    }


def test_an_abort_asks_whether_it_is_meant(open_page: Open, served: Served) -> None:
    """Without its box ticked nothing is sent; with it, the rollout is asked to stop, once."""
    asking(served)
    page = open_page(PAGE)
    page.locator("#abort summary").click()
    form = page.locator("#abort form")
    form.get_by_label("Reason").fill("wrong image")
    button = form.get_by_role("button")
    button.click()
    assert served.desk.sent == []

    form.get_by_role("checkbox").check()
    button.dblclick()

    expect(page.locator("[data-part=sent]")).to_contain_text("Abort Rollout is done")
    assert [kind for kind, _ in served.desk.sent] == ["Abort Rollout"]


def test_a_refused_command_is_told_with_its_remedy(open_page: Open, served: Served) -> None:
    """A question that is answered elsewhere meanwhile: the page says so, and what to do."""
    rollout = asking(served)
    page = open_page(PAGE)
    page.get_by_label("Comment").fill("no")
    served.desk.decide(rollout, going(5, course=Course()))

    page.get_by_role("button", name="Reject").click()

    expect(page.locator("[data-part=sent]")).to_contain_text("Reject Gate was refused")
    expect(page.locator("[data-part=sent]")).to_contain_text("nothing waits for an answer")


def test_pages_work_without_their_script(chromium_without_script: Page, served: Served) -> None:
    """Nothing is live then, but everything is shown and every form does its work."""
    asking(served)
    page = chromium_without_script
    page.goto(served.at(PAGE))
    page.locator("#hold summary").click()
    page.locator("#hold").get_by_label("Reason").fill("support is short")
    page.get_by_role("button", name=f"Hold {JOB}").click()

    expect(page.locator("[data-part=sent]")).to_contain_text("Hold Rollout is done")


def test_names_with_markup_do_nothing(open_page: Open, served: Served) -> None:
    """Markup in reasons is shown as the text that it is."""
    attack = f"<img src=x onerror=alert(1)><script>alert(2)</script>{HOSTILE}"
    rollout = asking(served)
    hold = Hold(HoldKind.OPERATOR, attack, attack, NOW)
    served.desk.decide(rollout, held(5, holds=(hold,), suspects=(replace(SUSPECT, cohort=attack),)))

    page = open_page(PAGE)

    assert page.locator("main img").count() == 0
    expect(page.get_by_text("<script>alert(2)</script>").first).to_be_visible()


def test_a_console_that_has_gone_is_told(seen: Seen, served: Served) -> None:
    """Figures that are not up to date any more say so, in words."""
    asking(served)
    page = seen.open(PAGE)
    page.route("**/live", lambda route: route.abort())

    expect(page.locator("#pulse")).to_contain_text("not up to date", timeout=REFRESHED_MILLISECONDS)
    # Of which the browser complains, too.
    assert {each.partition(":")[0] for each in seen.complaints} == {"Failed to load resource"}
    seen.complaints.clear()


def test_a_hidden_page_does_not_ask(open_page: Open, served: Served) -> None:
    """A tab in the background costs nothing; it catches up once it is looked at again."""
    rollout = asking(served)
    page = open_page(PAGE)
    hide = "(is) => { Object.defineProperty(document, 'hidden', {value: is, configurable: true}); "
    hide += "document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, True)  # noqa: FBT003 - an argument of the script
    # What it asked just before may be on its way, and the browser fetches an icon when it likes.
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    served.desk.decide(rollout, held(5))
    page.wait_for_timeout(3000)
    assert [each for each in asked if "/assets/" not in each] == []

    page.evaluate(hide, False)  # noqa: FBT003 - an argument of the script

    expect(page.locator("#decision-5")).to_be_visible(timeout=AT_ONCE_MILLISECONDS)


def test_many_rollouts_and_long_ones_are_shown(open_page: Open, served: Served) -> None:
    """Two hundred rollouts are in one list, and a million devices in one picture."""
    served.desk.fill()

    expect(open_page("/").locator("a[href^='/rollouts/']")).to_have_count(201)
    expect(open_page(PAGE).locator("figure").first).to_contain_text(re.compile("of 1,000,000"))
