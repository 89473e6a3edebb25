"""A rate that climbs by steps and halves on trouble, as TCP's congestion control does."""

from dataclasses import dataclass
from typing import ClassVar

from tidegate.domain.settings import (
    RATE_PER_MINUTE_MAX,
    RATE_PER_MINUTE_MIN,
    AbortCriterion,
    FailureType,
)
from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.outcomes import arrived

_CRITERION = AbortCriterion(FailureType.ALL, 10.0, 100)


@dataclass(frozen=True, slots=True)
class Aimd:
    """
    Each minute the rate grows by a step, or is cut by a factor if too many were harmed.

    Source: additive increase, multiplicative decrease: Chiu and Jain, "Analysis of the increase
    and decrease algorithms for congestion avoidance in computer networks", Computer Networks and
    ISDN Systems 17 (1989).

    In a fleet on AWS: a lost packet becomes a share of harmed devices, among the outcomes of the
    last minutes, above what is tolerated; no outcomes are no loss. A native abort criterion stands
    all the while, since the rule itself never stops anything.

    Attributes:
        name: What people type.
        title: What people read.
        first_per_minute: The rate to begin with.
        step_per_minute: What a good minute adds.
        factor: What a bad minute multiplies by.
        tolerated_percent: Harmed among the last outcomes, above which a minute is a bad one.
        window_minutes: Whose outcomes are the last ones.
        criterion: The native abort criterion.
    """

    is_native: ClassVar[bool] = False

    name: str = "aimd"
    title: str = "AIMD, 10 a minute more or half the rate, abort at 10 % of 100"
    first_per_minute: int = 10
    step_per_minute: int = 10
    factor: float = 0.5
    tolerated_percent: float = 2.0
    window_minutes: int = 10
    criterion: AbortCriterion = _CRITERION

    def begin(self, plan: Plan) -> Decide:
        """Start at the first rate."""
        del plan
        rate = 0

        def decide(sight: Sight) -> Order:
            nonlocal rate
            rate = self._next_rate(rate, sight) if sight.minute else self.first_per_minute
            return Order(rate, criteria=(self.criterion,))

        return decide

    def _next_rate(self, rate_per_minute: int, sight: Sight) -> int:
        if (
            arrived(sight, sight.minute - self.window_minutes).harmed_percent
            > self.tolerated_percent
        ):
            return max(RATE_PER_MINUTE_MIN, int(rate_per_minute * self.factor))
        return min(RATE_PER_MINUTE_MAX, rate_per_minute + self.step_per_minute)
