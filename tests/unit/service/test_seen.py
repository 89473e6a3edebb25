"""Seeing: devices as a review is to see them, and nothing read that the policy does not ask for."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.service.stage import POLICY, Stage, outcome
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import UNPLACED, Vouched
from tidegate.domain.policy import Cohorts, Soak
from tidegate.domain.things import Connected, Traits
from tidegate.ports import TOTALS_BUCKET
from tidegate.service.folding import change_things
from tidegate.service.seen import Seen, seen_of, totals_seen

IN_PROGRESS = ExecutionStatus.IN_PROGRESS
SUCCEEDED = ExecutionStatus.SUCCEEDED
FAILED = ExecutionStatus.FAILED
KEY = "thing.attributes.hardware"


@pytest.fixture
def stage() -> Stage:
    """Return an enrolled job whose things are of two kinds of hardware."""
    stage = Stage()
    for number in range(8):
        kind = "AB"[number % 2]
        stage.things.registered[f"thing-{number}"] = Traits({"hardware": kind})
    return stage


def under(stage: Stage, **sections: Any) -> None:  # noqa: ANN401 - whatever sections policies have
    """Let the rollout be under a policy with these sections from now on."""
    changed = replace(stage.rollout, policy=replace(POLICY, **sections))
    stage.ledger.claim(changed, previous=stage.rollout)


def take_up(stage: Stage, *numbers: int) -> None:
    """Let things start, and the list tell of it."""
    stage.report(IN_PROGRESS, *numbers)
    stage.review()
    stage.clock.advance(60)
    stage.review()


def see(stage: Stage) -> Seen:
    """Return what there is to see."""
    counted = stage.ledger.counted(stage.key)
    return seen_of(stage.rollout, counted, ledger=stage.ledger, now=stage.clock.now())


def test_where_the_policy_asks_for_nothing_nothing_else_is_read(stage: Stage) -> None:
    """The counts go on as they are; no further query is paid for."""
    take_up(stage, 0, 1)
    stage.record(outcome(0))
    for operation in ("cells", "released", "reasons", "unjoined", "soaking"):
        stage.ledger.faults.before(operation, AssertionError(operation))

    assert see(stage) == Seen(counts=stage.ledger.counted(stage.key).counts)


def test_cohorts_are_tallied_by_key(stage: Stage) -> None:
    """Who started and who was harmed, of each; those not joined yet may be of any."""
    under(stage, cohorts=Cohorts((KEY,)))
    take_up(stage, 0, 1, 2, 3)
    stage.record(outcome(1, FAILED), outcome(3, FAILED))
    stage.attend()
    tallies = see(stage).tallies[KEY]

    assert {name: (each.started, each.harmed) for name, each in tallies.items()} == {
        f"{KEY}=A": (2, 0),
        f"{KEY}=B": (2, 2),
    }


def test_what_is_set_apart_is_counted_by_itself(stage: Stage) -> None:
    """Until people release it."""
    under(stage, cohorts=Cohorts((KEY,), quarantines=True))
    take_up(stage, 0, 1, 2, 3)
    stage.record(outcome(1, FAILED), outcome(2))
    stage.attend()
    apart = replace(stage.rollout.memory, quarantined=(f"{KEY}=B",))
    stage.ledger.claim(replace(stage.rollout, memory=apart), previous=stage.rollout)
    seen = see(stage)
    assert seen.can_quarantine
    assert seen.apart.by_bucket == {(0, FAILED): 1, (0, IN_PROGRESS): 1}
    stage.ledger.release(stage.key, f"{KEY}=B", by="night-shift", reason="a bad probe", at=0)

    assert see(stage).apart.by_bucket == {}
    assert see(stage).released == {f"{KEY}=B"}


@pytest.mark.parametrize(
    ("cohorts", "can_quarantine"),
    [
        (Cohorts((KEY,), quarantines=True), True),
        (Cohorts((KEY,)), False),
        (Cohorts(("statusDetails.fromVersion",), quarantines=True), False),
        (Cohorts(), False),
    ],
)
def test_only_what_the_registry_tells_can_be_left_out(
    stage: Stage, cohorts: Cohorts, *, can_quarantine: bool
) -> None:
    """What a device tells with its outcome is known too late to keep it from the job."""
    under(stage, cohorts=cohorts)

    assert see(stage).can_quarantine is can_quarantine


def test_reasons_are_read_once_something_is_harmed(stage: Stage) -> None:
    """Before that, nobody has given any."""
    stage.record(outcome(0))
    assert see(stage).reasons == {}
    stage.record(outcome(1, FAILED, statusDetails={"reason": "no space"}))

    assert sum(see(stage).reasons.values()) == 1


def vouch(stage: Stage, number: int, outcome: Vouched) -> None:
    """Settle what became of a thing after its success."""
    change_things(
        stage.key,
        [f"thing-{number}"],
        lambda _, each: replace(each, vouched=outcome),
        ledger=stage.ledger,
    )


def test_who_soaks_is_at_work_and_who_went_dark_is_harmed(stage: Stage) -> None:
    """In counts, cohorts and totals alike; no device is lost, none is counted twice."""
    under(stage, soak=Soak(30), cohorts=Cohorts((KEY,)))
    take_up(stage, 0, 1, 2, 3)
    stage.record(*[outcome(number) for number in (0, 1, 2)])
    stage.attend()
    vouch(stage, 0, Vouched.PRESENT)
    vouch(stage, 1, Vouched.DARK)
    seen = see(stage)

    assert seen.counts.by_bucket == {
        (0, SUCCEEDED): 1,
        (0, FAILED): 1,
        (0, IN_PROGRESS): 2,
    }
    assert seen.tallies[KEY][f"{KEY}=B"].harmed == 1
    assert totals_seen(stage.rollout, ledger=stage.ledger).by_bucket == {
        (TOTALS_BUCKET, SUCCEEDED): 1,
        (TOTALS_BUCKET, FAILED): 1,
        (TOTALS_BUCKET, IN_PROGRESS): 2,
    }


def test_without_a_soak_totals_are_as_they_are(stage: Stage) -> None:
    """And nothing else is read for them, as they are looked at with each batch."""
    stage.record(outcome(0), outcome(1, FAILED))
    counts = stage.ledger.counted(stage.key).counts
    stage.ledger.faults.before("counted", AssertionError("read"))

    assert totals_seen(stage.rollout, ledger=stage.ledger) == stage.ledger.totals(stage.key).counts
    assert (UNPLACED, SUCCEEDED) in counts.by_bucket


def test_devices_to_be_looked_at_are_seen(stage: Stage) -> None:
    """Those whose traits are not known yet, and those whose soak is over."""
    under(stage, soak=Soak(30), cohorts=Cohorts((KEY,)))
    stage.ledger.note_connected(stage.key, Connected(5))
    assert not see(stage).unsettled
    stage.record(outcome(0))
    assert not see(stage).unsettled
    stage.clock.advance(3600)
    assert see(stage).unsettled
    vouch(stage, 0, Vouched.PRESENT)
    assert not see(stage).unsettled
    take_up(stage, 1)

    assert see(stage).unsettled


def test_how_many_are_connected_is_asked_first_and_all_through_an_outage(stage: Stage) -> None:
    """Later the release itself may be why some are not; and an outage does not end unseen."""
    under(stage, soak=Soak(30))
    assert see(stage).unsettled
    stage.ledger.note_connected(stage.key, Connected(5))
    assert not see(stage).unsettled
    stage.ledger.note_connected(stage.key, Connected(5, outage="most are gone"))

    assert see(stage).unsettled
