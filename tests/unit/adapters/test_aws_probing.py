"""What a probe concludes of retries, on an AWS IoT Jobs that does them in one way or another."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tidegate.adapters.aws.probing import PREFIX, Probe
from tidegate.service.checkup import ASSUMED

RETRIES = "a retry keeps its number, and counters count it too"


@dataclass
class Jobs:
    """
    Both planes of AWS IoT Jobs, for a job with one thing.

    Attributes:
        retries: How often a failed execution is tried again.
        renumbers: Whether a retry is an execution of its own.
        counts_attempts: Whether counters count each failed attempt.
    """

    retries: int = 2
    renumbers: bool = False
    counts_attempts: bool = True
    rows: list[dict[str, Any]] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)
    failed: int = 0

    def create_thing(self, **named: Any) -> dict[str, Any]:  # noqa: ANN401 - AWS's own
        """Answer with an ARN."""
        return {"thingArn": f"arn:aws:iot:eu-central-1:111122223333:thing/{named['thingName']}"}

    def create_job(self, **made: Any) -> None:  # noqa: ANN401 - AWS's own
        """Notify the thing at once."""
        self.made = made
        self._notify(number=1, attempt=0)

    def list_job_executions_for_job(self, **_: object) -> dict[str, Any]:
        """Answer with all attempts that are listed."""
        return {
            "executionSummaries": [
                {"thingArn": self.made["targets"][0], "jobExecutionSummary": dict(row)}
                for row in self.rows
            ]
        }

    def update_job_execution(self, **report: Any) -> None:  # noqa: ANN401 - AWS's own
        """Take a report, and try again what failed."""
        row = self.rows[0]
        row["status"] = report["status"]
        if report["status"] != "FAILED":
            return
        if row["retryAttempt"] >= self.retries:
            self.failed += 1
            return
        self.failed += self.counts_attempts
        if not self.renumbers:
            self.rows.remove(row)
        self._notify(row["executionNumber"] + self.renumbers, row["retryAttempt"] + 1)

    def describe_job(self, **_: object) -> dict[str, Any]:
        """Answer with the job's status and its counters."""
        over = self.rows[0]["status"] in {"SUCCEEDED", "FAILED"}
        return {
            "job": {
                "status": "COMPLETED" if over else "IN_PROGRESS",
                "jobProcessDetails": {"numberOfFailedThings": self.failed},
            }
        }

    def _notify(self, number: int, attempt: int) -> None:
        row = {"status": "QUEUED", "executionNumber": number, "retryAttempt": attempt}
        self.rows.insert(0, row)


def concluded(jobs: Jobs) -> tuple[bool | None, str]:
    """Return what the experiment on retries concludes."""
    probe = Probe(iot=jobs, data=jobs, sleep=lambda _: None, run_id="unit")
    return probe._experiments()[RETRIES]()


def test_retries_that_keep_their_number_and_count_are_as_assumed() -> None:
    """Two failures and a success in one execution, two FAILED in the counters: as taken to be."""
    jobs = Jobs()
    holds, saw = concluded(jobs)

    assert holds
    assert "the execution numbers 1, 1, 1, and counts as 2 FAILED" in saw
    assert jobs.made["jobId"] == f"{PREFIX}unit-retry"
    assert jobs.made["jobExecutionsRetryConfig"] == {
        "criteriaList": [{"failureType": "FAILED", "numberOfRetries": 2}]
    }


@pytest.mark.parametrize(
    ("jobs", "seen"),
    [
        (Jobs(renumbers=True), "the execution numbers 1, 2, 3, and counts as 2 FAILED"),
        (Jobs(counts_attempts=False), "1, 1, 1, and counts as 0 FAILED"),
        (Jobs(retries=0), "retry 1 of 2 did not come"),
    ],
    ids=["numbered anew", "counted once", "not tried again"],
)
def test_retries_that_go_otherwise_are_told(jobs: Jobs, seen: str) -> None:
    """Whatever AWS does instead is said as it was seen."""
    holds, saw = concluded(jobs)

    assert not holds
    assert seen in saw


def test_every_assumption_has_its_experiment() -> None:
    """Nothing is promised to be found out that no experiment looks for, and the reverse."""
    probe = Probe(iot=None, data=None, sleep=lambda _: None, run_id="unit")

    assert set(probe._experiments()) == set(ASSUMED)
