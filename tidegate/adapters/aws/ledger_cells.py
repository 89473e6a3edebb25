"""What devices are alike in, in the ledger's table: cells, and things whose traits are unknown."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from tidegate.adapters.aws.errors import ConditionFailed
from tidegate.adapters.aws.ledger_items import CELLS, cell_sk, decoded, rollout_pk, unjoined_sk
from tidegate.adapters.aws.ledger_table import IS_NEW
from tidegate.adapters.aws.ledger_writes import Change
from tidegate.domain.outcomes import REST_CELL
from tidegate.errors import Contention
from tidegate.ports import CELLS_MAX, UNJOINED_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.adapters.aws.ledger_table import Table
    from tidegate.domain.rollout import RolloutKey

#: Items that share the things whose traits are unknown. Of names of 128 bytes each is at most
#: 64 KB long: DynamoDB takes 400, and charges each write by the length of the item.
UNJOINED_SHARDS = 8
_SHARD_NAMES_MAX = UNJOINED_MAX // UNJOINED_SHARDS
#: Names that one write adds: it is dropped whole where they do not fit.
_NAMES_AT_ONCE = 50


class Cells:
    """The cells of rollouts, and the things that are in none yet."""

    def __init__(self, table: Table) -> None:
        """Bind them to their table."""
        self._table = table

    def known(self, key: RolloutKey) -> Mapping[int, tuple[str, ...]]:
        """Return the values that each cell stands for."""
        items = self._table.query(rollout_pk(key), CELLS)
        return {
            int(decoded(item["sk"]).removeprefix(CELLS)): tuple(json.loads(decoded(item["values"])))
            for item in items
        }

    def of(self, key: RolloutKey, values: tuple[str, ...]) -> int:
        """
        Return the cell of these values, made if need be and possible; else REST_CELL.

        Cells are numbered without gaps, and whoever makes one has seen all before it: no two
        stand for the same values.
        """
        for _ in range(CELLS_MAX + 1):
            known = self.known(key)
            for cell, each in known.items():
                if each == values:
                    return cell
            if len(known) >= CELLS_MAX:
                return REST_CELL
            cell = REST_CELL + 1 + len(known)
            members = {"values": json.dumps(values)}
            put = self._table.put(rollout_pk(key), cell_sk(cell), members, condition=IS_NEW)
            # Whoever was faster made a cell: that happens once for each of them at most.
            with suppress(ConditionFailed):
                self._table.write(f"make a cell of job {key.job_id}", put)
                return cell
        message = f"job {key.job_id} got {CELLS_MAX} cells while another was made: try again"
        raise Contention(message)

    def unjoined(self, key: RolloutKey, *, limit: int) -> Sequence[str]:
        """Return things whose traits could not be read yet."""
        places = [(rollout_pk(key), unjoined_sk(shard)) for shard in range(UNJOINED_SHARDS)]
        names: list[str] = []
        for item in self._table.get_all(places):
            names += decoded(item["names"]) if "names" in item else ()
        return names[: max(0, limit)]

    def note_unjoined(self, key: RolloutKey, names: Sequence[str], *, joined: bool) -> None:
        """Remember things whose traits could not be read, or that by now they were."""
        shards: dict[int, set[str]] = {}
        for name in names:
            shards.setdefault(zlib.crc32(name.encode()) % UNJOINED_SHARDS, set()).add(name)
        for shard, its_names in shards.items():
            ordered = sorted(its_names)
            for start in range(0, len(ordered), _NAMES_AT_ONCE):
                batch = frozenset(ordered[start : start + _NAMES_AT_ONCE])
                change = _without(batch) if joined else _with(batch)
                write = self._table.change(rollout_pk(key), unjoined_sk(shard), change)
                # Nothing was remembered that could be forgotten, or there is no room.
                with suppress(ConditionFailed):
                    self._table.write(f"note things without traits of job {key.job_id}", write)


def _with(names: frozenset[str]) -> Change:
    room = _SHARD_NAMES_MAX - len(names)
    return Change(adds={"names": names}, at_most={"names": room}, creates=True)


def _without(names: frozenset[str]) -> Change:
    return Change(deletes={"names": names})
