"""``tidegate doctor`` at the terminal: what it finds, how it ends, and that it asks first."""

import json
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.unit.cli.desk import Desk
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.adapters.memory.surroundings import MemorySurroundings
from tidegate.cli import doctor
from tidegate.cli.account import Access, Account
from tidegate.cli.app import app
from tidegate.service.checkup import ASSUMED, GRANTS, QUOTAS, Checkup


class Iot:
    """AWS IoT that makes nothing, and says so."""

    def __getattr__(self, operation: str) -> Any:  # noqa: ANN401 - any call
        raise AssertionError(operation)


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> MemorySurroundings:
    """Put an installation in order around the desk."""
    there = MemorySurroundings(
        quotas={each.code: each.default_per_second for each in QUOTAS},
        denials={function: {} for function in GRANTS},
    )

    def checkup(account: Account) -> Checkup:
        return Checkup(there, MemoryJobs(account.clock), account.ledger, account.clock)

    monkeypatch.setattr(doctor, "_checkup", checkup)
    return there


def type_in(*arguments: str, answer: str = "") -> Result:
    """Return what comes of a command line."""
    desk = Desk()

    def opened(access: Access) -> Account:
        return replace(desk.open(access), client={"iot": Iot()}.__getitem__)

    return CliRunner().invoke(app, ["doctor", *arguments], obj=opened, input=answer)


def test_an_installation_in_order_ends_with_0(around: MemorySurroundings) -> None:
    """Every check has its line, what is only assumed among them."""
    result = type_in()

    assert result.exit_code == 0, result.output
    assert "ok    job events: the account publishes them" in result.stdout
    assert all(f"assumed: {each}" in result.stdout for each in ASSUMED)
    assert "0 fail" in result.stdout


def test_what_fails_ends_with_1_and_its_remedy(around: MemorySurroundings) -> None:
    """A failing check is told in words, not by a colour, with what to do."""
    around.rules["tidegate_job"] = False
    result = type_in()

    assert result.exit_code == 1
    assert "FAIL  rules: disabled: tidegate_job -> enable them" in result.stdout


def test_scripts_get_each_check(around: MemorySurroundings) -> None:
    """--json has check, level, finding and remedy of each, and whether all is well."""
    around.hidden.add("quota")
    result = type_in("--json", "--devices", "5000", "--rollouts", "2")
    printed = json.loads(result.stdout)

    assert printed["ok"]
    assert {frozenset(each) for each in printed["checks"]} == {
        frozenset({"check", "level", "finding", "remedy"})
    }
    quotas = [each for each in printed["checks"] if each["check"].startswith("quota")]
    assert {each["level"] for each in quotas} == {"unknown"}
    assert all("2 rollouts of 5000 devices" in each["finding"] for each in quotas)


def test_nothing_is_made_unless_confirmed(around: MemorySurroundings) -> None:
    """A probe asks before it makes anything; a no ends it, with nothing called."""
    result = type_in("--probe", answer="n\n")

    assert result.exit_code == 1
    assert "tidegate-probe-" in result.stderr
    assert "job events" not in result.stdout
