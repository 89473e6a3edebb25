"""Relaying: each report for a device is done once or refused once, in order, by who may do so."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.scenario.interference import Interference
from tests.unit.service.stage import JOB, Stage
from tidegate.domain.executions import Execution
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.things import Traits
from tidegate.errors import Conflict, Denied, Refused, RetryLater
from tidegate.service.relay import TRIES_MAX, Relayed, Relaying

IN_PROGRESS = ExecutionStatus.IN_PROGRESS
SUCCEEDED = ExecutionStatus.SUCCEEDED
FAILED = ExecutionStatus.FAILED

GATEWAY = "com.example.gateway"
AT = "2026-09-21T14:20:00Z"
AFTER = "2026-09-21T14:20:01Z"
BEFORE = "2026-09-21T14:19:59Z"


class RelayingStage(Stage):
    """An enrolled job whose devices a gateway reports for."""

    def __init__(self) -> None:
        """Queue the job for three things, of which the gateway may speak for two."""
        super().__init__()
        self.reporters.allowed[GATEWAY] = frozenset({"meters"})
        for number in (1, 2):
            self.things.registered[f"thing-{number}"] = Traits(groups=frozenset({"meters", "all"}))
        self.things.registered["thing-3"] = Traits(groups=frozenset({"all"}))
        self.report(ExecutionStatus.QUEUED, 1, 2, 3)

    def relay(self, *events: Mapping[str, Any]) -> Relayed:
        """Relay a batch of reports."""
        relaying = Relaying(
            executions=self.executions,
            things=self.things,
            reporters=self.reporters,
            ledger=self.ledger,
            bus=self.bus,
            clock=self.clock,
        )
        return relaying.relay(events)

    def execution(self, number: int) -> Execution:
        """Return a thing's execution as AWS has it."""
        return self.executions.describe(f"thing-{number}", JOB)

    def refusal(self) -> Any:  # noqa: ANN401 - an event's detail
        """Return the one refusal that was told."""
        (told,) = self.bus.details("Device Report Refused")
        return told


@pytest.fixture
def stage() -> RelayingStage:
    """Return an enrolled job whose devices a gateway reports for."""
    return RelayingStage()


def report(
    event_id: str,
    number: int = 1,
    status: ExecutionStatus = SUCCEEDED,
    *,
    time: str = AT,
    source: str = GATEWAY,
    **members: object,
) -> dict[str, Any]:
    """Return a report on a thing."""
    detail = {"jobId": JOB, "thingName": f"thing-{number}", "status": status.value}
    return {
        "id": event_id,
        "source": source,
        "detail-type": "Device Execution Report",
        "time": time,
        "detail": detail | members,
    }


def test_a_report_is_in_force(stage: RelayingStage) -> None:
    """With everything that it says, and nothing is told where nothing was asked for."""
    relayed = stage.relay(report("a", status=IN_PROGRESS, statusDetails={"step": "flash"}))

    assert relayed == Relayed(applied=1, refused=0, failed=(), faults=())
    assert stage.execution(1).status is IN_PROGRESS
    assert stage.execution(1).status_details == {"step": "flash"}
    assert stage.bus.details("Device Report Applied") == []


def test_whoever_asks_is_told_state_and_document(stage: RelayingStage) -> None:
    """A device that does not speak Jobs gets the document by the one who reports for it."""
    stage.jobs.documents[JOB] = '{"image": "7"}'
    stage.relay(
        report(
            "a",
            status=IN_PROGRESS,
            statusDetails={"step": "1"},
            includeJobDocument=True,
            includeJobExecutionState=True,
        )
    )
    told: Any
    (told,) = stage.bus.details("Device Report Applied")

    assert told["reportId"] == "a"
    assert told["jobDocument"] == '{"image": "7"}'
    assert told["executionState"]["status"] == "IN_PROGRESS"
    assert told["executionState"]["statusDetails"] == {"step": "1"}


@pytest.mark.parametrize("times", [2, 3])
def test_the_same_report_again_changes_nothing(stage: RelayingStage, times: int) -> None:
    """In one batch or in the next one, it is done once and told once."""
    asked = report("a", includeJobExecutionState=True)
    first = stage.relay(*[asked] * times)
    again = stage.relay(asked)

    assert (first.applied, again.applied, again.refused, again.failed) == (1, 0, 0, ())
    assert len(stage.executions.updates) == 1
    assert len(stage.bus.details("Device Report Applied")) == 1


def test_reports_of_one_device_go_by_their_time(stage: RelayingStage) -> None:
    """In whatever order a batch has them; within a second an outcome comes last."""
    relayed = stage.relay(
        report("d", time=AFTER),
        report("c", status=IN_PROGRESS, time=AFTER, statusDetails={"step": "2"}),
        report("b", status=IN_PROGRESS, time=AT, statusDetails={"step": "1"}),
        report("e", 2, FAILED),
        report("a", status=IN_PROGRESS, at="2026-09-21T14:15:00Z"),
    )

    assert (relayed.applied, relayed.refused) == (5, 0)
    own = [each for each in stage.executions.updates if each.thing_name == "thing-1"]
    assert [(each.status, each.status_details) for each in own] == [
        (IN_PROGRESS, None),
        (IN_PROGRESS, {"step": "1"}),
        (IN_PROGRESS, {"step": "2"}),
        (SUCCEEDED, None),
    ]
    assert stage.execution(2).status is FAILED


def test_an_older_report_is_refused_as_stale(stage: RelayingStage) -> None:
    """What it says was true before; the refusal says what is so now."""
    stage.relay(report("a", status=IN_PROGRESS, statusDetails={"step": "2"}))
    relayed = stage.relay(report("b", status=FAILED, time=BEFORE))

    assert (relayed.applied, relayed.refused, relayed.failed) == (0, 1, ())
    told = stage.refusal()
    assert (told["reportId"], told["jobId"], told["thingName"]) == ("b", JOB, "thing-1")
    assert "a later one is known" in told["problem"]
    assert told["remedy"]
    assert told["execution"] == {
        "status": "IN_PROGRESS",
        "executionNumber": 1,
        "versionNumber": stage.execution(1).version_number,
        "statusDetails": {"step": "2"},
    }
    assert stage.execution(1).status is IN_PROGRESS


@pytest.mark.parametrize("number", [3, 9])
def test_nobody_reports_for_devices_of_others(stage: RelayingStage, number: int) -> None:
    """What the state is, or whether there is such a thing at all, is not told either."""
    stage.relay(report("a", number))

    assert stage.executions.updates == []
    told = stage.refusal()
    assert "may not report" in told["problem"]
    assert "execution" not in told


def test_a_source_without_a_parameter_reports_for_nobody(stage: RelayingStage) -> None:
    """Nothing is allowed unless it is said; the registry is not asked at all."""
    stage.relay(report("a", source="com.example.unknown"))

    assert stage.executions.updates == []
    assert stage.things.asked == []
    assert "com.example.unknown" in stage.refusal()["problem"]


def test_a_parameter_that_makes_no_sense_is_named(stage: RelayingStage) -> None:
    """Whoever reports can have it mended."""
    stage.reporters.faults.before("groups", Refused("parameter /tidegate/reporters/x is no JSON"))
    stage.relay(report("a"))

    assert "/tidegate/reporters/x" in stage.refusal()["problem"]


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (report("a", jobId="other"), "no rollout of that job is known"),
        (report("a", time="2026-09-21T14:00:00Z", at="2026-09-20T14:00:00Z"), "before the job"),
        (report("a", executionNumber=7), "thing-1 is SUCCEEDED in job release-7"),
        (report("a", status=ExecutionStatus.TIMED_OUT), "TIMED_OUT is for AWS to set"),
        (report("a", statusDetails={"step": 5}), "statusDetails.step"),
        (report("a", unknown=5), "unknown"),
    ],
    ids=["job", "past", "execution", "status", "details", "member"],
)
def test_what_cannot_be_done_is_refused_once(
    stage: RelayingStage, event: dict[str, Any], problem: str
) -> None:
    """Its sender is told why and what to do; delivered again, it is neither done nor told."""
    first, again = stage.relay(event), stage.relay(event)

    assert (first.applied, first.refused, first.failed) == (0, 1, ())
    assert again == Relayed(0, 0, (), ())
    assert problem in stage.refusal()["problem"]
    assert stage.execution(1).status is ExecutionStatus.QUEUED


def test_a_faulty_report_is_refused_with_what_is_so(stage: RelayingStage) -> None:
    """As any other one; to nobody who may not report for the thing, and of no other jobs."""
    stage.relay(
        report("a", statusDetails={"step": 5}),
        report("b", 3, statusDetails={"step": 5}),
        report("c", jobId="other", statusDetails={"step": 5}),
        report("d", source="com.example.unknown", statusDetails={"step": 5}),
    )
    told: Any = stage.bus.details("Device Report Refused")

    assert {each["reportId"]: each.get("execution", {}).get("status") for each in told} == {
        "a": "QUEUED",
        "b": None,
        "c": None,
        "d": None,
    }


def test_a_faulty_report_is_refused_though_nobody_knows_what_is_so(stage: RelayingStage) -> None:
    """While AWS is too busy to tell, its sender does not wait for that."""
    stage.executions.faults.before("describe", RetryLater("throttled"))

    assert stage.relay(report("a", statusDetails={"step": 5})).refused == 1
    assert "execution" not in stage.refusal()


def test_a_stale_version_is_refused_with_the_real_one(stage: RelayingStage) -> None:
    """Whoever reports can look at what is so, and report on that."""
    stage.relay(report("a", status=IN_PROGRESS))
    version = stage.execution(1).version_number
    relayed = stage.relay(report("b", time=AFTER, expectedVersion=version + 5))

    assert relayed.refused == 1
    assert stage.refusal()["execution"]["versionNumber"] == version


def test_what_is_over_stays_as_it_is(stage: RelayingStage) -> None:
    """A failure that comes after a success is refused."""
    stage.relay(report("a"))
    stage.relay(report("b", status=FAILED, time=AFTER))

    assert stage.execution(1).status is SUCCEEDED
    assert stage.refusal()["execution"]["status"] == "SUCCEEDED"


def test_a_report_that_was_done_but_not_noted_is_done(stage: RelayingStage) -> None:
    """Dying after the update, it is found to stand when it is delivered again."""
    event = report("a", statusDetails={"step": "9"}, includeJobExecutionState=True)
    stage.ledger.faults.before("settle_report", RetryLater("throttled"))
    assert stage.relay(event).failed == (0,)
    again = stage.relay(event)

    assert (again.applied, again.refused, again.failed) == (1, 0, ())
    assert stage.bus.details("Device Report Refused") == []


@pytest.mark.parametrize(
    ("port", "operation"),
    [
        ("ledger", "is_settled"),
        ("ledger", "current"),
        ("reporters", "groups"),
        ("things", "traits"),
        ("ledger", "advance_reports"),
        ("executions", "update"),
    ],
)
def test_what_cannot_be_done_now_comes_again(
    stage: RelayingStage, port: str, operation: str
) -> None:
    """AWS is busy: the report is neither lost nor refused, others of the batch are done."""
    getattr(stage, port).faults.before(operation, RetryLater("throttled"))
    first, second = report("a"), report("b", 2)
    relayed = stage.relay(first, second)

    assert (relayed.applied, relayed.failed, relayed.faults) == (1, (0,), ("throttled",))
    assert stage.relay(first, second).applied == 1
    assert stage.execution(1).status is stage.execution(2).status is SUCCEEDED


@pytest.mark.parametrize(
    ("port", "operation"),
    [
        ("reporters", "groups"),
        ("things", "traits"),
        ("executions", "describe"),
        ("executions", "update"),
    ],
)
def test_what_tidegate_itself_may_not_do_is_kept(
    stage: RelayingStage, port: str, operation: str
) -> None:
    """A right that is taken from its role is no fault of the report: it waits for people."""
    getattr(stage, port).faults.before(operation, Denied("AccessDenied"))
    progress = report("a", status=IN_PROGRESS)
    relayed = stage.relay(progress)

    assert (relayed.applied, relayed.refused, relayed.failed) == (0, 0, (0,))
    assert stage.bus.details("Device Report Refused") == []
    assert stage.relay(progress).applied == 1
    assert stage.execution(1).status is IN_PROGRESS


def test_later_reports_of_a_device_wait_for_the_one_that_comes_again(
    stage: RelayingStage,
) -> None:
    """Else the first would be stale by then, and what it says lost."""
    stage.executions.faults.before("update", RetryLater("throttled"))
    events = [report("b", time=AFTER), report("a", status=IN_PROGRESS), report("c", 2)]
    relayed = stage.relay(*events)

    assert (relayed.applied, relayed.failed) == (1, (0, 1))
    assert stage.relay(*events).applied == 2
    assert stage.execution(1).status is SUCCEEDED


def test_an_answer_that_the_bus_does_not_take_comes_again(stage: RelayingStage) -> None:
    """Refused or applied, its sender is told."""
    stage.bus.refuses = lambda _: True
    refused, asked = report("a", 9), report("b", includeJobExecutionState=True)
    assert stage.relay(refused, asked).failed == (0, 1)
    stage.bus.refuses = lambda _: False
    relayed = stage.relay(refused, asked)

    assert (relayed.applied, relayed.refused, relayed.failed) == (1, 1, ())
    assert stage.refusal()["reportId"] == "a"
    assert len(stage.bus.details("Device Report Applied")) == 1


@pytest.mark.parametrize("event", [{}, {"detail": {}}, {"id": "no id at all!", "source": GATEWAY}])
def test_what_did_not_come_by_the_bus_fails_alone(
    stage: RelayingStage, event: dict[str, Any]
) -> None:
    """There is nobody to be told; the message goes where its like go."""
    relayed = stage.relay(event, report("a"))

    assert (relayed.applied, relayed.failed) == (1, (0,))
    assert len(relayed.faults) == 1


def test_names_of_things_may_be_long_and_hold_colons(stage: RelayingStage) -> None:
    """As AWS has them."""
    name = ("site-4:" * 20)[:128]
    stage.things.registered[name] = Traits(groups=frozenset({"meters"}))
    stage.jobs.report(JOB, name, ExecutionStatus.QUEUED)

    assert stage.relay(report("a", thingName=name)).applied == 1
    assert stage.executions.describe(name, JOB).status is SUCCEEDED


def test_a_thousand_at_once_are_all_done(stage: RelayingStage) -> None:
    """Batch by batch, a few of each device's in any order."""
    reports: list[dict[str, Any]] = []
    for number in range(500):
        name = f"thing-{number}"
        stage.things.registered[name] = Traits(groups=frozenset({"meters"}))
        stage.jobs.report(JOB, name, ExecutionStatus.QUEUED)
        reports += [
            report(f"end-{number}", number, time=AFTER),
            report(f"start-{number}", number, IN_PROGRESS),
        ]
    relayed = [stage.relay(*reports[each : each + 10]) for each in range(0, 1000, 10)]

    assert sum(each.applied for each in relayed) == 1000
    assert stage.job.counts.succeeded == 500


def test_a_report_counts_from_the_moment_that_it_is_of(stage: RelayingStage) -> None:
    """The event may be late: it is its own time that makes it old or new."""
    stage.relay(report("a", status=IN_PROGRESS, time=AFTER, at="2026-09-21T14:15:00Z"))
    relayed = stage.relay(report("b", time=AT, at="2026-09-21T14:16:00Z"))

    assert relayed.applied == 1
    assert stage.execution(1).status is SUCCEEDED


@pytest.mark.parametrize(
    ("port", "operation"), [("executions", "describe"), ("ledger", "advance_reports")]
)
def test_two_at_once_leave_what_was_reported_last(
    stage: RelayingStage, port: str, operation: str
) -> None:
    """Progress that another Lambda relays meanwhile is not overwritten by what was true before."""
    meanwhile = Interference()
    getattr(stage, port).faults = meanwhile
    later = report("b", status=IN_PROGRESS, time=AFTER, statusDetails={"step": "2"})
    meanwhile.following(operation, lambda: stage.relay(later))
    relayed = stage.relay(report("a", status=IN_PROGRESS, statusDetails={"step": "1"}))

    assert stage.execution(1).status_details == {"step": "2"}
    assert (relayed.applied, relayed.refused, relayed.failed) == (0, 1, ())
    assert "a later one is known" in stage.refusal()["problem"]


def test_progress_that_somebody_else_is_in_the_way_of_is_tried_again(stage: RelayingStage) -> None:
    """An execution that changes meanwhile, by no later report, keeps none from being done."""
    stage.relay(report("a", status=IN_PROGRESS, statusDetails={"step": "1"}))
    stage.ledger.faults = meanwhile = Interference()
    meanwhile.following("advance_reports", lambda: stage.jobs.report(JOB, "thing-1", IN_PROGRESS))
    relayed = stage.relay(report("b", status=IN_PROGRESS, time=AFTER, statusDetails={"step": "2"}))

    assert relayed.applied == 1
    assert stage.execution(1).status_details == {"step": "2"}


def test_one_that_changes_all_the_time_comes_again(stage: RelayingStage) -> None:
    """Neither lost nor refused, and not tried for ever."""
    conflicts = [Conflict("it changed")] * TRIES_MAX
    stage.executions.faults.before("update", *conflicts)
    relayed = stage.relay(report("a", status=IN_PROGRESS))

    assert (relayed.applied, relayed.refused, relayed.failed) == (0, 0, (0,))
    assert stage.relay(report("a", status=IN_PROGRESS)).applied == 1
