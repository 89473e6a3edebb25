"""
What in a policy cannot work for a fleet, or promises more than it can keep, each with its remedy.

None of it is a fault: such a policy is kept as it is written. But its owner should know.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tidegate.domain.evidence import BOUND_SHIFTS, log_e_above, upper_bound
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.pace import LEAK_MINUTES, spendable
from tidegate.domain.policy import Asking, Authority, Fallback, Gate, Policy, Rescue
from tidegate.domain.settings import RATE_PER_MINUTE_MIN
from tidegate.domain.weigh import EVIDENCE_SHARE
from tidegate.lab.fleet import SIZE_MAX
from tidegate.lab.wording import devices_worded, share_worded, time_worded

#: A good release, as far as promises go: it fails at this part of what is acceptable.
GOOD_PART = 0.25

#: Sizes that are tried lie by this factor apart.
_STEP = 1.05

#: A rollout that takes longer for its rate alone is worth a word.
_LONG_MINUTES = 14 * 1440


@dataclass(frozen=True, slots=True)
class Caution:
    """
    Something to know before the policy is trusted.

    Attributes:
        code: What kind it is, for scripts.
        key: Of the policy, like ``harm.budget``.
        text: What is the matter, in figures.
        remedy: What to write instead.
    """

    code: str
    key: str
    text: str
    remedy: str


def cautions(policy: Policy, devices: int) -> list[Caution]:
    """Return all that is to be said of a policy for a fleet of so many devices."""
    checks: tuple[Callable[[Policy, int], Iterator[Caution]], ...] = (
        _of_budget,
        _of_evidence,
        _of_pace,
        _of_timeout,
        _of_gates,
        _of_silence,
        _of_completion,
        _of_stuck,
        _of_soak,
        _of_authority,
        _of_drift,
        _of_rollback,
    )
    return [each for check in checks for each in check(policy, devices)]


def good_rate(policy: Policy) -> float:
    """Return the failure rate of a release that is good, as far as promises go."""
    harm = policy.harm
    return GOOD_PART * min(harm.acceptable_rate, harm.tolerated_rate)


def devices_to_show(policy: Policy, rate: float, *, devices_max: int = SIZE_MAX) -> int | None:
    """
    Return how many devices must have an outcome before a failure rate shows, as a rule.

    None if so many as may be looked at do not show it. With the evidence that stops a release:
    of devices that fail just as often as the rate says.
    """
    harm = policy.harm
    if rate <= harm.tolerated_rate:
        return None
    # Half the evidence lies on a release that is bad from its first device on; where rejections are
    # harm, two orders of devices share the risk as well.
    halvings = 1 + (ExecutionStatus.REJECTED in harm.statuses)
    limit = -math.log(harm.false_abort_risk * EVIDENCE_SHARE) + halvings * math.log(2.0)

    def shows(devices: int) -> bool:
        return log_e_above(rate * devices, devices, harm.tolerated_rate) >= limit

    low, high = 0, 1
    while not shows(high):
        if high >= devices_max:
            return None
        low, high = high, min(2 * high, devices_max)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def smallest_shown(policy: Policy, devices: int) -> float | None:
    """Return the smallest failure rate that shows once so many have an outcome; None: none does."""
    low, high = policy.harm.tolerated_rate, 1.0
    if devices_to_show(policy, high, devices_max=devices) is None:
        return None
    for _ in range(40):
        middle = (low + high) / 2
        if devices_to_show(policy, middle, devices_max=devices) is None:
            low = middle
        else:
            high = middle
    return high


def budget_to_establish(policy: Policy, devices: int, rate: float) -> float | None:
    """
    Return the budget with which a release of that rate gets the brake off, as a rule.

    None if so many devices do not establish it, whatever the budget.
    """
    harm, needed, looked_at = policy.harm, 0.0, 1
    while True:
        bound = upper_bound(round(rate * looked_at), looked_at, 1 - harm.confidence, BOUND_SHIFTS)
        if bound <= harm.acceptable_rate:
            return needed
        if looked_at >= devices:
            return None
        at_stake = looked_at * (bound - harm.acceptable_rate)
        # Of a small budget, half is set aside for what a hold leaks, of a larger one less.
        leak = bound * RATE_PER_MINUTE_MIN * LEAK_MINUTES
        needed = max(needed, min(at_stake + leak, 2 * at_stake))
        looked_at = min(devices, max(looked_at + 1, math.ceil(looked_at * _STEP)))


def _of_budget(policy: Policy, devices: int) -> Iterator[Caution]:
    harm = policy.harm
    budget, rate = harm.budget(devices), good_rate(policy)
    if budget >= devices * (1 - harm.acceptable_rate):
        yield Caution(
            "budget-of-everybody",
            "harm.budget",
            f"The budget, {devices_worded(budget)} devices, lets all {devices_worded(devices)} be "
            "harmed: it limits nothing.",
            "Write how many devices you can afford to repair, or a share like 1%.",
        )
        return
    needed = budget_to_establish(policy, devices, rate)
    # A fleet that the first rate is through with needs no brake to come off.
    allowed = spendable(budget, upper_bound=1.0, doubt=0.0) / (1 - harm.acceptable_rate)
    if needed is not None and needed > budget and allowed < devices:
        yield Caution(
            "budget-too-small-to-establish",
            "harm.budget",
            f"With a budget of {devices_worded(budget)} even a release that fails at "
            f"{share_worded(rate)} is hardly ever established to be acceptable "
            f"({share_worded(harm.acceptable_rate)}): it creeps along, or stands still.",
            f"Raise harm.budget to {math.ceil(needed)} or more, or raise harm.acceptable_rate.",
        )


def _of_evidence(policy: Policy, devices: int) -> Iterator[Caution]:
    harm = policy.harm
    budget = harm.budget(devices)
    smallest = smallest_shown(policy, devices)
    if smallest is None or smallest > harm.turned:
        worst = (
            "No failure rate at all" if smallest is None else share_worded(smallest) + " or more"
        )
        yield Caution(
            "fleet-too-small-to-show",
            "harm.tolerated_rate",
            f"{worst} shows among {devices_worded(devices)} devices: evidence alone stops hardly "
            "any bad release for such a fleet.",
            "Add a gate with an approval, or accept a higher harm.false_abort_risk.",
        )
        return
    shown = devices_to_show(policy, harm.turned, devices_max=devices)
    harmed = harm.turned * shown if shown else math.inf
    if harmed > budget:
        yield Caution(
            "budget-too-small-to-stop",
            "harm.budget",
            f"To tell {share_worded(harm.turned)} from {share_worded(harm.tolerated_rate)} takes "
            f"about {devices_worded(round(harmed))} harmed devices, but the budget is "
            f"{devices_worded(budget)}: such a release is held at a device a minute for a "
            "long time before it is stopped.",
            f"Raise harm.budget to {math.ceil(harmed)} or more, or accept a higher "
            "harm.false_abort_risk.",
        )


def _of_pace(policy: Policy, devices: int) -> Iterator[Caution]:
    pace, budget = policy.pace, policy.harm.budget(devices)
    if pace.start_per_minute > budget:
        yield Caution(
            "start-above-budget",
            "pace.start_per_minute",
            f"The first rate, {pace.start_per_minute} per minute, is above the budget of "
            f"{devices_worded(budget)}: the budget limits it, and leaves nothing to go on with.",
            f"Write {max(1, int(0.8 * budget))} or less, or leave it out.",
        )
    minutes = devices / pace.max_per_minute
    if minutes > _LONG_MINUTES:
        yield Caution(
            "never-through",
            "pace.max_per_minute",
            f"At {pace.max_per_minute} per minute, {devices_worded(devices)} devices take "
            f"{time_worded(minutes)}, even if nothing fails.",
            "Raise pace.max_per_minute.",
        )


def _of_timeout(policy: Policy, _: int) -> Iterator[Caution]:
    timeout, adaptive = policy.job.timeout_minutes, policy.timeout
    counts_silence = ExecutionStatus.TIMED_OUT in policy.harm.statuses
    sets = adaptive is not None and adaptive.sets
    if timeout is None and counts_silence and not sets:
        yield Caution(
            "silence-never-counts",
            "job.timeout",
            "Without a time-out, a device that falls silent is never TIMED_OUT and never counts "
            "as harmed, unless the job has a time-out of its own.",
            "Write job.timeout: what nearly all good updates need, and half as much again.",
        )
    if not counts_silence:
        yield Caution(
            "silence-is-no-harm",
            "harm.statuses",
            "TIMED_OUT does not count as harm: a release that silences devices is never stopped.",
            "Add TIMED_OUT to harm.statuses.",
        )
    if timeout is None or adaptive is None:
        return
    if timeout > adaptive.at_most or timeout < adaptive.at_least:
        yield Caution(
            "timeout-out-of-range",
            "adaptive_timeout",
            f"job.timeout is {time_worded(timeout)}, but adaptive_timeout keeps within "
            f"{time_worded(adaptive.at_least)} and {time_worded(adaptive.at_most)}: the first "
            "time-out that it computes differs.",
            "Let adaptive_timeout.at_least and at_most enclose job.timeout.",
        )


def _of_gates(policy: Policy, devices: int) -> Iterator[Caution]:
    first, timeout = True, policy.job.timeout_minutes
    before = 0
    for gate in policy.gates:
        after, key = gate.devices(devices), f"gates.{gate.name}"
        if after >= devices:
            yield Caution(
                "gate-beyond-fleet",
                key,
                f"Gate {gate.name} lies at {devices_worded(after)} devices, but the fleet has "
                f"{devices_worded(devices)}: all have the release before anybody is asked.",
                "Write a share, like 10%, or fewer devices.",
            )
        elif after + _stands_minutes(gate) * RATE_PER_MINUTE_MIN >= devices:
            left_minutes = (devices - after) / RATE_PER_MINUTE_MIN
            yield Caution(
                "gate-leaks-out",
                key,
                f"Gate {gate.name} may stand for {time_worded(_stands_minutes(gate))}, but a gate "
                f"leaks: after {time_worded(left_minutes)} at AWS's lowest rate all "
                f"{devices_worded(devices)} are notified, and it is passed over.",
                f"Let it end within {time_worded(left_minutes)}, or try the release in a job for a "
                "few devices first.",
            )
        if after <= before and not first:
            yield Caution(
                "gates-together",
                key,
                f"Gate {gate.name} lies at {devices_worded(after)} devices, no further than the "
                "gate before it: nobody more is exposed in between.",
                "Move it, or put what both ask for into one gate.",
            )
        if gate.bake_minutes and timeout and gate.bake_minutes < timeout:
            yield Caution(
                "bake-shorter-than-timeout",
                f"{key}.bake",
                f"Gate {gate.name} watches for {time_worded(gate.bake_minutes)}, but a device that "
                f"fell silent counts as harmed only after {time_worded(timeout)}.",
                f"Bake for {time_worded(timeout)} or longer, or shorten job.timeout.",
            )
        first, before = False, after


def _stands_minutes(gate: Gate) -> float:
    """Return how long a gate may stand if all that is asked is answered in time; alarms aside."""
    answer, approval = (each.within_minutes if each else 0 for each in (gate.answer, gate.approval))
    # A person is asked once all else agrees.
    return max(gate.bake_minutes, answer) + approval


def watched_minutes(gates: Sequence[Gate], devices: int) -> float:
    """Return how long gates are watched in all: each minute leaks, until no device is left."""
    exposed, watched = 0.0, 0.0
    for after, bake_minutes in sorted((each.devices(devices), each.bake_minutes) for each in gates):
        exposed = max(exposed, after)
        minutes = min(bake_minutes, max(0.0, devices - exposed) / RATE_PER_MINUTE_MIN)
        exposed, watched = exposed + minutes * RATE_PER_MINUTE_MIN, watched + minutes
    return watched


def _of_silence(policy: Policy, devices: int) -> Iterator[Caution]:
    for gate, word, asking in _questions(policy):
        if gate.devices(devices) < devices and asking.unanswered is Fallback.PASS:
            yield Caution(
                "silence-passes",
                f"gates.{gate.name}.{word}.unanswered",
                f"Nobody need answer at gate {gate.name}: after "
                f"{time_worded(asking.within_minutes)} of silence it is passed.",
                "Write unanswered: hold, unless that is what you want.",
            )


def _questions(policy: Policy) -> Iterator[tuple[Gate, str, Asking]]:
    for gate in policy.gates:
        for word, asking in (("answer", gate.answer), ("approval", gate.approval)):
            if asking is not None:
                yield gate, word, asking


def _of_completion(policy: Policy, devices: int) -> Iterator[Caution]:
    complete = policy.complete
    ends_at = complete.at * devices
    for gate in policy.gates:
        after = gate.devices(devices)
        if complete.at < 1 and ends_at <= after < devices:
            yield Caution(
                "completion-before-gate",
                "complete.at",
                f"The rollout may be complete at {share_worded(complete.at)} of outcomes, "
                f"{devices_worded(math.ceil(ends_at))} devices, before gate {gate.name} at "
                f"{devices_worded(after)} is reached.",
                f"Raise complete.at above {share_worded(after / devices)}, or move the gate.",
            )
    soak = policy.soak
    if soak and complete.at < 1 and complete.grace_minutes < soak.minutes:
        yield Caution(
            "soak-longer-than-grace",
            "complete.grace",
            f"Devices soak for {time_worded(soak.minutes)}, but stragglers have only "
            f"{time_worded(complete.grace_minutes)}: one that still succeeds then is not judged "
            "before the end.",
            f"Write a grace of {time_worded(soak.minutes)} or longer.",
        )


def _of_stuck(policy: Policy, _: int) -> Iterator[Caution]:
    stuck, timeout = policy.stuck, policy.job.timeout_minutes
    if stuck is None:
        return
    after = stuck.after_minutes
    if after is not None and timeout is not None and after >= timeout:
        yield Caution(
            "stuck-never-fires",
            "stuck.after",
            f"An execution is stuck after {time_worded(after)}, but AWS times it out after "
            f"{time_worded(timeout)}: the rule never acts.",
            f"Write less than {time_worded(timeout)}, or leave stuck out.",
        )
    if stuck.then is Rescue.EXTEND and timeout is not None and stuck.extend_minutes >= timeout:
        yield Caution(
            "extension-beyond-timeout",
            "stuck.by",
            f"An extension by {time_worded(stuck.extend_minutes)} cannot reach beyond the job's "
            f"time-out of {time_worded(timeout)}.",
            "Write less than job.timeout.",
        )


def _of_soak(policy: Policy, _: int) -> Iterator[Caution]:
    soak = policy.soak
    if soak is None:
        return
    for gate in policy.gates:
        if gate.bake_minutes and gate.bake_minutes < soak.minutes:
            yield Caution(
                "bake-shorter-than-soak",
                f"gates.{gate.name}.bake",
                f"Gate {gate.name} watches for {time_worded(gate.bake_minutes)}, but a success "
                f"counts only {time_worded(soak.minutes)} later: it watches nothing new.",
                f"Bake for {time_worded(soak.minutes)} or longer.",
            )


def _of_authority(policy: Policy, _: int) -> Iterator[Caution]:
    authority = policy.authority
    brakes = {"abort": authority.abort, "slow_down": authority.slow_down}
    for name, over in brakes.items():
        if over is not Authority.AUTO:
            yield Caution(
                "budget-not-kept",
                f"authority.{name}",
                f"With {over.value} for {name}, the budget is not kept: it holds only as far as "
                "somebody answers in time.",
                f"Write auto for {name}.",
            )


def _of_drift(policy: Policy, _: int) -> Iterator[Caution]:
    harm, timeout = policy.harm, policy.job.timeout_minutes
    if harm.drift_budget is None:
        return
    least = harm.turned * RATE_PER_MINUTE_MIN * (timeout or 0)
    if least > harm.drift_budget:
        yield Caution(
            "drift-budget-too-small",
            "harm.drift_budget",
            f"At AWS's lowest rate a turn to {share_worded(harm.turned)} may harm "
            f"{devices_worded(round(least))} devices until it times out, but the drift budget is "
            f"{harm.drift_budget}.",
            "Raise harm.drift_budget, or shorten job.timeout.",
        )


def _of_rollback(policy: Policy, _: int) -> Iterator[Caution]:
    rollback = policy.on_abort.rollback
    if rollback is None or rollback.policy not in (None, policy.name):
        return
    held_by = {
        "alarms": policy.watched_alarms,
        "calendars": policy.freeze.calendars,
        "questions": tuple(_questions(policy)),
    }
    words = " and ".join(word for word, held in held_by.items() if held)
    if words:
        yield Caution(
            "rollback-held",
            "on_abort.rollback.policy",
            f"The rollback is under this policy too: its {words} hold what undoes a release as "
            "they hold the release, also where it was the release that set them off.",
            "Write the name of a policy without them.",
        )
