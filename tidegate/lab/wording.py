"""How the lab writes figures for people: devices, shares and times, in a table or a sentence."""

import math

from tidegate.console.worded import NOTHING, devices, share
from tidegate.lab.summary import Estimate

#: Where there is nothing to tell.
NONE = NOTHING

#: Up to so many minutes, and then hours, the smaller unit reads better.
_MINUTES_MAX = 120
_HOURS_MAX = 72

#: What was counted reads as everywhere else.
devices_worded, share_worded = devices, share


def mean_worded(estimate: Estimate) -> str:
    """Return a mean of devices with its standard error, if that is known."""
    mean = devices_worded(estimate.value)
    if not math.isfinite(estimate.standard_error):
        return mean
    return f"{mean} ± {devices_worded(estimate.standard_error)}"


def time_worded(minutes: float | None) -> str:
    """Return a time in the largest unit of which there are some."""
    if minutes is None:
        return NONE
    if minutes <= _MINUTES_MAX:
        return f"{minutes:.0f} min"
    if minutes <= _HOURS_MAX * 60:
        return f"{minutes / 60:.1f} h"
    return f"{minutes / 1440:.1f} days"
