"""``tidegate console``: pages of rollouts in the browser of whoever starts it."""

import contextlib
import socket
from collections.abc import Iterator
from secrets import token_urlsafe  # noqa: TID251 - the edge of the world: real chance comes in
from typing import Annotated

import typer
import uvicorn

from tidegate.cli.account import (
    Access,
    Account,
    opened,
)
from tidegate.cli.exits import Failed
from tidegate.cli.options import spread
from tidegate.cli.output import complain, printable
from tidegate.console.guard import KEY, Secrets
from tidegate.console.pages import Viewer
from tidegate.console.server import PORT, Console, console_app
from tidegate.console.watching import Watching
from tidegate.errors import TidegateError

#: Nobody else on the network is to speak with the viewer's rights.
HOST = "127.0.0.1"

_PORT_MAX = 65_535
_KEY_BYTES = 24
_STOPS_WITHIN_SECONDS = 3


@spread
def command(
    context: typer.Context,
    *,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=_PORT_MAX, metavar="NUMBER", help="Where to serve it; 0 takes a free one."
        ),
    ] = PORT,
    access: Access,
) -> None:
    """
    Serve pages of all rollouts on this machine, until interrupted.

    Prints the address to open, with a key that lets nobody else in. The pages are live; they act
    with your rights, and what AWS denies you is shown as such.
    """
    with opened(context, access) as account, bound(port) as listening:
        server, address = server_of(account, listening.getsockname()[1])
        print(address, flush=True)
        complain("Open this address in a browser; Ctrl-C ends it.")
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def server_of(account: Account, port: int) -> tuple[uvicorn.Server, str]:
    """Return what serves the console of an account on a port, and the address with its key."""
    known = Secrets(token_urlsafe(_KEY_BYTES))
    app = console_app(console_of(account, known), port=port, secrets=known)
    config = uvicorn.Config(
        app,
        access_log=False,
        date_header=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_STOPS_WITHIN_SECONDS,
        ws="none",
    )
    return uvicorn.Server(config), f"http://{HOST}:{port}/?{KEY}={known.key}"


def console_of(account: Account, known: Secrets) -> Console:
    """Return the console of an account, for whoever is asking."""
    watching = Watching(account.ledger, account.ledger, account.clock)
    viewer = Viewer(place=_place(account), by=_caller(account), token=known.form_token)
    return Console(watching, account.bus, viewer)


def _place(account: Account) -> str:
    """Return which Tidegate is shown: stack, account and region."""
    _, _, _, region, account_id, *_ = account.outputs["StateMachineArn"].split(":")
    return f"{account.stack_name}, account {account_id}, {region}"


def _caller(account: Account) -> str:
    """Return who is asking; nobody where AWS does not tell: a form can still name somebody."""
    try:
        return printable(account.caller())
    except TidegateError:
        return ""


@contextlib.contextmanager
def bound(port: int) -> Iterator[socket.socket]:
    """Yield a socket on a port of loopback, a free one for 0; raises Failed if it is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
            listening.listen()
        except OSError as error:
            message = f"port {port} of {HOST} cannot be used: {error.strerror}: give another --port"
            raise Failed(message) from error
        yield listening
