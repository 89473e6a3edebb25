"""``tidegate export`` and ``tidegate replay`` at the terminal."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner, Result

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.cli.account import Access, Account
from tidegate.cli.app import app
from tidegate.documents.policy import parse_policy_yaml
from tidegate.domain.rollout import Ending, Rollout, RolloutKey

REPOSITORY = Path(__file__).parents[3]
FIRMWARE = REPOSITORY / "policies/firmware.yaml"
CAUTIOUS = str(REPOSITORY / "policies/cautious.yaml")
CREATED_AT = 1_790_000_000
DEVICES = 120


@dataclass
class Iot:
    """AWS's list of a job's executions: every fourth device fails."""

    asked: list[str] = field(default_factory=list)

    def list_job_executions_for_job(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        """Answer with all of them on one page."""
        self.asked.append(request["jobId"])
        return {"executionSummaries": list(self._rows())}

    def _rows(self) -> Iterator[dict[str, Any]]:
        for number in range(DEVICES):
            at = CREATED_AT + 60 * (number // 40)
            yield {
                "thingArn": f"arn:aws:iot:eu-central-1:111122223333:thing/boiler-{number}",
                "jobExecutionSummary": {
                    "status": "SUCCEEDED" if number % 4 else "FAILED",
                    "queuedAt": datetime.fromtimestamp(at, UTC),
                    "startedAt": datetime.fromtimestamp(at + 60, UTC),
                    "lastUpdatedAt": datetime.fromtimestamp(at + 300, UTC),
                    "executionNumber": 1,
                    "retryAttempt": 0,
                },
            }


def account() -> Account:
    """Return an account in which one rollout was stopped."""
    ledger = MemoryLedger()
    policy = parse_policy_yaml(FIRMWARE.read_text(), source="firmware.yaml").compile()
    rollout = Rollout(
        key=RolloutKey("boilers-3-1", CREATED_AT),
        job_arn="arn",
        policy=policy,
        generation=1,
        execution_arn="arn",
        enrolled_at=CREATED_AT,
        fleet_size=1000,
    )
    ledger.claim(rollout, previous=None)
    ledger.conclude(rollout.key, generation=1, ending=Ending.ABORTED, at=CREATED_AT + 600)
    nobody = cast("Any", None)
    return Account(
        stack_name="Tidegate",
        outputs={},
        ledger=ledger,
        policies=nobody,
        bus=nobody,
        launches=nobody,
        clock=ManualClock(CREATED_AT + 10_000),
        sleep=lambda _: None,
        caller=lambda: "release-desk",
        client={"iot": Iot()}.__getitem__,
    )


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run each test where nothing lies around."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def type_in(*arguments: str) -> Result:
    """Return what comes of a command line."""

    def opened(_: Access) -> Account:
        return account()

    return CliRunner().invoke(app, [*arguments], obj=opened)


def test_an_export_has_the_rollout_and_each_device_without_names() -> None:
    """A line for the rollout, one for each device; whose it was is told only if asked for."""
    result = type_in("export", "boilers-3-1")
    head, *devices = [json.loads(line) for line in result.stdout.splitlines()]

    assert result.exit_code == 0, result.output
    assert (head["job"], head["ending"], head["minutes"]) == ("boilers-3-1", "aborted", 10)
    assert len(devices) == DEVICES
    assert devices[0] == {"notified": 0, "started": 1, "ended": 5, "status": "FAILED"}
    assert "boiler-7" not in result.stdout
    assert "boiler-7" in type_in("export", "boilers-3-1", "--with-names").stdout


def test_an_export_can_be_replayed_from_its_file(in_a_folder_of_its_own: Path) -> None:
    """What export writes, replay reads: both sides in a table, and a page."""
    exported = type_in("export", "boilers-3-1", "--output", "boilers.jsonl")
    result = type_in("replay", "boilers.jsonl", "--policy", CAUTIOUS, "--runs", "1")

    assert exported.exit_code == result.exit_code == 0, result.output
    assert f"{DEVICES} devices of boilers-3-1" in exported.stderr
    assert "firmware\tcautious" in result.stdout
    assert "came to\taborted\taborted" in result.stdout
    assert "880 devices were never notified" in result.stdout
    assert (in_a_folder_of_its_own / "replay.html").is_file()


def test_a_rollout_is_replayed_from_the_account(in_a_folder_of_its_own: Path) -> None:
    """A job's id does in place of a file; without a policy it goes by its own."""
    result = type_in("replay", "boilers-3-1", "--no-page", "--json", "--runs", "1")
    printed = json.loads(result.stdout)

    assert result.exit_code == 0, result.output
    assert printed["happened"]["harmed"] == DEVICES // 4
    assert printed["replayed"]["policy"] == "firmware"
    assert printed["replayed"]["stopped_by"] == "rule"
    assert list(in_a_folder_of_its_own.iterdir()) == []


def test_a_job_without_a_rollout_is_not_found() -> None:
    """What is neither a file nor a rollout ends with 3."""
    assert type_in("replay", "kettles-1", "--no-page").exit_code == 3
    assert type_in("export", "kettles-1").exit_code == 3


def test_a_file_that_is_not_there_is_not_taken_for_a_job() -> None:
    """Where the name cannot be a job's id, no account is asked for one."""
    result = type_in("replay", "boilers-3-1.jsonl")

    assert result.exit_code == 2
    assert result.stderr.startswith("boilers-3-1.jsonl: the recording cannot be read: No such file")


def test_what_is_no_recording_is_refused(in_a_folder_of_its_own: Path) -> None:
    """A file of something else ends with 2, and says what to do."""
    (in_a_folder_of_its_own / "other.txt").write_text("no recording\n")
    result = type_in("replay", "other.txt")

    assert result.exit_code == 2
    assert "other.txt:1: no JSON object: write it with `tidegate export JOB`" in result.stderr


def events(*, counted: bool = True) -> str:
    """Return the events of a rollout that was stopped, as messages of a log."""
    key = {"jobId": "boilers-3-1", "rolloutId": f"boilers-3-1#{CREATED_AT}", "version": "1"}
    written: list[dict[str, Any]] = []

    def tell(kind: str, minutes: float, **members: object) -> None:
        at = datetime.fromtimestamp(CREATED_AT + 60 * minutes, UTC).isoformat()
        detail = {**key, "at": at, **members}
        written.append({"source": "tidegate", "detail-type": kind, "detail": detail})

    def evidence(devices: int) -> dict[str, Any]:
        counts = {"exposed": devices, "started": devices, "in_flight": 0, "harmed": 0}
        return {**counts, "counters_only": False}

    tell("Rollout Started", 0, policy="firmware")
    if counted:
        rate = {"jobExecutionsRolloutConfig": {"maximumPerMinute": 40}}
        tell("Rollout Steered", 1, verdict="proceed", settings=rate, evidence=evidence(40))
        tell("Rollout Aborted", 10, ending="aborted", evidence=evidence(DEVICES))
    for number in range(DEVICES):
        outcome = {
            "eventType": "JOB_EXECUTION",
            "eventId": str(number),
            "timestamp": CREATED_AT + 60 * (5 + number // 40),
            "operation": "any",
            "jobId": "boilers-3-1",
            "thingArn": f"arn:aws:iot:eu-central-1:111122223333:thing/boiler-{number}",
            "status": "SUCCEEDED" if number % 4 else "FAILED",
        }
        written.append(outcome)
    return json.dumps([json.dumps(each) for each in written])


def from_events(*arguments: str) -> Result:
    """Return what comes of a command line where no account is to be reached."""

    def opened(_: Access) -> Account:
        raise AssertionError

    return CliRunner().invoke(app, ["replay", "boilers-3-1", *arguments], obj=opened)


def test_a_rollout_is_replayed_from_its_events(in_a_folder_of_its_own: Path) -> None:
    """A file of events will do where AWS has forgotten the job; what is estimated says so."""
    (in_a_folder_of_its_own / "events.json").write_text(events())
    given = ("--events", "events.json", "--policy", str(FIRMWARE), "--runs", "1")
    result = from_events(*given)
    printed = json.loads(from_events(*given, "--no-page", "--json").stdout)

    assert result.exit_code == 0, result.output
    assert "firmware\tfirmware" in result.stdout
    assert "came to\taborted\taborted" in result.stdout
    assert f"When {DEVICES} devices were notified and started is estimated" in result.stdout
    assert "--events events.json" in (in_a_folder_of_its_own / "replay.html").read_text()
    assert printed["happened"]["estimated"] == DEVICES
    assert printed["happened"]["harmed"] == DEVICES // 4
    assert [each["rate_per_minute"] for each in printed["happened"]["told"]] == [40, 40]


def test_events_do_not_hold_the_policy(in_a_folder_of_its_own: Path) -> None:
    """Without the policy that is to decide there is nothing to replay under: it ends with 2."""
    (in_a_folder_of_its_own / "events.json").write_text(events())
    result = from_events("--events", "events.json")

    assert result.exit_code == 2
    assert "events name the policy firmware of boilers-3-1" in result.stderr
    assert "--policy" in result.stderr


def test_events_without_decisions_are_refused(in_a_folder_of_its_own: Path) -> None:
    """Outcomes alone do not tell how it went; where to get the rest is said."""
    (in_a_folder_of_its_own / "events.json").write_text(events(counted=False))
    result = from_events("--events", "events.json", "--policy", str(FIRMWARE))

    assert result.exit_code == 2
    assert f"only {DEVICES} outcomes of devices" in result.stderr
