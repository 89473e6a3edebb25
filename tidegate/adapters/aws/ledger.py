"""The ledger in a DynamoDB table."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from tidegate.adapters.aws.errors import ConditionFailed, translated
from tidegate.adapters.aws.ledger_items import (
    COUNTS,
    CURRENT,
    DECISIONS,
    HOLDS,
    STATE,
    TOTALS,
    abort_request_members,
    address,
    bucket_of_sk,
    count_sk,
    decision_sk,
    decoded,
    decoded_members,
    encoded,
    encoded_members,
    hold_members,
    hold_of,
    hold_sk,
    job_pk,
    lifted_sk,
    listing_members,
    park_members,
    record_members,
    record_of,
    rollout_members,
    rollout_of,
    rollout_pk,
    thing_sk,
    total_sk,
)
from tidegate.adapters.aws.ledger_writes import Change, rest, unhindered
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.rollout import Counts, Hold, HoldKind, Rollout, RolloutKey
from tidegate.errors import Contention, NotFound, Refused, RetryLater, Superseded
from tidegate.ports import CHANGES_MAX, TOTALS_BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        TransactWriteItemTypeDef,
        UpdateTypeDef,
    )

    from tidegate.adapters.aws.ledger_items import Item
    from tidegate.domain.outcomes import CounterKey, ThingRecord, Transition
    from tidegate.domain.rollout import AbortRequest, Ending, Listing, Park
    from tidegate.ports import Clock

#: Shards of each counter. A shard takes one transaction at a time, some ten milliseconds long, so
#: eight take hundreds of commits a second; each one more makes ``counts`` read more items.
SHARDS = 8

#: Thing records go some time after their last write. AWS keeps a job's executions for 730 days:
#: a record that went before them would be counted again when the list is read anew.
RECORD_DAYS = 800
_DAY_SECONDS = 86_400

#: Keys that BatchGetItem takes at once, and how often it may answer with only some of them.
BATCH_KEYS_MAX = 100
BATCH_ATTEMPTS_MAX = 6

#: Pages, of a megabyte each, that one question may take: more than the counters of a year's
#: rollout, ten thousand start buckets in all shards, fill.
QUERY_PAGES_MAX = 64


class DynamoLedger:
    """
    The rollouts, decisions, holds and outcomes of one table.

    Every write carries its condition, those that belong together go in one transaction, and every
    read is consistent. A query over several items is no snapshot, though: a thing that moves from
    one start bucket to another meanwhile may be counted in both or in neither; the next look tells.
    """

    def __init__(self, table_name: str, client: DynamoDBClient, clock: Clock) -> None:
        """Bind a table to the client that reaches it, and to the clock that old records go by."""
        self._table = table_name
        self._client = client
        self._clock = clock

    # rollouts

    def current(self, job_ids: Iterable[str]) -> dict[str, Rollout]:
        """Return the newest rollout of each job that has one."""
        pointers = self._get_all([(job_pk(job_id), CURRENT) for job_id in set(job_ids)])
        keys = [
            RolloutKey(members["job_id"], members["created_at"])
            for members in map(decoded_members, pointers)
        ]
        states = self._get_all([(rollout_pk(key), STATE) for key in keys])
        return {rollout.key.job_id: rollout for rollout in map(rollout_of, states)}

    def rollout(self, key: RolloutKey) -> Rollout:
        """Return a rollout; raises NotFound."""
        item = self._get(rollout_pk(key), STATE)
        if item is None:
            raise _unknown(key)
        return rollout_of(item)

    def claim(self, rollout: Rollout, *, previous: Rollout | None) -> None:
        """Make this rollout its job's current one; raises Contention."""
        key = rollout.key
        stored = self._get(rollout_pk(key), STATE)
        claimed = f"the rollout of job {key.job_id} was claimed or changed meanwhile"
        if (None if stored is None else rollout_of(stored)) != previous:
            raise Contention(claimed)
        version = 0 if stored is None else decoded(stored["version"])
        unchanged = "attribute_not_exists(pk)" if stored is None else "version = :version"
        created_at = encoded(key.created_at)
        state: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._table,
                "Item": {
                    **address(rollout_pk(key), STATE),
                    **encoded_members({**rollout_members(rollout), "version": version + 1}),
                },
                "ConditionExpression": unchanged,
            }
        }
        if stored is not None:
            state["Put"]["ExpressionAttributeValues"] = {":version": encoded(version)}
        pointer: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._table,
                "Item": {
                    **address(job_pk(key.job_id), CURRENT),
                    "job_id": encoded(key.job_id),
                    "created_at": created_at,
                },
                "ConditionExpression": "attribute_not_exists(pk) OR created_at <= :created_at",
                "ExpressionAttributeValues": {":created_at": created_at},
            }
        }
        try:
            self._write_together(f"claim job {key.job_id}", [state, pointer])
        except ConditionFailed as error:
            raise Contention(claimed) from error

    def conclude(self, key: RolloutKey, *, generation: int, ending: Ending, at: float) -> None:
        """Mark the rollout as ended; raises Superseded if another generation owns it."""
        sets = {"ending": ending.value, "ended_at": at}
        self._update_owned(key, Change(sets=sets), generation)

    # decisions

    def store_decision(self, key: RolloutKey, decision: Decision, *, generation: int) -> None:
        """Store a decision and make it the rollout's last; raises Superseded."""
        rollout = self._owned(key, generation)
        if decision.revision != rollout.revision + 1:
            self._require_stored(key, decision)
            return
        sets = {
            "revision": decision.revision,
            "upper_bound": min(rollout.upper_bound, decision.evidence.upper_bound),
            "memory": json.dumps(decision.memory.to_document()),
            "aborting": rollout.aborting or decision.verdict is Verdict.ABORT,
        }
        where = {"generation": generation, "revision": rollout.revision}
        members = {
            "verdict": decision.verdict.value,
            "at": decision.at,
            "document": json.dumps(decision.to_document()),
        }
        put: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._table,
                "Item": {
                    **address(rollout_pk(key), decision_sk(decision.revision)),
                    **encoded_members(members),
                },
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        }
        try:
            self._write_together(
                f"store decision {decision.revision} of job {key.job_id}",
                [self._state_change(key, Change(sets=sets, where=where)), put],
            )
        except ConditionFailed:
            self._owned(key, generation)
            self._require_stored(key, decision)

    def decision(self, key: RolloutKey, revision: int) -> Decision:
        """Return a decision; raises NotFound."""
        item = self._get(rollout_pk(key), decision_sk(revision))
        if item is None:
            raise _no_decision(key, revision)
        return _decision_of(item)

    def decisions(self, key: RolloutKey, *, limit: int) -> Sequence[Decision]:
        """Return the newest decisions, newest first."""
        items = self._query(rollout_pk(key), DECISIONS, newest=limit)
        return [_decision_of(item) for item in items]

    def mark_applied(
        self, key: RolloutKey, revision: int, *, at: float, result: Mapping[str, Any]
    ) -> None:
        """Note what applying a decision came to; the last note stays."""
        sets = {"applied": json.dumps(dict(result)), "applied_at": at}
        try:
            self._update(rollout_pk(key), decision_sk(revision), Change(sets=sets))
        except ConditionFailed as error:
            raise _no_decision(key, revision) from error

    def applied(self, key: RolloutKey, revision: int) -> Mapping[str, Any] | None:
        """Return what applying a decision came to, None if it was not applied."""
        item = self._get(rollout_pk(key), decision_sk(revision))
        if item is None or "applied" not in item:
            return None
        result: dict[str, Any] = json.loads(decoded(item["applied"]))
        return result

    # people's requests

    def holds(self, key: RolloutKey) -> Sequence[Hold]:
        """Return the holds in force, oldest first."""
        return _in_force(self._query(rollout_pk(key), HOLDS))

    def place_hold(self, key: RolloutKey, hold: Hold) -> None:
        """Put a hold in force; an older one of the same kind and owner is replaced."""
        put: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._table,
                "Item": {
                    **address(rollout_pk(key), hold_sk(hold)),
                    **encoded_members(hold_members(hold)),
                },
                "ConditionExpression": "attribute_not_exists(pk) OR since <= :since",
                "ExpressionAttributeValues": {":since": encoded(hold.since)},
            }
        }
        self._signal_with(key, f"hold job {key.job_id}", put)

    def lift_holds(self, key: RolloutKey, kind: HoldKind, *, until: float) -> int:
        """Lift the holds of a kind placed before ``until``; return how many."""
        standing = [each for each in self.holds(key) if each.kind.value == kind.value]
        mark: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._table,
                "Item": {
                    **address(rollout_pk(key), lifted_sk(kind)),
                    **encoded_members({"kind": kind.value, "lifted_until": until}),
                },
                "ConditionExpression": "attribute_not_exists(pk) OR lifted_until <= :until",
                "ExpressionAttributeValues": {":until": encoded(until)},
            }
        }
        self._signal_with(key, f"lift holds of job {key.job_id}", mark)
        return sum(each.since < until for each in standing)

    def signal(self, key: RolloutKey) -> None:
        """Count something else that a review must look at."""
        self._update_state(key, Change(adds={"signals": 1}))

    def request_abort(self, key: RolloutKey, request: AbortRequest) -> None:
        """Note that somebody wants the rollout stopped; the first request stays."""
        once = {"abort_request": abort_request_members(request)}
        self._update_state(key, Change(sets_once=once, adds={"signals": 1}))

    # outcomes

    def things(self, key: RolloutKey, names: Iterable[str]) -> dict[str, ThingRecord]:
        """Return the records of those things that have one."""
        prefix = thing_sk("")
        items = self._get_all([(rollout_pk(key), thing_sk(name)) for name in set(names)])
        return {decoded(item["sk"]).removeprefix(prefix): record_of(item) for item in items}

    def commit(
        self,
        key: RolloutKey,
        changes: Sequence[Transition],
        moved: Mapping[CounterKey, int],
    ) -> None:
        """Write changed records and move the counters with them; raises Contention."""
        if not changes:
            return
        if len(changes) > CHANGES_MAX:
            message = (
                f"{len(changes)} changes in one commit, but it takes {CHANGES_MAX}: split them"
            )
            raise Refused(message)
        shard = zlib.crc32(changes[0].thing_name.encode()) % SHARDS
        actions = [self._record_put(key, change) for change in changes]
        actions += self._counter_moves(key, moved, shard)
        try:
            self._write_together(f"commit outcomes of job {key.job_id}", actions)
        except ConditionFailed as error:
            message = f"things of job {key.job_id} were reported by somebody else meanwhile"
            raise Contention(message) from error

    def counts(self, key: RolloutKey) -> Counts:
        """Return all counters of a rollout."""
        return self._counters(key, COUNTS)

    def totals(self, key: RolloutKey) -> Counts:
        """Return the counters summed over start buckets."""
        return self._counters(key, TOTALS)

    def note_listing(self, key: RolloutKey, listing: Listing) -> None:
        """Remember how far the job's executions were read."""
        self._update_state(key, Change(sets={"listing": listing_members(listing)}))

    # waiting

    def park(self, key: RolloutKey, park: Park) -> None:
        """Remember a waiting task token; raises Superseded if another generation owns it."""
        self._update_owned(key, Change(sets={"park": park_members(park)}), park.generation)

    def unpark(self, key: RolloutKey, token: str) -> None:
        """Forget a task token, if it is still the remembered one."""
        change = Change(removes=("park",), adds={"version": 1}, where={"park.token": token})
        try:
            self._update(rollout_pk(key), STATE, change)
        except ConditionFailed:
            return

    # reads

    def _get(self, pk: str, sk: str) -> Item | None:
        with translated(f"read {sk} of {pk} in table {self._table}", missing=Refused):
            answer = self._client.get_item(
                TableName=self._table, Key=address(pk, sk), ConsistentRead=True
            )
        return answer.get("Item")

    def _get_all(self, places: Sequence[tuple[str, str]]) -> list[Item]:
        """Return the items that are there, in no order; no place may come twice."""
        found: list[Item] = []
        for start in range(0, len(places), BATCH_KEYS_MAX):
            batch = places[start : start + BATCH_KEYS_MAX]
            found += self._get_batch([address(*each) for each in batch])
        return found

    def _get_batch(self, keys: Sequence[Mapping[str, AttributeValueTypeDef]]) -> list[Item]:
        found: list[Item] = []
        operation = f"read {len(keys)} items of table {self._table}"
        for attempt in range(BATCH_ATTEMPTS_MAX):
            with translated(operation, missing=Refused):
                answer = self._client.batch_get_item(
                    RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}}
                )
            found += answer["Responses"].get(self._table, [])
            left = answer.get("UnprocessedKeys", {}).get(self._table)
            if not left:
                return found
            keys = left["Keys"]
            rest(attempt)
        message = f"{operation}: {len(keys)} were not answered in {BATCH_ATTEMPTS_MAX} attempts"
        raise RetryLater(message)

    def _query(self, pk: str, prefix: str, *, newest: int | None = None) -> Iterator[Item]:
        """Yield the items whose sort key begins so; ``newest``: only so many, the last first."""
        left = newest
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": {":pk": {"S": pk}, ":prefix": {"S": prefix}},
            "ConsistentRead": True,
            "ScanIndexForward": newest is None,
        }
        for _ in range(QUERY_PAGES_MAX):
            if left is not None:
                if left <= 0:
                    return
                request["Limit"] = left
            with translated(f"query {prefix} of {pk} in table {self._table}", missing=Refused):
                answer = self._client.query(**request)
            yield from answer["Items"]
            left = None if left is None else left - len(answer["Items"])
            if not answer.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        message = f"{pk} has more than {QUERY_PAGES_MAX} megabytes under {prefix}: far too many"
        raise Refused(message)

    def _counters(self, key: RolloutKey, prefix: str) -> Counts:
        summed: Counter[CounterKey] = Counter()
        for item in self._query(rollout_pk(key), prefix):
            bucket = bucket_of_sk(item["sk"]["S"]) if prefix == COUNTS else TOTALS_BUCKET
            for status in ExecutionStatus:
                if status.value in item:
                    summed[bucket, status] += decoded(item[status.value])
        return Counts({counter: number for counter, number in summed.items() if number})

    def _owned(self, key: RolloutKey, generation: int) -> Rollout:
        rollout = self.rollout(key)
        if rollout.generation != generation:
            message = (
                f"generation {generation} of job {key.job_id} was succeeded by {rollout.generation}"
            )
            raise Superseded(message)
        return rollout

    def _require_stored(self, key: RolloutKey, decision: Decision) -> None:
        """Raise Superseded unless this very decision is stored."""
        item = self._get(rollout_pk(key), decision_sk(decision.revision))
        if item is None:
            message = f"revision {decision.revision} of job {key.job_id} does not follow the last"
            raise Superseded(message)
        document = json.dumps(decision.to_document())
        if json.loads(decoded(item["document"])) != json.loads(document):
            message = f"revision {decision.revision} of job {key.job_id} says something else"
            raise Superseded(message)

    # writes

    def _update(self, pk: str, sk: str, change: Change) -> None:
        def write() -> None:
            with translated(f"update {sk} of {pk} in table {self._table}", missing=Refused):
                self._client.update_item(
                    TableName=self._table, Key=address(pk, sk), **change.expressions()
                )

        unhindered(write)

    def _update_state(self, key: RolloutKey, change: Change) -> None:
        try:
            self._update(rollout_pk(key), STATE, _versioned(change))
        except ConditionFailed as error:
            raise _unknown(key) from error

    def _update_owned(self, key: RolloutKey, change: Change, generation: int) -> None:
        owned = Change(sets=change.sets, adds={"version": 1}, where={"generation": generation})
        try:
            self._update(rollout_pk(key), STATE, owned)
        except ConditionFailed:
            self._owned(key, generation)
            raise

    def _state_change(self, key: RolloutKey, change: Change) -> TransactWriteItemTypeDef:
        update: UpdateTypeDef = {
            "TableName": self._table,
            "Key": address(rollout_pk(key), STATE),
            **_versioned(change).expressions(),  # type: ignore[typeddict-item]
        }
        return {"Update": update}

    def _signal_with(self, key: RolloutKey, operation: str, put: TransactWriteItemTypeDef) -> None:
        """Write an item and count a signal; only count it if something newer stands there."""
        signal = Change(adds={"signals": 1})
        try:
            self._write_together(operation, [self._state_change(key, signal), put])
        except ConditionFailed as error:
            if 0 in error.actions:
                raise _unknown(key) from error
            self._update_state(key, signal)

    def _write_together(self, operation: str, actions: Sequence[TransactWriteItemTypeDef]) -> None:
        def write() -> None:
            with translated(f"{operation} in table {self._table}", missing=Refused):
                self._client.transact_write_items(TransactItems=actions)

        unhindered(write)

    def _record_put(self, key: RolloutKey, change: Transition) -> TransactWriteItemTypeDef:
        expires_at = int(self._clock.now()) + RECORD_DAYS * _DAY_SECONDS
        put: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._table,
                "Item": {
                    **address(rollout_pk(key), thing_sk(change.thing_name)),
                    **encoded_members(record_members(change.after)),
                    "expires_at": encoded(expires_at),
                },
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        }
        if change.before is not None:
            before = record_members(change.before)
            put["Put"]["ConditionExpression"] = " AND ".join(
                f"#{name} = :{name}" for name in before
            )
            put["Put"]["ExpressionAttributeNames"] = {f"#{name}": name for name in before}
            put["Put"]["ExpressionAttributeValues"] = {
                f":{name}": encoded(value) for name, value in before.items()
            }
        return put

    def _counter_moves(
        self, key: RolloutKey, moved: Mapping[CounterKey, int], shard: int
    ) -> list[TransactWriteItemTypeDef]:
        places: dict[str, Counter[ExecutionStatus]] = {}
        for (bucket, status), by in moved.items():
            for sk in (count_sk(bucket, shard), total_sk(shard)):
                places.setdefault(sk, Counter())[status] += by
        return [
            {
                "Update": {
                    "TableName": self._table,
                    "Key": address(rollout_pk(key), sk),
                    "UpdateExpression": "ADD "
                    + ", ".join(f"#{each.value} :{each.value}" for each in moves),
                    "ExpressionAttributeNames": {f"#{each.value}": each.value for each in moves},
                    "ExpressionAttributeValues": {
                        f":{each.value}": encoded(by) for each, by in moves.items()
                    },
                }
            }
            for sk, moves in places.items()
        ]


def _versioned(change: Change) -> Change:
    """Return the change with the count of writes that ``claim`` compares."""
    return Change(
        sets=change.sets,
        sets_once=change.sets_once,
        adds={**change.adds, "version": 1},
        removes=change.removes,
        where=change.where,
    )


def _decision_of(item: Item) -> Decision:
    return Decision.from_document(json.loads(decoded(item["document"])))


def _in_force(items: Iterable[Item]) -> list[Hold]:
    placed: list[Hold] = []
    lifted: dict[str, float] = {}
    for item in items:
        if "lifted_until" in item:
            lifted[decoded(item["kind"])] = decoded(item["lifted_until"])
        else:
            placed.append(hold_of(item))
    standing = [each for each in placed if each.since >= lifted.get(each.kind.value, each.since)]
    return sorted(standing, key=lambda each: (each.since, each.kind, each.by))


def _unknown(key: RolloutKey) -> NotFound:
    return NotFound(f"job {key.job_id} of {key.created_at} has no rollout")


def _no_decision(key: RolloutKey, revision: int) -> NotFound:
    return NotFound(f"job {key.job_id} has no decision {revision}")
