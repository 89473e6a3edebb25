"""
Overlap: which rollouts that go on have some of a job's things.

Two jobs have things in common if they have a target in common, or if their targets hold the same
thing. Listing things takes time in large fleets, so how much is listed has a limit; beyond, only
targets are compared, and the result says of which jobs that is true.

What a job shares with others is found as it is enrolled. Things may join the targets of a
CONTINUOUS job later: it is compared again now and then while it goes on.
"""

from dataclasses import dataclass, field

from tidegate.documents.announcements import needs_attention
from tidegate.domain.jobs import Job, JobStatus
from tidegate.domain.policy import Overlap
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.errors import NotFound, Refused, RetryLater
from tidegate.ports import Bus, BusEvent, Jobs, Ledger
from tidegate.service.observe import described
from tidegate.service.telling import tell_once

#: Other rollouts that a job is compared with; each takes a DescribeJob.
OTHERS_MAX = 50

#: Things of others that are listed in all, at 250 a request: some ten seconds.
OTHERS_THINGS_MAX = 50_000

#: How long an enrolment may take from its claim to its second look: a Lambda's time.
SETTLING_SECONDS = 60.0

#: Jobs that are named to people where they could not be compared.
NAMED_MAX = 20

#: A job in these states gives nothing to devices any more. One that was canceled may: devices at
#: work finish what they began, and may be rolled back.
_DONE = (JobStatus.COMPLETED, JobStatus.DELETION_IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class Overlaps:
    """
    What a comparison came to.

    Attributes:
        found: Rollouts that go on and have some of the same things, oldest first.
        unknown: Ids of jobs of which it is not known: too many, or too many things to list.
    """

    found: tuple[RolloutKey, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(slots=True)
class Overlapping:
    """
    Compares one job with all others that are steered; looking again compares only new ones.

    Attributes:
        job_id: The job's.
        targets: ARNs of things and thing groups.
        ignored: Ids of jobs that it is not compared with.
    """

    jobs: Jobs
    ledger: Ledger
    job_id: str
    targets: tuple[str, ...]
    ignored: frozenset[str] = frozenset()
    _compared: dict[RolloutKey, bool | None] = field(default_factory=dict)
    _own: frozenset[str] | None = None
    _own_listed: bool = False
    _listed: int = 0

    def find(self) -> Overlaps:
        """
        Compare, as of now.

        Raises:
            RetryLater: AWS or the ledger throttles.
        """
        left_out = self.ignored | {self.job_id}
        keys = [each.key for each in self.ledger.active() if each.key.job_id not in left_out]
        newest = sorted(keys, key=lambda key: (key.created_at, key.job_id), reverse=True)
        results = {key: self._overlaps(key) for key in newest[:OTHERS_MAX]}
        unknown = [key for key in newest if results.get(key) is None]
        found = [key for key in newest if results.get(key)]
        return Overlaps(tuple(reversed(found)), tuple(sorted(key.job_id for key in unknown)))

    def _overlaps(self, key: RolloutKey) -> bool | None:
        if key not in self._compared:
            self._compared[key] = self._compare_with(key)
        return self._compared[key]

    def _compare_with(self, key: RolloutKey) -> bool | None:
        try:
            return self._compare(described(self.jobs, key))
        except Refused:
            # That AWS does not show another job says nothing against this one.
            return None

    def _compare(self, other: Job | None) -> bool | None:
        if other is None or other.status in _DONE:
            return False
        if not set(self.targets).isdisjoint(other.targets):
            return True
        theirs = self._things_of(other)
        ours = self._own_things() if theirs is not None else None
        if ours is None or theirs is None:
            return None
        return not ours.isdisjoint(theirs)

    def _things_of(self, other: Job) -> frozenset[str] | None:
        if self._listed >= OTHERS_THINGS_MAX:
            return None
        things = _listed(self.jobs, other.targets)
        # A list that was given up has taken its time too.
        self._listed += OTHERS_THINGS_MAX if things is None else len(things)
        return things

    def _own_things(self) -> frozenset[str] | None:
        if not self._own_listed:
            self._own, self._own_listed = _listed(self.jobs, self.targets), True
        return self._own


def is_ahead(other: Rollout) -> bool:
    """
    Whether those that wait for a rollout wait still.

    One of a CONTINUOUS job has no end: once its release is out, it guards who joins later, and
    holds nobody.
    """
    return other.ending is None and not other.course.is_guarding


def came_first(other: Rollout | None, rollout: Rollout, at: float) -> bool:
    """
    Whether another rollout with some of the same things goes first, though it was seen late.

    Each of the two may see the other, so both have to come to one answer. The lesser key goes
    first, unless the other one had looked before there was anything to see: then that is under way
    already.

    Args:
        other: As the ledger has it now; None if it is gone.
        rollout: The one that asks; its claim stands.
        at: Epoch seconds.

    Raises:
        RetryLater: The other one was enrolled at the same moment and may look yet.
    """
    if other is None or other.ending is not None or rollout.key in other.overlaps:
        return False
    if other.key < rollout.key or other.revision > 0:
        return True
    if at - other.enrolled_at > SETTLING_SECONDS:
        return True
    message = (
        f"jobs {rollout.key.job_id} and {other.key.job_id} have some of the same things and are "
        "enrolled at the same moment; which of them goes first shows once both have looked"
    )
    raise RetryLater(message)


def came_after(other: Rollout | None, rollout: Rollout) -> bool:
    """Whether another rollout with some of the same things stands behind this one."""
    if other is None or rollout.key in other.overlaps:
        return True
    return other.key not in rollout.overlaps and other.enrolled_at > rollout.enrolled_at


def overlap_warnings(rollout: Rollout, overlaps: Overlaps, at: float) -> list[BusEvent]:
    """Return what people should know of others that have some of a new rollout's things."""
    if rollout.generation > 1:
        return []
    job_id, warnings = rollout.key.job_id, []
    if rollout.overlaps and rollout.policy.overlap is Overlap.WARN:
        problem = (
            f"jobs that go on have some of the same things as job {job_id}: "
            f"{', '.join(key.job_id for key in rollout.overlaps)}"
        )
        remedy = (
            "If their releases must not meet on a device, hold or abort one of them; a policy "
            "whose overlap is wait keeps them apart."
        )
        warnings.append(needs_attention(job_id, problem, remedy, at, key=rollout.key))
    if overlaps.unknown:
        problem = (
            f"whether job {job_id} has things in common with other jobs that go on is not known, "
            f"since not all of their things could be listed: {_shortened(overlaps.unknown)}; none "
            "of their targets is the same"
        )
        remedy = "If their releases must not meet on a device, look at their targets yourself."
        warnings.append(needs_attention(job_id, problem, remedy, at, key=rollout.key))
    return warnings


def tell_late_overlaps(
    rollout: Rollout, job: Job, *, jobs: Jobs, ledger: Ledger, bus: Bus, at: float
) -> None:
    """
    Tell people, once of each pair, which rollouts have come to have some of a rollout's things.

    Both are under way, so that neither can wait any more. The policy of the one that was enrolled
    later says whether people want to know.

    Args:
        rollout: Things may have joined its targets.
        job: Its job.
        jobs: Whose targets are compared.
        ledger: Where the others are, and what was told.
        bus: Told.
        at: Epoch seconds.

    Raises:
        RetryLater: AWS or the ledger throttles, or the bus does not take it: it is news still.
    """
    ids = {each.key.job_id for each in ledger.active()} - {job.job_id}
    news = {
        other.key: other
        for other in ledger.current(ids).values()
        if _may_be_news(rollout, other) and not ledger.is_alerted(_pair(rollout.key, other.key))
    }
    ignored = frozenset(ids - {key.job_id for key in news})
    for key in Overlapping(jobs, ledger, job.job_id, job.targets, ignored).find().found:
        if key in news:
            first, second = _in_order(rollout, news[key])
            event = _late_overlap(first.key, second.key, at)
            tell_once(_pair(first.key, second.key), event, ledger=ledger, bus=bus, at=at)


def _may_be_news(rollout: Rollout, other: Rollout) -> bool:
    """Whether people may want to hear that two rollouts have things in common, and have not."""
    if rollout.key in other.overlaps or other.key in rollout.overlaps:
        return False
    # A rollback and what it undoes have all things in common.
    if rollout.key.job_id == other.rolls_back or other.key.job_id == rollout.rolls_back:
        return False
    # Whoever waits for a release waits for what undoes it.
    if _waits_for(rollout.rolls_back, other) or _waits_for(other.rolls_back, rollout):
        return False
    _, second = _in_order(rollout, other)
    return second.policy.overlap is not Overlap.GO


def _waits_for(job_id: str | None, rollout: Rollout) -> bool:
    waits = rollout.policy.overlap is Overlap.WAIT
    return waits and any(key.job_id == job_id for key in rollout.overlaps)


def _in_order(rollout: Rollout, other: Rollout) -> tuple[Rollout, Rollout]:
    """Return the one that was enrolled first, and then the other one."""
    pair = sorted((rollout, other), key=lambda each: (each.enrolled_at, each.key))
    return pair[0], pair[1]


def _pair(*keys: RolloutKey) -> str:
    """Return the name under which it is remembered that people know of a pair."""
    return " ".join(["overlap", *(f"{key.job_id}#{key.created_at}" for key in sorted(keys))])


def _late_overlap(first: RolloutKey, second: RolloutKey, at: float) -> BusEvent:
    problem = (
        f"job {second.job_id} has some of the same things as job {first.job_id} by now: things "
        "joined the targets of a CONTINUOUS job while both were under way"
    )
    remedy = (
        "If their releases must not meet on a device, hold or abort one of them: what is under way "
        "does not wait any more, even if its policy's overlap is wait."
    )
    return needs_attention(second.job_id, problem, remedy, at, key=second)


def _shortened(job_ids: tuple[str, ...]) -> str:
    """Return some of the ids, and how many more there are."""
    shown, more = ", ".join(job_ids[:NAMED_MAX]), len(job_ids) - NAMED_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _listed(jobs: Jobs, targets: tuple[str, ...]) -> frozenset[str] | None:
    """Return the things that targets hold; None if that cannot be told."""
    try:
        return jobs.things_in(targets)
    except NotFound:
        return None
