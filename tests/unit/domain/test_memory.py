"""What a review hands on changes nothing but the time that the next one takes."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import buckets, rates
from tests.unit.domain.examples import lasting, learned
from tidegate.domain import memory
from tidegate.domain.delays import AGES, Delays
from tidegate.domain.durations import Durations
from tidegate.domain.evidence import Bucket, Restarting
from tidegate.domain.memory import OPEN_BUCKETS, Folded, Memory, weigh_buckets

TOLERATED = 0.02
#: What a value in DynamoDB may weigh before reads cost more than a few units.
BYTES_MAX = 16_000
MILLION = 1_000_000

rows_of_buckets = st.lists(buckets(largest=9), max_size=12)


@pytest.fixture(autouse=True, scope="module")
def few_open_buckets() -> Iterator[None]:
    """Fold buckets soon, so that small examples fold at all."""
    with mock.patch.object(memory, "OPEN_BUCKETS", 3):
        yield


def assert_same(one: Restarting, other: Restarting) -> None:
    """Check that two pieces of evidence are equal, but for rounding."""
    assert one.buckets == other.buckets
    for mine, theirs in (
        (one.components, other.components),
        (one.peaks, other.peaks),
        ((one.current, one.best), (other.current, other.best)),
    ):
        assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-9)


# Evidence in pieces


@given(rows_of_buckets, rates, st.integers(0, 12))
def test_evidence_in_pieces_equals_evidence_in_one_go(
    row: list[Bucket], rate: float, cut: int
) -> None:
    """Where the buckets are cut does not matter, exactly."""
    in_pieces = Restarting().then(row[:cut], rate).then(row[cut:], rate)

    assert in_pieces == Restarting().then(row, rate)


# Folding


@given(rows_of_buckets, rows_of_buckets, rates)
def test_folding_changes_nothing(row: list[Bucket], later: list[Bucket], rate: float) -> None:
    """From review to review, with what was folded at hand or without: the same evidence."""
    folded = Folded()
    for end in range(len(row) + 1):
        evidence, folded = weigh_buckets(folded, row[:end], rate)
        assert_same(evidence, Restarting().then(row[:end], rate))
    evidence, _ = weigh_buckets(folded, [*row, *later], rate)
    assert_same(evidence, Restarting().then([*row, *later], rate))


@given(st.lists(buckets(largest=9), min_size=4, max_size=12), rates, st.data())
def test_an_old_bucket_that_changes_is_weighed_as_it_is_now(
    row: list[Bucket], rate: float, data: st.DataObject
) -> None:
    """Outcomes that come in long after their start still count, whichever bucket they are of."""
    _, folded = weigh_buckets(Folded(), row, rate)
    changed = [*row]
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(row) - 1))] = data.draw(buckets(largest=9))

    evidence, again = weigh_buckets(folded, changed, rate)
    assert_same(evidence, Restarting().then(changed, rate))
    assert_same(weigh_buckets(again, changed, rate)[0], evidence)


def test_changes_that_cancel_out_are_seen() -> None:
    """Two harmed devices come into one bucket where its neighbours lose one each."""
    before = [Bucket(9, 1, 0), Bucket(9, 1, 0), Bucket(9, 0, 0), Bucket(9, 1, 0), *_open()]
    after = [Bucket(9, 1, 0), Bucket(9, 0, 0), Bucket(9, 2, 0), Bucket(9, 0, 0), *_open()]
    _, folded = weigh_buckets(Folded(), before, TOLERATED)

    assert not folded.holds_for(after, TOLERATED)
    assert_same(weigh_buckets(folded, after, TOLERATED)[0], Restarting().then(after, TOLERATED))


def _open() -> list[Bucket]:
    """Return buckets that stay open behind others."""
    return [Bucket(1, 0, 0)] * 3


def test_what_was_folded_for_another_rate_is_not_used() -> None:
    """A policy's tolerated rate is part of what the evidence means."""
    row = [Bucket(9, 1, 8)] * 8
    _, folded = weigh_buckets(Folded(), row, TOLERATED)

    assert folded.evidence.buckets == 5
    assert folded.holds_for(row, TOLERATED)
    assert not folded.holds_for(row, 2 * TOLERATED)
    assert_same(weigh_buckets(folded, row, 0.1)[0], Restarting().then(row, 0.1))


def test_fewer_buckets_than_were_folded_are_weighed_afresh() -> None:
    """A ledger that forgets, or another job under the id, leaves nothing of what was folded."""
    row = [Bucket(9, 1, 8)] * 8
    _, folded = weigh_buckets(Folded(), row, TOLERATED)

    assert not folded.holds_for(row[:4], TOLERATED)
    assert_same(weigh_buckets(folded, row[:4], TOLERATED)[0], Restarting().then(row[:4], TOLERATED))


def test_few_buckets_are_taken_in_at_each_review() -> None:
    """A long rollout is reviewed as fast as a short one: only the open buckets are weighed."""
    row = [Bucket(9, 1, 8)] * 500
    _, folded = weigh_buckets(Folded(), row, TOLERATED)
    taken: list[int] = []
    then = Restarting.then

    def counted(self: Restarting, more: list[Bucket], rate: float) -> Restarting:
        taken.append(len(more))
        return then(self, more, rate)

    with mock.patch.object(Restarting, "then", counted):
        weigh_buckets(folded, [*row, Bucket(9, 0, 0)], TOLERATED)
    assert sum(taken) == 1 + 3


def test_open_buckets_outlast_the_usual_time_out() -> None:
    """Outcomes come into buckets of two hours, in which few devices are silent still."""
    assert OPEN_BUCKETS >= 120


# Storing


def test_a_memory_is_read_back_as_it_was_stored() -> None:
    """Plain JSON without infinities, the same after it, with nothing or much in it."""
    seasoned = Memory(
        Folded(Restarting().then([Bucket(9, 1, 8)] * 7, 1 / 3), (63, 7, 56, 12_345), 1 / 3),
        learned(cleared_after=7, never_cleared=0.01),
        ("north", "south"),
        lasting(7, never=0.01, at_work=30 + 1 / 3),
    )

    for each in (Memory(), seasoned, replace(seasoned, quarantined=())):
        stored = json.dumps(each.to_document(), allow_nan=False)
        assert Memory.from_document(json.loads(stored)) == each


def test_a_fresh_memory_has_nothing_folded() -> None:
    """Components that were never begun are infinitely unlikely, in JSON and out of it."""
    read = Memory.from_document(Memory().to_document())

    assert set(read.folded.evidence.components) == {-math.inf}
    assert read.folded.evidence.best == 0


def test_the_memory_of_a_million_devices_is_small() -> None:
    """It is read and written at each review, with the rollout's state."""
    row = [Bucket(999, 12, 987)] * 1001
    _, folded = weigh_buckets(Folded(), row, TOLERATED)
    delays = Delays(*((MILLION,) * AGES,) * 2, 10_080 + 1 / 3)
    cohorts = tuple(f"hardware-revision-{number:02}" for number in range(50))

    durations = Durations(*((MILLION,) * AGES,) * 2, 10_080 + 1 / 3)

    stored = json.dumps(Memory(folded, delays, cohorts, durations).to_document())
    assert len(stored.encode()) < BYTES_MAX
