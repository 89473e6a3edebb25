"""A bus that holds whatever Tidegate announces against the published schemas."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator

from tidegate.adapters.memory.bus import MemoryBus
from tidegate.documents.commands import OPERATOR_SOURCE
from tidegate.ports import BusEvent

SCHEMAS = Path(__file__).parents[2] / "schemas" / "events"


@cache
def validator(detail_type: str) -> Draft202012Validator:
    """Return what validates events of a type."""
    path = SCHEMAS / f"{detail_type.lower().replace(' ', '-')}.schema.json"
    return Draft202012Validator(json.loads(path.read_text()))


class CheckedBus(MemoryBus):
    """The bus in memory; an event that breaks its schema is noted as a violation."""

    def __init__(self, violations: list[str]) -> None:
        """Start empty, noting there."""
        super().__init__()
        self._violations = violations

    def publish(self, events: Sequence[BusEvent]) -> tuple[int, ...]:
        """Keep the events that are not refused."""
        for event in events:
            if event.source == OPERATOR_SOURCE:
                continue  # People write those; that faulty ones are refused is for tests to show.
            delivered = {
                "source": event.source,
                "detail-type": event.detail_type,
                "detail": json.loads(json.dumps(event.detail)),
            }
            self._violations += [
                f"{event.detail_type}: {error.json_path}: {error.message}"
                for error in validator(event.detail_type).iter_errors(delivered)
            ]
        return super().publish(events)
