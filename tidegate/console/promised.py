"""What a policy promises, in words and figures: a heading and a sentence for each part of it."""

from collections.abc import Iterator, Sequence
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

_SILENCE = {
    Fallback.HOLD: "it keeps waiting",
    Fallback.PASS: "it goes on all the same",
    Fallback.ABORT: "the release is stopped",
}

_REFUSAL = {
    Fallback.HOLD: "holds the rollout until somebody resumes it",
    Fallback.PASS: "changes nothing",
    Fallback.ABORT: "stops the release",
}

_AUTHORITIES = {
    Authority.OBSERVE: "It only says when it would {}.",
    Authority.RECOMMEND: "It proposes to {}, and does so on a yes.",
    Authority.APPROVE: "It proposes to {}, and waits for a yes.",
    Authority.AUTO: "It may {} by itself.",
}

_ACTIONS = {
    Action.SPEED_UP: "raise the rate",
    Action.SLOW_DOWN: "lower the rate",
    Action.ABORT: "stop the release",
    Action.ROLL_BACK: "undo a stopped release",
    Action.COMPLETE: "cancel the job for stragglers",
}

_OVERLAPS = {
    Overlap.WAIT: "It waits for rollouts that came first and have some of the same devices.",
    Overlap.WARN: "It goes on beside rollouts with some of the same devices, and says so.",
    Overlap.GO: "It goes on beside rollouts with some of the same devices.",
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
        *waiting(policy),
        Promise("Authority", " ".join(text for _, _, text in authorities(policy))),
        *_completion(policy),
        abort(policy),
        *watching(policy),
        *_timeouts(policy),
    )


def _harm(policy: Policy, fleet_size: int | None) -> Iterator[Promise]:
    harm = policy.harm
    counted = listed(sorted(each.value for each in harm.statuses))
    yield Promise(
        "Harm",
        f"At most {_budget(policy, fleet_size)} devices are harmed beyond "
        f"{share(harm.acceptable_rate)} of those that start, with {share(harm.confidence)} "
        "confidence, for a release whose failure rate is constant. What counts as harm: "
        f"{counted}.",
    )
    yield Promise(
        "Tolerance",
        f"A release that fails at no more than {share(harm.tolerated_rate)} is stopped with a "
        f"probability of at most {share(harm.false_abort_risk)}, however often it is looked at; "
        f"devices that start late may fail at up to {share(harm.tolerated_late)}.",
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
        *([f"a system says yes ({asking(gate.answer)})"] if gate.answer else []),
        *([f"a person says yes ({asking(gate.approval)})"] if gate.approval else []),
    ]
    return f"With {_place(gate, fleet_size)} exposed: {'; '.join(asked) or 'nothing is asked'}."


def _place(gate: Gate, fleet_size: int | None) -> str:
    of_fleet = "" if gate.after_share is None else f"{share(gate.after_share)} of the fleet"
    try:
        number = f"{devices(gate.devices(fleet_size))} devices"
    except ValueError:
        return of_fleet
    return f"{number} ({of_fleet})" if of_fleet else number


def asking(asked: Asking) -> str:
    """Return what becomes of a question without an answer, and of one with a no."""
    return (
        f"after {lasting(asked.within_minutes)} of silence {_SILENCE[asked.unanswered]}, and a no "
        f"{_REFUSAL[asked.refused]}"
    )


def waiting(policy: Policy) -> Iterator[Promise]:
    """Yield what a rollout waits for beside evidence and gates."""
    freeze = policy.freeze
    if freeze.alarms:
        missing = " or has no data" if freeze.missing_data_holds else ""
        yield Promise(
            "Alarms",
            f"It holds while one of these is in ALARM{missing}: {', '.join(freeze.alarms)}.",
        )
    if freeze.calendars:
        yield Promise(
            "Calendars", f"It holds while one of these is closed: {', '.join(freeze.calendars)}."
        )
    yield Promise("Overlap", _OVERLAPS[policy.overlap])


def authorities(policy: Policy) -> Iterator[tuple[Authority, list[str], str]]:
    """Yield an authority, the actions that may come up under it, and a sentence of both."""
    allowed: dict[Authority, list[str]] = {}
    for action in Action:
        if action is Action.ROLL_BACK and policy.on_abort.rollback is None:
            continue
        if action is Action.COMPLETE and policy.complete.stragglers is not Stragglers.CANCEL:
            continue
        allowed.setdefault(policy.authority.over(action), []).append(_ACTIONS[action])
    for authority, actions in allowed.items():
        yield authority, actions, _AUTHORITIES[authority].format(listed(actions))


def listed(parts: Sequence[str], word: str = "and") -> str:
    """Return parts as a sentence has them."""
    return f" {word} ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def _completion(policy: Policy) -> Iterator[Promise]:
    complete = policy.complete
    if complete.at < 1:
        others = "are canceled" if complete.stragglers is Stragglers.CANCEL else "keep the job"
        grace = f" after {lasting(complete.grace_minutes)}" if complete.grace_minutes else ""
        yield Promise(
            "Completion",
            f"It is complete once {share(complete.at)} of its devices have an outcome; the others "
            f"{others}{grace}.",
        )


def abort(policy: Policy) -> Promise:
    """Return what happens to devices once a release is stopped."""
    force, rollback = policy.on_abort.force, policy.on_abort.rollback
    in_flight = "are stopped too" if force else "finish what they began"
    after = ""
    if rollback is not None:
        statuses = listed(sorted(each.value for each in rollback.statuses), "or")
        under = f" under policy {rollback.policy}" if rollback.policy else ""
        after = f" Another job follows for devices that ended {statuses}{under}."
    return Promise("Abort", f"When it is stopped, devices at work {in_flight}.{after}")


def watching(policy: Policy) -> Iterator[Promise]:
    """Yield what is looked at in single devices, and in cohorts of them."""
    if policy.cohorts.keys:
        then = (
            "is set apart, which cancels what waits for its devices but does not keep the release "
            "from those that begin at once"
            if policy.cohorts.quarantines
            else "holds the rollout"
        )
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


def _timeouts(policy: Policy) -> Iterator[Promise]:
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
