"""Rings with a bake time and a gate, as many teams write them down for themselves."""

from dataclasses import dataclass
from typing import ClassVar

from tidegate.domain.settings import AbortCriterion, FailureType
from tidegate.lab.rule import Decide, Order, Plan, Sight
from tidegate.lab.rules.orders import stop
from tidegate.lab.rules.outcomes import Tally, arrived
from tidegate.lab.rules.stages import Stages, limits_of

_CRITERION = AbortCriterion(FailureType.ALL, 10.0, 20)


@dataclass(frozen=True, slots=True)
class Rings:
    """
    A ring is notified, bakes for a fixed time, and opens the next unless too many were harmed.

    At the end of the bake time, *more* harmed among all outcomes so far than the gate allows stop
    the rollout. A native abort criterion stands all the while.

    Source: the common practice of deployment rings, such as the waves with bake times in the
    Amazon Builders' Library, "Automating safe, hands-off deployments". The figures are round
    ones of that kind, nobody's defaults.

    In a fleet on AWS: a ring is a run of devices in order of notification, notified at AWS's
    greatest rate. A gate that sees no outcome opens.

    Attributes:
        name: What people type.
        title: What people read.
        percentages: Of the fleet, once each ring is through: growing, the last one 100.
        bake_minutes: From when a ring is notified to its gate.
        gate_percent: Harmed among the outcomes, above which the rollout stops.
        criterion: The native abort criterion.
    """

    is_native: ClassVar[bool] = False

    name: str = "rings"
    title: str = "Rings, 1/10/50/100 %, bake 60 min, gate 2 %, abort at 10 % of 20"
    percentages: tuple[int, ...] = (1, 10, 50, 100)
    bake_minutes: int = 60
    gate_percent: float = 2.0
    criterion: AbortCriterion = _CRITERION

    def begin(self, plan: Plan) -> Decide:
        """Start the first ring."""
        stages = Stages(limits_of(plan.fleet_size, self.percentages))
        return _RingsRollout(self, stages).decide


@dataclass(slots=True)
class _RingsRollout:
    """
    One rollout.

    Attributes:
        rule: What decides.
        stages: The rings.
        shut_by: What a gate saw that stays shut, or None.
    """

    rule: Rings
    stages: Stages
    shut_by: Tally | None = None

    def decide(self, sight: Sight) -> Order:
        """Pass the gate of the newest ring once it has baked."""
        if self.shut_by is None and self.stages.has_next_after(sight, self.rule.bake_minutes):
            self._pass_gate(sight)
        if self.shut_by is not None:
            harmed, ended = self.shut_by.harmed, self.shut_by.ended
            limit = f"more than the gate's {self.rule.gate_percent:g} %"
            return stop(f"{harmed} of {ended} outcomes are failures, {limit}.")
        return Order(self.stages.rate_per_minute(sight), criteria=(self.rule.criterion,))

    def _pass_gate(self, sight: Sight) -> None:
        tally = arrived(sight)
        if tally.harmed_percent > self.rule.gate_percent:
            self.shut_by = tally
        else:
            self.stages.open_next(sight)
