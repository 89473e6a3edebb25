"""Laws of policies and of the decisions made under them."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import (
    operated_policies,
    policies,
    situations,
)
from tidegate.domain.decision import Decision
from tidegate.domain.policy import Policy
from tidegate.domain.review import first_settings, review
from tidegate.domain.settings import JobSettings, refusals
from tidegate.domain.situation import Situation


@given(policies() | operated_policies())
def test_a_policy_is_read_back_as_it_was_stored(policy: Policy) -> None:
    """A snapshot in the ledger is the policy, down to the last digit."""
    stored = json.dumps(policy.to_compiled(), allow_nan=False)

    assert Policy.from_compiled(json.loads(stored)) == policy


@given(policies(), situations())
def test_a_decision_is_read_back_as_it_was_stored(policy: Policy, situation: Situation) -> None:
    """Every decision that a review can make is plain JSON, and the same after it."""
    decision = review(policy, situation, 1.5)
    stored = json.dumps(decision.to_document(), allow_nan=False)

    assert Decision.from_document(json.loads(stored)) == decision


@given(policies() | operated_policies(), st.integers(1, 2000))
def test_first_settings_are_taken_by_aws_and_within_the_budget(
    policy: Policy, fleet_size: int
) -> None:
    """
    Whatever the policy, a job can be created with them, and its first batch may all fail.

    It passes no gate, either.
    """
    settings = first_settings(policy, fleet_size)
    harm = policy.harm
    cap = harm.budget(fleet_size) / (1 - harm.acceptable_rate)
    first_gate = min((each.devices(fleet_size) for each in policy.gates), default=cap)

    assert refusals(settings, JobSettings()) == ()
    assert settings.abort
    assert settings.rate_per_minute <= max(1, min(policy.pace.start_per_minute, cap, first_gate))
