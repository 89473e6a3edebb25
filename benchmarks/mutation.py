"""
Measures what the tests of the decision engine notice: how many small changes of it they let pass.

A mutant is a module with one change, such as ``<`` for ``<=`` or 3 for 2. Each is imported in a
fresh process in place of the module, and the tests of that module run until the first one fails.
What none of them notices survives: it is printed, to be killed by a better test or told harmless
in docs/mutation.md. Which mutants are tried is drawn from a seed, so many of each module.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import CodeType, ModuleType

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[1]
UNIT, PROPERTY = "tests/unit/domain/test_{}.py", "tests/property/test_{}.py"

#: The tests of each module: those named after it, and those of what it is made for.
TESTS = {
    "evidence": (UNIT.format("evidence"), PROPERTY.format("evidence")),
    "delays": (UNIT.format("delays"),),
    "cohorts": (UNIT.format("cohorts"),),
    "memory": (UNIT.format("memory"),),
    "weigh": (UNIT.format("weigh"), UNIT.format("review")),
    "pace": (UNIT.format("pace"), UNIT.format("case")),
    "case": (UNIT.format("case"), UNIT.format("explain"), UNIT.format("review")),
    "fence": (UNIT.format("fence"), PROPERTY.format("fence")),
    "tripwires": (UNIT.format("tripwires"), PROPERTY.format("tripwires")),
    "explain": (UNIT.format("explain"), UNIT.format("review"), UNIT.format("case")),
    "review": (UNIT.format("review"), UNIT.format("explain"), PROPERTY.format("review")),
    "outcomes": (UNIT.format("outcomes"), PROPERTY.format("outcomes")),
    "policy": (UNIT.format("policy"), PROPERTY.format("policy")),
}

#: Test processes at a time.
PROCESSES = 2
#: A mutant that runs so much longer than the module itself may run for ever: that is noticed.
TIMES_AS_LONG, AT_LEAST_SECONDS = 8.0, 60.0
_POLL_SECONDS = 0.05
#: What pytest returns where every test passed.
_PASSED = 0

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
}
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any", "ceil": "floor", "floor": "ceil"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    A module with one change.

    Attributes:
        module: Its name within ``tidegate.domain``.
        line: Where the change is.
        before: The expression as it is.
        after: The expression as it would be.
        source: All of the module, changed.
    """

    module: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        """Return where the change is, and what it is."""
        return f"{self.module}.py:{self.line}  {self.before}  ->  {self.after}"


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    tree = ast.parse((REPOSITORY / "tidegate" / "domain" / f"{module}.py").read_text())
    said = {id(each) for each in _unexecuted(tree)}
    for place, node in enumerate(ast.walk(tree)):
        if id(node) not in said:
            for changed in (*_other_operators(node), *_other_values(node)):
                before, after = (" ".join(ast.unparse(each).split()) for each in (node, changed))
                line = getattr(node, "lineno", 0)
                yield Mutant(module, line, before, after, _with_change(tree, place, changed))


def _unexecuted(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what is no behaviour: docstrings, annotations, decorators, a module's constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        if isinstance(node, ast.keyword) and node.arg == "strict":
            # The arguments of zip are of one length, or the program is wrong anyway.
            yield node.value
        names = ("annotation", "returns", "decorator_list")
        for part in (getattr(node, name, None) for name in names):
            for each in part if isinstance(part, list) else [part]:
                yield from ast.walk(each) if each else ()
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
            # They are settings, from which tests derive their own numbers.
            yield from ast.walk(statement.value)


def _with_change(tree: ast.Module, place: int, changed: ast.AST) -> str:
    """Return the module's source with another node at a place, as ``ast.walk`` counts."""
    copied = copy.deepcopy(tree)
    node = [*ast.walk(copied)][place]
    for parent in ast.walk(copied):
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, changed)
            elif isinstance(value, list) and any(each is node for each in value):
                setattr(parent, name, [changed if each is node else each for each in value])
    return ast.unparse(ast.fix_missing_locations(copied))


def _other_operators(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a comparison or a calculation may be in place of what it is."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=comparators) if type(op) in _COMPARED:
            yield ast.Compare(left, [_COMPARED[type(op)]()], comparators)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _CALCULATED:
            yield ast.BinOp(left, _CALCULATED[type(op)](), right)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield operand


def _other_values(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a constant, a call, a choice or a return may be in place of what it is."""
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float() as value):
            yield ast.Constant(value * 1.25 if value else 1.0)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in _CALLED:
            yield ast.Call(ast.Name(_CALLED[name]), args, keywords)
        case ast.Call(func=ast.Attribute(of, name), args=args, keywords=keywords) if (
            name in _CALLED
        ):
            yield ast.Call(ast.Attribute(of, _CALLED[name]), args, keywords)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Return(value=ast.expr()):
            yield ast.Return(ast.Constant(None))


class _InPlaceOf(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant in place of its module."""

    def __init__(self, name: str, origin: str, code: CodeType) -> None:
        self._name, self._origin, self._code = name, origin, code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the mutant's spec for its name, none for others."""
        del path, target
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=self._origin)

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant's code."""
        exec(self._code, vars(module))  # noqa: S102 - it is the project's own, but for one change


def _try(source: str | None, module: str) -> None:
    """Run a module's tests on a source in its place, or on itself; exit as pytest does."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    if source is not None:
        origin = str(REPOSITORY / "tidegate" / "domain" / f"{module}.py")
        name = f"tidegate.domain.{module}"
        sys.meta_path.insert(0, _InPlaceOf(name, origin, compile(source, origin, "exec")))
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not prove"]
    code = pytest.main([*options, "--hypothesis-profile=mutate", *TESTS[module]])
    os._exit(int(code))


def _started(source: str | None, module: str) -> BaseProcess:
    # Forked: pytest and what tests need is imported once, the engine afresh in each process.
    process = multiprocessing.get_context("fork").Process(target=_try, args=(source, module))
    process.start()
    return process


def _seconds_of(module: str) -> float:
    """Return how long the tests of a module take; they must pass."""
    begun = time.perf_counter()
    process = _started(None, module)
    process.join()
    if process.exitcode != _PASSED:
        message = f"the tests of {module} fail without any change: {', '.join(TESTS[module])}"
        raise SystemExit(message)
    return time.perf_counter() - begun


def survivors_of(mutants: Sequence[Mutant], seconds: float) -> Iterator[Mutant]:
    """Yield the mutants that no test notices."""
    limit = max(AT_LEAST_SECONDS, TIMES_AS_LONG * seconds)
    waiting, running = [*reversed(mutants)], list[tuple[BaseProcess, Mutant, float]]()
    while waiting or running:
        while waiting and len(running) < PROCESSES:
            mutant = waiting.pop()
            running.append((_started(mutant.source, mutant.module), mutant, time.perf_counter()))
        for process, mutant, begun in [*running]:
            process.join(_POLL_SECONDS)
            if process.is_alive() and time.perf_counter() - begun > limit:
                process.kill()
                process.join()
            if not process.is_alive():
                running.remove((process, mutant, begun))
                if process.exitcode == _PASSED:
                    yield mutant


def main() -> None:
    """Try mutants of the modules that are named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", choices=[*TESTS, []], metavar="MODULE")
    parser.add_argument("--number", type=int, default=40, help="mutants of each module, at most")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    os.chdir(REPOSITORY)
    sys.path.insert(0, str(REPOSITORY))
    tried = lived = 0
    for module in chosen.modules or TESTS:
        mutants = [*mutants_of(module)]
        order = np.random.default_rng(chosen.seed).permutation(len(mutants))[: chosen.number]
        drawn = [mutants[index] for index in sorted(order.tolist())]
        survivors = []
        for mutant in survivors_of(drawn, _seconds_of(module)):
            print(mutant, flush=True)
            survivors.append(mutant)
        killed = len(drawn) - len(survivors)
        print(f"{module}: {killed} of {len(drawn)} noticed, of {len(mutants)}", flush=True)
        tried, lived = tried + len(drawn), lived + len(survivors)
    print(f"{tried - lived} of {tried} mutants noticed")


if __name__ == "__main__":
    main()
