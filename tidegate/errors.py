"""
What can go wrong, split by what the caller must do about it.

* ``TidegateError``

  * ``RetryLater``: nothing is wrong with the request; run the same work again after a pause.

    * ``Contention``: somebody else wrote first; read again, decide again.

  * ``Refused``: the request cannot be done as it stands; its message names object, limit, remedy.

    * ``NotFound``: the object is gone or never was.
    * ``Superseded``: a newer owner or decision exists; stop without doing anything.
    * ``Conflict``: the object is in another state or version than was expected; look at it anew.
    * ``Denied``: Tidegate itself may not; the request may be right, so keep it until people see to
      that.

Every error carries its message whole. Nothing raises one after a partial effect:
either the effect is complete, or running the same work again completes it.
"""

__all__ = [
    "Conflict",
    "Contention",
    "Denied",
    "NotFound",
    "Refused",
    "RetryLater",
    "Superseded",
    "TidegateError",
]


class TidegateError(Exception):
    """Anything that Tidegate itself raises on purpose."""


class RetryLater(TidegateError):
    """
    The service was too busy or away, and bounded retries did not help.

    try:
        jobs.update(job_id, changes)
    except RetryLater as error:
        raise_attention(str(error))   # and try again at the next review
    """


class Contention(RetryLater):
    """Another writer changed what was read; read it again and decide again."""


class Refused(TidegateError):
    """The request itself is at fault; repeating it unchanged will be refused again."""


class NotFound(Refused):
    """The named object does not exist (any more)."""


class Superseded(Refused):
    """A newer generation, decision or hold has taken over; the caller's view is history."""


class Conflict(Refused):
    """The object has another state or version than the request relied on; nothing was changed."""


class Denied(Refused):
    """Whoever asks lacks the right, or its certificate is not valid; nothing was changed."""
