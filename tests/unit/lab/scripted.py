"""Rules that do as a test says, and fleets of which a test knows every minute."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tidegate.domain.jobs import ExecutionStatus
from tidegate.lab.delays import Fixed
from tidegate.lab.fleet import FailureKind, Failures, Fleet
from tidegate.lab.rule import Decide, Order, Plan, Sight

FAILED, TIMED_OUT, REJECTED = (
    ExecutionStatus.FAILED,
    ExecutionStatus.TIMED_OUT,
    ExecutionStatus.REJECTED,
)


@dataclass(frozen=True, slots=True)
class Scripted:
    """A rule that orders whatever a function of what it sees returns."""

    decide: Callable[[Sight], Order]
    is_native: bool = False
    name: str = "scripted"
    title: str = "as a test says"

    def begin(self, plan: Plan) -> Decide:
        """Return the function."""
        return self.decide


def at_rate(rate_per_minute: int) -> Scripted:
    """Return a rule that never changes its rate."""
    return Scripted(lambda _: Order(rate_per_minute))


def failing(rate: float, *kinds: FailureKind) -> Failures:
    """Return failures that are all reported five minutes after the start, if not otherwise."""
    return Failures(rate, kinds or (FailureKind(FAILED, 1.0, Fixed(5)),))


#: Every device starts at once and succeeds after ten minutes, or fails after five.
PLAIN = Fleet(
    name="plain",
    size=1000,
    timeout_minutes=60,
    start=Fixed(0),
    success=Fixed(10),
    failures=failing(0.2),
)

#: The same without failures.
SOUND = replace(PLAIN, failures=failing(0.0))

#: The same without successes.
ROTTEN = replace(PLAIN, failures=failing(1.0))
