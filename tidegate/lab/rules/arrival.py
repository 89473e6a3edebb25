"""Statistics on outcomes in the order in which they arrive: SPRT and Bayes."""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from tidegate.domain.settings import RATE_PER_MINUTE_MAX, ExponentialRate
from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import stop
from tidegate.lab.rules.outcomes import Tally, arrived

#: Exponential growth as people set it who count successes: 10 a minute, x1.5 per 100 of them.
BY_SUCCESSES = ExponentialRate(10, 1.5, succeeded_things=100)


class Weighing(Protocol):
    """What turns outcomes into the weight of evidence against a release."""

    @property
    def abort_at(self) -> float:
        """The weight from which the rollout stops."""

    def weight(self, tally: Tally) -> float:
        """Return the weight of the evidence in all outcomes so far."""


@dataclass(frozen=True, slots=True)
class LogLikelihoodRatio:
    """
    Wald's statistic for one failure rate against a greater one.

    Attributes:
        tolerated: The failure rate that is good, 0 to 1.
        bad: The one that is not.
        alpha: Risk of ever stopping at the tolerated rate.
    """

    tolerated: float = 0.02
    bad: float = 0.05
    alpha: float = 0.01

    @property
    def abort_at(self) -> float:
        """The boundary for a test that never accepts, by Ville's inequality."""
        return -math.log(self.alpha)

    def weight(self, tally: Tally) -> float:
        """Return the log likelihood ratio."""
        by_harmed = math.log(self.bad / self.tolerated)
        by_succeeded = math.log1p(-self.bad) - math.log1p(-self.tolerated)
        return tally.harmed * by_harmed + tally.succeeded * by_succeeded


@dataclass(frozen=True, slots=True)
class PosteriorProbability:
    """
    The probability that the failure rate is greater than tolerated, after a uniform prior.

    Attributes:
        tolerated: The failure rate that is good, 0 to 1.
        abort_at: The probability from which the rollout stops.
    """

    tolerated: float = 0.02
    abort_at: float = 0.95

    def weight(self, tally: Tally) -> float:
        """
        Return the posterior probability.

        The posterior is a beta distribution with whole parameters, whose tail is a binomial sum:
        the chance of at most as many harmed among one device more, at the tolerated rate. It is
        0 while none is harmed: the uniform prior alone would stop every rollout at once.
        """
        if not tally.harmed:
            return 0.0
        trials = tally.ended + 1
        harmed = np.arange(1, tally.harmed + 1)
        odds = math.log(self.tolerated) - math.log1p(-self.tolerated)
        steps = np.log((trials - harmed + 1) / harmed) + odds
        logs = np.concatenate(([0.0], np.cumsum(steps))) + trials * math.log1p(-self.tolerated)
        return min(1.0, float(np.exp(logs).sum()))


@dataclass(frozen=True, slots=True)
class OnArrival:
    """
    AWS's exponential rate, and a statistic that is looked at with each minute's outcomes.

    Outcomes are taken in the order in which they arrive, as is natural and wrong: where failures
    are faster than successes a good release looks bad, where they are slower a bad one looks good
    for long. No native criterion stands beside it.

    Sources: Wald, "Sequential Analysis" (1947), for the likelihood ratio, here without its
    boundary of acceptance, as outcomes never end; the posterior probability is that of Bayesian
    tests in many products, looked at as often as one likes.

    Attributes:
        name: What people type.
        title: What people read.
        weighing: The statistic.
        rate_per_minute: The greatest rate.
        exponential: AWS's growth up to it.
    """

    is_native: ClassVar[bool] = False

    name: str
    title: str
    weighing: Weighing
    rate_per_minute: int = RATE_PER_MINUTE_MAX
    exponential: ExponentialRate = BY_SUCCESSES

    def begin(self, plan: Plan) -> Decide:
        """Start at the first rate."""
        del plan
        is_stopped = False

        def decide(sight: Sight) -> Order:
            nonlocal is_stopped
            weight, limit = self.weighing.weight(arrived(sight)), self.weighing.abort_at
            is_stopped = is_stopped or weight >= limit
            marks = {"evidence": weight, "abort_at": limit}
            if is_stopped:
                return stop(f"The evidence is {weight:.3g}, the limit {limit:.3g}.", **marks)
            return Order(self.rate_per_minute, exponential=self.exponential, marks=marks)

        return decide


SPRT_ARRIVAL = OnArrival(
    "sprt-arrival",
    "SPRT, 2 against 5 %, as outcomes arrive, 10 a minute x1.5",
    LogLikelihoodRatio(),
)
BAYES_ARRIVAL = OnArrival(
    "bayes-arrival",
    "Bayes, 95 % sure of over 2 %, as outcomes arrive, 10 a minute x1.5",
    PosteriorProbability(),
)
