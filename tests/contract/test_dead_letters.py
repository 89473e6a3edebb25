"""What is told of dead-letter queues, in memory as in SQS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidegate.adapters.aws.dead_letters import SqsDeadLetters
from tidegate.adapters.memory.dead_letters import MemoryDeadLetters

if TYPE_CHECKING:
    from tidegate.ports import DeadLetters


@pytest.fixture(params=["memory", "moto"])
def dead_letters(request: pytest.FixtureRequest) -> DeadLetters:
    """Provide two queues of each kind, one with three messages."""
    if request.param == "memory":
        return MemoryDeadLetters({"record-dead": 3, "intake-dead": 0})
    client = request.getfixturevalue("moto").client("sqs")
    urls = [
        client.create_queue(QueueName=each)["QueueUrl"] for each in ("record-dead", "intake-dead")
    ]
    for number in range(3):
        client.send_message(QueueUrl=urls[0], MessageBody=f"{number}")
    return SqsDeadLetters(urls, client)


def test_messages_are_counted_by_queue(dead_letters: DeadLetters) -> None:
    """Each queue goes by its name; an empty one is told of too, and looking takes nothing away."""
    assert dead_letters.depths() == {"record-dead": 3, "intake-dead": 0}
    assert dead_letters.depths() == {"record-dead": 3, "intake-dead": 0}
