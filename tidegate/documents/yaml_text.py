"""
YAML as people write it: values with the line and column they came from.

YAML 1.2 without what makes a document mean something else than it says: aliases, tags, keys given
twice, and words that YAML 1.1, which many editors and tools still speak, reads differently.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

from tidegate.documents.faults import Fault, Path, written
from tidegate.documents.reading import Finding
from tidegate.documents.shapes import shown

#: Levels of nesting; a policy has four.
DEPTH_MAX = 16

#: Line and column, counted from 1.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trap:
    """A word that two versions of YAML read differently: what each reads, and what to write."""

    readings: str
    remedy: str


@dataclass(slots=True)
class Tree:
    """
    What a text holds.

    Attributes:
        value: Plain objects, lists and scalars.
        is_readable: False if the text was not read to its end.
        places: Where each value begins.
        key_places: Where the key of each value in an object begins.
        traps: Values that are not sure to be what was meant.
        faults: What no document may hold.
        spoilt: Paths of values that are not what was written; there is a fault for each.
    """

    value: Any = None
    is_readable: bool = True
    places: dict[Path, Place] = field(default_factory=dict)
    key_places: dict[Path, Place] = field(default_factory=dict)
    traps: dict[Path, Trap] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    spoilt: set[Path] = field(default_factory=set)

    def spoil(self, path: Path, place: Place, message: str) -> None:
        """Note a fault of a value that cannot be read as it is written."""
        self.faults.append(Fault(written(path), *place, message))
        self.spoilt.add(path)

    def place_of(self, path: Path, *, key: bool) -> Place:
        """Return where a value, or its key, begins; for what is not there, what it belongs to."""
        if key and path in self.key_places:
            return self.key_places[path]
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))

    def placed(self, findings: Mapping[Path, Finding]) -> list[Fault]:
        """
        Return what is wrong with the values, each fault where it stands.

        Words that are not sure to be what was meant are faults as well; values that are spoilt
        have theirs already.
        """
        found = dict(findings)
        for path, trap in self.traps.items():
            finding = found.get(path)
            what_is_right = f": {trap.remedy}" if finding is None else f"; {finding.message}"
            found[path] = Finding(trap.readings + what_is_right)
        return [
            Fault(written(path), *self.place_of(path, key=each.is_about_key), each.message)
            for path, each in found.items()
            if path not in self.spoilt
        ]


class _UnreadableError(Exception):
    """The text cannot be read on from here."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


def read_yaml(text: str) -> Tree:
    """Return what a text holds; what is wrong with it is among the faults."""
    tree = Tree()
    try:
        _read_document(YAML(typ="safe", pure=True).parse(text), tree)
    except MarkedYAMLError as error:
        problem = str(error.problem)
        if r"'\t'" in problem:
            problem = "a tab stands where spaces are expected: indent with spaces"
        _only(tree, _place(error.problem_mark), problem)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        _only(tree, (line, column), "a control character stands here: remove it")
    except YAMLError as error:
        _only(tree, (1, 1), str(error))
    except _UnreadableError as error:
        _only(tree, error.place, str(error))
    return tree


def _only(tree: Tree, place: Place, message: str) -> None:
    """Leave nothing but the fault that made an end of reading."""
    tree.is_readable = False
    tree.faults = [Fault("", *place, f"not readable as YAML: {message}")]


def _place(mark: StreamMark | None) -> Place:
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def _read_document(events: Iterator[Event], tree: Tree) -> None:
    next(events)
    start = next(events)
    if isinstance(start, StreamEndEvent):
        raise _UnreadableError((1, 1), "it holds nothing")
    if isinstance(start, DocumentStartEvent) and start.version not in {None, (1, 2)}:
        raise _UnreadableError(_place(start.start_mark), "this is YAML 1.2: leave %YAML out")
    tree.value = _read(next(events), events, (), tree)
    next(events)
    after = next(events)
    if not isinstance(after, StreamEndEvent):
        raise _UnreadableError(_place(after.start_mark), "a second document begins: leave one")


def _read(event: Event, events: Iterator[Event], path: Path, tree: Tree) -> object:
    place = _place(event.start_mark)
    tree.places[path] = place
    if len(path) > DEPTH_MAX:
        raise _UnreadableError(place, f"it is nested more than {DEPTH_MAX} levels deep")
    if isinstance(event, AliasEvent):
        tree.spoil(path, place, f"an alias, *{event.anchor}, is not read: write the value out")
        return None
    assert isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent)
    if event.tag is not None:
        tree.spoil(path, place, f"a tag, {event.tag}, is not read: leave it out")
    if isinstance(event, MappingStartEvent):
        return _read_object(events, path, tree)
    if isinstance(event, SequenceStartEvent):
        return _read_list(events, path, tree)
    text = str(event.value)
    if event.style is not None:
        return _with_pairs_joined(text)
    trap = _trap(text)
    if trap is not None:
        tree.traps[path] = trap
    return _scalar(text)


def _read_object(events: Iterator[Event], path: Path, tree: Tree) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key in events:
        if isinstance(key, MappingEndEvent):
            break
        place = _place(key.start_mark)
        if not isinstance(key, ScalarEvent):
            raise _UnreadableError(place, "a key must be a word")
        name = str(key.value)
        inside = (*path, name)
        if name in read:
            # Read on, but keep what the first one was and where it stands.
            _read(next(events), events, inside, Tree())
            message = f"{shown(name)} stands here twice: leave one of them out"
            tree.faults.append(Fault(written(inside), *place, message))
            continue
        tree.key_places[inside] = place
        read[name] = _read(next(events), events, inside, tree)
    return read


def _read_list(events: Iterator[Event], path: Path, tree: Tree) -> list[Any]:
    read: list[Any] = []
    for item in events:
        if isinstance(item, SequenceEndEvent):
            break
        read.append(_read(item, events, (*path, len(read)), tree))
    return read


def _with_pairs_joined(text: str) -> str:
    """Return a text in which two escapes of UTF-16, as JSON writes them, are one character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    word: value
    for value in (True, False)
    for word in (str(value), str(value).lower(), str(value).upper())
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def _scalar(text: str) -> object:
    """Return what YAML 1.2's core schema reads in a word without quotes."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    for form, base in ((_INTEGER, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if form.fullmatch(text):
            return int(text, base) if len(text) <= _DIGITS_MAX else float("inf")
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


#: Digits of a whole number; a longer one is beyond every limit, whatever it is.
_DIGITS_MAX = 300


def _trap(text: str) -> Trap | None:
    """Return why a word is not sure to be what was meant, None if it is."""
    if len(text) <= _DIGITS_MAX:
        for form, explain in _TRAPS:
            if form.fullmatch(text):
                return explain(text)
    return None


def _boolean_to_1_1(text: str) -> Trap:
    return _text_to_1_2(text, "true" if text.lower() in {"yes", "on"} else "false")


def _octal_to_1_1(text: str) -> Trap:
    other = str(int(text, 8)) if text.strip("+-01234567") == "" else "a text"
    readings = f"{text} is {int(text)} in YAML 1.2, but {other} in YAML 1.1"
    return Trap(readings, "write it without the leading zero")


def _octal_to_1_2(text: str) -> Trap:
    number = int(text, 8)
    return Trap(f"{text} is {number} in YAML 1.2, but a text in YAML 1.1", f"write {number}")


def _grouped_to_1_1(text: str) -> Trap:
    number = int(text.replace("_", ""))
    return Trap(f"{text} is a text in YAML 1.2, but {number} in YAML 1.1", f"write {number}")


def _sexagesimal_to_1_1(text: str) -> Trap:
    number = 0
    for digits in text.lstrip("+-").split(":"):
        number = number * 60 + int(digits)
    return _text_to_1_2(text, str(-number if text.startswith("-") else number))


def _date_to_1_1(text: str) -> Trap:
    return _text_to_1_2(text, "a date")


def _text_to_1_2(text: str, other: str) -> Trap:
    readings = f"{text} is a text in YAML 1.2, but {other} in YAML 1.1"
    return Trap(readings, f"write {shown(text)} if it is a text")


_TRAPS = (
    (re.compile(r"yes|no|on|off|Yes|No|On|Off|YES|NO|ON|OFF"), _boolean_to_1_1),
    (re.compile(r"[-+]?0[0-9]+"), _octal_to_1_1),
    (_OCTAL, _octal_to_1_2),
    (re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*"), _grouped_to_1_1),
    (re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+"), _sexagesimal_to_1_1),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?"), _date_to_1_1),
)
