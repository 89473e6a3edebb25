"""The stack: what Tidegate consists of in an AWS account."""

from pathlib import Path

from aws_cdk import CfnOutput, Stack, Tags
from constructs import Construct

from infra.account_events import AccountEvents
from infra.alarms import Alarms
from infra.announcements import Announcements
from infra.bus import Bus
from infra.dashboard import Dashboard
from infra.handler import Common
from infra.intake import Intake
from infra.ledger import Ledger
from infra.package import REPOSITORY, Platform, code_for
from infra.policies import Policies
from infra.queries import Queries
from infra.reactions import Record, Relay, Signal
from infra.settings import Settings
from infra.sweep import Sweep
from infra.workflow import Machine, Steps, Workflow

DEFINITION = REPOSITORY / "workflows" / "rollout.asl.json"
POLICIES = REPOSITORY / "policies"


class TidegateStack(Stack):
    """Composes the capabilities, says what is watched, and names what others need to know."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        definition: Path = DEFINITION,
        policies_folder: Path = POLICIES,
    ) -> None:
        """
        Compose the stack.

        Args:
            scope: The app.
            construct_id: The stack's id, which is its name too.
            settings: The deployment's choices.
            definition: The workflow, in Amazon States Language.
            policies_folder: Where the policies are that come with the stack.

        Raises:
            SynthesisError: A policy is invalid.
        """
        super().__init__(
            scope,
            construct_id,
            description="Tidegate: steers AWS IoT Jobs rollouts by what devices report.",
        )
        platform = Platform.of(settings.target)
        common = Common(settings=settings, platform=platform, code=code_for(platform))

        ledger = Ledger(self, "Ledger", settings)
        bus = Bus(self, "Bus", settings)
        policies = Policies(self, "Policies", settings, folder=policies_folder)
        machine = Machine(self, settings)
        intake = Intake(self, "Intake", common, bus=bus)
        record = Record(self, "Record", common, bus=bus, ledger=ledger, machine=machine)
        signal = Signal(
            self, "Signal", common, bus=bus, ledger=ledger, policies=policies, machine=machine
        )
        relay = Relay(
            self,
            "Relay",
            common,
            bus=bus,
            ledger=ledger,
            reporter_prefix=settings.reporter_prefix,
        )
        steps = Steps(
            self, "Steps", common, bus=bus, ledger=ledger, policies=policies, machine=machine
        )
        workflow = Workflow(
            self, "Workflow", common, definition=definition, machine=machine, steps=steps, bus=bus
        )
        account_events = AccountEvents(self, "AccountEvents", common)
        # By the time events begin to come there is somebody to take them.
        account_events.node.add_dependency(intake)

        alarms = Alarms(self, "Alarms", settings)
        announcements = Announcements(
            self, "Announcements", settings, bus=bus, alarms=alarms.topic, key=alarms.key
        )
        inboxes = (intake.inbox, record.inbox, signal.inbox, relay.inbox)
        for inbox in inboxes:
            alarms.watch_inbox(inbox)
        alarms.watch_dead_end(
            intake.rule_errors,
            "rule-errors",
            "Each holds the event that AWS IoT could not hand over, in base64: send that to the "
            "events queue. What is lost, the next review reads from the job's executions.",
        )
        alarms.watch_dead_end(
            announcements.undelivered,
            "undelivered",
            "Each holds an event that a topic did not take, and that people were not told.",
        )
        dead_ends = (
            *(inbox.dead_letters for inbox in inboxes),
            intake.rule_errors,
            announcements.undelivered,
        )
        sweep = Sweep(
            self,
            "Sweep",
            common,
            bus=bus,
            ledger=ledger,
            machine=machine,
            dead_letters=dead_ends,
        )
        dashboard = Dashboard(self, "Dashboard", common, ledger=ledger, decisions=steps.review)
        handlers = (
            intake.handler,
            record.handler,
            signal.handler,
            relay.handler,
            *steps.all,
            sweep.handler,
            account_events.handler,
            dashboard.handler,
        )
        for handler in handlers:
            alarms.watch_handler(handler)
        alarms.watch_reports(record.handler)
        alarms.watch_decisions(steps.review)
        for handler in (steps.review, steps.steer):
            alarms.watch_throttles(handler)
        dashboard.show(
            alarms=alarms, handlers=handlers, steps=steps, inboxes=inboxes, dead_ends=dead_ends
        )
        Queries(self, "Queries", settings, handlers=handlers)

        outputs = {
            "AlarmTopicArn": alarms.topic.topic_arn,
            "ApprovalTopicArn": announcements.approvals.topic_arn,
            "BusName": bus.bus.event_bus_name,
            "DashboardName": dashboard.dashboard.dashboard_name,
            "EventsDeadLettersUrl": intake.inbox.dead_letters.queue_url,
            "EventsQueueUrl": intake.inbox.queue.queue_url,
            "NewsTopicArn": announcements.news.topic_arn,
            "PolicyPrefix": policies.prefix,
            "PolicyTag": settings.policy_tag,
            "RecordDeadLettersUrl": record.inbox.dead_letters.queue_url,
            "RelayDeadLettersUrl": relay.inbox.dead_letters.queue_url,
            "ReporterPrefix": settings.reporter_prefix,
            "RuleErrorsUrl": intake.rule_errors.queue_url,
            "SignalDeadLettersUrl": signal.inbox.dead_letters.queue_url,
            "StateMachineArn": workflow.state_machine.state_machine_arn,
            "TableName": ledger.table.table_name,
            "UndeliveredUrl": announcements.undelivered.queue_url,
        }
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)

        Tags.of(self).add("application", "tidegate")
        if settings.environment:
            Tags.of(self).add("environment", settings.environment)
