"""Adapters are made of the environment, each alone and only when it is wanted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from tidegate import ports
from tidegate.adapters.aws import environment, session
from tidegate.adapters.aws.variables import BadEnvironment, Variables
from tidegate.adapters.memory.alarms import MemoryAlarms
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.adapters.memory.calendars import MemoryCalendars
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.dead_letters import MemoryDeadLetters
from tidegate.adapters.memory.executions import MemoryExecutions
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.adapters.memory.policies import MemoryPolicies
from tidegate.adapters.memory.presences import MemoryPresences
from tidegate.adapters.memory.reporters import MemoryReporters
from tidegate.adapters.memory.things import MemoryThings
from tidegate.adapters.memory.workflow import MemoryWorkflow

COMPLETE = {
    "AWS_REGION": "eu-central-1",
    "TIDEGATE_ACCOUNT_ID": "111122223333",
    "TIDEGATE_LEDGER_TABLE": "ledger",
    "TIDEGATE_BUS_NAME": "tidegate",
    "TIDEGATE_STATE_MACHINE_ARN": "arn:aws:states:eu-central-1:111122223333:stateMachine:t",
    "TIDEGATE_POLICY_PREFIX": "/tidegate/policies",
    "TIDEGATE_REPORTER_PREFIX": "/tidegate/reporters",
    "TIDEGATE_DEAD_LETTER_URLS": "https://sqs.eu-central-1.amazonaws.com/111122223333/dead",
}
MEANINGS = {
    "AWS_REGION": "region",
    "TIDEGATE_ACCOUNT_ID": "account_id",
    "TIDEGATE_LEDGER_TABLE": "ledger_table",
    "TIDEGATE_BUS_NAME": "bus_name",
    "TIDEGATE_STATE_MACHINE_ARN": "state_machine_arn",
    "TIDEGATE_POLICY_PREFIX": "policy_prefix",
    "TIDEGATE_REPORTER_PREFIX": "reporter_prefix",
}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note which clients are made."""
    services: list[str] = []
    make = boto3.session.Session.client

    def note(self: boto3.session.Session, name: str, **settings: object) -> object:
        services.append(name)
        return make(self, name, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(boto3.session.Session, "client", note)
    environment.forget()
    yield services
    environment.forget()


def test_each_adapter_has_its_own_client_and_no_other(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function pays for the clients that it uses, once per process."""
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)

    assert made == []
    assert environment.ledger() is environment.ledger()
    assert made == ["dynamodb"]
    for adapter in (environment.bus, environment.workflow, environment.policies, environment.jobs):
        assert adapter() is adapter()
    assert made == ["dynamodb", "events", "stepfunctions", "ssm", "iot"]
    for reader in (environment.alarms, environment.calendars, environment.dead_letters):
        assert reader() is reader()
    assert made == ["dynamodb", "events", "stepfunctions", "ssm", "iot", "cloudwatch", "sqs"]
    for of_devices in (
        environment.executions,
        environment.things,
        environment.presences,
        environment.reporters,
    ):
        assert of_devices() is of_devices()
    assert made == ["dynamodb", "events", "stepfunctions", "ssm", "iot", "cloudwatch", "sqs"]


def test_an_adapter_needs_only_its_own_variables(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that reads the ledger runs without the bus's name, and misses it in words."""
    for name in COMPLETE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("TIDEGATE_LEDGER_TABLE", "ledger")

    environment.ledger()

    with pytest.raises(BadEnvironment, match="TIDEGATE_BUS_NAME is not set"):
        environment.bus()
    assert made == ["dynamodb"]


def test_the_adapters_are_the_ports(made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both lives of each port have its type; the type checker is what tests this."""
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    clock = ManualClock()

    clocks: list[ports.Clock] = [environment.clock(), clock]
    jobs: list[ports.Jobs] = [environment.jobs(), MemoryJobs(clock)]
    ledgers: list[ports.Ledger] = [environment.ledger(), MemoryLedger()]
    buses: list[ports.Bus] = [environment.bus(), MemoryBus()]
    workflows: list[ports.Workflow] = [environment.workflow(), MemoryWorkflow()]
    policies: list[ports.Policies] = [environment.policies(), MemoryPolicies()]

    alarms: list[ports.Alarms] = [environment.alarms(), MemoryAlarms()]
    calendars: list[ports.Calendars] = [environment.calendars(), MemoryCalendars()]
    dead_letters: list[ports.DeadLetters] = [environment.dead_letters(), MemoryDeadLetters()]

    executions: list[ports.Executions] = [
        environment.executions(),
        MemoryExecutions(MemoryJobs(clock), clock),
    ]
    things: list[ports.Things] = [environment.things(), MemoryThings()]
    presences: list[ports.Presences] = [environment.presences(), MemoryPresences()]
    reporters: list[ports.Reporters] = [environment.reporters(), MemoryReporters()]

    assert {len(each) for each in (executions, things, presences, reporters)} == {2}
    assert {len(each) for each in (clocks, jobs, ledgers, buses, workflows, policies)} == {2}
    assert {len(each) for each in (alarms, calendars, dead_letters)} == {2}


@pytest.mark.parametrize("variable", MEANINGS)
def test_a_variable_is_read_by_its_meaning(variable: str) -> None:
    """Each has its name; missing or empty, it is named with what to do about it."""
    meaning = MEANINGS[variable]

    assert getattr(Variables(COMPLETE), meaning) == COMPLETE[variable]
    for given in ({}, {variable: ""}):
        with pytest.raises(BadEnvironment, match=f"{variable} is not set: set it"):
            getattr(Variables(given), meaning)


def test_some_variables_have_defaults() -> None:
    """Outside of China and of tests, neither partition nor minute need be said, nor a lone tag."""
    assert Variables({}).policy_tag == "tidegate:policy"
    assert Variables({"TIDEGATE_POLICY_TAG": "tidegate:x:policy"}).policy_tag == "tidegate:x:policy"
    assert Variables({}).partition == "aws"
    assert Variables({"TIDEGATE_PARTITION": "aws-cn"}).partition == "aws-cn"
    assert Variables({}).minute_seconds == 60
    assert Variables({"TIDEGATE_MINUTE_SECONDS": "0.5"}).minute_seconds == 0.5


@pytest.mark.parametrize("text", ["0", "-1", "61", "nan", "a minute"])
def test_a_minute_must_make_sense(text: str) -> None:
    """No rate is computed from a minute that cannot be one."""
    with pytest.raises(BadEnvironment, match="TIDEGATE_MINUTE_SECONDS"):
        _ = Variables({"TIDEGATE_MINUTE_SECONDS": text}).minute_seconds


@pytest.mark.parametrize(
    "text",
    [
        "https://q/1/a https://q/1/b",
        "https://q/1/a,https://q/1/b",
        " https://q/1/a, https://q/1/b\n",
    ],
)
def test_queues_are_listed_in_one_variable(text: str) -> None:
    """Blanks and commas part them; without any, a function that looks at them says so."""
    variables = Variables({"TIDEGATE_DEAD_LETTER_URLS": text})

    assert variables.dead_letter_urls == ("https://q/1/a", "https://q/1/b")
    with pytest.raises(BadEnvironment, match="TIDEGATE_DEAD_LETTER_URLS is not set"):
        _ = Variables({}).dead_letter_urls


def test_the_account_may_have_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody sets one, nothing limits what all rollouts harm together."""
    budgets = []
    for text in ("", "12.5"):
        monkeypatch.setenv("TIDEGATE_ACCOUNT_BUDGET", text)
        budgets.append(environment.account_budget())
    monkeypatch.delenv("TIDEGATE_ACCOUNT_BUDGET")

    assert budgets == [None, 12.5]
    assert environment.account_budget() is None


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many", " "])
def test_a_budget_must_make_sense(text: str) -> None:
    """A budget that cannot be one is no budget that limits nothing."""
    with pytest.raises(BadEnvironment, match="TIDEGATE_ACCOUNT_BUDGET"):
        _ = Variables({"TIDEGATE_ACCOUNT_BUDGET": text}).account_budget


def test_the_minute_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's own environment is what counts."""
    monkeypatch.setenv("TIDEGATE_MINUTE_SECONDS", "2")

    assert environment.minute_seconds() == 2


def test_clients_are_patient_within_bounds() -> None:
    """Every client retries in botocore's standard mode, times out, and says who is calling."""
    iot: Any = session.client("iot").meta.config
    dynamodb: Any = session.client("dynamodb").meta.config

    assert iot.retries == {"mode": "standard", "total_max_attempts": session.IOT_ATTEMPTS_MAX}
    assert dynamodb.retries == {"mode": "standard", "total_max_attempts": session.ATTEMPTS_MAX}
    for config in (iot, dynamodb):
        assert config.connect_timeout == session.CONNECT_TIMEOUT_SECONDS
        assert config.read_timeout == session.READ_TIMEOUT_SECONDS
        assert "tidegate" in config.user_agent_extra


def test_the_system_clock_tells_the_time() -> None:
    """Epoch seconds, with a fraction."""
    before = time.time()

    assert before <= environment.clock().now() <= time.time()


def test_throttled_calls_are_counted_each_try_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that succeeds in the end was throttled all the same; other errors do not count."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    events: Any = session.client("iot").meta.events
    session.throttled()
    answers = iter(
        [("ThrottlingException", 429), ("", 503), ("ThrottlingException", 429), ("", 200)]
    )

    def answered(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        code, status = next(answers)
        headers: Any = {"x-amzn-errortype": code} if code else {}
        raw: Any = SimpleNamespace(stream=lambda: iter([b"{}"]))
        return AWSResponse(request.url, status, headers, raw)

    events.register("before-send", answered)
    try:
        session.client("iot").describe_event_configurations()
    finally:
        events.unregister("before-send", answered)

    assert session.throttled() == 2
    assert session.throttled() == 0
