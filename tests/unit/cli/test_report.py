"""``tidegate report``: where each form goes, and what is refused."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.desk import JOB, Desk, going
from tidegate.cli.exits import ExitStatus


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return an account with a rollout that goes on, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    desk = Desk()
    desk.decide(desk.enroll(), going())
    return desk


def test_a_page_is_written_beside_whoever_asks(desk: Desk) -> None:
    """Without an option, a page named after the job; stdout stays empty, stderr says where."""
    result = desk.type_in("report", JOB)

    assert result.exit_code == ExitStatus.DONE
    assert result.stdout == ""
    assert result.stderr == f"Wrote {JOB}.html.\n"
    assert Path(f"{JOB}.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_markdown_and_json_can_be_piped(desk: Desk) -> None:
    """They go to stdout, whole and alone, and JSON is in ASCII."""
    markdown = desk.type_in("report", JOB, "--format", "markdown")
    document = desk.type_in("report", JOB, "--format", "json")

    assert markdown.stdout.startswith(f"# Rollout {JOB}\n")
    assert json.loads(document.stdout)["jobId"] == JOB
    assert document.stdout.isascii()
    assert list(Path().iterdir()) == []


def test_any_form_goes_where_it_is_told_to(desk: Desk) -> None:
    """A file for each, or stdout for the page."""
    desk.type_in("report", JOB, "--format", "json", "--output", "it.json")
    page = desk.type_in("report", JOB, "--output", "-")

    assert json.loads(Path("it.json").read_text())["jobId"] == JOB
    assert page.stdout.startswith("<!doctype html>")


def test_a_file_that_cannot_be_written_is_told(desk: Desk) -> None:
    """One line that names the file and the option."""
    result = desk.type_in("report", JOB, "--output", "no/such/folder.html")

    assert result.exit_code == ExitStatus.USAGE
    assert "the report cannot be written" in result.stderr


def test_a_job_without_a_rollout_is_not_found(desk: Desk) -> None:
    """Nothing is written then, whatever the job is called."""
    result = desk.type_in("report", "../nobody")

    assert result.exit_code == ExitStatus.NOT_FOUND
    assert list(Path().iterdir()) == []
