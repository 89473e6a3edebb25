"""Reap: end executions that are stuck, or give them more time, as the policy says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.documents.announcements import execution_reaped
from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary, Job
from tidegate.domain.rollout import Bookmark, Rollout, Step
from tidegate.domain.stuck import LeftAlone, Patience, after_minutes, candidates, rescue
from tidegate.errors import Conflict, NotFound, Refused
from tidegate.ports import Bus, Clock, Executions, Jobs, Ledger
from tidegate.service.pages import pages_from
from tidegate.service.telling import tell

#: Pages of 250 in one pass: the list is newest first, and the stuck ones are its end, which takes
#: more passes to come to if it is longer.
STUCK_PAGES_MAX = 40

_AT_WORK = ExecutionStatus.IN_PROGRESS


@dataclass(frozen=True, slots=True)
class Reaping:
    """The ports that reaping needs."""

    jobs: Jobs
    executions: Executions
    ledger: Ledger
    bus: Bus
    clock: Clock
    minute_seconds: float

    def reap(self, rollout: Rollout, job: Job) -> Mapping[str, int]:
        """
        Act on executions that are stuck; return how many, and how many were left alone.

        A device that reports at the same moment is the faster one: nothing is done about it.

        Raises:
            Refused: AWS refuses to change an execution; all others were acted upon.
            RetryLater: AWS throttles; those before were acted upon.
        """
        stuck = rollout.policy.stuck
        minutes = after_minutes(stuck, rollout.memory.durations) if stuck else None
        if stuck is None or minutes is None:
            return {}
        patience = Patience(stuck, minutes, job.settings.timeout_minutes, self.minute_seconds)
        before = rollout.bookmarks.get(_AT_WORK, Bookmark())
        pages = [*pages_from(self.jobs, job.job_id, _AT_WORK, before.token, limit=STUCK_PAGES_MAX)]
        rows = [row for page in pages for row in page.rows]
        found = candidates(rows, patience, self.clock.now())
        reaped = _Reaped()
        try:
            for row in found:
                if len(reaped.things) == stuck.at_most:
                    break
                self._rescue(row, job, patience, reaped)
        finally:
            # Also where AWS stops short: these are done.
            self._tell(rollout, patience, reaped.things)
        if (token := pages[-1].token) != before.token:
            self.ledger.note_bookmark(rollout.key, _AT_WORK, Bookmark(token))
        if reaped.refusal is not None:
            raise reaped.refusal
        return {"reaped": len(reaped.things), "spared": reaped.left_alone}

    def _rescue(
        self, row: ExecutionSummary, job: Job, patience: Patience, reaped: "_Reaped"
    ) -> None:
        is_done = False
        try:
            execution = self.executions.describe(row.thing_name, job.job_id, row.execution_number)
            update = rescue(execution, patience, self.clock.now())
            if not isinstance(update, LeftAlone):
                self.executions.update(update)
                is_done = True
        except (Conflict, NotFound):
            pass  # Its device was faster, or it is gone.
        except Refused as refusal:
            # One that AWS objects to keeps nothing from the others.
            reaped.refusal = reaped.refusal or refusal
        reaped.take(row.thing_name, is_done=is_done)

    def _tell(self, rollout: Rollout, patience: Patience, things: list[str]) -> None:
        if not things:
            return
        key, action, now = rollout.key, patience.stuck.then, self.clock.now()
        event = execution_reaped(key, action, things, patience.after_minutes, now)
        text = (
            f"{len(things)} executions without a sign of life for {patience.after_minutes:g} "
            f"minutes: {action}"
        )
        self.ledger.note_steps(key, [Step(now, event.detail_type, text)])
        tell(event, bus=self.bus)


@dataclass(slots=True)
class _Reaped:
    things: list[str] = field(default_factory=list)
    left_alone: int = 0
    refusal: Refused | None = None

    def take(self, thing_name: str, *, is_done: bool) -> None:
        if is_done:
            self.things.append(thing_name)
        else:
            self.left_alone += 1
