"""
A fleet in the lab, and how it fares with a release: sizes, shares, delays and failures.

Which failure rate a device has is decided when it is notified: its cohort's own if there is one,
else the one that a drift point passed has set, else, if it is offline, that of offline devices,
else the fleet's.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tidegate.documents.faults import DocumentError, Fault, Path, in_order
from tidegate.documents.quantities import (
    DelayMinutes,
    Share,
    TimeoutMinutes,
    matching,
    refuse,
)
from tidegate.documents.reading import ANY, Sections, validated
from tidegate.documents.shapes import POLICY_NAME, shown
from tidegate.documents.yaml_text import read_yaml
from tidegate.domain.jobs import ExecutionStatus
from tidegate.lab.delays import DelayLaw, Exponential, Fixed, LogNormal, QuantileTable, Uniform
from tidegate.lab.rule import Plan

#: Devices that belong to no cohort of their own.
REST = "rest"

#: Devices of a fleet.
SIZE_MAX = 10_000_000

#: AWS runs a failed execution again at most this often.
RETRIES_MAX = 10

#: With this sigma, one delay in forty is twenty thousand times the median.
SIGMA_MAX = 5.0
SIGMA_MIN = 0.001

#: Of a fleet's text, comments included.
FLEET_CHARACTERS_MAX = 65_536

#: Shares are sums of decimals; this much they may be off.
_TOLERANCE = 1e-9

#: Thirds are written with a few digits: this much all kinds of failure may be off together.
_ROUNDING = 1e-4

_DECIMAL = re.compile(r"[0-9]+(?:\.[0-9]+)?")

#: No delay at all.
NOW = Fixed(0.0)


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
    delay: DelayLaw = NOW


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
        dark: Share of the devices that report success and are never heard of again.
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
    dark: float = 0.0

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


class FleetError(DocumentError):
    """A fleet cannot be taken as it is written."""


def read_fleet(text: str, source: str) -> Fleet:
    """
    Return the fleet in a YAML text.

    Args:
        text: YAML 1.2; ``fleets/reference.yaml`` shows what can be said.
        source: What to call the text in messages: a file's name, as a rule.

    Raises:
        FleetError: Something is wrong; every fault is told with its line and column.
    """
    if len(text) > FLEET_CHARACTERS_MAX:
        message = f"{len(text)} characters, but at most {FLEET_CHARACTERS_MAX} are read: shorten it"
        raise FleetError(source, [Fault("", None, None, message)])
    tree = read_yaml(text)
    faults = list(tree.faults)
    if tree.is_readable:
        document, findings = validated(tree.value, _FleetSection, _SECTIONS)
        faults += tree.placed(findings)
        if document is not None and not faults:
            return document.compile()
    raise FleetError(source, in_order(faults))


def _number(value: object) -> float | None:
    """Return a number, None for anything else; true and false are none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _read_sigma(value: object) -> float:
    sigma = _number(value)
    if sigma is None or not SIGMA_MIN <= sigma <= SIGMA_MAX:
        refuse(
            f"{shown(value)}, but a number from {SIGMA_MIN:g} to {SIGMA_MAX:g} is needed: "
            "write it like 0.6"
        )
    return sigma


def _whole_numbers(low: int, high: int, example: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        number = _number(value)
        if number is None or not low <= number <= high or number != int(number):
            refuse(
                f"{shown(value)}, but a whole number from {low} to {high} is needed: "
                f"write it like {example}"
            )
        return int(number)

    return read


def _number_in_key(key: object) -> object:
    """Return a key as the number that it is in YAML, where it is one."""
    return float(key) if isinstance(key, str) and _DECIMAL.fullmatch(key) else key


def _above_zero(minutes: float) -> float:
    if not minutes:
        refuse("0 minutes, but it takes some time: write fixed: 0 if it takes none")
    return minutes


_Above0 = Annotated[DelayMinutes, AfterValidator(_above_zero)]
_Size = Annotated[int, PlainValidator(_whole_numbers(1, SIZE_MAX, 100_000))]
_Count = Annotated[int, PlainValidator(_whole_numbers(0, SIZE_MAX, 50))]
_Retries = Annotated[int, PlainValidator(_whole_numbers(0, RETRIES_MAX, 2))]
_Sigma = Annotated[float, PlainValidator(_read_sigma)]
_TableShare = Annotated[Share, BeforeValidator(_number_in_key)]
_Name = Annotated[
    str,
    PlainValidator(matching(POLICY_NAME, "write 1 to 64 letters, digits or any of _ . -")),
]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _LogNormalSection(_Section):
    median: _Above0
    sigma: _Sigma
    longest: _Above0 = math.inf

    @field_validator("longest")
    @classmethod
    def _not_below_the_median(cls, value: float, info: ValidationInfo) -> float:
        median = info.data.get("median")
        if median is not None and value < median:
            refuse(f"{value:g} minutes, but the median is {median:g}: raise it, or leave it out")
        return value

    def compile(self) -> DelayLaw:
        return LogNormal(self.median, self.sigma, self.longest)


class _UniformSection(_Section):
    low: DelayMinutes
    high: _Above0

    @field_validator("high")
    @classmethod
    def _not_below_the_low(cls, value: float, info: ValidationInfo) -> float:
        low = info.data.get("low")
        if low is not None and value <= low:
            refuse(f"{value:g} minutes, but low is {low:g}: raise it, or write fixed")
        return value

    def compile(self) -> DelayLaw:
        return Uniform(self.low, self.high)


class _DelaySection(_Section):
    fixed: DelayMinutes | None = None
    exponential: _Above0 | None = None
    lognormal: _LogNormalSection | None = None
    uniform: _UniformSection | None = None
    quantiles: dict[_TableShare, DelayMinutes] | None = None

    @field_validator("quantiles")
    @classmethod
    def _goes_up(cls, value: dict[float, float]) -> dict[float, float]:
        points = [(0.0, 0.0), *value.items()] if 0 not in value else list(value.items())
        if len(points) == 1:
            refuse("a table of nothing, but points are needed: write it like {50%: 8m, 100%: 40m}")
        for (share, minutes), (next_share, next_minutes) in pairwise(points):
            if next_share <= share or next_minutes < minutes:
                refuse(
                    f"{next_share:.6g} of all within {next_minutes:g} minutes after {share:.6g} "
                    f"within {minutes:g}: let shares grow, and minutes with them"
                )
        return dict(points)

    @model_validator(mode="after")
    def _one_law(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            refuse(
                f"one law of delays is needed, but found {found}: write one of "
                f"{', '.join(type(self).model_fields)}"
            )
        return self

    def compile(self) -> DelayLaw:
        if self.fixed is not None:
            return Fixed(self.fixed)
        if self.exponential is not None:
            return Exponential(self.exponential)
        if self.quantiles is not None:
            return QuantileTable(tuple(self.quantiles), tuple(self.quantiles.values()))
        law = self.lognormal or self.uniform
        assert law is not None, self
        return law.compile()


_FAILING = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT, ExecutionStatus.REJECTED)


def _read_status(value: object) -> ExecutionStatus:
    if not isinstance(value, str) or value not in _FAILING:
        refuse(f"{shown(value)}, but devices fail in three ways: write {', '.join(_FAILING)}")
    return ExecutionStatus(value)


class _KindSection(_Section):
    status: Annotated[ExecutionStatus, PlainValidator(_read_status)]
    share: Share
    delay: _DelaySection | None = None

    @model_validator(mode="after")
    def _delay_where_it_is_one(self) -> Self:
        if self.status is ExecutionStatus.FAILED and self.delay is None:
            refuse("FAILED without a delay: write how long devices take to report it")
        if self.status is ExecutionStatus.TIMED_OUT and self.delay is not None:
            refuse("TIMED_OUT with a delay, but it comes with the timeout: leave delay out")
        return self

    def compile(self, of: float) -> FailureKind:
        delay = self.delay.compile() if self.delay else NOW
        return FailureKind(self.status, self.share / of, delay)


class _FailuresSection(_Section):
    rate: Share
    mended: Share = 0.0
    kinds: list[_KindSection]

    @field_validator("kinds")
    @classmethod
    def _whole(cls, value: list[_KindSection]) -> list[_KindSection]:
        in_all = sum(kind.share for kind in value)
        if abs(in_all - 1) > _ROUNDING:
            refuse(f"the shares add up to {in_all:.6g}, but all failures are 1: adjust them")
        return value

    def compile(self) -> Failures:
        in_all = sum(kind.share for kind in self.kinds)
        return Failures(self.rate, tuple(kind.compile(in_all) for kind in self.kinds), self.mended)


class _OfflineSection(_Section):
    share: Share
    start: _DelaySection
    failure_rate: Share | None = None

    def compile(self) -> Offline:
        return Offline(self.share, self.start.compile(), self.failure_rate)


class _CohortSection(_Section):
    name: _Name
    share: Share | None = None
    size: _Count | None = None
    failure_rate: Share | None = None

    @model_validator(mode="after")
    def _share_or_size(self) -> Self:
        if (self.share is None) == (self.size is None):
            found = "neither is" if self.share is None else "both are"
            refuse(f"one of share and size is needed, but {found} given")
        if self.name == REST:
            refuse(f"{REST} is what the cohorts leave over: choose another name")
        return self

    def share_of(self, fleet_size: int) -> float:
        return self.size / fleet_size if self.size is not None else self.share or 0.0


class _DriftSection(_Section):
    after: Share
    failure_rate: Share


class _BaselineSection(_Section):
    started: _Count
    harmed: _Count

    @field_validator("harmed")
    @classmethod
    def _not_more_than_started(cls, value: int, info: ValidationInfo) -> int:
        started = info.data.get("started")
        if started is not None and value > started:
            refuse(f"{value}, but only {started} started: write at most that")
        return value


class _FleetSection(_Section):
    name: _Name
    size: _Size
    timeout: TimeoutMinutes
    retries: _Retries = 0
    dark: Share = 0.0
    start: _DelaySection
    success: _DelaySection
    failures: _FailuresSection
    offline: _OfflineSection | None = None
    cohorts: list[_CohortSection] = []
    drift: list[_DriftSection] = []
    baseline: _BaselineSection | None = None

    @field_validator("cohorts")
    @classmethod
    def _not_more_than_all(
        cls, value: list[_CohortSection], info: ValidationInfo
    ) -> list[_CohortSection]:
        names = [cohort.name for cohort in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            refuse(f"{', '.join(twice)} stands here twice: give each cohort a name of its own")
        size = info.data.get("size")
        in_all = sum(cohort.share_of(size) for cohort in value) if size else 0.0
        if in_all > 1 + _TOLERANCE:
            refuse(f"the shares add up to {in_all:.6g}, but all devices are 1: lower them")
        return value

    @field_validator("drift")
    @classmethod
    def _one_after_the_other(cls, value: list[_DriftSection]) -> list[_DriftSection]:
        for drift, following in pairwise(value):
            if following.after <= drift.after:
                refuse(f"{following.after:.6g} after {drift.after:.6g}: write them in their order")
        return value

    def compile(self) -> Fleet:
        baseline = self.baseline
        return Fleet(
            name=self.name,
            size=self.size,
            timeout_minutes=self.timeout,
            start=self.start.compile(),
            success=self.success.compile(),
            failures=self.failures.compile(),
            offline=self.offline.compile() if self.offline else None,
            cohorts=tuple(
                Cohort(cohort.name, cohort.share_of(self.size), cohort.failure_rate)
                for cohort in self.cohorts
            ),
            drift=tuple(Drift(drift.after, drift.failure_rate) for drift in self.drift),
            baseline=Baseline(baseline.harmed, baseline.started) if baseline else Baseline(0, 0),
            retries=self.retries,
            dark=self.dark,
        )


def _delay_sections(*path: str | int) -> dict[Path, type[BaseModel]]:
    return {
        path: _DelaySection,
        (*path, "lognormal"): _LogNormalSection,
        (*path, "uniform"): _UniformSection,
    }


_SECTIONS: Sections = {
    (): _FleetSection,
    **_delay_sections("start"),
    **_delay_sections("success"),
    ("failures",): _FailuresSection,
    ("failures", "kinds", ANY): _KindSection,
    **_delay_sections("failures", "kinds", ANY, "delay"),
    ("offline",): _OfflineSection,
    **_delay_sections("offline", "start"),
    ("cohorts", ANY): _CohortSection,
    ("drift", ANY): _DriftSection,
    ("baseline",): _BaselineSection,
}
