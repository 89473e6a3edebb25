"""Widget: rollouts on a CloudWatch dashboard."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from tidegate.adapters.aws import environment as aws
from tidegate.console.widget import answer

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> str:
    """Return what CloudWatch shows: HTML, or Markdown where it asks what there is to show."""
    ledger = aws.ledger()
    return answer(
        event,
        ledger=ledger,
        records=ledger,
        function_arn=context.invoked_function_arn,
        decision_logs=aws.variables().decision_logs,
    )
