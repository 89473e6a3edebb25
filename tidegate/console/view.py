"""
Views: what there is to see of rollouts, as values; whoever shows them adds the looks.

Everything comes from the ledger. A glance is a line of a table, a detail a page of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.documents.shapes import EPOCH_SECONDS, shown
from tidegate.domain.course import Answer, Question
from tidegate.domain.decision import Awaits, Decision
from tidegate.domain.failures import FailureReason
from tidegate.domain.points import Point, point_of
from tidegate.domain.rollout import Rollout, RolloutKey, Step
from tidegate.domain.turn import Turn
from tidegate.errors import NotFound
from tidegate.ports import Entry, Ledger, Records
from tidegate.service.seen import reasons_of

#: Rollouts of one list, the ended ones among them.
ACTIVE_MAX = 1000
ENDED_MAX = 100

#: Of one rollout, on its own page.
POINTS_MAX = 5000
DECISIONS_MAX = 100
STEPS_MAX = 500


@dataclass(frozen=True, slots=True)
class Glance:
    """
    A rollout in one line.

    Attributes:
        rollout: As the ledger has it.
        last: Its last decision; None before the first.
    """

    rollout: Rollout
    last: Decision | None

    @property
    def state(self) -> str:
        """How it stands, in a word: its end, or the last verdict."""
        if self.rollout.ending is not None:
            return self.rollout.ending.value
        return self.last.verdict.value if self.last else "enrolled"

    @property
    def why(self) -> str:
        """The first reason of its last decision."""
        return self.last.summary if self.last else "not reviewed yet"

    @property
    def point(self) -> Point | None:
        """Its last decision in figures."""
        return point_of(self.last) if self.last else None

    @property
    def budget(self) -> float:
        """Devices harmed beyond the acceptable rate, at most; infinite if that is not known."""
        try:
            return self.rollout.policy.harm.budget(self.rollout.fleet_size)
        except ValueError:
            return float("inf")

    @property
    def harmed_beyond(self) -> float:
        """Devices harmed beyond the acceptable rate."""
        if self.last is None:
            return 0.0
        evidence = self.last.evidence
        acceptable = self.rollout.policy.harm.acceptable_rate
        return max(0.0, evidence.harmed - acceptable * evidence.started)

    @property
    def budget_used(self) -> float:
        """The share of that budget which is used, from 0 to 1."""
        if self.budget <= 0:
            return 1.0 if self.harmed_beyond > 0 else 0.0
        return min(1.0, self.harmed_beyond / self.budget)

    @property
    def pending(self) -> Sequence[Question]:
        """What it asks and has no answer to; nothing once it has ended."""
        return self.rollout.course.pending if self.rollout.ending is None else ()

    @property
    def is_stopping(self) -> bool:
        """Whether it is stopped for good, decided or only asked for; nothing else can be asked."""
        return self.rollout.aborting or self.rollout.abort_request is not None

    @property
    def is_refused(self) -> bool:
        """Whether it stands at a gate since somebody said no, until it is resumed."""
        if self.last is None or self.rollout.ending is not None or self.pending:
            return False
        return self.last.gate is not None and self.last.awaits in (Awaits.ANSWER, Awaits.APPROVAL)

    @property
    def rate(self) -> int | None:
        """The rate in force per minute; None if it is not known."""
        if self.last is None:
            return None
        settings = self.last.settings if self.last.settings.rollout else self.last.replaces
        return settings.rollout.maximum_per_minute if settings.rollout else None


@dataclass(frozen=True, slots=True)
class Detail:
    """
    All that there is to see of one rollout.

    Attributes:
        glance: It in one line.
        points: Its decisions in figures, oldest first.
        decisions: The newest ones whole, newest first.
        applied: What applying each of them came to, by revision.
        steps: Its timeline, oldest first.
        answers: To its questions.
        reasons: Why devices failed, the most frequent reason first.
    """

    glance: Glance
    points: Sequence[Point]
    decisions: Sequence[Decision]
    applied: Mapping[int, Mapping[str, object]]
    steps: Sequence[Step]
    answers: Sequence[Answer]
    reasons: Sequence[FailureReason]


def glances(records: Records) -> list[Glance]:
    """Return all rollouts that go on, oldest first, and behind them those that ended last."""
    active = sorted(each.key for each in records.active())[:ACTIVE_MAX]
    keys = [*active, *(key for key in records.ended(limit=ENDED_MAX) if key not in set(active))]
    rollouts = records.rollouts(keys)
    known = [rollouts[key] for key in keys if key in rollouts]
    last = records.last_decisions(known)
    return [Glance(rollout, last.get(rollout.key)) for rollout in known]


def waiting(records: Records) -> list[Turn]:
    """Return all launches that wait for their turn, the longest first."""
    turns = [each for each in records.turns() if each.is_waiting]
    return sorted(turns, key=lambda each: (each.since, each.job_id))


def found(job_id: str, ledger: Ledger, *, created_at: int | None = None) -> Rollout:
    """
    Return a rollout of a job.

    Args:
        job_id: The job's.
        ledger: Where it is read.
        created_at: When its job was created, in epoch seconds: job ids can be used again. None: the
            newest.

    Raises:
        NotFound: There is none.
    """
    if created_at is not None:
        return ledger.rollout(RolloutKey(job_id, created_at))
    rollout = ledger.current([job_id]).get(job_id)
    if rollout is None:
        raise NotFound(_why_none(job_id, ledger))
    return rollout


def _why_none(job_id: str, ledger: Ledger) -> str:
    turns = [each for each in ledger.turns() if each.is_waiting and each.job_id == job_id]
    if turns:
        return (
            f"job {job_id} has no rollout yet: its launch waits for the end of "
            f"{', '.join(turns[0].behind)} and begins by itself; `tidegate abort {job_id}` gives "
            "it up"
        )
    return (
        f"job {job_id} has no rollout in this account and region: `tidegate status` lists all, "
        "and `tidegate enroll` begins one"
    )


def created_of(written: str) -> int:
    """Return when a job was created, in epoch seconds; raises NotFound if no job can have been."""
    if not EPOCH_SECONDS.fullmatch(written):
        message = f"{shown(written)} is no time at which a job was created: give epoch seconds"
        raise NotFound(message)
    return int(written)


def notes_of(entries: Sequence[Entry]) -> dict[int, Mapping[str, object]]:
    """Return what applying decisions came to, by revision, of those that were applied."""
    return {each.decision.revision: each.applied for each in entries if each.applied is not None}


def detail(
    job_id: str,
    *,
    ledger: Ledger,
    records: Records,
    created_at: int | None = None,
    decisions_max: int = DECISIONS_MAX,
    steps_max: int = STEPS_MAX,
) -> Detail:
    """
    Return all there is to see of a rollout of a job.

    Args:
        job_id: The job's.
        ledger: Where it is read.
        records: Where its figures are.
        created_at: When its job was created, in epoch seconds; None: the newest.
        decisions_max: Newest decisions that are read.
        steps_max: Lines of the timeline.

    Raises:
        NotFound: There is none.
    """
    rollout = found(job_id, ledger, created_at=created_at)
    key = rollout.key
    entries = ledger.entries(key, limit=decisions_max)
    decisions = [each.decision for each in entries]
    return Detail(
        glance=Glance(rollout, decisions[0] if decisions else None),
        points=records.points(key, limit=POINTS_MAX),
        decisions=decisions,
        applied=notes_of(entries),
        steps=ledger.steps(key, limit=steps_max),
        answers=ledger.answers(key),
        reasons=reasons_of(rollout, ledger),
    )
