"""``tidegate console``: served on loopback, for whoever started it."""

import socket
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

import pytest

from tests.unit.cli.desk import JOB, Desk, going
from tidegate.cli.account import Access
from tidegate.cli.console import HOST, bound, console_of, server_of
from tidegate.cli.exits import ExitStatus
from tidegate.console.guard import Secrets
from tidegate.errors import NotFound, RetryLater


@pytest.fixture
def desk() -> Desk:
    """Return an account with a rollout that goes on."""
    desk = Desk()
    desk.decide(desk.enroll(), going())
    return desk


def test_the_printed_address_leads_to_the_page(desk: Desk) -> None:
    """Served on loopback and nowhere else, with a key without which there is nothing to see."""
    with bound(0) as listening:
        host, port = listening.getsockname()
        server, address = server_of(desk.open(Access()), port)
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        with pytest.raises(HTTPError, match="403"):
            build_opener(ProxyHandler({})).open(f"http://{HOST}:{port}/", timeout=10)
        opener = build_opener(ProxyHandler({}), HTTPCookieProcessor())
        with opener.open(address, timeout=10) as answer:
            page, path = answer.read().decode(), urlsplit(answer.url).path
        server.should_exit = True
        thread.join(10)

    assert host == HOST == "127.0.0.1"
    assert path == "/"
    assert JOB in page
    assert "Tidegate, account 111122223333, eu-central-1" in page


def test_each_start_has_a_key_of_its_own(desk: Desk) -> None:
    """An address from yesterday opens nothing today, and none can be guessed."""
    account = desk.open(Access())
    keys = {server_of(account, 8420)[1].partition("?key=")[2] for _ in range(10)}

    assert len(keys) == 10
    assert min(map(len, keys)) >= 22


def test_a_port_in_use_is_told_with_the_remedy(desk: Desk) -> None:
    """Somebody else has the port: one line, and which option helps."""
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        result = desk.type_in("console", "--port", f"{other.getsockname()[1]}")

    assert result.exit_code == ExitStatus.REFUSED
    assert "cannot be used" in result.stderr
    assert "give another --port" in result.stderr


def test_an_account_without_a_tidegate_serves_nothing(desk: Desk) -> None:
    """Where there is nothing to show, the command ends, with what is missing."""
    desk.refuses = NotFound("there is no stack Tidegate")

    assert desk.type_in("console").exit_code == ExitStatus.NOT_FOUND


def test_a_caller_that_aws_does_not_name_can_still_look(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who commands are from is then left to whoever fills in the form."""

    def fails(_: Desk) -> str:
        message = "GetCallerIdentity: AWS could not be reached"
        raise RetryLater(message)

    account = desk.open(Access())
    monkeypatch.setattr(type(account), "caller", property(fails), raising=False)

    assert console_of(account, Secrets("k")).viewer.by == ""
