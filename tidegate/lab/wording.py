"""How the lab writes figures for people: devices, shares and times, in a table or a sentence."""

import math

from tidegate.lab.summary import Estimate

#: Where there is nothing to tell.
NONE = "-"

#: Up to so many minutes, and then hours, the smaller unit reads better.
_MINUTES_MAX = 120
_HOURS_MAX = 72

#: Below ten devices, a tenth of one counts.
_DECIMAL_BELOW = 10


def devices_worded(devices: float) -> str:
    """Return a number of devices: with a decimal where it is small, in groups where it is not."""
    is_whole = devices == int(devices)
    return f"{devices:,.0f}" if is_whole or devices >= _DECIMAL_BELOW else f"{devices:.1f}"


def mean_worded(estimate: Estimate) -> str:
    """Return a mean of devices with its standard error, if that is known."""
    devices = devices_worded(estimate.value)
    if not math.isfinite(estimate.standard_error):
        return devices
    return f"{devices} ± {devices_worded(estimate.standard_error)}"


def share_worded(share: float) -> str:
    """Return a share in percent, with the decimals that count and no more."""
    percent = 100 * share
    if not percent:
        return "0%"
    decimals = max(0, 1 - math.floor(math.log10(percent)))
    text = f"{percent:.{decimals}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def time_worded(minutes: float | None) -> str:
    """Return a time in the largest unit of which there are some."""
    if minutes is None:
        return NONE
    if minutes <= _MINUTES_MAX:
        return f"{minutes:.0f} min"
    if minutes <= _HOURS_MAX * 60:
        return f"{minutes / 60:.1f} h"
    return f"{minutes / 1440:.1f} days"
