"""Laws of policies and of the decisions made under them."""

import json

from hypothesis import given

from tests.property.strategies import policies, situations
from tidegate.domain.decision import Decision
from tidegate.domain.policy import Policy
from tidegate.domain.review import first_settings, review
from tidegate.domain.settings import JobSettings, refusals
from tidegate.domain.situation import Situation


@given(policies())
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


@given(policies())
def test_first_settings_are_taken_by_aws_and_within_the_budget(policy: Policy) -> None:
    """Whatever the policy, a job can be created with them, and its first batch may all fail."""
    settings = first_settings(policy)
    harm = policy.harm
    cap = (harm.budget_devices or 0) / (1 - harm.acceptable_rate)

    assert refusals(settings, JobSettings()) == ()
    assert settings.abort
    assert settings.rate_per_minute <= max(1, min(policy.pace.start_per_minute, cap))
