"""As much of JSONata as the workflow's definition uses, so that a test can run the definition."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'[^']*')|(?P<number>\d+)|(?P<name>\$?[A-Za-z_][\w.]*)"
    r"|(?P<sign><=|>=|!=|[=<>&+\-(),\[\]]))"
)

#: Operators by how loosely they bind.
_LEVELS: tuple[Mapping[str, Callable[[Any, Any], Any]], ...] = (
    {"or": lambda a, b: bool(a) or bool(b)},
    {"and": lambda a, b: bool(a) and bool(b)},
    {
        "=": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
        "in": lambda a, b: a in b,
    },
    {"&": lambda a, b: f"{a}{b}"},
    {"+": lambda a, b: a + b, "-": lambda a, b: a - b},
)

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "$substring": lambda text, start, length: text[start : start + length],
}

_CONSTANTS = {"true": True, "false": False, "null": None}


class ExpressionError(Exception):
    """The expression has no value, or is more of JSONata than is understood here."""


def evaluated(template: object, names: Mapping[str, Any]) -> Any:  # noqa: ANN401 - plain JSON
    """
    Return a template's value: texts of the form ``{% … %}`` are expressions, the rest stands.

    Args:
        template: Plain JSON.
        names: What ``$name`` means, without the dollar sign.
    """
    if isinstance(template, dict):
        return {key: evaluated(value, names) for key, value in template.items()}
    if isinstance(template, list):
        return [evaluated(value, names) for value in template]
    if isinstance(template, str) and template.startswith("{%") and template.endswith("%}"):
        return _Expression(template[2:-2], names).value()
    return template


class _Expression:
    """One expression, read and evaluated from left to right."""

    def __init__(self, text: str, names: Mapping[str, Any]) -> None:
        self._text = text
        self._names = names
        self._tokens = list(_tokens(text))

    def value(self) -> Any:  # noqa: ANN401 - plain JSON
        value = self._binary(0)
        if self._tokens:
            self._fail(f"{self._tokens[0]!r} is one too many")
        return value

    def _binary(self, level: int) -> Any:  # noqa: ANN401
        if level == len(_LEVELS):
            return self._primary()
        value = self._binary(level + 1)
        while self._tokens and self._tokens[0] in _LEVELS[level]:
            operate = _LEVELS[level][self._tokens.pop(0)]
            value = operate(value, self._binary(level + 1))
        return value

    def _primary(self) -> Any:  # noqa: ANN401
        match self._tokens.pop(0) if self._tokens else "":
            case str() as token if token.startswith("'"):
                value: Any = token[1:-1]
            case str() as token if token.isdigit():
                value = int(token)
            case str() as token if token in _CONSTANTS:
                value = _CONSTANTS[token]
            case "(":
                (value,) = self._items(")")
            case "[":
                value = self._items("]")
            case str() as token if token in _FUNCTIONS:
                if self._tokens[:1] != ["("]:
                    self._fail(f"{token} is a function")
                self._tokens.pop(0)
                value = _FUNCTIONS[token](*self._items(")"))
            case str() as token if token.startswith("$"):
                value = self._looked_up(token[1:])
            case token:
                self._fail(f"{token!r} is not understood")
        return value

    def _items(self, end: str) -> list[Any]:
        items: list[Any] = []
        while self._tokens[:1] != [end]:
            items.append(self._binary(0))
            if self._tokens[:1] == [","]:
                self._tokens.pop(0)
            elif self._tokens[:1] != [end]:
                self._fail(f"{end!r} is missing")
        self._tokens.pop(0)
        return items

    def _looked_up(self, path: str) -> Any:  # noqa: ANN401
        value: Any = self._names
        for name in path.split("."):
            if not isinstance(value, Mapping) or name not in value:
                self._fail(f"${path} is undefined")
            value = value[name]
        return value

    def _fail(self, problem: str) -> NoReturn:
        message = f"{self._text.strip()}: {problem}"
        raise ExpressionError(message)


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None:
            message = f"{text.strip()}: {text[position:]!r} is not understood"
            raise ExpressionError(message)
        yield found.group().strip()
        position = found.end()
