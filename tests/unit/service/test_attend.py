"""Attending: each device that needs it is looked after, within bounds, and whatever else fails."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.unit.service.stage import JOB, POLICY, START, Stage, outcome, record_of
from tidegate.domain.delays import AGES
from tidegate.domain.durations import Durations
from tidegate.domain.executions import ExecutionUpdate
from tidegate.domain.jobs import ExecutionStatus, JobStatus
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import UNJOINED, UNPLACED, Vouched
from tidegate.domain.policy import (
    Action,
    Authorities,
    Authority,
    Cohorts,
    Rescue,
    Soak,
    Stuck,
)
from tidegate.domain.rollout import Bookmark, Ending
from tidegate.domain.things import Connected, Presence, Traits
from tidegate.errors import Conflict, Refused, RetryLater
from tidegate.service.attend import JOINS_PER_PASS_MAX, Attendance
from tidegate.service.quarantine import (
    CANCELS_PER_PASS_MAX,
    QUEUED_JOINS_MAX,
    QUEUED_PAGES_MAX,
)
from tidegate.service.reap import STUCK_PAGES_MAX
from tidegate.service.soak import PICKUPS_PER_PASS_MAX

QUEUED = ExecutionStatus.QUEUED
IN_PROGRESS = ExecutionStatus.IN_PROGRESS
SUCCEEDED = ExecutionStatus.SUCCEEDED
FAILED = ExecutionStatus.FAILED
CANCELED = ExecutionStatus.CANCELED

HARDWARE = Cohorts(("thing.attributes.hardware",), quarantines=True)
COHORT_B = "thing.attributes.hardware=B"
MINUTE = 60.0


@pytest.fixture
def stage() -> Stage:
    """Return an enrolled job."""
    return Stage()


def under(stage: Stage, *, apart: Iterable[str] = (), **sections: Any) -> None:  # noqa: ANN401 - whatever sections policies have
    """Let the rollout be under a policy with these sections, with cohorts set apart."""
    changed = replace(
        stage.rollout,
        policy=replace(POLICY, **sections),
        memory=replace(stage.rollout.memory, quarantined=tuple(apart)),
    )
    stage.ledger.claim(changed, previous=stage.rollout)


def status_of(stage: Stage, number: int) -> ExecutionStatus:
    """Return the status of a thing's execution as AWS has it."""
    return stage.executions.describe(f"thing-{number}", JOB).status


# who may


def test_with_nothing_asked_for_nothing_is_done(stage: Stage) -> None:
    """A policy without any of it costs no request."""
    stage.report(IN_PROGRESS, 1)
    stage.clock.advance(9999)
    stage.presences.faults.before("connected", RetryLater("asked for"))
    attended = stage.attend()

    assert attended.outcome is Attendance.ATTENDED
    assert dict(attended.done) == {}
    assert stage.executions.updates == []


@pytest.mark.parametrize("case", ["generation", "revision", "ended", "gone"])
def test_an_old_owner_leaves_devices_alone(stage: Stage, case: str) -> None:
    """Where something newer exists, or the rollout is over, others look after them or nobody."""
    under(stage, stuck=Stuck(after_minutes=5))
    stage.report(IN_PROGRESS, 1)
    stage.clock.advance(600)
    if case == "ended":
        stage.ledger.conclude(stage.key, generation=1, ending=Ending.ABORTED, at=0)
    elif case == "gone":
        stage.jobs.delete(JOB)
    attended = stage.attend(
        generation=2 if case == "generation" else 1, revision=7 if case == "revision" else None
    )

    assert attended.outcome is Attendance.SUPERSEDED
    assert stage.executions.updates == []


# what is stuck


def reaped(stage: Stage) -> Any:  # noqa: ANN401 - an event's detail
    """Return what was told of the one pass that did something."""
    (told,) = stage.bus.details("Execution Reaped")
    return told


def test_what_is_stuck_is_failed_and_told(stage: Stage) -> None:
    """With what the device said before, on just the version that was seen, and once."""
    under(stage, stuck=Stuck(after_minutes=5))
    stage.report(IN_PROGRESS, 1, 2)
    seen = stage.executions.describe("thing-1", JOB)
    stage.executions.update(
        ExecutionUpdate(JOB, "thing-1", IN_PROGRESS, {"step": "flash"}, seen.version_number)
    )
    stage.executions.updates.clear()
    stage.clock.advance(4 * MINUTE)
    stage.jobs.report(JOB, "thing-2", IN_PROGRESS)
    stage.clock.advance(2 * MINUTE)
    version = stage.executions.describe("thing-1", JOB).version_number
    attended = stage.attend()

    (update,) = stage.executions.updates
    assert (update.thing_name, update.status) == ("thing-1", FAILED)
    assert (update.expected_version, update.execution_number) == (version, 1)
    assert update.status_details is not None
    assert update.status_details["step"] == "flash"
    assert "no sign of life" in update.status_details["tidegate:reason"]
    assert attended.done["reaped"] == 1
    assert (status_of(stage, 1), status_of(stage, 2)) == (FAILED, IN_PROGRESS)
    told = reaped(stage)
    assert (told["action"], told["things"], told["afterMinutes"]) == ("fail", ["thing-1"], 5)
    assert [each.what for each in stage.ledger.steps(stage.key, limit=9)] == ["Execution Reaped"]
    stage.attend()
    assert len(stage.executions.updates) == 1


def test_who_may_only_observe_touches_no_device(stage: Stage) -> None:
    """What is stuck stays so, and what waits; once any action is allowed, both are seen to."""
    fleet(stage, of_b=(2,), of_a=(1,))
    observed = Authorities(*[Authority.OBSERVE] * len(Action))
    sections = {"stuck": Stuck(after_minutes=5), "cohorts": HARDWARE}
    under(stage, **sections, authority=observed, apart=[COHORT_B])
    stage.report(IN_PROGRESS, 1)
    stage.report(QUEUED, 2)
    stage.clock.advance(600)
    stage.attend()
    assert [status_of(stage, each) for each in (1, 2)] == [IN_PROGRESS, QUEUED]

    allowed = replace(observed, slow_down=Authority.AUTO)
    under(stage, **sections, authority=allowed, apart=[COHORT_B])
    stage.attend()
    assert [status_of(stage, each) for each in (1, 2)] == [FAILED, CANCELED]


def test_a_device_that_reports_at_the_same_moment_is_faster(stage: Stage) -> None:
    """What it reports between our look and our update stands, and nobody is told otherwise."""
    under(stage, stuck=Stuck(after_minutes=5))
    stage.report(IN_PROGRESS, 1)
    stage.clock.advance(600)
    stage.between_executions_calls.following("describe", lambda: stage.report(SUCCEEDED, 1))
    attended = stage.attend()

    assert attended.outcome is Attendance.ATTENDED
    assert status_of(stage, 1) is SUCCEEDED
    assert stage.bus.details("Execution Reaped") == []


def test_no_more_are_reaped_than_the_policy_allows(stage: Stage) -> None:
    """The longest silent first; the others in later passes."""
    under(stage, stuck=Stuck(after_minutes=5, at_most=2))
    for number in (3, 1, 2):
        stage.report(IN_PROGRESS, number)
        stage.clock.advance(10)
    stage.clock.advance(600)
    stage.attend()

    assert [each.thing_name for each in stage.executions.updates] == ["thing-3", "thing-1"]
    stage.attend()
    assert [each.thing_name for each in stage.executions.updates[2:]] == ["thing-2"]


def test_what_was_reaped_before_aws_stopped_short_is_told(stage: Stage) -> None:
    """Throttled midway, the pass says what it left, and what it did."""
    under(stage, stuck=Stuck(after_minutes=5))
    stage.report(IN_PROGRESS, 1, 2)
    stage.clock.advance(600)
    stage.between_executions_calls.following(
        "update",
        lambda: stage.executions.faults.before("describe", RetryLater("throttled")),
    )
    attended = stage.attend()

    assert attended.outcome is Attendance.INCOMPLETE
    assert attended.faults == {"stuck": "throttled"}
    assert reaped(stage)["devices"] == 1


def test_an_extension_renews_a_step_timer(stage: Stage) -> None:
    """Where one runs; a device without one is left alone, as nothing would end its extension."""
    under(stage, stuck=Stuck(after_minutes=5, then=Rescue.EXTEND, extend_minutes=30))
    stage.report(IN_PROGRESS, 1, 2)
    stage.executions.update(ExecutionUpdate(JOB, "thing-1", IN_PROGRESS, step_timeout_minutes=15))
    stage.executions.updates.clear()
    stage.clock.advance(600)
    attended = stage.attend()

    (update,) = stage.executions.updates
    assert (update.status, update.step_timeout_minutes) == (IN_PROGRESS, 30)
    assert update.expected_version is not None
    assert (attended.done["reaped"], attended.done["spared"]) == (1, 1)
    assert reaped(stage)["action"] == "extend"


def test_those_that_cannot_be_extended_keep_nobody_from_more_time(stage: Stage) -> None:
    """They have been silent for longest, and are not what a pass acts upon."""
    stuck = Stuck(after_minutes=5, then=Rescue.EXTEND, extend_minutes=30, at_most=1)
    under(stage, stuck=stuck)
    stage.report(IN_PROGRESS, 1, 2)
    stage.clock.advance(10)
    stage.report(IN_PROGRESS, 3)
    stage.executions.update(ExecutionUpdate(JOB, "thing-3", IN_PROGRESS, step_timeout_minutes=15))
    stage.executions.updates.clear()
    stage.clock.advance(600)
    attended = stage.attend()

    assert [each.thing_name for each in stage.executions.updates] == ["thing-3"]
    assert (attended.done["reaped"], attended.done["spared"]) == (1, 2)


def test_one_that_aws_objects_to_keeps_nothing_from_the_others(stage: Stage) -> None:
    """It is the longest silent in each pass; people are told of it, and the others are ended."""
    under(stage, stuck=Stuck(after_minutes=5))
    stage.report(IN_PROGRESS, 1)
    stage.clock.advance(10)
    stage.report(IN_PROGRESS, 2)
    stage.clock.advance(600)
    stage.executions.faults.before("update", Refused("thing-1 has odd details"))
    attended = stage.attend()

    assert (status_of(stage, 1), status_of(stage, 2)) == (IN_PROGRESS, FAILED)
    assert reaped(stage)["things"] == ["thing-2"]
    assert attended.faults == {"stuck": "thing-1 has odd details"}
    (told,) = stage.problems
    assert "odd details" in told["problem"]


def test_as_long_as_durations_are_not_known_nothing_is_stuck(stage: Stage) -> None:
    """Without minutes of its own, the policy goes by the fleet's, once there are enough."""
    under(stage, stuck=Stuck())
    stage.report(IN_PROGRESS, 1)
    stage.clock.advance(24 * 60 * MINUTE)
    stage.attend()
    assert stage.executions.updates == []
    known = Durations((5000,) * AGES, (5000,) * 4 + (0,) * (AGES - 4))
    rollout = replace(stage.rollout, memory=Memory(durations=known))
    stage.ledger.claim(rollout, previous=stage.rollout)
    stage.attend()

    assert len(stage.executions.updates) == 1


@pytest.mark.parametrize("case", ["aborting", "canceled"])
def test_nothing_but_canceling_follows_an_abort(stage: Stage, case: str) -> None:
    """No execution is touched any more, stuck or not."""
    under(stage, stuck=Stuck(after_minutes=5), cohorts=HARDWARE, apart=[COHORT_B])
    stage.report(IN_PROGRESS, 1)
    stage.report(QUEUED, 2)
    stage.things.registered["thing-2"] = Traits({"hardware": "B"})
    stage.clock.advance(600)
    if case == "aborting":
        aborting = replace(stage.rollout, aborting=True)
        stage.ledger.claim(aborting, previous=stage.rollout)
    else:
        stage.jobs.change(JOB, status=JobStatus.CANCELED)
    stage.attend()

    assert stage.executions.updates == []
    assert stage.executions.cancelations == []


def test_the_list_is_read_within_bounds(stage: Stage) -> None:
    """However many devices are at work, a pass reads so many pages and no more."""
    under(stage, stuck=Stuck(after_minutes=5))
    stage.jobs.page_size = 1
    stage.report(IN_PROGRESS, *range(STUCK_PAGES_MAX + 20))
    stage.clock.advance(600)
    pages: list[int] = []
    for number in range(STUCK_PAGES_MAX + 20):
        stage.between_jobs_calls.following("executions", partial(pages.append, number))
    stage.attend()

    assert len(pages) == STUCK_PAGES_MAX


@pytest.mark.parametrize("size", [STUCK_PAGES_MAX - 1, STUCK_PAGES_MAX + 1, 3 * STUCK_PAGES_MAX])
def test_the_end_of_a_long_list_is_come_to(stage: Stage, size: int) -> None:
    """The stuck ones are its end: a pass goes on where the one before ended, then from the top."""
    under(stage, stuck=Stuck(after_minutes=5))
    stage.jobs.page_size = 1
    stage.report(IN_PROGRESS, 0)
    stage.clock.advance(600)
    stage.report(IN_PROGRESS, *range(1, size))
    passes = [stage.attend().done["reaped"] for _ in range(-(-size // STUCK_PAGES_MAX))]

    assert passes == [*[0] * (len(passes) - 1), 1]
    assert stage.rollout.bookmarks.get(IN_PROGRESS, Bookmark()).token is None
    stage.clock.advance(600)
    assert stage.attend().done["reaped"] > 0


def test_a_page_that_aws_does_not_know_any_more_is_as_good_as_the_first(stage: Stage) -> None:
    """How long a token is good for is not documented."""
    under(stage, stuck=Stuck(after_minutes=5))
    stage.jobs.page_size = 1
    stage.report(IN_PROGRESS, *range(STUCK_PAGES_MAX + 1))
    stage.clock.advance(600)
    stage.attend()
    assert stage.rollout.bookmarks[IN_PROGRESS].token is not None
    stage.jobs.faults.before("executions", Refused("InvalidRequest: invalid token"))
    attended = stage.attend()

    assert attended.outcome is Attendance.ATTENDED
    assert attended.done["reaped"] == 1
    stage.jobs.faults.before("executions", Refused("AccessDenied"))
    assert stage.attend().outcome is Attendance.INCOMPLETE


# what devices are


def test_what_outcomes_did_not_wait_for_is_joined(stage: Stage) -> None:
    """Devices at work that the list told of are joined, and not looked up again."""
    under(stage, cohorts=HARDWARE)
    stage.things.registered = {f"thing-{each}": Traits({"hardware": "A"}) for each in (1, 2)}
    stage.report(IN_PROGRESS, 1, 2)
    stage.review()
    stage.clock.advance(60)
    stage.review()
    assert record_of(stage, 1).cell == UNJOINED
    attended = stage.attend()

    assert attended.done["joined"] == 2
    cells = stage.ledger.cells(stage.key)
    assert [cells[record_of(stage, each).cell] for each in (1, 2)] == [("A",), ("A",)]
    assert stage.ledger.unjoined(stage.key, limit=9) == []


def test_what_the_registry_does_not_tell_now_is_asked_again(stage: Stage) -> None:
    """Throttled, the things stay noted, and the pass says that it was not complete."""
    under(stage, cohorts=HARDWARE)
    stage.record(outcome(1))
    stage.ledger.note_unjoined(stage.key, ["thing-2"], joined=False)
    stage.things.asked.clear()
    stage.things.faults.before("traits", RetryLater("throttled"), RetryLater("throttled"))
    stage.record(outcome(2, FAILED))
    attended = stage.attend()

    assert attended.outcome is Attendance.INCOMPLETE
    assert attended.faults == {"join": "throttled"}
    assert stage.ledger.unjoined(stage.key, limit=9) == ["thing-2"]
    assert stage.attend().done["joined"] == 1
    assert stage.ledger.unjoined(stage.key, limit=9) == []


def test_a_pass_joins_so_many_things(stage: Stage) -> None:
    """The others wait for the next one."""
    under(stage, cohorts=HARDWARE)
    stage.things.faults.before("traits", *[RetryLater("throttled")] * 99)
    for start in range(0, JOINS_PER_PASS_MAX + 50, 50):
        stage.record(*[outcome(number) for number in range(start, start + 50)])
    stage.things = type(stage.things)()
    stage.attend()

    assert len(stage.things.asked) == JOINS_PER_PASS_MAX
    assert len(stage.ledger.unjoined(stage.key, limit=999)) == 50


def test_what_a_device_said_is_read_where_cells_are_told_by_it(stage: Stage) -> None:
    """Its outcome came by the list alone: the event that would have told its details was lost."""
    under(stage, cohorts=Cohorts(("statusDetails.fromVersion",)))
    stage.report(IN_PROGRESS, 1)
    stage.executions.update(
        ExecutionUpdate(JOB, "thing-1", FAILED, {"fromVersion": "3.1", "reason": "space"})
    )
    stage.review()
    stage.clock.advance(60)
    stage.review()
    assert stage.ledger.unjoined(stage.key, limit=9) == ["thing-1"]
    stage.attend()

    assert stage.ledger.cells(stage.key)[record_of(stage, 1).cell] == ("3.1",)


# who is still there


def soaked(stage: Stage, *numbers: int, minutes: float = 30) -> None:
    """Let things succeed under a soak, and let it pass."""
    under(stage, soak=Soak(minutes))
    for number in numbers:
        stage.report(IN_PROGRESS, number)
    stage.clock.advance(MINUTE)
    for number in numbers:
        stage.report(SUCCEEDED, number)
    stage.record(*[outcome(number, after=int(stage.clock.now() - START)) for number in numbers])
    stage.clock.advance(minutes * MINUTE + 1)


def presence(stage: Stage, number: int, *, is_connected: bool, ago: float = 0.0) -> None:
    """Let a thing's last change of connection be so many seconds ago."""
    stage.presences.known[f"thing-{number}"] = Presence(is_connected, stage.clock.now() - ago)


def test_who_is_connected_is_vouched_for(stage: Stage) -> None:
    """From then on it counts as good, and is not looked at again."""
    soaked(stage, 1)
    presence(stage, 1, is_connected=True, ago=9999)
    attended = stage.attend()

    assert attended.done["present"] == 1
    assert record_of(stage, 1).vouched is Vouched.PRESENT
    assert stage.ledger.soaking(stage.key, until=stage.clock.now() + 1e9, limit=9) == []


def test_who_is_gone_longer_than_is_its_habit_has_gone_dark(stage: Stage) -> None:
    """Silent since soon after its success."""
    soaked(stage, 1, 2)
    stage.presences.elsewhere = 1000
    presence(stage, 1, is_connected=False, ago=30 * MINUTE)
    presence(stage, 2, is_connected=False, ago=2 * MINUTE)
    attended = stage.attend()

    assert (attended.done["dark"], attended.done["present"]) == (1, 1)
    assert record_of(stage, 1).vouched is Vouched.DARK
    assert record_of(stage, 2).vouched is Vouched.PRESENT
    assert dict(stage.ledger.counted(stage.key).vouched) == {
        (UNPLACED, Vouched.DARK, UNJOINED): 1,
        (UNPLACED, Vouched.PRESENT, UNJOINED): 1,
    }


def test_who_is_slow_by_habit_is_looked_at_later(stage: Stage) -> None:
    """A device that took hours to pick the job up may be silent for hours."""
    under(stage, soak=Soak(30))
    stage.report(QUEUED, 1)
    stage.clock.advance(3600)
    stage.report(IN_PROGRESS, 1)
    stage.report(SUCCEEDED, 1)
    stage.record(outcome(1, after=3600))
    gone_at = stage.clock.now() + 60
    stage.presences.known["thing-1"] = Presence(is_connected=False, changed_at=gone_at)
    stage.presences.elsewhere = 1000
    stage.clock.advance(2000)
    attended = stage.attend()
    assert attended.done["later"] == 1
    assert record_of(stage, 1).vouched is None
    assert stage.ledger.soaking(stage.key, until=stage.clock.now(), limit=9) == []
    stage.clock.advance(7200)
    stage.attend()

    assert record_of(stage, 1).vouched is Vouched.DARK


def test_who_never_connects_by_mqtt_counts_as_good_and_people_are_told_once(stage: Stage) -> None:
    """It cannot be judged; that is said, and not at each pass."""
    soaked(stage, 1)
    stage.attend()
    assert record_of(stage, 1).vouched is Vouched.PRESENT
    soaked(stage, 2)
    stage.attend()

    assert record_of(stage, 2).vouched is Vouched.PRESENT
    (told,) = stage.problems
    assert "MQTT" in told["problem"]


def test_in_an_outage_nothing_is_held_against_the_release(stage: Stage) -> None:
    """The account loses more things than took the release; once they are back, it is judged."""
    stage.presences.elsewhere = 1000
    under(stage, soak=Soak(30))
    stage.attend()
    assert stage.rollout.connected == Connected(1000)
    soaked(stage, 1, 2)
    for number in (1, 2):
        presence(stage, number, is_connected=False, ago=30 * MINUTE)
    stage.presences.elsewhere = 900
    signals = stage.rollout.signals
    attended = stage.attend()

    assert attended.done["dark"] == 0
    assert record_of(stage, 1).vouched is None
    assert "900" in (stage.rollout.connected.outage or "")
    assert stage.rollout.signals == signals + 1
    stage.presences.elsewhere = 999
    presence(stage, 1, is_connected=True)
    stage.attend()
    assert stage.rollout.connected.outage is None
    assert record_of(stage, 1).vouched is Vouched.PRESENT
    assert record_of(stage, 2).vouched is Vouched.DARK
    assert stage.rollout.signals == signals + 2


def test_in_an_outage_nobody_is_taken_for_stuck(stage: Stage) -> None:
    """Devices at work are silent for want of a network; once it is over, their time is over too."""
    stage.presences.elsewhere = 1000
    under(stage, soak=Soak(30))
    stage.attend()
    soaked(stage, 1)
    under(stage, soak=Soak(30), stuck=Stuck(after_minutes=5))
    presence(stage, 1, is_connected=False, ago=30 * MINUTE)
    stage.report(IN_PROGRESS, 2)
    stage.clock.advance(600)
    stage.presences.elsewhere = 900
    stage.attend()
    assert stage.rollout.connected.outage is not None
    assert status_of(stage, 2) is IN_PROGRESS

    stage.presences.elsewhere = 1000
    stage.attend()
    assert status_of(stage, 2) is FAILED


def test_a_release_that_kills_many_is_no_outage(stage: Stage) -> None:
    """Devices that took it explain that so many are gone, those not looked at yet included."""
    numbers = range(PICKUPS_PER_PASS_MAX + 100)
    stage.presences.elsewhere = 1000 + len(numbers)
    under(stage, soak=Soak(30))
    stage.attend()
    soaked(stage, *numbers)
    stage.presences.elsewhere = 1000
    for number in numbers:
        presence(stage, number, is_connected=False, ago=30 * MINUTE)
    attended = stage.attend()

    assert attended.done["dark"] == PICKUPS_PER_PASS_MAX
    assert stage.rollout.connected.outage is None
    assert stage.attend().done["dark"] == 100


def test_without_fleet_indexing_nobody_is_judged_and_people_are_told(stage: Stage) -> None:
    """The problem names what to switch on; other chores go on."""
    soaked(stage, 1)
    stage.presences.is_indexed = False
    attended = stage.attend()
    stage.attend()

    assert attended.outcome is Attendance.INCOMPLETE
    assert set(attended.faults) == {"soak"}
    assert record_of(stage, 1).vouched is None
    (told,) = stage.problems
    assert "indexing" in told["problem"]


def test_where_nobody_knows_how_many_are_connected_nobody_goes_dark(stage: Stage) -> None:
    """It might be an outage; who is there is vouched for all the same."""
    soaked(stage, 1, 2)
    presence(stage, 1, is_connected=False, ago=30 * MINUTE)
    presence(stage, 2, is_connected=True)
    stage.presences.faults.before("connected", RetryLater("throttled"))
    attended = stage.attend()

    assert attended.faults == {"soak": "throttled"}
    assert record_of(stage, 1).vouched is None
    assert record_of(stage, 2).vouched is Vouched.PRESENT


def test_a_device_that_failed_meanwhile_is_not_vouched_for(stage: Stage) -> None:
    """Its later execution is what counts."""
    soaked(stage, 1)
    presence(stage, 1, is_connected=True)
    later = int(stage.clock.now() - START)
    again = outcome(1, FAILED, after=later, executionNumber=2)
    stage.presences.faults = stage.between_executions_calls
    stage.between_executions_calls.following("read", lambda: stage.record(again))
    stage.attend()

    assert record_of(stage, 1).status is FAILED
    assert record_of(stage, 1).vouched is None
    assert dict(stage.ledger.counted(stage.key).vouched) == {}


# who is kept apart


def fleet(stage: Stage, *, of_b: Iterable[int], of_a: Iterable[int]) -> None:
    """Register things of two kinds of hardware."""
    for kind, numbers in (("A", of_a), ("B", of_b)):
        for number in numbers:
            stage.things.registered[f"thing-{number}"] = Traits({"hardware": kind})


def test_devices_of_a_cohort_set_apart_do_not_get_the_job(stage: Stage) -> None:
    """What waits for them is canceled; what they have begun they may finish; others go on."""
    fleet(stage, of_b=(1, 2), of_a=(3,))
    under(stage, cohorts=HARDWARE, apart=[COHORT_B])
    stage.report(QUEUED, 1, 3)
    stage.report(IN_PROGRESS, 2)
    attended = stage.attend()

    assert attended.done["canceled"] == 1
    assert [status_of(stage, each) for each in (1, 2, 3)] == [CANCELED, IN_PROGRESS, QUEUED]


def test_who_waits_is_looked_up_once(stage: Stage) -> None:
    """Those notified since are found by the next pass; nobody is asked about twice."""
    fleet(stage, of_b=(1, 4), of_a=(3,))
    under(stage, cohorts=HARDWARE, apart=[COHORT_B])
    stage.report(QUEUED, 1, 3)
    stage.attend()
    stage.report(QUEUED, 4)
    attended = stage.attend()

    assert attended.done["canceled"] == 1
    assert sorted(stage.things.asked) == ["thing-1", "thing-3", "thing-4"]
    assert stage.has(SUCCEEDED) == stage.has(FAILED) == stage.has(IN_PROGRESS) == 0


def test_what_only_devices_can_tell_does_not_keep_others_apart(stage: Stage) -> None:
    """With a key of details besides, the cohort of the registry's key is kept apart by itself."""
    fleet(stage, of_b=(1,), of_a=(3,))
    keys = ("statusDetails.fromVersion", "thing.attributes.hardware")
    under(stage, cohorts=Cohorts(keys, quarantines=True), apart=[COHORT_B])
    stage.report(QUEUED, 1, 3)
    attended = stage.attend()

    assert attended.done["canceled"] == 1
    assert [status_of(stage, each) for each in (1, 3)] == [CANCELED, QUEUED]


def test_those_that_stay_offline_keep_nobody_from_being_looked_up(stage: Stage) -> None:
    """Where nothing can be remembered of who waits, each pass looks at others."""
    offline = range(1, QUEUED_JOINS_MAX * 2)
    fleet(stage, of_b=(0,), of_a=offline)
    keys = ("statusDetails.fromVersion", "thing.attributes.hardware")
    under(stage, cohorts=Cohorts(keys, quarantines=True), apart=[COHORT_B])
    stage.report(QUEUED, 0)
    stage.clock.advance(1)
    stage.report(QUEUED, *offline)
    for _ in range(20):
        stage.review()
        under(stage, cohorts=Cohorts(keys, quarantines=True), apart=[COHORT_B])
        stage.attend()

    assert status_of(stage, 0) is CANCELED


def waiting_of_b(stage: Stage) -> list[int]:
    """Return the numbers of the things of kind B whose execution still waits."""
    return [
        int(row.thing_name.removeprefix("thing-"))
        for page in stage.jobs.executions(JOB, QUEUED)
        for row in page
        if stage.things.registered[row.thing_name].attributes["hardware"] == "B"
    ]


def test_however_many_wait_all_are_looked_at(stage: Stage) -> None:
    """A pass goes on where the one before ended; what it cancels moves the others in the list."""
    size = 5 * QUEUED_PAGES_MAX
    numbers = range(4 * size)
    of_b = [each for each in numbers if each % 7 == 3]
    fleet(stage, of_b=of_b, of_a=[each for each in numbers if each % 7 != 3])
    under(stage, cohorts=HARDWARE, apart=[COHORT_B])
    stage.jobs.page_size = 4
    for each in numbers:
        stage.report(QUEUED, each)
        stage.clock.advance(1)
    passes = 0
    while waiting_of_b(stage) and passes < 3 * 5:
        stage.attend()
        passes += 1

    assert waiting_of_b(stage) == []
    assert passes > 5
    assert len(stage.executions.cancelations) == len(of_b)
    assert len(stage.things.asked) == len(set(stage.things.asked))


def test_those_notified_meanwhile_do_not_wait_for_the_end_of_the_list(stage: Stage) -> None:
    """They are the likeliest to begin: each pass sees to them before it reads on."""
    numbers = range(4 * QUEUED_PAGES_MAX)
    fleet(stage, of_b=(1000,), of_a=numbers)
    under(stage, cohorts=HARDWARE, apart=[COHORT_B])
    stage.jobs.page_size = 1
    stage.report(QUEUED, *numbers)
    stage.attend()
    stage.clock.advance(1)
    stage.report(QUEUED, 1000)
    stage.attend()

    assert status_of(stage, 1000) is CANCELED
    assert stage.rollout.bookmarks[QUEUED].token is not None


def test_for_another_cohort_the_list_is_read_from_its_beginning(stage: Stage) -> None:
    """Those passed over before may be of it; nobody is looked up again for that."""
    numbers = range(2 * QUEUED_PAGES_MAX)
    fleet(stage, of_b=(), of_a=numbers)
    under(stage, cohorts=HARDWARE, apart=[COHORT_B])
    stage.jobs.page_size = 1
    stage.report(QUEUED, *numbers)
    stage.attend()
    asked = len(stage.things.asked)
    under(stage, cohorts=HARDWARE, apart=["thing.attributes.hardware=A"])
    attended = stage.attend()

    assert attended.done["canceled"] == QUEUED_PAGES_MAX
    assert len(stage.things.asked) == asked


def test_a_registry_that_is_busy_leaves_nobody_out(stage: Stage) -> None:
    """The next pass goes on with the first thing that could not be looked up."""
    numbers = range(2 * QUEUED_PAGES_MAX)
    fleet(stage, of_b=numbers, of_a=())
    under(stage, cohorts=HARDWARE, apart=[COHORT_B])
    stage.jobs.page_size = 1
    stage.report(QUEUED, *numbers)
    stage.things.faults.before("traits", RetryLater("Rate exceeded"))
    attended = stage.attend()

    assert attended.faults == {"quarantine": "Rate exceeded"}
    assert stage.rollout.bookmarks == {}
    assert stage.attend().done["canceled"] == QUEUED_PAGES_MAX


def test_a_released_cohort_gets_the_job(stage: Stage) -> None:
    """From its release on, before a review has said so."""
    fleet(stage, of_b=(1,), of_a=())
    under(stage, cohorts=HARDWARE, apart=[COHORT_B])
    stage.ledger.release(stage.key, COHORT_B, by="night-shift", reason="a bad probe", at=0)
    stage.report(QUEUED, 1)
    stage.attend()

    assert stage.executions.cancelations == []


def test_a_device_that_begins_meanwhile_may_finish(stage: Stage) -> None:
    """AWS refuses to cancel it, and that is no fault."""
    fleet(stage, of_b=(1, 2), of_a=())
    under(stage, cohorts=HARDWARE, apart=[COHORT_B])
    stage.report(QUEUED, 1, 2)
    stage.executions.faults.before("cancel", Conflict("begun"))
    attended = stage.attend()

    assert attended.outcome is Attendance.ATTENDED
    assert attended.done["canceled"] == 1


def test_a_pass_cancels_so_many(stage: Stage) -> None:
    """AWS allows few such calls a second; the next pass goes on."""
    numbers = range(CANCELS_PER_PASS_MAX + 5)
    fleet(stage, of_b=numbers, of_a=())
    under(stage, cohorts=HARDWARE, apart=[COHORT_B])
    stage.report(QUEUED, *numbers)

    assert stage.attend().done["canceled"] == CANCELS_PER_PASS_MAX
    assert stage.attend().done["canceled"] == 5


# one fails, the others do not


@pytest.mark.parametrize("error", [RetryLater("throttled"), Refused("AccessDenied")])
def test_each_chore_goes_on_whatever_becomes_of_the_others(stage: Stage, error: Exception) -> None:
    """What one cannot do now is told apart; people hear of what only they can mend."""
    fleet(stage, of_b=(1,), of_a=(3,))
    under(stage, cohorts=HARDWARE, apart=[COHORT_B], stuck=Stuck(after_minutes=5), soak=Soak(30))
    stage.report(QUEUED, 1)
    stage.report(IN_PROGRESS, 3)
    stage.clock.advance(600)
    stage.executions.faults.before("cancel", error)
    attended = stage.attend()

    assert attended.outcome is Attendance.INCOMPLETE
    assert attended.faults == {"quarantine": str(error)}
    assert attended.done["reaped"] == 1
    assert len(stage.problems) == (1 if isinstance(error, Refused) else 0)
