"""The handlers behind queues: good messages are worked off, bad ones named, numbers published."""

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import intake, record, relay, signal
from tests.unit.service.stage import JOB, START, Stage, outcome
from tidegate.documents.commands import OPERATOR_SOURCE
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.things import Traits
from tidegate.errors import RetryLater

NO_EVENTS = ["", "null", "[]", "7", "{", '"text"', "[" * 100_000]


def sqs(*bodies: str) -> dict[str, Any]:
    """Return a batch as SQS hands it to Lambda."""
    return {
        "Records": [
            {
                "messageId": f"00000000-0000-4000-8000-{number:012}",
                "receiptHandle": "AQEB",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:111122223333:tidegate-queue",
                "awsRegion": "eu-central-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def envelope(event: Mapping[str, Any]) -> str:
    """Return an event as EventBridge puts it into a queue."""
    return json.dumps(
        {
            "version": "0",
            "id": "7bf73129-1428-4cd3-a780-95db273d1602",
            "account": "111122223333",
            "time": "2026-09-21T14:20:00Z",
            "region": "eu-central-1",
            "resources": [],
            **event,
        }
    )


def command(kind: str, **detail: object) -> str:
    """Return an operator's command in a queue."""
    return envelope({"source": OPERATOR_SOURCE, "detail-type": kind, "detail": detail})


def iot(thing: str = "thing-1") -> str:
    """Return an event as AWS IoT's rule puts it into a queue."""
    return json.dumps(
        {
            "eventType": "JOB_EXECUTION",
            "eventId": "6a9191a9-0000-4000-8000-000000000000",
            "timestamp": int(START) + 5,
            "operation": "failed",
            "jobId": JOB,
            "thingArn": f"arn:aws:iot:eu-central-1:111122223333:thing/{thing}",
            "status": "FAILED",
            "statusDetails": {"reason": "disk full"},
        }
    )


def failed(answer: Mapping[str, Any]) -> list[int]:
    """Return the places of the messages that come again."""
    return [int(each["itemIdentifier"][-12:]) for each in answer["batchItemFailures"]]


def metrics(printed: str) -> dict[str, float]:
    """Return the metrics that a handler has published."""
    found: dict[str, float] = {}
    for line in printed.splitlines():
        document = json.loads(line)
        for directive in document.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert directive["Namespace"] == "Tidegate"
            found |= {each["Name"]: sum(document[each["Name"]]) for each in directive["Metrics"]}
    return found


def test_intake_publishes_what_is_an_event(
    stage: Stage, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """Malformed bodies come again alone, until they are set aside; both are counted."""
    answer = intake.handler(sqs(iot("a"), "{", iot("b"), *NO_EVENTS[:3]), context)

    assert failed(answer) == [1, 3, 4, 5]
    assert len(stage.bus.published) == 2
    assert metrics(capsys.readouterr().out) == {"EventsPublished": 2, "EventsMalformed": 4}


def test_intake_passes_a_throttled_bus_on_to_sqs(stage: Stage, context: LambdaContext) -> None:
    """The invocation fails, so the whole batch comes again."""
    stage.bus.faults.before("publish", RetryLater("throttled"))
    with pytest.warns(UserWarning, match="No application metrics"), pytest.raises(RetryLater):
        intake.handler(sqs(iot()), context)


def test_record_counts_what_is_an_outcome(
    stage: Stage, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outcomes of enrolled jobs are counted, those of others ignored, garbage comes again."""
    stage.clock.advance(100)
    bodies = [
        envelope(outcome(1, ExecutionStatus.FAILED)),
        envelope(outcome(2, job_id="other")),
        envelope({"detail-type": "Something Else", "detail": {}}),
        *NO_EVENTS,
        envelope(outcome(3)),
    ]
    answer = record.handler(sqs(*bodies), context)

    assert failed(answer) == [*range(2, 3 + len(NO_EVENTS))]
    assert stage.has(ExecutionStatus.FAILED) == 1
    assert stage.has(ExecutionStatus.SUCCEEDED) == 1
    assert metrics(capsys.readouterr().out) == {
        "OutcomesRecorded": 2,
        "EventsIgnored": 1,
        # The oldest of what was recorded; the job that is not enrolled has no say in it.
        "EventAge": 40,
    }


def test_record_names_what_the_ledger_did_not_take(stage: Stage, context: LambdaContext) -> None:
    """A throttled transaction comes again, all of its events and nothing else."""
    stage.ledger.faults.before("commit", RetryLater("throttled"))
    bodies = [envelope(outcome(1)), envelope(outcome(2, job_id="other")), envelope(outcome(3))]

    assert failed(record.handler(sqs(*bodies), context)) == [0, 2]
    assert failed(record.handler(sqs(*bodies), context)) == []
    assert stage.has(ExecutionStatus.SUCCEEDED) == 2


def test_signal_does_what_can_be_done(
    stage: Stage, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command that cannot be done is answered; what is no event at all comes again alone."""
    bodies = [
        command("Hold Rollout", jobId=JOB, by="night-shift", reason="odd"),
        *NO_EVENTS,
        json.dumps(
            {**json.loads(command("Hold Rollout", jobId=JOB, by="a", reason="b")), "time": 1}
        ),
        command("Hold Rollout", jobId=JOB, by="night-shift"),
        command("Abort Rollout", jobId=JOB, by="release-desk", reason="bricks"),
    ]
    answer = signal.handler(sqs(*bodies), context)

    assert failed(answer) == [*range(1, 2 + len(NO_EVENTS))]
    assert [hold.by for hold in stage.ledger.holds(stage.key)] == ["night-shift"]
    assert stage.rollout.abort_request is not None
    assert metrics(capsys.readouterr().out) == {
        "CommandsFailed": 1 + len(NO_EVENTS),
        # All have the same id here: what is refused under the id of one that was done is no news.
        "CommandsRefused": 0,
    }


def test_signal_answers_what_it_refuses(
    stage: Stage,
    context: LambdaContext,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A command that is written wrongly does not come again, and its sender is told why."""
    # Whoever imported the handler first chose its level.
    with caplog.at_level(logging.INFO, logger=signal.logger.name):
        answer = signal.handler(sqs(command("Hold Rollout", jobId=JOB)), context)

    assert failed(answer) == []
    assert metrics(capsys.readouterr().out)["CommandsRefused"] == 1
    (logged,) = caplog.records
    assert logged.__dict__["refusal"] == stage.bus.details("Command Refused")[0]
    (refusal,) = stage.bus.details("Command Refused")
    assert refusal["jobId"] == JOB  # type: ignore[index]


def test_signal_comes_again_where_aws_is_busy(stage: Stage, context: LambdaContext) -> None:
    """A hold that the ledger did not take is delivered again, alone."""
    stage.ledger.faults.before("place_hold", RetryLater("throttled"))
    bodies = [
        command("Hold Rollout", jobId=JOB, by=by, reason="odd") for by in ("night-shift", "plant-7")
    ]

    assert failed(signal.handler(sqs(*bodies), context)) == [0]
    assert [hold.by for hold in stage.ledger.holds(stage.key)] == ["plant-7"]


def report(number: int, **members: object) -> str:
    """Return a report on a thing in a queue, with an id of its own."""
    detail = {"jobId": JOB, "thingName": f"thing-{number}", "status": "SUCCEEDED", **members}
    event = {"id": f"event-{number}", "source": "com.example.gateway", "detail": detail}
    return envelope({"detail-type": "Device Execution Report", **event})


def test_relay_reports_for_devices(
    stage: Stage, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be done is answered, what is busy comes again alone, as does garbage."""
    stage.reporters.allowed["com.example.gateway"] = frozenset({"meters"})
    for number in (1, 2):
        stage.things.registered[f"thing-{number}"] = Traits(groups=frozenset({"meters"}))
    stage.report(ExecutionStatus.QUEUED, 1, 2)
    stage.things.faults.before("traits", RetryLater("throttled"))
    answer = relay.handler(sqs(report(1), report(2), report(3), *NO_EVENTS), context)

    assert failed(answer) == [0, *range(3, 3 + len(NO_EVENTS))]
    assert stage.job.counts.succeeded == 1
    assert metrics(capsys.readouterr().out) == {
        "ReportsApplied": 1,
        "ReportsRefused": 1,
        "CallsThrottled": 0,
    }


def test_an_empty_batch_is_no_failure(stage: Stage, context: LambdaContext) -> None:
    """Lambda never sends one, and nothing breaks if it does."""
    answers: Iterable[Mapping[str, Any]] = [
        each.handler(sqs(), context) for each in (intake, record, relay, signal)
    ]
    assert all(failed(answer) == [] for answer in answers)
