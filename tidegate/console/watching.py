"""
Watching: rollouts read again and again, and of each only what is new.

A page asks every two seconds. Decisions never change once they are stored, so those that were read
stay; what is read each time is small, however long the rollout.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from tidegate.console.view import (
    DECISIONS_MAX,
    POINTS_MAX,
    STEPS_MAX,
    Detail,
    Glance,
    found,
    glances,
    notes_of,
    waiting,
)
from tidegate.domain.points import Point, point_of
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.domain.turn import Turn
from tidegate.ports import Clock, CommandResult, Entry, Ledger, Records
from tidegate.service.seen import reasons_of

#: How long a list of all rollouts is good for: as many pages as are open share it.
GLANCES_SECONDS = 1.0

#: Rollouts of which decisions are kept.
KEPT_MAX = 50


@dataclass(slots=True)
class _Kept:
    """
    What was read of one rollout.

    Attributes:
        points: Of its decisions, oldest first.
        is_whole: Whether points go back as far as they may.
        entries: Its newest decisions, newest first, with what applying each came to.
    """

    points: list[Point] = field(default_factory=list)
    is_whole: bool = False
    entries: list[Entry] = field(default_factory=list)


class Watching:
    """Rollouts as a page shows them; several threads may ask at once."""

    def __init__(self, ledger: Ledger, records: Records, clock: Clock) -> None:
        """Know nothing yet."""
        self._ledger, self._records, self._clock = ledger, records, clock
        self._glances: Sequence[Glance] = ()
        self._turns: Sequence[Turn] = ()
        self._glanced_at = -GLANCES_SECONDS
        self._kept: OrderedDict[RolloutKey, _Kept] = OrderedDict()
        self._listing, self._reading = Lock(), Lock()

    def glances(self) -> Sequence[Glance]:
        """Return all rollouts that go on, and those that ended last."""
        with self._listing:
            self._look()
            return self._glances

    def waiting(self) -> Sequence[Turn]:
        """Return all launches that wait for their turn, the longest first."""
        with self._listing:
            self._look()
            return self._turns

    def _look(self) -> None:
        now = self._clock.now()
        if not 0 <= now - self._glanced_at < GLANCES_SECONDS:
            self._glances, self._turns = glances(self._records), waiting(self._records)
            self._glanced_at = now

    def command(self, event_id: str) -> CommandResult | None:
        """Return what became of a command; None if nothing has yet."""
        return self._records.command(event_id)

    def detail(self, job_id: str, *, created_at: int | None = None) -> Detail:
        """
        Return a rollout of a job: the newest, unless its job's creation is given (epoch seconds).

        The first time, its figures go back only as far as its newest decisions, so that there is
        something to see at once; from then on they are whole.

        Raises:
            NotFound: There is none.
        """
        rollout = found(job_id, self._ledger, created_at=created_at)
        key = rollout.key
        with self._reading:
            kept = self._caught_up(rollout)
            points, entries = tuple(kept.points), tuple(kept.entries)
        decisions = [each.decision for each in entries]
        return Detail(
            glance=Glance(rollout, decisions[0] if decisions else None),
            points=points,
            decisions=decisions,
            applied=notes_of(entries),
            steps=self._ledger.steps(key, limit=STEPS_MAX),
            answers=self._ledger.answers(key),
            reasons=reasons_of(rollout, self._ledger),
        )

    def _caught_up(self, rollout: Rollout) -> _Kept:
        """Return what is kept of a rollout, with its new decisions."""
        kept = self._kept.pop(rollout.key, None)
        if kept is None:
            kept = _Kept()
            kept.entries = [*self._ledger.entries(rollout.key, limit=DECISIONS_MAX)]
            kept.points = [point_of(each.decision) for each in reversed(kept.entries)]
            kept.is_whole = len(kept.entries) < DECISIONS_MAX
        else:
            self._catch_up(rollout, kept)
        self._kept[rollout.key] = kept
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return kept

    def _catch_up(self, rollout: Rollout, kept: _Kept) -> None:
        last = 0
        if kept.entries:
            # What applying the newest one came to may have been noted since.
            newest_one = kept.entries[0].decision
            last = newest_one.revision
            kept.entries[0] = Entry(newest_one, self._ledger.applied(rollout.key, last))
        missing = rollout.revision - last
        if missing > 0:
            entries = self._ledger.entries(rollout.key, limit=min(missing, DECISIONS_MAX))
            fresh = [each for each in entries if each.decision.revision > last]
            kept.entries = [*fresh, *kept.entries][:DECISIONS_MAX]
            kept.points += [point_of(each.decision) for each in reversed(fresh)]
            del kept.points[:-POINTS_MAX]
        if missing > DECISIONS_MAX or not kept.is_whole:
            kept.points = [*self._records.points(rollout.key, limit=POINTS_MAX)]
            kept.is_whole = True
