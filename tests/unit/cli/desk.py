"""A Tidegate in memory, with somebody who types commands at it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner, Result

from tests.contract.samples import FRESH, NOW, decision
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.adapters.memory.policies import MemoryPolicies
from tidegate.adapters.memory.workflow import MemoryWorkflow
from tidegate.cli.account import Access, Account
from tidegate.cli.app import app
from tidegate.domain.cohorts import Remedy, Suspect
from tidegate.domain.decision import Awaits, Decision, Evidence, Verdict
from tidegate.domain.rollout import Ending, Hold, HoldKind, Rollout, RolloutKey
from tidegate.domain.settings import AbortCriterion, FailureType, JobSettings, RolloutRate
from tidegate.errors import TidegateError
from tidegate.service.signal import Signaling

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.ports import BusEvent

OUTPUTS = {
    "BusName": "tidegate",
    "PolicyPrefix": "/tidegate/policies/",
    "StateMachineArn": "arn:aws:states:eu-central-1:111122223333:stateMachine:tidegate",
    "TableName": "tidegate-ledger",
}

#: What would steer a terminal or be read as markup.
HOSTILE = "[red]x[/]\x1b[31m\u202e\x9b:smile:"

JOB = FRESH.key.job_id


class Desk:
    """
    An account in memory, whose bus hands commands to the service that does them.

    Attributes:
        is_deaf: Whether commands stay on the bus.
        later: What happens while somebody waits: one of them in each pause, in this order.
        failures: Why executions of the workflow failed, by name.
        refuses: What AWS answers to whoever connects.
        accesses: How it was connected to.
    """

    def __init__(self) -> None:
        """Begin with an empty ledger, a minute after the sample rollout was enrolled."""
        self.clock = ManualClock(NOW + 60)
        self.ledger = MemoryLedger()
        self.workflow = MemoryWorkflow()
        self.bus = MemoryBus()
        self.policies = MemoryPolicies({})
        self.is_deaf = False
        self.later: list[Callable[[], None]] = []
        self.failures: dict[str, str] = {}
        self.refuses: TidegateError | None = None
        self.accesses: list[Access] = []

    def type_in(self, *arguments: str, width: int | None = None, answer: str = "") -> Result:
        """Return what comes of a command line, at a terminal of a width or in a pipe."""
        # A dumb terminal gets no escapes at all.
        seen = {"TTY_COMPATIBLE": "1", "COLUMNS": f"{width}", "LINES": "50", "TERM": "dumb"}
        piped = {"TTY_COMPATIBLE": "0", "TIDEGATE_ENVIRONMENT": ""}
        environment = piped if width is None else {**piped, **seen}
        return CliRunner().invoke(
            app, list(arguments), obj=self.open, env=environment, input=answer
        )

    def open(self, access: Access) -> Account:
        """Connect."""
        self.accesses.append(access)
        if self.refuses is not None:
            raise self.refuses
        return Account(
            stack_name=access.stack_name,
            outputs=OUTPUTS,
            ledger=self.ledger,
            policies=self.policies,
            bus=self,
            launches=self,
            clock=self.clock,
            sleep=self.sleep,
            caller=lambda: "night-shift",
            client=dict[str, object]().__getitem__,
        )

    def sleep(self, seconds: float) -> None:
        """Let time pass, and the next thing happen."""
        self.clock.advance(seconds)
        if self.later:
            self.later.pop(0)()

    def send(self, event: BusEvent) -> str:
        """Take a command, and have it done."""
        event_id = self.bus.send(event)
        if self.is_deaf:
            return event_id
        signaling = Signaling(
            ledger=self.ledger,
            workflow=self.workflow,
            bus=self.bus,
            policies=self.policies,
            jobs=MemoryJobs(self.clock),
            clock=self.clock,
        )
        at = datetime.fromtimestamp(self.clock.now(), UTC)
        signaling.signal(
            {
                "id": event_id,
                "time": at.isoformat().replace("+00:00", "Z"),
                "source": event.source,
                "detail-type": event.detail_type,
                "detail": event.detail,
            }
        )
        return event_id

    def failure(self, execution_name: str) -> str | None:
        """Return why an execution failed."""
        return self.failures.get(execution_name)

    # what is in the ledger

    def enroll(self, job_id: str = JOB, **changes: Any) -> Rollout:  # noqa: ANN401 - Rollout's own fields
        """Let a rollout be there; its fleet has a thousand devices."""
        key = RolloutKey(job_id, FRESH.key.created_at)
        given: dict[str, Any] = {
            "key": key,
            "fleet_size": 1000,
            "execution_arn": self.workflow.arn(job_id),
        }
        rollout = replace(FRESH, **{**given, **changes})
        self.workflow.start(job_id, {})
        with suppress(TidegateError):
            self.ledger.claim(rollout, previous=None)
        return rollout

    def decide(self, rollout: Rollout, *decisions: Decision) -> None:
        """Let decisions be made."""
        for each in decisions:
            self.ledger.store_decision(rollout.key, each, generation=1)

    def end(self, rollout: Rollout, ending: Ending = Ending.COMPLETED) -> None:
        """Let a rollout end now."""
        self.ledger.conclude(rollout.key, generation=1, ending=ending, at=self.clock.now())

    def fill(self) -> None:
        """Let two hundred rollouts go on, and one of a million devices with 3,000 decisions."""
        for number in range(200):
            self.decide(self.enroll(f"job-{number:03}"), going())
        large = self.enroll(fleet_size=1_000_000)
        for revision in range(1, 3001):
            evidence = replace(EVIDENCE, exposed=300 * revision, started=290 * revision)
            self.decide(large, going(revision, evidence=evidence, at=NOW + 60 * revision))

    @property
    def sent(self) -> list[tuple[str, object]]:
        """Commands that were put on the bus."""
        return [
            (each.detail_type, each.detail)
            for each in self.bus.published
            if each.source == "tidegate.operator"
        ]


EVIDENCE = Evidence(
    exposed=120,
    started=110,
    in_flight=18,
    succeeded=90,
    harmed=2,
    log_e=1.25,
    abort_at=4.6,
    upper_bound=0.062,
)


def going(revision: int = 1, **changes: Any) -> Decision:  # noqa: ANN401 - Decision's own fields
    """Return a decision to go on at a rate of 100."""
    given: dict[str, Any] = {
        "evidence": EVIDENCE,
        "settings": JobSettings(
            rollout=RolloutRate(100), abort=(AbortCriterion(FailureType.FAILED, 12.5, 40),)
        ),
        "replaces": JobSettings(rollout=RolloutRate(10)),
        "attention": None,
        "at": NOW + 30 + revision,
        "reasons": decision(1).reasons[:1],
    }
    return replace(decision(revision), **{**given, **changes})


def held(revision: int = 1, why: str = "support is short", **changes: Any) -> Decision:  # noqa: ANN401 - Decision's own fields
    """Return a decision to hold, for an operator."""
    hold = Hold(HoldKind.OPERATOR, "on-call", why, NOW + 20)
    return going(
        revision,
        **{
            "verdict": Verdict.HOLD,
            "awaits": Awaits.RELEASE,
            "holds": (hold,),
            "settings": JobSettings(rollout=RolloutRate(1)),
            "reasons": decision(1).reasons[1:],
            **changes,
        },
    )


SUSPECT = Suspect("thing.type=pump", 40, 9, 6.0, 5.5, 0.1, 4.0, Remedy.QUARANTINE)
