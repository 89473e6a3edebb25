"""The embedded cloud behaves like AWS where Tidegate depends on it, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tidegate.local.cloud import CLOUD_PYTHON, LAUNCHER, REPOSITORY, EmbeddedCloud
from tidegate.local.deploy import deploy
from tidegate.local.devices import DeviceFleet
from tidegate.local.errors import LocalCloudError
from tidegate.local.fleet import Fleet, FleetMix, draw_things, register

pytestmark = pytest.mark.e2e

PATIENCE_SECONDS = 20.0
#: Far less than the minutes that something takes where they are not compressed.
FAST_SECONDS = 30.0
POLL_SECONDS = 0.05
T = TypeVar("T")
ROLE = "arn:aws:iam::111122223333:role/any"


@pytest.fixture(scope="module")
def cloud() -> Iterator[EmbeddedCloud]:
    """Start a cloud in which a minute takes a second."""
    with EmbeddedCloud(minute_seconds=1.0) as running:
        yield running


@pytest.fixture(scope="module")
def enforcing_cloud() -> Iterator[EmbeddedCloud]:
    """Start a cloud that holds requests against policies."""
    with EmbeddedCloud(enforce_iam=True) as running:
        yield running


@pytest.fixture
def fleet(cloud: EmbeddedCloud, request: pytest.FixtureRequest) -> Fleet:
    """Register ten things of the test's own."""
    name = request.node.name.partition("[")[0]
    return register(cloud.client("iot"), draw_things(10, prefix=name), group=name)


def eventually(look: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """Look until there is something to see; give what was seen last."""
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return seen


def counts(cloud: EmbeddedCloud, job_id: str) -> dict[str, int]:
    """Count a job's executions by status, without the statuses nobody has."""
    job = cloud.client("iot").describe_job(jobId=job_id)["job"]
    return {
        name.removeprefix("numberOf").removesuffix("Things"): number
        for name, number in job["jobProcessDetails"].items()
        if number
    }


# --- starting and ending --------------------------------------------------------------------


def launch(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher as it is, to its end."""
    command = [str(CLOUD_PYTHON), "-P", str(LAUNCHER), "--port", "4566", *options]
    return subprocess.run(
        [*command, "--account", "111122223333", "--region", "us-east-1", "--check"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def test_every_wrapped_name_is_there() -> None:
    """An upgrade that moves what the launcher depends on fails here first."""
    checked = launch()

    assert (checked.returncode, checked.stderr) == (0, "")


def test_another_ministack_is_refused(tmp_path: Path) -> None:
    """An upgrade by accident ends with one line that says what to do, not with odd behaviour."""
    metadata = tmp_path / "ministack-1.6.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: ministack\nVersion: 1.6.0\n")

    refused = launch(PYTHONPATH=str(tmp_path))

    assert refused.returncode == 2
    assert refused.stderr == (
        "embedded cloud: MiniStack 1.6.0 is installed, but only 1.5.33 is supported: "
        "run `make setup`\n"
    )


def test_a_busy_port_is_said_at_once(cloud: EmbeddedCloud) -> None:
    """A second cloud on the port of the first names the port instead of hanging."""
    port = int(cloud.endpoint_url.rpartition(":")[2])

    with (
        pytest.raises(LocalCloudError, match=f"port {port} .*choose another port"),
        EmbeddedCloud(port=port),
    ):
        pytest.fail("it must not start")


def listening_addresses(group: int) -> set[str]:
    """Find the addresses on which the processes of a group listen, by what Linux says."""
    inodes = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == group:
                inodes |= {os.readlink(file) for file in (process / "fd").iterdir()}  # noqa: PTH115
        except (ProcessLookupError, FileNotFoundError):
            continue  # it ended meanwhile
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path("/proc/net", table).read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
def test_it_listens_on_loopback_alone(cloud: EmbeddedCloud) -> None:
    """Nobody else on the network can reach the embedded cloud."""
    assert cloud._process is not None
    cloud.client("iot").describe_endpoint()
    port = int(cloud.endpoint_url.rpartition(":")[2])

    assert listening_addresses(cloud._process.pid) == {f"0100007F:{port:04X}"}


def test_nothing_is_left_after_it_ends() -> None:
    """The process, its port and its folder are gone, and a check says so."""
    with EmbeddedCloud() as cloud:
        process, directory = cloud._process, cloud.directory
        assert (directory / "tmp").is_dir()

    assert process is not None
    assert process.returncode is not None
    assert not directory.exists()
    with pytest.raises(LocalCloudError, match="the embedded cloud stopped"):
        cloud.check()


def test_dying_while_it_runs_is_told_with_the_log() -> None:
    """Whoever waits for something learns that the cloud is gone, and where to read why."""
    with pytest.raises(LocalCloudError) as told, EmbeddedCloud() as cloud:  # noqa: PT012
        cloud.check()
        assert cloud._process is not None
        cloud._process.kill()
        cloud._process.wait()
        cloud.check()

    assert f"the embedded cloud stopped; its log is at {cloud.log_path}" in str(told.value)
    assert cloud.log_path.is_file()
    assert not cloud.temporary_directory.exists()
    cloud.log_path.unlink()
    cloud.directory.rmdir()


PARENT = """
import time
from tidegate.local.cloud import EmbeddedCloud
with EmbeddedCloud() as cloud:
    print(cloud._process.pid, cloud.directory, flush=True)
    time.sleep(60)
"""


def group_exists(group: int) -> bool:
    """Tell whether any process of a group is left, zombies aside."""
    for process in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = process.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if int(of) == group and state != "Z":
            return True
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_nothing_is_left_after_its_parent_was_killed() -> None:
    """A parent that cannot clean up leaves neither a process nor a folder."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        group, _, directory = parent.stdout.readline().strip().partition(" ")
        assert group_exists(int(group))
        parent.send_signal(signal.SIGKILL)

    assert eventually(lambda: not group_exists(int(group)))
    assert not Path(directory).exists()


# --- AWS IoT Jobs ---------------------------------------------------------------------------


def test_minutes_are_compressed(cloud: EmbeddedCloud, fleet: Fleet) -> None:
    """A rate of 3 per minute notifies 3, 6, 9 and then all 10 things, a second apart."""
    started = time.monotonic()
    cloud.client("iot").create_job(
        jobId="rate",
        targets=[fleet.group_arn],
        document="{}",
        jobExecutionsRolloutConfig={"maximumPerMinute": 3},
    )
    seen = [counts(cloud, "rate")["Queued"]]

    def finished() -> bool:
        now = counts(cloud, "rate")["Queued"]
        if now != seen[-1]:
            seen.append(now)
        return now == 10

    assert eventually(finished)
    assert (seen[0], seen[-1]) == (3, 10)
    assert set(seen) <= {3, 6, 9, 10}  # on a busy machine a look may come too late for one
    assert 2.5 <= time.monotonic() - started <= FAST_SECONDS


def test_a_continuous_job_with_a_rate_queues_each_thing_once(
    cloud: EmbeddedCloud, fleet: Fleet
) -> None:
    """A thing has one open execution of a job, so that counts are counts of devices."""
    cloud.client("iot").create_job(
        jobId="continuous",
        targets=[fleet.group_arn],
        targetSelection="CONTINUOUS",
        document="{}",
        jobExecutionsRolloutConfig={"maximumPerMinute": 5},
    )

    assert eventually(lambda: counts(cloud, "continuous")["Queued"] >= 10)
    assert counts(cloud, "continuous") == {"Queued": 10}


def test_executions_time_out_unprompted_and_say_so(cloud: EmbeddedCloud, fleet: Fleet) -> None:
    """A device that falls silent becomes an event on the queue, though nobody asks about it."""
    iot, sqs = cloud.client("iot"), cloud.client("sqs")
    queue = sqs.create_queue(QueueName="outcomes")["QueueUrl"]
    iot.update_event_configurations(eventConfigurations={"JOB_EXECUTION": {"Enabled": True}})
    iot.create_topic_rule(
        ruleName="outcomes",
        topicRulePayload={
            "sql": "SELECT * FROM '$aws/events/jobExecution/silence/#'",
            "awsIotSqlVersion": "2016-03-23",
            "actions": [{"sqs": {"roleArn": ROLE, "queueUrl": queue, "useBase64": False}}],
        },
    )
    iot.create_job(
        jobId="silence",
        targets=[fleet.group_arn],
        document="{}",
        timeoutConfig={"inProgressTimeoutInMinutes": 1},
    )
    taken = fleet.names[0]
    cloud.client("iot-jobs-data").start_next_pending_job_execution(thingName=taken)

    messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]

    event = json.loads(messages[0]["Body"])
    assert len(messages) == 1
    assert (event["operation"], event["status"]) == ("timed_out", "TIMED_OUT")
    assert event["thingArn"].endswith(f":thing/{taken}")


def test_who_joins_the_group_of_a_continuous_job_gets_it(cloud: EmbeddedCloud) -> None:
    """A device that finishes late can be added to a rollback that is under way."""
    iot = cloud.client("iot")
    names = [thing.name for thing in draw_things(2, prefix="joiner")]
    group_arn = register(iot, draw_things(1, prefix="joiner"), group="joiners").group_arn
    iot.create_job(
        jobId="open-end", targets=[group_arn], targetSelection="CONTINUOUS", document="{}"
    )
    assert counts(cloud, "open-end") == {"Queued": 1}

    iot.create_thing(thingName=names[1])
    iot.add_thing_to_thing_group(thingGroupName="joiners", thingName=names[1])

    assert eventually(lambda: counts(cloud, "open-end") == {"Queued": 2})


# --- CloudWatch and Systems Manager ---------------------------------------------------------


def test_an_alarm_that_changes_is_told_on_the_default_bus(cloud: EmbeddedCloud) -> None:
    """Whoever listens to the account learns that an alarm is in another state than before."""
    events, sqs, cloudwatch = (cloud.client(name) for name in ("events", "sqs", "cloudwatch"))
    queue = sqs.create_queue(QueueName="alarm-changes")["QueueUrl"]
    names = ["QueueArn"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}
    events.put_rule(Name="alarms", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="alarms", Targets=[{"Id": "queue", "Arn": arn}])
    cloudwatch.put_metric_alarm(
        AlarmName="smoke",
        Namespace="lab",
        MetricName="smoke",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    for _ in range(2):
        cloudwatch.set_alarm_state(AlarmName="smoke", StateValue="ALARM", StateReason="drill")

    (message,) = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)[
        "Messages"
    ]
    detail = json.loads(message["Body"])["detail"]
    assert (detail["alarmName"], detail["state"]["value"]) == ("smoke", "ALARM")


def test_parameters_stand_for_change_calendars(cloud: EmbeddedCloud) -> None:
    """A calendar is open or closed as the parameter of its name says, and else does not exist."""
    ssm = cloud.client("ssm")
    for name, state in (("weekdays", "OPEN"), ("holidays", "CLOSED")):
        ssm.put_parameter(Name=name, Value=state, Type="String")
    arn = "arn:aws:ssm:us-east-1:111122223333:document/holidays"

    assert ssm.get_calendar_state(CalendarNames=["weekdays"])["State"] == "OPEN"
    assert ssm.get_calendar_state(CalendarNames=[arn])["State"] == "CLOSED"
    assert ssm.get_calendar_state(CalendarNames=["weekdays", arn])["State"] == "CLOSED"
    with pytest.raises(ssm.exceptions.InvalidDocument):
        ssm.get_calendar_state(CalendarNames=["weekdays", "nowhere"])


# --- Step Functions and Lambda --------------------------------------------------------------


def run_machine(cloud: EmbeddedCloud, name: str, states: dict[str, Any]) -> dict[str, Any]:
    """Run a JSONata state machine that begins with its state `Begin`; give its outcome."""
    stepfunctions = cloud.client("stepfunctions")
    definition = {"QueryLanguage": "JSONata", "StartAt": "Begin", "States": states}
    machine = stepfunctions.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=ROLE
    )["stateMachineArn"]
    execution = stepfunctions.start_execution(stateMachineArn=machine)["executionArn"]

    def ended() -> dict[str, Any] | None:
        described: dict[str, Any] = stepfunctions.describe_execution(executionArn=execution)
        return None if described["status"] == "RUNNING" else described

    described = eventually(ended)
    assert described is not None, f"{name} did not end"
    return described


def parked(timeout: object, queue: str) -> dict[str, Any]:
    """Define states that wait for a token which nobody returns."""
    return {
        "Begin": {"Type": "Pass", "Assign": {"patience": 2}, "Next": "Park"},
        "Park": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Arguments": {
                "QueueUrl": queue,
                "MessageBody": "{% $states.context.Task.Token %}",
            },
            "TimeoutSeconds": timeout,
            "Catch": [
                {
                    "ErrorEquals": ["States.Timeout", "States.QueryEvaluationError"],
                    "Output": "{% $states.errorOutput.Error %}",
                    "Next": "End",
                }
            ],
            "End": True,
        },
        "End": {"Type": "Succeed"},
    }


@pytest.fixture(scope="module")
def tokens(cloud: EmbeddedCloud) -> str:
    """Create a queue for task tokens."""
    url: str = cloud.client("sqs").create_queue(QueueName="tokens")["QueueUrl"]
    return url


def test_waits_go_by_the_fast_minute(cloud: EmbeddedCloud) -> None:
    """Who waits for what happens in minutes of a rollout waits as much less as those take."""
    started = time.monotonic()
    begin = {"Type": "Wait", "Seconds": "{% 30 * 2 %}", "Next": "End"}

    ended = run_machine(cloud, "waiting", {"Begin": begin, "End": {"Type": "Succeed"}})

    assert ended["status"] == "SUCCEEDED"
    assert 1.0 <= time.monotonic() - started <= FAST_SECONDS


def test_a_waiting_token_times_out_after_computed_seconds(
    cloud: EmbeddedCloud, tokens: str
) -> None:
    """A workflow that waits until its next review goes on then, by a timeout it has computed."""
    started = time.monotonic()

    ended = run_machine(cloud, "patient", parked("{% $patience - 1 %}", tokens))

    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", "States.Timeout")
    assert 1.0 <= time.monotonic() - started <= FAST_SECONDS


@pytest.mark.parametrize(
    ("name", "timeout"),
    [
        ("zero", "{% $patience - 2 %}"),
        ("fraction", "{% $patience / 4 %}"),
        ("text", "{% 'soon' %}"),
        ("undefined", "{% $nobody %}"),
    ],
)
def test_a_timeout_that_aws_refuses_fails_here_too(
    cloud: EmbeddedCloud, tokens: str, name: str, timeout: str
) -> None:
    """A computed timeout that works here works in AWS; any other fails as it would there."""
    ended = run_machine(cloud, name, parked(timeout, tokens))

    assert json.loads(ended["output"]) == "States.QueryEvaluationError"


FUNCTION = """
import boto3
class RolloutGone(Exception):
    pass
def handler(event, context):
    if event["answer_first"]:
        boto3.client("stepfunctions").send_task_success(
            taskToken=event["token"], output='"answered"')
    raise RolloutGone("no such rollout")
"""


@pytest.fixture(scope="module")
def failing_function(cloud: EmbeddedCloud) -> str:
    """Create a function that raises, after it answered if so asked."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("index.py", FUNCTION)
    name: str = cloud.client("lambda").create_function(
        FunctionName="failing",
        Runtime="python3.13",
        Handler="index.handler",
        Role=ROLE,
        Timeout=10,
        Code={"ZipFile": archive.getvalue()},
    )["FunctionName"]
    return name


@pytest.mark.parametrize(
    ("answer_first", "outcome"),
    [(False, {"Error": "RolloutGone", "Message": "no such rollout"}), (True, "answered")],
)
def test_a_function_that_fails_fails_the_task_it_was_to_answer(
    cloud: EmbeddedCloud, failing_function: str, answer_first: object, outcome: object
) -> None:
    """The task fails with the class that was raised, unless the token was returned before."""
    states = {
        "Begin": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Arguments": {
                "FunctionName": failing_function,
                "Payload": {
                    "token": "{% $states.context.Task.Token %}",
                    "answer_first": answer_first,
                },
            },
            "TimeoutSeconds": 15,
            "Catch": [
                {
                    "ErrorEquals": ["RolloutGone"],
                    "Output": {
                        "Error": "{% $states.errorOutput.Error %}",
                        "Message": "{% $parse($states.errorOutput.Cause).errorMessage %}",
                    },
                    "Next": "End",
                }
            ],
            "End": True,
        },
        "End": {"Type": "Succeed"},
    }

    ended = run_machine(cloud, f"failing-{answer_first}", states)

    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", outcome)


# --- devices --------------------------------------------------------------------------------


def test_a_fleet_takes_a_job_to_its_end_with_the_expected_mix(cloud: EmbeddedCloud) -> None:
    """Forty devices fare exactly as drawn, though they are throttled, slow, silent or at odds."""
    iot = cloud.client("iot", connections=4)
    fleet = register(iot, draw_things(40, prefix="mix"), group="mix")
    mix = FleetMix(
        failing=0.2, rejecting=0.1, silent=0.1, failing_by_hardware={"B": 0.6}, slow_factor=2.0
    )
    drawn = Counter(mix.draw(7, thing, "mix").outcome.value for thing in fleet.things)
    assert len(drawn) == 4

    with DeviceFleet(cloud, fleet.things, {"2.0.0": mix}, seed=7) as devices:
        iot.create_job(
            jobId="mix",
            targets=[fleet.group_arn],
            document=json.dumps({"version": "2.0.0"}),
            jobExecutionsRolloutConfig={"maximumPerMinute": 25},
            timeoutConfig={"inProgressTimeoutInMinutes": 6},
        )

        def completed() -> bool:
            devices.check()
            return bool(iot.describe_job(jobId="mix")["job"]["status"] == "COMPLETED")

        assert eventually(completed)

    assert counts(cloud, "mix") == {
        "Succeeded": drawn["SUCCEEDED"],
        "Failed": drawn["FAILED"],
        "Rejected": drawn["REJECTED"],
        "TimedOut": drawn["SILENT"],
    }


def test_failed_devices_say_why_and_from_where(cloud: EmbeddedCloud, fleet: Fleet) -> None:
    """Evidence by cohort comes from what devices report: the versions, and the reason."""
    iot = cloud.client("iot")
    mix = FleetMix(failing=1.0, start_delay_minutes=(0.0, 0.0), duration_minutes=(0.1, 0.1))
    thing = fleet.things[0]
    with DeviceFleet(cloud, fleet.things, {"2.1.0": mix}):
        arn = f"arn:aws:iot:{cloud.region}:{cloud.account_id}:thing/{thing.name}"
        iot.create_job(jobId="why", targets=[arn], document='{"version": "2.1.0"}')
        assert eventually(lambda: counts(cloud, "why") == {"Failed": 1})

    execution = iot.describe_job_execution(jobId="why", thingName=thing.name)["execution"]
    assert execution["statusDetails"]["detailsMap"] == {
        "fromVersion": thing.firmware,
        "toVersion": "2.1.0",
        "reason": mix.draw(0, thing, "why").reason,
    }


def test_a_device_gives_way_to_whoever_changed_its_execution(
    cloud: EmbeddedCloud, fleet: Fleet
) -> None:
    """What was ended meanwhile stays ended; what was only touched is answered all the same."""
    iot, data = cloud.client("iot"), cloud.client("iot-jobs-data")
    ended, touched, *_ = fleet.names
    mix = FleetMix(start_delay_minutes=(0.0, 0.0), duration_minutes=(2.0, 2.0), progress=0.0)
    with DeviceFleet(cloud, fleet.things, {"2.2.0": mix}) as devices:
        prefix = f"arn:aws:iot:{cloud.region}:{cloud.account_id}:thing/"
        iot.create_job(
            jobId="way",
            targets=[prefix + ended, prefix + touched],
            document='{"version": "2.2.0"}',
        )
        assert eventually(lambda: counts(cloud, "way") == {"InProgress": 2})
        data.update_job_execution(jobId="way", thingName=ended, status="FAILED")
        data.update_job_execution(jobId="way", thingName=touched, status="IN_PROGRESS")
        assert eventually(lambda: counts(cloud, "way") == {"Failed": 1, "Succeeded": 1})
        devices.check()


def test_devices_that_lose_their_cloud_say_so() -> None:
    """A fleet that can go on no longer is told of, with the reason, and not mistaken for calm."""
    with pytest.raises(LocalCloudError, match="the embedded cloud stopped; its log is at"):  # noqa: PT012, SIM117
        with EmbeddedCloud(minute_seconds=1.0) as cloud:
            with DeviceFleet(cloud, draw_things(1), {}) as devices:
                assert cloud._process is not None
                cloud._process.kill()
                eventually(lambda: devices._agenda.failure is not None)
                devices.check()
    cloud.log_path.unlink()
    cloud.directory.rmdir()


# --- IAM and deployments --------------------------------------------------------------------


ROLE_AT_WORK = """
import boto3
boto3.client("s3").put_object(Bucket="sealed", Key="letter", Body=b"")
print("stored")
boto3.client("iot").list_things()
"""


def test_enforced_policies_hold_but_loopback_counts_as_tls(
    enforcing_cloud: EmbeddedCloud,
) -> None:
    """A role may do what its policy says and no more; TLS-only buckets accept loopback."""
    s3, iam, sts = (enforcing_cloud.client(service) for service in ("s3", "iam", "sts"))

    def policy(**statement: object) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": statement})

    objects = "arn:aws:s3:::sealed/*"
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    s3.create_bucket(Bucket="sealed")
    s3.put_bucket_policy(
        Bucket="sealed",
        Policy=policy(
            Effect="Deny", Principal="*", Action="s3:*", Resource=objects, Condition=plain
        ),
    )
    role = iam.create_role(
        RoleName="writer",
        AssumeRolePolicyDocument=policy(
            Effect="Allow",
            Principal={"AWS": enforcing_cloud.account_id},
            Action="sts:AssumeRole",
        ),
    )["Role"]
    iam.put_role_policy(
        RoleName="writer",
        PolicyName="write",
        PolicyDocument=policy(Effect="Allow", Action="s3:PutObject", Resource=objects),
    )
    session = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="one")["Credentials"]
    as_role = {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }

    at_work = subprocess.run(
        [sys.executable, "-c", ROLE_AT_WORK],
        env=enforcing_cloud.environment() | as_role,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )

    assert at_work.stdout == "stored\n", at_work.stderr
    assert "AccessDenied" in at_work.stderr


def test_an_application_is_deployed_under_enforced_policies(
    enforcing_cloud: EmbeddedCloud,
) -> None:
    """The real CDK bootstraps and deploys, with the context given, and its outputs come back."""
    application = Path(__file__).with_name("tiny_app")

    outputs = deploy(enforcing_cloud, context={"queue": "hello"}, directory=application)

    assert outputs == {"Tiny": {"QueueName": "hello"}}
    queues = enforcing_cloud.client("sqs").list_queues()["QueueUrls"]
    assert [url.rpartition("/")[2] for url in queues] == ["hello"]
    assert not (application / "cdk.out").exists()


def test_a_failed_deployment_shows_its_last_lines(cloud: EmbeddedCloud, tmp_path: Path) -> None:
    """Whoever deploys sees what went wrong, and where to read all of it."""
    cdk = tmp_path / "cdk"
    cdk.write_text("#!/bin/sh\necho the stack would not have it\nexit 3\n")
    cdk.chmod(0o755)

    with pytest.raises(LocalCloudError) as told:
        deploy(cloud, context={}, directory=tmp_path, cdk=cdk)

    assert str(told.value) == (
        f"`cdk bootstrap` failed with 3; its log is at {cloud.directory / 'cdk.log'} and ends:\n"
        "the stack would not have it"
    )
