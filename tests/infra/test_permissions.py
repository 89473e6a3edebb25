"""Who may do what: exactly this."""

import json
import re
from fnmatch import fnmatchcase
from typing import NamedTuple

import pytest

from tests.infra.conftest import PRESIGN_ROLE
from tests.infra.synthesized import ACCOUNT_ID, REGION, REPOSITORY, Synthesized
from tidegate.adapters.aws.surroundings import asked_of
from tidegate.service.checkup import GRANTS as CHECKED

IOT = f"arn:aws:iot:{REGION}:{ACCOUNT_ID}"
STATES = f"arn:aws:states:{REGION}:{ACCOUNT_ID}"
MACHINE = f"{STATES}:stateMachine:tidegate-rollout"

ENROLLED = '{"StringLike": {"aws:ResourceTag/tidegate:policy": "*"}}'
OWN_TAGS = '{"ForAllValues:StringLike": {"aws:TagKeys": "tidegate:*"}}'
BINDING = '{"StringLike": {"aws:RequestTag/tidegate:policy": "*"}}'


class Grant(NamedTuple):
    """One action that a role may do to one resource, under a condition."""

    action: str
    resource: str
    condition: str = ""


def each(resource: str, *actions: str, when: str = "") -> set[Grant]:
    """Return the grants of several actions on one resource."""
    return {Grant(action, resource, when) for action in actions}


TRACES = each("*", "xray:PutTelemetryRecords", "xray:PutTraceSegments")
BUS = each("<Bus/Bus.Arn>", "events:PutEvents")
LEDGER = each(
    "<Ledger/Table.Arn>",
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
READING_LEDGER = each(
    "<Ledger/Table.Arn>", "dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"
)
#: IAM knows no tags here: these tell whether a job exists, and whether it is Tidegate's.
READING_TAGS = each(f"{IOT}:job/*", "iot:ListTagsForResource")
FINDING_OUT = READING_TAGS | each(f"{IOT}:job/*", "iot:ListJobExecutionsForJob")
READING_ENROLLED = each(f"{IOT}:job/*", "iot:DescribeJob", when=ENROLLED)
COUNTING_THINGS = each(f"{IOT}:thinggroup/*", "iot:ListThingsInThingGroup")
POLICIES = each(
    f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/tidegate/policies/*", "ssm:GetParameter"
)
REPORTERS = each(
    f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/tidegate/reporters/*", "ssm:GetParameter"
)
READING_THINGS = each(f"{IOT}:thing/*", "iot:DescribeThing", "iot:ListThingGroupsForThing")
ACTING_FOR_DEVICES = (
    each(
        f"{IOT}:thing/*",
        "iot:DescribeJobExecution",
        "iotjobsdata:DescribeJobExecution",
        "iotjobsdata:UpdateJobExecution",
    )
    | each(f"{IOT}:job/*", "iot:DescribeJobExecution")
    | each("*", "iot:DescribeEndpoint")
)
LOOKING = each(f"{STATES}:execution:tidegate-rollout:*", "states:DescribeExecution")
OWN_GROUPS = f"{IOT}:thinggroup/tidegate-*"


def basics(handler: str) -> set[Grant]:
    """Return what every Lambda may do: write its own log, and traces."""
    return TRACES | each(f"<{handler}/Logs.Arn>", "logs:CreateLogStream", "logs:PutLogEvents")


def consumes(queue: str) -> set[Grant]:
    """Return what Lambda needs to take messages from a queue on a function's behalf."""
    return each(
        f"<{queue}.Arn>", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"
    )


ROLES = {
    "Dashboard/Handler/Role": basics("Dashboard/Handler") | READING_LEDGER,
    "Intake/Handler/Role": basics("Intake/Handler") | BUS | consumes("Intake/Events/Queue"),
    "Intake/DeliveryRole": each("<Intake/Events/Queue.Arn>", "sqs:SendMessage"),
    "Intake/ErrorRole": each("<Intake/RuleErrors.Arn>", "sqs:SendMessage"),
    "Record/Handler/Role": basics("Record/Handler")
    | LEDGER
    | consumes("Record/Inbox/Queue")
    | READING_THINGS
    | each(MACHINE, "states:SendTaskSuccess"),
    "Relay/Handler/Role": basics("Relay/Handler")
    | LEDGER
    | BUS
    | consumes("Relay/Inbox/Queue")
    | REPORTERS
    | READING_THINGS
    | ACTING_FOR_DEVICES,
    "Signal/Handler/Role": basics("Signal/Handler")
    | LEDGER
    | BUS
    | consumes("Signal/Inbox/Queue")
    | POLICIES
    | FINDING_OUT
    | READING_ENROLLED
    | COUNTING_THINGS
    | LOOKING
    | each(MACHINE, "states:SendTaskSuccess", "states:StartExecution"),
    "Steps/Enroll/Role": basics("Steps/Enroll")
    | LEDGER
    | BUS
    | POLICIES
    | LOOKING
    | FINDING_OUT
    | READING_ENROLLED
    | COUNTING_THINGS
    | each(f"{IOT}:job/*", "iot:CreateJob")
    | each(f"{IOT}:thing/*", "iot:CreateJob")
    | each(f"{IOT}:thinggroup/*", "iot:CreateJob")
    | each(f"{IOT}:jobtemplate/*", "iot:CreateJob")
    | each(f"{IOT}:job/*", "iot:TagResource", when=BINDING)
    | each(f"{IOT}:job/*", "iot:UntagResource", when=OWN_TAGS),
    "Steps/Review/Role": basics("Steps/Review")
    | LEDGER
    | BUS
    | FINDING_OUT
    | READING_ENROLLED
    | each(
        "*",
        "cloudwatch:DescribeAlarms",
        "iot:DescribeEventConfigurations",
        "ssm:GetCalendarState",
    ),
    "Steps/Steer/Role": basics("Steps/Steer")
    | LEDGER
    | BUS
    | FINDING_OUT
    | each(f"{IOT}:job/*", "iot:CancelJob", "iot:DescribeJob", "iot:UpdateJob", when=ENROLLED),
    "Steps/Attend/Role": basics("Steps/Attend")
    | LEDGER
    | BUS
    | FINDING_OUT
    | READING_ENROLLED
    | COUNTING_THINGS
    | READING_THINGS
    | ACTING_FOR_DEVICES
    | each(f"{IOT}:job/*", "iot:CancelJobExecution")
    | each(f"{IOT}:thing/*", "iot:CancelJobExecution")
    | each("*", "iot:GetIndexingConfiguration", "iot:GetStatistics", "iot:SearchIndex"),
    "Steps/RollBack/Role": basics("Steps/RollBack")
    | LEDGER
    | BUS
    | FINDING_OUT
    | READING_ENROLLED
    | each(
        OWN_GROUPS,
        "iot:AddThingToThingGroup",
        "iot:CreateThingGroup",
        "iot:DescribeThingGroup",
        "iot:ListTagsForResource",
        "iot:ListThingsInThingGroup",
    )
    | each(OWN_GROUPS, "iot:TagResource", when=OWN_TAGS)
    | each(f"{IOT}:thing/*", "iot:AddThingToThingGroup")
    | LOOKING
    | each(MACHINE, "states:StartExecution"),
    "Sweep/Handler/Role": basics("Sweep/Handler")
    | LEDGER
    | BUS
    | READING_TAGS
    | LOOKING
    | each(MACHINE, "states:StartExecution")
    | each(
        "*",
        "iot:DescribeEventConfigurations",
        "iot:ListJobs",
        "iot:UpdateEventConfigurations",
    )
    | {
        Grant("sqs:GetQueueAttributes", f"<{queue}.Arn>")
        for queue in (
            "Announcements/Undelivered",
            "Intake/Events/DeadLetters",
            "Intake/RuleErrors",
            "Record/Inbox/DeadLetters",
            "Relay/Inbox/DeadLetters",
            "Signal/Inbox/DeadLetters",
        )
    },
    "Steps/Park/Role": basics("Steps/Park") | LEDGER | each(MACHINE, "states:SendTaskSuccess"),
    "AccountEvents/Handler/Role": basics("AccountEvents/Handler")
    | each("*", "iot:UpdateEventConfigurations"),
    "Workflow/Role": TRACES
    | BUS
    | each("<Steps/Attend/Function.Arn>", "lambda:InvokeFunction")
    | each("<Steps/Enroll/Function.Arn>", "lambda:InvokeFunction")
    | each("<Steps/Park/Function.Arn>", "lambda:InvokeFunction")
    | each("<Steps/Review/Function.Arn>", "lambda:InvokeFunction")
    | each("<Steps/RollBack/Function.Arn>", "lambda:InvokeFunction")
    | each("<Steps/Steer/Function.Arn>", "lambda:InvokeFunction")
    | each(MACHINE, "states:StartExecution")
    | each(
        "*",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
    ),
}

LAMBDAS = (
    "AccountEvents/",
    "Dashboard/",
    "Intake/Handler/",
    "Record/",
    "Relay/",
    "Signal/",
    "Steps/",
    "Sweep/",
)

#: Modules of ``adapters/aws`` that call AWS, with IAM's name of the service.
ADAPTERS = {
    "alarms.py": "cloudwatch",
    "bus.py": "events",
    "calendars.py": "ssm",
    "dead_letters.py": "sqs",
    "executions.py": "iot",
    "jobs.py": "iot",
    "ledger_table.py": "dynamodb",
    "policies.py": "ssm",
    "presences.py": "iot",
    "reporters.py": "ssm",
    "session.py": "iot",
    "things.py": "iot",
    "workflow.py": "states",
}

#: What clients are called in the adapters, with IAM's name of the service where it is another.
CLIENTS = {
    "data": "iotjobsdata",
    "self._client": None,
    "self._control": "iot",
    " iot": None,
}
CALL = re.compile(rf"({'|'.join(map(re.escape, CLIENTS))})\.(\w+)\(")
IN_TRANSACTIONS = re.compile(r'"(Put|Update|Delete|ConditionCheck)": ?')

#: What a Lambda may do without calling it: AWS does it on its behalf, or it goes with a call.
BEHIND_THE_SCENES = ("logs:", "sqs:DeleteMessage", "sqs:ReceiveMessage", "xray:")

#: Actions that change a job, or read more of it than its tags, and know the job's own tags.
ON_ENROLLED_JOBS_ONLY = ("iot:CancelJob", "iot:DescribeJob", "iot:UpdateJob")

#: AWS checks these against no resource: https://docs.aws.amazon.com/service-authorization/.
WITHOUT_RESOURCE = (
    "iot:DescribeEndpoint",
    "iot:DescribeEventConfigurations",
    "iot:GetIndexingConfiguration",
    "iot:GetStatistics",
    "iot:ListJobs",
    "iot:SearchIndex",
    "iot:UpdateEventConfigurations",
    "xray:",
)

#: They know resources, but composite alarms need all of them, and calendars may be anybody's.
NAMED_BY_POLICIES = ("cloudwatch:DescribeAlarms", "ssm:GetCalendarState")
LOG_DELIVERY = "logs:"


def as_list(value: str | list[str]) -> list[str]:
    """Return a policy's element, which may be one or several, as a list."""
    return [value] if isinstance(value, str) else value


def grants(stack: Synthesized) -> dict[str, set[Grant]]:
    """Return what each role of a stack may do."""
    found: dict[str, set[Grant]] = {}
    for policy in stack.of_type("AWS::IAM::Policy").values():
        (role,) = policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            condition = statement.get("Condition")
            found.setdefault(role.strip("<>"), set()).update(
                Grant(action, resource, json.dumps(condition) if condition else "")
                for action in as_list(statement["Action"])
                for resource in as_list(statement["Resource"])
            )
    return found


def test_every_role_is_accounted_for(aws: Synthesized) -> None:
    """There is no role besides those whose permissions are listed here."""
    assert set(ROLES) == set(aws.of_type("AWS::IAM::Role"))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_just_this(aws: Synthesized, role: str) -> None:
    """A role has the permissions listed here: none is missing, none is there besides."""
    assert ROLES[role] == grants(aws)[role]


def calls_of_the_adapters() -> set[str]:
    """Return the IAM actions behind all calls that ``adapters/aws`` makes."""
    actions = set()
    for name, service in ADAPTERS.items():
        source = (REPOSITORY / "tidegate" / "adapters" / "aws" / name).read_text()
        called = {(CLIENTS[client] or service, call) for client, call in CALL.findall(source)}
        if (service, "transact_write_items") in called:
            called.remove((service, "transact_write_items"))
            called |= {
                (service, f"{kind.lower()}_item") for kind in IN_TRANSACTIONS.findall(source)
            }
        actions |= {f"{each}:{call.title().replace('_', '')}" for each, call in called}
    return actions


def test_what_the_adapters_call_is_allowed_and_nothing_else(aws: Synthesized) -> None:
    """The Lambdas together may do what the code does: no call is forgotten, none is spare."""
    allowed = {
        grant.action
        for role, of_role in grants(aws).items()
        for grant in of_role
        if role.startswith(LAMBDAS)
    }

    assert calls_of_the_adapters() == {
        action for action in allowed if not action.startswith(BEHIND_THE_SCENES)
    }


@pytest.mark.parametrize("function", CHECKED)
def test_what_a_checkup_asks_iam_for_is_granted(aws: Synthesized, function: str) -> None:
    """``tidegate doctor`` asks of each role what it has, on resources of the kind it has it on."""
    (role,) = (
        each
        for each in aws.of_type("AWS::IAM::Role")
        if each.replace("/Handler", "").removesuffix("/Role").rpartition("/")[2].lower()
        == function.replace("-", "")
    )
    job_arn = f"{IOT}:job/any"
    asked = {(action, asked_of(action, job_arn)) for action in CHECKED[function]}

    assert asked == {
        (action, resource)
        for action, resource in asked
        for grant in grants(aws)[role]
        if grant.action == action and fnmatchcase(resource, grant.resource)
    }


def test_a_checkup_asks_of_all_who_change_anything_in_aws_iot(aws: Synthesized) -> None:
    """No role that may act on jobs, things or groups is left out."""
    acting = {
        role.replace("/Handler", "").removesuffix("/Role").rpartition("/")[2].lower()
        for role, of_role in grants(aws).items()
        for grant in of_role
        if role.startswith(LAMBDAS) and grant.action.startswith("iot")
    }

    assert acting - {"accountevents"} == {each.replace("-", "") for each in CHECKED}


def test_permissions_come_from_this_stack_alone(aws: Synthesized) -> None:
    """No role has a policy that AWS manages, nor one inside the role itself."""
    roles = aws.of_type("AWS::IAM::Role").values()

    assert not [role for role in roles if role.keys() & {"ManagedPolicyArns", "Policies"}]


def test_a_job_that_is_not_enrolled_is_out_of_reach(aws: Synthesized) -> None:
    """Changing a job, and reading more of it than its tags, needs the tag that enrolls it."""
    conditions = {
        grant.condition
        for of_role in grants(aws).values()
        for grant in of_role
        if grant.action in ON_ENROLLED_JOBS_ONLY
    }

    assert conditions == {ENROLLED}


def test_jobs_of_another_environment_are_out_of_reach(local: Synthesized) -> None:
    """Two Tidegates in one account never steer the same job: each has a tag of its own."""
    conditions = {
        grant.condition
        for of_role in grants(local).values()
        for grant in of_role
        if grant.action in ON_ENROLLED_JOBS_ONLY
    }

    assert conditions == {ENROLLED.replace("tidegate:policy", "tidegate:stage:policy")}


def test_only_enroll_tags_jobs_and_only_to_bind_them(aws: Synthesized) -> None:
    """
    No other role may tag a job; enroll itself not without binding it to a policy.

    It creates jobs with the tags of their launch, which takes leave for all of these keys; to take
    away it may none but keys under ``tidegate:``. A rollback tags the group that it makes, by
    such keys only.
    """
    tagging = {
        (role, grant.action, grant.resource, grant.condition)
        for role, of_role in grants(aws).items()
        for grant in of_role
        if grant.action in {"iot:TagResource", "iot:UntagResource"}
    }

    assert tagging == {
        ("Steps/Enroll/Role", "iot:TagResource", f"{IOT}:job/*", BINDING),
        ("Steps/Enroll/Role", "iot:UntagResource", f"{IOT}:job/*", OWN_TAGS),
        ("Steps/RollBack/Role", "iot:TagResource", OWN_GROUPS, OWN_TAGS),
    }


def test_only_a_rollback_makes_groups_and_only_of_its_own(aws: Synthesized) -> None:
    """Things are put into no group but Tidegate's own, and are taken out of none."""
    grouping = {
        (role, grant.resource)
        for role, of_role in grants(aws).items()
        for grant in of_role
        if re.fullmatch(r"iot:(Create|Update|Add|Remove)\w*ThingGroup\w*", grant.action)
    }

    assert grouping == {
        ("Steps/RollBack/Role", OWN_GROUPS),
        ("Steps/RollBack/Role", f"{IOT}:thing/*"),
    }


def test_all_resources_are_open_only_to_actions_that_know_none(aws: Synthesized) -> None:
    """
    ``*`` stands only where AWS offers nothing narrower; log delivery is the workflow's.

    What policies name, and nobody knows beforehand, is read by review alone.
    """
    wide = {
        (role, grant.action)
        for role, of_role in grants(aws).items()
        for grant in of_role
        if grant.resource == "*" and not grant.action.startswith(WITHOUT_RESOURCE)
    }

    of_review = {("Steps/Review/Role", action) for action in NAMED_BY_POLICIES}
    assert of_review <= wide
    assert all(role == "Workflow/Role" for role, _ in wide - of_review)
    assert all(action.startswith(LOG_DELIVERY) for _, action in wide - of_review)


def test_nothing_of_aws_iot_can_be_deleted_or_switched_off(aws: Synthesized) -> None:
    """No role may delete a job or an execution."""
    allowed = {grant.action for of_role in grants(aws).values() for grant in of_role}

    assert not {action for action in allowed if action.startswith("iot:Delete")}
    assert not {action for action in allowed if "*" in action}


def test_only_attend_and_relay_act_for_devices(aws: Synthesized) -> None:
    """Whoever may speak for a device may end its update: no other function needs to."""
    acting = {
        role
        for role, of_role in grants(aws).items()
        for grant in of_role
        if grant.action.startswith(("iotjobsdata:", "iot:CancelJobExecution"))
    }

    assert acting == {"Relay/Handler/Role", "Steps/Attend/Role"}


def test_whoever_looks_at_the_dashboard_changes_nothing(aws: Synthesized) -> None:
    """The widget runs in the name of any viewer: it reads the ledger, and nothing of AWS IoT."""
    allowed = {grant.action for grant in grants(aws)["Dashboard/Handler/Role"]}

    assert not {action for action in allowed if action.startswith(("iot", "states:", "events:"))}
    assert not {action for action in allowed if re.search("Put(?!Log|T)|Update|Write", action)}


def test_presign_roles_are_passed_only_when_named(aws: Synthesized, local: Synthesized) -> None:
    """Enroll and steer may hand on just the roles of ``presignRoleArns``, and only to AWS IoT."""
    to_iot = '{"StringEquals": {"iam:PassedToService": "iot.amazonaws.com"}}'
    passing = {
        (role, grant)
        for role, of_role in grants(local).items()
        for grant in of_role
        if grant.action.startswith("iam:")
    }

    assert passing == {
        (role, Grant("iam:PassRole", PRESIGN_ROLE, to_iot))
        for role in ("Steps/Enroll/Role", "Steps/Steer/Role")
    }
    assert "iam:" not in json.dumps(aws.of_type("AWS::IAM::Policy"))


@pytest.mark.parametrize(
    ("role", "service", "source"),
    [
        ("Intake/DeliveryRole", "iot", f"{IOT}:rule/tidegate_job_execution_events"),
        ("Intake/ErrorRole", "iot", f"{IOT}:rule/tidegate_job_events"),
        ("Workflow/Role", "states", MACHINE),
    ],
)
def test_a_service_acts_only_for_this_stack(
    aws: Synthesized, role: str, service: str, source: str
) -> None:
    """A role is assumed by one service, on behalf of the resource that it was made for."""
    (statement,) = aws.of_type("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT_ID}
    assert source in as_list(statement["Condition"]["ArnLike"]["aws:SourceArn"])


def test_environments_cannot_reach_each_other(local: Synthesized) -> None:
    """What a role may do names the environment wherever names are ours to give."""
    named = {
        grant.resource
        for of_role in grants(local).values()
        for grant in of_role
        if ":states:" in grant.resource or ":ssm:" in grant.resource
    }

    assert named == {
        f"{STATES}:stateMachine:tidegate-stage-rollout",
        f"{STATES}:execution:tidegate-stage-rollout:*",
        f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/tidegate/stage/policies/*",
        f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/tidegate/stage/reporters/*",
    }
