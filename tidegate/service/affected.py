"""
Affected: which things took up a release that was stopped, read over as many passes as it takes.

A look reads AWS's list of executions of each status that matters, page by page; the next pass goes
on where the one before ended. The looks after the first one read what was updated since. So all
looks together read each page about once, however many passes there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary
from tidegate.ports import ExecutionPage, Jobs

#: Once it has so many things to add, a pass reads no further page of 250: it adds 549 at most, each
#: by a request of its own.
THINGS_ENOUGH = 300
#: Pages that one pass reads where they bring nothing to be added.
PAGES_MAX = 200
#: How long an execution may take from its update until it is listed, or until clocks agree.
LISTING_LAG_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """
    How far the executions were read.

    Attributes:
        statuses: Whose executions are read, one status after the other.
        since: When the look before this one began, in epoch seconds; 0 if this is the first one.
        began: When this look began; None between two looks.
        read: Statuses that this look is done with.
        token: Where it is in the next one's list; None at its beginning.
    """

    statuses: tuple[ExecutionStatus, ...]
    since: float = 0.0
    began: float | None = None
    read: int = 0
    token: str | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Place":
        """Return the place that ``to_document`` wrote down."""
        statuses = tuple(ExecutionStatus(each) for each in document["statuses"])
        return cls(**{**document, "statuses": statuses})

    def to_document(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "statuses": [each.value for each in self.statuses],
            "since": self.since,
            "began": self.began,
            "read": self.read,
            "token": self.token,
        }

    def after(self, page: ExecutionPage) -> "Place":
        """Return the place behind a page; its list is read on for as long as it has newer rows."""
        if page.token is not None and not self._is_past(page.rows):
            return replace(self, token=page.token)
        if self.read + 1 < len(self.statuses):
            return replace(self, read=self.read + 1, token=None)
        return Place(self.statuses, since=self.began or 0.0)

    def updated_since(self, rows: Sequence[ExecutionSummary]) -> Sequence[ExecutionSummary]:
        """Return the rows that the look before may not have seen."""
        return [row for row in rows if row.updated_at >= self.since - LISTING_LAG_SECONDS]

    def _is_past(self, rows: Sequence[ExecutionSummary]) -> bool:
        """Whether the list goes on with what the look before has seen, if it is in order."""
        is_ordered = all(a.updated_at >= b.updated_at for a, b in pairwise(rows))
        return is_ordered and len(self.updated_since(rows)) < len(rows)


@dataclass(frozen=True, slots=True)
class Affected:
    """
    What one pass found.

    Attributes:
        names: Things with an execution in one of the statuses, those of which it is known left out.
        new: Those of them that no look before has seen.
        place: Where the next pass goes on.
        is_whole: Whether a look began and ended in this pass: nobody else was there as it began.
    """

    names: frozenset[str]
    new: frozenset[str]
    place: Place
    is_whole: bool


def affected(
    jobs: Jobs, job_id: str, place: Place, *, known: frozenset[str] = frozenset(), at: float
) -> Affected:
    """
    Read on until there are enough things for one pass, or the look ends.

    Args:
        jobs: Whose executions are read.
        job_id: The job.
        place: Where to go on.
        known: Names of things that are left out.
        at: Epoch seconds.

    Raises:
        NotFound: The job is gone.
        Refused: AWS does not know the place any more.
        RetryLater: AWS throttles.
    """
    began_before = place.began is not None
    place = place if began_before else replace(place, began=at)
    names, new = set[str](), set[str]()
    for _ in range(PAGES_MAX):
        page = jobs.executions_page(job_id, place.statuses[place.read], place.token)
        rows = [row for row in place.updated_since(page.rows) if row.thing_name not in known]
        names.update(row.thing_name for row in rows)
        new.update(row.thing_name for row in rows if row.updated_at > place.since)
        place = place.after(page)
        if place.began is None or len(names) >= THINGS_ENOUGH:
            break
    is_whole = place.began is None and not began_before
    return Affected(frozenset(names), frozenset(new), place, is_whole)
