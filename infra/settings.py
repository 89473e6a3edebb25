"""
What can be chosen when Tidegate is deployed: the CDK context keys, all of them here.

``docs/deploying.md`` says what each means, and ``cdk.json`` has the defaults.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Self, TypeVar

from aws_cdk.aws_logs import RetentionDays
from constructs import Construct

from infra.errors import SynthesisError

KEYS = (
    "environment",
    "target",
    "minuteSeconds",
    "logRetentionDays",
    "alarmEmail",
    "approvalEmail",
    "accountHarmBudget",
    "presignRoleArns",
    "tracing",
)

#: How alike an unknown key and one of ours are if the one is a slip of the other. The context is
#: full of keys that are not ours, of the CDK and of whoever deploys.
LIKENESS_MIN = 0.8

MINUTE_SECONDS = 60.0

#: CloudWatch Logs knows these and no others.
RETENTION = {
    1: RetentionDays.ONE_DAY,
    3: RetentionDays.THREE_DAYS,
    5: RetentionDays.FIVE_DAYS,
    7: RetentionDays.ONE_WEEK,
    14: RetentionDays.TWO_WEEKS,
    30: RetentionDays.ONE_MONTH,
    60: RetentionDays.TWO_MONTHS,
    90: RetentionDays.THREE_MONTHS,
    120: RetentionDays.FOUR_MONTHS,
    150: RetentionDays.FIVE_MONTHS,
    180: RetentionDays.SIX_MONTHS,
    365: RetentionDays.ONE_YEAR,
    400: RetentionDays.THIRTEEN_MONTHS,
    545: RetentionDays.EIGHTEEN_MONTHS,
    731: RetentionDays.TWO_YEARS,
    1096: RetentionDays.THREE_YEARS,
    1827: RetentionDays.FIVE_YEARS,
    2192: RetentionDays.SIX_YEARS,
    2557: RetentionDays.SEVEN_YEARS,
    2922: RetentionDays.EIGHT_YEARS,
    3288: RetentionDays.NINE_YEARS,
    3653: RetentionDays.TEN_YEARS,
}

#: Short enough for the longest name made of it, ``tidegate-<environment>-account-events``.
ENVIRONMENT = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
ENVIRONMENT_LENGTH_MAX = 20

#: ``/tidegate/policies/policies/`` would lie inside what the nameless environment may read.
ENVIRONMENT_RESERVED = ("policies", "reporters")

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")

Value = TypeVar("Value")


class Target(StrEnum):
    """Where the stack is going to live."""

    AWS = "aws"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The choices of one deployment, one for each context key."""

    environment: str = ""
    target: Target = Target.AWS
    minute_seconds: float = MINUTE_SECONDS
    log_retention: RetentionDays = RetentionDays.THREE_MONTHS
    alarm_email: str | None = None
    approval_email: str | None = None
    account_harm_budget: int | None = None
    presign_role_arns: tuple[str, ...] = ()
    tracing: bool = True

    @property
    def prefix(self) -> str:
        """What the names of all resources begin with."""
        return self.name_of()

    @property
    def stack_name(self) -> str:
        """The stack's id and name."""
        return "-".join(filter(None, ("Tidegate", self.environment)))

    @property
    def policy_tag(self) -> str:
        """The key of the tag that binds a job to a policy, and so to this environment."""
        return ":".join(filter(None, ("tidegate", self.environment, "policy")))

    @property
    def policy_prefix(self) -> str:
        """What the names of the policies' parameters begin with."""
        return "/".join(filter(None, ("/tidegate", self.environment, "policies/")))

    @property
    def reporter_prefix(self) -> str:
        """What the names of the parameters begin with that say who may report for devices."""
        return "/".join(filter(None, ("/tidegate", self.environment, "reporters/")))

    def name_of(self, *parts: str) -> str:
        """Return the physical name of a resource of this environment."""
        return "-".join(filter(None, ("tidegate", self.environment, *parts)))

    @classmethod
    def from_context(cls, scope: Construct) -> Self:
        """
        Read the settings from the CDK context.

        Args:
            scope: Any construct; usually the app.

        Raises:
            SynthesisError: A value makes no sense, or a key is nearly one of ours; the message
                names key, value and remedy.
        """
        refuse_slips(scope)
        target = read(scope, "target", Target, Target.AWS, f"give {' or '.join(Target)}")
        return cls(
            environment=read(
                scope,
                "environment",
                parse_environment,
                "",
                f"give at most {ENVIRONMENT_LENGTH_MAX} lower-case letters, digits and single "
                f"hyphens, a letter first; {' and '.join(ENVIRONMENT_RESERVED)} are taken",
            ),
            target=target,
            minute_seconds=read(
                scope,
                "minuteSeconds",
                lambda text: parse_minute_seconds(text, target),
                MINUTE_SECONDS,
                "in AWS a minute has 60 seconds; give another number, above 0 and at most 60, "
                "only together with target=local",
            ),
            log_retention=read(
                scope,
                "logRetentionDays",
                lambda text: RETENTION[int(text)],
                RetentionDays.THREE_MONTHS,
                f"CloudWatch keeps logs for {', '.join(map(str, RETENTION))} days",
            ),
            alarm_email=read(
                scope, "alarmEmail", parse_email, None, "give one address, name@domain"
            ),
            approval_email=read(
                scope, "approvalEmail", parse_email, None, "give one address, name@domain"
            ),
            account_harm_budget=read(
                scope,
                "accountHarmBudget",
                parse_devices,
                None,
                "give a whole number of devices, 1 or more, or leave it out",
            ),
            presign_role_arns=read(
                scope,
                "presignRoleArns",
                parse_role_arns,
                (),
                "give ARNs of IAM roles in full, separated by commas, without wildcards",
            ),
            tracing=read(scope, "tracing", parse_switch, default=True, remedy="give true or false"),
        )


def refuse_slips(scope: Construct) -> None:
    """
    Refuse a key that is misspelt: its value would be ignored, and another stack deployed.

    Raises:
        SynthesisError: There is one.
    """
    for key in sorted({*scope.node.get_all_context()} - {*KEYS}):
        if meant := get_close_matches(key, KEYS, n=1, cutoff=LIKENESS_MIN):
            message = f"context key {key!r} is unknown: is {meant[0]} meant?"
            raise SynthesisError(message)


def read(
    scope: Construct, key: str, parse: Callable[[str], Value], default: Value, remedy: str
) -> Value:
    """Return a context key's value, the default if it is missing or empty."""
    value = scope.node.try_get_context(key)
    text = "" if value is None else str(value).strip()
    if not text:
        return default
    try:
        return parse(text)
    except (KeyError, ValueError):
        message = f"context key {key!r} is {text!r}: {remedy}"
        raise SynthesisError(message) from None


def parse_environment(text: str) -> str:
    """Return the environment's name; raises ValueError."""
    fits = ENVIRONMENT.fullmatch(text) and len(text) <= ENVIRONMENT_LENGTH_MAX
    if not fits or text in ENVIRONMENT_RESERVED:
        raise ValueError(text)
    return text


def parse_minute_seconds(text: str, target: Target) -> float:
    """Return how long a minute takes; raises ValueError."""
    seconds = float(text)
    faster = target is Target.LOCAL and 0 < seconds < MINUTE_SECONDS
    if seconds != MINUTE_SECONDS and not faster:
        raise ValueError(text)
    return seconds


def parse_email(text: str) -> str | None:
    """Return the address; raises ValueError."""
    if not EMAIL.fullmatch(text):
        raise ValueError(text)
    return text


def parse_devices(text: str) -> int | None:
    """Return the number of devices; raises ValueError."""
    devices = int(text)
    if devices < 1:
        raise ValueError(text)
    return devices


def parse_role_arns(text: str) -> tuple[str, ...]:
    """Return the ARNs; raises ValueError."""
    arns = tuple(arn.strip() for arn in text.split(","))
    if not all(map(ROLE_ARN.fullmatch, arns)):
        raise ValueError(text)
    return arns


def parse_switch(text: str) -> bool:
    """Return whether it is on; raises KeyError."""
    return {"true": True, "false": False}[text.lower()]
