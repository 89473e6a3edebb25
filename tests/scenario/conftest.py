"""A world for each test, which must not have seen anything that should never happen."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from tests.scenario.device_world import DeviceWorld
from tests.scenario.world import World

_World = TypeVar("_World", bound=World)


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """Return a maker of worlds; at the end none of them has a violation to tell of."""
    yield from _makers(World)


@pytest.fixture
def make_device_world() -> Iterator[Callable[..., DeviceWorld]]:
    """Return a maker of worlds whose devices are looked after, likewise."""
    yield from _makers(DeviceWorld)


def _makers(kind: type[_World]) -> Iterator[Callable[..., _World]]:
    worlds: list[_World] = []

    def make(**choices: Any) -> _World:  # noqa: ANN401 - whatever worlds take
        worlds.append(kind(**choices))
        return worlds[-1]

    yield make
    assert [each.violations for each in worlds] == [[] for _ in worlds]
