"""What looks after everything that no event looks after."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from aws_cdk import Duration, Fn
from aws_cdk.aws_events import IRuleTarget, Rule, Schedule
from aws_cdk.aws_events_targets import LambdaFunction
from aws_cdk.aws_sqs import Queue
from constructs import Construct

from infra.acknowledgement import acknowledge
from infra.bus import Bus
from infra.handler import Common, Handler
from infra.jobs import let_read_tags
from infra.ledger import Ledger
from infra.settings import Settings
from infra.workflow import Machine

if TYPE_CHECKING:
    from aws_cdk.aws_lambda import IFunction

EVERY = Duration.minutes(1)

#: Less than the time between two sweeps, so that as a rule there is one at a time. Now and then
#: AWS starts one twice; claims, and names of executions, make sure that each thing is done once.
#: Concurrency is therefore not reserved: that would be taken from all others in the account.
TIMEOUT_SECONDS = 55


class Sweep(Construct):
    """
    A Lambda that runs every minute.

    It starts workflows anew that died, enrolls jobs whose event was lost, and tells people of
    dead letters and of job events that were switched off.

    Attributes:
        handler: The Lambda.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        common: Common,
        *,
        bus: Bus,
        ledger: Ledger,
        machine: Machine,
        dead_letters: Sequence[Queue],
    ) -> None:
        super().__init__(scope, construct_id)
        self.handler = Handler(
            self,
            "Handler",
            common,
            name="sweep",
            description="Looks every minute whether all is as it should be, and mends what is not.",
            memory_mb=512,
            timeout_seconds=TIMEOUT_SECONDS,
        )
        ledger.give_to(self.handler)
        bus.give_to(self.handler)
        machine.let_start(self.handler)
        machine.let_look(self.handler)
        self._allow_jobs()
        self._allow_dead_letters(dead_letters)
        self._schedule(common.settings)

    def _allow_jobs(self) -> None:
        let_read_tags(self.handler)
        self.handler.may(
            "iot:DescribeEventConfigurations",
            "iot:ListJobs",
            "iot:UpdateEventConfigurations",
            on=["*"],
        )
        acknowledge(
            self.handler,
            "IAM5[Resource::*]",
            "The list of jobs, the account's event configuration, and X-Ray, know no resources "
            "but *.",
        )

    def _allow_dead_letters(self, queues: Sequence[Queue]) -> None:
        self.handler.knows(
            TIDEGATE_DEAD_LETTER_URLS=Fn.join(" ", [queue.queue_url for queue in queues])
        )
        self.handler.may("sqs:GetQueueAttributes", on=[queue.queue_arn for queue in queues])

    def _schedule(self, settings: Settings) -> None:
        target = LambdaFunction(
            cast("IFunction", self.handler.function),
            # The next one comes in a minute: what was missed is not made up for.
            retry_attempts=0,
            max_event_age=EVERY,
        )
        Rule(
            self,
            "EveryMinute",
            description=f"Wakes {settings.name_of(self.handler.name)}.",
            schedule=Schedule.rate(EVERY),
            targets=[cast("IRuleTarget", target)],
        )
        self.handler.function.configure_async_invoke(retry_attempts=0, max_event_age=EVERY)
