"""Intake: AWS IoT's job events from the queue, onto the bus."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas._batch import failures
from tidegate.adapters.aws import environment as aws
from tidegate.service.intake import take_in

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS's signature
    """Publish a batch of IoT job events; bodies that are none fail alone."""
    taken = take_in([message["body"] for message in event["Records"]], bus=aws.bus())
    for fault in taken.faults:
        logger.error("no job event", fault=fault)
    metrics.add_metric("EventsPublished", MetricUnit.Count, taken.published)
    metrics.add_metric("EventsMalformed", MetricUnit.Count, len(taken.faults))
    return failures(event, taken.failed)
