"""Review: the workflow's question, answered by a stored decision."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from tidegate.adapters.aws import environment as aws
from tidegate.domain.rollout import RolloutKey
from tidegate.errors import Superseded
from tidegate.service.review import Reviewing
from tidegate.service.standing import Watching

logger = Logger()

#: What the workflow carries along; the whole decision is in the ledger.
SUMMARY_LENGTH_MAX = 1000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - AWS's signature
    """Decide about a rollout; a newer owner is a verdict too, for this execution to end on."""
    rollout, ledger = event["rollout"], aws.ledger()
    reviewing = Reviewing(
        jobs=aws.jobs(),
        ledger=ledger,
        watching=Watching(aws.alarms(), aws.calendars(), ledger, aws.account_budget()),
        bus=aws.bus(),
        clock=aws.clock(),
        minute_seconds=aws.minute_seconds(),
    )
    key = RolloutKey(rollout["jobId"], rollout["createdAt"])
    try:
        decision = reviewing.review(key, generation=rollout["generation"])
    except Superseded as error:
        logger.warning("superseded", problem=str(error))
        return _result("superseded", summary=str(error))
    logger.info("decided", decision=decision.to_document())
    return _result(
        decision.verdict.value,
        revision=decision.revision,
        wait_seconds=decision.wait_seconds,
        summary=decision.summary,
        ending=decision.ending.value if decision.ending else "",
        awaits=decision.awaits.value,
        attends=decision.attends,
    )


def _result(
    verdict: str,
    *,
    summary: str,
    revision: int = 0,
    wait_seconds: int = 1,
    ending: str = "",
    awaits: str = "",
    attends: bool = False,
) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "revision": revision,
        "waitSeconds": wait_seconds,
        "summary": summary[:SUMMARY_LENGTH_MAX],
        "ending": ending,
        "awaits": awaits,
        "attends": attends,
    }
