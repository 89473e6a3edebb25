"""
One review's case: the policy, what is known, what it says, and the limits that follow from it.

How fast it may go, what the fence behind a rate lets through, and what a turn for the worse would
harm: everything that conclusions are drawn from and reasons are given with.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tidegate.domain.cohorts import Remedy, Tally, is_told
from tidegate.domain.decision import Evidence
from tidegate.domain.fence import Behind, Fence, fence, harmed_unattended
from tidegate.domain.gates import Passage
from tidegate.domain.jobs import HARMFUL, REPORTED, ExecutionStatus, JobCounts
from tidegate.domain.pace import (
    exposure_cap,
    rate_to_reach,
    rate_within_drift_budget,
    spendable,
)
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import Hold
from tidegate.domain.settings import RATE_PER_MINUTE_MIN, JobSettings
from tidegate.domain.situation import REVIEW_MINUTES, Readiness, Situation
from tidegate.domain.stuck import after_minutes
from tidegate.domain.timeouts import Suggested, suggested
from tidegate.domain.weigh import FENCE_SHARE, Weighed

#: A device that has said nothing for so long is taken not to come back, where a job has no timeout.
TIMEOUT_MINUTES = 1440.0
#: While a release is not known to be acceptable, no rate is chosen at which it could harm more
#: budgets than this if it failed as often as it still may and Tidegate never came back.
UNATTENDED_BUDGETS = 100
#: Minutes between two passes over single devices, at least.
ATTEND_MINUTES = 2.0
#: Between two looks at which things a CONTINUOUS job has: large thing groups take long to list.
COMPARE_MINUTES = 15.0
_NEXT_TO_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Case:
    """What every conclusion is drawn from: holds in force and the place at gates included."""

    policy: Policy
    situation: Situation
    weighed: Weighed
    now: float
    holds: tuple[Hold, ...] = ()
    passage: Passage = field(default_factory=Passage)

    @property
    def evidence(self) -> Evidence:
        """The figures that the decision states."""
        return self.weighed.evidence

    @property
    def is_acceptable(self) -> bool:
        """Whether the failure rate is established to be no more than acceptable."""
        return self.evidence.upper_bound <= self.policy.harm.acceptable_rate

    @property
    def budget(self) -> float:
        """What may be spent of the budget on going on."""
        evidence = self.evidence
        return spendable(
            self.situation.budget, upper_bound=evidence.upper_bound, doubt=evidence.doubt
        )

    @property
    def timeout_minutes(self) -> float:
        """The longest that an execution can be in progress."""
        return float(self.standing.timeout_minutes or TIMEOUT_MINUTES)

    @property
    def minutes_in_flight(self) -> float:
        """How long a device is in flight on average, as far as is known."""
        return self.weighed.memory.delays.mean_minutes(self.timeout_minutes)

    @property
    def standing(self) -> JobSettings:
        """The settings in force; none for a job that is gone."""
        return self.situation.job.settings if self.situation.job else JobSettings()

    def seconds(self, minutes: float) -> int:
        """Return whole seconds, as Step Functions takes them: at least one, never over."""
        return max(1, int(minutes * self.situation.minute_seconds))


def all_notified(case: Case) -> bool:
    """Whether AWS creates no more executions: its flag alone is also false before it begins."""
    job = case.situation.job
    return job is not None and not job.is_concurrent and case.evidence.started > 0


def timeout_suggested(case: Case) -> Suggested | None:
    """Return the in-progress time-out that durations suggest, None if the one there fits."""
    situation, within, job = case.situation, case.policy.timeout, case.situation.job
    if within is None or job is None or situation.readiness is not Readiness.COMPLETE:
        return None
    standing = case.standing.timeout_minutes or case.policy.job.timeout_minutes
    return suggested(case.weighed.memory.durations, within, standing_minutes=standing)


def needs_attending(case: Case) -> bool:
    """Whether it is time to look at devices one by one, and there are some to be looked at."""
    situation, job = case.situation, case.situation.job
    before = situation.course.attended_at
    if job is None or (
        before is not None and case.now < before + ATTEND_MINUTES * situation.minute_seconds
    ):
        return False
    stuck, memory = case.policy.stuck, case.weighed.memory
    knows_stuck = stuck is not None and after_minutes(stuck, memory.durations) is not None
    return (
        situation.unsettled
        or (knows_stuck and job.counts.in_progress > 0)
        or (bool(memory.quarantined) and job.counts.queued > 0)
        or needs_comparing(case)
    )


def needs_comparing(case: Case) -> bool:
    """Whether other things may have joined the job's targets since they were looked at last."""
    job, before = case.situation.job, case.situation.course.compared_at
    if job is None or not job.is_continuous:
        return False
    return before is None or case.now >= before + COMPARE_MINUTES * case.situation.minute_seconds


def unfinished(case: Case) -> int:
    """Return the executions that have no outcome yet, devices that soak among them."""
    job = case.situation.job
    if job is None:
        return 0
    soaking = case.evidence.in_flight if case.policy.soak else 0
    return job.counts.queued + max(job.counts.in_progress, soaking)


def finished(case: Case) -> int:
    """Return how many of the exposed devices have an outcome, and soak no more."""
    return case.evidence.exposed - unfinished(case)


def cap_of(case: Case) -> float:
    """Return how many devices may be exposed by now: by the evidence, and before the next gate."""
    cap = exposure_cap(
        upper_bound=case.evidence.upper_bound,
        acceptable_rate=case.policy.harm.acceptable_rate,
        succeeded=case.evidence.succeeded,
        budget=case.budget,
        first=case.policy.pace.start_per_minute,
    )
    cap = min(cap, _cap_beside_apart(case))
    return cap if case.passage.ahead is None else min(cap, case.passage.ahead[1])


def _cap_beside_apart(case: Case) -> float:
    """
    Return how many devices may be exposed before those of cohorts set apart spend the budget.

    AWS notifies them like all others, and whoever begins at once cannot be kept from it. So as
    large a part of those that come is taken to be harmed as was so far, or may be yet: failures
    come last. Where they are kept from it, that part shrinks, and this lets go.
    """
    situation, statuses = case.situation, case.policy.harm.statuses
    apart = {each.cohort for each in case.weighed.suspects if each.remedy is Remedy.QUARANTINE}
    share = math.fsum(_share_lost(cohorts, apart) for cohorts in case.weighed.tallies.values())
    not_cleared = situation.apart.of(*statuses, ExecutionStatus.IN_PROGRESS)
    share = max(share, not_cleared / max(1, case.evidence.started))
    beyond = share - case.policy.harm.acceptable_rate
    return situation.budget / beyond if beyond > 0 else math.inf


def _share_lost(tallies: Mapping[str, Tally], apart: Collection[str]) -> float:
    """Return the share of all devices that are of these cohorts and harmed, now or later."""
    known = {name: each for name, each in tallies.items() if is_told(name)}
    lost = math.fsum(
        # Those in flight are taken to fail as often as the cohort ever did.
        each.started * max(harmed / started for started, harmed in each.looks if started)
        for name, each in known.items()
        if name in apart and each.started
    )
    return lost / max(1, sum(each.started for each in known.values()))


def reachable(case: Case) -> int:
    """Return the rate that reaches the cap by the next review, which may be minutes away."""
    batches = batches_ahead(case)
    cap, exposed = cap_of(case), case.evidence.exposed
    rate = rate_to_reach(cap, exposed=exposed, max_per_minute=fastest(case) * batches)
    return min(fastest(case), rate if rate == 0 else max(1, rate // batches))


def batches_ahead(case: Case) -> int:
    """Return how many of AWS's batches, one a minute, may fall between two reviews at the most."""
    return max(1, math.ceil(case.situation.review_minutes / REVIEW_MINUTES))


def fastest(case: Case) -> int:
    """Return the rate that doubt and the harm of a turn for the worse leave."""
    fastest = int(case.policy.pace.max_per_minute * (1 - case.evidence.doubt))
    budget = case.policy.harm.drift_budget
    if budget is None or not case.is_acceptable:
        return fastest
    return rate_within_drift_budget(
        lambda rate: harm_of_a_turn(case, rate)[0], budget=budget, max_per_minute=fastest
    )


def harm_of_a_turn(case: Case, rate: int) -> tuple[float, float]:
    """Return the devices harmed if the release turns bad now, and the minutes until that shows."""
    harm = case.policy.harm
    minutes = case.weighed.memory.delays.minutes_to_notice(rate, harm.turned, harm.tolerated_rate)
    # Failures themselves are there by then, at the latest.
    minutes = min(minutes, case.timeout_minutes)
    return harm.turned * rate * minutes, minutes


def guarded(case: Case, rate: int) -> int:
    """Return the rate, lowered where no fence behind it is tight enough."""
    evidence = case.evidence
    if case.is_acceptable or evidence.harmed + evidence.cleared == 0:
        # Before the first outcome no delay is known; the policy's first rate stands.
        return rate
    most = UNATTENDED_BUDGETS * case.situation.budget
    while rate > RATE_PER_MINUTE_MIN:
        if (
            _excess_unattended(
                case, fence_behind(case.policy, what_stands_before(case, rate)), rate
            )
            <= most
        ):
            break
        rate = max(RATE_PER_MINUTE_MIN, rate // 2)
    return rate


def what_stands_before(case: Case, rate: int) -> Behind:
    """Return what a fence would stand behind at that rate."""
    job, harm = case.situation.job, case.policy.harm
    counts = job.counts if job else JobCounts()
    return Behind(
        exposed=case.evidence.exposed,
        rate_per_minute=rate,
        standing_per_minute=case.standing.rate_per_minute,
        executed=counts.reported,
        others=counts.of(HARMFUL - harm.statuses),
        in_flight=case.evidence.in_flight,
        minutes_in_flight=case.minutes_in_flight,
        fleet_size=case.situation.fleet_size,
        attempts_per_thing=case.standing.attempts_per_thing,
        apart=_harmed_apart(case, rate),
    )


def _harmed_apart(case: Case, rate: int) -> int:
    """Return how many of cohorts set apart are harmed, or may be before the next settings."""
    situation, apart = case.situation, case.situation.apart
    # What became of those that this review sets apart is told by the next one.
    new = sum(
        each.started
        for each in case.weighed.suspects
        if each.remedy is Remedy.QUARANTINE and each.cohort not in situation.memory.quarantined
    )
    begun = new + apart.of(*REPORTED, ExecutionStatus.IN_PROGRESS)
    share = min(1.0, begun / max(1, case.evidence.started))
    coming = math.ceil(share * (max(case.standing.rate_per_minute, rate) + rate))
    return new + apart.of(*HARMFUL, ExecutionStatus.IN_PROGRESS) + coming


def fence_behind(policy: Policy, behind: Behind) -> Fence:
    """Return the criteria to stand behind a rate."""
    harm = policy.harm
    return fence(
        behind,
        harm_statuses=harm.statuses,
        tolerated_rate=harm.tolerated_rate,
        risk=harm.false_abort_risk * FENCE_SHARE,
    )


def harm_unattended(case: Case, behind: Fence, rate: int, failure_rate: float) -> float:
    """Return the devices harmed if a release were left to the fence alone."""
    # Failures come late, as a rule: they are taken to come when the timeout says so.
    failing = case.timeout_minutes if case.standing.timeout_minutes else case.minutes_in_flight
    return harmed_unattended(behind, rate, failure_rate, (case.minutes_in_flight, failing))


def _excess_unattended(case: Case, behind: Fence, rate: int) -> float:
    """Return the devices beyond the acceptable rate that it may harm, left to the fence alone."""
    harm, fleet_size = case.policy.harm, case.situation.fleet_size
    worst = min(harm.turned, case.evidence.upper_bound)
    harmed = harm_unattended(case, behind, rate, worst)
    if harmed == math.inf:
        # The fence lets it pass: it is not that bad, and harms no more than the fleet holds.
        return (worst - harm.acceptable_rate) * (fleet_size or 0)
    return harmed * (1 - harm.acceptable_rate / worst)


def harm_by_evidence(case: Case, rate: int) -> float:
    """Return the devices harmed before evidence would stop the release that the fence is for."""
    harm = case.policy.harm
    needed = case.evidence.abort_at + math.log(2.0)
    per_device = harm.turned * math.log(harm.turned / harm.tolerated_rate) + (
        1 - harm.turned
    ) * math.log((1 - harm.turned) / (1 - harm.tolerated_rate))
    failing = case.timeout_minutes if case.standing.timeout_minutes else case.minutes_in_flight
    # A turn that hardly is one tells next to nothing.
    return harm.turned * (needed / max(per_device, _NEXT_TO_NOTHING) + rate * failing)
