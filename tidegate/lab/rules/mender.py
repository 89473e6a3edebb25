"""Phases by the clock: Mender."""

from dataclasses import dataclass
from typing import ClassVar

from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.stages import Stages, limits_of


@dataclass(frozen=True, slots=True)
class MenderPhases:
    """
    A phase follows the one before after a fixed delay, whatever its devices report.

    A phase has its percentage of the devices, rounded down, the last one the rest. No result
    stops or slows it: that is for a person to do. A person who does not look lets all through.

    Source: Mender's documentation of phased rollouts, and the phases that its user interface
    offers first: 10 %, and two hours later the rest.

    In a fleet on AWS: devices are notified at AWS's greatest rate within a phase; Mender's would
    ask for the update when they poll. Retries are left at none.

    Attributes:
        name: What people type.
        title: What people read.
        percentages: Of the fleet, once each phase is through: growing, the last one 100.
        delays_minutes: From the beginning of a phase to that of the next; one for each but the
            last.
    """

    is_native: ClassVar[bool] = False

    name: str = "mender-phases"
    title: str = "Mender, 10 %, the rest after 2 hours"
    percentages: tuple[int, ...] = (10, 100)
    delays_minutes: tuple[int, ...] = (120,)

    def begin(self, plan: Plan) -> Decide:
        """Start the first phase."""
        stages = Stages(limits_of(plan.fleet_size, self.percentages))

        def decide(sight: Sight) -> Order:
            phase = stages.current
            if not stages.is_last:
                due = stages.opened_at_minutes[phase] + self.delays_minutes[phase]
                if sight.minute >= due:
                    stages.open_next(sight)
            return Order(stages.rate_per_minute(sight))

        return decide
