"""A world in which devices are somebody: registered, connected, and looked after one by one."""

import contextlib
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest import mock

from tests.scenario.interference import Interference
from tests.scenario.people import JOB
from tests.scenario.world import MINUTE_SECONDS, START, World
from tidegate.adapters.memory.executions import MemoryExecutions
from tidegate.adapters.memory.presences import MemoryPresences
from tidegate.adapters.memory.reporters import MemoryReporters
from tidegate.adapters.memory.things import MemoryThings
from tidegate.documents.reports import DEVICE_EXECUTION_REPORT
from tidegate.domain.executions import Execution
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import ThingRecord
from tidegate.domain.things import Presence, Traits
from tidegate.lab.aws import Notice
from tidegate.ports import BusEvent

#: When all devices that connect at all did so last, before any story.
CONNECTED_SINCE = START - 86_400.0


@dataclass(frozen=True, slots=True)
class Doing:
    """
    What one device does with a job; minutes count from its notification.

    Attributes:
        outcome: How it ends; None if it never says.
        starts_after: Minutes until it takes the job up; None if it never does.
        ends_after: Minutes until its outcome.
        details: What it reports with its outcome as ``statusDetails``.
        gone_after: Minutes from its outcome until its connection is lost; None if it stays.
    """

    outcome: ExecutionStatus | None = ExecutionStatus.SUCCEEDED
    starts_after: float | None = 0.2
    ends_after: float = 2.0
    details: Mapping[str, str] = field(default_factory=dict)
    gone_after: float | None = None


#: What the device of a name does.
Doings = Callable[[str, Random], Doing]


def good(_: str, chance: Random) -> Doing:
    """Do well, within a few minutes."""
    return Doing(ends_after=2.0 * chance.uniform(0.5, 1.5))


class DeviceWorld(World):
    """
    The world, and what is known of each device beside its executions.

    Attributes:
        single: Executions one by one, as a device's own AWS SDK sees them.
        between_single_calls: What others do between two calls about one execution.
        registry: Things, all of one kind unless the story says otherwise.
        presences: Connections; all devices are connected at first.
        reporters: Who may report for devices; nobody at first.
        doings: What devices do.
    """

    def __init__(
        self,
        *,
        things: int = 200,
        doings: Doings = good,
        traits: Callable[[int], Traits] = lambda _: Traits(),
        **choices: Any,  # noqa: ANN401 - as the world's
    ) -> None:
        """Start an account with so many registered and connected things."""
        super().__init__(things=things, **choices)
        names = sorted(self.jobs.groups["fleet"])
        self.doings = doings
        self._chance = Random("what devices do")
        self.single = MemoryExecutions(self.jobs, self.clock)
        self.single.faults = self.between_single_calls = Interference()
        self.registry = MemoryThings({name: traits(place) for place, name in enumerate(names)})
        connected = {
            name: Presence(is_connected=True, changed_at=CONNECTED_SINCE) for name in names
        }
        self.presences = MemoryPresences(connected)
        self.reporters = MemoryReporters()

    # what devices do

    def _notify(self, notice: Notice) -> None:
        doing = self.doings(notice.thing_name, self._chance)
        if doing.starts_after is None:
            return
        self._later(doing.starts_after, lambda: self._begin(notice))
        if doing.outcome is not None:
            ends_after = max(doing.ends_after, doing.starts_after)
            self._later(ends_after, lambda: self._end(notice, doing))

    def _begin(self, notice: Notice) -> None:
        self.jobs.device_reports(notice, ExecutionStatus.IN_PROGRESS)

    def _end(self, notice: Notice, doing: Doing) -> None:
        if doing.outcome is None:
            return
        self.jobs.device_reports(notice, doing.outcome, doing.details or None)
        if doing.gone_after is not None:
            self._later(doing.gone_after, lambda: self.disconnect(notice.thing_name))

    def _later(self, minutes: float, action: Callable[[], None]) -> None:
        self.after(minutes * MINUTE_SECONDS, action)

    def disconnect(self, *names: str) -> None:
        """Let devices lose their connection now."""
        gone = Presence(is_connected=False, changed_at=self.clock.now())
        self.presences.known |= dict.fromkeys(names, gone)

    def connect(self, *names: str) -> None:
        """Let devices connect now."""
        there = Presence(is_connected=True, changed_at=self.clock.now())
        self.presences.known |= dict.fromkeys(names, there)

    # who reports for them

    def relayed(self, source: str, thing_name: str, status: str, **members: object) -> str:
        """Return a report for a device as the bus delivers it, to be delivered at will."""
        self._happened += 1
        detail = {"jobId": JOB, "thingName": thing_name, "status": status, **members}
        event = BusEvent(DEVICE_EXECUTION_REPORT, detail, source)
        return json.dumps(self._delivered(event, f"report-{self._happened}"))

    def deliver(self, *reports: str, seconds: float = 0.0) -> None:
        """Let the Lambda ``relay`` have reports by its queue."""
        for report in reports:
            self.send("relay", report, seconds)

    # what a story asks

    def execution(self, thing_name: str, job_id: str = JOB) -> Execution:
        """Return a thing's execution as AWS has it."""
        return MemoryExecutions(self.jobs, self.clock).describe(thing_name, job_id)

    def record_of(self, thing_name: str) -> ThingRecord:
        """Return what the ledger has of a thing."""
        return self.ledger.things(self.rollout.key, [thing_name])[thing_name]

    def harmed(self) -> int:
        """Return how many devices the last decision counts as harmed."""
        return self.decisions[-1].evidence.harmed

    @contextlib.contextmanager
    def provided(self) -> Iterator[None]:
        """Let handlers find this world's devices too."""
        environment = importlib.import_module("tidegate.adapters.aws.environment")
        with (
            super().provided(),
            mock.patch.multiple(
                environment,
                executions=lambda: self.single,
                things=lambda: self.registry,
                presences=lambda: self.presences,
                reporters=lambda: self.reporters,
            ),
        ):
            yield
