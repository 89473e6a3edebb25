"""
What decides in the lab: one interface for Tidegate and for every rule that people use today.

A rule sees counts and nothing else: neither the truth about the release nor the future. Once a
minute, before AWS's batch of that minute, it is asked what should be in force.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tidegate.domain.settings import AbortCriterion, ExponentialRate

Counts = NDArray[np.int64]

#: Strata of ``Sight.started`` and of the outcomes by start: devices that took the job up soon
#: after they were notified, and those that were offline for longer.
PROMPT, LATE = 0, 1


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What is known before the rollout begins.

    Attributes:
        fleet_size: Devices in all.
        cohorts: Names of the cohorts that partition the fleet.
        cohort_sizes: Devices of each.
        timeout_minutes: The job's in-progress timeout.
        baseline_harmed: Devices that the previous release harmed, of ``baseline_started``.
        baseline_started: Devices that took the previous release up.
    """

    fleet_size: int
    cohorts: tuple[str, ...]
    cohort_sizes: tuple[int, ...]
    timeout_minutes: int
    baseline_harmed: int
    baseline_started: int


@dataclass(frozen=True, slots=True)
class Sight:
    """
    What a rule sees at the beginning of a minute; every array is to be read only.

    Axes: ``c`` cohort (order of ``Plan.cohorts``), ``s`` stratum (PROMPT, LATE), ``t`` minute, of
    which those up to ``minute - 1`` have passed: each array ends there.

    Attributes:
        minute: Minutes since the job was created.
        notified: Devices notified, [c, t].
        started: Devices that took the job up, by the minute in which they did, [c, s, t].
        succeeded: Of those, by the minute in which they *started*, known to have succeeded.
        failed: The same for FAILED.
        timed_out: The same for TIMED_OUT.
        dark: Of ``succeeded``, those that went dark at once. AWS does not tell: it is for who waits
            for a while after a success and looks then.
        rejected: Devices known to have rejected, by the minute of their notification, [c, t].
        arrived: Outcomes by the minute in which they *arrived*, [4, t]: SUCCEEDED, FAILED,
            TIMED_OUT, REJECTED.
        canceled: Executions of quarantined cohorts that were canceled, [c].
    """

    minute: int
    notified: Counts
    started: Counts
    succeeded: Counts
    failed: Counts
    timed_out: Counts
    dark: Counts
    rejected: Counts
    arrived: Counts
    canceled: Counts


@dataclass(frozen=True, slots=True)
class Order:
    """
    What a rule wants in force until it is asked again.

    Attributes:
        rate_per_minute: Devices that AWS may notify in a minute; 0 pauses, which only products
            that can pause may ask for. May exceed AWS's 1000 nowhere.
        exponential: AWS's own growth, below ``rate_per_minute``.
        criteria: The native abort criteria that stand in AWS.
        cancel: Stop the rollout for good.
        quarantine: Cohorts (by index) of which everything that waits is canceled from now on.
        marks: For the picture: figures by name, such as ``log_e`` and ``abort_at``.
        reasons: For the picture: why, one line each.
    """

    rate_per_minute: int
    exponential: ExponentialRate | None = None
    criteria: tuple[AbortCriterion, ...] = ()
    cancel: bool = False
    quarantine: frozenset[int] = frozenset()
    marks: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


#: A rule at work on one rollout: called once a minute, keeps what it must remember.
Decide = Callable[[Sight], Order]


class Rule(Protocol):
    """
    A way of deciding that a user can select.

    Attributes:
        name: What people type, such as ``aws-constant``.
        title: What people read in a table.
        is_native: Nothing but AWS IoT Jobs carries it out, so it needs no orchestrator.
    """

    @property
    def name(self) -> str:
        """What people type."""

    @property
    def title(self) -> str:
        """What people read."""

    @property
    def is_native(self) -> bool:
        """Whether AWS IoT Jobs alone carries it out after the first order."""

    def begin(self, plan: Plan) -> Decide:
        """Start on a rollout, knowing nothing of any other."""
