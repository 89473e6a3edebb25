"""Named fleets are what their names and titles say."""

import pytest

from tests.unit.lab.scripted import TIMED_OUT
from tidegate.lab.rules.native import CONSTANT, RULES
from tidegate.lab.scenarios import SCENARIOS, TITLES
from tidegate.lab.trial import run


def test_every_scenario_has_a_title() -> None:
    """What can be named is explained."""
    assert TITLES.keys() == SCENARIOS.keys()
    assert all(fleet.name == name for name, fleet in SCENARIOS.items())


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("good", 0.005),
        ("good-offline", 0.9 * 0.005 + 0.1 * 0.05),
        ("tolerated", 0.02),
        ("tolerated-fast", 0.02),
        ("bad-5", 0.05),
        ("bad-20", 0.2),
        ("bad-60", 0.6),
        ("late-20", 0.2),
        ("cohort", 0.98 * 0.005 + 0.02 * 0.9),
        ("drift", 0.2 * 0.005 + 0.8 * 0.2),
        ("dark", 0.005 + 0.995 * 0.1),
    ],
)
def test_scenarios_fail_as_often_as_they_say(name: str, rate: float) -> None:
    """Notified whole, each fleet has the share of failures that its name stands for."""
    trial = run(SCENARIOS[name].with_size(40_000), CONSTANT, 1)

    # Offline devices that have not started yet are missing.
    expected = {"good-offline": 0.9 * 0.005 + 0.05 * 0.05}.get(name, rate)
    spread = (rate / 40_000) ** 0.5
    assert trial.harmed / trial.started == pytest.approx(expected, abs=4 * spread + 0.01 * rate)


def test_ten_cohorts_partition_every_scenario() -> None:
    """Revisions of 2 to 30 % hold every device, whether or not one of them fails more often."""
    for fleet in SCENARIOS.values():
        shares = [part.share for part in fleet.parts]
        assert len(shares) == 10
        assert sum(shares) == pytest.approx(1)
        assert (min(shares), max(shares)) == (0.02, 0.3)


def test_late_failures_are_silent() -> None:
    """No device of the late scenario reports a failure: all are timed out."""
    assert [kind.status for kind in SCENARIOS["late-20"].failures.kinds] == [TIMED_OUT]
    trace = run(SCENARIOS["late-20"].with_size(5000), CONSTANT, 1, with_trace=True).trace
    assert trace is not None
    assert trace.failed[-1] == 0 < trace.timed_out[-1]
    assert trace.timed_out[59] == 0


def test_native_rules_tell_that_they_need_nobody() -> None:
    """AWS carries them out alone; their names differ."""
    assert all(rule.is_native for rule in RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)
