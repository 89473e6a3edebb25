"""Batches that wait for every device: Flight Control."""

from dataclasses import dataclass
from typing import ClassVar

from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import pause
from tidegate.lab.rules.outcomes import Tally
from tidegate.lab.rules.stages import Stages, limits_of

DAY_MINUTES = 1440


@dataclass(frozen=True, slots=True)
class FlightctlBatches:
    """
    A batch is followed by the next once it is complete and enough of its devices succeeded.

    A batch is complete when each of its devices has succeeded, has failed, or has had the update
    for longer than the timeout. Then the next one starts if the share of successes in the whole
    batch, in whole percent, is at least the threshold; if not, the rollout is suspended until a
    person approves. Nothing stops a batch while it runs, and the last, implicit one is followed
    by nothing: no result of it matters.

    Source: Flight Control (flightctl), user guide "Managing fleets", and its rollout controller:
    threshold 90 % and timeout 24 hours are its defaults; "first 1 %, then 10 %, then the rest" is
    the guide's example of a ratio.

    In a fleet on AWS: a batch is a run of devices in order of notification, and an error is any
    failed execution. The timeout runs from the minute in which the batch is fully notified. The
    disruption budget is off, as it is by default.

    Attributes:
        name: What people type.
        title: What people read.
        percentages: Of the fleet, once each batch is through: growing, the last one 100.
        success_threshold_percent: Of a batch, below which a person must approve.
        timeout_minutes: After which a device no longer holds its batch up.
    """

    is_native: ClassVar[bool] = False

    name: str = "flightctl-batches"
    title: str = "Flight Control, 1 %, 10 %, the rest, success 90 %"
    percentages: tuple[int, ...] = (1, 11, 100)
    success_threshold_percent: int = 90
    timeout_minutes: int = DAY_MINUTES

    def begin(self, plan: Plan) -> Decide:
        """Start the first batch, which needs no approval."""
        stages = Stages(limits_of(plan.fleet_size, self.percentages))
        return _FlightctlRollout(self, stages).decide

    def approves(self, size: int, tally: Tally) -> bool:
        """Whether a complete batch of this size lets the next one start without a person."""
        return size == 0 or 100 * tally.succeeded // size >= self.success_threshold_percent


@dataclass(slots=True)
class _FlightctlRollout:
    """
    One rollout.

    Attributes:
        rule: What decides.
        stages: The batches.
        suspended: Why a person must approve, or None.
    """

    rule: FlightctlBatches
    stages: Stages
    suspended: str | None = None

    def decide(self, sight: Sight) -> Order:
        """Go on to the next batch once the newest is complete."""
        if self.suspended is None and not self.stages.is_last:
            self._look_at_newest(sight)
        if self.suspended is not None:
            return pause(self.suspended)
        return Order(self.stages.rate_per_minute(sight))

    def _look_at_newest(self, sight: Sight) -> None:
        waited_minutes = self.stages.minutes_since_notified(sight)
        if waited_minutes is None:
            return
        size = self.stages.size(self.stages.current)
        tally = self.stages.tally(sight, self.stages.current)
        if tally.ended < size and waited_minutes < self.rule.timeout_minutes:
            return
        if self.rule.approves(size, tally):
            self.stages.open_next(sight)
            return
        self.suspended = (
            f"Of the {size} devices of batch {self.stages.current + 1}, {tally.succeeded} "
            f"succeeded: less than {self.rule.success_threshold_percent} %."
        )
