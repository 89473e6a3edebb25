"""
Watching: rollouts read again and again, and of each only what is new.

A page asks every two seconds. Decisions never change once they are stored, so those that were read
stay; what is read each time is small, however long the rollout.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from tidegate.console.view import (
    DECISIONS_MAX,
    POINTS_MAX,
    STEPS_MAX,
    Detail,
    Glance,
    failure_reasons,
    glances,
    newest,
)
from tidegate.domain.decision import Decision
from tidegate.domain.points import Point, point_of
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.ports import Clock, CommandResult, Ledger, Records

#: How long a list of all rollouts is good for: as many pages as are open share it.
GLANCES_SECONDS = 1.0

#: Rollouts of which decisions are kept.
KEPT_MAX = 50

#: Newest decisions of which it is told what applying them came to: each is a read of its own.
APPLIED_MAX = 20


@dataclass(slots=True)
class _Kept:
    """
    What was read of one rollout.

    Attributes:
        points: Of its decisions, oldest first.
        is_whole: Whether points go back as far as they may.
        decisions: Newest first.
        applied: What applying each came to, where that no longer changes.
    """

    points: list[Point] = field(default_factory=list)
    is_whole: bool = False
    decisions: list[Decision] = field(default_factory=list)
    applied: dict[int, Mapping[str, object]] = field(default_factory=dict)


class Watching:
    """Rollouts as a page shows them; several threads may ask at once."""

    def __init__(self, ledger: Ledger, records: Records, clock: Clock) -> None:
        """Know nothing yet."""
        self._ledger, self._records, self._clock = ledger, records, clock
        self._glances: Sequence[Glance] = ()
        self._glanced_at = -GLANCES_SECONDS
        self._kept: OrderedDict[RolloutKey, _Kept] = OrderedDict()
        self._listing, self._reading = Lock(), Lock()

    def glances(self) -> Sequence[Glance]:
        """Return all rollouts that go on, and those that ended last."""
        with self._listing:
            now = self._clock.now()
            if not 0 <= now - self._glanced_at < GLANCES_SECONDS:
                self._glances, self._glanced_at = glances(self._records), now
            return self._glances

    def command(self, event_id: str) -> CommandResult | None:
        """Return what became of a command; None if nothing has yet."""
        return self._records.command(event_id)

    def detail(self, job_id: str) -> Detail:
        """
        Return the newest rollout of a job.

        The first time, its figures go back only as far as its newest decisions, so that there is
        something to see at once; from then on they are whole.

        Raises:
            NotFound: It never had one.
        """
        rollout = newest(job_id, self._ledger)
        key = rollout.key
        with self._reading:
            kept = self._caught_up(rollout)
            points, decisions = tuple(kept.points), tuple(kept.decisions)
            applied = self._applied(key, kept)
        return Detail(
            glance=Glance(rollout, decisions[0] if decisions else None),
            points=points,
            decisions=decisions,
            applied=applied,
            steps=self._ledger.steps(key, limit=STEPS_MAX),
            answers=self._ledger.answers(key),
            reasons=failure_reasons(key, self._ledger),
        )

    def _caught_up(self, rollout: Rollout) -> _Kept:
        """Return what is kept of a rollout, with its new decisions."""
        kept = self._kept.pop(rollout.key, None)
        if kept is None:
            kept = _Kept()
            kept.decisions = [*self._ledger.decisions(rollout.key, limit=DECISIONS_MAX)]
            kept.points = [point_of(each) for each in reversed(kept.decisions)]
            kept.is_whole = len(kept.decisions) < DECISIONS_MAX
        else:
            self._catch_up(rollout, kept)
        self._kept[rollout.key] = kept
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return kept

    def _catch_up(self, rollout: Rollout, kept: _Kept) -> None:
        last = kept.decisions[0].revision if kept.decisions else 0
        missing = rollout.revision - last
        if missing > 0:
            found = self._ledger.decisions(rollout.key, limit=min(missing, DECISIONS_MAX))
            fresh = [each for each in found if each.revision > last]
            kept.decisions = [*fresh, *kept.decisions][:DECISIONS_MAX]
            kept.points += [point_of(each) for each in reversed(fresh)]
            del kept.points[:-POINTS_MAX]
        if missing > DECISIONS_MAX or not kept.is_whole:
            kept.points = [*self._records.points(rollout.key, limit=POINTS_MAX)]
            kept.is_whole = True

    def _applied(self, key: RolloutKey, kept: _Kept) -> dict[int, Mapping[str, object]]:
        """Return what applying the newest decisions came to; that of the last may change."""
        notes: dict[int, Mapping[str, object]] = {}
        for decision in kept.decisions[:APPLIED_MAX]:
            revision = decision.revision
            note = kept.applied.get(revision)
            if note is None:
                note = self._ledger.applied(key, revision)
            if note is None:
                continue
            notes[revision] = note
            if decision is not kept.decisions[0]:
                kept.applied[revision] = note
        kept.applied = {
            revision: kept.applied[revision] for revision in notes.keys() & kept.applied
        }
        return notes
