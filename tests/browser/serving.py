"""What a browser needs: a console that is really served, and the Chromium of this machine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

from playwright.sync_api import Browser, sync_playwright

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


@contextmanager
def serving() -> Iterator[Served]:
    """Serve the console of an account in memory, on a port that is free."""
    desk = Desk()
    with bound(0) as listening:
        server, address = server_of(desk.open(Access()), listening.getsockname()[1])
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield Served(desk, address)
        server.should_exit = True
        thread.join(_STARTS_WITHIN_SECONDS)


def chromium_path() -> str | None:
    """Return where the machine's Chromium is; None if it has none."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


@contextmanager
def browsing(path: str) -> Iterator[Browser]:
    """Start the Chromium at a path; nothing is downloaded."""
    with sync_playwright() as playwright:
        # Containers have no namespaces to put it into; it opens nothing but pages of our own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
