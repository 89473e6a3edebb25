"""Policies: what people write, what is told of their mistakes, and what comes of it inside."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.documents import policy as policy_module
from tidegate.documents.faults import FAULTS_SHOWN_MAX
from tidegate.documents.policy import (
    POLICY_CHARACTERS_MAX,
    PolicyDocument,
    PolicyError,
    parse_policy_json,
    parse_policy_yaml,
)
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import (
    AdaptiveTimeout,
    Asking,
    Authorities,
    Authority,
    Cohorts,
    Completion,
    Failures,
    Fallback,
    Freeze,
    Gate,
    Harm,
    JobDefaults,
    OnAbort,
    Overlap,
    Pace,
    PaceMode,
    Policy,
    Rescue,
    Rollback,
    Soak,
    Stragglers,
    Stuck,
)
from tidegate.domain.settings import ExponentialRate, PresignedUrl
from tidegate.errors import Refused

REPOSITORY = Path(__file__).parents[3]

ROLE = "arn:aws:iam::123456789012:role/job-documents"

KEYS = (
    "name, harm, pace, job, authority, approval, gates, freeze, complete, overlap, on_abort, "
    "stuck, cohorts, on_suspect, failures, adaptive_timeout, soak"
)
KNOWN = (
    "adaptive_timeout, approval, authority, cohorts, complete, failures, freeze, gates, harm, job, "
    "name, on_abort, on_suspect, overlap, pace, soak, stuck"
)

EVERYTHING = """
name: everything
harm:
  statuses: [TIMED_OUT, REJECTED]
  tolerated_rate: 0.5%
  acceptable_rate: 0.01
  budget: 0.25%
  confidence: 99%
  false_abort_risk: 20%
  late_tolerated_rate: 4%
  drift_rate: 30%
  drift_budget: 900
pace:
  mode: throttle
  start_per_minute: 5
  max_per_minute: 500
  exponential: {increment_factor: 1.5, succeeded_things: 200}
job:
  timeout: 2h
  description: All there is
  presigned_url: {role_arn: "arn:aws:iam::123456789012:role/job-documents", expires_in: 10m}
  retries: 0
  namespace_id: fleet
authority: {speed_up: approve, slow_down: auto, abort: recommend, roll_back: observe}
approval: {within: 90m, unanswered: pass, refused: abort}
gates:
  - {name: canary, after: 1%, bake: 2h, alarms: [crash-rate, "fleet: offline"]}
  - {after: 20%, answer: {within: 30m, unanswered: pass, refused: hold}, approval: required}
freeze: {calendars: [ops-freeze], alarms: [crash-rate], missing_data: ignore}
complete: {at: 98%, stragglers: cancel, grace: 24h}
overlap: wait
on_abort:
  in_flight: force
  rollback: {document: {steps: [undo, null]}, policy: cautious, include: [FAILED]}
stuck: {after: 45m, devices_check_versions: false, then: extend, by: 1h, at_most: 7}
cohorts: [thing.attributes.hardwareRevision, thing.type, thing.groups, statusDetails.fromVersion]
on_suspect: quarantine
failures: {keys: [cause, code], never_store: [serial]}
adaptive_timeout: {mode: set, at_least: 45m, at_most: 1d}
soak: 2h
"""


def faults_of(text: str) -> list[str]:
    """Return what is told of a YAML text, line by line."""
    with pytest.raises(PolicyError) as caught:
        parse_policy_yaml(text, source="p.yaml")
    return str(caught.value).splitlines()


def faults_of_json(given: object) -> list[str]:
    """Return what is told of a JSON text or mapping, line by line."""
    with pytest.raises(PolicyError) as caught:
        parse_policy_json(given, source="ssm")  # type: ignore[arg-type]
    return str(caught.value).splitlines()


def test_a_name_is_enough() -> None:
    """Whoever writes nothing but a name gets the documented defaults."""
    policy = parse_policy_yaml("name: firmware", source="p.yaml").compile()

    assert policy == Policy(
        name="firmware",
        harm=Harm(
            statuses=frozenset({ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT}),
            tolerated_rate=0.02,
            acceptable_rate=0.02,
            confidence=0.95,
            false_abort_risk=0.01,
            budget_devices=50,
        ),
        pace=Pace(PaceMode.THROTTLE, start_per_minute=40, max_per_minute=1000),
    )


def test_every_key_arrives() -> None:
    """Each key of a policy ends where the code inside reads it, in its unit."""
    policy = parse_policy_yaml(EVERYTHING, source="p.yaml").compile()

    assert policy == Policy(
        name="everything",
        harm=Harm(
            statuses=frozenset({ExecutionStatus.TIMED_OUT, ExecutionStatus.REJECTED}),
            tolerated_rate=0.005,
            acceptable_rate=0.01,
            confidence=0.99,
            false_abort_risk=0.2,
            budget_share=0.0025,
            late_tolerated_rate=0.04,
            drift_rate=0.3,
            drift_budget=900,
        ),
        pace=Pace(
            PaceMode.THROTTLE,
            start_per_minute=5,
            max_per_minute=500,
            exponential=ExponentialRate(5, 1.5, succeeded_things=200),
        ),
        job=JobDefaults(
            timeout_minutes=120,
            description="All there is",
            presigned_url=PresignedUrl(ROLE, 600),
            drop_retries=True,
            namespace_id="fleet",
        ),
        authority=Authorities(
            speed_up=Authority.APPROVE,
            abort=Authority.RECOMMEND,
            roll_back=Authority.OBSERVE,
        ),
        approval=Asking(90.0, Fallback.PASS, Fallback.ABORT),
        gates=(
            Gate(
                name="canary",
                after_share=0.01,
                bake_minutes=120.0,
                alarms=("crash-rate", "fleet: offline"),
            ),
            Gate(
                name="gate-2",
                after_share=0.2,
                answer=Asking(30.0, Fallback.PASS, Fallback.HOLD),
                approval=Asking(1440.0, Fallback.HOLD, Fallback.ABORT),
            ),
        ),
        freeze=Freeze(("crash-rate",), missing_data_holds=False, calendars=("ops-freeze",)),
        complete=Completion(0.98, Stragglers.CANCEL, 1440.0),
        overlap=Overlap.WAIT,
        on_abort=OnAbort(
            force=True,
            rollback=Rollback(
                source=("document", '{"steps": ["undo", null]}'),
                policy="cautious",
                statuses=frozenset({ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED}),
            ),
        ),
        stuck=Stuck(45.0, Rescue.EXTEND, 60, 7),
        cohorts=Cohorts(
            (
                "thing.attributes.hardwareRevision",
                "thing.type",
                "thing.groups",
                "statusDetails.fromVersion",
            ),
            quarantines=True,
        ),
        failures=Failures(("cause", "code"), ("serial",)),
        timeout=AdaptiveTimeout(sets=True, at_least=45, at_most=1440),
        soak=Soak(120.0),
    )


def test_the_acceptable_rate_follows_the_tolerated_one() -> None:
    """Who changes only the tolerated rate changes the acceptable one with it."""
    policy = parse_policy_yaml("{name: a, harm: {tolerated_rate: 7%}}", source="p").compile()

    assert policy.harm.acceptable_rate == 0.07


@pytest.mark.parametrize(
    ("harm", "pace", "start"),
    [
        ("{}", "{}", 40),
        ("{budget: 1}", "{}", 1),
        ("{budget: 10}", "{}", 8),
        ("{budget: 35}", "{}", 28),
        ("{budget: 1000}", "{}", 40),
        ("{budget: 0.5%}", "{}", 10),
        ("{budget: 0.5%}", "{max_per_minute: 5}", 5),
        ("{}", "{max_per_minute: 30}", 30),
        ("{budget: 10}", "{start_per_minute: 100}", 100),
    ],
)
def test_the_first_rate_follows_the_budget(harm: str, pace: str, start: int) -> None:
    """Who gives a budget alone begins with four fifths of it; who gives a rate begins with that."""
    text = f"{{name: a, harm: {harm}, pace: {pace}}}"

    assert parse_policy_yaml(text, source="p").compile().pace.start_per_minute == start


def test_growth_begins_where_the_rate_does() -> None:
    """AWS's own growth starts from the first rate, be it written or not."""
    text = "{name: a, pace: {exponential: {increment_factor: 2, notified_things: 9}}}"

    pace = parse_policy_yaml(text, source="p").compile().pace

    assert pace.exponential == ExponentialRate(pace.start_per_minute, 2.0, notified_things=9)


@pytest.mark.parametrize("key", ["late_tolerated_rate", "drift_rate", "drift_budget"])
def test_the_snapshot_of_an_older_rollout_is_read(key: str) -> None:
    """A rollout that began before a key was known goes on, as if the key had been left out."""
    compiled = parse_policy_yaml(EVERYTHING, source="p.yaml").compile().to_compiled()
    del compiled["harm"][key]

    policy = Policy.from_compiled(json.loads(json.dumps(compiled)))

    assert getattr(policy.harm, key) is None
    assert policy.harm.tolerated_rate == 0.005


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2%", 0.02),
        ("0.02", 0.02),
        ("2.5%", 0.025),
        ("99.9%", 0.999),
        ("0.000000001%", 1e-11),
        ("'3%'", 0.03),
        ("1e-3", 0.001),
    ],
)
def test_shares_are_read_exactly(written: str, read: float) -> None:
    """A percentage becomes the very float that its decimal fraction would."""
    document = parse_policy_yaml(f"{{name: a, harm: {{tolerated_rate: {written}}}}}", source="p")

    assert document.harm.tolerated_rate == read


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("45", 45), ("45m", 45), ("2h", 120), ("7d", 10_080), ("10080m", 10_080), ("30.0", 30)],
)
def test_timeouts_are_minutes(written: str, minutes: int) -> None:
    """A time-out is a number of minutes, or says its unit."""
    document = parse_policy_yaml(f"{{name: a, job: {{timeout: {written}}}}}", source="p")

    assert document.job.timeout == minutes


@pytest.mark.parametrize(
    ("written", "devices", "share"),
    [("1", 1, None), ("50.0", 50, None), ("0.5%", None, 0.005), ("0.3", None, 0.3)],
)
def test_a_budget_is_devices_or_a_share(
    written: str, devices: int | None, share: float | None
) -> None:
    """Whole numbers are devices, all below 1 and all percentages are shares of the fleet."""
    harm = parse_policy_yaml(f"{{name: a, harm: {{budget: {written}}}}}", source="p").compile().harm

    assert (harm.budget_devices, harm.budget_share) == (devices, share)


SHARE = "but a share is needed"
NAME_REMEDY = "write 1 to 64 letters, digits, dots, - and _, a letter or digit first"
A_NUMBER = "but 1 to 1000000000 devices are needed"
DEVICES = "but 1 to 1000000000 devices or a share of the fleet below 100% are needed"
RETRIES = (
    "but 0 alone can be kept, as AWS lets the retries of a job only be lowered to 0: "
    "write 0, or leave retries out and set them when the job is created"
)
LIST = "but a list is needed: name at least one of FAILED, TIMED_OUT, REJECTED"
ONE_LINE = "but AWS refuses control characters, line breaks among them: write it on one line"
IN_BETWEEN = "choose a value in between"


@pytest.mark.parametrize(
    ("path", "written", "message"),
    [
        ("name", "''", f'"", but not every text will do: {NAME_REMEDY}'),
        ("name", "a/b", f'"a/b", but not every text will do: {NAME_REMEDY}'),
        ("name", "-a", f'"-a", but not every text will do: {NAME_REMEDY}'),
        ("name", "7", f"7, but a text is needed: {NAME_REMEDY}"),
        ("name", "[a]", f"a list, but a text is needed: {NAME_REMEDY}"),
        (
            "harm",
            "x",
            (
                '"x", but keys are needed here: statuses, tolerated_rate, acceptable_rate, budget, '
                "confidence, false_abort_risk, baseline, late_tolerated_rate, drift_rate, "
                "drift_budget"
            ),
        ),
        (
            "pace",
            "[]",
            "a list, but keys are needed here: mode, start_per_minute, max_per_minute, exponential",
        ),
        (
            "harm.statuses",
            "FAILED",
            f'"FAILED", {LIST}',
        ),
        (
            "harm.statuses",
            "[]",
            f"a list of nothing, {LIST}",
        ),
        (
            "harm.statuses[0]",
            "[SUCCEEDED]",
            '"SUCCEEDED", but only FAILED, TIMED_OUT, REJECTED can count: name one of them',
        ),
        (
            "harm.statuses[0]",
            "[7]",
            "7, but only FAILED, TIMED_OUT, REJECTED can count: name one of them",
        ),
        (
            "harm.statuses[1]",
            "[FAILED, FAILED]",
            '"FAILED" stands here twice: leave one of them out',
        ),
        ("harm.tolerated_rate", "2", f"2, {SHARE}: write 2% or 0.02"),
        ("harm.tolerated_rate", "2.5", f"2.5, {SHARE}: write 2.5% or 0.025"),
        ("harm.tolerated_rate", "'2'", f'"2", {SHARE}: write 2% or 0.02'),
        ("harm.tolerated_rate", "1", f"1, {SHARE}: write 1% or 0.01"),
        (
            "harm.tolerated_rate",
            "0",
            "0, but it must be above 0% and below 100%: write it like 2% or 0.02",
        ),
        (
            "harm.tolerated_rate",
            "0%",
            '"0%", but it must be above 0% and below 100%: write it like 2% or 0.02',
        ),
        (
            "harm.tolerated_rate",
            "100%",
            '"100%", but it must be above 0% and below 100%: write it like 2% or 0.02',
        ),
        (
            "harm.tolerated_rate",
            "-1",
            "-1, but it must be above 0% and below 100%: write it like 2% or 0.02",
        ),
        ("harm.tolerated_rate", "2 %", f'"2 %", {SHARE}: write it like 2% or 0.02'),
        ("harm.tolerated_rate", "few", f'"few", {SHARE}: write it like 2% or 0.02'),
        ("harm.tolerated_rate", "true", f"true, {SHARE}: write it like 2% or 0.02"),
        ("harm.tolerated_rate", ".nan", f"NaN, {SHARE}: write it like 2% or 0.02"),
        ("harm.tolerated_rate", "-.inf", f"a huge number, {SHARE}: write it like 2% or 0.02"),
        ("harm.acceptable_rate", "[2%]", f"a list, {SHARE}: write it like 2% or 0.02"),
        ("harm.budget", "0", f"0, {DEVICES}: write it like 50 or 0.5%"),
        ("harm.budget", "-3", f"-3, {DEVICES}: write it like 50 or 0.5%"),
        ("harm.budget", "1.5", f"1.5, {DEVICES}: write it like 50 or 0.5%"),
        ("harm.budget", "100%", f'"100%", {DEVICES}: write it like 50 or 0.5%'),
        ("harm.budget", "'50'", f'"50", {DEVICES}: write it like 50 or 0.5%'),
        ("harm.budget", "9" * 400, f"a huge number, {DEVICES}: write it like 50 or 0.5%"),
        ("harm.confidence", "95", f"95, {SHARE}: write 95% or 0.95"),
        (
            "harm.confidence",
            "50%",
            '"50%", but it must be above 50% and below 100%: write it like 95% or 0.95',
        ),
        (
            "harm.confidence",
            "1.0",
            "1.0, but it must be above 50% and below 100%: write it like 95% or 0.95",
        ),
        ("harm.false_abort_risk", "5", f"5, {SHARE}: write 5% or 0.05"),
        (
            "harm.false_abort_risk",
            "25%",
            '"25%", but it must be above 0% and at most 20%: write it like 1% or 0.01',
        ),
        ("harm.late_tolerated_rate", "5", f"5, {SHARE}: write 5% or 0.05"),
        ("harm.drift_rate", "2%", "0.02, but 0.02 is tolerated: write a rate above it"),
        (
            "harm.drift_rate",
            "{tolerated_rate: 30%, drift_rate: 20%}",
            "0.2, but 0.3 is tolerated: write a rate above it",
        ),
        ("harm.drift_budget", "0", f"0, {A_NUMBER}: write a whole number like 1000"),
        ("harm.drift_budget", "1%", f'"1%", {A_NUMBER}: write a whole number like 1000'),
        (
            "harm.baseline",
            "25",
            "25, but keys are needed here: harmed, started, margin",
        ),
        ("harm.baseline.harmed", "{started: 5}", "missing, but needed"),
        ("harm.baseline.started", "{harmed: 0}", "missing, but needed"),
        (
            "harm.baseline.harmed",
            "{harmed: -1, started: 5}",
            "-1, but 0 to 1000000000 devices are needed: write a whole number like 25",
        ),
        (
            "harm.baseline.started",
            "{harmed: 0, started: 0}",
            f"0, {A_NUMBER}: write a whole number like 1000",
        ),
        (
            "harm.baseline.started",
            "{harmed: 26, started: 25}",
            "25, but harmed is 26: count the harmed among the started",
        ),
        (
            "harm.baseline.margin",
            "{harmed: 25, started: 5000, margin: 1}",
            f"1, {SHARE}: write 1% or 0.01",
        ),
        (
            "harm.baseline.margin",
            "{harmed: 25, started: 5000, margin: -1%}",
            f'"-1%", {SHARE}: write it like 0.5% or 0.005',
        ),
        (
            "harm.baseline",
            "{tolerated_rate: 2%, baseline: {harmed: 25, started: 5000}}",
            (
                "tolerated_rate is given too, but it is computed from a baseline: leave out one of "
                "the two"
            ),
        ),
        (
            "harm.baseline",
            "{harmed: 0, started: 5}",
            (
                "0 harmed of 5 leave room for a rate of 77%, but at most 50% can be held against a "
                "release: give counts of more devices or a smaller margin, or write tolerated_rate "
                "instead"
            ),
        ),
        ("pace.mode", "admit", '"admit", but there is one mode only: write throttle'),
        ("pace.start_per_minute", "0", f"0, but AWS allows 1 to 1000: {IN_BETWEEN}"),
        ("pace.start_per_minute", "ten", '"ten", but a whole number is needed: write it like 10'),
        ("pace.start_per_minute", "1.5", "1.5, but a whole number is needed: write it like 10"),
        ("pace.max_per_minute", "1001", f"1001, but AWS allows 1 to 1000: {IN_BETWEEN}"),
        (
            "pace.max_per_minute",
            "{start_per_minute: 6, max_per_minute: 5}",
            "5, but start_per_minute is 6: raise it, or start at 5 or less",
        ),
        (
            "pace.exponential.increment_factor",
            "{notified_things: 5}",
            "missing, but needed",
        ),
        (
            "pace.exponential.increment_factor",
            "{notified_things: 5, increment_factor: 1}",
            f"1, but AWS allows 1.1 to 5: {IN_BETWEEN}",
        ),
        (
            "pace.exponential.increment_factor",
            "{notified_things: 5, increment_factor: 1.25}",
            "1.25, but AWS allows at most one decimal: round it to 1.2",
        ),
        (
            "pace.exponential.increment_factor",
            "{notified_things: 5, increment_factor: fast}",
            '"fast", but a number is needed: write it like 1.5',
        ),
        (
            "pace.exponential.notified_things",
            "{notified_things: 0, increment_factor: 2}",
            "0, but a count of things starts at 1: give 1 or more",
        ),
        (
            "pace.exponential.notified_things",
            "{notified_things: 3000000000, increment_factor: 2}",
            "3000000000, but AWS counts things up to 2147483647: give less",
        ),
        (
            "pace.exponential.succeeded_things",
            "{increment_factor: 2}",
            "one of notified_things and succeeded_things is needed, but neither is given",
        ),
        (
            "pace.exponential.succeeded_things",
            "{increment_factor: 2, notified_things: 5, succeeded_things: 5}",
            "one of notified_things and succeeded_things is needed, but both are given",
        ),
        ("job.timeout", "0", f"0 minutes, but AWS allows 1 to 10080: {IN_BETWEEN}"),
        ("job.timeout", "8d", f'"8d" is 11520 minutes, but AWS allows 1 to 10080: {IN_BETWEEN}'),
        (
            "job.timeout",
            "90s",
            '"90s", but minutes are needed: write a whole number, or like 45m or 2h',
        ),
        (
            "job.timeout",
            "1.5h",
            '"1.5h", but minutes are needed: write a whole number, or like 45m or 2h',
        ),
        (
            "job.timeout",
            "05m",
            '"05m", but minutes are needed: write a whole number, or like 45m or 2h',
        ),
        (
            "job.timeout",
            "true",
            "true, but minutes are needed: write a whole number, or like 45m or 2h",
        ),
        ("job.description", "''", '"", but a text is needed: write one, or leave the key out'),
        ("job.description", "7", "7, but a text is needed: put it in quotes"),
        (
            "job.description",
            '"a\\nb"',
            f'"a\\nb", {ONE_LINE}',
        ),
        (
            "job.description",
            '"a\\u200bb"',
            f'"a\\u200bb", {ONE_LINE}',
        ),
        ("job.presigned_url.role_arn", "{}", "missing, but needed"),
        (
            "job.presigned_url.role_arn",
            "{role_arn: me}",
            '"me", but not every text will do: write arn:aws:iam::ACCOUNT:role/NAME',
        ),
        (
            "job.presigned_url.expires_in",
            f'{{role_arn: "{ROLE}", expires_in: 2h}}',
            f'"2h" is 7200 seconds, but AWS allows 60 to 3600: {IN_BETWEEN}',
        ),
        (
            "job.presigned_url.expires_in",
            f'{{role_arn: "{ROLE}", expires_in: 59}}',
            f"59 seconds, but AWS allows 60 to 3600: {IN_BETWEEN}",
        ),
        (
            "job.presigned_url.expires_in",
            f'{{role_arn: "{ROLE}", expires_in: 1d}}',
            '"1d", but seconds are needed: write a whole number, or like 10m or 1h',
        ),
        ("job.retries", "3", f"3, {RETRIES}"),
        ("job.retries", "false", f"false, {RETRIES}"),
        (
            "job.namespace_id",
            "a b",
            '"a b", but not every text will do: write letters, digits, - and _',
        ),
        ("harm.budget", "", "no value: write one, or leave the key out"),
        ("job", "~", "no value: write one, or leave the key out"),
        (
            "name",
            "no",
            'no is a text in YAML 1.2, but false in YAML 1.1: write "no" if it is a text',
        ),
        (
            "name",
            "2024-1-31",
            (
                "2024-1-31 is a text in YAML 1.2, but a date in YAML 1.1: "
                'write "2024-1-31" if it is a text'
            ),
        ),
        (
            "job.namespace_id",
            "On",
            'On is a text in YAML 1.2, but true in YAML 1.1: write "On" if it is a text',
        ),
        (
            "harm.budget",
            "010",
            "010 is 10 in YAML 1.2, but 8 in YAML 1.1: write it without the leading zero",
        ),
        (
            "harm.budget",
            "08",
            "08 is 8 in YAML 1.2, but a text in YAML 1.1: write it without the leading zero",
        ),
        ("harm.budget", "0o17", "0o17 is 15 in YAML 1.2, but a text in YAML 1.1: write 15"),
        (
            "harm.budget",
            "1_0",
            (
                "1_0 is a text in YAML 1.2, but 10 in YAML 1.1; "
                f'"1_0", {DEVICES}: write it like 50 or 0.5%'
            ),
        ),
        (
            "job.timeout",
            "12:30",
            (
                "12:30 is a text in YAML 1.2, but 750 in YAML 1.1; "
                '"12:30", but minutes are needed: write a whole number, or like 45m or 2h'
            ),
        ),
        (
            "job.retries",
            "off",
            f'off is a text in YAML 1.2, but false in YAML 1.1; "off", {RETRIES}',
        ),
        ("harm.budget", "&five 5", None),
        ("harm.budget", "!!int 5", "a tag, tag:yaml.org,2002:int, is not read: leave it out"),
    ],
)
def test_a_fault_says_what_was_read_and_what_would_be_right(
    path: str, written: str, message: str | None
) -> None:
    """Each mistake is told once, at its path, with the value, the limit and the remedy."""
    keys = path.partition("[")[0].split(".")
    depth = min(2, len(keys))
    if f"{keys[-1]}:" in written and len(keys) == depth:
        depth -= 1
    text = "".join(f"{'  ' * level}{key}:\n" for level, key in enumerate(keys[:depth]))
    text = f"{text.rstrip()} {written}\n"
    if keys != ["name"]:
        text = f"name: a\n{text}"

    if message is None:
        parse_policy_yaml(text, source="p.yaml")
    else:
        (fault,) = faults_of(text)
        assert fault.split(": ", 1)[1] == f"{path}: {message}"


def test_all_faults_are_told_at_once_in_the_order_of_the_text() -> None:
    """Whoever mends a policy mends it once, not fault by fault."""
    text = """\
name: -x
harm:
  statuses: [FAILED, GONE]
  budget: 5
  budget: 6
  tolerated: 1%
pace: {mode: rings, max_per_minute: 5, start_per_minute: 6, exponential: {increment_factor: 9}}
rings:
  - {thing_type: pump}
job: {timeout: 12:30, description: , retries: &r 0, namespace_id: *r}
"""

    assert faults_of(text) == [
        f'p.yaml:1:7: name: "-x", but not every text will do: {NAME_REMEDY}',
        (
            'p.yaml:3:22: harm.statuses[1]: "GONE", '
            "but only FAILED, TIMED_OUT, REJECTED can count: name one of them"
        ),
        'p.yaml:5:3: harm.budget: "budget" stands here twice: leave one of them out',
        (
            "p.yaml:6:3: harm.tolerated: unknown key (is tolerated_rate meant?): known here are "
            "acceptable_rate, baseline, budget, confidence, drift_budget, drift_rate, "
            "false_abort_risk, late_tolerated_rate, statuses, tolerated_rate"
        ),
        'p.yaml:7:14: pace.mode: "rings", but there is one mode only: write throttle',
        (
            "p.yaml:7:37: pace.max_per_minute: 5, but start_per_minute is 6: "
            "raise it, or start at 5 or less"
        ),
        (
            "p.yaml:7:74: pace.exponential.succeeded_things: one of notified_things and "
            "succeeded_things is needed, but neither is given"
        ),
        (
            "p.yaml:7:93: pace.exponential.increment_factor: 9, but AWS allows 1.1 to 5: "
            "choose a value in between"
        ),
        f"p.yaml:8:1: rings: unknown key: known here are {KNOWN}",
        (
            "p.yaml:10:16: job.timeout: 12:30 is a text in YAML 1.2, but 750 in YAML 1.1; "
            '"12:30", but minutes are needed: write a whole number, or like 45m or 2h'
        ),
        "p.yaml:10:23: job.description: no value: write one, or leave the key out",
        "p.yaml:10:67: job.namespace_id: an alias, *r, is not read: write the value out",
    ]


@pytest.mark.parametrize("key", ["quiet", "rings"])
def test_nothing_is_promised_that_is_not_kept(key: str) -> None:
    """A key that nothing acts on is refused: it would look as if it were in force."""
    assert faults_of(f"name: a\n{key}: {{}}") == [
        f"p.yaml:2:1: {key}: unknown key: known here are {KNOWN}"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "p.yaml:1:1: not readable as YAML: it holds nothing"),
        ("# later", "p.yaml:1:1: not readable as YAML: it holds nothing"),
        ("a: b: c", "p.yaml:1:5: not readable as YAML: mapping values are not allowed here"),
        (
            "name: a\njob:\n\t- b",
            (
                "p.yaml:3:1: not readable as YAML: "
                "a tab stands where spaces are expected: indent with spaces"
            ),
        ),
        ("name: 'a", "p.yaml:1:9: not readable as YAML: found unexpected end of stream"),
        (
            "name: a\nharm: \x07",
            "p.yaml:2:7: not readable as YAML: a control character stands here: remove it",
        ),
        (
            "name: a\n---\nname: b",
            "p.yaml:2:1: not readable as YAML: a second document begins: leave one",
        ),
        (
            "%YAML 1.1\n---\nname: a",
            "p.yaml:2:1: not readable as YAML: this is YAML 1.2: leave %YAML out",
        ),
        (
            "%YAML 2.0\n---\nname: a",
            (
                "p.yaml:1:1: not readable as YAML: "
                "found incompatible YAML document (version 1.* is required)"
            ),
        ),
        ("? [a]\n: b", "p.yaml:1:3: not readable as YAML: a key must be a word"),
        ("[" * 30_000, "p.yaml:1:18: not readable as YAML: it is nested more than 16 levels deep"),
        ("firmware", 'p.yaml:1:1: "firmware", but keys are needed here: ' + KEYS),
        ("*a", "p.yaml:1:1: an alias, *a, is not read: write the value out"),
        ("x" * 32_769, "p.yaml: 32769 characters, but at most 32768 are read: shorten it"),
        ("harm: {}", "p.yaml:1:1: name: missing, but needed"),
        (
            'name: a\n"b\\nc": 1',
            'p.yaml:2:1: "b\\nc": unknown key: known here are ' + KNOWN,
        ),
        ("name: a\n7: 1", "p.yaml:2:1: 7: unknown key: known here are " + KNOWN),
    ],
)
def test_what_is_no_policy_at_all_is_told_in_one_line(text: str, told: str) -> None:
    """Texts that are not YAML, or no object, end in one line that says where and why."""
    assert faults_of(text) == [told]


def test_yaml_1_2_is_read_as_such() -> None:
    """A directive that names YAML 1.2, quoted words and folded texts are all fine."""
    text = "%YAML 1.2\n---\nname: 'no'\njob:\n  description: >-\n    two\n    lines\n...\n"

    document = parse_policy_yaml(text, source="p.yaml")

    assert (document.name, document.job.description) == ("no", "two lines")


def test_a_flood_of_faults_is_bounded() -> None:
    """A hostile text costs a bounded message; the faults are all there for whoever counts."""
    text = "name: a\n" + "".join(f"x{index}: 1\n" for index in range(FAULTS_SHOWN_MAX + 7))

    with pytest.raises(PolicyError) as caught:
        parse_policy_yaml(text, source="p.yaml")

    assert len(caught.value.faults) == FAULTS_SHOWN_MAX + 7
    assert str(caught.value).splitlines()[-1] == "p.yaml: and 7 more"


def test_long_values_are_cut_where_they_are_repeated() -> None:
    """A message repeats the beginning of what was read, not a page of it."""
    (fault,) = faults_of(f"name: {'a' * 500}/")

    assert len(fault) < 200
    assert "aaa…" in fault


@pytest.mark.parametrize(
    ("given_json", "told"),
    [
        ("{", ["ssm:1:2: not readable as JSON: Expecting property name enclosed in double quotes"]),
        ("", ["ssm:1:1: not readable as JSON: Expecting value"]),
        ('{"name": NaN}', ["ssm: not readable as JSON: NaN is no number"]),
        ("[" * 30_000, ["ssm: not readable as JSON: it is nested too deep"]),
        (
            '{"name": "a", "name": "b"}',
            ['ssm: "name" stands in one object twice: leave one of them out'],
        ),
        ("[]", ["ssm: a list, but keys are needed here: " + KEYS]),
        ("null", ["ssm: null, but keys are needed here: " + KEYS]),
        (" " * 32_769, ["ssm: 32769 characters, but at most 32768 are read: shorten it"]),
        ({}, ["ssm: name: missing, but needed"]),
        (
            {"name": "a", "harm": None, "job": {"timeout": True}, "x": {"y": None}},
            [
                "ssm: harm: no value: write one, or leave the key out",
                "ssm: x.y: no value: write one, or leave the key out",
                (
                    "ssm: job.timeout: true, but minutes are needed: write a whole number, or like "
                    "45m or 2h"
                ),
                "ssm: x: unknown key: known here are " + KNOWN,
            ],
        ),
    ],
)
def test_faults_in_json_are_told_by_their_path(given_json: object, told: list[str]) -> None:
    """What comes from SSM or inline is told by source and path: it has no lines to speak of."""
    assert faults_of_json(given_json) == told


def test_a_number_too_long_for_python_is_a_fault_like_any_other() -> None:
    """Digits without end raise the error that callers catch, and no other one."""
    (told,) = faults_of_json('{"name": ' + "1" * 5000 + "}")

    assert told.startswith("ssm: not readable as JSON: ")


def test_a_mapping_nested_without_end_is_refused() -> None:
    """An inline policy cannot exhaust the stack."""
    nested: dict[str, Any] = {}
    for _ in range(5000):
        nested = {"a": nested}

    assert faults_of_json({"name": "a", "harm": nested})[0].startswith("ssm: harm.a: unknown key")


def test_faults_carry_their_parts() -> None:
    """A program that shows faults gets path, line, column and message one by one."""
    with pytest.raises(Refused) as caught:
        parse_policy_yaml("name: a\nharm:\n  budget: 0", source="p.yaml")

    assert isinstance(caught.value, PolicyError)
    (fault,) = caught.value.faults
    assert (fault.path, fault.line, fault.column) == ("harm.budget", 3, 11)
    assert fault.message.startswith("0, but")
    assert caught.value.source == "p.yaml"


def test_the_json_of_a_policy_is_read_back_unchanged() -> None:
    """What the stack stores is, to the last digit, what its author wrote."""
    document = parse_policy_yaml(EVERYTHING, source="p.yaml")

    assert parse_policy_json(document.to_json(), source="ssm") == document
    assert parse_policy_json(json.loads(document.to_json()), source="inline") == document


shares = st.integers(1, 99_999).map(lambda n: f"{n / 1000:.3f}%")


def held_to(harm: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return the section with what the release is held to, and perhaps with what a turn means."""
    baselines = st.builds(
        lambda harmed, margin: {"harmed": harmed, "started": 10_000, "margin": margin},
        st.integers(0, 1000),
        st.integers(0, 100).map(lambda n: f"{n / 10:g}%"),
    )
    alternatives: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}),
        st.fixed_dictionaries({"tolerated_rate": shares | st.floats(1e-9, 0.999)}),
        st.fixed_dictionaries(
            {"baseline": baselines}, optional={"drift_rate": st.floats(0.7, 0.999)}
        ),
    )
    return alternatives.map(lambda more: harm | more)


documents: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"name": st.from_regex(r"[a-z][a-z0-9_.-]{0,30}", fullmatch=True)},
    optional={
        "harm": st.fixed_dictionaries(
            {},
            optional={
                "statuses": st.lists(
                    st.sampled_from(["FAILED", "TIMED_OUT", "REJECTED"]), min_size=1, unique=True
                ),
                "acceptable_rate": shares,
                "budget": shares | st.integers(1, 10**9) | st.floats(1e-9, 0.999),
                "confidence": st.floats(0.5, 1, exclude_min=True, exclude_max=True),
                "false_abort_risk": st.floats(1e-9, 0.2),
                "late_tolerated_rate": shares,
                "drift_budget": st.integers(1, 10**9),
            },
        ).flatmap(held_to),
        "pace": st.fixed_dictionaries(
            {},
            optional={
                "start_per_minute": st.integers(1, 100),
                "max_per_minute": st.integers(100, 1000),
                "exponential": st.builds(
                    lambda tenths, criterion, count: {
                        "increment_factor": tenths / 10,
                        criterion: count,
                    },
                    st.integers(11, 50),
                    st.sampled_from(["notified_things", "succeeded_things"]),
                    st.integers(1, 10**6),
                ),
            },
        ),
        "job": st.fixed_dictionaries(
            {},
            optional={
                "timeout": st.integers(1, 10_080)
                | st.integers(1, 168).map(lambda hours: f"{hours}h"),
                "description": st.text(
                    st.characters(exclude_categories=["C"]), min_size=1, max_size=2028
                ),
                "presigned_url": st.fixed_dictionaries(
                    {"role_arn": st.just(ROLE)},
                    optional={"expires_in": st.integers(1, 60).map(lambda n: f"{n}m")},
                ),
                "retries": st.just(0),
                "namespace_id": st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True),
            },
        ),
        "authority": st.sampled_from(["observe", "auto"])
        | st.dictionaries(
            st.sampled_from(["speed_up", "abort", "complete"]),
            st.sampled_from(["recommend", "approve", "auto"]),
        ),
        "gates": st.lists(
            st.fixed_dictionaries(
                {"approval": st.just("required") | st.just({"within": "30m"})},
                optional={"bake": st.integers(1, 43_200), "alarms": st.just(["crash: rate"])},
            ),
            max_size=3,
        ).map(lambda gates: [{"after": 10 * n + 1, **gate} for n, gate in enumerate(gates)]),
        "freeze": st.fixed_dictionaries(
            {}, optional={"calendars": st.just(["ops"]), "missing_data": st.just("ignore")}
        ),
        "complete": st.fixed_dictionaries(
            {}, optional={"at": shares, "grace": st.integers(0, 720).map(lambda n: f"{n}h")}
        ),
        "overlap": st.sampled_from(["wait", "warn", "go"]),
        "on_abort": st.fixed_dictionaries(
            {"rollback": st.builds(dict, document=st.just({"a": [None, 1.5]}) | st.just("[1]"))},
            optional={"in_flight": st.sampled_from(["leave", "force"])},
        ),
        "stuck": st.fixed_dictionaries(
            {},
            optional={
                "after": st.just("auto") | st.integers(1, 43_200) | st.just("90s"),
                "at_most": st.integers(1, 200),
                "devices_check_versions": st.booleans(),
            },
        )
        | st.fixed_dictionaries(
            {"then": st.just("extend"), "devices_check_versions": st.sampled_from([False])},
            optional={"by": st.integers(1, 10_080)},
        ),
        "cohorts": st.lists(
            st.sampled_from(
                ["thing.type", "thing.groups", "thing.attributes.a,b@c", "statusDetails.v"]
            ),
            min_size=1,
            unique=True,
        ),
        "failures": st.fixed_dictionaries(
            {}, optional={"keys": st.just(["why"]), "never_store": st.just(["reason", "serial"])}
        ),
        "adaptive_timeout": st.fixed_dictionaries(
            {},
            optional={
                "mode": st.sampled_from(["propose", "set"]),
                "at_least": st.integers(1, 60),
                "at_most": st.integers(60, 10_080),
            },
        ),
        "soak": st.integers(1, 43_200) | st.builds(dict, **{"for": st.sampled_from(["1h", 2.5])}),
    },
)


@given(documents)
def test_a_policy_survives_every_form_it_takes(written: dict[str, Any]) -> None:
    """From JSON to the document, its JSON, the policy, its snapshot and back, nothing changes."""
    document = parse_policy_json(written, source="inline")
    policy = document.compile()

    assert parse_policy_json(document.to_json(), source="ssm") == document
    assert Policy.from_compiled(json.loads(json.dumps(policy.to_compiled()))) == policy


@given(documents)
def test_json_is_yaml(written: dict[str, Any]) -> None:
    """The same document means the same, whether it is read as YAML or as JSON."""
    text = json.dumps(written)

    assert parse_policy_yaml(text, source="p") == parse_policy_json(text, source="p")


@given(st.text(max_size=200))
def test_no_text_is_answered_by_anything_but_faults(text: str) -> None:
    """Whatever is fed to them, the readers raise PolicyError or return a document."""
    for parse in (parse_policy_yaml, parse_policy_json):
        with suppress(PolicyError):
            assert isinstance(parse(text, source="p"), PolicyDocument)


def test_yaml_is_imported_only_to_read_yaml() -> None:
    """A Lambda that reads a policy's JSON neither has nor pays for a YAML parser."""
    script = (
        "import sys; from tidegate.documents.policy import parse_policy_json;"
        "parse_policy_json({'name': 'a'}, source='x');"
        "sys.exit(any(name.partition('.')[0] == 'ruamel' for name in sys.modules))"
    )

    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, check=False, timeout=60
    )

    assert finished.returncode == 0
    assert "yaml_text" not in vars(policy_module)


def test_the_limit_of_a_text_is_what_it_says() -> None:
    """A text of just the limit is read."""
    text = "name: a #".ljust(POLICY_CHARACTERS_MAX, "x")

    assert parse_policy_yaml(text, source="p").name == "a"
