"""
Cells: what devices are told apart by, and how those of each kind fare.

Things alike in all of the policy's keys form a cell; the ledger counts per cell, so that every
cohort, of whichever key, is a sum over cells. Cohorts of one key partition the devices.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.domain.cohorts import REST, UNKNOWN, Tally, cohort_name
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.memory import OPEN_BUCKETS
from tidegate.domain.outcomes import LATE, REST_CELL, UNJOINED, UNPLACED, CellKey, CounterKey
from tidegate.domain.rollout import Counts
from tidegate.domain.things import Traits

ATTRIBUTES = "thing.attributes."
THING_TYPE = "thing.type"
THING_GROUPS = "thing.groups"
STATUS_DETAILS = "statusDetails."

#: The value of things that have none.
NONE = "(none)"
#: Characters of a value that are kept; a digest tells those apart that are alike so far.
VALUE_LENGTH_MAX = 120
_DIGEST_LENGTH = 8

#: Cohorts that share the first half of the risk; twice as many share half of what is left, and so
#: on.
_FIRST_COHORTS = 8


def needs_traits(keys: Collection[str]) -> bool:
    """Whether cells cannot be told without asking the registry."""
    return any(not key.startswith(STATUS_DETAILS) for key in keys)


def needs_groups(keys: Collection[str]) -> bool:
    """Whether the groups of things have to be asked for as well."""
    return THING_GROUPS in keys


def values_of(
    keys: Sequence[str], traits: Traits | None, details: Mapping[str, str], *, is_over: bool = True
) -> tuple[str, ...] | None:
    """
    Return the values of a thing's cell, None if it cannot be placed yet.

    Args:
        keys: The policy's.
        traits: Of the thing; None if they have not been read.
        details: What the device reports as ``statusDetails``.
        is_over: Whether its execution has an outcome, so that no other details are to come.
    """
    if traits is None and needs_traits(keys):
        return None
    values = [_value(key, traits or Traits(), details) for key in keys]
    lacks = any(
        value is None and key.startswith(STATUS_DETAILS)
        for key, value in zip(keys, values, strict=True)
    )
    if lacks and not is_over:
        return None
    return tuple(_short(value or NONE) for value in values)


def _value(key: str, traits: Traits, details: Mapping[str, str]) -> str | None:
    if key.startswith(ATTRIBUTES):
        return traits.attributes.get(key.removeprefix(ATTRIBUTES))
    if key.startswith(STATUS_DETAILS):
        return details.get(key.removeprefix(STATUS_DETAILS))
    return traits.thing_type if key == THING_TYPE else ",".join(sorted(traits.groups))


def _short(value: str) -> str:
    if len(value) <= VALUE_LENGTH_MAX:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{value[: VALUE_LENGTH_MAX - _DIGEST_LENGTH - 1]}~{digest}"


@dataclass(frozen=True, slots=True)
class Cells:
    """
    A rollout's cells.

    Attributes:
        keys: What things are told apart by.
        values: Of each cell, in the order of the keys; a cell that is missing here counts as not
            known, like UNJOINED.
    """

    keys: tuple[str, ...] = ()
    values: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def cohorts_of(self, cell: int) -> tuple[str, ...]:
        """Return the cohorts that a cell is of, one for each key."""
        values = self._values(cell)
        return tuple(cohort_name(key, value) for key, value in zip(self.keys, values, strict=True))

    def covering(self, cohorts: Collection[str]) -> frozenset[int]:
        """Return the cells whose devices are of any of these cohorts."""
        wanted = set(cohorts)
        return frozenset(
            cell
            for cell in (UNJOINED, REST_CELL, *self.values)
            if not wanted.isdisjoint(self.cohorts_of(cell))
        )

    def known(self, cell: int) -> int:
        """Return the cell, UNJOINED where nobody knows yet what it stands for."""
        return cell if cell == REST_CELL or cell in self.values else UNJOINED

    def by_cohort(self) -> list[dict[str, list[int]]]:
        """Return the cells of each cohort, for each key; cohorts in the order they came up."""
        found: list[dict[str, list[int]]] = [{} for _ in self.keys]
        for cell in (UNJOINED, REST_CELL, *sorted(self.values)):
            for cohorts, name in zip(found, self.cohorts_of(cell), strict=True):
                cohorts.setdefault(name, []).append(cell)
        return found

    def _values(self, cell: int) -> tuple[str, ...]:
        if cell == REST_CELL:
            return (REST,) * len(self.keys)
        return self.values.get(cell, (UNKNOWN,) * len(self.keys))


def tallies(
    cells: Cells,
    counters: Mapping[CellKey, int],
    harms: Collection[ExecutionStatus],
    *,
    apart: Collection[str] = (),
) -> dict[str, dict[str, Tally]]:
    """
    Return the tally of each cohort, by key; nothing of a key under which all devices are alike.

    Devices of which nobody knows yet what they are could be of any cohort: they count as started
    with each, and none of them as harmed. A failure is joined sooner than what is in flight, and
    would else stand against too few starts.

    Args:
        cells: The rollout's.
        counters: Things per start bucket, status and cell.
        harms: Outcomes of devices that started which count as harm.
        apart: Cohorts set apart: their devices are not among those of other cohorts.
    """
    rows = _rows(cells, counters, frozenset(harms))
    newest = max((bucket for row in rows.values() for bucket in row), default=-1)
    covered, unjoined = cells.covering(apart), rows.get(UNJOINED, {})
    found: dict[str, dict[str, Tally]] = {}
    for key, cohorts in zip(cells.keys, cells.by_cohort(), strict=True):
        told: dict[str, Tally] = {}
        for place, (name, members) in enumerate(cohorts.items()):
            own = [each for each in members if name in apart or each not in covered]
            tally = _tally(
                _together(rows, own),
                {} if UNJOINED in own else unjoined,
                first_end=newest + 1 - OPEN_BUCKETS,
                share=share_of(place),
            )
            if tally.started:
                told[name] = tally
        found[key] = told if len(told) > 1 else {}
    return found


def counts_apart(cells: Cells, counters: Mapping[CellKey, int], cohorts: Collection[str]) -> Counts:
    """Return the counts of all devices that are of any of these cohorts."""
    covered = cells.covering(cohorts)
    by_bucket: Counter[CounterKey] = Counter()
    for (bucket, status, cell), number in counters.items():
        if cells.known(cell) in covered:
            by_bucket[bucket, status] += number
    return Counts(dict(by_bucket))


def share_of(place: int) -> float:
    """
    Return the share of the risk for the cohort that came up at this place, the first being 0.

    How many there will be is not known when the first are tested, so the shares are fixed before
    any is: those of all places sum to 1.
    """
    tier = (place // _FIRST_COHORTS + 1).bit_length() - 1
    return 0.5 ** (2 * tier + 1) / _FIRST_COHORTS


#: Started and harmed, by start bucket.
_Row = dict[int, tuple[int, int]]


def _rows(
    cells: Cells, counters: Mapping[CellKey, int], harms: frozenset[ExecutionStatus]
) -> dict[int, _Row]:
    """Return the prompt devices of each cell."""
    rows: dict[int, _Row] = {}
    for (bucket, status, cell), number in counters.items():
        # Counters that are read one after the other may disagree by a few.
        if bucket == UNPLACED or bucket >= LATE or number <= 0:
            continue
        row = rows.setdefault(cells.known(cell), {})
        started, harmed = row.get(bucket, (0, 0))
        row[bucket] = (started + number, harmed + (number if status in harms else 0))
    return rows


def _together(rows: Mapping[int, _Row], cells: Collection[int]) -> _Row:
    total: _Row = {}
    for cell in cells:
        for bucket, (more_started, more_harmed) in rows.get(cell, {}).items():
            started, harmed = total.get(bucket, (0, 0))
            total[bucket] = (started + more_started, harmed + more_harmed)
    return total


def _tally(row: _Row, undecided: _Row, *, first_end: int, share: float) -> Tally:
    """Sum a cohort up; prefixes end from ``first_end`` on."""
    prefixes: list[tuple[int, int]] = []
    started = harmed = among = 0
    for bucket in sorted({*row, *undecided}):
        more_started, more_harmed = row.get(bucket, (0, 0))
        started, harmed = started + more_started, harmed + more_harmed
        among += more_started + undecided.get(bucket, (0, 0))[0]
        if more_harmed and bucket >= first_end:
            prefixes.append((among, harmed))
    return Tally(started, harmed, tuple(prefixes), undecided=among - started, share=share)
