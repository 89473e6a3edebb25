"""Batches that grow and shrink with their own results: NVIDIA nodewright."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import pause
from tidegate.lab.rules.outcomes import Tally, arrived
from tidegate.lab.rules.stages import Throttle


@dataclass(frozen=True, slots=True)
class Nodewright:
    """
    A batch starts when all devices of the one before have ended; results set its size.

    A batch has failed when less than the batch threshold of it succeeded, in whole percent. The
    next one is then smaller, else larger: by ``step`` devices (linear), or by the factor ``step``
    (exponential). Both hold only while progress, the ended share of the fleet, is below the
    safety limit; from there on batches grow whatever happens. Where a failure threshold is set,
    that many failed batches in a row stop the rollout, again only below the safety limit.

    Source: NVIDIA nodewright (formerly Skyhook), documentation of deployment policies and the
    strategies of its API. Defaults: first batch 1, batch threshold 100 %, safety limit 50 %, no
    failure threshold; steps of 1 and of 2 as in its documentation's examples.

    In a fleet on AWS: a node is a device, a node in error one whose execution failed. nodewright
    waits for each node of a batch; so a device that is offline holds its batch up until it comes
    back. The budget, an upper limit of a batch, is the whole fleet.

    Attributes:
        name: What people type.
        title: What people read.
        growth: How a batch's size follows from that of the one before.
        step: Devices (linear) or factor (exponential).
        initial_batch: Devices in the first batch.
        batch_threshold_percent: Successes in a batch below which it has failed.
        safety_limit_percent: Progress from which failures no longer matter.
        failure_threshold: Failed batches in a row that stop everything; None for never.
    """

    is_native: ClassVar[bool] = False

    name: str
    title: str
    growth: Literal["linear", "exponential"]
    step: int
    initial_batch: int = 1
    batch_threshold_percent: int = 100
    safety_limit_percent: int = 50
    failure_threshold: int | None = None

    def begin(self, plan: Plan) -> Decide:
        """Start the first batch."""
        size = min(self.initial_batch, plan.fleet_size)
        return _NodewrightRollout(self, plan.fleet_size, size, Tally(0, 0)).decide

    def next_size(self, size: int, *, has_failed: bool, progress_percent: int) -> int:
        """Return how many devices the next batch has, before it is cut to what is left."""
        if has_failed and progress_percent < self.safety_limit_percent:
            smaller = size - self.step if self.growth == "linear" else size // self.step
            return max(1, smaller)
        return size + self.step if self.growth == "linear" else size * self.step


@dataclass(slots=True)
class _NodewrightRollout:
    """
    One rollout.

    Attributes:
        rule: What decides.
        fleet_size: Devices in all.
        size: Devices in the newest batch.
        before: Outcomes of all batches before it.
        throttle: What keeps to the batch.
        failed_in_a_row: Batches that failed since the last one that did not.
        stopped: Why no further batch starts, or None.
    """

    rule: Nodewright
    fleet_size: int
    size: int
    before: Tally
    throttle: Throttle = field(default_factory=Throttle)
    failed_in_a_row: int = 0
    stopped: str | None = None

    def decide(self, sight: Sight) -> Order:
        """Judge the newest batch once all of it has ended, and start the next."""
        tally = arrived(sight)
        if self.stopped is None and self._is_complete(tally):
            self._judge(tally)
        if self.stopped is not None:
            return pause(self.stopped)
        rate = self.throttle.rate_up_to(self.before.ended + self.size, sight)
        return Order(rate, marks={"batch_size": self.size})

    def _is_complete(self, tally: Tally) -> bool:
        ended_before = self.before.ended
        return ended_before < self.fleet_size and tally.ended >= ended_before + self.size

    def _judge(self, tally: Tally) -> None:
        succeeded = tally.succeeded - self.before.succeeded
        has_failed = 100 * succeeded // self.size < self.rule.batch_threshold_percent
        progress_percent = 100 * tally.ended // self.fleet_size
        self.failed_in_a_row = self.failed_in_a_row + 1 if has_failed else 0
        limit = self.rule.failure_threshold
        is_early = progress_percent < self.rule.safety_limit_percent
        if has_failed and is_early and limit is not None and self.failed_in_a_row >= limit:
            self.stopped = f"{self.failed_in_a_row} batches in a row failed."
            return
        wanted = self.rule.next_size(
            self.size, has_failed=has_failed, progress_percent=progress_percent
        )
        self.before = tally
        self.size = max(1, min(wanted, self.fleet_size - tally.ended))


NODEWRIGHT_LINEAR = Nodewright(
    "nodewright-linear", "nodewright, linear, 1 more or less a batch", "linear", 1
)
NODEWRIGHT_EXPONENTIAL = Nodewright(
    "nodewright-exponential", "nodewright, exponential, double or half a batch", "exponential", 2
)
