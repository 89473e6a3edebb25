"""
The guard before the console page: who may ask at all, and what a browser may do with the answer.

The page speaks with the rights of whoever started it, so nobody else may use it: no other user of
the machine, who can reach loopback too, and no page of another site, open in the same browser.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The member of the address that lets a browser in, the first time.
KEY = "key"

#: Nothing but what the server itself serves, and nobody may put the page into a frame.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # With no-referrer, browsers would not tell the origin of a form either.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_OPEN_AGAIN = "Open the address that `tidegate console` printed, with its key."
_ELSEWHERE = "This is Tidegate's console; it answers to its own address only."
_FOREIGN = "This did not come from the console's own page: nothing was done."


@dataclass(frozen=True, slots=True)
class Secrets:
    """
    What a session is known by.

    Attributes:
        key: Chance of 128 bits or more, as letters and digits; new for each start of the server.
    """

    key: str

    @property
    def form_token(self) -> str:
        """What a form of the page carries; it does not tell the key."""
        return hmac.new(self.key.encode(), b"form", sha256).hexdigest()

    def is_key(self, given: str) -> bool:
        """Return whether it is the key, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(given.encode(), self.key.encode())

    def is_form_token(self, given: str) -> bool:
        """Return whether it is what a form carries, likewise."""
        return hmac.compare_digest(given.encode(), self.form_token.encode())


class Guard:
    """An application that answers only to whoever started it."""

    def __init__(self, app: ASGIApp, *, port: int, secrets: Secrets) -> None:
        """Guard an application that is served on this port of loopback."""
        self._app, self._secrets = app, secrets
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        # Cookies know no ports: another console on this machine has another name.
        self._cookie = f"tidegate-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass, with headers that bind the browser."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, _bound(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to what may not pass; None if it may."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self._hosts:
            # A name that somebody else lets point here would make their page ours.
            return PlainTextResponse(_ELSEWHERE, HTTPStatus.MISDIRECTED_REQUEST)
        given = parse_qs(scope["query_string"].decode("latin-1")).get(KEY, [""])[0]
        if scope["method"] == "GET" and given and self._secrets.is_key(given):
            return self._let_in(scope["path"])
        if not self._secrets.is_key(self._cookie_of(headers)):
            return PlainTextResponse(_OPEN_AGAIN, HTTPStatus.FORBIDDEN)
        if not _is_own(scope["method"], headers, f"http://{host}"):
            return PlainTextResponse(_FOREIGN, HTTPStatus.FORBIDDEN)
        return None

    def _let_in(self, path: str) -> Response:
        answer = RedirectResponse("/" + path.lstrip("/\\"), HTTPStatus.SEE_OTHER)
        answer.set_cookie(self._cookie, self._secrets.key, path="/", httponly=True, samesite="lax")
        return answer

    def _cookie_of(self, headers: Headers) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return found.value if found else ""


def _is_own(method: str, headers: Headers, origin: str) -> bool:
    """Whether it comes from the page itself; a link elsewhere may lead to it all the same."""
    site = headers.get("sec-fetch-site", "same-origin")
    if method in ("GET", "HEAD"):
        is_visit = headers.get("sec-fetch-mode") == "navigate"
        return site in ("same-origin", "none") or is_visit
    return site == "same-origin" and headers.get("origin") == origin


def _bound(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
        await send(message)

    return with_headers
