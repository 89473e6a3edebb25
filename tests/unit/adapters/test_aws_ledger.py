"""What DynamoLedger does when the table is busy, large or missing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import ANY

from tests.contract.samples import FRESH, KEY, POLICY, decision, fold_in, sighting
from tests.unit.adapters.conftest import Script
from tidegate.adapters.aws import ledger_table
from tidegate.adapters.aws.ledger import (
    COMMAND_DAYS,
    ENDED_DAYS,
    ENDED_LIST_DAYS,
    RECORD_DAYS,
    REPORT_DAYS,
    REREADS_MAX,
    SHARDS,
    STEPS_AT_ONCE,
    TAGS_DAYS,
    DynamoLedger,
)
from tidegate.adapters.aws.ledger_items import (
    address,
    bucket_of_sk,
    cell_counter,
    count_sk,
    decision_sk,
    encoded_members,
    point_members,
    rollout_members,
    rollout_pk,
    total_sk,
)
from tidegate.adapters.aws.ledger_soaking import NOTE_ATTEMPTS_MAX, NOTES_AT_ONCE
from tidegate.adapters.aws.ledger_table import BATCH_ATTEMPTS_MAX, BATCH_KEYS_MAX
from tidegate.adapters.aws.ledger_writes import CONFLICT_ATTEMPTS_MAX, PAUSE_SECONDS
from tidegate.adapters.memory.clock import ManualClock
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import UNPLACED, ThingRecord, Transition, Vouched, deltas
from tidegate.domain.points import point_of
from tidegate.domain.rollout import (
    AbortRequest,
    Ending,
    HoldKind,
    Lift,
    Park,
    Rollout,
    RolloutKey,
    Step,
    Tripwires,
)
from tidegate.domain.things import Connected
from tidegate.errors import Contention, Refused, RetryLater, Superseded
from tidegate.ports import CommandResult, Soaking, Tagged

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = 1_700_000_000.75


@pytest.fixture
def ledger(dynamodb_client: DynamoDBClient) -> DynamoLedger:
    """Return a ledger over a client that is scripted."""
    return DynamoLedger("ledger", dynamodb_client, ManualClock(NOW))


def canceled(dynamodb: Script, *reasons: str) -> None:
    """Let DynamoDB cancel the next transaction."""
    dynamodb.refuse(
        "transact_write_items",
        "TransactionCanceledException",
        CancellationReasons=[{"Code": reason} for reason in reasons],
    )


def unanswered(count: int, answer: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return an answer of BatchGetItem that leaves so many keys out."""
    keys = [address(rollout_pk(KEY), f"thing#t{number}") for number in range(count)]
    left = {"ledger": {"Keys": keys, "ConsistentRead": True}} if count else {}
    return {"Responses": {"ledger": answer or []}, "UnprocessedKeys": left}


def test_a_collision_is_tried_again(
    ledger: DynamoLedger, dynamodb: Script, pauses: list[float]
) -> None:
    """Writes that met another's are repeated after random pauses that grow."""
    dynamodb.answer("batch_get_item", None, unanswered(0))
    canceled(dynamodb, "None", "TransactionConflict", "None")
    canceled(dynamodb, "ThrottlingError", "None", "None")
    dynamodb.answer("transact_write_items", None, {})

    fold_in(ledger, [sighting("a", "FAILED")])

    assert len(pauses) == 2
    assert 0 <= pauses[0] <= PAUSE_SECONDS
    assert 0 <= pauses[1] <= 2 * PAUSE_SECONDS


def test_endless_collisions_end(
    ledger: DynamoLedger, dynamodb: Script, pauses: list[float]
) -> None:
    """After a bounded number of tries the caller is told to read again."""
    dynamodb.answer("batch_get_item", None, unanswered(0))
    for _ in range(CONFLICT_ATTEMPTS_MAX):
        canceled(dynamodb, "TransactionConflict")

    with pytest.raises(Contention):
        fold_in(ledger, [sighting("a", "FAILED")])

    assert len(pauses) == CONFLICT_ATTEMPTS_MAX - 1


def test_a_failed_condition_is_not_tried_again(
    ledger: DynamoLedger, dynamodb: Script, pauses: list[float]
) -> None:
    """Who read something old reads anew at once."""
    dynamodb.answer("batch_get_item", None, unanswered(0))
    canceled(dynamodb, "ConditionalCheckFailed", "TransactionConflict")

    with pytest.raises(Contention, match="meanwhile"):
        fold_in(ledger, [sighting("a", "FAILED")])

    assert pauses == []


def test_a_single_write_that_collides_is_tried_again(
    ledger: DynamoLedger, dynamodb: Script, pauses: list[float]
) -> None:
    """An update outside a transaction can meet one, too."""
    dynamodb.refuse("update_item", "TransactionConflictException")
    dynamodb.answer("update_item", None, {})

    ledger.request_abort(KEY, AbortRequest("ops", "smoke", NOW))

    assert len(pauses) == 1


def test_keys_left_out_are_asked_for_again(
    ledger: DynamoLedger, dynamodb: Script, pauses: list[float]
) -> None:
    """DynamoDB may answer in part; the rest is read after a pause, consistently as before."""
    record = {
        **address(rollout_pk(KEY), "thing#t1"),
        **encoded_members({"status": "FAILED", "at": 1, "execution_number": 1, "bucket": 3}),
    }
    dynamodb.answer("batch_get_item", None, unanswered(1))
    dynamodb.answer(
        "batch_get_item",
        {
            "RequestItems": {
                "ledger": {"Keys": [address(rollout_pk(KEY), "thing#t0")], "ConsistentRead": True}
            }
        },
        unanswered(0, [record]),
    )

    found = ledger.things(KEY, ["t0", "t1"])

    assert found["t1"].status is ExecutionStatus.FAILED
    assert len(pauses) == 1


def test_keys_left_out_for_ever_are_an_error(
    ledger: DynamoLedger, dynamodb: Script, pauses: list[float]
) -> None:
    """A part of the records is never taken for all of them."""
    for _ in range(BATCH_ATTEMPTS_MAX):
        dynamodb.answer("batch_get_item", None, unanswered(1))

    with pytest.raises(RetryLater, match="1 were not answered"):
        ledger.things(KEY, ["t0"])


def test_many_keys_take_several_requests(ledger: DynamoLedger, dynamodb: Script) -> None:
    """BatchGetItem takes a hundred keys at once."""
    for _ in range(3):
        dynamodb.answer("batch_get_item", None, unanswered(0))

    assert ledger.things(KEY, [f"t{n}" for n in range(2 * BATCH_KEYS_MAX + 1)]) == {}


def counter(sk: str, **numbers: int) -> dict[str, Any]:
    """Return a counter item."""
    return {**address(rollout_pk(KEY), sk), **encoded_members(numbers)}


def test_counters_are_summed_over_shards_and_pages(ledger: DynamoLedger, dynamodb: Script) -> None:
    """A counter is the sum of its shards, single shards below zero included."""
    last = address(rollout_pk(KEY), "somewhere")
    dynamodb.answer(
        "query",
        None,
        {
            "Items": [
                counter(count_sk(UNPLACED, 0), QUEUED=3),
                counter(count_sk(4, 0), FAILED=2, SUCCEEDED=-1),
            ],
            "LastEvaluatedKey": last,
        },
    )
    dynamodb.answer(
        "query",
        {
            "TableName": "ledger",
            "KeyConditionExpression": ANY,
            "ExpressionAttributeValues": {
                ":pk": {"S": "rollout#firmware-7#1700000000"},
                ":prefix": {"S": "count#"},
            },
            "ConsistentRead": True,
            "ScanIndexForward": True,
            "ExclusiveStartKey": last,
        },
        {"Items": [counter(count_sk(4, 1), FAILED=5, SUCCEEDED=1)]},
    )

    assert ledger.counted(KEY).counts.by_bucket == {
        (UNPLACED, ExecutionStatus.QUEUED): 3,
        (4, ExecutionStatus.FAILED): 7,
    }


def test_endless_pages_end(
    ledger: DynamoLedger, dynamodb: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading stops at its limit, in words, rather than with part of the counters."""
    monkeypatch.setattr(ledger_table, "QUERY_PAGES_MAX", 2)
    last = address(rollout_pk(KEY), "somewhere")
    for _ in range(2):
        dynamodb.answer("query", None, {"Items": [], "LastEvaluatedKey": last})

    with pytest.raises(Refused, match="2 pages"):
        ledger.counted(KEY)


def test_reads_are_consistent(ledger: DynamoLedger, dynamodb: Script) -> None:
    """What was written before a read began is in it."""
    key = address("rollout#firmware-7#1700000000", "state")
    request = {"TableName": "ledger", "Key": key, "ConsistentRead": True}
    dynamodb.answer("get_item", request, state())

    assert ledger.rollout(KEY) == FRESH


def test_a_missing_table_is_not_a_missing_rollout(ledger: DynamoLedger, dynamodb: Script) -> None:
    """NotFound ends a rollout as deleted; a table that is gone must never look like that."""
    dynamodb.refuse("get_item", "ResourceNotFoundException")

    with pytest.raises(Refused) as caught:
        ledger.rollout(KEY)

    assert type(caught.value) is Refused
    assert "table ledger" in str(caught.value)


def test_thing_records_go_by_themselves(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Records of things expire long after their last write; counters and decisions never do."""
    pk = rollout_pk(KEY)
    record = {
        "status": "FAILED",
        "at": 100,
        "execution_number": 1,
        "bucket": 0,
        "expires_at": 1_700_000_000 + RECORD_DAYS * 86_400,
    }
    dynamodb.answer("batch_get_item", None, unanswered(0))
    dynamodb.answer(
        "transact_write_items",
        {
            "TransactItems": [
                {
                    "Update": {
                        "TableName": "ledger",
                        "Key": address(pk, "thing#a:b"),
                        "UpdateExpression": "SET "
                        + ", ".join(f"#{name} = :set_{name}" for name in record),
                        "ExpressionAttributeNames": {f"#{name}": name for name in record},
                        "ExpressionAttributeValues": encoded_members(
                            {f":set_{name}": value for name, value in record.items()}
                        ),
                        "ConditionExpression": "attribute_not_exists(#status)",
                    }
                },
                *(
                    {
                        "Update": {
                            "TableName": "ledger",
                            "Key": address(pk, sk),
                            "UpdateExpression": "ADD #FAILED :add_FAILED",
                            "ExpressionAttributeNames": {"#FAILED": "FAILED"},
                            "ExpressionAttributeValues": {":add_FAILED": {"N": "1"}},
                        }
                    }
                    for sk in (count_sk(0, 0), total_sk(0))
                ),
            ]
        },
        {},
    )

    fold_in(ledger, [sighting("a:b", "FAILED")])


@pytest.mark.parametrize("bucket", [UNPLACED, 0, 7, 99_998, 99_999])
def test_counters_sort_by_bucket(bucket: int) -> None:
    """Where counters lie tells their bucket, and buckets lie in order."""
    assert bucket_of_sk(count_sk(bucket, 3)) == bucket
    assert count_sk(bucket, SHARDS - 1) < count_sk(bucket + 1, 0)


def test_a_rollout_of_an_older_kind_can_be_taken_over(
    ledger: DynamoLedger, dynamodb: Script
) -> None:
    """A hand-over compares the count of writes, not attributes that a later version may add."""
    stored = {
        **address(rollout_pk(KEY), "state"),
        **encoded_members({**rollout_members(FRESH), "version": 7, "of_old": "x"}),
    }
    dynamodb.answer("get_item", None, {"Item": stored})
    dynamodb.answer("transact_write_items", None, {})

    ledger.claim(FRESH, previous=FRESH)


def state(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - Rollout's own fields
    """Return an answer of GetItem with a rollout."""
    rollout: Rollout = replace(FRESH, **changes)
    members = encoded_members({**rollout_members(rollout), "version": 1})
    return {"Item": {**address(rollout_pk(KEY), "state"), **members}}


def stored(each: Decision) -> dict[str, Any]:
    """Return an answer of GetItem with a decision."""
    members = encoded_members({"document": json.dumps(each.to_document())})
    return {"Item": {**address(rollout_pk(KEY), decision_sk(each.revision)), **members}}


def test_two_reviews_at_once_may_agree(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Who finds his own decision stored between reading and writing is done."""
    dynamodb.answer("get_item", None, state())
    canceled(dynamodb, "ConditionalCheckFailed", "ConditionalCheckFailed")
    dynamodb.answer("get_item", None, state(revision=1))
    dynamodb.answer("get_item", None, stored(decision(1)))

    ledger.store_decision(KEY, decision(1), generation=1)


def test_of_two_reviews_at_once_one_wins(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Who finds another decision stored between reading and writing has lost."""
    dynamodb.answer("get_item", None, state())
    canceled(dynamodb, "ConditionalCheckFailed", "ConditionalCheckFailed")
    dynamodb.answer("get_item", None, state(revision=1))
    dynamodb.answer("get_item", None, stored(decision(1, verdict=Verdict.HOLD)))

    with pytest.raises(Superseded, match="something else"):
        ledger.store_decision(KEY, decision(1), generation=1)


def test_a_hand_over_during_a_review_is_noticed(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Who loses the rollout between reading and writing stores nothing."""
    dynamodb.answer("get_item", None, state())
    canceled(dynamodb, "ConditionalCheckFailed", "None")
    dynamodb.answer("get_item", None, state(generation=2))

    with pytest.raises(Superseded, match="generation 1"):
        ledger.store_decision(KEY, decision(1), generation=1)


def test_who_comes_first_is_told_to_come_back(ledger: DynamoLedger, dynamodb: Script) -> None:
    """A rollout that is claimed between writing and looking is no reason to stop for good."""
    dynamodb.refuse("update_item", "ConditionalCheckFailedException")
    dynamodb.answer("get_item", None, state())

    with pytest.raises(Contention):
        ledger.park(KEY, Park("token", 1, 1, 0, Tripwires()))


def test_a_rollout_from_before_gates_still_loads(ledger: DynamoLedger, dynamodb: Script) -> None:
    """What a rollout of an earlier version lacks has its default."""
    lacks = {"bound_from_signal", "course", "overlaps", "policy_version"}
    stored = {name: value for name, value in state()["Item"].items() if name not in lacks}
    dynamodb.answer("get_item", None, {"Item": stored})

    assert ledger.rollout(KEY) == FRESH


def test_a_rollout_from_before_the_list_gets_into_it_by_its_next_decision(
    ledger: DynamoLedger, dynamodb: Script
) -> None:
    """A rollout without a policy's version is decided on all the same, and listed from then on."""
    each = decision(1)
    dynamodb.answer("get_item", None, state())
    dynamodb.answer("transact_write_items", {"TransactItems": [ANY, ANY, ANY, listed(each)]}, {})

    ledger.store_decision(KEY, each, generation=1)


def listed(each: Decision) -> dict[str, Any]:
    """Return the write that puts a rollout, after a decision, into the list."""
    members = {
        "job_id": KEY.job_id,
        "created_at": KEY.created_at,
        "review_by": each.review_by,
        "harmed_beyond": 0.0,
        "heals": 0,
    }
    values = {f":set_{name}": value for name, value in members.items()}
    return {
        "Update": {
            "TableName": "ledger",
            "Key": address("active", rollout_pk(KEY)),
            "UpdateExpression": "SET " + ", ".join(f"#{name} = :set_{name}" for name in members),
            "ExpressionAttributeNames": {f"#{name}": name for name in members},
            "ExpressionAttributeValues": encoded_members(values),
        }
    }


def test_a_lift_from_before_names_were_kept_is_nobodys(
    ledger: DynamoLedger, dynamodb: Script
) -> None:
    """A lift of an earlier version still tells when it was."""
    item = {
        **address(rollout_pk(KEY), "hold#operator"),
        **encoded_members({"kind": "operator", "lifted_until": 20}),
    }
    dynamodb.answer("get_item", None, {"Item": item})

    assert ledger.lift(KEY, HoldKind.OPERATOR) == Lift("", "", 20.0)


def test_an_adjusted_policy_stays(ledger: DynamoLedger, dynamodb: Script) -> None:
    """The snapshot before goes to a place of its own, with its time, and is never overwritten."""
    dynamodb.answer("get_item", None, state())
    dynamodb.answer("get_item", None, {})
    snapshot = {
        "Put": {
            "TableName": "ledger",
            "Item": {
                **address(rollout_pk(KEY), "policy#00000001"),
                "policy": {"S": json.dumps(POLICY.to_compiled())},
                "replaced_at": {"N": repr(NOW)},
            },
            "ConditionExpression": "attribute_not_exists(pk)",
        }
    }
    dynamodb.answer("transact_write_items", {"TransactItems": [ANY, snapshot]}, {})

    ledger.adjust(KEY, replace(POLICY, name="other"), keeps_bound=True, at=NOW)


def test_endless_adjustments_end(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Who is always overtaken is told to try again, and has changed nothing."""
    for _ in range(REREADS_MAX):
        dynamodb.answer("get_item", None, state())
        dynamodb.answer("get_item", None, {})
        canceled(dynamodb, "ConditionalCheckFailed", "None")

    with pytest.raises(Contention, match="firmware-7"):
        ledger.adjust(KEY, replace(POLICY, name="other"), keeps_bound=True, at=NOW)


def test_a_decision_always_overtaken_is_not_stored(ledger: DynamoLedger, dynamodb: Script) -> None:
    """A review whose rollout keeps changing under it is told to try again, in words."""
    for _ in range(REREADS_MAX):
        dynamodb.answer("get_item", None, state())
        canceled(dynamodb, "ConditionalCheckFailed", "None", "None")

    with pytest.raises(Contention, match="decision 1"):
        ledger.store_decision(KEY, decision(1), generation=1)


def test_what_ended_goes_from_the_list_by_itself(ledger: DynamoLedger, dynamodb: Script) -> None:
    """
    Nothing is deleted: in one transaction an ended rollout is marked, for a day, and listed.

    Its place among those that ended goes by itself too, after last year's.
    """
    unlisted = {
        "Update": {
            "TableName": "ledger",
            "Key": address("active", rollout_pk(KEY)),
            "UpdateExpression": "SET #ended = :set_ended, #expires_at = :set_expires_at",
            "ExpressionAttributeNames": {"#ended": "ended", "#expires_at": "expires_at"},
            "ExpressionAttributeValues": {
                ":set_ended": {"BOOL": True},
                ":set_expires_at": {"N": str(1_700_000_000 + ENDED_DAYS * 86_400)},
            },
        }
    }
    among_ended = {
        "Put": {
            "TableName": "ledger",
            "Item": {
                **address("ended", "001700000000750#firmware-7#1700000000"),
                "job_id": {"S": "firmware-7"},
                "created_at": {"N": "1700000000"},
                "expires_at": {"N": str(1_700_000_000 + ENDED_LIST_DAYS * 86_400)},
            },
        }
    }
    dynamodb.answer("get_item", None, state())
    dynamodb.answer("transact_write_items", {"TransactItems": [ANY, unlisted, among_ended]}, {})

    ledger.conclude(KEY, generation=1, ending=Ending.COMPLETED, at=NOW)


def test_a_rollout_that_ended_meanwhile_is_listed_where_it_ended(
    ledger: DynamoLedger, dynamodb: Script
) -> None:
    """Two that conclude it at once list it once, at the earlier one's time."""
    earlier = NOW - 0.5
    dynamodb.answer("get_item", None, state())
    canceled(dynamodb, "ConditionalCheckFailed", "None", "None")
    dynamodb.answer("get_item", None, state(ending=Ending.COMPLETED, ended_at=earlier))
    item = {
        **address("ended", "001700000000250#firmware-7#1700000000"),
        "job_id": {"S": "firmware-7"},
        "created_at": {"N": "1700000000"},
        "expires_at": ANY,
    }
    again = {"Put": {"TableName": "ledger", "Item": item}}
    dynamodb.answer("transact_write_items", {"TransactItems": [ANY, ANY, again]}, {})

    ledger.conclude(KEY, generation=1, ending=Ending.COMPLETED, at=NOW)


def test_a_conclusion_always_overtaken_is_told(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Whoever concludes a rollout that keeps changing under it is told to try again."""
    for _ in range(REREADS_MAX):
        dynamodb.answer("get_item", None, state())
        canceled(dynamodb, "ConditionalCheckFailed", "None", "None")

    with pytest.raises(Contention, match="conclude"):
        ledger.conclude(KEY, generation=1, ending=Ending.COMPLETED, at=NOW)


def test_what_became_of_a_command_goes_by_itself(ledger: DynamoLedger, dynamodb: Script) -> None:
    """It is kept longer than the bus keeps events to replay, each command in its own partition."""
    item = {
        **address("command#6a7e8feb", "result"),
        **encoded_members(
            {
                "problem": "no rollout",
                "remedy": "look",
                "noted_at": NOW,
                "expires_at": 1_700_000_000 + COMMAND_DAYS * 86_400,
            }
        ),
    }
    condition = "attribute_not_exists(noted_at)"
    put = {"TableName": "ledger", "Item": item, "ConditionExpression": condition}
    dynamodb.answer("put_item", put, {})

    assert ledger.note_command("6a7e8feb", CommandResult("no rollout", "look"), at=NOW)


def test_figures_stored_before_are_taken_from_the_decisions(
    ledger: DynamoLedger, dynamodb: Script
) -> None:
    """Only what lacks figures of its own is read whole, and no more than was asked for."""
    kept = [decision(4), decision(3)]
    figures = [encoded_members(point_members(point_of(each))) for each in kept]
    dynamodb.answer("query", None, {"Items": figures})
    older = {"Keys": [address(rollout_pk(KEY), decision_sk(2))], "ConsistentRead": True}
    request = {"RequestItems": {"ledger": older}}
    dynamodb.answer("batch_get_item", request, unanswered(0, [stored(decision(2))["Item"]]))

    points = ledger.points(KEY, limit=3)

    assert points == [point_of(decision(revision)) for revision in (2, 3, 4)]


def test_a_rollout_from_before_figures_has_some(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Where no decision has figures of its own, the rollout tells how many there are."""
    documents = [stored(decision(revision))["Item"] for revision in (2, 1)]
    dynamodb.answer("query", None, {"Items": []})
    dynamodb.answer("get_item", None, state(revision=2))
    dynamodb.answer("batch_get_item", None, unanswered(0, documents))

    assert ledger.points(KEY, limit=9) == [point_of(decision(each)) for each in (1, 2)]


def test_a_decision_after_the_end_lists_nothing(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Even when the mark of its end has expired, a rollout that ended stays out of the list."""
    dynamodb.answer("get_item", None, state(ending=Ending.COMPLETED))
    dynamodb.answer("transact_write_items", {"TransactItems": [ANY, ANY, ANY]}, {})

    ledger.store_decision(KEY, decision(1), generation=1)


def test_remembered_tags_go_by_themselves(ledger: DynamoLedger, dynamodb: Script) -> None:
    """What a job's tag says expires some days after the look at it."""
    expected = {
        "TableName": "ledger",
        "Item": {
            **address("job#firmware-7", "tags#1700000000"),
            **encoded_members(
                {
                    "job_id": "firmware-7",
                    "created_at": 1_700_000_000,
                    "looked_at": NOW,
                    "expires_at": 1_700_000_000 + TAGS_DAYS * 86_400,
                }
            ),
        },
        "ConditionExpression": "attribute_not_exists(pk) OR looked_at <= :looked_at",
        "ExpressionAttributeValues": {":looked_at": {"N": repr(NOW)}},
    }
    dynamodb.answer("put_item", expected, {})

    ledger.note_tagged(RolloutKey("firmware-7", 1_700_000_000), Tagged(None, NOW))


def test_many_steps_take_several_transactions(ledger: DynamoLedger, dynamodb: Script) -> None:
    """DynamoDB takes a limited number of writes at once; a single one left is a plain write."""
    dynamodb.answer("transact_write_items", {"TransactItems": [ANY] * STEPS_AT_ONCE}, {})
    dynamodb.answer("put_item", None, {})

    ledger.note_steps(KEY, [Step(NOW, "Told", f"{n}") for n in range(STEPS_AT_ONCE + 1)])


def soaked(**marks: Any) -> dict[str, Any]:  # noqa: ANN401 - plain JSON
    """Return an answer of GetItem with how far soaks were looked through."""
    return {"Item": {**address(rollout_pk(KEY), "soaked"), **encoded_members(marks)}}


def succeeded(name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - plain JSON
    """Return the item of a device that succeeded."""
    record = {"status": "SUCCEEDED", "at": 1, "execution_number": 1, "bucket": 3, **more}
    return {**address(rollout_pk(KEY), f"thing#{name}"), **encoded_members(record)}


def pointer(name: str, until: float) -> dict[str, Any]:
    """Return what leads to a device when its soak ends."""
    members = {"thing_name": name, "since": 1.0, "until": until}
    place = address(rollout_pk(KEY), f"soak#{int(until * 1000):015d}#{name}")
    return {**place, **encoded_members(members)}


def test_a_look_begins_where_all_before_is_settled(ledger: DynamoLedger, dynamodb: Script) -> None:
    """A look says first how far it goes, reads consistently from the mark on, and moves it."""
    mark = {"settled_before": "soak#000000000004000", "asked_until_ms": 5000}
    dynamodb.answer("get_item", None, soaked(**mark))
    dynamodb.answer("update_item", moved("asked_until_ms", 9500), {})
    dynamodb.answer(
        "query",
        {
            "TableName": "ledger",
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":pk": {"S": rollout_pk(KEY)},
                ":first": {"S": "soak#000000000004000"},
                ":last": {"S": "soak#000000000009500$"},
            },
            "ConsistentRead": True,
            "ScanIndexForward": True,
            "Limit": BATCH_KEYS_MAX,
        },
        {"Items": [pointer("a", 6.0), pointer("b", 7.0)]},
    )
    seen = [succeeded("a", soak_until=6.0, vouched="DARK"), succeeded("b", soak_until=7.0)]
    dynamodb.answer("batch_get_item", None, unanswered(0, seen))
    dynamodb.answer("update_item", moved("settled_before", "soak#000000000007000#b"), {})

    assert ledger.soaking(KEY, until=9.5, limit=9) == [Soaking("b", 1.0, 7.0)]


def moved(name: str, to: int | str) -> dict[str, Any]:
    """Return the request that moves a mark forward."""
    values = encoded_members({f":set_{name}": to, ":below_0": to})
    return {
        "TableName": "ledger",
        "Key": address(rollout_pk(KEY), "soaked"),
        "UpdateExpression": f"SET #{name} = :set_{name}",
        "ConditionExpression": f"(attribute_not_exists(#{name}) OR #{name} < :below_0)",
        "ExpressionAttributeNames": {f"#{name}": name},
        "ExpressionAttributeValues": values,
    }


def test_a_mark_that_others_moved_further_stays(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Two looks at once are no error, and none takes back what the other has found."""
    dynamodb.answer("get_item", None, {})
    dynamodb.refuse("update_item", "ConditionalCheckFailedException")
    dynamodb.answer("query", None, {"Items": []})
    dynamodb.refuse("update_item", "ConditionalCheckFailedException")

    assert ledger.soaking(KEY, until=9.5, limit=9) == []


def test_a_soak_goes_by_itself(ledger: DynamoLedger, dynamodb: Script) -> None:
    """The record says when a soak ends, in one transaction with a pointer that expires with it."""
    dynamodb.answer("batch_get_item", None, unanswered(0, [succeeded("a", soak_until=5)]))
    ends = {
        "Update": {
            "TableName": "ledger",
            "Key": address(rollout_pk(KEY), "thing#a"),
            "UpdateExpression": "SET #soak_until = :set_soak_until",
            "ConditionExpression": "attribute_exists(pk) AND #soak_until = :where_0",
            "ExpressionAttributeNames": {"#soak_until": "soak_until"},
            "ExpressionAttributeValues": encoded_members({":set_soak_until": 6.0, ":where_0": 5}),
        }
    }
    leads = pointer("a", 6.0)
    leads["expires_at"] = {"N": str(1_700_000_000 + RECORD_DAYS * 86_400)}
    put = {"Put": {"TableName": "ledger", "Item": leads}}
    dynamodb.answer("transact_write_items", {"TransactItems": [ends, put]}, {})
    dynamodb.answer("get_item", None, soaked(asked_until_ms=6000))

    ledger.note_soaking(KEY, [Soaking("a", 1.0, 6.0)])


def test_a_soak_that_is_always_overtaken_is_told(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Who notes a device while others note others again and again is told to try again."""
    for _ in range(NOTE_ATTEMPTS_MAX):
        dynamodb.answer("batch_get_item", None, unanswered(0, [succeeded("a")]))
        canceled(dynamodb, "ConditionalCheckFailed", "None")
    dynamodb.answer("batch_get_item", None, unanswered(0, [succeeded("a")]))

    with pytest.raises(Contention, match="firmware-7"):
        ledger.note_soaking(KEY, [Soaking("a", 1.0, 6.0)])


def test_a_soak_that_is_always_looked_past_is_told(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Who comes too late for one look after another is told to try again; nothing is lost then."""
    dynamodb.answer("batch_get_item", None, unanswered(0, [succeeded("a")]))
    dynamodb.answer("transact_write_items", None, {})
    for attempt in range(NOTE_ATTEMPTS_MAX):
        dynamodb.answer("get_item", None, soaked(asked_until_ms=7000 + attempt))
        dynamodb.answer("put_item", None, {})

    with pytest.raises(Contention, match="firmware-7"):
        ledger.note_soaking(KEY, [Soaking("a", 1.0, 6.0)])


def test_many_soaks_take_several_transactions(ledger: DynamoLedger, dynamodb: Script) -> None:
    """DynamoDB takes a limited number of writes at once: two for each device."""
    names = [f"t{each:02d}" for each in range(NOTES_AT_ONCE + 1)]
    dynamodb.answer("batch_get_item", None, unanswered(0, [succeeded(each) for each in names]))
    for number in (NOTES_AT_ONCE, 1):
        actions = [ANY] * (2 * number)
        dynamodb.answer("transact_write_items", {"TransactItems": actions}, {})
        dynamodb.answer("get_item", None, {})

    ledger.note_soaking(KEY, [Soaking(each, 1.0, 6.0) for each in names])


def test_endless_looks_at_connections_end(ledger: DynamoLedger, dynamodb: Script) -> None:
    """Who is always overtaken is told to try again, and has changed nothing."""
    for _ in range(REREADS_MAX):
        dynamodb.answer("get_item", None, state())
        dynamodb.refuse("update_item", "ConditionalCheckFailedException")

    with pytest.raises(Contention, match="firmware-7"):
        ledger.note_connected(KEY, Connected(7))


def test_settled_reports_go_by_themselves(ledger: DynamoLedger, dynamodb: Script) -> None:
    """What is remembered of reports expires, later than the bus forgets their events."""
    expires = {"expires_at": 1_700_000_000 + REPORT_DAYS * 86_400}
    settled = {
        "TableName": "ledger",
        "Item": {
            **address("report#6a7e8feb", "settled"),
            **encoded_members({"settled_at": NOW, **expires}),
        },
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    advanced = {
        "TableName": "ledger",
        "Item": {
            **address("reports#firmware-7", "thing#gateway:1"),
            **encoded_members({"reported_at": NOW, **expires}),
        },
        "ConditionExpression": "attribute_not_exists(pk) OR reported_at <= :at",
        "ExpressionAttributeValues": {":at": {"N": repr(NOW)}},
    }
    dynamodb.answer("put_item", settled, {})
    dynamodb.answer("put_item", advanced, {})

    assert ledger.settle_report("6a7e8feb", at=NOW)
    assert ledger.advance_reports("gateway:1", "firmware-7", at=NOW)


def test_a_record_from_before_cells_has_none(ledger: DynamoLedger, dynamodb: Script) -> None:
    """What a record of an earlier version lacks is unknown, and a condition of its change."""
    old = ThingRecord(ExecutionStatus.SUCCEEDED, 1, 1, 3)
    dynamodb.answer("batch_get_item", None, unanswered(0, [succeeded("a")]))
    condition = " AND ".join(
        [
            *(
                f"#{name} = :where_{index}"
                for index, name in enumerate(["status", "at", "execution_number", "bucket"])
            ),
            *(f"attribute_not_exists(#{name})" for name in ["cell", "reason", "vouched"]),
        ]
    )

    assert ledger.things(KEY, ["a"]) == {"a": old}
    assert conditions_of(ledger, Transition("a", old, replace(old, cell=4))) == [condition, None]


def conditions_of(ledger: DynamoLedger, change: Transition) -> list[str | None]:
    """Return the conditions under which a change is written."""
    asked: list[str | None] = []

    def note(operation: str, *actions: dict[str, Any]) -> None:
        asked.extend(each["Update"].get("ConditionExpression") for each in actions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger._table, "write", note)
        ledger.commit(KEY, [change], deltas([change]))
    return asked


@pytest.mark.parametrize("kind", [ExecutionStatus, Vouched])
def test_counters_of_cells_are_told_apart(kind: type[ExecutionStatus | Vouched]) -> None:
    """Short as their names are, no two statuses share one, nor has any the name of a status."""
    names = {cell_counter(3, each) for each in kind}

    assert len(names) == len(kind)
    assert not names.intersection(ExecutionStatus)
