"""What every ledger does, in memory as in DynamoDB."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.contract.samples import (
    FRESH,
    KEY,
    MEMORY,
    NOW,
    SEASONED,
    by_name,
    decision,
    enrolled,
    fold_in,
    sighting,
)
from tidegate.adapters.aws.ledger import DynamoLedger
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.domain.decision import Verdict
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import ThingRecord, Transition, deltas
from tidegate.domain.rollout import (
    AbortRequest,
    Ending,
    Hold,
    HoldKind,
    Lift,
    Listing,
    Park,
    RolloutKey,
    Tripwires,
)
from tidegate.errors import Contention, NotFound, Refused, Superseded
from tidegate.ports import CHANGES_MAX, TOTALS_BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from tidegate.adapters.aws.ledger_items import Item
    from tidegate.domain.rollout import Rollout
    from tidegate.ports import Ledger

NOBODY = RolloutKey("nobody", 1)
OPERATOR = HoldKind.OPERATOR
_TABLES = count()


def parked() -> Rollout:
    """Return a rollout that waits."""
    return replace(FRESH, park=Park("token", 1, 0, 0, Tripwires()))


def table(client: DynamoDBClient) -> DynamoLedger:
    """Return a ledger in a table of its own."""
    name = f"ledger-{next(_TABLES)}"
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    )
    return DynamoLedger(name, client, ManualClock(NOW))


@pytest.fixture(params=["memory", "moto", pytest.param("cloud", marks=pytest.mark.e2e)])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Provide an empty ledger of each kind."""
    if request.param == "memory":
        return MemoryLedger()
    return table(request.getfixturevalue(request.param).client("dynamodb"))


# rollouts


@pytest.mark.parametrize("rollout", [FRESH, SEASONED], ids=["fresh", "seasoned"])
def test_a_claimed_rollout_reads_back_unchanged(ledger: Ledger, rollout: Rollout) -> None:
    """Whatever a rollout holds, down to the last digit, is there after it was claimed."""
    ledger.claim(rollout, previous=None)

    assert ledger.rollout(rollout.key) == rollout
    assert ledger.current([rollout.key.job_id]) == {rollout.key.job_id: rollout}


def test_current_knows_only_jobs_with_a_rollout(ledger: Ledger) -> None:
    """Jobs that were never enrolled are left out, and one that is asked for twice is there once."""
    rollout = enrolled(ledger)

    assert ledger.current(["other", KEY.job_id, KEY.job_id]) == {KEY.job_id: rollout}
    assert ledger.current([]) == {}


def test_an_unknown_rollout_is_not_found(ledger: Ledger) -> None:
    """A rollout that was never claimed is an error, not an empty one."""
    with pytest.raises(NotFound, match="nobody"):
        ledger.rollout(NOBODY)


def test_a_rollout_is_claimed_once(ledger: Ledger) -> None:
    """Of two workflows that enroll the same job, the second changes nothing."""
    first = enrolled(ledger)

    with pytest.raises(Contention):
        ledger.claim(replace(first, execution_arn="another"), previous=None)
    assert ledger.rollout(KEY) == first


def test_a_rollout_is_handed_over(ledger: Ledger) -> None:
    """The next generation takes over the state that it read."""
    first = enrolled(ledger)
    second = replace(first, generation=2, execution_arn="second", park=None)

    ledger.claim(second, previous=first)

    assert ledger.rollout(KEY) == second


def test_a_hand_over_loses_no_request(ledger: Ledger) -> None:
    """What arrived between reading and claiming makes the claim fail, so that it is read again."""
    first = enrolled(ledger)
    ledger.signal(KEY)

    with pytest.raises(Contention):
        ledger.claim(replace(first, generation=2), previous=first)
    assert ledger.rollout(KEY) == replace(first, signals=1)


@pytest.mark.parametrize(
    "write",
    [
        lambda ledger: ledger.signal(KEY),
        lambda ledger: ledger.place_hold(KEY, hold("zoe", 1)),
        lambda ledger: ledger.request_abort(KEY, AbortRequest("ops", "smoke", 1)),
        lambda ledger: ledger.note_listing(KEY, Listing(1, 1)),
        lambda ledger: ledger.park(KEY, Park("other", 1, 1, 0, Tripwires())),
        lambda ledger: ledger.unpark(KEY, "token"),
        lambda ledger: ledger.store_decision(KEY, decision(1), generation=1),
        lambda ledger: ledger.conclude(KEY, generation=1, ending=Ending.ABORTED, at=1),
        lambda ledger: ledger.claim(replace(parked(), execution_arn="x"), previous=parked()),
    ],
    ids=lambda write: write.__code__.co_names[0],
)
@pytest.mark.parametrize("kind", ["moto", pytest.param("cloud", marks=pytest.mark.e2e)])
def test_a_hand_over_overwrites_nothing_it_has_not_read(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    write: Callable[[Ledger], None],
) -> None:
    """Whatever is written between a claim's own look and its write makes the claim fail."""
    ledger = table(request.getfixturevalue(kind).client("dynamodb"))
    ledger.claim(parked(), previous=None)
    look = ledger._table.get

    def look_and_be_overtaken(pk: str, sk: str) -> Item | None:
        seen = look(pk, sk)
        monkeypatch.setattr(ledger._table, "get", look)
        write(ledger)
        return seen

    monkeypatch.setattr(ledger._table, "get", look_and_be_overtaken)
    with pytest.raises(Contention):
        ledger.claim(replace(parked(), generation=2), previous=parked())

    assert ledger.rollout(KEY).generation == 1


def test_a_job_id_can_be_used_again(ledger: Ledger) -> None:
    """A new job under an old id gets a rollout of its own; the old one cannot come back."""
    old = enrolled(ledger)
    new = enrolled(ledger, key=replace(KEY, created_at=KEY.created_at + 1))

    assert ledger.current([KEY.job_id]) == {KEY.job_id: new}
    with pytest.raises(Contention):
        ledger.claim(replace(old, generation=2), previous=old)
    assert ledger.rollout(KEY) == old


def test_a_rollout_is_concluded_by_its_owner(ledger: Ledger) -> None:
    """Only the generation that owns a rollout ends it, and may say so twice."""
    enrolled(ledger, generation=3)

    for _ in range(2):
        ledger.conclude(KEY, generation=3, ending=Ending.COMPLETED, at=NOW)

    assert ledger.rollout(KEY).ending is Ending.COMPLETED
    with pytest.raises(Superseded):
        ledger.conclude(KEY, generation=2, ending=Ending.ABORTED, at=NOW)
    with pytest.raises(NotFound):
        ledger.conclude(NOBODY, generation=1, ending=Ending.ABORTED, at=NOW)
    assert ledger.rollout(KEY).ending is Ending.COMPLETED


# decisions


def test_a_decision_reads_back_unchanged(ledger: Ledger) -> None:
    """A stored decision is the rollout's last, with every reason and number that it had."""
    enrolled(ledger)

    ledger.store_decision(KEY, decision(1), generation=1)

    assert ledger.decision(KEY, 1) == decision(1)
    assert ledger.rollout(KEY) == replace(FRESH, revision=1, upper_bound=0.5)
    with pytest.raises(NotFound, match="no decision 2"):
        ledger.decision(KEY, 2)


def test_what_a_review_remembers_is_kept_with_the_rollout(ledger: Ledger) -> None:
    """The next review finds it there, down to the last digit; each takes the place of the last."""
    enrolled(ledger)
    remembered = [MEMORY, replace(MEMORY, quarantined=())]

    for revision, memory in enumerate(remembered, start=1):
        ledger.store_decision(KEY, replace(decision(revision), memory=memory), generation=1)

        assert ledger.rollout(KEY).memory == memory
        assert ledger.current([KEY.job_id])[KEY.job_id].memory == memory
    assert ledger.decision(KEY, 1) == decision(1)


def test_a_decision_stored_again_remembers_what_it_did_at_first(ledger: Ledger) -> None:
    """A review that is run again after its successor takes nothing of that one's memory away."""
    enrolled(ledger)
    ledger.store_decision(KEY, decision(1), generation=1)
    ledger.store_decision(KEY, replace(decision(2), memory=MEMORY), generation=1)

    ledger.store_decision(KEY, decision(1), generation=1)

    assert ledger.rollout(KEY).memory == MEMORY


def test_storing_a_decision_twice_changes_nothing(ledger: Ledger) -> None:
    """A review that is run again after it was stored goes on, even when another followed."""
    enrolled(ledger)
    for revision in (1, 2):
        ledger.store_decision(KEY, decision(revision), generation=1)

    for revision in (1, 2):
        ledger.store_decision(KEY, decision(revision), generation=1)

    assert ledger.rollout(KEY).revision == 2


def test_a_revision_is_never_rewritten(ledger: Ledger) -> None:
    """Of two reviews with the same revision and different conclusions, the first stands."""
    enrolled(ledger)
    ledger.store_decision(KEY, decision(1), generation=1)

    with pytest.raises(Superseded, match="something else"):
        ledger.store_decision(KEY, decision(1, verdict=Verdict.HOLD), generation=1)

    assert ledger.decision(KEY, 1) == decision(1)


def test_revisions_have_no_gaps(ledger: Ledger) -> None:
    """A decision that does not follow the last one belongs to another view of the rollout."""
    enrolled(ledger)

    with pytest.raises(Superseded, match="follow"):
        ledger.store_decision(KEY, decision(2), generation=1)

    assert ledger.rollout(KEY) == FRESH


def test_a_superseded_generation_decides_nothing(ledger: Ledger) -> None:
    """Once a rollout is handed over, its former owner stores no decision, not even an old one."""
    first = enrolled(ledger)
    ledger.store_decision(KEY, decision(1), generation=1)
    ledger.claim(
        replace(first, generation=2, revision=1, upper_bound=0.5), previous=ledger.rollout(KEY)
    )

    for revision in (1, 2):
        with pytest.raises(Superseded):
            ledger.store_decision(KEY, decision(revision), generation=1)
    with pytest.raises(NotFound):
        ledger.store_decision(NOBODY, decision(1), generation=1)

    assert ledger.rollout(KEY).revision == 1


def test_the_bound_never_rises(ledger: Ledger) -> None:
    """The upper bound on the failure rate stays at the smallest that was ever established."""
    enrolled(ledger)

    bounds = []
    for revision, bound in enumerate([0.9, 0.25, 0.3, 0.125], start=1):
        ledger.store_decision(KEY, decision(revision, upper_bound=bound), generation=1)
        bounds.append(ledger.rollout(KEY).upper_bound)

    assert bounds == [0.9, 0.25, 0.25, 0.125]


def test_an_abort_stays(ledger: Ledger) -> None:
    """No later decision takes an abort back."""
    enrolled(ledger)

    ledger.store_decision(KEY, decision(1, verdict=Verdict.ABORT), generation=1)
    ledger.store_decision(KEY, decision(2, verdict=Verdict.PROCEED), generation=1)

    assert ledger.rollout(KEY).aborting


def test_storing_a_decision_leaves_requests_alone(ledger: Ledger) -> None:
    """What people asked for while a review was under way is still there after it."""
    enrolled(ledger)
    request = AbortRequest("ops", "smoke", NOW)
    ledger.request_abort(KEY, request)
    ledger.note_listing(KEY, Listing(NOW, 3))

    ledger.store_decision(KEY, decision(1), generation=1)

    assert ledger.rollout(KEY) == replace(
        FRESH,
        revision=1,
        upper_bound=0.5,
        signals=1,
        abort_request=request,
        listing=Listing(NOW, 3),
    )


def test_the_newest_decisions_come_first(ledger: Ledger) -> None:
    """The history is read from its end, as far back as asked, beyond nine too."""
    enrolled(ledger)
    for revision in range(1, 12):
        ledger.store_decision(KEY, decision(revision), generation=1)

    assert [each.revision for each in ledger.decisions(KEY, limit=3)] == [11, 10, 9]
    assert len(ledger.decisions(KEY, limit=99)) == 11
    assert list(ledger.decisions(KEY, limit=0)) == []
    assert list(ledger.decisions(NOBODY, limit=1)) == []


def test_what_applying_came_to_is_kept(ledger: Ledger) -> None:
    """A decision knows whether it was applied and with what result; the last note counts."""
    enrolled(ledger)
    ledger.store_decision(KEY, decision(1), generation=1)

    before = ledger.applied(KEY, 1)
    for result in ({"outcome": "failed"}, {"outcome": "applied", "took": 0.1, "changed": ["a"]}):
        ledger.mark_applied(KEY, 1, at=NOW, result=result)

    assert before is None
    assert ledger.applied(KEY, 1) == {"outcome": "applied", "took": 0.1, "changed": ["a"]}
    assert ledger.decision(KEY, 1) == decision(1)
    assert ledger.applied(KEY, 2) is None
    with pytest.raises(NotFound):
        ledger.mark_applied(KEY, 2, at=NOW, result={})


# people's requests


def lift(at: float, by: str = "release-desk") -> Lift:
    """Return a lift of holds."""
    return Lift(by, "all clear", at)


def hold(by: str, since: float, reason: str = "lunch") -> Hold:
    """Return an operator's hold."""
    return Hold(OPERATOR, by, reason, since)


def test_holds_stand_oldest_first(ledger: Ledger) -> None:
    """Everybody's hold is in force until it is lifted, and each counts as a signal."""
    enrolled(ledger)

    ledger.place_hold(KEY, hold("zoe", 20.5))
    ledger.place_hold(KEY, hold("team/ops#1", 10.25))

    assert list(ledger.holds(KEY)) == [hold("team/ops#1", 10.25), hold("zoe", 20.5)]
    assert ledger.rollout(KEY).signals == 2
    assert list(ledger.holds(NOBODY)) == []


def test_an_owner_has_one_hold(ledger: Ledger) -> None:
    """A newer hold takes the place of its owner's older one, in whatever order they arrive."""
    enrolled(ledger)

    for since, reason in ((10, "first"), (30, "third"), (20, "second, late")):
        ledger.place_hold(KEY, hold("zoe", since, reason))

    assert list(ledger.holds(KEY)) == [hold("zoe", 30, "third")]
    assert ledger.rollout(KEY).signals == 3


def test_holds_are_lifted_up_to_a_time(ledger: Ledger) -> None:
    """Lifting reaches the holds placed before it, whoever placed them, and none placed later."""
    enrolled(ledger)
    for by, since in (("a", 10), ("b", 20), ("c", 30)):
        ledger.place_hold(KEY, hold(by, since))

    lifted = ledger.lift_holds(KEY, OPERATOR, lift(30))

    assert lifted == 2
    assert list(ledger.holds(KEY)) == [hold("c", 30)]
    assert ledger.rollout(KEY).signals == 4


def test_a_late_hold_is_not_in_force(ledger: Ledger) -> None:
    """A hold that was lifted before it arrived stays lifted; one placed afterwards stands."""
    enrolled(ledger)

    assert ledger.lift_holds(KEY, OPERATOR, lift(20)) == 0
    ledger.place_hold(KEY, hold("late", 10))
    ledger.place_hold(KEY, hold("new", 30))

    assert list(ledger.holds(KEY)) == [hold("new", 30)]


def test_a_late_lifting_lifts_nothing_more(ledger: Ledger) -> None:
    """An older release that arrives after a newer one neither lifts nor restores a hold."""
    enrolled(ledger)
    ledger.place_hold(KEY, hold("a", 10))
    ledger.lift_holds(KEY, OPERATOR, lift(20))

    assert ledger.lift_holds(KEY, OPERATOR, lift(5)) == 0
    assert list(ledger.holds(KEY)) == []
    assert ledger.rollout(KEY).signals == 3


def test_an_owner_may_hold_again(ledger: Ledger) -> None:
    """Holding, releasing and holding again ends in a hold, even if the first event comes twice."""
    enrolled(ledger)
    ledger.place_hold(KEY, hold("zoe", 10))
    ledger.lift_holds(KEY, OPERATOR, lift(20))
    ledger.place_hold(KEY, hold("zoe", 30))

    ledger.place_hold(KEY, hold("zoe", 10))

    assert list(ledger.holds(KEY)) == [hold("zoe", 30)]


def test_the_first_abort_request_stays(ledger: Ledger) -> None:
    """Later requests to abort count as signals and leave the first one's name and reason."""
    enrolled(ledger)
    first = AbortRequest("ops", "smoke", NOW)

    ledger.request_abort(KEY, first)
    ledger.request_abort(KEY, AbortRequest("else", "fire", NOW + 1))

    assert ledger.rollout(KEY) == replace(FRESH, signals=2, abort_request=first)


@pytest.mark.parametrize(
    "ask",
    [
        lambda ledger: ledger.place_hold(NOBODY, hold("zoe", 1)),
        lambda ledger: ledger.lift_holds(NOBODY, OPERATOR, lift(1)),
        lambda ledger: ledger.signal(NOBODY),
        lambda ledger: ledger.request_abort(NOBODY, AbortRequest("ops", "smoke", 1)),
        lambda ledger: ledger.note_listing(NOBODY, Listing()),
        lambda ledger: ledger.park(NOBODY, Park("token", 1, 1, 0, Tripwires())),
    ],
    ids=["place_hold", "lift_holds", "signal", "request_abort", "note_listing", "park"],
)
def test_nothing_is_noted_of_an_unknown_rollout(
    ledger: Ledger, ask: Callable[[Ledger], None]
) -> None:
    """A request about a rollout that does not exist is refused and leaves nothing behind."""
    with pytest.raises(NotFound, match="nobody"):
        ask(ledger)

    with pytest.raises(NotFound):
        ledger.rollout(NOBODY)
    assert list(ledger.holds(NOBODY)) == []


# outcomes


def test_outcomes_are_counted_where_they_belong(ledger: Ledger) -> None:
    """Each thing counts once, under its bucket and status, those without a start included."""
    enrolled(ledger)

    fold_in(
        ledger,
        [
            sighting("a", "FAILED", bucket=0),
            sighting("b:c", "FAILED", bucket=0),
            sighting("d", "SUCCEEDED", bucket=12_345),
            sighting("e", "QUEUED", bucket=-1),
        ],
    )

    assert by_name(ledger.counts(KEY).by_bucket) == {
        (0, "FAILED"): 2,
        (12_345, "SUCCEEDED"): 1,
        (-1, "QUEUED"): 1,
    }
    assert by_name(ledger.totals(KEY).by_bucket) == {
        (TOTALS_BUCKET, "FAILED"): 2,
        (TOTALS_BUCKET, "SUCCEEDED"): 1,
        (TOTALS_BUCKET, "QUEUED"): 1,
    }


def test_a_change_moves_the_counters(ledger: Ledger) -> None:
    """A thing that fails, is placed and then succeeds moves along and leaves no trace behind."""
    enrolled(ledger)

    for status, at, bucket in (("FAILED", 1, -1), ("FAILED", 1, 7), ("SUCCEEDED", 2, 7)):
        fold_in(ledger, [sighting("a", status, at=at, bucket=bucket)])

    assert by_name(ledger.counts(KEY).by_bucket) == {(7, "SUCCEEDED"): 1}
    assert by_name(ledger.totals(KEY).by_bucket) == {(TOTALS_BUCKET, "SUCCEEDED"): 1}
    assert ledger.things(KEY, ["a"]) == {"a": ThingRecord(ExecutionStatus.SUCCEEDED, 2, 1, 7)}


def test_only_known_things_have_records(ledger: Ledger) -> None:
    """However many names are asked for, those never seen are left out."""
    enrolled(ledger)
    names = [f"thing-{number}" for number in range(205)]
    fold_in(ledger, [sighting(names[0], "FAILED"), sighting(names[204], "FAILED")])

    assert set(ledger.things(KEY, [*names, names[0]])) == {names[0], names[204]}
    assert ledger.things(KEY, []) == {}


def test_rollouts_do_not_share_outcomes(ledger: Ledger) -> None:
    """What happened under an earlier job of the same id is no evidence on this one."""
    enrolled(ledger)
    later = enrolled(ledger, key=replace(KEY, created_at=KEY.created_at + 1)).key

    fold_in(ledger, [sighting("a", "FAILED")])

    assert ledger.counts(later).by_bucket == ledger.totals(later).by_bucket == {}
    assert ledger.things(later, ["a"]) == {}


@pytest.mark.parametrize(
    "before",
    [
        None,
        ThingRecord(ExecutionStatus.FAILED, 1, 1, 1),
        ThingRecord(ExecutionStatus.IN_PROGRESS, 2, 1, 1),
        ThingRecord(ExecutionStatus.IN_PROGRESS, 1, 2, 1),
        ThingRecord(ExecutionStatus.IN_PROGRESS, 1, 1, 2),
    ],
    ids=["none", "status", "at", "execution_number", "bucket"],
)
def test_a_commit_on_an_outdated_record_writes_nothing(
    ledger: Ledger, before: ThingRecord | None
) -> None:
    """If any field of any record is not what was read, no record and no counter changes."""
    enrolled(ledger)
    fold_in(ledger, [sighting("a", "IN_PROGRESS", at=1, bucket=1)])
    changes = [
        Transition("new", None, ThingRecord(ExecutionStatus.FAILED, 5, 1, 1)),
        Transition("a", before, ThingRecord(ExecutionStatus.SUCCEEDED, 5, 1, 1)),
    ]

    with pytest.raises(Contention):
        ledger.commit(KEY, changes, deltas(changes))

    assert set(ledger.things(KEY, ["a", "new"])) == {"a"}
    assert by_name(ledger.counts(KEY).by_bucket) == {(1, "IN_PROGRESS"): 1}
    assert by_name(ledger.totals(KEY).by_bucket) == {(TOTALS_BUCKET, "IN_PROGRESS"): 1}


def test_a_commit_on_a_record_that_never_was_writes_nothing(ledger: Ledger) -> None:
    """A record that is gone is not replaced by one derived from it."""
    enrolled(ledger)
    record = ThingRecord(ExecutionStatus.IN_PROGRESS, 1, 1, 1)
    changes = [Transition("a", record, replace(record, status=ExecutionStatus.FAILED))]

    with pytest.raises(Contention):
        ledger.commit(KEY, changes, deltas(changes))

    assert ledger.counts(KEY).by_bucket == {}


def test_the_largest_commit_fits(ledger: Ledger) -> None:
    """As many changes as the port promises go in at once even if each moves two buckets."""
    enrolled(ledger)
    things = range(CHANGES_MAX)
    fold_in(ledger, [sighting(f"t{each}", "IN_PROGRESS", bucket=each) for each in things])

    again = [sighting(f"t{each}", "FAILED", number=2, bucket=CHANGES_MAX + each) for each in things]
    fold_in(ledger, again)

    assert by_name(ledger.counts(KEY).by_bucket) == {
        (CHANGES_MAX + each, "FAILED"): 1 for each in things
    }


def test_a_larger_commit_is_refused(ledger: Ledger) -> None:
    """One change more than the port promises is refused whole, in words."""
    enrolled(ledger)

    with pytest.raises(Refused, match=f"{CHANGES_MAX}"):
        fold_in(ledger, [sighting(f"t{each}", "FAILED") for each in range(CHANGES_MAX + 1)])

    assert ledger.counts(KEY).by_bucket == {}


def test_a_thing_changes_once_in_a_commit(ledger: Ledger) -> None:
    """Two changes of one thing contradict each other and are refused whole."""
    enrolled(ledger)
    changes = [
        Transition("a", None, ThingRecord(ExecutionStatus(status), 1, 1, 1))
        for status in ("FAILED", "SUCCEEDED")
    ]

    with pytest.raises(Refused):
        ledger.commit(KEY, changes, deltas(changes))

    assert ledger.things(KEY, ["a"]) == {}


def test_an_empty_commit_is_done(ledger: Ledger) -> None:
    """A batch of duplicates changes nothing and is no error."""
    enrolled(ledger)

    ledger.commit(KEY, [], {})

    assert ledger.counts(KEY).by_bucket == {}


def test_the_listing_is_remembered(ledger: Ledger) -> None:
    """How far executions were read is part of the rollout, and says nothing else of it."""
    enrolled(ledger)

    ledger.note_listing(KEY, Listing(seen_until=NOW + 0.75, surplus=4))

    assert ledger.rollout(KEY) == replace(FRESH, listing=Listing(NOW + 0.75, 4))


def test_writers_at_the_same_moment_lose_nothing(
    ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    """Threads that commit the same and different things at once end in the true counts."""
    if "moto" in request.node.callspec.id:
        pytest.skip("moto's transactions are not safe across threads")
    enrolled(ledger)
    lost: list[int] = []

    def write(writer: int) -> None:
        for number in range(5):
            for _ in range(50):
                try:
                    fold_in(
                        ledger,
                        [
                            sighting(f"own-{writer}-{number}", "SUCCEEDED", bucket=number),
                            sighting("shared", "FAILED", at=writer * 10 + number, bucket=0),
                        ],
                    )
                    break
                except Contention:
                    continue
            else:
                lost.append(writer)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert lost == []
    assert by_name(ledger.counts(KEY).by_bucket) == {
        (0, "FAILED"): 1,
        **{(number, "SUCCEEDED"): 6 for number in range(5)},
    }
    assert ledger.things(KEY, ["shared"])["shared"].at == 54


# waiting


def test_a_token_is_parked_until_it_is_unparked(ledger: Ledger) -> None:
    """The waiting token is the rollout's own, and only that very token is forgotten."""
    enrolled(ledger, generation=2)
    waiting = Park("token-2", 2, 7, 3, Tripwires(harmed=4, succeeded=None))

    ledger.park(KEY, replace(waiting, token="token-1"))
    ledger.park(KEY, waiting)
    ledger.unpark(KEY, "token-1")
    parked = ledger.rollout(KEY).park
    ledger.unpark(KEY, "token-2")

    assert parked == waiting
    assert ledger.rollout(KEY).park is None
    ledger.unpark(KEY, "token-2")
    ledger.unpark(NOBODY, "token-2")


def test_only_the_owner_parks(ledger: Ledger) -> None:
    """A generation that was succeeded does not make the rollout wait on its token."""
    enrolled(ledger, generation=2)

    with pytest.raises(Superseded):
        ledger.park(KEY, Park("token", 1, 1, 0, Tripwires()))

    assert ledger.rollout(KEY).park is None
