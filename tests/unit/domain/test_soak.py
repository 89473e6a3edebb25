"""A success is one only once the device is still there some time after it."""

import pytest

from tests.unit.domain.examples import FAILED, IN_PROGRESS, POLICY, REJECTED, SUCCEEDED, TIMED_OUT
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.outcomes import CellKey, Vouched, VouchedKey
from tidegate.domain.policy import Harm
from tidegate.domain.rollout import Counts
from tidegate.domain.soak import Judged, dark_status, judge, soaked, soaked_cells
from tidegate.domain.things import Presence

SINCE, SOAK = 1_700_000_000.0, 3600.0
DUE = SINCE + SOAK


def judged(presence: Presence | None, *, now: float = DUE, pickup_seconds: float = 0.0) -> Judged:
    """Return what is made of a device that succeeded at SINCE."""
    return judge(presence, since=SINCE, soak_seconds=SOAK, now=now, pickup_seconds=pickup_seconds)


def gone_at(seconds: float) -> Presence:
    """Return the presence of a device that disconnected so long after its success."""
    return Presence(is_connected=False, changed_at=SINCE + seconds)


@pytest.mark.parametrize(
    "presence", [Presence(is_connected=True, changed_at=SINCE - 9e6), gone_at(SOAK / 2)]
)
def test_a_device_that_was_there_late_in_the_soak_is_present(presence: Presence) -> None:
    """Connected, or disconnected only in the last half of it."""
    assert judged(presence) == Judged(Vouched.PRESENT)


@pytest.mark.parametrize("presence", [None, gone_at(-1), gone_at(-9e6)])
def test_a_device_whose_connection_says_nothing_is_not_called_dark(
    presence: Presence | None,
) -> None:
    """It reported its success in another way: that is said, and held against nobody."""
    assert judged(presence) == Judged(Vouched.PRESENT, is_told=False)


def test_a_device_is_dark_once_it_was_silent_for_a_whole_soak() -> None:
    """Silence begins when it disconnected, not with the success."""
    left = gone_at(600)

    assert judged(left) == Judged(None, DUE + 600)
    assert judged(left, now=DUE + 599) == Judged(None, DUE + 600)
    assert judged(left, now=DUE + 600) == Judged(Vouched.DARK)


def test_a_device_that_is_silent_by_habit_is_given_twice_its_time() -> None:
    """One that took five hours to pick the job up comes round after so long as a rule."""
    left, hours_5 = gone_at(0), 5 * 3600.0

    assert judged(left) == Judged(Vouched.DARK)
    assert judged(left, pickup_seconds=hours_5) == Judged(None, SINCE + 2 * hours_5)
    assert judged(left, pickup_seconds=hours_5, now=SINCE + 2 * hours_5).outcome is Vouched.DARK
    assert judged(left, pickup_seconds=SOAK / 4).outcome is Vouched.DARK


@pytest.mark.parametrize(
    ("statuses", "dark"),
    [({FAILED, TIMED_OUT}, FAILED), ({TIMED_OUT, REJECTED}, TIMED_OUT), ({REJECTED}, REJECTED)],
)
def test_to_go_dark_is_harm_whatever_the_policy_counts(
    statuses: set[ExecutionStatus], dark: ExecutionStatus
) -> None:
    """Devices that started and went dark count as failed, if failing is harm at all."""
    harm = Harm(frozenset(statuses), 0.02, 0.02, 0.95, 0.01)

    assert dark_status(harm) is dark


def test_the_engine_sees_soaking_devices_in_flight_and_dark_ones_harmed() -> None:
    """Bucket by bucket; outcomes other than a success need no soak."""
    counts = Counts({(0, SUCCEEDED): 10, (0, FAILED): 2, (1, SUCCEEDED): 5, (1, IN_PROGRESS): 1})
    vouched: dict[VouchedKey, int] = {
        (0, Vouched.PRESENT, 2): 4,
        (0, Vouched.PRESENT, 3): 2,
        (0, Vouched.DARK, 3): 1,
    }

    assert soaked(counts, vouched, POLICY.harm).by_bucket == {
        (0, SUCCEEDED): 6,
        (0, FAILED): 3,
        (0, IN_PROGRESS): 3,
        (1, IN_PROGRESS): 6,
    }


def test_a_cohort_that_goes_dark_is_seen_by_its_cells() -> None:
    """What the whole is shown of, its cells are shown of."""
    cells: dict[CellKey, int] = {(0, SUCCEEDED, 2): 6, (0, SUCCEEDED, 3): 4, (0, FAILED, 3): 2}
    vouched: dict[VouchedKey, int] = {(0, Vouched.PRESENT, 2): 6, (0, Vouched.DARK, 3): 3}

    assert soaked_cells(cells, vouched, POLICY.harm) == {
        (0, SUCCEEDED, 2): 6,
        (0, FAILED, 3): 5,
        (0, IN_PROGRESS, 3): 1,
    }


def test_counters_that_disagree_vouch_for_no_more_than_there_are() -> None:
    """A device may be vouched for between two reads; harm comes first."""
    vouched: dict[VouchedKey, int] = {(0, Vouched.PRESENT, 2): 9, (0, Vouched.DARK, 2): 3}

    seen = soaked(Counts({(0, SUCCEEDED): 5}), vouched, POLICY.harm)
    assert seen.by_bucket == {(0, SUCCEEDED): 2, (0, FAILED): 3}
