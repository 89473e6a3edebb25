"""Which devices took a release up is read once, page by page, however many passes it takes."""

import json

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.jobs import MemoryJobs
from tidegate.domain.jobs import ExecutionStatus, ExecutionSummary
from tidegate.ports import ExecutionPage
from tidegate.service import affected as module
from tidegate.service.affected import LISTING_LAG_SECONDS, Affected, Place, affected

JOB = "release-7"
START = 1_790_000_000.0
BOTH = (ExecutionStatus.FAILED, ExecutionStatus.SUCCEEDED)


class Stage:
    """A job whose list comes in pages of two."""

    def __init__(self) -> None:
        """Start without executions."""
        self.clock = ManualClock(START)
        self.jobs = MemoryJobs(self.clock, page_size=2)
        self.jobs.add(JOB)

    def listed(self, status: ExecutionStatus, *names: str) -> None:
        """Let things be listed in this order, 100 seconds apart: the last report comes first."""
        for name in reversed(names):
            self.jobs.report(JOB, name, status)
            self.clock.advance(100)

    def read_on(self, place: Place, known: frozenset[str] = frozenset()) -> Affected:
        """Do one pass now."""
        return affected(self.jobs, JOB, place, known=known, at=self.clock.now())


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Return a job without executions; three things are enough for a pass."""
    monkeypatch.setattr(module, "THINGS_ENOUGH", 3)
    return Stage()


def test_a_look_goes_over_all_statuses_and_as_many_passes_as_it_takes(stage: Stage) -> None:
    """Each pass ends with the page that makes it enough, and only the last one ends the look."""
    stage.listed(ExecutionStatus.FAILED, "a")
    stage.listed(ExecutionStatus.SUCCEEDED, "b", "c", "d", "e")
    stage.listed(ExecutionStatus.REJECTED, "f")
    first = stage.read_on(Place(BOTH))
    second = stage.read_on(first.place)

    assert [sorted(each.names) for each in (first, second)] == [["a", "b", "c"], ["d", "e"]]
    assert [each.place.began is None for each in (first, second)] == [False, True]
    assert not first.is_whole
    assert not second.is_whole  # Begun in the pass before it, it may have missed somebody.


def test_the_next_look_reads_what_is_new(stage: Stage) -> None:
    """And what was updated shortly before the last one began, as lists lag: that is not new."""
    stage.listed(ExecutionStatus.SUCCEEDED, "e", "d", "c", "b", "a")
    place = Place(BOTH, since=START + 400 + LISTING_LAG_SECONDS - 1)
    found = stage.read_on(place)

    assert found.names == {"e"}
    assert found.new == set()
    assert found.is_whole
    stage.clock.advance(1)
    stage.listed(ExecutionStatus.SUCCEEDED, "f")
    assert stage.read_on(found.place).new == {"f"}


def test_a_list_in_another_order_is_read_to_its_end() -> None:
    """An old execution among new ones says nothing of those behind it."""

    def row(name: str, at: float) -> ExecutionSummary:
        return ExecutionSummary(name, ExecutionStatus.SUCCEEDED, at, at)

    place = Place((ExecutionStatus.SUCCEEDED,), since=START, began=START)
    mixed = ExecutionPage([row("old", START - 900), row("new", START)], "more")
    ordered = ExecutionPage([row("new", START), row("old", START - 900)], "more")

    assert place.after(mixed).token == "more"
    assert place.after(ordered).began is None


def test_what_is_known_is_passed_over(stage: Stage) -> None:
    """It is not among the things, and does not count towards what is enough for a pass."""
    stage.listed(ExecutionStatus.SUCCEEDED, "a", "b", "c", "d")
    found = stage.read_on(Place(BOTH), frozenset("abc"))

    assert found.names == {"d"}
    assert found.is_whole


def test_a_pass_ends_where_nothing_is_to_be_found(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many pages it leaves the rest to the next pass, which goes on behind them."""
    monkeypatch.setattr(module, "PAGES_MAX", 2)
    stage.listed(ExecutionStatus.SUCCEEDED, *"abcdef")
    known = frozenset("abcde")
    places = [Place((ExecutionStatus.SUCCEEDED,))]
    for _ in range(2):
        found = stage.read_on(places[-1], known)
        places.append(found.place)

    assert [each.began is None for each in places] == [True, False, True]
    assert found.names == {"f"}


def test_a_place_is_kept_as_json(stage: Stage) -> None:
    """Passes know of each other by the ledger only."""
    stage.listed(ExecutionStatus.SUCCEEDED, *"abcdef")
    place = stage.read_on(Place(BOTH)).place

    assert place.token is not None
    assert Place.from_document(json.loads(json.dumps(place.to_document()))) == place
