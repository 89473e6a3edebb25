"""A fleet of devices that speak the jobs protocol with the embedded cloud."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from tidegate.local.agenda import Agenda, Later
from tidegate.local.errors import LocalCloudError
from tidegate.local.fleet import Behaviour, FleetMix, Outcome, Thing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot_jobs_data import IoTJobsDataPlaneClient
    from mypy_boto3_iot_jobs_data.literals import JobExecutionStatusType

    from tidegate.local.cloud import EmbeddedCloud

DEVICE_THREADS = 4
NOTICE_MINUTES = 0.5
NOTICE_SECONDS = (0.2, 5.0)
"""Shortest and longest time between two looks for queued executions."""

LIST_PAGE_SIZE = 250
REPORT_ATTEMPTS = 3
UNKNOWN_VERSION = "unknown"


@dataclass(frozen=True, slots=True)
class Work:
    """
    An execution that a device has taken.

    Attributes:
        thing: The device.
        job_id: The job.
        execution_number: Which of the thing's executions of the job.
        version: The execution's version number as far as the device knows.
        from_version: The firmware it runs.
        to_version: The firmware it is to run.
        behaviour: What it will do.
    """

    thing: Thing
    job_id: str
    execution_number: int
    version: int
    from_version: str
    to_version: str
    behaviour: Behaviour

    @property
    def details(self) -> dict[str, str]:
        """The status details that every report carries; a report replaces them all."""
        return {"fromVersion": self.from_version, "toVersion": self.to_version}


class DeviceFleet:
    """
    Runs every device of a fleet while the `with` block lasts, or from start to stop.

    Devices are told of queued executions, ask for the next one, may report progress, and
    answer; each by its own behaviour, which is the same for the same seed, thing and job. How
    the fleet fares with a job depends on the `version` in its document. A fleet runs once.

    Args:
        cloud: The running cloud; its minute is the devices' too.
        things: The devices.
        releases: How the fleet fares, by version; any other version fares well.
        seed: Seed of the behaviours.
    """

    def __init__(
        self,
        cloud: EmbeddedCloud,
        things: Sequence[Thing],
        releases: Mapping[str, FleetMix],
        *,
        seed: int = 0,
    ) -> None:
        self._cloud = cloud
        self._things = {thing.name: thing for thing in things}
        self._releases = releases
        self._seed = seed
        self._iot: IoTClient = cloud.client("iot", connections=DEVICE_THREADS)
        self._data: IoTJobsDataPlaneClient = cloud.client(
            "iot-jobs-data", connections=DEVICE_THREADS
        )
        # A thing is busy from its notice until its last step, so it never has two steps at
        # once, and the entries about it in these three are only touched by that one.
        self._busy: set[str] = set()
        self._given_up: set[tuple[str, str, int]] = set()
        self._firmware = {thing.name: thing.firmware for thing in things}
        self._versions: dict[str, str] = {}
        self._agenda = Agenda(DEVICE_THREADS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._agenda.stop()
        if failure is None:
            self.check()

    def start(self) -> None:
        """Start the devices."""
        self._agenda.start(Later(0.0, self._notify))

    def stop(self) -> None:
        """
        Stop the devices where they are, and wait until none of them does anything.

        Raises:
            LocalCloudError: If they had stopped by themselves because one failed.
        """
        self._agenda.stop()
        self.check()

    def check(self) -> None:
        """
        Make sure that the devices still run.

        Raises:
            LocalCloudError: If the cloud stopped, or a device failed in a way that devices
                should not.
        """
        failure = self._agenda.failure
        if failure is not None:
            self._cloud.check()
            message = f"the fleet of devices stopped: {failure}"
            raise LocalCloudError(message) from failure

    def _minutes(self, minutes: float) -> float:
        return minutes * self._cloud.minute_seconds

    # --- notices ----------------------------------------------------------------------------

    def _notify(self) -> list[Later]:
        """
        Wake the things that have something queued.

        It stands in for the MQTT notification that a real device gets: one list call per job
        for the whole fleet instead of a connection per device.
        """
        woken = [later for job_id in self._live_jobs() for later in self._wake(job_id)]
        shortest, longest = NOTICE_SECONDS
        again = min(max(self._minutes(NOTICE_MINUTES), shortest), longest)
        return [*woken, Later(again, self._notify)]

    def _live_jobs(self) -> list[str]:
        pages = self._iot.get_paginator("list_jobs").paginate(status="IN_PROGRESS")
        return [job["jobId"] for page in pages for job in page["jobs"]]

    def _wake(self, job_id: str) -> list[Later]:
        woken = []
        pages = self._iot.get_paginator("list_job_executions_for_job").paginate(
            jobId=job_id, status="QUEUED", PaginationConfig={"PageSize": LIST_PAGE_SIZE}
        )
        with contextlib.suppress(self._iot.exceptions.ResourceNotFoundException):
            # The job may have been deleted since it was listed.
            for summary in (one for page in pages for one in page["executionSummaries"]):
                thing = self._things.get(summary["thingArn"].rpartition("/")[2])
                if thing is not None and thing.name not in self._busy:
                    behaviour = self._behaviour(thing, job_id)
                    self._busy.add(thing.name)
                    delay = self._minutes(behaviour.start_delay_minutes)
                    woken.append(Later(delay, partial(self._take, thing)))
        return woken

    def _behaviour(self, thing: Thing, job_id: str, document: str | None = None) -> Behaviour:
        version = self._versions.get(job_id)
        if version is None:
            if document is None:
                document = self._iot.get_job_document(jobId=job_id)["document"]
            version = self._versions.setdefault(job_id, version_in(document))
        mix = self._releases.get(version, FleetMix())
        return mix.draw(self._seed, thing, job_id)

    # --- one device -------------------------------------------------------------------------

    def _take(self, thing: Thing) -> list[Later]:
        firmware = self._firmware[thing.name]
        # The stubs claim that there always is an execution.
        answer: Mapping[str, Any] = self._data.start_next_pending_job_execution(
            thingName=thing.name, statusDetails={"fromVersion": firmware}
        )
        execution = answer.get("execution")
        if execution is None:
            return self._rest(thing)  # it was cancelled meanwhile
        job_id, number = execution["jobId"], execution["executionNumber"]
        if (thing.name, job_id, number) in self._given_up:
            return self._rest(thing)  # it still stands before whatever else is queued
        behaviour = self._behaviour(thing, job_id, execution["jobDocument"])
        if behaviour.outcome is Outcome.SILENT:
            self._given_up.add((thing.name, job_id, number))
            return self._rest(thing)
        work = Work(
            thing=thing,
            job_id=job_id,
            execution_number=number,
            version=execution["versionNumber"],
            from_version=firmware,
            to_version=self._versions[job_id],
            behaviour=behaviour,
        )
        if behaviour.outcome is Outcome.REJECTED:
            return self._answer(work)
        duration = self._minutes(behaviour.duration_minutes)
        if behaviour.reports_progress:
            return [Later(duration / 2, partial(self._report_progress, work, duration / 2))]
        return [Later(duration, partial(self._answer, work))]

    def _report_progress(self, work: Work, rest_seconds: float) -> list[Later]:
        version = self._report(work, "IN_PROGRESS", {**work.details, "progress": "50%"})
        if version is None:
            return self._rest(work.thing)
        return [Later(rest_seconds, partial(self._answer, replace(work, version=version)))]

    def _answer(self, work: Work) -> list[Later]:
        if work.behaviour.outcome is Outcome.SUCCEEDED:
            if self._report(work, "SUCCEEDED", work.details) is not None:
                self._firmware[work.thing.name] = work.to_version
        else:
            status: JobExecutionStatusType = (
                "FAILED" if work.behaviour.outcome is Outcome.FAILED else "REJECTED"
            )
            self._report(work, status, {**work.details, "reason": work.behaviour.reason})
        return self._rest(work.thing)

    def _rest(self, thing: Thing) -> list[Later]:
        self._busy.discard(thing.name)
        return []

    def _report(
        self, work: Work, status: JobExecutionStatusType, details: dict[str, str]
    ) -> int | None:
        """
        Report a status against the version the device knows.

        Whoever else changed the execution meanwhile goes first: the device looks at it again,
        and gives way if it is no longer its to work on.

        Returns:
            The new version; None if the device gave way.

        Raises:
            botocore.exceptions.ClientError: If the report itself is refused.
        """
        data = self._data
        version = work.version
        for _ in range(REPORT_ATTEMPTS):
            try:
                answer = data.update_job_execution(
                    jobId=work.job_id,
                    thingName=work.thing.name,
                    executionNumber=work.execution_number,
                    expectedVersion=version,
                    status=status,
                    statusDetails=details,
                    includeJobExecutionState=True,
                )
            except data.exceptions.ResourceNotFoundException:
                return None
            except (
                data.exceptions.InvalidStateTransitionException,
                data.exceptions.InvalidRequestException,
            ):
                current = self._current_version(work)
                if current is None:
                    return None
                if current == version:
                    raise
                version = current
            else:
                return answer["executionState"]["versionNumber"]
        return None

    def _current_version(self, work: Work) -> int | None:
        data = self._data
        try:
            execution = data.describe_job_execution(
                jobId=work.job_id,
                thingName=work.thing.name,
                executionNumber=work.execution_number,
                includeJobDocument=False,
            )["execution"]
        except (
            data.exceptions.TerminalStateException,
            data.exceptions.ResourceNotFoundException,
        ):
            return None
        return execution["versionNumber"] if execution["status"] == "IN_PROGRESS" else None


def version_in(document: str) -> str:
    """
    Read which release a job installs.

    Args:
        document: The job's document.

    Returns:
        Its `version`; a word of its own if it says none.
    """
    try:
        content = json.loads(document)
    except json.JSONDecodeError:
        return UNKNOWN_VERSION
    version = content.get("version") if isinstance(content, dict) else None
    return version if isinstance(version, str) and version else UNKNOWN_VERSION
