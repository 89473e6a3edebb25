"""What is said of a policy before it is trusted: in words, with figures that hold in the lab."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tidegate.documents.policy import parse_policy_yaml
from tidegate.domain.policy import Authority, Policy, Soak
from tidegate.lab.fleet import Fleet
from tidegate.lab.promise import (
    Promise,
    Statement,
    _of_authority,
    _of_passing,
    _of_slow_devices,
    promise,
    with_delays_within,
)
from tidegate.lab.scenarios import SCENARIOS

POLICIES = Path(__file__).parents[3] / "policies"
DEVICES = 1500


def policy(name: str) -> Policy:
    """Return one of the policies to copy."""
    path = POLICIES / f"{name}.yaml"
    return parse_policy_yaml(path.read_text(), source=path.name).compile()


def fleet() -> Fleet:
    """Return a small fleet."""
    return SCENARIOS["good"].with_size(DEVICES)


@pytest.fixture(scope="module")
def of_firmware() -> Promise:
    """Try the policy for firmware, once."""
    return promise(policy("firmware"), fleet(), runs=2)


@pytest.fixture(scope="module")
def of_stages() -> Promise:
    """Try the policy with gates, once."""
    return promise(policy("staged"), fleet(), runs=1)


@pytest.fixture(scope="module")
def of_soak() -> Promise:
    """Try the policy for firmware with a soak of an hour, once."""
    return promise(replace(policy("firmware"), soak=Soak(60.0)), fleet(), runs=1)


def about(promised: Promise, topic: str) -> list[Statement]:
    """Return what is said of something."""
    return [each for each in promised.statements if each.about == topic]


def test_every_question_of_an_owner_is_answered(of_firmware: Promise) -> None:
    """Harm, worst case, time, what shows, holds, life without Tidegate: each has its paragraph."""
    topics = dict.fromkeys(each.about for each in of_firmware.statements)

    assert list(topics) == [
        "harm",
        "worst case",
        "time",
        "what shows",
        "holds",
        "without Tidegate",
        "gates",
        "waiting",
        "authority",
        "devices",
        "end",
    ]


def test_figures_in_words_are_those_for_scripts(of_firmware: Promise) -> None:
    """The budget and the worst case read the same for people and for scripts."""
    harm, worst = about(of_firmware, "harm")[1], about(of_firmware, "worst case")[0]

    assert harm.figures["budget_devices"] == 50
    assert "At most 50 devices" in harm.text
    assert f"{round(worst.figures['harmed_mean'])} harmed on average" in worst.text


def test_a_good_release_is_through_and_one_that_fails_outright_is_stopped(
    of_firmware: Promise,
) -> None:
    """The fates of releases are those that the lab saw, from the good one to the worst."""
    fates = {row.rate: row.fate for row in of_firmware.rows}

    assert fates[0.005] == "through"
    assert fates[0.2] == fates[0.6] == "stopped"


def test_what_stands_without_tidegate_is_its_own_first_decision(of_firmware: Promise) -> None:
    """Left alone after the first decision, AWS stops a bad release by criteria that are named."""
    (stands,) = about(of_firmware, "without Tidegate")

    assert {each["failure_type"] for each in stands.figures["criteria"]} == {
        "ALL",
        "FAILED",
        "TIMED_OUT",
    }
    assert stands.figures["rate_per_minute"] <= 40
    assert all(
        f"{each['threshold_percentage']:g}%" in stands.text for each in stands.figures["criteria"]
    )


def test_gates_are_counted_in_devices_of_the_fleet(of_stages: Promise) -> None:
    """A share becomes devices, and what silence and a no mean is said for each question."""
    canary, fifth = about(of_stages, "gates")

    assert (canary.figures["after_devices"], fifth.figures["after_devices"]) == (15, 300)
    assert "12 h of silence the release is stopped" in canary.text
    assert "72 h of silence it keeps waiting, and a no stops the release" in fifth.text


def test_gates_that_watch_take_their_time(of_stages: Promise) -> None:
    """The time to finish holds what gates watch for, and says that answers are not in it."""
    (time,) = about(of_stages, "time")

    assert time.figures["bake_minutes"] == 840
    assert time.figures["minutes_to_finish"] > 840
    assert "add what they really take (2 in all)" in time.text


def test_authority_is_said_in_words() -> None:
    """Who may do what is a sentence for each word, and only of actions that can come up."""
    mine = policy("firmware")
    mine = replace(mine, authority=replace(mine.authority, speed_up=Authority.APPROVE))
    said = [each.text for each in _of_authority(mine)]

    assert "It proposes to raise the rate, and waits for a yes." in said
    assert "It may lower the rate and stop the release by itself." in said
    assert not any("stragglers" in each for each in said)


def test_a_budget_that_holds_leak_through_is_warned_of(of_firmware: Promise) -> None:
    """Where the lab sees more harm than the budget allows, the owner is told."""
    mine = policy("firmware")
    small = replace(mine, harm=replace(mine.harm, budget_devices=4))

    assert [each.code for each in _of_passing(small, DEVICES, of_firmware.rows)] == [
        "budget-passed"
    ]
    assert "budget-passed" not in [each.code for each in of_firmware.cautions]


def test_a_time_out_that_the_fleet_cannot_keep_is_warned_of() -> None:
    """A time-out shorter than what devices need makes good releases bad, and is named."""
    short, long = replace(fleet(), timeout_minutes=10), fleet()

    assert [each.code for each in _of_slow_devices(policy("configuration"), short)] == [
        "timeout-too-short"
    ]
    assert not list(_of_slow_devices(policy("configuration"), long))


def test_a_fleet_that_stands_in_keeps_the_time_out() -> None:
    """Where nobody knows the devices, they are taken to be as quick as the time-out wants."""
    quick = with_delays_within(fleet(), 10)

    assert quick.success.below(np.array([10.001]))[0] == pytest.approx(1.0)
    assert with_delays_within(fleet(), 60) == fleet()


def test_it_is_plain_json(of_firmware: Promise) -> None:
    """Scripts get all of it."""
    printed = json.loads(json.dumps(of_firmware.to_json(), allow_nan=False))

    assert printed["devices"] == DEVICES
    assert len(printed["releases"]) == len(of_firmware.rows)


def test_what_a_soak_costs_is_said_in_time(of_firmware: Promise, of_soak: Promise) -> None:
    """Evidence that comes an hour later makes a good release slower by more than an hour."""
    cost = about(of_soak, "soak")[0]

    assert about(of_firmware, "soak") == []
    assert "A device counts as good 60 min after its success" in cost.text
    assert "without the soak it has notified all devices after" in cost.text
    assert cost.figures["minutes_to_finish"] > cost.figures["minutes_to_finish_without"] + 60


def test_what_a_soak_finds_is_said_in_devices(of_soak: Promise) -> None:
    """A release that looks good by its reports and makes devices vanish is stopped by it alone."""
    found = about(of_soak, "soak")[1]

    assert found.figures["dark_share"] == 0.2
    assert found.figures["fate"] == "stopped"
    assert found.figures["harmed_mean"] < 100
    assert "never heard of again is stopped in 100% of the runs" in found.text


def test_releases_without_dark_devices_stay_as_they_were_tried(of_soak: Promise) -> None:
    """The rows are of releases that fail: none goes dark there, soak or not."""
    assert [each.rate for each in of_soak.rows] == sorted(each.rate for each in of_soak.rows)
    assert of_soak.rows[0].fate == "through"
