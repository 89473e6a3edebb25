"""Reads the members of an object from outside, and collects everything that is wrong with them."""

import json
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from tidegate.documents.shapes import JOB_ID, VERSION, shown

#: Faults of one object that are spelled out.
FAULTS_SHOWN_MAX = 20


def is_json_within(given: object, bytes_max: int) -> bool:
    """Return whether something is plain JSON, and no longer than so many bytes."""
    try:
        json.dumps(given, ensure_ascii=False).encode()  # A lone surrogate fails here.
        return len(json.dumps(given, allow_nan=False)) <= bytes_max
    except (TypeError, ValueError, RecursionError):
        return False


class Members:
    """
    The members of an object, taken out one by one.

    What a method returns for a member that is wrong only keeps the reading going: whoever reads
    looks at ``faults`` before making use of it.
    """

    def __init__(
        self, given: Mapping[str, Any], path: str = "", faults: list[str] | None = None
    ) -> None:
        self.faults: list[str] = [] if faults is None else faults
        self._path = path
        self._left = dict(given)
        self._known: set[str] = set()

    def __contains__(self, name: str) -> bool:
        """Whether the member is there and was not taken yet."""
        self._known.add(name)
        return name in self._left

    def fault(self, name: str, fault: str) -> None:
        """Note what is wrong with a member."""
        self.faults.append(f"{self._path}{name} {fault}")

    def wrong(self, name: str, value: object, remedy: str) -> None:
        """Note that a member is missing or not what it should be."""
        state = "is missing" if value is None else f"is {shown(value)}"
        self.fault(name, f"{state}: {remedy}")

    def take(self, name: str) -> object:
        """Take a member out; None if it is not there."""
        self._known.add(name)
        return self._left.pop(name, None)

    def inside(self, name: str) -> "Members | None":
        """Take out an object, to read its members; None if it is none."""
        value = self.take(name)
        if isinstance(value, Mapping):
            return Members(value, f"{self._path}{name}.", self.faults)
        self.wrong(name, value, "give an object")
        return None

    def ignore(self, name: str) -> None:
        """Pass over a member that is nobody's to read, nor to give."""
        self._left.pop(name, None)

    def refuse(self, name: str, why: str) -> None:
        """Refuse a member that is known, but not for whoever wrote it to give."""
        if self._left.pop(name, None) is not None:
            self.fault(name, why)

    def matching(self, name: str, matches: Callable[[str], object], remedy: str) -> str:
        """Take out a text of a certain form."""
        value = self.take(name)
        if not isinstance(value, str) or not matches(value):
            self.wrong(name, value, remedy)
            return ""
        return value

    def line(self, name: str, length_max: int) -> str:
        """Take out a text on one line."""
        value = self.take(name)
        if not isinstance(value, str) or not value.strip():
            self.wrong(name, value, "give a text")
            return ""
        if len(value) > length_max:
            self.fault(name, f"has {len(value)} characters: shorten it to {length_max}")
        if any(unicodedata.category(character).startswith("C") for character in value):
            self.fault(name, "holds control characters or line breaks: write it on one line")
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        """Take out a whole number."""
        value = self.take(name)
        if type(value) is not int or not low <= value <= high:
            self.wrong(name, value, f"give a whole number from {low} to {high}")
            return low
        return value

    def flag(self, name: str) -> bool:
        """Take out a yes or no; no if it is not there."""
        value = self.take(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.wrong(name, value, "give true or false")
        return False

    def job_id(self, name: str = "jobId") -> str:
        """Take out a job's id."""
        return self.matching(name, JOB_ID.fullmatch, "give 1 to 64 letters, digits, - and _")

    def version(self) -> None:
        """Take out the version, which may be left out."""
        if "version" in self and (version := self.take("version")) != VERSION:
            self.wrong("version", version, f'give "{VERSION}", or leave it out')

    def items(
        self, name: str, length_max: int, fits: Callable[[object], bool], kind: str
    ) -> list[Any]:
        """Take out a list, not empty; return those of its items that fit."""
        value = self.take(name)
        if not isinstance(value, list):
            self.wrong(name, value, f"give a list of 1 to {length_max} {kind}")
            return []
        if not 1 <= len(value) <= length_max:
            self.fault(name, f"has {len(value)} items: give 1 to {length_max} {kind}")
        for index, item in enumerate(value):
            if not fits(item):
                self.fault(f"{name}[{index}]", f"is {shown(item)}, not among {kind}")
        return [item for item in value if fits(item)]

    def told(self) -> str:
        """Return what is wrong on one line; of too many faults, how many more there are."""
        told = self.faults[:FAULTS_SHOWN_MAX]
        if len(told) < len(self.faults):
            told.append(f"and {len(self.faults) - len(told)} more")
        return "; ".join(told)

    def close(self) -> None:
        """Refuse what nobody asked for."""
        known = ", ".join(sorted(self._known))
        for name in self._left:
            self.faults.append(f"{self._path}{shown(name)} is unknown: {known} are known")
        self._left = {}
