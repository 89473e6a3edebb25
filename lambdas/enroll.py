"""Enroll: the workflow's first step."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from tidegate.adapters.aws import environment as aws
from tidegate.documents.commands import REVIEWS_DEFAULT
from tidegate.errors import Refused
from tidegate.service.enroll import Enrolling

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS's signature
    """Claim the rollout for the calling execution; a refusal is a result, not a failure."""
    enrolling = Enrolling(
        jobs=aws.jobs(),
        ledger=aws.ledger(),
        policies=aws.policies(),
        workflow=aws.workflow(),
        bus=aws.bus(),
        clock=aws.clock(),
    )
    try:
        rollout = enrolling.enroll(event["input"], event["executionArn"])
    except Refused as error:
        logger.warning("not enrolled", problem=str(error))
        return {"enrolled": False, "rollout": {}, "reviews": 0, "problem": str(error)}
    key, reviews = rollout.key, event["input"].get("reviews", REVIEWS_DEFAULT)
    return {
        "enrolled": True,
        "rollout": {
            "jobId": key.job_id,
            "createdAt": key.created_at,
            "generation": rollout.generation,
            "successor": key.execution_name(rollout.generation + 1),
            "reviews": reviews,
        },
        "reviews": reviews,
        "problem": "",
    }
