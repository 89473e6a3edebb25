"""Canaries judged against a control by a rank test: Kayenta, Spinnaker's judge."""

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import stop
from tidegate.lab.rules.outcomes import Tally, arrived, baseline_share
from tidegate.lab.rules.stages import Stages, limits_of

Points = NDArray[np.float64]

#: Score of a metric that passes; one that does not, or that has no data, scores 0.
FULL_SCORE = 100.0


@dataclass(frozen=True, slots=True)
class Kayenta:
    """
    At each interval the canary's points are compared with the control's; the last look decides.

    The metric is "high" where the lower end of the Mann-Whitney interval for the shift from
    control to canary lies above a quarter of the Hodges-Lehmann estimate, and the canary's mean
    is no less than the control's; else it passes. One metric alone scores 100 or 0: below the
    marginal score at any look the canary fails; at its last it needs the pass score. No data
    scores 0. Looking often is not allowed for.

    Source: Spinnaker's judge Kayenta, ``MannWhitneyClassifier``, ``WeightedSumScorer`` and
    ``ThresholdScoreClassifier``: confidence 98 %, tolerance 0.25. Spinnaker's best practices:
    marginal 75, pass 95, three hours in intervals of one.

    In a fleet on AWS: a point is the failure share of the outcomes that arrived in five minutes,
    since the stage opened; five minutes without outcomes are no point. The control is a group of
    as many devices on the previous release, in each five minutes: its failures are drawn with
    that release's share, with a seed taken from the canary's counts. Stages are not Kayenta's but
    the pipeline's: here each of 1, 10 and 50 % is a canary, and the rest follows unjudged.

    Attributes:
        name: What people type.
        title: What people read.
        percentages: Of the fleet, once each canary is through: growing, the last one 100.
        lifetime_minutes: Of each canary.
        interval_minutes: From one look to the next.
        point_minutes: What each point covers.
        pass_score: Needed at the last look.
        marginal_score: Needed at every look.
        confidence: Of the interval, 0 to 1.
        tolerance: Of the estimate: what the interval must lie beyond.
    """

    is_native: ClassVar[bool] = False

    name: str = "kayenta"
    title: str = "Kayenta, 1/10/50/100 %, each judged hourly for 3 hours"
    percentages: tuple[int, ...] = (1, 10, 50, 100)
    lifetime_minutes: int = 180
    interval_minutes: int = 60
    point_minutes: int = 5
    pass_score: float = 95.0
    marginal_score: float = 75.0
    confidence: float = 0.98
    tolerance: float = 0.25

    def begin(self, plan: Plan) -> Decide:
        """Start the first canary."""
        stages = Stages(limits_of(plan.fleet_size, self.percentages))
        return _KayentaRollout(self, baseline_share(plan), stages).decide

    def is_high(self, canary: Points, control: Points) -> bool:
        """Whether the metric of the canary is classified as too high; both have points."""
        both = np.concatenate((canary, control))
        if np.array_equal(canary, control) or np.all(both == both[0]):
            return False
        shift = shift_between(canary, control, self.confidence)
        control_mean = float(control.mean())
        effect = float(canary.mean()) / control_mean if control_mean else math.inf
        return shift.low > self.tolerance * abs(shift.estimate) and effect >= 1.0

    def score(self, canary: Points, control: Points) -> float:
        """Return the score of the canary, 0 to 100."""
        if not canary.size or not control.size or self.is_high(canary, control):
            return 0.0
        return FULL_SCORE


@dataclass(frozen=True, slots=True)
class Shift:
    """
    How much greater one sample's values are than another's.

    Attributes:
        low: Lower end of the confidence interval.
        estimate: The Hodges-Lehmann estimate.
    """

    low: float
    estimate: float


def shift_between(sample: Points, reference: Points, confidence: float) -> Shift:
    """
    Return the shift of Mann and Whitney's rank test, in its large-sample form.

    An end of the interval is the shift of the sample at which the standardised rank statistic,
    corrected for continuity and for ties, crosses the normal quantile. The statistic changes only
    at differences between values of the two, so the crossing is at one of those, exactly.
    Not all values are equal.
    """
    differences = np.unique(np.subtract.outer(sample, reference))
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    return Shift(
        low=_crossing(sample, reference, differences, quantile),
        estimate=_crossing(sample, reference, differences, 0.0),
    )


def _crossing(sample: Points, reference: Points, differences: Points, quantile: float) -> float:
    """Return the first difference beyond which the statistic is at most the quantile."""
    first, last = 0, len(differences) - 1
    # Each turn halves the span, so there are at most log2 of its length.
    while first < last:
        middle = (first + last) // 2
        beyond = float(differences[middle] + differences[middle + 1]) / 2
        if _rank_statistic(sample - beyond, reference) <= quantile:
            last = middle
        else:
            first = middle + 1
    return float(differences[first])


def _rank_statistic(sample: Points, reference: Points) -> float:
    """Return the standardised rank sum of the sample; 0 where every value is tied."""
    n, m = len(sample), len(reference)
    ordered = np.sort(reference)
    below = np.searchsorted(ordered, sample, side="left")
    up_to = np.searchsorted(ordered, sample, side="right")
    excess = float((below + up_to).sum()) / 2 - n * m / 2
    _, ties = np.unique(np.concatenate((sample, reference)), return_counts=True)
    tied = float((ties.astype(np.float64) ** 3 - ties).sum()) / ((n + m) * (n + m - 1))
    variance = n * m / 12 * (n + m + 1 - tied)
    if variance <= 0:
        return 0.0
    correction = math.copysign(0.5, excess) if excess else 0.0
    return (excess - correction) / math.sqrt(variance)


@dataclass(slots=True)
class _KayentaRollout:
    """
    One rollout.

    Attributes:
        rule: What decides.
        control_share: Failure share of the previous release, 0 to 1.
        stages: The canaries, and at last the rest.
        looks: At the present canary, so far.
        failed: Why the canary failed, or None.
        marks: For the picture.
    """

    rule: Kayenta
    control_share: float
    stages: Stages
    looks: int = 0
    failed: str | None = None
    marks: dict[str, float] = field(default_factory=dict)

    def decide(self, sight: Sight) -> Order:
        """Look at the canary where it is time to."""
        if self.failed is None and not self.stages.is_last:
            waited_minutes = self.stages.minutes_since_notified(sight)
            due_minutes = self.rule.interval_minutes * (self.looks + 1)
            if waited_minutes is not None and waited_minutes >= due_minutes:
                self._look(sight)
        if self.failed is not None:
            return stop(self.failed, **self.marks)
        return Order(self.stages.rate_per_minute(sight), marks=dict(self.marks))

    def _look(self, sight: Sight) -> None:
        self.looks += 1
        canary, control = self._points(sight)
        score = self.rule.score(canary, control)
        self.marks = {"score": score}
        is_last_look = self.looks * self.rule.interval_minutes >= self.rule.lifetime_minutes
        needed = self.rule.pass_score if is_last_look else self.rule.marginal_score
        if score < needed:
            self.failed = f"The canary scores {score:g} on {len(canary)} points, {needed:g} needed."
        elif is_last_look:
            self.stages.open_next(sight)
            self.looks = 0

    def _points(self, sight: Sight) -> tuple[Points, Points]:
        """Return the points of canary and control since the stage opened."""
        width = self.rule.point_minutes
        begin = self.stages.opened_at_minutes[self.stages.current]
        spans = range(begin, sight.minute - width + 1, width)
        tallies = [arrived(sight, minute, minute + width) for minute in spans]
        seen = [tally for tally in tallies if tally.ended]
        canary = np.array([tally.harmed_share for tally in seen])
        control = np.array([self._control_share_of(tally) for tally in seen])
        return canary, control

    def _control_share_of(self, tally: Tally) -> float:
        """Return the failure share of as many devices on the previous release."""
        chance = np.random.default_rng((tally.ended, tally.harmed))
        return float(chance.binomial(tally.ended, self.control_share)) / tally.ended
