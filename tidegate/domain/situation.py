"""All that a review looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tidegate.domain.cells import Cells
from tidegate.domain.cohorts import Tally
from tidegate.domain.course import Answer, Course, Question
from tidegate.domain.durations import Durations
from tidegate.domain.jobs import Job
from tidegate.domain.memory import Memory
from tidegate.domain.outcomes import ReasonKey
from tidegate.domain.rollout import AbortRequest, Counts, Hold, Lift
from tidegate.domain.settings import JobSettings
from tidegate.domain.standing import Standing

#: Minutes between reviews while exposure can grow. Below one, so that at most one of AWS's
#: batches, one a minute, falls between two reviews.
REVIEW_MINUTES = 0.8


class Readiness(Enum):
    """How far the ledger's counts can be relied upon."""

    COMPLETE = "complete"
    #: Outcomes are known, perhaps to AWS's counters alone, but not the start of each.
    UNPLACED = "unplaced"
    #: Devices report nothing but their end: who has started is not known.
    UNSTARTED = "unstarted"
    #: AWS counts outcomes that the ledger does not know.
    INCOMPLETE = "incomplete"
    #: What devices reported could not be read now.
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Situation:
    """
    What is known about a rollout.

    Attributes:
        job: DescribeJob's answer; None if the job does not exist any more.
        counts: Things per start bucket and status.
        readiness: Of the counts.
        unreadable: Why what devices reported could not be read; empty if it could.
        events_enabled: Whether the account publishes job-execution events.
        revision: Of the decision to be made.
        signals: Requests taken into account: the rollout's count when it was read.
        budget: Devices harmed beyond the acceptable rate, at most.
        fleet_size: Things in all; None if unknown.
        upper_bound: The smallest bound on the failure rate established so far.
        memory: What the last review handed on.
        durations: How long devices take; as it is now, if counts are complete.
        tallies: Of each cohort, by the key that it is told by; empty if none is told apart. Devices
            of cohorts set apart are among no other cohort's.
        apart: The counts of all devices of cohorts that ``memory`` has set apart, and that are not
            ``released``.
        released: Cohorts that people want treated like all others.
        reasons: How many failed devices gave each reason, per cell.
        cells: What these cells stand for.
        unsettled: Whether it is time to look at devices: what they are, or if they are still there.
        can_quarantine: Whether a cohort can be left out while the others go on.
        holds: Of operators, in force.
        lift: The latest lift of operators' holds.
        course: What gates, questions and proposals have come to.
        answers: To the rollout's questions.
        standing: Alarms, calendars and other rollouts.
        installed: The settings that the last decision put in force; None if that is not known.
        rolls_back: Whether this rollout itself undoes an aborted release.
        has_all_to_undo: Whether no more devices can join this rollout that undoes another one: that
            one is over.
        is_rolled_back: Whether the last pass of rolling back was for all devices it had to be for.
        is_rolling_back: Whether it left devices to another pass, as there were too many for one.
        review_minutes: Minutes until the next review while exposure can grow: more where many
            rollouts share AWS's quotas.
        aborting: An abort was decided before; it is never taken back.
    """

    job: Job | None
    counts: Counts
    revision: int
    signals: int
    budget: float
    readiness: Readiness = Readiness.COMPLETE
    unreadable: str = ""
    events_enabled: bool = True
    fleet_size: int | None = None
    upper_bound: float = 1.0
    memory: Memory = field(default_factory=Memory)
    durations: Durations = field(default_factory=Durations)
    tallies: Mapping[str, Mapping[str, Tally]] = field(default_factory=dict)
    apart: Counts = field(default_factory=Counts)
    released: frozenset[str] = frozenset()
    reasons: Mapping[ReasonKey, int] = field(default_factory=dict)
    cells: Cells = field(default_factory=Cells)
    unsettled: bool = False
    can_quarantine: bool = False
    holds: Sequence[Hold] = field(default=())
    lift: Lift | None = None
    course: Course = field(default_factory=Course)
    answers: Sequence[Answer] = field(default=())
    standing: Standing = field(default_factory=Standing)
    installed: JobSettings | None = None
    rolls_back: bool = False
    has_all_to_undo: bool = False
    is_rolled_back: bool = False
    is_rolling_back: bool = False
    review_minutes: float = REVIEW_MINUTES
    abort_request: AbortRequest | None = None
    aborting: bool = False
    minute_seconds: float = 60.0

    def answer_to(self, question: Question) -> Answer | None:
        """Return what was said to a question; None if nothing was."""
        given = (each for each in self.answers if each.question_id == question.question_id)
        return next(given, None)
