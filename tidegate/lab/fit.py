"""
Fits a fleet to the executions of a rollout that has been: delays, failures, and who was offline.

What had not ended when the executions were listed counts as that and no more: a device that has
been at work for an hour is known to take more than an hour. Aalen and Johansen's estimate weighs
it so; for things that can end in one way only, it is Kaplan and Meier's.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary
from tidegate.domain.settings import TIMEOUT_MINUTES_MAX, TIMEOUT_MINUTES_MIN
from tidegate.errors import Refused
from tidegate.lab.delays import DelayLaw, QuantileTable
from tidegate.lab.fleet import NOW, Baseline, FailureKind, Failures, Fleet, Offline
from tidegate.lab.model import LATE_AFTER_MINUTES

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

#: Where delays are tabled; linear between.
TABLE_SHARES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)

#: The in-progress timeout where none can be seen, in minutes; longer if a device took longer.
TIMEOUT_MINUTES_UNSEEN = 60

#: A delay that is as good as none that ends: of a million, one does, after a week.
NEVER = QuantileTable((0.0, 1e-6), (0.0, float(TIMEOUT_MINUTES_MAX)))

#: A table of what comes of a smaller share than this would have no digits to tell points by.
_TABLED_MIN = 0.001

#: Digits after the point: of minutes, and of shares, which are written in percent.
_MINUTE_DIGITS = 2
_SHARE_DIGITS = 6

#: How a device that took the job up ends; whatever else is its status, its end is not known.
_ENDS = (ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT)
_SUCCEEDED, _FAILED, _TIMED_OUT = range(len(_ENDS))
_UNKNOWN = -1
_RESPONDED = 0


@dataclass(frozen=True, slots=True)
class Fit:
    """
    A fleet, and what it rests on.

    Attributes:
        fleet: As it was in that rollout, which is its baseline.
        things: Things listed.
        by_status: Of them, by status.
        censored_waiting: Things that had not taken the job up when last heard of.
        censored_working: Things that had, and whose end is not known.
        is_timeout_seen: Whether an execution timed out, and so tells the timeout.
    """

    fleet: Fleet
    things: int
    by_status: dict[ExecutionStatus, int]
    censored_waiting: int
    censored_working: int
    is_timeout_seen: bool


@dataclass(frozen=True, slots=True)
class _Spans:
    """
    Spans of time, one for each thing.

    Attributes:
        minutes: How long each lasted, or had lasted when it was last looked at.
        codes: How each ended; _UNKNOWN if it had not.
    """

    minutes: Floats
    codes: Codes

    def curve(self, code: int) -> tuple[Floats, Floats]:
        """Return when things ended in one way, and the share that had by then."""
        order = np.lexsort((self.codes == _UNKNOWN, self.minutes))
        minutes, codes = self.minutes[order], self.codes[order]
        at_risk = np.arange(len(codes), 0, -1)
        left = np.cumprod(np.where(codes == _UNKNOWN, 1.0, 1.0 - 1.0 / at_risk))
        left_before = np.concatenate(([1.0], left[:-1]))
        ended = codes == code
        return minutes[ended], np.cumsum((left_before / at_risk)[ended])

    def share(self, code: int) -> float:
        """Return the share that ends in one way."""
        _, shares = self.curve(code)
        return float(shares[-1]) if len(shares) else 0.0

    @property
    def unknown(self) -> int:
        """How many have no end."""
        return int((self.codes == _UNKNOWN).sum())


def fit(
    executions: Sequence[ExecutionSummary],
    *,
    source: str,
    name: str,
    size: int | None = None,
    timeout_minutes: int | None = None,
) -> Fit:
    """
    Fit a fleet.

    Args:
        executions: One of each thing; the latest change among them is taken for the time at which
            they were listed.
        source: What to call them in messages.
        name: The fleet's.
        size: The fleet's; as many as there are things if None.
        timeout_minutes: The job's in-progress timeout; that of executions that timed out if None.

    Raises:
        Refused: No device succeeded, so there is nothing to learn from.
    """
    by_status = Counter(each.status for each in executions)
    if not by_status[ExecutionStatus.SUCCEEDED]:
        message = (
            f"{source}: no execution is SUCCEEDED, so nothing tells how long an update takes: give "
            "those of a rollout that went well"
        )
        raise Refused(message)
    listed_at = max(each.updated_at for each in executions)
    waits, work = _waits(executions, listed_at), _work(executions, listed_at)
    rejected = by_status[ExecutionStatus.REJECTED]
    start, offline = _starts(waits)
    fleet = Fleet(
        name=name,
        size=size or len(executions),
        timeout_minutes=timeout_minutes or _timeout_minutes(work),
        start=start,
        success=_table(*work.curve(_SUCCEEDED)),
        failures=_failures(work, rejected / (rejected + len(work.codes))),
        offline=offline,
        baseline=_baseline(by_status),
    )
    return Fit(
        fleet=fleet,
        things=len(executions),
        by_status=dict(by_status),
        censored_waiting=waits.unknown,
        censored_working=work.unknown,
        is_timeout_seen=by_status[ExecutionStatus.TIMED_OUT] > 0,
    )


def _waits(executions: Sequence[ExecutionSummary], listed_at: float) -> _Spans:
    """Return how long things took to respond to their notification: to start, or to reject."""
    responses = [_response(each) for each in executions]
    until = [
        response if response is not None else _last_look(each, listed_at)
        for each, response in zip(executions, responses, strict=True)
    ]
    codes = [_UNKNOWN if response is None else _RESPONDED for response in responses]
    return _Spans(_minutes([each.queued_at for each in executions], until), np.array(codes))


def _work(executions: Sequence[ExecutionSummary], listed_at: float) -> _Spans:
    """Return how long things that took the job up were at work, and how that ended."""
    taken_up = [each for each in executions if _has_started(each)]
    # What reports nothing but its end has started then, as far as anybody knows.
    since = [each.updated_at if each.started_at is None else each.started_at for each in taken_up]
    until = [
        each.updated_at if each.status in _ENDS else _last_look(each, listed_at)
        for each in taken_up
    ]
    codes = [_ENDS.index(each.status) if each.status in _ENDS else _UNKNOWN for each in taken_up]
    return _Spans(_minutes(since, until), np.array(codes))


def _has_started(execution: ExecutionSummary) -> bool:
    return execution.started_at is not None or execution.status in _ENDS


def _response(execution: ExecutionSummary) -> float | None:
    if execution.started_at is not None:
        return execution.started_at
    has_responded = execution.status in (*_ENDS, ExecutionStatus.REJECTED)
    return execution.updated_at if has_responded else None


def _last_look(execution: ExecutionSummary, listed_at: float) -> float:
    """Return until when a thing is known not to have gone on: canceled ones only until then."""
    is_over = execution.status in (ExecutionStatus.CANCELED, ExecutionStatus.REMOVED)
    return execution.updated_at if is_over else listed_at


def _minutes(since: Sequence[float], until: Sequence[float]) -> Floats:
    # Clocks differ by a little; nothing ends before it begins.
    seconds: Floats = np.maximum(np.array(until) - np.array(since), 0.0)
    return seconds / 60


def _starts(waits: _Spans) -> tuple[QuantileTable, Offline | None]:
    """Return the delays of things that were online, and those that were not."""
    minutes, shares = waits.curve(_RESPONDED)
    prompt = minutes < LATE_AFTER_MINUTES
    # Where nobody was prompt, those that came first were the ones online.
    prompt[0] = True
    online = float(shares[prompt][-1])
    start = _table(minutes[prompt], shares[prompt])
    offline = round(1 - online, _SHARE_DIGITS)
    if not offline:
        return start, None
    if prompt.all() or float(shares[-1]) - online < _TABLED_MIN * (1 - online):
        return start, Offline(offline, NEVER)
    return start, Offline(
        offline, _table(minutes[~prompt], shares[~prompt] - online, of=1 - online)
    )


def _failures(work: _Spans, rejected_share: float) -> Failures:
    """Return how devices fail, of those whose end is known."""
    succeeded, failed, timed_out = (work.share(code) for code in range(len(_ENDS)))
    started_share = (1 - rejected_share) / (succeeded + failed + timed_out)
    shares = {
        ExecutionStatus.FAILED: failed * started_share,
        ExecutionStatus.TIMED_OUT: timed_out * started_share,
        ExecutionStatus.REJECTED: rejected_share,
    }
    rate = sum(shares.values())
    if not rate:
        # A release to come may fail though this one did not: then as its successes went.
        shares[ExecutionStatus.FAILED] = 1.0
    delay = _table(*work.curve(_FAILED if failed else _SUCCEEDED))
    return Failures(
        round(rate, _SHARE_DIGITS),
        tuple(
            FailureKind(status, share, delay if status is ExecutionStatus.FAILED else NOW)
            for status, share in _whole(shares).items()
        ),
    )


def _whole(shares: Mapping[ExecutionStatus, float]) -> dict[ExecutionStatus, float]:
    """Return parts of 1 in the digits that are written, adding up to 1; the largest gives way."""
    in_all, largest = sum(shares.values()), max(shares, key=lambda status: shares[status])
    parts = {status: round(share / in_all, _SHARE_DIGITS) for status, share in shares.items()}
    parts[largest] = round(1 - sum(parts.values()) + parts[largest], _SHARE_DIGITS)
    return {status: part for status, part in parts.items() if part}


def _baseline(by_status: Counter[ExecutionStatus]) -> Baseline:
    harmed = by_status[ExecutionStatus.FAILED] + by_status[ExecutionStatus.TIMED_OUT]
    return Baseline(harmed, harmed + by_status[ExecutionStatus.SUCCEEDED])


def _timeout_minutes(work: _Spans) -> int:
    """Return after how long executions timed out; longer than any took, if none did."""
    timed_out = work.minutes[work.codes == _TIMED_OUT]
    if len(timed_out):
        return max(TIMEOUT_MINUTES_MIN, round(float(np.median(timed_out))))
    longest = int(work.minutes.max()) + 1
    return min(max(longest, TIMEOUT_MINUTES_UNSEEN), TIMEOUT_MINUTES_MAX)


def _table(minutes: Floats, shares: Floats, of: float | None = None) -> QuantileTable:
    """
    Return delays as a table.

    Args:
        minutes: When things happened, increasing.
        shares: The share to which they had then.
        of: What the shares are of; what they lack of it never comes. By default, all comes.
    """
    reached = float(shares[-1])
    at = np.interp(
        TABLE_SHARES,
        np.concatenate(([0.0], shares / reached)),
        np.concatenate((minutes[:1], minutes)),
    )
    whole = 1.0 if of is None else reached / of
    return QuantileTable(
        shares=tuple(round(share * whole, _SHARE_DIGITS) for share in TABLE_SHARES),
        minutes=tuple(min(round(float(each), _MINUTE_DIGITS), TIMEOUT_MINUTES_MAX) for each in at),
    )


def to_yaml(fitted: Fit) -> str:
    """Return the fleet as people write it, headed by what it rests on; ``read_fleet`` reads it."""
    fleet = fitted.fleet
    lines = [f"# {line}" for line in _basis(fitted)]
    lines += [
        f"name: {json.dumps(fleet.name)}",
        f"size: {fleet.size}",
        f"timeout: {fleet.timeout_minutes}m",
        f"start: {_law(fleet.start)}",
        f"success: {_law(fleet.success)}",
        "failures:",
        f"  rate: {_percent(fleet.failures.rate)}",
        "  kinds:",
    ]
    for kind in fleet.failures.kinds:
        delay = f", delay: {_law(kind.delay)}" if kind.status is ExecutionStatus.FAILED else ""
        lines.append(f"    - {{status: {kind.status}, share: {_percent(kind.share)}{delay}}}")
    if fleet.offline:
        lines += ["offline:", f"  share: {_percent(fleet.offline.share)}"]
        lines.append(f"  start: {_law(fleet.offline.start)}")
    baseline = fleet.baseline
    lines.append(f"baseline: {{started: {baseline.started}, harmed: {baseline.harmed}}}")
    return "\n".join(lines) + "\n"


def _basis(fitted: Fit) -> Iterator[str]:
    found = ", ".join(f"{number} {status}" for status, number in sorted(fitted.by_status.items()))
    yield f"Fitted to the executions of a rollout: {found}."
    yield (
        f"Not responded when last heard of: {fitted.censored_waiting}; still at work: "
        f"{fitted.censored_working}. Each counts as taking longer than it had by then."
    )
    yield "Delays are in minutes, by the share of devices that take no longer."
    if not fitted.is_timeout_seen:
        yield "None timed out, so the timeout is a guess: write the job's own."


def _law(law: DelayLaw) -> str:
    assert isinstance(law, QuantileTable), law
    points = ", ".join(
        f"{_percent(share)}: {minutes:.{_MINUTE_DIGITS}f}"
        for share, minutes in zip(law.shares, law.minutes, strict=True)
    )
    return f"{{quantiles: {{{points}}}}}"


def _percent(share: float) -> str:
    return f"{100 * share:.{_SHARE_DIGITS - 2}f}".rstrip("0").rstrip(".") + "%"
