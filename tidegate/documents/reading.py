"""Holds what somebody wrote against a model, and says of each fault what would be right."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails

from tidegate.documents.faults import Path
from tidegate.documents.quantities import FAULT
from tidegate.documents.shapes import shown

#: Levels of nesting that are looked at; no document has half as many.
_DEPTH_MAX = 16

#: Stands for any index in the path of a section.
ANY = 0

#: Where pydantic finds fault with a key that is a value itself.
_KEY = "[key]"

#: pydantic's name for a key that is none of the model's.
_UNKNOWN = "extra_forbidden"


class Section(BaseModel):
    """An object in a document: its keys are known, and hold just what they should."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, validate_default=True)


class OrElse:
    """Adds to the schema of a section what stands for it."""

    def __init__(self, *instead: JsonSchemaValue) -> None:
        self._instead = instead

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the alternatives, the section being the last."""
        return {"anyOf": [*self._instead, handler(core_schema)]}


Sections = Mapping[Path, type[BaseModel]]

_Document = TypeVar("_Document", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at a path, and whether it is the key itself that should not be there."""

    message: str
    is_about_key: bool = False


def validated(
    value: object, model: type[_Document], sections: Sections, whole: Collection[Path] = ()
) -> tuple[_Document | None, dict[Path, Finding]]:
    """
    Return the document, None if anything is wrong, and what is wrong by path.

    Args:
        value: Plain objects, lists and scalars.
        model: What the document shall be.
        sections: Models of all objects in it, by path, with ANY for an index.
        whole: Paths of what is kept as it is, keys without a value included.
    """
    findings: dict[Path, Finding] = {}
    plain = _without_nulls(value, (), findings, whole)
    try:
        document = model.model_validate(plain)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False):
            path, finding = _finding(each, sections)
            findings.setdefault(path, finding)
        return None, findings
    return document, findings


def _without_nulls(
    value: object, path: Path, findings: dict[Path, Finding], whole: Collection[Path]
) -> object:
    """Return plain data without keys that have no value, which are noted instead."""
    if len(path) > _DEPTH_MAX or path in whole:
        return value
    if isinstance(value, list):
        return [_without_nulls(item, (*path, n), findings, whole) for n, item in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    plain: dict[str, object] = {}
    for key, item in value.items():
        inside = (*path, str(key))
        if item is None:
            findings[inside] = Finding(
                "no value: write one, or leave the key out", is_about_key=True
            )
        else:
            plain[str(key)] = _without_nulls(item, inside, findings, whole)
    return plain


def _finding(error: ErrorDetails, sections: Sections) -> tuple[Path, Finding]:
    path: Path = error["loc"]
    if path[-1:] == (_KEY,):
        return path[:-1], Finding(error["msg"], is_about_key=True)
    return path, Finding(_message(error, sections), is_about_key=error["type"] == _UNKNOWN)


def _message(error: ErrorDetails, sections: Sections) -> str:
    path: Path = error["loc"]
    read = shown(error["input"])
    match error["type"]:
        case "missing":
            return "missing, but needed"
        case kind if kind == _UNKNOWN:
            return _unknown(path, sections)
        case "model_type":
            return f"{read}, but keys are needed here: {_known(path, sections)}"
        case "dict_type":
            return f"{read}, but keys are needed here"
        case "list_type":
            return f"{read}, but a list is needed here"
        case kind:
            assert kind == FAULT, error
            return error["msg"]


def keys_of(section: type[BaseModel]) -> list[str]:
    """Return the keys of a section as they are written."""
    return [each.alias or name for name, each in section.model_fields.items()]


def _known(path: Path, sections: Sections) -> str:
    return ", ".join(keys_of(_section(path, sections)))


def _unknown(path: Path, sections: Sections) -> str:
    known = sorted(keys_of(_section(path[:-1], sections)))
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    guess = f" (is {close[0]} meant?)" if close else ""
    return f"unknown key{guess}: known here are {', '.join(known)}"


def _section(path: Path, sections: Sections) -> type[BaseModel]:
    return sections[tuple(ANY if isinstance(part, int) else part for part in path)]
