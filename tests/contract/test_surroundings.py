"""What a checkup sees of an installation, in memory as in AWS."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest
from botocore.stub import Stubber

from tidegate.adapters.aws.surroundings import AwsSurroundings
from tidegate.adapters.memory.surroundings import MemorySurroundings
from tidegate.errors import Refused
from tidegate.ports import Queue, Quota
from tidegate.service.checkup import DESCRIBE, UPDATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract.samples import Cloud
    from tidegate.ports import Surroundings

BUS, FUNCTION, PREFIX = "tidegate", "tidegate-steer", "/tidegate/policies/"
INBOX, PAUSED, DEAD = "tidegate-record", "tidegate-signal", "tidegate-record-dead"
IOT_RULE, RULE, DISABLED, GONE = "tidegate_job", "outcomes", "commands", "reports"
ON_BUS = [f"{BUS}|{each}" for each in (RULE, DISABLED, GONE)]
ACTIONS = ["iot:UpdateJob", "iot:CancelJob", "iot:DescribeJob"]
DECISIONS = {
    "iot:UpdateJob": "allowed",
    "iot:CancelJob": "explicitDeny",
    "iot:DescribeJob": "implicitDeny",
}
POLICIES = {f"{PREFIX}firmware": "{}", f"{PREFIX}interval": '{"name": "interval"}'}
QUOTA_PER_SECOND = 20.0


def in_memory() -> MemorySurroundings:
    """Return an installation of which not everything is in order."""
    return MemorySurroundings(
        events={"JOB": True, "JOB_EXECUTION": False},
        rules={IOT_RULE: True, ON_BUS[0]: True, ON_BUS[1]: False, ON_BUS[2]: None},
        inboxes=[Queue(INBOX, 3, True), Queue(PAUSED, 0, False), Queue(DEAD, 1, None)],  # noqa: FBT003
        quotas={DESCRIBE.code: QUOTA_PER_SECOND},
        denials={"steer": {"iot:CancelJob": True, "iot:DescribeJob": False}},
        texts=dict(POLICIES),
    )


class InAws:
    """The same in AWS: by moto as far as it goes, by stubs where it has nothing."""

    def __init__(self, cloud: Cloud) -> None:
        """Make what the stack consists of."""
        self._cloud = cloud
        self._stubbed: dict[str, Stubber] = {}
        urls = self._queues()
        self._rules()
        for name, text in POLICIES.items():
            cloud.client("ssm").put_parameter(Name=name, Value=text, Type="String")
        listed = [
            *(("AWS::SQS::Queue", each) for each in urls),
            ("AWS::Lambda::Function", FUNCTION),
            ("AWS::IoT::TopicRule", IOT_RULE),
            *(("AWS::Events::Rule", each) for each in ON_BUS),
        ]
        self.stub("cloudformation").add_response(
            "list_stack_resources",
            {
                "StackResourceSummaries": [
                    {
                        "LogicalResourceId": f"Resource{number}",
                        "ResourceType": kind,
                        "PhysicalResourceId": name,
                        "ResourceStatus": "CREATE_COMPLETE",
                        "LastUpdatedTimestamp": 0,
                    }
                    for number, (kind, name) in enumerate(listed)
                ]
            },
            {"StackName": "Tidegate"},
        )
        job_arn = f"arn:aws:iot:{cloud.region}:{cloud.account_id}:job/any"
        self.surroundings = AwsSurroundings("Tidegate", PREFIX, BUS, job_arn, cloud.client)

    def stub(self, service: str) -> Stubber:
        """Return what answers in place of a service from now on."""
        if service not in self._stubbed:
            self._stubbed[service] = Stubber(self._cloud.client(service))
            self._stubbed[service].activate()
        return self._stubbed[service]

    def close(self) -> None:
        """Let moto answer again: clients are shared."""
        for each in self._stubbed.values():
            each.deactivate()

    def _queues(self) -> list[str]:
        sqs, functions = self._cloud.client("sqs"), self._cloud.client("lambda")
        functions.create_function(
            FunctionName=FUNCTION,
            Runtime="python3.13",
            Role=self._role(),
            Handler="steer.handle",
            Code={"ZipFile": _package()},
        )
        urls = []
        for name, waiting in ((INBOX, 3), (PAUSED, 0), (DEAD, 1)):
            url = sqs.create_queue(QueueName=name)["QueueUrl"]
            urls.append(url)
            for number in range(waiting):
                sqs.send_message(QueueUrl=url, MessageBody=f"{number}")
            if name != DEAD:
                asked = {"QueueUrl": url, "AttributeNames": ["QueueArn"]}
                arn = sqs.get_queue_attributes(**asked)["Attributes"]["QueueArn"]
                functions.create_event_source_mapping(
                    EventSourceArn=arn, FunctionName=FUNCTION, Enabled=name == INBOX
                )
        return urls

    def _role(self) -> str:
        made = self._cloud.client("iam").create_role(
            RoleName=FUNCTION, AssumeRolePolicyDocument="{}"
        )
        return str(made["Role"]["Arn"])

    def _rules(self) -> None:
        self._cloud.client("iot").create_topic_rule(
            ruleName=IOT_RULE, topicRulePayload={"sql": "SELECT * FROM 'a'", "actions": []}
        )
        events = self._cloud.client("events")
        events.create_event_bus(Name=BUS)
        for name, state in ((RULE, "ENABLED"), (DISABLED, "DISABLED")):
            events.put_rule(
                Name=name, EventBusName=BUS, State=state, EventPattern='{"source": ["a"]}'
            )


def _package() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("steer.py", "def handle(event, context): ...")
    return packed.getvalue()


@pytest.fixture
def aws(request: pytest.FixtureRequest) -> Iterator[InAws]:
    """Provide the installation in AWS."""
    made = InAws(request.getfixturevalue("moto"))
    yield made
    made.close()


@pytest.fixture(params=["memory", "aws"])
def life(request: pytest.FixtureRequest) -> str:
    """Name the kind that is tried."""
    return str(request.param)


@pytest.fixture
def surroundings(life: str, request: pytest.FixtureRequest) -> Surroundings:
    """Provide the same installation of each kind."""
    if life == "memory":
        return in_memory()
    aws: InAws = request.getfixturevalue("aws")
    return aws.surroundings


@pytest.fixture
def stub(life: str, request: pytest.FixtureRequest) -> Callable[[str], Stubber] | None:
    """Provide what answers in place of a service that moto lacks; None where AWS is not asked."""
    if life == "memory":
        return None
    aws: InAws = request.getfixturevalue("aws")
    return aws.stub


@pytest.fixture
def _told_events(stub: Callable[[str], Stubber] | None) -> None:
    if stub is None:
        return
    told = {"JOB": {"Enabled": True}, "JOB_EXECUTION": {"Enabled": False}}
    stub("iot").add_response("describe_event_configurations", {"eventConfigurations": told})


@pytest.fixture
def _told_quotas(stub: Callable[[str], Stubber] | None) -> None:
    if stub is None:
        return
    quotas, missing = stub("service-quotas"), "NoSuchResourceException"
    first, second = (
        {"ServiceCode": each, "QuotaCode": DESCRIBE.code}
        for each in ("iotdevicemanagement", "iotcore")
    )
    quotas.add_client_error("get_service_quota", missing, expected_params=first)
    quotas.add_response("get_service_quota", {"Quota": {"Value": QUOTA_PER_SECOND}}, second)
    for _ in range(2):
        quotas.add_client_error("get_service_quota", missing)


@pytest.fixture
def _told_decisions(stub: Callable[[str], Stubber] | None) -> None:
    if stub is None:
        return
    for action in ACTIONS:
        told = {"EvalActionName": action, "EvalDecision": DECISIONS[action]}
        stub("iam").add_response("simulate_principal_policy", {"EvaluationResults": [told]})


@pytest.fixture
def _denied(stub: Callable[[str], Stubber] | None, surroundings: Surroundings) -> None:
    if isinstance(surroundings, MemorySurroundings):
        surroundings.hidden = {"events_enabled", "policies"}
    if stub is not None:
        stub("iot").add_client_error("describe_event_configurations", "AccessDeniedException")
        stub("ssm").add_client_error("get_parameters_by_path", "AccessDeniedException")


@pytest.mark.usefixtures("_told_events")
def test_kinds_of_events_are_on_or_off(surroundings: Surroundings) -> None:
    """Each kind that rollouts rest on is told of."""
    assert surroundings.events_enabled() == {"JOB": True, "JOB_EXECUTION": False}


def test_rules_are_on_off_or_gone(surroundings: Surroundings) -> None:
    """All rules of the stack are told of, those that somebody deleted as well."""
    assert surroundings.rules_enabled() == {
        IOT_RULE: True,
        ON_BUS[0]: True,
        ON_BUS[1]: False,
        ON_BUS[2]: None,
    }


def test_queues_are_told_by_what_waits_and_who_reads(surroundings: Surroundings) -> None:
    """One that is read, one whose trigger is off, one that nothing reads; looking takes none."""
    expected = {INBOX: (3, True), PAUSED: (0, False), DEAD: (1, None)}

    for _ in range(2):
        found = {each.name: (each.waiting, each.reader_enabled) for each in surroundings.queues()}
        assert found == expected


@pytest.mark.usefixtures("_told_quotas")
def test_quotas_are_those_that_apply(surroundings: Surroundings) -> None:
    """What the account has counts, not AWS's default; a code that nobody knows is None."""
    unknown = Quota("L-00000000", UPDATE.operation, UPDATE.default_per_second)

    assert surroundings.quota(DESCRIBE) == QUOTA_PER_SECOND
    assert surroundings.quota(unknown) is None


@pytest.mark.usefixtures("_told_decisions")
def test_denied_actions_are_told_by_how_they_are_denied(surroundings: Surroundings) -> None:
    """What is allowed is left out; what is denied outright differs from what is not granted."""
    assert surroundings.denied("steer", ACTIONS) == {
        "iot:CancelJob": True,
        "iot:DescribeJob": False,
    }
    assert surroundings.denied("nobody", ACTIONS) is None


def test_policies_are_read_by_name(surroundings: Surroundings) -> None:
    """The text of each policy is as somebody put it there."""
    assert surroundings.policies() == POLICIES


@pytest.mark.usefixtures("_denied")
def test_what_the_caller_may_not_see_is_refused(surroundings: Surroundings) -> None:
    """A caller with few rights gets an error that a checkup can tell of."""
    with pytest.raises(Refused, match="AccessDenied"):
        surroundings.events_enabled()
    with pytest.raises(Refused, match="AccessDenied"):
        surroundings.policies()
