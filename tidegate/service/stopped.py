"""A rollout that was stopped: what undoes it, for which things, and words for what goes wrong."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tidegate.documents.commands import Enrolment
from tidegate.documents.launch import Launch
from tidegate.domain.decision import Attention
from tidegate.domain.policy import Rollback
from tidegate.domain.rollout import Rollout, RolloutKey
from tidegate.errors import TidegateError
from tidegate.service.names import named_after

JOB_ID_LENGTH_MAX = 64
GROUP_PREFIX = "tidegate-"

#: Devices that are named where something is wrong with several.
EXAMPLES_MAX = 3


def rollback_job_id(key: RolloutKey) -> str:
    """Return the id of the job that undoes a rollout: always the same, within AWS's 64."""
    suffix = f"-rollback-{key.created_at:08x}"
    return named_after(key.job_id, suffix, length_max=JOB_ID_LENGTH_MAX)


@dataclass(frozen=True, slots=True)
class Stopped:
    """A rollout that was stopped, and what its policy asks to undo it with."""

    rollout: Rollout
    rollback: Rollback

    @property
    def job_id(self) -> str:
        """The id of the job that undoes it."""
        return rollback_job_id(self.rollout.key)

    @property
    def group(self) -> str:
        """The name of the thing group that the job is for, unless it is for things by name."""
        return GROUP_PREFIX + self.job_id

    @property
    def group_arn(self) -> str:
        """The ARN of that group."""
        return f"{self._arn_prefix}:thinggroup/{self.group}"

    @property
    def description(self) -> str:
        """What the job and the group are for, as one line."""
        return f"Rolls back {self.rollout.key.job_id}"

    @property
    def _arn_prefix(self) -> str:
        return self.rollout.job_arn.rpartition(":job/")[0]

    def things(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the ARNs of things."""
        return tuple(f"{self._arn_prefix}:thing/{name}" for name in sorted(names))

    def enrolment(self, targets: Sequence[str], *, is_continuous: bool) -> Enrolment:
        """Return what the workflow that launches the job is started with."""
        policy, (member, value) = self.rollout.policy, self.rollback.source
        members = {
            member: value,
            "description": self.description,
            "targetSelection": "CONTINUOUS" if is_continuous else "SNAPSHOT",
        }
        # Devices of a namespace listen to jobs of theirs only.
        if policy.job.namespace_id is not None:
            members["namespaceId"] = policy.job.namespace_id
        return Enrolment(
            self.job_id,
            policy=self.rollback.policy or policy.name,
            launch=Launch(tuple(targets), members),
            rolls_back=self.rollout.key.job_id,
        )

    # what people should look at

    def not_yet(self, error: TidegateError) -> Attention:
        """Say that AWS did not take something."""
        problem = f"devices that took up {self.rollout.key.job_id} are not rolled back yet: {error}"
        remedy = (
            "The next review tries again. If it lasts, mend what the problem names, or launch a "
            f"job yourself that does what {self.job_id} was to do."
        )
        return Attention("not rolled back yet", problem, remedy)

    def is_gone(self) -> Attention:
        """Say that nothing tells any more which devices took the release up."""
        problem = (
            f"job {self.rollout.key.job_id} was deleted before its devices were rolled back: AWS "
            "does not tell any more which ones took it up"
        )
        remedy = "Look at the devices, and launch a job yourself for those to be rolled back."
        return Attention("deleted before it was rolled back", problem, remedy)

    def launched_in_vain(self, launches: int) -> Attention:
        """Say that the workflow was started several times, and ended without the job."""
        problem = (
            f"job {self.job_id}, which rolls back {self.rollout.key.job_id}, was not launched in "
            f"{launches} tries"
        )
        remedy = (
            f"See what was said of {self.job_id}, mend that, and send Launch Rollout for a job "
            "that does the same."
        )
        return Attention("rollback launched in vain", problem, remedy)

    def left_out(self, number: int, refusal: str) -> Attention:
        """Say that some things cannot be put into the group, one of them for this reason."""
        problem = (
            f"{number} of the devices that took up {self.rollout.key.job_id} cannot be rolled "
            f"back, such as {refusal}"
        )
        remedy = f"Put them into thing group {self.group} yourself, unless they are gone for good."
        return Attention("devices that cannot be rolled back", problem, remedy)

    def came_late(self, names: Sequence[str]) -> Attention:
        """Say that devices were done only once the job was there for all others by name."""
        shown = ", ".join(names[:EXAMPLES_MAX])
        problem = (
            f"{len(names)} of the devices that took up {self.rollout.key.job_id} finished after "
            f"{self.job_id} had been launched for all others, such as {shown}"
        )
        remedy = "Send Launch Rollout for a job that rolls them back."
        return Attention("devices too late to be rolled back", problem, remedy)
