"""An alarm of CloudWatch's kind, and AWS's own sample that cancels a job on one."""

from dataclasses import dataclass
from typing import ClassVar

from tidegate.domain.settings import AbortCriterion, FailureType
from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import stop
from tidegate.lab.rules.outcomes import arrived


@dataclass(frozen=True, slots=True)
class Alarm:
    """
    Goes off where enough of the last periods had too great a share of harmed devices.

    Periods follow one another from minute 0. One without outcomes does not count as breaching.

    Attributes:
        threshold_percent: Harmed among the outcomes of a period, above which it breaches.
        period_minutes: Length of a period.
        periods: How many are looked at.
        datapoints_to_alarm: How many of them must breach.
    """

    threshold_percent: float
    period_minutes: int
    periods: int = 1
    datapoints_to_alarm: int = 1

    def goes_off(self, sight: Sight) -> bool:
        """Whether the alarm is in the state ALARM once the newest whole period is in."""
        end = sight.minute - sight.minute % self.period_minutes
        begins = (end - self.period_minutes * (back + 1) for back in range(self.periods))
        breaching = sum(self._breaches(sight, begin) for begin in begins if begin >= 0)
        return breaching >= self.datapoints_to_alarm

    def _breaches(self, sight: Sight, begin: int) -> bool:
        tally = arrived(sight, begin, begin + self.period_minutes)
        return tally.harmed_percent > self.threshold_percent


_CRITERION = AbortCriterion(FailureType.ALL, 11.0, 1)
_ALARM = Alarm(11.0, 1, periods=5, datapoints_to_alarm=3)


@dataclass(frozen=True, slots=True)
class AlarmCancel:
    """
    A constant rate with a native abort criterion, and an alarm that cancels the job.

    Source: AWS's sample "aws-iot-ota-deployment-tool" and its example configuration: each job
    event becomes a CloudWatch metric; an alarm in 3 of 5 periods of a minute calls CancelJob;
    the job itself aborts at 11 % of ALL from the first executed thing on; 100 devices a minute.

    In a fleet on AWS: the sample's alarm is on the 99th percentile of the download time that
    devices report. Devices of the lab report none, so the alarm is on the share of failures, at
    the percentage of the sample's criterion. The sample forces the cancel, which would break off
    updates in progress too; here they run on, as with any other cancel.

    Attributes:
        name: What people type.
        title: What people read.
        rate_per_minute: Devices notified in a minute.
        criterion: The native abort criterion.
        alarm: What cancels the job.
    """

    is_native: ClassVar[bool] = False

    name: str = "aws-alarm-cancel"
    title: str = "AWS, 100 a minute, abort at 11 % of 1, cancel on an alarm"
    rate_per_minute: int = 100
    criterion: AbortCriterion = _CRITERION
    alarm: Alarm = _ALARM

    def begin(self, plan: Plan) -> Decide:
        """Start at the constant rate."""
        del plan
        cancelled = False

        def decide(sight: Sight) -> Order:
            nonlocal cancelled
            cancelled = cancelled or self.alarm.goes_off(sight)
            if cancelled:
                return stop("The alarm went off.")
            return Order(self.rate_per_minute, criteria=(self.criterion,))

        return decide
