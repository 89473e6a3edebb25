"""Which commands are done, and which are in vain, in each state of a rollout: the guide's table."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.service.stage import JOB, POLICY, START, Stage
from tests.unit.service.test_signal import command as sent
from tests.unit.service.test_signal import send
from tidegate.domain.course import About, Course, Question
from tidegate.domain.decision import Decision
from tidegate.domain.jobs import JobStatus
from tidegate.domain.policy import OnAbort, Rollback
from tidegate.domain.rollout import Ending, RolloutKey
from tidegate.domain.turn import Turn

GUIDE = Path(__file__).parents[3] / "docs" / "operating.md"

COHORT = "thing.type=pump"
COMMANDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Hold": ("Hold Rollout", {"reason": "odd"}),
    "Resume": ("Resume Rollout", {"reason": "fine"}),
    "Abort": ("Abort Rollout", {"reason": "bricks"}),
    "an answer": ("Approve Gate", {"correlationId": "canary-approval", "comment": "looks good"}),
    "Adjust Policy": ("Adjust Policy", {"reason": "slower", "policy": {"name": "cautious"}}),
    "Release Cohort": ("Release Cohort", {"reason": "odd", "cohort": COHORT}),
}


def table() -> list[tuple[str, str, str]]:
    """Return state, command and what becomes of it, as the guide has them."""
    lines = GUIDE.read_text().partition("| the rollout |")[2].splitlines()
    names, *rows = ([each.strip() for each in line.split("|") if each.strip()] for line in lines)
    return [
        (state, command, cell)
        for state, *cells in rows[1 : rows.index([])]
        for command, cell in zip(names, cells, strict=True)
    ]


def changed(stage: Stage, **members: object) -> None:
    """Let the rollout have these members."""
    before = stage.rollout
    stage.ledger.claim(replace(before, **members), previous=before)  # type: ignore[arg-type]


def course(stage: Stage, **members: object) -> None:
    """Let the rollout's course have these members besides."""
    changed(stage, course=replace(stage.rollout.course, **members))  # type: ignore[arg-type]


def ask(stage: Stage) -> None:
    """Let a gate ask, and a cohort be set apart, whatever else there is to the state."""
    question = Question("canary-approval", About.GATE_APPROVAL, "canary", START)
    memory = replace(stage.rollout.memory, quarantined=(COHORT,))
    changed(stage, memory=memory, course=Course(questions=(question,)))


def waits(stage: Stage) -> None:
    """Let no rollout of the job be there, but a launch that waits."""
    stage.ledger.__init__()  # type: ignore[misc]
    stage.claim(RolloutKey("release-6", int(START)))
    turn = Turn(JOB, stage.workflow.start("waits", {}), "firmware", ("release-6",), START)
    stage.ledger.write_turn(turn, previous=None)


def stopping(stage: Stage) -> Decision:
    """Let an abort be decided."""
    stage.ask("Abort Rollout", by="site-3")
    return stage.review()


def rolling_back(stage: Stage) -> None:
    """Let the job that undoes the release be on its way."""
    course(stage, rollback_until=START + 3600)
    changed(stage, aborting=True, rolled_back_by="release-7-rollback")


def soaking(stage: Stage) -> None:
    """Let AWS be done with the job."""
    stage.jobs.change(JOB, status=JobStatus.COMPLETED)
    course(stage, soaked_until=START + 3600)


def undoing(stage: Stage) -> None:
    """Let the release be rolled back if it is aborted."""
    undo = OnAbort(rollback=Rollback(("document", "{}")))
    changed(stage, policy=replace(POLICY, on_abort=undo))
    soaking(stage)


STATES: Mapping[str, Callable[[Stage], object]] = {
    "waits for its turn as a launch": waits,
    "is scheduled": lambda stage: stage.jobs.change(JOB, status=JobStatus.SCHEDULED),
    "goes on": lambda _: None,
    "is held": lambda stage: stage.ask("Hold Rollout", by="site-3"),
    "stands at a gate": lambda stage: course(stage, gate="canary", gate_reached_at=START),
    "asks for an approval": lambda _: None,
    "is being stopped": stopping,
    "is being rolled back": rolling_back,
    "guards late joiners": lambda stage: course(stage, is_guarding=True),
    "soaks after its job's end, with a rollback in its policy": undoing,
    "soaks after its job's end, without one": soaking,
    "has ended": lambda stage: stage.ledger.conclude(
        stage.key, generation=1, ending=Ending.COMPLETED, at=START
    ),
}


def test_the_guide_has_all_states_and_commands() -> None:
    """Nothing that people may ask, and no state that they may ask it in, is left open."""
    assert list(dict.fromkeys(state for state, _, _ in table())) == [*STATES]
    assert {command for _, command, _ in table()} == {*COMMANDS}


@pytest.mark.parametrize(("state", "command", "cell"), table())
def test_a_command_does_what_the_guide_says(state: str, command: str, cell: str) -> None:
    """Done without a word against it; or refused once, with a remedy, and without a trace."""
    stage = Stage()
    stage.review()
    ask(stage)
    STATES[state](stage)
    current = stage.ledger.current([JOB]).get(JOB)
    before = (current, list(stage.ledger.turns()))
    kind, members = COMMANDS[command]
    for _ in range(2):
        send(stage, sent(kind, **members))
    after = (stage.ledger.current([JOB]).get(JOB), list(stage.ledger.turns()))
    refusals: list[Any] = [*stage.bus.details("Command Refused")]

    assert ["done", "refused"][len(refusals)] == cell
    if cell == "done":
        assert after != before
    else:
        assert refusals[0]["command"] == kind
        assert refusals[0]["remedy"]
        assert after == before
