"""
Soaking: a device counts as good only if it is still there some time after its success.

The engine knows nothing of it: devices that soak are in flight to it, and those that went dark are
harmed. What is not known to be gone is present: a device that never connects by MQTT, or did not
when it succeeded, cannot be judged.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import CellKey, CounterKey, Vouched, VouchedKey
from tidegate.domain.policy import Harm
from tidegate.domain.rollout import Counts
from tidegate.domain.things import Presence

#: A device that took so long to pick the job up may be silent for twice as long by habit.
HABIT_TIMES = 2


@dataclass(frozen=True, slots=True)
class Judged:
    """
    What is known of a device at the end of its soak.

    Attributes:
        outcome: What became of it; None while that is not known.
        until: Epoch seconds at which to look again; None where nothing is left to be found out.
        is_told: Whether its connection says so; if not, it is present for want of anything else.
    """

    outcome: Vouched | None
    until: float | None = None
    is_told: bool = True


def judge(
    presence: Presence | None,
    *,
    since: float,
    soak_seconds: float,
    now: float,
    pickup_seconds: float = 0.0,
) -> Judged:
    """
    Return what to make of a device whose soak is over.

    Without a pickup time the answer is never too kind: only one that comes out dark need be asked
    for it, and judged anew.

    Args:
        presence: Its connection; None if it never connected by MQTT.
        since: Epoch seconds of its success.
        soak_seconds: How long it is to stay.
        now: Epoch seconds.
        pickup_seconds: From its notification to its start: how long it is silent by habit.
    """
    if presence is None:
        return Judged(Vouched.PRESENT, is_told=False)
    seen_late = presence.changed_at >= since + soak_seconds / 2
    if presence.is_connected or seen_late:
        return Judged(Vouched.PRESENT)
    # Success is known to the second, connections more exactly.
    if presence.changed_at < int(since):
        return Judged(Vouched.PRESENT, is_told=False)
    silent_until = presence.changed_at + max(soak_seconds, HABIT_TIMES * pickup_seconds)
    if now < silent_until:
        return Judged(None, silent_until)
    return Judged(Vouched.DARK)


def dark_status(harm: Harm) -> ExecutionStatus:
    """Return the outcome, one that counts as harm, that devices gone dark have for the engine."""
    first = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT, ExecutionStatus.REJECTED)
    return next(each for each in first if each in harm.statuses)


def soaked(counts: Counts, vouched: Mapping[VouchedKey, int], harm: Harm) -> Counts:
    """
    Return the counts as the engine is to see them.

    Args:
        counts: Things per start bucket and status.
        vouched: What became of them after their success.
        harm: What counts as harm.
    """
    known: Counter[tuple[int, Vouched]] = Counter()
    for (bucket, outcome, _), number in vouched.items():
        known[bucket, outcome] += number
    by_bucket: Counter[CounterKey] = Counter()
    for (bucket, status), number in counts.by_bucket.items():
        there, gone = known[bucket, Vouched.PRESENT], known[bucket, Vouched.DARK]
        for seen_as, part in _seen_as(status, number, there, gone, dark_status(harm)):
            by_bucket[bucket, seen_as] += part
    return Counts({key: number for key, number in by_bucket.items() if number})


def soaked_cells(
    cells: Mapping[CellKey, int], vouched: Mapping[VouchedKey, int], harm: Harm
) -> dict[CellKey, int]:
    """Return the counters of each cell as the engine is to see them, as ``soaked`` does."""
    seen: Counter[CellKey] = Counter()
    for (bucket, status, cell), number in cells.items():
        there = vouched.get((bucket, Vouched.PRESENT, cell), 0)
        gone = vouched.get((bucket, Vouched.DARK, cell), 0)
        for seen_as, part in _seen_as(status, number, there, gone, dark_status(harm)):
            seen[bucket, seen_as, cell] += part
    return {key: number for key, number in seen.items() if number}


def _seen_as(
    status: ExecutionStatus, number: int, there: int, gone: int, dark: ExecutionStatus
) -> tuple[tuple[ExecutionStatus, int], ...]:
    """
    Return how devices of one status are seen, and how many each way.

    Counters that are read one after the other may disagree: never more than there are.
    """
    if status is not ExecutionStatus.SUCCEEDED:
        return ((status, number),)
    harmed = min(max(0, gone), number)
    good = min(max(0, there), number - harmed)
    return (
        (dark, harmed),
        (ExecutionStatus.SUCCEEDED, good),
        (ExecutionStatus.IN_PROGRESS, number - harmed - good),
    )
