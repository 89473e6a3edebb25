"""What events on the bus set off: the Lambdas ``record`` and ``signal``."""

from constructs import Construct

from infra.bus import Bus
from infra.handler import Common, Handler
from infra.inbox import Inbox
from infra.ledger import Ledger
from infra.workflow import Machine


class Record(Construct):
    """
    Device reports, folded into the ledger in batches.

    Attributes:
        handler: The Lambda.
        inbox: The queue of device reports.
    """

    #: The larger the batch, the fewer transactions; the fewer at once, the less they contend.
    BATCH_SIZE = 100
    WINDOW_SECONDS = 1
    CONCURRENCY_MAX = 5

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
        super().__init__(scope, construct_id)
        self.handler = Handler(
            self,
            "Handler",
            common,
            name="record",
            description="Counts what devices report, and wakes the workflow past a tripwire.",
            memory_mb=512,
        )
        ledger.give_to(self.handler)
        machine.let_wake(self.handler)
        self.inbox = Inbox(
            self,
            "Inbox",
            common.settings,
            name="record",
            handler=self.handler,
            batch_size=self.BATCH_SIZE,
            window_seconds=self.WINDOW_SECONDS,
            concurrency_max=self.CONCURRENCY_MAX,
        )
        bus.deliver(
            "ToRecord",
            self.inbox,
            source="tidegate.iot",
            detail_types=["Job Execution Status Change", "Job Status Change"],
        )


class Signal(Construct):
    """
    What people ask for: launches, holds, approvals, aborts.

    Attributes:
        handler: The Lambda.
        inbox: The queue of requests.
    """

    #: Few and urgent: nobody waits for a batch to fill.
    BATCH_SIZE = 10
    WINDOW_SECONDS = 0
    CONCURRENCY_MAX = 2

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
        super().__init__(scope, construct_id)
        self.handler = Handler(
            self,
            "Handler",
            common,
            name="signal",
            description="Takes what people ask for: launches, holds, approvals, aborts.",
            memory_mb=512,
        )
        ledger.give_to(self.handler)
        bus.give_to(self.handler)
        machine.let_start(self.handler)
        machine.let_wake(self.handler)
        self.inbox = Inbox(
            self,
            "Inbox",
            common.settings,
            name="signal",
            handler=self.handler,
            batch_size=self.BATCH_SIZE,
            window_seconds=self.WINDOW_SECONDS,
            concurrency_max=self.CONCURRENCY_MAX,
        )
        bus.deliver("ToSignal", self.inbox, source="tidegate.operator")
