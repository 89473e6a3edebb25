"""From AWS IoT's topics to the Lambdas: what goes where, and where it ends if it fails."""

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.infra.synthesized import ACCOUNT_ID, REGION, Synthesized
from tidegate.documents.announcements import needs_attention, refusal_of
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

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT_ID}:stateMachine:tidegate-rollout"


def workflow_over(status: str, machine: str = MACHINE) -> BusEvent:
    """Return what Step Functions says of an execution."""
    detail = {"stateMachineArn": machine, "status": status}
    return BusEvent("Step Functions Execution Status Change", detail, source="aws.states")


def call_of_iot(name: str, **members: str) -> BusEvent:
    """Return what CloudTrail says of a call."""
    detail = {"eventSource": "iot.amazonaws.com", "eventName": name, **members}
    return BusEvent("AWS API Call via CloudTrail", detail, source="aws.iot")


ACCOUNT_EVENTS = {
    "alarm": BusEvent("CloudWatch Alarm State Change", {}, source="aws.cloudwatch"),
    "calendar": BusEvent("Calendar State Change", {"state": "CLOSED"}, source="aws.ssm"),
    "new job": call_of_iot("CreateJob"),
    "dead workflow": workflow_over("FAILED"),
}
OTHERS_EVENTS = {
    "refused call": call_of_iot("CreateJob", errorCode="LimitExceededException"),
    "other call": call_of_iot("DeleteJob"),
    "workflow that goes on": workflow_over("RUNNING"),
    "workflow that ended well": workflow_over("SUCCEEDED"),
    "others' workflow": workflow_over("FAILED", f"{MACHINE}-of-others"),
    "other of ssm": BusEvent("Parameter Store Change", {}, source="aws.ssm"),
}

#: What announcements for people carry, all of it.
ANY_DETAIL = {
    "cohort": "thing.type=pump",
    "harmed": 9,
    "started": 20,
    "jobId": "pump-2-8-0",
    "problem": "it broke.",
    "remedy": "Mend it.",
    "command": "Hold Rollout",
    "commandId": "7",
    "subject": "canary",
    "dueAt": "2026-11-23T12:00:00Z",
    "correlationId": "canary-approval",
    "summary": "All agrees.",
    "ending": "fenced",
    "approve": {"detailType": "Approve Gate"},
    "reject": {"detailType": "Reject Gate"},
    "evidence": {"exposed": 214, "succeeded": 177, "harmed": 1, "in_flight": 12},
    "links": {"execution": "https://workflow", "job": "https://job"},
}

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


def targets_of(stack: Synthesized, event: BusEvent, bus: str | None = "<Bus/Bus>") -> set[str]:
    """Return where a bus sends an event: Tidegate's own by default, None: the account's."""
    return {
        target["Arn"]
        for rule in stack.of_type("AWS::Events::Rule").values()
        if rule.get("EventBusName") == bus
        if "EventPattern" in rule and matches(rule["EventPattern"], event)
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
        (refusal_of({"id": "7"}, "no such job", "name another", 1.0), "<Alarms/Topic>"),
        (BusEvent("Approval Requested", {}), "<Announcements/Approvals>"),
        (BusEvent("Rollout Aborted", {}), "<Announcements/News>"),
        (BusEvent("Rollout Completed", {}), "<Announcements/News>"),
    ],
    ids=["execution", "job", "command", "attention", "refusal", "question", "abort", "completion"],
)
def test_an_event_goes_to_one_place(aws: Synthesized, event: BusEvent, target: str) -> None:
    """Reports go to record, commands to signal, what is for people to one topic; none to two."""
    assert targets_of(aws, event) == {target}


@pytest.mark.parametrize(
    "event",
    [STRANGER, BusEvent("Rollout Steered", {}), BusEvent("Hold Rollout", {})],
    ids=["stranger's", "announcement", "own command"],
)
def test_other_events_set_nothing_off(aws: Synthesized, event: BusEvent) -> None:
    """What Tidegate announces, and what others put on the bus, comes back to no Lambda."""
    assert targets_of(aws, event) == set()


@pytest.mark.parametrize("event", ACCOUNT_EVENTS.values(), ids=ACCOUNT_EVENTS)
def test_what_aws_tells_the_account_wakes_signal(aws: Synthesized, event: BusEvent) -> None:
    """Alarms, calendars, new jobs and dead workflows are on the account's own bus."""
    assert targets_of(aws, event, bus=None) == {"<Signal/Inbox/Queue.Arn>"}


@pytest.mark.parametrize("event", OTHERS_EVENTS.values(), ids=OTHERS_EVENTS)
def test_what_concerns_no_rollout_wakes_nobody(aws: Synthesized, event: BusEvent) -> None:
    """Workflows of others, those that go on or end well, and refused calls are left alone."""
    assert targets_of(aws, event, bus=None) == set()


def test_people_are_told_in_plain_words(aws: Synthesized) -> None:
    """A message is one line of text, with all that it takes to know what to do."""
    told = {
        path.rpartition("/")[2]: text_of(rule, ANY_DETAIL)
        for path, rule in aws.of_type("AWS::Events::Rule").items()
        if is_told(rule)
    }

    assert told == {
        "NeedsAttention": '"Tidegate: pump-2-8-0: it broke. -- What to do: Mend it."',
        "CommandRefused": '"Tidegate: the command Hold Rollout (event 7) was not done: it broke. '
        '-- What to do: Mend it."',
        "ApprovalRequested": '"Tidegate: pump-2-8-0 asks for a yes or a no: canary. Answer by '
        "2026-11-23T12:00:00Z with the command Approve Gate or Reject Gate, correlationId "
        "canary-approval, your name and a comment. -- Why it asks: All agrees. -- So far: 214 "
        "devices exposed, 177 succeeded, 1 harmed, 12 in flight. -- To look on: "
        'https://workflow and https://job"',
        "CohortSuspect": '"Tidegate: pump-2-8-0: devices of thing.type=pump fail, 9 of 20. What is '
        'done: Mend it.. To have them treated like all others, send Release Cohort."',
        "Launches": '"Tidegate: All agrees."',
        "Ended": '"Tidegate: Rollout Aborted: pump-2-8-0 (fenced): All agrees."',
    }


def test_what_a_topic_does_not_take_is_set_aside(aws: Synthesized) -> None:
    """Every rule that tells people has a dead-letter queue."""
    set_aside = {
        (target["Arn"], target["DeadLetterConfig"]["Arn"])
        for rule in aws.of_type("AWS::Events::Rule").values()
        if is_told(rule)
        for target in rule["Targets"]
    }

    assert set_aside == {
        (topic, "<Announcements/Undelivered.Arn>")
        for topic in ("<Alarms/Topic>", "<Announcements/Approvals>", "<Announcements/News>")
    }


def is_told(rule: dict[str, Any]) -> bool:
    """Return whether a rule sends to a topic."""
    return any("InputTransformer" in target for target in rule["Targets"])


def text_of(rule: dict[str, Any], detail: dict[str, Any]) -> str:
    """Return what a rule tells of an event with this detail."""
    (target,) = rule["Targets"]
    transformer = target["InputTransformer"]
    text = transformer["InputTemplate"]
    event = {"detail-type": rule["EventPattern"]["detail-type"][0], "detail": detail}
    for name, path in transformer["InputPathsMap"].items():
        value: Any = event
        for member in path.removeprefix("$.").split("."):
            value = value[member]
        text = text.replace(f"<{name}>", str(value))
    return text


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
    assert len(rules) == 3 + len(ACCOUNT_EVENTS)

    assert {(rule["Arn"], rule["DeadLetterConfig"]["Arn"]) for rule in rules} == {
        ("<Record/Inbox/Queue.Arn>", "<Record/Inbox/DeadLetters.Arn>"),
        ("<Relay/Inbox/Queue.Arn>", "<Relay/Inbox/DeadLetters.Arn>"),
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


def test_only_rules_of_ours_may_send_to_a_queue(aws: Synthesized) -> None:
    """A queue policy lets EventBridge in for one rule; nobody else needs to be let in."""
    admitted = {
        (queue, statement["Principal"]["Service"], statement["Condition"]["ArnEquals"][key])
        for policy in aws.of_type("AWS::SQS::QueuePolicy").values()
        for queue in policy["Queues"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        for key in statement["Condition"]["ArnEquals"]
    }
    rules = {
        "Record/Inbox": ["Bus/ToRecord"],
        "Relay/Inbox": ["Bus/ToRelay"],
        "Signal/Inbox": [
            "Bus/ToSignal",
            "Signal/ToAlarmChange",
            "Signal/ToCalendarChange",
            "Signal/ToJobCreated",
            "Signal/ToWorkflowFailed",
        ],
    }
    tellers = (
        "NeedsAttention",
        "CommandRefused",
        "ApprovalRequested",
        "CohortSuspect",
        "Launches",
        "Ended",
    )

    assert admitted == {
        (f"<{inbox}/{queue}>", "events.amazonaws.com", f"<{rule}.Arn>")
        for inbox, of_inbox in rules.items()
        for rule in of_inbox
        for queue in ("Queue", "DeadLetters")
    } | {
        ("<Announcements/Undelivered>", "events.amazonaws.com", f"<Bus/{rule}.Arn>")
        for rule in tellers
    }


@pytest.mark.parametrize(
    ("source", "taken"),
    [
        ("lorawan.bridge", True),
        ("tidegate.device", True),
        ("tidegate", False),
        ("tidegate.operator", False),
        ("tidegate.iot", False),
    ],
)
def test_reports_for_devices_come_from_any_source_but_our_own(
    aws: Synthesized, *, source: str, taken: bool
) -> None:
    """Gateways report under names of their own; nobody reports in Tidegate's."""
    event = BusEvent("Device Execution Report", {}, source=source)

    assert ("<Relay/Inbox/Queue.Arn>" in targets_of(aws, event)) is taken
