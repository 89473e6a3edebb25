"""The catalogue of metrics says just what the code publishes, and the dashboard shows it."""

import ast
import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

import pytest

from tests.infra.synthesized import REPOSITORY, Synthesized
from tests.infra.test_dashboard import content, shown
from tidegate.domain.decision import Verdict
from tidegate.domain.rollout import Ending
from tidegate.service.steer import Outcome

LAMBDAS = REPOSITORY / "lambdas"
SHARED = "_metrics"

ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)

#: Where names are put together: what they begin with, and what may follow.
FAMILIES: dict[str, tuple[type[Enum], str]] = {
    "Reviews": (Verdict, "every"),
    "Rollouts": (Ending, "every"),
    "Decisions": (Outcome, "steer"),
    "Rollbacks": (Outcome, "roll_back"),
}
DONE = re.compile(r'return \{("(?:present|reaped|canceled|joined)".*)\}')


class Published(NamedTuple):
    """A metric: its name, or what it begins with, its unit and who publishes it."""

    name: str
    unit: str
    service: str


def catalogue() -> set[Published]:
    """Return what the document lists."""
    rows = ROW.findall((REPOSITORY / "docs" / "metrics.md").read_text())
    return {
        Published(name, unit, service)
        for name, unit, services, _, _ in rows
        for service in re.findall(r"`(\w+)`", services)
    }


def calls_of(stem: str) -> Iterator[ast.Call]:
    """Yield the calls in a module of the Lambdas."""
    tree = ast.parse((LAMBDAS / f"{stem}.py").read_text())
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def added(stem: str) -> Iterator[tuple[str, bool, str]]:
    """Yield what a module publishes: name, whether that is a beginning only, unit."""
    for call in calls_of(stem):
        if not isinstance(call.func, ast.Attribute) or call.func.attr != "add_metric":
            continue
        name, unit = call.args[0], call.args[1]
        assert isinstance(unit, ast.Attribute)
        if isinstance(name, ast.JoinedStr):
            beginning = name.values[0]
            assert isinstance(beginning, ast.Constant)
            yield str(beginning.value), True, unit.attr
        else:
            assert isinstance(name, ast.Constant)
            yield str(name.value), False, unit.attr


def members(family: str) -> list[str]:
    """Return how names of a family go on, as far as anything in the code can lead to them."""
    if family == "Devices":
        sources = (REPOSITORY / "tidegate" / "service").glob("*.py")
        found = [each for path in sources for each in DONE.findall(path.read_text())]
        return [name.title() for each in found for name in re.findall(r'"(\w+)":', each)]
    kind, where = FAMILIES[family]
    if where == "every":
        names = [each.name for each in kind]
    else:
        source = (REPOSITORY / "tidegate" / "service" / f"{where}.py").read_text()
        names = sorted(set(re.findall(r"\bOutcome\.([A-Z_]+)", source)))
    return [name.title().replace("_", "") for name in names]


def expanded(stem: str, service: str) -> set[Published]:
    """Return the metrics that a module publishes, each by its whole name."""
    return {
        Published(name + member, unit, service)
        for name, is_family, unit in added(stem)
        for member in (members(name) if is_family else [""])
    }


def published() -> set[Published]:
    """Return what the code publishes."""
    found: set[Published] = set()
    shared = expanded(SHARED, "")
    throttles = {each for each in shared if each.name == "CallsThrottled"}
    for path in LAMBDAS.glob("[!_]*.py"):
        found |= expanded(path.stem, path.stem)
        used = {call.func.id for call in calls_of(path.stem) if isinstance(call.func, ast.Name)}
        found |= {
            each._replace(service=path.stem)
            for name, metrics in (
                ("counting_throttles", throttles),
                ("tell_of_decision", shared - throttles),
            )
            if name in used
            for each in metrics
        }
    return found


def test_the_catalogue_lists_what_is_published() -> None:
    """No metric is missing in the document, none is there that nobody publishes."""
    assert catalogue() == published()


def test_each_metric_is_explained() -> None:
    """It has a meaning and says what to do; each is listed once."""
    rows = ROW.findall((REPOSITORY / "docs" / "metrics.md").read_text())
    names = [name for name, *_ in rows]

    assert len(names) == len(set(names))
    assert all(len(meaning) > 8 and action for *_, meaning, action in rows)


def test_lines_of_the_catalogue_are_read() -> None:
    """The checks above see every line of its tables."""
    lines = (REPOSITORY / "docs" / "metrics.md").read_text().splitlines()
    in_tables = [line for line in lines if line.startswith("| `")]

    assert len(in_tables) == len(ROW.findall("\n".join(in_tables))) > 0


def test_the_dashboard_shows_the_catalogue(aws: Synthesized) -> None:
    """Whatever Tidegate publishes can be seen, and no graph waits for what nobody publishes."""
    on_it = {
        (name, dimensions["service"])
        for namespace, name, dimensions in shown(content(aws))
        if namespace == "Tidegate"
    }

    assert on_it == {(each.name, each.service) for each in catalogue()}


def test_alarms_watch_what_is_published(aws: Synthesized) -> None:
    """An alarm on a metric that nobody publishes would be quiet for ever."""
    known = {(each.name, each.service) for each in catalogue()}
    watched = {
        (each["MetricName"], each["Dimensions"][0]["Value"])
        for each in aws.of_type("AWS::CloudWatch::Alarm").values()
        if each["Namespace"] == "Tidegate"
    }

    assert watched
    assert watched <= known


@pytest.mark.parametrize("name", ["reports-late", "decisions-late", "steer-throttled"])
def test_alarms_that_the_catalogue_names_exist(aws: Synthesized, name: str) -> None:
    """Whoever reads of an alarm finds it."""
    names = {each["AlarmName"] for each in aws.of_type("AWS::CloudWatch::Alarm").values()}

    assert f"`{name}`" in (REPOSITORY / "docs" / "metrics.md").read_text()
    assert f"tidegate-{name}" in names
