"""Roll back: give devices the job that undoes a release that was stopped."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas._metrics import counting_throttles, in_camel_case
from tidegate.adapters.aws import environment as aws
from tidegate.domain.rollout import RolloutKey
from tidegate.service.roll_back import RollingBack

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
@counting_throttles(metrics)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS's signature
    """Do one pass for the decision of the given revision; the outcome tells what follows."""
    rollout = event["rollout"]
    rolling_back = RollingBack(
        jobs=aws.jobs(),
        ledger=aws.ledger(),
        workflow=aws.workflow(),
        bus=aws.bus(),
        clock=aws.clock(),
    )
    outcome = rolling_back.roll_back(
        RolloutKey(rollout["jobId"], rollout["createdAt"]),
        generation=rollout["generation"],
        revision=event["revision"],
    )
    logger.info("rolled back", job_id=rollout["jobId"], revision=event["revision"], outcome=outcome)
    metrics.add_metric(f"Rollbacks{in_camel_case(outcome)}", MetricUnit.Count, 1)
    return {"outcome": outcome.value}
