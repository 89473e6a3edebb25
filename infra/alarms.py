"""Alarms on what people must look at, and the topic that tells of them."""

from typing import TYPE_CHECKING, cast

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk.aws_cloudwatch import (
    Alarm,
    ComparisonOperator,
    IAlarmAction,
    IMetric,
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

#: Events take seconds. The youngest of five minutes is looked at, since a redrive brings old ones.
EVENT_SECONDS_MAX = 600

#: A decision takes seconds, and a minute where AWS throttles; a review that fails is tried again
#: for several minutes.
DECISION_SECONDS_MAX = 300

#: Calls that AWS IoT throttles in five minutes, for a quarter of an hour: each is tried again,
#: and now and then one is nothing.
THROTTLED_MAX = 30
THROTTLED_PERIODS = 3


class Alarms(Construct):
    """
    Tells people what they must look at.

    That is dead letters, queues that nobody works off, Lambdas that fail again and again, reports
    and decisions that come late, and calls to AWS IoT that do not get through.

    There is no alarm on failed workflows: stopping a bad release is Tidegate's work, and ends an
    execution as failed. One that Tidegate itself failed puts "Rollout Needs Attention" on the bus.

    Attributes:
        key: Encrypts what is told, here and on the other topics.
        topic: Where all this is announced.
        all: The alarms.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self.all: list[Alarm] = []
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

    def watch_reports(self, record: Handler) -> None:
        """Tell of device reports that are old when they are counted."""
        self._alarm(
            "reports-late",
            record.metric("EventAge", "Minimum", ERRORS_PERIOD),
            EVENT_SECONDS_MAX,
            f"What devices report is {EVENT_SECONDS_MAX} s old and older when it is counted: "
            "decisions rest on the past. See on the dashboard which queue the events wait in, and "
            "whether its Lambda fails or is throttled. After a redrive of dead letters it goes by "
            "itself.",
        )

    def watch_decisions(self, review: Handler) -> None:
        """Tell of decisions that come late."""
        self._alarm(
            "decisions-late",
            review.metric("DecisionDelay", "Maximum", ERRORS_PERIOD),
            DECISION_SECONDS_MAX,
            f"A rollout waited {DECISION_SECONDS_MAX} s and longer for a decision that was due. "
            "Reviews fail and are tried again, or AWS throttles them: look at the log of the "
            "Lambda review. Until then the rate and the abort criteria that stand in AWS IoT Jobs "
            "guard the job.",
        )

    def watch_throttles(self, handler: Handler) -> None:
        """Tell of a Lambda whose calls AWS IoT does not take for a while."""
        self._alarm(
            f"{handler.name}-throttled",
            handler.metric("CallsThrottled", "Sum", ERRORS_PERIOD),
            THROTTLED_MAX,
            f"AWS IoT throttled {THROTTLED_MAX} calls and more of the Lambda {handler.name} in "
            f"each of {THROTTLED_PERIODS} times {ERRORS_PERIOD.to_minutes():.0f} minutes. Find out "
            "who else calls AWS IoT's control plane in this account, run fewer rollouts at once, "
            "or have the quota of the API raised.",
            periods=THROTTLED_PERIODS,
        )

    def _alarm(
        self,
        name: str,
        metric: IMetric,
        threshold: float,
        description: str,
        *,
        periods: int = 1,
    ) -> None:
        alarm = Alarm(
            self,
            name,
            alarm_name=self._settings.name_of(name),
            alarm_description=description,
            metric=metric,
            comparison_operator=ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            threshold=threshold,
            evaluation_periods=periods,
            treat_missing_data=TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._action)
        self.all.append(alarm)
