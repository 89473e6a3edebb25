"""How figures, times and names are written where there is little room: in charts and tables."""

import math
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime

#: The last moment that a calendar has, and the first one that a rollout could know.
MOMENT_MAX = 253_402_300_799.0
MOMENT_MIN = 0.0

#: Ticks of one axis; a finer axis tells nothing more.
TICKS_MAX = 12

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_YEAR = 365 * _DAY

#: Between two ticks of a time axis, in seconds.
_TIME_STEPS = (
    *(each * _MINUTE for each in (1, 2, 5, 10, 15, 30)),
    *(each * _HOUR for each in (1, 2, 3, 6, 12)),
    *(each * _DAY for each in (1, 2, 7, 14, 30, 90, 180)),
)

#: Whatever the language of the machine is.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_THOUSAND, _MILLION, _BILLION = 1e3, 1e6, 1e9

#: Below ten, a tenth counts.
_DECIMAL_BELOW = 10

#: What a picture shows in place of a character that it cannot, or that would deceive.
_REPLACEMENT = "\ufffd"

#: What has no form of its own: control, format, surrogate, private and unassigned characters.
_SHAPELESS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})

#: Characters of East Asia take two places.
_WIDE = frozenset({"W", "F"})


def counted(number: float) -> str:
    """Return a number, its thousands grouped; small ones that are no integers have a decimal."""
    if not math.isfinite(number):
        return _endless(number)
    is_fine = number != int(number) and abs(number) < _DECIMAL_BELOW
    # Adding nothing makes zero of what rounds to minus zero.
    return f"{round(number, 1) + 0.0:,.1f}" if is_fine else f"{number:,.0f}"


def shortened(number: float) -> str:
    """Return a number of an axis: 1.5k, 2M."""
    if not math.isfinite(number):
        return _endless(number)
    for unit, letter in ((_BILLION, "G"), (_MILLION, "M"), (_THOUSAND, "k")):
        if abs(number) >= unit:
            return f"{number / unit:.4g}{letter}"
    return f"{number:.4g}"


def shared(share: float, *, digits: int = 3) -> str:
    """Return a share in percent, with as many digits that count."""
    percent = 100 * share
    if not math.isfinite(percent):
        return _endless(percent)
    if not percent:
        return "0%"
    decimals = min(6, max(0, digits - 1 - math.floor(math.log10(abs(percent)))))
    text = f"{percent:.{decimals}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def _endless(number: float) -> str:
    if math.isnan(number):
        return "?"
    return "∞" if number > 0 else "-∞"


def dated(at: float) -> str:
    """Return a moment, given in epoch seconds, in UTC: 21 Sep 2026 14:20."""
    moment = _moment(at)
    return f"{_day(moment)} {moment.year} {moment:%H:%M}"


def told(text: str, most: int) -> str:
    """
    Return a text from outside as one line of at most so many places, without tricks.

    It is not escaped. What has no form, or turns the direction of what follows, is replaced.
    """
    kept, room = "", most
    for character in text:
        shown = " " if character.isspace() else character
        shown = _REPLACEMENT if unicodedata.category(shown) in _SHAPELESS else shown
        room -= places(shown)
        if room < 0:
            while kept and places(kept) > most - 1:
                kept = kept[:-1]
            return f"{kept}…"
        kept += shown
    return kept


def places(text: str) -> int:
    """Return how many places a text takes, of which a Latin letter takes one."""
    return sum(2 if unicodedata.east_asian_width(each) in _WIDE else 1 for each in text)


def linear_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    """Return round numbers from ``low`` to ``high``, both finite, at most so many."""
    span = high - low
    if span <= 0 or most < 1:
        return ()
    raw = span / min(most, TICKS_MAX)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(index * step for index in range(first, last + 1))


def logarithmic_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    """Return powers of ten, or 1, 2 and 5 of each where there are few, at most so many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, math.ceil((last - first) / max(1, min(most, TICKS_MAX))))
    powers = range(first, last + 1, every)
    fine = [10.0**power * factor for power in powers for factor in (1, 2, 5)]
    found = [each for each in fine if low <= each <= high]
    if every == 1 and len(found) <= most:
        return tuple(found)
    return tuple(10.0**power for power in powers if low <= 10.0**power <= high)


def time_ticks(since: float, until: float, most: int) -> Iterator[tuple[float, str]]:
    """Yield moments in UTC, in epoch seconds, and how they are told on an axis; a few."""
    least = (until - since) / max(1, min(most, TICKS_MAX))
    step = next((each for each in _TIME_STEPS if each >= least), None)
    if step is None:
        step = math.ceil(least / _YEAR) * _YEAR
    at = math.ceil(since / step) * step
    for _ in range(TICKS_MAX + 1):
        if at > until:
            return
        yield at, _on_axis(at, step, until - since)
        at += step


def _on_axis(at: float, step: float, span: float) -> str:
    moment = _moment(at)
    if span > _YEAR:
        return f"{_MONTHS[moment.month - 1]} {moment.year}"
    if step >= _DAY or not at % _DAY:
        return _day(moment)
    return f"{moment:%H:%M}"


def _day(moment: datetime) -> str:
    return f"{moment.day} {_MONTHS[moment.month - 1]}"


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(min(max(at, MOMENT_MIN), MOMENT_MAX), UTC)
