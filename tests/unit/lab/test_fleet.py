"""Fleets keep their shares at any size, and are read from YAML with every fault in its place."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.lab.scripted import PLAIN, REJECTED, TIMED_OUT
from tidegate.lab.delays import Exponential, Fixed, LogNormal, QuantileTable, Uniform
from tidegate.lab.fleet import (
    Baseline,
    Cohort,
    Drift,
    FailureKind,
    Fleet,
    FleetError,
    Offline,
    read_fleet,
)
from tidegate.lab.scenarios import SCENARIOS

REFERENCE = Path(__file__).parents[3] / "fleets" / "reference.yaml"

LEAST = """
name: least
size: 10
timeout: 30m
start: {fixed: 0}
success: {fixed: 5m}
failures: {rate: 0%, kinds: [{status: TIMED_OUT, share: 100%}]}
"""


def faults_of(text: str) -> list[str]:
    """Return what is wrong with a fleet, a line each."""
    with pytest.raises(FleetError) as refusal:
        read_fleet(text, "fleet.yaml")
    return str(refusal.value).splitlines()


@pytest.mark.parametrize("size", [1, 7, 99, 1000, 123_457])
def test_cohorts_hold_every_device_once(size: int) -> None:
    """Whatever a fleet's size, its cohorts partition it, none more than a device off its share."""
    fleet = SCENARIOS["cohort"].with_size(size)

    assert sum(fleet.cohort_sizes) == size
    for part, devices in zip(fleet.parts, fleet.cohort_sizes, strict=True):
        assert abs(devices - part.share * size) < 1


def test_thirds_may_be_written_with_a_few_digits() -> None:
    """Shares of failures that rounding left short of 100 % are taken for all of them."""
    third = "{status: TIMED_OUT, share: 33.33%}"
    text = LEAST.replace("{status: TIMED_OUT, share: 100%}", ", ".join([third] * 3))

    shares = [kind.share for kind in read_fleet(text, "fleet.yaml").failures.kinds]
    assert shares == pytest.approx([1 / 3] * 3)


def test_what_cohorts_leave_over_is_the_rest() -> None:
    """Devices of no cohort are one of their own; without cohorts it is the fleet."""
    some = replace(PLAIN, cohorts=(Cohort("a", 0.25), Cohort("b", 0.35)))

    assert [part.name for part in some.parts] == ["a", "b", "rest"]
    assert some.cohort_sizes == (250, 350, 400)
    assert PLAIN.plan.cohorts == ("rest",)
    assert PLAIN.plan.cohort_sizes == (1000,)


def test_variants_change_one_thing() -> None:
    """A fleet of another size or failure rate is the same in all else."""
    fleet = SCENARIOS["good"]

    assert replace(fleet.with_size(500), size=fleet.size) == fleet
    assert fleet.with_failures(0.3).failures.rate == 0.3
    assert fleet.with_failures(0.3).with_failures(fleet.failures.rate) == fleet


def test_the_reference_fleet_is_the_good_release() -> None:
    """The example in the repository is read, and is what the scenarios are made of."""
    fleet = read_fleet(REFERENCE.read_text(), REFERENCE.name)

    assert fleet == replace(SCENARIOS["good"], name="reference")


def test_the_least_fleet_needs_six_keys() -> None:
    """Offline and dark devices, cohorts, drift, baseline and retries may be left out."""
    fleet = read_fleet(LEAST, "fleet.yaml")

    assert fleet == Fleet(
        name="least",
        size=10,
        timeout_minutes=30,
        start=Fixed(0),
        success=Fixed(5),
        failures=replace(PLAIN.failures, rate=0.0, kinds=(FailureKind(TIMED_OUT, 1.0),)),
    )


def test_everything_that_can_be_said_is_read() -> None:
    """Every law of delays, every section and either way of writing a share is understood."""
    text = """
name: all-of-it
size: 1000
timeout: 1h
retries: 2
dark: 4%
start: {uniform: {low: 30s, high: 2.5m}}
success: {quantiles: {50%: 8m, 0.9: 20m, 99%: 1h}}
failures:
  rate: 0.02
  mended: 50%
  kinds:
    - {status: FAILED, share: 30%, delay: {lognormal: {median: 12m, sigma: 0.5}}}
    - {status: REJECTED, share: 20%}
    - {status: TIMED_OUT, share: 50%}
offline: {share: 10%, start: {exponential: 4h}, failure_rate: 5%}
cohorts:
  - {name: a, share: 2%, failure_rate: 90%}
  - {name: b, size: 30}
drift:
  - {after: 20%, failure_rate: 20%}
  - {after: 60%, failure_rate: 1%}
baseline: {started: 2000, harmed: 40}
"""
    fleet = read_fleet(text, "fleet.yaml")

    assert (fleet.retries, fleet.dark) == (2, 0.04)
    assert fleet.start == Uniform(0.5, 2.5)
    assert fleet.success == QuantileTable((0.0, 0.5, 0.9, 0.99), (0.0, 8.0, 20.0, 60.0))
    assert fleet.failures.mended == 0.5
    assert fleet.failures.kinds == (
        FailureKind(fleet.failures.kinds[0].status, 0.3, LogNormal(12.0, 0.5)),
        FailureKind(REJECTED, 0.2),
        FailureKind(TIMED_OUT, 0.5),
    )
    assert fleet.offline == Offline(0.1, Exponential(240), 0.05)
    assert fleet.cohorts == (Cohort("a", 0.02, 0.9), Cohort("b", 0.03))
    assert fleet.drift == (Drift(0.2, 0.2), Drift(0.6, 0.01))
    assert fleet.baseline == Baseline(40, 2000)


@pytest.mark.parametrize(
    ("written", "instead", "fault"),
    [
        ("size: 10", "size: 1.5", "fleet.yaml:3:7: size: 1.5, but a whole number from 1 to"),
        ("size: 10", "size: 0", "fleet.yaml:3:7: size: 0, but a whole number from 1 to"),
        ("size: 10", "sise: 10", "fleet.yaml:3:1: sise: unknown key (is size meant?)"),
        ("timeout: 30m", "timeout: 8d", 'fleet.yaml:4:10: timeout: "8d" is 11520 minutes, but'),
        ("{fixed: 0}", "{}", "fleet.yaml:5:8: start: one law of delays is needed, but found none"),
        (
            "{fixed: 0}",
            "{fixed: 0, exponential: 2m}",
            "fleet.yaml:5:8: start: one law of delays is needed, but found fixed and exponential: ",
        ),
        ("{fixed: 0}", "{exponential: 0}", "fleet.yaml:5:22: start.exponential: 0 minutes, but"),
        ("{fixed: 0}", "{fixed: soon}", 'start.fixed: "soon", but minutes are needed'),
        ("{fixed: 0}", "{fixed: 9d}", 'start.fixed: "9d", but 0 to 10080 minutes are allowed'),
        ("{fixed: 0}", "5m", 'fleet.yaml:5:8: start: "5m", but keys are needed here: fixed, '),
        ("{fixed: 0}", "{quantiles: {}}", "start.quantiles: a table of nothing, but"),
        ("{fixed: 0}", "{quantiles: 5}", "start.quantiles: 5, but keys are needed here"),
        (
            "{fixed: 0}",
            "{quantiles: {50: 1m}}",
            "fleet.yaml:5:21: start.quantiles.50: 50.0, but a share is needed: write 50% or 0.5",
        ),
        ("{fixed: 0}", "{quantiles: {50%: 8m, 40%: 9m}}", "0.4 of all within 9 minutes after 0.5"),
        ("{fixed: 0}", "{quantiles: {50%: 8m, 60%: 7m}}", "0.6 of all within 7 minutes after 0.5"),
        ("{fixed: 0}", "{uniform: {low: 5m, high: 1m}}", "start.uniform.high: 1 minutes, but low"),
        ("{fixed: 0}", "{lognormal: {median: 5m, sigma: 0}}", "sigma: 0, but a number from 0.001"),
        (
            "{fixed: 0}",
            "{lognormal: {median: 5m, sigma: 1, longest: 1m}}",
            "start.lognormal.longest: 1 minutes, but the median is 5",
        ),
        ("rate: 0%", "rate: 101%", 'failures.rate: "101%", but it must be from 0% to 100%'),
        ("rate: 0%", "rate: ", "fleet.yaml:7:12: failures.rate: no value: write one, or leave"),
        ("share: 100%", "share: 90%", "failures.kinds: the shares add up to 0.9, but all failures"),
        ("TIMED_OUT", "CANCELED", 'status: "CANCELED", but devices fail in three ways'),
        ("TIMED_OUT", "FAILED", "failures.kinds[0]: FAILED without a delay"),
        (
            "share: 100%",
            "share: 100%, delay: {fixed: 1}",
            "failures.kinds[0]: TIMED_OUT with a delay, but it comes with the timeout",
        ),
        ("[{status: TIMED_OUT, share: 100%}]", "5", "failures.kinds: 5, but a list is needed here"),
    ],
)
def test_a_fault_is_told_where_it_stands(written: str, instead: str, fault: str) -> None:
    """Whoever writes a fleet learns line, column, what was read, and what would be right."""
    faults = faults_of(LEAST.replace(written, instead))

    assert any(fault in line for line in faults), faults
    assert all(line.startswith("fleet.yaml:") for line in faults)


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("cohorts: [{name: a, share: 60%}, {name: b, size: 5}]", "add up to 1.1, but all devices"),
        ("cohorts: [{name: a, size: 1}, {name: a, size: 2}]", "cohorts: a stands here twice"),
        ("cohorts: [{name: rest, size: 1}]", "cohorts[0]: rest is what the cohorts leave over"),
        ("cohorts: [{name: a}]", "cohorts[0]: one of share and size is needed, but neither is"),
        ("cohorts: [{name: a, share: 1%, size: 1}]", "is needed, but both are given"),
        ("cohorts: [{name: a b, size: 1}]", 'cohorts[0].name: "a b", but not every text'),
        (
            "drift: [{after: 50%, failure_rate: 1%}, {after: 20%, failure_rate: 2%}]",
            "drift: 0.2 after 0.5: write them in their order",
        ),
        ("baseline: {started: 3, harmed: 4}", "baseline.harmed: 4, but only 3 started"),
        ("retries: 11", "retries: 11, but a whole number from 0 to 10 is needed"),
        ("name: again", 'fleet.yaml:8:1: name: "name" stands here twice'),
        ("cohorts: [{name: yes, size: 1}]", "yes is a text in YAML 1.2, but true in YAML 1.1"),
    ],
)
def test_what_does_not_go_together_is_refused(more: str, fault: str) -> None:
    """Shares above all, cohorts of one name, drifts out of order: each is told."""
    faults = faults_of(LEAST + more)

    assert any(fault in line for line in faults), faults


def test_every_fault_is_told_at_once() -> None:
    """Three faults make three lines, in the order of the text."""
    text = LEAST.replace("size: 10", "size: -1").replace("30m", "soon").replace("0%,", "200%,")

    assert [line.split(": ")[1] for line in faults_of(text)] == ["size", "timeout", "failures.rate"]


def test_a_text_that_is_no_yaml_or_too_long_is_refused() -> None:
    """What cannot be read at all has one message."""
    assert "not readable as YAML" in faults_of("name: [")[0]
    assert "characters, but at most" in faults_of("#" * 70_000)[0]
