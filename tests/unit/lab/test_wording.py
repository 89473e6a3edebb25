"""Figures are worded so that people see what counts."""

import math

import pytest

from tidegate.lab.summary import Estimate
from tidegate.lab.wording import devices_worded, mean_worded, share_worded, time_worded


@pytest.mark.parametrize(
    ("devices", "text"), [(0, "0"), (4.26, "4.3"), (9, "9"), (30.4, "30"), (13556.2, "13,556")]
)
def test_devices_have_a_decimal_only_where_it_counts(devices: float, text: str) -> None:
    """Few devices are told to a tenth, many in groups of thousands."""
    assert devices_worded(devices) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (1, "100%"), (0.2, "20%"), (0.005, "0.5%"), (0.3333, "33%"), (0.00012, "0.012%")],
)
def test_shares_have_the_decimals_that_count(share: float, text: str) -> None:
    """A small share keeps two digits, a large one none beyond the point."""
    assert share_worded(share) == text


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(None, "-"), (0, "0 min"), (61, "61 min"), (162, "2.7 h"), (4321, "3.0 days")],
)
def test_times_are_in_the_unit_that_reads_best(minutes: float | None, text: str) -> None:
    """Minutes up to two hours, hours up to three days; what did not happen is a dash."""
    assert time_worded(minutes) == text


def test_a_mean_is_told_with_its_error() -> None:
    """The error stands beside the mean unless nobody knows it."""
    assert mean_worded(Estimate(30.2, 0.72)) == "30 ± 0.7"
    assert mean_worded(Estimate(30.2, math.inf)) == "30"
