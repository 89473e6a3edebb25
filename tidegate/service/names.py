"""Names that follow from a job's id and a cause: the same cause has one only, and no other's."""

from hashlib import sha256

from tidegate.domain.rollout import EXECUTION_NAME_LENGTH_MAX

_DIGEST_LENGTH = 8


def execution_name(job_id: str, *cause: object) -> str:
    """Return the name of a workflow execution, of a job's id and a cause."""
    suffix = "".join(f"-{each}" for each in cause)
    return named_after(job_id, suffix, length_max=EXECUTION_NAME_LENGTH_MAX)


def named_after(job_id: str, suffix: str, *, length_max: int) -> str:
    """Return a job's id with a suffix; where so many characters are too few, it is shortened."""
    left = length_max - len(suffix)
    if len(job_id) <= left:
        return job_id + suffix
    # Shortened, ids of several jobs may be the same.
    return f"{job_id[: left - _DIGEST_LENGTH - 1]}-{digest(job_id)}{suffix}"


def digest(text: str) -> str:
    """Return a few characters that differ for different texts."""
    return sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
