"""
Which devices are to be looked at when, in the ledger's table.

A device's record says when its soak ends (``soak_until``); a pointer that sorts by time leads to
it. Nothing is deleted, so pointers stay behind that lead nowhere any more: one that another has
superseded, or whose device is settled. ``soaked`` says before which place all of them do
(``settled_before``), and how far anybody has ever asked (``asked_until_ms``).

A pointer must never come to lie where nobody looks any more. So who looks says first how far, then
reads the pointers; who notes a device writes its pointer first, then reads how far others asked,
and where that is further, writes another pointer at the very end of it, which stays in sight.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from tidegate.adapters.aws.errors import ConditionFailed
from tidegate.adapters.aws.ledger_items import (
    SOAKED,
    decoded,
    rollout_pk,
    soak_sk,
    soaking_members,
    soaking_of,
    soaks_from,
    soaks_until,
    thing_sk,
)
from tidegate.adapters.aws.ledger_table import BATCH_KEYS_MAX
from tidegate.adapters.aws.ledger_writes import Change
from tidegate.domain.jobs import ExecutionStatus
from tidegate.errors import Contention, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from tidegate.adapters.aws.ledger_items import Item
    from tidegate.adapters.aws.ledger_table import Table
    from tidegate.domain.rollout import RolloutKey
    from tidegate.ports import Soaking

#: Pointers that one look goes through, most of them settled; the next goes on from there.
POINTERS_MAX = 2_000

#: Devices in one transaction, each with its record and its pointer: DynamoDB takes 100 actions.
NOTES_AT_ONCE = 50

#: Who was overtaken while noting tries again, so often.
NOTE_ATTEMPTS_MAX = 5

_Height = TypeVar("_Height", int, str)

_SETTLED, _ASKED = "settled_before", "asked_until_ms"


@dataclass(frozen=True, slots=True)
class _Mark:
    """Before which sort key all pointers are settled, and how many milliseconds anybody asked."""

    settled: str
    asked: int


class Soaks:
    """The devices of rollouts that are to be looked at."""

    def __init__(self, table: Table, expiry: Callable[[], int]) -> None:
        """Bind them to their table, and to when what is written now goes by itself."""
        self._table = table
        self._expiry = expiry

    def due(self, key: RolloutKey, *, until: float, limit: int) -> Sequence[Soaking]:
        """Return devices whose soak ends before that, and is not settled, the oldest first."""
        mark = self._ask(key, _milliseconds(until))
        pointers = self._table.between(
            rollout_pk(key), mark.settled, soaks_until(mark.asked), most=POINTERS_MAX
        )
        found: dict[str, Soaking] = {}
        first_open, looked_at, last = "", 0, mark.settled
        while len(found) < limit and (batch := list(islice(pointers, BATCH_KEYS_MAX))):
            looked_at, last = looked_at + len(batch), _place(batch[-1])
            for pointer in self._open(key, batch):
                first_open = first_open or _place(pointer)
                soaking = soaking_of(pointer)
                if soaking.until < until:
                    found[soaking.thing_name] = soaking
        is_all = limit > 0 and looked_at < POINTERS_MAX
        settled = first_open or (soaks_until(mark.asked) if is_all else last)
        # At the very end others may add some still.
        self._raise(key, _SETTLED, min(settled, soaks_from(mark.asked)), mark.settled)
        oldest_first = sorted(found.values(), key=lambda each: (each.until, each.thing_name))
        return oldest_first[: max(0, limit)]

    def note(self, key: RolloutKey, soaking: Iterable[Soaking]) -> None:
        """Remember when the soak of devices ends; raises NotFound, Contention."""
        latest: dict[str, Soaking] = {}
        for each in soaking:
            if each.until >= latest.get(each.thing_name, each).until:
                latest[each.thing_name] = each
        records = self._all_records(key, latest)
        noted = list(latest.values())
        for start in range(0, len(noted), NOTES_AT_ONCE):
            self._note(key, noted[start : start + NOTES_AT_ONCE], records)

    def _note(
        self, key: RolloutKey, soaking: Sequence[Soaking], records: Mapping[str, Item]
    ) -> None:
        for _ in range(NOTE_ATTEMPTS_MAX):
            later = [each for each in soaking if _is_later(each, records[each.thing_name])]
            actions: list[TransactWriteItemTypeDef] = []
            for each in later:
                actions += self._notes(key, each, records[each.thing_name])
            try:
                if actions:
                    self._table.write(f"note {len(later)} soaks of job {key.job_id}", *actions)
            except ConditionFailed:
                # Somebody noted another end meanwhile: is this one later still?
                records = self._all_records(key, (each.thing_name for each in soaking))
                continue
            self._put_ahead(key, later)
            return
        raise _overtaken(key)

    def _notes(
        self, key: RolloutKey, soaking: Soaking, record: Item
    ) -> tuple[TransactWriteItemTypeDef, TransactWriteItemTypeDef]:
        """Return the writes that note a device, on condition that it stands as it was read."""
        ends = Change(
            sets={"soak_until": soaking.until},
            where={"soak_until": decoded(record["soak_until"])} if "soak_until" in record else {},
            lacks=() if "soak_until" in record else ("soak_until",),
        )
        return (
            self._table.change(rollout_pk(key), thing_sk(soaking.thing_name), ends),
            self._pointer(key, soaking, _milliseconds(soaking.until)),
        )

    def _put_ahead(self, key: RolloutKey, soaking: Sequence[Soaking]) -> None:
        """See to it that the pointers, just written, lie where somebody will look."""
        reached = 0
        for _ in range(NOTE_ATTEMPTS_MAX):
            asked = self._mark(key).asked
            late = [each for each in soaking if max(reached, _milliseconds(each.until)) < asked]
            if not late:
                return
            reached = asked
            puts = [self._pointer(key, each, reached) for each in late]
            self._table.write(f"note {len(late)} late soaks of job {key.job_id}", *puts)
        raise _overtaken(key)

    def _pointer(
        self, key: RolloutKey, soaking: Soaking, milliseconds: int
    ) -> TransactWriteItemTypeDef:
        members = {**soaking_members(soaking), "expires_at": self._expiry()}
        return self._table.put(rollout_pk(key), soak_sk(milliseconds, soaking.thing_name), members)

    def _open(self, key: RolloutKey, pointers: Sequence[Item]) -> list[Item]:
        """Return the pointers that are not settled."""
        records = self._records(key, (decoded(each["thing_name"]) for each in pointers))
        return [each for each in pointers if _is_open(each, records)]

    def _all_records(self, key: RolloutKey, names: Iterable[str]) -> Mapping[str, Item]:
        wanted = set(names)
        records = self._records(key, wanted)
        missing = wanted.difference(records)
        if missing:
            message = (
                f"job {key.job_id} has no record of {len(missing)} things that are to soak, such "
                f"as {min(missing)}: commit their success first"
            )
            raise NotFound(message)
        return records

    def _records(self, key: RolloutKey, names: Iterable[str]) -> Mapping[str, Item]:
        items = self._table.get_all([(rollout_pk(key), thing_sk(name)) for name in set(names)])
        prefix = thing_sk("")
        return {decoded(item["sk"]).removeprefix(prefix): item for item in items}

    def _mark(self, key: RolloutKey) -> _Mark:
        item = self._table.get(rollout_pk(key), SOAKED) or {}
        return _Mark(
            settled=decoded(item[_SETTLED]) if _SETTLED in item else soaks_from(0),
            asked=decoded(item[_ASKED]) if _ASKED in item else 0,
        )

    def _ask(self, key: RolloutKey, milliseconds: int) -> _Mark:
        """Say how far one is about to look, at least; return the mark after that."""
        mark = self._mark(key)
        self._raise(key, _ASKED, milliseconds, mark.asked)
        return _Mark(mark.settled, max(mark.asked, milliseconds))

    def _raise(self, key: RolloutKey, name: str, to: _Height, known: _Height) -> None:
        """Raise a mark that was known to stand somewhere; what stands higher stays."""
        if to <= known:
            return
        higher = Change(sets={name: to}, below={name: to}, creates=True)
        with suppress(ConditionFailed):
            self._table.write(
                f"mark the soaks of job {key.job_id}",
                self._table.change(rollout_pk(key), SOAKED, higher),
            )


def _milliseconds(seconds: float) -> int:
    return max(0, int(seconds * 1000))


def _place(pointer: Item) -> str:
    return str(decoded(pointer["sk"]))


def _is_open(pointer: Item, records: Mapping[str, Item]) -> bool:
    record = records.get(decoded(pointer["thing_name"]))
    if record is None or "vouched" in record or "soak_until" not in record:
        return False
    is_current = bool(decoded(record["soak_until"]) == decoded(pointer["until"]))
    return is_current and decoded(record["status"]) == ExecutionStatus.SUCCEEDED.value


def _is_later(soaking: Soaking, record: Item) -> bool:
    """
    Return whether it ends no earlier than what is noted already.

    The same end is noted again: whoever noted it first may not have come to the end of it.
    """
    return "soak_until" not in record or soaking.until >= decoded(record["soak_until"])


def _overtaken(key: RolloutKey) -> Contention:
    return Contention(
        f"soaks of job {key.job_id} were noted or looked at by others in {NOTE_ATTEMPTS_MAX} "
        "attempts to note some: try again"
    )
