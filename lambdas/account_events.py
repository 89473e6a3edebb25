"""Account events: the stack's custom resource that switches the account's job events on."""

import json
from typing import Any
from urllib.request import Request, urlopen

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from tidegate.adapters.aws import environment as aws
from tidegate.errors import TidegateError

logger = Logger()

PHYSICAL_ID = "tidegate-account-events"
RESPONSE_SECONDS_MAX = 10
REASON_LENGTH_MAX = 1000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """
    Answer CloudFormation's request.

    Events are never switched off, on delete or rollback either: other systems of the account may
    rely on them by then, and nothing says that the stack was the one that switched them on.
    """
    status, why = "SUCCESS", "JOB and JOB_EXECUTION events are on"
    try:
        if event["RequestType"] == "Delete":
            why = "job events are left as they are"
        else:
            aws.jobs().enable_events()
    except TidegateError as error:
        status, why = "FAILED", f"job events could not be switched on: {error}"
    logger.info("account events", status=status, reason=why)
    _answer(event, {"Status": status, "Reason": why, "log": context.log_stream_name})


def _answer(event: dict[str, Any], result: dict[str, str]) -> None:
    """
    Put the answer where CloudFormation waits for it.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
    """
    reason = f"{result['Reason'][:REASON_LENGTH_MAX]} (log stream {result['log']})"
    body = {
        "Status": result["Status"],
        "Reason": reason,
        "PhysicalResourceId": event.get("PhysicalResourceId", PHYSICAL_ID),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    # The URL is CloudFormation's own, presigned: without a content type, as it was signed.
    request = Request(  # noqa: S310 - see above
        event["ResponseURL"],
        data=json.dumps(body).encode(),
        headers={"Content-Type": ""},
        method="PUT",
    )
    with urlopen(request, timeout=RESPONSE_SECONDS_MAX):  # noqa: S310 - see above
        pass
