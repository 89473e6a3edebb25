"""How many devices may be exposed, and the rate that gets there."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tidegate.domain.pace import (
    GROWTH_PER_SUCCESS,
    LEAK_MINUTES,
    doubt,
    exposure_cap,
    native_rate,
    rate_to_reach,
    rate_within_drift_budget,
    spendable,
)

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("vectors.json").read_text())[
    "exposure_cap"
]


def cap_of(
    *, upper_bound: float = 1.0, succeeded: int = 0, budget: float = 50, first: int = 10
) -> float:
    """Return the cap of a release that is acceptable at 2 %."""
    return exposure_cap(
        upper_bound=upper_bound,
        acceptable_rate=0.02,
        succeeded=succeeded,
        budget=budget,
        first=first,
    )


@pytest.mark.parametrize("vector", VECTORS)
def test_the_cap_is_that_of_the_formula(vector: dict[str, Any]) -> None:
    """The cap agrees with what was computed at 60 digits."""
    arguments = {name: value for name, value in vector.items() if name != "value"}

    assert exposure_cap(**arguments) == pytest.approx(vector["value"], rel=1e-9)


def test_nothing_known_allows_the_first_devices_only() -> None:
    """A cap grows by successes, not by time."""
    assert cap_of() == 10
    assert cap_of(succeeded=10) == 10 + 10 * GROWTH_PER_SUCCESS


def test_the_budget_limits_what_successes_make_room_for() -> None:
    """However many succeed, what the bound still allows to fail stays within the budget."""
    cap = cap_of(upper_bound=0.10, succeeded=10_000)

    assert cap * (0.10 - 0.02) == pytest.approx(50)


def test_the_first_devices_keep_within_a_small_budget() -> None:
    """Every device may fail while nothing is known."""
    assert cap_of(budget=5, first=100) == pytest.approx(5 / 0.98)


@pytest.mark.parametrize("upper_bound", [0.0, 0.01, 0.02])
def test_nothing_limits_a_release_established_as_acceptable(upper_bound: float) -> None:
    """At the acceptable rate there is no harm beyond it, however many devices are exposed."""
    assert cap_of(upper_bound=upper_bound, budget=1) == math.inf


@pytest.mark.parametrize(
    ("cap", "exposed", "rate"),
    [
        (10.0, 0, 10),
        (10.9, 4, 6),
        (10.0, 10, 0),
        (10.0, 25, 0),
        (5000.0, 0, 300),
        (math.inf, 10**6, 300),
    ],
)
def test_one_batch_never_passes_the_cap(cap: float, exposed: int, rate: int) -> None:
    """One minute's rate is what one batch may hold, within what the owner allows."""
    assert rate_to_reach(cap, exposed=exposed, max_per_minute=300) == rate


@pytest.mark.parametrize(("rate", "native"), [(0, 1), (1, 1), (700, 700)])
def test_aws_has_no_pause(rate: int, native: int) -> None:
    """The lowest rate that AWS takes is 1."""
    assert native_rate(rate) == native


def test_doubt_grows_with_the_evidence_up_to_half_of_what_stops() -> None:
    """Half of the evidence that would stop a release is enough not to go on with it."""
    assert [doubt(log_e, abort_at=5.0) for log_e in (-3.0, 0.0, 1.25, 2.5, 4.9)] == [
        0,
        0,
        0.5,
        1,
        1,
    ]


def test_what_a_hold_leaks_is_set_aside() -> None:
    """AWS's lowest rate goes on harming while outcomes are awaited, as often as it may."""
    assert spendable(50, upper_bound=1.0, doubt=0) == 50 - LEAK_MINUTES
    assert spendable(50, upper_bound=0.02, doubt=0) == pytest.approx(50 - 0.02 * LEAK_MINUTES)
    assert spendable(10, upper_bound=1.0, doubt=0) == 5, "half of a small budget is left"


def test_doubt_shrinks_what_may_be_spent() -> None:
    """While evidence is on its way, the budget shrinks with it, down to nothing."""
    half, none = (spendable(50, upper_bound=0.1, doubt=each) for each in (0.5, 1.0))

    assert half == spendable(50, upper_bound=0.1, doubt=0) / 2
    assert none == 0


@pytest.mark.parametrize("budget", [0, 1, 99, 100, 101, 5000, 10**9])
def test_the_rate_within_a_drift_budget_is_the_highest_that_keeps_it(budget: int) -> None:
    """One more a minute would harm more than the budget, or is more than the owner allows."""
    rate = rate_within_drift_budget(lambda rate: 2.5 * rate, budget=budget, max_per_minute=300)

    assert 0 <= rate <= 300
    assert 2.5 * rate <= budget
    assert rate == 300 or 2.5 * (rate + 1) > budget


def test_a_rate_within_a_drift_budget_keeps_it_though_slower_rates_would_not() -> None:
    """At low rates a turn shows late, and harms more in all: never is the budget passed."""

    def harmed_at(rate: int) -> float:
        return 500.0 if rate < 40 else rate

    for budget in (39, 40, 77, 499, 500):
        rate = rate_within_drift_budget(harmed_at, budget=budget, max_per_minute=1000)
        assert rate == 0 or harmed_at(rate) <= budget
