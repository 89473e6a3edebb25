"""Enroll: the workflow's first step."""

from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas._metrics import counting_throttles
from tidegate.adapters.aws import environment as aws
from tidegate.documents.commands import REVIEWS_DEFAULT
from tidegate.errors import Refused, Superseded
from tidegate.service.enroll import Enrolling
from tidegate.service.turns import GivenUp, NotYet

logger = Logger()
metrics = Metrics()

#: Members that the workflow looks for, whatever came of it.
_NOTHING: dict[str, Any] = dict.fromkeys(("enrolled", "waits", "superseded", "givenUp"), False)
_NOTHING |= {"waitSeconds": 0, "rollout": {}, "reviews": 0, "problem": ""}


@logger.inject_lambda_context
@metrics.log_metrics
@counting_throttles(metrics)
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
    started = event.get("startedAt")
    started_at = datetime.fromisoformat(started).timestamp() if started else None
    try:
        rollout = enrolling.enroll(event["input"], event["executionArn"], started_at=started_at)
    except NotYet as turn:
        logger.info("not enrolled yet", why=str(turn))
        return _not_enrolled(turn, waits=True, waitSeconds=turn.wait_seconds)
    except GivenUp as error:
        logger.info("given up", why=str(error))
        return _not_enrolled(error, givenUp=True)
    except Superseded as error:
        logger.info("nothing to take over", why=str(error))
        return _not_enrolled(error, superseded=True)
    except Refused as error:
        logger.warning("not enrolled", problem=str(error))
        return _not_enrolled(error)
    key, reviews = rollout.key, event["input"].get("reviews", REVIEWS_DEFAULT)
    return _NOTHING | {
        "enrolled": True,
        "rollout": {
            "jobId": key.job_id,
            "createdAt": key.created_at,
            "generation": rollout.generation,
            "successor": key.execution_name(rollout.generation + 1),
            "reviews": reviews,
        },
        "reviews": reviews,
    }


def _not_enrolled(error: Exception, **members: object) -> dict[str, Any]:
    return _NOTHING | {"problem": str(error)} | members
