"""Shares of the fleet by the clock, under an alarm: AWS AppConfig and AWS CodeDeploy."""

from dataclasses import dataclass
from typing import ClassVar

from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.alarm import Alarm
from tidegate.lab.rules.orders import stop
from tidegate.lab.rules.stages import Stages, limits_of

_ALARM = Alarm(5.0, 5)


@dataclass(frozen=True, slots=True)
class ClockedShift:
    """
    A fixed share of the fleet is added at fixed times; an alarm rolls everything back.

    Only the clock moves it on: a step does not wait for results. An alarm at any time, until the
    bake time after the last step is over, stops it and goes back; after that none does.

    Source: user guides of AWS AppConfig and of AWS CodeDeploy. AppConfig's predefined strategy
    ``AppConfig.Linear20PercentEvery6Minutes`` bakes for 30 minutes; CodeDeploy's
    ``Canary10Percent5Minutes`` is done with its last step.

    In a fleet on AWS: shares are of devices. A step that AWS's greatest rate cannot notify in its
    time goes on beside the next one, and the bake time begins when all are notified. The alarm is
    left to users by both: here on more than 5 % of failures among the outcomes of five minutes,
    CloudWatch's default period. What was updated cannot be taken back: the rollout is cancelled.

    Attributes:
        name: What people type.
        title: What people read.
        percentages: Of the fleet, once each step is through: growing, the last one 100.
        step_minutes: From one step to the next.
        bake_minutes: For how long the alarm still counts once all are notified.
        alarm: What rolls back.
    """

    is_native: ClassVar[bool] = False

    name: str
    title: str
    percentages: tuple[int, ...]
    step_minutes: int
    bake_minutes: int
    alarm: Alarm = _ALARM

    def begin(self, plan: Plan) -> Decide:
        """Start the first step."""
        stages = Stages(limits_of(plan.fleet_size, self.percentages))
        return _ClockedRollout(self, stages).decide


@dataclass(slots=True)
class _ClockedRollout:
    """
    One rollout.

    Attributes:
        rule: What decides.
        stages: The steps.
        is_rolled_back: Whether the alarm went off in time.
    """

    rule: ClockedShift
    stages: Stages
    is_rolled_back: bool = False

    def decide(self, sight: Sight) -> Order:
        """Heed the alarm, then the clock."""
        if not self.is_rolled_back and not self._is_complete(sight):
            self.is_rolled_back = self.rule.alarm.goes_off(sight)
        if self.is_rolled_back:
            return stop("The alarm went off.")
        if not self.stages.is_last:
            due_minute = self.rule.step_minutes * (self.stages.current + 1)
            if sight.minute >= due_minute:
                self.stages.open_next(sight)
        return Order(self.stages.rate_per_minute(sight))

    def _is_complete(self, sight: Sight) -> bool:
        baked_minutes = self.stages.minutes_since_notified(sight)
        if not self.stages.is_last or baked_minutes is None:
            return False
        return baked_minutes >= self.rule.bake_minutes


APPCONFIG_LINEAR = ClockedShift(
    "appconfig-linear",
    "AppConfig, 20 % each 6 min, bake 30 min, alarm above 5 %",
    (20, 40, 60, 80, 100),
    step_minutes=6,
    bake_minutes=30,
)
CODEDEPLOY_CANARY = ClockedShift(
    "codedeploy-canary",
    "CodeDeploy, 10 %, the rest after 5 min, alarm above 5 %",
    (10, 100),
    step_minutes=5,
    bake_minutes=0,
)
