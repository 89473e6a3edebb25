"""From AWS IoT's topics to the Lambdas: what goes where, and where it ends if it fails."""

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.infra.synthesized import ACCOUNT_ID, REGION, Synthesized
from tidegate.documents.announcements import needs_attention
from tidegate.documents.events import parse_iot_event
from tidegate.ports import BusEvent

EXECUTION_EVENT = {
    "eventType": "JOB_EXECUTION",
    "eventId": "7364ffd1-8b65-4824-85d5-6c14686c97c6",
    "timestamp": 1_700_000_000,
    "operation": "failed",
    "jobId": "pump-2-8-0",
    "thingArn": f"arn:aws:iot:{REGION}:{ACCOUNT_ID}:thing/pump-17",
    "status": "FAILED",
    "statusDetails": {"reason": "checksum"},
    "executionNumber": 1,
}
JOB_EVENT = {
    "eventType": "JOB",
    "eventId": "7364ffd1-8b65-4824-85d5-6c14686c97c7",
    "timestamp": 1_700_000_000,
    "operation": "canceled",
    "jobId": "pump-2-8-0",
    "status": "CANCELED",
    "targetSelection": "SNAPSHOT",
    "targets": [f"arn:aws:iot:{REGION}:{ACCOUNT_ID}:thinggroup/pumps"],
}
COMMAND = BusEvent("Hold Rollout", {"jobId": "pump-2-8-0"}, source="tidegate.operator")
STRANGER = BusEvent("Job Status Change", {"jobId": "pump-2-8-0"}, source="com.example")

#: Inbox by its construct, with the Lambda that takes from it.
INBOXES = {
    "Intake/Events": "Intake/Handler/Function",
    "Record/Inbox": "Record/Handler/Function",
    "Signal/Inbox": "Signal/Handler/Function",
}


def matches(pattern: dict[str, Any], event: BusEvent) -> bool:
    """Return whether EventBridge would take the event for the pattern."""
    delivered: Any = {
        "source": event.source,
        "detail-type": event.detail_type,
        "detail": dict(event.detail),
        "resources": list(event.resources),
        "account": ACCOUNT_ID,
        "region": REGION,
    }
    return EventPattern.load(json.dumps(pattern)).matches_event(delivered)


def targets_of(stack: Synthesized, event: BusEvent) -> set[str]:
    """Return where the bus sends an event."""
    return {
        target["Arn"]
        for rule in stack.of_type("AWS::Events::Rule").values()
        if matches(rule["EventPattern"], event)
        for target in rule["Targets"]
    }


def of_iot(event: dict[str, Any]) -> BusEvent:
    """Return what intake puts on the bus for an event of AWS IoT."""
    return parse_iot_event(json.dumps(event))


@pytest.mark.parametrize(
    ("event", "target"),
    [
        (of_iot(EXECUTION_EVENT), "<Record/Inbox/Queue.Arn>"),
        (of_iot(JOB_EVENT), "<Record/Inbox/Queue.Arn>"),
        (COMMAND, "<Signal/Inbox/Queue.Arn>"),
        (needs_attention("pump-2-8-0", "it broke", "mend it", 1.0), "<Alarms/Topic>"),
    ],
    ids=["execution", "job", "command", "attention"],
)
def test_an_event_goes_to_one_place(aws: Synthesized, event: BusEvent, target: str) -> None:
    """Reports go to record, commands to signal, calls for attention to people; none to two."""
    assert targets_of(aws, event) == {target}


@pytest.mark.parametrize(
    "event",
    [STRANGER, BusEvent("Rollout Aborted", {}), BusEvent("Hold Rollout", {})],
    ids=["stranger's", "announcement", "own command"],
)
def test_other_events_set_nothing_off(aws: Synthesized, event: BusEvent) -> None:
    """What Tidegate announces, and what others put on the bus, comes back to no Lambda."""
    assert targets_of(aws, event) == set()


def test_the_bus_is_archived(aws: Synthesized) -> None:
    """Everything that comes in and goes out can be replayed for 90 days."""
    (archive,) = aws.of_type("AWS::Events::Archive").values()

    assert archive["RetentionDays"] == 90
    assert archive["SourceArn"] == "<Bus/Bus.Arn>"
    assert matches(archive["EventPattern"], of_iot(JOB_EVENT))
    assert matches(archive["EventPattern"], COMMAND)
    assert matches(archive["EventPattern"], BusEvent("Rollout Started", {}))
    assert not matches(archive["EventPattern"], STRANGER)


@pytest.mark.parametrize(
    ("rule", "topic"),
    [
        ("tidegate_job_events", "$aws/events/job/#"),
        ("tidegate_job_execution_events", "$aws/events/jobExecution/#"),
    ],
)
def test_iot_rules_pass_events_on_as_they_are(aws: Synthesized, rule: str, topic: str) -> None:
    """A rule sends the whole payload to the events queue, and a failure to do so elsewhere."""
    by_name = {each["RuleName"]: each for each in aws.of_type("AWS::IoT::TopicRule").values()}
    payload = by_name[rule]["TopicRulePayload"]
    sqs = {"UseBase64": False}

    assert payload["Sql"] == f"SELECT * FROM '{topic}'"  # noqa: S608 - IoT's SQL
    assert payload["AwsIotSqlVersion"] == "2016-03-23"
    assert payload["Actions"] == [
        {
            "Sqs": {
                **sqs,
                "QueueUrl": "<Intake/Events/Queue>",
                "RoleArn": "<Intake/DeliveryRole.Arn>",
            }
        }
    ]
    assert payload["ErrorAction"] == {
        "Sqs": {**sqs, "QueueUrl": "<Intake/RuleErrors>", "RoleArn": "<Intake/ErrorRole.Arn>"}
    }


@pytest.mark.parametrize(("inbox", "function"), INBOXES.items())
def test_an_inbox_retries_then_sets_aside(aws: Synthesized, inbox: str, function: str) -> None:
    """
    A message comes five times at most, then it is set aside for two weeks.

    It stays invisible for six times as long as the Lambda may work on it, and the batching window.
    """
    queue = aws.of_type("AWS::SQS::Queue")[f"{inbox}/Queue"]
    dead_letters = aws.of_type("AWS::SQS::Queue")[f"{inbox}/DeadLetters"]
    (mapping,) = mappings_of(aws, f"<{inbox}/Queue.Arn>")
    timeout = aws.of_type("AWS::Lambda::Function")[function]["Timeout"]
    window = mapping.get("MaximumBatchingWindowInSeconds", 0)

    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": f"<{inbox}/DeadLetters.Arn>",
        "maxReceiveCount": 5,
    }
    assert queue["VisibilityTimeout"] == 6 * timeout + window
    assert dead_letters["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert "RedrivePolicy" not in dead_letters


@pytest.mark.parametrize(
    ("inbox", "batch_size", "window_seconds", "concurrency"),
    [("Intake/Events", 100, 1, 5), ("Record/Inbox", 100, 1, 5), ("Signal/Inbox", 10, None, 2)],
)
def test_batches(
    aws: Synthesized, inbox: str, batch_size: int, window_seconds: int | None, concurrency: int
) -> None:
    """Reports are gathered, commands are not; what fails of a batch comes again alone."""
    (mapping,) = mappings_of(aws, f"<{inbox}/Queue.Arn>")

    assert mapping["FunctionName"] == f"<{INBOXES[inbox]}>"
    assert mapping["BatchSize"] == batch_size
    assert mapping.get("MaximumBatchingWindowInSeconds") == window_seconds
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": concurrency}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def mappings_of(stack: Synthesized, queue_arn: str) -> list[dict[str, Any]]:
    """Return how Lambda takes messages from a queue."""
    return [
        mapping
        for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values()
        if mapping["EventSourceArn"] == queue_arn
    ]


def test_what_the_bus_cannot_deliver_is_set_aside_too(aws: Synthesized) -> None:
    """A rule before a queue has that queue's own dead-letter queue."""
    rules = [
        target
        for rule in aws.of_type("AWS::Events::Rule").values()
        for target in rule["Targets"]
        if "Queue" in target["Arn"]
    ]

    assert {(rule["Arn"], rule["DeadLetterConfig"]["Arn"]) for rule in rules} == {
        ("<Record/Inbox/Queue.Arn>", "<Record/Inbox/DeadLetters.Arn>"),
        ("<Signal/Inbox/Queue.Arn>", "<Signal/Inbox/DeadLetters.Arn>"),
    }


def test_queues_are_encrypted_and_speak_tls_only(aws: Synthesized) -> None:
    """Messages are encrypted at rest, and nobody may deal with a queue in the clear."""
    queues = aws.of_type("AWS::SQS::Queue")
    closed = {
        queue
        for policy in aws.of_type("AWS::SQS::QueuePolicy").values()
        for queue in policy["Queues"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Action"] == "sqs:*"
        and statement["Principal"] == {"AWS": "*"}
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }

    assert all(queue["SqsManagedSseEnabled"] for queue in queues.values())
    assert closed == {f"<{path}>" for path in queues}


def test_only_the_buss_own_rules_may_send_to_a_queue(aws: Synthesized) -> None:
    """A queue policy lets EventBridge in for one rule; nobody else needs to be let in."""
    admitted = {
        (queue, statement["Principal"]["Service"], statement["Condition"]["ArnEquals"][key])
        for policy in aws.of_type("AWS::SQS::QueuePolicy").values()
        for queue in policy["Queues"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        for key in statement["Condition"]["ArnEquals"]
    }
    rules = {"Record/Inbox": "<Bus/ToRecord.Arn>", "Signal/Inbox": "<Bus/ToSignal.Arn>"}

    assert admitted == {
        (f"<{inbox}/{queue}>", "events.amazonaws.com", rule)
        for inbox, rule in rules.items()
        for queue in ("Queue", "DeadLetters")
    }
