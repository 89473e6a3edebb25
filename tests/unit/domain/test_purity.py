"""The domain is a calculation: nothing comes in but by its arguments."""

import ast
import sys
from pathlib import Path

import pytest

from tidegate import domain

MODULES = sorted(Path(domain.__file__).parent.glob("*.py"))

#: Of the standard library, but with a clock, with chance, or with a way out to the world.
IMPURE = frozenset(
    {
        "asyncio",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "socket",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    }
)

#: Names by which a module reaches the clock or the world without an import.
REACHING_OUT = frozenset({"input", "now", "open", "print", "today", "utcnow"})


def imported_by(path: Path) -> set[str]:
    """Return the modules that a file imports, by their full names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(node.module or "")
    return found


def called_by(path: Path) -> set[str]:
    """Return the names of all that a file calls."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return names | {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_domain_needs_the_standard_library_only(path: Path) -> None:
    """Nothing of the product's other layers, and nothing that must be installed."""
    ours = {name for name in imported_by(path) if name.startswith("tidegate.")}
    others = {name.partition(".")[0] for name in imported_by(path) - ours}

    assert {name for name in ours if not name.startswith("tidegate.domain.")} == set()
    assert others <= sys.stdlib_module_names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_domain_has_no_clock_no_chance_and_no_world(path: Path) -> None:
    """A review replayed with the same arguments comes to the same decision, anywhere."""
    assert {name.partition(".")[0] for name in imported_by(path)} & IMPURE == set()
    assert called_by(path) & REACHING_OUT == set()
