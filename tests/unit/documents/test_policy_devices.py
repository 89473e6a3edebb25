"""What a policy says of single devices, and what is told of mistakes in it."""

import json

import pytest

from tests.unit.documents.policies import compiled, told_of
from tidegate.documents.policy import parse_policy_json, parse_policy_yaml
from tidegate.domain.policy import (
    REASON_KEYS,
    AdaptiveTimeout,
    Cohorts,
    Failures,
    Rescue,
    Soak,
    Stuck,
)


def test_a_policy_without_such_sections_looks_at_no_device() -> None:
    """What is left out costs nothing: nothing is ended, told apart, timed or waited for."""
    policy = compiled("")

    assert (policy.stuck, policy.timeout, policy.soak) == (None, None, None)
    assert policy.cohorts == Cohorts()
    assert policy.failures == Failures()


@pytest.mark.parametrize(
    ("text", "stuck"),
    [
        ("{}", Stuck(None, Rescue.FAIL, 30, 50)),
        ("{after: auto}", Stuck(None, Rescue.FAIL, 30, 50)),
        ("{after: 45m}", Stuck(45.0, Rescue.FAIL, 30, 50)),
        ("{after: 1, at_most: 200}", Stuck(1.0, Rescue.FAIL, 30, 200)),
        ("{devices_check_versions: true}", Stuck(None, Rescue.FAIL, 30, 50)),
        (
            "{then: extend, devices_check_versions: false}",
            Stuck(None, Rescue.EXTEND, 30, 50),
        ),
        (
            "{then: extend, by: 2h, devices_check_versions: false}",
            Stuck(None, Rescue.EXTEND, 120, 50),
        ),
    ],
)
def test_what_is_stuck_is_ended_unless_it_is_to_be_extended(text: str, stuck: Stuck) -> None:
    """Who writes nothing but the key gets a threshold that the fleet sets by itself."""
    assert compiled(f"stuck: {text}").stuck == stuck


@pytest.mark.parametrize("text", ["soak: 60", "soak: 1h", "soak: {for: 1h}", "soak: {for: 60.0}"])
def test_a_soak_is_a_span(text: str) -> None:
    """A span by itself and one under its key mean the same."""
    assert compiled(text).soak == Soak(60.0)


@pytest.mark.parametrize(
    ("text", "timeout"),
    [
        ("{}", AdaptiveTimeout(sets=False, at_least=30, at_most=10_080)),
        ("{mode: propose, at_least: 1h}", AdaptiveTimeout(sets=False, at_least=60, at_most=10_080)),
        ("{mode: set, at_most: 1d}", AdaptiveTimeout(sets=True, at_least=30, at_most=1440)),
        ("{at_least: 1h, at_most: 1h}", AdaptiveTimeout(sets=False, at_least=60, at_most=60)),
    ],
)
def test_a_computed_timeout_is_only_proposed_unless_it_is_to_be_set(
    text: str, timeout: AdaptiveTimeout
) -> None:
    """Nobody's time-out changes by itself for want of a word."""
    assert compiled(f"adaptive_timeout: {text}").timeout == timeout


def test_reasons_are_looked_for_where_devices_give_them_as_a_rule() -> None:
    """A key that is never stored is not looked for, though nobody wrote the keys out."""
    failures = compiled("failures: {never_store: [message, serial]}").failures

    assert failures.never_stored == ("message", "serial")
    assert failures.keys == tuple(key for key in REASON_KEYS if key != "message")


@pytest.mark.parametrize(
    "key", ["thing.attributes.site@a/b#c,d.e", "thing.type", "thing.groups", "statusDetails.a:b-c"]
)
def test_devices_are_told_apart_by_whatever_aws_knows_of_them(key: str) -> None:
    """Names of attributes and keys of details are taken as AWS takes them."""
    assert compiled(f"cohorts: ['{key}']").cohorts == Cohorts((key,), quarantines=False)


KEY_REMEDY = "write thing.attributes.NAME, thing.type, thing.groups or statusDetails.KEY"
DETAIL_REMEDY = "write a key, 1 to 128 letters, digits, :, _ and -"
EXTENDS = (
    "extend, but an extension counts up the version of an execution, and a device that checks it "
    "could not report any more: write devices_check_versions: false if none does, or fail"
)
QUARANTINES = (
    "quarantine, but which devices to set apart is known only by what they are, not by what they "
    "report: name thing.attributes.NAME, thing.type or thing.groups among the cohorts, or write "
    "hold"
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "stuck: 45m",
            (
                (
                    '2:8: stuck: "45m", but keys are needed here: '
                    "after, devices_check_versions, then, by, at_most"
                ),
            ),
        ),
        (
            "stuck: {after: never, then: kill, at_most: 201}",
            (
                (
                    '2:16: stuck.after: "never", but auto or minutes are needed: '
                    "write auto, or like 45m or 2h"
                ),
                '2:29: stuck.then: "kill", but one of a few words is needed: write fail or extend',
                (
                    "2:44: stuck.at_most: 201, but a whole number from 1 to 200 is needed: "
                    "write it like 50"
                ),
            ),
        ),
        (
            "stuck: {after: 59s}",
            (
                (
                    '2:16: stuck.after: "59s", but 1 minute to 30 days are allowed: '
                    "choose a value in between"
                ),
            ),
        ),
        ("stuck: {then: extend}", (f"2:15: stuck.then: {EXTENDS}",)),
        (
            "stuck: {then: extend, by: 30m, devices_check_versions: true}",
            (f"2:15: stuck.then: {EXTENDS}",),
        ),
        (
            "stuck: {then: extend, devices_check_versions: 'no'}",
            (
                (
                    '2:47: stuck.devices_check_versions: "no", but a yes or no is needed: '
                    "write true or false"
                ),
            ),
        ),
        (
            "stuck: {by: 30m}",
            (
                (
                    "2:13: stuck.by: 30 minutes, but nothing is extended: "
                    "write then: extend, or leave it out"
                ),
            ),
        ),
        (
            "stuck: {then: extend, by: 8d, devices_check_versions: false}",
            (
                (
                    '2:27: stuck.by: "8d" is 11520 minutes, but AWS allows 1 to 10080: '
                    "choose a value in between"
                ),
            ),
        ),
        (
            "cohorts: thing.type",
            (
                (
                    '2:10: cohorts: "thing.type", but a list is needed: '
                    "name at least one key, or leave it out"
                ),
            ),
        ),
        (
            "cohorts: [hardware, thing.type, thing.type, thing.attributes., thing.groups.a]",
            (
                f'2:11: cohorts[0]: "hardware", but not every text will do: {KEY_REMEDY}',
                '2:33: cohorts[2]: "thing.type" stands here twice: leave one of them out',
                f'2:45: cohorts[3]: "thing.attributes.", but not every text will do: {KEY_REMEDY}',
                f'2:64: cohorts[4]: "thing.groups.a", but not every text will do: {KEY_REMEDY}',
            ),
        ),
        (
            f"cohorts: [{', '.join(f'statusDetails.k{n}' for n in range(6))}]",
            ("2:10: cohorts: 6 items, but at most 5 are read: leave some out",),
        ),
        (
            "on_suspect: abort",
            (
                (
                    '2:13: on_suspect: "abort", but one of a few words is needed: '
                    "write hold or quarantine"
                ),
            ),
        ),
        ("on_suspect: quarantine", (f"2:13: on_suspect: {QUARANTINES}",)),
        (
            "cohorts: [statusDetails.v]\non_suspect: quarantine",
            (f"3:13: on_suspect: {QUARANTINES}",),
        ),
        (
            "failures: {keys: [], never_store: [a b]}",
            (
                (
                    "2:18: failures.keys: a list of nothing, but a list is needed: "
                    "name at least one key, or leave it out"
                ),
                (
                    f'2:36: failures.never_store[0]: "a b", but not every text will do: '
                    f"{DETAIL_REMEDY}"
                ),
            ),
        ),
        (
            "failures: {keys: [cause], never_store: [site, cause]}",
            (
                (
                    '2:47: failures.never_store[1]: "cause", but it stands among the keys too, and '
                    "their values are kept: leave one of the two out"
                ),
            ),
        ),
        (
            "cohorts: [thing.type, statusDetails.site]\nfailures: {never_store: [site]}",
            (
                (
                    '3:26: failures.never_store[0]: "site", but it stands among the cohorts too, '
                    "and their values are kept: leave one of the two out"
                ),
            ),
        ),
        (
            "adaptive_timeout: {mode: auto, at_least: 0}",
            (
                (
                    '2:26: adaptive_timeout.mode: "auto", but one of a few words is needed: '
                    "write propose or set"
                ),
                (
                    "2:42: adaptive_timeout.at_least: 0 minutes, but AWS allows 1 to 10080: "
                    "choose a value in between"
                ),
            ),
        ),
        (
            "adaptive_timeout: {at_least: 2h, at_most: 1h}",
            (
                (
                    "2:43: adaptive_timeout.at_most: 60 minutes, but at_least is 120: "
                    "raise it, or lower at_least"
                ),
            ),
        ),
        (
            "soak: soon",
            ('2:7: soak: "soon", but minutes are needed: write a number, or like 90s, 30m or 2h',),
        ),
        (
            "soak: 59s",
            ('2:7: soak: "59s", but 1 minute to 30 days are allowed: choose a value in between',),
        ),
        (
            "soak: {fro: 1h}",
            (
                "2:7: soak.for: missing, but needed",
                "2:8: soak.fro: unknown key (is for meant?): known here are for",
            ),
        ),
        (
            "soak: {for: 31d}",
            (
                (
                    '2:13: soak.for: "31d", but 1 minute to 30 days are allowed: '
                    "choose a value in between"
                ),
            ),
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_remedy(text: str, told: tuple[str, ...]) -> None:
    """Whatever is wrong with these sections is told where it stands, and what would be right."""
    assert told_of(text) == [f"p.yaml:{each}" for each in told]


@pytest.mark.parametrize(
    "text", ["soak: 90m", "soak: {for: 90m}", "stuck: {}", "stuck: {after: 2h}"]
)
def test_what_was_written_survives_a_parameter(text: str) -> None:
    """A policy goes through SSM as JSON, with keys as people write them."""
    document = parse_policy_yaml(f"name: a\n{text}", source="p.yaml")

    assert parse_policy_json(document.to_json(), source="ssm") == document
    assert json.loads(document.to_json()).keys() == {"name", text.partition(":")[0]}
