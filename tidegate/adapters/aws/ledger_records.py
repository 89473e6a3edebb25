"""The ledger as people look at it: many rollouts at once, and one rollout's figures over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.adapters.aws.ledger_items import (
    ENDED,
    POINTS,
    RESULT,
    STATE,
    command_pk,
    decision_of,
    decision_sk,
    decoded,
    key_of,
    point_from,
    result_of,
    rollout_of,
    rollout_pk,
)
from tidegate.domain.points import point_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegate.adapters.aws.ledger_table import Table
    from tidegate.domain.decision import Decision
    from tidegate.domain.points import Point
    from tidegate.domain.rollout import Rollout, RolloutKey
    from tidegate.ports import CommandResult


class Records:
    """
    What is only looked at.

    A decision's figures are an item of their own: whoever looks at a picture of five thousand
    decisions would otherwise read them whole, and take from the rollout's partition in a second
    more than DynamoDB gives it, in the way of reviews.
    """

    def __init__(self, table: Table) -> None:
        """Bind them to the table."""
        self._table = table

    def ended(self, *, limit: int) -> Sequence[RolloutKey]:
        """Return the rollouts that ended last, newest first."""
        return [key_of(item) for item in self._table.query(ENDED, newest=limit)]

    def rollouts(self, keys: Sequence[RolloutKey]) -> dict[RolloutKey, Rollout]:
        """Return those of these rollouts that exist."""
        states = self._table.get_all([(rollout_pk(key), STATE) for key in dict.fromkeys(keys)])
        return {rollout.key: rollout for rollout in map(rollout_of, states)}

    def last_decisions(self, rollouts: Iterable[Rollout]) -> dict[RolloutKey, Decision]:
        """Return the last decision of each rollout that has one."""
        decided = {rollout_pk(each.key): each for each in rollouts if each.revision}
        places = [(pk, decision_sk(each.revision)) for pk, each in decided.items()]
        return {
            decided[decoded(item["pk"])].key: decision_of(item)
            for item in self._table.get_all(places)
        }

    def points(self, key: RolloutKey, *, limit: int) -> Sequence[Point]:
        """Return the rollout's decisions in figures, oldest first; of too many, the newest."""
        newest_first = self._table.query(rollout_pk(key), POINTS, newest=limit)
        kept = [point_from(item) for item in newest_first][::-1]
        first = kept[0].revision if kept else self._revision(key) + 1
        return [*self._unkept(key, range(max(1, first + len(kept) - limit), first)), *kept]

    def _unkept(self, key: RolloutKey, revisions: Iterable[int]) -> list[Point]:
        """Return the figures of decisions that were stored before figures were."""
        places = [(rollout_pk(key), decision_sk(revision)) for revision in revisions]
        points = [point_of(decision_of(item)) for item in self._table.get_all(places)]
        return sorted(points, key=lambda each: each.revision)

    def _revision(self, key: RolloutKey) -> int:
        item = self._table.get(rollout_pk(key), STATE)
        return 0 if item is None else rollout_of(item).revision

    def command(self, event_id: str) -> CommandResult | None:
        """Return what became of a command; None if nothing has yet."""
        item = self._table.get(command_pk(event_id), RESULT)
        return None if item is None or "noted_at" not in item else result_of(item)
