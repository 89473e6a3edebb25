"""Queries of logs that people need when something is odd, ready to be run in Logs Insights."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk.aws_logs import CfnQueryDefinition
from constructs import Construct

from infra.handler import Handler
from infra.jobs import COUNTING_THROTTLES
from infra.settings import Settings, Target

#: Put your own in its place.
EXAMPLE_JOB = "firmware-2-4"


@dataclass(frozen=True, slots=True)
class Query:
    """
    A query of Lambdas' logs.

    Attributes:
        name: What it shows, in words; its name in the console.
        handlers: Whose logs it reads.
        text: The query.
    """

    name: str
    handlers: Sequence[str]
    text: str


QUERIES = (
    Query(
        "Decisions of one rollout",
        ["review"],
        "fields @timestamp, decision.revision, decision.verdict, decision.reasons.0.text,\n"
        "  decision.evidence.exposed, decision.evidence.harmed, decision.awaits\n"
        f'| filter message = "decided" and job_id = "{EXAMPLE_JOB}"\n'
        "| sort @timestamp desc\n"
        "| limit 200",
    ),
    Query(
        "Commands refused",
        ["signal"],
        "fields @timestamp, refusal.jobId, refusal.command, refusal.problem, refusal.remedy\n"
        '| filter message = "command refused"\n'
        "| sort @timestamp desc\n"
        "| limit 200",
    ),
    Query(
        "Calls that AWS IoT throttled",
        COUNTING_THROTTLES,
        "filter ispresent(CallsThrottled.0)\n"
        "| stats sum(CallsThrottled.0) as throttled by service, bin(5m)\n"
        "| filter throttled > 0\n"
        "| sort throttled desc",
    ),
    Query(
        "Slow reviews",
        ["review"],
        'filter @type = "REPORT"\n'
        "| fields @timestamp, @duration / 1000 as seconds, @initDuration / 1000 as cold_seconds,\n"
        "  @maxMemoryUsed / 1000000 as memory_mb, @requestId\n"
        "| sort @duration desc\n"
        "| limit 50",
    ),
    Query(
        "What was done for single devices",
        ["attend"],
        "fields @timestamp, message, job_id, done.reaped, done.spared, done.canceled, done.dark,\n"
        "  done.present, done.later, done.joined, chore, fault\n"
        '| filter message in ["attended", "left undone"]\n'
        "| sort @timestamp desc\n"
        "| limit 200",
    ),
    Query(
        "What could not be processed",
        ["intake", "record", "signal", "relay"],
        "fields @timestamp, @log, message, fault\n"
        '| filter level = "ERROR"\n'
        "| sort @timestamp desc\n"
        "| limit 200",
    ),
)


class Queries(Construct):
    """The queries, in the folder of this environment."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        handlers: Sequence[Handler],
    ) -> None:
        super().__init__(scope, construct_id)
        # CloudFormation of the embedded cloud does not know queries.
        if settings.target is not Target.AWS:
            return
        groups = {handler.name: handler.log_group.log_group_name for handler in handlers}
        for query in QUERIES:
            CfnQueryDefinition(
                self,
                query.name.title().replace(" ", ""),
                name=f"{settings.prefix}/{query.name}",
                query_string=query.text,
                log_group_names=[groups[name] for name in query.handlers],
            )
