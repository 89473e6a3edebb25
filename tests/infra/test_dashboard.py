"""The dashboard and the saved queries: they show what there is, and nothing that there is not."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.queries import QUERIES, Query
from tests.infra.synthesized import REGION, REPOSITORY, Synthesized

COLUMNS = 24

#: Of AWS's own metrics: which type of resource a dimension names.
NAMED = {
    ("AWS/Lambda", "FunctionName"): "AWS::Lambda::Function",
    ("AWS/SQS", "QueueName"): "AWS::SQS::Queue",
}


@pytest.fixture
def body(aws: Synthesized) -> dict[str, Any]:
    """Return what is on the dashboard."""
    return content(aws)


def content(stack: Synthesized) -> dict[str, Any]:
    """Return what is on a stack's dashboard."""
    (dashboard,) = stack.of_type("AWS::CloudWatch::Dashboard").values()
    return json.loads(dashboard["DashboardBody"])


def widgets(body: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the properties of the widgets of a kind."""
    return [each["properties"] for each in body["widgets"] if each["type"] == kind]


def shown(body: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield the metrics on the dashboard: namespace, name, dimensions."""
    for graph in widgets(body, "metric"):
        for namespace, name, *rest in graph["metrics"]:
            pairs = [each for each in rest if isinstance(each, str)]
            yield namespace, name, dict(zip(pairs[::2], pairs[1::2], strict=True))


def test_the_dashboard_fits_the_grid(body: dict[str, Any]) -> None:
    """No widget lies on another, and none reaches beyond the edge."""
    taken: set[tuple[int, int]] = set()
    for each in body["widgets"]:
        assert each["x"] + each["width"] <= COLUMNS
        cells = {
            (each["x"] + right, each["y"] + down)
            for right in range(each["width"])
            for down in range(each["height"])
        }
        assert not cells & taken
        taken |= cells


def test_it_begins_with_what_to_look_at(body: dict[str, Any]) -> None:
    """First words, then all alarms, then the rollouts; figures come after that."""
    kinds = [each["type"] for each in body["widgets"][:4]]

    assert kinds == ["text", "alarm", "custom", "metric"]
    assert "Look here first" in widgets(body, "text")[0]["markdown"]


def test_every_alarm_is_on_it(aws: Synthesized, body: dict[str, Any]) -> None:
    """Whoever opens the dashboard sees whether anything is wrong."""
    (states,) = widgets(body, "alarm")

    assert set(states["alarms"]) == {
        f"<{path}.Arn>" for path in aws.of_type("AWS::CloudWatch::Alarm")
    }


def test_rollouts_are_shown_by_the_widget(body: dict[str, Any]) -> None:
    """CloudWatch calls the stack's own Lambda, again at each refresh and each change of size."""
    (rollouts,) = widgets(body, "custom")

    assert rollouts["endpoint"] == "<Dashboard/Handler/Function.Arn>"
    assert rollouts["updateOn"] == {"refresh": True, "resize": True, "timeRange": False}


def test_what_graphs_show_exists(aws: Synthesized, body: dict[str, Any]) -> None:
    """Each metric of AWS's names a resource of this stack, each of Tidegate's a Lambda of it."""
    services = {
        each["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for each in aws.of_type("AWS::Lambda::Function").values()
    }
    for namespace, name, dimensions in shown(body):
        ((key, value),) = dimensions.items()
        if namespace == "Tidegate":
            assert (key, value in services) == ("service", True), name
            continue
        paths = aws.of_type(NAMED[namespace, key])
        assert value.strip("<>").removesuffix(".QueueName") in paths, name


def test_every_lambda_and_queue_is_in_a_graph(aws: Synthesized, body: dict[str, Any]) -> None:
    """Errors, throttles and duration of each Lambda; depth and age of each queue."""
    seen = {(name, value) for _, name, dimensions in shown(body) for value in dimensions.values()}
    functions, queues = aws.of_type("AWS::Lambda::Function"), aws.of_type("AWS::SQS::Queue")

    for metric in ("Errors", "Throttles", "Duration"):
        assert {(metric, f"<{path}>") for path in functions} <= seen
    depth, age = "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"
    assert {(depth, f"<{path}.QueueName>") for path in queues} <= seen
    assert {(age, f"<{path}.QueueName>") for path in queues if path.endswith("Queue")} <= seen


def test_graphs_have_titles_in_words_and_one_period(body: dict[str, Any]) -> None:
    """What a graph shows is said in words, with the unit where it is no count."""
    for graph in widgets(body, "metric"):
        assert len(graph["title"].split()) >= 3
        assert (graph["period"], graph["region"]) == (300, REGION)


def test_an_environment_shows_its_own_metrics(local: Synthesized) -> None:
    """Two environments in one account are not added up on a graph."""
    namespaces = {each for each, _, _ in shown(content(local)) if not each.startswith("AWS/")}

    assert namespaces == {"Tidegate-stage"}


def test_queries_are_saved_where_the_console_looks(aws: Synthesized, local: Synthesized) -> None:
    """Each is in the folder of its environment; the embedded cloud does not know queries."""
    saved = aws.of_type("AWS::Logs::QueryDefinition").values()

    assert {each["Name"] for each in saved} == {f"tidegate/{each.name}" for each in QUERIES}
    assert local.of_type("AWS::Logs::QueryDefinition") == {}


def test_queries_read_logs_that_there_are(aws: Synthesized) -> None:
    """Each names the log groups of Lambdas of this stack."""
    groups = {f"<{path}>" for path in aws.of_type("AWS::Logs::LogGroup")}

    for each in aws.of_type("AWS::Logs::QueryDefinition").values():
        assert set(each["LogGroupNames"]) <= groups


@pytest.mark.parametrize("query", QUERIES, ids=lambda each: each.name)
def test_queries_look_for_what_is_logged(query: Query) -> None:
    """Each message and metric that a query looks for comes from one of the Lambdas it reads."""
    lambdas = REPOSITORY / "lambdas"
    sources = [(lambdas / f"{name.replace('-', '_')}.py").read_text() for name in query.handlers]
    sources.append((lambdas / "_metrics.py").read_text())
    looked_for = [
        name
        for line in query.text.splitlines()
        if "filter" in line and "message" in line
        for name in re.findall(r'"([^"]+)"', line.partition(" and ")[0])
    ]
    looked_for += re.findall(r"ispresent\((\w+)", query.text)

    assert [name for name in looked_for if f'("{name}"' not in " ".join(sources)] == []
