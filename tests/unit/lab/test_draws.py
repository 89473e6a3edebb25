"""What is drawn for a batch falls due in its minute, once, and in the shares it should."""

import numpy as np
import pytest
from numpy.random import default_rng

from tidegate.lab.draws import Calendar, cumulative, draw_minutes


def test_a_calendar_gives_back_what_was_put_in() -> None:
    """Every code falls due in its own minute, whenever it was put in, and only once."""
    calendar = Calendar()
    rng = default_rng(1)
    minutes = rng.integers(500, 600, 3000)
    codes = np.arange(3000)
    for part in np.array_split(np.arange(3000), 7):
        calendar.put(minutes[part], codes[part])

    assert len(calendar) == 3000
    for minute in range(500, 600):
        assert sorted(calendar.take(minute)) == codes[minutes == minute].tolist()
        assert not len(calendar.take(minute))
    assert not len(calendar)


def test_a_calendar_takes_nothing_for_an_answer() -> None:
    """Nothing put in is nothing due."""
    calendar = Calendar()
    calendar.put(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))

    assert calendar.take(0).dtype == np.int64


def test_minutes_are_drawn_in_their_shares() -> None:
    """Each minute comes as often as its mass says, and what the masses lack never comes."""
    drawn = draw_minutes(default_rng(2), cumulative(np.array([0.2, 0.0, 0.5])), 50_000)
    shares = np.bincount(drawn, minlength=4) / 50_000

    assert shares == pytest.approx(np.array([0.2, 0, 0.5, 0.3]), abs=0.01)


def test_what_is_certain_comes() -> None:
    """Masses that rounding left short of 1 are scaled, so that nobody waits for ever."""
    masses = np.full(30, 1 / 31)
    distribution = cumulative(masses, certain=True)

    assert distribution[-1] == 1
    assert draw_minutes(default_rng(3), distribution, 10_000).max() == 29
    assert cumulative(np.zeros(3), certain=True).tolist() == [0, 0, 0], "of nothing, nothing comes"
