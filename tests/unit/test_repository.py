"""Rules about the source itself that no tool checks."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SOURCES = ("benchmarks", "examples", "infra", "lambdas", "tests", "tidegate")
TEXTS = (".asl.json", ".md", ".py", ".toml", ".yaml", ".yml", "Makefile")

#: Code lines of a handler: more, and it does what a service should.
HANDLER_LINES_MAX = 60

#: Names that say nothing of what is inside.
EMPTY_NAMES = frozenset({"common", "helper", "helpers", "manager", "misc", "util", "utils"})

NOTES_TO_SELF = re.compile(r"\b(TODO|FIXME|XXX)\b")

LOCKS = (
    "requirements",
    "requirements-dev",
    "lambdas/requirements",
    "tidegate/local/requirements",
    "examples/device/requirements",
    "tests/e2e/clients/requirements",
)

#: The embedded cloud's is not among them: MiniStack pins an older botocore.
LOCKS_THAT_AGREE = ("requirements-dev", "lambdas/requirements")


def modules() -> Iterator[Path]:
    """Yield every Python file of ours."""
    yield REPOSITORY / "app.py"
    for folder in SOURCES:
        yield from (REPOSITORY / folder).rglob("*.py")


def code_lines(path: Path) -> int:
    """Return how many lines carry code: neither blank, nor comment, nor docstring."""
    source = path.read_text()
    quiet = {
        tokenize.COMMENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
        tokenize.INDENT,
        tokenize.NEWLINE,
        tokenize.NL,
    }
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in quiet
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def pins(path: Path) -> dict[str, str]:
    """Return the versions that a requirements file asks for."""
    found = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s\\;]+)", path.read_text(), re.MULTILINE)
    return {re.sub(r"[._-]+", "-", name).lower(): version for name, version in found}


def test_handlers_are_short() -> None:
    """A handler translates an event, calls one service and translates the result: no more."""
    lengths = {path.name: code_lines(path) for path in (REPOSITORY / "lambdas").glob("*.py")}

    assert {name: n for name, n in lengths.items() if n > HANDLER_LINES_MAX} == {}


def test_modules_are_named_after_what_they_hold() -> None:
    """No module or package has a name under which anything could be put."""
    named = {part: path for path in modules() for part in (path.stem, path.parent.name)}

    assert {name: path for name, path in named.items() if name in EMPTY_NAMES} == {}


def test_the_architecture_names_every_module() -> None:
    """Its table of modules has all that there are, and none that is gone."""
    page = (REPOSITORY / "ARCHITECTURE.md").read_text()
    table = page.partition("### The modules\n")[2].partition("\n#")[0]
    handlers = page.partition("### The Lambda functions\n")[2].partition("\n#")[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", table, re.MULTILINE))
    rows["lambdas"] += " ".join(re.findall(r"^\| (`[^`]+`)", handlers, re.MULTILINE))
    named = {
        f"{folder}/{each}.py" for folder in rows for each in re.findall(r"`(\w+)`", rows[folder])
    }
    found = {f"{path.relative_to(REPOSITORY)}" for path in modules() if path.stem != "__init__"}

    assert named ^ {each for each in found if not each.startswith(("app.py", "tests/"))} == set()


def test_every_test_says_what_it_shows() -> None:
    """Each test function has a docstring that states the behaviour."""
    silent = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}"
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert silent == []


def test_nothing_is_left_for_later() -> None:
    """What is in the tree is finished; what is not, is planned elsewhere."""
    tracked = [
        path
        for folder in (*SOURCES, "docs", "policies", "workflows")
        for path in (REPOSITORY / folder).rglob("*")
        if path.name.endswith(TEXTS) and path != Path(__file__)
    ]
    tracked += [path for path in REPOSITORY.glob("*") if path.name.endswith(TEXTS)]
    notes = [
        f"{path.relative_to(REPOSITORY)}:{number}"
        for path in tracked
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if NOTES_TO_SELF.search(line)
    ]

    assert notes == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_was_asked_for(name: str) -> None:
    """Whoever changes a requirements.in compiles its lock: `make lock`."""
    asked = pins(REPOSITORY / f"{name}.in")
    locked = pins(REPOSITORY / f"{name}.txt")

    assert asked
    assert asked.items() <= locked.items()


@pytest.mark.parametrize("name", LOCKS_THAT_AGREE)
def test_locks_agree(name: str) -> None:
    """What the tests and the Lambdas run on is, version for version, what a deployment uses."""
    deployed = pins(REPOSITORY / "requirements.txt")
    locked = pins(REPOSITORY / f"{name}.txt")
    shared = deployed.keys() & locked.keys()

    assert {key: deployed[key] for key in shared} == {key: locked[key] for key in shared}


def test_locks_name_no_place() -> None:
    """A lock says what to install, never from where: that is for each machine to say."""
    locks = [(REPOSITORY / f"{name}.txt").read_text() for name in LOCKS]
    packages = (REPOSITORY / "package-lock.json").read_text()

    assert not any("://" in lock or "\n--" in lock for lock in locks)
    assert '"resolved"' not in packages
