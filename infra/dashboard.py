"""The dashboard: how rollouts stand and how Tidegate itself fares, in CloudWatch's own console."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import (
    AlarmStatusWidget,
    CustomWidget,
    GraphWidget,
    IMetric,
    IWidget,
    TextWidget,
)
from aws_cdk.aws_cloudwatch import Dashboard as CloudWatchDashboard
from aws_cdk.aws_sqs import Queue
from constructs import Construct

from infra.alarms import AGE_SECONDS_MAX, DECISION_SECONDS_MAX, EVENT_SECONDS_MAX, Alarms
from infra.handler import Common, Handler
from infra.inbox import Inbox
from infra.jobs import COUNTING_THROTTLES
from infra.ledger import Ledger
from infra.workflow import Steps

#: Columns of CloudWatch's grid.
FULL, HALF, THIRD = 24, 12, 8

PERIOD = Duration.minutes(5)
SHOWN = Duration.days(1)

#: Tidegate's own metrics by the function that publishes them; docs/metrics.md explains each.
ENDINGS = ("Completed", "Aborted", "Fenced", "CanceledOutside", "DeletedOutside")
VERDICTS = ("Proceed", "Hold", "Gate", "Abort", "RollBack", "Complete", "Ended")
APPLIED = (
    "Applied",
    "Unchanged",
    "CancelRequested",
    "Concluded",
    "Superseded",
    "JobOver",
    "NotRunning",
    "Unapplied",
)
ROLLED_BACK = ("Applied", "Unchanged", "RolledBack", "More", "JobOver", "Superseded", "Unapplied")
DEVICES = ("Reaped", "Spared", "Canceled", "Dark", "Present", "Later", "Joined")

FIRST = """\
## Tidegate

**Look here first.** Alarms come with what to do in their description.
A rollout that waits for somebody stands at the top of the list; a click on its id shows why.

* *Reports come late, or decisions do*: the queues and Lambdas below tell where they wait.
* *Nothing goes on though all is well*: the rollout's page names the hold, gate or question.
* *More*: saved queries of Logs Insights in the folder {prefix}, and the catalogue of metrics in \
docs/metrics.md.
"""


class Dashboard(Construct):
    """
    The dashboard, and the Lambda behind its list of rollouts.

    Whoever looks at the list needs ``lambda:InvokeFunction`` on that Lambda: CloudWatch calls it
    in the viewer's name, once the viewer has allowed it to.

    Attributes:
        handler: The Lambda; it reads the ledger and can do nothing else.
        dashboard: The dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        common: Common,
        *,
        ledger: Ledger,
        decisions: Handler,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = common.settings
        self.handler = Handler(
            self,
            "Handler",
            common,
            name="widget",
            description="Shows rollouts on a CloudWatch dashboard.",
            memory_mb=512,
        )
        ledger.let_read(self.handler)
        self.handler.knows(TIDEGATE_DECISION_LOGS=decisions.log_group.log_group_name)
        self.dashboard = CloudWatchDashboard(
            self,
            "Dashboard",
            dashboard_name=common.settings.prefix,
            default_interval=SHOWN,
        )

    def show(
        self,
        *,
        alarms: Alarms,
        handlers: Sequence[Handler],
        steps: Steps,
        inboxes: Sequence[Inbox],
        dead_ends: Sequence[Queue],
    ) -> None:
        """
        Put everything on it.

        Args:
            alarms: Whose states are shown first.
            handlers: All Lambdas.
            steps: Those of the workflow.
            inboxes: All queues that Lambdas take from.
            dead_ends: All queues that nothing takes from.
        """
        by_name = {handler.name: handler for handler in handlers}
        rows = (
            self._first(alarms),
            self._rollouts(by_name),
            self._delays(by_name, steps),
            self._devices(by_name),
            self._events(by_name),
            self._queues(inboxes),
            self._troubles(handlers, dead_ends),
            self._work(handlers, by_name),
        )
        for row in rows:
            self.dashboard.add_widgets(*row)

    def _first(self, alarms: Alarms) -> Sequence[IWidget]:
        return (
            TextWidget(markdown=FIRST.format(prefix=self._settings.prefix), width=FULL, height=5),
            AlarmStatusWidget(title="Alarms", alarms=alarms.all, width=FULL, height=4),
            CustomWidget(
                title="Rollouts",
                function_arn=self.handler.function.function_arn,
                params={"limit": 50},
                width=FULL,
                height=12,
                # What it shows is how things are, whatever stretch of time is looked at.
                update_on_time_range_change=False,
            ),
        )

    def _rollouts(self, by_name: dict[str, Handler]) -> Sequence[IWidget]:
        review, steer = by_name["review"], by_name["steer"]
        return (
            _graph("Rollouts that ended, by how", _sums(review, "Rollouts", ENDINGS), HALF),
            _graph("Decisions, by verdict", _sums(review, "Reviews", VERDICTS), HALF),
            _graph("What applying decisions came to", _sums(steer, "Decisions", APPLIED), HALF),
            _graph(
                "What rolling back came to",
                _sums(by_name["roll-back"], "Rollbacks", ROLLED_BACK),
                HALF,
            ),
        )

    def _delays(self, by_name: dict[str, Handler], steps: Steps) -> Sequence[IWidget]:
        record, review = by_name["record"], by_name["review"]
        return (
            _graph(
                f"Age of events when they are recorded, in seconds ({EVENT_SECONDS_MAX} is late)",
                [
                    record.metric("EventAge", "Minimum", PERIOD, label="the youngest"),
                    record.metric("EventAge", "Average", PERIOD, label="on average"),
                    record.metric("EventAge", "Maximum", PERIOD, label="the oldest"),
                ],
                THIRD,
            ),
            _graph(
                "From a tripwire or a due review to the stored decision, in seconds "
                f"({DECISION_SECONDS_MAX} is late)",
                [
                    review.metric("DecisionDelay", "p50", PERIOD, label="half of them"),
                    review.metric("DecisionDelay", "p90", PERIOD, label="9 of 10"),
                    review.metric("DecisionDelay", "Maximum", PERIOD, label="the longest"),
                ],
                THIRD,
            ),
            _graph(
                "How long the workflow's steps take, 9 of 10, in milliseconds",
                [
                    handler.function.metric_duration(
                        statistic="p90", period=PERIOD, label=handler.name
                    )
                    for handler in steps.all
                ],
                THIRD,
            ),
        )

    def _devices(self, by_name: dict[str, Handler]) -> Sequence[IWidget]:
        attend, relay = by_name["attend"], by_name["relay"]
        return (
            _graph(
                "Devices looked after one by one",
                [*_sums(attend, "Devices", DEVICES), attend.metric("ChoresUndone", "Sum", PERIOD)],
                HALF,
            ),
            _graph(
                "Reports for devices, by others",
                _sums(relay, "Reports", ("Applied", "Refused")),
                HALF,
            ),
        )

    def _events(self, by_name: dict[str, Handler]) -> Sequence[IWidget]:
        intake, record = by_name["intake"], by_name["record"]
        signal, sweep = by_name["signal"], by_name["sweep"]
        return (
            _graph(
                "Events of AWS IoT Jobs",
                [
                    *_sums(intake, "Events", ("Published", "Malformed")),
                    record.metric("EventsIgnored", "Sum", PERIOD),
                    record.metric("OutcomesRecorded", "Sum", PERIOD),
                ],
                HALF,
            ),
            _graph(
                "Commands that failed, and what was mended",
                [
                    *_sums(signal, "Commands", ("Refused", "Failed")),
                    sweep.metric("RolloutsHealed", "Sum", PERIOD),
                    sweep.metric("JobsFound", "Sum", PERIOD),
                ],
                HALF,
            ),
        )

    def _queues(self, inboxes: Sequence[Inbox]) -> Sequence[IWidget]:
        return (
            _graph(
                "Messages that wait",
                [
                    inbox.queue.metric_approximate_number_of_messages_visible(
                        statistic="Maximum", period=PERIOD, label=inbox.name
                    )
                    for inbox in inboxes
                ],
                HALF,
            ),
            _graph(
                f"Oldest message that waits, in seconds ({AGE_SECONDS_MAX} is late)",
                [
                    inbox.queue.metric_approximate_age_of_oldest_message(
                        statistic="Maximum", period=PERIOD, label=inbox.name
                    )
                    for inbox in inboxes
                ],
                HALF,
            ),
        )

    def _troubles(
        self, handlers: Sequence[Handler], dead_ends: Sequence[Queue]
    ) -> Sequence[IWidget]:
        return (
            _graph(
                "Messages that could not be processed",
                [
                    queue.metric_approximate_number_of_messages_visible(
                        statistic="Maximum", period=PERIOD, label=queue.node.path.split("/", 1)[1]
                    )
                    for queue in dead_ends
                ],
                THIRD,
            ),
            _graph(
                "Failures of Lambdas",
                [
                    handler.function.metric_errors(
                        statistic="Sum", period=PERIOD, label=handler.name
                    )
                    for handler in handlers
                ],
                THIRD,
            ),
            _graph(
                "Lambdas kept waiting by the account's concurrency",
                [
                    handler.function.metric_throttles(
                        statistic="Sum", period=PERIOD, label=handler.name
                    )
                    for handler in handlers
                ],
                THIRD,
            ),
        )

    def _work(self, handlers: Sequence[Handler], by_name: dict[str, Handler]) -> Sequence[IWidget]:
        return (
            _graph(
                "Calls that AWS IoT throttled",
                [
                    by_name[name].metric("CallsThrottled", "Sum", PERIOD, label=name)
                    for name in COUNTING_THROTTLES
                ],
                HALF,
            ),
            _graph(
                "How long Lambdas take, 9 of 10, in milliseconds",
                [
                    handler.function.metric_duration(
                        statistic="p90", period=PERIOD, label=handler.name
                    )
                    for handler in handlers
                ],
                HALF,
            ),
        )


def _sums(handler: Handler, family: str, members: Sequence[str]) -> list[IMetric]:
    """Return the sums of metrics whose names begin alike."""
    return [handler.metric(f"{family}{each}", "Sum", PERIOD, label=each) for each in members]


def _graph(title: str, metrics: Sequence[IMetric], width: int) -> IWidget:
    return GraphWidget(title=title, left=list(metrics), width=width, height=6, period=PERIOD)
