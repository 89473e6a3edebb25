"""A console that is really served, and the Chromium of this machine that looks at it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Request

from tests.browser.serving import CHROMIUMS, Served, browsing, chromium_path, serving


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve the console of an account in memory."""
    with serving() as served:
        yield served


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start the machine's Chromium."""
    path = chromium_path()
    if path is None:
        pytest.skip(f"no Chromium here: install one of {', '.join(CHROMIUMS)}")
    with browsing(path) as browser:
        yield browser


@dataclass
class Seen:
    """Pages that were opened, and what went wrong in them."""

    chromium: Browser
    served: Served
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str, *, width: int = 1280, scheme: str = "light") -> Page:
        """Open a page of the console, in a window and a colour scheme."""
        context = self.chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page = context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)
        page.goto(self.served.address)
        page.goto(self.served.at(path))
        return page

    def _asked(self, request: Request) -> None:
        """Complain of what goes to another host."""
        if not request.url.startswith(self.served.at("/")):
            self.complaints.append(request.url)


@pytest.fixture
def seen(chromium: Browser, served: Served) -> Iterator[Seen]:
    """Return the pages that a test opens; nothing may have gone wrong in them in the end."""
    seen = Seen(chromium, served)
    yield seen
    for context in chromium.contexts:
        context.close()
    assert seen.complaints == []


@pytest.fixture
def open_page(seen: Seen) -> Callable[..., Page]:
    """Return an opener of pages."""
    return seen.open


@pytest.fixture
def chromium_without_script(chromium: Browser, served: Served) -> Iterator[Page]:
    """Return a page that runs no script and was let in."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(served.address)
    yield page
    context.close()
