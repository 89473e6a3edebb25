"""Ledgers in tables of their own, and what happens to them at the same moment."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

from tests.contract.samples import NOW
from tidegate.adapters.aws.ledger import DynamoLedger
from tidegate.adapters.memory.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from mypy_boto3_dynamodb import DynamoDBClient

    from tidegate.adapters.aws.ledger_items import Item
    from tidegate.ports import Ledger

_TABLES = count()

#: Threads that do the same at once.
WRITERS = 6


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


def in_threads(act: Callable[[int], object]) -> None:
    """Act as several writers at the same moment, and wait for all of them."""
    threads = [threading.Thread(target=act, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def overtake(
    ledger: DynamoLedger, write: Callable[[Ledger], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let something be written after the ledger's next look at an item."""
    look = ledger._table.get

    def look_and_be_overtaken(pk: str, sk: str) -> Item | None:
        seen = look(pk, sk)
        monkeypatch.setattr(ledger._table, "get", look)
        write(ledger)
        return seen

    monkeypatch.setattr(ledger._table, "get", look_and_be_overtaken)
