"""Who may report for devices, in SSM Parameter Store: a parameter per source of events."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tidegate.adapters.aws.errors import translated
from tidegate.errors import NotFound, Refused

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

    from tidegate.ports import Clock

#: How long an answer is good for: each report asks, and permissions seldom change.
KEPT_SECONDS = 60.0

#: Answers kept at a time: anybody on the bus may name sources.
KEPT_MAX = 100

#: What Parameter Store takes behind a path; an event's source may be anything.
_SOURCE = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")


class ParameterReporters:
    """Reporters as parameters under one path, each a JSON object with ``thingGroups``."""

    def __init__(self, prefix: str, client: SSMClient, clock: Clock) -> None:
        """Bind a path, with or without a slash at its end, to the client that reads it."""
        self._prefix = prefix.rstrip("/")
        self._client = client
        self._clock = clock
        #: By source: until when, and what.
        self._kept: dict[str, tuple[float, frozenset[str]]] = {}

    def groups(self, source: str) -> frozenset[str]:
        """
        Return the thing groups that an event's source may report for; empty if none.

        What was read within the last ``KEPT_SECONDS`` still counts.

        Raises:
            Refused: The source's parameter does not say groups.
        """
        now = self._clock.now()
        until, groups = self._kept.get(source, (now, frozenset()))
        if now < until <= now + KEPT_SECONDS:
            return groups
        groups = self._read(source)
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[source] = (now + KEPT_SECONDS, groups)
        return groups

    def _read(self, source: str) -> frozenset[str]:
        if not _SOURCE.fullmatch(source):
            return frozenset()
        parameter = f"{self._prefix}/{source}"
        try:
            with translated(f"GetParameter {parameter}"):
                answer = self._client.get_parameter(Name=parameter)
        except NotFound:
            return frozenset()
        return _groups(answer["Parameter"].get("Value", ""), parameter)


def _groups(text: str, parameter: str) -> frozenset[str]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    groups = document.get("thingGroups") if isinstance(document, dict) else None
    if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
        message = (
            f"the parameter {parameter} does not say for which things its source may report: "
            'make it a JSON object such as {"thingGroups": ["gateways"]}'
        )
        raise Refused(message)
    return frozenset(groups)
