"""Reads, and writes, what the command line names: files, shares and names, a message each."""

import difflib
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from tidegate.documents.shapes import shown
from tidegate.errors import Refused

_SHARE = re.compile(r"((?:\d{1,3})(?:\.\d{1,9})?)\s?%|(0(?:\.\d{1,12})?|1(?:\.0+)?)")
_COUNT = re.compile(r"\d{1,3}(?:[,_]\d{3})+|\d{1,15}")


def is_there(path: str) -> bool:
    """Return whether there is a file or a folder; a path that cannot be one is not there."""
    try:
        return Path(path).exists()
    except OSError:
        return False


def read_text(path: str, *, what: str) -> str:
    """
    Return a file's text; that of stdin for ``-``.

    Args:
        path: Where it is.
        what: What the file is, for messages.

    Raises:
        Refused: It cannot be read, or is no text.
    """
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        message = f"{path}: {what} cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        message = f"{path}: not UTF-8 at byte {error.start}: save {what} as UTF-8"
    raise Refused(message)


def source_of(path: str) -> str:
    """Return what a file is called in messages."""
    return "stdin" if path == "-" else path


def write_text(path: Path, text: str, *, option: str) -> None:
    """
    Write a file, as an option of that name wants it.

    Raises:
        Refused: It cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritten(path, error, option=option) from None


def unwritten(path: Path, error: OSError, *, option: str) -> Refused:
    """Return the refusal of a place that nothing can be written to."""
    return Refused(f"{option} {path} cannot be written: {error.strerror}")


def read_share(text: str, *, option: str) -> float:
    """
    Return a share that was written like ``20%`` or ``0.2``.

    Raises:
        Refused: It is not between 0% and 100%.
    """
    written = _SHARE.fullmatch(text)
    if written:
        share = float(f"{written[1]}e-2") if written[1] else float(written[2])
        if share <= 1:
            return share
    message = f"{option} is {shown(text)}, but a share from 0% to 100% is needed: like 20% or 0.2"
    raise Refused(message)


def read_count(text: str, *, option: str, count_max: int) -> int | None:
    """
    Return a whole number that was written like ``100000`` or ``100,000``; None if it is no number.

    Raises:
        Refused: It is 0, or above the limit.
    """
    if not _COUNT.fullmatch(text):
        return None
    count = int(text.replace(",", "").replace("_", ""))
    if 1 <= count <= count_max:
        return count
    message = f"{option} is {text}, but it must be 1 to {count_max}: give a number within"
    raise Refused(message)


def unknown(name: str, known: Iterable[str], *, what: str, how_to_list: str) -> Refused:
    """Return the refusal of a name that nobody knows, with names that are close to it."""
    close = difflib.get_close_matches(name, list(known), n=3)
    guess = f": is {' or '.join(close)} meant?" if close else f": {how_to_list} tells what there is"
    return Refused(f"{shown(name)} is {what}{guess}")
