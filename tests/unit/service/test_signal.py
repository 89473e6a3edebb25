"""Signals: what people ask is written down once, wakes the workflow, and is never swallowed."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.service.stage import JOB, START, Stage
from tidegate.documents.commands import OPERATOR_SOURCE, CommandError
from tidegate.domain.rollout import Ending, Hold, HoldKind
from tidegate.errors import RetryLater
from tidegate.service.signal import signal

AT = "2026-09-21T14:20:00Z"
BEFORE = "2026-09-21T14:19:59Z"
AFTER = "2026-09-21T14:20:01Z"


@pytest.fixture
def stage() -> Stage:
    """Return an enrolled job whose workflow waits."""
    stage = Stage()
    stage.park("token", stage.review())
    return stage


def test_a_hold_is_in_force_and_wakes(stage: Stage) -> None:
    """Who and why are kept with the second of the event."""
    stage.ask("Hold Rollout", AT, by="night-shift", reason="odd")

    (hold,) = stage.ledger.holds(stage.key)
    assert hold == Hold(HoldKind.OPERATOR, "night-shift", "odd", since=hold.since)
    assert hold.since > START
    assert stage.workflow.woken == [("token", {"cause": "night-shift: hold"})]


def test_the_same_hold_again_is_one_hold(stage: Stage) -> None:
    """EventBridge delivers at least once."""
    for _ in range(3):
        stage.ask("Hold Rollout", AT)

    assert len(stage.ledger.holds(stage.key)) == 1


def test_a_resume_lifts_what_was_placed_before(stage: Stage) -> None:
    """All holds of operators, whoever placed them; the bus hears who lifted them and why."""
    stage.ask("Hold Rollout", AT, by="night-shift")
    stage.ask("Hold Rollout", AT, by="site-3")
    stage.ask("Resume Rollout", AFTER, by="plant-7", reason="all fine")

    assert stage.ledger.holds(stage.key) == []
    (resumed,) = stage.bus.details("Rollout Resumed")
    assert (resumed["by"], resumed["reason"]) == ("plant-7", "all fine")  # type: ignore[index]


def test_a_late_duplicate_of_a_lifted_hold_is_not_in_force(stage: Stage) -> None:
    """Its time is that of its first delivery: before the resume."""
    stage.ask("Hold Rollout", AT)
    stage.ask("Resume Rollout", AFTER)
    stage.ask("Hold Rollout", AT)

    assert stage.ledger.holds(stage.key) == []


def test_a_resume_that_overtakes_its_hold_lifts_it(stage: Stage) -> None:
    """Delivered in the wrong order, the later word still wins."""
    stage.ask("Resume Rollout", AFTER)
    stage.ask("Hold Rollout", AT)

    assert stage.ledger.holds(stage.key) == []


def test_a_hold_after_a_resume_stays(stage: Stage) -> None:
    """A late duplicate of the resume does not lift a hold that was placed after it."""
    stage.ask("Resume Rollout", BEFORE)
    stage.ask("Hold Rollout", AT)
    stage.ask("Resume Rollout", BEFORE)

    assert len(stage.ledger.holds(stage.key)) == 1


def test_hold_and_resume_of_one_second_hold(stage: Stage) -> None:
    """Where their order cannot be told, the rollout does not go on."""
    stage.ask("Hold Rollout", AT)
    stage.ask("Resume Rollout", AT)

    assert len(stage.ledger.holds(stage.key)) == 1


def test_the_first_request_to_abort_stays(stage: Stage) -> None:
    """Whoever was first is named in all that follows."""
    stage.ask("Abort Rollout", AT, by="night-shift", reason="bricks")
    stage.ask("Abort Rollout", AFTER, by="plant-7", reason="me too")

    request = stage.rollout.abort_request
    assert request is not None
    assert (request.by, request.reason) == ("night-shift", "bricks")


@pytest.mark.parametrize("command", ["Hold Rollout", "Resume Rollout", "Abort Rollout"])
def test_a_request_for_a_job_that_is_unknown_is_answered(stage: Stage, command: str) -> None:
    """Nobody who asks for something believes it done when it is not."""
    stage.ask(command, jobId="unknown")

    verb = command.partition(" ")[0].lower()
    (attention,) = stage.problems
    assert f"night-shift asked to {verb} job unknown" in attention["problem"]
    assert "never enrolled" in attention["problem"]
    assert stage.workflow.woken == []


@pytest.mark.parametrize("command", ["Hold Rollout", "Resume Rollout", "Abort Rollout"])
def test_a_request_for_a_rollout_that_has_ended_is_answered(stage: Stage, command: str) -> None:
    """The answer says how it ended."""
    stage.ledger.conclude(stage.key, generation=1, ending=Ending.FENCED, at=0)
    stage.ask(command)

    (attention,) = stage.problems
    assert "(ended: fenced)" in attention["problem"]
    assert stage.rollout.abort_request is None


def test_a_hold_from_before_the_job_holds_all_the_same(stage: Stage) -> None:
    """Sent in the second of the launch, or stale: a hold errs on the safe side."""
    stage.ask("Hold Rollout", "2026-09-21T14:00:00Z")

    assert len(stage.ledger.holds(stage.key)) == 1


def test_an_abort_from_before_the_job_is_not_about_it(stage: Stage) -> None:
    """An abort cannot be taken back: one that is stale is answered, not done."""
    stage.ask("Abort Rollout", "2026-09-21T13:59:00Z")

    assert stage.rollout.abort_request is None
    assert "before the job that has this id now was created" in stage.problems[0]["problem"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"source": OPERATOR_SOURCE, "detail-type": "Hold Rollout", "time": AT},
        {"source": OPERATOR_SOURCE, "detail-type": "Hold Rollout", "time": AT, "detail": {}},
        {"source": "elsewhere", "detail-type": "Hold Rollout", "time": AT, "detail": {}},
        {"source": OPERATOR_SOURCE, "detail-type": "Dance", "time": AT, "detail": {}},
    ],
)
def test_a_malformed_command_is_refused(stage: Stage, event: Mapping[str, Any]) -> None:
    """It changes nothing, and the error says what is wrong with it."""
    with pytest.raises(CommandError):
        signal(event, ledger=stage.ledger, workflow=stage.workflow, bus=stage.bus)

    assert stage.rollout.signals == 0


@pytest.mark.parametrize("time", [None, "", "yesterday", 7])
def test_a_command_without_a_time_is_refused(stage: Stage, time: object) -> None:
    """Whether it came before or after another cannot be told."""
    event = {
        "source": OPERATOR_SOURCE,
        "detail-type": "Hold Rollout",
        "time": time,
        "detail": {"jobId": JOB, "by": "night-shift", "reason": "odd"},
    }
    with pytest.raises(CommandError, match="without a time of its own"):
        signal(event, ledger=stage.ledger, workflow=stage.workflow, bus=stage.bus)

    assert stage.ledger.holds(stage.key) == []


@pytest.mark.parametrize(
    ("port", "operation"),
    [("ledger", "place_hold"), ("ledger", "rollout"), ("workflow", "wake"), ("ledger", "unpark")],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_hold_that_died_midway_binds_when_it_comes_again(
    stage: Stage, port: str, operation: str, when: str
) -> None:
    """However far it came, delivered again it is in force and wakes the workflow."""
    getattr(getattr(stage, port).faults, when)(operation, RetryLater("throttled"))
    with pytest.raises(RetryLater):
        stage.ask("Hold Rollout", AT)
    stage.ask("Hold Rollout", AT)

    assert len(stage.ledger.holds(stage.key)) == 1
    assert [token for token, _ in stage.workflow.woken] == ["token"]


@pytest.mark.parametrize("command", ["Resume Rollout", "Hold Rollout"])
def test_an_answer_that_the_bus_does_not_take_comes_again(stage: Stage, command: str) -> None:
    """The command is delivered again until the answer is on the bus."""
    stage.bus.refuses = lambda _: True
    job_id = JOB if command == "Resume Rollout" else "unknown"

    with pytest.raises(RetryLater, match="deliver the command again"):
        stage.ask(command, jobId=job_id)


def test_enrolling_starts_a_workflow_named_by_its_event(stage: Stage) -> None:
    """One event names one execution, however often it is delivered."""
    for _ in range(2):
        event = {
            "source": OPERATOR_SOURCE,
            "detail-type": "Enroll Job",
            "id": "6a9191a9-0b5b-4793-9987-29dacba35e66",
            "time": AT,
            "detail": {"jobId": "new", "policy": "firmware"},
        }
        signal(event, ledger=stage.ledger, workflow=stage.workflow, bus=stage.bus)

    started = {name: given for name, given in stage.workflow.started.items() if name != "owner"}
    ((name, given),) = started.items()
    assert name == "new-6a9191a9-0b5b-4793-9987-29dacba35e66"
    assert given["jobId"] == "new"
    assert given["policy"] == "firmware"


def test_a_request_that_nothing_will_act_on_is_answered(stage: Stage) -> None:
    """Noted for a workflow that died: whoever asked is told, and how to stop the job at once."""
    stage.workflow.end(stage.owner)
    stage.ask("Abort Rollout", AFTER, by="on-call", reason="smoke")

    assert stage.rollout.abort_request is not None
    (attention,) = stage.problems
    assert "does not run" in attention["problem"]
    assert "aws iot cancel-job" in attention["remedy"]


@pytest.mark.parametrize("event_id", [None, "", "a b", 7])
def test_an_enrolment_without_an_event_s_id_is_refused(stage: Stage, event_id: object) -> None:
    """What did not come by the bus could start a workflow twice."""
    event = {
        "source": OPERATOR_SOURCE,
        "detail-type": "Enroll Job",
        "id": event_id,
        "time": AT,
        "detail": {"jobId": "new", "policy": "firmware"},
    }
    with pytest.raises(CommandError, match="did not come by the bus"):
        signal(event, ledger=stage.ledger, workflow=stage.workflow, bus=stage.bus)
