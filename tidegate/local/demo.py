"""
The demo: two releases, one good and one bad, steered by the deployed stack on this machine.

``python -m tidegate.local.demo`` starts the embedded cloud with fast minutes, deploys into it the
stack that goes to AWS, runs a fleet of devices, and shows what Tidegate decides and why.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from tidegate.adapters.aws.clock import SystemClock
from tidegate.adapters.aws.ledger import DynamoLedger
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.rollout import Ending, Rollout
from tidegate.local.cloud import REPOSITORY, EmbeddedCloud
from tidegate.local.deploy import deploy
from tidegate.local.devices import DeviceFleet
from tidegate.local.errors import LocalCloudError
from tidegate.local.example_device import EXAMPLES, ExampleDevice, issue
from tidegate.local.fleet import Fleet, FleetMix, draw_things, register

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FLEET_SIZE = 300
GROUP = "demo-fleet"
#: Real seconds to a minute of AWS IoT Jobs: a rollout of a quarter of an hour takes one minute.
MINUTE_SECONDS = 3.0
#: A quarter of a minute: the example device takes four.
STEP_SECONDS = MINUTE_SECONDS / 4
SEED = 7
RELEASE_SECONDS_MAX = 180.0
POLL_SECONDS = 0.4
DECISIONS_READ_MAX = 20
HISTORY_PAGES_MAX = 50
REPORT_FOLDER = REPOSITORY / "build" / "demo"

BUDGET = 15
ACCEPTABLE_RATE = 0.05
POLICY = {
    "name": "demo",
    "harm": {
        "statuses": ["FAILED", "TIMED_OUT"],
        "tolerated_rate": "5%",
        "acceptable_rate": ACCEPTABLE_RATE,
        "budget": BUDGET,
        "confidence": "95%",
        "false_abort_risk": "1%",
    },
    "pace": {"mode": "throttle", "start_per_minute": 10, "max_per_minute": 100},
    "job": {"timeout": "5m"},
}

_STYLES = {
    Verdict.PROCEED: "green",
    Verdict.HOLD: "yellow",
    Verdict.GATE: "yellow",
    Verdict.ABORT: "red",
    Verdict.ROLL_BACK: "red",
    Verdict.COMPLETE: "green",
    Verdict.ENDED: "red",
}


@dataclass(frozen=True, slots=True)
class Release:
    """
    One release of the demo.

    Attributes:
        job_id: Its job.
        version: What its document installs.
        title: How it is announced.
        mix: How the fleet fares with it.
        ending: How its rollout has to end.
    """

    job_id: str
    version: str
    title: str
    mix: FleetMix
    ending: Ending


RELEASES = (
    Release(
        job_id="firmware-1-5-0",
        version="1.5.0",
        title="a good one: one device in a hundred fails, one in a hundred never answers",
        mix=FleetMix(failing=0.01, silent=0.01, slow=0.08, slow_factor=3.0),
        ending=Ending.COMPLETED,
    ),
    Release(
        job_id="firmware-1-6-0",
        version="1.6.0",
        title="a bad one: a third of the devices fail, one in twenty never answers",
        mix=FleetMix(failing=0.33, silent=0.05, slow=0.08, slow_factor=3.0),
        ending=Ending.ABORTED,
    ),
)


class Demo:
    """The deployed stack, its fleet, and the terminal."""

    def __init__(self, cloud: EmbeddedCloud, outputs: Mapping[str, str], console: Console) -> None:
        """Bind the clients of the embedded cloud."""
        self._cloud = cloud
        self._outputs = outputs
        self._console = console
        self._iot = cloud.client("iot")
        self._events = cloud.client("events")
        self._workflow = cloud.client("stepfunctions")
        self._ledger = DynamoLedger(outputs["TableName"], cloud.client("dynamodb"), SystemClock())

    def launch(self, release: Release, fleet: Fleet) -> None:
        """Have Tidegate create the job: it never runs without Tidegate's first settings."""
        self._command(
            "Launch Rollout",
            jobId=release.job_id,
            policy=POLICY,
            targets=[fleet.group_arn],
            document=json.dumps({"operation": "install", "version": release.version}),
        )

    def enroll(self, release: Release, fleet: Fleet) -> None:
        """Create the job as anybody does, and then hand it to Tidegate."""
        self._iot.create_job(
            jobId=release.job_id,
            targets=[fleet.group_arn],
            document=json.dumps({"operation": "install", "version": release.version}),
            jobExecutionsRolloutConfig={"maximumPerMinute": 5},
        )
        self._command("Enroll Job", jobId=release.job_id, policy=POLICY)

    def watch(self, release: Release) -> Decision:
        """Show a rollout until it ends; return its last decision."""
        deadline = time.monotonic() + RELEASE_SECONDS_MAX
        shown = 0
        with Live(console=self._console, refresh_per_second=8, transient=True) as live:
            while time.monotonic() < deadline:
                self._cloud.check()
                rollout = self._ledger.current([release.job_id]).get(release.job_id)
                if rollout is not None:
                    shown = self._tell(rollout, shown)
                    live.update(self._progress(release, rollout))
                    if rollout.ending is not None:
                        return self._ledger.decision(rollout.key, rollout.revision)
                time.sleep(POLL_SECONDS)
        message = (
            f"the rollout of {release.job_id} did not end within {RELEASE_SECONDS_MAX:.0f} s; "
            f"the embedded cloud's log is at {self._cloud.log_path}"
        )
        raise LocalCloudError(message)

    def settle(self, release: Release) -> Mapping[str, int]:
        """Wait until no device works on the release any more; return its final counts."""
        deadline = time.monotonic() + RELEASE_SECONDS_MAX
        while time.monotonic() < deadline:
            details = self._iot.describe_job(jobId=release.job_id)["job"]["jobProcessDetails"]
            if details["numberOfInProgressThings"] == 0:
                return dict(details)
            time.sleep(POLL_SECONDS)
        message = f"devices still work on {release.job_id} after {RELEASE_SECONDS_MAX:.0f} s"
        raise LocalCloudError(message)

    def fate(self, release: Release, thing: str) -> str:
        """Say what became of the release on a device: a status, if it was reached at all."""
        try:
            found = self._iot.describe_job_execution(jobId=release.job_id, thingName=thing)
        except self._iot.exceptions.ResourceNotFoundException:
            return "not reached"
        return str(found["execution"]["status"])

    def report(self, release: Release) -> None:
        """Write the ledger's decisions and the workflow's history where people can read them."""
        rollout = self._ledger.current([release.job_id])[release.job_id]
        decisions = self._ledger.decisions(rollout.key, limit=1000)
        REPORT_FOLDER.mkdir(parents=True, exist_ok=True)
        _write(
            f"{release.job_id}-decisions.json",
            [decision.to_document() for decision in reversed(decisions)],
        )
        _write(f"{release.job_id}-history.json", self._history(rollout.execution_arn))

    def _history(self, execution_arn: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        arguments: dict[str, Any] = {"executionArn": execution_arn, "maxResults": 1000}
        for _ in range(HISTORY_PAGES_MAX):
            page = self._workflow.get_execution_history(**arguments)
            events.extend(page["events"])
            if not page.get("nextToken"):
                break
            arguments["nextToken"] = page["nextToken"]
        return events

    def _command(self, detail_type: str, **detail: object) -> None:
        answer = self._events.put_events(
            Entries=[
                {
                    "EventBusName": self._outputs["BusName"],
                    "Source": "tidegate.operator",
                    "DetailType": detail_type,
                    "Detail": json.dumps(detail),
                }
            ]
        )
        if answer["FailedEntryCount"]:
            message = f"the bus did not take {detail_type}: {answer['Entries']}"
            raise LocalCloudError(message)

    def _tell(self, rollout: Rollout, shown: int) -> int:
        """Print the decisions not yet shown; return the revision of the last."""
        decisions = self._ledger.decisions(rollout.key, limit=DECISIONS_READ_MAX)
        for decision in reversed(decisions):
            if decision.revision > shown:
                self._console.print(_line(rollout, decision))
        return max([shown, *(decision.revision for decision in decisions)])

    def _progress(self, release: Release, rollout: Rollout) -> Table:
        job = self._iot.describe_job(jobId=release.job_id)["job"]
        details = job["jobProcessDetails"]
        rate = (job.get("jobExecutionsRolloutConfig") or {}).get("maximumPerMinute", 1000)
        harmed = details["numberOfFailedThings"] + details["numberOfTimedOutThings"]
        exposed = sum(details.values()) - details["numberOfCanceledThings"]
        table = Table.grid(padding=(0, 2))
        table.add_row(
            f"  {escape(rollout.key.job_id)}",
            ProgressBar(total=FLEET_SIZE, completed=exposed, width=30),
            f"{exposed}/{FLEET_SIZE} at {rate}/min",
            f"[green]{details['numberOfSucceededThings']} succeeded[/]",
            f"[red]{harmed} harmed[/]",
            f"{details['numberOfInProgressThings']} in flight",
            job["status"],
        )
        return table


def _line(rollout: Rollout, decision: Decision) -> Table:
    """Return one decision as a row whose reason wraps under itself."""
    minutes = (decision.at - rollout.key.created_at) / MINUTE_SECONDS
    rate = decision.settings.rollout
    style = _STYLES[decision.verdict]
    row = Table.grid(padding=(0, 1))
    for width in (13, 4, 8, 8):
        row.add_column(width=width, no_wrap=True)
    row.add_column(ratio=1)
    row.add_row(
        f"[dim]  minute {minutes:4.1f}[/]",
        f"[dim]#{decision.revision}[/]",
        f"[{style}]{decision.verdict.value}[/]",
        f"{rate.maximum_per_minute:>4}/min" if rate else "",
        escape(decision.summary),
    )
    return row


def _write(name: str, document: object) -> None:
    text = json.dumps(document, indent=2, default=str)
    (REPORT_FOLDER / name).write_text(text + "\n")


def run(console: Console, *, port: int | None, keep: bool) -> None:
    """
    Run the demo from start to end.

    Args:
        console: The terminal.
        port: Where the embedded cloud listens; a free port if None.
        keep: Keep the embedded cloud running afterwards, until Ctrl-C.

    Raises:
        LocalCloudError: Something is missing on this machine, or the demo did not go as it must.
    """
    began = time.monotonic()
    things = draw_things(FLEET_SIZE, seed=SEED)
    with EmbeddedCloud(
        port=port, minute_seconds=MINUTE_SECONDS, enforce_iam=True, mqtt=True
    ) as cloud:
        console.print(f"[bold]Embedded cloud[/] at {cloud.endpoint_url}, IAM enforced;")
        console.print(f"a minute of AWS IoT Jobs takes {MINUTE_SECONDS:g} seconds here.")
        with console.status("Deploying the stack that goes to AWS: cdk bootstrap, cdk deploy …"):
            context = {"target": "local", "minuteSeconds": f"{MINUTE_SECONDS:g}"}
            (outputs,) = deploy(cloud, context=context).values()
        with console.status(f"Registering {FLEET_SIZE} things …"):
            fleet = register(cloud.client("iot", connections=4), things, group=GROUP)
        console.print(f"[bold]Deployed[/] Tidegate, and {FLEET_SIZE} devices are waiting.")
        example, *others = things
        device = ExampleDevice(cloud, issue(cloud, example.name), step_seconds=STEP_SECONDS)
        console.print(f"One of them, {example.name}, is examples/device: a process, over MQTT.")
        demo = Demo(cloud, outputs, console)
        mixes = {release.version: release.mix for release in RELEASES}
        with DeviceFleet(cloud, others, mixes, seed=SEED), device:
            for release, begin in zip(RELEASES, (demo.launch, demo.enroll), strict=True):
                _release(release, begin.__name__, console)
                begin(release, fleet)
                _conclude(demo, release, console)
                fate = demo.fate(release, example.name)
                console.print(f"  [dim]{example.name}, the example device: {fate}[/]")
        console.print(f"\nDone in {time.monotonic() - began:.0f} seconds. Look further:")
        console.print(f"  decisions with their evidence   {_shown('decisions')}")
        console.print(f"  Step Functions histories        {_shown('history')}")
        if keep:
            _keep(cloud, outputs, device, console)
        else:
            console.print("  keep the cloud to look around   make demo KEEP=1")


def _release(release: Release, how: str, console: Console) -> None:
    console.print(f"\n[bold]Release {release.version}[/], {release.title}")
    ways = {
        "launch": "Launch Rollout on the bus: Tidegate creates the job, slow and fenced",
        "enroll": "created elsewhere, then Enroll Job on the bus: Tidegate takes over",
    }
    console.print(
        f"  [dim]{ways[how]}; budget: {BUDGET} devices harmed beyond {ACCEPTABLE_RATE:.0%}[/]"
    )


def _conclude(demo: Demo, release: Release, console: Console) -> None:
    decision = demo.watch(release)
    counts = demo.settle(release)
    demo.report(release)
    harmed = counts["numberOfFailedThings"] + counts["numberOfTimedOutThings"]
    started = harmed + counts["numberOfSucceededThings"] + counts["numberOfRejectedThings"]
    beyond = max(0.0, harmed - ACCEPTABLE_RATE * started)
    style = "green" if decision.ending is release.ending else "red"
    job_status = "COMPLETED" if decision.ending is Ending.COMPLETED else "CANCELED"
    console.print(
        f"  [{style} bold]{job_status}[/]: {started} of {FLEET_SIZE} devices took it, {harmed} "
        f"harmed, {beyond:.1f} beyond the acceptable; the budget was {BUDGET}"
    )
    if decision.ending is not release.ending or beyond > BUDGET:
        message = f"{release.job_id} was to end {release.ending} within budget: {decision.summary}"
        raise LocalCloudError(message)


def _shown(kind: str) -> str:
    return f"{REPORT_FOLDER.relative_to(REPOSITORY)}/*-{kind}.json"


def _keep(
    cloud: EmbeddedCloud, outputs: Mapping[str, str], device: ExampleDevice, console: Console
) -> None:
    console.print("\nThe cloud stays up until Ctrl-C. In another terminal:")
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        console.print(f"  export {name}={cloud.environment()[name]}", highlight=False)
    arn = outputs["StateMachineArn"]
    console.print(f"  aws stepfunctions list-executions --state-machine-arn {arn}", highlight=False)
    console.print(f"  aws dynamodb scan --table-name {outputs['TableName']}", highlight=False)
    console.print(f"  cd {EXAMPLES} && {shlex.join(device.command)}", highlight=False)
    signal.pause()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo from the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--port", type=int, help="port of the embedded cloud; free by default")
    parser.add_argument("--keep", action="store_true", help="keep the cloud running afterwards")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        run(console, port=options.port, keep=options.keep)
    except LocalCloudError as error:
        console.print(f"[red]{escape(str(error))}[/]", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left running.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
