"""Conditional writes to the ledger's table: their wording, and what to do when they collide."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from tidegate.adapters.aws.errors import WriteConflict
from tidegate.adapters.aws.ledger_items import encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Writes to one item at the same moment make DynamoDB reject one of them, and botocore does not
#: try those again. Six tries with random pauses of up to 20, 40, … 320 milliseconds outlast more
#: writers than Lambda runs for one rollout; who loses all six reads again.
CONFLICT_ATTEMPTS_MAX = 6
PAUSE_SECONDS = 0.02

Result = TypeVar("Result")


def rest(attempt: int) -> None:
    """Pause before the next of several attempts, counted from 0; longer each time, by chance."""
    time.sleep(random.uniform(0, PAUSE_SECONDS * 2**attempt))  # noqa: S311 - nothing is secret


def unhindered(write: Callable[[], Result]) -> Result:
    """Do a write, again while others are in its way; raises Contention if they stay."""
    for attempt in range(CONFLICT_ATTEMPTS_MAX - 1):
        try:
            return write()
        except WriteConflict:
            rest(attempt)
    return write()


@dataclass(frozen=True, slots=True)
class Change:
    """
    What becomes of an item, and under which condition.

    Attributes:
        sets: Attributes that get a value.
        sets_once: Attributes that get a value unless they have one.
        adds: Attributes that grow by a number, or sets of texts that gain some.
        deletes: Sets of texts that lose some.
        removes: Attributes that go.
        where: Values that attributes must have; a dot leads into a mapping.
        where_any: Values that attributes must have unless they are missing.
        below: Numbers or texts that attributes must be less than unless they are missing.
        at_most: How many texts sets may have, unless they are missing.
        lacks: Attributes that must be missing.
        creates: Whether the item may be missing; else it must exist.
    """

    sets: Mapping[str, object] = field(default_factory=dict)
    sets_once: Mapping[str, object] = field(default_factory=dict)
    adds: Mapping[str, int | frozenset[str]] = field(default_factory=dict)
    deletes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    removes: tuple[str, ...] = ()
    where: Mapping[str, object] = field(default_factory=dict)
    where_any: Mapping[str, object] = field(default_factory=dict)
    below: Mapping[str, float | str] = field(default_factory=dict)
    at_most: Mapping[str, int] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    creates: bool = False

    def expressions(self) -> dict[str, Any]:
        """Return the members of UpdateItem that say so."""
        sets = [f"#{name} = :set_{name}" for name in self.sets]
        sets += [f"#{name} = if_not_exists(#{name}, :set_{name})" for name in self.sets_once]
        clauses = {
            "SET": sets,
            "ADD": [f"#{name} :add_{name}" for name in self.adds],
            "DELETE": [f"#{name} :delete_{name}" for name in self.deletes],
            "REMOVE": [f"#{name}" for name in self.removes],
        }
        paths = (
            *self.sets,
            *self.sets_once,
            *self.adds,
            *self.deletes,
            *self.removes,
            *self.where,
            *self.where_any,
            *self.below,
            *self.at_most,
            *self.lacks,
        )
        values = {
            **{f":set_{name}": value for name, value in {**self.sets, **self.sets_once}.items()},
            **{f":add_{name}": each for name, each in self.adds.items()},
            **{f":delete_{name}": each for name, each in self.deletes.items()},
            **{f":where_{index}": each for index, each in enumerate(self.where.values())},
            **{f":any_{index}": each for index, each in enumerate(self.where_any.values())},
            **{f":below_{index}": each for index, each in enumerate(self.below.values())},
            **{f":most_{index}": each for index, each in enumerate(self.at_most.values())},
        }
        expressions: dict[str, Any] = {
            "UpdateExpression": " ".join(
                f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts
            ),
            "ExpressionAttributeNames": {
                f"#{name}": name for path in paths for name in path.split(".")
            },
            "ExpressionAttributeValues": {name: encoded(each) for name, each in values.items()},
        }
        conditions = self._conditions()
        if conditions:
            expressions["ConditionExpression"] = " AND ".join(conditions)
        return expressions

    def _conditions(self) -> list[str]:
        exists = [] if self.creates else ["attribute_exists(pk)"]
        values = [f"{path} = :where_{index}" for index, path in enumerate(map(_path, self.where))]
        lacks = [f"attribute_not_exists({path})" for path in map(_path, self.lacks)]
        unless_missing = [
            f"(attribute_not_exists({path}) OR {comparison})"
            for path, comparison in self._comparisons()
        ]
        return exists + values + lacks + unless_missing

    def _comparisons(self) -> Iterator[tuple[str, str]]:
        """Yield what must be true of attributes that may be missing."""
        for index, path in enumerate(map(_path, self.where_any)):
            yield path, f"{path} = :any_{index}"
        for index, path in enumerate(map(_path, self.below)):
            yield path, f"{path} < :below_{index}"
        for index, path in enumerate(map(_path, self.at_most)):
            yield path, f"size({path}) <= :most_{index}"


def _path(dotted: str) -> str:
    return ".".join(f"#{name}" for name in dotted.split("."))
