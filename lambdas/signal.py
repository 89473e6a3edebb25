"""Signal: what people and other systems ask of rollouts, and what happens around them."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas._batch import event_in, failures
from tidegate.adapters.aws import environment as aws
from tidegate.errors import TidegateError
from tidegate.service.signal import Signaling

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS's signature
    """Do what each event asks for; one that cannot be read, or is in vain now, fails alone."""
    signaling = Signaling(
        ledger=aws.ledger(),
        workflow=aws.workflow(),
        bus=aws.bus(),
        policies=aws.policies(),
        jobs=aws.jobs(),
        clock=aws.clock(),
    )
    failed, refusals = [], 0
    for index, message in enumerate(event["Records"]):
        try:
            refusal = signaling.signal(event_in(message))
        except TidegateError as error:
            logger.exception("command not done", fault=str(error))
            failed.append(index)
            continue
        if refusal is not None:
            logger.warning("command refused", refusal=dict(refusal.detail))
            refusals += 1
    metrics.add_metric("CommandsFailed", MetricUnit.Count, len(failed))
    metrics.add_metric("CommandsRefused", MetricUnit.Count, refusals)
    return failures(event, failed)
