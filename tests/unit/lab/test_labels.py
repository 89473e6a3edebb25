"""Names in the comparison's picture stand beside their points, and none on another."""

from itertools import combinations

from benchmarks.labels import Name, places

LEFT, RIGHT = 0.0, 600.0
HEIGHT = 12.0


def extents(names: list[Name]) -> list[tuple[float, float, float, float]]:
    """Return where each name lies: left, right, bottom, top."""
    found = []
    for name, place in zip(names, places(names, left=LEFT, right=RIGHT), strict=True):
        x, y = name.point[0] + place.dx, name.point[1] + place.dy
        near, far = (x, x + name.width) if place.dx > 0 else (x - name.width, x)
        found.append((near, far, y - name.height / 2, y + name.height / 2))
    return found


def test_a_lonely_point_has_its_name_to_the_right() -> None:
    """Where nothing is in the way, a name stands on its point's height and needs no line."""
    (place,) = places([Name((100, 100), 50, HEIGHT)], left=LEFT, right=RIGHT)

    assert place.dx > 0
    assert place.dy == 0
    assert not place.has_line


def test_names_of_a_crowd_hide_none_of_each_other() -> None:
    """Points on nearly the same spot have their names one above the other, each with a line."""
    names = [Name((100 + 2 * n, 100 + n), 80, HEIGHT) for n in range(6)]
    found = extents(names)

    for (_, _, bottom, top), (_, _, other_bottom, other_top) in combinations(found, 2):
        assert top <= other_bottom or other_top <= bottom
    assert all(each.has_line for each in places(names, left=LEFT, right=RIGHT))
    assert [bottom for _, _, bottom, _ in found] == sorted(bottom for _, _, bottom, _ in found)


def test_a_name_gives_way_to_a_point_beside_it() -> None:
    """A name does not run into another point: it goes to the other side."""
    one, other = places(
        [Name((300, 100), 80, HEIGHT), Name((360, 100), 80, HEIGHT)], left=LEFT, right=RIGHT
    )

    assert one.dx < 0 < other.dx


def test_a_name_stays_within_the_edges() -> None:
    """At the right edge a name stands to the left of its point."""
    ((near, far, _, _),) = extents([Name((580, 100), 80, HEIGHT)])

    assert near >= LEFT
    assert far <= RIGHT
