"""Stages: the fleet in order of notification, cut into parts that are opened one after another."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tidegate.domain.settings import RATE_PER_MINUTE_MAX
from tidegate.lab.rule import LATE, PROMPT, Counts, Sight
from tidegate.lab.rules.outcomes import Tally, notified

#: Devices of the stratum LATE start this long after their notification, or later.
LATE_AFTER_MINUTES = 30


def limits_of(fleet_size: int, percentages: Sequence[int]) -> tuple[int, ...]:
    """
    Return how many devices are notified once each stage is through, for cumulative percentages.

    Rounded down, but each stage has a device if the fleet has one left.
    """
    limits: list[int] = []
    for percentage in percentages:
        reached = limits[-1] if limits else 0
        limits.append(min(fleet_size, max(reached + 1, fleet_size * percentage // 100)))
    return tuple(limits)


@dataclass(slots=True)
class Throttle:
    """
    Rates that never take a rollout beyond a limit, whenever AWS begins to use them.

    Products that choose their devices notify no more than they chose. AWS may still use the rate
    before for this minute's batch, and this one until an order of the next minute is in force. So
    what is ordered is what the batch before leaves. The very first order may be used twice; where
    that would be too much, nobody is notified yet, and the rollout begins two minutes later.

    Attributes:
        ordered_per_minute: The order before, None before the first.
    """

    ordered_per_minute: int | None = None

    def rate_up_to(self, limit: int, sight: Sight) -> int:
        """Return the rate to order in this minute; to be called once in each."""
        left = max(0, limit - notified(sight))
        rate = min(RATE_PER_MINUTE_MAX, left)
        if self.ordered_per_minute is None:
            rate = rate if 2 * rate <= left else 0
        else:
            rate = min(rate, max(0, left - self.ordered_per_minute))
        self.ordered_per_minute = rate
        return rate


@dataclass(slots=True)
class Stages:
    """
    Stages of one rollout, and when each was opened.

    Attributes:
        limits: Devices notified once each stage is through, growing.
        opened_at_minutes: When each stage was opened; the first one at once.
        throttle: What keeps to the limits.
    """

    limits: tuple[int, ...]
    opened_at_minutes: list[int] = field(default_factory=lambda: [0])
    throttle: Throttle = field(default_factory=Throttle)

    @property
    def current(self) -> int:
        """The newest open stage, by index."""
        return len(self.opened_at_minutes) - 1

    @property
    def is_last(self) -> bool:
        """Whether every stage is open."""
        return self.current == len(self.limits) - 1

    def size(self, stage: int) -> int:
        """Return the number of devices in a stage."""
        return self.limits[stage] - (self.limits[stage - 1] if stage else 0)

    def open_next(self, sight: Sight) -> None:
        """Let the devices of the next stage be notified from now on."""
        assert not self.is_last
        self.opened_at_minutes.append(sight.minute)

    def minutes_since_notified(self, sight: Sight) -> int | None:
        """Return the time since the batch that notified the open stages to the end, if one has."""
        by_now = sight.notified.sum(axis=0).cumsum()
        limit = self.limits[self.current]
        if not by_now.size or by_now[-1] < limit:
            return None
        return sight.minute - int(np.searchsorted(by_now, limit))

    def has_next_after(self, sight: Sight, minutes: int) -> bool:
        """Whether the open stages have been notified for so long, and another one is to come."""
        since = self.minutes_since_notified(sight)
        return not self.is_last and since is not None and since >= minutes

    def rate_per_minute(self, sight: Sight) -> int:
        """Return the rate to order, once a minute: AWS's greatest until the stages are through."""
        return self.throttle.rate_up_to(self.limits[self.current], sight)

    def tally(self, sight: Sight, stage: int) -> Tally:
        """
        Return the outcomes of a stage's devices.

        A sight tells when devices started, not when they were notified. So a prompt device counts
        to the stage that was being notified, or was the last to be, when it started; a late one
        to that of half an hour before.
        """
        begin = self._first_minute(sight, stage)
        end = self._first_minute(sight, stage + 1)
        prompt = slice(begin, end)
        late = slice(begin + LATE_AFTER_MINUTES if stage else 0, end + LATE_AFTER_MINUTES)
        succeeded = _in_strata(sight.succeeded, prompt, late)
        harmed = (
            _in_strata(sight.failed, prompt, late)
            + _in_strata(sight.timed_out, prompt, late)
            + int(sight.rejected[:, prompt].sum())
        )
        return Tally(succeeded + harmed, harmed)

    def _first_minute(self, sight: Sight, stage: int) -> int:
        """Return when a stage's first device was notified; this minute if none was."""
        if stage == 0:
            return 0
        by_now = sight.notified.sum(axis=0).cumsum()
        return int(np.searchsorted(by_now, self.limits[stage - 1], side="right"))


def _in_strata(by_start: Counts, prompt: slice, late: slice) -> int:
    """Return how many started in the spans of the two strata; axes of ``Sight.started``."""
    by_stratum = by_start.sum(axis=0)
    return int(np.sum(by_stratum[PROMPT, prompt]) + np.sum(by_stratum[LATE, late]))
