"""Review: the workflow's question, answered by a stored decision."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from tidegate.adapters.aws import environment as aws
from tidegate.domain.rollout import RolloutKey
from tidegate.errors import Superseded
from tidegate.service.review import review

logger = Logger()

#: What the workflow carries along; the whole decision is in the ledger.
SUMMARY_LENGTH_MAX = 1000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS's signature
    """Decide about a rollout; a newer owner is a verdict too, for this execution to end on."""
    rollout = event["rollout"]
    try:
        decision = review(
            RolloutKey(rollout["jobId"], rollout["createdAt"]),
            generation=rollout["generation"],
            jobs=aws.jobs(),
            ledger=aws.ledger(),
            bus=aws.bus(),
            clock=aws.clock(),
            minute_seconds=aws.minute_seconds(),
        )
    except Superseded as error:
        logger.warning("superseded", problem=str(error))
        return _result("superseded", 0, 1, str(error), "")
    logger.info("decided", decision=decision.to_document())
    ending = decision.ending.value if decision.ending else ""
    return _result(
        decision.verdict.value, decision.revision, decision.wait_seconds, decision.summary, ending
    )


def _result(
    verdict: str, revision: int, wait_seconds: int, summary: str, ending: str
) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "revision": revision,
        "waitSeconds": wait_seconds,
        "summary": summary[:SUMMARY_LENGTH_MAX],
        "ending": ending,
    }
