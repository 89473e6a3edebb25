"""Recording: each outcome once, whatever else is in the batch, and the workflow woken for it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.service.stage import JOB, START, Stage, job_change, outcome, record_of
from tidegate.domain.failures import OTHER, REASONS_MAX
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import UNJOINED, UNPLACED, Sighting, Vouched
from tidegate.domain.policy import Cohorts, Failures, Soak
from tidegate.domain.rollout import Ending, Park, RolloutKey, Tripwires
from tidegate.domain.things import Traits
from tidegate.errors import Contention, Refused, RetryLater
from tidegate.ports import CHANGES_MAX, Soaking
from tidegate.service.folding import COMMIT_TRIES_MAX, change_things, fold_sightings
from tidegate.service.record import JOINS_PER_BATCH_MAX, record

FAILED = ExecutionStatus.FAILED
SUCCEEDED = ExecutionStatus.SUCCEEDED


@pytest.fixture
def stage() -> Stage:
    """Return an enrolled job."""
    return Stage()


def test_an_outcome_is_counted(stage: Stage) -> None:
    """An event moves one thing into one counter; its start is for the list to tell."""
    recorded = stage.record(outcome(1), outcome(2, FAILED))

    assert (recorded.changed, recorded.ignored, recorded.failed) == (2, 0, ())
    assert stage.ledger.counted(stage.key).counts.by_bucket == {
        (UNPLACED, SUCCEEDED): 1,
        (UNPLACED, FAILED): 1,
    }


@pytest.mark.parametrize("times", [1, 3])
def test_a_duplicate_changes_nothing(stage: Stage, times: int) -> None:
    """Delivered again, in the same batch or in a later one, an event counts no second time."""
    stage.record(*[outcome(1)] * times)
    again = stage.record(*[outcome(1)] * times)

    assert again.changed == 0
    assert again.failed == ()
    assert stage.has(SUCCEEDED) == 1


def test_the_last_word_of_a_thing_wins(stage: Stage) -> None:
    """A failure that is followed by a success of the same thing counts as the success."""
    stage.record(outcome(1, after=90), outcome(1, FAILED, after=60))
    assert (stage.has(SUCCEEDED), stage.has(FAILED)) == (1, 0)

    stage.record(outcome(1, FAILED, after=80))
    assert (stage.has(SUCCEEDED), stage.has(FAILED)) == (1, 0)


def test_a_later_execution_of_a_thing_replaces_the_earlier_one(stage: Stage) -> None:
    """A thing counts once, with its newest execution."""
    stage.record(outcome(1), outcome(1, FAILED, executionNumber=2))
    stage.record(outcome(1, after=500))

    assert (stage.has(SUCCEEDED), stage.has(FAILED)) == (0, 1)


MALFORMED: list[dict[str, Any]] = [
    {},
    {"detail-type": "Something Else", "detail": {}},
    {"detail-type": "Job Execution Status Change"},
    {"detail-type": "Job Execution Status Change", "detail": "text"},
    {"detail-type": "Job Status Change", "detail": {}},
    {"detail-type": "Job Status Change", "detail": {"jobId": JOB, "timestamp": "soon"}},
    outcome(9, status=FAILED, version="2"),
    outcome(9, status=FAILED, timestamp=None),
    outcome(9, status=FAILED, executionNumber=0),
    {**outcome(9), "detail": {**outcome(9)["detail"], "status": "EXPLODED"}},
]


@pytest.mark.parametrize("malformed", MALFORMED)
def test_a_malformed_event_fails_alone(stage: Stage, malformed: dict[str, Any]) -> None:
    """The good events of a batch are recorded; the bad one is named by its place."""
    recorded = stage.record(outcome(1), malformed, outcome(2))

    assert recorded.failed == (1,)
    assert len(recorded.faults) == 1
    assert recorded.changed == 2
    assert stage.has(SUCCEEDED) == 2


def test_an_event_of_a_deleted_execution_tells_nothing(stage: Stage) -> None:
    """A thing's outcome stays what it was when somebody deletes the execution."""
    stage.record(outcome(1, FAILED))
    recorded = stage.record(outcome(1, operation="deleted", status=SUCCEEDED))

    assert recorded.failed == ()
    assert stage.has(FAILED) == 1


@pytest.mark.parametrize("number", [CHANGES_MAX, CHANGES_MAX + 1, 2 * CHANGES_MAX + 5, 100])
def test_a_batch_larger_than_a_transaction_is_split(stage: Stage, number: int) -> None:
    """However many things report at once, each ledger commit stays within its bound."""
    recorded = stage.record(*[outcome(each) for each in range(number)])

    assert recorded.changed == number
    assert stage.has(SUCCEEDED) == number


def test_events_of_one_thing_never_fall_into_two_transactions(stage: Stage) -> None:
    """In whichever order a large batch comes, a thing's events are folded together."""
    events = [outcome(each, FAILED, after=10) for each in range(50)]
    events += [outcome(each, after=20) for each in reversed(range(50))]
    stage.record(*events)

    assert (stage.has(SUCCEEDED), stage.has(FAILED)) == (50, 0)


def test_contention_is_retried(stage: Stage) -> None:
    """Beaten by another writer, the fold reads again and tries again."""
    stage.ledger.faults.before("commit", *[Contention("beaten")] * (COMMIT_TRIES_MAX - 1))
    recorded = stage.record(outcome(1))

    assert (recorded.changed, recorded.failed) == (1, ())


def test_contention_is_retried_within_bounds(stage: Stage) -> None:
    """Beaten time and again, the events go back to the queue instead of spinning."""
    stage.ledger.faults.before("commit", *[Contention("beaten")] * COMMIT_TRIES_MAX)
    recorded = stage.record(outcome(1), outcome(2))

    assert recorded.failed == (0, 1)
    assert recorded.changed == 0
    assert stage.record(outcome(1), outcome(2)).changed == 2


def test_a_contended_fold_says_what_to_do(stage: Stage) -> None:
    """The error names the rollout and how often it was tried."""
    stage.ledger.faults.before("commit", *[Contention("beaten")] * COMMIT_TRIES_MAX)

    with pytest.raises(Contention, match=f"rollout {JOB} .* {COMMIT_TRIES_MAX} times in a row"):
        fold_sightings(stage.key, [Sighting("thing-1", FAILED, 5)], ledger=stage.ledger)


def test_what_another_writer_folded_meanwhile_is_not_counted_again(stage: Stage) -> None:
    """Two Lambdas with the same event: the slower one finds nothing left to do."""
    stage.between_ledger_calls.following("things", lambda: stage.record(outcome(1)))
    recorded = stage.record(outcome(1))

    assert recorded.changed == 0
    assert stage.has(SUCCEEDED) == 1


def test_a_rollout_that_fails_does_not_hold_up_the_others(stage: Stage) -> None:
    """Mixed batches are worked off rollout by rollout; only the throttled one comes again."""
    other = RolloutKey("other", stage.key.created_at)
    stage.claim(other)
    stage.ledger.faults.before("commit", RetryLater("throttled"))
    recorded = stage.record(
        outcome(1), outcome(1, job_id="other"), outcome(2), outcome(2, job_id="foreign")
    )

    assert recorded.failed == (0, 2)
    assert recorded.ignored == 1
    assert recorded.changed == 1
    assert stage.has(SUCCEEDED) == 0
    assert stage.ledger.counted(other).counts.of(SUCCEEDED) == 1


def test_a_ledger_that_throttles_at_once_fails_the_whole_batch(stage: Stage) -> None:
    """Nothing is recorded, everything comes again."""
    stage.ledger.faults.before("current", RetryLater("throttled"))

    with pytest.raises(RetryLater, match="throttled"):
        stage.record(outcome(1))


def test_a_job_that_is_not_enrolled_is_none_of_tidegate_s(stage: Stage) -> None:
    """Its events are dropped and counted; nothing of them is kept."""
    recorded = stage.record(outcome(1, job_id="foreign"), outcome(2, job_id="foreign"))

    assert (recorded.changed, recorded.ignored, recorded.failed) == (0, 2, ())


def test_events_from_before_the_job_s_creation_are_another_job_s(stage: Stage) -> None:
    """An earlier job of the same id is over; its late events neither count nor wake."""
    recorded = stage.record(outcome(1, after=-1), job_change(after=-1))

    assert (recorded.changed, recorded.failed) == (0, ())
    assert stage.rollout.signals == 0


def test_an_event_of_the_very_second_of_creation_counts(stage: Stage) -> None:
    """Times are whole seconds: the first one belongs to the job."""
    assert stage.record(outcome(1, after=0)).changed == 1


def test_an_ended_rollout_still_counts(stage: Stage) -> None:
    """Devices at work when a job is canceled finish: what becomes of them is kept."""
    stage.ledger.conclude(stage.key, generation=1, ending=Ending.ABORTED, at=0)

    assert stage.record(outcome(1)).changed == 1


# waking


def test_a_crossed_tripwire_wakes_the_workflow(stage: Stage) -> None:
    """Woken with the count and the limit, once."""
    stage.report(ExecutionStatus.IN_PROGRESS, *range(10))
    decision = stage.review()
    assert decision.tripwires.harmed is not None
    assert stage.park("token", decision) is None
    number = decision.tripwires.harmed

    stage.record(*[outcome(each, FAILED) for each in range(number - 1)])
    assert stage.workflow.woken == []
    stage.record(outcome(number - 1, FAILED))

    assert stage.workflow.woken == [
        ("token", {"cause": f"{number} harmed crossed the tripwire at {number}"})
    ]
    assert stage.rollout.park is None


def test_the_job_s_own_change_wakes_the_workflow(stage: Stage) -> None:
    """Canceled or completed, a review finds out; a raise on its way is overtaken by it."""
    decision = stage.review()
    stage.park("token", decision)
    stage.record(job_change())

    assert [answer for _, answer in stage.workflow.woken] == [{"cause": "the job's status changed"}]
    assert stage.rollout.signals == decision.signals + 1


def test_a_wake_that_failed_is_made_up_for_by_the_redelivery(stage: Stage) -> None:
    """Counted, but the workflow not woken for it: the same events, coming again, wake it."""
    stage.report(ExecutionStatus.IN_PROGRESS, *range(10))
    stage.park("token", stage.review())
    events = [outcome(each, FAILED) for each in range(10)]
    stage.ledger.faults.before("totals", RetryLater("throttled"))
    assert stage.record(*events).failed == tuple(range(10))
    assert stage.workflow.woken == []
    again = stage.record(*events)

    assert again.changed == 0
    assert len(stage.workflow.woken) == 1


def test_a_token_that_is_void_is_forgotten(stage: Stage) -> None:
    """A wait that has timed out cannot be woken; nobody tries a second time."""
    stage.report(ExecutionStatus.IN_PROGRESS, *range(10))
    stage.park("token", stage.review())
    stage.workflow.give_up("token")
    stage.record(*[outcome(each, FAILED) for each in range(10)])

    assert stage.workflow.woken == []
    assert stage.rollout.park is None


def test_a_rollout_that_is_refused_does_not_hold_up_the_others(stage: Stage) -> None:
    """A missing permission of one rollout's workflow sets its own events aside, no others."""
    other = RolloutKey("other", stage.key.created_at)
    stage.claim(other)
    stage.ledger.faults.before("commit", Refused("AccessDeniedException"))
    recorded = stage.record(outcome(1), outcome(1, job_id="other"))

    assert recorded.failed == (0,)
    assert stage.ledger.counted(other).counts.of(SUCCEEDED) == 1


# why devices fail, and what they are


def under(stage: Stage, **sections: Any) -> None:  # noqa: ANN401 - whatever sections policies have
    """Let the rollout be under a policy with these sections from now on."""
    policy = replace(stage.rollout.policy, **sections)
    stage.ledger.claim(replace(stage.rollout, policy=policy), previous=stage.rollout)


def test_why_a_device_failed_is_counted(stage: Stage) -> None:
    """In its own words, digits of its own left out; who succeeds gives no reason."""
    stage.record(
        outcome(1, FAILED, statusDetails={"reason": "battery at 31"}),
        outcome(2, FAILED, statusDetails={"errorCode": "serial 12345678"}),
        outcome(3, statusDetails={"reason": "all went well"}),
        outcome(4, FAILED),
    )

    assert stage.ledger.reasons(stage.key) == {
        ("battery at 31", UNJOINED): 1,
        ("serial #", UNJOINED): 1,
    }


def test_an_event_that_comes_after_the_list_still_tells_why(stage: Stage) -> None:
    """The list knew of the failure first, as it often does; its reason is counted all the same."""
    stage.report(ExecutionStatus.IN_PROGRESS, 1)
    stage.clock.advance(60)
    stage.report(FAILED, 1)
    stage.review()
    assert stage.has(FAILED) == 0, "the first review reads no list"
    stage.review()
    assert stage.has(FAILED) == 1
    stage.record(outcome(1, FAILED, after=60, statusDetails={"reason": "no space"}))

    assert record_of(stage, 1).reason == "no space"
    assert record_of(stage, 1).bucket == 0


def test_what_must_not_be_stored_is_stored_nowhere(stage: Stage) -> None:
    """Neither as a reason nor as what devices are told apart by."""
    under(
        stage,
        failures=Failures(keys=("owner", "reason"), never_stored=("owner",)),
        cohorts=Cohorts(("statusDetails.owner",)),
    )
    stage.record(outcome(1, FAILED, statusDetails={"owner": "room 4", "reason": "no space"}))

    assert record_of(stage, 1).reason == "no space"
    assert list(stage.ledger.cells(stage.key).values()) == [("(none)",)]


def test_reasons_are_told_apart_up_to_a_limit(stage: Stage) -> None:
    """A fleet in which each device gives a reason of its own does not flood the ledger."""
    words = [f"{first}{second}" for first in "abcdefgh" for second in "abcdefghij"]
    for start in (0, 40):
        stage.record(
            *[
                outcome(number, FAILED, statusDetails={"reason": words[number]})
                for number in range(start, start + 40)
            ]
        )
    reasons = stage.ledger.reasons(stage.key)

    assert sum(reasons.values()) == 80
    assert len(reasons) == REASONS_MAX + 1
    assert reasons[OTHER, UNJOINED] == 80 - REASONS_MAX


HARDWARE = Cohorts(("thing.attributes.hardware",))


def test_an_outcome_is_joined_to_what_its_device_is(stage: Stage) -> None:
    """Things alike are in one cell; one that is no longer registered is like those without."""
    under(stage, cohorts=HARDWARE)
    stage.things.registered = {
        "thing-1": Traits({"hardware": "A"}),
        "thing-2": Traits({"hardware": "B"}),
        "thing-3": Traits({"hardware": "A"}),
    }
    stage.record(*[outcome(number, FAILED) for number in (1, 2, 3, 4)])
    cells = stage.ledger.cells(stage.key)

    assert [cells[record_of(stage, number).cell] for number in (1, 2, 3, 4)] == [
        ("A",),
        ("B",),
        ("A",),
        ("(none)",),
    ]
    assert stage.ledger.unjoined(stage.key, limit=9) == []


def test_what_is_joined_is_not_asked_for_again(stage: Stage) -> None:
    """A second outcome of a thing costs no request."""
    under(stage, cohorts=HARDWARE)
    stage.record(outcome(1, FAILED))
    stage.record(outcome(1, after=90))

    assert stage.things.asked == ["thing-1"]


def test_nobody_pays_for_joining_who_does_not_ask_for_it(stage: Stage) -> None:
    """Without cohorts the registry is not even made."""
    recorded = record(
        [outcome(1)],
        ledger=stage.ledger,
        workflow=stage.workflow,
        things=lambda: pytest.fail("asked for"),
    )

    assert recorded.changed == 1


def test_what_devices_say_of_themselves_costs_no_request(stage: Stage) -> None:
    """Cells of details alone are told by the event itself; who says nothing is like all such."""
    under(stage, cohorts=Cohorts(("statusDetails.fromVersion",)))
    stage.record(outcome(1, statusDetails={"fromVersion": "3.1"}), outcome(2, FAILED))
    cells = stage.ledger.cells(stage.key)

    assert cells[record_of(stage, 1).cell] == ("3.1",)
    assert cells[record_of(stage, 2).cell] == ("(none)",)
    assert stage.things.asked == []


def test_a_batch_asks_for_so_many_things_and_leaves_the_rest(stage: Stage) -> None:
    """It must be done before it is delivered again; what is left is joined by others."""
    under(stage, cohorts=HARDWARE)
    recorded = stage.record(*[outcome(number) for number in range(JOINS_PER_BATCH_MAX + 7)])

    assert recorded.changed == JOINS_PER_BATCH_MAX + 7
    assert len(stage.things.asked) == JOINS_PER_BATCH_MAX
    assert len(stage.ledger.unjoined(stage.key, limit=99)) == 7


def test_outcomes_do_not_wait_for_a_registry_that_is_busy(stage: Stage) -> None:
    """They are recorded, the workflow is woken, and the things are left for later."""
    under(stage, cohorts=HARDWARE)
    stage.report(ExecutionStatus.IN_PROGRESS, *range(10))
    stage.park("token", stage.review())
    stage.things.faults.before("traits", RetryLater("throttled"))
    recorded = stage.record(*[outcome(number, FAILED) for number in range(10)])

    assert (recorded.changed, recorded.failed) == (10, ())
    assert len(stage.workflow.woken) == 1
    assert len(stage.ledger.unjoined(stage.key, limit=99)) == 10


def test_somebody_else_s_outcome_meanwhile_does_not_lose_the_cell(stage: Stage) -> None:
    """A thing that changes between fold and join keeps both: the later outcome and its cell."""
    under(stage, cohorts=HARDWARE)
    stage.between_ledger_calls.following("cell_of", lambda: stage.record(outcome(1, after=99)))
    stage.record(outcome(1, FAILED))

    assert record_of(stage, 1).status is SUCCEEDED
    assert record_of(stage, 1).cell != UNJOINED
    assert dict(stage.ledger.counted(stage.key).cells) == {
        (UNPLACED, SUCCEEDED, record_of(stage, 1).cell): 1
    }


# who succeeded has still to stay


def test_a_success_is_to_be_looked_at_once_its_soak_is_over(stage: Stage) -> None:
    """From its own time on; a failure is not, nor is anything where the policy asks for no soak."""
    under(stage, soak=Soak(30))
    stage.record(outcome(1, after=60), outcome(2, FAILED))

    assert stage.ledger.soaking(stage.key, until=START + 9999, limit=9) == [
        Soaking("thing-1", START + 60, START + 60 + 30 * 60)
    ]


def test_a_soak_that_was_not_noted_is_noted_with_the_redelivery(stage: Stage) -> None:
    """Dying between fold and note, the same events coming again note it, though nothing changed."""
    under(stage, soak=Soak(30))
    stage.ledger.faults.before("note_soaking", RetryLater("throttled"))
    assert stage.record(outcome(1)).failed == (0,)
    assert stage.record(outcome(1)).changed == 0

    assert len(stage.ledger.soaking(stage.key, until=START + 9999, limit=9)) == 1


def test_a_success_that_soaks_crosses_no_tripwire(stage: Stage) -> None:
    """The workflow is not woken again and again by devices that count as good only later."""
    under(stage, soak=Soak(30))
    stage.report(ExecutionStatus.IN_PROGRESS, 1, 2)
    decision = stage.review()
    parked = replace(decision, tripwires=Tripwires(succeeded=2))
    stage.workflow.wait_on("token")
    stage.ledger.park(
        stage.key, Park("token", 1, decision.revision, decision.signals, parked.tripwires)
    )
    stage.record(outcome(1), outcome(2))
    assert stage.workflow.woken == []
    change_things(
        stage.key,
        ["thing-1", "thing-2"],
        lambda _, each: replace(each, vouched=Vouched.PRESENT),
        ledger=stage.ledger,
    )
    stage.record(outcome(2))

    assert stage.workflow.woken == [("token", {"cause": "2 succeeded crossed the tripwire at 2"})]
