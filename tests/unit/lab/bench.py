"""
A bench for rules: what they see is made up by hand, or comes of devices that do as they are told.

No chance is in it, and no delay but those that a test asks for: a rule's own arithmetic shows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tidegate.lab.rule import LATE, PROMPT, Order, Plan, Rule, Sight

SUCCEEDED, FAILED, TIMED_OUT, REJECTED = range(4)

#: Minutes that a bench can play.
MINUTES_MAX = 6000


def plan_of(fleet_size: int, *, baseline: tuple[int, int] = (50, 10_000)) -> Plan:
    """Return a fleet in two equal cohorts, whose previous release harmed 0.5 %."""
    half = fleet_size // 2
    return Plan(
        fleet_size=fleet_size,
        cohorts=("A", "B"),
        cohort_sizes=(half, fleet_size - half),
        timeout_minutes=60,
        baseline_harmed=baseline[0],
        baseline_started=baseline[1],
    )


class Log:
    """All that has happened in a rollout, by cohort, stratum and minute."""

    def __init__(self, minutes: int = MINUTES_MAX) -> None:
        self.notified = np.zeros((2, minutes), dtype=np.int64)
        self.started = np.zeros((2, 2, minutes), dtype=np.int64)
        self.by_start = np.zeros((3, 2, 2, minutes), dtype=np.int64)
        self.rejected = np.zeros((2, minutes), dtype=np.int64)
        self.arrived = np.zeros((4, minutes), dtype=np.int64)

    def notify(self, devices: int, minute: int = 0, *, cohort: int = 0) -> None:
        """Notify devices in a minute."""
        self.notified[cohort, minute] += devices

    def start(self, devices: int, minute: int, *, late: bool = False, cohort: int = 0) -> None:
        """Let devices start in a minute."""
        self.started[cohort, LATE if late else PROMPT, minute] += devices

    def end(
        self,
        outcome: int,
        devices: int,
        *,
        started: int,
        at: int,
        late: bool = False,
        cohort: int = 0,
    ) -> None:
        """Let devices end that started in a minute, or reject that were notified in it."""
        self.arrived[outcome, at] += devices
        if outcome == REJECTED:
            self.rejected[cohort, started] += devices
        else:
            self.by_start[outcome, cohort, LATE if late else PROMPT, started] += devices

    def sight(self, minute: int) -> Sight:
        """Return what is seen at the beginning of a minute."""
        succeeded, failed, timed_out = self.by_start[..., :minute]
        return Sight(
            minute=minute,
            notified=self.notified[:, :minute],
            started=self.started[..., :minute],
            succeeded=succeeded,
            failed=failed,
            timed_out=timed_out,
            dark=np.zeros_like(succeeded),
            rejected=self.rejected[:, :minute],
            arrived=self.arrived[:, :minute],
            canceled=np.zeros(2, dtype=np.int64),
        )


def outcomes_at(outcomes: Mapping[int, tuple[int, int]]) -> Log:
    """Return a log of successes and failures by the minute in which they arrive."""
    log = Log()
    for minute, (succeeded, failed) in outcomes.items():
        log.notify(succeeded + failed)
        log.start(succeeded + failed, 0)
        log.end(SUCCEEDED, succeeded, started=0, at=minute)
        log.end(FAILED, failed, started=0, at=minute)
    return log


@dataclass(slots=True)
class Bench:
    """
    A rollout of devices that start at once, one by one as told.

    Attributes:
        rule: What decides.
        fleet_size: Devices in all.
        fails: Which devices fail, by their place in the order of notification, from 0.
        minutes_to_end: From a device's start to its outcome; None for one that never ends.
        is_used_at_once: Whether AWS uses an order for the batch of its own minute.
    """

    rule: Rule
    fleet_size: int
    fails: Callable[[int], bool] = field(default=lambda _: False)
    minutes_to_end: Callable[[int], int | None] = field(default=lambda _: 3)
    is_used_at_once: bool = False
    orders: list[Order] = field(default_factory=list)
    notified_by_minute: list[int] = field(default_factory=list)

    def play(self, minutes: int) -> "Bench":
        """Play so many minutes, or until the rule cancels."""
        assert minutes <= MINUTES_MAX
        log, decide = Log(), self.rule.begin(plan_of(self.fleet_size))
        pending: dict[int, list[tuple[int, int]]] = {}
        standing: Order | None = None
        for minute in range(minutes):
            for device, started in pending.pop(minute, []):
                outcome = FAILED if self.fails(device) else SUCCEEDED
                log.end(outcome, 1, started=started, at=minute - 1)
            order = decide(log.sight(minute))
            self.orders.append(order)
            if order.cancel:
                break
            in_force = order if self.is_used_at_once or standing is None else standing
            standing = order
            notified = sum(self.notified_by_minute)
            batch = min(in_force.rate_per_minute, self.fleet_size - notified)
            self.notified_by_minute.append(batch)
            log.notify(batch, minute)
            log.start(batch, minute)
            for device in range(notified, notified + batch):
                delay = self.minutes_to_end(device)
                if delay is not None:
                    pending.setdefault(minute + delay + 1, []).append((device, minute))
        return self

    @property
    def notified(self) -> int:
        """Devices notified."""
        return sum(self.notified_by_minute)

    @property
    def cancelled_at(self) -> int | None:
        """The minute in which the rule cancelled, if it did."""
        return len(self.orders) - 1 if self.orders[-1].cancel else None

    @property
    def plateaus(self) -> list[int]:
        """Devices notified wherever a minute went by without any, and in the end."""
        seen: list[int] = []
        notified = 0
        for batch in self.notified_by_minute:
            if not batch and notified and notified not in seen:
                seen.append(notified)
            notified += batch
        return seen if notified in seen else [*seen, notified]
