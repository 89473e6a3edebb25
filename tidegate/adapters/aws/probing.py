"""
Live experiments on what AWS documents leave open, with a job and things of their own.

All that is made is called ``tidegate-probe-…`` and taken away again, whatever happens. No other job
or thing is touched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tidegate.adapters.aws.errors import code_of

#: All that a probe makes begins with this; nothing else is touched.
PREFIX = "tidegate-probe-"

#: Things of one probe, and how long one experiment waits for anything, in AWS's minutes.
THINGS_MAX = 8
WAIT_MINUTES_MAX = 6.0

#: How often AWS is asked while something is waited for, and how often at most.
_POLL_MINUTES = 1 / 20
_POLLS_MAX = int(WAIT_MINUTES_MAX / _POLL_MINUTES)

#: Of the execution that fails.
_RETRIES = 2

_DOCUMENT = json.dumps({"operation": "tidegate-probe"})
_SLOW = {"maximumPerMinute": 1}
_GROWING = {
    "maximumPerMinute": 100,
    "exponentialRate": {
        "baseRatePerMinute": 50,
        "incrementFactor": 2.0,
        "rateIncreaseCriteria": {"numberOfNotifiedThings": 100},
    },
}
_LIVE = ("SCHEDULED", "IN_PROGRESS")


@dataclass(frozen=True, slots=True)
class Seen:
    """
    What an experiment saw.

    Attributes:
        assumed: What Tidegate takes AWS to do, as ``service.checkup.ASSUMED`` has it.
        holds: Whether AWS does; None if it could not be found out.
        saw: What happened.
    """

    assumed: str
    holds: bool | None
    saw: str


class _Unfinished(Exception):
    """What an experiment waits for has not come in time."""


@dataclass
class Probe:
    """
    One round of experiments.

    Attributes:
        iot: The client for AWS IoT.
        data: The client for the jobs data plane.
        sleep: Lets so many seconds pass.
        run_id: What tells this round from others; letters and digits.
        minute_seconds: How long a minute of AWS IoT Jobs takes.
    """

    iot: Any
    data: Any
    sleep: Callable[[float], None]
    run_id: str
    minute_seconds: float = 60.0
    _things: list[str] = field(default_factory=list)
    _jobs: list[str] = field(default_factory=list)
    _faults: list[str] = field(default_factory=list)

    def run(self, told: Callable[[str], None]) -> list[Seen]:
        """
        Make all experiments, clean up, and return what they saw.

        Args:
            told: Hears of each experiment as it begins.
        """
        seen: list[Seen] = []
        try:
            for assumed, experiment in self._experiments().items():
                told(assumed)
                seen.append(self._made(assumed, experiment))
        finally:
            self._clean_up()
        return seen

    @property
    def left_behind(self) -> list[str]:
        """What could not be taken away."""
        return list(self._faults)

    def _experiments(self) -> Mapping[str, Callable[[], tuple[bool | None, str]]]:
        return {
            "a rollout object replaces the one before": self._replaces,
            "a finished job takes no update": self._update_of_a_finished_one,
            "a finished job takes no cancel": self._cancel_of_a_finished_one,
            "statusDetails are replaced by each report": self._details,
            "an outcome is final": self._after_the_outcome,
            "a stale expectedVersion is refused": self._stale,
            "a retry keeps its number, and counters count it too": self._retries,
            "abort criteria act within minutes": self._abort,
            "a new rate holds from the next minute on": self._rate,
        }

    def _made(self, assumed: str, experiment: Callable[[], tuple[bool | None, str]]) -> Seen:
        try:
            holds, saw = experiment()
        except _Unfinished as limit:
            return Seen(assumed, None, str(limit))
        except (BotoCoreError, ClientError) as error:
            return Seen(assumed, None, f"could not be found out: {_said(error)}")
        return Seen(assumed, holds, saw)

    # the experiments

    def _replaces(self) -> tuple[bool, str]:
        job = self._job("replace", 1, jobExecutionsRolloutConfig=_GROWING)
        self.iot.update_job(jobId=job, jobExecutionsRolloutConfig={"maximumPerMinute": 60})
        stands = self.iot.describe_job(jobId=job)["job"]["jobExecutionsRolloutConfig"]
        kept = "exponentialRate" in stands
        return not kept, f"after an update of the rate alone, {sorted(stands)} stand"

    def _update_of_a_finished_one(self) -> tuple[bool, str]:
        job = self._finished("update")
        answer = _refusal(lambda: self.iot.update_job(jobId=job, jobExecutionsRolloutConfig=_SLOW))
        return answer is not None, answer or "it was taken"

    def _cancel_of_a_finished_one(self) -> tuple[bool, str]:
        job = self._finished("cancel")
        answer = _refusal(lambda: self.iot.cancel_job(jobId=job))
        return answer is not None, answer or "it was taken"

    def _details(self) -> tuple[bool, str]:
        job, thing = self._begun("details")
        for key in ("a", "b"):
            self._report(job, thing, "IN_PROGRESS", statusDetails={key: "1"})
        told = self.iot.describe_job_execution(jobId=job, thingName=thing)["execution"]
        kept = sorted(told.get("statusDetails", {}).get("detailsMap", {}))
        return kept == ["b"], f"a, then b was reported: {' and '.join(kept) or 'nothing'} is kept"

    def _after_the_outcome(self) -> tuple[bool, str]:
        job, thing = self._begun("final")
        self._report(job, thing, "SUCCEEDED")
        answer = _refusal(lambda: self._report(job, thing, "FAILED"))
        return answer is not None, answer or "a failure after the success was taken"

    def _stale(self) -> tuple[bool, str]:
        job, thing = self._begun("stale")
        self._report(job, thing, "IN_PROGRESS", statusDetails={"a": "1"})
        answer = _refusal(lambda: self._report(job, thing, "SUCCEEDED", expectedVersion=1))
        return answer is not None, answer or "it was taken"

    def _retries(self) -> tuple[bool, str]:
        criteria = [{"failureType": "FAILED", "numberOfRetries": _RETRIES}]
        job, thing = self._begun("retry", jobExecutionsRetryConfig={"criteriaList": criteria})
        numbers = [self._newest(job)["executionNumber"]]
        for attempt in range(1, _RETRIES + 1):
            self._report(job, thing, "FAILED")
            if not self._is_tried_again(job, attempt):
                return False, f"retry {attempt} of {_RETRIES} did not come: the job is over"
            numbers.append(self._newest(job)["executionNumber"])
            self._report(job, thing, "IN_PROGRESS")
        self._report(job, thing, "SUCCEEDED")
        self._until(lambda: self._is_over(job), f"{job} to be completed")
        counted = self.iot.describe_job(jobId=job)["job"].get("jobProcessDetails", {})
        failed = counted.get("numberOfFailedThings", 0)
        saw = (
            f"a success after {_RETRIES} failures had the execution numbers "
            f"{', '.join(map(str, numbers))}, and counts as {failed} FAILED"
        )
        return len(set(numbers)) == 1 and failed == _RETRIES, saw

    def _abort(self) -> tuple[bool, str]:
        job = self._job(
            "abort",
            3,
            abortConfig={
                "criteriaList": [
                    {
                        "failureType": "FAILED",
                        "action": "CANCEL",
                        "thresholdPercentage": 50.0,
                        "minNumberOfExecutedThings": 2,
                    }
                ]
            },
        )
        things = self._queued(job, 2)[:2]
        for thing in things:
            self._report(job, thing, "FAILED")
        minutes = self._until(lambda: self._status(job) == "CANCELED", f"{job} to be aborted")
        why = self.iot.describe_job(jobId=job)["job"].get("reasonCode", "no reason code")
        return True, f"the job was canceled {minutes:.1f} minutes later, with {why}"

    def _rate(self) -> tuple[bool, str]:
        job = self._job("rate", THINGS_MAX, jobExecutionsRolloutConfig=_SLOW)
        self._queued(job, 2)
        before = len(self._listed(job))
        self.iot.update_job(jobId=job, jobExecutionsRolloutConfig={"maximumPerMinute": 5})
        minutes = self._until(lambda: len(self._listed(job)) > before + 1, "the new rate to show")
        # One more batch at the rate before is allowed for.
        return minutes <= 2.5, f"from 1 to 5 per minute, seen {minutes:.1f} minutes later"  # noqa: PLR2004 - as said

    # what they are made of

    def _finished(self, name: str) -> str:
        job, thing = self._begun(name)
        self._report(job, thing, "SUCCEEDED")
        self._until(lambda: self._status(job) == "COMPLETED", f"{job} to be completed")
        return job

    def _is_tried_again(self, job: str, attempt: int) -> bool:
        """Wait until an execution is tried again; return whether it is before the job is over."""
        self._until(
            lambda: self._newest(job)["retryAttempt"] >= attempt or self._is_over(job),
            f"retry {attempt} of {job}",
        )
        return int(self._newest(job)["retryAttempt"]) >= attempt

    def _newest(self, job: str) -> Mapping[str, Any]:
        """Return the latest attempt of a job with one thing."""
        rows = self.iot.list_job_executions_for_job(jobId=job)["executionSummaries"]
        attempts = ({"retryAttempt": 0, **row["jobExecutionSummary"]} for row in rows)
        return max(attempts, key=lambda each: (each["executionNumber"], each["retryAttempt"]))

    def _is_over(self, job: str) -> bool:
        return self._status(job) not in _LIVE

    def _begun(self, name: str, **members: Any) -> tuple[str, str]:  # noqa: ANN401 - CreateJob's own
        """Return a job and a thing that has taken it up, at version 2."""
        job = self._job(name, 1, **members)
        (thing,) = self._queued(job, 1)
        self._report(job, thing, "IN_PROGRESS")
        return job, thing

    def _job(self, name: str, things: int, **members: Any) -> str:  # noqa: ANN401 - CreateJob's own
        arns = [self._thing(number) for number in range(things)]
        job = f"{PREFIX}{self.run_id}-{name}"
        self._jobs.append(job)
        self.iot.create_job(jobId=job, targets=arns, document=_DOCUMENT, **members)
        return job

    def _thing(self, number: int) -> str:
        name = f"{PREFIX}{self.run_id}-{number}"
        if name not in self._things:
            self._things.append(name)
        return str(self.iot.create_thing(thingName=name)["thingArn"])

    def _queued(self, job: str, things: int) -> list[str]:
        """Wait until so many things are notified; return them."""
        self._until(lambda: len(self._listed(job)) >= things, f"{things} executions of {job}")
        return self._listed(job)

    def _listed(self, job: str) -> list[str]:
        rows = self.iot.list_job_executions_for_job(jobId=job)["executionSummaries"]
        return sorted(row["thingArn"].rpartition("/")[2] for row in rows)

    def _report(self, job: str, thing: str, status: str, **members: Any) -> None:  # noqa: ANN401 - its own
        self.data.update_job_execution(jobId=job, thingName=thing, status=status, **members)

    def _status(self, job: str) -> str:
        return str(self.iot.describe_job(jobId=job)["job"]["status"])

    def _until(self, came: Callable[[], bool], what: str) -> float:
        """Wait for something; return after how many of AWS's minutes it came."""
        for polls in range(_POLLS_MAX):
            if came():
                return polls * _POLL_MINUTES
            self.sleep(_POLL_MINUTES * self.minute_seconds)
        message = f"waited {WAIT_MINUTES_MAX:g} minutes for {what}"
        raise _Unfinished(message)

    # cleaning up

    def _clean_up(self) -> None:
        for job in self._jobs:
            with self._tidying(job):
                if self._status(job) in _LIVE:
                    self.iot.cancel_job(jobId=job, force=True)
        for job in self._jobs:
            with self._tidying(job):
                self.iot.delete_job(jobId=job, force=True)
        for thing in self._things:
            with self._tidying(thing):
                self.iot.delete_thing(thingName=thing)

    @contextmanager
    def _tidying(self, name: str) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            # What was never made, or has gone by itself, is clean.
            if not (
                isinstance(error, ClientError) and code_of(error) == "ResourceNotFoundException"
            ):
                self._faults.append(f"{name}: {_said(error)}")


def _refusal(call: Callable[[], object]) -> str | None:
    """Return what AWS answers to a call, None if it takes it."""
    try:
        call()
    except ClientError as error:
        return _said(error)
    return None


def _said(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"{code_of(error)}: {error.response.get('Error', {}).get('Message', '')}"
    return str(error)
