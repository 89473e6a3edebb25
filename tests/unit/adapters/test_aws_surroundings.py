"""What a checkup sees of AWS: resources of the stack, as AWS's answers have them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tidegate.adapters.aws.surroundings import AwsSurroundings
from tidegate.errors import Refused
from tidegate.ports import Queue
from tidegate.service.checkup import DESCRIBE

JOB_ARN = "arn:aws:iot:eu-central-1:111122223333:job/any"


def refusal(code: str) -> ClientError:
    """Return an error of AWS's."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Any")


class Answers:
    """Clients of AWS that answer from a table: a value, a function of the request, or an error."""

    def __init__(self, **answers: Any) -> None:  # noqa: ANN401 - any answer
        """Remember the answers by operation."""
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, _: str) -> "Answers":
        """Return the client for a service: all are this one."""
        return self

    def __getattr__(self, operation: str) -> Any:  # noqa: ANN401 - any call
        def call(**request: Any) -> Any:  # noqa: ANN401 - any answer
            self.asked.append((operation, request))
            answer = self.answers[operation]
            answer = answer(request) if callable(answer) else answer
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def around(**answers: Any) -> tuple[AwsSurroundings, Answers]:  # noqa: ANN401 - any answer
    """Return the surroundings that answer so; the stack has one resource of each kind."""
    resources = {
        "AWS::SQS::Queue": "https://sqs/1/tidegate-events",
        "AWS::Lambda::Function": "tidegate-steer",
        "AWS::IoT::TopicRule": "tidegate_job",
        "AWS::Events::Rule": "tidegate|outcomes",
    }
    listed = [
        {"ResourceType": kind, "PhysicalResourceId": name} for kind, name in resources.items()
    ]
    told = Answers(list_stack_resources={"StackResourceSummaries": listed}, **answers)
    return AwsSurroundings("Tidegate", "/tidegate/policies/", "tidegate", JOB_ARN, told), told


def test_kinds_of_events_are_read() -> None:
    """A kind that AWS does not tell of is off."""
    seen, _ = around(
        describe_event_configurations={"eventConfigurations": {"JOB": {"Enabled": True}}}
    )

    assert seen.events_enabled() == {"JOB": True, "JOB_EXECUTION": False}


def test_rules_are_asked_for_on_their_bus() -> None:
    """A rule of the stack's bus is found by its own name there; a disabled one is told."""
    seen, told = around(
        get_topic_rule={"rule": {"ruleDisabled": True}}, describe_rule={"State": "ENABLED"}
    )

    assert seen.rules_enabled() == {"tidegate_job": False, "tidegate|outcomes": True}
    assert told.asked[-1] == ("describe_rule", {"Name": "outcomes", "EventBusName": "tidegate"})


def test_a_rule_that_is_gone_is_told_as_gone() -> None:
    """What somebody deleted is neither on nor off."""
    seen, _ = around(
        get_topic_rule={"rule": {}}, describe_rule=refusal("ResourceNotFoundException")
    )

    assert seen.rules_enabled() == {"tidegate_job": True, "tidegate|outcomes": None}


@pytest.mark.parametrize(
    ("readers", "enabled"),
    [([], None), ([{"State": "Enabled"}], True), ([{"State": "Disabled"}], False)],
)
def test_queues_are_told_by_who_reads_them(
    readers: list[dict[str, str]],
    enabled: bool | None,  # noqa: FBT001 - what is expected
) -> None:
    """A queue without a trigger is a dead end; one whose trigger is off is not read."""
    seen, _ = around(
        get_queue_attributes={
            "Attributes": {"ApproximateNumberOfMessages": "4", "QueueArn": "arn"}
        },
        list_event_source_mappings={"EventSourceMappings": readers},
    )

    assert seen.queues() == [Queue("tidegate-events", 4, enabled)]


def test_a_quota_is_looked_for_until_it_is_found() -> None:
    """AWS keeps quotas of jobs under one service or another; a code that none has is None."""

    def answer(request: dict[str, Any]) -> Any:  # noqa: ANN401 - an answer or an error
        if request["ServiceCode"] == "iotcore":
            return {"Quota": {"Value": 20.0}}
        return refusal("NoSuchResourceException")

    seen, _ = around(get_service_quota=answer)
    assert seen.quota(DESCRIBE) == 20.0

    seen, _ = around(get_service_quota=refusal("NoSuchResourceException"))
    assert seen.quota(DESCRIBE) is None


def test_permissions_are_simulated_for_enrolled_jobs() -> None:
    """IAM is asked about jobs that carry the tag; what it denies is told, explicitly or not."""
    decisions = {
        "iot:UpdateJob": "allowed",
        "iot:CancelJob": "explicitDeny",
        "iot:DescribeJob": "implicitDeny",
    }
    seen, told = around(
        get_function_configuration={"Role": "arn:role"},
        simulate_principal_policy=lambda request: {
            "EvaluationResults": [{"EvalDecision": decisions[request["ActionNames"][0]]}]
        },
    )

    assert seen.denied("steer", list(decisions)) == {
        "iot:CancelJob": True,
        "iot:DescribeJob": False,
    }
    assert seen.denied("nobody", ["iot:UpdateJob"]) is None
    entries = told.asked[-1][1]["ContextEntries"]
    assert "aws:ResourceTag/tidegate:policy" in [each["ContextKeyName"] for each in entries]


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iot:UpdateJob", JOB_ARN),
        ("iot:ListJobs", "*"),
        ("iotjobsdata:UpdateJobExecution", "arn:aws:iot:eu-central-1:111122223333:thing/any"),
        (
            "iot:CreateThingGroup",
            "arn:aws:iot:eu-central-1:111122223333:thinggroup/tidegate-any",
        ),
    ],
)
def test_permissions_are_simulated_on_what_the_action_is_on(action: str, resource: str) -> None:
    """Asked of a job, leave to update a thing would be found missing though it is there."""
    allowed = {"EvaluationResults": [{"EvalDecision": "allowed"}]}
    seen, told = around(
        get_function_configuration={"Role": "arn:role"}, simulate_principal_policy=allowed
    )

    assert seen.denied("steer", [action]) == {}
    assert told.asked[-1][1]["ResourceArns"] == [resource]


def test_a_function_may_have_a_name_of_several_words() -> None:
    """Of ``roll-back``, the part behind the last hyphen alone is nobody's name."""
    functions = [
        {"ResourceType": "AWS::Lambda::Function", "PhysicalResourceId": f"tidegate-{name}"}
        for name in ("steer", "roll-back")
    ]
    told = Answers(
        list_stack_resources={"StackResourceSummaries": functions},
        get_function_configuration={"Role": "arn:role"},
        simulate_principal_policy={"EvaluationResults": [{"EvalDecision": "allowed"}]},
    )
    seen = AwsSurroundings("Tidegate", "/", "tidegate", JOB_ARN, told)

    assert seen.denied("roll-back", ["iot:CreateThingGroup"]) == {}
    assert ("get_function_configuration", {"FunctionName": "tidegate-roll-back"}) in told.asked


def test_permissions_are_simulated_for_the_tag_of_the_environment() -> None:
    """Roles of one of several Tidegates reach no jobs but those with a tag of its own."""
    allowed = {"EvaluationResults": [{"EvalDecision": "allowed"}]}
    _, told = around(
        get_function_configuration={"Role": "arn:role"}, simulate_principal_policy=allowed
    )
    tag = "tidegate:staging:policy"
    seen = AwsSurroundings("Tidegate", "/", "tidegate", JOB_ARN, told, policy_tag=tag)

    assert seen.denied("steer", ["iot:UpdateJob"]) == {}
    *conditions, keys = told.asked[-1][1]["ContextEntries"]
    assert {each["ContextKeyName"] for each in conditions} == {
        f"aws:ResourceTag/{tag}",
        f"aws:RequestTag/{tag}",
    }
    assert keys["ContextKeyValues"] == [tag]


def test_what_aws_denies_to_look_at_is_refused() -> None:
    """A caller with few rights gets an error that a checkup can tell of."""
    seen, _ = around(get_parameters_by_path=refusal("AccessDeniedException"))

    with pytest.raises(Refused, match="AccessDenied"):
        seen.policies()


def test_policies_are_read_page_by_page() -> None:
    """All parameters below the prefix are read, however many pages they fill."""
    pages = {
        None: {"Parameters": [{"Name": "a", "Value": "1"}], "NextToken": "more"},
        "more": {"Parameters": [{"Name": "b", "Value": "2"}]},
    }
    seen, _ = around(get_parameters_by_path=lambda request: pages[request.get("NextToken")])

    assert seen.policies() == {"a": "1", "b": "2"}
