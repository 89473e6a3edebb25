"""The front door: the EventBridge bus through which all events come in and all decisions go out."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from aws_cdk import Duration
from aws_cdk.aws_events import EventBus, EventPattern, IRuleTarget, Match, Rule, RuleTargetInput
from aws_cdk.aws_events_targets import SnsTopic
from aws_cdk.aws_sns import ITopic, Topic
from aws_cdk.aws_sqs import Queue
from constructs import Construct

from infra.handler import Handler
from infra.inbox import Inbox
from infra.settings import Settings, Target

ARCHIVE_DAYS = 90


class Bus(Construct):
    """
    The bus, and an archive from which a stretch of time can be replayed.

    Attributes:
        bus: The bus itself.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.bus = EventBus(
            self,
            "Bus",
            event_bus_name=settings.prefix,
            description="What happens to rollouts, and what Tidegate decides about them.",
        )
        # CloudFormation of the embedded cloud does not know archives.
        if settings.target is Target.AWS:
            self.bus.archive(
                "Archive",
                description="All events of Tidegate's bus, for a replay.",
                event_pattern=EventPattern(source=Match.prefix("tidegate")),
                retention=Duration.days(ARCHIVE_DAYS),
            )

    def give_to(self, handler: Handler) -> None:
        """Let a Lambda put events on the bus."""
        handler.knows(TIDEGATE_BUS_NAME=self.bus.event_bus_name)
        handler.may("events:PutEvents", on=[self.bus.event_bus_arn])

    def deliver(
        self,
        construct_id: str,
        inbox: Inbox,
        *,
        source: Sequence[str],
        detail_types: Sequence[str] = (),
    ) -> None:
        """
        Send events to an inbox.

        What EventBridge cannot deliver goes to the inbox's own dead-letter queue, in the very
        form in which it would have arrived, so that one redrive serves both.

        Args:
            construct_id: The rule's id.
            inbox: Where they go.
            source: Their sources, or what matches them.
            detail_types: Which of them; all by default.
        """
        self._rule(construct_id, source, detail_types, inbox.target)

    def announce(
        self,
        construct_id: str,
        topic: Topic,
        *,
        detail_types: Sequence[str],
        text: str,
        undelivered: Queue,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Tell people of Tidegate's own events, through a topic.

        Args:
            construct_id: The rule's id.
            topic: Where they are told.
            detail_types: Which events.
            text: What is told, in one line, with fields of the event in it.
            undelivered: Where events go that the topic did not take.
            detail: Which of them, by their detail; all by default.
        """
        target = SnsTopic(
            cast("ITopic", topic),
            message=RuleTargetInput.from_text(text),
            dead_letter_queue=undelivered,
        )
        self._rule(construct_id, ["tidegate"], detail_types, cast("IRuleTarget", target), detail)

    def _rule(
        self,
        construct_id: str,
        source: Sequence[str],
        detail_types: Sequence[str],
        target: IRuleTarget,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        Rule(
            self,
            construct_id,
            event_bus=self.bus,
            event_pattern=EventPattern(
                source=source,
                detail_type=list(detail_types) if detail_types else None,
                detail=detail,
            ),
            targets=[target],
        )
