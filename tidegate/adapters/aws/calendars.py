"""SSM Change Calendars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.adapters.aws.errors import translated
from tidegate.adapters.timestamps import epoch_seconds_of
from tidegate.domain.standing import CalendarReading
from tidegate.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_ssm import SSMClient

OPEN = "OPEN"


class ChangeCalendars:
    """The calendars that one account sees: its own by name, those shared with it by ARN."""

    def __init__(self, client: SSMClient) -> None:
        """Bind the client."""
        self._client = client

    def read(self, names: Iterable[str]) -> dict[str, CalendarReading]:
        """
        Return the state of those that exist.

        Each is asked for alone: of several at once, GetCalendarState tells neither which one is
        closed nor which one does not exist.

        Raises:
            Refused: One is no change calendar.
        """
        readings = {name: self._reading(name) for name in dict.fromkeys(names)}
        return {name: reading for name, reading in readings.items() if reading is not None}

    def _reading(self, name: str) -> CalendarReading | None:
        try:
            with translated(f"GetCalendarState {name}"):
                answer = self._client.get_calendar_state(CalendarNames=[name])
        except NotFound:
            return None
        return CalendarReading(
            is_open=answer["State"] == OPEN,
            changes_at=epoch_seconds_of(answer.get("NextTransitionTime")),
        )
