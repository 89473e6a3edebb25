"""Metrics that more than one number goes into, or that more than one Lambda publishes."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from functools import wraps
from typing import Any, TypeVar

from aws_lambda_powertools.metrics import Metrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tidegate.adapters.aws import environment as aws
from tidegate.domain.decision import Decision

Result = TypeVar("Result")
Handling = Callable[[dict[str, Any], LambdaContext], Result]


def counting_throttles(metrics: Metrics) -> Callable[[Handling[Result]], Handling[Result]]:
    """
    Let a handler publish how many of its calls AWS IoT throttled, however the invocation ends.

    Calls that succeeded when they were tried again are among them: they tell of a quota that is
    used up before anything fails.
    """

    def decorate(handler: Handling[Result]) -> Handling[Result]:
        @wraps(handler)
        def counting(event: dict[str, Any], context: LambdaContext) -> Result:
            try:
                return handler(event, context)
            finally:
                metrics.add_metric("CallsThrottled", MetricUnit.Count, aws.throttled_calls())

        return counting

    return decorate


def in_camel_case(member: Enum) -> str:
    """Return how the name of a metric that counts this ends."""
    return member.name.title().replace("_", "")


def tell_of_decision(metrics: Metrics, decision: Decision, *, entered_at: str | None) -> None:
    """
    Count a decision, and tell how long the workflow has waited for it.

    Args:
        metrics: Of the Lambda that decided.
        decision: What it decided.
        entered_at: When the workflow went to the review, at once past a tripwire; ISO 8601.
    """
    metrics.add_metric(f"Reviews{in_camel_case(decision.verdict)}", MetricUnit.Count, 1)
    if decision.ending:
        metrics.add_metric(f"Rollouts{in_camel_case(decision.ending)}", MetricUnit.Count, 1)
    if entered_at:
        delay = aws.clock().now() - datetime.fromisoformat(entered_at).timestamp()
        metrics.add_metric("DecisionDelay", MetricUnit.Seconds, max(0.0, delay))
