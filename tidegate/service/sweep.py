"""
Sweep: what no event tells of is found each minute, and what stands still is set going again.

Four things are seen to, each by itself, so that one that fails keeps none of the others: that the
account's job events are on, that dead-letter queues are empty, that tagged jobs are steered, and
that each rollout's workflow lives.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.documents.announcements import needs_attention
from tidegate.domain.jobs import JobListing
from tidegate.domain.rollout import Active, RolloutKey
from tidegate.errors import NotFound, Refused, TidegateError
from tidegate.ports import (
    Bus,
    BusEvent,
    Clock,
    DeadLetters,
    Jobs,
    Ledger,
    Tagged,
    Workflow,
)
from tidegate.service.finding import NEW_JOB_GRACE_SECONDS, enroll_by_tag
from tidegate.service.healing import HEALS_MAX, Heal, heal
from tidegate.service.telling import tell_once

#: Pages of active jobs in one sweep: 10,000 jobs, in as many seconds as AWS allows requests.
PAGES_MAX = 40

#: Jobs never seen before whose tags one sweep reads; AWS allows some ten requests a second.
NEW_TAGS_READ_MAX = 300

#: Jobs without a tag at which one sweep looks again.
TAGS_READ_AGAIN_MAX = 30

#: How much longer than its review may take, retries and all, a rollout is waited for.
GRACE_SECONDS = 120.0

#: After which a review that is overdue while its workflow runs is for people to look at.
LATE_SECONDS = 900.0

#: Overdue rollouts whose workflow one sweep asks after; each takes a DescribeExecution.
OVERDUE_MAX = 100

SWEEP_SECONDS = 60.0

_EVENTS_OFF = "job events off"
_TOO_MANY_JOBS = "too many active jobs"


@dataclass(frozen=True, slots=True)
class Swept:
    """
    What a sweep came to.

    Attributes:
        found: Ids of jobs that are enrolled because of their tag.
        healed: Ids of jobs whose rollout has got another workflow execution.
        alerts: What people were told of, by name.
        faults: One message per thing that could not be seen to; the next sweep does.
    """

    found: tuple[str, ...] = ()
    healed: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class _Sweep:
    """One sweep as far as it has come; ``at`` is epoch seconds."""

    at: float
    found: list[str] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def result(self) -> Swept:
        """Return what it came to."""
        return Swept(tuple(self.found), tuple(self.healed), tuple(self.alerts), tuple(self.faults))


@dataclass(frozen=True, slots=True)
class Sweeping:
    """The ports that sweeping needs."""

    jobs: Jobs
    ledger: Ledger
    workflow: Workflow
    dead_letters: DeadLetters
    bus: Bus
    clock: Clock

    def sweep(self) -> Swept:
        """See to all of it once; whatever fails is among the faults, and comes again next time."""
        sweep = _Sweep(self.clock.now())
        self._try(sweep, lambda: self._see_to_events(sweep))
        self._try(sweep, lambda: self._see_to_dead_letters(sweep))
        self._try(sweep, lambda: self._see_to_rollouts(sweep))
        return sweep.result()

    def _try(self, sweep: _Sweep, part: Callable[[], None]) -> None:
        try:
            part()
        except TidegateError as error:
            sweep.faults.append(str(error))

    def _alert(self, sweep: _Sweep, name: str, event: BusEvent) -> None:
        if tell_once(name, event, ledger=self.ledger, bus=self.bus, at=sweep.at):
            sweep.alerts.append(name)

    def _clear(self, name: str) -> None:
        """Note that something is no longer wrong: mostly it was not, and a look costs less."""
        if self.ledger.is_alerted(name):
            self.ledger.clear_alert(name)

    # the account

    def _see_to_events(self, sweep: _Sweep) -> None:
        if self.jobs.execution_events_enabled():
            self._clear(_EVENTS_OFF)
            return
        self.jobs.enable_events()
        self._alert(sweep, _EVENTS_OFF, _events_off(sweep.at))

    def _see_to_dead_letters(self, sweep: _Sweep) -> None:
        for queue, depth in self.dead_letters.depths().items():
            name = f"dead letters in {queue}"
            if depth:
                self._alert(sweep, name, _dead_letters(queue, depth, sweep.at))
            else:
                self._clear(name)

    def _see_to_rollouts(self, sweep: _Sweep) -> None:
        active = self.ledger.active()
        # Whoever is steered comes first: to look through many jobs may take all of a sweep's time.
        self._try(sweep, lambda: self._heal(sweep, active))
        self._find(sweep, active)

    # tagged jobs

    def _find(self, sweep: _Sweep, active: Sequence[Active]) -> None:
        steered = {each.key for each in active}
        settled = sweep.at - NEW_JOB_GRACE_SECONDS
        listed = {
            key: job
            for key, job in self._listed(sweep).items()
            if key not in steered and key.created_at <= settled
        }
        remembered = self.ledger.tagged(listed)
        for key in _to_look_at(listed, remembered):
            if self._look(key, listed[key].arn, remembered.get(key), sweep.at):
                sweep.found.append(key.job_id)

    def _listed(self, sweep: _Sweep) -> dict[RolloutKey, JobListing]:
        """Return the account's active jobs, as far as they are read."""
        listed: dict[RolloutKey, JobListing] = {}
        for number, page in enumerate(self.jobs.active()):
            if number == PAGES_MAX:
                self._alert(sweep, _TOO_MANY_JOBS, _too_many_jobs(len(listed), sweep.at))
                return listed
            listed |= {RolloutKey(job.job_id, job.created_at): job for job in page}
        return listed

    def _look(self, key: RolloutKey, arn: str, before: Tagged | None, at: float) -> bool:
        try:
            tags = self.jobs.tags(arn)
        except NotFound:
            return False
        return enroll_by_tag(
            key,
            Tagged(tags.get(self.jobs.policy_tag), at),
            before=before,
            ledger=self.ledger,
            workflow=self.workflow,
        )

    # workflows that stand still

    def _heal(self, sweep: _Sweep, active: Sequence[Active]) -> None:
        overdue = [each for each in active if sweep.at > each.review_by + GRACE_SECONDS]
        for each in _in_turn(overdue, sweep.at):
            try:
                self._see_to(sweep, each)
            except Refused as error:  # Of this one alone; what is throttled is so for all.
                sweep.faults.append(str(error))

    def _see_to(self, sweep: _Sweep, active: Active) -> None:
        done = heal(active, ledger=self.ledger, workflow=self.workflow, at=sweep.at)
        late_from = max(active.review_by, active.healed_at) + LATE_SECONDS
        if done is Heal.STARTED:
            sweep.healed.append(active.key.job_id)
        elif done is Heal.SPENT:
            self._alert_of(sweep, "unhealed", active, _unhealed)
        elif done is Heal.RUNS and sweep.at > late_from:
            self._alert_of(sweep, "overdue", active, _overdue)

    def _alert_of(
        self,
        sweep: _Sweep,
        what: str,
        active: Active,
        event: Callable[[Active, str, float], BusEvent],
    ) -> None:
        """Tell once of each review that is overdue: of the next one, people are told anew."""
        key = active.key
        name = f"{what} {key.job_id}#{key.created_at} {int(active.review_by)}"
        execution_arn = self.ledger.rollout(key).execution_arn
        self._alert(sweep, name, event(active, execution_arn, sweep.at))


def _to_look_at(
    listed: Mapping[RolloutKey, JobListing], remembered: Mapping[RolloutKey, Tagged]
) -> Sequence[RolloutKey]:
    """Return the jobs whose tags are read: the newest of those never seen, then the rest by age."""
    new = sorted(listed.keys() - remembered.keys(), key=lambda key: (-key.created_at, key))
    again = sorted(remembered, key=lambda key: (remembered[key].at, key))
    return [*new[:NEW_TAGS_READ_MAX], *again[:TAGS_READ_AGAIN_MAX]]


def _in_turn(overdue: Sequence[Active], at: float) -> Sequence[Active]:
    """Return as many as one sweep sees to; where there are more, others each time."""
    if len(overdue) <= OVERDUE_MAX:
        return overdue
    ordered = sorted(overdue, key=lambda each: (each.review_by, each.key))
    first = int(at // SWEEP_SECONDS) * OVERDUE_MAX % len(ordered)
    return [*ordered[first:], *ordered[:first]][:OVERDUE_MAX]


def _events_off(at: float) -> BusEvent:
    return needs_attention(
        None,
        "the account's job events were off, so that outcomes were learned of only at reviews; "
        "Tidegate has switched them on again",
        "Find out who switches them off, as another stack or a script that sets all event "
        "configurations, and have it leave JOB and JOB_EXECUTION on. Reviews make up for what was "
        "missed.",
        at,
    )


def _dead_letters(queue: str, depth: int, at: float) -> BusEvent:
    return needs_attention(
        None,
        f"events that could not be processed wait in the dead-letter queue {queue} "
        f"({depth} of them)",
        "Read them and the log of the function that could not process them, mend the cause, and "
        "put them back: Start DLQ redrive in the console of Amazon SQS, or aws sqs "
        "start-message-move-task with the ARN of that queue. Delivered again, nothing counts "
        "twice.",
        at,
    )


def _too_many_jobs(read: int, at: float) -> BusEvent:
    return needs_attention(
        None,
        f"more jobs are active than a sweep reads: of the first {read} alone, tags are looked at",
        "Steer further jobs by Enroll Job or Launch Rollout, and cancel jobs that are done with: "
        "a CONTINUOUS job stays active for ever.",
        at,
    )


def _unhealed(active: Active, execution_arn: str, at: float) -> BusEvent:
    return needs_attention(
        active.key.job_id,
        f"the workflow of job {active.key.job_id} does not run, and starting it anew {HEALS_MAX} "
        f"times has led to no decision; the last one known is {execution_arn}",
        "Read its history and the logs of the functions that it calls, and mend the cause; from "
        "now on it is started anew each hour, and at once when a command for that job arrives. "
        "Pace and fence stay as they are meanwhile. To stop the job at once: "
        f"aws iot cancel-job --job-id {active.key.job_id}",
        at,
        key=active.key,
    )


def _overdue(active: Active, execution_arn: str, at: float) -> BusEvent:
    minutes = round((at - active.review_by) / 60)
    return needs_attention(
        active.key.job_id,
        f"the review of job {active.key.job_id} is {minutes} minutes overdue, although its "
        f"workflow runs: {execution_arn}",
        "Look at which state it is: where a function fails again and again, its log says why. If "
        "it hangs, stop it, and another one goes on from the ledger: aws stepfunctions "
        f"stop-execution --execution-arn {execution_arn}",
        at,
        key=active.key,
    )
