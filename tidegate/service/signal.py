"""
Signal: what people ask of a rollout, and what wakes it besides outcomes.

Each command is done once or refused once, however often it is delivered: doing it again changes
nothing, and one that was done is remembered, since it may well be impossible by the time that it is
delivered again.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tidegate.documents.announcements import (
    cohort_released,
    launch_given_up,
    needs_attention,
    policy_adjusted,
    refusal_of,
)
from tidegate.documents.commands import (
    OPERATOR_SOURCE,
    AbortRollout,
    AdjustPolicy,
    CommandError,
    EnrollJob,
    GiveAnswer,
    HoldRollout,
    LaunchRollout,
    ReleaseCohort,
    ResumeRollout,
    parse_command,
)
from tidegate.documents.outside import (
    AlarmChanged,
    CalendarChanged,
    ExecutionEnded,
    JobCreated,
    parse_outside,
)
from tidegate.documents.shapes import EVENT_ID
from tidegate.domain.course import Answer
from tidegate.domain.gates import passed_by_name
from tidegate.domain.policy import Harm, Policy
from tidegate.domain.rollout import (
    AbortRequest,
    Active,
    Hold,
    HoldKind,
    Lift,
    Rollout,
    RolloutKey,
    Step,
)
from tidegate.domain.turn import Phase, Turn
from tidegate.errors import Refused
from tidegate.ports import (
    Bus,
    BusEvent,
    Clock,
    CommandResult,
    Jobs,
    Ledger,
    Policies,
    Tagged,
    Workflow,
)
from tidegate.service.finding import NEW_JOB_GRACE_SECONDS, enroll_by_tag
from tidegate.service.healing import HEALS_MAX, Heal, heal
from tidegate.service.named_policy import read_policy, require_rollback_policy
from tidegate.service.names import execution_name
from tidegate.service.observe import described
from tidegate.service.refusing import (
    Request,
    answered,
    asked,
    gates_passed_before,
    given_up_before,
    has_ended,
    no_rollout,
    not_launched,
    refuse_in_vain,
    refuse_while_stopping,
    require_ongoing,
    require_pending,
    verb,
)
from tidegate.service.telling import tell, tell_once
from tidegate.service.turns import Turns
from tidegate.service.waiting import wake

#: How Step Functions calls the end of an execution that did what it was to do, as handing over.
SUCCEEDED = "SUCCEEDED"

_DONE = CommandResult()

_COUNT_DEVICES = "Give budget and gates as numbers of devices; nothing was changed."

#: Cohorts that a refusal names, of those that could be released.
COHORTS_NAMED_MAX = 10


@dataclass(frozen=True, slots=True)
class _Sent:
    """When a command was put on the bus, in epoch seconds, and the id that the bus gave it."""

    event_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Signaling:
    """The ports that signaling needs."""

    ledger: Ledger
    workflow: Workflow
    bus: Bus
    policies: Policies
    jobs: Jobs
    clock: Clock

    def signal(self, event: Mapping[str, Any]) -> BusEvent | None:
        """
        Do what an event asks for or what follows from it; the same event again changes nothing.

        A command that cannot be done is answered by one Command Refused, and is done with.

        Args:
            event: As EventBridge delivers it, with its own ``id`` and ``time``.

        Returns:
            What was told of a command that cannot be done; None if nothing was, or long ago.

        Raises:
            CommandError: It did not come by the bus.
            EventError: It is an event of AWS, but not of its form.
            RetryLater: AWS throttles; deliver the event again.
        """
        sent = _sent(event)
        if event.get("source") != OPERATOR_SOURCE:
            self._heed(event)
            return None
        try:
            self._do(event, sent)
        except CommandError as error:
            refusal = refusal_of(event, error.problem, error.remedy, self.clock.now())
            # Also where it was done before, and cannot be done again by now: that is no news.
            told = refusal.detail
            result = CommandResult(told["problem"], told["remedy"])
            return refusal if self._answer_once(sent, result, refusal) else None
        return None

    def _note_once(self, sent: _Sent, result: CommandResult) -> bool:
        return self.ledger.note_command(sent.event_id, result, at=self.clock.now())

    def _answer_once(self, sent: _Sent, result: CommandResult, *events: BusEvent) -> bool:
        """
        Tell what became of a command and note it, unless something is noted already.

        Told before it is noted: dying in between tells it twice, and not never.
        """
        if self.ledger.command(sent.event_id) is not None:
            return False
        tell(*events, bus=self.bus)
        self._note_once(sent, result)
        return True

    # commands

    def _do(self, event: Mapping[str, Any], sent: _Sent) -> None:
        command = parse_command(event)
        match command:
            case LaunchRollout() | EnrollJob():
                name = execution_name(command.job_id, sent.event_id)
                enrolment = replace(command.enrolment(), command_id=sent.event_id)
                self.workflow.start(name, enrolment.to_workflow_input())
                self._note_once(sent, _DONE)
            case _:
                known = self.ledger.current([command.job_id]).get(command.job_id)
                if known is None or known.ending is not None:
                    waiting = self._waiting(command.job_id)
                    if waiting:
                        self._ask_of_launches(command, waiting, sent)
                        return
                rollout = self._note(command, known, sent)
                cause = f"{command.by}: {verb(command)}"
                wake(rollout.key, cause=cause, ledger=self.ledger, workflow=self.workflow)
                self._revive(command, rollout, sent)

    def _waiting(self, job_id: str) -> list[Turn]:
        """Return the launches of a job that had to wait, the longest first."""
        turns = [each for each in self.ledger.turns() if each.job_id == job_id]
        return sorted(turns, key=lambda each: each.since)

    def _ask_of_launches(self, command: Request, turns: list[Turn], sent: _Sent) -> None:
        """Give launches up that wait, if that is asked; there is no job yet for anything else."""
        if not isinstance(command, AbortRollout):
            raise not_launched(command, turns[0])
        # The bus tells whole seconds.
        asked_of = [each for each in turns if sent.at >= math.floor(each.since)]
        request = AbortRequest(command.by, command.reason, sent.at)
        given_up = Turns(self.ledger, self.bus, self.clock).give_up(asked_of, request)
        if not given_up:
            raise no_rollout(command, given_up_before(turns[0]))
        # Of one that begins in this moment it is not sure yet what it comes to.
        waited = [each for each in given_up if each.phase is Phase.WAITING]
        told = (launch_given_up(each, self.clock.now()) for each in waited)
        self._answer_once(sent, _DONE, *told)

    def _note(self, command: Request, rollout: Rollout | None, sent: _Sent) -> Rollout:
        """Write down what is asked of a rollout, and that this command did so; return it."""
        if rollout is None:
            raise no_rollout(command, "never enrolled")
        told: tuple[BusEvent, ...] = ()
        match command:
            case HoldRollout() | ResumeRollout():
                self._hold_or_resume(command, rollout, sent.at)
            case AbortRollout():
                self._abort(command, rollout, sent.at)
            case GiveAnswer():
                self._answer(command, rollout, sent.at)
            case AdjustPolicy():
                told = (self._adjust(command, rollout, sent.at),)
            case ReleaseCohort():
                told = (self._release(command, rollout, sent.at),)
        self._require_heard(command, rollout.key)
        self._answer_once(sent, _DONE, *told)
        return rollout

    def _require_heard(self, command: Request, key: RolloutKey) -> None:
        """
        Refuse what was written down when the rollout had just ended, so that no review sees it.

        Looks after it wrote, as whoever ends a rollout does: whoever comes second sees the other.
        """
        latest = self.ledger.rollout(key)
        if latest.ending is None:
            return
        if latest.signals > self.ledger.decision(key, latest.revision).signals:
            raise has_ended(command, f"it ended before: {latest.ending}")

    def _hold_or_resume(
        self, command: HoldRollout | ResumeRollout, rollout: Rollout, at: float
    ) -> None:
        if rollout.ending is not None:
            raise has_ended(command, f"ended: {rollout.ending}")
        refuse_while_stopping(command, rollout)
        if isinstance(command, HoldRollout):
            refuse_in_vain(command, rollout)
            hold = Hold(HoldKind.OPERATOR, command.by, command.reason, at)
            self.ledger.place_hold(rollout.key, hold)
        else:
            lift = Lift(command.by, command.reason, at)
            self.ledger.lift_holds(rollout.key, HoldKind.OPERATOR, lift)

    def _abort(self, command: AbortRollout, rollout: Rollout, at: float) -> None:
        request = AbortRequest(command.by, command.reason, at)
        if rollout.abort_request == request:
            return
        require_ongoing(command, rollout, at)
        refuse_in_vain(command, rollout)
        self.ledger.request_abort(rollout.key, request)

    def _answer(self, command: GiveAnswer, rollout: Rollout, at: float) -> None:
        given = Answer(command.question_id, command.yes, command.by, command.comment, at)
        standing = self._standing(rollout, given)
        if standing is None:
            require_ongoing(command, rollout, at)
            require_pending(command, rollout, at)
            standing = self.ledger.give_answer(rollout.key, given)
        if (standing.by, standing.yes) != (given.by, given.yes):
            raise answered(command, standing)

    def _standing(self, rollout: Rollout, given: Answer) -> Answer | None:
        """Return the answer that the question has, if it was this rollout's that was meant."""
        if given.at < rollout.key.created_at:
            return None
        answers = self.ledger.answers(rollout.key)
        return next((each for each in answers if each.question_id == given.question_id), None)

    def _adjust(self, command: AdjustPolicy, rollout: Rollout, at: float) -> BusEvent:
        """Give the rollout the policy; return what is told of it."""
        require_ongoing(command, rollout, at)
        refuse_while_stopping(command, rollout)
        policy = self._policy(command, rollout)
        fleet_size = self._fleet_size(command, rollout, policy)
        self._require_new_gates(command, rollout, policy, fleet_size)
        self.ledger.adjust(
            rollout.key,
            policy,
            keeps_bound=_keeps_bound(rollout.policy.harm, policy.harm),
            fleet_size=fleet_size,
            at=at,
        )
        latest = self.ledger.rollout(rollout.key)
        if latest.policy != policy:
            problem = f"{asked(command)}, but it was adjusted by a later command meanwhile"
            raise CommandError(problem, "Send it again if it shall have the last word.")
        version = latest.policy_version
        event = policy_adjusted(rollout.key, policy.name, version, command.by, command.reason, at)
        self._note_step(rollout.key, event, f"policy {policy.name}, version {version}", command, at)
        return event

    def _require_new_gates(
        self, command: AdjustPolicy, rollout: Rollout, policy: Policy, fleet_size: int | None
    ) -> None:
        """Refuse gates that would hold nothing, as gates of their names were passed before."""
        if not rollout.course.gates_passed:
            return
        names = passed_by_name(
            policy,
            rollout.policy,
            rollout.course,
            exposed=self.ledger.decision(rollout.key, rollout.revision).evidence.exposed,
            fleet_size=fleet_size or rollout.fleet_size,
        )
        if names:
            raise gates_passed_before(command, names)

    def _release(self, command: ReleaseCohort, rollout: Rollout, at: float) -> BusEvent:
        """Let a cohort be treated like all others; return what is told of it."""
        require_ongoing(command, rollout, at)
        refuse_while_stopping(command, rollout)
        key, cohort = rollout.key, command.cohort
        if cohort not in self.ledger.released(key):
            self._require_suspect(command, rollout)
            self.ledger.release(key, cohort, by=command.by, reason=command.reason, at=at)
        event = cohort_released(key, cohort, command.by, command.reason, at)
        self._note_step(key, event, f"cohort {cohort}", command, at)
        return event

    def _note_step(
        self,
        key: RolloutKey,
        event: BusEvent,
        what: str,
        command: AdjustPolicy | ReleaseCohort,
        at: float,
    ) -> None:
        """Put into the timeline what no decision tells of: who asked for it, and why."""
        text = f"{what}, asked for by {command.by}: {command.reason}"
        self.ledger.note_steps(key, [Step(at, event.detail_type, text)])

    def _require_suspect(self, command: ReleaseCohort, rollout: Rollout) -> None:
        """Refuse a name that is none of what is held against devices now: it may be mistyped."""
        suspects = {*rollout.memory.quarantined}
        if rollout.revision:
            decision = self.ledger.decision(rollout.key, rollout.revision)
            suspects |= {each.cohort for each in decision.suspects}
        if command.cohort in suspects:
            return
        told = ", ".join(sorted(suspects)[:COHORTS_NAMED_MAX]) or "none"
        problem = f"{asked(command)}, but it is neither set apart nor suspected"
        raise CommandError(problem, f"Name one of those that are: {told}.")

    def _policy(self, command: AdjustPolicy, rollout: Rollout) -> Policy:
        try:
            policy = read_policy(command.policy, job_id=command.job_id, policies=self.policies)
            if rollout.rolls_back is None:
                require_rollback_policy(policy, job_id=command.job_id, policies=self.policies)
        except Refused as error:
            problem = f"{asked(command)}: {error}"
            raise CommandError(problem) from error
        # The namespace is the job's, whatever else is asked for.
        namespace_id = policy.job.namespace_id or rollout.policy.job.namespace_id
        return replace(policy, job=replace(policy.job, namespace_id=namespace_id))

    def _fleet_size(self, command: AdjustPolicy, rollout: Rollout, policy: Policy) -> int | None:
        """Return the fleet's size if it has to be found out, None if not."""
        if rollout.fleet_size is not None or not policy.needs_fleet_size:
            return None
        try:
            job = described(self.jobs, rollout.key)
            things = None if job is None else self.jobs.things_in(job.targets)
        except Refused as error:
            problem = f"{asked(command)}: {error}"
            raise CommandError(problem, _COUNT_DEVICES) from error
        if job is None:
            raise no_rollout(command, "the job was deleted")
        if not things:
            why = "are too many to count" if things is None else "hold no things yet"
            problem = (
                f"{asked(command)}, but policy {policy.name} needs the size of the fleet, and the "
                f"targets of the job {why}"
            )
            raise CommandError(problem, _COUNT_DEVICES)
        return len(things)

    # workflows that do not run

    def _revive(self, command: Request, rollout: Rollout, sent: _Sent) -> None:
        """Start the workflow anew if it died: what is noted would not be done by itself."""
        if self.workflow.is_running(rollout.execution_arn):
            return
        active = next((each for each in self.ledger.active() if each.key == rollout.key), None)
        if active is None:
            return
        if self._heal(active, is_asked_for=True) is Heal.STARTED and active.heals >= HEALS_MAX:
            tell_once(
                f"command {sent.event_id} unattended",
                _unattended(command, active, sent),
                ledger=self.ledger,
                bus=self.bus,
                at=self.clock.now(),
            )

    def _heal(self, active: Active, *, is_asked_for: bool = False) -> Heal:
        return heal(
            active,
            ledger=self.ledger,
            workflow=self.workflow,
            at=self.clock.now(),
            is_asked_for=is_asked_for,
        )

    # what happens outside

    def _heed(self, event: Mapping[str, Any]) -> None:
        """Let an event of AWS wake, heal or enroll whom it concerns; mostly it is nobody."""
        match parse_outside(event):
            case AlarmChanged(name):
                self._wake(f"alarm {name} changed", lambda policy: name in policy.watched_alarms)
            case CalendarChanged(calendar) as changed:
                called = {calendar, changed.name}
                self._wake(
                    f"calendar {changed.name} changed",
                    lambda policy: not called.isdisjoint(policy.freeze.calendars),
                )
            case JobCreated(job_id):
                self._enroll_if_tagged(job_id)
            case ExecutionEnded(execution_arn, status) if status != SUCCEEDED:
                self._forget(execution_arn)
                self._succeed(execution_arn)
            case _:
                pass

    def _wake(self, cause: str, heeds: Callable[[Policy], bool]) -> None:
        for _, rollout in self._ongoing():
            if heeds(rollout.policy):
                self.ledger.signal(rollout.key)
                wake(rollout.key, cause=cause, ledger=self.ledger, workflow=self.workflow)

    def _succeed(self, execution_arn: str) -> None:
        """Heal the rollout that the execution leaves behind, if it does."""
        for active, rollout in self._ongoing():
            if rollout.execution_arn == execution_arn:
                self._heal(active)

    def _forget(self, execution_arn: str) -> None:
        """Be done with a launch whose execution ended: given up, refused, or stopped by hand."""
        turns = Turns(self.ledger, self.bus, self.clock)
        if (turn := turns.of(execution_arn)) is not None:
            turns.close(turn)

    def _ongoing(self) -> Iterator[tuple[Active, Rollout]]:
        """Yield all rollouts that have not ended."""
        listed = {each.key: each for each in self.ledger.active()}
        for rollout in self.ledger.current(key.job_id for key in listed).values():
            if rollout.key in listed:
                yield listed[rollout.key], rollout

    def _enroll_if_tagged(self, job_id: str) -> None:
        """
        Enroll a job that was created with the tag; nothing else of one without it is read.

        Told of at once, it is left to the sweep: it may be a launch that is about to claim it.
        """
        try:
            policy = self.jobs.tags(self.jobs.arn(job_id)).get(self.jobs.policy_tag)
            if policy is None:
                return
            job = self.jobs.describe(job_id)
        except Refused:
            # Gone, or its tag is by now: whatever is left of it, the sweep finds.
            return
        now = self.clock.now()
        if job.created_at > now - NEW_JOB_GRACE_SECONDS:
            return
        key = RolloutKey(job_id, job.created_at)
        enroll_by_tag(
            key,
            Tagged(policy, now),
            before=self.ledger.tagged([key]).get(key),
            ledger=self.ledger,
            workflow=self.workflow,
        )


def _sent(event: Mapping[str, Any]) -> _Sent:
    event_id = event.get("id")
    if not isinstance(event_id, str) or not EVENT_ID.fullmatch(event_id):
        message = (
            f"an event whose id is {event_id!r} did not come by the bus, which gives each event a "
            "UUID: only the rules of the stack should write to this queue"
        )
        raise CommandError(message)
    try:
        return _Sent(event_id, datetime.fromisoformat(event["time"]).timestamp())
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        message = (
            f"an event without a time of its own ({event.get('time')!r}) did not come by the bus: "
            "only the rules of the stack should write to this queue"
        )
        raise CommandError(message) from error


def _keeps_bound(before: Harm, after: Harm) -> bool:
    """Whether a bound on the failure rate found under the one holds under the other."""
    return (
        before.statuses == after.statuses
        and before.confidence == after.confidence
        and before.acceptable_rate == after.acceptable_rate
        and before.tolerated_rate == after.tolerated_rate
        and before.tolerated_late == after.tolerated_late
    )


def _unattended(command: Request, active: Active, sent: _Sent) -> BusEvent:
    """Return the answer to a request that is noted, but that may not be done so soon."""
    job_id = active.key.job_id
    return needs_attention(
        job_id,
        f"{asked(command)}, which is noted, but the workflow that would do it has failed "
        f"{active.heals} times in a row; it is started once more",
        "Read the history of its last execution, and mend the cause. To stop the job at once: "
        f"aws iot cancel-job --job-id {job_id}",
        sent.at,
        key=active.key,
        command_id=sent.event_id,
    )
