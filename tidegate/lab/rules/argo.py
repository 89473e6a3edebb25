"""Weights with pauses, and an analysis in the background: Argo Rollouts."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import pause, stop
from tidegate.lab.rules.outcomes import Tally, arrived, notified
from tidegate.lab.rules.stages import Stages, limits_of


class Phase(StrEnum):
    """What a measurement, or an analysis of many, comes to."""

    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"


@dataclass(frozen=True, slots=True)
class ArgoAnalysis:
    """
    The fleet goes up in steps; a success rate is measured beside them, and failures are counted.

    At each interval the share of successes is measured. It is successful where it meets the
    success condition, failed where it does not (or, if a failure condition is given too, where it
    meets that; neither is inconclusive). *More* failed measurements than the failure limit, in
    the whole run, abort. More inconclusive ones than theirs pause for a person; that is tested
    last and hides a failure. How many outcomes a measurement rests on plays no part.

    Source: Argo Rollouts, "Analysis & Progressive Delivery", and ``analysis/analysis.go``. The
    example there: steps of 20 % with pauses of 10 minutes, a measurement of 5 minutes every 5
    minutes, success at 95 %, failure limit 3. Its text reads that as three failed measurements;
    its code, followed here, aborts at the fourth. The default limit is 0: the first one aborts.

    In a fleet on AWS: the success rate is that of the outcomes that arrived in the interval; with
    none, the measurement is successful, as with the guard that the documentation gives for
    empty results. Without the guard the query errs, and five errors, ten seconds apart, abort. A
    step is done once its devices are notified, then its pause runs. The analysis begins with the
    first step and ends when the whole fleet is notified, since that is full promotion.

    Attributes:
        name: What people type.
        title: What people read.
        failure_limit: Failed measurements that are let pass.
        inconclusive_limit: Inconclusive ones that are let pass.
        success_percent: Successes from which a measurement is successful.
        failure_percent: Successes below which it is failed; None where the success condition
            alone decides.
        interval_minutes: From one measurement to the next, and what each covers.
        percentages: Of the fleet, once each step is through: growing, the last one 100.
        pause_minutes: After each step but the last.
    """

    is_native: ClassVar[bool] = False

    name: str
    title: str
    failure_limit: int = 0
    inconclusive_limit: int = 0
    success_percent: float = 95.0
    failure_percent: float | None = None
    interval_minutes: int = 5
    percentages: tuple[int, ...] = (20, 40, 60, 80, 100)
    pause_minutes: int = 10

    def begin(self, plan: Plan) -> Decide:
        """Start the first step and the analysis."""
        stages = Stages(limits_of(plan.fleet_size, self.percentages))
        return _ArgoRollout(self, plan.fleet_size, stages).decide

    def measure(self, tally: Tally) -> Phase:
        """Return what one measurement comes to."""
        if not tally.ended:
            return Phase.SUCCESSFUL
        succeeded_percent = 100 * tally.succeeded / tally.ended
        if succeeded_percent >= self.success_percent:
            return Phase.SUCCESSFUL
        if self.failure_percent is None or succeeded_percent < self.failure_percent:
            return Phase.FAILED
        return Phase.INCONCLUSIVE

    def assess(self, *, failed: int, inconclusive: int) -> Phase:
        """Return what a run with so many measurements comes to; Successful goes on."""
        if inconclusive > self.inconclusive_limit:
            return Phase.INCONCLUSIVE
        return Phase.FAILED if failed > self.failure_limit else Phase.SUCCESSFUL


@dataclass(slots=True)
class _ArgoRollout:
    """
    One rollout.

    Attributes:
        rule: What decides.
        fleet_size: Devices in all.
        stages: The steps.
        measured: Measurements by what they came to.
        phase: What the analysis comes to so far.
    """

    rule: ArgoAnalysis
    fleet_size: int
    stages: Stages
    measured: dict[Phase, int] = field(default_factory=lambda: dict.fromkeys(Phase, 0))
    phase: Phase = Phase.SUCCESSFUL

    def decide(self, sight: Sight) -> Order:
        """Measure where it is time to, then take the step that is due."""
        is_time = sight.minute % self.rule.interval_minutes == 0
        if is_time and self.phase is Phase.SUCCESSFUL and notified(sight) < self.fleet_size:
            self._measure(sight)
        failed = self.measured[Phase.FAILED]
        if self.phase is Phase.FAILED:
            return stop(f"{failed} failed measurements are more than {self.rule.failure_limit}.")
        if self.phase is Phase.INCONCLUSIVE:
            return pause("The analysis is inconclusive.")
        if self.stages.has_next_after(sight, self.rule.pause_minutes):
            self.stages.open_next(sight)
        return Order(self.stages.rate_per_minute(sight), marks={"failed_measurements": failed})

    def _measure(self, sight: Sight) -> None:
        tally = arrived(sight, sight.minute - self.rule.interval_minutes)
        self.measured[self.rule.measure(tally)] += 1
        self.phase = self.rule.assess(
            failed=self.measured[Phase.FAILED], inconclusive=self.measured[Phase.INCONCLUSIVE]
        )


ARGO_0 = ArgoAnalysis(
    "argo-0", "Argo Rollouts, steps of 20 %, success 95 % at 5 min, failureLimit 0"
)
ARGO_3 = ArgoAnalysis(
    "argo-3", "Argo Rollouts, steps of 20 %, success 95 % at 5 min, failureLimit 3", failure_limit=3
)
