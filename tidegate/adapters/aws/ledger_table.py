"""The ledger's table as DynamoDB serves it: pages, batches, conditions, collisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.adapters.aws.errors import translated
from tidegate.adapters.aws.ledger_items import address, encoded, encoded_members
from tidegate.adapters.aws.ledger_writes import rest, unhindered
from tidegate.errors import Refused, RetryLater

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        PutTypeDef,
        TransactWriteItemTypeDef,
    )

    from tidegate.adapters.aws.ledger_items import Item
    from tidegate.adapters.aws.ledger_writes import Change

#: Keys that BatchGetItem takes at once, and how often it may answer with only some of them.
BATCH_KEYS_MAX = 100
BATCH_ATTEMPTS_MAX = 6

#: Pages, of a megabyte each, that one question may take: more than the counters of a year's
#: rollout fill, with three statuses of a hundred cells, nine bytes each, in ten thousand start
#: buckets in all shards.
QUERY_PAGES_MAX = 256

#: The condition under which a new item is put.
IS_NEW = "attribute_not_exists(pk)"


class Table:
    """
    One table with string keys ``pk`` and ``sk``; every read is consistent.

    Reads and writes raise RetryLater while DynamoDB is busy, Refused where the table is missing.

    Attributes:
        name: The table's.
    """

    def __init__(self, name: str, client: DynamoDBClient) -> None:
        """Bind a table to the client that reaches it."""
        self.name = name
        self._client = client

    # reads

    def get(self, pk: str, sk: str) -> Item | None:
        """Return an item, None if it is not there."""
        with translated(f"read {sk} of {pk} in table {self.name}", missing=Refused):
            answer = self._client.get_item(
                TableName=self.name, Key=address(pk, sk), ConsistentRead=True
            )
        return answer.get("Item")

    def get_all(self, places: Sequence[tuple[str, str]]) -> list[Item]:
        """Return the items that are there, in no order; no place may come twice."""
        found: list[Item] = []
        for start in range(0, len(places), BATCH_KEYS_MAX):
            batch = places[start : start + BATCH_KEYS_MAX]
            found += self._get_batch([address(*each) for each in batch])
        return found

    def _get_batch(self, keys: Sequence[Mapping[str, AttributeValueTypeDef]]) -> list[Item]:
        found: list[Item] = []
        operation = f"read {len(keys)} items of table {self.name}"
        for attempt in range(BATCH_ATTEMPTS_MAX):
            with translated(operation, missing=Refused):
                answer = self._client.batch_get_item(
                    RequestItems={self.name: {"Keys": keys, "ConsistentRead": True}}
                )
            found += answer["Responses"].get(self.name, [])
            left = answer.get("UnprocessedKeys", {}).get(self.name)
            if not left:
                return found
            keys = left["Keys"]
            rest(attempt)
        message = f"{operation}: {len(keys)} were not answered in {BATCH_ATTEMPTS_MAX} attempts"
        raise RetryLater(message)

    def query(self, pk: str, prefix: str = "", *, newest: int | None = None) -> Iterator[Item]:
        """Yield the items whose sort key begins so; ``newest``: only so many, the last first."""
        # DynamoDB takes no empty text in a condition on a key.
        begins, values = " AND begins_with(sk, :prefix)", {":prefix": {"S": prefix}}
        request = {
            "KeyConditionExpression": "pk = :pk" + (begins if prefix else ""),
            "ExpressionAttributeValues": {":pk": {"S": pk}, **(values if prefix else {})},
            "ScanIndexForward": newest is None,
        }
        return self._pages(f"{prefix} of {pk}", request, most=newest, page=newest)

    def between(self, pk: str, first: str, last: str, *, most: int) -> Iterator[Item]:
        """
        Yield the items whose sort key is from ``first`` to ``last``, at most so many.

        They are read as they are asked for, as many at once as ``get_all`` takes.
        """
        request = {
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":pk": {"S": pk},
                ":first": {"S": first},
                ":last": {"S": last},
            },
            "ScanIndexForward": True,
        }
        return self._pages(f"{first} of {pk}", request, most=most, page=BATCH_KEYS_MAX)

    def _pages(
        self, what: str, question: Mapping[str, Any], *, most: int | None, page: int | None
    ) -> Iterator[Item]:
        left = most
        request = {"TableName": self.name, "ConsistentRead": True, **question}
        for _ in range(QUERY_PAGES_MAX):
            if left is not None and page is not None:
                if left <= 0:
                    return
                request["Limit"] = min(left, page)
            with translated(f"query {what} in table {self.name}", missing=Refused):
                answer = self._client.query(**request)
            yield from answer["Items"]
            left = None if left is None else left - len(answer["Items"])
            if not answer.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        message = f"{what} are more than {QUERY_PAGES_MAX} pages: far too many"
        raise Refused(message)

    # writes

    def put(
        self,
        pk: str,
        sk: str,
        members: Mapping[str, object],
        *,
        condition: str = "",
        names: Mapping[str, str] | None = None,
        values: Mapping[str, object] | None = None,
    ) -> TransactWriteItemTypeDef:
        """
        Return the write that puts an item in place of whatever lies there.

        Args:
            pk: Its partition.
            sk: Its place there.
            members: Plain JSON; what is None is left out.
            condition: Under which it is written; always by default.
            names: Attributes that the condition names, by their placeholders.
            values: Values that it names, by their placeholders without the colon.
        """
        put: PutTypeDef = {
            "TableName": self.name,
            "Item": {**address(pk, sk), **encoded_members(members)},
        }
        if condition:
            put["ConditionExpression"] = condition
        if names:
            put["ExpressionAttributeNames"] = names
        if values:
            put["ExpressionAttributeValues"] = {
                f":{name}": encoded(value) for name, value in values.items()
            }
        return {"Put": put}

    def change(self, pk: str, sk: str, change: Change) -> TransactWriteItemTypeDef:
        """Return the write that changes an item."""
        place = {"TableName": self.name, "Key": address(pk, sk)}
        return {"Update": {**place, **change.expressions()}}  # type: ignore[typeddict-item]

    def write(self, operation: str, *actions: TransactWriteItemTypeDef) -> None:
        """
        Do these writes, all or none.

        Raises:
            ConditionFailed: An item is not as one of them asks for.
            Contention: Others were in the way, again and again.
        """

        def once() -> None:
            with translated(f"{operation} in table {self.name}", missing=Refused):
                self._request(actions)

        unhindered(once)

    def _request(self, actions: Sequence[TransactWriteItemTypeDef]) -> None:
        if len(actions) > 1:
            self._client.transact_write_items(TransactItems=list(actions))
        elif "Put" in actions[0]:
            self._client.put_item(**actions[0]["Put"])
        else:
            self._client.update_item(**actions[0]["Update"])
