"""Names of workflow executions: one for each cause, so that the same cause starts one only."""

from hashlib import sha256

from tidegate.domain.rollout import EXECUTION_NAME_LENGTH_MAX

_DIGEST_LENGTH = 8


def execution_name(job_id: str, *cause: object) -> str:
    """Return a name of a job's id and a cause; where AWS's 80 are too few, the id is shortened."""
    suffix = "".join(f"-{each}" for each in cause)
    length_max = EXECUTION_NAME_LENGTH_MAX - len(suffix)
    if len(job_id) <= length_max:
        return job_id + suffix
    # Shortened, ids of several jobs may be the same.
    return f"{job_id[: length_max - _DIGEST_LENGTH - 1]}-{digest(job_id)}{suffix}"


def digest(text: str) -> str:
    """Return a few characters that differ for different texts."""
    return sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
