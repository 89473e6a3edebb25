"""
What a policy promises for a fleet, in plain words, with figures of the engine and of the lab.

Statements come in the order in which an owner asks: what is harm, how bad can it get, what shows,
what does a hold leak, what stands without Tidegate, who is asked, what may it do. A fleet of the
lab stands in for the owner's; figures that come of it say so.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from tidegate.console import promised
from tidegate.console.worded import lasting
from tidegate.domain.case import TIMEOUT_MINUTES
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.pace import LEAK_MINUTES
from tidegate.domain.policy import (
    Authority,
    Gate,
    Policy,
    Stragglers,
)
from tidegate.domain.settings import RATE_PER_MINUTE_MIN, AbortCriterion
from tidegate.lab.cautions import (
    Caution,
    budget_to_establish,
    cautions,
    devices_to_show,
    good_rate,
    smallest_shown,
    watched_minutes,
)
from tidegate.lab.delays import QuantileTable
from tidegate.lab.fleet import Fleet
from tidegate.lab.individuals import quantiles
from tidegate.lab.rules.tidegate import TidegateRule
from tidegate.lab.simulate import DAY_MINUTES, RUNS_MAX
from tidegate.lab.summary import Summary, summarise
from tidegate.lab.trial import Trace, Trial, run
from tidegate.lab.wording import devices_worded, share_worded, time_worded

#: Releases are tried at these multiples of the tolerated rate; beyond, at ``drift_rate``.
MULTIPLES = (1.5, 2.5)

#: What a release is called that fails outright.
OUTRIGHT_RATE = 0.6

#: Delays are scaled by these shares of devices, and by what nearly all stay below.
_TABLE = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
_NEARLY_ALL = 0.999

#: Beyond this share of runs, something happens as a rule; below what is left of 1, hardly ever.
_AS_A_RULE = 0.9


@dataclass(frozen=True, slots=True)
class Statement:
    """
    One thing that a policy promises.

    Attributes:
        about: The paragraph that it belongs to.
        text: In words, figures included.
        figures: The same for scripts; shares are parts of 1, times are minutes.
    """

    about: str
    text: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tried:
    """
    How releases of one failure rate fared in the lab.

    Attributes:
        rate: Share of devices that the release makes fail.
        summary: Of the trials.
    """

    rate: float
    summary: Summary

    @property
    def fate(self) -> str:
        """What becomes of it as a rule: ``stopped``, ``through``, ``held`` or ``either``."""
        if self.summary.stopped.value >= _AS_A_RULE:
            return "stopped"
        if self.summary.stopped.value <= 1 - _AS_A_RULE:
            return "through" if self.summary.finished.value >= _AS_A_RULE else "held"
        return "either"

    @property
    def figures(self) -> dict[str, Any]:
        """The figures for scripts."""
        summary = self.summary
        return {
            "failure_rate": self.rate,
            "fate": self.fate,
            "stopped_share": summary.stopped.value,
            "finished_share": summary.finished.value,
            "harmed_mean": summary.harmed.value,
            "harmed_p95": summary.harmed_p95,
            "exposed_mean": summary.exposed.value,
            "minutes_to_stop": summary.minutes_to_stop,
            "minutes_to_finish": summary.minutes_to_finish,
        }


@dataclass(frozen=True, slots=True)
class Promise:
    """
    What a policy promises for a fleet.

    Attributes:
        policy: Its name.
        devices: Of the fleet.
        statements: In their order.
        cautions: What cannot work, or promises too much.
        rows: How releases of several failure rates fared.
        note: What the figures rest on.
    """

    policy: str
    devices: int
    statements: tuple[Statement, ...]
    cautions: tuple[Caution, ...]
    rows: tuple[Tried, ...]
    note: str

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        return {
            "policy": self.policy,
            "devices": self.devices,
            "statements": [asdict(each) for each in self.statements],
            "warnings": [asdict(each) for each in self.cautions],
            "releases": [each.figures for each in self.rows],
            "note": self.note,
        }


def promise(
    policy: Policy, fleet: Fleet, *, runs: int = 3, days: int = 1, seed: int = 1
) -> Promise:
    """
    Return what a policy promises for a fleet like this one.

    Args:
        policy: Compiled.
        fleet: The devices; how many fail or go dark is replaced by what is tried.
        runs: Trials of each failure rate.
        days: Of virtual time after which a rollout is given up.
        seed: Of all chance.
    """
    if policy.job.timeout_minutes:
        fleet = replace(fleet, timeout_minutes=policy.job.timeout_minutes)
    if not policy.cohorts.keys:
        fleet = replace(fleet, cohorts=())
    lab = _Lab(policy, fleet, runs, days, seed)
    rows = tuple(lab.tried(rate) for rate in _rates(policy))
    statements = (
        *_of_harm(policy, fleet.size),
        *_of_worst(policy, fleet.size, rows),
        *_of_time(policy, fleet.size, rows[0]),
        *_of_soak(policy, rows[0], lab),
        *_of_showing(policy, fleet.size, rows),
        *_of_holds(policy),
        *_of_being_gone(policy, lab),
        *_of_gates(policy, fleet.size),
        *_of_waiting(policy),
        *_of_authority(policy),
        *_of_devices(policy),
        *_of_the_end(policy, fleet.size),
    )
    return Promise(
        policy=policy.name,
        devices=fleet.size,
        statements=statements,
        cautions=(
            *cautions(policy, fleet.size),
            *_of_slow_devices(policy, fleet),
            *_of_passing(policy, fleet.size, rows),
        ),
        rows=rows,
        note=_note(fleet, runs, days),
    )


def with_delays_within(fleet: Fleet, timeout_minutes: int) -> Fleet:
    """
    Return a fleet whose devices succeed within a time-out, as quick as that makes them.

    For a fleet that stands in for one nobody knows: a time-out is chosen for one's own devices.
    """
    longest = float(quantiles(fleet.success, np.array([_NEARLY_ALL]))[0])
    if longest <= timeout_minutes:
        return fleet
    shares = (0.0, *_TABLE, 1.0)
    minutes = quantiles(fleet.success, np.array(_TABLE)) * (timeout_minutes / longest)
    table = QuantileTable(shares, (0.0, *minutes.tolist(), float(timeout_minutes)))
    return replace(fleet, success=table)


def _of_slow_devices(policy: Policy, fleet: Fleet) -> Iterator[Caution]:
    in_time = float(fleet.success.below(np.array([float(fleet.timeout_minutes)]))[0])
    if ExecutionStatus.TIMED_OUT in policy.harm.statuses and 1 - in_time > good_rate(policy):
        yield Caution(
            "timeout-too-short",
            "job.timeout",
            f"{share_worded(1 - in_time)} of the fleet {fleet.name} need longer than the time-out "
            f"of {_time(fleet.timeout_minutes)} to succeed, and count as harmed.",
            "Raise job.timeout to what nearly all good updates need, and half as much again.",
        )


def _of_passing(policy: Policy, devices: int, rows: Iterable[Tried]) -> Iterator[Caution]:
    harm = policy.harm
    budget = harm.budget(devices)
    beyond = {
        row.rate: row.summary.harmed_p95 - harm.acceptable_rate * row.summary.exposed.value
        for row in rows
        if row.fate != "through"
    }
    passed = {rate: harmed for rate, harmed in beyond.items() if harmed > budget}
    if passed:
        worst = max(passed, key=lambda rate: passed[rate])
        yield Caution(
            "budget-passed",
            "harm.budget",
            f"In the lab, a release that fails at {share_worded(worst)} harms up to "
            f"{devices_worded(round(passed[worst]))} devices beyond what is acceptable, but the "
            f"budget is {devices_worded(budget)}: what leaks during holds exceeds it.",
            "Raise harm.budget to what may really be harmed, or shorten job.timeout.",
        )


def _rates(policy: Policy) -> list[float]:
    harm = policy.harm
    bad = [multiple * harm.tolerated_rate for multiple in MULTIPLES]
    rates = {good_rate(policy), *bad, harm.turned, max(OUTRIGHT_RATE, harm.turned)}
    return sorted(rate for rate in rates if rate < 1)


class _Lab:
    """The trials; the same seeds for each failure rate."""

    def __init__(self, policy: Policy, fleet: Fleet, runs: int, days: int, seed: int) -> None:
        # Whoever is asked says yes at once there, so that authority makes no difference.
        self._rule = TidegateRule.unasked(policy)
        self._unsoaked = TidegateRule.unasked(replace(policy, soak=None))
        self._fleet = replace(fleet, dark=0.0)
        self._minutes_max = days * DAY_MINUTES
        self._seeds = range(seed * RUNS_MAX, seed * RUNS_MAX + runs)

    def tried(self, rate: float, *, dark: float = 0.0) -> Tried:
        """
        Try releases that fail at a rate; one that comes to no end takes long, and is enough.

        Args:
            rate: Share of devices that fail.
            dark: Share of those that succeed and go dark.
        """
        return self._tried(rate, self._rule, replace(self._fleet, dark=dark))

    def without_soak(self, rate: float) -> Tried:
        """Try the same under the policy without its soak."""
        return self._tried(rate, self._unsoaked, self._fleet)

    def _tried(self, rate: float, rule: TidegateRule, fleet: Fleet) -> Tried:
        trials: list[Trial] = []
        for seed in self._seeds:
            trials.append(self._trial(rate, seed, rule, fleet))
            if not trials[-1].stopped and not trials[-1].finished:
                break
        return Tried(rate, summarise(trials))

    def abandoned(self, rate: float) -> Trial:
        """Try a release of which Tidegate is gone after its first decision."""
        return self._trial(rate, self._seeds[0], self._rule, self._fleet, stops_at=1)

    def _trial(
        self,
        rate: float,
        seed: int,
        rule: TidegateRule,
        fleet: Fleet,
        *,
        stops_at: int | None = None,
    ) -> Trial:
        return run(
            fleet.with_failures(rate),
            rule,
            seed,
            orchestrator_stops_at=stops_at,
            with_trace=stops_at is not None,
            minutes_max=self._minutes_max,
        )


def _of_harm(policy: Policy, devices: int) -> Iterator[Statement]:
    harm = policy.harm
    budget = harm.budget(devices)
    statuses = promised.listed(sorted(each.value for each in harm.statuses), "or")
    yield Statement(
        "harm",
        f"A device counts as harmed if it ends {statuses}. A release that harms at most "
        f"{share_worded(harm.tolerated_rate)} is stopped in at most "
        f"{share_worded(harm.false_abort_risk)} of rollouts, over its whole life.",
        {
            "statuses": sorted(harm.statuses),
            "tolerated_rate": harm.tolerated_rate,
            "false_abort_risk": harm.false_abort_risk,
        },
    )
    yield Statement(
        "harm",
        f"At most {devices_worded(budget)} devices are harmed beyond the acceptable "
        f"{share_worded(harm.acceptable_rate)}, with a confidence of "
        f"{share_worded(harm.confidence)}, by a release whose failure rate does not change.",
        {
            "budget_devices": budget,
            "acceptable_rate": harm.acceptable_rate,
            "confidence": harm.confidence,
        },
    )


def _of_worst(policy: Policy, devices: int, rows: Iterable[Tried]) -> Iterator[Statement]:
    harm = policy.harm
    worst = max(
        (row for row in rows if row.rate > harm.tolerated_rate),
        key=lambda row: row.summary.harmed_p95 - harm.acceptable_rate * row.summary.exposed.value,
    )
    summary = worst.summary
    yield Statement(
        "worst case",
        f"Of the bad releases tried, one that fails at {share_worded(worst.rate)} is the worst "
        f"for {devices_worded(devices)} devices: {devices_worded(round(summary.harmed.value))} "
        f"harmed on average of {devices_worded(round(summary.exposed.value))} exposed, "
        f"{devices_worded(round(summary.harmed_p95))} at the 95th percentile.",
        worst.figures,
    )
    budget = harm.drift_budget
    limit = (
        "harm.drift_budget, which would limit it, is not set"
        if budget is None
        else f"harm.drift_budget limits it to about {devices_worded(budget)} devices on average"
    )
    yield Statement(
        "worst case",
        "The budget does not cover the harm of a release that is established as acceptable and "
        f"turns bad midway, to {share_worded(harm.turned)}: {limit}. Each decision says what such "
        "a turn would harm.",
        {"drift_rate": harm.turned, "drift_budget": budget},
    )


def _of_time(policy: Policy, devices: int, good: Tried) -> Iterator[Statement]:
    summary, rate = good.summary, share_worded(good.rate)
    bakes = watched_minutes(policy.gates, devices)
    asked = sum(len([each for each in (g.answer, g.approval) if each]) for g in policy.gates)
    figures = {
        "failure_rate": good.rate,
        "minutes_to_finish": summary.minutes_to_finish,
        "minutes_to_acceptance": summary.minutes_to_acceptance,
        "bake_minutes": bakes,
        "questions": asked,
    }
    gates = f", {lasting(bakes)} of watching at gates included" if bakes else ""
    if summary.minutes_to_finish is None:
        notified = devices_worded(round(summary.exposed.value))
        text = (
            f"A good release, failing at {rate}, is not through in the time that was tried: "
            f"{notified} of {devices_worded(devices)} devices are notified by then{gates}."
        )
    else:
        text = (
            f"A good release, failing at {rate}, has notified all {devices_worded(devices)} "
            f"devices after {time_worded(summary.minutes_to_finish)}{gates}"
        )
        accepted = summary.minutes_to_acceptance
        brake = "" if accepted is None else f"; the brake comes off after {time_worded(accepted)}"
        text += f"{brake}."
    if asked:
        text += f" In the lab, answers come at once: add what they really take ({asked} in all)."
    yield Statement("time", text, figures)


def _of_soak(policy: Policy, good: Tried, lab: "_Lab") -> Iterator[Statement]:
    """Say what waiting after each success costs a good release, and what it finds."""
    if policy.soak is None:
        return
    minutes, dark_share = policy.soak.minutes, policy.harm.turned
    without = lab.without_soak(good.rate)
    yield Statement(
        "soak",
        f"A device counts as good {_time(minutes)} after its success, and evidence comes that much "
        f"later: a good release {_through(good)}; without the soak it "
        f"{_through(without)}.",
        {
            "soak_minutes": minutes,
            "minutes_to_finish": good.summary.minutes_to_finish,
            "minutes_to_finish_without": without.summary.minutes_to_finish,
        },
    )
    dark = lab.tried(good.rate, dark=dark_share)
    stopped = share_worded(dark.summary.stopped.value)
    after = dark.summary.minutes_to_stop
    when = "" if after is None else f", after {time_worded(after)}"
    yield Statement(
        "soak",
        f"It finds what no report tells: a release of which {share_worded(dark_share)} of the "
        f"devices report success and are never heard of again is stopped in {stopped} of the runs"
        f"{when}, with {devices_worded(round(dark.summary.harmed.value))} devices harmed on "
        "average; without the soak it goes on as a good one.",
        {**dark.figures, "dark_share": dark_share},
    )


def _through(tried: Tried) -> str:
    finished = tried.summary.minutes_to_finish
    if finished is None:
        return "is not through in the time that was tried"
    return f"has notified all devices after {time_worded(finished)}"


def _of_showing(policy: Policy, devices: int, rows: Sequence[Tried]) -> Iterator[Statement]:
    harm = policy.harm
    smallest = smallest_shown(policy, devices)
    needed = devices_to_show(policy, harm.turned, devices_max=devices)
    if smallest is None:
        yield Statement(
            "what shows",
            f"No failure rate shows among {devices_worded(devices)} devices.",
            {"smallest_rate": None},
        )
    else:
        yield Statement(
            "what shows",
            f"If all {devices_worded(devices)} devices had the release, a failure rate of about "
            f"{share_worded(_rounded(smallest))} or more would show"
            + (
                f"; {share_worded(harm.turned)} shows after about {devices_worded(needed)} "
                f"devices, {devices_worded(round(harm.turned * needed))} of them harmed."
                if needed
                else "."
            ),
            {
                "smallest_rate": smallest,
                "drift_rate": harm.turned,
                "devices_to_show_drift_rate": needed,
            },
        )
    missed = [row for row in rows if row.rate > harm.tolerated_rate and row.fate != "stopped"]
    stopped = [row.rate for row in rows if row.rate > harm.tolerated_rate and row.fate == "stopped"]
    least = min(stopped, default=None)
    yield Statement("what shows", _missing(policy, missed, least), {"stopped_from_rate": least})
    needed_budget = budget_to_establish(policy, devices, good_rate(policy))
    if needed_budget is None:
        yield Statement(
            "what shows",
            f"{devices_worded(devices)} devices are too few to establish that a release is "
            "acceptable: the brake never comes off.",
            {"budget_to_establish": None},
        )


def _missing(policy: Policy, missed: list[Tried], least: float | None) -> str:
    tolerated = share_worded(policy.harm.tolerated_rate)
    if least is None:
        return (
            f"Of the releases tried that fail at more than {tolerated}, none is stopped as a rule."
        )
    if not missed:
        return (
            f"As a rule, releases that fail at {share_worded(least)} or more are stopped. Those "
            f"between that and {tolerated} may pass, or be held."
        )
    told = "; ".join(f"{share_worded(row.rate)} {_fate_worded(row)}" for row in missed)
    return (
        f"As a rule, releases that fail at {share_worded(least)} or more are stopped. Bad ones "
        f"between that and {tolerated} may be missed: {told}."
    )


def _fate_worded(row: Tried) -> str:
    harmed = devices_worded(round(row.summary.harmed.value))
    stopped = share_worded(row.summary.stopped.value)
    if row.fate == "through":
        return f"passes, with {harmed} harmed"
    if row.fate == "held":
        return f"is held for longer than was tried, with {harmed} harmed by then"
    return f"is stopped in {stopped} of runs, with {harmed} harmed"


def _of_holds(policy: Policy) -> Iterator[Statement]:
    hour = 60 * RATE_PER_MINUTE_MIN
    turned = policy.harm.turned
    yield Statement(
        "holds",
        "A hold leaks: AWS has no pause, and even at its lowest rate notifies "
        f"{RATE_PER_MINUTE_MIN} device a minute. Of these {hour} an hour, a release that fails at "
        f"{share_worded(turned)} harms {devices_worded(round(turned * hour, 1))}. The budget "
        f"allows for {LEAK_MINUTES} minutes of it; only an abort stops it.",
        {"per_minute": RATE_PER_MINUTE_MIN, "minutes_set_aside": LEAK_MINUTES},
    )


def _of_being_gone(policy: Policy, lab: _Lab) -> Iterator[Statement]:
    turned = policy.harm.turned
    trial = lab.abandoned(turned)
    assert trial.trace is not None
    rate, criteria = _first_stand(trial.trace)
    words = promised.listed([_criterion_worded(each) for each in criteria], "or")
    ended = (
        f"is stopped by AWS after {time_worded(trial.minutes_to_stop)}"
        if trial.stopped
        else "is not stopped in the time that was tried"
    )
    yield Statement(
        "without Tidegate",
        f"Were Tidegate gone after its first decision, AWS would go on at {rate} per minute and "
        f"cancel the job at {words or 'no criterion at all'}: a release that fails at "
        f"{share_worded(turned)} {ended}, with {devices_worded(trial.harmed)} of "
        f"{devices_worded(trial.exposed)} exposed devices harmed. Each decision says what stands.",
        {
            "rate_per_minute": rate,
            "criteria": [
                {
                    "failure_type": each.failure_type.value,
                    "threshold_percentage": each.threshold_percentage,
                    "min_executed_things": each.min_executed_things,
                }
                for each in criteria
            ],
            "failure_rate": turned,
            "stopped": trial.stopped,
            "minutes_to_stop": trial.minutes_to_stop,
            "harmed": trial.harmed,
            "exposed": trial.exposed,
        },
    )


def _first_stand(trace: Trace) -> tuple[int, tuple[AbortCriterion, ...]]:
    """Return the rate and the criteria that stand once the first decision is in force."""
    rates = [int(each) for each in trace.rate_per_minute if each]
    criteria = [each for _, each in trace.criteria if each]
    return rates[0] if rates else 0, criteria[0] if criteria else ()


def _criterion_worded(criterion: AbortCriterion) -> str:
    return (
        f"{criterion.threshold_percentage:g}% {criterion.failure_type.value} of at least "
        f"{devices_worded(criterion.min_executed_things)} executions"
    )


def _of_gates(policy: Policy, devices: int) -> Iterator[Statement]:
    if not policy.gates:
        yield Statement("gates", "No gates: evidence alone lets it go on.")
    for gate in policy.gates:
        after = gate.devices(devices)
        asks = "; ".join(_asked_worded(gate))
        yield Statement(
            "gates",
            f"Gate {gate.name}, at {devices_worded(after)} exposed devices: {asks}.",
            {
                "gate": gate.name,
                "after_devices": after,
                "bake_minutes": gate.bake_minutes,
                "alarms": list(gate.alarms),
                "answer": gate.answer is not None,
                "approval": gate.approval is not None,
            },
        )


def _asked_worded(gate: Gate) -> Iterator[str]:
    if gate.bake_minutes:
        yield f"devices are watched for {_time(gate.bake_minutes)}"
    if gate.alarms:
        yield f"alarms must be OK: {', '.join(gate.alarms)}"
    if gate.answer:
        yield f"a system is asked as it is reached ({promised.asking(gate.answer)})"
    if gate.approval:
        yield f"a person is asked once all else agrees ({promised.asking(gate.approval)})"


def _of_waiting(policy: Policy) -> Iterator[Statement]:
    for each in promised.waiting(policy):
        yield Statement("waiting", each.text)


def _of_authority(policy: Policy) -> Iterator[Statement]:
    found = list(promised.authorities(policy))
    for authority, actions, text in found:
        yield Statement("authority", text, {"authority": authority.value, "actions": actions})
    if any(authority is Authority.APPROVE for authority, _, _ in found):
        yield Statement("authority", f"Asked, {promised.asking(policy.approval)}.")
    yield Statement("authority", "What a person asks for is done in any case.")


def _of_devices(policy: Policy) -> Iterator[Statement]:
    timeout = policy.job.timeout_minutes
    if ExecutionStatus.TIMED_OUT in policy.harm.statuses:
        after = _time(timeout) if timeout else "the job's own time-out, if it has one"
        yield Statement(
            "devices",
            f"A device that falls silent counts as harmed after {after}.",
            {"timeout_minutes": timeout, "assumed_minutes": timeout or TIMEOUT_MINUTES},
        )
    figures: dict[str, dict[str, Any]] = {
        "Soak": {"soak_minutes": policy.soak.minutes if policy.soak else None},
        "Cohorts": {
            "keys": list(policy.cohorts.keys),
            "quarantines": policy.cohorts.quarantines,
        },
    }
    for each in promised.watching(policy):
        yield Statement("devices", each.text, figures.get(each.about, {}))


def _of_the_end(policy: Policy, devices: int) -> Iterator[Statement]:
    complete = policy.complete
    ends_at = math.ceil(round(complete.at * devices, 6))
    others = (
        "the others still get it when they come online"
        if complete.stragglers is Stragglers.LEAVE
        else "the job is canceled for the others"
    )
    grace = f" and another {lasting(complete.grace_minutes)} have passed"
    grace = grace if complete.grace_minutes else ""
    tail = "" if complete.at >= 1 else f"{grace}; {others}"
    yield Statement(
        "end",
        f"It is complete once {devices_worded(ends_at)} devices have an outcome{tail}.",
        {"complete_at_devices": ends_at, "grace_minutes": complete.grace_minutes},
    )
    yield Statement("end", promised.abort(policy).text)


def _note(fleet: Fleet, runs: int, days: int) -> str:
    return (
        f"Harm and times come from at most {runs} trials of each release, on the fleet "
        f"{fleet.name} of {devices_worded(fleet.size)} devices, each given up after "
        f"{lasting(days * DAY_MINUTES)}. Your devices may be faster or slower: see "
        "`tidegate fit-fleet`."
    )


def _rounded(rate: float) -> float:
    """Return a rate with the two digits that count, never below it."""
    unit = 10.0 ** (math.floor(math.log10(rate)) - 1)
    return math.ceil(rate / unit) * unit


def _time(minutes: float) -> str:
    return lasting(minutes) if minutes else "no time"
