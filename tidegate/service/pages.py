"""Pages: lists of executions that are read on where the pass before ended."""

from collections.abc import Iterator

from tidegate.domain.jobs import ExecutionStatus
from tidegate.errors import Refused
from tidegate.ports import ExecutionPage, Jobs


def pages_from(
    jobs: Jobs, job_id: str, status: ExecutionStatus, token: str | None, *, limit: int
) -> Iterator[ExecutionPage]:
    """
    Yield so many pages of the executions in a status, or as many as there are.

    Args:
        jobs: Whose executions are read.
        job_id: The job.
        status: Of the executions.
        token: Of the first page; where AWS does not know it any more, as if it were None: the
            list's beginning.
        limit: Pages at most.

    Raises:
        NotFound: The job is gone.
        RetryLater: AWS throttles.
    """
    for number in range(limit):
        page = _page_at(jobs, job_id, status, token, is_remembered=number == 0)
        yield page
        if page.token is None:
            return
        token = page.token


def _page_at(
    jobs: Jobs, job_id: str, status: ExecutionStatus, token: str | None, *, is_remembered: bool
) -> ExecutionPage:
    try:
        return jobs.executions_page(job_id, status, token)
    except Refused:
        if token is None or not is_remembered:
            raise
        return jobs.executions_page(job_id, status)
