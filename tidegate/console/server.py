"""
The console: pages of rollouts over HTTP, for one person on this machine, with that person's rights.

It reads the ledger and puts commands on the bus, as the command line does; it keeps nothing but
what it has read.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tidegate.console.asking import FORM_BYTES_MAX, KINDS, asked_for
from tidegate.console.guard import Guard, Secrets
from tidegate.console.pages import (
    ASSETS,
    Sent,
    Viewer,
    rollout_page,
    rollout_parts,
    rollouts_page,
    rollouts_parts,
    trouble_page,
)
from tidegate.console.view import Detail, created_of
from tidegate.console.watching import Watching
from tidegate.documents.commands import CommandError
from tidegate.documents.shapes import EVENT_ID, JOB_ID
from tidegate.errors import NotFound, RetryLater, TidegateError
from tidegate.ports import BusEvent

#: The port that a browser is sent to unless another one is asked for.
PORT = 8420

#: What a browser asks for beside pages.
_FILES = {
    "base.css": "text/css",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

#: Fields of one form, at most.
_FIELDS_MAX = 20

#: Which command a page was sent from, and under which id it is on the bus.
_TOLD, _KIND = "told", "kind"

#: When the job was created that a page is of, in epoch seconds; without it, of the newest.
_CREATED = "created"

_HEADLINES = {
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.FORBIDDEN: "AWS does not allow this",
    HTTPStatus.SERVICE_UNAVAILABLE: "AWS does not answer now",
}

_UNSENT = "Nothing was changed. Look at the problem, and try again."


class CommandBus(Protocol):
    """The bus, for who wants to know what becomes of an event."""

    def send(self, event: BusEvent) -> str:
        """Put one event on the bus and return its id; raises Refused or RetryLater."""


@dataclass(frozen=True, slots=True)
class Console:
    """What the pages are made of and what their forms reach."""

    watching: Watching
    bus: CommandBus
    viewer: Viewer

    # Starlette runs what is no coroutine on a thread: AWS may take its time.

    def rollouts(self, request: Request) -> Response:
        """Answer with the page of all rollouts."""
        del request
        return self._answered(
            lambda: rollouts_page(self.watching.glances(), self.watching.waiting(), self.viewer)
        )

    def rollouts_live(self, request: Request) -> Response:
        """Answer with the parts of it that change."""
        return _unless_known(
            request, lambda: rollouts_parts(self.watching.glances(), self.watching.waiting())
        )

    def rollout(self, request: Request) -> Response:
        """Answer with the page of one rollout."""
        job_id = _job_id(request)
        if job_id is None:
            return self._trouble(HTTPStatus.NOT_FOUND, "No such page", "A job's id is expected.")
        return self._answered(
            lambda: rollout_page(self._detail(job_id, request), self.viewer, self._sent(request))
        )

    def rollout_live(self, request: Request) -> Response:
        """Answer with the parts of it that change."""
        job_id = _job_id(request)
        if job_id is None:
            return PlainTextResponse("no job's id", HTTPStatus.NOT_FOUND)
        return _unless_known(
            request,
            lambda: rollout_parts(self._detail(job_id, request), self.viewer, self._sent(request)),
        )

    async def command(self, request: Request) -> Response:
        """Put the command on the bus that a form asks for, and lead back to the page."""
        job_id, form = _job_id(request), await _form(request)
        if job_id is None or form is None:
            return self._trouble(HTTPStatus.BAD_REQUEST, "Not sent", "The form is not the page's.")
        return await run_in_threadpool(self._command, job_id, form)

    def missing(self, request: Request, error: Exception) -> Response:
        """Answer to an address that leads nowhere."""
        del request, error
        return self._trouble(HTTPStatus.NOT_FOUND, "No such page", "Begin with all rollouts.")

    def _command(self, job_id: str, form: Mapping[str, str]) -> Response:
        try:
            event = asked_for(job_id, form)
        except CommandError as error:
            return self._unsent(job_id, Sent("The command", None, error.problem, error.remedy))
        try:
            event_id = self.bus.send(event)
        except TidegateError as error:
            return self._unsent(job_id, Sent(event.detail_type, None, str(error), _UNSENT))
        query = urlencode({_TOLD: event_id, _KIND: event.detail_type})
        headers = {"location": f"/rollouts/{job_id}?{query}"}
        return Response(status_code=HTTPStatus.SEE_OTHER, headers=headers)

    def _unsent(self, job_id: str, sent: Sent) -> Response:
        return self._answered(
            lambda: rollout_page(self.watching.detail(job_id), self.viewer, sent),
            HTTPStatus.UNPROCESSABLE_ENTITY,
        )

    def _detail(self, job_id: str, request: Request) -> Detail:
        """Return the rollout that the address names."""
        created = request.query_params.get(_CREATED, "")
        return self.watching.detail(job_id, created_at=created_of(created) if created else None)

    def _sent(self, request: Request) -> Sent | None:
        """Return what became of the command that the address names, if it names one."""
        event_id, kind = request.query_params.get(_TOLD, ""), request.query_params.get(_KIND, "")
        if not EVENT_ID.fullmatch(event_id):
            return None
        # Whoever makes up an address has no words of their own in the page.
        known = kind if kind in KINDS else "The command"
        return Sent(known, self.watching.command(event_id))

    def _answered(self, make: Callable[[], str], status: HTTPStatus = HTTPStatus.OK) -> Response:
        """Return a page, or one that says why there is none."""
        try:
            return HTMLResponse(make(), status)
        except TidegateError as error:
            status = _status_of(error)
            return self._trouble(status, _HEADLINES[status], str(error))

    def _trouble(self, status: HTTPStatus, headline: str, problem: str) -> Response:
        return HTMLResponse(trouble_page(self.viewer, headline, problem), status)


def console_app(console: Console, *, port: int, secrets: Secrets) -> ASGIApp:
    """
    Return the application that serves the console.

    Args:
        console: What it shows.
        port: Of loopback, where it will be reached.
        secrets: Who may reach it.
    """
    routes = [
        Route("/", console.rollouts),
        Route("/live", console.rollouts_live),
        Route("/assets/{name}", _asset),
        Route("/rollouts/{job_id}", console.rollout),
        Route("/rollouts/{job_id}/live", console.rollout_live),
        Route("/rollouts/{job_id}/commands", _tokened(console.command, secrets), methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPStatus.NOT_FOUND: console.missing})
    return Guard(app, port=port, secrets=secrets)


def _tokened(
    answer: Callable[[Request], Awaitable[Response]], secrets: Secrets
) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers only to forms of a page of this session."""

    async def checked(request: Request) -> Response:
        form = await _form(request)
        if form is None or not secrets.is_form_token(form.get("token", "")):
            problem = "The form is of another session: load the page again. Nothing was done."
            return PlainTextResponse(problem, HTTPStatus.FORBIDDEN)
        return await answer(request)

    return checked


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _FILES:
        return PlainTextResponse("no such file", HTTPStatus.NOT_FOUND)
    return FileResponse(ASSETS / name, media_type=_FILES[name])


def _job_id(request: Request) -> str | None:
    job_id: str = request.path_params["job_id"]
    return job_id if JOB_ID.fullmatch(job_id) else None


async def _form(request: Request) -> dict[str, str] | None:
    """Return a form's fields; None if it is none of ours, or too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    if hasattr(request.state, "form"):
        known: dict[str, str] | None = request.state.form
        return known
    request.state.form = await _fields(request)
    fields: dict[str, str] | None = request.state.form
    return fields


async def _fields(request: Request) -> dict[str, str] | None:
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_BYTES_MAX:
                return None
        found = parse_qs(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX
        )
    except (ClientDisconnect, UnicodeDecodeError, ValueError):
        return None
    return {name: values[0] for name, values in found.items()}


def _unless_known(request: Request, make: Callable[[], str]) -> Response:
    """Return parts of a page, or only that they are what the browser has already."""
    try:
        parts = make()
    except TidegateError as error:
        return PlainTextResponse(shown_line(str(error)), _status_of(error))
    mark = f'"{sha256(parts.encode()).hexdigest()[:32]}"'
    headers = {"etag": mark}
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return HTMLResponse(parts, headers=headers)


def _status_of(error: TidegateError) -> HTTPStatus:
    if isinstance(error, NotFound):
        return HTTPStatus.NOT_FOUND
    is_away = isinstance(error, RetryLater)
    return HTTPStatus.SERVICE_UNAVAILABLE if is_away else HTTPStatus.FORBIDDEN


def shown_line(text: str) -> str:
    """Return an error's message as a script puts it into the page, as text."""
    return " ".join(text.split())
