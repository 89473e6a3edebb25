"""Handlers over the memory adapters, in place of what the environment would make of AWS."""

import os
from types import SimpleNamespace
from typing import cast

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from tests.unit.service.stage import MINUTE_SECONDS, Stage
from tidegate.adapters.aws import environment
from tidegate.adapters.memory.policies import MemoryPolicies

# Handlers make their metrics when they are imported, as a Lambda's environment then says.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Tidegate")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tidegate")


@pytest.fixture
def context() -> LambdaContext:
    """Return what Lambda tells of an invocation."""
    told = SimpleNamespace(
        function_name="tidegate-function",
        memory_limit_in_mb=256,
        invoked_function_arn="arn:aws:lambda:eu-central-1:111122223333:function:tidegate-function",
        aws_request_id="6d6f6e64-6179-4d6f-8e64-61796d6f6e64",
        log_stream_name="2026/09/21/[$LATEST]0123456789abcdef",
    )
    return cast("LambdaContext", told)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Return an enrolled job; handlers find its adapters."""
    stage = Stage()
    policies = MemoryPolicies({"firmware": '{"name": "firmware"}'})
    monkeypatch.setattr(environment, "jobs", lambda: stage.jobs)
    monkeypatch.setattr(environment, "ledger", lambda: stage.ledger)
    monkeypatch.setattr(environment, "bus", lambda: stage.bus)
    monkeypatch.setattr(environment, "workflow", lambda: stage.workflow)
    monkeypatch.setattr(environment, "policies", lambda: policies)
    monkeypatch.setattr(environment, "executions", lambda: stage.executions)
    monkeypatch.setattr(environment, "things", lambda: stage.things)
    monkeypatch.setattr(environment, "presences", lambda: stage.presences)
    monkeypatch.setattr(environment, "reporters", lambda: stage.reporters)
    monkeypatch.setattr(environment, "alarms", lambda: stage.alarms)
    monkeypatch.setattr(environment, "calendars", lambda: stage.calendars)
    monkeypatch.setattr(environment, "account_budget", lambda: stage.account_budget)
    monkeypatch.setattr(environment, "clock", lambda: stage.clock)
    monkeypatch.setattr(environment, "minute_seconds", lambda: MINUTE_SECONDS)
    return stage
