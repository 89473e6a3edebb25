"""Weights that go up check by check: Flagger."""

from dataclasses import dataclass
from typing import ClassVar

from tidegate.domain.settings import RATE_PER_MINUTE_MAX
from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import stop
from tidegate.lab.rules.outcomes import Tally, arrived
from tidegate.lab.rules.stages import Stages, limits_of


@dataclass(frozen=True, slots=True)
class Flagger:
    """
    At each interval a check: passed, the weight goes up; failed, it stays and the failure counts.

    A check fails where the success rate of the interval is below its minimum, or where there is
    no value. Failed checks are never forgiven: once there are as many as the threshold, the next
    tick rolls back. After a passed check at the greatest weight the release is promoted to all,
    and nothing is checked any more. Before the first check the canary must be ready; where it is
    not within the progress deadline, it is rolled back.

    Source: Flagger, "How it works" and ``pkg/controller/scheduler.go``. Defaults: interval of a
    minute, threshold 1, deadline 10 minutes. Its tutorials: weights up to 50 % in steps of 10 %,
    success rate at least 99 % over a minute, threshold 5.

    In a fleet on AWS: a weight is a share of the fleet; it holds at least until its devices are
    notified, which at AWS's rates takes longer than a tick, and checks run all the while. The
    canary is ready with the first outcome. The success rate is that of the outcomes that arrived
    in the interval.

    Attributes:
        name: What people type.
        title: What people read.
        threshold: Failed checks that roll back.
        success_percent: Successes below which a check fails.
        interval_minutes: From one check to the next, and what each covers.
        weights_percent: Of the fleet, growing; promotion follows the last.
        progress_deadline_minutes: Within which the first outcome must arrive.
    """

    is_native: ClassVar[bool] = False

    name: str
    title: str
    threshold: int = 1
    success_percent: float = 99.0
    interval_minutes: int = 1
    weights_percent: tuple[int, ...] = (10, 20, 30, 40, 50)
    progress_deadline_minutes: int = 10

    def begin(self, plan: Plan) -> Decide:
        """Start with the first weight."""
        stages = Stages(limits_of(plan.fleet_size, self.weights_percent))
        return _FlaggerRollout(self, stages).decide

    def passes(self, tally: Tally) -> bool:
        """Whether a check of these outcomes passes."""
        return bool(tally.ended) and 100 * tally.succeeded / tally.ended >= self.success_percent


@dataclass(slots=True)
class _FlaggerRollout:
    """
    One rollout.

    Attributes:
        rule: What decides.
        stages: The weights.
        failed_checks: So far.
        is_promoted: Whether the release goes to all, unchecked.
        rolled_back: Why it was rolled back, or None.
    """

    rule: Flagger
    stages: Stages
    failed_checks: int = 0
    is_promoted: bool = False
    rolled_back: str | None = None

    def decide(self, sight: Sight) -> Order:
        """Take the tick that is due, if one is."""
        is_open = self.rolled_back is None and not self.is_promoted
        if is_open and sight.minute % self.rule.interval_minutes == 0:
            self._tick(sight)
        if self.rolled_back is not None:
            return stop(self.rolled_back)
        marks = {"failed_checks": self.failed_checks}
        if self.is_promoted:
            return Order(RATE_PER_MINUTE_MAX, marks=marks)
        return Order(self.stages.rate_per_minute(sight), marks=marks)

    def _tick(self, sight: Sight) -> None:
        if not arrived(sight).ended:
            if sight.minute >= self.rule.progress_deadline_minutes:
                minutes = self.rule.progress_deadline_minutes
                self.rolled_back = f"No outcome arrived within {minutes} minutes."
            return
        if self.failed_checks >= self.rule.threshold:
            self.rolled_back = f"{self.failed_checks} checks failed: the threshold."
            return
        if self.rule.passes(arrived(sight, sight.minute - self.rule.interval_minutes)):
            self._advance(sight)
        else:
            self.failed_checks += 1

    def _advance(self, sight: Sight) -> None:
        if self.stages.minutes_since_notified(sight) is None:
            return
        if self.stages.is_last:
            self.is_promoted = True
        else:
            self.stages.open_next(sight)


FLAGGER_1 = Flagger("flagger-1", "Flagger, 10 to 50 %, success 99 % at 1 min, threshold 1")
FLAGGER_5 = Flagger(
    "flagger-5", "Flagger, 10 to 50 %, success 99 % at 1 min, threshold 5", threshold=5
)
