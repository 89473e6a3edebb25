"""Rules that AWS IoT Jobs carries out by itself: a rate, maybe growing, and abort criteria."""

from dataclasses import dataclass

from tidegate.domain.settings import AbortCriterion, ExponentialRate, FailureType
from tidegate.lab.rule import Decide, Order, Plan, Sight


@dataclass(frozen=True, slots=True)
class NativeRule:
    """
    Settings that are given when the job is created, and never changed.

    Attributes:
        name: What people type.
        title: What people read.
        rate_per_minute: The rate, or where the growth ends.
        exponential: AWS's own growth, if the rate is not constant.
        criteria: When AWS stops the job.
    """

    name: str
    title: str
    rate_per_minute: int
    exponential: ExponentialRate | None = None
    criteria: tuple[AbortCriterion, ...] = ()

    @property
    def is_native(self) -> bool:
        """AWS needs nobody's help."""
        return True

    def begin(self, plan: Plan) -> Decide:
        """Return the same order for whatever is seen, and whatever fleet it is."""
        del plan
        order = Order(self.rate_per_minute, exponential=self.exponential, criteria=self.criteria)

        def decide(sight: Sight) -> Order:
            del sight
            return order

        return decide


def aborting(threshold_percentage: float, min_executed_things: int) -> tuple[AbortCriterion, ...]:
    """Return the criterion that counts failures of every type."""
    return (AbortCriterion(FailureType.ALL, threshold_percentage, min_executed_things),)


CONSTANT = NativeRule("aws-constant", "AWS, 1000 a minute, no abort", 1000)

CONSTANT_ABORTING = NativeRule(
    "aws-constant-abort",
    "AWS, 1000 a minute, abort at 20 % of 100",
    1000,
    criteria=aborting(20.0, 100),
)

EXPONENTIAL = NativeRule(
    "aws-exponential",
    "AWS, 50 a minute, doubled at each 1000 notified, abort at 10 % of 100",
    1000,
    exponential=ExponentialRate(50, 2.0, notified_things=1000),
    criteria=aborting(10.0, 100),
)

RULES = (CONSTANT, CONSTANT_ABORTING, EXPONENTIAL)
