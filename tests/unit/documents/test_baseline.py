"""Baselines: a release is held to the one before it, at the risk that its policy states."""

import math

import pytest

from tidegate.documents.policy import (
    TOLERATED_RATE,
    PolicyError,
    parse_policy_json,
    parse_policy_yaml,
)
from tidegate.domain.evidence import log_e_above, log_e_below
from tidegate.domain.policy import Harm

#: Part of the false-abort risk that the baselines below cost.
RISK = 0.005

#: Harmed and started of a release and of the one before it, the margin, and the log evidence
#: against the release.
TWO_SAMPLES = [
    ((10, 100), (40, 2000), 0.0, 3.01287140947824),
    ((10, 100), (40, 2000), 0.005, 2.220278010730546),
    ((3, 5), (0, 500), 0.0, 7.97694548119195),
    ((40, 2000), (40, 2000), 0.0, -16.49160765900134),
]


def harm_of(harmed: int, started: int, **more: object) -> Harm:
    """Return what a policy with such a baseline asks for."""
    baseline = {"harmed": harmed, "started": started, **more}
    return (
        parse_policy_json({"name": "a", "harm": {"baseline": baseline}}, source="p").compile().harm
    )


@pytest.mark.parametrize(("now", "before", "margin", "log_e"), TWO_SAMPLES)
def test_evidence_is_that_of_two_samples(
    now: tuple[int, int], before: tuple[int, int], margin: float, log_e: float
) -> None:
    """A release is held against what the one before it may truly have been, and the margin."""
    baseline = {"harmed": before[0], "started": before[1], "margin": margin}
    given = {"name": "a", "harm": {"baseline": baseline, "false_abort_risk": 5 * RISK}}

    harm = parse_policy_json(given, source="p").compile().harm

    assert log_e_above(*now, harm.tolerated_rate) == pytest.approx(log_e, abs=1e-9)


@pytest.mark.parametrize("risk", [0.001, 0.01, 0.2])
def test_the_baseline_takes_its_part_of_the_risk(risk: float) -> None:
    """The risks that the limit is too low and that a release is stopped below it make the whole."""
    baseline = {"harmed": 25, "started": 5000}
    given = {"name": "a", "harm": {"baseline": baseline, "false_abort_risk": risk}}

    harm = parse_policy_json(given, source="p").compile().harm

    assert harm.false_abort_risk == pytest.approx(0.8 * risk)
    # At its limit, the counts contradict the rate at just the rest of the risk.
    limit = log_e_below(25, 5000, harm.tolerated_rate)
    assert harm.false_abort_risk + math.exp(-limit) == pytest.approx(risk, rel=1e-6)


def test_without_a_baseline_all_of_the_risk_is_left() -> None:
    """Who writes the rate, or nothing, pays nothing for a baseline."""
    harm = parse_policy_yaml("name: a", source="p").compile().harm

    assert (harm.tolerated_rate, harm.false_abort_risk) == (TOLERATED_RATE, 0.01)


def test_more_devices_before_leave_less_room_now() -> None:
    """The limit comes down to the baseline's own rate as its counts grow."""
    limits = [harm_of(5 * n, 1000 * n).tolerated_rate for n in (1, 5, 25, 1000)]

    assert limits == sorted(limits, reverse=True)
    assert 0.005 < limits[-1] < 0.006
    assert harm_of(25, 5000, margin="0.5%").tolerated_rate == pytest.approx(limits[1] + 0.005)


def test_what_is_tolerated_of_a_baseline_is_acceptable() -> None:
    """The brake comes off where the release before would have let it off."""
    harm = harm_of(25, 5000)

    assert harm.acceptable_rate == harm.tolerated_rate


def test_a_baseline_is_kept_as_it_was_written() -> None:
    """What the stack stores names the counts, not the rate that is made of them."""
    text = "{name: a, harm: {baseline: {harmed: 25, started: 5000, margin: 0.5%}}}"
    document = parse_policy_yaml(text, source="p")

    assert '"baseline":{"harmed":25,"started":5000,"margin":0.005}' in document.to_json()
    assert "tolerated_rate" not in document.to_json()
    assert parse_policy_json(document.to_json(), source="ssm") == document


def test_a_turn_is_worse_than_what_a_baseline_tolerates() -> None:
    """A rate that the baseline allows is no turn for the worse: it is refused like any other."""
    harm = {"baseline": {"harmed": 25, "started": 5000}, "drift_rate": "1%"}

    with pytest.raises(PolicyError, match=r"harm\.drift_rate: 0\.01, but 0\.01001 is tolerated"):
        parse_policy_json({"name": "a", "harm": harm}, source="p")
