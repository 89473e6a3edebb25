"""A fleet is fitted to the executions of a rollout, those without an end included."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary
from tidegate.errors import Refused
from tidegate.lab.delays import DelayLaw, QuantileTable
from tidegate.lab.executions import read_executions
from tidegate.lab.fit import Fit, fit, to_yaml
from tidegate.lab.fleet import read_fleet

BEGAN = 1_790_000_000.0

START_MEAN_MINUTES = 1.5
SUCCESS_MEDIAN_MINUTES, SUCCESS_SIGMA = 8.0, 0.6
FAILURE_MEDIAN_MINUTES, FAILURE_SIGMA = 3.0, 0.3
TIMEOUT_MINUTES = 60.0
OFFLINE_SHARE, NEVER_SHARE = 0.1, 0.04
REJECTED_SHARE, FAILED_SHARE, SILENT_SHARE = 0.02, 0.06, 0.04


def things(number: int, *, listed_after_minutes: float) -> Iterator[dict[str, Any]]:
    """
    Yield what AWS lists of things that were notified over two hours.

    Each is online or not, rejects, fails, goes silent or succeeds by chance; what happens after the
    list is made is not in it.
    """
    rng = np.random.default_rng(5)
    for index in range(number):
        queued = 120 * index / number
        luck, offline = rng.random(), rng.random()
        start = queued + rng.exponential(START_MEAN_MINUTES)
        if offline < OFFLINE_SHARE:
            start = queued + 30 + rng.exponential(60.0)
        if offline < NEVER_SHARE:
            start = np.inf
        end, status = _end(luck, rng)
        yield _listed(index, queued, start, start + end, status, until=listed_after_minutes)


def _end(luck: float, rng: np.random.Generator) -> tuple[float, str]:
    if luck < REJECTED_SHARE:
        return 0.0, "REJECTED"
    if luck < REJECTED_SHARE + FAILED_SHARE:
        return rng.lognormal(np.log(FAILURE_MEDIAN_MINUTES), FAILURE_SIGMA), "FAILED"
    if luck < REJECTED_SHARE + FAILED_SHARE + SILENT_SHARE:
        return TIMEOUT_MINUTES, "TIMED_OUT"
    took = rng.lognormal(np.log(SUCCESS_MEDIAN_MINUTES), SUCCESS_SIGMA)
    return (took, "SUCCEEDED") if took < TIMEOUT_MINUTES else (TIMEOUT_MINUTES, "TIMED_OUT")


def _listed(
    index: int, queued: float, start: float, end: float, status: str, *, until: float
) -> dict[str, Any]:
    started: float | None = start
    if start > until:
        started, end, status = None, queued, "QUEUED"
    elif end > until:
        end, status = start, "IN_PROGRESS"
    elif status == "REJECTED":
        started = None
    summary: dict[str, Any] = {
        "status": status,
        "queuedAt": stamp(queued),
        "lastUpdatedAt": stamp(end),
        "executionNumber": 1,
        "retryAttempt": 0,
    }
    if started is not None:
        summary["startedAt"] = stamp(started)
    return {
        "thingArn": f"arn:aws:iot:eu-west-1:123456789012:thing/thing-{index}",
        "jobExecutionSummary": summary,
    }


def stamp(minutes: float) -> str:
    """Return a time as AWS's command line prints it."""
    return datetime.fromtimestamp(BEGAN + 60 * minutes, UTC).isoformat()


def fitted(number: int = 20_000, *, listed_after_minutes: float = 1000.0) -> Fit:
    """Return the fleet that is fitted to a rollout that was listed at some time."""
    rows = list(things(number, listed_after_minutes=listed_after_minutes))
    executions = read_executions(json.dumps({"executionSummaries": rows}), source="e.json")
    return fit(executions, source="e.json", name="fitted")


def quantile(law: DelayLaw, share: float) -> float:
    """Return the delay within which a share of those are through that ever are."""
    assert isinstance(law, QuantileTable)
    return float(np.interp(share * law.shares[-1], law.shares, law.minutes))


def execution(status: str, *minutes: float, name: str = "thing") -> ExecutionSummary:
    """Return an execution that was queued at 0, started and ended at some minutes."""
    times = [BEGAN + 60 * each for each in minutes]
    return ExecutionSummary(
        thing_name=name,
        status=ExecutionStatus(status),
        queued_at=BEGAN,
        updated_at=times[-1] if times else BEGAN,
        started_at=times[0] if len(times) > 1 else None,
    )


@pytest.mark.parametrize("listed_after_minutes", [1000.0, 130.0])
def test_delays_come_out_as_they_were(listed_after_minutes: float) -> None:
    """Whether all has ended or much is under way, the delays of the devices are found."""
    fleet = fitted(listed_after_minutes=listed_after_minutes).fleet

    for share, deviations in ((0.1, -1.2816), (0.5, 0.0), (0.9, 1.2816)):
        success = SUCCESS_MEDIAN_MINUTES * np.exp(SUCCESS_SIGMA * deviations)
        assert quantile(fleet.success, share) == pytest.approx(success, rel=0.05)
        start = -START_MEAN_MINUTES * np.log(1 - share)
        assert quantile(fleet.start, share) == pytest.approx(start, rel=0.05, abs=0.02)
    (failed,) = [kind for kind in fleet.failures.kinds if kind.status == "FAILED"]
    assert quantile(failed.delay, 0.5) == pytest.approx(FAILURE_MEDIAN_MINUTES, rel=0.05)


@pytest.mark.parametrize("listed_after_minutes", [1000.0, 200.0])
def test_failures_come_out_as_they_were(listed_after_minutes: float) -> None:
    """The failure rate and its kinds are those of devices whose end is known."""
    fleet = fitted(listed_after_minutes=listed_after_minutes).fleet

    shares = {kind.status: kind.share * fleet.failures.rate for kind in fleet.failures.kinds}

    assert shares[ExecutionStatus.FAILED] == pytest.approx(FAILED_SHARE, rel=0.1)
    assert shares[ExecutionStatus.TIMED_OUT] == pytest.approx(SILENT_SHARE, rel=0.1)
    assert shares[ExecutionStatus.REJECTED] == pytest.approx(REJECTED_SHARE, rel=0.15)
    assert sum(kind.share for kind in fleet.failures.kinds) == pytest.approx(1, abs=1e-12)
    assert fleet.timeout_minutes == TIMEOUT_MINUTES


def test_devices_that_were_offline_are_told_apart() -> None:
    """Who came half an hour late or never is offline; the share that never came never comes."""
    offline = fitted().fleet.offline

    assert offline
    assert offline.share == pytest.approx(OFFLINE_SHARE, rel=0.1)
    law = offline.start
    assert isinstance(law, QuantileTable)
    assert law.shares[-1] == pytest.approx(1 - NEVER_SHARE / OFFLINE_SHARE, rel=0.1)
    assert law.minutes[0] >= 30


def test_what_had_not_ended_is_counted_as_that() -> None:
    """The fit says how many things it knows only in part."""
    early = fitted(2000, listed_after_minutes=60.0)

    assert early.censored_waiting == early.by_status[ExecutionStatus.QUEUED] > 0
    assert early.censored_working == early.by_status[ExecutionStatus.IN_PROGRESS] > 0
    assert early.things == 2000


def test_things_at_work_for_long_make_delays_longer() -> None:
    """A device that was at work for half an hour is known to be none of the quick ones."""
    ended = [execution("SUCCEEDED", 1, 11, name="a"), execution("SUCCEEDED", 1, 61, name="b")]
    at_work = execution("CANCELED", 1, 31, name="c")

    alone = fit(ended, source="e", name="x")
    among = fit([*ended, at_work], source="e", name="x")

    assert among.censored_working == 1
    assert quantile(alone.fleet.success, 0.5) == 10
    assert quantile(among.fleet.success, 0.5) > 20


def test_a_canceled_thing_tells_nothing_of_the_time_after() -> None:
    """Who was canceled while waiting counts as waiting until then, not until the list was made."""
    known = [execution("SUCCEEDED", 1, 100, name="a"), execution("CANCELED", 0.5, name="b")]

    result = fit(known, source="e", name="x")

    assert result.censored_waiting == 1
    assert result.fleet.offline is None


def test_the_fleet_reads_back() -> None:
    """The YAML that is printed is a fleet: the very one that was fitted."""
    result = fitted(500)
    text = to_yaml(result)

    assert read_fleet(text, "fitted.yaml") == result.fleet
    assert text.startswith("# Fitted to the executions of a rollout: ")


@pytest.mark.parametrize(
    "executions",
    [
        [execution("SUCCEEDED", 1, 5)],
        [execution("SUCCEEDED", 7)],
        [execution("SUCCEEDED", 45, 50)],
        [execution("SUCCEEDED", 1, 5), execution("QUEUED", 0, name="b")],
        [execution("SUCCEEDED", 1, 5), execution("REJECTED", 2, name="b")],
        [execution("SUCCEEDED", 1, 20_000)],
        [execution("SUCCEEDED", 5, 4)],
        [
            *(execution("SUCCEEDED", 1, 5, name=f"s{index}") for index in range(7)),
            execution("FAILED", 1, 9, name="f"),
            execution("TIMED_OUT", 1, 91, name="t"),
            execution("REJECTED", 1, name="r"),
        ],
    ],
)
def test_few_executions_make_a_fleet_too(executions: list[ExecutionSummary]) -> None:
    """However little there is to learn from, what is printed is a fleet that reads back."""
    result = fit(executions, source="e", name="few")

    assert read_fleet(to_yaml(result), "few.yaml") == result.fleet


def test_size_and_timeout_may_be_given() -> None:
    """What is known better than the executions tell is taken as given."""
    result = fit(
        [execution("SUCCEEDED", 1, 5)], source="e", name="x", size=1000, timeout_minutes=90
    )

    assert (result.fleet.size, result.fleet.timeout_minutes) == (1000, 90)


def test_a_guessed_timeout_is_called_one() -> None:
    """Where nothing timed out, the YAML asks for the job's own timeout."""
    assert "the timeout is a guess" in to_yaml(
        fit([execution("SUCCEEDED", 1, 5)], source="e", name="x")
    )
    assert "guess" not in to_yaml(fitted(500))


def test_without_a_success_there_is_nothing_to_learn() -> None:
    """Failures alone do not tell how long an update takes, and the message says so."""
    with pytest.raises(Refused, match=r"^e\.json: no execution is SUCCEEDED"):
        fit([execution("FAILED", 1, 5)], source="e.json", name="x")
