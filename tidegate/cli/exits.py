"""How a command ends, for the shell."""

from collections.abc import Mapping
from enum import IntEnum

from tidegate.domain.rollout import Ending
from tidegate.errors import TidegateError


class ExitStatus(IntEnum):
    """How a command ended; typer itself ends with 2 on what it cannot parse."""

    DONE = 0
    #: What was asked for was refused, or failed.
    REFUSED = 1
    #: The command line, or a file that it names, is at fault.
    USAGE = 2
    NOT_FOUND = 3
    #: AWS is not reached, or does not let the caller do it.
    NO_AWS = 4
    #: Nothing is known yet of what became of it.
    TIMED_OUT = 5
    INTERRUPTED = 130


#: With ``--exit-code``: how the rollout stands.
STANDS: Mapping[Ending | None, int] = {
    Ending.COMPLETED: 0,
    Ending.ABORTED: 10,
    Ending.FENCED: 11,
    Ending.CANCELED_OUTSIDE: 12,
    Ending.DELETED_OUTSIDE: 13,
    None: 20,
}


class Failed(TidegateError):
    """
    A command ends without having done what was asked for.

    try:
        waited(account, event_id)
    except Failed as failure:
        print(failure, file=sys.stderr)
        raise typer.Exit(failure.status)
    """

    def __init__(self, message: str, status: ExitStatus = ExitStatus.REFUSED) -> None:
        """Say what stands in the way and what to do, and how the command ends."""
        super().__init__(message)
        self.status = status
