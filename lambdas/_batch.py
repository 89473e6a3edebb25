"""How a batch handler tells SQS which messages to deliver again."""

from collections.abc import Iterable
from typing import Any


def failures(event: dict[str, Any], indices: Iterable[int]) -> dict[str, Any]:
    """
    Return the partial-batch response that names the failed messages.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    records = event["Records"]
    return {
        "batchItemFailures": [{"itemIdentifier": records[index]["messageId"]} for index in indices]
    }
