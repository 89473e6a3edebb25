"""
SVG as text: elements whose words and attributes are escaped, whatever stands in them.

A picture is complete in itself: no script, no style sheet, no reference to anything outside it. Its
words take the colour and its page the width that is left to it; ``svg { max-width: 100%; height:
auto }`` is all that a page has to say.
"""

import zlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import TypeAlias

from tidegate.console.figures import told

#: Characters of a text; a longer one is cut.
TOLD_MAX = 300

Spot: TypeAlias = tuple[float, float]


def element(name: str, *content: str, **attributes: str | float) -> str:
    """Return an element; its content is markup already, its attributes are escaped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_attribute(value))}"'
        for key, value in attributes.items()
    )
    inside = "".join(content)
    return f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>"


def _attribute(value: str | float) -> str:
    return value if isinstance(value, str) else number(value)


def number(value: float) -> str:
    """Return a length in pixels, to the tenth."""
    return f"{value:.1f}".removesuffix(".0")


def words(x: float, y: float, text: str, **attributes: str | float) -> str:
    """Return a text, whatever stands in it."""
    return element("text", escape(told(text, TOLD_MAX)), x=x, y=y, **attributes)


def hint(text: str) -> str:
    """Return what is told of an element when it is pointed at."""
    return element("title", escape(told(text, TOLD_MAX))) if text else ""


def path(spots: Sequence[Spot], *, has_steps: bool = False) -> str:
    """Return the drawing of a line through these places."""
    drawn = f"M{number(spots[0][0])} {number(spots[0][1])}"
    for x, y in spots[1:]:
        drawn += f"H{number(x)}V{number(y)}" if has_steps else f"L{number(x)} {number(y)}"
    return drawn


def sheet(subject: str, title: str, description: str, size: Spot, content: Iterable[str]) -> str:
    """
    Return a whole picture, with its title and its description for those who cannot see it.

    Args:
        subject: What tells it from all other pictures of a page.
        title: Its title.
        description: What there is to see, in words.
        size: Width and height in pixels.
        content: Its elements.
    """
    mark = f"tidegate-{zlib.crc32(subject.encode(errors='replace')):08x}"
    width, height = size
    return element(
        "svg",
        element("title", escape(told(title, TOLD_MAX)), id=f"{mark}-title"),
        element("desc", escape(told(description, TOLD_MAX)), id=f"{mark}-desc"),
        *content,
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_labelledby=f"{mark}-title {mark}-desc",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        overflow="visible",
        fill="currentColor",
        font_family="system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
        font_size="12",
    )
