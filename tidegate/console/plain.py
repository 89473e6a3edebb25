"""Documents as plain JSON, with null for what JSON has no word for."""

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:  # noqa: ANN401 - plain JSON of any shape
    """Return a stored document with null for numbers that JSON does not have."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def number(value: float) -> float | None:
    """Return a number, None for one that JSON does not have."""
    return value if math.isfinite(value) else None
