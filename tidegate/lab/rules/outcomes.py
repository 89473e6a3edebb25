"""
What the rules of other products read out of a sight: outcomes, in order of arrival.

Products that steer by measurements take them as they come in. So a measurement here is the
outcomes that arrived in a span of minutes, whenever their devices had started. A failed one is
what AWS's failure type ALL counts: FAILED, TIMED_OUT and REJECTED. Products without a timeout of
their own are thereby helped by AWS's: a device that falls silent becomes a failure in the end.
"""

from dataclasses import dataclass

from tidegate.lab.rule import Plan, Sight

#: Row of ``Sight.arrived`` that holds successes; all other rows are failures.
SUCCEEDED = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """
    Outcomes of some devices.

    Attributes:
        ended: Devices whose outcome is known.
        harmed: Those of them that failed, timed out or rejected.
    """

    ended: int
    harmed: int

    @property
    def succeeded(self) -> int:
        """Those of them that succeeded."""
        return self.ended - self.harmed

    @property
    def harmed_share(self) -> float:
        """The harmed among the ended, 0 to 1; 0 where nothing has ended."""
        return self.harmed / self.ended if self.ended else 0.0

    @property
    def harmed_percent(self) -> float:
        """The same, 0 to 100: exact where the true percentage is a whole number."""
        return 100 * self.harmed / self.ended if self.ended else 0.0


def arrived(sight: Sight, since: int = 0, until: int | None = None) -> Tally:
    """Return the outcomes that arrived in the minutes from ``since`` up to before ``until``."""
    span = sight.arrived[:, max(0, since) : until]
    ended = int(span.sum())
    return Tally(ended, ended - int(span[SUCCEEDED].sum()))


def notified(sight: Sight) -> int:
    """Return the number of devices notified so far."""
    return int(sight.notified.sum())


def baseline_share(plan: Plan) -> float:
    """Return the previous release's share of harmed devices, 0 to 1; 0 where none is known."""
    return plan.baseline_harmed / plan.baseline_started if plan.baseline_started else 0.0
