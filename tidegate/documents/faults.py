"""What is wrong with a document: where, and what would be right."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.documents.shapes import shown
from tidegate.errors import Refused

#: Faults that a message spells out; ``faults`` has them all.
FAULTS_SHOWN_MAX = 50

#: Where in a document something stands: keys, and indices of lists.
Path = tuple[str | int, ...]

_WORD = re.compile(r"[a-zA-Z0-9_-]{1,60}")


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One thing that is wrong with a document.

    Attributes:
        path: Like ``harm.statuses[0]``; empty for the document as a whole.
        line: Counted from 1; None where the document had no lines to speak of.
        column: Counted from 1; None likewise.
        message: What was read, what the limit is, and what would be right.
    """

    path: str
    line: int | None
    column: int | None
    message: str

    def shown_in(self, source: str) -> str:
        """Return the fault on one line, as compilers do."""
        place = source if self.line is None else f"{source}:{self.line}:{self.column}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class DocumentError(Refused):
    """A document cannot be read as it is written; every fault is listed, one a line."""

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        self.source = source
        self.faults = tuple(faults)
        lines = [fault.shown_in(source) for fault in self.faults[:FAULTS_SHOWN_MAX]]
        if len(self.faults) > FAULTS_SHOWN_MAX:
            lines.append(f"{source}: and {len(self.faults) - FAULTS_SHOWN_MAX} more")
        super().__init__("\n".join(lines))


class PolicyError(DocumentError):
    """
    A policy cannot be kept as it is written.

    try:
        document = parse_policy_yaml(text, source="policies/firmware.yaml")
    except PolicyError as error:
        print(error)   # or look at error.faults one by one
    """


def in_order(faults: Sequence[Fault]) -> list[Fault]:
    """Return faults as they stand in the text; those without a line come first."""
    return sorted(faults, key=lambda fault: (fault.line or 0, fault.column or 0))


def written(path: Path) -> str:
    """Return a path as people write it; a key that is no word is quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _WORD.fullmatch(part) else shown(part))
    return text
