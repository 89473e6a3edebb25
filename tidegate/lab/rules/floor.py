"""What no rule can beat: a stop as soon as information theory allows one."""

import math
from dataclasses import dataclass
from typing import ClassVar

from tidegate.domain.settings import RATE_PER_MINUTE_MAX
from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import stop


@dataclass(frozen=True, slots=True)
class InformationFloor:
    """
    An oracle, not a rule: it knows the failure rate, and devices' outcomes at their start.

    It goes at the greatest rate and stops once as many devices have started as any test needs on
    average to tell the rate from the tolerated one, with no more than the given risk of a false
    stop. A release that is no worse than tolerated is never stopped. It cannot be had; it shows
    what is lost to not knowing.

    Source: Wald, "Sequential Tests of Statistical Hypotheses", Annals of Mathematical Statistics
    16 (1945): ``n* = ln(1/alpha) / KL(p1 || p0)``.

    In a fleet on AWS: the rate is the true one of the whole fleet, of which a rule learns nothing;
    whoever simulates gives it (``dataclasses.replace``). Between two minutes AWS's batch goes out
    whole, so more devices than n* are reached.

    Attributes:
        name: What people type.
        title: What people read.
        failure_rate: The true one, 0 to 1; 0 never stops.
        tolerated: The failure rate that is good, 0 to 1.
        alpha: Risk of a false stop.
    """

    is_native: ClassVar[bool] = False

    name: str = "information-floor"
    title: str = "Oracle at Wald's floor (not attainable)"
    failure_rate: float = 0.0
    tolerated: float = 0.02
    alpha: float = 0.01

    @property
    def devices_needed(self) -> float:
        """Wald's bound: devices that any test needs on average; ``inf`` for a tolerable rate."""
        if self.failure_rate <= self.tolerated:
            return math.inf
        return -math.log(self.alpha) / _divergence(self.failure_rate, self.tolerated)

    def begin(self, plan: Plan) -> Decide:
        """Start at the greatest rate."""
        del plan
        needed = self.devices_needed

        def decide(sight: Sight) -> Order:
            started = int(sight.started.sum())
            if started >= needed:
                return stop(f"{started} devices have started, {needed:.1f} suffice.")
            return Order(RATE_PER_MINUTE_MAX)

        return decide


def _divergence(one: float, other: float) -> float:
    """Return the Kullback-Leibler divergence of two Bernoulli distributions, in nats."""
    divergence = one * math.log(one / other)
    if one < 1:
        divergence += (1 - one) * math.log((1 - one) / (1 - other))
    return divergence
