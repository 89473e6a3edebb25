"""What is told of change calendars, in memory as by SSM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from tests.contract.conftest import MOTO, Clients
from tidegate.adapters.aws.calendars import ChangeCalendars
from tidegate.adapters.memory.calendars import MemoryCalendars
from tidegate.domain.standing import CalendarReading

if TYPE_CHECKING:
    from collections.abc import Sequence

ARN = "arn:aws:ssm:eu-central-1:111122223333:document/holidays"
READINGS = {
    "weekdays": CalendarReading(is_open=True, changes_at=1_893_456_000.0),
    ARN: CalendarReading(is_open=False, changes_at=None),
}
#: What SSM says of them.
ANSWERS = {
    "weekdays": {"State": "OPEN", "NextTransitionTime": "2030-01-01T00:00:00Z"},
    ARN: {"State": "CLOSED", "AtTime": "2029-12-30T00:00:00Z"},
}


class InMemory:
    """Calendars in memory."""

    def read(self, names: Sequence[str]) -> dict[str, CalendarReading]:
        """Read them."""
        return MemoryCalendars(READINGS).read(names)


class Scripted:
    """SSM by its model's word: no emulator knows calendars."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - the stubber's own
        self._script = Stubber(client)
        self._calendars = ChangeCalendars(client)

    def read(self, names: Sequence[str]) -> dict[str, CalendarReading]:
        """Read them, each in a request of its own."""
        for name in names:
            asked = {"CalendarNames": [name]}
            if name in ANSWERS:
                self._script.add_response("get_calendar_state", ANSWERS[name], asked)
            else:
                self._script.add_client_error(
                    "get_calendar_state", "InvalidDocument", expected_params=asked
                )
        with self._script:
            readings = self._calendars.read(names)
        self._script.assert_no_pending_responses()
        return readings


@pytest.fixture(scope="module")
def ssm() -> Any:  # noqa: ANN401 - as the class that makes it has it
    """Make the client once."""
    return Clients(MOTO).get("ssm")


@pytest.fixture(params=["memory", "scripted"])
def calendars(request: pytest.FixtureRequest) -> InMemory | Scripted:
    """Provide calendars of each kind."""
    if request.param == "memory":
        return InMemory()
    return Scripted(request.getfixturevalue("ssm"))


def test_a_calendar_tells_whether_it_is_open_and_until_when(
    calendars: InMemory | Scripted,
) -> None:
    """Each calendar has its own state, by name or by ARN; one may never change."""
    assert calendars.read(["weekdays", ARN]) == READINGS


def test_an_unknown_calendar_is_missing(calendars: InMemory | Scripted) -> None:
    """Whoever asked for it sees that it is not there, and the others are."""
    assert calendars.read(["gone", "weekdays"]).keys() == {"weekdays"}


def test_no_calendar_is_asked_for_nothing(calendars: InMemory | Scripted) -> None:
    """No names, no request."""
    assert calendars.read([]) == {}
