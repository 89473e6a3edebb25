"""Orders that end a rollout, or hold it for somebody to look at."""

from tidegate.lab.rule import Order


def stop(reason: str, **marks: float) -> Order:
    """Return the order that ends the rollout for good."""
    return Order(0, cancel=True, marks=dict(marks), reasons=(reason,))


def pause(reason: str, **marks: float) -> Order:
    """Return the order that notifies nobody further, until somebody looks at it."""
    return Order(0, marks=dict(marks), reasons=(reason,))
