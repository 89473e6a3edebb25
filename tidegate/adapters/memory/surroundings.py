"""What an installation stands on, in memory: as whoever holds it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.errors import Refused
from tidegate.ports import Queue, Quota


@dataclass
class MemorySurroundings:
    """
    An installation in order, until somebody changes it.

    Attributes:
        events: Which kinds of events are published.
        rules: Which rules are enabled; None for one that is gone.
        inboxes: Queues.
        quotas: By code.
        denials: Denied actions, by function, and whether explicitly; a function that is missing
            does not exist.
        texts: Policies by name.
        hidden: Names of methods that the caller may not use.
    """

    events: dict[str, bool] = field(default_factory=lambda: {"JOB": True, "JOB_EXECUTION": True})
    rules: dict[str, bool | None] = field(default_factory=lambda: {"tidegate_job": True})
    inboxes: list[Queue] = field(default_factory=list)
    quotas: dict[str, float] = field(default_factory=dict)
    denials: dict[str, dict[str, bool]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)

    def events_enabled(self) -> Mapping[str, bool]:
        """Return which kinds of events are published."""
        self._see("events_enabled")
        return self.events

    def rules_enabled(self) -> Mapping[str, bool | None]:
        """Return which rules are enabled."""
        self._see("rules_enabled")
        return self.rules

    def queues(self) -> Sequence[Queue]:
        """Return the queues."""
        self._see("queues")
        return self.inboxes

    def quota(self, quota: Quota) -> float | None:
        """Return the quota that applies."""
        self._see("quota")
        return self.quotas.get(quota.code)

    def denied(self, function: str, actions: Sequence[str]) -> Mapping[str, bool] | None:
        """Return which of these actions a function's role is denied, and which explicitly."""
        self._see("denied")
        if function not in self.denials:
            return None
        denials = self.denials[function]
        return {each: denials[each] for each in actions if each in denials}

    def policies(self) -> Mapping[str, str]:
        """Return the text of each named policy."""
        self._see("policies")
        return self.texts

    def _see(self, what: str) -> None:
        if what in self.hidden:
            message = f"{what}: AccessDenied: the caller may not"
            raise Refused(message)
