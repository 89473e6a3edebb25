"""What runs the workflow's definition here understands its expressions as JSONata does."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenario.expressions import ExpressionError, evaluated
from tests.scenario.machine import DEFINITION
from tidegate.domain.decision import Awaits, Verdict
from tidegate.domain.rollout import Ending
from tidegate.local.cloud import CLOUD_PYTHON
from tidegate.service.steer import Outcome
from tidegate.service.turns import WAIT_FOR_TURN_DAYS_MAX, WAIT_FOR_TURN_SECONDS

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


def names(verdict: str, awaits: str, ending: str, outcome: str, left: int) -> dict[str, Any]:
    """Return what the definition's variables may mean at some moment."""
    rollout = {"jobId": "j", "createdAt": 5, "generation": 2, "reviews": 9, "successor": "j-5-3"}
    result = {"Payload": {"rollout": rollout, "reviews": 9}}
    return {
        "rollout": rollout,
        "reviewsLeft": left,
        "decision": {
            "verdict": verdict,
            "awaits": awaits,
            "attends": left > 1,
            "ending": ending,
            "revision": 7,
            "waitSeconds": 48,
            "summary": "because",
        },
        "states": {
            "input": {
                "enrolled": left > 0,
                "waits": left == 0,
                "waitSeconds": 300,
                "superseded": left < 0,
                "givenUp": left < 0,
                "outcome": outcome,
                "problem": "none",
                "remedy": "nothing",
            },
            "result": result,
            "errorOutput": {"Error": "RetryLater", "Cause": "busy " * 500},
            "context": {
                "Execution": {
                    "Id": "arn:execution",
                    "Input": {"jobId": "j"},
                    "StartTime": "2026-09-21T14:00:00.000Z",
                },
                "State": {"EnteredTime": "2026-09-21T14:20:00.000Z"},
                "Task": {"Token": "token"},
            },
        },
    }


def test_every_expression_means_what_it_means_to_jsonata() -> None:
    """Each expression of the definition has the value that JSONata gives it."""
    moments = [
        names(*each)
        for each in zip(
            [*Verdict, "superseded"] * 8,
            [*Awaits] * 8,
            [*Ending, ""] * 8,
            [*Outcome, "more"] * 8,
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


def targets(state: dict[str, Any]) -> set[str]:
    """Return where a state can lead."""
    branches = [state, *state.get("Choices", ()), *state.get("Catch", ())]
    return {each[key] for each in branches for key in ("Next", "Default") if key in each}


def test_each_way_of_waiting_has_a_state_of_its_own() -> None:
    """What a decision waits for, and every verdict, leads to a state that says so."""
    states = DEFINITION["States"]
    conditions = {
        choice["Condition"][3:-3]: choice["Next"]
        for state in states.values()
        for choice in state.get("Choices", ())
    }
    waits = {
        each.value: conditions.get(f"$decision.awaits = '{each.value}'", "AwaitEvidence")
        for each in set(Awaits) - {Awaits.STOP, Awaits.STRAGGLERS}
    }
    told = {name for text in conditions for name in Verdict if f"'{name.value}'" in text}

    assert waits == {
        "evidence": "AwaitEvidence",
        "release": "AwaitRelease",
        "bake": "Bake",
        "answer": "AwaitAnswer",
        "approval": "AwaitApproval",
        "joiners": "Guard",
    }
    assert told == set(Verdict)
    assert states["Aborted?"]["Default"] == "AwaitStopped"
    assert states["RolledBack?"]["Default"] == "AwaitStragglers"


def test_every_wait_ends_by_a_wake_or_by_time() -> None:
    """A parked state goes on when it is woken, and reviews when its time is over."""
    parked = [
        state
        for state in DEFINITION["States"].values()
        if state.get("Resource", "").endswith(".waitForTaskToken")
    ]

    assert len(parked) == 8
    for state in parked:
        assert state["Next"] == "Woken"
        assert state["Catch"][0] == {"ErrorEquals": ["States.Timeout"], "Next": "ReviewDue"}
        assert state["TimeoutSeconds"] == "{% $decision.waitSeconds %}"


def test_a_wait_says_in_the_console_what_happens() -> None:
    """People follow a rollout there: each state has words of its own about it."""
    comments = [state["Comment"] for state in DEFINITION["States"].values()]

    assert len(set(comments)) == len(comments)
    assert min(map(len, comments)) > 20


def test_every_state_is_reached() -> None:
    """No state is left over, and none leads to one that is not there."""
    states = DEFINITION["States"]
    reached = {DEFINITION["StartAt"]}.union(*map(targets, states.values()))

    assert reached == set(states)


def test_a_failure_of_tidegates_own_is_told_with_what_to_look_at() -> None:
    """Every task that fails for good raises attention, with problem and remedy; Attend never."""
    for name, state in DEFINITION["States"].items():
        if state["Type"] != "Task" or name in ("RaiseAttention", "Attend"):
            continue
        last = state["Catch"][-1]
        assert last["ErrorEquals"] == ["States.ALL"]
        assert last["Next"] == "RaiseAttention"
        assert f"The state {name} failed" in last["Output"]["problem"]
        assert "$states.context.Execution.Id" in last["Output"]["remedy"]


def test_the_rollout_goes_on_without_what_attend_could_not_do() -> None:
    """Looking after single devices is never worth a rollout: a later pass makes up for it."""
    last = DEFINITION["States"]["Attend"]["Catch"][-1]

    assert (last["ErrorEquals"], last["Next"]) == (["States.ALL"], "Attended?")


def test_a_week_of_waiting_for_its_turn_fits_into_one_history() -> None:
    """As long as enroll lets a launch wait, Step Functions keeps what happens meanwhile."""
    turns = WAIT_FOR_TURN_DAYS_MAX * 86_400 / WAIT_FOR_TURN_SECONDS
    events = 5 + 2 + 2  # Enroll, Enrolled?, AwaitTurn

    assert turns * events < 24_000


@pytest.mark.parametrize(
    "text",
    ["$nobody", "$decision.nothing", "$count([1])", "1 +", "[1", "1 2", "*", "$substring"],
)
def test_what_is_not_understood_is_not_guessed(text: str) -> None:
    """An expression beyond what is used so far fails loudly, as does a name without a value."""
    with pytest.raises(ExpressionError):
        evaluated(f"{{% {text} %}}", {"decision": {}})
