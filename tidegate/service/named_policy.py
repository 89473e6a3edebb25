"""A policy as a command gives it: by its name, or whole; read and validated when it is needed."""

from collections.abc import Mapping
from typing import Any

from tidegate.domain.policy import Policy
from tidegate.errors import Refused
from tidegate.ports import Policies


def read_policy(given: str | Mapping[str, Any], *, job_id: str, policies: Policies) -> Policy:
    """
    Return the policy that a command about a job gives.

    Args:
        given: Its name, or the policy itself.
        job_id: The job's; messages name it.
        policies: Where named policies live.

    Raises:
        Refused: There is none of that name, or something is wrong with it; every fault is told.
        RetryLater: AWS throttles.
    """
    # Reading policies takes pydantic, which nothing but a policy that is given should pay for.
    from tidegate.documents.policy import parse_policy_json  # noqa: PLC0415

    if isinstance(given, Mapping):
        return parse_policy_json(given, source=f"the policy given for job {job_id}").compile()
    return parse_policy_json(policies.document(given), source=f"policy {given}").compile()


def require_rollback_policy(policy: Policy, *, job_id: str, policies: Policies) -> None:
    """
    Make sure that a rollback could be launched: an abort is no time to learn of a wrong name.

    Raises:
        Refused: There is no policy of the name that it is to be launched under, or it is faulty.
        RetryLater: AWS throttles.
    """
    rollback = policy.on_abort.rollback
    if rollback is None or rollback.policy is None or rollback.policy == policy.name:
        return
    try:
        read_policy(rollback.policy, job_id=job_id, policies=policies)
    except Refused as error:
        message = f"on_abort.rollback.policy of policy {policy.name}: {error}"
        raise Refused(message) from error
