"""Votes on faults after against before: the core of Microsoft's Gandalf."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tidegate.lab.rule import Counts, Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import stop
from tidegate.lab.rules.outcomes import baseline_share
from tidegate.lab.rules.stages import Stages, limits_of


@dataclass(frozen=True, slots=True)
class GandalfLite:
    """
    Faults in windows up to now vote against the release, those expected without it veto.

    With P faults in a window and B expected of the previous release, a window in which P exceeds
    B votes log((P - B + 1) / (B + 1)). The release is to blame, in the fleet or in one of its
    cohorts, where the votes come to more than 0, and in some window P is more than four standard
    deviations beyond B, more than half of P comes with the release, and the excess is large
    enough to matter. That stops the rollout. A fast layer looks at the last hour every five
    minutes, a slow one at all windows every three hours.

    Source: Li and others, "Gandalf: An Intelligent, End-To-End Analytics Service for Safe
    Deployment in Large-Scale Cloud Infrastructure", NSDI 2020: windows, votes, four standard
    deviations, spatial share and both layers. Left out: the forecast from 30 days, blame among
    concurrent deployments with its decay, and the trained classifier of impact; a number of
    excess faults stands for that. All windows weigh the same.

    In a fleet on AWS: a fault is a device that failed, timed out or rejected, in the minute in
    which that became known. Expected are the previous release's faults among all devices that
    started within the window, or no longer than the timeout before it, as theirs are the
    outcomes that can fall into it. The deployment goes out in rings of 1, 10, 50 and 100 % that
    bake for an hour, the fast layer's window.

    Attributes:
        name: What people type.
        title: What people read.
        percentages: Of the fleet, once each ring is through: growing, the last one 100.
        bake_minutes: From when a ring is notified to the next.
        windows_minutes: Growing; the first is the fast layer's.
        fast_minutes: Between two looks of the fast layer.
        slow_minutes: Between two looks of the slow layer, a multiple of the fast one's.
        deviations: By which faults must exceed those expected.
        spatial_share: Of the faults that must come with the release, 0 to 1.
        excess_min: Excess faults that stop the rollout.
    """

    is_native: ClassVar[bool] = False

    name: str = "gandalf-lite"
    title: str = "Gandalf-lite, 1/10/50/100 %, bake 60 min, 10 excess faults"
    percentages: tuple[int, ...] = (1, 10, 50, 100)
    bake_minutes: int = 60
    windows_minutes: tuple[int, ...] = (60, 1440, 4320)
    fast_minutes: int = 5
    slow_minutes: int = 180
    deviations: float = 4.0
    spatial_share: float = 0.5
    excess_min: float = 10.0

    def begin(self, plan: Plan) -> Decide:
        """Start the first ring."""
        stages = Stages(limits_of(plan.fleet_size, self.percentages))
        return _GandalfRollout(self, plan, stages).decide

    def votes(self, faults: Sequence[float], expected: Sequence[float]) -> float:
        """Return the mean vote of the windows; only those with more faults than expected vote."""
        cast = [
            math.log((after - before + 1) / (before + 1))
            for after, before in zip(faults, expected, strict=True)
            if after > before
        ]
        return sum(cast) / len(faults)

    def is_to_blame(self, faults: Sequence[float], expected: Sequence[float]) -> bool:
        """Whether the release is to blame for some faults; one entry for each window."""
        windows = zip(faults, expected, strict=True)
        return any(self._stands_out(*each) for each in windows) and self.votes(faults, expected) > 0

    def _stands_out(self, after: float, before: float) -> bool:
        is_anomalous = after - before > self.deviations * math.sqrt(before)
        is_local = after * (1 - self.spatial_share) > before * self.spatial_share
        return is_anomalous and is_local and after - before >= self.excess_min


@dataclass(slots=True)
class _GandalfRollout:
    """
    One rollout.

    Attributes:
        rule: What decides.
        plan: What was known before.
        stages: The rings.
        known_faults: Faults known at each look of the fast layer: of the fleet, then by cohort.
        verdict: Why the rollout stops, or None.
    """

    rule: GandalfLite
    plan: Plan
    stages: Stages
    known_faults: list[Counts] = field(default_factory=list)
    verdict: str | None = None

    def decide(self, sight: Sight) -> Order:
        """Look where it is time to, then open the ring that is due."""
        if self.verdict is None and sight.minute % self.rule.fast_minutes == 0:
            self._look(sight)
        if self.verdict is not None:
            return stop(self.verdict)
        if self.stages.has_next_after(sight, self.rule.bake_minutes):
            self.stages.open_next(sight)
        return Order(self.stages.rate_per_minute(sight))

    def _look(self, sight: Sight) -> None:
        self.known_faults.append(_faults(sight))
        is_slow = sight.minute and sight.minute % self.rule.slow_minutes == 0
        windows = self.rule.windows_minutes if is_slow else self.rule.windows_minutes[:1]
        faults = [self._faults_within(minutes) for minutes in windows]
        expected = [self._expected_within(minutes, sight) for minutes in windows]
        for index, where in enumerate(("the fleet", *self.plan.cohorts)):
            after = [float(each[index]) for each in faults]
            before = [float(each[index]) for each in expected]
            if self.rule.is_to_blame(after, before):
                self.verdict = (
                    f"{after[-1]:.0f} faults in {where} within {windows[-1]} minutes, "
                    f"{before[-1]:.1f} expected."
                )
                return

    def _faults_within(self, minutes: int) -> Counts:
        back = minutes // self.rule.fast_minutes
        now = self.known_faults[-1]
        return now - self.known_faults[-1 - back] if back < len(self.known_faults) else now

    def _expected_within(self, minutes: int, sight: Sight) -> NDArray[np.float64]:
        first = max(0, sight.minute - minutes - self.plan.timeout_minutes)
        at_risk = _with_total(sight.started[:, :, first:].sum(axis=(1, 2)))
        return np.asarray(baseline_share(self.plan) * at_risk, dtype=np.float64)


def _faults(sight: Sight) -> Counts:
    """Return the devices known to be harmed so far: of the fleet, then by cohort."""
    by_start = (sight.failed + sight.timed_out).sum(axis=(1, 2))
    return _with_total(by_start + sight.rejected.sum(axis=1))


def _with_total(by_cohort: Counts) -> Counts:
    return np.concatenate(([by_cohort.sum()], by_cohort))
