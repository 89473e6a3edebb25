"""Attend: look after single devices, where the last decision found that due."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas._metrics import counting_throttles
from tidegate.adapters.aws import environment as aws
from tidegate.domain.rollout import RolloutKey
from tidegate.service.attend import Attending

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
@counting_throttles(metrics)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS's signature
    """Do one pass after the decision of the given revision; what it leaves, the next one does."""
    rollout = event["rollout"]
    attending = Attending(
        jobs=aws.jobs(),
        ledger=aws.ledger(),
        executions=aws.executions(),
        things=aws.things(),
        presences=aws.presences(),
        bus=aws.bus(),
        clock=aws.clock(),
        minute_seconds=aws.minute_seconds(),
    )
    attended = attending.attend(
        RolloutKey(rollout["jobId"], rollout["createdAt"]),
        generation=rollout["generation"],
        revision=event["revision"],
    )
    for chore, fault in attended.faults.items():
        logger.error("left undone", job_id=rollout["jobId"], chore=chore, fault=fault)
    logger.info("attended", job_id=rollout["jobId"], done=dict(attended.done))
    for name, devices in attended.done.items():
        metrics.add_metric(f"Devices{name.title()}", MetricUnit.Count, devices)
    metrics.add_metric("ChoresUndone", MetricUnit.Count, len(attended.faults))
    return {"outcome": attended.outcome.value}
