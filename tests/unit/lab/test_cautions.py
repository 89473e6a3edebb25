"""What a policy's owner is warned of: rules that cannot fire, and promises that cannot be kept."""

import pytest

from tidegate.documents.policy import parse_policy_yaml
from tidegate.domain.policy import Policy
from tidegate.lab.cautions import (
    budget_to_establish,
    cautions,
    devices_to_show,
    good_rate,
    smallest_shown,
    watched_minutes,
)

DEVICES = 10_000

ROLLBACK = "on_abort: {rollback: {document: {operation: restore}}}"


def policy(text: str) -> Policy:
    """Return a policy that says this besides its name, with a time-out unless it says otherwise."""
    job = "" if "job:" in text else "job: {timeout: 1h}\n"
    return parse_policy_yaml(f"name: tried\n{job}{text}", source="tried.yaml").compile()


def codes(text: str, devices: int = DEVICES) -> list[str]:
    """Return which warnings a policy gets."""
    return [each.code for each in cautions(policy(text), devices)]


def test_the_usual_policy_gets_no_warning() -> None:
    """What all defaults say can be kept for a fleet of usual size."""
    assert codes("") == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("harm: {budget: 3}", "budget-too-small-to-establish"),
        ("harm: {budget: 3}", "budget-too-small-to-stop"),
        ("harm: {budget: 20000}", "budget-of-everybody"),
        ("harm: {budget: 20}\npace: {start_per_minute: 100}", "start-above-budget"),
        ("job: {retries: 0}", "silence-never-counts"),
        ("harm: {statuses: [FAILED]}", "silence-is-no-harm"),
        ("adaptive_timeout: {at_least: 2h, at_most: 3h}", "timeout-out-of-range"),
        ("gates: [{after: 20000, bake: 2h}]", "gate-beyond-fleet"),
        ("gates: [{after: 100, bake: 2h}, {after: 1%, bake: 2h}]", "gates-together"),
        ("gates: [{after: 100, bake: 7d}]", "gate-leaks-out"),
        ("gates: [{after: 8000, bake: 1d, approval: {within: 1d}}]", "gate-leaks-out"),
        ("gates: [{after: 100, bake: 10m}]", "bake-shorter-than-timeout"),
        (
            "gates: [{after: 100, approval: {within: 1h, unanswered: pass}}]",
            "silence-passes",
        ),
        ("complete: {at: 40%}\ngates: [{after: 50%, bake: 2h}]", "completion-before-gate"),
        ("soak: 3h\ncomplete: {at: 98%, grace: 1h}", "soak-longer-than-grace"),
        ("stuck: {after: 2h}", "stuck-never-fires"),
        ("soak: 3h\ngates: [{after: 100, bake: 2h}]", "bake-shorter-than-soak"),
        ("authority: {abort: approve}", "budget-not-kept"),
        ("authority: {slow_down: recommend}", "budget-not-kept"),
        ("harm: {drift_budget: 2}", "drift-budget-too-small"),
        (f"{ROLLBACK}\nfreeze: {{alarms: [crashes]}}", "rollback-held"),
        (f"{ROLLBACK}\nfreeze: {{calendars: [ops]}}", "rollback-held"),
        (f"{ROLLBACK}\ngates: [{{after: 100, approval: required}}]", "rollback-held"),
    ],
)
def test_what_cannot_work_is_told(text: str, code: str) -> None:
    """Each rule that cannot fire, or promise that cannot be kept, has its warning."""
    assert code in codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "harm: {budget: 30}",
        "gates: [{after: 100, bake: 2h}, {after: 10%, approval: required}]",
        "gates: [{after: 8000, bake: 1d, answer: {within: 1d}}]",
        "complete: {at: 98%, grace: 1d}\ngates: [{after: 50%, bake: 2h}]\nsoak: 1h",
        "stuck: {after: 30m}",
        "stuck: {after: auto}\nsoak: 1h",
        "adaptive_timeout: {at_least: 30m, at_most: 3h}",
        "authority: {speed_up: approve}",
        "harm: {drift_budget: 200}",
        ROLLBACK,
        "freeze: {alarms: [a]}\non_abort: {rollback: {document: {undo: all}, policy: quick}}",
    ],
)
def test_what_works_is_not_warned_of(text: str) -> None:
    """Warnings are for what is amiss: a policy that can be kept gets none."""
    assert codes(text) == []


def test_gates_are_watched_until_all_devices_are_notified() -> None:
    """Each minute at a gate notifies one more; where none is left, there is nothing to watch."""
    gates = policy("gates: [{after: 1%, bake: 2h}, {after: 20%, bake: 12h}]").gates

    assert watched_minutes(gates, 10_000) == 14 * 60
    assert watched_minutes(gates, 500) == 495
    assert watched_minutes(gates, 30) == 29
    assert watched_minutes((), 30) == 0


def test_every_warning_has_a_remedy_and_its_key() -> None:
    """Whoever is warned knows where to look, and what to write."""
    found = cautions(policy("harm: {budget: 3, drift_budget: 1}\nstuck: {after: 2h}"), DEVICES)

    assert len(found) >= 3
    assert all(each.key and each.remedy.endswith(".") for each in found)


def test_more_devices_show_smaller_rates() -> None:
    """What a fleet can show falls with its size, and what shows it agrees with that."""
    usual = policy("")
    rates = [smallest_shown(usual, devices) or 1.0 for devices in (100, 1000, 10_000)]

    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > usual.harm.tolerated_rate
    needed = devices_to_show(usual, rates[1])
    assert needed is not None
    assert needed <= 1000


def test_a_tolerated_rate_never_shows() -> None:
    """However many have it, a release that is tolerated gives no evidence to be stopped by."""
    assert devices_to_show(policy(""), 0.02) is None


def test_the_remedy_for_a_small_budget_heals_it() -> None:
    """With the budget that the warning asks for, the warning is gone."""
    small = policy("harm: {budget: 3}")
    needed = budget_to_establish(small, DEVICES, good_rate(small))

    assert needed is not None
    assert "budget-too-small-to-establish" not in codes(f"harm: {{budget: {int(needed) + 1}}}")


def test_too_few_devices_establish_nothing() -> None:
    """A fleet too small for the brake ever to come off is told apart from a small budget."""
    assert budget_to_establish(policy(""), 50, 0.005) is None
