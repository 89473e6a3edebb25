"""A console that is really served, and the Chromium of this machine that looks at it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.unit.cli.desk import Desk
from tidegate.cli.account import Access
from tidegate.cli.console import bound, server_of

#: What Chromium is called, depending on who packaged it.
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_STARTS_WITHIN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Served:
    """
    A console that is served.

    Attributes:
        desk: The account in memory that it shows.
        address: With its key.
    """

    desk: Desk
    address: str

    def at(self, path: str) -> str:
        """Return the address of a page."""
        return self.address.partition("/?")[0] + path


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve the console of an account in memory, on a port that is free."""
    desk = Desk()
    with bound(0) as listening:
        server, address = server_of(desk.open(Access()), listening.getsockname()[1])
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield Served(desk, address)
        server.should_exit = True
        thread.join(_STARTS_WITHIN_SECONDS)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start the machine's Chromium; nothing is downloaded."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.skip(f"no Chromium here: install one of {', '.join(CHROMIUMS)}")
    with sync_playwright() as playwright:
        # Containers have no namespaces to put it into; it opens nothing but pages of our own.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


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
