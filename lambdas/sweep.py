"""Sweep: each minute, what no event tells of."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas._metrics import counting_throttles
from tidegate.adapters.aws import environment as aws
from tidegate.errors import RetryLater
from tidegate.service.sweep import Sweeping

logger = Logger()
metrics = Metrics()

#: Of one sweep's faults, as many are logged.
FAULTS_SHOWN_MAX = 20


@logger.inject_lambda_context
@metrics.log_metrics
@counting_throttles(metrics)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS's signature
    """Sweep once; fail at the end if anything could not be seen to, for the alarm on failures."""
    swept = Sweeping(
        jobs=aws.jobs(),
        ledger=aws.ledger(),
        workflow=aws.workflow(),
        dead_letters=aws.dead_letters(),
        bus=aws.bus(),
        clock=aws.clock(),
    ).sweep()
    metrics.add_metric("JobsFound", MetricUnit.Count, len(swept.found))
    metrics.add_metric("RolloutsHealed", MetricUnit.Count, len(swept.healed))
    if swept.faults:
        raise RetryLater("; ".join(swept.faults[:FAULTS_SHOWN_MAX]))
    return asdict(swept)
