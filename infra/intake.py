"""From AWS IoT's job events to the bus."""

from aws_cdk import Stack
from aws_cdk.aws_iot import CfnTopicRule
from aws_cdk.aws_sqs import Queue
from constructs import Construct

from infra.acknowledgement import acknowledge
from infra.bus import Bus
from infra.handler import Common, Handler
from infra.inbox import Inbox, dead_end_queue
from infra.role import acting_for, allow, service, service_role
from infra.settings import Settings

#: IoT rules by name, with the topic that each listens on.
TOPICS = {
    "job_events": "$aws/events/job/#",
    "job_execution_events": "$aws/events/jobExecution/#",
}
SQL_VERSION = "2016-03-23"

#: Ten requests of PutEvents, which takes ten events. Even at AWS's quota of 200 reports a second
#: five such batches a second are more than enough.
BATCH_SIZE = 100
WINDOW_SECONDS = 1
CONCURRENCY_MAX = 5


class Intake(Construct):
    """
    Two IoT rules, a queue, and the Lambda ``intake``, which puts what it takes on the bus.

    IoT rules cannot put events on a bus themselves; and straight into a Lambda, a fleet's burst of
    reports would eat up the account's concurrency.

    Attributes:
        handler: The Lambda.
        inbox: The queue of job events.
        rule_errors: What an IoT rule could not deliver. Not the inbox's dead-letter queue, since
            such a message wraps the event in an account of the failure: sent to the inbox again as
            it is, it would fail for ever.
    """

    def __init__(self, scope: Construct, construct_id: str, common: Common, *, bus: Bus) -> None:
        super().__init__(scope, construct_id)
        settings = common.settings
        self.handler = Handler(
            self,
            "Handler",
            common,
            name="intake",
            description="Puts AWS IoT's job events on Tidegate's bus.",
        )
        bus.give_to(self.handler)
        self.inbox = Inbox(
            self,
            "Events",
            settings,
            name="events",
            handler=self.handler,
            batch_size=BATCH_SIZE,
            window_seconds=WINDOW_SECONDS,
            concurrency_max=CONCURRENCY_MAX,
        )
        self.rule_errors = dead_end_queue(self, "RuleErrors", settings, "rule-errors")
        acknowledge(self.rule_errors, "SQS3", "It is a dead-letter queue itself, of IoT's rules.")

        action = self._action("DeliveryRole", settings, self.inbox.queue)
        error_action = self._action("ErrorRole", settings, self.rule_errors)
        for name, topic in TOPICS.items():
            CfnTopicRule(
                self,
                name,
                rule_name=rule_name(settings, name),
                topic_rule_payload=CfnTopicRule.TopicRulePayloadProperty(
                    description=f"Brings what AWS IoT publishes on {topic} to Tidegate.",
                    sql=f"SELECT * FROM '{topic}'",  # noqa: S608 - IoT's SQL, a topic of ours
                    aws_iot_sql_version=SQL_VERSION,
                    actions=[action],
                    error_action=error_action,
                ),
            )

    def _action(
        self, role_id: str, settings: Settings, queue: Queue
    ) -> CfnTopicRule.ActionProperty:
        """Return the action of sending to a queue, by a role that can do just that."""
        rules = [
            Stack.of(self).format_arn(
                service="iot", resource="rule", resource_name=rule_name(settings, name)
            )
            for name in TOPICS
        ]
        role = service_role(
            self,
            role_id,
            service("iot", acting_for(rules)),
            description="Lets Tidegate's IoT rules send to one queue.",
        )
        allow(role, "sqs:SendMessage", on=[queue.queue_arn])
        return CfnTopicRule.ActionProperty(
            sqs=CfnTopicRule.SqsActionProperty(
                queue_url=queue.queue_url, role_arn=role.role_arn, use_base64=False
            )
        )


def rule_name(settings: Settings, name: str) -> str:
    """Return the name of an IoT rule, which may have underscores but no hyphens."""
    return settings.name_of(name).replace("-", "_")
