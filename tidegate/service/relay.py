"""
Relay: what others report for devices that do not speak Jobs themselves becomes their executions'.

Each report is done once or refused once, however often it is delivered. A report that is older
than another one of the same device is refused: what it says was true before.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidegate.documents.announcements import report_applied, report_refused
from tidegate.documents.record import moment
from tidegate.documents.reports import REPORTER, DeviceReport, ReportError, parse_report
from tidegate.domain.executions import Execution, ExecutionUpdate, Updated
from tidegate.domain.jobs import TERMINAL
from tidegate.errors import Conflict, Denied, NotFound, Refused, RetryLater, TidegateError
from tidegate.ports import Bus, Clock, Executions, Ledger, Reporters, Things
from tidegate.service.telling import tell

#: Of a report of progress, where another one of the same device is in the way each time.
TRIES_MAX = 5

_LOOK_FIRST = "Look at what is so, and report what changes it."
_NAME_ANOTHER = "Check the names of the thing and of the job, then report again."
_ENROLL_FIRST = "Check the job id; to report on a job's devices, have it steered: send Enroll Job."
_GRANT_FIRST = (
    "Put the thing into a group that the source may report for, or name a group of the thing in "
    "the source's parameter under reporters in SSM."
)
_MEND_PARAMETER = "Mend the parameter that the problem names, then report again."
_NEWEST_COUNTS = "Nothing to do: what was reported later stands."


class Unreportable(Refused):
    """
    A report that is written well cannot be done as things are.

    try:
        updated = relaying.apply(report)
    except Unreportable as error:
        refuse(report, str(error), error.remedy, error.execution)

    Attributes:
        remedy: What whoever reported can do.
        execution: What is really so; None if whoever asks need not know, or nobody does.
    """

    def __init__(
        self, report: DeviceReport, why: object, remedy: str, execution: Execution | None = None
    ) -> None:
        super().__init__(f"{_what(report)}: {why}")
        self.remedy = remedy
        self.execution = execution


@dataclass(frozen=True, slots=True)
class Relayed:
    """
    What became of a batch.

    Attributes:
        applied: Reports now in force; those that were before are not among them.
        refused: Reports that changed nothing; whoever sent them was told.
        failed: Indices of events to deliver again.
        faults: One message per event that failed.
    """

    applied: int
    refused: int
    failed: tuple[int, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relaying:
    """The ports that relaying needs."""

    executions: Executions
    things: Things
    reporters: Reporters
    ledger: Ledger
    bus: Bus
    clock: Clock

    def relay(self, events: Sequence[Mapping[str, Any]]) -> Relayed:
        """
        Relay a batch of reports, those of each device in the order of what they report.

        Where one cannot be done now, those of the same device after it wait with it; the others
        are done.
        """
        batch = _Batch()
        reports: dict[tuple[str, str], list[tuple[int, DeviceReport]]] = defaultdict(list)
        for index, event in enumerate(events):
            try:
                report = parse_report(event)
            except ReportError as error:
                self._refuse_unread(index, error, batch)
                continue
            reports[report.update.thing_name, report.update.job_id].append((index, report))
        for group in reports.values():
            self._relay_in_order(sorted(group, key=_order), batch)
        return batch.relayed

    def _refuse_unread(self, index: int, error: ReportError, batch: "_Batch") -> None:
        """Tell whoever sent it; what did not come by the bus has nobody to be told."""
        if error.report_id is None:
            batch.fail([index], error)
            return
        try:
            if self.ledger.is_settled(error.report_id):
                return
            refusal = report_refused(
                error.report_id,
                error.source,
                None,
                error.problem,
                error.remedy,
                self._execution_unread(error),
                self.clock.now(),
                job_id=error.job_id,
                thing_name=error.thing_name,
            )
            tell(refusal, bus=self.bus)
            self._settle(error.report_id)
            batch.refused += 1
        except RetryLater as busy:
            batch.fail([index], busy)

    def _relay_in_order(self, group: Sequence[tuple[int, DeviceReport]], batch: "_Batch") -> None:
        for position, (_, report) in enumerate(group):
            try:
                self._relay(report, batch)
            except (RetryLater, Denied) as error:
                # What Tidegate itself may not do is no fault of the report: it waits for people.
                batch.fail([index for index, _ in group[position:]], error)
                return

    def _relay(self, report: DeviceReport, batch: "_Batch") -> None:
        if self.ledger.is_settled(report.report_id):
            return
        now = self.clock.now()
        try:
            updated = self._applied(report)
        except Unreportable as error:
            refusal = report_refused(
                report.report_id,
                report.source,
                report.update,
                str(error),
                error.remedy,
                error.execution,
                now,
            )
            tell(refusal, bus=self.bus)
            batch.refused += 1
        else:
            if report.update.include_state or report.update.include_document:
                tell(report_applied(report, updated, now), bus=self.bus)
            batch.applied += 1
        self._settle(report.report_id)

    def _settle(self, report_id: str) -> None:
        """Note that whoever waits for an answer has it; one told twice does less harm than none."""
        self.ledger.settle_report(report_id, at=self.clock.now())

    def _applied(self, report: DeviceReport) -> Updated:
        """Do what is reported; raise Unreportable if that cannot be."""
        self._require_enrolled(report)
        self._require_allowed(report)
        try:
            for _ in range(TRIES_MAX):
                if (updated := self._updated(report)) is not None:
                    return updated
        except NotFound as error:
            raise Unreportable(report, error, _NAME_ANOTHER) from error
        except (Unreportable, Denied):
            raise
        except Refused as error:
            raise Unreportable(
                report, error, _LOOK_FIRST, self._execution(report.update)
            ) from error
        message = f"{_what(report)}: it changes too fast"
        raise RetryLater(message)

    def _updated(self, report: DeviceReport) -> Updated | None:
        """Do what is reported, in turn; None if another report of the device came between."""
        update = self._guarded(report.update)
        if not self.ledger.advance_reports(update.thing_name, update.job_id, at=report.at):
            why = f"it is of {moment(report.at)}, and a later one is known"
            raise Unreportable(report, why, _NEWEST_COUNTS, self._execution(update))
        try:
            return self.executions.update(update)
        except Conflict:
            if update is report.update:
                raise
            return None

    def _guarded(self, update: ExecutionUpdate) -> ExecutionUpdate:
        """
        Let progress rest on the version seen before it is noted as the device's latest report.

        A later one that another Lambda does at the same moment is either noted by then, or in the
        way: it is never overwritten. What ends an execution needs no such care.
        """
        if update.status in TERMINAL or update.expected_version is not None:
            return update
        number = update.execution_number
        found = self.executions.describe(update.thing_name, update.job_id, number)
        return (
            update if found.is_terminal else replace(update, expected_version=found.version_number)
        )

    def _require_enrolled(self, report: DeviceReport) -> None:
        job_id = report.update.job_id
        rollout = self.ledger.current([job_id]).get(job_id)
        if rollout is None:
            raise Unreportable(report, "no rollout of that job is known", _ENROLL_FIRST)
        if report.at < rollout.key.created_at:
            why = f"it is of {moment(report.at)}, before the job was created"
            raise Unreportable(report, why, _LOOK_FIRST)

    def _require_allowed(self, report: DeviceReport) -> None:
        """Let a source speak for things of its groups only."""
        try:
            may_report = self._may_report(report.source, report.update.thing_name)
        except Denied:
            raise
        except Refused as error:
            raise Unreportable(report, error, _MEND_PARAMETER) from error
        if not may_report:
            # Whether there is such a thing is not told to those who may not report for it.
            why = f"{report.source} may not report for that thing, if there is one"
            raise Unreportable(report, why, _GRANT_FIRST)

    def _may_report(self, source: str, thing_name: str) -> bool:
        allowed = self.reporters.groups(source)
        # Of a source that may report for nobody, the registry is not asked.
        found = self.things.traits([thing_name], with_groups=True) if allowed else {}
        return thing_name in found and not allowed.isdisjoint(found[thing_name].groups)

    def _execution_unread(self, error: ReportError) -> Execution | None:
        """Return what is really so of what a faulty report names, to those who may report on it."""
        job_id, name = error.job_id, error.thing_name
        if job_id is None or name is None or not REPORTER.fullmatch(error.source):
            return None
        try:
            if self.ledger.current([job_id]) and self._may_report(error.source, name):
                return self.executions.describe(name, job_id)
        except TidegateError:
            pass  # It cannot be read now, and nobody waits for it.
        return None

    def _execution(self, update: ExecutionUpdate) -> Execution | None:
        """Return what is really so; None where that cannot be read now: nobody waits for it."""
        number = update.execution_number
        try:
            return self.executions.describe(update.thing_name, update.job_id, number)
        except TidegateError:
            return None


class _Batch:
    """What became of the reports so far."""

    def __init__(self) -> None:
        self.applied = self.refused = 0
        self._failed: dict[int, str] = {}

    def fail(self, indices: Iterable[int], error: TidegateError) -> None:
        self._failed |= dict.fromkeys(indices, str(error))

    @property
    def relayed(self) -> Relayed:
        failed = sorted(self._failed)
        faults = tuple(self._failed[index] for index in failed)
        return Relayed(self.applied, self.refused, tuple(failed), faults)


def _order(item: tuple[int, DeviceReport]) -> tuple[float, bool, int]:
    """Events tell whole seconds: within one, an outcome comes last, and versions count up."""
    _, report = item
    update = report.update
    return (report.at, update.status in TERMINAL, update.expected_version or 0)


def _what(report: DeviceReport) -> str:
    update = report.update
    return f"the report that thing {update.thing_name} is {update.status} in job {update.job_id}"
