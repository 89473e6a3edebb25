"""Signals: what people ask is done once or refused once, and wakes or heals the workflow."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.service.stage import JOB, POLICY, START, Stage
from tidegate.documents.commands import OPERATOR_SOURCE, CommandError
from tidegate.documents.events import EventError
from tidegate.domain.course import About, Course, Proposal, Question
from tidegate.domain.policy import Action, Freeze, Gate, Policy
from tidegate.domain.rollout import Ending, Hold, HoldKind, RolloutKey
from tidegate.domain.settings import JobSettings
from tidegate.errors import Refused, RetryLater
from tidegate.ports import POLICY_TAG, CommandResult
from tidegate.service.finding import NEW_JOB_GRACE_SECONDS
from tidegate.service.healing import HEALS_MAX
from tidegate.service.signal import Signaling

AT = "2026-09-21T14:20:00Z"
BEFORE = "2026-09-21T14:19:59Z"
AFTER = "2026-09-21T14:20:01Z"
AT_SECONDS = START + 400

ASKED_AT = START + 100.5

ACCOUNT = "eu-central-1:111122223333"

COHORT = "thing.attributes.hardware=B"

ADJUSTED: Mapping[str, Any] = {
    "name": "cautious",
    "harm": {"tolerated_rate": 0.02, "acceptable_rate": 0.02, "budget": 5},
    "pace": {"start_per_minute": 1, "max_per_minute": 10},
}


@pytest.fixture
def stage() -> Stage:
    """Return an enrolled job whose workflow waits."""
    stage = Stage()
    stage.park("token", stage.review())
    return stage


def send(stage: Stage, event: Mapping[str, Any]) -> None:
    """Deliver an event."""
    Signaling(
        ledger=stage.ledger,
        workflow=stage.workflow,
        bus=stage.bus,
        policies=stage.policies,
        jobs=stage.jobs,
        clock=stage.clock,
    ).signal(event)


def command(kind: str, event_id: str = "event-a", at: str = AT, **detail: object) -> dict[str, Any]:
    """Return an operator's command."""
    return {
        "source": OPERATOR_SOURCE,
        "detail-type": kind,
        "id": event_id,
        "time": at,
        "detail": {"jobId": JOB, "by": "night-shift", **detail},
    }


def answer(
    kind: str, question_id: str, event_id: str = "event-a", at: str = AT, **detail: object
) -> dict[str, Any]:
    """Return an answer to a question."""
    given = {"correlationId": question_id, "comment": "looks good", **detail}
    return command(kind, event_id, at, **given)


def outside(source: str, kind: str, **members: object) -> dict[str, Any]:
    """Return an event of AWS."""
    return {"source": source, "detail-type": kind, "id": "event-o", "time": AT, **members}


def refusals(stage: Stage) -> list[Any]:
    """Return what was answered to commands that were not done."""
    return stage.bus.details("Command Refused")


def ask(stage: Stage, *, due_at: float | None = None) -> None:
    """Let a gate and a proposal wait for answers, and a cohort be set apart."""
    gate = Question("canary-approval", About.GATE_APPROVAL, "canary", ASKED_AT, due_at)
    about = Question("decision-1", About.DECISION, "speed_up", ASKED_AT, due_at)
    proposal = Proposal(about, Action.SPEED_UP, JobSettings(), revision=1)
    course = Course(questions=(gate,), proposal=proposal)
    stage.ledger.claim(replace(stage.rollout, course=course), previous=stage.rollout)
    set_apart(stage)


def set_apart(stage: Stage) -> None:
    """Let the last review have set a cohort apart."""
    apart = replace(stage.rollout, memory=replace(stage.rollout.memory, quarantined=(COHORT,)))
    stage.ledger.claim(apart, previous=stage.rollout)


def watch(stage: Stage, policy: Policy) -> None:
    """Let the rollout be under a policy from now on."""
    stage.ledger.claim(replace(stage.rollout, policy=policy), previous=stage.rollout)


def starts(stage: Stage) -> dict[str, Any]:
    """Return what was started besides the rollout's own workflow."""
    return {name: given for name, given in stage.workflow.started.items() if name != "owner"}


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
    """All holds of operators, whoever placed them; who lifted them and why is kept."""
    stage.ask("Hold Rollout", AT, by="night-shift")
    stage.ask("Hold Rollout", AT, by="site-3")
    stage.ask("Resume Rollout", AFTER, by="plant-7", reason="all fine")

    lift = stage.ledger.lift(stage.key, HoldKind.OPERATOR)
    assert stage.ledger.holds(stage.key) == []
    assert lift is not None
    assert (lift.by, lift.reason, lift.at) == ("plant-7", "all fine", AT_SECONDS + 1)


def test_a_resume_alone_does_not_say_that_the_rollout_goes_on(stage: Stage) -> None:
    """Another hold may stand still: whoever applies the next decision knows."""
    stage.ask("Hold Rollout", AT)
    stage.ask("Resume Rollout", AFTER)

    assert stage.bus.details("Rollout Resumed") == []


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


REQUESTS = [
    command("Hold Rollout", reason="odd"),
    command("Resume Rollout", reason="fine"),
    command("Abort Rollout", reason="bricks"),
    command("Adjust Policy", reason="slower", policy=ADJUSTED),
    command("Release Cohort", reason="slower", cohort=COHORT),
    answer("Approve Gate", "canary-approval"),
    answer("Reject Decision", "decision-1"),
]


@pytest.mark.parametrize("event", REQUESTS, ids=lambda event: event["detail-type"])
def test_a_request_for_a_job_that_is_unknown_is_refused(
    stage: Stage, event: dict[str, Any]
) -> None:
    """Nobody who asks for something believes it done when it is not."""
    event["detail"] = {**event["detail"], "jobId": "unknown"}
    send(stage, event)

    (refusal,) = refusals(stage)
    assert refusal["command"] == event["detail-type"]
    assert refusal["commandId"] == "event-a"
    assert refusal["jobId"] == "unknown"
    assert "never enrolled" in refusal["problem"]
    assert stage.workflow.woken == []
    event["detail"] = {**event["detail"], "jobId": JOB}


@pytest.mark.parametrize("event", REQUESTS, ids=lambda event: event["detail-type"])
def test_a_request_for_a_rollout_that_has_ended_is_refused(
    stage: Stage, event: dict[str, Any]
) -> None:
    """The answer says how it ended; a workflow that is over is not started again."""
    ask(stage)
    stage.ledger.conclude(stage.key, generation=1, ending=Ending.FENCED, at=0)
    stage.workflow.end(stage.owner)
    before = stage.rollout
    send(stage, event)

    (refusal,) = refusals(stage)
    assert "(ended: fenced)" in refusal["problem"]
    assert stage.rollout == before
    assert starts(stage) == {}


@pytest.mark.parametrize("event", REQUESTS, ids=lambda event: event["detail-type"])
def test_a_request_that_no_review_sees_any_more_is_refused_once(
    stage: Stage, event: dict[str, Any]
) -> None:
    """Read before the end and written after it, it is not told to be done; nothing follows."""
    ask(stage)
    ended = Ending.COMPLETED
    stage.between_ledger_calls.following(
        "current", lambda: stage.ledger.conclude(stage.key, generation=1, ending=ended, at=0)
    )
    for _ in range(2):
        send(stage, event)

    (refusal,) = refusals(stage)
    assert "ended before: completed" in refusal["problem"]
    assert stage.ledger.command("event-a") == CommandResult(refusal["problem"], refusal["remedy"])
    assert {each.detail_type for each in stage.bus.published} == {"Command Refused"}


def test_a_request_that_the_last_review_saw_was_done(stage: Stage) -> None:
    """Delivered again by a queue that lost the answer, it is no news that it ended since."""
    event = command("Abort Rollout", reason="wrong image")
    stage.between_ledger_calls.before("note_command", RetryLater("busy"))
    with pytest.raises(RetryLater):
        send(stage, event)
    stage.review()
    stage.ledger.conclude(stage.key, generation=1, ending=Ending.ABORTED, at=0)
    send(stage, event)

    assert refusals(stage) == []


@pytest.mark.parametrize("event", REQUESTS, ids=lambda event: event["detail-type"])
def test_a_request_that_was_done_is_not_refused_later(stage: Stage, event: dict[str, Any]) -> None:
    """Delivered again after the rollout's end, it is known to have been done."""
    ask(stage)
    send(stage, event)
    stage.ledger.conclude(stage.key, generation=1, ending=Ending.FENCED, at=0)
    send(stage, event)

    assert refusals(stage) == []


def test_a_request_is_refused_once(stage: Stage) -> None:
    """However often it is delivered; another of the same kind gets its own answer."""
    for event_id in ("event-a", "event-a", "event-b"):
        send(stage, command("Hold Rollout", event_id, jobId="unknown", reason="odd"))

    assert [each["commandId"] for each in refusals(stage)] == ["event-a", "event-b"]


def test_a_hold_from_before_the_job_holds_all_the_same(stage: Stage) -> None:
    """Sent in the second of the launch, or stale: a hold errs on the safe side."""
    stage.ask("Hold Rollout", "2026-09-21T14:00:00Z")

    assert len(stage.ledger.holds(stage.key)) == 1


@pytest.mark.parametrize("event", REQUESTS[2:], ids=lambda event: event["detail-type"])
def test_what_is_from_before_the_job_is_not_about_it(stage: Stage, event: dict[str, Any]) -> None:
    """Replayed from an archive, it was meant for an earlier job of that id."""
    ask(stage)
    before = stage.rollout
    send(stage, {**event, "time": "2026-09-21T13:59:00Z"})

    (refusal,) = refusals(stage)
    assert "before the job that has this id now was created" in refusal["problem"]
    assert stage.rollout == before
    assert stage.ledger.answers(stage.key) == []


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("Hold Rollout", {}),
        ("Hold Rollout", []),
        ("Dance", {"jobId": JOB}),
        ("Approve Gate", {"jobId": JOB, "by": "night-shift", "correlationId": "canary-approval"}),
        ("Hold Rollout", {"jobId": JOB, "by": "night-shift", "reason": "x" * 300_000}),
        ("Enroll Job", {"jobId": "new"}),
        (None, {}),
    ],
)
def test_a_malformed_command_is_refused(stage: Stage, kind: object, detail: object) -> None:
    """It changes nothing, and is answered with what is wrong: nobody reads a dead-letter queue."""
    ask(stage)
    before = stage.rollout
    send(stage, {**command(""), "detail-type": kind, "detail": detail})

    (refusal,) = refusals(stage)
    assert refusal["remedy"].startswith("Mend what the problem names")
    assert stage.rollout == before
    assert starts(stage) == {}


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"source": OPERATOR_SOURCE, "detail-type": "Hold Rollout", "time": AT},
        {**command("Hold Rollout", reason="odd"), "id": None},
        {**command("Hold Rollout", reason="odd"), "id": "a b"},
        {**command("Enroll Job", policy="firmware"), "id": 7},
    ],
)
def test_what_did_not_come_by_the_bus_fails(stage: Stage, event: Mapping[str, Any]) -> None:
    """Nobody waits for an answer to it; what it asks for could be done twice."""
    with pytest.raises(CommandError, match="did not come by the bus"):
        send(stage, event)

    assert stage.bus.published == []
    assert stage.rollout.signals == 0


@pytest.mark.parametrize("time", [None, "", "yesterday", 7])
def test_a_command_without_a_time_fails(stage: Stage, time: object) -> None:
    """Whether it came before or after another cannot be told."""
    with pytest.raises(CommandError, match="without a time of its own"):
        send(stage, {**command("Hold Rollout", reason="odd"), "time": time})

    assert stage.ledger.holds(stage.key) == []


@pytest.mark.parametrize(
    ("port", "operation"),
    [
        ("ledger", "place_hold"),
        ("ledger", "note_command"),
        ("ledger", "rollout"),
        ("workflow", "wake"),
        ("ledger", "unpark"),
        ("workflow", "is_running"),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_hold_that_died_midway_binds_when_it_comes_again(
    stage: Stage, port: str, operation: str, when: str
) -> None:
    """However far it came, delivered again it is in force and wakes the workflow."""
    getattr(getattr(stage, port).faults, when)(operation, RetryLater("throttled"))
    event = command("Hold Rollout", reason="odd")
    with pytest.raises(RetryLater):
        send(stage, event)
    send(stage, event)

    assert len(stage.ledger.holds(stage.key)) == 1
    assert [token for token, _ in stage.workflow.woken] == ["token"]
    assert refusals(stage) == []


def test_a_refusal_that_the_bus_does_not_take_comes_again(stage: Stage) -> None:
    """The command is delivered again until its answer is on the bus."""
    event = command("Hold Rollout", jobId="unknown", reason="odd")
    stage.bus.refuses = lambda _: True
    with pytest.raises(RetryLater, match="did not take 'Command Refused'"):
        send(stage, event)
    assert stage.ledger.command("event-a") is None
    stage.bus.refuses = lambda _: False
    send(stage, event)

    assert len(refusals(stage)) == 1


def test_whoever_sent_a_command_can_ask_what_became_of_it(stage: Stage) -> None:
    """A refusal is kept with the words that the bus was told, a command that was done without."""
    asked = {"jobId": "new", "policy": "firmware"}
    send(stage, command("Hold Rollout", "event-a", reason="odd"))
    send(stage, {**command("Enroll Job", "event-b"), "detail": asked})
    send(stage, command("Adjust Policy", "event-c", policy=ADJUSTED, reason="late"))
    send(stage, command("Hold Rollout", "event-d", jobId="unknown", reason="odd"))

    (refusal,) = refusals(stage)
    known = {name: stage.ledger.command(f"event-{name}") for name in "abcde"}
    done, refused = CommandResult(), CommandResult(refusal["problem"], refusal["remedy"])
    assert known == {"a": done, "b": done, "c": done, "d": refused, "e": None}


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_enrolling_that_died_midway_is_done_when_it_comes_again(stage: Stage, when: str) -> None:
    """However far it came, one workflow is started, and the command is known to be done."""
    getattr(stage.ledger.faults, when)("note_command", RetryLater("throttled"))
    event = {**command("Enroll Job"), "detail": {"jobId": "new", "policy": "firmware"}}
    with pytest.raises(RetryLater):
        send(stage, event)
    send(stage, event)

    assert len(starts(stage)) == 1
    assert stage.ledger.command("event-a") == CommandResult()


def test_enrolling_starts_a_workflow_named_by_its_event(stage: Stage) -> None:
    """One event names one execution, however often it is delivered."""
    event_id = "6a9191a9-0b5b-4793-9987-29dacba35e66"
    for _ in range(2):
        event = command("Enroll Job", event_id)
        send(stage, {**event, "detail": {"jobId": "new", "policy": "firmware"}})

    ((name, given),) = starts(stage).items()
    assert name == f"new-{event_id}"
    assert given["jobId"] == "new"
    assert given["policy"] == "firmware"
    assert given["commandId"] == event_id


# answers


@pytest.mark.parametrize(
    ("kind", "question_id", "yes"),
    [
        ("Approve Gate", "canary-approval", True),
        ("Reject Gate", "canary-approval", False),
        ("Approve Decision", "decision-1", True),
        ("Reject Decision", "decision-1", False),
    ],
)
def test_an_answer_is_noted_and_wakes(
    stage: Stage, kind: str, question_id: str, *, yes: bool
) -> None:
    """Who said what and when is kept for the review that looks at it."""
    ask(stage)
    signals = stage.rollout.signals
    send(stage, answer(kind, question_id))

    (noted,) = stage.ledger.answers(stage.key)
    assert (noted.question_id, noted.yes, noted.by) == (question_id, yes, "night-shift")
    assert (noted.comment, noted.at) == ("looks good", AT_SECONDS)
    assert stage.rollout.signals == signals + 1
    assert [token for token, _ in stage.workflow.woken] == ["token"]
    assert stage.bus.published == []


def test_the_same_answer_again_is_one_answer(stage: Stage) -> None:
    """Also once its question is settled and gone: it was done, and is not refused."""
    ask(stage)
    send(stage, answer("Approve Gate", "canary-approval"))
    signals = stage.rollout.signals
    stage.ledger.claim(replace(stage.rollout, course=Course()), previous=stage.rollout)
    send(stage, answer("Approve Gate", "canary-approval"))

    assert len(stage.ledger.answers(stage.key)) == 1
    assert stage.rollout.signals == signals
    assert refusals(stage) == []


@pytest.mark.parametrize("kind", ["Approve Gate", "Reject Gate"])
def test_the_first_answer_stands(stage: Stage, kind: str) -> None:
    """Whoever comes second learns who was first, when, and what was said."""
    ask(stage)
    send(stage, answer("Approve Gate", "canary-approval", by="release-desk", comment="go"))
    send(stage, answer(kind, "canary-approval", "event-b", AFTER))

    (refusal,) = refusals(stage)
    assert "release-desk answered yes at 2026-09-21T14:20:00.000Z already: go" in refusal["problem"]
    assert [each.by for each in stage.ledger.answers(stage.key)] == ["release-desk"]


@pytest.mark.parametrize(
    ("kinds", "said", "remedy"),
    [
        (("Approve Gate", "Reject Gate"), "yes", "hold or abort it"),
        (("Reject Gate", "Approve Gate"), "no", "resume it to have the question asked anew"),
    ],
)
def test_who_thinks_better_of_an_answer_is_refused(
    stage: Stage, kinds: tuple[str, str], said: str, remedy: str
) -> None:
    """A yes may have been acted on: it is not turned into a no, and after a no others must know."""
    ask(stage)
    first, second = kinds
    send(stage, answer(first, "canary-approval"))
    send(stage, answer(second, "canary-approval", "event-b", AFTER))

    (refusal,) = refusals(stage)
    assert f"night-shift answered {said}" in refusal["problem"]
    assert remedy in refusal["remedy"]


def test_who_says_the_same_in_another_command_is_not_refused(stage: Stage) -> None:
    """Sent twice for safety's sake, it stands as it was meant."""
    ask(stage)
    send(stage, answer("Approve Gate", "canary-approval"))
    send(stage, answer("Approve Gate", "canary-approval", "event-b", AFTER))

    assert refusals(stage) == []


@pytest.mark.parametrize(
    ("kind", "question_id"),
    [
        ("Approve Gate", "canary-answer"),
        ("Approve Gate", "decision-1"),
        ("Approve Decision", "canary-approval"),
        ("Reject Decision", "decision-2"),
    ],
)
def test_an_answer_to_what_nobody_asks_is_refused(
    stage: Stage, kind: str, question_id: str
) -> None:
    """Neither is one about a gate taken for one about a decision; what waits is named."""
    ask(stage)
    send(stage, answer(kind, question_id))

    (refusal,) = refusals(stage)
    waits = "canary-approval" if kind.endswith("Gate") else "decision-1"
    assert "nothing waits for an answer" in refusal["problem"]
    assert f"Answer what waits: {waits}." in refusal["remedy"]
    assert stage.ledger.answers(stage.key) == []


@pytest.mark.parametrize(
    ("at", "due_at", "problem"),
    [
        ("2026-09-21T14:14:59Z", None, "but before it was asked"),
        ("2026-09-21T14:15:00Z", None, None),
        (AT, AT_SECONDS, None),
        (AFTER, AT_SECONDS, "was due by 2026-09-21T14:20:00.000Z"),
    ],
)
def test_an_answer_counts_from_the_question_until_it_is_due(
    stage: Stage, at: str, due_at: float | None, problem: str | None
) -> None:
    """By the time at which it was given, in whole seconds as the bus tells it."""
    ask(stage, due_at=due_at)
    send(stage, answer("Approve Gate", "canary-approval", at=at))

    assert [problem in each["problem"] for each in refusals(stage)] == ([True] if problem else [])
    assert len(stage.ledger.answers(stage.key)) == (0 if problem else 1)


@pytest.mark.parametrize("is_decided", [False, True])
def test_an_answer_does_not_interfere_with_an_abort(stage: Stage, *, is_decided: bool) -> None:
    """Asked for or decided, nothing but the abort follows."""
    ask(stage)
    if is_decided:
        stage.ledger.claim(replace(stage.rollout, aborting=True), previous=stage.rollout)
    else:
        send(stage, command("Abort Rollout", reason="bricks"))
    send(stage, answer("Approve Gate", "canary-approval", "event-b"))

    assert "is being stopped" in refusals(stage)[0]["problem"]
    assert stage.ledger.answers(stage.key) == []


def test_whether_to_roll_back_is_answered_while_aborting(stage: Stage) -> None:
    """It is asked once the abort is decided, and of no use before."""
    about = Question("decision-9", About.DECISION, "roll_back", ASKED_AT)
    proposal = Proposal(about, Action.ROLL_BACK, JobSettings(), revision=9)
    aborting = replace(stage.rollout, course=Course(proposal=proposal), aborting=True)
    stage.ledger.claim(aborting, previous=stage.rollout)
    send(stage, answer("Approve Decision", "decision-9"))

    assert [each.yes for each in stage.ledger.answers(stage.key)] == [True]


def test_a_policy_is_not_adjusted_while_aborting(stage: Stage) -> None:
    """Nothing would follow from it."""
    send(stage, command("Abort Rollout", reason="bricks"))
    send(stage, adjust(ADJUSTED, "event-b"))

    assert "is being stopped" in refusals(stage)[0]["problem"]
    assert stage.rollout.policy == POLICY


# adjusting


def adjust(policy: object, event_id: str = "event-a", at: str = AT) -> dict[str, Any]:
    """Return a command that adjusts the policy."""
    return command("Adjust Policy", event_id, at, policy=policy, reason="slower")


@pytest.mark.parametrize("given", [ADJUSTED, "cautious"])
def test_an_adjusted_policy_is_in_force_told_and_wakes(stage: Stage, given: object) -> None:
    """By name or whole; the bus hears of it once, and the timeline keeps who asked and why."""
    stage.policies.documents["cautious"] = json.dumps(ADJUSTED)
    for _ in range(2):
        send(stage, adjust(given))

    assert stage.rollout.policy.name == "cautious"
    assert stage.rollout.policy.harm.budget_devices == 5
    assert stage.rollout.policy_version == 2
    (adjusted,) = stage.bus.details("Policy Adjusted")
    told = [adjusted[each] for each in ("policy", "policyVersion", "by", "reason")]  # type: ignore[index]
    assert told == ["cautious", 2, "night-shift", "slower"]
    assert [(each.what, each.text) for each in stage.ledger.steps(stage.key, limit=9)] == [
        ("Policy Adjusted", "policy cautious, version 2, asked for by night-shift: slower")
    ]
    assert [token for token, _ in stage.workflow.woken] == ["token"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("missing", "no policy 'missing'"),
        ({**ADJUSTED, "pace": {"start_per_minute": -1}}, "start_per_minute"),
        ({**ADJUSTED, "speed": 7}, "speed"),
        (
            {**ADJUSTED, "on_abort": {"rollback": {"document": {"undo": 1}, "policy": "missing"}}},
            "on_abort.rollback.policy of policy cautious: there is no policy 'missing'",
        ),
    ],
)
def test_a_policy_that_is_none_is_refused(stage: Stage, given: object, problem: str) -> None:
    """As an enrolment would refuse it, with every fault; the one before stays in force."""
    send(stage, adjust(given))

    assert problem in refusals(stage)[0]["problem"]
    assert stage.rollout.policy == POLICY
    assert stage.rollout.policy_version == 1


def test_an_adjustment_that_comes_again_late_is_nothing(stage: Stage) -> None:
    """A later one has the last word, and nobody is told that the first was refused."""
    first = adjust(ADJUSTED)
    send(stage, first)
    send(stage, adjust({**ADJUSTED, "name": "later"}, "event-b", AFTER))
    send(stage, first)

    assert stage.rollout.policy.name == "later"
    assert refusals(stage) == []


def test_an_adjustment_that_was_overtaken_is_refused(stage: Stage) -> None:
    """Sent first and delivered last, it never was in force."""
    send(stage, adjust({**ADJUSTED, "name": "later"}, "event-b", AFTER))
    send(stage, adjust(ADJUSTED))

    assert stage.rollout.policy.name == "later"
    assert "adjusted by a later command" in refusals(stage)[0]["problem"]


def test_an_adjustment_that_the_bus_does_not_take_comes_again(stage: Stage) -> None:
    """It is in force by then, and told when it comes again."""
    stage.bus.refuses = lambda _: True
    with pytest.raises(RetryLater):
        send(stage, adjust(ADJUSTED))
    stage.bus.refuses = lambda _: False
    send(stage, adjust(ADJUSTED))

    assert len(stage.bus.details("Policy Adjusted")) == 1
    assert stage.rollout.policy_version == 2


@pytest.mark.parametrize(
    ("harm", "keeps"),
    [
        ({}, True),
        ({"budget": 7}, True),
        ({"statuses": ["FAILED"]}, False),
        ({"confidence": 0.9}, False),
        ({"acceptable_rate": 0.01}, False),
        ({"tolerated_rate": 0.03}, False),
        ({"late_tolerated_rate": 0.2}, False),
    ],
)
def test_a_bound_is_kept_only_where_harm_means_the_same(
    stage: Stage, harm: Mapping[str, Any], *, keeps: bool
) -> None:
    """A bound on another rate, or of another confidence, would be none."""
    send(stage, adjust(ADJUSTED))
    stage.ledger.claim(replace(stage.rollout, upper_bound=0.5), previous=stage.rollout)
    adjusted = {**ADJUSTED["harm"], **harm}
    send(stage, adjust({**ADJUSTED, "name": "next", "harm": adjusted}, "event-b", AFTER))

    assert refusals(stage) == []
    assert stage.rollout.upper_bound == (0.5 if keeps else 1.0)


SHARED = {**ADJUSTED, "harm": {**ADJUSTED["harm"], "budget": "1%"}}


def test_a_share_is_of_a_fleet_that_is_counted(stage: Stage) -> None:
    """Enrolled under a number, the rollout learns the fleet's size when a share is asked for."""
    stage.jobs.change(JOB, targets=(f"arn:aws:iot:{ACCOUNT}:thinggroup/pumps",))
    stage.jobs.groups["pumps"] = {f"pump-{number}" for number in range(300)}
    send(stage, adjust(SHARED))

    assert stage.rollout.fleet_size == 300
    assert stage.rollout.policy.harm.budget_share == 0.01


def test_a_share_of_what_cannot_be_counted_is_refused(stage: Stage) -> None:
    """No budget would follow from it."""
    stage.jobs.change(JOB, targets=("arn:aws:iot:elsewhere",))
    send(stage, adjust(SHARED))

    assert "too many to count" in refusals(stage)[0]["problem"]
    assert "as numbers of devices" in refusals(stage)[0]["remedy"]
    assert stage.rollout.policy == POLICY


def test_a_share_of_no_things_is_refused(stage: Stage) -> None:
    """Nor would one of a group that is filled later."""
    stage.jobs.change(JOB, targets=(f"arn:aws:iot:{ACCOUNT}:thinggroup/pumps",))
    stage.jobs.groups["pumps"] = set()
    send(stage, adjust(SHARED))

    assert "hold no things yet" in refusals(stage)[0]["problem"]
    assert stage.rollout.policy == POLICY


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_share_of_a_job_that_is_gone_is_refused(stage: Stage, *, is_replaced: bool) -> None:
    """Neither the targets of another job of that id are its fleet."""
    stage.jobs.delete(JOB)
    if is_replaced:
        stage.clock.advance(600)
        stage.jobs.add(JOB)
    send(stage, adjust(SHARED))

    assert "the job was deleted" in refusals(stage)[0]["problem"]
    assert "Enroll Job" in refusals(stage)[0]["remedy"]


def test_a_share_of_a_job_that_nobody_may_read_is_refused(stage: Stage) -> None:
    """Somebody took its tag away: whoever asked hears of it, and nothing is delivered again."""
    stage.jobs.faults.before("describe", Refused("job release-7 does not carry the tag any more"))
    send(stage, adjust(SHARED))

    assert "the tag" in refusals(stage)[0]["problem"]
    assert stage.rollout.policy == POLICY


def test_a_job_stays_in_its_namespace(stage: Stage) -> None:
    """It was launched there, whatever another policy says of it."""
    watch(stage, replace(POLICY, job=replace(POLICY.job, namespace_id="ota")))
    send(stage, adjust(ADJUSTED))

    assert stage.rollout.policy.job.namespace_id == "ota"


def gates(*gates: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a policy with gates."""
    return {**ADJUSTED, "gates": [*gates]}


@pytest.mark.parametrize("named", [{}, {"name": "gate-1"}])
def test_a_gate_ahead_that_would_count_as_passed_is_refused(
    stage: Stage, named: Mapping[str, str]
) -> None:
    """Gates are remembered by name: one like a gate that was passed would hold nobody."""
    passed = replace(POLICY, gates=(Gate("gate-1", after_devices=20, bake_minutes=5.0),))
    course = Course(gates_passed=("gate-1",))
    known = replace(stage.rollout, policy=passed, course=course)
    stage.ledger.claim(known, previous=stage.rollout)
    send(stage, adjust(gates({**named, "after": 500, "approval": "required"})))

    assert "gates named gate-1 were passed before" in refusals(stage)[0]["problem"]
    assert "a name that no gate had before" in refusals(stage)[0]["remedy"]
    assert stage.rollout.policy == passed

    send(stage, adjust(gates({"name": "next", "after": 500, "bake": "1h"}), "event-b", AFTER))

    assert len(refusals(stage)) == 1
    assert [each.name for each in stage.rollout.policy.gates] == ["next"]


# workflows that do not run


def release(event_id: str = "event-a", cohort: str = COHORT) -> dict[str, Any]:
    """Return the command to release a cohort."""
    return command("Release Cohort", event_id, cohort=cohort, reason="the probe was at fault")


def test_a_released_cohort_is_noted_told_and_wakes(stage: Stage) -> None:
    """The next review treats it like all others."""
    set_apart(stage)
    signals = stage.rollout.signals
    send(stage, release())

    assert stage.ledger.released(stage.key) == {COHORT}
    assert stage.rollout.signals == signals + 1
    assert len(stage.workflow.woken) == 1
    told: Any
    (told,) = stage.bus.details("Cohort Released")
    assert (told["cohort"], told["by"], told["reason"]) == (
        COHORT,
        "night-shift",
        "the probe was at fault",
    )


def test_the_same_release_again_is_one_release(stage: Stage) -> None:
    """Also once a review has taken it in, so that it is set apart no more."""
    set_apart(stage)
    send(stage, release())
    joined = replace(stage.rollout, memory=replace(stage.rollout.memory, quarantined=()))
    stage.ledger.claim(joined, previous=stage.rollout)
    send(stage, release())

    assert len(stage.bus.details("Cohort Released")) == 1
    (step,) = stage.ledger.steps(stage.key, limit=9)
    assert step.what == "Cohort Released"
    assert step.text == f"cohort {COHORT}, asked for by night-shift: the probe was at fault"
    assert refusals(stage) == []


def test_a_release_that_the_bus_does_not_take_comes_again(stage: Stage) -> None:
    """It is in force, and told when the command is delivered again."""
    set_apart(stage)
    stage.bus.refuses = lambda _: True
    with pytest.raises(RetryLater):
        send(stage, release())
    stage.bus.refuses = lambda _: False
    send(stage, release())

    assert len(stage.bus.details("Cohort Released")) == 1
    assert refusals(stage) == []


def test_a_cohort_that_nobody_suspects_is_not_released(stage: Stage) -> None:
    """A name that was mistyped is refused, with those that it could have been."""
    set_apart(stage)
    send(stage, release(cohort="thing.attributes.hardware=b"))

    (refusal,) = refusals(stage)
    assert "neither set apart nor suspected" in refusal["problem"]
    assert COHORT in refusal["remedy"]
    assert stage.ledger.released(stage.key) == frozenset()


def test_a_request_to_a_dead_workflow_is_noted_and_heals(stage: Stage) -> None:
    """What is asked for is done by the next execution, which takes over from the dead one."""
    stage.workflow.end(stage.owner)
    stage.ask("Abort Rollout", AFTER, by="on-call", reason="smoke")

    assert stage.rollout.abort_request is not None
    ((name, given),) = starts(stage).items()
    assert name == f"{JOB}-{int(START)}-1-heal-1"
    assert given["resume"] == {
        "createdAt": int(START),
        "generation": 1,
        "fromExecution": stage.owner,
    }
    assert stage.problems == []


def test_a_request_while_a_heal_is_under_way_starts_no_other(stage: Stage) -> None:
    """It takes seconds to take a rollout over; a minute later, another is tried."""
    stage.workflow.end(stage.owner)
    stage.ask("Hold Rollout", AT)
    stage.ask("Hold Rollout", AFTER)
    assert len(starts(stage)) == 1

    stage.clock.advance(120)
    stage.ask("Hold Rollout", AFTER)
    assert list(starts(stage)) == [f"{JOB}-{int(START)}-1-heal-{n}" for n in (1, 2)]


def test_a_request_to_a_workflow_that_fails_again_and_again_is_answered(stage: Stage) -> None:
    """It is tried once more, and whoever asked is told how to stop the job at once."""
    stage.workflow.end(stage.owner)
    for _ in range(HEALS_MAX):
        stage.ledger.note_heal(stage.key, at=stage.clock.now())
    stage.clock.advance(120)
    for _ in range(2):
        send(stage, command("Abort Rollout", reason="smoke"))

    (attention,) = stage.problems
    assert "failed 3 times in a row" in attention["problem"]
    assert stage.ledger.command(attention["commandId"]) is not None
    assert "aws iot cancel-job" in attention["remedy"]
    assert len(starts(stage)) == 1


# what happens outside

ALARM = outside(
    "aws.cloudwatch", "CloudWatch Alarm State Change", detail={"alarmName": "site-errors"}
)
CALENDAR_ARN = f"arn:aws:ssm:{ACCOUNT}:document/no-weekends"
CALENDAR = outside(
    "aws.ssm", "Calendar State Change", resources=[CALENDAR_ARN], detail={"state": "OPEN"}
)


@pytest.mark.parametrize(
    ("event", "policy", "wakes"),
    [
        (ALARM, replace(POLICY, freeze=Freeze(alarms=("site-errors",))), True),
        (ALARM, replace(POLICY, gates=(Gate("g", 10, alarms=("site-errors",)),)), True),
        (ALARM, replace(POLICY, freeze=Freeze(alarms=("site",))), False),
        (ALARM, POLICY, False),
        (CALENDAR, replace(POLICY, freeze=Freeze(calendars=("no-weekends",))), True),
        (CALENDAR, replace(POLICY, freeze=Freeze(calendars=(CALENDAR_ARN,))), True),
        (CALENDAR, replace(POLICY, freeze=Freeze(calendars=("weekends",))), False),
    ],
)
def test_a_change_wakes_those_who_heed_it(
    stage: Stage, event: Mapping[str, Any], policy: Policy, *, wakes: bool
) -> None:
    """It counts as a signal, so that a rollout that parks right then looks again too."""
    watch(stage, policy)
    signals = stage.rollout.signals
    send(stage, event)

    assert [token for token, _ in stage.workflow.woken] == (["token"] if wakes else [])
    assert stage.rollout.signals == signals + wakes


def test_a_change_does_not_wake_what_has_ended(stage: Stage) -> None:
    """Nothing is signalled to a rollout that is over."""
    watch(stage, replace(POLICY, freeze=Freeze(alarms=("site-errors",))))
    stage.ledger.conclude(stage.key, generation=1, ending=Ending.FENCED, at=0)
    send(stage, ALARM)

    assert stage.rollout.signals == 0


def created(job_id: str) -> dict[str, Any]:
    """Return what CloudTrail says of a job's creation."""
    detail = {"eventName": "CreateJob", "requestParameters": {"jobId": job_id}}
    return outside("aws.iot", "AWS API Call via CloudTrail", detail=detail)


def test_a_job_that_is_created_with_the_tag_is_enrolled(stage: Stage) -> None:
    """Once, under the policy that the tag names."""
    stage.jobs.add("new", tags={POLICY_TAG: "firmware"})
    stage.clock.advance(NEW_JOB_GRACE_SECONDS)
    for _ in range(2):
        send(stage, created("new"))

    ((name, given),) = starts(stage).items()
    assert name == f"new-{int(START)}-tag"
    assert (given["jobId"], given["policy"]) == ("new", "firmware")


def test_a_job_of_the_last_seconds_is_left_to_its_launch(stage: Stage) -> None:
    """Launched by Tidegate, it is about to be claimed: a second enrolment would be refused."""
    stage.jobs.add("new", tags={POLICY_TAG: "firmware"})
    stage.clock.advance(NEW_JOB_GRACE_SECONDS - 1)
    send(stage, created("new"))

    assert starts(stage) == {}


def test_of_a_job_without_the_tag_nothing_else_is_read(stage: Stage) -> None:
    """It is none of Tidegate's."""
    stage.jobs.add("other", tags={"team": "pumps"})
    stage.jobs.faults.before("describe", AssertionError("described"))
    send(stage, created("other"))

    assert starts(stage) == {}


@pytest.mark.parametrize("job_id", [JOB, "gone"])
def test_a_job_that_is_steered_or_gone_is_not_enrolled(stage: Stage, job_id: str) -> None:
    """Tidegate's own launches are told of too, and late ones of jobs that were deleted since."""
    stage.clock.advance(NEW_JOB_GRACE_SECONDS)
    send(stage, created(job_id))

    assert starts(stage) == {}


def ended(execution_arn: str, status: str) -> dict[str, Any]:
    """Return what Step Functions says of an execution's end."""
    detail = {"executionArn": execution_arn, "status": status}
    return outside("aws.states", "Step Functions Execution Status Change", detail=detail)


@pytest.mark.parametrize(
    ("status", "heals"),
    [("FAILED", True), ("TIMED_OUT", True), ("ABORTED", True), ("SUCCEEDED", False)],
)
def test_a_workflow_that_dies_is_healed_at_once(stage: Stage, status: str, *, heals: bool) -> None:
    """One that succeeded has handed over, to an execution that may be about to take over."""
    stage.workflow.end(stage.owner)
    for _ in range(2):
        send(stage, ended(stage.owner, status))

    assert len(starts(stage)) == int(heals)


def test_an_execution_that_owns_nothing_dies_alone(stage: Stage) -> None:
    """Of a rollout that another one steers, or of none at all."""
    send(stage, ended(stage.workflow.arn("other"), "FAILED"))

    assert starts(stage) == {}


def test_what_concerns_nobody_is_nothing(stage: Stage) -> None:
    """The rule that matches too much does no harm."""
    send(stage, outside("aws.ec2", "EC2 Instance State-change Notification", detail={}))

    assert stage.bus.published == []
    assert starts(stage) == {}


def test_an_event_that_is_not_of_its_form_fails(stage: Stage) -> None:
    """It comes again, and ends where people look at it."""
    with pytest.raises(EventError, match="alarmName"):
        send(stage, {**ALARM, "detail": {}})


def test_a_deleted_job_s_rollout_does_not_wake_for_its_successor(stage: Stage) -> None:
    """Of two rollouts of one job id, the newest alone is meant."""
    watch(stage, replace(POLICY, freeze=Freeze(alarms=("site-errors",))))
    newer = RolloutKey(JOB, stage.key.created_at + 60)
    stage.claim(newer)
    send(stage, ALARM)

    assert stage.ledger.rollout(newer).signals == 0
    assert stage.workflow.woken == []


def test_a_refusal_is_told_although_its_function_dies() -> None:
    """Told before it is noted: delivered again it may be told twice, but never not at all."""
    stage = Stage()
    stage.ledger.faults.before("note_command", RuntimeError("died"))
    with pytest.raises(RuntimeError):
        stage.ask("Hold Rollout", jobId="never-enrolled")

    assert len(stage.bus.details("Command Refused")) == 1
