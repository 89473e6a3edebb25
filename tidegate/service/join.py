"""
Join: what devices are, joined to what became of them, so that cohorts can be told apart.

Outcomes never wait for it. What the registry does not tell now is noted, and joined by ``attend``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate.domain.cells import needs_groups, needs_traits, values_of
from tidegate.domain.jobs import TERMINAL
from tidegate.domain.outcomes import UNJOINED, ThingRecord
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.domain.things import Traits
from tidegate.errors import RetryLater
from tidegate.ports import Ledger, Things
from tidegate.service.folding import change_things, in_chunks

#: Things whose traits are asked for at a time: where AWS throttles, only those are asked again.
TRAITS_AT_ONCE = 10

#: ``statusDetails`` by name of thing.
Details = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What the registry says of things.

    Attributes:
        traits: Of those that were read; None where the policy asks for none.
        asked: Things that were asked for, answered or not: what a budget is spent on.
        left: Things that could not be read yet.
        fault: Why, if it was not for the budget.
    """

    traits: Mapping[str, Traits | None]
    asked: int = 0
    left: tuple[str, ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """
    What joining came to.

    Attributes:
        cells: Of all things that it was about; UNJOINED where it cannot be told yet.

    The others are as in ``Reading``.
    """

    cells: Mapping[str, int]
    asked: int = 0
    left: tuple[str, ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Joining:
    """
    The ports that joining needs.

    Attributes:
        things: Makes the registry, once there is something to read: most rollouts join nothing.
            None: nothing can be read here.
    """

    ledger: Ledger
    things: Callable[[], Things] | None

    def join(
        self,
        rollout: Rollout,
        records: Mapping[str, ThingRecord],
        details: Details,
        *,
        budget: int,
    ) -> Joined:
        """
        Give things that have no cell theirs, if it can be told by now.

        Args:
            rollout: Whose policy says what things are told apart by.
            records: What the ledger has of the things.
            details: Their latest ``statusDetails``; those that told none are missing.
            budget: Things whose traits may be read.

        Raises:
            RetryLater: The ledger throttles.
        """
        known = {name: each.cell for name, each in records.items()}
        waiting = [name for name, cell in known.items() if cell == UNJOINED]
        if not rollout.policy.cohorts.keys or not waiting:
            return Joined(known)
        reading = self.read(rollout.policy, waiting, budget=budget)
        known |= self.place(rollout, records, reading.traits, details)
        return Joined(known, reading.asked, reading.left, reading.fault)

    def place(
        self,
        rollout: Rollout,
        records: Mapping[str, ThingRecord],
        traits: Mapping[str, Traits | None],
        details: Details,
    ) -> dict[str, int]:
        """
        Give those things their cell of which enough is known; return the cells that they have now.

        Raises:
            RetryLater: The ledger throttles.
        """
        keys = rollout.policy.cohorts.keys
        values: dict[str, tuple[str, ...]] = {}
        for name, known in traits.items():
            is_over = records[name].status in TERMINAL
            of_thing = values_of(keys, known, details.get(name, {}), is_over=is_over)
            if of_thing is not None:
                values[name] = of_thing
        cells = self._cells(rollout.key, values)
        placed = change_things(
            rollout.key, cells, lambda name, each: _placed(each, cells[name]), ledger=self.ledger
        )
        return {name: each.cell for name, each in placed.records.items()}

    def read(self, policy: Policy, names: Sequence[str], *, budget: int) -> Reading:
        """Return what the registry says of things, where the policy asks for it at all."""
        keys = policy.cohorts.keys
        if not needs_traits(keys):
            return Reading(dict.fromkeys(names))
        if self.things is None:
            return Reading({}, left=tuple(names))
        traits: dict[str, Traits | None] = {}
        for chunk in in_chunks(names[: max(0, budget)], TRAITS_AT_ONCE):
            try:
                found = self.things().traits(chunk, with_groups=needs_groups(keys))
            except RetryLater as error:
                left = tuple(names[len(traits) :])
                return Reading(traits, len(traits) + len(chunk), left, str(error))
            # One that is no longer registered never will tell more.
            traits |= {name: found.get(name, Traits()) for name in chunk}
        return Reading(traits, len(traits), tuple(names[len(traits) :]))

    def _cells(self, key: RolloutKey, values: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
        """Return the cell of each thing, looking each kind up once."""
        known = {each: cell for cell, each in self.ledger.cells(key).items()} if values else {}
        for each in dict.fromkeys(values.values()):
            if each not in known:
                known[each] = self.ledger.cell_of(key, each)
        return {name: known[each] for name, each in values.items()}


def unjoined_of(policy: Policy, records: Mapping[str, ThingRecord]) -> list[str]:
    """
    Return the things whose cell somebody has to look up.

    Where no traits are asked for, one that is at work tells by itself what it is, with its outcome.
    """
    keys = policy.cohorts.keys
    return [
        name
        for name, each in records.items()
        if keys and each.cell == UNJOINED and (needs_traits(keys) or each.status in TERMINAL)
    ]


def _placed(record: ThingRecord, cell: int) -> ThingRecord:
    return record if record.cell != UNJOINED else replace(record, cell=cell)
