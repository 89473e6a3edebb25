"""Deployment groups that start one another: Eclipse hawkBit."""

from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import pause
from tidegate.lab.rules.outcomes import Tally
from tidegate.lab.rules.stages import Stages, limits_of


@dataclass(frozen=True, slots=True)
class HawkBitGroups:
    """
    A group starts the next at enough successes, and pauses the rollout at too many errors.

    Of each running group, errors come first: *more* than the error percentage of all its devices
    pauses the whole rollout, for a person to look at. Else, once *at least* the success
    percentage of all its devices succeeded, or all have ended, the next group starts. A group
    whose devices have all ended is finished and never looked at again. Both percentages are of
    the whole group, offline devices included: those dilute errors and delay successes.

    Source: Eclipse hawkBit, documentation of rollout management, and its conditions
    ``ThresholdRolloutGroupErrorCondition`` and ``ThresholdRolloutGroupSuccessCondition``; 50 %
    and 50 % are the defaults of its builder of conditions.

    In a fleet on AWS: a group is a run of devices in order of notification, notified at AWS's
    greatest rate. hawkBit has no timeout; here AWS's makes an error of a device that falls
    silent. Its quota of devices in a group can be raised by its operator and is left out. It looks
    every two seconds, here once a minute. A pause holds back groups that have not started; open
    ones are served.

    Attributes:
        name: What people type.
        title: What people read.
        percentages: Of the fleet, once each group is through: growing, the last one 100.
        success_percent: Of a group, from which the next one starts.
        error_percent: Of a group, above which everything pauses.
    """

    is_native: ClassVar[bool] = False

    name: str
    title: str
    percentages: tuple[int, ...]
    success_percent: int = 50
    error_percent: int = 50

    def begin(self, plan: Plan) -> Decide:
        """Start the first group."""
        stages = Stages(limits_of(plan.fleet_size, self.percentages))
        return _HawkBitRollout(self, stages).decide

    def has_too_many_errors(self, size: int, tally: Tally) -> bool:
        """Whether a group of this size trips the error condition."""
        return 100 * tally.harmed > self.error_percent * size

    def has_succeeded(self, size: int, tally: Tally) -> bool:
        """Whether a group of this size lets the next one start."""
        return 100 * tally.succeeded >= self.success_percent * size or tally.ended >= size


@dataclass(slots=True)
class _HawkBitRollout:
    """
    One rollout.

    Attributes:
        rule: What decides.
        stages: The groups.
        finished: Groups whose devices have all ended, by index.
        paused: Why everything waits for a person, or None.
    """

    rule: HawkBitGroups
    stages: Stages
    finished: set[int] = field(default_factory=set)
    paused: str | None = None

    def decide(self, sight: Sight) -> Order:
        """Look at every running group, the oldest first."""
        if self.paused is None:
            for group in range(self.stages.current + 1):
                if group not in self.finished:
                    self._look_at(group, sight)
        if self.paused is not None:
            return pause(self.paused)
        return Order(self.stages.rate_per_minute(sight))

    def _look_at(self, group: int, sight: Sight) -> None:
        size, tally = self.stages.size(group), self.stages.tally(sight, group)
        if self.rule.has_too_many_errors(size, tally):
            self.paused = (
                f"Group {group + 1} of {size} devices has {tally.harmed} errors, more than "
                f"{self.rule.error_percent} %."
            )
            return
        is_newest = group == self.stages.current
        if is_newest and not self.stages.is_last and self.rule.has_succeeded(size, tally):
            self.stages.open_next(sight)
        if tally.ended >= size:
            self.finished.add(group)


#: The REST API's example asks for five groups; the defaults of both conditions.
HAWKBIT_GROUPS = HawkBitGroups(
    "hawkbit-groups", "hawkBit, 5 equal groups, success 50 %, error 50 %", (20, 40, 60, 80, 100)
)
HAWKBIT_CANARY = HawkBitGroups(
    "hawkbit-canary",
    "hawkBit, 1/10/40/100 %, success 80 %, error 10 %",
    (1, 10, 40, 100),
    success_percent=80,
    error_percent=10,
)
