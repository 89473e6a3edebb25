"""Seen: what a review sees of devices, from what the ledger has of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.domain.cells import Cells, counts_apart, needs_traits, tallies
from tidegate.domain.cohorts import Tally
from tidegate.domain.failures import FailureReason, failure_reasons
from tidegate.domain.outcomes import CellKey, ReasonKey
from tidegate.domain.policy import Policy
from tidegate.domain.rollout import Counted, Counts, Rollout
from tidegate.domain.soak import soaked, soaked_cells
from tidegate.ports import Ledger


@dataclass(frozen=True, slots=True)
class Seen:
    """The members of a ``Situation`` that tell of devices; they are documented there."""

    counts: Counts
    tallies: Mapping[str, Mapping[str, Tally]] = field(default_factory=dict)
    apart: Counts = field(default_factory=Counts)
    released: frozenset[str] = frozenset()
    reasons: Mapping[ReasonKey, int] = field(default_factory=dict)
    cells: Cells = field(default_factory=Cells)
    unsettled: bool = False
    can_quarantine: bool = False


def seen_of(rollout: Rollout, counted: Counted, *, ledger: Ledger, now: float) -> Seen:
    """
    Return what there is to see; nothing is read that the policy does not ask for.

    Args:
        rollout: As the ledger has it.
        counted: What the ledger counts of its things.
        ledger: Where the rest is.
        now: Epoch seconds.

    Raises:
        RetryLater: The ledger throttles.
    """
    policy, key, counts = rollout.policy, rollout.key, counted.counts
    told: Mapping[str, Mapping[str, Tally]] = {}
    cells, apart, released = Cells(), Counts(), frozenset[str]()
    if policy.cohorts.keys:
        cells = cells_of(rollout, ledger)
        counters = _as_soaked(counted, policy)
        released = ledger.released(key)
        set_apart = [each for each in rollout.memory.quarantined if each not in released]
        told = tallies(cells, counters, policy.harm.once_started, apart=set_apart)
        apart = counts_apart(cells, counters, set_apart) if set_apart else apart
    is_harmed = counts.of(*policy.harm.statuses) > 0
    return Seen(
        counts=soaked(counts, counted.vouched, policy.harm) if policy.soak else counts,
        tallies=told,
        apart=apart,
        released=released,
        reasons=ledger.reasons(key) if is_harmed else {},
        cells=cells,
        unsettled=_is_unsettled(rollout, ledger, now),
        can_quarantine=policy.cohorts.quarantines and needs_traits(policy.cohorts.keys),
    )


def cells_of(rollout: Rollout, ledger: Ledger) -> Cells:
    """Return what a rollout's cells stand for; nothing is read where it tells no devices apart."""
    keys = rollout.policy.cohorts.keys
    return Cells(keys, ledger.cells(rollout.key)) if keys else Cells()


def reasons_of(rollout: Rollout, ledger: Ledger) -> tuple[FailureReason, ...]:
    """Return why devices failed and of which cohorts they are, the most frequent reason first."""
    return failure_reasons(ledger.reasons(rollout.key), cells_of(rollout, ledger))


def totals_seen(rollout: Rollout, *, ledger: Ledger) -> Counts:
    """Return the totals that tripwires are about, under ``TOTALS_BUCKET``."""
    totals = ledger.totals(rollout.key)
    if rollout.policy.soak is None:
        return totals.counts
    return soaked(totals.counts, totals.vouched, rollout.policy.harm)


def _as_soaked(counted: Counted, policy: Policy) -> Mapping[CellKey, int]:
    if policy.soak is None:
        return counted.cells
    return soaked_cells(counted.cells, counted.vouched, policy.harm)


def _is_unsettled(rollout: Rollout, ledger: Ledger, now: float) -> bool:
    """Whether it is time to look at devices: what they are, or if they are still there."""
    policy, key = rollout.policy, rollout.key
    if policy.cohorts.keys and ledger.unjoined(key, limit=1):
        return True
    if policy.soak is None:
        return False
    # How many things are connected is to be known before the release can disconnect any, and for
    # as long as too many are gone.
    if not rollout.connected.highest or rollout.connected.outage is not None:
        return True
    return bool(ledger.soaking(key, until=now, limit=1))
