"""Finding: a job that carries the tag is enrolled, whoever created it, and by that alone."""

from tidegate.documents.commands import Enrolment
from tidegate.domain.rollout import RolloutKey
from tidegate.ports import Ledger, Tagged, Workflow
from tidegate.service.names import digest, execution_name

#: A job that is younger may be a launch of Tidegate's own, which is about to claim it.
NEW_JOB_GRACE_SECONDS = 30.0


def enroll_by_tag(
    job: RolloutKey,
    tagged: Tagged,
    *,
    before: Tagged | None,
    ledger: Ledger,
    workflow: Workflow,
) -> bool:
    """
    Start the enrolment of a job if its tag asks for it and nobody has; remember the tag.

    It is started before the tag is remembered: a tag that is remembered was heeded. Started in
    vain, as for a policy that does not exist, it is started again only once the tag is another.

    Args:
        job: Which job.
        tagged: What its tag says now.
        before: What is remembered of it; None if nothing is.
        ledger: Asked whether it has a rollout, ended or not.
        workflow: Starts the enrolment.

    Returns:
        Whether an enrolment was started.

    Raises:
        RetryLater: AWS or the ledger throttles; doing it again starts no second enrolment.
    """
    policy, heeded = tagged.policy, None if before is None else before.policy
    starts = policy not in (None, heeded) and not _is_known(job, ledger)
    if starts:
        cause = ["tag"] if heeded is None else ["tag", digest(f"{policy}")]
        name = execution_name(job.job_id, job.created_at, *cause)
        workflow.start(name, Enrolment(job.job_id, policy).to_workflow_input())
    ledger.note_tagged(job, tagged)
    return starts


def _is_known(job: RolloutKey, ledger: Ledger) -> bool:
    known = ledger.current([job.job_id]).get(job.job_id)
    return known is not None and known.key == job
