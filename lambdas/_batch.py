"""What a batch handler and SQS tell one another."""

import json
from collections.abc import Iterable
from typing import Any


def event_in(message: dict[str, Any]) -> dict[str, Any]:
    """
    Return the event that a message carries.

    It is empty where the message carries none: each service refuses that as no event of its own,
    and only that message fails.
    """
    try:
        event = json.loads(message["body"])
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def failures(event: dict[str, Any], indices: Iterable[int]) -> dict[str, Any]:
    """
    Return the partial-batch response that names the failed messages.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    records = event["Records"]
    return {
        "batchItemFailures": [{"itemIdentifier": records[index]["messageId"]} for index in indices]
    }
