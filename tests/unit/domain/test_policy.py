"""A policy is kept with its rollout as plain JSON."""

import json
from dataclasses import replace

import pytest

from tests.unit.domain.examples import FAILED, NOW, POLICY, SUCCEEDED, situation_of
from tidegate.domain.policy import (
    Action,
    Asking,
    Authorities,
    Authority,
    Completion,
    Fallback,
    Freeze,
    Gate,
    Harm,
    JobDefaults,
    OnAbort,
    Overlap,
    Policy,
    Rollback,
    Stragglers,
)
from tidegate.domain.review import review


def harm(*, devices: int | None = None, share: float | None = None) -> Harm:
    """Return the example's harm with another budget."""
    return replace(POLICY.harm, budget_devices=devices, budget_share=share)


def test_a_policy_is_plain_json() -> None:
    """A snapshot can be stored, read by people, and read back as it was."""
    compiled = json.loads(json.dumps(POLICY.to_compiled()))

    assert Policy.from_compiled(compiled) == POLICY
    assert compiled["harm"]["statuses"] == ["FAILED", "TIMED_OUT"]


OPERATED = replace(
    POLICY,
    authority=Authorities(speed_up=Authority.APPROVE, abort=Authority.RECOMMEND),
    approval=Asking(30.0, Fallback.PASS, Fallback.ABORT),
    gates=(
        Gate("lab", after_devices=10, bake_minutes=30.0),
        Gate("canary", after_share=0.05, alarms=("errors",), answer=Asking(5.0)),
        Gate("half", after_share=0.5, approval=Asking(unanswered=Fallback.ABORT)),
    ),
    freeze=Freeze(("errors", "latency"), missing_data_holds=False, calendars=("quarter-end",)),
    complete=Completion(0.95, Stragglers.CANCEL, grace_minutes=90.0),
    overlap=Overlap.WAIT,
    on_abort=OnAbort(
        force=True,
        rollback=Rollback(
            ("jobTemplateArn", "arn:aws:iot:eu-central-1:111122223333:jobtemplate/back"),
            policy="rollback",
            statuses=frozenset({SUCCEEDED, FAILED}),
        ),
    ),
)


@pytest.mark.parametrize(
    "policy",
    [
        OPERATED,
        replace(OPERATED, on_abort=OnAbort()),
        *(replace(OPERATED, overlap=overlap) for overlap in Overlap),
    ],
)
def test_what_stops_a_rollout_and_whom_it_asks_is_plain_json_too(policy: Policy) -> None:
    """A snapshot in the ledger is the policy, with its gates, holds, authorities and endings."""
    stored = json.dumps(policy.to_compiled(), allow_nan=False)

    assert Policy.from_compiled(json.loads(stored)) == policy


def test_a_snapshot_from_before_gates_could_be_asked_for_has_none() -> None:
    """A rollout that is under way as Tidegate is updated goes on as it began."""
    compiled = POLICY.to_compiled()
    for section in (
        "authority",
        "approval",
        "gates",
        "freeze",
        "complete",
        "overlap",
        "on_abort",
    ):
        del compiled[section]

    assert Policy.from_compiled(compiled) == POLICY


def test_a_policy_says_which_alarms_can_stop_it() -> None:
    """Those of its gates and those that it freezes by: when one changes, it is reviewed."""
    assert OPERATED.watched_alarms == {"errors", "latency"}
    assert replace(OPERATED, freeze=Freeze()).watched_alarms == {"errors"}
    assert POLICY.watched_alarms == frozenset()


def test_a_policy_says_whether_it_needs_the_size_of_the_fleet() -> None:
    """A share of it in budget or gates does; the share that completes a rollout counts exposed."""
    assert OPERATED.needs_fleet_size
    assert not replace(OPERATED, gates=OPERATED.gates[:1]).needs_fleet_size
    assert replace(POLICY, harm=harm(share=0.01)).needs_fleet_size


@pytest.mark.parametrize("action", Action)
def test_each_action_has_its_own_authority(action: Action) -> None:
    """Full authority is what a policy begins with."""
    authorities = Authorities(**{action.value: Authority.OBSERVE})

    assert [each for each in Action if authorities.over(each) is Authority.OBSERVE] == [action]
    assert Authorities().over(action) is Authority.AUTO


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


@pytest.mark.parametrize(
    ("tolerated", "late", "turned"),
    [(0.02, 0.1, 0.2), (0.1, 0.5, 0.9), (0.5, 0.9, 0.9), (0.9, 0.95, 0.95), (0.98, 0.99, 0.99)],
)
def test_rates_that_follow_from_the_tolerated_one_lie_above_it(
    tolerated: float, late: float, turned: float
) -> None:
    """Late devices may fail more often, a release that turns bad does; both stay rates."""
    harm = replace(POLICY.harm, tolerated_rate=tolerated)

    assert (harm.tolerated_late, harm.turned) == pytest.approx((late, turned))
    assert tolerated < harm.tolerated_late < 1


def test_a_policy_that_says_nothing_of_the_job_changes_nothing_of_it() -> None:
    """Retries, timeout and description stay as whoever made the job set them."""
    assert JobDefaults() == JobDefaults(None, None, None, drop_retries=False, namespace_id=None)


def test_rates_that_the_owner_gives_count() -> None:
    """What follows from the tolerated rate is for those who did not say."""
    harm = replace(POLICY.harm, late_tolerated_rate=0.03, drift_rate=0.3)

    assert (harm.tolerated_late, harm.turned) == (0.03, 0.3)


@pytest.mark.parametrize("tolerated", [0.9, 0.95])
def test_a_policy_that_tolerates_almost_everything_is_still_reviewed(tolerated: float) -> None:
    """No rate that a policy may name leaves a review without an answer."""
    harm = replace(POLICY.harm, tolerated_rate=tolerated, acceptable_rate=tolerated)
    decision = review(replace(POLICY, harm=harm), situation_of({FAILED: 5, SUCCEEDED: 5}), NOW)

    assert decision.settings.abort
