"""Dead-letter queues in SQS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tidegate.adapters.aws.errors import translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient

#: Messages that may be received: nobody receives from a dead-letter queue, so these are all.
DEPTH: Final = "ApproximateNumberOfMessages"


class SqsDeadLetters:
    """Queues by URL."""

    def __init__(self, urls: Sequence[str], client: SQSClient) -> None:
        """Bind the queues to the client that looks at them."""
        self._urls = tuple(urls)
        self._client = client

    def depths(self) -> dict[str, int]:
        """
        Return how many messages wait in each, by the queue's name.

        Raises:
            NotFound: A queue does not exist.
        """
        return {queue_name(url): self._depth(url) for url in self._urls}

    def _depth(self, url: str) -> int:
        with translated(f"GetQueueAttributes {url}"):
            answer = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=[DEPTH])
        return int(answer["Attributes"][DEPTH])


def queue_name(url: str) -> str:
    """Return the name of the queue that has this URL."""
    return url.rstrip("/").rpartition("/")[2]
