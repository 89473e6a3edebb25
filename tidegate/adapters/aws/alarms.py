"""CloudWatch alarms, metric and composite ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypedDict

from tidegate.adapters.aws.errors import translated
from tidegate.domain.standing import AlarmReading, AlarmState
from tidegate.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from typing import NotRequired

#: As many names as one DescribeAlarms takes, and as many alarms as it answers.
NAMES_MAX = 100

#: Pages of one answer: as many as it has alarms, at worst.
PAGES_MAX = NAMES_MAX

#: Unless both are named, DescribeAlarms leaves composite alarms out.
ALARM_TYPES = ("MetricAlarm", "CompositeAlarm")


class Alarm(TypedDict):
    """The members of an alarm that are read."""

    AlarmName: str
    StateValue: str
    StateUpdatedTimestamp: datetime
    StateTransitionedTimestamp: NotRequired[datetime]
    StateReason: NotRequired[str]


class DescribedAlarms(TypedDict):
    """One page of DescribeAlarms."""

    MetricAlarms: NotRequired[list[Alarm]]
    CompositeAlarms: NotRequired[list[Alarm]]
    NextToken: NotRequired[str]


class CloudWatchClient(Protocol):
    """What is asked of CloudWatch."""

    def describe_alarms(
        self,
        *,
        AlarmNames: Sequence[str],  # noqa: N803 - AWS's name
        AlarmTypes: Sequence[str],  # noqa: N803
        MaxRecords: int,  # noqa: N803
        **token: str,
    ) -> DescribedAlarms:
        """Return a page of these alarms."""


class CloudWatchAlarms:
    """The alarms of one account and region."""

    def __init__(self, client: CloudWatchClient) -> None:
        """Bind the client."""
        self._client = client

    def read(self, names: Iterable[str]) -> dict[str, AlarmReading]:
        """Return the state of those that exist, as CloudWatch last changed it."""
        wanted = sorted(set(names))
        return {
            alarm["AlarmName"]: _reading(alarm)
            for start in range(0, len(wanted), NAMES_MAX)
            for alarm in self._described(wanted[start : start + NAMES_MAX])
        }

    def _described(self, names: Sequence[str]) -> Iterator[Alarm]:
        token: dict[str, str] = {}
        for _ in range(PAGES_MAX):
            with translated(f"DescribeAlarms {', '.join(names)}"):
                answer = self._client.describe_alarms(
                    AlarmNames=names, AlarmTypes=list(ALARM_TYPES), MaxRecords=NAMES_MAX, **token
                )
            yield from answer.get("MetricAlarms", [])
            yield from answer.get("CompositeAlarms", [])
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}
        message = f"DescribeAlarms gives more than {PAGES_MAX} pages for {len(names)} alarms"
        raise Refused(message)


def _reading(alarm: Alarm) -> AlarmReading:
    # A state is updated with each new reason; only a transition makes it another state.
    since = alarm.get("StateTransitionedTimestamp", alarm["StateUpdatedTimestamp"])
    return AlarmReading(
        state=AlarmState(alarm["StateValue"]),
        since=since.timestamp(),
        reason=alarm.get("StateReason", ""),
    )
