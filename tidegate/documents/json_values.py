"""Reads files of JSON values that follow each other, on lines of their own or not."""

import json
from collections.abc import Iterator

from tidegate.errors import Refused


def json_values(text: str, *, source: str, how: str) -> Iterator[object]:
    """
    Yield the JSON values that follow each other in a text.

    Args:
        text: The values, with any white space or none between them.
        source: What to call the text in messages: a file's name, as a rule.
        how: What to type, for whoever brought something else.

    Raises:
        Refused: It is not JSON; the message says where.
    """
    decoder, position = json.JSONDecoder(), _after_space(text, 0)
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            message = (
                f"{source}:{error.lineno}:{error.colno}: not readable as JSON: {error.msg}: {how}"
            )
            raise Refused(message) from None
        except RecursionError:
            message = f"{source}: not readable as JSON: it is nested too deep: {how}"
            raise Refused(message) from None
        yield value
        position = _after_space(text, position)


def _after_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position
