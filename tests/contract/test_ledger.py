"""What every ledger does, in memory as in DynamoDB."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.contract.samples import (
    COURSE,
    FRESH,
    KEY,
    MEMORY,
    NOW,
    POLICY,
    SEASONED,
    by_name,
    decision,
    enrolled,
    fill_in,
    fold_in,
    sighting,
)
from tests.contract.tables import WRITERS, in_threads, overtake, table
from tidegate.adapters.aws.ledger_items import STATE, address, rollout_pk
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.domain.course import Answer, Course
from tidegate.domain.decision import Evidence, Verdict
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import Moved, ThingRecord, Transition, deltas
from tidegate.domain.rollout import (
    AbortRequest,
    Active,
    Bookmark,
    Ending,
    Hold,
    HoldKind,
    Lift,
    Listing,
    Park,
    RolloutKey,
    Step,
    Tripwires,
)
from tidegate.domain.things import Connected
from tidegate.errors import Contention, NotFound, Refused, Superseded
from tidegate.ports import CHANGES_MAX, TOTALS_BUCKET, Entry, Tagged

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from tidegate.domain.rollout import Rollout
    from tidegate.ports import Ledger

NOBODY = RolloutKey("nobody", 1)
OPERATOR = HoldKind.OPERATOR

#: What somebody adjusts the policy to.
CAREFUL = replace(POLICY, name="careful", pace=replace(POLICY.pace, max_per_minute=50))
CAREFREE = replace(POLICY, name="carefree", pace=replace(POLICY.pace, max_per_minute=500))


def parked() -> Rollout:
    """Return a rollout that waits."""
    return replace(FRESH, park=Park("token", 1, 0, 0, Tripwires()))


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
        lambda ledger: ledger.lift_holds(KEY, OPERATOR, lift(1)),
        lambda ledger: ledger.give_answer(KEY, answer("canary-answer")),
        lambda ledger: ledger.adjust(KEY, CAREFUL, keeps_bound=True, at=1),
        lambda ledger: ledger.link_rollback(KEY, "undo"),
        lambda ledger: ledger.note_connected(KEY, Connected(10)),
        lambda ledger: ledger.note_bookmark(KEY, ExecutionStatus.QUEUED, Bookmark("token")),
        lambda ledger: ledger.release(KEY, "thing.type=(none)", by="ops", reason="x", at=1),
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
    overtake(ledger, write, monkeypatch)

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

    for later in (1 / 3, 60):
        ledger.conclude(KEY, generation=3, ending=Ending.COMPLETED, at=NOW + later)

    assert ledger.rollout(KEY).ending is Ending.COMPLETED
    assert ledger.rollout(KEY).ended_at == NOW + 1 / 3
    with pytest.raises(Superseded):
        ledger.conclude(KEY, generation=2, ending=Ending.ABORTED, at=NOW)
    with pytest.raises(NotFound):
        ledger.conclude(NOBODY, generation=1, ending=Ending.ABORTED, at=NOW)
    assert ledger.rollout(KEY).ending is Ending.COMPLETED


def test_what_was_asked_meanwhile_keeps_a_rollout_from_ending(ledger: Ledger) -> None:
    """It ends only by a decision that has seen all that people asked for; then it stays ended."""
    enrolled(ledger)
    ledger.signal(KEY)

    with pytest.raises(Superseded):
        ledger.conclude(KEY, generation=1, ending=Ending.COMPLETED, at=NOW, signals=0)
    assert ledger.rollout(KEY).ending is None
    assert [each.key for each in ledger.active()] == [KEY]

    ledger.conclude(KEY, generation=1, ending=Ending.COMPLETED, at=NOW, signals=1)
    ledger.signal(KEY)
    ledger.conclude(KEY, generation=1, ending=Ending.COMPLETED, at=NOW + 1, signals=1)
    assert ledger.rollout(KEY).ended_at == NOW


# the list of active rollouts


def test_rollouts_that_go_on_are_listed(ledger: Ledger) -> None:
    """Every rollout is in the list, its first review due, from its claim to its end."""
    keys = [RolloutKey(f"job-{number}", 1_700_000_000 + number) for number in range(3)]
    for key in keys:
        enrolled(ledger, key=key)

    ledger.conclude(keys[1], generation=1, ending=Ending.COMPLETED, at=NOW)

    assert sorted(ledger.active(), key=lambda each: each.key) == [
        Active(key, review_by=FRESH.enrolled_at) for key in (keys[0], keys[2])
    ]


def test_a_claim_that_fails_lists_nothing(ledger: Ledger) -> None:
    """A rollout under an outdated job of the same id gets into no list."""
    new = enrolled(ledger, key=replace(KEY, created_at=KEY.created_at + 1))

    with pytest.raises(Contention):
        enrolled(ledger)

    assert [each.key for each in ledger.active()] == [new.key]


def test_the_list_has_what_the_last_decision_says(ledger: Ledger) -> None:
    """When the next review is due, and the harm beyond what the policy accepts, never negative."""
    enrolled(ledger)
    listed: list[Active] = []

    for revision, harmed in ((1, 20), (2, 1)):
        each = replace(decision(revision), evidence=Evidence(started=400, harmed=harmed))
        ledger.store_decision(KEY, each, generation=1)
        listed += ledger.active()

    assert listed == [
        Active(KEY, decision(1).review_by, harmed_beyond=20 - 0.015 * 400),
        Active(KEY, decision(2).review_by, harmed_beyond=0),
    ]


def test_heals_are_counted_until_the_next_decision(ledger: Ledger) -> None:
    """A workflow that is started anew in vain, again and again, can be told from one that works."""
    enrolled(ledger)
    ledger.store_decision(KEY, decision(1), generation=1)
    before = ledger.active()[0]

    for at in (NOW + 1, NOW + 2.5):
        ledger.note_heal(KEY, at=at)
    healed = ledger.active()
    ledger.store_decision(KEY, decision(2), generation=1)

    assert list(healed) == [replace(before, heals=2, healed_at=NOW + 2.5)]
    assert list(ledger.active()) == [
        replace(before, review_by=decision(2).review_by, healed_at=NOW + 2.5)
    ]


def test_a_hand_over_leaves_the_list_alone(ledger: Ledger) -> None:
    """A successor's claim says nothing yet of when it reviews, and forgets no heal."""
    enrolled(ledger)
    ledger.store_decision(KEY, decision(1), generation=1)
    ledger.note_heal(KEY, at=NOW)
    before = ledger.active()

    known = ledger.rollout(KEY)
    ledger.claim(replace(known, generation=2), previous=known)

    assert list(ledger.active()) == list(before)


def test_a_rollout_that_ended_is_never_listed_again(ledger: Ledger) -> None:
    """Whatever comes in after its end, late or twice, brings none of it back."""
    enrolled(ledger)
    for _ in range(2):
        ledger.conclude(KEY, generation=1, ending=Ending.ABORTED, at=NOW)

    ledger.note_heal(KEY, at=NOW)
    ledger.signal(KEY)
    ledger.store_decision(KEY, decision(1), generation=1)
    known = ledger.rollout(KEY)
    ledger.claim(replace(known, generation=2), previous=known)

    assert list(ledger.active()) == []


def test_who_was_succeeded_takes_nothing_off_the_list(ledger: Ledger) -> None:
    """A generation that does not own the rollout ends it neither in its state nor in the list."""
    enrolled(ledger, generation=2)

    with pytest.raises(Superseded):
        ledger.conclude(KEY, generation=1, ending=Ending.ABORTED, at=NOW)

    assert [each.key for each in ledger.active()] == [KEY]


# another policy


def test_a_policy_is_adjusted(ledger: Ledger) -> None:
    """The new policy is the rollout's, counted as a version and a signal; all else stays."""
    enrolled(ledger)
    ledger.store_decision(KEY, replace(decision(1), course=COURSE, memory=MEMORY), generation=1)
    before = ledger.rollout(KEY)

    ledger.adjust(KEY, CAREFUL, keeps_bound=True, at=NOW)

    assert ledger.rollout(KEY) == replace(before, policy=CAREFUL, policy_version=2, signals=1)


def test_a_policy_may_need_the_size_of_the_fleet(ledger: Ledger) -> None:
    """The size that comes with a policy is kept, and stays where a later one brings none."""
    enrolled(ledger)

    ledger.adjust(KEY, CAREFUL, keeps_bound=True, at=NOW, fleet_size=250)
    ledger.adjust(KEY, CAREFREE, keeps_bound=True, at=NOW)

    assert ledger.rollout(KEY) == replace(
        FRESH, policy=CAREFREE, policy_version=3, signals=2, fleet_size=250
    )


def test_another_notion_of_harm_begins_the_bound_anew(ledger: Ledger) -> None:
    """A bound that was established under another policy, and does not hold, is given up."""
    enrolled(ledger)
    ledger.store_decision(KEY, decision(1, upper_bound=0.25), generation=1)

    ledger.adjust(KEY, CAREFUL, keeps_bound=False, at=NOW)
    anew = ledger.rollout(KEY).upper_bound
    ledger.store_decision(KEY, decision(2, upper_bound=0.75, signals=1), generation=1)

    assert (anew, ledger.rollout(KEY).upper_bound) == (1.0, 0.75)


def test_a_review_that_has_not_seen_the_policy_does_not_bound_it(ledger: Ledger) -> None:
    """A decision that was under way while the policy changed would bound it for good: it is not."""
    enrolled(ledger, signals=2)

    ledger.adjust(KEY, CAREFUL, keeps_bound=False, at=NOW)
    ledger.adjust(KEY, CAREFREE, keeps_bound=True, at=NOW)
    bounds = []
    for revision, signals in ((1, 2), (2, 3)):
        stored = decision(revision, upper_bound=0.25, signals=signals)
        ledger.store_decision(KEY, stored, generation=1)
        bounds.append(ledger.rollout(KEY).upper_bound)

    assert bounds == [1.0, 0.25]


@pytest.mark.parametrize("kind", ["moto", pytest.param("cloud", marks=pytest.mark.e2e)])
def test_a_decision_overtaken_by_an_adjustment_is_stored_under_it(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A bound that begins anew between a decision's own look and its write stays new."""
    ledger = table(request.getfixturevalue(kind).client("dynamodb"))
    enrolled(ledger, upper_bound=0.25)
    overtake(
        ledger,
        lambda ledger: ledger.adjust(KEY, CAREFUL, keeps_bound=False, at=NOW),
        monkeypatch,
    )

    ledger.store_decision(KEY, decision(1), generation=1)

    rollout = ledger.rollout(KEY)
    assert (rollout.revision, rollout.policy, rollout.upper_bound) == (1, CAREFUL, 1.0)


@pytest.mark.parametrize("kind", ["moto", pytest.param("cloud", marks=pytest.mark.e2e)])
def test_a_rollout_of_an_earlier_version_goes_on(request: pytest.FixtureRequest, kind: str) -> None:
    """What was stored before policies could be adjusted is decided on and adjusted all the same."""
    client: DynamoDBClient = request.getfixturevalue(kind).client("dynamodb")
    ledger = table(client)
    enrolled(ledger)
    client.update_item(
        TableName=ledger._table.name,
        Key=address(rollout_pk(KEY), STATE),
        UpdateExpression="REMOVE policy_version, bound_from_signal, course, connected, #overlaps",
        ExpressionAttributeNames={"#overlaps": "overlaps"},
    )

    ledger.store_decision(KEY, decision(1), generation=1)
    ledger.adjust(KEY, CAREFUL, keeps_bound=True, at=NOW)
    ledger.store_decision(KEY, decision(2, signals=1), generation=1)

    assert ledger.rollout(KEY) == replace(
        FRESH, revision=2, signals=1, upper_bound=0.5, policy=CAREFUL, policy_version=2
    )


@pytest.mark.parametrize("kind", ["moto", pytest.param("cloud", marks=pytest.mark.e2e)])
@pytest.mark.parametrize(
    "write",
    [
        lambda ledger: ledger.signal(KEY),
        lambda ledger: ledger.store_decision(KEY, decision(1), generation=1),
        lambda ledger: ledger.adjust(KEY, CAREFREE, keeps_bound=True, at=NOW),
    ],
    ids=lambda write: write.__code__.co_names[0],
)
def test_an_adjustment_overtaken_is_made_again(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    write: Callable[[Ledger], None],
) -> None:
    """Whatever is written between an adjustment's own look and its write is kept beside it."""
    ledger = table(request.getfixturevalue(kind).client("dynamodb"))
    enrolled(ledger)
    alone = MemoryLedger()
    enrolled(alone)
    write(alone)
    alone.adjust(KEY, CAREFUL, keeps_bound=False, at=NOW)
    overtake(ledger, write, monkeypatch)

    ledger.adjust(KEY, CAREFUL, keeps_bound=False, at=NOW)

    assert ledger.rollout(KEY) == alone.rollout(KEY)


def test_the_same_policy_again_changes_nothing(ledger: Ledger) -> None:
    """An adjustment that is delivered twice is one, its bound and its signal included."""
    enrolled(ledger)
    ledger.adjust(KEY, CAREFUL, keeps_bound=False, at=NOW)
    ledger.store_decision(KEY, decision(1, signals=1), generation=1)
    before = ledger.rollout(KEY)

    ledger.adjust(KEY, CAREFUL, keeps_bound=False, at=NOW)
    ledger.adjust(KEY, CAREFUL, keeps_bound=False, at=NOW + 1)

    assert ledger.rollout(KEY) == before


def test_a_late_adjustment_changes_nothing(ledger: Ledger) -> None:
    """What was asked for before the last adjustment, or comes again after it, is history."""
    enrolled(ledger)
    ledger.adjust(KEY, CAREFUL, keeps_bound=True, at=NOW + 10)
    ledger.adjust(KEY, CAREFREE, keeps_bound=True, at=NOW + 20)

    ledger.adjust(KEY, CAREFUL, keeps_bound=True, at=NOW + 10)
    late = ledger.rollout(KEY)
    ledger.adjust(KEY, POLICY, keeps_bound=True, at=NOW + 20)

    assert late == replace(FRESH, policy=CAREFREE, policy_version=3, signals=2)
    assert ledger.rollout(KEY) == replace(late, policy=POLICY, policy_version=4, signals=3)


def test_the_first_rollback_stays(ledger: Ledger) -> None:
    """An aborted release is undone by one job, however often one is launched."""
    enrolled(ledger)

    for job_id in ("undo", "undo", "undo-again"):
        ledger.link_rollback(KEY, job_id)

    assert ledger.rollout(KEY) == replace(FRESH, rolled_back_by="undo")


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


def test_what_gates_and_questions_came_to_is_kept_with_the_rollout(ledger: Ledger) -> None:
    """The next review finds there what was reached, asked and proposed, and when it is gone."""
    enrolled(ledger)

    for revision, course in enumerate([COURSE, Course()], start=1):
        ledger.store_decision(KEY, replace(decision(revision), course=course), generation=1)

        assert ledger.rollout(KEY).course == course
        assert ledger.current([KEY.job_id])[KEY.job_id].course == course
    ledger.store_decision(KEY, replace(decision(1), course=COURSE), generation=1)
    assert ledger.rollout(KEY).course == Course()


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


def test_a_decision_is_read_with_what_applying_it_came_to(ledger: Ledger) -> None:
    """One read tells both, of one decision and of the newest; one not applied has no note."""
    enrolled(ledger)
    for revision in range(1, 12):
        ledger.store_decision(KEY, decision(revision), generation=1)
    ledger.mark_applied(KEY, 10, at=NOW, result={"outcome": "applied", "took": 0.1})

    noted = Entry(decision(10), {"outcome": "applied", "took": 0.1})
    assert ledger.entry(KEY, 10) == noted
    assert ledger.entry(KEY, 11) == Entry(decision(11), None)
    assert list(ledger.entries(KEY, limit=2)) == [Entry(decision(11), None), noted]
    assert len(ledger.entries(KEY, limit=99)) == 11
    assert list(ledger.entries(KEY, limit=0)) == []
    assert list(ledger.entries(NOBODY, limit=1)) == []
    with pytest.raises(NotFound):
        ledger.entry(KEY, 12)


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


def test_who_lifted_holds_and_why_is_known(ledger: Ledger) -> None:
    """The latest lift is kept whole, in whatever order lifts arrive."""
    enrolled(ledger)

    never = ledger.lift(KEY, OPERATOR)
    for each in (lift(20.5), lift(30.25, "night-shift"), lift(10)):
        ledger.lift_holds(KEY, OPERATOR, each)

    assert never is None
    assert ledger.lift(KEY, OPERATOR) == Lift("night-shift", "all clear", 30.25)
    assert ledger.lift(KEY, HoldKind.ALARM) is None
    assert ledger.lift(NOBODY, OPERATOR) is None


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


def answer(question_id: str, at: float = NOW, *, yes: bool = True, by: str = "qa") -> Answer:
    """Return an answer to a question."""
    return Answer(question_id, yes=yes, by=by, comment='looks "fine"', at=at)


def test_answers_are_kept(ledger: Ledger) -> None:
    """Every question has its own answer, kept whole and counted as a signal."""
    enrolled(ledger)
    given = [answer("canary-approval", NOW + 1 / 3, yes=False), answer("canary-answer", NOW + 5)]

    stood = [ledger.give_answer(KEY, each) for each in reversed(given)]

    assert stood == given[::-1]
    assert list(ledger.answers(KEY)) == given
    assert ledger.rollout(KEY) == replace(FRESH, signals=2)


def test_the_first_answer_stands(ledger: Ledger) -> None:
    """Whoever answers again, the same or otherwise, learns what stands, and wakes nobody."""
    enrolled(ledger)
    first = answer("decision-7", NOW + 5)
    ledger.give_answer(KEY, first)

    again = ledger.give_answer(KEY, first)
    other = ledger.give_answer(KEY, answer("decision-7", NOW, yes=False, by="release-desk"))

    assert again == other == first
    assert list(ledger.answers(KEY)) == [first]
    assert ledger.rollout(KEY).signals == 1


def test_rollouts_do_not_share_answers(ledger: Ledger) -> None:
    """What was said of an earlier job of the same id answers no question of this one."""
    enrolled(ledger)
    later = enrolled(ledger, key=replace(KEY, created_at=KEY.created_at + 1)).key

    ledger.give_answer(KEY, answer("canary-answer"))

    assert list(ledger.answers(later)) == []
    assert ledger.rollout(later).signals == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda ledger: ledger.place_hold(NOBODY, hold("zoe", 1)),
        lambda ledger: ledger.lift_holds(NOBODY, OPERATOR, lift(1)),
        lambda ledger: ledger.give_answer(NOBODY, answer("canary-answer")),
        lambda ledger: ledger.adjust(NOBODY, CAREFUL, keeps_bound=True, at=1),
        lambda ledger: ledger.link_rollback(NOBODY, "undo"),
        lambda ledger: ledger.note_connected(NOBODY, Connected(10)),
        lambda ledger: ledger.note_bookmark(NOBODY, ExecutionStatus.QUEUED, Bookmark("token")),
        lambda ledger: ledger.release(NOBODY, "thing.type=(none)", by="ops", reason="x", at=1),
        lambda ledger: ledger.note_heal(NOBODY, at=1),
        lambda ledger: ledger.signal(NOBODY),
        lambda ledger: ledger.request_abort(NOBODY, AbortRequest("ops", "smoke", 1)),
        lambda ledger: ledger.note_listing(NOBODY, Listing()),
        lambda ledger: ledger.park(NOBODY, Park("token", 1, 1, 0, Tripwires())),
    ],
    ids=lambda ask: ask.__code__.co_names[0],
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
    assert list(ledger.answers(NOBODY)) == []
    assert ledger.released(NOBODY) == frozenset()
    assert list(ledger.active()) == []


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

    assert by_name(ledger.counted(KEY).counts.by_bucket) == {
        (0, "FAILED"): 2,
        (12_345, "SUCCEEDED"): 1,
        (-1, "QUEUED"): 1,
    }
    assert by_name(ledger.totals(KEY).counts.by_bucket) == {
        (TOTALS_BUCKET, "FAILED"): 2,
        (TOTALS_BUCKET, "SUCCEEDED"): 1,
        (TOTALS_BUCKET, "QUEUED"): 1,
    }


def test_a_change_moves_the_counters(ledger: Ledger) -> None:
    """A thing that fails, is placed and then succeeds moves along and leaves no trace behind."""
    enrolled(ledger)

    for status, at, bucket in (("FAILED", 1, -1), ("FAILED", 1, 7), ("SUCCEEDED", 2, 7)):
        fold_in(ledger, [sighting("a", status, at=at, bucket=bucket)])

    assert by_name(ledger.counted(KEY).counts.by_bucket) == {(7, "SUCCEEDED"): 1}
    assert by_name(ledger.totals(KEY).counts.by_bucket) == {(TOTALS_BUCKET, "SUCCEEDED"): 1}
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

    assert ledger.counted(later).counts.by_bucket == ledger.totals(later).counts.by_bucket == {}
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
    assert by_name(ledger.counted(KEY).counts.by_bucket) == {(1, "IN_PROGRESS"): 1}
    assert by_name(ledger.totals(KEY).counts.by_bucket) == {(TOTALS_BUCKET, "IN_PROGRESS"): 1}


def test_a_commit_on_a_record_that_never_was_writes_nothing(ledger: Ledger) -> None:
    """A record that is gone is not replaced by one derived from it."""
    enrolled(ledger)
    record = ThingRecord(ExecutionStatus.IN_PROGRESS, 1, 1, 1)
    changes = [Transition("a", record, replace(record, status=ExecutionStatus.FAILED))]

    with pytest.raises(Contention):
        ledger.commit(KEY, changes, deltas(changes))

    assert ledger.counted(KEY).counts.by_bucket == {}


def test_the_largest_commit_fits(ledger: Ledger) -> None:
    """As many changes as promised go in at once even if each moves two buckets and two reasons."""
    enrolled(ledger)
    things = range(CHANGES_MAX)
    fold_in(
        ledger,
        [sighting(f"t{each}", "FAILED", bucket=each, reason=f"first {each}") for each in things],
    )
    for each in things:
        fill_in(ledger, f"t{each}", cell=each + 1)

    again = [
        sighting(f"t{each}", "FAILED", number=2, bucket=CHANGES_MAX + each, reason=f"second {each}")
        for each in things
    ]
    fold_in(ledger, again)

    assert by_name(ledger.counted(KEY).counts.by_bucket) == {
        (CHANGES_MAX + each, "FAILED"): 1 for each in things
    }
    assert ledger.reasons(KEY) == {(f"second {each}", each + 1): 1 for each in things}


def test_a_larger_commit_is_refused(ledger: Ledger) -> None:
    """One change more than the port promises is refused whole, in words."""
    enrolled(ledger)

    with pytest.raises(Refused, match=f"{CHANGES_MAX}"):
        fold_in(ledger, [sighting(f"t{each}", "FAILED") for each in range(CHANGES_MAX + 1)])

    assert ledger.counted(KEY).counts.by_bucket == {}


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

    ledger.commit(KEY, [], Moved())

    assert ledger.counted(KEY).counts.by_bucket == {}


def test_the_listing_is_remembered(ledger: Ledger) -> None:
    """How far executions were read is part of the rollout, and says nothing else of it."""
    enrolled(ledger)

    listing = Listing(seen_until=NOW + 0.75, surplus=4, minutes_taken=(7, 0, 2))
    ledger.note_listing(KEY, listing)

    assert ledger.rollout(KEY) == replace(FRESH, listing=listing)


def test_each_status_has_a_bookmark_of_its_own(ledger: Ledger) -> None:
    """Two chores read on by themselves; at the beginning of a list there is no token."""
    enrolled(ledger)
    waiting, at_work = Bookmark("token", "cohorts", NOW + 0.25), Bookmark()
    ledger.note_bookmark(KEY, ExecutionStatus.QUEUED, Bookmark("earlier"))
    ledger.note_bookmark(KEY, ExecutionStatus.IN_PROGRESS, at_work)
    ledger.note_bookmark(KEY, ExecutionStatus.QUEUED, waiting)

    noted = {ExecutionStatus.QUEUED: waiting, ExecutionStatus.IN_PROGRESS: at_work}
    assert ledger.rollout(KEY) == replace(FRESH, bookmarks=noted)


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

    in_threads(write)

    assert lost == []
    assert by_name(ledger.counted(KEY).counts.by_bucket) == {
        (0, "FAILED"): 1,
        **{(number, "SUCCEEDED"): WRITERS for number in range(5)},
    }
    assert ledger.things(KEY, ["shared"])["shared"].at == 54


def test_of_answers_at_the_same_moment_one_stands(
    ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    """Threads that answer one question at once all learn of the same answer; it is one signal."""
    if "moto" in request.node.callspec.id:
        pytest.skip("moto's transactions are not safe across threads")
    enrolled(ledger)
    stood: list[Answer] = []

    in_threads(
        lambda writer: stood.append(
            ledger.give_answer(KEY, answer("canary-answer", by=f"desk-{writer}"))
        )
    )

    assert len(stood) == WRITERS
    assert {each.by for each in stood} == {ledger.answers(KEY)[0].by}
    assert ledger.rollout(KEY).signals == 1


def test_adjustments_at_the_same_moment_are_all_versions(
    ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    """Threads that adjust a policy at once each make a version of their own, one after another."""
    if "moto" in request.node.callspec.id:
        pytest.skip("moto's transactions are not safe across threads")
    enrolled(ledger)

    def adjust(writer: int) -> None:
        policy = replace(CAREFUL, name=f"careful-{writer}")
        for _ in range(50):
            with suppress(Contention):
                ledger.adjust(KEY, policy, keeps_bound=True, at=NOW)
                break

    in_threads(adjust)

    rollout = ledger.rollout(KEY)
    assert (rollout.policy_version, rollout.signals) == (1 + WRITERS, WRITERS)


# the timeline


def step(at: float, text: str = "held", revision: int = 0, what: str = "Rollout Held") -> Step:
    """Return a step."""
    return Step(at, what, text, revision)


def test_the_timeline_is_told_in_order(ledger: Ledger) -> None:
    """Steps come oldest first, in whatever order they were noted, with all that they say."""
    enrolled(ledger)
    sent = {"jobExecutionsRolloutConfig": {"maximumPerMinute": 7, "rates": [0.5, None]}}
    told = [
        step(9.5),
        step(10, "first"),
        replace(step(NOW, "faster", 3, "Settings Changed"), sent=sent),
        step(NOW, "passed", 12, "Gate Passed"),
        step(NOW + 0.001, "again"),
    ]

    ledger.note_steps(KEY, [told[3], told[0], told[4]])
    ledger.note_steps(KEY, [told[2], told[1]])
    ledger.note_steps(KEY, [])

    assert list(ledger.steps(KEY, limit=99)) == told
    assert list(ledger.steps(NOBODY, limit=99)) == []


def test_a_long_timeline_ends_with_the_newest(ledger: Ledger) -> None:
    """However many steps come at once, the last ones are found, oldest first."""
    enrolled(ledger)
    told = [step(NOW + number, f"step {number}") for number in range(60)]

    ledger.note_steps(KEY, told)

    assert list(ledger.steps(KEY, limit=60)) == told
    assert list(ledger.steps(KEY, limit=3)) == told[-3:]
    assert list(ledger.steps(KEY, limit=0)) == []


def test_a_step_is_noted_once(ledger: Ledger) -> None:
    """The same step again, at once or later, is one; what differs in its text is another."""
    enrolled(ledger)
    held, too = step(NOW, "held by night-shift"), step(NOW, "held by release-desk")

    ledger.note_steps(KEY, [held, held])
    ledger.note_steps(KEY, [held, too])

    noted = ledger.steps(KEY, limit=9)
    assert sorted(noted, key=lambda each: each.text) == [held, too]


# what sweeping remembers


def test_tags_are_remembered_per_job(ledger: Ledger) -> None:
    """Jobs that were looked at are known, those without the tag too, under their creation."""
    tagged, untagged = Tagged("firmware", NOW + 0.5), Tagged(None, NOW)
    reborn = replace(KEY, created_at=KEY.created_at + 1)

    ledger.note_tagged(KEY, tagged)
    ledger.note_tagged(NOBODY, untagged)

    assert ledger.tagged([KEY, KEY, NOBODY, reborn]) == {KEY: tagged, NOBODY: untagged}
    assert ledger.tagged([]) == {}
    assert ledger.current([KEY.job_id]) == {}


def test_the_latest_look_at_a_tag_stays(ledger: Ledger) -> None:
    """Of two looks at one job the later one counts, in whatever order they are noted."""
    for each in (Tagged(None, NOW), Tagged("firmware", NOW + 2), Tagged("old", NOW + 1)):
        ledger.note_tagged(KEY, each)

    assert ledger.tagged([KEY]) == {KEY: Tagged("firmware", NOW + 2)}


def test_many_tags_are_read_at_once(ledger: Ledger) -> None:
    """As many jobs as an account may run are asked for in one call."""
    jobs = [RolloutKey(f"job-{number}", number) for number in range(205)]
    ledger.note_tagged(jobs[204], Tagged("firmware", NOW))

    assert set(ledger.tagged(jobs)) == {jobs[204]}


def test_an_alert_is_news_once(ledger: Ledger) -> None:
    """What is wrong is news until it is no longer wrong, each by its own name."""
    ledger.clear_alert("never raised")

    raised = [ledger.raise_alert(name, at=NOW) for name in ("letters", "letters", "account")]
    for _ in range(2):
        ledger.clear_alert("letters")
    again = [ledger.raise_alert(name, at=NOW + 1) for name in ("letters", "letters", "account")]

    assert raised == [True, False, True]
    assert again == [True, False, False]


def test_an_alert_stands_until_it_is_cleared(ledger: Ledger) -> None:
    """Whoever tells of it looks first, tells, and notes it then."""
    stood = [ledger.is_alerted("letters")]
    ledger.raise_alert("letters", at=NOW)
    stood.append(ledger.is_alerted("letters"))
    ledger.clear_alert("letters")
    stood.append(ledger.is_alerted("letters"))

    assert stood == [False, True, False]


def test_an_alert_at_the_same_moment_is_news_to_one(
    ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    """Threads that notice the same thing at once do not all tell people."""
    if "moto" in request.node.callspec.id:
        pytest.skip("moto's writes are not safe across threads")
    news: list[bool] = []

    in_threads(lambda _: news.append(ledger.raise_alert("letters", at=NOW)))

    assert sorted(news) == [False] * (WRITERS - 1) + [True]


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
