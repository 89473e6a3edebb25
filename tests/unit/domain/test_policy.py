"""A policy is kept with its rollout as plain JSON."""

import json
from dataclasses import replace

import pytest

from tests.unit.domain.examples import POLICY
from tidegate.domain.policy import Harm, Policy


def harm(*, devices: int | None = None, share: float | None = None) -> Harm:
    """Return the example's harm with another budget."""
    return replace(POLICY.harm, budget_devices=devices, budget_share=share)


def test_a_policy_is_plain_json() -> None:
    """A snapshot can be stored, read by people, and read back as it was."""
    compiled = json.loads(json.dumps(POLICY.to_compiled()))

    assert Policy.from_compiled(compiled) == POLICY
    assert compiled["harm"]["statuses"] == ["FAILED", "TIMED_OUT"]


def test_a_budget_is_a_number_or_a_share() -> None:
    """A share counts on the fleet's size, a number does not."""
    assert harm(devices=50).budget(None) == 50
    assert harm(devices=50).budget(10) == 50
    assert harm(share=0.005).budget(2000) == 10


@pytest.mark.parametrize("budget", [harm(share=0.005), harm()])
def test_a_share_of_an_unknown_fleet_is_refused(budget: Harm) -> None:
    """No budget is made up where none can be told."""
    with pytest.raises(ValueError, match="needs the fleet's size"):
        budget.budget(None)


@pytest.mark.parametrize(
    ("section", "member", "value"),
    [
        ("harm", "statuses", ["BROKEN"]),
        ("harm", "unheard_of", 1),
        ("pace", "mode", "warp"),
        ("pace", "exponential", {"factor": 2}),
    ],
)
def test_what_no_policy_wrote_is_not_read(section: str, member: str, value: object) -> None:
    """A snapshot of another making is an error, never a policy with something left out."""
    compiled = POLICY.to_compiled()
    compiled[section][member] = value

    with pytest.raises((KeyError, TypeError, ValueError)):
        Policy.from_compiled(compiled)


@pytest.mark.parametrize("section", ["name", "harm", "pace", "job"])
def test_no_section_is_made_up(section: str) -> None:
    """Defaults live where policies are written, not where they are read back."""
    compiled = POLICY.to_compiled()
    del compiled[section]

    with pytest.raises(KeyError, match=section):
        Policy.from_compiled(compiled)
