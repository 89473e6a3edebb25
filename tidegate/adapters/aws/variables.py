"""What a Lambda's environment tells it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.errors import Refused
from tidegate.ports import POLICY_TAG

DEFAULT_MINUTE_SECONDS = 60.0
DEFAULT_PARTITION = "aws"


class BadEnvironment(Refused):
    """An environment variable is missing or makes no sense; the message names it."""


@dataclass(frozen=True, slots=True)
class Variables:
    """
    A Lambda's environment variables by meaning.

    Each is looked at when it is asked for, so a function needs only what it uses.
    """

    given: Mapping[str, str]

    @property
    def region(self) -> str:
        """The region that the Lambda runs in."""
        return self._value("AWS_REGION")

    @property
    def account_id(self) -> str:
        """The account that the jobs belong to."""
        return self._value("TIDEGATE_ACCOUNT_ID")

    @property
    def partition(self) -> str:
        """The first part of ARNs after ``arn``."""
        return self.given.get("TIDEGATE_PARTITION") or DEFAULT_PARTITION

    @property
    def policy_tag(self) -> str:
        """The key of the tag that enrolls jobs."""
        return self.given.get("TIDEGATE_POLICY_TAG") or POLICY_TAG

    @property
    def ledger_table(self) -> str:
        """The name of the DynamoDB table."""
        return self._value("TIDEGATE_LEDGER_TABLE")

    @property
    def bus_name(self) -> str:
        """The name of the EventBridge bus."""
        return self._value("TIDEGATE_BUS_NAME")

    @property
    def state_machine_arn(self) -> str:
        """The ARN of the rollout workflow."""
        return self._value("TIDEGATE_STATE_MACHINE_ARN")

    @property
    def policy_prefix(self) -> str:
        """The path of the policies' parameters."""
        return self._value("TIDEGATE_POLICY_PREFIX")

    @property
    def reporter_prefix(self) -> str:
        """The path of the parameters that say who may report for devices."""
        return self._value("TIDEGATE_REPORTER_PREFIX")

    @property
    def decision_logs(self) -> str:
        """The name of the log group that decisions are in."""
        return self._value("TIDEGATE_DECISION_LOGS")

    @property
    def dead_letter_urls(self) -> tuple[str, ...]:
        """The URLs of the dead-letter queues, given with blanks or commas between them."""
        return tuple(self._value("TIDEGATE_DEAD_LETTER_URLS").replace(",", " ").split())

    @property
    def account_budget(self) -> float | None:
        """How many devices all rollouts may harm together; None if nothing limits them."""
        text = self.given.get("TIDEGATE_ACCOUNT_BUDGET")
        if not text:
            return None
        try:
            devices = float(text)
        except ValueError:
            devices = 0.0
        if not 0 < devices < math.inf:
            message = (
                f"TIDEGATE_ACCOUNT_BUDGET is {text!r}, but a budget is a positive number of "
                "devices: correct it, or leave it out"
            )
            raise BadEnvironment(message)
        return devices

    @property
    def minute_seconds(self) -> float:
        """How many seconds a minute of AWS IoT Jobs takes: fewer in an accelerated cloud only."""
        text = self.given.get("TIDEGATE_MINUTE_SECONDS") or str(DEFAULT_MINUTE_SECONDS)
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= DEFAULT_MINUTE_SECONDS:
            message = (
                f"TIDEGATE_MINUTE_SECONDS is {text!r}, but a minute has more than 0 and at most "
                f"{DEFAULT_MINUTE_SECONDS:g} seconds: correct it, or leave it out"
            )
            raise BadEnvironment(message)
        return seconds

    def _value(self, variable: str) -> str:
        value = self.given.get(variable)
        if not value:
            message = f"the environment variable {variable} is not set: set it on this function"
            raise BadEnvironment(message)
        return value
