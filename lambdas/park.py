"""Park: the workflow waits here for a tripwire, a signal or its next review."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from tidegate.adapters.aws import environment as aws
from tidegate.domain.rollout import RolloutKey
from tidegate.errors import Superseded
from tidegate.service.waiting import park

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - AWS's signature
    """Keep the task token; answer it at once where there is nothing to wait for."""
    rollout, workflow, token = event["rollout"], aws.workflow(), event["taskToken"]
    try:
        cause = park(
            RolloutKey(rollout["jobId"], rollout["createdAt"]),
            generation=rollout["generation"],
            revision=event["revision"],
            token=token,
            ledger=aws.ledger(),
            workflow=workflow,
        )
    except Superseded as error:
        cause = str(error)
        workflow.wake(token, {"cause": cause})
    logger.info("parked", job_id=rollout["jobId"], woken_by=cause)
