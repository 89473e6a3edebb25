"""Devices' executions to try, in memory and in the embedded cloud."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Protocol

from tidegate.adapters.aws.executions import IotExecutions
from tidegate.adapters.aws.jobs import IotJobs
from tidegate.adapters.aws.variables import Variables
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.executions import MemoryExecutions
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.domain.jobs import ExecutionStatus, LaunchRequest
from tidegate.domain.settings import JobSettings

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

    from tests.contract.samples import Cloud
    from tidegate.ports import Executions, Jobs

DOCUMENT = '{"version":7}'
_IDS = count()


class World(Protocol):
    """Executions, and jobs that bring them about."""

    executions: Executions
    jobs: Jobs

    def queued(self, *, timeout_minutes: int | None = None) -> tuple[str, str]:
        """Return the names of a thing and of a job that it was just told of."""

    def now(self) -> float:
        """Return the time in epoch seconds."""


class InMemory:
    """The model in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock(1_700_000_000.5)
        self.memory = MemoryJobs(self.clock)
        self.jobs: Jobs = self.memory
        self.executions: Executions = MemoryExecutions(self.memory, self.clock)

    def queued(self, *, timeout_minutes: int | None = None) -> tuple[str, str]:
        """Tell a thing of a job."""
        job_id, thing_name = names()
        self.jobs.create(request(self.jobs, thing_name, job_id, timeout_minutes))
        self.memory.report(job_id, thing_name, ExecutionStatus.QUEUED)
        return thing_name, job_id

    def now(self) -> float:
        """Look."""
        return self.clock.now()


class InTheCloud:
    """AWS IoT Jobs as the embedded cloud runs it."""

    def __init__(self, cloud: Cloud) -> None:
        self._iot: IoTClient = cloud.client("iot")
        variables = {"AWS_REGION": cloud.region, "TIDEGATE_ACCOUNT_ID": cloud.account_id}
        self.jobs: Jobs = IotJobs(self._iot, Variables(variables))
        self.executions: Executions = IotExecutions(
            lambda: cloud.client("iot-jobs-data"), self._iot
        )

    def queued(self, *, timeout_minutes: int | None = None) -> tuple[str, str]:
        """Create a job without a rate, of which the cloud tells its thing at once."""
        job_id, thing_name = names()
        self._iot.create_thing(thingName=thing_name)
        self.jobs.create(request(self.jobs, thing_name, job_id, timeout_minutes))
        return thing_name, job_id

    def now(self) -> float:
        """Look."""
        return time.time()


def names() -> tuple[str, str]:
    """Return names of a job and of a thing that nobody had before."""
    number = next(_IDS)
    return f"executing-{number}", f"device:{number}"


def request(jobs: Jobs, thing_name: str, job_id: str, timeout_minutes: int | None) -> LaunchRequest:
    """Return a request for a job of one thing."""
    return LaunchRequest(
        job_id=job_id,
        targets=(jobs.arn("x").replace(":job/x", f":thing/{thing_name}"),),
        settings=JobSettings(timeout_minutes=timeout_minutes),
        passed_through={"document": DOCUMENT},
    )
