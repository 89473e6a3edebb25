"""Signal: what people and other systems ask of rollouts."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas._batch import event_in, failures
from tidegate.adapters.aws import environment as aws
from tidegate.errors import TidegateError
from tidegate.service.signal import signal

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS's signature
    """Do what each operator's event asks for; one that cannot be done fails alone."""
    failed = []
    for index, message in enumerate(event["Records"]):
        try:
            signal(
                event_in(message),
                ledger=aws.ledger(),
                workflow=aws.workflow(),
                bus=aws.bus(),
            )
        except TidegateError as error:
            logger.exception("command not done", fault=str(error))
            failed.append(index)
    metrics.add_metric("CommandsFailed", MetricUnit.Count, len(failed))
    return failures(event, failed)
