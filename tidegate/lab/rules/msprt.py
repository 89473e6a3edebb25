"""An interval that stays valid however often one looks at it: the mixture SPRT."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import stop
from tidegate.lab.rules.outcomes import Tally
from tidegate.lab.rules.stages import Stages, limits_of


@dataclass(frozen=True, slots=True)
class Msprt:
    """
    The release is rolled back once the interval of the difference lies wholly on the bad side.

    The difference is that between the shares of harmed devices in treatment and control. Its
    confidence interval is that of a mixture sequential probability ratio test with a normal
    mixture, valid however often one looks, for large samples. It widens the usual one:
    ``z*^2 = (V + tau)/tau (-2 ln(alpha/2) - ln(V/(V + tau)))`` with V the variance of the
    difference and ``tau = z^2 (var_t + var_c)/(n_t + n_c)``. Otherwise the rollout climbs by the
    clock, and what is undecided at the end ships.

    Source: interval from Statsig's documentation of sequential tests; the climb from GrowthBook's
    of safe rollouts: 1, 5, 10, 25, 50, 100 % within the first quarter of the monitoring duration,
    here of its least one, a day. LaunchDarkly's guarded rollouts stop by the same condition.

    In a fleet on AWS: treatment are updated devices that are mature, having started longer ago
    than the timeout, so that their outcomes are all known; devices that reject mature as long
    after their notification. Control is the previous release. It is looked at each minute from
    ``devices_min`` mature devices on, since the variance of very few is no estimate.

    Attributes:
        name: What people type.
        title: What people read.
        percentages: Of the fleet, once each step is through: growing, the last one 100.
        step_minutes: From one step to the next, at least.
        alpha: Risk of ever rolling back without a difference, both sides together.
        devices_min: Mature devices before which nothing is tested.
    """

    is_native: ClassVar[bool] = False

    name: str = "msprt"
    title: str = "mSPRT, 1/5/10/25/50/100 % by the hour, 95 % sure"
    percentages: tuple[int, ...] = (1, 5, 10, 25, 50, 100)
    step_minutes: int = 60
    alpha: float = 0.05
    devices_min: int = 100

    def begin(self, plan: Plan) -> Decide:
        """Start the first step."""
        stages = Stages(limits_of(plan.fleet_size, self.percentages))
        return _MsprtRollout(self, plan, stages).decide

    def lower_bound(self, treated: Tally, control: Tally) -> float:
        """Return the lower end of the interval of the difference; -inf without data or spread."""
        if not treated.ended or not control.ended:
            return -math.inf
        treated_variance = treated.harmed_share * (1 - treated.harmed_share)
        control_variance = control.harmed_share * (1 - control.harmed_share)
        variance = treated_variance / treated.ended + control_variance / control.ended
        if variance <= 0:
            return -math.inf
        quantile = NormalDist().inv_cdf(1 - self.alpha / 2)
        devices = treated.ended + control.ended
        tau = quantile**2 * (treated_variance + control_variance) / devices
        widened = (variance + tau) / tau
        widened *= -2 * math.log(self.alpha / 2) - math.log(variance / (variance + tau))
        difference = treated.harmed_share - control.harmed_share
        return difference - math.sqrt(widened * variance)


@dataclass(slots=True)
class _MsprtRollout:
    """
    One rollout.

    Attributes:
        rule: What decides.
        plan: What was known before.
        stages: The steps.
        verdict: Why the release is rolled back, or None.
    """

    rule: Msprt
    plan: Plan
    stages: Stages
    verdict: str | None = None

    def decide(self, sight: Sight) -> Order:
        """Test, then climb if it is time to."""
        treated = mature(sight, self.plan.timeout_minutes)
        control = Tally(self.plan.baseline_started, self.plan.baseline_harmed)
        bound = -math.inf
        if treated.ended >= self.rule.devices_min:
            bound = self.rule.lower_bound(treated, control)
        if self.verdict is None and bound > 0:
            self.verdict = (
                f"{treated.harmed} of {treated.ended} mature devices are harmed: at least "
                f"{100 * bound:.2f} percentage points more than before."
            )
        if self.verdict is not None:
            return stop(self.verdict)
        opened_at = self.stages.opened_at_minutes[self.stages.current]
        is_due = sight.minute - opened_at >= self.rule.step_minutes
        is_notified = self.stages.minutes_since_notified(sight) is not None
        if not self.stages.is_last and is_due and is_notified:
            self.stages.open_next(sight)
        return Order(self.stages.rate_per_minute(sight))


def mature(sight: Sight, timeout_minutes: int) -> Tally:
    """
    Return the outcomes of devices that started, or rejected, longer ago than the timeout.

    A minute longer, as AWS lets the timer run out up to a minute late.
    """
    end = max(0, sight.minute - timeout_minutes - 1)
    rejected = int(sight.rejected[:, :end].sum())
    by_start = sight.failed[:, :, :end].sum() + sight.timed_out[:, :, :end].sum()
    harmed = int(by_start) + rejected
    return Tally(harmed + int(sight.succeeded[:, :, :end].sum()), harmed)
