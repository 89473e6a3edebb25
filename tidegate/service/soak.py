"""Soak: a device counts as good only if it is still there some time after its success."""

from collections.abc import Mapping

from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import ThingRecord
from tidegate.domain.rollout import Rollout
from tidegate.ports import Ledger, Soaking


def note_soaking(
    rollout: Rollout,
    records: Mapping[str, ThingRecord],
    *,
    ledger: Ledger,
    minute_seconds: float,
) -> None:
    """
    Note which devices are to be looked at later, where the policy asks for it.

    Again for the same devices it changes nothing: whoever dies after folding does both again.
    """
    soak = rollout.policy.soak
    if soak is None:
        return
    seconds = soak.minutes * minute_seconds
    soaking = [
        Soaking(name, each.at, each.at + seconds)
        for name, each in records.items()
        if each.status is ExecutionStatus.SUCCEEDED and each.vouched is None
    ]
    if soaking:
        ledger.note_soaking(rollout.key, soaking)
