"""Tidegate as a rule of the lab: reviewed when its workflow would be, and not in between."""

from dataclasses import replace
from pathlib import Path

from tests.unit.lab.bench import FAILED, SUCCEEDED, Log, plan_of
from tidegate.documents.policy import parse_policy_yaml
from tidegate.domain.policy import Policy
from tidegate.lab.rule import Order, Sight
from tidegate.lab.rules.tidegate import TidegateRule
from tidegate.lab.scenarios import SCENARIOS
from tidegate.lab.trial import run

DEVICES = 2000


def policy() -> Policy:
    """Return the policy for firmware, with a start of 40 devices a minute."""
    text = (Path(__file__).parents[3] / "policies" / "firmware.yaml").read_text()
    found = parse_policy_yaml(text, source="firmware.yaml").compile()
    return replace(found, pace=replace(found.pace, start_per_minute=40))


def all_notified() -> Log:
    """Return a small fleet of which everybody has started, and most have succeeded."""
    log = Log()
    log.notify(DEVICES, 0)
    log.start(DEVICES, 0)
    log.end(SUCCEEDED, DEVICES - 200, started=0, at=8)
    return log


def reviews(log: Log, minutes: int) -> list[Order]:
    """Return the orders of so many minutes, each review's its own object."""
    decide = TidegateRule(policy()).begin(plan_of(DEVICES))
    return [decide(log.sight(minute)) for minute in range(minutes)]


def test_while_devices_are_notified_it_reviews_each_minute() -> None:
    """As long as exposure grows, no batch of AWS's goes out without a review before it."""
    log = Log()
    for minute in range(10):
        log.notify(40, minute)
        log.start(40, minute)

    orders = reviews(log, 10)

    assert len({id(order) for order in orders}) == 10


def test_once_all_are_notified_it_waits_as_the_workflow_does() -> None:
    """With nothing left to pace and nothing arriving, what stands goes on for some minutes."""
    orders = reviews(all_notified(), 40)[20:]

    assert 2 <= len({id(order) for order in orders}) <= 5


def test_failures_wake_it() -> None:
    """Harm that could stop the release crosses the tripwire: it is reviewed in that very minute."""
    log = all_notified()
    log.end(FAILED, 199, started=0, at=26)
    decide = TidegateRule(policy()).begin(plan_of(DEVICES))

    def order_at(minute: int) -> Order:
        sight: Sight = log.sight(minute)
        return decide(replace(sight, failed=sight.failed * (minute > 26)))

    orders = [order_at(minute) for minute in range(28)]

    assert not any(order.cancel for order in orders[:27])
    assert orders[27].cancel


def test_a_bad_release_is_stopped_by_evidence() -> None:
    """In the lab's own fleet it is the review that ends a bad release, within tens of devices."""
    trial = run(SCENARIOS["bad-20"].with_size(DEVICES), TidegateRule(policy()), 1)

    assert trial.stopped_by == "rule"
    assert trial.harmed < 60
