"""Tidegate as a rule of the lab: reviewed when its workflow would be, and not in between."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.unit.lab.bench import FAILED, SUCCEEDED, Log, plan_of
from tidegate.documents.policy import parse_policy_yaml
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import Policy, Soak
from tidegate.lab.fleet import Cohort
from tidegate.lab.rule import Order, Sight
from tidegate.lab.rules.tidegate import TidegateRule, _Soaking
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


def soaked(minutes: float = 60.0) -> Policy:
    """Return the policy with a soak."""
    return replace(policy(), soak=Soak(minutes))


def figures_of(sight: Sight) -> tuple[int, int, int]:
    """Return how many have succeeded, failed and timed out."""
    return int(sight.succeeded.sum()), int(sight.failed.sum()), int(sight.timed_out.sum())


def test_a_success_counts_once_its_soak_is_over() -> None:
    """Until then a device is in progress, and what was dark by then is harmed."""
    log = all_notified()
    gone = np.zeros_like(log.by_start[0])
    gone[0, 0, 0] = 30

    def sight_at(minute: int) -> Sight:
        sight = log.sight(minute)
        came = minute > 8
        dark = gone[..., :minute] * came
        return replace(sight, succeeded=sight.succeeded * came, dark=dark)

    soaking = _Soaking(60.0, policy().harm)
    seen = [figures_of(soaking.seen(sight_at(minute))) for minute in range(80)]

    assert set(seen[:69]) == {(0, 0, 0)}
    assert set(seen[69:]) == {(DEVICES - 230, 30, 0)}
    assert soaking.dark == 30


def test_a_dark_device_counts_as_what_the_policy_harms_by() -> None:
    """A policy that only minds time-outs sees devices that went dark as timed out."""
    only = replace(policy().harm, statuses=frozenset({ExecutionStatus.TIMED_OUT}))
    log = all_notified()
    seen = _Soaking(0.0, only).seen(replace(log.sight(10), dark=log.sight(10).succeeded))

    assert figures_of(seen) == (0, 0, DEVICES - 200)


def test_a_release_that_makes_devices_vanish_is_stopped_where_they_soak() -> None:
    """By all reports it is good: only whoever looks again some time later stops it."""
    fleet = SCENARIOS["dark"].with_size(DEVICES)
    looking, trusting = (run(fleet, TidegateRule(each), 1) for each in (soaked(), policy()))

    assert looking.stopped_by == "rule"
    assert not trusting.stopped
    assert looking.harmed < trusting.harmed / 2


def test_a_soak_stops_no_good_release() -> None:
    """It costs a good release time, and nothing else."""
    fleet = SCENARIOS["good"].with_size(DEVICES)
    looking, trusting = (run(fleet, TidegateRule(each), 1) for each in (soaked(), policy()))

    assert not looking.stopped
    assert looking.minutes_to_finish is not None
    assert trusting.minutes_to_finish is not None
    assert looking.minutes_to_finish > trusting.minutes_to_finish


def test_a_bad_release_is_stopped_by_evidence() -> None:
    """In the lab's own fleet it is the review that ends a bad release, within tens of devices."""
    trial = run(SCENARIOS["bad-20"].with_size(DEVICES), TidegateRule(policy()), 1)

    assert trial.stopped_by == "rule"
    assert trial.harmed < 60


def test_aws_does_not_end_a_rollout_for_a_cohort_set_apart() -> None:
    """It counts those too, and goes on to notify them; the others go on as the budget allows."""
    bad = Cohort("bad", 0.1, failure_rate=0.9)
    fleet = replace(SCENARIOS["cohort"].with_size(5000), cohorts=(bad, Cohort("good", 0.9)))
    harm = replace(policy().harm, budget_devices=50)
    rule = TidegateRule(replace(policy(), harm=harm))

    for seed in range(4):
        trial = run(fleet, rule, seed, minutes_max=150)

        assert trial.quarantined == ("bad",)
        assert not trial.stopped
        # Beside the budget, a hold leaks a device a minute, of which one in ten is bad.
        assert trial.harmed <= harm.acceptable_rate * trial.started + 50 + 150 * 0.1
