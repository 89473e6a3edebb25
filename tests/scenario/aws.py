"""AWS IoT Jobs as a rollout meets it, with an audit of all that Tidegate does to it."""

from collections.abc import Sequence
from dataclasses import replace

from tests.scenario.interference import undisturbed
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.domain.decision import Decision, Verdict
from tidegate.domain.jobs import Job
from tidegate.domain.policy import Authority
from tidegate.domain.rollout import Rollout
from tidegate.domain.settings import RATE_PER_MINUTE_MIN, JobSettings, RolloutRate, refusals
from tidegate.lab.aws import After, IotJobs
from tidegate.lab.behaviours import Behaviours, Denominator
from tidegate.ports import POLICY_TAG

#: Every terminal execution counts as executed.
BEHAVIOURS = Behaviours(abort_denominator=Denominator.REPORTED_AND_CANCELED)


class Aws(IotJobs):
    """
    The lab's model, audited.

    At every UpdateJob and CancelJob, what breaks an invariant is noted as a violation.

    Attributes:
        cancel_seconds: How long DescribeJob shows a canceled job as running still.
        countable: Whether targets are few enough to be counted.
    """

    def __init__(
        self, clock: ManualClock, ledger: MemoryLedger, violations: list[str], *, after: After
    ) -> None:
        """Start without jobs."""
        super().__init__(clock, after=after, behaviours=BEHAVIOURS)
        self.cancel_seconds = 0.0
        self.countable = True
        self._ledger = ledger
        self._violations = violations
        self._shown: dict[str, tuple[float, Job]] = {}

    def _cancel(self, job: Job, *, reason_code: str, comment: str, force: bool = False) -> None:
        """Cancel the job, which shows late."""
        if self.cancel_seconds:
            self._shown[job.job_id] = (self._clock.now() + self.cancel_seconds, job)
        super()._cancel(job, reason_code=reason_code, comment=comment, force=force)

    def _tell_of_job(self, job_id: str, status: str, operation: str) -> None:
        """Publish a job's event; of a cancelation that shows late, then."""
        until, _ = self._shown.get(job_id, (0.0, None))
        late_seconds = until - self._clock.now() if status == "CANCELED" else 0.0
        if late_seconds <= 0:
            super()._tell_of_job(job_id, status, operation)
            return
        tell = super()._tell_of_job
        self._after(late_seconds, lambda: tell(job_id, status, operation))

    # the port

    def things_in(self, targets: Sequence[str]) -> frozenset[str] | None:
        """Return the things that the targets hold, None if they are too many."""
        return super().things_in(targets) if self.countable else None

    def describe(self, job_id: str) -> Job:
        """Return the job; a cancelation shows late."""
        job = super().describe(job_id)
        until, shown = self._shown.get(job_id, (0.0, job))
        if self._clock.now() >= until or shown.created_at != job.created_at:
            return job
        return replace(job, status=shown.status, reason_code=None, comment=None)

    def update(self, job_id: str, changes: JobSettings, *, namespace_id: str | None = None) -> None:
        """Change settings, audited."""
        self._audit("UpdateJob", job_id, changes)
        super().update(job_id, changes, namespace_id=namespace_id)

    def cancel(self, job_id: str, *, reason_code: str, comment: str, force: bool = False) -> None:
        """Cancel the job, audited."""
        self._audit("CancelJob", job_id, None)
        super().cancel(job_id, reason_code=reason_code, comment=comment, force=force)

    def _audit(self, operation: str, job_id: str, changes: JobSettings | None) -> None:
        """Note what must never happen: called before whatever others do meanwhile."""
        with undisturbed(self._ledger):
            self._audit_undisturbed(operation, job_id, changes)

    def _audit_undisturbed(self, operation: str, job_id: str, changes: JobSettings | None) -> None:
        job = self._jobs.get(job_id)
        rollout = self._ledger.current([job_id]).get(job_id)
        if job is None:
            return
        if POLICY_TAG not in self._tags[job.arn]:
            self._note(f"{operation} on job {job_id}, which carries no tag")
        if rollout is None or rollout.key.created_at != job.created_at:
            self._note(f"{operation} on job {job_id}, which is not enrolled")
        elif not rollout.revision:
            self._note(f"{operation} on job {job_id}: nothing was decided yet")
        else:
            said = self._ledger.decision(rollout.key, rollout.revision)
            problems = (
                _problems_of_cancel(rollout, said)
                if changes is None
                else self._problems_of_update(job, rollout, said, changes)
            )
            for problem in problems:
                self._note(f"{operation} on job {job_id}: {problem}")

    def _problems_of_update(
        self, job: Job, rollout: Rollout, decision: Decision, changes: JobSettings
    ) -> list[str]:
        problems = []
        if rollout.aborting:
            problems.append("an abort was decided before")
        if refused := refusals(changes, job.settings):
            problems.append(refused[0].message)
        standing = job.settings.rate_per_minute
        raises = changes.rollout is not None and changes.rate_per_minute > standing
        if raises and self._ledger.holds(rollout.key):
            problems.append(f"it raises the rate to {changes.rate_per_minute} against a hold")
        if raises and (decision.holds or decision.gate is not None):
            problems.append(f"it raises the rate to {changes.rate_per_minute} while it must wait")
        if raises and rollout.policy.authority.speed_up is Authority.OBSERVE:
            problems.append(f"it raises the rate to {changes.rate_per_minute}, only observing")
        said = decision.settings
        slowest = JobSettings(RolloutRate(RATE_PER_MINUTE_MIN))
        if said.changes_to(changes) and changes not in (
            slowest,
            replace(slowest, abort=said.abort),
        ):
            problems.append(f"no stored decision says {changes.to_request()}")
        return problems

    def _note(self, problem: str) -> None:
        self._violations.append(problem)


def _problems_of_cancel(rollout: Rollout, decision: Decision) -> list[str]:
    if decision.verdict is Verdict.COMPLETE and decision.cancels_stragglers:
        return []
    if not rollout.aborting or decision.verdict is not Verdict.ABORT:
        return [f"the last decision says {decision.verdict}"]
    return []
