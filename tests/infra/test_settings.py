"""What can be chosen, and what is said to those who choose wrongly."""

import json
import re

import pytest
from aws_cdk import App
from aws_cdk.aws_logs import RetentionDays

from infra.errors import SynthesisError
from infra.settings import KEYS, RETENTION, Settings, Target
from tests.infra.synthesized import REPOSITORY

ROLE = "arn:aws:iam::111122223333:role/iot/presign"


def read(**context: object) -> Settings:
    """Return the settings of an app with this context."""
    return Settings.from_context(App(context=context))


def test_the_defaults_are_in_cdk_json() -> None:
    """``cdk.json`` shows what can be chosen and what is chosen when nothing is said."""
    context = json.loads((REPOSITORY / "cdk.json").read_text())["context"]

    assert read(**context) == read() == Settings()


def test_what_can_be_chosen_is_documented() -> None:
    """Whoever deploys finds each key, and no other, in a table with its default."""
    context = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
    table = (REPOSITORY / "docs" / "deploying.md").read_text()

    assert set(KEYS) <= context.keys()
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(KEYS)


@pytest.mark.parametrize(
    ("slip", "meant"), [("environmnt", "environment"), ("alarmMail", "alarmEmail")]
)
def test_a_key_that_is_misspelt_is_refused(slip: str, meant: str) -> None:
    """Ignored, it would deploy over another environment."""
    with pytest.raises(SynthesisError, match=f"{slip}' is unknown: is {meant} meant"):
        read(**{slip: "staging"})


def test_keys_of_others_are_nobodys_slip() -> None:
    """What the CDK, and whoever deploys, keep in the context concerns nobody here."""
    assert read(**{"availability-zones:account=1:region=r": ["a"], "team": "pumps"}) == Settings()


def test_choices_are_read() -> None:
    """Values come as text from a command line, and as JSON from a file."""
    chosen = read(
        environment="stage-2",
        target="local",
        minuteSeconds=0.5,
        logRetentionDays="7",
        alarmEmail="ops@example.com",
        approvalEmail="release-desk@example.com",
        accountHarmBudget="40",
        presignRoleArns=f"{ROLE}, {ROLE}-2",
        tracing=False,
    )

    assert chosen == Settings(
        environment="stage-2",
        target=Target.LOCAL,
        minute_seconds=0.5,
        log_retention=RetentionDays.ONE_WEEK,
        alarm_email="ops@example.com",
        approval_email="release-desk@example.com",
        account_harm_budget=40,
        presign_role_arns=(ROLE, f"{ROLE}-2"),
        tracing=False,
    )


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("environment", "Prod", "lower-case"),
        ("environment", "-stage", "a letter first"),
        ("environment", "stage--2", "single hyphens"),
        ("environment", "a-name-that-is-too-long", "at most 20"),
        ("environment", "policies", "are taken"),
        ("target", "azure", "aws or local"),
        ("minuteSeconds", "1", "target=local"),
        ("minuteSeconds", "61", "at most 60"),
        ("minuteSeconds", "nan", "at most 60"),
        ("minuteSeconds", "fast", "60 seconds"),
        ("logRetentionDays", "8", "1, 3, 5, 7"),
        ("logRetentionDays", "week", "days"),
        ("alarmEmail", "ops", "name@domain"),
        ("approvalEmail", "release-desk", "name@domain"),
        ("accountHarmBudget", "0", "1 or more"),
        ("accountHarmBudget", "2.5", "whole number"),
        ("accountHarmBudget", "all", "leave it out"),
        ("presignRoleArns", "presign", "in full"),
        ("presignRoleArns", "arn:aws:iam::111122223333:role/*", "without wildcards"),
        ("tracing", "perhaps", "true or false"),
    ],
)
def test_a_wrong_choice_is_told_in_one_line(key: str, value: str, remedy: str) -> None:
    """The message names the key, the value and the remedy, and nothing else is printed."""
    with pytest.raises(SynthesisError) as raised:
        read(**{key: value})

    message = str(raised.value)
    assert key in message
    assert repr(value) in message
    assert remedy in message
    assert "\n" not in message


@pytest.mark.parametrize("seconds", ["0", "-1", "60.5"])
def test_a_minute_has_more_than_no_seconds_and_at_most_sixty(seconds: str) -> None:
    """The embedded cloud may be faster than AWS, not slower, and its time cannot stand still."""
    with pytest.raises(SynthesisError, match="minuteSeconds"):
        read(target="local", minuteSeconds=seconds)


def test_names_are_made_of_the_environment() -> None:
    """Without an environment names are short; with one, all of them carry it."""
    plain, stage = Settings(), Settings(environment="stage")

    assert (plain.policy_tag, stage.policy_tag) == ("tidegate:policy", "tidegate:stage:policy")
    assert (plain.stack_name, stage.stack_name) == ("Tidegate", "Tidegate-stage")
    assert (plain.prefix, stage.prefix) == ("tidegate", "tidegate-stage")
    assert plain.policy_prefix == "/tidegate/policies/"
    assert stage.policy_prefix == "/tidegate/stage/policies/"


def test_retentions_are_those_that_cloudwatch_knows() -> None:
    """Every retention of the CDK's, but keeping logs for ever, can be chosen."""
    assert set(RETENTION.values()) == set(RetentionDays) - {RetentionDays.INFINITE}
