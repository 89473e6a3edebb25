"""A browser for one page at a time: it calls the console's application and keeps its cookies."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from tidegate.console.guard import Secrets
from tidegate.console.pages import Viewer
from tidegate.console.server import CommandBus, Console, console_app
from tidegate.console.watching import Watching

PORT = 8420
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"
SECRETS = Secrets("k" * 32)
VIEWER = Viewer("Tidegate, account 111122223333, eu-central-1", "night-shift", SECRETS.form_token)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the console answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass(slots=True)
class Browser:
    """One that has opened the address with its key, unless its cookie is taken away."""

    app: Any
    cookies: dict[str, str] = field(default_factory=lambda: {f"tidegate-{PORT}": SECRETS.key})

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page."""
        return self.ask("GET", path, headers)

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        """Send a form, as a page of the console does unless headers say otherwise."""
        sent = {
            "content_type": "application/x-www-form-urlencoded",
            "origin": ORIGIN,
            "sec_fetch_site": "same-origin",
            **headers,
        }
        filled = {"token": SECRETS.form_token, **form}
        return self.ask("POST", path, sent, urlencode(filled).encode())

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Ask for anything; a header that is empty is not sent."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        wanted = {"host": HOST, "cookie": cookie, **headers}
        answer = asyncio.run(
            _called(self.app, method, path, {k: v for k, v in wanted.items() if v}, body)
        )
        for morsel in SimpleCookie(answer.headers.get("set-cookie", "")).values():
            self.cookies[morsel.key] = morsel.value
        return answer


def browser(ledger: Any, bus: CommandBus, clock: Any) -> Browser:  # noqa: ANN401 - a ledger and records in one
    """Return a browser at the console of a ledger."""
    console = Console(Watching(ledger, ledger, clock), bus, VIEWER)
    return Browser(console_app(console, port=PORT, secrets=SECRETS))


async def _called(
    app: Any,  # noqa: ANN401 - an ASGI application
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    parts = urlsplit(path)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [
            (name.replace("_", "-").encode("latin-1"), value.encode("latin-1"))
            for name, value in headers.items()
        ],
        "server": ("127.0.0.1", PORT),
        "client": ("127.0.0.1", 50_000),
    }
    messages: list[dict[str, Any]] = []
    incoming = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, send)
    start = messages[0]
    return Answer(
        start["status"],
        {name.decode(): value.decode("latin-1") for name, value in start["headers"]},
        b"".join(each.get("body", b"") for each in messages[1:]),
    )
