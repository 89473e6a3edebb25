"""What an installation stands on in AWS, looked at by whoever asks for a checkup."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tidegate.adapters.aws.dead_letters import DEPTH, queue_name
from tidegate.adapters.aws.errors import translated
from tidegate.adapters.aws.jobs import EVENT_TYPES
from tidegate.errors import NotFound
from tidegate.ports import POLICY_TAG, Queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tidegate.ports import Quota

#: Pages of one list: a stack has some two hundred resources, an account a few policies.
PAGES_MAX = 50

_QUEUE, _FUNCTION = "AWS::SQS::Queue", "AWS::Lambda::Function"
_IOT_RULE, _BUS_RULE = "AWS::IoT::TopicRule", "AWS::Events::Rule"

#: Where Service Quotas has those of AWS IoT Jobs.
_QUOTA_SERVICES = ("iotdevicemanagement", "iotcore")

_ALLOWED, _DENIED = "allowed", "explicitDeny"

#: Actions that IAM grants on everything or on nothing, those on things, and those on thing groups;
#: all others are asked of jobs.
_ON_EVERYTHING = frozenset(
    {
        "iot:DescribeEventConfigurations",
        "iot:ListJobs",
        "iot:SearchIndex",
        "iot:UpdateEventConfigurations",
    }
)
_ON_THINGS = frozenset(
    {
        "iot:DescribeThing",
        "iot:ListThingGroupsForThing",
        "iotjobsdata:DescribeJobExecution",
        "iotjobsdata:UpdateJobExecution",
    }
)
_ON_GROUPS = frozenset(
    {
        "iot:AddThingToThingGroup",
        "iot:CreateThingGroup",
        "iot:ListThingsInThingGroup",
    }
)


class AwsSurroundings:
    """
    The stack's resources and the account around them.

    Every method raises what ``translated`` raises: Refused where the caller may not look, NotFound
    for what is gone, RetryLater where AWS is busy.
    """

    def __init__(
        self,
        stack_name: str,
        policy_prefix: str,
        bus_name: str,
        job_arn: str,
        client: Callable[[str], Any],
        *,
        policy_tag: str = POLICY_TAG,
    ) -> None:
        """
        Bind a stack to the clients of whoever looks at it.

        Args:
            stack_name: In CloudFormation.
            policy_prefix: Of parameters that hold policies.
            bus_name: Of the stack's bus.
            job_arn: Of any job in the account, for simulated permissions.
            client: The caller's client for a service.
            policy_tag: The key of the tag that enrolls jobs.
        """
        self._stack_name = stack_name
        self._policy_prefix = policy_prefix
        self._bus_name = bus_name
        self._job_arn = job_arn
        self._client = client
        self._policy_tag = policy_tag

    def events_enabled(self) -> Mapping[str, bool]:
        """Return which of JOB and JOB_EXECUTION events the account publishes."""
        with translated("DescribeEventConfigurations"):
            answer = self._client("iot").describe_event_configurations()
        told = answer.get("eventConfigurations", {})
        return {kind: bool(told.get(kind, {}).get("Enabled")) for kind in EVENT_TYPES}

    def rules_enabled(self) -> Mapping[str, bool | None]:
        """Return which IoT and bus rules of the stack are enabled; None for one that is gone."""
        iot = {name: self._iot_rule(name) for name in self._of_kind(_IOT_RULE)}
        return iot | {name: self._bus_rule(name) for name in self._of_kind(_BUS_RULE)}

    def _iot_rule(self, name: str) -> bool | None:
        try:
            # Of a rule that does not exist, AWS says that the caller is not authorized.
            with translated(f"GetTopicRule {name}"):
                answer = self._client("iot").get_topic_rule(ruleName=name)
        except NotFound:
            return None
        return not answer["rule"].get("ruleDisabled", False)

    def _bus_rule(self, name: str) -> bool | None:
        # A rule on a bus of one's own is called "bus|rule", but not by everybody.
        bus, _, rule = name.rpartition("|")
        for where in [bus] if bus else ["default", self._bus_name]:
            try:
                with translated(f"DescribeRule {name}"):
                    answer = self._client("events").describe_rule(Name=rule, EventBusName=where)
            except NotFound:
                continue
            return bool(answer["State"] == "ENABLED")
        return None

    def queues(self) -> Sequence[Queue]:
        """Return the stack's queues."""
        return [self._queue(url) for url in self._of_kind(_QUEUE)]

    def _queue(self, url: str) -> Queue:
        with translated(f"GetQueueAttributes {url}"):
            told = self._client("sqs").get_queue_attributes(
                QueueUrl=url, AttributeNames=[DEPTH, "QueueArn"]
            )["Attributes"]
        with translated(f"ListEventSourceMappings {told['QueueArn']}"):
            readers = self._client("lambda").list_event_source_mappings(
                EventSourceArn=told["QueueArn"]
            )["EventSourceMappings"]
        return Queue(
            name=queue_name(url),
            waiting=int(told[DEPTH]),
            reader_enabled=all(each["State"] == "Enabled" for each in readers) if readers else None,
        )

    def quota(self, quota: Quota) -> float | None:
        """Return the quota that applies; None if AWS knows none of that code."""
        for service in _QUOTA_SERVICES:
            try:
                with translated(f"GetServiceQuota {quota.code}"):
                    answer = self._client("service-quotas").get_service_quota(
                        ServiceCode=service, QuotaCode=quota.code
                    )
            except NotFound:
                continue
            return float(answer["Quota"]["Value"])
        return None

    def denied(self, function: str, actions: Sequence[str]) -> Mapping[str, bool] | None:
        """Return which actions for enrolled jobs a function's role is denied; None: no function."""
        named = [name for name in self._of_kind(_FUNCTION) if name.endswith(f"-{function}")]
        if not named:
            return None
        with translated(f"GetFunctionConfiguration {named[0]}"):
            role = self._client("lambda").get_function_configuration(FunctionName=named[0])["Role"]
        simulated = {each: self._simulated(role, each) for each in actions}
        return {each: told == _DENIED for each, told in simulated.items() if told != _ALLOWED}

    def _simulated(self, role: str, action: str) -> str:
        with translated("SimulatePrincipalPolicy"):
            (told,) = self._client("iam").simulate_principal_policy(
                PolicySourceArn=role,
                ActionNames=[action],
                ResourceArns=[asked_of(action, self._job_arn)],
                ContextEntries=_tagged(self._policy_tag),
            )["EvaluationResults"]
        return str(told["EvalDecision"])

    def policies(self) -> Mapping[str, str]:
        """Return the text of each named policy."""
        asked = {"Path": self._policy_prefix, "Recursive": True}
        found: dict[str, str] = {}
        with translated(f"GetParametersByPath {self._policy_prefix}"):
            for page in self._pages("ssm", "get_parameters_by_path", asked):
                found |= {each["Name"]: each["Value"] for each in page["Parameters"]}
        return found

    def _of_kind(self, kind: str) -> list[str]:
        return [name for found, name in self._resources if found == kind]

    @cached_property
    def _resources(self) -> list[tuple[str, str]]:
        """Kinds and physical ids of all that the stack holds."""
        asked = {"StackName": self._stack_name}
        with translated(f"ListStackResources {self._stack_name}"):
            return [
                (each["ResourceType"], each["PhysicalResourceId"])
                for page in self._pages("cloudformation", "list_stack_resources", asked)
                for each in page["StackResourceSummaries"]
                if each.get("PhysicalResourceId")
            ]

    def _pages(self, service: str, operation: str, asked: Mapping[str, Any]) -> Iterator[Any]:
        call, request = getattr(self._client(service), operation), dict(asked)
        for _ in range(PAGES_MAX):
            page = call(**request)
            yield page
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]


def asked_of(action: str, job_arn: str) -> str:
    """Return the ARN that a role's leave for an action is asked for, in the account of a job."""
    if action in _ON_EVERYTHING:
        return "*"
    account = job_arn.rpartition(":")[0]
    if action in _ON_THINGS:
        return f"{account}:thing/any"
    # The groups that Tidegate makes are called so.
    return f"{account}:thinggroup/tidegate-any" if action in _ON_GROUPS else job_arn


def _tagged(policy_tag: str) -> list[Any]:
    """Return what IAM's simulation is asked about: jobs with the tag, whatever their names."""
    tagged = [
        {
            "ContextKeyName": f"aws:{where}/{policy_tag}",
            "ContextKeyValues": ["any"],
            "ContextKeyType": "string",
        }
        for where in ("ResourceTag", "RequestTag")
    ]
    keys = {
        "ContextKeyName": "aws:TagKeys",
        "ContextKeyValues": [policy_tag],
        "ContextKeyType": "stringList",
    }
    return [*tagged, keys]
