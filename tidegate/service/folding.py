"""
Folding: change what the ledger has of things, each once, however many do so at the same time.

Whoever was faster is found out when it comes to writing: then everything is read and reckoned anew.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from tidegate.domain.outcomes import Sighting, ThingRecord, Transition, deltas, transitions
from tidegate.domain.rollout import RolloutKey
from tidegate.errors import Contention
from tidegate.ports import CHANGES_MAX, Ledger

#: Concurrent writers of the same things are few: each retry is one of them having been faster.
COMMIT_TRIES_MAX = 8

_Records = Mapping[str, ThingRecord]
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Folded:
    """
    What a change came to.

    Attributes:
        records: Of all things that it was about, as they are now; those never seen are missing.
        changes: Those that changed.
    """

    records: _Records = field(default_factory=dict)
    changes: tuple[Transition, ...] = ()


def fold_sightings(key: RolloutKey, sightings: Iterable[Sighting], *, ledger: Ledger) -> Folded:
    """
    Fold sightings into the ledger.

    Any number of callers may do this at once, with the same or overlapping sightings.

    Raises:
        Contention: Others were faster ``COMMIT_TRIES_MAX`` times in a row.
        RetryLater: The ledger throttles.
    """
    by_thing = _by_thing(sightings)

    def folded(records: _Records, names: Sequence[str]) -> Sequence[Transition]:
        return transitions(records, [each for name in names for each in by_thing[name]])

    return _changed(key, by_thing, folded, ledger)


def change_things(
    key: RolloutKey,
    names: Iterable[str],
    change: Callable[[str, ThingRecord], ThingRecord],
    *,
    ledger: Ledger,
) -> Folded:
    """
    Change the records of those things that have one.

    Args:
        key: The rollout.
        names: Of things, each once.
        change: What becomes of a thing's record; asked again wherever others were faster.
        ledger: Where they are.

    Raises:
        Contention: Others were faster ``COMMIT_TRIES_MAX`` times in a row.
        RetryLater: The ledger throttles.
    """

    def changed(records: _Records, _names: Sequence[str]) -> Sequence[Transition]:
        after = {name: change(name, record) for name, record in records.items()}
        return [
            Transition(name, record, after[name])
            for name, record in records.items()
            if after[name] != record
        ]

    return _changed(key, names, changed, ledger)


def in_chunks(items: Iterable[_Item], length: int) -> Iterator[list[_Item]]:
    """Yield the items in their order, so many at a time."""
    remaining = iter(items)
    while chunk := list(islice(remaining, length)):
        yield chunk


def _by_thing(sightings: Iterable[Sighting]) -> dict[str, list[Sighting]]:
    """Group sightings by thing, so that one thing never falls into two transactions."""
    grouped: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        grouped.setdefault(sighting.thing_name, []).append(sighting)
    return grouped


def _changed(
    key: RolloutKey,
    names: Iterable[str],
    changes_of: Callable[[_Records, Sequence[str]], Sequence[Transition]],
    ledger: Ledger,
) -> Folded:
    records: dict[str, ThingRecord] = {}
    changes: list[Transition] = []
    for chunk in in_chunks(names, CHANGES_MAX):
        known, changed = _change_chunk(key, chunk, changes_of, ledger)
        records |= known
        records |= {each.thing_name: each.after for each in changed}
        changes += changed
    return Folded(records, tuple(changes))


def _change_chunk(
    key: RolloutKey,
    names: Sequence[str],
    changes_of: Callable[[_Records, Sequence[str]], Sequence[Transition]],
    ledger: Ledger,
) -> tuple[_Records, Sequence[Transition]]:
    for _ in range(COMMIT_TRIES_MAX):
        records = ledger.things(key, names)
        changes = changes_of(records, names)
        if not changes:
            return records, ()
        try:
            ledger.commit(key, changes, deltas(changes))
        except Contention:
            continue
        return records, changes
    message = (
        f"{len(names)} things of rollout {key.job_id} were changed by others "
        f"{COMMIT_TRIES_MAX} times in a row; do this again later"
    )
    raise Contention(message)
