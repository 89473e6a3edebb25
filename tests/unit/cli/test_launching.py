"""``tidegate launch`` and ``tidegate enroll``: what is sent, and when a rollout has begun."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.samples import NOW
from tests.unit.cli.desk import Desk
from tidegate.domain.turn import Turn
from tidegate.service.names import execution_name

JOB = "firmware-8"
GROUP = "arn:aws:iot:eu-central-1:111122223333:thinggroup/pumps"
EXECUTION = execution_name(JOB, "event-1")


@pytest.fixture
def desk() -> Desk:
    """Return an account without rollouts."""
    return Desk()


@pytest.fixture
def document(tmp_path: Path) -> str:
    """Return the path of a job document."""
    path = tmp_path / "document.json"
    path.write_text('{"operation": "update"}')
    return str(path)


def begins(desk: Desk) -> Callable[[], None]:
    """Return what the workflow does once it runs."""

    def enroll() -> None:
        assert EXECUTION in desk.workflow.started
        desk.enroll(JOB, execution_arn=desk.workflow.arn(EXECUTION))

    return enroll


def test_a_launch_is_done_when_its_rollout_is_there(desk: Desk, document: str) -> None:
    """The command carries what CreateJob needs; success means that the job is steered."""
    desk.later = [begins(desk)]
    result = desk.type_in(
        *("launch", JOB, "--policy", "firmware", "--group", "pumps", "--document", document),
        *("--thing", "pump-1", "--description", "for all", "--tag", "team=pumps", "--continuous"),
    )

    assert result.exit_code == 0, result.stderr
    assert result.stdout == "firmware-8 is rolling out for 1,000 devices under policy firmware\n"
    ((command, detail),) = desk.sent
    assert command == "Launch Rollout"
    assert detail == {
        "version": "1",
        "jobId": JOB,
        "policy": "firmware",
        "targets": [GROUP, "arn:aws:iot:eu-central-1:111122223333:thing/pump-1"],
        "document": '{"operation": "update"}',
        "description": "for all",
        "targetSelection": "CONTINUOUS",
        "tags": [{"Key": "team", "Value": "pumps"}],
    }


def test_an_enrolment_is_done_when_its_rollout_is_there(desk: Desk) -> None:
    """--json tells the job's creation too, as --created-at takes it to tell rollouts apart."""
    desk.later = [begins(desk)]
    result = desk.type_in("enroll", JOB, "--policy", "firmware", "--json")

    told = json.loads(result.stdout)
    assert (told["command"], told["outcome"]) == ("Enroll Job", "done")
    explained = desk.type_in("explain", JOB, "--created-at", told["created_at"], "--json")
    assert json.loads(explained.stdout)["rollout"]["created_at"] == told["created_at"]


def test_a_refused_enrolment_tells_the_workflows_reason(desk: Desk) -> None:
    """What only the workflow finds out reaches whoever typed, not only those who get mails."""
    desk.failures[EXECUTION] = "there is no policy 'nope': create the parameter"
    result = desk.type_in("enroll", JOB, "--policy", "nope")

    assert result.exit_code == 1
    assert result.stderr == (
        "Enroll Job of job firmware-8 is refused: there is no policy 'nope': create the parameter\n"
    )


def test_scripts_get_the_workflows_reason_as_a_document(desk: Desk) -> None:
    """As of any other refused command: the outcome and the problem, and the exit status."""
    desk.failures[EXECUTION] = "there is no policy 'nope': create the parameter"
    result = desk.type_in("enroll", JOB, "--policy", "nope", "--json")
    told = json.loads(result.stdout)

    assert result.exit_code == 1
    assert (told["outcome"], told["remedy"]) == ("refused", None)
    assert told["problem"] == "there is no policy 'nope': create the parameter"


def test_an_older_rollout_of_the_job_is_not_the_one_waited_for(desk: Desk) -> None:
    """Ids are reusable: only the rollout that this very command began is its success."""
    desk.enroll(JOB)
    result = desk.type_in("enroll", JOB, "--policy", "firmware", "--timeout", "5")

    assert result.exit_code == 5
    assert "has begun, but no rollout is there after 5 s: look at the execution" in result.stderr


def test_a_launch_without_what_it_needs_is_told_before_it_is_sent(desk: Desk) -> None:
    """All that is missing is named at once."""
    result = desk.type_in("launch", JOB, "--policy", "firmware")

    assert result.exit_code == 2
    assert "give --group, --thing or --target" in result.stderr
    assert "one of --document, --document-source and --job-template is needed" in result.stderr
    assert desk.sent == []


def test_further_members_come_from_a_file(desk: Desk, tmp_path: Path) -> None:
    """What there is no option for stands in JSON; an option comes before the same member."""
    path = tmp_path / "members.json"
    members = {
        "jobId": JOB,
        "targets": [GROUP],
        "documentSource": "https://s3.eu-central-1.amazonaws.com/releases/8.json",
        "description": "from the file",
        "timeoutConfig": {"inProgressTimeoutInMinutes": 10},
    }
    path.write_text(json.dumps(members))
    result = desk.type_in(
        *("launch", JOB, "--policy", "firmware", "--input", str(path)),
        *("--description", "from the option", "--no-wait"),
    )

    assert result.exit_code == 0, result.stderr
    ((_, detail),) = desk.sent
    told = {**members, "version": "1", "policy": "firmware", "description": "from the option"}
    assert detail == told


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("[1]", "holds a list: write an object with members of CreateJob"),
        ("{", "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON: it is nested too deep"),
        ('{"jobId": "other"}', "has another jobId than firmware-8: leave it out there"),
    ],
)
def test_a_file_that_is_no_launch_is_refused(
    desk: Desk, tmp_path: Path, written: str, told: str
) -> None:
    """The file is named, and what to mend in it."""
    path = tmp_path / "members.json"
    path.write_text(written)
    result = desk.type_in("launch", JOB, "--policy", "firmware", "--input", str(path))

    assert result.exit_code == 2
    assert told in result.stderr
    assert str(path) in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--tag", "team", '--tag is "team": write KEY=VALUE'),
        ("--policy", "no name", '--policy is "no name": give a policy\'s name'),
    ],
)
def test_an_option_that_is_written_wrongly_is_named(
    desk: Desk, option: str, value: str, told: str
) -> None:
    """The message has the option, its value and what to write."""
    result = desk.type_in("launch", JOB, "--policy", "firmware", option, value)

    assert result.exit_code == 2
    assert told in result.stderr


def test_a_launch_that_waits_for_others_says_so_at_once(desk: Desk) -> None:
    """Nobody waits at a terminal for days: it begins by itself, and can be given up."""
    arn = f"arn:aws:states:eu-central-1:111122223333:execution:tidegate:{EXECUTION}"
    turn = Turn(JOB, arn, "firmware", ("firmware-7",), NOW)
    desk.ledger.write_turn(turn, previous=None)
    result = desk.type_in("enroll", JOB, "--policy", "firmware")

    assert result.exit_code == 5
    assert "waits for its turn behind firmware-7" in result.stderr
    assert "`tidegate abort firmware-8`" in result.stderr
    assert desk.clock.now() == NOW + 60

    given_up = desk.type_in("abort", JOB, "--reason", "wrong image")
    assert given_up.stdout == "the launch of firmware-8 is given up\n"
    assert [each["jobId"] for each in desk.bus.details("Launch Given Up")] == [JOB]  # type: ignore[index]
