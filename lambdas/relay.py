"""Relay: reports of others for devices that do not speak Jobs, to their executions."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas._batch import event_in, failures
from lambdas._metrics import counting_throttles
from tidegate.adapters.aws import environment as aws
from tidegate.service.relay import Relaying

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
@counting_throttles(metrics)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS's signature
    """Relay a batch of reports; those that cannot be done now come again, alone."""
    relaying = Relaying(
        executions=aws.executions(),
        things=aws.things(),
        reporters=aws.reporters(),
        ledger=aws.ledger(),
        bus=aws.bus(),
        clock=aws.clock(),
    )
    relayed = relaying.relay([event_in(message) for message in event["Records"]])
    for fault in relayed.faults:
        logger.error("report not relayed", fault=fault)
    metrics.add_metric("ReportsApplied", MetricUnit.Count, relayed.applied)
    metrics.add_metric("ReportsRefused", MetricUnit.Count, relayed.refused)
    return failures(event, relayed.failed)
