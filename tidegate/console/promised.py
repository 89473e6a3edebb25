"""What a policy promises, in words and figures: a heading and a sentence for each part of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.console.worded import devices, lasting, share
from tidegate.domain.policy import (
    Action,
    Asking,
    Authority,
    Fallback,
    Gate,
    Overlap,
    Policy,
    Rescue,
    Stragglers,
)

_FALLBACKS = {
    Fallback.HOLD: "it holds",
    Fallback.PASS: "it goes on",
    Fallback.ABORT: "it is stopped",
}

_AUTHORITIES = {
    Authority.OBSERVE: "only notes what it would do",
    Authority.RECOMMEND: "proposes it",
    Authority.APPROVE: "proposes it and waits for a yes",
    Authority.AUTO: "does it",
}

_OVERLAPS = {
    Overlap.WAIT: "waits",
    Overlap.WARN: "goes on, and people are told",
    Overlap.GO: "goes on",
}

_ACTIONS = {
    Action.SPEED_UP: "speed up",
    Action.SLOW_DOWN: "slow down",
    Action.ABORT: "abort",
    Action.ROLL_BACK: "roll back",
    Action.COMPLETE: "complete",
}


@dataclass(frozen=True, slots=True)
class Promise:
    """One part of a policy: what it is about, and what it says."""

    about: str
    text: str


def promised(policy: Policy, fleet_size: int | None = None) -> tuple[Promise, ...]:
    """
    Return what a policy promises.

    Args:
        policy: The rollout's.
        fleet_size: Devices of the rollout, None if unknown: shares are then left as shares.
    """
    return (
        *_harm(policy, fleet_size),
        *_pace(policy),
        *(Promise(f"Gate {gate.name}", _gate(gate, fleet_size)) for gate in policy.gates),
        *_freeze(policy),
        Promise("Authority", _authority(policy)),
        *_end(policy),
        *_devices(policy),
    )


def _harm(policy: Policy, fleet_size: int | None) -> Iterator[Promise]:
    harm = policy.harm
    counted = ", ".join(sorted(each.value for each in harm.statuses))
    yield Promise(
        "Harm",
        f"At most {_budget(policy, fleet_size)} devices are harmed beyond "
        f"{share(harm.acceptable_rate)} of those that start, with {share(harm.confidence)} "
        f"confidence, for a release whose failure rate is constant; {counted} count as harm.",
    )
    yield Promise(
        "Tolerance",
        f"A release that fails at no more than {share(harm.tolerated_rate)} is stopped with a "
        f"probability of at most {share(harm.false_abort_risk)}, however often it is looked at; "
        f"devices that start late may fail at {share(harm.tolerated_late)}.",
    )
    if harm.drift_budget is not None:
        yield Promise(
            "Turn for the worse",
            f"A release that fails at {share(harm.turned)} from some moment on harms about "
            f"{devices(harm.drift_budget)} devices before that is noticed.",
        )


def _budget(policy: Policy, fleet_size: int | None) -> str:
    try:
        return devices(policy.harm.budget(fleet_size))
    except ValueError:
        return f"{share(policy.harm.budget_share or 0.0)} of all"


def _pace(policy: Policy) -> Iterator[Promise]:
    pace = policy.pace
    yield Promise(
        "Pace",
        f"It starts at {devices(pace.start_per_minute)} devices per minute and goes no faster "
        f"than {devices(pace.max_per_minute)}.",
    )


def _gate(gate: Gate, fleet_size: int | None) -> str:
    asked = [
        *([f"watched for {lasting(gate.bake_minutes)}"] if gate.bake_minutes else []),
        *([f"alarms OK: {', '.join(gate.alarms)}"] if gate.alarms else []),
        *([f"a system says yes {_asking(gate.answer)}"] if gate.answer else []),
        *([f"a person says yes {_asking(gate.approval)}"] if gate.approval else []),
    ]
    return f"At {_place(gate, fleet_size)} exposed: {'; '.join(asked) or 'nothing is asked'}."


def _place(gate: Gate, fleet_size: int | None) -> str:
    of_fleet = "" if gate.after_share is None else f"{share(gate.after_share)} of the fleet"
    try:
        number = f"{devices(gate.devices(fleet_size))} devices"
    except ValueError:
        return of_fleet
    return f"{number}, {of_fleet}," if of_fleet else number


def _asking(asking: Asking) -> str:
    return (
        f"within {lasting(asking.within_minutes)} "
        f"(unanswered, {_FALLBACKS[asking.unanswered]}; refused, {_FALLBACKS[asking.refused]})"
    )


def _freeze(policy: Policy) -> Iterator[Promise]:
    freeze = policy.freeze
    if freeze.alarms:
        missing = " or has no data" if freeze.missing_data_holds else ""
        yield Promise(
            "Alarms", f"It holds while one of these rings{missing}: {', '.join(freeze.alarms)}."
        )
    if freeze.calendars:
        yield Promise(
            "Calendars", f"It holds while one of these is closed: {', '.join(freeze.calendars)}."
        )


def _authority(policy: Policy) -> str:
    allowed: dict[Authority, list[str]] = {}
    for action in Action:
        allowed.setdefault(policy.authority.over(action), []).append(_ACTIONS[action])
    return (
        "; ".join(
            f"to {', '.join(each)}: Tidegate {_AUTHORITIES[how]}" for how, each in allowed.items()
        )
        + "."
    )


def _end(policy: Policy) -> Iterator[Promise]:
    complete = policy.complete
    if complete.at < 1:
        others = "are canceled" if complete.stragglers is Stragglers.CANCEL else "keep the job"
        grace = f" after {lasting(complete.grace_minutes)}" if complete.grace_minutes else ""
        yield Promise(
            "Completion",
            f"It is complete once {share(complete.at)} of its devices have an outcome; the others "
            f"{others}{grace}.",
        )
    overlap = _OVERLAPS[policy.overlap]
    yield Promise("Overlap", f"Beside another rollout on the same things, it {overlap}.")
    force, rollback = policy.on_abort.force, policy.on_abort.rollback
    in_flight = "are stopped too" if force else "finish what they began"
    after = ""
    if rollback is not None:
        statuses = ", ".join(sorted(each.value for each in rollback.statuses))
        under = f" under policy {rollback.policy}" if rollback.policy else ""
        after = f" Another job follows for devices that {statuses}{under}."
    yield Promise("Abort", f"Devices at work {in_flight}.{after}")


def _devices(policy: Policy) -> Iterator[Promise]:
    if policy.cohorts.keys:
        then = "is set apart" if policy.cohorts.quarantines else "holds the rollout"
        yield Promise(
            "Cohorts",
            f"Devices are told apart by {', '.join(policy.cohorts.keys)}; a cohort that fails "
            f"alone {then}.",
        )
    if policy.soak is not None:
        yield Promise(
            "Soak",
            f"A device counts as good only if it is still there {lasting(policy.soak.minutes)} "
            "after its success.",
        )
    if policy.stuck is not None:
        stuck = policy.stuck
        after = (
            "longer than devices take"
            if stuck.after_minutes is None
            else f"for {lasting(stuck.after_minutes)}"
        )
        then = "is failed" if stuck.then is Rescue.FAIL else "gets more time"
        yield Promise("Stuck", f"An execution without a sign of life {after} {then}.")
    if policy.job.timeout_minutes is not None:
        yield Promise(
            "Time-out", f"A device has {lasting(policy.job.timeout_minutes)} once it has started."
        )
    if policy.timeout is not None:
        how = "set" if policy.timeout.sets else "proposed"
        yield Promise(
            "Time-out from delays",
            f"A time-out that fits the devices is {how}, from "
            f"{lasting(policy.timeout.at_least)} to {lasting(policy.timeout.at_most)}.",
        )
