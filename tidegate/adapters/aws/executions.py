"""
One device's executions: AWS IoT Jobs' data plane, and its control plane for what that lacks.

The data plane takes many times as many calls, but tells nothing of an execution that is over, and
has no canceling. What it calls an invalid request may be a stale version, and a call that it makes
a second time for want of an answer ends in a conflict: whenever it refuses, the execution is
looked at, and its state decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tidegate.adapters.aws.errors import code_of, translated
from tidegate.adapters.job_requests import check_execution_names
from tidegate.domain.executions import Execution, ExecutionUpdate, Updated, refusals, stands
from tidegate.domain.jobs import ExecutionStatus
from tidegate.errors import Conflict, Refused, RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.type_defs import JobExecutionTypeDef as EndedTypeDef
    from mypy_boto3_iot_jobs_data import IoTJobsDataPlaneClient
    from mypy_boto3_iot_jobs_data.type_defs import (
        JobExecutionStateTypeDef,
    )
    from mypy_boto3_iot_jobs_data.type_defs import (
        JobExecutionTypeDef as PendingTypeDef,
    )

#: Refusals that may be due to the execution's state, whatever they say.
_CONTESTED: Final = frozenset(
    {
        "InvalidRequestException",
        "InvalidStateTransitionException",
        "TerminalStateException",
        "VersionConflictException",
    }
)


class IotExecutions:
    """The executions of one account and region."""

    def __init__(self, data: Callable[[], IoTJobsDataPlaneClient], control: IoTClient) -> None:
        """Bind both planes' clients; to find the data plane costs a request, made when needed."""
        self._data = data
        self._control = control

    def describe(
        self, thing_name: str, job_id: str, execution_number: int | None = None
    ) -> Execution:
        """Return the execution, the thing's latest of the job by default; raises NotFound."""
        check_execution_names(thing_name, job_id)
        names: dict[str, Any] = {"thingName": thing_name, "jobId": job_id}
        if execution_number is not None:
            names["executionNumber"] = execution_number
        operation = f"DescribeJobExecution {job_id} of {thing_name}"
        data = self._data()
        try:
            with translated(operation):
                answer = data.describe_job_execution(**names, includeJobDocument=False)
        except Conflict:  # It is over, which only the control plane tells more of.
            with translated(operation):
                ended = self._control.describe_job_execution(**names)
            return _ended(ended["execution"], thing_name)
        if "execution" not in answer:
            raise _no_answer(operation, data)
        return _pending(answer["execution"], thing_name, job_id)

    def update(self, update: ExecutionUpdate) -> Updated:
        """Send UpdateJobExecution; what stands already is done."""
        check_execution_names(update.thing_name, update.job_id)
        operation = f"UpdateJobExecution {update.job_id} of {update.thing_name}"
        if found := refusals(update):
            message = f"{operation}: {'; '.join(found)}"
            raise Refused(message)
        data = self._data()
        try:
            with translated(operation):
                answer = data.update_job_execution(**_request(update))
        except Refused as error:
            return self._settled(update, error)
        if "executionState" not in answer:
            raise _no_answer(operation, data)
        state = _state(answer["executionState"])
        return _as_asked(update, state, document=answer.get("jobDocument"))

    def cancel(self, thing_name: str, job_id: str, *, expected_version: int | None = None) -> None:
        """Cancel an execution that is QUEUED; one that is CANCELED is done."""
        check_execution_names(thing_name, job_id)
        members: dict[str, Any] = (
            {} if expected_version is None else {"expectedVersion": expected_version}
        )
        try:
            with translated(f"CancelJobExecution {job_id} of {thing_name}"):
                self._control.cancel_job_execution(thingName=thing_name, jobId=job_id, **members)
        except Conflict:
            if self.describe(thing_name, job_id).status is not ExecutionStatus.CANCELED:
                raise

    def _settled(self, update: ExecutionUpdate, error: Refused) -> Updated:
        """Say what a refusal means, from the execution's state."""
        cause = error.__cause__
        if not isinstance(cause, ClientError) or code_of(cause) not in _CONTESTED:
            raise error
        found = self.describe(update.thing_name, update.job_id, update.execution_number)
        if stands(update, found):
            state = Updated(found.status, found.version_number, found.status_details)
            return _as_asked(update, state, document=self._document(update, found))
        if found.is_terminal or update.expected_version not in {None, found.version_number}:
            message = f"{error} (it is {found.status} at version {found.version_number})"
            raise Conflict(message) from error
        raise error

    def _document(self, update: ExecutionUpdate, found: Execution) -> str | None:
        """Return the document where it was asked for, and its device is still at work."""
        if found.is_terminal or not update.include_document:
            return None
        with translated(f"DescribeJobExecution {update.job_id} of {update.thing_name}"):
            answer = self._data().describe_job_execution(
                thingName=update.thing_name,
                jobId=update.job_id,
                executionNumber=found.execution_number,
                includeJobDocument=True,
            )
        return answer.get("execution", {}).get("jobDocument")


def _request(update: ExecutionUpdate) -> dict[str, Any]:
    """Return the members of the request, the state always asked for: it proves the effect."""
    members: dict[str, Any] = {
        "jobId": update.job_id,
        "thingName": update.thing_name,
        "status": update.status.value,
        "statusDetails": None if update.status_details is None else dict(update.status_details),
        "expectedVersion": update.expected_version,
        "executionNumber": update.execution_number,
        "stepTimeoutInMinutes": update.step_timeout_minutes,
        "includeJobExecutionState": True,
        "includeJobDocument": update.include_document,
    }
    return {name: value for name, value in members.items() if value is not None}


def _as_asked(update: ExecutionUpdate, state: Updated, document: str | None = None) -> Updated:
    """Return as much as was asked for."""
    told = state if update.include_state else Updated()
    return Updated(
        told.status,
        told.version_number,
        told.status_details,
        document if update.include_document else None,
    )


def _no_answer(operation: str, client: IoTJobsDataPlaneClient) -> RetryLater:
    """
    Return the error for an answer without what every answer holds.

    An address of AWS that does not serve Jobs may answer 200, with an error that nobody models.
    """
    return RetryLater(
        f"{operation}: {client.meta.endpoint_url} answers, but not as AWS IoT Jobs does: check "
        "AWS_ENDPOINT_URL, and what DescribeEndpoint gives for iot:Data-ATS"
    )


def _state(state: JobExecutionStateTypeDef) -> Updated:
    return Updated(
        status=ExecutionStatus(state["status"]),
        version_number=state["versionNumber"],
        status_details=state.get("statusDetails", {}),
    )


def _pending(execution: PendingTypeDef, thing_name: str, job_id: str) -> Execution:
    """Read the data plane's form: flat details, times in whole epoch seconds."""
    started, left = execution.get("startedAt"), execution.get("approximateSecondsBeforeTimedOut")
    return Execution(
        job_id=job_id,
        thing_name=thing_name,
        status=ExecutionStatus(execution["status"]),
        execution_number=execution.get("executionNumber", 1),
        version_number=execution["versionNumber"],
        queued_at=float(execution["queuedAt"]),
        updated_at=float(execution["lastUpdatedAt"]),
        started_at=None if started is None else float(started),
        status_details=execution.get("statusDetails", {}),
        seconds_left=None if left is None else float(left),
    )


def _ended(execution: EndedTypeDef, thing_name: str) -> Execution:
    """Read the control plane's form: details in a map of their own, times as datetimes."""
    started = execution.get("startedAt")
    return Execution(
        job_id=execution["jobId"],
        thing_name=thing_name,
        status=ExecutionStatus(execution["status"]),
        execution_number=execution.get("executionNumber", 1),
        version_number=execution["versionNumber"],
        queued_at=execution["queuedAt"].timestamp(),
        updated_at=execution["lastUpdatedAt"].timestamp(),
        started_at=None if started is None else started.timestamp(),
        status_details=execution.get("statusDetails", {}).get("detailsMap", {}),
    )
