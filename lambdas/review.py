"""Review: the workflow's question, answered by a stored decision."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas._metrics import counting_throttles, tell_of_decision
from tidegate.adapters.aws import environment as aws
from tidegate.domain.rollout import RolloutKey
from tidegate.errors import Superseded
from tidegate.service.review import Reviewing
from tidegate.service.standing import Watching

logger = Logger()
metrics = Metrics()

#: What the workflow carries along; the whole decision is in the ledger.
SUMMARY_LENGTH_MAX = 1000


@logger.inject_lambda_context
@metrics.log_metrics
@counting_throttles(metrics)
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
    logger.info("decided", job_id=key.job_id, decision=decision.to_document())
    tell_of_decision(metrics, decision, entered_at=event.get("enteredAt"))
    return _result(
        decision.verdict.value,
        revision=decision.revision,
        waitSeconds=decision.wait_seconds,
        summary=decision.summary,
        ending=decision.ending.value if decision.ending else "",
        awaits=decision.awaits.value,
        attends=decision.attends,
    )


def _result(verdict: str, *, summary: str, **members: object) -> dict[str, Any]:
    nothing = {"revision": 0, "waitSeconds": 1, "ending": "", "awaits": "", "attends": False}
    return {"verdict": verdict, "summary": summary[:SUMMARY_LENGTH_MAX]} | nothing | members
