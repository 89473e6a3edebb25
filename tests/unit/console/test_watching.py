"""Watching: what is read of rollouts, and how little of it again."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.samples import FRESH, KEY, NOW, decision
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.ledger import MemoryLedger
from tidegate.console.view import DECISIONS_MAX, detail
from tidegate.console.watching import GLANCES_SECONDS, KEPT_MAX, Watching
from tidegate.domain.rollout import RolloutKey
from tidegate.errors import NotFound


class CountingLedger(MemoryLedger):
    """A ledger that counts what is asked of it."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.limits: list[int] = []

    def entries(self, key: RolloutKey, *, limit: int) -> Any:  # noqa: ANN401 - as in the ledger
        """Count, and answer."""
        self.asked["entries"] += 1
        self.limits.append(limit)
        return super().entries(key, limit=limit)

    def points(self, key: RolloutKey, *, limit: int) -> Any:  # noqa: ANN401 - as in the ledger
        """Count, and answer."""
        self.asked["points"] += 1
        return super().points(key, limit=limit)

    def applied(self, key: RolloutKey, revision: int) -> Any:  # noqa: ANN401 - as in the ledger
        """Count, and answer."""
        self.asked["applied"] += 1
        return super().applied(key, revision)

    def last_decisions(self, rollouts: Any) -> Any:  # noqa: ANN401 - as in the ledger
        """Count, and answer."""
        self.asked["last_decisions"] += 1
        return super().last_decisions(rollouts)


@pytest.fixture
def ledger() -> CountingLedger:
    """Return a ledger with one rollout."""
    made = CountingLedger()
    made.claim(FRESH, previous=None)
    return made


def watching(ledger: MemoryLedger) -> Watching:
    """Return a watch over a ledger."""
    return Watching(ledger, ledger, ManualClock(NOW))


def decide(ledger: MemoryLedger, first: int, last: int) -> None:
    """Store decisions and note that they were applied."""
    for revision in range(first, last + 1):
        ledger.store_decision(KEY, decision(revision), generation=1)
        ledger.mark_applied(KEY, revision, at=NOW, result={"outcome": "applied"})


def test_it_sees_what_anybody_sees(ledger: CountingLedger) -> None:
    """Watched from the start or looked at for the first time, a rollout is the same."""
    watched = watching(ledger)
    for last in (1, 2, 7, 8, 19):
        decide(ledger, ledger.rollout(KEY).revision + 1, last)
        seen = watched.detail(KEY.job_id)

        whole = detail(KEY.job_id, ledger=ledger, records=ledger)
        assert list(seen.points) == list(whole.points)
        assert list(seen.decisions) == list(whole.decisions)
        assert seen.glance == whole.glance
        assert seen.applied == whole.applied


def test_a_look_reads_decisions_with_their_notes(ledger: CountingLedger) -> None:
    """However many there are, one query tells what applying them came to."""
    decide(ledger, 1, DECISIONS_MAX)
    seen = detail(KEY.job_id, ledger=ledger, records=ledger)

    assert len(seen.applied) == DECISIONS_MAX
    assert (ledger.asked["entries"], ledger.asked["applied"]) == (1, 0)


def test_what_applying_the_newest_came_to_is_read_again(ledger: CountingLedger) -> None:
    """Seen before it was applied, a decision is seen applied later, also behind newer ones."""
    ledger.store_decision(KEY, decision(1), generation=1)
    watched = watching(ledger)
    assert watched.detail(KEY.job_id).applied == {}
    ledger.mark_applied(KEY, 1, at=NOW, result={"outcome": "applied"})
    ledger.store_decision(KEY, decision(2), generation=1)

    assert watched.detail(KEY.job_id).applied == {1: {"outcome": "applied"}}


def test_nothing_new_is_nothing_read(ledger: CountingLedger) -> None:
    """While nothing is decided, no decision is read again."""
    decide(ledger, 1, 50)
    watched = watching(ledger)
    watched.detail(KEY.job_id)
    ledger.asked.clear()

    for _ in range(5):
        watched.detail(KEY.job_id)

    assert ledger.asked["entries"] == ledger.asked["points"] == 0
    # What applying the last one came to may still change.
    assert ledger.asked["applied"] == 5


def test_only_new_decisions_are_read(ledger: CountingLedger) -> None:
    """Two decisions later, two are read, and their figures follow from them."""
    decide(ledger, 1, 50)
    watched = watching(ledger)
    watched.detail(KEY.job_id)
    decide(ledger, 51, 52)
    ledger.limits.clear()
    ledger.asked.clear()

    seen = watched.detail(KEY.job_id)

    assert ledger.limits == [2]
    assert ledger.asked["points"] == 0
    assert [each.revision for each in seen.points] == list(range(1, 53))


def test_a_long_rollout_is_there_at_once_and_whole_soon(ledger: CountingLedger) -> None:
    """The first look reads the newest decisions alone; the figures before them come after it."""
    decide(ledger, 1, 3 * DECISIONS_MAX)
    watched = watching(ledger)

    first = watched.detail(KEY.job_id)
    assert ledger.asked["points"] == 0
    assert len(first.points) == len(first.decisions) == DECISIONS_MAX

    second = watched.detail(KEY.job_id)
    assert [each.revision for each in second.points] == list(range(1, 3 * DECISIONS_MAX + 1))
    watched.detail(KEY.job_id)
    assert ledger.asked["points"] == 1


def test_a_long_absence_leaves_no_gap(ledger: CountingLedger) -> None:
    """More new decisions than are kept whole: the figures are read anew, none is missing."""
    decide(ledger, 1, 5)
    watched = watching(ledger)
    watched.detail(KEY.job_id)
    decide(ledger, 6, 5 + 2 * DECISIONS_MAX)

    seen = watched.detail(KEY.job_id)

    assert [each.revision for each in seen.points] == list(range(1, 6 + 2 * DECISIONS_MAX))
    assert len(seen.decisions) == DECISIONS_MAX
    assert len(seen.applied) == DECISIONS_MAX


def test_a_job_created_anew_is_another_rollout(ledger: CountingLedger) -> None:
    """Under the same id, nothing of the rollout before is shown."""
    decide(ledger, 1, 9)
    watched = watching(ledger)
    watched.detail(KEY.job_id)
    anew = RolloutKey(KEY.job_id, KEY.created_at + 999)
    ledger.claim(replace(FRESH, key=anew), previous=None)

    seen = watched.detail(KEY.job_id)

    assert seen.glance.rollout.key == anew
    assert not seen.points
    assert not seen.decisions


def test_pages_share_one_list(ledger: CountingLedger) -> None:
    """However many pages ask within a second, the list is read once; then it is read anew."""
    clock = ManualClock(NOW)
    watched = Watching(ledger, ledger, clock)
    for _ in range(5):
        assert [each.rollout.key for each in watched.glances()] == [KEY]
    assert ledger.asked["last_decisions"] == 1

    clock.advance(GLANCES_SECONDS)
    watched.glances()

    assert ledger.asked["last_decisions"] == 2


def test_it_keeps_no_more_than_it_says(ledger: CountingLedger) -> None:
    """Whoever looks at one rollout after another does not fill the memory."""
    watched = watching(ledger)
    for number in range(KEPT_MAX + 5):
        key = RolloutKey(f"job-{number}", 1)
        ledger.claim(replace(FRESH, key=key), previous=None)
        watched.detail(key.job_id)

    assert len(watched._kept) == KEPT_MAX


def test_a_job_that_never_had_a_rollout_is_not_found(ledger: CountingLedger) -> None:
    """The message names the job."""
    with pytest.raises(NotFound, match="job nobody has no rollout"):
        watching(ledger).detail("nobody")
