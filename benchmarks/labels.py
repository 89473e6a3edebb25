"""Places names beside crowded points: those of a crowd in a column, each on its point's height."""

from collections.abc import Sequence
from dataclasses import dataclass

Position = tuple[float, float]

#: Points that are no farther apart than this, across and up, crowd each other; in pixels.
_CROWDED = (30.0, 22.0)
#: From a point to its name, and from a crowd's outermost point to theirs, for the lines.
_APART, _APART_IN_CROWD = 12.0, 26.0
#: From one name to the next, in heights of a name.
_LEADING = 1.12
#: A name that is so much higher or lower than its point needs a line to it, and so does one that
#: is so far beside it; in pixels.
_HIGHER, _BESIDE = 3.0, 20.0


@dataclass(frozen=True, slots=True)
class Name:
    """
    What is to stand beside a point.

    Attributes:
        point: Its place, in pixels.
        width: Of the name.
        height: Of the name.
    """

    point: Position
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a name stands.

    Attributes:
        dx: Pixels from its point to the name's nearer edge, negative to the left.
        dy: The same to the middle of its height.
        has_line: Whether a line should lead to the point.
    """

    dx: float
    dy: float
    has_line: bool


def places(names: Sequence[Name], *, left: float, right: float) -> list[Place]:
    """
    Return where names stand, between the edges ``left`` and ``right``.

    A crowd's names stand to its right where nothing else does and there is room, else to its left.
    """
    found: dict[int, Place] = {}
    for crowd in _crowds(names):
        others = [each for index, each in enumerate(names) if index not in crowd]
        ordered = sorted(crowd, key=lambda index: names[index].point[1])
        members = [names[index] for index in ordered]
        side = _side(members, others, left, right)
        edge = max(side * name.point[0] for name in members)
        edge += _APART if len(members) == 1 else _APART_IN_CROWD
        for index, height in zip(ordered, _spread(members), strict=True):
            x, y = names[index].point
            dx, dy = side * edge - x, height - y
            found[index] = Place(dx, dy, has_line=abs(dy) > _HIGHER or abs(dx) > _BESIDE)
    return [found[index] for index in range(len(names))]


def _crowds(names: Sequence[Name]) -> list[list[int]]:
    """Return the indices of names whose points crowd each other, directly or through others."""
    left = list(range(len(names)))
    crowds = []
    while left:
        crowd = [left.pop(0)]
        for member in crowd:
            near = [index for index in left if _is_near(names[member], names[index])]
            left = [index for index in left if index not in near]
            crowd += near
        crowds.append(crowd)
    return crowds


def _is_near(one: Name, other: Name) -> bool:
    pairs = zip(one.point, other.point, _CROWDED, strict=True)
    return all(abs(a - b) <= limit for a, b, limit in pairs)


def _side(crowd: Sequence[Name], others: Sequence[Name], left: float, right: float) -> int:
    """Return 1 for the right, -1 for the left."""
    width = max(name.width for name in crowd) + _APART + _APART_IN_CROWD
    heights = [name.point[1] for name in crowd]
    low, high = min(heights) - crowd[0].height, max(heights) + crowd[0].height
    leftmost = min(name.point[0] for name in crowd)
    rightmost = max(name.point[0] for name in crowd)
    if rightmost + width > right:
        return -1
    beside = [name.point[0] for name in others if low <= name.point[1] <= high]
    is_taken = any(rightmost < x < rightmost + width for x in beside)
    return -1 if is_taken and leftmost - width > left else 1


def _spread(crowd: Sequence[Name]) -> list[float]:
    """
    Return heights for names in order of their points', near them and no two on each other.

    Names that would touch share the mean of their points' heights, as a block.
    """
    blocks: list[tuple[list[float], list[float]]] = []
    for name in crowd:
        block = ([name.point[1]], [_LEADING * name.height])
        while blocks and _top(blocks[-1]) > _bottom(block):
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1])
        blocks.append(block)
    return [height for block in blocks for height in _heights(block)]


def _bottom(block: tuple[list[float], list[float]]) -> float:
    points, rooms = block
    return sum(points) / len(points) - sum(rooms) / 2


def _top(block: tuple[list[float], list[float]]) -> float:
    return _bottom(block) + sum(block[1])


def _heights(block: tuple[list[float], list[float]]) -> list[float]:
    below = _bottom(block)
    heights = []
    for room in block[1]:
        heights.append(below + room / 2)
        below += room
    return heights
