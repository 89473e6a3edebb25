"""What events on the bus set off: the Lambdas ``record`` and ``signal``."""

from collections.abc import Sequence

from constructs import Construct

from infra.bus import Bus
from infra.handler import Common, Handler
from infra.inbox import Inbox
from infra.ledger import Ledger
from infra.workflow import Machine


class Reaction(Construct):
    """
    A Lambda that takes events from the bus, out of an inbox.

    Attributes:
        handler: The Lambda.
        inbox: The queue in between.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        common: Common,
        *,
        bus: Bus,
        name: str,
        description: str,
        source: str,
        detail_types: Sequence[str] = (),
        batch_size: int,
        window_seconds: int,
        concurrency_max: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self.handler = Handler(
            self, "Handler", common, name=name, description=description, memory_mb=512
        )
        self.inbox = Inbox(
            self,
            "Inbox",
            common.settings,
            name=name,
            handler=self.handler,
            batch_size=batch_size,
            window_seconds=window_seconds,
            concurrency_max=concurrency_max,
        )
        bus.deliver(f"To{construct_id}", self.inbox, source=source, detail_types=detail_types)


class Record(Reaction):
    """Device reports, folded into the ledger in batches."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        common: Common,
        *,
        bus: Bus,
        ledger: Ledger,
        machine: Machine,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            common,
            bus=bus,
            name="record",
            description="Counts what devices report, and wakes the workflow past a tripwire.",
            source="tidegate.iot",
            detail_types=["Job Execution Status Change", "Job Status Change"],
            # The larger a batch, the fewer transactions; the fewer at once, the less they contend.
            batch_size=100,
            window_seconds=1,
            concurrency_max=5,
        )
        ledger.give_to(self.handler)
        machine.let_wake(self.handler)


class Signal(Reaction):
    """What people ask for: launches, enrolments, holds, aborts."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        common: Common,
        *,
        bus: Bus,
        ledger: Ledger,
        machine: Machine,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            common,
            bus=bus,
            name="signal",
            description="Does what people ask for: launches, enrolments, holds, aborts.",
            source="tidegate.operator",
            # Few and urgent: nobody waits for a batch to fill.
            batch_size=10,
            window_seconds=0,
            concurrency_max=2,
        )
        ledger.give_to(self.handler)
        bus.give_to(self.handler)
        machine.let_start(self.handler)
        machine.let_wake(self.handler)
        machine.let_look(self.handler)
