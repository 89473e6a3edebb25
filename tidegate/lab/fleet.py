"""
A fleet in the lab, and how it fares with a release: sizes, shares, delays and failures.

Which failure rate a device has is decided when it is notified: its cohort's own if there is one,
else the one that a drift point passed has set, else, if it is offline, that of offline devices,
else the fleet's.
"""

from dataclasses import dataclass, field, replace

from tidegate.domain.jobs import ExecutionStatus
from tidegate.lab.delays import DelayLaw, Fixed
from tidegate.lab.rule import Plan

#: Devices that belong to no cohort of their own.
REST = "rest"

#: Shares are sums of decimals; this much they may be off.
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class FailureKind:
    """
    One way to fail.

    Attributes:
        status: FAILED, TIMED_OUT or REJECTED.
        share: Of all failures.
        delay: From the start to the report, and for REJECTED from when the device would have
            started; a device that times out says nothing, so that for TIMED_OUT it is not used.
    """

    status: ExecutionStatus
    share: float
    delay: DelayLaw = field(default=Fixed(0.0))


@dataclass(frozen=True, slots=True)
class Failures:
    """
    How devices fail.

    Attributes:
        rate: Share of devices whose first attempt fails.
        kinds: Whose shares add up to 1.
        mended: Share of failed attempts that a retry mends.
    """

    rate: float
    kinds: tuple[FailureKind, ...]
    mended: float = 0.0


@dataclass(frozen=True, slots=True)
class Offline:
    """
    Devices that are not reachable when they are notified.

    Attributes:
        share: Of the fleet.
        start: From the notification to the start.
        failure_rate: Their own, None if it is the fleet's.
    """

    share: float
    start: DelayLaw
    failure_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Cohort:
    """A named part of the fleet: its share, and its own failure rate if it has one."""

    name: str
    share: float
    failure_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """From when on devices fail at another rate: once this share of the fleet was notified."""

    after_share: float
    failure_rate: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the previous release did: it harmed some of those that took it up."""

    harmed: int
    started: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """
    Devices, and how they fare with a release.

    Attributes:
        name: What people call it.
        size: Devices in all.
        timeout_minutes: The job's in-progress timeout.
        start: From the notification of a device that is online to its start.
        success: From the start to the report; slower than the timeout, and it is TIMED_OUT.
        failures: How devices fail.
        offline: Devices that start late, if there are any.
        cohorts: Parts of the fleet; what they leave over is the cohort ``rest``.
        drift: Changes of the failure rate, in order of their shares.
        baseline: What the previous release did.
        retries: How often AWS runs a failed or timed-out execution again.
    """

    name: str
    size: int
    timeout_minutes: int
    start: DelayLaw
    success: DelayLaw
    failures: Failures
    offline: Offline | None = None
    cohorts: tuple[Cohort, ...] = ()
    drift: tuple[Drift, ...] = ()
    baseline: Baseline = Baseline(0, 0)
    retries: int = 0

    @property
    def parts(self) -> tuple[Cohort, ...]:
        """Cohorts that hold every device: the fleet's, and ``rest`` if they leave any over."""
        left_over = 1.0 - sum(cohort.share for cohort in self.cohorts)
        if left_over <= _TOLERANCE:
            return self.cohorts
        return (*self.cohorts, Cohort(REST, left_over))

    @property
    def cohort_sizes(self) -> tuple[int, ...]:
        """Devices of each part, none more than one off its share; they add up to the size."""
        exact = [part.share * self.size for part in self.parts]
        sizes = [int(devices + _TOLERANCE * self.size) for devices in exact]
        # Whole devices that rounding lost go to those that lost most of one.
        losses = sorted(range(len(exact)), key=lambda i: sizes[i] - exact[i])
        for index in losses[: self.size - sum(sizes)]:
            sizes[index] += 1
        return tuple(sizes)

    @property
    def plan(self) -> Plan:
        """What a rule is told before the rollout."""
        return Plan(
            fleet_size=self.size,
            cohorts=tuple(part.name for part in self.parts),
            cohort_sizes=self.cohort_sizes,
            timeout_minutes=self.timeout_minutes,
            baseline_harmed=self.baseline.harmed,
            baseline_started=self.baseline.started,
        )

    def with_failures(self, rate: float) -> "Fleet":
        """Return the same fleet with another failure rate where none of its own stands."""
        return replace(self, failures=replace(self.failures, rate=rate))

    def with_size(self, size: int) -> "Fleet":
        """Return a fleet of another size, with the same shares."""
        return replace(self, size=size)
