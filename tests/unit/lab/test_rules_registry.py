"""All rules of other products: their names, what they may order, and how they fare in the lab."""

from dataclasses import FrozenInstanceError, replace

import pytest

from tests.unit.lab.bench import Bench
from tidegate.domain.settings import RATE_PER_MINUTE_MAX
from tidegate.lab.rule import Rule
from tidegate.lab.rules import RULES
from tidegate.lab.rules.floor import InformationFloor
from tidegate.lab.scenarios import SCENARIOS
from tidegate.lab.trial import Trial, run

NAMES = [
    "aws-constant",
    "aws-constant-abort",
    "aws-constant-5-20",
    "aws-slow",
    "aws-exponential",
    "aws-exponential-succeeded",
    "aws-alarm-cancel",
    "hawkbit-groups",
    "hawkbit-canary",
    "mender-phases",
    "flightctl-batches",
    "nodewright-linear",
    "nodewright-exponential",
    "argo-0",
    "argo-3",
    "flagger-1",
    "flagger-5",
    "kayenta",
    "appconfig-linear",
    "codedeploy-canary",
    "gandalf-lite",
    "msprt",
    "rings",
    "aimd",
    "sprt-arrival",
    "bayes-arrival",
    "information-floor",
]

#: Their batches wait for offline devices, for days.
SLOW_NAMES = {"flightctl-batches", "nodewright-linear", "nodewright-exponential"}

#: A single failure that comes early can stop them.
HASTY_NAMES = {"aws-alarm-cancel", "argo-0", "bayes-arrival", "flagger-1"}

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def test_rules_go_by_the_names_that_people_type() -> None:
    """Each is listed under its own name, in a fixed order, with a title of its own."""
    assert list(RULES) == NAMES
    assert [rule.name for rule in RULES.values()] == NAMES
    assert len({rule.title for rule in RULES.values()}) == len(NAMES)


def test_only_what_aws_carries_out_by_itself_is_native() -> None:
    """Whoever needs an orchestrator cannot go on without one."""
    native = {name for name, rule in RULES.items() if rule.is_native}

    assert native == {name for name in NAMES if name.startswith("aws-")} - {"aws-alarm-cancel"}


@every_rule
def test_rules_are_values(rule: Rule) -> None:
    """No rollout changes a rule, and any figure of it can be varied."""
    with pytest.raises(FrozenInstanceError):
        rule.name = "other"  # type: ignore[misc]  # it is what must fail

    assert replace(rule, name="other").name == "other"  # type: ignore[type-var]  # all are dataclasses


@every_rule
def test_rules_know_nothing_of_other_rollouts(rule: Rule) -> None:
    """The same rollout brings the same orders, also after another one that went badly."""
    first = Bench(rule, 500).play(100)
    Bench(rule, 500, fails=lambda _: True).play(100)

    assert Bench(rule, 500).play(100).orders == first.orders


@every_rule
def test_rules_order_what_aws_or_their_product_can_do(rule: Rule) -> None:
    """Rates are AWS's, only products that pause order 0, and a stop is never taken back."""
    bench = Bench(rule, 500, fails=lambda device: device % 3 == 0).play(300)

    assert all(0 <= order.rate_per_minute <= RATE_PER_MINUTE_MAX for order in bench.orders)
    assert all(
        order.rate_per_minute or order.cancel or not rule.is_native for order in bench.orders
    )
    assert not any(order.cancel for order in bench.orders[:-1])


def trial_of(name: str, scenario: str, *, size: int = 5000, seed: int = 1) -> Trial:
    """Return how a rule fares in the lab."""
    fleet, rule = SCENARIOS[scenario].with_size(size), RULES[name]
    if isinstance(rule, InformationFloor):
        rule = replace(rule, failure_rate=fleet.failures.rate)
    return run(fleet, rule, seed)


@pytest.mark.parametrize("name", [each for each in NAMES if each not in SLOW_NAMES | HASTY_NAMES])
def test_a_good_release_gets_through(name: str) -> None:
    """With 0.5 % of failures, as before, nothing stops and nothing gets stuck."""
    trial = trial_of(name, "good")

    assert trial.finished
    assert trial.exposed == 5000


@pytest.mark.parametrize(
    ("name", "exposed"),
    [
        ("aws-constant", 5000),
        ("mender-phases", 5000),
        ("hawkbit-canary", 50),
        ("rings", 50),
        ("gandalf-lite", 500),
        ("sprt-arrival", 200),
        ("bayes-arrival", 100),
    ],
)
def test_a_release_that_fails_on_most_devices(name: str, exposed: int) -> None:
    """With 60 % of failures, rules that stop at all do so in their first groups."""
    assert trial_of(name, "bad-60").exposed <= exposed


def test_nodewright_crawls_while_devices_fail() -> None:
    """A release that fails on a fifth of the fleet never leaves the smallest batches."""
    rule = RULES["nodewright-exponential"]
    trial = run(SCENARIOS["bad-20"].with_size(5000), rule, 1, minutes_max=2000)

    assert not trial.finished
    assert trial.exposed < 250
