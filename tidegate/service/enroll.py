"""
Enroll: make a job a rollout, once, under a snapshot of its policy; or take a rollout over.

A rollout under a policy that waits for its turn is not launched while another one has some of the
same things. Two that begin at the same moment may both see nobody: each looks again once its claim
stands, and one of them notes the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidegate.documents.announcements import needs_attention, rollout_started
from tidegate.documents.commands import Enrolment, Resume, parse_enrolment
from tidegate.documents.launch import Launch
from tidegate.documents.shapes import EVENT_ID
from tidegate.domain.jobs import Job, JobStatus, LaunchRequest
from tidegate.domain.label import labelled_at_launch
from tidegate.domain.policy import Overlap, Policy
from tidegate.domain.review import first_settings
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.domain.settings import JobSettings
from tidegate.domain.turn import Phase, Turn
from tidegate.errors import NotFound, Refused, Superseded
from tidegate.ports import (
    ROLLS_BACK_TAG,
    Bus,
    BusEvent,
    Clock,
    Jobs,
    Ledger,
    Policies,
    Workflow,
)
from tidegate.service.named_policy import read_policy, require_rollback_policy
from tidegate.service.overlap import (
    Overlapping,
    Overlaps,
    came_after,
    came_first,
    is_ahead,
    overlap_warnings,
)
from tidegate.service.telling import tell
from tidegate.service.turns import GivenUp, Turns

_OVER = (JobStatus.COMPLETED, JobStatus.CANCELED, JobStatus.DELETION_IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class Enrolling:
    """The ports that enrolling needs."""

    jobs: Jobs
    ledger: Ledger
    policies: Policies
    workflow: Workflow
    bus: Bus
    clock: Clock

    def enroll(
        self,
        workflow_input: Mapping[str, Any],
        execution_arn: str,
        *,
        started_at: float | None = None,
    ) -> Rollout:
        """
        Claim the rollout for this workflow execution; doing it again changes nothing.

        Settings are not touched here: the first review's decision installs them, explained and
        stored like every other one. Only a job that is created here has them from its creation.

        Args:
            workflow_input: What the execution was started with.
            execution_arn: The execution.
            started_at: When it was started, in epoch seconds; None if it does not tell, as those
                begun under a definition of before do not.

        Raises:
            Superseded: There is nothing left to take over; that is nobody's concern.
            Refused: It cannot be done as asked; nothing is left half-done, people are told.
            NotYet: Others come first; try again when they may be over. People are told, once.
            GivenUp: Somebody does not want the launch any more; people are told.
            RetryLater: AWS or the ledger throttles, or somebody else was faster; try again.
        """
        told: list[BusEvent] = []
        try:
            enrolment = parse_enrolment(workflow_input)
            if enrolment.resume is not None:
                rollout = self._take_over(enrolment.job_id, enrolment.resume, execution_arn)
            else:
                rollout, overlaps = self._begin(enrolment, execution_arn, started_at)
                told = overlap_warnings(rollout, overlaps, self.clock.now())
        except (GivenUp, Superseded):
            raise
        except Refused as error:
            self._tell(workflow_input, str(error))
            raise
        tell(rollout_started(rollout, self.clock.now()), *told, bus=self.bus)
        return rollout

    def _begin(
        self, enrolment: Enrolment, execution_arn: str, started_at: float | None
    ) -> tuple[Rollout, Overlaps]:
        if enrolment.launch is None:
            enrolment = self._as_launched(enrolment)
        policy = self._policy(enrolment)
        job_id = enrolment.job_id
        if enrolment.launch is not None:
            policy = _in_namespace(policy, enrolment.launch)
            self._take_turn(enrolment, policy, execution_arn, started_at)
            # Refused later, the job would be there already, and run with nobody to steer it.
            fleet_size = self._fleet_size(job_id, enrolment.launch.targets, policy)
            self._launch(enrolment, enrolment.launch, policy, fleet_size)
        arn = self.jobs.arn(job_id)
        bound_to = self._tag(job_id, arn, policy)
        job = self.jobs.describe(job_id)
        overlapping = self._overlapping(enrolment, job.targets)
        try:
            rollout = self._claim(enrolment, job, policy, execution_arn, overlapping)
        except Refused:
            if bound_to is None and not self._is_steered(job_id):
                self.jobs.untag(arn, [self.jobs.policy_tag])
            raise
        if bound_to not in (None, rollout.policy.name):
            self.jobs.tag(arn, {self.jobs.policy_tag: rollout.policy.name})
        settled = self._settled(rollout, overlapping)
        if enrolment.launch is not None:
            self._turns.hand_on(execution_arn, rollout.key)
        return settled

    def _as_launched(self, enrolment: Enrolment) -> Enrolment:
        """Return what a launch that died knew besides: of the job it left, its tags tell."""
        try:
            tags = self.jobs.tags(self.jobs.arn(enrolment.job_id))
        except NotFound:
            return enrolment
        return replace(enrolment, rolls_back=tags.get(ROLLS_BACK_TAG))

    def _policy(self, enrolment: Enrolment) -> Policy:
        if enrolment.policy is None:
            message = f"job {enrolment.job_id} cannot be enrolled without a policy: name one"
            raise Refused(message)
        if (own := self._of_the_aborted(enrolment)) is not None:
            return own
        job_id = enrolment.job_id
        policy = read_policy(enrolment.policy, job_id=job_id, policies=self.policies)
        if enrolment.rolls_back is None:
            require_rollback_policy(policy, job_id=job_id, policies=self.policies)
        return policy

    def _of_the_aborted(self, enrolment: Enrolment) -> Policy | None:
        """
        Return the policy of the rollout that is undone, if it is asked for by its name.

        Its snapshot is in the ledger, and may be nowhere else: policies come within commands too.
        """
        if enrolment.rolls_back is None:
            return None
        aborted = self.ledger.current([enrolment.rolls_back]).get(enrolment.rolls_back)
        if aborted is None or aborted.policy.name != enrolment.policy:
            return None
        return replace(aborted.policy, on_abort=replace(aborted.policy.on_abort, rollback=None))

    # others that have some of the same things

    def _overlapping(self, enrolment: Enrolment, targets: Sequence[str]) -> Overlapping:
        # A rollback and what it undoes have all things in common.
        undone = () if enrolment.rolls_back is None else (enrolment.rolls_back,)
        return Overlapping(
            self.jobs, self.ledger, enrolment.job_id, tuple(targets), frozenset(undone)
        )

    def _first(
        self, found: tuple[RolloutKey, ...], policy: Policy, rolls_back: str | None
    ) -> tuple[RolloutKey, ...]:
        """Return whom to wait for: a rollback takes the place of the release that it undoes."""
        if rolls_back is None or policy.overlap is not Overlap.WAIT:
            return found
        known = self.ledger.current([rolls_back, *(key.job_id for key in found)])
        undone = known.get(rolls_back)
        if undone is None:
            return found
        return tuple(key for key in found if not came_after(known.get(key.job_id), undone))

    @property
    def _turns(self) -> Turns:
        return Turns(self.ledger, self.bus, self.clock)

    def _take_turn(
        self,
        enrolment: Enrolment,
        policy: Policy,
        execution_arn: str,
        started_at: float | None,
    ) -> None:
        """Let the launch begin; raise NotYet, or after some days Refused, if others come before."""
        job_id, turn = enrolment.job_id, self._turns.of(execution_arn)
        if turn is not None and turn.given_up is not None and not self._has_begun(turn):
            raise self._turns.refusal(turn)
        behind = self._ahead(enrolment, policy)
        if not behind:
            self._turns.begin(turn)
            return
        since = self.clock.now() if started_at is None else started_at
        waiting = Turn(job_id, execution_arn, policy.name, behind, since)
        if turn is not None:
            waiting = replace(waiting, since=turn.since)
        raise self._turns.wait(turn, waiting)

    def _has_begun(self, turn: Turn) -> bool:
        """Whether a call that died created the job: it is for its rollout to stop it then."""
        return turn.phase is Phase.BEGINNING and self._exists(turn.job_id)

    def _ahead(self, enrolment: Enrolment, policy: Policy) -> tuple[str, ...]:
        """Return the ids of jobs that come before this launch."""
        if policy.overlap is not Overlap.WAIT or enrolment.launch is None:
            return ()
        overlapping = self._overlapping(enrolment, enrolment.launch.targets)
        found = self._first(overlapping.find().found, policy, enrolment.rolls_back)
        known = self.ledger.current(key.job_id for key in found)
        going = {job_id for job_id, each in known.items() if is_ahead(each)}
        ahead = tuple(key.job_id for key in found if key.job_id in going)
        # Created by a call that died, the job runs already: steered, it holds where it is.
        return () if not ahead or self._exists(enrolment.job_id) else ahead

    def _exists(self, job_id: str) -> bool:
        """Whether a launch has created the job before; of others nothing but tags is read."""
        try:
            return self.jobs.policy_tag in self.jobs.tags(self.jobs.arn(job_id))
        except NotFound:
            return False

    def _settled(self, rollout: Rollout, overlapping: Overlapping) -> tuple[Rollout, Overlaps]:
        """
        Look again once the claim stands, since others may have claimed at the same moment.

        Raises:
            RetryLater: Another one that claimed at the same moment has yet to look; or the rollout
                changed meanwhile.
        """
        if rollout.generation > 1 or rollout.policy.overlap is Overlap.GO:
            return rollout, Overlaps()
        seen = overlapping.find()
        first = self._first(seen.found, rollout.policy, rollout.rolls_back)
        late = [key for key in first if key not in rollout.overlaps]
        current = self.ledger.current(key.job_id for key in late).values()
        at, others = self.clock.now(), {each.key: each for each in current}
        noted = [key for key in late if came_first(others.get(key), rollout, at)]
        if not noted:
            return rollout, seen
        settled = replace(rollout, overlaps=(*rollout.overlaps, *noted))
        self.ledger.claim(settled, previous=rollout)
        return settled, seen

    # the job

    def _launch(
        self, enrolment: Enrolment, launch: Launch, policy: Policy, fleet_size: int | None
    ) -> None:
        """
        Create the job with the policy's first settings already in force.

        Launched before, as a rollout that goes on, it has the settings of its last decision.
        """
        settings = self._steered_settings(enrolment.job_id)
        own_tags = {self.jobs.policy_tag: policy.name}
        if enrolment.rolls_back is not None:
            own_tags[ROLLS_BACK_TAG] = enrolment.rolls_back
        self.jobs.create(
            LaunchRequest(
                job_id=enrolment.job_id,
                targets=launch.targets,
                settings=settings or _merged(policy, launch.settings, fleet_size),
                passed_through=launch.passed_through,
                tags={**launch.tags, **own_tags},
            )
        )

    def _steered_settings(self, job_id: str) -> JobSettings | None:
        """Return the settings of a job that is a rollout by now; None if it is to be created."""
        known = self.ledger.current([job_id]).get(job_id)
        if known is None:
            return None
        try:
            job = self.jobs.describe(job_id)
        except NotFound:
            return None
        return job.settings if job.created_at == known.key.created_at else None

    def _tag(self, job_id: str, arn: str, policy: Policy) -> str | None:
        """
        Tag the job if it is not, by which IAM lets Tidegate touch it.

        Returns:
            The policy that it was bound to before.
        """
        try:
            bound_to = self.jobs.tags(arn).get(self.jobs.policy_tag)
            if bound_to is None:
                self.jobs.tag(arn, {self.jobs.policy_tag: policy.name})
        except NotFound as error:
            message = (
                f"job {job_id} does not exist in this account and region: "
                "check the id, or launch it"
            )
            raise NotFound(message) from error
        return bound_to

    # the claim

    def _claim(
        self,
        enrolment: Enrolment,
        job: Job,
        policy: Policy,
        execution_arn: str,
        overlapping: Overlapping,
    ) -> Rollout:
        key = RolloutKey(job.job_id, job.created_at)
        known = self.ledger.current([job.job_id]).get(job.job_id)
        if known is not None and known.key == key:
            return self._again(known, execution_arn)
        if job.status in _OVER:
            message = (
                f"job {job.job_id} is {job.status} and cannot be steered any more: "
                "enroll a job that is SCHEDULED or IN_PROGRESS"
            )
            raise Refused(message)
        goes = policy.overlap is Overlap.GO
        found = () if goes else overlapping.find().found
        rollout = Rollout(
            key=key,
            job_arn=job.arn,
            policy=policy,
            generation=1,
            execution_arn=execution_arn,
            enrolled_at=self.clock.now(),
            fleet_size=self._fleet_size(job.job_id, job.targets, policy),
            overlaps=self._first(found, policy, enrolment.rolls_back),
            rolls_back=enrolment.rolls_back,
        )
        self.ledger.claim(rollout, previous=None)
        return rollout

    def _is_steered(self, job_id: str) -> bool:
        """Whether the job has a rollout that goes on: another enrolment was faster."""
        known = self.ledger.current([job_id]).get(job_id)
        return known is not None and known.ending is None

    def _again(self, known: Rollout, execution_arn: str) -> Rollout:
        """The job was enrolled before: by this very execution, by a live one, or by a dead one."""
        job_id = known.key.job_id
        if known.execution_arn == execution_arn:
            return known
        if known.ending is not None:
            message = (
                f"the rollout of job {job_id} has ended ({known.ending}) and is not begun again: "
                "launch a new job"
            )
            raise Refused(message)
        if self.workflow.is_running(known.execution_arn):
            message = (
                f"job {job_id} is enrolled already, and {known.execution_arn} steers it: "
                "hold, resume or abort that rollout, or wait for its end"
            )
            raise Refused(message)
        return self._succeed(known, execution_arn)

    def _take_over(self, job_id: str, resume: Resume, execution_arn: str) -> Rollout:
        known = self.ledger.rollout(RolloutKey(job_id, resume.created_at))
        if known.execution_arn == execution_arn:
            return known
        handed_over = (
            known.generation == resume.generation and known.execution_arn == resume.from_execution
        )
        # A successor that died is succeeded in its turn, as an execution that enrolled would be.
        if known.ending is not None or (
            not handed_over and self.workflow.is_running(known.execution_arn)
        ):
            message = (
                f"rollout {job_id} has moved on to generation {known.generation} "
                f"({known.ending or 'running'}): nothing is left to take over"
            )
            raise Superseded(message)
        return self._succeed(known, execution_arn)

    def _succeed(self, known: Rollout, execution_arn: str) -> Rollout:
        successor = replace(
            known, generation=known.generation + 1, execution_arn=execution_arn, park=None
        )
        self.ledger.claim(successor, previous=known)
        return successor

    def _fleet_size(self, job_id: str, targets: Sequence[str], policy: Policy) -> int | None:
        if not policy.needs_fleet_size:
            return None
        things = self.jobs.things_in(targets)
        if not things:
            # A share of no things stays none, however many join a CONTINUOUS job later.
            why = "are too many to count" if things is None else "hold no things yet"
            message = (
                f"the budget or a gate of policy {policy.name} is a share of the fleet, but the "
                f"targets of job {job_id} {why}: give it as a number of devices"
            )
            raise Refused(message)
        return len(things)

    def _tell(self, given: object, problem: str) -> None:
        # A workflow can be started with any JSON.
        members = given if isinstance(given, Mapping) else {}
        job_id, command_id = members.get("jobId"), members.get("commandId")
        is_id = isinstance(command_id, str) and EVENT_ID.fullmatch(command_id)
        event = needs_attention(
            job_id if isinstance(job_id, str) else "unknown",
            problem=f"not enrolled: {problem}",
            remedy="Mend what the problem names and send the command again; nothing was changed.",
            at=self.clock.now(),
            command_id=command_id if is_id else None,
        )
        tell(event, bus=self.bus)


def _in_namespace(policy: Policy, launch: Launch) -> Policy:
    """Return the policy with the launch's namespace, so that later calls name it too."""
    namespace_id = launch.passed_through.get("namespaceId")
    if namespace_id is None or policy.job.namespace_id is not None:
        return policy
    return replace(policy, job=replace(policy.job, namespace_id=namespace_id))


def _merged(policy: Policy, given: JobSettings, fleet_size: int | None) -> JobSettings:
    """Return the launch's own settings, with what the policy decides in their place."""
    decided = first_settings(policy, fleet_size)
    return replace(
        given,
        rollout=decided.rollout,
        abort=decided.abort,
        timeout_minutes=decided.timeout_minutes or given.timeout_minutes,
        presigned_url=decided.presigned_url or given.presigned_url,
        description=labelled_at_launch(policy, given.description),
    )
