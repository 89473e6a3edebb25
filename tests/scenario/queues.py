"""Amazon SQS between the bus and the Lambdas: batches, redelivery, dead letters."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from tidegate.lab.aws import After

#: Messages that a Lambda gets at once, and how often a message comes before it is set aside.
BATCH_SIZES = {"intake": 10, "record": 100, "signal": 10, "relay": 10}
RECEIVES_MAX = 5
REDELIVERY_SECONDS = 180.0
WINDOW_SECONDS = 1.0

#: Hands an event to the Lambda of a name.
Invoke = Callable[[str, Mapping[str, Any]], Any]


@dataclass(slots=True)
class _Message:
    body: str
    receives: int = 0


class Queues:
    """
    One queue per Lambda, by its name.

    Attributes:
        dead_letters: Bodies of messages that a queue has given up on, by queue.
    """

    def __init__(self, invoke: Invoke, *, after: After, chance: Random) -> None:
        """Start with empty queues."""
        self.dead_letters: defaultdict[str, list[str]] = defaultdict(list)
        self._invoke = invoke
        self._after = after
        self._chance = chance
        self._waiting: defaultdict[str, list[_Message]] = defaultdict(list)

    def send(self, queue: str, body: str, seconds: float = 0.0) -> None:
        """Put a message into a queue."""
        self._after(seconds, lambda: self._arrive(queue, _Message(body)))

    def depths(self) -> dict[str, int]:
        """Return how many dead letters wait, by queue."""
        return {name: len(self.dead_letters.get(name, ())) for name in BATCH_SIZES}

    def _arrive(self, queue: str, message: _Message) -> None:
        self._waiting[queue].append(message)
        if len(self._waiting[queue]) == 1:
            self._after(WINDOW_SECONDS, lambda: self._take(queue))

    def _take(self, queue: str) -> None:
        """Give a batch, in any order, to the Lambda of the queue's name."""
        waiting = self._waiting[queue]
        self._chance.shuffle(waiting)
        batch, waiting[:] = waiting[: BATCH_SIZES[queue]], waiting[BATCH_SIZES[queue] :]
        if waiting:
            self._after(0.0, lambda: self._take(queue))
        records = [
            {"messageId": str(number), "body": message.body} for number, message in enumerate(batch)
        ]
        try:
            answer = self._invoke(queue, {"Records": records})
        except Exception:  # noqa: BLE001 - as SQS does, whatever it was
            answer = {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in records]}
        for failure in answer["batchItemFailures"]:
            self._return(queue, batch[int(failure["itemIdentifier"])])

    def _return(self, queue: str, message: _Message) -> None:
        message.receives += 1
        if message.receives == RECEIVES_MAX:
            self.dead_letters[queue].append(message.body)
        else:
            self._after(REDELIVERY_SECONDS, lambda: self._arrive(queue, message))
