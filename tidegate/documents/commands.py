"""
What operators ask for: commands on the bus, and the workflow's input that comes of them.

Commands are checked by hand, all faults reported at once. A policy that comes along is passed on
unread: ``enroll`` validates it whole, where a rollout begins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from tidegate.documents.detail_types import (
    ABORT_ROLLOUT,
    ADJUST_POLICY,
    APPROVE_DECISION,
    APPROVE_GATE,
    ENROLL_JOB,
    HOLD_ROLLOUT,
    LAUNCH_ROLLOUT,
    OPERATOR_SOURCE,
    REJECT_DECISION,
    REJECT_GATE,
    RELEASE_COHORT,
    RESUME_ROLLOUT,
)
from tidegate.documents.launch import Launch, read_launch
from tidegate.documents.members import Members, is_json_within
from tidegate.documents.shapes import (
    COHORT_LENGTH_MAX,
    CORRELATION_ID,
    EVENT_ID,
    POLICY_NAME,
    shown,
)
from tidegate.errors import Refused

__all__ = [
    "ABORT_ROLLOUT",
    "ADJUST_POLICY",
    "APPROVE_DECISION",
    "APPROVE_GATE",
    "ENROLL_JOB",
    "HOLD_ROLLOUT",
    "LAUNCH_ROLLOUT",
    "OPERATOR_SOURCE",
    "REJECT_DECISION",
    "REJECT_GATE",
    "RELEASE_COHORT",
    "RESUME_ROLLOUT",
    "REVIEWS_DEFAULT",
    "REVIEWS_MAX",
    "AbortRollout",
    "AdjustPolicy",
    "Command",
    "CommandError",
    "EnrollJob",
    "Enrolment",
    "GiveAnswer",
    "HoldRollout",
    "Launch",
    "LaunchRollout",
    "ReleaseCohort",
    "Resume",
    "ResumeRollout",
    "parse_command",
    "parse_enrolment",
]

#: Of a command's detail and of a workflow's input; Step Functions takes 262,144 as input.
COMMAND_BYTES_MAX = 200_000

BY_LENGTH_MAX = 128
REASON_LENGTH_MAX = 1024
COMMENT_LENGTH_MAX = 1024

#: Reviews of one workflow execution: at some 30 history events each, the most that stay under
#: the 25,000 that Step Functions keeps of an execution.
REVIEWS_MAX = 750
REVIEWS_DEFAULT = 500

#: Epoch seconds: above, it would be milliseconds.
CREATED_AT_MAX = 100_000_000_000
GENERATION_MAX = 1_000_000
EXECUTION_ARN_LENGTH_MAX = 2048

#: Which execution started this one: Step Functions asks for it, to link the two in its console.
#: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-nested-workflows.html
STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"


#: What whoever sent a faulty command can do.
SEND_ANOTHER = "Mend what the problem names and send the command again; nothing was changed."


class CommandError(Refused):
    """
    A command cannot be done as it stands; the message names the command and everything wrong.

    try:
        command = parse_command(event)
    except CommandError as error:
        publish(refusal_of(event, error.problem, error.remedy, at))
    """

    def __init__(self, problem: str, remedy: str = SEND_ANOTHER) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Resume:
    """
    Which rollout to take over, instead of beginning one.

    Attributes:
        created_at: Epoch seconds of the job's creation.
        generation: The generation that hands over.
        from_execution: The ARN of its workflow execution.
    """

    created_at: int
    generation: int
    from_execution: str


@dataclass(frozen=True, slots=True)
class Enrolment:
    """
    A workflow's input.

    Attributes:
        policy: A policy's name, or the policy itself, not validated; None only with ``resume``.
        launch: The job to create; None where it exists already.
        reviews: How many reviews to do before handing over to a fresh execution.
        rolls_back: Id of the job whose aborted release the launch undoes; None if it is no
            rollback.
        command_id: Of the event of the command that it comes of; None if it comes of none.
    """

    job_id: str
    policy: str | Mapping[str, Any] | None
    launch: Launch | None = None
    reviews: int = REVIEWS_DEFAULT
    resume: Resume | None = None
    rolls_back: str | None = None
    command_id: str | None = None

    def to_workflow_input(self) -> dict[str, Any]:
        """Return the input as plain JSON; ``parse_enrolment`` reads it back unchanged."""
        document: dict[str, Any] = {"jobId": self.job_id, "reviews": self.reviews}
        if self.policy is not None:
            document["policy"] = self.policy
        if self.launch is not None:
            document["launch"] = self.launch.to_document()
        if self.rolls_back is not None:
            document["rollsBack"] = self.rolls_back
        if self.command_id is not None:
            document["commandId"] = self.command_id
        if self.resume is not None:
            document["resume"] = {
                "createdAt": self.resume.created_at,
                "generation": self.resume.generation,
                "fromExecution": self.resume.from_execution,
            }
        return document


@dataclass(frozen=True, slots=True)
class LaunchRollout:
    """Create a job and steer it from its first minute."""

    job_id: str
    policy: str | Mapping[str, Any]
    launch: Launch

    def enrolment(self) -> Enrolment:
        """Return the workflow's input that does it."""
        return Enrolment(self.job_id, self.policy, self.launch)


@dataclass(frozen=True, slots=True)
class EnrollJob:
    """Steer a job that exists."""

    job_id: str
    policy: str | Mapping[str, Any]

    def enrolment(self) -> Enrolment:
        """Return the workflow's input that does it."""
        return Enrolment(self.job_id, self.policy)


@dataclass(frozen=True, slots=True)
class HoldRollout:
    """Do not go on until somebody resumes it."""

    job_id: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ResumeRollout:
    """Lift the operators' holds."""

    job_id: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class AbortRollout:
    """Stop the rollout for good."""

    job_id: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class GiveAnswer:
    """
    Answer a question of the rollout's.

    Attributes:
        question_id: The correlation id that the question was asked with.
        yes: Whether it may go on.
        about_gate: Whether the question is a gate's; else it is about a decision.
    """

    job_id: str
    question_id: str
    yes: bool
    by: str
    comment: str
    about_gate: bool


@dataclass(frozen=True, slots=True)
class AdjustPolicy:
    """Steer the rollout by another policy from its next review on."""

    job_id: str
    policy: str | Mapping[str, Any]
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReleaseCohort:
    """Treat a cohort like all others from now on, whatever its failures say."""

    job_id: str
    cohort: str
    by: str
    reason: str


Command = (
    LaunchRollout
    | EnrollJob
    | HoldRollout
    | ResumeRollout
    | AbortRollout
    | GiveAnswer
    | AdjustPolicy
    | ReleaseCohort
)


def parse_command(event: Mapping[str, Any]) -> Command:
    """
    Return the command that an event on the bus carries.

    Args:
        event: As EventBridge delivers it: ``source``, ``detail-type``, ``detail``.

    Raises:
        CommandError: It is no command, or a faulty one; every fault is in the message.
    """
    source, kind, detail = (event.get(name) for name in ("source", "detail-type", "detail"))
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if source != OPERATOR_SOURCE or read is None:
        message = (
            f"{shown(kind)} from {shown(source)} is no command: "
            f"{OPERATOR_SOURCE} sends {', '.join(_READERS)}"
        )
        raise CommandError(message)
    return _read_whole(f"{kind}", detail, read)


def parse_enrolment(workflow_input: Mapping[str, Any]) -> Enrolment:
    """
    Return a workflow's input, whoever started it: Tidegate, or somebody in a console.

    Raises:
        CommandError: It is faulty; every fault is in the message.
    """
    return _read_whole("workflow input", workflow_input, _enrolment)


_Read = TypeVar("_Read")


def _read_whole(what: str, given: object, read: Callable[[Members], _Read]) -> _Read:
    if not isinstance(given, Mapping):
        message = f"{what}: it is {shown(given)}, but an object is expected"
        raise CommandError(message)
    if not is_json_within(given, COMMAND_BYTES_MAX):
        message = f"{what}: as JSON it has more than {COMMAND_BYTES_MAX} bytes, or it is no JSON"
        raise CommandError(message)
    members = Members(given)
    result = read(members)
    members.close()
    if members.faults:
        job_id = given.get("jobId")
        of = f" of job {shown(job_id)}" if isinstance(job_id, str) else ""
        message = f"{what}{of}: {members.told()}"
        raise CommandError(message)
    return result


def _policy(members: Members) -> str | Mapping[str, Any]:
    value = members.take("policy")
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, str) or not POLICY_NAME.fullmatch(value):
        members.wrong("policy", value, "give a policy's name, or the policy itself as an object")
        return ""
    return value


def _by_and_reason(members: Members) -> tuple[str, str]:
    return members.line("by", BY_LENGTH_MAX), members.line("reason", REASON_LENGTH_MAX)


def _launch_rollout(members: Members) -> LaunchRollout:
    members.version()
    return LaunchRollout(members.job_id(), _policy(members), read_launch(members))


def _enroll_job(members: Members) -> EnrollJob:
    members.version()
    return EnrollJob(members.job_id(), _policy(members))


def _hold_rollout(members: Members) -> HoldRollout:
    members.version()
    return HoldRollout(members.job_id(), *_by_and_reason(members))


def _resume_rollout(members: Members) -> ResumeRollout:
    members.version()
    return ResumeRollout(members.job_id(), *_by_and_reason(members))


def _abort_rollout(members: Members) -> AbortRollout:
    members.version()
    return AbortRollout(members.job_id(), *_by_and_reason(members))


def _answer(*, yes: bool, about_gate: bool) -> Callable[[Members], GiveAnswer]:
    def read(members: Members) -> GiveAnswer:
        members.version()
        return GiveAnswer(
            job_id=members.job_id(),
            question_id=members.matching(
                "correlationId", CORRELATION_ID.fullmatch, "give the one that was asked with"
            ),
            yes=yes,
            by=members.line("by", BY_LENGTH_MAX),
            comment=members.line("comment", COMMENT_LENGTH_MAX),
            about_gate=about_gate,
        )

    return read


def _adjust_policy(members: Members) -> AdjustPolicy:
    members.version()
    return AdjustPolicy(members.job_id(), _policy(members), *_by_and_reason(members))


def _release_cohort(members: Members) -> ReleaseCohort:
    members.version()
    cohort = members.line("cohort", COHORT_LENGTH_MAX)
    return ReleaseCohort(members.job_id(), cohort, *_by_and_reason(members))


_READERS: dict[str, Callable[[Members], Command]] = {
    LAUNCH_ROLLOUT: _launch_rollout,
    ENROLL_JOB: _enroll_job,
    HOLD_ROLLOUT: _hold_rollout,
    RESUME_ROLLOUT: _resume_rollout,
    ABORT_ROLLOUT: _abort_rollout,
    APPROVE_GATE: _answer(yes=True, about_gate=True),
    REJECT_GATE: _answer(yes=False, about_gate=True),
    APPROVE_DECISION: _answer(yes=True, about_gate=False),
    REJECT_DECISION: _answer(yes=False, about_gate=False),
    ADJUST_POLICY: _adjust_policy,
    RELEASE_COHORT: _release_cohort,
}


def _enrolment(members: Members) -> Enrolment:
    members.ignore(STARTED_BY)
    if "launch" in members and "resume" in members:
        members.fault("launch", "must not stand beside resume: the job exists by then")
    rolls_back = members.job_id("rollsBack") if "rollsBack" in members else None
    if rolls_back is not None and "launch" not in members:
        members.fault("rollsBack", "stands without launch: only a job to be created undoes another")
    return Enrolment(
        job_id=members.job_id(),
        policy=_policy(members) if "policy" in members or "resume" not in members else None,
        launch=_launch(members) if "launch" in members else None,
        reviews=members.whole("reviews", 1, REVIEWS_MAX)
        if "reviews" in members
        else REVIEWS_DEFAULT,
        resume=_resume(members) if "resume" in members else None,
        rolls_back=rolls_back,
        command_id=members.matching("commandId", EVENT_ID.fullmatch, "leave it out")
        if "commandId" in members
        else None,
    )


def _launch(members: Members) -> Launch | None:
    inside = members.inside("launch")
    if inside is None:
        return None
    launch = read_launch(inside)
    inside.close()
    return launch


def _resume(members: Members) -> Resume | None:
    inside = members.inside("resume")
    if inside is None:
        return None
    resume = Resume(
        created_at=inside.whole("createdAt", 1, CREATED_AT_MAX),
        generation=inside.whole("generation", 1, GENERATION_MAX),
        from_execution=inside.line("fromExecution", EXECUTION_ARN_LENGTH_MAX),
    )
    inside.close()
    return resume
