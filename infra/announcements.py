"""What people are told of rollouts, in plain words, each on the topic that it belongs to."""

from aws_cdk.aws_events import EventField
from aws_cdk.aws_kms import Key
from aws_cdk.aws_sns import Topic
from constructs import Construct

from infra.acknowledgement import acknowledge
from infra.bus import Bus
from infra.inbox import dead_end_queue
from infra.settings import Settings
from infra.topic import new_topic


class Announcements(Construct):
    """
    Events of the bus that are for people, as messages that they can read.

    There is one topic for each thing that people do: alarms for what they must look at,
    approvals for what they must answer, news for what they may want to know.

    Attributes:
        approvals: Where rollouts ask for a yes or a no.
        news: Where the ends of rollouts are told.
        undelivered: The events that a topic did not take.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        bus: Bus,
        alarms: Topic,
        key: Key,
    ) -> None:
        super().__init__(scope, construct_id)
        self.approvals = new_topic(
            self, "Approvals", settings, name="approvals", key=key, email=settings.approval_email
        )
        self.news = new_topic(self, "News", settings, name="news", key=key)
        self.undelivered = dead_end_queue(self, "Undelivered", settings, "undelivered")
        acknowledge(self.undelivered, "SQS3", "It is a dead-letter queue itself, of the rules.")
        bus.announce(
            "NeedsAttention",
            alarms,
            detail_types=["Rollout Needs Attention"],
            text=f"Tidegate: {of('jobId')}: {of('problem')} -- What to do: {of('remedy')}",
            undelivered=self.undelivered,
        )
        bus.announce(
            "CommandRefused",
            # A stop that was asked for and never came is what somebody must look at.
            alarms,
            detail_types=["Command Refused"],
            text=f"Tidegate: the command {of('command')} (event {of('commandId')}) was not done: "
            f"{of('problem')} -- What to do: {of('remedy')}",
            undelivered=self.undelivered,
        )
        bus.announce(
            "ApprovalRequested",
            self.approvals,
            detail_types=["Approval Requested"],
            text=f"Tidegate: {of('jobId')} asks for a yes or a no: {of('subject')}. Answer by "
            f"{of('dueAt')} with the command {of('approve.detailType')} or "
            f"{of('reject.detailType')}, correlationId {of('correlationId')}, your name and a "
            f"comment. -- Why it asks: {of('summary')} -- So far: {of('evidence.exposed')} devices "
            f"exposed, {of('evidence.succeeded')} succeeded, {of('evidence.harmed')} harmed, "
            f"{of('evidence.in_flight')} in flight. -- To look on: {of('links.execution')} and "
            f"{of('links.job')}",
            undelivered=self.undelivered,
        )
        bus.announce(
            "CohortSuspect",
            self.news,
            detail_types=["Cohort Suspect"],
            text=f"Tidegate: {of('jobId')}: devices of {of('cohort')} fail, {of('harmed')} of "
            f"{of('started')}. What is done: {of('remedy')}. To have them treated like all others, "
            "send Release Cohort.",
            undelivered=self.undelivered,
        )
        bus.announce(
            "Launches",
            self.news,
            detail_types=["Launch Waiting", "Launch Given Up"],
            text=f"Tidegate: {of('summary')}",
            undelivered=self.undelivered,
        )
        bus.announce(
            "Ended",
            self.news,
            detail_types=["Rollout Aborted", "Rollout Completed"],
            text=f"Tidegate: {EventField.detail_type}: {of('jobId')} ({of('ending')}): "
            f"{of('summary')}",
            undelivered=self.undelivered,
        )


def of(member: str) -> str:
    """Return the member of an event's detail, for a text about the event."""
    return EventField.from_path(f"$.detail.{member}")
