"""The example device without its connection: what it does next, and what it never does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from examples.device.device import TAKES_MAX, Device
from examples.device.disk import Disk
from examples.device.firmware import Firmware
from examples.device.moves import STEPS, Execution, Outcome, Progress, next_move

DOCUMENT = {"operation": "install", "version": "2.0.0"}
QUEUED = Execution("job", 1, 1, "QUEUED", DOCUMENT, {})
TAKEN = replace(QUEUED, version=2, status="IN_PROGRESS")


def at(step: str, outcome: Outcome | None = None, number: int = 1) -> Progress:
    """Remember an execution of the job."""
    return Progress("job", number, step, outcome)


# --- what to do next ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("execution", "progress", "installed", "expected"),
    [
        (QUEUED, None, None, "download"),
        (QUEUED, at("", Outcome("FAILED", "x")), None, "download"),
        (TAKEN, None, None, "download"),
        (TAKEN, at("verify", number=7), None, "download"),
        (TAKEN, at("verify"), None, "verify"),
        (TAKEN, at("install"), "2.0.0", "check"),
        (TAKEN, at("install"), "1.0.0", Outcome("FAILED", "interrupted-install")),
        (TAKEN, at("", Outcome("SUCCEEDED")), "2.0.0", Outcome("SUCCEEDED")),
        (
            replace(TAKEN, details={"step": "install"}),
            None,
            None,
            Outcome("FAILED", "progress-lost"),
        ),
    ],
    ids=[
        "new",
        "tried again",
        "taken, nothing done",
        "another execution",
        "repeatable",
        "installed, then rebooted",
        "cut off while installing",
        "report lost",
        "disk lost",
    ],
)
def test_a_device_goes_on_where_it_can_and_says_so_where_it_cannot(
    execution: Execution, progress: Progress | None, installed: str | None, expected: object
) -> None:
    """After a reboot it repeats what may be repeated, and never installs the same thing twice."""
    assert next_move(execution, progress, refusal=None, installed=installed) == expected


def test_a_device_rejects_only_what_it_has_not_begun() -> None:
    """A rejection says that nothing was done; of work under way it would be untrue."""
    rejected = Outcome("REJECTED", "other-hardware")

    assert next_move(QUEUED, None, refusal="other-hardware", installed=None) == rejected
    assert next_move(TAKEN, at("verify"), refusal="other-hardware", installed=None) == "verify"


# --- what it remembers, and what it can do --------------------------------------------------


def test_what_is_on_disk_is_read_back(tmp_path: Path) -> None:
    """A reboot changes nothing of what the device knows."""
    for progress in (at("verify"), at("", Outcome("FAILED", "checksum-mismatch"))):
        Disk(tmp_path).remember(progress)
        assert Disk(tmp_path).progress() == progress
    Disk(tmp_path).forget()
    assert Disk(tmp_path).progress() is None


def test_a_spoilt_disk_is_an_empty_one(tmp_path: Path) -> None:
    """A device that cannot read its own notes still starts, and is reached by the next job."""
    (tmp_path / "progress.json").write_text('{"job_id": "jo')

    assert Disk(tmp_path).progress() is None


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({**DOCUMENT, "hardware": ["A", "B"]}, None),
        ({**DOCUMENT, "hardware": ["B"]}, "other-hardware"),
        ({**DOCUMENT, "hardware": None}, "other-hardware"),
        ({**DOCUMENT, "hardware": "AB"}, "other-hardware"),
        ({**DOCUMENT, "operation": "dance"}, "unknown-operation"),
        ({"operation": "install"}, "bad-version"),
        ({**DOCUMENT, "version": "two\n"}, "bad-version"),
        ({}, "unknown-operation"),
    ],
)
def test_what_cannot_be_done_is_known_beforehand(
    tmp_path: Path, document: Mapping[str, Any], reason: str | None
) -> None:
    """Whatever a document says, the device has an answer to it."""
    firmware = Firmware(Disk(tmp_path), hardware="A", step_seconds=0)

    assert firmware.refusal(document) == reason


# --- the device -----------------------------------------------------------------------------


@dataclass
class FakeJobs:
    """AWS IoT Jobs with executions of one device; it does what AWS does about versions."""

    executions: list[Execution]
    then: Callable[[], None]
    reports: list[tuple[str, int, str, str]] = field(default_factory=list)
    on_report: Callable[[Execution, Mapping[str, str]], None] = lambda _execution, _details: None

    def next(self) -> Execution | None:
        """Give what is in progress, else what is queued first; end when there is nothing."""
        if not self.executions:
            self.then()
            return None
        return min(self.executions, key=lambda each: each.status)

    def report(
        self, execution: Execution, status: str, details: Mapping[str, str]
    ) -> Execution | None:
        """Take a report against the version that it was made for."""
        self.on_report(execution, details)
        known = {each.identity: each for each in self.executions}.get(execution.identity)
        if known is None or known.version != execution.version:
            return None
        self.reports.append((*execution.identity, status, details.get("reason", "")))
        self.executions.remove(known)
        reported = replace(known, version=known.version + 1, status=status, details=details)
        if status == "IN_PROGRESS":
            self.executions.append(reported)
        return reported


def run(tmp_path: Path, jobs: FakeJobs) -> list[tuple[str, str]]:
    """Let a device work until there is nothing left; return the jobs and statuses reported."""
    disk = Disk(tmp_path)
    device = Device(jobs, disk, Firmware(disk, hardware="A", step_seconds=0))
    jobs.then = device.stop
    device.look()
    assert device.run() is None
    return [(job_id, status) for job_id, _, status, _ in jobs.reports]


def idle() -> None:
    """Do nothing when there is nothing left."""


def test_a_device_takes_one_execution_after_the_other(tmp_path: Path) -> None:
    """Each is reported step by step to its end, or rejected without being begun."""
    jobs = FakeJobs([QUEUED, replace(QUEUED, job_id="other", document={})], idle)

    assert run(tmp_path, jobs) == [
        *[("job", "IN_PROGRESS")] * len(STEPS),
        ("job", "SUCCEEDED"),
        ("other", "REJECTED"),
    ]
    assert Disk(tmp_path).installed() == "2.0.0"


def test_a_wrong_image_fails_before_it_is_installed(tmp_path: Path) -> None:
    """What was downloaded is held against its checksum, and the old version stays."""
    digest = hashlib.sha256(b"good").hexdigest()
    bad = {**DOCUMENT, "version": "3.0.0", "image": "bad", "sha256": digest}
    Disk(tmp_path).install("1.0.0")
    jobs = FakeJobs([replace(QUEUED, document=bad)], idle)

    run(tmp_path, jobs)

    assert jobs.reports[-1] == ("job", 1, "FAILED", "checksum-mismatch")
    assert Disk(tmp_path).installed() == "1.0.0"


def test_an_outcome_whose_report_was_lost_is_reported_and_not_done_again(tmp_path: Path) -> None:
    """Between the work and its report power may fail: the work is done once."""
    Disk(tmp_path).remember(at("", Outcome("FAILED", "check-failed")))
    jobs = FakeJobs([TAKEN], idle)

    assert run(tmp_path, jobs) == [("job", "FAILED")]
    assert Disk(tmp_path).installed() is None
    assert Disk(tmp_path).progress() is None


def test_an_execution_that_is_canceled_is_left(tmp_path: Path) -> None:
    """It is not in AWS's list any more, so nothing is installed and nothing more is reported."""
    jobs = FakeJobs([QUEUED], idle)

    def cancel(_execution: Execution, details: Mapping[str, str]) -> None:
        if details["step"] == "install":
            jobs.executions.clear()

    jobs.on_report = cancel

    assert run(tmp_path, jobs) == [("job", "IN_PROGRESS")] * 2
    assert Disk(tmp_path).installed() is None
    assert Disk(tmp_path).progress() is None


def test_an_execution_that_somebody_else_changed_is_looked_at_again(tmp_path: Path) -> None:
    """A report never goes over another hand's: the device asks what holds now, and goes on."""
    jobs = FakeJobs([QUEUED], idle)
    changed = Event()

    def change(_execution: Execution, details: Mapping[str, str]) -> None:
        if details.get("step") == "verify" and not changed.is_set():
            changed.set()
            (execution,) = jobs.executions
            jobs.executions[:] = [replace(execution, version=execution.version + 1)]

    jobs.on_report = change

    assert run(tmp_path, jobs)[-1] == ("job", "SUCCEEDED")
    assert changed.is_set()


def test_a_notice_of_another_execution_interrupts_the_work(tmp_path: Path) -> None:
    """A step that may be repeated is left at once when AWS has something else first."""
    disk = Disk(tmp_path)
    jobs = FakeJobs([QUEUED], idle)
    device = Device(jobs, disk, Firmware(disk, hardware="A", step_seconds=60))
    jobs.then = device.stop

    def cancel(_execution: Execution, _details: Mapping[str, str]) -> None:
        device.notice(("job", 1))  # its own is none to leave
        device.notice(None)

    jobs.on_report = cancel
    original = disk.remember

    def remember(progress: Progress) -> None:
        original(progress)
        jobs.executions.clear()

    disk.remember = remember  # type: ignore[method-assign]
    device.look()
    device.run()

    assert [status for *_, status, _ in jobs.reports] == ["IN_PROGRESS"]
    assert disk.installed() is None


def test_a_stopped_device_goes_on_when_it_is_started_again(tmp_path: Path) -> None:
    """It leaves off between two steps, and begins with the one that it left."""
    disk = Disk(tmp_path)
    jobs = FakeJobs([QUEUED], idle)
    device = Device(jobs, disk, Firmware(disk, hardware="A", step_seconds=0))

    def stop(_execution: Execution, details: Mapping[str, str]) -> None:
        if details["step"] == "verify":
            jobs.on_report = lambda _execution, _details: None
            device.stop()

    jobs.on_report = stop
    device.look()
    device.run()
    assert disk.progress() == at("verify")
    assert disk.installed() is None

    assert run(tmp_path, jobs)[-1] == ("job", "SUCCEEDED")


def test_an_execution_that_takes_no_report_does_not_keep_the_device_busy(tmp_path: Path) -> None:
    """It asks a limited number of times, then waits for the next notice."""
    jobs = FakeJobs([QUEUED], idle)
    asked = 0

    def refuse(_execution: Execution, _details: Mapping[str, str]) -> None:
        nonlocal asked
        asked += 1
        (execution,) = jobs.executions
        jobs.executions[:] = [replace(execution, version=execution.version + 1)]
        if asked == TAKES_MAX:
            jobs.then()

    jobs.on_report = refuse

    assert run(tmp_path, jobs) == []
    assert asked == TAKES_MAX
