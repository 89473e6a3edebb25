"""Where the command ``tidegate`` begins, before anything that takes time to import."""

import sys

#: ``ExitStatus.INTERRUPTED``: its module is among those that may not be imported yet.
_INTERRUPTED = 130


def main() -> None:
    """Import the command line and run it; an interruption meanwhile ends it without a word."""
    try:
        from tidegate.cli.app import main as run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
