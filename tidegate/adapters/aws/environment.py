"""
The adapters that a Lambda's environment calls for.

Each is imported and made when it is first asked for, with its own client and no other, and looks
at variables when it needs them: a function that only publishes pays for no ledger.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from tidegate.adapters.aws.clock import SystemClock
from tidegate.adapters.aws.session import client, forget_clients, throttled
from tidegate.adapters.aws.variables import Variables

if TYPE_CHECKING:
    from tidegate.adapters.aws.alarms import CloudWatchAlarms
    from tidegate.adapters.aws.bus import EventBridgeBus
    from tidegate.adapters.aws.calendars import ChangeCalendars
    from tidegate.adapters.aws.dead_letters import SqsDeadLetters
    from tidegate.adapters.aws.executions import IotExecutions
    from tidegate.adapters.aws.jobs import IotJobs
    from tidegate.adapters.aws.ledger import DynamoLedger
    from tidegate.adapters.aws.policies import ParameterPolicies
    from tidegate.adapters.aws.presences import FleetPresences
    from tidegate.adapters.aws.reporters import ParameterReporters
    from tidegate.adapters.aws.things import RegistryThings
    from tidegate.adapters.aws.workflow import StepFunctionsWorkflow


def variables() -> Variables:
    """Return this process's environment variables."""
    return Variables(os.environ)


@cache
def jobs() -> IotJobs:
    """Return AWS IoT Jobs of this account and region."""
    from tidegate.adapters.aws.jobs import IotJobs

    return IotJobs(client("iot"), variables())


@cache
def executions() -> IotExecutions:
    """Return devices' executions; the data plane's address is looked up when it is needed."""
    from tidegate.adapters.aws.executions import IotExecutions

    return IotExecutions(lambda: client("iot-jobs-data"), client("iot"))


@cache
def things() -> RegistryThings:
    """Return the registry of things."""
    from tidegate.adapters.aws.things import RegistryThings

    return RegistryThings(client("iot"))


@cache
def presences() -> FleetPresences:
    """Return who is connected."""
    from tidegate.adapters.aws.presences import FleetPresences

    return FleetPresences(client("iot"))


@cache
def reporters() -> ParameterReporters:
    """Return who may report for devices."""
    from tidegate.adapters.aws.reporters import ParameterReporters

    return ParameterReporters(variables().reporter_prefix, client("ssm"), clock())


@cache
def ledger() -> DynamoLedger:
    """Return the ledger."""
    from tidegate.adapters.aws.ledger import DynamoLedger

    return DynamoLedger(variables().ledger_table, client("dynamodb"), clock())


@cache
def bus() -> EventBridgeBus:
    """Return the bus."""
    from tidegate.adapters.aws.bus import EventBridgeBus

    return EventBridgeBus(variables().bus_name, client("events"))


@cache
def workflow() -> StepFunctionsWorkflow:
    """Return the rollout workflow; to answer a token, nothing need be known of it."""
    from tidegate.adapters.aws.workflow import StepFunctionsWorkflow

    return StepFunctionsWorkflow(client("stepfunctions"), variables())


@cache
def policies() -> ParameterPolicies:
    """Return the named policies."""
    from tidegate.adapters.aws.policies import ParameterPolicies

    return ParameterPolicies(variables().policy_prefix, client("ssm"))


@cache
def alarms() -> CloudWatchAlarms:
    """Return the alarms of this account and region."""
    from tidegate.adapters.aws.alarms import CloudWatchAlarms

    return CloudWatchAlarms(client("cloudwatch"))


@cache
def calendars() -> ChangeCalendars:
    """Return the change calendars that this account sees."""
    from tidegate.adapters.aws.calendars import ChangeCalendars

    return ChangeCalendars(client("ssm"))


@cache
def dead_letters() -> SqsDeadLetters:
    """Return the installation's dead-letter queues."""
    from tidegate.adapters.aws.dead_letters import SqsDeadLetters

    return SqsDeadLetters(variables().dead_letter_urls, client("sqs"))


@cache
def clock() -> SystemClock:
    """Return the machine's clock."""
    return SystemClock()


def minute_seconds() -> float:
    """Return how many seconds a minute of AWS IoT Jobs takes."""
    return variables().minute_seconds


def account_budget() -> float | None:
    """Return how many devices all rollouts may harm together; None if nothing limits them."""
    return variables().account_budget


def throttled_calls() -> int:
    """Return how many calls AWS IoT has throttled since this was last asked."""
    return throttled()


def forget() -> None:
    """Make all of it anew from now on, as the environment then says."""
    for made in _MADE:
        made.cache_clear()
    forget_clients()


#: All that is made once per process.
_MADE = (
    alarms,
    bus,
    calendars,
    clock,
    dead_letters,
    executions,
    jobs,
    ledger,
    policies,
    presences,
    reporters,
    things,
    workflow,
)
