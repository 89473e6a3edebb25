"""The handler that runs each minute: what it did is published, what failed fails it."""

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import sweep
from tests.unit.lambdas.test_batches import metrics
from tests.unit.service.stage import Stage
from tidegate.adapters.aws import environment
from tidegate.adapters.memory.dead_letters import MemoryDeadLetters
from tidegate.errors import RetryLater
from tidegate.ports import POLICY_TAG


@pytest.fixture
def dead_letters(monkeypatch: pytest.MonkeyPatch) -> MemoryDeadLetters:
    """Return the dead-letter queues that the handler finds."""
    queues = MemoryDeadLetters({"signal-dead": 0})
    monkeypatch.setattr(environment, "dead_letters", lambda: queues)
    return queues


@pytest.mark.usefixtures("dead_letters")
def test_a_sweep_tells_what_it_came_to(
    stage: Stage, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a result, and as metrics."""
    stage.jobs.add("new", tags={POLICY_TAG: "firmware"})
    stage.workflow.end(stage.owner)
    stage.clock.advance(600)
    swept = sweep.handler({}, context)

    assert swept == {"found": ("new",), "healed": (stage.key.job_id,), "alerts": (), "faults": ()}
    assert metrics(capsys.readouterr().out) == {
        "JobsFound": 1,
        "RolloutsHealed": 1,
        "CallsThrottled": 0,
    }


def test_what_could_not_be_seen_to_fails_the_sweep_at_its_end(
    stage: Stage,
    context: LambdaContext,
    dead_letters: MemoryDeadLetters,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The alarm on failures tells people if it lasts; the rest is done all the same."""
    stage.jobs.add("new", tags={POLICY_TAG: "firmware"})
    stage.clock.advance(60)
    dead_letters.faults.before("depths", RetryLater("throttled"))
    with pytest.raises(RetryLater, match="throttled"):
        sweep.handler({}, context)

    assert metrics(capsys.readouterr().out)["JobsFound"] == 1
    assert any(name.startswith("new-") for name in stage.workflow.started)
