"""Fleets to try rules on: good and bad releases, failures fast and late, spread and gathered."""

from dataclasses import replace

from tidegate.domain.jobs import ExecutionStatus
from tidegate.lab.delays import Exponential, Fixed, LogNormal
from tidegate.lab.fleet import (
    Baseline,
    Cohort,
    Drift,
    FailureKind,
    Failures,
    Fleet,
    Offline,
)

SIZE = 100_000

#: Shares of ten hardware revisions; the first is the one that a release may fail on.
_REVISION_SHARES = (0.02, 0.03, 0.05, 0.05, 0.07, 0.08, 0.10, 0.12, 0.18, 0.30)
_REVISIONS = tuple(
    Cohort(f"revision-{number}", share) for number, share in enumerate(_REVISION_SHARES, start=1)
)

_SOME_REPORT = (
    FailureKind(ExecutionStatus.FAILED, 0.3, LogNormal(12.0, 0.5)),
    FailureKind(ExecutionStatus.TIMED_OUT, 0.7),
)
_NONE_REPORTS = (FailureKind(ExecutionStatus.TIMED_OUT, 1.0),)
_ALL_REPORT_AT_ONCE = (FailureKind(ExecutionStatus.FAILED, 1.0, Fixed(1.0)),)

_GOOD_RATE = 0.005
_GOOD = Fleet(
    name="good",
    size=SIZE,
    timeout_minutes=60,
    start=Exponential(1.5),
    # None slower than the timeout, which would add to the failure rate.
    success=LogNormal(8.0, 0.6, longest_minutes=60.0),
    failures=Failures(_GOOD_RATE, _SOME_REPORT),
    offline=Offline(0.1, Exponential(240.0)),
    cohorts=_REVISIONS,
    baseline=Baseline(50, 10_000),
)
_BAD_REVISION = (replace(_REVISIONS[0], failure_rate=0.9), *_REVISIONS[1:])


def _failing(name: str, rate: float, kinds: tuple[FailureKind, ...] = _SOME_REPORT) -> Fleet:
    return replace(_GOOD, name=name, failures=Failures(rate, kinds))


#: By name, each with 100,000 devices; ``Fleet.with_size`` makes it another number.
SCENARIOS = {
    fleet.name: fleet
    for fleet in (
        _GOOD,
        replace(_GOOD, name="good-offline", offline=Offline(0.1, Exponential(240.0), 0.05)),
        _failing("tolerated", 0.02),
        _failing("tolerated-fast", 0.02, _ALL_REPORT_AT_ONCE),
        _failing("bad-5", 0.05),
        _failing("bad-20", 0.20),
        _failing("bad-60", 0.60),
        _failing("late-20", 0.20, _NONE_REPORTS),
        replace(_GOOD, name="cohort", cohorts=_BAD_REVISION),
        replace(_GOOD, name="drift", drift=(Drift(0.2, 0.20),)),
        replace(_GOOD, name="dark", dark=0.10),
    )
}

#: What each scenario is, for people.
TITLES = {
    "good": "good: 0.5 % fail",
    "good-offline": "good: 0.5 % fail, of offline devices 5 %",
    "tolerated": "tolerated: 2 % fail",
    "tolerated-fast": "tolerated: 2 % fail, each after a minute",
    "bad-5": "bad: 5 % fail",
    "bad-20": "bad: 20 % fail",
    "bad-60": "bad: 60 % fail",
    "late-20": "bad: 20 % go silent",
    "cohort": "one revision of ten, 2 % of the fleet, fails at 90 %",
    "drift": "good, but from a fifth of the fleet on 20 % fail",
    "dark": "good by all reports, but 10 % of what succeeds goes dark",
}
