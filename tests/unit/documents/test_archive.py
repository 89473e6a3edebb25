"""Events from a file tell of a rollout whatever their order, and however they are wrapped."""

import json
from typing import Any

import pytest

from tidegate.documents.archive import Archive, Count, read_archive
from tidegate.documents.record import moment
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.rollout import Ending, RolloutKey
from tidegate.errors import Refused

CREATED_AT = 1_764_000_000
JOB = "boilers-3-1"


def told(detail_type: str, minutes: float, **members: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an event of Tidegate's as EventBridge delivers it."""
    detail = {
        "version": "1",
        "jobId": JOB,
        "rolloutId": f"{JOB}#{CREATED_AT}",
        "at": moment(CREATED_AT + 60 * minutes),
        **members,
    }
    return {
        "version": "0",
        "id": "1",
        "source": "tidegate",
        "detail-type": detail_type,
        "detail": detail,
    }


def steered(minutes: float, exposed: int, rate: int, **evidence: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return that a decision put a rate in force."""
    counted = {"started": exposed, "in_flight": 3, "harmed": 1, "counters_only": False}
    return told(
        "Rollout Steered",
        minutes,
        verdict="proceed",
        evidence={"exposed": exposed, **counted, **evidence},
        reasons=[{"text": f"{exposed} exposed"}],
        settings={
            "jobExecutionsRolloutConfig": {"maximumPerMinute": rate},
            "timeoutConfig": {"inProgressTimeoutInMinutes": 45},
        },
    )


def outcome(thing: str, status: str, minutes: int, **members: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an outcome as AWS IoT publishes it."""
    return {
        "eventType": "JOB_EXECUTION",
        "eventId": "7364ffd1",
        "timestamp": CREATED_AT + 60 * minutes,
        "operation": status.lower(),
        "jobId": JOB,
        "thingArn": f"arn:aws:iot:eu-central-1:111122223333:thing/{thing}",
        "status": status,
        **members,
    }


def wrapped(published: dict[str, Any], source: str = "tidegate.iot") -> dict[str, Any]:
    """Return an outcome as it stands on the bus."""
    detail = {
        "version": "1",
        "jobId": published["jobId"],
        "thingName": published["thingArn"].rpartition("/")[2],
        "status": published["status"],
        "operation": published["operation"],
        "executionNumber": 1,
        "timestamp": published["timestamp"],
    }
    return {"source": source, "detail-type": "Job Execution Status Change", "detail": detail}


STORY = [
    told("Rollout Started", 0, policy="firmware", generation=1, executionArn="arn", fleetSize=40),
    steered(1, 4, 10),
    wrapped(outcome("a", "SUCCEEDED", 5)),
    wrapped(outcome("b", "FAILED", 6)),
    steered(9, 20, 1),
    told(
        "Rollout Aborted",
        12,
        ending="aborted",
        reasons=[{"text": "too many"}],
        evidence={
            "exposed": 23,
            "started": 21,
            "in_flight": 2,
            "harmed": 5,
            "counters_only": False,
        },
    ),
]


def read(*events: object) -> Archive:
    """Return what events on lines of their own tell."""
    return read_archive("\n".join(map(json.dumps, events)), JOB, source="x.jsonl")


def test_a_rollout_is_read_from_its_events() -> None:
    """Policy, size, counts, rates, outcomes, end and reasons are all in what was told."""
    found = read(*STORY)

    assert found.key == RolloutKey(JOB, CREATED_AT)
    assert (found.policy_name, found.fleet_size, found.timeout_minutes) == ("firmware", 40, 45)
    assert (found.ending, found.ended_at) == (Ending.ABORTED, CREATED_AT + 720)
    assert found.why == ("too many",)
    assert found.counts == (
        Count(CREATED_AT + 60, 4, 4, 3, 1, "proceed", 10),
        Count(CREATED_AT + 540, 20, 20, 3, 1, "proceed", 1),
        Count(CREATED_AT + 720, 23, 21, 2, 5),
    )
    assert {name: each.status.value for name, each in found.outcomes.items()} == {
        "a": "SUCCEEDED",
        "b": "FAILED",
    }
    assert found.until == CREATED_AT + 720
    assert found.unread == 0


def test_order_and_repetition_do_not_matter() -> None:
    """EventBridge keeps no order, and replays what it has once more."""
    assert read(*reversed(STORY), *STORY) == read(*STORY)


@pytest.mark.parametrize(
    "text",
    [
        "".join(map(json.dumps, STORY)),
        json.dumps(STORY),
        json.dumps([json.dumps(each) for each in STORY]),
        "\n".join(json.dumps(json.dumps(each)) for each in STORY),
    ],
    ids=["one after the other", "a list", "messages of a log", "bodies of a queue"],
)
def test_events_may_be_wrapped_as_aws_hands_them_out(text: str) -> None:
    """Firehose writes no line ends; logs and queues hold each event as a text."""
    assert read_archive(text, JOB, source="x") == read(*STORY)


def test_outcomes_are_read_in_aws_own_form_too() -> None:
    """An IoT rule of one's own leaves events as AWS published them, bare or in an envelope."""
    bare = outcome("a", "SUCCEEDED", 5)
    enveloped = {"source": "aws.iot", "detail-type": "any", "detail": outcome("b", "FAILED", 6)}
    found = read(*STORY[:2], bare, enveloped)

    assert {name: each.status for name, each in found.outcomes.items()} == {
        "a": ExecutionStatus.SUCCEEDED,
        "b": ExecutionStatus.FAILED,
    }


def test_a_things_latest_outcome_counts() -> None:
    """A retry that succeeds makes good what failed, in whatever order both come."""
    retried = wrapped(outcome("b", "SUCCEEDED", 8))

    assert read(retried, *STORY).outcomes["b"].status is ExecutionStatus.SUCCEEDED


def test_only_the_newest_rollout_of_the_job_counts() -> None:
    """A job's id may be used again: what was before it is another's, like that of other jobs."""
    before = [
        told("Rollout Started", -600, rolloutId=f"{JOB}#{CREATED_AT - 36_000}", policy="old"),
        wrapped(outcome("z", "FAILED", -500)),
        wrapped(outcome("y", "FAILED", 5, jobId="kettles")),
        {"source": "tidegate", "detail-type": "Rollout Steered", "detail": {"jobId": "kettles"}},
    ]

    assert read(*before, *STORY) == read(*STORY)


def test_without_starts_none_are_made_up() -> None:
    """Where a decision rests on AWS's counters alone, starts are as good as not told."""
    found = read(STORY[0], steered(1, 4, 10, counters_only=True))

    assert found.counts[0].started is None


def test_what_cannot_be_read_is_counted() -> None:
    """One broken event leaves the others, and is not passed over in silence."""
    broken = told("Rollout Steered", 4, evidence={"exposed": "many"})

    assert read(*STORY, broken, "no event", 5, {"eventType": "JOB_EXECUTION"}).unread == 4


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no decision on boilers-3-1 in it, only 0 outcomes"),
        (json.dumps(wrapped(outcome("a", "FAILED", 5))), "only 1 outcomes"),
        ("no events", "x:1:1: not readable as JSON"),
    ],
)
def test_what_tells_nothing_of_the_rollout_is_refused(text: str, problem: str) -> None:
    """Without a decision nobody knows when the job began; where to get a right file is said."""
    with pytest.raises(Refused, match=problem) as refusal:
        read_archive(text, JOB, source="x")
    assert "docs/lab.md" in str(refusal.value)
