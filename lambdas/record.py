"""Record: outcomes from the bus, into the ledger."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas._batch import event_in, failures
from tidegate.adapters.aws import environment as aws
from tidegate.service.record import record

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS's signature
    """Fold a batch of job events into the ledger; events of other jobs are ignored, and counted."""
    recorded = record(
        [event_in(message) for message in event["Records"]],
        ledger=aws.ledger(),
        workflow=aws.workflow(),
        things=aws.things,
        minute_seconds=aws.minute_seconds(),
    )
    for fault in recorded.faults:
        logger.error("no bus event of a job", fault=fault)
    metrics.add_metric("OutcomesRecorded", MetricUnit.Count, recorded.changed)
    metrics.add_metric("EventsIgnored", MetricUnit.Count, recorded.ignored)
    if recorded.oldest_at is not None:
        age = max(0.0, aws.clock().now() - recorded.oldest_at)
        metrics.add_metric("EventAge", MetricUnit.Seconds, age)
    return failures(event, recorded.failed)
