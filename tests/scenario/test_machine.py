"""What runs the workflow's definition here understands its expressions as JSONata does."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenario.expressions import ExpressionError, evaluated
from tests.scenario.machine import DEFINITION
from tidegate.domain.decision import Verdict
from tidegate.domain.rollout import Ending
from tidegate.local.cloud import CLOUD_PYTHON
from tidegate.service.steer import Outcome

#: Evaluates expressions with the very library that the embedded cloud uses.
JSONATA = """
import json, sys
from jsonata import Jsonata

def value(text, names):
    expression = Jsonata(text)
    for name, each in names.items():
        expression.assign(name, each)
    return expression.evaluate(None)

print(json.dumps([value(*each) for each in json.load(sys.stdin)]))
"""


def expressions(template: object) -> Iterator[str]:
    """Yield every expression of a definition."""
    if isinstance(template, dict):
        for each in template.values():
            yield from expressions(each)
    elif isinstance(template, list):
        for each in template:
            yield from expressions(each)
    elif isinstance(template, str) and template.startswith("{%"):
        yield template


def names(verdict: str, ending: str, outcome: str, left: int) -> dict[str, Any]:
    """Return what the definition's variables may mean at some moment."""
    rollout = {"jobId": "j", "createdAt": 5, "generation": 2, "reviews": 9, "successor": "j-5-3"}
    result = {"Payload": {"rollout": rollout, "reviews": 9}}
    return {
        "rollout": rollout,
        "reviewsLeft": left,
        "decision": {
            "verdict": verdict,
            "ending": ending,
            "revision": 7,
            "waitSeconds": 48,
            "summary": "because",
        },
        "states": {
            "input": {"enrolled": left > 0, "outcome": outcome, "problem": "none"},
            "result": result,
            "errorOutput": {"Error": "RetryLater", "Cause": "busy " * 500},
            "context": {
                "Execution": {"Id": "arn:execution", "Input": {"jobId": "j"}},
                "State": {"EnteredTime": "2026-09-21T14:20:00.000Z"},
                "Task": {"Token": "token"},
            },
        },
    }


def test_every_expression_means_what_it_means_to_jsonata() -> None:
    """Each expression of the definition has the value that JSONata gives it."""
    moments = [
        names(verdict, ending, outcome, left)
        for verdict, ending, outcome, left in zip(
            [*Verdict, "superseded"] * 8,
            [*Ending, ""] * 8,
            [*Outcome] * 8,
            [2, 1, 0, -1] * 8,
            strict=False,
        )
    ]
    asked = [
        (text[2:-2], moment) for text in sorted({*expressions(DEFINITION)}) for moment in moments
    ]
    answered = subprocess.run(
        [CLOUD_PYTHON, "-c", JSONATA],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    ours = [evaluated(f"{{%{text}%}}", moment) for text, moment in asked]
    assert ours == json.loads(answered.stdout)
    assert len(asked) > 500


@pytest.mark.parametrize(
    "text",
    ["$nobody", "$decision.nothing", "$count([1])", "1 +", "[1", "1 2", "*", "$substring"],
)
def test_what_is_not_understood_is_not_guessed(text: str) -> None:
    """An expression beyond what is used so far fails loudly, as does a name without a value."""
    with pytest.raises(ExpressionError):
        evaluated(f"{{% {text} %}}", {"decision": {}})
