"""A world for each test, which must not have seen anything that should never happen."""

from collections.abc import Callable, Iterator

import pytest

from tests.scenario.world import World


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """Return a maker of worlds; at the end none of them has a violation to tell of."""
    worlds: list[World] = []

    def make(**choices: object) -> World:
        worlds.append(World(**choices))  # type: ignore[arg-type]
        return worlds[-1]

    yield make
    assert [each.violations for each in worlds] == [[] for _ in worlds]
