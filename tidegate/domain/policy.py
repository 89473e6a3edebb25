"""
What a rollout's owner asked for, as values.

People write policies as YAML; ``tidegate.documents.policy`` validates them whole and compiles them
to the plain JSON that ``Policy.from_compiled`` reads. The defaults live there, in one place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.settings import ExponentialRate, PresignedUrl


class PaceMode(StrEnum):
    """How exposure is paced: ``throttle`` turns the job's native rollout rate."""

    THROTTLE = "throttle"


#: A rate derived from another is no more than this.
_RATE_MAX = 0.9


@dataclass(frozen=True, slots=True)
class Harm:
    """
    What counts as harm, and how much of it is too much.

    Attributes:
        statuses: Outcomes that count as harm.
        tolerated_rate: A release at or below this rate is stopped with a probability of at most
            ``false_abort_risk``.
        acceptable_rate: Once the rate is established to be at most this, the brake comes off.
        budget_devices: Devices harmed beyond the acceptable rate, at most; None if a share.
        budget_share: The same as a share of the fleet; None if a number.
        confidence: Of the bound on the failure rate, and so of the budget.
        false_abort_risk: Probability of ever stopping a tolerable release, over its whole life.
        late_tolerated_rate: The tolerated rate of devices that start long after they were
            notified; None: five times the others'.
        drift_rate: The failure rate of a release that turns bad midway, for which each decision
            states the harm; None: ten times the tolerated one.
        drift_budget: Devices that such a turn may harm, as far as delays allow it to be noticed;
            None: the pace does not heed it.
    """

    statuses: frozenset[ExecutionStatus]
    tolerated_rate: float
    acceptable_rate: float
    confidence: float
    false_abort_risk: float
    budget_devices: int | None = None
    budget_share: float | None = None
    late_tolerated_rate: float | None = None
    drift_rate: float | None = None
    drift_budget: int | None = None

    @property
    def tolerated_late(self) -> float:
        """The tolerated rate of devices that start late."""
        if self.late_tolerated_rate is not None:
            return self.late_tolerated_rate
        return self._multiple(5)

    @property
    def turned(self) -> float:
        """The failure rate of a release that turns bad midway."""
        return self.drift_rate or self._multiple(10)

    def _multiple(self, times: int) -> float:
        """Return a multiple of the tolerated rate, or, where that is none, a rate above it."""
        if self.tolerated_rate < _RATE_MAX:
            return min(_RATE_MAX, times * self.tolerated_rate)
        return (1 + self.tolerated_rate) / 2

    @property
    def once_started(self) -> frozenset[ExecutionStatus]:
        """The harm of devices that started: a device that rejects never does."""
        return self.statuses - {ExecutionStatus.REJECTED}

    def budget(self, fleet_size: int | None) -> float:
        """
        Return the budget in devices.

        Raises:
            ValueError: The budget is a share and the fleet's size is unknown.
        """
        if self.budget_devices is not None:
            return float(self.budget_devices)
        if self.budget_share is None or fleet_size is None:
            message = "a budget that is a share of the fleet needs the fleet's size"
            raise ValueError(message)
        return self.budget_share * fleet_size


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a rollout may go; rates per minute, as AWS counts them."""

    mode: PaceMode
    start_per_minute: int
    max_per_minute: int
    exponential: ExponentialRate | None = None


@dataclass(frozen=True, slots=True)
class JobDefaults:
    """
    Job settings that the policy's owner wants in force besides pace and fence.

    Attributes:
        drop_retries: Lower every retry criterion of the job to 0.
        namespace_id: Handed to UpdateJob as its request parameter of that name.
    """

    timeout_minutes: int | None = None
    description: str | None = None
    presigned_url: PresignedUrl | None = None
    drop_retries: bool = False
    namespace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A validated policy; a snapshot of it is stored with each rollout."""

    name: str
    harm: Harm
    pace: Pace
    job: JobDefaults = field(default_factory=JobDefaults)

    def to_compiled(self) -> dict[str, Any]:
        """Return the policy as plain JSON; ``from_compiled`` reads it back unchanged."""
        harm, pace, job = self.harm, self.pace, self.job
        return {
            "name": self.name,
            "harm": {
                "statuses": sorted(status.value for status in harm.statuses),
                "tolerated_rate": harm.tolerated_rate,
                "acceptable_rate": harm.acceptable_rate,
                "budget_devices": harm.budget_devices,
                "budget_share": harm.budget_share,
                "confidence": harm.confidence,
                "false_abort_risk": harm.false_abort_risk,
                "late_tolerated_rate": harm.late_tolerated_rate,
                "drift_rate": harm.drift_rate,
                "drift_budget": harm.drift_budget,
            },
            "pace": {
                "mode": pace.mode.value,
                "start_per_minute": pace.start_per_minute,
                "max_per_minute": pace.max_per_minute,
                "exponential": None
                if pace.exponential is None
                else {
                    "base_rate_per_minute": pace.exponential.base_rate_per_minute,
                    "increment_factor": pace.exponential.increment_factor,
                    "notified_things": pace.exponential.notified_things,
                    "succeeded_things": pace.exponential.succeeded_things,
                },
            },
            "job": {
                "timeout_minutes": job.timeout_minutes,
                "description": job.description,
                "presigned_url": None
                if job.presigned_url is None
                else {
                    "role_arn": job.presigned_url.role_arn,
                    "expires_in_seconds": job.presigned_url.expires_in_seconds,
                },
                "drop_retries": job.drop_retries,
                "namespace_id": job.namespace_id,
            },
        }

    @classmethod
    def from_compiled(cls, compiled: Mapping[str, Any]) -> "Policy":
        """Read what ``to_compiled`` wrote; else raise KeyError, TypeError or ValueError."""
        harm, pace, job = compiled["harm"], compiled["pace"], compiled["job"]
        exponential, presigned = pace["exponential"], job["presigned_url"]
        return cls(
            name=compiled["name"],
            harm=Harm(
                **{
                    **harm,
                    "statuses": frozenset(ExecutionStatus(each) for each in harm["statuses"]),
                }
            ),
            pace=Pace(
                **{
                    **pace,
                    "mode": PaceMode(pace["mode"]),
                    "exponential": None if exponential is None else ExponentialRate(**exponential),
                }
            ),
            job=JobDefaults(
                **{
                    **job,
                    "presigned_url": None if presigned is None else PresignedUrl(**presigned),
                }
            ),
        )
