"""What a test does with the deployed stack: as an operator, as a device, as somebody watching."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from tidegate.adapters.aws.clock import SystemClock
from tidegate.adapters.aws.ledger import DynamoLedger
from tidegate.domain.decision import Decision
from tidegate.domain.rollout import Rollout
from tidegate.local.cloud import EmbeddedCloud
from tidegate.local.fleet import draw_things, register

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.1
DECISIONS_MAX = 200

#: Forgiving enough that a dozen devices get somewhere within seconds.
POLICY: dict[str, Any] = {
    "name": "test",
    "harm": {
        "statuses": ["FAILED", "TIMED_OUT"],
        "tolerated_rate": "10%",
        "acceptable_rate": "10%",
        "budget": 10,
    },
    "pace": {"mode": "throttle", "start_per_minute": 10, "max_per_minute": 100},
    "job": {"timeout": "30m"},
}


class DeployedStack:
    """Tidegate deployed into an embedded cloud."""

    def __init__(self, cloud: EmbeddedCloud, outputs: Mapping[str, str]) -> None:
        """Bind clients of the cloud."""
        self.cloud = cloud
        self.outputs = outputs
        self.iot = cloud.client("iot")
        self.sqs = cloud.client("sqs")
        self.workflow = cloud.client("stepfunctions")
        self.dynamodb = cloud.client("dynamodb")
        self.ledger = DynamoLedger(outputs["TableName"], self.dynamodb, SystemClock())
        self._data = cloud.client("iot-jobs-data")
        self._events = cloud.client("events")
        self._lambda = cloud.client("lambda")
        self._cloudwatch = cloud.client("cloudwatch")
        self._sns = cloud.client("sns")
        self._ssm = cloud.client("ssm")

    # as an operator

    def command(self, detail_type: str, **detail: object) -> str:
        """Put an operator's command on the bus; return the id that it gets there."""
        return self.put("tidegate.operator", detail_type, detail)

    def put(self, source: str, detail_type: str, detail: Mapping[str, object]) -> str:
        """Put any event on the bus; return its id."""
        answer = self._events.put_events(
            Entries=[
                {
                    "EventBusName": self.outputs["BusName"],
                    "Source": source,
                    "DetailType": detail_type,
                    "Detail": json.dumps(detail),
                }
            ]
        )
        assert answer["FailedEntryCount"] == 0
        return str(answer["Entries"][0]["EventId"])

    def sweep_on_demand(self) -> None:
        """Switch off the schedule of the sweep: it goes by the real minute, whenever that is."""
        for rule in self._events.list_rules()["Rules"]:
            if "ScheduleExpression" in rule:
                self._events.disable_rule(Name=rule["Name"])

    def sweep(self) -> dict[str, Any]:
        """Run the sweep once, as its schedule does; return what it came to."""
        answer = self._lambda.invoke(FunctionName="tidegate-sweep", Payload=b"{}")
        swept = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, swept
        return dict(swept)

    def start(self, **workflow_input: object) -> str:
        """Start the workflow as its console does: with a name of its own."""
        answer = self.workflow.start_execution(
            stateMachineArn=self.outputs["StateMachineArn"], input=json.dumps(workflow_input)
        )
        return str(answer["executionArn"])

    def group(self, name: str, size: int) -> tuple[list[str], str]:
        """Register things in a group; return their names and the group's ARN."""
        fleet = register(self.iot, draw_things(size, prefix=name), group=name)
        return [thing.name for thing in fleet.things], fleet.group_arn

    def job(self, job_id: str, targets: Sequence[str], rate: int = 10) -> None:
        """Create a job without Tidegate."""
        self.iot.create_job(
            jobId=job_id,
            targets=list(targets),
            document='{"version": "2.0.0"}',
            jobExecutionsRolloutConfig={"maximumPerMinute": rate},
        )

    def launch(self, job_id: str, targets: Sequence[str], policy: object) -> None:
        """Have Tidegate create the job, with a document of version 2.0.0."""
        document = '{"version": "2.0.0"}'
        self.command(
            "Launch Rollout", jobId=job_id, policy=policy, targets=targets, document=document
        )

    def abort(self, job_id: str) -> Rollout:
        """Stop a job's rollout for good; return it as it ends."""
        self.command("Abort Rollout", jobId=job_id, by="test", reason="seen enough")
        return self.ended(job_id)

    # as the account around it

    def set_alarm(self, name: str, state: str) -> None:
        """Bring an alarm, created if it is new, into a state."""
        if not self._cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]:
            self._cloudwatch.put_metric_alarm(
                AlarmName=name,
                Namespace="plant",
                MetricName=name,
                Statistic="Sum",
                Period=60,
                EvaluationPeriods=1,
                Threshold=1.0,
                ComparisonOperator="GreaterThanThreshold",
            )
        self._cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="drill")

    def set_calendar(self, name: str, state: str) -> None:
        """Bring a change calendar into a state; nobody is told."""
        self._ssm.put_parameter(Name=name, Value=state, Type="String", Overwrite=True)

    def kill(self, rollout: Rollout) -> None:
        """Stop a rollout's workflow."""
        self.workflow.stop_execution(executionArn=rollout.execution_arn)

    @contextmanager
    def deaf_to(self, source: str) -> Iterator[None]:
        """Lose all events of an AWS service meanwhile."""
        names = [
            rule["Name"]
            for rule in self._events.list_rules()["Rules"]
            if source in json.loads(rule.get("EventPattern", "{}")).get("source", ())
        ]
        assert names
        for name in names:
            self._events.disable_rule(Name=name)
        try:
            yield
        finally:
            for name in names:
                self._events.enable_rule(Name=name)

    def make_overdue(self, rollout: Rollout) -> None:
        """Have a rollout's next review be due so long ago that a sweep looks after it."""
        key = f"rollout#{rollout.key.job_id}#{rollout.key.created_at}"
        self.dynamodb.update_item(
            TableName=self.outputs["TableName"],
            Key={"pk": {"S": "active"}, "sk": {"S": key}},
            ConditionExpression="attribute_exists(pk)",
            UpdateExpression="SET review_by = :past",
            ExpressionAttributeValues={":past": {"N": "1"}},
        )

    def subscribe(self, topic: str) -> str:
        """Subscribe a new queue to a topic, named by the stack's output; return its URL."""
        url: str = self.sqs.create_queue(QueueName=f"reads-{topic}")["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        queue_arn, topic_arn = attributes["Attributes"]["QueueArn"], self.outputs[topic]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self._sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=queue_arn,
            Attributes={"RawMessageDelivery": "true"},
        )
        return url

    # as a device

    def report(self, thing_name: str, job_id: str, status: str) -> None:
        """Take the thing's execution of the job and report its outcome."""
        taken = self._data.start_next_pending_job_execution(thingName=thing_name)["execution"]
        assert taken["jobId"] == job_id
        if status != "IN_PROGRESS":
            self._data.update_job_execution(
                thingName=thing_name,
                jobId=job_id,
                status=status,
                expectedVersion=taken["versionNumber"],
            )

    def finish(self, thing_name: str, job_id: str, status: str) -> None:
        """Report the outcome of an execution that the thing took before."""
        self._data.update_job_execution(thingName=thing_name, jobId=job_id, status=status)

    # as somebody watching

    def describe(self, job_id: str) -> dict[str, Any]:
        """Return DescribeJob's job."""
        return dict(self.iot.describe_job(jobId=job_id)["job"])

    def queued(self, job_id: str) -> list[str]:
        """Return the names of things with a QUEUED execution of the job."""
        rows = self.iot.list_job_executions_for_job(jobId=job_id, status="QUEUED", maxResults=250)
        return [row["thingArn"].partition(":thing/")[2] for row in rows["executionSummaries"]]

    def rollout(self, job_id: str) -> Rollout | None:
        """Return the job's rollout, if it has one."""
        return self.ledger.current([job_id]).get(job_id)

    def enrolled(self, job_id: str) -> Rollout:
        """Wait until the job has a rollout with a decision; return it."""

        def look() -> Rollout | None:
            rollout = self.rollout(job_id)
            return rollout if rollout and rollout.revision else None

        return eventually(look, f"job {job_id} to be enrolled and reviewed")

    def ended(self, job_id: str) -> Rollout:
        """Wait until the job's rollout has ended; return it."""

        def look() -> Rollout | None:
            rollout = self.rollout(job_id)
            return rollout if rollout and rollout.ending else None

        return eventually(look, f"the rollout of {job_id} to end")

    def decisions(self, job_id: str) -> list[Decision]:
        """Return the job's decisions, oldest first."""
        rollout = self.rollout(job_id)
        assert rollout is not None
        return list(reversed(self.ledger.decisions(rollout.key, limit=DECISIONS_MAX)))

    def outcome(self, execution_arn: str) -> tuple[str, str, str]:
        """Wait for an execution's end; return its status, its error and its cause."""

        def look() -> tuple[str, str, str] | None:
            answer = self.workflow.describe_execution(executionArn=execution_arn)
            if answer["status"] == "RUNNING":
                return None
            return answer["status"], answer.get("error", ""), answer.get("cause", "")

        return eventually(look, f"{execution_arn} to end")

    def states(self, execution_arn: str) -> list[str]:
        """Return the names of the states that an execution entered, in order."""
        pages = self.workflow.get_paginator("get_execution_history")
        return [
            event["stateEnteredEventDetails"]["name"]
            for page in pages.paginate(executionArn=execution_arn)
            for event in page["events"]
            if "stateEnteredEventDetails" in event
        ]

    def waiting(self, queue: str) -> list[str]:
        """Take all messages from a queue, named by the stack's output; return their bodies."""
        return self.received(self.outputs[queue])

    def received(self, url: str) -> list[str]:
        """Take all messages from a queue; return their bodies."""
        bodies: list[str] = []
        while messages := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0
        ).get("Messages"):
            for message in messages:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies


def eventually(look: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Look until there is something to see, and return it; fail saying what never came."""
    deadline = time.monotonic() + seconds
    while True:
        if seen := look():
            return seen
        if time.monotonic() > deadline:
            message = f"waited {seconds:.0f} s in vain for {what}"
            raise AssertionError(message)
        time.sleep(POLL_SECONDS)
