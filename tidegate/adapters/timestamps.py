"""Points in time as AWS writes them in text."""

from datetime import UTC, datetime


def epoch_seconds_of(text: str | None) -> float | None:
    """
    Return a time in ISO 8601, such as ``2030-01-01T00:00``, as epoch seconds.

    Without an offset it is UTC. None if there is no text, or it is no such time.
    """
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
