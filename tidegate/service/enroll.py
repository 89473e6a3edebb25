"""Enroll: make a job a rollout, once, under a snapshot of its policy; or take a rollout over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidegate.documents.announcements import needs_attention, rollout_started
from tidegate.documents.commands import Enrolment, Resume, parse_enrolment
from tidegate.documents.launch import Launch
from tidegate.domain.jobs import Job, JobStatus, LaunchRequest
from tidegate.domain.policy import Policy
from tidegate.domain.review import first_settings
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.domain.settings import JobSettings
from tidegate.errors import NotFound, Refused, RetryLater
from tidegate.ports import POLICY_TAG, Bus, BusEvent, Clock, Jobs, Ledger, Policies, Workflow

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

    def enroll(self, workflow_input: Mapping[str, Any], execution_arn: str) -> Rollout:
        """
        Claim the rollout for this workflow execution; doing it again changes nothing.

        Settings are not touched here: the first review's decision installs them, explained and
        stored like every other one. Only a job that is created here has them from its creation.

        Args:
            workflow_input: What the execution was started with.
            execution_arn: The execution.

        Raises:
            Refused: It cannot be done as asked; nothing is left half-done, people are told.
            RetryLater: AWS or the ledger throttles, or somebody else was faster; try again.
        """
        try:
            enrolment = parse_enrolment(workflow_input)
            if enrolment.resume is not None:
                rollout = self._take_over(enrolment.job_id, enrolment.resume, execution_arn)
            else:
                rollout = self._begin(enrolment, execution_arn)
        except Refused as error:
            self._tell(workflow_input, str(error))
            raise
        self._publish(rollout_started(rollout, self.clock.now()))
        return rollout

    def _begin(self, enrolment: Enrolment, execution_arn: str) -> Rollout:
        policy = self._policy(enrolment)
        job_id = enrolment.job_id
        if enrolment.launch is not None:
            policy = _in_namespace(policy, enrolment.launch)
            # Refused later, the job would be there already, and run with nobody to steer it.
            self._fleet_size(job_id, enrolment.launch.targets, policy)
            self._launch(job_id, enrolment.launch, policy)
        arn = self.jobs.arn(job_id)
        bound_to = self._tag(job_id, arn, policy)
        try:
            rollout = self._claim(self.jobs.describe(job_id), policy, execution_arn)
        except Refused:
            if bound_to is None and not self._is_steered(job_id):
                self.jobs.untag(arn, [POLICY_TAG])
            raise
        if bound_to not in (None, rollout.policy.name):
            self.jobs.tag(arn, {POLICY_TAG: rollout.policy.name})
        return rollout

    def _policy(self, enrolment: Enrolment) -> Policy:
        # Reading policies takes pydantic, which nothing but a new enrolment should pay for.
        from tidegate.documents.policy import parse_policy_json  # noqa: PLC0415

        given = enrolment.policy
        if isinstance(given, Mapping):
            source = f"the policy given for job {enrolment.job_id}"
            return parse_policy_json(given, source=source).compile()
        if given is None:
            message = f"job {enrolment.job_id} cannot be enrolled without a policy: name one"
            raise Refused(message)
        return parse_policy_json(self.policies.document(given), source=f"policy {given}").compile()

    def _launch(self, job_id: str, launch: Launch, policy: Policy) -> None:
        """
        Create the job with the policy's first settings already in force.

        Launched before, as a rollout that goes on, it has the settings of its last decision.
        """
        settings = self._steered_settings(job_id)
        self.jobs.create(
            LaunchRequest(
                job_id=job_id,
                targets=launch.targets,
                settings=settings or _merged(launch.settings, first_settings(policy)),
                passed_through=launch.passed_through,
                tags={**launch.tags, POLICY_TAG: policy.name},
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
            bound_to = self.jobs.tags(arn).get(POLICY_TAG)
            if bound_to is None:
                self.jobs.tag(arn, {POLICY_TAG: policy.name})
        except NotFound as error:
            message = (
                f"job {job_id} does not exist in this account and region: "
                "check the id, or launch it"
            )
            raise NotFound(message) from error
        return bound_to

    def _claim(self, job: Job, policy: Policy, execution_arn: str) -> Rollout:
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
        rollout = Rollout(
            key=key,
            job_arn=job.arn,
            policy=policy,
            generation=1,
            execution_arn=execution_arn,
            enrolled_at=self.clock.now(),
            fleet_size=self._fleet_size(job.job_id, job.targets, policy),
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
            raise Refused(message)
        return self._succeed(known, execution_arn)

    def _succeed(self, known: Rollout, execution_arn: str) -> Rollout:
        successor = replace(
            known, generation=known.generation + 1, execution_arn=execution_arn, park=None
        )
        self.ledger.claim(successor, previous=known)
        return successor

    def _fleet_size(self, job_id: str, targets: Sequence[str], policy: Policy) -> int | None:
        if policy.harm.budget_share is None:
            return None
        things = self.jobs.things_in(targets)
        if things is None:
            message = (
                f"the budget of policy {policy.name} is a share of the fleet, but the targets of "
                f"job {job_id} are too many to count: give the budget as a number of devices"
            )
            raise Refused(message)
        return len(things)

    def _tell(self, given: object, problem: str) -> None:
        # A workflow can be started with any JSON.
        job_id = given.get("jobId") if isinstance(given, Mapping) else None
        self._publish(
            needs_attention(
                job_id if isinstance(job_id, str) else "unknown",
                problem=f"not enrolled: {problem}",
                remedy="Mend what the problem names and send the command again; "
                "nothing was changed.",
                at=self.clock.now(),
            )
        )

    def _publish(self, event: BusEvent) -> None:
        if self.bus.publish([event]):
            message = f"the bus did not take {event.detail_type!r}; enrolling again publishes it"
            raise RetryLater(message)


def _in_namespace(policy: Policy, launch: Launch) -> Policy:
    """Return the policy with the launch's namespace, so that later calls name it too."""
    namespace_id = launch.passed_through.get("namespaceId")
    if namespace_id is None or policy.job.namespace_id is not None:
        return policy
    return replace(policy, job=replace(policy.job, namespace_id=namespace_id))


def _merged(given: JobSettings, decided: JobSettings) -> JobSettings:
    """Return the launch's own settings, with what the policy decides in their place."""
    return replace(
        given,
        rollout=decided.rollout,
        abort=decided.abort,
        timeout_minutes=decided.timeout_minutes or given.timeout_minutes,
        presigned_url=decided.presigned_url or given.presigned_url,
        description=decided.description or given.description,
    )
