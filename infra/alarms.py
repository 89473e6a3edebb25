"""Alarms on what people must look at, and the topic that tells of them."""

from typing import TYPE_CHECKING, cast

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk.aws_cloudwatch import (
    Alarm,
    ComparisonOperator,
    IAlarmAction,
    Metric,
    TreatMissingData,
)
from aws_cdk.aws_cloudwatch_actions import SnsAction
from aws_cdk.aws_iam import PolicyStatement
from aws_cdk.aws_sqs import Queue
from constructs import Construct

from infra.handler import Handler
from infra.inbox import Inbox
from infra.role import acting_for, service
from infra.settings import Settings
from infra.topic import new_topic, topic_key

if TYPE_CHECKING:
    from aws_cdk.aws_sns import ITopic

#: A queue is taken within seconds; a batch that fails comes again after three minutes.
AGE_SECONDS_MAX = 600

#: One failure is tried again and does no harm; several in a row have a cause.
ERRORS_MAX = 3
ERRORS_PERIOD = Duration.minutes(5)


class Alarms(Construct):
    """
    Tells people what they must look at.

    That is dead letters, queues that nobody works off, and Lambdas that fail again and again.

    There is no alarm on failed workflows: stopping a bad release is Tidegate's work, and ends an
    execution as failed. One that Tidegate itself failed puts "Rollout Needs Attention" on the bus.

    Attributes:
        key: Encrypts what is told, here and on the other topics.
        topic: Where all this is announced.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self.key = topic_key(self, "Key")
        self.topic = new_topic(
            self, "Topic", settings, name="alarms", key=self.key, email=settings.alarm_email
        )
        alarms = Stack.of(self).format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name=settings.name_of("*"),
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.topic.add_to_resource_policy(
            PolicyStatement(
                principals=[service("cloudwatch", acting_for([alarms]))],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
            )
        )
        self._action = cast("IAlarmAction", SnsAction(cast("ITopic", self.topic)))

    def watch_inbox(self, inbox: Inbox) -> None:
        """Tell of messages that nobody takes, and of those that cannot be processed."""
        self._alarm(
            f"{inbox.name}-delayed",
            inbox.queue.metric_approximate_age_of_oldest_message(
                period=Duration.minutes(1), statistic="Maximum"
            ),
            AGE_SECONDS_MAX,
            f"Messages wait in the queue {inbox.name} for {AGE_SECONDS_MAX} s and longer: "
            "reports or commands come late. Look at its Lambda's errors, throttles and logs.",
        )
        self.watch_dead_end(
            inbox.dead_letters,
            f"{inbox.name}-dead-letters",
            f"Then start a redrive to the queue {inbox.name}, named as its destination.",
        )

    def watch_dead_end(self, queue: Queue, name: str, remedy: str) -> None:
        """Tell of the first message that nothing could process."""
        self._alarm(
            name,
            queue.metric_approximate_number_of_messages_visible(
                period=Duration.minutes(1), statistic="Maximum"
            ),
            1,
            f"Messages that could not be processed are in the queue {name}. Mend the cause, which "
            f"is in the logs. {remedy}",
        )

    def watch_handler(self, handler: Handler) -> None:
        """Tell of a Lambda that fails again and again."""
        self._alarm(
            f"{handler.name}-errors",
            handler.function.metric_errors(period=ERRORS_PERIOD, statistic="Sum"),
            ERRORS_MAX,
            f"The Lambda {handler.name} failed {ERRORS_MAX} times and more within "
            f"{ERRORS_PERIOD.to_minutes():.0f} minutes. Look at its logs.",
        )

    def _alarm(self, name: str, metric: Metric, threshold: float, description: str) -> None:
        alarm = Alarm(
            self,
            name,
            alarm_name=self._settings.name_of(name),
            alarm_description=description,
            metric=metric,
            comparison_operator=ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            threshold=threshold,
            evaluation_periods=1,
            treat_missing_data=TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._action)
