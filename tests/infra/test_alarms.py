"""What people are told of, and how."""

import pytest

from tests.infra.synthesized import ACCOUNT_ID, REGION, Synthesized

DEAD_ENDS = {
    "tidegate-events-dead-letters": "Intake/Events/DeadLetters",
    "tidegate-record-dead-letters": "Record/Inbox/DeadLetters",
    "tidegate-rule-errors": "Intake/RuleErrors",
    "tidegate-signal-dead-letters": "Signal/Inbox/DeadLetters",
    "tidegate-undelivered": "Announcements/Undelivered",
}


def alarms(stack: Synthesized) -> dict[str, dict]:
    """Return the alarms by name."""
    return {each["AlarmName"]: each for each in stack.of_type("AWS::CloudWatch::Alarm").values()}


def test_no_queue_is_left_unwatched(aws: Synthesized) -> None:
    """A dead end is watched for its first message, an inbox for messages that nobody takes."""
    watched = {
        each["Dimensions"][0]["Value"].removesuffix(".QueueName>").strip("<"): each["MetricName"]
        for each in alarms(aws).values()
        if each["Namespace"] == "AWS/SQS"
    }

    assert watched == {
        queue: "ApproximateAgeOfOldestMessage"
        if queue.endswith("/Queue")
        else "ApproximateNumberOfMessagesVisible"
        for queue in aws.of_type("AWS::SQS::Queue")
    }


@pytest.mark.parametrize(("name", "queue"), DEAD_ENDS.items())
def test_one_dead_letter_is_enough(aws: Synthesized, name: str, queue: str) -> None:
    """The first message that could not be processed raises the alarm within a minute."""
    alarm = alarms(aws)[name]

    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": f"<{queue}.QueueName>"}]
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert (alarm["Threshold"], alarm["Statistic"]) == (1, "Maximum")
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (60, 1)


def test_no_lambda_is_left_unwatched(aws: Synthesized) -> None:
    """Every Lambda has an alarm on its errors."""
    watched = {
        each["Dimensions"][0]["Value"]
        for each in alarms(aws).values()
        if (each["Namespace"], each["MetricName"]) == ("AWS/Lambda", "Errors")
    }

    assert watched == {f"<{path}>" for path in aws.of_type("AWS::Lambda::Function")}


@pytest.mark.parametrize(
    ("name", "metric", "service", "statistic"),
    [
        ("tidegate-reports-late", "EventAge", "record", "Minimum"),
        ("tidegate-decisions-late", "DecisionDelay", "review", "Maximum"),
        ("tidegate-review-throttled", "CallsThrottled", "review", "Sum"),
        ("tidegate-steer-throttled", "CallsThrottled", "steer", "Sum"),
    ],
)
def test_what_comes_late_or_does_not_get_through_is_told(
    aws: Synthesized, name: str, metric: str, service: str, statistic: str
) -> None:
    """Tidegate's own metrics are watched where they say that steering rests on the past."""
    alarm = alarms(aws)[name]

    assert (alarm["Namespace"], alarm["MetricName"]) == ("Tidegate", metric)
    assert alarm["Dimensions"] == [{"Name": "service", "Value": service}]
    assert alarm["Statistic"] == statistic


def test_throttling_is_told_when_it_lasts(aws: Synthesized) -> None:
    """A burst that calls get through after being tried again wakes nobody."""
    assert alarms(aws)["tidegate-steer-throttled"]["EvaluationPeriods"] == 3


def test_a_stopped_release_is_no_alarm(aws: Synthesized) -> None:
    """An aborted rollout ends its workflow as failed: that is Tidegate at work."""
    assert not [each for each in alarms(aws).values() if each["Namespace"] == "AWS/States"]


def test_alarms_say_what_to_do_and_reach_people(aws: Synthesized) -> None:
    """Each alarm is announced on the topic, and its text says more than its name."""
    assert {tuple(each["AlarmActions"]) for each in alarms(aws).values()} == {("<Alarms/Topic>",)}
    assert all(len(each["AlarmDescription"]) > 50 for each in alarms(aws).values())
    assert {each["TreatMissingData"] for each in alarms(aws).values()} == {"notBreaching"}


def test_alarms_travel_encrypted(aws: Synthesized) -> None:
    """The topic has a key that CloudWatch and EventBridge may use, and takes nothing in clear."""
    topic = aws.of_type("AWS::SNS::Topic")["Alarms/Topic"]
    (key,) = aws.of_type("AWS::KMS::Key").values()
    policy = aws.of_type("AWS::SNS::TopicPolicy")["Alarms/Topic/Policy"]
    publishers = {
        statement["Principal"]["Service"]: statement.get("Condition")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    }

    assert topic["KmsMasterKeyId"] == "<Alarms/Key.Arn>"
    assert key["EnableKeyRotation"] is True
    users = {
        statement["Principal"]["Service"]: statement.get("Condition")
        for statement in key["KeyPolicy"]["Statement"]
        if "Service" in statement["Principal"]
    }
    assert users == {
        "cloudwatch.amazonaws.com": {"StringEquals": {"aws:SourceAccount": ACCOUNT_ID}},
        # With a condition here nothing would arrive.
        "events.amazonaws.com": None,
    }
    assert set(publishers) == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    assert publishers["cloudwatch.amazonaws.com"]["ArnLike"] == {
        "aws:SourceArn": [f"arn:aws:cloudwatch:{REGION}:{ACCOUNT_ID}:alarm:tidegate-*"]
    }
    assert {"Bool": {"aws:SecureTransport": "false"}} in [
        statement.get("Condition")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]


def test_a_mail_is_sent_only_where_asked(aws: Synthesized, local: Synthesized) -> None:
    """``alarmEmail`` and ``approvalEmail`` subscribe one address each; without them nobody is."""
    subscribed = {
        (each["TopicArn"], each["Protocol"], each["Endpoint"])
        for each in local.of_type("AWS::SNS::Subscription").values()
    }

    assert subscribed == {
        ("<Alarms/Topic>", "email", "ops@example.com"),
        ("<Announcements/Approvals>", "email", "release-desk@example.com"),
    }
    assert aws.of_type("AWS::SNS::Subscription") == {}


def test_outputs_name_what_people_and_tools_look_for(aws: Synthesized) -> None:
    """The stack's outputs lead to table, bus, workflow, queues, policies and topics."""
    assert aws.outputs == {
        "AlarmTopicArn": "<Alarms/Topic>",
        "ApprovalTopicArn": "<Announcements/Approvals>",
        "BusName": "<Bus/Bus>",
        "DashboardName": "<Dashboard/Dashboard>",
        "EventsDeadLettersUrl": "<Intake/Events/DeadLetters>",
        "EventsQueueUrl": "<Intake/Events/Queue>",
        "NewsTopicArn": "<Announcements/News>",
        "PolicyPrefix": "/tidegate/policies/",
        "PolicyTag": "tidegate:policy",
        "RecordDeadLettersUrl": "<Record/Inbox/DeadLetters>",
        "RelayDeadLettersUrl": "<Relay/Inbox/DeadLetters>",
        "ReporterPrefix": "/tidegate/reporters/",
        "RuleErrorsUrl": "<Intake/RuleErrors>",
        "SignalDeadLettersUrl": "<Signal/Inbox/DeadLetters>",
        "StateMachineArn": "<Workflow/StateMachine>",
        "TableName": "<Ledger/Table>",
        "UndeliveredUrl": "<Announcements/Undelivered>",
    }
