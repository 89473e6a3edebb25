"""A queue before a Lambda, and a place for what the Lambda cannot process."""

from typing import cast

from aws_cdk import Duration
from aws_cdk.aws_events import IRuleTarget
from aws_cdk.aws_events_targets import SqsQueue
from aws_cdk.aws_sqs import DeadLetterQueue, Queue, QueueEncryption
from constructs import Construct

from infra.handler import Handler
from infra.settings import Settings

#: The longest that SQS keeps a message: time to mend what failed, and to send it again.
DEAD_LETTER_RETENTION = Duration.days(14)

RECEIVES_MAX = 5

#: AWS advises six times the function's time-out, and the window on top: a batch that is still
#: being worked on must not come twice.
VISIBILITY_TIMEOUTS = 6


class Inbox(Construct):
    """
    A standard queue whose messages a Lambda takes in batches.

    A message that fails comes again; after five times it goes to the dead-letter queue and an
    alarm tells people. What succeeded of a batch is not repeated.

    Attributes:
        name: Its name within the environment.
        queue: Where messages arrive.
        dead_letters: Where those end that could not be processed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        name: str,
        handler: Handler,
        batch_size: int,
        window_seconds: int,
        concurrency_max: int,
    ) -> None:
        super().__init__(scope, construct_id)
        window = Duration.seconds(window_seconds)
        self.name = name
        self.dead_letters = dead_end_queue(self, "DeadLetters", settings, f"{name}-dead-letters")
        self.queue = Queue(
            self,
            "Queue",
            queue_name=settings.name_of(name),
            encryption=QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            visibility_timeout=Duration.seconds(
                VISIBILITY_TIMEOUTS * int(handler.timeout.to_seconds()) + window_seconds
            ),
            dead_letter_queue=DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=RECEIVES_MAX
            ),
        )
        handler.may(
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            on=[self.queue.queue_arn],
        )
        handler.function.add_event_source_mapping(
            "Inbox",
            event_source_arn=self.queue.queue_arn,
            batch_size=batch_size,
            max_batching_window=window if window_seconds else None,
            max_concurrency=concurrency_max,
            report_batch_item_failures=True,
        )

    @property
    def target(self) -> IRuleTarget:
        """What a rule sends events to that are for this inbox."""
        return cast("IRuleTarget", SqsQueue(self.queue, dead_letter_queue=self.dead_letters))


def dead_end_queue(scope: Construct, construct_id: str, settings: Settings, name: str) -> Queue:
    """Return a queue that no Lambda reads: an alarm tells people of what arrives."""
    return Queue(
        scope,
        construct_id,
        queue_name=settings.name_of(name),
        encryption=QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=DEAD_LETTER_RETENTION,
    )
