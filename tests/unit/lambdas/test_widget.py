"""The handler behind the widget: whatever CloudWatch asks, it gets a text to show."""

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import widget
from tests.unit.service.stage import JOB, Stage


@pytest.fixture(autouse=True)
def _logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_DECISION_LOGS", "/aws/lambda/tidegate-review")


def test_it_shows_what_the_ledger_has(stage: Stage, context: LambdaContext) -> None:
    """A click calls the very function that answered."""
    stage.review()
    page = widget.handler({"widgetContext": {"width": 1200}}, context)

    assert JOB in page
    assert context.invoked_function_arn in page


def test_it_describes_itself(stage: Stage, context: LambdaContext) -> None:
    """As Markdown, which CloudWatch shows beside the parameters."""
    assert widget.handler({"describe": True}, context).startswith("## Rollouts")


def test_it_shows_one_rollout_with_pictures(stage: Stage, context: LambdaContext) -> None:
    """What was decided is drawn."""
    stage.review()

    assert "<svg" in widget.handler({"job": JOB}, context)
