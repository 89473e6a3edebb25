"""What events on the bus set off: the Lambdas ``record``, ``relay`` and ``signal``."""

from collections.abc import Sequence

from aws_cdk.aws_events import EventPattern, Match, Rule
from constructs import Construct

from infra.bus import Bus
from infra.handler import Common, Handler
from infra.inbox import Inbox
from infra.jobs import (
    let_count_things,
    let_describe_enrolled,
    let_find_out,
    let_read_things,
    let_update_executions,
)
from infra.ledger import Ledger
from infra.policies import Policies, let_read_parameters
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
        source: Sequence[str],
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
            source=["tidegate.iot"],
            detail_types=["Job Execution Status Change", "Job Status Change"],
            # The larger a batch, the fewer transactions; the fewer at once, the less they contend.
            batch_size=100,
            window_seconds=1,
            concurrency_max=5,
        )
        ledger.give_to(self.handler)
        machine.let_wake(self.handler)
        let_read_things(self.handler)
        self.handler.knows(TIDEGATE_MINUTE_SECONDS=f"{common.settings.minute_seconds:g}")


class Relay(Reaction):
    """
    What gateways and other systems report for devices that do not speak Jobs themselves.

    Events may come from any source but Tidegate's own, since which source may report for which
    devices is a list of its own: IAM's condition ``events:source`` keeps one from speaking as
    another.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        common: Common,
        *,
        bus: Bus,
        ledger: Ledger,
        reporter_prefix: str,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            common,
            bus=bus,
            name="relay",
            description="Updates executions for devices that others report for.",
            source=Match.any_of(
                Match.anything_but_prefix("tidegate"), Match.exact_string("tidegate.device")
            ),
            detail_types=["Device Execution Report"],
            batch_size=10,
            window_seconds=0,
            # AWS lets an account update 200 executions a second; devices do so themselves too.
            concurrency_max=2,
        )
        ledger.give_to(self.handler)
        bus.give_to(self.handler)
        let_update_executions(self.handler)
        let_read_things(self.handler)
        self.handler.knows(TIDEGATE_REPORTER_PREFIX=reporter_prefix)
        let_read_parameters(
            self.handler,
            reporter_prefix,
            wildcard="Each source has a parameter of its own; people add some at any time.",
        )


class Signal(Reaction):
    """
    What people and other systems ask for, and what else in the account concerns rollouts.

    AWS's own services put their events on the account's default bus; from there they come straight
    into this inbox. They only wake: what counts is what a review reads.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        common: Common,
        *,
        bus: Bus,
        ledger: Ledger,
        policies: Policies,
        machine: Machine,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            common,
            bus=bus,
            name="signal",
            description="Does what people ask for: launches, holds, answers, aborts.",
            source=["tidegate.operator"],
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
        policies.give_to(self.handler)
        let_find_out(self.handler)
        let_describe_enrolled(self.handler)
        let_count_things(self.handler)
        self._listen(
            "ToAlarmChange",
            EventPattern(source=["aws.cloudwatch"], detail_type=["CloudWatch Alarm State Change"]),
        )
        self._listen(
            "ToCalendarChange",
            EventPattern(source=["aws.ssm"], detail_type=["Calendar State Change"]),
        )
        self._listen(
            "ToJobCreated",
            EventPattern(
                source=["aws.iot"],
                detail_type=["AWS API Call via CloudTrail"],
                detail={
                    "eventSource": ["iot.amazonaws.com"],
                    "eventName": ["CreateJob"],
                    "errorCode": Match.does_not_exist(),
                },
            ),
        )
        self._listen(
            "ToWorkflowFailed",
            EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "stateMachineArn": [machine.arn],
                    "status": ["FAILED", "TIMED_OUT", "ABORTED"],
                },
            ),
        )

    def _listen(self, construct_id: str, pattern: EventPattern) -> None:
        """Take events from the account's default bus."""
        Rule(self, construct_id, event_pattern=pattern, targets=[self.inbox.target])
