"""What AWS IoT Jobs does, in memory as in the embedded cloud."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import count, islice
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tidegate.adapters.aws import jobs as aws_jobs
from tidegate.adapters.aws.jobs import IotJobs
from tidegate.adapters.aws.variables import Variables
from tidegate.adapters.job_requests import COMMENT_LENGTH_MAX
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.domain.jobs import ExecutionStatus, JobCounts, JobStatus, LaunchRequest
from tidegate.domain.settings import (
    AbortCriterion,
    ExponentialRate,
    FailureType,
    JobSettings,
    RetryCriterion,
    RolloutRate,
)
from tidegate.errors import NotFound, Refused
from tidegate.ports import POLICY_TAG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot_jobs_data import IoTJobsDataPlaneClient

    from tests.contract.samples import Cloud
    from tidegate.ports import Jobs

PAGE_SIZE = 2
_WORLDS = count()

#: Long enough for the next report to carry a later time.
TICK_SECONDS = 0.02


class World(Protocol):
    """Jobs, with things to target and devices that report."""

    jobs: Jobs
    #: Whether jobs wait for the time that they are to start at; the embedded cloud begins at once.
    schedules: bool

    def name(self, short: str) -> str:
        """Return a name that no other test uses."""

    def thing(self, short: str) -> str:
        """Return the ARN of a thing that exists from now on."""

    def gone(self, short: str) -> str:
        """Return the name of a thing that does not exist."""

    def group(self, short: str, members: Sequence[str]) -> str:
        """Return the ARN of a thing group that holds these things, given by ARN, from now on."""

    def notify(self, job_id: str, *things: str) -> None:
        """Let things have the job, and do nothing about it."""

    def report(self, job_id: str, thing_arn: str, status: str) -> None:
        """Let a device report on its execution."""

    def now(self) -> float:
        """Return the time in epoch seconds."""

    def events(self) -> dict[str, bool]:
        """Return which kinds of events the account publishes."""


class InMemory:
    """The model in memory."""

    schedules = True

    def __init__(self) -> None:
        self.clock = ManualClock(1_700_000_000.5)
        self.memory = MemoryJobs(self.clock, page_size=PAGE_SIZE)
        self.memory.events = {"JOB": False, "JOB_EXECUTION": False, "THING": False}
        self.jobs: Jobs = self.memory

    def name(self, short: str) -> str:
        """Return the name as it is."""
        return short

    def thing(self, short: str) -> str:
        """Name a thing: any exists."""
        return f"arn:aws:iot:eu-central-1:111122223333:thing/{short}"

    def gone(self, short: str) -> str:
        """Take a thing away."""
        self.memory.unregistered.add(short)
        return short

    def group(self, short: str, members: Sequence[str]) -> str:
        """Set a group."""
        self.memory.groups[short] = {arn.partition(":thing/")[2] for arn in members}
        return f"arn:aws:iot:eu-central-1:111122223333:thinggroup/{short}"

    def notify(self, job_id: str, *things: str) -> None:
        """Queue their executions."""
        for thing in things:
            self.report(job_id, thing, "QUEUED")

    def report(self, job_id: str, thing_arn: str, status: str) -> None:
        """Report a second later."""
        self.clock.advance(1)
        thing_name = thing_arn.partition(":thing/")[2]
        self.memory.report(job_id, thing_name, ExecutionStatus(status))

    def now(self) -> float:
        """Look."""
        return self.clock.now()

    def events(self) -> dict[str, bool]:
        """Look."""
        return dict(self.memory.events)


class InTheCloud:
    """AWS IoT Jobs as the embedded cloud runs it."""

    schedules = False

    def __init__(self, cloud: Cloud) -> None:
        self._suffix = f"-{next(_WORLDS)}"
        self._iot: IoTClient = cloud.client("iot")
        self._devices: IoTJobsDataPlaneClient = cloud.client("iot-jobs-data")
        variables = {"AWS_REGION": cloud.region, "TIDEGATE_ACCOUNT_ID": cloud.account_id}
        self.jobs: Jobs = IotJobs(self._iot, Variables(variables))

    def name(self, short: str) -> str:
        """Make the name this world's own."""
        return short + self._suffix

    def thing(self, short: str) -> str:
        """Register a thing."""
        return self._iot.create_thing(thingName=self.name(short))["thingArn"]

    def gone(self, short: str) -> str:
        """Name a thing without registering it."""
        return self.name(short)

    def group(self, short: str, members: Sequence[str]) -> str:
        """Make a group and put its things in."""
        group = self._iot.create_thing_group(thingGroupName=self.name(short))
        for arn in members:
            self._iot.add_thing_to_thing_group(
                thingGroupName=self.name(short), thingName=arn.partition(":thing/")[2]
            )
        return group["thingGroupArn"]

    def notify(self, job_id: str, *things: str) -> None:
        """Leave it to the cloud, which notifies all at once where no rate is set."""

    def report(self, job_id: str, thing_arn: str, status: str) -> None:
        """Report as a device does."""
        time.sleep(TICK_SECONDS)
        self._devices.update_job_execution(
            jobId=job_id,
            thingName=thing_arn.partition(":thing/")[2],
            status=status,  # type: ignore[arg-type]
        )

    def now(self) -> float:
        """Look."""
        return time.time()

    def events(self) -> dict[str, bool]:
        """Ask."""
        answer: Any = self._iot.describe_event_configurations()
        return {kind: each["Enabled"] for kind, each in answer["eventConfigurations"].items()}


@pytest.fixture(params=["memory", pytest.param("cloud", marks=pytest.mark.e2e)])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    """Provide a world of each kind, with small pages."""
    if request.param == "memory":
        return InMemory()
    monkeypatch.setattr(aws_jobs, "PAGE_SIZE", PAGE_SIZE)
    return InTheCloud(request.getfixturevalue("cloud"))


SETTINGS = JobSettings(
    rollout=RolloutRate(1000, ExponentialRate(100, 1.5, notified_things=50)),
    abort=(AbortCriterion(FailureType.FAILED, 12.5, 25),),
    timeout_minutes=30,
    retries=(RetryCriterion(FailureType.TIMED_OUT, 2),),
    description="as asked",
)
TAGS = {POLICY_TAG: "firmware", "tidegate:by": "zoe"}


def request_for(world: World, targets: Sequence[str], **changes: Any) -> LaunchRequest:  # noqa: ANN401
    """Return a request to launch a job."""
    request = LaunchRequest(
        job_id=world.name("job"),
        targets=tuple(targets),
        settings=SETTINGS,
        passed_through={"document": json.dumps({"version": 7})},
        tags=TAGS,
    )
    return replace(request, **changes)


def launched(world: World, *things: str, settings: JobSettings | None = None) -> str:
    """Launch a job that reaches its things at once; each has begun by the time it returns."""
    request = request_for(world, things, settings=settings or JobSettings())
    world.jobs.create(request)
    for thing in things:
        world.report(request.job_id, thing, "IN_PROGRESS")
    return request.job_id


def newest(world: World, job_id: str) -> dict[str, str]:
    """Return each thing's status, newest-updated first."""
    return {
        row.thing_name: row.status.value for page in world.jobs.executions(job_id) for row in page
    }


def named(world: World, *shorts: str) -> frozenset[str]:
    """Return the names of things."""
    return frozenset(map(world.name, shorts))


# describing and creating


def test_a_job_is_described_as_it_was_launched(world: World) -> None:
    """Settings, targets, tags and ARN of a new job are what was asked for."""
    targets = [world.thing("a:b"), world.thing("c")]
    before = int(world.now())

    arn = world.jobs.create(request_for(world, targets))

    job = world.jobs.describe(world.name("job"))
    assert (job.job_id, job.arn, job.arn) == (world.name("job"), arn, world.jobs.arn(job.job_id))
    assert job.status is JobStatus.IN_PROGRESS
    assert job.settings == SETTINGS
    assert set(job.targets) == set(targets)
    assert not job.is_continuous
    assert isinstance(job.created_at, int)
    assert 0 <= job.created_at - before <= 60
    assert world.jobs.tags(arn) == TAGS


def test_a_job_can_be_continuous(world: World) -> None:
    """Members that Tidegate does not read reach AWS all the same."""
    through = {"document": "{}", "targetSelection": "CONTINUOUS"}

    world.jobs.create(request_for(world, [world.thing("a")], passed_through=through))

    assert world.jobs.describe(world.name("job")).is_continuous


def test_a_job_can_start_later(world: World) -> None:
    """A time to start at makes the job wait for it; it is UTC, to the minute."""
    schedule = {"startTime": time.strftime("%Y-%m-%dT%H:%M", time.gmtime(world.now() + 7200))}
    through = {"document": "{}", "schedulingConfig": schedule}

    world.jobs.create(request_for(world, [world.thing("a")], passed_through=through))

    job = world.jobs.describe(world.name("job"))
    assert job.status is (JobStatus.SCHEDULED if world.schedules else JobStatus.IN_PROGRESS)
    assert job.starts_at is not None
    assert job.starts_at % 60 == 0
    assert world.now() + 7000 < job.starts_at <= world.now() + 7200


def test_launching_the_same_job_twice_is_done_once(world: World) -> None:
    """A launch whose answer was lost can be repeated, in whatever order its targets come."""
    targets = [world.thing("a"), world.thing("b")]
    arn = world.jobs.create(request_for(world, targets))

    assert world.jobs.create(request_for(world, targets[::-1])) == arn


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": SETTINGS.with_rate(7)},
        {"targets": lambda things: things[:1]},
        {"tags": {POLICY_TAG: "other"}},
        {"tags": {**TAGS, "tidegate:launch": "2"}},
    ],
    ids=["settings", "targets", "policy", "tags"],
)
def test_another_job_of_that_id_is_refused(world: World, changes: dict[str, Any]) -> None:
    """An id that somebody else's job has, or an earlier one, is not taken over in silence."""
    changes = dict(changes)
    things = [world.thing("a"), world.thing("b")]
    world.jobs.create(request_for(world, things))
    targets = changes.pop("targets", lambda things: things)(things)

    with pytest.raises(Refused, match="exists already"):
        world.jobs.create(request_for(world, targets, **changes))

    assert world.jobs.describe(world.name("job")).settings == SETTINGS


def test_a_job_without_its_target_is_not_created(world: World) -> None:
    """A thing or thing group that does not exist is named as missing."""
    group = world.group("there", []).replace("there", "nowhere")
    thing = world.thing("here").replace("here", world.gone("gone"))

    with pytest.raises(NotFound):
        world.jobs.create(request_for(world, [group]))
    with pytest.raises(NotFound):
        world.jobs.create(request_for(world, [thing]))
    with pytest.raises(NotFound):
        world.jobs.describe(world.name("job"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda jobs: jobs.describe("nobody"),
        lambda jobs: jobs.update("nobody", JobSettings().with_rate(1)),
        lambda jobs: jobs.cancel("nobody", reason_code="X", comment="x"),
        lambda jobs: list(jobs.executions("nobody")),
        lambda jobs: list(jobs.executions("nobody", ExecutionStatus.QUEUED)),
        lambda jobs: jobs.executions_page("nobody"),
        lambda jobs: jobs.tag(jobs.arn("nobody"), TAGS),
        lambda jobs: jobs.untag(jobs.arn("nobody"), [POLICY_TAG]),
    ],
    ids=["describe", "update", "cancel", "executions", "queued", "page", "tag", "untag"],
)
def test_an_unknown_job_is_not_found(world: World, ask: Any) -> None:  # noqa: ANN401
    """Whatever is asked of a job that does not exist, the answer is NotFound."""
    with pytest.raises(NotFound):
        ask(world.jobs)


# steering


def test_an_update_changes_what_it_names(world: World) -> None:
    """Members that are given replace the standing ones whole; the others stay."""
    world.jobs.create(request_for(world, [world.thing("a")]))
    changes = JobSettings(
        rollout=RolloutRate(5), retries=(RetryCriterion(FailureType.TIMED_OUT, 0),)
    )

    world.jobs.update(world.name("job"), changes)

    settings = world.jobs.describe(world.name("job")).settings
    assert settings == replace(SETTINGS, rollout=changes.rollout, retries=changes.retries)


def test_an_update_of_nothing_is_refused(world: World) -> None:
    """UpdateJob wants at least one setting."""
    job_id = launched(world, world.thing("a"))

    with pytest.raises(Refused):
        world.jobs.update(job_id, JobSettings())


@pytest.mark.parametrize(
    "changes",
    [
        JobSettings(abort=(AbortCriterion(FailureType.FAILED, 12.345, 25),)),
        JobSettings(retries=(RetryCriterion(FailureType.TIMED_OUT, 1),)),
        JobSettings(retries=(RetryCriterion(FailureType.FAILED, 0),)),
    ],
    ids=["decimals", "retries", "retry types"],
)
def test_settings_beyond_the_limits_are_refused(world: World, changes: JobSettings) -> None:
    """What AWS does not accept changes nothing."""
    world.jobs.create(request_for(world, [world.thing("a")]))

    with pytest.raises(Refused):
        world.jobs.update(world.name("job"), changes)

    assert world.jobs.describe(world.name("job")).settings == SETTINGS


def test_a_job_that_is_over_takes_no_update(world: World) -> None:
    """AWS's own words reach the caller, status included."""
    job_id = launched(world, world.thing("a"))
    world.jobs.cancel(job_id, reason_code="DONE", comment="done")

    with pytest.raises(Refused, match=f"Job {job_id} in status CANCELED cannot be updated"):
        world.jobs.update(job_id, JobSettings().with_rate(1))


@pytest.mark.parametrize("force", [False, True])
def test_canceling_ends_what_has_not_begun(world: World, *, force: bool) -> None:
    """CANCELED is who was waiting; who has begun goes on unless forced, and who is done is done."""
    done, begun, waiting = world.thing("done"), world.thing("begun"), world.thing("waiting")
    job_id = world.name("job")
    world.jobs.create(request_for(world, [done, begun, waiting], settings=JobSettings()))
    world.notify(job_id, done, begun, waiting)
    world.report(job_id, begun, "IN_PROGRESS")
    world.report(job_id, done, "SUCCEEDED")

    world.jobs.cancel(job_id, reason_code="HARM_BUDGET", comment="3 of 10 harmed", force=force)

    job = world.jobs.describe(job_id)
    assert job.status is JobStatus.CANCELED
    assert (job.reason_code, job.comment) == ("HARM_BUDGET", "3 of 10 harmed")
    assert not job.is_concurrent
    assert newest(world, job_id) == {
        world.name("done"): "SUCCEEDED",
        world.name("begun"): "CANCELED" if force else "IN_PROGRESS",
        world.name("waiting"): "CANCELED",
    }


def test_any_words_do_for_canceling(world: World) -> None:
    """Reasons in any case, with line breaks, of any length are made to fit, not refused."""
    job_id = launched(world, world.thing("a"))

    world.jobs.cancel(
        job_id, reason_code="harm budget-spent", comment="one\n\ttwo\x00 " + "ü" * 5000
    )

    job = world.jobs.describe(job_id)
    assert job.reason_code == "HARM_BUDGET_SPENT"
    assert job.comment is not None
    assert job.comment.startswith("one two üü")
    assert len(job.comment) == COMMENT_LENGTH_MAX
    assert job.comment.endswith("…")


def test_a_job_is_canceled_once(world: World) -> None:
    """Canceling what is over is refused and leaves the first reason standing."""
    job_id = launched(world, world.thing("a"))
    world.jobs.cancel(job_id, reason_code="FIRST", comment="first")

    with pytest.raises(Refused, match="CANCELED"):
        world.jobs.cancel(job_id, reason_code="SECOND", comment="second")

    assert world.jobs.describe(job_id).reason_code == "FIRST"


# tags


def test_tags_come_and_go(world: World) -> None:
    """Tidegate's own tags are set, changed and removed one by one."""
    arn = world.jobs.create(request_for(world, [world.thing("a")]))

    world.jobs.tag(arn, {POLICY_TAG: "gentle", "tidegate:x": ""})
    world.jobs.untag(arn, ["tidegate:by", "tidegate:never"])

    assert world.jobs.tags(arn) == {POLICY_TAG: "gentle", "tidegate:x": ""}


def test_other_peoples_tags_are_not_touched(world: World) -> None:
    """A key outside ``tidegate:`` is refused, along with everything in the same call."""
    arn = world.jobs.create(request_for(world, [world.thing("a")]))

    with pytest.raises(Refused, match="team"):
        world.jobs.tag(arn, {"team": "ours", POLICY_TAG: "gentle"})
    with pytest.raises(Refused, match="team"):
        world.jobs.untag(arn, ["team", POLICY_TAG])

    assert world.jobs.tags(arn) == TAGS


# executions


def test_executions_are_listed_newest_first(world: World) -> None:
    """Who reported last comes first, in pages that are asked for one by one."""
    things = [world.thing(short) for short in ("a:b", "c", "d", "e", "f")]
    job_id = launched(world, *things)

    world.report(job_id, things[1], "FAILED")
    world.report(job_id, things[3], "SUCCEEDED")

    pages = world.jobs.executions(job_id)
    first = next(iter(pages))
    assert [row.thing_name for row in first] == [world.name("e"), world.name("c")]
    assert [len(page) for page in pages] == [PAGE_SIZE, 1]
    assert newest(world, job_id) == {
        world.name("e"): "SUCCEEDED",
        world.name("c"): "FAILED",
        world.name("f"): "IN_PROGRESS",
        world.name("d"): "IN_PROGRESS",
        world.name("a:b"): "IN_PROGRESS",
    }


def test_an_execution_tells_its_times(world: World) -> None:
    """Queued, started and updated come in this order; who has not begun has no start."""
    things = [world.thing("a"), world.thing("b")]
    job_id = world.name("job")
    world.jobs.create(request_for(world, things, settings=JobSettings()))
    world.notify(job_id, *things)
    world.report(job_id, things[0], "IN_PROGRESS")
    world.report(job_id, things[0], "FAILED")

    rows = {row.thing_name: row for page in world.jobs.executions(job_id) for row in page}

    begun, waiting = rows[world.name("a")], rows[world.name("b")]
    created_at = world.jobs.describe(job_id).created_at
    assert begun.started_at is not None
    assert created_at <= begun.queued_at <= begun.started_at <= begun.updated_at
    assert (begun.execution_number, begun.retry_attempt) == (1, 0)
    assert (waiting.status, waiting.started_at) == (ExecutionStatus.QUEUED, None)


def test_a_job_counts_its_executions(world: World) -> None:
    """DescribeJob's counters are the executions by status."""
    things = [world.thing(short) for short in "abcd"]
    job_id = launched(world, *things)
    for thing, status in zip(things, ["SUCCEEDED", "FAILED", "REJECTED"], strict=False):
        world.report(job_id, thing, status)

    counts = world.jobs.describe(job_id).counts

    assert counts == JobCounts(in_progress=1, succeeded=1, failed=1, rejected=1)


def test_a_listing_can_be_left_early(world: World) -> None:
    """Whoever has read enough stops asking."""
    things = [world.thing(short) for short in "abc"]
    job_id = launched(world, *things)

    assert len(list(islice(world.jobs.executions(job_id), 1))) == 1


def test_executions_are_listed_by_status(world: World) -> None:
    """Asked for one status, the list has no other; a status that nothing has gives no rows."""
    things = [world.thing(short) for short in "abcd"]
    job_id = launched(world, *things)
    for thing in things[:3]:
        world.report(job_id, thing, "SUCCEEDED")

    pages = list(world.jobs.executions(job_id, ExecutionStatus.SUCCEEDED))
    failed = list(world.jobs.executions(job_id, ExecutionStatus.FAILED))

    assert [[row.thing_name for row in page] for page in pages] == [
        [world.name("c"), world.name("b")],
        [world.name("a")],
    ]
    assert [row for page in failed for row in page] == []


def test_a_listing_is_gone_on_with_by_its_token(world: World) -> None:
    """Whoever comes later reads on behind the page whose token was kept; the last one has none."""
    things = [world.thing(short) for short in "abcde"]
    job_id = launched(world, *things)
    for thing in things:
        world.report(job_id, thing, "SUCCEEDED")
    whole = [row.thing_name for page in world.jobs.executions(job_id) for row in page]

    first = world.jobs.executions_page(job_id, ExecutionStatus.SUCCEEDED)
    second = world.jobs.executions_page(job_id, ExecutionStatus.SUCCEEDED, first.token)
    last = world.jobs.executions_page(job_id, ExecutionStatus.SUCCEEDED, second.token)

    pages = (first, second, last)
    assert [row.thing_name for page in pages for row in page.rows] == whole
    assert [len(page.rows) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 1]
    assert last.token is None


# running jobs


def test_running_jobs_are_listed(world: World) -> None:
    """Jobs that go on or are to begin are there with what identifies them; those over are not."""
    things = [world.thing("a")]
    schedule = {"startTime": time.strftime("%Y-%m-%dT%H:%M", time.gmtime(world.now() + 7200))}
    later = {"document": "{}", "schedulingConfig": schedule}
    ids = {short: world.name(short) for short in ("running", "later", "over")}
    for job_id in ids.values():
        through = {"passed_through": later} if job_id == ids["later"] else {}
        world.jobs.create(request_for(world, things, job_id=job_id, **through))
    world.jobs.cancel(ids["over"], reason_code="DONE", comment="done")

    listed = {row.job_id: row for page in world.jobs.active() for row in page}

    assert ids["over"] not in listed
    waits = JobStatus.SCHEDULED if world.schedules else JobStatus.IN_PROGRESS
    for short, status in (("running", JobStatus.IN_PROGRESS), ("later", waits)):
        row, job = listed[ids[short]], world.jobs.describe(ids[short])
        assert (row.arn, row.created_at) == (job.arn, job.created_at)
        assert row.status is status


# groups, targets and events


def test_a_group_is_made_and_filled(world: World) -> None:
    """Things go into a new group; those that are in it already stay."""
    for short in "abc":
        world.thing(short)
    name = world.name("undo")
    a, b, c = (world.name(short) for short in "abc")

    arn = world.jobs.create_group(name, "undoes a release")
    world.jobs.add_to_group(name, [a, b])
    world.jobs.add_to_group(name, [b, c])
    world.jobs.add_to_group(name, [])

    assert arn.endswith(f":thinggroup/{name}")
    assert world.jobs.things_in([arn]) == named(world, *"abc")


def test_making_the_same_group_twice_is_done_once(world: World) -> None:
    """A call whose answer was lost can be repeated, whatever its words, and empties nothing."""
    world.thing("a")
    name, words = world.name("undo"), "undoes “a release”,\n" + "thé long way " * 500
    arn = world.jobs.create_group(name, words)
    world.jobs.add_to_group(name, [world.name("a")])

    assert world.jobs.create_group(name, words) == arn
    assert world.jobs.things_in([arn]) == named(world, "a")


def test_another_group_of_that_name_is_refused(world: World) -> None:
    """A group that somebody else made, or that is for something else, is not taken over."""
    world.group("theirs", [])
    world.jobs.create_group(world.name("undo"), "undoes a release")

    with pytest.raises(Refused, match="not Tidegate's"):
        world.jobs.create_group(world.name("theirs"), "undoes a release")
    with pytest.raises(Refused, match="for something else"):
        world.jobs.create_group(world.name("undo"), "undoes another release")


def test_what_is_gone_is_not_added(world: World) -> None:
    """A thing that does not exist is named, as is a group; what came before it is in the group."""
    world.thing("a")
    world.thing("b")
    name = world.name("undo")
    arn = world.jobs.create_group(name, "undoes a release")
    gone = world.gone("c")

    with pytest.raises(NotFound, match=gone):
        world.jobs.add_to_group(name, [world.name("a"), gone, world.name("b")])
    with pytest.raises(NotFound, match="nowhere"):
        world.jobs.add_to_group("nowhere", [world.name("a")])

    assert world.jobs.things_in([arn]) == named(world, "a")


def test_targets_hold_things(world: World) -> None:
    """Each thing is there once, however many targets hold it."""
    a, b, c, d = (world.thing(short) for short in "abcd")
    first, second = world.group("first", [a, b, c]), world.group("second", [c])

    assert world.jobs.things_in([first, second, a, d]) == named(world, *"abcd")
    assert world.jobs.things_in([world.group("empty", [])]) == frozenset()
    assert world.jobs.things_in([]) == frozenset()


def test_targets_of_another_kind_are_not_listed(world: World) -> None:
    """A list that might lack things would be worse than none."""
    package = "arn:aws:iot:eu-central-1:111122223333:package/firmware"

    assert world.jobs.things_in([world.thing("a"), package]) is None


def test_an_unknown_group_holds_no_things(world: World) -> None:
    """A target that does not exist is an error, not nothing."""
    with pytest.raises(NotFound):
        world.jobs.things_in([world.group("there", []).replace("there", "nowhere")])


def test_events_are_switched_on_and_others_left_alone(world: World) -> None:
    """Only the two kinds that Tidegate reads change."""
    if isinstance(world, InTheCloud):
        off = {kind: {"Enabled": False} for kind in ("JOB", "JOB_EXECUTION")}
        world._iot.update_event_configurations(eventConfigurations=off)  # type: ignore[arg-type]
    before = world.events()

    enabled = world.jobs.execution_events_enabled()
    world.jobs.enable_events()

    assert not enabled
    assert world.jobs.execution_events_enabled()
    assert world.events() == {**before, "JOB": True, "JOB_EXECUTION": True}
