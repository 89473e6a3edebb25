"""Telling: what people must hear of reaches the bus, and what is news but once reaches it once."""

from tidegate.errors import RetryLater
from tidegate.ports import Bus, BusEvent, Ledger


def tell(*events: BusEvent, bus: Bus) -> None:
    """
    Put events on the bus, if there are any.

    Raises:
        RetryLater: The bus does not take all of them.
    """
    if events and (refused := bus.publish(events)):
        kind = events[refused[0]].detail_type
        message = f"the bus did not take {kind!r}; it is told when this is done again"
        raise RetryLater(message)


def tell_once(name: str, event: BusEvent, *, ledger: Ledger, bus: Bus, at: float) -> bool:
    """
    Put an event on the bus unless this was told before, and not cleared since.

    Args:
        name: Of what is told.
        event: What is said.
        ledger: Where it is noted.
        bus: Told.
        at: Epoch seconds.

    Returns:
        Whether it was news.

    Raises:
        RetryLater: The ledger throttles, or the bus does not take it: it is news still.
    """
    if ledger.is_alerted(name):
        return False
    # Told before it is noted: dying in between tells it twice, and not never.
    tell(event, bus=bus)
    return ledger.raise_alert(name, at=at)
