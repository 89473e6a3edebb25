"""The Lambdas: what they run on, and what they are told."""

import ast
import platform
import re
import sys
from pathlib import Path

import pytest

from tests.infra.synthesized import ACCOUNT_ID, REGION, REPOSITORY, Synthesized

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT_ID}:stateMachine:tidegate-rollout"

BUS = {"TIDEGATE_BUS_NAME": "<Bus/Bus>"}
LEDGER = {"TIDEGATE_LEDGER_TABLE": "<Ledger/Table>"}
JOBS = {
    "TIDEGATE_ACCOUNT_ID": ACCOUNT_ID,
    "TIDEGATE_PARTITION": "aws",
    "TIDEGATE_POLICY_TAG": "tidegate:policy",
}
MINUTE = {"TIDEGATE_MINUTE_SECONDS": "60"}
POLICIES = {"TIDEGATE_POLICY_PREFIX": "/tidegate/policies/"}
WORKFLOW = {"TIDEGATE_STATE_MACHINE_ARN": MACHINE}

#: What each Lambda is told besides its own name, by module.
VARIABLES = {
    "account_events": {},
    "attend": {**BUS, **JOBS, **LEDGER, **MINUTE},
    "enroll": {**BUS, **JOBS, **LEDGER, **POLICIES, **WORKFLOW},
    "intake": BUS,
    "park": LEDGER,
    "record": {**LEDGER, **MINUTE},
    "relay": {**BUS, **LEDGER, "TIDEGATE_REPORTER_PREFIX": "/tidegate/reporters/"},
    "review": {**BUS, **JOBS, **LEDGER, **MINUTE},
    "roll_back": {**BUS, **JOBS, **LEDGER, **WORKFLOW},
    "signal": {**BUS, **JOBS, **LEDGER, **POLICIES, **WORKFLOW},
    "steer": {**BUS, **JOBS, **LEDGER},
    "sweep": {
        **BUS,
        **JOBS,
        **LEDGER,
        **WORKFLOW,
        "TIDEGATE_DEAD_LETTER_URLS": "<Intake/Events/DeadLetters> <Record/Inbox/DeadLetters> "
        "<Signal/Inbox/DeadLetters> <Relay/Inbox/DeadLetters> <Intake/RuleErrors> "
        "<Announcements/Undelivered>",
    },
    "widget": {**LEDGER, "TIDEGATE_DECISION_LOGS": "<Steps/Review/Logs>"},
}

#: What only some deployments tell.
ON_DEMAND = {"TIDEGATE_ACCOUNT_BUDGET"}

#: What a handler may ask ``environment`` for, with the variable that answers it.
ANSWERS = {
    "bus": "TIDEGATE_BUS_NAME",
    "dead_letters": "TIDEGATE_DEAD_LETTER_URLS",
    "ledger": "TIDEGATE_LEDGER_TABLE",
    "minute_seconds": "TIDEGATE_MINUTE_SECONDS",
    "policies": "TIDEGATE_POLICY_PREFIX",
    "reporters": "TIDEGATE_REPORTER_PREFIX",
}


def handlers() -> dict[str, Path]:
    """Return the modules of ``lambdas`` that are Lambdas."""
    return {path.stem: path for path in (REPOSITORY / "lambdas").glob("[!_]*.py")}


def asked_for(path: Path) -> set[str]:
    """Return the functions of ``environment``, imported as ``aws``, that a handler calls."""
    return {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "aws"
    }


def by_module(stack: Synthesized) -> dict[str, dict]:
    """Return the functions' properties by their handlers' modules."""
    return {
        function["Handler"].split(".")[1]: function
        for function in stack.of_type("AWS::Lambda::Function").values()
    }


def test_each_handler_is_deployed_once(aws: Synthesized) -> None:
    """Every module of ``lambdas`` is a Lambda of the stack, and there are no others."""
    functions = aws.of_type("AWS::Lambda::Function").values()

    assert sorted(function["Handler"] for function in functions) == sorted(
        f"lambdas.{name}.handler" for name in handlers()
    )


def test_lambdas_run_the_tested_python_on_arm_in_aws(aws: Synthesized) -> None:
    """In AWS all Lambdas run Python 3.13 on arm64, from one package."""
    functions = aws.of_type("AWS::Lambda::Function").values()

    assert {each["Runtime"] for each in functions} == {"python3.13"}
    assert {tuple(each["Architectures"]) for each in functions} == {("arm64",)}
    assert len({str(each["Code"]) for each in functions}) == 1


def test_lambdas_run_this_python_on_this_machine_locally(local: Synthesized) -> None:
    """In the embedded cloud they run what it runs on."""
    functions = local.of_type("AWS::Lambda::Function").values()
    own = f"python{sys.version_info.major}.{sys.version_info.minor}"
    machine = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")

    assert {each["Runtime"] for each in functions} == {own}
    assert {tuple(each["Architectures"]) for each in functions} == {(machine,)}


@pytest.mark.parametrize("module", VARIABLES)
def test_a_lambda_is_told_what_it_needs_and_no_more(aws: Synthesized, module: str) -> None:
    """Environment variables name the resources that the Lambda may touch, and only those."""
    told = by_module(aws)[module]["Environment"]["Variables"]

    assert told == {
        **VARIABLES[module],
        "POWERTOOLS_SERVICE_NAME": module,
        "POWERTOOLS_METRICS_NAMESPACE": "Tidegate",
    }


@pytest.mark.parametrize("module", VARIABLES)
def test_a_lambda_is_told_what_its_handler_asks_for(module: str) -> None:
    """What a handler asks the environment for is there, and what it never asks for is not."""
    asked = asked_for(handlers()[module]) & set(ANSWERS)
    told = set(VARIABLES[module]) & set(ANSWERS.values())

    assert told == {ANSWERS[name] for name in asked}


def test_variables_have_the_names_that_the_adapters_read() -> None:
    """A variable that nobody reads is a misspelt one."""
    source = (REPOSITORY / "tidegate" / "adapters" / "aws" / "variables.py").read_text()
    told = {name for variables in VARIABLES.values() for name in variables} | ON_DEMAND

    assert set(re.findall(r"TIDEGATE_\w+", source)) == told


def test_time_runs_faster_only_where_asked(local: Synthesized) -> None:
    """The embedded cloud's minute reaches the Lambda that counts in minutes."""
    told = by_module(local)["review"]["Environment"]["Variables"]

    assert told["TIDEGATE_MINUTE_SECONDS"] == "1.5"


def test_metrics_of_two_environments_are_not_added_up(aws: Synthesized, local: Synthesized) -> None:
    """Each environment has a namespace of its own in CloudWatch."""
    namespaces = [
        {each["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"] for each in functions}
        for functions in (by_module(aws).values(), by_module(local).values())
    ]

    assert namespaces == [{"Tidegate"}, {"Tidegate-stage"}]


def test_rollouts_share_a_budget_only_where_asked(aws: Synthesized, local: Synthesized) -> None:
    """``accountHarmBudget`` reaches the Lambda that decides; without it nothing is shared."""
    told = [
        by_module(stack)["review"]["Environment"]["Variables"].get("TIDEGATE_ACCOUNT_BUDGET")
        for stack in (aws, local)
    ]

    assert told == [None, "40"]


@pytest.mark.parametrize(
    ("module", "seconds"),
    [
        ("enroll", 60),
        ("steer", 60),
        ("intake", 30),
        ("review", 60),
        ("roll_back", 180),
        ("sweep", 55),
    ],
)
def test_timeouts(aws: Synthesized, module: str, seconds: int) -> None:
    """Each has the time that its own limits of pages, retries and devices may take."""
    assert by_module(aws)[module]["Timeout"] == seconds


def test_a_sweep_is_over_before_the_next_begins(aws: Synthesized) -> None:
    """It runs every minute; one that fails, or is late, is not tried again: the next one comes."""
    (rule,) = [
        each for each in aws.of_type("AWS::Events::Rule").values() if "ScheduleExpression" in each
    ]
    (target,) = rule["Targets"]
    (invocation,) = (
        each
        for each in aws.of_type("AWS::Lambda::EventInvokeConfig").values()
        if each["FunctionName"] == "<Sweep/Handler/Function>"
    )
    (permission,) = aws.of_type("AWS::Lambda::Permission").values()

    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert rule["State"] == "ENABLED"
    assert target["Arn"] == "<Sweep/Handler/Function.Arn>"
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
    assert invocation["FunctionName"] == "<Sweep/Handler/Function>"
    assert invocation["MaximumRetryAttempts"] == 0
    assert invocation["MaximumEventAgeInSeconds"] == 60
    assert permission["SourceArn"] == "<Sweep/EveryMinute.Arn>"
    assert by_module(aws)["sweep"]["Timeout"] < 60


def test_no_lambda_takes_concurrency_from_the_account(aws: Synthesized) -> None:
    """Reserved concurrency counts against the account's limit, which others need too."""
    reserved = "ReservedConcurrentExecutions"

    assert not [each for each in by_module(aws).values() if reserved in each]


def test_lambdas_are_traced_unless_told_otherwise(aws: Synthesized, local: Synthesized) -> None:
    """X-Ray traces Lambdas and workflow; ``tracing=false`` turns it off for both."""
    traced = {str(each["TracingConfig"]) for each in by_module(aws).values()}

    assert traced == {"{'Mode': 'Active'}"}
    assert not [each for each in by_module(local).values() if "TracingConfig" in each]
    machine = local.one("AWS::StepFunctions::StateMachine")["Properties"]
    assert not machine.get("TracingConfiguration", {}).get("Enabled")


def test_logs_go_to_groups_of_our_own_and_end_some_day(
    aws: Synthesized, local: Synthesized
) -> None:
    """Each Lambda has a log group that is named after it, with the retention asked for."""
    groups = aws.of_type("AWS::Logs::LogGroup")
    used = {each["LoggingConfig"]["LogGroup"] for each in by_module(aws).values()}
    shorter = local.of_type("AWS::Logs::LogGroup").values()

    assert used == {f"<{path}>" for path in groups if path != "Workflow/Logs"}
    assert {group["RetentionInDays"] for group in groups.values()} == {90}
    assert {group["RetentionInDays"] for group in shorter} == {7}
    assert groups["Steps/Steer/Logs"]["LogGroupName"] == "/aws/lambda/tidegate-steer"


def test_the_account_is_made_to_publish_job_events(aws: Synthesized) -> None:
    """The custom resource calls the Lambda itself, once somebody is there to take the events."""
    switch = aws.one("Custom::TidegateAccountEvents")

    assert switch["Properties"] == {
        "ServiceToken": "<AccountEvents/Handler/Function.Arn>",
        "ServiceTimeout": "300",
        "Configurations": ["JOB", "JOB_EXECUTION"],
    }
    awaited = " ".join(switch["DependsOn"])
    assert "IntakeHandlerFunctionInbox" in awaited
    assert "Intakejobexecutionevents" in awaited


def test_names_tell_environments_apart(aws: Synthesized, local: Synthesized) -> None:
    """Two environments share an account without sharing a name."""
    names = [
        {
            properties[key]
            for kind, key in {
                "AWS::CloudWatch::Alarm": "AlarmName",
                "AWS::CloudWatch::Dashboard": "DashboardName",
                "AWS::Events::EventBus": "Name",
                "AWS::IoT::TopicRule": "RuleName",
                "AWS::Lambda::Function": "FunctionName",
                "AWS::Logs::LogGroup": "LogGroupName",
                "AWS::SNS::Topic": "TopicName",
                "AWS::SQS::Queue": "QueueName",
                "AWS::StepFunctions::StateMachine": "StateMachineName",
            }.items()
            for properties in stack.of_type(kind).values()
        }
        for stack in (aws, local)
    ]

    assert not names[0] & names[1]
    assert all("tidegate" in name for name in names[0])
    assert all(re.search("tidegate.stage", name) for name in names[1])


def test_a_look_at_single_devices_is_not_repeated_nor_late(aws: Synthesized) -> None:
    """The workflow sets it off and goes on; the next decision that wants one sets off another."""
    (invocation,) = (
        each
        for each in aws.of_type("AWS::Lambda::EventInvokeConfig").values()
        if each["FunctionName"] == "<Steps/Attend/Function>"
    )

    assert invocation["MaximumRetryAttempts"] == 0
    assert invocation["MaximumEventAgeInSeconds"] == 120
