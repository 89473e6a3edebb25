"""Figures, times and names where there is little room: short, round and without tricks."""

import math

import pytest

from tidegate.console.figures import (
    MOMENT_MAX,
    TICKS_MAX,
    counted,
    dated,
    linear_ticks,
    logarithmic_ticks,
    places,
    shared,
    shortened,
    time_ticks,
    told,
)

DAY = 86_400.0
START = 1_790_000_000.0  # 21 Sep 2026 14:13:20 UTC


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (7, "7"),
        (3.25, "3.2"),
        (-0.04, "0.0"),
        (12.6, "13"),
        (1_234_567, "1,234,567"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
        (math.nan, "?"),
    ],
)
def test_numbers_are_written_with_what_counts(number: float, words: str) -> None:
    """A tenth counts below ten alone, and what is endless is a number too."""
    assert counted(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (950, "950"), (1500, "1.5k"), (2e6, "2M"), (-1e9, "-1G"), (math.inf, "∞")],
)
def test_an_axis_has_short_numbers(number: float, words: str) -> None:
    """A million devices take two letters."""
    assert shortened(number) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "0%"),
        (0.015, "1.5%"),
        (0.1234, "12.3%"),
        (1, "100%"),
        (17.02, "1702%"),
        (1e-5, "0.001%"),
        (1e-300, "0%"),
        (math.inf, "∞"),
        (math.nan, "?"),
    ],
)
def test_shares_are_percents(share: float, words: str) -> None:
    """Three digits count, and no zero behind them."""
    assert shared(share) == words


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("canary", 6, "canary"),
        ("canary-1", 6, "canar…"),
        ("a\nb\tc", 10, "a b c"),
        ("a\u202eb\x1b[1m\ud800", 20, "a\ufffdb\ufffd[1m\ufffd"),
        ("機器群", 6, "機器群"),
        ("機器群一", 6, "機器…"),
        ("", 5, ""),
    ],
)
def test_a_name_from_outside_is_one_plain_line(text: str, most: int, shown: str) -> None:
    """It is cut to its room, and nothing in it turns, hides or breaks what is around it."""
    assert told(text, most) == shown
    assert places(shown) <= most


@pytest.mark.parametrize("most", [1, 2, 5, 40])
@pytest.mark.parametrize("reach", [1e-6, 0.3, 1, 7, 123, 1e6, 1e39])
def test_an_axis_has_few_round_numbers(reach: float, most: int) -> None:
    """They lie within it, however long it is, and no more than there is room for."""
    ticks = linear_ticks(0, reach, most)
    powers = logarithmic_ticks(reach / 1000, reach, most)

    assert all(0 <= each <= reach * 1.001 for each in ticks)
    assert len(ticks) <= min(most, TICKS_MAX) + 1
    assert all(reach / 1001 <= each <= reach for each in powers)
    assert len(powers) <= max(3, most)


def test_an_axis_of_nothing_has_no_numbers() -> None:
    """Where all is one value there is nothing to measure by."""
    assert linear_ticks(3, 3, 5) == ()


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (600, ["14:14", "14:16", "14:18", "14:20", "14:22"]),
        (6 * 3600, ["15:00", "16:00", "17:00", "18:00", "19:00", "20:00"]),
        (2 * DAY, ["22 Sep", "12:00", "23 Sep", "12:00"]),
        (40 * DAY, ["24 Sep", "1 Oct", "8 Oct", "15 Oct", "22 Oct", "29 Oct"]),
        (900 * DAY, ["Mar 2027", "Aug 2027", "Feb 2028", "Aug 2028", "Feb 2029"]),
    ],
)
def test_time_is_told_in_round_steps(span: float, labels: list[str]) -> None:
    """Minutes, hours, days or months, and the day wherever one begins."""
    assert [label for _, label in time_ticks(START, START + span, 6)] == labels


def test_time_beyond_the_calendar_has_an_axis() -> None:
    """A moment that no calendar has is told as the last one that it has."""
    assert len(list(time_ticks(0, MOMENT_MAX, 6))) <= TICKS_MAX
    assert dated(1e300) == "31 Dec 9999 23:59"
