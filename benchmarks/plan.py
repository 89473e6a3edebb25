"""
What the comparison tries: Tidegate and its variants, rules of others, how often each is run.

All of it is deterministic: trial n has the same seed with every rule and in every scenario, and
how often a cell is run follows from its first trial's minutes in the lab, not from a clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from tidegate.documents.policy import parse_policy_yaml
from tidegate.domain.policy import Policy
from tidegate.lab.fleet import Fleet
from tidegate.lab.rule import Rule
from tidegate.lab.rules import RULES
from tidegate.lab.rules.floor import InformationFloor
from tidegate.lab.rules.tidegate import TidegateRule
from tidegate.lab.scenarios import SCENARIOS, TITLES
from tidegate.lab.simulate import RUNS_MAX

POLICY = Path(__file__).with_name("policy.yaml")

SEED = 1

TIDEGATE = "tidegate"
DRIFT = "tidegate-drift"
FLOOR = "information-floor"

#: Budgets of Tidegate's frontier, in devices; 50 is the policy's own.
BUDGETS = (20, 50, 200, 500)

#: A drift budget and the failure rate that it is for.
DRIFT_RATE = 0.2
DRIFT_BUDGET = 900

#: Minutes that a rollout is looked at: three days, and half a day where a rule may hold for weeks.
MINUTES_MAX = 3 * 1440
TOLERATED_MINUTES_MAX = 720

#: Releases that fail at one rate from the first device to the last.
CONSTANT_RATE = ("bad-5", "bad-20", "bad-60", "late-20")
#: Releases that are bad for a part of the fleet only: harm is counted in that part.
PARTLY_BAD = ("cohort", "drift")
GOOD_FAST = "good-fast"
#: Releases at a quarter of the tolerated rate, and at that rate itself.
GOOD = ("good", "good-offline", GOOD_FAST)
TOLERATED = ("tolerated", "tolerated-fast")

#: Trials of a cell, whatever they cost.
RUNS_MIN = 8


class Group(StrEnum):
    """Whose rule it is."""

    OWN = "own"
    VARIANT = "variant"
    OTHER = "other"
    FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Amount:
    """
    How often a cell is run.

    Attributes:
        runs: At most.
        minutes: In the lab that all its trials together may take, if each is as long as the first.
    """

    runs: int
    minutes: int

    def runs_of(self, first_minutes: int) -> int:
        """Return the trials of a cell whose first one took so many minutes in the lab."""
        affordable = self.minutes // max(1, first_minutes)
        return min(self.runs, max(RUNS_MIN, affordable))


#: A review of Tidegate costs about ten times what a minute of another rule does.
AMOUNTS = {
    Group.OWN: Amount(200, 60_000),
    Group.VARIANT: Amount(20, 6_000),
    Group.OTHER: Amount(40, 20_000),
    Group.FLOOR: Amount(40, 20_000),
}
#: What Tidegate promises of good releases is tried 1,000 times, over three kinds of them.
OF_GOOD = Amount(334, 334 * MINUTES_MAX)
#: What it promises of tolerable ones is tried 300 times over two kinds: never seen there is below
#: one in a hundred.
OF_TOLERATED = Amount(150, 150 * TOLERATED_MINUTES_MAX)
#: What the drift budget is for is tried as often as Tidegate itself.
OF_DRIFT = Amount(200, 60_000)
UNATTENDED = {Group.OWN: Amount(60, 60_000), Group.OTHER: Amount(20, 10_000)}
QUICK = Amount(2, 1)


@dataclass(frozen=True, slots=True)
class Contestant:
    """
    A rule in the comparison.

    Attributes:
        rule: What decides.
        group: Whose it is.
        budget: Of harmed devices, where it is a variant that differs in nothing else, or None.
    """

    rule: Rule
    group: Group
    budget: int | None = None

    @property
    def name(self) -> str:
        """What people type."""
        return self.rule.name

    def on(self, fleet: Fleet) -> Rule:
        """Return the rule for a fleet: the oracle is told the truth about it."""
        if isinstance(self.rule, InformationFloor):
            return replace(self.rule, failure_rate=fleet.failures.rate)
        return self.rule


@dataclass(frozen=True, slots=True)
class Cell:
    """
    A rule in a scenario.

    Attributes:
        contestant: Name of the rule.
        scenario: Name of the scenario.
        is_unattended: Whether its orchestrator stops for good somewhere in the rollout's life.
    """

    contestant: str
    scenario: str
    is_unattended: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """
    All that is tried.

    Attributes:
        fleet_size: Devices.
        is_quick: Whether each cell is run as rarely as possible.
    """

    fleet_size: int = 100_000
    is_quick: bool = False

    def fleet(self, scenario: str) -> Fleet:
        """Return the fleet of a scenario."""
        return scenarios()[scenario].with_size(self.fleet_size)

    def amount(self, cell: Cell) -> Amount:
        """Return how often a cell is run."""
        if self.is_quick:
            return QUICK
        group = contestants()[cell.contestant].group
        if cell.is_unattended:
            return UNATTENDED[group]
        if group is Group.OWN and cell.scenario in GOOD:
            return OF_GOOD
        if group is Group.OWN and cell.scenario in TOLERATED:
            return OF_TOLERATED
        if cell.contestant == DRIFT and cell.scenario == "drift":
            return OF_DRIFT
        return AMOUNTS[group]

    def minutes_max(self, cell: Cell) -> int:
        """Return the minutes after which a trial of a cell is given up."""
        return TOLERATED_MINUTES_MAX if cell.scenario in TOLERATED else MINUTES_MAX

    def seed_of(self, trial: int) -> int:
        """Return the seed of a trial, counted from 0: that of ``tidegate simulate --seed 1``."""
        return SEED * RUNS_MAX + trial


@cache
def policy() -> Policy:
    """Return what Tidegate is asked to keep."""
    return parse_policy_yaml(POLICY.read_text(encoding="utf-8"), source=POLICY.name).compile()


@cache
def scenarios() -> dict[str, Fleet]:
    """Return the lab's scenarios, and good releases whose few failures come at once."""
    fast = replace(SCENARIOS["tolerated-fast"].with_failures(0.005), name=GOOD_FAST)
    found = {"good": SCENARIOS["good"], "good-offline": SCENARIOS["good-offline"], GOOD_FAST: fast}
    # Nobody else waits after a success: on devices that go dark there is nothing to compare.
    return found | {name: fleet for name, fleet in SCENARIOS.items() if not fleet.dark}


def titles() -> dict[str, str]:
    """Return what each scenario is, for people."""
    return {**TITLES, GOOD_FAST: "good: 0.5 % fail, each after a minute"}


@cache
def contestants() -> dict[str, Contestant]:
    """Return all rules by name: Tidegate first, then its variants, others and the floor."""
    found = [
        Contestant(TidegateRule(policy(), TIDEGATE, "Tidegate, budget 50"), Group.OWN, 50),
        *_variants(),
        *(Contestant(rule, Group.OTHER) for rule in RULES.values() if rule.name != FLOOR),
        Contestant(RULES[FLOOR], Group.FLOOR),
    ]
    return {each.name: each for each in found}


def cells() -> Iterator[Cell]:
    """Yield every cell of the comparison."""
    for each in contestants().values():
        for scenario in scenarios():
            if _is_tried(each, scenario):
                yield Cell(each.name, scenario)
        if each.group in UNATTENDED and not each.rule.is_native:
            yield from (Cell(each.name, scenario, is_unattended=True) for scenario in CONSTANT_RATE)


def _variants() -> Iterator[Contestant]:
    by_drift = _with(drift_rate=DRIFT_RATE, drift_budget=DRIFT_BUDGET)
    title = f"Tidegate, budget 50, drift budget {DRIFT_BUDGET}"
    yield Contestant(TidegateRule(by_drift, DRIFT, title), Group.VARIANT)
    by_counters = TidegateRule(
        policy(), "tidegate-counters", "Tidegate, AWS's counters only", counters_only=True
    )
    yield Contestant(by_counters, Group.VARIANT)
    for budget in BUDGETS:
        if budget == policy().harm.budget_devices:
            continue
        other = _with(budget_devices=budget)
        rule = TidegateRule(other, f"tidegate-{budget}", f"Tidegate, budget {budget}")
        yield Contestant(rule, Group.VARIANT, budget)


def _with(**changed: Any) -> Policy:  # noqa: ANN401 - any figure of a policy's harm
    return replace(policy(), harm=replace(policy().harm, **changed))


def _is_tried(contestant: Contestant, scenario: str) -> bool:
    """Whether a cell says anything: the oracle knows one rate, and one claim is Tidegate's own."""
    if scenario == GOOD_FAST:
        return contestant.group is Group.OWN
    return contestant.group is not Group.FLOOR or scenario not in PARTLY_BAD
