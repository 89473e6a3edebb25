"""Devices that nobody here wrote, beside ours, in rollouts of the deployed stack."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Overheard
from tests.e2e.stack import POLICY, DeployedStack, eventually
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.rollout import Ending
from tidegate.local.cloud import MQTT_HOST
from tidegate.local.devices import DeviceFleet
from tidegate.local.example_device import DEVICES_PYTHON, ExampleDevice, issue
from tidegate.local.fleet import FleetMix, draw_things, register

pytestmark = pytest.mark.e2e

CLIENTS = Path(__file__).with_name("clients")
AWS = DEVICES_PYTHON.with_name("aws")
KINDS = {
    "v1": [str(DEVICES_PYTHON), str(CLIENTS / "device_v1.py")],
    "v2": [str(DEVICES_PYTHON), str(CLIENTS / "device_v2.py")],
    "npm": ["node", str(CLIENTS / "device.mjs")],
}
OUTCOMES = ("SUCCEEDED", "FAILED", "REJECTED")
CLIENT_SECONDS = 60.0
ROLLOUT_SECONDS = 300.0
FLEET_SIZE = 2_000
DOCUMENT = {"operation": "install", "version": "2.0.0", "hardware": ["A"]}

#: Forgiving: of the clients, every third fails.
MIXED = {
    **POLICY,
    "harm": {
        "statuses": ["FAILED", "TIMED_OUT"],
        "tolerated_rate": "30%",
        "acceptable_rate": "20%",
        "budget": 100,
    },
    # As many as the embedded cloud serves in two seconds.
    "pace": {"mode": "throttle", "start_per_minute": 60, "max_per_minute": 150},
    # No device is to be too late because this machine has much else to do.
    "job": {"timeout": "3h"},
}


def named(kind: str, outcome: str) -> str:
    """Name the thing of a kind of client that is to come to an outcome."""
    return f"{kind}-{outcome.lower()}"


def aws(stack: DeployedStack, *words: str) -> dict[str, Any]:
    """Type a command of the AWS CLI; return what it says."""
    done = subprocess.run(
        [str(AWS), *words, "--output", "json"],
        env=stack.cloud.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=CLIENT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout or "{}"))


@contextmanager
def client(stack: DeployedStack, kind: str) -> Iterator[subprocess.Popen[str]]:
    """Run the things of one kind of client, one after the other, in a process."""
    command = [
        *KINDS[kind],
        *("--endpoint", MQTT_HOST, "--port", str(stack.cloud.mqtt_port)),
        *("--ca", str(stack.cloud.ca_path), "--identities", str(stack.cloud.directory)),
        *(f"{named(kind, outcome)}={outcome}" for outcome in OUTCOMES),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answers(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Wait until a client is done; return what it saw as each of its things."""
    out, err = process.communicate(timeout=CLIENT_SECONDS)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def execution(stack: DeployedStack, thing: str, job_id: str) -> dict[str, Any]:
    """Return a thing's execution of a job; nothing while it has none."""
    try:
        found = stack.iot.describe_job_execution(thingName=thing, jobId=job_id)
    except stack.iot.exceptions.ResourceNotFoundException:
        return {}
    return dict(found["execution"])


def details(stack: DeployedStack, thing: str, job_id: str) -> Mapping[str, str]:
    """Return what a thing reported of a job last."""
    found = execution(stack, thing, job_id).get("statusDetails") or {}
    return dict(found.get("detailsMap") or {})


def act_by_command_line(stack: DeployedStack, job_id: str) -> None:
    """Be a device with nothing but the AWS CLI, once for each outcome."""
    for outcome in OUTCOMES:
        thing = named("cli", outcome)
        eventually(lambda thing=thing: execution(stack, thing, job_id), "its notification")  # type: ignore[misc]
        of = ("--thing-name", thing)
        taken = aws(stack, "iot-jobs-data", "start-next-pending-job-execution", *of)["execution"]
        assert (taken["jobId"], json.loads(taken["jobDocument"])) == (job_id, DOCUMENT)
        update = ("iot-jobs-data", "update-job-execution", *of, "--job-id", job_id)
        aws(
            stack,
            *(*update, "--status", "IN_PROGRESS", "--status-details", "progress=50%"),
            *("--expected-version", str(taken["versionNumber"])),
        )
        aws(stack, *update, "--status", outcome, "--status-details", "reason=as-told")


def assert_counts_agree(stack: DeployedStack, job_id: str) -> Mapping[str, int]:
    """Hold Tidegate's counts against AWS's own; return these."""
    rollout = stack.rollout(job_id)
    assert rollout is not None
    totals = stack.ledger.totals(rollout.key).counts
    theirs = stack.describe(job_id)["jobProcessDetails"]
    names = {
        ExecutionStatus.SUCCEEDED: "numberOfSucceededThings",
        ExecutionStatus.FAILED: "numberOfFailedThings",
        ExecutionStatus.REJECTED: "numberOfRejectedThings",
        ExecutionStatus.TIMED_OUT: "numberOfTimedOutThings",
    }
    assert {name: totals.of(status) for status, name in names.items()} == {
        name: theirs[name] for name in names.values()
    }
    return dict(theirs)


def test_a_mixed_fleet_takes_a_release_to_its_end(stack: DeployedStack) -> None:
    """Whatever a device is made with, Tidegate counts it as AWS does, and the rollout completes."""
    things = draw_things(FLEET_SIZE, prefix="mixed")
    group = register(stack.iot, things, group="mixed")
    others = [named(kind, each) for kind in (*KINDS, "cli", "example") for each in OUTCOMES]
    for name in others:
        stack.iot.create_thing(thingName=name)
        stack.iot.add_thing_to_thing_group(thingGroupName="mixed", thingName=name)
    for name in (named(kind, each) for kind in KINDS for each in OUTCOMES):
        issue(stack.cloud, name, CLIENTS / "policy.json")
    good, failing, rejecting = (
        ExampleDevice(stack.cloud, issue(stack.cloud, named("example", each)), hardware=hardware)
        for each, hardware in zip(OUTCOMES, "AAB", strict=True)
    )
    (failing.folder / "installed.json").mkdir(parents=True)  # nothing can be written there

    with ExitStack() as running:
        for device in (good, failing, rejecting):
            running.enter_context(device)
        clients = [running.enter_context(client(stack, kind)) for kind in KINDS]
        mix = {"2.0.0": FleetMix(failing=0.03, rejecting=0.03)}
        running.enter_context(DeviceFleet(stack.cloud, things, mix))
        stack.command(
            "Launch Rollout",
            jobId="mixed",
            policy=MIXED,
            targets=[group.group_arn],
            document=json.dumps(DOCUMENT),
        )
        stack.enrolled("mixed")
        eventually(
            lambda: details(stack, named("example", "SUCCEEDED"), "mixed").get("step") == "verify",
            "the example device to be at work",
        )
        good.kill()
        act_by_command_line(stack, "mixed")
        assert execution(stack, named("example", "SUCCEEDED"), "mixed")["status"] == "IN_PROGRESS"
        good.start()
        seen = [each for process in clients for each in answers(process)]
        eventually(lambda: stack.rollout("mixed").ending, "the end", ROLLOUT_SECONDS)  # type: ignore[union-attr]

    assert stack.ended("mixed").ending is Ending.COMPLETED
    assert stack.describe("mixed")["status"] == "COMPLETED"
    for kind in (*KINDS, "cli", "example"):
        for outcome in OUTCOMES:
            assert execution(stack, named(kind, outcome), "mixed")["status"] == outcome
    assert [each["stale"] for each in seen] == ["VersionMismatch"] * len(KINDS) * len(OUTCOMES)
    assert all(each["document"] == DOCUMENT for each in seen)
    reasons = [details(stack, named("example", each), "mixed").get("reason") for each in OUTCOMES]
    assert reasons == [None, "install-failed", "other-hardware"]
    assert good.log_path.read_text().count("mixed: download") == 1
    counts = assert_counts_agree(stack, "mixed")
    assert sum(counts.values()) == FLEET_SIZE + len(others)


def test_a_rate_that_somebody_typed_in_is_put_back(stack: DeployedStack, bus: Overheard) -> None:
    """Whoever changes the job by the AWS CLI is overruled, and everybody can read why."""
    _, arn = stack.group("typed", 30)
    stack.job("typed", [arn], rate=2)
    stack.command("Enroll Job", jobId="typed", policy=POLICY)
    stack.enrolled("typed")

    aws(
        stack,
        *("iot", "update-job", "--job-id", "typed"),
        *("--job-executions-rollout-config", "maximumPerMinute=500"),
    )

    told = eventually(
        lambda: [
            event
            for event in bus.of("typed")
            for reason in event["detail"].get("reasons", ())
            if reason["code"] == "SETTINGS_DRIFTED"
        ],
        "the change to be told",
    )
    assert "somebody else changed the job's" in json.dumps(told[0]["detail"]["reasons"])
    job = stack.describe("typed")
    assert job["jobExecutionsRolloutConfig"]["maximumPerMinute"] < 500
    stack.abort("typed")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
def test_mqtt_listens_on_loopback_alone(stack: DeployedStack) -> None:
    """Nobody else on the network can reach the embedded cloud as a device."""
    port = f":{stack.cloud.mqtt_port:04X}"
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path("/proc/net", table).read_text().splitlines()[1:]
    ]

    assert [row[1] for row in rows if row[1].endswith(port) and row[3] == "0A"] == [
        f"0100007F{port}"
    ]


def test_a_device_without_leave_says_so_and_ends(stack: DeployedStack) -> None:
    """A certificate that may not subscribe ends the example device with what to look at."""
    stack.iot.create_thing(thingName="stranger")
    identity = issue(stack.cloud, "stranger", CLIENTS / "mute" / "policy.json")
    device = ExampleDevice(stack.cloud, identity)
    device.start()
    status = eventually(lambda: device.exit_status, "the device to end")

    assert status == 1
    assert "see the certificate's policy" in device.log_path.read_text()


def test_a_device_ends_cleanly_when_told(stack: DeployedStack) -> None:
    """Stopped in the middle of its work, it leaves the execution to its next start."""
    stack.iot.create_thing(thingName="orderly")
    arn = stack.iot.describe_thing(thingName="orderly")["thingArn"]
    identity = issue(stack.cloud, "orderly")
    with ExampleDevice(stack.cloud, identity, step_seconds=CLIENT_SECONDS) as device:
        stack.iot.create_job(jobId="orderly", targets=[arn], document=json.dumps(DOCUMENT))
        eventually(lambda: details(stack, "orderly", "orderly"), "the device to be at work")
    assert device.exit_status == 0
    assert execution(stack, "orderly", "orderly")["status"] == "IN_PROGRESS"

    with ExampleDevice(stack.cloud, identity, step_seconds=0.1):
        eventually(lambda: stack.describe("orderly")["status"] == "COMPLETED", "the end")
    assert execution(stack, "orderly", "orderly")["status"] == "SUCCEEDED"
